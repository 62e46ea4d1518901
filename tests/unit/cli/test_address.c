/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, taken byte for byte. */

#include "unit/t.h"

#include "cli/address.h"

static const struct {
    const char *name;
    const char *text;
    int rc;
    enum cli_address_kind kind;
    const char *bucket;
    const char *rest;
} cases[] = {
    { "key", "s3://b/k", TARN_OK, CLI_ADDRESS_S3, "b", "k" },
    { "bucket alone", "s3://b", TARN_OK, CLI_ADDRESS_S3, "b", "" },
    { "bucket and slash", "s3://b/", TARN_OK, CLI_ADDRESS_S3, "b", "" },
    { "scheme alone", "s3://", TARN_OK, CLI_ADDRESS_S3, "", "" },
    { "leading slashes of the key stay", "s3://b//k", TARN_OK, CLI_ADDRESS_S3, "b", "/k" },
    { "question mark is no query", "s3://b/f?region=x", TARN_OK, CLI_ADDRESS_S3, "b",
      "f?region=x" },
    { "at sign is no user", "s3://b/users/a@x.org/f", TARN_OK, CLI_ADDRESS_S3, "b",
      "users/a@x.org/f" },
    { "percent is no escape", "s3://b/%41", TARN_OK, CLI_ADDRESS_S3, "b", "%41" },
    { "hash is no fragment", "s3://b/a#b", TARN_OK, CLI_ADDRESS_S3, "b", "a#b" },
    { "line break in the key", "s3://b/a\nb", TARN_OK, CLI_ADDRESS_S3, "b", "a\nb" },
    { "bytes that are no UTF-8", "s3://b/\xff\xfe", TARN_OK, CLI_ADDRESS_S3, "b", "\xff\xfe" },
    { "bare path", "dir/file", TARN_OK, CLI_ADDRESS_LOCAL, "", "dir/file" },
    { "path with a colon", "a:b//c", TARN_OK, CLI_ADDRESS_LOCAL, "", "a:b//c" },
    { "path that looks like a scheme", "./a://b", TARN_OK, CLI_ADDRESS_LOCAL, "", "./a://b" },
    { "file scheme", "file:///tmp/x", TARN_OK, CLI_ADDRESS_LOCAL, "", "/tmp/x" },
    { "hyphen", "-", TARN_OK, CLI_ADDRESS_STDIO, "", "-" },
    { "one slash is a path", "s3:/b/k", TARN_OK, CLI_ADDRESS_LOCAL, "", "s3:/b/k" },
    { "empty", "", TARN_EINVAL, 0, NULL, NULL },
    { "key without a bucket", "s3:///k", TARN_EINVAL, 0, NULL, NULL },
    { "slashes without a bucket", "s3://///", TARN_EINVAL, 0, NULL, NULL },
    { "line break in the bucket", "s3://b\nc/k", TARN_EINVAL, 0, NULL, NULL },
    { "escape in the bucket", "s3://b\033[2Jc/k", TARN_EINVAL, 0, NULL, NULL },
    { "other scheme", "http://b/k", TARN_EINVAL, 0, NULL, NULL },
    { "upper case scheme", "S3://b/k", TARN_EINVAL, 0, NULL, NULL },
    { "smb", "smb://host/share", TARN_EINVAL, 0, NULL, NULL },
    { "file scheme alone", "file://", TARN_EINVAL, 0, NULL, NULL },
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct cli_address address = { .name = "unchanged" };
        struct tarn_error err = { 0 };
        print_message("%s\n", cases[i].name);
        assert_int_equal(cli_address_parse(cases[i].text, &address, &err), cases[i].rc);
        if (cases[i].rc < 0) {
            assert_string_equal(address.name, "unchanged");
            assert_true(err.message[0] != '\0');
            continue;
        }
        assert_int_equal(address.kind, cases[i].kind);
        assert_string_equal(address.bucket, cases[i].bucket);
        assert_string_equal(address.name, cases[i].rest);
    }
}

static void test_huge(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct cli_address address;
    struct tarn_error err = { 0 };
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(cli_address_parse(text, &address, &err), TARN_EINVAL);
    memcpy(text, "s3://", 5);
    assert_int_equal(cli_address_parse(text, &address, &err), TARN_EINVAL);
    text[5 + CLI_BUCKET_LEN_MAX + 1] = '\0';
    assert_int_equal(cli_address_parse(text, &address, &err), TARN_EINVAL);
    text[5 + CLI_BUCKET_LEN_MAX] = '\0';
    assert_int_equal(cli_address_parse(text, &address, &err), TARN_OK);
}

static void test_bucket(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        { "b", TARN_OK },         { "b/", TARN_OK },           { "s3://b", TARN_OK },
        { "s3://b/", TARN_OK },   { "", TARN_EINVAL },         { "/", TARN_EINVAL },
        { "s3://", TARN_EINVAL }, { "s3://b/k", TARN_EINVAL }, { "b/k", TARN_EINVAL },
        { "b//", TARN_EINVAL },   { "s3://b//", TARN_EINVAL }, { "http://b", TARN_EINVAL },
        { "b\nc", TARN_EINVAL },  { "s3:///", TARN_EINVAL },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct cli_address address;
        print_message("\"%s\"\n", rows[i].text);
        assert_int_equal(cli_address_parse_bucket(rows[i].text, &address, NULL), rows[i].rc);
        if (rows[i].rc == TARN_OK) {
            assert_string_equal(address.bucket, "b");
            assert_string_equal(address.name, "");
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(cli_name_last("a/b/c"), "c");
    assert_string_equal(cli_name_last("c"), "c");
    assert_string_equal(cli_name_last("a/"), "");
    assert_string_equal(cli_name_last(""), "");
}

static void test_same_path(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool is_same;
    } rows[] = {
        { "", "", true },           { "", "/", true },           { "a", "", false },
        { "a", "a", true },         { "a", "b", false },         { "a/b", "b", false },
        { "a//b", "a/b", true },    { "/a", "a", true },         { "a/", "a", true },
        { "./a/./b", "a/b", true }, { "a/x/../b", "a/b", true }, { "x/y/../../b", "b", true },
        { "../b", "b", true },      { "a/..", "", true },        { "a/..b", "a/b", false },
        { "A/b", "a/B", true },     { "a/b", "ab", false },      { "a/b/c", "a/b", false },
        { "...", "", false },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        assert_int_equal(cli_name_is_same_path(rows[i].a, rows[i].b), rows[i].is_same);
        assert_int_equal(cli_name_is_same_path(rows[i].b, rows[i].a), rows[i].is_same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_huge),
        cmocka_unit_test(test_bucket),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_same_path),
    };
    return cmocka_run_group_tests_name("cli_address", tests, NULL, NULL);
}
