/* SPDX-License-Identifier: Apache-2.0 */
/* May they: users, groups, managed policies and roles of the accounts, and what these allow.
 *
 * Every one of them is one JSON document in a store that the caller provides; a change is one
 * document written, so it is atomic there. In memory all are held in views: a view is counted and
 * never changes, so whoever asks holds no lock. References are by id (AIDA..., AGPA..., ANPA...,
 * AROA...), so that a change of name touches one document only. */

#ifndef SERVER_AUTH_IAM_H
#define SERVER_AUTH_IAM_H

#include <jansson.h>

#include "server/auth/auth.h"
#include "server/auth/policy.h"

struct iam;
struct iam_view;

enum {
    IAM_DOCUMENT_LEN_MAX = 1024 * 1024,
    IAM_ENTITY_COUNT_MAX = 20000,
    IAM_NAME_LEN_MAX = 128,
    IAM_PATH_LEN_MAX = 512,
    IAM_ID_LEN = 21,
    IAM_KEY_COUNT_MAX = 10,     /* of one user */
    IAM_POLICY_COUNT_MAX = 100, /* inline, or attached, of one entity */
    IAM_VERSION_COUNT_MAX = 5,  /* of one managed policy */
    IAM_GROUP_COUNT_MAX = 100,  /* of one user */
};

enum iam_type { IAM_USER, IAM_GROUP, IAM_POLICY, IAM_ROLE, IAM_TYPE_COUNT };

/* Where documents are kept. All may wait; calls come one at a time. */
struct iam_storage {
    void *context;
    int (*load)(void *context, int (*each)(void *user, struct tn_str name, struct tn_str bytes),
                void *user, struct tarn_error *err);
    int (*save)(void *context, struct tn_str name, struct tn_str bytes, struct tarn_error *err);
    int (*remove)(void *context, struct tn_str name, struct tarn_error *err);
};

/* One user, group, policy or role. Never changes; texts are its own. */
struct iam_entity {
    enum iam_type type;
    struct tn_str id;
    struct tn_str account; /* number */
    struct tn_str name;
    struct tn_str path; /* "/" or "/a/b/" */
    struct tn_str arn;
    const json_t *json;             /* the whole document; only to be read */
    const struct policy *document;  /* of a policy: the default version; of a role: who may be it */
    const struct policy **policies; /* inline */
    size_t policy_count;
};

/* Loads all documents, and gives `auth` the keys of users. */
TN_MUST_USE int iam_new(struct auth *auth, const struct iam_storage *storage, struct iam **out,
                        struct tarn_error *err);
void iam_free(struct iam *iam); /* accepts NULL */

/* The present state; give it back. Never NULL, never waits for I/O. */
struct iam_view *iam_view_get(struct iam *iam);
void iam_view_put(struct iam_view *view); /* accepts NULL */

/* In the order of ids; with the managed policies that are there without being made. */
size_t iam_view_count(const struct iam_view *view);
const struct iam_entity *iam_view_at(const struct iam_view *view, size_t i);

/* Each NULL when there is none. Names are compared without case, as IAM does. */
const struct iam_entity *iam_view_of_id(const struct iam_view *view, struct tn_str id);
const struct iam_entity *iam_view_of_name(const struct iam_view *view, enum iam_type type,
                                          struct tn_str account, struct tn_str name);
const struct iam_entity *iam_view_of_arn(const struct iam_view *view, struct tn_str arn);

/* A managed policy of the account, or one that every account has. */
bool iam_is_policy_for(const struct iam_entity *e, struct tn_str account);

/* What the identity's own policies say: inline ones, attached ones, those of its groups, within
 * its boundary. Silent for an id that is not there. */
enum policy_verdict iam_ask(const struct iam_view *view, struct tn_str id,
                            const struct policy_request *request);

/* --- Changes: between iam_lock() and iam_unlock(), on a thread that may wait --- */

void iam_lock(struct iam *iam);
void iam_unlock(struct iam *iam);

/* Writes the document (its "id" tells which one) and takes it into the view; it is durable then.
 * TARN_EINVAL for a document that is none, TARN_ETOOBIG, TARN_ENOMEM, what the storage says;
 * nothing has changed then. */
TN_MUST_USE int iam_put(struct iam *iam, const json_t *document, struct tarn_error *err);
TN_MUST_USE int iam_remove(struct iam *iam, struct tn_str id, struct tarn_error *err);

/* A new id: four letters that tell the type and seventeen random ones. */
void iam_id_make(const char *prefix, char out[IAM_ID_LEN + 1]);

/* The key that session tokens are sealed with: made and saved when it is first asked for. */
TN_MUST_USE int iam_session_key(struct iam *iam, unsigned char key[SESSION_KEY_LEN],
                                struct tarn_error *err);

#endif
