/* SPDX-License-Identifier: Apache-2.0 */
/* tarn du */

#include <stdlib.h>

#include "base/fail.h"
#include "cli/app.h"
#include "cli/filter.h"
#include "cli/glob.h"
#include "cli/match.h"
#include "cli/operands.h"
#include "cli/version_walk.h"

enum { CLASSES_MAX = 32, CLASS_LEN_MAX = 32 };

struct group {
    char name[CLASS_LEN_MAX];
    uint64_t count;
    uint64_t bytes;
};

struct usage {
    struct cli_app *app;
    const char *bucket;
    const char *pattern; /* of the address at hand; NULL: everything below `prefix` */
    struct tn_buf prefix;
    size_t common_len; /* of each key, not part of the name that filters see */
    struct group groups[CLASSES_MAX];
    size_t group_count;
    uint64_t count;
    uint64_t bytes;
    uint64_t markers;
    uint64_t uploads;
    uint64_t upload_bytes;
};

static void add(struct usage *u, const char *storage_class, uint64_t bytes)
{
    const char *name = storage_class && *storage_class ? storage_class : "STANDARD";
    size_t at = 0;
    u->count++;
    u->bytes += bytes;
    while (at < u->group_count && strncmp(u->groups[at].name, name, CLASS_LEN_MAX - 1) != 0)
        at++;
    if (at == CLASSES_MAX) { /* more classes than there can be: the last one takes them all */
        at--;
        name = "(other)";
    }
    if (at == u->group_count)
        u->group_count++;
    (void)snprintf(u->groups[at].name, CLASS_LEN_MAX, "%s", name);
    u->groups[at].count++;
    u->groups[at].bytes += bytes;
}

static int add_object(void *arg, const struct tarn_list_entry *entry, const char *name,
                      struct tarn_error *err)
{
    (void)name;
    (void)err;
    add(arg, entry->storage_class, entry->size);
    return TARN_OK;
}

/* What listings of versions and uploads do not judge themselves. */
static bool is_counted(const struct usage *u, const char *key)
{
    struct tn_str text = tn_str_from(key);
    if (text.len < u->common_len || (u->pattern && !cli_glob_match(tn_str_from(u->pattern), text)))
        return false;
    return cli_filter_takes(&u->app->opt, key + u->common_len);
}

static int add_version(void *arg, const struct tarn_version_entry *entry, struct tarn_error *err)
{
    struct usage *u = arg;
    (void)err;
    if (!is_counted(u, entry->key))
        return TARN_OK;
    if (entry->is_delete_marker)
        u->markers++;
    else
        add(u, entry->storage_class, entry->size);
    return TARN_OK;
}

static int add_part(void *arg, const struct tarn_part *part)
{
    struct usage *u = arg;
    u->upload_bytes += part->size;
    return TARN_OK;
}

static int add_upload(void *arg, const struct tarn_upload_entry *entry)
{
    struct usage *u = arg;
    struct tarn_request request = cli_app_request(u->app);
    struct tarn_error err = { 0 };
    if (!is_counted(u, entry->key))
        return TARN_OK;
    u->uploads++;
    int rc = tarn_multipart_list_parts(u->app->client, u->bucket, entry->key, entry->upload_id,
                                       &request, add_part, u, &err);
    return rc == TARN_ENOTFOUND || rc == TARN_OK ? TARN_OK : rc; /* it may have ended meanwhile */
}

static int by_name(const void *a, const void *b)
{
    const struct group *x = a;
    const struct group *y = b;
    return strcmp(x->name, y->name);
}

static void show_json(struct usage *u)
{
    for (size_t i = 0; u->app->opt.group && i < u->group_count; i++) {
        CLI_AUTO_JSON json;
        cli_report_json(u->app, &json, true);
        cli_json_text(&json, "storage_class", u->groups[i].name);
        cli_json_u64(&json, "count", u->groups[i].count);
        cli_json_u64(&json, "total_size", u->groups[i].bytes);
        cli_report_json_end(u->app, &json);
    }
    CLI_AUTO_JSON json;
    cli_report_json(u->app, &json, true);
    cli_json_u64(&json, "count", u->count);
    cli_json_u64(&json, "total_size", u->bytes);
    if (u->app->opt.all_versions)
        cli_json_u64(&json, "delete_markers", u->markers);
    if (u->app->opt.incomplete) {
        cli_json_u64(&json, "incomplete_uploads", u->uploads);
        cli_json_u64(&json, "incomplete_size", u->upload_bytes);
    }
    cli_report_json_end(u->app, &json);
}

static void size_text(const struct usage *u, uint64_t bytes, char out[CLI_SIZE_LEN])
{
    if (u->app->opt.human)
        cli_size_text(bytes, out);
    else
        (void)snprintf(out, CLI_SIZE_LEN, "%llu", (unsigned long long)bytes);
}

static void show_text(struct usage *u)
{
    char size[CLI_SIZE_LEN];
    for (size_t i = 0; u->app->opt.group && i < u->group_count; i++) {
        TN_AUTO_BUF name = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        size_text(u, u->groups[i].bytes, size);
        if (cli_text_append(&name, tn_str_from(u->groups[i].name)) == TARN_OK)
            cli_report_line(u->app, "%14s  %10llu objects  %s", size,
                            (unsigned long long)u->groups[i].count, name.data);
    }
    size_text(u, u->bytes, size);
    cli_report_line(u->app, "%14s  %10llu %s", size, (unsigned long long)u->count,
                    u->app->opt.all_versions ? "versions" : "objects");
    if (u->app->opt.all_versions)
        cli_report_line(u->app, "%14s  %10llu delete markers", "", (unsigned long long)u->markers);
    size_text(u, u->upload_bytes, size);
    if (u->app->opt.incomplete)
        cli_report_line(u->app, "%14s  %10llu unfinished uploads", size,
                        (unsigned long long)u->uploads);
}

static int set_scope(struct usage *u, const struct cli_address *address, struct tarn_error *err)
{
    bool is_pattern = cli_match_is_pattern(u->app, address);
    tn_buf_truncate(&u->prefix, 0);
    int rc = cli_match_key(u->app, address, &u->prefix, err);
    if (rc == TARN_OK && !is_pattern && u->prefix.len > 0 &&
        u->prefix.data[u->prefix.len - 1] != '/' && tn_buf_append_char(&u->prefix, '/') < 0)
        rc = tn_fail(err, TARN_ENOMEM, "out of memory");
    u->bucket = address->bucket;
    u->pattern = is_pattern ? address->name : NULL;
    u->common_len =
        is_pattern ? (size_t)(cli_name_last(u->prefix.data) - u->prefix.data) : u->prefix.len;
    return rc;
}

static int add_address(void *user, const struct cli_address *address, struct tarn_error *err)
{
    struct usage *u = user;
    struct cli_app *app = u->app;
    struct tarn_request request = cli_app_request(app);
    uint64_t seen = 0;
    int rc = set_scope(u, address, err);
    if (rc < 0)
        return rc;
    if (app->opt.all_versions) {
        app->opt.recursive = true; /* as for objects: everything below */
        rc = cli_version_each(app, address, add_version, u, err);
    } else {
        rc = cli_match_each(app, address, add_object, u, &seen, err);
    }
    if (rc == TARN_OK && app->opt.incomplete)
        rc = tarn_multipart_list_uploads(app->client, address->bucket, u->prefix.data, &request,
                                         add_upload, u, err);
    return rc;
}

int cli_run_du(struct cli_app *app)
{
    struct usage u = { .app = app, .prefix = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX + 1) };
    app->is_reader = true;
    const struct cli_operands operands = {
        .read = cli_operand_s3, .work = add_address, .user = &u, .is_counted = true
    };
    int rc = cli_operands_run(app, &operands);
    tn_buf_release(&u.prefix);
    if (rc != CLI_EXIT_OK)
        return rc;
    qsort(u.groups, u.group_count, sizeof u.groups[0], by_name);
    if (atomic_load(&app->succeeded) > 0 && !cli_app_is_over(app)) {
        if (app->opt.json)
            show_json(&u);
        else
            show_text(&u);
    }
    return (int)cli_app_exit(app);
}
