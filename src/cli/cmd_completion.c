/* SPDX-License-Identifier: Apache-2.0 */
/* tarn completion */

#include "base/fail.h"
#include "cli/app.h"
#include "cli/completion.h"

enum { NAMES_MAX = 500, SCRIPT_LEN_MAX = 1 << 20 };

struct naming {
    struct cli_app *app;
    const char *word; /* of the bucket, as far as it goes */
    int count;
};

static int say(struct cli_app *app, const char *bucket, const char *key)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    int rc = tn_buf_appendf(&line, "s3://%s/%s", bucket, key);
    if (rc == TARN_OK && strpbrk(line.data, "\n\r")) /* a shell cannot take it */
        return TARN_OK;
    return rc == TARN_OK ? cli_out_line(&app->out, tn_buf_str(&line)) : rc;
}

static int on_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    struct naming *n = arg;
    if (strncmp(entry->name, n->word, strlen(n->word)) != 0 || n->count++ >= NAMES_MAX)
        return TARN_OK;
    return say(n->app, entry->name, "");
}

static int name_keys(struct cli_app *app, const struct cli_address *address, struct tarn_error *err)
{
    struct tarn_list_options options = { .request = cli_app_request(app),
                                         .prefix = address->name,
                                         .delimiter = "/",
                                         .page_size = NAMES_MAX };
    const struct tarn_list_entry *entry = NULL;
    struct tarn_list *list = tarn_list_open(app->client, address->bucket, &options, err);
    int rc = list ? TARN_OK : TARN_ENOMEM;
    for (int i = 0; i < NAMES_MAX && rc == TARN_OK; i++) {
        rc = tarn_list_next(list, &entry, err);
        if (rc < 0 || !entry)
            break;
        rc = say(app, address->bucket, entry->key);
    }
    tarn_list_free(list);
    return rc;
}

/* Quiet in all trouble: nobody wants errors between the letters that are being typed. */
static int run_names(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    struct cli_address address = { 0 };
    const char *word = app->operand_count > 1 ? app->operands[1] : "s3://";
    struct naming n = { .app = app };
    bool is_short = strlen(word) < 5 && strncmp(word, "s3://", strlen(word)) == 0;
    bool is_bucket = is_short || (strncmp(word, "s3://", 5) == 0 && !strchr(word + 5, '/'));
    if (!is_bucket && cli_address_parse_s3(word, &address, &err) < 0)
        return CLI_EXIT_OK;
    if (cli_app_connect(app, &err) < 0)
        return CLI_EXIT_OK;
    app->is_reader = true;
    n.word = is_short ? "" : word + 5;
    struct tarn_bucket_options options = { .request = cli_app_request(app) };
    int rc = is_bucket ? tarn_bucket_list(app->client, &options, on_bucket, &n, &err)
                       : name_keys(app, &address, &err);
    cli_app_disconnect(app);
    return rc < 0 ? CLI_EXIT_PARTIAL : CLI_EXIT_OK;
}

int cli_run_completion(struct cli_app *app)
{
    TN_AUTO_BUF script = TN_BUF_INIT(SCRIPT_LEN_MAX);
    struct tarn_error err = { 0 };
    if (strcmp(app->operands[0], "names") == 0)
        return run_names(app);
    int rc =
        app->operand_count == 1 ? cli_completion_append(&script, app->operands[0]) : TARN_EINVAL;
    if (rc == TARN_EINVAL) {
        (void)tn_fail(&err, rc, "expected bash, zsh or fish");
        return cli_report_usage(app, &err);
    }
    if (rc == TARN_OK)
        rc = cli_out_bytes(&app->out, script.data, script.len);
    return rc == TARN_ENOMEM ? CLI_EXIT_FATAL : CLI_EXIT_OK;
}
