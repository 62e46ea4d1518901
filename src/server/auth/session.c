/* SPDX-License-Identifier: Apache-2.0 */
/* Session tokens: version byte, nonce, AES-256-GCM of the fields, tag; all of it in base64. */

#include "server/auth/session.h"

#include <openssl/evp.h>

#include "base/codec.h"
#include "base/rand.h"

enum { VERSION = 1, NONCE_LEN = 12, TAG_LEN = 16, FIELD_COUNT = 9 };

/* --- Fields: a length of four bytes and the text, each in its place --- */

static int put(struct tn_buf *out, struct tn_str text)
{
    unsigned char len[4] = { (unsigned char)(text.len >> 24), (unsigned char)(text.len >> 16),
                             (unsigned char)(text.len >> 8), (unsigned char)text.len };
    int rc = tn_buf_append(out, len, sizeof len);
    return rc == TARN_OK ? tn_buf_append_str(out, text) : rc;
}

static bool get(struct tn_str *rest, struct tn_str *out)
{
    if (rest->len < 4)
        return false;
    const unsigned char *b = (const unsigned char *)rest->data;
    size_t len = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    if (len > rest->len - 4)
        return false;
    *out = tn_str_sub(*rest, 4, len);
    *rest = tn_str_sub(*rest, 4 + len, SIZE_MAX);
    return true;
}

static int write_fields(const struct session *s, struct tn_buf *out)
{
    char expires[24];
    (void)snprintf(expires, sizeof expires, "%lld", (long long)s->expires);
    const struct tn_str fields[FIELD_COUNT] = { s->access_key, s->secret, s->account,
                                                s->id,         s->name,   s->subject,
                                                s->issuer,     s->policy, tn_str_from(expires) };
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < FIELD_COUNT; i++)
        rc = put(out, fields[i]);
    return rc;
}

static bool read_fields(struct tn_str text, struct session *out)
{
    struct session s;
    struct tn_str expires;
    uint64_t seconds;
    struct tn_str *const fields[FIELD_COUNT] = { &s.access_key, &s.secret, &s.account,
                                                 &s.id,         &s.name,   &s.subject,
                                                 &s.issuer,     &s.policy, &expires };
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!get(&text, fields[i]))
            return false;
    }
    if (text.len || tn_str_to_u64(expires, &seconds) < 0 || seconds > INT64_MAX)
        return false;
    s.expires = (int64_t)seconds;
    *out = s;
    return true;
}

/* --- Sealing --- */

static bool encrypt(const unsigned char *key, unsigned char *box, const struct tn_buf *plain)
{
    int len = 0;
    unsigned char *nonce = box + 1;
    unsigned char *text = nonce + NONCE_LEN;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_EncryptUpdate(c, NULL, &len, box, 1) == 1 &&
              EVP_EncryptUpdate(c, text, &len, (const unsigned char *)plain->data,
                                (int)plain->len) == 1 &&
              EVP_EncryptFinal_ex(c, text + plain->len, &len) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_LEN, text + plain->len) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

static bool decrypt(const unsigned char *key, const unsigned char *box, size_t plain_len,
                    unsigned char *plain)
{
    int len = 0;
    unsigned char tag[TAG_LEN];
    const unsigned char *nonce = box + 1;
    const unsigned char *text = nonce + NONCE_LEN;
    memcpy(tag, text + plain_len, sizeof tag);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_DecryptUpdate(c, NULL, &len, box, 1) == 1 &&
              EVP_DecryptUpdate(c, plain, &len, text, (int)plain_len) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
              EVP_DecryptFinal_ex(c, plain + plain_len, &len) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

static int seal_fields(const unsigned char *key, const struct tn_buf *plain, struct tn_buf *out)
{
    size_t len = 1 + NONCE_LEN + plain->len + TAG_LEN;
    unsigned char *box = tn_realloc(NULL, len);
    if (!box)
        return TARN_ENOMEM;
    box[0] = VERSION;
    tn_random_bytes(box + 1, NONCE_LEN);
    int rc = encrypt(key, box, plain) ? tn_buf_reserve(out, TN_BASE64_LEN(len) + 1) : TARN_ENOMEM;
    if (rc == TARN_OK) {
        tn_base64_encode(box, len, out->data + out->len);
        out->len += TN_BASE64_LEN(len);
    }
    tn_free(box);
    return rc;
}

int session_seal(const unsigned char key[SESSION_KEY_LEN], const struct session *session,
                 struct tn_buf *out)
{
    TN_AUTO_BUF plain = TN_BUF_INIT(SESSION_TOKEN_LEN_MAX / 4 * 3 - 64);
    int rc = write_fields(session, &plain);
    if (rc == TARN_OK)
        rc = seal_fields(key, &plain, out);
    tn_wipe(plain.data, plain.len);
    return rc;
}

int session_open(const unsigned char key[SESSION_KEY_LEN], struct tn_str token,
                 struct tn_arena *arena, struct session *out)
{
    const size_t around = 1 + NONCE_LEN + TAG_LEN;
    if (token.len > SESSION_TOKEN_LEN_MAX || token.len < TN_BASE64_LEN(around))
        return TARN_EDENIED;
    unsigned char *box = tn_arena_alloc(arena, token.len);
    unsigned char *plain = tn_arena_alloc(arena, token.len);
    if (!box || !plain)
        return TARN_ENOMEM;
    ssize_t len = tn_base64_decode(token, box, token.len);
    if (len < (ssize_t)around || box[0] != VERSION)
        return TARN_EDENIED;
    size_t plain_len = (size_t)len - around;
    if (!decrypt(key, box, plain_len, plain))
        return TARN_EDENIED;
    struct tn_str text = { (const char *)plain, plain_len };
    return read_fields(text, out) ? TARN_OK : TARN_EDENIED;
}

void auth_session_free(struct auth_session *session)
{
    if (!session)
        return;
    /* The arena's text is not ours to change through views, but the secret must not stay. */
    if (session->is.secret.len) {
        char *secret;
        memcpy(&secret, &session->is.secret.data, sizeof secret);
        tn_wipe(secret, session->is.secret.len);
    }
    tn_arena_release(&session->arena);
    tn_free(session);
}
