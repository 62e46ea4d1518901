/* SPDX-License-Identifier: Apache-2.0 */
/* Who has written an object, and how often: the list in its metadata by which a write whose answer
 * was lost is found again. */

#ifndef COORD_STORE_WRITERS_H
#define COORD_STORE_WRITERS_H

#include <tarn/store.h>

#include "base/mem.h"

enum {
    TN_WRITER_ID_LEN = 12, /* hexadecimal digits */
    TN_WRITERS_MAX = 36,   /* the latest; each takes up to 24 bytes, S3 takes 2 KiB of metadata */
};

/* "id=number,id=number,...", the latest first. A writer has one write under way at a time, and its
 * numbers rise: so an object that has been written n times since still tells whether the write took
 * effect, unless more than TN_WRITERS_MAX other writers came after it. */

/* The list behind a write of `id` number `seq` upon `before` (NULL is fine). Entries of `before`
 * that make no sense are dropped. */
void tn_writers_add(const char *before, const char *id, uint64_t seq,
                    char out[TARN_STORE_WRITERS_LEN_MAX]);

/* The number of `id` in `list`, 0 when it is not there; `is_latest` tells whether it is the first.
 */
uint64_t tn_writers_find(const char *list, const char *id, bool *is_latest);

#endif
