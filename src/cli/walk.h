/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a directory in bounded memory, in the order in which S3 lists the same names as keys: by
 * bytes, a directory standing as its name with a slash behind it. */

#ifndef CLI_WALK_H
#define CLI_WALK_H

#include <sys/stat.h>

#include "base/fail.h"

enum { CLI_WALK_DEPTH_MAX = 256, CLI_PATH_LEN_MAX = 65536 };

enum { CLI_WALK_NO_LINKS = 1u << 0 }; /* leave symbolic links out instead of following them */

/* One regular file, or what was left out. The texts are valid until the next call. */
struct cli_walk_entry {
    const char *path;
    const char *name; /* relative to the root */
    struct stat st;
    bool is_linked; /* below a symbolic link to a directory: it may be kept elsewhere */
    bool is_skipped;
    struct tarn_error err; /* why; TARN_ENOTSUPPORTED: a special file, a link or a loop, which is no
                              failure */
};

struct cli_walk; /* one thread at a time */

/* NULL when the root cannot be opened. */
TN_MUST_USE struct cli_walk *cli_walk_open(const char *root, unsigned flags,
                                           struct tarn_error *err);
void cli_walk_close(struct cli_walk *w); /* accepts NULL */

/* `*entry` is NULL at the end. Fails only for want of memory or of room for temporary files. */
TN_MUST_USE int cli_walk_next(struct cli_walk *w, const struct cli_walk_entry **entry,
                              struct tarn_error *err);

#endif
