/* SPDX-License-Identifier: Apache-2.0 */
/* Archived storage classes, and RestoreObject. API_META_RESTORE is until when a restored copy is
 * there, in unix milliseconds. */

#include "server/api/archive.h"

#include "base/clock.h"
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
    return api_err(r, TN_S3_INVALID_OBJECT_STATE, "%s",
                   tn_s3_error(TN_S3_INVALID_OBJECT_STATE)->message);
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
