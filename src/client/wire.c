/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, and the HTTP/1.1 on them. Descriptors are registered once, edge-triggered: what the
 * kernel has told is remembered until a system call says "would block". */

#include "client/wire.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "client/client_impl.h"

enum {
    RECEIVE_LEN = 64 * 1024,
    RECEIVE_HEAD_LEN = 4 * 1024, /* where the rest is better received at its place */
    RECEIVE_DOCUMENT_MAX = 256 * 1024,
    SEND_STEP_LEN = 64 * 1024,
    FILE_STEP_LEN = 64 * 1024, /* checked at once; no more than RECEIVE_LEN */
    TURN_BYTES_MAX = 2 << 20,  /* of one connection in one turn */
    LINE_LEN_MAX = 32 * 1024,
    SWEEP_MS = 250,
    SLOT_BITS = 16,
    CHUNK_SIZE_DIGITS_MAX = 15,
};

enum conn_state { CONN_FREE, CONN_IDLE, CONN_CONNECTING, CONN_BUSY };

/* Where in an answer the next byte belongs. */
enum answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH, /* `left` bytes of body */
    ANSWER_TO_END, /* body until the connection ends */
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_DONE
};

struct tn_wire_conn {
    enum conn_state state;
    uint32_t generation; /* so that an event for what was here before is recognised */
    int fd;
    struct tn_wire_conn *newer, *older; /* among the idle or the free ones, by their last use */
    char host[TN_HOST_LEN_MAX];
    struct tn_op *op;
    bool is_reused;
    bool can_read; /* as the kernel told last */
    bool can_write;
    bool is_waiting; /* for the pipe of the body */
    bool is_paused;  /* the answer's taker is full; `kept` has what it could not take */
    bool is_hung;    /* nothing comes behind what is there to be read */
    bool is_ready;   /* to go on in the next turn without an event */
    uint64_t started_ns;

    struct tn_buf out; /* head, then pieces of the body */
    size_t out_sent;
    uint64_t file_offset; /* then so much of the file that is the body */
    size_t file_len;
    bool copies_file; /* the kernel does not send from that file */
    bool has_sent_all;

    enum answer_state answer;
    struct tn_buf line; /* the beginning of one that is not here whole */
    struct tn_buf kept;
    uint64_t left;
    bool has_answer; /* a byte of it */
    bool is_chunked;
    bool has_length;
    bool closes; /* no other exchange after this one */
};

struct conn_list {
    struct tn_wire_conn *newest, *oldest;
};

struct tn_wire {
    struct tarn_client *client;
    int epoll_fd;
    struct tn_wire_conn *conns;
    struct conn_list idle, free;
    int conns_max;
    int busy_count;
    int ready_count;
    uint64_t swept_ns;
    char *received;
    struct tn_op *first_done, *last_done;
};

/* ---- connections ---- */

static struct conn_list *list_of(struct tn_wire *w, enum conn_state state)
{
    return state == CONN_IDLE ? &w->idle : state == CONN_FREE ? &w->free : NULL;
}

static void enter(struct tn_wire *w, struct tn_wire_conn *c, enum conn_state to)
{
    struct conn_list *from_list = list_of(w, c->state);
    struct conn_list *to_list = list_of(w, to);
    if (from_list) {
        *(c->newer ? &c->newer->older : &from_list->newest) = c->older;
        *(c->older ? &c->older->newer : &from_list->oldest) = c->newer;
        c->newer = c->older = NULL;
    }
    if (to_list) {
        c->newer = NULL;
        c->older = to_list->newest;
        *(to_list->newest ? &to_list->newest->newer : &to_list->oldest) = c;
        to_list->newest = c;
    }
    w->busy_count += (int)(to_list == NULL) - (int)(from_list == NULL);
    c->state = to;
}

struct tn_wire *tn_wire_new(struct tarn_client *client, int epoll_fd, int conns_max)
{
    struct tn_wire *w = tn_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct tn_wire){ .client = client, .epoll_fd = epoll_fd, .conns_max = conns_max };
    w->conns = tn_calloc((size_t)conns_max, sizeof *w->conns);
    for (int i = w->conns ? conns_max : 0; i-- > 0;) {
        *(w->free.newest ? &w->free.newest->newer : &w->free.oldest) = &w->conns[i];
        w->conns[i].older = w->free.newest;
        w->free.newest = &w->conns[i];
        w->conns[i].fd = -1;
        w->conns[i].out = TN_BUF_INIT(TN_OP_HEAD_MAX + SEND_STEP_LEN);
        w->conns[i].line = TN_BUF_INIT(LINE_LEN_MAX);
        w->conns[i].kept = TN_BUF_INIT(RECEIVE_LEN);
    }
    w->received = tn_realloc(NULL, RECEIVE_LEN);
    if (!w->conns || !w->received) {
        tn_wire_free(w);
        return NULL;
    }
    return w;
}

static void set_ready(struct tn_wire *w, struct tn_wire_conn *c, bool is_ready)
{
    w->ready_count += (int)is_ready - (int)c->is_ready;
    c->is_ready = is_ready;
}

static void conn_close(struct tn_wire *w, struct tn_wire_conn *c)
{
    set_ready(w, c, false);
    tn_fd_close(&c->fd);
    tn_buf_release(&c->out);
    tn_buf_release(&c->line);
    tn_buf_release(&c->kept);
    if (c->state != CONN_FREE)
        enter(w, c, CONN_FREE);
    c->op = NULL;
    c->generation++;
}

void tn_wire_free(struct tn_wire *w)
{
    if (!w)
        return;
    assert(w->busy_count == 0);
    for (int i = 0; w->conns && i < w->conns_max; i++)
        conn_close(w, &w->conns[i]);
    tn_free(w->conns);
    tn_free(w->received);
    tn_free(w);
}

/* An idle connection to the host; else a free place; else that of an idle one to another host. The
 * last one that was used first: the others may grow old and be closed by the server. */
static struct tn_wire_conn *find_conn(struct tn_wire *w, const char *host)
{
    for (struct tn_wire_conn *c = w->idle.newest; c; c = c->older) {
        if (strcmp(c->host, host) == 0)
            return c;
    }
    if (!w->free.newest && w->idle.oldest)
        conn_close(w, w->idle.oldest);
    return w->free.newest;
}

static void report(struct tn_wire *w, struct tn_op *op, CURLcode code)
{
    op->wire_code = (int)code;
    op->is_reported = true;
    op->wire_next = NULL;
    *(w->last_done ? &w->last_done->wire_next : &w->first_done) = op;
    w->last_done = op;
}

struct tn_op *tn_wire_next(struct tn_wire *w, CURLcode *code)
{
    struct tn_op *op = w->first_done;
    if (!op)
        return NULL;
    w->first_done = op->wire_next;
    if (!w->first_done)
        w->last_done = NULL;
    op->wire_next = NULL;
    op->is_reported = false;
    *code = (CURLcode)op->wire_code;
    return op;
}

/* The end of an exchange: the connection is kept for the next one where both sides allow it. */
static void conn_end(struct tn_wire *w, struct tn_wire_conn *c, CURLcode code)
{
    struct tn_op *op = c->op;
    op->wire_conn = NULL;
    bool is_clean = code == CURLE_OK && c->has_sent_all && c->out_sent == c->out.len &&
                    c->file_len == 0 && c->answer == ANSWER_DONE && !c->closes && !c->is_hung;
    if (!is_clean) {
        conn_close(w, c);
    } else {
        set_ready(w, c, false);
        enter(w, c, CONN_IDLE);
        c->op = NULL;
    }
    report(w, op, code);
}

static int open_socket(struct tn_wire *w, struct tn_wire_conn *c,
                       const struct sockaddr_storage *address, socklen_t len)
{
    int one = 1;
    c->fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return -1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    if (connect(c->fd, (const struct sockaddr *)address, len) < 0 && errno != EINPROGRESS)
        return -1;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
    event.data.u64 =
        TN_WIRE_EVENT | (uint64_t)c->generation << SLOT_BITS | (uint64_t)(c - w->conns);
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static CURLcode conn_open(struct tn_wire *w, struct tn_wire_conn *c, const char *host, int attempt)
{
    struct sockaddr_storage address;
    socklen_t len;
    bool may_be_old = attempt <= 1; /* to ask takes its time, and here all others would wait */
    if (!tn_hosts_find(&w->client->hosts, host, (unsigned)attempt, may_be_old, &address, &len))
        return CURLE_COULDNT_RESOLVE_HOST;
    c->generation++;
    if (open_socket(w, c, &address, len) < 0) {
        tn_fd_close(&c->fd);
        return CURLE_COULDNT_CONNECT;
    }
    (void)snprintf(c->host, sizeof c->host, "%s", host);
    c->can_read = c->can_write = c->is_hung = false;
    return CURLE_OK;
}

static void go_on(struct tn_wire *w, struct tn_wire_conn *c);

CURLcode tn_wire_start(struct tn_wire *w, struct tn_op *op)
{
    struct tn_wire_conn *c = find_conn(w, op->host.data);
    if (!c)
        return CURLE_OUT_OF_MEMORY;
    bool is_reused = c->state == CONN_IDLE;
    if (!is_reused) {
        CURLcode code = conn_open(w, c, op->host.data, op->attempts);
        if (code != CURLE_OK)
            return code;
    }
    c->is_reused = is_reused;
    c->is_waiting = c->is_paused = c->has_sent_all = c->has_answer = false;
    c->is_chunked = c->has_length = c->closes = false;
    c->answer = ANSWER_HEAD;
    c->out_sent = 0;
    c->file_len = 0;
    c->copies_file = false;
    c->started_ns = tn_now_ns();
    tn_buf_truncate(&c->out, 0);
    tn_buf_truncate(&c->line, 0);
    tn_buf_truncate(&c->kept, 0);
    enter(w, c, is_reused ? CONN_BUSY : CONN_CONNECTING);
    if (tn_buf_append_str(&c->out, tn_buf_str(&op->lines)) < 0) {
        conn_close(w, c);
        return CURLE_OUT_OF_MEMORY;
    }
    c->op = op;
    op->wire_conn = c;
    if (is_reused)
        go_on(w, c);
    return CURLE_OK;
}

void tn_wire_drop(struct tn_wire *w, struct tn_op *op)
{
    struct tn_wire_conn *c = op->wire_conn;
    if (c)
        conn_close(w, c);
    op->wire_conn = NULL;
    if (!op->is_reported)
        return;
    /* It has ended in this very turn. */
    op->is_reported = false;
    struct tn_op *before = NULL;
    for (struct tn_op *done = w->first_done; done; before = done, done = done->wire_next) {
        if (done != op)
            continue;
        *(before ? &before->wire_next : &w->first_done) = op->wire_next;
        if (w->last_done == op)
            w->last_done = before;
        break;
    }
    op->wire_next = NULL;
}

/* ---- sending ---- */

static CURLcode code_of_read(size_t n)
{
    return n == CURL_READFUNC_PAUSE   ? CURLE_AGAIN
           : n == CURL_READFUNC_ABORT ? CURLE_ABORTED_BY_CALLBACK
                                      : CURLE_OK;
}

static int make_room(struct tn_wire_conn *c, size_t len)
{
    tn_buf_consume(&c->out, c->out_sent);
    c->out_sent = 0;
    return tn_buf_reserve(&c->out, len);
}

static void add_room(struct tn_wire_conn *c, size_t len)
{
    c->out.len += len;
    c->out.data[c->out.len] = '\0';
}

/* Puts more of the body behind what is to be sent. CURLE_AGAIN: the pipe is empty. */
static CURLcode take_body(struct tn_wire_conn *c)
{
    const struct tn_body *body = &c->op->body;
    uint64_t left = tn_body_wire_len(body) - (body->kind == TN_BODY_BYTES ? body->sent : 0);
    size_t step = left < SEND_STEP_LEN ? (size_t)left + 1 : SEND_STEP_LEN;
    if (make_room(c, step) < 0)
        return CURLE_OUT_OF_MEMORY;
    size_t n = tn_op_on_read(c->out.data + c->out.len, 1, step, c->op);
    CURLcode code = code_of_read(n);
    if (code != CURLE_OK)
        return code;
    add_room(c, n);
    c->has_sent_all = n == 0;
    return CURLE_OK;
}

/* The same of a file, whose bytes are checked here and sent by the kernel. */
static CURLcode take_file(struct tn_wire *w, struct tn_wire_conn *c)
{
    uint64_t offset = UINT64_MAX;
    size_t n = tn_op_on_piece(c->op, w->received, FILE_STEP_LEN, &offset);
    CURLcode code = code_of_read(n);
    if (code != CURLE_OK)
        return code;
    c->has_sent_all = n == 0;
    if (offset != UINT64_MAX) {
        c->file_offset = offset;
        c->file_len = n;
        return CURLE_OK;
    }
    if (make_room(c, n) < 0)
        return CURLE_OUT_OF_MEMORY;
    memcpy(c->out.data + c->out.len, w->received, n);
    add_room(c, n);
    return CURLE_OK;
}

/* Small heads take the first of the body along, so that a small request is one segment. */
static CURLcode fill_out(struct tn_wire *w, struct tn_wire_conn *c)
{
    switch (c->op->body.kind) {
    case TN_BODY_NONE:
        c->has_sent_all = true;
        return CURLE_OK;
    case TN_BODY_FILE:
        return take_file(w, c);
    case TN_BODY_BYTES:
    case TN_BODY_PIPE:
    default:
        return take_body(c);
    }
}

static void file_became_shorter(struct tn_wire_conn *c)
{
    c->op->body.rc = TARN_ECONFLICT;
    errno = EPIPE;
}

/* Where the kernel cannot, what was announced goes through memory. */
static ssize_t copy_file(struct tn_wire_conn *c)
{
    size_t len = c->file_len < SEND_STEP_LEN ? c->file_len : SEND_STEP_LEN;
    if (make_room(c, len) < 0) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t n = tn_fd_pread(c->op->body.fd, c->out.data + c->out.len, len, c->file_offset);
    if (n < (ssize_t)len) {
        file_became_shorter(c);
        return -1;
    }
    c->file_offset += len;
    c->file_len -= len;
    add_room(c, len);
    return send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
}

static ssize_t send_file(struct tn_wire_conn *c)
{
    off_t offset = (off_t)c->file_offset;
    ssize_t n = sendfile(c->fd, c->op->body.fd, &offset, c->file_len);
    if (n == 0) {
        file_became_shorter(c);
        return -1;
    }
    if (n > 0) {
        c->file_offset += (uint64_t)n;
        c->file_len -= (size_t)n;
    }
    return n;
}

/* Sends what is next: memory, else file. Bytes, or -1 with errno. */
static ssize_t send_next(struct tn_wire_conn *c)
{
    size_t left = c->out.len - c->out_sent;
    ssize_t n;
    if (left == 0 && !c->copies_file) {
        n = send_file(c);
        bool is_unable = n < 0 && (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP);
        c->copies_file = is_unable;
        if (!is_unable)
            return n;
    }
    if (left == 0)
        n = copy_file(c);
    else
        n = send(c->fd, c->out.data + c->out_sent, left,
                 MSG_NOSIGNAL | (c->file_len > 0 && !c->copies_file ? MSG_MORE : 0));
    if (n > 0)
        c->out_sent += (size_t)n;
    return n;
}

/* CURLE_AGAIN: it has to wait for its owner. */
static CURLcode fill_some(struct tn_wire *w, struct tn_wire_conn *c)
{
    CURLcode code = CURLE_OK;
    while (code == CURLE_OK && !c->has_sent_all && c->file_len == 0 &&
           c->out.len - c->out_sent < SEND_STEP_LEN / 4)
        code = fill_out(w, c);
    c->is_waiting = code == CURLE_AGAIN;
    return c->is_waiting ? CURLE_OK : code;
}

static CURLcode send_some(struct tn_wire *w, struct tn_wire_conn *c, size_t *budget)
{
    while (c->can_write && !c->is_waiting && *budget > 0) {
        CURLcode code = fill_some(w, c);
        if (code != CURLE_OK)
            return code;
        if (c->out.len == c->out_sent && c->file_len == 0)
            return CURLE_OK;
        ssize_t n = send_next(c);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            c->can_write = false;
            return CURLE_OK;
        }
        if (n < 0)
            return c->op->body.rc < 0 ? CURLE_ABORTED_BY_CALLBACK : CURLE_SEND_ERROR;
        tn_op_note_move(c->op, false);
        *budget -= (size_t)n < *budget ? (size_t)n : *budget;
    }
    return CURLE_OK;
}

/* ---- the answer ---- */

static bool is_bodiless(const struct tn_wire_conn *c)
{
    int status = c->op->http_status;
    return strcmp(c->op->method, "HEAD") == 0 || status == 204 || status == 304;
}

static CURLcode note_field(struct tn_wire_conn *c, struct tn_str line)
{
    char first = line.len > 0 ? tn_to_lower(line.data[0]) : '\0';
    if (first != 'c' && first != 't')
        return CURLE_OK;
    struct tn_str value = line;
    struct tn_str name = tn_str_split(&value, ':');
    value = tn_str_trim(value);
    if (tn_str_eq_nocase(name, TN_STR("content-length"))) {
        uint64_t length;
        if (tn_str_to_u64(value, &length) < 0 || (c->has_length && length != c->left))
            return CURLE_WEIRD_SERVER_REPLY;
        c->has_length = true;
        c->left = length;
    } else if (tn_str_eq_nocase(name, TN_STR("transfer-encoding"))) {
        if (!tn_str_eq_nocase(value, TN_STR("chunked")))
            return CURLE_WEIRD_SERVER_REPLY;
        c->is_chunked = true;
    } else if (tn_str_eq_nocase(name, TN_STR("connection"))) {
        c->closes = c->closes || tn_str_eq_nocase(value, TN_STR("close"));
    }
    return CURLE_OK;
}

static void begin_body(struct tn_wire_conn *c)
{
    if (c->op->http_status < 200) { /* the real head is still to come */
        c->has_length = c->is_chunked = false;
        return;
    }
    if (is_bodiless(c))
        c->answer = ANSWER_DONE;
    else if (c->is_chunked)
        c->answer = ANSWER_CHUNK_SIZE;
    else if (c->has_length)
        c->answer = c->left > 0 ? ANSWER_LENGTH : ANSWER_DONE;
    else
        c->answer = ANSWER_TO_END;
    if (c->answer == ANSWER_TO_END)
        c->closes = true;
}

/* A line of the head, with its line break. */
static CURLcode take_head_line(struct tn_wire_conn *c, struct tn_str line)
{
    struct tn_str bare = line;
    while (bare.len > 0 && (bare.data[bare.len - 1] == '\n' || bare.data[bare.len - 1] == '\r'))
        bare.len--;
    bool is_first = c->op->http_status == 0 || (c->op->http_status < 200 && bare.len >= 5 &&
                                                memcmp(bare.data, "HTTP/", 5) == 0);
    if (is_first && !tn_str_starts(bare, TN_STR("HTTP/1.")))
        return CURLE_UNSUPPORTED_PROTOCOL;
    if (is_first)
        c->closes = tn_str_starts(bare, TN_STR("HTTP/1.0"));
    else if (bare.len > 0 && note_field(c, bare) != CURLE_OK)
        return CURLE_WEIRD_SERVER_REPLY;
    /* It does not change what it gets; curl's signature says otherwise. */
    if (tn_op_on_header((char *)(uintptr_t)line.data, 1, line.len, c->op) != line.len)
        return CURLE_WRITE_ERROR;
    if (is_first && (c->op->http_status < 100 || c->op->http_status > 599))
        return CURLE_WEIRD_SERVER_REPLY;
    if (bare.len == 0)
        begin_body(c);
    return CURLE_OK;
}

static int hex_value(char c)
{
    if (tn_is_digit(c))
        return c - '0';
    c = tn_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static CURLcode take_chunk_size(struct tn_wire_conn *c, struct tn_str line)
{
    uint64_t size = 0;
    size_t digits = 0;
    for (; digits < line.len; digits++) {
        int value = hex_value(line.data[digits]);
        if (value < 0)
            break;
        if (digits == CHUNK_SIZE_DIGITS_MAX)
            return CURLE_WEIRD_SERVER_REPLY;
        size = size * 16 + (uint64_t)value;
    }
    if (digits == 0)
        return CURLE_WEIRD_SERVER_REPLY;
    c->left = size;
    c->answer = size > 0 ? ANSWER_CHUNK : ANSWER_TRAILER;
    return CURLE_OK;
}

/* With its line break. */
static bool is_empty_line(struct tn_str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (!strchr(" \t\r\n", line.data[i]) || line.data[i] == '\0')
            return false;
    }
    return true;
}

static CURLcode take_line(struct tn_wire_conn *c, struct tn_str line)
{
    switch (c->answer) {
    case ANSWER_HEAD:
        return take_head_line(c, line);
    case ANSWER_CHUNK_SIZE:
        return take_chunk_size(c, line);
    case ANSWER_CHUNK_END:
        c->answer = ANSWER_CHUNK_SIZE;
        return is_empty_line(line) ? CURLE_OK : CURLE_WEIRD_SERVER_REPLY;
    case ANSWER_TRAILER:
        if (is_empty_line(line))
            c->answer = ANSWER_DONE;
        return CURLE_OK;
    case ANSWER_LENGTH:
    case ANSWER_TO_END:
    case ANSWER_CHUNK:
    case ANSWER_DONE:
    default:
        return CURLE_WEIRD_SERVER_REPLY;
    }
}

/* Takes a line off the front of `bytes`, with what came of it before; CURLE_AGAIN when it is not
 * whole. */
static CURLcode feed_line(struct tn_wire_conn *c, struct tn_str *bytes)
{
    size_t end = tn_str_find_char(*bytes, '\n');
    struct tn_str piece = tn_str_sub(*bytes, 0, end == SIZE_MAX ? SIZE_MAX : end + 1);
    *bytes = tn_str_sub(*bytes, piece.len, SIZE_MAX);
    if (end != SIZE_MAX && c->line.len == 0)
        return take_line(c, piece);
    int rc = tn_buf_append_str(&c->line, piece);
    if (rc < 0)
        return rc == TARN_ENOMEM ? CURLE_OUT_OF_MEMORY : CURLE_WEIRD_SERVER_REPLY;
    if (end == SIZE_MAX)
        return CURLE_AGAIN;
    CURLcode code = take_line(c, tn_buf_str(&c->line));
    tn_buf_truncate(&c->line, 0);
    return code;
}

static CURLcode feed_body(struct tn_wire_conn *c, struct tn_str *bytes)
{
    bool is_counted = c->answer != ANSWER_TO_END;
    struct tn_str piece =
        is_counted && c->left < bytes->len ? tn_str_sub(*bytes, 0, (size_t)c->left) : *bytes;
    size_t n = tn_op_on_body((char *)(uintptr_t)piece.data, 1, piece.len, c->op);
    if (n == CURL_WRITEFUNC_PAUSE) {
        c->is_paused = true;
        return CURLE_AGAIN;
    }
    if (n != piece.len)
        return CURLE_WRITE_ERROR;
    *bytes = tn_str_sub(*bytes, piece.len, SIZE_MAX);
    if (!is_counted)
        return CURLE_OK;
    c->left -= piece.len;
    if (c->left == 0)
        c->answer = c->answer == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_DONE;
    return CURLE_OK;
}

/* What the taker has no room for is kept. */
static CURLcode feed(struct tn_wire_conn *c, struct tn_str bytes)
{
    CURLcode code = CURLE_OK;
    while (code == CURLE_OK && bytes.len > 0 && c->answer != ANSWER_DONE) {
        bool is_body =
            c->answer == ANSWER_LENGTH || c->answer == ANSWER_TO_END || c->answer == ANSWER_CHUNK;
        code = is_body ? feed_body(c, &bytes) : feed_line(c, &bytes);
    }
    if (c->answer == ANSWER_DONE && bytes.len > 0)
        c->closes = true; /* more than was announced */
    if (code == CURLE_AGAIN && c->is_paused && tn_buf_append_str(&c->kept, bytes) < 0)
        return CURLE_OUT_OF_MEMORY;
    return code == CURLE_AGAIN ? CURLE_OK : code;
}

static CURLcode on_end(struct tn_wire_conn *c)
{
    if (c->answer == ANSWER_TO_END) {
        c->answer = ANSWER_DONE;
        return CURLE_OK;
    }
    return !c->has_answer ? CURLE_GOT_NOTHING : CURLE_PARTIAL_FILE;
}

/* Where the next bytes go, and how many at most. Those of a document stay where they are received;
 * one more than it has left, so that what was not announced shows. */
static char *place_of_next(struct tn_wire *w, const struct tn_wire_conn *c, size_t *len)
{
    *len = RECEIVE_LEN;
    if (c->answer == ANSWER_HEAD && c->op->answer.cap > RECEIVE_LEN)
        *len = RECEIVE_HEAD_LEN;
    if (c->answer != ANSWER_LENGTH)
        return w->received;
    size_t room = c->left < RECEIVE_DOCUMENT_MAX ? (size_t)c->left + 1 : RECEIVE_DOCUMENT_MAX;
    char *place = tn_op_document_room(c->op, room);
    if (place)
        *len = room;
    return place ? place : w->received;
}

/* Bytes that are where they belong. */
static void note_document(struct tn_wire_conn *c, size_t len)
{
    if (len > c->left) {
        len = (size_t)c->left;
        c->closes = true;
    }
    tn_op_document_add(c->op, len);
    c->left -= len;
    if (c->left == 0)
        c->answer = ANSWER_DONE;
}

static CURLcode receive_some(struct tn_wire *w, struct tn_wire_conn *c, size_t *budget)
{
    while (c->can_read && !c->is_paused && c->answer != ANSWER_DONE && *budget > 0) {
        size_t len;
        char *place = place_of_next(w, c, &len);
        ssize_t n = recv(c->fd, place, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            c->can_read = false;
            return CURLE_OK;
        }
        if (n < 0)
            return CURLE_RECV_ERROR;
        if (n == 0)
            return on_end(c);
        /* Less than there was room for: the kernel has no more, and tells when it has. */
        c->can_read = (size_t)n == len || c->is_hung;
        c->has_answer = true;
        tn_op_note_move(c->op, true);
        *budget -= (size_t)n < *budget ? (size_t)n : *budget;
        if (place != w->received) {
            note_document(c, (size_t)n);
            continue;
        }
        CURLcode code = feed(c, (struct tn_str){ w->received, (size_t)n });
        if (code != CURLE_OK)
            return code;
    }
    return CURLE_OK;
}

/* ---- an exchange ---- */

/* A kept connection may have been closed by the server just when it was used again: nothing came,
 * so another one is tried, where the body can be sent again. */
static bool retry_fresh(struct tn_wire *w, struct tn_wire_conn *c)
{
    struct tn_op *op = c->op;
    if (!c->is_reused || c->has_answer || (op->body.kind == TN_BODY_PIPE && op->body.sent > 0) ||
        tn_body_start(&op->body) < 0)
        return false;
    atomic_store_explicit(&op->moved, 0, memory_order_relaxed);
    conn_close(w, c);
    op->wire_conn = NULL;
    /* The others may be as old. */
    for (int i = 0; i < w->conns_max; i++) {
        if (w->conns[i].state == CONN_IDLE && strcmp(w->conns[i].host, op->host.data) == 0)
            conn_close(w, &w->conns[i]);
    }
    CURLcode code = tn_wire_start(w, op);
    if (code != CURLE_OK)
        report(w, op, code);
    return true;
}

static void go_on(struct tn_wire *w, struct tn_wire_conn *c)
{
    size_t budget = TURN_BYTES_MAX;
    set_ready(w, c, false);
    CURLcode sent = send_some(w, c, &budget);
    bool is_send_over = sent == CURLE_SEND_ERROR;
    if (is_send_over)
        c->can_write = false; /* the answer may be there all the same */
    CURLcode code = is_send_over ? CURLE_OK : sent;
    if (is_send_over)
        c->can_read = true;
    if (code == CURLE_OK)
        code = receive_some(w, c, &budget);
    bool is_over = code != CURLE_OK || c->answer == ANSWER_DONE;
    if (!is_over && is_send_over && !c->has_answer && !c->can_read) {
        code = CURLE_SEND_ERROR;
        is_over = true;
    }
    bool is_broken =
        code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
    if (is_broken && retry_fresh(w, c))
        return;
    if (is_over)
        conn_end(w, c, code);
    else if (budget == 0)
        set_ready(w, c, true);
}

static void on_connected(struct tn_wire *w, struct tn_wire_conn *c)
{
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0 || failure != 0) {
        conn_end(w, c, CURLE_COULDNT_CONNECT);
        return;
    }
    enter(w, c, CONN_BUSY);
    c->op->moved_ns = tn_now_ns();
    go_on(w, c);
}

void tn_wire_event(struct tn_wire *w, uint64_t data, uint32_t events)
{
    struct tn_wire_conn *c = &w->conns[data & ((1u << SLOT_BITS) - 1)];
    if (c->generation != (uint32_t)((data & ~TN_WIRE_EVENT) >> SLOT_BITS) || c->state == CONN_FREE)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->is_hung = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->can_read = true;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        c->can_write = true;
    if (c->state == CONN_IDLE) {
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP |
                      EPOLLERR)) /* the server has closed it, or talks unasked */
            conn_close(w, c);
    } else if (c->state == CONN_CONNECTING) {
        if (c->can_write)
            on_connected(w, c);
    } else {
        go_on(w, c);
    }
}

void tn_wire_resume(struct tn_wire *w, struct tn_op *op)
{
    struct tn_wire_conn *c = op->wire_conn;
    if (!c || c->state != CONN_BUSY)
        return;
    c->is_waiting = false;
    if (c->is_paused) {
        struct tn_buf kept = TN_BUF_INIT(RECEIVE_LEN);
        tn_buf_swap(&kept, &c->kept);
        c->is_paused = false;
        CURLcode code = feed(c, tn_buf_str(&kept));
        tn_buf_release(&kept);
        if (code != CURLE_OK) {
            conn_end(w, c, code);
            return;
        }
    }
    go_on(w, c);
}

/* ---- time ---- */

static CURLcode timed_out(const struct tn_wire *w, const struct tn_wire_conn *c, uint64_t now_ns)
{
    const struct tn_settings *s = &w->client->settings;
    uint64_t connect_ns = (uint64_t)s->connect_timeout_ms * 1000000u;
    uint64_t idle_ns = (uint64_t)s->idle_timeout_ms * 1000000u;
    if (c->op->deadline_ns && now_ns >= c->op->deadline_ns)
        return CURLE_OPERATION_TIMEDOUT;
    if (c->state == CONN_CONNECTING && now_ns > c->started_ns + connect_ns)
        return CURLE_OPERATION_TIMEDOUT;
    /* One that waits for this program is not idle. */
    if (c->state == CONN_BUSY && !c->is_paused && !c->is_waiting &&
        now_ns > c->op->moved_ns + idle_ns)
        return CURLE_OPERATION_TIMEDOUT;
    return CURLE_OK;
}

static void sweep(struct tn_wire *w, uint64_t now_ns)
{
    w->swept_ns = now_ns;
    for (int i = 0; i < w->conns_max; i++) {
        struct tn_wire_conn *c = &w->conns[i];
        CURLcode code = c->op ? timed_out(w, c, now_ns) : CURLE_OK;
        if (code != CURLE_OK)
            conn_end(w, c, code);
    }
}

void tn_wire_turn(struct tn_wire *w, uint64_t now_ns)
{
    for (int i = 0; i < w->conns_max && w->ready_count > 0; i++) {
        if (w->conns[i].is_ready)
            go_on(w, &w->conns[i]);
    }
    if (w->busy_count > 0 && now_ns - w->swept_ns >= SWEEP_MS * 1000000ull)
        sweep(w, now_ns);
}

int tn_wire_wait_ms(const struct tn_wire *w)
{
    if (w->ready_count > 0 || w->first_done)
        return 0;
    return w->busy_count > 0 ? SWEEP_MS : -1;
}

void tn_wire_resolve(struct tarn_client *client, const char *host)
{
    struct sockaddr_storage address;
    socklen_t len;
    (void)tn_hosts_find(&client->hosts, host, 0, false, &address, &len);
}
