/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, and calls that wait for their answer. Bucket "b" is meant
 * throughout. */

#ifndef TESTS_UNIT_SERVER_STORE_FIXTURE_H
#define TESTS_UNIT_SERVER_STORE_FIXTURE_H

#include "unit/t.h"

#include "server/store/disk.h"
#include "server/store/log_store.h"
#include "server/store/store_wait.h"

/* Small, so that little data fills many segments. */
enum { SMALL_INLINE = 64 * 1024, SMALL_SEGMENT = 256 * 1024 };

struct fixture {
    char dir[64];
    struct store *store;
    uint64_t body_memory_max; /* for the next open, 0: the default */
    uint64_t segment_len;     /* likewise, 0: SMALL_SEGMENT */
    struct disk_ops disk; /* the real one's, but for what a test puts in */
};

/* For cmocka: *state is the fixture, its store open. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

int fixture_open_store(struct fixture *f, struct tarn_error *err);
void fixture_reopen(struct fixture *f);

/* Each returns the transaction's status. */
int fixture_make_bucket(struct store *s, const char *name);
int fixture_put(struct store *s, const char *key, struct tn_str bytes);
int fixture_delete_key(struct store *s, const char *key, bool *existed);

int fixture_rename(struct store *s, const char *old_key, const char *key);

/* Bytes that differ from place to place and from seed to seed; they live in `b`. */
struct tn_str fixture_pattern(size_t len, unsigned seed, struct tn_buf *b);

/* Reads with steps of `step` bytes from `offset` and compares with `want`; the status of what
 * fails. */
int fixture_check(struct store *s, const char *key, struct tn_str want, uint64_t offset,
                  size_t step);

size_t fixture_count_blobs(const struct fixture *f);

/* Waits until so many blobs are left, since they go behind the answer. */
void fixture_settle(struct fixture *f, size_t blobs);

#endif
