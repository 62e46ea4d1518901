/* SPDX-License-Identifier: Apache-2.0 */
/* The worker pool. */

#include "server/net/pool.h"

#include <assert.h>
#include <signal.h>

#if defined(__has_feature)
#define POOL_HAS_FEATURE(x) __has_feature(x)
#else
#define POOL_HAS_FEATURE(x) 0
#endif

/* Sanitizers fatten every frame several times. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    POOL_HAS_FEATURE(address_sanitizer) || POOL_HAS_FEATURE(thread_sanitizer)
enum { STACK_FACTOR = 4 };
#else
enum { STACK_FACTOR = 1 };
#endif

enum { WORKER_STACK_LEN = 256 * 1024 };

int net_thread_start(pthread_t *out, size_t stack_len, void *(*run)(void *arg), void *arg,
                     struct tarn_error *err)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attr) != 0)
        return tn_fail(err, TARN_ENOMEM, "could not start a thread: out of memory");
    (void)pthread_attr_setstacksize(&attr, stack_len * STACK_FACTOR);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(out, &attr, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    if (number != 0)
        return tn_fail(err, tn_status_from_errno(number), "could not start a thread: %s",
                       strerror(number));
    return TARN_OK;
}

void net_pool_init(struct net_pool *pool)
{
    *pool = (struct net_pool){ 0 };
    (void)pthread_mutex_init(&pool->shared.lock, NULL);
    (void)pthread_cond_init(&pool->shared.has_work, NULL);
    pool->shared.last = &pool->shared.first;
}

void net_pool_release(struct net_pool *pool)
{
    assert(pool->thread_count == 0);
    (void)pthread_cond_destroy(&pool->shared.has_work);
    (void)pthread_mutex_destroy(&pool->shared.lock);
}

/* NULL: the pool ends. Call with the lock held. */
static struct net_job *next_job(struct net_pool_shared *s)
{
    while (!s->first) {
        if (s->is_ending)
            return NULL;
        s->idle_count++;
        (void)pthread_cond_wait(&s->has_work, &s->lock);
        s->idle_count--;
    }
    struct net_job *job = s->first;
    s->first = job->next;
    if (!s->first)
        s->last = &s->first;
    return job;
}

static void *worker(void *arg)
{
    struct net_pool *pool = arg;
    (void)pthread_mutex_lock(&pool->shared.lock);
    struct net_job *job;
    while ((job = next_job(&pool->shared))) {
        (void)pthread_mutex_unlock(&pool->shared.lock);
        job->run(job);
        (void)pthread_mutex_lock(&pool->shared.lock);
    }
    (void)pthread_mutex_unlock(&pool->shared.lock);
    return NULL;
}

int net_pool_start(struct net_pool *pool, unsigned thread_count, struct tarn_error *err)
{
    assert(!pool->threads);
    pool->shared.is_ending = false;
    pool->threads = tn_calloc(thread_count, sizeof *pool->threads);
    if (!pool->threads)
        return tn_fail(err, TARN_ENOMEM, "could not start %u workers: out of memory", thread_count);
    while (pool->thread_count < thread_count) {
        pthread_t *thread = &pool->threads[pool->thread_count];
        int rc = net_thread_start(thread, WORKER_STACK_LEN, worker, pool, err);
        if (rc < 0) {
            net_pool_end(pool);
            return rc;
        }
        pool->thread_count++;
    }
    return TARN_OK;
}

void net_pool_end(struct net_pool *pool)
{
    (void)pthread_mutex_lock(&pool->shared.lock);
    pool->shared.is_ending = true;
    (void)pthread_cond_broadcast(&pool->shared.has_work);
    (void)pthread_mutex_unlock(&pool->shared.lock);
    while (pool->thread_count)
        (void)pthread_join(pool->threads[--pool->thread_count], NULL);
    tn_free(TN_TAKE(pool->threads));
}

void net_pool_post(struct net_pool *pool, struct net_job *job)
{
    struct net_pool_shared *s = &pool->shared;
    (void)pthread_mutex_lock(&s->lock);
    job->next = NULL;
    *s->last = job;
    s->last = &job->next;
    if (s->idle_count)
        (void)pthread_cond_signal(&s->has_work);
    (void)pthread_mutex_unlock(&s->lock);
}
