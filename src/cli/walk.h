/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a directory in constant memory. */

#ifndef CLI_WALK_H
#define CLI_WALK_H

#include <sys/stat.h>

#include "base/fail.h"

enum { CLI_WALK_DEPTH_MAX = 256, CLI_PATH_LEN_MAX = 65536 };

struct cli_walk_calls {
    /* For each regular file, symbolic links followed; `name` is relative to the root. Negative ends
     * the walk with that status. */
    int (*file)(void *arg, const char *path, const char *name, const struct stat *st);

    /* Something was left out; `err` has the reason. TARN_ENOTSUPPORTED there: a special file or a
     * loop, which is no failure. */
    void (*skipped)(void *arg, const char *path, const struct tarn_error *err);
    void *arg;
};

/* Fails only when the root cannot be opened, or with what `file` returned. */
TN_MUST_USE int cli_walk(const char *root, const struct cli_walk_calls *calls,
                         struct tarn_error *err);

#endif
