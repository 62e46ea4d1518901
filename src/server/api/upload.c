/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads: create, abort, list. */

#include "server/api/upload.h"

#include "base/codec.h"
#include "server/api/listing.h"
#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/owner.h"
#include "server/api/sse.h"

/* --- Shared --- */

enum tn_s3_code upload_id_read(struct api_req *r)
{
    unsigned char bytes[STORE_UPLOAD_ID_LEN / 2];
    struct tn_str id = tn_query_value(&r->query, "uploadId");
    if (id.len != STORE_UPLOAD_ID_LEN || tn_hex_decode(id, bytes) < 0)
        return TN_S3_NO_SUCH_UPLOAD;
    memcpy(r->txn.upload_id, id.data, id.len);
    r->txn.upload_id[id.len] = '\0';
    return TN_S3_OK;
}

enum tn_s3_code upload_part_number_read(struct api_req *r)
{
    uint64_t number;
    struct tn_str text = tn_query_value(&r->query, "partNumber");
    if (tn_str_to_u64(text, &number) < 0 || number < 1 || number > STORE_PART_NUMBER_MAX)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "Part number must be an integer between 1 and 10000, inclusive");
    r->txn.part_number = (uint32_t)number;
    return TN_S3_OK;
}

enum tn_s3_code upload_find(struct api_req *r, struct store_head *head, struct api_meta *meta)
{
    struct store *s = r->api->store;
    struct tarn_error err = { 0 };
    struct tn_str bytes;
    int rc = s->ops->upload_get(s, r->bucket, r->key, r->txn.upload_id, head, &r->http->arena,
                                &bytes, &err);
    if (rc == TARN_ENOTFOUND)
        return TN_S3_NO_SUCH_UPLOAD;
    if (rc == TARN_OK)
        rc = api_meta_decode(bytes, &r->http->arena, meta);
    return api_from_status(r, rc, &err);
}

void upload_write_owners(const struct api_req *r, struct tn_xml_writer *w,
                         const struct api_meta *meta)
{
    struct tn_str initiator = meta->fields[API_META_INITIATOR];
    owner_write(r, w, "Initiator", initiator.len ? initiator : owner_of_bucket(r, r->config));
    owner_write(r, w, "Owner", owner_of_object(r, meta));
}

/* --- Create --- */

struct create_state {
    enum api_class storage_class;
    enum tn_checksum_kind kind;
    enum tn_checksum_type type;
};

static enum tn_s3_code read_checksum(struct api_req *r, struct create_state *state)
{
    struct tn_str type = api_header(r, "x-amz-checksum-type");
    enum tn_s3_code code = api_body_read_algorithm(r, &state->kind);
    if (code)
        return code;
    if (type.len && state->kind == TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The x-amz-checksum-type header can only be used with the "
                       "x-amz-checksum-algorithm header.");
    state->type =
        state->kind == TN_CHECKSUM_CRC64NVME ? TN_CHECKSUM_FULL_OBJECT : TN_CHECKSUM_COMPOSITE;
    if (type.len && tn_checksum_type_from_name(type, &state->type) < 0)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Value for x-amz-checksum-type header is invalid.");
    if (state->kind != TN_CHECKSUM_NONE && !tn_checksum_type_fits(state->kind, state->type))
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The %.*s checksum type cannot be used with the %.*s checksum algorithm.",
                       TN_STR_ARG(tn_checksum_type_name(state->type)),
                       TN_STR_ARG(tn_checksum_name(state->kind)));
    return TN_S3_OK;
}

enum tn_s3_code upload_create_check(struct api_req *r)
{
    struct create_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    enum tn_s3_code code = object_meta_read(r, &r->meta, &state->storage_class);
    if (code == TN_S3_OK)
        code = read_checksum(r, state);
    return code ? code : api_bucket_check(r);
}

static enum tn_s3_code on_created(struct api_req *r)
{
    const struct create_state *state = r->state;
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    if (state->kind != TN_CHECKSUM_NONE) {
        api_add(r, "x-amz-checksum-algorithm", tn_checksum_name(state->kind));
        api_add(r, "x-amz-checksum-type", tn_checksum_type_name(state->type));
    }
    sse_add_headers(r, &r->meta);
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "InitiateMultipartUploadResult", TN_XML_S3_NAMESPACE);
    tn_xml_str(&w, "Bucket", r->bucket);
    tn_xml_str(&w, "Key", r->key);
    tn_xml_text(&w, "UploadId", r->txn.upload_id);
    tn_xml_close(&w, "InitiateMultipartUploadResult");
    return api_reply_xml(r, &w);
}

enum tn_s3_code upload_create_run(struct api_req *r)
{
    const struct create_state *state = r->state;
    struct tn_str asking = owner_asking(r);
    if (!tn_str_eq(asking, owner_of_bucket(r, r->config)))
        r->meta.fields[API_META_INITIATOR] = asking;
    r->txn = (struct store_txn){ .op = STORE_UPLOAD_CREATE, .bucket = r->bucket, .key = r->key };
    r->txn.head.attrs = api_attrs(state->storage_class, state->kind, state->type);
    enum tn_s3_code code = object_meta_store(r);
    return code ? code : api_commit(r, on_created);
}

/* --- Abort --- */

enum tn_s3_code upload_abort_check(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    return code ? code : upload_id_read(r);
}

static enum tn_s3_code on_aborted(struct api_req *r)
{
    if (r->txn.status == TARN_ENOTFOUND)
        return TN_S3_NO_SUCH_UPLOAD;
    enum tn_s3_code code = api_commit_code(r);
    return code ? code : api_reply_empty(r, 204);
}

enum tn_s3_code upload_abort_run(struct api_req *r)
{
    r->txn.op = STORE_UPLOAD_ABORT;
    r->txn.bucket = r->bucket;
    r->txn.key = r->key;
    return api_commit(r, on_aborted);
}

/* --- List --- */

struct upload_entry {
    struct tn_str key;
    char id[STORE_UPLOAD_ID_LEN + 1];
    struct store_head head;
};

struct list_state {
    struct store_list query;
    struct upload_entry *found; /* room for query.max */
    size_t found_count;
    struct listing out;
    struct tn_str key_marker;
    struct tn_str id_marker;
    size_t count;
    char last_id[STORE_UPLOAD_ID_LEN + 1];
};

enum tn_s3_code upload_list_check(struct api_req *r)
{
    struct list_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    state->key_marker = tn_query_value(&r->query, "key-marker");
    state->id_marker = tn_query_value(&r->query, "upload-id-marker");
    if (state->id_marker.len > STORE_UPLOAD_ID_LEN)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid uploadId marker");
    enum tn_s3_code code = listing_check(r, &state->out, &state->query, "max-uploads");
    state->query.after = state->key_marker;
    if (state->key_marker.len) /* S3 ignores the one without the other */
        state->query.upload_after = state->id_marker;
    return code;
}

static int on_upload(void *user, struct tn_str key, const char *upload_id,
                     const struct store_head *head)
{
    struct api_req *r = user;
    struct list_state *state = r->state;
    struct upload_entry *entry = &state->found[state->found_count];
    int rc = listing_remember(r, key);
    if (rc == TARN_OK)
        rc = tn_arena_str(&r->tree, key, &entry->key);
    if (rc < 0)
        return rc;
    state->count++;
    state->found_count++;
    memcpy(state->last_id, upload_id, sizeof state->last_id);
    memcpy(entry->id, upload_id, sizeof entry->id);
    entry->head = *head;
    return TARN_OK;
}

/* Only the upload's own metadata tells who began it; with one account there is nothing to ask. */
static int write_owners(struct api_req *r, const struct upload_entry *entry,
                        struct tn_xml_writer *w)
{
    struct store *s = r->api->store;
    struct api_meta meta = { 0 };
    struct store_head head;
    struct tn_str bytes;
    struct tn_arena arena;
    int rc = TARN_ENOTFOUND;
    tn_arena_init(&arena, 2 * STORE_META_LEN_MAX);
    if (auth_account_count(r->api->auth) > 1)
        rc = s->ops->upload_get(s, r->bucket, entry->key, entry->id, &head, &arena, &bytes, NULL);
    if (rc == TARN_OK)
        rc = api_meta_decode(bytes, &arena, &meta);
    if (rc == TARN_OK || rc == TARN_ENOTFOUND) /* ended meanwhile */
        upload_write_owners(r, w, &meta);
    tn_arena_release(&arena);
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

static int write_upload(struct api_req *r, const struct upload_entry *entry)
{
    const struct list_state *state = r->state;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_open(&w, "Upload");
    (void)listing_key(&state->out, &w, "Key", entry->key);
    tn_xml_text(&w, "UploadId", entry->id);
    int rc = write_owners(r, entry, &w);
    tn_xml_text(&w, "StorageClass", api_class_names[api_attrs_class(entry->head.attrs)]);
    api_xml_time(&w, "Initiated", entry->head.mtime_ms);
    enum tn_checksum_kind kind = api_attrs_checksum(entry->head.attrs);
    if (kind != TN_CHECKSUM_NONE) {
        tn_xml_str(&w, "ChecksumAlgorithm", tn_checksum_name(kind));
        tn_xml_str(&w, "ChecksumType",
                   tn_checksum_type_name(api_attrs_checksum_type(entry->head.attrs)));
    }
    tn_xml_close(&w, "Upload");
    return rc < 0 ? rc : w.rc;
}

static int on_prefix(void *user, struct tn_str prefix, const struct store_head *head)
{
    (void)head;
    struct api_req *r = user;
    struct list_state *state = r->state;
    int rc = listing_remember(r, prefix);
    if (rc < 0)
        return rc;
    state->count++;
    state->last_id[0] = '\0';
    return listing_prefix(r, &state->out, prefix);
}

/* The listing holds a snapshot of the index while it runs; the uploads are looked at after it. */
static int list_uploads(struct api_req *r, struct list_state *state, bool *is_truncated,
                        struct tarn_error *err)
{
    struct store *s = r->api->store;
    state->found = tn_arena_alloc(&r->tree, state->query.max * sizeof *state->found);
    if (!state->found)
        return TARN_ENOMEM;
    int rc = s->ops->upload_list(s, &state->query, on_upload, on_prefix, r, is_truncated, err);
    for (size_t i = 0; rc == TARN_OK && i < state->found_count; i++)
        rc = write_upload(r, &state->found[i]);
    return rc;
}

static void write_request(struct api_req *r, const struct list_state *state,
                          struct tn_xml_writer *w)
{
    tn_xml_root(w, "ListMultipartUploadsResult", TN_XML_S3_NAMESPACE);
    tn_xml_str(w, "Bucket", r->bucket);
    (void)listing_key(&state->out, w, "KeyMarker", state->key_marker);
    tn_xml_str(w, "UploadIdMarker", state->id_marker);
    if (state->query.prefix.len)
        (void)listing_key(&state->out, w, "Prefix", state->query.prefix);
    if (state->query.delimiter.len)
        (void)listing_key(&state->out, w, "Delimiter", state->query.delimiter);
    if (state->out.is_url)
        tn_xml_text(w, "EncodingType", "url");
    tn_xml_u64(w, "MaxUploads", state->out.max);
}

enum tn_s3_code upload_list_run(struct api_req *r)
{
    struct list_state *state = r->state;
    struct tarn_error err = { 0 };
    bool is_truncated = false;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    write_request(r, state, &w);
    if (w.rc < 0)
        return api_from_status(r, w.rc, NULL);
    int rc = TARN_OK;
    if (state->query.max)
        rc = list_uploads(r, state, &is_truncated, &err);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&r->out, tn_buf_str(&r->side));
    if (rc < 0)
        return api_from_status(r, rc, &err);
    tn_xml_bool(&w, "IsTruncated", is_truncated && state->count);
    if (is_truncated && state->count) {
        (void)listing_key(&state->out, &w, "NextKeyMarker", tn_buf_str(&r->last));
        tn_xml_text(&w, "NextUploadIdMarker", state->last_id);
    }
    tn_xml_close(&w, "ListMultipartUploadsResult");
    return api_reply_xml(r, &w);
}
