/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request body. */

#include "server/api/body.h"

#include <assert.h>

#include "base/codec.h"
#include "server/api/object_append.h"
#include "server/api/post_policy_form.h"
#include "server/api/request.h"
#include "server/api/sse.h"

/* What aws-chunked may add to the payload: its smallest chunks are 8 KiB (but for the last). */
#define BODY_OVERHEAD(len) ((len) / 32 + 1024 * 1024)

/* --- Checking the head --- */

static enum tn_s3_code check_md5(struct api_req *r)
{
    struct api_body *b = &r->body;
    if (!api_has_header(r, "content-md5"))
        return TN_S3_OK;
    struct tn_str text = api_header(r, "content-md5");
    if (tn_base64_decode(text, b->md5_expected, TN_MD5_LEN) != TN_MD5_LEN)
        return api_err(r, TN_S3_INVALID_DIGEST, "The Content-MD5 you specified was invalid.");
    b->has_md5 = true;
    return TN_S3_OK;
}

static enum tn_s3_code set_kind(struct api_req *r, enum tn_checksum_kind kind)
{
    if (r->body.checksum_kind != TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                       "allowed.");
    r->body.checksum_kind = kind;
    return TN_S3_OK;
}

static enum tn_s3_code check_checksum_header(struct api_req *r, const struct tn_header *h)
{
    static const char *const others[] = { "x-amz-checksum-algorithm", "x-amz-checksum-type",
                                          "x-amz-checksum-mode" };
    struct tn_str prefix = TN_STR("x-amz-checksum-");
    if (!tn_str_eq_nocase(tn_str_sub(h->name, 0, prefix.len), prefix))
        return TN_S3_OK;
    for (size_t i = 0; i < TN_COUNT(others); i++) {
        if (tn_str_eq_nocase(h->name, tn_str_from(others[i])))
            return TN_S3_OK;
    }
    enum tn_checksum_kind kind = tn_checksum_from_header(h->name);
    if (kind == TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "The checksum of \"%.*s\" is not implemented.",
                       TN_STR_ARG(h->name));
    enum tn_s3_code code = set_kind(r, kind);
    if (code)
        return code;
    if (tn_checksum_parse(kind, h->value, &r->body.checksum_expected) < 0 ||
        r->body.checksum_expected.type == TN_CHECKSUM_COMPOSITE)
        return api_err(r, TN_S3_INVALID_REQUEST, "Value for %.*s header is invalid.",
                       TN_STR_ARG(h->name));
    r->body.has_checksum = true;
    return TN_S3_OK;
}

static enum tn_s3_code check_trailer(struct api_req *r)
{
    struct tn_str rest = api_header(r, "x-amz-trailer");
    while (rest.len) {
        struct tn_str name = tn_str_trim(tn_str_split(&rest, ','));
        enum tn_checksum_kind kind = tn_checksum_from_header(name);
        if (kind == TN_CHECKSUM_NONE || !r->who.is_streaming)
            return api_err(r, TN_S3_INVALID_REQUEST,
                           "The value specified in the x-amz-trailer header is not supported");
        enum tn_s3_code code = set_kind(r, kind);
        if (code)
            return code;
        r->body.has_trailer_checksum = true;
    }
    return TN_S3_OK;
}

static enum tn_s3_code check_sdk_algorithm(struct api_req *r)
{
    struct tn_str name = api_header(r, "x-amz-sdk-checksum-algorithm");
    if (name.len == 0)
        return TN_S3_OK;
    enum tn_checksum_kind kind = tn_checksum_from_name(name);
    if (kind == TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    if (r->body.checksum_kind == TN_CHECKSUM_NONE && !r->body.has_md5)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                       "x-amz-checksum-* or x-amz-trailer headers were found.");
    if (r->body.checksum_kind != TN_CHECKSUM_NONE && r->body.checksum_kind != kind)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    return TN_S3_OK;
}

static enum tn_s3_code check_checksums(struct api_req *r)
{
    if (r->op->is_checksum_of_object)
        return TN_S3_OK;
    for (size_t i = 0; i < r->header_count; i++) {
        enum tn_s3_code code = check_checksum_header(r, &r->headers[i]);
        if (code)
            return code;
    }
    enum tn_s3_code code = check_trailer(r);
    return code ? code : check_sdk_algorithm(r);
}

/* As in S3, an object has a checksum even if none came with it. Not one that is encrypted, about
 * which no clear text should tell; an append keeps its own. */
void api_body_default_checksum(struct api_req *r)
{
    if (r->body.checksum_kind == TN_CHECKSUM_NONE && !r->sse && !r->append)
        r->body.checksum_kind = TN_CHECKSUM_DEFAULT;
}

enum tn_s3_code api_body_read_algorithm(struct api_req *r, enum tn_checksum_kind *out)
{
    struct tn_str name = api_header(r, "x-amz-checksum-algorithm");
    *out = tn_checksum_from_name(name);
    if (name.len && *out == TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Checksum algorithm provided is unsupported. Please try again with any of "
                       "the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, "
                       "XXHASH128, XXHASH3, XXHASH64]");
    return TN_S3_OK;
}

enum tn_s3_code api_body_read_checksums(struct api_req *r)
{
    enum tn_s3_code code = check_checksums(r);
    if (code)
        return code;
    api_body_default_checksum(r);
    tn_checksum_release(&r->body.checksum);
    return api_from_status(r, tn_checksum_init(&r->body.checksum, r->body.checksum_kind), NULL);
}

static enum tn_s3_code check_len(struct api_req *r)
{
    struct api_body *b = &r->body;
    const struct tn_http1_head *head = &r->http->head;
    bool may_lack = b->kind == API_BODY_XML && tn_str_eq(head->method, TN_STR("PUT"));
    if (!head->has_content_length && !head->is_chunked && !may_lack)
        return TN_S3_MISSING_CONTENT_LENGTH;
    b->declared_len = r->http->body_len;
    if (r->who.is_streaming) {
        struct tn_str text = api_header(r, "x-amz-decoded-content-length");
        if (text.len == 0)
            return TN_S3_MISSING_CONTENT_LENGTH;
        if (tn_str_to_u64(text, &b->declared_len) < 0)
            return api_err(r, TN_S3_INVALID_ARGUMENT,
                           "x-amz-decoded-content-length is not a length.");
    }
    if (b->declared_len == UINT64_MAX)
        return TN_S3_OK;
    if (b->kind == API_BODY_XML && b->declared_len > API_XML_LEN_MAX)
        return TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED;
    return b->declared_len > API_PUT_LEN_MAX ? TN_S3_ENTITY_TOO_LARGE : TN_S3_OK;
}

enum tn_s3_code api_body_check(struct api_req *r)
{
    static const api_step_fn steps[] = { check_len, check_md5, check_checksums };
    r->body.kind = r->op->body;
    if (r->body.kind == API_BODY_NONE)
        return TN_S3_OK;
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        enum tn_s3_code code = steps[i](r);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

/* --- Taking it --- */

static int start_decoder(struct api_req *r)
{
    struct api_body *b = &r->body;
    struct tn_aws_chunked_config config = {
        .payload = r->who.payload,
        .decoded_len = b->declared_len,
        .trailer_names = api_header(r, "x-amz-trailer"),
        .chain = r->who.has_chain ? &r->who.chain : NULL,
        .is_unchecked = r->api->is_auth_off,
    };
    if (!r->who.is_streaming)
        return TARN_OK;
    struct tn_aws_chunked *decoder = tn_arena_zalloc(&r->http->arena, sizeof *decoder);
    if (!decoder)
        return TARN_ENOMEM;
    b->decoder = decoder;
    return tn_aws_chunked_init(decoder, &config);
}

static int start_digests(struct api_req *r)
{
    struct api_body *b = &r->body;
    if (b->kind == API_BODY_OBJECT || b->has_md5)
        digest_add_md5(&b->digest);
    if (r->who.payload == TN_SIGV4_PAYLOAD_HASH && r->who.payload_hash[0])
        digest_add_sha256(&b->digest);
    if (b->kind == API_BODY_OBJECT && !r->form) /* a form's fields come first */
        api_body_default_checksum(r);
    return tn_checksum_init(&b->checksum, b->checksum_kind);
}

enum tn_s3_code api_body_accept(struct api_req *r)
{
    struct api_body *b = &r->body;
    int rc = start_decoder(r);
    if (rc == TARN_EINVAL)
        return api_err(r, TN_S3_INVALID_REQUEST, "Signed chunks need a signed request.");
    if (rc == TARN_OK)
        rc = start_digests(r);
    if (rc < 0)
        return api_from_status(r, rc, NULL);

    b->xml = TN_BUF_INIT(API_XML_LEN_MAX);
    b->is_on_loop = !r->append && b->declared_len <= API_SMALL_BODY_LEN_MAX &&
                    r->http->body_len <= 2 * API_SMALL_BODY_LEN_MAX;
    b->is_deferred = b->is_on_loop && b->kind == API_BODY_OBJECT && !r->sse && !r->form;
    uint64_t max = b->kind == API_BODY_XML ? API_XML_LEN_MAX : API_PUT_LEN_MAX;
    if (b->decoder)
        max += BODY_OVERHEAD(max);
    if (!b->is_on_loop)
        digest_pool_enter(&r->api->digests);
    b->is_taken = true;
    http_body_accept(r->http, b->is_on_loop ? HTTP_ON_LOOP : HTTP_ON_WORKER, max);
    return TN_S3_OK;
}

static uint64_t kept_len(const struct api_req *r)
{
    uint64_t len = r->body.declared_len;
    return r->sse && len != UINT64_MAX ? sse_sealed_len(len) : len;
}

static int keep_bytes(struct api_req *r, const char *bytes, size_t len, struct tarn_error *err)
{
    struct api_body *b = &r->body;
    const struct store_ops *ops = r->api->store->ops;
    if (b->kind == API_BODY_XML)
        return tn_buf_append(&b->xml, bytes, len);
    int rc = TARN_OK;
    if (!b->store) /* not sooner: a large one may wait for the disk, which a loop must not */
        rc = ops->body_new(r->api->store, kept_len(r), &b->store, err);
    return rc == TARN_OK ? sse_append(r, bytes, len, err) : rc;
}

static enum tn_s3_code decode_failed(struct api_req *r, int rc, const struct tarn_error *err)
{
    enum tn_s3_code code = tn_s3_code_find(tn_str_from(err->s3_code));
    if (!code)
        code = rc == TARN_EEOF ? TN_S3_INCOMPLETE_BODY : TN_S3_INVALID_REQUEST;
    return api_err(r, code, "%s", err->message);
}

enum tn_s3_code api_body_take(struct api_req *r, char *bytes, size_t len)
{
    struct api_body *b = &r->body;
    struct tarn_error err = { 0 };
    if (b->decoder) {
        int rc = tn_aws_chunked_compact(b->decoder, bytes, &len, &err);
        if (rc < 0)
            return decode_failed(r, rc, &err);
    }
    return r->form ? post_form_take(r, bytes, len) : api_body_take_payload(r, bytes, len);
}

enum tn_s3_code api_body_take_payload(struct api_req *r, const char *bytes, size_t len)
{
    struct api_body *b = &r->body;
    struct tarn_error err = { 0 };
    uint64_t max = b->kind == API_BODY_XML ? API_XML_LEN_MAX : API_PUT_LEN_MAX;
    if (len > max - b->len)
        return b->kind == API_BODY_XML ? TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED : TN_S3_ENTITY_TOO_LARGE;
    b->len += len;
    if (b->is_on_loop && !b->is_deferred)
        digest_update(&b->digest, bytes, len);
    else if (!b->is_on_loop)
        digest_update_together(&r->api->digests, &b->digest, bytes, len);
    tn_checksum_update(&b->checksum, bytes, len);
    append_digest(r, bytes, len);
    int rc = keep_bytes(r, bytes, len, &err);
    return api_from_status(r, rc, &err);
}

/* --- The end --- */

bool api_body_defer(struct api_req *r)
{
    struct api_body *b = &r->body;
    if (!b->is_deferred || b->len == 0)
        return false;
    b->due.digest = &b->digest;
    b->due.bytes = r->api->store->ops->body_bytes(b->store);
    assert(b->due.bytes.len == b->len);
    digest_defer(&b->due);
    return true;
}

static enum tn_s3_code finish_decoder(struct api_req *r)
{
    struct api_body *b = &r->body;
    struct tarn_error err = { 0 };
    struct tn_str text;
    if (!b->decoder)
        return TN_S3_OK;
    int rc = tn_aws_chunked_finish(b->decoder, &err);
    if (rc < 0)
        return decode_failed(r, rc, &err);
    if (!b->has_trailer_checksum)
        return TN_S3_OK;
    struct tn_str name = tn_checksum_header(b->checksum_kind);
    if (tn_aws_chunked_trailer(b->decoder, name, &text) < 0)
        return api_err(r, TN_S3_INVALID_REQUEST, "The trailer \"%.*s\" is missing.",
                       TN_STR_ARG(name));
    if (tn_checksum_parse(b->checksum_kind, text, &b->checksum_expected) < 0)
        return api_err(r, TN_S3_INVALID_REQUEST, "Value for %.*s trailing header is invalid.",
                       TN_STR_ARG(name));
    b->has_checksum = true;
    return TN_S3_OK;
}

static enum tn_s3_code compare_sha256(struct api_req *r)
{
    unsigned char found[TN_SHA256_LEN];
    char text[2 * TN_SHA256_LEN + 1];
    if (!r->body.digest.has_sha256)
        return TN_S3_OK;
    tn_lane_final(&r->body.digest.sha256, found);
    tn_hex_encode(found, sizeof found, text);
    return tn_str_eq(tn_str_from(text), tn_str_from(r->who.payload_hash))
               ? TN_S3_OK
               : TN_S3_X_AMZ_CONTENT_SHA256_MISMATCH;
}

static enum tn_s3_code compare_md5(struct api_req *r)
{
    struct api_body *b = &r->body;
    if (!b->digest.has_md5)
        return TN_S3_OK;
    tn_lane_final(&b->digest.md5, b->md5_found);
    if (b->has_md5 && memcmp(b->md5_found, b->md5_expected, TN_MD5_LEN) != 0)
        return api_err(r, TN_S3_BAD_DIGEST,
                       "The Content-MD5 you specified did not match what we received.");
    return TN_S3_OK;
}

static enum tn_s3_code compare_checksum(struct api_req *r)
{
    struct api_body *b = &r->body;
    if (b->checksum_kind == TN_CHECKSUM_NONE)
        return TN_S3_OK;
    tn_checksum_final(&b->checksum, &b->checksum_found);
    if (b->has_checksum && !tn_checksum_eq(&b->checksum_found, &b->checksum_expected))
        return api_err(r, TN_S3_BAD_DIGEST,
                       "The %.*s you specified did not match the calculated checksum.",
                       TN_STR_ARG(tn_checksum_name(b->checksum_kind)));
    return TN_S3_OK;
}

static enum tn_s3_code seal(struct api_req *r)
{
    struct tarn_error err = { 0 };
    if (r->body.kind != API_BODY_OBJECT)
        return TN_S3_OK;
    int rc = keep_bytes(r, "", 0, &err);
    sse_hide_md5(r, r->body.md5_found);
    if (rc == TARN_OK)
        rc = sse_finish(r, &err);
    if (rc == TARN_OK)
        rc = r->api->store->ops->body_seal(r->body.store, &err);
    return api_from_status(r, rc, &err);
}

enum tn_s3_code api_body_finish(struct api_req *r)
{
    static const api_step_fn steps[] = { finish_decoder, compare_sha256, compare_md5,
                                         compare_checksum, seal };
    if (r->body.is_deferred && r->body.len)
        digest_settle(&r->body.due);
    if (r->body.declared_len != UINT64_MAX && r->body.len < r->body.declared_len)
        return TN_S3_INCOMPLETE_BODY;
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        enum tn_s3_code code = steps[i](r);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

void api_body_release(struct api_req *r)
{
    struct api_body *b = &r->body;
    struct store *s = r->api->store;
    if (b->is_taken && !b->is_on_loop)
        digest_pool_leave(&r->api->digests);
    if (b->store)
        s->ops->body_free(b->store);
    b->store = NULL;
    if (b->decoder)
        tn_aws_chunked_release(b->decoder);
    tn_checksum_release(&b->checksum);
    if (b->xml.data)
        tn_buf_release(&b->xml);
}
