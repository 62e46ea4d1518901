/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: their records, what handlers call on them, and the line in the log. */

#include "server/http/conn.h"

#include <assert.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "server/http/pen.h"

#if defined(__SANITIZE_ADDRESS__)
enum { FREE_COUNT_MAX = 0 }; /* so that the sanitizer sees late uses */
#else
enum { FREE_COUNT_MAX = HTTP_FREE_COUNT_MAX };
#endif

/* A longer buffer than this is not kept for the next request. */
enum { KEPT_HEADERS_LEN = 4096 };

enum {
    LOG_FIELD_LEN_MAX = 64,
    LOG_LINE_LEN_MAX = HTTP_LOG_TARGET_LEN_MAX + 1024, /* names, numbers, six fields */
};

static void on_reply_msg(struct net_msg *msg)
{
    struct req *r = TN_CONTAINER(msg, struct req, reply_msg);
    assert(!r->is_answered);
    r->is_answered = true;
    conn_run(r->conn);
}

static void on_step_msg(struct net_msg *msg)
{
    struct req *r = TN_CONTAINER(msg, struct req, step_msg);
    struct conn *c = r->conn;
    c->is_running = true;
    r->step(&r->pub);
    c->is_running = false;
    conn_run(c);
}

static void run_step_job(struct net_job *job)
{
    struct req *r = TN_CONTAINER(job, struct req, step_job);
    r->step(&r->pub);
}

/* Zero but for what is kept from request to request. */
static void req_clear(struct req *r)
{
    struct tn_buf headers = r->pub.answer.headers;
    struct tn_arena arena = r->pub.arena;
    if (headers.cap > KEPT_HEADERS_LEN)
        tn_buf_release(&headers);
    tn_buf_truncate(&headers, 0);
    tn_arena_reset(&arena);
    if (r->body.is_chunked)
        tn_chunked_release(&r->body.chunked);
    memset(&r->pub, 0, sizeof r->pub);
    r->pub.answer.headers = headers;
    r->pub.arena = arena;
    r->body = (struct body_in){ 0 };
    /* The fixed text is overwritten by the next head; all before it starts anew. */
    memset(&r->reply, 0, offsetof(struct reply_out, fixed));
    r->is_headed = r->is_accepted = r->is_body_over = r->is_told = false;
    r->is_answered = r->is_finished = r->is_closing = false;
    r->job_broken = r->job_status = TARN_OK;
    r->job_is_last = false;
    r->continue_left = 0;
    r->bytes_in = r->bytes_out = 0;
    tn_http1_init(&r->parser, HTTP_HEAD_LEN_MAX);
}

static void req_free(struct req *r)
{
    tn_arena_release(&r->pub.arena);
    tn_buf_release(&r->pub.answer.headers);
    if (r->body.is_chunked)
        tn_chunked_release(&r->body.chunked);
    if (r->in != r->in_small)
        tn_free(r->in);
    tn_free(r);
}

static struct req *req_new(void)
{
    struct req *r = tn_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    tn_arena_init(&r->pub.arena, HTTP_ARENA_LEN_MAX);
    tn_buf_init(&r->pub.answer.headers, HTTP_ANSWER_HEAD_LEN_MAX);
    tn_http1_init(&r->parser, HTTP_HEAD_LEN_MAX);
    r->in = r->in_small;
    r->in_cap = sizeof r->in_small;
    r->reply_msg.run = on_reply_msg;
    r->step_msg.run = on_step_msg;
    r->step_job.run = run_step_job;
    body_init_jobs(r);
    reply_init_jobs(r);
    return r;
}

struct req *req_take(struct http_loop *loop)
{
    struct req *r = loop->free_reqs;
    if (!r)
        return req_new();
    loop->free_reqs = r->next_free;
    loop->free_req_count--;
    return r;
}

static void shrink_in(struct req *r)
{
    size_t len = r->in_len - r->in_pos;
    if (r->in == r->in_small || len > sizeof r->in_small) {
        memmove(r->in, r->in + r->in_pos, len);
    } else {
        memcpy(r->in_small, r->in + r->in_pos, len);
        tn_free(r->in);
        r->in = r->in_small;
        r->in_cap = sizeof r->in_small;
    }
    r->in_pos = 0;
    r->in_len = len;
}

void req_reset(struct req *r)
{
    assert(!req_is_in_flight(r));
    req_clear(r);
    shrink_in(r);
}

void req_give(struct http_loop *loop, struct req *r)
{
    if (loop->free_req_count + 1 > FREE_COUNT_MAX) {
        req_free(r);
        return;
    }
    r->in_pos = r->in_len;
    req_reset(r);
    r->conn = NULL;
    r->next_free = loop->free_reqs;
    loop->free_reqs = r;
    loop->free_req_count++;
}

void req_free_all(struct http_loop *loop)
{
    while (loop->free_reqs) {
        struct req *r = loop->free_reqs;
        loop->free_reqs = r->next_free;
        req_free(r);
    }
    loop->free_req_count = 0;
}

bool req_in_grow(struct req *r)
{
    /* One byte more than the longest head, so that the parser gets to see that it is too long. */
    const size_t cap = HTTP_HEAD_LEN_MAX + 1;
    if (r->in_cap >= cap)
        return false;
    char *in = tn_realloc(NULL, cap);
    if (!in)
        return false;
    memcpy(in, r->in, r->in_len);
    r->in = in;
    r->in_cap = cap;
    return true;
}

int req_begin(struct req *r)
{
    static const char digits[] = "0123456789abcdef";
    struct conn *c = r->conn;
    char *peer = tn_arena_memdup(&r->pub.arena, c->peer, c->peer_len);
    if (!peer)
        return TARN_ENOMEM;
    r->pub.peer = (struct tn_str){ peer, c->peer_len };
    uint64_t id = tn_random_below(UINT64_MAX);
    for (size_t i = 0; i < HTTP_REQUEST_ID_LEN; i++)
        r->pub.id[i] = digits[(id >> (60 - 4 * i)) & 15];
    r->pub.is_tls = c->loop->server->tls != NULL;
    r->pub.start_ns = tn_now_ns();
    loop_count_add(&c->loop->requests, 1);
    return TARN_OK;
}

bool req_is_in_flight(const struct req *r)
{
    bool owes_reply = r->is_headed && !r->is_answered && !r->is_told && !r->is_finished;
    return r->is_body_job_out || r->is_read_job_out || owes_reply;
}

/* --- The log line --- */

static void put_target(struct pen *pen, struct tn_str target)
{
    static const char digits[] = "0123456789abcdef";
    /* Without the query: presigned ones are as good as a password. */
    struct tn_str path = tn_str_split(&target, '?');
    size_t end = pen->room - HTTP_LOG_TARGET_LEN_MAX;
    for (size_t i = 0; i < path.len && pen->room > end + 4; i++) {
        unsigned char b = (unsigned char)path.data[i];
        const char escaped[4] = { '\\', 'x', digits[b >> 4], digits[b & 15] };
        if (b <= ' ' || b >= 0x7f || b == '"' || b == '\\')
            pen_put(pen, escaped, sizeof escaped);
        else
            pen_put(pen, &path.data[i], 1);
    }
}

static void put_field(struct pen *pen, const char *name, struct tn_str value)
{
    pen_text(pen, name);
    pen_str(pen, tn_str_sub(value, 0, LOG_FIELD_LEN_MAX));
}

static void log_line(const struct req *r)
{
    if (!tn_log_is_on(TN_LOG_INFO))
        return;
    struct http_loop *loop = r->conn->loop;
    const struct http_req *pub = &r->pub;
    bool is_out = r->is_answered && r->reply.is_begun;
    uint64_t now_ns = tn_now_ns();
    if (sizeof loop->log - loop->log_len < LOG_LINE_LEN_MAX)
        loop_log_flush(loop);
    struct pen pen = { loop->log + loop->log_len, LOG_LINE_LEN_MAX };
    char stamp[TN_TIME_LEN];
    tn_time_iso8601(tn_wall_ms(), stamp);
    put_field(&pen, "ts=", tn_str_from(stamp));
    put_field(&pen, " level=info event=request id=", tn_str_from(pub->id));
    put_field(&pen, " peer=", pub->peer);
    put_field(&pen, " method=", pub->head.method);
    pen_text(&pen, " target=\"");
    put_target(&pen, pub->head.target);
    pen_text(&pen, "\" status=");
    pen_number(&pen, is_out ? (uint64_t)pub->answer.status : 0);
    pen_text(&pen, " in=");
    pen_number(&pen, r->bytes_in);
    pen_text(&pen, " out=");
    pen_number(&pen, r->bytes_out);
    pen_text(&pen, " ms=");
    pen_number(&pen, (now_ns - pub->start_ns) / 1000000);
    put_field(&pen, " op=", tn_str_from(pub->op ? pub->op : "-"));
    put_field(&pen, " error=", tn_str_from(pub->error_code[0] ? pub->error_code : "-"));
    pen_text(&pen, "\n");
    loop->log_len = (size_t)(pen.at - loop->log);
}

void loop_log_flush(struct http_loop *loop)
{
    if (loop->log_len && tn_fd_write(STDERR_FILENO, loop->log, loop->log_len) < 0)
        loop->log_len = 0; /* there is nowhere left to complain */
    loop->log_len = 0;
}

void req_finish(struct req *r)
{
    struct http_loop *loop = r->conn->loop;
    const struct http_handler *h = &loop->server->config.handler;
    assert(!req_is_in_flight(r));
    if (r->is_finished)
        return;
    r->is_finished = true;
    http_window_give(&loop->windows, TN_TAKE(r->filling));
    http_window_give(&loop->windows, TN_TAKE(r->reply.sending));
    http_window_give(&loop->windows, TN_TAKE(r->reply.ready));
    if (!loop->trim_timer.next && loop->windows.free_count > 0)
        net_timer_set(&loop->net, &loop->trim_timers, &loop->trim_timer);
    if (r->is_headed || r->is_answered)
        log_line(r);
    if (r->is_headed)
        h->on_done(h->context, &r->pub);
}

/* --- What handlers call --- */

void http_run_on_worker(struct http_req *pub, void (*step)(struct http_req *req))
{
    struct req *r = req_of(pub);
    r->step = step;
    net_pool_post(&r->conn->loop->server->pool, &r->step_job);
}

void http_run_on_loop(struct http_req *pub, void (*step)(struct http_req *req))
{
    struct req *r = req_of(pub);
    r->step = step;
    net_loop_post(&r->conn->loop->net, &r->step_msg);
}

void http_reply(struct http_req *pub)
{
    struct req *r = req_of(pub);
    struct conn *c = r->conn;
    if (net_loop_is_here(&c->loop->net) && c->is_running) {
        assert(!r->is_answered);
        r->is_answered = true;
        return;
    }
    net_loop_post(&c->loop->net, &r->reply_msg);
}

static bool is_header_safe(struct tn_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char b = (unsigned char)value.data[i];
        if ((b < 0x20 && b != '\t') || b == 0x7f)
            return false;
    }
    return true;
}

int http_header(struct http_req *pub, const char *name, struct tn_str value)
{
    struct tn_buf *headers = &pub->answer.headers;
    size_t name_len = strlen(name);
    if (!is_header_safe(value))
        return TARN_EINVAL;
    if (value.len > headers->max)
        return TARN_ETOOBIG;
    int rc = tn_buf_reserve(headers, name_len + value.len + 4);
    if (rc < 0)
        return rc;
    char *at = headers->data + headers->len;
    memcpy(at, name, name_len);
    memcpy(at + name_len, ": ", 2);
    if (value.len)
        memcpy(at + name_len + 2, value.data, value.len);
    memcpy(at + name_len + 2 + value.len, "\r\n", 3);
    headers->len += name_len + value.len + 4;
    return TARN_OK;
}

int http_headerf(struct http_req *pub, const char *name, const char *format, ...)
{
    struct tn_buf *headers = &pub->answer.headers;
    size_t before = headers->len;
    int rc = tn_buf_append_text(headers, name);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(headers, ": ");
    size_t value_at = headers->len;
    if (rc == TARN_OK) {
        va_list args;
        va_start(args, format);
        rc = tn_buf_vappendf(headers, format, args);
        va_end(args);
    }
    if (rc == TARN_OK && !is_header_safe(tn_str_sub(tn_buf_str(headers), value_at, SIZE_MAX)))
        rc = TARN_EINVAL;
    if (rc == TARN_OK)
        rc = tn_buf_append_text(headers, "\r\n");
    if (rc < 0)
        tn_buf_truncate(headers, before);
    return rc;
}
