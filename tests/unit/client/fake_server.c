/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted server: one thread, one connection at a time, on a free port of 127.0.0.1. */

#include "unit/client/fake_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

struct fake_server {
    const struct fake_step *steps;
    size_t step_count;
    fake_answer_fn answer; /* instead of the steps */
    void *arg;
    struct fake_step made;
    int listener;
    pthread_t thread;
    pthread_mutex_t lock;
    size_t count; /* requests */
    atomic_bool must_stop;
    char url[64];
    char heads[FAKE_REQUESTS_MAX][FAKE_HEAD_MAX];
};

static bool wait_for(struct fake_server *s, int fd)
{
    while (!atomic_load(&s->must_stop)) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, 20) > 0)
            return true;
    }
    return false;
}

static bool read_head(struct fake_server *s, int fd, char *head, size_t *len)
{
    *len = 0;
    while (*len < FAKE_HEAD_MAX - 1 && wait_for(s, fd)) {
        if (recv(fd, head + *len, 1, 0) <= 0)
            return false;
        head[++*len] = '\0';
        if (*len >= 4 && memcmp(head + *len - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static void read_body(struct fake_server *s, int fd, const char *head)
{
    char bytes[65536];
    const char *field = strcasestr(head, "\r\ncontent-length:");
    size_t left = field ? strtoul(field + 17, NULL, 10) : 0;
    while (left > 0 && wait_for(s, fd)) {
        ssize_t n = recv(fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        if (n <= 0)
            return;
        left -= (size_t)n;
    }
}

static void sleep_ms(struct fake_server *s, int ms)
{
    for (int done = 0; done < ms && !atomic_load(&s->must_stop); done += 10) {
        struct timespec step = { 0, 10 * 1000 * 1000 };
        (void)nanosleep(&step, NULL);
    }
}

static const struct fake_step *take_step(struct fake_server *s, const char *head)
{
    (void)pthread_mutex_lock(&s->lock);
    size_t n = s->count + 1 < s->step_count ? s->count : s->step_count - 1;
    if (s->answer)
        s->made = (struct fake_step){ .answer = s->answer(s->arg, head) };
    if (s->count < FAKE_REQUESTS_MAX)
        (void)snprintf(s->heads[s->count], FAKE_HEAD_MAX, "%s", head);
    s->count++;
    (void)pthread_mutex_unlock(&s->lock);
    return s->answer ? &s->made : &s->steps[n];
}

/* True when the connection goes on. */
static bool serve_one(struct fake_server *s, int fd)
{
    char head[FAKE_HEAD_MAX];
    size_t head_len;
    if (!read_head(s, fd, head, &head_len))
        return false;
    const struct fake_step *step = take_step(s, head);
    if (!step->leaves_body)
        read_body(s, fd, head);
    sleep_ms(s, step->delay_ms);
    size_t len = step->answer ? strlen(step->answer) : 0;
    if (step->cut > 0 && step->cut < len)
        len = step->cut;
    (void)send(fd, step->answer, len, MSG_NOSIGNAL);
    if (step->resets) {
        struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    return !step->closes && !step->resets && step->cut == 0 && step->answer;
}

static void *run(void *arg)
{
    struct fake_server *s = arg;
    while (wait_for(s, s->listener)) {
        TN_AUTO_FD fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        while (fd >= 0 && serve_one(s, fd))
            ;
    }
    return NULL;
}

static struct fake_server *begin(const struct fake_server *like)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof address;
    struct fake_server *s = tn_calloc(1, sizeof *s);
    assert(s);
    s->steps = like->steps;
    s->step_count = like->step_count;
    s->answer = like->answer;
    s->arg = like->arg;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(s->listener >= 0);
    int rc = bind(s->listener, (struct sockaddr *)&address, sizeof address);
    assert(rc == 0);
    rc = listen(s->listener, 64);
    assert(rc == 0);
    rc = getsockname(s->listener, (struct sockaddr *)&address, &len);
    assert(rc == 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    (void)pthread_mutex_init(&s->lock, NULL);
    rc = pthread_create(&s->thread, NULL, run, s);
    assert(rc == 0);
    (void)rc;
    return s;
}

struct fake_server *fake_server_new(const struct fake_step *steps, size_t count)
{
    const struct fake_server like = { .steps = steps, .step_count = count };
    return begin(&like);
}

struct fake_server *fake_server_new_fn(fake_answer_fn answer, void *arg)
{
    const struct fake_server like = { .answer = answer, .arg = arg };
    return begin(&like);
}

void fake_server_free(struct fake_server *s)
{
    atomic_store(&s->must_stop, true);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listener);
    (void)pthread_mutex_destroy(&s->lock);
    tn_free(s);
}

const char *fake_server_url(const struct fake_server *s)
{
    return s->url;
}

void fake_server_config(const struct fake_server *s, struct tarn_config *out)
{
    tarn_config_init(out);
    out->endpoint = s->url;
    out->access_key = "AK";
    out->secret_key = "SK";
    out->ignore_environment = true;
}

size_t fake_server_count(struct fake_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    size_t count = s->count;
    (void)pthread_mutex_unlock(&s->lock);
    return count;
}

const char *fake_server_head(struct fake_server *s, size_t n)
{
    return n < fake_server_count(s) && n < FAKE_REQUESTS_MAX ? s->heads[n] : "";
}
