/* SPDX-License-Identifier: Apache-2.0 */
/* What the ACLs of bucket and object grant. */

#include "server/api/acl.h"
#include "server/api/authorise.h"
#include "server/api/owner.h"
#include "server/api/xml_rule.h"

static const struct {
    const char *action;
    bool is_of_object;
    unsigned permission;
} rows[] = {
    { "s3:ListBucket", false, ACL_READ },
    { "s3:ListBucketVersions", false, ACL_READ },
    { "s3:ListBucketMultipartUploads", false, ACL_READ },
    { "s3:PutObject", false, ACL_WRITE },
    { "s3:DeleteObject", false, ACL_WRITE },
    { "s3:DeleteObjectVersion", false, ACL_WRITE },
    { "s3:AbortMultipartUpload", false, ACL_WRITE },
    { "s3:ListMultipartUploadParts", false, ACL_WRITE },
    { "s3:GetBucketAcl", false, ACL_READ_ACP },
    { "s3:PutBucketAcl", false, ACL_WRITE_ACP },
    { "s3:GetObject", true, ACL_READ },
    { "s3:GetObjectVersion", true, ACL_READ },
    { "s3:GetObjectAcl", true, ACL_READ_ACP },
    { "s3:GetObjectVersionAcl", true, ACL_READ_ACP },
    { "s3:PutObjectAcl", true, ACL_WRITE_ACP },
    { "s3:PutObjectVersionAcl", true, ACL_WRITE_ACP },
};

/* The row of the action; TN_COUNT(rows) when ACLs have nothing to say of it. */
static size_t find_row(const char *action)
{
    size_t i = 0;
    while (i < TN_COUNT(rows) && strcmp(rows[i].action, action) != 0)
        i++;
    return i;
}

bool api_acl_is_of_object(const struct api_question *q)
{
    size_t row = find_row(q->action);
    return q->key.len && row < TN_COUNT(rows) && rows[row].is_of_object;
}

bool api_acl_has_owners(const struct api_req *r, const struct bucket_config *config)
{
    return auth_account_count(r->api->auth) > 1 && owner_rule_of(config) != OWNER_ENFORCED;
}

static bool are_public_ignored(const struct bucket_config *config)
{
    const struct tn_xml_node *block = bucket_config_form(config, BUCKET_PUBLIC_ACCESS);
    return block && xml_is_true(block, "IgnorePublicAcls");
}

/* Grants to an account are its root's to pass on; grants to everybody are everybody's. */
enum policy_verdict api_acl_ask(const struct api_question *q)
{
    size_t row = find_row(q->action);
    if (row == TN_COUNT(rows) || !q->config || owner_rule_of(q->config) == OWNER_ENFORCED)
        return POLICY_SILENT;
    bool is_of_object = rows[row].is_of_object;
    if (is_of_object && !q->has_object)
        return POLICY_SILENT;
    const struct policy_who *who = &q->identity->who;
    struct tn_str owner = owner_of_bucket(q->r, q->config);
    struct tn_str acl = bucket_config_get(q->config, BUCKET_ACL);
    if (is_of_object) {
        acl = q->acl;
        owner = q->owner.len ? q->owner : owner;
    }
    bool is_public_ignored = are_public_ignored(q->config);
    unsigned permission = rows[row].permission;
    if (acl_allows(acl, owner, TN_STR_EMPTY, permission, is_public_ignored))
        return POLICY_ALLOWS;
    if (who->is_anonymous ||
        !acl_allows(acl, owner, who->canonical_id, permission, is_public_ignored))
        return POLICY_SILENT;
    return who->is_account_root ? POLICY_ALLOWS : POLICY_ALLOWS_ACCOUNT;
}
