/* SPDX-License-Identifier: Apache-2.0 */
/* tarn sync: two streams in the order of their names, compared in constant memory. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cp.h"
#include "cli/delete.h"
#include "cli/filter.h"
#include "cli/match.h"
#include "cli/name_sort.h"

enum { SPOOL_LEN = 64 * 1024 };

/* One of the two sides: a walk or a listing, and where it stands. */
struct side {
    struct cli_app *app;
    const struct cli_address *address;
    struct cli_walk *walk;
    struct tarn_list *list;
    size_t prefix_len; /* of each key, not part of its name */
    bool is_source;
    bool is_broken; /* something could not be read: what is missing here may be there */
    bool has_any;   /* anything at all, whatever the filters make of it */

    const char *name; /* NULL at the end */
    uint64_t size;
    int64_t mtime_ms;
    const struct cli_walk_entry *file;
    const struct tarn_list_entry *object;
};

/* Names to delete, kept until all else went well. In a file, each with its NUL. */
struct spool {
    int fd;
    uint64_t len;
    uint64_t count;
    struct tn_buf pending;
};

struct sync {
    struct cp_job *job;
    struct side source;
    struct side target;
    struct spool extra;
    bool was_compared; /* both sides to their ends */
    bool is_link_told;
};

static struct cli_place place_of(const struct cli_address *address)
{
    return (struct cli_place){ address->kind == CLI_ADDRESS_S3 ? address->bucket : NULL,
                               address->name };
}

/* ---- a side ---- */

/* Of the target: what is copied goes below exactly this. */
static int take_prefix(const struct cli_address *address, struct tn_buf *prefix,
                       struct tarn_error *err)
{
    int rc = tn_buf_append_text(prefix, address->name);
    return rc < 0 ? tn_fail(err, rc, "could not take the prefix: %s", tarn_status_text(rc)) : rc;
}

static int open_list(struct side *s, struct tarn_error *err)
{
    TN_AUTO_BUF prefix = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc = s->is_source ? cli_match_key(s->app, s->address, &prefix, err)
                          : take_prefix(s->address, &prefix, err);
    if (rc == TARN_OK && prefix.len > 0 && prefix.data[prefix.len - 1] != '/' &&
        tn_buf_append_char(&prefix, '/') < 0)
        rc = tn_fail(err, TARN_ETOOBIG, "the prefix is too long");
    if (rc < 0)
        return rc;
    struct tarn_list_options options = { .request = cli_app_request(s->app),
                                         .prefix = prefix.data,
                                         .use_v1 = s->app->opt.list_v1 };
    s->prefix_len = prefix.len;
    s->list = tarn_list_open(s->app->client, s->address->bucket, &options, err);
    return s->list ? TARN_OK : err->status;
}

static int side_open(struct side *s, struct tarn_error *err)
{
    if (s->address->kind == CLI_ADDRESS_S3)
        return open_list(s, err);
    if (!s->is_source && access(s->address->name, F_OK) < 0 && errno == ENOENT)
        return TARN_OK; /* nothing there yet */
    s->walk = cli_walk_open(s->address->name, cp_walk_flags(&s->app->opt), err);
    return s->walk ? TARN_OK : err->status;
}

static void side_close(struct side *s)
{
    cli_walk_close(s->walk);
    tarn_list_free(s->list);
}

/* Downloads under way, and what they left to go on with. */
static bool is_partial(const char *path)
{
    struct tn_str text = tn_str_from(path);
    char record[PATH_MAX];
    if (tn_str_ends(text, TN_STR(TARN_PARTIAL_RECORD_SUFFIX)))
        return true;
    if (!tn_str_ends(text, TN_STR(TARN_PARTIAL_SUFFIX)) ||
        (size_t)snprintf(record, sizeof record, "%s.resume", path) >= sizeof record)
        return false;
    TN_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return access(record, F_OK) == 0 || (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0);
}

static int next_file(struct side *s, struct tarn_error *err)
{
    for (;;) {
        int rc = s->walk ? cli_walk_next(s->walk, &s->file, err) : TARN_OK;
        if (rc < 0)
            return rc;
        s->name = s->file ? s->file->name : NULL;
        if (!s->file)
            return TARN_OK;
        s->has_any = s->has_any || !s->file->is_skipped;
        if (!cp_filter_takes(s->app, s->file) || (!s->is_source && is_partial(s->file->path)))
            continue;
        if (!s->file->is_skipped) {
            s->size = (uint64_t)s->file->st.st_size;
            s->mtime_ms = cp_mtime_ms(&s->file->st);
            return TARN_OK;
        }
        s->is_broken = s->is_broken || s->file->err.status != TARN_ENOTSUPPORTED;
        cp_report_skipped(s->app, s->file);
    }
}

static int next_object(struct side *s, struct tarn_error *err)
{
    for (;;) {
        int rc = tarn_list_next(s->list, &s->object, err);
        if (rc < 0)
            return rc;
        s->name = s->object ? s->object->key + s->prefix_len : NULL;
        if (!s->object)
            return TARN_OK;
        /* The prefix itself, as a key, is the directory that both sides have. */
        if (s->object->key_len <= s->prefix_len)
            continue;
        s->has_any = true;
        if (!cli_filter_takes(&s->app->opt, s->name))
            continue;
        s->size = s->object->size;
        s->mtime_ms = s->object->last_modified_ms;
        return TARN_OK;
    }
}

static int side_next(struct side *s, struct tarn_error *err)
{
    int rc = s->list ? next_object(s, err) : next_file(s, err);
    if (rc < 0) {
        s->is_broken = true;
        cli_report_failure(s->app, place_of(s->address), (struct cli_place){ 0 }, err);
    }
    return rc;
}

/* ---- what is to be deleted ---- */

static int spool_flush(struct spool *p, struct tarn_error *err)
{
    if (p->fd < 0)
        p->fd = cli_temporary_file(err);
    if (p->fd < 0)
        return p->fd;
    if (tn_fd_pwrite(p->fd, p->pending.data, p->pending.len, p->len) < 0)
        return tn_fail_errno(err, "could not write a temporary file");
    p->len += p->pending.len;
    tn_buf_truncate(&p->pending, 0);
    return TARN_OK;
}

static int spool_add(struct spool *p, const char *name, struct tarn_error *err)
{
    if (tn_buf_append(&p->pending, name, strlen(name) + 1) < 0)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    p->count++;
    return p->pending.len >= SPOOL_LEN ? spool_flush(p, err) : TARN_OK;
}

/* Removes the directories that have become empty. */
static void remove_empty_parents(const char *root, char *path)
{
    size_t root_len = strlen(root);
    for (char *slash = strrchr(path, '/'); slash && (size_t)(slash - path) > root_len;
         slash = strrchr(path, '/')) {
        *slash = '\0';
        if (rmdir(path) < 0)
            return;
    }
}

static void report_removed(struct cli_app *app, const char *path)
{
    TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "deleted", path);
        if (app->opt.dry_run)
            cli_json_bool(&json, "dry_run", true);
        cli_report_json_end(app, &json);
    } else if (cli_place_append(&place, (struct cli_place){ NULL, path }) == TARN_OK) {
        cli_report_line(app, "%s%s", app->opt.dry_run ? "(dry-run) Would delete: " : "Deleted ",
                        place.data);
    }
}

static void remove_file(struct sync *s, const char *name)
{
    struct cli_app *app = s->job->app;
    TN_AUTO_BUF path = TN_BUF_INIT(CLI_PATH_LEN_MAX);
    struct tarn_error err = { 0 };
    int rc = cli_path_join(&path, s->job->target.name, name);
    if (rc == TARN_OK && !app->opt.dry_run && unlink(path.data) < 0 && errno != ENOENT)
        rc = tn_fail_errno(&err, "could not delete");
    if (rc < 0) {
        cli_report_failure(app, (struct cli_place){ NULL, path.data }, (struct cli_place){ 0 },
                           &err);
        return;
    }
    report_removed(app, path.data);
    if (!app->opt.dry_run)
        remove_empty_parents(s->job->target.name, path.data);
}

static int remove_object(struct sync *s, struct cli_delete *batch, const char *name,
                         struct tarn_error *err)
{
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc = take_prefix(&s->job->target, &key, err);
    if (rc == TARN_OK && key.len > 0 && key.data[key.len - 1] != '/')
        rc = tn_buf_append_char(&key, '/');
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&key, name);
    return rc < 0 ? rc : cli_delete_add(batch, key.data, err);
}

/* Calls for each name of the spool. */
static int remove_each(struct sync *s, struct cli_delete *batch, struct tarn_error *err)
{
    TN_AUTO_BUF window = TN_BUF_INIT(SPOOL_LEN + CLI_PATH_LEN_MAX);
    uint64_t at = 0;
    int rc = tn_buf_reserve(&window, SPOOL_LEN);
    while (rc == TARN_OK && at < s->extra.len && !cli_app_is_over(s->job->app)) {
        uint64_t left = s->extra.len - at;
        size_t want = left < SPOOL_LEN ? (size_t)left : SPOOL_LEN;
        ssize_t n = tn_fd_pread(s->extra.fd, window.data, want, at);
        const char *end = n > 0 ? memrchr(window.data, '\0', (size_t)n) : NULL;
        if (!end)
            return tn_fail(err, TARN_EIO, "could not read a temporary file");
        for (const char *name = window.data; name <= end && rc == TARN_OK;
             name += strlen(name) + 1) {
            if (batch)
                rc = remove_object(s, batch, name, err);
            else
                remove_file(s, name);
        }
        at += (uint64_t)(end - window.data) + 1;
    }
    return rc;
}

static int remove_extra(struct sync *s, struct tarn_error *err)
{
    struct cli_app *app = s->job->app;
    struct cli_delete batch;
    int rc = spool_flush(&s->extra, err);
    if (rc < 0)
        return rc;
    if (s->job->kind == CP_DOWNLOAD)
        return remove_each(s, NULL, err);
    rc = cli_delete_init(&batch, app, s->job->target.bucket, err);
    if (rc < 0)
        return rc;
    rc = remove_each(s, &batch, err);
    if (!cli_app_is_over(app))
        cli_delete_flush(&batch);
    cli_delete_release(&batch);
    return rc;
}

static void report_too_many(struct sync *s)
{
    char text[128];
    (void)snprintf(
        text, sizeof text, "nothing is deleted: it would be %llu, and --max-delete is %llu",
        (unsigned long long)s->extra.count, (unsigned long long)s->job->app->opt.max_delete);
    cli_report_warning(s->job->app, place_of(&s->job->target), text);
    atomic_store(&s->job->app->is_incomplete, true);
}

/* A prefix with a typing error and a disk that is not mounted are empty, too. */
static void refuse_empty(struct sync *s)
{
    struct tarn_error err = { 0 };
    (void)tn_fail(&err, TARN_EDENIED,
                  "nothing is deleted: the source is empty, and %llu would go; is it the right "
                  "one? (--force deletes all the same)",
                  (unsigned long long)s->extra.count);
    cli_report_failure(s->job->app, place_of(&s->job->sources[0]), (struct cli_place){ 0 }, &err);
}

/* After the last copy. What could not be read of the source may be there all the same, so then
 * nothing is deleted. */
static void finish(struct cp_job *job)
{
    struct sync *s = job->finder;
    struct cli_app *app = job->app;
    struct tarn_error err = { 0 };
    if (!app->opt.delete_extra || s->extra.len + s->extra.pending.len == 0)
        return;
    if (!s->was_compared || s->source.is_broken || s->target.is_broken ||
        atomic_load(&app->failed) > 0) {
        cli_report_warning(app, place_of(&job->target),
                           "nothing is deleted, because not everything else went well");
        atomic_store(&app->is_incomplete, true);
        return;
    }
    if (!s->source.has_any && !app->opt.force) {
        refuse_empty(s);
        return;
    }
    if (app->opt.has_max_delete && s->extra.count > app->opt.max_delete) {
        report_too_many(s);
        return;
    }
    if (remove_extra(s, &err) < 0)
        cli_report_failure(app, place_of(&job->target), (struct cli_place){ 0 }, &err);
}

/* ---- comparing ---- */

/* Seconds: no more of a time survives the way through a header to a file. An upload is compared
 * with what the server tells of its own clock, as finely as it does. */
static bool is_newer(const struct sync *s)
{
    int64_t source_ms = s->source.mtime_ms;
    int64_t target_ms = s->target.mtime_ms;
    bool is_fine = s->job->kind == CP_UPLOAD && target_ms % 1000 != 0;
    return is_fine ? source_ms > target_ms : source_ms / 1000 > target_ms / 1000;
}

static const char *why_same(const struct sync *s)
{
    const struct cli_options *opt = &s->job->app->opt;
    int64_t source_s = s->source.mtime_ms / 1000;
    int64_t target_s = s->target.mtime_ms / 1000;
    if (s->source.size != s->target.size || opt->compare_checksum)
        return NULL;
    if (opt->size_only)
        return "same size";
    if (opt->exact_timestamps && s->job->kind == CP_DOWNLOAD)
        return source_s == target_s ? "same size and time" : NULL;
    return is_newer(s) ? NULL : "same size, not newer";
}

static int submit_object(struct sync *s, bool is_compared, struct tarn_error *err)
{
    const struct tarn_list_entry *o = s->source.object;
    struct cp_item *item = cp_item_new(s->source.address->bucket, o->key, o->etag);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    item->has_size = true;
    item->size = o->size;
    item->mtime_ms = o->last_modified_ms;
    item->is_archived = tarn_storage_class_needs_restore(o->storage_class);
    item->is_compared = is_compared;
    return cp_submit(s->job, item, s->source.name, err);
}

static int submit_file(struct sync *s, bool is_compared, struct tarn_error *err)
{
    const struct cli_walk_entry *f = s->source.file;
    struct cp_item *item = cp_item_for_file(f->path, &f->st);
    if (!item)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    item->is_compared = is_compared;
    return cp_submit(s->job, item, f->name, err);
}

static void note_same(struct sync *s, const char *reason)
{
    struct cli_app *app = s->job->app;
    atomic_fetch_add(&app->skipped, 1);
    if (!app->opt.verbose)
        return;
    TN_AUTO_BUF name = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (cli_text_append(&name, tn_str_from(s->source.name)) == TARN_OK)
        cli_report_note(app, "Skipped %s (%s)", name.data, reason);
}

/* The source has it. `is_there` at the target, too. */
static int take_source(struct sync *s, bool is_there, struct tarn_error *err)
{
    const char *reason = is_there ? why_same(s) : NULL;
    bool is_compared =
        is_there && s->job->app->opt.compare_checksum && s->source.size == s->target.size;
    if (reason) {
        note_same(s, reason);
        return TARN_OK;
    }
    return s->source.list ? submit_object(s, is_compared, err) : submit_file(s, is_compared, err);
}

/* Of the target, that the source does not have. What is kept elsewhere is not the target's to
 * delete, and may be what another name of it has just been given. */
static int take_extra(struct sync *s, struct tarn_error *err)
{
    if (!s->job->app->opt.delete_extra)
        return TARN_OK;
    if (!s->target.file || !s->target.file->is_linked)
        return spool_add(&s->extra, s->target.name, err);
    if (!s->is_link_told)
        cli_report_warning(s->job->app, (struct cli_place){ NULL, s->target.file->path },
                           "not deleted: it is below a symbolic link");
    s->is_link_told = true;
    return TARN_OK;
}

static int step(struct sync *s, struct tarn_error *err)
{
    int order = !s->source.name ? 1 : !s->target.name ? -1 : strcmp(s->source.name, s->target.name);
    int rc = TARN_OK;
    if (order <= 0)
        rc = take_source(s, order == 0, err);
    else
        rc = take_extra(s, err);
    if (rc < 0) {
        cli_report_failure(s->job->app, place_of(s->source.address), (struct cli_place){ 0 }, err);
        return rc;
    }
    if (order <= 0)
        rc = side_next(&s->source, err);
    if (rc == TARN_OK && order >= 0)
        rc = side_next(&s->target, err);
    return rc;
}

static void find(struct cp_job *job)
{
    struct sync *s = job->finder;
    struct tarn_error err = { 0 };
    int rc = side_next(&s->source, &err);
    if (rc == TARN_OK)
        rc = side_next(&s->target, &err);
    while (rc == TARN_OK && (s->source.name || s->target.name) && !cp_must_stop(job))
        rc = step(s, &err);
    s->was_compared = rc == TARN_OK && !s->source.name && !s->target.name;
    if (!job->app->parent)
        atomic_store(&job->app->progress.is_total_known, true);
}

/* ---- the command line ---- */

static bool is_below(const char *prefix, const char *key)
{
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    return len == 0 || (strncmp(prefix, key, len) == 0 && (key[len] == '/' || key[len] == '\0'));
}

static int check_overlap(const struct cp_job *job, struct tarn_error *err)
{
    const struct cli_address *a = &job->sources[0];
    const struct cli_address *b = &job->target;
    if (job->kind == CP_COPY && strcmp(a->bucket, b->bucket) == 0 &&
        (is_below(a->name, b->name) || is_below(b->name, a->name)))
        return tn_fail(err, TARN_EINVAL, "one of source and destination is within the other");
    return TARN_OK;
}

static int check_address(struct cp_job *job, const struct cli_address *a, struct tarn_error *err)
{
    if (a->kind == CLI_ADDRESS_STDIO)
        return tn_fail(err, TARN_EINVAL, "\"-\" cannot be synchronised");
    if (a->kind != CLI_ADDRESS_S3)
        return TARN_OK;
    if (a->bucket[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "the address names no bucket (s3://bucket/prefix)");
    if (cli_match_is_pattern(job->app, a))
        return tn_fail(err, TARN_EINVAL, "no wildcards here: use --include and --exclude");
    return TARN_OK;
}

static int parse(struct cp_job *job, struct tarn_error *err)
{
    struct cli_app *app = job->app;
    job->sources = tn_calloc(1, sizeof *job->sources);
    job->source_count = 1;
    if (!job->sources)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    int rc = cli_address_parse(app->operands[0], &job->sources[0], err);
    if (rc == TARN_OK)
        rc = cli_address_parse(app->operands[1], &job->target, err);
    if (rc == TARN_OK)
        rc = check_address(job, &job->sources[0], err);
    if (rc == TARN_OK)
        rc = check_address(job, &job->target, err);
    if (rc < 0)
        return rc;
    bool from_s3 = job->sources[0].kind == CLI_ADDRESS_S3;
    bool to_s3 = job->target.kind == CLI_ADDRESS_S3;
    if (!from_s3 && !to_s3)
        return tn_fail(err, TARN_EINVAL, "source or destination must be s3://bucket/prefix");
    job->kind = !from_s3 ? CP_UPLOAD : to_s3 ? CP_COPY : CP_DOWNLOAD;
    job->is_target_dir = true;
    rc = cp_check_options(job, err);
    return rc < 0 ? rc : check_overlap(job, err);
}

static int run(struct cp_job *job, struct sync *s)
{
    struct tarn_error err = { 0 };
    s->source = (struct side){ .app = job->app, .address = &job->sources[0], .is_source = true };
    s->target = (struct side){ .app = job->app, .address = &job->target };
    int rc = side_open(&s->source, &err);
    struct side *failed = &s->source;
    if (rc == TARN_OK) {
        failed = &s->target;
        rc = side_open(&s->target, &err);
    }
    int code = CLI_EXIT_OK;
    if (rc < 0) {
        cli_report_fatal(job->app, place_of(failed->address), &err);
        code = (int)cli_app_exit(job->app);
    } else {
        code = cp_job_run(job, find, "Sync");
    }
    side_close(&s->source);
    side_close(&s->target);
    return code;
}

int cli_run_sync(struct cli_app *app)
{
    struct sync s = { .extra = { .fd = -1, .pending = TN_BUF_INIT(SPOOL_LEN + CLI_PATH_LEN_MAX) } };
    struct cp_job job = { .app = app, .finder = &s, .finish = finish };
    struct tarn_error err = { 0 };
    s.job = &job;
    int rc = parse(&job, &err);
    if (rc == TARN_OK)
        rc = cli_attributes_init(&job.attributes, &app->opt, &err);
    int code = rc < 0 ? cli_report_usage(app, &err) : run(&job, &s);
    tn_fd_close(&s.extra.fd);
    tn_buf_release(&s.extra.pending);
    cp_job_release(&job);
    return code;
}
