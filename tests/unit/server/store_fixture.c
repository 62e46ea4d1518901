/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, and calls that wait for their answer. */

#include "unit/server/store_fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <unistd.h>

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)fprintf(stderr, "fatal: %s\n", reason);
    abort();
}

int fixture_open_store(struct fixture *f, struct tarn_error *err)
{
    struct log_store_config config = {
        .dir = f->dir,
        .inline_max = SMALL_INLINE,
        .segment_len = f->segment_len ? f->segment_len : SMALL_SEGMENT,
        .cache_max = 4096,
        .body_memory_max = f->body_memory_max,
        .disk = &f->disk,
        .on_fatal = on_fatal,
    };
    return log_store_open(&config, &f->store, err);
}

void fixture_reopen(struct fixture *f)
{
    struct tarn_error err = { 0 };
    if (f->store)
        f->store->ops->close(f->store);
    f->store = NULL;
    if (fixture_open_store(f, &err) != TARN_OK)
        fail_msg("%s", err.message);
}

int fixture_setup(void **state)
{
    struct fixture *f = tn_calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/tarn-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->disk = disk_real;
    *state = f;
    fixture_reopen(f);
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    if (f->store)
        f->store->ops->close(f->store);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    tn_free(f);
    return 0;
}

/* --- Changes, waited for --- */

int fixture_make_bucket(struct store *s, const char *name)
{
    struct store_txn txn = { .op = STORE_BUCKET_CREATE, .bucket = tn_str_from(name) };
    return store_commit_wait(s, &txn);
}

int fixture_put(struct store *s, const char *key, struct tn_str bytes)
{
    struct store_txn txn = {
        .op = STORE_PUT, .bucket = TN_STR("b"), .key = tn_str_from(key), .meta = TN_STR("meta")
    };
    struct tarn_error err = { 0 };
    assert_int_equal(s->ops->body_new(s, bytes.len, &txn.body, &err), TARN_OK);
    assert_int_equal(s->ops->body_append(txn.body, bytes.data, bytes.len, &err), TARN_OK);
    assert_int_equal(s->ops->body_seal(txn.body, &err), TARN_OK);
    return store_commit_wait(s, &txn);
}

int fixture_delete_key(struct store *s, const char *key, bool *existed)
{
    struct store_txn txn = { .op = STORE_DELETE, .bucket = TN_STR("b"), .key = tn_str_from(key) };
    int rc = store_commit_wait(s, &txn);
    if (existed)
        *existed = txn.existed;
    return rc;
}

int fixture_rename(struct store *s, const char *old_key, const char *key)
{
    struct store_txn txn = { .op = STORE_RENAME, .bucket = TN_STR("b"), .key = tn_str_from(key) };
    int rc = s->ops->object_open(s, txn.bucket, tn_str_from(old_key), true, &txn.source, NULL);
    if (rc < 0)
        return rc;
    txn.head = *s->ops->object_head(txn.source);
    txn.meta = s->ops->object_meta(txn.source);
    rc = store_commit_wait(s, &txn);
    s->ops->object_close(txn.source);
    return rc;
}

/* Bytes that differ from place to place and from seed to seed. */
struct tn_str fixture_pattern(size_t len, unsigned seed, struct tn_buf *b)
{
    tn_buf_release(b);
    b->max = len + 1;
    assert_int_equal(tn_buf_reserve(b, len), TARN_OK);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        b->data[i] = (char)(x >> 24);
    }
    b->len = len;
    return tn_buf_str(b);
}

/* Reads with steps of `step` bytes from `offset` and compares with `want`. */
int fixture_check(struct store *s, const char *key, struct tn_str want, uint64_t offset,
                  size_t step)
{
    struct store_object *o;
    struct tarn_error err = { 0 };
    int rc = s->ops->object_open(s, TN_STR("b"), tn_str_from(key), true, &o, &err);
    if (rc < 0)
        return rc;
    assert_int_equal(s->ops->object_head(o)->size, want.len);
    TN_AUTO_FREE char *bytes = tn_realloc(NULL, step);
    while (offset < want.len) {
        ssize_t n = s->ops->object_read(o, offset, bytes, step, true, &err);
        if (n <= 0) {
            s->ops->object_close(o);
            return n < 0 ? (int)n : TARN_EEOF;
        }
        assert_memory_equal(bytes, want.data + offset, (size_t)n);
        offset += (uint64_t)n;
    }
    assert_int_equal(s->ops->object_read(o, want.len, bytes, step, true, &err), 0);
    s->ops->object_close(o);
    return TARN_OK;
}

size_t fixture_count_blobs(const struct fixture *f)
{
    size_t count = 0;
    for (unsigned i = 0; i < 256; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/blob/%02x", f->dir, i);
        DIR *d = opendir(path);
        assert_non_null(d);
        for (struct dirent *e = readdir(d); e; e = readdir(d))
            count += e->d_name[0] != '.';
        (void)closedir(d);
    }
    return count;
}

/* Waits for the applier: a listing holds all that was committed. Its clean-up comes just after. */
void fixture_settle(struct fixture *f, size_t blobs)
{
    for (int i = 0; i < 6000 && fixture_count_blobs(f) != blobs; i++)
        (void)usleep(10000);
    assert_int_equal(fixture_count_blobs(f), blobs);
}
