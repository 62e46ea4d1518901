/* SPDX-License-Identifier: Apache-2.0 */
/* What tarn-linear was told. */

#ifndef TESTS_LINEAR_OPTIONS_H
#define TESTS_LINEAR_OPTIONS_H

#include "base/fail.h"

enum {
    LINEAR_CLIENTS_MAX = 64, /* all on one key must fit the checker's window */
    LINEAR_ACTIVE_MAX = 64,
};

struct linear_options {
    const char *tarnd;
    const char *directory; /* stores and logs go below it */
    uint64_t ops;
    uint64_t seconds; /* bound for the load; 0: none */
    uint64_t clients;
    uint64_t active;        /* keys in use at a time */
    uint64_t ops_per_key;   /* then the key is retired */
    uint64_t kill_every_ms; /* 0: never */
    uint64_t big_every;     /* one in so many values is larger than what a log record holds */
    uint64_t seed;
};

extern const char linear_usage[];

/* `out` is unchanged on failure. */
TN_MUST_USE int linear_options_parse(int argc, char **argv, struct linear_options *out,
                                     struct tarn_error *err);

#endif
