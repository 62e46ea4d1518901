/* SPDX-License-Identifier: Apache-2.0 */
/* What reviews of our own algorithms have found. */

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coord/cases.h"

enum { CHILD_S = 60, SHORT_TTL_MS = 3000 };

static int acquire_a(struct scene *c)
{
    return tarn_lock_acquire(c->a, c->s->bucket, c->s->name, &c->o, &c->la, &c->err);
}

/* A child has no thread that renews, and must not wait for one. */
static int in_child(struct scene *c)
{
    (void)alarm(CHILD_S);
    CHECK(tarn_lock_check(c->la) == TARN_ELOST);
    CHECK(tarn_lock_renew(c->la, &c->err) == TARN_ELOST);
    CHECK(tarn_lock_remaining_ms(c->la) == 0);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_ELOST);
    return 0;
}

static int fork_once(struct scene *c)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(in_child(c));
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(tarn_lock_check(c->la) == TARN_OK);
    return 0;
}

/* Again and again, so that its thread is met waiting. */
static int fork_of_holder(struct scene *c)
{
    c->o.renew_ms = RENEW_MS;
    CHECK(acquire_a(c) == TARN_OK);
    for (uint64_t end = steady_now_ms() + AWAIT_MS; c->info.seq < 4;) {
        CHECK(steady_now_ms() < end && fork_once(c) == 0);
        CHECK(tarn_lock_status(c->b, c->s->bucket, c->s->name, NULL, &c->info, &c->err) == TARN_OK);
    }
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
    return 0;
}

static int count_versions(struct scene *c)
{
    struct tarn_versions *versions = tarn_versions_open(c->b, c->s->bucket, NULL, &c->err);
    const struct tarn_version_entry *entry = NULL;
    int count = 0;
    while (versions && tarn_versions_next(versions, &entry, &c->err) == TARN_OK && entry)
        count++;
    tarn_versions_free(versions);
    return count;
}

/* Nothing is written into a bucket of another owner, not even to see what it honours. */
static int expected_owner(struct scene *c)
{
    static const char stranger[] = "999999999999";
    struct tarn_store_options so = { .request = { .expected_owner = stranger } };
    struct tarn_copy_atomic_options co = { .request = { .expected_owner = stranger } };
    struct tarn_bytes one = { (char[]){ "one" }, 3 };
    CHECK(tarn_bucket_set_versioning(c->b, c->s->bucket, TARN_VERSIONING_ENABLED, NULL, NULL,
                                     &c->err) == TARN_OK);
    struct tarn_store *store = tarn_store_new(c->a, &so, NULL);
    c->o.request.expected_owner = stranger;
    CHECK(acquire_a(c) == TARN_EDENIED);
    int rc = tarn_store_create(store, c->s->bucket, "k", &one, 0, NULL, &c->err);
    tarn_store_free(store);
    CHECK(rc == TARN_EDENIED);
    CHECK(count_versions(c) == 0);
    CHECK(tarn_object_put(c->b, c->s->bucket, "source", "x", 1, NULL, NULL, &c->err) == TARN_OK);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", c->s->bucket, "dest", &co, NULL,
                           &c->err) == TARN_EDENIED);
    CHECK(count_versions(c) == 1);
    return 0;
}

static void fall_silent(void *arg)
{
    ((struct scene *)arg)->fault.value = "silence from-now-on";
}

/* Loss is told when the lease ends, not when somebody answers or when a request gives up. */
static int silence(struct scene *c)
{
    c->clock_a.is_stopped = false;
    c->o.ttl_ms = SHORT_TTL_MS;
    c->o.clock = &c->clock_a.clock;
    CHECK(acquire_a(c) == TARN_OK);
    c->clock_a.before_write_arg = c;
    atomic_store(&c->clock_a.before_write, fall_silent); /* from the next renewal on */
    struct pollfd fd = { tarn_lock_fd(c->la), POLLIN, 0 };
    CHECK(poll(&fd, 1, AWAIT_MS / 2) == 1);
    CHECK(tarn_lock_check(c->la) == TARN_ELOST);
    return 0;
}

/* The longest hold ends while a renewal is under way. */
static void outlast(void *arg)
{
    test_clock_step(arg, TTL_MS / 2 + 1);
}

static int longest_hold(struct scene *c)
{
    c->o.clock = &c->clock_a.clock;
    c->o.renews_by_hand = true;
    c->o.max_hold_ms = TTL_MS + 1;
    CHECK(acquire_a(c) == TARN_OK);
    test_clock_step(&c->clock_a, TTL_MS / 2);
    c->clock_a.before_write_arg = &c->clock_a;
    atomic_store(&c->clock_a.before_write, outlast);
    CHECK(tarn_lock_renew(c->la, &c->err) == TARN_ETIMEOUT);
    CHECK(tarn_lock_check(c->la) == TARN_ETIMEOUT);
    return 0;
}

/* Without the right to list, what was never there cannot be told from what may not be seen: only
 * writing can. */
static int never_there_or_not_to_be_seen(struct scene *c)
{
    c->o.renews_by_hand = true;
    c->fault.value = "hide 1";
    for (uint64_t token = 1; token <= 2; token++) {
        CHECK(acquire_a(c) == TARN_OK && tarn_lock_token(c->la) == token);
        CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
    }
    c->fault.value = "hide-all 2";
    CHECK(acquire_a(c) == TARN_EDENIED);
    CHECK(tarn_lock_status(c->b, c->s->bucket, c->s->name, NULL, &c->info, &c->err) == TARN_OK);
    CHECK(c->info.state == TARN_LOCK_RELEASED && c->info.token == 2);
    return 0;
}

struct canceller {
    struct scene *c;
    volatile int is_cancelled;
};

static void *cancel_once_taken(void *arg)
{
    struct canceller *k = arg;
    struct tarn_lock_info info = { 0 };
    for (uint64_t end = steady_now_ms() + AWAIT_MS; steady_now_ms() < end;) {
        if (tarn_lock_status(k->c->b, k->c->s->bucket, k->c->s->name, NULL, &info, NULL) ==
                TARN_OK &&
            info.state == TARN_LOCK_HELD)
            break;
    }
    k->is_cancelled = 1;
    return NULL;
}

/* Whoever gives up between taking a lock and learning of it leaves no lock behind. */
static int cancelled_acquisition(struct scene *c)
{
    struct canceller k = { c, 0 };
    pthread_t thread;
    c->fault.value = "@hold cancelled";
    c->o.request.cancel = &k.is_cancelled;
    CHECK(pthread_create(&thread, NULL, cancel_once_taken, &k) == 0);
    int rc = acquire_a(c);
    (void)pthread_join(thread, NULL);
    CHECK(rc == TARN_ECANCELLED);
    CHECK(tarn_lock_status(c->b, c->s->bucket, c->s->name, NULL, &c->info, &c->err) == TARN_OK);
    CHECK(c->info.state == TARN_LOCK_RELEASED && c->info.token == 1);
    return 0;
}

/* A refusal without anything that could be the reason: what was there is gone again. */
static int refused_without_reason(struct scene *c)
{
    struct tarn_copy_atomic_options o = { .request = scene_request(c) };
    struct tarn_copy_atomic_result result = { 0 };
    CHECK(tarn_object_put(c->b, c->s->bucket, "source", "x", 1, NULL, NULL, &c->err) == TARN_OK);
    for (int i = TARN_COPY_HEADER; i <= TARN_COPY_GET_PUT; i++) {
        char value[32], key[32];
        (void)snprintf(value, sizeof value, "@refuse r-%d", i);
        (void)snprintf(key, sizeof key, "dest-%d", i);
        o.strategy = (enum tarn_copy_strategy)i;
        c->fault.value = value;
        int rc =
            tarn_copy_atomic(c->a, c->s->bucket, "source", c->s->bucket, key, &o, &result, &c->err);
        c->fault.value = "none none";
        CHECK(rc == TARN_OK && result.tries == 2);
        CHECK(scene_key_is(c, key, "x"));
    }
    return 0;
}

/* A failure for good at any step of an upload leaves nothing behind. */
static int failing_parts(struct scene *c)
{
    static const char *const steps[] = { "?uploads",      "partNumber=1&", "partNumber=2&",
                                         "partNumber=3&", "partNumber=4&", "?uploadId=" };
    struct tarn_buffer_s3 s3 = {
        .client = c->a, .bucket = c->s->bucket, .prefix = "spool", .request = scene_request(c)
    };
    struct tarn_buffer_options o = { .threshold = 1000, .s3 = &s3 };
    TN_AUTO_FREE char *zeros = tn_calloc(1, 4 * MIB);
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        char value[64];
        struct tarn_buffer *b = tarn_buffer_new(&o, &c->err);
        int rc = TARN_OK;
        (void)snprintf(value, sizeof value, "deny:%s for-good", steps[i]);
        c->fault.value = value;
        for (int j = 0; j < 4 && rc == TARN_OK; j++)
            rc = tarn_buffer_write(b, zeros, 4 * MIB, &c->err);
        if (rc == TARN_OK)
            rc = tarn_buffer_seal(b, &c->err);
        CHECK(rc == TARN_EDENIED);
        CHECK(tarn_buffer_write(b, "x", 1, &c->err) == TARN_EDENIED);
        tarn_buffer_reset(b); /* what is under way has ended */
        c->fault.value = "none none";
        CHECK(scene_count_uploads(c) == 0 && scene_count_keys(c) == 0);
        CHECK(tarn_buffer_write(b, zeros, 5000, &c->err) == TARN_OK);
        CHECK(tarn_buffer_seal(b, &c->err) == TARN_OK);
        CHECK(tarn_buffer_read(b, zeros, 5000, &c->err) == 5000);
        tarn_buffer_free(b);
    }
    return 0;
}

const struct scene_case review_cases[] = {
    { "fork", fork_of_holder },
    { "owner", expected_owner },
    { "silence", silence },
    { "longest", longest_hold },
    { "refused", refused_without_reason },
    { "parts", failing_parts },
    { "cancelled", cancelled_acquisition },
    { "hidden", never_there_or_not_to_be_seen },
    { NULL, NULL },
};
