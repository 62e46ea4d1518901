/* SPDX-License-Identifier: Apache-2.0 */
/* One run of tarn: its options, its client, what it has done so far and how it ends. */

#ifndef CLI_APP_H
#define CLI_APP_H

#include <stdatomic.h>

#include <tarn/tarn.h>

#include "cli/address.h"
#include "cli/customer_key.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/text.h"

enum cli_exit { CLI_EXIT_OK, CLI_EXIT_PARTIAL, CLI_EXIT_FATAL, CLI_EXIT_INTEGRITY };

struct cli_app {
    const struct cli_command *command;
    struct cli_options opt;
    const char **operands;
    int operand_count;
    struct cli_out out;
    struct tarn_client *client; /* NULL until cli_app_connect */
    struct cli_progress progress;
    struct cli_app *parent; /* of a line of `run`: whose client and output these are; else NULL */
    struct cli_customer_key customer_key;
    uint64_t started_ns;
    _Atomic uint64_t succeeded;
    _Atomic uint64_t failed;
    _Atomic uint64_t skipped;
    _Atomic uint64_t bytes;    /* of what succeeded */
    bool stops_at_failure;     /* --error-mode abort */
    bool is_reader;            /* what it writes is all it does: no reader, no work */
    _Atomic bool is_hopeless;  /* every other item would fail like the one before */
    _Atomic bool is_incomplete; /* something was left out that should have been done */
    _Atomic bool has_fatal;    /* a failure that a repetition would not mend */
    _Atomic bool has_mismatch; /* data that did not match */
};

/* Makes the client out of options, environment and profile, and lets signals cancel it. */
TN_MUST_USE int cli_app_connect(struct cli_app *app, struct tarn_error *err);
void cli_app_disconnect(struct cli_app *app);

/* The counters that the bar shows: of the whole run, when this is a line of one. */
struct cli_progress *cli_app_progress(struct cli_app *app);

/* Runs app->command; the client is connected. */
int cli_app_run(struct cli_app *app);

/* True when the job should end: a signal came, or the reader of standard output went away and the
 * command does nothing but write there. */
bool cli_app_is_over(struct cli_app *app);

/* The request part of all options. */
struct tarn_request cli_app_request(const struct cli_app *app);

/* The same for a copy within S3: with the customer's key for the source, too. */
struct tarn_request cli_app_copy_request(const struct cli_app *app);

/* An answer to HEAD has no body to tell a missing bucket from a missing key: asks for the bucket when
 * `rc` and `err` may be either. The status that it comes to. */
TN_MUST_USE int cli_app_explain_absence(struct cli_app *app, const char *bucket, int rc,
                                        struct tarn_error *err);

/* Names the two ends of what is reported; a NULL bucket is a local path, a NULL name nothing. */
struct cli_place {
    const char *bucket;
    const char *name;
};

/* Appends "s3://bucket/key" or the path, harmless for a terminal. */
TN_MUST_USE int cli_place_append(struct tn_buf *b, struct cli_place place);

/* Appends the same to JSON, byte for byte. */
void cli_place_json(struct cli_json *json, const char *member, struct cli_place place);

/* Writes the error line (or the JSON object) and counts the failure. Nothing is written for what a
 * signal or a closed pipe ended. `target` may be empty. Any thread. */
void cli_report_failure(struct cli_app *app, struct cli_place source, struct cli_place target,
                        const struct tarn_error *err);

/* The same for what stops the whole command: the exit status follows from `err` alone. */
void cli_report_fatal(struct cli_app *app, struct cli_place place, const struct tarn_error *err);

/* A usage error found by a command: no address in front. */
int cli_report_usage(struct cli_app *app, const struct tarn_error *err);

/* A warning, which changes nothing about the exit status. */
void cli_report_warning(struct cli_app *app, struct cli_place place, const char *message);

/* Begins an object with operation and success. */
void cli_report_json(struct cli_app *app, struct cli_json *json, bool success);

/* Ends the object and writes it to standard output. */
void cli_report_json_end(struct cli_app *app, struct cli_json *json);

/* Writes a line to standard output, unless JSON, or quiet and no data. */
void cli_report_line(struct cli_app *app, const char *format, ...) TN_PRINTF(2, 3);

/* Writes a line to standard error, unless quiet or JSON. */
void cli_report_note(struct cli_app *app, const char *format, ...) TN_PRINTF(2, 3);

/* --stat. `operation` is such as "Copy"; standard error when standard output carries data. */
void cli_report_stat(struct cli_app *app, const char *operation, bool to_stderr);

/* What `status` means when it stops a command. */
enum cli_exit cli_exit_of(const struct tarn_error *err);

/* What all the counted failures come to. */
enum cli_exit cli_app_exit(struct cli_app *app);

/* Each command: returns the exit status. The client is connected. */
int cli_run_cp(struct cli_app *app);
int cli_run_mv(struct cli_app *app);
int cli_run_sync(struct cli_app *app);
int cli_run_run(struct cli_app *app);
int cli_run_ls(struct cli_app *app);
int cli_run_cat(struct cli_app *app);
int cli_run_pipe(struct cli_app *app);
int cli_run_rm(struct cli_app *app);
int cli_run_head(struct cli_app *app);
int cli_run_presign(struct cli_app *app);
int cli_run_mb(struct cli_app *app);
int cli_run_rb(struct cli_app *app);
int cli_run_lock(struct cli_app *app);
int cli_run_buffer(struct cli_app *app);
int cli_run_selftest(struct cli_app *app);
int cli_run_mock(struct cli_app *app); /* without a client */
int cli_run_versions(struct cli_app *app);
int cli_run_restore(struct cli_app *app);
int cli_run_tag(struct cli_app *app);
int cli_run_attr(struct cli_app *app);
int cli_run_select_class(struct cli_app *app);
int cli_run_du(struct cli_app *app);
int cli_run_find(struct cli_app *app);
int cli_run_admin(struct cli_app *app);

/* These connect by themselves, if at all. */
int cli_run_doctor(struct cli_app *app);
int cli_run_completion(struct cli_app *app);

#endif
