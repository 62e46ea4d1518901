/* SPDX-License-Identifier: Apache-2.0 */
/* tarn cp: judges the command line, then finds the items and hands them to the workers. */

#include <errno.h>
#include <strings.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cmd_pipe.h"
#include "cli/cp.h"
#include "cli/filter.h"
#include "cli/glob.h"
#include "cli/match.h"
#include "cli/walk.h"

enum { TARGET_LEN_MAX = CLI_ADDRESS_LEN_MAX + 1 };

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

/* Moving something onto itself would leave nothing. */
static int check_move(const struct cp_job *job, struct tarn_error *err)
{
    for (int i = 0; job->is_move && i < job->source_count; i++) {
        const struct cli_address *source = &job->sources[i];
        if (is_s3(source) && is_s3(&job->target) &&
            strcmp(source->bucket, job->target.bucket) == 0 &&
            strcmp(source->name, job->target.name) == 0)
            return tn_fail(err, TARN_EINVAL, "source and destination are the same");
    }
    return TARN_OK;
}

/* What all keys of a source begin with. */
static int take_root(const struct cp_job *job, const struct cli_address *source,
                     struct tn_buf *root, struct tarn_error *err)
{
    int rc = cli_match_key(job->app, source, root, err);
    bool is_whole = root->len == 0 || root->data[root->len - 1] == '/' || !is_many(job, source) ||
                    cli_match_is_pattern(job->app, source);
    if (rc == TARN_OK && !is_whole && tn_buf_append_char(root, '/') < 0)
        rc = tn_fail(err, TARN_ENOMEM, "out of memory");
    return rc;
}

/* What all keys of the destination begin with. */
static int take_target(const struct cp_job *job, struct tn_buf *prefix, struct tarn_error *err)
{
    int rc = tn_buf_append_text(prefix, job->target.name);
    if (rc == TARN_OK && !cli_address_is_prefix(&job->target))
        rc = tn_buf_append_char(prefix, '/');
    return rc < 0 ? tn_fail(err, rc, "out of memory") : rc;
}

static bool is_same_bucket(const struct cp_job *job, const struct cli_address *source)
{
    return job->kind == CP_COPY && strcmp(source->bucket, job->target.bucket) == 0;
}

/* A destination around a source: what is copied first may land where another source is. Or what
 * may be the same as the source. */
static int find_crossing(struct cp_job *job, struct tarn_error *err)
{
    TN_AUTO_BUF prefix = TN_BUF_INIT(TARGET_LEN_MAX);
    int rc = take_target(job, &prefix, err);
    for (int i = 0; rc == TARN_OK && i < job->source_count; i++) {
        TN_AUTO_BUF root = TN_BUF_INIT(TARGET_LEN_MAX);
        if (!is_same_bucket(job, &job->sources[i]))
            continue;
        rc = take_root(job, &job->sources[i], &root, err);
        if (!job->is_single && tn_str_starts(tn_buf_str(&root), tn_buf_str(&prefix)))
            job->is_crossing = true;
        if (job->is_target_dir)
            tn_buf_truncate(&root, (size_t)(cli_name_last(root.data) - root.data));
        if (job->is_move && cli_name_is_same_path(root.data, prefix.data))
            job->is_crossing = true;
    }
    return rc;
}

static bool has_key(const struct cp_job *job, const struct cli_address *source,
                    const struct tn_buf *root, const char *key)
{
    struct tn_str wanted = tn_str_from(key);
    if (!tn_str_starts(wanted, tn_buf_str(root)))
        return false;
    bool is_it = cli_match_is_pattern(job->app, source)
                     ? cli_glob_match(tn_str_from(source->name), wanted)
                     : is_many(job, source) || wanted.len == root->len;
    return is_it &&
           cli_filter_takes(&job->app->opt, key + (cli_name_last(root->data) - root->data));
}

int cp_find_source(const struct cp_job *job, const char *key, bool *is_source,
                   struct tarn_error *err)
{
    *is_source = false;
    for (int i = 0; i < job->source_count && !*is_source; i++) {
        const struct cli_address *source = &job->sources[i];
        TN_AUTO_BUF root = TN_BUF_INIT(TARGET_LEN_MAX);
        if (!is_same_bucket(job, source))
            continue;
        int rc = take_root(job, source, &root, err);
        if (rc < 0)
            return rc;
        *is_source = has_key(job, source, &root, key);
    }
    return TARN_OK;
}

static int check_operands(const struct cp_job *job, struct tarn_error *err)
{
    const struct cli_options *opt = &job->app->opt;
    if (job->is_move && opt->version_id)
        return tn_fail(err, TARN_EINVAL, "a single version cannot be moved");
    if (job->is_move &&
        (job->sources[0].kind == CLI_ADDRESS_STDIO || job->target.kind == CLI_ADDRESS_STDIO))
        return tn_fail(err, TARN_EINVAL, "\"-\" cannot be moved");
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
    job->is_single = job->source_count == 1 && !is_many(job, &job->sources[0]);
    return find_crossing(job, err);
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
    rc = cp_check_options(job, err);
    if (rc == TARN_OK)
        rc = check_operands(job, err);
    if (rc == TARN_OK)
        rc = check_move(job, err);
    return rc < 0 ? rc : decide_target(job, err);
}

static void report(struct cp_job *job, const struct cli_address *source,
                   const struct tarn_error *err)
{
    struct cli_place place = { is_s3(source) ? source->bucket : NULL, source->name };
    cli_report_failure(job->app, place, (struct cli_place){ 0 }, err);
}

struct expansion {
    struct cp_job *job;
    const struct cli_address *source;
    struct tn_buf own; /* what is copied goes below this, which is listed too; or empty */
    bool is_told;
};

/* A destination within the source: what arrives there would be found again, without end. */
static int find_own(struct expansion *e, struct tarn_error *err)
{
    const struct cp_job *job = e->job;
    TN_AUTO_BUF root = TN_BUF_INIT(TARGET_LEN_MAX);
    if (!is_same_bucket(job, e->source) || job->target.name[0] == '\0')
        return TARN_OK;
    int rc = take_root(job, e->source, &root, err);
    if (rc == TARN_OK)
        rc = take_target(job, &e->own, err);
    if (rc < 0)
        return rc;
    if (e->own.len <= root.len || !tn_str_starts(tn_buf_str(&e->own), tn_buf_str(&root)))
        tn_buf_truncate(&e->own, 0);
    return TARN_OK;
}

static bool is_own(struct expansion *e, const char *key)
{
    const struct cp_job *job = e->job;
    if (e->own.len == 0 || !tn_str_starts(tn_str_from(key), tn_buf_str(&e->own)))
        return false;
    if (!e->is_told)
        cli_report_warning(job->app, (struct cli_place){ job->target.bucket, job->target.name },
                           "skipped: the destination is within the source");
    e->is_told = true;
    return true;
}

static int on_object(void *arg, const struct tarn_list_entry *entry, const char *name,
                     struct tarn_error *err)
{
    struct expansion *e = arg;
    if (cp_must_stop(e->job))
        return tn_fail(err, TARN_ECANCELLED, "stopped");
    if (is_own(e, entry->key))
        return TARN_OK;
    return cp_submit_object(e->job, e->source->bucket, entry, name, err);
}

/* What is below a symbolic link to a directory belongs to another tree, which a move of this one
 * must not empty. */
static bool is_elsewhere(struct cp_job *job, const struct cli_walk_entry *entry)
{
    if (!job->is_move || !entry->is_linked)
        return false;
    if (!atomic_exchange(&job->app->is_incomplete, true))
        cli_report_warning(job->app, (struct cli_place){ NULL, entry->path },
                           "not moved: it is below a symbolic link (cp copies it)");
    return true;
}

static int submit_all(struct cp_job *job, struct cli_walk *walk, struct tarn_error *err)
{
    const struct cli_walk_entry *entry;
    for (;;) {
        int rc = cli_walk_next(walk, &entry, err);
        if (rc == TARN_OK && cp_must_stop(job))
            return TARN_ECANCELLED;
        if (rc < 0 || !entry)
            return rc;
        if (!cp_filter_takes(job->app, entry) || is_elsewhere(job, entry))
            continue;
        if (entry->is_skipped)
            cp_report_skipped(job->app, entry);
        else
            rc = cp_submit_file(job, entry->path, entry->name, &entry->st, err);
        if (rc < 0)
            return rc;
    }
}

static int expand_local(struct cp_job *job, const struct cli_address *source,
                        struct tarn_error *err)
{
    struct stat st;
    if (stat(source->name, &st) < 0)
        return tn_fail_errno(err, "could not open");
    const char *last = cli_name_last(source->name);
    struct stat own;
    if (!S_ISDIR(st.st_mode) && job->app->opt.no_follow_symlinks &&
        lstat(source->name, &own) == 0 && S_ISLNK(own.st_mode)) {
        cli_report_warning(job->app, (struct cli_place){ NULL, source->name },
                           "skipped: a symbolic link");
        return TARN_OK;
    }
    if (!S_ISDIR(st.st_mode))
        return cli_filter_takes(&job->app->opt, last)
                   ? cp_submit_file(job, source->name, last, &st, err)
                   : TARN_OK;
    if (!job->app->opt.recursive)
        return tn_fail(err, TARN_EINVAL, "is a directory (-r copies it)");
    struct cli_walk *walk = cli_walk_open(source->name, cp_walk_flags(&job->app->opt), err);
    if (!walk)
        return err->status;
    int rc = submit_all(job, walk, err);
    cli_walk_close(walk);
    return rc;
}

static int expand_s3(struct cp_job *job, const struct cli_address *source, struct tarn_error *err)
{
    struct expansion e = { .job = job, .source = source, .own = TN_BUF_INIT(TARGET_LEN_MAX) };
    uint64_t seen = 0;
    if (is_many(job, source)) {
        int rc = find_own(&e, err);
        if (rc == TARN_OK)
            rc = cli_match_each(job->app, source, on_object, &e, &seen, err);
        tn_buf_release(&e.own);
        return rc == TARN_OK && seen == 0 ? tn_fail(err, TARN_ENOTFOUND, "no object matches") : rc;
    }
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc = cli_match_key(job->app, source, &key, err);
    if (rc < 0 || !cli_match_takes(job->app, key.data))
        return rc;
    struct cp_item *item = cp_item_new(source->bucket, key.data, NULL);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    return cp_submit(job, item, cli_name_last(key.data), err);
}

static void expand_all(struct cp_job *job)
{
    for (int i = 0; i < job->source_count && !cp_must_stop(job); i++) {
        const struct cli_address *source = &job->sources[i];
        struct tarn_error err = { 0 };
        int rc = is_s3(source) ? expand_s3(job, source, &err) : expand_local(job, source, &err);
        if (rc < 0 && rc != TARN_ECANCELLED)
            report(job, source, &err);
    }
    if (!job->app->parent)
        atomic_store(&job->app->progress.is_total_known, true);
}

/* `-` on one side makes a cat or a pipe of it. */
static int run_stdio(struct cp_job *job)
{
    struct cli_app *app = job->app;
    struct tarn_error err = { 0 };
    const struct cli_options *opt = &app->opt;
    bool is_output = job->target.kind == CLI_ADDRESS_STDIO;
    if (opt->recursive || opt->dry_run || opt->flatten || opt->if_size_differ ||
        opt->if_source_newer || opt->ignore_existing || opt->filter || opt->preserve ||
        opt->exists_ok || (is_output && opt->no_clobber)) {
        (void)tn_fail(&err, TARN_EINVAL,
                      "-r, -p, --dry-run, --flatten, filters and conditions do not go with \"-\"");
        return cli_report_usage(app, &err);
    }
    if (job->sources[0].kind == CLI_ADDRESS_STDIO)
        return cli_pipe_to(app, &job->target);
    app->operand_count--;
    return cli_run_cat(app);
}

static int copy_or_move(struct cli_app *app, bool is_move)
{
    struct cp_job job = { .app = app, .is_move = is_move };
    struct tarn_error err = { 0 };
    int code;
    app->opt.no_clobber |= app->opt.atomic;
    int rc = app->opt.exists_ok && !app->opt.atomic
                 ? tn_fail(&err, TARN_EINVAL, "--exists-ok goes with --atomic")
                 : parse(&job, &err);
    bool is_stdio = rc == TARN_OK && (job.sources[0].kind == CLI_ADDRESS_STDIO ||
                                      job.target.kind == CLI_ADDRESS_STDIO);
    if (rc == TARN_OK)
        rc = cli_attributes_init(&job.attributes, &app->opt, &err);
    if (rc < 0)
        code = cli_report_usage(app, &err);
    else
        code = is_stdio ? run_stdio(&job)
                        : cp_job_run(&job, expand_all, job.is_move ? "Move" : "Copy");
    cp_job_release(&job);
    return code;
}

int cli_run_cp(struct cli_app *app)
{
    return copy_or_move(app, false);
}

int cli_run_mv(struct cli_app *app)
{
    return copy_or_move(app, true);
}
