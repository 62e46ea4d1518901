/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: the budget, the line of those who wait, and giving memory back. */

#include "unit/t.h"

#include "server/http/window.h"

struct waiter {
    struct http_window_waiter waiter;
    int calls;
};

static void on_free(struct http_window_waiter *w)
{
    TN_CONTAINER(w, struct waiter, waiter)->calls++;
}

static void test_line(void **state)
{
    (void)state;
    struct http_window_pool p;
    struct waiter a = { 0 };
    struct waiter b = { 0 };
    int rc = TARN_OK;
    http_window_pool_init(&p, 2, on_free);
    struct http_window *one = http_window_take(&p, &a.waiter, &rc);
    struct http_window *two = http_window_take_extra(&p);
    assert_non_null(one);
    assert_non_null(two);
    assert_null(http_window_take_extra(&p));
    assert_null(http_window_take(&p, &a.waiter, &rc));
    assert_int_equal(rc, TARN_EAGAIN);
    assert_null(http_window_take(&p, &b.waiter, &rc));
    assert_null(http_window_take(&p, &a.waiter, &rc)); /* keeps its place */

    http_window_give(&p, one);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 0);
    assert_null(http_window_take(&p, &b.waiter, &rc)); /* not before its turn */
    assert_null(http_window_take_extra(&p));
    one = http_window_take(&p, &a.waiter, &rc);
    assert_non_null(one);
    assert_null(a.waiter.next);

    http_window_wait_end(&p, &a.waiter); /* not in line: nothing */
    http_window_give(&p, two);
    assert_int_equal(b.calls, 1);
    http_window_wait_end(&p, &b.waiter); /* leaves without taking */
    two = http_window_take_extra(&p);
    assert_non_null(two);
    http_window_give(&p, one);
    http_window_give(&p, two);
    http_window_give(&p, NULL);
    http_window_pool_release(&p);
}

static void test_leaving_calls_the_next(void **state)
{
    (void)state;
    struct http_window_pool p;
    struct waiter a = { 0 };
    struct waiter b = { 0 };
    int rc = TARN_OK;
    http_window_pool_init(&p, 1, on_free);
    struct http_window *one = http_window_take_extra(&p);
    assert_null(http_window_take(&p, &a.waiter, &rc));
    assert_null(http_window_take(&p, &b.waiter, &rc));
    http_window_give(&p, one);
    assert_int_equal(a.calls, 1);
    http_window_wait_end(&p, &a.waiter);
    assert_int_equal(b.calls, 1);
    http_window_wait_end(&p, &b.waiter);
    http_window_pool_release(&p);
}

static void test_trim(void **state)
{
    (void)state;
    struct http_window_pool p;
    http_window_pool_init(&p, 3, on_free);
    struct http_window *w[3];
    for (size_t i = 0; i < 3; i++)
        w[i] = http_window_take_extra(&p);
    for (size_t i = 0; i < 3; i++)
        http_window_give(&p, w[i]);
    assert_true(http_window_trim(&p)); /* all were in use since the last time */
    w[0] = http_window_take_extra(&p);
    http_window_give(&p, w[0]);
    assert_true(http_window_trim(&p)); /* one was */
    assert_int_equal(p.free_count, 1);
    assert_false(http_window_trim(&p));
    assert_int_equal(p.free_count, 0);
    http_window_pool_release(&p);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct http_window_pool p;
    struct waiter a = { 0 };
    int rc = TARN_OK;
    http_window_pool_init(&p, 2, on_free);
    tn_mem_fail_after(1);
    assert_null(
        http_window_take(&p, &a.waiter, &rc)); /* none will come back: waiting would be for ever */
    assert_int_equal(rc, TARN_ENOMEM);
    assert_null(a.waiter.next);
    struct http_window *one = http_window_take(&p, &a.waiter, &rc);
    assert_non_null(one);
    tn_mem_fail_after(1);
    assert_null(http_window_take(&p, &a.waiter, &rc)); /* one will */
    assert_int_equal(rc, TARN_EAGAIN);
    tn_mem_fail_after(0);
    http_window_give(&p, one);
    assert_int_equal(a.calls, 1);
    http_window_wait_end(&p, &a.waiter);
    http_window_pool_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_leaving_calls_the_next),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
