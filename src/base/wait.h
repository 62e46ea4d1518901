/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that end by themselves. They go by the monotonic clock: setting the time of day neither
 * stretches nor cuts them. */

#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>

#include "base/fail.h"

/* A condition for the waits below; destroyed as any other. Cannot fail on Linux. */
void tn_cond_init(pthread_cond_t *cond);

/* Until a signal, or for `ms` at most: TARN_ETIMEOUT. May return early without either. `lock` is
 * held before and after. */
int tn_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ms);

/* The same until tn_now_ns() is `until_ns`: for loops that wait once more. */
int tn_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ns);

/* A flag of the program's (NULL is never set), which another thread or a signal handler may set. */
static inline bool tn_flag_is_set(const volatile int *flag)
{
    return flag && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

#endif
