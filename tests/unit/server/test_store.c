/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as its users see it: what is acknowledged is there, also after a crash; what is
 * damaged is said. */

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/server/store_fixture.h"

#include "base/file.h"

/* --- Tests --- */

static const size_t sizes[] = { 0,     1,      100,    65535,      65536,  65537,
                                70000, 131072, 131073, 200 * 1024, 1 << 20 };

static void test_sizes(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < TN_COUNT(sizes); i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "size/%zu", sizes[i]);
            struct tn_str want = fixture_pattern(sizes[i], (unsigned)i, &b);
            if (round == 0)
                assert_int_equal(fixture_put(f->store, key, want), TARN_OK);
            assert_int_equal(fixture_check(f->store, key, want, 0, 1 << 18), TARN_OK);
            assert_int_equal(fixture_check(f->store, key, want, 0, 1000), TARN_OK);
            assert_int_equal(fixture_check(f->store, key, want, sizes[i] / 3, 77777), TARN_OK);
        }
        fixture_reopen(f);
    }
}

/* With the memory for bodies used up, small ones are refused for now and large ones go to files. */
static void test_memory_for_bodies_is_bounded(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    struct store_body *held[64];
    struct store_body *more;
    size_t count = 0;
    f->store->ops->close(TN_TAKE(f->store));
    f->body_memory_max = 1 << 20;
    fixture_reopen(f);
    struct store *s = f->store;
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    int rc = TARN_OK;
    while (count < TN_COUNT(held) && rc == TARN_OK) {
        rc = s->ops->body_new(s, 60000, &held[count], NULL);
        count += rc == TARN_OK;
    }
    assert_int_equal(rc, TARN_ETHROTTLED);
    assert_int_equal(count, (1 << 20) / 60000);
    struct tn_str want = fixture_pattern(60000, 1, &b);
    assert_int_equal(s->ops->body_new(s, UINT64_MAX, &more, NULL), TARN_OK);
    assert_int_equal(s->ops->body_append(more, want.data, want.len, NULL), TARN_OK);
    assert_int_equal(fixture_count_blobs(f), 1);
    s->ops->body_free(more);
    while (count)
        s->ops->body_free(held[--count]);
    assert_int_equal(fixture_count_blobs(f), 0);
    assert_int_equal(fixture_put(s, "k", want), TARN_OK);
    assert_int_equal(fixture_count_blobs(f), 0);
}

static void test_keys_and_buckets(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    assert_int_equal(fixture_put(s, "k", TN_STR("x")), TARN_ENOBUCKET);
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_EEXISTS);
    assert_int_equal(fixture_check(s, "k", TN_STR("x"), 0, 10), TARN_ENOTFOUND);
    assert_int_equal(fixture_put(s, "k", TN_STR("one")), TARN_OK);
    assert_int_equal(fixture_put(s, "k", TN_STR("second")), TARN_OK);
    assert_int_equal(fixture_check(s, "k", TN_STR("second"), 0, 10), TARN_OK);

    struct store_txn drop = { .op = STORE_BUCKET_DELETE, .bucket = TN_STR("b") };
    assert_int_equal(store_commit_wait(s, &drop), TARN_ENOTEMPTY);
    bool existed;
    assert_int_equal(fixture_delete_key(s, "k", &existed), TARN_OK);
    assert_true(existed);
    assert_int_equal(fixture_delete_key(s, "k", &existed), TARN_OK);
    assert_false(existed);
    assert_int_equal(fixture_check(s, "k", TN_STR("second"), 0, 10), TARN_ENOTFOUND);
    assert_int_equal(store_commit_wait(s, &drop), TARN_OK);
    assert_int_equal(store_commit_wait(s, &drop), TARN_ENOBUCKET);
    fixture_reopen(f);
    assert_int_equal(fixture_put(f->store, "k", TN_STR("x")), TARN_ENOBUCKET);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_check(f->store, "k", TN_STR("second"), 0, 10), TARN_ENOTFOUND);
}

static int must_be_absent(struct store_txn *txn, const struct store_head *current)
{
    (void)txn;
    return current ? TARN_EPRECOND : TARN_OK;
}

struct racer {
    struct store *store;
    int status;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct store_txn txn = { .op = STORE_PUT,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("contended"),
                             .bytes = TN_STR("winner"),
                             .judge = must_be_absent };
    r->status = store_commit_wait(r->store, &txn);
    return NULL;
}

static void test_one_winner(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (int round = 0; round < 50; round++) {
        pthread_t threads[16];
        struct racer racers[16];
        int winners = 0;
        for (size_t i = 0; i < TN_COUNT(threads); i++) {
            racers[i] = (struct racer){ f->store, TARN_OK };
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (size_t i = 0; i < TN_COUNT(threads); i++) {
            (void)pthread_join(threads[i], NULL);
            winners += racers[i].status == TARN_OK;
            if (racers[i].status != TARN_OK)
                assert_int_equal(racers[i].status, TARN_EPRECOND);
        }
        assert_int_equal(winners, 1);
        assert_int_equal(fixture_delete_key(f->store, "contended", NULL), TARN_OK);
    }
}

struct listed {
    char text[4096];
    size_t len;
};

static int note_entry(void *user, struct tn_str key, const struct store_head *head)
{
    struct listed *l = user;
    l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len, "%.*s%s ",
                               TN_STR_ARG(key), head ? "" : "*");
    return TARN_OK;
}

static void test_listing(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = { "a",  "a/",  "a/b", "a/c/d", "a/c/e",
                                        "ab", "b/x", "b/y", "z",     "\xc3\xa9" };
    static const struct {
        const char *name, *prefix, *delimiter, *after;
        size_t max;
        const char *want;
        bool is_truncated;
    } rows[] = {
        { "all", "", "", "", 100, "a a/ a/b a/c/d a/c/e ab b/x b/y z \xc3\xa9 ", false },
        { "first three", "", "", "", 3, "a a/ a/b ", true },
        { "exactly all", "", "", "", 10, "a a/ a/b a/c/d a/c/e ab b/x b/y z \xc3\xa9 ", false },
        { "none wanted", "", "", "", 0, "", false },
        { "after", "", "", "a/c/d", 100, "a/c/e ab b/x b/y z \xc3\xa9 ", false },
        { "delimited", "", "/", "", 100, "a a/* ab b/* z \xc3\xa9 ", false },
        { "delimited, cut at a prefix", "", "/", "", 2, "a a/* ", true },
        { "delimited, behind a prefix", "", "/", "a/", 100, "ab b/* z \xc3\xa9 ", false },
        { "delimited, from within a prefix", "", "/", "a/b", 100, "a/* ab b/* z \xc3\xa9 ", false },
        { "last prefix is the end", "b", "/", "", 1, "b/* ", false },
        { "prefix", "a/", "", "", 100, "a/ a/b a/c/d a/c/e ", false },
        { "prefix delimited", "a/", "/", "", 100, "a/ a/b a/c/* ", false },
        { "long delimiter", "", "c/", "", 100, "a a/ a/b a/c/* ab b/x b/y z \xc3\xa9 ", false },
        { "after before the prefix", "b", "", "a", 100, "b/x b/y ", false },
        { "after behind the prefix", "a", "", "b", 100, "", false },
        { "nothing there", "nope", "/", "", 100, "", false },
    };
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_make_bucket(f->store, "c"), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(keys); i++)
        assert_int_equal(fixture_put(f->store, keys[i], TN_STR("x")), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct store_list q = {
            .bucket = TN_STR("b"),
            .prefix = tn_str_from(rows[i].prefix),
            .delimiter = tn_str_from(rows[i].delimiter),
            .after = tn_str_from(rows[i].after),
            .max = rows[i].max,
        };
        struct listed l = { .len = 0 };
        bool is_truncated;
        struct tarn_error err = { 0 };
        assert_int_equal(f->store->ops->list(f->store, &q, note_entry, &l, &is_truncated, &err),
                         TARN_OK);
        if (strcmp(l.text, rows[i].want) != 0 || is_truncated != rows[i].is_truncated)
            fail_msg("%s: got \"%s\" %d", rows[i].name, l.text, is_truncated);
    }
}

/* --- Multipart --- */

static int put_part(struct store *s, const char *id, uint32_t number, struct tn_str bytes)
{
    struct store_txn txn = { .op = STORE_PART_PUT,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("multi"),
                             .part_number = number,
                             .meta = TN_STR("part-meta") };
    struct tarn_error err = { 0 };
    memcpy(txn.upload_id, id, sizeof txn.upload_id);
    assert_int_equal(s->ops->body_new(s, UINT64_MAX, &txn.body, &err), TARN_OK);
    assert_int_equal(s->ops->body_append(txn.body, bytes.data, bytes.len, &err), TARN_OK);
    assert_int_equal(s->ops->body_seal(txn.body, &err), TARN_OK);
    return store_commit_wait(s, &txn);
}

struct parts {
    struct store_part items[16];
    size_t count;
};

static int note_part(void *user, const struct store_part *part)
{
    struct parts *p = user;
    p->items[p->count] = *part;
    p->items[p->count++].meta = TN_STR("part-meta");
    assert_str_equal(part->meta, "part-meta");
    return TARN_OK;
}

static void begin_upload(struct store *s, char id[STORE_UPLOAD_ID_LEN + 1])
{
    struct store_txn txn = { .op = STORE_UPLOAD_CREATE,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("multi"),
                             .meta = TN_STR("upload-meta") };
    assert_int_equal(store_commit_wait(s, &txn), TARN_OK);
    memcpy(id, txn.upload_id, STORE_UPLOAD_ID_LEN + 1);
}

static int complete(struct store *s, const char *id, const struct parts *parts)
{
    struct store_txn txn = { .op = STORE_UPLOAD_COMPLETE,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("multi"),
                             .meta = TN_STR("object-meta"),
                             .parts = parts->items,
                             .part_count = parts->count };
    txn.head.part_count = (uint32_t)parts->count;
    memcpy(txn.upload_id, id, sizeof txn.upload_id);
    return store_commit_wait(s, &txn);
}

static int list_parts(struct store *s, const char *id, struct parts *out)
{
    bool is_truncated;
    out->count = 0;
    return s->ops->part_list(s, TN_STR("b"), TN_STR("multi"), id, 0, 16, note_part, out,
                             &is_truncated, NULL);
}

/* One part in the log, one in a blob, an empty one, one that was sent twice. */
static void put_parts(struct store *s, const char *id, struct tn_buf *whole)
{
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    tn_buf_release(whole);
    whole->max = 1 << 24;
    assert_int_equal(put_part(s, id, 7, fixture_pattern(100, 99, &b)), TARN_OK);
    static const struct {
        uint32_t number;
        size_t len;
    } rows[] = { { 1, 50000 }, { 2, 300000 }, { 5, 0 }, { 7, 150000 }, { 9, 17 } };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_str bytes = fixture_pattern(rows[i].len, (unsigned)i + 10, &b);
        assert_int_equal(put_part(s, id, rows[i].number, bytes), TARN_OK);
        assert_int_equal(tn_buf_append_str(whole, bytes), TARN_OK);
    }
}

static void test_multipart(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF whole = TN_BUF_INIT(0);
    char id[STORE_UPLOAD_ID_LEN + 1];
    struct parts parts;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    begin_upload(f->store, id);
    put_parts(f->store, id, &whole);
    fixture_reopen(f);
    struct store *s = f->store;

    assert_int_equal(list_parts(s, id, &parts), TARN_OK);
    assert_int_equal(parts.count, 5);
    struct parts stale = parts;
    stale.items[0].head.seq--;
    assert_int_equal(complete(s, id, &stale), TARN_EAGAIN);
    assert_int_equal(fixture_check(s, "multi", tn_buf_str(&whole), 0, 1000), TARN_ENOTFOUND);
    assert_int_equal(complete(s, id, &parts), TARN_OK);
    assert_int_equal(complete(s, id, &parts), TARN_ENOTFOUND);
    assert_int_equal(put_part(s, id, 1, TN_STR("late")), TARN_ENOTFOUND);
    assert_int_equal(list_parts(s, id, &parts), TARN_ENOTFOUND);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_check(f->store, "multi", tn_buf_str(&whole), 0, 1 << 18), TARN_OK);
        assert_int_equal(fixture_check(f->store, "multi", tn_buf_str(&whole), 49999, 4096),
                         TARN_OK);
        fixture_reopen(f);
    }
    struct store_object *o;
    uint64_t offset;
    uint64_t len;
    struct tn_str meta;
    s = f->store;
    assert_int_equal(s->ops->object_open(s, TN_STR("b"), TN_STR("multi"), true, &o, NULL), TARN_OK);
    assert_str_equal(s->ops->object_meta(o), "object-meta");
    assert_int_equal(s->ops->object_part(o, 2, &offset, &len, &meta, NULL), TARN_OK);
    assert_int_equal(offset, 50000);
    assert_int_equal(len, 300000);
    assert_str_equal(meta, "part-meta");
    assert_int_equal(s->ops->object_part(o, 6, &offset, &len, &meta, NULL), TARN_ERANGE);
    s->ops->object_close(o);
    assert_int_equal(fixture_count_blobs(f), 2);
}

/* --- As many parts as there may be --- */

enum { PART_LEN = 3 };

struct crowd {
    struct store_txn txns[STORE_PART_NUMBER_MAX];
    char bytes[STORE_PART_NUMBER_MAX * PART_LEN];
    struct store_part parts[STORE_PART_NUMBER_MAX];
    size_t count;
    _Atomic(size_t) answered;
};

static void on_part(struct store_txn *txn)
{
    struct crowd *c = txn->user;
    assert_int_equal(txn->status, TARN_OK);
    atomic_fetch_add(&c->answered, 1);
}

static int note_crowd(void *user, const struct store_part *part)
{
    struct crowd *c = user;
    c->parts[c->count] = *part;
    c->parts[c->count++].meta = TN_STR_EMPTY;
    return TARN_OK;
}

static void test_ten_thousand_parts(void **state)
{
    struct fixture *f = *state;
    struct crowd *c = tn_calloc(1, sizeof *c);
    char id[STORE_UPLOAD_ID_LEN + 1];
    bool is_truncated;
    assert_non_null(c);
    f->store->ops->close(TN_TAKE(f->store));
    f->segment_len = 16 << 20; /* the list of the parts is one record */
    fixture_reopen(f);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    begin_upload(f->store, id);
    for (uint32_t i = 0; i < STORE_PART_NUMBER_MAX; i++) {
        char *bytes = c->bytes + (size_t)i * PART_LEN;
        memcpy(bytes, &i, PART_LEN);
        c->txns[i] = (struct store_txn){ .op = STORE_PART_PUT,
                                         .bucket = TN_STR("b"),
                                         .key = TN_STR("multi"),
                                         .part_number = i + 1,
                                         .bytes = { bytes, PART_LEN },
                                         .done = on_part,
                                         .user = c };
        memcpy(c->txns[i].upload_id, id, sizeof id);
        f->store->ops->commit(f->store, &c->txns[i]);
    }
    while (atomic_load(&c->answered) < STORE_PART_NUMBER_MAX)
        (void)usleep(1000);
    assert_int_equal(f->store->ops->part_list(f->store, TN_STR("b"), TN_STR("multi"), id, 0,
                                              STORE_PART_NUMBER_MAX, note_crowd, c, &is_truncated,
                                              NULL),
                     TARN_OK);
    assert_int_equal(c->count, STORE_PART_NUMBER_MAX);
    assert_false(is_truncated);
    struct store_txn end = { .op = STORE_UPLOAD_COMPLETE,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("multi"),
                             .parts = c->parts,
                             .part_count = c->count };
    end.head.part_count = STORE_PART_NUMBER_MAX;
    memcpy(end.upload_id, id, sizeof id);
    assert_int_equal(store_commit_wait(f->store, &end), TARN_OK);
    fixture_reopen(f);
    assert_int_equal(
        fixture_check(f->store, "multi", (struct tn_str){ c->bytes, sizeof c->bytes }, 0, 65536),
        TARN_OK);
    assert_int_equal(fixture_delete_key(f->store, "multi", NULL), TARN_OK);
    fixture_reopen(f);
    assert_int_equal(fixture_check(f->store, "multi", TN_STR_EMPTY, 0, 10), TARN_ENOTFOUND);
    tn_free(c);
}

static void test_copies_share_and_nothing_leaks(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    TN_AUTO_BUF whole = TN_BUF_INIT(0);
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    char id[STORE_UPLOAD_ID_LEN + 1];
    struct parts parts;
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    begin_upload(s, id);
    put_parts(s, id, &whole);
    assert_int_equal(list_parts(s, id, &parts), TARN_OK);
    assert_int_equal(complete(s, id, &parts), TARN_OK);
    struct tn_str large = fixture_pattern(200000, 3, &b);
    assert_int_equal(fixture_put(s, "large", large), TARN_OK);
    assert_int_equal(fixture_put(s, "small", TN_STR("tiny")), TARN_OK);
    fixture_settle(f, 3);

    static const char *const names[] = { "multi", "large", "small" };
    struct tn_str wants[] = { tn_buf_str(&whole), large, TN_STR("tiny") };
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        struct store_txn txn = { .op = STORE_PUT, .bucket = TN_STR("b"), .meta = TN_STR("copied") };
        char key[32];
        (void)snprintf(key, sizeof key, "copy-of-%s", names[i]);
        txn.key = tn_str_from(key);
        assert_int_equal(
            s->ops->object_open(s, TN_STR("b"), tn_str_from(names[i]), true, &txn.source, NULL),
            TARN_OK);
        txn.head = *s->ops->object_head(txn.source);
        assert_int_equal(store_commit_wait(s, &txn), TARN_OK);
        s->ops->object_close(txn.source);
        assert_int_equal(fixture_delete_key(s, names[i], NULL), TARN_OK);
        assert_int_equal(fixture_check(s, key, wants[i], 0, 1 << 18), TARN_OK);
    }
    fixture_reopen(f);
    s = f->store;
    assert_int_equal(fixture_check(s, "copy-of-multi", wants[0], 0, 1 << 18), TARN_OK);
    assert_int_equal(fixture_check(s, "copy-of-large", wants[1], 0, 1 << 18), TARN_OK);
    fixture_settle(f, 3);

    /* An object that is being read keeps its bytes when its key goes. */
    struct store_object *o;
    TN_AUTO_FREE char *bytes = tn_realloc(NULL, large.len);
    assert_int_equal(s->ops->object_open(s, TN_STR("b"), TN_STR("copy-of-large"), true, &o, NULL),
                     TARN_OK);
    assert_int_equal(fixture_delete_key(s, "copy-of-large", NULL), TARN_OK);
    assert_int_equal(fixture_put(s, "copy-of-large", TN_STR("other")), TARN_OK);
    size_t got = 0;
    while (got < large.len) {
        ssize_t n = s->ops->object_read(o, got, bytes + got, large.len - got, true, NULL);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(bytes, large.data, large.len);
    s->ops->object_close(o);
    assert_int_equal(fixture_delete_key(s, "copy-of-multi", NULL), TARN_OK);
    fixture_settle(f, 0);
}

static void on_copied(struct store_txn *txn)
{
    assert_int_equal(txn->status, TARN_OK);
}

/* A rename, as S3 has it: the copy and the end of its source reach the index in one batch, where
 * the source's key may come first. */
static void test_renamed_bytes_stay(void **state)
{
    enum { RENAMES = 32 };
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < RENAMES; i++) {
        struct store_txn copy = { .op = STORE_PUT, .bucket = TN_STR("b"), .done = on_copied };
        char from[32];
        char to[32];
        (void)snprintf(from, sizeof from, "a%u", i);
        (void)snprintf(to, sizeof to, "b%u", i);
        copy.key = tn_str_from(to);
        struct tn_str want = fixture_pattern(SMALL_INLINE + 100 + i, i, &b);
        assert_int_equal(fixture_put(f->store, from, want), TARN_OK);
        assert_int_equal(f->store->ops->object_open(f->store, TN_STR("b"), tn_str_from(from), true,
                                                    &copy.source, NULL),
                         TARN_OK);
        f->store->ops->commit(f->store, &copy);
        assert_int_equal(fixture_delete_key(f->store, from, NULL), TARN_OK);
        f->store->ops->object_close(copy.source);
    }
    fixture_reopen(f);
    for (unsigned i = 0; i < RENAMES; i++) {
        char to[32];
        (void)snprintf(to, sizeof to, "b%u", i);
        struct tn_str want = fixture_pattern(SMALL_INLINE + 100 + i, i, &b);
        assert_int_equal(fixture_check(f->store, to, want, 0, 1 << 18), TARN_OK);
    }
    fixture_settle(f, RENAMES);
}

static int note_upload(void *user, struct tn_str key, const char *upload_id,
                       const struct store_head *head)
{
    struct listed *l = user;
    (void)upload_id;
    assert_true(head->mtime_ms > 0);
    l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len, "%.*s ", TN_STR_ARG(key));
    return TARN_OK;
}

static void test_uploads_are_listed_and_aborted(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    TN_AUTO_BUF whole = TN_BUF_INIT(0);
    char first[STORE_UPLOAD_ID_LEN + 1];
    char second[STORE_UPLOAD_ID_LEN + 1];
    assert_int_equal(fixture_make_bucket(s, "b"), TARN_OK);
    begin_upload(s, first);
    begin_upload(s, second);
    put_parts(s, first, &whole);
    struct store_list q = { .bucket = TN_STR("b"), .max = 10 };
    struct listed l = { .len = 0 };
    bool is_truncated;
    assert_int_equal(s->ops->upload_list(s, &q, note_upload, note_entry, &l, &is_truncated, NULL),
                     TARN_OK);
    assert_string_equal(l.text, "multi multi ");
    q.after = TN_STR("multi");
    l.len = 0;
    l.text[0] = '\0';
    assert_int_equal(s->ops->upload_list(s, &q, note_upload, note_entry, &l, &is_truncated, NULL),
                     TARN_OK);
    assert_string_equal(l.text, "");

    struct tn_arena arena;
    struct tn_str meta;
    struct store_head head;
    tn_arena_init(&arena, 1 << 16);
    assert_int_equal(
        s->ops->upload_get(s, TN_STR("b"), TN_STR("multi"), first, &head, &arena, &meta, NULL),
        TARN_OK);
    assert_str_equal(meta, "upload-meta");
    tn_arena_release(&arena);

    struct store_txn txn = { .op = STORE_UPLOAD_ABORT,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("multi") };
    memcpy(txn.upload_id, first, sizeof first);
    assert_int_equal(store_commit_wait(s, &txn), TARN_OK);
    assert_int_equal(store_commit_wait(s, &txn), TARN_ENOTFOUND);
    fixture_settle(f, 0);
    struct store_txn drop = { .op = STORE_BUCKET_DELETE, .bucket = TN_STR("b") };
    assert_int_equal(store_commit_wait(s, &drop), TARN_OK);
    fixture_reopen(f);
}

/* --- Crashes and damage --- */

static void test_kill_keeps_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 300 };
    f->store->ops->close(TN_TAKE(f->store));
    for (unsigned round = 0; round < 3; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            TN_AUTO_BUF b = TN_BUF_INIT(0);
            struct store_body *lost;
            bool ok = fixture_open_store(f, NULL) == TARN_OK &&
                      (round > 0 || fixture_make_bucket(f->store, "b") == 0);
            for (unsigned i = 0; i < COUNT && ok; i++) {
                char key[32];
                (void)snprintf(key, sizeof key, "%u-%u", round, i);
                ok = fixture_put(f->store, key, fixture_pattern(i * 331, i, &b)) == TARN_OK;
            }
            /* A body that never gets its record. */
            ok = ok && f->store->ops->body_new(f->store, UINT64_MAX, &lost, NULL) == TARN_OK &&
                 f->store->ops->body_append(lost, b.data, b.len, NULL) == TARN_OK &&
                 f->store->ops->body_seal(lost, NULL) == TARN_OK;
            if (ok)
                (void)kill(getpid(), SIGKILL);
            _exit(1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    fixture_reopen(f);
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    size_t blobs = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "%u-%u", round, i);
            struct tn_str want = fixture_pattern(i * 331, i, &b);
            assert_int_equal(fixture_check(f->store, key, want, 0, 1 << 18), TARN_OK);
            blobs += want.len > SMALL_INLINE;
        }
    }
    fixture_settle(f, blobs);
}

static void path_in(const struct fixture *f, const char *name, char out[128])
{
    (void)snprintf(out, 128, "%s/%s", f->dir, name);
}

static void test_index_is_rebuilt(void **state)
{
    struct fixture *f = *state;
    static const char *const ways[] = { "gone", "garbage", "empty" };
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    TN_AUTO_BUF whole = TN_BUF_INIT(0);
    char id[STORE_UPLOAD_ID_LEN + 1];
    struct parts parts;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < 40; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%u", i % 20);
        assert_int_equal(fixture_put(f->store, key, fixture_pattern(i * 4001, i, &b)), TARN_OK);
    }
    begin_upload(f->store, id);
    put_parts(f->store, id, &whole);
    assert_int_equal(list_parts(f->store, id, &parts), TARN_OK);
    assert_int_equal(complete(f->store, id, &parts), TARN_OK);
    for (size_t way = 0; way < TN_COUNT(ways); way++) {
        char path[128];
        char wal[128];
        f->store->ops->close(TN_TAKE(f->store));
        path_in(f, "index.sqlite", path);
        path_in(f, "index.sqlite-wal", wal);
        (void)unlink(wal);
        if (way == 0)
            assert_int_equal(unlink(path), 0);
        else
            assert_int_equal(tn_file_replace(path,
                                             way == 1 ? fixture_pattern(9000, 1, &b) : TN_STR(""),
                                             0600, NULL),
                             TARN_OK);
        fixture_reopen(f);
        for (unsigned i = 20; i < 40; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "%u", i % 20);
            assert_int_equal(
                fixture_check(f->store, key, fixture_pattern(i * 4001, i, &b), 0, 1 << 18),
                TARN_OK);
        }
        assert_int_equal(fixture_check(f->store, "multi", tn_buf_str(&whole), 0, 1 << 18), TARN_OK);
    }
}

/* Changes one byte of a file. */
static void flip(const char *path, off_t at)
{
    TN_AUTO_FD fd = open(path, O_RDWR);
    unsigned char c;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x10;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static void test_flipped_bits_are_never_served(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    struct tn_str want = fixture_pattern(3000, 5, &b);
    char segment[128];
    path_in(f, "log/00000001.seg", segment);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_put(f->store, "k", want), TARN_OK);
    assert_int_equal(fixture_put(f->store, "next", want), TARN_OK);
    fixture_reopen(f); /* the index has both: no replay will look at the damage */
    /* Behind the segment's header come the bucket's record, then this one. */
    for (off_t at = 4096 + 144; at < 4096 + 144 + 136 + 1 + 4 + 4 + 3000; at += 13) {
        flip(segment, at);
        assert_int_equal(fixture_check(f->store, "k", want, 0, 5000), TARN_ECORRUPT);
        flip(segment, at);
    }
    assert_int_equal(fixture_check(f->store, "k", want, 0, 5000), TARN_OK);
}

static void test_damage_is_told_from_a_torn_tail(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    char segment[128];
    char path[128];
    struct tarn_error err = { 0 };
    path_in(f, "log/00000001.seg", segment);
    path_in(f, "index.sqlite", path);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    struct tn_str bytes = fixture_pattern(3000, 5, &b);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture_put(f->store, i == 0 ? "x" : i == 1 ? "y" : "z", bytes), TARN_OK);
    f->store->ops->close(TN_TAKE(f->store));
    off_t one = 4096 + 144 + 200; /* in the body of x: y and z were acknowledged behind it */
    assert_int_equal(unlink(path), 0);
    flip(segment, one);
    assert_int_equal(fixture_open_store(f, &err), TARN_ECORRUPT);
    assert_non_null(strstr(err.message, "damaged"));
    flip(segment, one);
    fixture_reopen(f);
    assert_int_equal(fixture_check(f->store, "x", bytes, 0, 5000), TARN_OK);

    /* The last record torn: as a crash leaves it before its answer went out. */
    f->store->ops->close(TN_TAKE(f->store));
    assert_int_equal(unlink(path), 0);
    flip(segment, 4096 + 144 + 2 * 3152 + 200);
    fixture_reopen(f);
    assert_int_equal(fixture_check(f->store, "y", bytes, 0, 5000), TARN_OK);
    assert_int_equal(fixture_check(f->store, "z", bytes, 0, 5000), TARN_ENOTFOUND);
    assert_int_equal(fixture_put(f->store, "z", bytes), TARN_OK);
    fixture_reopen(f);
    assert_int_equal(fixture_check(f->store, "z", bytes, 0, 5000), TARN_OK);
}

static void test_one_process_a_directory(void **state)
{
    struct fixture *f = *state;
    struct fixture second = *f;
    struct tarn_error err = { 0 };
    assert_int_equal(fixture_open_store(&second, &err), TARN_EBUSY);
    assert_non_null(strstr(err.message, "another process"));
}

/* --- Many at once --- */

struct worker {
    struct store *store;
    unsigned seed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    for (unsigned i = 0; i < 150; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%u/%u", w->seed, i % 10);
        struct tn_str want = fixture_pattern((i * 977) % 90000, i, &b);
        assert_int_equal(fixture_put(w->store, key, want), TARN_OK);
        assert_int_equal(fixture_check(w->store, key, want, 0, 1 << 17), TARN_OK);
        if (i % 7 == 0) {
            assert_int_equal(fixture_delete_key(w->store, key, NULL), TARN_OK);
            assert_int_equal(fixture_check(w->store, key, want, 0, 1 << 17), TARN_ENOTFOUND);
        }
    }
    return NULL;
}

static void test_each_thread_sees_its_own_writes(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[8];
    struct worker workers[8];
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < TN_COUNT(threads); i++) {
        workers[i] = (struct worker){ f->store, i };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < TN_COUNT(threads); i++)
        (void)pthread_join(threads[i], NULL);
    struct store_stats stats;
    f->store->ops->stats(f->store, &stats);
    assert_true(stats.committed_seq > 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        T(test_sizes),
        T(test_memory_for_bodies_is_bounded),
        T(test_keys_and_buckets),
        T(test_one_winner),
        T(test_listing),
        T(test_multipart),
        T(test_ten_thousand_parts),
        T(test_copies_share_and_nothing_leaks),
        T(test_renamed_bytes_stay),
        T(test_uploads_are_listed_and_aborted),
        T(test_kill_keeps_what_was_acknowledged),
        T(test_index_is_rebuilt),
        T(test_flipped_bits_are_never_served),
        T(test_damage_is_told_from_a_torn_tail),
        T(test_one_process_a_directory),
        T(test_each_thread_sees_its_own_writes),
#undef T
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
