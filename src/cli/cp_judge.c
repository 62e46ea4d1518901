/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an item is to be copied at all: the conditions that were asked for, what must be restored
 * first, what has the same content already. */

#include <errno.h>
#include <sys/stat.h>

#include "cli/cp_work.h"

/* Below this an upload with a condition costs less than asking first. */
static const uint64_t ASK_FIRST_LEN = (uint64_t)8 << 20;

/* What is at the destination, or at the source. */
struct found {
    bool exists;
    uint64_t size;
    int64_t mtime_ms;
};

static int look_at_object(struct cp_work *w, const char *bucket, const char *key, bool is_source,
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

static int look_at_target(struct cp_work *w, struct found *out, struct tarn_error *err)
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

bool cp_must_look(const struct cp_work *w)
{
    const struct cli_options *opt = &w->job->app->opt;
    if (opt->ignore_existing || opt->if_size_differ || opt->if_source_newer)
        return true;
    if (!opt->no_clobber)
        return false;
    return opt->dry_run || w->job->kind == CP_COPY ||
           (w->job->kind == CP_UPLOAD && w->item->size >= ASK_FIRST_LEN);
}

int cp_note_existing(struct cp_work *w, struct tarn_error *err)
{
    const struct cli_options *opt = &w->job->app->opt;
    if (opt->atomic && !opt->exists_ok && !opt->ignore_existing)
        return tn_fail(err, TARN_EEXISTS, "the destination exists");
    w->skip_reason = "exists";
    return TARN_OK;
}

bool cp_is_onto_itself(const struct cp_work *w)
{
    return strcmp(w->item->source_bucket, w->item->target_bucket) == 0 &&
           strcmp(w->item->source, w->target.data) == 0;
}

/* What is there may be a source that has not been read yet, or this very one. */
static int spare_source(struct cp_work *w, const struct found *source, const struct found *target,
                        struct tarn_error *err)
{
    const struct cp_item *item = w->item;
    bool is_source = false;
    if (cp_is_onto_itself(w))
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

int cp_judge_conditions(struct cp_work *w, struct tarn_error *err)
{
    const struct cli_options *opt = &w->job->app->opt;
    struct cp_item *item = w->item;
    struct found target;
    if (!cp_must_look(w) && !w->job->is_crossing)
        return TARN_OK;
    int rc = look_at_target(w, &target, err);
    if (rc < 0 || !target.exists)
        return rc;
    if (opt->ignore_existing || opt->no_clobber)
        return cp_note_existing(w, err);
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

/* ---- what must be restored first ---- */

/* Is there a copy of the archived object that can be read now? */
static bool is_restored(const struct tarn_object_info *info)
{
    return info->restore && strstr(info->restore, "ongoing-request=\"false\"");
}

void cp_skip_archived(struct cp_work *w)
{
    struct cli_app *app = w->job->app;
    w->skip_reason = "archived";
    if (app->opt.ignore_glacier)
        return;
    atomic_store(&app->is_incomplete, true);
    cli_report_warning(app, (struct cli_place){ w->item->source_bucket, w->item->source },
                       "skipped: it is archived and must be restored first");
}

int cp_judge_archived(struct cp_work *w, struct tarn_error *err)
{
    struct cli_app *app = w->job->app;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(app) };
    if (!w->item->is_archived || app->opt.force_glacier)
        return TARN_OK;
    int rc = tarn_object_head(app->client, w->item->source_bucket, w->item->source, &options, &info,
                              err);
    if (rc == TARN_OK && !is_restored(&info))
        cp_skip_archived(w);
    tarn_object_info_release(&info);
    return rc;
}

/* The same found out by trying. */
bool cp_is_archive_refusal(const struct cp_work *w, const struct tarn_error *err)
{
    return !w->job->app->opt.force_glacier && w->item->source_bucket &&
           strcmp(err->s3_code, "InvalidObjectState") == 0;
}

/* ---- comparing content ---- */

static int compare_objects(struct cp_work *w, bool *is_same, struct tarn_error *err)
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

int cp_judge_content(struct cp_work *w, struct tarn_error *err)
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
