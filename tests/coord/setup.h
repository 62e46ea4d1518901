/* SPDX-License-Identifier: Apache-2.0 */
/* What all proofs of coordination share: the command line, clients, clocks that can be set. */

#ifndef TESTS_COORD_SETUP_H
#define TESTS_COORD_SETUP_H

#include <stdatomic.h>

#include <tarn/tarn.h>

#include "base/fail.h"
#include "base/mem.h"

struct setup {
    const char *endpoint; /* perhaps of the proxy; AWS_ENDPOINT_URL is the server's */
    const char *bucket;
    const char *name;
    int procs;
    long rounds;
    long ttl_ms;
    long hold_us;
    int pauses; /* SIGSTOP and SIGCONT, longer than the ttl */
    int kills;
    long wall_step_ms; /* clocks of odd processes are off by this, and jump */
    bool is_flawed;    /* the algorithm of the reference, which must be seen to fail */
    bool skip_probe;
    const char *strategy;
};

/* Ends the program on failure: nothing can be proved then. */
struct tarn_client *setup_client(const char *endpoint, int retries_max);

/* A clock whose times are offset, and by which steps can be put into an order: a lock asks for the
 * wall clock between looking and writing. */
struct test_clock {
    _Atomic int64_t steady_offset_ms;
    _Atomic int64_t wall_offset_ms;
    bool jumps;                 /* sleeping sets it forth instead */
    bool is_stopped;            /* only steps move it */
    uint64_t stopped_steady_ms; /* what it showed then */
    int64_t stopped_wall_ms;
    void (*_Atomic before_write)(void *arg); /* called once, then NULL */
    void *before_write_arg;
    struct tarn_lock_clock clock;
};
void test_clock_init(struct test_clock *c);
void test_clock_step(struct test_clock *c, int64_t ms); /* both of its times */
void test_clock_stop(struct test_clock *c);

uint64_t steady_now_ms(void);

_Noreturn void setup_die(const char *what, const struct tarn_error *err);

/* Each proof: 0 when it holds, 3 when it was refuted. */
int prove_locks(const struct setup *s);
int prove_counter(const struct setup *s);
int prove_copies(const struct setup *s);
int prove_buffer(const struct setup *s); /* `rounds` MiB, `procs` ms between writes */
int prove_case(const struct setup *s);
int measure(const struct setup *s);
void measure_buffers(void); /* prints more members of the object */

#endif
