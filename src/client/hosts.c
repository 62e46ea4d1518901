/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of hosts. */

#include "client/hosts.h"

#include <netdb.h>
#include <strings.h>

#include "base/clock.h"
#include "base/str.h"

#define REMEMBERED_NS (60ull * 1000000000u)

void tn_hosts_init(struct tn_hosts *h)
{
    *h = (struct tn_hosts){ 0 };
    (void)pthread_mutex_init(&h->lock, NULL);
}

void tn_hosts_release(struct tn_hosts *h)
{
    (void)pthread_mutex_destroy(&h->lock);
}

/* "host:port", "[v6]:port" or without a port. */
static bool split(const char *text, char name[TN_HOST_NAME_MAX], char port[8])
{
    struct tn_str host = tn_str_from(text);
    struct tn_str number = TN_STR("80");
    size_t bracket = tn_str_find_char(host, ']');
    struct tn_str behind = tn_str_sub(host, bracket == SIZE_MAX ? 0 : bracket, SIZE_MAX);
    size_t colon = tn_str_find_char(behind, ':');
    if (colon != SIZE_MAX) {
        number = tn_str_sub(behind, colon + 1, SIZE_MAX);
        host.len -= number.len + 1;
    }
    if (bracket != SIZE_MAX && host.len >= 2 && host.data[0] == '[')
        host = tn_str_sub(host, 1, host.len - 2);
    if (host.len == 0 || host.len >= TN_HOST_NAME_MAX || number.len == 0 || number.len > 5)
        return false;
    (void)snprintf(name, TN_HOST_NAME_MAX, "%.*s", TN_STR_ARG(host));
    (void)snprintf(port, 8, "%.*s", TN_STR_ARG(number));
    return true;
}

/* What is below "localhost" is the loopback (RFC 6761), which not every resolver knows. */
static const char *resolvable(const char *name)
{
    static const char below[] = ".localhost";
    size_t len = strlen(name);
    bool is_below = len >= sizeof below && strcasecmp(name + len - (sizeof below - 1), below) == 0;
    return is_below ? below + 1 : name;
}

static struct addrinfo *ask(const char *host)
{
    char name[TN_HOST_NAME_MAX];
    char port[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    if (!split(host, name, port) || getaddrinfo(resolvable(name), port, &hints, &found) != 0)
        return NULL;
    return found;
}

/* With the lock held. SIZE_MAX when it is not there, or too old. */
static size_t slot_of(const struct tn_hosts *h, const char *host, bool may_be_old)
{
    uint64_t now = may_be_old ? 0 : tn_now_ns();
    for (size_t i = 0; i < TN_HOSTS_MAX; i++) {
        if (h->slots[i].count > 0 && strcmp(h->slots[i].host, host) == 0 &&
            (may_be_old || now - h->slots[i].found_ns < REMEMBERED_NS))
            return i;
    }
    return SIZE_MAX;
}

static void remember(struct tn_hosts *h, const char *host, const struct addrinfo *found)
{
    size_t slot = slot_of(h, host, true);
    if (slot == SIZE_MAX) {
        slot = h->next;
        h->next = (slot + 1) % TN_HOSTS_MAX;
    }
    (void)snprintf(h->slots[slot].host, sizeof h->slots[slot].host, "%s", host);
    h->slots[slot].found_ns = tn_now_ns();
    h->slots[slot].count = 0;
    for (; found && h->slots[slot].count < TN_HOST_ADDRESSES_MAX; found = found->ai_next) {
        size_t n = h->slots[slot].count;
        if (found->ai_addrlen > sizeof h->slots[slot].addresses[n])
            continue;
        memcpy(&h->slots[slot].addresses[n], found->ai_addr, found->ai_addrlen);
        h->slots[slot].lens[n] = found->ai_addrlen;
        h->slots[slot].count++;
    }
}

bool tn_hosts_find(struct tn_hosts *h, const char *host, unsigned which, bool may_be_old,
                   struct sockaddr_storage *address, socklen_t *len)
{
    if (strlen(host) >= TN_HOST_NAME_MAX)
        return false;
    (void)pthread_mutex_lock(&h->lock);
    size_t slot = slot_of(h, host, may_be_old);
    if (slot == SIZE_MAX) {
        (void)pthread_mutex_unlock(&h->lock); /* the resolver may take its time */
        struct addrinfo *found = ask(host);
        (void)pthread_mutex_lock(&h->lock);
        if (found)
            remember(h, host, found);
        if (found)
            freeaddrinfo(found);
        slot = slot_of(h, host, may_be_old);
    }
    if (slot != SIZE_MAX) {
        size_t n = which % h->slots[slot].count;
        *address = h->slots[slot].addresses[n];
        *len = h->slots[slot].lens[n];
    }
    (void)pthread_mutex_unlock(&h->lock);
    return slot != SIZE_MAX;
}
