/* SPDX-License-Identifier: Apache-2.0 */
/* tarn mock: a tarnd for tests, until the command ends or a signal comes. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tarn/mock.h>

#include "base/fail.h"
#include "cli/app.h"
#include "cli/child.h"

enum { LOOK_MS = 200, PAIR_COUNT = 10 };

struct pair {
    const char *name;
    const char *value; /* NULL: it must not be set, or clients mix it with these keys */
};

static void fill_pairs(const struct tarn_mock *mock, struct pair out[PAIR_COUNT])
{
    const char *endpoint = tarn_mock_endpoint(mock);
    out[0] = (struct pair){ "AWS_ENDPOINT_URL", endpoint };
    out[1] = (struct pair){ "AWS_ENDPOINT_URL_S3", endpoint };
    out[2] = (struct pair){ "AWS_ACCESS_KEY_ID", tarn_mock_access_key(mock) };
    out[3] = (struct pair){ "AWS_SECRET_ACCESS_KEY", tarn_mock_secret_key(mock) };
    out[4] = (struct pair){ "AWS_REGION", "us-east-1" };
    out[5] = (struct pair){ "AWS_DEFAULT_REGION", "us-east-1" };
    out[6] = (struct pair){ "AWS_SESSION_TOKEN", NULL };
    out[7] = (struct pair){ "AWS_SECURITY_TOKEN", NULL };
    out[8] = (struct pair){ "AWS_PROFILE", NULL };
    out[9] = (struct pair){ "AWS_DEFAULT_PROFILE", NULL };
}

/* Not by cli_report_line: --quiet must not take the only thing away that it writes. */
static void tell(struct cli_app *app, const struct tarn_mock *mock)
{
    struct pair pairs[PAIR_COUNT];
    struct tarn_error err = { 0 };
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    fill_pairs(mock, pairs);
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "endpoint", tarn_mock_endpoint(mock));
        cli_json_text(&json, "access_key", tarn_mock_access_key(mock));
        cli_json_text(&json, "secret_key", tarn_mock_secret_key(mock));
        cli_json_text(&json, "region", "us-east-1");
        cli_json_text(&json, "data", tarn_mock_data(mock));
        cli_json_u64(&json, "pid", (uint64_t)tarn_mock_pid(mock));
        cli_report_json_end(app, &json);
    } else {
        int rc = TARN_OK;
        for (size_t i = 0; i < TN_COUNT(pairs) && rc == TARN_OK; i++)
            rc = pairs[i].value
                     ? tn_buf_appendf(&text, "export %s='%s'\n", pairs[i].name, pairs[i].value)
                     : tn_buf_appendf(&text, "unset %s\n", pairs[i].name);
        if (rc == TARN_OK)
            rc = cli_out_bytes(&app->out, text.data, text.len);
        (void)rc; /* what failed to be written is told by cli_out_flush */
    }
    if (cli_out_flush(&app->out, &err) < 0)
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
}

static int run_command(struct cli_app *app, const struct tarn_mock *mock)
{
    struct pair pairs[PAIR_COUNT];
    struct tarn_error err = { 0 };
    fill_pairs(mock, pairs);
    for (size_t i = 0; i < TN_COUNT(pairs); i++)
        (void)(pairs[i].value ? setenv(pairs[i].name, pairs[i].value, 1) : unsetenv(pairs[i].name));
    struct cli_child child;
    if (cli_child_start(&child, app->operands, app->operand_count, &err) < 0) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        return CLI_EXIT_FATAL;
    }
    while (!cli_child_poll(&child, -1, LOOK_MS))
        continue;
    return child.exit_code;
}

static int wait_for_signal(struct cli_app *app, const struct tarn_mock *mock)
{
    struct tarn_error err = { 0 };
    while (!cli_child_signal()) {
        struct timespec nap = { 0, LOOK_MS * 1000000L };
        (void)nanosleep(&nap, NULL);
        siginfo_t info = { 0 };
        /* It stays to be waited for: its number is not free for others before tarn_mock_stop. */
        int rc = waitid(P_PID, (id_t)tarn_mock_pid(mock), &info, WEXITED | WNOHANG | WNOWAIT);
        if (rc < 0 || info.si_pid != 0) {
            (void)tn_fail(&err, TARN_EIO, "tarnd has ended");
            cli_report_fatal(app, (struct cli_place){ 0 }, &err);
            return CLI_EXIT_PARTIAL;
        }
    }
    return CLI_EXIT_OK;
}

int cli_run_mock(struct cli_app *app)
{
    const struct cli_options *opt = &app->opt;
    struct tarn_error err = { 0 };
    struct tarn_mock_options options = { .data = opt->data,
                                         .port = (int)opt->port,
                                         .buckets = opt->buckets.items,
                                         .bucket_count = opt->buckets.count,
                                         .keep = opt->keep,
                                         .ends_with_thread = true };
    cli_child_watch_signals();
    struct tarn_mock *mock = tarn_mock_start(&options, &err);
    if (!mock) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        return (int)cli_exit_of(&err);
    }
    int code;
    if (app->operand_count > 0) {
        code = run_command(app, mock);
    } else {
        tell(app, mock);
        code = wait_for_signal(app, mock);
    }
    if (opt->keep)
        cli_report_note(app, "Kept %s", tarn_mock_data(mock));
    if (tarn_mock_stop(mock, &err) < 0 && code == CLI_EXIT_OK) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        code = CLI_EXIT_PARTIAL;
    }
    return code;
}
