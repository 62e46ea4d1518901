/* SPDX-License-Identifier: Apache-2.0 */
/* Reading XML: a thin layer over expat that keeps limits, and a tree on top of it. */

#include "proto/xml.h"

#include <assert.h>

#include <expat.h>

/* expat takes lengths as int. */
enum { FEED_LEN_MAX = 1 << 30 };

static_assert(TN_XML_DEPTH_MAX <= 32, "a bit of `mixed` for each depth");

struct tn_xml_reader {
    XML_Parser expat;
    const struct tn_xml_handler *handler;
    void *arg;
    struct tn_buf text; /* of the innermost element, as long as it has no children */
    size_t node_count;
    uint32_t mixed; /* for each depth: text stands beside children */
    unsigned depth; /* elements that are open */
    bool is_leaf;   /* the innermost open element has no children so far */
    int rc;         /* the failure that ended the parse */
    const char *reason;
};

static void *xml_malloc(size_t len)
{
    return tn_realloc(NULL, len);
}

static void stop(struct tn_xml_reader *r, int rc, const char *reason)
{
    if (r->rc < 0)
        return;
    r->rc = rc;
    r->reason = reason;
    (void)XML_StopParser(r->expat, XML_FALSE);
}

static struct tn_str local_name(const XML_Char *name)
{
    const char *colon = strchr(name, ':');
    return tn_str_from(colon ? colon + 1 : name);
}

static bool is_xml_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Text beside the children of the innermost open element. */
static void see_stray(struct tn_xml_reader *r, struct tn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_xml_blank(text.data[i]))
            r->mixed |= UINT32_C(1) << (r->depth - 1);
    }
}

static void XMLCALL on_start(void *arg, const XML_Char *raw_name, const XML_Char **attributes)
{
    struct tn_xml_reader *r = arg;
    (void)attributes;
    if (r->rc < 0)
        return;
    struct tn_str name = local_name(raw_name);
    if (!name.len) {
        stop(r, TARN_EINVAL, "a prefix without a name");
        return;
    }
    if (r->depth == TN_XML_DEPTH_MAX || name.len > TN_XML_NAME_LEN_MAX ||
        r->node_count == TN_XML_NODE_COUNT_MAX) {
        stop(r, TARN_ETOOBIG, "too deep, too many elements or too long a name");
        return;
    }
    int rc = r->handler->start ? r->handler->start(r->arg, name, r->depth) : TARN_OK;
    if (rc < 0)
        stop(r, rc, tarn_status_text(rc));
    if (r->is_leaf && r->depth)
        see_stray(r, tn_buf_str(&r->text));
    r->mixed &= ~(UINT32_C(1) << r->depth);
    r->node_count++;
    r->depth++;
    r->is_leaf = true;
    tn_buf_truncate(&r->text, 0);
}

static void XMLCALL on_end(void *arg, const XML_Char *raw_name)
{
    struct tn_xml_reader *r = arg;
    if (r->rc < 0)
        return;
    r->depth--;
    struct tn_str text = r->is_leaf ? tn_buf_str(&r->text) : TN_STR_EMPTY;
    int rc = TARN_OK;
    if (r->handler->end)
        rc = r->handler->end(r->arg, local_name(raw_name), text, r->depth);
    if (rc < 0)
        stop(r, rc, tarn_status_text(rc));
    r->is_leaf = false;
}

static void XMLCALL on_text(void *arg, const XML_Char *bytes, int len)
{
    struct tn_xml_reader *r = arg;
    if (r->rc < 0)
        return;
    if (!r->is_leaf) {
        see_stray(r, (struct tn_str){ bytes, (size_t)len });
        return;
    }
    int rc = tn_buf_append(&r->text, bytes, (size_t)len);
    if (rc < 0)
        stop(r, rc, rc == TARN_ETOOBIG ? "text too long" : tarn_status_text(rc));
}

/* No S3 document has one, and everything dangerous in XML begins there. */
static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    stop(arg, TARN_EINVAL, "document types are not allowed");
}

struct tn_xml_reader *tn_xml_reader_new(const struct tn_xml_handler *handler, void *arg)
{
    static const XML_Memory_Handling_Suite memory = { xml_malloc, tn_realloc, tn_free };
    struct tn_xml_reader *r = tn_realloc(NULL, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct tn_xml_reader){
        .expat = XML_ParserCreate_MM(NULL, &memory, NULL),
        .handler = handler,
        .arg = arg,
        .text = TN_BUF_INIT(TN_XML_TEXT_LEN_MAX),
    };
    if (!r->expat) {
        tn_xml_reader_free(r);
        return NULL;
    }
    XML_SetUserData(r->expat, r);
    XML_SetElementHandler(r->expat, on_start, on_end);
    XML_SetCharacterDataHandler(r->expat, on_text);
    XML_SetStartDoctypeDeclHandler(r->expat, on_doctype);
    return r;
}

void tn_xml_reader_free(struct tn_xml_reader *r)
{
    if (!r)
        return;
    if (r->expat)
        XML_ParserFree(r->expat);
    tn_buf_release(&r->text);
    tn_free(r);
}

static int report(const struct tn_xml_reader *r, struct tarn_error *err)
{
    return tn_fail(err, r->rc, "could not read XML: line %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(r->expat), r->reason);
}

static int feed_piece(struct tn_xml_reader *r, const char *bytes, size_t len, bool is_last)
{
    if (r->rc < 0)
        return r->rc;
    if (XML_Parse(r->expat, bytes, (int)len, is_last) == XML_STATUS_OK || r->rc < 0)
        return r->rc;
    enum XML_Error code = XML_GetErrorCode(r->expat);
    r->rc = code == XML_ERROR_NO_MEMORY ? TARN_ENOMEM : TARN_EINVAL;
    r->reason = XML_ErrorString(code);
    return r->rc;
}

int tn_xml_reader_feed(struct tn_xml_reader *r, const char *bytes, size_t len,
                       struct tarn_error *err)
{
    int rc = r->rc;
    while (len && rc == TARN_OK) {
        size_t piece = len < FEED_LEN_MAX ? len : FEED_LEN_MAX;
        rc = feed_piece(r, bytes, piece, false);
        bytes += piece;
        len -= piece;
    }
    return rc < 0 ? report(r, err) : TARN_OK;
}

int tn_xml_reader_finish(struct tn_xml_reader *r, struct tarn_error *err)
{
    int rc = feed_piece(r, "", 0, true);
    return rc < 0 ? report(r, err) : TARN_OK;
}

bool tn_xml_reader_is_mixed(const struct tn_xml_reader *r)
{
    return r->mixed >> r->depth & 1;
}

/* A handful of names make up a document of 10,000 parts. */
enum { NAME_CACHE_COUNT = 16 };

struct tn_xml_builder {
    struct tn_xml_reader *reader;
    struct tn_arena *arena;
    struct tn_xml_node *root;
    struct {
        struct tn_xml_node *node;
        struct tn_xml_node *last_child;
    } open[TN_XML_DEPTH_MAX];
    struct tn_str names[NAME_CACHE_COUNT];
    size_t name_count;
};

static int shared_name(struct tn_xml_builder *b, struct tn_str name, struct tn_str *out)
{
    for (size_t i = 0; i < b->name_count; i++) {
        if (tn_str_eq(b->names[i], name)) {
            *out = b->names[i];
            return TARN_OK;
        }
    }
    int rc = tn_arena_str(b->arena, name, out);
    if (rc == TARN_OK && b->name_count < NAME_CACHE_COUNT)
        b->names[b->name_count++] = *out;
    return rc;
}

static int build_start(void *arg, struct tn_str name, unsigned depth)
{
    struct tn_xml_builder *b = arg;
    assert(depth < TN_XML_DEPTH_MAX);
    struct tn_xml_node *node = tn_arena_alloc(b->arena, sizeof *node);
    if (!node)
        return TARN_ENOMEM;
    *node = (struct tn_xml_node){ .text = TN_STR_EMPTY };
    int rc = shared_name(b, name, &node->name);
    if (rc < 0)
        return rc;

    b->open[depth].node = node;
    b->open[depth].last_child = NULL;
    if (depth == 0) {
        b->root = node;
        return TARN_OK;
    }
    if (b->open[depth - 1].last_child)
        b->open[depth - 1].last_child->next = node;
    else
        b->open[depth - 1].node->children = node;
    b->open[depth - 1].last_child = node;
    return TARN_OK;
}

static int build_end(void *arg, struct tn_str name, struct tn_str text, unsigned depth)
{
    struct tn_xml_builder *b = arg;
    (void)name;
    b->open[depth].node->is_mixed = tn_xml_reader_is_mixed(b->reader);
    return text.len ? tn_arena_str(b->arena, text, &b->open[depth].node->text) : TARN_OK;
}

struct tn_xml_builder *tn_xml_builder_new(struct tn_arena *a)
{
    static const struct tn_xml_handler handler = { build_start, build_end };
    struct tn_xml_builder *b = tn_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->arena = a;
    b->reader = tn_xml_reader_new(&handler, b);
    if (!b->reader) {
        tn_free(b);
        return NULL;
    }
    return b;
}

void tn_xml_builder_free(struct tn_xml_builder *b)
{
    if (!b)
        return;
    tn_xml_reader_free(b->reader);
    tn_free(b);
}

int tn_xml_builder_feed(struct tn_xml_builder *b, const char *bytes, size_t len,
                        struct tarn_error *err)
{
    return tn_xml_reader_feed(b->reader, bytes, len, err);
}

int tn_xml_builder_finish(struct tn_xml_builder *b, const struct tn_xml_node **root,
                          struct tarn_error *err)
{
    int rc = tn_xml_reader_finish(b->reader, err);
    if (rc < 0)
        return rc;
    *root = b->root;
    return TARN_OK;
}

int tn_xml_parse(struct tn_arena *a, struct tn_str document, const struct tn_xml_node **root,
                 struct tarn_error *err)
{
    struct tn_xml_builder *b = tn_xml_builder_new(a);
    if (!b)
        return tn_fail(err, TARN_ENOMEM, "could not read XML: out of memory");
    int rc = tn_xml_builder_feed(b, document.data, document.len, err);
    if (rc == TARN_OK)
        rc = tn_xml_builder_finish(b, root, err);
    tn_xml_builder_free(b);
    return rc;
}

static const struct tn_xml_node *find_from(const struct tn_xml_node *node, struct tn_str name)
{
    while (node && !tn_str_eq(node->name, name))
        node = node->next;
    return node;
}

const struct tn_xml_node *tn_xml_child(const struct tn_xml_node *node, const char *name)
{
    return find_from(node->children, tn_str_from(name));
}

const struct tn_xml_node *tn_xml_next(const struct tn_xml_node *node)
{
    return find_from(node->next, node->name);
}

struct tn_str tn_xml_child_text_raw(const struct tn_xml_node *node, const char *name)
{
    const struct tn_xml_node *child = tn_xml_child(node, name);
    return child ? child->text : TN_STR_EMPTY;
}

struct tn_str tn_xml_child_text(const struct tn_xml_node *node, const char *name)
{
    struct tn_str text = tn_xml_child_text_raw(node, name);
    while (text.len && is_xml_blank(text.data[0]))
        text = tn_str_sub(text, 1, text.len);
    while (text.len && is_xml_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}
