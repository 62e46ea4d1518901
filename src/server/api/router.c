/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations, and how a request finds its row. */

#include "server/api/router.h"

#include "proto/name.h"
#include "proto/uri.h"
#include "server/api/ops.h"

/* Sub-resources that some row understands. */
enum {
    SUB_LOCATION = 1u << 0,
    SUB_VERSIONING = 1u << 1,
    SUB_UPLOADS = 1u << 2,
    SUB_LIST_TYPE = 1u << 3,
    SUB_DELETE = 1u << 4,
    SUB_UPLOAD_ID = 1u << 5,
    SUB_PART_NUMBER = 1u << 6,
};

static const struct {
    const char *name;
    uint64_t bit;
} known_subs[] = {
    { "location", SUB_LOCATION },      { "versioning", SUB_VERSIONING },
    { "uploads", SUB_UPLOADS },        { "list-type", SUB_LIST_TYPE },
    { "delete", SUB_DELETE },          { "uploadId", SUB_UPLOAD_ID },
    { "partNumber", SUB_PART_NUMBER },
};

/* Sub-resources that S3 defines and no row understands yet: never ignored, or a request to tag an
 * object would overwrite it. */
static const char *const foreign_subs[] = {
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "append",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "select-type",
    "session",
    "tagging",
    "torrent",
    "versionId",
    "versions",
    "website",
};

/* The first row that fits wins, so the more special ones stand first. */
const struct api_op api_ops[] = {
    { .name = "ListBuckets",
      .method = "GET",
      .level = API_SERVICE,
      .is_on_worker = true,
      .run = bucket_list_run },

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
      .allows = SUB_PART_NUMBER,
      .check = object_get_check,
      .run = object_get_run },
    { .name = "HeadObject",
      .method = "HEAD",
      .level = API_OBJECT,
      .allows = SUB_PART_NUMBER,
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
      .check = object_delete_check,
      .run = object_delete_run },
};

const size_t api_op_count = TN_COUNT(api_ops);

static uint64_t find_subs(const struct tn_query *query)
{
    uint64_t present = 0;
    for (size_t i = 0; i < TN_COUNT(known_subs); i++) {
        if (tn_query_has(query, known_subs[i].name))
            present |= known_subs[i].bit;
    }
    return present;
}

static bool has_foreign_sub(const struct tn_query *query)
{
    for (size_t i = 0; i < TN_COUNT(foreign_subs); i++) {
        if (tn_query_has(query, foreign_subs[i]))
            return true;
    }
    return false;
}

static bool op_fits(const struct api_op *op, const struct api_route *route, uint64_t subs,
                    bool is_copy)
{
    return op->level == route->level && op->is_copy == is_copy && (subs & op->needs) == op->needs &&
           tn_str_eq(tn_str_from(op->method), route->method);
}

/* What no row takes: a method that S3 does not have at this level, or one that is not here yet. */
static enum tn_s3_code refuse(const struct api_route *route, uint64_t subs)
{
    bool is_post = tn_str_eq(route->method, TN_STR("POST"));
    bool is_options = tn_str_eq(route->method, TN_STR("OPTIONS"));
    bool is_upload_form = is_post && route->level == API_BUCKET;
    if (subs || is_upload_form || is_options || route->has_copy_source)
        return TN_S3_NOT_IMPLEMENTED;
    return TN_S3_METHOD_NOT_ALLOWED;
}

enum tn_s3_code api_route_find(const struct api_route *route, const struct api_op **out)
{
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

/* --- Host and path --- */

/* The bucket before ".domain"; empty when the host is the domain itself or another. */
static struct tn_str bucket_of_host(struct tn_str host, struct tn_str domain)
{
    if (host.len < domain.len + 2)
        return TN_STR_EMPTY;
    size_t at = host.len - domain.len;
    if (host.data[at - 1] != '.' || !tn_str_eq_nocase(tn_str_sub(host, at, domain.len), domain))
        return TN_STR_EMPTY;
    return tn_str_sub(host, 0, at - 1);
}

static struct tn_str virtual_bucket(const struct api *api, struct tn_str host)
{
    struct tn_url url;
    if (tn_url_parse_host(host, &url) < 0 || url.host_kind != TN_HOST_NAME)
        return TN_STR_EMPTY;
    for (size_t i = 0; i < api->domain_count; i++) {
        struct tn_str domain = tn_str_from(api->domains[i]);
        if (tn_str_eq_nocase(url.host, domain))
            return TN_STR_EMPTY;
        struct tn_str bucket = bucket_of_host(url.host, domain);
        if (bucket.len)
            return bucket;
    }
    return TN_STR_EMPTY;
}

static enum tn_s3_code lower_bucket(struct api_req *r, struct tn_str name)
{
    char *copy = tn_arena_memdup(&r->http->arena, name.data, name.len);
    if (!copy)
        return TN_S3_SERVICE_UNAVAILABLE;
    for (size_t i = 0; i < name.len; i++)
        copy[i] = tn_to_lower(copy[i]);
    r->bucket = (struct tn_str){ copy, name.len };
    return TN_S3_OK;
}

enum tn_s3_code api_route_split(struct api_req *r)
{
    struct tn_str path = r->raw_path;
    if (path.len == 0 || path.data[0] != '/')
        return api_err(r, TN_S3_INVALID_URI, "The request target has no path.");
    path = tn_str_sub(path, 1, path.len);
    struct tn_str bucket = virtual_bucket(r->api, r->host);
    if (bucket.len) {
        enum tn_s3_code code = lower_bucket(r, bucket);
        if (code)
            return code;
    } else {
        bool is_service = path.len == 0;
        bucket = tn_str_split(&path, '/');
        if (tn_uri_decode_in(&r->http->arena, bucket, 0, &r->bucket) < 0)
            return TN_S3_INVALID_URI;
        if (!is_service && r->bucket.len == 0)
            return TN_S3_INVALID_BUCKET_NAME;
    }
    return tn_uri_decode_in(&r->http->arena, path, 0, &r->key) < 0 ? TN_S3_INVALID_URI : TN_S3_OK;
}

/* --- Headers --- */

/* Headers that ask for what is not here. `fine` lists the values that ask for nothing, "a|b". */
static const struct {
    const char *name;
    bool is_prefix;
    const char *fine;
} foreign_headers[] = {
    { "x-amz-acl", false, "private|bucket-owner-full-control|bucket-owner-read" },
    { "x-amz-bucket-namespace", false, "global" },
    { "x-amz-bucket-object-lock-enabled", false, "false|False" },
    { "x-amz-copy-source-server-side-encryption", true, "" },
    { "x-amz-create-session-mode", false, "" },
    { "x-amz-fwd-", true, "" },
    { "x-amz-grant-", true, "" },
    { "x-amz-if-match-initiated-time", false, "" },
    { "x-amz-object-lock-", true, "" },
    { "x-amz-object-ownership", false, "BucketOwnerEnforced" },
    { "x-amz-optional-object-attributes", false, "RestoreStatus" },
    { "x-amz-rename-", true, "" },
    { "x-amz-request-route", false, "" },
    { "x-amz-server-side-encryption", true, "" },
    { "x-amz-tagging", false, "" },
    { "x-amz-transition-default-minimum-object-size", false, "" },
    { "x-amz-website-redirect-location", false, "" },
    { "x-amz-write-offset-bytes", false, "" },
};

static bool header_fits(struct tn_str name, struct tn_str wanted, bool is_prefix)
{
    if (is_prefix && name.len > wanted.len)
        name.len = wanted.len;
    return tn_str_eq_nocase(name, wanted);
}

static bool is_fine_value(struct tn_str value, const char *fine)
{
    struct tn_str rest = tn_str_from(fine);
    while (rest.len) {
        if (tn_str_eq(tn_str_split(&rest, '|'), value))
            return true;
    }
    return false;
}

static enum tn_s3_code check_header(struct api_req *r, const struct tn_header *h)
{
    const size_t at = sizeof "x-amz-" - 1; /* where names begin to differ */
    if (h->name.len <= at)
        return TN_S3_OK;
    for (size_t i = 0; i < TN_COUNT(foreign_headers); i++) {
        if (foreign_headers[i].name[at] != tn_to_lower(h->name.data[at]))
            continue;
        struct tn_str wanted = tn_str_from(foreign_headers[i].name);
        if (!header_fits(h->name, wanted, foreign_headers[i].is_prefix))
            continue;
        if (is_fine_value(h->value, foreign_headers[i].fine))
            return TN_S3_OK;
        return api_err(r, TN_S3_NOT_IMPLEMENTED,
                       "The header \"%.*s\" implies functionality that is not implemented.",
                       TN_STR_ARG(h->name));
    }
    return TN_S3_OK;
}

/* Two values of one header: which one counts would be a guess. Metadata may come twice (object.c).
 */
static enum tn_s3_code check_repeated(struct api_req *r, size_t at)
{
    const struct tn_header *h = &r->headers[at];
    struct tn_str meta = TN_STR("x-amz-meta-");
    if (tn_str_eq_nocase(tn_str_sub(h->name, 0, meta.len), meta))
        return TN_S3_OK;
    for (size_t i = 0; i < at; i++) {
        if (tn_str_eq_nocase(r->headers[i].name, h->name) &&
            !tn_str_eq(r->headers[i].value, h->value))
            return api_err(r, TN_S3_INVALID_REQUEST, "The header \"%.*s\" has two values.",
                           TN_STR_ARG(h->name));
    }
    return TN_S3_OK;
}

static enum tn_s3_code check_owner(struct api_req *r, const char *header)
{
    if (!api_has_header(r, header))
        return TN_S3_OK;
    struct tn_str owner = api_header(r, header);
    if (tn_str_eq(owner, TN_STR(API_ACCOUNT_ID)) || tn_str_eq(owner, TN_STR(API_OWNER_ID)))
        return TN_S3_OK;
    return TN_S3_ACCESS_DENIED;
}

enum tn_s3_code api_route_headers(struct api_req *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        struct tn_str name = r->headers[i].name;
        if (name.len < 6 || !tn_str_eq_nocase(tn_str_sub(name, 0, 6), TN_STR("x-amz-")))
            continue;
        enum tn_s3_code code = check_header(r, &r->headers[i]);
        if (code == TN_S3_OK)
            code = check_repeated(r, i);
        if (code)
            return code;
    }
    if (r->op->body == API_BODY_OBJECT && api_has_header(r, "content-range"))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "Content-Range is not implemented for uploads.");
    enum tn_s3_code code = check_owner(r, "x-amz-expected-bucket-owner");
    return code ? code : check_owner(r, "x-amz-source-expected-bucket-owner");
}
