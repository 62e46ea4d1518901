/* SPDX-License-Identifier: Apache-2.0 */
/* Plain sockets. */

#include "server/net/stream.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/file.h"

static ssize_t status_of_errno(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? TARN_EAGAIN : TARN_ENETWORK;
}

static ssize_t plain_read(struct net_stream *s, void *bytes, size_t len)
{
    ssize_t n;
    do {
        n = recv(s->fd, bytes, len, 0);
    } while (n < 0 && errno == EINTR);
    s->is_drained = n < (ssize_t)len;
    return n < 0 ? status_of_errno() : n;
}

static ssize_t plain_write(struct net_stream *s, const struct iovec *parts, unsigned count)
{
    struct iovec copy[8];
    struct msghdr message = { .msg_iov = copy };
    message.msg_iovlen = count < TN_COUNT(copy) ? count : TN_COUNT(copy);
    memcpy(copy, parts, message.msg_iovlen * sizeof *copy);
    ssize_t n;
    do {
        n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? status_of_errno() : n;
}

static ssize_t plain_send_file(struct net_stream *s, int fd, uint64_t offset, size_t len)
{
    off_t at = (off_t)offset;
    ssize_t n;
    do {
        n = sendfile(s->fd, fd, &at, len);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return TARN_EIO;
    return n < 0 ? status_of_errno() : n;
}

static void plain_shutdown(struct net_stream *s)
{
    (void)shutdown(s->fd, SHUT_WR);
}

static void plain_close(struct net_stream *s)
{
    tn_fd_close(&s->fd);
}

static const struct net_stream_ops plain_ops = { plain_read, plain_write, plain_send_file,
                                                 plain_shutdown, plain_close };

void net_stream_open(struct net_stream *s, int fd)
{
    *s = (struct net_stream){ .ops = &plain_ops, .fd = fd };
}

ssize_t net_stream_drop(struct net_stream *s, void *scratch, size_t len)
{
    return plain_read(s, scratch, len);
}

void net_stream_shutdown(struct net_stream *s)
{
    if (s->fd >= 0)
        s->ops->shutdown(s);
}

void net_stream_close(struct net_stream *s)
{
    if (s->fd >= 0)
        s->ops->close(s);
}
