/* SPDX-License-Identifier: Apache-2.0 */
/* tarn presign */

#include "base/fail.h"
#include "cli/app.h"

enum { EXPIRES_DEFAULT_S = 3600, QUERY_MAX = 2 };

static int check(const struct cli_app *app, const char *method, struct cli_address *address,
                 struct tarn_error *err)
{
    const struct cli_options *opt = &app->opt;
    int rc = cli_address_parse_s3(app->operands[0], address, err);
    if (rc < 0)
        return rc;
    if (address->name[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" names no key", app->operands[0]);
    if (opt->no_sign_request)
        return tn_fail(err, TARN_EINVAL, "a URL cannot be signed with \"--no-sign-request\"");
    bool is_get = strcmp(method, "GET") == 0;
    if (!is_get && (opt->response_content_type || opt->response_content_disposition))
        return tn_fail(err, TARN_EINVAL, "\"--response-...\" goes with the method GET only");
    if (strcmp(method, "PUT") != 0 && opt->content_type)
        return tn_fail(err, TARN_EINVAL, "\"--content-type\" goes with the method PUT only");
    if (strcmp(method, "PUT") == 0 && opt->version_id)
        return tn_fail(err, TARN_EINVAL, "\"--version-id\" does not go with the method PUT");
    return TARN_OK;
}

static void show(struct cli_app *app, const char *url, uint64_t expires_s)
{
    int rc;
    if (!app->opt.json) {
        rc = cli_out_line(&app->out, tn_str_from(url));
        (void)rc; /* what failed to be written is told by cli_out_flush */
        return;
    }
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_json_text(&json, "url", url);
    cli_json_u64(&json, "expires_in", expires_s);
    cli_json_time(&json, "expires_at", tn_wall_ms() + (int64_t)expires_s * 1000);
    cli_report_json_end(app, &json);
}

/* A URL dies with the temporary keys that signed it. */
static void note_early_end(struct cli_app *app, const struct cli_address *address,
                           uint64_t expires_s)
{
    struct tarn_credentials keys;
    char when[TN_TIME_LEN], text[128];
    if (tarn_client_get_credentials(app->client, &keys, NULL) < 0)
        return;
    int64_t end_ms = tn_wall_ms() + (int64_t)expires_s * 1000;
    bool is_told = keys.expires_ms > 0;
    bool ends_early = is_told && keys.expires_ms < end_ms;
    if (ends_early) {
        cli_time_text(keys.expires_ms, when);
        (void)snprintf(text, sizeof text,
                       "temporary credentials sign it: it ends with them, at %s UTC", when);
    } else if (!is_told && keys.session_token[0]) {
        (void)snprintf(text, sizeof text,
                       "temporary credentials sign it: it ends with them, maybe before");
    }
    if ((ends_early || (!is_told && keys.session_token[0])) && !app->opt.quiet)
        cli_report_warning(app, (struct cli_place){ address->bucket, address->name }, text);
    tarn_credentials_wipe(&keys);
}

int cli_run_presign(struct cli_app *app)
{
    const struct cli_options *opt = &app->opt;
    const char *method = opt->method ? opt->method : "GET";
    uint64_t expires_s = opt->expires_s ? opt->expires_s : EXPIRES_DEFAULT_S;
    struct tarn_error err = { 0 };
    struct cli_address address;
    if (check(app, method, &address, &err) < 0)
        return cli_report_usage(app, &err);

    struct tarn_header query[QUERY_MAX];
    size_t count = 0;
    if (opt->response_content_type)
        query[count++] =
            (struct tarn_header){ "response-content-type", opt->response_content_type };
    if (opt->response_content_disposition)
        query[count++] = (struct tarn_header){ "response-content-disposition",
                                               opt->response_content_disposition };
    struct tarn_presign_options options = { .method = method,
                                            .expires_s = (long)expires_s,
                                            .version_id = opt->version_id,
                                            .content_type = opt->content_type,
                                            .query = query,
                                            .query_count = count };
    char url[TARN_URL_LEN_MAX];
    if (tarn_presign(app->client, address.bucket, address.name, &options, url, &err) < 0) {
        cli_report_fatal(app, (struct cli_place){ address.bucket, address.name }, &err);
    } else {
        show(app, url, expires_s);
        note_early_end(app, &address, expires_s);
    }
    return (int)cli_app_exit(app);
}
