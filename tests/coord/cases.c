/* SPDX-License-Identifier: Apache-2.0 */
/* Each weakness of the references, played through once: W1 to W16 of locks, C1 to C9 of copies, S1
 * and on of the store. With --flawed, the algorithm of the reference, which does not pass. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <poll.h>

#include "base/clock.h"
#include "coord/flawed.h"
#include "coord/setup.h"

enum { VIOLATED = 3, TTL_MS = 1000, STALE_MS = 1600, MIB = 1 << 20 };

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "line %d: does not hold: %s (%s)\n", __LINE__, #fact, c->err.message); \
            return VIOLATED;                                                                       \
        }                                                                                          \
    } while (0)

/* Two machines: one by way of the proxy, one straight. Their endpoints differ, so that the process
 * takes their locks for different ones. */
struct scene {
    const struct setup *s;
    struct tarn_client *a;
    struct tarn_client *b;
    struct tarn_header fault; /* asks the proxy for trouble with the next request of `a` */
    struct tarn_lock_options o;
    struct tarn_lock *la;
    struct tarn_lock *lb;
    struct tarn_lock_info info;
    struct tarn_error err;
};

static void nap(long ms)
{
    struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&delay, NULL);
}

static int acquire_a(struct scene *c)
{
    return tarn_lock_acquire(c->a, c->s->bucket, c->s->name, &c->o, &c->la, &c->err);
}

/* By another machine, waiting until the lock is stale. */
static int acquire_b(struct scene *c, int64_t wait_ms)
{
    struct tarn_lock_options o = { .ttl_ms = TTL_MS, .wait_ms = wait_ms, .poll_max_ms = 50 };
    return tarn_lock_acquire(c->b, c->s->bucket, c->s->name, &o, &c->lb, &c->err);
}

static int look(struct scene *c)
{
    return tarn_lock_status(c->b, c->s->bucket, c->s->name, NULL, &c->info, &c->err);
}

static struct flawed_lock flawed(struct scene *c, struct tarn_client *client)
{
    struct flawed_lock l = { .client = client, .bucket = c->s->bucket, .interval_ms = TTL_MS };
    (void)snprintf(l.key, sizeof l.key, "%s.lock", c->s->name);
    return l;
}

static bool key_exists(struct scene *c, const char *key)
{
    return tarn_object_head(c->b, c->s->bucket, key, NULL, NULL, NULL) == TARN_OK;
}

/* ---- locks ---- */

static int w2_release_after_loss(struct scene *c)
{
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        nap(2100);
        CHECK(flawed_try(&b, &c->err) == TARN_OK);
        CHECK(flawed_release(&a, &c->err) == TARN_OK);
        CHECK(key_exists(c, b.key));
        return 0;
    }
    c->o.renews_by_hand = true;
    CHECK(acquire_a(c) == TARN_OK);
    CHECK(acquire_b(c, 10000) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_ELOST);
    CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_HELD);
    CHECK(strcmp(c->info.nonce, tarn_lock_nonce(c->lb)) == 0);
    return 0;
}

static int w3_renewal_beside_release(struct scene *c)
{
    if (c->s->is_flawed) { /* the map's entry is gone while the heartbeat runs: no condition */
        struct flawed_lock a = flawed(c, c->a);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        CHECK(flawed_release(&a, &c->err) == TARN_OK);
        a.etag[0] = '\0';
        CHECK(tarn_object_put(c->a, a.bucket, a.key, "beat", 4, NULL, NULL, &c->err) == TARN_OK);
        CHECK(!key_exists(c, a.key));
        return 0;
    }
    c->o.renew_ms = 1; /* a renewal is always under way */
    for (int i = 0; i < 20; i++) {
        CHECK(acquire_a(c) == TARN_OK);
        nap(7);
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
        nap(10);
        CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_RELEASED);
    }
    return 0;
}

/* The wall clock stands late in a second: whole seconds make the lock look expired. */
static int w4_whole_seconds(struct scene *c)
{
    struct test_clock clock;
    test_clock_init(&clock);
    int64_t now = clock.clock.wall_ms(&clock);
    atomic_store(&clock.wall_offset_ms, 900 - now % 1000);
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        a.clock = b.clock = &clock.clock;
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        nap(250); /* before the first heartbeat, at interval less 500 ms */
        CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
        return 0;
    }
    c->o.clock = &clock.clock;
    CHECK(acquire_a(c) == TARN_OK);
    nap(250);
    CHECK(acquire_b(c, 0) == TARN_EBUSY);
    CHECK(tarn_lock_check(c->la) == TARN_OK);
    return 0;
}

static int w5_other_clock(struct scene *c)
{
    static const int64_t steps[] = { 3600000, -3600000 };
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        struct test_clock clock;
        test_clock_init(&clock);
        atomic_store(&clock.wall_offset_ms, steps[i]);
        if (c->s->is_flawed) {
            struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
            b.clock = &clock.clock;
            CHECK(flawed_try(&a, &c->err) == TARN_OK);
            CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
            continue;
        }
        struct tarn_lock_options o = { .ttl_ms = TTL_MS, .wait_ms = 700, .clock = &clock.clock };
        CHECK(acquire_a(c) == TARN_OK);
        CHECK(tarn_lock_acquire(c->b, c->s->bucket, c->s->name, &o, &c->lb, &c->err) ==
              TARN_ETIMEOUT);
        /* Nor does a step of the holder's own clock matter. */
        CHECK(tarn_lock_check(c->la) == TARN_OK);
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
    }
    return 0;
}

static int set_text(void *arg, const void *present, void **next)
{
    struct tarn_bytes *bytes = tn_calloc(1, sizeof *bytes);
    (void)present;
    *bytes = (struct tarn_bytes){ tn_strdup(arg), strlen(arg) };
    *next = bytes;
    return TARN_OK;
}

static int w6_fencing(struct scene *c)
{
    char text_a[] = "from a", text_b[] = "from b";
    char *bytes = NULL;
    size_t len = 0;
    if (c->s->is_flawed) { /* paused before its write, and replaced meanwhile */
        const char *key = "guarded";
        CHECK(tarn_object_put(c->b, c->s->bucket, key, text_b, 6, NULL, NULL, &c->err) == TARN_OK);
        CHECK(tarn_object_put(c->a, c->s->bucket, key, text_a, 6, NULL, NULL, &c->err) == TARN_OK);
    } else {
        struct tarn_store *sa = tarn_store_new(c->a, NULL, NULL);
        struct tarn_store *sb = tarn_store_new(c->b, NULL, NULL);
        c->o.renews_by_hand = true;
        CHECK(acquire_a(c) == TARN_OK);
        CHECK(acquire_b(c, 10000) == TARN_OK);
        CHECK(tarn_lock_token(c->lb) > tarn_lock_token(c->la));
        CHECK(tarn_lock_check(c->la) == TARN_ELOST);
        int rc = tarn_store_update(sb, c->s->bucket, "guarded", set_text, text_b,
                                   tarn_lock_token(c->lb), NULL, &c->err);
        CHECK(rc == TARN_OK);
        rc = tarn_store_update(sa, c->s->bucket, "guarded", set_text, text_a,
                               tarn_lock_token(c->la), NULL, &c->err);
        CHECK(rc == TARN_ELOST);
        struct tarn_bytes value = { text_a, 6 };
        rc = tarn_store_overwrite(sa, c->s->bucket, "guarded", &value, tarn_lock_token(c->la), NULL,
                                  &c->err);
        CHECK(rc == TARN_ELOST);
        tarn_store_free(sa);
        tarn_store_free(sb);
    }
    CHECK(tarn_object_get_bytes(c->b, c->s->bucket, "guarded", 100, &bytes, &len, NULL, NULL,
                                &c->err) == TARN_OK);
    bool is_b = len == 6 && memcmp(bytes, text_b, 6) == 0;
    tarn_bytes_free(bytes);
    CHECK(is_b);
    return 0;
}

static void note_lost(void *arg, struct tarn_lock *lock, int reason)
{
    _Atomic int *seen = arg;
    (void)lock;
    atomic_store(seen, reason);
}

static int w7_told_of_loss(struct scene *c)
{
    _Atomic int reason = 0;
    c->o.on_lost = note_lost;
    c->o.on_lost_arg = &reason;
    CHECK(acquire_a(c) == TARN_OK);
    struct pollfd fd = { tarn_lock_fd(c->la), POLLIN, 0 };
    CHECK(poll(&fd, 1, 0) == 0);
    CHECK(look(c) == TARN_OK);
    CHECK(tarn_lock_break(c->b, c->s->bucket, c->s->name, c->info.etag, NULL, &c->err) == TARN_OK);
    CHECK(poll(&fd, 1, 3000) == 1);
    for (int i = 0; i < 100 && atomic_load(&reason) == 0; i++)
        nap(5);
    CHECK(atomic_load(&reason) == TARN_ELOST);
    CHECK(tarn_lock_check(c->la) == TARN_ELOST && tarn_lock_remaining_ms(c->la) == 0);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_ELOST);

    atomic_store(&reason, 0);
    c->o.max_hold_ms = TTL_MS + 300;
    CHECK(acquire_a(c) == TARN_OK);
    nap(TTL_MS + 900);
    CHECK(atomic_load(&reason) == TARN_ETIMEOUT && tarn_lock_check(c->la) == TARN_ETIMEOUT);
    return 0;
}

static int w8_lost_answers(struct scene *c)
{
    static const char *const faults[] = { "drop-answer", "error-500", "cut-answer", "duplicate",
                                          "late" };
    char value[64];
    for (size_t i = 0; i < TN_COUNT(faults); i++) {
        (void)snprintf(value, sizeof value, "%s w8-%zu", faults[i], i);
        if (c->s->is_flawed) {
            struct flawed_lock a = flawed(c, c->a);
            CHECK(flawed_try(&a, &c->err) == TARN_OK);
            c->fault.value = value;
            a.request = (struct tarn_request){ .headers = &c->fault, .header_count = 1 };
            CHECK(flawed_renew(&a, &c->err) == TARN_OK);
            CHECK(flawed_release(&a, &c->err) == TARN_OK);
            continue;
        }
        c->o.renews_by_hand = true;
        c->o.ttl_ms = 5000;
        CHECK(acquire_a(c) == TARN_OK);
        c->fault.value = value; /* with the renewal */
        CHECK(tarn_lock_renew(c->la, &c->err) == TARN_OK);
        CHECK(tarn_lock_renew(c->la, &c->err) == TARN_OK);
        value[strlen(value) - 1] = (char)('p' + i); /* with the release */
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
        CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_RELEASED);
        value[strlen(value) - 1] = (char)('P' + i); /* with the look and the acquisition */
        CHECK(acquire_a(c) == TARN_OK);
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
        c->fault.value = "none none";
    }
    return 0;
}

struct entrant {
    struct scene *c;
    struct tarn_lock *lock;
    int rc;
};

static void *enter(void *arg)
{
    struct entrant *e = arg;
    e->rc = tarn_lock_acquire(e->c->a, e->c->s->bucket, e->c->s->name, &e->c->o, &e->lock, NULL);
    return NULL;
}

static int w9_threads(struct scene *c)
{
    enum { THREADS = 16 };
    struct entrant entrants[THREADS];
    pthread_t threads[THREADS];
    int won = 0, refused = 0;
    for (int i = 0; i < THREADS; i++) {
        entrants[i] = (struct entrant){ c, NULL, 0 };
        CHECK(pthread_create(&threads[i], NULL, enter, &entrants[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        won += entrants[i].rc == TARN_OK;
        refused += entrants[i].rc == TARN_EEXISTS;
    }
    for (int i = 0; i < THREADS; i++) {
        if (entrants[i].lock)
            CHECK(tarn_lock_release(entrants[i].lock, &c->err) == TARN_OK);
    }
    CHECK(won == 1 && refused == THREADS - 1);
    CHECK(acquire_a(c) == TARN_OK); /* and again afterwards */
    return 0;
}

static int fail_body(void *arg, struct tarn_lock *lock)
{
    (void)lock;
    *(int *)arg += 1;
    return TARN_ERANGE;
}

static int w10_failed_body(struct scene *c)
{
    int runs = 0;
    CHECK(tarn_lock_with(c->a, c->s->bucket, c->s->name, &c->o, fail_body, &runs, &c->err) ==
          TARN_ERANGE);
    CHECK(runs == 1);
    CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_RELEASED);
    CHECK(acquire_a(c) == TARN_OK);
    return 0;
}

static int w11_arguments_first(struct scene *c)
{
    static const struct tarn_lock_options bad[] = {
        { .ttl_ms = 999 },
        { .ttl_ms = -1 },
        { .ttl_ms = TARN_LOCK_TTL_MAX_MS + 1 },
        { .ttl_ms = 1000, .renew_ms = 1000 },
        { .ttl_ms = 1000, .margin_ms = 500 },
        { .ttl_ms = 1000, .margin_ms = -1 },
        { .ttl_ms = 2000, .max_hold_ms = 2000 },
        { .wait_ms = -2 },
        { .poll_max_ms = -1 },
    };
    struct tarn_client_stats stats;
    for (size_t i = 0; i < TN_COUNT(bad); i++)
        CHECK(tarn_lock_acquire(c->a, c->s->bucket, c->s->name, &bad[i], &c->la, &c->err) ==
              TARN_EINVAL);
    CHECK(tarn_lock_acquire(c->a, c->s->bucket, "", NULL, &c->la, &c->err) == TARN_EINVAL);
    CHECK(tarn_lock_acquire(c->a, c->s->bucket, "\xff", NULL, &c->la, &c->err) == TARN_EINVAL);
    tarn_client_get_stats(c->a, &stats);
    CHECK(stats.requests == 0);
    CHECK(acquire_a(c) == TARN_OK); /* nothing was left claimed */
    return 0;
}

static int w12_foreign_object(struct scene *c)
{
    static const char *const bodies[] = { "somebody's notes", "", "{\"v\":1}",
                                          "{\"v\":2,\"state\":\"held\"}",
                                          "11111111-2222-3333-4444-555555555555" };
    char key[300];
    (void)snprintf(key, sizeof key, "%s.lock", c->s->name);
    for (size_t i = 0; i < TN_COUNT(bodies); i++) {
        size_t len = strlen(bodies[i]);
        char *bytes = NULL;
        size_t got = 0;
        CHECK(tarn_object_put(c->b, c->s->bucket, key, bodies[i], len, NULL, NULL, &c->err) ==
              TARN_OK);
        if (c->s->is_flawed) {
            struct flawed_lock a = flawed(c, c->a);
            (void)flawed_try(&a, &c->err);
        } else {
            c->o.wait_ms = 100;
            CHECK(acquire_a(c) == TARN_ECORRUPT);
            CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_FOREIGN);
        }
        CHECK(tarn_object_get_bytes(c->b, c->s->bucket, key, 100, &bytes, &got, NULL, NULL,
                                    &c->err) == TARN_OK);
        bool is_same = got == len && memcmp(bytes, bodies[i], len) == 0;
        tarn_bytes_free(bytes);
        CHECK(is_same);
    }
    if (c->s->is_flawed)
        return 0;
    /* A record of the reference, in its lease: waited for, then taken. */
    struct tarn_put_options put = { .attributes = { .expires = tn_wall_ms() / 1000 + 2 } };
    CHECK(tarn_object_put(c->b, c->s->bucket, key, bodies[4], 36, &put, NULL, &c->err) == TARN_OK);
    c->o.wait_ms = 800;
    CHECK(acquire_a(c) == TARN_ETIMEOUT);
    c->o.wait_ms = 10000;
    CHECK(acquire_a(c) == TARN_OK && tn_wall_ms() / 1000 >= put.attributes.expires);
    return 0;
}

static void block(void *arg, struct tarn_lock *lock, int reason)
{
    (void)lock;
    (void)reason;
    nap(2 * TTL_MS);
    atomic_store((_Atomic int *)arg, 1);
}

static int w13_blocked_callback(struct scene *c)
{
    _Atomic int is_over = 0;
    struct tarn_lock_options o = { .ttl_ms = TTL_MS };
    c->o.on_lost = block;
    c->o.on_lost_arg = &is_over;
    CHECK(acquire_a(c) == TARN_OK && look(c) == TARN_OK);
    CHECK(tarn_lock_acquire(c->a, c->s->bucket, "another", &o, &c->lb, &c->err) == TARN_OK);
    CHECK(tarn_lock_break(c->b, c->s->bucket, c->s->name, c->info.etag, NULL, &c->err) == TARN_OK);
    for (int i = 0; i < 40 || !atomic_load(&is_over); i++) {
        CHECK(tarn_lock_check(c->lb) == TARN_OK);
        nap(50);
        CHECK(i < 200);
    }
    return 0;
}

/* Against a server that takes no notice of conditions. */
static int w14_careless_server(struct scene *c)
{
    c->o.skip_probe = c->s->is_flawed;
    int rc = acquire_a(c);
    if (!c->s->is_flawed) {
        CHECK(rc == TARN_ENOTSUPPORTED);
        return 0;
    }
    CHECK(rc == TARN_OK);
    struct tarn_lock_info info = { 0 };
    CHECK(tarn_lock_status(c->a, c->s->bucket, c->s->name, NULL, &info, &c->err) == TARN_OK);
    struct tarn_put_options put = { .conditions = { .if_none_match = "*" } };
    char key[300];
    (void)snprintf(key, sizeof key, "%s.lock", c->s->name);
    CHECK(tarn_object_put(c->a, c->s->bucket, key, "x", 1, &put, NULL, &c->err) == TARN_EPRECOND);
    return 0;
}

static int w15_missing_bucket(struct scene *c)
{
    CHECK(tarn_lock_acquire(c->a, "no-such-bucket-here", c->s->name, &c->o, &c->la, &c->err) ==
          TARN_ENOBUCKET);
    c->o.skip_probe = true;
    CHECK(tarn_lock_acquire(c->a, "no-such-bucket-here", c->s->name, &c->o, &c->la, &c->err) ==
          TARN_ENOBUCKET);
    return 0;
}

static int w16_missed_beat(struct scene *c)
{
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        struct flawed_lock b = flawed(c, c->b);
        nap(1100); /* one beat, at interval less 500 ms, was missed */
        CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
        return 0;
    }
    CHECK(acquire_a(c) == TARN_OK);
    c->fault.value = "drop-request w16";
    for (int i = 0; i < 40; i++) {
        nap(50);
        CHECK(tarn_lock_check(c->la) == TARN_OK);
    }
    CHECK(acquire_b(c, 0) == TARN_EBUSY);
    return 0;
}

static int attach(struct scene *c)
{
    char nonce[TARN_LOCK_NONCE_LEN];
    CHECK(acquire_a(c) == TARN_OK);
    uint64_t token = tarn_lock_token(c->la);
    (void)snprintf(nonce, sizeof nonce, "%s", tarn_lock_nonce(c->la));
    tarn_lock_free(TN_TAKE(c->la)); /* as a process that ends */
    struct tarn_lock_options o = { .ttl_ms = TTL_MS };
    CHECK(tarn_lock_attach(c->b, c->s->bucket, c->s->name, nonce, &o, &c->lb, &c->err) == TARN_OK);
    CHECK(tarn_lock_token(c->lb) == token && tarn_lock_check(c->lb) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->lb), &c->err) == TARN_OK);
    CHECK(tarn_lock_attach(c->b, c->s->bucket, c->s->name, nonce, &o, &c->lb, &c->err) ==
          TARN_ELOST);
    CHECK(acquire_a(c) == TARN_OK && tarn_lock_token(c->la) == token + 1);
    return 0;
}

/* ---- copies ---- */

static int put_source(struct scene *c, size_t len)
{
    const struct tarn_header metadata[] = { { "colour", "blue" }, { "tarn-copy-id", "old" } };
    struct tarn_put_options options = { .attributes = { .content_type = "text/x-source",
                                                        .cache_control = "no-cache",
                                                        .metadata = metadata,
                                                        .metadata_count = 2 } };
    TN_AUTO_FREE char *bytes = tn_calloc(1, len);
    return tarn_object_put(c->b, c->s->bucket, "source", bytes, len, &options, NULL, &c->err);
}

static int copy_to(struct scene *c, const char *key, const struct tarn_copy_atomic_options *o,
                   struct tarn_copy_atomic_result *result)
{
    c->err = (struct tarn_error){ 0 };
    return tarn_copy_atomic(c->a, c->s->bucket, "source", c->s->bucket, key, o, result, &c->err);
}

static int c1_no_transfer(struct scene *c)
{
    struct tarn_client_stats stats;
    CHECK(put_source(c, 8 * MIB) == TARN_OK);
    if (c->s->is_flawed) {
        char *bytes = NULL;
        size_t len;
        CHECK(tarn_object_get_bytes(c->a, c->s->bucket, "source", 9 * MIB, &bytes, &len, NULL, NULL,
                                    &c->err) == TARN_OK);
        int rc = tarn_object_put(c->a, c->s->bucket, "dest", bytes, len, NULL, NULL, &c->err);
        tarn_bytes_free(bytes);
        CHECK(rc == TARN_OK);
    } else {
        CHECK(copy_to(c, "dest", NULL, NULL) == TARN_OK);
    }
    tarn_client_get_stats(c->a, &stats);
    CHECK(stats.bytes_up + stats.bytes_down < MIB);
    return 0;
}

static int c2_pinned_source(struct scene *c)
{
    struct tarn_object_info info = { 0 };
    CHECK(put_source(c, 100) == TARN_OK);
    CHECK(tarn_object_head(c->b, c->s->bucket, "source", NULL, &info, &c->err) == TARN_OK);
    char etag[TARN_ETAG_LEN_MAX];
    (void)snprintf(etag, sizeof etag, "%s", info.etag);
    tarn_object_info_release(&info);
    CHECK(put_source(c, 101) == TARN_OK);
    struct tarn_copy_atomic_options o = { .source_etag = c->s->is_flawed ? NULL : etag };
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EPRECOND);
    CHECK(!key_exists(c, "dest"));
    return 0;
}

static int check_copy(struct scene *c, const char *key, uint64_t size)
{
    struct tarn_object_info info = { 0 };
    bool has_colour = false;
    CHECK(tarn_object_head(c->b, c->s->bucket, key, NULL, &info, &c->err) == TARN_OK);
    for (size_t i = 0; i < info.metadata_count; i++) {
        if (strcmp(info.metadata[i].name, "colour") == 0)
            has_colour = strcmp(info.metadata[i].value, "blue") == 0;
    }
    bool is_right = info.size == size && has_colour &&
                    strcmp(info.content_type, "text/x-source") == 0 &&
                    strcmp(info.cache_control, "no-cache") == 0;
    tarn_object_info_release(&info);
    CHECK(is_right);
    return 0;
}

static int c3_parts_and_headers(struct scene *c)
{
    static const enum tarn_copy_strategy strategies[] = { TARN_COPY_AUTO, TARN_COPY_HEADER,
                                                          TARN_COPY_MULTIPART, TARN_COPY_GET_PUT };
    const struct tarn_header tag = { "a tag", "v/=+: x" };
    CHECK(put_source(c, 11 * MIB) == TARN_OK);
    CHECK(tarn_tags_put(c->b, c->s->bucket, "source", NULL, &tag, 1, NULL, &c->err) == TARN_OK);
    for (size_t i = 0; i < TN_COUNT(strategies); i++) {
        struct tarn_copy_atomic_options o = { .strategy = strategies[i],
                                              .part_size = (uint64_t)5 << 20 };
        struct tarn_copy_atomic_result result;
        char key[32];
        (void)snprintf(key, sizeof key, "dest-%zu", i);
        CHECK(copy_to(c, key, &o, &result) == TARN_OK);
        CHECK(result.size == 11 * MIB && result.tries == 1 && result.etag[0]);
        CHECK((result.strategy == TARN_COPY_MULTIPART) == (strstr(result.etag, "-3") != NULL));
        CHECK(check_copy(c, key, 11 * MIB) == 0);
        struct tarn_tags tags = { 0 };
        CHECK(tarn_tags_get(c->b, c->s->bucket, key, NULL, NULL, &tags, &c->err) == TARN_OK);
        bool has_tag = tags.count == 1 && strcmp(tags.items[0].name, tag.name) == 0 &&
                       strcmp(tags.items[0].value, tag.value) == 0;
        tarn_tags_release(&tags);
        CHECK(has_tag);
        CHECK(copy_to(c, key, &o, &result) == TARN_EEXISTS);
    }
    return 0;
}

static int c5_careless_server(struct scene *c)
{
    static const enum tarn_copy_strategy strategies[] = { TARN_COPY_AUTO, TARN_COPY_HEADER,
                                                          TARN_COPY_GET_PUT };
    for (size_t i = 0; i < TN_COUNT(strategies); i++) {
        struct tarn_copy_atomic_options o = { .strategy = strategies[i],
                                              .skip_probe = c->s->is_flawed };
        CHECK(tarn_object_put(c->a, c->s->bucket, "source", "new", 3, NULL, NULL, &c->err) ==
              TARN_OK);
        CHECK(tarn_object_put(c->a, c->s->bucket, "dest", "old", 3, NULL, NULL, &c->err) ==
              TARN_OK);
        CHECK(copy_to(c, "dest", &o, NULL) == TARN_ENOTSUPPORTED);
        char *bytes = NULL;
        size_t len = 0;
        CHECK(tarn_object_get_bytes(c->a, c->s->bucket, "dest", 10, &bytes, &len, NULL, NULL,
                                    &c->err) == TARN_OK);
        bool is_old = len == 3 && memcmp(bytes, "old", 3) == 0;
        tarn_bytes_free(bytes);
        CHECK(is_old);
    }
    return 0;
}

static int c6_lost_answer(struct scene *c)
{
    static const char *const faults[] = { "drop-answer", "error-500", "cut-answer", "duplicate" };
    CHECK(put_source(c, 1000) == TARN_OK);
    CHECK(copy_to(c, "warm", NULL, NULL) == TARN_OK); /* the probe is done */
    for (size_t i = 0; i < TN_COUNT(faults); i++) {
        for (int strategy = TARN_COPY_HEADER; strategy <= TARN_COPY_GET_PUT; strategy++) {
            char value[64], key[64];
            struct tarn_copy_atomic_result result = { 0 };
            struct tarn_copy_atomic_options o = { .strategy = (enum tarn_copy_strategy)strategy };
            (void)snprintf(key, sizeof key, "dest-%zu-%d", i, strategy);
            /* Kinds that begin with @ wait for the request that makes the object. */
            (void)snprintf(value, sizeof value, "@%s c6-%zu-%d", faults[i], i, strategy);
            c->fault.value = value;
            o.request = (struct tarn_request){ .headers = &c->fault, .header_count = 1 };
            if (c->s->is_flawed) {
                struct tarn_copy_options plain = { .request = o.request,
                                                   .conditions = { .if_none_match = "*" } };
                CHECK(tarn_object_copy(c->a, c->s->bucket, "source", c->s->bucket, key, &plain,
                                       NULL, &c->err) == TARN_OK);
                continue;
            }
            CHECK(copy_to(c, key, &o, &result) == TARN_OK);
            CHECK(check_copy(c, key, 1000) == 0);
            CHECK(copy_to(c, key, &o, &result) == TARN_EEXISTS && !result.is_recovered);
        }
    }
    return 0;
}

static int c7_two_buckets(struct scene *c)
{
    CHECK(put_source(c, 1000) == TARN_OK);
    CHECK(tarn_bucket_create(c->b, "coord-other", NULL, &c->err) == TARN_OK);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", "coord-other", "source", NULL, NULL,
                           &c->err) == TARN_OK);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", "coord-other", "source", NULL, NULL,
                           &c->err) == TARN_EEXISTS);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "missing", "coord-other", "x", NULL, NULL,
                           &c->err) == TARN_ENOTFOUND);
    CHECK(tarn_copy_atomic(c->a, "no-such-bucket", "source", "coord-other", "x", NULL, NULL,
                           &c->err) == TARN_ENOBUCKET);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", "no-such-bucket", "x", NULL, NULL,
                           &c->err) == TARN_ENOBUCKET);
    return 0;
}

static int count_upload(void *arg, const struct tarn_upload_entry *entry)
{
    (void)entry;
    *(int *)arg += 1;
    return TARN_OK;
}

static int c8_no_leaks(struct scene *c)
{
    int uploads = 0;
    struct tarn_copy_atomic_options o = { .strategy = TARN_COPY_MULTIPART };
    CHECK(put_source(c, 6 * MIB) == TARN_OK);
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_OK);
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EEXISTS);
    o.part_size = 1; /* refused before anything is created */
    CHECK(copy_to(c, "dest2", &o, NULL) == TARN_EINVAL);
    CHECK(tarn_multipart_list_uploads(c->b, c->s->bucket, NULL, NULL, count_upload, &uploads,
                                      &c->err) == TARN_OK);
    CHECK(uploads == 0);
    return 0;
}

static int c9_same_object(struct scene *c)
{
    CHECK(put_source(c, 10) == TARN_OK);
    CHECK(copy_to(c, "source", NULL, NULL) == TARN_EINVAL);
    return 0;
}

/* ---- the store ---- */

static int s1_store(struct scene *c)
{
    struct tarn_store *s = tarn_store_new(c->a, NULL, NULL);
    struct tarn_store_entry first = { 0 }, second = { 0 }, seen = { 0 };
    struct tarn_bytes one = { (char[]){ "one" }, 3 }, two = { (char[]){ "two" }, 3 };
    const char *bucket = c->s->bucket;
    CHECK(tarn_store_exists(s, bucket, "k", &c->err) == 0);
    CHECK(tarn_store_exists(s, "no-such-bucket", "k", &c->err) == TARN_ENOBUCKET);
    CHECK(tarn_store_get(s, bucket, "k", &seen, &c->err) == TARN_ENOTFOUND);
    CHECK(tarn_store_put(s, bucket, "k", &seen, &one, 0, NULL, &c->err) == TARN_EINVAL);
    CHECK(tarn_store_create(s, bucket, "k", &one, 0, &first, &c->err) == TARN_OK);
    CHECK(first.etag[0] == '"' && first.size == 3);
    CHECK(tarn_store_create(s, bucket, "k", &two, 0, NULL, &c->err) == TARN_EEXISTS);
    CHECK(tarn_store_exists(s, bucket, "k", &c->err) == 1);
    CHECK(tarn_store_put(s, bucket, "k", &first, &two, 0, &second, &c->err) == TARN_OK);
    CHECK(tarn_store_put(s, bucket, "k", &first, &one, 0, NULL, &c->err) == TARN_ECONFLICT);
    CHECK(tarn_store_delete(s, bucket, "k", &first, &c->err) == TARN_ECONFLICT);
    CHECK(tarn_store_get(s, bucket, "k", &seen, &c->err) == TARN_OK);
    CHECK(strcmp(seen.etag, second.etag) == 0);
    CHECK(memcmp(((struct tarn_bytes *)seen.value)->data, "two", 3) == 0);
    tarn_store_entry_release(s, &seen);
    CHECK(tarn_store_delete(s, bucket, "k", &second, &c->err) == TARN_OK);
    CHECK(tarn_store_put(s, bucket, "k", &second, &one, 0, NULL, &c->err) == TARN_ECONFLICT);
    CHECK(tarn_store_overwrite(s, bucket, "k", &one, 7, &seen, &c->err) == TARN_OK);
    CHECK(seen.fence == 7);
    CHECK(tarn_store_put(s, bucket, "k", &seen, &two, 6, NULL, &c->err) == TARN_ELOST);
    CHECK(tarn_store_put(s, bucket, "k", &seen, &two, 0, &seen, &c->err) == TARN_OK);
    CHECK(seen.fence == 7);
    tarn_store_free(s);
    return 0;
}

struct burier {
    struct scene *c;
    int rc;
};

static void *bury(void *arg)
{
    struct burier *b = arg;
    struct tarn_store *store = tarn_store_new(b->c->b, NULL, NULL);
    char theirs[] = "theirs";
    nap(400);
    b->rc = tarn_store_update(store, b->c->s->bucket, "k", set_text, theirs, 0, NULL, NULL);
    tarn_store_free(store);
    return NULL;
}

static int count_runs(void *arg, const void *present, void **next)
{
    *(int *)arg += 1;
    char mine[] = "mine";
    return set_text(mine, present, next);
}

/* The answer is lost, and somebody else has written since: still known to have happened, once. */
static int s2_lost_and_buried(struct scene *c)
{
    struct tarn_bytes one = { (char[]){ "one" }, 3 };
    struct tarn_store_options o = { .request = { .headers = &c->fault, .header_count = 1 } };
    struct tarn_store_entry seen = { 0 };
    struct tarn_store *store = tarn_store_new(c->a, &o, NULL);
    struct burier burier = { c, TARN_EAGAIN };
    pthread_t thread;
    int runs = 0;
    CHECK(tarn_store_create(store, c->s->bucket, "k", &one, 0, NULL, &c->err) == TARN_OK);
    c->fault.value = "@hold s2"; /* passed on, and dropped a second later */
    CHECK(pthread_create(&thread, NULL, bury, &burier) == 0);
    int rc = tarn_store_update(store, c->s->bucket, "k", count_runs, &runs, 0, NULL, &c->err);
    (void)pthread_join(thread, NULL);
    c->fault.value = "none none";
    CHECK(rc == TARN_OK && burier.rc == TARN_OK && runs == 1);
    CHECK(tarn_store_get(store, c->s->bucket, "k", &seen, &c->err) == TARN_OK);
    bool is_theirs = ((struct tarn_bytes *)seen.value)->len == 6;
    tarn_store_entry_release(store, &seen);
    tarn_store_free(store);
    CHECK(is_theirs);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct scene *c);
} cases[] = {
    { "W2", w2_release_after_loss },
    { "W3", w3_renewal_beside_release },
    { "W4", w4_whole_seconds },
    { "W5", w5_other_clock },
    { "W6", w6_fencing },
    { "W7", w7_told_of_loss },
    { "W8", w8_lost_answers },
    { "W9", w9_threads },
    { "W10", w10_failed_body },
    { "W11", w11_arguments_first },
    { "W12", w12_foreign_object },
    { "W13", w13_blocked_callback },
    { "W14", w14_careless_server },
    { "W15", w15_missing_bucket },
    { "W16", w16_missed_beat },
    { "attach", attach },
    { "C1", c1_no_transfer },
    { "C2", c2_pinned_source },
    { "C3", c3_parts_and_headers },
    { "C5", c5_careless_server },
    { "C6", c6_lost_answer },
    { "C7", c7_two_buckets },
    { "C8", c8_no_leaks },
    { "C9", c9_same_object },
    { "S1", s1_store },
    { "S2", s2_lost_and_buried },
};

int prove_case(const struct setup *s)
{
    struct scene c = { .s = s, .fault = { "x-tarn-fault", "none none" } };
    int code = 2;
    c.a = setup_client(s->endpoint, 3);
    c.b = setup_client(NULL, 4);
    c.o = (struct tarn_lock_options){ .request = { .headers = &c.fault, .header_count = 1 },
                                      .ttl_ms = TTL_MS,
                                      .wait_ms = 5000 };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        if (strcmp(cases[i].name, s->name) == 0)
            code = cases[i].run(&c);
    }
    c.fault.value = "none none";
    tarn_lock_free(c.la);
    tarn_lock_free(c.lb);
    tarn_client_free(c.a);
    tarn_client_free(c.b);
    return code;
}
