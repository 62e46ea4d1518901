/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of web identities: signatures, times, keys of all kinds, malformed ones. */

#include "server/auth/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/codec.h"
#include "unit/t.h"

enum { NOW = 1800000000, COORDINATE_LEN = 32, TOKEN_LEN_MAX = 64 * 1024 };

enum key_id { KEY_EC, KEY_RSA, KEY_OTHER_EC, KEY_COUNT };
static EVP_PKEY *keys[KEY_COUNT];
static struct tn_buf jwks; /* of the first two */

/* --- Making them --- */

static void append_base64(struct tn_buf *out, const void *bytes, size_t len)
{
    char text[1024];
    assert_true(TN_BASE64_LEN(len) < sizeof text);
    tn_base64_encode(bytes, len, text);
    for (const char *c = text; *c && *c != '='; c++)
        assert_int_equal(tn_buf_append_char(out, *c == '+' ? '-' : *c == '/' ? '_' : *c), TARN_OK);
}

static size_t sign_ec(EVP_PKEY *key, struct tn_str input, unsigned char *out)
{
    unsigned char der[128];
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, der, &len, (const unsigned char *)input.data, input.len),
                     1);
    EVP_MD_CTX_free(ctx);
    const unsigned char *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(sig);
    (void)BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, COORDINATE_LEN);
    (void)BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + COORDINATE_LEN, COORDINATE_LEN);
    ECDSA_SIG_free(sig);
    return 2 * COORDINATE_LEN;
}

static size_t sign_rsa(EVP_PKEY *key, struct tn_str input, unsigned char *out, size_t cap)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &cap, (const unsigned char *)input.data, input.len),
                     1);
    EVP_MD_CTX_free(ctx);
    return cap;
}

static void make_token(struct tn_buf *out, const char *header, const char *payload,
                       enum key_id which)
{
    unsigned char signature[512];
    tn_buf_truncate(out, 0);
    append_base64(out, header, strlen(header));
    assert_int_equal(tn_buf_append_char(out, '.'), TARN_OK);
    append_base64(out, payload, strlen(payload));
    size_t len = which == KEY_RSA
                     ? sign_rsa(keys[which], tn_buf_str(out), signature, sizeof signature)
                     : sign_ec(keys[which], tn_buf_str(out), signature);
    assert_int_equal(tn_buf_append_char(out, '.'), TARN_OK);
    append_base64(out, signature, len);
}

static void append_ec_key(struct tn_buf *out)
{
    unsigned char point[1 + 2 * COORDINATE_LEN];
    size_t len;
    assert_int_equal(EVP_PKEY_get_octet_string_param(keys[KEY_EC], OSSL_PKEY_PARAM_PUB_KEY, point,
                                                     sizeof point, &len),
                     1);
    assert_int_equal(
        tn_buf_append_text(out, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"x\":\""),
        TARN_OK);
    append_base64(out, point + 1, COORDINATE_LEN);
    assert_int_equal(tn_buf_append_text(out, "\",\"y\":\""), TARN_OK);
    append_base64(out, point + 1 + COORDINATE_LEN, COORDINATE_LEN);
    assert_int_equal(tn_buf_append_text(out, "\"}"), TARN_OK);
}

static void append_number(struct tn_buf *out, const char *name)
{
    unsigned char bytes[512];
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(keys[KEY_RSA], name, &number), 1);
    append_base64(out, bytes, (size_t)BN_bn2bin(number, bytes));
    BN_free(number);
}

static int make_keys(void **state)
{
    (void)state;
    keys[KEY_EC] = EVP_EC_gen("P-256");
    keys[KEY_OTHER_EC] = EVP_EC_gen("P-256");
    keys[KEY_RSA] = EVP_RSA_gen(2048);
    jwks = TN_BUF_INIT(TOKEN_LEN_MAX);
    assert_int_equal(tn_buf_append_text(&jwks, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"},"),
                     TARN_OK);
    append_ec_key(&jwks);
    assert_int_equal(tn_buf_append_text(&jwks, ",{\"kty\":\"RSA\",\"use\":\"sig\",\"n\":\""),
                     TARN_OK);
    append_number(&jwks, OSSL_PKEY_PARAM_RSA_N);
    assert_int_equal(tn_buf_append_text(&jwks, "\",\"e\":\""), TARN_OK);
    append_number(&jwks, OSSL_PKEY_PARAM_RSA_E);
    return tn_buf_append_text(&jwks, "\"}]}");
}

static int free_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEY_COUNT; i++)
        EVP_PKEY_free(keys[i]);
    tn_buf_release(&jwks);
    return 0;
}

/* --- Cases --- */

#define ES256 "{\"alg\":\"ES256\"}"
#define FINE "{\"sub\":\"me\",\"aud\":[\"a\",\"b\"],\"exp\":1800000001}"

static const struct {
    const char *name;
    const char *header;
    const char *payload;
    enum key_id key;
    int expected;
} signed_ones[] = {
    { "ES256", ES256, FINE, KEY_EC, TARN_OK },
    { "RS256", "{\"alg\":\"RS256\"}", FINE, KEY_RSA, TARN_OK },
    { "its key is named", "{\"alg\":\"ES256\",\"kid\":\"e\"}", FINE, KEY_EC, TARN_OK },
    { "another is named", "{\"alg\":\"ES256\",\"kid\":\"f\"}", FINE, KEY_EC, TARN_EDENIED },
    { "no such key", ES256, FINE, KEY_OTHER_EC, TARN_EDENIED },
    { "EC key called RSA", "{\"alg\":\"RS256\"}", FINE, KEY_EC, TARN_EDENIED },
    { "RSA key called EC", ES256, FINE, KEY_RSA, TARN_EDENIED },
    { "none", "{\"alg\":\"none\"}", FINE, KEY_EC, TARN_EDENIED },
    { "HS256", "{\"alg\":\"HS256\"}", FINE, KEY_EC, TARN_EDENIED },
    { "lower case", "{\"alg\":\"es256\"}", FINE, KEY_EC, TARN_EDENIED },
    { "no algorithm", "{}", FINE, KEY_EC, TARN_EDENIED },
    { "must understand", "{\"alg\":\"ES256\",\"crit\":[\"b64\"]}", FINE, KEY_EC, TARN_EDENIED },
    { "header twice", "{\"alg\":\"none\",\"alg\":\"ES256\"}", FINE, KEY_EC, TARN_EINVAL },
    { "header is a list", "[]", FINE, KEY_EC, TARN_EINVAL },
    { "header is no JSON", "{", FINE, KEY_EC, TARN_EINVAL },
    { "claims are a list", ES256, "[]", KEY_EC, TARN_EINVAL },
    { "claims are no JSON", ES256, "{\"exp\":1800000001", KEY_EC, TARN_EINVAL },
    { "claim twice", ES256, "{\"exp\":1,\"exp\":1800000001}", KEY_EC, TARN_EINVAL },
    { "no end", ES256, "{\"sub\":\"me\"}", KEY_EC, TARN_EINVAL },
    { "end is a text", ES256, "{\"exp\":\"1800000001\"}", KEY_EC, TARN_EINVAL },
    { "just over", ES256, "{\"exp\":1799999940}", KEY_EC, TARN_ETIMEOUT },
    { "just not over", ES256, "{\"exp\":1799999941}", KEY_EC, TARN_OK },
    { "long over", ES256, "{\"exp\":-1e300}", KEY_EC, TARN_ETIMEOUT },
    { "just begun", ES256, "{\"exp\":1800000001,\"nbf\":1800000060}", KEY_EC, TARN_OK },
    { "not begun", ES256, "{\"exp\":1800000001,\"nbf\":1800000061}", KEY_EC, TARN_EDENIED },
};

static void test_signed(void **state)
{
    (void)state;
    TN_AUTO_BUF token = TN_BUF_INIT(TOKEN_LEN_MAX);
    for (size_t i = 0; i < TN_COUNT(signed_ones); i++) {
        struct tarn_error err = { 0 };
        json_t *claims = NULL;
        make_token(&token, signed_ones[i].header, signed_ones[i].payload, signed_ones[i].key);
        int rc = jwt_verify(tn_buf_str(&jwks), tn_buf_str(&token), NOW, &claims, &err);
        if (rc != signed_ones[i].expected || (rc == TARN_OK) != (claims != NULL))
            fail_msg("%s: %d %s", signed_ones[i].name, rc, err.message);
        json_decref(claims);
    }
}

static void test_claims(void **state)
{
    (void)state;
    TN_AUTO_BUF token = TN_BUF_INIT(TOKEN_LEN_MAX);
    json_t *claims = NULL;
    make_token(&token, ES256, FINE, KEY_EC);
    assert_int_equal(jwt_verify(tn_buf_str(&jwks), tn_buf_str(&token), NOW, &claims, NULL),
                     TARN_OK);
    assert_true(jwt_claim_has(claims, "sub", TN_STR("me")));
    assert_false(jwt_claim_has(claims, "sub", TN_STR("m")));
    assert_true(jwt_claim_has(claims, "aud", TN_STR("b")));
    assert_false(jwt_claim_has(claims, "aud", TN_STR("c")));
    assert_false(jwt_claim_has(claims, "exp", TN_STR("1800000001")));
    assert_false(jwt_claim_has(claims, "none", TN_STR_EMPTY));
    json_decref(claims);
}

static int verify(struct tn_str set, struct tn_str token)
{
    json_t *claims = NULL;
    int rc = jwt_verify(set, token, NOW, &claims, NULL);
    assert_int_equal(rc == TARN_OK, claims != NULL);
    json_decref(claims);
    return rc;
}

/* Each byte of a good token changed, and each end cut off. */
static void test_broken(void **state)
{
    (void)state;
    TN_AUTO_BUF token = TN_BUF_INIT(TOKEN_LEN_MAX);
    make_token(&token, ES256, FINE, KEY_EC);
    for (size_t i = 0; i < token.len; i++) {
        char kept = token.data[i];
        assert_int_not_equal(verify(tn_buf_str(&jwks), tn_str_sub(tn_buf_str(&token), 0, i)),
                             TARN_OK);
        static const char others[] = { '.', 'A', '\x80' };
        for (size_t k = 0; k < TN_COUNT(others); k++) {
            /* The last digit of a signature has bits that stand for nothing. */
            if (others[k] == kept || i + 1 == token.len)
                continue;
            token.data[i] = others[k];
            assert_int_not_equal(verify(tn_buf_str(&jwks), tn_buf_str(&token)), TARN_OK);
        }
        token.data[i] = kept;
    }
    assert_int_equal(verify(tn_buf_str(&jwks), tn_buf_str(&token)), TARN_OK);
    assert_int_equal(tn_buf_append_text(&token, ".AAAA"), TARN_OK);
    assert_int_equal(verify(tn_buf_str(&jwks), tn_buf_str(&token)), TARN_EINVAL);
}

static void test_sets(void **state)
{
    (void)state;
    static const char *const sets[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[null,1,\"x\",[],{}]}",
        "{\"keys\":[{\"kty\":\"EC\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":null}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"!!\",\"e\":\"AQAB\"}]}",
    };
    TN_AUTO_BUF token = TN_BUF_INIT(TOKEN_LEN_MAX);
    make_token(&token, ES256, FINE, KEY_EC);
    for (size_t i = 0; i < TN_COUNT(sets); i++)
        assert_int_not_equal(verify(tn_str_from(sets[i]), tn_buf_str(&token)), TARN_OK);
    for (size_t i = 0; i < jwks.len; i++)
        assert_int_not_equal(verify(tn_str_sub(tn_buf_str(&jwks), 0, i), tn_buf_str(&token)),
                             TARN_OK);
}

static void test_too_large(void **state)
{
    (void)state;
    TN_AUTO_BUF large = TN_BUF_INIT(2 * JWKS_LEN_MAX);
    TN_AUTO_BUF token = TN_BUF_INIT(TOKEN_LEN_MAX);
    make_token(&token, ES256, FINE, KEY_EC);
    assert_int_equal(tn_buf_append_str(&large, tn_buf_str(&jwks)), TARN_OK);
    while (large.len <= JWKS_LEN_MAX)
        assert_int_equal(tn_buf_append_char(&large, ' '), TARN_OK);
    assert_int_equal(verify(tn_buf_str(&large), tn_buf_str(&token)), TARN_EINVAL);
    assert_int_equal(verify(tn_str_sub(tn_buf_str(&large), 0, JWKS_LEN_MAX), tn_buf_str(&token)),
                     TARN_OK);
    while (token.len <= JWT_LEN_MAX)
        assert_int_equal(tn_buf_append_char(&token, 'A'), TARN_OK);
    assert_int_equal(verify(tn_buf_str(&jwks), tn_buf_str(&token)), TARN_EINVAL);
}

static int verify_good(void *arg)
{
    const struct tn_buf *token = arg;
    return verify(tn_buf_str(&jwks), tn_buf_str(token));
}

static void test_no_memory(void **state)
{
    (void)state;
    TN_AUTO_BUF token = TN_BUF_INIT(TOKEN_LEN_MAX);
    make_token(&token, ES256, FINE, KEY_EC);
    t_oom_sweep(verify_good, &token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),    cmocka_unit_test(test_claims),
        cmocka_unit_test(test_broken),    cmocka_unit_test(test_sets),
        cmocka_unit_test(test_too_large), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
