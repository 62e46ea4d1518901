/* SPDX-License-Identifier: Apache-2.0 */
/* The index: heads by key, in order, in SQLite. Derived from the log, replayable, never the truth.
 * One writer, many readers; what a reader finds damaged is TARN_ECORRUPT, never a wrong row, nor
 * one that is missing. */

#ifndef SERVER_STORE_INDEX_H
#define SERVER_STORE_INDEX_H

#include "server/store/disk.h"
#include "server/store/record.h"

struct index;
struct index_reader;

/* How far the index has taken in the log: the record `seq`, which ends at `offset` of `segment`. */
struct index_position {
    uint64_t seq;
    uint32_t segment;
    uint32_t offset;
    uint32_t crc;        /* of that record: the `prev` of the next */
    uint32_t bucket_max; /* the highest bucket number ever given: none is given twice */
};

/* Opens or creates `path`. `identity` is the store's: an index of another store, or one that is
 * damaged or of another format, is moved aside (`path`.bad) and begun anew, which `was_rebuilt`
 * tells. */
TN_MUST_USE int index_open(const struct disk_ops *d, const char *path, struct tn_str identity,
                           struct index **out, bool *was_rebuilt, struct tarn_error *err);
void index_close(struct index *x); /* accepts NULL */

/* A page was found damaged: the next index_open() moves the file aside. */
bool index_is_damaged(const struct index *x);

/* --- Writing: one thread. Between begin and commit nothing is seen by readers. --- */

TN_MUST_USE int index_begin(struct index *x, struct tarn_error *err);
TN_MUST_USE int index_commit(struct index *x, const struct index_position *applied,
                             struct tarn_error *err);
void index_rollback(struct index *x);
TN_MUST_USE int index_position(struct index *x, struct index_position *out, struct tarn_error *err);

/* A rebuild is under way until it is said to be done: a stop in between must not be taken for an
 * index that lags. Setting it belongs between begin and commit. */
TN_MUST_USE int index_rebuild_get(struct index *x, bool *is_under_way, struct tarn_error *err);
TN_MUST_USE int index_rebuild_set(struct index *x, bool is_under_way, struct tarn_error *err);

/* The row before the change; TARN_ENOTFOUND when there is none. */
TN_MUST_USE int index_get(struct index *x, struct tn_str key, struct store_head *out,
                          struct tarn_error *err);
TN_MUST_USE int index_next(struct index *x, struct tn_str from, struct tn_str to,
                           struct index_key *row, struct store_head *head, struct tarn_error *err);
TN_MUST_USE int index_put(struct index *x, struct tn_str key, const struct store_head *head,
                          struct tn_str meta, struct tarn_error *err);
TN_MUST_USE int index_delete(struct index *x, struct tn_str key, struct tarn_error *err);

/* Deletes all rows whose key begins with `prefix`; tells `each` of every one before. */
typedef int (*index_row_fn)(void *user, struct tn_str key, const struct store_head *head,
                            struct tn_str meta);
TN_MUST_USE int index_delete_prefix(struct index *x, struct tn_str prefix, index_row_fn each,
                                    void *user, struct tarn_error *err);

/* The smallest key greater than all that begin with `prefix`. */
void index_prefix_end(struct tn_str prefix, struct index_key *end);

/* Counts the references to shared bytes (a blob, or the record of a part). `refs` is what is left;
 * a row with none is gone, unless `keeps_empty`: while an index is rebuilt, bytes may lose their
 * last reference before they get another, and their place must not be forgotten in between. `place`
 * is kept from the first call that has one. */
TN_MUST_USE int index_refer(struct index *x, uint64_t id, const struct place *place, int change,
                            bool keeps_empty, int64_t *refs, struct place *kept,
                            struct tarn_error *err);

/* Forgets the rows that were kept without a reference. */
TN_MUST_USE int index_drop_empty(struct index *x, struct tarn_error *err);

/* The shared bytes `id` are at `place` now; `before` is where they were. TARN_ENOTFOUND when
 * nothing refers to them. */
TN_MUST_USE int index_move(struct index *x, uint64_t id, const struct place *place,
                           struct place *before, struct tarn_error *err);

/* Adds to the bytes that live in a segment. */
TN_MUST_USE int index_segment_live(struct index *x, uint32_t segment, int64_t change,
                                   struct tarn_error *err);

/* The bytes that live in a segment, 0 for one that is not known; and forgetting it. */
TN_MUST_USE int index_segment_get(struct index_reader *r, uint32_t segment, int64_t *live,
                                  struct tarn_error *err);
TN_MUST_USE int index_segment_delete(struct index *x, uint32_t segment, struct tarn_error *err);

/* Makes everything committed durable in the index file itself. Any thread; may wait. */
TN_MUST_USE int index_checkpoint(struct index_reader *r, struct tarn_error *err);

TN_MUST_USE int index_bucket_put(struct index *x, uint32_t number,
                                 const struct store_bucket *bucket, struct tarn_error *err);
TN_MUST_USE int index_bucket_delete(struct index *x, uint32_t number, struct tarn_error *err);
typedef int (*index_bucket_fn)(void *user, uint32_t number, const struct store_bucket *bucket);
TN_MUST_USE int index_bucket_list(struct index *x, index_bucket_fn each, void *user,
                                  struct tarn_error *err);

/* Reads pages of the index file as they are on the disk, `first` is 1 or more: TARN_EEOF behind the
 * last one, TARN_ECORRUPT for one that is damaged. */
TN_MUST_USE int index_verify(struct index_reader *r, uint64_t first, size_t count,
                             struct tarn_error *err);

/* --- Reading: each reader one thread at a time; borrowed from a pool. --- */

TN_MUST_USE int index_reader_take(struct index *x, struct index_reader **out,
                                  struct tarn_error *err);
void index_reader_give(struct index *x, struct index_reader *r);

/* TARN_ENOTFOUND, TARN_ECORRUPT. */
TN_MUST_USE int index_reader_get(struct index_reader *r, struct tn_str key, struct store_head *out,
                                 struct tarn_error *err);

/* True in `out` when shared bytes `id` are referred to; their place, when one is kept. */
TN_MUST_USE int index_reader_refers(struct index_reader *r, uint64_t id, bool *out,
                                    struct place *place, struct tarn_error *err);

/* The first row behind `from` and before `to`: TARN_ENOTFOUND. Not within a scan. */
TN_MUST_USE int index_reader_next(struct index_reader *r, struct tn_str from, struct tn_str to,
                                  struct index_key *row, struct store_head *head,
                                  struct tarn_error *err);

/* A scan in key order within one snapshot: begin, seek, next ..., end. */
TN_MUST_USE int index_scan_begin(struct index_reader *r, struct tarn_error *err);
void index_scan_end(struct index_reader *r);

/* Rows from `from` (with `is_after`: greater than it) to before `to`. */
TN_MUST_USE int index_scan_seek(struct index_reader *r, struct tn_str from, bool is_after,
                                struct tn_str to, struct tarn_error *err);

/* TARN_EEOF at the end. Views hold until the next call. */
TN_MUST_USE int index_scan_next(struct index_reader *r, struct tn_str *key, struct store_head *head,
                                struct tn_str *meta, struct tarn_error *err);

/* A second scan beside the first, in the same snapshot. */
TN_MUST_USE int index_side_seek(struct index_reader *r, struct tn_str from, bool is_after,
                                struct tn_str to, struct tarn_error *err);
TN_MUST_USE int index_side_next(struct index_reader *r, struct tn_str *key, struct store_head *head,
                                struct tn_str *meta, struct tarn_error *err);

#endif
