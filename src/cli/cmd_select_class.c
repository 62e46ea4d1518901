/* SPDX-License-Identifier: Apache-2.0 */
/* tarn select-class */

#include "base/fail.h"
#include "cli/app.h"
#include "cli/match.h"
#include "cli/operands.h"

enum { KEYS_AT_ONCE = 1000 };

/* Keys are gathered and sent in portions, so that memory does not grow with their number. */
struct selection {
    struct cli_app *app;
    const char *bucket;
    const char *storage_class;
    char *keys[KEYS_AT_ONCE];
    size_t count;
};

static void report(void *arg, size_t index, const struct tarn_batch_item *item)
{
    struct selection *s = arg;
    struct cli_place place = { s->bucket, item->key };
    (void)index;
    if (item->error) {
        cli_report_failure(s->app, place, (struct cli_place){ 0 }, item->error);
        return;
    }
    atomic_fetch_add(&s->app->succeeded, 1);
    if (s->app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(s->app, &json, true);
        cli_json_text(&json, "bucket", s->bucket);
        cli_json_text(&json, "key", item->key);
        cli_json_text(&json, "storage_class", s->storage_class);
        if (s->app->opt.dry_run)
            cli_json_bool(&json, "dry_run", true);
        cli_report_json_end(s->app, &json);
        return;
    }
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (cli_place_append(&text, place) == TARN_OK)
        cli_report_line(s->app, "%s%s: %s", s->app->opt.dry_run ? "(dry-run) " : "", text.data,
                        s->storage_class);
}

static void flush(struct selection *s)
{
    struct tarn_batch_options options = {
        .request = cli_app_request(s->app), .concurrency = 32, .each = report, .arg = s
    };
    const char *keys[KEYS_AT_ONCE];
    struct tarn_error err = { 0 };
    for (size_t i = 0; i < s->count; i++)
        keys[i] = s->keys[i];
    if (s->app->opt.dry_run) {
        for (size_t i = 0; i < s->count; i++)
            report(s, i, &(struct tarn_batch_item){ .key = keys[i] });
    } else if (s->count > 0) {
        int rc = tarn_batch_set_class(s->app->client, s->bucket, keys, s->count, s->storage_class,
                                      &options, NULL, &err);
        (void)rc; /* told key by key */
    }
    for (size_t i = 0; i < s->count; i++)
        tn_free(s->keys[i]);
    s->count = 0;
}

static int add(struct selection *s, const char *key, struct tarn_error *err)
{
    s->keys[s->count] = tn_strdup(key);
    if (!s->keys[s->count])
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    if (++s->count == KEYS_AT_ONCE)
        flush(s);
    return cli_app_is_over(s->app) ? TARN_ECANCELLED : TARN_OK;
}

static int add_entry(void *arg, const struct tarn_list_entry *entry, const char *name,
                     struct tarn_error *err)
{
    struct selection *s = arg;
    const char *now = entry->storage_class ? entry->storage_class : "STANDARD";
    (void)name;
    if (strcmp(now, s->storage_class) == 0) {
        atomic_fetch_add(&s->app->skipped, 1);
        return TARN_OK;
    }
    return add(s, entry->key, err);
}

static int select_address(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct selection *s = user;
    struct cli_app *app = s->app;
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    uint64_t seen = 0;
    s->bucket = address->bucket;
    int rc;
    if (app->opt.recursive || cli_match_is_pattern(app, address)) {
        rc = cli_match_each(app, address, add_entry, s, &seen, err);
        if (rc == TARN_OK && seen == 0)
            cli_report_note(app, "No objects matched.");
    } else {
        rc = cli_match_key(app, address, &key, err);
        if (rc == TARN_OK && cli_match_takes(app, key.data))
            rc = add(s, key.data, err);
    }
    flush(s);
    return rc;
}

static int check(struct cli_app *app, const char *text, struct cli_address *address,
                 struct tarn_error *err)
{
    int rc = cli_address_parse_s3(text, address, err);
    if (rc == TARN_OK && address->name[0] == '\0' && !app->opt.recursive)
        rc = tn_fail(err, TARN_EINVAL, "\"%s\" names no key (-r means all of the bucket)", text);
    return rc;
}

int cli_run_select_class(struct cli_app *app)
{
    struct selection s = { .app = app,
                           .storage_class = tarn_storage_class_from_name(app->operands[0]) };
    const struct cli_operands operands = {
        .first = 1, .read = check, .work = select_address, .user = &s
    };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    cli_report_stat(app, "Select class", false);
    return (int)cli_app_exit(app);
}
