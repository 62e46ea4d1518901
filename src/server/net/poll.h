/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for descriptors: the one door to epoll. Another system brings another poll_NAME.c. */

#ifndef SERVER_NET_POLL_H
#define SERVER_NET_POLL_H

#include "base/fail.h"

enum net_event_flag {
    NET_READABLE = 1u << 0,
    NET_WRITABLE = 1u << 1,
    NET_HANGUP =
        1u << 2, /* the peer sends no more, or the connection is broken: read to learn which */
};

/* Embedded in whatever owns the descriptor. */
struct net_source {
    void (*on_event)(struct net_source *source, unsigned events);
};

struct net_event {
    struct net_source *source;
    unsigned events;
};

enum net_trigger {
    NET_LEVEL, /* readable only, reported as long as it is so */
    NET_EDGE,  /* readable and writable, reported once per change */
};

struct net_poll {
    int fd;
};

TN_MUST_USE int net_poll_init(struct net_poll *p, struct tarn_error *err);
void net_poll_release(struct net_poll *p); /* accepts fd -1 */

/* TARN_OK, TARN_ENOMEM, TARN_ENOSPACE or TARN_EIO. */
TN_MUST_USE int net_poll_add(struct net_poll *p, int fd, enum net_trigger trigger,
                             struct net_source *source);
void net_poll_remove(struct net_poll *p, int fd);

/* Waits at most `timeout_ms` (-1: for ever). Events stored, 0 when there are none. */
size_t net_poll_wait(struct net_poll *p, int timeout_ms, struct net_event *events, size_t cap);

#endif
