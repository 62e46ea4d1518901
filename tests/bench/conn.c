/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a request on its connection. */

#include "bench/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/file.h"
#include "bench/noise.h"

enum {
    CONN_HEAD_LEN_MAX = 64 * 1024,
    CONN_PAGE_LEN_MAX = 8 * 1024 * 1024,
    CONN_SEND_LEN = 1024 * 1024,
};

void conn_init(struct conn *c, struct load *l)
{
    *c = (struct conn){ .load = l, .fd = -1 };
    tn_buf_init(&c->head_out, CONN_HEAD_LEN_MAX);
    tn_buf_init(&c->head_in, CONN_HEAD_LEN_MAX);
    tn_buf_init(&c->page, CONN_PAGE_LEN_MAX);
    tn_buf_init(&c->token, CONN_HEAD_LEN_MAX);
}

void conn_release(struct conn *c)
{
    tn_fd_close(&c->fd);
    tn_buf_release(&c->head_out);
    tn_buf_release(&c->head_in);
    tn_buf_release(&c->page);
    tn_buf_release(&c->token);
}

int conn_open(struct conn *c, struct tarn_error *err)
{
    const struct bench_options *o = c->load->options;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port) };
    if (inet_pton(AF_INET, o->host, &address.sin_addr) != 1)
        return tn_fail(err, TARN_EINVAL, "\"%s\" is not an IPv4 address", o->host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tn_fail_errno(err, "could not make a socket");
    c->fd = fd;
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        (void)tn_fail_errno(err, "could not connect to %s:%u", o->host, (unsigned)o->port);
        tn_fd_close(&c->fd);
        return TARN_ENETWORK;
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    if (epoll_ctl(c->load->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        (void)tn_fail_errno(err, "could not watch a socket");
        tn_fd_close(&c->fd);
        return TARN_EIO;
    }
    c->waits_to_send = false;
    c->state = CONN_IDLE;
    return TARN_OK;
}

static void break_off(struct conn *c, const char *why)
{
    load_note_error(c->load, tn_str_from(why));
    tn_fd_close(&c->fd);
    c->state = CONN_CLOSED;
}

static void watch_sending(struct conn *c, bool waits)
{
    if (c->waits_to_send == waits)
        return;
    c->waits_to_send = waits;
    struct epoll_event event = { .events = EPOLLIN | (waits ? EPOLLOUT : 0u), .data.ptr = c };
    (void)epoll_ctl(c->load->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static uint64_t body_out_len(const struct conn *c)
{
    return c->request.mode == BENCH_PUT ? c->load->options->size : 0;
}

/* One sendmsg of what is left of the head and a piece of the body. False when nothing moved. */
static bool send_some(struct conn *c)
{
    uint64_t left = body_out_len(c) - c->body_sent;
    struct tn_str body =
        noise_piece(c->request.key, c->body_sent, left < CONN_SEND_LEN ? left : CONN_SEND_LEN);
    struct iovec pieces[] = {
        { c->head_out.data + c->head_sent, c->head_out.len - c->head_sent },
        { (void *)(uintptr_t)body.data, body.len },
    };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = TN_COUNT(pieces) };
    ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            watch_sending(c, true);
        else
            break_off(c, strerror(errno));
        return false;
    }
    size_t of_head = (size_t)n < pieces[0].iov_len ? (size_t)n : pieces[0].iov_len;
    c->head_sent += of_head;
    c->body_sent += (size_t)n - of_head;
    return true;
}

static void send_all(struct conn *c)
{
    while (c->head_sent < c->head_out.len || c->body_sent < body_out_len(c)) {
        if (!send_some(c))
            return;
    }
    watch_sending(c, false);
    c->state = CONN_HEAD;
}

static void choose(struct conn *c)
{
    struct load *l = c->load;
    const struct bench_options *o = l->options;
    enum bench_mode mode = o->mode;
    if (mode == BENCH_MIXED)
        mode = load_random_below(l, 100) < o->get_percent ? BENCH_GET : BENCH_PUT;
    uint64_t key = o->mode == BENCH_PUT || o->mode == BENCH_DELETE
                       ? (l->started - 1) % o->key_count
                       : load_random_below(l, o->key_count);
    c->request = (struct request){ .mode = mode, .key = key, .token = tn_buf_str(&c->token) };
}

void conn_start(struct conn *c, uint64_t due_ns)
{
    choose(c);
    c->start_ns = due_ns;
    c->head_sent = 0;
    c->body_sent = 0;
    c->body_seen = 0;
    c->is_wrong = false;
    tn_buf_truncate(&c->head_in, 0);
    tn_buf_truncate(&c->page, 0);
    c->state = CONN_SEND;
    if (request_head(c->load, &c->request, &c->head_out) < 0)
        break_off(c, "could not build the request");
    else
        send_all(c);
}

/* ---- The answer ---- */

/* The status and Content-Length of the complete head. */
static int read_head(struct conn *c, struct tn_str head)
{
    uint64_t status;
    if (!tn_str_starts(head, TN_STR("HTTP/1.1 ")) ||
        tn_str_to_u64(tn_str_sub(head, 9, 3), &status) < 0)
        return TARN_EPROTOCOL;
    c->status = (int)status;
    c->body_len = 0;
    (void)tn_str_split(&head, '\n');
    while (head.len > 0) {
        struct tn_str line = tn_str_split(&head, '\n');
        struct tn_str name = tn_str_split(&line, ':');
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        if (tn_str_eq_nocase(name, TN_STR("transfer-encoding")))
            return TARN_ENOTSUPPORTED;
        if (tn_str_eq_nocase(name, TN_STR("content-length")) &&
            tn_str_to_u64(tn_str_trim(line), &c->body_len) < 0)
            return TARN_EPROTOCOL;
    }
    return TARN_OK;
}

/* Takes bytes of the head; the rest is left in `bytes`. */
static int take_head(struct conn *c, struct tn_str *bytes)
{
    size_t before = c->head_in.len;
    size_t room = c->head_in.max - before;
    if (room == 0 || tn_buf_append_str(&c->head_in, tn_str_sub(*bytes, 0, room)) < 0)
        return TARN_EPROTOCOL;
    size_t end = tn_str_find(tn_buf_str(&c->head_in), TN_STR("\r\n\r\n"));
    if (end == SIZE_MAX) {
        *bytes = TN_STR_EMPTY;
        return TARN_OK;
    }
    int rc = read_head(c, tn_str_sub(tn_buf_str(&c->head_in), 0, end));
    *bytes = tn_str_sub(*bytes, end + 4 - before, bytes->len);
    tn_buf_truncate(&c->head_in, 0);
    c->state = CONN_BODY;
    return rc;
}

static bool is_success(const struct conn *c)
{
    return c->status >= 200 && c->status < 300;
}

static int take_body(struct conn *c, struct tn_str bytes)
{
    if (bytes.len > c->body_len - c->body_seen)
        return TARN_EPROTOCOL;
    if (!is_success(c) || c->request.mode == BENCH_LIST) {
        if (tn_buf_append_str(&c->page, bytes) < 0)
            return TARN_EPROTOCOL;
    } else if (c->request.mode == BENCH_GET && c->load->options->is_verified &&
               !noise_matches(c->request.key, c->body_seen, bytes)) {
        c->is_wrong = true;
    }
    c->body_seen += bytes.len;
    return TARN_OK;
}

/* base64 may hold +, / and =, which a query may not. */
static int keep_token(struct conn *c, struct tn_str token)
{
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < token.len; i++) {
        char byte = token.data[i];
        if (tn_is_alpha(byte) || tn_is_digit(byte))
            rc = tn_buf_append_char(&c->token, byte);
        else
            rc = tn_buf_appendf(&c->token, "%%%02X", (unsigned char)byte);
    }
    return rc;
}

static int count_page(struct conn *c)
{
    struct tn_str page = tn_buf_str(&c->page);
    const struct tn_str mark = TN_STR("<Key>");
    for (size_t at = tn_str_find(page, mark); at != SIZE_MAX; at = tn_str_find(page, mark)) {
        c->load->result->keys++;
        page = tn_str_sub(page, at + mark.len, page.len);
    }
    page = tn_buf_str(&c->page);
    const struct tn_str next = TN_STR("<NextContinuationToken>");
    tn_buf_truncate(&c->token, 0);
    size_t at = tn_str_find(page, next);
    if (at == SIZE_MAX)
        return TARN_OK;
    page = tn_str_sub(page, at + next.len, page.len);
    return keep_token(c, tn_str_split(&page, '<'));
}

static int finish(struct conn *c)
{
    struct load_result *r = c->load->result;
    c->state = CONN_IDLE;
    if (!is_success(c)) {
        char line[300];
        (void)snprintf(line, sizeof line, "HTTP %d %s", c->status, c->page.data);
        load_note_error(c->load, tn_str_from(line));
        return TARN_OK;
    }
    hist_add(&r->latency, tn_now_ns() - c->start_ns);
    r->requests++;
    r->bytes += c->body_seen + c->body_sent;
    if (c->request.mode == BENCH_GET && c->load->options->is_verified)
        r->mismatches += c->is_wrong || c->body_len != c->load->options->size;
    return c->request.mode == BENCH_LIST ? count_page(c) : TARN_OK;
}

static int take(struct conn *c, struct tn_str bytes)
{
    if (c->state == CONN_IDLE)
        return TARN_EPROTOCOL;
    if (c->state != CONN_BODY) {
        int rc = take_head(c, &bytes);
        if (rc < 0 || c->state != CONN_BODY)
            return rc;
    }
    int rc = take_body(c, bytes);
    if (rc == TARN_OK && c->body_seen == c->body_len)
        rc = finish(c);
    return rc;
}

static void receive(struct conn *c)
{
    struct load *l = c->load;
    bool is_sending = c->state == CONN_SEND;
    ssize_t n = recv(c->fd, l->bytes, sizeof l->bytes, MSG_DONTWAIT);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            break_off(c, strerror(errno));
        return;
    }
    if (n == 0) {
        break_off(c, "the server closed the connection");
        return;
    }
    if (take(c, (struct tn_str){ l->bytes, (size_t)n }) < 0)
        break_off(c, "could not understand the answer");
    else if (is_sending && c->state == CONN_IDLE)
        break_off(c, "the server answered before the end of the request");
}

void conn_advance(struct conn *c)
{
    if (c->state == CONN_SEND)
        send_all(c);
    if (c->state != CONN_CLOSED)
        receive(c);
}
