/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies: every key number has one, made of the same block of noise, so that it can be sent,
 * checked and written to files without being kept. */

#ifndef TESTS_BENCH_NOISE_H
#define TESTS_BENCH_NOISE_H

#include "base/str.h"

enum { NOISE_KINDS = 16, NOISE_HEX_LEN = 64 };

void noise_init(void);

/* Up to `len` bytes of the body of `key` from `offset` on; less where the block ends. */
struct tn_str noise_piece(uint64_t key, uint64_t offset, uint64_t len);

/* True when the bytes are those of the body of `key` at `offset`. */
bool noise_matches(uint64_t key, uint64_t offset, struct tn_str bytes);

/* The SHA-256 of the body of `len` bytes, in hexadecimal; computed once for each of the kinds. */
const char *noise_sha256(uint64_t key, uint64_t len);

#endif
