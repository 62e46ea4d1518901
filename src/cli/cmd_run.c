/* SPDX-License-Identifier: Apache-2.0 */
/* tarn run: many commands over one client. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/app.h"
#include "cli/tokens.h"
#include "cli/worker_pool.h"

enum { READ_LEN = 64 * 1024, SHOWN_LINE_MAX = 512, POLL_MS = 200 };

struct batch {
    struct cli_app *app;
    const char *name; /* of the file, for messages */
    struct cli_pool *pool;
    _Atomic uint64_t succeeded;
    _Atomic uint64_t failed;
    _Atomic bool has_mismatch;
    _Atomic bool must_stop;
};

struct line {
    uint64_t number; /* from 1 */
    char *text;
};

/* Commands that read standard input, write data to standard output, or last. */
static bool is_refused(const char *name)
{
    static const char *const refused[] = { "run",        "pipe",   "cat",    "help",
                                           "completion", "mock",   "lock",   "buffer",
                                           "admin",      "doctor", "version" };
    for (size_t i = 0; i < TN_COUNT(refused); i++) {
        if (strcmp(refused[i], name) == 0)
            return true;
    }
    return false;
}

static int check_line(const struct cli_line *line, struct tarn_error *err)
{
    const struct cli_options *o = &line->opt;
    if (!line->command || o->help || o->version)
        return tn_fail(err, TARN_EINVAL, "not a command that can be a line of run");
    if (is_refused(line->command->name))
        return tn_fail(err, TARN_EINVAL, "\"%s\" cannot be a line of run", line->command->name);
    for (int i = 0; i < line->operand_count; i++) {
        if (strcmp(line->operands[i], "-") == 0)
            return tn_fail(err, TARN_EINVAL, "\"-\" belongs to run itself");
    }
    if (o->endpoint || o->region || o->profile || o->credentials_file || o->ca_bundle ||
        o->checksum || o->no_sign_request || o->no_verify_ssl || o->path_style || o->virtual_host ||
        o->has_retries_max || o->memory || o->use_acceleration || o->use_dualstack || o->use_fips ||
        o->proxy || o->mfa_code || o->sse_c_key_file || o->max_bandwidth || o->request_rate)
        return tn_fail(err, TARN_EINVAL, "options of the client go with run itself");
    return TARN_OK;
}

static void inherit(struct cli_options *opt, const struct cli_options *from)
{
    opt->json = opt->json || from->json;
    opt->quiet = opt->quiet || from->quiet;
    opt->verbose = opt->verbose || from->verbose;
    opt->request_payer = opt->request_payer || from->request_payer;
    opt->list_v1 = opt->list_v1 || from->list_v1;
    opt->human = (opt->human || from->human) && !opt->json;
    opt->concurrency = opt->concurrency ? opt->concurrency : from->concurrency;
    opt->part_size_mib = opt->part_size_mib ? opt->part_size_mib : from->part_size_mib;
}

/* The exit status of one command. */
static int run_command(struct batch *batch, const struct cli_tokens *tokens)
{
    static const struct cli_command no_command = { .name = "" };
    static char program[] = "tarn";
    struct cli_app app = { .command = &no_command,
                           .parent = batch->app,
                           .client = batch->app->client,
                           .started_ns = tn_now_ns() };
    struct cli_line line = { 0 };
    struct tarn_error err = { 0 };
    bool has_name = strcmp(tokens->words[0], program) == 0;
    char **argv = tn_calloc((size_t)tokens->count + 2, sizeof *argv);
    cli_out_share(&app.out, &batch->app->out);
    int rc = argv ? TARN_OK : tn_fail(&err, TARN_ENOMEM, "out of memory");
    if (argv) {
        argv[0] = program;
        for (int i = 0; i < tokens->count; i++)
            argv[i + !has_name] = tokens->words[i];
        rc = cli_line_parse(tokens->count + !has_name, argv, &line, &err);
    }
    app.opt = line.opt;
    inherit(&app.opt, &batch->app->opt);
    if (line.command)
        app.command = line.command;
    if (rc == TARN_OK)
        rc = check_line(&line, &err);
    app.operands = line.operands;
    app.operand_count = line.operand_count;
    int code = rc < 0 ? cli_report_usage(&app, &err) : cli_app_run(&app);
    atomic_fetch_add(&batch->app->succeeded, atomic_load(&app.succeeded));
    atomic_fetch_add(&batch->app->skipped, atomic_load(&app.skipped));
    atomic_fetch_add(&batch->app->failed, atomic_load(&app.failed));
    atomic_fetch_add(&batch->app->bytes, atomic_load(&app.bytes));
    cli_line_release(&line);
    tn_free(argv);
    return code;
}

static void report_line(struct batch *batch, const struct line *line, int code)
{
    struct cli_app *app = batch->app;
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, code == CLI_EXIT_OK);
        cli_json_u64(&json, "line", line->number);
        cli_json_u64(&json, "exit", (uint64_t)code);
        cli_json_text(&json, "command", line->text);
        cli_report_json_end(app, &json);
        return;
    }
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    int rc = tn_buf_appendf(&text, "tarn: run %s:%llu: command failed (exit %d): ", batch->name,
                            (unsigned long long)line->number, code);
    if (rc == TARN_OK)
        rc = cli_text_append(&text, tn_str_sub(tn_str_from(line->text), 0, SHOWN_LINE_MAX));
    if (rc == TARN_OK && code != CLI_EXIT_OK)
        cli_out_error(&app->out, tn_buf_str(&text));
}

static void run_line(void *arg, void *item)
{
    struct batch *batch = arg;
    struct line *line = item;
    struct cli_tokens tokens = { 0 };
    struct tarn_error err = { 0 };
    int code = CLI_EXIT_FATAL;
    if (!atomic_load(&batch->must_stop) && !cli_app_is_over(batch->app)) {
        if (cli_tokens_parse(tn_str_from(line->text), &tokens, &err) == TARN_OK)
            code = run_command(batch, &tokens);
        else
            cli_report_failure(batch->app, (struct cli_place){ NULL, batch->name },
                               (struct cli_place){ 0 }, &err);
        if (!cli_app_is_over(batch->app))
            report_line(batch, line, code);
        atomic_fetch_add(code == CLI_EXIT_OK ? &batch->succeeded : &batch->failed, 1);
        if (code == CLI_EXIT_INTEGRITY)
            atomic_store(&batch->has_mismatch, true);
        if (code != CLI_EXIT_OK && batch->app->opt.fail_fast)
            atomic_store(&batch->must_stop, true);
    }
    tn_free(tokens.words);
    tn_free(line->text);
    tn_free(line);
}

/* ---- reading ---- */

static int submit(struct batch *batch, struct tn_str text, uint64_t number, struct tarn_error *err)
{
    if (number == 1)
        text = cli_text_behind_mark(text);
    if (tn_str_ends(text, TN_STR("\r")))
        text.len--;
    text = tn_str_trim(text);
    if (text.len == 0 || text.data[0] == '#')
        return TARN_OK;
    struct line *line = tn_calloc(1, sizeof *line);
    if (line)
        line->text = tn_memdup(text.data, text.len);
    if (!line || !line->text) {
        tn_free(line);
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    }
    line->number = number;
    cli_pool_submit(batch->pool, line);
    return TARN_OK;
}

/* Hands out the whole lines of `text`; what is left is the beginning of the next one. */
static int submit_lines(struct batch *batch, struct tn_buf *text, bool is_last, uint64_t *number,
                        struct tarn_error *err)
{
    size_t at = 0;
    int rc = TARN_OK;
    while (rc == TARN_OK && at < text->len && !atomic_load(&batch->must_stop)) {
        struct tn_str rest = tn_str_sub(tn_buf_str(text), at, SIZE_MAX);
        size_t len = tn_str_find_char(rest, '\n');
        if (len == SIZE_MAX && !is_last)
            break;
        *number += 1;
        rc = submit(batch, tn_str_sub(rest, 0, len), *number, err);
        at += len == SIZE_MAX ? rest.len : len + 1;
    }
    tn_buf_consume(text, at);
    return rc;
}

static int read_commands(struct batch *batch, int fd, struct tarn_error *err)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX + READ_LEN);
    uint64_t number = 0;
    int rc = TARN_OK;
    while (rc == TARN_OK && !cli_app_is_over(batch->app) && !atomic_load(&batch->must_stop)) {
        if (tn_buf_reserve(&text, READ_LEN) < 0)
            return tn_fail(err, TARN_ETOOBIG, "a line has more than %d bytes", CLI_LINE_LEN_MAX);
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (poll(&wait, 1, POLL_MS) == 0)
            continue; /* a line may have failed meanwhile, and be the last */
        ssize_t n = read(fd, text.data + text.len, READ_LEN);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_fail_errno(err, "could not read");
        text.len += (size_t)n;
        text.data[text.len] = '\0';
        rc = submit_lines(batch, &text, n == 0, &number, err);
        if (n == 0)
            break;
    }
    return rc;
}

/* ---- the command ---- */

static int open_commands(const struct cli_app *app, const char **name, struct tarn_error *err)
{
    const char *path = app->operand_count ? app->operands[0] : app->opt.file;
    *name = path && strcmp(path, "-") != 0 ? path : "-";
    if (strcmp(*name, "-") == 0)
        return STDIN_FILENO;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? tn_fail_errno(err, "could not open \"%s\"", path) : fd;
}

static int finish(struct batch *batch, int rc)
{
    struct cli_app *app = batch->app;
    uint64_t succeeded = atomic_load(&batch->succeeded);
    uint64_t failed = atomic_load(&batch->failed);
    char elapsed[CLI_SIZE_LEN];
    cli_duration_text((tn_now_ns() - app->started_ns) / 1000000, elapsed);
    if (succeeded + failed == 0 && rc == TARN_OK)
        cli_report_note(app, "No commands to execute.");
    else
        cli_report_note(app, "%llu succeeded, %llu failed in %s", (unsigned long long)succeeded,
                        (unsigned long long)failed, elapsed);
    if (atomic_load(&batch->has_mismatch))
        return CLI_EXIT_INTEGRITY;
    if (rc < 0)
        return CLI_EXIT_FATAL;
    return failed > 0 ? CLI_EXIT_PARTIAL : CLI_EXIT_OK;
}

int cli_run_run(struct cli_app *app)
{
    struct batch batch = { .app = app };
    struct tarn_error err = { 0 };
    size_t workers = app->opt.workers ? (size_t)app->opt.workers : CLI_WORKERS_DEFAULT;
    if (app->operand_count && app->opt.file) {
        (void)tn_fail(&err, TARN_EINVAL, "two files of commands are given");
        return cli_report_usage(app, &err);
    }
    int fd = open_commands(app, &batch.name, &err);
    if (fd >= 0)
        batch.pool = cli_pool_new(workers, run_line, &batch);
    if (fd >= 0 && !batch.pool)
        (void)tn_fail(&err, TARN_ENOMEM, "out of memory");
    if (!batch.pool) {
        cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        return CLI_EXIT_FATAL;
    }
    bool wants_bar = !app->opt.quiet && !app->opt.json && !app->opt.no_progress;
    struct cli_bar *bar = wants_bar ? cli_bar_start(&app->progress, &app->out) : NULL;
    int rc = read_commands(&batch, fd, &err);
    if (rc < 0)
        cli_report_fatal(app, (struct cli_place){ NULL, batch.name }, &err);
    atomic_store(&app->progress.is_total_known, true);
    cli_pool_free(batch.pool);
    cli_bar_stop(bar, !cli_app_is_over(app));
    cli_report_stat(app, "Run", false);
    if (fd != STDIN_FILENO)
        tn_fd_close(&fd);
    return finish(&batch, rc);
}
