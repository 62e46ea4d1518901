/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: descriptors, messages from other threads, timers. One thread runs it and owns all
 * that hangs on it; nothing but net_loop_post() and net_loop_wake() may be called from elsewhere.
 *
 * A turn: wait, events of descriptors, messages, timers, on_turn. An event never frees the owner of
 * another descriptor; messages, timers and on_turn come behind the events, so they may. */

#ifndef SERVER_NET_LOOP_H
#define SERVER_NET_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/net/poll.h"

struct net_loop;

/* Embedded in what is sent, at most once in the queue at a time. */
struct net_msg {
    struct net_msg *next;
    void (*run)(struct net_msg *msg); /* on the loop; may post the message again */
};

/* Zero-initialise. Linked while it runs. */
struct net_timer {
    struct net_timer *prev;
    struct net_timer *next; /* NULL when it is not set */
    uint64_t deadline_ns;
};

/* All timers of one constant timeout: setting appends, so the first is always the next to expire.
 */
struct net_timer_list {
    struct net_timer ring;
    uint64_t timeout_ns;
    void (*on_expire)(struct net_timer *timer); /* not set any more when called */
    struct net_timer_list *next;
};

struct net_loop {
    struct net_poll poll;
    struct net_source wake;
    int wake_fd;
    _Atomic(struct net_msg *) inbox; /* newest first */
    _Atomic(unsigned) poster_count;  /* threads inside net_loop_post() */
    struct net_timer_list *lists;
    uint64_t now_ns; /* as of this turn */
    pthread_t thread;
    bool is_ended;

    /* At the end of each turn. True: there is more to do, so the next wait must not block. */
    bool (*on_turn)(struct net_loop *loop);
};

TN_MUST_USE int net_loop_init(struct net_loop *loop, bool (*on_turn)(struct net_loop *loop),
                              struct tarn_error *err);

/* After net_loop_run() has returned; waits for threads that are still leaving net_loop_post(). */
void net_loop_release(struct net_loop *loop);

/* Until net_loop_end(). */
void net_loop_run(struct net_loop *loop);
void net_loop_end(struct net_loop *loop); /* on the loop */

/* Runs msg->run(msg) on the loop, in the order of posting for one thread. Any thread. */
void net_loop_post(struct net_loop *loop, struct net_msg *msg);

/* Makes a turn happen soon. Any thread, and signal handlers. */
void net_loop_wake(struct net_loop *loop);

/* Is the caller the thread that runs the loop? Only for what the running loop has handed out. */
bool net_loop_is_here(const struct net_loop *loop);

/* The list must stay as long as the loop. */
void net_timer_list_init(struct net_loop *loop, struct net_timer_list *list, unsigned timeout_ms,
                         void (*on_expire)(struct net_timer *timer));

/* Sets the timer, or sets it anew, for the list's timeout from this turn on. */
void net_timer_set(const struct net_loop *loop, struct net_timer_list *list,
                   struct net_timer *timer);
void net_timer_stop(struct net_timer *timer); /* also when not set */

static inline bool net_timer_is_set(const struct net_timer *timer)
{
    return timer->next != NULL;
}

#endif
