/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of events in the store. An entry is an object without bytes, whose metadata is a line for
 * each message: '+' or '-' (the object is gone), its name encoded, its JSON. The key tells the
 * target, the entry's number, and how many messages it has. */

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/wait.h"
#include "proto/uri.h"
#include "server/api/notify.h"
#include "server/store/store_wait.h"

enum {
    ENTRY_KEY_LEN = 16 + 1 + 16 + 1 + 8,
    ENTRY_LEN_MAX = NOTIFY_MESSAGE_LEN_MAX,
    PREFIX_LEN = 16 + 1,
    PAGE_COUNT = 100,
    PAGE_ARENA_MAX = 16 * 1024 * 1024, /* names, too, of a page's messages */
    BACKOFF_MS_MIN = 250,
    BACKOFF_MS_MAX = 60 * 1000,
    DROP_LOG_MS = 1000, /* between two lines about events that were dropped */
};
_Static_assert((int)ENTRY_LEN_MAX <= (int)STORE_META_LEN_MAX, "an entry is an object's metadata");

/* A target's queue, and who empties it. */
struct queue {
    struct notify *owner;
    const struct notify_target *target;
    struct notify_sender *sender;
    char prefix[PREFIX_LEN + 1];
    pthread_t thread;
    bool has_thread;

    /* The thread's alone. */
    struct tn_arena page;
    struct tn_str keys[PAGE_COUNT];
    size_t key_count;
    bool is_failing; /* the last try failed, and it was logged */
};

struct notify {
    struct api *api;
    uint64_t queue_max;
    struct queue queues[NOTIFY_TARGET_COUNT_MAX];
    size_t queue_count;
    _Atomic(bool) must_stop;
    struct notify_shared {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t number;                            /* of the last entry */
        uint64_t counts[NOTIFY_TARGET_COUNT_MAX];   /* messages that wait */
        uint64_t arrivals[NOTIFY_TARGET_COUNT_MAX]; /* entries since the start */
        uint64_t dropped[NOTIFY_TARGET_COUNT_MAX];  /* messages since the last line */
        uint64_t dropped_all;
        int64_t logged_ms;
    } shared;
};

struct entry {
    struct entry *next;
    struct notify_batch *batch;
    struct store_txn txn;
    struct tn_buf lines;
    size_t target;
    size_t count;
    char key[ENTRY_KEY_LEN + 1];
};

struct notify_batch {
    struct notify *owner;
    struct entry *first, *last;
    size_t left; /* under way, and one for the loop that starts them; under the lock */
    void (*done)(void *user);
    void *user;
};

size_t notify_find_target(const struct notify *n, struct tn_str arn)
{
    for (size_t i = 0; n && i < n->queue_count; i++) {
        if (tn_str_eq(tn_str_from(n->queues[i].target->arn), arn))
            return i;
    }
    return SIZE_MAX;
}

/* --- What is dropped --- */

/* Under the lock. One line tells of many. */
static void log_dropped(struct notify *n)
{
    int64_t now = tn_wall_ms();
    if (now - n->shared.logged_ms < DROP_LOG_MS)
        return;
    for (size_t i = 0; i < n->queue_count; i++) {
        if (!n->shared.dropped[i])
            continue;
        tn_log(TN_LOG_WARN,
               "event=notification_dropped target=\"%s\" count=%llu waiting=%llu all=%llu",
               n->queues[i].target->arn, (unsigned long long)n->shared.dropped[i],
               (unsigned long long)n->shared.counts[i], (unsigned long long)n->shared.dropped_all);
        n->shared.dropped[i] = 0;
        n->shared.logged_ms = now;
    }
}

static void count_dropped(struct notify *n, size_t target, uint64_t count)
{
    (void)pthread_mutex_lock(&n->shared.lock);
    n->shared.dropped[target] += count;
    n->shared.dropped_all += count;
    log_dropped(n);
    (void)pthread_mutex_unlock(&n->shared.lock);
}

/* --- Filling --- */

static void entry_free(struct entry *e)
{
    tn_buf_release(&e->lines);
    tn_free(e);
}

void notify_batch_free(struct notify_batch *batch)
{
    if (!batch)
        return;
    while (batch->first) {
        struct entry *e = batch->first;
        batch->first = e->next;
        entry_free(e);
    }
    tn_free(batch);
}

/* The last entry of the target with room for `len` more, or a new one. */
static struct entry *entry_for(struct notify_batch *batch, size_t target, size_t len)
{
    struct entry *found = NULL;
    for (struct entry *e = batch->first; e; e = e->next)
        found = e->target == target ? e : found;
    if (found && found->lines.len + len <= ENTRY_LEN_MAX)
        return found;
    struct entry *e = tn_calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->batch = batch;
    e->target = target;
    tn_buf_init(&e->lines, ENTRY_LEN_MAX);
    if (batch->last)
        batch->last->next = e;
    else
        batch->first = e;
    batch->last = e;
    return e;
}

static int write_line(const struct notify_message *m, struct tn_buf *line)
{
    int rc = tn_buf_append_text(line, m->is_removed ? "- " : "+ ");
    if (rc == TARN_OK)
        rc = tn_uri_encode(line, m->name, TN_URI_KEEP_SLASH);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(line, ' ');
    if (rc == TARN_OK)
        rc = tn_buf_append_str(line, m->json);
    return rc == TARN_OK ? tn_buf_append_char(line, '\n') : rc;
}

void notify_batch_put(struct notify *n, struct notify_batch **batch, size_t target,
                      const struct notify_message *m)
{
    TN_AUTO_BUF line = TN_BUF_INIT(ENTRY_LEN_MAX);
    if (!*batch) {
        *batch = tn_calloc(1, sizeof **batch);
        if (*batch)
            (*batch)->owner = n;
    }
    int rc = *batch ? write_line(m, &line) : TARN_ENOMEM;
    struct entry *e = rc == TARN_OK ? entry_for(*batch, target, line.len) : NULL;
    if (e && tn_buf_append_str(&e->lines, tn_buf_str(&line)) == TARN_OK)
        e->count++;
    else
        count_dropped(n, target, 1);
}

/* --- Into the store --- */

/* Takes one off what is under way. */
static void step_done(struct notify_batch *batch)
{
    struct notify *n = batch->owner;
    (void)pthread_mutex_lock(&n->shared.lock);
    bool is_last = --batch->left == 0;
    (void)pthread_mutex_unlock(&n->shared.lock);
    if (!is_last)
        return;
    void (*done)(void *user) = batch->done;
    void *user = batch->user;
    notify_batch_free(batch);
    done(user);
}

static void on_queued(struct store_txn *txn)
{
    struct entry *e = txn->user;
    struct notify *n = e->batch->owner;
    (void)pthread_mutex_lock(&n->shared.lock);
    if (txn->status == TARN_OK)
        n->shared.arrivals[e->target]++;
    else
        n->shared.counts[e->target] -= e->count;
    (void)pthread_cond_broadcast(&n->shared.changed);
    (void)pthread_mutex_unlock(&n->shared.lock);
    if (txn->status < 0)
        count_dropped(n, e->target, e->count);
    step_done(e->batch);
}

/* A place in the queue, and a number. */
static bool reserve(struct notify *n, struct entry *e)
{
    uint64_t now = (uint64_t)tn_wall_ms() * 1000000;
    (void)pthread_mutex_lock(&n->shared.lock);
    bool has_room = n->shared.counts[e->target] + e->count <= n->queue_max;
    if (has_room) {
        n->shared.counts[e->target] += e->count;
        n->shared.number = now > n->shared.number ? now : n->shared.number + 1;
        (void)snprintf(e->key, sizeof e->key, "%s%016llx.%x", n->queues[e->target].prefix,
                       (unsigned long long)n->shared.number, (unsigned)e->count);
    }
    (void)pthread_mutex_unlock(&n->shared.lock);
    return has_room;
}

static void start_entry(struct notify *n, struct entry *e)
{
    if (e->count == 0 || !reserve(n, e)) {
        count_dropped(n, e->target, e->count);
        step_done(e->batch);
        return;
    }
    e->txn = (struct store_txn){ .op = STORE_PUT,
                                 .bucket = TN_STR(NOTIFY_BUCKET),
                                 .key = tn_str_from(e->key),
                                 .meta = tn_buf_str(&e->lines),
                                 .done = on_queued,
                                 .user = e };
    n->api->store->ops->commit(n->api->store, &e->txn);
}

void notify_batch_commit(struct notify_batch *batch, void (*done)(void *user), void *user)
{
    batch->done = done;
    batch->user = user;
    batch->left = 1;
    for (const struct entry *e = batch->first; e; e = e->next)
        batch->left++;
    struct entry *e = batch->first;
    while (e) {
        struct entry *next = e->next; /* the batch stays until the last step below */
        start_entry(batch->owner, e);
        e = next;
    }
    step_done(batch);
}

/* --- Out of it --- */

static int commit(struct store *store, struct store_txn *txn)
{
    txn->bucket = TN_STR(NOTIFY_BUCKET);
    return store_commit_wait(store, txn);
}

static size_t index_of(const struct queue *q)
{
    return (size_t)(q - q->owner->queues);
}

/* False when the server stops. */
static bool sleep_ms(struct notify *n, uint64_t ms)
{
    uint64_t until_ns = tn_now_ns() + ms * 1000000;
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&n->shared.lock);
    while (!atomic_load(&n->must_stop) && rc == TARN_OK)
        rc = tn_cond_wait_until(&n->shared.changed, &n->shared.lock, until_ns);
    log_dropped(n);
    (void)pthread_mutex_unlock(&n->shared.lock);
    return !atomic_load(&n->must_stop);
}

static int on_key(void *user, struct tn_str key, const struct store_head *head)
{
    struct queue *q = user;
    return head ? tn_arena_str(&q->page, key, &q->keys[q->key_count++]) : TARN_OK;
}

/* The next entries behind `after`. */
static int list_page(struct queue *q, struct tn_str after, bool *more)
{
    struct store *s = q->owner->api->store;
    struct store_list query = { .bucket = TN_STR(NOTIFY_BUCKET),
                                .prefix = tn_str_from(q->prefix),
                                .after = after,
                                .max = PAGE_COUNT };
    q->key_count = 0;
    return s->ops->list(s, &query, on_key, q, more, NULL);
}

static uint64_t hex_of(struct tn_str digits)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.data[i];
        value = value * 16 + (uint64_t)(tn_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return value;
}

/* How many messages an entry has. */
static uint64_t count_of(struct tn_str key)
{
    (void)tn_str_split(&key, '.');
    return hex_of(key);
}

static uint64_t number_of(struct tn_str key)
{
    struct tn_str rest = tn_str_sub(key, PREFIX_LEN, key.len);
    return hex_of(tn_str_split(&rest, '.'));
}

/* What an earlier process left; numbers go on behind it. Before there is any thread. */
static int count_waiting(struct queue *q)
{
    TN_AUTO_BUF last = TN_BUF_INIT(ENTRY_KEY_LEN);
    struct notify_shared *shared = &q->owner->shared;
    uint64_t count = 0;
    bool more = true;
    while (more) {
        tn_arena_reset(&q->page);
        int rc = list_page(q, tn_buf_str(&last), &more);
        if (rc < 0 || !q->key_count)
            return rc;
        struct tn_str key = q->keys[q->key_count - 1];
        for (size_t i = 0; i < q->key_count; i++)
            count += count_of(q->keys[i]);
        if (number_of(key) > shared->number)
            shared->number = number_of(key);
        last.len = 0;
        rc = tn_buf_append_str(&last, key);
        if (rc < 0)
            return rc;
    }
    shared->counts[index_of(q)] = count;
    if (count)
        tn_log(TN_LOG_INFO, "event=notifications_waiting target=\"%s\" count=%llu", q->target->arn,
               (unsigned long long)count);
    return TARN_OK;
}

static void log_failure(struct queue *q, const struct tarn_error *err)
{
    if (!q->is_failing)
        tn_log(TN_LOG_WARN, "event=notification_failed target=\"%s\" reason=\"%s\"", q->target->arn,
               err->message);
    q->is_failing = true;
}

/* Tries until the message has arrived; false when the server stops before. */
static bool send_message(struct queue *q, const struct notify_message *m)
{
    uint64_t backoff_ms = BACKOFF_MS_MIN;
    for (;;) {
        struct tarn_error err = { 0 };
        if (atomic_load(&q->owner->must_stop))
            return false;
        if (q->sender->ops->send(q->sender, m, &err) == TARN_OK)
            break;
        if (!atomic_load(&q->owner->must_stop))
            log_failure(q, &err);
        if (!sleep_ms(q->owner, backoff_ms / 2 + tn_random_below(backoff_ms)))
            return false;
        backoff_ms = backoff_ms * 2 < BACKOFF_MS_MAX ? backoff_ms * 2 : BACKOFF_MS_MAX;
    }
    if (q->is_failing)
        tn_log(TN_LOG_INFO, "event=notification_recovered target=\"%s\"", q->target->arn);
    q->is_failing = false;
    return true;
}

/* TARN_ECORRUPT for a line that is none. */
static int read_line(struct tn_arena *a, struct tn_str line, struct notify_message *out)
{
    struct tn_str rest = line;
    struct tn_str sign = tn_str_split(&rest, ' ');
    struct tn_str name = tn_str_split(&rest, ' ');
    if (sign.len != 1 || rest.len == 0 || tn_uri_decode_in(a, name, 0, &out->name) < 0)
        return TARN_ECORRUPT;
    out->is_removed = sign.data[0] == '-';
    out->json = rest;
    return TARN_OK;
}

/* False when the server stops. What cannot be read is passed over. */
static bool send_entry(struct queue *q, struct tn_str key)
{
    struct store *s = q->owner->api->store;
    struct store_object *o = NULL;
    struct tarn_error err = { 0 };
    bool goes_on = true;
    int rc = s->ops->object_open(s, TN_STR(NOTIFY_BUCKET), key, true, &o, &err);
    if (rc < 0) {
        if (rc == TARN_ECORRUPT)
            count_dropped(q->owner, index_of(q), count_of(key));
        return rc == TARN_ECORRUPT || rc == TARN_ENOTFOUND || sleep_ms(q->owner, BACKOFF_MS_MIN);
    }
    struct tn_str rest = s->ops->object_meta(o);
    while (rest.len && goes_on) {
        struct notify_message m;
        if (read_line(&q->page, tn_str_split(&rest, '\n'), &m) == TARN_OK)
            goes_on = send_message(q, &m);
        else
            count_dropped(q->owner, index_of(q), 1);
    }
    s->ops->object_close(o);
    return goes_on;
}

static void end_entry(struct queue *q, struct tn_str key)
{
    struct notify *n = q->owner;
    struct store_txn txn = { .op = STORE_DELETE, .key = key };
    int rc = commit(n->api->store, &txn);
    if (rc < 0 || !txn.existed)
        return;
    uint64_t count = count_of(key);
    (void)pthread_mutex_lock(&n->shared.lock);
    uint64_t *left = &n->shared.counts[index_of(q)];
    *left -= count < *left ? count : *left;
    (void)pthread_mutex_unlock(&n->shared.lock);
}

static bool send_page(struct queue *q)
{
    for (size_t i = 0; i < q->key_count; i++) {
        if (!send_entry(q, q->keys[i]))
            return false;
        end_entry(q, q->keys[i]);
    }
    return true;
}

/* `seen`: arrivals before the last look at the queue. */
static void wait_for_more(struct queue *q, uint64_t seen)
{
    struct notify *n = q->owner;
    (void)pthread_mutex_lock(&n->shared.lock);
    while (!atomic_load(&n->must_stop) && n->shared.arrivals[index_of(q)] == seen)
        (void)pthread_cond_wait(&n->shared.changed, &n->shared.lock);
    (void)pthread_mutex_unlock(&n->shared.lock);
}

static void *run(void *arg)
{
    struct queue *q = arg;
    struct notify *n = q->owner;
    while (!atomic_load(&n->must_stop)) {
        bool more;
        (void)pthread_mutex_lock(&n->shared.lock);
        uint64_t seen = n->shared.arrivals[index_of(q)];
        log_dropped(n);
        (void)pthread_mutex_unlock(&n->shared.lock);
        tn_arena_reset(&q->page);
        if (list_page(q, TN_STR_EMPTY, &more) < 0) {
            (void)sleep_ms(n, BACKOFF_MS_MIN);
            continue;
        }
        if (!send_page(q))
            break;
        if (!q->key_count)
            wait_for_more(q, seen);
    }
    return NULL;
}

/* --- Starting and stopping --- */

static int make_queue(struct notify *n, const struct notify_target *target, struct tarn_error *err)
{
    unsigned char digest[TN_SHA256_LEN];
    if (n->queue_count == NOTIFY_TARGET_COUNT_MAX)
        return tn_fail(err, TARN_ECONFIG, "there may be %d notification targets",
                       NOTIFY_TARGET_COUNT_MAX);
    if (target->arn && notify_find_target(n, tn_str_from(target->arn)) != SIZE_MAX)
        return tn_fail(err, TARN_ECONFIG, "two notification targets are \"%s\"", target->arn);
    struct queue *q = &n->queues[n->queue_count];
    *q = (struct queue){ .owner = n, .target = target };
    int rc = notify_sender_new(target, &n->must_stop, &q->sender, err);
    if (rc < 0)
        return rc;
    n->queue_count++;
    tn_sha256(target->arn, strlen(target->arn), digest);
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(q->prefix + 2 * i, 3, "%02x", digest[i]);
    q->prefix[PREFIX_LEN - 1] = '/';
    q->prefix[PREFIX_LEN] = '\0';
    tn_arena_init(&q->page, PAGE_ARENA_MAX);
    return TARN_OK;
}

static int start_queues(struct notify *n, struct tarn_error *err)
{
    struct store_txn create = { .op = STORE_BUCKET_CREATE };
    int rc = commit(n->api->store, &create);
    if (rc < 0 && rc != TARN_EEXISTS)
        return tn_fail(err, rc, "could not make the queues of events");
    for (size_t i = 0; i < n->queue_count; i++) {
        rc = count_waiting(&n->queues[i]);
        if (rc < 0)
            return tn_fail(err, rc, "could not read the queues of events");
    }
    for (size_t i = 0; i < n->queue_count; i++) {
        struct queue *q = &n->queues[i];
        if (pthread_create(&q->thread, NULL, run, q) != 0)
            return tn_fail(err, TARN_ENOMEM, "could not start a thread");
        q->has_thread = true;
    }
    return TARN_OK;
}

int notify_start(struct api *api, const struct notify_target *targets, size_t count,
                 uint64_t queue_max, struct notify **out, struct tarn_error *err)
{
    struct notify *n = tn_calloc(1, sizeof *n);
    if (!n)
        return tn_fail(err, TARN_ENOMEM, "could not start");
    n->api = api;
    n->queue_max = queue_max ? queue_max : NOTIFY_QUEUE_MAX;
    (void)pthread_mutex_init(&n->shared.lock, NULL);
    tn_cond_init(&n->shared.changed);
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < count; i++)
        rc = make_queue(n, &targets[i], err);
    if (rc == TARN_OK)
        rc = start_queues(n, err);
    if (rc < 0) {
        notify_stop(n);
        return rc;
    }
    *out = n;
    return TARN_OK;
}

void notify_stop(struct notify *n)
{
    if (!n)
        return;
    (void)pthread_mutex_lock(&n->shared.lock);
    atomic_store(&n->must_stop, true);
    (void)pthread_cond_broadcast(&n->shared.changed);
    (void)pthread_mutex_unlock(&n->shared.lock);
    for (size_t i = 0; i < n->queue_count; i++) {
        struct queue *q = &n->queues[i];
        if (q->has_thread)
            (void)pthread_join(q->thread, NULL);
        notify_sender_free(q->sender);
        tn_arena_release(&q->page);
    }
    (void)pthread_cond_destroy(&n->shared.changed);
    (void)pthread_mutex_destroy(&n->shared.lock);
    tn_free(n);
}
