/* SPDX-License-Identifier: Apache-2.0 */
/* GetObject and HeadObject. */

#include "server/api/object.h"

#include "base/clock.h"
#include "server/api/archive.h"
#include "server/api/lifecycle.h"
#include "server/api/object_features.h"
#include "server/api/ops.h"
#include "server/api/sse.h"
#include "server/api/version.h"

static const struct {
    const char *param;
    const char *header;
    enum api_meta_field field;
} overrides[] = {
    { "response-content-type", "Content-Type", API_META_CONTENT_TYPE },
    { "response-cache-control", "Cache-Control", API_META_CACHE_CONTROL },
    { "response-content-disposition", "Content-Disposition", API_META_CONTENT_DISPOSITION },
    { "response-content-encoding", "Content-Encoding", API_META_CONTENT_ENCODING },
    { "response-content-language", "Content-Language", API_META_CONTENT_LANGUAGE },
    { "response-expires", "Expires", API_META_EXPIRES },
};

/* What the request asks beyond the object's name. */
struct get_state {
    uint64_t part_number; /* 0: the whole object */
    struct tn_str range;
    bool is_ranged; /* answer 206 */
    bool is_on_worker;
    struct tn_checksum_value part_checksum;
};

enum tn_s3_code object_get_check(struct api_req *r)
{
    struct get_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    state->range = api_header(r, "range");
    enum tn_s3_code code =
        api_param_u64(r, "partNumber", 1, STORE_PART_NUMBER_MAX, &state->part_number);
    if (code)
        return code;
    if (state->part_number && state->range.len)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Cannot specify both Range header and partNumber query parameter.");
    for (size_t i = 0; i < TN_COUNT(overrides); i++) {
        if (tn_query_has(&r->query, overrides[i].param) && !r->who.is_root)
            return api_err(r, TN_S3_INVALID_REQUEST,
                           "Request specific response headers cannot be used for anonymous GET "
                           "requests.");
        if (!api_is_header_text(tn_query_value(&r->query, overrides[i].param)))
            return api_err(r, TN_S3_INVALID_ARGUMENT, "The value of %s is not a header value.",
                           overrides[i].param);
    }
    return TN_S3_OK;
}

static ssize_t read_object(struct http_req *http, uint64_t offset, char *out, size_t cap,
                           bool may_wait)
{
    struct api_req *r = http->user;
    struct tarn_error err = { 0 };
    uint64_t left = r->range.len - offset;
    if (cap > left)
        cap = (size_t)left;
    ssize_t n = sse_read(r, r->range.first + offset, out, cap, may_wait, &err);
    if (n == 0)
        n = TARN_ECORRUPT;
    if (n < 0 && n != TARN_EAGAIN)
        (void)api_from_status(r, (int)n, &err);
    return n;
}

static ssize_t find_object(struct http_req *http, uint64_t offset, char *scratch, size_t cap,
                           bool may_wait, struct http_file *out)
{
    struct api_req *r = http->user;
    const struct store_ops *ops = r->api->store->ops;
    struct tarn_error err = { 0 };
    uint64_t left = r->range.len - offset;
    if (cap > left)
        cap = (size_t)left;
    ssize_t n = ops->object_file(r->object, r->range.first + offset, scratch, cap, may_wait,
                                 &out->fd, &out->offset, &err);
    if (n == 0)
        n = TARN_ECORRUPT;
    if (n < 0 && n != TARN_EAGAIN && n != TARN_ENOTSUPPORTED)
        (void)api_from_status(r, (int)n, &err);
    return n;
}

/* What a part's metadata says of its checksum; its type is the object's. */
static int read_part_checksum(struct api_req *r, struct tn_str meta, struct get_state *state)
{
    struct api_meta part;
    int rc = api_meta_decode(meta, &r->http->arena, &part);
    if (rc < 0)
        return rc;
    state->part_checksum = part.checksum;
    state->part_checksum.type = r->meta.checksum.type;
    return TARN_OK;
}

static enum tn_s3_code find_part(struct api_req *r, struct get_state *state)
{
    struct tarn_error err = { 0 };
    struct tn_str meta;
    int rc = sse_object_part(r, (uint32_t)state->part_number, &r->range.first, &r->range.len, &meta,
                             &err);
    if (rc == TARN_ERANGE)
        return TN_S3_INVALID_PART_NUMBER;
    if (rc == TARN_OK && r->api->store->ops->object_head(r->object)->part_count)
        rc = read_part_checksum(r, meta, state);
    /* An empty object's one part is answered like the object. */
    state->is_ranged = r->range.len != 0;
    return api_from_status(r, rc, &err);
}

static enum tn_s3_code find_range(struct api_req *r, struct get_state *state)
{
    uint64_t size = sse_object_len(r);
    char text[TN_CONTENT_RANGE_LEN];
    if (state->part_number)
        return find_part(r, state);
    switch (tn_range_resolve(state->range, size, &r->range)) {
    case TN_RANGE_WHOLE:
        return TN_S3_OK;
    case TN_RANGE_PART:
        state->is_ranged = true;
        return TN_S3_OK;
    default:
        tn_content_range_format_none(size, text);
        api_add_text(r, "Content-Range", text);
        return TN_S3_INVALID_RANGE;
    }
}

static void add_validators(struct api_req *r, const struct store_head *head)
{
    char date[TN_TIME_LEN];
    tn_time_http(head->mtime_ms / 1000, date);
    api_add_text(r, "Last-Modified", date);
    api_add_etag(r, head);
}

static void add_content_headers(struct api_req *r)
{
    for (size_t i = 0; i < TN_COUNT(overrides); i++) {
        struct tn_str value = tn_query_value(&r->query, overrides[i].param);
        if (value.len == 0)
            value = r->meta.fields[overrides[i].field];
        if (value.len == 0 && overrides[i].field == API_META_CONTENT_TYPE)
            value = TN_STR("binary/octet-stream");
        if (value.len)
            api_add(r, overrides[i].header, value);
    }
}

static void add_user_headers(struct api_req *r)
{
    for (size_t i = 0; i < r->meta.user_count; i++) {
        const struct tn_header *pair = &r->meta.user[i];
        char name[API_META_USER_LEN_MAX + 16];
        (void)snprintf(name, sizeof name, "x-amz-meta-%.*s", TN_STR_ARG(pair->name));
        api_add(r, name, pair->value);
    }
}

static void add_s3_headers(struct api_req *r, const struct get_state *state,
                           const struct store_head *head)
{
    enum api_class storage_class = api_attrs_class(head->attrs);
    if (storage_class != API_CLASS_STANDARD)
        api_add_text(r, "x-amz-storage-class", api_class_names[storage_class]);
    if (state->part_number && head->part_count) {
        char count[16];
        (void)snprintf(count, sizeof count, "%u", head->part_count);
        api_add_text(r, "x-amz-mp-parts-count", count);
    }
    if (!tn_str_eq_nocase(api_header(r, "x-amz-checksum-mode"), TN_STR("ENABLED")))
        return;
    if (state->part_checksum.kind != TN_CHECKSUM_NONE)
        api_add_checksum(r, &state->part_checksum);
    else if (!state->is_ranged || r->range.len == api_head_size(head))
        api_add_checksum(r, &r->meta.checksum);
}

static enum tn_s3_code reply_object(struct api_req *r, const struct get_state *state,
                                    const struct store_head *head)
{
    struct http_answer *answer = &r->http->answer;
    add_validators(r, head);
    api_add_text(r, "Accept-Ranges", "bytes");
    add_content_headers(r);
    add_user_headers(r);
    add_s3_headers(r, state, head);
    version_add_header(r, "x-amz-version-id", head);
    features_add_headers(r);
    archive_add_headers(r);
    lifecycle_add_headers(r, head);
    if (state->is_ranged) {
        char text[TN_CONTENT_RANGE_LEN];
        tn_content_range_format(r->range, api_head_size(head), text);
        api_add_text(r, "Content-Range", text);
    }
    answer->body_len = r->range.len;
    answer->has_body_len = r->is_head;
    if (!r->is_head && r->range.len) {
        answer->read = read_object;
        answer->find = r->api->store->ops->object_file && !r->reader ? find_object : NULL;
    }
    return api_reply_empty(r, state->is_ranged ? 206 : 200);
}

/* 304 carries what a cache needs to refresh its copy (RFC 9110 section 15.4.5). */
static enum tn_s3_code reply_not_modified(struct api_req *r, const struct store_head *head)
{
    static const enum api_meta_field fields[] = { API_META_CACHE_CONTROL, API_META_EXPIRES };
    add_validators(r, head);
    version_add_header(r, "x-amz-version-id", head);
    for (size_t i = 0; i < TN_COUNT(fields); i++) {
        if (r->meta.fields[fields[i]].len)
            api_add(r, api_meta_headers[fields[i]], r->meta.fields[fields[i]]);
    }
    return api_reply_empty(r, 304);
}

static enum tn_s3_code answer_object(struct api_req *r)
{
    const struct store_ops *ops = r->api->store->ops;
    const struct store_head *head = ops->object_head(r->object);
    struct get_state *state = r->state;
    char etag[API_ETAG_LEN];
    struct tn_precond cond;
    int rc = api_meta_decode(ops->object_meta(r->object), &r->http->arena, &r->meta);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    if (r->meta.fields[API_META_SSE].len && !state->is_on_worker) { /* its parts may be asked */
        state->is_on_worker = true;
        api_run_on_worker(r, answer_object);
        return TN_S3_OK;
    }
    enum tn_s3_code code = r->is_head ? TN_S3_OK : archive_check_read(r, head);
    if (code == TN_S3_OK)
        code = sse_open(r, "x-amz-");
    if (code)
        return code;

    api_cond_read(r, "", &cond);
    size_t len = api_etag(head, etag);
    switch (tn_precond_read(&cond, (struct tn_str){ etag, len }, head->mtime_ms / 1000)) {
    case TN_PRECOND_PASS:
        break;
    case TN_PRECOND_NOT_MODIFIED:
        return reply_not_modified(r, head);
    default:
        return TN_S3_PRECONDITION_FAILED;
    }
    code = find_range(r, state);
    return code ? code : reply_object(r, state, head);
}

enum tn_s3_code object_get_wait(struct api_req *r)
{
    struct get_state *state = r->state;
    state->is_on_worker = true;
    return answer_object(r);
}

static enum tn_s3_code open_and_answer(struct api_req *r)
{
    enum tn_s3_code code = version_open(r, r->bucket, r->key, &r->version);
    return code ? code : answer_object(r);
}

enum tn_s3_code object_get_run(struct api_req *r)
{
    const struct get_state *state = r->state;
    struct store *s = r->api->store;
    struct tarn_error err = { 0 };
    int rc = TARN_EAGAIN;
    /* Asking for a part's place may wait, or for a version. */
    if (!state->part_number && r->version.kind == STORE_CURRENT)
        rc = s->ops->object_open(s, r->bucket, r->key, false, &r->object, &err);
    if (rc == TARN_EAGAIN || (rc == TARN_ENOTFOUND && version_is_kept(r->config))) {
        api_run_on_worker(r, open_and_answer);
        return TN_S3_OK;
    }
    return rc < 0 ? api_from_status(r, rc, &err) : answer_object(r);
}

/* S3 makes no torrents any more. */
enum tn_s3_code torrent_get_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    return code ? code : api_err(r, TN_S3_NO_SUCH_KEY, "There are no torrents of objects.");
}
