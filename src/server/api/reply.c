/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: errors as S3 XML, documents, common headers. */

#include <assert.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "proto/xml.h"
#include "server/api/cors.h"
#include "server/api/notify.h"
#include "server/api/request.h"
#include "server/api/website.h"

enum tn_s3_code api_err(struct api_req *r, enum tn_s3_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    return code;
}

/* One table from what the store says to what S3 says. */
static const struct {
    int status;
    enum tn_s3_code code;
} status_codes[] = {
    { TARN_ENOTFOUND, TN_S3_NO_SUCH_KEY },
    { TARN_ENOBUCKET, TN_S3_NO_SUCH_BUCKET },
    { TARN_EEXISTS, TN_S3_BUCKET_ALREADY_OWNED_BY_YOU },
    { TARN_ENOTEMPTY, TN_S3_BUCKET_NOT_EMPTY },
    { TARN_EPRECOND, TN_S3_PRECONDITION_FAILED },
    { TARN_ENOTMODIFIED, TN_S3_NOT_MODIFIED },
    { TARN_ERANGE, TN_S3_INVALID_RANGE },
    { TARN_ETOOBIG, TN_S3_ENTITY_TOO_LARGE },
    { TARN_ECHECKSUM, TN_S3_BAD_DIGEST },
    { TARN_ECONFLICT, TN_S3_OPERATION_ABORTED },
    { TARN_EAGAIN, TN_S3_OPERATION_ABORTED },
    { TARN_EBUSY, TN_S3_SLOW_DOWN },
    { TARN_ETHROTTLED, TN_S3_SLOW_DOWN },
    { TARN_ENOMEM, TN_S3_SERVICE_UNAVAILABLE },
    { TARN_ENOSPACE, TN_S3_INSUFFICIENT_STORAGE },
    { TARN_ENOTSUPPORTED, TN_S3_NOT_IMPLEMENTED },
    { TARN_EDENIED, TN_S3_ACCESS_DENIED },
    { TARN_EINVAL, TN_S3_INVALID_ARGUMENT },
};

enum tn_s3_code api_code_of_status(int status)
{
    if (status >= 0)
        return TN_S3_OK;
    for (size_t i = 0; i < TN_COUNT(status_codes); i++) {
        if (status_codes[i].status == status)
            return status_codes[i].code;
    }
    return TN_S3_INTERNAL_ERROR;
}

enum tn_s3_code api_uri_code(int status)
{
    if (status == TARN_OK)
        return TN_S3_OK;
    return status == TARN_ENOMEM ? TN_S3_SERVICE_UNAVAILABLE : TN_S3_INVALID_URI;
}

enum tn_s3_code api_from_status(struct api_req *r, int status, const struct tarn_error *err)
{
    enum tn_s3_code code = api_code_of_status(status);
    if (code && tn_s3_error(code)->http_status >= 500)
        tn_log(TN_LOG_WARN, "event=request_failed request=%s op=%s status=%s reason=\"%s\"",
               r->http->id, r->op ? r->op->name : "-", tarn_status_name(status),
               err ? err->message : "");
    return code;
}

void api_add(struct api_req *r, const char *name, struct tn_str value)
{
    int rc = http_header(r->http, name, value);
    if (rc < 0)
        tn_log(TN_LOG_DEBUG, "event=header_dropped request=%s name=%s status=%s", r->http->id, name,
               tarn_status_name(rc));
}

void api_add_text(struct api_req *r, const char *name, const char *value)
{
    api_add(r, name, tn_str_from(value));
}

size_t api_etag(const struct store_head *head, char out[API_ETAG_LEN])
{
    tn_hex_encode(head->md5, STORE_MD5_LEN, out);
    size_t len = 2 * STORE_MD5_LEN;
    if (head->part_count)
        len += (size_t)snprintf(out + len, API_ETAG_LEN - len, "-%u", head->part_count);
    return len;
}

static void quote_etag(const struct store_head *head, char out[API_ETAG_LEN + 2])
{
    out[0] = '"';
    size_t len = api_etag(head, out + 1);
    out[len + 1] = '"';
    out[len + 2] = '\0';
}

void api_add_etag(struct api_req *r, const struct store_head *head)
{
    char text[API_ETAG_LEN + 2];
    quote_etag(head, text);
    api_add_text(r, "ETag", text);
}

void api_add_checksum(struct api_req *r, const struct tn_checksum_value *value)
{
    char text[TN_CHECKSUM_TEXT_LEN];
    if (value->kind == TN_CHECKSUM_NONE)
        return;
    size_t len = tn_checksum_text(value, text);
    api_add(r, tn_checksum_header(value->kind).data, (struct tn_str){ text, len });
    api_add(r, "x-amz-checksum-type", tn_checksum_type_name(value->type));
}

void api_xml_etag(struct tn_xml_writer *w, const struct store_head *head)
{
    char text[API_ETAG_LEN + 2];
    quote_etag(head, text);
    tn_xml_text(w, "ETag", text);
}

void api_xml_time(struct tn_xml_writer *w, const char *name, int64_t unix_ms)
{
    char text[TN_TIME_LEN];
    tn_time_iso8601(unix_ms, text);
    tn_xml_text(w, name, text);
}

void api_xml_checksum(struct tn_xml_writer *w, const struct tn_checksum_value *value)
{
    if (value->kind == TN_CHECKSUM_NONE)
        return;
    char name[32];
    char text[TN_CHECKSUM_TEXT_LEN];
    size_t len = tn_checksum_text(value, text);
    (void)snprintf(name, sizeof name, "Checksum%.*s", TN_STR_ARG(tn_checksum_name(value->kind)));
    tn_xml_str(w, name, (struct tn_str){ text, len });
}

static void on_events_queued(void *user)
{
    const struct api_req *r = user;
    http_reply(r->http);
}

static void send(struct api_req *r, int status)
{
    assert(!r->is_answered);
    r->is_answered = true;
    cors_add_headers(r);
    r->http->answer.status = r->website_status && status == 200 ? r->website_status : status;
    if (r->events)
        notify_batch_commit(TN_TAKE(r->events), on_events_queued, r);
    else
        http_reply(r->http);
}

enum tn_s3_code api_reply_empty(struct api_req *r, int status)
{
    send(r, status);
    return TN_S3_OK;
}

enum tn_s3_code api_reply_xml(struct api_req *r, struct tn_xml_writer *w)
{
    if (w->rc < 0)
        return api_from_status(r, w->rc == TARN_ETOOBIG ? TARN_EIO : w->rc, NULL);
    api_add_text(r, "Content-Type", "application/xml");
    if (r->is_head) {
        r->http->answer.body_len = r->out.len;
        r->http->answer.has_body_len = true;
    } else {
        r->http->answer.body = tn_buf_str(&r->out);
    }
    return api_reply_empty(r, 200);
}

static int write_error(struct api_req *r, const struct tn_s3_error *error)
{
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "Error", NULL);
    tn_xml_text(&w, "Code", error->code);
    tn_xml_text(&w, "Message", r->message[0] ? r->message : error->message);
    if (r->refused_class)
        tn_xml_text(&w, "StorageClass", r->refused_class);
    if (r->bucket.len && tn_str_is_utf8(r->bucket))
        tn_xml_str(&w, "BucketName", r->bucket);
    if (r->key.len && tn_str_is_utf8(r->key))
        tn_xml_str(&w, "Key", r->key);
    if (r->who.expected_region[0])
        tn_xml_text(&w, "Region", r->who.expected_region);
    if (tn_str_is_utf8(r->raw_path))
        tn_xml_str(&w, "Resource", r->raw_path);
    tn_xml_text(&w, "RequestId", r->http->id);
    tn_xml_text(&w, "HostId", r->http->id);
    tn_xml_close(&w, "Error");
    return w.rc;
}

void api_fail(struct api_req *r, enum tn_s3_code code)
{
    const struct tn_s3_error *error = tn_s3_error(code);
    if (r->is_website) {
        website_fail(r, code);
        return;
    }
    (void)snprintf(r->http->error_code, sizeof r->http->error_code, "%s", error->code);
    r->out.len = 0;
    if (!r->is_head && error->http_status != 304 && write_error(r, error) == TARN_OK) {
        api_add_text(r, "Content-Type", "application/xml");
        r->http->answer.body = tn_buf_str(&r->out);
    }
    send(r, error->http_status);
}

void api_run(struct api_req *r, api_step_fn step)
{
    enum tn_s3_code code = step(r);
    if (code)
        api_fail(r, code);
}
