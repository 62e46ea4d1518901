/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes behind those of an object, as S3 has it for directory buckets. The object is replaced by
 * one that has both, in one commit that is refused when anything else came between.
 *
 * What is kept apart from its record (large objects) is shared: the new object is a list of the
 * pieces that there are and one more, and has the entity tag of an object of so many parts. What is
 * small, or encrypted, is written again as a whole. */

#include "server/api/object_append.h"

#include "server/api/archive.h"
#include "server/api/lifecycle.h"
#include "server/api/notify.h"
#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/sse_stream.h"
#include "server/api/version.h"

struct append {
    enum api_class storage_class;
    bool is_new;    /* there is no object */
    bool is_shared; /* the bytes that are there are not written again */
    bool has_md5;
    struct tn_hash md5; /* of all that is written */
    struct tn_checksum checksum;
};

static void release_append(void *what)
{
    struct append *a = what;
    if (a->has_md5)
        tn_hash_release(&a->md5);
    tn_checksum_release(&a->checksum);
}

enum tn_s3_code append_check(struct api_req *r)
{
    struct append *a = tn_arena_zalloc(&r->http->arena, sizeof *a);
    if (!a || tn_arena_defer(&r->http->arena, release_append, a) < 0)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->append = a;
    if (tn_str_to_u64(api_header(r, "x-amz-write-offset-bytes"), &r->cond.offset) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "x-amz-write-offset-bytes is not an offset.");
    r->cond.has_offset = true;
    if (r->body.declared_len == 0)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Request body cannot be empty when 'write offset' is specified.");
    if (r->body.declared_len != UINT64_MAX &&
        (r->cond.offset > API_OBJECT_LEN_MAX ||
         r->body.declared_len > API_OBJECT_LEN_MAX - r->cond.offset))
        return TN_S3_ENTITY_TOO_LARGE;
    enum tn_s3_code code = api_cond_write(r);
    return code ? code : api_bucket_check(r);
}

/* --- What is there --- */

/* What the request says of encryption must be what the object has. */
static bool is_same_encryption(const struct api_req *r, const struct sse *sse)
{
    struct tn_str name = api_header(r, "x-amz-server-side-encryption");
    bool has_key = api_has_header(r, "x-amz-server-side-encryption-customer-algorithm");
    if (has_key != (sse->kind == SSE_CUSTOMER))
        return false;
    if (name.len == 0)
        return true;
    return tn_str_eq(name, TN_STR("AES256")) ? sse->kind == SSE_S3 : sse->kind == SSE_KMS;
}

static enum tn_s3_code check_checksum(struct api_req *r)
{
    enum tn_checksum_kind wanted = r->meta.checksum.kind;
    enum tn_checksum_kind sent = r->body.checksum_kind;
    if (wanted == sent || wanted == TN_CHECKSUM_NONE || sent == TN_CHECKSUM_NONE)
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST,
                   "Checksum Type mismatch occurred, expected checksum Type: %.*s, actual checksum "
                   "Type: %.*s",
                   TN_STR_ARG(tn_checksum_name(wanted)), TN_STR_ARG(tn_checksum_name(sent)));
}

static enum tn_s3_code check_headers(struct api_req *r, const struct sse *sse)
{
    for (size_t i = 0; i < r->header_count; i++) {
        struct tn_str prefix = TN_STR("x-amz-meta-");
        if (tn_str_eq_nocase(tn_str_sub(r->headers[i].name, 0, prefix.len), prefix))
            return api_err(r, TN_S3_INVALID_REQUEST,
                           "Cannot specify both a write offset value and user-defined object "
                           "metadata for existing objects.");
    }
    return is_same_encryption(r, sse) ? check_checksum(r) : TN_S3_ENCRYPTION_TYPE_MISMATCH;
}

/* --- Writing again --- */

static int copy_old(struct api_req *r, struct tarn_error *err)
{
    TN_AUTO_FREE char *window = tn_realloc(NULL, API_COPY_WINDOW_LEN);
    if (!window)
        return TARN_ENOMEM;
    uint64_t size = sse_object_len(r);
    uint64_t whole = r->body.declared_len == UINT64_MAX ? UINT64_MAX : size + r->body.declared_len;
    if (r->sse && whole != UINT64_MAX)
        whole = sse_sealed_len(whole);
    int rc = r->api->store->ops->body_new(r->api->store, whole, &r->body.store, err);
    for (uint64_t offset = 0; rc == TARN_OK && offset < size;) {
        ssize_t n = sse_read(r, offset, window, API_COPY_WINDOW_LEN, true, err);
        if (n <= 0)
            return n < 0 ? (int)n : TARN_ECORRUPT;
        append_digest(r, window, (size_t)n);
        rc = sse_append(r, window, (size_t)n, err);
        offset += (uint64_t)n;
    }
    return rc;
}

/* The checksum of the whole is the object's kind; without one, what was sent, else the default. */
static int start_digests(struct api_req *r)
{
    struct append *a = r->append;
    enum tn_checksum_kind kind = r->meta.checksum.kind;
    int rc = tn_hash_init(&a->md5, TN_HASH_MD5);
    a->has_md5 = rc == TARN_OK;
    if (kind == TN_CHECKSUM_NONE && !a->is_shared)
        kind = r->body.checksum_kind;
    if (kind == TN_CHECKSUM_NONE && !a->is_shared && !r->sse)
        kind = TN_CHECKSUM_DEFAULT;
    return rc < 0 ? rc : tn_checksum_init(&a->checksum, kind);
}

void append_digest(struct api_req *r, const void *bytes, size_t len)
{
    struct append *a = r->append;
    if (!a || !a->has_md5)
        return;
    tn_hash_update(&a->md5, bytes, len);
    tn_checksum_update(&a->checksum, bytes, len);
}

/* --- Before the body --- */

static enum tn_s3_code begin_new(struct api_req *r)
{
    struct append *a = r->append;
    if (r->cond.offset)
        return TN_S3_INVALID_WRITE_OFFSET;
    a->is_new = true;
    enum tn_s3_code code = object_meta_read(r, &r->meta, &a->storage_class);
    return code ? code : api_from_status(r, start_digests(r), NULL);
}

static enum tn_s3_code begin_again(struct api_req *r)
{
    struct tarn_error err = { 0 };
    struct append *a = r->append;
    const struct store_ops *ops = r->api->store->ops;
    struct sse sse;
    int rc = sse_decode(r->meta.fields[API_META_SSE], &sse);
    enum tn_s3_code code = rc < 0 ? api_from_status(r, rc, NULL) : check_headers(r, &sse);
    if (code == TN_S3_OK)
        code = sse_open(r, "x-amz-");
    if (code == TN_S3_OK && sse_object_len(r) != r->cond.offset)
        code = TN_S3_INVALID_WRITE_OFFSET;
    if (code)
        return code;
    a->is_shared = sse.kind == SSE_NONE && ops->object_is_apart && ops->object_is_apart(r->object);
    rc = start_digests(r);
    if (rc == TARN_OK && a->is_shared)
        rc = ops->body_new(r->api->store, STORE_BODY_APART, &r->body.store, &err);
    if (rc < 0 || a->is_shared)
        return api_from_status(r, rc, &err);
    struct tn_str sealed = TN_STR_EMPTY;
    if (sse.kind != SSE_NONE)
        code = sse_begin_part(r, &r->meta, &sealed);
    if (code)
        return code;
    r->meta.fields[API_META_SSE] = sealed;
    return api_from_status(r, copy_old(r, &err), &err);
}

enum tn_s3_code append_prepare(struct api_req *r)
{
    struct store *s = r->api->store;
    struct tarn_error err = { 0 };
    int rc = s->ops->object_open(s, r->bucket, r->key, true, &r->object, &err);
    if (rc == TARN_ENOTFOUND)
        return begin_new(r);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    const struct store_head *head = s->ops->object_head(r->object);
    r->cond.seq = head->seq;
    r->append->storage_class = api_attrs_class(head->attrs);
    rc = api_meta_decode(s->ops->object_meta(r->object), &r->http->arena, &r->meta);
    enum tn_s3_code code = api_from_status(r, rc, NULL);
    if (code == TN_S3_OK)
        code = archive_check_read(r, head);
    return code ? code : begin_again(r);
}

/* --- Behind the body --- */

static enum tn_s3_code on_appended(struct api_req *r)
{
    if (!r->cond.refused && r->txn.status == TARN_ETOOBIG)
        return TN_S3_TOO_MANY_PARTS;
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    char size[24];
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)api_head_size(&r->txn.head));
    api_add_etag(r, &r->txn.head);
    api_add_text(r, "x-amz-object-size", size);
    api_add_checksum(r, &r->meta.checksum);
    sse_add_headers(r, &r->meta);
    version_add_new(r, &r->txn.head);
    lifecycle_add_headers(r, &r->txn.head);
    notify_add(r, "ObjectCreated:Put", r->key, &r->txn.head);
    return api_reply_empty(r, 200);
}

/* Of the bytes that were there and those that came. What cannot be put together is given up: SHA,
 * and checksums of checksums. */
static enum tn_s3_code join_checksums(struct api_req *r, const struct tn_checksum_value *found)
{
    struct tn_checksum_parts parts = { 0 };
    struct tn_checksum_value old = r->meta.checksum;
    r->meta.checksum = (struct tn_checksum_value){ .kind = TN_CHECKSUM_NONE };
    if (old.kind == TN_CHECKSUM_NONE || old.type != TN_CHECKSUM_FULL_OBJECT)
        return TN_S3_OK;
    int rc = tn_checksum_parts_init(&parts, old.kind, TN_CHECKSUM_FULL_OBJECT);
    if (rc == TARN_EINVAL || rc == TARN_ENOTSUPPORTED)
        return TN_S3_OK;
    if (rc == TARN_OK)
        rc = tn_checksum_parts_add(&parts, &old, r->cond.offset);
    if (rc == TARN_OK)
        rc = tn_checksum_parts_add(&parts, found, r->body.len);
    if (rc == TARN_OK)
        tn_checksum_parts_final(&parts, &r->meta.checksum);
    tn_checksum_parts_release(&parts);
    r->meta.checksum.part_count = 0;
    return api_from_status(r, rc, NULL);
}

static enum tn_s3_code finish_digests(struct api_req *r)
{
    struct append *a = r->append;
    struct tn_checksum_value found = { .kind = TN_CHECKSUM_NONE };
    tn_hash_final(&a->md5, r->txn.head.md5);
    sse_hide_md5(r, r->txn.head.md5);
    if (a->checksum.kind != TN_CHECKSUM_NONE)
        tn_checksum_final(&a->checksum, &found);
    if (a->is_shared)
        return join_checksums(r, &found);
    r->meta.checksum = found;
    return TN_S3_OK;
}

enum tn_s3_code append_run(struct api_req *r)
{
    struct append *a = r->append;
    if (r->body.len == 0)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Request body cannot be empty when 'write offset' is specified.");
    if (r->body.len > API_OBJECT_LEN_MAX - r->cond.offset)
        return TN_S3_ENTITY_TOO_LARGE;
    r->txn = (struct store_txn){ .op = STORE_PUT, .bucket = r->bucket, .key = r->key };
    enum tn_s3_code code = finish_digests(r);
    if (code)
        return code;
    r->txn.head.attrs = api_attrs(a->storage_class, r->meta.checksum.kind, TN_CHECKSUM_FULL_OBJECT);
    if (a->is_shared)
        r->txn.source = r->object;
    code = object_meta_store(r);
    if (code)
        return code;
    r->txn.body = TN_TAKE(r->body.store);
    return api_commit(r, on_appended);
}
