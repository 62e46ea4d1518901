/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers. */

#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base/mem.h"

/* Fit for keys and identifiers: getrandom(2). Ends the process should the kernel have none. Any thread. */
void tn_random_bytes(void *out, size_t len);

/* 0 to limit - 1, evenly; `limit` is not 0. For jitter and the like, cheap enough for hot paths. */
uint64_t tn_random_below(uint64_t limit);

#endif
