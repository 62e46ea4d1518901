/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Tokens. */

#include "server/auth/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/arena.h"
#include "base/codec.h"

enum { ARENA_MAX = 1024 * 1024, COORDINATE_LEN = 32, RSA_LEN_MIN = 256 };

/* --- Base64 with '-' and '_', without padding --- */

static int decode(struct tn_arena *arena, struct tn_str text, struct tn_str *out)
{
    size_t padded = (text.len + 3) / 4 * 4;
    char *copy = tn_arena_alloc(arena, padded + 1);
    char *bytes = tn_arena_alloc(arena, padded + 1);
    if (!copy || !bytes)
        return TARN_ENOMEM;
    for (size_t i = 0; i < padded; i++) {
        char c = i < text.len ? text.data[i] : '=';
        if (i < text.len && (c == '+' || c == '/' || c == '='))
            return TARN_EINVAL;
        copy[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    ssize_t len = tn_base64_decode((struct tn_str){ copy, padded }, bytes, padded);
    if (len < 0)
        return TARN_EINVAL;
    *out = (struct tn_str){ bytes, (size_t)len };
    return TARN_OK;
}

static struct tn_str text_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_string(value)
               ? (struct tn_str){ json_string_value(value), json_string_length(value) }
               : TN_STR_EMPTY;
}

/* --- Keys --- */

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *make_rsa(struct tn_str n, struct tn_str e)
{
    EVP_PKEY *key = NULL;
    if (n.len < RSA_LEN_MIN || n.len > 1024 || e.len == 0 || e.len > 8)
        return NULL;
    BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.data, (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.data, (int)e.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (modulus && exponent && build &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = make_key("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *make_ec(struct tn_str x, struct tn_str y)
{
    EVP_PKEY *key = NULL;
    unsigned char point[1 + 2 * COORDINATE_LEN] = { POINT_CONVERSION_UNCOMPRESSED };
    if (x.len != COORDINATE_LEN || y.len != COORDINATE_LEN)
        return NULL;
    memcpy(point + 1, x.data, COORDINATE_LEN);
    memcpy(point + 1 + COORDINATE_LEN, y.data, COORDINATE_LEN);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
        key = make_key("EC", build);
    OSSL_PARAM_BLD_free(build);
    return key;
}

/* NULL for a key of another kind, or one that cannot be read. */
static EVP_PKEY *read_key(struct tn_arena *arena, const json_t *json, bool is_ec)
{
    struct tn_str a;
    struct tn_str b;
    const char *names[2] = { is_ec ? "x" : "n", is_ec ? "y" : "e" };
    struct tn_str use = text_of(json, "use");
    if (!tn_str_eq(text_of(json, "kty"), is_ec ? TN_STR("EC") : TN_STR("RSA")) ||
        (is_ec && !tn_str_eq(text_of(json, "crv"), TN_STR("P-256"))) ||
        (use.len && !tn_str_eq(use, TN_STR("sig"))))
        return NULL;
    if (decode(arena, text_of(json, names[0]), &a) < 0 ||
        decode(arena, text_of(json, names[1]), &b) < 0)
        return NULL;
    return is_ec ? make_ec(a, b) : make_rsa(a, b);
}

/* --- Signatures --- */

/* RFC 7518 has r and s side by side, OpenSSL wants them in DER. */
static int to_der(struct tn_arena *arena, struct tn_str raw, struct tn_str *out)
{
    if (raw.len != 2 * COORDINATE_LEN)
        return TARN_EDENIED;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.data, COORDINATE_LEN, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.data + COORDINATE_LEN, COORDINATE_LEN, NULL);
    unsigned char *der = NULL;
    int len = -1;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = NULL;
        s = NULL;
        len = i2d_ECDSA_SIG(sig, &der);
    }
    char *copy = len > 0 ? tn_arena_memdup(arena, der, (size_t)len) : NULL;
    OPENSSL_free(der);
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    if (!copy)
        return TARN_ENOMEM;
    *out = (struct tn_str){ copy, (size_t)len };
    return TARN_OK;
}

static bool is_signed_by(EVP_PKEY *key, struct tn_str input, struct tn_str signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_fine = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestVerify(ctx, (const unsigned char *)signature.data, signature.len,
                                    (const unsigned char *)input.data, input.len) == 1;
    EVP_MD_CTX_free(ctx);
    return is_fine;
}

struct parts {
    struct tn_str header;
    struct tn_str payload;
    struct tn_str signature;
    struct tn_str input; /* what is signed */
};

static int split(struct tn_arena *arena, struct tn_str token, struct parts *out)
{
    struct tn_str rest = token;
    struct tn_str header = tn_str_split(&rest, '.');
    struct tn_str payload = tn_str_split(&rest, '.');
    out->input = tn_str_sub(token, 0, header.len + 1 + payload.len);
    if (token.len > JWT_LEN_MAX || header.len == 0 || payload.len == 0 || rest.len == 0)
        return TARN_EINVAL;
    int rc = decode(arena, header, &out->header);
    if (rc == TARN_OK)
        rc = decode(arena, payload, &out->payload);
    if (rc == TARN_OK)
        rc = decode(arena, rest, &out->signature);
    return rc;
}

/* Tries the keys of the right kind, and of the right id where both sides name one. */
static int check_keys(struct tn_arena *arena, const json_t *jwks, const json_t *header,
                      const struct parts *parts)
{
    struct tn_str algorithm = text_of(header, "alg");
    struct tn_str id = text_of(header, "kid");
    bool is_ec = tn_str_eq(algorithm, TN_STR("ES256"));
    struct tn_str signature = parts->signature;
    const json_t *keys = json_object_get(jwks, "keys");
    if ((!is_ec && !tn_str_eq(algorithm, TN_STR("RS256"))) || json_object_get(header, "crit"))
        return TARN_EDENIED;
    int rc = is_ec ? to_der(arena, signature, &signature) : TARN_OK;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < json_array_size(keys) && i < JWKS_KEY_COUNT_MAX; i++) {
        const json_t *json = json_array_get(keys, i);
        struct tn_str own = text_of(json, "kid");
        if (id.len && own.len && !tn_str_eq(id, own))
            continue;
        EVP_PKEY *key = read_key(arena, json, is_ec);
        bool is_fine = key && is_signed_by(key, parts->input, signature);
        EVP_PKEY_free(key);
        if (is_fine)
            return TARN_OK;
    }
    return TARN_EDENIED;
}

static int check_times(const json_t *claims, int64_t now)
{
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");
    if (!json_is_number(expires))
        return TARN_EINVAL;
    if (json_number_value(expires) <= (double)(now - JWT_SKEW_S))
        return TARN_ETIMEOUT;
    if (json_is_number(not_before) && json_number_value(not_before) > (double)(now + JWT_SKEW_S))
        return TARN_EDENIED;
    return TARN_OK;
}

static int verify(struct tn_arena *arena, const json_t *jwks, struct tn_str token, int64_t now,
                  json_t **claims)
{
    struct parts parts;
    int rc = split(arena, token, &parts);
    if (rc < 0)
        return rc;
    json_t *header = json_loadb(parts.header.data, parts.header.len, JSON_REJECT_DUPLICATES, NULL);
    rc = json_is_object(header) ? check_keys(arena, jwks, header, &parts) : TARN_EINVAL;
    json_decref(header);
    if (rc < 0)
        return rc;
    json_t *payload =
        json_loadb(parts.payload.data, parts.payload.len, JSON_REJECT_DUPLICATES, NULL);
    rc = json_is_object(payload) ? check_times(payload, now) : TARN_EINVAL;
    if (rc < 0) {
        json_decref(payload);
        return rc;
    }
    *claims = payload;
    return TARN_OK;
}

static const char *text_of_status(int status)
{
    switch (status) {
    case TARN_EDENIED:
        return "no key that is known here signed it, or it is not valid yet";
    case TARN_ETIMEOUT:
        return "it has expired";
    case TARN_ENOMEM:
        return "out of memory";
    default:
        return "it is not a token";
    }
}

int jwt_verify(struct tn_str jwks, struct tn_str token, int64_t now, json_t **claims,
               struct tarn_error *err)
{
    struct tn_arena arena;
    json_t *keys = jwks.len > JWKS_LEN_MAX ? NULL : json_loadb(jwks.data, jwks.len, 0, NULL);
    if (!json_is_array(json_object_get(keys, "keys"))) {
        json_decref(keys);
        return tn_fail(err, TARN_EINVAL, "the set of keys is malformed");
    }
    tn_arena_init(&arena, ARENA_MAX);
    int rc = verify(&arena, keys, token, now, claims);
    tn_arena_release(&arena);
    json_decref(keys);
    return rc < 0 ? tn_fail(err, rc, "could not take the token: %s", text_of_status(rc)) : TARN_OK;
}

bool jwt_claim_has(const json_t *claims, const char *name, struct tn_str text)
{
    const json_t *value = json_object_get(claims, name);
    if (tn_str_eq(text_of(claims, name), text) && json_is_string(value))
        return true;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (json_is_string(item) &&
            tn_str_eq((struct tn_str){ json_string_value(item), json_string_length(item) }, text))
            return true;
    }
    return false;
}
