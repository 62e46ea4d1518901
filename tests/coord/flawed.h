/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of the reference, as it is and step by step: so that the proofs are seen to be able to
 * fail. */

#ifndef TESTS_COORD_FLAWED_H
#define TESTS_COORD_FLAWED_H

#include "coord/setup.h"

struct flawed_lock {
    struct tarn_client *client;
    const char *bucket;
    char key[256];
    char etag[TARN_ETAG_LEN_MAX];
    int64_t interval_ms; /* of the heartbeat, and the lease */
    struct tarn_request request;
    const struct tarn_lock_clock *clock; /* NULL: the system's */
    bool has_entry;                      /* in the map of its instance */
};

/* HEAD: TARN_OK when it may be taken (absent, or expired by our wall clock), TARN_EBUSY. */
int flawed_look(struct flawed_lock *l, char etag[TARN_ETAG_LEN_MAX], struct tarn_error *err);

/* PUT If-Match `etag`; without one, no condition at all. */
int flawed_take(struct flawed_lock *l, const char *etag, struct tarn_error *err);

/* Both. TARN_EBUSY. */
int flawed_try(struct flawed_lock *l, struct tarn_error *err);

/* The call of the reference: the map of this instance, then both, then the arguments. TARN_EEXISTS:
 * the map has it. */
int flawed_acquire(struct flawed_lock *l, struct tarn_error *err);

/* PUT If-Match with a new whole-second Expires. Any failure loses the lock. */
int flawed_renew(struct flawed_lock *l, struct tarn_error *err);

/* Unconditional DELETE. */
int flawed_release(struct flawed_lock *l, struct tarn_error *err);

/* Runs `body` under the lock. Only when it succeeds is the lock released. */
int flawed_with(struct flawed_lock *l, int (*body)(void *arg), void *arg, struct tarn_error *err);

#endif
