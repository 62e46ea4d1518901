/* SPDX-License-Identifier: Apache-2.0 */
/* W1 to W16: what is wrong with the reference's lock. */

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "coord/cases.h"

static void nap(long ms)
{
    struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&delay, NULL);
}

static bool await(const _Atomic int *flag)
{
    for (uint64_t end = steady_now_ms() + AWAIT_MS; !atomic_load(flag); nap(1)) {
        if (steady_now_ms() > end)
            return false;
    }
    return true;
}

static int acquire_a(struct scene *c)
{
    return tarn_lock_acquire(c->a, c->s->bucket, c->s->name, &c->o, &c->la, &c->err);
}

/* By another machine. Waiting for the lock to become stale takes it no time. */
static int acquire_b(struct scene *c, int64_t wait_ms)
{
    struct tarn_lock_options o = {
        .ttl_ms = TTL_MS, .wait_ms = wait_ms, .poll_max_ms = 1000, .clock = &c->clock_b.clock
    };
    return tarn_lock_acquire(c->b, c->s->bucket, c->s->name, &o, &c->lb, &c->err);
}

static int look(struct scene *c)
{
    return tarn_lock_status(c->b, c->s->bucket, c->s->name, NULL, &c->info, &c->err);
}

/* Looks until the holder has written `seq` times. */
static bool await_writes(struct scene *c, uint64_t seq)
{
    for (uint64_t end = steady_now_ms() + AWAIT_MS; steady_now_ms() < end; nap(5)) {
        if (look(c) == TARN_OK && c->info.seq >= seq)
            return true;
    }
    return false;
}

/* Of machine a or b, which both go by clock a: the reference wants clocks that agree. */
static struct flawed_lock flawed(struct scene *c, struct tarn_client *client)
{
    struct flawed_lock l = { .client = client, .bucket = c->s->bucket, .interval_ms = TTL_MS };
    (void)snprintf(l.key, sizeof l.key, "%s.lock", c->s->name);
    l.clock = &c->clock_a.clock;
    return l;
}

static void let_b_in(void *arg)
{
    struct scene *c = arg;
    if (acquire_b(c, 0) < 0)
        setup_die("b", &c->err);
}

/* Both have looked, and nothing was there. */
static int w1_two_creators(struct scene *c)
{
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        char seen_a[TARN_ETAG_LEN_MAX], seen_b[TARN_ETAG_LEN_MAX];
        CHECK(flawed_look(&a, seen_a, &c->err) == TARN_OK);
        CHECK(flawed_look(&b, seen_b, &c->err) == TARN_OK);
        CHECK(flawed_take(&b, seen_b, &c->err) == TARN_OK);
        CHECK(flawed_take(&a, seen_a, &c->err) == TARN_EBUSY);
        return 0;
    }
    c->clock_a.before_write_arg = c;
    atomic_store(&c->clock_a.before_write, let_b_in);
    c->o.clock = &c->clock_a.clock;
    c->o.wait_ms = 0;
    CHECK(acquire_a(c) == TARN_EBUSY);
    CHECK(c->lb && tarn_lock_check(c->lb) == TARN_OK);
    CHECK(look(c) == TARN_OK && strcmp(c->info.nonce, tarn_lock_nonce(c->lb)) == 0);
    return 0;
}

static int w2_release_after_loss(struct scene *c)
{
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        test_clock_step(&c->clock_a, 2 * TTL_MS);
        CHECK(flawed_try(&b, &c->err) == TARN_OK);
        CHECK(flawed_release(&a, &c->err) == TARN_OK);
        CHECK(scene_has_key(c, b.key));
        return 0;
    }
    c->o.renews_by_hand = true;
    CHECK(acquire_a(c) == TARN_OK);
    CHECK(acquire_b(c, 2 * STALE_MS) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_ELOST);
    CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_HELD);
    CHECK(strcmp(c->info.nonce, tarn_lock_nonce(c->lb)) == 0);
    return 0;
}

/* A renewal on its way stands at the gate until it opens. */
struct gate {
    _Atomic int has_arrived;
    _Atomic int is_open;
};

static void stand(void *arg)
{
    struct gate *g = arg;
    atomic_store(&g->has_arrived, 1);
    (void)await(&g->is_open);
}

/* By somebody else, while the holder's renewal stands at the gate: the record stays as it is seen.
 */
static int break_before_renewal(struct scene *c, struct gate *gate)
{
    c->clock_a.before_write_arg = gate;
    atomic_store(&c->clock_a.before_write, stand);
    bool has_arrived = await(&gate->has_arrived);
    int rc = look(c);
    if (rc == TARN_OK)
        rc = tarn_lock_break(c->b, c->s->bucket, c->s->name, c->info.etag, NULL, &c->err);
    atomic_store(&gate->is_open, 1);
    return has_arrived ? rc : TARN_ETIMEOUT;
}

static int w3_renewal_beside_release(struct scene *c)
{
    if (c->s->is_flawed) { /* the map's entry is gone while the heartbeat runs: no condition */
        struct flawed_lock a = flawed(c, c->a);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        CHECK(flawed_release(&a, &c->err) == TARN_OK);
        CHECK(flawed_take(&a, "", &c->err) == TARN_OK);
        CHECK(!scene_has_key(c, a.key));
        return 0;
    }
    c->clock_a.is_stopped = false;
    c->o.clock = &c->clock_a.clock;
    c->o.renew_ms = 1;
    for (int i = 0; i < 20; i++) {
        struct gate gate = { 0, 0 };
        CHECK(acquire_a(c) == TARN_OK);
        c->clock_a.before_write_arg = &gate;
        atomic_store(&c->clock_a.before_write, stand);
        CHECK(await(&gate.has_arrived));
        atomic_store(&gate.is_open, 1); /* both want to write now */
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
        CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_RELEASED);
    }
    return 0;
}

/* The wall clock stands late in a second: whole seconds make the lock look expired. */
static int w4_whole_seconds(struct scene *c)
{
    int64_t now = c->clock_a.clock.wall_ms(&c->clock_a);
    atomic_store(&c->clock_a.wall_offset_ms, 900 - now % 1000);
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        test_clock_step(&c->clock_a, TTL_MS - 600); /* the first heartbeat is due 100 later */
        CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
        return 0;
    }
    c->o.clock = &c->clock_a.clock;
    c->o.renews_by_hand = true;
    CHECK(acquire_a(c) == TARN_OK);
    test_clock_step(&c->clock_a, TTL_MS - MARGIN_MS - 100);
    atomic_store(&c->clock_b.wall_offset_ms, atomic_load(&c->clock_a.wall_offset_ms));
    CHECK(acquire_b(c, 0) == TARN_EBUSY);
    CHECK(tarn_lock_check(c->la) == TARN_OK);
    return 0;
}

static int w5_other_clock(struct scene *c)
{
    static const int64_t steps[] = { 3600000, -3600000 };
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        atomic_store(&c->clock_b.wall_offset_ms, steps[i]);
        if (c->s->is_flawed) {
            struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
            b.clock = &c->clock_b.clock;
            CHECK(flawed_try(&a, &c->err) == TARN_OK);
            CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
            continue;
        }
        c->o.clock = &c->clock_a.clock;
        CHECK(acquire_a(c) == TARN_OK);
        CHECK(acquire_b(c, TTL_MS) == TARN_ETIMEOUT);
        /* Nor does a step of the holder's own clock matter. */
        atomic_store(&c->clock_a.wall_offset_ms, steps[i]);
        CHECK(tarn_lock_check(c->la) == TARN_OK);
        CHECK(tarn_lock_renew(c->la, &c->err) == TARN_OK);
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
    }
    return 0;
}

static int set_text(void *arg, const void *present, void **next)
{
    (void)present;
    *next = tarn_bytes_new(arg, strlen(arg));
    return *next ? TARN_OK : TARN_ENOMEM;
}

/* Paused before its write, and replaced meanwhile. */
static int w6_fencing(struct scene *c)
{
    char text_a[] = "from a", text_b[] = "from b";
    const char *bucket = c->s->bucket, *key = "guarded";
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        test_clock_step(&c->clock_a, 2 * TTL_MS);
        CHECK(flawed_try(&b, &c->err) == TARN_OK);
        CHECK(tarn_object_put(c->b, bucket, key, text_b, 6, NULL, NULL, &c->err) == TARN_OK);
        CHECK(tarn_object_put(c->a, bucket, key, text_a, 6, NULL, NULL, &c->err) == TARN_OK);
        CHECK(scene_key_is(c, key, text_b));
        return 0;
    }
    struct tarn_store *sa = tarn_store_new(c->a, NULL, NULL);
    struct tarn_store *sb = tarn_store_new(c->b, NULL, NULL);
    struct tarn_bytes value = { text_a, 6 };
    c->o.renews_by_hand = true;
    c->o.clock = &c->clock_a.clock;
    CHECK(acquire_a(c) == TARN_OK);
    uint64_t token = tarn_lock_token(c->la);
    CHECK(acquire_b(c, 2 * STALE_MS) == TARN_OK);
    CHECK(tarn_lock_token(c->lb) > token);
    CHECK(tarn_store_update(sb, bucket, key, set_text, text_b, tarn_lock_token(c->lb), NULL,
                            &c->err) == TARN_OK);
    CHECK(tarn_store_update(sa, bucket, key, set_text, text_a, token, NULL, &c->err) == TARN_ELOST);
    CHECK(tarn_store_overwrite(sa, bucket, key, &value, token, NULL, &c->err) == TARN_ELOST);
    tarn_store_free(sa);
    tarn_store_free(sb);
    CHECK(scene_key_is(c, key, text_b));
    test_clock_step(&c->clock_a, 2 * TTL_MS); /* and it knows, as soon as its clock does */
    CHECK(tarn_lock_check(c->la) == TARN_ELOST);
    return 0;
}

/* Ten steps of work, of which the fourth takes so long that the lock is lost. */
struct work {
    struct scene *c;
    struct tarn_lock *lock; /* NULL: the reference, which gives its body nothing to ask */
    struct gate gate;
    int done_in_vain;
    bool is_lost;
};

static void lose(struct work *w)
{
    struct scene *c = w->c;
    w->is_lost = true;
    if (!w->lock) {
        struct flawed_lock b = flawed(c, c->b);
        test_clock_step(&c->clock_a, 2 * TTL_MS);
        if (flawed_try(&b, &c->err) < 0)
            setup_die("b", &c->err);
        return;
    }
    struct pollfd fd = { tarn_lock_fd(w->lock), POLLIN, 0 };
    if (poll(&fd, 1, 0) != 0 || break_before_renewal(c, &w->gate) < 0 ||
        poll(&fd, 1, AWAIT_MS) != 1)
        setup_die("the body was not told", &c->err);
}

static int do_work(void *arg)
{
    struct work *w = arg;
    for (int i = 0; i < 10; i++) {
        if (w->lock && tarn_lock_check(w->lock) != TARN_OK)
            return TARN_ELOST;
        w->done_in_vain += w->is_lost;
        if (i == 3)
            lose(w);
    }
    return TARN_OK;
}

static int work_under(void *arg, struct tarn_lock *lock)
{
    ((struct work *)arg)->lock = lock;
    return do_work(arg);
}

static void note_lost(void *arg, struct tarn_lock *lock, int reason)
{
    (void)lock;
    atomic_store((_Atomic int *)arg, reason);
}

static int w7_told_of_loss(struct scene *c)
{
    struct work work = { .c = c };
    _Atomic int reason = 0;
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a);
        (void)flawed_with(&a, do_work, &work, &c->err);
        CHECK(work.is_lost && work.done_in_vain == 0);
        return 0;
    }
    c->clock_a.is_stopped = false;
    c->o.clock = &c->clock_a.clock;
    c->o.renew_ms = RENEW_MS;
    c->o.on_lost = note_lost;
    c->o.on_lost_arg = &reason;
    CHECK(tarn_lock_with(c->a, c->s->bucket, c->s->name, &c->o, work_under, &work, &c->err) ==
          TARN_ELOST);
    CHECK(work.is_lost && work.done_in_vain == 0 && atomic_load(&reason) == TARN_ELOST);

    atomic_store(&reason, 0); /* likewise after the longest hold */
    test_clock_stop(&c->clock_a);
    c->o.max_hold_ms = TTL_MS + 300;
    CHECK(acquire_a(c) == TARN_OK);
    test_clock_step(&c->clock_a, TTL_MS + 400);
    CHECK(await(&reason) && atomic_load(&reason) == TARN_ETIMEOUT);
    CHECK(tarn_lock_check(c->la) == TARN_ETIMEOUT && tarn_lock_remaining_ms(c->la) == 0);
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
            a.request = scene_request(c);
            CHECK(flawed_renew(&a, &c->err) == TARN_OK);
            CHECK(flawed_release(&a, &c->err) == TARN_OK);
            continue;
        }
        c->o.renews_by_hand = true;
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
    struct tarn_client *client;
    struct tarn_lock *lock;
    int rc;
};

static void *enter(void *arg)
{
    struct entrant *e = arg;
    e->rc = tarn_lock_acquire(e->client, e->c->s->bucket, e->c->s->name, &e->c->o, &e->lock, NULL);
    return NULL;
}

/* Two threads have both found the map without an entry, and the bucket without a lock. */
static int enter_flawed(struct scene *c)
{
    struct flawed_lock l = flawed(c, c->a);
    char seen[2][TARN_ETAG_LEN_MAX];
    for (int i = 0; i < 2; i++) {
        CHECK(!l.has_entry);
        CHECK(flawed_look(&l, seen[i], &c->err) == TARN_OK);
    }
    int won = 0;
    for (int i = 0; i < 2; i++) {
        l.has_entry = true;
        won += flawed_take(&l, seen[i], &c->err) == TARN_OK;
    }
    CHECK(won == 1);
    return 0;
}

static int w9_threads(struct scene *c)
{
    enum { THREADS = 16 };
    struct entrant entrants[THREADS];
    pthread_t threads[THREADS];
    int won = 0, refused = 0;
    if (c->s->is_flawed)
        return enter_flawed(c);
    struct tarn_client *other = setup_client(c->s->endpoint, 3); /* for the process, not for it */
    for (int i = 0; i < THREADS; i++) {
        entrants[i] = (struct entrant){ c, i % 2 ? other : c->a, NULL, 0 };
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
    tarn_client_free(other);
    CHECK(won == 1 && refused == THREADS - 1);
    CHECK(acquire_a(c) == TARN_OK); /* and again afterwards */
    return 0;
}

static int fail(void *arg)
{
    *(int *)arg += 1;
    return TARN_ERANGE;
}

static int fail_under(void *arg, struct tarn_lock *lock)
{
    (void)lock;
    return fail(arg);
}

static int w10_failed_body(struct scene *c)
{
    int runs = 0;
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        CHECK(flawed_with(&a, fail, &runs, &c->err) == TARN_ERANGE);
        CHECK(flawed_try(&b, &c->err) == TARN_OK);
        return 0;
    }
    CHECK(tarn_lock_with(c->a, c->s->bucket, c->s->name, &c->o, fail_under, &runs, &c->err) ==
          TARN_ERANGE);
    CHECK(runs == 1);
    CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_RELEASED);
    CHECK(acquire_b(c, 0) == TARN_OK);
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
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a);
        a.interval_ms = 400;
        CHECK(flawed_acquire(&a, &c->err) == TARN_EINVAL);
        CHECK(!scene_has_key(c, a.key));
        return 0;
    }
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

/* A record of the reference, in its lease: waited for, then taken. */
static int wait_for_uuid(struct scene *c, const char *key, const char *uuid)
{
    int64_t expires = c->clock_b.clock.wall_ms(&c->clock_b) / 1000 + TTL_MS / 1000;
    struct tarn_put_options put = { .attributes = { .expires = expires } };
    CHECK(tarn_object_put(c->b, c->s->bucket, key, uuid, 36, &put, NULL, &c->err) == TARN_OK);
    CHECK(acquire_b(c, TTL_MS / 2) == TARN_ETIMEOUT);
    CHECK(acquire_b(c, 3 * STALE_MS) == TARN_OK);
    CHECK(c->clock_b.clock.wall_ms(&c->clock_b) / 1000 >= expires);
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
        CHECK(tarn_object_put(c->b, c->s->bucket, key, bodies[i], strlen(bodies[i]), NULL, NULL,
                              &c->err) == TARN_OK);
        if (c->s->is_flawed) {
            struct flawed_lock a = flawed(c, c->a);
            (void)flawed_try(&a, &c->err);
        } else {
            c->o.wait_ms = 100;
            CHECK(acquire_a(c) == TARN_ECORRUPT);
            CHECK(look(c) == TARN_OK && c->info.state == TARN_LOCK_FOREIGN);
        }
        CHECK(scene_key_is(c, key, bodies[i]));
    }
    return c->s->is_flawed ? 0 : wait_for_uuid(c, key, bodies[4]);
}

/* One thread that does what is due, one after the other. */
static int beat_behind_callback(struct scene *c)
{
    struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
    CHECK(flawed_try(&a, &c->err) == TARN_OK);
    test_clock_step(&c->clock_a, 2 * TTL_MS); /* another lock's callback, in front of our beat */
    CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
    CHECK(flawed_renew(&a, &c->err) == TARN_OK);
    return 0;
}

static void stand_in_callback(void *arg, struct tarn_lock *lock, int reason)
{
    (void)lock;
    (void)reason;
    stand(arg);
}

static int w13_blocked_callback(struct scene *c)
{
    struct gate gate = { 0, 0 }, renewal = { 0, 0 };
    struct tarn_lock_options o = { .ttl_ms = TTL_MS, .renew_ms = RENEW_MS };
    struct tarn_lock_info info = { 0 };
    if (c->s->is_flawed)
        return beat_behind_callback(c);
    c->clock_a.is_stopped = false;
    c->o.clock = &c->clock_a.clock;
    c->o.renew_ms = RENEW_MS;
    c->o.on_lost = stand_in_callback;
    c->o.on_lost_arg = &gate;
    CHECK(acquire_a(c) == TARN_OK);
    CHECK(tarn_lock_acquire(c->a, c->s->bucket, "another", &o, &c->lb, &c->err) == TARN_OK);
    CHECK(break_before_renewal(c, &renewal) == TARN_OK);
    CHECK(await(&gate.has_arrived));
    for (uint64_t end = steady_now_ms() + AWAIT_MS; info.seq < 5; nap(5)) {
        CHECK(tarn_lock_check(c->lb) == TARN_OK && steady_now_ms() < end);
        CHECK(tarn_lock_status(c->b, c->s->bucket, "another", NULL, &info, &c->err) == TARN_OK);
    }
    atomic_store(&gate.is_open, 1);
    tarn_lock_free(TN_TAKE(c->la)); /* before the gate goes */
    return 0;
}

/* Against a server that takes no notice of conditions. */
static int w14_careless_server(struct scene *c)
{
    if (!c->s->is_flawed) {
        CHECK(acquire_a(c) == TARN_ENOTSUPPORTED);
        return 0;
    }
    struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
    char seen[TARN_ETAG_LEN_MAX];
    CHECK(flawed_try(&a, &c->err) == TARN_OK);
    test_clock_step(&c->clock_a, 2 * TTL_MS);
    CHECK(flawed_look(&b, seen, &c->err) == TARN_OK);
    CHECK(flawed_renew(&a, &c->err) == TARN_OK); /* in between: b's condition is not met any more */
    CHECK(flawed_take(&b, seen, &c->err) == TARN_EBUSY);
    return 0;
}

static int w15_missing_bucket(struct scene *c)
{
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a);
        char seen[TARN_ETAG_LEN_MAX];
        a.bucket = "no-such-bucket-here";
        CHECK(flawed_look(&a, seen, &c->err) != TARN_OK); /* "nobody has it" */
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        c->o.skip_probe = i == 1;
        CHECK(tarn_lock_acquire(c->a, "no-such-bucket-here", c->s->name, &c->o, &c->la, &c->err) ==
              TARN_ENOBUCKET);
    }
    CHECK(tarn_lock_status(c->a, "no-such-bucket-here", c->s->name, NULL, &c->info, &c->err) ==
          TARN_ENOBUCKET);
    return 0;
}

static int w16_missed_beat(struct scene *c)
{
    if (c->s->is_flawed) {
        struct flawed_lock a = flawed(c, c->a), b = flawed(c, c->b);
        CHECK(flawed_try(&a, &c->err) == TARN_OK);
        test_clock_step(&c->clock_a, TTL_MS + 100); /* the one beat in it was lost */
        CHECK(flawed_try(&b, &c->err) == TARN_EBUSY);
        return 0;
    }
    struct gate gate = { 0, 0 };
    c->clock_a.is_stopped = false;
    c->o.clock = &c->clock_a.clock;
    c->o.renew_ms = RENEW_MS;
    CHECK(acquire_a(c) == TARN_OK);
    c->clock_a.before_write_arg = &gate;
    atomic_store(&c->clock_a.before_write, stand);
    CHECK(await(&gate.has_arrived));
    c->fault.value = "drop-request w16"; /* with the renewal that stands at the gate */
    atomic_store(&gate.is_open, 1);
    CHECK(await_writes(c, 5)); /* the lease has been renewed several times since */
    CHECK(tarn_lock_check(c->la) == TARN_OK);
    CHECK(acquire_b(c, 0) == TARN_EBUSY);
    return 0;
}

static void let_a_renew(void *arg)
{
    struct scene *c = arg;
    if (tarn_lock_renew(c->la, &c->err) < 0)
        setup_die("a", &c->err);
}

static void let_b_steal(void *arg)
{
    struct scene *c = arg;
    if (acquire_b(c, 2 * STALE_MS) < 0)
        setup_die("b", &c->err);
}

/* Whoever writes first has it, and the other one learns of it. */
static int steal_and_renew(struct scene *c)
{
    c->o.renews_by_hand = true;
    c->o.clock = &c->clock_a.clock;
    c->clock_a.before_write_arg = c->clock_b.before_write_arg = c;
    CHECK(acquire_a(c) == TARN_OK);
    atomic_store(&c->clock_b.before_write, let_a_renew); /* b has seen it stale, and is about to */
    CHECK(acquire_b(c, STALE_MS + 500) == TARN_ETIMEOUT && !c->lb);
    CHECK(tarn_lock_check(c->la) == TARN_OK);
    atomic_store(&c->clock_a.before_write, let_b_steal);
    CHECK(tarn_lock_renew(c->la, &c->err) == TARN_ELOST);
    CHECK(tarn_lock_check(c->la) == TARN_ELOST && tarn_lock_check(c->lb) == TARN_OK);
    CHECK(tarn_lock_token(c->lb) == tarn_lock_token(c->la) + 1);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_ELOST);
    CHECK(look(c) == TARN_OK && strcmp(c->info.nonce, tarn_lock_nonce(c->lb)) == 0);
    return 0;
}

/* Others take the lock and give it back while a release of ours has no answer yet. */
static void *take_turns(void *arg)
{
    struct scene *c = arg;
    const struct tarn_header let_go = { "x-tarn-fault", "let-go turns" };
    struct tarn_get_options get = { .request = { .headers = &let_go, .header_count = 1 } };
    struct tarn_lock_options o = { .ttl_ms = TTL_MS, .wait_ms = AWAIT_MS };
    for (int i = 0; i < 3; i++) {
        if (tarn_lock_acquire(c->b, c->s->bucket, c->s->name, &o, &c->lb, NULL) < 0)
            break;
        if (i < 2)
            (void)tarn_lock_release(TN_TAKE(c->lb), NULL);
    }
    (void)tarn_object_head(c->a, c->s->bucket, "none", &get, NULL, NULL);
    return NULL;
}

static int buried_release(struct scene *c)
{
    pthread_t thread;
    c->o.renews_by_hand = true;
    CHECK(acquire_a(c) == TARN_OK);
    c->fault.value = "@hold turns-release";
    CHECK(pthread_create(&thread, NULL, take_turns, c) == 0);
    int rc = tarn_lock_release(TN_TAKE(c->la), &c->err);
    (void)pthread_join(thread, NULL);
    CHECK(rc == TARN_OK);
    CHECK(c->lb && tarn_lock_token(c->lb) == 4 && tarn_lock_check(c->lb) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->lb), &c->err) == TARN_OK);
    /* Unlike one that was broken, and taken by another then. */
    c->fault.value = "none none";
    CHECK(acquire_a(c) == TARN_OK && look(c) == TARN_OK);
    CHECK(tarn_lock_break(c->b, c->s->bucket, c->s->name, c->info.etag, NULL, &c->err) == TARN_OK);
    CHECK(acquire_b(c, 0) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_ELOST);
    return 0;
}

static int attach(struct scene *c)
{
    char nonce[TARN_LOCK_NONCE_LEN];
    CHECK(acquire_a(c) == TARN_OK);
    uint64_t token = tarn_lock_token(c->la);
    (void)snprintf(nonce, sizeof nonce, "%s", tarn_lock_nonce(c->la));
    tarn_lock_free(TN_TAKE(c->la));                         /* as a process that ends */
    struct tarn_lock_options o = { .max_hold_ms = TTL_MS }; /* not more than its ttl */
    CHECK(tarn_lock_attach(c->b, c->s->bucket, c->s->name, nonce, &o, &c->lb, &c->err) ==
          TARN_EINVAL);
    o.max_hold_ms = 0;
    CHECK(tarn_lock_attach(c->b, c->s->bucket, c->s->name, nonce, &o, &c->lb, &c->err) == TARN_OK);
    CHECK(look(c) == TARN_OK && c->info.ttl_ms == TTL_MS);
    CHECK(tarn_lock_token(c->lb) == token && tarn_lock_check(c->lb) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->lb), &c->err) == TARN_OK);
    CHECK(tarn_lock_attach(c->b, c->s->bucket, c->s->name, nonce, &o, &c->lb, &c->err) ==
          TARN_ELOST);
    CHECK(acquire_a(c) == TARN_OK && tarn_lock_token(c->la) == token + 1);
    return 0;
}

const struct scene_case lock_cases[] = {
    { "W1", w1_two_creators },
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
    { "steal", steal_and_renew },
    { "attach", attach },
    { "buried", buried_release },
    { NULL, NULL },
};
