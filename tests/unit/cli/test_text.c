/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, durations, hostile names, JSON. */

#include "unit/t.h"

#include "cli/text.h"

static void test_sizes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 B" },
        { 1, "1 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 1536, "1.5 KiB" },
        { 1048575, "1.0 MiB" }, /* not 1024.0 KiB */
        { 1048576, "1.0 MiB" },
        { 16428498125, "15.3 GiB" },
        { (uint64_t)5 << 40, "5.0 TiB" },
        { UINT64_MAX, "16.0 EiB" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char text[CLI_SIZE_LEN];
        cli_size_text(rows[i].bytes, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_durations(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        { 0, "0ms" },           { 999, "999ms" },     { 1000, "1.0s" },
        { 12450, "12.4s" },     { 59999, "59.9s" },   { 60000, "1m 0s" },
        { 3599999, "59m 59s" }, { 7620000, "2h 7m" }, { UINT64_MAX, "5124095576030h 25m" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char text[CLI_SIZE_LEN];
        cli_duration_text(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_times(void **state)
{
    (void)state;
    char text[TN_TIME_LEN];
    cli_time_text(1893456000999, text);
    assert_string_equal(text, "2030-01-01 00:00:00");
    cli_time_text(-1, text);
    assert_string_equal(text, "                   ");
}

static const struct {
    const char *name;
    const char *in;
    const char *text;
    const char *message;
    const char *json;
} foreign[] = {
    { "plain", "a b", "a b", "a b", "a b" },
    { "line break", "a\nb", "a\\x0ab", "a b", "a\\nb" },
    { "only blanks", " \t\n ", " \\x09\\x0a ", "", " \\u0009\\n " },
    { "blanks at the ends", "\n a  b\r\n", "\\x0a a  b\\x0d\\x0a", "a b", "\\n a  b\\u000d\\n" },
    { "terminal escape", "\033[2J", "\\x1b[2J", "\\x1b[2J", "\\u001b[2J" },
    { "delete", "\177", "\\x7f", "\\x7f", "\\u007f" },
    { "C1 control",
      "\xc2\x9b"
      "2J",
      "\\xc2\\x9b2J", "\\xc2\\x9b2J",
      "\xc2\x9b"
      "2J" },
    { "quotes", "\"\\", "\"\\", "\"\\", "\\\"\\\\" },
    { "UTF-8", "\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80",
      "\xc3\xa9\xf0\x9f\x98\x80" },
    { "stray byte", "a\xff", "a\\xff", "a\\xff", "a\\udcff" },
    { "cut sequence", "\xe2\x82", "\\xe2\\x82", "\\xe2\\x82", "\\udce2\\udc82" },
    { "overlong", "\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf", "\\udcc0\\udcaf" },
    { "surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80", "\\udced\\udca0\\udc80" },
    { "empty", "", "", "", "" },
};

static void test_foreign(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(foreign); i++) {
        TN_AUTO_BUF text = TN_BUF_INIT(1000);
        TN_AUTO_BUF message = TN_BUF_INIT(1000);
        TN_AUTO_BUF wanted = TN_BUF_INIT(1000);
        CLI_AUTO_JSON json;
        print_message("%s\n", foreign[i].name);
        assert_int_equal(cli_text_append(&text, tn_str_from(foreign[i].in)), TARN_OK);
        assert_string_equal(text.data, foreign[i].text);
        assert_int_equal(cli_message_append(&message, tn_str_from(foreign[i].in)), TARN_OK);
        assert_string_equal(message.data, foreign[i].message);
        cli_json_begin(&json);
        cli_json_text(&json, "k", foreign[i].in);
        assert_int_equal(cli_json_end(&json), TARN_OK);
        assert_int_equal(tn_buf_appendf(&wanted, "{\"k\":\"%s\"}", foreign[i].json), TARN_OK);
        assert_string_equal(json.b.data, wanted.data);
    }
}

static int json_for_sweep(void *arg)
{
    CLI_AUTO_JSON json;
    (void)arg;
    cli_json_begin(&json);
    cli_json_bool(&json, "b", true);
    cli_json_u64(&json, "n", UINT64_MAX);
    cli_json_text(&json, "absent", NULL);
    cli_json_open(&json, "o");
    cli_json_text(&json, "x\n", "y");
    cli_json_close(&json);
    cli_json_time(&json, "t", 0);
    cli_json_time(&json, "unknown", -1);
    cli_json_decimal(&json, "d", 12345);
    int rc = cli_json_end(&json);
    if (rc == TARN_OK)
        assert_string_equal(json.b.data,
                            "{\"b\":true,\"n\":18446744073709551615,\"o\":{\"x\\n\":\"y\"},"
                            "\"t\":\"1970-01-01T00:00:00.000Z\",\"d\":12.345}");
    return rc;
}

static void test_json(void **state)
{
    (void)state;
    t_oom_sweep(json_for_sweep, NULL);
}

static void test_limits(void **state)
{
    (void)state;
    TN_AUTO_BUF small = TN_BUF_INIT(5);
    assert_int_equal(cli_text_append(&small, TN_STR("ab\n\n")), TARN_ETOOBIG);
    assert_int_equal(small.len, 0);
    assert_int_equal(cli_message_append(&small, TN_STR("abc defg")), TARN_ETOOBIG);
    assert_int_equal(small.len, 0);
}

/* Plain text is looked at by words: each byte at each place of them. */
static void test_plain(void **state)
{
    char text[20];
    (void)state;
    for (size_t i = 0; i < sizeof text * 256; i++) {
        TN_AUTO_BUF shown = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        TN_AUTO_BUF expected = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        size_t at = i / 256;
        unsigned char c = (unsigned char)(i % 256);
        bool is_plain = c >= 0x20 && c < 0x7f;
        memset(text, '~', sizeof text);
        text[at] = (char)c;
        struct tn_str whole = { text, sizeof text };
        assert_int_equal(cli_text_is_plain(whole), is_plain);
        assert_int_equal(cli_text_append(&shown, whole), TARN_OK);
        assert_int_equal(tn_buf_append(&expected, text, at), TARN_OK);
        assert_int_equal(tn_buf_appendf(&expected, is_plain ? "%c" : "\\x%02x", c), TARN_OK);
        assert_int_equal(tn_buf_append(&expected, text + at + 1, sizeof text - at - 1), TARN_OK);
        assert_str_equal(tn_buf_str(&shown), expected.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_durations),
        cmocka_unit_test(test_times), cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_plain), cmocka_unit_test(test_json),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("cli_text", tests, NULL, NULL);
}
