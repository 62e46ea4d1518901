/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking: the table of access keys, and the check of a request's signature against it. */

#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "proto/s3_error.h"
#include "proto/sigv4.h"

enum {
    AUTH_KEY_COUNT_MAX = 10000,
    AUTH_SECRET_LEN_MIN = 8,
    AUTH_SECRET_LEN_MAX = TN_SIGV4_SECRET_LEN_MAX,
    AUTH_MESSAGE_LEN = 256,
};

/* Key table and settings. auth_check may run on any number of threads while a key is added or
 * removed. */
struct auth;

struct auth_config {
    bool is_off;        /* `auth: off`: every request is root's, no signature is looked at */
    const char *region; /* the only region that scopes may name; NULL accepts any */
};

/* NULL when out of memory or the region is not one. */
struct auth *auth_new(const struct auth_config *config, struct tarn_error *err);
void auth_free(struct auth *auth); /* accepts NULL; wipes the secrets */

/* Adds a key or replaces its secret. TARN_EINVAL for texts that cannot be keys, TARN_ETOOBIG,
 * TARN_ENOMEM. */
TN_MUST_USE int auth_key_set(struct auth *auth, struct tn_str access_key, struct tn_str secret,
                             struct tarn_error *err);

/* TARN_ENOTFOUND when it is not there. Requests that were checked before go on. */
TN_MUST_USE int auth_key_remove(struct auth *auth, struct tn_str access_key);

size_t auth_key_count(struct auth *auth);

struct auth_request {
    struct tn_sigv4_request http; /* raw path and raw query, as on the wire */
    int64_t now;                  /* seconds since 1970 */
};

/* Who asked and how the body is covered. Owns nothing; texts are copies. Wipe with
 * auth_result_wipe: chain.key is a secret. */
struct auth_result {
    enum tn_sigv4_kind
        kind; /* TN_SIGV4_ANONYMOUS only with `auth: off` or for a request without credentials */
    enum tn_sigv4_payload payload;
    bool is_root;      /* `auth: off`, or a key of the table (all are root's as long as there are no
                          policies) */
    bool is_streaming; /* body is aws-chunked: `chain` (when signed) starts its decoder */
    bool has_chain;
    char access_key[TN_SIGV4_ACCESS_KEY_LEN_MAX + 1]; /* empty when anonymous */
    char region[TN_SIGV4_REGION_LEN_MAX + 1];         /* of the scope */
    char payload_hash[TN_SIGV4_SIGNATURE_LEN +
                      1]; /* lower case, of TN_SIGV4_PAYLOAD_HASH when present; else empty */
    struct tn_sigv4_chain chain;
    char message[AUTH_MESSAGE_LEN]; /* for the S3 error body when the check failed */
    char expected_region[TN_SIGV4_REGION_LEN_MAX +
                         1]; /* <Region> of AuthorizationHeaderMalformed, else empty */
};

/* The S3 error to answer with, TN_S3_OK when the request may go on. `out` is always filled: after
 * an error only `message`, `expected_region` and `access_key` (as claimed) mean something. A
 * request without credentials gives AccessDenied. `scratch` belongs to the calling thread and is
 * reused. Secrets never reach `message`. */
TN_MUST_USE enum tn_s3_code auth_check(struct auth *auth, const struct auth_request *request,
                                       struct tn_sigv4_scratch *scratch, struct auth_result *out);

void auth_result_wipe(struct auth_result *result);

#endif
