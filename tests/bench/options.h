/* SPDX-License-Identifier: Apache-2.0 */
/* What one run of the load generator does. */

#ifndef TESTS_BENCH_OPTIONS_H
#define TESTS_BENCH_OPTIONS_H

#include "base/fail.h"

enum bench_mode { BENCH_PUT, BENCH_GET, BENCH_LIST, BENCH_DELETE, BENCH_MIXED, BENCH_FILES };

enum { BENCH_CONNECTIONS_MAX = 4096 };

struct bench_options {
    enum bench_mode mode;
    const char *mode_name;
    const char *host; /* an IPv4 address */
    const char *bucket;
    const char *prefix;
    const char *directory; /* of BENCH_FILES */
    const char *access_key;
    const char *secret;
    uint64_t port;
    uint64_t size;
    uint64_t key_count;
    uint64_t connections;
    uint64_t seconds;     /* 0: no bound in time */
    uint64_t count;       /* requests; 0: no bound in number */
    uint64_t rate;        /* requests a second, open loop; 0: closed loop */
    uint64_t get_percent; /* of BENCH_MIXED */
    bool is_unsigned;
    bool is_hashed;   /* the payload's SHA-256 is signed, else UNSIGNED-PAYLOAD */
    bool is_verified; /* bodies of GET are compared with what PUT sends */
};

/* Fills `out` from the command line and the environment (TARN_ACCESS_KEY, TARN_SECRET_KEY). */
TN_MUST_USE int bench_options_parse(int argc, char **argv, struct bench_options *out,
                                    struct tarn_error *err);

extern const char bench_usage[];

#endif
