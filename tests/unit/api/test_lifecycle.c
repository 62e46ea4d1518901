/* SPDX-License-Identifier: Apache-2.0 */
/* The lifecycle worker on versions: what was put long ago goes, by the bucket's rules, and nothing
 * else does. */

#include "server/api/lifecycle.h"

#include <time.h>

#include "base/clock.h"
#include "server/store/mem/mem_store.h"
#include "server/store/store_wait.h"
#include "unit/t.h"

#define DAY_MS INT64_C(1000) /* as the worker is told */
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LifecycleConfiguration><Rule><ID>a</ID>"
#define TAIL "<Status>Enabled</Status></Rule></LifecycleConfiguration>"

struct fixture {
    struct store *store;
    struct auth *auth;
    struct api *api;
    struct tn_buf found;
};

/* --- Changes, one by one --- */

static void apply(struct fixture *f, struct store_txn txn)
{
    txn.bucket = TN_STR("bucket");
    assert_int_equal(store_commit_wait(f->store, &txn), TARN_OK);
}

static void put(struct fixture *f, const char *key, int64_t age_days, const char *hold)
{
    TN_AUTO_BUF meta = TN_BUF_INIT(STORE_META_LEN_MAX);
    struct api_meta fields = { 0 };
    fields.fields[API_META_LEGAL_HOLD] = tn_str_from(hold);
    assert_int_equal(api_meta_encode(&fields, &meta), TARN_OK);
    struct store_txn txn = {
        .op = STORE_PUT, .key = tn_str_from(key), .meta = tn_buf_str(&meta), .bytes = TN_STR("x")
    };
    txn.head.mtime_ms = tn_wall_ms() - age_days * DAY_MS;
    txn.head.attrs = hold[0] ? API_ATTR_LOCK : 0;
    apply(f, txn);
}

static void put_marker(struct fixture *f, const char *key, int64_t age_days)
{
    struct store_txn txn = { .op = STORE_DELETE, .key = tn_str_from(key) };
    txn.head.mtime_ms = tn_wall_ms() - age_days * DAY_MS;
    apply(f, txn);
}

static void create(struct fixture *f, const char *rule, enum store_versioning versioning)
{
    TN_AUTO_BUF meta = TN_BUF_INIT(STORE_META_LEN_MAX);
    struct tn_str sections[BUCKET_SECTION_COUNT] = { 0 };
    sections[BUCKET_LIFECYCLE] = tn_str_from(rule);
    sections[BUCKET_VERSIONING] = versioning ? TN_STR("Enabled") : TN_STR_EMPTY;
    assert_int_equal(bucket_sections_encode(sections, &meta), TARN_OK);
    apply(f, (struct store_txn){
                 .op = STORE_BUCKET_CREATE, .meta = tn_buf_str(&meta), .versioning = versioning });
}

/* --- What is there: "a" for a version, "-a" for a marker, newest first --- */

static int on_version(void *user, struct tn_str key, const struct store_head *head, bool is_latest)
{
    (void)is_latest;
    struct fixture *f = user;
    return tn_buf_appendf(&f->found, "%s%.*s ", head->flags & STORE_IS_MARKER ? "-" : "",
                          TN_STR_ARG(key));
}

static bool is_there(struct fixture *f, const char *wanted)
{
    bool is_truncated;
    struct store_list query = { .bucket = TN_STR("bucket"), .max = 1000 };
    f->found.len = 0;
    assert_int_equal(
        f->store->ops->version_list(f->store, &query, on_version, f, &is_truncated, NULL), TARN_OK);
    return tn_str_eq(tn_buf_str(&f->found), tn_str_from(wanted));
}

static void sleep_ms(long ms)
{
    struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&pause, NULL);
}

static void wait_for(struct fixture *f, const char *name, const char *wanted)
{
    for (int i = 0; i < 1200 && !is_there(f, wanted); i++)
        sleep_ms(50);
    if (!is_there(f, wanted))
        fail_msg("%s: \"%.*s\", not \"%s\"", name, TN_STR_ARG(tn_buf_str(&f->found)), wanted);
}

/* --- Cases --- */

static void start(struct fixture *f)
{
    struct mem_store_config config = { 0 };
    struct auth_config auth = { .is_off = true };
    *f = (struct fixture){ .found = TN_BUF_INIT(1 << 20) };
    assert_int_equal(mem_store_open(&config, &f->store, NULL), TARN_OK);
    f->auth = auth_new(&auth, NULL);
    assert_non_null(f->auth);
    struct api_config api = { .store = f->store, .auth = f->auth, .is_auth_off = true };
    f->api = api_new(&api);
    assert_non_null(f->api);
}

static void stop(struct fixture *f)
{
    api_stop(f->api);
    f->store->ops->close(f->store);
    api_free(f->api);
    auth_free(f->auth);
    tn_buf_release(&f->found);
}

static void run(const char *name, const char *rule, enum store_versioning versioning,
                void (*fill)(struct fixture *f), const char *wanted)
{
    struct fixture f;
    start(&f);
    create(&f, rule, versioning);
    fill(&f);
    assert_int_equal(api_start(f.api, 1, 0), TARN_OK);
    wait_for(&f, name, wanted);
    sleep_ms(600); /* two passes more change nothing */
    wait_for(&f, name, wanted);
    stop(&f);
}

static void fill_versions(struct fixture *f)
{
    put(f, "a", 500, "");
    put(f, "a", 400, "ON");
    put(f, "a", 300, "");
    put(f, "a", 200, "");
    put(f, "a", 100, "");
    put(f, "b", 100, "");
}

static void fill_young(struct fixture *f)
{
    put(f, "a", 500, "");
    put(f, "a", -300, "");
}

static void fill_markers(struct fixture *f)
{
    put(f, "a", 500, "");
    put_marker(f, "a", 400);
    put_marker(f, "b", 400);
    put_marker(f, "c", -400);
}

static void fill_many(struct fixture *f)
{
    char key[16];
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(key, sizeof key, "%04d", i);
        put(f, key, 500, "");
        put(f, key, 400, "");
        if (i != 700)
            put_marker(f, key, 300);
    }
}

static void test_worker(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *rule;
        enum store_versioning versioning;
        void (*fill)(struct fixture *f);
        const char *wanted;
    } cases[] = {
        { "noncurrent",
          HEAD "<Prefix/><NoncurrentVersionExpiration><NoncurrentDays>50</NoncurrentDays>"
               "</NoncurrentVersionExpiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_versions, "a a b " },
        { "the newest stay",
          HEAD "<Prefix/><NoncurrentVersionExpiration><NoncurrentDays>50</NoncurrentDays>"
               "<NewerNoncurrentVersions>2</NewerNoncurrentVersions>"
               "</NoncurrentVersionExpiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_versions, "a a a a b " },
        { "other prefix",
          HEAD "<Prefix>x</Prefix><NoncurrentVersionExpiration><NoncurrentDays>50</NoncurrentDays>"
               "</NoncurrentVersionExpiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_versions, "a a a a a b " },
        { "not old enough",
          HEAD "<Prefix/><NoncurrentVersionExpiration><NoncurrentDays>50</NoncurrentDays>"
               "</NoncurrentVersionExpiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_young, "a a " },
        { "current ones get markers",
          HEAD "<Prefix>b</Prefix><Expiration><Days>50</Days></Expiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_versions, "a a a a a -b b " },
        { "lone markers",
          HEAD "<Prefix/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
               "</Expiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_markers, "-a a " },
        { "lone markers by days", HEAD "<Prefix/><Expiration><Days>50</Days></Expiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_markers, "-a a -c " },
        { "unversioned", HEAD "<Prefix/><Expiration><Days>50</Days></Expiration>" TAIL,
          STORE_UNVERSIONED, fill_versions, "" },
        { "across pages",
          "<LifecycleConfiguration><Rule><ID>a</ID><Prefix/><NoncurrentVersionExpiration>"
          "<NoncurrentDays>50</NoncurrentDays></NoncurrentVersionExpiration>"
          "<Status>Enabled</Status></Rule><Rule><ID>b</ID><Prefix/><Expiration>"
          "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>" TAIL,
          STORE_VERSIONS_ENABLED, fill_many, "0700 " },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++)
        run(cases[i].name, cases[i].rule, cases[i].versioning, cases[i].fill, cases[i].wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_worker) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
