/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop. */

#include "server/net/loop.h"

#include <assert.h>
#include <limits.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { LOOP_EVENT_MAX = 128 };

static const uint64_t ns_per_ms = 1000000;

static void on_wake(struct net_source *source, unsigned events)
{
    (void)events;
    const struct net_loop *loop = TN_CONTAINER(source, struct net_loop, wake);
    uint64_t count;
    if (read(loop->wake_fd, &count, sizeof count) < 0)
        return; /* another turn has emptied it */
}

int net_loop_init(struct net_loop *loop, bool (*on_turn)(struct net_loop *loop),
                  struct tarn_error *err)
{
    *loop = (struct net_loop){ .poll.fd = -1, .wake_fd = -1, .on_turn = on_turn };
    loop->wake.on_event = on_wake;
    int rc = net_poll_init(&loop->poll, err);
    if (rc < 0)
        return rc;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        rc = tn_fail_errno(err, "could not create an event descriptor");
        goto fail;
    }
    rc = net_poll_add(&loop->poll, loop->wake_fd, NET_LEVEL, &loop->wake);
    if (rc < 0) {
        (void)tn_fail(err, rc, "could not watch an event descriptor: %s", tarn_status_text(rc));
        goto fail;
    }
    loop->now_ns = tn_now_ns();
    return TARN_OK;

fail:
    net_loop_release(loop);
    return rc;
}

void net_loop_release(struct net_loop *loop)
{
    /* The poster of the last message may not have come back from waking this loop yet. */
    while (atomic_load_explicit(&loop->poster_count, memory_order_acquire))
        (void)sched_yield();
    tn_fd_close(&loop->wake_fd);
    net_poll_release(&loop->poll);
}

static _Thread_local const struct net_loop *running; /* on this thread */

void net_loop_wake(struct net_loop *loop)
{
    const uint64_t one = 1;
    if (write(loop->wake_fd, &one, sizeof one) < 0)
        return; /* the counter is full: the loop wakes anyway */
}

void net_loop_post(struct net_loop *loop, struct net_msg *msg)
{
    (void)atomic_fetch_add_explicit(&loop->poster_count, 1, memory_order_relaxed);
    struct net_msg *newest = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        msg->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &newest, msg,
                                                    memory_order_release, memory_order_relaxed));
    /* Whoever found the queue empty has woken the loop, or is about to; the loop itself looks into
     * it before it waits. */
    if (!newest && running != loop)
        net_loop_wake(loop);
    (void)atomic_fetch_sub_explicit(&loop->poster_count, 1, memory_order_release);
}

static struct net_msg *reversed(struct net_msg *newest)
{
    struct net_msg *oldest = NULL;
    while (newest) {
        struct net_msg *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void run_messages(struct net_loop *loop)
{
    if (!atomic_load_explicit(&loop->inbox, memory_order_relaxed))
        return;
    struct net_msg *msg =
        reversed(atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire));
    while (msg) {
        struct net_msg *next = msg->next;
        msg->run(msg);
        msg = next;
    }
}

bool net_loop_is_here(const struct net_loop *loop)
{
    return pthread_equal(loop->thread, pthread_self()) != 0;
}

void net_timer_list_init(struct net_loop *loop, struct net_timer_list *list, unsigned timeout_ms,
                         void (*on_expire)(struct net_timer *timer))
{
    *list = (struct net_timer_list){ .timeout_ns = timeout_ms * ns_per_ms,
                                     .on_expire = on_expire,
                                     .next = loop->lists };
    list->ring.prev = &list->ring;
    list->ring.next = &list->ring;
    loop->lists = list;
}

void net_timer_set(const struct net_loop *loop, struct net_timer_list *list,
                   struct net_timer *timer)
{
    net_timer_stop(timer);
    timer->deadline_ns = loop->now_ns + list->timeout_ns;
    timer->next = &list->ring;
    timer->prev = list->ring.prev;
    timer->prev->next = timer;
    list->ring.prev = timer;
}

void net_timer_stop(struct net_timer *timer)
{
    if (!timer->next)
        return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = NULL;
    timer->prev = NULL;
}

static void run_timers(const struct net_loop *loop)
{
    for (struct net_timer_list *list = loop->lists; list; list = list->next) {
        while (list->ring.next != &list->ring && list->ring.next->deadline_ns <= loop->now_ns) {
            struct net_timer *timer = list->ring.next;
            net_timer_stop(timer);
            list->on_expire(timer);
        }
    }
}

/* Rounded up, so that the timer is due when the wait is over. */
static int wait_ms(const struct net_loop *loop)
{
    uint64_t first = UINT64_MAX;
    for (const struct net_timer_list *list = loop->lists; list; list = list->next) {
        if (list->ring.next != &list->ring && list->ring.next->deadline_ns < first)
            first = list->ring.next->deadline_ns;
    }
    if (first == UINT64_MAX)
        return -1;
    uint64_t now = tn_now_ns();
    if (first <= now)
        return 0;
    uint64_t ms = (first - now + ns_per_ms - 1) / ns_per_ms;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void net_loop_run(struct net_loop *loop)
{
    struct net_event events[LOOP_EVENT_MAX];
    bool has_more = true; /* one turn before the first wait: a stop may have come already */
    loop->thread = pthread_self();
    running = loop;
    while (!loop->is_ended) {
        size_t count =
            net_poll_wait(&loop->poll, has_more ? 0 : wait_ms(loop), events, LOOP_EVENT_MAX);
        loop->now_ns = tn_now_ns();
        for (size_t i = 0; i < count; i++)
            events[i].source->on_event(events[i].source, events[i].events);
        run_messages(loop);
        run_timers(loop);
        has_more = loop->on_turn(loop);
        has_more |= atomic_load_explicit(&loop->inbox, memory_order_relaxed) != NULL;
    }
    running = NULL;
}

void net_loop_end(struct net_loop *loop)
{
    assert(net_loop_is_here(loop));
    loop->is_ended = true;
}
