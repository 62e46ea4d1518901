/* SPDX-License-Identifier: Apache-2.0 */
/* Windows under a budget. */

#include "server/http/window.h"

#include <assert.h>

void http_window_pool_init(struct http_window_pool *p, size_t count_max,
                           void (*on_free)(struct http_window_waiter *waiter))
{
    *p = (struct http_window_pool){ .count_max = count_max, .on_free = on_free };
    p->line.prev = &p->line;
    p->line.next = &p->line;
}

static void free_some(struct http_window_pool *p, size_t count)
{
    while (count-- && p->free) {
        struct http_window *w = p->free;
        p->free = w->next;
        p->free_count--;
        tn_free(w);
    }
}

void http_window_pool_release(struct http_window_pool *p)
{
    assert(p->taken_count == 0);
    free_some(p, SIZE_MAX);
}

static bool has_line(const struct http_window_pool *p)
{
    return p->line.next != &p->line;
}

static void leave_line(struct http_window_waiter *waiter)
{
    waiter->prev->next = waiter->next;
    waiter->next->prev = waiter->prev;
    waiter->next = NULL;
}

static struct http_window *take(struct http_window_pool *p)
{
    struct http_window *w = p->free;
    if (w) {
        p->free = w->next;
        p->free_count--;
        if (p->free_count < p->free_low)
            p->free_low = p->free_count;
    } else {
        w = tn_realloc(NULL, sizeof *w);
        if (!w)
            return NULL;
    }
    w->len = 0;
    w->pos = 0;
    p->taken_count++;
    return w;
}

struct http_window *http_window_take(struct http_window_pool *p, struct http_window_waiter *waiter,
                                     int *status)
{
    bool is_mine = p->line.next == waiter;
    if (p->taken_count < p->count_max && (is_mine || !has_line(p))) {
        struct http_window *w = take(p);
        if (w) {
            http_window_wait_end(p, waiter);
            return w;
        }
        if (p->taken_count == 0) {
            *status = TARN_ENOMEM;
            return NULL;
        }
    }
    if (!waiter->next) {
        waiter->next = &p->line;
        waiter->prev = p->line.prev;
        waiter->prev->next = waiter;
        p->line.prev = waiter;
    }
    *status = TARN_EAGAIN;
    return NULL;
}

struct http_window *http_window_take_extra(struct http_window_pool *p)
{
    return has_line(p) || p->taken_count >= p->count_max ? NULL : take(p);
}

static void call_first(const struct http_window_pool *p)
{
    if (has_line(p) && p->taken_count < p->count_max)
        p->on_free(p->line.next);
}

void http_window_give(struct http_window_pool *p, struct http_window *w)
{
    if (!w)
        return;
    assert(p->taken_count > 0);
    p->taken_count--;
    w->next = p->free;
    p->free = w;
    p->free_count++;
    call_first(p);
}

void http_window_wait_end(struct http_window_pool *p, struct http_window_waiter *waiter)
{
    if (!waiter->next)
        return;
    leave_line(waiter);
    call_first(p);
}

bool http_window_trim(struct http_window_pool *p)
{
    free_some(p, p->free_low);
    p->free_low = p->free_count;
    return p->free_count > 0;
}
