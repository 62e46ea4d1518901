/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: SSE-S3, SSE-KMS with a local ring of keys, SSE-C.
 *
 * Each body (each part of an upload too) has a key of its own, derived by HKDF-SHA256 from the
 * ring's or the customer's key and a random salt, and is kept as blocks of SSE_BLOCK_LEN bytes,
 * each behind AES-256-GCM with its tag. The nonce is the number of the block and whether it is the
 * last, so blocks can neither be exchanged nor cut off. The derived key depends on no name: copies
 * with the same key share the bytes. */

#ifndef SERVER_API_SSE_H
#define SERVER_API_SSE_H

#include "server/api/request.h"

enum {
    SSE_BLOCK_LEN = 64 * 1024,
    SSE_TAG_LEN = 16,
    SSE_KEY_LEN = 32,
    SSE_SALT_LEN = 16,
    SSE_CHECK_LEN = 16,
    SSE_KEY_COUNT_MAX = 1000,
    SSE_KEY_ID_LEN_MAX = 2048,
    SSE_CONTEXT_LEN_MAX = 8192,
};

enum sse_kind { SSE_NONE, SSE_S3, SSE_KMS, SSE_CUSTOMER };

/* How a body is encrypted, as its metadata says. Views. */
struct sse {
    enum sse_kind kind;
    bool is_dual;       /* aws:kms:dsse */
    bool is_bucket_key; /* kept and returned only */
    unsigned char salt[SSE_SALT_LEN];
    unsigned char check[SSE_CHECK_LEN]; /* of the customer's key */
    struct tn_str key_id;
    struct tn_str context; /* base64, as it was sent */
};

/* --- The ring --- */

/* A file of lines "NAME BASE64", 32 bytes each; '#' begins a comment. The key "s3" is for SSE-S3,
 * "default" for SSE-KMS without a key id. TARN_EINVAL for anything else, ... */
struct sse_keys;
TN_MUST_USE int sse_keys_load(const char *path, struct sse_keys **out, struct tarn_error *err);
void sse_keys_free(struct sse_keys *keys); /* accepts NULL; wipes them */
const unsigned char *sse_keys_find(const struct sse_keys *keys, struct tn_str name); /* or NULL */

/* --- Sizes --- */

uint64_t sse_block_count(uint64_t len);
uint64_t sse_sealed_len(uint64_t len);
uint64_t sse_plain_len(uint64_t sealed_len);

/* --- One body's blocks: crypt --- */

struct sse_cipher;

/* NULL when out of memory. */
struct sse_cipher *sse_cipher_new(const unsigned char key[SSE_KEY_LEN],
                                  const unsigned char salt[SSE_SALT_LEN]);
void sse_cipher_free(struct sse_cipher *c); /* accepts NULL; wipes the key */

/* `out` takes len + SSE_TAG_LEN bytes. */
TN_MUST_USE int sse_seal_block(struct sse_cipher *c, uint64_t number, bool is_last,
                               const void *bytes, size_t len, unsigned char *out);

/* `len` with the tag; `out` takes len - SSE_TAG_LEN. TARN_ECORRUPT. */
TN_MUST_USE int sse_open_block(struct sse_cipher *c, uint64_t number, bool is_last,
                               const unsigned char *bytes, size_t len, unsigned char *out);

/* What tells the right customer's key from another. */
void sse_key_check(const unsigned char key[SSE_KEY_LEN], const unsigned char salt[SSE_SALT_LEN],
                   unsigned char out[SSE_CHECK_LEN]);

/* --- Requests --- */

/* What the headers of a PUT, a copy or a new upload ask for, else the bucket's default: into
 * API_META_SSE of `meta` and r->sse. Also refuses encryption headers on operations that have none.
 */
TN_MUST_USE enum tn_s3_code sse_read_headers(struct api_req *r, struct api_meta *meta);

/* A part is encrypted as its upload says, with a salt of its own; its metadata goes to `part`. */
TN_MUST_USE enum tn_s3_code sse_begin_part(struct api_req *r, const struct api_meta *upload,
                                           struct tn_str *part);

/* The customer's key on completion must be the upload's. S3 needs it (`is_needed`) only for
 * what was uploaded with checksums. */
TN_MUST_USE enum tn_s3_code sse_check_complete(struct api_req *r, const struct api_meta *upload,
                                               bool is_needed);

/* Headers that only reads of SSE-C objects may have; `prefix` is "x-amz-" or "x-amz-copy-source-".
 * Without the right key: InvalidRequest and the like. Makes r->reader when the object r->object
 * with r->meta is encrypted. May wait. */
TN_MUST_USE enum tn_s3_code sse_open(struct api_req *r, const char *prefix);

void sse_add_headers(struct api_req *r, const struct api_meta *meta);

/* The entity tag of what was encrypted so that S3 does not tell its MD5. */
void sse_hide_md5(const struct api_req *r, unsigned char md5[STORE_MD5_LEN]);

/* May a copy share the bytes, or must they be encrypted anew? r->sse is the new one's. */
bool sse_is_same(const struct api_req *r, const struct api_meta *source);

/* Into r->body.store, through r->sse's cipher when there is one. */
TN_MUST_USE int sse_append(struct api_req *r, const char *bytes, size_t len,
                           struct tarn_error *err);
TN_MUST_USE int sse_finish(struct api_req *r, struct tarn_error *err); /* the last block; no seal */

/* Bytes of r->object in the clear; as store_ops.object_read. */
ssize_t sse_read(struct api_req *r, uint64_t offset, void *out, size_t cap, bool may_wait,
                 struct tarn_error *err);

/* Size of r->object in the clear, and the bounds of a part in it. */
uint64_t sse_object_len(const struct api_req *r);
int sse_object_part(struct api_req *r, uint32_t number, uint64_t *offset, uint64_t *len,
                    struct tn_str *meta, struct tarn_error *err);

#endif
