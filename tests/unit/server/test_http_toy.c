/* SPDX-License-Identifier: Apache-2.0 */
/* The toy handler and its client. */

#include "unit/server/test_http_toy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"

enum { ANSWER_WAIT_SECONDS = 30 };

struct toy_req {
    uint64_t number;
    uint64_t len;
    uint32_t crc;
    unsigned calls;
    bool is_sleepy;
    bool must_stop;
    pthread_t thread;
    bool has_thread;
    int file; /* FILE_SKIP other bytes, then those of the toy; 0: none */
};

enum { FILE_SKIP = 13 };

void toy_sleep_ms(unsigned ms)
{
    (void)usleep(ms * 1000);
}

static void answer(struct http_req *req, int status, struct tn_str body)
{
    req->answer.status = status;
    req->answer.body = body;
    http_reply(req);
}

static void step_worker(struct http_req *req)
{
    answer(req, 200, TN_STR("worker"));
}

static void step_loop_back(struct http_req *req)
{
    answer(req, 200, TN_STR("loop"));
}

static void step_loop(struct http_req *req)
{
    http_run_on_loop(req, step_loop_back);
}

static void step_accept(struct http_req *req)
{
    http_body_accept(req, HTTP_ON_WORKER, UINT64_MAX);
}

static void step_late(struct http_req *req)
{
    http_run_on_loop(req, step_accept);
}

static void step_slow(struct http_req *req)
{
    const struct toy_req *t = req->user;
    toy_sleep_ms((unsigned)t->number);
    answer(req, 200, TN_STR("slow"));
}

static void *foreign(void *arg)
{
    struct http_req *req = arg;
    toy_sleep_ms(20);
    answer(req, 200, TN_STR("foreign"));
    return NULL;
}

static ssize_t read_bytes(struct http_req *req, uint64_t offset, char *out, size_t cap)
{
    const struct toy_req *t = req->user;
    assert_true(offset < t->number);
    assert_true(cap > 0 && cap <= t->number - offset);
    for (size_t i = 0; i < cap; i++)
        out[i] = toy_byte(offset + i);
    return (ssize_t)cap;
}

static ssize_t read_hot(struct http_req *req, uint64_t offset, char *out, size_t cap, bool may_wait)
{
    (void)may_wait;
    return read_bytes(req, offset, out, cap);
}

static ssize_t read_cold(struct http_req *req, uint64_t offset, char *out, size_t cap,
                         bool may_wait)
{
    if (!may_wait)
        return TARN_EAGAIN;
    return read_bytes(req, offset, out, cap);
}

static ssize_t read_mixed(struct http_req *req, uint64_t offset, char *out, size_t cap,
                          bool may_wait)
{
    struct toy_req *t = req->user;
    if (!may_wait && t->calls++ % 3 == 1)
        return TARN_EAGAIN;
    size_t odd = 1 + (size_t)(offset * 7919 % 50000);
    return read_bytes(req, offset, out, cap < odd ? cap : odd);
}

static void make_file(struct toy_req *t)
{
    char bytes[4096] = "other bytes..";
    size_t len = FILE_SKIP;
    t->file = memfd_create("toy", MFD_CLOEXEC);
    assert_true(t->file > 0);
    for (uint64_t at = 0; len > 0;) {
        assert_int_equal(write(t->file, bytes, len), (ssize_t)len);
        len = t->number - at < sizeof bytes ? (size_t)(t->number - at) : sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = toy_byte(at + i);
        at += len;
    }
}

static ssize_t find_mixed(struct http_req *req, uint64_t offset, char *scratch, size_t cap,
                          bool may_wait, struct http_file *out)
{
    const struct toy_req *t = req->user;
    ssize_t n = read_mixed(req, offset, scratch, cap, may_wait);
    if (n > 0)
        *out = (struct http_file){ t->file, FILE_SKIP + offset };
    return n;
}

/* The last quarter is in no file. */
static ssize_t find_some(struct http_req *req, uint64_t offset, char *scratch, size_t cap,
                         bool may_wait, struct http_file *out)
{
    const struct toy_req *t = req->user;
    if (offset >= t->number / 4 * 3)
        return TARN_ENOTSUPPORTED;
    return find_mixed(req, offset, scratch, cap, may_wait, out);
}

static ssize_t read_broken(struct http_req *req, uint64_t offset, char *out, size_t cap,
                           bool may_wait)
{
    struct toy_req *t = req->user;
    if (offset >= t->number / 2)
        return may_wait ? TARN_EIO : TARN_EAGAIN;
    size_t left = (size_t)(t->number / 2 - offset);
    return read_bytes(req, offset, out, cap < left ? cap : left);
}

static void stream(struct http_req *req,
                   ssize_t (*read)(struct http_req *, uint64_t, char *, size_t, bool))
{
    const struct toy_req *t = req->user;
    req->answer.status = 200;
    req->answer.read = read;
    req->answer.body_len = t->number;
    http_reply(req);
}

static void stream_file(struct http_req *req, ssize_t (*find)(struct http_req *, uint64_t, char *,
                                                              size_t, bool, struct http_file *))
{
    make_file(req->user);
    req->answer.find = find;
    stream(req, read_mixed);
}

static void on_mem(struct http_req *req)
{
    const struct toy_req *t = req->user;
    char *bytes = tn_arena_alloc(&req->arena, (size_t)t->number + 1);
    assert_non_null(bytes);
    for (uint64_t i = 0; i < t->number; i++)
        bytes[i] = toy_byte(i);
    answer(req, 200, (struct tn_str){ bytes, (size_t)t->number });
}

static void on_headers(struct http_req *req)
{
    assert_int_equal(http_header(req, "X-Plain", TN_STR("a b")), TARN_OK);
    assert_int_equal(http_header(req, "X-Bad", TN_STR("a\r\nX-Evil: 1")), TARN_EINVAL);
    assert_int_equal(http_headerf(req, "X-Bad", "%s", "a\nX-Evil: 1"), TARN_EINVAL);
    assert_int_equal(http_headerf(req, "X-Number", "%d", 42), TARN_OK);
    assert_int_equal(http_header(req, "X-Empty", TN_STR_EMPTY), TARN_OK);
    assert_int_equal(http_headerf(req, "X-Huge", "%*d", 70000, 1), TARN_ETOOBIG);
    answer(req, 200, TN_STR_EMPTY);
}

static bool has_path(struct http_req *req, const char *prefix)
{
    struct tn_str target = req->head.target;
    struct toy_req *t = req->user;
    struct tn_str start = tn_str_from(prefix);
    if (!tn_str_starts(target, start))
        return false;
    if (start.data[start.len - 1] == '/')
        assert_int_equal(tn_str_to_u64(tn_str_sub(target, start.len, SIZE_MAX), &t->number), 0);
    else if (target.len != start.len)
        return false;
    return true;
}

static void on_put(struct http_req *req)
{
    struct toy_req *t = req->user;
    t->is_sleepy = has_path(req, "/put/sleepy");
    t->must_stop = has_path(req, "/put/stop");
    if (has_path(req, "/put/deny"))
        answer(req, 403, TN_STR("denied"));
    else if (has_path(req, "/put/late"))
        http_run_on_worker(req, step_late);
    else if (has_path(req, "/put/ten"))
        http_body_accept(req, HTTP_ON_LOOP, 10);
    else if (has_path(req, "/put/tenw"))
        http_body_accept(req, HTTP_ON_WORKER, 10);
    else if (has_path(req, "/put/worker") || t->is_sleepy)
        http_body_accept(req, HTTP_ON_WORKER, UINT64_MAX);
    else
        http_body_accept(req, HTTP_ON_LOOP, UINT64_MAX);
}

static void on_foreign(struct http_req *req)
{
    struct toy_req *t = req->user;
    t->has_thread = true;
    assert_int_equal(pthread_create(&t->thread, NULL, foreign, req), 0);
}

static void on_get(struct http_req *req)
{
    const struct toy_req *t = req->user;
    req->answer.must_close = has_path(req, "/hello10");
    if (has_path(req, "/hello") || has_path(req, "/hello10"))
        answer(req, 200, TN_STR("hello"));
    else if (has_path(req, "/worker"))
        http_run_on_worker(req, step_worker);
    else if (has_path(req, "/loop"))
        http_run_on_worker(req, step_loop);
    else if (has_path(req, "/foreign"))
        on_foreign(req);
    else if (has_path(req, "/slow/"))
        http_run_on_worker(req, step_slow);
    else if (has_path(req, "/mem/"))
        on_mem(req);
    else if (has_path(req, "/hot/"))
        stream(req, read_hot);
    else if (has_path(req, "/cold/"))
        stream(req, read_cold);
    else if (has_path(req, "/mixed/"))
        stream(req, read_mixed);
    else if (has_path(req, "/file/"))
        stream_file(req, find_mixed);
    else if (has_path(req, "/half/"))
        stream_file(req, find_some);
    else if (has_path(req, "/broken/"))
        stream(req, read_broken);
    else if (has_path(req, "/headers"))
        on_headers(req);
    else if (has_path(req, "/status/"))
        answer(req, (int)t->number, TN_STR_EMPTY);
    else if (has_path(req, "/meta/")) {
        req->answer.has_body_len = true;
        req->answer.body_len = t->number;
        answer(req, 200, TN_STR_EMPTY);
    } else {
        answer(req, 404, TN_STR("not found"));
    }
}

static void on_head(void *context, struct http_req *req)
{
    struct toy *toy = context;
    (void)atomic_fetch_add(&toy->head_count, 1);
    assert_int_equal(strlen(req->id), HTTP_REQUEST_ID_LEN);
    assert_true(tn_str_starts(req->peer, TN_STR("127.0.0.1:")));
    assert_null(req->user);
    assert_null(req->op);
    assert_int_equal(req->answer.headers.len, 0);
    req->user = tn_calloc(1, sizeof(struct toy_req));
    req->op = "toy";
    if (!req->user)
        answer(req, 500, TN_STR("out of memory"));
    else if (tn_str_starts(req->head.target, TN_STR("/put/")))
        on_put(req);
    else
        on_get(req);
}

static int on_body(void *context, struct http_req *req, char *bytes, size_t len)
{
    (void)context;
    struct toy_req *t = req->user;
    t->len += len;
    t->crc = tn_crc32c(t->crc, bytes, len);
    memset(bytes, 0, len); /* it is ours to change */
    if (t->is_sleepy)
        toy_sleep_ms(5);
    if (!t->must_stop)
        return TARN_OK;
    answer(req, 403, TN_STR("stopped"));
    return TARN_EDENIED;
}

static void on_end(void *context, struct http_req *req)
{
    struct toy *toy = context;
    const struct toy_req *t = req->user;
    (void)atomic_fetch_add(&toy->end_count, 1);
    char *text = tn_arena_printf(&req->arena, "%llu %08x", (unsigned long long)t->len, t->crc);
    answer(req, text ? 200 : 500, tn_str_from(text));
}

static void on_broken(void *context, struct http_req *req, int status)
{
    struct toy *toy = context;
    atomic_store(&toy->last_broken, status);
    (void)atomic_fetch_add(&toy->broken_count, 1);
    if (status == TARN_ETOOBIG)
        answer(req, 400, TN_STR("too big"));
    if (status == TARN_EINVAL)
        answer(req, 400, TN_STR("bad framing"));
}

static void on_done(void *context, struct http_req *req)
{
    struct toy *toy = context;
    struct toy_req *t = req->user;
    if (t && t->has_thread)
        (void)pthread_join(t->thread, NULL);
    if (t && t->file)
        (void)close(t->file);
    req->user = NULL;
    tn_free(t);
    (void)atomic_fetch_add(&toy->done_count, 1);
}

static void on_protocol_error(void *context, struct http_req *req, int status, const char *code,
                              const char *message)
{
    (void)context;
    char *text = tn_arena_printf(&req->arena, "%d %s: %s", status, code, message);
    req->answer.body = tn_str_from(text);
}

static void *run(void *arg)
{
    struct toy *t = arg;
    struct tarn_error err = { 0 };
    int rc = http_server_run(t->server, &err);
    assert_int_equal(rc, TARN_OK);
    return NULL;
}

void toy_start(struct toy *t, const struct http_config *config)
{
    struct tarn_error err = { 0 };
    struct http_config c = { .loop_count = 2, .worker_count = 3 };
    *t = (struct toy){ .is_running = true };
    if (config)
        c = *config;
    c.listen = "127.0.0.1:0";
    c.handler = (struct http_handler){ t, on_head, on_body, on_end, on_broken, on_done };
    c.on_protocol_error = on_protocol_error;
    tn_log_set_level(TN_LOG_ERROR);
    if (http_server_new(&c, &t->server, &err) < 0)
        fail_msg("%s", err.message);
    const char *address = http_server_address(t->server);
    t->port = (int)strtol(strrchr(address, ':') + 1, NULL, 10);
    assert_int_equal(pthread_create(&t->thread, NULL, run, t), 0);
}

void toy_stop(struct toy *t, unsigned grace_ms)
{
    struct http_stats stats;
    http_server_stop(t->server, grace_ms);
    assert_int_equal(pthread_join(t->thread, NULL), 0);
    assert_int_equal(t->head_count, t->done_count);
    http_server_stats(t->server, &stats);
    assert_int_equal(stats.connections_open, 0);
    assert_true(stats.requests >= (uint64_t)t->head_count);
    http_server_free(t->server);
}

/* --- The client --- */

int toy_connect(const struct toy *t)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_port = htons((uint16_t)t->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval wait = { .tv_sec = ANSWER_WAIT_SECONDS };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void toy_send(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server may close early: the answer tells */
        bytes += n;
        len -= (size_t)n;
    }
}

void toy_say(int fd, const char *text)
{
    toy_send(fd, text, strlen(text));
}

static bool read_head(int fd, struct toy_answer *out)
{
    size_t len = 0;
    while (len < 4 || memcmp(out->head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < sizeof out->head - 1);
        if (recv(fd, out->head + len, 1, 0) != 1)
            return false;
        len++;
    }
    out->head[len] = '\0';
    return true;
}

static void read_fields(struct toy_answer *out)
{
    assert_memory_equal(out->head, "HTTP/1.1 ", 9);
    out->status = (int)strtol(out->head + 9, NULL, 10);
    out->is_closing = strstr(out->head, "\r\nConnection: close\r\n") != NULL;
    const char *field = strstr(out->head, "\r\nContent-Length: ");
    out->has_length = field != NULL;
    out->len = field ? strtoull(field + 18, NULL, 10) : 0;
    if (out->status == 100)
        return;
    assert_non_null(strstr(out->head, "\r\nDate: "));
    assert_non_null(strstr(out->head, "\r\nx-amz-request-id: "));
}

bool toy_answer(int fd, bool is_head, struct toy_answer *out)
{
    *out = (struct toy_answer){ .body = TN_BUF_INIT(SIZE_MAX / 2) };
    if (!read_head(fd, out))
        return false;
    read_fields(out);
    if (is_head)
        return true;
    assert_int_equal(tn_buf_reserve(&out->body, (size_t)out->len), TARN_OK);
    while (out->body.len < out->len) {
        ssize_t n = recv(fd, out->body.data + out->body.len, (size_t)out->len - out->body.len, 0);
        if (n <= 0)
            return false;
        out->body.len += (size_t)n;
    }
    if (out->body.cap)
        out->body.data[out->body.len] = '\0';
    return true;
}

void toy_answer_release(struct toy_answer *a)
{
    tn_buf_release(&a->body);
}

bool toy_is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    bool is_closed = n == 0 || (n < 0 && errno == ECONNRESET);
    (void)close(fd);
    return is_closed;
}

void toy_close(int *fd)
{
    (void)close(*fd);
    *fd = -1;
}
