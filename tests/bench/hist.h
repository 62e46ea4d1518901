/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of durations: log-linear buckets, relative error below 1.6 %, fixed size. */

#ifndef TESTS_BENCH_HIST_H
#define TESTS_BENCH_HIST_H

#include <stdint.h>

enum {
    HIST_SUB_BITS = 6, /* 64 buckets for each power of two */
    HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS,
};

struct hist {
    uint64_t counts[HIST_BUCKETS];
    uint64_t total;
    uint64_t max_ns;
};

void hist_add(struct hist *h, uint64_t ns);

/* The smallest bucket bound that `share` (0 to 1) of the values do not pass; 0 without values. */
uint64_t hist_quantile(const struct hist *h, double share);

#endif
