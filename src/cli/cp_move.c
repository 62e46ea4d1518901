/* SPDX-License-Identifier: Apache-2.0 */
/* Moving: a source goes once its copy is there, and only as what was copied. */

#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "cli/cp_work.h"
#include "cli/delete.h"

bool cp_wants_source(const struct cp_work *w)
{
    const struct cli_options *opt = &w->job->app->opt;
    const struct cp_item *item = w->item;
    bool is_told = opt->dry_run || (w->job->kind == CP_COPY && (opt->json || opt->stat));
    return item->source_bucket &&
           ((w->job->is_move && !item->etag) || (is_told && !item->has_size));
}

int cp_look_at_source(struct cp_work *w, struct tarn_error *err)
{
    struct cp_item *item = w->item;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(w->job->app),
                                        .version_id = w->job->app->opt.version_id };
    if (!cp_wants_source(w))
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

static int delete_source(struct cp_work *w, const char *if_match, struct tarn_error *err)
{
    struct tarn_delete_options options = { .request = cli_app_request(w->job->app),
                                           .if_match = if_match };
    return tarn_object_delete(w->job->app->client, w->item->source_bucket, w->item->source,
                              &options, NULL, err);
}

/* Deletes what was just found to be the one that was copied, for an ETag that it cannot have: who
 * does it all the same judges no ETags here. */
static int delete_and_learn(struct cp_work *w, struct tarn_error *err)
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
static int remove_object(struct cp_work *w, struct tarn_error *err)
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

int cp_remove_source(struct cp_work *w, struct tarn_error *err)
{
    return w->item->source_bucket ? remove_object(w, err) : remove_file(w->item, err);
}
