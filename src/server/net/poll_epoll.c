/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for descriptors with epoll(7). */

#include "server/net/poll.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/file.h"

enum { POLL_BATCH_MAX = 128 };

int net_poll_init(struct net_poll *p, struct tarn_error *err)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return tn_fail_errno(err, "could not create an event queue");
    p->fd = fd;
    return TARN_OK;
}

void net_poll_release(struct net_poll *p)
{
    tn_fd_close(&p->fd);
}

int net_poll_add(struct net_poll *p, int fd, enum net_trigger trigger, struct net_source *source)
{
    struct epoll_event event = { .data.ptr = source };
    event.events = trigger == NET_LEVEL ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    if (epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return tn_status_from_errno(errno);
    return TARN_OK;
}

void net_poll_remove(struct net_poll *p, int fd)
{
    (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

static unsigned flags_of(uint32_t events)
{
    unsigned flags = 0;
    if (events & EPOLLIN)
        flags |= NET_READABLE;
    if (events & EPOLLOUT)
        flags |= NET_WRITABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        flags |= NET_HANGUP;
    return flags;
}

size_t net_poll_wait(struct net_poll *p, int timeout_ms, struct net_event *events, size_t cap)
{
    struct epoll_event batch[POLL_BATCH_MAX];
    int room = cap < POLL_BATCH_MAX ? (int)cap : POLL_BATCH_MAX;
    int count = epoll_wait(p->fd, batch, room, timeout_ms);
    for (int i = 0; i < count; i++)
        events[i] = (struct net_event){ batch[i].data.ptr, flags_of(batch[i].events) };
    return count < 0 ? 0 : (size_t)count;
}
