/* SPDX-License-Identifier: Apache-2.0 */
/* The value of --range. */

#include "unit/t.h"

#include "cli/byte_range.h"

static const struct {
    const char *text;
    int rc;
    enum cli_range_kind kind;
    uint64_t first, last, suffix;
} cases[] = {
    { "0-99", TARN_OK, CLI_RANGE_BOUNDS, 0, 99, 0 },
    { "bytes=5-5", TARN_OK, CLI_RANGE_BOUNDS, 5, 5, 0 },
    { "100-", TARN_OK, CLI_RANGE_BOUNDS, 100, UINT64_MAX, 0 },
    { "-50", TARN_OK, CLI_RANGE_SUFFIX, 0, UINT64_MAX, 50 },
    { "", TARN_EINVAL, 0, 0, 0, 0 },
    { "-", TARN_EINVAL, 0, 0, 0, 0 },
    { "-0", TARN_EINVAL, 0, 0, 0, 0 },
    { "5", TARN_EINVAL, 0, 0, 0, 0 },
    { "9-5", TARN_EINVAL, 0, 0, 0, 0 },
    { "a-b", TARN_EINVAL, 0, 0, 0, 0 },
    { "0-9,20-29", TARN_EINVAL, 0, 0, 0, 0 },
    { "0--9", TARN_EINVAL, 0, 0, 0, 0 },
    { " 0-9", TARN_EINVAL, 0, 0, 0, 0 },
    { "0x1-0x2", TARN_EINVAL, 0, 0, 0, 0 },
    { "99999999999999999999-", TARN_EINVAL, 0, 0, 0, 0 },
    { "bytes=", TARN_EINVAL, 0, 0, 0, 0 },
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct cli_byte_range range = { 0 };
        struct tarn_error err = { 0 };
        print_message("\"%s\"\n", cases[i].text);
        assert_int_equal(cli_byte_range_parse(cases[i].text, &range, &err), cases[i].rc);
        assert_int_equal(range.kind, cases[i].kind);
        assert_int_equal(range.suffix, cases[i].suffix);
        if (range.kind == CLI_RANGE_BOUNDS) {
            assert_int_equal(range.first, cases[i].first);
            assert_int_equal(range.last, cases[i].last);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse) };
    return cmocka_run_group_tests_name("cli_byte_range", tests, NULL, NULL);
}
