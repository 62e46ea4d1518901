/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources of keys share: one HTTP exchange, one JSON document, and one function each. */

#ifndef CLIENT_CRED_FETCH_H
#define CLIENT_CRED_FETCH_H

#include "client/cred.h"

enum { TN_CRED_LINES_MAX = 10 };

/* A small exchange that blocks. Nothing of it is ever logged. */
struct tn_cred_http {
    const char *method;
    const char *url;
    const char *body;                     /* NULL: none */
    const char *lines[TN_CRED_LINES_MAX]; /* "Name: value" */
    bool is_local;                        /* no proxy, and no redirect out of the machine */
    long timeout_ms;                      /* of one try */
    int tries_max;
};

/* TARN_OK for any answer: `answer` (wiped before, limited by its own max) and `status`. Tries again
 * after network trouble, 429 and 5xx. TARN_ENETWORK, TARN_ETIMEOUT, TARN_ETOOBIG, TARN_EPROTOCOL,
 * TARN_ECANCELLED, TARN_ENOMEM. */
TN_MUST_USE int tn_cred_http_run(const struct tn_cred_http *request,
                                 const struct tn_cred_context *context, struct tn_buf *answer,
                                 int *status, struct tarn_error *err);

/* Copies a value, which must be there (`what` names it in the message) and fit, without control
 * bytes. */
TN_MUST_USE int tn_cred_copy(char *out, size_t cap, struct tn_str value, const char *what,
                             struct tarn_error *err);

/* Names of the members of a JSON document with keys. `expiry` is ISO 8601, or milliseconds as a
 * number. `container` NULL: they are in the document itself. */
struct tn_cred_names {
    const char *container;
    const char *access_key;
    const char *secret_key;
    const char *session_token;
    const char *expiry;
};

/* Reads the keys; the session token and the expiry may be missing. TARN_EPROTOCOL. `out` is
 * unchanged on failure. */
TN_MUST_USE int tn_cred_read_json(struct tn_str text, const struct tn_cred_names *names,
                                  struct tarn_credentials *out, struct tarn_error *err);

/* A member of a JSON document that is a text, or an ISO time; empty when it is none. `out` grows by
 * it. TARN_EPROTOCOL when the document is none. */
TN_MUST_USE int tn_cred_json_text(struct tn_str text, const char *name, struct tn_buf *out,
                                  struct tarn_error *err);

/* A secret out of a file, without blanks and line breaks at its ends. */
TN_MUST_USE int tn_cred_read_token(const char *path, struct tn_buf *out, struct tarn_error *err);

/* One for each kind. `base` are the keys of the source that it is based on. */
typedef int (*tn_cred_fetch_fn)(const struct tn_cred_source *source,
                                const struct tarn_credentials *base,
                                const struct tn_cred_context *context, struct tarn_credentials *out,
                                struct tarn_error *err);
int tn_cred_fetch_role(const struct tn_cred_source *source, const struct tarn_credentials *base,
                       const struct tn_cred_context *context, struct tarn_credentials *out,
                       struct tarn_error *err);
int tn_cred_fetch_web_identity(const struct tn_cred_source *source,
                               const struct tarn_credentials *base,
                               const struct tn_cred_context *context, struct tarn_credentials *out,
                               struct tarn_error *err);
int tn_cred_fetch_sso(const struct tn_cred_source *source, const struct tarn_credentials *base,
                      const struct tn_cred_context *context, struct tarn_credentials *out,
                      struct tarn_error *err);
int tn_cred_fetch_process(const struct tn_cred_source *source, const struct tarn_credentials *base,
                          const struct tn_cred_context *context, struct tarn_credentials *out,
                          struct tarn_error *err);
int tn_cred_fetch_container(const struct tn_cred_source *source,
                            const struct tarn_credentials *base,
                            const struct tn_cred_context *context, struct tarn_credentials *out,
                            struct tarn_error *err);
int tn_cred_fetch_instance(const struct tn_cred_source *source, const struct tarn_credentials *base,
                           const struct tn_cred_context *context, struct tarn_credentials *out,
                           struct tarn_error *err);

#endif
