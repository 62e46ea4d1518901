/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets against the clock. */

#include "unit/t.h"

#include <time.h>

#include "base/clock.h"
#include "client/limit.h"

static void wait_ns(uint64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    (void)nanosleep(&t, NULL);
}

static void test_no_limit(void **state)
{
    struct tn_limit l;
    (void)state;
    tn_limit_init(&l, 0, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(tn_limit_take(&l, 1e9), 0);
    tn_limit_spend(&l, 1e18);
    assert_int_equal(tn_limit_wait_ns(&l), 0);
    tn_limit_release(&l);
}

static void test_rate(void **state)
{
    struct tn_limit l;
    (void)state;
    tn_limit_init(&l, 200, 1);
    uint64_t start = tn_now_ns();
    for (int i = 0; i < 41; i++) {
        for (uint64_t ns = tn_limit_take(&l, 1); ns > 0; ns = tn_limit_take(&l, 1)) {
            assert_true(ns <= 5000001);
            wait_ns(ns);
        }
    }
    assert_true(tn_now_ns() - start >= 199000000);
    tn_limit_release(&l);
}

/* A wait that no clock counts to is a long one, not a short one. */
static void test_hardly_any_rate(void **state)
{
    struct tn_limit l;
    (void)state;
    tn_limit_init(&l, 1e-300, 1);
    assert_int_equal(tn_limit_take(&l, 1), 0);
    assert_in_range(tn_limit_take(&l, 1), (uint64_t)1e17, (uint64_t)2e18);
    tn_limit_release(&l);
}

static void test_debt(void **state)
{
    struct tn_limit l;
    (void)state;
    tn_limit_init(&l, 1000, 10);
    assert_int_equal(tn_limit_wait_ns(&l), 0);
    uint64_t start = tn_now_ns();
    tn_limit_spend(&l, 60);
    uint64_t ns = tn_limit_wait_ns(&l);
    uint64_t passed = tn_now_ns() - start;
    assert_true(ns <= 50000001 && ns + passed >= 49999999);
    wait_ns(ns + 1000000);
    assert_int_equal(tn_limit_wait_ns(&l), 0);
    tn_limit_release(&l);
}

/* Time that passes unused does not add up past the burst. */
static void test_burst(void **state)
{
    struct tn_limit l;
    (void)state;
    tn_limit_init(&l, 1000, 3);
    wait_ns(500000000);
    uint64_t start = tn_now_ns();
    double taken = 0;
    for (int i = 0; i < 10 && tn_limit_take(&l, 3) == 0; i++)
        taken += 3;
    double seconds = (double)(tn_now_ns() - start) / 1e9;
    assert_true(taken >= 3 && taken <= 3 + 1000 * seconds);
    tn_limit_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_hardly_any_rate), cmocka_unit_test(test_debt),
        cmocka_unit_test(test_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
