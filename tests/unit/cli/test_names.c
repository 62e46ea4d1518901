/* SPDX-License-Identifier: Apache-2.0 */
/* The set of names, the worker pool, media types. */

#include "unit/t.h"

#include <stdatomic.h>

#include "cli/mime.h"
#include "cli/names.h"
#include "cli/worker_pool.h"

enum { MANY = 5000 };

static int add_many(void *arg)
{
    struct cli_names names = { 0 };
    int rc = TARN_OK;
    for (int i = 0; rc == TARN_OK && i < *(int *)arg; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%d", i);
        rc = cli_names_add(&names, name);
        if (rc == TARN_OK)
            rc = cli_names_add(&names, name) == TARN_ENOMEM ? TARN_ENOMEM : TARN_OK;
    }
    cli_names_release(&names);
    return rc;
}

static void test_names(void **state)
{
    (void)state;
    int count = MANY;
    assert_int_equal(add_many(&count), TARN_OK);
    count = 100;
    t_oom_sweep(add_many, &count);

    struct cli_names names = { 0 };
    assert_int_equal(cli_names_add(&names, ""), TARN_OK);
    assert_int_equal(cli_names_add(&names, ""), TARN_EEXISTS);
    assert_int_equal(cli_names_add(&names, "A"), TARN_OK);
    assert_int_equal(cli_names_add(&names, "a"), TARN_OK);
    cli_names_release(&names);
}

static void count_item(void *arg, void *item)
{
    atomic_fetch_add((_Atomic uint64_t *)arg, *(uint64_t *)item);
    tn_free(item);
}

static void test_pool(void **state)
{
    static const size_t workers[] = { 1, 2, 16 };
    (void)state;
    for (size_t w = 0; w < TN_COUNT(workers); w++) {
        _Atomic uint64_t sum = 0;
        struct cli_pool *pool = cli_pool_new(workers[w], count_item, &sum);
        assert_non_null(pool);
        for (uint64_t i = 1; i <= MANY; i++) {
            uint64_t *item = tn_realloc(NULL, sizeof *item);
            *item = i;
            cli_pool_submit(pool, item);
        }
        cli_pool_free(pool);
        assert_int_equal(atomic_load(&sum), (uint64_t)MANY * (MANY + 1) / 2);
    }
    cli_pool_free(cli_pool_new(4, count_item, NULL));
    cli_pool_free(NULL);
    tn_mem_fail_after(1);
    assert_null(cli_pool_new(4, count_item, NULL));
    tn_mem_fail_after(2);
    assert_null(cli_pool_new(4, count_item, NULL));
    tn_mem_fail_after(3);
    assert_null(cli_pool_new(4, count_item, NULL));
    tn_mem_fail_after(0);
}

static void test_mime(void **state)
{
    static const char *const rows[][2] = {
        { "a.txt", "text/plain" },
        { "dir.txt/a.JSON", "application/json" },
        { "a.tar.gz", "application/gzip" },
        { "dir.txt/a", "application/octet-stream" },
        { ".txt", "application/octet-stream" },
        { "d/.html", "application/octet-stream" },
        { "a.", "application/octet-stream" },
        { "", "application/octet-stream" },
        { "a.unknown", "application/octet-stream" },
        { "html", "application/octet-stream" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        print_message("%s\n", rows[i][0]);
        assert_string_equal(cli_mime_guess(rows[i][0]), rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_mime),
    };
    return cmocka_run_group_tests_name("cli_names", tests, NULL, NULL);
}
