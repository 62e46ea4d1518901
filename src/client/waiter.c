/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting. The pthread calls cannot fail with valid arguments; asserting that keeps the callers
 * short. */

#include "client/waiter.h"

#include <assert.h>

#include "base/clock.h"

static void check(int number)
{
    assert(number == 0);
    (void)number;
}

void tn_waiter_init(struct tn_waiter *w)
{
    pthread_condattr_t attributes;
    check(pthread_condattr_init(&attributes));
    check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    check(pthread_mutex_init(&w->lock, NULL));
    check(pthread_cond_init(&w->changed, &attributes));
    (void)pthread_condattr_destroy(&attributes);
}

void tn_waiter_release(struct tn_waiter *w)
{
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
}

void tn_waiter_lock(struct tn_waiter *w)
{
    check(pthread_mutex_lock(&w->lock));
}

void tn_waiter_unlock(struct tn_waiter *w)
{
    check(pthread_mutex_unlock(&w->lock));
}

void tn_waiter_wake(struct tn_waiter *w)
{
    check(pthread_cond_broadcast(&w->changed));
}

void tn_waiter_wait(struct tn_waiter *w, long timeout_ms)
{
    if (timeout_ms < 0) {
        check(pthread_cond_wait(&w->changed, &w->lock));
        return;
    }
    uint64_t due = tn_now_ns() + (uint64_t)timeout_ms * 1000000u;
    struct timespec at = { (time_t)(due / 1000000000u), (long)(due % 1000000000u) };
    (void)pthread_cond_timedwait(&w->changed, &w->lock, &at);
}
