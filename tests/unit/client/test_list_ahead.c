/* SPDX-License-Identifier: Apache-2.0 */
/* Listings with several pages on their way: each key comes once and in order, whatever becomes of
 * the pages that were guessed at, and of the memory. */

#include "unit/t.h"

#include <tarn/client.h>
#include <tarn/list.h>

#include "unit/client/list_server.h"

static bool use_curl;

static struct tarn_client *connect_to(struct list_server *s, int retries_max,
                                      struct tarn_error *err)
{
    struct tarn_config config;
    tarn_config_init(&config);
    config.endpoint = list_server_url(s);
    config.access_key = "AK";
    config.secret_key = "SK";
    config.ignore_environment = true;
    config.use_curl = use_curl;
    config.retries_max = retries_max;
    config.retry_base_ms = 1;
    return tarn_client_new(&config, err);
}

/* No key twice, none out of order; of those always there, none missing before the last. `*next` is
 * the number behind that. */
static void check_key(const struct list_plan *plan, const struct tarn_list_entry *entry,
                      size_t *next)
{
    uint64_t i;
    struct tn_str digits = tn_str_sub((struct tn_str){ entry->key, entry->key_len }, 1, SIZE_MAX);
    assert_int_equal(entry->key_len, LIST_SERVER_KEY_LEN);
    assert_int_equal(tn_str_to_u64(digits, &i), TARN_OK);
    assert_int_equal(entry->size, 1);
    assert_true(i >= *next && i < plan->keys);
    for (; *next < i; (*next)++)
        assert_false(list_server_is_steady(plan, *next));
    *next = i + 1;
}

static int list_all(struct tarn_client *client, const struct list_plan *plan,
                    struct tarn_error *err)
{
    struct tarn_list_options options = { .page_size = LIST_SERVER_PAGE };
    const struct tarn_list_entry *entry = NULL;
    size_t next = 0;
    int rc = TARN_OK;
    struct tarn_list *list = tarn_list_open(client, "bkt", &options, err);
    if (!list)
        return err->status;
    while ((rc = tarn_list_next(list, &entry, err)) == TARN_OK && entry)
        check_key(plan, entry, &next);
    if (rc < 0)
        assert_int_equal(tarn_list_next(list, &entry, NULL), rc);
    tarn_list_free(list);
    for (; rc == TARN_OK && next < plan->keys; next++)
        assert_false(list_server_is_steady(plan, next));
    return rc;
}

static const struct {
    const char *name;
    struct list_plan plan;
    int retries_max;
    int rc;
} cases[] = {
    { "all is well", { 0 }, 0, TARN_OK },
    { "500 for guesses", { .guessed = LIST_500 }, 0, TARN_OK },
    { "503 for guesses", { .guessed = LIST_503 }, 0, TARN_OK },
    { "guesses are cut", { .guessed = LIST_CUT }, 0, TARN_OK },
    { "guesses end early", { .guessed = LIST_SHORT }, 0, TARN_OK },
    { "guesses are no listings", { .guessed = LIST_ANOTHER_DOC }, 0, TARN_OK },
    { "guesses are empty", { .guessed = LIST_EMPTY }, 0, TARN_OK },
    { "guesses begin at the start", { .guessed = LIST_FROM_START }, 0, TARN_OK },
    { "guesses lack their first", { .guessed = LIST_ONE_LATE }, 0, TARN_OK },
    { "guesses have one more", { .guessed = LIST_ONE_EARLY }, 0, TARN_OK },
    { "500 now and then", { .chained = LIST_500, .chained_each = 3 }, 3, TARN_OK },
    { "503 now and then", { .chained = LIST_503, .chained_each = 3 }, 3, TARN_OK },
    { "a cut now and then", { .chained = LIST_CUT, .chained_each = 3 }, 3, TARN_OK },
    { "500 everywhere now and then",
      { .guessed = LIST_500, .chained = LIST_500, .chained_each = 3 },
      3,
      TARN_OK },
    { "500 in the end",
      { .guessed = LIST_ANOTHER_DOC, .chained = LIST_500, .chained_each = 15 },
      0,
      TARN_ESERVER },
    { "503 in the end",
      { .guessed = LIST_500, .chained = LIST_503, .chained_each = 15 },
      0,
      TARN_ETHROTTLED },
    { "a cut in the end",
      { .guessed = LIST_EMPTY, .chained = LIST_CUT, .chained_each = 15 },
      0,
      TARN_ENETWORK },
    { "half a page in the end",
      { .guessed = LIST_CUT, .chained = LIST_SHORT, .chained_each = 15 },
      0,
      TARN_EPROTOCOL },
    { "keys come and go", { .changes_at = 9 }, 0, TARN_OK },
    { "keys come and go later", { .changes_at = 15 }, 0, TARN_OK },
    { "keys come and go, and guesses are cut",
      { .guessed = LIST_CUT, .changes_at = 9 },
      0,
      TARN_OK },
};

static void test_whatever_happens(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct list_plan plan = cases[i].plan;
        struct tarn_error err = { 0 };
        plan.keys = 800;
        plan.delay_ms = 3;
        print_message("  %s\n", cases[i].name);
        struct list_server *s = list_server_new(&plan);
        struct tarn_client *client = connect_to(s, cases[i].retries_max, &err);
        assert_non_null(client);
        int rc = list_all(client, &plan, &err);
        if (rc != cases[i].rc)
            fail_msg("%s: %s", tarn_status_name(rc), err.message);
        assert_true(list_server_guesses(s) > 0);
        tarn_client_free(client);
        list_server_free(s);
    }
}

/* ---- out of memory ---- */

struct world {
    struct list_plan plan;
    struct list_server *server;
};

static int list_once(void *arg)
{
    struct world *w = arg;
    struct tarn_error err = { 0 };
    struct tarn_client *client = connect_to(w->server, 0, &err);
    if (!client)
        return err.status;
    int rc = list_all(client, &w->plan, &err);
    tarn_client_free(client);
    return rc;
}

static void test_out_of_memory(void **state)
{
    struct world w = { .plan = { .keys = 200, .delay_ms = 2 } };
    (void)state;
    w.server = list_server_new(&w.plan);
    t_oom_sweep(list_once, &w);
    assert_true(list_server_guesses(w.server) > 0);
    list_server_free(w.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whatever_happens),
        cmocka_unit_test(test_out_of_memory),
    };
    int failed = cmocka_run_group_tests_name("without curl", tests, NULL, NULL);
    use_curl = true;
    return failed + cmocka_run_group_tests_name("with curl", tests, NULL, NULL);
}
