/* SPDX-License-Identifier: Apache-2.0 */
/* Renames, appends and quotas of the engine: in one step, exact, and still so after a rebuild of
 * the index from the log. */

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "unit/server/store_fixture.h"

#include "base/hash.h"

static void drop_index(struct fixture *f)
{
    static const char *const names[] = { "index.sqlite", "index.sqlite-wal", "index.sqlite-shm" };
    f->store->ops->close(TN_TAKE(f->store));
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
        (void)unlink(path);
    }
    fixture_reopen(f);
}

/* --- Renames --- */

static void test_a_rename_moves_and_replaces(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    static const size_t sizes[] = { 0, 100, 70000, 200 * 1024 };
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < TN_COUNT(sizes); i++) {
        struct tn_str want = fixture_pattern(sizes[i], i, &b);
        assert_int_equal(fixture_put(f->store, "old", want), TARN_OK);
        assert_int_equal(fixture_put(f->store, "new", TN_STR("replaced")), TARN_OK);
        assert_int_equal(fixture_rename(f->store, "old", "new"), TARN_OK);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(fixture_check(f->store, "new", want, 0, 8192), TARN_OK);
            assert_int_equal(fixture_check(f->store, "old", want, 0, 10), TARN_ENOTFOUND);
            drop_index(f);
        }
    }
    fixture_settle(f, 1);
    assert_int_equal(fixture_rename(f->store, "old", "new"), TARN_ENOTFOUND);
    assert_int_equal(fixture_rename(f->store, "new", "new"), TARN_EINVAL);
}

static void test_a_rename_keeps_the_metadata(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    struct store_txn put = { .op = STORE_PUT,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("old"),
                             .meta = TN_STR("the metadata"),
                             .bytes = TN_STR("x"),
                             .head = { .mtime_ms = 1234, .attrs = 7 } };
    assert_int_equal(store_commit_wait(s, &put), TARN_OK);
    assert_int_equal(fixture_rename(s, "old", "new"), TARN_OK);
    drop_index(f);
    s = f->store;
    struct store_object *o;
    assert_int_equal(s->ops->object_open(s, TN_STR("b"), TN_STR("new"), true, &o, NULL), TARN_OK);
    struct tn_str meta = s->ops->object_meta(o);
    assert_true(tn_str_eq(meta, TN_STR("the metadata")));
    assert_int_equal(s->ops->object_head(o)->mtime_ms, 1234);
    assert_int_equal(s->ops->object_head(o)->attrs, 7);
    s->ops->object_close(o);
}

/* The source must be as it was opened; a bucket that keeps versions has no renames. */
static void test_a_rename_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    assert_int_equal(fixture_put(s, "old", TN_STR("1")), TARN_OK);
    struct store_txn txn = { .op = STORE_RENAME, .bucket = TN_STR("b"), .key = TN_STR("new") };
    assert_int_equal(s->ops->object_open(s, TN_STR("b"), TN_STR("old"), true, &txn.source, NULL),
                     TARN_OK);
    assert_int_equal(fixture_put(s, "old", TN_STR("2")), TARN_OK);
    assert_int_equal(store_commit_wait(s, &txn), TARN_EAGAIN);
    assert_int_equal(fixture_delete_key(s, "old", NULL), TARN_OK);
    assert_int_equal(store_commit_wait(s, &txn), TARN_EAGAIN);
    s->ops->object_close(txn.source);
    assert_int_equal(fixture_put(s, "old", TN_STR("3")), TARN_OK);
    struct store_txn config = { .op = STORE_BUCKET_CONFIG,
                                .bucket = TN_STR("b"),
                                .versioning = STORE_VERSIONS_ENABLED };
    assert_int_equal(store_commit_wait(s, &config), TARN_OK);
    assert_int_equal(fixture_rename(s, "old", "new"), TARN_ENOTSUPPORTED);
    assert_int_equal(fixture_check(s, "old", TN_STR("3"), 0, 10), TARN_OK);
    assert_int_equal(fixture_check(s, "new", TN_STR("3"), 0, 10), TARN_ENOTFOUND);
}

struct watcher {
    struct store *store;
    _Atomic(bool) must_stop;
    _Atomic(unsigned) looked;
};

static bool is_there(struct store *s, const char *key)
{
    return fixture_check(s, key, TN_STR("x"), 0, 10) == TARN_OK;
}

static int count_row(void *user, struct tn_str key, const struct store_head *head)
{
    size_t *count = user;
    (void)key;
    *count += head != NULL;
    return TARN_OK;
}

/* The object goes to and fro: each snapshot has it once. */
static void *watch(void *arg)
{
    struct watcher *w = arg;
    struct store *s = w->store;
    while (!atomic_load(&w->must_stop)) {
        size_t count = 0;
        bool more;
        struct store_list query = { .bucket = TN_STR("b"), .max = 10 };
        assert_int_equal(s->ops->list(s, &query, count_row, &count, &more, NULL), TARN_OK);
        assert_int_equal(count, 1);
        w->looked++;
    }
    return NULL;
}

static void test_a_listing_has_one_of_the_names(void **state)
{
    struct fixture *f = *state;
    struct watcher w = { .store = f->store };
    pthread_t thread;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_put(f->store, "a", TN_STR("x")), TARN_OK);
    assert_int_equal(pthread_create(&thread, NULL, watch, &w), 0);
    for (int i = 0; i < 200 || w.looked < 20; i++) {
        bool is_back = i % 2;
        assert_int_equal(fixture_rename(f->store, is_back ? "z" : "a", is_back ? "a" : "z"),
                         TARN_OK);
        assert_int_equal(is_there(f->store, "a"), is_back);
        assert_int_equal(is_there(f->store, "z"), !is_back);
    }
    atomic_store(&w.must_stop, true);
    (void)pthread_join(thread, NULL);
}

/* --- Appends --- */

static int append(struct store *s, const char *key, struct tn_str bytes)
{
    struct store_txn txn = { .op = STORE_PUT, .bucket = TN_STR("b"), .key = tn_str_from(key) };
    assert_int_equal(s->ops->object_open(s, txn.bucket, txn.key, true, &txn.source, NULL), TARN_OK);
    txn.head.attrs = s->ops->object_head(txn.source)->attrs;
    tn_md5(bytes.data, bytes.len, txn.head.md5);
    assert_int_equal(s->ops->body_new(s, STORE_BODY_APART, &txn.body, NULL), TARN_OK);
    assert_int_equal(s->ops->body_append(txn.body, bytes.data, bytes.len, NULL), TARN_OK);
    assert_int_equal(s->ops->body_seal(txn.body, NULL), TARN_OK);
    int rc = store_commit_wait(s, &txn);
    s->ops->object_close(txn.source);
    return rc;
}

static void test_bytes_are_put_behind_others(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    size_t len = 200 * 1024;
    TN_AUTO_BUF copy = TN_BUF_INIT(SIZE_MAX / 2);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    (void)fixture_pattern(len + 10 * 1000, 1, &b);
    assert_int_equal(tn_buf_append(&copy, b.data, b.len), TARN_OK);
    struct tn_str all = { copy.data, copy.len };
    assert_int_equal(fixture_put(f->store, "k", tn_str_sub(all, 0, len)), TARN_OK);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(append(f->store, "k", tn_str_sub(all, len + i * 1000, 1000)), TARN_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_check(f->store, "k", all, 0, 8192), TARN_OK);
        assert_int_equal(fixture_check(f->store, "k", all, len - 5, 700), TARN_OK);
        assert_int_equal(fixture_count_blobs(f), 11);
        drop_index(f);
    }
    struct store_object *o;
    struct store *s = f->store;
    uint64_t offset;
    uint64_t part_len;
    struct tn_str meta;
    assert_int_equal(s->ops->object_open(s, TN_STR("b"), TN_STR("k"), true, &o, NULL), TARN_OK);
    assert_int_equal(s->ops->object_head(o)->part_count, 11);
    assert_int_equal(s->ops->object_part(o, 11, &offset, &part_len, &meta, NULL), TARN_OK);
    assert_int_equal(offset, len + 9000);
    assert_int_equal(part_len, 1000);
    s->ops->object_close(o);
    assert_int_equal(fixture_delete_key(s, "k", NULL), TARN_OK);
    fixture_settle(f, 0);
}

static void test_an_append_to_a_record_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_put(f->store, "k", TN_STR("small")), TARN_OK);
    assert_int_equal(append(f->store, "k", TN_STR("more")), TARN_EINVAL);
    assert_int_equal(fixture_check(f->store, "k", TN_STR("small"), 0, 10), TARN_OK);
    fixture_settle(f, 0);
}

/* --- Quotas --- */

struct writer {
    struct store *store;
    unsigned number;
    unsigned won;
};

static int put_within(struct store *s, const char *key, size_t len, struct store_quota quota)
{
    static const char zeros[1000];
    struct store_txn txn = { .op = STORE_PUT,
                             .bucket = TN_STR("b"),
                             .key = tn_str_from(key),
                             .bytes = { zeros, len },
                             .quota = quota };
    int rc = store_commit_wait(s, &txn);
    assert_int_equal(txn.is_over_quota, rc == TARN_ENOSPACE);
    return rc;
}

static void test_a_quota_counts_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct store_quota quota = { .bytes_max = 1000, .object_max = 4 };
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(put_within(f->store, "before", 500, (struct store_quota){ 0 }), TARN_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(put_within(f->store, "k", 501, quota), TARN_ENOSPACE);
        assert_int_equal(put_within(f->store, "k", 500, quota), TARN_OK);
        assert_int_equal(put_within(f->store, "k", 500, quota), TARN_OK); /* in its own place */
        assert_int_equal(put_within(f->store, "k2", 1, quota), TARN_ENOSPACE);
        assert_int_equal(put_within(f->store, "k2", 0, quota), TARN_OK);
        assert_int_equal(put_within(f->store, "k3", 0, quota), TARN_OK);
        assert_int_equal(put_within(f->store, "k4", 0, quota), TARN_ENOSPACE);
        assert_int_equal(fixture_rename(f->store, "k2", "k3"), TARN_OK);
        assert_int_equal(put_within(f->store, "k4", 0, quota), TARN_OK);
        assert_int_equal(fixture_delete_key(f->store, "k", NULL), TARN_OK);
        assert_int_equal(fixture_delete_key(f->store, "k3", NULL), TARN_OK);
        assert_int_equal(fixture_delete_key(f->store, "k4", NULL), TARN_OK);
        fixture_reopen(f); /* counts anew */
    }
}

static void test_a_quota_counts_versions(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    struct store_quota quota = { .object_max = 3 };
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    struct store_txn config = { .op = STORE_BUCKET_CONFIG,
                                .bucket = TN_STR("b"),
                                .versioning = STORE_VERSIONS_ENABLED };
    assert_int_equal(store_commit_wait(s, &config), TARN_OK);
    assert_int_equal(put_within(s, "k", 1, quota), TARN_OK);
    assert_int_equal(put_within(s, "k", 1, quota), TARN_OK);
    assert_int_equal(fixture_delete_key(s, "k", NULL), TARN_OK); /* a marker */
    assert_int_equal(put_within(s, "k", 1, quota), TARN_OK);
    assert_int_equal(put_within(s, "k", 1, quota), TARN_ENOSPACE);
    struct store_object *o;
    assert_int_equal(s->ops->object_open(s, TN_STR("b"), TN_STR("k"), true, &o, NULL), TARN_OK);
    struct store_txn drop = { .op = STORE_DELETE, .bucket = TN_STR("b"), .key = TN_STR("k") };
    drop.version = (struct store_version){ STORE_VERSION_ID, s->ops->object_head(o)->version };
    s->ops->object_close(o);
    assert_int_equal(store_commit_wait(s, &drop), TARN_OK);
    assert_int_equal(put_within(s, "k", 1, quota), TARN_OK);
    assert_int_equal(put_within(s, "k", 1, quota), TARN_ENOSPACE);
}

static void *write_many(void *arg)
{
    struct writer *w = arg;
    for (unsigned i = 0; i < 20; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k/%u/%u", w->number, i);
        w->won +=
            put_within(w->store, key, 100, (struct store_quota){ .bytes_max = 25000 }) == TARN_OK;
    }
    return NULL;
}

static void test_a_quota_is_exact_among_racers(void **state)
{
    enum { WRITER_COUNT = 64 };
    struct fixture *f = *state;
    static struct writer writers[WRITER_COUNT];
    pthread_t threads[WRITER_COUNT];
    unsigned won = 0;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        writers[i] = (struct writer){ f->store, i, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        (void)pthread_join(threads[i], NULL);
        won += writers[i].won;
    }
    assert_int_equal(won, 250);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_rename_moves_and_replaces),   T(test_a_rename_keeps_the_metadata),
        T(test_a_rename_is_refused),           T(test_a_listing_has_one_of_the_names),
        T(test_bytes_are_put_behind_others),   T(test_an_append_to_a_record_is_refused),
        T(test_a_quota_counts_what_is_there),  T(test_a_quota_counts_versions),
        T(test_a_quota_is_exact_among_racers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
