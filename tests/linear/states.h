/* SPDX-License-Identifier: Apache-2.0 */
/* The set of states that a register could be in, without those that another one covers. */

#ifndef TESTS_LINEAR_STATES_H
#define TESTS_LINEAR_STATES_H

#include "linear/checker.h"

enum { LINEAR_WORD_COUNT = LINEAR_WINDOW_MAX / 64 };

/* One bit for each operation under way. */
struct linear_mask {
    uint64_t words[LINEAR_WORD_COUNT];
};

struct linear_state {
    struct linear_mask used; /* have taken effect */
    uint32_t value;
    uint32_t next; /* in its chain */
    bool is_dead;  /* covered by another one */
};

/* `maybes` is the owner's: which bits belong to operations that may never take effect. Of two
 * states that differ in those alone, the one that has used fewer can do all that the other can, so
 * only that one is kept. */
struct linear_states {
    const struct linear_mask *maybes;
    struct linear_state *items;
    size_t count; /* with the dead ones */
    size_t cap;
    uint32_t *heads; /* chains by hash of what must be equal */
    size_t head_count;
};

void linear_states_init(struct linear_states *s, const struct linear_mask *maybes);
void linear_states_release(struct linear_states *s);
void linear_states_clear(struct linear_states *s);

/* Adds a state unless one that is there covers it; those that it covers die. On TARN_ENOMEM the set
 * is unchanged. */
TN_MUST_USE int linear_states_add(struct linear_states *s, uint32_t value,
                                  const struct linear_mask *used);

static inline bool linear_mask_has(const struct linear_mask *m, size_t bit)
{
    return m->words[bit / 64] >> (bit % 64) & 1;
}

static inline void linear_mask_set(struct linear_mask *m, size_t bit)
{
    m->words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline void linear_mask_unset(struct linear_mask *m, size_t bit)
{
    m->words[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

/* The first bit at or behind `from` that is in `m` and not in `without`; LINEAR_WINDOW_MAX when
 * there is none. */
size_t linear_mask_next(const struct linear_mask *m, const struct linear_mask *without,
                        size_t from);

#endif
