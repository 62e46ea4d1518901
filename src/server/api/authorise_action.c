/* SPDX-License-Identifier: Apache-2.0 */
/* Which action each operation is, where the names differ. */

#include "server/api/authorise.h"

static const struct {
    const char *op;
    const char *action;
    const char *versioned; /* NULL: the same */
} rows[] = {
    { "ListBuckets", "s3:ListAllMyBuckets", NULL },
    { "HeadBucket", "s3:ListBucket", NULL },
    { "ListObjects", "s3:ListBucket", NULL },
    { "ListObjectsV2", "s3:ListBucket", NULL },
    { "ListObjectVersions", "s3:ListBucketVersions", NULL },
    { "ListMultipartUploads", "s3:ListBucketMultipartUploads", NULL },
    { "ListParts", "s3:ListMultipartUploadParts", NULL },
    { "GetObject", "s3:GetObject", "s3:GetObjectVersion" },
    { "HeadObject", "s3:GetObject", "s3:GetObjectVersion" },
    { "SelectObjectContent", "s3:GetObject", NULL },
    { "GetObjectAcl", "s3:GetObjectAcl", "s3:GetObjectVersionAcl" },
    { "PutObjectAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl" },
    { "GetObjectTagging", "s3:GetObjectTagging", "s3:GetObjectVersionTagging" },
    { "PutObjectTagging", "s3:PutObjectTagging", "s3:PutObjectVersionTagging" },
    { "DeleteObjectTagging", "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging" },
    { "GetObjectAttributes", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes" },
    { "GetObjectTorrent", "s3:GetObjectTorrent", "s3:GetObjectVersionTorrent" },
    { "DeleteObject", "s3:DeleteObject", "s3:DeleteObjectVersion" },
    { "CopyObject", "s3:PutObject", NULL },
    { "AppendObject", "s3:PutObject", NULL },
    { "RenameObject", "s3:PutObject", NULL },
    { "UploadPart", "s3:PutObject", NULL },
    { "UploadPartCopy", "s3:PutObject", NULL },
    { "CreateMultipartUpload", "s3:PutObject", NULL },
    { "CompleteMultipartUpload", "s3:PutObject", NULL },
    { "GetBucketCors", "s3:GetBucketCORS", NULL },
    { "PutBucketCors", "s3:PutBucketCORS", NULL },
    { "DeleteBucketCors", "s3:PutBucketCORS", NULL },
    { "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration", NULL },
    { "GetBucketLifecycle", "s3:GetLifecycleConfiguration", NULL },
    { "PutBucketLifecycleConfiguration", "s3:PutLifecycleConfiguration", NULL },
    { "PutBucketLifecycle", "s3:PutLifecycleConfiguration", NULL },
    { "DeleteBucketLifecycle", "s3:PutLifecycleConfiguration", NULL },
    { "DeleteBucketTagging", "s3:PutBucketTagging", NULL },
    { "GetBucketEncryption", "s3:GetEncryptionConfiguration", NULL },
    { "PutBucketEncryption", "s3:PutEncryptionConfiguration", NULL },
    { "DeleteBucketEncryption", "s3:PutEncryptionConfiguration", NULL },
    { "GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", NULL },
    { "PutObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration", NULL },
    { "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock", NULL },
    { "PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock", NULL },
    { "DeletePublicAccessBlock", "s3:PutBucketPublicAccessBlock", NULL },
    { "DeleteBucketOwnershipControls", "s3:PutBucketOwnershipControls", NULL },
    { "GetBucketNotificationConfiguration", "s3:GetBucketNotification", NULL },
    { "PutBucketNotificationConfiguration", "s3:PutBucketNotification", NULL },
    { "GetBucketReplication", "s3:GetReplicationConfiguration", NULL },
    { "PutBucketReplication", "s3:PutReplicationConfiguration", NULL },
    { "DeleteBucketReplication", "s3:PutReplicationConfiguration", NULL },
    { "GetBucketAccelerateConfiguration", "s3:GetAccelerateConfiguration", NULL },
    { "PutBucketAccelerateConfiguration", "s3:PutAccelerateConfiguration", NULL },
    { "DeleteBucketQuota", "s3:PutBucketQuota", NULL },
    { "DeleteObjects", NULL, NULL },    /* each key by itself */
    { "PreflightRequest", NULL, NULL }, /* what CORS answers, it answers to all */
    { "PostObject", NULL, NULL },       /* once the fields of the form were read */
    { "IamQuery", NULL, NULL },         /* each by its own action, once the body was read */
};

/* Operations whose name is the action's. A text of its own for each would say the same again. */
static const char *const same[] = {
    "s3:AbortMultipartUpload",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:DeleteBucketWebsite",
    "s3:GetBucketAcl",
    "s3:GetBucketLocation",
    "s3:GetBucketLogging",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketQuota",
    "s3:GetBucketRequestPayment",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetBucketWebsite",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:PutBucketAcl",
    "s3:PutBucketLogging",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketQuota",
    "s3:PutBucketRequestPayment",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutBucketWebsite",
    "s3:PutObject",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:RestoreObject",
};

const char *api_action_of(const char *op, bool has_version)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (strcmp(rows[i].op, op) == 0)
            return has_version && rows[i].versioned ? rows[i].versioned : rows[i].action;
    }
    for (size_t i = 0; i < TN_COUNT(same); i++) {
        if (strcmp(same[i] + 3, op) == 0)
            return same[i];
    }
    return "s3:Unknown"; /* granted by s3:* only */
}
