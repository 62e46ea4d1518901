/* SPDX-License-Identifier: Apache-2.0 */
/* Files on their way to their names, while others are at work in the same directory. */

#include "unit/t.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "client/partial.h"

#define THEIRS "theirs"

static char partial[TN_PARTIAL_LEN_MAX];
static int calls_left; /* until another transfer has its file at `partial` */
static bool must_fail; /* then */

/* In place of the C library's: where another program has its turn. */
int fsync(int fd)
{
    (void)fd;
    if (--calls_left != 0)
        return 0;
    (void)unlink(partial);
    TN_AUTO_FD other = open(partial, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(tn_fd_write(other, THEIRS, sizeof THEIRS - 1), TARN_OK);
    errno = EIO;
    return must_fail ? -1 : 0;
}

static void test_file_of_another_stays(void **state)
{
    static const struct {
        const char *name;
        int calls;
        bool must_fail;
        int rc;
    } cases[] = {
        { "replaced before it has its name", 1, false, TARN_EBUSY },
        { "made when it has its name, and the directory fails", 2, true, TARN_EIO },
    };
    char directory[] = "/tmp/tarn-partial-XXXXXX";
    char path[64];
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/file", directory);
    assert_int_equal(tn_partial_name(path, partial, NULL), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        const struct tarn_transfer_options options = { 0 };
        const struct tarn_object_info info = { 0 };
        const struct tn_small_file file = { path, "ours", 4, &options, &info };
        TN_AUTO_BUF found = TN_BUF_INIT(64);
        atomic_int tries = 0;
        calls_left = cases[i].calls;
        must_fail = cases[i].must_fail;
        int rc = tn_small_file_write(&file, &tries, NULL);
        if (rc != cases[i].rc || tn_file_read(partial, &found, NULL) < 0)
            fail_msg("%s: %s", cases[i].name, tarn_status_name(rc));
        assert_str_equal(tn_buf_str(&found), THEIRS);
        assert_int_equal(unlink(partial), 0);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_of_another_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
