/* SPDX-License-Identifier: Apache-2.0 */
/* Digests in company: many threads, windows of any length, or one thread at the end of its turn;
 * each stream gets its own digest. */

#include "server/api/digest.h"

#include "unit/t.h"

enum { STREAM_COUNT = 24, STREAM_LEN = 700000, WINDOW_LEN = 90000 };

static unsigned char bytes[STREAM_LEN + STREAM_COUNT];

struct stream {
    struct digest_pool *pool;
    struct digest digest;
    pthread_t thread;
    size_t number;
    size_t len;
};

static void *run(void *arg)
{
    struct stream *s = arg;
    uint32_t state = (uint32_t)s->number;
    digest_pool_enter(s->pool);
    for (size_t at = 0; at < s->len;) {
        state = state * 1664525 + 1013904223;
        size_t len = (state >> 8) % WINDOW_LEN;
        if (len > s->len - at)
            len = s->len - at;
        digest_update_together(s->pool, &s->digest, bytes + s->number + at, len);
        at += len;
    }
    digest_pool_leave(s->pool);
    return NULL;
}

static void check(struct stream *s)
{
    unsigned char found[TN_HASH_LEN_MAX];
    unsigned char expected[TN_HASH_LEN_MAX];
    if (s->digest.has_md5) {
        tn_lane_final(&s->digest.md5, found);
        tn_md5(bytes + s->number, s->len, expected);
        assert_memory_equal(found, expected, TN_MD5_LEN);
    }
    if (s->digest.has_sha256) {
        tn_lane_final(&s->digest.sha256, found);
        tn_sha256(bytes + s->number, s->len, expected);
        assert_memory_equal(found, expected, TN_SHA256_LEN);
    }
}

static const struct {
    const char *name;
    size_t core_count;
    size_t stream_count;
} companies[] = {
    { "alone", 2, 1 },
    { "two apart", 2, 2 },
    { "two together", 1, 2 },
    { "a few", 2, 5 },
    { "more than lanes", 2, STREAM_COUNT },
};

static void test_companies(void **state)
{
    (void)state;
    for (size_t c = 0; c < TN_COUNT(companies); c++) {
        struct digest_pool pool;
        static struct stream streams[STREAM_COUNT];
        assert_int_equal(digest_pool_init(&pool, companies[c].core_count), TARN_OK);
        for (size_t i = 0; i < companies[c].stream_count; i++) {
            struct stream *s = &streams[i];
            *s = (struct stream){ .pool = &pool, .number = i, .len = STREAM_LEN / (1 + i % 4) };
            if (i % 4 != 1)
                digest_add_md5(&s->digest);
            if (i % 4 != 2)
                digest_add_sha256(&s->digest);
            assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
        }
        for (size_t i = 0; i < companies[c].stream_count; i++) {
            (void)pthread_join(streams[i].thread, NULL);
            check(&streams[i]);
        }
        digest_pool_release(&pool);
    }
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    struct digest_pool pool;
    struct digest none = { 0 };
    struct digest md5 = { 0 };
    digest_add_md5(&md5);
    assert_int_equal(digest_pool_init(&pool, 0), TARN_OK);
    digest_pool_enter(&pool);
    digest_update_together(&pool, &none, bytes, 100);
    digest_update_together(&pool, &md5, bytes, 0);
    digest_pool_leave(&pool);
    digest_pool_release(&pool);
}

/* Settled in the order of deferral, as a loop runs its messages, and in any other. */
static void test_end_of_turn(void **state)
{
    static const size_t counts[] = { 1, 2, TN_LANE_COUNT, TN_LANE_COUNT + 1, STREAM_COUNT };
    static struct stream streams[STREAM_COUNT];
    struct digest_due due[STREAM_COUNT];
    (void)state;
    for (size_t c = 0; c < 2 * TN_COUNT(counts); c++) {
        size_t count = counts[c / 2];
        for (size_t i = 0; i < count; i++) {
            struct stream *s = &streams[i];
            *s = (struct stream){ .number = i, .len = i % 7 * 777 };
            if (i % 4 != 1)
                digest_add_md5(&s->digest);
            if (i % 4 != 2)
                digest_add_sha256(&s->digest);
            due[i] = (struct digest_due){ .digest = &s->digest,
                                          .bytes = { (const char *)bytes + i, s->len } };
            digest_defer(&due[i]);
        }
        for (size_t i = 0; i < count; i++) {
            size_t at = c % 2 ? count - 1 - i : i;
            digest_settle(&due[at]);
            check(&streams[at]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_companies),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_end_of_turn),
    };
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
