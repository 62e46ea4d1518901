/* SPDX-License-Identifier: Apache-2.0 */
/* Where a blocked call waits for its requests: one lock and one condition on the monotonic clock.
 */

#ifndef CLIENT_WAITER_H
#define CLIENT_WAITER_H

#include <pthread.h>

#include "base/mem.h"

struct tn_waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

void tn_waiter_init(struct tn_waiter *w);
void tn_waiter_release(struct tn_waiter *w);
void tn_waiter_lock(struct tn_waiter *w);
void tn_waiter_unlock(struct tn_waiter *w);
void tn_waiter_wake(struct tn_waiter *w); /* with the lock held */

/* With the lock held; until woken or `timeout_ms` have passed (negative: for ever). May wake for
 * nothing. */
void tn_waiter_wait(struct tn_waiter *w, long timeout_ms);

#endif
