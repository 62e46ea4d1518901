/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of listings: whatever the scanner takes, the XML reader reads the same. */

#include <assert.h>

#include "client/list_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const struct tn_list_page *a, struct tn_list_text x,
                       const struct tn_list_page *b, struct tn_list_text y)
{
    assert(!x.at == !y.at);
    if (x.at == 0)
        return;
    assert(tn_str_eq(tn_list_text_of(a, x), tn_list_text_of(b, y)));
    assert(a->texts.data[x.at + x.len] == '\0' && b->texts.data[y.at + y.len] == '\0');
}

static void check_items(const struct tn_list_page *a, const struct tn_list_items *x,
                        const struct tn_list_page *b, const struct tn_list_items *y)
{
    assert(x->count == y->count && x->count <= TN_LIST_PAGE_ENTRIES_MAX);
    for (size_t i = 0; i < x->count; i++) {
        const struct tn_list_item *p = &x->items[i];
        const struct tn_list_item *q = &y->items[i];
        check_text(a, p->key, b, q->key);
        check_text(a, p->etag, b, q->etag);
        check_text(a, p->storage_class, b, q->storage_class);
        check_text(a, p->owner_id, b, q->owner_id);
        check_text(a, p->checksum, b, q->checksum);
        assert(p->size == q->size && p->last_modified_ms == q->last_modified_ms);
    }
}

static void check(struct tn_str text, bool uses_markers)
{
    struct tn_list_page scanned, read;
    TN_AUTO_BUF document = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    tn_list_page_init(&scanned);
    tn_list_page_init(&read);
    scanned.uses_markers = read.uses_markers = uses_markers;
    int rc = tn_buf_append_str(&document, text);
    assert(rc == TARN_OK);
    int scan_rc = tn_list_page_read(&scanned, &document, NULL);
    int read_rc = tn_list_page_read_xml(&read, text, NULL);
    assert(scan_rc == read_rc);
    assert(scanned.is_truncated == read.is_truncated && scanned.is_encoded == read.is_encoded);
    assert(tn_str_eq(tn_buf_str(&scanned.token), tn_buf_str(&read.token)));
    check_items(&scanned, &scanned.objects, &read, &read.objects);
    check_items(&scanned, &scanned.prefixes, &read, &read.prefixes);
    tn_list_page_release(&scanned);
    tn_list_page_release(&read);
}

/* Each line as an object: what follows another one is compared with it. */
static void check_objects(struct tn_str lines)
{
    TN_AUTO_BUF page = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    int rc = tn_buf_append_str(&page, TN_STR("<ListBucketResult>"));
    while (rc == TARN_OK && lines.len > 0) {
        struct tn_str line = tn_str_split(&lines, '\n');
        rc = tn_buf_append_str(&page, TN_STR("<Contents>"));
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&page, line);
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&page, TN_STR("</Contents>"));
    }
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&page, TN_STR("</ListBucketResult>"));
    assert(rc == TARN_OK);
    check(tn_buf_str(&page), false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    if (len == 0)
        text.data = "";
    check(text, false);
    check(text, true);
    check_objects(text);
    return 0;
}
