/* SPDX-License-Identifier: Apache-2.0 */
/* The listing iterator: one page in memory, the next one on its way. */

#include <tarn/list.h>

#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/list_page.h"

enum { PAGE_SIZE_MAX = 1000 };

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

    struct tn_list_page page;
    size_t object_at; /* the next to hand out */
    size_t prefix_at;
    struct tn_buf token;    /* of the page on its way; the marker with v1 */
    struct tn_buf last_key; /* of the page before */
    bool is_failed;
    struct tarn_error err; /* of the failure, told again at each call */
    struct tarn_list_entry out;
};

/* ---- reading a page ---- */

static struct tn_str key_of(const struct tarn_list *l, const struct tn_list_items *e, size_t i)
{
    return tn_list_text_of(&l->page, e->items[i].key);
}

/* The greatest key of the page: of v1's next marker, and the sign that the listing moves on. */
static struct tn_str last_key(const struct tarn_list *l)
{
    const struct tn_list_items *objects = &l->page.objects;
    const struct tn_list_items *prefixes = &l->page.prefixes;
    struct tn_str a = TN_STR_EMPTY;
    struct tn_str b = TN_STR_EMPTY;
    if (objects->count > 0)
        a = key_of(l, objects, objects->count - 1);
    if (prefixes->count > 0)
        b = key_of(l, prefixes, prefixes->count - 1);
    return tn_str_cmp(a, b) >= 0 ? a : b;
}

/* `l->token` is the one that the page was asked for with, and becomes the next one. */
static int check_progress(struct tarn_list *l)
{
    struct tn_list_page *p = &l->page;
    struct tn_str last = last_key(l);
    bool is_same_key = last.len > 0 && tn_str_eq(last, tn_buf_str(&l->last_key));
    tn_buf_truncate(&l->last_key, 0);
    int rc = tn_buf_append_str(&l->last_key, last);
    if (rc == TARN_OK && l->use_v1 && p->is_truncated && p->token.len == 0)
        rc = tn_buf_append_str(&p->token, last);
    if (rc < 0)
        return rc;
    tn_buf_swap(&l->token, &p->token);
    if (p->is_truncated && (l->token.len == 0 || is_same_key ||
                            tn_str_eq(tn_buf_str(&l->token), tn_buf_str(&p->token))))
        return TARN_EPROTOCOL;
    return TARN_OK;
}

static int read_page(struct tarn_list *l, struct tarn_error *err)
{
    l->object_at = l->prefix_at = 0;
    int rc = tn_list_page_read(&l->page, &l->op->answer, err);
    if (rc == TARN_OK)
        rc = check_progress(l);
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
    tn_list_page_init(&l->page);
    l->page.uses_markers = options->use_v1;
    l->token = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    l->last_key = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
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
    tn_list_page_release(&list->page);
    tn_buf_release(&list->token);
    tn_buf_release(&list->last_key);
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
    if (rc == TARN_OK && l->page.is_truncated && ask(l, &l->request, NULL) < 0)
        rc = tn_fail_no_memory(&l->err, "list");
    l->is_failed = rc < 0;
    return rc;
}

static const char *text_at(const struct tarn_list *l, struct tn_list_text t)
{
    return t.at ? l->page.texts.data + t.at : NULL;
}

static void hand_out(struct tarn_list *l, const struct tn_list_item *item, bool is_prefix)
{
    l->out = (struct tarn_list_entry){ .key = item->key.at ? text_at(l, item->key) : "",
                                       .key_len = item->key.len,
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
    const struct tn_list_items *objects = &list->page.objects;
    const struct tn_list_items *prefixes = &list->page.prefixes;
    while (!list->is_failed && list->object_at == objects->count &&
           list->prefix_at == prefixes->count) {
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
    bool has_both = list->object_at < objects->count && list->prefix_at < prefixes->count;
    bool is_prefix = list->object_at == objects->count ||
                     (has_both && tn_str_cmp(key_of(list, prefixes, list->prefix_at),
                                             key_of(list, objects, list->object_at)) < 0);
    const struct tn_list_item *item =
        is_prefix ? &prefixes->items[list->prefix_at++] : &objects->items[list->object_at++];
    hand_out(list, item, is_prefix);
    *entry = &list->out;
    return TARN_OK;
}
