/* SPDX-License-Identifier: Apache-2.0 */
/* Walking directories with loops, special files and depths in them. */

#include "unit/t.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/walk.h"

struct seen {
    char base[64];
    struct tn_buf files; /* names, each with a line break, in no order */
    struct tn_buf skips;
    int file_count;
    int stop_after; /* 0: never */
};

static int on_file(void *arg, const char *path, const char *name, const struct stat *st)
{
    struct seen *seen = arg;
    assert_true(S_ISREG(st->st_mode));
    assert_string_equal(path + strlen(path) - strlen(name), name);
    seen->file_count++;
    if (seen->file_count == seen->stop_after)
        return TARN_ECANCELLED;
    return tn_buf_appendf(&seen->files, "%s\n", name);
}

static void on_skipped(void *arg, const char *path, const struct tarn_error *err)
{
    struct seen *seen = arg;
    int rc = tn_buf_appendf(&seen->skips, "%s: %s\n", path, tarn_status_name(err->status));
    (void)rc;
}

static void run(struct seen *seen, const char *format)
{
    char command[512];
    char line[400];
    (void)snprintf(line, sizeof line, "%s", format);
    (void)snprintf(command, sizeof command, "cd '%s' && %s", seen->base, line);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct seen *seen = tn_calloc(1, sizeof *seen);
    (void)snprintf(seen->base, sizeof seen->base, "/tmp/tarn-walk-XXXXXX");
    assert_non_null(mkdtemp(seen->base));
    tn_buf_init(&seen->files, 1 << 20);
    tn_buf_init(&seen->skips, 1 << 20);
    *state = seen;
    return 0;
}

static int tear_down(void **state)
{
    struct seen *seen = *state;
    run(seen, "rm -rf \"$PWD\"");
    tn_buf_release(&seen->files);
    tn_buf_release(&seen->skips);
    tn_free(seen);
    return 0;
}

static int walk(struct seen *seen, const char *root)
{
    struct cli_walk_calls calls = { on_file, on_skipped, seen };
    struct tarn_error err = { 0 };
    return cli_walk(root, &calls, &err);
}

static void test_tree(void **state)
{
    struct seen *seen = *state;
    run(seen, "mkdir -p a/b empty && touch top a/one a/b/two && ln -s a/one link && ln -s a dir && "
              "ln -s .. a/loop && ln -s nowhere broken && mkfifo pipe");
    assert_int_equal(walk(seen, seen->base), TARN_OK);
    /* top, a/one, a/b/two, link, dir/one, dir/b/two */
    assert_int_equal(seen->file_count, 6);
    assert_non_null(strstr(seen->files.data, "dir/b/two\n"));
    assert_non_null(strstr(seen->skips.data, "/a/loop: TARN_ENOTSUPPORTED\n"));
    assert_non_null(strstr(seen->skips.data, "/broken: TARN_ENOTFOUND\n"));
    assert_non_null(strstr(seen->skips.data, "/pipe: TARN_ENOTSUPPORTED\n"));
}

static void test_slash_at_the_end(void **state)
{
    struct seen *seen = *state;
    char root[80];
    run(seen, "mkdir d && touch d/x");
    (void)snprintf(root, sizeof root, "%s/d/", seen->base);
    assert_int_equal(walk(seen, root), TARN_OK);
    assert_string_equal(seen->files.data, "x\n");
}

static void test_depth(void **state)
{
    struct seen *seen = *state;
    run(seen, "p=d; i=0; while [ $i -lt 300 ]; do p=$p/d; i=$((i+1)); done; mkdir -p $p; touch x");
    assert_int_equal(walk(seen, seen->base), TARN_OK);
    assert_int_equal(seen->file_count, 1);
    assert_non_null(strstr(seen->skips.data, "TARN_ETOOBIG"));
}

static void test_failures(void **state)
{
    struct seen *seen = *state;
    char root[80];
    (void)snprintf(root, sizeof root, "%s/absent", seen->base);
    assert_int_equal(walk(seen, root), TARN_ENOTFOUND);
    run(seen, "touch 1 2 3");
    (void)snprintf(root, sizeof root, "%s/1", seen->base);
    assert_true(walk(seen, root) < 0);
    seen->stop_after = 2;
    assert_int_equal(walk(seen, seen->base), TARN_ECANCELLED);
    assert_int_equal(seen->file_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slash_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("cli_walk", tests, NULL, NULL);
}
