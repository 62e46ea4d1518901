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

/* Signs what will be sent, before the clock starts: the generator's cores are the server's. Nothing
 * for listings, deletions and more than LOAD_SIGNED_MAX keys. */
TN_MUST_USE int request_sign_all(struct load *l);
void request_release(struct load *l);

/* Replaces `head` by the whole head of the request. */
TN_MUST_USE int request_head(struct load *l, const struct request *r, struct tn_buf *head);

#endif
