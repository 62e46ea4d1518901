/* SPDX-License-Identifier: Apache-2.0 */
/* Wildcards in keys. */

#include "unit/t.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/filter.h"
#include "cli/glob.h"

static const struct {
    const char *pattern;
    const char *text;
    bool matches;
} cases[] = {
    { "", "", true },
    { "", "a", false },
    { "*", "", true },
    { "*", "a/b/c", true },
    { "a*", "a", true },
    { "a*", "ba", false },
    { "*.txt", "dir/x.txt", true },
    { "*.txt", "x.txt.gz", false },
    { "data/2024-*.parquet", "data/2024-01/x.parquet", true },
    { "logs/*/error.log", "logs/a/b/error.log", true },
    { "logs/*/error.log", "logs/error.log", false },
    { "?", "a", true },
    { "?", "", false },
    { "?", "\xc3\xa9", true },
    { "??", "\xc3\xa9", false },
    { "?", "\xf0\x9f\x98\x80", true },
    { "?", "/", true },
    { "??", "\xc3(", true },
    { "?", "\xff", true },
    { "a?c", "abc", true },
    { "a?c", "ac", false },
    { "*a*b*c*", "xxaxxbxxcxx", true },
    { "*a*b*c*", "xxcxxbxxaxx", false },
    { "**", "anything", true },
    { "a\\*", "a*", true },
    { "a\\*", "ab", false },
    { "a\\?", "a?", true },
    { "a\\?", "ab", false },
    { "a\\\\*", "a\\b", true },
    { "a\\b*", "a\\bc", true },
    { "a\\b*", "abc", false },
    { "a\\", "a\\", true },
    { "[ab]", "a", false },
    { "[ab]", "[ab]", true },
    { "*\n*", "a\nb", true },
};

static void test_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        print_message("\"%s\" against \"%s\"\n", cases[i].pattern, cases[i].text);
        assert_int_equal(cli_glob_match(tn_str_from(cases[i].pattern), tn_str_from(cases[i].text)),
                         cases[i].matches);
    }
}

/* A recursive matcher takes longer than the universe will last for this. */
static void test_many_stars(void **state)
{
    (void)state;
    char pattern[201];
    char text[1025];
    for (size_t i = 0; i < 200; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[200] = '\0';
    memset(text, 'a', 1024);
    text[1023] = 'b';
    text[1024] = '\0';
    uint64_t start = tn_now_ns();
    assert_false(cli_glob_match(tn_str_from(pattern), tn_str_from(text)));
    assert_true(tn_now_ns() - start < 60000000000u);
}

static void test_prefix(void **state)
{
    static const struct {
        const char *pattern;
        const char *prefix;
        bool has_wildcards;
    } rows[] = {
        { "data/2024-*.parquet", "data/2024-", true },
        { "logs/*/error.log", "logs/", true },
        { "*.txt", "", true },
        { "a?b", "a", true },
        { "plain", "plain", false },
        { "a\\*b", "a*b", false },
        { "a\\*b*", "a*b", true },
        { "dir\\file", "dir\\file", false },
        { "a\\\\b", "a\\b", false },
        { "a\\", "a\\", false },
        { "", "", false },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        TN_AUTO_BUF prefix = TN_BUF_INIT(100);
        print_message("%s\n", rows[i].pattern);
        assert_int_equal(cli_glob_literal_prefix(rows[i].pattern, &prefix), TARN_OK);
        assert_string_equal(prefix.data, rows[i].prefix);
        assert_int_equal(cli_glob_has_wildcards(rows[i].pattern), rows[i].has_wildcards);
    }
    TN_AUTO_BUF small = TN_BUF_INIT(3);
    assert_int_equal(cli_glob_literal_prefix("abcd", &small), TARN_ETOOBIG);
    assert_int_equal(small.len, 0);
}

static void test_filter(void **state)
{
    static const char *text[] = { "*.txt" };
    static const char *all[] = { "*" };
    static const struct {
        const char *name;
        size_t includes;
        const char **exclude;
        const char *file;
        bool is_taken;
    } rows[] = {
        { "no rules", 0, NULL, "a.bin", true },
        { "include matches", 1, NULL, "d/a.txt", true },
        { "includes alone leave the rest out", 1, NULL, "a.bin", false },
        { "exclude matches", 0, text, "a.txt", false },
        { "exclude does not match", 0, text, "a.bin", true },
        { "include goes before exclude", 1, all, "a.txt", true },
        { "exclude takes the rest", 1, all, "a.bin", false },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct cli_options opt = { .include = { text, rows[i].includes },
                                   .exclude = { rows[i].exclude, rows[i].exclude != NULL } };
        print_message("%s\n", rows[i].name);
        assert_int_equal(cli_filter_load(&opt, NULL), TARN_OK);
        assert_int_equal(cli_filter_takes(&opt, rows[i].file), rows[i].is_taken);
        cli_filter_unload(&opt);
    }
}

static const char *write_rules(const char *text)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "/tmp/tarn-filter-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    return path;
}

static void test_filter_file(void **state)
{
    static const struct {
        const char *rules;
        const char *name;
        bool is_taken;
        int rc;
    } rows[] = {
        { "", "a", true, TARN_OK },
        { "# nothing\n\n", "a", true, TARN_OK },
        { "- *.o\n", "x.o", false, TARN_OK },
        { "- *.o\n", "x.c", true, TARN_OK },
        { "+ keep.o\n- *.o", "keep.o", true, TARN_OK },
        { "- *.o\n+ keep.o", "keep.o", false, TARN_OK },
        { "exclude *\n", "x", false, TARN_OK },
        { "include *.c\nexclude *\n", "d/x.c", true, TARN_OK },
        { "+ *.c\n", "x.h", false, TARN_OK },
        { "- !*.c\n", "x.h", false, TARN_OK },
        { "- !*.c\n", "x.c", true, TARN_OK },
        { "- regex:^a[0-9]+$\n", "a17", false, TARN_OK },
        { "- regex:^a[0-9]+$\n", "xa17", true, TARN_OK },
        { "- regex:b\n", "abc", false, TARN_OK },
        { "- path:d/e\n", "d/e", false, TARN_OK },
        { "- path:d/e\n", "d/e/f", false, TARN_OK },
        { "- path:d/e/\n", "d/e/f", false, TARN_OK },
        { "- path:d/e\n", "d/ef", true, TARN_OK },
        { "- glob:a b\n", "a b", false, TARN_OK },
        { "  -   *.o  \r\n", "x.o", false, TARN_OK },
        { "*.o\n", "x.o", true, TARN_EINVAL },
        { "-\n", "x", true, TARN_EINVAL },
        { "- regex:(\n", "x", true, TARN_EINVAL },
        { "- regex:\n", "x", true, TARN_EINVAL },
        { "drop x\n", "x", true, TARN_EINVAL },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct cli_options opt = { .filter_from = write_rules(rows[i].rules) };
        struct tarn_error err = { 0 };
        int rc = cli_filter_load(&opt, &err);
        if (rc != rows[i].rc || cli_filter_takes(&opt, rows[i].name) != rows[i].is_taken)
            fail_msg("%s: %d %s", rows[i].rules, rc, err.message);
        cli_filter_unload(&opt);
        (void)unlink(opt.filter_from);
    }
    struct cli_options absent = { .filter_from = "/absent/file" };
    assert_true(cli_filter_load(&absent, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),       cmocka_unit_test(test_many_stars),
        cmocka_unit_test(test_prefix),      cmocka_unit_test(test_filter),
        cmocka_unit_test(test_filter_file),
    };
    return cmocka_run_group_tests_name("cli_glob", tests, NULL, NULL);
}
