/* SPDX-License-Identifier: Apache-2.0 */
/* tarn find */

#include <strings.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cli/app.h"
#include "cli/glob.h"
#include "cli/match.h"
#include "cli/operands.h"

struct search {
    struct cli_app *app;
    const char *bucket;
    int64_t now_ms;
    uint64_t count;
    uint64_t bytes;
};

static bool is_wanted(const struct search *s, const struct tarn_list_entry *e)
{
    const struct cli_options *opt = &s->app->opt;
    const char *storage_class = e->storage_class ? e->storage_class : "STANDARD";
    int64_t age_ms = s->now_ms - e->last_modified_ms;
    if (opt->name && !cli_glob_match(tn_str_from(opt->name), tn_str_from(cli_name_last(e->key))))
        return false;
    if ((opt->has_min_size && e->size < opt->min_size) ||
        (opt->has_max_size && e->size > opt->max_size))
        return false;
    if (opt->storage_class &&
        strcasecmp(tarn_storage_class_from_name(opt->storage_class), storage_class) != 0)
        return false;
    if ((opt->older_than_s || opt->newer_than_s) && e->last_modified_ms < 0)
        return false;
    if (opt->older_than_s && age_ms < (int64_t)opt->older_than_s * 1000)
        return false;
    return !opt->newer_than_s || age_ms < (int64_t)opt->newer_than_s * 1000;
}

static int show(struct search *s, const struct tarn_list_entry *e)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (s->app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(s->app, &json, true);
        cli_json_text(&json, "bucket", s->bucket);
        cli_json_str(&json, "key", (struct tn_str){ e->key, e->key_len });
        cli_json_u64(&json, "size", e->size);
        cli_json_time(&json, "last_modified", e->last_modified_ms);
        cli_json_text(&json, "etag", e->etag);
        cli_json_text(&json, "storage_class", e->storage_class ? e->storage_class : "STANDARD");
        int rc = cli_json_end(&json);
        return rc < 0 ? rc : cli_out_line(&s->app->out, tn_buf_str(&json.b));
    }
    if (s->app->opt.print0) { /* for xargs -0: the bytes of the key as they are */
        int rc = tn_buf_appendf(&line, "s3://%s/%s", s->bucket, e->key);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(&line, '\0');
        return rc < 0 ? rc : cli_out_bytes(&s->app->out, line.data, line.len);
    }
    int rc = cli_place_append(&line, (struct cli_place){ s->bucket, e->key });
    return rc < 0 ? rc : cli_out_line(&s->app->out, tn_buf_str(&line));
}

static bool is_over(const struct search *s)
{
    return s->app->opt.limit > 0 && s->count >= s->app->opt.limit;
}

static int on_entry(void *arg, const struct tarn_list_entry *entry, const char *name,
                    struct tarn_error *err)
{
    struct search *s = arg;
    (void)name;
    if (!is_wanted(s, entry))
        return TARN_OK;
    int rc = show(s, entry);
    s->count++;
    s->bytes += entry->size;
    if (rc < 0)
        return tn_fail(err, rc, "could not write: %s", tarn_status_text(rc));
    return is_over(s) ? TARN_EEOF : TARN_OK; /* seen by find_in */
}

static int find_in(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct search *s = user;
    uint64_t seen = 0;
    s->bucket = address->bucket;
    if (is_over(s))
        return TARN_OK;
    int rc = cli_match_each(s->app, address, on_entry, s, &seen, err);
    return rc == TARN_EEOF ? TARN_OK : rc;
}

int cli_run_find(struct cli_app *app)
{
    struct search s = { .app = app, .now_ms = tn_wall_ms() };
    app->is_reader = true;
    const struct cli_operands operands = {
        .read = cli_operand_s3, .work = find_in, .user = &s, .is_counted = true
    };
    int rc = cli_operands_run(app, &operands);
    if (rc != CLI_EXIT_OK)
        return rc;
    if (app->opt.json && !cli_app_is_over(app)) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, atomic_load(&app->failed) == 0);
        cli_json_u64(&json, "count", s.count);
        cli_json_u64(&json, "total_size", s.bytes);
        cli_report_json_end(app, &json);
    }
    return (int)cli_app_exit(app);
}
