/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of hosts, remembered for a minute. */

#ifndef CLIENT_HOSTS_H
#define CLIENT_HOSTS_H

#include <pthread.h>
#include <sys/socket.h>

#include "base/fail.h"

enum { TN_HOSTS_MAX = 32, TN_HOST_ADDRESSES_MAX = 8, TN_HOST_NAME_MAX = 256 };

/* Any thread. */
struct tn_hosts {
    pthread_mutex_t lock;
    size_t next; /* slot to overwrite */
    struct {
        char host[TN_HOST_NAME_MAX];
        uint64_t found_ns;
        size_t count;
        struct sockaddr_storage addresses[TN_HOST_ADDRESSES_MAX];
        socklen_t lens[TN_HOST_ADDRESSES_MAX];
    } slots[TN_HOSTS_MAX];
};

void tn_hosts_init(struct tn_hosts *h);
void tn_hosts_release(struct tn_hosts *h);

/* An address of "host[:port]" (port 80 by default; "[::1]:9000" for IPv6): number `which` of those
 * there are, around and around. Asks the resolver, and blocks, when it is not remembered, or for too
 * long, unless it `may_be_old`. */
bool tn_hosts_find(struct tn_hosts *h, const char *host, unsigned which, bool may_be_old,
                   struct sockaddr_storage *address, socklen_t *len);

#endif
