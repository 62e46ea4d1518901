/* SPDX-License-Identifier: Apache-2.0 */
/* A window of operations in flight for one call: starts them, waits for them, reports progress,
 * stops all at the first failure. */

#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include <tarn/transfer.h>

#include "client/op.h"

enum { TN_WINDOW_SLOTS_MAX = 64, TN_WINDOW_DEFAULT = 5 };

/* One operation and what belongs to it. The window's owner sets everything but is_busy. */
struct tn_slot {
    struct tn_op *op;
    bool is_busy;
    uint32_t number; /* from 1 */
    uint64_t offset;
    uint64_t len;
    void *block; /* from the budget, given back when the slot is cleared */
    size_t block_len;
    int fd; /* a temporary file, closed then; -1: none */
};

struct tn_window {
    struct tarn_client *client;
    struct tn_waiter waiter;
    const struct tarn_request *request;
    tarn_progress_fn progress;
    void *progress_arg;
    uint32_t slot_count;
    struct tn_slot slots[TN_WINDOW_SLOTS_MAX];
    uint32_t first; /* oldest busy slot, when in order */
    uint32_t busy_count;
    bool is_ordered; /* take results in the order in which they were started */
    uint64_t bytes_done;
    uint64_t bytes_total;
    uint32_t parts_done;
    uint32_t parts_total;
    uint64_t reported;
    uint64_t reported_ns;
    bool is_cancelled;
};

/* What `start` says besides statuses. Apart from these: a caller's function may return any status,
 * and what it means by TARN_EEOF must not end a transfer as if all of it had come. */
enum tn_window_answer {
    TN_WINDOW_END = 1, /* there is no more */
    TN_WINDOW_WAIT     /* not before another one is done; only while some are */
};

struct tn_window_calls {
    /* Makes and posts slot->op: TARN_OK, one of the above, or a failure, with `err`. */
    int (*start)(void *arg, struct tn_slot *slot, struct tarn_error *err);
    /* Takes the result of one that went well. */
    int (*take)(void *arg, struct tn_slot *slot, struct tarn_error *err);
};

void tn_window_init(struct tn_window *w, struct tarn_client *client,
                    const struct tarn_request *request, uint32_t concurrency);
void tn_window_release(struct tn_window *w);

/* Until start says TN_WINDOW_END and all are taken, or the first failure, after which nothing is in
 * flight any more. */
TN_MUST_USE int tn_window_run(struct tn_window *w, const struct tn_window_calls *calls, void *arg,
                              struct tarn_error *err);

/* The last report of progress. */
void tn_window_end(struct tn_window *w);

/* For tn_budget_take. */
bool tn_window_should_stop(void *window);

#endif
