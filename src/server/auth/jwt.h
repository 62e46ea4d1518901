/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of web identities: JSON Web Tokens signed with RS256 or ES256, against a set of public
 * keys (RFC 7515, 7517, 7518, 7519). */

#ifndef SERVER_AUTH_JWT_H
#define SERVER_AUTH_JWT_H

#include <jansson.h>

#include "base/fail.h"
#include "base/str.h"

enum {
    JWT_LEN_MAX = 16 * 1024,
    JWKS_LEN_MAX = 256 * 1024,
    JWKS_KEY_COUNT_MAX = 64,
    JWT_SKEW_S = 60, /* clocks of others */
};

/* The claims of a token that one of the keys signed and that is valid now (exp must be there). Free
 * them with json_decref(). TARN_EINVAL: malformed, or the set of keys is; TARN_EDENIED: the
 * signature is not one of theirs; TARN_ETIMEOUT: expired; TARN_ENOMEM. */
TN_MUST_USE int jwt_verify(struct tn_str jwks, struct tn_str token, int64_t now, json_t **claims,
                           struct tarn_error *err);

/* Is `text` the claim's value, or one of them? */
bool jwt_claim_has(const json_t *claims, const char *name, struct tn_str text);

#endif
