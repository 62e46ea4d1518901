/* SPDX-License-Identifier: Apache-2.0 */
/* tarn doctor: says what it would work with, and tries it. */

#include <sys/resource.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cli/app.h"

enum { FILES_WANTED = 1024 };

struct check {
    struct cli_app *app;
    int failed;
};

static void tell(struct check *c, const char *name, bool is_good, const char *text,
                 const char *hint)
{
    c->failed += !is_good;
    if (c->app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(c->app, &json, is_good);
        cli_json_text(&json, "check", name);
        cli_json_text(&json, "result", text);
        cli_json_text(&json, "hint", is_good ? NULL : hint);
        cli_report_json_end(c->app, &json);
        return;
    }
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    int rc = tn_buf_appendf(&line, "%-6s %-14s ", is_good ? "ok" : "FAILED", name);
    if (rc == TARN_OK)
        rc = cli_message_append(&line, tn_str_from(text));
    if (rc == TARN_OK)
        cli_report_line(c->app, "%s", line.data);
    if (!is_good && hint)
        cli_report_line(c->app, "%21s  %s", "", hint);
}

static const char *hint_for(const struct tarn_error *err)
{
    switch (err->status) {
    case TARN_ECREDENTIALS:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile";
    case TARN_ENETWORK:
    case TARN_ETIMEOUT:
        return "is the server up, and --endpoint right? behind a proxy, set https_proxy";
    case TARN_EPROTOCOL:
        return "whoever answers there is no S3 server";
    case TARN_EDENIED:
        return "the keys are known but not allowed this, or not known to this server";
    case TARN_ENOBUCKET:
        return "make it with \"tarn mb\", or is it on another endpoint?";
    default:
        return NULL;
    }
}

static void check_files(struct check *c)
{
    struct rlimit limit = { 0 };
    char text[64];
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    (void)snprintf(text, sizeof text, "%llu files may be open", (unsigned long long)limit.rlim_max);
    tell(c, "limits", limit.rlim_max >= FILES_WANTED, text, "raise it with \"ulimit -Hn\"");
}

static bool check_credentials(struct check *c)
{
    struct tarn_credentials keys;
    struct tarn_error err = { 0 };
    char text[320];
    if (tarn_client_get_credentials(c->app->client, &keys, &err) < 0) {
        tell(c, "credentials", false, err.message, hint_for(&err));
        return false;
    }
    if (keys.access_key[0] == '\0') {
        tell(c, "credentials", true, "anonymous", NULL);
    } else if (keys.expires_ms > 0) {
        char when[TN_TIME_LEN];
        cli_time_text(keys.expires_ms, when);
        (void)snprintf(text, sizeof text, "%s, from %s, until %s UTC", keys.access_key, keys.source,
                       when);
        tell(c, "credentials", true, text, NULL);
    } else {
        (void)snprintf(text, sizeof text, "%s, from %s%s", keys.access_key, keys.source,
                       keys.session_token[0] ? ", with a session token" : "");
        tell(c, "credentials", true, text, NULL);
    }
    tarn_credentials_wipe(&keys);
    return true;
}

static int count_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    uint64_t *count = arg;
    (void)entry;
    ++*count;
    return TARN_OK;
}

static void check_service(struct check *c)
{
    struct tarn_bucket_options options = { .request = cli_app_request(c->app) };
    struct tarn_error err = { 0 };
    uint64_t count = 0;
    char text[128];
    uint64_t start_ns = tn_now_ns();
    int rc = tarn_bucket_list(c->app->client, &options, count_bucket, &count, &err);
    uint64_t ms = (tn_now_ns() - start_ns) / 1000000u;
    if (rc == TARN_EDENIED && err.http_status == 403) {
        (void)snprintf(text, sizeof text, "answers in %llu ms; these keys may not list buckets",
                       (unsigned long long)ms);
        bool is_unknown = strcmp(err.s3_code, "InvalidAccessKeyId") == 0 ||
                          strcmp(err.s3_code, "SignatureDoesNotMatch") == 0;
        tell(c, "service", !is_unknown, is_unknown ? err.message : text, hint_for(&err));
        return;
    }
    (void)snprintf(text, sizeof text, "answers in %llu ms; %llu buckets", (unsigned long long)ms,
                   (unsigned long long)count);
    tell(c, "service", rc == TARN_OK, rc < 0 ? err.message : text, hint_for(&err));
}

static void check_bucket(struct check *c, const char *operand)
{
    struct tarn_bucket_options options = { .request = cli_app_request(c->app) };
    struct tarn_list_options list = { .request = options.request, .page_size = 1 };
    struct tarn_error err = { 0 };
    struct cli_address address;
    char region[TARN_REGION_LEN_MAX] = "";
    char text[512];
    const struct tarn_list_entry *entry;
    int rc = cli_address_parse_s3(operand, &address, &err);
    uint64_t start_ns = tn_now_ns();
    if (rc == TARN_OK)
        rc = tarn_bucket_head(c->app->client, address.bucket, &options, region, &err);
    if (rc == TARN_OK) {
        list.prefix = address.name;
        struct tarn_list *l = tarn_list_open(c->app->client, address.bucket, &list, &err);
        rc = l ? tarn_list_next(l, &entry, &err) : TARN_ENOMEM;
        tarn_list_free(l);
    }
    (void)snprintf(text, sizeof text, "connected in %llu ms%s%s",
                   (unsigned long long)((tn_now_ns() - start_ns) / 1000000u),
                   region[0] ? ", region " : "", region);
    tell(c, operand, rc == TARN_OK, rc < 0 ? err.message : text, hint_for(&err));
}

int cli_run_doctor(struct cli_app *app)
{
    struct check c = { .app = app };
    struct tarn_error err = { 0 };
    check_files(&c);
    if (cli_app_connect(app, &err) < 0) {
        tell(&c, "configuration", false, err.message, hint_for(&err));
        return CLI_EXIT_FATAL;
    }
    char text[512];
    (void)snprintf(text, sizeof text, "%s, region %s", tarn_client_endpoint(app->client),
                   tarn_client_region(app->client));
    tell(&c, "endpoint", true, text, NULL);
    if (check_credentials(&c)) {
        check_service(&c);
        for (int i = 0; i < app->operand_count && !cli_app_is_over(app); i++)
            check_bucket(&c, app->operands[i]);
    }
    cli_app_disconnect(app);
    return c.failed > 0 ? CLI_EXIT_PARTIAL : CLI_EXIT_OK;
}
