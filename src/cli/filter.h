/* SPDX-License-Identifier: Apache-2.0 */
/* --include and --exclude. */

#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "cli/options.h"

/* Judges a name relative to the source. The first pattern that matches the whole name decides, the
 * includes before the excludes; a name that none matches is taken, unless there are only includes.
 */
bool cli_filter_takes(const struct cli_options *opt, const char *name);

#endif
