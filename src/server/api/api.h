/* SPDX-License-Identifier: Apache-2.0 */
/* S3 as an HTTP handler over a store: the only part of the server that knows both. */

#ifndef SERVER_API_API_H
#define SERVER_API_API_H

#include "server/auth/auth.h"
#include "server/auth/iam.h"
#include "server/http/http.h"
#include "server/store/store.h"

struct api;
struct notify_target;
struct sse_keys;

/* Who vouches for web identities. */
struct api_provider {
    const char *issuer;    /* as in the tokens */
    const char *jwks_file; /* public keys; read when they are needed */
    const char *audience;  /* NULL: any */
};

struct api_config {
    struct store *store; /* must outlive the api, like all that is named here */
    struct auth *auth;
    const struct sse_keys *sse_keys; /* NULL: only SSE-C encrypts */
    struct iam *iam;                 /* NULL: only the accounts' own keys */
    const struct api_provider *providers;
    size_t provider_count;
    const char
        *region; /* reported for buckets; NULL: any region is taken, "us-east-1" by default */
    const char *const *domains; /* "bucket.DOMAIN" names a bucket; "localhost" always does */
    size_t domain_count;
    const char *const *websites; /* "bucket.DOMAIN" is the bucket's website, and so is DOMAIN of a
                                  * bucket of that name */
    size_t website_count;
    bool is_auth_off;
};

/* NULL when out of memory. */
struct api *api_new(const struct api_config *config);
void api_free(struct api *api); /* accepts NULL; no request may run any more */

/* Starts what works by itself: lifecycle rules and access logs. `day_s` is the length of a day, 0
 * for a real one; `log_flush_s` how long lines of logs are gathered, 0 for a minute. TARN_ENOMEM. */
TN_MUST_USE int api_start(struct api *api, uint64_t day_s, uint64_t log_flush_s);

/* Makes the targets known that buckets may have their events sent to, and sends what an earlier
 * process left for them; `queue_max` 0 for the default. They must outlive the api. TARN_ECONFIG. */
TN_MUST_USE int api_start_notify(struct api *api, const struct notify_target *targets, size_t count,
                                 uint64_t queue_max, struct tarn_error *err);

/* Ends it, before the store is closed; api_free() does so, too. */
void api_stop(struct api *api);

/* Fills the handler and the words for protocol errors. */
void api_bind(struct api *api, struct http_config *config);

#endif
