/* SPDX-License-Identifier: Apache-2.0 */
/* The lease of a lock: extended by hand or by a thread of its own, checked without the network. */

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/wait.h"
#include "coord/lock_impl.h"

enum {
    SLICE_MS = 500,    /* longest sleep, so that steps of a test's clock are seen */
    SLICE_TEST_MS = 5, /* the same while a test's clock is in use */
    RETRY_PARTS = 8,   /* a failed renewal is tried again after this part of the interval */
    RETRY_LEAST_MS = 20,
};

uint64_t tn_lock_now(const struct tarn_lock *l)
{
    return l->clock.steady_ms(l->clock.arg);
}

void tn_lock_note_lost(struct tarn_lock *l, int reason)
{
    (void)pthread_mutex_lock(&l->shared.lock);
    bool is_first = l->shared.lost_reason == TARN_OK;
    if (is_first)
        l->shared.lost_reason = reason;
    (void)pthread_cond_broadcast(&l->shared.wake);
    (void)pthread_mutex_unlock(&l->shared.lock);
    if (!is_first)
        return;
    ssize_t n = write(l->lost_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    (void)n; /* an eventfd that counts from 0 takes it */
    if (l->on_lost)
        l->on_lost(l->on_lost_arg, l, reason);
}

/* With shared.lock: why the lock does not count any more, or TARN_OK. */
static int reason_now(const struct tarn_lock *l, uint64_t now)
{
    if (l->shared.lost_reason != TARN_OK)
        return l->shared.lost_reason;
    if (now >= l->shared.hold_until_ms)
        return TARN_ETIMEOUT;
    return now >= l->shared.valid_until_ms ? TARN_ELOST : TARN_OK;
}

int tarn_lock_check(struct tarn_lock *lock)
{
    if (!lock)
        return TARN_EINVAL;
    if (getpid() != lock->pid)
        return TARN_ELOST;
    (void)pthread_mutex_lock(&lock->shared.lock);
    int reason = reason_now(lock, tn_lock_now(lock));
    (void)pthread_mutex_unlock(&lock->shared.lock);
    if (reason != TARN_OK)
        tn_lock_note_lost(lock, reason);
    return reason;
}

int64_t tarn_lock_remaining_ms(struct tarn_lock *lock)
{
    if (tarn_lock_check(lock) != TARN_OK)
        return 0;
    uint64_t now = tn_lock_now(lock);
    (void)pthread_mutex_lock(&lock->shared.lock);
    uint64_t end = lock->shared.valid_until_ms < lock->shared.hold_until_ms
                       ? lock->shared.valid_until_ms
                       : lock->shared.hold_until_ms;
    (void)pthread_mutex_unlock(&lock->shared.lock);
    return now < end ? (int64_t)(end - now) : 0;
}

int tn_lock_confirm(struct tarn_lock *l, uint64_t sent_ms)
{
    uint64_t now = tn_lock_now(l);
    uint64_t until = sent_ms + l->ttl_ms - l->margin_ms;
    (void)pthread_mutex_lock(&l->shared.lock);
    bool is_new = l->shared.valid_until_ms == 0;
    if (is_new && l->max_hold_ms)
        l->shared.hold_until_ms = sent_ms + l->max_hold_ms;
    if (is_new)
        l->shared.valid_until_ms = until;
    int reason = reason_now(l, now);
    if (reason == TARN_OK && until > l->shared.valid_until_ms)
        l->shared.valid_until_ms = until;
    l->shared.renewed_ms = sent_ms;
    (void)pthread_mutex_unlock(&l->shared.lock);
    return reason;
}

static long time_left(struct tarn_lock *l, uint64_t now)
{
    (void)pthread_mutex_lock(&l->shared.lock);
    uint64_t end = l->shared.valid_until_ms;
    (void)pthread_mutex_unlock(&l->shared.lock);
    return end > now ? (long)(end - now) : 1;
}

/* Looks what became of a write. TARN_OK: it is in effect. TARN_ELOST: the record is another's.
 * TARN_EAGAIN: the record is as it was before. */
static int resolve(struct tarn_lock *l, uint64_t sent_ms, int *reason, struct tarn_error *err)
{
    struct tn_lock_record record;
    struct tarn_request request = l->request;
    request.timeout_ms = time_left(l, tn_lock_now(l));
    int rc = tn_lock_look(l->client, l->bucket, l->key, &request, NULL, &record, err);
    if (rc < 0)
        return rc;
    if (record.info.state != TARN_LOCK_HELD || strcmp(record.info.nonce, l->mine.nonce) != 0) {
        char holder[TARN_LOCK_OWNER_LEN_MAX * 2];
        tn_lock_holder_text(&record.info, holder, sizeof holder);
        return tn_fail(err, TARN_ELOST, "the lock \"%s/%s\" was lost: %s", l->bucket, l->key,
                       holder);
    }
    if (strcmp(record.info.etag, l->mine.etag) == 0)
        return TARN_EAGAIN;
    uint64_t since = l->unclear_since_ms ? l->unclear_since_ms : sent_ms;
    tn_text_copy(l->mine.etag, sizeof l->mine.etag, record.info.etag);
    l->unclear_since_ms = 0;
    *reason = tn_lock_confirm(l, since);
    return *reason;
}

static int fail_over(struct tarn_lock *l, int reason, struct tarn_error *err)
{
    return tn_fail(err, reason, "the lock \"%s/%s\" was lost: %s", l->bucket, l->key,
                   reason == TARN_ETIMEOUT ? "it was held for its longest time"
                                           : "its lease ended");
}

/* With write_lock. `reason` becomes why the lock is lost, if it is. */
static int extend(struct tarn_lock *l, int *reason, struct tarn_error *err)
{
    struct tarn_lock_info info = l->mine;
    struct tarn_request request = l->request;
    struct tarn_error why = { 0 };
    uint64_t sent = tn_lock_now(l);
    request.timeout_ms = time_left(l, sent); /* a later answer would be of no use */
    info.seq = ++l->mine.seq;
    info.renewed_at_ms = l->clock.wall_ms(l->clock.arg);
    int rc = tn_lock_put(l->client, l->bucket, l->key, &request, &info, l->given_back, l->mine.etag,
                         &why);
    if (rc == TARN_OK) {
        l->mine = info;
        l->unclear_since_ms = 0;
        *reason = tn_lock_confirm(l, sent);
        return *reason == TARN_OK ? TARN_OK : fail_over(l, *reason, err);
    }
    if (tn_outcome_is_unclear(rc)) {
        struct tarn_error looked = { 0 };
        if (!l->unclear_since_ms)
            l->unclear_since_ms = sent;
        int found = resolve(l, sent, reason, &looked);
        if (found == TARN_OK)
            return TARN_OK;
        if (*reason != TARN_OK)
            return fail_over(l, *reason, err);
        if (found == TARN_ELOST) {
            *reason = rc = found;
            why = looked;
        }
    }
    if (err)
        *err = why;
    return rc;
}

int tn_lock_extend(struct tarn_lock *l, struct tarn_error *err)
{
    (void)pthread_mutex_lock(&l->write_lock);
    int reason = TARN_OK;
    int rc = extend(l, &reason, err);
    (void)pthread_mutex_unlock(&l->write_lock);
    if (reason != TARN_OK)
        tn_lock_note_lost(l, reason);
    return rc;
}

int tarn_lock_renew(struct tarn_lock *lock, struct tarn_error *err)
{
    int given = tn_check_missing(TN_MISSING(lock), err);
    if (given < 0)
        return given;
    int reason = tarn_lock_check(lock);
    if (reason != TARN_OK)
        return fail_over(lock, reason, err);
    return tn_lock_extend(lock, err);
}

/* ---- the thread ---- */

/* With shared.lock, which is dropped meanwhile. */
static void nap(struct tarn_lock *l, uint64_t ms)
{
    uint64_t slice = l->clock.arg ? SLICE_TEST_MS : SLICE_MS;
    if (ms > slice)
        ms = slice;
    (void)tn_cond_wait_ms(&l->shared.wake, &l->shared.lock, ms);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void *keep(void *arg)
{
    struct tarn_lock *l = arg;
    uint64_t pause =
        l->renew_ms / RETRY_PARTS > RETRY_LEAST_MS ? l->renew_ms / RETRY_PARTS : RETRY_LEAST_MS;
    (void)pthread_mutex_lock(&l->shared.lock);
    uint64_t next = l->shared.renewed_ms + l->renew_ms;
    int reason = TARN_OK;
    while (!l->shared.must_stop && reason == TARN_OK) {
        uint64_t now = tn_lock_now(l);
        reason = reason_now(l, now);
        if (reason != TARN_OK)
            break;
        if (now < next) {
            uint64_t end = min_u64(l->shared.valid_until_ms, l->shared.hold_until_ms);
            nap(l, min_u64(next, end) - now);
            continue;
        }
        (void)pthread_mutex_unlock(&l->shared.lock);
        int rc = tn_lock_extend(l, NULL);
        (void)pthread_mutex_lock(&l->shared.lock);
        next = rc == TARN_OK ? l->shared.renewed_ms + l->renew_ms : tn_lock_now(l) + pause;
    }
    (void)pthread_mutex_unlock(&l->shared.lock);
    if (reason != TARN_OK)
        tn_lock_note_lost(l, reason);
    return NULL;
}

int tn_lock_keeper_start(struct tarn_lock *l, struct tarn_error *err)
{
    int number = pthread_create(&l->keeper, NULL, keep, l);
    if (number != 0) {
        errno = number;
        return tn_fail_errno(err, "could not start the thread that renews a lock");
    }
    l->has_keeper = true;
    return TARN_OK;
}

void tn_lock_keeper_stop(struct tarn_lock *l)
{
    if (!l->has_keeper || getpid() != l->pid)
        return;
    (void)pthread_mutex_lock(&l->shared.lock);
    l->shared.must_stop = true;
    (void)pthread_cond_broadcast(&l->shared.wake);
    (void)pthread_mutex_unlock(&l->shared.lock);
    (void)pthread_join(l->keeper, NULL);
    l->has_keeper = false;
}
