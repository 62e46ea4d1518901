/* SPDX-License-Identifier: Apache-2.0 */
/* tarn lock: run, status, acquire, renew, release, break. */

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cli/app.h"
#include "cli/child.h"

enum { LOST_GRACE_MS = 5000, LOOK_MS = 200, NUMBER_LEN = 24 };
enum { EXIT_HELD = 1, EXIT_USAGE = 2, EXIT_LOST = 3 };

struct job {
    struct cli_app *app;
    struct cli_address address;
    struct tarn_lock_options options;
    const char **words; /* of the command */
    int word_count;
};

static int exit_of(const struct tarn_error *err)
{
    switch (err->status) {
    case TARN_ELOST:
        return EXIT_LOST;
    case TARN_EBUSY:
    case TARN_ETIMEOUT:
    case TARN_EEXISTS:
        return EXIT_HELD;
    case TARN_ECORRUPT: /* the object there is no lock */
    case TARN_ENOTSUPPORTED:
        return EXIT_USAGE;
    default:
        return (int)cli_exit_of(err);
    }
}

static int fail(struct job *job, const struct tarn_error *err)
{
    struct cli_place place = { job->address.bucket, job->address.name };
    cli_report_fatal(job->app, place, err);
    return exit_of(err);
}

static int64_t ms_of(uint64_t seconds)
{
    return seconds > INT64_MAX / 1000 ? INT64_MAX : (int64_t)seconds * 1000;
}

static void fill_options(struct job *job)
{
    const struct cli_options *opt = &job->app->opt;
    job->options = (struct tarn_lock_options){ .request = cli_app_request(job->app),
                                               .ttl_ms = ms_of(opt->ttl_s),
                                               .max_hold_ms = ms_of(opt->max_hold_s),
                                               .wait_ms = opt->wait_forever ? TARN_LOCK_WAIT_FOREVER
                                                                            : ms_of(opt->wait_s),
                                               .owner = opt->owner };
}

/* What a later `tarn lock renew` or `release` wants to know. */
static void show_held(struct job *job, struct tarn_lock *lock)
{
    struct cli_app *app = job->app;
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_u64(&json, "token", tarn_lock_token(lock));
        cli_json_text(&json, "nonce", tarn_lock_nonce(lock));
        cli_json_u64(&json, "remaining_ms", (uint64_t)tarn_lock_remaining_ms(lock));
        cli_report_json_end(app, &json);
        return;
    }
    int rc = tn_buf_appendf(&text, "export LOCK_TOKEN=%llu\nexport LOCK_NONCE=%s\n",
                            (unsigned long long)tarn_lock_token(lock), tarn_lock_nonce(lock));
    if (rc == TARN_OK)
        rc = cli_out_bytes(&app->out, text.data, text.len);
    (void)rc; /* what failed to be written is told by cli_out_flush */
}

static int show_released(struct job *job)
{
    if (job->app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(job->app, &json, true);
        cli_place_json(&json, "lock", (struct cli_place){ job->address.bucket, job->address.name });
        cli_json_text(&json, "state", "released");
        cli_report_json_end(job->app, &json);
    }
    return CLI_EXIT_OK;
}

/* ---- run ---- */

static int run_under(struct job *job, struct tarn_lock *lock, bool *was_lost)
{
    char token[NUMBER_LEN];
    struct tarn_error err = { 0 };
    struct cli_child child;
    (void)snprintf(token, sizeof token, "%llu", (unsigned long long)tarn_lock_token(lock));
    (void)setenv("LOCK_TOKEN", token, 1);
    (void)setenv("LOCK_NONCE", tarn_lock_nonce(lock), 1);
    if (cli_child_start(&child, job->words, job->word_count, &err) < 0)
        return fail(job, &err);
    while (!cli_child_poll(&child, tarn_lock_fd(lock), LOOK_MS)) {
        if (tarn_lock_check(lock) == TARN_OK)
            continue;
        *was_lost = true;
        cli_child_end(&child, LOST_GRACE_MS);
        break;
    }
    return child.exit_code;
}

static int do_run(struct job *job)
{
    struct tarn_lock *lock = NULL;
    struct tarn_error err = { 0 };
    struct cli_app *app = job->app;
    bool was_lost = false;
    if (job->word_count == 0) {
        (void)tn_fail(&err, TARN_EINVAL, "a command is wanted behind the lock");
        return cli_report_usage(app, &err);
    }
    if (tarn_lock_acquire(app->client, job->address.bucket, job->address.name, &job->options, &lock,
                          &err) < 0)
        return fail(job, &err);
    cli_child_watch_signals();
    int code = run_under(job, lock, &was_lost);
    int rc = tarn_lock_release(lock, &err);
    if (was_lost || rc == TARN_ELOST) {
        if (rc == TARN_OK)
            (void)tn_fail(&err, TARN_ELOST, "the lock was held for its longest time");
        (void)fail(job, &err);
        return EXIT_LOST;
    }
    if (rc < 0) /* it becomes stale by itself */
        cli_report_warning(app, (struct cli_place){ job->address.bucket, job->address.name },
                           err.message);
    return code;
}

/* ---- single steps ---- */

static int do_acquire(struct job *job)
{
    struct tarn_lock *lock = NULL;
    struct tarn_error err = { 0 };
    job->options.renews_by_hand = true;
    if (tarn_lock_acquire(job->app->client, job->address.bucket, job->address.name, &job->options,
                          &lock, &err) < 0)
        return fail(job, &err);
    show_held(job, lock);
    tarn_lock_free(lock);
    return CLI_EXIT_OK;
}

static int attach(struct job *job, struct tarn_lock **lock, struct tarn_error *err)
{
    const char *nonce = job->app->opt.nonce ? job->app->opt.nonce : getenv("LOCK_NONCE");
    job->options.renews_by_hand = true;
    if (!nonce)
        return tn_fail(err, TARN_EINVAL,
                       "the nonce of the acquisition is wanted: --nonce or "
                       "LOCK_NONCE");
    return tarn_lock_attach(job->app->client, job->address.bucket, job->address.name, nonce,
                            &job->options, lock, err);
}

static int do_renew(struct job *job)
{
    struct tarn_lock *lock = NULL;
    struct tarn_error err = { 0 };
    if (attach(job, &lock, &err) < 0)
        return fail(job, &err);
    show_held(job, lock);
    tarn_lock_free(lock);
    return CLI_EXIT_OK;
}

static int do_release(struct job *job)
{
    struct tarn_lock *lock = NULL;
    struct tarn_error err = { 0 };
    if (attach(job, &lock, &err) < 0 || tarn_lock_release(lock, &err) < 0)
        return fail(job, &err);
    return show_released(job);
}

/* ---- looking and breaking ---- */

static const char *state_name(enum tarn_lock_state state)
{
    static const char *const names[] = { "absent", "released", "held", "foreign" };
    return (size_t)state < TN_COUNT(names) ? names[state] : "unknown";
}

static void status_json(struct job *job, const struct tarn_lock_info *info)
{
    CLI_AUTO_JSON json;
    cli_report_json(job->app, &json, true);
    cli_place_json(&json, "lock", (struct cli_place){ job->address.bucket, job->address.name });
    cli_json_text(&json, "state", state_name(info->state));
    if (info->state == TARN_LOCK_HELD || info->state == TARN_LOCK_RELEASED) {
        cli_json_u64(&json, "token", info->token);
        cli_json_u64(&json, "seq", info->seq);
        cli_json_u64(&json, "ttl_ms", (uint64_t)info->ttl_ms);
        cli_json_text(&json, "host", info->host);
        cli_json_u64(&json, "pid", (uint64_t)info->pid);
        cli_json_text(&json, "owner", info->owner[0] ? info->owner : NULL);
        cli_json_time(&json, "acquired_at", info->acquired_at_ms);
        cli_json_time(&json, "renewed_at", info->renewed_at_ms);
    }
    if (info->age_ms >= 0)
        cli_json_u64(&json, "age_ms", (uint64_t)info->age_ms);
    cli_json_text(&json, "etag", info->etag[0] ? info->etag : NULL);
    cli_report_json_end(job->app, &json);
}

static void status_text(struct job *job, const struct tarn_lock_info *info)
{
    char age[CLI_SIZE_LEN] = "";
    struct cli_app *app = job->app;
    cli_report_line(app, "State:  %s", state_name(info->state));
    if (info->state == TARN_LOCK_HELD || info->state == TARN_LOCK_RELEASED) {
        TN_AUTO_BUF holder = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        cli_report_line(app, "Token:  %llu", (unsigned long long)info->token);
        if (cli_text_append(&holder, tn_str_from(info->host)) == TARN_OK)
            cli_report_line(app, "Holder: pid %lld on %s", (long long)info->pid, holder.data);
        tn_buf_truncate(&holder, 0);
        if (info->owner[0] && cli_text_append(&holder, tn_str_from(info->owner)) == TARN_OK)
            cli_report_line(app, "Owner:  %s", holder.data);
        cli_duration_text((uint64_t)info->ttl_ms, age);
        cli_report_line(app, "TTL:    %s", age);
    }
    if (info->age_ms >= 0) {
        cli_duration_text((uint64_t)info->age_ms, age);
        cli_report_line(app, "Age:    %s", age);
    }
    if (info->etag[0])
        cli_report_line(app, "ETag:   %s", info->etag);
}

static int look(struct job *job, struct tarn_lock_info *info, struct tarn_error *err)
{
    struct tarn_request request = cli_app_request(job->app);
    return tarn_lock_status(job->app->client, job->address.bucket, job->address.name, &request,
                            info, err);
}

static int do_status(struct job *job)
{
    struct tarn_lock_info info = { 0 };
    struct tarn_error err = { 0 };
    if (look(job, &info, &err) < 0)
        return fail(job, &err);
    if (job->app->opt.json)
        status_json(job, &info);
    else
        status_text(job, &info);
    return CLI_EXIT_OK;
}

static int do_break(struct job *job)
{
    struct tarn_lock_info info = { 0 };
    struct tarn_error err = { 0 };
    struct tarn_request request = cli_app_request(job->app);
    const char *etag = job->app->opt.if_match;
    if (!etag && !job->app->opt.force) {
        (void)tn_fail(&err, TARN_EINVAL,
                      "breaking wants --if-match ETAG (as of status), or --force");
        return cli_report_usage(job->app, &err);
    }
    int rc = etag ? TARN_OK : look(job, &info, &err);
    bool is_absent = !etag && info.state == TARN_LOCK_ABSENT;
    if (rc == TARN_OK && !is_absent)
        rc = tarn_lock_break(job->app->client, job->address.bucket, job->address.name,
                             etag ? etag : info.etag, &request, &err);
    return rc < 0 ? fail(job, &err) : show_released(job);
}

enum {
    TAKES_TTL = 1u << 0,
    TAKES_MAX = 1u << 1,
    TAKES_WAIT = 1u << 2, /* and --owner */
    TAKES_NONCE = 1u << 3,
    TAKES_FORCE = 1u << 4, /* and --if-match */
};

/* What would be left out in silence is refused. */
static int check_options(const struct cli_options *opt, const char *step, unsigned takes,
                         struct tarn_error *err)
{
    const struct {
        const char *name;
        bool is_given;
        unsigned needs;
    } rows[] = {
        { "ttl", opt->ttl_s > 0, TAKES_TTL },
        { "max", opt->max_hold_s > 0, TAKES_MAX },
        { "wait", opt->wait_s > 0, TAKES_WAIT },
        { "wait-forever", opt->wait_forever, TAKES_WAIT },
        { "owner", opt->owner != NULL, TAKES_WAIT },
        { "nonce", opt->nonce != NULL, TAKES_NONCE },
        { "if-match", opt->if_match != NULL, TAKES_FORCE },
        { "force", opt->force, TAKES_FORCE },
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (rows[i].is_given && !(takes & rows[i].needs))
            return tn_fail(err, TARN_EINVAL, "\"--%s\" does not go with \"%s\"", rows[i].name,
                           step);
    }
    return TARN_OK;
}

int cli_run_lock(struct cli_app *app)
{
    static const struct {
        const char *name;
        int (*run)(struct job *job);
        unsigned takes;
    } steps[] = {
        { "run", do_run, TAKES_TTL | TAKES_MAX | TAKES_WAIT },
        { "status", do_status, 0 },
        { "acquire", do_acquire, TAKES_TTL | TAKES_WAIT },
        { "renew", do_renew, TAKES_TTL | TAKES_NONCE },
        { "release", do_release, TAKES_NONCE },
        { "break", do_break, TAKES_FORCE },
    };
    struct job job = { .app = app,
                       .words = app->operands + 2,
                       .word_count = app->operand_count - 2 };
    struct tarn_error err = { 0 };
    int rc = cli_address_parse_s3(app->operands[1], &job.address, &err);
    if (rc == TARN_OK && job.address.name[0] == '\0')
        rc =
            tn_fail(&err, TARN_EINVAL, "\"%s\" names no lock (s3://bucket/name)", app->operands[1]);
    fill_options(&job);
    for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(steps); i++) {
        if (strcmp(app->operands[0], steps[i].name) != 0)
            continue;
        rc = check_options(&app->opt, steps[i].name, steps[i].takes, &err);
        if (rc < 0)
            break;
        if (job.word_count == 0 || steps[i].run == do_run)
            return steps[i].run(&job);
        rc = tn_fail(&err, TARN_EINVAL, "only \"run\" takes a command");
    }
    if (rc == TARN_OK)
        (void)tn_fail(&err, TARN_EINVAL,
                      "\"%s\" is none of run, status, acquire, renew, release, "
                      "break",
                      app->operands[0]);
    return cli_report_usage(app, &err);
}
