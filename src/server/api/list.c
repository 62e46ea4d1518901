/* SPDX-License-Identifier: Apache-2.0 */
/* ListObjects and ListObjectsV2. */

#include "base/codec.h"
#include "proto/name.h"
#include "proto/uri.h"
#include "proto/xml.h"
#include "server/api/archive.h"
#include "server/api/listing.h"
#include "server/api/ops.h"
#include "server/api/owner.h"
#include "server/api/request.h"

enum { TOKEN_VERSION = 1 };

struct list_state {
    struct store_list query;
    struct tn_str marker; /* v1: marker; v2: start-after */
    struct tn_str token;  /* v2, as sent */
    struct listing out;
    struct archive_list archived;
    bool is_v2;
    bool has_owner;
    size_t count;
};

/* --- What both listings, and that of uploads, share --- */

enum tn_s3_code listing_check(struct api_req *r, struct listing *l, struct store_list *query,
                              const char *max_name)
{
    uint64_t max = API_LIST_COUNT_MAX;
    struct tn_str encoding = tn_query_value(&r->query, "encoding-type");
    if (encoding.len && !tn_str_eq(encoding, TN_STR("url")))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
    l->is_url = encoding.len != 0;
    enum tn_s3_code code = api_param_u64(r, max_name, 0, INT32_MAX, &max);
    if (code)
        return code;
    l->max = max > API_LIST_COUNT_MAX ? API_LIST_COUNT_MAX : (size_t)max;
    query->bucket = r->bucket;
    query->prefix = tn_query_value(&r->query, "prefix");
    query->delimiter = tn_query_value(&r->query, "delimiter");
    query->max = l->max;
    if (!tn_str_is_utf8(query->prefix) || !tn_str_is_utf8(query->delimiter))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "prefix and delimiter must be UTF-8.");
    return api_bucket_check(r);
}

int listing_key(const struct listing *l, struct tn_xml_writer *w, const char *name,
                struct tn_str key)
{
    if (!l->is_url) {
        tn_xml_str(w, name, key);
        return w->rc;
    }
    TN_AUTO_BUF encoded = TN_BUF_INIT(3 * API_OUT_LEN_MAX);
    int rc = tn_uri_encode(&encoded, key, TN_URI_KEEP_SLASH);
    if (rc < 0) {
        w->rc = rc;
        return rc;
    }
    tn_xml_str(w, name, tn_buf_str(&encoded));
    return w->rc;
}

int listing_prefix(struct api_req *r, const struct listing *l, struct tn_str prefix)
{
    struct tn_xml_writer w = TN_XML_WRITER(&r->side);
    tn_xml_open(&w, "CommonPrefixes");
    (void)listing_key(l, &w, "Prefix", prefix);
    tn_xml_close(&w, "CommonPrefixes");
    return w.rc;
}

int listing_remember(struct api_req *r, struct tn_str key)
{
    tn_buf_truncate(&r->last, 0);
    return tn_buf_append_str(&r->last, key);
}

/* --- Continuation tokens: a version byte and the last entry given, in base64 --- */

static enum tn_s3_code read_token(struct api_req *r, struct list_state *state)
{
    unsigned char bytes[TN_KEY_LEN_MAX + 4];
    if (!tn_query_has(&r->query, "continuation-token"))
        return TN_S3_OK;
    state->token = tn_query_value(&r->query, "continuation-token");
    if (state->token.len == 0) /* from the beginning */
        return TN_S3_OK;
    ssize_t len = tn_base64_decode(state->token, bytes, sizeof bytes);
    struct tn_str key =
        tn_str_sub((struct tn_str){ (const char *)bytes, len > 0 ? (size_t)len : 0 }, 1, SIZE_MAX);
    if (len < 2 || bytes[0] != TOKEN_VERSION || tn_key_check(key) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The continuation token provided is incorrect");
    return api_from_status(r, tn_arena_str(&r->http->arena, key, &state->query.after), NULL);
}

static void write_token(struct tn_xml_writer *w, struct tn_str last)
{
    unsigned char bytes[TN_KEY_LEN_MAX + 4] = { TOKEN_VERSION };
    char text[TN_BASE64_LEN(sizeof bytes) + 1];
    if (last.len > TN_KEY_LEN_MAX)
        last.len = TN_KEY_LEN_MAX;
    memcpy(bytes + 1, last.data, last.len);
    tn_base64_encode(bytes, last.len + 1, text);
    tn_xml_text(w, "NextContinuationToken", text);
}

/* --- Checking --- */

static enum tn_s3_code check(struct api_req *r, struct list_state **out)
{
    struct list_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    *out = state;
    enum tn_s3_code code = archive_list_check(r, &state->archived);
    return code ? code : listing_check(r, &state->out, &state->query, "max-keys");
}

enum tn_s3_code list_v1_check(struct api_req *r)
{
    struct list_state *state;
    enum tn_s3_code code = check(r, &state);
    if (code)
        return code;
    state->has_owner = true;
    state->marker = tn_query_value(&r->query, "marker");
    state->query.after = state->marker;
    return TN_S3_OK;
}

enum tn_s3_code list_v2_check(struct api_req *r)
{
    struct list_state *state;
    struct tn_str owner = tn_query_value(&r->query, "fetch-owner");
    if (!tn_str_eq(tn_query_value(&r->query, "list-type"), TN_STR("2")))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "list-type must be 2.");
    if (owner.len && !tn_str_eq_nocase(owner, TN_STR("true")) &&
        !tn_str_eq_nocase(owner, TN_STR("false")))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "fetch-owner must be true or false.");
    enum tn_s3_code code = check(r, &state);
    if (code)
        return code;
    state->is_v2 = true;
    state->has_owner = tn_str_eq_nocase(owner, TN_STR("true"));
    state->marker = tn_query_value(&r->query, "start-after");
    state->query.after = state->marker;
    return read_token(r, state);
}

/* --- Running --- */

static int on_entry(void *user, struct tn_str key, const struct store_head *head)
{
    struct api_req *r = user;
    struct list_state *state = r->state;
    int rc = listing_remember(r, key);
    if (rc < 0)
        return rc;
    state->count++;
    if (!head)
        return listing_prefix(r, &state->out, key);

    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_open(&w, "Contents");
    (void)listing_key(&state->out, &w, "Key", key);
    api_xml_time(&w, "LastModified", head->mtime_ms);
    api_xml_etag(&w, head);
    enum tn_checksum_kind kind = api_attrs_checksum(head->attrs);
    if (kind != TN_CHECKSUM_NONE) {
        tn_xml_str(&w, "ChecksumAlgorithm", tn_checksum_name(kind));
        tn_xml_str(&w, "ChecksumType", tn_checksum_type_name(api_attrs_checksum_type(head->attrs)));
    }
    tn_xml_u64(&w, "Size", api_head_size(head));
    if (state->has_owner)
        owner_write(r, &w, "Owner", owner_of_bucket(r, r->config));
    tn_xml_text(&w, "StorageClass", api_class_names[api_attrs_class(head->attrs)]);
    if (w.rc == TARN_OK)
        w.rc = archive_list_note(r, &state->archived, key, head,
                                 &(struct store_version){ .kind = STORE_CURRENT });
    tn_xml_close(&w, "Contents");
    return w.rc;
}

static void write_request(struct api_req *r, struct list_state *state, struct tn_xml_writer *w)
{
    struct listing *l = &state->out;
    tn_xml_root(w, "ListBucketResult", TN_XML_S3_NAMESPACE);
    tn_xml_str(w, "Name", r->bucket);
    (void)listing_key(l, w, "Prefix", state->query.prefix);
    if (!state->is_v2)
        (void)listing_key(l, w, "Marker", state->marker);
    else if (state->marker.len)
        (void)listing_key(l, w, "StartAfter", state->marker);
    if (tn_query_has(&r->query, "continuation-token"))
        tn_xml_str(w, "ContinuationToken", state->token);
    tn_xml_u64(w, "MaxKeys", l->max);
    if (state->query.delimiter.len)
        (void)listing_key(l, w, "Delimiter", state->query.delimiter);
    if (l->is_url)
        tn_xml_text(w, "EncodingType", "url");
}

static void write_result(struct api_req *r, const struct list_state *state, struct tn_xml_writer *w,
                         bool is_truncated)
{
    struct tn_str last = tn_buf_str(&r->last);
    if (w->rc == TARN_OK)
        w->rc = tn_buf_append_str(w->out, tn_buf_str(&r->side));
    if (state->is_v2)
        tn_xml_u64(w, "KeyCount", state->count);
    tn_xml_bool(w, "IsTruncated", is_truncated);
    if (is_truncated && state->is_v2)
        write_token(w, last);
    else if (is_truncated && state->query.delimiter.len) /* without one, it is the last key */
        (void)listing_key(&state->out, w, "NextMarker", last);
    tn_xml_close(w, "ListBucketResult");
}

enum tn_s3_code list_run(struct api_req *r)
{
    struct store *s = r->api->store;
    struct list_state *state = r->state;
    struct tarn_error err = { 0 };
    bool is_truncated = false;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    write_request(r, state, &w);
    if (w.rc < 0)
        return api_from_status(r, w.rc, NULL);
    int rc = TARN_OK;
    if (state->query.max)
        rc = s->ops->list(s, &state->query, on_entry, r, &is_truncated, &err);
    if (rc == TARN_OK)
        rc = archive_list_write(r, &state->archived);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    write_result(r, state, &w, is_truncated && state->count);
    return api_reply_xml(r, &w);
}
