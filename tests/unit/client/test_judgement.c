/* SPDX-License-Identifier: Apache-2.0 */
/* What failures mean, how long to wait, how large parts are, how bodies are framed. */

#include "unit/t.h"

#include <curl/curl.h>

#include "client/body.h"
#include "client/budget.h"
#include "client/classify.h"
#include "client/plan.h"
#include "client/sink.h"

static void test_answers(void **state)
{
    static const struct {
        int http_status;
        const char *code;
        int status;
        enum tn_retry retry;
    } cases[] = {
        { 404, "NoSuchKey", TARN_ENOTFOUND, TN_RETRY_NEVER },
        { 404, "NoSuchBucket", TARN_ENOBUCKET, TN_RETRY_NEVER },
        { 404, "", TARN_ENOTFOUND, TN_RETRY_NEVER },
        { 403, "AccessDenied", TARN_EDENIED, TN_RETRY_NEVER },
        { 403, "RequestTimeTooSkewed", TARN_EDENIED, TN_RETRY_CLOCK },
        { 412, "PreconditionFailed", TARN_EPRECOND, TN_RETRY_NEVER },
        { 304, "", TARN_ENOTMODIFIED, TN_RETRY_NEVER },
        { 416, "InvalidRange", TARN_ERANGE, TN_RETRY_NEVER },
        { 503, "SlowDown", TARN_ETHROTTLED, TN_RETRY_THROTTLE },
        { 429, "", TARN_ETHROTTLED, TN_RETRY_THROTTLE },
        { 400, "RequestTimeout", TARN_ETIMEOUT, TN_RETRY_LATER },
        { 409, "ConditionalRequestConflict", TARN_ECONFLICT, TN_RETRY_LATER },
        { 409, "OperationAborted", TARN_ECONFLICT, TN_RETRY_LATER },
        { 409, "BucketNotEmpty", TARN_ENOTEMPTY, TN_RETRY_NEVER },
        { 400, "AuthorizationHeaderMalformed", TARN_EDENIED, TN_RETRY_REGION },
        { 400, "BadDigest", TARN_ECHECKSUM, TN_RETRY_LATER },
        { 501, "NotImplemented", TARN_ENOTSUPPORTED, TN_RETRY_NEVER },
        { 502, "", TARN_ESERVER, TN_RETRY_LATER },
        { 504, "", TARN_ESERVER, TN_RETRY_LATER },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_verdict v = tn_classify_answer(cases[i].http_status, tn_str_from(cases[i].code));
        if (cases[i].http_status == 504 || cases[i].http_status == 502)
            assert_int_not_equal(v.status, TARN_OK);
        else if (v.status != cases[i].status)
            fail_msg("%d %s: %s", cases[i].http_status, cases[i].code, tarn_status_name(v.status));
        if (v.retry != cases[i].retry)
            fail_msg("%d %s: retry %d", cases[i].http_status, cases[i].code, (int)v.retry);
    }
    /* A 200 with an error in it is never a success. */
    assert_int_not_equal(tn_classify_answer(200, TN_STR("InternalError")).status, TARN_OK);
    assert_int_not_equal(tn_classify_answer(200, TN_STR("Unheard")).status, TARN_OK);
}

static void test_transport(void **state)
{
    (void)state;
    assert_int_equal(tn_classify_transport(CURLE_PARTIAL_FILE).retry, TN_RETRY_LATER);
    assert_int_equal(tn_classify_transport(CURLE_COULDNT_CONNECT).status, TARN_ENETWORK);
    assert_int_equal(tn_classify_transport(CURLE_OPERATION_TIMEDOUT).status, TARN_ETIMEOUT);
    assert_int_equal(tn_classify_transport(CURLE_PEER_FAILED_VERIFICATION).retry, TN_RETRY_NEVER);
    assert_int_equal(tn_classify_transport(CURLE_OUT_OF_MEMORY).status, TARN_ENOMEM);
}

static void test_backoff(void **state)
{
    (void)state;
    assert_int_equal(tn_backoff_limit_ms(1, 100, 20000), 100);
    assert_int_equal(tn_backoff_limit_ms(4, 100, 20000), 800);
    assert_int_equal(tn_backoff_limit_ms(100, 100, 20000), 20000);
    assert_int_equal(tn_backoff_limit_ms(1, 0, 0), 0);
    assert_int_equal(tn_backoff_limit_ms(1, -5, -5), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(tn_backoff_ms(3, 100, 300, 0) <= 300);
    assert_true(tn_backoff_ms(1, 1, 1, 5000) >= 5000);
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *text;
        long ms;
    } cases[] = {
        { "0", 0 },
        { "2", 2000 },
        { " 3 ", 3000 },
        { "-1", 0 },
        { "abc", 0 },
        { "", 0 },
        { "9999999", 3600000 },
        { "Thu, 01 Jan 1970 00:01:40 GMT", 40000 },
        { "Thu, 01 Jan 1970 00:00:10 GMT", 0 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++)
        assert_int_equal(tn_retry_after_ms(tn_str_from(cases[i].text), 60), cases[i].ms);
}

static void test_plan(void **state)
{
    const uint64_t mib = 1 << 20;
    uint64_t size = 1;
    (void)state;
    assert_int_equal(tarn_part_size_plan(0, 0, &size), TARN_OK);
    assert_int_equal(size, 8 * mib);
    assert_int_equal(tarn_part_size_plan(80000 * mib, 0, &size), TARN_OK);
    assert_int_equal(size, 8 * mib);
    assert_int_equal(tarn_part_size_plan(80000 * mib + 1, 0, &size), TARN_OK);
    assert_int_equal(size, 9 * mib);
    assert_int_equal(tarn_part_size_plan(10000 * TARN_PART_LEN_MAX, 0, &size), TARN_OK);
    assert_int_equal(size, TARN_PART_LEN_MAX);
    assert_int_equal(tarn_part_size_plan(10000 * TARN_PART_LEN_MAX + 1, 0, &size), TARN_ETOOBIG);
    assert_int_equal(tarn_part_size_plan(1, 5 * mib - 1, &size), TARN_EINVAL);
    assert_int_equal(tarn_part_size_plan(1, TARN_PART_LEN_MAX + 1, &size), TARN_EINVAL);
    assert_int_equal(size, TARN_PART_LEN_MAX);

    uint64_t total = 0;
    for (uint32_t n = 1; n <= TARN_PART_COUNT_MAX; n++)
        total += tn_stream_part_size(8 * mib, n);
    assert_true(total >= (uint64_t)5 << 40);
    assert_int_equal(tn_stream_part_size(8 * mib, 1000), 8 * mib);
    assert_int_equal(tn_stream_part_size(8 * mib, 1001), 16 * mib);
    assert_int_equal(tn_stream_part_size(4096 * mib, 9999), TARN_PART_LEN_MAX);
}

static void frame(size_t step, const char *data, struct tn_buf *out)
{
    struct tn_body b;
    char bytes[64];
    tn_body_init(&b);
    b.kind = TN_BODY_BYTES;
    b.bytes = data;
    b.len = strlen(data);
    b.is_chunked = true;
    b.checksum = TN_CHECKSUM_CRC32;
    assert_int_equal(tn_body_start(&b), TARN_OK);
    uint64_t wire_len = tn_body_wire_len(&b);
    for (;;) {
        int64_t n = tn_body_read(&b, bytes, step);
        assert_true(n >= 0);
        if (n == 0)
            break;
        assert_int_equal(tn_buf_append(out, bytes, (size_t)n), TARN_OK);
    }
    assert_int_equal(out->len, wire_len);
    tn_body_release(&b);
}

/* Every step of reading gives the same bytes, and as many as were announced. */
static void test_framing(void **state)
{
    (void)state;
    for (size_t step = 1; step <= 64; step++) {
        TN_AUTO_BUF some = TN_BUF_INIT(1024);
        TN_AUTO_BUF none = TN_BUF_INIT(1024);
        frame(step, "123456789", &some);
        assert_string_equal(some.data,
                            "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n");
        frame(step, "", &none);
        assert_string_equal(none.data, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    }
}

static void test_verifier(void **state)
{
    static const struct {
        const char *name;
        enum tn_checksum_kind kind;
        const char *text, *etag;
        int rc;
    } cases[] = {
        { "crc fits", TN_CHECKSUM_CRC32, "y/Q5Jg==", "", TARN_OK },
        { "crc differs", TN_CHECKSUM_CRC32, "AAAAAA==", "", TARN_ECHECKSUM },
        { "composite says nothing", TN_CHECKSUM_CRC32, "y/Q5Jg==-2", "", TARN_ENOTFOUND },
        { "malformed says nothing", TN_CHECKSUM_CRC32, "!", "", TARN_ENOTFOUND },
        { "md5 fits", TN_CHECKSUM_NONE, "", "25f9e794323b453885f5181f1b624d0b", TARN_OK },
        { "md5 differs", TN_CHECKSUM_NONE, "", "25f9e794323b453885f5181f1b624d0c", TARN_ECHECKSUM },
        { "nothing", TN_CHECKSUM_NONE, "", "", TARN_ENOTFOUND },
        { "md5 beside what is malformed", TN_CHECKSUM_CRC32, "!",
          "25f9e794323b453885f5181f1b624d0c", TARN_ECHECKSUM },
        { "parts", TN_CHECKSUM_NONE, "", "25f9e794323b453885f5181f1b624d0b-2", TARN_ENOTFOUND },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_verifier v = { 0 };
        struct tn_checksum_value told = { 0 };
        if (tn_checksum_parse(cases[i].kind, tn_str_from(cases[i].text), &told) < 0)
            told.kind = TN_CHECKSUM_NONE;
        assert_int_equal(tn_verifier_init(&v, &told, tn_str_from(cases[i].etag)), TARN_OK);
        tn_verifier_update(&v, "12345", 5);
        tn_verifier_update(&v, "6789", 4);
        int rc = tn_verifier_check(&v);
        if (rc != cases[i].rc)
            fail_msg("%s: %s", cases[i].name, tarn_status_name(rc));
        tn_verifier_release(&v);
    }
}

static bool stop_now(void *arg)
{
    (void)arg;
    return true;
}

static void test_budget(void **state)
{
    struct tn_budget b;
    void *blocks[3] = { 0 };
    (void)state;
    tn_budget_init(&b, 100);
    assert_int_equal(tn_budget_take(&b, 101, false, NULL, NULL, &blocks[0]), TARN_ETOOBIG);
    assert_int_equal(tn_budget_take(&b, 60, false, NULL, NULL, &blocks[0]), TARN_OK);
    assert_int_equal(tn_budget_take(&b, 60, true, NULL, NULL, &blocks[1]), TARN_EAGAIN);
    assert_int_equal(tn_budget_take(&b, 60, false, stop_now, NULL, &blocks[1]), TARN_ECANCELLED);
    tn_budget_give(&b, blocks[0], 60);
    assert_int_equal(b.kept, 60);
    assert_int_equal(tn_budget_take(&b, 60, false, NULL, NULL, &blocks[1]), TARN_OK);
    assert_ptr_equal(blocks[0], blocks[1]);
    tn_budget_give(&b, blocks[1], 60);
    assert_int_equal(tn_budget_take(&b, 90, false, NULL, NULL, &blocks[2]), TARN_OK);
    assert_int_equal(b.kept, 0); /* what is kept counts against the ceiling too */
    tn_budget_give(&b, blocks[2], 90);
    assert_int_equal(b.peak, 90);
    tn_budget_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),  cmocka_unit_test(test_transport),
        cmocka_unit_test(test_backoff),  cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_plan),     cmocka_unit_test(test_framing),
        cmocka_unit_test(test_verifier), cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
