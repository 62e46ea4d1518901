/* SPDX-License-Identifier: Apache-2.0 */
/* Archived storage classes, and RestoreObject. API_META_RESTORE is until when a restored copy is
 * there, in unix milliseconds. */

#include "server/api/archive.h"

#include "base/clock.h"
#include "proto/xml.h"
#include "server/api/object_change.h"
#include "server/api/ops.h"
#include "server/api/settings.h"
#include "server/api/xml_rules.h"

#define DAY_MS (86400 * INT64_C(1000))
enum { RESTORE_DAYS_MAX = 36500 };

static bool is_archived(const struct store_head *head)
{
    enum api_class storage_class = api_attrs_class(head->attrs);
    return storage_class == API_CLASS_GLACIER || storage_class == API_CLASS_DEEP_ARCHIVE;
}

static int64_t restored_until(const struct api_meta *meta)
{
    uint64_t until;
    int rc = tn_str_to_u64(meta->fields[API_META_RESTORE], &until);
    return rc == TARN_OK && until <= INT64_MAX ? (int64_t)until : 0;
}

enum tn_s3_code archive_check_read(struct api_req *r, const struct store_head *head)
{
    if (!is_archived(head) || restored_until(&r->meta) > tn_wall_ms())
        return TN_S3_OK;
    r->refused_class = api_class_names[api_attrs_class(head->attrs)];
    return TN_S3_INVALID_OBJECT_STATE;
}

void archive_add_headers(struct api_req *r)
{
    char date[TN_TIME_LEN];
    char text[TN_TIME_LEN + 64];
    int64_t until = restored_until(&r->meta);
    if (until <= tn_wall_ms())
        return;
    tn_time_http(until / 1000, date);
    (void)snprintf(text, sizeof text, "ongoing-request=\"false\", expiry-date=\"%s\"", date);
    api_add_text(r, "x-amz-restore", text);
}

struct restore_state {
    uint64_t days;
    bool is_expedited;
};

static enum tn_s3_code edit_restore(struct api_req *r, struct api_meta *meta)
{
    const struct restore_state *state = r->state;
    const struct store_head *head = r->api->store->ops->object_head(r->object);
    if (!is_archived(head))
        return api_err(r, TN_S3_INVALID_OBJECT_STATE,
                       "Restore is not allowed for the object's current storage class");
    if (state->is_expedited && api_attrs_class(head->attrs) == API_CLASS_DEEP_ARCHIVE)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "Retrieval option is not supported by this storage class");
    int64_t now = tn_wall_ms();
    r->edit_status = restored_until(meta) > now ? 200 : 202;
    char *text =
        tn_arena_printf(&r->http->arena, "%lld", (long long)(now + (int64_t)state->days * DAY_MS));
    if (!text)
        return TN_S3_SERVICE_UNAVAILABLE;
    meta->fields[API_META_RESTORE] = tn_str_from(text);
    return TN_S3_OK;
}

/* Results of queries, which S3 has closed to newcomers. */
static bool is_select(const struct tn_xml_node *root)
{
    return tn_xml_child(root, "Type") || tn_xml_child(root, "SelectParameters") ||
           tn_xml_child(root, "OutputLocation");
}

static bool is_expedited(const struct tn_xml_node *root)
{
    const struct tn_xml_node *job = tn_xml_child(root, "GlacierJobParameters");
    return tn_str_eq(tn_xml_child_text(job ? job : root, "Tier"), TN_STR("Expedited"));
}

enum tn_s3_code restore_run(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    struct restore_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    enum tn_s3_code code =
        state ? setting_parse(r, &restore_rule, &root) : TN_S3_SERVICE_UNAVAILABLE;
    if (code)
        return code;
    if (is_select(root))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "Restoring by a query is not implemented.");
    state->days = xml_u64(root, "Days", 0);
    state->is_expedited = is_expedited(root);
    if (state->days == 0 || state->days > RESTORE_DAYS_MAX)
        return TN_S3_MALFORMED_XML;
    r->state = state;
    return object_change_start(r, edit_restore, 202);
}

/* --- Listings --- */

struct archive_entry {
    size_t at; /* in r->out */
    struct tn_str key;
    struct store_version version;
};

enum tn_s3_code archive_list_check(struct api_req *r, struct archive_list *l)
{
    struct tn_str names = api_header(r, "x-amz-optional-object-attributes");
    bool is_wanted = false;
    while (names.len)
        is_wanted |= tn_str_eq(tn_str_trim(tn_str_split(&names, ',')), TN_STR("RestoreStatus"));
    if (!is_wanted)
        return TN_S3_OK;
    l->entries = tn_arena_alloc(&r->http->arena, API_LIST_COUNT_MAX * sizeof *l->entries);
    return l->entries ? TN_S3_OK : TN_S3_SERVICE_UNAVAILABLE;
}

int archive_list_note(struct api_req *r, struct archive_list *l, struct tn_str key,
                      const struct store_head *head, const struct store_version *version)
{
    if (!l->entries || !is_archived(head) || l->count == API_LIST_COUNT_MAX)
        return TARN_OK;
    struct archive_entry *e = &l->entries[l->count];
    *e = (struct archive_entry){ .at = r->out.len, .version = *version };
    int rc = tn_arena_str(&r->http->arena, key, &e->key);
    if (rc == TARN_OK)
        l->count++;
    return rc;
}

/* 0 when it is not restored, or not there any more. */
static int read_until(struct api_req *r, const struct archive_entry *e, int64_t *until)
{
    struct store *s = r->api->store;
    struct store_object *o = NULL;
    struct api_meta meta;
    struct tn_arena arena;
    *until = 0;
    int rc = e->version.kind == STORE_CURRENT
                 ? s->ops->object_open(s, r->bucket, e->key, true, &o, NULL)
                 : s->ops->version_open(s, r->bucket, e->key, &e->version, &o, NULL);
    if (rc < 0)
        return rc == TARN_ENOTFOUND ? TARN_OK : rc;
    tn_arena_init(&arena, STORE_META_LEN_MAX * 4);
    rc = api_meta_decode(s->ops->object_meta(o), &arena, &meta);
    if (rc == TARN_OK)
        *until = restored_until(&meta);
    tn_arena_release(&arena);
    s->ops->object_close(o);
    return rc;
}

static int write_status(struct api_req *r, const struct archive_entry *e, struct tn_buf *out)
{
    struct tn_xml_writer w = TN_XML_WRITER(out);
    int64_t until;
    int rc = read_until(r, e, &until);
    if (rc < 0 || until <= tn_wall_ms())
        return rc;
    tn_xml_open(&w, "RestoreStatus");
    tn_xml_bool(&w, "IsRestoreInProgress", false);
    api_xml_time(&w, "RestoreExpiryDate", until);
    tn_xml_close(&w, "RestoreStatus");
    return w.rc;
}

int archive_list_write(struct api_req *r, const struct archive_list *l)
{
    TN_AUTO_BUF out = TN_BUF_INIT(r->out.max);
    struct tn_str rest = tn_buf_str(&r->out);
    size_t done = 0;
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < l->count; i++) {
        size_t len = l->entries[i].at - done;
        rc = tn_buf_append_str(&out, tn_str_sub(rest, 0, len));
        if (rc == TARN_OK)
            rc = write_status(r, &l->entries[i], &out);
        rest = tn_str_sub(rest, len, SIZE_MAX);
        done += len;
    }
    if (rc < 0 || l->count == 0)
        return rc;
    rc = tn_buf_append_str(&out, rest);
    if (rc == TARN_OK)
        tn_buf_swap(&out, &r->out);
    return rc;
}
