/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting keys of one bucket in batches. */

#include "cli/delete.h"

#include "base/fail.h"

int cli_delete_init(struct cli_delete *batch, struct cli_app *app, const char *bucket,
                    struct tarn_error *err)
{
    struct cli_delete made = { .app = app, .bucket = bucket };
    made.keys = tn_calloc(CLI_DELETE_BATCH, sizeof *made.keys);
    made.texts = tn_calloc(CLI_DELETE_BATCH, sizeof *made.texts);
    if (!made.keys || !made.texts) {
        cli_delete_release(&made);
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    }
    *batch = made;
    return TARN_OK;
}

static void drop_keys(struct cli_delete *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        tn_free(batch->texts[i]);
    batch->count = 0;
}

void cli_delete_release(struct cli_delete *batch)
{
    drop_keys(batch);
    tn_free(batch->keys);
    tn_free(batch->texts);
    *batch = (struct cli_delete){ 0 };
}

static void report_json(struct cli_app *app, const char *bucket, const char *key,
                        const char *version_id)
{
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_json_text(&json, "key", key);
    cli_json_text(&json, "bucket", bucket);
    cli_json_text(&json, "version_id", version_id);
    if (app->opt.dry_run)
        cli_json_bool(&json, "dry_run", true);
    cli_report_json_end(app, &json);
}

static bool is_etag(struct tn_str wanted, const char *etag)
{
    if (wanted.len >= 2 && wanted.data[0] == '"' && wanted.data[wanted.len - 1] == '"')
        wanted = tn_str_sub(wanted, 1, wanted.len - 2);
    return tn_str_eq(wanted, TN_STR("*")) || tn_str_eq(wanted, tn_str_from(etag));
}

int cli_delete_check(struct cli_app *app, const char *bucket, const char *key,
                     const struct tarn_delete_options *options, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_get_options look = { .request = options->request,
                                     .version_id = options->version_id };
    if (!options->if_match)
        return TARN_OK;
    int rc = tarn_object_head(app->client, bucket, key, &look, &info, err);
    if (rc < 0)
        return rc == TARN_ENOTFOUND || rc == TARN_EDENIED ? TARN_OK : rc;
    bool is_it = !info.etag || is_etag(tn_str_from(options->if_match), info.etag);
    tarn_object_info_release(&info);
    return is_it ? TARN_OK
                 : tn_fail(err, TARN_EPRECOND,
                           "could not delete object \"%s/%s\": it is not the one of this ETag",
                           bucket, key);
}

void cli_delete_report(struct cli_app *app, const char *bucket, const char *key,
                       const char *version_id)
{
    TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    atomic_fetch_add(&app->succeeded, 1);
    if (app->opt.json) {
        report_json(app, bucket, key, version_id);
        return;
    }
    if (cli_place_append(&place, (struct cli_place){ bucket, key }) < 0)
        return;
    cli_report_line(app, "%s%s%s%s", app->opt.dry_run ? "(dry-run) Would delete: " : "Deleted ",
                    place.data, version_id ? " version " : "", version_id ? version_id : "");
}

static void on_deleted(void *arg, size_t index, const struct tarn_error *err)
{
    struct cli_delete *batch = arg;
    const char *key = batch->keys[index].key;
    if (err) {
        batch->failed++;
        cli_report_failure(batch->app, (struct cli_place){ batch->bucket, key },
                           (struct cli_place){ 0 }, err);
        return;
    }
    batch->deleted++;
    cli_delete_report(batch->app, batch->bucket, key, batch->keys[index].version_id);
}

void cli_delete_flush(struct cli_delete *batch)
{
    struct tarn_delete_options options = { .request = cli_app_request(batch->app) };
    uint64_t reported = batch->deleted + batch->failed;
    struct tarn_error err = { 0 };
    if (batch->count == 0)
        return;
    int rc = tarn_object_delete_many(batch->app->client, batch->bucket, batch->keys, batch->count,
                                     &options, on_deleted, batch, &err);
    /* A failure that reached no key, such as a lack of memory, must not pass in silence. */
    if (rc < 0 && batch->deleted + batch->failed == reported) {
        batch->failed += batch->count;
        cli_report_failure(batch->app, (struct cli_place){ batch->bucket, NULL },
                           (struct cli_place){ 0 }, &err);
    }
    drop_keys(batch);
}

int cli_delete_add_version(struct cli_delete *batch, const char *key, const char *version_id,
                           struct tarn_error *err)
{
    if (batch->app->opt.dry_run) {
        batch->deleted++;
        cli_delete_report(batch->app, batch->bucket, key, version_id);
        return TARN_OK;
    }
    size_t key_len = strlen(key) + 1;
    size_t version_len = version_id ? strlen(version_id) + 1 : 0;
    char *text = tn_realloc(NULL, key_len + version_len);
    if (!text)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    memcpy(text, key, key_len);
    if (version_id)
        memcpy(text + key_len, version_id, version_len);
    batch->texts[batch->count] = text;
    batch->keys[batch->count++] =
        (struct tarn_delete_key){ .key = text, .version_id = version_id ? text + key_len : NULL };
    if (batch->count == CLI_DELETE_BATCH)
        cli_delete_flush(batch);
    return TARN_OK;
}

int cli_delete_add(struct cli_delete *batch, const char *key, struct tarn_error *err)
{
    return cli_delete_add_version(batch, key, NULL, err);
}
