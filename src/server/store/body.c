/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way in: in memory while they may go into the log, in a blob when they grow past
 * that. */

#include <assert.h>

#include "server/store/engine.h"

enum {
    BODY_SMALL_MAX =
        64 * 1024,        /* up to here a body is taken on a loop and may not touch the disk */
    BODY_LARGE_SHARE = 4, /* one part in so many of the budget is kept for the small ones */
};

struct store_body {
    struct log_store *store;
    struct tn_buf bytes; /* while there is no blob */
    struct blob_writer blob;
    uint64_t len;
    uint64_t budgeted; /* bytes taken from the store's memory budget */
    bool has_blob;
    bool is_apart;
    bool is_sealed;
    bool is_kept;
};

/* Takes `len` bytes of the budget, of which `limit` may be in use then. */
static bool take_budget(struct store_body *b, uint64_t len, uint64_t limit)
{
    struct log_store *s = b->store;
    uint64_t used = atomic_fetch_add(&s->body_memory, len);
    if (used + len > limit) {
        atomic_fetch_sub(&s->body_memory, len);
        return false;
    }
    b->budgeted += len;
    return true;
}

static void give_budget(struct store_body *b)
{
    atomic_fetch_sub(&b->store->body_memory, b->budgeted);
    b->budgeted = 0;
}

/* Room in memory for `len` bytes in all. False when the body has to go to a blob instead. */
static bool take_memory(struct store_body *b, uint64_t len)
{
    uint64_t max = b->store->config.body_memory_max;
    if (len <= b->budgeted)
        return true;
    return take_budget(b, len - b->budgeted,
                       len <= BODY_SMALL_MAX ? max : max - max / BODY_LARGE_SHARE);
}

int body_new(struct store *base, uint64_t len, struct store_body **out, struct tarn_error *err)
{
    struct log_store *s = engine(base);
    struct store_body *b = tn_calloc(1, sizeof *b);
    if (!b)
        return tn_fail(err, TARN_ENOMEM, "could not take a body: out of memory");
    b->store = s;
    b->is_apart = len == STORE_BODY_APART;
    tn_buf_init(&b->bytes, s->config.inline_max);
    int rc = TARN_OK;
    bool is_inline = len <= s->config.inline_max && take_memory(b, len);
    if (is_inline)
        rc = tn_buf_reserve(&b->bytes, (size_t)len);
    else if (len <= BODY_SMALL_MAX && len <= s->config.inline_max)
        rc = TARN_ETHROTTLED;
    if (rc < 0) {
        body_free(b);
        return tn_fail(err, rc, "could not take a body: %s", tarn_status_text(rc));
    }
    *out = b;
    return TARN_OK;
}

/* A name that is taken belongs to a blob that an earlier process left. */
static int begin_blob(struct store_body *b, struct tarn_error *err)
{
    struct log_store *s = b->store;
    int rc;
    if (atomic_load(&s->is_full))
        return tn_fail(err, TARN_ENOSPACE, "could not take a body: the disk is full");
    do {
        uint64_t id = atomic_fetch_add(&s->blob_next, 1);
        rc = blob_begin(&b->blob, s->disk, s->blob_dir, id, err);
    } while (rc == TARN_EEXISTS);
    if (rc < 0)
        return rc;
    b->has_blob = true;
    rc = blob_append(&b->blob, b->bytes.data, b->bytes.len, err);
    tn_buf_release(&b->bytes);
    give_budget(b);
    return rc;
}

int body_append(struct store_body *b, const void *bytes, size_t len, struct tarn_error *err)
{
    assert(!b->is_sealed);
    int rc = TARN_OK;
    uint64_t whole = b->len + len;
    if (!b->has_blob &&
        (b->is_apart || whole > b->store->config.inline_max || !take_memory(b, whole)))
        rc = begin_blob(b, err);
    if (rc == TARN_OK && b->has_blob)
        rc = blob_append(&b->blob, bytes, len, err);
    else if (rc == TARN_OK && tn_buf_append(&b->bytes, bytes, len) < 0)
        rc = tn_fail(err, TARN_ENOMEM, "could not take a body: out of memory");
    if (rc == TARN_OK)
        b->len += len;
    return rc;
}

int body_seal(struct store_body *b, struct tarn_error *err)
{
    assert(!b->is_sealed);
    int rc = b->has_blob ? blob_finish(&b->blob, err) : TARN_OK;
    b->is_sealed = rc == TARN_OK;
    return rc;
}

uint64_t body_len(const struct store_body *b)
{
    return b->len;
}

uint64_t body_blob(const struct store_body *b)
{
    return b->has_blob ? b->blob.id : 0;
}

struct tn_str body_bytes(const struct store_body *b)
{
    return tn_buf_str(&b->bytes);
}

void body_keep(struct store_body *b)
{
    b->is_kept = true;
}

void body_free(struct store_body *b)
{
    if (!b)
        return;
    if (b->has_blob) {
        uint64_t id = b->blob.id;
        blob_release(&b->blob);
        if (!b->is_kept)
            blob_unlink(b->store->disk, b->store->blob_dir, id);
    }
    tn_buf_release(&b->bytes);
    give_budget(b);
    tn_free(b);
}
