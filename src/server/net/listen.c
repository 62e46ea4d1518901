/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. */

#include "server/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

enum { HOST_LEN_MAX = 255 };

struct target {
    char host[HOST_LEN_MAX + 1]; /* empty: all addresses */
    uint16_t port;
};

static int malformed(const char *text, const char *why, struct tarn_error *err)
{
    return tn_fail(err, TARN_ECONFIG,
                   "could not listen on \"%s\": %s; write HOST:PORT, [IPV6]:PORT or :PORT", text,
                   why);
}

static int parse(const char *text, struct target *out, struct tarn_error *err)
{
    struct tn_str host = tn_str_from(text);
    size_t colon = host.len;
    while (colon > 0 && text[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return malformed(text, "the port is missing", err);
    uint64_t port = 0;
    if (tn_str_to_u64(tn_str_sub(host, colon, SIZE_MAX), &port) < 0 || port > UINT16_MAX)
        return malformed(text, "the port is not a number up to 65535", err);
    host.len = colon - 1;
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = tn_str_sub(host, 1, host.len - 2);
    else if (tn_str_find_char(host, ':') != SIZE_MAX)
        return malformed(text, "an IPv6 address needs brackets", err);
    if (host.len > HOST_LEN_MAX)
        return malformed(text, "the host is too long", err);
    *out = (struct target){ .port = (uint16_t)port };
    if (host.len)
        memcpy(out->host, host.data, host.len);
    return TARN_OK;
}

static int fail_errno(const char *text, struct tarn_error *err)
{
    if (errno == EADDRINUSE)
        return tn_fail(err, TARN_EBUSY, "could not listen on \"%s\": address in use", text);
    if (errno == EADDRNOTAVAIL)
        return tn_fail(err, TARN_ECONFIG,
                       "could not listen on \"%s\": this machine has no such address", text);
    return tn_fail_errno(err, "could not listen on \"%s\"", text);
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* An exclusive socket finds out whether somebody else is there, which SO_REUSEPORT would hide. */
static int open_one(const struct addrinfo *where, bool is_shared)
{
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, is_shared);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted sockets inherit it */
    if (where->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, where->ai_addr, where->ai_addrlen) < 0 || listen(fd, NET_LISTEN_BACKLOG) < 0)
        tn_fd_close(&fd);
    return fd;
}

/* Both families are copied out and in: the address is of no known type. */
static void set_port(struct sockaddr *address, uint16_t port)
{
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        v6.sin6_port = htons(port);
        memcpy(address, &v6, sizeof v6);
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        v4.sin_port = htons(port);
        memcpy(address, &v4, sizeof v4);
    }
}

static int port_of(int fd, uint16_t *port)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t len = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
        return -1;
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    memcpy(&v6, &bound, sizeof v6);
    memcpy(&v4, &bound, sizeof v4);
    *port = ntohs(bound.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
    return 0;
}

static int open_all(struct addrinfo *where, int *fds, size_t count, uint16_t *port)
{
    TN_AUTO_FD probe = open_one(where, false);
    if (probe < 0 || port_of(probe, port) < 0)
        return -1;
    tn_fd_close(&probe);
    set_port(where->ai_addr, *port);
    for (size_t i = 0; i < count; i++) {
        fds[i] = open_one(where, true);
        if (fds[i] < 0) {
            while (i > 0)
                tn_fd_close(&fds[--i]);
            return -1;
        }
    }
    return 0;
}

static int resolve(const char *text, const struct target *target, const char *host,
                   struct addrinfo **out, struct tarn_error *err)
{
    char port[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    (void)snprintf(port, sizeof port, "%u", (unsigned)target->port);
    int number = getaddrinfo(host, port, &hints, out);
    if (number == EAI_MEMORY)
        return tn_fail(err, TARN_ENOMEM, "could not listen on \"%s\": out of memory", text);
    if (number != 0)
        return tn_fail(err, TARN_ECONFIG, "could not listen on \"%s\": %s", text,
                       gai_strerror(number));
    return TARN_OK;
}

/* TARN_OK, a negative status with `err` filled, or 1 with errno set: the sockets could not be
 * opened. */
static int try_listen(const char *text, const struct target *target, const char *host, int *fds,
                      size_t count, uint16_t *port, struct tarn_error *err)
{
    struct addrinfo *found = NULL;
    int rc = resolve(text, target, host, &found, err);
    if (rc < 0)
        return rc;
    int opened = open_all(found, fds, count, port);
    int number = errno;
    freeaddrinfo(found);
    errno = number;
    return opened < 0 ? 1 : TARN_OK;
}

int net_listen(const char *text, int *fds, size_t count, char address[NET_ADDRESS_LEN],
               struct tarn_error *err)
{
    struct target target;
    int rc = parse(text, &target, err);
    if (rc < 0)
        return rc;
    uint16_t port = 0;
    bool is_any = target.host[0] == '\0';
    rc = try_listen(text, &target, is_any ? "::" : target.host, fds, count, &port, err);
    /* "::" takes IPv4 too; machines without IPv6 have only "0.0.0.0". */
    if (rc > 0 && is_any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        rc = try_listen(text, &target, "0.0.0.0", fds, count, &port, err);
    if (rc > 0)
        return fail_errno(text, err);
    if (rc < 0)
        return rc;
    bool is_v6 = strchr(target.host, ':') != NULL;
    (void)snprintf(address, NET_ADDRESS_LEN, is_v6 ? "[%s]:%u" : "%s:%u",
                   is_any ? "0.0.0.0" : target.host, (unsigned)port);
    return TARN_OK;
}

int net_accept(int fd, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;
    int got = accept4(fd, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got >= 0)
        return got;
    switch (errno) {
    case EAGAIN:
        return TARN_EAGAIN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return TARN_ENOSPACE;
    default:
        return TARN_ENETWORK;
    }
}

size_t net_peer_text(const struct sockaddr_storage *peer, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";
    int len;
    if (peer->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof v4);
        (void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        len = snprintf(out, cap, "%s:%u", host, (unsigned)ntohs(v4.sin_port));
        return (size_t)len < cap ? (size_t)len : cap - 1;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, peer, sizeof v6);
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    if (is_mapped)
        (void)inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, host, sizeof host);
    else
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    len = snprintf(out, cap, is_mapped ? "%s:%u" : "[%s]:%u", host, (unsigned)ntohs(v6.sin6_port));
    return (size_t)len < cap ? (size_t)len : cap - 1;
}
