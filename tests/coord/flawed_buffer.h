/* SPDX-License-Identifier: Apache-2.0 */
/* The buffer of the reference, as it is, over the storages and filters of ours. */

#ifndef TESTS_COORD_FLAWED_BUFFER_H
#define TESTS_COORD_FLAWED_BUFFER_H

#include "base/buf.h"
#include "spill/stream.h"

struct flawed_buffer {
    const struct tarn_buffer_storage *storage;
    const struct tarn_buffer_filter *filters;
    size_t filter_count;
    size_t threshold;
    struct tn_buf memory;
    size_t offset;   /* of reading in memory */
    size_t size;     /* that it believes to hold */
    bool closes_all; /* better than the reference: all links are closed */
    bool is_spilled;
    bool is_closed;
    bool has_panicked; /* where the reference ends the process */
    void *segment;
    struct spill_sum sum;
    struct spill_writer *chain; /* open for writing */
    struct spill_reader *reader;
};

/* Wraps filters front to back, both ways; a level that does not exist is a panic. */
void flawed_buffer_init(struct flawed_buffer *f, const struct tarn_buffer_storage *storage,
                        const struct tarn_buffer_filter *filters, size_t filter_count,
                        size_t threshold);
void flawed_buffer_release(struct flawed_buffer *f); /* its leaks, too */

/* More than the threshold goes to a new object, and what is in memory with it. */
int flawed_buffer_write(struct flawed_buffer *f, const void *bytes, size_t len);

/* Whatever one read of the storage gives; the end of writing comes first, whatever it says. */
int64_t flawed_buffer_read(struct flawed_buffer *f, void *out, size_t cap);

/* Ends writing and removes the object, in one. */
int flawed_buffer_close(struct flawed_buffer *f);

#endif
