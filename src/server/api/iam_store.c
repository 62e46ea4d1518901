/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as objects of the hidden bucket; each call waits until the store has answered. */

#include "server/api/iam_store.h"

#include "base/hash.h"
#include "server/store/store_wait.h"

enum { PAGE_COUNT = 1000, LIST_ARENA_MAX = 16 * 1024 * 1024 };

/* --- Changes, waited for --- */

static int commit(struct store *store, struct store_txn *txn)
{
    txn->bucket = TN_STR(API_SYSTEM_BUCKET);
    return store_commit_wait(store, txn);
}

static int put(struct store *store, struct tn_str name, struct tn_str bytes, struct tarn_error *err)
{
    struct store_txn txn = { .op = STORE_PUT, .key = name };
    tn_md5(bytes.data, bytes.len, txn.head.md5);
    int rc = store_body_from(store, bytes, &txn.body, err);
    return rc < 0 ? rc : commit(store, &txn);
}

static int save(void *context, struct tn_str name, struct tn_str bytes, struct tarn_error *err)
{
    struct store *store = context;
    int rc = put(store, name, bytes, err);
    if (rc == TARN_ENOBUCKET) {
        struct store_txn create = { .op = STORE_BUCKET_CREATE };
        rc = commit(store, &create);
        if (rc == TARN_OK || rc == TARN_EEXISTS)
            rc = put(store, name, bytes, err);
    }
    return rc < 0 ? tn_fail(err, rc, "could not save the document \"%.*s\": %s", TN_STR_ARG(name),
                            tarn_status_text(rc))
                  : TARN_OK;
}

static int drop(void *context, struct tn_str name, struct tarn_error *err)
{
    struct store_txn txn = { .op = STORE_DELETE, .key = name };
    int rc = commit(context, &txn);
    return rc < 0 ? tn_fail(err, rc, "could not remove the document \"%.*s\": %s", TN_STR_ARG(name),
                            tarn_status_text(rc))
                  : TARN_OK;
}

/* --- Loading --- */

struct names {
    struct tn_arena arena;
    struct tn_str items[PAGE_COUNT];
    size_t count;
};

static int on_name(void *user, struct tn_str key, const struct store_head *head)
{
    struct names *names = user;
    (void)head;
    if (names->count == PAGE_COUNT)
        return TARN_ETOOBIG;
    return tn_arena_str(&names->arena, key, &names->items[names->count++]);
}

static int read_all(struct store *store, struct store_object *object, struct tn_buf *out,
                    struct tarn_error *err)
{
    uint64_t size = store->ops->object_head(object)->size;
    if (size > IAM_DOCUMENT_LEN_MAX)
        return TARN_ECORRUPT;
    int rc = tn_buf_reserve(out, (size_t)size + 1);
    while (rc == TARN_OK && out->len < size) {
        ssize_t n = store->ops->object_read(object, out->len, out->data + out->len,
                                            (size_t)size - out->len, true, err);
        if (n <= 0)
            return n < 0 ? (int)n : TARN_ECORRUPT;
        out->len += (size_t)n;
    }
    return rc;
}

static int load_one(struct store *store, struct tn_str name,
                    int (*each)(void *user, struct tn_str name, struct tn_str bytes), void *user,
                    struct tarn_error *err)
{
    TN_AUTO_BUF bytes = TN_BUF_INIT(IAM_DOCUMENT_LEN_MAX + 1);
    struct store_object *object = NULL;
    int rc = store->ops->object_open(store, TN_STR(API_SYSTEM_BUCKET), name, true, &object, err);
    if (rc < 0)
        return rc;
    rc = read_all(store, object, &bytes, err);
    store->ops->object_close(object);
    if (rc == TARN_OK)
        rc = each(user, name, tn_buf_str(&bytes));
    tn_wipe(bytes.data, bytes.len);
    return rc;
}

/* One page; `after` moves on to its last name. */
static int load_page(struct store *store, struct tn_buf *after, bool *more,
                     int (*each)(void *user, struct tn_str name, struct tn_str bytes), void *user,
                     struct tarn_error *err)
{
    struct names *names = tn_calloc(1, sizeof *names);
    if (!names)
        return tn_fail(err, TARN_ENOMEM, "could not load the users: out of memory");
    tn_arena_init(&names->arena, LIST_ARENA_MAX);
    struct store_list query = { .bucket = TN_STR(API_SYSTEM_BUCKET),
                                .prefix = TN_STR_EMPTY,
                                .delimiter = TN_STR_EMPTY,
                                .after = tn_buf_str(after),
                                .upload_after = TN_STR_EMPTY,
                                .max = PAGE_COUNT };
    int rc = store->ops->list(store, &query, on_name, names, more, err);
    for (size_t i = 0; rc == TARN_OK && i < names->count; i++)
        rc = load_one(store, names->items[i], each, user, err);
    if (rc == TARN_OK && names->count) {
        after->len = 0;
        rc = tn_buf_append_str(after, names->items[names->count - 1]);
    }
    tn_arena_release(&names->arena);
    tn_free(names);
    return rc;
}

static int load(void *context, int (*each)(void *user, struct tn_str name, struct tn_str bytes),
                void *user, struct tarn_error *err)
{
    TN_AUTO_BUF after = TN_BUF_INIT(4096);
    struct store *store = context;
    bool more = true;
    int rc = TARN_OK;
    while (rc == TARN_OK && more) {
        more = false;
        rc = load_page(store, &after, &more, each, user, err);
    }
    return rc == TARN_ENOBUCKET ? TARN_OK : rc;
}

struct iam_storage api_iam_storage(struct store *store)
{
    return (struct iam_storage){ .context = store, .load = load, .save = save, .remove = drop };
}
