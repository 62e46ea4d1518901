/* SPDX-License-Identifier: Apache-2.0 */
/* The policy language of IAM as S3 uses it: JSON in, a verdict out.
 *
 * A policy never changes after it was parsed and may be asked by any number of threads. It knows
 * nothing of users or buckets: the request says who asks for what, and looks up condition keys when
 * a statement mentions them. */

#ifndef SERVER_AUTH_POLICY_H
#define SERVER_AUTH_POLICY_H

#include "base/arena.h"
#include "base/fail.h"

enum {
    POLICY_LEN_MAX = 20 * 1024,
    POLICY_STATEMENT_COUNT_MAX = 1000,
    POLICY_TEXT_LEN_MAX = 2048,  /* one pattern with its variables filled in */
    POLICY_VALUE_COUNT_MAX = 64, /* of one condition key of a request */
    POLICY_MESSAGE_LEN = 200,
};

/* What a document is attached to: decides which elements it must and must not have. */
enum policy_kind {
    POLICY_IDENTITY, /* user, group, role or session: no Principal */
    POLICY_BUCKET,   /* Principal and Resource; S3's actions only */
    POLICY_TRUST,    /* of a role: Principal, no Resource; STS's actions */
};

struct policy;

/* Parses into the arena. `bucket`: when not empty, every Resource must be that bucket or in it.
 * TARN_EINVAL with S3's words for what is wrong, TARN_ETOOBIG past POLICY_LEN_MAX, TARN_ENOMEM;
 * `out` is unchanged then. */
TN_MUST_USE int policy_parse(struct tn_arena *arena, struct tn_str text, enum policy_kind kind,
                             struct tn_str bucket, const struct policy **out,
                             struct tarn_error *err);

/* By AWS's definition: does a statement grant something to everybody? */
bool policy_is_public(const struct policy *policy);

/* Who asks. Views; empty where it does not apply. */
struct policy_who {
    bool is_anonymous;
    bool is_account_root;       /* the account itself, not one of its users or roles */
    struct tn_str account;      /* its number */
    struct tn_str canonical_id; /* of the account */
    struct tn_str arn;          /* of the user, or of the session of an assumed role */
    struct tn_str role_arn;     /* of the role behind a session */
    struct tn_str federated;    /* AssumeRoleWithWebIdentity: the provider */
};

struct policy_request {
    const struct policy_who *who;
    struct tn_str action;   /* "s3:GetObject" */
    struct tn_str resource; /* "arn:aws:s3:::bucket/key" */

    /* The values of a condition key, whose case does not matter: fills up to `cap` and returns how
     * many there are, 0 when the request has none. */
    size_t (*values)(void *user, struct tn_str key, struct tn_str *out, size_t cap);
    void *user;
};

/* In the order in which they win. */
enum policy_verdict {
    POLICY_SILENT,
    POLICY_ALLOWS_ACCOUNT, /* named is the account: what its root gave its users still decides */
    POLICY_ALLOWS,
    POLICY_ALLOWS_SESSION, /* named is the very session: session policies do not narrow it */
    POLICY_DENIES,
};

/* NULL is silent. */
enum policy_verdict policy_ask(const struct policy *policy, const struct policy_request *request);

/* The stronger of two. */
static inline enum policy_verdict policy_join(enum policy_verdict a, enum policy_verdict b)
{
    return a > b ? a : b;
}

#endif
