/* SPDX-License-Identifier: Apache-2.0 */
/* tarn mb, tarn rb */

#include "base/fail.h"
#include "cli/app.h"
#include "cli/delete.h"
#include "cli/operands.h"
#include "cli/version_walk.h"

static void report_done(struct cli_app *app, const char *bucket, const char *done)
{
    if (!app->opt.json) {
        cli_report_line(app, "%s bucket: s3://%s", done, bucket);
        return;
    }
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_json_text(&json, "bucket", bucket);
    cli_report_json_end(app, &json);
}

/* Some servers say only that it exists: then it is ours when we may look at it. */
static bool is_ours(struct cli_app *app, const char *bucket, const struct tarn_error *err)
{
    struct tarn_bucket_options options = { .request = cli_app_request(app) };
    return strcmp(err->s3_code, "BucketAlreadyOwnedByYou") == 0 ||
           tarn_bucket_head(app->client, bucket, &options, NULL, NULL) == TARN_OK;
}

static int make_bucket(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct cli_app *app = user;
    const char *bucket = address->bucket;
    struct tarn_bucket_options options = { .request = cli_app_request(app),
                                           .acl = app->opt.acl,
                                           .has_object_lock = app->opt.object_lock };
    int rc = tarn_bucket_create(app->client, bucket, &options, err);
    bool is_new = rc == TARN_OK;
    if (rc == TARN_EEXISTS && app->opt.exist_ok && is_ours(app, bucket, err))
        rc = TARN_OK;
    if (rc == TARN_OK && app->opt.versioning)
        rc = tarn_bucket_set_versioning(app->client, bucket, TARN_VERSIONING_ENABLED, NULL,
                                        &options.request, err);
    if (is_new && rc == TARN_OK)
        report_done(app, bucket, "Created");
    return rc;
}

static int add_key(void *arg, const struct tarn_list_entry *entry, const char *name,
                   struct tarn_error *err)
{
    (void)name;
    return cli_delete_add(arg, entry->key, err);
}

static int add_version(void *arg, const struct tarn_version_entry *entry, struct tarn_error *err)
{
    return cli_delete_add_version(arg, entry->key, entry->version_id, err);
}

/* To delete the objects of a bucket with versions would only hide them, and it stays. */
static int add_all(struct cli_app *app, const struct cli_address *address, struct cli_delete *batch,
                   struct tarn_error *err)
{
    struct tarn_request request = cli_app_request(app);
    enum tarn_versioning state = TARN_VERSIONING_OFF;
    struct tarn_error why = { 0 };
    uint64_t seen = 0;
    int rc = tarn_bucket_get_versioning(app->client, address->bucket, &request, &state, &why);
    bool knows_none = rc == TARN_ENOTSUPPORTED || rc == TARN_EPROTOCOL ||
                      (why.http_status / 100 == 4 && rc != TARN_ENOBUCKET);
    if (rc < 0 && !knows_none) {
        *err = why;
        return rc;
    }
    return state == TARN_VERSIONING_OFF ? cli_match_each(app, address, add_key, batch, &seen, err)
                                        : cli_version_each(app, address, add_version, batch, err);
}

static int empty_bucket(struct cli_app *app, const struct cli_address *address,
                        struct tarn_error *err)
{
    struct cli_delete batch;
    int rc = cli_delete_init(&batch, app, address->bucket, err);
    if (rc < 0)
        return rc;
    rc = add_all(app, address, &batch, err);
    if (rc == TARN_OK)
        cli_delete_flush(&batch);
    if (rc == TARN_OK && batch.failed > 0)
        rc = tn_fail(err, TARN_ENOTEMPTY, "%llu objects could not be deleted",
                     (unsigned long long)batch.failed);
    cli_delete_release(&batch);
    return rc;
}

struct upload_sweep {
    struct cli_app *app;
    const char *bucket;
};

static int abort_upload(void *arg, const struct tarn_upload_entry *entry)
{
    struct upload_sweep *sweep = arg;
    struct tarn_request request = cli_app_request(sweep->app);
    struct tarn_error err = { 0 };
    int rc = tarn_multipart_abort(sweep->app->client, sweep->bucket, entry->key, entry->upload_id,
                                  &request, &err);
    if (rc < 0)
        cli_report_failure(sweep->app, (struct cli_place){ sweep->bucket, entry->key },
                           (struct cli_place){ 0 }, &err);
    return TARN_OK;
}

static int abort_uploads(struct cli_app *app, const char *bucket, struct tarn_error *err)
{
    struct tarn_request request = cli_app_request(app);
    struct upload_sweep sweep = { app, bucket };
    int rc =
        tarn_multipart_list_uploads(app->client, bucket, NULL, &request, abort_upload, &sweep, err);
    /* A server without multipart uploads has none to abort. */
    return rc == TARN_ENOTSUPPORTED ? TARN_OK : rc;
}

static int remove_bucket(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct cli_app *app = user;
    struct tarn_bucket_options options = { .request = cli_app_request(app) };
    int rc = app->opt.force ? empty_bucket(app, address, err) : TARN_OK;
    if (rc == TARN_OK && app->opt.force)
        rc = abort_uploads(app, address->bucket, err);
    if (rc == TARN_OK)
        rc = tarn_bucket_delete(app->client, address->bucket, &options, err);
    if (rc == TARN_OK)
        report_done(app, address->bucket, "Deleted");
    return rc;
}

static int run(struct cli_app *app, bool is_make)
{
    const struct cli_operands operands = { .read = cli_operand_bucket,
                                           .work = is_make ? make_bucket : remove_bucket,
                                           .user = app,
                                           .is_counted = true };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    return (int)cli_app_exit(app);
}

int cli_run_mb(struct cli_app *app)
{
    return run(app, true);
}

int cli_run_rb(struct cli_app *app)
{
    return run(app, false);
}
