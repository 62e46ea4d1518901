/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of `tarn run`. */

#include "unit/t.h"

#include "cli/tokens.h"

/* `words` are what comes out, each in angle brackets. */
static const struct {
    const char *line;
    const char *words;
    int rc;
} cases[] = {
    { "", "", TARN_OK },
    { "  \t ", "", TARN_OK },
    { "cp a b", "<cp><a><b>", TARN_OK },
    { "  cp\t a   b  ", "<cp><a><b>", TARN_OK },
    { "cp 'a b' c", "<cp><a b><c>", TARN_OK },
    { "cp \"a b\" c", "<cp><a b><c>", TARN_OK },
    { "a'b c'd", "<ab cd>", TARN_OK },
    { "'' \"\" x", "<><><x>", TARN_OK },
    { "a\\ b", "<a b>", TARN_OK },
    { "a\\\\b", "<a\\b>", TARN_OK },
    { "C:\\x", "<C:\\x>", TARN_OK },
    { "s3://b/\\*", "<s3://b/\\*>", TARN_OK },
    { "'a\\b'", "<a\\b>", TARN_OK },
    { "\"a\\\"b\"", "<a\"b>", TARN_OK },
    { "\"a\\xb\"", "<a\\xb>", TARN_OK },
    { "\"it's\"", "<it's>", TARN_OK },
    { "it\\'s", "<it's>", TARN_OK },
    { "\xc3\xa9 \xff", "<\xc3\xa9><\xff>", TARN_OK },
    { "a\\", "<a\\>", TARN_OK },
    { "'a", "", TARN_EINVAL },
    { "\"a", "", TARN_EINVAL },
    { "a 'b", "", TARN_EINVAL },
    { "a\"", "", TARN_EINVAL },
    { "\"a\\\"", "", TARN_EINVAL },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_buf seen = TN_BUF_INIT(1000);
        struct cli_tokens tokens = { 0 };
        struct tarn_error err = { 0 };
        int rc = cli_tokens_parse(tn_str_from(cases[i].line), &tokens, &err);
        assert_int_equal(rc, cases[i].rc);
        for (int w = 0; w < tokens.count; w++)
            assert_int_equal(tn_buf_appendf(&seen, "<%s>", tokens.words[w]), TARN_OK);
        if (strcmp(seen.data, cases[i].words) != 0)
            fail_msg("%s: %s", cases[i].line, seen.data);
        if (rc == TARN_OK)
            assert_null(tokens.words[tokens.count]);
        tn_free(tokens.words);
        tn_buf_release(&seen);
    }
}

static void test_hostile(void **state)
{
    struct cli_tokens tokens;
    struct tarn_error err;
    char *many = tn_realloc(NULL, 20000);
    (void)state;
    assert_int_equal(cli_tokens_parse((struct tn_str){ "a\0b", 3 }, &tokens, &err), TARN_EINVAL);
    for (size_t i = 0; i < 20000; i++)
        many[i] = i % 2 ? ' ' : 'x';
    assert_int_equal(cli_tokens_parse((struct tn_str){ many, 20000 }, &tokens, &err), TARN_EINVAL);
    assert_int_equal(cli_tokens_parse((struct tn_str){ many, 8191 }, &tokens, &err), TARN_OK);
    assert_int_equal(tokens.count, 4096);
    tn_free(tokens.words);
    tn_free(many);
}

static int parse_once(void *arg)
{
    struct cli_tokens tokens;
    (void)arg;
    int rc = cli_tokens_parse(TN_STR("a 'b c' d"), &tokens, NULL);
    if (rc == TARN_OK)
        tn_free(tokens.words);
    return rc;
}

static void test_oom(void **state)
{
    (void)state;
    t_oom_sweep(parse_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests_name("cli_tokens", tests, NULL, NULL);
}
