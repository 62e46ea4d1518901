/* SPDX-License-Identifier: Apache-2.0 */
/* tarn cat */

#include "base/fail.h"
#include "cli/app.h"
#include "cli/byte_range.h"
#include "cli/match.h"
#include "cli/operands.h"

struct cat {
    struct cli_app *app;
    const char *bucket;
    struct cli_byte_range range;
    uint64_t written; /* of the object at hand */
};

static int write_out(void *arg, const void *bytes, size_t len)
{
    struct cat *c = arg;
    int rc = cli_out_bytes(&c->app->out, bytes, len);
    if (rc < 0)
        return cli_out_is_closed(&c->app->out) ? TARN_ECANCELLED : rc;
    c->written += len;
    return TARN_OK;
}

/* The last bytes of an object: one request, as S3 has it. */
static int cat_suffix(struct cat *c, const char *key, struct tarn_error *err)
{
    struct tarn_get_options options = { .request = cli_app_request(c->app),
                                        .version_id = c->app->opt.version_id,
                                        .range_suffix = c->range.suffix };
    return tarn_object_get(c->app->client, c->bucket, key, write_out, c, &options, NULL, err);
}

/* `entry` may be NULL: then nothing is known about the object yet. */
static int cat_key(struct cat *c, const char *key, const struct tarn_list_entry *entry,
                   struct tarn_error *err)
{
    const struct cli_options *opt = &c->app->opt;
    struct tarn_transfer_options options = { .request = cli_app_request(c->app),
                                             .part_size = opt->part_size_mib << 20,
                                             .concurrency = (uint32_t)opt->concurrency,
                                             .version_id = opt->version_id };
    c->written = 0;
    if (c->range.kind == CLI_RANGE_SUFFIX)
        return cat_suffix(c, key, err);
    if (c->range.kind == CLI_RANGE_BOUNDS) {
        options.has_range = true;
        options.range_first = c->range.first;
        options.range_last = c->range.last;
    }
    if (entry) {
        options.has_size_hint = true;
        options.size_hint = entry->size;
        options.etag_hint = entry->etag;
    }
    return tarn_download_stream(c->app->client, c->bucket, key, write_out, c, &options, NULL, err);
}

/* A failure with one object does not keep the others from being written. */
static void cat_and_count(struct cat *c, const char *key, const struct tarn_list_entry *entry)
{
    struct tarn_error err = { 0 };
    int rc = cat_key(c, key, entry, &err);
    if (cli_app_explain_absence(c->app, c->bucket, rc, &err) < 0) {
        cli_report_failure(c->app, (struct cli_place){ c->bucket, key }, (struct cli_place){ 0 },
                           &err);
        return;
    }
    atomic_fetch_add(&c->app->succeeded, 1);
    atomic_fetch_add(&c->app->bytes, c->written);
}

static int cat_entry(void *arg, const struct tarn_list_entry *entry, const char *name,
                     struct tarn_error *err)
{
    struct cat *c = arg;
    (void)name;
    cat_and_count(c, entry->key, entry);
    if (cli_app_is_over(c->app))
        return tn_fail(err, TARN_ECANCELLED, "interrupted");
    return TARN_OK;
}

static int cat_pattern(struct cat *c, const struct cli_address *address, struct tarn_error *err)
{
    uint64_t seen = 0;
    int rc = cli_match_each(c->app, address, cat_entry, c, &seen, err);
    if (rc == TARN_OK && seen == 0)
        return tn_fail(err, TARN_ENOTFOUND, "no object matches");
    return rc;
}

static int cat_address(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct cat *c = user;
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc;
    c->bucket = address->bucket;
    if (cli_match_is_pattern(c->app, address)) {
        rc = cat_pattern(c, address, err);
    } else {
        rc = cli_match_key(c->app, address, &key, err);
        if (rc == TARN_OK)
            cat_and_count(c, key.data, NULL);
    }
    return rc;
}

static int check(struct cli_app *app, const char *text, struct cli_address *address,
                 struct tarn_error *err)
{
    int rc = cli_address_parse_s3(text, address, err);
    if (rc == TARN_OK && address->name[0] == '\0')
        rc = tn_fail(err, TARN_EINVAL, "\"%s\" names no key", text);
    if (rc == TARN_OK && app->opt.version_id &&
        (app->operand_count > 1 || cli_match_is_pattern(app, address)))
        rc = tn_fail(err, TARN_EINVAL, "\"--version-id\" wants one exact key");
    return rc;
}

int cli_run_cat(struct cli_app *app)
{
    struct cat c = { .app = app };
    struct tarn_error err = { 0 };
    app->is_reader = true;
    if (app->opt.range && cli_byte_range_parse(app->opt.range, &c.range, &err) < 0)
        return cli_report_usage(app, &err);
    const struct cli_operands operands = { .read = check, .work = cat_address, .user = &c };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    if (!cli_app_is_over(app))
        cli_report_stat(app, "Read", true);
    return (int)cli_app_exit(app);
}
