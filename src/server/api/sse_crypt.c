/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: the ring of keys, and blocks. */

#include <assert.h>

#include <openssl/evp.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/hash.h"
#include "server/api/sse.h"

/* --- The ring --- */

struct sse_key {
    char *name;
    unsigned char bytes[SSE_KEY_LEN];
};

struct sse_keys {
    size_t count;
    struct sse_key rows[SSE_KEY_COUNT_MAX];
};

void sse_keys_free(struct sse_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        tn_free(keys->rows[i].name);
    tn_wipe(keys, sizeof *keys);
    tn_free(keys);
}

const unsigned char *sse_keys_find(const struct sse_keys *keys, struct tn_str name)
{
    for (size_t i = 0; keys && i < keys->count; i++) {
        if (tn_str_eq(tn_str_from(keys->rows[i].name), name))
            return keys->rows[i].bytes;
    }
    return NULL;
}

static int read_line(struct sse_keys *keys, struct tn_str line, const char *path,
                     struct tarn_error *err)
{
    struct tn_str name = tn_str_split(&line, ' ');
    struct tn_str text = tn_str_trim(line);
    if (keys->count == SSE_KEY_COUNT_MAX)
        return tn_fail(err, TARN_ETOOBIG, "too many keys in \"%s\"", path);
    if (name.len == 0 || name.len > SSE_KEY_ID_LEN_MAX || sse_keys_find(keys, name))
        return tn_fail(err, TARN_EINVAL, "bad or repeated name of a key in \"%s\"", path);
    struct sse_key *row = &keys->rows[keys->count];
    if (tn_base64_decode(text, row->bytes, SSE_KEY_LEN) != SSE_KEY_LEN)
        return tn_fail(err, TARN_EINVAL, "key \"%.*s\" in \"%s\" is not 32 bytes in base64",
                       TN_STR_ARG(name), path);
    row->name = tn_memdup(name.data, name.len);
    if (!row->name)
        return tn_fail(err, TARN_ENOMEM, "could not keep the keys of \"%s\"", path);
    keys->count++;
    return TARN_OK;
}

static int read_lines(struct sse_keys *keys, struct tn_str text, const char *path,
                      struct tarn_error *err)
{
    while (text.len) {
        struct tn_str line = tn_str_trim(tn_str_split(&text, '\n'));
        if (tn_str_ends(line, TN_STR("\r")))
            line = tn_str_trim(tn_str_sub(line, 0, line.len - 1));
        if (line.len == 0 || line.data[0] == '#')
            continue;
        int rc = read_line(keys, line, path, err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

int sse_keys_load(const char *path, struct sse_keys **out, struct tarn_error *err)
{
    enum { FILE_LEN_MAX = 4 * 1024 * 1024 };
    struct tn_buf text = TN_BUF_INIT(FILE_LEN_MAX);
    int rc = tn_file_read(path, &text, err);
    struct sse_keys *keys = rc == TARN_OK ? tn_calloc(1, sizeof *keys) : NULL;
    if (rc == TARN_OK && !keys)
        rc = tn_fail(err, TARN_ENOMEM, "could not keep the keys of \"%s\"", path);
    if (rc == TARN_OK)
        rc = read_lines(keys, tn_buf_str(&text), path, err);
    tn_wipe(text.data, text.len);
    tn_buf_release(&text);
    if (rc < 0) {
        sse_keys_free(keys);
        return rc;
    }
    *out = keys;
    return TARN_OK;
}

/* --- Keys of bodies: HKDF-SHA256 (RFC 5869), one block of output --- */

static void derive(const unsigned char key[SSE_KEY_LEN], const unsigned char salt[SSE_SALT_LEN],
                   const char *purpose, unsigned char out[TN_SHA256_LEN])
{
    unsigned char extracted[TN_SHA256_LEN];
    char info[64];
    size_t len = strlen(purpose);
    assert(len < sizeof info - 1);
    memcpy(info, purpose, len);
    info[len] = 1;
    tn_hmac_sha256(salt, SSE_SALT_LEN, key, SSE_KEY_LEN, extracted);
    tn_hmac_sha256(extracted, sizeof extracted, info, len + 1, out);
    tn_wipe(extracted, sizeof extracted);
}

void sse_key_check(const unsigned char key[SSE_KEY_LEN], const unsigned char salt[SSE_SALT_LEN],
                   unsigned char out[SSE_CHECK_LEN])
{
    unsigned char derived[TN_SHA256_LEN];
    derive(key, salt, "tarn sse check", derived);
    memcpy(out, derived, SSE_CHECK_LEN);
    tn_wipe(derived, sizeof derived);
}

/* --- Blocks --- */

enum { NONCE_LEN = 12 };

struct sse_cipher {
    EVP_CIPHER_CTX *ctx;
    unsigned char key[TN_SHA256_LEN];
};

struct sse_cipher *sse_cipher_new(const unsigned char key[SSE_KEY_LEN],
                                  const unsigned char salt[SSE_SALT_LEN])
{
    struct sse_cipher *c = tn_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    derive(key, salt, "tarn sse body", c->key);
    c->ctx = EVP_CIPHER_CTX_new();
    if (c->ctx && EVP_CipherInit_ex(c->ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, -1) == 1)
        return c;
    sse_cipher_free(c);
    return NULL;
}

void sse_cipher_free(struct sse_cipher *c)
{
    if (!c)
        return;
    EVP_CIPHER_CTX_free(c->ctx);
    tn_wipe(c, sizeof *c);
    tn_free(c);
}

static bool begin(struct sse_cipher *c, uint64_t number, bool is_last, bool is_sealing)
{
    unsigned char nonce[NONCE_LEN] = { 0 };
    for (size_t i = 0; i < sizeof number; i++)
        nonce[i] = (unsigned char)(number >> (8 * i));
    nonce[NONCE_LEN - 1] = is_last;
    return EVP_CipherInit_ex(c->ctx, NULL, NULL, c->key, nonce, is_sealing) == 1;
}

int sse_seal_block(struct sse_cipher *c, uint64_t number, bool is_last, const void *bytes,
                   size_t len, unsigned char *out)
{
    int done = 0;
    assert(len <= SSE_BLOCK_LEN);
    bool is_fine = begin(c, number, is_last, true) &&
                   EVP_CipherUpdate(c->ctx, out, &done, bytes, (int)len) == 1 &&
                   EVP_CipherFinal_ex(c->ctx, out + done, &done) == 1 &&
                   EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_GCM_GET_TAG, SSE_TAG_LEN, out + len) == 1;
    return is_fine ? TARN_OK : TARN_ENOMEM;
}

int sse_open_block(struct sse_cipher *c, uint64_t number, bool is_last, const unsigned char *bytes,
                   size_t len, unsigned char *out)
{
    int done = 0;
    unsigned char tag[SSE_TAG_LEN];
    if (len < SSE_TAG_LEN || len > SSE_BLOCK_LEN + SSE_TAG_LEN)
        return TARN_ECORRUPT;
    len -= SSE_TAG_LEN;
    memcpy(tag, bytes + len, sizeof tag);
    bool is_fine = begin(c, number, is_last, false) &&
                   EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_GCM_SET_TAG, SSE_TAG_LEN, tag) == 1 &&
                   EVP_CipherUpdate(c->ctx, out, &done, bytes, (int)len) == 1 &&
                   EVP_CipherFinal_ex(c->ctx, out + done, &done) == 1;
    return is_fine ? TARN_OK : TARN_ECORRUPT;
}

/* --- Sizes --- */

uint64_t sse_block_count(uint64_t len)
{
    return len / SSE_BLOCK_LEN + (len % SSE_BLOCK_LEN != 0);
}

uint64_t sse_sealed_len(uint64_t len)
{
    return len + sse_block_count(len) * SSE_TAG_LEN;
}

uint64_t sse_plain_len(uint64_t sealed_len)
{
    const uint64_t sealed = SSE_BLOCK_LEN + SSE_TAG_LEN;
    uint64_t rest = sealed_len % sealed;
    uint64_t len = sealed_len / sealed * SSE_BLOCK_LEN;
    return rest > SSE_TAG_LEN ? len + rest - SSE_TAG_LEN : len;
}
