/* SPDX-License-Identifier: Apache-2.0 */
/* The run: connections driven by one epoll loop, closed (each starts its next request at once) or
 * open (each request is due at its time, whether or not the server keeps up). */

#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "base/buf.h"
#include "bench/hist.h"
#include "bench/options.h"
#include "proto/sigv4.h"

enum { LOAD_SCRATCH_LEN = 256 * 1024, LOAD_SIGNED_MAX = 65536 };

/* The heads of one method's requests, one per key. */
struct signed_heads {
    struct tn_buf bytes;
    size_t *ends; /* of key_count heads; NULL: each is signed when it is sent */
};

struct load_result {
    struct hist latency;
    uint64_t requests;   /* answered with success */
    uint64_t errors;     /* other answers, broken connections */
    uint64_t mismatches; /* bodies of GET of another length or content */
    uint64_t bytes;      /* of bodies, both ways */
    uint64_t keys;       /* listed */
    uint64_t run_ns;
    char first_error[512];
};

/* Shared by the connections of a run; one thread. */
struct load {
    const struct bench_options *options;
    struct load_result *result;
    int epoll_fd;
    uint64_t started; /* requests so far */
    uint64_t end_ns;  /* 0: no end in time */
    uint64_t random;
    bool is_over; /* no more requests are to be started */
    struct tn_sigv4_key key;
    struct tn_sigv4_scratch scratch;
    struct tn_buf authorization;
    struct tn_buf target;
    struct signed_heads gets;
    struct signed_heads puts;
    char bytes[LOAD_SCRATCH_LEN]; /* what was just received */
};

/* Runs to the end. TARN_ENETWORK when the server cannot be reached. */
TN_MUST_USE int load_run(const struct bench_options *options, struct load_result *result,
                         struct tarn_error *err);

/* Whether another request may start now; counts it. */
bool load_take_request(struct load *l);

/* A number below `limit` from a fixed sequence. */
uint64_t load_random_below(struct load *l, uint64_t limit);

void load_note_error(struct load *l, struct tn_str what);

#endif
