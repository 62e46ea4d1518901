/* SPDX-License-Identifier: Apache-2.0 */
/* The memory ceiling. */

#include "client/budget.h"

enum { POLL_MS = 100 };

void tn_budget_init(struct tn_budget *b, uint64_t max)
{
    *b = (struct tn_budget){ .max = max };
    tn_waiter_init(&b->waiter);
}

void tn_budget_release(struct tn_budget *b)
{
    for (size_t i = 0; i < b->kept_count; i++)
        tn_free(b->blocks[i].bytes);
    b->kept_count = 0;
    tn_waiter_release(&b->waiter);
}

static void drop_kept(struct tn_budget *b, size_t i)
{
    tn_free(b->blocks[i].bytes);
    b->kept -= b->blocks[i].len;
    b->blocks[i] = b->blocks[--b->kept_count];
}

static void *find_kept(struct tn_budget *b, size_t len)
{
    for (size_t i = b->kept_count; i-- > 0;) {
        if (b->blocks[i].len != len)
            continue;
        void *bytes = TN_TAKE(b->blocks[i].bytes);
        drop_kept(b, i);
        return bytes;
    }
    return NULL;
}

/* With the lock held: TARN_EAGAIN while others hold too much. */
static int try_take(struct tn_budget *b, size_t len, void **out)
{
    if (b->used + len > b->max)
        return TARN_EAGAIN;
    void *bytes = find_kept(b, len);
    while (!bytes && b->used + b->kept + len > b->max)
        drop_kept(b, 0);
    if (!bytes)
        bytes = tn_realloc(NULL, len);
    if (!bytes)
        return TARN_ENOMEM;
    b->used += len;
    if (b->used > b->peak)
        b->peak = b->used;
    *out = bytes;
    return TARN_OK;
}

int tn_budget_take(struct tn_budget *b, size_t len, bool is_optional,
                   bool (*should_stop)(void *arg), void *arg, void **out)
{
    if (len > b->max)
        return TARN_ETOOBIG;
    tn_waiter_lock(&b->waiter);
    int rc = try_take(b, len, out);
    while (rc == TARN_EAGAIN && !is_optional) {
        if (should_stop && should_stop(arg)) {
            rc = TARN_ECANCELLED;
            break;
        }
        tn_waiter_wait(&b->waiter, POLL_MS);
        rc = try_take(b, len, out);
    }
    tn_waiter_unlock(&b->waiter);
    return rc;
}

void tn_budget_give(struct tn_budget *b, void *bytes, size_t len)
{
    if (!bytes)
        return;
    tn_waiter_lock(&b->waiter);
    b->used -= len;
    if (b->kept_count < TN_BUDGET_KEPT_MAX) {
        b->blocks[b->kept_count].bytes = bytes;
        b->blocks[b->kept_count++].len = len;
        b->kept += len;
    } else {
        tn_free(bytes);
    }
    tn_waiter_wake(&b->waiter);
    tn_waiter_unlock(&b->waiter);
}
