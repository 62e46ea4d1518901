/* SPDX-License-Identifier: Apache-2.0 */
/* How much buckets hold, counted by the committer alone: each change is measured where it is
 * judged, so a quota is exact whoever races. Only buckets that have met a quota since the start are
 * in the table; the first time, the rows of the index are counted. */

#ifndef SERVER_STORE_USAGE_H
#define SERVER_STORE_USAGE_H

#include "server/store/index.h"

struct usage {
    uint32_t bucket;
    uint64_t bytes;
    uint64_t objects; /* versions count, delete markers do not */
};

struct usage_change {
    int64_t bytes;
    int64_t objects;
};

struct usage_table {
    struct usage *items;
    size_t count, cap;
};

void usage_table_release(struct usage_table *t);

/* NULL: not counted. Holds until the next usage_count(). */
struct usage *usage_find(struct usage_table *t, uint32_t bucket);

/* Counts the rows of a bucket; the index must have all that was committed. */
TN_MUST_USE int usage_count(struct usage_table *t, struct index_reader *r, uint32_t bucket,
                            struct usage **out);
void usage_forget(struct usage_table *t, uint32_t bucket);

/* Adds (1) or takes away (-1) one version. */
void usage_add(struct usage_change *change, const struct store_head *head, int sign);

/* What makes a bucket smaller always fits. */
bool usage_fits(const struct usage *usage, const struct usage_change *change,
                const struct store_quota *quota);

void usage_apply(struct usage_table *t, uint32_t bucket, const struct usage_change *change);

#endif
