/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in memory as a list of blocks: appended at the end, dropped at the front, never moved. */

#ifndef SPILL_BLOCKS_H
#define SPILL_BLOCKS_H

#include <tarn/buffer.h>

#include "base/mem.h"

enum { SPILL_BLOCK_LEN = 64 << 10 };

struct spill_block;

struct spill_blocks {
    struct spill_block *first;
    struct spill_block *last;
    struct spill_block *spare; /* taken in advance */
    size_t start;              /* of the bytes in the first block */
    uint64_t len;
    struct tarn_buffer_pool *pool; /* NULL: the heap */
};

/* Takes memory for `len` bytes in advance. TARN_ENOMEM. */
TN_MUST_USE int spill_blocks_reserve(struct spill_blocks *b, uint64_t len);

/* All or nothing. TARN_ENOMEM. */
TN_MUST_USE int spill_blocks_append(struct spill_blocks *b, const void *bytes, size_t len);

/* The bytes at `offset` that stand together, at most `cap`. */
const char *spill_blocks_at(const struct spill_blocks *b, uint64_t offset, size_t *len);

/* Copies up to `cap` bytes from `offset` on; how many. */
size_t spill_blocks_copy(const struct spill_blocks *b, uint64_t offset, void *out, size_t cap);

void spill_blocks_drop(struct spill_blocks *b, uint64_t len);     /* at the front */
void spill_blocks_truncate(struct spill_blocks *b, uint64_t len); /* keeps the first `len` */
void spill_blocks_release(struct spill_blocks *b);                /* usable again afterwards */

#endif
