/* SPDX-License-Identifier: Apache-2.0 */
/* What a client works with, once configuration, environment and profile files have been put
 * together. */

#ifndef CLIENT_SETTINGS_H
#define CLIENT_SETTINGS_H

#include <tarn/bucket.h>
#include <tarn/client.h>

#include "base/buf.h"
#include "base/fail.h"

struct tn_cred_source;

enum {
    TN_CONFIG_TEXT_MAX = 4096, /* any one value */
    TN_PROFILE_FILE_MAX = 1 << 20,
    TN_HOST_LEN_MAX = 256,
    TN_CONNECTIONS_LIMIT = 4096,
    TN_IO_THREADS_LIMIT = 64,
    TN_RETRIES_LIMIT = 100,
};
#define TN_MEMORY_MIN ((uint64_t)32 << 20)

/* Owned texts, never NULL unless said so. Unchanged once made, so any thread may read. */
struct tn_settings {
    char *endpoint;  /* "https://host:port", no slash at the end */
    char *host;      /* with the port, unless it is the scheme's own */
    char *base_path; /* "" or "/some/where", percent-encoded as it was given */
    bool is_https;
    bool is_aws; /* hosts are made from region and bucket */
    char *region;
    struct tn_cred_source *credentials; /* NULL: anonymous */
    char *ca_bundle;                    /* NULL: the system's */
    char *proxy;                        /* NULL: the environment's */
    char *user_agent;
    enum tarn_addressing addressing;
    enum tarn_checksum checksum;
    bool is_requester_pays;
    bool skip_tls_verify;
    bool ignore_environment;
    bool use_acceleration;
    bool use_dualstack;
    bool use_fips;
    long connect_timeout_ms;
    long idle_timeout_ms;
    int retries_max;
    long retry_base_ms;
    long retry_cap_ms;
    int connections_max;
    int io_threads;
    uint64_t memory_max;
    struct tarn_breaker *breaker; /* NULL: none */
    tarn_event_fn event_fn;       /* NULL: none */
    void *event_arg;
};

/* Where the environment comes from, so that tests can bring their own. */
typedef const char *(*tn_getenv_fn)(const char *name);

/* `out` is unchanged on failure; errors as of tarn_client_new. */
TN_MUST_USE int tn_settings_make(const struct tarn_config *config, tn_getenv_fn get,
                                 struct tn_settings *out, struct tarn_error *err);
void tn_settings_release(struct tn_settings *s); /* wipes the secrets; accepts a zeroed one */

/* Where a request goes: appends "host[:port]" to `host` and the path's beginning ("", "/base",
 * "/base/bucket") to `path`; `bucket` is empty for the service itself. TARN_ETOOBIG, TARN_ENOMEM.
 */
TN_MUST_USE int tn_settings_route(const struct tn_settings *s, struct tn_str bucket,
                                  struct tn_str region, struct tn_buf *host, struct tn_buf *path);

#endif
