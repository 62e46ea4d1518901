/* SPDX-License-Identifier: Apache-2.0 */
/* tarn cp: judges the command line, then finds the items and hands them to the workers. */

#include <errno.h>
#include <strings.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cmd_pipe.h"
#include "cli/cp.h"
#include "cli/filter.h"
#include "cli/match.h"
#include "cli/walk.h"

static bool is_s3(const struct cli_address *address)
{
    return address->kind == CLI_ADDRESS_S3;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_many(const struct cp_job *job, const struct cli_address *source)
{
    const struct cli_app *app = job->app;
    if (is_s3(source))
        return app->opt.recursive || cli_match_is_pattern(app, source);
    return app->opt.recursive && is_directory(source->name);
}

static int check_source(const struct cp_job *job, const struct cli_address *source,
                        const char *text, struct tarn_error *err)
{
    if (!is_s3(source))
        return TARN_OK;
    if (source->bucket[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" names no bucket (s3://bucket/key)", text);
    if (is_many(job, source))
        return TARN_OK;
    if (source->name[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" is a bucket (-r copies what is in it)", text);
    if (cli_address_is_prefix(source) && !job->app->opt.raw)
        return tn_fail(err, TARN_EINVAL, "\"%s\" is a prefix (-r copies what is below it)", text);
    return TARN_OK;
}

static int check_options(const struct cp_job *job, struct tarn_error *err)
{
    const struct cli_options *opt = &job->app->opt;
    bool stores_headers = cli_attributes_replace(opt) || opt->acl || opt->storage_class || opt->sse;
    if (job->kind == CP_DOWNLOAD && stores_headers)
        return tn_fail(err, TARN_EINVAL, "headers, metadata, class and ACL go with copies to S3");
    if (job->kind != CP_COPY && opt->metadata_directive)
        return tn_fail(err, TARN_EINVAL, "\"--metadata-directive\" goes with copies within S3");
    if (opt->metadata_directive && strcasecmp(opt->metadata_directive, "COPY") == 0 &&
        cli_attributes_replace(opt))
        return tn_fail(err, TARN_EINVAL,
                       "\"--metadata-directive COPY\" contradicts new headers or metadata");
    if (opt->version_id &&
        (job->source_count > 1 || is_many(job, &job->sources[0]) || !is_s3(&job->sources[0])))
        return tn_fail(err, TARN_EINVAL, "\"--version-id\" wants one exact key as source");
    return TARN_OK;
}

static int check_same_kind(const struct cp_job *job, struct tarn_error *err)
{
    for (int i = 0; i < job->source_count; i++) {
        const struct cli_address *source = &job->sources[i];
        if (source->kind == CLI_ADDRESS_STDIO && job->source_count > 1)
            return tn_fail(err, TARN_EINVAL, "standard input cannot be one of several sources");
        if (!is_s3(source) && !is_s3(&job->target))
            return tn_fail(err, TARN_EINVAL, "source or destination must be s3://bucket/key");
        if (is_s3(source) != is_s3(&job->sources[0]))
            return tn_fail(err, TARN_EINVAL, "the sources are both local and in S3");
    }
    if (is_s3(&job->target) && job->target.bucket[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "the destination names no bucket (s3://bucket/key)");
    return TARN_OK;
}

/* Whether names go below the destination, or the destination is the name. */
static int decide_target(struct cp_job *job, struct tarn_error *err)
{
    const char *name = job->target.name;
    bool is_below =
        cli_address_is_prefix(&job->target) || (!is_s3(&job->target) && is_directory(name));
    if (job->source_count > 1 && !is_below)
        return tn_fail(err, TARN_EINVAL,
                       "several sources want a directory or a prefix (with a / at the end)");
    for (int i = 0; i < job->source_count; i++)
        is_below = is_below || is_many(job, &job->sources[i]);
    job->is_target_dir = is_below;
    job->is_unique = job->app->opt.flatten || job->source_count > 1;
    return TARN_OK;
}

static int parse(struct cp_job *job, struct tarn_error *err)
{
    struct cli_app *app = job->app;
    int rc = TARN_OK;
    job->source_count = app->operand_count - 1;
    job->sources = tn_calloc((size_t)job->source_count, sizeof *job->sources);
    if (!job->sources)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    for (int i = 0; rc == TARN_OK && i < job->source_count; i++)
        rc = cli_address_parse(app->operands[i], &job->sources[i], err);
    if (rc == TARN_OK)
        rc = cli_address_parse(app->operands[job->source_count], &job->target, err);
    if (rc == TARN_OK)
        rc = check_same_kind(job, err);
    for (int i = 0; rc == TARN_OK && i < job->source_count; i++)
        rc = check_source(job, &job->sources[i], app->operands[i], err);
    if (rc < 0)
        return rc;

    job->kind = !is_s3(&job->sources[0]) ? CP_UPLOAD : is_s3(&job->target) ? CP_COPY : CP_DOWNLOAD;
    rc = check_options(job, err);
    return rc < 0 ? rc : decide_target(job, err);
}

static void report(struct cp_job *job, const struct cli_address *source,
                   const struct tarn_error *err)
{
    struct cli_place place = { is_s3(source) ? source->bucket : NULL, source->name };
    cli_report_failure(job->app, place, (struct cli_place){ 0 }, err);
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
static int submit(struct cp_job *job, struct cp_item *item, const char *name,
                  struct tarn_error *err)
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
    atomic_fetch_add(&job->app->progress.files_total, 1);
    if (item->has_size)
        atomic_fetch_add(&job->app->progress.bytes_total, item->size);
    cli_pool_submit(job->pool, item);
    return TARN_OK;
}

/* An item with its source's texts; NULL when out of memory. */
static struct cp_item *item_new(const char *bucket, const char *source, const char *etag)
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

struct expansion {
    struct cp_job *job;
    const struct cli_address *source;
};

static bool must_stop(const struct cp_job *job)
{
    return cli_app_is_over(job->app) || atomic_load(&job->app->is_hopeless);
}

static int on_object(void *arg, const struct tarn_list_entry *entry, const char *name,
                     struct tarn_error *err)
{
    struct expansion *e = arg;
    if (must_stop(e->job))
        return tn_fail(err, TARN_ECANCELLED, "stopped");
    struct cp_item *item = item_new(e->source->bucket, entry->key, entry->etag);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    item->has_size = true;
    item->size = entry->size;
    item->mtime_ms = entry->last_modified_ms;
    return submit(e->job, item, name, err);
}

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static int submit_file(struct cp_job *job, const char *path, const char *name,
                       const struct stat *st, struct tarn_error *err)
{
    struct cp_item *item = item_new(NULL, path, NULL);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    item->is_stream = !S_ISREG(st->st_mode);
    item->has_size = !item->is_stream;
    item->size = item->is_stream ? 0 : (uint64_t)st->st_size;
    item->mtime_ms = mtime_of(st);
    item->mtime_ns = st->st_mtim.tv_nsec;
    item->mode = st->st_mode & 07777;
    return submit(job, item, name, err);
}

static int on_file(void *arg, const char *path, const char *name, const struct stat *st)
{
    struct expansion *e = arg;
    if (must_stop(e->job))
        return TARN_ECANCELLED;
    if (!cli_filter_takes(&e->job->app->opt, name))
        return TARN_OK;
    return submit_file(e->job, path, name, st, NULL);
}

static void on_skipped(void *arg, const char *path, const struct tarn_error *err)
{
    struct expansion *e = arg;
    struct cli_place place = { NULL, path };
    if (err->status == TARN_ENOTSUPPORTED)
        cli_report_warning(e->job->app, place, err->message);
    else
        cli_report_failure(e->job->app, place, (struct cli_place){ 0 }, err);
}

static int expand_local(struct cp_job *job, const struct cli_address *source,
                        struct tarn_error *err)
{
    struct expansion e = { job, source };
    struct stat st;
    if (stat(source->name, &st) < 0)
        return tn_fail_errno(err, "could not open");
    if (!S_ISDIR(st.st_mode))
        return submit_file(job, source->name, cli_name_last(source->name), &st, err);
    if (!job->app->opt.recursive)
        return tn_fail(err, TARN_EINVAL, "is a directory (-r copies it)");
    struct cli_walk_calls calls = { on_file, on_skipped, &e };
    return cli_walk(source->name, &calls, err);
}

static int expand_s3(struct cp_job *job, const struct cli_address *source, struct tarn_error *err)
{
    struct expansion e = { job, source };
    uint64_t seen = 0;
    if (is_many(job, source)) {
        int rc = cli_match_each(job->app, source, on_object, &e, &seen, err);
        return rc == TARN_OK && seen == 0 ? tn_fail(err, TARN_ENOTFOUND, "no object matches") : rc;
    }
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc = cli_match_key(job->app, source, &key, err);
    if (rc < 0)
        return rc;
    struct cp_item *item = item_new(source->bucket, key.data, NULL);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    return submit(job, item, cli_name_last(key.data), err);
}

static void expand_all(struct cp_job *job)
{
    for (int i = 0; i < job->source_count && !must_stop(job); i++) {
        const struct cli_address *source = &job->sources[i];
        struct tarn_error err = { 0 };
        int rc = is_s3(source) ? expand_s3(job, source, &err) : expand_local(job, source, &err);
        if (rc < 0 && rc != TARN_ECANCELLED)
            report(job, source, &err);
    }
    atomic_store(&job->app->progress.is_total_known, true);
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

static int run(struct cp_job *job)
{
    struct cli_app *app = job->app;
    struct tarn_error err = { 0 };
    size_t workers = app->opt.workers ? (size_t)app->opt.workers : CLI_WORKERS_DEFAULT;
    if (prepare_target(job, &err) < 0) {
        cli_report_fatal(app, (struct cli_place){ NULL, job->target.name }, &err);
        return (int)cli_app_exit(app);
    }
    job->pool = cli_pool_new(workers, cp_item_run, job);
    if (!job->pool) {
        (void)tn_fail(&err, TARN_ENOMEM, "out of memory");
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        return (int)cli_app_exit(app);
    }
    bool wants_bar =
        !app->opt.quiet && !app->opt.json && !app->opt.no_progress && !app->opt.dry_run;
    struct cli_bar *bar = wants_bar ? cli_bar_start(&app->progress, &app->out) : NULL;
    expand_all(job);
    cli_pool_free(TN_TAKE(job->pool));
    cli_bar_stop(bar, !cli_app_is_over(app));
    cli_report_stat(app, "Copy", false);
    return (int)cli_app_exit(app);
}

/* `-` on one side makes a cat or a pipe of it. */
static int run_stdio(struct cp_job *job)
{
    struct cli_app *app = job->app;
    struct tarn_error err = { 0 };
    const struct cli_options *opt = &app->opt;
    if (opt->recursive || opt->dry_run || opt->flatten || opt->if_size_differ ||
        opt->if_source_newer || opt->ignore_existing) {
        (void)tn_fail(&err, TARN_EINVAL,
                      "-r, --dry-run, --flatten and conditions do not go with \"-\"");
        return cli_report_usage(app, &err);
    }
    if (job->sources[0].kind == CLI_ADDRESS_STDIO)
        return cli_pipe_to(app, &job->target);
    app->operand_count--;
    return cli_run_cat(app);
}

int cli_run_cp(struct cli_app *app)
{
    struct cp_job job = { .app = app };
    struct tarn_error err = { 0 };
    int code;
    int rc = parse(&job, &err);
    bool is_stdio = rc == TARN_OK && (job.sources[0].kind == CLI_ADDRESS_STDIO ||
                                      job.target.kind == CLI_ADDRESS_STDIO);
    if (rc == TARN_OK)
        rc = cli_attributes_init(&job.attributes, &app->opt, &err);
    if (rc < 0)
        code = cli_report_usage(app, &err);
    else
        code = is_stdio ? run_stdio(&job) : run(&job);
    cli_attributes_release(&job.attributes);
    cli_names_release(&job.names);
    cli_target_release(&job.dir);
    tn_free(job.sources);
    return code;
}
