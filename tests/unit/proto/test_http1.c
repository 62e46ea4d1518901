/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads: what is read, what is refused with which status, and that the split of the bytes
 * never matters. */

#include "proto/http1.h"

#include "unit/t.h"

enum { ARENA_MAX = 1 << 20 };

struct text {
    const char *name;
    const char *bytes;
    int status;
};

static const struct text refused[] = {
    { "no version", "GET /\r\n\r\n", 400 },
    { "HTTP/0.9 style", "GET / \r\n\r\n", 400 },
    { "HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
    { "HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505 },
    { "lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400 },
    { "two digits in version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400 },
    { "blank behind version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400 },
    { "two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "blank in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "tab in target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "tab between", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "leading blank", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "empty method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "method not a token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "DEL in target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "bare LF ends request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400 },
    { "bare LF ends header", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400 },
    { "bare LF ends head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400 },
    { "lone LF", "\n", 400 },
    { "bare CR in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400 },
    { "CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400 },
    { "control byte in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", 400 },
    { "control byte far behind", "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789012345678\x1f\r\n\r\n",
      400 },
    { "DEL in the first sixteen",
      "GET / HTTP/1.1\r\nHost: a\r\nX: 0123\x7f"
      "678901234567890\r\n\r\n",
      400 },
    { "folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400 },
    { "folded with tab", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400 },
    { "blank before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
    { "blank in name", "GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n", 400 },
    { "no colon", "GET / HTTP/1.1\r\nHost: a\r\nXY\r\n\r\n", 400 },
    { "empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400 },
    { "name over 0x7f", "GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa4: b\r\n\r\n", 400 },
    { "no host", "GET / HTTP/1.1\r\n\r\n", 400 },
    { "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
    { "the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400 },
    { "host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
    { "host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400 },
    { "host with blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
    { "two lengths", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400 },
    { "length twice", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      400 },
    { "length list", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400 },
    { "negative length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400 },
    { "signed length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400 },
    { "hexadecimal length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400 },
    { "empty length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400 },
    { "huge length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
      400 },
    { "length and chunked",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { "chunked and length",
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400 },
    { "gzip", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501 },
    { "gzip, chunked", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      501 },
    { "identity", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501 },
    { "empty coding", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 501 },
    { "xchunked", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501 },
    { "chunked with vertical tab",
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
      "chunked\r\n\r\n",
      400 },
    { "chunked twice",
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
      "chunked\r\n\r\n",
      400 },
    { "chunked in 1.0", "PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { "TLS hello", "\x16\x03\x01\x02\n\r\n\r\n", 400 },
};

/* Feeds all bytes up to each step; the copies have the exact length, so that reading past them is
 * caught. */
static int parse_in_steps(struct tn_http1 *h, const char *bytes, size_t len, size_t step)
{
    int rc = TARN_EAGAIN;
    tn_http1_init(h, TN_HTTP1_HEAD_LEN_MAX);
    for (size_t have = 0; rc == TARN_EAGAIN && have < len;) {
        have = len - have < step ? len : have + step;
        TN_AUTO_FREE char *copy = tn_realloc(NULL, have);
        memcpy(copy, bytes, have);
        rc = tn_http1_parse(h, copy, have);
    }
    return rc;
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(refused); i++) {
        size_t len = strlen(refused[i].bytes);
        for (size_t step = 1; step <= len; step++) {
            struct tn_http1 h;
            int rc = parse_in_steps(&h, refused[i].bytes, len, step);
            if (rc != TARN_EINVAL || h.refuse_status != refused[i].status)
                fail_msg("%s, step %zu: rc %d, status %d", refused[i].name, step, rc,
                         h.refuse_status);
            assert_non_null(h.refuse_reason);
        }
    }
}

static const char nul_in_value[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
static const char nul_in_name[] = "GET / HTTP/1.1\r\nHost: a\r\nX\0: ab\r\n\r\n";
static const char nul_in_target[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";

static void test_nul_is_refused(void **state)
{
    (void)state;
    struct tn_http1 h;
    assert_int_equal(parse_in_steps(&h, nul_in_value, sizeof nul_in_value - 1, 7), TARN_EINVAL);
    assert_int_equal(parse_in_steps(&h, nul_in_name, sizeof nul_in_name - 1, 7), TARN_EINVAL);
    assert_int_equal(parse_in_steps(&h, nul_in_target, sizeof nul_in_target - 1, 7), TARN_EINVAL);
}

static const struct {
    const char *name;
    const char *bytes;
    const char *method;
    const char *target;
    const char *host;
    size_t header_count;
    int minor_version;
    bool is_keep_alive;
    bool is_chunked;
    bool expects_continue;
    uint64_t content_length;
} accepted[] = {
    { "smallest", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", 1, 1, true, false, false, 0 },
    { "1.0 without host", "GET / HTTP/1.0\r\n\r\n", "GET", "/", "", 0, 0, false, false, false, 0 },
    { "1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", "", 1, 0,
      true, false, false, 0 },
    { "1.0 expects nothing", "PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "PUT", "/", "", 1, 0,
      false, false, false, 0 },
    { "later 1.x", "GET / HTTP/1.7\r\nHost: a\r\n\r\n", "GET", "/", "a", 1, 1, true, false, false,
      0 },
    { "close in a list", "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", "GET", "/",
      "a", 2, 1, false, false, false, 0 },
    { "close beats keep-alive",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nconnection: close\r\n\r\n", "GET",
      "/", "a", 3, 1, false, false, false, 0 },
    { "chunked", "PUT /b/k?x=1 HTTP/1.1\r\nHost: [::1]:9000\r\ntransfer-encoding: Chunked\r\n\r\n",
      "PUT", "/b/k?x=1", "[::1]:9000", 2, 1, true, true, false, 0 },
    { "length and expect",
      "PUT /b/k HTTP/1.1\r\nHost: a:9\r\nCONTENT-LENGTH: 18446744073709551615\r\nExpect: "
      "100-Continue\r\n\r\n",
      "PUT", "/b/k", "a:9", 3, 1, true, false, true, UINT64_MAX },
    { "empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "a", 1, 1,
      true, false, false, 0 },
    { "bytes over 0x7f",
      "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4 0123456789 0123456789\r\n\r\n", "GET",
      "/\xc3\xa4", "a", 2, 1, true, false, false, 0 },
    { "absolute form", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "http://a/b", "a", 1, 1,
      true, false, false, 0 },
    { "odd token", "M-SEARCH!#$ * HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH!#$", "*", "a", 1, 1, true,
      false, false, 0 },
};

static void test_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(accepted); i++) {
        /* What follows the head must not matter. */
        TN_AUTO_BUF bytes = TN_BUF_INIT(65536);
        assert_int_equal(tn_buf_append_text(&bytes, accepted[i].bytes), TARN_OK);
        size_t head_len = bytes.len;
        assert_int_equal(tn_buf_append_text(&bytes, "GET \n\r\n\r\n"), TARN_OK);
        for (size_t step = 1; step <= bytes.len; step++) {
            struct tn_arena arena;
            struct tn_http1_head head;
            struct tn_http1 h;
            tn_arena_init(&arena, ARENA_MAX);
            assert_int_equal(parse_in_steps(&h, bytes.data, bytes.len, step), TARN_OK);
            assert_int_equal(h.head_len, head_len);
            assert_int_equal(tn_http1_take(&h, bytes.data, &arena, &head), TARN_OK);
            assert_str_equal(head.method, accepted[i].method);
            assert_str_equal(head.target, accepted[i].target);
            assert_str_equal(head.host, accepted[i].host);
            assert_int_equal(head.header_count, accepted[i].header_count);
            assert_int_equal(head.minor_version, accepted[i].minor_version);
            assert_int_equal(head.is_keep_alive, accepted[i].is_keep_alive);
            assert_int_equal(head.is_chunked, accepted[i].is_chunked);
            assert_int_equal(head.expects_continue, accepted[i].expects_continue);
            assert_int_equal(head.content_length, accepted[i].content_length);
            assert_int_equal(head.has_content_length, accepted[i].content_length != 0);
            tn_arena_release(&arena);
        }
    }
}

static void test_find(void **state)
{
    (void)state;
    static const char bytes[] =
        "GET / HTTP/1.1\r\nHost: a\r\nX-A:  1 2\t \r\nx-a: 3\r\nEmpty:\r\n\r\n";
    struct tn_arena arena;
    struct tn_http1_head head;
    struct tn_http1 h;
    tn_arena_init(&arena, ARENA_MAX);
    assert_int_equal(parse_in_steps(&h, bytes, sizeof bytes - 1, 5), TARN_OK);
    assert_int_equal(tn_http1_take(&h, bytes, &arena, &head), TARN_OK);
    struct tn_str value = TN_STR("kept");
    assert_false(tn_http1_find(&head, TN_STR("x-b"), &value));
    assert_str_equal(value, "kept");
    assert_true(tn_http1_find(&head, TN_STR("x-A"), &value));
    assert_str_equal(value, "1 2");
    assert_true(tn_http1_find(&head, TN_STR("empty"), &value));
    assert_str_equal(value, "");
    assert_int_equal(tn_http1_count(&head, TN_STR("X-A")), 2);
    assert_str_equal(tn_http1_value(&head, TN_STR("absent")), "");
    tn_arena_release(&arena);
}

static int parse_buf(struct tn_http1 *h, const struct tn_buf *b, size_t max)
{
    tn_http1_init(h, max);
    return tn_http1_parse(h, b->data, b->len);
}

static void test_limits(void **state)
{
    (void)state;
    struct tn_http1 h;
    TN_AUTO_BUF b = TN_BUF_INIT(1 << 20);
    assert_int_equal(tn_buf_append_text(&b, "GET / HTTP/1.1\r\nHost: a\r\n"), TARN_OK);
    for (int i = 1; i < TN_HTTP1_HEADER_COUNT_MAX; i++)
        assert_int_equal(tn_buf_append_text(&b, "a:b\r\n"), TARN_OK);
    assert_int_equal(tn_buf_append_text(&b, "\r\n"), TARN_OK);
    assert_int_equal(parse_buf(&h, &b, SIZE_MAX), TARN_OK);
    assert_int_equal(parse_buf(&h, &b, b.len), TARN_OK);
    assert_int_equal(parse_buf(&h, &b, b.len - 1), TARN_EINVAL);
    assert_int_equal(h.refuse_status, 431);
    tn_buf_truncate(&b, b.len - 2);
    assert_int_equal(parse_buf(&h, &b, SIZE_MAX), TARN_EAGAIN);
    assert_int_equal(tn_buf_append_text(&b, "a:b\r\n\r\n"), TARN_OK);
    assert_int_equal(parse_buf(&h, &b, SIZE_MAX), TARN_EINVAL);
    assert_int_equal(h.refuse_status, 431);

    tn_buf_truncate(&b, 0);
    assert_int_equal(tn_buf_append_text(&b, "GET /"), TARN_OK);
    while (b.len < TN_HTTP1_HEAD_LEN_MAX)
        assert_int_equal(tn_buf_append_char(&b, 'a'), TARN_OK);
    assert_int_equal(parse_buf(&h, &b, SIZE_MAX), TARN_EINVAL);
    assert_int_equal(h.refuse_status, 414);
}

static int take_once(void *arg)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct tn_arena arena;
    struct tn_http1_head head = { .header_count = 77 };
    (void)arg;
    struct tn_http1 h;
    tn_http1_init(&h, SIZE_MAX);
    assert_int_equal(tn_http1_parse(&h, bytes, sizeof bytes - 1), TARN_OK);
    tn_arena_init(&arena, ARENA_MAX);
    int rc = tn_http1_take(&h, bytes, &arena, &head);
    assert_int_equal(head.header_count, rc == TARN_OK ? 1 : 77);
    tn_arena_release(&arena);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(take_once, NULL);
}

static void test_list_has(void **state)
{
    (void)state;
    assert_true(tn_http1_list_has(TN_STR("a, B ,c"), TN_STR("b")));
    assert_false(tn_http1_list_has(TN_STR("a, bc"), TN_STR("b")));
    assert_false(tn_http1_list_has(TN_STR(""), TN_STR("b")));
    assert_false(tn_http1_list_has(TN_STR(",,,"), TN_STR("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_find),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_list_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
