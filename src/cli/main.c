/* SPDX-License-Identifier: Apache-2.0 */
/* tarn: move data to, from and within S3. */

#include <signal.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cli/app.h"
#include "cli/filter.h"
#include "cli/help.h"
#include "cli/interrupt.h"

static int (*const runs[CLI_COMMAND_COUNT])(struct cli_app *app) = {
    [CLI_LOCK] = cli_run_lock,
    [CLI_BUFFER] = cli_run_buffer,
    [CLI_SELFTEST] = cli_run_selftest,
    [CLI_MV] = cli_run_mv,
    [CLI_SYNC] = cli_run_sync,
    [CLI_RUN] = cli_run_run,
    [CLI_CP] = cli_run_cp,
    [CLI_LS] = cli_run_ls,
    [CLI_CAT] = cli_run_cat,
    [CLI_PIPE] = cli_run_pipe,
    [CLI_RM] = cli_run_rm,
    [CLI_HEAD] = cli_run_head,
    [CLI_MB] = cli_run_mb,
    [CLI_RB] = cli_run_rb,
    [CLI_PRESIGN] = cli_run_presign,
    [CLI_VERSIONS] = cli_run_versions,
    [CLI_RESTORE] = cli_run_restore,
    [CLI_TAG] = cli_run_tag,
    [CLI_ATTR] = cli_run_attr,
    [CLI_SELECT_CLASS] = cli_run_select_class,
    [CLI_DU] = cli_run_du,
    [CLI_FIND] = cli_run_find,
    [CLI_ADMIN] = cli_run_admin,
};

static bool is_error_mode(const struct cli_app *app, const char *mode)
{
    return app->opt.error_mode && strcasecmp(app->opt.error_mode, mode) == 0;
}

int cli_app_run(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    app->stops_at_failure = is_error_mode(app, "abort");
    app->opt.no_resume |= is_error_mode(app, "skip");
    if (cli_filter_load(&app->opt, &err) < 0)
        return cli_report_usage(app, &err);
    int code = runs[app->command->id](app);
    cli_filter_unload(&app->opt);
    return code;
}

/* Stands for a command line that names none, so that errors have something to refer to. */
static const struct cli_command no_command = { .name = "" };

static int show_help(struct cli_app *app, const struct cli_command *command)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    int rc = cli_help_append(&text, command);
    if (rc == TARN_OK)
        rc = cli_out_bytes(&app->out, text.data, text.len);
    return rc == TARN_ENOMEM ? CLI_EXIT_FATAL : CLI_EXIT_OK;
}

static int run_help(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    if (app->operand_count == 0)
        return show_help(app, NULL);
    const struct cli_command *command = cli_command_find(app->operands[0]);
    if (command)
        return show_help(app, command);
    const char *nearest = cli_command_nearest(app->operands[0]);
    (void)tn_fail(&err, TARN_EINVAL, "unknown command \"%s\"%s%s%s", app->operands[0],
                  nearest ? " (did you mean \"" : "", nearest ? nearest : "",
                  nearest ? "\"?)" : "");
    return cli_report_usage(app, &err);
}

static int show_version(struct cli_app *app)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        app->command = cli_command_find("version");
        cli_report_json(app, &json, true);
        cli_json_text(&json, "version", tarn_version());
        cli_report_json_end(app, &json);
        return CLI_EXIT_OK;
    }
    int rc = tn_buf_appendf(&text, "tarn %s\n", tarn_version());
    if (rc == TARN_OK)
        rc = cli_out_bytes(&app->out, text.data, text.len);
    return rc == TARN_ENOMEM ? CLI_EXIT_FATAL : CLI_EXIT_OK;
}

/* Each transfer has a file and a connection open. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int run_connected(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    raise_file_limit();
    int rc = cli_app_connect(app, &err);
    if (rc < 0) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        return rc == TARN_ENOMEM ? CLI_EXIT_FATAL : (int)cli_exit_of(&err);
    }
    if (app->opt.no_verify_ssl && !app->opt.quiet)
        cli_out_error(&app->out, TN_STR("tarn: warning: the server's certificate is not verified"));
    int code = cli_app_run(app);
    cli_app_disconnect(app);
    return code;
}

static int run(struct cli_app *app, struct cli_line *line)
{
    app->opt = line->opt;
    app->operands = line->operands;
    app->operand_count = line->operand_count;
    app->out.tells_progress = app->opt.show_progress;
    if (app->opt.version)
        return show_version(app);
    if (app->opt.help)
        return show_help(app, line->command);
    switch (line->command->id) {
    case CLI_HELP:
        return run_help(app);
    case CLI_VERSION:
        return show_version(app);
    case CLI_DOCTOR:
        return cli_run_doctor(app);
    case CLI_COMPLETION:
        return cli_run_completion(app);
    case CLI_MOCK:
        return cli_run_mock(app);
    default:
        return run_connected(app);
    }
}

static int finish(struct cli_app *app, int code)
{
    struct tarn_error err = { 0 };
    int rc = cli_out_flush(&app->out, &err);
    if (rc < 0 && code == CLI_EXIT_OK) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        code = CLI_EXIT_PARTIAL;
    }
    if (app->is_reader && cli_out_is_closed(&app->out) && cli_interrupt_signal() == 0)
        return CLI_EXIT_OK;
    return code;
}

/* A line that is wrong may be so before the option is reached. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct cli_app app = { .command = &no_command, .started_ns = tn_now_ns() };
    struct cli_line line = { 0 };
    struct tarn_error err = { 0 };
    int code;

    (void)signal(SIGPIPE, SIG_IGN);
    cli_out_init(&app.out);
    int rc = cli_line_parse(argc, argv, &line, &err);
    if (line.command)
        app.command = line.command;
    app.opt.json = line.opt.json || (rc < 0 && wants_json(argc, argv));
    code = rc < 0 ? cli_report_usage(&app, &err) : run(&app, &line);
    code = finish(&app, code);
    cli_line_release(&line);
    cli_out_release(&app.out);
    if (cli_interrupt_signal() != 0)
        cli_interrupt_raise();
    return code;
}
