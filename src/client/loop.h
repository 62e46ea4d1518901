/* SPDX-License-Identifier: Apache-2.0 */
/* An I/O thread: epoll around a curl multi handle. It starts requests, retries them when their time
 * comes, and tells those who wait. */

#ifndef CLIENT_LOOP_H
#define CLIENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

struct tn_loop;
struct tn_op;
struct tarn_client;

/* Starts the thread; `active_max` requests at once. NULL on failure. */
TN_MUST_USE struct tn_loop *tn_loop_new(struct tarn_client *client, int active_max,
                                        struct tarn_error *err);

/* Ends the thread. No operation may be in it. Accepts NULL. */
void tn_loop_free(struct tn_loop *loop);

/* Puts `what` (TN_OP_WANT_...) into the inbox. With the waiter's lock of `op` held. */
void tn_loop_post(struct tn_loop *loop, struct tn_op *op, unsigned what);

/* A function to run in the I/O thread, once for however often it was called for. */
struct tn_loop_call {
    void (*run)(struct tn_loop_call *call);
    struct tn_loop_call *next;
    bool is_waiting; /* guarded by the lock of the inbox; of the I/O thread, when it waits for room */
};

/* Lets `call` run soon; its memory must last until then. Any thread. */
void tn_loop_call(struct tn_loop *loop, struct tn_loop_call *call);
void tn_loop_call_inside(struct tn_loop *loop, struct tn_loop_call *call); /* in the I/O thread */

/* Requests that would be started at once, and a call for when there is room for one. In the I/O
 * thread only; the call is no one of those above. */
int tn_loop_room(const struct tn_loop *loop);
void tn_loop_call_at_room(struct tn_loop *loop, struct tn_loop_call *call);
void tn_loop_forget(struct tn_loop *loop, struct tn_loop_call *call);

/* Returns once all calls before it have returned. Not in the I/O thread. */
void tn_loop_fence(struct tn_loop *loop);

/* Builds and takes an operation with on_done, which is not called before this has returned. In the
 * I/O thread only. */
void tn_loop_start(struct tn_loop *loop, struct tn_op *op);

/* Requests in it now, about. Any thread. */
int tn_loop_load(const struct tn_loop *loop);

/* What is found in this turn was there since then at the earliest. In the I/O thread only. */
uint64_t tn_loop_heard_ns(const struct tn_loop *loop);

/* Makes it look at the client's cancel flag. Async-signal-safe. */
void tn_loop_poke(struct tn_loop *loop);

#endif
