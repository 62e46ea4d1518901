/* SPDX-License-Identifier: Apache-2.0 */
/* Which operation a request means; and that nothing unknown becomes another operation. */

#include "server/api/router.h"

#include "proto/uri.h"
#include "unit/t.h"

static const struct {
    const char *method;
    enum api_level level;
    const char *query;
    bool has_copy_source;
    const char *op; /* NULL: refused with `code` */
    enum tn_s3_code code;
} rows[] = {
    { "GET", API_SERVICE, "", false, "ListBuckets", TN_S3_OK },
    { "GET", API_SERVICE, "x-id=ListBuckets&prefix=a", false, "ListBuckets", TN_S3_OK },
    { "PUT", API_SERVICE, "", false, NULL, TN_S3_METHOD_NOT_ALLOWED },
    { "DELETE", API_SERVICE, "", false, NULL, TN_S3_METHOD_NOT_ALLOWED },
    { "POST", API_SERVICE, "", false, "IamQuery", TN_S3_OK },
    { "GET", API_BUCKET, "", false, "ListObjects", TN_S3_OK },
    { "GET", API_BUCKET, "prefix=a&delimiter=/", false, "ListObjects", TN_S3_OK },
    { "GET", API_BUCKET, "list-type=2", false, "ListObjectsV2", TN_S3_OK },
    { "GET", API_BUCKET, "list-type=3", false, "ListObjectsV2", TN_S3_OK },
    { "GET", API_BUCKET, "location", false, "GetBucketLocation", TN_S3_OK },
    { "GET", API_BUCKET, "location=", false, "GetBucketLocation", TN_S3_OK },
    { "GET", API_BUCKET, "versioning", false, "GetBucketVersioning", TN_S3_OK },
    { "PUT", API_BUCKET, "versioning", false, "PutBucketVersioning", TN_S3_OK },
    { "PUT", API_BUCKET, "versioning&acl", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "PUT", API_BUCKET, "tagging", false, "PutBucketTagging", TN_S3_OK },
    { "GET", API_BUCKET, "uploads", false, "ListMultipartUploads", TN_S3_OK },
    { "GET", API_BUCKET, "uploads&location", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "GET", API_BUCKET, "delete", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "GET", API_BUCKET, "versions", false, "ListObjectVersions", TN_S3_OK },
    { "HEAD", API_BUCKET, "", false, "HeadBucket", TN_S3_OK },
    { "PUT", API_BUCKET, "", false, "CreateBucket", TN_S3_OK },
    { "PUT", API_BUCKET, "", true, NULL, TN_S3_NOT_IMPLEMENTED },
    { "DELETE", API_BUCKET, "", false, "DeleteBucket", TN_S3_OK },
    { "DELETE", API_BUCKET, "uploads", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "DELETE", API_BUCKET, "lifecycle", false, "DeleteBucketLifecycle", TN_S3_OK },
    { "POST", API_BUCKET, "delete", false, "DeleteObjects", TN_S3_OK },
    { "POST", API_BUCKET, "", false, "PostObject", TN_S3_OK },
    { "GET", API_OBJECT, "", false, "GetObject", TN_S3_OK },
    { "GET", API_OBJECT, "partNumber=1", false, "GetObject", TN_S3_OK },
    { "GET", API_OBJECT, "response-content-type=a", false, "GetObject", TN_S3_OK },
    { "GET", API_OBJECT, "uploadId=a", false, "ListParts", TN_S3_OK },
    { "GET", API_OBJECT, "uploads", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "GET", API_OBJECT, "list-type=2", false, "GetObject", TN_S3_OK },
    { "GET", API_OBJECT, "Acl", false, "GetObject", TN_S3_OK },
    { "HEAD", API_OBJECT, "partNumber=2", false, "HeadObject", TN_S3_OK },
    { "HEAD", API_OBJECT, "uploadId=a", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "PUT", API_OBJECT, "", false, "PutObject", TN_S3_OK },
    { "PUT", API_OBJECT, "x-id=PutObject", false, "PutObject", TN_S3_OK },
    { "PUT", API_OBJECT, "", true, "CopyObject", TN_S3_OK },
    { "PUT", API_OBJECT, "partNumber=1&uploadId=a", false, "UploadPart", TN_S3_OK },
    { "PUT", API_OBJECT, "partNumber=1&uploadId=a", true, "UploadPartCopy", TN_S3_OK },
    { "PUT", API_OBJECT, "uploadId=a", false, "UploadPart", TN_S3_OK },
    { "PUT", API_OBJECT, "partNumber=1", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "PUT", API_OBJECT, "uploads", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "POST", API_OBJECT, "uploads", false, "CreateMultipartUpload", TN_S3_OK },
    { "POST", API_OBJECT, "uploads&uploadId=a", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "POST", API_OBJECT, "uploadId=a", false, "CompleteMultipartUpload", TN_S3_OK },
    { "POST", API_OBJECT, "", false, NULL, TN_S3_METHOD_NOT_ALLOWED },
    { "POST", API_OBJECT, "restore", false, "RestoreObject", TN_S3_OK },
    { "DELETE", API_OBJECT, "", false, "DeleteObject", TN_S3_OK },
    { "DELETE", API_OBJECT, "uploadId=a", false, "AbortMultipartUpload", TN_S3_OK },
    { "DELETE", API_OBJECT, "partNumber=1", false, NULL, TN_S3_NOT_IMPLEMENTED },
    { "DELETE", API_OBJECT, "versionId=null", false, "DeleteObject", TN_S3_OK },
    { "PATCH", API_OBJECT, "", false, NULL, TN_S3_METHOD_NOT_ALLOWED },
    { "get", API_OBJECT, "", false, NULL, TN_S3_METHOD_NOT_ALLOWED },
    { "OPTIONS", API_OBJECT, "", false, "PreflightRequest", TN_S3_OK },
};

static enum tn_s3_code find(const char *method, enum api_level level, const char *query,
                            bool has_copy_source, const struct api_op **op)
{
    struct tn_arena arena;
    struct tn_query parsed;
    tn_arena_init(&arena, 65536);
    assert_int_equal(tn_query_parse(&arena, tn_str_from(query), TN_URI_PLUS_IS_SPACE, &parsed),
                     TARN_OK);
    struct api_route route = { .method = tn_str_from(method),
                               .level = level,
                               .query = &parsed,
                               .has_copy_source = has_copy_source };
    enum tn_s3_code code = api_route_find(&route, op);
    tn_arena_release(&arena);
    return code;
}

static void test_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        const struct api_op *op = NULL;
        enum tn_s3_code code =
            find(rows[i].method, rows[i].level, rows[i].query, rows[i].has_copy_source, &op);
        bool is_right = code == rows[i].code && (!rows[i].op || strcmp(op->name, rows[i].op) == 0);
        if (!is_right || (code && op))
            fail_msg("%s %u ?%s: %s, %s", rows[i].method, rows[i].level, rows[i].query,
                     op ? op->name : "-", tn_s3_error(code)->code);
    }
}

/* Refused, or by a row made for a sub-resource. */
static void assert_special(enum tn_s3_code code, const struct api_op *op)
{
    if (code != TN_S3_OK)
        assert_int_equal(code, TN_S3_NOT_IMPLEMENTED);
    else
        assert_true(op->needs != 0);
}

/* A sub-resource that is not here must never fall through to the plain operation. */
static void test_foreign(void **state)
{
    static const char *const subs[] = {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "encryption",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "replication",
        "renameObject",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "website",
        "intelligent-tiering",
        "publicAccessBlock",
        "append",
    };
    static const char *const methods[] = { "GET", "HEAD", "PUT", "POST", "DELETE" };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(subs); i++) {
        for (size_t k = 0; k < TN_COUNT(methods); k++) {
            const struct api_op *op = NULL;
            enum tn_s3_code code = find(methods[k], API_BUCKET, subs[i], false, &op);
            assert_special(code, op);
            code = find(methods[k], API_OBJECT, subs[i], false, &op);
            assert_special(code, op);
        }
    }
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_op_count; i++) {
        const struct api_op *op = &api_ops[i];
        assert_non_null(op->run);
        if (op->prepare)
            assert_int_not_equal(op->body, API_BODY_NONE);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(op->name, api_ops[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
