/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a lock: what its object says. */

#ifndef COORD_LOCK_RECORD_H
#define COORD_LOCK_RECORD_H

#include <tarn/lock.h>

#include "base/buf.h"
#include "base/fail.h"

enum { TN_LOCK_RECORD_MAX = 64 << 10 }; /* bytes; what is larger is no record */

/* `state` ABSENT is never written. For FOREIGN only etag, age and the times below count. */
struct tn_lock_record {
    struct tarn_lock_info info;
    bool is_uuid;        /* FOREIGN: 36 characters and Expires, as S3 Atomic Utils writes */
    int64_t expires_ms;  /* FOREIGN: Expires, Unix by its holder's clock; -1 when unknown */
    int64_t uuid_ttl_ms; /* FOREIGN: Expires less Last-Modified; 0 when unknown */
};

/* Appends the JSON text. */
TN_MUST_USE int tn_lock_record_write(const struct tarn_lock_info *info, struct tn_buf *out);

/* Reads a body and what the answer said of it. Never fails for what others may have written: that
 * is FOREIGN. TARN_ENOMEM. */
TN_MUST_USE int tn_lock_record_read(const char *bytes, size_t len,
                                    const struct tarn_object_info *answer,
                                    struct tn_lock_record *out);

#endif
