/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: MD5, SHA-1, SHA-256, SHA-512, HMAC-SHA256 over OpenSSL, and the xxHash family. */

#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

enum tn_hash_kind {
    TN_HASH_MD5,
    TN_HASH_SHA1,
    TN_HASH_SHA256,
    TN_HASH_SHA512,
    TN_HASH_XXHASH64,
    TN_HASH_XXHASH3,
    TN_HASH_XXHASH128,
    TN_HASH_KIND_COUNT
};

enum {
    TN_MD5_LEN = 16,
    TN_SHA1_LEN = 20,
    TN_SHA256_LEN = 32,
    TN_SHA512_LEN = 64,
    TN_XXHASH64_LEN = 8, /* and XXHASH3's */
    TN_XXHASH128_LEN = 16,
    TN_HASH_LEN_MAX = 64
};

/* A running digest. One thread at a time. */
struct tn_hash {
    void *ctx;
    enum tn_hash_kind kind;
};

TN_MUST_USE int tn_hash_init(struct tn_hash *h, enum tn_hash_kind kind); /* TARN_ENOMEM */
void tn_hash_release(struct tn_hash *h);                                 /* accepts a zeroed one */
void tn_hash_update(struct tn_hash *h, const void *bytes, size_t len);
size_t tn_hash_len(enum tn_hash_kind kind);

/* Writes tn_hash_len() bytes and starts over, ready for the next message. */
void tn_hash_final(struct tn_hash *h, unsigned char *out);

/* The digest of one piece. */
void tn_md5(const void *bytes, size_t len, unsigned char out[TN_MD5_LEN]);
void tn_sha256(const void *bytes, size_t len, unsigned char out[TN_SHA256_LEN]);
void tn_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                    unsigned char out[TN_SHA256_LEN]);

#endif
