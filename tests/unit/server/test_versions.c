/* SPDX-License-Identifier: Apache-2.0 */
/* Versions: what the engine keeps is what a plain model keeps, whatever happens to log and index in
 * between. */

#include <stdatomic.h>
#include <unistd.h>

#include "unit/server/store_fixture.h"

#include "base/rand.h"
#include "server/store/engine.h"
#include "server/store/mem/mem_store.h"

enum { KEY_COUNT = 12 };

/* Both engines, fed the same. */
struct pair {
    struct fixture *f;
    struct store *model;
    unsigned changes;
};

/* --- Listings as text --- */

struct text {
    struct tn_buf buf;
    const struct pair *pair;
};

static int add_version(void *user, struct tn_str key, const struct store_head *head, bool is_latest)
{
    struct text *t = user;
    if (!head)
        return tn_buf_appendf(&t->buf, "%.*s (common)\n", TN_STR_ARG(key));
    return tn_buf_appendf(&t->buf, "%.*s %s%s%s size=%llu attrs=%u\n", TN_STR_ARG(key),
                          is_latest ? "latest " : "",
                          head->flags & STORE_IS_VERSIONED ? "versioned" : "null",
                          head->flags & STORE_IS_MARKER ? " marker" : "",
                          (unsigned long long)head->size, head->attrs);
}

static int add_object(void *user, struct tn_str key, const struct store_head *head)
{
    return add_version(user, key, head, true);
}

static void list_text(struct store *s, struct text *t)
{
    struct store_list query = { .bucket = TN_STR("b"), .max = 100000 };
    bool is_truncated;
    struct tarn_error err = { 0 };
    t->buf = TN_BUF_INIT(4 << 20);
    assert_int_equal(s->ops->version_list(s, &query, add_version, t, &is_truncated, &err), TARN_OK);
    assert_int_equal(tn_buf_append_str(&t->buf, TN_STR("--\n")), TARN_OK);
    assert_int_equal(s->ops->list(s, &query, add_object, t, &is_truncated, &err), TARN_OK);
    assert_false(is_truncated);
}

/* --- The heads of a key, newest first --- */

struct heads_of_key {
    struct tn_str key;
    struct store_head heads[256];
    size_t count;
};

static int take_head(void *user, struct tn_str key, const struct store_head *head, bool is_latest)
{
    struct heads_of_key *h = user;
    (void)is_latest;
    if (head && tn_str_eq(key, h->key) && h->count < TN_COUNT(h->heads))
        h->heads[h->count++] = *head;
    return TARN_OK;
}

static void get_heads(struct store *s, const char *key, struct heads_of_key *h)
{
    struct store_list query = { .bucket = TN_STR("b"), .prefix = tn_str_from(key), .max = 1000 };
    bool is_truncated;
    *h = (struct heads_of_key){ .key = tn_str_from(key) };
    assert_int_equal(s->ops->version_list(s, &query, take_head, h, &is_truncated, NULL), TARN_OK);
}

/* Each version can be opened, and has its own bytes. */
static void check_bytes(struct store *s, const char *key)
{
    struct heads_of_key h;
    get_heads(s, key, &h);
    for (size_t i = 0; i < h.count; i++) {
        struct store_version which = { h.heads[i].flags & STORE_IS_VERSIONED ? STORE_VERSION_ID
                                                                             : STORE_NULL_VERSION,
                                       h.heads[i].version };
        struct store_object *o;
        struct tarn_error err = { 0 };
        if (s->ops->version_open(s, TN_STR("b"), tn_str_from(key), &which, &o, &err) != TARN_OK)
            fail_msg("%s", err.message);
        assert_int_equal(s->ops->object_head(o)->seq, h.heads[i].seq);
        char first = 0;
        ssize_t n = s->ops->object_read(o, 0, &first, 1, true, &err);
        assert_int_equal(n, h.heads[i].size ? 1 : 0);
        if (n)
            assert_int_equal(first, (char)('a' + h.heads[i].size % 26));
        s->ops->object_close(o);
    }
}

/* Tells the first line that differs. */
static void same_lines(const struct tn_buf *real, const struct tn_buf *want)
{
    size_t at = 0;
    size_t line = 0;
    for (; at < real->len && at < want->len && real->data[at] == want->data[at]; at++) {
        if (real->data[at] == '\n')
            line = at + 1;
    }
    if (at < real->len || at < want->len)
        fail_msg("got:\n%.200s\nwant:\n%.200s", real->data + line, want->data + line);
}

static void compare(struct pair *p)
{
    struct text real;
    struct text want;
    list_text(p->f->store, &real);
    list_text(p->model, &want);
    same_lines(&real.buf, &want.buf);
    tn_buf_release(&real.buf);
    tn_buf_release(&want.buf);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k/%u", i);
        check_bytes(p->f->store, key);
    }
}

/* --- Changes --- */

static void set_versioning(struct pair *p, enum store_versioning versioning)
{
    struct store *const stores[] = { p->f->store, p->model };
    for (size_t i = 0; i < 2; i++) {
        struct store_txn txn = { .op = STORE_BUCKET_CONFIG,
                                 .bucket = TN_STR("b"),
                                 .versioning = versioning };
        assert_int_equal(store_commit_wait(stores[i], &txn), TARN_OK);
    }
}

static void put_both(struct pair *p, const char *key, size_t size)
{
    struct store *const stores[] = { p->f->store, p->model };
    TN_AUTO_BUF bytes = TN_BUF_INIT(1 << 20);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(tn_buf_append_char(&bytes, (char)('a' + size % 26)), TARN_OK);
    p->changes++;
    for (size_t i = 0; i < 2; i++) {
        struct store *s = stores[i];
        struct store_txn txn = { .op = STORE_PUT,
                                 .bucket = TN_STR("b"),
                                 .key = tn_str_from(key),
                                 .head = { .attrs = p->changes } };
        assert_int_equal(s->ops->body_new(s, bytes.len, &txn.body, NULL), TARN_OK);
        assert_int_equal(s->ops->body_append(txn.body, bytes.data, bytes.len, NULL), TARN_OK);
        assert_int_equal(s->ops->body_seal(txn.body, NULL), TARN_OK);
        assert_int_equal(store_commit_wait(s, &txn), TARN_OK);
    }
}

static void delete_both(struct pair *p, const char *key)
{
    struct store *const stores[] = { p->f->store, p->model };
    bool existed[2];
    p->changes++;
    for (size_t i = 0; i < 2; i++) {
        struct store_txn txn = { .op = STORE_DELETE,
                                 .bucket = TN_STR("b"),
                                 .key = tn_str_from(key),
                                 .head = { .attrs = p->changes } };
        assert_int_equal(store_commit_wait(stores[i], &txn), TARN_OK);
        existed[i] = txn.existed;
    }
    assert_int_equal(existed[0], existed[1]);
}

static struct store_version nth(const struct heads_of_key *h, size_t n)
{
    if (h->heads[n].flags & STORE_IS_VERSIONED)
        return (struct store_version){ STORE_VERSION_ID, h->heads[n].version };
    return (struct store_version){ .kind = STORE_NULL_VERSION };
}

/* The n-th version from the newest goes, in both. */
static void remove_both(struct pair *p, const char *key, size_t n)
{
    struct store *const stores[] = { p->f->store, p->model };
    for (size_t i = 0; i < 2; i++) {
        struct heads_of_key h;
        get_heads(stores[i], key, &h);
        if (n >= h.count)
            return;
        struct store_txn txn = { .op = STORE_DELETE,
                                 .bucket = TN_STR("b"),
                                 .key = tn_str_from(key),
                                 .version = nth(&h, n) };
        assert_int_equal(store_commit_wait(stores[i], &txn), TARN_OK);
        assert_true(txn.existed);
        assert_int_equal(txn.head.attrs, h.heads[n].attrs);
    }
}

/* New metadata for the n-th version. */
static void rewrite_both(struct pair *p, const char *key, size_t n)
{
    struct store *const stores[] = { p->f->store, p->model };
    p->changes++;
    for (size_t i = 0; i < 2; i++) {
        struct store *s = stores[i];
        struct heads_of_key h;
        get_heads(s, key, &h);
        if (n >= h.count || h.heads[n].flags & STORE_IS_MARKER)
            return;
        struct store_version which = nth(&h, n);
        struct store_txn txn = {
            .op = STORE_PUT, .bucket = TN_STR("b"), .key = tn_str_from(key), .keeps_version = true
        };
        assert_int_equal(s->ops->version_open(s, txn.bucket, txn.key, &which, &txn.source, NULL),
                         TARN_OK);
        txn.head = *s->ops->object_head(txn.source);
        txn.head.attrs = p->changes;
        assert_int_equal(store_commit_wait(s, &txn), TARN_OK);
        assert_int_equal(txn.head.version, h.heads[n].version);
        s->ops->object_close(txn.source);
    }
}

static void change_at_random(struct pair *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k/%u", (unsigned)tn_random_below(KEY_COUNT));
        size_t n = tn_random_below(4);
        switch (tn_random_below(100)) {
        case 0:
            set_versioning(p, STORE_VERSIONS_SUSPENDED);
            break;
        case 1:
        case 2:
            set_versioning(p, STORE_VERSIONS_ENABLED);
            break;
        default:
            if (i % 10 < 5)
                put_both(p, key, tn_random_below(i % 50 ? 6000 : 100000));
            else if (i % 10 < 6)
                delete_both(p, key);
            else if (i % 10 < 9)
                remove_both(p, key, n);
            else
                rewrite_both(p, key, n);
        }
    }
}

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

static void pair_begin(struct pair *p, struct fixture *f)
{
    struct mem_store_config config = { 0 };
    *p = (struct pair){ .f = f };
    assert_int_equal(mem_store_open(&config, &p->model, NULL), TARN_OK);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_make_bucket(p->model, "b"), TARN_OK);
}

static void pair_end(struct pair *p)
{
    p->model->ops->close(p->model);
    tn_free(p);
}

/* Segments are small: vacuum moves and retires while this goes on. */
static void test_versions_are_what_the_model_has(void **state)
{
    struct pair *p = tn_calloc(1, sizeof *p);
    pair_begin(p, *state);
    for (unsigned i = 0; i < 30; i++)
        put_both(p, i % 2 ? "k/1" : "k/2", i * 100);
    delete_both(p, "k/2");
    put_both(p, "k/3", 10);
    set_versioning(p, STORE_VERSIONS_ENABLED);
    for (int round = 0; round < 8; round++) {
        change_at_random(p, 400);
        compare(p);
        if (round % 2)
            fixture_reopen(p->f);
        else
            drop_index(p->f);
        compare(p);
    }
    pair_end(p);
}

/* A page ends anywhere: pages put together are the whole. */
struct page {
    struct text text;
    char key[32];
    struct store_version after;
};

static int take_entry(void *user, struct tn_str key, const struct store_head *head, bool is_latest)
{
    struct page *page = user;
    (void)snprintf(page->key, sizeof page->key, "%.*s", TN_STR_ARG(key));
    page->after = (struct store_version){ .kind = STORE_CURRENT };
    if (head && head->flags & STORE_IS_VERSIONED)
        page->after = (struct store_version){ STORE_VERSION_ID, head->version };
    else if (head)
        page->after.kind = STORE_NULL_VERSION;
    return add_version(&page->text, key, head, is_latest);
}

static void check_pages(struct store *s, size_t max, const char *delimiter, struct tn_str want)
{
    struct page page = { .text = { .buf = TN_BUF_INIT(4 << 20) } };
    bool is_truncated = true;
    for (int i = 0; is_truncated && i < 10000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%s", page.key);
        struct store_list query = { .bucket = TN_STR("b"),
                                    .after = tn_str_from(key),
                                    .version_after = page.after,
                                    .delimiter = tn_str_from(delimiter),
                                    .max = max };
        assert_int_equal(s->ops->version_list(s, &query, take_entry, &page, &is_truncated, NULL),
                         TARN_OK);
    }
    assert_false(is_truncated);
    assert_string_equal(page.text.buf.data, want.data);
    tn_buf_release(&page.text.buf);
}

static void test_pages_of_versions(void **state)
{
    struct pair *p = tn_calloc(1, sizeof *p);
    static const char *const delimiters[] = { "", "/" };
    pair_begin(p, *state);
    put_both(p, "a", 1);
    put_both(p, "k/1", 2);
    set_versioning(p, STORE_VERSIONS_ENABLED);
    change_at_random(p, 200);
    delete_both(p, "a");
    put_both(p, "z", 3);
    delete_both(p, "zz");
    for (size_t i = 0; i < TN_COUNT(delimiters); i++) {
        struct text whole = { .buf = TN_BUF_INIT(4 << 20) };
        struct store_list query = { .bucket = TN_STR("b"),
                                    .delimiter = tn_str_from(delimiters[i]),
                                    .max = 100000 };
        bool is_truncated;
        struct store *s = p->f->store;
        assert_int_equal(s->ops->version_list(s, &query, add_version, &whole, &is_truncated, NULL),
                         TARN_OK);
        for (size_t max = 1; max < 6; max++) {
            check_pages(s, max, delimiters[i], tn_buf_str(&whole.buf));
            check_pages(p->model, max, delimiters[i], tn_buf_str(&whole.buf));
        }
        tn_buf_release(&whole.buf);
    }
    pair_end(p);
}

/* A bucket is not empty while a marker or an old version is left in it. */
static void test_old_versions_keep_a_bucket(void **state)
{
    struct fixture *f = *state;
    struct pair *p = tn_calloc(1, sizeof *p);
    pair_begin(p, f);
    set_versioning(p, STORE_VERSIONS_ENABLED);
    delete_both(p, "only-a-marker");
    struct store_txn txn = { .op = STORE_BUCKET_DELETE, .bucket = TN_STR("b") };
    assert_int_equal(store_commit_wait(f->store, &txn), TARN_ENOTEMPTY);
    remove_both(p, "only-a-marker", 0);
    assert_int_equal(store_commit_wait(f->store, &txn), TARN_OK);
    pair_end(p);
}

/* The judge of a change to one version sees that version; of others, the current object. */
static int judge_attrs(struct store_txn *txn, const struct store_head *current)
{
    txn->head.attrs = current ? current->attrs : 0;
    return TARN_EPRECOND;
}

static void test_judges_see_what_is_meant(void **state)
{
    struct fixture *f = *state;
    struct pair *p = tn_calloc(1, sizeof *p);
    struct heads_of_key h;
    pair_begin(p, f);
    set_versioning(p, STORE_VERSIONS_ENABLED);
    put_both(p, "k", 1);
    put_both(p, "k", 2);
    get_heads(f->store, "k", &h);
    struct store_txn txn = { .op = STORE_DELETE,
                             .bucket = TN_STR("b"),
                             .key = TN_STR("k"),
                             .version = nth(&h, 1),
                             .judge = judge_attrs };
    assert_int_equal(store_commit_wait(f->store, &txn), TARN_EPRECOND);
    assert_int_equal(txn.head.attrs, 1);
    txn.version.kind = STORE_CURRENT;
    assert_int_equal(store_commit_wait(f->store, &txn), TARN_EPRECOND);
    assert_int_equal(txn.head.attrs, 2);
    delete_both(p, "k");
    assert_int_equal(store_commit_wait(f->store, &txn), TARN_EPRECOND);
    assert_int_equal(txn.head.attrs, 0);
    pair_end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions_are_what_the_model_has, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_pages_of_versions, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_old_versions_keep_a_bucket, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_judges_see_what_is_meant, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
