/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server as a peer sees it: requests of every shape, on real sockets. */

#include "unit/server/test_http_toy.h"

#include <unistd.h>

#include "base/crc.h"

static struct toy toy;

static int setup(void **state)
{
    (void)state;
    toy_start(&toy, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    toy_stop(&toy, 5000);
    return 0;
}

struct row {
    const char *name;
    const char *request;
    int status;
    const char *body;
    bool is_closing;
    bool is_head;
};

#define HOST "Host: h\r\n"

static const struct row rows[] = {
    { "from on_head", "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello", false, false },
    { "from a worker", "GET /worker HTTP/1.1\r\n" HOST "\r\n", 200, "worker", false, false },
    { "by way of both", "GET /loop HTTP/1.1\r\n" HOST "\r\n", 200, "loop", false, false },
    { "from a foreign thread", "GET /foreign HTTP/1.1\r\n" HOST "\r\n", 200, "foreign", false,
      false },
    { "not there", "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "not found", false, false },
    { "the handler closes", "GET /hello10 HTTP/1.1\r\n" HOST "\r\n", 200, "hello", true, false },
    { "the peer closes", "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, "hello",
      true, false },
    { "HTTP/1.0 closes", "GET /hello HTTP/1.0\r\n\r\n", 200, "hello", true, false },
    { "HTTP/1.0 keeps", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "hello",
      false, false },
    { "HEAD", "HEAD /hello HTTP/1.1\r\n" HOST "\r\n", 200, "", false, true },
    { "HEAD of a stream", "HEAD /hot/1000 HTTP/1.1\r\n" HOST "\r\n", 200, "", false, true },
    { "HEAD with a length only", "HEAD /meta/12345678901 HTTP/1.1\r\n" HOST "\r\n", 200, "", false,
      true },
    { "204", "GET /status/204 HTTP/1.1\r\n" HOST "\r\n", 204, "", false, false },
    { "304", "GET /status/304 HTTP/1.1\r\n" HOST "\r\n", 304, "", false, false },
    { "an odd status", "GET /status/599 HTTP/1.1\r\n" HOST "\r\n", 599, "", false, false },
    { "headers", "GET /headers HTTP/1.1\r\n" HOST "\r\n", 200, "", false, false },
    { "no body", "PUT /put/loop HTTP/1.1\r\n" HOST "\r\n", 200, "0 00000000", false, false },
    { "no body, worker", "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200,
      "0 00000000", false, false },
    { "a body", "PUT /put/loop HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789", 200,
      "9 e3069283", false, false },
    { "a body, worker", "PUT /put/worker HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789",
      200, "9 e3069283", false, false },
    { "a body, late", "PUT /put/late HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789", 200,
      "9 e3069283", false, false },
    { "chunked",
      "PUT /put/loop HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n5;x=y\r\n56789\r\n0\r\nX-T: 1\r\n\r\n",
      200, "9 e3069283", false, false },
    { "chunked, worker",
      "PUT /put/worker HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n",
      200, "9 e3069283", false, false },
    { "chunked and empty",
      "PUT /put/worker HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200,
      "0 00000000", false, false },
    { "expecting, but not waiting",
      "PUT /put/loop HTTP/1.1\r\n" HOST
      "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n123456789",
      200, "9 e3069283", false, false },
    { "denied, drained", "PUT /put/deny HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789",
      403, "denied", false, false },
    { "denied, chunked, drained",
      "PUT /put/deny HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n",
      403, "denied", false, false },
    { "denied, too much to drain",
      "PUT /put/deny HTTP/1.1\r\n" HOST "Content-Length: 9999999\r\n\r\n", 403, "denied", true,
      false },
    { "denied, expecting",
      "PUT /put/deny HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", 403,
      "denied", true, false },
    { "stopped", "PUT /put/stop HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789", 403,
      "stopped", false, false },
    { "ten bytes", "PUT /put/ten HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789", 200,
      "9 e3069283", false, false },
    { "too long as declared", "PUT /put/ten HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 400,
      "too big", true, false },
    { "too long as declared, worker",
      "PUT /put/tenw HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 400, "too big", true, false },
    { "too long in chunks",
      "PUT /put/ten HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n",
      400, "too big", true, false },
    { "too long in chunks, worker",
      "PUT /put/tenw HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n",
      400, "too big", true, false },
    { "broken chunk", "PUT /put/loop HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
      400, "bad framing", true, false },
    { "broken chunk, worker",
      "PUT /put/worker HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400,
      "bad framing", true, false },
    { "no host", "GET /hello HTTP/1.1\r\n\r\n", 400, NULL, true, false },
    { "no sense", "hello\r\n\r\n", 400, NULL, true, false },
    { "two lengths",
      "PUT /put/loop HTTP/1.1\r\n" HOST "Content-Length: 9\r\nContent-Length: 9\r\n\r\n123456789",
      400, NULL, true, false },
    { "length and chunked",
      "PUT /put/loop HTTP/1.1\r\n" HOST
      "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400, NULL, true, false },
    { "negative length", "PUT /put/loop HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400, NULL,
      true, false },
    { "unknown coding", "PUT /put/loop HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501,
      NULL, true, false },
    { "a version from the future", "GET /hello HTTP/2.0\r\n" HOST "\r\n", 505, NULL, true, false },
};

static void check(const struct row *row, int fd)
{
    struct toy_answer a;
    if (!toy_answer(fd, row->is_head, &a))
        fail_msg("%s: no answer", row->name);
    if (a.status != row->status || a.is_closing != row->is_closing)
        fail_msg("%s: %s", row->name, a.head);
    if (row->body && !tn_str_eq(tn_buf_str(&a.body), tn_str_from(row->body)))
        fail_msg("%s: \"%s\"", row->name, a.body.data);
    assert_int_equal(a.has_length, a.status != 204 && a.status != 304);
    toy_answer_release(&a);
}

/* A kept connection serves another request, a closed one nothing. */
static void check_after(const struct row *row, int fd)
{
    static const struct row hello = { "afterwards", "GET /hello HTTP/1.1\r\n" HOST "\r\n",
                                      200,          "hello",
                                      false,        false };
    if (!row->is_closing) {
        toy_say(fd, hello.request);
        check(&hello, fd);
        (void)close(fd);
    } else if (!toy_is_closed(fd)) {
        fail_msg("%s: still open", row->name);
    }
}

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        int fd = toy_connect(&toy);
        toy_say(fd, rows[i].request);
        check(&rows[i], fd);
        check_after(&rows[i], fd);
    }
}

/* Every split of every request: two writes with the server running in between. */
static void test_splits(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        size_t len = strlen(rows[i].request);
        for (size_t cut = 1; cut < len; cut++) {
            /* The first half must not be answered already, nor sent on before it is read. */
            if (rows[i].status == 501 || rows[i].status == 505 || rows[i].status == 400 ||
                rows[i].status == 403 || strstr(rows[i].name, "expecting"))
                continue;
            int fd = toy_connect(&toy);
            toy_send(fd, rows[i].request, cut);
            (void)usleep(200);
            toy_send(fd, rows[i].request + cut, len - cut);
            check(&rows[i], fd);
            (void)close(fd);
        }
    }
}

static void test_pipelining(void **state)
{
    (void)state;
    TN_AUTO_BUF all = TN_BUF_INIT(1 << 24);
    size_t order[300];
    size_t count = 0;
    for (size_t i = 0; count < TN_COUNT(order); i = (i + 1) % TN_COUNT(rows)) {
        if (rows[i].is_closing)
            continue;
        assert_int_equal(tn_buf_append_text(&all, rows[i].request), TARN_OK);
        order[count++] = i;
    }
    int fd = toy_connect(&toy);
    toy_send(fd, all.data, all.len);
    for (size_t i = 0; i < count; i++)
        check(&rows[order[i]], fd);
    (void)close(fd);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    int fd = toy_connect(&toy);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (rows[i].is_closing)
            continue;
        for (const char *p = rows[i].request; *p; p++)
            toy_send(fd, p, 1);
        check(&rows[i], fd);
    }
    (void)close(fd);
}

static void test_continue(void **state)
{
    (void)state;
    static const char *const places[] = { "loop", "worker", "late" };
    for (size_t i = 0; i < TN_COUNT(places); i++) {
        char head[256];
        struct toy_answer a;
        int fd = toy_connect(&toy);
        (void)snprintf(head, sizeof head,
                       "PUT /put/%s HTTP/1.1\r\n" HOST
                       "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
                       places[i]);
        toy_say(fd, head);
        assert_true(toy_answer(fd, false, &a));
        assert_int_equal(a.status, 100);
        toy_answer_release(&a);
        toy_say(fd, "123456789");
        assert_true(toy_answer(fd, false, &a));
        assert_string_equal(a.body.data, "9 e3069283");
        toy_answer_release(&a);
        (void)close(fd);
    }
}

static const size_t sizes[] = { 1,      100,    4096,       16383,   16384,         65535,
                                65536,  262143, 262144,     262145,  524288,        524289,
                                786432, 999999, 3 * 262144, 5000000, 8 * 262144 + 1 };

static void put(const char *place, const char *bytes, size_t len, bool is_chunked)
{
    char text[256];
    char expected[64];
    struct toy_answer a;
    int fd = toy_connect(&toy);
    (void)snprintf(text, sizeof text, "PUT /put/%s HTTP/1.1\r\n" HOST, place);
    toy_say(fd, text);
    if (!is_chunked) {
        (void)snprintf(text, sizeof text, "Content-Length: %zu\r\n\r\n", len);
        toy_say(fd, text);
        toy_send(fd, bytes, len);
    } else {
        toy_say(fd, "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < len;) {
            size_t n = 1 + at * 31 % 70000;
            n = n < len - at ? n : len - at;
            (void)snprintf(text, sizeof text, "%zx\r\n", n);
            toy_say(fd, text);
            toy_send(fd, bytes + at, n);
            toy_say(fd, "\r\n");
            at += n;
        }
        toy_say(fd, "0\r\n\r\n");
    }
    /* The next request comes right behind the body. */
    toy_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_true(toy_answer(fd, false, &a));
    (void)snprintf(expected, sizeof expected, "%zu %08x", len, tn_crc32c(0, bytes, len));
    assert_string_equal(a.body.data, expected);
    toy_answer_release(&a);
    assert_true(toy_answer(fd, false, &a));
    assert_string_equal(a.body.data, "hello");
    toy_answer_release(&a);
    (void)close(fd);
}

static void test_bodies(void **state)
{
    (void)state;
    size_t max = 5000000;
    TN_AUTO_FREE char *bytes = tn_realloc(NULL, max);
    assert_non_null(bytes);
    for (size_t i = 0; i < max; i++)
        bytes[i] = toy_byte(i);
    for (size_t i = 0; i < TN_COUNT(sizes); i++) {
        put("loop", bytes, sizes[i], false);
        put("loop", bytes, sizes[i], true);
        put("worker", bytes, sizes[i], false);
        put("worker", bytes, sizes[i], true);
    }
    put("sleepy", bytes, max, false);
    put("late", bytes, max, true);
}

static void get(const char *kind, size_t len)
{
    char text[256];
    struct toy_answer a;
    int fd = toy_connect(&toy);
    (void)snprintf(text, sizeof text, "GET /%s/%zu HTTP/1.1\r\n" HOST "\r\n", kind, len);
    for (int i = 0; i < 2; i++) {
        toy_say(fd, text);
        assert_true(toy_answer(fd, false, &a));
        assert_int_equal(a.body.len, len);
        for (size_t k = 0; k < len; k++) {
            if (a.body.data[k] != toy_byte(k))
                fail_msg("%s of %zu: wrong byte at %zu", kind, len, k);
        }
        toy_answer_release(&a);
    }
    (void)close(fd);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(sizes); i++) {
        get("mem", sizes[i]);
        get("hot", sizes[i]);
        get("cold", sizes[i]);
        get("mixed", sizes[i]);
        get("file", sizes[i]);
        get("half", sizes[i]);
    }
    get("hot", 0);
    get("mem", 0);
}

static void test_broken_answer(void **state)
{
    (void)state;
    struct toy_answer a;
    int fd = toy_connect(&toy);
    toy_say(fd, "GET /broken/2000000 HTTP/1.1\r\n" HOST "\r\n");
    assert_false(toy_answer(fd, false, &a));
    assert_int_equal(a.status, 200);
    assert_true(a.body.len <= 1000000);
    toy_answer_release(&a);
    (void)close(fd);
}

static void test_header_values(void **state)
{
    (void)state;
    struct toy_answer a;
    int fd = toy_connect(&toy);
    toy_say(fd, "GET /headers HTTP/1.1\r\n" HOST "\r\n");
    assert_true(toy_answer(fd, false, &a));
    assert_non_null(strstr(a.head, "\r\nX-Plain: a b\r\n"));
    assert_non_null(strstr(a.head, "\r\nX-Number: 42\r\n"));
    assert_non_null(strstr(a.head, "\r\nX-Empty: \r\n"));
    assert_null(strstr(a.head, "Evil"));
    assert_null(strstr(a.head, "X-Bad"));
    assert_null(strstr(a.head, "X-Huge"));
    toy_answer_release(&a);
    toy_say(fd, "HEAD /meta/12345678901 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(toy_answer(fd, true, &a));
    assert_int_equal(a.len, 12345678901);
    toy_answer_release(&a);
    (void)close(fd);
}

static void big_head(size_t len, int status)
{
    TN_AUTO_BUF head = TN_BUF_INIT(1 << 20);
    struct toy_answer a;
    assert_int_equal(tn_buf_append_text(&head, "GET /hello HTTP/1.1\r\n" HOST), TARN_OK);
    for (size_t i = 0; head.len + 1010 < len; i++)
        assert_int_equal(tn_buf_appendf(&head, "x-%03zu: %0990d\r\n", i, 1), TARN_OK);
    assert_int_equal(tn_buf_append_text(&head, "\r\n"), TARN_OK);
    int fd = toy_connect(&toy);
    toy_send(fd, head.data, head.len);
    assert_true(toy_answer(fd, false, &a));
    assert_int_equal(a.status, status);
    toy_answer_release(&a);
    if (status == 200) {
        toy_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        assert_true(toy_answer(fd, false, &a));
        toy_answer_release(&a);
    }
    (void)close(fd);
}

static void test_big_heads(void **state)
{
    (void)state;
    big_head(8000, 200);
    big_head(16384, 200);
    big_head(30000, 200);
    big_head(65000, 200);
    big_head(70000, 431);
    big_head(500000, 431);
}

/* The peer sends on and on: it must get to read the answer all the same. */
static void test_linger(void **state)
{
    (void)state;
    static char block[65536];
    struct toy_answer a;
    int fd = toy_connect(&toy);
    toy_say(fd, "PUT /put/deny HTTP/1.1\r\n" HOST "Content-Length: 50000000\r\n\r\n");
    for (int i = 0; i < 300; i++)
        toy_send(fd, block, sizeof block);
    assert_true(toy_answer(fd, false, &a));
    assert_int_equal(a.status, 403);
    toy_answer_release(&a);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),      cmocka_unit_test(test_splits),
        cmocka_unit_test(test_pipelining),    cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_continue),      cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_answers),       cmocka_unit_test(test_broken_answer),
        cmocka_unit_test(test_header_values), cmocka_unit_test(test_big_heads),
        cmocka_unit_test(test_linger),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
