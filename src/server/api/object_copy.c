/* SPDX-License-Identifier: Apache-2.0 */
/* CopyObject: the new object shares the bytes of the old one; only its record is written. */

#include "proto/xml.h"
#include "server/api/notify.h"
#include "server/api/object.h"
#include "server/api/object_features.h"
#include "server/api/ops.h"
#include "server/api/sse.h"
#include "server/api/version.h"

struct copy_state {
    struct object_source source;
    struct api_meta meta; /* with the directive REPLACE */
    enum api_class storage_class;
    enum tn_checksum_kind checksum; /* to be computed */
    bool is_replaced;
    bool has_class;
};

static enum tn_s3_code read_directives(struct api_req *r, struct copy_state *state)
{
    static const char *const names[] = { "x-amz-metadata-directive", "x-amz-tagging-directive",
                                         "x-amz-annotation-directive" };
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        struct tn_str value = api_header(r, names[i]);
        bool is_replaced = tn_str_eq(value, TN_STR("REPLACE"));
        if (value.len && !is_replaced && !tn_str_eq(value, TN_STR("COPY")))
            return api_err(r, TN_S3_INVALID_ARGUMENT, "Unknown value of %s.", names[i]);
        if (i == 0)
            state->is_replaced = is_replaced;
    }
    return TN_S3_OK;
}

enum tn_s3_code object_copy_check(struct api_req *r)
{
    struct copy_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    state->has_class = api_has_header(r, "x-amz-storage-class");
    if (api_has_header(r, "x-amz-copy-source-range"))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "x-amz-copy-source-range is for parts only.");
    enum tn_s3_code code = object_source_read(r, &state->source);
    if (code == TN_S3_OK)
        code = read_directives(r, state);
    if (code == TN_S3_OK)
        code = api_body_read_algorithm(r, &state->checksum);
    if (code == TN_S3_OK)
        code = object_meta_read(r, &state->meta, &state->storage_class);
    if (code == TN_S3_OK)
        code = api_cond_write(r);
    return code ? code : api_bucket_check(r);
}

static enum tn_s3_code check_source(struct api_req *r, const struct copy_state *state,
                                    const struct store_head *head)
{
    bool is_same = tn_str_eq(state->source.bucket, r->bucket) &&
                   tn_str_eq(state->source.key, r->key) &&
                   state->source.version.kind == STORE_CURRENT;
    bool is_changed =
        state->is_replaced ||
        (state->has_class && state->storage_class != api_attrs_class(head->attrs)) ||
        (state->checksum != TN_CHECKSUM_NONE && state->checksum != r->meta.checksum.kind) ||
        r->sse || r->reader || api_has_header(r, "x-amz-website-redirect-location");
    if (is_same && !is_changed)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "This copy request is illegal because it is trying to copy an object to "
                       "itself without changing the object's metadata, storage class, website "
                       "redirect location or encryption attributes.");
    if (sse_object_len(r) > API_PUT_LEN_MAX)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: %llu",
                       API_PUT_LEN_MAX);
    return TN_S3_OK;
}

static int read_through(struct api_req *r, char *window, struct tn_checksum *checksum,
                        struct tarn_error *err)
{
    uint64_t size = sse_object_len(r);
    for (uint64_t offset = 0; offset < size;) {
        ssize_t n = sse_read(r, offset, window, API_COPY_WINDOW_LEN, true, err);
        if (n <= 0)
            return n < 0 ? (int)n : TARN_ECORRUPT;
        tn_checksum_update(checksum, window, (size_t)n);
        offset += (uint64_t)n;
    }
    return TARN_OK;
}

/* The source's own checksum is kept; another one that was asked for has to be computed. */
static enum tn_s3_code make_checksum(struct api_req *r, enum tn_checksum_kind kind,
                                     struct tn_checksum_value *value)
{
    if (kind == TN_CHECKSUM_NONE || kind == value->kind)
        return TN_S3_OK;
    struct tarn_error err = { 0 };
    struct tn_checksum checksum = { 0 };
    TN_AUTO_FREE char *window = tn_realloc(NULL, API_COPY_WINDOW_LEN);
    if (!window)
        return TN_S3_SERVICE_UNAVAILABLE;
    int rc = tn_checksum_init(&checksum, kind);
    if (rc == TARN_OK)
        rc = read_through(r, window, &checksum, &err);
    if (rc == TARN_OK)
        tn_checksum_final(&checksum, value);
    tn_checksum_release(&checksum);
    return api_from_status(r, rc, &err);
}

static int copy_bytes(struct api_req *r, char *window, struct tarn_error *err)
{
    const struct store_ops *ops = r->api->store->ops;
    struct api_body *b = &r->body;
    uint64_t size = sse_object_len(r);
    int rc = ops->body_new(r->api->store, r->sse ? sse_sealed_len(size) : size, &b->store, err);
    for (uint64_t offset = 0; rc == TARN_OK && offset < size;) {
        ssize_t n = sse_read(r, offset, window, API_COPY_WINDOW_LEN, true, err);
        if (n <= 0)
            return n < 0 ? (int)n : TARN_ECORRUPT;
        digest_update_together(&r->api->digests, &b->digest, window, (size_t)n);
        rc = sse_append(r, window, (size_t)n, err);
        offset += (uint64_t)n;
    }
    if (rc == TARN_OK)
        rc = sse_finish(r, err);
    return rc == TARN_OK ? ops->body_seal(b->store, err) : rc;
}

/* Other keys, or none on one side: the bytes have to be written again. */
static enum tn_s3_code encrypt_anew(struct api_req *r)
{
    struct tarn_error err = { 0 };
    struct api_body *b = &r->body;
    TN_AUTO_FREE char *window = tn_realloc(NULL, API_COPY_WINDOW_LEN);
    if (!window)
        return TN_S3_SERVICE_UNAVAILABLE;
    digest_add_md5(&b->digest);
    int rc = copy_bytes(r, window, &err);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    tn_lane_final(&b->digest.md5, b->md5_found);
    sse_hide_md5(r, b->md5_found);
    return TN_S3_OK;
}

static enum tn_s3_code on_copied(struct api_req *r)
{
    if (!r->cond.refused && r->txn.status == TARN_EAGAIN &&
        ++r->retry_count < API_RETRY_COUNT_MAX) {
        api_run_on_worker(r, object_copy_run);
        return TN_S3_OK;
    }
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    notify_add(r, "ObjectCreated:Copy", r->key, &r->txn.head);
    version_add_new(r, &r->txn.head);
    version_add_header(r, "x-amz-copy-source-version-id",
                       r->api->store->ops->object_head(r->object));
    sse_add_headers(r, &r->meta);
    tn_xml_root(&w, "CopyObjectResult", TN_XML_S3_NAMESPACE);
    api_xml_time(&w, "LastModified", r->txn.head.mtime_ms);
    api_xml_etag(&w, &r->txn.head);
    api_xml_checksum(&w, &r->meta.checksum);
    if (r->meta.checksum.kind != TN_CHECKSUM_NONE)
        tn_xml_str(&w, "ChecksumType", tn_checksum_type_name(r->meta.checksum.type));
    tn_xml_close(&w, "CopyObjectResult");
    return api_reply_xml(r, &w);
}

enum tn_s3_code object_copy_run(struct api_req *r)
{
    struct copy_state *state = r->state;
    enum tn_s3_code code = object_source_open(r, &state->source);
    if (code)
        return code;
    const struct store_head *head = r->api->store->ops->object_head(r->object);
    code = check_source(r, state, head);
    struct tn_checksum_value checksum = r->meta.checksum;
    if (code == TN_S3_OK)
        code = make_checksum(r, state->checksum, &checksum);
    bool is_shared = sse_is_same(r, &r->meta);
    if (code == TN_S3_OK && !is_shared)
        code = encrypt_anew(r);
    if (code)
        return code;

    struct api_meta source = r->meta;
    if (state->is_replaced)
        r->meta = state->meta;
    features_copy(r, &source, &state->meta, &r->meta);
    r->meta.fields[API_META_SSE] = (is_shared ? &source : &state->meta)->fields[API_META_SSE];
    r->meta.checksum = checksum;
    r->txn = (struct store_txn){ .op = STORE_PUT, .bucket = r->bucket, .key = r->key };
    r->txn.head.attrs = api_attrs(state->storage_class, checksum.kind, checksum.type);
    if (is_shared) {
        r->txn.head.part_count = head->part_count;
        memcpy(r->txn.head.md5, head->md5, STORE_MD5_LEN);
        r->txn.head.attrs |= head->attrs & (uint32_t)API_ATTR_BLOCKS_MAX << API_ATTR_BLOCKS_SHIFT;
        r->txn.source = r->object;
    } else {
        memcpy(r->txn.head.md5, r->body.md5_found, STORE_MD5_LEN);
        r->txn.body = TN_TAKE(r->body.store);
    }
    code = object_meta_store(r);
    return code ? code : api_commit(r, on_copied);
}
