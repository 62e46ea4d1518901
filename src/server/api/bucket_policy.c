/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket's policy: get, put, and whether it opens the bucket to everybody. */

#include "proto/xml.h"
#include "server/api/acl.h"
#include "server/api/ops.h"
#include "server/api/settings.h"
#include "server/auth/policy.h"

enum { POLICY_ARENA_MAX = 4 * 1024 * 1024 };

enum tn_s3_code policy_get_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    struct tn_str text = bucket_config_get(r->config, BUCKET_POLICY);
    if (text.len == 0)
        return TN_S3_NO_SUCH_BUCKET_POLICY;
    api_add_text(r, "Content-Type", "application/json");
    r->http->answer.body = text;
    return api_reply_empty(r, 200);
}

static bool is_public_blocked(const struct bucket_config *config)
{
    const struct tn_xml_node *block = bucket_config_form(config, BUCKET_PUBLIC_ACCESS);
    return block && xml_is_true(block, "BlockPublicPolicy");
}

static enum tn_s3_code check_policy(struct api_req *r, struct tn_arena *arena, struct tn_str text)
{
    struct tarn_error err = { 0 };
    const struct policy *policy = NULL;
    int rc = policy_parse(arena, text, POLICY_BUCKET, r->bucket, &policy, &err);
    if (rc == TARN_ENOMEM)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (rc < 0)
        return api_err(r, TN_S3_MALFORMED_POLICY, "%s", err.message);
    if (policy_is_public(policy) && is_public_blocked(r->config))
        return api_err(r, TN_S3_ACCESS_DENIED,
                       "Public policies are blocked by the BlockPublicPolicy setting.");
    return TN_S3_OK;
}

enum tn_s3_code policy_put_run(struct api_req *r)
{
    struct tn_arena arena;
    struct tn_str text = tn_buf_str(&r->body.xml);
    if (text.len == 0)
        return TN_S3_MISSING_REQUEST_BODY;
    tn_arena_init(&arena, POLICY_ARENA_MAX);
    enum tn_s3_code code = check_policy(r, &arena, text);
    tn_arena_release(&arena);
    return code ? code : setting_replace(r, text, 204);
}

enum tn_s3_code policy_status_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    /* A bucket without a policy has a status, too: its ACL may open it. */
    const struct policy *policy = bucket_config_form(r->config, BUCKET_POLICY);
    bool is_public =
        policy_is_public(policy) || acl_is_public(bucket_config_get(r->config, BUCKET_ACL));
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "PolicyStatus", TN_XML_S3_NAMESPACE);
    tn_xml_bool(&w, "IsPublic", is_public);
    tn_xml_close(&w, "PolicyStatus");
    return api_reply_xml(r, &w);
}
