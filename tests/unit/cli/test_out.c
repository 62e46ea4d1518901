/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: whole lines from many threads, readers that go away, full disks. */

#include "unit/t.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/out.h"

enum { THREADS = 8, LINES = 2000 };

/* Standard output goes to `fd` until take_back. */
static int divert(int fd)
{
    assert_int_equal(fflush(stdout), 0);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    return kept;
}

static void take_back(int kept)
{
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    assert_int_equal(close(kept), 0);
}

struct job {
    struct cli_out *out;
    char letter;
};

static void *write_lines(void *arg)
{
    const struct job *job = arg;
    char line[200];
    for (int i = 0; i < LINES; i++) {
        size_t len = (size_t)(i % 190) + 1;
        memset(line, job->letter, len);
        if (cli_out_line(job->out, (struct tn_str){ line, len }) < 0)
            return arg;
    }
    return NULL;
}

static void check_lines(int fd)
{
    static char text[THREADS * LINES * 201];
    ssize_t len = tn_fd_pread(fd, text, sizeof text, 0);
    assert_true(len > 0);
    struct tn_str rest = { text, (size_t)len };
    size_t count = 0;
    while (rest.len) {
        struct tn_str line = tn_str_split(&rest, '\n');
        assert_true(line.len > 0);
        for (size_t i = 1; i < line.len; i++)
            assert_int_equal(line.data[i], line.data[0]);
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
}

static void test_whole_lines(void **state)
{
    char path[] = "/tmp/tarn-out-XXXXXX";
    TN_AUTO_FD fd = mkstemp(path);
    struct cli_out out;
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    void *failed = NULL;
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    int kept = divert(fd);
    cli_out_init(&out);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ &out, (char)('a' + i) };
        (void)pthread_create(&threads[i], NULL, write_lines, &jobs[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        (void)pthread_join(threads[i], &result);
        failed = result ? result : failed;
    }
    int rc = cli_out_flush(&out, NULL);
    take_back(kept);
    cli_out_release(&out);
    assert_null(failed);
    assert_int_equal(rc, TARN_OK);
    check_lines(fd);
}

/* Writes until the first failure; at most as much as any buffer holds. */
static int write_until_failure(struct cli_out *out)
{
    int rc = TARN_OK;
    for (int i = 0; rc == TARN_OK && i < 100000; i++)
        rc = cli_out_line(out, TN_STR("a line that nobody will read"));
    return rc;
}

static void test_reader_gone(void **state)
{
    int ends[2];
    struct cli_out out;
    struct tarn_error err = { 0 };
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(close(ends[0]), 0);
    int kept = divert(ends[1]);
    cli_out_init(&out);
    int rc = write_until_failure(&out);
    int later = cli_out_bytes(&out, "x", 1);
    int flushed = cli_out_flush(&out, &err);
    take_back(kept);
    assert_int_equal(rc, TARN_ENETWORK);
    assert_int_equal(later, TARN_ENETWORK);
    assert_int_equal(flushed, TARN_OK);
    assert_true(cli_out_is_closed(&out));
    cli_out_release(&out);
    assert_int_equal(close(ends[1]), 0);
}

static void test_full_disk(void **state)
{
    TN_AUTO_FD fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct cli_out out;
    struct tarn_error err = { 0 };
    (void)state;
    if (fd < 0)
        skip();
    int kept = divert(fd);
    cli_out_init(&out);
    int rc = write_until_failure(&out);
    int flushed = cli_out_flush(&out, &err);
    take_back(kept);
    assert_int_equal(rc, TARN_EIO);
    assert_int_equal(flushed, TARN_ENOSPACE);
    assert_false(cli_out_is_closed(&out));
    assert_non_null(strstr(err.message, "could not write to standard output"));
    cli_out_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_lines),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests_name("cli_out", tests, NULL, NULL);
}
