/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets. */

#include <tarn/bucket.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/cycle.h"
#include "proto/name.h"

enum { CONFIG_DOCUMENT_MAX = 4096 };

static const struct tarn_bucket_options no_options;

int tarn_bucket_name_check(const char *bucket, struct tarn_error *err)
{
    struct tn_str name = tn_str_from(bucket);
    if (tn_bucket_name_is_valid(name))
        return TARN_OK;
    const char *rule = "letters, digits, hyphens and dots only, as host names have them; no IP "
                       "address, no reserved prefix or suffix";
    if (name.len < TN_BUCKET_LEN_MIN || name.len > TN_BUCKET_LEN_MAX)
        rule = "3 to 63 characters";
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] >= 'A' && name.data[i] <= 'Z')
            rule = "lower case only";
    }
    return tn_fail(err, TARN_EINVAL, "could not use bucket name \"%s\": expected %s",
                   bucket ? bucket : "", rule);
}

/* What the four simple calls share; `op` is made, run, and the caller's to free. */
static int run_simple(struct tarn_client *client, struct tn_waiter *waiter, const char *what,
                      const char *method, const char *bucket,
                      const struct tarn_bucket_options *options, const struct tn_buf *document,
                      const char *flag, struct tn_op **out, struct tarn_error *err)
{
    struct tn_op *op = tn_op_new(client, waiter, what, method, bucket, NULL);
    if (!op)
        return tn_fail_no_memory(err, what);
    *out = op;
    tn_op_request(op, &options->request);
    if (flag)
        tn_op_query_flag(op, flag);
    if (options->acl && !tarn_acl_is_known(options->acl))
        return tn_op_fail(op, err, TARN_EINVAL, "\"%s\" is no canned ACL", options->acl);
    tn_op_header(op, "x-amz-acl", options->acl);
    if (options->has_object_lock)
        tn_op_header(op, "x-amz-bucket-object-lock-enabled", "true");
    if (document)
        tn_op_document(op, document);
    return tn_op_run(op, err);
}

static int make_location(const char *region, struct tn_buf *document)
{
    struct tn_xml_writer w = TN_XML_WRITER(document);
    tn_xml_root(&w, "CreateBucketConfiguration", TN_XML_S3_NAMESPACE);
    tn_xml_text(&w, "LocationConstraint", region);
    tn_xml_close(&w, "CreateBucketConfiguration");
    return w.rc;
}

int tarn_bucket_create(struct tarn_client *client, const char *bucket,
                       const struct tarn_bucket_options *options, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    TN_AUTO_BUF document = TN_BUF_INIT(CONFIG_DOCUMENT_MAX);
    struct tn_waiter waiter;
    struct tn_op *op = NULL;
    options = options ? options : &no_options;
    int rc = client->settings.is_aws ? tarn_bucket_name_check(bucket, err) : TARN_OK;
    if (rc < 0)
        return rc;
    const char *region = options->region ? options->region : client->settings.region;
    bool has_document = strcmp(region, "us-east-1") != 0;
    if (has_document)
        rc = make_location(region, &document);
    if (rc < 0)
        return tn_fail(err, rc, "could not create bucket \"%s\": %s", bucket, tarn_status_text(rc));
    if (options->region)
        tn_client_region_set(client, bucket, tn_str_from(options->region));
    tn_waiter_init(&waiter);
    rc = run_simple(client, &waiter, "create bucket", "PUT", bucket, options,
                    has_document ? &document : NULL, NULL, &op, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

int tarn_bucket_delete(struct tarn_client *client, const char *bucket,
                       const struct tarn_bucket_options *options, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    struct tn_op *op = NULL;
    tn_waiter_init(&waiter);
    int rc = run_simple(client, &waiter, "delete bucket", "DELETE", bucket,
                        options ? options : &no_options, NULL, NULL, &op, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

static void copy_region(struct tn_str text, char *region)
{
    if (region)
        (void)snprintf(region, TARN_REGION_LEN_MAX, "%.*s", TN_STR_ARG(text));
}

int tarn_bucket_head(struct tarn_client *client, const char *bucket,
                     const struct tarn_bucket_options *options, char region[TARN_REGION_LEN_MAX],
                     struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    struct tn_op *op = NULL;
    tn_waiter_init(&waiter);
    int rc = run_simple(client, &waiter, "look at bucket", "HEAD", bucket,
                        options ? options : &no_options, NULL, NULL, &op, err);
    if (rc == TARN_OK)
        copy_region(tn_op_field(op, "x-amz-bucket-region"), region);
    if (rc ==
        TARN_ENOTFOUND) { /* without a body the code is not told, but nothing else can be missing */
        rc = TARN_ENOBUCKET;
        if (err)
            err->status = rc;
    }
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

int tarn_bucket_location(struct tarn_client *client, const char *bucket,
                         const struct tarn_bucket_options *options,
                         char region[TARN_REGION_LEN_MAX], struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING(region), err);
    if (given < 0)
        return given;
    const struct tn_xml_node *root = NULL;
    struct tn_waiter waiter;
    struct tn_op *op = NULL;
    tn_waiter_init(&waiter);
    int rc = run_simple(client, &waiter, "locate bucket", "GET", bucket,
                        options ? options : &no_options, NULL, "location", &op, err);
    if (rc == TARN_OK)
        rc = tn_op_parse(op, "LocationConstraint", &root, err);
    if (rc == TARN_OK) {
        struct tn_str text = tn_str_trim(root->text);
        if (text.len == 0)
            text = TN_STR("us-east-1");
        copy_region(tn_str_eq(text, TN_STR("EU")) ? TN_STR("eu-west-1") : text, region);
    }
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

/* ---- ListBuckets ---- */

static int hand_out(struct tn_arena *a, const struct tn_xml_node *node, tarn_bucket_fn each,
                    void *arg)
{
    struct tarn_bucket_entry entry = { .created_ms = -1 };
    struct tn_str region = tn_xml_child_text(node, "BucketRegion");
    struct tn_str name = tn_xml_child_text(node, "Name");
    entry.created_ms = tn_date_ms(tn_xml_child_text(node, "CreationDate"));
    entry.name = tn_arena_memdup(a, name.data, name.len);
    entry.region = region.len > 0 ? tn_arena_memdup(a, region.data, region.len) : NULL;
    if (!entry.name || (region.len > 0 && !entry.region))
        return TARN_ENOMEM;
    int rc = each(arg, &entry);
    return rc < 0 ? rc : TARN_OK;
}

/* The page that comes next; `token` is empty at the end. */
struct place {
    struct tn_buf token;
    struct tn_cycle cycle;
};

static int move_on(struct place *place, struct tn_str token)
{
    int rc = token.len > 0 ? tn_cycle_step(&place->cycle, token, TN_STR_EMPTY) : TARN_OK;
    tn_buf_truncate(&place->token, 0);
    return rc == TARN_OK ? tn_buf_append_str(&place->token, token) : rc;
}

static int list_page(struct tarn_client *client, struct tn_waiter *waiter,
                     const struct tarn_bucket_options *options, tarn_bucket_fn each, void *arg,
                     struct place *place, struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    struct tn_op *op = tn_op_new(client, waiter, "list buckets", "GET", NULL, NULL);
    if (!op)
        return tn_fail_no_memory(err, "list buckets");
    tn_op_request(op, &options->request);
    if (place->token.len > 0)
        tn_op_query(op, "continuation-token", place->token.data);
    int rc = tn_op_run(op, err);
    if (rc == TARN_OK)
        rc = tn_op_parse(op, "ListAllMyBucketsResult", &root, err);
    const struct tn_xml_node *list = rc == TARN_OK ? tn_xml_child(root, "Buckets") : NULL;
    const struct tn_xml_node *node = list ? tn_xml_child(list, "Bucket") : NULL;
    for (; node && rc == TARN_OK; node = tn_xml_next(node)) {
        rc = hand_out(&op->arena, node, each, arg);
        if (rc < 0)
            (void)tn_op_fail(op, err, rc, "%s", tarn_status_text(rc));
    }
    if (rc == TARN_OK) {
        rc = move_on(place, tn_xml_child_text(root, "ContinuationToken"));
        if (rc < 0)
            (void)tn_op_fail(op, err, rc, "%s", tarn_status_text(rc));
    }
    tn_op_free(op);
    return rc;
}

int tarn_bucket_list(struct tarn_client *client, const struct tarn_bucket_options *options,
                     tarn_bucket_fn each, void *arg, struct tarn_error *err)
{
    int given = tn_check_given(client, "-", "-", TN_MISSING(each), err);
    if (given < 0)
        return given;
    struct place place = { .token = TN_BUF_INIT(CONFIG_DOCUMENT_MAX), .cycle = TN_CYCLE_INIT };
    struct tn_waiter waiter;
    int rc;
    options = options ? options : &no_options;
    tn_waiter_init(&waiter);
    do {
        rc = list_page(client, &waiter, options, each, arg, &place, err);
    } while (rc == TARN_OK && place.token.len > 0);
    tn_buf_release(&place.token);
    tn_cycle_release(&place.cycle);
    tn_waiter_release(&waiter);
    return rc;
}
