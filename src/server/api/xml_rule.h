/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that peers send, against tables of what they may look like: every element known, none
 * too often or too seldom, texts of their kind. What fits is written out again in the table's
 * order, so that nothing else ever reaches the store. */

#ifndef SERVER_API_XML_RULE_H
#define SERVER_API_XML_RULE_H

#include "proto/xml.h"

enum xml_kind {
    XML_NODE, /* children; an empty one is fine when none is required */
    XML_TEXT, /* any text as it is, up to len_max bytes */
    XML_WORD, /* one of `words`, "a|b" */
    XML_UINT, /* 0 to 9223372036854775807 */
    XML_BOOL, /* true, false; any case */
    XML_TIME, /* ISO 8601 */
    XML_ANY,  /* anything: what is not implemented, and never written out */
};

enum { XML_RULE_COUNT_MAX = 16, XML_MANY = 100000 };

/* One element and how often its parent has it. */
struct xml_rule {
    const char *name;
    unsigned count_min;
    unsigned count_max;
    enum xml_kind kind;
    size_t len_max;
    const char *words;
    const struct xml_rule *children;
    size_t child_count;
};

#define XML_CHILDREN(rules) .kind = XML_NODE, .children = (rules), .child_count = TN_COUNT(rules)

/* TARN_EINVAL, and which element is at fault in `err`. */
TN_MUST_USE int xml_rule_check(const struct xml_rule *rule, const struct tn_xml_node *node,
                               struct tarn_error *err);

/* Writes a document that was checked; the root with S3's namespace. */
void xml_rule_write(const struct xml_rule *rule, const struct tn_xml_node *node,
                    struct tn_xml_writer *w);

size_t xml_count(const struct tn_xml_node *node, const char *name); /* of its children */
uint64_t xml_u64(const struct tn_xml_node *node, const char *name, uint64_t otherwise);
bool xml_is_true(const struct tn_xml_node *node, const char *name);

#endif
