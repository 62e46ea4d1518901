/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: its states, and what moves it from one to the next. */

#include "server/http/conn.h"

#include <assert.h>

#include "base/log.h"

static enum conn_next on_head(struct conn *c);
static enum conn_next on_running(struct conn *c);
static enum conn_next on_linger(struct conn *c);
static enum conn_next on_closed(struct conn *c);

#define TO(state) (1u << (state))

static const struct {
    const char *name;
    enum conn_next (*run)(struct conn *c);
    uint32_t may_enter;
} states[CONN_STATE_COUNT] = {
    [CONN_HEAD] = { "head", on_head, TO(CONN_RUNNING) | TO(CONN_REPLY) | TO(CONN_CLOSED) },
    [CONN_RUNNING] = { "running", on_running, TO(CONN_BODY) | TO(CONN_REPLY) | TO(CONN_CLOSED) },
    [CONN_BODY] = { "body", conn_on_body, TO(CONN_RUNNING) | TO(CONN_REPLY) | TO(CONN_CLOSED) },
    [CONN_REPLY] = { "reply", conn_on_reply,
                     TO(CONN_HEAD) | TO(CONN_DRAIN) | TO(CONN_LINGER) | TO(CONN_CLOSED) },
    [CONN_DRAIN] = { "drain", conn_on_drain, TO(CONN_HEAD) | TO(CONN_LINGER) | TO(CONN_CLOSED) },
    [CONN_LINGER] = { "linger", on_linger, TO(CONN_CLOSED) },
    [CONN_CLOSED] = { "closed", on_closed, 0 },
};

static void leave_socket(struct conn *c)
{
    if (c->stream.fd < 0)
        return;
    net_poll_remove(&c->loop->net.poll, c->stream.fd);
    net_stream_close(&c->stream);
}

void conn_enter(struct conn *c, enum conn_state to)
{
    assert(states[c->state].may_enter & TO(to));
    TN_TRACE(conn, "%u: %s -> %s", c->id, states[c->state].name, states[to].name);
    c->state = to;
    net_timer_stop(&c->timer);
    http_window_wait_end(&c->loop->windows, &c->waiter);
    if (to == CONN_LINGER) {
        net_stream_shutdown(&c->stream);
        c->linger_left = HTTP_LINGER_LEN_MAX;
        net_timer_set(&c->loop->net, &c->loop->linger_timers, &c->timer);
    }
    if (to == CONN_CLOSED)
        leave_socket(c);
}

static void conn_free(struct conn *c)
{
    struct http_loop *loop = c->loop;
    assert(!c->req);
    leave_socket(c);
    net_timer_stop(&c->timer);
    http_window_wait_end(&loop->windows, &c->waiter);
    loop_forget(loop, c);
    tn_free(c);
}

void conn_make_ready(struct conn *c)
{
    if (c->is_ready)
        return;
    c->is_ready = true;
    c->ready_next = NULL;
    *c->loop->ready_last = c;
    c->loop->ready_last = &c->ready_next;
}

void conn_run(struct conn *c)
{
    assert(!c->is_running);
    c->is_running = true;
    c->turn_left = HTTP_TURN_LEN_MAX;
    enum conn_next next;
    do {
        next = states[c->state].run(c);
    } while (next == CONN_AGAIN);
    c->is_running = false;
    /* One that waits in line is freed when its place comes up: the line has no way back. */
    if (next == CONN_DONE && !c->is_ready)
        conn_free(c);
}

void conn_run_ready(struct http_loop *loop)
{
    struct conn *c = loop->ready_first;
    loop->ready_first = NULL;
    loop->ready_last = &loop->ready_first;
    while (c) {
        struct conn *next = c->ready_next;
        c->is_ready = false;
        conn_run(c);
        c = next;
    }
}

static void on_event(struct net_source *source, unsigned events)
{
    struct conn *c = TN_CONTAINER(source, struct conn, source);
    if (events & (NET_READABLE | NET_HANGUP))
        c->may_read = true;
    if (events & (NET_WRITABLE | NET_HANGUP))
        c->may_write = true;
    if (events & NET_HANGUP)
        c->has_hangup = true;
    if ((events & NET_READABLE) && c->stream.write_wants_read)
        c->may_write = true;
    if ((events & NET_WRITABLE) && c->stream.read_wants_write)
        c->may_read = true;
    conn_run(c);
}

ssize_t conn_read(struct conn *c, void *room, size_t cap)
{
    ssize_t n = net_stream_read(&c->stream, room, cap);
    if (n == TARN_EAGAIN || (c->stream.is_drained && !c->has_hangup))
        c->may_read = false;
    if (n <= 0)
        return n;
    size_t len = (size_t)n;
    c->turn_left -= len < c->turn_left ? len : c->turn_left;
    loop_count_add(&c->loop->bytes_in, len);
    if (c->req)
        c->req->bytes_in += len;
    return n;
}

void conn_open(struct http_loop *loop, int fd, const struct sockaddr_storage *peer, bool is_excess)
{
    struct net_stream stream;
    net_stream_open(&stream, fd);
    struct conn *c = tn_calloc(1, sizeof *c);
    if (!c || (loop->server->tls && net_tls_wrap(loop->server->tls, &stream) < 0)) {
        tn_free(c);
        net_stream_close(&stream);
        return;
    }
    c->source.on_event = on_event;
    c->stream = stream;
    c->loop = loop;
    c->id = loop->next_id++;
    c->is_excess = is_excess;
    c->may_write = true;
    c->peer_len = net_peer_text(peer, c->peer, sizeof c->peer);
    if (net_poll_add(&loop->net.poll, fd, NET_EDGE, &c->source) < 0) {
        net_stream_close(&stream);
        tn_free(c);
        return;
    }
    c->prev = loop->conns.prev;
    c->next = &loop->conns;
    c->prev->next = c;
    loop->conns.prev = c;
    loop->conn_count++;
    (void)atomic_fetch_add_explicit(&loop->server->conn_count, 1, memory_order_relaxed);
    loop_count_add(&loop->connections_total, 1);
    net_timer_set(&loop->net, &loop->head_timers, &c->timer);
    if (is_excess)
        conn_make_ready(c);
}

/* --- Head --- */

void conn_refuse(struct conn *c, int status, const char *code, const char *message)
{
    struct req *r = c->req;
    const struct http_config *config = &c->loop->server->config;
    memset(&r->pub.head, 0, sizeof r->pub.head);
    r->is_closing = true;
    r->is_answered = true;
    r->is_body_over = true;
    r->body.is_complete = true;
    (void)snprintf(r->pub.error_code, sizeof r->pub.error_code, "%s", code);
    if (req_begin(r) < 0) {
        conn_enter(c, CONN_CLOSED);
        return;
    }
    r->pub.answer.status = status;
    if (config->on_protocol_error)
        config->on_protocol_error(config->handler.context, &r->pub, status, code, message);
    else
        r->pub.answer.body = tn_str_from(message);
    conn_enter(c, CONN_REPLY);
}

/* Idle connections hold nothing. */
static enum conn_next wait_for_head(struct conn *c)
{
    struct http_loop *loop = c->loop;
    struct req *r = c->req;
    if (r && r->in_len > 0)
        return CONN_WAIT;
    if (r) {
        req_give(loop, r);
        c->req = NULL;
    }
    if (loop->is_stopping) {
        conn_enter(c, CONN_CLOSED);
        return CONN_AGAIN;
    }
    if (!net_timer_is_set(&c->timer))
        net_timer_set(&loop->net, c->was_used ? &loop->idle_timers : &loop->head_timers, &c->timer);
    return CONN_WAIT;
}

static enum conn_next read_head(struct conn *c)
{
    struct req *r = c->req;
    if (r->in_len == r->in_cap && !req_in_grow(r)) {
        conn_refuse(c, 431, "RequestHeaderSectionTooLarge", "The request head is too large.");
        return CONN_AGAIN;
    }
    ssize_t n = conn_read(c, r->in + r->in_len, r->in_cap - r->in_len);
    if (n == TARN_EAGAIN)
        return wait_for_head(c);
    if (n <= 0) {
        conn_enter(c, CONN_CLOSED);
        return CONN_AGAIN;
    }
    /* From the first byte on the head has its own, fixed time. */
    if (r->in_len == 0)
        net_timer_set(&c->loop->net, &c->loop->head_timers, &c->timer);
    r->in_len += (size_t)n;
    return CONN_AGAIN;
}

static const char *code_of_refusal(int status)
{
    switch (status) {
    case 414:
        return "KeyTooLongError";
    case 431:
        return "RequestHeaderSectionTooLarge";
    case 501:
        return "NotImplemented";
    case 505:
        return "HttpVersionNotSupported";
    default:
        return "BadRequest";
    }
}

static enum conn_next start(struct conn *c)
{
    struct req *r = c->req;
    struct http_loop *loop = c->loop;
    int rc = tn_http1_take(&r->parser, r->in, &r->pub.arena, &r->pub.head);
    if (rc == TARN_OK)
        rc = req_begin(r);
    if (rc < 0) {
        conn_enter(c, CONN_CLOSED);
        return CONN_AGAIN;
    }
    r->in_pos = r->parser.head_len;
    size_t cost = HTTP_TURN_LEN_PER_REQUEST;
    c->turn_left -= cost < c->turn_left ? cost : c->turn_left;
    c->was_used = true;
    body_begin(r);
    conn_enter(c, CONN_RUNNING);
    r->is_headed = true;
    loop->server->config.handler.on_head(loop->server->config.handler.context, &r->pub);
    return CONN_AGAIN;
}

static enum conn_next parse_head(struct conn *c)
{
    struct req *r = c->req;
    int rc = tn_http1_parse(&r->parser, r->in, r->in_len);
    if (rc == TARN_OK)
        return start(c);
    if (rc != TARN_EAGAIN) {
        int status = r->parser.refuse_status;
        conn_refuse(c, status, code_of_refusal(status), r->parser.refuse_reason);
        return CONN_AGAIN;
    }
    if (!net_timer_is_set(&c->timer)) /* pipelined: no read has set it */
        net_timer_set(&c->loop->net, &c->loop->head_timers, &c->timer);
    return c->may_read ? read_head(c) : CONN_WAIT;
}

static enum conn_next on_head(struct conn *c)
{
    if (c->turn_left == 0) {
        conn_make_ready(c);
        return CONN_WAIT;
    }
    if (!c->req && !c->may_read && !c->is_excess)
        return wait_for_head(c);
    if (!c->req) {
        c->req = req_take(c->loop);
        if (!c->req) {
            conn_enter(c, CONN_CLOSED);
            return CONN_AGAIN;
        }
        c->req->conn = c;
    }
    if (c->is_excess) {
        conn_refuse(c, 503, "SlowDown", "The server has too many connections.");
        return CONN_AGAIN;
    }
    if (c->req->in_len > 0)
        return parse_head(c);
    return c->may_read ? read_head(c) : wait_for_head(c);
}

/* --- Running, linger, closed --- */

static enum conn_next on_running(struct conn *c)
{
    struct req *r = c->req;
    if (r->is_answered) {
        conn_enter(c, CONN_REPLY);
        return CONN_AGAIN;
    }
    if (r->is_accepted && !r->is_body_over) {
        conn_enter(c, CONN_BODY);
        return CONN_AGAIN;
    }
    return CONN_WAIT;
}

static enum conn_next on_linger(struct conn *c)
{
    struct http_loop *loop = c->loop;
    while (c->may_read && c->turn_left > 0 && c->linger_left > 0) {
        ssize_t n = net_stream_drop(&c->stream, loop->scratch, sizeof loop->scratch);
        if (n == TARN_EAGAIN) {
            c->may_read = false;
            return CONN_WAIT;
        }
        if (n <= 0) {
            conn_enter(c, CONN_CLOSED);
            return CONN_AGAIN;
        }
        size_t len = (size_t)n;
        c->turn_left -= len < c->turn_left ? len : c->turn_left;
        c->linger_left -= len < c->linger_left ? len : c->linger_left;
    }
    if (c->linger_left == 0) {
        conn_enter(c, CONN_CLOSED);
        return CONN_AGAIN;
    }
    if (c->may_read)
        conn_make_ready(c);
    return CONN_WAIT;
}

static enum conn_next on_closed(struct conn *c)
{
    if (!c->req)
        return CONN_DONE;
    /* A body that was accepted after the connection had been cut. */
    if (c->req->is_accepted && !c->req->is_body_over && !c->req->is_answered) {
        c->req->body.broken = TARN_ECANCELLED;
        return body_break(c);
    }
    if (req_is_in_flight(c->req))
        return CONN_WAIT;
    req_finish(c->req);
    req_give(c->loop, c->req);
    c->req = NULL;
    return CONN_DONE;
}

void conn_next_request(struct conn *c)
{
    req_reset(c->req);
    conn_enter(c, CONN_HEAD);
}

/* Closing while the peer's bytes are unread would reset the connection under the answer. */
void conn_close_gently(struct conn *c)
{
    struct req *r = c->req;
    bool may_have_more = !r->body.is_complete || r->in_pos < r->in_len || c->may_read;
    if (!may_have_more)
        net_stream_shutdown(&c->stream);
    req_give(c->loop, r);
    c->req = NULL;
    conn_enter(c, may_have_more ? CONN_LINGER : CONN_CLOSED);
}

/* --- Ends that come from outside --- */

/* A body under way ends by on_broken first; the rest is left to the states. */
static void end(struct conn *c, int status)
{
    if (c->state == CONN_BODY) {
        if (c->req->body.broken == TARN_OK)
            c->req->body.broken = status;
        if (status == TARN_ECANCELLED)
            leave_socket(c);
    } else if (c->state != CONN_CLOSED) {
        conn_enter(c, CONN_CLOSED);
    }
    if (!c->is_ready)
        conn_run(c);
}

void conn_cut(struct conn *c)
{
    end(c, TARN_ECANCELLED);
}

void conn_on_timeout(struct net_timer *timer)
{
    struct conn *c = TN_CONTAINER(timer, struct conn, timer);
    TN_TRACE(conn, "%u: timeout in %s", c->id, states[c->state].name);
    if (c->state == CONN_HEAD && c->req && c->req->in_len > 0) {
        conn_refuse(c, 408, "RequestTimeout", "The request head did not arrive in time.");
        if (!c->is_ready)
            conn_run(c);
        return;
    }
    end(c, TARN_ETIMEOUT);
}

void conn_on_window(struct http_window_waiter *waiter)
{
    conn_make_ready(TN_CONTAINER(waiter, struct conn, waiter));
}
