/* SPDX-License-Identifier: Apache-2.0 */
/* XML: a document whole and in pieces gives the same tree, and what the writer makes of a text the
 * reader gives back. */

#include <assert.h>

#include "proto/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FUZZ_ARENA_MAX = 8 << 20 };

static int build(struct tn_arena *a, struct tn_str doc, size_t step,
                 const struct tn_xml_node **root)
{
    struct tn_xml_builder *b = tn_xml_builder_new(a);
    if (!b)
        return TARN_ENOMEM;
    int rc = TARN_OK;
    while (doc.len && rc == TARN_OK) {
        struct tn_str piece = tn_str_sub(doc, 0, step);
        rc = tn_xml_builder_feed(b, piece.data, piece.len, NULL);
        doc = tn_str_sub(doc, step, doc.len);
    }
    if (rc == TARN_OK)
        rc = tn_xml_builder_finish(b, root, NULL);
    tn_xml_builder_free(b);
    return rc;
}

static void check_same(const struct tn_xml_node *a, const struct tn_xml_node *b)
{
    const struct tn_xml_node *stack_a[TN_XML_DEPTH_MAX];
    const struct tn_xml_node *stack_b[TN_XML_DEPTH_MAX];
    size_t depth = 0;
    for (;;) {
        assert(!a == !b);
        if (!a && depth == 0)
            return;
        if (!a) {
            depth--;
            a = stack_a[depth]->next;
            b = stack_b[depth]->next;
            continue;
        }
        assert(tn_str_eq(a->name, b->name));
        assert(tn_str_eq(a->text, b->text));
        assert(a->is_mixed == b->is_mixed);
        assert(!a->is_mixed || a->children);
        assert(a->name.len > 0 && a->name.len <= TN_XML_NAME_LEN_MAX);
        assert(a->text.len == 0 || !a->children);
        assert(depth < TN_XML_DEPTH_MAX);
        stack_a[depth] = a;
        stack_b[depth] = b;
        depth++;
        a = a->children;
        b = b->children;
    }
}

static void check_round_trip(struct tn_str text)
{
    TN_AUTO_BUF doc = TN_BUF_INIT(1 << 20);
    struct tn_xml_writer w = TN_XML_WRITER(&doc);
    struct tn_arena a;
    const struct tn_xml_node *root;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0xef)
            return; /* not for XML 1.0: written as S3 does, refused by every reader */
    }
    if (!tn_str_is_utf8(text) || text.len > TN_XML_TEXT_LEN_MAX)
        return;
    tn_xml_root(&w, "R", TN_XML_S3_NAMESPACE);
    tn_xml_str(&w, "K", text);
    tn_xml_close(&w, "R");
    tn_arena_init(&a, FUZZ_ARENA_MAX);
    if (w.rc == TARN_OK) {
        int rc = tn_xml_parse(&a, tn_buf_str(&doc), &root, NULL);
        assert(rc == TARN_OK);
        assert(tn_str_eq(tn_xml_child_text_raw(root, "K"), text));
    }
    tn_arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str doc = { (const char *)data, len };
    struct tn_arena a;
    struct tn_arena b;
    const struct tn_xml_node *whole;
    const struct tn_xml_node *pieces;
    tn_arena_init(&a, FUZZ_ARENA_MAX);
    tn_arena_init(&b, FUZZ_ARENA_MAX);
    int rc = build(&a, doc, SIZE_MAX, &whole);
    int pieces_rc = build(&b, doc, len % 7 + 1, &pieces);
    assert((rc == TARN_OK) == (pieces_rc == TARN_OK));
    if (rc == TARN_OK)
        check_same(whole, pieces);
    tn_arena_release(&a);
    tn_arena_release(&b);
    check_round_trip(doc);
    return 0;
}
