/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what is taken, and what each mistake is told. */

#include "server/config.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const char *text;
    const char *message; /* NULL: fine */
} rows[] = {
    { "empty", "", NULL },
    { "a comment", "# nothing\n", NULL },
    { "all",
      "data: /d\nlisten: 127.0.0.1:0\nregion: eu-west-1\ndomains: [a.example, b.example]\n"
      "auth: on\nlog_level: debug\naccess_keys:\n  - access_key: AKID\n    secret_key: 12345678\n"
      "tls:\n  cert: c.pem\n  key: k.pem\nlimits:\n  connections: 10\n  idle_timeout_ms: 1000\n"
      "  inline_size: 1M\n  memory_limit: 64M\n",
      NULL },
    { "auth off", "auth: off\n", NULL },
    { "unknown key", "data: /d\ncolour: red\n",
      "f:2: unknown key \"colour\", expected one of data, "
      "listen, region" },
    { "unknown limit", "limits:\n  foo: 1\n",
      "f:2: unknown key \"foo\", expected one of connections" },
    { "a key twice", "data: /a\ndata: /b\n", "f:2: a key that comes twice" },
    { "a list for a text", "data: [a]\n", "f:1: bad value of \"data\", expected a single value" },
    { "an empty text", "data: ''\n", "f:1: bad value of \"data\", expected a text" },
    { "a control byte", "data: \"a\\x01\"\n", "f:1: bad value of \"data\"" },
    { "a text for a list", "domains: a.example\n", "f:1: domains, expected a list" },
    { "not a domain", "domains:\n  - a_b\n", "f:2: bad value of \"domains\"" },
    { "auth maybe", "\nauth: maybe\n", "f:2: bad value of \"auth\", expected on or off" },
    { "auth no", "auth: no\n", "f:1: bad value of \"auth\", expected on or off" },
    { "a level", "log_level: loud\n", "f:1: bad value of \"log_level\", expected error, warn" },
    { "not a region", "region: eu west\n", "f:1: bad value of \"region\", expected a region" },
    { "zero", "limits:\n  workers: 0\n", "f:2: bad value of \"workers\", expected a whole number" },
    { "negative", "limits:\n  workers: -1\n", "f:2: bad value of \"workers\"" },
    { "huge", "limits:\n  loops: 99999999999999999999\n", "f:2: bad value of \"loops\"" },
    { "a time", "limits:\n  head_timeout_ms: 5s\n", "f:2: bad value of \"head_timeout_ms\"" },
    { "a size", "limits:\n  inline_size: 1P\n", "f:2: bad value of \"inline_size\"" },
    { "too small for a loop", "limits:\n  inline_size: 63K\n",
      "f:2: bad value of \"inline_size\", expected a size from 64K to 16M" },
    { "too little memory", "limits:\n  memory_limit: 31M\n", "f:2: bad value of \"memory_limit\"" },
    { "limits as a text", "limits: none\n", "f:1: bad value, expected a mapping" },
    { "a list at the top", "- a\n", "f:1: bad value, expected a mapping" },
    { "a text at the top", "hello\n", "f:1: bad value, expected a mapping" },
    { "a short secret", "access_keys:\n  - access_key: AKID\n    secret_key: short\n",
      "f:2: bad access key, expected an access_key of 3 to 128" },
    { "no secret", "access_keys:\n  - access_key: AKID\n", "f:2: bad access key" },
    { "keys as a mapping", "access_keys:\n  AKID: 12345678\n", "f:2: bad access_keys, expected" },
    { "an unknown part of a key",
      "access_keys:\n  - access_key: AKID\n    secret_key: 12345678\n    user: x\n",
      "f:2: bad access key, expected a mapping" },
    { "a key that is a list", "[a]: b\n", "f:1: unknown key" },
    { "not YAML", "\ndata: [a\n", "f:3: " },
    { "a tab", "tls:\n\tcert: a\n", "f:2: " },
    { "not UTF-8", "data: \xff\xfe\xfd\n", "f:" },
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct config c;
        struct tarn_error err = { 0 };
        config_init(&c);
        int rc = config_parse(&c, "f", tn_str_from(rows[i].text), &err);
        if (rc != (rows[i].message ? TARN_ECONFIG : TARN_OK) ||
            (rows[i].message &&
             strncmp(err.message, rows[i].message, strlen(rows[i].message)) != 0))
            fail_msg("%s: %s, \"%s\"", rows[i].name, tarn_status_name(rc), err.message);
        config_release(&c);
    }
}

static void test_values(void **state)
{
    struct config c;
    (void)state;
    config_init(&c);
    assert_int_equal(config_parse(&c, "f", tn_str_from(rows[2].text), NULL), TARN_OK);
    assert_string_equal(c.data, "/d");
    assert_string_equal(c.region, "eu-west-1");
    assert_int_equal(c.domain_count, 2);
    assert_string_equal(c.domains[1], "b.example");
    assert_int_equal(c.key_count, 1);
    assert_string_equal(c.keys[0].secret_key, "12345678");
    assert_string_equal(c.tls_key, "k.pem");
    assert_int_equal(c.log_level, TN_LOG_DEBUG);
    assert_int_equal(c.inline_max, 1024 * 1024);
    assert_false(c.is_auth_off);
    config_release(&c);
}

static char word[][64] = { "tarnd",    "--data",   "/d",          "--listen=:1",
                           "--domain", "x.test",   "--log-level", "warn",
                           "--nope",   "--help",   "--tls-cert",  "c",
                           "--listen", "--region", "a b",         "--help=1" };

static const struct {
    const char *name;
    int words[8]; /* of the array above, ended by 0 */
    const char *message;
} command_rows[] = {
    { "all fine", { 1, 2, 3, 4, 5, 6, 7, 0 }, NULL },
    { "help needs nothing else", { 9, 0 }, NULL },
    { "no data", { 3, 0 }, "no data directory" },
    { "unknown", { 1, 2, 8, 0 }, "unknown argument \"--nope\"" },
    { "a stray word", { 1, 2, 5, 0 }, "unknown argument \"x.test\"" },
    { "no value", { 1, 2, 12, 0 }, "--listen needs a value" },
    { "a value too many", { 15, 0 }, "--help takes no value" },
    { "half of TLS", { 1, 2, 10, 11, 0 }, "a TLS certificate and its key go together" },
    { "bad region", { 1, 2, 13, 14, 0 }, "bad value \"a b\" of --region" },
};

static void test_command(void **state)
{
    (void)state;
    (void)unsetenv("TARN_ACCESS_KEY");
    (void)unsetenv("TARN_SECRET_KEY");
    for (size_t i = 0; i < TN_COUNT(command_rows); i++) {
        char *argv[9] = { word[0] };
        int argc = 1;
        for (; command_rows[i].words[argc - 1]; argc++)
            argv[argc] = word[command_rows[i].words[argc - 1]];
        struct config c;
        struct tarn_error err = { 0 };
        config_init(&c);
        int rc = config_read(&c, argc, argv, &err);
        const char *message = command_rows[i].message;
        if (rc != (message ? TARN_ECONFIG : TARN_OK) ||
            (message && strncmp(err.message, message, strlen(message)) != 0))
            fail_msg("%s: %s, \"%s\"", command_rows[i].name, tarn_status_name(rc), err.message);
        config_release(&c);
    }
}

static void test_environment(void **state)
{
    char *argv[] = { word[0], word[1], word[2] };
    struct config c;
    struct tarn_error err = { 0 };
    (void)state;
    config_init(&c);
    assert_int_equal(setenv("TARN_ACCESS_KEY", "AKID", 1), 0);
    assert_int_equal(unsetenv("TARN_SECRET_KEY"), 0);
    assert_int_equal(config_read(&c, 3, argv, &err), TARN_ECONFIG);
    assert_non_null(strstr(err.message, "go together"));
    config_release(&c);
    assert_int_equal(setenv("TARN_SECRET_KEY", "abcdefgh", 1), 0);
    assert_int_equal(config_read(&c, 3, argv, &err), TARN_OK);
    assert_int_equal(c.key_count, 1);
    assert_string_equal(c.listen, "127.0.0.1:9000");
    config_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
