/* SPDX-License-Identifier: Apache-2.0 */
/* The answer: its head, then bytes from memory or, window by window, from the handler's reader. */

#include "server/http/conn.h"

#include <assert.h>

#include "server/http/pen.h"

enum { CONTINUE_LEN = 25 }; /* "HTTP/1.1 100 Continue" and two line ends */

static const struct {
    int status;
    const char *text;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < TN_COUNT(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Unknown";
}

/* --- The head --- */

static bool must_close(const struct conn *c)
{
    const struct req *r = c->req;
    if (r->is_closing || r->pub.answer.must_close || c->loop->is_stopping)
        return true;
    if (!r->pub.head.is_keep_alive)
        return true;
    if (r->body.is_complete)
        return false;
    /* A peer that waits for "100 Continue" may or may not send the body now: nobody can tell. */
    bool may_wait = r->pub.head.expects_continue && r->body.taken == 0 && r->in_pos == r->in_len;
    if (may_wait && (!r->is_accepted || r->continue_left > 0))
        return true;
    return !r->body.is_chunked && r->body.left > HTTP_DRAIN_LEN_MAX;
}

static void add_part(struct reply_out *out, char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (out->at == out->count)
        out->at = out->count = 0;
    assert(out->count < REPLY_PART_COUNT);
    out->parts[out->count++] = (struct iovec){ bytes, len };
}

static void write_fixed(struct conn *c, bool has_length, uint64_t len)
{
    struct req *r = c->req;
    struct pen pen = { r->reply.fixed, sizeof r->reply.fixed };
    pen_text(&pen, "HTTP/1.1 ");
    pen_number(&pen, (uint64_t)r->pub.answer.status);
    pen_text(&pen, " ");
    pen_text(&pen, reason_of(r->pub.answer.status));
    pen_text(&pen, "\r\nServer: tarn\r\nDate: ");
    pen_text(&pen, loop_date(c->loop));
    pen_text(&pen, "\r\nx-amz-request-id: ");
    pen_put(&pen, r->pub.id, HTTP_REQUEST_ID_LEN);
    if (has_length) {
        pen_text(&pen, "\r\nContent-Length: ");
        pen_number(&pen, len);
    }
    if (r->is_closing)
        pen_text(&pen, "\r\nConnection: close");
    else if (r->pub.head.minor_version == 0)
        pen_text(&pen, "\r\nConnection: keep-alive");
    pen_text(&pen, "\r\n");
    add_part(&r->reply, r->reply.fixed, (size_t)(pen.at - r->reply.fixed));
}

static void begin(struct conn *c)
{
    static char line_end[] = "\r\n";
    static char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct req *r = c->req;
    struct reply_out *out = &r->reply;
    const struct http_answer *a = &r->pub.answer;
    bool is_head = tn_str_eq(r->pub.head.method, TN_STR("HEAD"));
    bool has_no_body = a->status == 204 || a->status == 304;
    uint64_t len = a->read || (is_head && a->has_body_len) ? a->body_len : a->body.len;

    assert(a->status >= 200 && a->status <= 599);
    out->is_begun = true;
    r->is_closing = must_close(c);
    if (r->continue_left > 0 && r->continue_left < CONTINUE_LEN)
        add_part(out, continue_text + CONTINUE_LEN - r->continue_left, r->continue_left);
    write_fixed(c, !has_no_body, len);
    add_part(out, a->headers.data, a->headers.len);
    add_part(out, line_end, 2);
    if (is_head || has_no_body)
        return;
    out->body_len = len;
    out->is_streamed = a->read != NULL;
    out->is_found = a->find && len >= HTTP_FILE_LEN_MIN && net_stream_can_send_file(&c->stream);
    if (!out->is_streamed && len > 0) {
        char *bytes;
        memcpy(&bytes, &a->body.data, sizeof bytes); /* writev() takes no const */
        add_part(out, bytes, a->body.len);
    }
}

/* --- Reading a streamed body --- */

static size_t read_cap(const struct req *r)
{
    uint64_t left = r->reply.body_len - r->reply.offset;
    return left < HTTP_WINDOW_LEN ? (size_t)left : HTTP_WINDOW_LEN;
}

static int take_read(struct req *r, struct http_window *w, ssize_t n)
{
    if (n <= 0) {
        http_window_give(&r->conn->loop->windows, w);
        return n == 0 ? TARN_EEOF : (int)n;
    }
    assert((size_t)n <= read_cap(r));
    w->len = (size_t)n;
    r->reply.offset += (uint64_t)n;
    r->reply.ready = w;
    return TARN_OK;
}

/* What lies ready in a file to be sent; nothing when `read` has to serve. */
static int take_file(struct req *r, const struct http_file *file, ssize_t n)
{
    if (n == TARN_ENOTSUPPORTED) {
        r->reply.is_found = false;
        return TARN_OK;
    }
    if (n <= 0)
        return n == 0 ? TARN_EEOF : (int)n;
    r->reply.file = *file;
    r->reply.file_left = (size_t)n;
    r->reply.offset += (uint64_t)n;
    return TARN_OK;
}

static void run_read_job(struct net_job *job)
{
    struct req *r = TN_CONTAINER(job, struct req, read_job);
    struct net_loop *loop = &r->conn->loop->net;
    const struct http_answer *a = &r->pub.answer;
    char *room = r->reading->bytes;
    if (r->reply.is_found)
        r->read_len = a->find(&r->pub, r->reply.offset, room, read_cap(r), true, &r->found);
    else
        r->read_len = a->read(&r->pub, r->reply.offset, room, read_cap(r), true);
    net_loop_post(loop, &r->read_msg);
}

static void on_read_msg(struct net_msg *msg)
{
    struct req *r = TN_CONTAINER(msg, struct req, read_msg);
    struct conn *c = r->conn;
    r->is_read_job_out = false;
    ssize_t n = r->read_len == TARN_EAGAIN ? TARN_EIO : r->read_len;
    int rc;
    if (r->reply.is_found) {
        http_window_give(&c->loop->windows, TN_TAKE(r->reading));
        rc = take_file(r, &r->found, n);
    } else {
        rc = take_read(r, TN_TAKE(r->reading), n);
    }
    if (rc < 0 && c->state == CONN_REPLY)
        conn_enter(c, CONN_CLOSED);
    conn_run(c);
}

void reply_init_jobs(struct req *r)
{
    r->read_job.run = run_read_job;
    r->read_msg.run = on_read_msg;
}

static void post_read(struct conn *c, struct http_window *w)
{
    struct req *r = c->req;
    r->reading = w;
    r->is_read_job_out = true;
    net_pool_post(&c->loop->server->pool, &r->read_job);
}

/* Into `w`: on the loop when that needs no waiting, else on a worker (TARN_EAGAIN). */
static int read_into(struct conn *c, struct http_window *w)
{
    struct req *r = c->req;
    ssize_t n = r->pub.answer.read(&r->pub, r->reply.offset, w->bytes, read_cap(r), false);
    if (n != TARN_EAGAIN)
        return take_read(r, w, n);
    r->reply.is_cold = true;
    post_read(c, w);
    return TARN_EAGAIN;
}

/* The loop's own scratch will do for checking, but a worker needs a window for that. */
static int feed_from_file(struct conn *c)
{
    struct req *r = c->req;
    struct reply_out *out = &r->reply;
    struct http_file file;
    if (out->file_left || out->offset == out->body_len)
        return TARN_OK;
    if (r->is_read_job_out)
        return TARN_EAGAIN;
    size_t cap = read_cap(r) < LOOP_SCRATCH_LEN ? read_cap(r) : LOOP_SCRATCH_LEN;
    ssize_t n = r->pub.answer.find(&r->pub, out->offset, c->loop->scratch, cap, false, &file);
    if (n != TARN_EAGAIN)
        return take_file(r, &file, n);
    int rc = TARN_OK;
    struct http_window *w = http_window_take(&c->loop->windows, &c->waiter, &rc);
    if (!w)
        return rc;
    post_read(c, w);
    return TARN_EAGAIN;
}

static int feed(struct conn *c)
{
    struct req *r = c->req;
    struct reply_out *out = &r->reply;
    int rc = TARN_OK;
    if (!out->sending && !out->ready && out->offset < out->body_len) {
        if (r->is_read_job_out)
            return TARN_EAGAIN;
        struct http_window *w = http_window_take(&c->loop->windows, &c->waiter, &rc);
        rc = w ? read_into(c, w) : rc;
        if (rc < 0)
            return rc;
    }
    if (!out->sending && out->ready) {
        out->sending = TN_TAKE(out->ready);
        add_part(out, out->sending->bytes, out->sending->len);
    }
    bool has_more = out->offset < out->body_len;
    if (out->is_cold && has_more && !out->ready && !r->is_read_job_out) {
        struct http_window *w = http_window_take_extra(&c->loop->windows);
        rc = w ? read_into(c, w) : TARN_OK;
    }
    return rc == TARN_EAGAIN ? TARN_OK : rc;
}

/* --- Sending --- */

static void advance(struct reply_out *out, size_t len)
{
    while (len > 0) {
        struct iovec *part = &out->parts[out->at];
        size_t n = len < part->iov_len ? len : part->iov_len;
        part->iov_base = (char *)part->iov_base + n;
        part->iov_len -= n;
        len -= n;
        if (part->iov_len == 0)
            out->at++;
    }
}

static void count_sent(struct conn *c, size_t len)
{
    c->req->bytes_out += len;
    loop_count_add(&c->loop->bytes_out, len);
    c->turn_left -= len < c->turn_left ? len : c->turn_left;
    net_timer_stop(&c->timer); /* it made progress: the time starts anew */
}

static int send_parts(struct conn *c)
{
    struct req *r = c->req;
    struct reply_out *out = &r->reply;
    while (out->at < out->count) {
        ssize_t n = TARN_EAGAIN;
        if (c->may_write)
            n = net_stream_write(&c->stream, out->parts + out->at, out->count - out->at);
        if (n == TARN_EAGAIN)
            c->may_write = false;
        if (n < 0)
            return (int)n;
        size_t len = (size_t)n;
        advance(out, len);
        count_sent(c, len);
    }
    http_window_give(&c->loop->windows, TN_TAKE(out->sending));
    return TARN_OK;
}

static int send_file(struct conn *c)
{
    struct req *r = c->req;
    struct reply_out *out = &r->reply;
    while (out->file_left) {
        ssize_t n = TARN_EAGAIN;
        if (c->may_write)
            n = net_stream_send_file(&c->stream, out->file.fd, out->file.offset, out->file_left);
        if (n == TARN_EAGAIN)
            c->may_write = false;
        if (n < 0)
            return (int)n;
        size_t len = (size_t)n;
        out->file.offset += len;
        out->file_left -= len;
        count_sent(c, len);
    }
    return TARN_OK;
}

static enum conn_next wait_for_room(struct conn *c)
{
    if (!net_timer_is_set(&c->timer))
        net_timer_set(&c->loop->net, &c->loop->body_timers, &c->timer);
    return CONN_WAIT;
}

static enum conn_next fail(struct conn *c)
{
    conn_enter(c, CONN_CLOSED);
    return CONN_AGAIN;
}

static enum conn_next finish(struct conn *c)
{
    struct req *r = c->req;
    bool is_closing = r->is_closing;
    req_finish(r);
    if (is_closing) {
        conn_close_gently(c);
    } else if (r->body.is_complete) {
        conn_next_request(c);
    } else {
        r->body.taken = 0;
        conn_enter(c, CONN_DRAIN);
    }
    return CONN_AGAIN;
}

enum conn_next conn_on_reply(struct conn *c)
{
    struct reply_out *out = &c->req->reply;
    if (c->stream.fd < 0)
        return fail(c);
    if (!out->is_begun)
        begin(c);
    while (c->turn_left > 0) {
        /* No window is taken for a peer that has no room for its bytes. */
        if (out->is_streamed && !c->may_write && !out->sending)
            return wait_for_room(c);
        int rc = TARN_OK;
        if (out->is_found)
            rc = feed_from_file(c);
        if (rc == TARN_OK && out->is_streamed && !out->is_found)
            rc = feed(c);
        if (rc == TARN_EAGAIN) {
            net_timer_stop(&c->timer); /* it is our turn to be slow */
            return CONN_WAIT;
        }
        rc = rc == TARN_OK ? send_parts(c) : rc;
        rc = rc == TARN_OK ? send_file(c) : rc;
        if (rc == TARN_EAGAIN)
            return wait_for_room(c);
        if (rc < 0)
            return fail(c);
        if (!out->is_streamed || (!out->ready && out->offset == out->body_len))
            return finish(c);
    }
    conn_make_ready(c);
    return CONN_WAIT;
}
