/* SPDX-License-Identifier: Apache-2.0 */
/* A connected, non-blocking socket, plain or under TLS, behind one small table. Owner's thread
 * only. */

#ifndef SERVER_NET_STREAM_H
#define SERVER_NET_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/fail.h"

struct net_stream;

struct net_stream_ops {
    ssize_t (*read)(struct net_stream *s, void *bytes, size_t len);
    ssize_t (*write)(struct net_stream *s, const struct iovec *parts, unsigned count);
    /* NULL: bytes of files have to be read and written. */
    ssize_t (*send_file)(struct net_stream *s, int fd, uint64_t offset, size_t len);
    void (*shutdown)(struct net_stream *s);
    void (*close)(struct net_stream *s);
};

struct net_stream {
    const struct net_stream_ops *ops;
    void *tls; /* the TLS session */
    int fd;    /* -1 when closed */

    /* After a read: the socket had no more, so there is no need to ask before its next event. */
    bool is_drained;

    /* TLS: the read that returned TARN_EAGAIN waits for room to write, or the other way round. */
    bool read_wants_write;
    bool write_wants_read;
};

/* Takes over `fd`. */
void net_stream_open(struct net_stream *s, int fd);

/* Bytes read (1 to `len`), 0 at the end, TARN_EAGAIN, or TARN_ENETWORK when the connection is
 * broken. */
static inline ssize_t net_stream_read(struct net_stream *s, void *bytes, size_t len)
{
    return s->ops->read(s, bytes, len);
}

/* Bytes written (at least 1), TARN_EAGAIN or TARN_ENETWORK. Pieces of one call leave together. */
static inline ssize_t net_stream_write(struct net_stream *s, const struct iovec *parts,
                                       unsigned count)
{
    return s->ops->write(s, parts, count);
}

/* Writes bytes of a file without reading them. As net_stream_write(); TARN_EIO when the file is
 * shorter. */
static inline bool net_stream_can_send_file(const struct net_stream *s)
{
    return s->ops->send_file != NULL;
}

static inline ssize_t net_stream_send_file(struct net_stream *s, int fd, uint64_t offset,
                                           size_t len)
{
    return s->ops->send_file(s, fd, offset, len);
}

/* Reads and drops raw bytes, behind net_stream_shutdown(). As net_stream_read(). */
ssize_t net_stream_drop(struct net_stream *s, void *scratch, size_t len);

/* Says that nothing more will be written. */
void net_stream_shutdown(struct net_stream *s);

void net_stream_close(struct net_stream *s); /* again is fine */

#endif
