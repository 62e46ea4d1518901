/* SPDX-License-Identifier: Apache-2.0 */
/* Runs. */

#include "crash/runs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/observe.h"

enum {
    SCRIPT_SEED = 20,
    SCRIPT_OPS = 140,
    CHAIN_LEN_MAX = 4,
    CHAIN_CUTS = 6,
    FAULT_SECONDS_MAX = 60,
};

void tally_line(struct tally *t, const char *format, ...)
{
    uint64_t at = atomic_fetch_add(&t->lines, 1);
    va_list args;
    if (at >= REPORT_LINES)
        return;
    va_start(args, format);
    (void)vsnprintf(t->line[at], REPORT_LINE_LEN, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s\n", t->line[at]);
}

/* The engine must have no reason to end itself in a run without faults. */
static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)fprintf(stderr, "fatal: %s\n", reason);
    abort();
}

static struct setting script_setting(const struct runner *r)
{
    return (struct setting){ r->root, 8192, 128 * 1024, on_fatal };
}

static struct workload script_workload(const struct setting *x)
{
    return (struct workload){
        .seed = SCRIPT_SEED,
        .producer_count = 1,
        .op_count = SCRIPT_OPS,
        .inline_max = x->inline_max,
        .segment_len = x->segment_len,
        .has_pauses = true,
    };
}

/* --- Cuts --- */

static void report(struct runner *r, enum outcome out, const char *what, const char *why,
                   const struct sim_tree *tree)
{
    if (r->is_verbose || out)
        tally_line(r->tally, "%s: %s: %s", outcome_names[out], what, why);
    if (out && r->keep) {
        (void)sim_tree_extract(tree, r->keep);
        r->keep = NULL;
    }
}

/* Cuts here: the track and the model are at the same event. `tree` is what survives. */
static enum outcome cut(struct runner *r, const struct setting *x, const struct sim_track *t,
                        const struct model *m, enum sim_survival how, uint64_t seed,
                        const char *what, struct sim_tree *tree, struct model *seen)
{
    char why[700] = "";
    char where[200];
    struct sim_rand rand = { seed };
    sim_survive(t, how, &rand, tree);
    enum outcome out = verify(x, tree, m, &r->ops, seen, why, sizeof why);
    atomic_fetch_add(&r->tally->cuts, 1);
    atomic_fetch_add(&r->tally->outcomes[out], 1);
    (void)snprintf(where, sizeof where, "%s, event %llu of %llu, survival %d", what,
                   (unsigned long long)t->index, (unsigned long long)t->journal->count, (int)how);
    if (out)
        report(r, out, where, why, tree);
    return out;
}

/* Plays up to event `index`. */
static void play(struct sim_track *t, struct model *m, struct op_table *ops, uint64_t index)
{
    while (t->index < index) {
        const struct sim_event *e = sim_track_next(t);
        if (!e)
            return;
        if (e->type == SIM_MARK)
            model_take(m, ops, e);
    }
}

/* --- A run --- */

static bool ends_in(const char *name, const char *ending)
{
    size_t len = strlen(name);
    size_t end_len = strlen(ending);
    return len >= end_len && strcmp(name + len - end_len, ending) == 0;
}

/* How often vacuum took a segment away, and how often one became another. */
static void count_segments(const struct runner *r)
{
    const struct sim_journal *j = r->journal;
    for (uint64_t at = 0; at < j->len;) {
        const struct sim_event *e = (const struct sim_event *)(const void *)(j->events + at);
        bool is_name = e->type == SIM_RENAME || e->type == SIM_UNLINK;
        if (is_name && ends_in(e->name, ".seg"))
            atomic_fetch_add(&r->tally->retired, 1);
        if (e->type == SIM_RENAME && ends_in(e->name, ".spare"))
            atomic_fetch_add(&r->tally->recycled, 1);
        at += e->total_len;
    }
}

/* Opens, works, closes: all in the journal. False: `why`. */
static bool run_workload(struct runner *r, const struct setting *x, const struct workload *w,
                         const struct sim_tree *base, const struct model *m, uint32_t *next_op,
                         char *why, size_t cap)
{
    struct sim_tree live = { 0 };
    struct store *s;
    struct tarn_error err = { 0 };
    sim_tree_copy(&live, base);
    sim_journal_reset(r->journal);
    sim_start(x->root, &live, r->journal, NULL);
    bool is_right = setting_open(x, &s, &err) == TARN_OK;
    if (!is_right) {
        (void)snprintf(why, cap, "the store does not open: %s", err.message);
    } else {
        is_right = producers_run(s, w, m, &r->ops, next_op, why, cap);
        s->ops->close(s);
    }
    sim_stop(&live);
    sim_tree_release(&live);
    atomic_fetch_add(&r->tally->runs, 1);
    count_segments(r);
    return is_right;
}

bool script_make(struct runner *r, struct script *out)
{
    struct setting x = script_setting(r);
    struct workload w = script_workload(&x);
    struct sim_tree empty;
    struct model m = { 0 };
    uint32_t next_op = 1;
    char why[400] = "";
    sim_tree_init(&empty);
    bool is_right = run_workload(r, &x, &w, &empty, &m, &next_op, why, sizeof why);
    sim_tree_release(&empty);
    if (!is_right)
        tally_line(r->tally, "changed: the script without a cut: %s", why);
    *out = (struct script){ r->journal, r->journal->count, r->journal->calls };
    return is_right;
}

void script_cut(struct runner *r, const struct script *s, uint64_t from, uint64_t stride,
                unsigned choices)
{
    struct setting x = script_setting(r);
    struct sim_tree base;
    struct sim_tree tree = { 0 };
    struct sim_track t;
    struct model m = { 0 };
    struct model seen;
    sim_tree_init(&base);
    sim_track_init(&t, &base, s->journal, SCRIPT_SEED);
    for (uint64_t at = from; at < from + SCRIPT_SLICE_EVENTS && at <= s->events; at++) {
        play(&t, &m, &r->ops, at);
        if (at % stride)
            continue;
        for (unsigned i = 0; i < choices; i++) {
            enum sim_survival how = (enum sim_survival)((at / stride + i) % SIM_SURVIVAL_COUNT);
            (void)cut(r, &x, &t, &m, how, at * 1000 + i, "script", &tree, &seen);
        }
    }
    sim_track_release(&t);
    sim_tree_release(&base);
    sim_tree_release(&tree);
}

/* --- Faults --- */

static void on_fatal_in_child(void *context, const char *reason)
{
    (void)context;
    sim_mark(MARK_FATAL, reason, strlen(reason));
    _exit(0);
}

/* Marks of the journal so far, in a model. */
static void replay_marks(const struct sim_journal *j, struct model *m, struct op_table *ops)
{
    for (uint64_t at = 0; at < j->len;) {
        const struct sim_event *e = (const struct sim_event *)(const void *)(j->events + at);
        if (e->type == SIM_MARK)
            model_take(m, ops, e);
        at += e->total_len;
    }
}

/* The store goes on after the fault: what it answers must be right. */
static void look_in_child(struct runner *r, struct store *s)
{
    struct model m = { 0 };
    struct model seen;
    char why[700] = "";
    replay_marks(r->journal, &m, &r->ops);
    enum observed seen_how = observe_all(s, &r->ops, &seen, why, sizeof why);
    if (seen_how == OBSERVE_WRONG ||
        (seen_how == OBSERVE_OK && model_judge(&m, &r->ops, &seen, why, sizeof why)))
        sim_mark(MARK_WRONG, why, sizeof why);
}

static void fault_child(struct runner *r, const struct sim_fault *fault)
{
    struct setting x = script_setting(r);
    struct workload w = script_workload(&x);
    struct sim_tree live;
    struct store *s;
    struct model m = { 0 };
    struct tarn_error err = { 0 };
    char why[700] = "";
    uint32_t next_op = 1;
    x.on_fatal = on_fatal_in_child;
    if (!r->is_verbose && !freopen("/dev/null", "w", stderr)) /* the engine has much to say now */
        _exit(2);
    (void)alarm(FAULT_SECONDS_MAX);
    sim_tree_init(&live);
    sim_start(x.root, &live, r->journal, fault);
    if (setting_open(&x, &s, &err) < 0) {
        sim_mark(MARK_REFUSED, err.message, strlen(err.message));
        _exit(0);
    }
    if (producers_run(s, &w, &m, &r->ops, &next_op, why, sizeof why))
        look_in_child(r, s);
    s->ops->close(s);
    _exit(0);
}

/* Cuts at the end, and once somewhere before. */
static void cut_fault(struct runner *r, const char *what, uint64_t seed)
{
    struct setting x = script_setting(r);
    struct sim_tree base;
    struct sim_tree tree = { 0 };
    struct sim_track t;
    struct model m = { 0 };
    struct model seen;
    struct sim_rand rand = { seed };
    uint64_t count = r->journal->count;
    uint64_t early = count - sim_rand_below(&rand, count < 60 ? count : 60);
    sim_tree_init(&base);
    sim_track_init(&t, &base, r->journal, seed);
    play(&t, &m, &r->ops, early);
    (void)cut(r, &x, &t, &m, (enum sim_survival)sim_rand_below(&rand, SIM_SURVIVAL_COUNT), seed,
              what, &tree, &seen);
    play(&t, &m, &r->ops, count);
    (void)cut(r, &x, &t, &m, sim_rand_below(&rand, 2) ? SIM_SURVIVE_ALL : SIM_SURVIVE_SYNCED, seed,
              what, &tree, &seen);
    sim_track_release(&t);
    sim_tree_release(&base);
    sim_tree_release(&tree);
}

static void read_marks(struct runner *r, const char *what)
{
    const struct sim_journal *j = r->journal;
    for (uint64_t at = 0; at < j->len;) {
        const struct sim_event *e = (const struct sim_event *)(const void *)(j->events + at);
        if (e->type == SIM_MARK && e->mark == MARK_FATAL)
            atomic_fetch_add(&r->tally->fatals, 1);
        if (e->type == SIM_MARK && e->mark == MARK_WRONG) {
            atomic_fetch_add(&r->tally->outcomes[OUT_CHANGED], 1);
            tally_line(r->tally, "changed: %s: %s", what, (const char *)e->bytes);
        }
        at += e->total_len;
    }
}

void fault_run(struct runner *r, uint64_t call, enum sim_fault_kind kind, bool is_sticky)
{
    struct sim_fault fault = { kind, call, is_sticky };
    char what[100];
    int status = 0;
    (void)snprintf(what, sizeof what, "fault %d%s at call %llu", (int)kind,
                   is_sticky ? " from here on" : "", (unsigned long long)call);
    sim_journal_reset(r->journal);
    pid_t child = fork();
    if (child == 0)
        fault_child(r, &fault);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        abort();
    atomic_fetch_add(&r->tally->faults, 1);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        atomic_fetch_add(&r->tally->broken, 1);
        tally_line(r->tally, "broken: %s: the store died or hung, status %x", what,
                   (unsigned)status);
        return;
    }
    read_marks(r, what);
    cut_fault(r, what, call * 4 + (uint64_t)kind);
}

/* --- Random chains --- */

static void random_setting(struct runner *r, struct sim_rand *rand, struct setting *x,
                           struct workload *w)
{
    *x = (struct setting){ r->root, 4096ull << sim_rand_below(rand, 3),
                           65536ull << sim_rand_below(rand, 3), on_fatal };
    *w = (struct workload){
        .producer_count = sim_rand_below(rand, 2) ? PRODUCER_MAX : 1,
        .inline_max = x->inline_max,
        .segment_len = x->segment_len,
        .has_pauses = sim_rand_below(rand, 2) != 0,
    };
}

/* Cuts one run; what the last cut leaves is the next run's disk. False: stop the chain. */
static bool cut_random(struct runner *r, const struct setting *x, struct sim_tree *base,
                       struct model *m, struct sim_rand *rand, const char *what)
{
    struct sim_track t;
    struct sim_tree tree = { 0 };
    struct model seen;
    bool goes_on = true;
    uint64_t count = r->journal->count;
    uint64_t at[CHAIN_CUTS];
    for (size_t i = 0; i < CHAIN_CUTS; i++) {
        at[i] = 1 + sim_rand_below(rand, count);
        for (size_t k = i; k > 0 && at[k] < at[k - 1]; k--) {
            uint64_t kept = at[k];
            at[k] = at[k - 1];
            at[k - 1] = kept;
        }
    }
    size_t last = (size_t)sim_rand_below(rand, CHAIN_CUTS);
    struct sim_tree next = { 0 };
    struct model next_model = { 0 };
    sim_track_init(&t, base, r->journal, sim_rand_next(rand));
    for (size_t i = 0; i < CHAIN_CUTS; i++) {
        play(&t, m, &r->ops, at[i]);
        enum sim_survival how = (enum sim_survival)sim_rand_below(rand, SIM_SURVIVAL_COUNT);
        if (cut(r, x, &t, m, how, sim_rand_next(rand), what, &tree, &seen))
            goes_on = false;
        else if (i == last) {
            sim_tree_copy(&next, &tree);
            next_model = seen;
        }
    }
    sim_track_release(&t);
    sim_tree_release(&tree);
    sim_tree_release(base);
    *base = next;
    *m = next_model;
    return goes_on;
}

void random_run(struct runner *r, uint64_t seed)
{
    struct sim_rand rand = { seed };
    struct setting x;
    struct workload w;
    struct sim_tree base;
    struct model m = { 0 };
    uint32_t next_op = 1;
    uint64_t len = 1 + sim_rand_below(&rand, CHAIN_LEN_MAX);
    memset(&r->ops, 0, sizeof r->ops);
    random_setting(r, &rand, &x, &w);
    sim_tree_init(&base);
    for (uint64_t i = 0; i < len; i++) {
        char what[100];
        char why[700] = "";
        w.seed = sim_rand_next(&rand);
        w.op_count = 10 + (uint32_t)sim_rand_below(&rand, 400 / w.producer_count);
        (void)snprintf(what, sizeof what, "seed %llu, run %llu", (unsigned long long)seed,
                       (unsigned long long)i);
        if (!run_workload(r, &x, &w, &base, &m, &next_op, why, sizeof why)) {
            atomic_fetch_add(&r->tally->outcomes[OUT_CHANGED], 1);
            report(r, OUT_CHANGED, what, why, &base);
            break;
        }
        if (!cut_random(r, &x, &base, &m, &rand, what))
            break;
    }
    sim_tree_release(&base);
}
