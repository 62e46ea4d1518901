/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: profiles, environment, precedence, endpoints, addressing. */

#include "unit/t.h"

#include <stdlib.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "base/file.h"
#include "client/cred.h"
#include "client/profile.h"
#include "client/settings.h"

/* ---- profiles ---- */

static void test_profile(void **state)
{
    static const struct {
        const char *name, *text, *profile;
        bool is_config;
        int rc;
        bool is_found;
        const char *access, *region, *endpoint, *addressing, *role;
    } cases[] = {
        { "default", "[default]\naws_access_key_id = A\n", "default", false, TARN_OK, true, "A", "",
          "", "", "" },
        { "other section", "[x]\naws_access_key_id=A\n[y]\naws_access_key_id=B", "y", false,
          TARN_OK, true, "B", "", "", "", "" },
        { "not there", "[x]\naws_access_key_id=A\n", "z", false, TARN_OK, false, "", "", "", "",
          "" },
        { "config name", "[profile x]\nregion = eu-west-1\r\n", "x", true, TARN_OK, true, "",
          "eu-west-1", "", "", "" },
        { "config needs the word", "[x]\nregion = a\n", "x", true, TARN_OK, false, "", "", "", "",
          "" },
        { "nested", "[default]\ns3 =\n  addressing_style = path\nregion=r\n", "default", true,
          TARN_OK, true, "", "r", "", "path", "" },
        { "nested of another key", "[default]\nec2 =\n  addressing_style = path\n", "default", true,
          TARN_OK, true, "", "", "", "", "" },
        { "comments", "# c\n[default] ; c\n; c\nregion = r # why\n", "default", true, TARN_OK, true,
          "", "r", "", "", "" },
        { "endpoint", "[default]\nendpoint_url = http://h:1/p\n", "default", true, TARN_OK, true,
          "", "", "http://h:1/p", "", "" },
        { "first value wins", "[default]\nregion=a\nregion=b\n", "default", true, TARN_OK, true, "",
          "a", "", "", "" },
        { "role", "[profile x]\nrole_arn=arn\n", "x", true, TARN_OK, true, "", "", "", "", "arn" },
        { "no equals sign", "[default]\nnonsense\n", "default", true, TARN_EINVAL, true, "", "", "",
          "", "" },
        { "no equals sign elsewhere", "[x]\nnonsense\n[default]\nregion=r", "default", true,
          TARN_OK, true, "", "r", "", "", "" },
        { "open bracket", "[default\n", "default", true, TARN_EINVAL, false, "", "", "", "", "" },
        { "empty", "", "default", true, TARN_OK, false, "", "", "", "", "" },
        { "secret with equals and hash", "[default]\naws_access_key_id=a=b#c\n", "default", false,
          TARN_OK, true, "a=b#c", "", "", "", "" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_profile p = { 0 };
        size_t line = 0;
        int rc = tn_profile_read(tn_str_from(cases[i].text), tn_str_from(cases[i].profile),
                                 cases[i].is_config ? TN_PROFILE_CONFIG : TN_PROFILE_CREDENTIALS,
                                 &p, &line);
        if (rc != cases[i].rc || p.is_found != cases[i].is_found)
            fail_msg("%s: rc %d found %d", cases[i].name, rc, p.is_found);
        assert_str_equal(p.access_key, cases[i].access);
        assert_str_equal(p.region, cases[i].region);
        assert_str_equal(p.endpoint, cases[i].endpoint);
        assert_str_equal(p.addressing, cases[i].addressing);
        assert_str_equal(p.role_arn, cases[i].role);
    }
}

/* ---- environment and precedence ---- */

struct variable {
    const char *name, *value;
};
static const struct variable *environment;

static const char *get(const char *name)
{
    for (const struct variable *v = environment; v && v->name; v++) {
        if (strcmp(v->name, name) == 0)
            return v->value;
    }
    return NULL;
}

static const char *key_of(const struct tn_settings *s)
{
    return s->credentials->texts[TN_CRED_ACCESS_KEY];
}

static struct tarn_config plain(void)
{
    struct tarn_config c;
    tarn_config_init(&c);
    return c;
}

static void test_environment(void **state)
{
    static const struct variable vars[] = {
        { "AWS_ACCESS_KEY_ID", "EK" },         { "AWS_SECRET_ACCESS_KEY", "ES" },
        { "AWS_SESSION_TOKEN", "ET" },         { "AWS_DEFAULT_REGION", "eu-central-1" },
        { "AWS_ENDPOINT_URL", "http://e:80" }, { NULL, NULL },
    };
    struct tarn_config c = plain();
    struct tn_settings s = { 0 };
    struct tarn_error err = { 0 };
    (void)state;
    environment = vars;
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_OK);
    assert_string_equal(key_of(&s), "EK");
    assert_string_equal(s.credentials->texts[TN_CRED_SESSION_TOKEN], "ET");
    assert_string_equal(s.region, "eu-central-1");
    assert_string_equal(s.endpoint, "http://e");
    assert_string_equal(s.host, "e");
    assert_false(s.is_aws);
    tn_settings_release(&s);

    c.access_key = "A";
    c.secret_key = "S";
    c.region = "r";
    c.endpoint = "localhost:9000/base/";
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_OK);
    assert_string_equal(key_of(&s), "A");
    assert_null(s.credentials->texts[TN_CRED_SESSION_TOKEN]);
    assert_string_equal(s.endpoint, "https://localhost:9000/base");
    assert_string_equal(s.base_path, "/base");
    tn_settings_release(&s);
}

static void test_profile_files(void **state)
{
    char credentials[] = "/tmp/tarn-credentials-XXXXXX";
    char config[] = "/tmp/tarn-config-XXXXXX";
    TN_AUTO_FD fd1 = mkstemp(credentials);
    TN_AUTO_FD fd2 = mkstemp(config);
    static const char keys[] = "[default]\naws_access_key_id=D\naws_secret_access_key=DS\n"
                               "[w]\naws_access_key_id=W\naws_secret_access_key=WS\n";
    static const char rest[] = "[profile w]\nregion=w-1\naws_session_token=stale\n"
                               "s3=\n addressing_style=virtual\n"
                               "[profile r]\nrole_arn=x\n";
    struct variable vars[] = { { "AWS_CONFIG_FILE", config },
                               { "AWS_ACCESS_KEY_ID", "EK" },
                               { "AWS_SECRET_ACCESS_KEY", "ES" },
                               { NULL, NULL } };
    struct tn_settings s = { 0 };
    struct tarn_error err = { 0 };
    (void)state;
    assert_int_equal(tn_fd_write(fd1, keys, sizeof keys - 1), TARN_OK);
    assert_int_equal(tn_fd_write(fd2, rest, sizeof rest - 1), TARN_OK);
    environment = vars;

    struct tarn_config c = plain();
    c.credentials_file = credentials;
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_OK);
    assert_string_equal(key_of(&s), "EK"); /* the environment goes before the default profile */
    tn_settings_release(&s);

    c.profile = "w"; /* a profile that is asked for goes before the environment */
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_OK);
    assert_string_equal(key_of(&s), "W");
    assert_null(s.credentials->texts[TN_CRED_SESSION_TOKEN]); /* keys of two files do not mix */
    assert_string_equal(s.region, "w-1");
    assert_int_equal(s.addressing, TARN_ADDRESSING_VIRTUAL);
    tn_settings_release(&s);

    c.profile = "missing";
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_ECREDENTIALS);
    c.profile = "r";
    vars[1].name = "UNUSED";
    vars[2].name = "UNUSED";
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_ECREDENTIALS);
    assert_non_null(strstr(err.message, "assume a role"));
    c.credentials_file = "/nonexistent/file";
    assert_int_equal(tn_settings_make(&c, get, &s, &err), TARN_ECONFIG);
    assert_null(s.endpoint);
    (void)unlink(credentials);
    (void)unlink(config);
}

static void test_bad_config(void **state)
{
    static const struct {
        const char *name;
        struct tarn_config change; /* texts only */
        int rc;
    } cases[] = {
        { "secret missing", { .access_key = "A" }, TARN_ECREDENTIALS },
        { "access missing", { .secret_key = "A" }, TARN_ECREDENTIALS },
        { "nothing at all", { .region = "r" }, TARN_ECREDENTIALS },
        { "scheme", { .is_anonymous = true, .endpoint = "ftp://x" }, TARN_ECONFIG },
        { "user in endpoint", { .is_anonymous = true, .endpoint = "http://u@x" }, TARN_ECONFIG },
        { "query in endpoint", { .is_anonymous = true, .endpoint = "http://x/?a" }, TARN_ECONFIG },
        { "port", { .is_anonymous = true, .endpoint = "http://x:99999" }, TARN_ECONFIG },
        { "newline", { .is_anonymous = true, .region = "a\nb" }, TARN_ECONFIG },
        { "acceleration",
          { .is_anonymous = true, .endpoint = "http://x", .use_acceleration = true },
          TARN_ECONFIG },
        { "acceleration with paths",
          { .is_anonymous = true, .addressing = TARN_ADDRESSING_PATH, .use_acceleration = true },
          TARN_ECONFIG },
        { "anonymous", { .is_anonymous = true }, TARN_OK },
    };
    (void)state;
    environment = NULL;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tarn_config c = plain();
        struct tn_settings s = { 0 };
        c.access_key = cases[i].change.access_key;
        c.secret_key = cases[i].change.secret_key;
        c.endpoint = cases[i].change.endpoint;
        c.region = cases[i].change.region;
        c.is_anonymous = cases[i].change.is_anonymous;
        c.use_acceleration = cases[i].change.use_acceleration;
        c.addressing = cases[i].change.addressing;
        c.ignore_environment = true;
        int rc = tn_settings_make(&c, get, &s, NULL);
        if (rc != cases[i].rc)
            fail_msg("%s: %s", cases[i].name, tarn_status_name(rc));
        tn_settings_release(&s);
    }
}

static void test_bad_numbers(void **state)
{
    struct tarn_config c[] = { plain(), plain(), plain(), plain(), plain() };
    struct tn_settings s = { 0 };
    (void)state;
    c[0].retries_max = -1;
    c[1].connections_max = 0;
    c[2].memory_max = 1;
    c[3].connect_timeout_ms = 0;
    c[4].checksum = (enum tarn_checksum)99;
    for (size_t i = 0; i < TN_COUNT(c); i++) {
        c[i].is_anonymous = c[i].ignore_environment = true;
        assert_int_equal(tn_settings_make(&c[i], get, &s, NULL), TARN_ECONFIG);
    }
}

/* ---- where requests go ---- */

static void test_route(void **state)
{
    static const struct {
        const char *endpoint;
        enum tarn_addressing addressing;
        const char *bucket, *region, *host, *path;
    } cases[] = {
        { NULL, TARN_ADDRESSING_AUTO, "bkt", "eu-west-1", "bkt.s3.eu-west-1.amazonaws.com", "" },
        { NULL, TARN_ADDRESSING_AUTO, "a.b", "eu-west-1", "s3.eu-west-1.amazonaws.com", "/a.b" },
        { NULL, TARN_ADDRESSING_AUTO, "Old_Name", "r", "s3.r.amazonaws.com", "/Old_Name" },
        { NULL, TARN_ADDRESSING_PATH, "bkt", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn",
          "/bkt" },
        { NULL, TARN_ADDRESSING_AUTO, "", "r", "s3.r.amazonaws.com", "" },
        { "http://h:9000", TARN_ADDRESSING_AUTO, "bkt", "r", "h:9000", "/bkt" },
        { "http://h:9000/p", TARN_ADDRESSING_AUTO, "bkt", "r", "h:9000", "/p/bkt" },
        { "http://h:9000", TARN_ADDRESSING_VIRTUAL, "bkt", "r", "bkt.h:9000", "" },
        { "http://[::1]:9000", TARN_ADDRESSING_AUTO, "bkt", "r", "[::1]:9000", "/bkt" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tarn_config c = plain();
        struct tn_settings s = { 0 };
        TN_AUTO_BUF host = TN_BUF_INIT(256);
        TN_AUTO_BUF path = TN_BUF_INIT(256);
        c.endpoint = cases[i].endpoint;
        c.addressing = cases[i].addressing;
        c.is_anonymous = c.ignore_environment = true;
        assert_int_equal(tn_settings_make(&c, get, &s, NULL), TARN_OK);
        assert_int_equal(tn_settings_route(&s, tn_str_from(cases[i].bucket),
                                           tn_str_from(cases[i].region), &host, &path),
                         TARN_OK);
        assert_string_equal(host.data, cases[i].host);
        assert_string_equal(path.data, cases[i].path);
        tn_settings_release(&s);
    }
}

static int make_once(void *arg)
{
    static const struct variable vars[] = { { "AWS_ACCESS_KEY_ID", "EK" },
                                            { "AWS_SECRET_ACCESS_KEY", "ES" },
                                            { "AWS_CA_BUNDLE", "/ca" },
                                            { NULL, NULL } };
    struct tarn_config c = plain();
    struct tn_settings s = { 0 };
    (void)arg;
    environment = vars;
    int rc = tn_settings_make(&c, get, &s, NULL);
    if (rc < 0)
        assert_null(s.endpoint);
    tn_settings_release(&s);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(make_once, NULL);
}

/* ---- names of classes ---- */

static void test_class_names(void **state)
{
    static const char *const cases[][2] = {
        { "StandardIa", "STANDARD_IA" },
        { "standard-ia", "STANDARD_IA" },
        { "OnezoneIa", "ONEZONE_IA" },
        { "ReducedRedundancy", "REDUCED_REDUNDANCY" },
        { "IntelligentTiering", "INTELLIGENT_TIERING" },
        { "GlacierInstantRetrieval", "GLACIER_IR" },
        { "GLACIER_FLEXIBLE_RETRIEVAL", "GLACIER" },
        { "GlacierDeepArchive", "DEEP_ARCHIVE" },
        { "glacier", "GLACIER" },
        { "SNOW", "SNOW" },
        { "GLACIE", "GLACIE" },
        { "GLACIERS", "GLACIERS" },
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++)
        assert_string_equal(tarn_storage_class_from_name(cases[i][0]), cases[i][1]);
    assert_null(tarn_storage_class_from_name(NULL));
    assert_true(tarn_storage_class_needs_restore("GlacierFlexibleRetrieval"));
    assert_false(tarn_storage_class_needs_restore("GlacierInstantRetrieval"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile),       cmocka_unit_test(test_environment),
        cmocka_unit_test(test_profile_files), cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_bad_numbers),   cmocka_unit_test(test_route),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_class_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
