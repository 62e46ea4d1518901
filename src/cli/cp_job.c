/* SPDX-License-Identifier: Apache-2.0 */
/* What copying jobs share: from something found to an item in the engine's hands. */

#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cp.h"
#include "cli/filter.h"

enum { PATH_LEN_MAX = 65536 };

bool cp_must_stop(const struct cp_job *job)
{
    return cli_app_is_over(job->app) || atomic_load(&job->app->is_hopeless);
}

/* The marker of the source directory itself, which has no name below a destination. */
static bool is_nameless(const struct cp_job *job, const char *name)
{
    if (name[0] != '\0' || !job->is_target_dir)
        return false;
    return job->kind == CP_DOWNLOAD || job->app->opt.flatten || job->target.name[0] == '\0';
}

static void drop_nameless(struct cp_job *job, struct cp_item *item)
{
    struct tarn_error err = { 0 };
    if (item->size > 0) {
        (void)tn_fail(&err, TARN_EDENIED, "refused: no name is left below the destination");
        cli_report_failure(job->app, (struct cli_place){ item->source_bucket, item->source },
                           (struct cli_place){ 0 }, &err);
    }
    cp_item_free(item);
}

/* Takes `item` over, whatever happens. `name` is what it is called below the destination. */
int cp_submit(struct cp_job *job, struct cp_item *item, const char *name, struct tarn_error *err)
{
    if (job->app->opt.flatten)
        name = cli_name_last(name);
    if (is_nameless(job, name)) {
        drop_nameless(job, item);
        return TARN_OK;
    }
    item->target_bucket = job->kind == CP_DOWNLOAD ? NULL : job->target.bucket;
    int rc = TARN_OK;
    if (job->is_unique && name[0])
        rc = cli_names_add(&job->names, name);
    if (rc == TARN_EEXISTS) {
        struct tarn_error twice = { 0 };
        (void)tn_fail(&twice, rc, "another source has the name \"%s\" too", name);
        cli_report_failure(job->app, (struct cli_place){ item->source_bucket, item->source },
                           (struct cli_place){ 0 }, &twice);
        cp_item_free(item);
        return TARN_OK;
    }
    if (rc == TARN_OK) {
        item->target = tn_strdup(job->is_target_dir ? name : job->target.name);
        rc = item->target ? TARN_OK : TARN_ENOMEM;
    }
    if (rc < 0) {
        cp_item_free(item);
        return tn_fail(err, rc, "out of memory");
    }
    atomic_fetch_add(&cli_app_progress(job->app)->files_total, 1);
    if (item->has_size)
        atomic_fetch_add(&cli_app_progress(job->app)->bytes_total, item->size);
    cp_item_start(job, item);
    return TARN_OK;
}

/* An item with its source's texts; NULL when out of memory. */
struct cp_item *cp_item_new(const char *bucket, const char *source, const char *etag)
{
    struct cp_item *item = tn_calloc(1, sizeof *item);
    if (!item)
        return NULL;
    *item = (struct cp_item){ .source_bucket = bucket,
                              .source = tn_strdup(source),
                              .etag = tn_strdup(etag),
                              .mtime_ms = -1 };
    if (item->source && (item->etag || !etag))
        return item;
    cp_item_free(item);
    return NULL;
}

int64_t cp_mtime_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

struct cp_item *cp_item_for_file(const char *path, const struct stat *st)
{
    struct cp_item *item = cp_item_new(NULL, path, NULL);
    if (!item)
        return NULL;
    item->is_stream = !S_ISREG(st->st_mode);
    item->has_size = !item->is_stream;
    item->size = item->is_stream ? 0 : (uint64_t)st->st_size;
    item->mtime_ms = cp_mtime_ms(st);
    item->mtime_ns = st->st_mtim.tv_nsec;
    item->mode = st->st_mode & 07777;
    return item;
}

int cp_submit_file(struct cp_job *job, const char *path, const char *name, const struct stat *st,
                   struct tarn_error *err)
{
    struct cp_item *item = cp_item_for_file(path, st);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    return cp_submit(job, item, name, err);
}

bool cp_filter_takes(const struct cli_app *app, const struct cli_walk_entry *entry)
{
    if (entry->is_skipped && entry->err.status != TARN_ENOTSUPPORTED)
        return cli_filter_takes_unread(&app->opt, entry->name, S_ISDIR(entry->st.st_mode));
    return cli_filter_takes(&app->opt, entry->name);
}

void cp_report_skipped(struct cli_app *app, const struct cli_walk_entry *entry)
{
    struct cli_place place = { NULL, entry->path };
    if (entry->err.status == TARN_ENOTSUPPORTED)
        cli_report_warning(app, place, entry->err.message);
    else
        cli_report_failure(app, place, (struct cli_place){ 0 }, &entry->err);
}

static int make_parents(const char *path, struct tarn_error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return TARN_OK;
    TN_AUTO_FREE char *parent = tn_memdup(path, (size_t)(slash - path));
    if (!parent)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    return tn_dir_make(parent, 0777, err);
}

static int prepare_target(struct cp_job *job, struct tarn_error *err)
{
    if (job->kind != CP_DOWNLOAD || job->app->opt.dry_run)
        return TARN_OK;
    if (job->is_target_dir)
        return cli_target_init(&job->dir, job->target.name, err);
    return make_parents(job->target.name, err);
}

int cp_check_options(const struct cp_job *job, struct tarn_error *err)
{
    const struct cli_options *opt = &job->app->opt;
    bool stores_headers = cli_attributes_replace(opt) || opt->acl || opt->storage_class ||
                          opt->sse || opt->tagging || opt->website_redirect;
    if (job->kind == CP_DOWNLOAD && stores_headers)
        return tn_fail(err, TARN_EINVAL,
                       "headers, metadata, tags, class and ACL go with copies to S3");
    if (job->kind != CP_COPY && opt->metadata_directive)
        return tn_fail(err, TARN_EINVAL, "\"--metadata-directive\" goes with copies within S3");
    if (opt->metadata_directive && strcasecmp(opt->metadata_directive, "COPY") == 0 &&
        cli_attributes_replace(opt))
        return tn_fail(err, TARN_EINVAL,
                       "\"--metadata-directive COPY\" contradicts new headers or metadata");
    return TARN_OK;
}

unsigned cp_walk_flags(const struct cli_options *opt)
{
    return opt->no_follow_symlinks ? CLI_WALK_NO_LINKS : 0;
}

int cp_submit_object(struct cp_job *job, const char *bucket, const struct tarn_list_entry *entry,
                     const char *name, struct tarn_error *err)
{
    struct cp_item *item = cp_item_new(bucket, entry->key, entry->etag);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    item->has_size = true;
    item->size = entry->size;
    item->mtime_ms = entry->last_modified_ms;
    item->is_archived = tarn_storage_class_needs_restore(entry->storage_class);
    return cp_submit(job, item, name, err);
}

/* Small files are not synced one by one: all of them are before the job says that it is done. */
static void sync_target(struct cp_job *job)
{
    struct tarn_error err = { 0 };
    if (job->kind != CP_DOWNLOAD || !job->is_target_dir || job->app->opt.dry_run)
        return;
    TN_AUTO_FD fd = open(job->target.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && syncfs(fd) == 0)
        return;
    (void)tn_fail_errno(&err, "could not sync");
    cli_report_failure(job->app, (struct cli_place){ NULL, job->target.name },
                       (struct cli_place){ 0 }, &err);
}

/* A single item that is a line of `run` is done in the thread of its line. */
static int start_engine(struct cp_job *job, struct tarn_error *err)
{
    const struct cli_app *app = job->app;
    struct tarn_job_options options = { .objects_max =
                                            app->opt.workers ? (uint32_t)app->opt.workers : 0 };
    tn_buf_init(&job->directory, PATH_LEN_MAX);
    if (app->parent && job->is_single)
        return TARN_OK;
    job->engine = tarn_job_new(app->client, &options, err);
    return job->engine ? TARN_OK : err->status;
}

int cp_job_run(struct cp_job *job, cp_find_fn find, const char *label)
{
    struct cli_app *app = job->app;
    struct tarn_error err = { 0 };
    if (prepare_target(job, &err) < 0) {
        cli_report_fatal(app, (struct cli_place){ NULL, job->target.name }, &err);
        return (int)cli_app_exit(app);
    }
    if (start_engine(job, &err) < 0) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        return (int)cli_app_exit(app);
    }
    bool wants_bar = !app->parent && !app->opt.quiet && !app->opt.json && !app->opt.no_progress &&
                     !app->opt.dry_run;
    struct cli_bar *bar = wants_bar ? cli_bar_start(&app->progress, &app->out) : NULL;
    find(job);
    tarn_job_free(job->engine); /* those who are told meanwhile use it */
    job->engine = NULL;
    sync_target(job);
    if (job->finish && !cli_app_is_over(app))
        job->finish(job);
    cli_bar_stop(bar, !cli_app_is_over(app));
    cli_report_stat(app, label, false);
    return (int)cli_app_exit(app);
}

void cp_job_release(struct cp_job *job)
{
    cli_attributes_release(&job->attributes);
    cli_names_release(&job->names);
    cli_target_release(&job->dir);
    tn_buf_release(&job->directory);
    tn_free(job->sources);
}
