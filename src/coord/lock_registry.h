/* SPDX-License-Identifier: Apache-2.0 */
/* What this process holds, and what it has seen of the locks of others. */

#ifndef COORD_LOCK_REGISTRY_H
#define COORD_LOCK_REGISTRY_H

#include <tarn/lock.h>

#include "base/mem.h"

struct tn_lock_claim;

/* Reserves endpoint, bucket and key for this process, before anything is sent. TARN_EEXISTS when
 * that is done already; TARN_ENOMEM. A child of fork() starts with none. */
TN_MUST_USE int tn_lock_claim_take(const char *endpoint, const char *bucket, const char *key,
                                   struct tn_lock_claim **claim);
void tn_lock_claim_give(struct tn_lock_claim *claim); /* accepts NULL */

/* Since when (steady time) the record with this ETag has been seen here, `now_ms` when it is new.
 * Only the newest ETag of each lock is kept, and only of the locks looked at last. `name` is the
 * identity. */
uint64_t tn_lock_seen_since(const char *endpoint, const char *bucket, const char *key,
                            const char *etag, uint64_t now_ms);

#endif
