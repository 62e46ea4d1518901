/* SPDX-License-Identifier: Apache-2.0 */
/* The worker pool: threads for work that may wait. Jobs are embedded in what they work on, each at
 * most once in the queue, so the queue can grow no longer than there are owners. */

#ifndef SERVER_NET_POOL_H
#define SERVER_NET_POOL_H

#include <pthread.h>

#include "base/fail.h"

struct net_job {
    struct net_job *next;
    void (*run)(
        struct net_job *job); /* on a worker; nobody touches `job` after it on the pool's behalf */
};

struct net_pool {
    struct net_pool_shared {
        pthread_mutex_t lock;
        pthread_cond_t has_work;
        struct net_job *first;
        struct net_job **last;
        unsigned idle_count;
        bool is_ending;
    } shared; /* its lock first */
    pthread_t *threads;
    unsigned thread_count;
};

/* Ready to be started, and to be released. */
void net_pool_init(struct net_pool *pool);

/* All signals are blocked in the threads. */
TN_MUST_USE int net_pool_start(struct net_pool *pool, unsigned thread_count,
                               struct tarn_error *err);

/* Runs what is queued, then ends the threads. */
void net_pool_end(struct net_pool *pool);
void net_pool_release(struct net_pool *pool);

/* Any thread. */
void net_pool_post(struct net_pool *pool, struct net_job *job);

/* A thread with a small stack (more under sanitizers) and all signals blocked. */
TN_MUST_USE int net_thread_start(pthread_t *out, size_t stack_len, void *(*run)(void *arg),
                                 void *arg, struct tarn_error *err);

#endif
