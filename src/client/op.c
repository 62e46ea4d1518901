/* SPDX-License-Identifier: Apache-2.0 */
/* Building requests: query, headers, URL, signature, curl handle. */

#include "client/op.h"

#include <assert.h>
#include <limits.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/wait.h"
#include "client/client_impl.h"
#include "client/payload.h"
#include "client/wire.h"
#include "proto/name.h"
#include "proto/uri.h"

enum {
    CURL_RECEIVE_LEN = 128 * 1024,
    CURL_SEND_LEN = 128 * 1024,
    KEPT_BUFFER_MAX = 64 * 1024, /* a pooled operation keeps no more of an answer's room */
    CANCEL_POLL_MS = 100,
    BUCKET_LEN_MAX = 255, /* of old ones */
};

/* ---- the pool ---- */

/* What a count of bytes, or its stand-in, is for curl. */
static size_t count_sent(struct tn_op *op, int64_t n)
{
    if (n == TN_BODY_WAIT)
        return CURL_READFUNC_PAUSE;
    if (n < 0)
        return CURL_READFUNC_ABORT;
    atomic_fetch_add_explicit(&op->moved, (uint64_t)n, memory_order_relaxed);
    tn_limit_spend(&op->client->bandwidth, (double)n);
    if (op->curl)
        tn_op_note_move(op, false);
    return (size_t)n;
}

void tn_op_note_move(struct tn_op *op, bool is_answer)
{
    uint64_t now = tn_now_ns();
    uint64_t heard = op->loop ? tn_loop_heard_ns(op->loop) : now;
    uint64_t *longest = is_answer && op->http_status == 0 ? &op->waited_ns : &op->gap_ns;
    if (heard > op->moved_ns && heard - op->moved_ns > *longest)
        *longest = heard - op->moved_ns;
    op->moved_ns = now;
}

size_t tn_op_on_read(char *out, size_t size, size_t count, void *arg)
{
    struct tn_op *op = arg;
    op->is_throttled = tn_limit_wait_ns(&op->client->bandwidth) > 0;
    return op->is_throttled ? CURL_READFUNC_PAUSE
                            : count_sent(op, tn_body_read(&op->body, out, size * count));
}

size_t tn_op_on_piece(struct tn_op *op, char *scratch, size_t cap, uint64_t *offset)
{
    op->is_throttled = tn_limit_wait_ns(&op->client->bandwidth) > 0;
    return op->is_throttled ? CURL_READFUNC_PAUSE
                            : count_sent(op, tn_body_piece(&op->body, scratch, cap, offset));
}

/* curl goes back when a kept connection turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct tn_op *op = arg;
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    if (op->body.kind == TN_BODY_PIPE && op->body.sent > 0)
        return CURL_SEEKFUNC_FAIL;
    atomic_store_explicit(&op->moved, 0, memory_order_relaxed);
    return tn_body_start(&op->body) == TARN_OK ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* False when libcurl has no memory for a text. */
static bool set_texts(CURL *curl, const struct tn_settings *s)
{
    const char *proxy = s->proxy ? s->proxy : s->ignore_environment ? "" : NULL;
    return tn_curl_set_text(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
           tn_curl_set_text(curl, CURLOPT_USERAGENT, s->user_agent) &&
           (!s->ca_bundle || tn_curl_set_text(curl, CURLOPT_CAINFO, s->ca_bundle)) &&
           (!proxy || tn_curl_set_text(curl, CURLOPT_PROXY, proxy));
}

static bool set_up_curl(struct tn_op *op)
{
    const struct tn_settings *s = &op->client->settings;
    CURL *curl = op->curl;
    long idle_s = (s->idle_timeout_ms + 999) / 1000;
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, op);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, tn_curl_open_socket);
    (void)curl_easy_setopt(curl, CURLOPT_SHARE, op->client->share);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, tn_op_on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, op);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, tn_op_on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, op);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, tn_op_on_read);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, op);
    (void)curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl_easy_setopt(curl, CURLOPT_SEEKDATA, op);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)CURL_RECEIVE_LEN);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)CURL_SEND_LEN);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, s->connect_timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, idle_s);
    if (s->skip_tls_verify) {
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return set_texts(curl, s);
}

static struct tn_op *op_make(struct tarn_client *client)
{
    struct tn_op *op = tn_calloc(1, sizeof *op);
    if (!op)
        return NULL;
    op->client = client;
    op->curl = client->has_wire ? NULL : curl_easy_init();
    if (!op->curl && !client->has_wire) {
        tn_free(op);
        return NULL;
    }
    tn_sigv4_scratch_init(&op->scratch);
    tn_arena_init(&op->arena, TN_OP_ARENA_MAX);
    tn_body_init(&op->body);
    tn_sink_init(&op->sink);
    op->query = TN_BUF_INIT(TN_OP_URL_MAX);
    op->url = TN_BUF_INIT(TN_OP_URL_MAX);
    op->host = TN_BUF_INIT(TN_HOST_LEN_MAX);
    op->authorization = TN_BUF_INIT(TN_SIGV4_AUTHORIZATION_LEN_MAX);
    op->lines = TN_BUF_INIT(TN_OP_HEAD_MAX);
    op->head = TN_BUF_INIT(TN_OP_HEAD_MAX);
    op->first_head = TN_BUF_INIT(TN_OP_HEAD_MAX);
    op->answer = TN_BUF_INIT(TN_OP_ANSWER_MAX);
    if (op->curl && !set_up_curl(op)) {
        tn_op_destroy(op);
        return NULL;
    }
    return op;
}

void tn_op_destroy(struct tn_op *op)
{
    if (op->curl)
        curl_easy_cleanup(op->curl);
    tn_sigv4_scratch_release(&op->scratch);
    tn_sigv4_key_wipe(&op->sign_key);
    tn_arena_release(&op->arena);
    tn_body_release(&op->body);
    tn_sink_release(&op->sink);
    tn_buf_release(&op->query);
    tn_buf_release(&op->url);
    tn_buf_release(&op->host);
    tn_buf_release(&op->authorization);
    tn_buf_release(&op->lines);
    tn_buf_release(&op->head);
    tn_buf_release(&op->first_head);
    tn_buf_release(&op->answer);
    tn_free(op);
}

struct tn_op *tn_op_new(struct tarn_client *client, struct tn_waiter *waiter, const char *what,
                        const char *method, const char *bucket, const char *key)
{
    (void)pthread_mutex_lock(&client->pool.lock);
    struct tn_op *op = client->pool.first;
    if (op) {
        client->pool.first = op->next;
        client->pool.count--;
        op->next = NULL;
    }
    (void)pthread_mutex_unlock(&client->pool.lock);
    if (!op)
        op = op_make(client);
    if (!op)
        return NULL;
    op->waiter = waiter;
    op->what = what;
    op->method = method;
    op->bucket = bucket;
    op->key = key;
    return op;
}

/* Everything but what a warm operation keeps: handle, scratch, signing key, room of the small
 * buffers. */
static void forget(struct tn_op *op)
{
    tn_body_release(&op->body);
    tn_sink_release(&op->sink);
    tn_arena_reset(&op->arena);
    tn_buf_truncate(&op->query, 0);
    tn_buf_truncate(&op->head, 0);
    tn_buf_truncate(&op->first_head, 0);
    tn_buf_truncate(&op->answer, 0);
    if (op->answer.cap > KEPT_BUFFER_MAX)
        tn_buf_release(&op->answer);
    op->waiter = NULL;
    op->on_done = NULL;
    op->owner = NULL;
    op->loop = NULL;
    op->service = NULL;
    op->state = TN_OP_IDLE;
    op->header_count = op->given_count = 0;
    op->is_control = op->checks_200 = op->survives_cancel = op->can_resume = false;
    op->has_range = false;
    op->range_first = op->range_last = op->range_suffix = op->deadline_ns = 0;
    op->cancel = NULL;
    op->build_rc = TARN_OK;
    tn_cred_unref(TN_TAKE(op->cred));
    op->must_get_keys = op->has_awaited_keys = false;
    op->attempts = op->region_tries = op->key_tries = op->stalls = 0;
    op->has_fixed_clock = op->is_resuming = false;
    op->http_status = 0;
    op->is_answer_ok = op->has_begun = false;
    op->is_done = op->wants_rewind = false;
    op->rc = TARN_OK;
    op->err = (struct tarn_error){ 0 };
    op->payload_hash[0] = '\0';
    op->form = TN_PAYLOAD_BEST;
    op->form_tries = 0;
    op->must_choose = false;
    atomic_store(&op->moved, 0);
}

void tn_op_free(struct tn_op *op)
{
    if (!op)
        return;
    struct tarn_client *client = op->client;
    forget(op);
    (void)pthread_mutex_lock(&client->pool.lock);
    bool is_kept = client->pool.count < TN_OP_POOL_MAX;
    if (is_kept) {
        op->next = client->pool.first;
        client->pool.first = op;
        client->pool.count++;
    }
    (void)pthread_mutex_unlock(&client->pool.lock);
    if (!is_kept)
        tn_op_destroy(op);
}

/* ---- building ---- */

void tn_op_refuse(struct tn_op *op, int rc)
{
    if (op->build_rc == TARN_OK)
        op->build_rc = rc;
}

void tn_op_query_flag(struct tn_op *op, const char *name)
{
    if (op->query.len > 0)
        tn_op_refuse(op, tn_buf_append_char(&op->query, '&'));
    tn_op_refuse(op, tn_uri_encode(&op->query, tn_str_from(name), 0));
}

void tn_op_query(struct tn_op *op, const char *name, const char *value)
{
    if (!value)
        return;
    tn_op_query_flag(op, name);
    tn_op_refuse(op, tn_buf_append_char(&op->query, '='));
    tn_op_refuse(op, tn_uri_encode(&op->query, tn_str_from(value), 0));
}

void tn_op_query_u64(struct tn_op *op, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    tn_op_query(op, name, text);
}

struct tn_header *tn_op_find_header(struct tn_op *op, struct tn_str name)
{
    for (size_t i = 0; i < op->header_count; i++) {
        if (tn_str_eq_nocase(op->headers[i].name, name))
            return &op->headers[i];
    }
    return NULL;
}

static bool is_clean_value(struct tn_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

void tn_op_header_str(struct tn_op *op, const char *name, struct tn_str value)
{
    struct tn_str copy;
    struct tn_str name_copy;
    if (tn_op_find_header(op, tn_str_from(name)))
        return;
    value = tn_str_trim(value);
    if (!tn_str_is_token(tn_str_from(name)) || !is_clean_value(value)) {
        tn_op_refuse(op, TARN_EINVAL);
        return;
    }
    if (op->header_count == TN_OP_HEADERS_MAX - 16) { /* the rest is the attempt's */
        tn_op_refuse(op, TARN_ETOOBIG);
        return;
    }
    int rc = tn_arena_str(&op->arena, tn_str_from(name), &name_copy);
    if (rc == TARN_OK)
        rc = tn_arena_str(&op->arena, value, &copy);
    if (rc == TARN_OK)
        op->headers[op->header_count++] = (struct tn_header){ name_copy, copy };
    tn_op_refuse(op, rc);
}

void tn_op_header(struct tn_op *op, const char *name, const char *value)
{
    if (value)
        tn_op_header_str(op, name, tn_str_from(value));
}

void tn_op_header_u64(struct tn_op *op, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    tn_op_header(op, name, text);
}

/* What the library must be alone to say: the framing and the signature depend on it. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {
        "authorization",        "host",       "content-length", "transfer-encoding",
        "x-amz-content-sha256", "x-amz-date", "x-amz-trailer",  "x-amz-decoded-content-length",
        "connection",           "expect",     "range",
    };
    for (size_t i = 0; i < TN_COUNT(reserved); i++) {
        if (tn_str_eq_nocase(tn_str_from(name), tn_str_from(reserved[i])))
            return true;
    }
    return false;
}

void tn_op_request(struct tn_op *op, const struct tarn_request *request)
{
    static const struct tarn_request none;
    if (!request)
        request = &none;
    if (request->header_count > 0 && !request->headers)
        tn_op_refuse(op, TARN_EINVAL);
    for (size_t i = 0; request->headers && i < request->header_count; i++) {
        if (is_reserved(request->headers[i].name))
            tn_op_refuse(op, TARN_EINVAL);
        tn_op_header(op, request->headers[i].name, request->headers[i].value);
    }
    if (request->is_requester_pays || op->client->settings.is_requester_pays)
        tn_op_header(op, "x-amz-request-payer", "requester");
    tn_op_header(op, "x-amz-expected-bucket-owner", request->expected_owner);
    if (request->timeout_ms > 0 && request->timeout_ms <= INT_MAX) /* longer is none */
        op->deadline_ns = tn_now_ns() + (uint64_t)request->timeout_ms * 1000000u;
    op->cancel = request->cancel;
}

void tn_op_bytes(struct tn_op *op, const void *bytes, size_t len, enum tn_checksum_kind checksum)
{
    op->body.kind = TN_BODY_BYTES;
    op->body.bytes = bytes;
    op->body.len = len;
    op->body.checksum = checksum;
}

void tn_op_document(struct tn_op *op, const struct tn_buf *document)
{
    tn_op_bytes(op, document->data, document->len, TN_CHECKSUM_NONE);
    op->is_control = true;
}

void tn_op_file(struct tn_op *op, int fd, uint64_t offset, uint64_t len,
                enum tn_checksum_kind checksum)
{
    op->body.kind = TN_BODY_FILE;
    op->body.fd = fd;
    op->body.offset = offset;
    op->body.len = len;
    op->body.checksum = checksum;
}

void tn_op_stream(struct tn_op *op, struct tn_pipe *pipe, uint64_t len,
                  enum tn_checksum_kind checksum)
{
    op->body.kind = TN_BODY_PIPE;
    op->body.pipe = pipe;
    op->body.waiter = op->waiter;
    op->body.len = len;
    op->body.checksum = checksum;
}

/* ---- an attempt ---- */

static int build_url(struct tn_op *op, struct tn_str *path)
{
    const struct tn_settings *s = &op->client->settings;
    TN_AUTO_BUF front = TN_BUF_INIT(TN_OP_URL_MAX);
    tn_buf_truncate(&op->url, 0);
    tn_buf_truncate(&op->host, 0);
    int rc =
        tn_settings_route(s, tn_str_from(op->bucket), tn_str_from(op->region), &op->host, &front);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&op->url, s->is_https ? "https://" : "http://");
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&op->url, tn_buf_str(&op->host));
    size_t path_start = op->url.len;
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&op->url, tn_buf_str(&front));
    if (rc == TARN_OK && (op->key || front.len == 0))
        rc = tn_buf_append_char(&op->url, '/');
    if (rc == TARN_OK && op->key)
        rc = tn_uri_encode(&op->url, tn_str_from(op->key), TN_URI_KEEP_SLASH);
    size_t path_end = op->url.len;
    if (rc == TARN_OK && op->query.len > 0)
        rc = tn_buf_append_char(&op->url, '?');
    if (rc == TARN_OK && op->query.len > 0)
        rc = tn_buf_append_str(&op->url, tn_buf_str(&op->query));
    if (rc == TARN_OK)
        *path = tn_str_sub(tn_buf_str(&op->url), path_start, path_end - path_start);
    return rc;
}

static void add(struct tn_op *op, struct tn_str name, struct tn_str value)
{
    assert(op->header_count < TN_OP_HEADERS_MAX);
    op->headers[op->header_count++] = (struct tn_header){ name, value };
}

static void make_range(struct tn_op *op)
{
    uint64_t first = op->has_range ? op->range_first : 0;
    first += op->is_resuming ? op->sink.received : 0;
    op->range_text[0] = '\0';
    if (op->range_suffix > 0 && !op->is_resuming)
        (void)snprintf(op->range_text, sizeof op->range_text, "bytes=-%llu",
                       (unsigned long long)op->range_suffix);
    else if (op->has_range && op->range_last != UINT64_MAX)
        (void)snprintf(op->range_text, sizeof op->range_text, "bytes=%llu-%llu",
                       (unsigned long long)first, (unsigned long long)op->range_last);
    else if (op->has_range || op->is_resuming)
        (void)snprintf(op->range_text, sizeof op->range_text, "bytes=%llu-",
                       (unsigned long long)first);
}

static void add_attempt_headers(struct tn_op *op, int64_t now)
{
    op->header_count = op->given_count;
    tn_time_basic(now, op->date);
    add(op, TN_STR("Host"), tn_buf_str(&op->host));
    add(op, TN_STR("x-amz-date"), tn_str_from(op->date));
    add(op, TN_STR("x-amz-content-sha256"), tn_str_from(op->payload_hash));
    if (op->cred && op->cred->value.session_token[0])
        add(op, TN_STR("x-amz-security-token"), tn_str_from(op->cred->value.session_token));
    make_range(op);
    if (op->range_text[0])
        add(op, TN_STR("Range"), tn_str_from(op->range_text));
    if (op->is_resuming && !tn_op_find_header(op, TN_STR("if-match")))
        add(op, TN_STR("If-Match"), tn_head_find(&op->first_head, TN_STR("etag")));
}

static int sign(struct tn_op *op, struct tn_str path, int64_t now, struct tarn_error *err)
{
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    tn_buf_truncate(&op->authorization, 0);
    if (!op->cred)
        return TARN_OK;
    if (op->cred_serial != op->cred->serial)
        tn_sigv4_key_wipe(&op->sign_key);
    op->cred_serial = op->cred->serial;
    struct tn_sigv4_signing signing = {
        .request = { .method = tn_str_from(op->method),
                     .path = path,
                     .query = tn_buf_str(&op->query),
                     .headers = op->headers,
                     .header_count = op->header_count },
        .access_key = tn_str_from(op->cred->value.access_key),
        .secret = tn_str_from(op->cred->value.secret_key),
        .region = tn_str_from(op->region),
        .service = tn_str_from(op->service),
        .payload_hash = tn_str_from(op->payload_hash),
        .now = now,
        .key = &op->sign_key,
    };
    int rc = tn_sigv4_sign(&signing, &op->scratch, &op->authorization, signature, err);
    if (rc == TARN_OK)
        add(op, TN_STR("Authorization"), tn_buf_str(&op->authorization));
    return rc;
}

static int append_line(struct tn_op *op, struct tn_str name, struct tn_str value)
{
    /* "Name;" is curl's way to send an empty value, "Name:" takes a header of its own away. */
    const char *mark = value.len > 0 ? ": " : ";";
    int rc = tn_buf_append_str(&op->lines, name);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&op->lines, mark);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&op->lines, value);
    return rc == TARN_OK ? tn_buf_append_char(&op->lines, '\0') : rc;
}

/* curl reads the list and never changes it, so the nodes live in the operation. */
static int make_slist(struct tn_op *op)
{
    static char no_accept[] = "Accept:";
    static char no_expect[] = "Expect:";
    size_t count = 0;
    size_t at = 0;
    int rc = TARN_OK;
    tn_buf_truncate(&op->lines, 0);
    for (size_t i = 0; i < op->header_count && rc == TARN_OK; i++) {
        if (!tn_str_eq(op->headers[i].name, TN_STR("Host"))) /* curl makes the same one */
            rc = append_line(op, op->headers[i].name, op->headers[i].value), count++;
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        op->slist[i].data = op->lines.data + at;
        op->slist[i].next = &op->slist[i + 1];
        at += strlen(op->lines.data + at) + 1;
    }
    op->slist[count] = (struct curl_slist){ no_accept, &op->slist[count + 1] };
    op->slist[count + 1] = (struct curl_slist){ no_expect, NULL };
    return TARN_OK;
}

static CURLcode set_method(struct tn_op *op)
{
    CURL *curl = op->curl;
    bool is_put = strcmp(op->method, "PUT") == 0;
    CURLcode code;
    if (strcmp(op->method, "HEAD") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 0L);
        return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    }
    (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
    if (is_put || strcmp(op->method, "POST") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        code = curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                                (curl_off_t)tn_body_wire_len(&op->body));
        return code ? code
                    : curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, is_put ? NULL : op->method);
    }
    bool is_get = strcmp(op->method, "GET") == 0;
    (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    return curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, is_get ? NULL : op->method);
}

static int set_curl(struct tn_op *op)
{
    CURLcode code = set_method(op);
    if (code == CURLE_OK)
        code = curl_easy_setopt(op->curl, CURLOPT_URL, op->url.data);
    if (code == CURLE_OK)
        code = curl_easy_setopt(op->curl, CURLOPT_HTTPHEADER, op->slist);
    return code == CURLE_OK ? TARN_OK : TARN_ENOMEM;
}

static int append_header(struct tn_buf *b, struct tn_str name, struct tn_str value)
{
    int rc = tn_buf_append_str(b, name);
    if (rc == TARN_OK)
        rc = tn_buf_append(b, ": ", 2);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(b, value);
    return rc == TARN_OK ? tn_buf_append(b, "\r\n", 2) : rc;
}

/* The head of the request as it is sent, for an exchange without curl. */
static int make_head(struct tn_op *op)
{
    struct tn_buf *b = &op->lines;
    size_t front = sizeof "http://" - 1 + op->host.len;
    bool has_length = strcmp(op->method, "PUT") == 0 || strcmp(op->method, "POST") == 0;
    tn_buf_truncate(b, 0);
    int rc = tn_buf_append_text(b, op->method);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(b, ' ');
    if (rc == TARN_OK)
        rc = tn_buf_append_str(b, tn_str_sub(tn_buf_str(&op->url), front, SIZE_MAX));
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, " HTTP/1.1\r\n");
    for (size_t i = 0; i < op->header_count && rc == TARN_OK; i++)
        rc = append_header(b, op->headers[i].name, op->headers[i].value);
    if (rc == TARN_OK)
        rc = append_header(b, TN_STR("User-Agent"), tn_str_from(op->client->settings.user_agent));
    if (rc == TARN_OK && has_length)
        rc = tn_buf_appendf(b, "Content-Length: %llu\r\n",
                            (unsigned long long)tn_body_wire_len(&op->body));
    return rc == TARN_OK ? tn_buf_append(b, "\r\n", 2) : rc;
}

int tn_op_prepare(struct tn_op *op, struct tarn_error *err)
{
    struct tn_str path = TN_STR_EMPTY;
    int64_t now = tn_wall_ms() / 1000 + atomic_load(&op->client->clock_offset_s);
    op->signed_s = now;
    tn_client_region_get(op->client, op->bucket, op->region);
    int rc = op->must_choose ? tn_payload_choose_again(op) : TARN_OK;
    if (rc < 0)
        return tn_op_fail(op, err, rc, "could not read the local data again");
    rc = build_url(op, &path);
    if (rc < 0)
        return tn_op_fail(op, err, rc, "%s",
                          rc == TARN_ETOOBIG ? "the URL would be too long" : tarn_status_text(rc));
    add_attempt_headers(op, now);
    rc = sign(op, path, now, err);
    if (rc < 0)
        return rc;
    rc = op->client->has_wire ? make_head(op) : make_slist(op);
    if (rc == TARN_OK && op->curl)
        rc = set_curl(op);
    if (rc < 0)
        return tn_op_fail(op, err, rc, "%s", tarn_status_text(rc));
    return TARN_OK;
}

int tn_op_prepare_again(struct tn_op *op, struct tarn_error *err)
{
    struct tn_cred *cred = NULL;
    int rc = tn_cred_store_try(&op->client->credentials, &op->has_awaited_keys, &cred, err);
    if (rc == TARN_EAGAIN)
        return rc;
    op->must_get_keys = false;
    if (rc < 0 && !op->cred)
        return rc;
    if (rc == TARN_OK) { /* else the server is to say that the old ones are bad */
        tn_cred_unref(op->cred);
        op->cred = cred;
    }
    return tn_op_prepare(op, err);
}

CURLcode tn_op_start(struct tn_op *op)
{
    op->attempts++;
    op->http_status = 0;
    op->is_answer_ok = false;
    op->has_begun = false;
    op->is_throttled = false;
    tn_buf_truncate(&op->head, 0);
    tn_buf_truncate(&op->answer, 0);
    atomic_store_explicit(&op->moved, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&op->client->requests, 1, memory_order_relaxed);
    op->started_ns = op->moved_ns = tn_now_ns();
    op->waited_ns = op->gap_ns = 0;
    if (tn_body_start(&op->body) < 0)
        return CURLE_OUT_OF_MEMORY;
    long left_ms = 0;
    if (!op->curl)
        return CURLE_OK;
    if (op->deadline_ns) {
        uint64_t now = tn_now_ns();
        left_ms = op->deadline_ns > now ? (long)((op->deadline_ns - now) / 1000000u) + 1 : 1;
    }
    return curl_easy_setopt(op->curl, CURLOPT_TIMEOUT_MS, left_ms);
}

/* ---- posting and waiting ---- */

static int check_names(const struct tn_op *op, struct tarn_error *err)
{
    struct tn_str bucket = tn_str_from(op->bucket);
    if (op->bucket && (bucket.len == 0 || bucket.len > BUCKET_LEN_MAX ||
                       tn_str_find_char(bucket, '/') != SIZE_MAX || !is_clean_value(bucket)))
        return tn_fail(err, TARN_EINVAL, "could not %s: \"%s\" is no bucket name", op->what,
                       op->bucket);
    if (!op->key)
        return TARN_OK;
    int rc = tn_key_check(tn_str_from(op->key));
    if (rc == TARN_ETOOBIG)
        return tn_op_fail(op, err, rc, "the key has more than 1,024 bytes");
    return rc < 0 ? tn_op_fail(op, err, rc, "the key is empty or not UTF-8") : TARN_OK;
}

/* All but the keys. */
static int build_request(struct tn_op *op)
{
    int rc = check_names(op, &op->err);
    if (rc < 0)
        return rc;
    if (op->attempts == 0 && op->build_rc == TARN_OK)
        tn_op_refuse(op, tn_payload_choose(op));
    if (op->build_rc < 0)
        return tn_op_fail(op, &op->err, op->build_rc, "%s",
                          op->build_rc == TARN_EINVAL ? "a header or parameter is not valid"
                                                      : tarn_status_text(op->build_rc));
    if (op->attempts == 0)
        op->given_count = op->header_count;
    op->must_get_keys = false;
    tn_cred_unref(TN_TAKE(op->cred));
    return TARN_OK;
}

static int build(struct tn_op *op)
{
    int rc = build_request(op);
    if (rc < 0)
        return rc;
    rc = tn_cred_store_get(&op->client->credentials, op->cancel, &op->cred, &op->err);
    if (rc == TARN_OK)
        rc = tn_op_prepare(op, &op->err);
    if (rc == TARN_OK && op->client->has_wire)
        tn_wire_resolve(op->client, op->host.data);
    return rc;
}

int tn_op_build_now(struct tn_op *op)
{
    int rc = build_request(op);
    if (rc < 0)
        return rc;
    op->has_awaited_keys = false;
    rc = tn_op_prepare_again(op, &op->err);
    op->must_get_keys = rc == TARN_EAGAIN;
    return rc;
}

void tn_op_warm(struct tarn_client *client, const char *bucket)
{
    char region[TARN_REGION_LEN_MAX];
    struct tn_cred *cred = NULL;
    if (tn_cred_store_get(&client->credentials, NULL, &cred, NULL) == TARN_OK)
        tn_cred_unref(cred);
    if (!client->has_wire)
        return;
    TN_AUTO_BUF host = TN_BUF_INIT(TN_HOST_LEN_MAX);
    TN_AUTO_BUF front = TN_BUF_INIT(TN_OP_URL_MAX);
    tn_client_region_get(client, bucket, region);
    if (tn_settings_route(&client->settings, tn_str_from(bucket), tn_str_from(region), &host,
                          &front) == TARN_OK)
        tn_wire_resolve(client, host.data);
}

void tn_op_post(struct tn_op *op)
{
    op->is_done = false;
    op->wants_rewind = false;
    op->rc = build(op);
    if (op->rc == TARN_OK && !op->loop) {
        op->loop = tn_client_loop(op->client, &op->err);
        op->rc = op->loop ? TARN_OK : op->err.status ? op->err.status : TARN_ENOMEM;
    }
    tn_waiter_lock(op->waiter);
    if (op->rc < 0) {
        op->is_done = true;
    } else {
        op->state = TN_OP_POSTED;
        tn_loop_post(op->loop, op, TN_OP_WANT_START);
    }
    tn_waiter_unlock(op->waiter);
}

void tn_op_want(struct tn_op *op, unsigned what)
{
    if (!op->is_done)
        tn_loop_post(op->loop, op, what);
}

void tn_op_wait(struct tn_op *op)
{
    bool did_cancel = false;
    tn_waiter_lock(op->waiter);
    while (!op->is_done) {
        if (!did_cancel && tn_flag_is_set(op->cancel)) {
            did_cancel = true;
            tn_op_want(op, TN_OP_WANT_CANCEL);
        }
        tn_waiter_wait(op->waiter, op->cancel && !did_cancel ? CANCEL_POLL_MS : -1);
    }
    tn_waiter_unlock(op->waiter);
}

int tn_op_run(struct tn_op *op, struct tarn_error *err)
{
    tn_op_post(op);
    tn_op_wait(op);
    if (op->rc < 0 && err)
        *err = op->err;
    return op->rc;
}
