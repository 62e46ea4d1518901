/* SPDX-License-Identifier: Apache-2.0 */
/* Producers: threads that change the store and mark in the journal what they begin and what is
 * answered. */

#ifndef TESTS_CRASH_PRODUCER_H
#define TESTS_CRASH_PRODUCER_H

#include "crash/model.h"

struct workload {
    uint64_t seed;
    uint32_t producer_count; /* 1 or more */
    uint32_t op_count;       /* of each producer */
    uint64_t inline_max;
    uint64_t segment_len;
    bool has_pauses; /* lets the engine's threads go on in between */
};

/* Runs it on an open store. `m` is what the store holds; `ops` knows what made it, and `next_op` is
 * the number of the next change. False when a read in between was wrong: `why`. */
bool producers_run(struct store *s, const struct workload *w, const struct model *m,
                   struct op_table *ops, uint32_t *next_op, char *why, size_t cap);

/* Waits for its answer. */
int commit_and_wait(struct store *s, struct store_txn *txn);

/* A body of these bytes, sealed. */
int body_make(struct store *s, const struct piece *p, struct store_body **out);

#endif
