/* SPDX-License-Identifier: Apache-2.0 */
/* One run of tarn: client, exit status. */

#include "cli/app.h"

#include <strings.h>

#include "base/fail.h"
#include "cli/ask.h"
#include "cli/interrupt.h"

static void fill_config(const struct cli_options *opt, bool asks, struct tarn_config *config)
{
    tarn_config_init(config);
    config->endpoint = opt->endpoint;
    config->region = opt->region;
    config->profile = opt->profile;
    config->credentials_file = opt->credentials_file;
    config->ca_bundle = opt->ca_bundle;
    config->is_anonymous = opt->no_sign_request;
    config->skip_tls_verify = opt->no_verify_ssl;
    config->is_requester_pays = opt->request_payer;
    config->use_acceleration = opt->use_acceleration;
    config->use_dualstack = opt->use_dualstack;
    config->use_fips = opt->use_fips;
    config->proxy = opt->proxy;
    config->mfa_code = opt->mfa_code;
    config->mfa_fn = asks ? cli_ask_mfa_code : NULL;
    config->bandwidth_max = opt->max_bandwidth;
    config->request_rate_max = (double)opt->request_rate;
    if (opt->path_style)
        config->addressing = TARN_ADDRESSING_PATH;
    if (opt->virtual_host)
        config->addressing = TARN_ADDRESSING_VIRTUAL;
    if (opt->has_retries_max)
        config->retries_max = (int)opt->retries_max;
    if (opt->memory)
        config->memory_max = opt->memory;
}

int cli_app_connect(struct cli_app *app, struct tarn_error *err)
{
    struct tarn_config config;
    /* Who completes a line is not asked in the middle of it. */
    fill_config(&app->opt, app->command->id != CLI_COMPLETION, &config);
    if (app->opt.checksum && strcasecmp(app->opt.checksum, "NONE") == 0) {
        config.checksum = TARN_CHECKSUM_NONE;
    } else if (app->opt.checksum) {
        int rc = tarn_checksum_from_name(app->opt.checksum, &config.checksum);
        if (rc < 0)
            return tn_fail(err, rc, "unknown checksum \"%s\"", app->opt.checksum);
    }
    if (app->opt.sse_c_key_file) {
        struct tarn_error bad = { 0 };
        int rc = cli_customer_key_read(app->opt.sse_c_key_file, &app->customer_key, &bad);
        if (rc < 0)
            return tn_fail(err, rc == TARN_ENOMEM ? rc : TARN_ECONFIG, "%s", bad.message);
    }
    struct tarn_error why = { 0 };
    app->client = tarn_client_new(&config, &why);
    if (!app->client) {
        if (err)
            *err = why;
        return why.status < 0 ? why.status : TARN_ENOMEM;
    }
    cli_interrupt_watch(app->client);
    return TARN_OK;
}

void cli_app_disconnect(struct cli_app *app)
{
    cli_interrupt_watch(NULL);
    tarn_client_free(app->client);
    cli_customer_key_wipe(&app->customer_key);
    app->client = NULL;
}

struct cli_progress *cli_app_progress(struct cli_app *app)
{
    return app->parent ? &app->parent->progress : &app->progress;
}

bool cli_app_is_over(struct cli_app *app)
{
    return cli_interrupt_signal() != 0 || (app->is_reader && cli_out_is_closed(&app->out));
}

struct tarn_request cli_app_request(const struct cli_app *app)
{
    const struct cli_app *root = app->parent ? app->parent : app;
    return (struct tarn_request){ .is_requester_pays = app->opt.request_payer,
                                  .headers = root->customer_key.headers,
                                  .header_count = root->customer_key.count };
}

struct tarn_request cli_app_copy_request(const struct cli_app *app)
{
    struct tarn_request request = cli_app_request(app);
    request.header_count *= 2; /* those for the source stand behind */
    return request;
}

int cli_app_explain_absence(struct cli_app *app, const char *bucket, int rc, struct tarn_error *err)
{
    struct tarn_bucket_options options = { .request = cli_app_request(app) };
    char region[TARN_REGION_LEN_MAX];
    struct tarn_error why = { 0 };
    if (rc != TARN_ENOTFOUND || err->http_status != 404 || err->s3_code[0] != '\0')
        return rc;
    int found = tarn_bucket_head(app->client, bucket, &options, region, &why);
    if (found != TARN_ENOTFOUND && found != TARN_ENOBUCKET)
        return rc;
    why.status = TARN_ENOBUCKET;
    (void)snprintf(why.s3_code, sizeof why.s3_code, "NoSuchBucket");
    *err = why;
    return TARN_ENOBUCKET;
}

enum cli_exit cli_exit_of(const struct tarn_error *err)
{
    switch (err->status) {
    case TARN_OK:
        return CLI_EXIT_OK;
    case TARN_EINVAL:
    case TARN_ETOOBIG:
    case TARN_ECONFIG:
    case TARN_ECREDENTIALS:
    case TARN_ENOBUCKET:
    case TARN_ENOSPACE:
        return CLI_EXIT_FATAL;
    case TARN_EDENIED: /* an archived object refuses everybody, and alone */
        return strcmp(err->s3_code, "InvalidObjectState") == 0 ? CLI_EXIT_PARTIAL : CLI_EXIT_FATAL;
    case TARN_ECHECKSUM:
    case TARN_ECORRUPT:
        return CLI_EXIT_INTEGRITY;
    case TARN_ECONFLICT: /* without an answer: the file changed while it was read */
        return err->http_status == 0 ? CLI_EXIT_INTEGRITY : CLI_EXIT_PARTIAL;
    default:
        return CLI_EXIT_PARTIAL;
    }
}

enum cli_exit cli_app_exit(struct cli_app *app)
{
    if (atomic_load(&app->has_mismatch))
        return CLI_EXIT_INTEGRITY;
    if (atomic_load(&app->failed) == 0)
        return atomic_load(&app->is_incomplete) ? CLI_EXIT_PARTIAL : CLI_EXIT_OK;
    bool has_done_something = atomic_load(&app->succeeded) + atomic_load(&app->skipped) > 0;
    return atomic_load(&app->has_fatal) && !has_done_something ? CLI_EXIT_FATAL : CLI_EXIT_PARTIAL;
}
