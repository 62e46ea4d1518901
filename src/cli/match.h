/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that an address with a wildcard, or one with -r, stands for. */

#ifndef CLI_MATCH_H
#define CLI_MATCH_H

#include <tarn/list.h>

#include "cli/app.h"

/* `name` is the key without what the address had in common: what is below a destination. Negative
 * ends the listing with that status. */
typedef int (*cli_match_fn)(void *arg, const struct tarn_list_entry *entry, const char *name,
                            struct tarn_error *err);

/* True when the key has wildcards that count (no --raw). */
bool cli_match_is_pattern(const struct cli_app *app, const struct cli_address *address);

/* The key that an address without wildcards means: escapes taken out, unless --raw. */
TN_MUST_USE int cli_match_key(const struct cli_app *app, const struct cli_address *address,
                              struct tn_buf *key, struct tarn_error *err);

/* Whether --include and --exclude let through the one object of this key: by the last part of it.
 */
bool cli_match_takes(const struct cli_app *app, const char *key);

/* Calls `each` for every object that matches the pattern, or is below the key with a `/` behind it,
 * and that --include and --exclude let through; in key order, in constant memory. `*seen` counts
 * them. */
TN_MUST_USE int cli_match_each(struct cli_app *app, const struct cli_address *address,
                               cli_match_fn each, void *arg, uint64_t *seen,
                               struct tarn_error *err);

#endif
