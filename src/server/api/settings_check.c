/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of elements cannot say of a bucket's documents. */

#include "server/api/settings.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "server/api/notify.h"
#include "server/api/tags.h"
#include "server/api/xml_rules.h"

/* --- Tagging --- */

enum tn_s3_code tagging_check(struct api_req *r, const struct tn_xml_node *root)
{
    return tags_check_xml(r, root, TAG_BUCKET_COUNT_MAX);
}

/* --- Lifecycle --- */

enum { DAY_SECONDS = 86400, RULE_ID_LEN_MAX = 255, NEWER_VERSIONS_MAX = 100 };

static enum tn_s3_code bad_days(struct api_req *r, const char *name)
{
    return api_err(r, TN_S3_INVALID_ARGUMENT, "'%s' must be a positive integer", name);
}

/* One of the two, and the date a midnight. */
static enum tn_s3_code check_when(struct api_req *r, const struct tn_xml_node *node,
                                  bool may_be_today)
{
    int64_t ms;
    struct tn_str date = tn_xml_child_text(node, "Date");
    bool has_days = tn_xml_child(node, "Days") != NULL;
    if (date.len && has_days)
        return TN_S3_MALFORMED_XML;
    if (has_days && !may_be_today && xml_u64(node, "Days", 0) == 0)
        return bad_days(r, "Days");
    if (has_days && xml_u64(node, "Days", 0) > INT32_MAX)
        return bad_days(r, "Days");
    if (date.len &&
        (tn_time_parse_iso8601(date, &ms) < 0 || ms % (1000 * (int64_t)DAY_SECONDS) != 0))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "'Date' must be at midnight GMT");
    return TN_S3_OK;
}

static enum tn_s3_code check_expiration(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *node = tn_xml_child(rule, "Expiration");
    if (!node)
        return TN_S3_OK;
    bool is_timed = tn_xml_child(node, "Date") || tn_xml_child(node, "Days");
    if (is_timed == (tn_xml_child(node, "ExpiredObjectDeleteMarker") != NULL))
        return TN_S3_MALFORMED_XML;
    return check_when(r, node, false);
}

static enum tn_s3_code check_noncurrent(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *node = tn_xml_child(rule, "NoncurrentVersionExpiration");
    if (!node)
        return TN_S3_OK;
    uint64_t days = xml_u64(node, "NoncurrentDays", 0);
    if (!tn_xml_child(node, "NoncurrentDays"))
        return TN_S3_MALFORMED_XML;
    if (days == 0 || days > INT32_MAX)
        return bad_days(r, "NoncurrentDays");
    uint64_t newer = xml_u64(node, "NewerNoncurrentVersions", 1);
    return newer == 0 || newer > NEWER_VERSIONS_MAX ? bad_days(r, "NewerNoncurrentVersions")
                                                    : TN_S3_OK;
}

static enum tn_s3_code check_abort(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *node = tn_xml_child(rule, "AbortIncompleteMultipartUpload");
    if (!node)
        return TN_S3_OK;
    uint64_t days = xml_u64(node, "DaysAfterInitiation", 0);
    if (days == 0 || days > INT32_MAX)
        return bad_days(r, "DaysAfterInitiation");
    return TN_S3_OK;
}

static enum tn_s3_code check_transitions(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *node = tn_xml_child(rule, "NoncurrentVersionTransition");
    for (; node; node = tn_xml_next(node)) {
        if (!tn_xml_child(node, "NoncurrentDays"))
            return TN_S3_MALFORMED_XML;
    }
    for (node = tn_xml_child(rule, "Transition"); node; node = tn_xml_next(node)) {
        if (!tn_xml_child(node, "Date") && !tn_xml_child(node, "Days"))
            return TN_S3_MALFORMED_XML;
        enum tn_s3_code code = check_when(r, node, true);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

static enum tn_s3_code check_sizes(struct api_req *r, const struct tn_xml_node *filter)
{
    uint64_t low = xml_u64(filter, "ObjectSizeGreaterThan", 0);
    uint64_t high = xml_u64(filter, "ObjectSizeLessThan", UINT64_MAX);
    if (low < high)
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST,
                   "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
}

static bool has_filter(const struct tn_xml_node *rule, const char *name)
{
    const struct tn_xml_node *filter = tn_xml_child(rule, "Filter");
    const struct tn_xml_node *all = filter ? tn_xml_child(filter, "And") : NULL;
    return (filter && tn_xml_child(filter, name)) || (all && tn_xml_child(all, name));
}

/* Neither a marker nor an upload has tags, and an upload has no size. */
static enum tn_s3_code check_filtered_actions(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *expiration = tn_xml_child(rule, "Expiration");
    bool has_abort = tn_xml_child(rule, "AbortIncompleteMultipartUpload") != NULL;
    bool has_marker = expiration && tn_xml_child(expiration, "ExpiredObjectDeleteMarker");
    bool has_size =
        has_filter(rule, "ObjectSizeGreaterThan") || has_filter(rule, "ObjectSizeLessThan");
    bool has_tag = has_filter(rule, "Tag");
    if ((!has_abort && !has_marker) || (!has_tag && !(has_abort && has_size)))
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST, "%s cannot be specified with %s.",
                   has_abort ? "AbortIncompleteMultipartUpload" : "ExpiredObjectDeleteMarker",
                   has_tag ? "Tags" : "Object Size");
}

static size_t count_children(const struct tn_xml_node *node)
{
    size_t count = 0;
    for (const struct tn_xml_node *n = node->children; n; n = n->next)
        count++;
    return count;
}

static enum tn_s3_code check_filter(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *filter = tn_xml_child(rule, "Filter");
    bool has_prefix = tn_xml_child(rule, "Prefix") != NULL;
    if ((filter != NULL) == has_prefix)
        return TN_S3_MALFORMED_XML;
    if (!filter)
        return TN_S3_OK;
    if (count_children(filter) > 1)
        return TN_S3_MALFORMED_XML;
    const struct tn_xml_node *all = tn_xml_child(filter, "And");
    if (all && count_children(all) < 2)
        return TN_S3_MALFORMED_XML;
    const struct tn_xml_node *node = all ? all : filter;
    enum tn_s3_code code = tags_check_list(r, node, TAG_BUCKET_COUNT_MAX);
    return code ? code : check_sizes(r, node);
}

static enum tn_s3_code check_actions(struct api_req *r, const struct tn_xml_node *rule)
{
    static const char *const actions[] = { "AbortIncompleteMultipartUpload", "Expiration",
                                           "NoncurrentVersionExpiration",
                                           "NoncurrentVersionTransition", "Transition" };
    for (size_t i = 0; i < TN_COUNT(actions); i++) {
        if (tn_xml_child(rule, actions[i]))
            return TN_S3_OK;
    }
    return api_err(r, TN_S3_INVALID_REQUEST, "At least one action needs to be specified in a rule");
}

static enum tn_s3_code check_rule(struct api_req *r, const struct tn_xml_node *rule)
{
    static enum tn_s3_code (*const checks[])(struct api_req *, const struct tn_xml_node *) = {
        check_filter, check_actions,     check_expiration,       check_noncurrent,
        check_abort,  check_transitions, check_filtered_actions,
    };
    if (tn_xml_child_text(rule, "ID").len > RULE_ID_LEN_MAX)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "ID length should not exceed allowed limit of %d",
                       RULE_ID_LEN_MAX);
    for (size_t i = 0; i < TN_COUNT(checks); i++) {
        enum tn_s3_code code = checks[i](r, rule);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

/* A rule without a name gets one, as in S3. */
static enum tn_s3_code name_rule(struct api_req *r, struct tn_xml_node *rule)
{
    unsigned char bytes[12];
    char text[2 * sizeof bytes + 1];
    if (tn_xml_child_text(rule, "ID").len)
        return TN_S3_OK;
    tn_random_bytes(bytes, sizeof bytes);
    tn_hex_encode(bytes, sizeof bytes, text);
    struct tn_xml_node *id = NULL;
    for (struct tn_xml_node *n = rule->children; n; n = n->next) {
        if (tn_str_eq(n->name, TN_STR("ID")))
            id = n;
    }
    if (!id) {
        id = tn_arena_zalloc(&r->tree, sizeof *id);
        if (!id)
            return TN_S3_SERVICE_UNAVAILABLE;
        id->name = TN_STR("ID");
        id->next = rule->children;
        rule->children = id;
    }
    return api_from_status(r, tn_arena_str(&r->tree, tn_str_from(text), &id->text), NULL);
}

static bool is_repeated(const struct tn_xml_node *rules, const struct tn_xml_node *rule)
{
    struct tn_str id = tn_xml_child_text(rule, "ID");
    for (const struct tn_xml_node *n = rules; n != rule; n = n->next) {
        if (tn_str_eq(tn_xml_child_text(n, "ID"), id))
            return true;
    }
    return false;
}

enum tn_s3_code lifecycle_check(struct api_req *r, const struct tn_xml_node *root)
{
    for (struct tn_xml_node *rule = root->children; rule; rule = rule->next) {
        enum tn_s3_code code = check_rule(r, rule);
        if (code == TN_S3_OK)
            code = name_rule(r, rule);
        if (code)
            return code;
        if (is_repeated(root->children, rule))
            return api_err(r, TN_S3_INVALID_ARGUMENT,
                           "Rule ID must be unique. Found same ID for more than one rule");
    }
    return TN_S3_OK;
}

/* --- CORS --- */

static size_t count_stars(struct tn_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '*';
    return count;
}

static enum tn_s3_code check_stars(struct api_req *r, const struct tn_xml_node *rule,
                                   const char *name)
{
    for (const struct tn_xml_node *n = tn_xml_child(rule, name); n; n = tn_xml_next(n)) {
        if (count_stars(n->text) > 1)
            return api_err(r, TN_S3_INVALID_REQUEST,
                           "%s \"%.*s\" can not have more than one "
                           "wildcard.",
                           name, TN_STR_ARG(n->text));
    }
    return TN_S3_OK;
}

static enum tn_s3_code check_methods(struct api_req *r, const struct tn_xml_node *rule)
{
    static const char *const methods[] = { "GET", "PUT", "POST", "DELETE", "HEAD" };
    const struct tn_xml_node *n = tn_xml_child(rule, "AllowedMethod");
    for (; n; n = tn_xml_next(n)) {
        bool is_known = false;
        for (size_t i = 0; i < TN_COUNT(methods); i++)
            is_known = is_known || tn_str_eq(tn_str_trim(n->text), tn_str_from(methods[i]));
        if (!is_known)
            return api_err(r, TN_S3_INVALID_REQUEST,
                           "Found unsupported HTTP method in CORS config. Unsupported method is "
                           "%.*s",
                           TN_STR_ARG(n->text));
    }
    return TN_S3_OK;
}

enum tn_s3_code cors_check(struct api_req *r, const struct tn_xml_node *root)
{
    for (const struct tn_xml_node *rule = root->children; rule; rule = rule->next) {
        enum tn_s3_code code = check_methods(r, rule);
        if (code == TN_S3_OK)
            code = check_stars(r, rule, "AllowedOrigin");
        if (code == TN_S3_OK)
            code = check_stars(r, rule, "AllowedHeader");
        const struct tn_xml_node *exposed = tn_xml_child(rule, "ExposeHeader");
        for (; code == TN_S3_OK && exposed; exposed = tn_xml_next(exposed)) {
            if (count_stars(exposed->text) || !api_is_header_text(exposed->text))
                code = api_err(r, TN_S3_INVALID_REQUEST,
                               "ExposeHeader \"%.*s\" contains wildcard. "
                               "We currently do not support wildcard for ExposeHeader.",
                               TN_STR_ARG(exposed->text));
        }
        if (code)
            return code;
    }
    return TN_S3_OK;
}

/* --- Ownership --- */

/* Enforced means that lists count no more: one that opens the bucket would seem to. */
enum tn_s3_code ownership_judge(struct api_req *r, const struct bucket_config *now,
                                struct tn_str sections[BUCKET_SECTION_COUNT])
{
    (void)r;
    bool is_enforced =
        tn_str_find(sections[BUCKET_OWNERSHIP], TN_STR("BucketOwnerEnforced")) != SIZE_MAX;
    return is_enforced && bucket_config_get(now, BUCKET_ACL).len
               ? TN_S3_INVALID_BUCKET_ACL_WITH_OWNERSHIP
               : TN_S3_OK;
}

/* --- Encryption --- */

enum tn_s3_code encryption_check(struct api_req *r, const struct tn_xml_node *root)
{
    const struct tn_xml_node *rule = root->children;
    const struct tn_xml_node *node = tn_xml_child(rule, "ApplyServerSideEncryptionByDefault");
    if (!node)
        return rule->children ? TN_S3_OK : TN_S3_MALFORMED_XML;
    bool is_aes = tn_str_eq(tn_xml_child_text(node, "SSEAlgorithm"), TN_STR("AES256"));
    if (is_aes && tn_xml_child_text(node, "KMSMasterKeyID").len)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "a KMSMasterKeyID is not applicable if the default sse algorithm is not "
                       "aws:kms or aws:kms:dsse");
    return TN_S3_OK;
}

/* --- Object lock --- */

enum { LOCK_DAYS_MAX = 36500, LOCK_YEARS_MAX = 100 };

enum tn_s3_code object_lock_check(struct api_req *r, const struct tn_xml_node *root)
{
    (void)r;
    const struct tn_xml_node *rule = tn_xml_child(root, "Rule");
    if (!rule)
        return TN_S3_OK;
    const struct tn_xml_node *node = rule->children;
    bool has_days = tn_xml_child(node, "Days") != NULL;
    bool has_years = tn_xml_child(node, "Years") != NULL;
    if (has_days == has_years)
        return TN_S3_MALFORMED_XML;
    uint64_t count = xml_u64(node, has_days ? "Days" : "Years", 0);
    if (count == 0 || count > (has_days ? LOCK_DAYS_MAX : LOCK_YEARS_MAX))
        return TN_S3_INVALID_RETENTION_PERIOD;
    return TN_S3_OK;
}

enum tn_s3_code object_lock_judge(struct api_req *r, const struct bucket_config *now,
                                  struct tn_str sections[BUCKET_SECTION_COUNT])
{
    (void)sections;
    if (tn_str_eq(bucket_config_get(now, BUCKET_VERSIONING), TN_STR("Enabled")))
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_BUCKET_STATE,
                   "Versioning must be 'Enabled' on the bucket to apply a Object Lock "
                   "configuration");
}

/* --- Logging --- */

enum tn_s3_code logging_check(struct api_req *r, const struct tn_xml_node *root)
{
    struct bucket_config *target = NULL;
    const struct tn_xml_node *node = tn_xml_child(root, "LoggingEnabled");
    if (!node)
        return TN_S3_OK;
    const struct tn_xml_node *format = tn_xml_child(node, "TargetObjectKeyFormat");
    if (format && count_children(format) != 1)
        return TN_S3_MALFORMED_XML;
    int rc = bucket_configs_get(r->api->configs, tn_xml_child_text(node, "TargetBucket"), &target);
    if (rc == TARN_ENOBUCKET)
        return TN_S3_INVALID_TARGET_BUCKET_FOR_LOGGING;
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    bool is_same_owner = tn_str_eq(bucket_config_get(target, BUCKET_OWNER),
                                   bucket_config_get(r->config, BUCKET_OWNER));
    bucket_config_unref(target);
    return is_same_owner ? TN_S3_OK : TN_S3_INVALID_TARGET_BUCKET_FOR_LOGGING;
}

/* --- Notification --- */

static enum tn_s3_code check_event(struct api_req *r, struct tn_str event)
{
    static const char *const kinds[] = {
        "s3:TestEvent",
        "s3:ObjectCreated:*",
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectRemoved:*",
        "s3:ObjectRemoved:Delete",
        "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRestore:*",
        "s3:ObjectRestore:Post",
        "s3:ObjectRestore:Completed",
        "s3:ObjectRestore:Delete",
        "s3:ReducedRedundancyLostObject",
        "s3:Replication:*",
        "s3:LifecycleExpiration:*",
        "s3:LifecycleExpiration:Delete",
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:LifecycleTransition",
        "s3:IntelligentTiering",
        "s3:ObjectTagging:*",
        "s3:ObjectTagging:Put",
        "s3:ObjectTagging:Delete",
        "s3:ObjectAcl:Put",
    };
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        if (tn_str_eq(event, tn_str_from(kinds[i])))
            return TN_S3_OK;
    }
    return api_err(r, TN_S3_INVALID_ARGUMENT, "A specified event is not supported: %.*s",
                   TN_STR_ARG(event));
}

static enum tn_s3_code check_filter_rules(struct api_req *r, const struct tn_xml_node *target)
{
    unsigned seen[2] = { 0 };
    const struct tn_xml_node *filter = tn_xml_child(target, "Filter");
    const struct tn_xml_node *key = filter ? tn_xml_child(filter, "S3Key") : NULL;
    for (const struct tn_xml_node *n = key ? key->children : NULL; n; n = n->next) {
        struct tn_str name = tn_xml_child_text(n, "Name");
        bool is_suffix = tn_str_eq_nocase(name, TN_STR("suffix"));
        if (!is_suffix && !tn_str_eq_nocase(name, TN_STR("prefix")))
            return api_err(r, TN_S3_INVALID_ARGUMENT,
                           "filter rule name must be either prefix or suffix");
        if (seen[is_suffix]++)
            return api_err(r, TN_S3_INVALID_ARGUMENT,
                           "Cannot specify more than one %s rule in a filter.",
                           is_suffix ? "suffix" : "prefix");
    }
    return TN_S3_OK;
}

static enum tn_s3_code check_target(struct api_req *r, const struct tn_xml_node *target)
{
    static const char *const words[] = { "Queue", "Topic", "CloudFunction" };
    struct tn_str arn = TN_STR_EMPTY;
    if (tn_str_eq(target->name, TN_STR("EventBridgeConfiguration")))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "EventBridge is not implemented.");
    for (size_t i = 0; i < TN_COUNT(words) && arn.len == 0; i++)
        arn = tn_xml_child_text(target, words[i]);
    if (!tn_str_starts(arn, TN_STR("arn:")))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The ARN is not well formed");
    const struct tn_xml_node *event = tn_xml_child(target, "Event");
    for (; event; event = tn_xml_next(event)) {
        enum tn_s3_code code = check_event(r, tn_str_trim(event->text));
        if (code)
            return code;
    }
    return check_filter_rules(r, target);
}

enum tn_s3_code notification_check(struct api_req *r, const struct tn_xml_node *root)
{
    for (const struct tn_xml_node *n = root->children; n; n = n->next) {
        enum tn_s3_code code = check_target(r, n);
        if (code)
            return code;
    }
    return notify_check(r, root);
}

/* --- Website --- */

static enum tn_s3_code check_routing(struct api_req *r, const struct tn_xml_node *rule)
{
    const struct tn_xml_node *redirect = tn_xml_child(rule, "Redirect");
    const struct tn_xml_node *condition = tn_xml_child(rule, "Condition");
    uint64_t code = xml_u64(redirect, "HttpRedirectCode", 301);
    uint64_t error = condition ? xml_u64(condition, "HttpErrorCodeReturnedEquals", 400) : 400;
    if (!redirect->children || (condition && !condition->children))
        return TN_S3_MALFORMED_XML;
    if (code < 301 || code > 308)
        return api_err(r, TN_S3_INVALID_REQUEST, "The provided HTTP redirect code is not valid.");
    if (error < 400 || error > 599)
        return api_err(r, TN_S3_INVALID_REQUEST, "The provided HTTP error code is not valid.");
    if (tn_xml_child(redirect, "ReplaceKeyPrefixWith") && tn_xml_child(redirect, "ReplaceKeyWith"))
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
    return TN_S3_OK;
}

enum tn_s3_code website_check(struct api_req *r, const struct tn_xml_node *root)
{
    const struct tn_xml_node *all = tn_xml_child(root, "RedirectAllRequestsTo");
    const struct tn_xml_node *index = tn_xml_child(root, "IndexDocument");
    const struct tn_xml_node *rules = tn_xml_child(root, "RoutingRules");
    if (all)
        return root->children->next ? TN_S3_MALFORMED_XML : TN_S3_OK;
    struct tn_str suffix = index ? tn_xml_child_text(index, "Suffix") : TN_STR_EMPTY;
    if (suffix.len == 0 || tn_str_find_char(suffix, '/') != SIZE_MAX)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The IndexDocument Suffix is not well formed");
    const struct tn_xml_node *rule = rules ? rules->children : NULL;
    for (; rule; rule = rule->next) {
        enum tn_s3_code code = check_routing(r, rule);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

/* --- Quota --- */

enum tn_s3_code quota_check(struct api_req *r, const struct tn_xml_node *root)
{
    for (const struct tn_xml_node *n = root->children; n; n = n->next) {
        if (xml_u64(root, "MaxBytes", 1) == 0 || xml_u64(root, "MaxObjects", 1) == 0)
            return api_err(r, TN_S3_INVALID_ARGUMENT, "A quota must be a positive number.");
    }
    return TN_S3_OK;
}
