/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal, base64, and the calendar. */

#include "base/clock.h"
#include "base/codec.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const char *text;
    const char *bytes;
    int rc;
} hex[] = {
    { "two bytes", "4869", "Hi", TARN_OK },
    { "either case", "6a6B", "jk", TARN_OK },
    { "empty", "", "", TARN_OK },
    { "odd digit count", "486", "", TARN_EINVAL },
    { "not a digit", "4g", "", TARN_EINVAL },
    { "blank", "4 ", "", TARN_EINVAL },
    { "sign", "+1", "", TARN_EINVAL },
    { "0x", "0x41", "", TARN_EINVAL },
};

static void test_hex(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(hex); i++) {
        char bytes[16] = "";
        if (tn_hex_decode(tn_str_from(hex[i].text), bytes) != hex[i].rc)
            fail_msg("%s", hex[i].name);
        assert_string_equal(bytes, hex[i].bytes);
    }
    char text[16];
    tn_hex_encode("\x00\xff\x1a", 3, text);
    assert_string_equal(text, "00ff1a");
    tn_hex_encode("", 0, text);
    assert_string_equal(text, "");
}

static const struct {
    const char *bytes;
    const char *text;
} base64[] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xfb\xff\xfe", "+//+" },
};

static const char *const bad_base64[] = {
    "Z",        "Zg",   "Zg=",    "Zg===", "=",    "====", "Z===", "Zh==",     "Zm9=",
    "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9_",  "Zm9-", "Z=g=", "=Zg=", "Zm9v====",
};

static void test_base64(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(base64); i++) {
        char text[TN_BASE64_LEN(16) + 1];
        char bytes[16] = "";
        size_t len = strlen(base64[i].bytes);
        tn_base64_encode(base64[i].bytes, len, text);
        assert_string_equal(text, base64[i].text);
        assert_int_equal(strlen(text), TN_BASE64_LEN(len));
        assert_int_equal(tn_base64_decode(tn_str_from(text), bytes, len), len);
        assert_memory_equal(bytes, base64[i].bytes, len);
        if (len)
            assert_int_equal(tn_base64_decode(tn_str_from(text), bytes, len - 1), TARN_ETOOBIG);
    }
    for (size_t i = 0; i < TN_COUNT(bad_base64); i++) {
        char bytes[16];
        if (tn_base64_decode(tn_str_from(bad_base64[i]), bytes, sizeof bytes) != TARN_EINVAL)
            fail_msg("%s", bad_base64[i]);
    }
}

static const struct {
    int64_t seconds;
    const char *iso;
    const char *basic;
    const char *http;
} times[] = {
    { 0, "1970-01-01T00:00:00.000Z", "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
    { 951782399, "2000-02-28T23:59:59.000Z", "20000228T235959Z", "Mon, 28 Feb 2000 23:59:59 GMT" },
    { 951782400, "2000-02-29T00:00:00.000Z", "20000229T000000Z", "Tue, 29 Feb 2000 00:00:00 GMT" },
    { 784111777, "1994-11-06T08:49:37.000Z", "19941106T084937Z", "Sun, 06 Nov 1994 08:49:37 GMT" },
    { 4107542400, "2100-03-01T00:00:00.000Z", "21000301T000000Z", "Mon, 01 Mar 2100 00:00:00 GMT" },
    { 253402300799, "9999-12-31T23:59:59.000Z", "99991231T235959Z",
      "Fri, 31 Dec 9999 23:59:59 GMT" },
};

static void test_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(times); i++) {
        char text[TN_TIME_LEN];
        int64_t back;
        tn_time_iso8601(times[i].seconds * 1000, text);
        assert_string_equal(text, times[i].iso);
        assert_int_equal(tn_time_parse_iso8601(tn_str_from(text), &back), TARN_OK);
        assert_int_equal(back, times[i].seconds * 1000);
        tn_time_basic(times[i].seconds, text);
        assert_string_equal(text, times[i].basic);
        assert_int_equal(tn_time_parse_basic(tn_str_from(text), &back), TARN_OK);
        assert_int_equal(back, times[i].seconds);
        tn_time_http(times[i].seconds, text);
        assert_string_equal(text, times[i].http);
    }
    char text[TN_TIME_LEN];
    tn_time_iso8601(-5, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    tn_time_iso8601(INT64_MAX, text);
    assert_memory_equal(text, "9999-12-31T23:59:59", 19);
    tn_time_http(INT64_MIN, text);
    assert_string_equal(text, times[0].http);
}

static void test_every_day(void **state)
{
    (void)state;
    int weekday = 4;
    for (int64_t day = 0; day < 2932897; day++) {
        struct tn_date d = tn_date_from_unix(day * 86400 + 86399);
        assert_true(tn_date_is_valid(&d));
        assert_int_equal(tn_date_to_unix(&d), day * 86400 + 86399);
        assert_int_equal(d.weekday, weekday);
        weekday = (weekday + 1) % 7;
    }
}

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} iso[] = {
    { "1970-01-01T00:00:01Z", 1000 },
    { "1970-01-01T00:00:01.5Z", 1500 },
    { "1970-01-01T00:00:01.123456789Z", 1123 },
    { "1970-01-01T02:00:00+02:00", 0 },
    { "1969-12-31T22:00:00-02:00", -1 },
    { "1970-01-01T00:00:00-02:30", 9000000 },
    { "", -1 },
    { "1970-01-01", -1 },
    { "1970-01-01T00:00:00", -1 },
    { "1970-01-01 00:00:00Z", -1 },
    { "1970-01-01t00:00:00z", -1 },
    { "1970-1-1T00:00:00Z", -1 },
    { "1970-01-01T00:00Z", -1 },
    { "1970-01-01T00:00:00.Z", -1 },
    { "1970-01-01T00:00:00+0200", -1 },
    { "1970-01-01T00:00:00+24:00", -1 },
    { "1970-01-01T00:00:00Zx", -1 },
    { "1970-13-01T00:00:00Z", -1 },
    { "1970-00-01T00:00:00Z", -1 },
    { "1970-02-29T00:00:00Z", -1 },
    { "1970-04-31T00:00:00Z", -1 },
    { "1970-01-01T24:00:00Z", -1 },
    { "1970-01-01T00:60:00Z", -1 },
    { "1970-01-01T00:00:60Z", -1 },
    { "+970-01-01T00:00:00Z", -1 },
    { "10000-01-01T00:00:00Z", -1 },
};

static const char *const bad_basic[] = {
    "",
    "19700101",
    "19700101T000000",
    "19700101T000000z",
    "19700101T000000ZZ",
    "19700101 000000Z",
    "1970-01-01T00:00:00Z",
    "19700229T000000Z",
    "19701301T000000Z",
    "19700101T250000Z",
    "-9700101T000000Z",
    "19690101T000000Z",
};

static void test_bad_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(iso); i++) {
        int64_t ms = -1;
        int rc = tn_time_parse_iso8601(tn_str_from(iso[i].text), &ms);
        if (ms != iso[i].ms || (rc == TARN_OK) != (ms >= 0))
            fail_msg("%s", iso[i].text);
    }
    for (size_t i = 0; i < TN_COUNT(bad_basic); i++) {
        int64_t seconds = 42;
        if (tn_time_parse_basic(tn_str_from(bad_basic[i]), &seconds) != TARN_EINVAL)
            fail_msg("%s", bad_basic[i]);
        assert_int_equal(seconds, 42);
    }
}

static void test_clocks(void **state)
{
    (void)state;
    uint64_t before = tn_now_ns();
    assert_true(tn_now_ns() >= before);
    assert_true(tn_wall_ms() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),       cmocka_unit_test(test_base64),
        cmocka_unit_test(test_times),     cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_bad_times), cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
