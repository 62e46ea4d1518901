/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a workload, and the cuts that are made of each. */

#ifndef TESTS_CRASH_RUNS_H
#define TESTS_CRASH_RUNS_H

#include <stdatomic.h>

#include "crash/producer.h"
#include "crash/verify.h"

enum { REPORT_LINES = 20, REPORT_LINE_LEN = 900 };

/* What all workers count in: shared memory. */
struct tally {
    _Atomic(uint64_t) next_job;
    _Atomic(uint64_t) cuts;
    _Atomic(uint64_t) outcomes[OUT_COUNT];
    _Atomic(uint64_t) runs;
    _Atomic(uint64_t) retired, recycled; /* segments in them */
    _Atomic(uint64_t) told;              /* cuts at the last line of progress */
    _Atomic(uint64_t) faults;
    _Atomic(uint64_t) fatals; /* faults at which the store ended itself */
    _Atomic(uint64_t) broken; /* workers that died, hung or read wrong bytes */
    _Atomic(uint64_t) flips, flips_detected, flips_harmless, flips_hidden, flips_wrong;
    _Atomic(uint64_t) lines;
    char line[REPORT_LINES][REPORT_LINE_LEN];
};

struct runner {
    struct tally *tally;
    struct sim_journal *journal;
    const char *root;
    const char *keep; /* a directory that the first wrong image is written to; or NULL */
    bool is_verbose;
    struct op_table ops;
};

/* The workload whose every call is cut: made once, its journal read by all. */
struct script {
    struct sim_journal *journal;
    uint64_t events;
    uint64_t calls;
};

enum { SCRIPT_SLICE_EVENTS = 16 };

/* False when it went wrong without any cut. */
bool script_make(struct runner *r, struct script *out);

/* Every `stride`-th cut of events [from, from + SCRIPT_SLICE_EVENTS), `choices` times. */
void script_cut(struct runner *r, const struct script *s, uint64_t from, uint64_t stride,
                unsigned choices);

/* The script again, with a call that fails: number `call`. */
void fault_run(struct runner *r, uint64_t call, enum sim_fault_kind kind, bool is_sticky);

/* A chain of random runs, each from what a cut has left of the one before. */
void random_run(struct runner *r, uint64_t seed);

/* A store that was closed, or killed, for flips. */
void populate(struct runner *r, uint64_t seed, bool is_killed, struct sim_tree *out,
              struct model *m);
void flips_run(struct runner *r, uint64_t seed, uint64_t count);

void tally_line(struct tally *t, const char *format, ...) TN_PRINTF(2, 3);

#endif
