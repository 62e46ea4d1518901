/* SPDX-License-Identifier: Apache-2.0 */
/* Object lock: what a version's metadata says of it, its headers, its sub-resources. */

#include "server/api/object_lock.h"

#include "base/clock.h"
#include "server/api/object_change.h"
#include "server/api/ops.h"
#include "server/api/settings.h"
#include "server/api/xml_rules.h"

#define DAY_MS (86400 * INT64_C(1000))
enum { DAYS_OF_YEAR = 365 };

static const char *const mode_names[] = {
    [LOCK_GOVERNANCE] = "GOVERNANCE", [LOCK_COMPLIANCE] = "COMPLIANCE"
};

static enum lock_mode mode_of(struct tn_str name)
{
    if (tn_str_eq(name, TN_STR("GOVERNANCE")))
        return LOCK_GOVERNANCE;
    return tn_str_eq(name, TN_STR("COMPLIANCE")) ? LOCK_COMPLIANCE : LOCK_NONE;
}

struct lock_retention lock_retention_of(const struct api_meta *meta)
{
    uint64_t until = 0;
    struct tn_str until_text = meta->fields[API_META_RETENTION];
    enum lock_mode mode = mode_of(tn_str_split(&until_text, ' '));
    if (mode == LOCK_NONE || tn_str_to_u64(until_text, &until) < 0 || until > INT64_MAX)
        return (struct lock_retention){ LOCK_NONE, 0 };
    return (struct lock_retention){ mode, (int64_t)until };
}

bool lock_is_held(const struct api_meta *meta)
{
    return tn_str_eq(meta->fields[API_META_LEGAL_HOLD], TN_STR("ON"));
}

bool lock_is_any(const struct api_meta *meta)
{
    return lock_is_held(meta) || lock_retention_of(meta).mode != LOCK_NONE;
}

bool lock_wants_bypass(const struct api_req *r)
{
    return tn_str_eq_nocase(api_header(r, "x-amz-bypass-governance-retention"), TN_STR("true"));
}

enum tn_s3_code lock_check_delete(struct api_req *r, const struct api_meta *meta, bool may_bypass,
                                  int64_t now_ms)
{
    struct lock_retention kept = lock_retention_of(meta);
    bool is_retained = kept.mode != LOCK_NONE && kept.until_ms > now_ms &&
                       !(kept.mode == LOCK_GOVERNANCE && may_bypass);
    if (!is_retained && !lock_is_held(meta))
        return TN_S3_OK;
    return api_err(r, TN_S3_ACCESS_DENIED,
                   "Access Denied because object protected by object lock.");
}

/* --- Headers --- */

static enum tn_s3_code set_retention(struct api_req *r, struct api_meta *meta,
                                     struct lock_retention kept)
{
    meta->fields[API_META_RETENTION] = TN_STR_EMPTY;
    if (kept.mode == LOCK_NONE)
        return TN_S3_OK;
    char *text = tn_arena_printf(&r->http->arena, "%s %lld", mode_names[kept.mode],
                                 (long long)kept.until_ms);
    if (!text)
        return TN_S3_SERVICE_UNAVAILABLE;
    meta->fields[API_META_RETENTION] = tn_str_from(text);
    return TN_S3_OK;
}

static enum tn_s3_code use_default(struct api_req *r, struct api_meta *meta)
{
    const struct tn_xml_node *root = bucket_config_form(r->config, BUCKET_OBJECT_LOCK);
    const struct tn_xml_node *rule = root ? tn_xml_child(root, "Rule") : NULL;
    if (!rule)
        return TN_S3_OK;
    const struct tn_xml_node *node = rule->children;
    uint64_t days = xml_u64(node, "Days", 0) + DAYS_OF_YEAR * xml_u64(node, "Years", 0);
    struct lock_retention kept = { .mode = mode_of(tn_xml_child_text(node, "Mode")),
                                   .until_ms = tn_wall_ms() + (int64_t)days * DAY_MS };
    return set_retention(r, meta, kept);
}

static enum tn_s3_code read_retention(struct api_req *r, struct api_meta *meta)
{
    struct lock_retention kept;
    struct tn_str mode = api_header(r, "x-amz-object-lock-mode");
    struct tn_str until = api_header(r, "x-amz-object-lock-retain-until-date");
    if (mode.len == 0 && until.len == 0)
        return use_default(r, meta);
    if (mode.len == 0 || until.len == 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both "
                       "be supplied");
    kept.mode = mode_of(mode);
    if (kept.mode == LOCK_NONE)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Unknown wormMode directive.");
    if (tn_time_parse_iso8601(until, &kept.until_ms) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "The retain until date must be provided in ISO 8601 format");
    if (kept.until_ms <= tn_wall_ms())
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The retain until date must be in the future!");
    return set_retention(r, meta, kept);
}

static enum tn_s3_code check_enabled(struct api_req *r)
{
    if (bucket_config_get(r->config, BUCKET_OBJECT_LOCK).len)
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST, "Bucket is missing Object Lock Configuration");
}

enum tn_s3_code lock_read_headers(struct api_req *r, struct api_meta *meta)
{
    struct tn_str hold = api_header(r, "x-amz-object-lock-legal-hold");
    bool is_asked = hold.len || api_has_header(r, "x-amz-object-lock-mode") ||
                    api_has_header(r, "x-amz-object-lock-retain-until-date");
    meta->fields[API_META_RETENTION] = TN_STR_EMPTY;
    meta->fields[API_META_LEGAL_HOLD] = TN_STR_EMPTY;
    enum tn_s3_code code = is_asked ? check_enabled(r) : TN_S3_OK;
    if (code)
        return code;
    if (hold.len && !tn_str_eq(hold, TN_STR("ON")) && !tn_str_eq(hold, TN_STR("OFF")))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Legal Hold must be either of 'ON' or 'OFF'");
    meta->fields[API_META_LEGAL_HOLD] = hold;
    return read_retention(r, meta);
}

void lock_add_headers(struct api_req *r, const struct api_meta *meta)
{
    char date[TN_TIME_LEN];
    struct lock_retention kept = lock_retention_of(meta);
    if (meta->fields[API_META_LEGAL_HOLD].len)
        api_add(r, "x-amz-object-lock-legal-hold", meta->fields[API_META_LEGAL_HOLD]);
    if (kept.mode == LOCK_NONE)
        return;
    tn_time_iso8601(kept.until_ms, date);
    api_add_text(r, "x-amz-object-lock-mode", mode_names[kept.mode]);
    api_add_text(r, "x-amz-object-lock-retain-until-date", date);
}

/* --- ?retention --- */

enum tn_s3_code retention_get_run(struct api_req *r)
{
    char date[TN_TIME_LEN];
    enum tn_s3_code code = check_enabled(r);
    if (code == TN_S3_OK)
        code = object_change_open(r);
    if (code)
        return code;
    struct lock_retention kept = lock_retention_of(&r->meta);
    if (kept.mode == LOCK_NONE)
        return TN_S3_NO_SUCH_OBJECT_LOCK_CONFIGURATION;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_time_iso8601(kept.until_ms, date);
    tn_xml_root(&w, "Retention", TN_XML_S3_NAMESPACE);
    tn_xml_text(&w, "Mode", mode_names[kept.mode]);
    tn_xml_text(&w, "RetainUntilDate", date);
    tn_xml_close(&w, "Retention");
    return api_reply_xml(r, &w);
}

/* A longer one is always fine. Less, or the other mode, needs the bypass and never goes in
 * compliance mode. */
static enum tn_s3_code edit_retention(struct api_req *r, struct api_meta *meta)
{
    const struct lock_retention *wanted = r->state;
    struct lock_retention kept = lock_retention_of(meta);
    bool is_kept = wanted->mode == kept.mode && wanted->until_ms >= kept.until_ms;
    bool is_active = kept.mode != LOCK_NONE && kept.until_ms > tn_wall_ms();
    if (is_active && !is_kept && (kept.mode == LOCK_COMPLIANCE || !lock_wants_bypass(r)))
        return api_err(r, TN_S3_ACCESS_DENIED,
                       "Access Denied because object protected by object lock.");
    return set_retention(r, meta, *wanted);
}

enum tn_s3_code retention_put_run(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    struct lock_retention *wanted = tn_arena_zalloc(&r->http->arena, sizeof *wanted);
    if (!wanted)
        return TN_S3_SERVICE_UNAVAILABLE;
    enum tn_s3_code code = check_enabled(r);
    if (code == TN_S3_OK)
        code = setting_parse(r, &retention_rule, &root);
    if (code)
        return code;
    struct tn_str until = tn_xml_child_text(root, "RetainUntilDate");
    wanted->mode = mode_of(tn_xml_child_text(root, "Mode"));
    if ((wanted->mode == LOCK_NONE) != (until.len == 0))
        return TN_S3_MALFORMED_XML;
    if (until.len && tn_time_parse_iso8601(until, &wanted->until_ms) < 0)
        return TN_S3_MALFORMED_XML;
    if (until.len && wanted->until_ms <= tn_wall_ms())
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The retain until date must be in the future!");
    r->state = wanted;
    return object_change_start(r, edit_retention, 200);
}

/* --- ?legal-hold --- */

enum tn_s3_code legal_hold_get_run(struct api_req *r)
{
    enum tn_s3_code code = check_enabled(r);
    if (code == TN_S3_OK)
        code = object_change_open(r);
    if (code)
        return code;
    if (r->meta.fields[API_META_LEGAL_HOLD].len == 0)
        return TN_S3_NO_SUCH_OBJECT_LOCK_CONFIGURATION;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "LegalHold", TN_XML_S3_NAMESPACE);
    tn_xml_str(&w, "Status", r->meta.fields[API_META_LEGAL_HOLD]);
    tn_xml_close(&w, "LegalHold");
    return api_reply_xml(r, &w);
}

static enum tn_s3_code edit_hold(struct api_req *r, struct api_meta *meta)
{
    const struct tn_str *status = r->state;
    meta->fields[API_META_LEGAL_HOLD] = *status;
    return TN_S3_OK;
}

enum tn_s3_code legal_hold_put_run(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    enum tn_s3_code code = check_enabled(r);
    if (code == TN_S3_OK)
        code = setting_parse(r, &legal_hold_rule, &root);
    if (code)
        return code;
    struct tn_str *status = tn_arena_alloc(&r->http->arena, sizeof *status);
    if (!status)
        return TN_S3_SERVICE_UNAVAILABLE;
    *status = tn_xml_child_text(root, "Status");
    r->state = status;
    return object_change_start(r, edit_hold, 200);
}
