/* SPDX-License-Identifier: Apache-2.0 */
/* A tarnd of one's own: options that make no sense, starts that fail and say why, what is left. */

#include <tarn/mock.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tarn/bucket.h>
#include <tarn/client.h>

#include "unit/t.h"

static char long_key[300];

static void test_refused(void **state)
{
    static const struct tarn_mock_options bad[] = {
        { .port = -1 },
        { .port = 65536 },
        { .access_key = "without-the-other" },
        { .secret_key = "without-the-other" },
        { .access_key = long_key, .secret_key = "secret-key-0001" },
        { .access_key = "access-key-0001", .secret_key = long_key },
        { .data = "" },
    };
    (void)state;
    memset(long_key, 'k', sizeof long_key - 1);
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        struct tarn_error err = { 0 };
        if (tarn_mock_start(&bad[i], &err) || err.status != TARN_EINVAL)
            fail_msg("case %zu: %s", i, err.message);
    }
    assert_int_equal(tarn_mock_stop(NULL, NULL), TARN_OK);
}

static void test_no_program(void **state)
{
    struct tarn_mock_options o = { .program = "/nonexistent/tarnd" };
    struct tarn_error err = { 0 };
    (void)state;
    assert_null(tarn_mock_start(&o, &err));
    assert_non_null(strstr(err.message, "no such program"));
    /* Also when nobody may wait for children. */
    (void)signal(SIGCHLD, SIG_IGN);
    err = (struct tarn_error){ 0 };
    assert_null(tarn_mock_start(&o, &err));
    assert_int_equal(err.status, TARN_EIO);
    (void)signal(SIGCHLD, SIG_DFL);
}

/* What tarnd said on its way out is told. */
static void test_port_in_use(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof address;
    struct tarn_error err = { 0 };
    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    struct tarn_mock_options o = { .program = TARND, .port = ntohs(address.sin_port) };
    assert_null(tarn_mock_start(&o, &err));
    assert_int_equal(err.status, TARN_EIO);
    if (!strstr(err.message, "in use"))
        fail_msg("%s", err.message);
    (void)close(fd);
}

static int count_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    (void)entry;
    *(int *)arg += 1;
    return TARN_OK;
}

/* With `data` and `keep`, a second start finds what the first one left. */
static void test_life(void **state)
{
    static const char *const buckets[] = { "one", "two" };
    char data[] = "/tmp/test-mock-XXXXXX", inner[64];
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(data));
    (void)snprintf(inner, sizeof inner, "%s/store", data);
    for (int keep = 1; keep >= 0; keep--) {
        struct tarn_mock_options o = { .program = TARND,
                                       .data = inner,
                                       .buckets = buckets,
                                       .bucket_count = keep ? 2 : 1,
                                       .keep = keep != 0 };
        struct tarn_error err = { 0 };
        struct tarn_mock *mock = tarn_mock_start(&o, &err);
        int count = 0;
        if (!mock)
            fail_msg("%s", err.message);
        struct tarn_client *client = tarn_mock_client(mock, &err);
        assert_int_equal(tarn_bucket_list(client, NULL, count_bucket, &count, &err), TARN_OK);
        assert_int_equal(count, 2);
        tarn_client_free(client);
        assert_string_equal(tarn_mock_data(mock), inner);
        assert_int_equal(tarn_mock_stop(mock, &err), TARN_OK);
        assert_int_equal(stat(inner, &st), 0); /* the second time it was there before */
    }
    struct tarn_mock_options o = { .program = TARND };
    struct tarn_mock *mock = tarn_mock_start(&o, NULL);
    assert_non_null(mock);
    (void)snprintf(inner, sizeof inner, "%s", tarn_mock_data(mock));
    assert_int_equal(stat(inner, &st), 0);
    assert_int_equal(kill(tarn_mock_pid(mock), SIGKILL), 0);
    assert_int_equal(tarn_mock_stop(mock, NULL), TARN_EIO); /* it did not end well */
    assert_int_equal(stat(inner, &st), -1);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", data);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
