/* SPDX-License-Identifier: Apache-2.0 */
/* --include and --exclude. */

#include "cli/filter.h"

#include "cli/glob.h"

static bool matches_any(const struct cli_list *patterns, struct tn_str name)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (cli_glob_match(tn_str_from(patterns->items[i]), name))
            return true;
    }
    return false;
}

bool cli_filter_takes(const struct cli_options *opt, const char *name)
{
    struct tn_str text = tn_str_from(name);
    if (matches_any(&opt->include, text))
        return true;
    if (opt->exclude.count == 0)
        return opt->include.count == 0;
    return !matches_any(&opt->exclude, text);
}
