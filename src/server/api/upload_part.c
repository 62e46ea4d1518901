/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of uploads: put, copy, list. */

#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/sse.h"
#include "server/api/upload.h"

/* --- Put --- */

enum tn_s3_code part_put_check(struct api_req *r)
{
    static const api_step_fn steps[] = { api_bucket_check, upload_id_read,
                                         upload_part_number_read };
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        enum tn_s3_code code = steps[i](r);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

/* All parts of an upload have the checksum that it was created with. */
enum tn_s3_code part_put_prepare(struct api_req *r)
{
    struct store_head upload;
    enum tn_s3_code code = upload_find(r, &upload, &r->meta);
    if (code == TN_S3_OK)
        code = sse_begin_part(r, &r->meta, &r->part_sse);
    if (code)
        return code;
    enum tn_checksum_kind wanted = api_attrs_checksum(upload.attrs);
    enum tn_checksum_kind sent = r->body.checksum_kind;
    if (wanted == TN_CHECKSUM_NONE || wanted == sent)
        return TN_S3_OK;
    if (sent != TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Checksum Type mismatch occurred, expected checksum Type: %.*s, actual "
                       "checksum Type: %.*s",
                       TN_STR_ARG(tn_checksum_name(wanted)), TN_STR_ARG(tn_checksum_name(sent)));
    r->body.checksum_kind = wanted;
    return TN_S3_OK;
}

static enum tn_s3_code part_code(struct api_req *r)
{
    return r->txn.status == TARN_ENOTFOUND ? TN_S3_NO_SUCH_UPLOAD : api_commit_code(r);
}

static enum tn_s3_code on_part(struct api_req *r)
{
    enum tn_s3_code code = part_code(r);
    if (code)
        return code;
    api_add_etag(r, &r->txn.head);
    api_add_checksum(r, &r->meta.checksum);
    sse_add_headers(r, &r->meta);
    return api_reply_empty(r, 200);
}

static enum tn_s3_code commit_part(struct api_req *r, api_step_fn committed)
{
    struct tn_checksum_value checksum = r->body.checksum_found;
    r->meta = (struct api_meta){ .checksum = checksum };
    r->meta.fields[API_META_SSE] = r->part_sse;
    r->txn.op = STORE_PART_PUT;
    r->txn.bucket = r->bucket;
    r->txn.key = r->key;
    r->txn.head.attrs = api_attrs(API_CLASS_STANDARD, checksum.kind, checksum.type);
    memcpy(r->txn.head.md5, r->body.md5_found, STORE_MD5_LEN);
    enum tn_s3_code code = object_meta_store(r);
    if (code)
        return code;
    r->txn.body = TN_TAKE(r->body.store);
    return api_commit(r, committed);
}

enum tn_s3_code part_put_run(struct api_req *r)
{
    return commit_part(r, on_part);
}

/* --- Copy --- */

struct copy_state {
    struct object_source source;
    struct tn_range range;
};

enum tn_s3_code part_copy_check(struct api_req *r)
{
    struct copy_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    enum tn_s3_code code = part_put_check(r);
    return code ? code : object_source_read(r, &state->source);
}

static enum tn_s3_code find_range(struct api_req *r, struct copy_state *state)
{
    uint64_t size = sse_object_len(r);
    struct tn_str text = api_header(r, "x-amz-copy-source-range");
    state->range = (struct tn_range){ 0, size };
    if (text.len) {
        int rc = tn_range_parse_copy(text, size, &state->range);
        if (rc == TARN_ERANGE)
            return api_err(r, TN_S3_INVALID_RANGE,
                           "Range specified is not valid for source object of size: %llu",
                           (unsigned long long)size);
        if (rc < 0)
            return api_err(r, TN_S3_INVALID_ARGUMENT,
                           "The x-amz-copy-source-range value must be of the form bytes=first-last "
                           "where first and last are the zero-based offsets of the first and last "
                           "bytes to copy");
    }
    if (state->range.len > API_PUT_LEN_MAX)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: %llu",
                       API_PUT_LEN_MAX);
    return TN_S3_OK;
}

static int copy_bytes(struct api_req *r, const struct copy_state *state, char *window,
                      struct tarn_error *err)
{
    const struct store_ops *ops = r->api->store->ops;
    struct api_body *b = &r->body;
    for (uint64_t done = 0; done < state->range.len;) {
        uint64_t left = state->range.len - done;
        size_t cap = left < API_COPY_WINDOW_LEN ? (size_t)left : API_COPY_WINDOW_LEN;
        ssize_t n = sse_read(r, state->range.first + done, window, cap, true, err);
        if (n <= 0)
            return n < 0 ? (int)n : TARN_ECORRUPT;
        digest_update_together(&r->api->digests, &b->digest, window, (size_t)n);
        tn_checksum_update(&b->checksum, window, (size_t)n);
        int rc = sse_append(r, window, (size_t)n, err);
        if (rc < 0)
            return rc;
        done += (uint64_t)n;
    }
    int rc = sse_finish(r, err);
    return rc == TARN_OK ? ops->body_seal(b->store, err) : rc;
}

static enum tn_s3_code copy_body(struct api_req *r, const struct copy_state *state)
{
    struct store *s = r->api->store;
    struct api_body *b = &r->body;
    struct tarn_error err = { 0 };
    TN_AUTO_FREE char *window = tn_realloc(NULL, API_COPY_WINDOW_LEN);
    int rc = window ? TARN_OK : TARN_ENOMEM;
    digest_add_md5(&b->digest);
    api_body_default_checksum(r);
    if (rc == TARN_OK)
        rc = tn_checksum_init(&b->checksum, b->checksum_kind);
    if (rc == TARN_OK)
        rc = s->ops->body_new(s, r->sse ? sse_sealed_len(state->range.len) : state->range.len,
                              &b->store, &err);
    if (rc == TARN_OK)
        rc = copy_bytes(r, state, window, &err);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    tn_lane_final(&b->digest.md5, b->md5_found);
    sse_hide_md5(r, b->md5_found);
    tn_checksum_final(&b->checksum, &b->checksum_found);
    return TN_S3_OK;
}

static enum tn_s3_code on_part_copied(struct api_req *r)
{
    enum tn_s3_code code = part_code(r);
    if (code)
        return code;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    sse_add_headers(r, &r->meta);
    tn_xml_root(&w, "CopyPartResult", TN_XML_S3_NAMESPACE);
    api_xml_time(&w, "LastModified", r->txn.head.mtime_ms);
    api_xml_etag(&w, &r->txn.head);
    api_xml_checksum(&w, &r->meta.checksum);
    tn_xml_close(&w, "CopyPartResult");
    return api_reply_xml(r, &w);
}

enum tn_s3_code part_copy_run(struct api_req *r)
{
    struct copy_state *state = r->state;
    enum tn_s3_code code = part_put_prepare(r);
    if (code == TN_S3_OK)
        code = object_source_open(r, &state->source);
    if (code == TN_S3_OK)
        code = find_range(r, state);
    if (code == TN_S3_OK)
        code = copy_body(r, state);
    return code ? code : commit_part(r, on_part_copied);
}

/* --- List --- */

struct list_state {
    uint64_t after;
    uint64_t max;
    uint32_t last;
};

enum tn_s3_code part_list_check(struct api_req *r)
{
    struct list_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    state->max = API_LIST_COUNT_MAX;
    enum tn_s3_code code = api_bucket_check(r);
    if (code == TN_S3_OK)
        code = upload_id_read(r);
    if (code == TN_S3_OK)
        code = api_param_u64(r, "part-number-marker", 0, INT32_MAX, &state->after);
    if (code == TN_S3_OK)
        code = api_param_u64(r, "max-parts", 0, INT32_MAX, &state->max);
    if (state->max > API_LIST_COUNT_MAX)
        state->max = API_LIST_COUNT_MAX;
    return code;
}

static int on_list_part(void *user, const struct store_part *part)
{
    struct api_req *r = user;
    struct list_state *state = r->state;
    struct api_meta meta;
    int rc = api_meta_decode(part->meta, &r->http->arena, &meta);
    if (rc < 0)
        return rc;
    state->last = part->number;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_open(&w, "Part");
    tn_xml_u64(&w, "PartNumber", part->number);
    api_xml_time(&w, "LastModified", part->head.mtime_ms);
    api_xml_etag(&w, &part->head);
    tn_xml_u64(&w, "Size", api_head_size(&part->head));
    api_xml_checksum(&w, &meta.checksum);
    tn_xml_close(&w, "Part");
    return w.rc;
}

static void write_upload(struct api_req *r, const struct store_head *upload,
                         struct tn_xml_writer *w)
{
    const struct list_state *state = r->state;
    tn_xml_root(w, "ListPartsResult", TN_XML_S3_NAMESPACE);
    tn_xml_str(w, "Bucket", r->bucket);
    tn_xml_str(w, "Key", r->key);
    tn_xml_text(w, "UploadId", r->txn.upload_id);
    upload_write_owners(r, w, &r->meta);
    tn_xml_text(w, "StorageClass", api_class_names[api_attrs_class(upload->attrs)]);
    tn_xml_u64(w, "PartNumberMarker", state->after);
    tn_xml_u64(w, "MaxParts", state->max);
    enum tn_checksum_kind kind = api_attrs_checksum(upload->attrs);
    if (kind != TN_CHECKSUM_NONE) {
        tn_xml_str(w, "ChecksumAlgorithm", tn_checksum_name(kind));
        tn_xml_str(w, "ChecksumType",
                   tn_checksum_type_name(api_attrs_checksum_type(upload->attrs)));
    }
}

enum tn_s3_code part_list_run(struct api_req *r)
{
    struct store *s = r->api->store;
    struct list_state *state = r->state;
    struct store_head upload;
    struct tarn_error err = { 0 };
    bool is_truncated = false;
    enum tn_s3_code code = upload_find(r, &upload, &r->meta);
    if (code)
        return code;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    write_upload(r, &upload, &w);
    if (w.rc < 0)
        return api_from_status(r, w.rc, NULL);
    int rc = TARN_OK;
    state->last = (uint32_t)state->after;
    if (state->max)
        rc = s->ops->part_list(s, r->bucket, r->key, r->txn.upload_id, (uint32_t)state->after,
                               (size_t)state->max, on_list_part, r, &is_truncated, &err);
    if (rc < 0)
        return rc == TARN_ENOTFOUND ? TN_S3_NO_SUCH_UPLOAD : api_from_status(r, rc, &err);
    tn_xml_u64(&w, "NextPartNumberMarker", state->last);
    tn_xml_bool(&w, "IsTruncated", is_truncated);
    tn_xml_close(&w, "ListPartsResult");
    return api_reply_xml(r, &w);
}
