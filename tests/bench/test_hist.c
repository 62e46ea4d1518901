/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram and the bodies of tarn-bench: figures are worth nothing when these are wrong. */

#include "bench/hist.h"
#include "bench/noise.h"
#include "unit/t.h"

static void test_quantiles(void **state)
{
    static const struct {
        const char *name;
        uint64_t first, last, step; /* values added, each once */
        double share;
        uint64_t expected; /* exact; the histogram may be 1/64 above */
    } cases[] = {
        { "one value", 7, 7, 1, 0.5, 7 },
        { "small values are exact", 1, 100, 1, 0.5, 50 },
        { "p99 of small values", 1, 100, 1, 0.99, 99 },
        { "around a power of two", 127, 129, 1, 0.5, 128 },
        { "microseconds", 1000, 1000000, 1000, 0.5, 500000 },
        { "p99 of microseconds", 1000, 1000000, 1000, 0.99, 990000 },
        { "all", 1000, 1000000, 1000, 1.0, 1000000 },
        { "largest", UINT64_MAX - 1, UINT64_MAX - 1, 1, 0.5, UINT64_MAX - 1 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct hist *h = tn_calloc(1, sizeof *h);
        assert_non_null(h);
        for (uint64_t value = cases[i].first; value <= cases[i].last; value += cases[i].step)
            hist_add(h, value);
        uint64_t got = hist_quantile(h, cases[i].share);
        tn_free(h);
        if (got < cases[i].expected || got - cases[i].expected > cases[i].expected / 64)
            fail_msg("%s: %llu", cases[i].name, (unsigned long long)got);
    }
}

static void test_empty(void **state)
{
    (void)state;
    struct hist *h = tn_calloc(1, sizeof *h);
    assert_non_null(h);
    assert_int_equal(hist_quantile(h, 0.99), 0);
    tn_free(h);
}

static void test_bodies(void **state)
{
    enum { LEN = 3 * 1024 * 1024 + 5 };
    (void)state;
    noise_init();
    char *body = tn_realloc(NULL, LEN);
    assert_non_null(body);
    for (size_t at = 0; at < LEN;) {
        struct tn_str piece = noise_piece(3, at, LEN - at);
        memcpy(body + at, piece.data, piece.len);
        at += piece.len;
    }
    assert_true(noise_matches(3, 0, (struct tn_str){ body, LEN }));
    assert_true(noise_matches(3 + NOISE_KINDS, 0, (struct tn_str){ body, LEN }));
    assert_true(noise_matches(3, 1000000, (struct tn_str){ body + 1000000, LEN - 1000000 }));
    assert_false(noise_matches(4, 0, (struct tn_str){ body, LEN }));
    body[LEN - 1] ^= 1;
    assert_false(noise_matches(3, 0, (struct tn_str){ body, LEN }));
    assert_string_equal(noise_sha256(0, 0),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_not_equal(noise_sha256(0, 10), noise_sha256(1, 10));
    tn_free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
