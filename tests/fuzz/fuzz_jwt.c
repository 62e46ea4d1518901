/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of web identities: whatever is taken was signed; sets of keys may hold anything. */

#include <assert.h>

#include "server/auth/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Signed once; the private key is gone. */
#define KEYS                                                                                       \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\",\"use\":\"sig\",\"x\":"          \
    "\"WOSZVKcmHzWR3raB2mMT"                                                                       \
    "FjFA71XQdnw28Jk-PFG0q2U\",\"y\":\"G-bXr69BtSUWgkZ5uFHo3_z3wDNPkL7nFy-3PIqfrHM\"}]}"
#define INPUT "eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSJ9.eyJzdWIiOiJzb21lb25lIiwiZXhwIjo0MTAyNDQ0ODAwfQ"
#define SIGNATURE                                                                                  \
    ".5SSCtPzkkUeny3e22cJmwLHpqTniiaOmGZGhoc0KF9HLITHbtrJtDjyxuFWf5wBNNVTCFw_mruh7OmykxX9"         \
    "vDg"

enum { NOW = 1800000000 };

/* Only what was signed is taken, though its signature may have another form. */
static void check_token(struct tn_str token)
{
    json_t *claims = NULL;
    struct tarn_error err = { 0 };
    int rc = jwt_verify(TN_STR(KEYS), token, NOW, &claims, &err);
    assert((rc == TARN_OK) == (claims != NULL));
    assert((rc == TARN_OK) == (err.message[0] == '\0'));
    if (rc == TARN_OK) {
        assert(tn_str_starts(token, TN_STR(INPUT ".")));
        assert(jwt_claim_has(claims, "sub", TN_STR("someone")));
    }
    json_decref(claims);
}

static void check_keys(struct tn_str keys)
{
    json_t *claims = NULL;
    int rc = jwt_verify(keys, TN_STR(INPUT SIGNATURE), NOW, &claims, NULL);
    assert((rc == TARN_OK) == (claims != NULL));
    json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct tn_str text = { (const char *)data + 1, len - 1 };
    if (data[0] == 'K')
        check_keys(text);
    else
        check_token(text);
    return 0;
}
