/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads for the items of a job. */

#include "cli/worker_pool.h"

#include <pthread.h>
#include <signal.h>

enum { WORKER_STACK_LEN = 512 * 1024 };

struct cli_pool {
    cli_pool_fn run;
    void *arg;
    size_t workers_max;
    size_t queue_cap;
    void **queue; /* a ring */
    pthread_t *threads;
    size_t thread_count; /* of the submitting thread alone */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t has_item;
        pthread_cond_t has_room;
        size_t first;
        size_t count;
        size_t idle_count;
        bool is_over;
    } shared;
};

struct cli_pool *cli_pool_new(size_t workers, cli_pool_fn run, void *arg)
{
    struct cli_pool *pool = tn_calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->run = run;
    pool->arg = arg;
    pool->workers_max = workers;
    pool->queue_cap = workers * 2;
    (void)pthread_mutex_init(&pool->shared.lock, NULL);
    (void)pthread_cond_init(&pool->shared.has_item, NULL);
    (void)pthread_cond_init(&pool->shared.has_room, NULL);
    pool->queue = tn_calloc(pool->queue_cap, sizeof *pool->queue);
    pool->threads = tn_calloc(workers, sizeof *pool->threads);
    if (pool->queue && pool->threads)
        return pool;
    cli_pool_free(pool);
    return NULL;
}

/* NULL when there is nothing left to do. */
static void *take(struct cli_pool *pool)
{
    void *item = NULL;
    (void)pthread_mutex_lock(&pool->shared.lock);
    pool->shared.idle_count++;
    while (pool->shared.count == 0 && !pool->shared.is_over)
        (void)pthread_cond_wait(&pool->shared.has_item, &pool->shared.lock);
    pool->shared.idle_count--;
    if (pool->shared.count > 0) {
        item = pool->queue[pool->shared.first];
        pool->shared.first = (pool->shared.first + 1) % pool->queue_cap;
        pool->shared.count--;
        (void)pthread_cond_signal(&pool->shared.has_room);
    }
    (void)pthread_mutex_unlock(&pool->shared.lock);
    return item;
}

static void *worker(void *arg)
{
    struct cli_pool *pool = arg;
    for (void *item = take(pool); item; item = take(pool))
        pool->run(pool->arg, item);
    return NULL;
}

/* Signals are for the main thread. */
static void start_worker(struct cli_pool *pool)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return;
    (void)pthread_attr_setstacksize(&attr, WORKER_STACK_LEN);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&pool->threads[pool->thread_count], &attr, worker, pool) == 0)
        pool->thread_count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
}

void cli_pool_submit(struct cli_pool *pool, void *item)
{
    (void)pthread_mutex_lock(&pool->shared.lock);
    bool wants_worker = pool->shared.idle_count <= pool->shared.count;
    (void)pthread_mutex_unlock(&pool->shared.lock);
    if (wants_worker && pool->thread_count < pool->workers_max)
        start_worker(pool);
    if (pool->thread_count == 0) {
        pool->run(pool->arg, item);
        return;
    }

    (void)pthread_mutex_lock(&pool->shared.lock);
    while (pool->shared.count == pool->queue_cap)
        (void)pthread_cond_wait(&pool->shared.has_room, &pool->shared.lock);
    pool->queue[(pool->shared.first + pool->shared.count) % pool->queue_cap] = item;
    pool->shared.count++;
    (void)pthread_cond_signal(&pool->shared.has_item);
    (void)pthread_mutex_unlock(&pool->shared.lock);
}

void cli_pool_free(struct cli_pool *pool)
{
    if (!pool)
        return;
    (void)pthread_mutex_lock(&pool->shared.lock);
    pool->shared.is_over = true;
    (void)pthread_cond_broadcast(&pool->shared.has_item);
    (void)pthread_mutex_unlock(&pool->shared.lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->shared.has_room);
    (void)pthread_cond_destroy(&pool->shared.has_item);
    (void)pthread_mutex_destroy(&pool->shared.lock);
    tn_free(pool->threads);
    tn_free(pool->queue);
    tn_free(pool);
}
