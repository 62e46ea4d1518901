/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, mostly wrong ones; help and manual page. */

#include "unit/t.h"

#include "cli/help.h"
#include "cli/options.h"

enum { ARGS_MAX = 12 };

/* Each row is a usage error; the message must have `message` in it. */
static const struct {
    const char *name;
    const char *args[ARGS_MAX];
    const char *message;
} wrong[] = {
    { "nothing", { NULL }, "no command" },
    { "unknown command", { "frobnicate", "x" }, "unknown command \"frobnicate\"" },
    { "mistyped command", { "rmm", "s3://b/k" }, "did you mean \"rm\"" },
    { "swapped letters", { "sl" }, "did you mean \"ls\"" },
    { "empty command", { "" }, "unknown command \"\"" },
    { "unknown option", { "cp", "--zzzzzz", "a", "b" }, "unknown option \"--zzzzzz\"" },
    { "mistyped option", { "cp", "--recursiv", "a", "b" }, "did you mean \"--recursive\"" },
    { "option of another command", { "ls", "--no-clobber", "s3://b" }, "unknown option" },
    { "unknown letter", { "cp", "-z", "a", "b" }, "unknown option \"-z\"" },
    { "unknown letter in a group", { "cp", "-rz", "a", "b" }, "unknown option \"-z\"" },
    { "value missing at the end", { "ls", "--region" }, "\"--region\" needs a value" },
    { "value missing before an option", { "ls", "--region", "--json" }, "needs a value" },
    { "empty value", { "ls", "--region=" }, "empty value" },
    { "value for a flag", { "ls", "--json=yes" }, "takes no value" },
    { "no number", { "cp", "--workers", "many", "a", "b" }, "a number is wanted" },
    { "negative number", { "cp", "--workers", "-3", "a", "b" }, "a number is wanted" },
    { "number with a plus", { "cp", "--workers=+3", "a", "b" }, "a number is wanted" },
    { "huge number", { "cp", "--workers", "99999999999999999999", "a", "b" }, "wanted" },
    { "too many workers", { "cp", "--workers", "1025", "a", "b" }, "not within 0 to 1024" },
    { "part size too small", { "cp", "--part-size", "4", "a", "b" }, "not within 5 to 5120" },
    { "part size too large", { "cp", "--part-size", "5121", "a", "b" }, "not within 5 to 5120" },
    { "no concurrency", { "cp", "--concurrency", "0", "a", "b" }, "not within 1 to 256" },
    { "zero limit", { "ls", "--limit", "0" }, "at least 1 is wanted" },
    { "no memory", { "ls", "--memory", "0" }, "at least 32.0 MiB is wanted" },
    { "URL for too long", { "presign", "--expires", "8d", "s3://b/k" }, "not within 1s to 7d" },
    { "no age", { "find", "--older-than", "0", "s3://b" }, "not within 1s to 36500d" },
    { "lock for too long", { "lock", "run", "--ttl", "2d", "s3://b/l" }, "not within 1s to 1d" },
    { "wait for too long", { "lock", "run", "--wait", "400d", "s3://b/l" }, "not within 0s to 365d" },
    { "bad size", { "cp", "--memory", "12X", "a", "b" }, "such as 64M" },
    { "no choice", { "cp", "--metadata-directive", "MERGE", "a", "b" }, "COPY REPLACE" },
    { "no ACL", { "cp", "--acl", "everybody", "a", "b" }, "public-read" },
    { "bad time", { "cp", "--expires-header", "tomorrow", "a", "b" }, "2030-01-31" },
    { "expires in zero seconds", { "presign", "--expires", "0", "s3://b/k" }, "not within 1s to 7d" },
    { "expires too late", { "presign", "--expires", "8d", "s3://b/k" }, "not within 1s to 7d" },
    { "expires overflows",
      { "presign", "--expires", "9999999999999999999d", "s3://b/k" },
      "not within 1s to 7d" },
    { "expires without number", { "presign", "--expires", "h", "s3://b/k" }, "seconds are wanted" },
    { "expires in months", { "presign", "--expires", "1M", "s3://b/k" }, "seconds are wanted" },
    { "bad method", { "presign", "--method", "POST", "s3://b/k" }, "GET PUT HEAD DELETE" },
    { "one operand", { "cp", "a" }, "too few arguments: tarn cp SRC... DST" },
    { "no operand", { "rm" }, "too few arguments" },
    { "too many operands", { "pipe", "s3://b/a", "s3://b/b" }, "unexpected argument \"s3://b/b\"" },
    { "path and virtual", { "ls", "--path-style", "--virtual" }, "exclude each other" },
    { "alias conflicts too", { "ls", "--path-style", "--virtual-host" }, "exclude each other" },
    { "quiet and verbose", { "ls", "-qv" }, "exclude each other" },
    { "no signature and a profile", { "ls", "--no-sign-request", "--profile", "x" }, "exclude" },
    { "secrets on the command line", { "ls", "--secret-key", "x" }, "unknown option" },
};

static int parse(const char *const *args, struct cli_line *line, struct tarn_error *err)
{
    char *argv[ARGS_MAX + 2] = { NULL };
    char program[] = "tarn";
    int argc = 1;
    argv[0] = program;
    for (; argc <= ARGS_MAX && args[argc - 1]; argc++)
        argv[argc] = tn_strdup(args[argc - 1]);
    int rc = cli_line_parse(argc, argv, line, err);
    if (rc < 0)
        while (argc > 1)
            tn_free(argv[--argc]);
    return rc;
}

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(wrong); i++) {
        struct cli_line line = { 0 };
        struct tarn_error err = { 0 };
        print_message("%s\n", wrong[i].name);
        assert_int_equal(parse(wrong[i].args, &line, &err), TARN_EINVAL);
        if (!strstr(err.message, wrong[i].message))
            fail_msg("\"%s\" is not in \"%s\"", wrong[i].message, err.message);
        assert_null(line.operands);
    }
}

static int parse_static(int argc, const char **argv, struct cli_line *line, struct tarn_error *err)
{
    /* The parser keeps what it is given and writes to none of it. */
    char **args = NULL;
    memcpy(&args, &argv, sizeof args);
    return cli_line_parse(argc, args, line, err);
}

static void test_right(void **state)
{
    (void)state;
    const char *argv[] = { "tarn",
                           "--json",
                           "cp",
                           "-rn",
                           "a",
                           "--metadata",
                           "x=1",
                           "--metadata=y=2",
                           "--part-size=64",
                           "--expires-header",
                           "2030-01-01T00:00:00Z",
                           "--max-retries",
                           "0",
                           "--",
                           "--odd",
                           "-",
                           NULL };
    struct cli_line line = { 0 };
    assert_int_equal(parse_static((int)TN_COUNT(argv) - 1, argv, &line, NULL), TARN_OK);
    assert_int_equal(line.command->id, CLI_CP);
    assert_true(line.opt.json && line.opt.recursive && line.opt.no_clobber);
    assert_int_equal(line.opt.metadata.count, 2);
    assert_string_equal(line.opt.metadata.items[1], "y=2");
    assert_int_equal(line.opt.part_size_mib, 64);
    assert_int_equal(line.opt.expires_header, 1893456000);
    assert_true(line.opt.has_retries_max);
    assert_int_equal(line.opt.retries_max, 0);
    assert_int_equal(line.operand_count, 3);
    assert_string_equal(line.operands[1], "--odd");
    assert_string_equal(line.operands[2], "-");
    cli_line_release(&line);
}

static void test_values(void **state)
{
    (void)state;
    const char *presign[] = { "tarn", "presign", "--expires", "15m", "s3://b/k" };
    const char *range[] = { "tarn", "cat", "--range", "-50", "s3://b/k" };
    const char *help[] = { "tarn", "cp", "--help" };
    const char *endpoint[] = { "tarn", "ls", "--endpoint-url", "http://x", "--endpoint=http://y" };
    struct cli_line line = { 0 };
    assert_int_equal(parse_static(5, presign, &line, NULL), TARN_OK);
    assert_int_equal(line.opt.expires_s, 900);
    cli_line_release(&line);
    assert_int_equal(parse_static(5, range, &line, NULL), TARN_OK);
    assert_string_equal(line.opt.range, "-50");
    cli_line_release(&line);
    assert_int_equal(parse_static(3, help, &line, NULL), TARN_OK);
    assert_true(line.opt.help);
    cli_line_release(&line);
    assert_int_equal(parse_static(5, endpoint, &line, NULL), TARN_OK);
    assert_string_equal(line.opt.endpoint, "http://y");
    cli_line_release(&line);
}

static void test_huge(void **state)
{
    (void)state;
    static char huge[1 << 20];
    const char *unknown_option[] = { "tarn", "cp", huge, "a", "b" };
    const char *unknown_command[] = { "tarn", huge + 2 };
    const char *value[] = { "tarn", "cp", "--workers", huge + 2, "a", "b" };
    struct cli_line line = { 0 };
    struct tarn_error err = { 0 };
    memset(huge, 'x', sizeof huge - 1);
    huge[0] = huge[1] = '-';
    assert_int_equal(parse_static(5, unknown_option, &line, &err), TARN_EINVAL);
    assert_int_equal(parse_static(2, unknown_command, &line, &err), TARN_EINVAL);
    assert_int_equal(parse_static(6, value, &line, &err), TARN_EINVAL);
    assert_non_null(strstr(err.message, "a number is wanted"));
}

static void test_too_many(void **state)
{
    (void)state;
    static const char *argv[CLI_LIST_MAX + 8] = { "tarn", "cp" };
    int argc = 2;
    struct cli_line line = { 0 };
    struct tarn_error err = { 0 };
    for (int i = 0; i <= CLI_LIST_MAX; i++)
        argv[argc++] = "--exclude=x";
    argv[argc++] = "a";
    argv[argc++] = "b";
    assert_int_equal(parse_static(argc, argv, &line, &err), TARN_EINVAL);
    assert_non_null(strstr(err.message, "more than"));
    argv[2] = "-r";
    assert_int_equal(parse_static(argc, argv, &line, &err), TARN_OK);
    cli_line_release(&line);
}

static int parse_for_sweep(void *arg)
{
    const char *argv[] = { "tarn", "cp", "--include=a", "--exclude=b", "--metadata=c=d", "a", "b" };
    struct cli_line line = { 0 };
    (void)arg;
    int rc = parse_static((int)TN_COUNT(argv), argv, &line, NULL);
    cli_line_release(&line);
    return rc;
}

static int help_for_sweep(void *arg)
{
    TN_AUTO_BUF text = TN_BUF_INIT(1 << 20);
    return cli_help_append(&text, arg);
}

static int manpage_for_sweep(void *arg)
{
    TN_AUTO_BUF text = TN_BUF_INIT(1 << 20);
    (void)arg;
    return cli_manpage_append(&text);
}

static void test_oom(void **state)
{
    (void)state;
    t_oom_sweep(parse_for_sweep, NULL);
    t_oom_sweep(help_for_sweep, NULL);
    const struct cli_command *cp = cli_command_find("cp");
    void *arg;
    memcpy(&arg, &cp, sizeof arg);
    t_oom_sweep(help_for_sweep, arg);
    t_oom_sweep(manpage_for_sweep, NULL);
}

static void check_table(const struct cli_option *options)
{
    for (; options->name; options++) {
        assert_true(options->kind == CLI_FLAG ? options->value == NULL : options->value != NULL);
        assert_true(options->kind == CLI_CHOICE ? options->choices != NULL : true);
        assert_true(options->offset < sizeof(struct cli_options));
        if (options->help)
            assert_true(options->help[strlen(options->help) - 1] != '.');
    }
}

static void test_tables(void **state)
{
    (void)state;
    check_table(cli_global_options);
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        TN_AUTO_BUF text = TN_BUF_INIT(1 << 20);
        assert_int_equal(cli_commands[i].id, i);
        for (size_t g = 0; g < CLI_OPTION_GROUPS && cli_commands[i].groups[g]; g++)
            check_table(cli_commands[i].groups[g]);
        assert_int_equal(cli_help_append(&text, &cli_commands[i]), TARN_OK);
        struct tn_str rest = tn_buf_str(&text);
        while (rest.len)
            assert_in_range(tn_str_split(&rest, '\n').len, 0, 80);
    }
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(cli_edit_distance("", ""), 0);
    assert_int_equal(cli_edit_distance("abc", ""), 3);
    assert_int_equal(cli_edit_distance("sl", "ls"), 1);
    assert_int_equal(cli_edit_distance("presing", "presign"), 1);
    assert_int_equal(cli_edit_distance("kitten", "sitting"), 3);
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = '\0';
    assert_true(cli_edit_distance(longest, "a") == SIZE_MAX);
    assert_int_equal(cli_edit_distance(longest + 1, longest + 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),    cmocka_unit_test(test_right),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_huge),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_oom),
        cmocka_unit_test(test_tables),   cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests_name("cli_options", tests, NULL, NULL);
}
