/* SPDX-License-Identifier: Apache-2.0 */
/* May they: every operation as an action on a resource, judged by the identity's policies, the
 * bucket's policy and the ACLs of bucket and object. */

#ifndef SERVER_API_AUTHORISE_H
#define SERVER_API_AUTHORISE_H

#include "server/api/request.h"
#include "server/auth/iam.h"

enum { API_SESSION_POLICY_COUNT_MAX = 10 }; /* managed ones */

/* What narrows a session: it may what one of these allows and none denies. */
struct api_session_policies {
    const struct policy *items[API_SESSION_POLICY_COUNT_MAX + 1];
    size_t count;
};

/* Who asks, as policies see it. In the request's arena; made when it is first needed. */
struct api_identity {
    struct policy_who who;
    struct iam_view *view;                      /* NULL for an account's root and for nobody */
    const struct iam_entity *entity;            /* the user or role */
    const struct api_session_policies *session; /* NULL: not narrowed */
    struct tn_str user_name;                    /* ${aws:username} */
    struct tn_str user_id;                      /* ${aws:userid} */
};

/* The operation of the request. On the loop; never waits. TN_S3_OK with r->is_undecided set: it
 * depends on the object, api_authorise_object() decides. */
TN_MUST_USE enum tn_s3_code api_authorise(struct api_req *r);

/* On a worker: the same with the tags and the ACL of the object. */
TN_MUST_USE enum tn_s3_code api_authorise_object(struct api_req *r);

/* PutObject of r->key with r->headers, for an upload by form, once its fields are there. May wait.
 */
TN_MUST_USE enum tn_s3_code api_authorise_put(struct api_req *r);

/* A further action of the same request, on another key or bucket; `version` as its own words. May
 * wait when the bucket has ACLs or its policy asks for tags. */
TN_MUST_USE enum tn_s3_code api_may(struct api_req *r, const char *action, struct tn_str bucket,
                                    struct tn_str key, struct tn_str version);

/* An action that is about no bucket: IAM's and STS's too. Never waits. */
TN_MUST_USE enum tn_s3_code api_may_service(struct api_req *r, const char *action,
                                            struct tn_str resource);

/* The account whose bucket it is; never NULL. */
const struct auth_account *api_bucket_owner(const struct api_req *r,
                                            const struct bucket_config *config);

/* NULL when out of memory. */
struct api_identity *api_identity_get(struct api_req *r);

/* What the session's policies say; POLICY_ALLOWS when nothing narrows it. */
enum policy_verdict api_session_ask(const struct api_identity *who,
                                    const struct policy_request *request);

/* --- authorise_values.c --- */

/* What is asked, and of which object. */
struct api_question {
    struct api_req *r;
    const struct api_identity *identity;
    const struct bucket_config *config; /* NULL: no bucket */
    const char *action;
    struct tn_str key;
    struct tn_str version;
    struct tn_str prefix; /* s3:prefix for a request that has no such parameter */
    bool has_object;      /* tags and ACL are known, perhaps that there is no object */
    bool is_missing;      /* there is no such object */
    bool asks_for_tags;   /* a condition wanted those of the object, and they were not known */
    struct tn_str tags;   /* of the object: a=b&c=d, encoded */
    struct tn_str acl;    /* of the object, acl.h */
    struct tn_str owner;  /* of the object: canonical id; empty: the bucket's */
    bool lacks_memory;    /* a value could not be told: whatever was answered is worth nothing */
};

/* As policy_request.values, with a struct api_question. */
size_t api_question_values(void *user, struct tn_str key, struct tn_str *out, size_t cap);

/* --- authorise_acl.c --- */

/* What the ACLs say. */
enum policy_verdict api_acl_ask(const struct api_question *q);

/* Could the ACL of the object matter for this action? */
bool api_acl_is_of_object(const struct api_question *q);

/* May objects there belong to others than the bucket's owner? */
bool api_acl_has_owners(const struct api_req *r, const struct bucket_config *config);

/* --- authorise_object.c --- */

/* Finds tags, ACL and owner of the object; one that is not there has none. May wait. */
TN_MUST_USE enum tn_s3_code api_question_look(struct api_question *q);

/* --- authorise_action.c --- */

/* "s3:GetObjectVersion" for GetObject with a version id; NULL: allowed to all that may ask. */
const char *api_action_of(const char *op, bool has_version);

#endif
