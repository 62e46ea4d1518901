/* SPDX-License-Identifier: Apache-2.0 */
/* What is told about an item: the progress while it moves, a line or a JSON object at its end. */

#include "cli/cp_work.h"

int cp_on_progress(void *arg, const struct tarn_progress *progress)
{
    struct cp_work *w = arg;
    struct cli_progress *all = cli_app_progress(w->job->app);
    if (progress->bytes_total > w->shown_total) {
        atomic_fetch_add(&all->bytes_total, progress->bytes_total - w->shown_total);
        w->shown_total = progress->bytes_total;
    }
    if (progress->bytes_done > w->shown_done) {
        atomic_fetch_add(&all->bytes_done, progress->bytes_done - w->shown_done);
        w->shown_done = progress->bytes_done;
    }
    return 0;
}

void cp_settle_progress(struct cp_work *w, bool success)
{
    struct cli_progress *all = cli_app_progress(w->job->app);
    if (success && w->shown_done < w->shown_total)
        atomic_fetch_add(&all->bytes_done, w->shown_total - w->shown_done);
    else if (w->shown_total > w->shown_done)
        atomic_fetch_sub(&all->bytes_total, w->shown_total - w->shown_done);
    atomic_fetch_add(&all->files_done, 1);
}

static uint64_t size_of(const struct cp_work *w)
{
    if (w->item->has_size)
        return w->item->size;
    return w->job->kind == CP_DOWNLOAD ? w->info.size : w->shown_total;
}

/* What was not looked at has a size all the same. */
static bool knows_size(const struct cp_work *w)
{
    return w->item->has_size || !w->item->source_bucket ||
           (w->job->kind == CP_DOWNLOAD && !w->skip_reason);
}

static void report_json(struct cp_work *w, struct cli_place source, struct cli_place target)
{
    struct cli_app *app = w->job->app;
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_place_json(&json, "source", source);
    cli_place_json(&json, "destination", target);
    if (knows_size(w))
        cli_json_u64(&json, "size", size_of(w));
    cli_json_text(&json, "etag", w->info.etag);
    cli_json_text(&json, "version_id", w->info.version_id);
    if (app->opt.dry_run)
        cli_json_bool(&json, "dry_run", true);
    if (w->skip_reason) {
        cli_json_bool(&json, "skipped", true);
        cli_json_text(&json, "reason", w->skip_reason);
    }
    cli_report_json_end(app, &json);
}

static void report_text(struct cp_work *w, struct cli_place source, struct cli_place target)
{
    struct cli_app *app = w->job->app;
    TN_AUTO_BUF from = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    TN_AUTO_BUF to = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.quiet)
        return;
    if (cli_place_append(&from, source) < 0 || cli_place_append(&to, target) < 0)
        return;
    if (w->skip_reason) {
        if (app->opt.verbose || app->opt.dry_run)
            cli_report_note(app, "Skipped %s -> %s (%s)", from.data, to.data, w->skip_reason);
    } else if (app->opt.dry_run) {
        cli_report_line(app, "(dry-run) Would %s: %s -> %s (%llu bytes)",
                        w->job->is_move ? "move" : "copy", from.data, to.data,
                        (unsigned long long)size_of(w));
    } else {
        cli_report_line(app, "%s %s -> %s", w->job->is_move ? "Moved" : "Copied", from.data,
                        to.data);
    }
}

static void report_success(struct cp_work *w, struct cli_place source, struct cli_place target)
{
    struct cli_app *app = w->job->app;
    if (w->skip_reason) {
        atomic_fetch_add(&app->skipped, 1);
    } else {
        atomic_fetch_add(&app->succeeded, 1);
        atomic_fetch_add(&app->bytes, app->opt.dry_run ? 0 : size_of(w));
    }
    if (app->opt.json)
        report_json(w, source, target);
    else
        report_text(w, source, target);
}

/* What fails every item alike is told once: the bucket of an upload is missing, or nobody believes
 * who we are. */
static bool is_hopeless(const struct cp_work *w, int rc, const struct tarn_error *err)
{
    static const char *const codes[] = { "InvalidBucketName", "InvalidAccessKeyId",
                                         "SignatureDoesNotMatch", "ExpiredToken",
                                         "RequestTimeTooSkewed" };
    if (rc == TARN_ENOBUCKET)
        return w->job->kind != CP_DOWNLOAD;
    if (rc == TARN_ENOSPACE)
        return w->job->kind == CP_DOWNLOAD && err->http_status == 0;
    for (size_t i = 0; i < TN_COUNT(codes); i++) {
        if (strcmp(err->s3_code, codes[i]) == 0)
            return true;
    }
    return rc == TARN_ECREDENTIALS;
}

void cp_report(struct cp_work *w, int rc, const struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct cli_place source = { w->item->source_bucket, w->item->source };
    struct cli_place target = { w->item->target_bucket, w->target.len ? w->target.data : NULL };
    bool is_known = false;
    if (rc < 0 && is_hopeless(w, rc, err))
        is_known = atomic_exchange(&app->is_hopeless, true);
    if (atomic_load(&app->is_hopeless) && w->job->engine)
        tarn_job_cancel(w->job->engine);
    if (rc == TARN_OK)
        report_success(w, source, target);
    else if (is_known || rc == TARN_ECANCELLED)
        atomic_fetch_add(&app->failed, 1);
    else
        cli_report_failure(app, source, target, err);
}
