/* SPDX-License-Identifier: Apache-2.0 */
/* Putting together what identity, bucket policy, session and ACLs say. */

#include "server/api/authorise.h"

#include "base/log.h"
#include "proto/name.h"
#include "proto/xml.h"
#include "server/api/xml_rule.h"

enum { SESSION_POLICY_ARENA_MAX = 1024 * 1024 };

/* --- Who --- */

static void put_view(void *view)
{
    iam_view_put(view);
}

/* The user or role, as ARNs. Of a session: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION. */
static int fill_entity(struct api_req *r, struct api_identity *who)
{
    struct tn_arena *arena = &r->http->arena;
    const struct auth_session *session = r->who.session;
    if (!r->api->iam)
        return TARN_OK;
    who->view = iam_view_get(r->api->iam);
    if (tn_arena_defer(arena, put_view, who->view) < 0)
        return TARN_ENOMEM;
    who->entity = iam_view_of_id(who->view, tn_str_from(r->who.user_id));
    if (!who->entity)
        return TARN_OK;
    who->user_id = who->entity->id;
    who->who.arn = who->entity->arn;
    if (who->entity->type == IAM_USER) {
        who->user_name = who->entity->name;
        return TARN_OK;
    }
    struct tn_str name = session ? session->is.name : TN_STR_EMPTY;
    who->who.role_arn = who->entity->arn;
    const char *arn = tn_arena_printf(arena, "arn:aws:sts::%.*s:assumed-role/%.*s/%.*s",
                                      TN_STR_ARG(who->entity->account),
                                      TN_STR_ARG(who->entity->name), TN_STR_ARG(name));
    const char *id =
        tn_arena_printf(arena, "%.*s:%.*s", TN_STR_ARG(who->entity->id), TN_STR_ARG(name));
    if (!arn || !id)
        return TARN_ENOMEM;
    who->who.arn = tn_str_from(arn);
    who->user_id = tn_str_from(id);
    return TARN_OK;
}

static int fill_root(struct api_req *r, struct api_identity *who)
{
    const char *arn =
        tn_arena_printf(&r->http->arena, "arn:aws:iam::%.*s:root", TN_STR_ARG(who->who.account));
    who->who.is_account_root = true;
    who->who.arn = tn_str_from(arn);
    who->user_id = who->who.account;
    return arn ? TARN_OK : TARN_ENOMEM;
}

/* A session's policy is part of its token: parsed for each request, as sessions are many. Before it
 * stand the ARNs of managed ones, a line each, which mean what they say now; one that is gone says
 * nothing. */
static int fill_session(struct api_req *r, struct api_identity *who)
{
    const struct auth_session *session = r->who.session;
    if (!session || session->is.policy.len == 0)
        return TARN_OK;
    struct api_session_policies *all = tn_arena_zalloc(&r->http->arena, sizeof *all);
    struct tn_str rest = session->is.policy;
    if (!all)
        return TARN_ENOMEM;
    who->session = all;
    while (tn_str_starts(rest, TN_STR("arn:")) && all->count < API_SESSION_POLICY_COUNT_MAX) {
        struct tn_str arn = tn_str_split(&rest, '\n');
        const struct iam_entity *p = who->view ? iam_view_of_arn(who->view, arn) : NULL;
        all->items[all->count++] = p && p->type == IAM_POLICY ? p->document : NULL;
    }
    return rest.len == 0 ? TARN_OK
                         : policy_parse(&r->tree, rest, POLICY_IDENTITY, TN_STR_EMPTY,
                                        &all->items[all->count++], NULL);
}

enum policy_verdict api_session_ask(const struct api_identity *who,
                                    const struct policy_request *request)
{
    enum policy_verdict verdict = POLICY_SILENT;
    if (!who->session)
        return POLICY_ALLOWS;
    for (size_t i = 0; i < who->session->count; i++)
        verdict = policy_join(verdict, policy_ask(who->session->items[i], request));
    return verdict;
}

struct api_identity *api_identity_get(struct api_req *r)
{
    if (r->identity)
        return r->identity;
    struct api_identity *who = tn_arena_zalloc(&r->http->arena, sizeof *who);
    if (!who)
        return NULL;
    who->who.is_anonymous = auth_result_is_anonymous(&r->who);
    int rc = TARN_OK;
    if (!who->who.is_anonymous) {
        who->who.account = r->who.account->number;
        who->who.canonical_id = r->who.account->canonical_id;
        rc = r->who.is_root ? fill_root(r, who) : fill_entity(r, who);
        if (rc == TARN_OK)
            rc = fill_session(r, who);
    }
    if (rc < 0)
        return NULL;
    r->identity = who;
    return who;
}

const struct auth_account *api_bucket_owner(const struct api_req *r,
                                            const struct bucket_config *config)
{
    struct tn_str id = bucket_config_get(config, BUCKET_OWNER);
    const struct auth_account *owner = id.len ? auth_account_of_id(r->api->auth, id) : NULL;
    return owner ? owner : auth_account_at(r->api->auth, 0);
}

/* --- The verdict --- */

static bool is_restricted(const struct bucket_config *config, const struct policy *policy)
{
    const struct tn_xml_node *block = bucket_config_form(config, BUCKET_PUBLIC_ACCESS);
    return block && xml_is_true(block, "RestrictPublicBuckets") && policy_is_public(policy);
}

/* What the bucket's policy says. One that cannot be read denies: it may hold a Deny. */
static enum policy_verdict ask_bucket(const struct api_question *q,
                                      const struct policy_request *request, bool is_own)
{
    if (!q->config || bucket_config_get(q->config, BUCKET_POLICY).len == 0)
        return POLICY_SILENT;
    const struct policy *policy = bucket_config_form(q->config, BUCKET_POLICY);
    if (!policy)
        return POLICY_DENIES;
    enum policy_verdict verdict = policy_ask(policy, request);
    if (verdict != POLICY_DENIES && !is_own && is_restricted(q->config, policy))
        return POLICY_SILENT;
    return verdict;
}

/* The owner's root can always mend a policy that shuts everybody out. */
static bool is_rescue(const struct api_question *q, bool is_own)
{
    static const char *const actions[] = { "s3:GetBucketPolicy", "s3:PutBucketPolicy",
                                           "s3:DeleteBucketPolicy" };
    for (size_t i = 0; i < TN_COUNT(actions); i++) {
        if (strcmp(q->action, actions[i]) == 0)
            return is_own && q->identity->who.is_account_root;
    }
    return false;
}

static bool ask(struct api_question *q)
{
    const struct api_identity *who = q->identity;
    char resource[sizeof "arn:aws:s3:::" + TN_BUCKET_LEN_MAX + 1 + TN_KEY_LEN_MAX + 1];
    struct tn_str bucket = q->config ? bucket_config_name(q->config) : q->r->bucket;
    int len = snprintf(resource, sizeof resource, "arn:aws:s3:::%.*s%s%.*s", TN_STR_ARG(bucket),
                       q->key.len ? "/" : "", TN_STR_ARG(q->key));
    struct policy_request request = { .who = &who->who,
                                      .action = tn_str_from(q->action),
                                      .resource = { resource, (size_t)len },
                                      .values = api_question_values,
                                      .user = q };
    if (len < 0 || (size_t)len >= sizeof resource)
        return false;
    if (bucket.len == 0)
        request.resource = TN_STR("*");
    struct tn_str account = who->who.account;
    bool is_own = !q->config || tn_str_eq(api_bucket_owner(q->r, q->config)->number, account);
    if (is_rescue(q, is_own))
        return true;

    enum policy_verdict by_bucket = ask_bucket(q, &request, is_own);
    enum policy_verdict by_identity = POLICY_SILENT;
    if (who->who.is_account_root)
        by_identity = POLICY_ALLOWS;
    else if (who->entity)
        by_identity = iam_ask(who->view, who->entity->id, &request);
    enum policy_verdict by_session = api_session_ask(who, &request);
    if (by_bucket == POLICY_DENIES || by_identity == POLICY_DENIES || by_session == POLICY_DENIES)
        return false;
    if (!who->who.is_anonymous && !who->who.is_account_root && !who->entity)
        return false; /* the user is gone, its key is about to be */

    enum policy_verdict by_resource = policy_join(by_bucket, api_acl_ask(q));
    if (who->who.is_anonymous)
        return by_resource >= POLICY_ALLOWS;
    bool has_identity = by_identity >= POLICY_ALLOWS && by_session >= POLICY_ALLOWS;
    if (q->owner.len && q->config && api_acl_has_owners(q->r, q->config) &&
        api_acl_is_of_object(q) && !tn_str_eq(q->owner, who->who.canonical_id))
        is_own = false; /* objects of others are not the bucket owner's to read */
    if (!is_own)
        return has_identity && by_resource != POLICY_SILENT;
    return has_identity || by_resource == POLICY_ALLOWS_SESSION ||
           (by_resource >= POLICY_ALLOWS && by_session >= POLICY_ALLOWS);
}

/* --- Objects --- */

/* Whoever may list is told that the key is not there; others learn nothing of it. */
static enum tn_s3_code refuse_missing(const struct api_question *q)
{
    struct api_question list = *q;
    list.action = "s3:ListBucket";
    list.prefix = q->key;
    list.key = TN_STR_EMPTY;
    return ask(&list) ? TN_S3_NO_SUCH_KEY : TN_S3_ACCESS_DENIED;
}

static enum tn_s3_code verdict_of(const struct api_question *q, bool may)
{
    if (q->lacks_memory)
        return TN_S3_SERVICE_UNAVAILABLE;
    return may ? TN_S3_OK : TN_S3_ACCESS_DENIED;
}

static enum tn_s3_code judge(struct api_question *q, bool may_wait, bool *is_undecided)
{
    bool may = ask(q);
    bool has_acl = q->config && api_acl_is_of_object(q);
    bool needs_acl = has_acl && (!may || api_acl_has_owners(q->r, q->config));
    bool is_open = q->key.len && !q->has_object && (q->asks_for_tags || needs_acl);
    if (is_open && !may_wait) {
        *is_undecided = true;
        return TN_S3_OK;
    }
    if (is_open) {
        enum tn_s3_code code = api_question_look(q);
        if (code)
            return code;
        may = ask(q);
        if (!may && q->is_missing && has_acl)
            return refuse_missing(q);
    }
    return verdict_of(q, may);
}

/* --- The operation --- */

/* Needs no look at anything: the account's root, on its own, with no policy there. */
static bool is_plain(const struct api_req *r, const struct bucket_config *config)
{
    return r->who.is_root && !r->who.session && bucket_config_get(config, BUCKET_POLICY).len == 0 &&
           r->who.account == api_bucket_owner(r, config) &&
           (r->op->level != API_OBJECT || !api_acl_has_owners(r, config));
}

static const struct {
    const char *header;
    const char *action;
} extra_actions[] = {
    { "x-amz-tagging", "s3:PutObjectTagging" },
    { "x-amz-acl", "s3:PutObjectAcl" },
    { "x-amz-grant-read", "s3:PutObjectAcl" },
    { "x-amz-grant-write", "s3:PutObjectAcl" },
    { "x-amz-grant-read-acp", "s3:PutObjectAcl" },
    { "x-amz-grant-write-acp", "s3:PutObjectAcl" },
    { "x-amz-grant-full-control", "s3:PutObjectAcl" },
    { "x-amz-object-lock-mode", "s3:PutObjectRetention" },
    { "x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold" },
};

static struct api_question question(struct api_req *r, const struct bucket_config *config,
                                    const char *action)
{
    return (struct api_question){ .r = r,
                                  .identity = r->identity,
                                  .config = config,
                                  .action = action,
                                  .key = r->key,
                                  .version = tn_query_value(&r->query, "versionId"),
                                  .prefix = TN_STR_EMPTY,
                                  .tags = TN_STR_EMPTY,
                                  .acl = TN_STR_EMPTY,
                                  .owner = TN_STR_EMPTY };
}

/* An identity that is given further rights with the object needs those too. Other accounts may set
 * the ACL of what they put, as S3 lets them. */
static enum tn_s3_code judge_extras(struct api_req *r, const char *action)
{
    if (strcmp(action, "s3:PutObject") != 0 || r->who.is_root || !r->identity->entity)
        return TN_S3_OK;
    for (size_t i = 0; i < TN_COUNT(extra_actions); i++) {
        if (!api_has_header(r, extra_actions[i].header))
            continue;
        struct api_question q = question(r, r->config, extra_actions[i].action);
        enum tn_s3_code code = verdict_of(&q, ask(&q));
        if (code)
            return code;
    }
    return TN_S3_OK;
}

static enum tn_s3_code judge_source(struct api_req *r)
{
    struct tn_copy_source source;
    struct tn_str text = api_header(r, "x-amz-copy-source");
    int rc = tn_copy_source_parse(&r->http->arena, text, &source);
    if (rc == TARN_EINVAL)
        return TN_S3_OK; /* the operation's to refuse */
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    return api_may(r, source.version_id.len ? "s3:GetObjectVersion" : "s3:GetObject", source.bucket,
                   source.key, source.version_id);
}

static enum tn_s3_code judge_op(struct api_req *r, bool may_wait)
{
    const char *action = api_action_of(r->op->name, tn_query_has(&r->query, "versionId"));
    if (!action)
        return TN_S3_OK;
    struct api_question q = question(r, r->config, action);
    enum tn_s3_code code = judge(&q, may_wait, &r->is_undecided);
    if (code == TN_S3_OK)
        code = judge_extras(r, action);
    if (code == TN_S3_OK && r->op->is_copy) {
        if (may_wait)
            return judge_source(r);
        r->is_undecided = true; /* another bucket, and perhaps its objects */
    }
    return code;
}

enum tn_s3_code api_authorise(struct api_req *r)
{
    bool is_create = strcmp(r->op->name, "CreateBucket") == 0;
    if (r->api->is_auth_off)
        return TN_S3_OK;
    if (r->op->level != API_SERVICE && !is_create) {
        enum tn_s3_code code = api_bucket_check(r);
        if (code)
            return code;
        if (!r->op->is_copy && is_plain(r, r->config))
            return TN_S3_OK;
    }
    if (!api_identity_get(r))
        return TN_S3_SERVICE_UNAVAILABLE;
    return judge_op(r, false);
}

enum tn_s3_code api_authorise_object(struct api_req *r)
{
    return judge_op(r, true);
}

enum tn_s3_code api_authorise_put(struct api_req *r)
{
    static const char action[] = "s3:PutObject";
    bool is_undecided = false;
    if (r->api->is_auth_off)
        return TN_S3_OK;
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    if (!api_identity_get(r))
        return TN_S3_SERVICE_UNAVAILABLE;
    struct api_question q = question(r, r->config, action);
    code = judge(&q, true, &is_undecided);
    return code ? code : judge_extras(r, action);
}

enum tn_s3_code api_may(struct api_req *r, const char *action, struct tn_str bucket,
                        struct tn_str key, struct tn_str version)
{
    struct bucket_config *config = NULL;
    bool is_undecided = false;
    if (r->api->is_auth_off)
        return TN_S3_OK;
    int rc = bucket_configs_get(r->api->configs, bucket, &config);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    enum tn_s3_code code = TN_S3_OK;
    if (!is_plain(r, config)) {
        struct api_question q = { 0 };
        if (api_identity_get(r)) {
            q = question(r, config, action);
            q.key = key;
            q.version = version;
            code = judge(&q, true, &is_undecided);
        } else {
            code = TN_S3_SERVICE_UNAVAILABLE;
        }
    }
    bucket_config_unref(config);
    return code;
}

enum tn_s3_code api_may_service(struct api_req *r, const char *action, struct tn_str resource)
{
    if (r->api->is_auth_off)
        return TN_S3_OK;
    const struct api_identity *who = api_identity_get(r);
    if (!who)
        return TN_S3_SERVICE_UNAVAILABLE;
    struct api_question q = question(r, NULL, action);
    struct policy_request request = { .who = &who->who,
                                      .action = tn_str_from(action),
                                      .resource = resource,
                                      .values = api_question_values,
                                      .user = &q };
    enum policy_verdict by_session = api_session_ask(who, &request);
    if (by_session < POLICY_ALLOWS || by_session == POLICY_DENIES)
        return TN_S3_ACCESS_DENIED;
    if (who->who.is_account_root)
        return TN_S3_OK;
    if (!who->entity)
        return TN_S3_ACCESS_DENIED;
    enum policy_verdict verdict = iam_ask(who->view, who->entity->id, &request);
    return verdict_of(&q, verdict >= POLICY_ALLOWS && verdict != POLICY_DENIES);
}
