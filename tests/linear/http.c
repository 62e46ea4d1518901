/* SPDX-License-Identifier: Apache-2.0 */
/* Requests out, answers in, on a blocking socket. */

#include "linear/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "linear/value.h"

enum {
    HTTP_HEAD_LEN_MAX = 64 * 1024,
    HTTP_READ_LEN = 16 * 1024,
    HTTP_BODY_LEN_MAX = LINEAR_BODY_LEN_MAX + 64 * 1024,
    HTTP_FIXED_HEADERS = 3,
};

void linear_http_init(struct linear_http *h)
{
    *h = (struct linear_http){ .fd = -1 };
    tn_sigv4_scratch_init(&h->scratch);
    tn_buf_init(&h->authorization, HTTP_HEAD_LEN_MAX);
    tn_buf_init(&h->out, HTTP_BODY_LEN_MAX);
    tn_buf_init(&h->in, HTTP_BODY_LEN_MAX);
}

void linear_http_release(struct linear_http *h)
{
    linear_http_close(h);
    tn_sigv4_scratch_release(&h->scratch);
    tn_sigv4_key_wipe(&h->key);
    tn_buf_release(&h->authorization);
    tn_buf_release(&h->out);
    tn_buf_release(&h->in);
}

void linear_http_close(struct linear_http *h)
{
    tn_fd_close(&h->fd);
}

int linear_http_open(struct linear_http *h, unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = LINEAR_ANSWER_S };
    int one = 1;
    TN_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return TARN_EIO;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return TARN_ENETWORK;
    linear_http_close(h);
    h->fd = fd;
    h->port = port;
    fd = -1;
    return TARN_OK;
}

/* ---- The request ---- */

static int append_signature(struct linear_http *h, const struct linear_request *r,
                            const struct tn_header *headers, size_t count, int64_t now)
{
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    const struct tn_sigv4_signing signing = {
        .request = { .method = r->method,
                     .path = r->path,
                     .query = r->query,
                     .headers = headers,
                     .header_count = count },
        .access_key = TN_STR(LINEAR_ACCESS_KEY),
        .secret = TN_STR(LINEAR_SECRET_KEY),
        .region = TN_STR("us-east-1"),
        .payload_hash = TN_STR("UNSIGNED-PAYLOAD"),
        .now = now,
        .key = &h->key,
    };
    tn_buf_truncate(&h->authorization, 0);
    int rc = tn_sigv4_sign(&signing, &h->scratch, &h->authorization, signature, NULL);
    if (rc < 0)
        return rc;
    return tn_buf_appendf(&h->out, "Authorization: %s\r\n", h->authorization.data);
}

static int append_headers(struct linear_http *h, const struct linear_request *r)
{
    char host[32];
    char date[TN_TIME_LEN];
    int64_t now = tn_wall_ms() / 1000;
    tn_time_basic(now, date);
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", h->port);
    struct tn_header headers[HTTP_FIXED_HEADERS + LINEAR_HEADERS_MAX] = {
        { TN_STR("host"), tn_str_from(host) },
        { TN_STR("x-amz-content-sha256"), TN_STR("UNSIGNED-PAYLOAD") },
        { TN_STR("x-amz-date"), tn_str_from(date) },
    };
    size_t count = HTTP_FIXED_HEADERS;
    for (size_t i = 0; i < LINEAR_HEADERS_MAX; i++) {
        if (r->headers[i].name.len)
            headers[count++] = r->headers[i];
    }
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < count; i++)
        rc = tn_buf_appendf(&h->out, "%.*s: %.*s\r\n", TN_STR_ARG(headers[i].name),
                            TN_STR_ARG(headers[i].value));
    return rc < 0 ? rc : append_signature(h, r, headers, count, now);
}

static int build(struct linear_http *h, const struct linear_request *r)
{
    tn_buf_truncate(&h->out, 0);
    int rc = tn_buf_appendf(&h->out, "%.*s %.*s%s%.*s HTTP/1.1\r\n", TN_STR_ARG(r->method),
                            TN_STR_ARG(r->path), r->query.len ? "?" : "", TN_STR_ARG(r->query));
    if (rc == TARN_OK)
        rc = append_headers(h, r);
    if (rc == TARN_OK)
        rc = tn_buf_appendf(&h->out, "Content-Length: %zu\r\n\r\n", r->body.len);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&h->out, r->body);
    return rc;
}

/* False when not all went; an answer may have come all the same. */
static bool send_all(struct linear_http *h)
{
    size_t sent = 0;
    h->was_sent = false;
    while (sent < h->out.len) {
        ssize_t n = send(h->fd, h->out.data + sent, h->out.len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        h->was_sent = true;
        sent += (size_t)n;
    }
    return true;
}

/* ---- The answer ---- */

static int receive_some(struct linear_http *h)
{
    int rc = tn_buf_reserve(&h->in, HTTP_READ_LEN);
    if (rc < 0)
        return rc;
    ssize_t n = recv(h->fd, h->in.data + h->in.len, HTTP_READ_LEN, 0);
    if (n <= 0)
        return TARN_ENETWORK;
    h->in.len += (size_t)n;
    h->in.data[h->in.len] = '\0';
    return TARN_OK;
}

static int receive_head(struct linear_http *h)
{
    tn_buf_truncate(&h->in, 0);
    h->body_at = 0;
    for (;;) {
        size_t end = tn_str_find(tn_buf_str(&h->in), TN_STR("\r\n\r\n"));
        if (end != SIZE_MAX) {
            h->body_at = end + 4;
            break;
        }
        int rc = h->in.len > HTTP_HEAD_LEN_MAX ? TARN_EPROTOCOL : receive_some(h);
        if (rc < 0)
            return rc;
    }
    uint64_t status;
    if (!tn_str_starts(tn_buf_str(&h->in), TN_STR("HTTP/1.1 ")) ||
        tn_str_to_u64(tn_str_sub(tn_buf_str(&h->in), 9, 3), &status) < 0)
        return TARN_EPROTOCOL;
    h->status = (int)status;
    return TARN_OK;
}

static int receive(struct linear_http *h, bool is_head)
{
    int rc = receive_head(h);
    if (rc < 0)
        return rc;
    uint64_t len = 0;
    struct tn_str text = linear_http_header(h, TN_STR("content-length"));
    if (linear_http_header(h, TN_STR("transfer-encoding")).len ||
        (text.len && tn_str_to_u64(text, &len) < 0))
        return TARN_EPROTOCOL;
    if (is_head || h->status == 204 || h->status == 304)
        len = 0;
    while (rc == TARN_OK && h->in.len - h->body_at < len)
        rc = receive_some(h);
    if (rc == TARN_OK && h->in.len - h->body_at != len)
        return TARN_EPROTOCOL;
    return rc;
}

int linear_http_ask(struct linear_http *h, const struct linear_request *r)
{
    int rc = build(h, r);
    h->was_sent = false;
    h->status = 0;
    if (rc < 0 || h->fd < 0)
        return rc < 0 ? rc : TARN_ENETWORK;
    h->asked_ns = tn_now_ns();
    bool is_whole = send_all(h);
    rc = is_whole || h->was_sent ? receive(h, tn_str_eq(r->method, TN_STR("HEAD"))) : TARN_ENETWORK;
    h->answered_ns = tn_now_ns();
    if (rc < 0 || !is_whole ||
        tn_str_eq_nocase(linear_http_header(h, TN_STR("connection")), TN_STR("close")))
        linear_http_close(h);
    return rc;
}

struct tn_str linear_http_header(const struct linear_http *h, struct tn_str name)
{
    struct tn_str head = tn_str_sub(tn_buf_str(&h->in), 0, h->body_at);
    (void)tn_str_split(&head, '\n');
    while (head.len) {
        struct tn_str line = tn_str_split(&head, '\n');
        struct tn_str found = tn_str_split(&line, ':');
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        if (tn_str_eq_nocase(found, name))
            return tn_str_trim(line);
    }
    return TN_STR_EMPTY;
}

struct tn_str linear_http_body(const struct linear_http *h)
{
    return tn_str_sub(tn_buf_str(&h->in), h->body_at, h->in.len);
}
