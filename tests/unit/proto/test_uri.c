/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding, URLs, query strings. */

#include "proto/query.h"
#include "proto/uri.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const char *plain;
    unsigned flags;
    const char *encoded;
} encodings[] = {
    { "empty", "", 0, "" },
    { "unreserved", "AZaz09-_.~", 0, "AZaz09-_.~" },
    { "slash", "a/b", 0, "a%2Fb" },
    { "kept slash", "a/b", TN_URI_KEEP_SLASH, "a/b" },
    { "blank and plus", "a b+c", 0, "a%20b%2Bc" },
    { "UTF-8", "\xc3\xa4", TN_URI_KEEP_SLASH, "%C3%A4" },
    { "reserved", "!*'();:@&=$,?#[]%", 0, "%21%2A%27%28%29%3B%3A%40%26%3D%24%2C%3F%23%5B%5D%25" },
    { "control", "\x01\x7f", 0, "%01%7F" },
};

static void test_encode(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(encodings); i++) {
        TN_AUTO_BUF b = TN_BUF_INIT(1024);
        TN_AUTO_BUF back = TN_BUF_INIT(1024);
        assert_int_equal(tn_buf_append_char(&b, '>'), TARN_OK);
        assert_int_equal(tn_uri_encode(&b, tn_str_from(encodings[i].plain), encodings[i].flags),
                         TARN_OK);
        assert_string_equal(b.data + 1, encodings[i].encoded);
        assert_int_equal(tn_uri_decode(&back, tn_buf_str(&b), 0), TARN_OK);
        assert_string_equal(back.data + 1, encodings[i].plain);
    }
}

static const struct {
    const char *name;
    const char *encoded;
    unsigned flags;
    int rc;
    const char *plain;
} decodings[] = {
    { "lower case", "%c3%a4", 0, TARN_OK, "\xc3\xa4" },
    { "plus is plus", "a+b", 0, TARN_OK, "a+b" },
    { "plus is blank", "a+b%2B", TN_URI_PLUS_IS_SPACE, TARN_OK, "a b+" },
    { "once only", "%2541", 0, TARN_OK, "%41" },
    { "raw bytes", "\xff /", 0, TARN_OK, "\xff /" },
    { "not hexadecimal", "%zz", 0, TARN_EINVAL, "" },
    { "half", "a%4g", 0, TARN_EINVAL, "" },
    { "one digit at the end", "abc%4", 0, TARN_EINVAL, "" },
    { "percent at the end", "abc%", 0, TARN_EINVAL, "" },
    { "percent percent", "%%41", 0, TARN_EINVAL, "" },
    { "sign", "%+1", 0, TARN_EINVAL, "" },
    { "unicode escape", "%u0041", 0, TARN_EINVAL, "" },
};

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(decodings); i++) {
        struct tn_str text = tn_str_from(decodings[i].encoded);
        TN_AUTO_BUF b = TN_BUF_INIT(1024);
        assert_int_equal(tn_buf_append_text(&b, "x"), TARN_OK);
        assert_int_equal(tn_uri_decode(&b, text, decodings[i].flags), decodings[i].rc);
        assert_string_equal(b.data + 1, decodings[i].plain);

        struct tn_arena a;
        struct tn_str out = TN_STR_EMPTY;
        tn_arena_init(&a, 65536);
        assert_int_equal(tn_uri_decode_in(&a, text, decodings[i].flags, &out), decodings[i].rc);
        assert_str_equal(out, decodings[i].plain);
        tn_arena_release(&a);
    }
}

static void test_decode_yields_nul(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(16);
    assert_int_equal(tn_uri_decode(&b, TN_STR("a%00b"), 0), TARN_OK);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 3);
}

static void test_encode_past_limit(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(5);
    assert_int_equal(tn_uri_encode(&b, TN_STR("//"), 0), TARN_ETOOBIG);
    assert_int_equal(b.len, 0);
    assert_int_equal(tn_uri_encode(&b, TN_STR("/ab"), 0), TARN_OK);
    assert_int_equal(tn_uri_encode(&b, TN_STR(""), 0), TARN_OK);
}

static const struct {
    const char *name;
    const char *text;
    const char *scheme;
    const char *host;
    enum tn_host_kind kind;
    uint16_t port;
    const char *path;
    const char *query;
    bool has_query;
} urls[] = {
    { "name", "https://s3.example.com", "https", "s3.example.com", TN_HOST_NAME, 0, "", "", false },
    { "port and slash", "http://a:9000/", "http", "a", TN_HOST_NAME, 9000, "/", "", false },
    { "all", "http://a_b-c:1/x/y?p=q&r", "http", "a_b-c", TN_HOST_NAME, 1, "/x/y", "p=q&r", true },
    { "query without path", "http://a?x", "http", "a", TN_HOST_NAME, 0, "", "x", true },
    { "empty query", "http://a/?", "http", "a", TN_HOST_NAME, 0, "/", "", true },
    { "v4", "http://127.0.0.1:65535", "http", "127.0.0.1", TN_HOST_IPV4, 65535, "", "", false },
    { "not quite v4", "http://127.0.0.256", "http", "127.0.0.256", TN_HOST_NAME, 0, "", "", false },
    { "leading zero", "http://127.0.0.01", "http", "127.0.0.01", TN_HOST_NAME, 0, "", "", false },
    { "v6", "http://[::1]:9000/k", "http", "::1", TN_HOST_IPV6, 9000, "/k", "", false },
    { "v6 whole", "http://[1:2:3:4:5:6:7:8]", "http", "1:2:3:4:5:6:7:8", TN_HOST_IPV6, 0, "", "",
      false },
    { "v6 mapped", "http://[::ffff:10.0.0.1]", "http", "::ffff:10.0.0.1", TN_HOST_IPV6, 0, "", "",
      false },
    { "v6 any", "http://[::]", "http", "::", TN_HOST_IPV6, 0, "", "", false },
    { "scheme in path", "http://a/b://c", "http", "a", TN_HOST_NAME, 0, "/b://c", "", false },
};

static void test_url(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(urls); i++) {
        struct tn_url url;
        if (tn_url_parse(tn_str_from(urls[i].text), &url) != TARN_OK)
            fail_msg("%s", urls[i].name);
        assert_str_equal(url.scheme, urls[i].scheme);
        assert_str_equal(url.host, urls[i].host);
        assert_int_equal(url.host_kind, urls[i].kind);
        assert_int_equal(url.port, urls[i].port);
        assert_str_equal(url.path, urls[i].path);
        assert_str_equal(url.query, urls[i].query);
        assert_int_equal(url.has_query, urls[i].has_query);
    }
}

static const char *const bad_urls[] = {
    "",
    "http",
    "http:",
    "http:/a",
    "http://",
    "://a",
    "1http://a",
    "ht tp://a",
    "http://a b",
    "http://a/b c",
    "http:///path",
    "http://?x",
    "http://:80",
    "http://a:",
    "http://a:0",
    "http://a:65536",
    "http://a:99999999",
    "http://a:8o",
    "http://a:-1",
    "http://u@a",
    "http://u:p@a",
    "http://a#f",
    "http://a/#f",
    "http://a/\r\n",
    "http://a\x7f",
    "http://.a",
    "http://-a",
    "http://a\xc3\xa4",
    "http://[",
    "http://[]",
    "http://[::1",
    "http://[::1]x",
    "http://[::1]:",
    "http://[1:2]",
    "http://[1:2:3:4:5:6:7:8:9]",
    "http://[::1::]",
    "http://[:1:2:3:4:5:6:7]",
    "http://[1:2:3:4:5:6:7:]",
    "http://[12345::]",
    "http://[g::]",
    "http://[1.2.3.4]",
    "http://[::1.2.3]",
    "http://[1.2.3.4::]",
    "http://[1:2:3:4:5:6:7:1.2.3.4]",
    "http://[::1%eth0]",
    "http://::1",
    "http://[1:2:3:4::5:6:7:8]",
};

static void test_bad_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(bad_urls); i++) {
        struct tn_url url = { .port = 4242 };
        if (tn_url_parse(tn_str_from(bad_urls[i]), &url) != TARN_EINVAL)
            fail_msg("accepted: %s", bad_urls[i]);
        assert_int_equal(url.port, 4242);
    }
}

static void test_target(void **state)
{
    (void)state;
    struct tn_url url;
    assert_int_equal(tn_url_parse_target(TN_STR("//b//k?a?b"), &url), TARN_OK);
    assert_str_equal(url.path, "//b//k");
    assert_str_equal(url.query, "a?b");
    assert_int_equal(url.host_kind, TN_HOST_NONE);
    assert_int_equal(tn_url_parse_target(TN_STR("*"), &url), TARN_OK);
    assert_str_equal(url.path, "*");
    assert_int_equal(tn_url_parse_target(TN_STR("http://h:1/p"), &url), TARN_OK);
    assert_str_equal(url.host, "h");
    assert_str_equal(url.path, "/p");
    assert_int_equal(tn_url_parse_target(TN_STR("h:443"), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_target(TN_STR("b/k"), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_target(TN_STR(""), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_target(TN_STR("/a b"), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_target(TN_STR("/a#b"), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_target(TN_STR("/a\0b"), &url), TARN_EINVAL);
    assert_str_equal(url.path, "/p");
}

static void test_host(void **state)
{
    (void)state;
    struct tn_url url = { .path = TN_STR("/kept") };
    assert_int_equal(tn_url_parse_host(TN_STR("b.s3.local:9000"), &url), TARN_OK);
    assert_str_equal(url.host, "b.s3.local");
    assert_int_equal(url.port, 9000);
    assert_int_equal(tn_url_parse_host(TN_STR("[::1]"), &url), TARN_OK);
    assert_int_equal(url.port, 0);
    assert_int_equal(tn_url_parse_host(TN_STR(""), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_host(TN_STR("a:b:c"), &url), TARN_EINVAL);
    assert_int_equal(tn_url_parse_host(TN_STR("a/b"), &url), TARN_EINVAL);
    assert_str_equal(url.host, "::1");
    assert_str_equal(url.path, "/kept");
}

static const struct {
    const char *name;
    const char *text;
    unsigned flags;
    int rc;
    const char *expected; /* name=value; or name; for one without value */
} queries[] = {
    { "empty", "", 0, TARN_OK, "" },
    { "only separators", "&&&", 0, TARN_OK, "" },
    { "name", "acl", 0, TARN_OK, "acl;" },
    { "empty value", "acl=", 0, TARN_OK, "acl=;" },
    { "empty name", "=x", 0, TARN_OK, "=x;" },
    { "several", "list-type=2&prefix=a%2Fb&&acl&", 0, TARN_OK, "list-type=2;prefix=a/b;acl;" },
    { "repeated", "a=1&a=2", 0, TARN_OK, "a=1;a=2;" },
    { "equals in value", "a=b=c", 0, TARN_OK, "a=b=c;" },
    { "encoded separators", "a%26=%3D%26", 0, TARN_OK, "a&==&;" },
    { "plus", "a=b+c", 0, TARN_OK, "a=b+c;" },
    { "plus as blank", "a+b=b+c", TN_URI_PLUS_IS_SPACE, TARN_OK, "a b=b c;" },
    { "bad value", "a=1&b=%2", 0, TARN_EINVAL, "" },
    { "bad name", "a=1&%%=2", 0, TARN_EINVAL, "" },
};

static void test_query(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(queries); i++) {
        struct tn_arena a;
        struct tn_query q = { 0 };
        TN_AUTO_BUF text = TN_BUF_INIT(1024);
        tn_arena_init(&a, 65536);
        int rc = tn_query_parse(&a, tn_str_from(queries[i].text), queries[i].flags, &q);
        assert_int_equal(rc, queries[i].rc);
        for (size_t k = 0; k < q.count; k++)
            assert_int_equal(tn_buf_appendf(&text, "%.*s%s%.*s;", TN_STR_ARG(q.params[k].name),
                                            q.params[k].has_value ? "=" : "",
                                            TN_STR_ARG(q.params[k].value)),
                             TARN_OK);
        assert_string_equal(text.data, queries[i].expected);
        tn_arena_release(&a);
    }
}

static void test_query_find(void **state)
{
    (void)state;
    struct tn_arena a;
    struct tn_query q;
    tn_arena_init(&a, 65536);
    assert_int_equal(tn_query_parse(&a, TN_STR("a=1&A=2&a=3&acl"), 0, &q), TARN_OK);
    assert_str_equal(tn_query_value(&q, "a"), "1");
    assert_str_equal(tn_query_value(&q, "A"), "2");
    assert_str_equal(tn_query_value(&q, "b"), "");
    assert_true(tn_query_has(&q, "acl"));
    assert_false(tn_query_find(&q, "acl")->has_value);
    assert_null(tn_query_find(&q, "ac"));
    tn_arena_release(&a);
}

static void test_query_limit(void **state)
{
    (void)state;
    struct tn_arena a;
    struct tn_query q = { .count = 77 };
    TN_AUTO_BUF text = TN_BUF_INIT(65536);
    tn_arena_init(&a, 65536);
    for (int i = 0; i < TN_QUERY_PARAM_COUNT_MAX; i++)
        assert_int_equal(tn_buf_append_text(&text, "a&"), TARN_OK);
    assert_int_equal(tn_query_parse(&a, tn_buf_str(&text), 0, &q), TARN_OK);
    assert_int_equal(q.count, TN_QUERY_PARAM_COUNT_MAX);
    assert_int_equal(tn_buf_append_text(&text, "a"), TARN_OK);
    q.count = 77;
    assert_int_equal(tn_query_parse(&a, tn_buf_str(&text), 0, &q), TARN_ETOOBIG);
    assert_int_equal(q.count, 77);
    tn_arena_release(&a);
}

static int query_once(void *arg)
{
    struct tn_arena a;
    struct tn_query q = { 0 };
    TN_AUTO_BUF b = TN_BUF_INIT(1024);
    (void)arg;
    tn_arena_init(&a, 65536);
    int rc = tn_query_parse(&a, TN_STR("a=%41&b=%42"), 0, &q);
    assert_int_equal(q.count, rc == TARN_OK ? 2 : 0);
    tn_arena_release(&a);
    if (rc == TARN_OK)
        rc = tn_uri_encode(&b, TN_STR("a b"), 0);
    if (rc == TARN_OK)
        rc = tn_uri_decode(&b, TN_STR("a%20b"), 0);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(query_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_yields_nul),
        cmocka_unit_test(test_encode_past_limit),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_find),
        cmocka_unit_test(test_query_limit),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
