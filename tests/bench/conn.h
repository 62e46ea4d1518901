/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: sends a request, reads its answer, again and again. */

#ifndef TESTS_BENCH_CONN_H
#define TESTS_BENCH_CONN_H

#include "bench/load.h"
#include "bench/request.h"

enum conn_state { CONN_CLOSED, CONN_IDLE, CONN_SEND, CONN_HEAD, CONN_BODY };

/* `head_in` holds an incomplete head, `page` the body of a LIST or of an error; both are bounded.
 */
struct conn {
    struct load *load;
    int fd;
    enum conn_state state;
    bool waits_to_send; /* epoll tells when there is room again */
    struct request request;
    struct tn_buf head_out;
    struct tn_buf head_in;
    struct tn_buf page;
    struct tn_buf token;
    size_t head_sent;
    uint64_t body_sent;
    uint64_t start_ns; /* when the request was due */
    int status;
    uint64_t body_len;
    uint64_t body_seen;
    bool is_wrong; /* the body differs from what was stored */
};

void conn_init(struct conn *c, struct load *l);
void conn_release(struct conn *c);

/* Connects (waits for it) and joins the load's epoll. */
TN_MUST_USE int conn_open(struct conn *c, struct tarn_error *err);

/* Starts a request that was due at `due_ns`; the connection is idle. */
void conn_start(struct conn *c, uint64_t due_ns);

/* Something may be sent or received. Back in CONN_IDLE the request has been counted; in CONN_CLOSED
 * the connection broke and that has been counted. */
void conn_advance(struct conn *c);

#endif
