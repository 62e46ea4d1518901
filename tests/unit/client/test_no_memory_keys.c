/* SPDX-License-Identifier: Apache-2.0 */
/* Every source of keys with too little memory, libcurl's included: no keys and TARN_ENOMEM, or the
 * right ones; and nothing half written in the cache of SSO tokens. */

#include "unit/t.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "unit/client/curl_memory.h"
#include "unit/client/fake_server.h"

enum { PATH_CAP = 256, OUT_MARK = 0x5a };

/* SHA-1 of the session's name, "s" */
#define CACHE_NAME "a0f1490a20d0211c997b44bc357e1972deab8ae3.json"
#define KEYS_JSON(end)                                                                             \
    "{\"Version\":1,\"AccessKeyId\":\"FETCHED\",\"SecretAccessKey\":\"secret\",\"" end             \
    "\":\"token\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"
#define KEYS_XML                                                                                   \
    "<Credentials><AccessKeyId>FETCHED</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"     \
    "<SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></"            \
    "Credentials>"
#define OLD_TOKEN                                                                                  \
    "{\"accessToken\":\"old\",\"expiresAt\":\"2020-01-01T00:00:00Z\",\"refreshToken\":\"r\","      \
    "\"clientId\":\"i\",\"clientSecret\":\"c\"}"

struct stage {
    struct fake_server *server;
    char answer[2048];
    char directory[64];
    char config_file[PATH_CAP];
    char cache_file[PATH_CAP];
    const char *name;
    const char *profile;
};

/* ---- the services ---- */

static const struct {
    const char *start; /* of the request */
    const char *body;
} services[] = {
    { "POST /sts",
      "<R><AssumeRoleResult>" KEYS_XML "</AssumeRoleResult>"
      "<AssumeRoleWithWebIdentityResult>" KEYS_XML "</AssumeRoleWithWebIdentityResult></R>" },
    { "POST /oidc/token", "{\"accessToken\":\"new\",\"expiresIn\":3600,\"refreshToken\":\"r2\"}" },
    { "GET /sso/federation/credentials",
      "{\"roleCredentials\":{\"accessKeyId\":\"FETCHED\",\"secretAccessKey\":\"secret\","
      "\"sessionToken\":\"token\",\"expiration\":4070908800000}}" },
    { "GET /container", KEYS_JSON("Token") },
    { "PUT /imds/latest/api/token", "session" },
    { "GET /imds/latest/meta-data/iam/security-credentials/role", KEYS_JSON("Token") },
    { "GET /imds/latest/meta-data/iam/security-credentials/", "role\n" },
};

static const char *answer_to(void *arg, const char *head)
{
    struct stage *s = arg;
    size_t i = 0;
    while (i < TN_COUNT(services) &&
           strncmp(head, services[i].start, strlen(services[i].start)) != 0)
        i++;
    const char *body = i < TN_COUNT(services) ? services[i].body : "";
    (void)snprintf(s->answer, sizeof s->answer,
                   "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                   i < TN_COUNT(services) ? "200 OK" : "404 Not Found", strlen(body), body);
    return s->answer;
}

/* ---- files and environment ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void write_config(const struct stage *s)
{
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "[profile process]\ncredential_process = echo '%s'\n"
                   "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
                   "external_id = e\nmfa_serial = arn:mfa\n"
                   "[profile base]\naws_access_key_id = B\naws_secret_access_key = S\n"
                   "[profile web]\nrole_arn = arn:aws:iam::1:role/r\n"
                   "web_identity_token_file = %s/token\n"
                   "[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
                   "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://a.b/c\n",
                   KEYS_JSON("SessionToken"), s->directory);
    write_file(s->config_file, text);
}

static void set_variable(const struct stage *s, const char *name, const char *path)
{
    char value[PATH_CAP];
    (void)snprintf(value, sizeof value, "%s%s", fake_server_url(s->server), path);
    assert_int_equal(setenv(name, value, 1), 0);
}

static void set_environment(const struct stage *s, bool is_in_container)
{
    static const char *const others[] = { "AWS_PROFILE",
                                          "AWS_ACCESS_KEY_ID",
                                          "AWS_SECRET_ACCESS_KEY",
                                          "AWS_SESSION_TOKEN",
                                          "AWS_WEB_IDENTITY_TOKEN_FILE",
                                          "AWS_EC2_METADATA_DISABLED",
                                          "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                          "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                          "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                          "AWS_CA_BUNDLE",
                                          "http_proxy",
                                          "all_proxy",
                                          "ALL_PROXY" };
    for (size_t i = 0; i < TN_COUNT(others); i++)
        assert_int_equal(unsetenv(others[i]), 0);
    assert_int_equal(setenv("HOME", s->directory, 1), 0);
    assert_int_equal(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "bearer", 1), 0);
    set_variable(s, "AWS_ENDPOINT_URL_STS", "/sts");
    set_variable(s, "AWS_ENDPOINT_URL_SSO", "/sso");
    set_variable(s, "AWS_ENDPOINT_URL_SSO_OIDC", "/oidc");
    set_variable(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "/imds/");
    if (is_in_container)
        set_variable(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/container");
}

static void make_path(const struct stage *s, const char *name, char path[PATH_CAP])
{
    (void)snprintf(path, PATH_CAP, "%s/%s", s->directory, name);
}

static int set_up(void **state)
{
    static const char *const folders[] = { ".aws", ".aws/sso", ".aws/sso/cache" };
    struct stage *s = test_calloc(1, sizeof *s);
    char path[PATH_CAP];
    (void)snprintf(s->directory, sizeof s->directory, "/tmp/tarn-keys-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    for (size_t i = 0; i < TN_COUNT(folders); i++) {
        make_path(s, folders[i], path);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    make_path(s, "token", path);
    write_file(path, "identity\n");
    make_path(s, ".aws/config", s->config_file);
    make_path(s, ".aws/sso/cache/" CACHE_NAME, s->cache_file);
    write_config(s);
    s->server = fake_server_new_fn(answer_to, s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    char command[128];
    fake_server_free(s->server);
    (void)snprintf(command, sizeof command, "rm -rf %s", s->directory);
    assert_int_equal(system(command), 0);
    test_free(s);
    return 0;
}

/* ---- the sweep ---- */

static int give_keys(void *arg, struct tarn_credentials *out, struct tarn_error *err)
{
    (void)arg;
    (void)err;
    (void)snprintf(out->access_key, sizeof out->access_key, "FETCHED");
    (void)snprintf(out->secret_key, sizeof out->secret_key, "secret");
    return TARN_OK;
}

static struct tarn_client *make_client(const struct stage *s, struct tarn_error *err)
{
    struct tarn_config config;
    tarn_config_init(&config);
    config.endpoint = fake_server_url(s->server);
    config.profile = s->profile;
    config.mfa_code = "123456";
    if (strcmp(s->name, "program") == 0)
        config.credentials_fn = give_keys;
    return tarn_client_new(&config, err);
}

/* The file is the old one or the new one. */
static void check_cache(const struct stage *s)
{
    char text[1024] = "";
    FILE *f = fopen(s->cache_file, "re");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    assert_int_equal(fclose(f), 0);
    bool is_old = strcmp(text, OLD_TOKEN) == 0;
    if (!is_old && !(len > 0 && strstr(text, "\"new\"") && strchr(text, '}')))
        fail_msg("%s: the cache holds %s", s->name, text);
}

static int get_keys(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    struct tarn_credentials keys;
    memset(&keys, OUT_MARK, sizeof keys);
    int rc = tarn_client_get_credentials(client, &keys, err);
    if (rc == TARN_OK)
        assert_string_equal(keys.access_key, "FETCHED");
    for (size_t i = 0; rc < 0 && i < sizeof keys; i++)
        assert_int_equal(((const unsigned char *)&keys)[i], OUT_MARK);
    check_cache(s);
    return rc;
}

static int fetch_once(void *arg)
{
    struct stage *s = arg;
    struct tarn_error err = { 0 };
    write_file(s->cache_file, OLD_TOKEN);
    curl_memory_reset();
    struct tarn_client *client = make_client(s, &err);
    int rc = client ? get_keys(s, client, &err) : err.status;
    if (rc != TARN_OK && curl_memory_has_failed())
        rc = err.status = TARN_ENOMEM;
    if (rc != TARN_OK && (rc != TARN_ENOMEM || err.status != rc))
        fail_msg("%s: %s: %s", s->name, tarn_status_name(rc), err.message);
    struct tarn_error again = { 0 };
    if (rc < 0 && client && get_keys(s, client, &again) != TARN_OK)
        fail_msg("%s: fails for ever: %s", s->name, again.message);
    tarn_client_free(client);
    return rc;
}

static void test_sources(void **state)
{
    static const struct {
        const char *name, *profile;
        bool is_in_container;
    } cases[] = {
        { "program", NULL, false },  { "process", "process", false },
        { "role", "role", false },   { "web identity", "web", false },
        { "sso", "sso", false },     { "container", NULL, true },
        { "instance", NULL, false },
    };
    struct stage *s = *state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        s->name = cases[i].name;
        s->profile = cases[i].profile;
        set_environment(s, cases[i].is_in_container);
        t_oom_sweep(fetch_once, s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sources, set_up, tear_down),
    };
    curl_memory_count();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
