/* SPDX-License-Identifier: Apache-2.0 */
/* The client: where to, as whom, and how patiently. Start here. */

#ifndef TARN_CLIENT_H
#define TARN_CLIENT_H

#include <tarn/credentials.h>
#include <tarn/events.h>
#include <tarn/retry.h>
#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tarn_addressing {
    TARN_ADDRESSING_AUTO, /* virtual-host style on AWS where the bucket's name allows it, else path
                             style */
    TARN_ADDRESSING_PATH, /* https://endpoint/bucket/key */
    TARN_ADDRESSING_VIRTUAL /* https://bucket.endpoint/key */
};

/* Asks somebody for the code of the device `serial`: at most `room` bytes with the NUL. Called by
 * tarn_client_new, in its thread. Negative when there is none. */
typedef int (*tarn_mfa_fn)(void *arg, const char *serial, char *code, size_t room,
                           struct tarn_error *err);

/* Fill with tarn_config_init, then change what differs. Texts are copied by tarn_client_new.
 *
 * A value that is not given is looked for in this order: environment (AWS_ENDPOINT_URL_S3,
 * AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE,
 * AWS_CONFIG_FILE, AWS_CA_BUNDLE), the profile in ~/.aws/credentials and ~/.aws/config (region,
 * endpoint_url, s3.addressing_style), the default. For keys see tarn/credentials.h. */
struct tarn_config {
    const char
        *endpoint; /* "http[s]://host[:port][/path]"; without a scheme it is https. Default: AWS */
    const char *region;     /* default "us-east-1" */
    const char *access_key; /* with secret_key, or neither */
    const char *secret_key;
    const char *session_token;
    const char *profile;          /* default "default" */
    const char *credentials_file; /* default ~/.aws/credentials */
    const char *config_file;      /* default ~/.aws/config */
    const char *ca_bundle;        /* PEM file; default: the system's */
    const char *proxy;            /* libcurl's form; default: http_proxy, https_proxy, no_proxy */
    const char *user_agent;       /* default "tarn/VERSION" */
    enum tarn_addressing addressing;
    enum tarn_checksum checksum; /* for uploads; default CRC64NVME */
    bool is_anonymous;           /* sign nothing */
    bool is_requester_pays;      /* on every request */
    bool skip_tls_verify;
    bool ignore_environment; /* no environment, no files: only what is given here */
    bool use_acceleration;   /* s3-accelerate host; with a given endpoint TARN_ECONFIG */
    bool use_dualstack;      /* AWS hosts with IPv6 */
    bool use_fips;           /* AWS FIPS hosts */
    bool use_curl;           /* libcurl for plain http too, which otherwise does without */
    long connect_timeout_ms; /* default 10,000 */
    long idle_timeout_ms;    /* no byte in either direction; default 60,000 */
    int retries_max;         /* after the first try; default 4, 0 is none */
    long retry_base_ms;      /* first delay before jitter; default 100 */
    long retry_cap_ms;       /* no delay is longer; default 20,000 */
    int connections_max;     /* requests in flight, all transfers together; default 256 */
    int io_threads;          /* at most; default 0: by the number of processors, 4 at most */
    uint64_t bandwidth_max;  /* bytes of bodies a second, both ways together; 0 is no limit */
    double request_rate_max; /* requests a second, retries included; 0 is no limit */
    uint64_t memory_max;     /* all body buffers together; default 256 MiB, at least 32 MiB */
    tarn_credentials_fn credentials_fn; /* a source of keys of the program's own; not with keys */
    void *credentials_arg;
    struct tarn_breaker *breaker; /* shared with other clients; NULL is none */
    tarn_event_fn event_fn;       /* told of each request; NULL is nobody */
    void *event_arg;
    const char *mfa_code; /* of the device that a profile's mfa_serial names; good for one role */
    tarn_mfa_fn mfa_fn;   /* gives it where mfa_code is NULL and a profile wants one */
    void *mfa_arg;
    void *reserved[2];
};

TARN_API void tarn_config_init(struct tarn_config *config);

/* NULL on failure: TARN_ECONFIG, TARN_ECREDENTIALS (incomplete pair, a byte that no key has,
 * unknown profile, none found although not anonymous), TARN_ENOMEM, TARN_EIO. `config` NULL is all
 * defaults. No request is sent, also not for keys: those that must be fetched are with the first
 * call, which may then fail with TARN_ECREDENTIALS; threads start then. The client is used by any
 * number of threads at once, for any buckets. */
TARN_API struct tarn_client *tarn_client_new(const struct tarn_config *config,
                                             struct tarn_error *err);

/* Ends the threads and wipes the secrets. No call may be running. Accepts NULL. */
TARN_API void tarn_client_free(struct tarn_client *client);

/* Ends all running calls, and all later ones, with TARN_ECANCELLED, but for the clean-up that they
 * owe (aborting multipart uploads, removing partial files), which still runs. May be called in a
 * signal handler. */
TARN_API void tarn_client_cancel(struct tarn_client *client);

/* What was settled on; valid as long as the client. */
TARN_API const char *tarn_client_endpoint(const struct tarn_client *client); /* with scheme */
TARN_API const char *tarn_client_region(const struct tarn_client *client);
TARN_API const char *tarn_client_access_key(
    const struct tarn_client *client); /* "" when anonymous, and when keys are
                                          fetched (tarn_client_get_credentials) */

/* Counters since the client was made. Any thread; fields are read one by one. */
struct tarn_client_stats {
    uint64_t requests; /* sent, with retries */
    uint64_t retries;
    uint64_t bytes_up; /* of bodies */
    uint64_t bytes_down;
    uint64_t memory_used; /* body buffers now */
    uint64_t memory_peak;
};

TARN_API void tarn_client_get_stats(const struct tarn_client *client,
                                    struct tarn_client_stats *out);

/* Version of the library, "0.1.0". */
TARN_API const char *tarn_version(void);

#ifdef __cplusplus
}
#endif

#endif
