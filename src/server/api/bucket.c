/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: create, head, delete, list, location. */

#include "base/codec.h"
#include "proto/name.h"
#include "proto/xml.h"
#include "server/api/ops.h"
#include "server/api/request.h"

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

enum tn_s3_code bucket_create_check(struct api_req *r)
{
    return r->body.declared_len != UINT64_MAX && r->body.declared_len > BUCKET_XML_LEN_MAX
               ? TN_S3_MALFORMED_XML
               : TN_S3_OK;
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

static enum tn_s3_code read_configuration(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    if (r->body.xml.len == 0)
        return TN_S3_OK;
    if (r->body.xml.len > BUCKET_XML_LEN_MAX)
        return TN_S3_MALFORMED_XML;
    int rc = tn_xml_parse(&r->tree, tn_buf_str(&r->body.xml), &root, NULL);
    if (rc == TARN_ENOMEM)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (rc < 0 || !tn_str_eq(root->name, TN_STR("CreateBucketConfiguration")))
        return TN_S3_MALFORMED_XML;
    for (const struct tn_xml_node *n = root->children; n; n = n->next) {
        if (tn_str_eq(n->name, TN_STR("LocationConstraint")))
            continue;
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "The element %.*s is not implemented.",
                       TN_STR_ARG(n->name));
    }
    r->meta.fields[API_META_LOCATION] = tn_xml_child_text(root, "LocationConstraint");
    return check_location(r, r->meta.fields[API_META_LOCATION]);
}

static enum tn_s3_code on_created(struct api_req *r)
{
    bool is_first_region = tn_str_eq(tn_str_from(r->api->region), TN_STR(API_REGION_DEFAULT));
    int status = r->change.status;
    /* S3's first region lets the owner create a bucket again, the others do not. */
    if (status != TARN_OK && !(status == TARN_EEXISTS && is_first_region))
        return api_from_status(r, status, NULL);
    char location[TN_BUCKET_LEN_MAX + 2];
    (void)snprintf(location, sizeof location, "/%.*s", TN_STR_ARG(r->bucket));
    api_add_text(r, "Location", location);
    return api_reply_empty(r, 200);
}

static int edit_new(struct bucket_change *change, const struct bucket_config *now,
                    struct tn_str sections[BUCKET_SECTION_COUNT])
{
    (void)now;
    const struct api_req *r = change->user;
    sections[BUCKET_LOCATION] = r->meta.fields[API_META_LOCATION];
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
    enum tn_s3_code code = read_list(r, &state);
    if (code)
        return code;
    tn_xml_root(&state.w, "ListAllMyBucketsResult", TN_XML_S3_NAMESPACE);
    api_xml_owner(&state.w, "Owner");
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
