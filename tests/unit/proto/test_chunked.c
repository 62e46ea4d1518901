/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies in any split: data, end, trailers, and broken framing. */

#include "proto/chunked.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const char *bytes;
    const char *data;
    const char *trailers;
    const char *rest;
    int rc; /* TN_CHUNKED_END, TN_CHUNKED_MORE (cut short), or a status */
} cases[] = {
    { "empty body", "0\r\n\r\n", "", "", "", TN_CHUNKED_END },
    { "one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "", "", TN_CHUNKED_END },
    { "two chunks, then more", "5\r\nhello\r\n1;x=\"y\"\r\n!\r\n0\r\n\r\nGET /", "hello!", "",
      "GET /", TN_CHUNKED_END },
    { "either case", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", "",
      "", TN_CHUNKED_END },
    { "leading zeros", "0000000000000005\r\nhello\r\n000\r\n\r\n", "hello", "", "",
      TN_CHUNKED_END },
    { "blank before extension", "1 ;a\r\nx\r\n0\r\n\r\n", "x", "", "", TN_CHUNKED_END },
    { "data with line breaks", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "", "", TN_CHUNKED_END },
    { "trailers", "0\r\na: b\r\nc:d\r\n\r\nX", "", "a=b,c=d,", "X", TN_CHUNKED_END },
    { "cut in size", "5", "", "", "", TN_CHUNKED_MORE },
    { "cut in data", "5\r\nhel", "hel", "", "", TN_CHUNKED_MORE },
    { "cut in trailer", "0\r\na: b\r\n", "", "", "", TN_CHUNKED_MORE },
    { "nothing", "", "", "", "", TN_CHUNKED_MORE },
    { "no size", "\r\nhello", "", "", "", TARN_EINVAL },
    { "only an extension", ";a\r\n", "", "", "", TARN_EINVAL },
    { "negative", "-1\r\n", "", "", "", TARN_EINVAL },
    { "plus", "+1\r\n", "", "", "", TARN_EINVAL },
    { "0x", "0x1\r\n", "", "", "", TARN_EINVAL },
    { "not hexadecimal", "g\r\n", "", "", "", TARN_EINVAL },
    { "leading blank", " 1\r\nx\r\n", "", "", "", TARN_EINVAL },
    { "17 digits", "00000000000000001\r\n", "", "", "", TARN_EINVAL },
    { "overflow", "10000000000000000\r\n", "", "", "", TARN_EINVAL },
    { "sum overflows", "1\r\nx\r\nffffffffffffffff\r\n", "x", "", "", TARN_ETOOBIG },
    { "bare LF", "1\nx\r\n0\r\n\r\n", "", "", "", TARN_EINVAL },
    { "bare CR", "1\rx", "", "", "", TARN_EINVAL },
    { "LF in extension", "1;a\nx", "", "", "", TARN_EINVAL },
    { "control byte in extension", "1;a\x01\r\n", "", "", "", TARN_EINVAL },
    { "data too long", "1\r\nxy\r\n", "x", "", "", TARN_EINVAL },
    { "LF behind data", "1\r\nx\n", "x", "", "", TARN_EINVAL },
    { "CR alone behind data", "1\r\nx\r0", "x", "", "", TARN_EINVAL },
    { "trailer without colon", "0\r\nab\r\n\r\n", "", "", "", TARN_EINVAL },
    { "folded trailer", "0\r\na: b\r\n c\r\n\r\n", "", "", "", TARN_EINVAL },
    { "trailer with bare LF", "0\r\na: b\n\r\n", "", "", "", TARN_EINVAL },
    { "trailer with bare CR", "0\r\na: b\rc\r\n\r\n", "", "", "", TARN_EINVAL },
    { "LF ends all", "0\r\n\n", "", "", "", TARN_EINVAL },
};

/* Feeds `step` bytes at a time; gathers data; leaves what was not taken in `rest`. */
static int decode(struct tn_chunked *c, struct tn_str bytes, size_t step, struct tn_buf *data,
                  struct tn_str *rest)
{
    int rc = TN_CHUNKED_MORE;
    while (bytes.len && rc == TN_CHUNKED_MORE) {
        struct tn_str piece = tn_str_sub(bytes, 0, step);
        TN_AUTO_FREE char *exact = tn_memdup(piece.data, piece.len);
        struct tn_str in = { exact, piece.len };
        struct tn_str run;
        while ((rc = tn_chunked_next(c, &in, &run)) == TN_CHUNKED_DATA) {
            assert_true(run.len > 0);
            assert_int_equal(tn_buf_append_str(data, run), TARN_OK);
        }
        if (rc == TN_CHUNKED_MORE)
            assert_int_equal(in.len, 0);
        bytes = tn_str_sub(bytes, piece.len - in.len, bytes.len);
    }
    *rest = bytes;
    return rc;
}

static void check_trailers(const struct tn_chunked *c, const char *expected)
{
    TN_AUTO_BUF text = TN_BUF_INIT(1024);
    struct tn_header field;
    size_t pos = 0;
    while (tn_chunked_trailer_next(c, &pos, &field))
        assert_int_equal(
            tn_buf_appendf(&text, "%.*s=%.*s,", TN_STR_ARG(field.name), TN_STR_ARG(field.value)),
            TARN_OK);
    assert_string_equal(text.data, expected);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_str bytes = tn_str_from(cases[i].bytes);
        for (size_t step = 1; step <= bytes.len + 1; step++) {
            TN_AUTO_BUF data = TN_BUF_INIT(1024);
            struct tn_chunked c;
            struct tn_str rest;
            tn_chunked_init(&c);
            int rc = decode(&c, bytes, step, &data, &rest);
            if (rc != cases[i].rc)
                fail_msg("%s, step %zu: %d", cases[i].name, step, rc);
            assert_string_equal(data.data, cases[i].data);
            assert_int_equal(c.data_len, data.len);
            if (rc == TN_CHUNKED_END) {
                assert_str_equal(rest, cases[i].rest);
                check_trailers(&c, cases[i].trailers);
                assert_int_equal(tn_chunked_next(&c, &rest, &bytes), TN_CHUNKED_END);
                bytes = tn_str_from(cases[i].bytes);
            }
            if (rc < 0) {
                struct tn_str more = TN_STR("0\r\n\r\n");
                assert_true(tn_chunked_next(&c, &more, &rest) < 0);
            }
            tn_chunked_release(&c);
        }
    }
}

static int feed_repeated(const char *head, const char *unit, size_t count)
{
    TN_AUTO_BUF bytes = TN_BUF_INIT(16 << 20);
    TN_AUTO_BUF data = TN_BUF_INIT(16 << 20);
    struct tn_str rest;
    assert_int_equal(tn_buf_append_text(&bytes, head), TARN_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tn_buf_append_text(&bytes, unit), TARN_OK);
    struct tn_chunked c;
    tn_chunked_init(&c);
    int rc = decode(&c, tn_buf_str(&bytes), SIZE_MAX, &data, &rest);
    tn_chunked_release(&c);
    return rc;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(feed_repeated("1", ";", TN_CHUNK_LINE_LEN_MAX - 1), TN_CHUNKED_MORE);
    assert_int_equal(feed_repeated("1", ";", TN_CHUNK_LINE_LEN_MAX), TARN_ETOOBIG);
    assert_int_equal(feed_repeated("0\r\n", "a:b\r\n", 1600), TN_CHUNKED_MORE);
    assert_int_equal(feed_repeated("0\r\n", "a:b\r\n", 1700), TARN_ETOOBIG);
    assert_int_equal(feed_repeated("", "1\r\nx\r\n", 100000), TN_CHUNKED_MORE);
    /* Chunks of one byte with long extensions cost more than they bring. */
    const char *padded = "1;0123456789012345678901234567890123456789\r\nx\r\n";
    assert_int_equal(feed_repeated("", padded, 1000), TN_CHUNKED_MORE);
    assert_int_equal(feed_repeated("", padded, 10000), TARN_ETOOBIG);
}

static int decode_trailers(void *arg)
{
    struct tn_str in = TN_STR(
        "0\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b\r\n\r\n");
    struct tn_str run;
    (void)arg;
    struct tn_chunked c;
    tn_chunked_init(&c);
    int rc = tn_chunked_next(&c, &in, &run);
    tn_chunked_release(&c);
    return rc == TN_CHUNKED_END ? TARN_OK : rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(decode_trailers, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
