/* SPDX-License-Identifier: Apache-2.0 */
/* Chained hashing over an array; the array is also the order in which the checker explores. */

#include "linear/states.h"

enum { STATES_COUNT_MIN = 64 };

#define NO_STATE UINT32_MAX

void linear_states_init(struct linear_states *s, const struct linear_mask *maybes)
{
    *s = (struct linear_states){ .maybes = maybes };
}

void linear_states_release(struct linear_states *s)
{
    tn_free(s->items);
    tn_free(s->heads);
    linear_states_init(s, s->maybes);
}

static size_t head_of(const struct linear_states *s, uint32_t value, const struct linear_mask *used)
{
    uint64_t hash = value + UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < LINEAR_WORD_COUNT; i++) {
        hash ^= used->words[i] & ~s->maybes->words[i];
        hash *= UINT64_C(0xd6e8feb86659fd93);
        hash ^= hash >> 32;
    }
    return (size_t)hash & (s->head_count - 1);
}

void linear_states_clear(struct linear_states *s)
{
    /* Not the whole table: most sets are tiny, also after a large one. */
    for (size_t i = 0; i < s->count; i++)
        s->heads[head_of(s, s->items[i].value, &s->items[i].used)] = NO_STATE;
    s->count = 0;
}

static void link_state(struct linear_states *s, size_t i)
{
    uint32_t *head = &s->heads[head_of(s, s->items[i].value, &s->items[i].used)];
    s->items[i].next = *head;
    *head = (uint32_t)i;
}

static int grow(struct linear_states *s)
{
    size_t cap = s->cap ? 2 * s->cap : STATES_COUNT_MIN;
    uint32_t *heads = tn_calloc(cap, sizeof *heads);
    if (!heads)
        return TARN_ENOMEM;
    struct linear_state *items = tn_realloc(s->items, cap * sizeof *items);
    if (!items) {
        tn_free(heads);
        return TARN_ENOMEM;
    }
    tn_free(s->heads);
    s->items = items;
    s->cap = cap;
    s->heads = heads;
    s->head_count = cap;
    memset(heads, 0xff, cap * sizeof *heads);
    for (size_t i = 0; i < s->count; i++)
        link_state(s, i);
    return TARN_OK;
}

/* Whether `a` and `b` differ in maybes at most. */
static bool is_alike(const struct linear_states *s, const struct linear_mask *a,
                     const struct linear_mask *b)
{
    for (size_t i = 0; i < LINEAR_WORD_COUNT; i++) {
        if ((a->words[i] ^ b->words[i]) & ~s->maybes->words[i])
            return false;
    }
    return true;
}

static bool is_within(const struct linear_mask *a, const struct linear_mask *b)
{
    for (size_t i = 0; i < LINEAR_WORD_COUNT; i++) {
        if (a->words[i] & ~b->words[i])
            return false;
    }
    return true;
}

int linear_states_add(struct linear_states *s, uint32_t value, const struct linear_mask *used)
{
    if (s->count == s->cap && grow(s) < 0)
        return TARN_ENOMEM;
    uint32_t at = s->heads[head_of(s, value, used)];
    for (; at != NO_STATE; at = s->items[at].next) {
        struct linear_state *other = &s->items[at];
        if (other->is_dead || other->value != value || !is_alike(s, &other->used, used))
            continue;
        if (is_within(&other->used, used))
            return TARN_OK;
        if (is_within(used, &other->used))
            other->is_dead = true;
    }
    s->items[s->count] = (struct linear_state){ .used = *used, .value = value };
    link_state(s, s->count++);
    return TARN_OK;
}

size_t linear_mask_next(const struct linear_mask *m, const struct linear_mask *without, size_t from)
{
    for (size_t i = from / 64; i < LINEAR_WORD_COUNT; i++) {
        uint64_t word = m->words[i] & ~without->words[i];
        if (i == from / 64)
            word &= UINT64_MAX << (from % 64);
        if (word)
            return i * 64 + (size_t)__builtin_ctzll(word);
    }
    return LINEAR_WINDOW_MAX;
}
