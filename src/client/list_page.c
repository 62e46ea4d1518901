/* SPDX-License-Identifier: Apache-2.0 */
/* A page of a listing, by the XML reader; and what is done to it whoever read it. */

#include "client/list_page.h"

#include "client/attributes.h"
#include "proto/uri.h"
#include "proto/xml.h"

enum { ITEMS_CAP_FIRST = 128 };

void tn_list_page_init(struct tn_list_page *p)
{
    *p = (struct tn_list_page){ .texts = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX),
                                .token = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX) };
}

void tn_list_page_release(struct tn_list_page *p)
{
    tn_buf_release(&p->texts);
    tn_buf_release(&p->token);
    tn_free(p->objects.items);
    tn_free(p->prefixes.items);
    p->objects = p->prefixes = (struct tn_list_items){ 0 };
}

int tn_list_items_add(struct tn_list_items *e)
{
    if (e->count == TN_LIST_PAGE_ENTRIES_MAX)
        return TARN_ETOOBIG;
    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : ITEMS_CAP_FIRST;
        struct tn_list_item *grown = tn_realloc(e->items, cap * sizeof *grown);
        if (!grown)
            return TARN_ENOMEM;
        e->items = grown;
        e->cap = cap;
    }
    e->items[e->count++] = (struct tn_list_item){ .last_modified_ms = -1 };
    return TARN_OK;
}

static void clear(struct tn_list_page *p)
{
    p->objects.count = p->prefixes.count = 0;
    p->is_truncated = p->is_encoded = false;
    tn_buf_truncate(&p->token, 0);
}

/* ---- by the XML reader ---- */

static int keep(struct tn_list_page *p, struct tn_str text, struct tn_list_text *at)
{
    *at = (struct tn_list_text){ (uint32_t)p->texts.len, (uint32_t)text.len };
    int rc = tn_buf_append_str(&p->texts, text);
    return rc == TARN_OK ? tn_buf_append_char(&p->texts, '\0') : rc;
}

static int keep_etag(struct tn_list_page *p, struct tn_str text, struct tn_list_text *at)
{
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
        text = tn_str_sub(text, 1, text.len - 2);
    return keep(p, text, at);
}

static int on_start(void *arg, struct tn_str name, unsigned depth)
{
    struct tn_list_page *p = arg;
    if (depth == 0)
        return tn_str_eq(name, TN_STR("ListBucketResult")) ? TARN_OK : TARN_EPROTOCOL;
    if (depth == 1 && tn_str_eq(name, TN_STR("Contents")))
        return tn_list_items_add(&p->objects);
    if (depth == 1 && tn_str_eq(name, TN_STR("CommonPrefixes")))
        return tn_list_items_add(&p->prefixes);
    return TARN_OK;
}

static int on_object_field(struct tn_list_page *p, struct tn_str name, struct tn_str text)
{
    struct tn_list_item *e = &p->objects.items[p->objects.count - 1];
    if (tn_str_eq(name, TN_STR("Key")))
        return keep(p, text, &e->key);
    if (tn_str_eq(name, TN_STR("LastModified"))) {
        e->last_modified_ms = tn_date_ms(tn_str_trim(text));
        return TARN_OK;
    }
    if (tn_str_eq(name, TN_STR("ETag")))
        return keep_etag(p, tn_str_trim(text), &e->etag);
    if (tn_str_eq(name, TN_STR("Size")))
        return tn_str_to_u64(tn_str_trim(text), &e->size) < 0 ? TARN_EPROTOCOL : TARN_OK;
    if (tn_str_eq(name, TN_STR("StorageClass")))
        return keep(p, tn_str_trim(text), &e->storage_class);
    if (tn_str_eq(name, TN_STR("ChecksumAlgorithm")))
        return keep(p, tn_str_trim(text), &e->checksum);
    return TARN_OK;
}

static int on_page_field(struct tn_list_page *p, struct tn_str name, struct tn_str text)
{
    const char *token = p->uses_markers ? "NextMarker" : "NextContinuationToken";
    if (tn_str_eq(name, TN_STR("IsTruncated")))
        p->is_truncated = tn_str_eq(tn_str_trim(text), TN_STR("true"));
    else if (tn_str_eq(name, TN_STR("EncodingType")))
        p->is_encoded = tn_str_eq(tn_str_trim(text), TN_STR("url"));
    else if (tn_str_eq(name, tn_str_from(token)))
        return tn_buf_append_str(&p->token, text);
    return TARN_OK;
}

/* Fields of Contents and of CommonPrefixes have names of their own, so depth and name are enough.
 */
static int on_end(void *arg, struct tn_str name, struct tn_str text, unsigned depth)
{
    struct tn_list_page *p = arg;
    if (depth == 1)
        return on_page_field(p, name, text);
    if (depth == 2 && tn_str_eq(name, TN_STR("Prefix")) && p->prefixes.count > 0)
        return keep(p, text, &p->prefixes.items[p->prefixes.count - 1].key);
    if (depth == 2 && p->objects.count > 0)
        return on_object_field(p, name, text);
    if (depth == 3 && p->objects.count > 0 && tn_str_eq(name, TN_STR("ID")))
        return keep(p, tn_str_trim(text), &p->objects.items[p->objects.count - 1].owner_id);
    return TARN_OK;
}

static int parse(struct tn_list_page *p, struct tn_str document, struct tarn_error *err)
{
    static const struct tn_xml_handler handler = { on_start, on_end };
    struct tn_xml_reader *reader = tn_xml_reader_new(&handler, p);
    if (!reader)
        return TARN_ENOMEM;
    int rc = tn_xml_reader_feed(reader, document.data, document.len, err);
    if (rc == TARN_OK)
        rc = tn_xml_reader_finish(reader, err);
    tn_xml_reader_free(reader);
    return rc == TARN_EINVAL || rc == TARN_ETOOBIG ? TARN_EPROTOCOL : rc;
}

/* ---- whoever read it ---- */

static inline bool has_byte(uint64_t word, unsigned char c)
{
    static const uint64_t ones = 0x0101010101010101u;
    uint64_t w = word ^ (ones * c);
    return ((w - ones) & ~w & (ones << 7)) != 0;
}

/* By words, the last of which overlaps: most keys are short, and calls would take longer. */
static bool is_escaped(struct tn_str key)
{
    bool is_found = false;
    for (size_t i = 0; i < key.len && key.len < sizeof(uint64_t); i++)
        is_found |= key.data[i] == '%' || key.data[i] == '+';
    for (size_t i = 0; i < key.len && key.len >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;
        size_t last = key.len - sizeof word;
        memcpy(&word, key.data + (i < last ? i : last), sizeof word);
        is_found |= has_byte(word, '%') || has_byte(word, '+');
    }
    return is_found;
}

/* In place: what is decoded is never longer. */
static int decode_keys(struct tn_list_page *p, struct tn_list_items *e)
{
    TN_AUTO_BUF decoded = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    for (size_t i = 0; p->is_encoded && i < e->count; i++) {
        struct tn_list_text *at = &e->items[i].key;
        struct tn_str key = tn_list_text_of(p, *at);
        if (at->at == 0 || !is_escaped(key))
            continue;
        tn_buf_truncate(&decoded, 0);
        int rc = tn_uri_decode(&decoded, key, TN_URI_PLUS_IS_SPACE);
        if (rc < 0)
            return rc == TARN_ENOMEM ? rc : TARN_EPROTOCOL;
        memcpy(p->texts.data + at->at, decoded.data, decoded.len + 1);
        at->len = (uint32_t)decoded.len;
    }
    return TARN_OK;
}

static int finish(struct tn_list_page *p, int rc)
{
    if (rc == TARN_OK)
        rc = decode_keys(p, &p->objects);
    if (rc == TARN_OK)
        rc = decode_keys(p, &p->prefixes);
    if (rc < 0)
        clear(p);
    return rc;
}

static int read_xml(struct tn_list_page *p, struct tn_str document, struct tarn_error *err)
{
    clear(p);
    tn_buf_truncate(&p->texts, 0);
    int rc = tn_buf_append_char(&p->texts, '\0'); /* so that offset 0 is nothing */
    return rc == TARN_OK ? parse(p, document, err) : rc;
}

int tn_list_page_read_xml(struct tn_list_page *p, struct tn_str document, struct tarn_error *err)
{
    return finish(p, read_xml(p, document, err));
}

int tn_list_page_read(struct tn_list_page *p, struct tn_buf *document, struct tarn_error *err)
{
    clear(p);
    tn_buf_swap(&p->texts, document);
    int rc = tn_list_page_scan(p);
    if (rc == TARN_ENOTSUPPORTED) {
        tn_buf_swap(&p->texts, document);
        rc = read_xml(p, tn_buf_str(document), err);
    }
    return finish(p, rc);
}
