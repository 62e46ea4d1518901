/* SPDX-License-Identifier: Apache-2.0 */
/* How connections end: peers that leave, peers that dawdle, limits, and the server's own stop. */

#include "unit/server/test_http_toy.h"

#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define HOST "Host: h\r\n"

/* --- Peers that leave --- */

static const char *const requests[] = {
    "GET /hello HTTP/1.1\r\n" HOST "\r\n",
    "GET /worker HTTP/1.1\r\n" HOST "\r\n",
    "GET /loop HTTP/1.1\r\n" HOST "\r\n",
    "GET /foreign HTTP/1.1\r\n" HOST "\r\n",
    "GET /slow/10 HTTP/1.1\r\n" HOST "\r\n",
    "GET /mem/3000000 HTTP/1.1\r\n" HOST "\r\n",
    "GET /hot/30000000 HTTP/1.1\r\n" HOST "\r\n",
    "GET /cold/30000000 HTTP/1.1\r\n" HOST "\r\n",
    "GET /mixed/30000000 HTTP/1.1\r\n" HOST "\r\n",
    "GET /file/30000000 HTTP/1.1\r\n" HOST "\r\n",
    "PUT /put/loop HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n",
    "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n",
    "PUT /put/sleepy HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n",
    "PUT /put/late HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n",
    "PUT /put/deny HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n",
    "PUT /put/stop HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n",
    "PUT /put/loop HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n100000\r\n",
    "PUT /put/worker HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n100000\r\n",
};

static void leave(int fd, bool is_abrupt)
{
    struct linger linger = { .l_onoff = 1 };
    if (is_abrupt) /* a reset instead of an orderly end */
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(fd);
}

static void test_leaving(void **state)
{
    (void)state;
    static char block[400000];
    static const size_t sent[] = { 0, 1, 100, 70000, 300000 };
    static const unsigned pauses_ms[] = { 0, 1, 15 };
    struct toy toy;
    toy_start(&toy, NULL);
    for (size_t i = 0; i < TN_COUNT(requests) * TN_COUNT(sent) * TN_COUNT(pauses_ms) * 2; i++) {
        int fd = toy_connect(&toy);
        toy_say(fd, requests[i % TN_COUNT(requests)]);
        size_t rest = i / TN_COUNT(requests);
        toy_send(fd, block, sent[rest % TN_COUNT(sent)]);
        rest /= TN_COUNT(sent);
        toy_sleep_ms(pauses_ms[rest % TN_COUNT(pauses_ms)]);
        leave(fd, rest / TN_COUNT(pauses_ms));
    }
    toy_stop(&toy, 10000);
}

/* The same, but the server is stopped, with no time left, while they are at it. */
static void test_cutting(void **state)
{
    (void)state;
    static char block[400000];
    for (unsigned pause = 0; pause < 12; pause += 3) {
        struct toy toy;
        int fds[TN_COUNT(requests) * 3];
        toy_start(&toy, NULL);
        for (size_t i = 0; i < TN_COUNT(fds); i++) {
            fds[i] = toy_connect(&toy);
            toy_say(fds[i], requests[i % TN_COUNT(requests)]);
            (void)send(fds[i], block, i / TN_COUNT(requests) * 150000, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        toy_sleep_ms(pause);
        toy_stop(&toy, pause);
        for (size_t i = 0; i < TN_COUNT(fds); i++)
            (void)close(fds[i]);
    }
}

/* --- Peers that dawdle --- */

static const struct http_config impatient = {
    .loop_count = 1,
    .worker_count = 2,
    .head_timeout_ms = 150,
    .body_timeout_ms = 150,
    .idle_timeout_ms = 150,
};

static const struct {
    const char *name;
    const char *text;
    int status; /* 0: the end without an answer */
    int broken;
} dawdlers[] = {
    { "nothing", "", 0, 0 },
    { "half a head", "GET /hel", 408, 0 },
    { "no body, loop", "PUT /put/loop HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", 0,
      TARN_ETIMEOUT },
    { "half a body, loop", "PUT /put/loop HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n1234", 0,
      TARN_ETIMEOUT },
    { "half a body, worker", "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n1234", 0,
      TARN_ETIMEOUT },
    { "half a chunk",
      "PUT /put/worker HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n9\r\n12", 0,
      TARN_ETIMEOUT },
    { "nothing to drain", "PUT /put/deny HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", 403, 0 },
    { "idle afterwards", "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, 0 },
    { "idle after a long wait of ours", "GET /slow/400 HTTP/1.1\r\n" HOST "\r\n", 200, 0 },
};

static void test_dawdling(void **state)
{
    (void)state;
    struct toy toy;
    toy_start(&toy, &impatient);
    for (size_t i = 0; i < TN_COUNT(dawdlers); i++) {
        struct toy_answer a;
        uint64_t start = tn_now_ns();
        atomic_store(&toy.last_broken, 0);
        int fd = toy_connect(&toy);
        toy_say(fd, dawdlers[i].text);
        bool has_answer = toy_answer(fd, false, &a);
        if (has_answer != (dawdlers[i].status != 0) || a.status != dawdlers[i].status)
            fail_msg("%s: %s", dawdlers[i].name, a.head);
        toy_answer_release(&a);
        if (!toy_is_closed(fd))
            fail_msg("%s: still open", dawdlers[i].name);
        assert_int_equal(toy.last_broken, dawdlers[i].broken);
        uint64_t ms = (tn_now_ns() - start) / 1000000;
        if (ms < 140 || ms > 60000)
            fail_msg("%s: %u ms", dawdlers[i].name, (unsigned)ms);
    }
    toy_stop(&toy, 1000);
}

/* A byte now and then is no progress. */
static void test_dripping(void **state)
{
    (void)state;
    struct toy toy;
    toy_start(&toy, &impatient);
    int fd = toy_connect(&toy);
    toy_say(fd, "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 10000\r\n\r\n");
    struct pollfd watched = { .fd = fd, .events = POLLIN };
    int i = 0;
    while (i < 3000 && poll(&watched, 1, 20) == 0) {
        toy_say(fd, "x");
        i++;
    }
    assert_in_range(i, 1, 2999);
    assert_int_equal(toy.last_broken, TARN_ETIMEOUT);
    (void)close(fd);
    toy_stop(&toy, 1000);
}

/* Who does not read its answer loses it. */
static void test_not_reading(void **state)
{
    (void)state;
    static const char *const kinds[] = { "mem", "hot", "cold" };
    struct toy toy;
    toy_start(&toy, &impatient);
    int fds[TN_COUNT(kinds)];
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        char text[128];
        fds[i] = toy_connect(&toy);
        (void)snprintf(text, sizeof text, "GET /%s/30000000 HTTP/1.1\r\n" HOST "\r\n", kinds[i]);
        toy_say(fds[i], text);
    }
    for (int i = 0; i < 6000 && toy.done_count < (long)TN_COUNT(kinds); i++)
        toy_sleep_ms(10);
    assert_int_equal(toy.done_count, TN_COUNT(kinds));
    for (size_t i = 0; i < TN_COUNT(kinds); i++)
        (void)close(fds[i]);
    toy_stop(&toy, 1000);
}

/* --- Limits --- */

static void test_connection_limit(void **state)
{
    (void)state;
    const struct http_config few = { .loop_count = 1, .worker_count = 1, .conn_max = 4 };
    struct toy toy;
    struct toy_answer a;
    int fds[4];
    toy_start(&toy, &few);
    for (size_t i = 0; i < TN_COUNT(fds); i++) {
        fds[i] = toy_connect(&toy);
        toy_say(fds[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        assert_true(toy_answer(fds[i], false, &a));
        assert_int_equal(a.status, 200);
        toy_answer_release(&a);
    }
    int fd = toy_connect(&toy);
    toy_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_true(toy_answer(fd, false, &a));
    assert_int_equal(a.status, 503);
    assert_true(a.is_closing);
    assert_non_null(strstr(a.body.data, "SlowDown"));
    toy_answer_release(&a);
    assert_true(toy_is_closed(fd));
    toy_close(&fds[0]);
    for (int i = 0; i < 3000; i++) {
        fd = toy_connect(&toy);
        toy_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        bool has_answer = toy_answer(fd, false, &a);
        int status = a.status;
        toy_answer_release(&a);
        (void)close(fd);
        if (has_answer && status == 200)
            break;
        toy_sleep_ms(10);
        assert_int_not_equal(i, 2999);
    }
    toy_stop(&toy, 1000);
    for (size_t i = 1; i < TN_COUNT(fds); i++)
        (void)close(fds[i]);
}

/* More bodies and answers at once than there are windows: each waits its turn, none is lost. */
static void test_window_budget(void **state)
{
    (void)state;
    enum { BODY_LEN = 300000, COUNT = 200 };
    static char block[BODY_LEN];
    const struct http_config one = { .loop_count = 1, .worker_count = 4 };
    struct toy toy;
    struct toy_answer a;
    int fds[COUNT];
    toy_start(&toy, &one);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = toy_connect(&toy);
        if (i % 2)
            toy_say(fds[i], "GET /cold/3000000 HTTP/1.1\r\n" HOST "\r\n");
        else
            toy_say(fds[i], "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n");
        if (i % 2 == 0)
            (void)send(fds[i], block, BODY_LEN / 2, MSG_DONTWAIT);
    }
    for (int i = 0; i < COUNT; i += 2) {
        (void)shutdown(fds[i], SHUT_RDWR);
        (void)close(fds[i]);
    }
    for (int i = 1; i < COUNT; i += 2) {
        assert_true(toy_answer(fds[i], false, &a));
        assert_int_equal(a.body.len, 3000000);
        assert_int_equal(a.body.data[2999999], toy_byte(2999999));
        toy_answer_release(&a);
        (void)close(fds[i]);
    }
    toy_stop(&toy, 1000);
}

/* --- Stopping --- */

static void test_stop(void **state)
{
    (void)state;
    struct toy toy;
    struct toy_answer a;
    toy_start(&toy, NULL);
    int idle = toy_connect(&toy);
    int used = toy_connect(&toy);
    toy_say(used, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_true(toy_answer(used, false, &a));
    toy_answer_release(&a);
    int slow = toy_connect(&toy);
    toy_say(slow, "GET /slow/300 HTTP/1.1\r\n" HOST "\r\n");
    int put = toy_connect(&toy);
    toy_say(put, "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n1234");
    while (toy.head_count < 3)
        toy_sleep_ms(1);

    http_server_stop(toy.server, 20000);
    assert_true(toy_is_closed(idle));
    assert_true(toy_is_closed(used));
    toy_say(put, "56789");
    assert_true(toy_answer(put, false, &a));
    assert_string_equal(a.body.data, "9 e3069283");
    assert_true(a.is_closing);
    toy_answer_release(&a);
    assert_true(toy_answer(slow, false, &a));
    assert_string_equal(a.body.data, "slow");
    toy_answer_release(&a);
    assert_true(toy_is_closed(put));
    assert_true(toy_is_closed(slow));
    toy_stop(&toy, 20000);
}

static void test_stop_before_run(void **state)
{
    (void)state;
    struct http_server *s = NULL;
    struct tarn_error err = { 0 };
    const struct http_config config = { .listen = "127.0.0.1:0" };
    assert_int_equal(http_server_new(&config, &s, &err), TARN_OK);
    http_server_stop(s, 0);
    assert_int_equal(http_server_run(s, &err), TARN_OK);
    http_server_free(s);
}

/* --- Setting up --- */

static const struct {
    const char *listen;
    int rc;
    const char *message;
    const char *needs; /* a host name that a bare machine may not know */
} places[] = {
    { "127.0.0.1:0", TARN_OK, "", NULL },
    { "[::1]:0", TARN_OK, "", "::1" },
    { ":0", TARN_OK, "", NULL },
    { "localhost:0", TARN_OK, "", "localhost" },
    { "", TARN_ECONFIG, "the port is missing", NULL },
    { "127.0.0.1", TARN_ECONFIG, "the port is missing", NULL },
    { "127.0.0.1:", TARN_ECONFIG, "the port is not a number", NULL },
    { "127.0.0.1:x", TARN_ECONFIG, "the port is not a number", NULL },
    { "127.0.0.1:65536", TARN_ECONFIG, "the port is not a number", NULL },
    { "127.0.0.1:-1", TARN_ECONFIG, "the port is not a number", NULL },
    { "::1:9000", TARN_ECONFIG, "needs brackets", NULL },
    { "192.0.2.1:0", TARN_ECONFIG, "no such address", NULL },
    { "256.1.1.1:0", TARN_ECONFIG, "could not listen on \"256.1.1.1:0\"", NULL },
};

/* Can one bind to this host here? There are machines without IPv6 and without /etc/hosts. */
static bool has_host(const char *host)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    TN_AUTO_FD fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return is_there;
}

static void test_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(places); i++) {
        struct http_server *s = NULL;
        struct tarn_error err = { 0 };
        const struct http_config config = { .listen = places[i].listen, .loop_count = 3 };
        if (places[i].needs && !has_host(places[i].needs))
            continue;
        int rc = http_server_new(&config, &s, &err);
        if (rc != places[i].rc || !strstr(err.message, places[i].message))
            fail_msg("\"%s\": %s", places[i].listen, err.message);
        assert_true((rc == TARN_OK) == (s != NULL));
        http_server_free(s);
    }
}

static void test_place_in_use(void **state)
{
    (void)state;
    struct toy toy;
    char place[64];
    struct http_server *s = NULL;
    struct tarn_error err = { 0 };
    toy_start(&toy, NULL);
    (void)snprintf(place, sizeof place, "127.0.0.1:%d", toy.port);
    const struct http_config config = { .listen = place };
    assert_int_equal(http_server_new(&config, &s, &err), TARN_EBUSY);
    assert_non_null(strstr(err.message, "could not listen on \"127.0.0.1:"));
    assert_non_null(strstr(err.message, "address in use"));
    assert_null(s);
    toy_stop(&toy, 1000);
}

static int make_server(void *arg)
{
    (void)arg;
    struct http_server *s = NULL;
    const struct http_config config = { .listen = "127.0.0.1:0", .loop_count = 2 };
    int rc = http_server_new(&config, &s, NULL);
    assert_true((rc == TARN_OK) == (s != NULL));
    http_server_free(s);
    return rc;
}

static void test_no_memory_at_the_start(void **state)
{
    (void)state;
    t_oom_sweep(make_server, NULL);
}

static void check_hello(const struct toy *toy)
{
    struct toy_answer a;
    int fd = toy_connect(toy);
    toy_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_true(toy_answer(fd, false, &a));
    assert_int_equal(a.status, 200);
    toy_answer_release(&a);
    (void)close(fd);
}

/* An allocation fails while a request runs: that request may fail, the server may not. */
static void test_no_memory_for_requests(void **state)
{
    (void)state;
    struct toy toy;
    toy_start(&toy, NULL);
    check_hello(&toy); /* all threads have started */
    for (long i = 1; i <= 8; i++) {
        char byte;
        int fd = toy_connect(&toy);
        tn_mem_fail_after(i);
        toy_say(fd, "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        (void)recv(fd, &byte, 1, 0);
        tn_mem_fail_after(0);
        (void)close(fd);
    }
    check_hello(&toy);
    toy_stop(&toy, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_dawdling),
        cmocka_unit_test(test_dripping),
        cmocka_unit_test(test_not_reading),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_window_budget),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_before_run),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_place_in_use),
        cmocka_unit_test(test_no_memory_at_the_start),
        cmocka_unit_test(test_no_memory_for_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
