/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a lock: what its object says. */

#ifndef COORD_LOCK_RECORD_H
#define COORD_LOCK_RECORD_H

#include <tarn/lock.h>

#include "base/buf.h"
#include "base/fail.h"

enum {
    TN_LOCK_RECORD_MAX = 64 << 10, /* bytes; what is larger is no record */
    TN_LOCK_MARK_LEN = 12,         /* of a nonce, in the list of those who gave the lock back */
    TN_LOCK_GIVEN_BACK_MAX = 32,
    TN_LOCK_GIVEN_BACK_LEN = TN_LOCK_GIVEN_BACK_MAX * (TN_LOCK_MARK_LEN + 1)
};

/* `state` ABSENT is never written. For FOREIGN only etag, age and the times below count. */
struct tn_lock_record {
    struct tarn_lock_info info;
    bool is_uuid;        /* FOREIGN: 36 characters and Expires, as S3 Atomic Utils writes */
    int64_t expires_ms;  /* FOREIGN: Expires, Unix by its holder's clock; -1 when unknown */
    int64_t uuid_ttl_ms; /* FOREIGN: Expires less Last-Modified; 0 when unknown */
    /* Who released the lock lately, the last one first: so that a release whose answer was lost is
     * found again when others have taken the lock since. Every writer passes it on. */
    char given_back[TN_LOCK_GIVEN_BACK_LEN];
};

/* Appends the JSON text. */
TN_MUST_USE int tn_lock_record_write(const struct tarn_lock_info *info, const char *given_back,
                                     struct tn_buf *out);

/* The list with `nonce` in front; the oldest goes. */
void tn_lock_given_back_add(const char *list, const char *nonce, char out[TN_LOCK_GIVEN_BACK_LEN]);
bool tn_lock_given_back_has(const char *list, const char *nonce);

/* Reads a body and what the answer said of it. Never fails for what others may have written: that
 * is FOREIGN. TARN_ENOMEM. */
TN_MUST_USE int tn_lock_record_read(const char *bytes, size_t len,
                                    const struct tarn_object_info *answer,
                                    struct tn_lock_record *out);

#endif
