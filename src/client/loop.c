/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O thread. An operation is in exactly one list: pending (no connection slot yet), active
 * (curl has it) or delayed (waiting for its next try); only this thread moves it. */

#include "client/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "client/client_impl.h"
#include "client/hook.h"
#include "client/stall.h"
#include "client/wire.h"

enum {
    EVENTS_MAX = 64,
    NS_PER_MS = 1000000,
    KEYS_POLL_MS = 20,
    RAMP_START = 16, /* requests at once, */
    RAMP_EACH = 4,   /* and one more for so many answers: what a server refuses was on its way */
    RAMP_IDLE = 4,   /* while one part in so many of this thread's time is spent waiting */
    IDLE_SHIFT = 3,  /* of which each turn forgets one part in eight */
    SMALL_BODY_MAX = 1 << 20,  /* a longer one waits for the server's disk */
    GAP_BODY_MIN = 256 * 1024, /* a shorter one has no middle */
    PATIENCE_MIN_NS = 40 * NS_PER_MS,
    PATIENCE_TLS_MIN_NS = 100 * NS_PER_MS, /* giving one up costs a new connection */
    PATIENCE_OPEN_MIN_NS = 1000 * NS_PER_MS,
    LATE_NS = 100 * NS_PER_MS,
    SLEPT_MIN_NS = 50 * 1000,
};
#define NO_TIMER UINT64_MAX

struct op_list {
    struct tn_op *first, *last;
};

struct tn_loop {
    struct tarn_client *client;
    pthread_t thread;
    CURLM *multi;         /* or NULL: */
    struct tn_wire *wire; /* instead of it, where the client has one */
    int epoll_fd;
    int wake_fd;
    int active_max;
    int active_count;
    int pending_count;
    int ramp; /* no more at once, and one more after some that were answered */
    unsigned ramp_count;
    uint64_t woken_ns;
    uint64_t idle_ns;          /* of the last turns, */
    uint64_t all_ns;           /* of which this is the time */
    uint64_t curl_due_ns;      /* NO_TIMER: none, in all four */
    uint64_t gate_due_ns;      /* the limit of requests */
    uint64_t bandwidth_due_ns; /* the limit of bytes */
    uint64_t stall_due_ns;     /* looking for silent requests */
    uint64_t heard_ns;         /* since when what epoll told of last may have been there */
    struct tn_stall stall;
    struct op_list pending, active, delayed;
    struct tn_loop_call *hungry; /* to be made when there is room for another request */
    bool did_cancel;
    bool is_curl_lost; /* it failed by itself, and no request may be left to it */
    bool has_calls;    /* as of the beginning of this turn */
    atomic_int load;

    struct {
        pthread_mutex_t lock;
        struct tn_op *first, *last;
        struct tn_loop_call *first_call, *last_call;
        bool must_stop;
    } inbox;
};

static struct op_list *list_of(struct tn_loop *loop, enum tn_op_state state)
{
    switch (state) {
    case TN_OP_PENDING:
        return &loop->pending;
    case TN_OP_ACTIVE:
        return &loop->active;
    case TN_OP_DELAYED:
        return &loop->delayed;
    case TN_OP_IDLE:
    case TN_OP_POSTED:
    case TN_OP_DONE:
    default:
        return NULL;
    }
}

static void list_remove(struct op_list *list, struct tn_op *op)
{
    *(op->prev ? &op->prev->next : &list->first) = op->next;
    *(op->next ? &op->next->prev : &list->last) = op->prev;
    op->prev = op->next = NULL;
}

static void list_append(struct op_list *list, struct tn_op *op)
{
    op->prev = list->last;
    op->next = NULL;
    *(list->last ? &list->last->next : &list->first) = op;
    list->last = op;
}

static void enter(struct tn_loop *loop, struct tn_op *op, enum tn_op_state to)
{
    struct op_list *from_list = list_of(loop, op->state);
    struct op_list *to_list = list_of(loop, to);
    TN_TRACE(client, "%s %s/%s: state %d -> %d", op->what, op->bucket ? op->bucket : "",
             op->key ? op->key : "", (int)op->state, (int)to);
    if (from_list)
        list_remove(from_list, op);
    if (to_list)
        list_append(to_list, op);
    loop->pending_count += (int)(to == TN_OP_PENDING) - (int)(op->state == TN_OP_PENDING);
    op->state = to;
}

/* ---- the inbox ---- */

static void wake(struct tn_loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void)n; /* a full counter wakes too */
}

void tn_loop_poke(struct tn_loop *loop)
{
    wake(loop);
}

int tn_loop_load(const struct tn_loop *loop)
{
    return atomic_load_explicit(&loop->load, memory_order_relaxed);
}

uint64_t tn_loop_heard_ns(const struct tn_loop *loop)
{
    return loop->heard_ns;
}

void tn_loop_post(struct tn_loop *loop, struct tn_op *op, unsigned what)
{
    (void)pthread_mutex_lock(&loop->inbox.lock);
    bool was_empty = loop->inbox.first == NULL;
    if (what & TN_OP_WANT_START)
        atomic_fetch_add_explicit(&loop->load, 1, memory_order_relaxed);
    op->wanted |= what;
    if (!op->is_in_inbox) {
        op->is_in_inbox = true;
        op->inbox_prev = loop->inbox.last;
        op->inbox_next = NULL;
        *(loop->inbox.last ? &loop->inbox.last->inbox_next : &loop->inbox.first) = op;
        loop->inbox.last = op;
    }
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    if (was_empty)
        wake(loop);
}

/* True when it is the only one. */
static bool add_call(struct tn_loop *loop, struct tn_loop_call *call)
{
    (void)pthread_mutex_lock(&loop->inbox.lock);
    bool was_empty = loop->inbox.first_call == NULL;
    if (!call->is_waiting) {
        call->is_waiting = true;
        call->next = NULL;
        *(loop->inbox.last_call ? &loop->inbox.last_call->next : &loop->inbox.first_call) = call;
        loop->inbox.last_call = call;
    }
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    return was_empty;
}

void tn_loop_call(struct tn_loop *loop, struct tn_loop_call *call)
{
    if (add_call(loop, call))
        wake(loop);
}

void tn_loop_call_inside(struct tn_loop *loop, struct tn_loop_call *call)
{
    (void)add_call(loop, call); /* looked at before the next wait */
}

int tn_loop_room(const struct tn_loop *loop)
{
    int taken = loop->active_count + loop->pending_count;
    return taken < loop->ramp ? loop->ramp - taken : 0;
}

void tn_loop_call_at_room(struct tn_loop *loop, struct tn_loop_call *call)
{
    if (call->is_waiting)
        return;
    call->is_waiting = true;
    call->next = loop->hungry;
    loop->hungry = call;
}

void tn_loop_forget(struct tn_loop *loop, struct tn_loop_call *call)
{
    struct tn_loop_call **at = &loop->hungry;
    while (*at && *at != call)
        at = &(*at)->next;
    if (*at)
        *at = call->next;
    call->is_waiting = false;
}

struct fence {
    struct tn_loop_call call;
    struct tn_waiter waiter;
    bool is_reached;
};

static void reach_fence(struct tn_loop_call *call)
{
    struct fence *f = TN_CONTAINER(call, struct fence, call);
    tn_waiter_lock(&f->waiter);
    f->is_reached = true;
    tn_waiter_wake(&f->waiter);
    tn_waiter_unlock(&f->waiter);
}

void tn_loop_fence(struct tn_loop *loop)
{
    struct fence f = { .call = { .run = reach_fence } };
    tn_waiter_init(&f.waiter);
    tn_loop_call(loop, &f.call);
    tn_waiter_lock(&f.waiter);
    while (!f.is_reached)
        tn_waiter_wait(&f.waiter, -1);
    tn_waiter_unlock(&f.waiter);
    tn_waiter_release(&f.waiter);
}

static struct tn_loop_call *take_call(struct tn_loop *loop)
{
    (void)pthread_mutex_lock(&loop->inbox.lock);
    struct tn_loop_call *call = loop->inbox.first_call;
    if (call) {
        loop->inbox.first_call = call->next;
        if (!call->next)
            loop->inbox.last_call = NULL;
        call->is_waiting = false;
    }
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    return call;
}

/* With the inbox's lock held. */
static void inbox_remove(struct tn_loop *loop, struct tn_op *op)
{
    if (!op->is_in_inbox)
        return;
    *(op->inbox_prev ? &op->inbox_prev->inbox_next : &loop->inbox.first) = op->inbox_next;
    *(op->inbox_next ? &op->inbox_next->inbox_prev : &loop->inbox.last) = op->inbox_prev;
    op->inbox_prev = op->inbox_next = NULL;
    op->is_in_inbox = false;
    op->wanted = 0;
}

static struct tn_op *inbox_take(struct tn_loop *loop, unsigned *wanted)
{
    (void)pthread_mutex_lock(&loop->inbox.lock);
    struct tn_op *op = loop->inbox.first;
    if (op) {
        *wanted = op->wanted;
        inbox_remove(loop, op);
    }
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    return op;
}

/* ---- the life of an operation ---- */

/* After this the operation is the caller's again, who may free it at once. */
static void complete(struct tn_loop *loop, struct tn_op *op)
{
    enter(loop, op, TN_OP_DONE);
    atomic_fetch_sub_explicit(&loop->load, 1, memory_order_relaxed);
    if (op->on_done) { /* nobody else knows of it */
        op->is_done = true;
        op->on_done(op);
        return;
    }
    struct tn_waiter *waiter = op->waiter;
    tn_waiter_lock(waiter);
    (void)pthread_mutex_lock(&loop->inbox.lock);
    inbox_remove(loop, op);
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    op->is_done = true;
    tn_waiter_wake(waiter);
    tn_waiter_unlock(waiter);
}

static void complete_failed(struct tn_loop *loop, struct tn_op *op, int status, const char *reason)
{
    op->rc = tn_op_fail(op, &op->err, status, "%s", reason);
    op->err.attempts = op->attempts;
    complete(loop, op);
}

static void detach(struct tn_loop *loop, struct tn_op *op)
{
    assert(op->state == TN_OP_ACTIVE);
    if (loop->wire)
        tn_wire_drop(loop->wire, op);
    else
        (void)curl_multi_remove_handle(loop->multi, op->curl);
    loop->active_count--;
}

static enum tn_silence silence_before_answer(const struct tn_op *op)
{
    const struct tn_body *body = &op->body;
    if (body->kind == TN_BODY_NONE)
        return op->key ? TN_SILENCE_GET : TN_SILENCE_LIST;
    return body->len <= SMALL_BODY_MAX ? TN_SILENCE_PUT : TN_SILENCE_PART;
}

/* What it took until the request could be sent; 0: it cannot yet. */
static uint64_t ns_until_open(const struct tn_op *op)
{
    curl_off_t us = 0;
    (void)curl_easy_getinfo(op->curl, CURLINFO_PRETRANSFER_TIME_T, &us);
    return (uint64_t)us * 1000;
}

/* What it is waiting for, and since when. */
static enum tn_silence silence_of(const struct tn_op *op, uint64_t *since)
{
    *since = op->moved_ns;
    if (op->curl && op->http_status == 0 && op->moved_ns == op->started_ns) {
        uint64_t open_ns = ns_until_open(op);
        *since += open_ns;
        if (open_ns == 0)
            return TN_SILENCE_OPEN;
    }
    if (op->http_status != 0)
        return TN_SILENCE_DOWN;
    return op->body.sent < op->body.len ? TN_SILENCE_UP : silence_before_answer(op);
}

/* Learns from one that came to a good end, how long the next may be silent. */
static void note_silences(struct tn_loop *loop, struct tn_op *op)
{
    uint64_t moved = atomic_load_explicit(&op->moved, memory_order_relaxed);
    uint64_t waited_ns = op->waited_ns;
    long opened_count = 0;
    if (!tn_op_is_typical(op))
        return;
    if (op->curl) {
        uint64_t open_ns = ns_until_open(op);
        (void)curl_easy_getinfo(op->curl, CURLINFO_NUM_CONNECTS, &opened_count);
        if (opened_count > 0)
            tn_stall_note(&loop->stall, TN_SILENCE_OPEN, open_ns);
        if (op->body.kind == TN_BODY_NONE)
            waited_ns -= open_ns < waited_ns ? open_ns : waited_ns;
    }
    tn_stall_note(&loop->stall, silence_before_answer(op), waited_ns);
    if (moved >= GAP_BODY_MIN)
        tn_stall_note(&loop->stall, op->body.len > 0 ? TN_SILENCE_UP : TN_SILENCE_DOWN, op->gap_ns);
}

/* More requests at once are of use where answers have to be waited for. Where they come as fast as
 * this thread can take them, each further one only takes room in the processor's caches. */
static bool is_often_idle(const struct tn_loop *loop)
{
    return loop->idle_ns * RAMP_IDLE >= loop->all_ns;
}

static void finish(struct tn_loop *loop, struct tn_op *op, CURLcode code)
{
    uint64_t delay_ms = 0;
    enum tn_next next = tn_op_judge(op, (int)code, &delay_ms);
    if (next == TN_NEXT_DONE && op->rc == TARN_OK)
        note_silences(loop, op);
    if (op->http_status != 0 && op->http_status < 500 && loop->ramp < loop->active_max)
        loop->ramp += ++loop->ramp_count % RAMP_EACH == 0 && is_often_idle(loop);
    detach(loop, op);
    tn_hook_finished(op, (int)code, next == TN_NEXT_RETRY, delay_ms);
    if (next == TN_NEXT_RETRY) {
        op->rc = op->must_get_keys ? TARN_OK : tn_op_prepare(op, &op->err);
        if (op->rc == TARN_OK) {
            op->due_ns = tn_now_ns() + delay_ms * NS_PER_MS;
            enter(loop, op, TN_OP_DELAYED);
            return;
        }
    }
    complete(loop, op);
}

static void start(struct tn_loop *loop, struct tn_op *op)
{
    if (op->rc < 0) { /* it could not be built */
        complete(loop, op);
        return;
    }
    if (op->deadline_ns && tn_now_ns() >= op->deadline_ns) {
        complete_failed(loop, op, TARN_ETIMEOUT, "timed out");
        return;
    }
    if (!tn_hook_may_start(op)) {
        complete(loop, op);
        return;
    }
    CURLcode code = tn_op_start(op);
    if (loop->wire && code == CURLE_OK) {
        loop->active_count++;
        enter(loop, op, TN_OP_ACTIVE);
        code = tn_wire_start(loop->wire, op);
        if (code != CURLE_OK)
            finish(loop, op, code);
        return;
    }
    if (code != CURLE_OK || loop->is_curl_lost ||
        curl_multi_add_handle(loop->multi, op->curl) != CURLM_OK) {
        tn_hook_cancelled(op);
        complete_failed(loop, op, TARN_ENOMEM, "could not start the request");
        return;
    }
    loop->active_count++;
    enter(loop, op, TN_OP_ACTIVE);
}

static void unpause(struct tn_loop *loop, struct tn_op *op)
{
    op->moved_ns = tn_now_ns();
    if (loop->wire)
        tn_wire_resume(loop->wire, op);
    else if (curl_easy_pause(op->curl, CURLPAUSE_CONT) == CURLE_OUT_OF_MEMORY)
        finish(loop, op, CURLE_OUT_OF_MEMORY);
}

static void start_pending(struct tn_loop *loop)
{
    loop->gate_due_ns = NO_TIMER;
    while (loop->active_count < loop->ramp && loop->pending.first) {
        uint64_t wait_ns = tn_limit_take(&loop->client->request_rate, 1);
        if (wait_ns == 0)
            wait_ns = tn_pace_take(&loop->client->pace, tn_now_ns());
        if (wait_ns > 0) {
            loop->gate_due_ns = tn_now_ns() + wait_ns;
            return;
        }
        start(loop, loop->pending.first);
    }
}

/* Each once in a turn: what it begins may be over at once, and then it asks again. */
static void feed_hungry(struct tn_loop *loop)
{
    struct tn_loop_call *call = TN_TAKE(loop->hungry);
    for (struct tn_loop_call *next; call; call = next) {
        next = call->next;
        call->is_waiting = false;
        if (tn_loop_room(loop) > 0)
            call->run(call);
        else
            tn_loop_call_at_room(loop, call);
        start_pending(loop);
    }
}

/* ---- silent ones ---- */

static void give_up(struct tn_loop *loop, struct tn_op *op)
{
    TN_TRACE(client, "%s %s/%s: silent for too long, asked again", op->what,
             op->bucket ? op->bucket : "", op->key ? op->key : "");
    detach(loop, op);
    tn_hook_given_up(op);
    tn_op_repeat(op);
    op->rc = tn_op_prepare(op, &op->err);
    enter(loop, op, TN_OP_PENDING);
}

static uint64_t least_patience(const struct tn_loop *loop, enum tn_silence kind)
{
    if (kind == TN_SILENCE_OPEN)
        return PATIENCE_OPEN_MIN_NS;
    return loop->wire ? PATIENCE_MIN_NS : PATIENCE_TLS_MIN_NS;
}

/* How long its silence may last from now on; TN_PATIENCE_NONE: as the settings say. */
static uint64_t patience_left(struct tn_loop *loop, struct tn_op *op, uint64_t now)
{
    uint64_t since;
    enum tn_silence kind = silence_of(op, &since);
    uint64_t ns = op->stalls < TN_STALLS_MAX ? tn_stall_patience_ns(&loop->stall, kind, op->stalls,
                                                                    least_patience(loop, kind))
                                             : TN_PATIENCE_NONE;
    if (ns == TN_PATIENCE_NONE || since + ns > now)
        return ns == TN_PATIENCE_NONE ? ns : since + ns - now;
    if (!tn_op_may_repeat(op) || !tn_stall_may_give_up(&loop->stall))
        return TN_PATIENCE_NONE;
    tn_stall_note(&loop->stall, kind, now - since);
    give_up(loop, op);
    return TN_PATIENCE_NONE;
}

/* After a turn that has seen all events up to its beginning: what came later is not known. */
static void look_for_stalls(struct tn_loop *loop, bool has_seen_all)
{
    uint64_t now = loop->woken_ns;
    if (!loop->active.first) {
        loop->stall_due_ns = NO_TIMER;
        return;
    }
    if (loop->stall_due_ns == NO_TIMER)
        loop->stall_due_ns = now + PATIENCE_MIN_NS;
    if (now < loop->stall_due_ns)
        return;
    bool is_late = now > loop->stall_due_ns + LATE_NS;
    uint64_t next = PATIENCE_MIN_NS;
    for (struct tn_op *op = loop->active.first, *after; op && has_seen_all && !is_late;
         op = after) {
        after = op->next;
        uint64_t left = patience_left(loop, op, now);
        next = left < next ? left : next;
    }
    loop->stall_due_ns = now + (next > NS_PER_MS ? next : NS_PER_MS);
}

/* Lets those go on that the limit of bandwidth has stopped, once it has something to give. */
static void release_throttled(struct tn_loop *loop)
{
    struct tn_limit *limit = &loop->client->bandwidth;
    loop->bandwidth_due_ns = NO_TIMER;
    if (limit->rate <= 0)
        return;
    for (struct tn_op *op = loop->active.first, *next; op; op = next) {
        next = op->next;
        if (!op->is_throttled)
            continue;
        uint64_t wait_ns = tn_limit_wait_ns(limit);
        if (wait_ns > 0) {
            loop->bandwidth_due_ns = tn_now_ns() + wait_ns;
            return;
        }
        op->is_throttled = false;
        enter(loop, op, TN_OP_ACTIVE); /* to the end of the list, so that all have their turn */
        unpause(loop, op);
    }
}

static void cancel(struct tn_loop *loop, struct tn_op *op)
{
    if (op->state == TN_OP_DONE)
        return;
    if (op->state == TN_OP_ACTIVE) {
        detach(loop, op);
        tn_hook_cancelled(op);
    }
    complete_failed(loop, op, TARN_ECANCELLED, "cancelled");
}

static bool is_refused(const struct tn_loop *loop, const struct tn_op *op)
{
    return !op->survives_cancel && atomic_load(&loop->client->is_cancelled);
}

/* What cannot be built fails when its turn to start comes. */
void tn_loop_start(struct tn_loop *loop, struct tn_op *op)
{
    assert(op->on_done);
    op->loop = loop;
    atomic_fetch_add_explicit(&loop->load, 1, memory_order_relaxed);
    op->rc = is_refused(loop, op) ? tn_op_fail(op, &op->err, TARN_ECANCELLED, "cancelled")
                                  : tn_op_build_now(op);
    op->due_ns = 0;
    enter(loop, op, op->rc == TARN_EAGAIN ? TN_OP_DELAYED : TN_OP_PENDING);
    if (op->rc == TARN_EAGAIN)
        op->rc = TARN_OK;
}

static void handle_inbox(struct tn_loop *loop)
{
    unsigned wanted;
    struct tn_op *op;
    while ((op = inbox_take(loop, &wanted)) != NULL) {
        if (wanted & TN_OP_WANT_START)
            enter(loop, op, TN_OP_PENDING);
        if ((wanted & TN_OP_WANT_CANCEL) || is_refused(loop, op))
            cancel(loop, op);
        else if ((wanted & TN_OP_WANT_UNPAUSE) && op->state == TN_OP_ACTIVE)
            unpause(loop, op);
    }
}

static void make_calls(struct tn_loop *loop)
{
    struct tn_loop_call *call;
    while ((call = take_call(loop)) != NULL)
        call->run(call);
}

static void cancel_list(struct tn_loop *loop, struct op_list *list)
{
    for (struct tn_op *op = list->first, *next; op; op = next) {
        next = op->next;
        if (is_refused(loop, op))
            cancel(loop, op);
    }
}

static void cancel_all_once(struct tn_loop *loop)
{
    if (loop->did_cancel || !atomic_load(&loop->client->is_cancelled))
        return;
    loop->did_cancel = true;
    cancel_list(loop, &loop->pending);
    cancel_list(loop, &loop->delayed);
    cancel_list(loop, &loop->active);
}

/* False when it stays where it is, or is done because it cannot be signed. */
static bool has_keys(struct tn_loop *loop, struct tn_op *op, uint64_t now)
{
    if (!op->must_get_keys)
        return true;
    int rc = tn_op_prepare_again(op, &op->err);
    if (rc == TARN_EAGAIN)
        op->due_ns = now + (uint64_t)KEYS_POLL_MS * NS_PER_MS;
    if (rc < 0 && rc != TARN_EAGAIN) {
        op->rc = rc;
        complete(loop, op);
    }
    return rc == TARN_OK;
}

static void start_due(struct tn_loop *loop)
{
    uint64_t now = loop->delayed.first ? tn_now_ns() : 0;
    for (struct tn_op *op = loop->delayed.first, *next; op; op = next) {
        next = op->next;
        if (op->due_ns <= now && has_keys(loop, op, now))
            enter(loop, op, TN_OP_PENDING);
    }
}

/* ---- curl ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct tn_loop *loop = arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        (void)curl_multi_assign(loop->multi, fd, NULL);
        return 0;
    }
    struct epoll_event event = { .data.u64 = (uint64_t)fd };
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    int change = socket_arg ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int rc = epoll_ctl(loop->epoll_fd, change, fd, &event);
    if (rc < 0 && errno == EEXIST) /* a number that came back before curl told of its end */
        rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    if (rc < 0 && errno == ENOENT)
        rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    (void)curl_multi_assign(loop->multi, fd, loop);
    loop->is_curl_lost |= rc < 0; /* what is returned here would end it for good */
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct tn_loop *loop = arg;
    (void)multi;
    loop->curl_due_ns = timeout_ms < 0 ? NO_TIMER : tn_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    return 0;
}

static int set_up_curl(struct tn_loop *loop)
{
    if (loop->client->has_wire)
        return 0;
    loop->multi = curl_multi_init();
    if (!loop->multi) {
        errno = ENOMEM;
        return -1;
    }
    (void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)loop->active_max);
    return 0;
}

/* After a failure "the state of all transfers is uncertain" (curl_multi_socket_action), and some
 * may wait for a socket that nobody looks at. */
static void act_on_socket(struct tn_loop *loop, curl_socket_t fd, int what)
{
    int running;
    if (!loop->is_curl_lost &&
        curl_multi_socket_action(loop->multi, fd, what, &running) != CURLM_OK)
        loop->is_curl_lost = true;
}

static void run_timer(struct tn_loop *loop)
{
    if (loop->curl_due_ns == NO_TIMER || tn_now_ns() < loop->curl_due_ns)
        return;
    loop->curl_due_ns = NO_TIMER;
    act_on_socket(loop, CURL_SOCKET_TIMEOUT, 0);
}

static void reap(struct tn_loop *loop)
{
    CURLMsg *message;
    int left;
    CURLcode wire_code;
    struct tn_op *op;
    while (loop->wire && (op = tn_wire_next(loop->wire, &wire_code)) != NULL)
        finish(loop, op, wire_code);
    while (loop->multi && (message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish(loop, (struct tn_op *)(void *)private, code);
    }
}

/* Those that have ended are not concerned. The handle goes too, with what it still knows of the
 * sockets: libcurl 7.88 divides by zero when it comes to a half-made record of one. */
static void drop_lost(struct tn_loop *loop)
{
    if (!loop->is_curl_lost)
        return;
    for (struct tn_op *op = loop->active.first, *next; op; op = next) {
        next = op->next;
        finish(loop, op, CURLE_OUT_OF_MEMORY);
    }
    if (loop->multi)
        (void)curl_multi_cleanup(loop->multi);
    loop->multi = NULL;
    loop->curl_due_ns = NO_TIMER;
    loop->is_curl_lost = set_up_curl(loop) < 0; /* then the next turn tries again */
}

static void run_events(struct tn_loop *loop, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 & TN_WIRE_EVENT) {
            tn_wire_event(loop->wire, events[i].data.u64, events[i].events);
            continue;
        }
        if (events[i].data.fd == loop->wake_fd) {
            uint64_t counter;
            ssize_t n = read(loop->wake_fd, &counter, sizeof counter);
            (void)n;
            continue;
        }
        int what = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        act_on_socket(loop, events[i].data.fd, what);
    }
}

static int wait_ms(const struct tn_loop *loop)
{
    uint64_t due = loop->curl_due_ns;
    due = loop->gate_due_ns < due ? loop->gate_due_ns : due;
    due = loop->bandwidth_due_ns < due ? loop->bandwidth_due_ns : due;
    due = loop->stall_due_ns < due ? loop->stall_due_ns : due;
    for (const struct tn_op *op = loop->delayed.first; op; op = op->next)
        due = op->due_ns < due ? op->due_ns : due;
    int wire_ms = loop->wire ? tn_wire_wait_ms(loop->wire) : -1;
    if (loop->has_calls || (loop->hungry && tn_loop_room(loop) > 0))
        return 0;
    if (due == NO_TIMER || wire_ms == 0)
        return wire_ms;
    uint64_t now = tn_now_ns();
    if (due <= now)
        return 0;
    uint64_t ms = (due - now + NS_PER_MS - 1) / NS_PER_MS;
    if (wire_ms >= 0 && ms > (uint64_t)wire_ms)
        return wire_ms;
    return ms > 60000 ? 60000 : (int)ms;
}

static bool must_stop(struct tn_loop *loop)
{
    (void)pthread_mutex_lock(&loop->inbox.lock);
    bool stop = loop->inbox.must_stop;
    loop->has_calls = loop->inbox.first_call != NULL;
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    return stop;
}

/* What is there at once may have been there since the last look: this thread was busy, and the
 * server was not silent. */
static int wait_for_events(struct tn_loop *loop, struct epoll_event *events)
{
    uint64_t began = tn_now_ns();
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop));
    uint64_t now = tn_now_ns();
    loop->idle_ns += now - began - (loop->idle_ns >> IDLE_SHIFT);
    loop->all_ns += now - loop->woken_ns - (loop->all_ns >> IDLE_SHIFT);
    loop->heard_ns = now - began > SLEPT_MIN_NS ? now : loop->woken_ns;
    loop->woken_ns = now;
    return count;
}

static void *run(void *arg)
{
    struct tn_loop *loop = arg;
    struct epoll_event events[EVENTS_MAX];
    while (!must_stop(loop)) {
        int count = wait_for_events(loop, events);
        run_events(loop, events, count);
        run_timer(loop);
        if (loop->wire)
            tn_wire_turn(loop->wire, loop->woken_ns);
        reap(loop);
        drop_lost(loop);
        look_for_stalls(loop, count < EVENTS_MAX);
        cancel_all_once(loop);
        handle_inbox(loop);
        make_calls(loop);
        start_due(loop);
        start_pending(loop);
        feed_hungry(loop);
        release_throttled(loop);
    }
    return NULL;
}

/* ---- making and ending ---- */

static int start_thread(struct tn_loop *loop)
{
    sigset_t all;
    sigset_t kept;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept); /* signals are the program's business */
    int rc = pthread_create(&loop->thread, NULL, run, loop);
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return rc;
}

static int set_up(struct tn_loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 || set_up_curl(loop) < 0)
        return -1;
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)loop->wake_fd };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0)
        return -1;
    if (loop->client->has_wire)
        loop->wire = tn_wire_new(loop->client, loop->epoll_fd, loop->active_max);
    if (loop->client->has_wire && !loop->wire) {
        errno = ENOMEM;
        return -1;
    }
    errno = start_thread(loop);
    return errno == 0 ? 0 : -1;
}

static void tear_down(struct tn_loop *loop)
{
    tn_wire_free(loop->wire);
    if (loop->multi)
        (void)curl_multi_cleanup(loop->multi);
    tn_fd_close(&loop->epoll_fd);
    tn_fd_close(&loop->wake_fd);
    (void)pthread_mutex_destroy(&loop->inbox.lock);
    tn_free(loop);
}

struct tn_loop *tn_loop_new(struct tarn_client *client, int active_max, struct tarn_error *err)
{
    struct tn_loop *loop = tn_calloc(1, sizeof *loop);
    if (!loop) {
        (void)tn_fail(err, TARN_ENOMEM, "could not start an I/O thread: out of memory");
        return NULL;
    }
    loop->client = client;
    loop->epoll_fd = loop->wake_fd = -1;
    loop->active_max = active_max;
    loop->curl_due_ns = loop->gate_due_ns = loop->bandwidth_due_ns = NO_TIMER;
    loop->stall_due_ns = NO_TIMER;
    loop->ramp = active_max < RAMP_START ? active_max : RAMP_START;
    loop->woken_ns = tn_now_ns();
    tn_stall_init(&loop->stall);
    (void)pthread_mutex_init(&loop->inbox.lock, NULL);
    if (set_up(loop) < 0) {
        (void)tn_fail_errno(err, "could not start an I/O thread");
        tear_down(loop);
        return NULL;
    }
    return loop;
}

void tn_loop_free(struct tn_loop *loop)
{
    if (!loop)
        return;
    (void)pthread_mutex_lock(&loop->inbox.lock);
    loop->inbox.must_stop = true;
    (void)pthread_mutex_unlock(&loop->inbox.lock);
    wake(loop);
    (void)pthread_join(loop->thread, NULL);
    assert(loop->active_count == 0);
    tear_down(loop);
}
