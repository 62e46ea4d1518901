/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-bench-null: a server that does nothing, so that what is measured is the client. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "bench/null_answer.h"

enum {
    THREADS = 2,
    EVENTS_MAX = 64,
    HEAD_LEN_MAX = 64 * 1024,
    OUT_LEN_MAX = 8 << 20,
    ARENA_MAX = 8 << 20,
    ZEROS_LEN = 1 << 20,
    TURN_STEPS_MAX = 16, /* of one connection, before others have theirs */
    DROP_LEN = 4 << 20,
};

static const char usage[] =
    "usage: tarn-bench-null [--port N] [--keys N] [--per-directory N] [--size N] [--large N]\n"
    "       tarn-bench-null --tree DIRECTORY [--keys N] [--per-directory N] [--size N]\n"
    "Serves on 127.0.0.1 and writes the port; or makes the files that its listings tell of.\n";

struct conn {
    int fd;
    bool waits_to_send;
    bool closes;
    struct tn_buf in;
    struct tn_buf out;
    uint64_t zeros; /* behind `out` */
    uint64_t drop;  /* bytes of the request's body that are still to come */
    bool has_head;
    struct tn_http1 parser;
    struct tn_arena arena;
    struct tn_http1_head head;
};

struct loop {
    struct null_world *world;
    int listener;
    int epoll_fd;
};

static char zeros[ZEROS_LEN];

static void conn_free(struct conn *c)
{
    tn_fd_close(&c->fd);
    tn_buf_release(&c->in);
    tn_buf_release(&c->out);
    tn_arena_release(&c->arena);
    tn_free(c);
}

static void accept_one(struct loop *l)
{
    int one = 1;
    TN_AUTO_FD fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct conn *c = tn_calloc(1, sizeof *c);
    if (!c)
        return;
    c->fd = fd;
    c->in = TN_BUF_INIT(HEAD_LEN_MAX);
    c->out = TN_BUF_INIT(OUT_LEN_MAX);
    tn_arena_init(&c->arena, ARENA_MAX);
    tn_http1_init(&c->parser, HEAD_LEN_MAX);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        c->closes = true;
    fd = -1; /* belongs to the connection now */
    if (c->closes)
        conn_free(c);
}

/* 1: all is out. 0: the socket is full. Negative: it is over. */
static int conn_send(struct conn *c)
{
    while (c->out.len > 0) {
        ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | (c->zeros ? MSG_MORE : 0));
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        tn_buf_consume(&c->out, (size_t)n);
    }
    while (c->zeros > 0) {
        size_t want = c->zeros < ZEROS_LEN ? (size_t)c->zeros : ZEROS_LEN;
        ssize_t n = send(c->fd, zeros, want, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->zeros -= (uint64_t)n;
    }
    return 1;
}

/* Body bytes are thrown away inside the kernel. */
static int conn_drop(struct conn *c)
{
    size_t here = c->in.len < c->drop ? c->in.len : (size_t)c->drop;
    tn_buf_consume(&c->in, here);
    c->drop -= here;
    while (c->drop > 0) {
        size_t want = c->drop < DROP_LEN ? (size_t)c->drop : DROP_LEN;
        ssize_t n = recv(c->fd, NULL, want, MSG_TRUNC);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        c->drop -= (uint64_t)n;
    }
    return 1;
}

static int conn_read_head(struct conn *c)
{
    for (;;) {
        if (c->in.len > 0) {
            int rc = tn_http1_parse(&c->parser, c->in.data, c->in.len);
            if (rc == TARN_OK)
                break;
            if (rc != TARN_EAGAIN)
                return -1;
        }
        if (tn_buf_reserve(&c->in, 4096) < 0)
            return -1;
        size_t room = c->in.cap - c->in.len - 1;
        ssize_t n = recv(c->fd, c->in.data + c->in.len, room, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        c->in.len += (size_t)n;
        c->in.data[c->in.len] = '\0';
    }
    if (tn_http1_take(&c->parser, c->in.data, &c->arena, &c->head) < 0 || c->head.is_chunked)
        return -1;
    tn_buf_consume(&c->in, c->parser.head_len);
    tn_http1_init(&c->parser, HEAD_LEN_MAX);
    c->has_head = true;
    c->drop = c->head.content_length;
    if (c->head.expects_continue && c->in.len == 0 &&
        tn_buf_append_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
        return -1;
    return 1;
}

static int conn_answer(struct loop *l, struct conn *c)
{
    int rc = null_answer(l->world, &c->arena, &c->head, &c->out, &c->zeros);
    c->closes = !c->head.is_keep_alive;
    c->has_head = false;
    tn_arena_reset(&c->arena);
    return rc < 0 ? -1 : 1;
}

/* One request further. 0: nothing to be done now. */
static int conn_step(struct loop *l, struct conn *c)
{
    int more = conn_send(c);
    if (more <= 0)
        return more;
    if (c->closes)
        return -1;
    if (!c->has_head)
        more = conn_read_head(c);
    if (more > 0 && c->out.len > 0)
        more = conn_send(c);
    if (more > 0)
        more = conn_drop(c);
    return more > 0 ? conn_answer(l, c) : more;
}

static void conn_serve(struct loop *l, struct conn *c)
{
    int more = 1;
    for (int i = 0; more > 0 && i < TURN_STEPS_MAX; i++)
        more = conn_step(l, c);
    if (more < 0) {
        conn_free(c);
        return;
    }
    bool waits = c->out.len > 0 || c->zeros > 0;
    if (waits != c->waits_to_send) {
        struct epoll_event event = { .events = waits ? EPOLLOUT : EPOLLIN, .data.ptr = c };
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
        c->waits_to_send = waits;
    }
}

static void *loop_run(void *arg)
{
    struct loop *l = arg;
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(l->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                conn_serve(l, events[i].data.ptr);
            else
                accept_one(l);
        }
    }
    return NULL;
}

static int listen_on(uint64_t port, struct tarn_error *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 1024) < 0 || getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        (void)tn_fail_errno(err, "could not listen");
        tn_fd_close(&fd);
        return TARN_ENETWORK;
    }
    (void)printf("%u\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static int serve(struct null_world *w, uint64_t port, struct tarn_error *err)
{
    static struct loop loops[THREADS];
    int listener = listen_on(port, err);
    if (listener < 0)
        return listener;
    for (int i = 0; i < THREADS; i++) {
        struct loop *l = &loops[i];
        *l = (struct loop){ w, listener, epoll_create1(EPOLL_CLOEXEC) };
        struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
        pthread_t thread;
        if (l->epoll_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
            return tn_fail_errno(err, "could not watch the listener");
        if (i + 1 == THREADS)
            (void)loop_run(l);
        else if (pthread_create(&thread, NULL, loop_run, l) != 0)
            return tn_fail(err, TARN_ENOMEM, "could not start a thread");
    }
    return TARN_OK;
}

/* ---- files like the listings ---- */

static int make_file(const char *path, uint64_t size, struct tarn_error *err)
{
    /* The moment that the listings tell. */
    static const struct timespec times[2] = { { .tv_sec = 1767225600 }, { .tv_sec = 1767225600 } };
    TN_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || futimens(fd, times) < 0)
        return tn_fail_errno(err, "could not write \"%s\"", path);
    return TARN_OK;
}

static int make_tree(struct null_world *w, const char *root, struct tarn_error *err)
{
    int rc = tn_dir_make(root, 0755, err);
    if (rc < 0)
        return rc;
    if (chdir(root) < 0)
        return tn_fail_errno(err, "could not enter \"%s\"", root);
    for (uint64_t i = 0; rc == TARN_OK && i < w->keys; i++) {
        char name[NULL_NAME_LEN];
        null_name(w, i, name);
        name[7] = '\0';
        if (i % w->per_directory == 0 && mkdir(name, 0755) < 0 && errno != EEXIST)
            return tn_fail_errno(err, "could not make \"%s\"", name);
        name[7] = '/';
        rc = make_file(name, w->size, err);
    }
    return rc;
}

/* ---- the command line ---- */

static int parse(int argc, char **argv, struct null_world *w, uint64_t *port, const char **tree)
{
    const struct {
        const char *name;
        uint64_t *field;
    } numbers[] = { { "--port", port },
                    { "--keys", &w->keys },
                    { "--per-directory", &w->per_directory },
                    { "--size", &w->size },
                    { "--large", &w->large } };
    for (int i = 1; i + 1 < argc; i += 2) {
        bool is_known = strcmp(argv[i], "--tree") == 0;
        if (is_known)
            *tree = argv[i + 1];
        for (size_t j = 0; j < TN_COUNT(numbers); j++) {
            if (strcmp(argv[i], numbers[j].name) == 0)
                is_known = tn_str_to_size(tn_str_from(argv[i + 1]), numbers[j].field) == TARN_OK;
        }
        if (!is_known)
            return TARN_EINVAL;
    }
    return argc % 2 == 1 && w->per_directory > 0 && w->per_directory <= 1000000 ? TARN_OK
                                                                                : TARN_EINVAL;
}

int main(int argc, char **argv)
{
    static struct null_world world;
    struct tarn_error err = { 0 };
    uint64_t port = 0;
    const char *tree = NULL;
    null_world_init(&world);
    if (parse(argc, argv, &world, &port, &tree) < 0) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = tree ? make_tree(&world, tree, &err) : serve(&world, port, &err);
    null_world_release(&world);
    if (rc < 0) {
        (void)fprintf(stderr, "tarn-bench-null: %s\n", err.message);
        return 1;
    }
    return 0;
}
