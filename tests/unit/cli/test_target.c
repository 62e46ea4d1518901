/* SPDX-License-Identifier: Apache-2.0 */
/* No key leaves the directory of a download. */

#include "unit/t.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/target.h"

static const struct {
    const char *name;
    int rc;
} cases[] = {
    { "a", TARN_OK },
    { "a/b/c", TARN_OK },
    { "a/", TARN_OK },
    { "..a", TARN_OK },
    { "a..", TARN_OK },
    { "...", TARN_OK },
    { ".hidden/x", TARN_OK },
    { "a\nb", TARN_OK },
    { "a\\..\\b", TARN_OK },
    { "", TARN_EDENIED },
    { "/", TARN_EDENIED },
    { "/etc/passwd", TARN_EDENIED },
    { "..", TARN_EDENIED },
    { "../x", TARN_EDENIED },
    { "a/..", TARN_EDENIED },
    { "a/../b", TARN_EDENIED },
    { "a/../../b", TARN_EDENIED },
    { "a//b", TARN_EDENIED },
    { "a//", TARN_EDENIED },
    { ".", TARN_EDENIED },
    { "./a", TARN_EDENIED },
    { "a/./b", TARN_EDENIED },
    { "a/.", TARN_EDENIED },
    { "../", TARN_EDENIED },
};

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tarn_error err = { 0 };
        print_message("\"%s\"\n", cases[i].name);
        assert_int_equal(cli_target_check(cases[i].name, &err), cases[i].rc);
    }
}

struct place {
    char base[64];
    struct cli_target target;
};

static int set_up(void **state)
{
    struct place *p = tn_calloc(1, sizeof *p);
    char root[80];
    (void)snprintf(p->base, sizeof p->base, "/tmp/tarn-target-XXXXXX");
    assert_non_null(mkdtemp(p->base));
    (void)snprintf(root, sizeof root, "%s/new/root", p->base);
    assert_int_equal(cli_target_init(&p->target, root, NULL), TARN_OK);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", p->base);
    assert_int_equal(system(command), 0);
    cli_target_release(&p->target);
    tn_free(p);
    return 0;
}

static void make_link(struct place *p, const char *to, const char *name)
{
    TN_AUTO_BUF path = TN_BUF_INIT(1000);
    assert_int_equal(cli_path_join(&path, p->target.root, name), TARN_OK);
    assert_int_equal(symlink(to, path.data), 0);
}

static int prepare(struct place *p, const char *name)
{
    TN_AUTO_BUF path = TN_BUF_INIT(1000);
    struct tarn_error err = { 0 };
    int rc = cli_target_prepare(&p->target, name, &path, &err);
    if (rc < 0)
        assert_int_equal(path.len, 0);
    return rc;
}

static bool exists(struct place *p, const char *name)
{
    TN_AUTO_BUF path = TN_BUF_INIT(1000);
    struct stat st;
    assert_int_equal(cli_path_join(&path, p->base, name), TARN_OK);
    return stat(path.data, &st) == 0;
}

static void test_prepare(void **state)
{
    struct place *p = *state;
    assert_int_equal(prepare(p, "a/b/file"), TARN_OK);
    assert_true(exists(p, "new/root/a/b"));
    assert_false(exists(p, "new/root/a/b/file"));
    assert_int_equal(prepare(p, "marker/"), TARN_OK);
    assert_true(exists(p, "new/root/marker"));
    assert_int_equal(prepare(p, "../evil/x"), TARN_EDENIED);
    assert_int_equal(prepare(p, "a/../../evil/x"), TARN_EDENIED);
    assert_int_equal(prepare(p, "/tmp/x"), TARN_EDENIED);
    assert_false(exists(p, "new/evil"));
}

static void test_links(void **state)
{
    struct place *p = *state;
    assert_int_equal(prepare(p, "inside/x"), TARN_OK);
    make_link(p, "..", "up");
    make_link(p, "/", "slash");
    make_link(p, "inside", "good");
    make_link(p, "nowhere", "broken");
    make_link(p, "loop", "loop");
    assert_int_equal(prepare(p, "up/x/y"), TARN_EDENIED);
    assert_int_equal(prepare(p, "up/"), TARN_EDENIED);
    assert_false(exists(p, "new/x"));
    assert_int_equal(prepare(p, "slash/tmp/x"), TARN_EDENIED);
    assert_int_equal(prepare(p, "good/sub/x"), TARN_OK);
    assert_true(exists(p, "new/root/inside/sub"));
    assert_int_equal(prepare(p, "broken/x"), TARN_ENOTFOUND);
    assert_true(prepare(p, "loop/x") < 0);

    /* A sibling whose name begins like the root's is outside all the same. */
    TN_AUTO_BUF sibling = TN_BUF_INIT(1000);
    assert_int_equal(cli_path_join(&sibling, p->base, "new/root2"), TARN_OK);
    assert_int_equal(mkdir(sibling.data, 0777), 0);
    make_link(p, sibling.data, "sibling");
    assert_int_equal(prepare(p, "sibling/x"), TARN_EDENIED);
}

static void test_file_in_the_way(void **state)
{
    struct place *p = *state;
    TN_AUTO_BUF path = TN_BUF_INIT(1000);
    assert_int_equal(cli_target_prepare(&p->target, "file", &path, NULL), TARN_OK);
    FILE *file = fopen(path.data, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(prepare(p, "file/x"), TARN_EEXISTS);
    assert_int_equal(prepare(p, "file/"), TARN_EEXISTS);
}

static int prepare_for_sweep(void *arg)
{
    TN_AUTO_BUF path = TN_BUF_INIT(1000);
    struct place *p = arg;
    return cli_target_prepare(&p->target, "a/b/c", &path, NULL);
}

static void test_oom(void **state)
{
    t_oom_sweep(prepare_for_sweep, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test_setup_teardown(test_prepare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_in_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oom, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("cli_target", tests, NULL, NULL);
}
