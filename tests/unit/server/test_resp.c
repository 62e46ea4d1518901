/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's protocol: commands as bytes, answers in every split. */

#include "server/notify/resp.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const char *bytes;
    int rc;
    bool is_complete;
    bool is_error;
    size_t left_over; /* bytes behind the answer */
    const char *line;
} rows[] = {
    { "status", "+OK\r\n", TARN_OK, true, false, 0, "OK" },
    { "empty status", "+\r\n", TARN_OK, true, false, 0, "" },
    { "number", ":12\r\n", TARN_OK, true, false, 0, "12" },
    { "error", "-ERR no\r\n", TARN_OK, true, true, 0, "ERR no" },
    { "bulk", "$3\r\na\r\n\r\n", TARN_OK, true, false, 0, "3" },
    { "empty bulk", "$0\r\n\r\n", TARN_OK, true, false, 0, "0" },
    { "null", "$-1\r\n", TARN_OK, true, false, 0, "-1" },
    { "two answers", ":1\r\n:2\r\n", TARN_OK, true, false, 4, "1" },
    { "half a line", "+O", TARN_OK, false, false, 0, "O" },
    { "half a bulk", "$5\r\nab", TARN_OK, false, false, 0, "5" },
    { "a carriage return within", "+a\rb\r\n", TARN_OK, true, false, 0, "a\rb" },
    { "an array", "*1\r\n:1\r\n", TARN_EPROTOCOL, false, false, 0, NULL },
    { "no kind", "OK\r\n", TARN_EPROTOCOL, false, false, 0, NULL },
    { "bare line feed", "+OK\n", TARN_EPROTOCOL, false, false, 0, NULL },
    { "bulk without a length", "$\r\n", TARN_EPROTOCOL, false, false, 0, NULL },
    { "bulk of a negative length", "$-2\r\n", TARN_EPROTOCOL, false, false, 0, NULL },
    { "bulk too long", "$1048577\r\n", TARN_EPROTOCOL, false, false, 0, NULL },
    { "bulk of no number", "$1x\r\n", TARN_EPROTOCOL, false, false, 0, NULL },
};

static void check(size_t i, size_t first)
{
    struct resp_reply r = { .kind = 0 };
    size_t len = strlen(rows[i].bytes);
    size_t taken = 0;
    size_t more = 0;
    int rc = resp_feed(&r, rows[i].bytes, first, &taken);
    if (rc == TARN_OK && taken == first)
        rc = resp_feed(&r, rows[i].bytes + first, len - first, &more);
    if (rc != rows[i].rc)
        fail_msg("%s, split at %zu: %s", rows[i].name, first, tarn_status_name(rc));
    if (rc < 0)
        return;
    if (r.is_complete != rows[i].is_complete || strcmp(r.line, rows[i].line) != 0 ||
        (r.is_complete && resp_is_error(&r) != rows[i].is_error) ||
        len - taken - more != rows[i].left_over)
        fail_msg("%s, split at %zu: \"%s\"", rows[i].name, first, r.line);
}

static void test_answers_in_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        for (size_t first = 0; first <= strlen(rows[i].bytes); first++)
            check(i, first);
    }
}

static void test_a_line_is_bounded(void **state)
{
    (void)state;
    struct resp_reply r = { .kind = 0 };
    char bytes[2 * RESP_LINE_LEN_MAX];
    size_t taken;
    memset(bytes, 'x', sizeof bytes);
    bytes[0] = '+';
    assert_int_equal(resp_feed(&r, bytes, sizeof bytes, &taken), TARN_EPROTOCOL);
}

static void test_commands(void **state)
{
    (void)state;
    TN_AUTO_BUF out = TN_BUF_INIT(1024);
    struct tn_str words[] = { TN_STR("RPUSH"), TN_STR(""), TN_STR("a\r\nb") };
    assert_int_equal(resp_command(words, TN_COUNT(words), &out), TARN_OK);
    assert_string_equal(out.data, "*3\r\n$5\r\nRPUSH\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
    TN_AUTO_BUF small = TN_BUF_INIT(16);
    assert_int_equal(resp_command(words, TN_COUNT(words), &small), TARN_ETOOBIG);
    assert_int_equal(small.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_every_split),
        cmocka_unit_test(test_a_line_is_bounded),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
