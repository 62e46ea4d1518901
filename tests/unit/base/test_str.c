/* SPDX-License-Identifier: Apache-2.0 */
/* Views of bytes: comparing, cutting, numbers, UTF-8. */

#include "base/str.h"

#include "unit/t.h"

static const struct tn_str null_view = { NULL, 0 };

static void test_compare(void **state)
{
    (void)state;
    assert_true(tn_str_eq(TN_STR("ab"), TN_STR("ab")));
    assert_false(tn_str_eq(TN_STR("ab"), TN_STR("aB")));
    assert_false(tn_str_eq(TN_STR("ab"), TN_STR("abc")));
    assert_true(tn_str_eq(null_view, TN_STR("")));
    assert_true(tn_str_eq(TN_STR("a\0b"), TN_STR("a\0b")));
    assert_false(tn_str_eq(TN_STR("a\0b"), TN_STR("a\0c")));
    assert_true(tn_str_eq_nocase(TN_STR("aBz09-"), TN_STR("AbZ09-")));
    assert_false(tn_str_eq_nocase(TN_STR("["), TN_STR("{")));
    assert_false(tn_str_eq_nocase(TN_STR("@"), TN_STR("`")));
    assert_false(tn_str_eq_nocase(TN_STR("\xc3\x84"), TN_STR("\xc3\xa4")));
    assert_true(tn_str_eq_secret(TN_STR("key"), TN_STR("key")));
    assert_false(tn_str_eq_secret(TN_STR("key"), TN_STR("kez")));
    assert_false(tn_str_eq_secret(TN_STR("key"), TN_STR("keys")));
    assert_true(tn_str_eq_secret(null_view, TN_STR("")));
}

static void test_order(void **state)
{
    (void)state;
    assert_true(tn_str_cmp(TN_STR("a"), TN_STR("b")) < 0);
    assert_true(tn_str_cmp(TN_STR("a"), TN_STR("aa")) < 0);
    assert_true(tn_str_cmp(TN_STR("B"), TN_STR("a")) < 0);
    assert_true(tn_str_cmp(TN_STR("z"), TN_STR("\xc3\xa4")) < 0);
    assert_true(tn_str_cmp(TN_STR("b"), TN_STR("a")) > 0);
    assert_true(tn_str_cmp(TN_STR("a"), null_view) > 0);
    assert_int_equal(tn_str_cmp(TN_STR("a"), TN_STR("a")), 0);
    assert_int_equal(tn_str_cmp(null_view, TN_STR("")), 0);
}

static void test_search(void **state)
{
    (void)state;
    assert_int_equal(tn_str_find_char(TN_STR("abcb"), 'b'), 1);
    assert_int_equal(tn_str_find_char(TN_STR("abc"), 'd'), SIZE_MAX);
    assert_int_equal(tn_str_find_char(null_view, 'd'), SIZE_MAX);
    assert_int_equal(tn_str_find(TN_STR("abab"), TN_STR("ba")), 1);
    assert_int_equal(tn_str_find(TN_STR("ab"), TN_STR("abc")), SIZE_MAX);
    assert_int_equal(tn_str_find(TN_STR("ab"), TN_STR("")), 0);
    assert_int_equal(tn_str_find(null_view, TN_STR("a")), SIZE_MAX);
    assert_true(tn_str_starts(TN_STR("abc"), TN_STR("ab")));
    assert_true(tn_str_starts(TN_STR("abc"), TN_STR("")));
    assert_false(tn_str_starts(TN_STR("ab"), TN_STR("abc")));
    assert_true(tn_str_ends(TN_STR("abc"), TN_STR("bc")));
    assert_true(tn_str_ends(TN_STR("abc"), TN_STR("")));
    assert_false(tn_str_ends(TN_STR("bc"), TN_STR("abc")));
}

static void test_cut(void **state)
{
    (void)state;
    assert_str_equal(tn_str_sub(TN_STR("abc"), 1, 1), "b");
    assert_str_equal(tn_str_sub(TN_STR("abc"), 1, SIZE_MAX), "bc");
    assert_str_equal(tn_str_sub(TN_STR("abc"), 3, 1), "");
    assert_str_equal(tn_str_sub(TN_STR("abc"), SIZE_MAX, SIZE_MAX), "");
    assert_str_equal(tn_str_sub(null_view, 1, 1), "");
    assert_str_equal(tn_str_trim(TN_STR(" \ta b\t ")), "a b");
    assert_str_equal(tn_str_trim(TN_STR(" \t ")), "");
    assert_str_equal(tn_str_trim(TN_STR("\na\n")), "\na\n");
    assert_str_equal(tn_str_from(NULL), "");

    struct tn_str s = TN_STR("a,,b");
    assert_str_equal(tn_str_split(&s, ','), "a");
    assert_str_equal(tn_str_split(&s, ','), "");
    assert_str_equal(tn_str_split(&s, ','), "b");
    assert_int_equal(s.len, 0);
    assert_str_equal(tn_str_split(&s, ','), "");
}

static const struct {
    const char *text;
    int rc;
    uint64_t value;
} numbers[] = {
    { "0", TARN_OK, 0 },
    { "007", TARN_OK, 7 },
    { "18446744073709551615", TARN_OK, UINT64_MAX },
    { "18446744073709551616", TARN_EINVAL, 42 },
    { "99999999999999999999", TARN_EINVAL, 42 },
    { "", TARN_EINVAL, 42 },
    { " 1", TARN_EINVAL, 42 },
    { "1 ", TARN_EINVAL, 42 },
    { "+1", TARN_EINVAL, 42 },
    { "-1", TARN_EINVAL, 42 },
    { "1.0", TARN_EINVAL, 42 },
    { "0x1", TARN_EINVAL, 42 },
    { "1e3", TARN_EINVAL, 42 },
};

static const struct {
    const char *text;
    int rc;
    uint64_t value;
} sizes[] = {
    { "0", TARN_OK, 0 },
    { "5", TARN_OK, 5 },
    { "5b", TARN_OK, 5 },
    { "5K", TARN_OK, 5120 },
    { "5kib", TARN_OK, 5120 },
    { "5kB", TARN_OK, 5120 },
    { "8MiB", TARN_OK, 8u << 20 },
    { "1g", TARN_OK, 1u << 30 },
    { "16777215T", TARN_OK, 16777215ull << 40 },
    { "16777216T", TARN_EINVAL, 42 },
    { "", TARN_EINVAL, 42 },
    { "K", TARN_EINVAL, 42 },
    { "1 K", TARN_EINVAL, 42 },
    { "1X", TARN_EINVAL, 42 },
    { "1KK", TARN_EINVAL, 42 },
    { "1KiBs", TARN_EINVAL, 42 },
    { "1Bi", TARN_EINVAL, 42 },
    { "-1K", TARN_EINVAL, 42 },
    { "1.5G", TARN_EINVAL, 42 },
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(numbers); i++) {
        uint64_t value = 42;
        assert_int_equal(tn_str_to_u64(tn_str_from(numbers[i].text), &value), numbers[i].rc);
        assert_int_equal(value, numbers[i].value);
    }
    for (size_t i = 0; i < TN_COUNT(sizes); i++) {
        uint64_t value = 42;
        if (tn_str_to_size(tn_str_from(sizes[i].text), &value) != sizes[i].rc)
            fail_msg("%s", sizes[i].text);
        assert_int_equal(value, sizes[i].value);
    }
}

static const struct {
    const char *text;
    bool is_utf8;
} texts[] = {
    { "", true },
    { "ascii\x7f", true },
    { "\xc2\x80", true },
    { "\xdf\xbf", true },
    { "\xe0\xa0\x80", true },
    { "\xed\x9f\xbf", true },
    { "\xee\x80\x80", true },
    { "\xef\xbf\xbf", true },
    { "\xf0\x90\x80\x80", true },
    { "\xf4\x8f\xbf\xbf", true },
    { "\x80", false },
    { "\xc0\x80", false },
    { "\xc1\xbf", false },
    { "\xc3", false },
    { "\xc3(", false },
    { "\xe0\x9f\xbf", false },
    { "\xe2\x82", false },
    { "\xe2\x82(", false },
    { "\xed\xa0\x80", false },
    { "\xed\xbf\xbf", false },
    { "\xf0\x8f\xbf\xbf", false },
    { "\xf0\x9f\x98", false },
    { "\xf4\x90\x80\x80", false },
    { "\xf5\x80\x80\x80", false },
    { "\xff", false },
    { "fine\xc3\xa4\xff", false },
};

static void test_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(texts); i++) {
        /* The exact length, so that reading past it is caught. */
        size_t len = strlen(texts[i].text);
        TN_AUTO_FREE char *exact = tn_realloc(NULL, len);
        memcpy(exact, texts[i].text, len);
        if (tn_str_is_utf8((struct tn_str){ exact, len }) != texts[i].is_utf8)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_order),
        cmocka_unit_test(test_search),  cmocka_unit_test(test_cut),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
