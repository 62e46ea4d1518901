/* SPDX-License-Identifier: Apache-2.0 */
/* The xxHash family as running digests, for hash.c. Values are in the canonical order: most
 * significant byte first. */

#ifndef BASE_XXH_H
#define BASE_XXH_H

#include "base/hash.h"

TN_MUST_USE void *
tn_xxh_new(enum tn_hash_kind kind); /* to be freed by tn_free(); NULL is no memory */
void tn_xxh_update(void *state, enum tn_hash_kind kind, const void *bytes, size_t len);

/* Writes tn_hash_len() bytes and starts over. */
void tn_xxh_final(void *state, enum tn_hash_kind kind, unsigned char *out);

#endif
