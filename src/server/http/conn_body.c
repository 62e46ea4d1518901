/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request: taken off the wire and handed over, on the loop or in windows to a worker.
 */

#include "server/http/conn.h"

#include <assert.h>

static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

void body_begin(struct req *r)
{
    const struct tn_http1_head *head = &r->pub.head;
    r->body = (struct body_in){ .is_chunked = head->is_chunked };
    if (head->is_chunked)
        tn_chunked_init(&r->body.chunked);
    else
        r->body.left = head->content_length;
    r->body.is_complete = !head->is_chunked && r->body.left == 0;
    r->pub.body_len = head->is_chunked ? UINT64_MAX : head->content_length;
}

void http_body_accept(struct http_req *pub, enum http_place place, uint64_t len_max)
{
    struct req *r = req_of(pub);
    assert(net_loop_is_here(&r->conn->loop->net));
    assert(!r->is_accepted);
    r->is_accepted = true;
    r->place = place;
    r->body.len_max = len_max;
    if (!r->body.is_chunked && pub->body_len > len_max) {
        r->body.broken = TARN_ETOOBIG;
        return;
    }
    /* Whoever has sent some of the body already does not wait. */
    if (pub->head.expects_continue && !r->body.is_complete && r->in_pos == r->in_len)
        r->continue_left = sizeof continue_text - 1;
}

/* --- Off the wire --- */

static ssize_t read_some(struct conn *c, char *room, size_t cap)
{
    if (!c->may_read)
        return TARN_EAGAIN;
    ssize_t n = conn_read(c, room, cap);
    return n == 0 ? TARN_EEOF : n;
}

static int fill_in(struct conn *c)
{
    struct req *r = c->req;
    ssize_t n = read_some(c, r->in, r->in_cap);
    if (n < 0)
        return (int)n;
    r->in_pos = 0;
    r->in_len = (size_t)n;
    return TARN_OK;
}

static int next_plain(struct conn *c, char *room, size_t cap, char **bytes, size_t *len)
{
    struct req *r = c->req;
    size_t n = r->body.left < cap ? (size_t)r->body.left : cap;
    if (r->in_pos < r->in_len) {
        n = n < r->in_len - r->in_pos ? n : r->in_len - r->in_pos;
        *bytes = r->in + r->in_pos;
        r->in_pos += n;
    } else {
        ssize_t got = read_some(c, room, n);
        if (got < 0)
            return (int)got;
        n = (size_t)got;
        *bytes = room;
    }
    r->body.left -= n;
    r->body.is_complete = r->body.left == 0;
    *len = n;
    return TARN_OK;
}

static int next_chunked(struct conn *c, size_t cap, char **bytes, size_t *len)
{
    struct req *r = c->req;
    for (;;) {
        struct tn_str in = { r->in + r->in_pos, r->in_len - r->in_pos };
        struct tn_str data;
        in.len = in.len < cap ? in.len : cap;
        int event = tn_chunked_next(&r->body.chunked, &in, &data);
        if (event < 0) /* an endless trailer is no long body */
            return event == TARN_ETOOBIG ? TARN_EINVAL : event;
        r->in_pos = (size_t)(in.data - r->in);
        *len = 0;
        if (event == TN_CHUNKED_END) {
            r->body.is_complete = true;
            return TARN_OK;
        }
        if (event == TN_CHUNKED_DATA && data.len > 0) {
            *bytes = r->in + (data.data - r->in);
            *len = data.len;
            return TARN_OK;
        }
        int rc = r->in_pos == r->in_len ? fill_in(c) : TARN_OK;
        if (rc < 0)
            return rc;
    }
}

/* The next piece of payload, at most `cap` bytes, in `room` or in the read buffer. No bytes: the
 * body is complete. TARN_EAGAIN, TARN_EEOF, TARN_ENETWORK, or what the chunked decoder says. */
static int body_next(struct conn *c, char *room, size_t cap, char **bytes, size_t *len)
{
    struct req *r = c->req;
    *len = 0;
    if (r->body.is_complete)
        return TARN_OK;
    int rc = r->body.is_chunked ? next_chunked(c, cap, bytes, len)
                                : next_plain(c, room, cap, bytes, len);
    if (rc < 0)
        return rc;
    r->body.taken += *len;
    r->body.progress += *len;
    if (r->body.progress >= HTTP_PROGRESS_LEN_MIN) {
        r->body.progress = 0;
        net_timer_stop(&c->timer);
    }
    return TARN_OK;
}

static enum conn_next wait_for_peer(struct conn *c)
{
    if (!net_timer_is_set(&c->timer))
        net_timer_set(&c->loop->net, &c->loop->body_timers, &c->timer);
    return CONN_WAIT;
}

static enum conn_next wait_for_us(struct conn *c)
{
    net_timer_stop(&c->timer);
    return CONN_WAIT;
}

/* --- On the loop --- */

static enum conn_next leave_body(struct conn *c)
{
    struct req *r = c->req;
    assert(!r->is_body_job_out);
    r->is_body_over = true;
    http_window_give(&c->loop->windows, TN_TAKE(r->filling));
    conn_enter(c, CONN_RUNNING);
    return CONN_AGAIN;
}

static enum conn_next body_on_loop(struct conn *c)
{
    struct req *r = c->req;
    const struct http_handler *h = &c->loop->server->config.handler;
    while (c->turn_left > 0) {
        char *bytes = NULL;
        size_t len;
        int rc = body_next(c, c->loop->scratch, sizeof c->loop->scratch, &bytes, &len);
        if (rc == TARN_EAGAIN)
            return wait_for_peer(c);
        if (rc == TARN_OK && r->body.taken > r->body.len_max)
            rc = TARN_ETOOBIG;
        if (rc < 0) {
            r->body.broken = rc;
            return CONN_AGAIN;
        }
        if (len == 0) {
            r->is_body_over = true;
            h->on_end(h->context, &r->pub);
            return leave_body(c);
        }
        rc = h->on_body(h->context, &r->pub, bytes, len);
        if (rc < 0 || r->is_answered)
            return leave_body(c);
    }
    conn_make_ready(c);
    return CONN_WAIT;
}

/* --- On a worker --- */

static void run_body_job(struct net_job *job)
{
    struct req *r = TN_CONTAINER(job, struct req, body_job);
    struct net_loop *loop = &r->conn->loop->net;
    const struct http_handler *h = &r->conn->loop->server->config.handler;
    r->job_status = TARN_OK;
    if (r->job_broken < 0) {
        h->on_broken(h->context, &r->pub, r->job_broken);
    } else {
        if (r->consuming && r->consuming->len > 0)
            r->job_status = h->on_body(h->context, &r->pub, r->consuming->bytes, r->consuming->len);
        if (r->job_status == TARN_OK && r->job_is_last)
            h->on_end(h->context, &r->pub);
    }
    net_loop_post(loop, &r->body_msg);
}

static void on_body_msg(struct net_msg *msg)
{
    struct req *r = TN_CONTAINER(msg, struct req, body_msg);
    struct conn *c = r->conn;
    r->is_body_job_out = false;
    http_window_give(&c->loop->windows, TN_TAKE(r->consuming));
    if (r->job_broken < 0)
        r->is_told = true;
    if (r->job_broken < 0 || r->job_status < 0 || r->job_is_last)
        r->is_body_over = true;
    conn_run(c);
}

void body_init_jobs(struct req *r)
{
    r->body_job.run = run_body_job;
    r->body_msg.run = on_body_msg;
}

static void dispatch(struct conn *c, int broken)
{
    struct req *r = c->req;
    assert(!r->is_body_job_out);
    if (broken < 0)
        http_window_give(&c->loop->windows, TN_TAKE(r->filling));
    r->consuming = TN_TAKE(r->filling);
    r->job_is_last = broken == TARN_OK && r->body.is_complete;
    r->job_broken = broken;
    r->is_body_job_out = true;
    net_pool_post(&c->loop->server->pool, &r->body_job);
}

enum fill {
    FILL_ENOUGH, /* the window is full, or the body complete */
    FILL_PEER,   /* the peer has sent no more yet */
    FILL_BUSY,   /* no window, or no time left in this turn */
};

static bool take_window(struct conn *c)
{
    struct req *r = c->req;
    struct http_window_pool *windows = &c->loop->windows;
    int rc = TARN_EAGAIN;
    if (r->is_body_job_out)
        r->filling = http_window_take_extra(windows);
    else
        r->filling = http_window_take(windows, &c->waiter, &rc);
    if (!r->filling && rc == TARN_ENOMEM)
        r->body.broken = rc;
    return r->filling != NULL;
}

static enum fill fill_window(struct conn *c)
{
    struct req *r = c->req;
    while (!r->body.is_complete) {
        /* Who has nothing to put into a window does not take one from others. */
        if (!r->filling && !c->may_read && r->in_pos == r->in_len)
            return FILL_PEER;
        if (!r->filling && !take_window(c))
            return FILL_BUSY;
        struct http_window *w = r->filling;
        if (w->len == HTTP_WINDOW_LEN)
            return FILL_ENOUGH;
        if (c->turn_left == 0) {
            conn_make_ready(c);
            return FILL_BUSY;
        }
        char *room = w->bytes + w->len;
        char *bytes = room;
        size_t len;
        int rc = body_next(c, room, HTTP_WINDOW_LEN - w->len, &bytes, &len);
        if (rc == TARN_EAGAIN && w->len == 0)
            http_window_give(&c->loop->windows, TN_TAKE(r->filling));
        if (rc == TARN_EAGAIN)
            return FILL_PEER;
        if (rc == TARN_OK && r->body.taken > r->body.len_max)
            rc = TARN_ETOOBIG;
        if (rc < 0) {
            r->body.broken = rc;
            return FILL_BUSY;
        }
        if (bytes != room)
            memcpy(room, bytes, len);
        w->len += len;
    }
    return FILL_ENOUGH;
}

static enum conn_next body_on_worker(struct conn *c)
{
    struct req *r = c->req;
    enum fill fill = fill_window(c);
    if (r->body.broken < 0)
        return CONN_AGAIN;
    size_t len = r->filling ? r->filling->len : 0;
    bool is_worth_it = fill == FILL_ENOUGH || len >= HTTP_DISPATCH_LEN_MIN;
    bool is_all_out = r->is_body_job_out && r->job_is_last;
    if (is_worth_it && !r->is_body_job_out) {
        dispatch(c, TARN_OK);
        return CONN_AGAIN;
    }
    return fill == FILL_PEER && !is_all_out ? wait_for_peer(c) : wait_for_us(c);
}

/* --- Both --- */

enum conn_next body_break(struct conn *c)
{
    struct req *r = c->req;
    const struct http_handler *h = &c->loop->server->config.handler;
    assert(!r->is_body_over);
    if (r->is_body_job_out)
        return wait_for_us(c);
    if (r->place == HTTP_ON_WORKER) {
        dispatch(c, r->body.broken);
        return wait_for_us(c);
    }
    h->on_broken(h->context, &r->pub, r->body.broken);
    r->is_told = true;
    r->is_body_over = true;
    return CONN_AGAIN;
}

/* After on_broken: an answer may have been given, and a peer may be there to read it. */
static enum conn_next leave_broken(struct conn *c)
{
    struct req *r = c->req;
    bool has_peer = c->stream.fd >= 0 && r->body.broken != TARN_ENETWORK;
    r->is_closing = true;
    conn_enter(c, r->is_answered && has_peer ? CONN_REPLY : CONN_CLOSED);
    return CONN_AGAIN;
}

/* TARN_OK when "100 Continue" is out, or was not wanted. */
static int send_continue(struct conn *c)
{
    struct req *r = c->req;
    size_t len = sizeof continue_text - 1;
    while (r->continue_left > 0) {
        char text[sizeof continue_text];
        memcpy(text, continue_text, sizeof text);
        struct iovec part = { text + len - r->continue_left, r->continue_left };
        ssize_t n = c->may_write ? net_stream_write(&c->stream, &part, 1) : TARN_EAGAIN;
        if (n == TARN_EAGAIN)
            c->may_write = false;
        if (n < 0)
            return (int)n;
        r->continue_left -= (unsigned)n;
        r->bytes_out += (size_t)n;
    }
    return TARN_OK;
}

enum conn_next conn_on_body(struct conn *c)
{
    struct req *r = c->req;
    if (r->is_told)
        return leave_broken(c);
    if (r->is_answered || r->is_body_over)
        return r->is_body_job_out ? wait_for_us(c) : leave_body(c);
    if (r->body.broken < 0)
        return body_break(c);
    int rc = send_continue(c);
    if (rc == TARN_EAGAIN)
        return wait_for_peer(c);
    if (rc < 0) {
        r->body.broken = rc;
        return CONN_AGAIN;
    }
    return r->place == HTTP_ON_LOOP ? body_on_loop(c) : body_on_worker(c);
}

enum conn_next conn_on_drain(struct conn *c)
{
    struct req *r = c->req;
    while (c->turn_left > 0) {
        char *bytes;
        size_t len;
        int rc = body_next(c, c->loop->scratch, sizeof c->loop->scratch, &bytes, &len);
        if (rc == TARN_EAGAIN)
            return wait_for_peer(c);
        if (rc < 0) {
            conn_enter(c, CONN_CLOSED);
            return CONN_AGAIN;
        }
        if (len == 0 && !r->is_closing) {
            conn_next_request(c);
            return CONN_AGAIN;
        }
        if (len == 0 || r->body.taken > HTTP_DRAIN_LEN_MAX) {
            conn_close_gently(c);
            return CONN_AGAIN;
        }
    }
    conn_make_ready(c);
    return CONN_WAIT;
}
