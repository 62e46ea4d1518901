/* SPDX-License-Identifier: Apache-2.0 */
/* XML as S3 uses it: elements and text, no attributes, no mixed content. Reading goes over expat,
 * bytes in any split; document types (so entities too) are refused; namespaces are dropped. Writing
 * is an escaper.
 *
 * Text is kept exactly and only for elements without children; other text is dropped, but whoever
 * wants to refuse it is told of it. */

#ifndef PROTO_XML_H
#define PROTO_XML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"

enum {
    TN_XML_DEPTH_MAX = 32,
    TN_XML_NAME_LEN_MAX = 128,
    TN_XML_TEXT_LEN_MAX = 65536,    /* of one element */
    TN_XML_NODE_COUNT_MAX = 100000, /* 10,000 parts with number, tag and checksums */
};

/* Any callback may be NULL; a negative TARN_E ends the parse with it. The views last for the call.
 * `depth` is 0 for the root. */
struct tn_xml_handler {
    int (*start)(void *arg, struct tn_str name, unsigned depth);
    int (*end)(void *arg, struct tn_str name, struct tn_str text, unsigned depth);
};

struct tn_xml_reader;

/* A streaming reader; NULL when out of memory. `handler` and `arg` must outlive it. */
TN_MUST_USE struct tn_xml_reader *tn_xml_reader_new(const struct tn_xml_handler *handler,
                                                    void *arg);
void tn_xml_reader_free(struct tn_xml_reader *r);

/* Feeds bytes: TARN_EINVAL (not well-formed, a DOCTYPE), TARN_ETOOBIG (a limit), TARN_ENOMEM, or
 * what a callback returned; `err` then tells the line. After a failure every call fails the same
 * way. */
TN_MUST_USE int tn_xml_reader_feed(struct tn_xml_reader *r, const char *bytes, size_t len,
                                   struct tarn_error *err);

/* The document must be complete: else TARN_EINVAL. */
TN_MUST_USE int tn_xml_reader_finish(struct tn_xml_reader *r, struct tarn_error *err);

/* In the callback `end`: text that is not blank stood beside the children of that element. */
bool tn_xml_reader_is_mixed(const struct tn_xml_reader *r);

/* A small document as a tree, in an arena. */
struct tn_xml_node {
    struct tn_str name;
    struct tn_str text;
    struct tn_xml_node *children; /* first one */
    struct tn_xml_node *next;     /* sibling */
    bool is_mixed;                /* had text beside its children, too */
};

struct tn_xml_builder;

/* Builds the tree while bytes arrive; the nodes are the arena's (its `max` bounds them too), the
 * builder is freed before or after. NULL when out of memory. */
TN_MUST_USE struct tn_xml_builder *tn_xml_builder_new(struct tn_arena *a);
void tn_xml_builder_free(struct tn_xml_builder *b);
TN_MUST_USE int tn_xml_builder_feed(struct tn_xml_builder *b, const char *bytes, size_t len,
                                    struct tarn_error *err);
TN_MUST_USE int tn_xml_builder_finish(struct tn_xml_builder *b, const struct tn_xml_node **root,
                                      struct tarn_error *err);

/* Both in one. `root` is unchanged on failure. */
TN_MUST_USE int tn_xml_parse(struct tn_arena *a, struct tn_str document,
                             const struct tn_xml_node **root, struct tarn_error *err);

/* The first child of that name, the next sibling of the same name as `node`; NULL when there is
 * none. */
const struct tn_xml_node *tn_xml_child(const struct tn_xml_node *node, const char *name);
const struct tn_xml_node *tn_xml_next(const struct tn_xml_node *node);

/* The first such child's text, trimmed or as it is; empty when there is none. */
struct tn_str tn_xml_child_text(const struct tn_xml_node *node, const char *name);
struct tn_str tn_xml_child_text_raw(const struct tn_xml_node *node, const char *name);

/* A writer whose calls need no checks: the first failure sticks, what follows does nothing. */
struct tn_xml_writer {
    struct tn_buf *out;
    int rc;
};

#define TN_XML_WRITER(buf) ((struct tn_xml_writer){ .out = (buf), .rc = TARN_OK })
#define TN_XML_S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

/* The declaration and the root element; `xmlns` NULL: none (errors have none). */
void tn_xml_root(struct tn_xml_writer *w, const char *name, const char *xmlns);
void tn_xml_open(struct tn_xml_writer *w, const char *name);
void tn_xml_close(struct tn_xml_writer *w, const char *name);

/* A whole element with escaped text. */
void tn_xml_str(struct tn_xml_writer *w, const char *name, struct tn_str text);
void tn_xml_text(struct tn_xml_writer *w, const char *name, const char *text);
void tn_xml_u64(struct tn_xml_writer *w, const char *name, uint64_t number);
void tn_xml_bool(struct tn_xml_writer *w, const char *name, bool is_true);

/* Appends `text` with & < > " ' as entities and what XML 1.0 has no other place for (control bytes,
 * U+FFFE, U+FFFF) as &#x..;, as S3 does. `text` is UTF-8. On failure `out` is unchanged. */
TN_MUST_USE int tn_xml_escape(struct tn_buf *out, struct tn_str text);

#endif
