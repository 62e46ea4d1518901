/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: S3's published schema, with its limits. */

#include "server/api/xml_rules.h"

enum { TEXT_LEN_MAX = 2048, ID_LEN_MAX = 255, KEY_LEN_MAX = 1024 };

#define TEXT(name, low, high, len)                                                                 \
    {                                                                                              \
        name, low, high, XML_TEXT, .len_max = (len)                                                \
    }
#define WORD(name, low, high, list)                                                                \
    {                                                                                              \
        name, low, high, XML_WORD, .words = (list)                                                 \
    }
#define UINT(name, low)                                                                            \
    {                                                                                              \
        name, low, 1, .kind = XML_UINT                                                             \
    }
#define BOOL(name, low)                                                                            \
    {                                                                                              \
        name, low, 1, .kind = XML_BOOL                                                             \
    }
#define TIME(name, low)                                                                            \
    {                                                                                              \
        name, low, 1, .kind = XML_TIME                                                             \
    }
#define ANY(name)                                                                                  \
    {                                                                                              \
        name, 0, 1, .kind = XML_ANY                                                                \
    }
#define NODE(name, low, high, rules)                                                               \
    {                                                                                              \
        name, low, high, XML_CHILDREN(rules)                                                       \
    }

/* --- Tagging: lengths are judged as InvalidTag, not here --- */

static const struct xml_rule tag_parts[] = { TEXT("Key", 1, 1, TEXT_LEN_MAX),
                                             TEXT("Value", 1, 1, TEXT_LEN_MAX) };
static const struct xml_rule tags[] = { NODE("Tag", 0, 1000, tag_parts) };
static const struct xml_rule tagging_parts[] = { NODE("TagSet", 1, 1, tags) };
const struct xml_rule tagging_rule = NODE("Tagging", 1, 1, tagging_parts);

/* --- Lifecycle --- */

#define CLASSES "STANDARD_IA|ONEZONE_IA|INTELLIGENT_TIERING|GLACIER|GLACIER_IR|DEEP_ARCHIVE"

static const struct xml_rule filter_and_parts[] = {
    TEXT("Prefix", 0, 1, KEY_LEN_MAX),
    NODE("Tag", 0, 1000, tag_parts),
    UINT("ObjectSizeGreaterThan", 0),
    UINT("ObjectSizeLessThan", 0),
};
static const struct xml_rule filter_parts[] = {
    TEXT("Prefix", 0, 1, KEY_LEN_MAX),   NODE("Tag", 0, 1, tag_parts),
    UINT("ObjectSizeGreaterThan", 0),    UINT("ObjectSizeLessThan", 0),
    NODE("And", 0, 1, filter_and_parts),
};
static const struct xml_rule expiration_parts[] = {
    TIME("Date", 0),
    UINT("Days", 0),
    BOOL("ExpiredObjectDeleteMarker", 0),
};
static const struct xml_rule noncurrent_parts[] = {
    UINT("NewerNoncurrentVersions", 0),
    UINT("NoncurrentDays", 0),
};
static const struct xml_rule abort_parts[] = { UINT("DaysAfterInitiation", 1) };
static const struct xml_rule transition_parts[] = {
    TIME("Date", 0),
    UINT("Days", 0),
    WORD("StorageClass", 1, 1, CLASSES),
};
static const struct xml_rule noncurrent_transition_parts[] = {
    UINT("NewerNoncurrentVersions", 0),
    UINT("NoncurrentDays", 0),
    WORD("StorageClass", 1, 1, CLASSES),
};
static const struct xml_rule lifecycle_rule_parts[] = {
    NODE("AbortIncompleteMultipartUpload", 0, 1, abort_parts),
    NODE("Expiration", 0, 1, expiration_parts),
    NODE("Filter", 0, 1, filter_parts),
    TEXT("ID", 0, 1, TEXT_LEN_MAX),
    NODE("NoncurrentVersionExpiration", 0, 1, noncurrent_parts),
    NODE("NoncurrentVersionTransition", 0, 100, noncurrent_transition_parts),
    TEXT("Prefix", 0, 1, KEY_LEN_MAX),
    WORD("Status", 1, 1, "Enabled|Disabled"),
    NODE("Transition", 0, 100, transition_parts),
};
static const struct xml_rule lifecycle_parts[] = { NODE("Rule", 1, 1000, lifecycle_rule_parts) };
const struct xml_rule lifecycle_rule = NODE("LifecycleConfiguration", 1, 1, lifecycle_parts);

/* --- CORS --- */

static const struct xml_rule cors_rule_parts[] = {
    TEXT("AllowedHeader", 0, 100, TEXT_LEN_MAX),
    TEXT("AllowedMethod", 1, 100, 32),
    TEXT("AllowedOrigin", 1, 100, TEXT_LEN_MAX),
    TEXT("ExposeHeader", 0, 100, TEXT_LEN_MAX),
    TEXT("ID", 0, 1, ID_LEN_MAX),
    UINT("MaxAgeSeconds", 0),
};
static const struct xml_rule cors_parts[] = { NODE("CORSRule", 1, 100, cors_rule_parts) };
const struct xml_rule cors_rule = NODE("CORSConfiguration", 1, 1, cors_parts);

/* --- Who may --- */

static const struct xml_rule public_access_parts[] = {
    BOOL("BlockPublicAcls", 0),
    BOOL("IgnorePublicAcls", 0),
    BOOL("BlockPublicPolicy", 0),
    BOOL("RestrictPublicBuckets", 0),
};
const struct xml_rule public_access_rule =
    NODE("PublicAccessBlockConfiguration", 1, 1, public_access_parts);

static const struct xml_rule ownership_rule_parts[] = {
    WORD("ObjectOwnership", 1, 1, "BucketOwnerPreferred|ObjectWriter|BucketOwnerEnforced"),
};
static const struct xml_rule ownership_parts[] = { NODE("Rule", 1, 1, ownership_rule_parts) };
const struct xml_rule ownership_rule = NODE("OwnershipControls", 1, 1, ownership_parts);

static const struct xml_rule owner_parts[] = {
    TEXT("ID", 1, 1, TEXT_LEN_MAX),
    TEXT("DisplayName", 0, 1, TEXT_LEN_MAX),
};
static const struct xml_rule grantee_parts[] = {
    TEXT("ID", 0, 1, TEXT_LEN_MAX),
    TEXT("DisplayName", 0, 1, TEXT_LEN_MAX),
    TEXT("EmailAddress", 0, 1, TEXT_LEN_MAX),
    TEXT("URI", 0, 1, TEXT_LEN_MAX),
};
static const struct xml_rule grant_parts[] = {
    NODE("Grantee", 1, 1, grantee_parts),
    WORD("Permission", 1, 1, "FULL_CONTROL|WRITE|WRITE_ACP|READ|READ_ACP"),
};
static const struct xml_rule grants[] = { NODE("Grant", 0, GRANT_COUNT_MAX, grant_parts) };
static const struct xml_rule acl_parts[] = {
    NODE("Owner", 1, 1, owner_parts),
    NODE("AccessControlList", 1, 1, grants),
};
const struct xml_rule acl_rule = NODE("AccessControlPolicy", 1, 1, acl_parts);

/* --- Encryption --- */

static const struct xml_rule encryption_default_parts[] = {
    WORD("SSEAlgorithm", 1, 1, "AES256|aws:kms|aws:kms:dsse"),
    TEXT("KMSMasterKeyID", 0, 1, TEXT_LEN_MAX),
};
static const struct xml_rule blocked_parts[] = { WORD("EncryptionType", 0, 2, "NONE|SSE-C") };
static const struct xml_rule encryption_rule_parts[] = {
    NODE("ApplyServerSideEncryptionByDefault", 0, 1, encryption_default_parts),
    NODE("BlockedEncryptionTypes", 0, 1, blocked_parts),
    BOOL("BucketKeyEnabled", 0),
};
static const struct xml_rule encryption_parts[] = { NODE("Rule", 1, 1, encryption_rule_parts) };
const struct xml_rule encryption_rule =
    NODE("ServerSideEncryptionConfiguration", 1, 1, encryption_parts);

/* --- Object lock --- */

static const struct xml_rule default_retention_parts[] = {
    WORD("Mode", 1, 1, "GOVERNANCE|COMPLIANCE"),
    TEXT("Days", 0, 1, 32), /* InvalidRetentionPeriod, not MalformedXML */
    TEXT("Years", 0, 1, 32),
};
static const struct xml_rule lock_rule_parts[] = {
    NODE("DefaultRetention", 1, 1, default_retention_parts),
};
static const struct xml_rule object_lock_parts[] = {
    WORD("ObjectLockEnabled", 1, 1, "Enabled"),
    NODE("Rule", 0, 1, lock_rule_parts),
};
const struct xml_rule object_lock_rule = NODE("ObjectLockConfiguration", 1, 1, object_lock_parts);

static const struct xml_rule retention_parts[] = {
    WORD("Mode", 0, 1, "GOVERNANCE|COMPLIANCE"),
    TIME("RetainUntilDate", 0),
};
const struct xml_rule retention_rule = NODE("Retention", 1, 1, retention_parts);

static const struct xml_rule legal_hold_parts[] = { WORD("Status", 1, 1, "ON|OFF") };
const struct xml_rule legal_hold_rule = NODE("LegalHold", 1, 1, legal_hold_parts);

static const struct xml_rule glacier_parts[] = { WORD("Tier", 1, 1, "Standard|Bulk|Expedited") };
static const struct xml_rule restore_parts[] = {
    UINT("Days", 0),
    NODE("GlacierJobParameters", 0, 1, glacier_parts),
    WORD("Tier", 0, 1, "Standard|Bulk|Expedited"),
    TEXT("Description", 0, 1, TEXT_LEN_MAX),
    WORD("Type", 0, 1, "SELECT"),
    ANY("SelectParameters"),
    ANY("OutputLocation"),
};
const struct xml_rule restore_rule = NODE("RestoreRequest", 1, 1, restore_parts);

/* --- Logging --- */

static const struct xml_rule partitioned_parts[] = {
    WORD("PartitionDateSource", 0, 1, "EventTime|DeliveryTime"),
};
static const struct xml_rule simple_parts[] = { TEXT("", 0, 0, 0) };
static const struct xml_rule key_format_parts[] = {
    NODE("PartitionedPrefix", 0, 1, partitioned_parts),
    NODE("SimplePrefix", 0, 1, simple_parts),
};
static const struct xml_rule log_grant_parts[] = {
    NODE("Grantee", 1, 1, grantee_parts),
    WORD("Permission", 1, 1, "FULL_CONTROL|READ|WRITE"),
};
static const struct xml_rule log_grants[] = { NODE("Grant", 0, GRANT_COUNT_MAX, log_grant_parts) };
static const struct xml_rule logging_enabled_parts[] = {
    TEXT("TargetBucket", 1, 1, 63),
    NODE("TargetGrants", 0, 1, log_grants),
    NODE("TargetObjectKeyFormat", 0, 1, key_format_parts),
    TEXT("TargetPrefix", 1, 1, KEY_LEN_MAX),
};
static const struct xml_rule logging_parts[] = {
    NODE("LoggingEnabled", 0, 1, logging_enabled_parts),
};
const struct xml_rule logging_rule = NODE("BucketLoggingStatus", 1, 1, logging_parts);

/* --- Notification --- */

static const struct xml_rule filter_rule_parts[] = {
    TEXT("Name", 1, 1, 32),
    TEXT("Value", 1, 1, KEY_LEN_MAX),
};
static const struct xml_rule s3_key_parts[] = { NODE("FilterRule", 0, 2, filter_rule_parts) };
static const struct xml_rule notification_filter_parts[] = { NODE("S3Key", 0, 1, s3_key_parts) };

#define TARGET(word)                                                                               \
    {                                                                                              \
        TEXT("Id", 0, 1, ID_LEN_MAX), TEXT(word, 1, 1, TEXT_LEN_MAX), TEXT("Event", 1, 50, 64),    \
            NODE("Filter", 0, 1, notification_filter_parts),                                       \
    }
static const struct xml_rule queue_parts[] = TARGET("Queue");
static const struct xml_rule topic_parts[] = TARGET("Topic");
static const struct xml_rule function_parts[] = TARGET("CloudFunction");
static const struct xml_rule notification_parts[] = {
    NODE("CloudFunctionConfiguration", 0, 100, function_parts),
    NODE("EventBridgeConfiguration", 0, 1, simple_parts),
    NODE("QueueConfiguration", 0, 100, queue_parts),
    NODE("TopicConfiguration", 0, 100, topic_parts),
};
const struct xml_rule notification_rule =
    NODE("NotificationConfiguration", 1, 1, notification_parts);

/* --- Website --- */

static const struct xml_rule redirect_all_parts[] = {
    TEXT("HostName", 1, 1, 255),
    WORD("Protocol", 0, 1, "http|https"),
};
static const struct xml_rule index_parts[] = { TEXT("Suffix", 1, 1, KEY_LEN_MAX) };
static const struct xml_rule error_parts[] = { TEXT("Key", 1, 1, KEY_LEN_MAX) };
static const struct xml_rule condition_parts[] = {
    UINT("HttpErrorCodeReturnedEquals", 0),
    TEXT("KeyPrefixEquals", 0, 1, KEY_LEN_MAX),
};
static const struct xml_rule redirect_parts[] = {
    TEXT("HostName", 0, 1, 255),
    UINT("HttpRedirectCode", 0),
    WORD("Protocol", 0, 1, "http|https"),
    TEXT("ReplaceKeyPrefixWith", 0, 1, KEY_LEN_MAX),
    TEXT("ReplaceKeyWith", 0, 1, KEY_LEN_MAX),
};
static const struct xml_rule routing_rule_parts[] = {
    NODE("Condition", 0, 1, condition_parts),
    NODE("Redirect", 1, 1, redirect_parts),
};
static const struct xml_rule routing_rules[] = { NODE("RoutingRule", 1, 50, routing_rule_parts) };
static const struct xml_rule website_parts[] = {
    NODE("ErrorDocument", 0, 1, error_parts),
    NODE("IndexDocument", 0, 1, index_parts),
    NODE("RedirectAllRequestsTo", 0, 1, redirect_all_parts),
    NODE("RoutingRules", 0, 1, routing_rules),
};
const struct xml_rule website_rule = NODE("WebsiteConfiguration", 1, 1, website_parts);

/* --- The small ones --- */

static const struct xml_rule quota_parts[] = { UINT("MaxBytes", 0), UINT("MaxObjects", 0) };
const struct xml_rule quota_rule = NODE("QuotaConfiguration", 1, 1, quota_parts);

static const struct xml_rule payment_parts[] = { WORD("Payer", 1, 1, "BucketOwner|Requester") };
const struct xml_rule request_payment_rule =
    NODE("RequestPaymentConfiguration", 1, 1, payment_parts);

static const struct xml_rule accelerate_parts[] = { WORD("Status", 1, 1, "Enabled|Suspended") };
const struct xml_rule accelerate_rule = NODE("AccelerateConfiguration", 1, 1, accelerate_parts);

static const struct xml_rule versioning_parts[] = {
    WORD("MfaDelete", 0, 1, "Enabled|Disabled"),
    WORD("Status", 0, 1, "Enabled|Suspended"),
};
const struct xml_rule versioning_rule = NODE("VersioningConfiguration", 1, 1, versioning_parts);

/* --- What is no setting --- */

static const struct xml_rule location_parts[] = {
    TEXT("Name", 0, 1, TEXT_LEN_MAX),
    TEXT("Type", 0, 1, TEXT_LEN_MAX),
};
static const struct xml_rule bucket_parts[] = {
    TEXT("DataRedundancy", 0, 1, TEXT_LEN_MAX),
    TEXT("Type", 0, 1, TEXT_LEN_MAX),
};
static const struct xml_rule create_parts[] = {
    NODE("Bucket", 0, 1, bucket_parts),
    NODE("Location", 0, 1, location_parts),
    TEXT("LocationConstraint", 0, 1, TEXT_LEN_MAX),
    NODE("Tags", 0, 1, tags),
};
const struct xml_rule create_rule = NODE("CreateBucketConfiguration", 1, 1, create_parts);

static const struct xml_rule delete_object_parts[] = {
    TEXT("Key", 1, 1, TN_XML_TEXT_LEN_MAX), /* KeyTooLongError, each for itself */
    TEXT("VersionId", 0, 1, TEXT_LEN_MAX),  TEXT("ETag", 0, 1, TEXT_LEN_MAX),
    TEXT("LastModifiedTime", 0, 1, 64),     UINT("Size", 0),
};
static const struct xml_rule delete_parts[] = {
    NODE("Object", 1, XML_MANY, delete_object_parts),
    BOOL("Quiet", 0),
};
const struct xml_rule delete_rule = NODE("Delete", 1, 1, delete_parts);

static const struct xml_rule part_parts[] = {
    TEXT("ChecksumCRC32", 0, 1, 128),     TEXT("ChecksumCRC32C", 0, 1, 128),
    TEXT("ChecksumCRC64NVME", 0, 1, 128), TEXT("ChecksumMD5", 0, 1, 128),
    TEXT("ChecksumSHA1", 0, 1, 128),      TEXT("ChecksumSHA256", 0, 1, 128),
    TEXT("ChecksumSHA512", 0, 1, 128),    TEXT("ChecksumXXHASH128", 0, 1, 128),
    TEXT("ChecksumXXHASH3", 0, 1, 128),   TEXT("ChecksumXXHASH64", 0, 1, 128),
    TEXT("ETag", 1, 1, TEXT_LEN_MAX),     UINT("PartNumber", 1),
};
static const struct xml_rule complete_parts[] = { NODE("Part", 1, XML_MANY, part_parts) };
const struct xml_rule complete_rule = NODE("CompleteMultipartUpload", 1, 1, complete_parts);
