/* SPDX-License-Identifier: Apache-2.0 */
/* Digesting together: one leads, the others wait until their bytes are taken in. */

#include "server/api/digest.h"

#include <assert.h>
#include <sched.h>

/* Bytes of each stream in one step: those that come wait no longer than a fraction of a
 * millisecond, and the second digest finds in the cache what the first has read. */
enum { STEP_LEN = 16 * 1024, GATHER_COUNT = TN_LANE_COUNT / 2 };

/* On the stack of the thread that waits for it. */
struct digest_job {
    struct digest_job *next;
    struct digest *digest;
    const char *bytes;
    size_t len;
    pthread_cond_t changed; /* done, or called to lead */
    bool is_done;
};

int digest_pool_init(struct digest_pool *p, size_t core_count)
{
    *p = (struct digest_pool){ .core_count = core_count };
    p->shared.last = &p->shared.first;
    return pthread_mutex_init(&p->shared.lock, NULL) == 0 ? TARN_OK : TARN_ENOMEM;
}

void digest_pool_release(struct digest_pool *p)
{
    assert(!p->shared.first && !p->shared.running_count);
    (void)pthread_mutex_destroy(&p->shared.lock);
}

void digest_add_md5(struct digest *d)
{
    d->has_md5 = true;
    tn_lane_init(&d->md5, TN_HASH_MD5);
}

void digest_add_sha256(struct digest *d)
{
    d->has_sha256 = true;
    tn_lane_init(&d->sha256, TN_HASH_SHA256);
}

void digest_update(struct digest *d, const void *bytes, size_t len)
{
    if (d->has_md5)
        tn_lane_update(&d->md5, bytes, len);
    if (d->has_sha256)
        tn_lane_update(&d->sha256, bytes, len);
}

static void run_lanes(struct tn_lane_job *jobs, size_t *count)
{
    tn_lanes_update(jobs, *count);
    *count = 0;
}

/* --- At the end of a turn --- */

static _Thread_local struct digest_due *deferred; /* newest first */

void digest_defer(struct digest_due *due)
{
    due->is_settled = false;
    due->next = deferred;
    deferred = due;
}

void digest_settle(struct digest_due *due)
{
    struct tn_lane_job md5[TN_LANE_COUNT];
    struct tn_lane_job sha256[TN_LANE_COUNT];
    size_t md5_count = 0;
    size_t sha256_count = 0;
    for (; !due->is_settled; deferred = deferred->next) {
        struct digest *d = deferred->digest;
        const unsigned char *bytes = (const unsigned char *)deferred->bytes.data;
        size_t len = deferred->bytes.len;
        deferred->is_settled = true;
        if (d->has_md5)
            md5[md5_count++] = (struct tn_lane_job){ &d->md5, bytes, len };
        if (d->has_sha256)
            sha256[sha256_count++] = (struct tn_lane_job){ &d->sha256, bytes, len };
        if (md5_count == TN_LANE_COUNT)
            run_lanes(md5, &md5_count);
        if (sha256_count == TN_LANE_COUNT)
            run_lanes(sha256, &sha256_count);
    }
    run_lanes(md5, &md5_count);
    run_lanes(sha256, &sha256_count);
}

/* --- Together --- */

/* One step for all; the lock is not held. Who runs stays as it is meanwhile. */
static void run_step(const struct digest_pool_shared *s, size_t len)
{
    struct tn_lane_job md5[TN_LANE_COUNT];
    struct tn_lane_job sha256[TN_LANE_COUNT];
    size_t md5_count = 0;
    size_t sha256_count = 0;
    for (size_t i = 0; i < s->running_count; i++) {
        struct digest_job *job = s->running[i];
        struct digest *d = job->digest;
        const unsigned char *bytes = (const unsigned char *)job->bytes;
        if (d->has_md5)
            md5[md5_count++] = (struct tn_lane_job){ &d->md5, bytes, len };
        if (d->has_sha256)
            sha256[sha256_count++] = (struct tn_lane_job){ &d->sha256, bytes, len };
        job->bytes += len;
        job->len -= len;
    }
    tn_lanes_update(md5, md5_count);
    tn_lanes_update(sha256, sha256_count);
}

static void let_join(struct digest_pool_shared *s)
{
    while (s->first && s->running_count < TN_LANE_COUNT) {
        s->running[s->running_count++] = s->first;
        s->first = s->first->next;
    }
    if (!s->first)
        s->last = &s->first;
}

static void let_leave(struct digest_pool_shared *s)
{
    for (size_t i = s->running_count; i-- > 0;) {
        struct digest_job *job = s->running[i];
        if (job->len)
            continue;
        s->running[i] = s->running[--s->running_count];
        job->is_done = true;
        (void)pthread_cond_signal(&job->changed);
    }
}

static size_t step_len(const struct digest_pool_shared *s)
{
    size_t len = STEP_LEN;
    for (size_t i = 0; i < s->running_count; i++)
        len = s->running[i]->len < len ? s->running[i]->len : len;
    return len;
}

/* A step costs the same for few as for many. So when more bodies are on their way, whoever is ready
 * to bring bytes runs first; on an idle processor nobody is, and no time is lost. */
static void gather(struct digest_pool *p)
{
    struct digest_pool_shared *s = &p->shared;
    let_join(s);
    size_t body_count = atomic_load_explicit(&p->body_count, memory_order_relaxed);
    size_t wanted = body_count < GATHER_COUNT ? body_count : GATHER_COUNT;
    if (s->running_count >= wanted)
        return;
    (void)pthread_mutex_unlock(&s->lock);
    (void)sched_yield();
    (void)pthread_mutex_lock(&s->lock);
    let_join(s);
}

/* Until the leader's own bytes are through. The lock is held, but for the steps. */
static void lead(struct digest_pool *p, const struct digest_job *own)
{
    struct digest_pool_shared *s = &p->shared;
    s->is_led = true;
    while (!own->is_done) {
        gather(p);
        size_t len = step_len(s);
        (void)pthread_mutex_unlock(&s->lock);
        run_step(s, len);
        (void)pthread_mutex_lock(&s->lock);
        let_leave(s);
    }
    s->is_led = false;
    struct digest_job *next = s->running_count ? s->running[0] : s->first;
    if (next)
        (void)pthread_cond_signal(&next->changed);
}

static void update_in_company(struct digest_pool *p, struct digest_job *job)
{
    struct digest_pool_shared *s = &p->shared;
    *s->last = job;
    s->last = &job->next;
    while (!job->is_done) {
        if (!s->is_led)
            lead(p, job);
        else
            (void)pthread_cond_wait(&job->changed, &s->lock);
    }
}

void digest_pool_enter(struct digest_pool *p)
{
    (void)atomic_fetch_add_explicit(&p->body_count, 1, memory_order_relaxed);
}

void digest_pool_leave(struct digest_pool *p)
{
    (void)atomic_fetch_sub_explicit(&p->body_count, 1, memory_order_relaxed);
}

void digest_update_together(struct digest_pool *p, struct digest *d, const void *bytes, size_t len)
{
    struct digest_job job = { .digest = d, .bytes = bytes, .len = len };
    size_t body_count = atomic_load_explicit(&p->body_count, memory_order_relaxed);
    if (len == 0 || (!d->has_md5 && !d->has_sha256))
        return;
    if (body_count <= p->core_count || pthread_cond_init(&job.changed, NULL) != 0) {
        digest_update(d, bytes, len);
        return;
    }
    (void)pthread_mutex_lock(&p->shared.lock);
    update_in_company(p, &job);
    (void)pthread_mutex_unlock(&p->shared.lock);
    (void)pthread_cond_destroy(&job.changed);
}
