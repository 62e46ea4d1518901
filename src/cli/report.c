/* SPDX-License-Identifier: Apache-2.0 */
/* What a run tells: error lines, JSON objects, statistics. */

#include "cli/app.h"

#include "base/clock.h"

static bool has_name(struct cli_place place)
{
    return place.name && place.name[0];
}

int cli_place_append(struct tn_buf *b, struct cli_place place)
{
    int rc = TARN_OK;
    if (place.bucket) {
        rc = tn_buf_append_text(b, "s3://");
        if (rc == TARN_OK)
            rc = cli_text_append(b, tn_str_from(place.bucket));
        if (rc == TARN_OK && has_name(place))
            rc = tn_buf_append_char(b, '/');
    }
    return rc < 0 ? rc : cli_text_append(b, tn_str_from(place.name));
}

void cli_place_json(struct cli_json *json, const char *member, struct cli_place place)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (!place.bucket) {
        cli_json_text(json, member, place.name);
        return;
    }
    int rc = tn_buf_appendf(&text, "s3://%s%s%s", place.bucket, has_name(place) ? "/" : "",
                            place.name ? place.name : "");
    if (rc < 0)
        json->rc = rc;
    else
        cli_json_str(json, member, tn_buf_str(&text));
}

/* A line that names no command has no operation either. */
static const char *operation_of(const struct cli_app *app)
{
    return app->command->name[0] ? app->command->name : "error";
}

void cli_report_json(struct cli_app *app, struct cli_json *json, bool success)
{
    cli_json_begin(json);
    cli_json_text(json, "operation", operation_of(app));
    cli_json_bool(json, "success", success);
}

void cli_report_json_end(struct cli_app *app, struct cli_json *json)
{
    int rc = cli_json_end(json);
    if (rc == TARN_OK)
        rc = cli_out_line(&app->out, tn_buf_str(&json->b));
    (void)rc; /* what failed to be written is told by cli_out_flush */
}

/* The library's messages may end in "(Code, HTTP nnn)": the fields of the record say it better. */
static struct tn_str message_of(const struct tarn_error *err)
{
    char status[24];
    struct tn_str message = tn_str_from(err->message);
    if (message.len == 0)
        return tn_str_from(tarn_status_text(err->status));
    int len = snprintf(status, sizeof status, "HTTP %d)", err->http_status);
    if (!tn_str_ends(message, (struct tn_str){ status, (size_t)len }))
        return message;
    size_t at = message.len - (size_t)len;
    while (at > 0 && message.data[at] != '(')
        at--;
    return at > 1 && message.data[at - 1] == ' ' ? tn_str_sub(message, 0, at - 1) : message;
}

static void failure_json(struct cli_app *app, struct cli_place source, struct cli_place target,
                         const struct tarn_error *err)
{
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, false);
    cli_place_json(&json, "source", source);
    cli_place_json(&json, "destination", target);
    cli_json_str(&json, "error", message_of(err));
    cli_json_text(&json, "code", err->s3_code[0] ? err->s3_code : tarn_status_name(err->status));
    if (err->http_status)
        cli_json_u64(&json, "http_status", (uint64_t)err->http_status);
    if (err->request_id[0])
        cli_json_text(&json, "request_id", err->request_id);
    if (cli_json_end(&json) == TARN_OK)
        cli_out_error(&app->out, tn_buf_str(&json.b));
}

static int append_detail(struct tn_buf *line, const char *label, const char *text, bool *has_any)
{
    int rc = tn_buf_append_text(line, *has_any ? ", " : " (");
    if (rc == TARN_OK)
        rc = tn_buf_append_text(line, label);
    *has_any = true;
    return rc < 0 ? rc : cli_message_append(line, tn_str_from(text));
}

static int append_details(struct tn_buf *line, const struct tarn_error *err)
{
    char number[16];
    bool has_any = false;
    int rc = TARN_OK;
    (void)snprintf(number, sizeof number, "%d", err->http_status);
    if (err->s3_code[0])
        rc = append_detail(line, "", err->s3_code, &has_any);
    if (rc == TARN_OK && err->http_status)
        rc = append_detail(line, "HTTP ", number, &has_any);
    if (rc == TARN_OK && err->request_id[0])
        rc = append_detail(line, "request-id ", err->request_id, &has_any);
    if (rc == TARN_OK && has_any)
        rc = tn_buf_append_char(line, ')');
    return rc;
}

/* "tarn: <op> <uri>: <message> (<Code>, HTTP nnn, request-id ...)" */
static int append_failure(struct tn_buf *line, const struct cli_app *app, struct cli_place place,
                          const struct tarn_error *err)
{
    const char *name = app->command->name;
    int rc = tn_buf_appendf(line, "tarn: %s", name);
    if (rc == TARN_OK && (place.bucket || place.name)) {
        rc = tn_buf_append_char(line, ' ');
        if (rc == TARN_OK)
            rc = cli_place_append(line, place);
    }
    if (rc == TARN_OK && name[0])
        rc = tn_buf_append_text(line, ": ");
    if (rc == TARN_OK)
        rc = cli_message_append(line, message_of(err));
    return rc < 0 ? rc : append_details(line, err);
}

static void write_failure(struct cli_app *app, struct cli_place source, struct cli_place target,
                          const struct tarn_error *err)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.json)
        failure_json(app, source, target, err);
    else if (append_failure(&line, app, source.bucket || source.name ? source : target, err) ==
             TARN_OK)
        cli_out_error(&app->out, tn_buf_str(&line));
    else
        cli_out_error(&app->out, TN_STR("tarn: out of memory"));
}

void cli_report_failure(struct cli_app *app, struct cli_place source, struct cli_place target,
                        const struct tarn_error *err)
{
    enum cli_exit code = cli_exit_of(err);
    /* A key that was refused here says nothing about the others. */
    if (err->status == TARN_EDENIED && err->http_status == 0)
        code = CLI_EXIT_PARTIAL;
    atomic_fetch_add(&app->failed, 1);
    if (app->stops_at_failure)
        atomic_store(&app->is_hopeless, true);
    if (cli_app_is_over(app))
        return;
    if (code == CLI_EXIT_FATAL)
        atomic_store(&app->has_fatal, true);
    if (code == CLI_EXIT_INTEGRITY)
        atomic_store(&app->has_mismatch, true);
    write_failure(app, source, target, err);
}

void cli_report_fatal(struct cli_app *app, struct cli_place place, const struct tarn_error *err)
{
    if (cli_exit_of(err) == CLI_EXIT_FATAL)
        atomic_store(&app->has_fatal, true);
    cli_report_failure(app, place, (struct cli_place){ 0 }, err);
}

int cli_report_usage(struct cli_app *app, const struct tarn_error *err)
{
    struct tarn_error shown = *err;
    size_t len = strlen(shown.message);
    (void)snprintf(shown.message + len, sizeof shown.message - len, "; see \"tarn help%s%s\"",
                   app->command->name[0] ? " " : "", app->command->name);
    write_failure(app, (struct cli_place){ 0 }, (struct cli_place){ 0 },
                  app->opt.json ? err : &shown);
    return CLI_EXIT_FATAL;
}

void cli_report_warning(struct cli_app *app, struct cli_place place, const char *message)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    CLI_AUTO_JSON json;
    cli_json_begin(&json);
    if (app->opt.json) {
        cli_json_text(&json, "operation", operation_of(app));
        cli_json_bool(&json, "success", true);
        cli_place_json(&json, "source", place);
        cli_json_text(&json, "warning", message);
        if (cli_json_end(&json) == TARN_OK)
            cli_out_error(&app->out, tn_buf_str(&json.b));
        return;
    }
    int rc = tn_buf_appendf(&line, "tarn: %s ", app->command->name);
    if (rc == TARN_OK)
        rc = cli_place_append(&line, place);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&line, ": warning: ");
    if (rc == TARN_OK)
        rc = cli_message_append(&line, tn_str_from(message));
    if (rc == TARN_OK)
        cli_out_error(&app->out, tn_buf_str(&line));
}

/* --quiet leaves what a command is asked for: the secret of a new key is told once only. */
static bool writes_data(const struct cli_app *app)
{
    switch (app->command->id) {
    case CLI_HEAD:
    case CLI_DU:
    case CLI_ATTR:
    case CLI_ADMIN:
    case CLI_DOCTOR:
    case CLI_LOCK:
        return true;
    case CLI_TAG:
        return app->operand_count == 1 && !app->opt.replace && app->opt.remove.count == 0;
    case CLI_VERSIONS:
        return !app->opt.set_versioning;
    default:
        return false;
    }
}

void cli_report_line(struct cli_app *app, const char *format, ...)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    va_list args;
    if (app->opt.json || (app->opt.quiet && !writes_data(app)))
        return;
    va_start(args, format);
    int rc = tn_buf_vappendf(&line, format, args);
    va_end(args);
    if (rc == TARN_OK)
        rc = cli_out_line(&app->out, tn_buf_str(&line));
    (void)rc; /* what failed to be written is told by cli_out_flush */
}

void cli_report_note(struct cli_app *app, const char *format, ...)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    va_list args;
    if (app->opt.quiet || app->opt.json)
        return;
    va_start(args, format);
    int rc = tn_buf_vappendf(&line, format, args);
    va_end(args);
    if (rc == TARN_OK)
        cli_out_error(&app->out, tn_buf_str(&line));
}

/* What the counters of one run came to. */
struct stat_figures {
    uint64_t succeeded;
    uint64_t failed;
    uint64_t skipped;
    uint64_t bytes;
    uint64_t elapsed_ms;
    uint64_t rate; /* bytes a second */
};

static struct stat_figures stat_take(struct cli_app *app)
{
    struct stat_figures f = { .succeeded = atomic_load(&app->succeeded),
                              .failed = atomic_load(&app->failed),
                              .skipped = atomic_load(&app->skipped),
                              .bytes = atomic_load(&app->bytes) };
    uint64_t elapsed_ns = tn_now_ns() - app->started_ns;
    f.elapsed_ms = elapsed_ns / 1000000;
    f.rate = elapsed_ns ? (uint64_t)((double)f.bytes * 1e9 / (double)elapsed_ns) : 0;
    return f;
}

static int stat_json(struct cli_app *app, const struct stat_figures *f, struct tn_buf *b)
{
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, f->failed == 0);
    cli_json_u64(&json, "files_copied", f->succeeded);
    cli_json_u64(&json, "files_skipped", f->skipped);
    cli_json_u64(&json, "files_failed", f->failed);
    cli_json_u64(&json, "bytes_copied", f->bytes);
    cli_json_decimal(&json, "duration_secs", f->elapsed_ms);
    cli_json_u64(&json, "throughput_bps", f->rate);
    int rc = cli_json_end(&json);
    return rc < 0 ? rc : tn_buf_append_str(b, tn_buf_str(&json.b));
}

static int stat_text(const char *operation, const struct stat_figures *f, struct tn_buf *b)
{
    char size[CLI_SIZE_LEN], elapsed[CLI_SIZE_LEN], rate[CLI_SIZE_LEN], skipped[48] = "";
    cli_size_text(f->bytes, size);
    cli_size_text(f->rate, rate);
    cli_duration_text(f->elapsed_ms, elapsed);
    if (f->skipped)
        (void)snprintf(skipped, sizeof skipped, "  - Skipped: %llu\n",
                       (unsigned long long)f->skipped);
    return tn_buf_appendf(b,
                          "Execution Statistics\n  - Operation: %s\n  - Total files: %llu\n"
                          "  - Succeeded: %llu\n  - Failed: %llu\n%s  - Total size: %s\n"
                          "  - Elapsed: %s\n  - Throughput: %s/s",
                          operation, (unsigned long long)(f->succeeded + f->failed + f->skipped),
                          (unsigned long long)f->succeeded, (unsigned long long)f->failed, skipped,
                          size, elapsed, rate);
}

void cli_report_stat(struct cli_app *app, const char *operation, bool to_stderr)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (!app->opt.stat)
        return;
    struct stat_figures f = stat_take(app);
    int rc = app->opt.json ? stat_json(app, &f, &text) : stat_text(operation, &f, &text);
    if (rc == TARN_OK && to_stderr)
        cli_out_error(&app->out, tn_buf_str(&text));
    else if (rc == TARN_OK)
        rc = cli_out_line(&app->out, tn_buf_str(&text));
    (void)rc; /* what failed to be written is told by cli_out_flush */
}
