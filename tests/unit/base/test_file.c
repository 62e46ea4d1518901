/* SPDX-License-Identifier: Apache-2.0 */
/* Files and error records, in a directory of their own. */

#include "base/fail.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/t.h"

struct place {
    char directory[64];
    char path[128]; /* a file in it, not there at first */
};

static int set_up(void **state)
{
    struct place *place = tn_calloc(1, sizeof *place);
    if (!place)
        return -1;
    (void)snprintf(place->directory, sizeof place->directory, "/tmp/tarn-test-XXXXXX");
    if (!mkdtemp(place->directory))
        return -1;
    (void)snprintf(place->path, sizeof place->path, "%s/file", place->directory);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    (void)unlink(place->path);
    int rc = rmdir(place->directory); /* fails when a temporary file was left */
    tn_free(place);
    return rc;
}

static void test_replace_and_read(void **state)
{
    struct place *place = *state;
    struct tarn_error err = { 0 };
    TN_AUTO_BUF b = TN_BUF_INIT(100);
    assert_int_equal(tn_buf_append_text(&b, "old"), TARN_OK);
    assert_int_equal(tn_file_read(place->path, &b, &err), TARN_ENOTFOUND);
    assert_non_null(strstr(err.message, "could not open file \""));
    assert_string_equal(b.data, "old");

    assert_int_equal(tn_file_replace(place->path, TN_STR("one"), 0644, &err), TARN_OK);
    assert_int_equal(tn_file_replace(place->path, TN_STR("second"), 0600, &err), TARN_OK);
    assert_int_equal(tn_file_read(place->path, &b, &err), TARN_OK);
    assert_string_equal(b.data, "second");
    assert_int_equal(b.max, 100);
    struct stat info;
    assert_int_equal(stat(place->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    assert_int_equal(tn_file_replace(place->path, TN_STR_EMPTY, 0600, &err), TARN_OK);
    assert_int_equal(tn_file_read(place->path, &b, &err), TARN_OK);
    assert_int_equal(b.len, 0);
}

static void test_read_limit(void **state)
{
    struct place *place = *state;
    struct tarn_error err = { 0 };
    assert_int_equal(tn_file_replace(place->path, TN_STR("0123456789"), 0600, &err), TARN_OK);
    TN_AUTO_BUF exact = TN_BUF_INIT(10);
    assert_int_equal(tn_file_read(place->path, &exact, &err), TARN_OK);
    assert_int_equal(exact.len, 10);
    TN_AUTO_BUF small = TN_BUF_INIT(9);
    assert_int_equal(tn_file_read(place->path, &small, &err), TARN_ETOOBIG);
    assert_int_equal(small.len, 0);
    assert_non_null(strstr(err.message, "more than 9 bytes"));
    TN_AUTO_BUF none = TN_BUF_INIT(0);
    assert_int_equal(tn_file_read(place->path, &none, NULL), TARN_ETOOBIG);
    assert_true(tn_file_read(place->directory, &exact, &err) < 0);
}

static int read_once(void *arg)
{
    struct place *place = arg;
    TN_AUTO_BUF b = TN_BUF_INIT(1000);
    return tn_file_read(place->path, &b, NULL);
}

static void test_out_of_memory(void **state)
{
    struct place *place = *state;
    assert_int_equal(tn_file_replace(place->path, TN_STR("text"), 0600, NULL), TARN_OK);
    t_oom_sweep(read_once, place);
}

static void test_replace_failures(void **state)
{
    struct place *place = *state;
    struct tarn_error err = { 0 };
    char path[8192];
    (void)snprintf(path, sizeof path, "%s/none/file", place->directory);
    assert_int_equal(tn_file_replace(path, TN_STR("x"), 0600, &err), TARN_ENOTFOUND);
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(tn_file_replace(path, TN_STR("x"), 0600, &err), TARN_ETOOBIG);
    /* A directory is in the way: the temporary file is gone afterwards, or tear_down fails. */
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_true(tn_file_replace(place->path, TN_STR("x"), 0600, &err) < 0);
    assert_int_equal(rmdir(place->path), 0);
}

static void test_positions(void **state)
{
    struct place *place = *state;
    char bytes[8] = "";
    TN_AUTO_FD fd = open(place->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(tn_fd_write(fd, "abcdef", 6), TARN_OK);
    assert_int_equal(tn_fd_pwrite(fd, "XY", 2, 2), TARN_OK);
    assert_int_equal(tn_fd_pread(fd, bytes, 8, 1), 5);
    assert_string_equal(bytes, "bXYef");
    assert_int_equal(tn_fd_pread(fd, bytes, 8, 6), 0);
    assert_int_equal(tn_fd_pread(fd, bytes, 0, 0), 0);
    TN_AUTO_FD closed = -1;
    assert_true(tn_fd_pread(closed, bytes, 8, 0) < 0);
    assert_true(tn_fd_pwrite(closed, bytes, 8, 0) < 0);
    assert_true(tn_fd_write(closed, bytes, 8) < 0);
    TN_AUTO_FD full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full >= 0)
        assert_int_equal(tn_fd_write(full, "x", 1), TARN_ENOSPACE);
    errno = ERANGE;
    tn_fd_close(&fd);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(fd, -1);
    tn_fd_close(&fd);
}

static void test_directories(void **state)
{
    struct place *place = *state;
    struct tarn_error err = { 0 };
    char path[256];
    (void)snprintf(path, sizeof path, "%s/a/b//c/", place->directory);
    assert_int_equal(tn_dir_make(path, 0700, &err), TARN_OK);
    assert_int_equal(tn_dir_make(path, 0700, &err), TARN_OK);
    assert_int_equal(tn_dir_sync(path, &err), TARN_OK);
    static const char *const parts[] = { "a/b/c", "a/b", "a" };
    for (size_t i = 0; i < TN_COUNT(parts); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", place->directory, parts[i]);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(tn_dir_sync(path, &err), TARN_ENOTFOUND);
    assert_int_equal(tn_dir_make("", 0700, &err), TARN_EINVAL);
    assert_int_equal(tn_file_replace(place->path, TN_STR("x"), 0600, &err), TARN_OK);
    assert_int_equal(tn_dir_make(place->path, 0700, &err), TARN_EEXISTS);
    (void)snprintf(path, sizeof path, "%s/below", place->path);
    assert_true(tn_dir_make(path, 0700, &err) < 0);
}

static void test_fail(void **state)
{
    (void)state;
    struct tarn_error err = { .http_status = 500, .s3_code = "Old" };
    errno = ERANGE;
    assert_int_equal(tn_fail(&err, TARN_EINVAL, "bad \"%s\"", "a\r\nb\x7f"), TARN_EINVAL);
    assert_int_equal(errno, ERANGE);
    assert_string_equal(err.message, "bad \"a  b \"");
    assert_int_equal(err.status, TARN_EINVAL);
    assert_int_equal(err.http_status, 0);
    assert_string_equal(err.s3_code, "");
    assert_int_equal(tn_fail(NULL, TARN_EIO, "x"), TARN_EIO);

    errno = ENOSPC;
    assert_int_equal(tn_fail_errno(&err, "could not write \"%s\"", "f"), TARN_ENOSPACE);
    assert_string_equal(err.message, "could not write \"f\": No space left on device");
    assert_int_equal(errno, ENOSPC);
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(tn_fail_errno(&err, "%s", text), TARN_ENOSPACE);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void test_statuses(void **state)
{
    (void)state;
    assert_string_equal(tarn_status_name(TARN_ENOMEM), "TARN_ENOMEM");
    assert_string_equal(tarn_status_text(TARN_OK), "success");
    assert_string_equal(tarn_status_name(1), "unknown");
    assert_string_equal(tarn_status_text(-1000), "unknown status");
    assert_int_equal(tn_status_from_errno(ENOENT), TARN_ENOTFOUND);
    assert_int_equal(tn_status_from_errno(EDQUOT), TARN_ENOSPACE);
    assert_int_equal(tn_status_from_errno(EIO), TARN_EIO);
    assert_int_equal(tn_status_from_errno(0), TARN_EIO);
    assert_int_equal(tn_status_from_errno(-1), TARN_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replace_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replace_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_positions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directories, set_up, tear_down),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
