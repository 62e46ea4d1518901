/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a listing, read. Nearly all pages are of one shape, which a scanner takes without
 * copying anything; whatever it does not know goes through the XML reader. Both give the same. */

#ifndef CLIENT_LIST_PAGE_H
#define CLIENT_LIST_PAGE_H

#include "base/buf.h"
#include "base/fail.h"

enum { TN_LIST_PAGE_ENTRIES_MAX = 10000, TN_LIST_PAGE_TEXT_MAX = 32 << 20 };

/* A place in the page's texts; `at` 0 is "not told". */
struct tn_list_text {
    uint32_t at;
    uint32_t len;
};

struct tn_list_item {
    struct tn_list_text key;
    struct tn_list_text etag; /* without quotes */
    struct tn_list_text storage_class;
    struct tn_list_text owner_id;
    struct tn_list_text checksum;
    uint64_t size;
    int64_t last_modified_ms;
    bool is_final; /* while a page is scanned: only NULs are missing */
};

struct tn_list_items {
    struct tn_list_item *items;
    size_t count;
    size_t cap;
};

struct tn_list_page {
    bool uses_markers;   /* ListObjects, the first version; set before a page is read */
    struct tn_buf texts; /* the document itself, or copies out of it; each with a NUL behind it */
    struct tn_list_items objects;
    struct tn_list_items prefixes;
    struct tn_buf token; /* of the next page */
    bool is_truncated;
    bool is_encoded; /* keys are percent-encoded: decoded already when this is read */
};

void tn_list_page_init(struct tn_list_page *p);
void tn_list_page_release(struct tn_list_page *p);

/* Reads a document, which is taken: it becomes `texts`, and the buffer of before is left in its
 * place. TARN_EPROTOCOL when it is no page of a listing; the page is then empty. */
TN_MUST_USE int tn_list_page_read(struct tn_list_page *p, struct tn_buf *document,
                                  struct tarn_error *err);

/* The same by the XML reader alone; `document` stays as it is. */
TN_MUST_USE int tn_list_page_read_xml(struct tn_list_page *p, struct tn_str document,
                                      struct tarn_error *err);

/* Takes the page's texts as a document of the usual shape. TARN_ENOTSUPPORTED: of another one, and
 * the texts are unchanged. TARN_ENOMEM. */
TN_MUST_USE int tn_list_page_scan(struct tn_list_page *p);

/* An entry more, at the end of either. */
TN_MUST_USE int tn_list_items_add(struct tn_list_items *e);

static inline struct tn_str tn_list_text_of(const struct tn_list_page *p, struct tn_list_text t)
{
    return (struct tn_str){ p->texts.data + t.at, t.len };
}

#endif
