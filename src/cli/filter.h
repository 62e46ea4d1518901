/* SPDX-License-Identifier: Apache-2.0 */
/* --include, --exclude, --filter-from: which names a job takes. */

#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "cli/options.h"

enum { CLI_FILTER_RULES_MAX = 65536, CLI_FILTER_FILE_MAX = 16 << 20 };

struct cli_filter;

/* Makes opt->filter out of the options: the includes, then the excludes, then the lines of the file
 * (`+ PATTERN`, `- PATTERN`, `include PATTERN`, `exclude PATTERN`, `#` for comments). A pattern is
 * a wildcard (`glob:`), a POSIX extended regular expression (`regex:`, anywhere in the name), or a
 * name and all below it (`path:`); `!` in front inverts it. TARN_EINVAL for what is none of this.
 */
TN_MUST_USE int cli_filter_load(struct cli_options *opt, struct tarn_error *err);
void cli_filter_unload(struct cli_options *opt);

/* The first rule that matches decides about `name` (relative to the root of the job). A name that
 * none matches is taken, unless all rules are includes. Any thread. */
bool cli_filter_takes(const struct cli_options *opt, const char *name);

/* The same for what could not be read. A directory is out only when all that may be below it is;
 * with `is_directory` false it may be one or not, and is out by its own name, too. */
bool cli_filter_takes_unread(const struct cli_options *opt, const char *name, bool is_directory);

#endif
