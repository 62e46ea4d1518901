/* SPDX-License-Identifier: Apache-2.0 */
/* The window. Everything here runs in the calling thread. */

#include "client/window.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/wait.h"
#include "client/client_impl.h"

enum { TICK_MS = 100 };

void tn_window_init(struct tn_window *w, struct tarn_client *client,
                    const struct tarn_request *request, uint32_t concurrency)
{
    *w = (struct tn_window){ .client = client, .request = request };
    tn_waiter_init(&w->waiter);
    w->slot_count = concurrency ? concurrency : TN_WINDOW_DEFAULT;
    if (w->slot_count > TN_WINDOW_SLOTS_MAX)
        w->slot_count = TN_WINDOW_SLOTS_MAX;
    for (size_t i = 0; i < TN_WINDOW_SLOTS_MAX; i++)
        w->slots[i].fd = -1;
}

static void clear_slot(struct tn_window *w, struct tn_slot *slot)
{
    tn_op_free(slot->op);
    tn_budget_give(&w->client->budget, slot->block, slot->block_len);
    tn_fd_close(&slot->fd);
    *slot = (struct tn_slot){ .fd = -1 };
}

void tn_window_release(struct tn_window *w)
{
    for (size_t i = 0; i < w->slot_count; i++)
        clear_slot(w, &w->slots[i]);
    tn_waiter_release(&w->waiter);
}

bool tn_window_should_stop(void *window)
{
    struct tn_window *w = window;
    const volatile int *cancel = w->request ? w->request->cancel : NULL;
    return w->is_cancelled || tn_flag_is_set(cancel) || atomic_load(&w->client->is_cancelled);
}

static uint64_t bytes_now(const struct tn_window *w)
{
    uint64_t sum = w->bytes_done;
    for (uint32_t i = 0; i < w->slot_count; i++) {
        const struct tn_slot *slot = &w->slots[i];
        if (!slot->is_busy)
            continue;
        uint64_t moved = atomic_load_explicit(&slot->op->moved, memory_order_relaxed);
        sum += moved < slot->len ? moved : slot->len;
    }
    return sum;
}

static void report(struct tn_window *w, bool is_last)
{
    uint64_t now = tn_now_ns();
    if (!w->progress || (!is_last && now - w->reported_ns < TICK_MS * 1000000ull))
        return;
    uint64_t bytes = bytes_now(w); /* a retry starts its part over: the figure waits for it */
    w->reported = bytes > w->reported ? bytes : w->reported;
    w->reported_ns = now;
    struct tarn_progress p = { .bytes_done = w->reported,
                               .bytes_total = w->bytes_total,
                               .parts_done = w->parts_done,
                               .parts_total = w->parts_total,
                               .is_last = is_last };
    if (w->progress(w->progress_arg, &p) != 0)
        w->is_cancelled = true;
}

void tn_window_end(struct tn_window *w)
{
    report(w, true);
}

/* With the lock held. */
static struct tn_slot *find_done(struct tn_window *w)
{
    if (w->is_ordered) {
        struct tn_slot *oldest = &w->slots[w->first];
        return oldest->is_busy && oldest->op->is_done ? oldest : NULL;
    }
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (w->slots[i].is_busy && w->slots[i].op->is_done)
            return &w->slots[i];
    }
    return NULL;
}

static void cancel_busy(struct tn_window *w)
{
    tn_waiter_lock(&w->waiter);
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (w->slots[i].is_busy)
            tn_op_want(w->slots[i].op, TN_OP_WANT_CANCEL);
    }
    tn_waiter_unlock(&w->waiter);
}

static struct tn_slot *wait_done(struct tn_window *w)
{
    bool did_cancel = false;
    for (;;) {
        if (tn_window_should_stop(w) && !did_cancel) {
            did_cancel = true;
            cancel_busy(w);
        }
        tn_waiter_lock(&w->waiter);
        struct tn_slot *slot = find_done(w);
        bool has_tick = w->progress || (w->request && w->request->cancel);
        if (!slot)
            tn_waiter_wait(&w->waiter, has_tick ? TICK_MS : -1);
        tn_waiter_unlock(&w->waiter);
        if (slot)
            return slot;
        report(w, false);
    }
}

static struct tn_slot *free_slot(struct tn_window *w)
{
    if (w->busy_count == w->slot_count)
        return NULL;
    if (w->is_ordered)
        return &w->slots[(w->first + w->busy_count) % w->slot_count];
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (!w->slots[i].is_busy)
            return &w->slots[i];
    }
    return NULL;
}

static int start_one(struct tn_window *w, const struct tn_window_calls *calls, void *arg,
                     struct tn_slot *slot, struct tarn_error *err)
{
    if (tn_window_should_stop(w))
        return tn_fail(err, TARN_ECANCELLED, "cancelled");
    int rc = calls->start(arg, slot, err);
    if (rc == TARN_OK) {
        slot->is_busy = true;
        w->busy_count++;
    } else {
        clear_slot(w, slot);
    }
    return rc;
}

static int take_one(struct tn_window *w, const struct tn_window_calls *calls, void *arg,
                    struct tarn_error *err)
{
    struct tn_slot *slot = wait_done(w);
    int rc = slot->op->rc;
    if (rc < 0 && err)
        *err = slot->op->err;
    if (rc == TARN_OK)
        rc = calls->take(arg, slot, err);
    if (rc == TARN_OK) {
        w->bytes_done += slot->len;
        w->parts_done++;
    }
    clear_slot(w, slot);
    w->busy_count--;
    if (w->is_ordered)
        w->first = (w->first + 1) % w->slot_count;
    report(w, false);
    return rc;
}

static void drain(struct tn_window *w)
{
    cancel_busy(w);
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (w->slots[i].is_busy)
            tn_op_wait(w->slots[i].op);
        clear_slot(w, &w->slots[i]);
    }
    w->busy_count = 0;
}

int tn_window_run(struct tn_window *w, const struct tn_window_calls *calls, void *arg,
                  struct tarn_error *err)
{
    bool is_at_end = false;
    int rc = TARN_OK;
    while (rc == TARN_OK && !(is_at_end && w->busy_count == 0)) {
        struct tn_slot *slot = is_at_end ? NULL : free_slot(w);
        if (!slot) {
            rc = take_one(w, calls, arg, err);
            continue;
        }
        rc = start_one(w, calls, arg, slot, err);
        is_at_end = rc == TN_WINDOW_END;
        if (rc == TN_WINDOW_WAIT)
            rc = take_one(w, calls, arg, err);
        else if (is_at_end)
            rc = TARN_OK;
    }
    if (rc < 0)
        drain(w);
    return rc;
}
