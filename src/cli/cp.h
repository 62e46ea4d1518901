/* SPDX-License-Identifier: Apache-2.0 */
/* Copying: what a job is made of. cmd_cp.c finds the items, cp_item.c does them. */

#ifndef CLI_CP_H
#define CLI_CP_H

#include <sys/types.h>

#include "cli/app.h"
#include "cli/attribute_options.h"
#include "cli/names.h"
#include "cli/worker_pool.h"
#include "cli/target.h"

enum cp_kind { CP_UPLOAD, CP_DOWNLOAD, CP_COPY };

/* Set up by the main thread before the first item, then read by all workers. */
struct cp_job {
    struct cli_app *app;
    enum cp_kind kind;
    struct cli_address *sources; /* all of them: items borrow their buckets */
    int source_count;
    struct cli_address target;
    bool is_target_dir;    /* names go below `target`; otherwise it is the one destination */
    struct cli_target dir; /* of downloads below a directory; not with --dry-run */
    struct cli_attributes attributes;
    struct cli_names names; /* main thread only */
    bool is_unique;         /* check names for collisions */
    struct cli_pool *pool;
};

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
    int64_t mtime_ms; /* -1 when unknown */
    long mtime_ns;    /* of a file, within its second */
    mode_t mode;      /* of a file */
};

void cp_item_free(struct cp_item *item); /* accepts NULL */

/* A worker: copies or skips, reports, counts, frees the item. */
void cp_item_run(void *job, void *item);

#endif
