/* SPDX-License-Identifier: Apache-2.0 */
/* The server: configuration, loops and their threads, accepting, the orderly end. */

#include "server/http/conn.h"

#include <assert.h>
#include <sched.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum {
    LOOP_COUNT_MAX = 64,
    LOOP_STACK_LEN = 512 * 1024,
    WORKERS_PER_CORE = 4,
    WORKER_COUNT_MIN = 16, /* digests of so many bodies are made together */

    /* What an accept queue can hold, in batches: more has come while the server stops. */
    LISTEN_BATCH_MAX = NET_LISTEN_BACKLOG / HTTP_ACCEPT_BATCH_MAX,
};

/* --- One loop --- */

const char *loop_date(struct http_loop *loop)
{
    int64_t seconds = tn_wall_ms() / 1000;
    if (seconds != loop->date_seconds) {
        char text[TN_TIME_LEN];
        tn_time_http(seconds, text);
        memcpy(loop->date, text, sizeof loop->date);
        loop->date_seconds = seconds;
    }
    return loop->date;
}

void loop_forget(struct http_loop *loop, struct conn *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
    assert(loop->conn_count > 0);
    loop->conn_count--;
    (void)atomic_fetch_sub_explicit(&loop->server->conn_count, 1, memory_order_relaxed);
}

static void start_accepting(struct http_loop *loop)
{
    if (loop->is_accepting)
        return;
    if (net_poll_add(&loop->net.poll, loop->listen_fd, NET_LEVEL, &loop->listener) == TARN_OK)
        loop->is_accepting = true;
    else
        net_timer_set(&loop->net, &loop->pause_timers, &loop->pause_timer);
}

static void stop_accepting(struct http_loop *loop)
{
    if (loop->is_accepting)
        net_poll_remove(&loop->net.poll, loop->listen_fd);
    loop->is_accepting = false;
}

static void take_in(struct http_loop *loop, int fd, const struct sockaddr_storage *peer)
{
    const struct http_server *s = loop->server;
    uint64_t count = atomic_load_explicit(&s->conn_count, memory_order_relaxed);
    bool is_excess = count >= s->config.conn_max;
    /* A TLS handshake costs more than a connection above the limit is worth. */
    if (is_excess && (s->tls || count >= s->config.conn_max + (uint64_t)HTTP_CONN_EXCESS_MAX)) {
        tn_fd_close(&fd);
        return;
    }
    conn_open(loop, fd, peer, is_excess);
}

/* True when there may be more to accept. */
static bool accept_some(struct http_loop *loop)
{
    for (int i = 0; i < HTTP_ACCEPT_BATCH_MAX; i++) {
        struct sockaddr_storage peer = { 0 };
        int fd = net_accept(loop->listen_fd, &peer);
        if (fd == TARN_EAGAIN)
            return false;
        if (fd == TARN_ENOSPACE) {
            tn_log(TN_LOG_WARN, "event=accept_paused reason=\"out of descriptors or memory\"");
            stop_accepting(loop);
            net_timer_set(&loop->net, &loop->pause_timers, &loop->pause_timer);
            return false;
        }
        if (fd >= 0)
            take_in(loop, fd, &peer);
    }
    return true;
}

static void on_accept(struct net_source *source, unsigned events)
{
    (void)events;
    (void)accept_some(TN_CONTAINER(source, struct http_loop, listener));
}

static void on_pause_over(struct net_timer *timer)
{
    struct http_loop *loop = TN_CONTAINER(timer, struct http_loop, pause_timer);
    if (!loop->is_stopping)
        start_accepting(loop);
}

static void on_trim(struct net_timer *timer)
{
    struct http_loop *loop = TN_CONTAINER(timer, struct http_loop, trim_timer);
    if (http_window_trim(&loop->windows))
        net_timer_set(&loop->net, &loop->trim_timers, timer);
}

static void on_grace_over(struct net_timer *timer)
{
    struct http_loop *loop = TN_CONTAINER(timer, struct http_loop, grace_timer);
    struct conn *next;
    for (struct conn *c = loop->conns.next; c != &loop->conns; c = next) {
        next = c->next;
        conn_cut(c);
    }
}

/* What waits in the accept queue is served still; who has sent nothing is closed. */
static void begin_stop(struct http_loop *loop)
{
    size_t batches = LISTEN_BATCH_MAX;
    while (loop->is_accepting && batches-- > 0 && accept_some(loop))
        continue;
    loop->is_stopping = true;
    stop_accepting(loop);
    net_timer_stop(&loop->pause_timer);
    tn_fd_close(&loop->listen_fd);
    struct conn *next;
    for (struct conn *c = loop->conns.next; c != &loop->conns; c = next) {
        next = c->next;
        if (c->state != CONN_HEAD)
            continue;
        c->may_read = true;
        if (!c->is_ready)
            conn_run(c);
    }
}

static bool on_turn(struct net_loop *net)
{
    struct http_loop *loop = TN_CONTAINER(net, struct http_loop, net);
    conn_run_ready(loop);
    uint64_t stop = atomic_load(&loop->server->stop_request);
    if (stop != loop->stop_seen) {
        loop->stop_seen = stop;
        if (!loop->is_stopping)
            begin_stop(loop);
        loop->grace_timers.timeout_ns = (stop - 1) * 1000000;
        net_timer_set(net, &loop->grace_timers, &loop->grace_timer);
    }
    if (loop->is_stopping && loop->conn_count == 0)
        net_loop_end(net);
    loop_log_flush(loop);
    return loop->ready_first != NULL;
}

static void *run_loop(void *arg)
{
    struct http_loop *loop = arg;
    start_accepting(loop);
    net_loop_run(&loop->net);
    return NULL;
}

static int loop_init(struct http_server *s, struct http_loop *loop, int listen_fd,
                     struct tarn_error *err)
{
    const struct http_config *config = &s->config;
    int rc = net_loop_init(&loop->net, on_turn, err);
    if (rc < 0)
        return rc;
    loop->server = s;
    loop->listen_fd = listen_fd;
    loop->listener.on_event = on_accept;
    loop->conns.prev = loop->conns.next = &loop->conns;
    loop->ready_last = &loop->ready_first;
    struct net_loop *net = &loop->net;
    net_timer_list_init(net, &loop->head_timers, config->head_timeout_ms, conn_on_timeout);
    net_timer_list_init(net, &loop->idle_timers, config->idle_timeout_ms, conn_on_timeout);
    net_timer_list_init(net, &loop->body_timers, config->body_timeout_ms, conn_on_timeout);
    net_timer_list_init(net, &loop->linger_timers, HTTP_LINGER_MS, conn_on_timeout);
    net_timer_list_init(net, &loop->pause_timers, HTTP_ACCEPT_PAUSE_MS, on_pause_over);
    net_timer_list_init(net, &loop->trim_timers, HTTP_TRIM_MS, on_trim);
    net_timer_list_init(net, &loop->grace_timers, 0, on_grace_over);
    size_t share = (size_t)config->window_budget / HTTP_WINDOW_LEN / s->loop_count;
    if (share < HTTP_LOOP_WINDOW_COUNT_MIN)
        share = HTTP_LOOP_WINDOW_COUNT_MIN;
    http_window_pool_init(&loop->windows, share, conn_on_window);
    return TARN_OK;
}

static void loop_release(struct http_loop *loop)
{
    net_loop_release(&loop->net);
    req_free_all(loop);
    http_window_pool_release(&loop->windows);
    tn_fd_close(&loop->listen_fd);
}

/* --- The server --- */

static unsigned core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value ? value : otherwise;
}

static void set_defaults(struct http_server *s)
{
    struct http_config *config = &s->config;
    unsigned workers = core_count() * WORKERS_PER_CORE;
    if (workers < WORKER_COUNT_MIN)
        workers = WORKER_COUNT_MIN;
    if (!config->window_budget)
        config->window_budget = HTTP_WINDOW_BUDGET;
    config->worker_count = or_default(config->worker_count, workers);
    config->conn_max = or_default(config->conn_max, HTTP_CONN_MAX);
    config->head_timeout_ms = or_default(config->head_timeout_ms, HTTP_HEAD_TIMEOUT_MS);
    config->body_timeout_ms = or_default(config->body_timeout_ms, HTTP_BODY_TIMEOUT_MS);
    config->idle_timeout_ms = or_default(config->idle_timeout_ms, HTTP_IDLE_TIMEOUT_MS);
    s->loop_count = or_default(config->loop_count, core_count());
    if (s->loop_count > LOOP_COUNT_MAX)
        s->loop_count = LOOP_COUNT_MAX;
}

static int open_tls(struct http_server *s, struct tarn_error *err)
{
    const struct http_config *config = &s->config;
    if (!config->tls_cert && !config->tls_key)
        return TARN_OK;
    if (!config->tls_cert || !config->tls_key)
        return tn_fail(err, TARN_ECONFIG,
                       "could not set up TLS: certificate and key are needed together");
    return net_tls_new(config->tls_cert, config->tls_key, &s->tls, err);
}

/* Sockets move into their loops one by one; a loop that fails leaves its socket and the rest here.
 */
static int open_loops(struct http_server *s, struct tarn_error *err)
{
    int fds[LOOP_COUNT_MAX];
    char address[NET_ADDRESS_LEN];
    int rc = net_listen(s->config.listen, fds, s->loop_count, address, err);
    if (rc < 0)
        return rc;
    s->address = tn_strdup(address);
    if (!s->address)
        rc = tn_fail(err, TARN_ENOMEM, "could not listen on \"%s\": out of memory", address);
    while (rc == TARN_OK && s->loop_ready_count < s->loop_count) {
        unsigned i = s->loop_ready_count;
        rc = loop_init(s, &s->loops[i], fds[i], err);
        if (rc == TARN_OK)
            s->loop_ready_count++;
    }
    for (unsigned i = s->loop_ready_count; i < s->loop_count; i++)
        tn_fd_close(&fds[i]);
    return rc;
}

int http_server_new(const struct http_config *config, struct http_server **out,
                    struct tarn_error *err)
{
    int rc = TARN_ENOMEM;
    struct http_server *s = tn_calloc(1, sizeof *s);
    if (!s)
        return tn_fail(err, rc, "could not create the HTTP server: out of memory");
    net_pool_init(&s->pool);
    s->config = *config;
    set_defaults(s);
    rc = open_tls(s, err);
    if (rc < 0)
        goto fail;
    s->loops = tn_calloc(s->loop_count, sizeof *s->loops);
    if (!s->loops) {
        rc = tn_fail(err, TARN_ENOMEM, "could not create the HTTP server: out of memory");
        goto fail;
    }
    rc = open_loops(s, err);
    if (rc < 0)
        goto fail;
    *out = s;
    return TARN_OK;

fail:
    http_server_free(s);
    return rc;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->loop_ready_count; i++)
        loop_release(&s->loops[i]);
    net_pool_release(&s->pool);
    net_tls_free(s->tls);
    tn_free(s->address);
    tn_free(s->loops);
    tn_free(s);
}

const char *http_server_address(const struct http_server *s)
{
    return s->address;
}

int http_server_run(struct http_server *s, struct tarn_error *err)
{
    int rc = net_pool_start(&s->pool, s->config.worker_count, err);
    if (rc < 0)
        return rc;
    unsigned started = 0;
    while (rc == TARN_OK && started < s->loop_count) {
        struct http_loop *loop = &s->loops[started];
        rc = net_thread_start(&loop->thread, LOOP_STACK_LEN, run_loop, loop, err);
        if (rc == TARN_OK)
            started++;
    }
    if (rc < 0)
        http_server_stop(s, 0);
    while (started > 0)
        (void)pthread_join(s->loops[--started].thread, NULL);
    net_pool_end(&s->pool);
    return rc;
}

void http_server_stop(struct http_server *s, unsigned grace_ms)
{
    atomic_store(&s->stop_request, (uint64_t)grace_ms + 1);
    for (unsigned i = 0; i < s->loop_ready_count; i++)
        net_loop_wake(&s->loops[i].net);
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    struct http_stats sum = { 0 };
    sum.connections_open = atomic_load_explicit(&s->conn_count, memory_order_relaxed);
    for (unsigned i = 0; i < s->loop_ready_count; i++) {
        const struct http_loop *loop = &s->loops[i];
        sum.requests += atomic_load_explicit(&loop->requests, memory_order_relaxed);
        sum.connections_total +=
            atomic_load_explicit(&loop->connections_total, memory_order_relaxed);
        sum.bytes_in += atomic_load_explicit(&loop->bytes_in, memory_order_relaxed);
        sum.bytes_out += atomic_load_explicit(&loop->bytes_out, memory_order_relaxed);
    }
    *out = sum;
}
