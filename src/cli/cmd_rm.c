/* SPDX-License-Identifier: Apache-2.0 */
/* tarn rm */

#include <unistd.h>

#include "base/fail.h"
#include "cli/app.h"
#include "cli/delete.h"
#include "cli/filter.h"
#include "cli/operands.h"
#include "cli/version_walk.h"

static int delete_one(struct cli_app *app, const struct cli_address *address,
                      struct tarn_error *err)
{
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    struct tarn_delete_options options = { .request = cli_app_request(app),
                                           .version_id = app->opt.version_id,
                                           .if_match = app->opt.if_match };
    int rc = cli_match_key(app, address, &key, err);
    if (rc < 0 || !cli_match_takes(app, key.data))
        return rc;
    if (!app->opt.dry_run)
        rc = cli_delete_check(app, address->bucket, key.data, &options, err);
    if (rc == TARN_OK && !app->opt.dry_run)
        rc = tarn_object_delete(app->client, address->bucket, key.data, &options, NULL, err);
    if (rc == TARN_OK)
        cli_delete_report(app, address->bucket, key.data, app->opt.version_id);
    return rc;
}

static int add_key(void *arg, const struct tarn_list_entry *entry, const char *name,
                   struct tarn_error *err)
{
    (void)name;
    return cli_delete_add(arg, entry->key, err);
}

static void report_count(struct cli_app *app, uint64_t seen, uint64_t deleted)
{
    if (seen == 0)
        cli_report_note(app, "No objects matched.");
    else if (app->opt.dry_run)
        cli_report_line(app, "\n(dry-run) Would delete %llu objects", (unsigned long long)deleted);
    else
        cli_report_line(app, "Deleted %llu objects", (unsigned long long)deleted);
}

static int delete_many(struct cli_app *app, const struct cli_address *address,
                       struct tarn_error *err)
{
    uint64_t seen = 0;
    struct cli_delete batch;
    int rc = cli_delete_init(&batch, app, address->bucket, err);
    if (rc < 0)
        return rc;
    rc = cli_match_each(app, address, add_key, &batch, &seen, err);
    if (!cli_app_is_over(app))
        cli_delete_flush(&batch);
    if (rc == TARN_OK && !cli_app_is_over(app))
        report_count(app, seen, batch.deleted);
    cli_delete_release(&batch);
    return rc;
}

struct version_sweep {
    struct cli_delete batch;
    size_t common_len; /* of each key, not part of the name that filters see */
    uint64_t versions;
    uint64_t markers;
};

static int add_version(void *arg, const struct tarn_version_entry *entry, struct tarn_error *err)
{
    struct version_sweep *s = arg;
    size_t len = strlen(entry->key);
    if (!cli_filter_takes(&s->batch.app->opt,
                          entry->key + (len > s->common_len ? s->common_len : 0)))
        return TARN_OK;
    s->versions += !entry->is_delete_marker;
    s->markers += entry->is_delete_marker;
    return cli_delete_add_version(&s->batch, entry->key, entry->version_id, err);
}

static void report_versions(struct cli_app *app, const struct version_sweep *s)
{
    if (s->versions + s->markers == 0)
        cli_report_note(app, "No objects or versions found.");
    else
        cli_report_line(app, "%s%llu versions, %llu delete markers",
                        app->opt.dry_run ? "\n(dry-run) Would delete " : "Deleted ",
                        (unsigned long long)s->versions, (unsigned long long)s->markers);
}

/* Of the newest first, so that an older version never comes back to light in between. */
static int delete_versions(struct cli_app *app, const struct cli_address *address,
                           struct tarn_error *err)
{
    struct version_sweep s = { .common_len = 0 };
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc = cli_match_key(app, address, &key, err);
    if (rc == TARN_OK)
        rc = cli_delete_init(&s.batch, app, address->bucket, err);
    if (rc < 0)
        return rc;
    s.common_len = (size_t)(cli_name_last(key.data) - key.data);
    if (app->opt.recursive && !cli_match_is_pattern(app, address) && key.len > 0)
        s.common_len = key.data[key.len - 1] == '/' ? key.len : key.len + 1;
    rc = cli_version_each(app, address, add_version, &s, err);
    if (!cli_app_is_over(app))
        cli_delete_flush(&s.batch);
    if (rc == TARN_OK && !cli_app_is_over(app) && s.batch.failed == 0)
        report_versions(app, &s);
    cli_delete_release(&s.batch);
    return rc;
}

static int delete_address(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct cli_app *app = user;
    if (app->opt.all_versions)
        return delete_versions(app, address, err);
    return app->opt.recursive || cli_match_is_pattern(app, address) ? delete_many(app, address, err)
                                                                    : delete_one(app, address, err);
}

/* "*", "**" and "?*" are the whole bucket, however they are spelt. */
static bool is_whole_bucket(const char *key)
{
    return key[strspn(key, "*?")] == '\0' && (key[0] == '\0' || strchr(key, '*'));
}

static int check(struct cli_app *app, const char *text, struct cli_address *address,
                 struct tarn_error *err)
{
    const struct cli_options *opt = &app->opt;
    int rc = cli_address_parse_s3(text, address, err);
    if (rc < 0)
        return rc;
    bool is_many = opt->recursive || cli_match_is_pattern(app, address);
    if (!is_many && address->name[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" names no key (-r --force empties a bucket)", text);
    if ((is_many || app->operand_count > 1) && (opt->version_id || opt->if_match))
        return tn_fail(err, TARN_EINVAL, "\"--version-id\" and \"--if-match\" want one exact key");
    if (!is_many || opt->force || opt->dry_run)
        return TARN_OK;
    if (is_whole_bucket(address->name))
        return tn_fail(err, TARN_EINVAL, "deleting all of s3://%s needs \"--force\"",
                       address->bucket);
    if (opt->recursive && isatty(STDIN_FILENO) != 1)
        return tn_fail(err, TARN_EINVAL, "\"-r\" needs \"--force\" when nobody is at the terminal");
    return TARN_OK;
}

int cli_run_rm(struct cli_app *app)
{
    const struct cli_operands operands = { .read = check, .work = delete_address, .user = app };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    cli_report_stat(app, "Delete", false);
    return (int)cli_app_exit(app);
}
