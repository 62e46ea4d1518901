/* SPDX-License-Identifier: Apache-2.0 */
/* tarn tag, tarn attr */

#include "base/fail.h"
#include "cli/app.h"
#include "cli/match.h"

enum { CHANGES_MAX = 128 };

/* ---- tag ---- */

/* What the command line asks for. Names are copies, values are parts of the operands. */
struct changes {
    struct tarn_header items[CHANGES_MAX];
    char *names[CHANGES_MAX];
    size_t count;
};

static void changes_release(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++)
        tn_free(c->names[i]);
}

static int add_change(struct changes *c, const char *text, size_t name_len, const char *value,
                      struct tarn_error *err)
{
    if (c->count == CHANGES_MAX)
        return tn_fail(err, TARN_EINVAL, "more than %d tags", CHANGES_MAX);
    char *name = tn_memdup(text, name_len);
    if (!name)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    c->names[c->count] = name;
    c->items[c->count++] = (struct tarn_header){ name, value };
    return TARN_OK;
}

static int gather(const struct cli_app *app, struct changes *c, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (int i = 1; i < app->operand_count && rc == TARN_OK; i++) {
        const char *equals = strchr(app->operands[i], '=');
        rc = equals && equals != app->operands[i]
                 ? add_change(c, app->operands[i], (size_t)(equals - app->operands[i]), equals + 1,
                              err)
                 : tn_fail(err, TARN_EINVAL, "\"%s\" is no tag (NAME=VALUE)", app->operands[i]);
    }
    for (size_t i = 0; i < app->opt.remove.count && rc == TARN_OK; i++)
        rc = add_change(c, app->opt.remove.items[i], strlen(app->opt.remove.items[i]), NULL, err);
    if (rc == TARN_OK && app->opt.replace && app->opt.remove.count > 0)
        rc = tn_fail(err, TARN_EINVAL, "\"--replace\" and \"--remove\" exclude each other");
    return rc;
}

static void show_tags(struct cli_app *app, const struct cli_address *address, const char *key,
                      const struct tarn_header *tags, size_t count)
{
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_json_text(&json, "bucket", address->bucket);
    cli_json_text(&json, "key", key);
    cli_json_open(&json, "tags");
    for (size_t i = 0; i < count; i++)
        cli_json_text(&json, tags[i].name, tags[i].value);
    cli_json_close(&json);
    if (app->opt.dry_run)
        cli_json_bool(&json, "dry_run", true);
    if (app->opt.json) {
        cli_report_json_end(app, &json);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        int rc = cli_text_append(&line, tn_str_from(tags[i].name));
        if (rc == TARN_OK)
            rc = tn_buf_append_char(&line, '=');
        if (rc == TARN_OK)
            rc = cli_text_append(&line, tn_str_from(tags[i].value));
        if (rc == TARN_OK)
            cli_report_line(app, "%s%s", app->opt.dry_run ? "(dry-run) " : "", line.data);
    }
}

struct tagging {
    struct cli_app *app;
    const struct cli_address *address;
    const struct changes *changes;
};

static bool is_changed(const struct changes *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->items[i].name, name) == 0)
            return true;
    }
    return false;
}

/* With --dry-run: the tags that it would have. */
static int show_changed(const struct tagging *t, const char *key, const struct tarn_tags *tags,
                        struct tarn_error *err)
{
    const struct changes *c = t->changes;
    size_t count = 0;
    TN_AUTO_FREE struct tarn_header *made = tn_calloc(tags->count + c->count, sizeof *made);
    if (!made)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    for (size_t i = 0; i < tags->count && !t->app->opt.replace; i++) {
        if (!is_changed(c, tags->items[i].name))
            made[count++] = tags->items[i];
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].value)
            made[count++] = c->items[i];
    }
    show_tags(t->app, t->address, key, made, count);
    return TARN_OK;
}

static int tag_one(const struct tagging *t, const char *key, struct tarn_error *err)
{
    struct cli_app *app = t->app;
    const char *bucket = t->address->bucket;
    const char *version = app->opt.version_id;
    struct tarn_request request = cli_app_request(app);
    struct tarn_tags tags = { 0 };
    const struct changes *c = t->changes;
    int rc = TARN_OK;
    bool is_change = c->count > 0 || app->opt.replace;
    if (is_change && !app->opt.dry_run) {
        if (!app->opt.replace)
            rc = tarn_tags_merge(app->client, bucket, key, version, c->items, c->count, &request,
                                 err);
        else if (c->count > 0)
            rc =
                tarn_tags_put(app->client, bucket, key, version, c->items, c->count, &request, err);
        else
            rc = tarn_tags_delete(app->client, bucket, key, version, &request, err);
    }
    if (rc == TARN_OK)
        rc = tarn_tags_get(app->client, bucket, key, version, &request, &tags, err);
    if (rc == TARN_OK && is_change && app->opt.dry_run)
        rc = show_changed(t, key, &tags, err);
    else if (rc == TARN_OK)
        show_tags(app, t->address, key, tags.items, tags.count);
    tarn_tags_release(&tags);
    return rc;
}

static int tag_entry(void *arg, const struct tarn_list_entry *entry, const char *name,
                     struct tarn_error *err)
{
    const struct tagging *t = arg;
    struct tarn_error why = { 0 };
    (void)name;
    (void)err;
    if (!t->app->opt.json) {
        TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        if (cli_place_append(&place, (struct cli_place){ t->address->bucket, entry->key }) ==
            TARN_OK)
            cli_report_line(t->app, "%s", place.data);
    }
    if (tag_one(t, entry->key, &why) < 0)
        cli_report_failure(t->app, (struct cli_place){ t->address->bucket, entry->key },
                           (struct cli_place){ 0 }, &why);
    else
        atomic_fetch_add(&t->app->succeeded, 1);
    return cli_app_is_over(t->app) ? TARN_ECANCELLED : TARN_OK;
}

static int tag_address(struct tagging *t, struct tarn_error *err)
{
    struct cli_app *app = t->app;
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    uint64_t seen = 0;
    if (app->opt.recursive || cli_match_is_pattern(app, t->address)) {
        int rc = cli_match_each(app, t->address, tag_entry, t, &seen, err);
        if (rc == TARN_OK && seen == 0)
            cli_report_note(app, "No objects matched.");
        return rc;
    }
    int rc = cli_match_key(app, t->address, &key, err);
    if (rc < 0 || (key.len > 0 && !cli_match_takes(app, key.data)))
        return rc;
    rc = tag_one(t, key.len > 0 ? key.data : NULL, err);
    if (rc == TARN_OK)
        atomic_fetch_add(&app->succeeded, 1);
    return rc;
}

int cli_run_tag(struct cli_app *app)
{
    struct changes changes = { .count = 0 };
    struct tarn_error err = { 0 };
    struct cli_address address;
    struct tagging t = { app, &address, &changes };
    int rc = cli_address_parse_s3(app->operands[0], &address, &err);
    if (rc == TARN_OK)
        rc = gather(app, &changes, &err);
    if (rc == TARN_OK && app->opt.version_id &&
        (app->opt.recursive || cli_match_is_pattern(app, &address) || !*address.name))
        rc = tn_fail(&err, TARN_EINVAL, "\"--version-id\" wants one exact key");
    if (rc < 0) {
        changes_release(&changes);
        return cli_report_usage(app, &err);
    }
    rc = tag_address(&t, &err);
    if (rc < 0)
        cli_report_fatal(app, (struct cli_place){ address.bucket, address.name }, &err);
    changes_release(&changes);
    return (int)cli_app_exit(app);
}

/* ---- attr ---- */

static void show(struct cli_app *app, const char *label, const char *value)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (value && cli_text_append(&text, tn_str_from(value)) == TARN_OK)
        cli_report_line(app, "%-20s %s", label, text.data);
}

static void show_attributes(struct cli_app *app, const struct cli_address *address, const char *key,
                            const struct tarn_object_attributes *a)
{
    char when[TN_TIME_LEN];
    const char *storage_class = a->storage_class ? a->storage_class : "STANDARD";
    const char *sum = a->checksum_value ? tarn_checksum_name(a->checksum_algorithm) : NULL;
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "bucket", address->bucket);
        cli_json_text(&json, "key", key);
        cli_json_u64(&json, "size", a->size);
        cli_json_time(&json, "last_modified", a->last_modified_ms);
        cli_json_text(&json, "etag", a->etag);
        cli_json_text(&json, "version_id", a->version_id);
        cli_json_text(&json, "storage_class", storage_class);
        cli_json_text(&json, "checksum_algorithm", sum);
        cli_json_text(&json, "checksum", a->checksum_value);
        cli_json_text(&json, "checksum_type", a->checksum_type);
        if (a->parts_count > 0)
            cli_json_u64(&json, "parts", a->parts_count);
        cli_report_json_end(app, &json);
        return;
    }
    cli_time_text(a->last_modified_ms, when);
    show(app, "Key:", key);
    cli_report_line(app, "%-20s %llu", "Size:", (unsigned long long)a->size);
    show(app, "Last Modified:", a->last_modified_ms >= 0 ? when : NULL);
    show(app, "ETag:", a->etag);
    show(app, "Version ID:", a->version_id);
    show(app, "Storage Class:", storage_class);
    show(app, "Checksum:", sum);
    show(app, "Checksum Value:", a->checksum_value);
    show(app, "Checksum Type:", a->checksum_type);
    if (a->parts_count > 0)
        cli_report_line(app, "%-20s %u", "Parts:", a->parts_count);
}

int cli_run_attr(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    struct cli_address address;
    struct tarn_object_attributes a = { 0 };
    TN_AUTO_BUF key = TN_BUF_INIT(CLI_ADDRESS_LEN_MAX);
    struct tarn_request request = cli_app_request(app);
    int rc = cli_address_parse_s3(app->operands[0], &address, &err);
    if (rc == TARN_OK && address.name[0] == '\0')
        rc = tn_fail(&err, TARN_EINVAL, "\"%s\" names no key", app->operands[0]);
    if (rc == TARN_OK && cli_match_is_pattern(app, &address))
        rc = tn_fail(&err, TARN_EINVAL,
                     "\"%s\" is a pattern; one exact key is wanted (\"--raw\" takes it so)",
                     app->operands[0]);
    if (rc < 0)
        return cli_report_usage(app, &err);
    rc = cli_match_key(app, &address, &key, &err);
    if (rc == TARN_OK)
        rc = tarn_object_get_attributes(app->client, address.bucket, key.data, app->opt.version_id,
                                        &request, &a, &err);
    if (rc < 0)
        cli_report_fatal(app, (struct cli_place){ address.bucket, address.name }, &err);
    else
        show_attributes(app, &address, key.data, &a);
    tarn_object_attributes_release(&a);
    return (int)cli_app_exit(app);
}
