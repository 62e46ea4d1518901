/* SPDX-License-Identifier: Apache-2.0 */
/* Walking directories with loops, special files and depths in them. */

#include "unit/t.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/name_sort.h"
#include "cli/walk.h"

struct seen {
    char base[64];
    struct tn_buf files; /* names, each with a line break, as they came */
    struct tn_buf skips;
    int file_count;
    size_t linked_count; /* of them, below a link to a directory */
    int stop_after;      /* 0: never */
    unsigned flags;
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
    struct tarn_error err = { 0 };
    struct cli_walk *w = cli_walk_open(root, seen->flags, &err);
    const struct cli_walk_entry *e = NULL;
    if (!w)
        return err.status;
    int rc;
    while ((rc = cli_walk_next(w, &e, &err)) == TARN_OK && e) {
        seen->linked_count += !e->is_skipped && e->is_linked;
        if (e->is_skipped)
            on_skipped(seen, e->path, &e->err);
        else
            rc = on_file(seen, e->path, e->name, &e->st);
        if (rc < 0)
            break;
    }
    cli_walk_close(w);
    return rc;
}

static void test_tree(void **state)
{
    struct seen *seen = *state;
    run(seen, "mkdir -p a/b empty && touch top a/one a/b/two && ln -s a/one link && ln -s a dir && "
              "ln -s .. a/loop && ln -s nowhere broken && mkfifo pipe");
    assert_int_equal(walk(seen, seen->base), TARN_OK);
    /* top, a/one, a/b/two, link, dir/one, dir/b/two */
    assert_int_equal(seen->file_count, 6);
    assert_int_equal(seen->linked_count, 2);
    assert_non_null(strstr(seen->files.data, "dir/b/two\n"));
    assert_non_null(strstr(seen->skips.data, "/a/loop: TARN_ENOTSUPPORTED\n"));
    assert_non_null(strstr(seen->skips.data, "/broken: TARN_ENOTFOUND\n"));
    assert_non_null(strstr(seen->skips.data, "/pipe: TARN_ENOTSUPPORTED\n"));
}

/* As S3 lists the same keys: "a.txt" before "a/x" before "a0". */
static void test_order(void **state)
{
    struct seen *seen = *state;
    run(seen, "mkdir -p a b/c && touch a/x a.txt a0 a-b b/c/z b/c.d B '\xc3\xa9' && ln -s a ab");
    assert_int_equal(walk(seen, seen->base), TARN_OK);
    assert_string_equal(seen->files.data, "B\na-b\na.txt\na/x\na0\nab/x\nb/c.d\nb/c/z\n\xc3\xa9\n");
}

static void test_links_left_out(void **state)
{
    struct seen *seen = *state;
    run(seen, "mkdir d && touch d/x && ln -s d l && ln -s d/x m && ln -s nowhere n");
    seen->flags = CLI_WALK_NO_LINKS;
    assert_int_equal(walk(seen, seen->base), TARN_OK);
    assert_string_equal(seen->files.data, "d/x\n");
    assert_null(strstr(seen->skips.data, "TARN_ENOTFOUND"));
}

/* Names that do not fit into the memory go through a file. */
static void test_sort(void **state)
{
    struct cli_name_sort s;
    struct tarn_error err;
    char name[32];
    char last[32];
    (void)state;
    for (size_t memory = 64; memory < 200000; memory *= 7) {
        size_t count = 0;
        const char *next = NULL;
        cli_name_sort_init(&s, memory);
        for (unsigned i = 0; i < 5000; i++) {
            (void)snprintf(name, sizeof name, "%u", i * 7919u % 100003u);
            if (s.run_count < CLI_NAME_SORT_RUNS_MAX - 1)
                assert_int_equal(cli_name_sort_add(&s, name, &err), TARN_OK);
        }
        assert_int_equal(cli_name_sort_finish(&s, &err), TARN_OK);
        last[0] = '\0';
        while (cli_name_sort_next(&s, &next, &err) == TARN_OK && next) {
            assert_true(strcmp(last, next) < 0);
            (void)snprintf(last, sizeof last, "%s", next);
            count++;
        }
        assert_int_equal(count, 5000);
        cli_name_sort_release(&s);
    }
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
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_left_out, set_up, tear_down),
        cmocka_unit_test(test_sort),
        cmocka_unit_test_setup_teardown(test_slash_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("cli_walk", tests, NULL, NULL);
}
