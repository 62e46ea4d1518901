/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a client: a counted snapshot, where it comes from, and the store that renews it.
 *
 * A store has one thread at most, which fetches; whoever needs keys while the old ones are valid
 * goes on with those. */

#ifndef CLIENT_CRED_H
#define CLIENT_CRED_H

#include <pthread.h>
#include <stdatomic.h>

#include <tarn/credentials.h>

#include "base/buf.h"
#include "base/fail.h"

enum {
    TN_CRED_CHAIN_MAX = 6,          /* roles that are assumed one with the keys of the next */
    TN_CRED_ANSWER_MAX = 64 * 1024, /* of any source */
    TN_CRED_TEXT_MAX = 8192,
};

enum tn_cred_kind {
    TN_CRED_STATIC,
    TN_CRED_CALLBACK,
    TN_CRED_ROLE,         /* STS AssumeRole with the keys of `base` */
    TN_CRED_WEB_IDENTITY, /* STS AssumeRoleWithWebIdentity */
    TN_CRED_SSO,
    TN_CRED_PROCESS,
    TN_CRED_CONTAINER,
    TN_CRED_INSTANCE,
    TN_CRED_KIND_COUNT
};

enum tn_cred_text {
    TN_CRED_ACCESS_KEY,
    TN_CRED_SECRET_KEY,
    TN_CRED_SESSION_TOKEN,
    TN_CRED_LABEL,    /* "environment", "profile", ...: goes to tarn_credentials.source */
    TN_CRED_ENDPOINT, /* of STS, SSO, the container, the instance */
    TN_CRED_REGION,
    TN_CRED_ROLE_ARN,
    TN_CRED_SESSION_NAME,
    TN_CRED_EXTERNAL_ID,
    TN_CRED_TOKEN_FILE, /* web identity; authorization of the container; cache of SSO */
    TN_CRED_AUTHORIZATION,
    TN_CRED_COMMAND,
    TN_CRED_ACCOUNT_ID,
    TN_CRED_ROLE_NAME,
    TN_CRED_MFA_SERIAL,
    TN_CRED_MFA_CODE,
    TN_CRED_TOKEN_ENDPOINT, /* where the token of SSO is renewed */
    TN_CRED_TEXT_COUNT
};

/* Where keys come from: unchanged once made. Texts may be NULL. */
struct tn_cred_source {
    enum tn_cred_kind kind;
    char *texts[TN_CRED_TEXT_COUNT];
    uint32_t duration_s; /* of a role; 0: the service's default */
    long timeout_ms;     /* of one try; 0: the kind's default */
    int tries_max;       /* 0: the kind's default */
    tarn_credentials_fn fn;
    void *arg;
    struct tn_cred_source *base;
};

TN_MUST_USE struct tn_cred_source *tn_cred_source_new(enum tn_cred_kind kind, const char *label);
void tn_cred_source_free(struct tn_cred_source *source); /* with its bases; wipes; accepts NULL */

/* How to talk to sources: borrowed from the client. */
struct tn_cred_context {
    const char *ca_bundle;
    const char *proxy;
    const char *user_agent;
    bool skip_tls_verify;
    bool ignore_environment;
    const atomic_bool *is_cancelled;
};

/* Asks the source, and those that it is based on. Blocks. `out` is unchanged on failure. */
TN_MUST_USE int tn_cred_fetch(const struct tn_cred_source *source,
                              const struct tn_cred_context *context, struct tarn_credentials *out,
                              struct tarn_error *err);

/* ---- snapshots ---- */

struct tn_cred {
    atomic_uint refs;
    uint64_t serial; /* differs from that of all earlier ones of the store */
    struct tarn_credentials value;
};

void tn_cred_unref(struct tn_cred *cred); /* wipes with the last one; accepts NULL */

/* ---- the store ---- */

struct tn_cred_store {
    const struct tn_cred_source *source; /* NULL: anonymous */
    struct tn_cred_context context;

    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct tn_cred *current; /* NULL: none yet */
        uint64_t serial;
        int64_t renew_ms; /* Unix: fetch new ones from now on */
        int64_t hard_ms;  /* Unix: do not use these any more */
        pthread_t thread;
        bool has_thread; /* to be joined */
        bool is_fetching;
        struct tarn_error err; /* of the last fetch; status TARN_OK when it went well */
    } shared;
};

void tn_cred_store_init(struct tn_cred_store *store);

/* Once, before the first use. Takes static keys at once. TARN_ENOMEM. */
TN_MUST_USE int tn_cred_store_set(struct tn_cred_store *store, const struct tn_cred_source *source,
                                  const struct tn_cred_context *context);
void tn_cred_store_release(struct tn_cred_store *store); /* waits for the thread */

/* A reference to valid keys; `*out` is NULL for an anonymous client. Waits for them when there are
 * none; `cancel` (NULL is fine) ends that within 200 ms. */
TN_MUST_USE int tn_cred_store_get(struct tn_cred_store *store, const volatile int *cancel,
                                  struct tn_cred **out, struct tarn_error *err);

/* The same without waiting: TARN_EAGAIN while they are being fetched. `*has_waited` is the caller's
 * between its calls, false at first: one fetch that fails is enough. */
TN_MUST_USE int tn_cred_store_try(struct tn_cred_store *store, bool *has_waited,
                                  struct tn_cred **out, struct tarn_error *err);

/* The server has refused `used`: fetches new keys, unless that is done or going on already. False
 * when this source can give no others. */
bool tn_cred_store_renew(struct tn_cred_store *store, const struct tn_cred *used);

#endif
