/* SPDX-License-Identifier: Apache-2.0 */
/* What the headers promise beside results: outputs that a failed call leaves alone, what is copied,
 * what callbacks may return, times that are too long to count. What is refused at once:
 * tests/unit/coord/test_arguments.c. */

#include "unit/t.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "unit/client/fake_server.h"

#define PAGE(xml) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" xml
#define BODY "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\nhello"
#define STORED "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\r\n"

static struct tarn_client *connect_to(const struct fake_server *s)
{
    struct tarn_config config;
    fake_server_config(s, &config);
    config.retries_max = 0;
    struct tarn_client *client = tarn_client_new(&config, NULL);
    assert_non_null(client);
    return client;
}

static void expect_ok(int rc, const struct tarn_error *err)
{
    if (rc != TARN_OK)
        fail_msg("%s: %s", tarn_status_name(rc), err->message);
}

/* ---- what is copied ---- */

/* The options of a list, in memory that is overwritten once it is open. */
struct lent {
    char name[8], value[8], owner[8];
    struct tarn_header header;
    struct tarn_request request;
};

static void lend(struct lent *l)
{
    *l = (struct lent){ .name = "x-mine", .value = "1", .owner = "123" };
    l->header = (struct tarn_header){ l->name, l->value };
    l->request = (struct tarn_request){ .headers = &l->header,
                                        .header_count = 1,
                                        .expected_owner = l->owner };
}

static void expect_on_each_page(struct fake_server *s)
{
    assert_int_equal(fake_server_count(s), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(fake_server_head(s, i), "x-mine: 1\r\n"));
        assert_non_null(strstr(fake_server_head(s, i), "x-amz-expected-bucket-owner: 123\r\n"));
    }
}

static void test_a_list_keeps_its_request(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = PAGE("<ListBucketResult><IsTruncated>true</IsTruncated>"
                         "<NextContinuationToken>t</NextContinuationToken>"
                         "<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"),
          .closes = true },
        { .answer = PAGE("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
          .closes = true },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    const struct tarn_list_entry *entry;
    struct tarn_error err = { 0 };
    struct lent lent;
    (void)state;
    lend(&lent);
    const struct tarn_list_options options = { .request = lent.request };
    struct tarn_list *list = tarn_list_open(client, "bkt", &options, &err);
    memset(&lent, 'X', sizeof lent);
    do
        expect_ok(tarn_list_next(list, &entry, &err), &err);
    while (entry);
    expect_on_each_page(s);
    tarn_list_free(list);
    tarn_client_free(client);
    fake_server_free(s);
}

static void test_a_list_of_versions_keeps_its_request(void **state)
{
    static const struct fake_step steps[] = {
        { .answer = PAGE("<ListVersionsResult><IsTruncated>true</IsTruncated>"
                         "<NextKeyMarker>k</NextKeyMarker></ListVersionsResult>"),
          .closes = true },
        { .answer = PAGE("<ListVersionsResult><IsTruncated>false</IsTruncated>"
                         "</ListVersionsResult>"),
          .closes = true },
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    const struct tarn_version_entry *entry;
    struct tarn_error err = { 0 };
    struct lent lent;
    (void)state;
    lend(&lent);
    const struct tarn_versions_options options = { .request = lent.request };
    struct tarn_versions *versions = tarn_versions_open(client, "bkt", &options, &err);
    memset(&lent, 'X', sizeof lent);
    expect_ok(tarn_versions_next(versions, &entry, &err), &err);
    assert_null(entry);
    expect_on_each_page(s);
    tarn_versions_free(versions);
    tarn_client_free(client);
    fake_server_free(s);
}

/* ---- outputs of failed calls ---- */

struct scene {
    char directory[32];
    char path[48];
    bool is_upload;
};

/* The file changes while it is on its way; a directory takes the place of the one to come. */
static const char *spoil(void *arg, const char *head)
{
    const struct scene *scene = arg;
    (void)head;
    if (scene->is_upload)
        assert_int_equal(truncate(scene->path, 1), 0);
    else
        assert_int_equal(mkdir(scene->path, 0700), 0);
    return scene->is_upload ? STORED : BODY;
}

static void test_info_of_a_failed_transfer(void **state)
{
    static const struct {
        bool is_upload;
        int expected;
    } cases[] = { { true, TARN_ECONFLICT }, { false, TARN_EIO } };
    static const struct tarn_transfer_options options = { .has_size_hint = true, .size_hint = 5 };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct scene scene = { .directory = "/tmp/tarn-contract-XXXXXX",
                               .is_upload = cases[i].is_upload };
        struct tarn_object_info info = { .size = 77, .etag = "before" };
        struct tarn_error err = { 0 };
        assert_non_null(mkdtemp(scene.directory));
        (void)snprintf(scene.path, sizeof scene.path, "%s/file", scene.directory);
        struct fake_server *s = fake_server_new_fn(spoil, &scene);
        struct tarn_client *client = connect_to(s);
        FILE *file = scene.is_upload ? fopen(scene.path, "w") : NULL;
        if (file) {
            (void)fputs("hello", file);
            assert_int_equal(fclose(file), 0);
        }
        int rc = scene.is_upload
                     ? tarn_upload_file(client, scene.path, "bkt", "k", &options, &info, &err)
                     : tarn_download_file(client, "bkt", "k", scene.path, &options, &info, &err);
        if (rc >= 0 || (scene.is_upload && rc != cases[i].expected))
            fail_msg("%d: %s: %s", (int)i, tarn_status_name(rc), err.message);
        assert_int_equal(info.size, 77);
        assert_string_equal(info.etag, "before");
        assert_int_equal(scene.is_upload ? unlink(scene.path) : rmdir(scene.path), 0);
        assert_int_equal(rmdir(scene.directory), 0); /* nothing else is left */
        tarn_client_free(client);
        fake_server_free(s);
    }
}

/* ---- callbacks ---- */

static int count_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    (void)entry;
    return ++*(int *)arg; /* not negative: goes on */
}

static void test_a_listing_goes_on(void **state)
{
    static const struct fake_step steps[] = { {
        .answer = PAGE("<ListAllMyBucketsResult><Buckets><Bucket><Name>a</Name></Bucket>"
                       "<Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>"),
        .closes = true,
    } };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    struct tarn_error err = { 0 };
    int count = 0;
    (void)state;
    expect_ok(tarn_bucket_list(client, NULL, count_bucket, &count, &err), &err);
    assert_int_equal(count, 2);
    tarn_client_free(client);
    fake_server_free(s);
}

#define BUCKETS_BEFORE(token)                                                                      \
    {                                                                                              \
        .answer = PAGE("<ListAllMyBucketsResult><ContinuationToken>" token                         \
                       "</ContinuationToken></ListAllMyBucketsResult>"),                           \
        .closes = true                                                                             \
    }

static void test_buckets_go_round(void **state)
{
    static const struct fake_step steps[] = {
        BUCKETS_BEFORE("a"), BUCKETS_BEFORE("b"), BUCKETS_BEFORE("a"),
        BUCKETS_BEFORE("b"), BUCKETS_BEFORE("a"), BUCKETS_BEFORE("b"),
    };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    int count = 0;
    (void)state;
    assert_int_equal(tarn_bucket_list(client, NULL, count_bucket, &count, NULL), TARN_EPROTOCOL);
    tarn_client_free(client);
    fake_server_free(s);
}

/* As fwrite does: what is not negative goes on. */
static int take_bytes(void *arg, const void *bytes, size_t len)
{
    char *out = arg;
    memcpy(out + strlen(out), bytes, len);
    return (int)len;
}

static void test_a_body_goes_on(void **state)
{
    static const struct fake_step steps[] = { { .answer = BODY } };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    struct tarn_error err = { 0 };
    /* Longer than any clock counts: none. */
    const struct tarn_get_options options = { .request = { .timeout_ms = LONG_MAX } };
    char got[16] = "";
    (void)state;
    expect_ok(tarn_object_get(client, "bkt", "k", take_bytes, got, &options, NULL, &err), &err);
    assert_string_equal(got, "hello");
    tarn_client_free(client);
    fake_server_free(s);
}

static int fail_silently(struct tarn_client *client, void *arg, struct tarn_error *err)
{
    (void)client;
    (void)arg;
    (void)err;
    return TARN_ENOTFOUND;
}

static void note_status(void *arg, int status, const struct tarn_error *err)
{
    assert_int_equal(status, err->status);
    *(int *)arg = status;
}

static void test_a_silent_failure(void **state)
{
    struct tarn_async *async = tarn_async_new(NULL, 1, NULL);
    int status = TARN_OK;
    (void)state;
    expect_ok(tarn_async_submit(async, fail_silently, note_status, &status, NULL), NULL);
    tarn_async_free(async);
    assert_int_equal(status, TARN_ENOTFOUND);
}

/* Nothing is there, and somebody else is always faster. */
static const char *answer_racing(void *arg, const char *head)
{
    (void)arg;
    return strncmp(head, "PUT ", 4) == 0
               ? "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
               : "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
}

/* The first time a value, then the status that is asked for. */
static int change_once(void *arg, const void *present, void **next)
{
    int *status = arg;
    if (*status < 0)
        return *status;
    assert_null(present);
    *next = tarn_bytes_new("v", 1);
    *status = -*status;
    return TARN_OK;
}

static void test_an_update_ends_with_its_status(void **state)
{
    static const int statuses[] = { TARN_ENOTFOUND, TARN_EPRECOND, TARN_ETIMEOUT, TARN_EINVAL };
    struct fake_server *s = fake_server_new_fn(answer_racing, NULL);
    struct tarn_client *client = connect_to(s);
    const struct tarn_store_options options = { .skip_probe = true,
                                                .tries_max = 3,
                                                .backoff_max_ms = 1 };
    struct tarn_store *store = tarn_store_new(client, &options, NULL);
    (void)state;
    for (size_t i = 0; i < TN_COUNT(statuses); i++) {
        struct tarn_error err = { 0 };
        int status = -statuses[i];
        int rc = tarn_store_update(store, "bkt", "k", change_once, &status, 0, NULL, &err);
        if (rc != statuses[i] || err.status != rc)
            fail_msg("%s: %s", tarn_status_name(rc), err.message);
    }
    tarn_store_free(store);
    tarn_client_free(client);
    fake_server_free(s);
}

/* ---- waiting ---- */

struct fake_time {
    uint64_t now_ms;
    uint64_t longest_ms; /* sleep */
};

static uint64_t fake_steady_ms(void *arg)
{
    return ((struct fake_time *)arg)->now_ms;
}

static int64_t fake_wall_ms(void *arg)
{
    return (int64_t)((struct fake_time *)arg)->now_ms;
}

static void fake_sleep_ms(void *arg, uint64_t ms)
{
    struct fake_time *t = arg;
    t->now_ms += ms;
    if (ms > t->longest_ms)
        t->longest_ms = ms;
}

/* A wait for a lock looks at the request's flag as often as all others do. */
static void test_a_wait_is_in_slices(void **state)
{
    static const struct fake_step steps[] = { {
        .answer = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    } };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    struct fake_time now = { .now_ms = 1 };
    const struct tarn_lock_clock clock = { fake_steady_ms, fake_wall_ms, fake_sleep_ms, &now };
    volatile int cancel = 0;
    const struct tarn_lock_options options = {
        .request = { .cancel = &cancel }, .wait_ms = 5000, .skip_probe = true, .clock = &clock
    };
    struct tarn_lock *lock = NULL;
    (void)state;
    assert_int_not_equal(tarn_lock_acquire(client, "bkt", "l", &options, &lock, NULL), TARN_OK);
    assert_null(lock);
    assert_in_range(now.now_ms, 5000, 10000);
    assert_in_range(now.longest_ms, 1, 100);
    tarn_client_free(client);
    fake_server_free(s);
}

/* ---- options that count ---- */

static void test_a_known_checksum_of_a_part(void **state)
{
    static const struct fake_step steps[] = { { .answer = STORED } };
    struct fake_server *s = fake_server_new(steps, TN_COUNT(steps));
    struct tarn_client *client = connect_to(s);
    struct tarn_error err = { 0 };
    const struct tarn_put_options options = { .checksum = TARN_CHECKSUM_CRC32,
                                              .checksum_value = "AAAAAA==" };
    struct tarn_part part;
    (void)state;
    expect_ok(
        tarn_multipart_upload_part(client, "bkt", "k", "U", 1, "hello", 5, &options, &part, &err),
        &err);
    assert_non_null(strstr(fake_server_head(s, 0), "x-amz-checksum-crc32: AAAAAA==\r\n"));
    tarn_client_free(client);
    fake_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_keeps_its_request),
        cmocka_unit_test(test_a_list_of_versions_keeps_its_request),
        cmocka_unit_test(test_info_of_a_failed_transfer),
        cmocka_unit_test(test_a_listing_goes_on),
        cmocka_unit_test(test_buckets_go_round),
        cmocka_unit_test(test_a_body_goes_on),
        cmocka_unit_test(test_a_silent_failure),
        cmocka_unit_test(test_an_update_ends_with_its_status),
        cmocka_unit_test(test_a_wait_is_in_slices),
        cmocka_unit_test(test_a_known_checksum_of_a_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
