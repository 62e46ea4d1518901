/* SPDX-License-Identifier: Apache-2.0 */
/* Memory with one lifetime. */

#include "base/arena.h"

#include <stdarg.h>

enum { ARENA_BLOCK_LEN = 4096 - 64 };

struct tn_arena_block {
    struct tn_arena_block *next;
    size_t cap;
    size_t len;
    _Alignas(max_align_t) char bytes[];
};

struct tn_arena_hook {
    struct tn_arena_hook *next;
    void (*release)(void *what);
    void *what;
};

void tn_arena_init(struct tn_arena *a, size_t max)
{
    *a = (struct tn_arena){ .max = max };
}

static void free_blocks(struct tn_arena *a, struct tn_arena_block *from)
{
    while (from) {
        struct tn_arena_block *next = from->next;
        a->used -= from->cap;
        tn_free(from);
        from = next;
    }
}

static void run_hooks(struct tn_arena *a)
{
    while (a->hooks) {
        struct tn_arena_hook *hook = a->hooks;
        a->hooks = hook->next;
        hook->release(hook->what);
    }
}

void tn_arena_release(struct tn_arena *a)
{
    run_hooks(a);
    free_blocks(a, a->blocks);
    a->blocks = NULL;
}

void tn_arena_reset(struct tn_arena *a)
{
    run_hooks(a);
    struct tn_arena_block *kept = NULL;
    struct tn_arena_block **link = &a->blocks;
    while (*link) {
        if ((*link)->cap == ARENA_BLOCK_LEN) {
            kept = *link;
            *link = kept->next;
            break;
        }
        link = &(*link)->next;
    }
    free_blocks(a, a->blocks);
    a->blocks = kept;
    if (kept) {
        kept->next = NULL;
        kept->len = 0;
    }
}

static struct tn_arena_block *new_block(struct tn_arena *a, size_t len)
{
    size_t cap = len > ARENA_BLOCK_LEN ? len : ARENA_BLOCK_LEN;
    if (cap > a->max || a->used > a->max - cap)
        return NULL;
    struct tn_arena_block *block = tn_realloc(NULL, sizeof *block + cap);
    if (!block)
        return NULL;
    *block = (struct tn_arena_block){ .next = a->blocks, .cap = cap };
    a->blocks = block;
    a->used += cap;
    return block;
}

void *tn_arena_alloc(struct tn_arena *a, size_t len)
{
    const size_t align = _Alignof(max_align_t);
    if (len > SIZE_MAX - align)
        return NULL;
    len = (len + align - 1) & ~(align - 1);
    struct tn_arena_block *block = a->blocks;
    if (!block || block->cap - block->len < len)
        block = new_block(a, len);
    if (!block)
        return NULL;
    void *bytes = block->bytes + block->len;
    block->len += len;
    return bytes;
}

void *tn_arena_zalloc(struct tn_arena *a, size_t len)
{
    void *bytes = tn_arena_alloc(a, len);
    if (bytes)
        memset(bytes, 0, len);
    return bytes;
}

char *tn_arena_memdup(struct tn_arena *a, const void *bytes, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = tn_arena_alloc(a, len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

int tn_arena_str(struct tn_arena *a, struct tn_str s, struct tn_str *out)
{
    char *copy = tn_arena_memdup(a, s.data, s.len);
    if (!copy)
        return TARN_ENOMEM;
    *out = (struct tn_str){ copy, s.len };
    return TARN_OK;
}

int tn_arena_lower(struct tn_arena *a, struct tn_str s, struct tn_str *out)
{
    char *copy = tn_arena_memdup(a, s.data, s.len);
    if (!copy)
        return TARN_ENOMEM;
    for (size_t i = 0; i < s.len; i++)
        copy[i] = tn_to_lower(copy[i]);
    *out = (struct tn_str){ copy, s.len };
    return TARN_OK;
}

char *tn_arena_printf(struct tn_arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : tn_arena_alloc(a, (size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

int tn_arena_defer(struct tn_arena *a, void (*release)(void *what), void *what)
{
    struct tn_arena_hook *hook = tn_arena_alloc(a, sizeof *hook);
    if (!hook) {
        release(what);
        return TARN_ENOMEM;
    }
    *hook = (struct tn_arena_hook){ .next = a->hooks, .release = release, .what = what };
    a->hooks = hook;
    return TARN_OK;
}
