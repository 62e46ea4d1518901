/* SPDX-License-Identifier: Apache-2.0 */
/* Memory with one lifetime: everything allocated here goes when the arena is reset or released. */

#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct tn_arena_block;
struct tn_arena_hook;

/* One thread at a time. `used` never passes `max`. */
struct tn_arena {
    struct tn_arena_block *blocks; /* newest first */
    struct tn_arena_hook *hooks;   /* run newest first at reset */
    size_t used;                   /* bytes taken from the heap */
    size_t max;
};

void tn_arena_init(struct tn_arena *a, size_t max);
void tn_arena_release(struct tn_arena *a);

/* Runs the hooks and frees all but one small block, which the next request uses again. */
void tn_arena_reset(struct tn_arena *a);

/* Aligned for any type; NULL when out of memory or past `max`. */
TN_MUST_USE void *tn_arena_alloc(struct tn_arena *a, size_t len);
TN_MUST_USE void *tn_arena_zalloc(struct tn_arena *a, size_t len);

/* A copy with a NUL behind it. */
TN_MUST_USE char *tn_arena_memdup(struct tn_arena *a, const void *bytes, size_t len);

/* The same as a view: `out` is unchanged on failure. */
TN_MUST_USE int tn_arena_str(struct tn_arena *a, struct tn_str s, struct tn_str *out);

/* The same in small letters, of ASCII. */
TN_MUST_USE int tn_arena_lower(struct tn_arena *a, struct tn_str s, struct tn_str *out);

TN_MUST_USE char *tn_arena_printf(struct tn_arena *a, const char *format, ...) TN_PRINTF(2, 3);

/* Calls release(what) at reset. On failure release(what) has been called already. */
TN_MUST_USE int tn_arena_defer(struct tn_arena *a, void (*release)(void *what), void *what);

#endif
