/* SPDX-License-Identifier: Apache-2.0 */
/* Body buffers of one client under one hard ceiling; freed ones are kept for the next to ask. */

#ifndef CLIENT_BUDGET_H
#define CLIENT_BUDGET_H

#include <stdatomic.h>

#include "client/waiter.h"

enum { TN_BUDGET_KEPT_MAX = 64 };

/* Any thread. Whoever holds a block must be able to finish with it without a second one. */
struct tn_budget {
    struct tn_waiter waiter;   /* its lock guards the rest */
    atomic_uint_fast64_t used; /* handed out; read without the lock, as is `peak` */
    uint64_t kept;             /* waiting for the next taker; used + kept <= max */
    atomic_uint_fast64_t peak;
    uint64_t max;
    size_t kept_count;
    struct {
        void *bytes;
        size_t len;
    } blocks[TN_BUDGET_KEPT_MAX];
};

void tn_budget_init(struct tn_budget *b, uint64_t max);
void tn_budget_release(struct tn_budget *b);

/* A block of `len` bytes, waiting while the ceiling does not allow it. TARN_ETOOBIG when it never
 * will, TARN_ENOMEM; TARN_ECANCELLED once should_stop(arg), asked every 100 ms, says true. With
 * `is_optional` it does not wait: TARN_EAGAIN. */
TN_MUST_USE int tn_budget_take(struct tn_budget *b, size_t len, bool is_optional,
                               bool (*should_stop)(void *arg), void *arg, void **out);
void tn_budget_give(struct tn_budget *b, void *bytes, size_t len); /* accepts NULL */

#endif
