/* SPDX-License-Identifier: Apache-2.0 */
/* Chains that bytes pass on their way out to storage and back: each link is one filter. */

#ifndef SPILL_STREAM_H
#define SPILL_STREAM_H

#include <tarn/buffer.h>

#include "base/fail.h"

/* Pushed: what comes out goes to `next`. */
struct spill_writer {
    int (*write)(struct spill_writer *w, const void *bytes, size_t len, struct tarn_error *err);
    int (*finish)(struct spill_writer *w, struct tarn_error *err); /* own last bytes only */
    void (*free)(struct spill_writer *w);
    struct spill_writer *next;
};

/* Pulled: `read` gives 1 to `cap` bytes, 0 at the end, which it has then verified; or a negative
 * status: TARN_ECORRUPT for what no writer has written. */
struct spill_reader {
    int64_t (*read)(struct spill_reader *r, void *out, size_t cap, struct tarn_error *err);
    void (*free)(struct spill_reader *r);
    struct spill_reader *source;
};

/* Finishes the links one by one, from the outermost on. */
TN_MUST_USE int spill_chain_finish(struct spill_writer *first, struct tarn_error *err);
void spill_chain_free(struct spill_writer *first);  /* accepts NULL */
void spill_readers_free(struct spill_reader *last); /* accepts NULL */

/* Fills `out` unless the end comes first. */
int64_t spill_read_full(struct spill_reader *r, void *out, size_t len, struct tarn_error *err);

/* What a segment holds, as its writer counted it. */
struct spill_sum {
    uint64_t len;
    uint64_t crc; /* CRC64NVME */
};

/* The ends of the chains, at the storage. Both borrow; the writer counts into `sum`. The reader,
 * when it begins at 0, compares with `sum` at the end; begun elsewhere it only counts the length.
 */
struct spill_writer *spill_storage_writer(const struct tarn_buffer_storage *storage, void *segment,
                                          struct spill_sum *sum);
struct spill_reader *spill_storage_reader(const struct tarn_buffer_storage *storage, void *segment,
                                          const struct spill_sum *sum, uint64_t offset);

/* Makes the two halves of a filter. NULL when out of memory, or (`err` tells) for another reason.
 */
struct spill_writer *spill_filter_writer(const struct tarn_buffer_filter *filter,
                                         struct spill_writer *next, struct tarn_error *err);
struct spill_reader *spill_filter_reader(const struct tarn_buffer_filter *filter,
                                         struct spill_reader *source, struct tarn_error *err);

struct spill_writer *spill_gzip_writer(int level, struct spill_writer *next,
                                       struct tarn_error *err);
struct spill_reader *spill_gzip_reader(struct spill_reader *source, struct tarn_error *err);
struct spill_writer *spill_zstd_writer(int level, struct spill_writer *next,
                                       struct tarn_error *err);
struct spill_reader *spill_zstd_reader(struct spill_reader *source, struct tarn_error *err);
struct spill_writer *spill_aead_writer(enum tarn_buffer_filter_kind kind, const void *key,
                                       struct spill_writer *next, struct tarn_error *err);
struct spill_reader *spill_aead_reader(enum tarn_buffer_filter_kind kind, const void *key,
                                       struct spill_reader *source, struct tarn_error *err);

/* TARN_EINVAL for unknown kinds and levels. */
TN_MUST_USE int spill_filter_check(const struct tarn_buffer_filter *filter, struct tarn_error *err);

#endif
