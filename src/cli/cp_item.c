/* SPDX-License-Identifier: Apache-2.0 */
/* One item of a copy job: conditions, the transfer itself, what is told about it. */

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cmd_pipe.h"
#include "cli/cp.h"
#include "cli/cp_merge.h"
#include "cli/delete.h"
#include "cli/mime.h"

enum { PATH_LEN_MAX = 65536, SYNC_ALONE_LEN = 8 << 20 };
/* Below this an upload with a condition costs less than asking first. */
static const uint64_t ASK_FIRST_LEN = (uint64_t)8 << 20;

/* An item on its way. */
struct work {
    struct cp_job *job;
    struct cp_item *item;
    struct tn_buf target;         /* the whole key or path */
    struct tarn_header *metadata; /* of an upload that tells its file's time and mode */
    char mtime[48];
    char mode[16];
    struct tarn_object_info info;
    const char *skip_reason; /* NULL: it was not skipped */
    uint64_t shown_done;     /* what the progress counters know of this item */
    uint64_t shown_total;
    bool is_plain; /* nothing but a transfer */
};

/* What is at the destination, or at the source. */
struct found {
    bool exists;
    uint64_t size;
    int64_t mtime_ms;
};

void cp_item_free(struct cp_item *item)
{
    if (!item)
        return;
    tn_free(item->source);
    tn_free(item->target);
    tn_free(item->etag);
    tn_free(item);
}

static int on_progress(void *arg, const struct tarn_progress *progress)
{
    struct work *w = arg;
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

/* So that the bar ends at 100 %: what succeeded counts whole, what did not counts as far as it
 * came. */
static void settle_progress(struct work *w, bool success)
{
    struct cli_progress *all = cli_app_progress(w->job->app);
    if (success && w->shown_done < w->shown_total)
        atomic_fetch_add(&all->bytes_done, w->shown_total - w->shown_done);
    else if (w->shown_total > w->shown_done)
        atomic_fetch_sub(&all->bytes_total, w->shown_total - w->shown_done);
    atomic_fetch_add(&all->files_done, 1);
}

static int build_key(struct work *w, struct tarn_error *err)
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
static bool is_marker(const struct work *w)
{
    size_t len = strlen(w->item->target);
    return w->job->kind == CP_DOWNLOAD && w->job->is_target_dir && len > 0 &&
           w->item->target[len - 1] == '/';
}

/* The path of a name below the target; the directories on the way are made. Those of the item
 * before need no second look. */
static int prepare_path(struct work *w, const char *name, struct tarn_error *err)
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

static int build_path(struct work *w, struct tarn_error *err)
{
    const struct cp_job *job = w->job;
    const char *name = w->item->target;
    int rc = TARN_OK;
    if (!job->is_target_dir) {
        rc = tn_buf_append_text(&w->target, name);
    } else {
        /* For the report, should it be refused; then for good. */
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

static int look_at_object(struct work *w, const char *bucket, const char *key, bool is_source,
                          struct found *out, struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(app),
                                        .version_id = is_source ? app->opt.version_id : NULL };
    int rc = tarn_object_head(app->client, bucket, key, &options, &info, err);
    if (rc == TARN_OK)
        *out = (struct found){ true, info.size, info.last_modified_ms };
    tarn_object_info_release(&info);
    return rc;
}

static int look_at_target(struct work *w, struct found *out, struct tarn_error *err)
{
    struct stat st;
    *out = (struct found){ .mtime_ms = -1 };
    if (w->item->target_bucket) {
        int rc = look_at_object(w, w->item->target_bucket, w->target.data, false, out, err);
        return rc == TARN_ENOTFOUND ? TARN_OK : rc;
    }
    if (lstat(w->target.data, &st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return TARN_OK;
        return tn_fail_errno(err, "could not look at \"%s\"", w->target.data);
    }
    if (S_ISLNK(st.st_mode))
        (void)stat(w->target.data, &st);
    *out = (struct found){ true, (uint64_t)st.st_size, cp_mtime_ms(&st) };
    return TARN_OK;
}

static bool must_look(const struct work *w)
{
    const struct cli_options *opt = &w->job->app->opt;
    if (opt->ignore_existing || opt->if_size_differ || opt->if_source_newer)
        return true;
    if (!opt->no_clobber)
        return false;
    return opt->dry_run || w->job->kind == CP_COPY ||
           (w->job->kind == CP_UPLOAD && w->item->size >= ASK_FIRST_LEN);
}

/* A skip, but for those who want to be the one who made it. */
static int note_existing(struct work *w, struct tarn_error *err)
{
    const struct cli_options *opt = &w->job->app->opt;
    if (opt->atomic && !opt->exists_ok && !opt->ignore_existing)
        return tn_fail(err, TARN_EEXISTS, "the destination exists");
    w->skip_reason = "exists";
    return TARN_OK;
}

static bool is_onto_itself(const struct work *w)
{
    return strcmp(w->item->source_bucket, w->item->target_bucket) == 0 &&
           strcmp(w->item->source, w->target.data) == 0;
}

/* What is there may be a source that has not been read yet, or this very one. */
static int spare_source(struct work *w, const struct found *source, const struct found *target,
                        struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    bool is_source = false;
    if (is_onto_itself(w))
        return TARN_OK; /* judged with the copy */
    int rc = cp_find_source(w->job, w->target.data, &is_source, err);
    if (rc == TARN_OK && is_source)
        return tn_fail(err, TARN_EEXISTS, "refused: it would replace \"%s/%s\", a source as well",
                       item->target_bucket, w->target.data);
    if (rc == TARN_OK && w->job->is_move && source->size == target->size &&
        source->mtime_ms / 1000 == target->mtime_ms / 1000 &&
        cli_name_is_same_path(item->source, w->target.data))
        return tn_fail(err, TARN_EEXISTS,
                       "refused: \"%s/%s\" looks like the same object under another name",
                       item->target_bucket, w->target.data);
    return rc;
}

/* Sets skip_reason when a condition does not hold. All conditions must. Times are compared in
 * seconds: no more of a time survives the way through a header to a file. */
static int judge_conditions(struct work *w, struct tarn_error *err)
{
    const struct cli_options *opt = &w->job->app->opt;
    struct cp_item *item = w->item;
    struct found target;
    if (!must_look(w) && !w->job->is_crossing)
        return TARN_OK;
    int rc = look_at_target(w, &target, err);
    if (rc < 0 || !target.exists)
        return rc;
    if (opt->ignore_existing || opt->no_clobber)
        return note_existing(w, err);
    struct found source = { true, item->size, item->mtime_ms };
    if (item->source_bucket && !item->has_size)
        rc = look_at_object(w, item->source_bucket, item->source, true, &source, err);
    if (rc < 0)
        return rc;
    item->size = source.size;
    item->has_size = item->has_size || item->source_bucket;
    if (opt->if_size_differ && !item->is_stream && source.size == target.size)
        w->skip_reason = "same size";
    else if (opt->if_source_newer && source.mtime_ms / 1000 <= target.mtime_ms / 1000)
        w->skip_reason = "not newer";
    return w->job->is_crossing && !w->skip_reason ? spare_source(w, &source, &target, err)
                                                  : TARN_OK;
}

static void on_resume(void *arg, const struct tarn_resume_report *report)
{
    struct work *w = arg;
    char size[CLI_SIZE_LEN];
    cli_size_text(report->bytes, size);
    if (report->outcome == TARN_RESUME_FRESH)
        return;
    TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    struct cp_item *item = w->item;
    if (cli_place_append(&place, (struct cli_place){ item->source_bucket, item->source }) < 0)
        return;
    if (report->outcome == TARN_RESUME_RESTARTED)
        cli_report_note(w->job->app, "Starting over with %s: %s", place.data, report->reason);
    else
        cli_report_note(w->job->app, "Resuming %s: %s are done%s%s", place.data, size,
                        report->reason ? "; " : "", report->reason ? report->reason : "");
}

static struct tarn_transfer_options transfer_options(struct work *w)
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
                                           .progress = on_progress,
                                           .progress_arg = w };
}

/* The metadata of the command line, and the file's time and permissions behind it. */
static int add_stat(struct work *w, struct tarn_attributes *a, struct tarn_error *err)
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

static int upload_options(struct work *w, struct tarn_transfer_options *options,
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

static int upload(struct work *w, struct tarn_error *err)
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

static struct tarn_transfer_options download_options(struct work *w)
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

static int download(struct work *w, struct tarn_error *err)
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
static int check_itself(const struct work *w, struct tarn_error *err)
{
    const struct cli_options *opt = &w->job->app->opt;
    bool changes_itself =
        is_replace(opt) || is_merge(opt) || opt->storage_class || opt->sse || opt->version_id;
    if (w->job->kind == CP_COPY && is_onto_itself(w) && (w->job->is_move || !changes_itself))
        return tn_fail(err, TARN_EINVAL, "source and destination are the same object");
    return TARN_OK;
}

static struct tarn_copy_options copy_options(struct work *w)
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

static int copy(struct work *w, struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct tarn_copy_options options = copy_options(w);
    if (is_merge(&app->opt))
        return cp_copy_merged(app, w->item, w->target.data, &options, &w->info, err);
    return cp_copy_object(app, w->item, w->target.data, &options, &w->info, err);
}

/* ---- what must be restored first ---- */

/* Is there a copy of the archived object that can be read now? */
static bool is_restored(const struct tarn_object_info *info)
{
    return info->restore && strstr(info->restore, "ongoing-request=\"false\"");
}

static void skip_archived(struct work *w)
{
    struct cli_app *app = w->job->app;
    w->skip_reason = "archived";
    if (app->opt.ignore_glacier)
        return;
    atomic_store(&app->is_incomplete, true);
    cli_report_warning(app, (struct cli_place){ w->item->source_bucket, w->item->source },
                       "skipped: it is archived and must be restored first");
}

static int judge_archived(struct work *w, struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(app) };
    if (!w->item->is_archived || app->opt.force_glacier)
        return TARN_OK;
    int rc = tarn_object_head(app->client, w->item->source_bucket, w->item->source, &options, &info,
                              err);
    if (rc == TARN_OK && !is_restored(&info))
        skip_archived(w);
    tarn_object_info_release(&info);
    return rc;
}

/* The same found out by trying. */
static bool is_archive_refusal(const struct work *w, const struct tarn_error *err)
{
    return !w->job->app->opt.force_glacier && w->item->source_bucket &&
           strcmp(err->s3_code, "InvalidObjectState") == 0;
}

/* ---- comparing content ---- */

static int compare_objects(struct work *w, bool *is_same, struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct tarn_object_info a = { 0 };
    struct tarn_object_info b = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(app) };
    int rc =
        tarn_object_head(app->client, w->item->source_bucket, w->item->source, &options, &a, err);
    if (rc == TARN_OK)
        rc = tarn_object_head(app->client, w->item->target_bucket, w->target.data, &options, &b,
                              err);
    bool has_sums = rc == TARN_OK && a.checksum_value && b.checksum_value &&
                    a.checksum_algorithm == b.checksum_algorithm && a.checksum_type &&
                    b.checksum_type && strcmp(a.checksum_type, b.checksum_type) == 0;
    if (rc == TARN_OK && a.size == b.size)
        *is_same = has_sums ? strcmp(a.checksum_value, b.checksum_value) == 0
                            : a.etag && b.etag && strcmp(a.etag, b.etag) == 0;
    tarn_object_info_release(&a);
    tarn_object_info_release(&b);
    return rc;
}

static int judge_content(struct work *w, struct tarn_error *err)
{
    struct cp_item *item = w->item;
    struct tarn_transfer_options options = { .request = cli_app_request(w->job->app) };
    bool is_same = false;
    int rc;
    if (!item->is_compared)
        return TARN_OK;
    if (w->job->kind == CP_COPY)
        rc = compare_objects(w, &is_same, err);
    else if (w->job->kind == CP_UPLOAD)
        rc = tarn_object_matches_file(w->job->app->client, item->target_bucket, w->target.data,
                                      item->source, &options, &is_same, err);
    else
        rc = tarn_object_matches_file(w->job->app->client, item->source_bucket, item->source,
                                      w->target.data, &options, &is_same, err);
    if (rc == TARN_OK && is_same)
        w->skip_reason = "same content";
    return rc;
}

/* ---- moving ---- */

/* Does the source have to be looked at, which no listing has shown? What is copied and then deleted
 * must be one and the same, and what is told must be true. */
static bool wants_source(const struct work *w)
{
    const struct cli_options *opt = &w->job->app->opt;
    const struct cp_item *item = w->item;
    bool is_told = opt->dry_run || (w->job->kind == CP_COPY && (opt->json || opt->stat));
    return item->source_bucket &&
           ((w->job->is_move && !item->etag) || (is_told && !item->has_size));
}

static int look_at_source(struct work *w, struct tarn_error *err)
{
    struct cp_item *item = w->item;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(w->job->app),
                                        .version_id = w->job->app->opt.version_id };
    if (!wants_source(w))
        return TARN_OK;
    int rc = tarn_object_head(w->job->app->client, item->source_bucket, item->source, &options,
                              &info, err);
    if (rc == TARN_OK && info.etag && !item->etag) {
        item->etag = tn_strdup(info.etag);
        rc = item->etag ? TARN_OK : tn_fail(err, TARN_ENOMEM, "out of memory");
    }
    if (rc == TARN_OK) {
        item->size = info.size;
        item->has_size = true;
    }
    tarn_object_info_release(&info);
    return rc;
}

static int remove_file(const struct cp_item *item, struct tarn_error *err)
{
    struct stat st;
    if (item->is_stream)
        return TARN_OK;
    if (stat(item->source, &st) == 0 &&
        ((uint64_t)st.st_size != item->size || cp_mtime_ms(&st) != item->mtime_ms))
        return tn_fail(err, TARN_ECONFLICT, "copied, but not removed: \"%s\" has changed meanwhile",
                       item->source);
    return unlink(item->source) == 0
               ? TARN_OK
               : tn_fail_errno(err, "copied, but could not remove \"%s\"", item->source);
}

static int delete_source(struct work *w, const char *if_match, struct tarn_error *err)
{
    struct tarn_delete_options options = { .request = cli_app_request(w->job->app),
                                           .if_match = if_match };
    return tarn_object_delete(w->job->app->client, w->item->source_bucket, w->item->source,
                              &options, NULL, err);
}

/* Deletes what was just found to be the one that was copied, for an ETag that it cannot have: who
 * does it all the same judges no ETags here. */
static int delete_and_learn(struct work *w, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = delete_source(w, "00000000000000000000000000000000", &why);
    if (rc == TARN_EPRECOND) {
        atomic_store(&w->job->judge, CP_JUDGE_YES);
        return delete_source(w, w->item->etag, err);
    }
    if (rc == TARN_OK || rc == TARN_ENOTSUPPORTED)
        atomic_store(&w->job->judge, CP_JUDGE_NO);
    if (rc == TARN_ENOTSUPPORTED)
        return delete_source(w, NULL, err);
    if (rc < 0)
        *err = why;
    return rc;
}

/* Only the very object that was copied. Where the server does not see to that, it is looked at
 * right before; in between somebody may still write. */
static int remove_object(struct work *w, struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    struct tarn_delete_options look = { .request = cli_app_request(w->job->app),
                                        .if_match = item->etag };
    int judge = w->job->is_single ? CP_JUDGE_NO : atomic_load(&w->job->judge);
    int rc = judge == CP_JUDGE_YES
                 ? TARN_OK
                 : cli_delete_check(w->job->app, item->source_bucket, item->source, &look, err);
    if (rc < 0)
        return rc;
    if (judge == CP_JUDGE_UNKNOWN && item->etag)
        return delete_and_learn(w, err);
    struct tarn_error why = { 0 };
    rc = delete_source(w, item->etag, &why);
    if (rc == TARN_ENOTSUPPORTED && judge != CP_JUDGE_YES)
        return delete_source(w, NULL, err);
    if (rc < 0)
        *err = why;
    return rc;
}

static int remove_source(struct work *w, struct tarn_error *err)
{
    return w->item->source_bucket ? remove_object(w, err) : remove_file(w->item, err);
}

static int transfer(struct work *w, struct tarn_error *err)
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
static bool is_clobber_refused(const struct work *w, int rc)
{
    if (!w->job->app->opt.no_clobber)
        return false;
    return w->job->kind == CP_DOWNLOAD ? rc == TARN_EEXISTS : rc == TARN_EPRECOND;
}

/* What a failure of the transfer comes to. */
static int excuse(struct work *w, int rc, struct tarn_error *err)
{
    if (rc < 0 && is_archive_refusal(w, err)) {
        skip_archived(w);
        return TARN_OK;
    }
    return is_clobber_refused(w, rc) ? note_existing(w, err) : rc;
}

static int execute(struct work *w, struct tarn_error *err)
{
    int rc = w->item->target_bucket ? build_key(w, err) : build_path(w, err);
    if (rc == TARN_OK)
        rc = judge_conditions(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = check_itself(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = judge_archived(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = judge_content(w, err);
    if (rc == TARN_OK && !w->skip_reason)
        rc = look_at_source(w, err);
    if (rc < 0 || w->skip_reason || w->job->app->opt.dry_run)
        return rc;
    rc = transfer(w, err);
    if (w->item->source_bucket && w->job->is_single)
        rc = cli_app_explain_absence(w->job->app, w->item->source_bucket, rc, err);
    if (rc == TARN_OK && w->job->is_move)
        rc = remove_source(w, err);
    return excuse(w, rc, err);
}

static uint64_t size_of(const struct work *w)
{
    if (w->item->has_size)
        return w->item->size;
    return w->job->kind == CP_DOWNLOAD ? w->info.size : w->shown_total;
}

/* What was not looked at has a size all the same. */
static bool knows_size(const struct work *w)
{
    return w->item->has_size || !w->item->source_bucket ||
           (w->job->kind == CP_DOWNLOAD && !w->skip_reason);
}

static void report_json(struct work *w, struct cli_place source, struct cli_place target)
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

static void report_text(struct work *w, struct cli_place source, struct cli_place target)
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

static void report_success(struct work *w, struct cli_place source, struct cli_place target)
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
static bool is_hopeless(const struct work *w, int rc, const struct tarn_error *err)
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

static void report(struct work *w, int rc, const struct tarn_error *err)
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

static struct work *work_new(struct cp_job *job, struct cp_item *item)
{
    struct work *w = tn_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->job = job;
    w->item = item;
    tn_buf_init(&w->target, PATH_LEN_MAX);
    w->shown_total = item->has_size ? item->size : 0;
    return w;
}

/* Tells what became of it; the item is gone then, too. */
static void work_end(struct work *w, int rc, const struct tarn_error *err)
{
    settle_progress(w, rc == TARN_OK && !w->skip_reason);
    report(w, rc, err);
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

static void plain_end(struct work *w, int status, struct tarn_error *err)
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

static int start_removal(struct work *w, struct tarn_error *err)
{
    struct tarn_delete_options options = { .request = cli_app_request(w->job->app),
                                           .if_match = w->item->etag };
    return tarn_job_delete(w->job->engine, w->item->source_bucket, w->item->source, &options,
                           on_removed, w, err);
}

static void on_plain_done(void *arg, int status, struct tarn_object_info *info,
                          const struct tarn_error *err)
{
    struct work *w = arg;
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
        status = remove_source(w, &why);
    }
    plain_end(w, status, &why);
}

/* Nothing to ask before, nothing but the source to remove behind it. */
static bool is_plain(const struct work *w)
{
    const struct cp_item *item = w->item;
    const struct cli_options *opt = &w->job->app->opt;
    if (item->is_stream || item->is_compared || opt->dry_run ||
        (item->is_archived && !opt->force_glacier) || is_marker(w) || must_look(w) ||
        w->job->is_crossing)
        return false;
    if (w->job->is_move && item->source_bucket && atomic_load(&w->job->judge) != CP_JUDGE_YES)
        return false;
    if (wants_source(w) ||
        (w->job->kind == CP_DOWNLOAD && w->job->is_single)) /* may ask behind it */
        return false;
    return w->job->kind != CP_COPY || (!is_merge(opt) && !opt->no_clobber);
}

static int start_copy(struct work *w, struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    struct tarn_copy_options options = copy_options(w);
    return tarn_job_copy(w->job->engine, item->source_bucket, item->source, item->target_bucket,
                         w->target.data, &options, on_plain_done, w, err);
}

static int start_upload(struct work *w, struct tarn_error *err)
{
    struct tarn_transfer_options options;
    int rc = upload_options(w, &options, err);
    return rc < 0 ? rc
                  : tarn_job_upload(w->job->engine, w->item->source, w->item->target_bucket,
                                    w->target.data, &options, on_plain_done, w, err);
}

static int start_download(struct work *w, struct tarn_error *err)
{
    struct tarn_transfer_options options = download_options(w);
    return tarn_job_download(w->job->engine, w->item->source_bucket, w->item->source,
                             w->target.data, &options, on_plain_done, w, err);
}

static int start_plain(struct work *w, struct tarn_error *err)
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
    struct work *w = work_new(job, item);
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
