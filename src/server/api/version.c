/* SPDX-License-Identifier: Apache-2.0 */
/* Which version of an object a request means, and ListObjectVersions. */

#include "server/api/version.h"

#include "base/clock.h"
#include "server/api/archive.h"
#include "server/api/listing.h"
#include "server/api/ops.h"
#include "server/api/owner.h"

void version_id(const struct store_head *head, char out[API_VERSION_ID_LEN])
{
    if (head->flags & STORE_IS_VERSIONED)
        (void)snprintf(out, API_VERSION_ID_LEN, "%016llx", (unsigned long long)head->version);
    else
        (void)snprintf(out, API_VERSION_ID_LEN, "null");
}

static bool parse_number(struct tn_str text, uint64_t *out)
{
    uint64_t number = 0;
    if (text.len != API_VERSION_ID_LEN - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = number;
    return number != 0;
}

enum tn_s3_code version_parse(struct api_req *r, struct tn_str text, struct store_version *out)
{
    struct store_version version = { .kind = STORE_VERSION_ID };
    if (tn_str_eq(text, TN_STR("null")))
        version.kind = STORE_NULL_VERSION;
    else if (!parse_number(text, &version.id))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid version id specified");
    *out = version;
    return TN_S3_OK;
}

enum tn_s3_code version_read(struct api_req *r)
{
    if (!tn_query_has(&r->query, "versionId"))
        return TN_S3_OK;
    struct tn_str text = tn_query_value(&r->query, "versionId");
    if (text.len == 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Version id cannot be the empty string");
    return version_parse(r, text, &r->version);
}

bool version_is_kept(const struct bucket_config *config)
{
    return config && bucket_config_get(config, BUCKET_VERSIONING).len != 0;
}

void version_add_header(struct api_req *r, const char *name, const struct store_head *head)
{
    char text[API_VERSION_ID_LEN];
    if (!(head->flags & STORE_IS_VERSIONED) && !version_is_kept(r->config))
        return;
    version_id(head, text);
    api_add_text(r, name, text);
}

void version_add_new(struct api_req *r, const struct store_head *head)
{
    if (head->flags & STORE_IS_VERSIONED)
        version_add_header(r, "x-amz-version-id", head);
}

static void add_marker_headers(struct api_req *r, const struct store_head *head)
{
    char text[API_VERSION_ID_LEN];
    version_id(head, text);
    api_add_text(r, "x-amz-delete-marker", "true");
    api_add_text(r, "x-amz-version-id", text);
}

/* The latest is a delete marker, or there is nothing. */
static enum tn_s3_code refuse_missing(struct api_req *r, struct tn_str bucket, struct tn_str key)
{
    struct store *s = r->api->store;
    struct store_version current = { .kind = STORE_CURRENT };
    struct store_object *o = NULL;
    if (s->ops->version_open(s, bucket, key, &current, &o, NULL) == TARN_OK) {
        const struct store_head *head = s->ops->object_head(o);
        if (head->flags & STORE_IS_MARKER)
            add_marker_headers(r, head);
        s->ops->object_close(o);
    }
    return TN_S3_NO_SUCH_KEY;
}

enum tn_s3_code version_open(struct api_req *r, struct tn_str bucket, struct tn_str key,
                             const struct store_version *version)
{
    struct store *s = r->api->store;
    struct tarn_error err = { 0 };
    bool is_current = version->kind == STORE_CURRENT;
    if (r->object)
        s->ops->object_close(TN_TAKE(r->object));
    int rc = is_current ? s->ops->object_open(s, bucket, key, true, &r->object, &err)
                        : s->ops->version_open(s, bucket, key, version, &r->object, &err);
    if (rc == TARN_ENOTFOUND)
        return is_current ? refuse_missing(r, bucket, key) : TN_S3_NO_SUCH_VERSION;
    if (rc < 0)
        return api_from_status(r, rc, &err);
    const struct store_head *head = s->ops->object_head(r->object);
    if (!(head->flags & STORE_IS_MARKER))
        return TN_S3_OK;
    char date[TN_TIME_LEN];
    tn_time_http(head->mtime_ms / 1000, date);
    add_marker_headers(r, head);
    api_add_text(r, "Last-Modified", date);
    api_add_text(r, "Allow", "DELETE");
    s->ops->object_close(TN_TAKE(r->object));
    return TN_S3_METHOD_NOT_ALLOWED;
}

/* --- ListObjectVersions --- */

struct versions_state {
    struct store_list query;
    struct tn_str id_marker;
    struct listing out;
    struct archive_list archived;
    size_t count;
    char last_id[API_VERSION_ID_LEN]; /* of the last entry; empty: a common prefix */
};

enum tn_s3_code versions_check(struct api_req *r)
{
    struct versions_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    state->query.after = tn_query_value(&r->query, "key-marker");
    state->id_marker = tn_query_value(&r->query, "version-id-marker");
    enum tn_s3_code code = archive_list_check(r, &state->archived);
    if (code == TN_S3_OK)
        code = listing_check(r, &state->out, &state->query, "max-keys");
    if (code || state->id_marker.len == 0)
        return code;
    if (state->query.after.len == 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "A version-id marker cannot be specified without a key marker.");
    return version_parse(r, state->id_marker, &state->query.version_after);
}

static int note_archived(struct api_req *r, struct tn_str key, const struct store_head *head)
{
    struct versions_state *state = r->state;
    struct store_version version = { .kind = STORE_NULL_VERSION };
    if (head->flags & STORE_IS_VERSIONED)
        version = (struct store_version){ .kind = STORE_VERSION_ID, .id = head->version };
    return archive_list_note(r, &state->archived, key, head, &version);
}

static int on_version(void *user, struct tn_str key, const struct store_head *head, bool is_latest)
{
    struct api_req *r = user;
    struct versions_state *state = r->state;
    int rc = listing_remember(r, key);
    if (rc < 0)
        return rc;
    state->count++;
    state->last_id[0] = '\0';
    if (!head)
        return listing_prefix(r, &state->out, key);

    bool is_marker = head->flags & STORE_IS_MARKER;
    const char *name = is_marker ? "DeleteMarker" : "Version";
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    version_id(head, state->last_id);
    tn_xml_open(&w, name);
    (void)listing_key(&state->out, &w, "Key", key);
    tn_xml_text(&w, "VersionId", state->last_id);
    tn_xml_bool(&w, "IsLatest", is_latest);
    api_xml_time(&w, "LastModified", head->mtime_ms);
    if (!is_marker) {
        enum tn_checksum_kind kind = api_attrs_checksum(head->attrs);
        enum tn_checksum_type type = api_attrs_checksum_type(head->attrs);
        api_xml_etag(&w, head);
        if (kind != TN_CHECKSUM_NONE) {
            tn_xml_str(&w, "ChecksumAlgorithm", tn_checksum_name(kind));
            tn_xml_str(&w, "ChecksumType", tn_checksum_type_name(type));
        }
        tn_xml_u64(&w, "Size", api_head_size(head));
        tn_xml_text(&w, "StorageClass", api_class_names[api_attrs_class(head->attrs)]);
        if (w.rc == TARN_OK)
            w.rc = note_archived(r, key, head);
    }
    owner_write(r, &w, "Owner", owner_of_bucket(r, r->config));
    tn_xml_close(&w, name);
    return w.rc;
}

static void write_request(struct api_req *r, const struct versions_state *state,
                          struct tn_xml_writer *w)
{
    const struct listing *l = &state->out;
    tn_xml_root(w, "ListVersionsResult", TN_XML_S3_NAMESPACE);
    tn_xml_str(w, "Name", r->bucket);
    (void)listing_key(l, w, "Prefix", state->query.prefix);
    (void)listing_key(l, w, "KeyMarker", state->query.after);
    tn_xml_str(w, "VersionIdMarker", state->id_marker);
    tn_xml_u64(w, "MaxKeys", l->max);
    if (state->query.delimiter.len)
        (void)listing_key(l, w, "Delimiter", state->query.delimiter);
    if (l->is_url)
        tn_xml_text(w, "EncodingType", "url");
}

static void write_result(struct api_req *r, const struct versions_state *state,
                         struct tn_xml_writer *w, bool is_truncated)
{
    if (w->rc == TARN_OK)
        w->rc = tn_buf_append_str(w->out, tn_buf_str(&r->side));
    tn_xml_bool(w, "IsTruncated", is_truncated);
    if (is_truncated)
        (void)listing_key(&state->out, w, "NextKeyMarker", tn_buf_str(&r->last));
    if (is_truncated && state->last_id[0])
        tn_xml_text(w, "NextVersionIdMarker", state->last_id);
    tn_xml_close(w, "ListVersionsResult");
}

enum tn_s3_code versions_run(struct api_req *r)
{
    struct store *s = r->api->store;
    struct versions_state *state = r->state;
    struct tarn_error err = { 0 };
    bool is_truncated = false;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    write_request(r, state, &w);
    if (w.rc < 0)
        return api_from_status(r, w.rc, NULL);
    int rc = TARN_OK;
    if (state->query.max)
        rc = s->ops->version_list(s, &state->query, on_version, r, &is_truncated, &err);
    if (rc == TARN_OK)
        rc = archive_list_write(r, &state->archived);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    write_result(r, state, &w, is_truncated && state->count);
    return api_reply_xml(r, &w);
}
