/* SPDX-License-Identifier: Apache-2.0 */
/* Events into Redis: lists, channels, streams, and MinIO's two formats. */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/uri.h"
#include "server/notify/resp.h"
#include "server/notify/sender.h"

enum {
    REDIS_PORT = 6379,
    REDIS_DB_MAX = 65535,
    POLL_MS = 100, /* how late a stop is seen */
    WORDS_MAX = 6,
    COMMAND_LEN_MAX = 4 * NOTIFY_MESSAGE_LEN_MAX,
};

struct redis {
    struct notify_sender base;
    const struct notify_target *target;
    const _Atomic(bool) *must_stop;
    int fd; /* -1: none */
    char *host;
    char port[8];
    char db[8]; /* empty: the first */
    int (*format)(struct redis *r, const struct notify_message *m, struct tarn_error *err);
    struct tn_buf command;
    uint64_t deadline_ns;
};

/* --- The connection --- */

static void disconnect(struct redis *r)
{
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
}

static int fail_io(const struct redis *r, const char *what, struct tarn_error *err)
{
    return tn_fail_errno(err, "could not %s \"%s\"", what, r->target->redis);
}

static int wait_for(struct redis *r, short events, struct tarn_error *err)
{
    struct pollfd p = { .fd = r->fd, .events = events };
    for (;;) {
        if (atomic_load(r->must_stop))
            return tn_fail(err, TARN_ECANCELLED, "stopping");
        if (tn_now_ns() > r->deadline_ns)
            return tn_fail(err, TARN_ETIMEOUT, "\"%s\" takes too long", r->target->redis);
        int rc = poll(&p, 1, POLL_MS);
        if (rc < 0 && errno != EINTR)
            return fail_io(r, "wait for", err);
        if (rc > 0)
            return TARN_OK;
    }
}

static int connect_one(struct redis *r, const struct addrinfo *a, struct tarn_error *err)
{
    int one = 1;
    int failure = 0;
    socklen_t len = sizeof failure;
    r->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (r->fd < 0)
        return fail_io(r, "connect to", err);
    (void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int rc = TARN_OK;
    if (connect(r->fd, a->ai_addr, a->ai_addrlen) < 0) {
        rc = errno == EINPROGRESS ? wait_for(r, POLLOUT, err) : fail_io(r, "connect to", err);
        if (rc == TARN_OK && getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 &&
            failure) {
            errno = failure;
            rc = fail_io(r, "connect to", err);
        }
    }
    if (rc < 0)
        disconnect(r);
    return rc;
}

static int connect_any(struct redis *r, struct tarn_error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;
    int code = getaddrinfo(r->host, r->port, &hints, &all);
    if (code != 0)
        return tn_fail(err, TARN_EIO, "could not find \"%s\": %s", r->host, gai_strerror(code));
    int rc = TARN_EIO;
    for (const struct addrinfo *a = all; a && rc < 0 && rc != TARN_ECANCELLED; a = a->ai_next)
        rc = connect_one(r, a, err);
    freeaddrinfo(all);
    return rc;
}

static int write_all(struct redis *r, struct tn_str bytes, struct tarn_error *err)
{
    while (bytes.len) {
        ssize_t n = send(r->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail_io(r, "write to", err);
        int rc = n < 0 ? wait_for(r, POLLOUT, err) : TARN_OK;
        if (rc < 0)
            return rc;
        bytes = tn_str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.len);
    }
    return TARN_OK;
}

static int read_reply(struct redis *r, struct resp_reply *reply, struct tarn_error *err)
{
    char bytes[1024];
    while (!reply->is_complete) {
        size_t taken;
        int rc = wait_for(r, POLLIN, err);
        if (rc < 0)
            return rc;
        ssize_t n = recv(r->fd, bytes, sizeof bytes, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return fail_io(r, "read from", err);
        if (n == 0)
            return tn_fail(err, TARN_EIO, "\"%s\" hung up", r->target->redis);
        rc = resp_feed(reply, bytes, (size_t)n, &taken);
        if (rc < 0 || taken < (size_t)n)
            return tn_fail(err, TARN_EPROTOCOL, "\"%s\" does not speak as Redis does",
                           r->target->redis);
    }
    return TARN_OK;
}

/* One command and its answer; the connection is closed unless that was fine. */
static int call(struct redis *r, const struct tn_str *words, size_t count, struct tarn_error *err)
{
    struct resp_reply reply = { .kind = 0 };
    tn_buf_truncate(&r->command, 0);
    int rc = resp_command(words, count, &r->command);
    if (rc < 0)
        return tn_fail(err, rc, "could not put a command together");
    rc = write_all(r, tn_buf_str(&r->command), err);
    if (rc == TARN_OK)
        rc = read_reply(r, &reply, err);
    tn_wipe(r->command.data, r->command.len); /* it may hold the password */
    if (rc < 0)
        disconnect(r);
    else if (resp_is_error(&reply))
        rc = tn_fail(err, TARN_EIO, "\"%s\" answered: %s", r->target->redis, reply.line);
    return rc;
}

/* What comes unasked is its end, or the rest of an answer that would be taken for the next. */
static bool is_quiet(const struct redis *r)
{
    struct pollfd p = { .fd = r->fd, .events = POLLIN };
    return poll(&p, 1, 0) == 0;
}

static int connect_all(struct redis *r, struct tarn_error *err)
{
    struct tn_str auth[] = { TN_STR("AUTH"), tn_str_from(r->target->password) };
    struct tn_str select[] = { TN_STR("SELECT"), tn_str_from(r->db) };
    if (r->fd >= 0 && is_quiet(r))
        return TARN_OK;
    disconnect(r);
    int rc = connect_any(r, err);
    if (rc == TARN_OK && r->target->password)
        rc = call(r, auth, TN_COUNT(auth), err);
    if (rc == TARN_OK && r->db[0])
        rc = call(r, select, TN_COUNT(select), err);
    if (rc < 0)
        disconnect(r);
    return rc;
}

/* --- Formats --- */

static int send_list(struct redis *r, const struct notify_message *m, struct tarn_error *err)
{
    struct tn_str words[] = { TN_STR("RPUSH"), tn_str_from(r->target->key), m->json };
    return call(r, words, TN_COUNT(words), err);
}

static int send_publish(struct redis *r, const struct notify_message *m, struct tarn_error *err)
{
    struct tn_str words[] = { TN_STR("PUBLISH"), tn_str_from(r->target->key), m->json };
    return call(r, words, TN_COUNT(words), err);
}

static int send_stream(struct redis *r, const struct notify_message *m, struct tarn_error *err)
{
    struct tn_str words[] = { TN_STR("XADD"), tn_str_from(r->target->key), TN_STR("*"),
                              TN_STR("event"), m->json };
    return call(r, words, TN_COUNT(words), err);
}

static int send_namespace(struct redis *r, const struct notify_message *m, struct tarn_error *err)
{
    struct tn_str words[] = { TN_STR("HSET"), tn_str_from(r->target->key), m->name, m->json };
    size_t count = TN_COUNT(words);
    if (m->name.len == 0) /* a test event is of no object */
        return TARN_OK;
    if (m->is_removed) {
        words[0] = TN_STR("HDEL");
        count--;
    }
    return call(r, words, count, err);
}

static int append_json(const char *bytes, size_t len, void *user)
{
    return tn_buf_append(user, bytes, len) < 0 ? -1 : 0;
}

/* [{"Event":[RECORD...],"EventTime":TIME}] */
static int send_access(struct redis *r, const struct notify_message *m, struct tarn_error *err)
{
    json_t *message = json_loadb(m->json.data, m->json.len, 0, NULL);
    json_t *records = json_object_get(message, "Records");
    const json_t *first = json_array_get(records, 0);
    json_t *time = json_object_get(first, "eventTime");
    json_t *all =
        first && time ? json_pack("[{s:O, s:O}]", "Event", records, "EventTime", time) : NULL;
    TN_AUTO_BUF text = TN_BUF_INIT(COMMAND_LEN_MAX);
    bool is_made = all && json_dump_callback(all, append_json, &text, JSON_COMPACT) == 0;
    json_decref(all);
    json_decref(message);
    struct tn_str words[] = { TN_STR("RPUSH"), tn_str_from(r->target->key),
                              is_made ? tn_buf_str(&text) : m->json };
    return call(r, words, TN_COUNT(words), err);
}

static const struct {
    const char *name;
    int (*send)(struct redis *r, const struct notify_message *m, struct tarn_error *err);
} formats[] = {
    { "list", send_list },     { "publish", send_publish },     { "stream", send_stream },
    { "access", send_access }, { "namespace", send_namespace },
};

/* --- The sender --- */

static int redis_send(struct notify_sender *s, const struct notify_message *m,
                      struct tarn_error *err)
{
    struct redis *r = TN_CONTAINER(s, struct redis, base);
    r->deadline_ns = tn_now_ns() + (uint64_t)NOTIFY_TIMEOUT_MS * 1000000;
    int rc = connect_all(r, err);
    return rc < 0 ? rc : r->format(r, m, err);
}

static void redis_close(struct notify_sender *s)
{
    struct redis *r = TN_CONTAINER(s, struct redis, base);
    disconnect(r);
    tn_buf_release(&r->command);
    tn_free(r->host);
    tn_free(r);
}

static int read_address(struct redis *r)
{
    struct tn_url url;
    uint64_t db = 0;
    if (tn_url_parse(tn_str_from(r->target->redis), &url) < 0 ||
        !tn_str_eq(url.scheme, TN_STR("redis")) || url.has_query)
        return TARN_ECONFIG;
    if (url.path.len > 1) {
        if (tn_str_to_u64(tn_str_sub(url.path, 1, url.path.len), &db) < 0 || db > REDIS_DB_MAX)
            return TARN_ECONFIG;
        (void)snprintf(r->db, sizeof r->db, "%u", (unsigned)db);
    }
    (void)snprintf(r->port, sizeof r->port, "%u", url.port ? url.port : (unsigned)REDIS_PORT);
    r->host = tn_memdup(url.host.data, url.host.len);
    return r->host ? TARN_OK : TARN_ENOMEM;
}

static int read_format(struct redis *r)
{
    const char *name = r->target->format ? r->target->format : "list";
    for (size_t i = 0; i < TN_COUNT(formats); i++) {
        if (strcmp(formats[i].name, name) == 0)
            r->format = formats[i].send;
    }
    return r->format && r->target->key ? TARN_OK : TARN_ECONFIG;
}

int redis_new(const struct notify_target *target, const _Atomic(bool) *must_stop,
              struct notify_sender **out, struct tarn_error *err)
{
    static const struct notify_sender_ops ops = { redis_close, redis_send };
    struct redis *r = tn_calloc(1, sizeof *r);
    if (!r)
        return tn_fail(err, TARN_ENOMEM, "could not make a notification target");
    *r = (struct redis){ .base = { &ops },
                         .target = target,
                         .must_stop = must_stop,
                         .fd = -1,
                         .command = TN_BUF_INIT(COMMAND_LEN_MAX) };
    int rc = read_address(r);
    if (rc == TARN_OK)
        rc = read_format(r);
    if (rc < 0) {
        redis_close(&r->base);
        return tn_fail(err, rc,
                       "notification target \"%s\" needs \"redis\" (redis://HOST:PORT/DB), \"key\" "
                       "and a \"format\" of list, publish, stream, access, namespace",
                       target->arn);
    }
    *out = &r->base;
    return TARN_OK;
}
