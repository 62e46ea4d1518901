/* SPDX-License-Identifier: Apache-2.0 */
/* Names of buckets and objects, copy sources, S3's error table. */

#include "proto/name.h"
#include "proto/s3_error.h"

#include "base/buf.h"
#include "unit/t.h"

static const char longest[] = "a12345678901234567890123456789012345678901234567890123456789012";

static const struct {
    const char *name;
    bool is_valid;
} buckets[] = {
    { "abc", true },         { "a-b", true },        { "a.b.c", true },
    { "123", true },         { "a--b", true },       { "1.2.3", true },
    { "1.2.3.4a", true },    { longest, true },      { "axn--a", true },
    { "", false },           { "ab", false },        { "Abc", false },
    { "abC", false },        { "a_b", false },       { "a b", false },
    { "a/b", false },        { "-ab", false },       { "ab-", false },
    { ".ab", false },        { "ab.", false },       { "a..b", false },
    { "...", false },        { "1.2.3.4", false },   { "999.999.999.999", false },
    { "xn--abc", false },    { "sthree-a", false },  { "abc-s3alias", false },
    { "abc--ol-s3", false }, { "abc.mrap", false },  { "a\xc3\xa4", false },
    { "abc\n", false },      { "abc--x-s3", false }, { "amzn-s3-demo-a", false },
};

static void test_buckets(void **state)
{
    (void)state;
    assert_int_equal(strlen(longest), TN_BUCKET_LEN_MAX);
    for (size_t i = 0; i < TN_COUNT(buckets); i++) {
        if (tn_bucket_name_is_valid(tn_str_from(buckets[i].name)) != buckets[i].is_valid)
            fail_msg("%s", buckets[i].name);
    }
    assert_false(tn_bucket_name_is_valid(TN_STR("a\0b")));
    assert_false(tn_bucket_name_is_valid(
        TN_STR("a123456789012345678901234567890123456789012345678901234567890123")));
}

static void test_keys(void **state)
{
    (void)state;
    char key[TN_KEY_LEN_MAX + 1];
    memset(key, 'k', sizeof key);
    assert_int_equal(tn_key_check((struct tn_str){ key, TN_KEY_LEN_MAX }), TARN_OK);
    assert_int_equal(tn_key_check((struct tn_str){ key, sizeof key }), TARN_ETOOBIG);
    assert_int_equal(tn_key_check(TN_STR("/")), TARN_OK);
    assert_int_equal(tn_key_check(TN_STR("../\x01\xc3\xa4")), TARN_OK);
    assert_int_equal(tn_key_check(TN_STR("")), TARN_EINVAL);
    assert_int_equal(tn_key_check(TN_STR("a\0b")), TARN_EINVAL);
    assert_int_equal(tn_key_check(TN_STR("a\xff")), TARN_EINVAL);
    assert_int_equal(tn_key_check(TN_STR("a\xc3")), TARN_EINVAL);
    assert_int_equal(tn_key_check(TN_STR("\xed\xa0\x80")), TARN_EINVAL);
}

static const struct {
    const char *text;
    int rc;
    const char *bucket;
    const char *key;
    const char *version_id;
} sources[] = {
    { "/bucket/key", TARN_OK, "bucket", "key", "" },
    { "bucket/key", TARN_OK, "bucket", "key", "" },
    { "/bucket/a/b%2Fc%20d+e", TARN_OK, "bucket", "a/b/c d+e", "" },
    { "bucket%2Fkey", TARN_OK, "bucket", "key", "" },
    { "%2Fbucket%2Fkey", TARN_OK, "bucket", "key", "" },
    { "bucket//key", TARN_OK, "bucket", "/key", "" },
    { "bucket/a%3Fb?versionId=v1", TARN_OK, "bucket", "a?b", "v1" },
    { "bucket/k?versionId=null", TARN_OK, "bucket", "k", "null" },
    { "bucket/\xc3\xa4", TARN_OK, "bucket", "\xc3\xa4", "" },
    { "", TARN_EINVAL, "", "", "" },
    { "/", TARN_EINVAL, "", "", "" },
    { "bucket", TARN_EINVAL, "", "", "" },
    { "bucket/", TARN_EINVAL, "", "", "" },
    { "/bucket/", TARN_EINVAL, "", "", "" },
    { "//bucket/key", TARN_EINVAL, "", "", "" },
    { "Bucket/key", TARN_EINVAL, "", "", "" },
    { "b/key", TARN_EINVAL, "", "", "" },
    { "bucket/%zz", TARN_EINVAL, "", "", "" },
    { "bucket/%00", TARN_EINVAL, "", "", "" },
    { "bucket/%ff", TARN_EINVAL, "", "", "" },
    { "bucket/k?", TARN_EINVAL, "", "", "" },
    { "bucket/k?versionId", TARN_EINVAL, "", "", "" },
    { "bucket/k?versionId=", TARN_EINVAL, "", "", "" },
    { "bucket/k?versionId=%", TARN_EINVAL, "", "", "" },
    { "bucket/k?versionid=a", TARN_EINVAL, "", "", "" },
    { "bucket/k?x=a", TARN_EINVAL, "", "", "" },
    { "bucket/k?versionId=a&x=b", TARN_EINVAL, "", "", "" },
    { "arn:aws:s3:::bucket/key", TARN_EINVAL, "", "", "" },
};

static void test_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(sources); i++) {
        struct tn_arena a;
        struct tn_copy_source s = { TN_STR_EMPTY, TN_STR_EMPTY, TN_STR_EMPTY };
        tn_arena_init(&a, 65536);
        if (tn_copy_source_parse(&a, tn_str_from(sources[i].text), &s) != sources[i].rc)
            fail_msg("%s", sources[i].text);
        assert_str_equal(s.bucket, sources[i].bucket);
        assert_str_equal(s.key, sources[i].key);
        assert_str_equal(s.version_id, sources[i].version_id);
        tn_arena_release(&a);
    }
}

static int source_once(void *arg)
{
    struct tn_arena a;
    struct tn_copy_source s = { TN_STR_EMPTY, TN_STR_EMPTY, TN_STR_EMPTY };
    (void)arg;
    tn_arena_init(&a, 65536);
    int rc = tn_copy_source_parse(&a, TN_STR("bucket/%41?versionId=%42"), &s);
    assert_true(rc == TARN_OK || s.key.len == 0);
    tn_arena_release(&a);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(source_once, NULL);
}

static void test_error_table(void **state)
{
    (void)state;
    for (int i = TN_S3_OK + 1; i < TN_S3_CODE_COUNT; i++) {
        const struct tn_s3_error *e = tn_s3_error((enum tn_s3_code)i);
        assert_int_equal(tn_s3_code_find(tn_str_from(e->code)), i);
        assert_true(strlen(e->code) < sizeof((struct tarn_error){ 0 }).s3_code);
        assert_true(strlen(e->message) > 0);
        assert_true(e->http_status >= 300 && e->http_status < 600);
        assert_string_not_equal(tarn_status_name(e->status), "unknown");
        assert_int_not_equal(e->status, TARN_OK);
    }
    assert_string_equal(tn_s3_error(TN_S3_OK)->code, "InternalError");
    assert_string_equal(tn_s3_error(TN_S3_CODE_COUNT)->code, "InternalError");
    assert_string_equal(tn_s3_error((enum tn_s3_code)0x7fffffff)->code, "InternalError");
    assert_int_equal(tn_s3_error(TN_S3_NO_SUCH_KEY)->http_status, 404);
    assert_int_equal(tn_s3_code_find(TN_STR("nosuchkey")), TN_S3_OK);
    assert_int_equal(tn_s3_code_find(TN_STR("")), TN_S3_OK);
}

static const struct {
    const char *code;
    int http_status;
    int status;
} statuses[] = {
    { "", 200, TARN_OK },
    { "", 204, TARN_OK },
    { "", 206, TARN_OK },
    { "NoSuchBucket", 404, TARN_ENOBUCKET },
    { "NoSuchKey", 404, TARN_ENOTFOUND },
    { "", 404, TARN_ENOTFOUND },
    { "Unheard", 404, TARN_ENOTFOUND },
    { "InternalError", 200, TARN_ESERVER },
    { "Unheard", 200, TARN_ESERVER },
    { "SlowDown", 503, TARN_ETHROTTLED },
    { "", 500, TARN_ESERVER },
    { "", 599, TARN_ESERVER },
    { "", 418, TARN_EINVAL },
    { "", 304, TARN_ENOTMODIFIED },
    { "", 301, TARN_EPROTOCOL },
    { "", 100, TARN_EPROTOCOL },
    { "", 0, TARN_EPROTOCOL },
    { "", 600, TARN_EPROTOCOL },
    { "", 412, TARN_EPRECOND },
    { "", 507, TARN_ENOSPACE },
};

static void test_statuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(statuses); i++)
        assert_int_equal(tn_s3_status(tn_str_from(statuses[i].code), statuses[i].http_status),
                         statuses[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),     cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sources),     cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_error_table), cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
