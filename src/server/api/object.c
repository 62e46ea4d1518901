/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata of new objects, and the sources of copies. */

#include "server/api/object.h"

#include "proto/name.h"
#include "server/api/archive.h"
#include "server/api/object_features.h"
#include "server/api/object_lock.h"
#include "server/api/sse.h"
#include "server/api/version.h"

static const char user_prefix[] = "x-amz-meta-";
enum { USER_PREFIX_LEN = sizeof user_prefix - 1 };

static bool is_user_header(struct tn_str name)
{
    return name.len > USER_PREFIX_LEN &&
           tn_str_eq_nocase(tn_str_sub(name, 0, USER_PREFIX_LEN), tn_str_from(user_prefix));
}

/* "aws-chunked" speaks of the transfer, not of the object. */
static enum tn_s3_code read_encoding(struct api_req *r, struct tn_str *out)
{
    TN_AUTO_BUF kept = TN_BUF_INIT(API_META_HEADER_LEN_MAX);
    struct tn_str rest = *out;
    int rc = TARN_OK;
    while (rc == TARN_OK && rest.len) {
        struct tn_str word = tn_str_trim(tn_str_split(&rest, ','));
        if (word.len == 0 || tn_str_eq_nocase(word, TN_STR("aws-chunked")))
            continue;
        if (kept.len)
            rc = tn_buf_append_char(&kept, ',');
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&kept, word);
    }
    if (rc == TARN_OK)
        rc = tn_arena_str(&r->http->arena, tn_buf_str(&kept), out);
    return api_from_status(r, rc, NULL);
}

static enum tn_s3_code read_fields(struct api_req *r, struct api_meta *meta)
{
    for (unsigned i = 0; i < API_META_HEADER_COUNT; i++) {
        meta->fields[i] = api_header(r, api_meta_headers[i]);
        if (meta->fields[i].len > API_META_HEADER_LEN_MAX)
            return TN_S3_METADATA_TOO_LARGE;
    }
    if (tn_str_find(meta->fields[API_META_CONTENT_ENCODING], TN_STR("aws-chunked")) == SIZE_MAX)
        return TN_S3_OK;
    return read_encoding(r, &meta->fields[API_META_CONTENT_ENCODING]);
}

static struct tn_header *find_pair(struct tn_header *pairs, size_t count, struct tn_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (tn_str_eq(pairs[i].name, name))
            return &pairs[i];
    }
    return NULL;
}

/* A name that was sent twice has both values, as in S3. */
static int add_pair(struct tn_arena *a, struct tn_header *pairs, size_t *count,
                    const struct tn_header *h)
{
    struct tn_str name;
    int rc = tn_arena_lower(a, tn_str_sub(h->name, USER_PREFIX_LEN, h->name.len), &name);
    if (rc < 0)
        return rc;
    struct tn_header *before = find_pair(pairs, *count, name);
    if (!before) {
        pairs[(*count)++] = (struct tn_header){ name, h->value };
        return TARN_OK;
    }
    char *joined = tn_arena_printf(a, "%.*s,%.*s", TN_STR_ARG(before->value), TN_STR_ARG(h->value));
    if (!joined)
        return TARN_ENOMEM;
    before->value = tn_str_from(joined);
    return TARN_OK;
}

static enum tn_s3_code read_user(struct api_req *r, struct api_meta *meta)
{
    size_t count = 0;
    size_t len = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_user_header(r->headers[i].name))
            continue;
        count++;
        len += r->headers[i].name.len - USER_PREFIX_LEN + r->headers[i].value.len;
    }
    if (len > API_META_USER_LEN_MAX || count > API_META_USER_COUNT_MAX)
        return TN_S3_METADATA_TOO_LARGE;
    if (count == 0)
        return TN_S3_OK;

    struct tn_header *pairs = tn_arena_alloc(&r->http->arena, count * sizeof *pairs);
    if (!pairs)
        return TN_S3_SERVICE_UNAVAILABLE;
    meta->user = pairs;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_user_header(r->headers[i].name))
            continue;
        int rc = add_pair(&r->http->arena, pairs, &meta->user_count, &r->headers[i]);
        if (rc < 0)
            return api_from_status(r, rc, NULL);
    }
    return TN_S3_OK;
}

enum tn_s3_code object_class_read(struct api_req *r, enum api_class *storage_class)
{
    static const char *const later[] = { "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS",
                                         "FSX_ONTAP" };
    struct tn_str name = api_header(r, "x-amz-storage-class");
    *storage_class = API_CLASS_STANDARD;
    if (name.len == 0)
        return TN_S3_OK;
    for (unsigned i = 0; i < API_CLASS_COUNT; i++) {
        if (tn_str_eq(name, tn_str_from(api_class_names[i]))) {
            *storage_class = (enum api_class)i;
            return TN_S3_OK;
        }
    }
    for (size_t i = 0; i < TN_COUNT(later); i++) {
        if (tn_str_eq(name, tn_str_from(later[i])))
            return api_err(r, TN_S3_NOT_IMPLEMENTED, "Storage class %s is not implemented.",
                           later[i]);
    }
    return TN_S3_INVALID_STORAGE_CLASS;
}

enum tn_s3_code object_meta_read(struct api_req *r, struct api_meta *meta,
                                 enum api_class *storage_class)
{
    *meta = (struct api_meta){ 0 };
    enum tn_s3_code code = object_class_read(r, storage_class);
    if (code == TN_S3_OK)
        code = read_fields(r, meta);
    if (code == TN_S3_OK)
        code = read_user(r, meta);
    if (code == TN_S3_OK)
        code = api_bucket_check(r);
    return code ? code : features_read(r, meta);
}

enum tn_s3_code object_meta_store(struct api_req *r)
{
    TN_AUTO_BUF encoded = TN_BUF_INIT(STORE_META_LEN_MAX);
    int rc = api_meta_encode(&r->meta, &encoded);
    if (rc == TARN_ETOOBIG)
        return TN_S3_METADATA_TOO_LARGE;
    r->txn.head.attrs &= ~(uint32_t)(API_ATTR_LOCK | API_ATTR_SSE);
    r->txn.head.attrs |= lock_is_any(&r->meta) ? API_ATTR_LOCK : 0;
    r->txn.head.attrs |= r->meta.fields[API_META_SSE].len ? API_ATTR_SSE : 0;
    if (rc == TARN_OK)
        rc = tn_arena_str(&r->http->arena, tn_buf_str(&encoded), &r->txn.meta);
    return api_from_status(r, rc, NULL);
}

enum tn_s3_code object_source_read(struct api_req *r, struct object_source *out)
{
    struct tn_copy_source source;
    struct tn_str text = api_header(r, "x-amz-copy-source");
    int rc = tn_copy_source_parse(&r->http->arena, text, &source);
    if (rc == TARN_EINVAL)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "Copy Source must mention the source bucket and "
                       "key: sourcebucket/sourcekey");
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    out->version = (struct store_version){ .kind = STORE_CURRENT };
    if (source.version_id.len) {
        enum tn_s3_code code = version_parse(r, source.version_id, &out->version);
        if (code)
            return code;
    }
    out->bucket = source.bucket;
    out->key = source.key;
    api_cond_read(r, "x-amz-copy-source-", &out->cond);
    return TN_S3_OK;
}

enum tn_s3_code object_source_open(struct api_req *r, const struct object_source *source)
{
    const struct store *s = r->api->store;
    enum tn_s3_code code = version_open(r, source->bucket, source->key, &source->version);
    if (code) /* a delete marker cannot be copied */
        return code == TN_S3_METHOD_NOT_ALLOWED ? TN_S3_INVALID_REQUEST : code;

    char etag[API_ETAG_LEN];
    const struct store_head *head = s->ops->object_head(r->object);
    size_t len = api_etag(head, etag);
    if (tn_precond_copy_source(&source->cond, (struct tn_str){ etag, len },
                               head->mtime_ms / 1000) != TN_PRECOND_PASS)
        return TN_S3_PRECONDITION_FAILED;
    int rc = api_meta_decode(s->ops->object_meta(r->object), &r->http->arena, &r->meta);
    code = api_from_status(r, rc, NULL);
    if (code == TN_S3_OK)
        code = archive_check_read(r, head);
    return code ? code : sse_open(r, "x-amz-copy-source-");
}
