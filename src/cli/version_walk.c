/* SPDX-License-Identifier: Apache-2.0 */
/* The versions that an address stands for. */

#include "cli/version_walk.h"

#include "base/fail.h"
#include "cli/glob.h"
#include "cli/match.h"

static int walk(struct cli_app *app, const char *pattern, struct tarn_versions *versions,
                cli_version_fn each, void *arg, struct tarn_error *err)
{
    while (!cli_app_is_over(app)) {
        const struct tarn_version_entry *entry;
        int rc = tarn_versions_next(versions, &entry, err);
        if (rc < 0 || !entry)
            return rc;
        if (pattern && !cli_glob_match(tn_str_from(pattern), tn_str_from(entry->key)))
            continue;
        rc = each(arg, entry, err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

int cli_version_each(struct cli_app *app, const struct cli_address *address, cli_version_fn each,
                     void *arg, struct tarn_error *err)
{
    TN_AUTO_BUF prefix = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    bool is_pattern = cli_match_is_pattern(app, address);
    int rc = cli_match_key(app, address, &prefix, err);
    if (rc == TARN_OK && app->opt.recursive && !is_pattern && prefix.len > 0 &&
        prefix.data[prefix.len - 1] != '/')
        rc = tn_buf_append_char(&prefix, '/');
    if (rc < 0)
        return rc;
    struct tarn_error why = { 0 };
    struct tarn_versions_options options = { .request = cli_app_request(app),
                                             .prefix = prefix.data,
                                             .is_exact_key = !is_pattern && !app->opt.recursive &&
                                                             prefix.len > 0 };
    struct tarn_versions *versions =
        tarn_versions_open(app->client, address->bucket, &options, &why);
    if (!versions) {
        *err = why;
        return why.status < 0 ? why.status : TARN_ENOMEM;
    }
    rc = walk(app, is_pattern ? address->name : NULL, versions, each, arg, err);
    tarn_versions_free(versions);
    return rc;
}
