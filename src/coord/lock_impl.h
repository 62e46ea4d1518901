/* SPDX-License-Identifier: Apache-2.0 */
/* A held lock: its lease, its record as last written, the thread that renews it. */

#ifndef COORD_LOCK_IMPL_H
#define COORD_LOCK_IMPL_H

#include <pthread.h>
#include <sys/types.h>

#include <tarn/client.h>
#include <tarn/lock.h>

#include "coord/lock_record.h"
#include "coord/lock_registry.h"
#include "coord/outcome.h"

/* The lease: a write that was sent at steady time t and took effect makes it last until
 * t + ttl - margin. Contenders take the lock no earlier than ttl + margin after they first saw that
 * write, which is later than t. A lease that has ended never begins again. */
struct tarn_lock {
    struct tarn_client *client;
    struct tarn_request request;
    char *bucket;
    char *key;
    struct tarn_lock_clock clock;
    uint64_t ttl_ms;
    uint64_t renew_ms;
    uint64_t margin_ms;
    uint64_t max_hold_ms; /* 0: none */
    bool purges;
    tarn_lock_lost_fn on_lost;
    void *on_lost_arg;
    struct tn_lock_claim *claim;
    pid_t pid; /* of the process that holds it */
    int lost_fd;
    uint64_t token;
    char nonce[TARN_LOCK_NONCE_LEN];         /* as in `mine`, for all threads */
    struct tarn_lock_info mine;              /* what is written; under write_lock */
    char given_back[TN_LOCK_GIVEN_BACK_LEN]; /* by those before, likewise */
    uint64_t unclear_since_ms;  /* first write whose outcome is unknown, 0 for none; under
                                   write_lock */
    pthread_mutex_t write_lock; /* one write at a time; taken before shared.lock */
    pthread_t keeper;
    bool has_keeper;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        uint64_t valid_until_ms; /* steady; 0 before the lock is held */
        uint64_t hold_until_ms;  /* steady; UINT64_MAX: no limit */
        uint64_t renewed_ms;     /* when the last good write was sent */
        int lost_reason;         /* TARN_OK while it is held */
        bool must_stop;
    } shared;
};

uint64_t tn_lock_now(const struct tarn_lock *l);

/* Reads the record: ABSENT when there is none. `unless_etag` (NULL is fine): TARN_ENOTMODIFIED when
 * it is still that one. */
TN_MUST_USE int tn_lock_look(struct tarn_client *client, const char *bucket, const char *key,
                             const struct tarn_request *request, const char *unless_etag,
                             struct tn_lock_record *out, struct tarn_error *err);

/* Writes `info` over the record with `etag`, or where nothing is ("" as etag). `etag` of `info`
 * becomes that of what was written. */
TN_MUST_USE int tn_lock_put(struct tarn_client *client, const char *bucket, const char *key,
                            const struct tarn_request *request, struct tarn_lock_info *info,
                            const char *given_back, const char *etag, struct tarn_error *err);

/* Extends the lease by a write, or finds out that it cannot be; the contract of tarn_lock_renew. */
TN_MUST_USE int tn_lock_extend(struct tarn_lock *l, struct tarn_error *err);

/* Begins or extends the lease from a write sent at `sent_ms`. TARN_ELOST when it has ended before.
 */
TN_MUST_USE int tn_lock_confirm(struct tarn_lock *l, uint64_t sent_ms);

/* The lock is gone: tells, once. */
void tn_lock_note_lost(struct tarn_lock *l, int reason);

/* Starts and ends the thread that renews. */
TN_MUST_USE int tn_lock_keeper_start(struct tarn_lock *l, struct tarn_error *err);
void tn_lock_keeper_stop(struct tarn_lock *l);

/* The times of `o`, defaults for those that are 0. TARN_EINVAL, and `l` is as before. */
TN_MUST_USE int tn_lock_set_times(struct tarn_lock *l, const struct tarn_lock_options *o,
                                  struct tarn_error *err);

/* A handle with the options judged and the claim taken, not yet held. */
TN_MUST_USE int tn_lock_make(struct tarn_client *client, const char *bucket, const char *name,
                             const struct tarn_lock_options *options, struct tarn_lock **lock,
                             struct tarn_error *err);

/* `name`.lock, unless it ends so. TARN_EINVAL, TARN_ENOMEM. */
TN_MUST_USE int tn_lock_key(const char *name, char **key, struct tarn_error *err);

/* For messages: who holds it. */
void tn_lock_holder_text(const struct tarn_lock_info *info, char *out, size_t cap);

#endif
