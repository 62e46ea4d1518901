/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations, and how a request finds its row. */

#include "server/api/iam_query.h"
#include "server/api/ops.h"
#include "server/api/post_policy_form.h"
#include "server/api/router.h"

/* Sub-resources that some row understands. */
#define SUB_LOCATION (UINT64_C(1) << 0)
#define SUB_VERSIONING (UINT64_C(1) << 1)
#define SUB_UPLOADS (UINT64_C(1) << 2)
#define SUB_LIST_TYPE (UINT64_C(1) << 3)
#define SUB_DELETE (UINT64_C(1) << 4)
#define SUB_UPLOAD_ID (UINT64_C(1) << 5)
#define SUB_PART_NUMBER (UINT64_C(1) << 6)
#define SUB_ACCELERATE (UINT64_C(1) << 7)
#define SUB_ACL (UINT64_C(1) << 8)
#define SUB_ATTRIBUTES (UINT64_C(1) << 9)
#define SUB_CORS (UINT64_C(1) << 10)
#define SUB_ENCRYPTION (UINT64_C(1) << 11)
#define SUB_LEGAL_HOLD (UINT64_C(1) << 12)
#define SUB_LIFECYCLE (UINT64_C(1) << 13)
#define SUB_LOGGING (UINT64_C(1) << 14)
#define SUB_NOTIFICATION (UINT64_C(1) << 15)
#define SUB_OBJECT_LOCK (UINT64_C(1) << 16)
#define SUB_OWNERSHIP_CONTROLS (UINT64_C(1) << 17)
#define SUB_POLICY (UINT64_C(1) << 18)
#define SUB_POLICY_STATUS (UINT64_C(1) << 19)
#define SUB_PUBLIC_ACCESS_BLOCK (UINT64_C(1) << 20)
#define SUB_QUOTA (UINT64_C(1) << 21)
#define SUB_RENAME_OBJECT (UINT64_C(1) << 22)
#define SUB_REQUEST_PAYMENT (UINT64_C(1) << 23)
#define SUB_RESTORE (UINT64_C(1) << 24)
#define SUB_RETENTION (UINT64_C(1) << 25)
#define SUB_TAGGING (UINT64_C(1) << 26)
#define SUB_WEBSITE (UINT64_C(1) << 27)
#define SUB_VERSION_ID (UINT64_C(1) << 28)
#define SUB_VERSIONS (UINT64_C(1) << 29)
#define SUB_TORRENT (UINT64_C(1) << 30)

static const struct {
    const char *name;
    uint64_t bit;
} known_subs[] = {
    { "location", SUB_LOCATION },
    { "versioning", SUB_VERSIONING },
    { "uploads", SUB_UPLOADS },
    { "list-type", SUB_LIST_TYPE },
    { "delete", SUB_DELETE },
    { "uploadId", SUB_UPLOAD_ID },
    { "partNumber", SUB_PART_NUMBER },
    { "accelerate", SUB_ACCELERATE },
    { "acl", SUB_ACL },
    { "attributes", SUB_ATTRIBUTES },
    { "cors", SUB_CORS },
    { "encryption", SUB_ENCRYPTION },
    { "legal-hold", SUB_LEGAL_HOLD },
    { "lifecycle", SUB_LIFECYCLE },
    { "logging", SUB_LOGGING },
    { "notification", SUB_NOTIFICATION },
    { "object-lock", SUB_OBJECT_LOCK },
    { "ownershipControls", SUB_OWNERSHIP_CONTROLS },
    { "policy", SUB_POLICY },
    { "policyStatus", SUB_POLICY_STATUS },
    { "publicAccessBlock", SUB_PUBLIC_ACCESS_BLOCK },
    { "quota", SUB_QUOTA },
    { "renameObject", SUB_RENAME_OBJECT },
    { "requestPayment", SUB_REQUEST_PAYMENT },
    { "restore", SUB_RESTORE },
    { "retention", SUB_RETENTION },
    { "tagging", SUB_TAGGING },
    { "website", SUB_WEBSITE },
    { "versionId", SUB_VERSION_ID },
    { "versions", SUB_VERSIONS },
    { "torrent", SUB_TORRENT },
};

/* Sub-resources that S3 defines and no row understands yet: never ignored, or a request to tag an
 * object would overwrite it. */
static const char *const foreign_subs[] = {
    "abac",
    "analytics",
    "annotation",
    "append",
    "intelligent-tiering",
    "inventory",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "replication",
    "select",
    "select-type",
    "session",
};

/* A document of a bucket, settings.c. */
#define SETTING_GET(op_name, sub, which)                                                           \
    {                                                                                              \
        .name = (op_name), .method = "GET", .level = API_BUCKET, .needs = (sub),                   \
        .section = (which), .run = setting_get_run                                                 \
    }
#define SETTING_PUT(op_name, sub, which)                                                           \
    {                                                                                              \
        .name = (op_name), .method = "PUT", .level = API_BUCKET, .needs = (sub),                   \
        .section = (which), .body = API_BODY_XML, .check = setting_put_check,                      \
        .run = setting_put_run                                                                     \
    }
#define SETTING_DELETE(op_name, sub, which)                                                        \
    {                                                                                              \
        .name = (op_name), .method = "DELETE", .level = API_BUCKET, .needs = (sub),                \
        .section = (which), .run = setting_delete_run                                              \
    }

/* The first row that fits wins, so the more special ones stand first. */
const struct api_op api_ops[] = {
    { .name = "ListBuckets",
      .method = "GET",
      .level = API_SERVICE,
      .is_on_worker = true,
      .run = bucket_list_run },
    { .name = "IamQuery",
      .method = "POST",
      .level = API_SERVICE,
      .body = API_BODY_XML,
      .check = iam_query_check,
      .run = iam_query_run },

    SETTING_GET("GetBucketTagging", SUB_TAGGING, BUCKET_TAGGING),
    SETTING_PUT("PutBucketTagging", SUB_TAGGING, BUCKET_TAGGING),
    SETTING_DELETE("DeleteBucketTagging", SUB_TAGGING, BUCKET_TAGGING),
    SETTING_GET("GetBucketLifecycleConfiguration", SUB_LIFECYCLE, BUCKET_LIFECYCLE),
    SETTING_PUT("PutBucketLifecycleConfiguration", SUB_LIFECYCLE, BUCKET_LIFECYCLE),
    SETTING_DELETE("DeleteBucketLifecycle", SUB_LIFECYCLE, BUCKET_LIFECYCLE),
    SETTING_GET("GetBucketCors", SUB_CORS, BUCKET_CORS),
    SETTING_PUT("PutBucketCors", SUB_CORS, BUCKET_CORS),
    SETTING_DELETE("DeleteBucketCors", SUB_CORS, BUCKET_CORS),
    SETTING_GET("GetPublicAccessBlock", SUB_PUBLIC_ACCESS_BLOCK, BUCKET_PUBLIC_ACCESS),
    SETTING_PUT("PutPublicAccessBlock", SUB_PUBLIC_ACCESS_BLOCK, BUCKET_PUBLIC_ACCESS),
    SETTING_DELETE("DeletePublicAccessBlock", SUB_PUBLIC_ACCESS_BLOCK, BUCKET_PUBLIC_ACCESS),
    SETTING_GET("GetBucketOwnershipControls", SUB_OWNERSHIP_CONTROLS, BUCKET_OWNERSHIP),
    SETTING_PUT("PutBucketOwnershipControls", SUB_OWNERSHIP_CONTROLS, BUCKET_OWNERSHIP),
    SETTING_DELETE("DeleteBucketOwnershipControls", SUB_OWNERSHIP_CONTROLS, BUCKET_OWNERSHIP),
    SETTING_GET("GetBucketEncryption", SUB_ENCRYPTION, BUCKET_ENCRYPTION),
    SETTING_PUT("PutBucketEncryption", SUB_ENCRYPTION, BUCKET_ENCRYPTION),
    SETTING_DELETE("DeleteBucketEncryption", SUB_ENCRYPTION, BUCKET_ENCRYPTION),
    SETTING_GET("GetObjectLockConfiguration", SUB_OBJECT_LOCK, BUCKET_OBJECT_LOCK),
    SETTING_PUT("PutObjectLockConfiguration", SUB_OBJECT_LOCK, BUCKET_OBJECT_LOCK),
    SETTING_GET("GetBucketLogging", SUB_LOGGING, BUCKET_LOGGING),
    SETTING_PUT("PutBucketLogging", SUB_LOGGING, BUCKET_LOGGING),
    SETTING_GET("GetBucketNotificationConfiguration", SUB_NOTIFICATION, BUCKET_NOTIFICATION),
    SETTING_PUT("PutBucketNotificationConfiguration", SUB_NOTIFICATION, BUCKET_NOTIFICATION),
    SETTING_GET("GetBucketWebsite", SUB_WEBSITE, BUCKET_WEBSITE),
    SETTING_PUT("PutBucketWebsite", SUB_WEBSITE, BUCKET_WEBSITE),
    SETTING_DELETE("DeleteBucketWebsite", SUB_WEBSITE, BUCKET_WEBSITE),
    SETTING_GET("GetBucketRequestPayment", SUB_REQUEST_PAYMENT, BUCKET_REQUEST_PAYMENT),
    SETTING_PUT("PutBucketRequestPayment", SUB_REQUEST_PAYMENT, BUCKET_REQUEST_PAYMENT),
    SETTING_GET("GetBucketAccelerateConfiguration", SUB_ACCELERATE, BUCKET_ACCELERATE),
    SETTING_PUT("PutBucketAccelerateConfiguration", SUB_ACCELERATE, BUCKET_ACCELERATE),
    SETTING_GET("GetBucketQuota", SUB_QUOTA, BUCKET_QUOTA),
    SETTING_PUT("PutBucketQuota", SUB_QUOTA, BUCKET_QUOTA),
    SETTING_DELETE("DeleteBucketQuota", SUB_QUOTA, BUCKET_QUOTA),
    { .name = "PutBucketVersioning",
      .method = "PUT",
      .level = API_BUCKET,
      .needs = SUB_VERSIONING,
      .section = BUCKET_VERSIONING,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = versioning_put_run },
    { .name = "GetBucketPolicy",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_POLICY,
      .section = BUCKET_POLICY,
      .run = policy_get_run },
    { .name = "PutBucketPolicy",
      .method = "PUT",
      .level = API_BUCKET,
      .needs = SUB_POLICY,
      .section = BUCKET_POLICY,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = policy_put_run },
    SETTING_DELETE("DeleteBucketPolicy", SUB_POLICY, BUCKET_POLICY),
    { .name = "GetBucketPolicyStatus",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_POLICY_STATUS,
      .run = policy_status_run },

    { .name = "GetBucketAcl",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_ACL,
      .section = BUCKET_ACL,
      .run = bucket_acl_get_run },
    { .name = "PutBucketAcl",
      .method = "PUT",
      .level = API_BUCKET,
      .needs = SUB_ACL,
      .section = BUCKET_ACL,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = bucket_acl_put_run },
    { .name = "GetBucketLocation",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_LOCATION,
      .run = bucket_location_run },
    { .name = "GetBucketVersioning",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_VERSIONING,
      .run = bucket_versioning_run },
    { .name = "ListMultipartUploads",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_UPLOADS,
      .is_on_worker = true,
      .check = upload_list_check,
      .run = upload_list_run },
    { .name = "ListObjectVersions",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_VERSIONS,
      .is_on_worker = true,
      .check = versions_check,
      .run = versions_run },
    { .name = "ListObjectsV2",
      .method = "GET",
      .level = API_BUCKET,
      .needs = SUB_LIST_TYPE,
      .is_on_worker = true,
      .check = list_v2_check,
      .run = list_run },
    { .name = "ListObjects",
      .method = "GET",
      .level = API_BUCKET,
      .is_on_worker = true,
      .check = list_v1_check,
      .run = list_run },
    { .name = "HeadBucket", .method = "HEAD", .level = API_BUCKET, .run = bucket_head_run },
    { .name = "CreateBucket",
      .method = "PUT",
      .level = API_BUCKET,
      .body = API_BODY_XML,
      .check = bucket_create_check,
      .run = bucket_create_run },
    { .name = "DeleteBucket", .method = "DELETE", .level = API_BUCKET, .run = bucket_delete_run },
    { .name = "DeleteObjects",
      .method = "POST",
      .level = API_BUCKET,
      .needs = SUB_DELETE,
      .body = API_BODY_XML,
      .check = objects_delete_check,
      .run = objects_delete_run },
    { .name = "PostObject",
      .method = "POST",
      .level = API_BUCKET,
      .body = API_BODY_OBJECT,
      .check = post_object_check,
      .run = post_object_run },

    { .name = "GetObjectAcl",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_ACL,
      .allows = SUB_VERSION_ID,
      .is_on_worker = true,
      .check = api_bucket_check,
      .run = object_acl_get_run },
    { .name = "PutObjectAcl",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_ACL,
      .allows = SUB_VERSION_ID,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = object_acl_put_run },
    { .name = "GetObjectTagging",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_TAGGING,
      .allows = SUB_VERSION_ID,
      .is_on_worker = true,
      .check = api_bucket_check,
      .run = object_tagging_get_run },
    { .name = "PutObjectTagging",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_TAGGING,
      .allows = SUB_VERSION_ID,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = object_tagging_put_run },
    { .name = "GetObjectRetention",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_RETENTION,
      .allows = SUB_VERSION_ID,
      .is_on_worker = true,
      .check = api_bucket_check,
      .run = retention_get_run },
    { .name = "PutObjectRetention",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_RETENTION,
      .allows = SUB_VERSION_ID,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = retention_put_run },
    { .name = "GetObjectLegalHold",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_LEGAL_HOLD,
      .allows = SUB_VERSION_ID,
      .is_on_worker = true,
      .check = api_bucket_check,
      .run = legal_hold_get_run },
    { .name = "PutObjectLegalHold",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_LEGAL_HOLD,
      .allows = SUB_VERSION_ID,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = legal_hold_put_run },
    { .name = "DeleteObjectTagging",
      .method = "DELETE",
      .level = API_OBJECT,
      .needs = SUB_TAGGING,
      .allows = SUB_VERSION_ID,
      .is_on_worker = true,
      .run = object_tagging_delete_run },
    { .name = "GetObjectAttributes",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_ATTRIBUTES,
      .allows = SUB_VERSION_ID,
      .is_on_worker = true,
      .check = attributes_check,
      .run = attributes_run },
    { .name = "GetObjectTorrent",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_TORRENT,
      .run = torrent_get_run },
    { .name = "RestoreObject",
      .method = "POST",
      .level = API_OBJECT,
      .needs = SUB_RESTORE,
      .allows = SUB_VERSION_ID,
      .body = API_BODY_XML,
      .check = setting_put_check,
      .run = restore_run },
    { .name = "ListParts",
      .method = "GET",
      .level = API_OBJECT,
      .needs = SUB_UPLOAD_ID,
      .is_on_worker = true,
      .check = part_list_check,
      .run = part_list_run },
    { .name = "GetObject",
      .method = "GET",
      .level = API_OBJECT,
      .allows = SUB_PART_NUMBER | SUB_VERSION_ID,
      .check = object_get_check,
      .run = object_get_run },
    { .name = "HeadObject",
      .method = "HEAD",
      .level = API_OBJECT,
      .allows = SUB_PART_NUMBER | SUB_VERSION_ID,
      .check = object_get_check,
      .run = object_get_run },
    { .name = "UploadPartCopy",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_UPLOAD_ID,
      .allows = SUB_PART_NUMBER,
      .is_copy = true,
      .is_on_worker = true,
      .check = part_copy_check,
      .run = part_copy_run },
    { .name = "CopyObject",
      .method = "PUT",
      .level = API_OBJECT,
      .is_copy = true,
      .is_on_worker = true,
      .check = object_copy_check,
      .run = object_copy_run },
    { .name = "UploadPart",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_UPLOAD_ID,
      .allows = SUB_PART_NUMBER,
      .body = API_BODY_OBJECT,
      .check = part_put_check,
      .prepare = part_put_prepare,
      .run = part_put_run },
    { .name = "AppendObject",
      .method = "PUT",
      .level = API_OBJECT,
      .is_append = true,
      .body = API_BODY_OBJECT,
      .check = append_check,
      .prepare = append_prepare,
      .run = append_run },
    { .name = "RenameObject",
      .method = "PUT",
      .level = API_OBJECT,
      .needs = SUB_RENAME_OBJECT,
      .is_on_worker = true,
      .check = rename_check,
      .run = rename_run },
    { .name = "PutObject",
      .method = "PUT",
      .level = API_OBJECT,
      .body = API_BODY_OBJECT,
      .check = object_put_check,
      .run = object_put_run },
    { .name = "CreateMultipartUpload",
      .method = "POST",
      .level = API_OBJECT,
      .needs = SUB_UPLOADS,
      .check = upload_create_check,
      .run = upload_create_run },
    { .name = "CompleteMultipartUpload",
      .method = "POST",
      .level = API_OBJECT,
      .needs = SUB_UPLOAD_ID,
      .body = API_BODY_XML,
      .is_checksum_of_object = true,
      .check = upload_complete_check,
      .run = upload_complete_run },
    { .name = "AbortMultipartUpload",
      .method = "DELETE",
      .level = API_OBJECT,
      .needs = SUB_UPLOAD_ID,
      .check = upload_abort_check,
      .run = upload_abort_run },
    { .name = "DeleteObject",
      .method = "DELETE",
      .level = API_OBJECT,
      .allows = SUB_VERSION_ID,
      .check = object_delete_check,
      .run = object_delete_run },
};

const size_t api_op_count = TN_COUNT(api_ops);

static uint64_t find_subs(const struct tn_query *query)
{
    uint64_t present = 0;
    for (size_t i = 0; query->count && i < TN_COUNT(known_subs); i++) {
        if (tn_query_has(query, known_subs[i].name))
            present |= known_subs[i].bit;
    }
    return present;
}

static bool has_foreign_sub(const struct tn_query *query)
{
    for (size_t i = 0; query->count && i < TN_COUNT(foreign_subs); i++) {
        if (tn_query_has(query, foreign_subs[i]))
            return true;
    }
    return false;
}

static bool op_fits(const struct api_op *op, const struct api_route *route, uint64_t subs,
                    bool is_copy)
{
    bool is_append = route->has_write_offset && !is_copy;
    return op->level == route->level && op->is_copy == is_copy && (subs & op->needs) == op->needs &&
           (!op->is_append || is_append) && tn_str_eq(tn_str_from(op->method), route->method);
}

/* What no row takes: a method that S3 does not have at this level, or one that is not here yet. */
static enum tn_s3_code refuse(const struct api_route *route, uint64_t subs)
{
    bool is_options = tn_str_eq(route->method, TN_STR("OPTIONS"));
    if (subs || is_options || route->has_copy_source)
        return TN_S3_NOT_IMPLEMENTED;
    return TN_S3_METHOD_NOT_ALLOWED;
}

/* Whatever the browser is going to ask for. */
static const struct api_op preflight = {
    .name = "PreflightRequest", .method = "OPTIONS", .level = API_BUCKET, .run = preflight_run
};

enum tn_s3_code api_route_find(const struct api_route *route, const struct api_op **out)
{
    if (tn_str_eq(route->method, TN_STR("OPTIONS")) && route->level != API_SERVICE) {
        *out = &preflight;
        return TN_S3_OK;
    }
    uint64_t subs = find_subs(route->query);
    bool is_copy = route->has_copy_source && tn_str_eq(route->method, TN_STR("PUT"));
    if (has_foreign_sub(route->query))
        return TN_S3_NOT_IMPLEMENTED;
    for (size_t i = 0; i < api_op_count; i++) {
        const struct api_op *op = &api_ops[i];
        if (!op_fits(op, route, subs, is_copy))
            continue;
        if (subs & ~(op->needs | op->allows | SUB_LIST_TYPE))
            return TN_S3_NOT_IMPLEMENTED;
        *out = op;
        return TN_S3_OK;
    }
    return refuse(route, subs);
}
