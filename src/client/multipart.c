/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads, step by step. */

#include "client/multipart_impl.h"

#include "base/clock.h"
#include "base/codec.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/cycle.h"
#include "client/verify.h"

enum { DOCUMENT_MAX = 8 << 20 };

static const struct tarn_put_options no_put_options;
static const struct tarn_copy_options no_copy_options;

static void copy_text(char *out, size_t cap, struct tn_str text)
{
    (void)snprintf(out, cap, "%.*s", TN_STR_ARG(text));
}

/* Of a multipart object: the sum of the whole, where parts' sums make one. */
static struct tn_str type_of(enum tn_checksum_kind kind)
{
    return tn_checksum_type_name(tn_checksum_type_fits(kind, TN_CHECKSUM_FULL_OBJECT)
                                     ? TN_CHECKSUM_FULL_OBJECT
                                     : TN_CHECKSUM_COMPOSITE);
}

/* ---- create ---- */

static int create_with(struct tarn_client *client, const char *bucket, const char *key,
                       const struct tarn_put_options *options, enum tn_checksum_kind kind,
                       char upload_id[TARN_UPLOAD_ID_LEN_MAX], struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    struct tn_waiter waiter;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "create multipart upload", "POST", bucket, key);
    int rc = op ? TARN_OK : tn_fail_no_memory(err, "create multipart upload");
    if (op) {
        tn_op_request(op, &options->request);
        tn_op_query_flag(op, "uploads");
        tn_op_attributes(op, &options->attributes);
        if (!tn_checksum_is_known(options->checksum))
            tn_op_refuse(op, TARN_EINVAL);
        if (kind != TN_CHECKSUM_NONE) {
            tn_op_header_str(op, "x-amz-checksum-algorithm", tn_checksum_name(kind));
            tn_op_header_str(op, "x-amz-checksum-type", type_of(kind));
        }
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = tn_op_parse(op, "InitiateMultipartUploadResult", &root, err);
    struct tn_str id = rc == TARN_OK ? tn_xml_child_text(root, "UploadId") : TN_STR_EMPTY;
    if (rc == TARN_OK && (id.len == 0 || id.len >= TARN_UPLOAD_ID_LEN_MAX))
        rc = tn_op_fail(op, err, TARN_EPROTOCOL, "the answer has no upload id");
    if (rc == TARN_OK)
        copy_text(upload_id, TARN_UPLOAD_ID_LEN_MAX, id);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

/* Servers from before CRC64NVME refuse to be told of it. */
static bool is_kind_refused(const struct tarn_error *err)
{
    return err->http_status == 501 ||
           (err->http_status == 400 &&
            (!err->s3_code[0] || strcmp(err->s3_code, "InvalidArgument") == 0 ||
             strcmp(err->s3_code, "InvalidRequest") == 0));
}

int tarn_multipart_create(struct tarn_client *client, const char *bucket, const char *key,
                          const struct tarn_put_options *options,
                          char upload_id[TARN_UPLOAD_ID_LEN_MAX], struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(upload_id), err);
    if (given < 0)
        return given;
    struct tarn_error local = { 0 };
    options = options ? options : &no_put_options;
    enum tn_checksum_kind kind = tn_client_checksum(client, options->checksum);
    if (kind == TN_CHECKSUM_DEFAULT && atomic_load(&client->payload_form) == TN_PAYLOAD_BARE)
        kind = TN_CHECKSUM_NONE;
    int rc = create_with(client, bucket, key, options, kind, upload_id, &local);
    if (rc < 0 && kind == TN_CHECKSUM_DEFAULT && is_kind_refused(&local))
        rc = create_with(client, bucket, key, options, TN_CHECKSUM_NONE, upload_id, &local);
    if (rc < 0 && err)
        *err = local;
    return rc;
}

/* ---- parts ---- */

struct tn_op *tn_part_op_new(struct tarn_client *client, struct tn_waiter *waiter,
                             const char *bucket, const char *key, const char *upload_id,
                             uint32_t number, const struct tarn_request *request)
{
    struct tn_op *op = tn_op_new(client, waiter, "upload part", "PUT", bucket, key);
    if (!op)
        return NULL;
    tn_op_request(op, request);
    tn_op_query_u64(op, "partNumber", number);
    tn_op_query(op, "uploadId", upload_id);
    return op;
}

struct tn_op *tn_part_copy_op_new(struct tarn_client *client, struct tn_waiter *waiter,
                                  const char *source_bucket, const char *source_key, uint64_t first,
                                  uint64_t last, const char *bucket, const char *key,
                                  const char *upload_id, uint32_t number,
                                  const struct tarn_copy_options *options)
{
    char range[64];
    struct tn_op *op =
        tn_part_op_new(client, waiter, bucket, key, upload_id, number, &options->request);
    if (!op)
        return NULL;
    op->what = "copy part";
    op->checks_200 = true;
    tn_op_copy_source(op, source_bucket, source_key, options->source_version_id);
    tn_op_conditions(op, &options->source_conditions, "x-amz-copy-source-");
    if (first > 0 || last != UINT64_MAX) {
        (void)snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)first,
                       (unsigned long long)last);
        tn_op_header(op, "x-amz-copy-source-range", range);
    }
    return op;
}

int tn_part_take(const struct tn_op *op, uint32_t number, struct tarn_part *part,
                 struct tarn_error *err)
{
    bool is_verified;
    struct tn_str text = TN_STR_EMPTY;
    struct tn_str etag = tn_op_etag(op);
    int rc = tn_verify_upload(op, &is_verified, err);
    if (rc < 0)
        return rc;
    if (etag.len == 0 || etag.len >= TARN_ETAG_LEN_MAX)
        return tn_op_fail(op, err, TARN_EPROTOCOL, "the answer has no ETag");
    *part = (struct tarn_part){ .number = number, .size = op->body.len, .last_modified_ms = -1 };
    enum tn_checksum_kind kind = tn_op_checksum(op, &text);
    part->checksum_algorithm = tn_checksum_public(kind);
    copy_text(part->etag, sizeof part->etag, etag);
    copy_text(part->checksum_value, sizeof part->checksum_value, text);
    return TARN_OK;
}

int tn_part_copy_take(struct tn_op *op, uint32_t number, uint64_t size, struct tarn_part *part,
                      struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    struct tn_str text;
    int rc = tn_op_parse(op, "CopyPartResult", &root, err);
    if (rc < 0)
        return rc;
    struct tn_str etag = tn_etag_bare(tn_xml_child_text(root, "ETag"));
    if (etag.len == 0 || etag.len >= TARN_ETAG_LEN_MAX)
        return tn_op_fail(op, err, TARN_EPROTOCOL, "the answer has no ETag");
    *part = (struct tarn_part){ .number = number, .size = size, .last_modified_ms = -1 };
    part->checksum_algorithm = tn_checksum_public(tn_xml_checksum(root, &text));
    part->last_modified_ms = tn_date_ms(tn_xml_child_text(root, "LastModified"));
    copy_text(part->etag, sizeof part->etag, etag);
    copy_text(part->checksum_value, sizeof part->checksum_value, text);
    return TARN_OK;
}

static int check_number(uint32_t number, struct tarn_error *err)
{
    if (number >= 1 && number <= TARN_PART_COUNT_MAX)
        return TARN_OK;
    return tn_fail(err, TARN_EINVAL, "could not upload part %u: expected 1 to 10,000", number);
}

int tarn_multipart_upload_part(struct tarn_client *client, const char *bucket, const char *key,
                               const char *upload_id, uint32_t number, const void *bytes,
                               size_t len, const struct tarn_put_options *options,
                               struct tarn_part *part, struct tarn_error *err)
{
    int given =
        tn_check_given(client, bucket, key,
                       tn_missing(TN_MISSING_TEXT(upload_id),
                                  tn_missing(TN_MISSING_ITEMS(bytes, len), TN_MISSING(part))),
                       err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    options = options ? options : &no_put_options;
    int rc = check_number(number, err);
    if (rc < 0)
        return rc;
    tn_waiter_init(&waiter);
    struct tn_op *op =
        tn_part_op_new(client, &waiter, bucket, key, upload_id, number, &options->request);
    rc = op ? TARN_OK : tn_fail_no_memory(err, "upload part");
    if (op) {
        tn_op_bytes(op, bytes ? bytes : "", len, tn_client_checksum(client, options->checksum));
        tn_op_checksum_given(op, options);
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = tn_part_take(op, number, part, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

int tarn_multipart_upload_part_copy(struct tarn_client *client, const char *source_bucket,
                                    const char *source_key, uint64_t first, uint64_t last,
                                    const char *bucket, const char *key, const char *upload_id,
                                    uint32_t number, const struct tarn_copy_options *options,
                                    struct tarn_part *part, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key,
                               tn_missing(TN_MISSING_TEXT(upload_id), TN_MISSING(part)), err);
    if (given == TARN_OK)
        given = tn_check_object(source_bucket, source_key, err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    int rc = check_number(number, err);
    if (rc == TARN_OK && last < first)
        rc = tn_fail(err, TARN_EINVAL, "could not copy part %u: the range is empty", number);
    if (rc < 0)
        return rc;
    tn_waiter_init(&waiter);
    struct tn_op *op =
        tn_part_copy_op_new(client, &waiter, source_bucket, source_key, first, last, bucket, key,
                            upload_id, number, options ? options : &no_copy_options);
    rc = op ? tn_op_run(op, err) : tn_fail_no_memory(err, "copy part");
    uint64_t size = last == UINT64_MAX ? 0 : last - first + 1;
    if (rc == TARN_OK)
        rc = tn_part_copy_take(op, number, size, part, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

/* ---- complete ---- */

static int make_document(const struct tarn_part *parts, size_t count, struct tn_buf *out)
{
    struct tn_xml_writer w = TN_XML_WRITER(out);
    tn_xml_root(&w, "CompleteMultipartUpload", TN_XML_S3_NAMESPACE);
    for (size_t i = 0; i < count; i++) {
        char etag[TARN_ETAG_LEN_MAX + 2];
        char name[32];
        (void)snprintf(etag, sizeof etag, "\"%s\"", parts[i].etag);
        (void)snprintf(name, sizeof name, "Checksum%s",
                       tarn_checksum_name(parts[i].checksum_algorithm));
        tn_xml_open(&w, "Part");
        tn_xml_text(&w, "ETag", etag);
        if (parts[i].checksum_value[0])
            tn_xml_text(&w, name, parts[i].checksum_value);
        tn_xml_u64(&w, "PartNumber", parts[i].number);
        tn_xml_close(&w, "Part");
    }
    tn_xml_close(&w, "CompleteMultipartUpload");
    return w.rc;
}

/* S3's ETag of a multipart object: the MD5 of the parts' MD5s, and their count. False when the
 * parts' ETags are no MD5s. */
static bool expected_etag(const struct tarn_part *parts, size_t count, char out[64])
{
    unsigned char digest[TN_MD5_LEN];
    char hex[2 * TN_MD5_LEN + 1];
    struct tn_hash hash;
    bool is_md5 = tn_hash_init(&hash, TN_HASH_MD5) == TARN_OK;
    if (!is_md5)
        return false;
    for (size_t i = 0; i < count && is_md5; i++) {
        is_md5 = tn_etag_is_md5(tn_str_from(parts[i].etag), digest);
        if (is_md5)
            tn_hash_update(&hash, digest, sizeof digest);
    }
    tn_hash_final(&hash, digest);
    tn_hash_release(&hash);
    tn_hex_encode(digest, sizeof digest, hex);
    (void)snprintf(out, 64, "%s-%zu", hex, count);
    return is_md5;
}

/* Likewise the composite checksum; false when a part has none of that kind. */
static bool expected_checksum(const struct tarn_part *parts, size_t count,
                              enum tn_checksum_kind kind, struct tn_checksum_value *out)
{
    struct tn_checksum_parts sum = { 0 };
    struct tn_checksum_value value;
    bool is_known = tn_checksum_parts_init(&sum, kind, TN_CHECKSUM_COMPOSITE) == TARN_OK;
    for (size_t i = 0; i < count && is_known; i++)
        is_known =
            parts[i].checksum_algorithm == tn_checksum_public(kind) &&
            tn_checksum_parse(kind, tn_str_from(parts[i].checksum_value), &value) == TARN_OK &&
            tn_checksum_parts_add(&sum, &value, parts[i].size) == TARN_OK;
    if (is_known)
        tn_checksum_parts_final(&sum, out);
    tn_checksum_parts_release(&sum);
    return is_known;
}

static int other_checksum(const struct tn_op *op, const struct tn_info_texts *told,
                          struct tarn_error *err)
{
    return tn_op_fail(op, err, TARN_ECHECKSUM, "the server stored other bytes: its %.*s is %.*s",
                      TN_STR_ARG(tn_checksum_name(told->checksum)),
                      TN_STR_ARG(told->checksum_value));
}

/* Not all servers write the count of parts behind it. */
static int verify_composite(const struct tn_op *op, const struct tn_info_texts *told,
                            const struct tarn_part *parts, size_t count, bool *is_verified,
                            struct tarn_error *err)
{
    struct tn_checksum_value value;
    struct tn_checksum_value expected;
    if (tn_checksum_parse(told->checksum, told->checksum_value, &value) < 0 ||
        (value.type != TN_CHECKSUM_COMPOSITE &&
         !tn_str_eq(told->checksum_type, TN_STR("COMPOSITE"))) ||
        !expected_checksum(parts, count, told->checksum, &expected))
        return TARN_OK;
    if (memcmp(value.bytes, expected.bytes, sizeof value.bytes) != 0)
        return other_checksum(op, told, err);
    *is_verified = true;
    return TARN_OK;
}

/* Compares the object that the server put together with the parts that it was given. */
static int verify_object(struct tn_op *op, const struct tn_info_texts *told,
                         const struct tarn_put_options *options, const struct tarn_part *parts,
                         size_t count, bool *is_verified, struct tarn_error *err)
{
    char etag[64];
    const char *dash = "-";
    *is_verified = false;
    if (options->checksum_value &&
        told->checksum == tn_client_checksum(op->client, options->checksum)) {
        if (!tn_str_eq(told->checksum_value, tn_str_from(options->checksum_value)))
            return other_checksum(op, told, err);
        *is_verified = true;
    }
    int rc = verify_composite(op, told, parts, count, is_verified, err);
    if (rc < 0)
        return rc;
    struct tn_str bare_etag = tn_etag_bare(told->etag);
    if (!tn_op_has_plain_etag(op) ||
        tn_str_find(bare_etag, tn_str_from(dash)) != 2 * (size_t)TN_MD5_LEN ||
        !expected_etag(parts, count, etag))
        return TARN_OK;
    if (!tn_str_eq(bare_etag, tn_str_from(etag)))
        return tn_op_fail(op, err, TARN_ECHECKSUM, "the server's ETag is %.*s, expected %s",
                          TN_STR_ARG(bare_etag), etag);
    *is_verified = true;
    return TARN_OK;
}

static int take_result(struct tn_op *op, const struct tarn_put_options *options,
                       const struct tarn_part *parts, size_t count, struct tarn_object_info *info,
                       struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    struct tn_info_texts texts = { .last_modified_ms = -1 };
    bool is_verified = false;
    int rc = tn_op_parse(op, "CompleteMultipartUploadResult", &root, err);
    if (rc < 0)
        return rc;
    texts.etag = tn_xml_child_text(root, "ETag");
    texts.version_id = tn_op_field(op, "x-amz-version-id");
    texts.checksum = tn_xml_checksum(root, &texts.checksum_value);
    texts.checksum_type = tn_xml_child_text(root, "ChecksumType");
    for (size_t i = 0; i < count; i++)
        texts.size += parts[i].size;
    rc = verify_object(op, &texts, options, parts, count, &is_verified, err);
    if (rc == TARN_OK && tn_info_make(&texts, info) < 0)
        rc = tn_op_fail(op, err, TARN_ENOMEM, "out of memory");
    if (rc == TARN_OK && info)
        info->was_verified = is_verified;
    return rc;
}

/* A repeated request may find that the first one did it, when only its answer was lost. */
static int look_instead(const struct tn_op *op, const struct tarn_request *request,
                        const struct tarn_part *parts, size_t count, struct tarn_object_info *info,
                        struct tarn_error *err)
{
    const struct tarn_get_options look = { .request = *request };
    struct tarn_object_info found = { 0 };
    char etag[64];
    int rc = tarn_object_head(op->client, op->bucket, op->key, &look, &found, NULL);
    bool is_ours = rc == TARN_OK && found.etag && expected_etag(parts, count, etag) &&
                   strcmp(found.etag, etag) == 0;
    if (!is_ours) {
        tarn_object_info_release(&found);
        if (err)
            *err = op->err;
        return op->rc;
    }
    found.was_verified = true;
    tn_info_move(&found, info);
    return TARN_OK;
}

static int check_parts(const struct tarn_part *parts, size_t count, struct tarn_error *err)
{
    bool is_rising = count >= 1 && count <= TARN_PART_COUNT_MAX;
    for (size_t i = 0; i < count && is_rising; i++)
        is_rising = parts[i].number > (i > 0 ? parts[i - 1].number : 0);
    return is_rising ? TARN_OK
                     : tn_fail(err, TARN_EINVAL,
                               "could not complete multipart upload: expected 1 to 10,000 parts in "
                               "rising order");
}

int tarn_multipart_complete(struct tarn_client *client, const char *bucket, const char *key,
                            const char *upload_id, const struct tarn_part *parts, size_t count,
                            const struct tarn_put_options *options, struct tarn_object_info *info,
                            struct tarn_error *err)
{
    int given =
        tn_check_given(client, bucket, key,
                       tn_missing(TN_MISSING_TEXT(upload_id), TN_MISSING_ITEMS(parts, count)), err);
    if (given < 0)
        return given;
    TN_AUTO_BUF document = TN_BUF_INIT(DOCUMENT_MAX);
    struct tn_waiter waiter;
    options = options ? options : &no_put_options;
    int rc = check_parts(parts, count, err);
    if (rc < 0)
        return rc;
    if (make_document(parts, count, &document) < 0)
        return tn_fail_no_memory(err, "complete multipart upload");
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "complete multipart upload", "POST", bucket, key);
    rc = op ? TARN_OK : tn_fail_no_memory(err, "complete multipart upload");
    if (op) {
        op->checks_200 = true;
        tn_op_request(op, &options->request);
        tn_op_query(op, "uploadId", upload_id);
        tn_op_conditions(op, &options->conditions, "");
        if (options->checksum_value) {
            char name[64];
            enum tn_checksum_kind kind = tn_client_checksum(client, options->checksum);
            copy_text(name, sizeof name, tn_checksum_header(kind));
            tn_op_header_str(op, "x-amz-checksum-type", type_of(kind));
            tn_op_header(op, name, options->checksum_value);
        }
        tn_op_document(op, &document);
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = take_result(op, options, parts, count, info, err);
    else if (op && op->attempts > 1 && strcmp(op->err.s3_code, "NoSuchUpload") == 0)
        rc = look_instead(op, &options->request, parts, count, info, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

int tarn_multipart_abort(struct tarn_client *client, const char *bucket, const char *key,
                         const char *upload_id, const struct tarn_request *request,
                         struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING_TEXT(upload_id), err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    struct tarn_error local = { 0 };
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "abort multipart upload", "DELETE", bucket, key);
    int rc = op ? TARN_OK : tn_fail_no_memory(&local, "abort multipart upload");
    if (op) {
        tn_op_request(op, request);
        op->cancel = NULL;
        op->deadline_ns = 0;
        op->survives_cancel = true;
        tn_op_query(op, "uploadId", upload_id);
        rc = tn_op_run(op, &local);
    }
    if (rc < 0 && strcmp(local.s3_code, "NoSuchUpload") == 0)
        rc = TARN_OK;
    if (rc < 0 && err)
        *err = local;
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

/* ---- listings ---- */

/* `last` is the number of the part before. */
static int hand_out_part(const struct tn_xml_node *node, uint64_t *last, tarn_part_fn each,
                         void *arg)
{
    struct tarn_part part = { .last_modified_ms = -1 };
    struct tn_str text;
    struct tn_str etag = tn_etag_bare(tn_xml_child_text(node, "ETag"));
    uint64_t number;
    if (tn_str_to_u64(tn_xml_child_text(node, "PartNumber"), &number) < 0 || number <= *last ||
        number > TARN_PART_COUNT_MAX || etag.len >= TARN_ETAG_LEN_MAX ||
        tn_str_to_u64(tn_xml_child_text(node, "Size"), &part.size) < 0)
        return TARN_EPROTOCOL;
    *last = number;
    part.number = (uint32_t)number;
    part.checksum_algorithm = tn_checksum_public(tn_xml_checksum(node, &text));
    part.last_modified_ms = tn_date_ms(tn_xml_child_text(node, "LastModified"));
    copy_text(part.etag, sizeof part.etag, etag);
    copy_text(part.checksum_value, sizeof part.checksum_value, text);
    int rc = each(arg, &part);
    return rc < 0 ? rc : TARN_OK;
}

/* One page; `marker` moves on, and becomes empty at the end. */
static int list_parts_page(struct tn_op *op, tarn_part_fn each, void *arg, uint64_t *marker,
                           struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    uint64_t next = 0;
    uint64_t last = *marker;
    int rc = tn_op_run(op, err);
    if (rc == TARN_OK)
        rc = tn_op_parse(op, "ListPartsResult", &root, err);
    if (rc < 0)
        return rc;
    const struct tn_xml_node *node = tn_xml_child(root, "Part");
    for (; node && rc == TARN_OK; node = tn_xml_next(node))
        rc = hand_out_part(node, &last, each, arg);
    bool is_more = tn_str_eq(tn_xml_child_text(root, "IsTruncated"), TN_STR("true"));
    if (rc == TARN_OK && is_more &&
        (tn_str_to_u64(tn_xml_child_text(root, "NextPartNumberMarker"), &next) < 0 ||
         next <= *marker))
        rc = TARN_EPROTOCOL;
    *marker = next;
    return rc < 0 ? tn_op_fail(op, err, rc, "%s", tarn_status_text(rc)) : TARN_OK;
}

int tarn_multipart_list_parts(struct tarn_client *client, const char *bucket, const char *key,
                              const char *upload_id, const struct tarn_request *request,
                              tarn_part_fn each, void *arg, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key,
                               tn_missing(TN_MISSING_TEXT(upload_id), TN_MISSING(each)), err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    uint64_t marker = 0;
    int rc;
    tn_waiter_init(&waiter);
    do {
        struct tn_op *op = tn_op_new(client, &waiter, "list parts", "GET", bucket, key);
        rc = op ? TARN_OK : tn_fail_no_memory(err, "list parts");
        if (op) {
            tn_op_request(op, request);
            if (marker > 0)
                tn_op_query_u64(op, "part-number-marker", marker);
            tn_op_query(op, "uploadId", upload_id);
            rc = list_parts_page(op, each, arg, &marker, err);
        }
        tn_op_free(op);
    } while (rc == TARN_OK && marker > 0);
    tn_waiter_release(&waiter);
    return rc;
}

struct upload_markers {
    struct tn_buf key;
    struct tn_buf id;
    struct tn_cycle cycle;
    bool is_more;
};

static int hand_out_upload(struct tn_op *op, const struct tn_xml_node *node, tarn_upload_fn each,
                           void *arg)
{
    struct tarn_upload_entry entry = { .initiated_ms = -1 };
    struct tn_str key = tn_xml_child_text_raw(node, "Key");
    struct tn_str id = tn_xml_child_text(node, "UploadId");
    struct tn_str class = tn_xml_child_text(node, "StorageClass");
    entry.initiated_ms = tn_date_ms(tn_xml_child_text(node, "Initiated"));
    entry.key = tn_arena_memdup(&op->arena, key.data, key.len);
    entry.upload_id = tn_arena_memdup(&op->arena, id.data, id.len);
    entry.storage_class = tn_arena_memdup(&op->arena, class.data, class.len);
    if (!entry.key || !entry.upload_id || !entry.storage_class)
        return TARN_ENOMEM;
    int rc = each(arg, &entry);
    return rc < 0 ? rc : TARN_OK;
}

static int move_markers(const struct tn_xml_node *root, struct upload_markers *m)
{
    struct tn_str key = tn_xml_child_text_raw(root, "NextKeyMarker");
    struct tn_str id = tn_xml_child_text(root, "NextUploadIdMarker");
    m->is_more = tn_str_eq(tn_xml_child_text(root, "IsTruncated"), TN_STR("true"));
    if (!m->is_more)
        return TARN_OK;
    int rc = key.len > 0 ? tn_cycle_step(&m->cycle, key, id) : TARN_EPROTOCOL;
    if (rc < 0)
        return rc;
    tn_buf_truncate(&m->key, 0);
    tn_buf_truncate(&m->id, 0);
    rc = tn_buf_append_str(&m->key, key);
    return rc == TARN_OK ? tn_buf_append_str(&m->id, id) : rc;
}

static int list_uploads_page(struct tn_op *op, tarn_upload_fn each, void *arg,
                             struct upload_markers *m, struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    struct tarn_error local = { 0 };
    int rc = tn_op_run(op, &local);
    /* Some servers say so of a bucket that has none. */
    m->is_more = false;
    if (rc < 0 && m->key.len == 0 && strcmp(local.s3_code, "NoSuchUpload") == 0)
        return TARN_OK;
    if (rc == TARN_OK)
        rc = tn_op_parse(op, "ListMultipartUploadsResult", &root, &local);
    if (rc < 0) {
        if (err)
            *err = local;
        return rc;
    }
    const struct tn_xml_node *node = tn_xml_child(root, "Upload");
    for (; node && rc == TARN_OK; node = tn_xml_next(node))
        rc = hand_out_upload(op, node, each, arg);
    if (rc == TARN_OK)
        rc = move_markers(root, m);
    return rc < 0 ? tn_op_fail(op, err, rc, "%s", tarn_status_text(rc)) : TARN_OK;
}

int tarn_multipart_list_uploads(struct tarn_client *client, const char *bucket, const char *prefix,
                                const struct tarn_request *request, tarn_upload_fn each, void *arg,
                                struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING(each), err);
    if (given < 0)
        return given;
    struct upload_markers m = { .key = TN_BUF_INIT(TN_OP_URL_MAX),
                                .id = TN_BUF_INIT(TN_OP_URL_MAX),
                                .cycle = TN_CYCLE_INIT };
    struct tn_waiter waiter;
    int rc;
    tn_waiter_init(&waiter);
    do {
        struct tn_op *op =
            tn_op_new(client, &waiter, "list multipart uploads", "GET", bucket, NULL);
        rc = op ? TARN_OK : tn_fail_no_memory(err, "list multipart uploads");
        if (op) {
            tn_op_request(op, request);
            tn_op_query(op, "key-marker", m.key.len ? m.key.data : NULL);
            tn_op_query(op, "prefix", prefix);
            tn_op_query(op, "upload-id-marker", m.id.len ? m.id.data : NULL);
            tn_op_query_flag(op, "uploads");
            rc = list_uploads_page(op, each, arg, &m, err);
        }
        tn_op_free(op);
    } while (rc == TARN_OK && m.is_more);
    tn_waiter_release(&waiter);
    tn_buf_release(&m.key);
    tn_buf_release(&m.id);
    tn_cycle_release(&m.cycle);
    return rc;
}
