/* SPDX-License-Identifier: Apache-2.0 */
/* tarn buffer gc: takes away what crashed programs left of their buffers. */

#include "base/fail.h"
#include "cli/app.h"

static void show(void *arg, const char *key, const char *upload_id, uint64_t size)
{
    struct cli_app *app = arg;
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "key", key);
        cli_json_text(&json, "upload_id", upload_id);
        if (!upload_id)
            cli_json_u64(&json, "size", size);
        if (app->opt.dry_run)
            cli_json_bool(&json, "dry_run", true);
        cli_report_json_end(app, &json);
        return;
    }
    if (cli_text_append(&text, tn_str_from(key)) == TARN_OK)
        cli_report_line(app, "%s%s%s", app->opt.dry_run ? "(dry-run) Would remove " : "Removed ",
                        upload_id ? "upload of " : "", text.data);
}

int cli_run_buffer(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    struct cli_address address;
    struct tarn_buffer_gc_options options = { .request = cli_app_request(app),
                                              .older_than_ms =
                                                  (int64_t)app->opt.older_than_s * 1000,
                                              .is_dry_run = app->opt.dry_run };
    int rc = strcmp(app->operands[0], "gc") == 0
                 ? cli_address_parse_s3(app->operands[1], &address, &err)
                 : tn_fail(&err, TARN_EINVAL, "\"%s\" is not gc", app->operands[0]);
    if (rc < 0)
        return cli_report_usage(app, &err);
    rc = tarn_buffer_gc(app->client, address.bucket, address.name, &options, show, app, NULL, &err);
    if (rc < 0)
        cli_report_failure(app, (struct cli_place){ address.bucket, address.name },
                           (struct cli_place){ 0 }, &err);
    return (int)cli_app_exit(app);
}
