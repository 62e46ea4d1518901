/* SPDX-License-Identifier: Apache-2.0 */
/* The digests of large bodies. Workers that come with windows of different requests have them
 * digested side by side (base/lanes.h): one of them leads, step by step, for all; whoever comes
 * joins at the next step, whose window is through leaves, and a leader that leaves hands over to
 * another.
 *
 * A few streams on as many cores are better off apart: they go their own ways.
 *
 * Small bodies are taken by loops, which wait for nobody: those that end in one turn of a loop are
 * digested side by side at its end. */

#ifndef SERVER_API_DIGEST_H
#define SERVER_API_DIGEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lanes.h"
#include "base/str.h"

/* What one body is digested into. */
struct digest {
    bool has_md5;
    bool has_sha256;
    struct tn_lane md5;
    struct tn_lane sha256;
};

struct digest_job;

struct digest_pool {
    struct digest_pool_shared {
        pthread_mutex_t lock;
        struct digest_job *first; /* those that wait to join */
        struct digest_job **last;
        struct digest_job *running[TN_LANE_COUNT];
        size_t running_count;
        bool is_led;
    } shared;                   /* its lock first */
    _Atomic(size_t) body_count; /* that are being taken now, with or without bytes to digest */
    size_t core_count;
};

TN_MUST_USE int digest_pool_init(struct digest_pool *p, size_t core_count); /* TARN_ENOMEM */
void digest_pool_release(struct digest_pool *p);

void digest_add_md5(struct digest *d);
void digest_add_sha256(struct digest *d);

/* At once, on this thread: for what is small, and for threads that must not wait. */
void digest_update(struct digest *d, const void *bytes, size_t len);

/* Bytes that are in memory until they are digested: with all that come in one turn of a loop. */
struct digest_due {
    struct digest_due *next;
    struct digest *digest;
    struct tn_str bytes;
    bool is_settled;
};

/* Leaves it for the end of the turn; digest_settle() must follow on the same thread. */
void digest_defer(struct digest_due *due);

/* Digests what this thread has deferred, if `due` is among it still. */
void digest_settle(struct digest_due *due);

/* A large body begins, and ends: tells how much company can be expected. */
void digest_pool_enter(struct digest_pool *p);
void digest_pool_leave(struct digest_pool *p);

/* The same in company; may wait for others. */
void digest_update_together(struct digest_pool *p, struct digest *d, const void *bytes, size_t len);

#endif
