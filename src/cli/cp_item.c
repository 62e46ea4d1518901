/* SPDX-License-Identifier: Apache-2.0 */
/* One item of a copy job: its destination, the transfer itself, its way through the engine. */

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cmd_pipe.h"
#include "cli/cp_merge.h"
#include "cli/cp_work.h"
#include "cli/mime.h"

enum { PATH_LEN_MAX = 65536, SYNC_ALONE_LEN = 8 << 20 };

void cp_item_free(struct cp_item *item)
{
    if (!item)
        return;
    tn_free(item->source);
    tn_free(item->target);
    tn_free(item->etag);
    tn_free(item);
}

static int build_key(struct cp_work *w, struct tarn_error *err)
{
    const struct cp_job *job = w->job;
    int rc = TARN_OK;
    if (job->is_target_dir) {
        rc = tn_buf_append_text(&w->target, job->target.name);
        if (rc == TARN_OK && !cli_address_is_prefix(&job->target))
            rc = tn_buf_append_char(&w->target, '/');
    }
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&w->target, w->item->target);
    return rc < 0 ? tn_fail(err, rc, "could not build the key: %s", tarn_status_text(rc)) : rc;
}

/* A key that ends in a slash is a directory. */
static bool is_marker(const struct cp_work *w)
{
    size_t len = strlen(w->item->target);
    return w->job->kind == CP_DOWNLOAD && w->job->is_target_dir && len > 0 &&
           w->item->target[len - 1] == '/';
}

/* The path of a name below the target; the directories on the way are made. Those of the item
 * before need no second look. */
static int prepare_path(struct cp_work *w, const char *name, struct tarn_error *err)
{
    struct cp_job *job = w->job;
    TN_AUTO_BUF path = TN_BUF_INIT(PATH_LEN_MAX);
    const char *slash = strrchr(w->target.data, '/');
    struct tn_str parent =
        tn_str_sub(tn_buf_str(&w->target), 0, slash ? (size_t)(slash - w->target.data) : 0);
    bool is_main = w->is_plain; /* the thread that the memory belongs to */
    if (is_main && job->directory.len > 0 && tn_str_eq(parent, tn_buf_str(&job->directory)))
        return cli_target_check(name, err);
    int rc = cli_target_prepare(&job->dir, name, &path, err);
    if (rc == TARN_OK && is_main) {
        tn_buf_truncate(&job->directory, 0);
        rc = tn_buf_append_str(&job->directory, parent);
    }
    return rc;
}

static int build_path(struct cp_work *w, struct tarn_error *err)
{
    const struct cp_job *job = w->job;
    const char *name = w->item->target;
    int rc = TARN_OK;
    if (!job->is_target_dir) {
        rc = tn_buf_append_text(&w->target, name);
    } else {
        /* For the cp_report, should it be refused; then for good. */
        rc = cli_path_join(&w->target, job->target.name, name);
        if (rc == TARN_OK && is_marker(w) && w->item->size > 0)
            return tn_fail(err, TARN_EDENIED, "refused: the key ends in a slash, but has content");
        if (rc == TARN_OK && job->app->opt.dry_run)
            return cli_target_check(name, err);
        if (rc == TARN_OK)
            return prepare_path(w, name, err);
    }
    return rc < 0 ? tn_fail(err, rc, "could not build the path: %s", tarn_status_text(rc)) : rc;
}

static void on_resume(void *arg, const struct tarn_resume_report *cp_report)
{
    struct cp_work *w = arg;
    char size[CLI_SIZE_LEN];
    cli_size_text(cp_report->bytes, size);
    if (cp_report->outcome == TARN_RESUME_FRESH)
        return;
    TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    struct cp_item *item = w->item;
    if (cli_place_append(&place, (struct cli_place){ item->source_bucket, item->source }) < 0)
        return;
    if (cp_report->outcome == TARN_RESUME_RESTARTED)
        cli_report_note(w->job->app, "Starting over with %s: %s", place.data, cp_report->reason);
    else
        cli_report_note(w->job->app, "Resuming %s: %s are done%s%s", place.data, size,
                        cp_report->reason ? "; " : "", cp_report->reason ? cp_report->reason : "");
}

static struct tarn_transfer_options transfer_options(struct cp_work *w)
{
    const struct cli_options *opt = &w->job->app->opt;
    return (struct tarn_transfer_options){ .request = cli_app_request(w->job->app),
                                           .part_size = opt->part_size_mib << 20,
                                           .concurrency = (uint32_t)opt->concurrency,
                                           .verify =
                                               opt->no_verify ? TARN_VERIFY_NONE : TARN_VERIFY_AUTO,
                                           .resume = !opt->no_resume,
                                           .on_resume = on_resume,
                                           .resume_arg = w,
                                           .progress = cp_on_progress,
                                           .progress_arg = w };
}

/* The metadata of the command line, and the file's time and permissions behind it. */
static int add_stat(struct cp_work *w, struct tarn_attributes *a, struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    w->metadata = tn_calloc(a->metadata_count + 2, sizeof *w->metadata);
    if (!w->metadata)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    memcpy(w->metadata, a->metadata, a->metadata_count * sizeof *w->metadata);
    (void)snprintf(w->mtime, sizeof w->mtime, "%lld.%09ld", (long long)(item->mtime_ms / 1000),
                   item->mtime_ns);
    (void)snprintf(w->mode, sizeof w->mode, "%04o", (unsigned)item->mode & 0777u);
    w->metadata[a->metadata_count] = (struct tarn_header){ "mtime", w->mtime };
    w->metadata[a->metadata_count + 1] = (struct tarn_header){ "mode", w->mode };
    a->metadata = w->metadata;
    a->metadata_count += item->mtime_ms >= 0 ? 2 : 0;
    return TARN_OK;
}

static int upload_options(struct cp_work *w, struct tarn_transfer_options *options,
                          struct tarn_error *err)
{
    const struct cli_app *app = w->job->app;
    *options = transfer_options(w);
    options->attributes = w->job->attributes.value;
    if (!options->attributes.content_type)
        options->attributes.content_type = cli_mime_guess(w->item->source);
    if (app->opt.no_clobber)
        options->conditions.if_none_match = "*";
    if (!w->item->is_stream && app->opt.preserve)
        return add_stat(w, &options->attributes, err);
    return TARN_OK;
}

struct stream {
    struct cli_app *app;
    int fd;
};

static int64_t read_stream(void *arg, void *bytes, size_t cap)
{
    struct stream *s = arg;
    return cli_pipe_read(s->app, s->fd, bytes, cap);
}

static int upload(struct cp_work *w, struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    struct cli_app *app = w->job->app;
    struct tarn_transfer_options options;
    int rc = upload_options(w, &options, err);
    if (rc < 0)
        return rc;
    if (!item->is_stream)
        return tarn_upload_file(app->client, item->source, item->target_bucket, w->target.data,
                                &options, &w->info, err);

    /* So that a pipe which nobody writes can be left. */
    struct stream stream = { app, open(item->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    if (stream.fd < 0)
        return tn_fail_errno(err, "could not open");
    rc = tarn_upload_stream(app->client, read_stream, &stream, item->target_bucket, w->target.data,
                            &options, &w->info, err);
    tn_fd_close(&stream.fd);
    return rc;
}

static struct tarn_transfer_options download_options(struct cp_work *w)
{
    const struct cp_item *item = w->item;
    const struct cli_options *opt = &w->job->app->opt;
    struct tarn_transfer_options options = transfer_options(w);
    options.version_id = opt->version_id;
    options.has_size_hint = item->has_size;
    options.size_hint = item->size;
    options.etag_hint = item->etag;
    options.set_mtime = true;
    options.restore_stat = opt->preserve;
    options.must_not_exist = opt->no_clobber;
    /* What lands in a directory is synced with all the others, at the end of the job: unless its
     * source goes before. */
    options.skip_sync =
        !w->job->is_move && w->job->is_target_dir && item->has_size && item->size < SYNC_ALONE_LEN;
    return options;
}

static int download(struct cp_work *w, struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    struct tarn_transfer_options options = download_options(w);
    if (is_marker(w)) /* the directory was made with the path */
        return TARN_OK;
    return tarn_download_file(w->job->app->client, item->source_bucket, item->source,
                              w->target.data, &options, &w->info, err);
}

static bool is_replace(const struct cli_options *opt)
{
    return opt->metadata_directive && strcasecmp(opt->metadata_directive, "REPLACE") == 0;
}

/* New headers beside those that the source has. */
static bool is_merge(const struct cli_options *opt)
{
    return !opt->metadata_directive && cli_attributes_replace(opt);
}

/* Moving something onto itself would leave nothing, however the two are spelt. */
static int check_itself(const struct cp_work *w, struct tarn_error *err)
{
    const struct cli_options *opt = &w->job->app->opt;
    bool changes_itself =
        is_replace(opt) || is_merge(opt) || opt->storage_class || opt->sse || opt->version_id;
    if (w->job->kind == CP_COPY && cp_is_onto_itself(w) && (w->job->is_move || !changes_itself))
        return tn_fail(err, TARN_EINVAL, "source and destination are the same object");
    return TARN_OK;
}

static struct tarn_copy_options copy_options(struct cp_work *w)
{
    const struct cp_item *item = w->item;
    const struct cli_options *opt = &w->job->app->opt;
    struct tarn_copy_options options = { .request = cli_app_copy_request(w->job->app),
                                         .attributes = w->job->attributes.value,
                                         .source_version_id = opt->version_id,
                                         .source_size = item->size,
                                         .part_size = opt->part_size_mib << 20,
                                         .resume = !opt->no_resume,
                                         .on_resume = on_resume,
                                         .resume_arg = w };
    if (opt->no_clobber)
        options.conditions.if_none_match = "*";
    options.source_conditions.if_match = item->etag;
    if (is_replace(opt))
        options.metadata_directive = TARN_DIRECTIVE_REPLACE;
    return options;
}

static int copy(struct cp_work *w, struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct tarn_copy_options options = copy_options(w);
    if (is_merge(&app->opt))
        return cp_copy_merged(app, w->item, w->target.data, &options, &w->info, err);
    return cp_copy_object(app, w->item, w->target.data, &options, &w->info, err);
}

static int transfer(struct cp_work *w, struct tarn_error *err)
{
    switch (w->job->kind) {
    case CP_UPLOAD:
        return upload(w, err);
    case CP_DOWNLOAD:
        return download(w, err);
    case CP_COPY:
        return copy(w, err);
    }
    return TARN_EINVAL;
}

/* -n lost against what was there, or came first in between: a skip, no failure. */
static bool is_clobber_refused(const struct cp_work *w, int rc)
{
    if (!w->job->app->opt.no_clobber)
        return false;
    return w->job->kind == CP_DOWNLOAD ? rc == TARN_EEXISTS : rc == TARN_EPRECOND;
}

/* What a failure of the transfer comes to. */
static int excuse(struct cp_work *w, int rc, struct tarn_error *err)
{
    if (rc < 0 && cp_is_archive_refusal(w, err)) {
        cp_skip_archived(w);
        return TARN_OK;
    }
    return is_clobber_refused(w, rc) ? cp_note_existing(w, err) : rc;
}

static int execute(struct cp_work *w, struct tarn_error *err)
{
    int rc = w->item->target_bucket ? build_key(w, err) : build_path(w, err);
    if (rc == TARN_OK)
        rc = cp_judge_conditions(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = check_itself(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = cp_judge_archived(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = cp_judge_content(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = cp_look_at_source(w, err);
    if (rc < 0 || w->skip_reason || w->job->app->opt.dry_run)
        return rc;
    rc = transfer(w, err);
    if (w->item->source_bucket && w->job->is_single)
        rc = cli_app_explain_absence(w->job->app, w->item->source_bucket, rc, err);
    if (rc < 0)
        return excuse(w, rc, err);
    return w->job->is_move ? cp_remove_source(w, err) : TARN_OK;
}

static struct cp_work *work_new(struct cp_job *job, struct cp_item *item)
{
    struct cp_work *w = tn_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->job = job;
    w->item = item;
    tn_buf_init(&w->target, PATH_LEN_MAX);
    w->shown_total = item->has_size ? item->size : 0;
    return w;
}

/* Tells what became of it; the item is gone then, too. */
static void work_end(struct cp_work *w, int rc, const struct tarn_error *err)
{
    cp_settle_progress(w, rc == TARN_OK && !w->skip_reason);
    cp_report(w, rc, err);
    tarn_object_info_release(&w->info);
    tn_buf_release(&w->target);
    tn_free(w->metadata);
    cp_item_free(w->item);
    tn_free(w);
}

/* ---- in the engine ---- */

static int run_call(void *arg, struct tarn_object_info *info, struct tarn_error *err)
{
    (void)info; /* it goes into `w` */
    return execute(arg, err);
}

static void on_call_done(void *arg, int status, struct tarn_object_info *info,
                         const struct tarn_error *err)
{
    (void)info;
    work_end(arg, status, err);
}

static void plain_end(struct cp_work *w, int status, struct tarn_error *err)
{
    status = excuse(w, status, err);
    work_end(w, status, err);
}

static void on_removed(void *arg, int status, struct tarn_object_info *info,
                       const struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    (void)info; /* the copy's is told */
    if (err)
        why = *err;
    plain_end(arg, status, &why);
}

static int start_removal(struct cp_work *w, struct tarn_error *err)
{
    struct tarn_delete_options options = { .request = cli_app_request(w->job->app),
                                           .if_match = w->item->etag };
    return tarn_job_delete(w->job->engine, w->item->source_bucket, w->item->source, &options,
                           on_removed, w, err);
}

static void on_plain_done(void *arg, int status, struct tarn_object_info *info,
                          const struct tarn_error *err)
{
    struct cp_work *w = arg;
    struct tarn_error why = { 0 };
    bool goes_on = status == TARN_OK && w->job->is_move;
    if (err)
        why = *err;
    w->info = *info;
    *info = (struct tarn_object_info){ 0 };
    if (goes_on && w->item->source_bucket) {
        status = start_removal(w, &why);
        if (status == TARN_OK)
            return;
    } else if (goes_on) {
        status = cp_remove_source(w, &why);
    }
    plain_end(w, status, &why);
}

/* Nothing to ask before, nothing but the source to remove behind it. */
static bool is_plain(const struct cp_work *w)
{
    const struct cp_item *item = w->item;
    const struct cli_options *opt = &w->job->app->opt;
    if (item->is_stream || item->is_compared || opt->dry_run ||
        (item->is_archived && !opt->force_glacier) || is_marker(w) || cp_must_look(w) ||
        w->job->is_crossing)
        return false;
    if (w->job->is_move && item->source_bucket && atomic_load(&w->job->judge) != CP_JUDGE_YES)
        return false;
    if (cp_wants_source(w) ||
        (w->job->kind == CP_DOWNLOAD && w->job->is_single)) /* may ask behind it */
        return false;
    return w->job->kind != CP_COPY || (!is_merge(opt) && !opt->no_clobber);
}

static int start_copy(struct cp_work *w, struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    struct tarn_copy_options options = copy_options(w);
    return tarn_job_copy(w->job->engine, item->source_bucket, item->source, item->target_bucket,
                         w->target.data, &options, on_plain_done, w, err);
}

static int start_upload(struct cp_work *w, struct tarn_error *err)
{
    struct tarn_transfer_options options;
    int rc = upload_options(w, &options, err);
    return rc < 0 ? rc
                  : tarn_job_upload(w->job->engine, w->item->source, w->item->target_bucket,
                                    w->target.data, &options, on_plain_done, w, err);
}

static int start_download(struct cp_work *w, struct tarn_error *err)
{
    struct tarn_transfer_options options = download_options(w);
    return tarn_job_download(w->job->engine, w->item->source_bucket, w->item->source,
                             w->target.data, &options, on_plain_done, w, err);
}

static int start_plain(struct cp_work *w, struct tarn_error *err)
{
    int rc = w->item->target_bucket ? build_key(w, err) : build_path(w, err);
    if (rc == TARN_OK)
        rc = check_itself(w, err);
    if (rc < 0)
        return rc;
    switch (w->job->kind) {
    case CP_UPLOAD:
        return start_upload(w, err);
    case CP_DOWNLOAD:
        return start_download(w, err);
    case CP_COPY:
        return start_copy(w, err);
    }
    return TARN_EINVAL;
}

void cp_item_start(struct cp_job *job, struct cp_item *item)
{
    struct tarn_error err = { 0 };
    struct cp_work *w = work_new(job, item);
    int rc = TARN_ECANCELLED;
    if (!w) {
        (void)tn_fail(&err, TARN_ENOMEM, "out of memory");
        cli_report_failure(job->app, (struct cli_place){ item->source_bucket, item->source },
                           (struct cli_place){ 0 }, &err);
        cp_item_free(item);
        return;
    }
    w->is_plain = job->engine && is_plain(w);
    bool is_here = !job->engine;
    if (cp_must_stop(job))
        is_here = true;
    else if (is_here)
        rc = execute(w, &err);
    else if (w->is_plain)
        rc = start_plain(w, &err);
    else
        rc = tarn_job_call(job->engine, run_call, on_call_done, w, &err);
    if (is_here || rc < 0) /* else it is told later */
        work_end(w, rc, &err);
}
