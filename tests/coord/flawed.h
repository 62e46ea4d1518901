/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of the reference, as it is: so that the proofs are seen to be able to fail. */

#ifndef TESTS_COORD_FLAWED_H
#define TESTS_COORD_FLAWED_H

#include "coord/setup.h"

struct flawed_lock {
    struct tarn_client *client;
    const char *bucket;
    char key[256];
    char etag[TARN_ETAG_LEN_MAX];
    int64_t interval_ms;
    struct tarn_request request;
    const struct tarn_lock_clock *clock; /* NULL: the system's */
};

/* HEAD; absent: unconditional PUT; expired by our wall clock: PUT If-Match. TARN_EBUSY. */
int flawed_try(struct flawed_lock *l, struct tarn_error *err);

/* PUT If-Match with a new whole-second Expires. Any failure loses the lock. */
int flawed_renew(struct flawed_lock *l, struct tarn_error *err);

/* Unconditional DELETE. */
int flawed_release(struct flawed_lock *l, struct tarn_error *err);

#endif
