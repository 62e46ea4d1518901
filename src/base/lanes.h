/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 and SHA-256 of several streams at once. One stream cannot use a wide processor, as each step
 * of these digests waits for the one before; sixteen side by side can. Where the processor has no
 * wide registers, or there are too few streams, they are digested one by one with OpenSSL. */

#ifndef BASE_LANES_H
#define BASE_LANES_H

#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/hash.h"

enum { TN_LANE_COUNT = 16 };

/* A running digest. No memory of its own: nothing to release. One thread at a time. */
struct tn_lane {
    union {
        MD5_CTX md5;
        SHA256_CTX sha256;
    } ctx;
    enum tn_hash_kind kind;
};

struct tn_lane_job {
    struct tn_lane *lane;
    const unsigned char *bytes;
    size_t len;
};

/* `kind` is TN_HASH_MD5 or TN_HASH_SHA256. */
void tn_lane_init(struct tn_lane *l, enum tn_hash_kind kind);
void tn_lane_update(struct tn_lane *l, const void *bytes, size_t len);

/* Writes tn_hash_len() bytes; `l` must be initialised again before its next use. */
void tn_lane_final(struct tn_lane *l, unsigned char *out);

/* Updates up to TN_LANE_COUNT different lanes of one kind. The jobs are used up. */
void tn_lanes_update(struct tn_lane_job *jobs, size_t count);

enum tn_lanes_level { TN_LANES_PLAIN, TN_LANES_AVX2, TN_LANES_AVX512 };

/* The same with no more of the processor than `highest`, so that tests reach every way. */
void tn_lanes_update_at(enum tn_lanes_level highest, struct tn_lane_job *jobs, size_t count);

#endif
