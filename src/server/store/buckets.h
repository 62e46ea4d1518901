/* SPDX-License-Identifier: Apache-2.0 */
/* The buckets, all in memory, in name order. Any thread reads; the committing thread alone changes.
 */

#ifndef SERVER_STORE_BUCKETS_H
#define SERVER_STORE_BUCKETS_H

#include "server/store/store.h"

struct buckets;

TN_MUST_USE struct buckets *buckets_new(void);
void buckets_free(struct buckets *b); /* accepts NULL */

/* The number of the bucket, 0 when there is none. */
uint32_t buckets_number(struct buckets *b, struct tn_str name);

/* As buckets_number(), and how it keeps its versions. */
uint32_t buckets_find(struct buckets *b, struct tn_str name, enum store_versioning *versioning);

/* The highest number ever put, or made known by buckets_know(). */
uint32_t buckets_number_max(struct buckets *b);
void buckets_know(struct buckets *b, uint32_t number_max);

/* A copy in the arena: TARN_ENOBUCKET, TARN_ENOMEM. */
TN_MUST_USE int buckets_get(struct buckets *b, struct tn_str name, struct tn_arena *arena,
                            struct store_bucket *out);

/* Yields copies one by one, so that `each` may take its time. */
TN_MUST_USE int buckets_list(struct buckets *b, store_bucket_fn each, void *user);

/* Adds, or replaces the one of the same name. TARN_ENOMEM changes nothing. */
TN_MUST_USE int buckets_put(struct buckets *b, uint32_t number, const struct store_bucket *bucket);
void buckets_delete(struct buckets *b, struct tn_str name);

#endif
