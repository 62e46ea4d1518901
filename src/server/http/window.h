/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: the pieces of memory through which large bodies pass, under a budget. One pool per loop,
 * so that no lock is needed; whoever finds it used up waits in line. */

#ifndef SERVER_HTTP_WINDOW_H
#define SERVER_HTTP_WINDOW_H

#include "server/http/limits.h"

struct http_window {
    struct http_window *next;
    size_t len; /* bytes in it */
    size_t pos; /* bytes used up */
    char bytes[HTTP_WINDOW_LEN];
};

/* Embedded in whoever waits. */
struct http_window_waiter {
    struct http_window_waiter *prev;
    struct http_window_waiter *next; /* NULL when not waiting */
};

struct http_window_pool {
    struct http_window *free;
    size_t free_count;
    size_t free_low; /* fewest free ones since the last trim: nobody has needed these */
    size_t taken_count;
    size_t count_max;
    struct http_window_waiter line;
    void (*on_free)(struct http_window_waiter *waiter); /* a window is there; try again */
};

void http_window_pool_init(struct http_window_pool *p, size_t count_max,
                           void (*on_free)(struct http_window_waiter *waiter));
void http_window_pool_release(struct http_window_pool *p); /* when none is taken */

/* An empty window. When the budget is used up, or others wait already: NULL and TARN_EAGAIN, and
 * `waiter` is in line. TARN_ENOMEM when the heap has none and no window will come back either. */
struct http_window *http_window_take(struct http_window_pool *p, struct http_window_waiter *waiter,
                                     int *status);

/* A second one, for speed only: NULL when that would cost others their first. */
struct http_window *http_window_take_extra(struct http_window_pool *p);

/* Accepts NULL. Calls the first in line. */
void http_window_give(struct http_window_pool *p, struct http_window *w);

/* Leaves the line, if in it, and lets the next one have the place. */
void http_window_wait_end(struct http_window_pool *p, struct http_window_waiter *waiter);

/* Frees what nobody has needed since the last call. True when free windows are left. */
bool http_window_trim(struct http_window_pool *p);

#endif
