/* SPDX-License-Identifier: Apache-2.0 */
/* Get and put of the access control lists of buckets and objects. */

#include "server/api/acl.h"
#include "server/api/object_change.h"
#include "server/api/ops.h"
#include "server/api/owner.h"
#include "server/api/settings.h"

/* From the headers or, without any, from the body. */
static enum tn_s3_code read_acl(struct api_req *r, bool is_bucket, struct tn_str owner,
                                struct tn_str *acl)
{
    enum tn_s3_code code;
    if (acl_has_headers(r) && r->body.xml.len)
        return api_err(r, TN_S3_UNEXPECTED_CONTENT, "%s",
                       "This request does not support content: the headers say it all.");
    if (acl_has_headers(r))
        code = acl_read_headers(r, is_bucket, owner, acl);
    else if (r->body.xml.len == 0)
        code = api_err(r, TN_S3_MISSING_SECURITY_HEADER,
                       "Your request was missing a required header: x-amz-acl");
    else
        code = acl_read_body(r, owner, acl);
    return code ? code : acl_check_public(r, *acl);
}

/* --- Buckets --- */

enum tn_s3_code bucket_acl_get_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    return code ? code
                : acl_reply(r, owner_of_bucket(r, r->config),
                            bucket_config_get(r->config, BUCKET_ACL));
}

enum tn_s3_code bucket_acl_put_run(struct api_req *r)
{
    struct tn_str acl;
    enum tn_s3_code code = read_acl(r, true, owner_of_bucket(r, r->config), &acl);
    return code ? code : setting_replace(r, acl, 200);
}

/* --- Objects --- */

enum tn_s3_code object_acl_get_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code == TN_S3_OK)
        code = object_change_open(r);
    return code ? code : acl_reply(r, owner_of_object(r, &r->meta), r->meta.fields[API_META_ACL]);
}

/* Whose object it is decides what the list may say, so it is read with the object at hand. */
static enum tn_s3_code edit_acl(struct api_req *r, struct api_meta *meta)
{
    return read_acl(r, false, owner_of_object(r, meta), &meta->fields[API_META_ACL]);
}

enum tn_s3_code object_acl_put_run(struct api_req *r)
{
    return object_change_start(r, edit_acl, 200);
}
