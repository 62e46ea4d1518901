/* SPDX-License-Identifier: Apache-2.0 */
/* Authenticated encryption in chunks, with an end that cannot be cut off.
 *
 *   header   "TNB1", cipher (1 byte), 3 zero bytes, salt (32 bytes)
 *   chunk    length of the plain bytes with the top bit set in the last chunk (4 bytes, big
 * endian), ciphertext, tag (16 bytes)
 *
 * The key of a stream is HKDF-SHA256(key, salt, header's first 8 bytes): no two streams share one,
 * so that nonces can count. Header and length are authenticated with each chunk. All chunks but the
 * last are full, the last may be empty. */

#include <openssl/evp.h>

#include "base/hash.h"
#include "base/rand.h"
#include "spill/stream.h"

enum {
    CHUNK_LEN = 64 << 10,
    HEADER_LEN = 40,
    SALT_AT = 8,
    LENGTH_LEN = 4,
    TAG_LEN = 16,
    NONCE_LEN = 12,
    AAD_LEN = HEADER_LEN + LENGTH_LEN
};
static const uint32_t LAST_BIT = 1u << 31;

/* What both directions share. */
struct cipher {
    EVP_CIPHER_CTX *ctx;
    unsigned char header[AAD_LEN]; /* and the length of the chunk behind it */
    uint64_t number;               /* of the next chunk */
};

static const EVP_CIPHER *cipher_of(enum tarn_buffer_filter_kind kind)
{
    return kind == TARN_BUFFER_AES_256_GCM ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
}

static void make_header(enum tarn_buffer_filter_kind kind, unsigned char header[HEADER_LEN])
{
    memset(header, 0, HEADER_LEN);
    memcpy(header, "TNB1", 4);
    header[4] = kind == TARN_BUFFER_AES_256_GCM ? 1 : 2;
}

/* RFC 5869 with one block of output. */
static void derive(const void *key, const unsigned char header[HEADER_LEN],
                   unsigned char out[TN_SHA256_LEN])
{
    unsigned char prk[TN_SHA256_LEN];
    unsigned char info[SALT_AT + 1];
    tn_hmac_sha256(header + SALT_AT, HEADER_LEN - SALT_AT, key, TARN_BUFFER_KEY_LEN, prk);
    memcpy(info, header, SALT_AT);
    info[SALT_AT] = 1;
    tn_hmac_sha256(prk, sizeof prk, info, sizeof info, out);
    tn_wipe(prk, sizeof prk);
}

static int cipher_start(struct cipher *c, enum tarn_buffer_filter_kind kind, const void *key,
                        bool encrypts)
{
    unsigned char stream_key[TN_SHA256_LEN];
    derive(key, c->header, stream_key);
    int ok = EVP_CipherInit_ex(c->ctx, cipher_of(kind), NULL, stream_key, NULL, encrypts);
    tn_wipe(stream_key, sizeof stream_key);
    return ok == 1 ? TARN_OK : TARN_EIO;
}

static void put_u32(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const unsigned char *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* Nonce and authenticated data of the next chunk; its length field is in c->header already. */
static bool chunk_start(struct cipher *c, bool encrypts)
{
    unsigned char nonce[NONCE_LEN] = { 0 };
    int len;
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (unsigned char)(c->number >> (56 - 8 * i));
    c->number++;
    return EVP_CipherInit_ex(c->ctx, NULL, NULL, NULL, nonce, encrypts) == 1 &&
           EVP_CipherUpdate(c->ctx, NULL, &len, c->header, AAD_LEN) == 1;
}

struct aead_writer {
    struct spill_writer base;
    struct cipher cipher;
    bool has_header;
    size_t len; /* of `plain` */
    unsigned char plain[CHUNK_LEN];
    unsigned char out[CHUNK_LEN + TAG_LEN];
};

static int write_chunk(struct aead_writer *w, bool is_last, struct tarn_error *err)
{
    struct spill_writer *next = w->base.next;
    struct cipher *c = &w->cipher;
    int len = 0, rest = 0;
    int rc = w->has_header ? TARN_OK : next->write(next, c->header, HEADER_LEN, err);
    w->has_header = true;
    put_u32(c->header + HEADER_LEN, (uint32_t)w->len | (is_last ? LAST_BIT : 0));
    if (rc < 0)
        return rc;
    if (!chunk_start(c, true) ||
        EVP_CipherUpdate(c->ctx, w->out, &len, w->plain, (int)w->len) != 1 ||
        EVP_CipherFinal_ex(c->ctx, w->out + len, &rest) != 1 || (size_t)len != w->len ||
        EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, w->out + w->len) != 1)
        return tn_fail(err, TARN_EIO, "could not encrypt");
    rc = next->write(next, c->header + HEADER_LEN, LENGTH_LEN, err);
    if (rc == TARN_OK)
        rc = next->write(next, w->out, w->len + TAG_LEN, err);
    w->len = 0;
    return rc;
}

static int aead_write(struct spill_writer *base, const void *bytes, size_t len,
                      struct tarn_error *err)
{
    struct aead_writer *w = TN_CONTAINER(base, struct aead_writer, base);
    const char *from = bytes;
    while (len > 0) {
        size_t now = CHUNK_LEN - w->len < len ? CHUNK_LEN - w->len : len;
        memcpy(w->plain + w->len, from, now);
        w->len += now;
        from += now;
        len -= now;
        int rc = w->len == CHUNK_LEN ? write_chunk(w, false, err) : TARN_OK;
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int aead_finish(struct spill_writer *base, struct tarn_error *err)
{
    return write_chunk(TN_CONTAINER(base, struct aead_writer, base), true, err);
}

static void aead_writer_free(struct spill_writer *base)
{
    struct aead_writer *w = TN_CONTAINER(base, struct aead_writer, base);
    EVP_CIPHER_CTX_free(w->cipher.ctx);
    tn_wipe(w->plain, sizeof w->plain);
    tn_free(w);
}

struct spill_writer *spill_aead_writer(enum tarn_buffer_filter_kind kind, const void *key,
                                       struct spill_writer *next, struct tarn_error *err)
{
    struct aead_writer *w = tn_calloc(1, sizeof *w);
    if (w) {
        w->base = (struct spill_writer){ aead_write, aead_finish, aead_writer_free, next };
        make_header(kind, w->cipher.header);
        tn_random_bytes(w->cipher.header + SALT_AT, HEADER_LEN - SALT_AT);
        w->cipher.ctx = EVP_CIPHER_CTX_new();
    }
    if (w && w->cipher.ctx && cipher_start(&w->cipher, kind, key, true) == TARN_OK)
        return &w->base;
    if (w)
        aead_writer_free(&w->base);
    (void)tn_fail(err, TARN_ENOMEM, "could not encrypt: out of memory");
    return NULL;
}

struct aead_reader {
    struct spill_reader base;
    struct cipher cipher;
    enum tarn_buffer_filter_kind kind;
    unsigned char key[TARN_BUFFER_KEY_LEN];
    bool has_header;
    bool is_last;
    bool is_over;
    size_t at;
    size_t len; /* of `plain` */
    unsigned char in[CHUNK_LEN + TAG_LEN];
    unsigned char plain[CHUNK_LEN];
};

static int damaged(struct tarn_error *err, const char *what)
{
    return tn_fail(err, TARN_ECORRUPT, "could not decrypt a buffer: %s", what);
}

/* Exactly `len` bytes. */
static int need(struct aead_reader *r, void *out, size_t len, struct tarn_error *err)
{
    int64_t n = spill_read_full(r->base.source, out, len, err);
    if (n < 0)
        return (int)n;
    return (size_t)n == len ? TARN_OK : damaged(err, "it is cut short");
}

static int read_header(struct aead_reader *r, struct tarn_error *err)
{
    unsigned char expected[HEADER_LEN];
    int rc = need(r, r->cipher.header, HEADER_LEN, err);
    if (rc < 0)
        return rc;
    make_header(r->kind, expected);
    if (memcmp(expected, r->cipher.header, SALT_AT) != 0)
        return damaged(err, "its header is another one");
    r->has_header = true;
    return cipher_start(&r->cipher, r->kind, r->key, false) < 0
               ? tn_fail(err, TARN_EIO, "could not decrypt a buffer")
               : TARN_OK;
}

static int read_chunk(struct aead_reader *r, struct tarn_error *err)
{
    struct cipher *c = &r->cipher;
    unsigned char *field = c->header + HEADER_LEN;
    int len = 0, rest = 0;
    int rc = r->has_header ? TARN_OK : read_header(r, err);
    if (rc == TARN_OK)
        rc = need(r, field, LENGTH_LEN, err);
    if (rc < 0)
        return rc;
    size_t want = get_u32(field) & ~LAST_BIT;
    bool is_last = (get_u32(field) & LAST_BIT) != 0;
    if (want > CHUNK_LEN || (!is_last && want != CHUNK_LEN))
        return damaged(err, "a chunk has no length that may be");
    rc = need(r, r->in, want + TAG_LEN, err);
    if (rc < 0)
        return rc;
    if (!chunk_start(c, false) || EVP_CipherUpdate(c->ctx, r->plain, &len, r->in, (int)want) != 1 ||
        EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, r->in + want) != 1 ||
        EVP_CipherFinal_ex(c->ctx, r->plain + len, &rest) != 1)
        return damaged(err, "a chunk is not what was written");
    r->at = 0;
    r->len = want;
    r->is_last = is_last;
    return TARN_OK;
}

/* Nothing may follow the last chunk. */
static int check_end(struct aead_reader *r, struct tarn_error *err)
{
    char more;
    int64_t n = r->base.source->read(r->base.source, &more, 1, err);
    if (n > 0)
        return damaged(err, "bytes behind its end");
    r->is_over = n == 0;
    return (int)n;
}

static int64_t aead_read(struct spill_reader *base, void *out, size_t cap, struct tarn_error *err)
{
    struct aead_reader *r = TN_CONTAINER(base, struct aead_reader, base);
    while (r->at == r->len && !r->is_over) {
        int rc = r->is_last ? check_end(r, err) : read_chunk(r, err);
        if (rc < 0)
            return rc;
    }
    size_t now = r->len - r->at < cap ? r->len - r->at : cap;
    memcpy(out, r->plain + r->at, now);
    r->at += now;
    return (int64_t)now;
}

static void aead_reader_free(struct spill_reader *base)
{
    struct aead_reader *r = TN_CONTAINER(base, struct aead_reader, base);
    EVP_CIPHER_CTX_free(r->cipher.ctx);
    tn_wipe(r->key, sizeof r->key);
    tn_wipe(r->plain, sizeof r->plain);
    tn_free(r);
}

struct spill_reader *spill_aead_reader(enum tarn_buffer_filter_kind kind, const void *key,
                                       struct spill_reader *source, struct tarn_error *err)
{
    struct aead_reader *r = tn_calloc(1, sizeof *r);
    if (r) {
        r->base = (struct spill_reader){ aead_read, aead_reader_free, source };
        r->kind = kind;
        memcpy(r->key, key, sizeof r->key);
        r->cipher.ctx = EVP_CIPHER_CTX_new();
    }
    if (r && r->cipher.ctx)
        return &r->base;
    if (r)
        aead_reader_free(&r->base);
    (void)tn_fail(err, TARN_ENOMEM, "could not decrypt a buffer: out of memory");
    return NULL;
}
