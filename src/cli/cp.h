/* SPDX-License-Identifier: Apache-2.0 */
/* Copying: what a job is made of. cmd_cp.c finds the items, cp_item.c does them (cp_work.h). */

#ifndef CLI_CP_H
#define CLI_CP_H

#include <sys/types.h>

#include "cli/app.h"
#include "cli/attribute_options.h"
#include "cli/names.h"
#include "cli/walk.h"
#include "cli/target.h"

enum cp_kind { CP_UPLOAD, CP_DOWNLOAD, CP_COPY };

/* Whether the server judges If-Match with DELETE. */
enum cp_judge { CP_JUDGE_UNKNOWN, CP_JUDGE_YES, CP_JUDGE_NO };

/* Set up by the main thread before the first item, then read by all threads. */
struct cp_job {
    struct cli_app *app;
    enum cp_kind kind;
    struct cli_address *sources; /* all of them: items borrow their buckets */
    int source_count;
    struct cli_address target;
    bool is_target_dir;    /* names go below `target`; otherwise it is the one destination */
    struct cli_target dir; /* of downloads below a directory; not with --dry-run */
    struct cli_attributes attributes;
    struct cli_names names;             /* main thread only */
    bool is_unique;                     /* check names for collisions */
    bool is_single;                     /* one item is all there can be */
    bool is_move;                       /* the source goes once its copy is there */
    _Atomic int judge;                  /* enum cp_judge, found out by the first removals */
    bool is_crossing;                   /* a destination may be the key of another source */
    struct tarn_job *engine;            /* NULL: items are done where they are found */
    struct tn_buf directory;            /* prepared last below `dir`; main thread only */
    void *finder;                       /* of `find` and `finish` */
    void (*finish)(struct cp_job *job); /* after the last item, unless interrupted; or NULL */
};

/* Finds the items and submits them; reports what cannot be found. */
typedef void (*cp_find_fn)(struct cp_job *job);

/* Runs the engine around `find`; the exit status. `label` is for --stat. */
int cp_job_run(struct cp_job *job, cp_find_fn find, const char *label);
void cp_job_release(struct cp_job *job);

/* True when nothing more should be found: interrupted, or every item would fail alike. */
bool cp_must_stop(const struct cp_job *job);

/* One thing to copy. Owns its texts; the buckets belong to the job. */
struct cp_item {
    const char *source_bucket; /* NULL: a file */
    char *source;              /* key or path */
    const char *target_bucket; /* NULL: a file */
    char *target;              /* key; path; or the name below job->target, when is_target_dir */
    char *etag;                /* of the source, from a listing; NULL when unknown */
    bool is_stream;            /* a pipe or a device: cannot be read twice, has no size */
    bool has_size;
    uint64_t size;
    bool is_archived; /* its class must be restored before it can be read */
    bool is_compared; /* sync --checksum: copied only when the content differs */
    int64_t mtime_ms; /* -1 when unknown */
    long mtime_ns;    /* of a file, within its second */
    mode_t mode;      /* of a file */
};

/* With copies of the texts; NULL when out of memory. */
TN_MUST_USE struct cp_item *cp_item_new(const char *bucket, const char *source, const char *etag);
TN_MUST_USE struct cp_item *cp_item_for_file(const char *path, const struct stat *st);
void cp_item_free(struct cp_item *item); /* accepts NULL */

/* Takes `item` over, whatever happens. `name` is what it is called below the destination. */
TN_MUST_USE int cp_submit(struct cp_job *job, struct cp_item *item, const char *name,
                          struct tarn_error *err);
TN_MUST_USE int cp_submit_file(struct cp_job *job, const char *path, const char *name,
                               const struct stat *st, struct tarn_error *err);
TN_MUST_USE int cp_submit_object(struct cp_job *job, const char *bucket,
                                 const struct tarn_list_entry *entry, const char *name,
                                 struct tarn_error *err);

int64_t cp_mtime_ms(const struct stat *st);

/* Whether the filters let it in. */
bool cp_filter_takes(const struct cli_app *app, const struct cli_walk_entry *entry);

/* What a walk left out: a warning, or a failure. */
void cp_report_skipped(struct cli_app *app, const struct cli_walk_entry *entry);

/* Whether a copy to `key` of the destination's bucket would replace a source. Any thread. */
TN_MUST_USE int cp_find_source(const struct cp_job *job, const char *key, bool *is_source,
                               struct tarn_error *err);

/* Options that go with this kind of job, or TARN_EINVAL. */
TN_MUST_USE int cp_check_options(const struct cp_job *job, struct tarn_error *err);

unsigned cp_walk_flags(const struct cli_options *opt);

/* Copies or skips, reports, counts, frees the item: now, or in the engine. */
void cp_item_start(struct cp_job *job, struct cp_item *item);

#endif
