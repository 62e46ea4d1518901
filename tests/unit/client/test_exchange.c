/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a server that misbehaves in every way that a script can say. */

#include "unit/t.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "base/clock.h"
#include "client/client_impl.h"
#include "unit/client/fake_server.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
#define PUT_OK OK_EMPTY "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\n" /* of "hello" */
#define XML_ERROR(status, code, more)                                                              \
    "HTTP/1.1 " status "\r\nConnection: close\r\nx-amz-request-id: R1\r\n\r\n<Error><Code>" code   \
    "</Code><Message>because</Message>" more "</Error>"
#define GET_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n\r\n"

static bool use_curl; /* the second time around */

static struct tarn_client *connect_to(struct fake_server *s, int retries_max, long idle_ms)
{
    struct tarn_config config;
    struct tarn_error err = { 0 };
    fake_server_config(s, &config);
    config.use_curl = use_curl;
    config.retries_max = retries_max;
    config.retry_base_ms = 1;
    config.idle_timeout_ms = idle_ms;
    struct tarn_client *client = tarn_client_new(&config, &err);
    if (!client)
        fail_msg("%s", err.message);
    return client;
}

/* ---- puts ---- */

static void test_put(void **state)
{
    static const struct {
        const char *name;
        struct fake_step steps[4];
        size_t count;
        int retries_max;
        int rc;
        size_t requests;
        const char *code;
    } cases[] = {
        { "good", { { .answer = PUT_OK } }, 1, 3, TARN_OK, 1, "" },
        { "503 then good",
          { { .answer = XML_ERROR("503 Slow Down", "SlowDown", ""), .closes = true },
            { .answer = PUT_OK } },
          2,
          3,
          TARN_OK,
          2,
          "" },
        { "500 for ever",
          { { .answer = XML_ERROR("500 Oops", "InternalError", ""), .closes = true } },
          1,
          2,
          TARN_ESERVER,
          3,
          "InternalError" },
        { "denied is not tried again",
          { { .answer = XML_ERROR("403 Forbidden", "AccessDenied", ""), .closes = true } },
          1,
          3,
          TARN_EDENIED,
          1,
          "AccessDenied" },
        { "condition",
          { { .answer = XML_ERROR("412 No", "PreconditionFailed", ""), .closes = true } },
          1,
          3,
          TARN_EPRECOND,
          1,
          "PreconditionFailed" },
        { "reset, then good", { { .resets = true }, { .answer = PUT_OK } }, 2, 3, TARN_OK, 2, "" },
        { "closed without an answer",
          { { .closes = true }, { .answer = PUT_OK } },
          2,
          3,
          TARN_OK,
          2,
          "" },
        { "reset for ever", { { .resets = true } }, 1, 1, TARN_ENETWORK, 2, "" },
        { "cut in the head",
          { { .answer = PUT_OK, .cut = 20 }, { .answer = PUT_OK } },
          2,
          3,
          TARN_OK,
          2,
          "" },
        { "no HTTP at all",
          { { .answer = "SSH-2.0-x\r\n", .closes = true } },
          1,
          1,
          TARN_EPROTOCOL,
          2,
          "" },
        { "wrong ETag",
          { { .answer = OK_EMPTY "ETag: \"00000000000000000000000000000000\"\r\n\r\n" } },
          1,
          3,
          TARN_ECHECKSUM,
          1,
          "" },
        { "wrong checksum",
          { { .answer =
                  OK_EMPTY "ETag: \"x\"\r\nx-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n\r\n" } },
          1,
          3,
          TARN_ECHECKSUM,
          1,
          "" },
        { "encrypted ETag is no MD5",
          { { .answer = OK_EMPTY "ETag: \"00000000000000000000000000000000\"\r\n"
                                 "x-amz-server-side-encryption: aws:kms\r\n\r\n" } },
          1,
          3,
          TARN_OK,
          1,
          "" },
        { "refused before the body was read",
          { { .answer = XML_ERROR("400 Bad", "InvalidArgument", ""),
              .leaves_body = true,
              .closes = true } },
          1,
          3,
          TARN_EINVAL,
          2, /* the other one without a checksum */
          "InvalidArgument" },
        { "refused before the body was read, whatever it is",
          { { .answer = XML_ERROR("400 Bad", "InvalidTag", ""),
              .leaves_body = true,
              .closes = true } },
          1,
          3,
          TARN_EINVAL,
          1,
          "InvalidTag" },
        { "error without a document",
          { { .answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!" } },
          1,
          3,
          TARN_ENOTFOUND,
          1,
          "" },
        { "error with a broken document",
          { { .answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n<Error>" } },
          1,
          3,
          TARN_ENOTFOUND,
          1,
          "" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct fake_server *s = fake_server_new(cases[i].steps, cases[i].count);
        struct tarn_client *client = connect_to(s, cases[i].retries_max, 5000);
        struct tarn_error err = { 0 };
        int rc = tarn_object_put(client, "bkt", "key", "hello", 5, NULL, NULL, &err);
        if (rc != cases[i].rc || fake_server_count(s) != cases[i].requests)
            fail_msg("%s: %s after %zu requests: %s", cases[i].name, tarn_status_name(rc),
                     fake_server_count(s), err.message);
        assert_string_equal(err.s3_code, cases[i].code);
        assert_int_equal(err.status, rc);
        if (rc < 0 && rc != TARN_ECHECKSUM)
            assert_int_equal(err.attempts, cases[i].requests);
        tarn_client_free(client);
        fake_server_free(s);
    }
}

/* ---- gets ---- */

static void test_get(void **state)
{
#define PART(etag)                                                                                 \
    "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\nETag: \"" etag          \
    "\"\r\n\r\n456789"
    static const struct {
        const char *name;
        struct fake_step steps[3];
        size_t count;
        int rc;
        const char *second; /* in the head of the second request */
    } cases[] = {
        { "whole", { { .answer = GET_HEAD "0123456789" } }, 1, TARN_OK, NULL },
        { "a part unasked", { { .answer = PART("e1") } }, 1, TARN_EPROTOCOL, NULL },
        { "cut, then the rest",
          { { .answer = GET_HEAD "0123456789", .cut = sizeof GET_HEAD - 1 + 4 },
            { .answer = PART("e1") } },
          2,
          TARN_OK,
          "Range: bytes=4-\r\n" },
        { "the rest is pinned",
          { { .answer = GET_HEAD "0123456789", .cut = sizeof GET_HEAD - 1 + 4 },
            { .answer = PART("e1") } },
          2,
          TARN_OK,
          "If-Match: \"e1\"\r\n" },
        { "replaced meanwhile",
          { { .answer = GET_HEAD "0123456789", .cut = sizeof GET_HEAD - 1 + 4 },
            { .answer = XML_ERROR("412 No", "PreconditionFailed", ""), .closes = true } },
          2,
          TARN_EPRECOND,
          NULL },
        { "replaced, and If-Match ignored",
          { { .answer = GET_HEAD "0123456789", .cut = sizeof GET_HEAD - 1 + 4 },
            { .answer = PART("e2") } },
          2,
          TARN_EPRECOND,
          NULL },
        { "the rest is another range",
          { { .answer = GET_HEAD "0123456789", .cut = sizeof GET_HEAD - 1 + 4 },
            { .answer = "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n"
                        "ETag: \"e1\"\r\n\r\n56789" } },
          2,
          TARN_EPROTOCOL,
          NULL },
        { "the range is ignored",
          { { .answer = GET_HEAD "0123456789", .cut = sizeof GET_HEAD - 1 + 4 },
            { .answer = GET_HEAD "0123456789" } },
          2,
          TARN_EPROTOCOL,
          NULL },
        { "cut without an ETag",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123", .closes = true } },
          1,
          TARN_ENETWORK,
          NULL },
        { "cut before the first byte",
          { { .answer = GET_HEAD, .closes = true }, { .answer = GET_HEAD "0123456789" } },
          2,
          TARN_OK,
          NULL },
        { "wrong checksum",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n"
                        "x-amz-checksum-crc32: AAAAAA==\r\n\r\n0123456789" } },
          1,
          TARN_ECHECKSUM,
          NULL },
        { "right checksum",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n"
                        "x-amz-checksum-crc32: poTHxg==\r\n\r\n0123456789" } },
          1,
          TARN_OK,
          NULL },
        { "wrong MD5",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
                        "ETag: \"00000000000000000000000000000000\"\r\n\r\n0123456789" } },
          1,
          TARN_ECHECKSUM,
          NULL },
        { "right MD5",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
                        "ETag: \"781e5e245d69b566979b86e28d23f2c7\"\r\n\r\n0123456789" } },
          1,
          TARN_OK,
          NULL },
        { "broken chunks",
          { { .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"e1\"\r\n\r\n"
                        "zz\r\n0123456789",
              .closes = true } },
          1,
          TARN_EPROTOCOL,
          NULL },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct fake_server *s = fake_server_new(cases[i].steps, cases[i].count);
        struct tarn_client *client = connect_to(s, 2, 5000);
        struct tarn_error err = { 0 };
        char *bytes = NULL;
        size_t len = 0;
        int rc = tarn_object_get_bytes(client, "bkt", "key", 100, &bytes, &len, NULL, NULL, &err);
        bool is_accepted =
            rc == cases[i].rc || (cases[i].rc == TARN_EPROTOCOL && rc == TARN_ENETWORK);
        if (!is_accepted || (rc == TARN_OK && strcmp(bytes, "0123456789") != 0))
            fail_msg("%s: %s: %s", cases[i].name, tarn_status_name(rc), err.message);
        if (cases[i].second && !strstr(fake_server_head(s, 1), cases[i].second))
            fail_msg("%s: %s", cases[i].name, fake_server_head(s, 1));
        tarn_bytes_free(bytes);
        tarn_client_free(client);
        fake_server_free(s);
    }
}

/* ---- one kind of trouble each ---- */

static void test_region(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = XML_ERROR("400 Bad", "AuthorizationHeaderMalformed", "<Region>eu-x-1</Region>"),
          .closes = true },
        { .answer = PUT_OK },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 0, 5000);
    (void)state;
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL), TARN_OK);
    assert_non_null(strstr(fake_server_head(s, 0), "/us-east-1/s3/"));
    assert_non_null(strstr(fake_server_head(s, 1), "/eu-x-1/s3/"));
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL), TARN_OK);
    assert_non_null(strstr(fake_server_head(s, 2), "/eu-x-1/s3/")); /* remembered */
    assert_int_equal(tarn_object_put(client, "other", "k", "hello", 5, NULL, NULL, NULL), TARN_OK);
    assert_non_null(strstr(fake_server_head(s, 3), "/us-east-1/s3/")); /* of that bucket only */
    tarn_client_free(client);
    fake_server_free(s);
}

static const char *send_elsewhere(void *arg, const char *head)
{
    (void)arg;
    return strstr(head, "/eu-x-1/s3/")
               ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
               : "HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-x-1\r\nContent-Length: 0\r\n"
                 "Connection: close\r\n\r\n";
}

/* Finding out where a bucket is does not use up the budget of retries. */
static void test_regions_of_many(void **state)
{
    struct fake_server *s = fake_server_new_fn(send_elsewhere, NULL);
    struct tarn_client *client = connect_to(s, 0, 5000);
    char bucket[16];
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct tarn_error err = { 0 };
        (void)snprintf(bucket, sizeof bucket, "bkt%d", i);
        if (tarn_object_put(client, bucket, "k", "hello", 5, NULL, NULL, &err) < 0)
            fail_msg("%d: %s", i, err.message);
    }
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_region_of_head(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = "HTTP/1.1 301 M\r\nx-amz-bucket-region: eu-x-1\r\nContent-Length: 0\r\n\r\n" },
        { .answer = "HTTP/1.1 200 OK\r\nx-amz-bucket-region: eu-x-1\r\n\r\n" },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 0, 5000);
    char region[TARN_REGION_LEN_MAX];
    (void)state;
    assert_int_equal(tarn_bucket_head(client, "bkt", NULL, region, NULL), TARN_OK);
    assert_string_equal(region, "eu-x-1");
    assert_non_null(strstr(fake_server_head(s, 1), "/eu-x-1/s3/"));
    tarn_client_free(client);
    fake_server_free(s);
}

/* With a client, what another request's answer has done by the time that this one's comes. */
static const char *skewed(void *arg, const char *head)
{
    struct tarn_client *client = atomic_load((_Atomic(struct tarn_client *) *)arg);
    if (strstr(head, "x-amz-date: 20990101T0000"))
        return PUT_OK;
    if (client)
        atomic_store(&client->clock_offset_s, 4070908800 - tn_wall_ms() / 1000);
    return "HTTP/1.1 403 F\r\nDate: Thu, 01 Jan 2099 00:00:00 GMT\r\nContent-Length: 48\r\n\r\n"
           "<Error><Code>RequestTimeTooSkewed</Code></Error>";
}

static void test_clock(void **state)
{
    (void)state;
    for (int others = 0; others < 2; others++) {
        _Atomic(struct tarn_client *) shared = NULL;
        struct fake_server *s = fake_server_new_fn(skewed, &shared);
        struct tarn_client *client = connect_to(s, 0, 5000);
        atomic_store(&shared, others ? client : NULL);
        assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL),
                         TARN_OK);
        assert_int_equal(fake_server_count(s), 2);
        tarn_client_free(client);
        fake_server_free(s);
    }
}

static void test_retry_after(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = "HTTP/1.1 503 S\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" },
        { .answer = PUT_OK },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 1, 5000);
    uint64_t start = tn_now_ns();
    (void)state;
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL), TARN_OK);
    assert_true(tn_now_ns() - start >= 1000000000u);
    /* A signature lives for a quarter of an hour: it is made when the wait is over. */
    const char *first = strstr(fake_server_head(s, 0), "x-amz-date: ");
    const char *second = strstr(fake_server_head(s, 1), "x-amz-date: ");
    assert_true(first && second && strncmp(first, second, 28) != 0);
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_slow(void **state)
{
    static const struct fake_step steps[] = { { .answer = PUT_OK, .delay_ms = 20000 } };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 0, 1000);
    struct tarn_put_options options = { .request = { .timeout_ms = 200 } };
    uint64_t start = tn_now_ns();
    (void)state;
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, &options, NULL, NULL),
                     TARN_ETIMEOUT);
    assert_true(tn_now_ns() - start < 15000000000u);
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL),
                     TARN_ETIMEOUT);
    tarn_client_free(client);
    fake_server_free(s);
}

static void *cancel_soon(void *arg)
{
    struct timespec wait = { 0, 100 * 1000 * 1000 };
    (void)nanosleep(&wait, NULL);
    tarn_client_cancel(arg);
    return NULL;
}

static void test_cancel(void **state)
{
    static const struct fake_step steps[] = { { .answer = PUT_OK, .delay_ms = 20000 } };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 3, 60000);
    volatile int flag = 1;
    struct tarn_put_options options = { .request = { .cancel = &flag } };
    pthread_t thread;
    (void)state;
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, &options, NULL, NULL),
                     TARN_ECANCELLED);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, client), 0);
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL),
                     TARN_ECANCELLED);
    assert_int_equal(tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, NULL),
                     TARN_ECANCELLED);
    (void)pthread_join(thread, NULL);
    tarn_client_free(client);
    fake_server_free(s);
}

/* Ends the call as soon as all bytes are here, of which it has not seen all yet. */
struct hasty {
    struct tarn_client *client;
    uint64_t len;
    size_t seen;
    volatile int wants_stop;
};

static int stop_when_all_is_here(void *arg, const void *bytes, size_t len)
{
    static const struct timespec step = { 0, 1000 * 1000 };
    struct hasty *h = arg;
    struct tarn_client_stats stats = { 0 };
    (void)bytes;
    h->seen += len;
    for (int i = 0; i < 5000 && stats.bytes_down < h->len; i++) {
        (void)nanosleep(&step, NULL);
        tarn_client_get_stats(h->client, &stats);
    }
    h->wants_stop = 1;
    return TARN_OK;
}

/* A call that was cancelled before its caller had all bytes has not gone well. */
static void test_cancelled_with_bytes_left(void **state)
{
    enum { LEN = 200 * 1000 };
    static char answer[LEN + 256];
    static const struct fake_step steps[] = { { .answer = answer } };
    (void)state;
    int at = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LEN);
    memset(answer + at, 'x', LEN);
    for (int i = 0; i < 8; i++) {
        struct fake_server *s = fake_server_new(steps, 1);
        struct hasty h = { .client = connect_to(s, 0, 5000), .len = LEN };
        struct tarn_get_options options = { .request.cancel = &h.wants_stop };
        int rc =
            tarn_object_get(h.client, "bkt", "k", stop_when_all_is_here, &h, &options, NULL, NULL);
        if (rc != TARN_ECANCELLED && (rc != TARN_OK || h.seen != LEN))
            fail_msg("%s after %zu bytes", tarn_status_name(rc), h.seen);
        tarn_client_free(h.client);
        fake_server_free(s);
    }
}

static void test_copy_error_in_200(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = XML_ERROR("200 OK", "InternalError", ""), .closes = true },
        { .answer =
              "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }, /* nothing at all is no success */
        { .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<CopyObjectResult>"
                    "<ETag>&quot;e9&quot;</ETag></CopyObjectResult>",
          .closes = true },
        { .answer = XML_ERROR("200 OK", "AccessDenied", ""), .closes = true },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 3, 5000);
    struct tarn_object_info info = { 0 };
    (void)state;
    assert_int_equal(tarn_object_copy(client, "a", "b c", "bkt", "k", NULL, &info, NULL), TARN_OK);
    assert_string_equal(info.etag, "e9");
    assert_int_equal(fake_server_count(s), 3);
    assert_non_null(strstr(fake_server_head(s, 0), "x-amz-copy-source: a/b%20c\r\n"));
    assert_int_equal(tarn_object_copy(client, "a", "b", "bkt", "k", NULL, &info, NULL),
                     TARN_EDENIED);
    tarn_object_info_release(&info);
    tarn_client_free(client);
    fake_server_free(s);
}

/* `etag` is without quotes; the table of headers has each as the server sent it. */
static void test_head_keeps_headers(void **state)
{
    static const struct fake_step steps[] = {
        { .answer =
              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e1\"\r\nx-amz-meta-a: b\r\n\r\n" },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 3, 5000);
    struct tarn_object_info info = { 0 };
    const char *sent = NULL;
    (void)state;
    assert_int_equal(tarn_object_head(client, "bkt", "k", NULL, &info, NULL), TARN_OK);
    assert_string_equal(info.etag, "e1");
    for (size_t i = 0; i < info.header_count; i++) {
        if (strcmp(info.headers[i].name, "etag") == 0)
            sent = info.headers[i].value;
    }
    assert_non_null(sent);
    assert_string_equal(sent, "\"e1\"");
    tarn_object_info_release(&info);
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_complete_whose_answer_was_lost(void **state)
{
    static const struct fake_step steps[] = {
        { .resets = true },
        { .answer = XML_ERROR("404 N", "NoSuchUpload", ""), .closes = true },
        { .answer = "HTTP/1.1 200 OK\r\nETag: \"d7c1ed0d2cbe3fd3a5c2d5cbd3e4d0a5-1\"\r\n"
                    "Content-Length: 5\r\n\r\n" },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 3, 5000);
    struct tarn_part part = { .number = 1, .etag = "5d41402abc4b2a76b9719d911017c592" };
    struct tarn_put_options options = { .request.is_requester_pays = true };
    (void)state;
    /* The object that is there is not ours: the error stays. */
    assert_int_equal(
        tarn_multipart_complete(client, "bkt", "k", "id", &part, 1, &options, NULL, NULL),
        TARN_ENOTFOUND);
    assert_int_equal(fake_server_count(s), 3);
    assert_non_null(strstr(fake_server_head(s, 2), "x-amz-request-payer: requester\r\n"));
    tarn_client_free(client);
    fake_server_free(s);
}

struct text_source {
    size_t given;
    int rewinds;
};

static int64_t read_text(void *arg, void *bytes, size_t cap)
{
    struct text_source *src = arg;
    size_t n = 5 - src->given < cap ? 5 - src->given : cap;
    memcpy(bytes, &"hello"[src->given], n);
    src->given += n;
    return (int64_t)n;
}

static int rewind_text(void *arg)
{
    struct text_source *src = arg;
    src->given = 0;
    src->rewinds++;
    return TARN_OK;
}

/* A server that tells no checksum is asked once for the length of what it has stored. */
static void test_put_stream_kept_with_its_framing(void **state)
{
    static const struct {
        const char *length;
        int rc;
    } cases[] = { { "5", TARN_OK }, { "72", TARN_ECHECKSUM } };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        char head[128];
        (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
                       cases[i].length);
        const struct fake_step steps[] = { { .answer = PUT_OK }, { .answer = head } };
        struct text_source src = { 0 };
        struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
        struct tarn_client *client = connect_to(s, 0, 5000);
        assert_int_equal(
            tarn_object_put_stream(client, "b", "k", read_text, NULL, &src, 5, NULL, NULL, NULL),
            cases[i].rc);
        assert_int_equal(fake_server_count(s), 2);
        tarn_client_free(client);
        fake_server_free(s);
    }
}

static void test_put_stream(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = XML_ERROR("503 S", "SlowDown", ""), .closes = true },
        { .answer = OK_EMPTY "x-amz-checksum-crc64nvme: M3eFcAZSQlc=\r\n\r\n" }, /* of "hello" */
    };
    struct text_source src = { 0 };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 3, 5000);
    (void)state;
    assert_int_equal(
        tarn_object_put_stream(client, "b", "k", read_text, rewind_text, &src, 5, NULL, NULL, NULL),
        TARN_OK);
    assert_int_equal(src.rewinds, 1);
    assert_non_null(strstr(fake_server_head(s, 0), "STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
    src.given = 0; /* more is promised than there is */
    assert_int_equal(
        tarn_object_put_stream(client, "b", "k", read_text, NULL, &src, 6, NULL, NULL, NULL),
        TARN_EEOF);
    tarn_client_free(client);
    fake_server_free(s);

    src = (struct text_source){ 0 };
    s = fake_server_new(steps, TN_COUNT(steps));
    client = connect_to(s, 3, 5000);
    assert_int_equal(
        tarn_object_put_stream(client, "b", "k", read_text, NULL, &src, 5, NULL, NULL, NULL),
        TARN_ETHROTTLED);
    assert_int_equal(fake_server_count(s), 1); /* what cannot be had again is not sent again */
    tarn_client_free(client);
    fake_server_free(s);
}

/* ---- listings ---- */

static int count_keys(struct tarn_client *client, size_t *count, struct tarn_error *err)
{
    const struct tarn_list_entry *entry = NULL;
    struct tarn_list *list = tarn_list_open(client, "bkt", NULL, err);
    int rc = TARN_OK;
    *count = 0;
    if (!list)
        return err->status;
    while ((rc = tarn_list_next(list, &entry, err)) == TARN_OK && entry)
        (*count)++;
    if (rc < 0)
        assert_int_equal(tarn_list_next(list, &entry, NULL), rc); /* it stays failed */
    tarn_list_free(list);
    return rc;
}

static void test_list(void **state)
{
#define PAGE(inner)                                                                                \
    {                                                                                              \
        .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>" inner           \
                  "</ListBucketResult>",                                                           \
        .closes = true                                                                             \
    }
#define KEY(k) "<Contents><Key>" k "</Key><Size>1</Size></Contents>"
#define MORE(t)                                                                                    \
    "<IsTruncated>true</IsTruncated><NextContinuationToken>" t "</NextContinuationToken>"
    static const struct {
        const char *name;
        struct fake_step steps[3];
        size_t count;
        int rc;
        size_t keys;
    } cases[] = {
        { "empty", { PAGE("") }, 1, TARN_OK, 0 },
        { "two pages", { PAGE(KEY("a") MORE("t1")), PAGE(KEY("b")) }, 2, TARN_OK, 2 },
        { "an empty page between",
          { PAGE(KEY("a") MORE("t1")), PAGE(MORE("t2")), PAGE(KEY("c")) },
          3,
          TARN_OK,
          2 },
        { "the same token again",
          { PAGE(KEY("a") MORE("t1")), PAGE(KEY("b") MORE("t1")) },
          2,
          TARN_EPROTOCOL,
          1 },
        { "the same page again",
          { PAGE(KEY("a") MORE("t1")), PAGE(KEY("a") MORE("t2")) },
          2,
          TARN_EPROTOCOL,
          1 },
        { "more, but no token",
          { PAGE(KEY("a") "<IsTruncated>true</IsTruncated>") },
          1,
          TARN_EPROTOCOL,
          0 },
        { "not a number",
          { PAGE("<Contents><Key>a</Key><Size>-1</Size></Contents>") },
          1,
          TARN_EPROTOCOL,
          0 },
        { "bad encoding",
          { PAGE("<EncodingType>url</EncodingType>" KEY("a%2")) },
          1,
          TARN_EPROTOCOL,
          0 },
        { "another document",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<Html/" } },
          1,
          TARN_EPROTOCOL,
          0 },
        { "entities",
          { { .answer =
                  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<!DOCTYPE a [<!ENTITY b \"c\">]>"
                  "<ListBucketResult/>",
              .closes = true } },
          1,
          TARN_EPROTOCOL,
          0 },
        { "denied on page two",
          { PAGE(KEY("a") MORE("t1")),
            { .answer = XML_ERROR("403 F", "AccessDenied", ""), .closes = true } },
          2,
          TARN_EDENIED,
          1 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct fake_server *s = fake_server_new(cases[i].steps, cases[i].count);
        struct tarn_client *client = connect_to(s, 0, 5000);
        struct tarn_error err = { 0 };
        size_t keys;
        int rc = count_keys(client, &keys, &err);
        if (rc != cases[i].rc || keys != cases[i].keys)
            fail_msg("%s: %s, %zu keys: %s", cases[i].name, tarn_status_name(rc), keys,
                     err.message);
        tarn_client_free(client);
        fake_server_free(s);
    }
}

/* What comes behind the announced end of a page is no answer to the next request. (libcurl reads no
 * further, and looks at what is left there once a second only.) */
static void test_more_than_announced(void **state)
{
    static const char tail[] = "</Key></Contents>" MORE("t") "</ListBucketResult>";
    static const char forged[] = "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<ListBucketResult/>";
    enum { KEYS_LEN = 300000 };
    TN_AUTO_BUF answer = TN_BUF_INIT(1 << 20);
    struct tarn_error err = { 0 };
    size_t keys;
    (void)state;
    if (use_curl)
        skip();
    assert_int_equal(tn_buf_appendf(&answer,
                                    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n"
                                    "<ListBucketResult>",
                                    strlen("<ListBucketResult>") + KEYS_LEN +
                                        strlen("<Contents><Key>") + strlen(tail)),
                     TARN_OK);
    for (size_t i = 0; i < KEYS_LEN / 50; i++)
        assert_int_equal(tn_buf_append_text(&answer, "<Contents><Key>k123456789</Key><A>1</A>"
                                                     "</Contents>"),
                         TARN_OK);
    assert_int_equal(tn_buf_append_text(&answer, "<Contents><Key>"), TARN_OK);
    assert_int_equal(tn_buf_append_text(&answer, tail), TARN_OK);
    assert_int_equal(tn_buf_append_text(&answer, forged), TARN_OK);
    struct fake_step steps[] = { { .answer = answer.data }, PAGE(KEY("z") KEY("zz")) };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 0, 5000);
    int rc = count_keys(client, &keys, &err);
    if (rc < 0)
        fail_msg("%s", err.message);
    assert_int_equal(keys, KEYS_LEN / 50 + 1 + 2);
    assert_int_equal(fake_server_count(s), 2);
    tarn_client_free(client);
    fake_server_free(s);
}

/* ---- batches and files ---- */

static void count_outcome(void *arg, size_t index, const struct tarn_error *err)
{
    int *outcome = arg;
    outcome[index] = err ? err->status : 1;
}

static void test_delete_many(void **state)
{
    static const struct fake_step steps[] = { {
        .answer = "HTTP/1.1 200 OK\r\nConnection: "
                  "close\r\n\r\n<DeleteResult><Deleted><Key>a</Key></Deleted>"
                  "<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
                  "</DeleteResult>",
        .closes = true,
    } };
    const struct tarn_delete_key keys[] = { { "a", NULL }, { "b", NULL }, { "c", NULL } };
    int outcome[3] = { 0 };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 0, 5000);
    (void)state;
    assert_int_equal(
        tarn_object_delete_many(client, "bkt", keys, 3, NULL, count_outcome, outcome, NULL),
        TARN_EDENIED);
    assert_int_equal(outcome[0], 1);
    assert_int_equal(outcome[1], TARN_EDENIED);
    assert_int_equal(outcome[2], TARN_EPROTOCOL); /* not mentioned is not deleted */
    assert_non_null(strstr(fake_server_head(s, 0), "Content-MD5: "));
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_download_leaves_nothing(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n\r\n" }, /* HEAD */
        { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n"
                    "x-amz-checksum-crc32: AAAAAA==\r\n\r\n0123456789" },
    };
    char directory[] = "/tmp/tarn-download-XXXXXX";
    char path[64];
    struct stat info;
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/file", directory);
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s, 0, 5000);
    assert_int_equal(tarn_download_file(client, "bkt", "k", path, NULL, NULL, NULL),
                     TARN_ECHECKSUM);
    if (!strcasestr(fake_server_head(s, 1), "If-Match: \"e1\"\r\n"))
        fail_msg("%s", fake_server_head(s, 1));
    assert_int_equal(stat(path, &info), -1);
    assert_int_equal(rmdir(directory), 0); /* empty: no .part either */
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_bad_arguments(void **state)
{
    static const struct fake_step steps[] = { { .answer = PUT_OK } };
    static const struct tarn_header newline[] = { { "x-a", "b\r\nc: d" } };
    static const struct tarn_header reserved[] = { { "Authorization", "mine" } };
    static const struct tarn_header name[] = { { "bad name", "x" } };
    char key[TARN_KEY_LEN_MAX + 2];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    const struct {
        const char *what, *bucket, *key;
        struct tarn_put_options options;
        int rc;
    } cases[] = {
        { "no key", "b", "", { .checksum = TARN_CHECKSUM_DEFAULT }, TARN_EINVAL },
        { "long key", "b", key, { .checksum = TARN_CHECKSUM_DEFAULT }, TARN_ETOOBIG },
        { "key not UTF-8", "b", "\xff", { .checksum = TARN_CHECKSUM_DEFAULT }, TARN_EINVAL },
        { "no bucket", "", "k", { .checksum = TARN_CHECKSUM_DEFAULT }, TARN_EINVAL },
        { "bucket with a slash", "a/b", "k", { .checksum = TARN_CHECKSUM_DEFAULT }, TARN_EINVAL },
        { "header injection",
          "b",
          "k",
          { .request = { .headers = newline, .header_count = 1 } },
          TARN_EINVAL },
        { "reserved header",
          "b",
          "k",
          { .request = { .headers = reserved, .header_count = 1 } },
          TARN_EINVAL },
        { "header name",
          "b",
          "k",
          { .request = { .headers = name, .header_count = 1 } },
          TARN_EINVAL },
        { "acl", "b", "k", { .attributes = { .acl = "everyone" } }, TARN_EINVAL },
        { "metadata",
          "b",
          "k",
          { .attributes = { .metadata = newline, .metadata_count = 1 } },
          TARN_EINVAL },
        { "checksum", "b", "k", { .checksum_value = "no base64" }, TARN_EINVAL },
    };
    struct fake_server *s = fake_server_new(steps, 1);
    struct tarn_client *client = connect_to(s, 0, 5000);
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        int rc = tarn_object_put(client, cases[i].bucket, cases[i].key, "x", 1, &cases[i].options,
                                 NULL, NULL);
        if (rc != cases[i].rc)
            fail_msg("%s: %s", cases[i].what, tarn_status_name(rc));
    }
    assert_int_equal(fake_server_count(s), 0); /* nothing was sent */
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_presign(void **state)
{
    static const struct fake_step steps[] = { { .answer = PUT_OK } };
    struct fake_server *s = fake_server_new(steps, 1);
    struct tarn_client *client = connect_to(s, 0, 5000);
    struct tarn_presign_options options = { .now = 1369353600 };
    char url[TARN_URL_LEN_MAX];
    (void)state;
    assert_int_equal(tarn_presign(client, "bkt", "a b", &options, url, NULL), TARN_OK);
    assert_non_null(strstr(url, "/bkt/a%20b?"));
    assert_non_null(strstr(url, "X-Amz-Date=20130524T000000Z"));
    assert_non_null(strstr(url, "X-Amz-Expires=3600"));
    options.expires_s = TARN_PRESIGN_SECONDS_MAX + 1;
    assert_int_equal(tarn_presign(client, "bkt", "k", &options, url, NULL), TARN_EINVAL);
    options.expires_s = -1;
    assert_int_equal(tarn_presign(client, "bkt", "k", &options, url, NULL), TARN_EINVAL);
    options = (struct tarn_presign_options){ .method = "PATCH" };
    assert_int_equal(tarn_presign(client, "bkt", "k", &options, url, NULL), TARN_EINVAL);
    assert_int_equal(tarn_presign(client, "bkt", "", NULL, url, NULL), TARN_EINVAL);
    tarn_client_free(client);
    fake_server_free(s);
}

/* ---- out of memory ---- */

static int put_and_list(void *arg)
{
    struct tarn_config config;
    struct tarn_error err = { 0 };
    fake_server_config(arg, &config);
    config.use_curl = use_curl;
    config.retries_max = 0;
    struct tarn_client *client = tarn_client_new(&config, &err);
    if (!client)
        return err.status;
    struct tarn_object_info info = { 0 };
    size_t count;
    int rc = tarn_object_put(client, "bkt", "k", "hello", 5, NULL, &info, &err);
    if (rc == TARN_OK)
        rc = count_keys(client, &count, &err);
    tarn_object_info_release(&info);
    tarn_client_free(client);
    return rc;
}

static void test_out_of_memory(void **state)
{
    static const struct fake_step steps[] = { {
        .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>"
                  "<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>",
        .closes = true,
    } };
    struct fake_server *s = fake_server_new(steps, 1);
    (void)state;
    t_oom_sweep(put_and_list, s);
    fake_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_regions_of_many),
        cmocka_unit_test(test_region_of_head),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancelled_with_bytes_left),
        cmocka_unit_test(test_copy_error_in_200),
        cmocka_unit_test(test_head_keeps_headers),
        cmocka_unit_test(test_complete_whose_answer_was_lost),
        cmocka_unit_test(test_put_stream),
        cmocka_unit_test(test_put_stream_kept_with_its_framing),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_more_than_announced),
        cmocka_unit_test(test_delete_many),
        cmocka_unit_test(test_download_leaves_nothing),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_presign),
        cmocka_unit_test(test_out_of_memory),
    };
    int failed = cmocka_run_group_tests_name("without curl", tests, NULL, NULL);
    use_curl = true;
    return failed + cmocka_run_group_tests_name("with curl", tests, NULL, NULL);
}
