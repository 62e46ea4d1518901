/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: who starts a request when. */

#include "bench/load.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "bench/conn.h"
#include "bench/noise.h"
#include "bench/request.h"

enum {
    LOAD_EVENTS = 128,
    LOAD_ERRORS_MAX = 1000,    /* then the run ends: figures of failures are of no use */
    LOAD_GRACE_MS = 60 * 1000, /* for what is under way at the end */
};
static const uint64_t ns_per_s = 1000000000u;

bool load_take_request(struct load *l)
{
    const struct bench_options *o = l->options;
    if (l->is_over)
        return false;
    if ((o->count && l->started >= o->count) || (l->end_ns && tn_now_ns() >= l->end_ns) ||
        l->result->errors > LOAD_ERRORS_MAX) {
        l->is_over = true;
        return false;
    }
    l->started++;
    return true;
}

uint64_t load_random_below(struct load *l, uint64_t limit)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random % limit;
}

void load_note_error(struct load *l, struct tn_str what)
{
    struct load_result *r = l->result;
    if (r->errors++ == 0)
        (void)snprintf(r->first_error, sizeof r->first_error, "%.*s", TN_STR_ARG(what));
}

static size_t count_busy(const struct conn *conns, size_t count)
{
    size_t busy = 0;
    for (size_t i = 0; i < count; i++)
        busy += conns[i].state > CONN_IDLE;
    return busy;
}

/* Connections that broke come back, so that one refusal does not thin out the load. */
static int reopen(struct conn *c, struct tarn_error *err)
{
    return c->state == CONN_CLOSED ? conn_open(c, err) : TARN_OK;
}

/* Handles what epoll reports within `timeout_ms`. */
static int poll_once(struct load *l, int timeout_ms, bool is_closed_loop, struct tarn_error *err)
{
    struct epoll_event events[LOAD_EVENTS];
    int n = epoll_wait(l->epoll_fd, events, LOAD_EVENTS, timeout_ms);
    if (n < 0 && errno != EINTR)
        return tn_fail_errno(err, "could not wait for events");
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        conn_advance(c);
        int rc = reopen(c, err);
        if (rc < 0)
            return rc;
        if (is_closed_loop && c->state == CONN_IDLE && load_take_request(l))
            conn_start(c, tn_now_ns());
    }
    return TARN_OK;
}

static int run_closed(struct load *l, struct conn *conns, size_t count, struct tarn_error *err)
{
    for (size_t i = 0; i < count && load_take_request(l); i++)
        conn_start(&conns[i], tn_now_ns());
    int rc = TARN_OK;
    while (rc == TARN_OK && !l->is_over)
        rc = poll_once(l, 100, true, err);
    return rc;
}

/* Starts what is due on idle connections; what finds none stays due, and its wait counts as
 * latency. */
static void start_due(struct load *l, struct conn *conns, size_t count, uint64_t start_ns)
{
    size_t at = 0;
    while (!l->is_over) {
        uint64_t due_ns = start_ns + l->started * ns_per_s / l->options->rate;
        if (due_ns > tn_now_ns())
            return;
        while (at < count && conns[at].state != CONN_IDLE)
            at++;
        if (at == count || !load_take_request(l))
            return;
        conn_start(&conns[at], due_ns);
    }
}

static int run_open(struct load *l, struct conn *conns, size_t count, struct tarn_error *err)
{
    uint64_t start_ns = tn_now_ns();
    int rc = TARN_OK;
    while (rc == TARN_OK && !l->is_over) {
        start_due(l, conns, count, start_ns);
        rc = poll_once(l, 0, false, err); /* it spins: sleeping is coarser than what is measured */
        if (l->end_ns && tn_now_ns() >= l->end_ns)
            l->is_over = true;
    }
    return rc;
}

static int drain(struct load *l, struct conn *conns, size_t count, struct tarn_error *err)
{
    uint64_t deadline = tn_now_ns() + (uint64_t)LOAD_GRACE_MS * 1000000u;
    while (count_busy(conns, count) > 0) {
        if (tn_now_ns() > deadline)
            return tn_fail(err, TARN_ETIMEOUT, "requests were left unanswered at the end");
        int rc = poll_once(l, 100, false, err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int open_all(struct conn *conns, size_t count, struct tarn_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = conn_open(&conns[i], err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int run_with(struct load *l, struct conn *conns, size_t count, struct tarn_error *err)
{
    const struct bench_options *o = l->options;
    for (size_t i = 0; i < count; i++)
        conn_init(&conns[i], l);
    int rc = open_all(conns, count, err);
    if (rc < 0)
        return rc;
    for (uint64_t key = 0; o->is_hashed && key < NOISE_KINDS; key++)
        (void)noise_sha256(key, o->size);
    uint64_t start_ns = tn_now_ns();
    l->end_ns = o->seconds ? start_ns + o->seconds * ns_per_s : 0;
    rc = o->rate ? run_open(l, conns, count, err) : run_closed(l, conns, count, err);
    if (rc == TARN_OK)
        rc = drain(l, conns, count, err);
    l->result->run_ns = tn_now_ns() - start_ns;
    return rc;
}

int load_run(const struct bench_options *options, struct load_result *result,
             struct tarn_error *err)
{
    size_t count = (size_t)options->connections;
    TN_AUTO_FREE struct conn *conns = tn_calloc(count, sizeof *conns);
    TN_AUTO_FREE struct load *l = tn_calloc(1, sizeof *l);
    if (!conns || !l)
        return tn_fail(err, TARN_ENOMEM, "could not make %zu connections", count);
    TN_AUTO_FD epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return tn_fail_errno(err, "could not make an epoll");
    l->options = options;
    l->result = result;
    l->epoll_fd = epoll_fd;
    l->random = 88172645463325252u;
    tn_sigv4_scratch_init(&l->scratch);
    tn_buf_init(&l->authorization, TN_SIGV4_AUTHORIZATION_LEN_MAX);
    tn_buf_init(&l->target, TN_SIGV4_AUTHORIZATION_LEN_MAX);
    int rc = request_sign_all(l);
    rc = rc < 0 ? tn_fail(err, rc, "could not sign the requests") : run_with(l, conns, count, err);
    for (size_t i = 0; i < count; i++) {
        if (conns[i].load)
            conn_release(&conns[i]);
    }
    request_release(l);
    tn_buf_release(&l->target);
    tn_buf_release(&l->authorization);
    tn_sigv4_scratch_release(&l->scratch);
    tn_sigv4_key_wipe(&l->key);
    return rc;
}
