/* SPDX-License-Identifier: Apache-2.0 */
/* Races of many processes: locks around a fenced counter, counters by compare-and-swap, copies. */

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rand.h"
#include "coord/flawed.h"
#include "coord/setup.h"

enum { PROCS_MAX = 64, COPY_ROUNDS_MAX = 20000, VIOLATED = 3, RETRIES = 12 };

/* In memory that all processes share. */
struct shared {
    _Atomic long rounds_left;
    _Atomic long done;     /* increments that were reported as done */
    _Atomic long lost;     /* rounds whose lock was lost, or that were fenced off */
    _Atomic long failed;   /* rounds that ended in another failure */
    _Atomic long overlaps; /* two holders inside their leases */
    _Atomic long backward; /* tokens that did not rise */
    pthread_mutex_t slot_lock;
    long slot_pid;
    uint64_t slot_until_ms; /* the lease of the last holder, as it knew it */
    uint64_t slot_token;
    pthread_barrier_t barrier;
    _Atomic int wins[COPY_ROUNDS_MAX];
    _Atomic int exists[COPY_ROUNDS_MAX];
};

static struct shared *map_shared(int procs)
{
    struct shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_barrierattr_t barrier;
    if (s == MAP_FAILED)
        setup_die("mmap", NULL);
    (void)pthread_mutexattr_init(&mutex);
    (void)pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST); /* holders are killed */
    (void)pthread_mutex_init(&s->slot_lock, &mutex);
    (void)pthread_barrierattr_init(&barrier);
    (void)pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    (void)pthread_barrier_init(&s->barrier, &barrier, (unsigned)procs);
    return s;
}

static void lock_slot(struct shared *s)
{
    if (pthread_mutex_lock(&s->slot_lock) == EOWNERDEAD)
        (void)pthread_mutex_consistent(&s->slot_lock);
}

/* With the slot's lock. Nobody else's lease may run, as long as that one was inside it. */
static void enter(struct shared *s, uint64_t token, uint64_t until_ms)
{
    if (s->slot_pid && s->slot_pid != getpid() && steady_now_ms() < s->slot_until_ms)
        atomic_fetch_add(&s->overlaps, 1);
    if (token && token <= s->slot_token)
        atomic_fetch_add(&s->backward, 1);
    s->slot_pid = getpid();
    s->slot_until_ms = until_ms;
    s->slot_token = token;
}

/* Asks for its lease where no other can enter: one that was stopped on its way is no holder. */
static bool enter_as_holder(struct shared *s, struct tarn_lock *lock)
{
    lock_slot(s);
    uint64_t now = steady_now_ms();
    int64_t left = tarn_lock_remaining_ms(lock);
    if (left > 0)
        enter(s, tarn_lock_token(lock), now + (uint64_t)left);
    (void)pthread_mutex_unlock(&s->slot_lock);
    return left > 0;
}

static void leave(struct shared *s)
{
    lock_slot(s);
    if (s->slot_pid == getpid())
        s->slot_pid = 0;
    (void)pthread_mutex_unlock(&s->slot_lock);
}

/* ---- the protected counter ---- */

struct increment {
    struct shared *shared;
    uint64_t token;
};

static int add_one(void *arg, const void *present, void **next)
{
    const struct increment *i = arg;
    json_int_t n = present ? json_integer_value(json_object_get(present, "n")) : 0;
    uint64_t token = present ? (uint64_t)json_integer_value(json_object_get(present, "token")) : 0;
    if (i->token && token > i->token) /* the fence should have refused this */
        atomic_fetch_add(&i->shared->backward, 1);
    *next = json_pack("{s:I, s:I}", "n", n + 1, "token", (json_int_t)i->token);
    return *next ? TARN_OK : TARN_ENOMEM;
}

static long read_counter(const struct setup *s, const char *key)
{
    struct tarn_client *client = setup_client(NULL, RETRIES);
    struct tarn_store_options options = { .serializer = tarn_serializer_json() };
    struct tarn_store *store = tarn_store_new(client, &options, NULL);
    struct tarn_store_entry entry = { 0 };
    struct tarn_error err = { 0 };
    if (tarn_store_get(store, s->bucket, key, &entry, &err) < 0)
        setup_die("counter", &err);
    long n = (long)json_integer_value(json_object_get(entry.value, "n"));
    tarn_store_entry_release(store, &entry);
    tarn_store_free(store);
    tarn_client_free(client);
    return n;
}

/* ---- processes ---- */

typedef void (*worker_fn)(const struct setup *s, struct shared *shared, int index);

static pid_t start(const struct setup *s, struct shared *shared, int index, worker_fn work)
{
    pid_t pid = fork();
    if (pid < 0)
        setup_die("fork", NULL);
    if (pid == 0) {
        work(s, shared, index);
        exit(0);
    }
    return pid;
}

static void nap_ms(long ms)
{
    struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&delay, NULL);
}

/* Stops and kills workers for a while; the killed ones are started again. */
static void disturb(const struct setup *s, struct shared *shared, pid_t *pids, worker_fn work)
{
    int pauses = s->pauses, kills = s->kills;
    while ((pauses > 0 || kills > 0) && atomic_load(&shared->rounds_left) > 0) {
        int victim = (int)tn_random_below((uint64_t)s->procs);
        bool is_kill = kills > 0 && (pauses == 0 || tn_random_below(2));
        nap_ms(100 + (long)tn_random_below(300));
        lock_slot(shared); /* the holder is the one to hit, if there is one */
        for (int i = 0; i < s->procs; i++) {
            if (pids[i] == shared->slot_pid)
                victim = i;
        }
        (void)pthread_mutex_unlock(&shared->slot_lock);
        if (is_kill) {
            kills--;
            (void)kill(pids[victim], SIGKILL);
            (void)waitpid(pids[victim], NULL, 0);
            pids[victim] = start(s, shared, victim, work);
        } else {
            pauses--;
            (void)kill(pids[victim], SIGSTOP);
            nap_ms(s->ttl_ms * 2);
            (void)kill(pids[victim], SIGCONT);
        }
    }
}

static int run_all(const struct setup *s, struct shared *shared, worker_fn work)
{
    pid_t pids[PROCS_MAX];
    int bad = 0;
    for (int i = 0; i < s->procs; i++)
        pids[i] = start(s, shared, i, work);
    disturb(s, shared, pids, work);
    for (int i = 0; i < s->procs; i++) {
        int status;
        (void)waitpid(pids[i], &status, 0);
        bad += !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return bad;
}

static bool next_round(struct shared *shared)
{
    return atomic_fetch_sub(&shared->rounds_left, 1) > 0;
}

/* ---- locks ---- */

static void note_failure(struct shared *shared, int rc, const struct tarn_error *err)
{
    if (rc == TARN_ELOST) {
        atomic_fetch_add(&shared->lost, 1);
        return;
    }
    fprintf(stderr, "tarn-coord: %d: %s: %s\n", (int)getpid(), tarn_status_name(rc), err->message);
    atomic_fetch_add(&shared->failed, 1);
}

static void hold(const struct setup *s, struct shared *shared, struct tarn_store *store,
                 struct tarn_lock *lock)
{
    struct tarn_error err = { 0 };
    struct increment i = { shared, tarn_lock_token(lock) };
    if (!enter_as_holder(shared, lock)) {
        atomic_fetch_add(&shared->lost, 1);
        return;
    }
    if (s->hold_us)
        nap_ms(s->hold_us / 1000);
    int rc = tarn_store_update(store, s->bucket, "counter", add_one, &i, i.token, NULL, &err);
    if (rc == TARN_OK)
        atomic_fetch_add(&shared->done, 1);
    else
        note_failure(shared, rc, &err);
    leave(shared);
}

static void contend(const struct setup *s, struct shared *shared, int index)
{
    struct tarn_client *client = setup_client(s->endpoint, RETRIES);
    struct tarn_store_options store_options = { .serializer = tarn_serializer_json() };
    struct tarn_store *store = tarn_store_new(client, &store_options, NULL);
    struct test_clock clock;
    test_clock_init(&clock);
    struct tarn_lock_options options = { .ttl_ms = s->ttl_ms,
                                         .wait_ms = TARN_LOCK_WAIT_FOREVER,
                                         .poll_max_ms = 100,
                                         .clock = s->wall_step_ms ? &clock.clock : NULL };
    while (next_round(shared)) {
        struct tarn_lock *lock = NULL;
        struct tarn_error err = { 0 };
        if (index % 2 && s->wall_step_ms) /* set forth and back */
            atomic_store(&clock.wall_offset_ms,
                         tn_random_below(2) ? s->wall_step_ms : -s->wall_step_ms);
        int rc = tarn_lock_acquire(client, s->bucket, s->name, &options, &lock, &err);
        if (rc < 0) {
            note_failure(shared, rc, &err);
            atomic_fetch_add(&shared->rounds_left, 1);
            continue;
        }
        hold(s, shared, store, lock);
        uint64_t begun = steady_now_ms();
        rc = tarn_lock_release(lock, &err);
        bool is_late = steady_now_ms() - begun >= (uint64_t)s->ttl_ms; /* the lease has ended */
        if (rc < 0)
            note_failure(shared, is_late ? TARN_ELOST : rc, &err);
    }
    tarn_store_free(store);
    tarn_client_free(client);
}

static void meet(struct shared *shared)
{
    (void)pthread_barrier_wait(&shared->barrier);
}

/* Nobody takes before all have looked; with clocks that are off, one after the other does both. */
static bool take_flawed(const struct setup *s, struct shared *shared, struct flawed_lock *l,
                        int index)
{
    char etag[TARN_ETAG_LEN_MAX];
    int rc = TARN_EBUSY;
    if (!s->wall_step_ms) {
        rc = flawed_look(l, etag, NULL);
        meet(shared);
        return rc == TARN_OK && flawed_take(l, etag, NULL) == TARN_OK;
    }
    for (int turn = 0; turn < s->procs; turn++) {
        if (turn == index)
            rc = flawed_try(l, NULL);
        meet(shared);
    }
    return rc == TARN_OK;
}

static bool write_plainly(const struct setup *s, struct shared *shared, struct tarn_client *client,
                          const void *present)
{
    struct increment i = { shared, 0 };
    void *next = NULL;
    if (add_one(&i, present, &next) < 0)
        return false;
    char *text = json_dumps(next, JSON_COMPACT);
    int rc = tarn_object_put(client, s->bucket, "counter", text, strlen(text), NULL, NULL, NULL);
    free(text);
    json_decref(next);
    return rc == TARN_OK;
}

/* The counter without a fence, as a user of the flawed lock would have it. Of those who think that
 * they hold it, nobody writes before all have read. Each process comes here in each round. */
static void hold_flawed(const struct setup *s, struct shared *shared, struct tarn_store *store,
                        struct tarn_client *client, bool is_holder)
{
    struct tarn_store_entry seen = { 0 };
    int rc = TARN_EBUSY;
    if (is_holder) {
        lock_slot(shared);
        enter(shared, 0, steady_now_ms() + (uint64_t)s->ttl_ms);
        (void)pthread_mutex_unlock(&shared->slot_lock);
        rc = tarn_store_get(store, s->bucket, "counter", &seen, NULL);
    }
    meet(shared);
    if (is_holder && write_plainly(s, shared, client, rc == TARN_OK ? seen.value : NULL))
        atomic_fetch_add(&shared->done, 1);
    tarn_store_entry_release(store, &seen);
    meet(shared);
    leave(shared);
}

static void contend_flawed(const struct setup *s, struct shared *shared, int index)
{
    struct tarn_client *client = setup_client(s->endpoint, RETRIES);
    struct tarn_store_options store_options = { .serializer = tarn_serializer_json() };
    struct tarn_store *store = tarn_store_new(client, &store_options, NULL);
    struct test_clock clock;
    test_clock_init(&clock);
    if (index % 2)
        atomic_store(&clock.wall_offset_ms, s->wall_step_ms);
    struct flawed_lock l = {
        .client = client, .bucket = s->bucket, .interval_ms = s->ttl_ms, .clock = &clock.clock
    };
    (void)snprintf(l.key, sizeof l.key, "%s.lock", s->name);
    for (long round = 0; round < s->rounds; round++) {
        bool is_holder = take_flawed(s, shared, &l, index);
        hold_flawed(s, shared, store, client, is_holder);
        if (is_holder)
            (void)flawed_release(&l, NULL);
        meet(shared);
    }
    tarn_store_free(store);
    tarn_client_free(client);
}

int prove_locks(const struct setup *s)
{
    struct shared *shared = map_shared(s->procs);
    uint64_t begun = steady_now_ms();
    atomic_store(&shared->rounds_left, s->rounds);
    int bad = run_all(s, shared, s->is_flawed ? contend_flawed : contend);
    long done = atomic_load(&shared->done);
    long n = read_counter(s, "counter");
    long overlaps = atomic_load(&shared->overlaps), backward = atomic_load(&shared->backward);
    /* One that was killed may have counted without having said so. */
    bool is_right = n >= done && n <= done + s->kills && overlaps == 0 && backward == 0 &&
                    bad == 0 && atomic_load(&shared->failed) == 0;
    printf("{\"counter\": %ld, \"done\": %ld, \"lost\": %ld, \"failed\": %ld, \"overlaps\": %ld, "
           "\"backward\": %ld, \"bad_exits\": %d, \"ms\": %llu, \"holds\": %s}\n",
           n, done, atomic_load(&shared->lost), atomic_load(&shared->failed), overlaps, backward,
           bad, (unsigned long long)(steady_now_ms() - begun), is_right ? "true" : "false");
    (void)munmap(shared, sizeof *shared);
    return is_right ? 0 : VIOLATED;
}

/* ---- counters ---- */

static void count(const struct setup *s, struct shared *shared, int index)
{
    struct tarn_client *client = setup_client(s->endpoint, RETRIES);
    struct tarn_store_options options = { .serializer = tarn_serializer_json(),
                                          .tries_max = 100000,
                                          .backoff_max_ms = 60 };
    struct tarn_store *store = tarn_store_new(client, &options, NULL);
    struct increment i = { shared, 0 };
    (void)index;
    while (next_round(shared)) {
        struct tarn_error err = { 0 };
        int rc = tarn_store_update(store, s->bucket, "counter", add_one, &i, 0, NULL, &err);
        if (rc == TARN_OK)
            atomic_fetch_add(&shared->done, 1);
        else
            note_failure(shared, rc, &err);
    }
    tarn_store_free(store);
    tarn_client_free(client);
}

/* As the reference's user would: a 412 is a conflict, anything else is tried again. */
static void count_flawed(const struct setup *s, struct shared *shared, int index)
{
    struct tarn_client *client = setup_client(s->endpoint, RETRIES);
    (void)index;
    while (next_round(shared)) {
        char *bytes = NULL;
        size_t len;
        for (;;) {
            struct tarn_object_info info = { 0 };
            char text[64];
            int rc = tarn_object_get_bytes(client, s->bucket, "counter", 4096, &bytes, &len, NULL,
                                           &info, NULL);
            json_t *root = rc == TARN_OK ? json_loadb(bytes, len, 0, NULL) : NULL;
            long n = root ? (long)json_integer_value(json_object_get(root, "n")) : 0;
            struct tarn_put_options options = { .conditions = { .if_match = info.etag } };
            (void)snprintf(text, sizeof text, "{\"n\": %ld}", n + 1);
            if (rc == TARN_OK || rc == TARN_ENOTFOUND)
                rc = tarn_object_put(client, s->bucket, "counter", text, strlen(text), &options,
                                     NULL, NULL);
            json_decref(root);
            tarn_bytes_free(TN_TAKE(bytes));
            tarn_object_info_release(&info);
            if (rc == TARN_OK)
                break;
            nap_ms(1 + (long)tn_random_below(10));
        }
        atomic_fetch_add(&shared->done, 1);
    }
    tarn_client_free(client);
}

int prove_counter(const struct setup *s)
{
    struct shared *shared = map_shared(s->procs);
    uint64_t begun = steady_now_ms();
    atomic_store(&shared->rounds_left, s->rounds);
    int bad = run_all(s, shared, s->is_flawed ? count_flawed : count);
    long done = atomic_load(&shared->done);
    long n = read_counter(s, "counter");
    bool is_right = n == done && done == s->rounds && bad == 0;
    printf("{\"counter\": %ld, \"done\": %ld, \"failed\": %ld, \"bad_exits\": %d, \"ms\": %llu, "
           "\"holds\": %s}\n",
           n, done, atomic_load(&shared->failed), bad,
           (unsigned long long)(steady_now_ms() - begun), is_right ? "true" : "false");
    (void)munmap(shared, sizeof *shared);
    return is_right ? 0 : VIOLATED;
}

/* ---- copies ---- */

static int copy_flawed(struct tarn_client *client, const struct setup *s, const char *key,
                       struct tarn_error *err)
{
    struct tarn_copy_options options = { .conditions = { .if_none_match = "*" } };
    int rc = tarn_object_copy(client, s->bucket, "source", s->bucket, key, &options, NULL, err);
    return rc == TARN_EPRECOND || rc == TARN_ECONFLICT ? TARN_EEXISTS : rc;
}

static void race_copies(const struct setup *s, struct shared *shared, int index)
{
    struct tarn_client *client = setup_client(s->endpoint, RETRIES);
    struct tarn_copy_atomic_options options = { .skip_probe = s->skip_probe };
    (void)index;
    for (int i = TARN_COPY_AUTO; s->strategy && i <= TARN_COPY_GET_PUT; i++) {
        if (strcmp(tarn_copy_strategy_name((enum tarn_copy_strategy)i), s->strategy) == 0)
            options.strategy = (enum tarn_copy_strategy)i;
    }
    for (long round = 0; round < s->rounds; round++) {
        char key[64];
        struct tarn_error err = { 0 };
        (void)snprintf(key, sizeof key, "%s-%ld", s->name, round);
        meet(shared);
        int rc = s->is_flawed ? copy_flawed(client, s, key, &err)
                              : tarn_copy_atomic(client, s->bucket, "source", s->bucket, key,
                                                 &options, NULL, &err);
        if (rc == TARN_OK)
            atomic_fetch_add(&shared->wins[round], 1);
        else if (rc == TARN_EEXISTS)
            atomic_fetch_add(&shared->exists[round], 1);
        else
            note_failure(shared, rc, &err);
    }
    tarn_client_free(client);
}

int prove_copies(const struct setup *s)
{
    struct shared *shared = map_shared(s->procs);
    struct tarn_client *client = setup_client(NULL, RETRIES);
    struct tarn_error err = { 0 };
    uint64_t begun = steady_now_ms();
    long one = 0, none = 0, many = 0;
    if (tarn_object_put(client, s->bucket, "source", "content", 7, NULL, NULL, &err) < 0)
        setup_die("source", &err);
    tarn_client_free(client);
    int bad = run_all(s, shared, race_copies);
    for (long i = 0; i < s->rounds; i++) {
        int wins = atomic_load(&shared->wins[i]);
        none += wins == 0;
        one += wins == 1;
        many += wins > 1;
    }
    bool is_right = one == s->rounds && bad == 0 && atomic_load(&shared->failed) == 0;
    printf("{\"one_winner\": %ld, \"no_winner\": %ld, \"many_winners\": %ld, \"failed\": %ld, "
           "\"bad_exits\": %d, \"ms\": %llu, \"holds\": %s}\n",
           one, none, many, atomic_load(&shared->failed), bad,
           (unsigned long long)(steady_now_ms() - begun), is_right ? "true" : "false");
    (void)munmap(shared, sizeof *shared);
    return is_right ? 0 : VIOLATED;
}
