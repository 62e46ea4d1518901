/* SPDX-License-Identifier: Apache-2.0 */
/* Get, put and delete of a bucket's documents. */

#include "server/api/settings.h"

#include "server/api/notify.h"
#include "server/api/ops.h"
#include "server/api/xml_rules.h"

enum { SETTING_XML_LEN_MAX = 1024 * 1024 };

struct replace_state {
    struct tn_str text;
    int status;
};

static enum tn_s3_code versioning_judge(struct api_req *r, const struct bucket_config *now,
                                        struct tn_str sections[BUCKET_SECTION_COUNT])
{
    bool is_locked = bucket_config_get(now, BUCKET_OBJECT_LOCK).len != 0;
    if (!is_locked || tn_str_eq(sections[BUCKET_VERSIONING], TN_STR("Enabled")))
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_BUCKET_STATE,
                   "An Object Lock configuration is present on this bucket, so the versioning "
                   "state cannot be changed.");
}

static const struct setting settings[BUCKET_SECTION_COUNT] = {
    [BUCKET_PUBLIC_ACCESS] = { .rule = &public_access_rule,
                               .missing = TN_S3_NO_SUCH_PUBLIC_ACCESS_BLOCK },
    [BUCKET_OWNERSHIP] = { .rule = &ownership_rule,
                           .missing = TN_S3_OWNERSHIP_CONTROLS_NOT_FOUND,
                           .judge = ownership_judge },
    [BUCKET_TAGGING] = { .rule = &tagging_rule,
                         .missing = TN_S3_NO_SUCH_TAG_SET,
                         .check = tagging_check },
    [BUCKET_LIFECYCLE] = { .rule = &lifecycle_rule,
                           .missing = TN_S3_NO_SUCH_LIFECYCLE_CONFIGURATION,
                           .check = lifecycle_check },
    [BUCKET_CORS] = { .rule = &cors_rule,
                      .missing = TN_S3_NO_SUCH_CORS_CONFIGURATION,
                      .check = cors_check },
    [BUCKET_ENCRYPTION] = { .rule = &encryption_rule,
                            .missing = TN_S3_SERVER_SIDE_ENCRYPTION_NOT_FOUND,
                            .check = encryption_check },
    [BUCKET_OBJECT_LOCK] = { .rule = &object_lock_rule,
                             .missing = TN_S3_OBJECT_LOCK_CONFIGURATION_NOT_FOUND,
                             .check = object_lock_check,
                             .judge = object_lock_judge },
    [BUCKET_LOGGING] = { .rule = &logging_rule, .is_empty_unset = true, .check = logging_check },
    [BUCKET_NOTIFICATION] = { .rule = &notification_rule,
                              .is_empty_unset = true,
                              .check = notification_check,
                              .replaced = notify_add_test },
    [BUCKET_WEBSITE] = { .rule = &website_rule,
                         .missing = TN_S3_NO_SUCH_WEBSITE_CONFIGURATION,
                         .check = website_check },
    [BUCKET_QUOTA] = { .rule = &quota_rule,
                       .missing = TN_S3_NO_SUCH_QUOTA,
                       .is_empty_unset = true,
                       .check = quota_check },
    [BUCKET_REQUEST_PAYMENT] = { .rule = &request_payment_rule,
                                 .fallback = "<Payer>BucketOwner</Payer>" },
    [BUCKET_ACCELERATE] = { .rule = &accelerate_rule },
    [BUCKET_VERSIONING] = { .rule = &versioning_rule, .judge = versioning_judge },
};

const struct setting *setting_of(enum bucket_section section)
{
    return settings[section].rule ? &settings[section] : NULL;
}

/* --- Get --- */

static enum tn_s3_code reply_text(struct api_req *r, struct tn_str text, const char *type)
{
    api_add_text(r, "Content-Type", type);
    r->http->answer.body = text;
    return api_reply_empty(r, 200);
}

static enum tn_s3_code reply_fallback(struct api_req *r, const struct setting *setting)
{
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, setting->rule->name, TN_XML_S3_NAMESPACE);
    if (w.rc == TARN_OK && setting->fallback)
        w.rc = tn_buf_append_text(&r->out, setting->fallback);
    tn_xml_close(&w, setting->rule->name);
    return api_reply_xml(r, &w);
}

enum tn_s3_code setting_get_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    const struct setting *setting = setting_of(r->op->section);
    struct tn_str text = bucket_config_get(r->config, r->op->section);
    if (text.len)
        return reply_text(r, text, "application/xml");
    return setting->missing ? setting->missing : reply_fallback(r, setting);
}

/* --- Put --- */

enum tn_s3_code setting_put_check(struct api_req *r)
{
    uint64_t len = r->body.declared_len;
    if (len != UINT64_MAX && len > SETTING_XML_LEN_MAX)
        return TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED;
    return api_bucket_check(r);
}

enum tn_s3_code document_parse(struct api_req *r, const struct xml_rule *rule,
                               const struct tn_xml_node **root)
{
    struct tarn_error err = { 0 };
    if (r->body.xml.len == 0)
        return TN_S3_MALFORMED_XML;
    int rc = tn_xml_parse(&r->tree, tn_buf_str(&r->body.xml), root, &err);
    if (rc == TARN_OK)
        rc = xml_rule_check(rule, *root, &err);
    if (rc == TARN_ENOMEM)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (rc < 0)
        return api_err(r, TN_S3_MALFORMED_XML, "%s: %s", tn_s3_error(TN_S3_MALFORMED_XML)->message,
                       err.message);
    return TN_S3_OK;
}

enum tn_s3_code setting_parse(struct api_req *r, const struct xml_rule *rule,
                              const struct tn_xml_node **root)
{
    if (r->body.xml.len > SETTING_XML_LEN_MAX)
        return TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED;
    return document_parse(r, rule, root);
}

static int edit(struct bucket_change *change, const struct bucket_config *now,
                struct tn_str sections[BUCKET_SECTION_COUNT])
{
    struct api_req *r = change->user;
    const struct replace_state *state = r->state;
    const struct setting *setting = setting_of(r->op->section);
    r->cond.refused = TN_S3_OK;
    sections[r->op->section] = state->text;
    if (setting && setting->judge && state->text.len)
        r->cond.refused = setting->judge(r, now, sections);
    return r->cond.refused ? TARN_EPRECOND : TARN_OK;
}

static enum tn_s3_code on_replaced(struct api_req *r)
{
    const struct replace_state *state = r->state;
    if (r->cond.refused)
        return r->cond.refused;
    if (r->change.status == TARN_ETOOBIG)
        return api_err(r, TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED,
                       "All settings of a bucket together may have %d bytes.",
                       BUCKET_CONFIG_LEN_MAX);
    enum tn_s3_code code = api_from_status(r, r->change.status, NULL);
    const struct setting *setting = setting_of(r->op->section);
    if (code == TN_S3_OK && setting && setting->replaced)
        setting->replaced(r);
    return code ? code : api_reply_empty(r, state->status);
}

enum tn_s3_code setting_replace(struct api_req *r, struct tn_str text, int status)
{
    struct replace_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    state->text = text;
    state->status = status;
    r->state = state;
    r->change = (struct bucket_change){ .op = STORE_BUCKET_CONFIG, .edit = edit };
    return api_bucket_change(r, on_replaced);
}

enum tn_s3_code setting_put_run(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    const struct setting *setting = setting_of(r->op->section);
    enum tn_s3_code code = setting_parse(r, setting->rule, &root);
    if (code == TN_S3_OK && setting->check)
        code = setting->check(r, root);
    if (code)
        return code;
    if (setting->is_empty_unset && !root->children)
        return setting_replace(r, TN_STR_EMPTY, 200);
    struct tn_xml_writer w = TN_XML_WRITER(&r->side);
    xml_rule_write(setting->rule, root, &w);
    return w.rc < 0 ? api_from_status(r, w.rc, NULL)
                    : setting_replace(r, tn_buf_str(&r->side), 200);
}

/* --- Delete --- */

enum tn_s3_code setting_delete_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    return code ? code : setting_replace(r, TN_STR_EMPTY, 204);
}

/* --- Versioning: kept as one word, the store must know it --- */

enum tn_s3_code bucket_versioning_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    struct tn_str status = bucket_config_get(r->config, BUCKET_VERSIONING);
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "VersioningConfiguration", TN_XML_S3_NAMESPACE);
    if (status.len)
        tn_xml_str(&w, "Status", status);
    tn_xml_close(&w, "VersioningConfiguration");
    return api_reply_xml(r, &w);
}

enum tn_s3_code versioning_put_run(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    enum tn_s3_code code = setting_parse(r, &versioning_rule, &root);
    if (code)
        return code;
    if (tn_str_eq(tn_xml_child_text(root, "MfaDelete"), TN_STR("Enabled")))
        return api_err(r, TN_S3_ACCESS_DENIED,
                       "Mfa Authentication must be used for this request: no device is known.");
    struct tn_str status = tn_xml_child_text(root, "Status");
    if (status.len == 0)
        return TN_S3_ILLEGAL_VERSIONING;
    return setting_replace(r, status, 200);
}
