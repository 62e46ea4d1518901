/* SPDX-License-Identifier: Apache-2.0 */
/* The directory that a download goes into, and that no key may leave. */

#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "base/buf.h"
#include "base/fail.h"

/* Immutable after init: any thread. */
struct cli_target {
    char *root;      /* as the user wrote it */
    char *root_real; /* without symbolic links */
};

/* TARN_EDENIED for what is not a plain way down: an empty name, a leading slash, an empty part
 * (`a//b`),
 * `.` or `..` as a part. A slash at the end is fine. */
TN_MUST_USE int cli_target_check(const char *name, struct tarn_error *err);

/* Makes the directory when it is not there. */
TN_MUST_USE int cli_target_init(struct cli_target *target, const char *root,
                                struct tarn_error *err);
void cli_target_release(struct cli_target *target);

/* Appends the path of `name` below the root and makes the directories on the way: all parts but the
 * last, or all of them for a name that ends in a slash. A part that is a symbolic link out of the
 * root is TARN_EDENIED. `path` is unchanged on failure; directories that were made stay. */
TN_MUST_USE int cli_target_prepare(const struct cli_target *target, const char *name,
                                   struct tn_buf *path, struct tarn_error *err);

/* Appends the path of `name` below `root`, with one slash between them. */
TN_MUST_USE int cli_path_join(struct tn_buf *path, const char *root, const char *name);

#endif
