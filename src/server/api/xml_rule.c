/* SPDX-License-Identifier: Apache-2.0 */
/* Documents against tables. Recursion is bounded by the depth of the tables. */

#include "server/api/xml_rule.h"

#include <assert.h>

#include "base/clock.h"

static const struct xml_rule *find_rule(const struct xml_rule *rule, struct tn_str name)
{
    for (size_t i = 0; i < rule->child_count; i++) {
        if (tn_str_eq(tn_str_from(rule->children[i].name), name))
            return &rule->children[i];
    }
    return NULL;
}

/* As people lay documents out: line breaks, too. */
static struct tn_str trim(struct tn_str s)
{
    while (s.len && strchr(" \t\r\n", s.data[0]) && s.data[0])
        s = tn_str_sub(s, 1, s.len);
    while (s.len && strchr(" \t\r\n", s.data[s.len - 1]) && s.data[s.len - 1])
        s.len--;
    return s;
}

static bool has_word(const char *words, struct tn_str text)
{
    struct tn_str rest = tn_str_from(words);
    while (rest.len) {
        if (tn_str_eq(tn_str_split(&rest, '|'), text))
            return true;
    }
    return false;
}

static bool is_bool(struct tn_str text)
{
    return tn_str_eq_nocase(text, TN_STR("true")) || tn_str_eq_nocase(text, TN_STR("false"));
}

static bool text_fits(const struct xml_rule *rule, const struct tn_xml_node *node)
{
    struct tn_str text = trim(node->text);
    uint64_t number;
    int64_t time;
    switch (rule->kind) {
    case XML_NODE:
        return text.len == 0;
    case XML_TEXT:
        return node->text.len <= rule->len_max;
    case XML_WORD:
        return has_word(rule->words, text);
    case XML_UINT:
        return tn_str_to_u64(text, &number) == TARN_OK && number <= INT64_MAX;
    case XML_BOOL:
        return is_bool(text);
    case XML_TIME:
        return tn_time_parse_iso8601(text, &time) == TARN_OK;
    case XML_ANY:
        return true;
    }
    return false;
}

static int check_counts(const struct xml_rule *rule, const unsigned counts[XML_RULE_COUNT_MAX],
                        struct tarn_error *err)
{
    for (size_t i = 0; i < rule->child_count; i++) {
        const struct xml_rule *child = &rule->children[i];
        if (counts[i] < child->count_min)
            return tn_fail(err, TARN_EINVAL, "<%s> lacks <%s>", rule->name, child->name);
        if (counts[i] > child->count_max)
            return tn_fail(err, TARN_EINVAL, "<%s> has too many <%s>", rule->name, child->name);
    }
    return TARN_OK;
}

static int check_children(const struct xml_rule *rule, const struct tn_xml_node *node,
                          struct tarn_error *err)
{
    unsigned counts[XML_RULE_COUNT_MAX] = { 0 };
    assert(rule->child_count <= XML_RULE_COUNT_MAX);
    for (const struct tn_xml_node *n = node->children; n; n = n->next) {
        const struct xml_rule *child = find_rule(rule, n->name);
        if (!child)
            return tn_fail(err, TARN_EINVAL, "<%s> has no <%.*s>", rule->name, TN_STR_ARG(n->name));
        counts[child - rule->children]++;
        int rc = xml_rule_check(child, n, err);
        if (rc < 0)
            return rc;
    }
    return check_counts(rule, counts, err);
}

int xml_rule_check(const struct xml_rule *rule, const struct tn_xml_node *node,
                   struct tarn_error *err)
{
    if (!tn_str_eq(node->name, tn_str_from(rule->name)))
        return tn_fail(err, TARN_EINVAL, "expected <%s>", rule->name);
    if (rule->kind == XML_ANY)
        return TARN_OK;
    if (node->is_mixed || (!node->children && !text_fits(rule, node)))
        return tn_fail(err, TARN_EINVAL, "bad text in <%s>", rule->name);
    return check_children(rule, node, err);
}

static void write_text(const struct xml_rule *rule, const struct tn_xml_node *node,
                       struct tn_xml_writer *w)
{
    struct tn_str text = rule->kind == XML_TEXT ? node->text : trim(node->text);
    if (rule->kind == XML_BOOL)
        tn_xml_bool(w, rule->name, tn_str_eq_nocase(text, TN_STR("true")));
    else
        tn_xml_str(w, rule->name, text);
}

static void write_children(const struct xml_rule *rule, const struct tn_xml_node *node,
                           struct tn_xml_writer *w)
{
    for (size_t i = 0; i < rule->child_count; i++) {
        const struct xml_rule *child = &rule->children[i];
        const struct tn_xml_node *n = tn_xml_child(node, child->name);
        for (; n && child->kind != XML_ANY; n = tn_xml_next(n)) {
            if (child->kind != XML_NODE) {
                write_text(child, n, w);
                continue;
            }
            tn_xml_open(w, child->name);
            write_children(child, n, w);
            tn_xml_close(w, child->name);
        }
    }
}

void xml_rule_write(const struct xml_rule *rule, const struct tn_xml_node *node,
                    struct tn_xml_writer *w)
{
    tn_xml_root(w, rule->name, TN_XML_S3_NAMESPACE);
    write_children(rule, node, w);
    tn_xml_close(w, rule->name);
}

size_t xml_count(const struct tn_xml_node *node, const char *name)
{
    size_t count = 0;
    for (const struct tn_xml_node *n = tn_xml_child(node, name); n; n = tn_xml_next(n))
        count++;
    return count;
}

uint64_t xml_u64(const struct tn_xml_node *node, const char *name, uint64_t otherwise)
{
    uint64_t number;
    return tn_str_to_u64(tn_xml_child_text(node, name), &number) == TARN_OK ? number : otherwise;
}

bool xml_is_true(const struct tn_xml_node *node, const char *name)
{
    return tn_str_eq_nocase(tn_xml_child_text(node, name), TN_STR("true"));
}
