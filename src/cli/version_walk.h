/* SPDX-License-Identifier: Apache-2.0 */
/* The versions that an address stands for. */

#ifndef CLI_VERSION_WALK_H
#define CLI_VERSION_WALK_H

#include "cli/app.h"

/* Negative ends the listing with that status. */
typedef int (*cli_version_fn)(void *arg, const struct tarn_version_entry *entry,
                              struct tarn_error *err);

/* Calls `each` for every version and delete marker of exactly the key; of all keys that match a
 * pattern; with -r, and for a bucket alone, of all keys below. In constant memory. */
TN_MUST_USE int cli_version_each(struct cli_app *app, const struct cli_address *address,
                                 cli_version_fn each, void *arg, struct tarn_error *err);

#endif
