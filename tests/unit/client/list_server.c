/* SPDX-License-Identifier: Apache-2.0 */
/* The server of a long listing: one thread, answers that are due at a time. It allocates nothing
 * once it runs, so that sweeps over allocations are the client's. */

#include "unit/client/list_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { CONNS_MAX = 64, HEAD_LEN_MAX = 8192, PAGE_LEN_MAX = 16384, TURN_MS = 20, CYCLE = 7 };

struct conn {
    int fd; /* -1: none */
    size_t len;
    uint64_t due_ns; /* 0: nothing was asked */
    char head[HEAD_LEN_MAX];
};

struct list_server {
    struct list_plan plan;
    int listener;
    pthread_t thread;
    atomic_bool must_stop;
    atomic_size_t guesses;
    size_t chained;
    size_t requests;
    char url[64];
    struct conn conns[CONNS_MAX];
};

/* ---- keys ---- */

bool list_server_is_steady(const struct list_plan *plan, size_t i)
{
    return plan->changes_at == 0 || (i % CYCLE != 3 && i % CYCLE != 5);
}

static bool is_there(const struct list_server *s, size_t i)
{
    bool has_changed = s->requests > s->plan.changes_at;
    return list_server_is_steady(&s->plan, i) || i % CYCLE == (has_changed ? 3 : 5);
}

static void name_of(size_t i, char key[LIST_SERVER_KEY_LEN + 1])
{
    memcpy(key, "k000000", LIST_SERVER_KEY_LEN + 1);
    for (char *p = key + LIST_SERVER_KEY_LEN - 1; i > 0; p--, i /= 10)
        *p = (char)('0' + i % 10);
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : 0;
}

/* The value of a field of the query, decoded; false without one. */
static bool find_field(const char *head, const char *name, char out[HEAD_LEN_MAX])
{
    const char *p = strstr(head, name);
    if (!p)
        return false;
    for (p += strlen(name); *p && *p != '&' && *p != ' '; p++) {
        if (*p == '%' && p[1] && p[2]) {
            *out++ = (char)(hex_value(p[1]) * 16 + hex_value(p[2]));
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
    return true;
}

static size_t first_behind(const struct list_server *s, const char *after)
{
    size_t i = 0;
    for (; i < s->plan.keys; i++) {
        char key[LIST_SERVER_KEY_LEN + 1];
        name_of(i, key);
        if (strcmp(key, after) > 0)
            break;
    }
    return i;
}

/* ---- pages ---- */

static size_t write_page(const struct list_server *s, size_t i, char out[PAGE_LEN_MAX])
{
    size_t count = 0;
    char *p = out + snprintf(out, PAGE_LEN_MAX, "<ListBucketResult>");
    for (; i < s->plan.keys && count < LIST_SERVER_PAGE; i++) {
        char key[LIST_SERVER_KEY_LEN + 1];
        if (!is_there(s, i))
            continue;
        name_of(i, key);
        p += snprintf(p, 128, "<Contents><Key>%s</Key><Size>1</Size></Contents>", key);
        count++;
    }
    if (i < s->plan.keys)
        p += snprintf(p, 256,
                      "<IsTruncated>true</IsTruncated><NextContinuationToken>%zu"
                      "</NextContinuationToken>",
                      i);
    p += snprintf(p, 64, "</ListBucketResult>");
    return (size_t)(p - out);
}

static void say(struct conn *c, const char *status, const char *body, size_t len, size_t announced)
{
    char head[256];
    int head_len = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status,
                            announced);
    /* With more announced and none coming the kernel keeps it for a fifth of a second. */
    (void)send(c->fd, head, (size_t)head_len, MSG_NOSIGNAL | (len > 0 ? MSG_MORE : 0));
    if (len > 0)
        (void)send(c->fd, body, len, MSG_NOSIGNAL);
}

static void hang_up(struct conn *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}

static void answer_page(struct list_server *s, struct conn *c, size_t i, enum list_fault fault)
{
    static const char html[] = "<html>busy</html>";
    static const char empty[] = "<ListBucketResult></ListBucketResult>";
    char page[PAGE_LEN_MAX];
    i = fault == LIST_FROM_START           ? 0
        : fault == LIST_ONE_LATE           ? i + 1
        : fault == LIST_ONE_EARLY && i > 0 ? i - 1
                                           : i;
    size_t len = write_page(s, i, page);
    if (fault == LIST_500)
        say(c, "500 Internal", "", 0, 0);
    else if (fault == LIST_503)
        say(c, "503 Slow", "", 0, 0);
    else if (fault == LIST_ANOTHER_DOC)
        say(c, "200 OK", html, strlen(html), strlen(html));
    else if (fault == LIST_EMPTY)
        say(c, "200 OK", empty, strlen(empty), strlen(empty));
    else
        say(c, "200 OK", page, fault == LIST_CUT || fault == LIST_SHORT ? len / 2 : len,
            fault == LIST_SHORT ? len / 2 : len);
    if (fault == LIST_CUT)
        hang_up(c);
}

static void answer(struct list_server *s, struct conn *c)
{
    char value[HEAD_LEN_MAX];
    size_t i = 0;
    enum list_fault fault = LIST_NO_FAULT;
    s->requests++;
    if (find_field(c->head, "start-after=", value)) {
        atomic_fetch_add(&s->guesses, 1);
        fault = s->plan.guessed;
        i = first_behind(s, value);
    } else if (find_field(c->head, "continuation-token=", value)) {
        s->chained++;
        if (s->plan.chained_each == 0 || s->chained % s->plan.chained_each == 0)
            fault = s->plan.chained;
        i = strtoul(value, NULL, 10);
    }
    c->len = 0;
    c->due_ns = 0;
    answer_page(s, c, i, fault);
}

/* ---- the loop ---- */

static void take_conn(struct list_server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; i < CONNS_MAX && fd >= 0; i++) {
        if (s->conns[i].fd >= 0)
            continue;
        s->conns[i].fd = fd;
        s->conns[i].len = 0;
        s->conns[i].due_ns = 0;
        return;
    }
    if (fd >= 0)
        (void)close(fd);
}

static void take_bytes(struct list_server *s, struct conn *c)
{
    ssize_t n = recv(c->fd, c->head + c->len, HEAD_LEN_MAX - 1 - c->len, MSG_DONTWAIT);
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->len += (size_t)n;
    c->head[c->len] = '\0';
    if (strstr(c->head, "\r\n\r\n"))
        c->due_ns = tn_now_ns() + (uint64_t)s->plan.delay_ms * 1000000u;
}

static int wait_ms(const struct list_server *s)
{
    uint64_t now = tn_now_ns();
    int wait = TURN_MS;
    for (size_t i = 0; i < CONNS_MAX; i++) {
        const struct conn *c = &s->conns[i];
        if (c->fd < 0 || c->due_ns == 0)
            continue;
        int left = c->due_ns <= now ? 0 : (int)((c->due_ns - now) / 1000000u) + 1;
        wait = left < wait ? left : wait;
    }
    return wait;
}

static void turn(struct list_server *s)
{
    struct pollfd polls[CONNS_MAX + 1];
    for (size_t i = 0; i < CONNS_MAX; i++)
        polls[i] =
            (struct pollfd){ .fd = s->conns[i].due_ns ? -1 : s->conns[i].fd, .events = POLLIN };
    polls[CONNS_MAX] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
    if (poll(polls, CONNS_MAX + 1, wait_ms(s)) < 0)
        return;
    for (size_t i = 0; i < CONNS_MAX; i++) {
        struct conn *c = &s->conns[i];
        if (c->fd >= 0 && polls[i].revents)
            take_bytes(s, c);
        if (c->fd >= 0 && c->due_ns && c->due_ns <= tn_now_ns())
            answer(s, c);
    }
    if (polls[CONNS_MAX].revents)
        take_conn(s);
}

static void *run(void *arg)
{
    struct list_server *s = arg;
    while (!atomic_load(&s->must_stop))
        turn(s);
    for (size_t i = 0; i < CONNS_MAX; i++)
        hang_up(&s->conns[i]);
    return NULL;
}

struct list_server *list_server_new(const struct list_plan *plan)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof address;
    struct list_server *s = tn_calloc(1, sizeof *s);
    assert(s);
    s->plan = *plan;
    for (size_t i = 0; i < CONNS_MAX; i++)
        s->conns[i].fd = -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(s->listener >= 0);
    int rc = bind(s->listener, (struct sockaddr *)&address, sizeof address);
    assert(rc == 0);
    rc = listen(s->listener, CONNS_MAX);
    assert(rc == 0);
    rc = getsockname(s->listener, (struct sockaddr *)&address, &len);
    assert(rc == 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    rc = pthread_create(&s->thread, NULL, run, s);
    assert(rc == 0);
    (void)rc;
    return s;
}

void list_server_free(struct list_server *s)
{
    atomic_store(&s->must_stop, true);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listener);
    tn_free(s);
}

const char *list_server_url(const struct list_server *s)
{
    return s->url;
}

size_t list_server_guesses(struct list_server *s)
{
    return atomic_load(&s->guesses);
}
