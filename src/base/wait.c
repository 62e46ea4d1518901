/* SPDX-License-Identifier: Apache-2.0 */
/* Waits. */

#include "base/wait.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/clock.h"

void tn_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc == 0)
        rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(cond, &attr);
    assert(rc == 0);
    (void)pthread_condattr_destroy(&attr);
}

int tn_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                              .tv_nsec = (long)(until_ns % 1000000000) };
    return pthread_cond_timedwait(cond, lock, &until) == ETIMEDOUT ? TARN_ETIMEOUT : TARN_OK;
}

int tn_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ms)
{
    return tn_cond_wait_until(cond, lock, tn_now_ns() + ms * 1000000);
}
