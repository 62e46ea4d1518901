/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of buckets: the stored form, snapshots, racing changes. */

#include "server/api/bucket_config.h"

#include <pthread.h>
#include <stdatomic.h>

#include "server/store/mem/mem_store.h"
#include "unit/t.h"

/* --- The stored form --- */

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct tn_str meta;
        struct tn_str location;
        struct tn_str policy;
        int rc;
    } cases[] = {
        { "empty", TN_STR(""), TN_STR(""), TN_STR(""), TARN_OK },
        { "version only", TN_STR("\1"), TN_STR(""), TN_STR(""), TARN_OK },
        { "region of an old store", TN_STR("\1\7\0\2\0\0\0eu"), TN_STR("eu"), TN_STR(""), TARN_OK },
        { "policy", TN_STR("\1\xcb\0\2\0\0\0{}"), TN_STR(""), TN_STR("{}"), TARN_OK },
        { "unknown tag", TN_STR("\1\xff\x7f\1\0\0\0x\xcb\0\2\0\0\0{}"), TN_STR(""), TN_STR("{}"),
          TARN_OK },
        { "other version", TN_STR("\2"), TN_STR(""), TN_STR(""), TARN_ECORRUPT },
        { "half an entry", TN_STR("\1\xcb\0\2\0"), TN_STR(""), TN_STR(""), TARN_ECORRUPT },
        { "too long", TN_STR("\1\xcb\0\3\0\0\0{}"), TN_STR(""), TN_STR(""), TARN_ECORRUPT },
        { "huge length", TN_STR("\1\xcb\0\xff\xff\xff\xff{}"), TN_STR(""), TN_STR(""),
          TARN_ECORRUPT },
        { "bad one behind a good one", TN_STR("\1\7\0\2\0\0\0eu\xcb"), TN_STR(""), TN_STR(""),
          TARN_ECORRUPT },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_str sections[BUCKET_SECTION_COUNT] = { 0 };
        int rc = bucket_sections_decode(cases[i].meta, sections);
        if (rc != cases[i].rc || !tn_str_eq(sections[BUCKET_LOCATION], cases[i].location) ||
            !tn_str_eq(sections[BUCKET_POLICY], cases[i].policy))
            fail_msg("%s: %d", cases[i].name, rc);
    }
}

static void test_round(void **state)
{
    (void)state;
    TN_AUTO_BUF out = TN_BUF_INIT(BUCKET_CONFIG_LEN_MAX);
    struct tn_str sections[BUCKET_SECTION_COUNT] = { 0 };
    struct tn_str found[BUCKET_SECTION_COUNT] = { 0 };
    for (unsigned i = 0; i < BUCKET_SECTION_COUNT; i += 2)
        sections[i] = tn_str_sub(TN_STR("abcdefghijklmnopqrstuvwxyz"), 0, i + 1);
    assert_int_equal(bucket_sections_encode(sections, &out), TARN_OK);
    assert_int_equal(bucket_sections_decode(tn_buf_str(&out), found), TARN_OK);
    for (unsigned i = 0; i < BUCKET_SECTION_COUNT; i++)
        assert_true(tn_str_eq(sections[i], found[i]));

    TN_AUTO_BUF small = TN_BUF_INIT(100);
    assert_int_equal(bucket_sections_encode(sections, &small), TARN_ETOOBIG);
    assert_int_equal(small.len, 0);
}

/* --- Changes --- */

static int count_bytes(struct tn_arena *arena, struct tn_str text, const void **form)
{
    size_t *len = tn_arena_alloc(arena, sizeof *len);
    if (!len)
        return TARN_ENOMEM;
    if (tn_str_eq(text, TN_STR("bad")))
        return TARN_EINVAL;
    *len = text.len;
    *form = len;
    return TARN_OK;
}

static const struct bucket_form forms[] = { { BUCKET_TAGGING, count_bytes } };

struct fixture {
    struct store *store;
    struct bucket_configs *configs;
};

static void start(struct fixture *f)
{
    struct mem_store_config config = { 0 };
    assert_int_equal(mem_store_open(&config, &f->store, NULL), TARN_OK);
    f->configs = bucket_configs_new(f->store, forms, TN_COUNT(forms));
    assert_non_null(f->configs);
}

static void stop(struct fixture *f)
{
    bucket_configs_free(f->configs);
    f->store->ops->close(f->store);
}

/* A change and the means to wait for it. */
struct waiting {
    struct bucket_change change;
    enum bucket_section section;
    struct tn_str text;
    int judgement;
    pthread_mutex_t lock;
    pthread_cond_t is_over;
    bool is_done;
};

static int edit(struct bucket_change *change, const struct bucket_config *now,
                struct tn_str sections[BUCKET_SECTION_COUNT])
{
    const struct waiting *w = change->user;
    assert_true((now == NULL) == (change->op == STORE_BUCKET_CREATE));
    sections[w->section] = w->text;
    return w->judgement;
}

static void on_done(struct bucket_change *change)
{
    struct waiting *w = change->user;
    (void)pthread_mutex_lock(&w->lock);
    w->is_done = true;
    (void)pthread_cond_signal(&w->is_over);
    (void)pthread_mutex_unlock(&w->lock);
}

static int apply(struct fixture *f, enum store_op op, const char *name, struct waiting *w)
{
    w->change = (struct bucket_change){
        .op = op, .name = tn_str_from(name), .edit = edit, .done = on_done, .user = w
    };
    w->is_done = false;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->is_over, NULL);
    bucket_change_commit(f->configs, &w->change);
    (void)pthread_mutex_lock(&w->lock);
    while (!w->is_done)
        (void)pthread_cond_wait(&w->is_over, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_cond_destroy(&w->is_over);
    (void)pthread_mutex_destroy(&w->lock);
    return w->change.status;
}

static int set(struct fixture *f, enum store_op op, enum bucket_section section, const char *text)
{
    struct waiting w = { .section = section, .text = tn_str_from(text) };
    return apply(f, op, "bucket", &w);
}

static void test_change(void **state)
{
    (void)state;
    struct fixture f;
    struct bucket_config *before = NULL;
    struct bucket_config *after = NULL;
    start(&f);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &before), TARN_ENOBUCKET);
    assert_int_equal(set(&f, STORE_BUCKET_CONFIG, BUCKET_TAGGING, "x"), TARN_ENOBUCKET);
    assert_int_equal(set(&f, STORE_BUCKET_CREATE, BUCKET_LOCATION, "eu"), TARN_OK);
    assert_int_equal(set(&f, STORE_BUCKET_CREATE, BUCKET_LOCATION, "us"), TARN_EEXISTS);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &before), TARN_OK);
    assert_null(bucket_config_form(before, BUCKET_TAGGING));
    assert_int_equal(set(&f, STORE_BUCKET_CONFIG, BUCKET_TAGGING, "four"), TARN_OK);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &after), TARN_OK);
    assert_str_equal(bucket_config_get(before, BUCKET_TAGGING), "");
    assert_str_equal(bucket_config_get(after, BUCKET_TAGGING), "four");
    assert_str_equal(bucket_config_get(after, BUCKET_LOCATION), "eu");
    assert_int_equal(*(const size_t *)bucket_config_form(after, BUCKET_TAGGING), 4);
    assert_int_equal(bucket_config_created_ms(before), bucket_config_created_ms(after));
    assert_true(tn_str_eq(bucket_config_name(after), TN_STR("bucket")));
    bucket_config_unref(before);
    bucket_config_unref(after);

    assert_int_equal(set(&f, STORE_BUCKET_CONFIG, BUCKET_TAGGING, "bad"), TARN_OK);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &after), TARN_OK);
    assert_null(bucket_config_form(after, BUCKET_TAGGING));
    bucket_config_unref(after);

    assert_int_equal(set(&f, STORE_BUCKET_DELETE, BUCKET_TAGGING, ""), TARN_OK);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &after), TARN_ENOBUCKET);
    assert_int_equal(set(&f, STORE_BUCKET_CREATE, BUCKET_POLICY, "{}"), TARN_OK);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &after), TARN_OK);
    assert_str_equal(bucket_config_get(after, BUCKET_TAGGING), "");
    bucket_config_unref(after);
    stop(&f);
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct bucket_config *config = NULL;
    start(&f);
    struct waiting w = { .section = BUCKET_POLICY,
                         .text = TN_STR("{}"),
                         .judgement = TARN_EDENIED };
    assert_int_equal(set(&f, STORE_BUCKET_CREATE, BUCKET_LOCATION, "eu"), TARN_OK);
    assert_int_equal(apply(&f, STORE_BUCKET_CONFIG, "bucket", &w), TARN_EDENIED);
    char *huge = tn_calloc(1, BUCKET_CONFIG_LEN_MAX + 1);
    assert_non_null(huge);
    w.judgement = TARN_OK;
    w.text = (struct tn_str){ huge, BUCKET_CONFIG_LEN_MAX };
    assert_int_equal(apply(&f, STORE_BUCKET_CONFIG, "bucket", &w), TARN_ETOOBIG);
    tn_free(huge);
    assert_int_equal(bucket_configs_get(f.configs, TN_STR("bucket"), &config), TARN_OK);
    assert_str_equal(bucket_config_get(config, BUCKET_POLICY), "");
    assert_str_equal(bucket_config_get(config, BUCKET_LOCATION), "eu");
    bucket_config_unref(config);
    stop(&f);
}

static void test_many(void **state)
{
    (void)state;
    struct fixture f;
    char name[32];
    start(&f);
    for (int i = 0; i < BUCKET_CACHE_COUNT_MAX + 100; i++) {
        struct bucket_config *config = NULL;
        (void)snprintf(name, sizeof name, "bucket%d", i);
        struct waiting w = { .section = BUCKET_LOCATION, .text = tn_str_from(name) };
        assert_int_equal(apply(&f, STORE_BUCKET_CREATE, name, &w), TARN_OK);
        assert_int_equal(bucket_configs_get(f.configs, tn_str_from(name), &config), TARN_OK);
        assert_true(tn_str_eq(bucket_config_get(config, BUCKET_LOCATION), tn_str_from(name)));
        bucket_config_unref(config);
    }
    stop(&f);
}

/* --- Races --- */

enum { RACE_ROUNDS = 200 };

struct racer {
    struct fixture *f;
    enum bucket_section section;
};

/* What was set is there at once, whatever others set meanwhile. */
static void *race(void *arg)
{
    const struct racer *racer = arg;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char text[32];
        struct bucket_config *config = NULL;
        (void)snprintf(text, sizeof text, "%d", i);
        assert_int_equal(set(racer->f, STORE_BUCKET_CONFIG, racer->section, text), TARN_OK);
        assert_int_equal(bucket_configs_get(racer->f->configs, TN_STR("bucket"), &config), TARN_OK);
        assert_true(tn_str_eq(bucket_config_get(config, racer->section), tn_str_from(text)));
        bucket_config_unref(config);
    }
    return NULL;
}

static void test_race(void **state)
{
    (void)state;
    static const enum bucket_section sections[] = { BUCKET_POLICY, BUCKET_TAGGING, BUCKET_CORS,
                                                    BUCKET_ACL };
    struct fixture f;
    struct racer racers[TN_COUNT(sections)];
    pthread_t threads[TN_COUNT(sections)];
    start(&f);
    assert_int_equal(set(&f, STORE_BUCKET_CREATE, BUCKET_LOCATION, "eu"), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(sections); i++) {
        racers[i] = (struct racer){ &f, sections[i] };
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < TN_COUNT(sections); i++)
        (void)pthread_join(threads[i], NULL);
    stop(&f);
}

/* --- Out of memory --- */

static int change_once(void *arg)
{
    struct fixture *f = arg;
    struct bucket_config *config = NULL;
    int rc = set(f, STORE_BUCKET_CONFIG, BUCKET_TAGGING, "text");
    if (rc == TARN_OK)
        rc = bucket_configs_get(f->configs, TN_STR("bucket"), &config);
    bucket_config_unref(config);
    return rc;
}

static void test_no_memory(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    assert_int_equal(set(&f, STORE_BUCKET_CREATE, BUCKET_LOCATION, "eu"), TARN_OK);
    t_oom_sweep(change_once, &f);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),    cmocka_unit_test(test_round),
        cmocka_unit_test(test_change),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_race),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
