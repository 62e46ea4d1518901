/* SPDX-License-Identifier: Apache-2.0 */
/* Locks kept in S3 objects: leases that are renewed, with fencing tokens.
 *
 * A lock is a lease: its holder may be paused for longer than the lease and go on working without
 * knowing that somebody else has the lock now. What the lock protects must therefore compare tokens
 * (tarn/store.h does, with `fence`), or the work must end with the lease (tarn_lock_check before
 * each step, the callback, the descriptor). Tokens of one lock only rise, also across releases.
 *
 * No clock is compared with another machine's: a lock is stale once its record was seen unchanged
 * for its ttl and a margin on this machine's own steady clock. docs/design/coordination.md has the
 * argument. Times are milliseconds. Calls block, and may be made by any thread; options are copied,
 * what they point to is borrowed until the call returns or, where it says so, longer.
 *
 *     struct tarn_lock *lock = NULL;
 *     struct tarn_lock_options options = { .ttl_ms = 30000, .wait_ms = 60000 };
 *     if (tarn_lock_acquire(client, "bucket", "index", &options, &lock, &err) == TARN_OK) {
 *         rc = work(tarn_lock_token(lock));
 *         (void)tarn_lock_release(lock, &err);
 *     }
 *
 * A whole program: docs/guide/locks.md. S3: "Conditional requests", user guide. */

#ifndef TARN_LOCK_H
#define TARN_LOCK_H

#include <tarn/multipart.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_LOCK_TTL_MIN_MS 1000
#define TARN_LOCK_TTL_MAX_MS ((int64_t)24 * 3600 * 1000)
#define TARN_LOCK_WAIT_FOREVER (-1)
#define TARN_LOCK_OWNER_LEN_MAX 256
#define TARN_LOCK_NONCE_LEN 33 /* 32 hexadecimal digits and a NUL */

struct tarn_lock; /* any thread, but free and release only once nobody else uses it */

/* Where time comes from, for tests. All three or none. */
struct tarn_lock_clock {
    uint64_t (*steady_ms)(void *arg);         /* never goes back, counts while the machine sleeps */
    int64_t (*wall_ms)(void *arg);            /* Unix; only shown, and for foreign records */
    void (*sleep_ms)(void *arg, uint64_t ms); /* may return early */
    void *arg;
};

/* Called once, in the thread of the lock's renewals or in the call that found out. `reason` is
 * TARN_ELOST or, after `max_hold_ms`, TARN_ETIMEOUT. It may not free or release the lock. */
typedef void (*tarn_lock_lost_fn)(void *arg, struct tarn_lock *lock, int reason);

struct tarn_lock_options {
    struct tarn_request request; /* what it points to must live as long as the lock */
    int64_t ttl_ms;              /* 0 is 30,000; 1,000 to 24 hours */
    int64_t renew_ms;            /* 0 is ttl / 3; less than ttl - margin */
    int64_t
        margin_ms; /* 0 is the greater of 500 and ttl / 10, at most ttl / 4; less than ttl / 2 */
    int64_t max_hold_ms;      /* then it is given up; 0 is none, else more than ttl */
    int64_t wait_ms;          /* 0: try once; TARN_LOCK_WAIT_FOREVER */
    int64_t poll_max_ms;      /* longest pause between looks while waiting; 0 is 1,000 */
    const char *owner;        /* text for people, shown to those who wait */
    bool renews_by_hand;      /* no thread: call tarn_lock_renew in time */
    bool skip_probe;          /* the server is known to honour conditional writes */
    bool trusts_server_clock; /* a record's age by Date and Last-Modified of the server counts too,
                                 which shortens the wait and relies on that clock not being set */
    bool purges_on_release;   /* delete the record: the next tokens start again at 1 */
    tarn_lock_lost_fn on_lost;
    void *on_lost_arg;
    const struct tarn_lock_clock *clock;
    void *reserved[4];
};

/* Takes the lock `name` (key `name`.lock, unless it ends so) and renews it in the background.
 *
 * TARN_EINVAL before any request; TARN_EEXISTS: this process has the lock already, or is about to;
 * TARN_EBUSY: somebody else has it and wait_ms is 0 (the message says who); TARN_ETIMEOUT: still so
 * after wait_ms; TARN_ENOBUCKET; TARN_ENOTSUPPORTED: the server ignores conditional writes;
 * TARN_ECORRUPT: the object there is no lock, and stays; others from the transport. */
TARN_API int tarn_lock_acquire(struct tarn_client *client, const char *bucket, const char *name,
                               const struct tarn_lock_options *options, struct tarn_lock **lock,
                               struct tarn_error *err);

/* The same without waiting, whatever `wait_ms` says. A stale lock is taken only once it was seen
 * long enough, which earlier tries in this process count for. */
TARN_API int tarn_lock_try(struct tarn_client *client, const char *bucket, const char *name,
                           const struct tarn_lock_options *options, struct tarn_lock **lock,
                           struct tarn_error *err);

/* Takes over a lock that another process acquired with the nonce that it knew, and renews it at
 * once; without a `ttl_ms`, for as long as it was acquired. TARN_ELOST when it is not that holder's
 * any more; TARN_EEXISTS as above. */
TARN_API int tarn_lock_attach(struct tarn_client *client, const char *bucket, const char *name,
                              const char *nonce, const struct tarn_lock_options *options,
                              struct tarn_lock **lock, struct tarn_error *err);

/* Writes a renewal now. TARN_OK: the lease was extended. TARN_ELOST: it is somebody else's, or the
 * lease ended meanwhile. Other failures leave the lease as it is: try again, unless tarn_lock_check
 * says that max_hold_ms are over, which is TARN_ETIMEOUT here too. */
TARN_API int tarn_lock_renew(struct tarn_lock *lock, struct tarn_error *err);

/* No request: TARN_OK inside the lease, else TARN_ELOST (TARN_ETIMEOUT after max_hold_ms;
 * TARN_EINVAL for NULL). Also in a child after fork(), which never holds. */
TARN_API int tarn_lock_check(struct tarn_lock *lock);

/* Milliseconds of the lease that are left, without requests; 0 when it is over. */
TARN_API int64_t tarn_lock_remaining_ms(struct tarn_lock *lock);

/* The fencing token: greater than that of every holder before. */
TARN_API uint64_t tarn_lock_token(const struct tarn_lock *lock);

/* Identifies this acquisition; good for tarn_lock_attach. Valid as long as `lock`. */
TARN_API const char *tarn_lock_nonce(const struct tarn_lock *lock);

/* A descriptor that becomes readable when the lock is lost. The lock owns it. */
TARN_API int tarn_lock_fd(const struct tarn_lock *lock);

/* Ends the renewals, then marks the record as released, only if it is still ours. Frees `lock` in
 * any case. TARN_ELOST: it was not ours any more, and nothing was touched. */
TARN_API int tarn_lock_release(struct tarn_lock *lock, struct tarn_error *err);

/* Ends the renewals without a request and frees: the record becomes stale. Accepts NULL. */
TARN_API void tarn_lock_free(struct tarn_lock *lock);

/* What runs under the lock. It should look at tarn_lock_check now and then. */
typedef int (*tarn_lock_body_fn)(void *arg, struct tarn_lock *lock);

/* Acquires, runs `body`, releases in every case. The status of `body` if that is negative, else
 * TARN_ELOST when the lock was lost meanwhile, else that of the release. */
TARN_API int tarn_lock_with(struct tarn_client *client, const char *bucket, const char *name,
                            const struct tarn_lock_options *options, tarn_lock_body_fn body,
                            void *arg, struct tarn_error *err);

enum tarn_lock_state {
    TARN_LOCK_ABSENT,   /* never taken, or purged */
    TARN_LOCK_RELEASED, /* free; the token is kept */
    TARN_LOCK_HELD,     /* by somebody, who may be gone */
    TARN_LOCK_FOREIGN   /* an object that is no lock of ours */
};

struct tarn_lock_info {
    enum tarn_lock_state state;
    uint64_t token;
    uint64_t seq; /* writes of this holder */
    int64_t ttl_ms;
    int64_t acquired_at_ms; /* Unix, the holder's clock; -1 when unknown */
    int64_t renewed_at_ms;
    int64_t age_ms; /* by the server's Date and Last-Modified; -1 when unknown */
    char host[TARN_LOCK_OWNER_LEN_MAX];
    char owner[TARN_LOCK_OWNER_LEN_MAX];
    char nonce[TARN_LOCK_NONCE_LEN];
    int64_t pid;
    char etag[TARN_ETAG_LEN_MAX];
};

/* Looks without taking. */
TARN_API int tarn_lock_status(struct tarn_client *client, const char *bucket, const char *name,
                              const struct tarn_request *request, struct tarn_lock_info *info,
                              struct tarn_error *err);

/* Marks the lock as released by force, if its record still has this ETag (as of tarn_lock_status);
 * the token is kept, so the holder is fenced off by the next one. TARN_ELOST when it changed. */
TARN_API int tarn_lock_break(struct tarn_client *client, const char *bucket, const char *name,
                             const char *etag, const struct tarn_request *request,
                             struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
