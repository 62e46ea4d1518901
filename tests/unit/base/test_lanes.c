/* SPDX-License-Identifier: Apache-2.0 */
/* Digests side by side against the same digests alone: every length, any pieces, any company. */

#include "base/lanes.h"

#include "unit/t.h"

enum { LEN_MAX = 300, LONG_LEN = 9000, ROUND_COUNT = 400 };

static const struct {
    const char *name;
    enum tn_lanes_level level;
    enum tn_hash_kind kind;
} ways[] = {
    { "md5 alone", TN_LANES_PLAIN, TN_HASH_MD5 },
    { "md5 by 8", TN_LANES_AVX2, TN_HASH_MD5 },
    { "md5 by 16", TN_LANES_AVX512, TN_HASH_MD5 },
    { "sha256 alone", TN_LANES_PLAIN, TN_HASH_SHA256 },
    { "sha256 with avx2", TN_LANES_AVX2, TN_HASH_SHA256 },
    { "sha256 by 16", TN_LANES_AVX512, TN_HASH_SHA256 },
};

static unsigned char bytes[TN_LANE_COUNT][LONG_LEN];

static void fill_bytes(void)
{
    uint32_t state = 1;
    for (size_t lane = 0; lane < TN_LANE_COUNT; lane++) {
        for (size_t i = 0; i < LONG_LEN; i++) {
            state = state * 1664525 + 1013904223;
            bytes[lane][i] = (unsigned char)(state >> 24);
        }
    }
}

static void check(const char *name, struct tn_lane *l, const unsigned char *from, size_t len)
{
    unsigned char found[TN_HASH_LEN_MAX];
    unsigned char expected[TN_HASH_LEN_MAX];
    tn_lane_final(l, found);
    if (l->kind == TN_HASH_MD5)
        tn_md5(from, len, expected);
    else
        tn_sha256(from, len, expected);
    if (memcmp(found, expected, tn_hash_len(l->kind)) != 0)
        fail_msg("%s, %zu bytes: another digest", name, len);
}

/* Lane i is i bytes longer, so that lanes leave one by one. */
static void test_every_length(void **state)
{
    (void)state;
    for (size_t way = 0; way < TN_COUNT(ways); way++) {
        for (size_t len = 0; len <= LEN_MAX; len++) {
            struct tn_lane lanes[TN_LANE_COUNT];
            struct tn_lane_job jobs[TN_LANE_COUNT];
            size_t count = len % (TN_LANE_COUNT + 1);
            for (size_t i = 0; i < count; i++) {
                tn_lane_init(&lanes[i], ways[way].kind);
                jobs[i] = (struct tn_lane_job){ &lanes[i], bytes[i], len + i };
            }
            tn_lanes_update_at(ways[way].level, jobs, count);
            for (size_t i = 0; i < count; i++)
                check(ways[way].name, &lanes[i], bytes[i], len + i);
        }
    }
}

/* The same numbers in every run. */
static size_t pick(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Any number of the lanes at a time, each by a piece of its own length. */
static void test_random_pieces(void **state)
{
    (void)state;
    for (size_t way = 0; way < TN_COUNT(ways); way++) {
        struct tn_lane lanes[TN_LANE_COUNT];
        size_t lens[TN_LANE_COUNT] = { 0 };
        uint32_t seed = 7;
        for (size_t i = 0; i < TN_LANE_COUNT; i++)
            tn_lane_init(&lanes[i], ways[way].kind);
        for (size_t round = 0; round < ROUND_COUNT; round++) {
            struct tn_lane_job jobs[TN_LANE_COUNT];
            size_t count = 0;
            size_t share = pick(&seed) % 8;
            for (size_t i = 0; i < TN_LANE_COUNT; i++) {
                if (pick(&seed) % 8 > share)
                    continue;
                size_t len = pick(&seed) % (round % 3 ? 70 : 700);
                if (len > LONG_LEN - lens[i])
                    len = LONG_LEN - lens[i];
                jobs[count++] = (struct tn_lane_job){ &lanes[i], bytes[i] + lens[i], len };
                lens[i] += len;
            }
            tn_lanes_update_at(ways[way].level, jobs, count);
        }
        for (size_t i = 0; i < TN_LANE_COUNT; i++)
            check(ways[way].name, &lanes[i], bytes[i], lens[i]);
    }
}

/* Half a gigabyte is behind them, as far as they know: the number of bits passes 32 bits. */
static void test_long_streams(void **state)
{
    (void)state;
    enum { COUNT = 4, BITS_BEFORE = 8 * LONG_LEN / 2 };
    for (size_t way = 0; way < TN_COUNT(ways); way++) {
        struct tn_lane lanes[COUNT];
        struct tn_lane alone;
        struct tn_lane_job jobs[COUNT];
        unsigned char found[TN_HASH_LEN_MAX];
        unsigned char expected[TN_HASH_LEN_MAX];
        tn_lane_init(&alone, ways[way].kind);
        if (alone.kind == TN_HASH_MD5)
            alone.ctx.md5.Nl = UINT32_MAX - BITS_BEFORE + 1;
        else
            alone.ctx.sha256.Nl = UINT32_MAX - BITS_BEFORE + 1;
        for (size_t i = 0; i < COUNT; i++) {
            lanes[i] = alone;
            jobs[i] = (struct tn_lane_job){ &lanes[i], bytes[0], LONG_LEN };
        }
        tn_lanes_update_at(ways[way].level, jobs, COUNT);
        tn_lane_update(&alone, bytes[0], LONG_LEN);
        tn_lane_final(&alone, expected);
        for (size_t i = 0; i < COUNT; i++) {
            tn_lane_final(&lanes[i], found);
            assert_memory_equal(found, expected, tn_hash_len(ways[way].kind));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_random_pieces),
        cmocka_unit_test(test_long_streams),
    };
    fill_bytes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
