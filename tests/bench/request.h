/* SPDX-License-Identifier: Apache-2.0 */
/* The heads of requests, signed. */

#ifndef TESTS_BENCH_REQUEST_H
#define TESTS_BENCH_REQUEST_H

#include "bench/load.h"

struct request {
    enum bench_mode mode; /* PUT, GET or LIST */
    uint64_t key;
    struct tn_str token; /* LIST: where to continue, percent-encoded; empty at the start */
};

/* Replaces `head` by the whole head of the request. */
TN_MUST_USE int request_head(struct load *l, const struct request *r, struct tn_buf *head);

#endif
