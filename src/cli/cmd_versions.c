/* SPDX-License-Identifier: Apache-2.0 */
/* tarn versions, tarn restore */

#include <strings.h>

#include "base/fail.h"
#include "cli/app.h"
#include "cli/glob.h"
#include "cli/match.h"
#include "cli/operands.h"
#include "cli/version_walk.h"

/* ---- versions ---- */

struct counts {
    struct cli_app *app;
    const char *bucket;
    uint64_t versions;
    uint64_t markers;
    uint64_t bytes;
};

static int show_json(struct counts *c, const struct tarn_version_entry *e)
{
    CLI_AUTO_JSON json;
    cli_report_json(c->app, &json, true);
    cli_json_text(&json, "key", e->key);
    if (!e->is_delete_marker)
        cli_json_u64(&json, "size", e->size);
    cli_json_time(&json, "last_modified", e->last_modified_ms);
    cli_json_text(&json, "etag", e->etag);
    if (!e->is_delete_marker)
        cli_json_text(&json, "storage_class", e->storage_class ? e->storage_class : "STANDARD");
    cli_json_text(&json, "version_id", e->version_id);
    cli_json_bool(&json, "is_latest", e->is_latest);
    cli_json_text(&json, "type", e->is_delete_marker ? "delete_marker" : "version");
    cli_json_text(&json, "bucket", c->bucket);
    int rc = cli_json_end(&json);
    return rc < 0 ? rc : cli_out_line(&c->app->out, tn_buf_str(&json.b));
}

/* The columns that `ls` can be asked for. */
static int append_extras(struct counts *c, const struct tarn_version_entry *e, struct tn_buf *line)
{
    int rc = TARN_OK;
    if (c->app->opt.show_etag)
        rc = tn_buf_append_text(line, "  ");
    if (rc == TARN_OK && c->app->opt.show_etag)
        rc = cli_text_append(line, tn_str_from(e->etag ? e->etag : "-"));
    if (rc == TARN_OK && c->app->opt.show_storage_class)
        rc = tn_buf_append_text(line, "  ");
    if (rc == TARN_OK && c->app->opt.show_storage_class)
        rc = cli_text_append(line, tn_str_from(e->storage_class ? e->storage_class : "STANDARD"));
    return rc;
}

static int show_text(struct counts *c, const struct tarn_version_entry *e)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    char when[TN_TIME_LEN];
    char size[CLI_SIZE_LEN] = "(marker)";
    cli_time_text(e->last_modified_ms, when);
    if (!e->is_delete_marker && c->app->opt.human)
        cli_size_text(e->size, size);
    else if (!e->is_delete_marker)
        (void)snprintf(size, sizeof size, "%llu", (unsigned long long)e->size);
    int rc = tn_buf_appendf(&line, "%s  %10s  ", when, size);
    if (rc == TARN_OK)
        rc = cli_text_append(&line, tn_str_from(e->version_id));
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&line, "  ");
    if (rc == TARN_OK)
        rc = cli_text_append(&line, tn_str_from(e->key));
    if (rc == TARN_OK && e->is_latest)
        rc = tn_buf_append_text(&line, " [LATEST]");
    if (rc == TARN_OK && e->is_delete_marker)
        rc = tn_buf_append_text(&line, " [DELETE MARKER]");
    if (rc == TARN_OK && !e->is_delete_marker)
        rc = append_extras(c, e, &line);
    return rc < 0 ? rc : cli_out_line(&c->app->out, tn_buf_str(&line));
}

static int show(void *arg, const struct tarn_version_entry *e, struct tarn_error *err)
{
    struct counts *c = arg;
    int rc = c->app->opt.json ? show_json(c, e) : show_text(c, e);
    if (rc < 0)
        return tn_fail(err, rc, "could not write: %s", tarn_status_text(rc));
    c->versions += !e->is_delete_marker;
    c->markers += e->is_delete_marker;
    c->bytes += e->size;
    return TARN_OK;
}

static void summarize(const struct counts *c)
{
    if (c->app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(c->app, &json, true);
        cli_json_u64(&json, "count", c->versions);
        cli_json_u64(&json, "delete_markers", c->markers);
        cli_json_u64(&json, "total_size", c->bytes);
        cli_report_json_end(c->app, &json);
    } else if (c->versions + c->markers == 0) {
        cli_report_note(c->app, "No versions found.");
    } else {
        cli_report_note(c->app, "\n%llu versions, %llu delete markers",
                        (unsigned long long)c->versions, (unsigned long long)c->markers);
    }
}

/* ---- whether a bucket keeps versions ---- */

static void report_versioning(struct cli_app *app, const char *bucket, enum tarn_versioning state)
{
    const char *text = state == TARN_VERSIONING_ENABLED     ? "enabled"
                       : state == TARN_VERSIONING_SUSPENDED ? "suspended"
                                                            : "unversioned";
    if (!app->opt.json) {
        cli_report_line(app, "s3://%s: %s", bucket, text);
        return;
    }
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_json_text(&json, "bucket", bucket);
    cli_json_text(&json, "versioning", text);
    cli_report_json_end(app, &json);
}

static int do_versioning(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct cli_app *app = user;
    const char *bucket = address->bucket;
    struct tarn_request request = cli_app_request(app);
    enum tarn_versioning state = TARN_VERSIONING_ENABLED;
    int rc;
    if (!app->opt.set_versioning) {
        rc = tarn_bucket_get_versioning(app->client, bucket, &request, &state, err);
    } else {
        if (strcasecmp(app->opt.set_versioning, "suspended") == 0)
            state = TARN_VERSIONING_SUSPENDED;
        rc = tarn_bucket_set_versioning(app->client, bucket, state, NULL, &request, err);
    }
    if (rc == TARN_OK)
        report_versioning(app, bucket, state);
    return rc;
}

static int run_versioning(struct cli_app *app)
{
    const struct cli_operands operands = {
        .read = cli_operand_bucket, .work = do_versioning, .user = app, .is_counted = true
    };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    return (int)cli_app_exit(app);
}

static int show_address(void *arg, const struct cli_address *address, struct tarn_error *err)
{
    struct counts *c = arg;
    c->bucket = address->bucket;
    return cli_version_each(c->app, address, show, c, err);
}

int cli_run_versions(struct cli_app *app)
{
    if (app->opt.set_versioning || app->opt.show_versioning)
        return run_versioning(app);

    struct counts c = { .app = app };
    app->is_reader = true;
    const struct cli_operands operands = {
        .read = cli_operand_s3, .work = show_address, .user = &c, .is_counted = true
    };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    if (!cli_app_is_over(app) && atomic_load(&app->succeeded) > 0)
        summarize(&c);
    return (int)cli_app_exit(app);
}

/* ---- restore ---- */

static void report(struct cli_app *app, const struct cli_address *address, const char *key,
                   const char *version_id, const char *done)
{
    TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "bucket", address->bucket);
        cli_json_text(&json, "key", key);
        cli_json_text(&json, "version_id", version_id);
        cli_json_text(&json, "result", done);
        if (app->opt.dry_run)
            cli_json_bool(&json, "dry_run", true);
        cli_report_json_end(app, &json);
        return;
    }
    if (cli_place_append(&place, (struct cli_place){ address->bucket, key }) == TARN_OK)
        cli_report_line(app, "%s%s: %s%s%s", app->opt.dry_run ? "(dry-run) " : "", place.data, done,
                        version_id ? " as version " : "", version_id ? version_id : "");
}

struct restoring {
    struct cli_app *app;
    const struct cli_address *address;
};

static int restore_version(const struct restoring *r, const char *key, struct tarn_error *err)
{
    struct cli_app *app = r->app;
    struct tarn_copy_options copy = { .request = cli_app_request(app) };
    struct tarn_object_info info = { 0 };
    copy.attributes.storage_class = app->opt.storage_class;
    int rc = app->opt.dry_run ? TARN_OK
                              : tarn_version_restore(app->client, r->address->bucket, key,
                                                     app->opt.version_id, &copy, &info, err);
    if (rc == TARN_OK)
        report(app, r->address, key, info.version_id, "restored");
    tarn_object_info_release(&info);
    return rc;
}

static int restore_one(const struct restoring *r, const char *key, struct tarn_error *err)
{
    struct cli_app *app = r->app;
    struct tarn_request request = cli_app_request(app);
    const char *bucket = r->address->bucket;
    bool is_there = false;
    int rc = TARN_OK;
    if (app->opt.undelete) {
        if (!app->opt.dry_run)
            rc = tarn_object_undelete(app->client, bucket, key, &request, err);
        if (rc == TARN_OK)
            report(app, r->address, key, NULL, "undeleted");
        return rc;
    }
    if (!app->opt.days)
        return restore_version(r, key, err);
    struct tarn_restore_options options = { .request = request,
                                            .version_id = app->opt.version_id,
                                            .days = (uint32_t)app->opt.days,
                                            .tier = app->opt.tier };
    if (!app->opt.dry_run)
        rc = tarn_object_restore(app->client, bucket, key, &options, &is_there, err);
    if (rc == TARN_OK)
        report(app, r->address, key, NULL, is_there ? "is there" : "restore requested");
    return rc;
}

static int restore_entry(void *arg, const struct tarn_list_entry *entry, const char *name,
                         struct tarn_error *err)
{
    const struct restoring *r = arg;
    struct tarn_error why = { 0 };
    (void)name;
    (void)err;
    if (entry->storage_class && !tarn_storage_class_needs_restore(entry->storage_class)) {
        atomic_fetch_add(&r->app->skipped, 1);
        return TARN_OK;
    }
    if (restore_one(r, entry->key, &why) < 0)
        cli_report_failure(r->app, (struct cli_place){ r->address->bucket, entry->key },
                           (struct cli_place){ 0 }, &why);
    else
        atomic_fetch_add(&r->app->succeeded, 1);
    return cli_app_is_over(r->app) ? TARN_ECANCELLED : TARN_OK;
}

static int check(struct cli_app *app, const char *text, struct cli_address *address,
                 struct tarn_error *err)
{
    const struct cli_options *opt = &app->opt;
    int rc = cli_address_parse_s3(text, address, err);
    if (rc < 0)
        return rc;
    bool is_many = opt->recursive || cli_match_is_pattern(app, address);
    if (opt->undelete + (opt->days > 0) + (opt->version_id && !opt->days) != 1)
        return tn_fail(err, TARN_EINVAL,
                       "expected one of \"--version-id\", \"--undelete\" and \"--days\"");
    if (opt->tier && !opt->days)
        return tn_fail(err, TARN_EINVAL, "\"--tier\" goes with \"--days\"");
    if (opt->storage_class && (!opt->version_id || opt->days))
        return tn_fail(err, TARN_EINVAL, "\"--storage-class\" goes with a copy of a version");
    if (opt->version_id && app->operand_count > 1)
        return tn_fail(err, TARN_EINVAL, "\"--version-id\" wants one exact key");
    if (is_many && !opt->days)
        return tn_fail(err, TARN_EINVAL, "only \"--days\" goes with many objects");
    if (is_many && opt->version_id)
        return tn_fail(err, TARN_EINVAL, "\"--version-id\" wants one exact key");
    if (!is_many && address->name[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" names no key", text);
    return TARN_OK;
}

static int restore_address(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct cli_app *app = user;
    struct restoring r = { app, address };
    uint64_t seen = 0;
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    if (app->opt.recursive || cli_match_is_pattern(app, address)) {
        int rc = cli_match_each(app, address, restore_entry, &r, &seen, err);
        if (rc == TARN_OK && seen == 0)
            cli_report_note(app, "No objects matched.");
        return rc;
    }
    int rc = cli_match_key(app, address, &key, err);
    if (rc < 0 || !cli_match_takes(app, key.data))
        return rc;
    rc = restore_one(&r, key.data, err);
    if (rc == TARN_OK)
        atomic_fetch_add(&app->succeeded, 1);
    return rc;
}

int cli_run_restore(struct cli_app *app)
{
    const struct cli_operands operands = { .read = check, .work = restore_address, .user = app };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    return (int)cli_app_exit(app);
}
