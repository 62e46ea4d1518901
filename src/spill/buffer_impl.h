/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer: closed segments, the open one, and the tail that is still in memory.
 *
 *   0 .. floor          given up (FIFO)
 *   floor .. tail_start segments in order, the last of them perhaps still open
 *   tail_start .. size  the tail, in memory
 *
 * A segment is a whole filtered stream of its own. Reading what stands in the open segment closes
 * it, so that bytes come out in every phase; what comes later goes into a new one. */

#ifndef SPILL_BUFFER_IMPL_H
#define SPILL_BUFFER_IMPL_H

#include <tarn/buffer.h>

#include "spill/blocks.h"
#include "spill/storage.h"
#include "spill/stream.h"

enum spill_storage_kind { SPILL_FILE, SPILL_S3, SPILL_CUSTOM };

struct spill_segment {
    struct spill_segment *next;
    void *handle;
    uint64_t start; /* of its plain bytes in the buffer */
    uint64_t len;
    struct spill_sum sum; /* of its stored bytes */
};

struct tarn_buffer {
    struct tarn_buffer_options o;
    enum spill_storage_kind kind;
    struct tarn_buffer_storage storage;
    struct tarn_buffer_filter filters[TARN_BUFFER_FILTERS_MAX];
    unsigned char keys[TARN_BUFFER_FILTERS_MAX][TARN_BUFFER_KEY_LEN];
    size_t filter_count;
    bool has_secret_key; /* one that only this buffer knows */

    struct spill_blocks tail;
    uint64_t tail_start;
    uint64_t size;
    uint64_t pos; /* where reading stands */
    uint64_t floor;
    bool is_spilled;
    bool is_sealed;
    int failed; /* what all later calls give */
    struct tarn_error why;

    struct spill_segment *first; /* closed */
    struct spill_segment *last;
    struct spill_segment *open; /* being written; not in the list */
    struct spill_writer *chain;

    struct spill_reader *reader; /* NULL: none */
    struct spill_segment *reader_segment;
    uint64_t reader_pos; /* in the buffer */
};

/* Moves the tail into the open segment, making one if there is none. */
TN_MUST_USE int spill_flush_tail(struct tarn_buffer *b, struct tarn_error *err);

/* Ends the open segment, if there is one. */
TN_MUST_USE int spill_close_open(struct tarn_buffer *b, struct tarn_error *err);

/* Begins a segment at `start`. */
TN_MUST_USE int spill_begin_open(struct tarn_buffer *b, uint64_t start, struct tarn_error *err);

void spill_drop_reader(struct tarn_buffer *b);
void spill_remove_segments(struct tarn_buffer *b);

/* TARN_OK, or the failure that came before. TARN_EINVAL without a buffer, or another argument that
 * is wanted (TN_MISSING). */
TN_MUST_USE int spill_check(const struct tarn_buffer *b, const char *missing,
                            struct tarn_error *err);

/* Keeps a failure for all later calls. */
int spill_note_failure(struct tarn_buffer *b, int rc, const struct tarn_error *why,
                       struct tarn_error *err);

#endif
