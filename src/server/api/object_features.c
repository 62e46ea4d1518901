/* SPDX-License-Identifier: Apache-2.0 */
/* What headers say of an object beyond its content. */

#include "server/api/object_features.h"

#include "server/api/acl.h"
#include "server/api/object_lock.h"
#include "server/api/owner.h"
#include "server/api/sse.h"
#include "server/api/tags.h"

enum { REDIRECT_LEN_MAX = 2048 };

static enum tn_s3_code read_redirect(struct api_req *r, struct api_meta *meta)
{
    struct tn_str value = api_header(r, "x-amz-website-redirect-location");
    bool is_fine = tn_str_starts(value, TN_STR("/")) || tn_str_starts(value, TN_STR("http://")) ||
                   tn_str_starts(value, TN_STR("https://"));
    if (value.len && (!is_fine || value.len > REDIRECT_LEN_MAX))
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "The website redirect location must have a prefix of 'http://' or "
                       "'https://' or '/'.");
    meta->fields[API_META_REDIRECT] = value;
    return TN_S3_OK;
}

/* The writer's, unless the bucket takes what it is given. */
static enum tn_s3_code read_owner(struct api_req *r, struct api_meta *meta)
{
    struct tn_str asking = owner_asking(r);
    struct tn_str bucket_owner = owner_of_bucket(r, r->config);
    enum owner_rule rule = owner_rule_of(r->config);
    bool is_given = rule == OWNER_PREFERRED &&
                    tn_str_eq(api_header(r, "x-amz-acl"), TN_STR("bucket-owner-full-control"));
    bool is_bucket_owners =
        rule == OWNER_ENFORCED || is_given || asking.len == 0 || tn_str_eq(asking, bucket_owner);
    struct tn_str owner = is_bucket_owners ? bucket_owner : asking;
    meta->fields[API_META_OWNER] = is_bucket_owners ? TN_STR_EMPTY : asking;
    enum tn_s3_code code = acl_read_headers(r, false, owner, &meta->fields[API_META_ACL]);
    return code ? code : acl_check_public(r, meta->fields[API_META_ACL]);
}

enum tn_s3_code features_read(struct api_req *r, struct api_meta *meta)
{
    enum tn_s3_code code = tags_read_header(r, &meta->fields[API_META_TAGS]);
    if (code == TN_S3_OK)
        code = read_owner(r, meta);
    if (code == TN_S3_OK)
        code = lock_read_headers(r, meta);
    if (code == TN_S3_OK)
        code = read_redirect(r, meta);
    return code ? code : sse_read_headers(r, meta);
}

void features_copy(const struct api_req *r, const struct api_meta *source,
                   const struct api_meta *sent, struct api_meta *out)
{
    static const enum api_meta_field own[] = { API_META_ACL, API_META_OWNER, API_META_RETENTION,
                                               API_META_LEGAL_HOLD, API_META_REDIRECT };
    bool are_tags_new = tn_str_eq(api_header(r, "x-amz-tagging-directive"), TN_STR("REPLACE"));
    out->fields[API_META_TAGS] = (are_tags_new ? sent : source)->fields[API_META_TAGS];
    for (size_t i = 0; i < TN_COUNT(own); i++)
        out->fields[own[i]] = sent->fields[own[i]];
    out->fields[API_META_RESTORE] = TN_STR_EMPTY;
    out->fields[API_META_UPLOAD] = TN_STR_EMPTY;
    out->fields[API_META_RENAMED] = TN_STR_EMPTY;
}

void features_add_headers(struct api_req *r)
{
    size_t count = tags_count(r->meta.fields[API_META_TAGS]);
    if (count) {
        char text[24];
        (void)snprintf(text, sizeof text, "%zu", count);
        api_add_text(r, "x-amz-tagging-count", text);
    }
    if (r->meta.fields[API_META_REDIRECT].len)
        api_add(r, "x-amz-website-redirect-location", r->meta.fields[API_META_REDIRECT]);
    lock_add_headers(r, &r->meta);
    sse_add_headers(r, &r->meta);
}
