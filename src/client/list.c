/* SPDX-License-Identifier: Apache-2.0 */
/* The listing iterator: one page in memory, the next one on its way. */

#include <tarn/list.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "proto/uri.h"

enum { PAGE_SIZE_MAX = 1000, PAGE_ENTRIES_MAX = 10000, PAGE_TEXT_MAX = 32 << 20 };

/* Texts are offsets into the page's buffer because it grows while the page is read. 0 is "not
 * told". */
struct entry {
    uint32_t key;
    uint32_t key_len;
    uint32_t etag;
    uint32_t storage_class;
    uint32_t owner_id;
    uint32_t checksum;
    uint64_t size;
    int64_t last_modified_ms;
};

struct entries {
    struct entry *items;
    size_t count;
    size_t cap;
    size_t at; /* the next to hand out */
};

struct tarn_list {
    struct tarn_client *client;
    struct tn_waiter waiter;
    struct tn_op *op; /* the page on its way; NULL after the last */
    char *bucket;
    char *prefix;
    char *delimiter;
    uint32_t page_size;
    bool use_v1;
    bool fetch_owner;
    const volatile int *cancel;
    struct tarn_request request; /* headers are not copied: only its plain fields count */

    struct tn_buf texts;
    struct entries objects;
    struct entries prefixes;
    struct tn_buf token;    /* of the next page; the marker with v1 */
    struct tn_buf last_key; /* of the page before */
    bool is_truncated;
    bool is_encoded;
    bool is_failed;
    struct tarn_error err; /* of the failure, told again at each call */
    struct tarn_list_entry out;
};

/* ---- reading a page ---- */

static int keep(struct tarn_list *l, struct tn_str text, uint32_t *at)
{
    *at = (uint32_t)l->texts.len;
    int rc = tn_buf_append_str(&l->texts, text);
    return rc == TARN_OK ? tn_buf_append_char(&l->texts, '\0') : rc;
}

static int keep_etag(struct tarn_list *l, struct tn_str text, uint32_t *at)
{
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
        text = tn_str_sub(text, 1, text.len - 2);
    return keep(l, text, at);
}

static int add_entry(struct entries *e)
{
    if (e->count == PAGE_ENTRIES_MAX)
        return TARN_ETOOBIG;
    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 128;
        struct entry *grown = tn_realloc(e->items, cap * sizeof *grown);
        if (!grown)
            return TARN_ENOMEM;
        e->items = grown;
        e->cap = cap;
    }
    e->items[e->count++] = (struct entry){ .last_modified_ms = -1 };
    return TARN_OK;
}

static int on_start(void *arg, struct tn_str name, unsigned depth)
{
    struct tarn_list *l = arg;
    if (depth == 0)
        return tn_str_eq(name, TN_STR("ListBucketResult")) ? TARN_OK : TARN_EPROTOCOL;
    if (depth == 1 && tn_str_eq(name, TN_STR("Contents")))
        return add_entry(&l->objects);
    if (depth == 1 && tn_str_eq(name, TN_STR("CommonPrefixes")))
        return add_entry(&l->prefixes);
    return TARN_OK;
}

static int on_object_field(struct tarn_list *l, struct tn_str name, struct tn_str text)
{
    struct entry *e = &l->objects.items[l->objects.count - 1];
    if (tn_str_eq(name, TN_STR("Key"))) {
        e->key_len = (uint32_t)text.len;
        return keep(l, text, &e->key);
    }
    if (tn_str_eq(name, TN_STR("LastModified"))) {
        e->last_modified_ms = tn_date_ms(tn_str_trim(text));
        return TARN_OK;
    }
    if (tn_str_eq(name, TN_STR("ETag")))
        return keep_etag(l, tn_str_trim(text), &e->etag);
    if (tn_str_eq(name, TN_STR("Size")))
        return tn_str_to_u64(tn_str_trim(text), &e->size) < 0 ? TARN_EPROTOCOL : TARN_OK;
    if (tn_str_eq(name, TN_STR("StorageClass")))
        return keep(l, tn_str_trim(text), &e->storage_class);
    if (tn_str_eq(name, TN_STR("ChecksumAlgorithm")))
        return keep(l, tn_str_trim(text), &e->checksum);
    return TARN_OK;
}

static int on_page_field(struct tarn_list *l, struct tn_str name, struct tn_str text)
{
    const char *token = l->use_v1 ? "NextMarker" : "NextContinuationToken";
    if (tn_str_eq(name, TN_STR("IsTruncated")))
        l->is_truncated = tn_str_eq(tn_str_trim(text), TN_STR("true"));
    else if (tn_str_eq(name, TN_STR("EncodingType")))
        l->is_encoded = tn_str_eq(tn_str_trim(text), TN_STR("url"));
    else if (tn_str_eq(name, tn_str_from(token)))
        return tn_buf_append_str(&l->token, text);
    return TARN_OK;
}

/* Fields of Contents and of CommonPrefixes have names of their own, so depth and name are enough.
 */
static int on_end(void *arg, struct tn_str name, struct tn_str text, unsigned depth)
{
    struct tarn_list *l = arg;
    if (depth == 1)
        return on_page_field(l, name, text);
    if (depth == 2 && tn_str_eq(name, TN_STR("Prefix")) && l->prefixes.count > 0) {
        struct entry *e = &l->prefixes.items[l->prefixes.count - 1];
        e->key_len = (uint32_t)text.len;
        return keep(l, text, &e->key);
    }
    if (depth == 2 && l->objects.count > 0)
        return on_object_field(l, name, text);
    if (depth == 3 && l->objects.count > 0 && tn_str_eq(name, TN_STR("ID")))
        return keep(l, tn_str_trim(text), &l->objects.items[l->objects.count - 1].owner_id);
    return TARN_OK;
}

/* In place: what is decoded is never longer. */
static int decode_keys(struct tarn_list *l, struct entries *e)
{
    TN_AUTO_BUF decoded = TN_BUF_INIT(PAGE_TEXT_MAX);
    for (size_t i = 0; l->is_encoded && i < e->count; i++) {
        struct entry *item = &e->items[i];
        struct tn_str key = { l->texts.data + item->key, item->key_len };
        if (tn_str_find_char(key, '%') == SIZE_MAX && tn_str_find_char(key, '+') == SIZE_MAX)
            continue;
        tn_buf_truncate(&decoded, 0);
        int rc = tn_uri_decode(&decoded, key, TN_URI_PLUS_IS_SPACE);
        if (rc < 0)
            return rc == TARN_ENOMEM ? rc : TARN_EPROTOCOL;
        memcpy(l->texts.data + item->key, decoded.data, decoded.len + 1);
        item->key_len = (uint32_t)decoded.len;
    }
    return TARN_OK;
}

static struct tn_str key_of(const struct tarn_list *l, const struct entries *e, size_t i)
{
    return (struct tn_str){ l->texts.data + e->items[i].key, e->items[i].key_len };
}

/* The greatest key of the page: of v1's next marker, and the sign that the listing moves on. */
static struct tn_str last_key(const struct tarn_list *l)
{
    struct tn_str a = TN_STR_EMPTY;
    struct tn_str b = TN_STR_EMPTY;
    if (l->objects.count > 0)
        a = key_of(l, &l->objects, l->objects.count - 1);
    if (l->prefixes.count > 0)
        b = key_of(l, &l->prefixes, l->prefixes.count - 1);
    return tn_str_cmp(a, b) >= 0 ? a : b;
}

static int check_progress(struct tarn_list *l, struct tn_str token_before)
{
    struct tn_str last = last_key(l);
    bool is_same_key = last.len > 0 && tn_str_eq(last, tn_buf_str(&l->last_key));
    tn_buf_truncate(&l->last_key, 0);
    int rc = tn_buf_append_str(&l->last_key, last);
    if (rc == TARN_OK && l->use_v1 && l->is_truncated && l->token.len == 0)
        rc = tn_buf_append_str(&l->token, last);
    if (rc < 0)
        return rc;
    if (l->is_truncated &&
        (l->token.len == 0 || is_same_key || tn_str_eq(tn_buf_str(&l->token), token_before)))
        return TARN_EPROTOCOL;
    return TARN_OK;
}

static int parse_page(struct tarn_list *l, struct tarn_error *err)
{
    static const struct tn_xml_handler handler = { on_start, on_end };
    struct tn_xml_reader *reader = tn_xml_reader_new(&handler, l);
    if (!reader)
        return TARN_ENOMEM;
    int rc = tn_xml_reader_feed(reader, l->op->answer.data, l->op->answer.len, err);
    if (rc == TARN_OK)
        rc = tn_xml_reader_finish(reader, err);
    tn_xml_reader_free(reader);
    return rc == TARN_EINVAL || rc == TARN_ETOOBIG ? TARN_EPROTOCOL : rc;
}

static int read_page(struct tarn_list *l, struct tarn_error *err)
{
    TN_AUTO_BUF before = TN_BUF_INIT(PAGE_TEXT_MAX);
    tn_buf_swap(&before, &l->token);
    l->objects.count = l->objects.at = l->prefixes.count = l->prefixes.at = 0;
    l->is_truncated = l->is_encoded = false;
    tn_buf_truncate(&l->texts, 0);
    int rc = tn_buf_append_char(&l->texts, '\0'); /* so that offset 0 is nothing */
    if (rc == TARN_OK)
        rc = parse_page(l, err);
    if (rc == TARN_OK)
        rc = decode_keys(l, &l->objects);
    if (rc == TARN_OK)
        rc = decode_keys(l, &l->prefixes);
    if (rc == TARN_OK)
        rc = check_progress(l, tn_buf_str(&before));
    if (rc == TARN_EPROTOCOL)
        return tn_fail(err, rc,
                       "could not list \"%s\": the answer is no page of a listing, or the "
                       "listing does not move on",
                       l->bucket);
    return rc < 0 ? tn_fail(err, rc, "could not list \"%s\": %s", l->bucket, tarn_status_text(rc))
                  : TARN_OK;
}

/* ---- asking ---- */

static int ask(struct tarn_list *l, const struct tarn_request *request, const char *start_after)
{
    struct tn_op *op = tn_op_new(l->client, &l->waiter, "list", "GET", l->bucket, NULL);
    if (!op)
        return TARN_ENOMEM;
    tn_op_request(op, request);
    if (!l->use_v1)
        tn_op_query(op, "list-type", "2");
    if (l->token.len > 0)
        tn_op_query(op, l->use_v1 ? "marker" : "continuation-token", l->token.data);
    else if (start_after)
        tn_op_query(op, l->use_v1 ? "marker" : "start-after", start_after);
    tn_op_query(op, "delimiter", l->delimiter);
    tn_op_query(op, "encoding-type", "url");
    if (l->fetch_owner && !l->use_v1)
        tn_op_query(op, "fetch-owner", "true");
    tn_op_query_u64(op, "max-keys", l->page_size);
    tn_op_query(op, "prefix", l->prefix);
    l->op = op;
    tn_op_post(op);
    return TARN_OK;
}

static bool is_copied(const char *from, char **to)
{
    *to = tn_strdup(from);
    return !from || *to;
}

struct tarn_list *tarn_list_open(struct tarn_client *client, const char *bucket,
                                 const struct tarn_list_options *options, struct tarn_error *err)
{
    static const struct tarn_list_options none;
    options = options ? options : &none;
    if (options->page_size > PAGE_SIZE_MAX) {
        (void)tn_fail(err, TARN_EINVAL, "could not list \"%s\": page size above %d", bucket,
                      PAGE_SIZE_MAX);
        return NULL;
    }
    struct tarn_list *l = tn_calloc(1, sizeof *l);
    if (!l) {
        (void)tn_fail_no_memory(err, "list");
        return NULL;
    }
    tn_waiter_init(&l->waiter);
    l->client = client;
    l->page_size = options->page_size ? options->page_size : PAGE_SIZE_MAX;
    l->use_v1 = options->use_v1;
    l->fetch_owner = options->fetch_owner;
    l->texts = TN_BUF_INIT(PAGE_TEXT_MAX);
    l->token = TN_BUF_INIT(PAGE_TEXT_MAX);
    l->last_key = TN_BUF_INIT(PAGE_TEXT_MAX);
    l->request = options->request;
    l->request.headers = NULL;
    l->request.header_count = 0;
    if (!is_copied(bucket, &l->bucket) || !is_copied(options->prefix, &l->prefix) ||
        !is_copied(options->delimiter, &l->delimiter) ||
        ask(l, &options->request, options->start_after) < 0) {
        (void)tn_fail_no_memory(err, "list");
        tarn_list_free(l);
        return NULL;
    }
    return l;
}

void tarn_list_free(struct tarn_list *list)
{
    if (!list)
        return;
    if (list->op) {
        tn_waiter_lock(&list->waiter);
        tn_op_want(list->op, TN_OP_WANT_CANCEL);
        tn_waiter_unlock(&list->waiter);
        tn_op_wait(list->op);
        tn_op_free(list->op);
    }
    tn_waiter_release(&list->waiter);
    tn_buf_release(&list->texts);
    tn_buf_release(&list->token);
    tn_buf_release(&list->last_key);
    tn_free(list->objects.items);
    tn_free(list->prefixes.items);
    tn_free(list->bucket);
    tn_free(list->prefix);
    tn_free(list->delimiter);
    tn_free(list);
}

/* Takes the page that was asked for, and asks for the one behind it. */
static int turn_page(struct tarn_list *l)
{
    tn_op_wait(l->op);
    int rc = l->op->rc;
    if (rc < 0)
        l->err = l->op->err;
    else
        rc = read_page(l, &l->err);
    tn_op_free(TN_TAKE(l->op));
    if (rc == TARN_OK && l->is_truncated && ask(l, &l->request, NULL) < 0)
        rc = tn_fail_no_memory(&l->err, "list");
    l->is_failed = rc < 0;
    return rc;
}

static const char *text_at(const struct tarn_list *l, uint32_t at)
{
    return at ? l->texts.data + at : NULL;
}

static void hand_out(struct tarn_list *l, struct entries *e, bool is_prefix)
{
    const struct entry *item = &e->items[e->at++];
    l->out = (struct tarn_list_entry){ .key = l->texts.data + item->key,
                                       .key_len = item->key_len,
                                       .is_prefix = is_prefix,
                                       .size = item->size,
                                       .last_modified_ms = item->last_modified_ms,
                                       .etag = text_at(l, item->etag),
                                       .storage_class = text_at(l, item->storage_class),
                                       .owner_id = text_at(l, item->owner_id),
                                       .checksum_algorithm = text_at(l, item->checksum) };
}

int tarn_list_next(struct tarn_list *list, const struct tarn_list_entry **entry,
                   struct tarn_error *err)
{
    struct entries *objects = &list->objects;
    struct entries *prefixes = &list->prefixes;
    while (!list->is_failed && objects->at == objects->count && prefixes->at == prefixes->count) {
        if (!list->op) {
            *entry = NULL;
            return TARN_OK;
        }
        (void)turn_page(list);
    }
    if (list->is_failed) {
        if (err)
            *err = list->err;
        return list->err.status;
    }
    bool has_both = objects->at < objects->count && prefixes->at < prefixes->count;
    bool is_prefix = objects->at == objects->count ||
                     (has_both && tn_str_cmp(key_of(list, prefixes, prefixes->at),
                                             key_of(list, objects, objects->at)) < 0);
    hand_out(list, is_prefix ? prefixes : objects, is_prefix);
    *entry = &list->out;
    return TARN_OK;
}
