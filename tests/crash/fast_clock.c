/* SPDX-License-Identifier: Apache-2.0 */
/* The engine waits for seconds between its tries and rounds; a test of a hundred thousand cuts does
 * not. The linker puts this in front of pthread_cond_timedwait(): waits are a part of what was
 * asked for. */

#include <pthread.h>
#include <time.h>

enum { SPEED = 400 };

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    long long wait = (until->tv_sec - now.tv_sec) * 1000000000LL + (until->tv_nsec - now.tv_nsec);
    long long end = now.tv_nsec + (wait > 0 ? wait / SPEED : 0);
    struct timespec sooner = { now.tv_sec + end / 1000000000, end % 1000000000 };
    return __real_pthread_cond_timedwait(cond, lock, &sooner);
}
