/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: one per loop on the same address; the kernel spreads connections over them. */

#ifndef SERVER_NET_LISTEN_H
#define SERVER_NET_LISTEN_H

#include <sys/socket.h>

#include "base/fail.h"

enum {
    NET_ADDRESS_LEN = 300, /* room for HOST:PORT as text: host names end at 253 */
    NET_LISTEN_BACKLOG = 4096,
};

/* Opens `count` sockets on HOST:PORT, [V6]:PORT or :PORT (all addresses). Port 0 takes a free one.
 * `address` receives what was asked for with the port that was taken. On failure no socket is left;
 * the message says why: malformed, unknown host, in use (by whomever), not permitted. */
TN_MUST_USE int net_listen(const char *text, int *fds, size_t count, char address[NET_ADDRESS_LEN],
                           struct tarn_error *err);

/* Accepts one connection, non-blocking. The descriptor, TARN_EAGAIN when none waits, TARN_ENOSPACE
 * when descriptors or memory have run out, TARN_ENETWORK when that connection is gone already. */
int net_accept(int fd, struct sockaddr_storage *peer);

/* "127.0.0.1:4242", "[::1]:4242"; IPv4 mapped into IPv6 is written as IPv4. Its length. */
size_t net_peer_text(const struct sockaddr_storage *peer, char *out, size_t cap);

#endif
