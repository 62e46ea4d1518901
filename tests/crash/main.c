/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-crash: cuts the power of the engine, fails its calls, turns bits over, and says what was
 * lost. See docs/design/crash.md. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crash/runs.h"

enum {
    JOURNAL_LEN = 1 << 30, /* of address space; memory is what is written */
    WORKER_MAX = 64,
    FLIPS_PER_JOB = 50,
    FAULT_KINDS = 4,
    PROGRESS_STEP = 2000,
};

struct options {
    uint64_t cuts;
    uint64_t faults; /* every so manieth call fails; 0: none */
    uint64_t flips;
    uint64_t seed; /* of the first random run */
    uint64_t only; /* one random run; 0: all */
    unsigned jobs;
    const char *keep;
    bool is_random_only;
    bool is_verbose;
};

/* Jobs in one row: the script's slices, the faults, the flips, then random runs. */
struct plan {
    struct options options;
    struct script script;
    uint64_t slices, stride;
    unsigned choices;
    uint64_t fault_jobs;
    uint64_t flip_jobs;
};

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno || *end || !*text) {
        (void)fprintf(stderr, "tarn-crash: not a number: \"%s\"\n", text);
        exit(2);
    }
    return n;
}

static void usage(void)
{
    (void)puts(
        "usage: tarn-crash [--cuts N] [--faults EVERY] [--flips N] [--first SEED]\n"
        "                  [--random] [--seed SEED] [--jobs N] [--keep DIR] [--verbose]\n"
        "\n"
        "  --cuts N       cuts of the power, half of them in the scripted run (2000)\n"
        "  --faults EVERY fails each so manieth call of the script; 0: none (16)\n"
        "  --flips N      bits turned over (0)\n"
        "  --first SEED   the first random run's (1)\n"
        "  --random       random runs alone: goes on, with --first, where another was stopped\n"
        "  --seed SEED    that random run alone, again\n"
        "  --jobs N       processes (2)\n"
        "  --keep DIR     writes the first disk that is not right there\n");
}

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        { "cuts", required_argument, NULL, 'c' },
        { "faults", required_argument, NULL, 'f' },
        { "flips", required_argument, NULL, 'b' },
        { "first", required_argument, NULL, 'i' },
        { "seed", required_argument, NULL, 's' },
        { "jobs", required_argument, NULL, 'j' },
        { "keep", required_argument, NULL, 'k' },
        { "verbose", no_argument, NULL, 'v' },
        { "random", no_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options o = { .cuts = 2000, .faults = 16, .seed = 1, .jobs = 2 };
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'c':
            o.cuts = number(optarg);
            break;
        case 'f':
            o.faults = number(optarg);
            break;
        case 'b':
            o.flips = number(optarg);
            break;
        case 'i':
            o.seed = number(optarg);
            break;
        case 's':
            o.only = number(optarg);
            break;
        case 'j':
            o.jobs = (unsigned)number(optarg);
            break;
        case 'k':
            o.keep = optarg;
            break;
        case 'r':
            o.is_random_only = true;
            o.faults = 0;
            break;
        case 'v':
            o.is_verbose = true;
            break;
        default:
            usage();
            exit(c == 'h' ? 0 : 2);
        }
    }
    o.jobs = o.jobs < 1 ? 1 : o.jobs > WORKER_MAX ? WORKER_MAX : o.jobs;
    return o;
}

static void *share(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void plan_make(struct plan *p)
{
    uint64_t events = p->script.events;
    uint64_t half = p->options.is_random_only ? 0 : p->options.cuts / 2;
    p->stride = half && half < events ? (events + half - 1) / half : 1;
    p->choices = half >= events ? (unsigned)(half / events) : half ? 1 : 0;
    p->slices = p->choices ? (events + SCRIPT_SLICE_EVENTS) / SCRIPT_SLICE_EVENTS : 0;
    if (p->options.faults)
        p->fault_jobs = p->script.calls / p->options.faults * FAULT_KINDS;
    p->flip_jobs = (p->options.flips + FLIPS_PER_JOB - 1) / FLIPS_PER_JOB;
}

static void run_fault(struct runner *r, const struct plan *p, uint64_t job)
{
    static const struct sim_fault kinds[FAULT_KINDS] = {
        { SIM_FAULT_EIO, 0, false },
        { SIM_FAULT_ENOSPC, 0, false },
        { SIM_FAULT_SHORT, 0, false },
        { SIM_FAULT_ENOSPC, 0, true },
    };
    const struct sim_fault *f = &kinds[job % FAULT_KINDS];
    fault_run(r, job / FAULT_KINDS * p->options.faults, f->kind, f->is_sticky);
}

/* Every so often, so that the long run is seen to go on, and where to go on when it is stopped. */
static void tell_progress(const struct plan *p, struct tally *t, uint64_t job)
{
    uint64_t done = atomic_load(&t->cuts) + atomic_load(&t->faults) + atomic_load(&t->flips);
    uint64_t told = atomic_load(&t->told);
    if (done < told + PROGRESS_STEP || !atomic_compare_exchange_strong(&t->told, &told, done))
        return;
    uint64_t first = p->slices + p->fault_jobs + p->flip_jobs;
    unsigned long long wrong = 0;
    for (size_t i = 1; i < OUT_COUNT; i++)
        wrong += atomic_load(&t->outcomes[i]);
    (void)fprintf(stderr, "%llu cuts, %llu faults, %llu flips, %llu wrong, at seed %llu\n",
                  (unsigned long long)atomic_load(&t->cuts),
                  (unsigned long long)atomic_load(&t->faults),
                  (unsigned long long)atomic_load(&t->flips), wrong,
                  (unsigned long long)(p->options.seed + (job > first ? job - first : 0)));
}

/* False when there is nothing more to do. */
static bool run_job(struct runner *r, const struct plan *p, uint64_t job)
{
    if (job < p->slices) {
        script_cut(r, &p->script, job * SCRIPT_SLICE_EVENTS, p->stride, p->choices);
        return true;
    }
    job -= p->slices;
    if (job < p->fault_jobs) {
        run_fault(r, p, job);
        return true;
    }
    job -= p->fault_jobs;
    if (job < p->flip_jobs) {
        uint64_t left = p->options.flips - job * FLIPS_PER_JOB;
        flips_run(r, 1000000 + job, left < FLIPS_PER_JOB ? left : FLIPS_PER_JOB);
        return true;
    }
    job -= p->flip_jobs;
    if (atomic_load(&r->tally->cuts) >= p->options.cuts)
        return false;
    random_run(r, p->options.seed + job);
    return true;
}

/* A directory of the worker's own: the engine's locks between processes are real files. */
static void make_root(char *out, size_t cap)
{
    char dir[200];
    (void)snprintf(out, cap, "/tmp/tarn-crash-XXXXXX");
    if (!mkdtemp(out))
        abort();
    (void)snprintf(dir, sizeof dir, "%s/s", out);
    if (mkdir(dir, 0700) < 0)
        abort();
}

static void remove_root(const char *root)
{
    static const char *const names[] = { "/s/hold", "/s", "" };
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, "%s%s", root, names[i]);
        (void)remove(path);
    }
}

static void work(const struct plan *p, struct tally *tally, const char *root, uint64_t *job)
{
    struct runner *r = tn_calloc(1, sizeof *r);
    if (!r)
        abort();
    r->tally = tally;
    r->journal = sim_journal_new(JOURNAL_LEN);
    r->root = root;
    r->keep = p->options.keep;
    r->is_verbose = p->options.is_verbose;
    do {
        *job = atomic_fetch_add(&tally->next_job, 1);
        tell_progress(p, tally, *job);
    } while (run_job(r, p, *job));
    tn_free(r);
}

static pid_t start_worker(const struct plan *p, struct tally *tally, const char *root,
                          uint64_t *job)
{
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(p, tally, root, job);
        _exit(0);
    }
    return pid;
}

/* A worker that dies has found something: it is told, and another one goes on. */
static void supervise(const struct plan *p, struct tally *tally)
{
    char roots[WORKER_MAX][64];
    pid_t pids[WORKER_MAX];
    uint64_t *jobs = share(WORKER_MAX * sizeof *jobs);
    unsigned running = p->options.jobs;
    for (unsigned i = 0; i < running; i++) {
        make_root(roots[i], sizeof roots[i]);
        pids[i] = start_worker(p, tally, roots[i], &jobs[i]);
    }
    while (running) {
        int status;
        pid_t pid = wait(&status);
        unsigned i = 0;
        while (i < p->options.jobs && pids[i] != pid)
            i++;
        if (pid < 0 || i == p->options.jobs)
            continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            remove_root(roots[i]);
            running--;
            continue;
        }
        atomic_fetch_add(&tally->broken, 1);
        uint64_t first = p->slices + p->fault_jobs + p->flip_jobs;
        if (jobs[i] >= first)
            tally_line(tally, "broken: the engine died in seed %llu",
                       (unsigned long long)(p->options.seed + jobs[i] - first));
        else
            tally_line(tally, "broken: the engine died in job %llu", (unsigned long long)jobs[i]);
        pids[i] = start_worker(p, tally, roots[i], &jobs[i]);
    }
}

static unsigned long long count_of(const _Atomic(uint64_t) *n)
{
    return (unsigned long long)atomic_load(n);
}

static int sum_up(const struct plan *p, struct tally *t, double seconds)
{
    unsigned long long cuts = count_of(&t->cuts);
    unsigned long long wrong = count_of(&t->flips_wrong) + count_of(&t->broken);
    for (size_t i = 1; i < OUT_COUNT; i++)
        wrong += count_of(&t->outcomes[i]);
    if (p->fault_jobs)
        (void)printf("%llu faults, %llu of them fatal\n", count_of(&t->faults),
                     count_of(&t->fatals));
    if (count_of(&t->flips))
        (void)printf("%llu flips, %llu wrong bytes, %llu detected, %llu harmless, %llu hidden\n",
                     count_of(&t->flips), count_of(&t->flips_wrong), count_of(&t->flips_detected),
                     count_of(&t->flips_harmless), count_of(&t->flips_hidden));
    (void)printf(
        "%llu refused, %llu errors, %llu leaked, %llu wrong without the index, %llu died\n",
        count_of(&t->outcomes[OUT_REFUSED]), count_of(&t->outcomes[OUT_ERROR]),
        count_of(&t->outcomes[OUT_LEAKED]), count_of(&t->outcomes[OUT_REBUILT]),
        count_of(&t->broken));
    (void)printf(
        "%llu cuts, %llu lost, %llu changed, %llu half visible (%.0f cuts/s, script of"
        " %llu events and %llu calls, %llu runs, %llu segments retired, %llu used again)\n",
        cuts, count_of(&t->outcomes[OUT_LOST]), count_of(&t->outcomes[OUT_CHANGED]),
        count_of(&t->outcomes[OUT_HALF]), (double)cuts / (seconds > 0 ? seconds : 1),
        (unsigned long long)p->script.events, (unsigned long long)p->script.calls,
        count_of(&t->runs), count_of(&t->retired), count_of(&t->recycled));
    return wrong ? 1 : 0;
}

static int run_one(const struct options *o, struct tally *tally, struct runner *r)
{
    r->tally = tally;
    r->is_verbose = true;
    random_run(r, o->only);
    struct plan p = { .options = *o };
    return sum_up(&p, tally, 1);
}

int main(int argc, char **argv)
{
    struct plan p = { .options = read_options(argc, argv) };
    struct tally *tally = share(sizeof *tally);
    struct runner *r = tn_calloc(1, sizeof *r);
    char root[64];
    if (!r)
        abort();
    tn_log_set_level(p.options.is_verbose ? TN_LOG_INFO : TN_LOG_ERROR);
    sim_vfs_register();
    make_root(root, sizeof root);
    *r = (struct runner){ .tally = tally,
                          .journal = sim_journal_new(JOURNAL_LEN),
                          .root = root,
                          .keep = p.options.keep };
    int status;
    if (p.options.only) {
        status = run_one(&p.options, tally, r);
    } else {
        uint64_t start = tn_now_ns();
        if (script_make(r, &p.script))
            plan_make(&p);
        supervise(&p, tally);
        status = sum_up(&p, tally, (double)(tn_now_ns() - start) / 1e9);
    }
    remove_root(root);
    tn_free(r);
    return status;
}
