/* SPDX-License-Identifier: Apache-2.0 */
/* Renewing keys, policies of retrying, the circuit breaker, meters, the executor. */

#include "unit/t.h"

#include <math.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include <tarn/tarn.h>

#include "base/clock.h"
#include "base/fail.h"
#include "client/cred.h"
#include "client/cred_chain.h"

enum { PATIENCE = 60000, HOUR_MS = 3600 * 1000 };

static void nap(long ms)
{
    const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    (void)nanosleep(&t, NULL);
}

/* ---- keys ---- */

struct keys {
    atomic_int asked;
    atomic_int at_once;
    atomic_bool overlapped;
    sem_t *gate; /* where the second and later calls wait; NULL: none */
    long life_ms;
    int fails_from; /* the n-th and later ones fail; 0: none */
};

static int give_keys(void *arg, struct tarn_credentials *out, struct tarn_error *err)
{
    struct keys *k = arg;
    int n = atomic_fetch_add(&k->asked, 1) + 1;
    if (atomic_fetch_add(&k->at_once, 1) > 0)
        atomic_store(&k->overlapped, true);
    if (k->gate && n > 1)
        (void)sem_wait(k->gate);
    atomic_fetch_sub(&k->at_once, 1);
    if (k->fails_from && n >= k->fails_from)
        return tn_fail(err, TARN_ENETWORK, "could not get credentials: nobody there");
    (void)snprintf(out->access_key, sizeof out->access_key, "KEY%d", n);
    (void)snprintf(out->secret_key, sizeof out->secret_key, "secret");
    out->expires_ms = k->life_ms ? tn_wall_ms() + k->life_ms : 0;
    return TARN_OK;
}

struct store {
    struct keys keys;
    atomic_bool is_cancelled;
    struct tn_cred_source *source;
    struct tn_cred_store store;
};

static void store_begin(struct store *s)
{
    const struct tn_cred_context context = { .is_cancelled = &s->is_cancelled };
    s->source = tn_cred_source_new(TN_CRED_CALLBACK, "program");
    assert_non_null(s->source);
    s->source->fn = give_keys;
    s->source->arg = &s->keys;
    tn_cred_store_init(&s->store);
    assert_int_equal(tn_cred_store_set(&s->store, s->source, &context), TARN_OK);
}

static void store_end(struct store *s)
{
    tn_cred_store_release(&s->store);
    tn_cred_source_free(s->source);
}

/* The number of the keys that one gets now. */
static int take(struct store *s)
{
    struct tn_cred *cred = NULL;
    struct tarn_error err = { 0 };
    int rc = tn_cred_store_get(&s->store, NULL, &cred, &err);
    if (rc < 0)
        return rc;
    int n = cred->value.access_key[3] - '0';
    tn_cred_unref(cred);
    return n;
}

static void test_keys_for_ever(void **state)
{
    struct store s = { .keys = { .life_ms = 0 } };
    (void)state;
    store_begin(&s);
    for (int i = 0; i < 100; i++)
        assert_int_equal(take(&s), 1);
    assert_int_equal(atomic_load(&s.keys.asked), 1);
    store_end(&s);
}

/* As if the time to renew them had come. When that is, is checked; not waited for. */
static void make_due(struct store *s, int64_t ahead_ms)
{
    (void)pthread_mutex_lock(&s->store.shared.lock);
    int64_t ends = s->store.shared.current->value.expires_ms;
    assert_in_range(ends - s->store.shared.renew_ms, ahead_ms * 9 / 10, ahead_ms);
    s->store.shared.renew_ms = tn_wall_ms() - 1;
    (void)pthread_mutex_unlock(&s->store.shared.lock);
}

static void await_fetch(struct store *s)
{
    bool is_fetching = true;
    for (int i = 0; is_fetching; i++) {
        assert_true(i < PATIENCE);
        nap(1);
        (void)pthread_mutex_lock(&s->store.shared.lock);
        is_fetching = s->store.shared.is_fetching;
        (void)pthread_mutex_unlock(&s->store.shared.lock);
    }
}

/* From three quarters of their life on, but at most five minutes before its end, one thread
 * fetches; all others go on with the old ones: whoever waited for it here would wait for ever. */
static void test_keys_are_renewed_ahead(void **state)
{
    sem_t gate;
    struct store s = { .keys = { .life_ms = 10 * 60 * 1000, .gate = &gate } };
    (void)state;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    store_begin(&s);
    assert_int_equal(take(&s), 1);
    make_due(&s, 150 * 1000);
    assert_int_equal(take(&s), 1); /* starts the renewal */
    for (int i = 0; i < 50; i++)
        assert_int_equal(take(&s), 1);
    (void)sem_post(&gate);
    await_fetch(&s);
    assert_int_equal(take(&s), 2);
    assert_int_equal(atomic_load(&s.keys.asked), 2);
    assert_false(atomic_load(&s.keys.overlapped));
    store_end(&s);
    (void)sem_destroy(&gate);
}

static void test_keys_that_ended(void **state)
{
    struct store s = { .keys = { .life_ms = 60 } };
    (void)state;
    store_begin(&s);
    assert_int_equal(take(&s), 1);
    nap(80);
    assert_int_equal(take(&s), 2);
    s.keys.fails_from = 3;
    nap(80);
    assert_int_equal(take(&s), TARN_ENETWORK);
    s.keys.fails_from = 0;
    assert_true(take(&s) >= 3); /* one failure is not for ever */
    store_end(&s);
}

static void test_failed_renewal_keeps_the_old(void **state)
{
    struct store s = { .keys = { .life_ms = HOUR_MS, .fails_from = 2 } };
    (void)state;
    store_begin(&s);
    assert_int_equal(take(&s), 1);
    make_due(&s, 5 * 60 * 1000);
    assert_int_equal(take(&s), 1);
    await_fetch(&s);
    assert_int_equal(take(&s), 1);
    assert_int_equal(atomic_load(&s.keys.asked), 2); /* and is not tried again at once */
    store_end(&s);
}

static void test_refused_keys(void **state)
{
    struct store s = { .keys = { .life_ms = HOUR_MS } };
    struct tn_cred *used = NULL;
    (void)state;
    store_begin(&s);
    assert_int_equal(tn_cred_store_get(&s.store, NULL, &used, NULL), TARN_OK);
    assert_true(tn_cred_store_renew(&s.store, used));
    assert_true(tn_cred_store_renew(&s.store, used)); /* many find out at the same time */
    assert_int_equal(take(&s), 2);
    assert_true(tn_cred_store_renew(&s.store, used)); /* late: there are new ones */
    assert_int_equal(take(&s), 2);
    assert_int_equal(atomic_load(&s.keys.asked), 2);
    tn_cred_unref(used);
    store_end(&s);
}

static void test_cancelled_wait(void **state)
{
    sem_t gate;
    struct store s = { .keys = { .gate = &gate } };
    volatile int cancel = 1;
    struct tn_cred *cred = NULL;
    (void)state;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    store_begin(&s);
    atomic_store(&s.keys.asked, 1); /* so that the first one waits too */
    assert_int_equal(tn_cred_store_get(&s.store, &cancel, &cred, NULL), TARN_ECANCELLED);
    assert_null(cred);
    (void)sem_post(&gate);
    store_end(&s);
    (void)sem_destroy(&gate);
}

static const char *get_nothing(const char *name)
{
    (void)name;
    return NULL;
}

/* Three profiles that lead to one another. */
static int choose(void *arg)
{
    static const char config_text[] =
        "[profile a]\nrole_arn=A\nsource_profile=b\nexternal_id=e\n[profile b]\nrole_arn=B\n"
        "source_profile=c\n[profile c]\nsso_session=s\nsso_account_id=1\nsso_role_name=r\n"
        "[sso-session s]\nsso_region=eu-west-1\nsso_start_url=u\n";
    struct tarn_config config;
    struct tn_profile profile = { 0 };
    struct tn_cred_source *source = NULL;
    size_t line = 0;
    (void)arg;
    tarn_config_init(&config);
    assert_int_equal(
        tn_profile_read(tn_str_from(config_text), TN_STR("a"), TN_PROFILE_CONFIG, &profile, &line),
        TARN_OK);
    const struct tn_cred_inputs in = { .config = &config,
                                       .get = get_nothing,
                                       .config_text = tn_str_from(config_text),
                                       .profile_name = TN_STR("a"),
                                       .profile = &profile,
                                       .region = TN_STR("cn-north-1") };
    int rc = tn_cred_choose(&in, &source, NULL);
    if (rc == TARN_OK) {
        assert_int_equal(source->kind, TN_CRED_ROLE);
        assert_string_equal(source->texts[TN_CRED_ENDPOINT],
                            "https://sts.cn-north-1.amazonaws.com.cn");
        assert_string_equal(source->base->texts[TN_CRED_ROLE_ARN], "B");
        assert_int_equal(source->base->base->kind, TN_CRED_SSO);
        assert_string_equal(source->base->base->texts[TN_CRED_ENDPOINT],
                            "https://portal.sso.eu-west-1.amazonaws.com");
        assert_null(source->base->base->base);
    }
    tn_cred_source_free(source);
    return rc;
}

static void test_chain(void **state)
{
    (void)state;
    assert_int_equal(choose(NULL), TARN_OK);
    t_oom_sweep(choose, NULL);
}

/* ---- policies ---- */

static void test_delays(void **state)
{
    static const struct {
        const char *name;
        struct tarn_retry_policy policy;
        int tries;
        long retry_after, low, high;
    } cases[] = {
        { "first", { .base_ms = 100, .cap_ms = 1000, .multiplier = 2 }, 1, 0, 100, 100 },
        { "doubles", { .base_ms = 100, .cap_ms = 1000, .multiplier = 2 }, 3, 0, 400, 400 },
        { "cap", { .base_ms = 100, .cap_ms = 1000, .multiplier = 2 }, 30, 0, 1000, 1000 },
        { "no overflow",
          { .base_ms = 100, .cap_ms = 1000, .multiplier = 9 },
          1 << 30,
          0,
          1000,
          1000 },
        { "multiplier", { .base_ms = 100, .cap_ms = 9999, .multiplier = 3 }, 3, 0, 900, 900 },
        { "multiplier 0", { .base_ms = 100, .cap_ms = 9999 }, 1 << 30, 0, 100, 100 },
        { "linear",
          { .base_ms = 100, .cap_ms = 9999, .backoff = TARN_BACKOFF_LINEAR },
          4,
          0,
          400,
          400 },
        { "fixed",
          { .base_ms = 100, .cap_ms = 9999, .backoff = TARN_BACKOFF_FIXED },
          4,
          0,
          100,
          100 },
        { "jitter never above",
          { .base_ms = 100, .cap_ms = 1000, .multiplier = 2, .jitter = 1 },
          9,
          0,
          0,
          1000 },
        { "some jitter",
          { .base_ms = 1000, .cap_ms = 1000, .multiplier = 2, .jitter = 0.1 },
          1,
          0,
          900,
          1000 },
        { "jitter out of range", { .base_ms = 10, .cap_ms = 10, .jitter = 7 }, 1, 0, 0, 10 },
        { "the server asks", { .base_ms = 10, .cap_ms = 10 }, 1, 5000, 5000, 5000 },
        { "nothing", { .tries_max = 1 }, 1, 0, 0, 0 },
        { "negative", { .base_ms = -5, .cap_ms = -5 }, 1, -7, 0, 0 },
        { "no number", { .base_ms = 10, .cap_ms = 90, .multiplier = NAN }, 3, 0, 10, 10 },
        { "infinite", { .base_ms = 10, .cap_ms = 90, .multiplier = INFINITY }, 3, 0, 90, 90 },
        { "infinite times nothing", { .cap_ms = 90, .multiplier = INFINITY }, 3, 0, 0, 90 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        const struct tarn_error err = { .retry_after_ms = cases[i].retry_after };
        for (int n = 0; n < 200; n++) {
            long ms = tarn_retry_delay_ms(&cases[i].policy, cases[i].tries, &err);
            if (ms < cases[i].low || ms > cases[i].high)
                fail_msg("%s: %ld ms", cases[i].name, ms);
        }
    }
}

static void test_presets(void **state)
{
    struct tarn_retry_policy p;
    struct tarn_config config;
    (void)state;
    tarn_retry_policy_init(&p, TARN_RETRY_FAST);
    assert_int_equal(p.tries_max, 3);
    assert_int_equal(p.cap_ms, 1000);
    tarn_config_init(&config);
    tarn_config_set_retry(&config, &p);
    assert_int_equal(config.retries_max, 2);
    assert_int_equal(config.retry_base_ms, 50);
    tarn_retry_policy_init(&p, (enum tarn_retry_preset)99);
    assert_int_equal(p.tries_max, 5);
}

struct runs {
    int count;
    const int *results; /* the last one for all that follow */
    int result_count;
};

static int run_next(void *arg, struct tarn_error *err)
{
    struct runs *r = arg;
    int at = r->count < r->result_count ? r->count : r->result_count - 1;
    r->count++;
    return r->results[at] < 0 ? tn_fail(err, r->results[at], "result %d", r->count)
                              : r->results[at];
}

static void test_retry_run(void **state)
{
    static const int bad_then_good[] = { TARN_ESERVER, TARN_ENETWORK, TARN_OK };
    static const int always_bad[] = { TARN_ETIMEOUT };
    static const int hopeless[] = { TARN_ENOTFOUND };
    static const struct {
        const char *name;
        const int *results;
        int result_count, rc, runs;
    } cases[] = {
        { "recovers", bad_then_good, 3, TARN_OK, 3 },
        { "used up", always_bad, 1, TARN_ETIMEOUT, 4 },
        { "for good", hopeless, 1, TARN_ENOTFOUND, 1 },
    };
    const struct tarn_retry_policy policy = { .tries_max = 4, .base_ms = 1, .cap_ms = 2 };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct runs r = { 0, cases[i].results, cases[i].result_count };
        struct tarn_retry_report report;
        struct tarn_error err = { 0 };
        int rc = tarn_retry_run(&policy, NULL, run_next, &r, &report, &err);
        if (rc != cases[i].rc || r.count != cases[i].runs || report.tries != cases[i].runs)
            fail_msg("%s: %s after %d", cases[i].name, tarn_status_name(rc), r.count);
        assert_int_equal(err.status, rc);
    }
}

/* ---- the breaker ---- */

struct changes {
    int count;
    enum tarn_breaker_state last;
};

static void on_change(void *arg, enum tarn_breaker_state from, enum tarn_breaker_state to)
{
    struct changes *c = arg;
    assert_int_equal(from, c->last);
    c->last = to;
    c->count++;
}

static void test_breaker(void **state)
{
    struct changes changes = { 0, TARN_BREAKER_CLOSED };
    const struct tarn_breaker_options options = {
        .failures_max = 3, .open_ms = PATIENCE, .on_change = on_change, .arg = &changes
    };
    struct tarn_breaker *b = tarn_breaker_new(&options);
    (void)state;
    assert_non_null(b);
    for (int round = 0; round < 5; round++) { /* in a row: a good one starts over */
        tarn_breaker_record(b, TARN_OUTCOME_BAD);
        tarn_breaker_record(b, TARN_OUTCOME_BAD);
        tarn_breaker_record(b, TARN_OUTCOME_NONE);
        tarn_breaker_record(b, TARN_OUTCOME_GOOD);
        assert_true(tarn_breaker_allow(b));
    }
    for (int i = 0; i < 3; i++)
        tarn_breaker_record(b, TARN_OUTCOME_BAD);
    assert_int_equal(tarn_breaker_get_state(b), TARN_BREAKER_OPEN);
    assert_false(tarn_breaker_allow(b));
    assert_int_equal(changes.count, 1);
    tarn_breaker_free(b);
}

static void test_breaker_that_was_open(void **state)
{
    struct changes changes = { 0, TARN_BREAKER_CLOSED };
    const struct tarn_breaker_options options = {
        .failures_max = 1, .open_ms = 1, .on_change = on_change, .arg = &changes
    };
    struct tarn_breaker *b = tarn_breaker_new(&options);
    (void)state;
    assert_non_null(b);
    tarn_breaker_record(b, TARN_OUTCOME_BAD);
    nap(5);
    assert_true(tarn_breaker_allow(b)); /* one probe at a time */
    assert_false(tarn_breaker_allow(b));
    tarn_breaker_record(b, TARN_OUTCOME_NONE); /* cancelled: the next may try */
    assert_true(tarn_breaker_allow(b));
    tarn_breaker_record(b, TARN_OUTCOME_GOOD);
    assert_int_equal(tarn_breaker_get_state(b), TARN_BREAKER_HALF_OPEN); /* two are needed */
    assert_true(tarn_breaker_allow(b));
    tarn_breaker_record(b, TARN_OUTCOME_BAD);
    assert_int_equal(tarn_breaker_get_state(b), TARN_BREAKER_OPEN);
    nap(5);
    for (int i = 0; i < 2; i++) {
        assert_true(tarn_breaker_allow(b));
        tarn_breaker_record(b, TARN_OUTCOME_GOOD);
    }
    assert_int_equal(tarn_breaker_get_state(b), TARN_BREAKER_CLOSED);
    assert_int_equal(changes.count, 5);
    tarn_breaker_free(b);
}

static void test_breaker_in_retry(void **state)
{
    static const int always_bad[] = { TARN_ENETWORK };
    const struct tarn_retry_policy policy = { .tries_max = 10, .base_ms = 1, .cap_ms = 1 };
    const struct tarn_breaker_options options = { .failures_max = 3, .open_ms = 60000 };
    struct tarn_breaker *b = tarn_breaker_new(&options);
    struct runs r = { 0, always_bad, 1 };
    struct tarn_error err = { 0 };
    (void)state;
    assert_int_equal(tarn_retry_run(&policy, b, run_next, &r, NULL, &err), TARN_ENETWORK);
    assert_int_equal(r.count, 3);
    assert_string_equal(err.message, "result 3"); /* the real error stays */
    assert_int_equal(tarn_retry_run(&policy, b, run_next, &r, NULL, &err), TARN_ENETWORK);
    assert_int_equal(r.count, 3);
    assert_string_equal(err.s3_code, "CircuitBreakerOpen");
    tarn_breaker_free(b);
}

/* In a client: nobody listens on port 9, so that after two failures no request goes out any more.
 */
struct seen {
    atomic_int started, retried, done;
};

static void on_event(void *arg, const struct tarn_event *event)
{
    struct seen *s = arg;
    atomic_fetch_add(event->kind == TARN_EVENT_STARTED   ? &s->started
                     : event->kind == TARN_EVENT_RETRIED ? &s->retried
                                                         : &s->done,
                     1);
    assert_string_equal(event->method, "HEAD");
    assert_string_equal(event->key, "key");
}

static void test_client_hooks(void **state)
{
    const struct tarn_breaker_options options = { .failures_max = 2, .open_ms = 60000 };
    struct tarn_breaker *b = tarn_breaker_new(&options);
    struct seen seen = { 0 };
    struct tarn_error err = { 0 };
    struct tarn_config config;
    (void)state;
    tarn_config_init(&config);
    config.endpoint = "http://127.0.0.1:9";
    config.access_key = "A";
    config.secret_key = "S";
    config.ignore_environment = true;
    config.retry_base_ms = 1;
    config.retry_cap_ms = 2;
    config.breaker = b;
    config.event_fn = on_event;
    config.event_arg = &seen;
    struct tarn_client *client = tarn_client_new(&config, &err);
    assert_non_null(client);
    assert_int_equal(tarn_object_head(client, "bucket", "key", NULL, NULL, &err), TARN_ENETWORK);
    assert_string_equal(err.s3_code, "CircuitBreakerOpen");
    assert_int_equal(atomic_load(&seen.started), 2);
    assert_int_equal(atomic_load(&seen.retried), 2);
    assert_int_equal(tarn_breaker_get_state(b), TARN_BREAKER_OPEN);
    assert_int_equal(tarn_object_head(client, "bucket", "key", NULL, NULL, &err), TARN_ENETWORK);
    assert_int_equal(atomic_load(&seen.started), 2);
    tarn_client_free(client);
    tarn_breaker_free(b);
}

/* ---- meters ---- */

static void test_meter(void **state)
{
    struct tarn_meter m = { 0 };
    (void)state;
    tarn_meter_start(&m, 1000);
    assert_int_equal(tarn_meter_eta_ms(&m), -1);
    nap(120);
    tarn_meter_set(&m, 500);
    assert_true(tarn_meter_rate(&m) > 0 && tarn_meter_rate(&m) < 4500);
    assert_true(tarn_meter_percent(&m) > 49.9 && tarn_meter_percent(&m) < 50.1);
    assert_true(tarn_meter_eta_ms(&m) > 0);
    double before = tarn_meter_rate(&m);
    nap(120);
    tarn_meter_set(&m, 100); /* a retry: slower, but never negative */
    assert_true(tarn_meter_rate(&m) >= 0 && tarn_meter_rate(&m) < before);
    tarn_meter_set(&m, 2000);
    assert_true(tarn_meter_percent(&m) <= 100);
    assert_int_equal(tarn_meter_eta_ms(&m), 0);
    tarn_meter_start(&m, 0);
    assert_true(tarn_meter_percent(&m) < 0.1);
}

static void on_total(void *arg, const struct tarn_progress_total *total)
{
    struct tarn_progress_total *last = arg;
    assert_true(total->bytes >= last->bytes);
    *last = *total;
}

static void test_progress_sum(void **state)
{
    struct tarn_progress_total last = { 0 };
    struct tarn_progress_sum *sum = tarn_progress_sum_new(on_total, &last);
    (void)state;
    assert_non_null(sum);
    for (int i = 0; i < 10; i++)
        tarn_progress_sum_begin(sum, 100);
    for (int i = 0; i < 10; i++) {
        tarn_progress_sum_add(sum, 100);
        tarn_progress_sum_end(sum, i != 3);
    }
    assert_int_equal(last.bytes, 1000); /* the last one is always told */
    assert_int_equal(last.completed, 9);
    assert_int_equal(last.failed, 1);
    assert_int_equal(last.eta_ms, 0);
    tarn_progress_sum_free(sum);
}

/* ---- the executor ---- */

struct work {
    atomic_int ran, done, cancelled;
};

static int run_work(struct tarn_client *client, void *arg, struct tarn_error *err)
{
    struct work *w = arg;
    (void)client;
    nap(1);
    return atomic_fetch_add(&w->ran, 1) % 7 == 0 ? tn_fail(err, TARN_ENOTFOUND, "seventh")
                                                 : TARN_OK;
}

static void on_done(void *arg, int status, const struct tarn_error *err)
{
    struct work *w = arg;
    atomic_fetch_add(&w->done, 1);
    if (status == TARN_ECANCELLED)
        atomic_fetch_add(&w->cancelled, 1);
    if (status < 0)
        assert_int_equal(err->status, status);
}

static void test_async(void **state)
{
    struct work w = { 0 };
    struct tarn_error err = { 0 };
    (void)state;
    assert_null(tarn_async_new(NULL, TARN_ASYNC_THREADS_MAX + 1, &err));
    assert_int_equal(err.status, TARN_EINVAL);
    struct tarn_async *a = tarn_async_new(NULL, 4, &err);
    assert_non_null(a);
    for (int i = 0; i < 300; i++)
        assert_int_equal(tarn_async_submit(a, run_work, on_done, &w, &err), TARN_OK);
    tarn_async_wait(a);
    assert_int_equal(atomic_load(&w.done), 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(tarn_async_submit(a, run_work, on_done, &w, &err), TARN_OK);
    tarn_async_cancel(a);
    tarn_async_free(a); /* waits */
    assert_int_equal(atomic_load(&w.done), 600);
    assert_true(atomic_load(&w.cancelled) > 200);
    assert_int_equal(atomic_load(&w.ran) + atomic_load(&w.cancelled), 600);
}

static int make_all(void *arg)
{
    (void)arg;
    struct tarn_breaker *b = tarn_breaker_new(NULL);
    struct tarn_progress_sum *sum = tarn_progress_sum_new(NULL, NULL);
    struct tarn_async *a = tarn_async_new(NULL, 2, NULL);
    int rc = b && sum && a ? TARN_OK : TARN_ENOMEM;
    tarn_breaker_free(b);
    tarn_progress_sum_free(sum);
    tarn_async_free(a);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(make_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_for_ever),
        cmocka_unit_test(test_keys_are_renewed_ahead),
        cmocka_unit_test(test_keys_that_ended),
        cmocka_unit_test(test_failed_renewal_keeps_the_old),
        cmocka_unit_test(test_refused_keys),
        cmocka_unit_test(test_cancelled_wait),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_retry_run),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_breaker_that_was_open),
        cmocka_unit_test(test_breaker_in_retry),
        cmocka_unit_test(test_client_hooks),
        cmocka_unit_test(test_meter),
        cmocka_unit_test(test_progress_sum),
        cmocka_unit_test(test_async),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
