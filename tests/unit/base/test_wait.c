/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that end by themselves, and those that are ended. */

#include "base/wait.h"

#include "base/clock.h"
#include "unit/t.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool is_changed;

static void *change(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&lock);
    is_changed = true;
    (void)pthread_cond_signal(&changed);
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

static void test_ends_by_itself(void **state)
{
    static const uint64_t waits_ms[] = { 0, 1, 20, 1100 }; /* the last one carries a second over */
    (void)state;
    tn_cond_init(&changed);
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < TN_COUNT(waits_ms); i++) {
        uint64_t start = tn_now_ns();
        while (tn_cond_wait_ms(&changed, &lock, waits_ms[i]) == TARN_OK)
            assert_true(tn_now_ns() - start < waits_ms[i] * 1000000 + 60000000000u);
        assert_true(tn_now_ns() - start >= waits_ms[i] * 1000000);
    }
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_cond_destroy(&changed);
}

static void test_is_ended(void **state)
{
    pthread_t thread;
    int rc = TARN_OK;
    (void)state;
    tn_cond_init(&changed);
    (void)pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
    while (!is_changed && rc == TARN_OK)
        rc = tn_cond_wait_ms(&changed, &lock, 60000);
    assert_int_equal(rc, TARN_OK);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_join(thread, NULL);
    (void)pthread_cond_destroy(&changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_by_itself),
        cmocka_unit_test(test_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
