/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, over OpenSSL but for xxHash. Running ones use EVP with algorithms fetched once (a fetch
 * takes locks and costs more than hashing a small message); digests of one piece use the plain
 * contexts, which live on the stack. */

/* The plain contexts are marked as deprecated in OpenSSL 3, where EVP costs 0.4 us more per digest.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include <assert.h>
#include <pthread.h>

#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/xxh.h"

enum { HMAC_BLOCK_LEN = SHA256_CBLOCK };

static const struct {
    const char *name; /* OpenSSL's; NULL for what is not its */
    size_t len;
} kinds[TN_HASH_KIND_COUNT] = {
    [TN_HASH_MD5] = { "MD5", TN_MD5_LEN },
    [TN_HASH_SHA1] = { "SHA1", TN_SHA1_LEN },
    [TN_HASH_SHA256] = { "SHA256", TN_SHA256_LEN },
    [TN_HASH_SHA512] = { "SHA512", TN_SHA512_LEN },
    [TN_HASH_XXHASH64] = { NULL, TN_XXHASH64_LEN },
    [TN_HASH_XXHASH3] = { NULL, TN_XXHASH64_LEN },
    [TN_HASH_XXHASH128] = { NULL, TN_XXHASH128_LEN },
};

/* Set once by fetch_all, read-only afterwards, never freed: they live as long as the process. */
static EVP_MD *fetched[TN_HASH_KIND_COUNT];
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    for (size_t i = 0; i < TN_HASH_KIND_COUNT; i++) {
        if (kinds[i].name)
            fetched[i] = EVP_MD_fetch(NULL, kinds[i].name, NULL);
    }
}

static bool is_xxh(enum tn_hash_kind kind)
{
    return kind >= TN_HASH_XXHASH64;
}

int tn_hash_init(struct tn_hash *h, enum tn_hash_kind kind)
{
    if (is_xxh(kind)) {
        void *state = tn_xxh_new(kind);
        if (!state)
            return TARN_ENOMEM;
        *h = (struct tn_hash){ state, kind };
        return TARN_OK;
    }
    (void)pthread_once(&fetch_once, fetch_all);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx)
        return TARN_ENOMEM;
    if (!fetched[kind] || EVP_DigestInit_ex2(ctx, fetched[kind], NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return TARN_ENOMEM;
    }
    *h = (struct tn_hash){ ctx, kind };
    return TARN_OK;
}

void tn_hash_release(struct tn_hash *h)
{
    if (is_xxh(h->kind))
        tn_free(h->ctx);
    else
        EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void tn_hash_update(struct tn_hash *h, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    if (is_xxh(h->kind)) {
        tn_xxh_update(h->ctx, h->kind, bytes, len);
        return;
    }
    int ok = EVP_DigestUpdate(h->ctx, bytes, len);
    assert(ok == 1);
    (void)ok;
}

size_t tn_hash_len(enum tn_hash_kind kind)
{
    return kinds[kind].len;
}

void tn_hash_final(struct tn_hash *h, unsigned char *out)
{
    if (is_xxh(h->kind)) {
        tn_xxh_final(h->ctx, h->kind, out);
        return;
    }
    int ok = EVP_DigestFinal_ex(h->ctx, out, NULL);
    assert(ok == 1);
    ok = EVP_DigestInit_ex2(h->ctx, NULL, NULL);
    assert(ok == 1);
    (void)ok;
}

void tn_md5(const void *bytes, size_t len, unsigned char out[TN_MD5_LEN])
{
    MD5_CTX ctx;
    MD5_Init(&ctx);
    if (len)
        MD5_Update(&ctx, bytes, len);
    MD5_Final(out, &ctx);
}

void tn_sha256(const void *bytes, size_t len, unsigned char out[TN_SHA256_LEN])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    if (len)
        SHA256_Update(&ctx, bytes, len);
    SHA256_Final(out, &ctx);
}

/* Begins a digest with the padded key, each byte of it changed by `mask` (RFC 2104). */
static void hmac_start(SHA256_CTX *ctx, const unsigned char pad[HMAC_BLOCK_LEN], unsigned char mask)
{
    unsigned char block[HMAC_BLOCK_LEN];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = pad[i] ^ mask;
    SHA256_Init(ctx);
    SHA256_Update(ctx, block, sizeof block);
    tn_wipe(block, sizeof block);
}

void tn_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                    unsigned char out[TN_SHA256_LEN])
{
    unsigned char pad[HMAC_BLOCK_LEN] = { 0 };
    if (key_len > sizeof pad)
        tn_sha256(key, key_len, pad);
    else if (key_len)
        memcpy(pad, key, key_len);

    SHA256_CTX ctx;
    unsigned char inner[TN_SHA256_LEN];
    hmac_start(&ctx, pad, 0x36);
    if (len)
        SHA256_Update(&ctx, bytes, len);
    SHA256_Final(inner, &ctx);

    hmac_start(&ctx, pad, 0x5c);
    SHA256_Update(&ctx, inner, sizeof inner);
    SHA256_Final(out, &ctx);
    tn_wipe(pad, sizeof pad);
    tn_wipe(&ctx, sizeof ctx);
}
