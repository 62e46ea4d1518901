/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-bench-engine: the store alone, without HTTP. `PRODUCERS` bodies are always on their way.
 *
 *   tarn-bench-engine DIR [--size N] [--producers N] [--seconds N]
 *
 * Writes one JSON object. DIR must not exist; it is left behind. */

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/hist.h"
#include "server/store/log_store.h"

enum { PRODUCERS_MAX = 1024, SIZE_MAX_BYTES = 1 << 20, SECONDS_MAX = 600 };

struct engine_bench {
    struct store *store;
    char *bytes;
    uint64_t size;
    uint64_t producers;
    uint64_t seconds;
    uint64_t end_ns;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    uint64_t running;    /* under lock */
    struct hist latency; /* of the thread that answers */
    uint64_t count;
    int failure;
};

/* One producer: its next put follows from the answer to the one before. */
struct producer {
    struct store_txn txn;
    struct engine_bench *bench;
    uint64_t number;
    uint64_t round;
    uint64_t start_ns;
    char key[64];
};

static void on_done(struct store_txn *txn);

static void put_next(struct producer *p)
{
    const struct engine_bench *b = p->bench;
    uint64_t scattered = (p->round * 2654435761u + p->number * 40503u) & 0xffffffffu;
    (void)snprintf(p->key, sizeof p->key, "%08llx/%llu-%llu", (unsigned long long)scattered,
                   (unsigned long long)p->number, (unsigned long long)p->round++);
    p->txn = (struct store_txn){ .op = STORE_PUT,
                                 .bucket = TN_STR("bench"),
                                 .key = tn_str_from(p->key),
                                 .bytes = { b->bytes, (size_t)b->size },
                                 .done = on_done,
                                 .user = p };
    p->start_ns = tn_now_ns();
    b->store->ops->commit(b->store, &p->txn);
}

/* All answers come on one thread, the committer's. */
static void on_done(struct store_txn *txn)
{
    struct producer *p = txn->user;
    struct engine_bench *b = p->bench;
    uint64_t now = tn_now_ns();
    hist_add(&b->latency, now - p->start_ns);
    b->count++;
    if (txn->status < 0)
        b->failure = txn->status;
    if (now < b->end_ns && !b->failure) {
        put_next(p);
        return;
    }
    (void)pthread_mutex_lock(&b->lock);
    b->running--;
    (void)pthread_cond_signal(&b->idle);
    (void)pthread_mutex_unlock(&b->lock);
}

static void wait_until_idle(struct engine_bench *b)
{
    (void)pthread_mutex_lock(&b->lock);
    while (b->running)
        (void)pthread_cond_wait(&b->idle, &b->lock);
    (void)pthread_mutex_unlock(&b->lock);
}

static void on_bucket(struct store_txn *txn)
{
    struct engine_bench *b = txn->user;
    (void)pthread_mutex_lock(&b->lock);
    b->running--;
    (void)pthread_cond_signal(&b->idle);
    (void)pthread_mutex_unlock(&b->lock);
}

static void make_bucket(struct engine_bench *b)
{
    struct store_txn txn = {
        .op = STORE_BUCKET_CREATE, .bucket = TN_STR("bench"), .done = on_bucket, .user = b
    };
    b->running = 1;
    b->store->ops->commit(b->store, &txn);
    wait_until_idle(b);
}

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)fprintf(stderr, "tarn-bench-engine: %s\n", reason);
    _exit(1);
}

static bool read_options(struct engine_bench *b, int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *value;
        uint64_t max;
    } options[] = {
        { "--size", &b->size, SIZE_MAX_BYTES },
        { "--producers", &b->producers, PRODUCERS_MAX },
        { "--seconds", &b->seconds, SECONDS_MAX },
    };
    for (int i = 2; i + 1 < argc; i += 2) {
        size_t at = 0;
        while (at < TN_COUNT(options) && strcmp(options[at].name, argv[i]) != 0)
            at++;
        if (at == TN_COUNT(options) ||
            tn_str_to_size(tn_str_from(argv[i + 1]), options[at].value) < 0 ||
            *options[at].value > options[at].max)
            return false;
    }
    return argc >= 2 && argc % 2 == 0 && b->producers && b->seconds;
}

static int run(struct engine_bench *b, struct producer *producers)
{
    uint64_t start_ns = tn_now_ns();
    b->end_ns = start_ns + b->seconds * 1000000000u;
    b->running = b->producers;
    for (uint64_t i = 0; i < b->producers; i++) {
        producers[i] = (struct producer){ .bench = b, .number = i };
        put_next(&producers[i]);
    }
    wait_until_idle(b);
    if (b->failure) {
        (void)fprintf(stderr, "tarn-bench-engine: %s\n", tarn_status_text(b->failure));
        return 1;
    }
    double seconds = (double)(tn_now_ns() - start_ns) / 1e9;
    (void)printf("{\"size\": %llu, \"producers\": %llu, \"seconds\": %.6f, \"puts\": %llu,"
                 " \"per_s\": %.3f, \"mb_per_s\": %.3f, \"p50_ms\": %.6f, \"p99_ms\": %.6f,"
                 " \"max_ms\": %.6f}\n",
                 (unsigned long long)b->size, (unsigned long long)b->producers, seconds,
                 (unsigned long long)b->count, (double)b->count / seconds,
                 (double)b->count * (double)b->size / 1e6 / seconds,
                 (double)hist_quantile(&b->latency, 0.5) / 1e6,
                 (double)hist_quantile(&b->latency, 0.99) / 1e6, (double)b->latency.max_ns / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    static struct engine_bench b = { .size = 4096,
                                     .producers = 64,
                                     .seconds = 5,
                                     .lock = PTHREAD_MUTEX_INITIALIZER,
                                     .idle = PTHREAD_COND_INITIALIZER };
    struct tarn_error err = { 0 };
    if (!read_options(&b, argc, argv)) {
        (void)fprintf(stderr,
                      "usage: tarn-bench-engine DIR [--size N] [--producers N] [--seconds N]\n");
        return 2;
    }
    struct log_store_config config = { .dir = argv[1], .on_fatal = on_fatal };
    if (log_store_open(&config, &b.store, &err) < 0) {
        (void)fprintf(stderr, "tarn-bench-engine: %s\n", err.message);
        return 1;
    }
    b.bytes = tn_calloc(1, (size_t)b.size);
    TN_AUTO_FREE struct producer *producers = tn_calloc((size_t)b.producers, sizeof *producers);
    int code = 1;
    if (b.bytes && producers) {
        make_bucket(&b);
        code = run(&b, producers);
    }
    b.store->ops->close(b.store);
    tn_free(b.bytes);
    return code;
}
