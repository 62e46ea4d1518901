/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: where a client gets its keys from, and how a program brings its own source.
 *
 * Without keys in the configuration, a client looks in this order: the profile when it was asked
 * for by name in the configuration, AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE with
 * AWS_ROLE_ARN, the profile (role_arn with source_profile, credential_source or
 * web_identity_token_file; sso_session or sso_start_url; keys; credential_process), the container's
 * endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI), the instance's metadata service
 * (version 2 only; not with AWS_EC2_METADATA_DISABLED=true).
 *
 * Keys that expire are fetched with the first request and renewed some minutes before their end by
 * a thread of the client's, while requests go on with the old ones; a request waits only when there
 * are none that are valid. A request that the server refuses with ExpiredToken is signed anew once.
 */

#ifndef TARN_CREDENTIALS_H
#define TARN_CREDENTIALS_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_ACCESS_KEY_LEN_MAX 128 /* without the NUL, as the next two */
#define TARN_SECRET_KEY_LEN_MAX 256
#define TARN_SESSION_TOKEN_LEN_MAX 8192

/* One set of keys; wipe it with tarn_credentials_wipe. */
struct tarn_credentials {
    char access_key[TARN_ACCESS_KEY_LEN_MAX + 1]; /* "" when the client is anonymous */
    char secret_key[TARN_SECRET_KEY_LEN_MAX + 1];
    char session_token[TARN_SESSION_TOKEN_LEN_MAX + 1]; /* "" when there is none */
    int64_t expires_ms;                                 /* Unix; 0: never */
    char source[32]; /* "environment", "profile", "sso", "instance", ...: for people */
};

/* A source of the program's own (struct tarn_config). Fills `out`, which is zeroed, and returns
 * TARN_OK; or a negative TARN_E..., with `err` filled. Called in a thread of the client's, never by
 * two at once; may block. */
typedef int (*tarn_credentials_fn)(void *arg, struct tarn_credentials *out, struct tarn_error *err);

/* The keys that a request would be signed with now; fetches them when there are none yet or none
 * that are valid, and may block for that. TARN_ECREDENTIALS, TARN_ENETWORK, TARN_ETIMEOUT,
 * TARN_EPROTOCOL (the source's answer makes no sense), TARN_ECANCELLED. Any thread. */
TARN_API int tarn_client_get_credentials(struct tarn_client *client, struct tarn_credentials *out,
                                         struct tarn_error *err);

/* Overwrites the keys in a way that the compiler keeps. Any thread. */
TARN_API void tarn_credentials_wipe(struct tarn_credentials *credentials);

#ifdef __cplusplus
}
#endif

#endif
