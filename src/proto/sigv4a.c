/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4A: key derivation and verification. */

#include "proto/sigv4a.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"

static const char label[] = "AWS4-ECDSA-P256-SHA256";
static const char empty_sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
enum {
    LABEL_LEN = sizeof label - 1,
    TEXT_LEN_MAX = 256,
    POINT_LEN = 65,
    SIGN_TEXT_LEN_MAX = 64 + sizeof(struct tn_sigv4_chain) + 4 * TN_SHA256_LEN,
};

/* The order of P-256, less two. */
static const unsigned char order_less_two[TN_SIGV4A_SCALAR_LEN] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
};

/* NIST SP 800-108 in counter mode: one block of HMAC-SHA256 for each try. */
static void derive_block(const char *key, size_t key_len, struct tn_str access_key, unsigned try,
                         unsigned char out[TN_SHA256_LEN])
{
    unsigned char input[4 + LABEL_LEN + 1 + TEXT_LEN_MAX + 1 + 4] = { 0, 0, 0, 1 };
    size_t len = 4;
    memcpy(input + len, label, LABEL_LEN);
    len += LABEL_LEN;
    input[len++] = 0;
    memcpy(input + len, access_key.data, access_key.len);
    len += access_key.len;
    input[len++] = (unsigned char)try;
    input[len++] = 0;
    input[len++] = 0;
    input[len++] = 1; /* 256 bits */
    input[len++] = 0;
    tn_hmac_sha256(key, key_len, input, len, out);
}

int tn_sigv4a_derive(struct tn_str access_key, struct tn_str secret,
                     unsigned char scalar[TN_SIGV4A_SCALAR_LEN])
{
    char key[5 + TEXT_LEN_MAX] = "AWS4A";
    int rc = TARN_EINVAL;
    if (access_key.len > TEXT_LEN_MAX || secret.len > TEXT_LEN_MAX)
        return TARN_EINVAL;
    memcpy(key + 5, secret.data, secret.len);
    for (unsigned try = 1; rc < 0 && try < 255; try++) {
        unsigned char block[TN_SHA256_LEN];
        derive_block(key, 5 + secret.len, access_key, try, block);
        if (memcmp(block, order_less_two, sizeof block) <= 0) {
            for (size_t i = sizeof block; i-- > 0 && ++block[i] == 0;)
                continue; /* plus one */
            memcpy(scalar, block, sizeof block);
            rc = TARN_OK;
        }
        tn_wipe(block, sizeof block);
    }
    tn_wipe(key, sizeof key);
    return rc;
}

/* The public point of the private key. */
static bool make_point(const unsigned char *scalar, unsigned char point[POINT_LEN])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *number = BN_bin2bn(scalar, TN_SIGV4A_SCALAR_LEN, NULL);
    EC_POINT *p = group ? EC_POINT_new(group) : NULL;
    bool is_fine = p && number && EC_POINT_mul(group, p, number, NULL, NULL, NULL) == 1 &&
                   EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, POINT_LEN,
                                      NULL) == POINT_LEN;
    EC_POINT_free(p);
    BN_clear_free(number);
    EC_GROUP_free(group);
    return is_fine;
}

static EVP_PKEY *make_key(const unsigned char *scalar)
{
    EVP_PKEY *key = NULL;
    unsigned char point[POINT_LEN];
    if (!make_point(scalar, point))
        return NULL;
    char group[] = "prime256v1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

bool tn_sigv4a_verify(const unsigned char scalar[TN_SIGV4A_SCALAR_LEN], struct tn_str text,
                      struct tn_str signature)
{
    unsigned char der[TN_SIGV4A_SIGNATURE_LEN_MAX / 2];
    if (signature.len > TN_SIGV4A_SIGNATURE_LEN_MAX || signature.len == 0 ||
        tn_hex_decode(signature, der) < 0)
        return false;
    EVP_PKEY *key = make_key(scalar);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_fine = key && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestVerify(ctx, der, signature.len / 2, (const unsigned char *)text.data,
                                    text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return is_fine;
}

/* --- Chunks --- */

int tn_sigv4a_chain_init(struct tn_sigv4_chain *chain,
                         const unsigned char scalar[TN_SIGV4A_SCALAR_LEN], int64_t time,
                         struct tn_str scope, struct tn_str seed)
{
    char text[TN_TIME_LEN];
    if (scope.len >= sizeof chain->scope || seed.len >= sizeof chain->previous)
        return TARN_EINVAL;
    memset(chain, 0, sizeof *chain);
    tn_time_basic(time, text);
    chain->is_asymmetric = true;
    memcpy(chain->key, scalar, TN_SIGV4A_SCALAR_LEN);
    memcpy(chain->time, text, sizeof chain->time - 1);
    memcpy(chain->scope, scope.data, scope.len);
    memcpy(chain->previous, seed.data, seed.len);
    return TARN_OK;
}

bool tn_sigv4a_chain_take(struct tn_sigv4_chain *chain, bool is_trailer,
                          const unsigned char sha256[TN_SHA256_LEN], struct tn_str signature)
{
    char text[SIGN_TEXT_LEN_MAX];
    char hex[2 * TN_SHA256_LEN + 1];
    while (signature.len && signature.data[signature.len - 1] == '*')
        signature.len--;
    if (signature.len >= sizeof chain->previous)
        return false;
    tn_hex_encode(sha256, TN_SHA256_LEN, hex);
    int len =
        snprintf(text, sizeof text, "AWS4-ECDSA-P256-SHA256-%s\n%s\n%s\n%s\n%s%s%s",
                 is_trailer ? "TRAILER" : "PAYLOAD", chain->time, chain->scope, chain->previous,
                 is_trailer ? "" : empty_sha256, is_trailer ? "" : "\n", hex);
    if (!tn_sigv4a_verify(chain->key, (struct tn_str){ text, (size_t)len }, signature))
        return false;
    memcpy(chain->previous, signature.data, signature.len);
    chain->previous[signature.len] = '\0';
    return true;
}

/* One pattern, in which '*' stands for anything. */
static bool fits(struct tn_str pattern, struct tn_str region)
{
    size_t star = tn_str_find_char(pattern, '*');
    if (star == SIZE_MAX)
        return tn_str_eq(pattern, region);
    struct tn_str head = tn_str_sub(pattern, 0, star);
    struct tn_str tail = tn_str_sub(pattern, star + 1, SIZE_MAX);
    return region.len >= head.len + tail.len && tn_str_starts(region, head) &&
           tn_str_ends(region, tail);
}

bool tn_sigv4a_has_region(struct tn_str set, struct tn_str region)
{
    while (set.len) {
        if (fits(tn_str_trim(tn_str_split(&set, ',')), region))
            return true;
    }
    return false;
}
