/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that an address stands for. */

#include "cli/match.h"

#include "base/fail.h"
#include "cli/filter.h"
#include "cli/glob.h"

bool cli_match_is_pattern(const struct cli_app *app, const struct cli_address *address)
{
    return !app->opt.raw && cli_glob_has_wildcards(address->name);
}

int cli_match_key(const struct cli_app *app, const struct cli_address *address, struct tn_buf *key,
                  struct tarn_error *err)
{
    int rc = app->opt.raw ? tn_buf_append_text(key, address->name)
                          : cli_glob_literal_prefix(address->name, key);
    return rc < 0 ? tn_fail(err, rc, "could not take the key: %s", tarn_status_text(rc)) : rc;
}

bool cli_match_takes(const struct cli_app *app, const char *key)
{
    return cli_filter_takes(&app->opt, cli_name_last(key));
}

/* What to list, and how much of each key is not part of its name. */
static int plan(const struct cli_app *app, const struct cli_address *address, struct tn_buf *prefix,
                size_t *common_len, struct tarn_error *err)
{
    int rc = cli_match_key(app, address, prefix, err);
    if (rc < 0)
        return rc;
    if (cli_match_is_pattern(app, address)) {
        *common_len = (size_t)(cli_name_last(prefix->data) - prefix->data);
        return TARN_OK;
    }
    if (prefix->len && prefix->data[prefix->len - 1] != '/')
        rc = tn_buf_append_char(prefix, '/');
    *common_len = prefix->len;
    return rc < 0 ? tn_fail(err, rc, "could not take the key: %s", tarn_status_text(rc)) : rc;
}

struct match {
    struct cli_app *app;
    const char *pattern; /* NULL: everything */
    size_t common_len;
    cli_match_fn each;
    void *arg;
    uint64_t *seen;
};

static int judge(const struct match *m, const struct tarn_list_entry *entry, struct tarn_error *err)
{
    const char *name = entry->key + m->common_len;
    if (m->pattern &&
        !cli_glob_match(tn_str_from(m->pattern), (struct tn_str){ entry->key, entry->key_len }))
        return TARN_OK;
    if (!cli_filter_takes(&m->app->opt, name))
        return TARN_OK;
    *m->seen += 1;
    return m->each(m->arg, entry, name, err);
}

static int run(const struct match *m, struct tarn_list *list, struct tarn_error *err)
{
    for (;;) {
        const struct tarn_list_entry *entry;
        int rc = tarn_list_next(list, &entry, err);
        if (rc < 0 || !entry)
            return rc;
        if (cli_app_is_over(m->app))
            return tn_fail(err, TARN_ECANCELLED, "interrupted");
        if (entry->key_len < m->common_len)
            continue;
        rc = judge(m, entry, err);
        if (rc < 0)
            return rc;
    }
}

int cli_match_each(struct cli_app *app, const struct cli_address *address, cli_match_fn each,
                   void *arg, uint64_t *seen, struct tarn_error *err)
{
    TN_AUTO_BUF prefix = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    struct match m = { .app = app, .each = each, .arg = arg, .seen = seen };
    int rc = plan(app, address, &prefix, &m.common_len, err);
    if (rc < 0)
        return rc;
    if (cli_match_is_pattern(app, address))
        m.pattern = address->name;

    struct tarn_list_options options = { .request = cli_app_request(app),
                                         .prefix = prefix.data,
                                         .use_v1 = app->opt.list_v1 };
    struct tarn_error why = { 0 };
    struct tarn_list *list = tarn_list_open(app->client, address->bucket, &options, &why);
    if (!list) {
        *err = why;
        return why.status < 0 ? why.status : TARN_ENOMEM;
    }
    rc = run(&m, list, err);
    tarn_list_free(list);
    return rc;
}
