/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: create, head, delete, list, location. */

#include "base/codec.h"
#include "proto/name.h"
#include "proto/xml.h"
#include "server/api/acl.h"
#include "server/api/authorise.h"
#include "server/api/ops.h"
#include "server/api/owner.h"
#include "server/api/settings.h"
#include "server/api/tags.h"
#include "server/api/xml_rules.h"

#define NEW_LOCK                                                                                   \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ObjectLockConfiguration "                        \
    "xmlns=\"" TN_XML_S3_NAMESPACE                                                                 \
    "\"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"

enum { BUCKET_XML_LEN_MAX = 64 * 1024, BUCKET_LIST_MAX = 10000 };

/* --- The region of a bucket --- */

static enum tn_s3_code find_region(struct api_req *r, struct tn_str *out)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    *out = bucket_config_get(r->config, BUCKET_LOCATION);
    if (out->len == 0)
        *out = tn_str_from(r->api->region);
    return TN_S3_OK;
}

enum tn_s3_code bucket_head_run(struct api_req *r)
{
    struct tn_str region;
    enum tn_s3_code code = find_region(r, &region);
    if (code)
        return code;
    api_add(r, "x-amz-bucket-region", region);
    return api_reply_empty(r, 200);
}

enum tn_s3_code bucket_location_run(struct api_req *r)
{
    struct tn_str region;
    enum tn_s3_code code = find_region(r, &region);
    if (code)
        return code;
    if (tn_str_eq(region, TN_STR(API_REGION_DEFAULT))) /* S3's first region has no name here */
        region = TN_STR_EMPTY;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "LocationConstraint", TN_XML_S3_NAMESPACE);
    if (w.rc == TARN_OK)
        w.rc = tn_xml_escape(&r->out, region);
    tn_xml_close(&w, "LocationConstraint");
    return api_reply_xml(r, &w);
}

/* --- Create --- */

/* What the headers say of the new bucket. */
struct create_state {
    struct tn_str owner;
    struct tn_str acl;
    struct tn_str ownership;
    struct tn_str tags;
    bool is_locked;
};

static enum tn_s3_code read_ownership(struct api_req *r, struct create_state *state)
{
    static const char *const words[] = { "BucketOwnerPreferred", "ObjectWriter",
                                         "BucketOwnerEnforced" };
    struct tn_str word = api_header(r, "x-amz-object-ownership");
    const char *found = NULL;
    for (size_t i = 0; i < TN_COUNT(words); i++) {
        if (tn_str_eq(word, tn_str_from(words[i])))
            found = words[i];
    }
    if (word.len == 0)
        return TN_S3_OK;
    if (!found)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid x-amz-object-ownership header: %.*s",
                       TN_STR_ARG(word));
    if (state->acl.len && tn_str_eq(word, TN_STR("BucketOwnerEnforced")))
        return TN_S3_INVALID_BUCKET_ACL_WITH_OWNERSHIP;
    struct tn_xml_writer w = TN_XML_WRITER(&r->side);
    tn_xml_root(&w, "OwnershipControls", TN_XML_S3_NAMESPACE);
    tn_xml_open(&w, "Rule");
    tn_xml_text(&w, "ObjectOwnership", found);
    tn_xml_close(&w, "Rule");
    tn_xml_close(&w, "OwnershipControls");
    state->ownership = tn_buf_str(&r->side);
    return api_from_status(r, w.rc, NULL);
}

/* What a new bucket brings along takes rights of its own, as with S3. */
static enum tn_s3_code may_also(struct api_req *r, const char *action)
{
    char arn[sizeof "arn:aws:s3:::" + TN_BUCKET_LEN_MAX];
    (void)snprintf(arn, sizeof arn, "arn:aws:s3:::%.*s", TN_STR_ARG(r->bucket));
    return api_may_service(r, action, tn_str_from(arn));
}

static const struct {
    const char *header;
    const char *action;
} create_actions[] = {
    { "x-amz-acl", "s3:PutBucketAcl" },
    { "x-amz-grant-read", "s3:PutBucketAcl" },
    { "x-amz-grant-write", "s3:PutBucketAcl" },
    { "x-amz-grant-read-acp", "s3:PutBucketAcl" },
    { "x-amz-grant-write-acp", "s3:PutBucketAcl" },
    { "x-amz-grant-full-control", "s3:PutBucketAcl" },
    { "x-amz-object-ownership", "s3:PutBucketOwnershipControls" },
    { "x-amz-bucket-object-lock-enabled", "s3:PutBucketObjectLockConfiguration" },
};

static enum tn_s3_code judge_headers(struct api_req *r)
{
    enum tn_s3_code code = TN_S3_OK;
    for (size_t i = 0; code == TN_S3_OK && i < TN_COUNT(create_actions); i++) {
        if (api_has_header(r, create_actions[i].header))
            code = may_also(r, create_actions[i].action);
    }
    return code;
}

enum tn_s3_code bucket_create_check(struct api_req *r)
{
    struct create_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    if (r->body.declared_len != UINT64_MAX && r->body.declared_len > BUCKET_XML_LEN_MAX)
        return TN_S3_MALFORMED_XML;
    struct tn_str lock = api_header(r, "x-amz-bucket-object-lock-enabled");
    state->is_locked = tn_str_eq_nocase(lock, TN_STR("true"));
    if (lock.len && !state->is_locked && !tn_str_eq_nocase(lock, TN_STR("false")))
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "x-amz-bucket-object-lock-enabled is true or false.");
    state->owner = owner_kept(r);
    enum tn_s3_code code = judge_headers(r);
    if (code == TN_S3_OK)
        code = acl_read_headers(r, true, owner_asking(r), &state->acl);
    return code ? code : read_ownership(r, state);
}

static enum tn_s3_code check_location(struct api_req *r, struct tn_str location)
{
    if (location.len == 0)
        return TN_S3_OK;
    if (r->api->is_region_fixed && !tn_str_eq(location, tn_str_from(r->api->region)))
        return api_err(r, TN_S3_ILLEGAL_LOCATION_CONSTRAINT,
                       "The %.*s location constraint is incompatible for the region specific "
                       "endpoint this request was sent to.",
                       TN_STR_ARG(location));
    if (location.len > TN_SIGV4_REGION_LEN_MAX)
        return TN_S3_INVALID_LOCATION_CONSTRAINT;
    for (size_t i = 0; i < location.len; i++) {
        char c = location.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && c != '-')
            return TN_S3_INVALID_LOCATION_CONSTRAINT;
    }
    return TN_S3_OK;
}

/* As PutBucketTagging would keep them. */
static enum tn_s3_code read_tags(struct api_req *r, const struct tn_xml_node *set)
{
    TN_AUTO_BUF text = TN_BUF_INIT(BUCKET_XML_LEN_MAX);
    struct tn_xml_writer w = TN_XML_WRITER(&text);
    struct create_state *state = r->state;
    enum tn_s3_code code = tags_check_list(r, set, TAG_BUCKET_COUNT_MAX);
    if (code == TN_S3_OK && set->children)
        code = may_also(r, "s3:TagResource");
    if (code || !set->children)
        return code;
    struct tn_xml_node tag_set = { .name = TN_STR("TagSet"), .children = set->children };
    const struct tn_xml_node tagging = { .name = TN_STR("Tagging"), .children = &tag_set };
    xml_rule_write(&tagging_rule, &tagging, &w);
    int rc = w.rc < 0 ? w.rc : tn_arena_str(&r->http->arena, tn_buf_str(&text), &state->tags);
    return rc == TARN_ETOOBIG ? TN_S3_MALFORMED_XML : api_from_status(r, rc, NULL);
}

static enum tn_s3_code read_configuration(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    if (r->body.xml.len == 0)
        return TN_S3_OK;
    if (r->body.xml.len > BUCKET_XML_LEN_MAX)
        return TN_S3_MALFORMED_XML;
    enum tn_s3_code code = document_parse(r, &create_rule, &root);
    if (code)
        return code;
    if (tn_xml_child(root, "Bucket") || tn_xml_child(root, "Location"))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "Directory buckets are not implemented.");
    const struct tn_xml_node *tags = tn_xml_child(root, "Tags");
    r->meta.fields[API_META_LOCATION] = tn_xml_child_text(root, "LocationConstraint");
    code = check_location(r, r->meta.fields[API_META_LOCATION]);
    return code || !tags ? code : read_tags(r, tags);
}

/* S3's first region lets the owner create a bucket again, the others do not. */
static enum tn_s3_code code_of_existing(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    if (!tn_str_eq(owner_of_bucket(r, r->config), owner_asking(r)))
        return TN_S3_BUCKET_ALREADY_EXISTS;
    return tn_str_eq(tn_str_from(r->api->region), TN_STR(API_REGION_DEFAULT))
               ? TN_S3_OK
               : TN_S3_BUCKET_ALREADY_OWNED_BY_YOU;
}

static enum tn_s3_code reply_created(struct api_req *r)
{
    char location[TN_BUCKET_LEN_MAX + 2];
    (void)snprintf(location, sizeof location, "/%.*s", TN_STR_ARG(r->bucket));
    api_add_text(r, "Location", location);
    return api_reply_empty(r, 200);
}

static enum tn_s3_code on_reset(struct api_req *r)
{
    enum tn_s3_code code = api_from_status(r, r->change.status, NULL);
    return code ? code : reply_created(r);
}

static int edit_acl(struct bucket_change *change, const struct bucket_config *now,
                    struct tn_str sections[BUCKET_SECTION_COUNT])
{
    const struct api_req *r = change->user;
    const struct create_state *state = r->state;
    if (!tn_str_eq(owner_of_bucket(r, now), owner_asking(r)))
        return TARN_EEXISTS; /* another's by now */
    sections[BUCKET_ACL] = state->acl;
    return TARN_OK;
}

/* Created again, it has the ACL that was asked for now, as S3 documents it. */
static enum tn_s3_code reset_acl(struct api_req *r)
{
    const struct create_state *state = r->state;
    if (tn_str_eq(bucket_config_get(r->config, BUCKET_ACL), state->acl))
        return reply_created(r);
    if (state->acl.len && owner_rule_of(r->config) == OWNER_ENFORCED)
        return TN_S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED;
    enum tn_s3_code code = acl_check_public(r, state->acl);
    if (code)
        return code;
    r->change = (struct bucket_change){ .op = STORE_BUCKET_CONFIG, .edit = edit_acl };
    return api_bucket_change(r, on_reset);
}

static enum tn_s3_code on_created(struct api_req *r)
{
    enum tn_s3_code code = r->change.status == TARN_EEXISTS
                               ? code_of_existing(r)
                               : api_from_status(r, r->change.status, NULL);
    if (code)
        return code;
    return r->change.status == TARN_EEXISTS ? reset_acl(r) : reply_created(r);
}

static int edit_new(struct bucket_change *change, const struct bucket_config *now,
                    struct tn_str sections[BUCKET_SECTION_COUNT])
{
    (void)now;
    const struct api_req *r = change->user;
    const struct create_state *state = r->state;
    sections[BUCKET_LOCATION] = r->meta.fields[API_META_LOCATION];
    sections[BUCKET_OWNER] = state->owner;
    sections[BUCKET_ACL] = state->acl;
    sections[BUCKET_OWNERSHIP] = state->ownership;
    sections[BUCKET_TAGGING] = state->tags;
    if (state->is_locked) {
        sections[BUCKET_VERSIONING] = TN_STR("Enabled");
        sections[BUCKET_OBJECT_LOCK] = TN_STR(NEW_LOCK);
    }
    return TARN_OK;
}

enum tn_s3_code bucket_create_run(struct api_req *r)
{
    enum tn_s3_code code = read_configuration(r);
    if (code)
        return code;
    r->change = (struct bucket_change){ .op = STORE_BUCKET_CREATE, .edit = edit_new };
    return api_bucket_change(r, on_created);
}

/* --- Delete --- */

static enum tn_s3_code on_deleted(struct api_req *r)
{
    enum tn_s3_code code = api_from_status(r, r->change.status, NULL);
    return code ? code : api_reply_empty(r, 204);
}

enum tn_s3_code bucket_delete_run(struct api_req *r)
{
    r->change = (struct bucket_change){ .op = STORE_BUCKET_DELETE };
    return api_bucket_change(r, on_deleted);
}

/* --- List --- */

struct list_state {
    struct tn_xml_writer w;
    struct tn_str prefix;
    struct tn_str after;
    struct tn_str region;
    struct tn_str owner; /* as kept with the buckets */
    uint64_t max;
    uint64_t count;
    bool is_truncated;
    char last[TN_BUCKET_LEN_MAX + 1];
};

static int on_bucket(void *user, const struct store_bucket *bucket)
{
    struct list_state *state = user;
    struct tn_str sections[BUCKET_SECTION_COUNT];
    if (!tn_str_starts(bucket->name, state->prefix) || tn_str_cmp(bucket->name, state->after) <= 0)
        return TARN_OK;
    int rc = bucket_sections_decode(bucket->meta, sections);
    if (rc < 0)
        return rc;
    /* Other accounts' buckets, and the hidden one, whose name no bucket can have. */
    if (bucket->name.data[0] == '.' || !tn_str_eq(sections[BUCKET_OWNER], state->owner))
        return TARN_OK;
    if (state->count == state->max) {
        state->is_truncated = true;
        return TARN_OK;
    }
    state->count++;
    (void)snprintf(state->last, sizeof state->last, "%.*s", TN_STR_ARG(bucket->name));
    struct tn_str location = sections[BUCKET_LOCATION];
    tn_xml_open(&state->w, "Bucket");
    tn_xml_str(&state->w, "Name", bucket->name);
    api_xml_time(&state->w, "CreationDate", bucket->created_ms);
    tn_xml_str(&state->w, "BucketRegion", location.len ? location : state->region);
    tn_xml_close(&state->w, "Bucket");
    return state->w.rc;
}

static enum tn_s3_code read_list(struct api_req *r, struct list_state *state)
{
    char after[TN_BUCKET_LEN_MAX + 1];
    struct tn_str token = tn_query_value(&r->query, "continuation-token");
    state->prefix = tn_query_value(&r->query, "prefix");
    state->max = BUCKET_LIST_MAX;
    enum tn_s3_code code = api_param_u64(r, "max-buckets", 1, BUCKET_LIST_MAX, &state->max);
    if (code || token.len == 0)
        return code;
    ssize_t len = tn_base64_decode(token, after, sizeof after);
    if (len <= 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The continuation token provided is incorrect");
    struct tn_str text = { after, (size_t)len };
    return api_from_status(r, tn_arena_str(&r->http->arena, text, &state->after), NULL);
}

enum tn_s3_code bucket_list_run(struct api_req *r)
{
    struct store *s = r->api->store;
    struct list_state state = { .w = TN_XML_WRITER(&r->out) };
    state.region = tn_str_from(r->api->region);
    state.owner = owner_kept(r);
    enum tn_s3_code code = read_list(r, &state);
    if (code)
        return code;
    tn_xml_root(&state.w, "ListAllMyBucketsResult", TN_XML_S3_NAMESPACE);
    owner_write(r, &state.w, "Owner", owner_asking(r));
    tn_xml_open(&state.w, "Buckets");
    int rc = s->ops->bucket_list(s, on_bucket, &state);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    tn_xml_close(&state.w, "Buckets");
    if (state.prefix.len)
        tn_xml_str(&state.w, "Prefix", state.prefix);
    if (state.is_truncated) {
        char token[TN_BASE64_LEN(TN_BUCKET_LEN_MAX) + 1];
        tn_base64_encode(state.last, strlen(state.last), token);
        tn_xml_text(&state.w, "ContinuationToken", token);
    }
    tn_xml_close(&state.w, "ListAllMyBucketsResult");
    return api_reply_xml(r, &state.w);
}
