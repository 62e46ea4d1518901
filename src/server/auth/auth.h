/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking: accounts, the table of access keys, and the check of a request's signature against
 * it. Whether they may is the business of iam.h and of the API. */

#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "proto/s3_error.h"
#include "proto/sigv4.h"
#include "server/auth/session.h"

enum {
    AUTH_KEY_COUNT_MAX = 20000,
    AUTH_ACCOUNT_COUNT_MAX = 1000,
    AUTH_SECRET_LEN_MIN = 8,
    AUTH_SECRET_LEN_MAX = TN_SIGV4_SECRET_LEN_MAX,
    AUTH_MESSAGE_LEN = 256,
    AUTH_ID_LEN_MAX = 32,
    AUTH_NUMBER_LEN_MAX = 32,
};

/* Key table and settings. auth_check may run on any number of threads while a key is added or
 * removed. */
struct auth;

#define AUTH_ACCOUNT_NUMBER "000000000000"
#define AUTH_ACCOUNT_NAME "root"
#define AUTH_ACCOUNT_ID "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"

struct auth_config {
    bool is_off;         /* `auth: off`: every request is root's, no signature is looked at */
    const char *region;  /* the only region that scopes may name; NULL accepts any */
    const char *account; /* number of the first account; NULL: AUTH_ACCOUNT_NUMBER */
    const char *id;      /* its canonical id; NULL: AUTH_ACCOUNT_ID */
    const char *name;    /* its display name; NULL: AUTH_ACCOUNT_NAME */
    const char *email;   /* NULL: none */
};

/* NULL when out of memory or the region is not one. */
struct auth *auth_new(const struct auth_config *config, struct tarn_error *err);
void auth_free(struct auth *auth); /* accepts NULL; wipes the secrets */

/* --- Accounts: who owns buckets and objects. Set before threads, then only read. --- */

/* Views of the table's own copies. */
struct auth_account {
    struct tn_str number;       /* "000000000000" */
    struct tn_str canonical_id; /* 64 hexadecimal digits, or what the operator chose */
    struct tn_str name;         /* display name */
    struct tn_str email;        /* empty: none */
};

/* An empty canonical id is derived from the number. The first account is the server's own.
 * TARN_EINVAL, TARN_EEXISTS (number or canonical id), TARN_ETOOBIG, TARN_ENOMEM. */
TN_MUST_USE int auth_account_add(struct auth *auth, const struct auth_account *account,
                                 struct tarn_error *err);
size_t auth_account_count(const struct auth *auth);

/* NULL past the last. Valid as long as `auth`. */
const struct auth_account *auth_account_at(const struct auth *auth, size_t i);

/* Each NULL when there is none such. */
const struct auth_account *auth_account_of_number(const struct auth *auth, struct tn_str number);
const struct auth_account *auth_account_of_id(const struct auth *auth, struct tn_str canonical_id);
const struct auth_account *auth_account_of_email(const struct auth *auth, struct tn_str email);

/* --- Access keys --- */

/* Adds a key of the first account's root or replaces its secret. TARN_EINVAL for texts that cannot
 * be keys, TARN_ETOOBIG, TARN_ENOMEM. */
TN_MUST_USE int auth_key_set(struct auth *auth, struct tn_str access_key, struct tn_str secret,
                             struct tarn_error *err);

/* The same for the root of the account of that number or, with a user id, for one of its users. */
TN_MUST_USE int auth_key_set_for(struct auth *auth, struct tn_str access_key, struct tn_str secret,
                                 struct tn_str account, struct tn_str user_id,
                                 struct tarn_error *err);

/* Whose key it is. */
struct auth_owner {
    const struct auth_account *account;
    char user_id[AUTH_ID_LEN_MAX + 1]; /* empty: the account's root */
};

/* Copies the secret; for signatures over other things than requests, such as forms. TARN_ENOTFOUND.
 */
TN_MUST_USE int auth_key_get(struct auth *auth, struct tn_str access_key,
                             char secret[AUTH_SECRET_LEN_MAX + 1], struct auth_owner *owner);

/* With what session tokens are sealed; without it none is taken. */
void auth_session_key_set(struct auth *auth, const unsigned char key[SESSION_KEY_LEN]);
bool auth_session_key_get(struct auth *auth, unsigned char key[SESSION_KEY_LEN]);

/* TARN_ENOTFOUND when it is not there. Requests that were checked before go on. */
TN_MUST_USE int auth_key_remove(struct auth *auth, struct tn_str access_key);

size_t auth_key_count(struct auth *auth);

/* --- The check --- */

struct auth_request {
    struct tn_sigv4_request http; /* raw path and raw query, as on the wire */
    int64_t now;                  /* seconds since 1970 */
    struct tn_str virtual_bucket; /* named by the host; version 2 signs it with the path */
};

enum auth_version { AUTH_V4, AUTH_V4A, AUTH_V2 };

/* Who asked and how the body is covered. Owns nothing; texts are copies. Wipe with
 * auth_result_wipe: chain.key is a secret. */
struct auth_result {
    enum tn_sigv4_kind
        kind; /* TN_SIGV4_ANONYMOUS only with `auth: off` or for a request without credentials */
    enum tn_sigv4_payload payload;
    bool is_root; /* `auth: off`, or a key of an account itself: no user, no session */
    enum auth_version version;
    const struct auth_account *account; /* NULL for nobody */
    char user_id[AUTH_ID_LEN_MAX + 1];  /* of the user or role; empty for an account's root */
    struct auth_session *session;       /* temporary credentials; NULL without */
    int64_t signed_at;                  /* when, by the request; 0 for nobody */
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
 * request without credentials is fine, and nobody's: kind ANONYMOUS, no account. `scratch` belongs
 * to the calling thread and is reused. Secrets never reach `message`. */
TN_MUST_USE enum tn_s3_code auth_check(struct auth *auth, const struct auth_request *request,
                                       struct tn_sigv4_scratch *scratch, struct auth_result *out);

/* What an upload by form says of its signature: fields as they came, empty where there is none. */
struct auth_form {
    struct tn_str policy;
    struct tn_str algorithm; /* version 4 */
    struct tn_str credential;
    struct tn_str signature;
    struct tn_str token;
    struct tn_str access_key; /* version 2 */
    struct tn_str signature_v2;
};

/* The same for such a form, whose policy is what is signed. Nothing of it at all is nobody's. */
TN_MUST_USE enum tn_s3_code auth_check_form(struct auth *auth, const struct auth_form *form,
                                            int64_t now, struct auth_result *out);

bool auth_result_is_anonymous(const struct auth_result *result);
void auth_result_wipe(struct auth_result *result);

/* Whose request it becomes when a form or a body was signed instead: fills the fields that tell
 * who. The session, if any, must be opened already. */
void auth_result_own(struct auth_result *out, struct auth *auth, const struct auth_owner *owner);

#endif
