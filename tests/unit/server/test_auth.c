/* SPDX-License-Identifier: Apache-2.0 */
/* Authentication: each answer that S3 gives, the key table, threads. */

#include "server/auth/auth.h"

#include <pthread.h>

#include "unit/t.h"

enum { NOW = 1369353600 }; /* 20130524T000000Z */

static const struct tn_str root = { "root-key", 8 };
static const struct tn_str root_secret = { "root-secret", 11 };

/* A request as a client signs it; tests then change what is sent or checked. */
struct sent {
    struct tn_header headers[8];
    size_t count;
    char authorization[1024];
    char query[1024];
    struct auth_request request;
};

static void send_as(struct sent *s, struct tn_str key, struct tn_str secret, const char *region,
                    const char *payload, bool is_presigned)
{
    memset(s, 0, sizeof *s);
    s->headers[s->count++] = (struct tn_header){ TN_STR("Host"), TN_STR("127.0.0.1:9000") };
    if (!is_presigned) {
        s->headers[s->count++] =
            (struct tn_header){ TN_STR("X-Amz-Date"), TN_STR("20130524T000000Z") };
        s->headers[s->count++] =
            (struct tn_header){ TN_STR("X-Amz-Content-Sha256"), tn_str_from(payload) };
    }
    struct tn_sigv4_request http = { .method = TN_STR("PUT"),
                                     .path = TN_STR("/b/k"),
                                     .headers = s->headers,
                                     .header_count = s->count };
    struct tn_sigv4_signing signing = { .request = http,
                                        .access_key = key,
                                        .secret = secret,
                                        .region = tn_str_from(region),
                                        .payload_hash =
                                            is_presigned ? TN_STR_EMPTY : tn_str_from(payload),
                                        .now = NOW };
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    TN_AUTO_BUF out = TN_BUF_INIT(1023);
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    if (is_presigned) {
        assert_int_equal(tn_sigv4_presign(&signing, 3600, &scratch, &out, NULL), TARN_OK);
        memcpy(s->query, out.data, out.len + 1);
        http.query = tn_str_from(s->query);
    } else {
        assert_int_equal(tn_sigv4_sign(&signing, &scratch, &out, signature, NULL), TARN_OK);
        memcpy(s->authorization, out.data, out.len + 1);
        s->headers[s->count++] =
            (struct tn_header){ TN_STR("Authorization"), tn_str_from(s->authorization) };
        http.header_count = s->count;
    }
    tn_sigv4_scratch_release(&scratch);
    s->request = (struct auth_request){ .http = http, .now = NOW };
}

static struct auth *make(bool is_off, const char *region)
{
    struct auth_config config = { .is_off = is_off, .region = region };
    struct auth *auth = auth_new(&config, NULL);
    assert_non_null(auth);
    assert_int_equal(auth_key_set(auth, root, root_secret, NULL), TARN_OK);
    return auth;
}

static enum tn_s3_code check(struct auth *auth, const struct sent *s, struct auth_result *out)
{
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    enum tn_s3_code code = auth_check(auth, &s->request, &scratch, out);
    tn_sigv4_scratch_release(&scratch);
    assert_true((code == TN_S3_OK) == (out->message[0] == '\0'));
    assert_null(strstr(out->message, root_secret.data));
    if (code != TN_S3_OK) {
        assert_false(out->is_root);
        assert_false(out->has_chain);
    }
    return code;
}

static void test_payload_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum tn_sigv4_payload payload;
        bool is_streaming, has_chain;
    } kinds[] = {
        { "UNSIGNED-PAYLOAD", TN_SIGV4_PAYLOAD_UNSIGNED, false, false },
        { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", TN_SIGV4_PAYLOAD_HASH,
          false, false },
        { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", TN_SIGV4_PAYLOAD_STREAM_SIGNED, true, true },
        { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,
          true, true },
        { "STREAMING-UNSIGNED-PAYLOAD-TRAILER", TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, true,
          false },
    };
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        struct auth *auth = make(false, NULL);
        struct sent s;
        struct auth_result result;
        send_as(&s, root, root_secret, "eu-1", kinds[i].text, false);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(check(auth, &s, &result), TN_S3_OK);
            assert_int_equal(result.kind, TN_SIGV4_HEADER);
            assert_int_equal(result.payload, kinds[i].payload);
            assert_int_equal(result.is_streaming, kinds[i].is_streaming);
            assert_int_equal(result.has_chain, kinds[i].has_chain);
            assert_true(result.is_root);
            assert_string_equal(result.access_key, "root-key");
            assert_string_equal(result.region, "eu-1");
            assert_string_equal(result.payload_hash,
                                kinds[i].payload == TN_SIGV4_PAYLOAD_HASH ? kinds[i].text : "");
            if (result.has_chain)
                assert_string_equal(result.chain.previous,
                                    s.authorization + strlen(s.authorization) - 64);
            auth_result_wipe(&result);
        }
        auth_free(auth);
    }
}

static void expect(struct auth *auth, const struct sent *s, enum tn_s3_code code,
                   const char *message)
{
    struct auth_result result;
    enum tn_s3_code got = check(auth, s, &result);
    if (got != code)
        fail_msg("%s, not %s", tn_s3_error(got)->code, tn_s3_error(code)->code);
    if (message && !strstr(result.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, result.message);
}

static void test_refusals(void **state)
{
    (void)state;
    struct auth *auth = make(false, "eu-1");
    struct sent s;
    struct auth_result result;
    send_as(&s, root, root_secret, "eu-1", "UNSIGNED-PAYLOAD", false);
    expect(auth, &s, TN_S3_OK, NULL);

    s.request.http.path = TN_STR("/b/other");
    expect(auth, &s, TN_S3_SIGNATURE_DOES_NOT_MATCH, "does not match");
    s.request.http.path = TN_STR("/b/%");
    expect(auth, &s, TN_S3_INVALID_URI, NULL);
    s.request.http.path = TN_STR("/b/k");
    s.request.now = NOW + 901;
    expect(auth, &s, TN_S3_REQUEST_TIME_TOO_SKEWED, NULL);
    s.request.now = NOW - 901;
    expect(auth, &s, TN_S3_REQUEST_TIME_TOO_SKEWED, NULL);
    s.request.now = NOW;
    s.request.http.header_count--;
    struct auth_result nobody;
    assert_int_equal(check(auth, &s, &nobody), TN_S3_OK);
    assert_true(auth_result_is_anonymous(&nobody));
    assert_false(nobody.is_root);
    s.request.http.header_count++;
    s.headers[3].value = TN_STR("AWS root-key:c2ln");
    expect(auth, &s, TN_S3_INVALID_ARGUMENT, "AWS authorization header is invalid.");
    s.headers[3].value = TN_STR("Bearer abc");
    expect(auth, &s, TN_S3_INVALID_REQUEST, "Please use AWS4-HMAC-SHA256.");
    s.headers[3].value = TN_STR("AWS4-HMAC-SHA256 nonsense");
    expect(auth, &s, TN_S3_AUTHORIZATION_HEADER_MALFORMED, "malformed");

    send_as(&s, TN_STR("nobody"), root_secret, "eu-1", "UNSIGNED-PAYLOAD", false);
    expect(auth, &s, TN_S3_INVALID_ACCESS_KEY_ID, NULL);
    send_as(&s, root, TN_STR("wrong-secret"), "eu-1", "UNSIGNED-PAYLOAD", false);
    expect(auth, &s, TN_S3_SIGNATURE_DOES_NOT_MATCH, NULL);
    send_as(&s, root, root_secret, "eu-2", "UNSIGNED-PAYLOAD", false);
    expect(auth, &s, TN_S3_AUTHORIZATION_HEADER_MALFORMED, "'eu-2' is wrong; expecting 'eu-1'");
    assert_int_equal(check(auth, &s, &result), TN_S3_AUTHORIZATION_HEADER_MALFORMED);
    assert_string_equal(result.expected_region, "eu-1");
    send_as(&s, root, root_secret, "eu-1", "nonsense", false);
    expect(auth, &s, TN_S3_INVALID_ARGUMENT, NULL);
    auth_free(auth);
}

static void test_presigned(void **state)
{
    (void)state;
    struct auth *auth = make(false, "eu-1");
    struct sent s;
    struct auth_result result;
    send_as(&s, root, root_secret, "eu-1", NULL, true);
    assert_int_equal(check(auth, &s, &result), TN_S3_OK);
    assert_int_equal(result.kind, TN_SIGV4_PRESIGNED);
    assert_int_equal(result.payload, TN_SIGV4_PAYLOAD_UNSIGNED);
    s.request.now = NOW + 3601;
    expect(auth, &s, TN_S3_ACCESS_DENIED, "Request has expired");
    s.request.now = NOW - 1000;
    expect(auth, &s, TN_S3_ACCESS_DENIED, "not valid yet");
    s.request.now = NOW;
    s.request.http.method = TN_STR("DELETE");
    expect(auth, &s, TN_S3_SIGNATURE_DOES_NOT_MATCH, NULL);
    s.request.http.query = TN_STR("X-Amz-Signature=1");
    expect(auth, &s, TN_S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, NULL);
    send_as(&s, root, root_secret, "eu-2", NULL, true);
    expect(auth, &s, TN_S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "expecting 'eu-1'");
    auth_free(auth);
}

static void test_off(void **state)
{
    (void)state;
    struct auth *auth = make(true, "eu-1");
    struct sent s;
    struct auth_result result;
    send_as(&s, TN_STR("nobody"), TN_STR("wrong-secret"), "eu-2",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", false);
    assert_int_equal(check(auth, &s, &result), TN_S3_OK);
    assert_true(result.is_root);
    assert_true(result.is_streaming);
    assert_false(result.has_chain);
    s.request.http.header_count = 0;
    assert_int_equal(check(auth, &s, &result), TN_S3_OK);
    assert_int_equal(result.payload, TN_SIGV4_PAYLOAD_UNSIGNED);
    auth_free(auth);
}

/* A changed or removed key takes effect at once, remembered signing keys included. */
static void test_key_changes(void **state)
{
    (void)state;
    struct auth *auth = make(false, NULL);
    struct sent s;
    send_as(&s, root, root_secret, "eu-1", "UNSIGNED-PAYLOAD", false);
    expect(auth, &s, TN_S3_OK, NULL);
    assert_int_equal(auth_key_set(auth, root, TN_STR("another-secret"), NULL), TARN_OK);
    assert_int_equal(auth_key_count(auth), 1);
    expect(auth, &s, TN_S3_SIGNATURE_DOES_NOT_MATCH, NULL);
    assert_int_equal(auth_key_set(auth, root, root_secret, NULL), TARN_OK);
    expect(auth, &s, TN_S3_OK, NULL);
    assert_int_equal(auth_key_remove(auth, root), TARN_OK);
    assert_int_equal(auth_key_remove(auth, root), TARN_ENOTFOUND);
    expect(auth, &s, TN_S3_INVALID_ACCESS_KEY_ID, NULL);
    auth_free(auth);
}

static void test_many_keys_and_regions(void **state)
{
    (void)state;
    struct auth *auth = make(false, NULL);
    for (int i = 0; i < 100; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key-%d", i * 37 % 100);
        assert_int_equal(auth_key_set(auth, tn_str_from(key), TN_STR("some-secret"), NULL),
                         TARN_OK);
    }
    assert_int_equal(auth_key_count(auth), 101);
    for (int i = 0; i < 100; i++) {
        char key[32];
        char region[32];
        struct sent s;
        (void)snprintf(key, sizeof key, "key-%d", i);
        (void)snprintf(region, sizeof region, "region-%d", i % 7);
        send_as(&s, tn_str_from(key), TN_STR("some-secret"), region, "UNSIGNED-PAYLOAD", false);
        expect(auth, &s, TN_S3_OK, NULL);
        send_as(&s, TN_STR("key-5"), TN_STR("some-secret"), region, "UNSIGNED-PAYLOAD", false);
        expect(auth, &s, TN_S3_OK, NULL);
    }
    auth_free(auth);
}

static void test_bad_keys(void **state)
{
    (void)state;
    struct auth *auth = make(false, NULL);
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    static const struct tn_str good = { "12345678", 8 };
    const struct {
        struct tn_str key, secret;
    } pairs[] = {
        { TN_STR(""), good },
        { { long_text, 129 }, good },
        { TN_STR("a b"), good },
        { TN_STR("a\n"), good },
        { TN_STR("k\xc3\xa4"), good },
        { TN_STR("key"), TN_STR("") },
        { TN_STR("key"), TN_STR("1234567") },
        { TN_STR("key"), { long_text, 257 } },
        { TN_STR("key"), TN_STR("1234567 8") },
    };
    for (size_t i = 0; i < TN_COUNT(pairs); i++) {
        struct tarn_error err = { 0 };
        assert_int_equal(auth_key_set(auth, pairs[i].key, pairs[i].secret, &err), TARN_EINVAL);
        assert_true(err.message[0] != '\0');
    }
    assert_int_equal(auth_key_count(auth), 1);
    auth_free(auth);
    auth_free(NULL);

    struct auth_config config = { .region = "not a region" };
    assert_null(auth_new(&config, NULL));
}

enum { THREAD_COUNT = 4, ROUND_COUNT = 200 };

static void *checker(void *arg)
{
    struct auth *auth = arg;
    struct tn_sigv4_scratch scratch;
    struct sent s;
    struct auth_result result;
    size_t failures = 0;
    tn_sigv4_scratch_init(&scratch);
    send_as(&s, root, root_secret, "eu-1", "UNSIGNED-PAYLOAD", false);
    for (int i = 0; i < ROUND_COUNT; i++)
        failures += auth_check(auth, &s.request, &scratch, &result) != TN_S3_OK;
    tn_sigv4_scratch_release(&scratch);
    return failures ? arg : NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct auth *auth = make(false, NULL);
    pthread_t threads[THREAD_COUNT];
    for (size_t i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, checker, auth), 0);
    for (int i = 0; i < ROUND_COUNT; i++) {
        assert_int_equal(auth_key_set(auth, TN_STR("a"), TN_STR("some-secret"), NULL), TARN_OK);
        assert_int_equal(auth_key_set(auth, root, root_secret, NULL), TARN_OK);
        assert_int_equal(auth_key_remove(auth, TN_STR("a")), TARN_OK);
    }
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    auth_free(auth);
}

static int set_and_check(void *arg)
{
    const struct sent *s = arg;
    struct auth_config config = { .is_off = false };
    struct tarn_error err = { 0 };
    struct auth *auth = auth_new(&config, &err);
    if (!auth)
        return err.status;
    int rc = auth_key_set(auth, root, root_secret, &err);
    if (rc == TARN_OK) {
        struct auth_result result;
        struct tn_sigv4_scratch scratch;
        tn_sigv4_scratch_init(&scratch);
        enum tn_s3_code code = auth_check(auth, &s->request, &scratch, &result);
        rc = code == TN_S3_INTERNAL_ERROR ? TARN_ENOMEM : code == TN_S3_OK ? TARN_OK : TARN_EINVAL;
        tn_sigv4_scratch_release(&scratch);
    }
    auth_free(auth);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct sent s;
    send_as(&s, root, root_secret, "eu-1", NULL, true);
    t_oom_sweep(set_and_check, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload_kinds), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_presigned),     cmocka_unit_test(test_off),
        cmocka_unit_test(test_key_changes),   cmocka_unit_test(test_many_keys_and_regions),
        cmocka_unit_test(test_bad_keys),      cmocka_unit_test(test_threads),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
