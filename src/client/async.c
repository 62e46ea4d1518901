/* SPDX-License-Identifier: Apache-2.0 */
/* An executor: blocking calls in threads of their own. */

#include <tarn/async.h>

#include <pthread.h>
#include <signal.h>

#include "base/fail.h"

enum { THREADS_DEFAULT = 16 };

struct job {
    struct job *next;
    tarn_async_run_fn run;
    tarn_async_done_fn done;
    void *arg;
    bool is_cancelled;
};

struct tarn_async {
    struct tarn_client *client;
    uint32_t threads_max;
    pthread_t *threads;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t has_work;
        pthread_cond_t is_idle;
        struct job *first, *last;
        uint32_t thread_count;
        uint64_t waiting; /* threads with nothing to do */
        uint64_t queued;
        uint64_t open; /* jobs queued or running */
        bool must_stop;
    } shared;
};

struct tarn_async *tarn_async_new(struct tarn_client *client, uint32_t threads,
                                  struct tarn_error *err)
{
    if (threads > TARN_ASYNC_THREADS_MAX) {
        (void)tn_fail(err, TARN_EINVAL, "could not make an executor: more than %d threads",
                      TARN_ASYNC_THREADS_MAX);
        return NULL;
    }
    struct tarn_async *a = tn_calloc(1, sizeof *a);
    uint32_t threads_max = threads ? threads : THREADS_DEFAULT;
    if (a)
        a->threads = tn_calloc(threads_max, sizeof *a->threads);
    if (!a || !a->threads) {
        tn_free(a);
        (void)tn_fail(err, TARN_ENOMEM, "could not make an executor: out of memory");
        return NULL;
    }
    a->client = client;
    a->threads_max = threads_max;
    (void)pthread_mutex_init(&a->shared.lock, NULL);
    (void)pthread_cond_init(&a->shared.has_work, NULL);
    (void)pthread_cond_init(&a->shared.is_idle, NULL);
    return a;
}

static void do_job(struct tarn_async *a, struct job *job)
{
    struct tarn_error err = { 0 };
    int rc = job->is_cancelled ? tn_fail(&err, TARN_ECANCELLED, "cancelled before it began")
                               : job->run(a->client, job->arg, &err);
    if (rc < 0)
        err.status = rc; /* whatever `run` filled in */
    if (job->done)
        job->done(job->arg, rc, &err);
    tn_free(job);
    (void)pthread_mutex_lock(&a->shared.lock);
    if (--a->shared.open == 0)
        (void)pthread_cond_broadcast(&a->shared.is_idle);
    (void)pthread_mutex_unlock(&a->shared.lock);
}

/* NULL: the thread is to end. */
static struct job *take(struct tarn_async *a)
{
    (void)pthread_mutex_lock(&a->shared.lock);
    a->shared.waiting++;
    while (!a->shared.first && !a->shared.must_stop)
        (void)pthread_cond_wait(&a->shared.has_work, &a->shared.lock);
    a->shared.waiting--;
    struct job *job = a->shared.first;
    if (job) {
        a->shared.queued--;
        a->shared.first = job->next;
        if (!a->shared.first)
            a->shared.last = NULL;
    }
    (void)pthread_mutex_unlock(&a->shared.lock);
    return job;
}

static void *work(void *arg)
{
    struct tarn_async *a = arg;
    struct job *job;
    while ((job = take(a)) != NULL)
        do_job(a, job);
    return NULL;
}

/* With the lock held. */
static bool start_thread(struct tarn_async *a)
{
    sigset_t all;
    sigset_t kept;
    if (a->shared.thread_count == a->threads_max)
        return false;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept); /* signals are the program's business */
    int rc = pthread_create(&a->threads[a->shared.thread_count], NULL, work, a);
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    a->shared.thread_count += rc == 0;
    return rc == 0;
}

int tarn_async_submit(struct tarn_async *async, tarn_async_run_fn run, tarn_async_done_fn done,
                      void *arg, struct tarn_error *err)
{
    int given = tn_check_missing(tn_missing(TN_MISSING(async), TN_MISSING(run)), err);
    if (given < 0)
        return given;
    struct job *job = tn_calloc(1, sizeof *job);
    if (!job)
        return tn_fail(err, TARN_ENOMEM, "could not submit: out of memory");
    *job = (struct job){ .run = run, .done = done, .arg = arg };
    (void)pthread_mutex_lock(&async->shared.lock);
    bool is_short = async->shared.queued >= async->shared.waiting;
    if (is_short && !start_thread(async) && async->shared.thread_count == 0) {
        (void)pthread_mutex_unlock(&async->shared.lock);
        tn_free(job);
        return tn_fail(err, TARN_ENOMEM, "could not submit: no thread for it");
    }
    *(async->shared.last ? &async->shared.last->next : &async->shared.first) = job;
    async->shared.last = job;
    async->shared.queued++;
    async->shared.open++;
    (void)pthread_cond_signal(&async->shared.has_work);
    (void)pthread_mutex_unlock(&async->shared.lock);
    return TARN_OK;
}

void tarn_async_wait(struct tarn_async *async)
{
    (void)pthread_mutex_lock(&async->shared.lock);
    while (async->shared.open > 0)
        (void)pthread_cond_wait(&async->shared.is_idle, &async->shared.lock);
    (void)pthread_mutex_unlock(&async->shared.lock);
}

void tarn_async_cancel(struct tarn_async *async)
{
    (void)pthread_mutex_lock(&async->shared.lock);
    for (struct job *job = async->shared.first; job; job = job->next)
        job->is_cancelled = true;
    (void)pthread_mutex_unlock(&async->shared.lock);
}

void tarn_async_free(struct tarn_async *async)
{
    if (!async)
        return;
    tarn_async_wait(async);
    (void)pthread_mutex_lock(&async->shared.lock);
    async->shared.must_stop = true;
    (void)pthread_cond_broadcast(&async->shared.has_work);
    (void)pthread_mutex_unlock(&async->shared.lock);
    for (uint32_t i = 0; i < async->shared.thread_count; i++)
        (void)pthread_join(async->threads[i], NULL);
    (void)pthread_cond_destroy(&async->shared.has_work);
    (void)pthread_cond_destroy(&async->shared.is_idle);
    (void)pthread_mutex_destroy(&async->shared.lock);
    tn_free(async->threads);
    tn_free(async);
}
