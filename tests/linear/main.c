/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-linear: many clients on a tarnd that is killed and started again; then, key by key, is what
 * they were told the history of a linearizable register? */

#include "base/clock.h"
#include "linear/load.h"
#include "linear/window.h"

enum { EXIT_FINE, EXIT_VIOLATED, EXIT_UNTOLD, KILL_POLL_NS = 10 * 1000 * 1000, SHOWN_MAX = 3 };

struct sums {
    uint64_t ops;
    uint64_t keys;
    uint64_t maybes;
    uint64_t refused;
    uint64_t failed;
    uint64_t violations;
    uint64_t undecided;
    size_t state_peak;
};

/* Kills and restarts until the clients are done. */
static int supervise(struct load *l, struct linear_server *s, struct tarn_error *err)
{
    const struct timespec pause = { .tv_nsec = KILL_POLL_NS };
    uint64_t every_ns = l->options->kill_every_ms * 1000000;
    uint64_t random = l->options->seed;
    uint64_t due_ns = tn_now_ns() + every_ns / 2;
    int rc = TARN_OK;
    while (rc == TARN_OK && load_is_running(l)) {
        (void)nanosleep(&pause, NULL);
        rc = linear_server_check(s, err);
        if (rc < 0 || !every_ns || tn_now_ns() < due_ns)
            continue;
        rc = linear_server_kill(s, err);
        if (rc == TARN_OK)
            rc = linear_server_start(s, err);
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        due_ns = tn_now_ns() + every_ns / 2 + (random >> 20) % (every_ns + 1);
    }
    if (rc < 0)
        atomic_store(&l->is_over, true);
    return rc;
}

static int run_load(struct load *l, struct linear_server *s, struct tarn_error *err)
{
    int rc = linear_server_start(s, err);
    if (rc == TARN_OK)
        rc = load_start(l, err);
    if (rc < 0)
        return rc;
    rc = supervise(l, s, err);
    load_join(l);
    /* Once more, so that all that was acknowledged must be there after a kill. */
    if (rc == TARN_OK && l->options->kill_every_ms)
        rc = linear_server_kill(s, err);
    if (rc == TARN_OK && l->options->kill_every_ms)
        rc = linear_server_start(s, err);
    if (rc == TARN_OK && !l->odd.text[0])
        rc = load_read_all(l, err);
    if (rc == TARN_OK)
        rc = linear_server_stop(s, err);
    return rc;
}

/* ---- The history ---- */

static int by_key(const void *left, const void *right)
{
    const struct load_record *a = left;
    const struct load_record *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->op.start_ns < b->op.start_ns ? -1 : a->op.start_ns > b->op.start_ns;
}

/* What a run was asked and did not answer is decided when the next one listens. False when it was
 * asked of a run that had ended: then it never took effect. */
static bool bound_maybe(const struct linear_server *s, struct load_record *r)
{
    if (r->op.result != LINEAR_MAYBE || r->run + 1 >= s->shared.run_count)
        return true;
    r->op.end_ns = s->listening_ns[r->run + 1];
    return r->op.start_ns <= r->op.end_ns;
}

/* All records, sorted; the caller frees them. */
static struct load_record *gather(const struct load *l, size_t *count)
{
    size_t total = 0;
    for (size_t i = 0; i < l->options->clients; i++)
        total += l->clients[i].record_count;
    struct load_record *all = tn_calloc(total + 1, sizeof *all);
    *count = 0;
    for (size_t i = 0; all && i < l->options->clients; i++) {
        const struct load_client *c = &l->clients[i];
        for (size_t j = 0; j < c->record_count; j++) {
            all[*count] = c->records[j];
            *count += bound_maybe(l->server, &all[*count]);
        }
    }
    if (all)
        qsort(all, *count, sizeof *all, by_key);
    return all;
}

static int show(const struct linear_op *ops, size_t count, uint32_t key, size_t op)
{
    struct linear_window w = { .ops = tn_calloc(count + 1, sizeof *w.ops) };
    int rc = w.ops ? linear_window_reduce(ops, count, op, &w) : TARN_ENOMEM;
    if (rc == TARN_OK) {
        (void)fprintf(stderr,
                      "key-%08u is not linearizable: %zu of its %zu operations cannot "
                      "all be true\n",
                      (unsigned)key, w.count, count);
        linear_window_print(stderr, &w);
    }
    tn_free(w.ops);
    return rc;
}

static int check_key(const struct linear_op *ops, size_t count, uint32_t key, struct sums *sums)
{
    struct linear_verdict v;
    int rc = linear_check(ops, count, LINEAR_START_ABSENT, LINEAR_STATE_MAX, &v);
    if (rc < 0)
        return rc;
    sums->keys++;
    if (v.state_peak > sums->state_peak)
        sums->state_peak = v.state_peak;
    if (v.outcome == LINEAR_UNDECIDED) {
        sums->undecided++;
        (void)fprintf(stderr, "key-%08u: too many operations at once to tell\n", (unsigned)key);
    }
    if (v.outcome == LINEAR_VIOLATED && sums->violations++ < SHOWN_MAX)
        return show(ops, count, key, v.op);
    return TARN_OK;
}

static int check_all(const struct load *l, struct sums *sums, struct tarn_error *err)
{
    size_t count;
    TN_AUTO_FREE struct load_record *all = gather(l, &count);
    TN_AUTO_FREE struct linear_op *ops = tn_calloc(count + 1, sizeof *ops);
    if (!all || !ops)
        return tn_fail(err, TARN_ENOMEM, "no memory for the history");
    sums->ops = count;
    for (size_t i = 0; i < l->options->clients; i++) {
        sums->refused += l->clients[i].refused;
        sums->failed += l->clients[i].failed;
    }
    for (size_t i = 0; i < count;) {
        size_t key_count = 0;
        uint32_t key = all[i].key;
        for (; i < count && all[i].key == key; i++) {
            sums->maybes += all[i].op.result == LINEAR_MAYBE;
            ops[key_count++] = all[i].op;
        }
        int rc = check_key(ops, key_count, key, sums);
        if (rc < 0)
            return tn_fail(err, rc, "could not check key %u", (unsigned)key);
    }
    return TARN_OK;
}

static int report(const struct load *l, const struct sums *sums, uint64_t run_ns, uint64_t check_ns)
{
    const char *verdict = sums->violations  ? "NOT linearizable"
                          : l->odd.text[0]  ? "not what an S3 server may answer"
                          : sums->undecided ? "not told"
                                            : "linearizable";
    (void)printf("%llu operations on %llu keys, %zu restarts, %llu maybe: %s\n",
                 (unsigned long long)sums->ops, (unsigned long long)sums->keys,
                 l->server->shared.run_count - 1, (unsigned long long)sums->maybes, verdict);
    (void)printf("%.1f s of load, %.1f s of checking, %zu states at once at most; "
                 "%llu answers of 409 or SlowDown, %llu other 5xx\n",
                 (double)run_ns / 1e9, (double)check_ns / 1e9, sums->state_peak,
                 (unsigned long long)sums->refused, (unsigned long long)sums->failed);
    if (sums->violations)
        return EXIT_VIOLATED;
    return sums->undecided ? EXIT_UNTOLD : EXIT_FINE;
}

static int run(struct load *l, struct linear_server *s)
{
    struct tarn_error err = { 0 };
    struct sums sums = { 0 };
    uint64_t start_ns = tn_now_ns();
    int load_rc = run_load(l, s, &err);
    uint64_t loaded_ns = tn_now_ns();
    if (load_rc < 0)
        (void)fprintf(stderr, "tarn-linear: %s\n", err.message);
    if (l->odd.text[0])
        (void)fprintf(stderr, "tarn-linear: %s\n", l->odd.text);
    if (check_all(l, &sums, &err) < 0) {
        (void)fprintf(stderr, "tarn-linear: %s\n", err.message);
        return EXIT_UNTOLD;
    }
    int status = report(l, &sums, loaded_ns - start_ns, tn_now_ns() - loaded_ns);
    if (status == EXIT_FINE && (load_rc < 0 || l->odd.text[0]))
        return EXIT_VIOLATED;
    return status;
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    struct linear_options options;
    struct linear_server server;
    struct load load;
    if (linear_options_parse(argc, argv, &options, &err) < 0) {
        (void)fprintf(stderr, "tarn-linear: %s\n%s", err.message, linear_usage);
        return EXIT_UNTOLD;
    }
    if (linear_server_init(&server, options.tarnd, options.directory, &err) < 0) {
        (void)fprintf(stderr, "tarn-linear: %s\n", err.message);
        return EXIT_UNTOLD;
    }
    int status = EXIT_UNTOLD;
    if (load_init(&load, &options, &server, &err) == TARN_OK)
        status = run(&load, &server);
    else
        (void)fprintf(stderr, "tarn-linear: %s\n", err.message);
    load_release(&load);
    linear_server_release(&server, status != EXIT_FINE);
    if (status != EXIT_FINE)
        (void)fprintf(stderr, "tarn-linear: store and log are kept in \"%s\"\n", server.root);
    return status;
}
