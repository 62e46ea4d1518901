/* SPDX-License-Identifier: Apache-2.0 */
/* tarn ls */

#include "base/fail.h"
#include "cli/app.h"
#include "cli/glob.h"
#include "cli/match.h"

enum {
    TIME_COLUMN_LEN = 19,
    SIZE_COLUMN_LEN = 10,
    GAP_LEN = 2,
    COLUMNS_LEN = TIME_COLUMN_LEN + GAP_LEN + SIZE_COLUMN_LEN + GAP_LEN,
    LINES_LEN = 64 * 1024,
};
static const uint64_t LINES_NS_MAX = 250000000;
static const uint64_t SIZE_IN_COLUMN_MAX = 9999999999;

struct listing {
    struct cli_app *app;
    const char *bucket;
    const char *pattern; /* NULL: everything under the prefix */
    size_t hidden_len;   /* of each key, not shown */
    uint64_t count;      /* of lines, over all addresses */
    uint64_t objects;    /* of them */
    uint64_t total_size;
    struct tn_buf lines; /* kept back for a moment */
    uint64_t given_ns;   /* when those before were written */
    int64_t shown_s;     /* the second that `columns` tells: neighbours have often the same */
    char columns[COLUMNS_LEN];
};

static int show_json(struct listing *l, const struct tarn_list_entry *entry)
{
    CLI_AUTO_JSON json;
    cli_report_json(l->app, &json, true);
    cli_json_str(&json, "key", (struct tn_str){ entry->key, entry->key_len });
    if (!entry->is_prefix) {
        cli_json_u64(&json, "size", entry->size);
        cli_json_time(&json, "last_modified", entry->last_modified_ms);
        cli_json_text(&json, "etag", entry->etag);
        cli_json_text(&json, "storage_class",
                      entry->storage_class ? entry->storage_class : "STANDARD");
    }
    cli_json_text(&json, "type", entry->is_prefix ? "prefix" : "object");
    cli_json_text(&json, "bucket", l->bucket);
    int rc = cli_json_end(&json);
    return rc < 0 ? rc : cli_out_line(&l->app->out, tn_buf_str(&json.b));
}

static int write_lines(struct listing *l)
{
    int rc = l->lines.len > 0 ? cli_out_bytes(&l->app->out, l->lines.data, l->lines.len) : TARN_OK;
    tn_buf_truncate(&l->lines, 0);
    l->given_ns = tn_now_rough_ns();
    return rc;
}

static bool must_write(const struct listing *l)
{
    return l->lines.len >= LINES_LEN || l->app->out.is_terminal_out ||
           tn_now_rough_ns() - l->given_ns > LINES_NS_MAX;
}

static struct tn_str shown_key(const struct listing *l, const struct tarn_list_entry *entry)
{
    return tn_str_sub((struct tn_str){ entry->key, entry->key_len }, l->hidden_len, SIZE_MAX);
}

static int append_name(struct listing *l, const struct tarn_list_entry *entry)
{
    if (l->app->opt.show_fullpath)
        return cli_place_append(&l->lines, (struct cli_place){ l->bucket, entry->key });
    return cli_text_append(&l->lines, shown_key(l, entry));
}

/* Time and size, with a gap behind each: "%s  %10llu  ", in the room of `l->columns`. */
static void fill_columns(struct listing *l, const struct tarn_list_entry *entry)
{
    int64_t second = entry->last_modified_ms < 0 ? -1 : entry->last_modified_ms / 1000;
    if (second != l->shown_s || !l->columns[0]) {
        char when[TN_TIME_LEN];
        cli_time_text(entry->last_modified_ms, when);
        memcpy(l->columns, when, TIME_COLUMN_LEN);
        l->shown_s = second;
    }
    memset(l->columns + TIME_COLUMN_LEN, ' ', COLUMNS_LEN - TIME_COLUMN_LEN);
    char *p = l->columns + COLUMNS_LEN - GAP_LEN;
    uint64_t size = entry->size;
    do {
        *--p = (char)('0' + size % 10);
        size /= 10;
    } while (size > 0);
}

static int append_columns(struct listing *l, const struct tarn_list_entry *entry)
{
    char size[CLI_SIZE_LEN];
    if (entry->is_prefix)
        return tn_buf_appendf(&l->lines, "%19s  %10s  ", "", "PRE");
    if (!l->app->opt.human && entry->size <= SIZE_IN_COLUMN_MAX) {
        fill_columns(l, entry);
        return tn_buf_append(&l->lines, l->columns, COLUMNS_LEN);
    }
    char when[TN_TIME_LEN];
    cli_time_text(entry->last_modified_ms, when);
    if (!l->app->opt.human)
        return tn_buf_appendf(&l->lines, "%s  %llu  ", when, (unsigned long long)entry->size);
    cli_size_text(entry->size, size);
    return tn_buf_appendf(&l->lines, "%s  %10s  ", when, size);
}

static int append_extra(struct listing *l, const char *text)
{
    int rc = tn_buf_append_str(&l->lines, TN_STR("  "));
    return rc < 0 ? rc : cli_text_append(&l->lines, tn_str_from(text));
}

static int append_line(struct listing *l, const struct tarn_list_entry *entry)
{
    size_t start = l->lines.len;
    int rc = append_columns(l, entry);
    if (rc == TARN_OK)
        rc = append_name(l, entry);
    if (rc == TARN_OK && l->app->opt.show_etag && !entry->is_prefix)
        rc = append_extra(l, entry->etag ? entry->etag : "-");
    if (rc == TARN_OK && l->app->opt.show_storage_class && !entry->is_prefix)
        rc = append_extra(l, entry->storage_class ? entry->storage_class : "STANDARD");
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&l->lines, '\n');
    if (rc < 0)
        tn_buf_truncate(&l->lines, start);
    return rc;
}

/* Nearly all lines are so: columns and a name that is shown as it is. */
static bool is_plain_line(const struct listing *l, const struct tarn_list_entry *entry)
{
    const struct cli_options *opt = &l->app->opt;
    return !entry->is_prefix && !opt->human && !opt->show_fullpath && !opt->show_etag &&
           !opt->show_storage_class && entry->size <= SIZE_IN_COLUMN_MAX &&
           cli_text_is_plain(shown_key(l, entry));
}

/* As append_line does, in one piece. */
static int append_plain_line(struct listing *l, const struct tarn_list_entry *entry)
{
    struct tn_str name = shown_key(l, entry);
    int rc = tn_buf_reserve(&l->lines, COLUMNS_LEN + name.len + 1);
    if (rc < 0)
        return rc;
    char *line = l->lines.data + l->lines.len;
    fill_columns(l, entry);
    memcpy(line, l->columns, COLUMNS_LEN);
    memcpy(line + COLUMNS_LEN, name.data, name.len);
    line[COLUMNS_LEN + name.len] = '\n';
    line[COLUMNS_LEN + name.len + 1] = '\0';
    l->lines.len += COLUMNS_LEN + name.len + 1;
    return TARN_OK;
}

static int show_text(struct listing *l, const struct tarn_list_entry *entry)
{
    int rc = is_plain_line(l, entry) ? append_plain_line(l, entry) : append_line(l, entry);
    return rc == TARN_OK && must_write(l) ? write_lines(l) : rc;
}

static int fail_writing(int rc, struct tarn_error *err)
{
    return tn_fail(err, rc, "could not write: %s", tarn_status_text(rc));
}

static int show(struct listing *l, const struct tarn_list_entry *entry, struct tarn_error *err)
{
    int rc = l->app->opt.json ? show_json(l, entry) : show_text(l, entry);
    if (rc < 0)
        return fail_writing(rc, err);
    l->count++;
    if (!entry->is_prefix) {
        l->objects++;
        l->total_size += entry->size;
    }
    return TARN_OK;
}

static bool is_full(const struct listing *l)
{
    return l->app->opt.limit != 0 && l->count >= l->app->opt.limit;
}

static int run(struct listing *l, struct tarn_list *list, struct tarn_error *err)
{
    while (!is_full(l)) {
        const struct tarn_list_entry *entry;
        int rc = tarn_list_next(list, &entry, err);
        if (rc < 0 || !entry)
            return rc;
        struct tn_str key = { entry->key, entry->key_len };
        if (l->pattern && !cli_glob_match(tn_str_from(l->pattern), key))
            continue;
        rc = show(l, entry, err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int list_objects(struct listing *l, const struct cli_address *address,
                        struct tarn_error *err)
{
    struct cli_app *app = l->app;
    TN_AUTO_BUF prefix = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    int rc = cli_match_key(app, address, &prefix, err);
    if (rc < 0)
        return rc;
    bool is_flat = app->opt.recursive || cli_match_is_pattern(app, address);
    l->bucket = address->bucket;
    l->pattern = cli_match_is_pattern(app, address) ? address->name : NULL;
    l->hidden_len = is_flat ? 0 : (size_t)(cli_name_last(prefix.data) - prefix.data);

    struct tarn_list_options options = { .request = cli_app_request(app),
                                         .prefix = prefix.data,
                                         .delimiter = is_flat ? NULL : "/",
                                         .use_v1 = app->opt.list_v1 };
    uint64_t wanted = app->opt.limit;
    if (wanted > 0 && wanted < 1000 && !l->pattern)
        options.page_size = (uint32_t)wanted;
    struct tarn_error why = { 0 };
    struct tarn_list *list = tarn_list_open(app->client, address->bucket, &options, &why);
    if (!list) {
        *err = why;
        return why.status < 0 ? why.status : TARN_ENOMEM;
    }
    l->given_ns = tn_now_rough_ns();
    rc = run(l, list, err);
    tarn_list_free(list);
    int written = write_lines(l);
    return rc == TARN_OK && written < 0 ? fail_writing(written, err) : rc;
}

static int show_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    struct listing *l = arg;
    struct cli_app *app = l->app;
    if (is_full(l))
        return TARN_OK;
    l->count++;
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "bucket", entry->name);
        cli_json_time(&json, "created", entry->created_ms);
        cli_json_text(&json, "region", entry->region);
        cli_json_text(&json, "type", "bucket");
        int rc = cli_json_end(&json);
        return rc < 0 ? rc : cli_out_line(&app->out, tn_buf_str(&json.b));
    }
    char when[TN_TIME_LEN];
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    cli_time_text(entry->created_ms, when);
    int rc = tn_buf_appendf(&line, "%s  ", when);
    if (rc == TARN_OK)
        rc = cli_place_append(&line, (struct cli_place){ entry->name, NULL });
    return rc < 0 ? rc : cli_out_line(&app->out, tn_buf_str(&line));
}

static int list_address(struct listing *l, const struct cli_address *address,
                        struct tarn_error *err)
{
    if (address->bucket[0] != '\0')
        return list_objects(l, address, err);
    struct tarn_bucket_options options = { .request = cli_app_request(l->app) };
    return tarn_bucket_list(l->app->client, &options, show_bucket, l, err);
}

static void summarize(struct listing *l, bool is_about_buckets, bool success)
{
    char size[CLI_SIZE_LEN];
    if (l->app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(l->app, &json, success);
        cli_json_u64(&json, "count", is_about_buckets ? l->count : l->objects);
        cli_json_u64(&json, "total_size", l->total_size);
        cli_report_json_end(l->app, &json);
        return;
    }
    cli_size_text(l->total_size, size);
    if (is_about_buckets)
        cli_report_note(l->app, "\n%llu buckets", (unsigned long long)l->count);
    else if (l->count == 0)
        cli_report_note(l->app, "No objects found.");
    else
        cli_report_note(l->app, "\n%llu objects, %s total", (unsigned long long)l->objects, size);
}

/* All addresses are judged before the first request. */
static int parse(struct cli_app *app, int i, struct cli_address *address, struct tarn_error *err)
{
    const char *text = app->operand_count ? app->operands[i] : "s3://";
    int rc = cli_address_parse(text, address, err);
    if (rc < 0)
        return rc;
    if (address->kind != CLI_ADDRESS_S3)
        return tn_fail(err, TARN_EINVAL, "\"%s\" is not an S3 address (s3://bucket/prefix)", text);
    return TARN_OK;
}

/* The exact key, or all below what looks like a directory. */
static int list_versions(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    if (app->operand_count == 0) {
        (void)tn_fail(&err, TARN_EINVAL, "\"--all-versions\" wants an address");
        return cli_report_usage(app, &err);
    }
    for (int i = 0; i < app->operand_count; i++)
        app->opt.recursive |= tn_str_ends(tn_str_from(app->operands[i]), TN_STR("/"));
    return cli_run_versions(app);
}

int cli_run_ls(struct cli_app *app)
{
    if (app->opt.all_versions)
        return list_versions(app);
    struct listing l = { .app = app, .lines = TN_BUF_INIT(CLI_LINE_LEN_MAX + LINES_LEN) };
    struct tarn_error err = { 0 };
    struct cli_address address = { 0 };
    int count = app->operand_count ? app->operand_count : 1;
    app->is_reader = true;
    for (int i = 0; i < count; i++) {
        if (parse(app, i, &address, &err) < 0)
            return cli_report_usage(app, &err);
    }
    for (int i = 0; i < count && !cli_app_is_over(app); i++) {
        int rc = parse(app, i, &address, &err);
        if (rc == TARN_OK)
            rc = list_address(&l, &address, &err);
        if (rc < 0)
            cli_report_failure(app, (struct cli_place){ address.bucket, address.name },
                               (struct cli_place){ 0 }, &err);
        else
            atomic_fetch_add(&app->succeeded, 1);
    }
    if (!cli_app_is_over(app) && atomic_load(&app->succeeded) > 0)
        summarize(&l, address.bucket[0] == '\0', atomic_load(&app->failed) == 0);
    atomic_store(&app->bytes, 0);
    tn_buf_release(&l.lines);
    return (int)cli_app_exit(app);
}
