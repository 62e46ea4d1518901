/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of silences. */

#include "client/stall.h"

#include <string.h>

enum {
    STEP_SHIFT = 20, /* the first step ends at about a millisecond */
    KNOWN_MIN = 8,
    WELL_KNOWN_MIN = 32,
    LOOKED_AT_EACH = 8,
    TOTAL_MAX = 1024, /* then what is old counts half */
    PERCENT_BEYOND = 1,
    PATIENCE_FACTOR = 2, /* of the longest of all but one in a hundred; */
    FEW_FACTOR = 4,      /* while few are known */
    AGAIN_SHIFT = 2,     /* four times as long for each time that it was given up */
    CREDIT_PRICE = 50,   /* one is earned by each that ends well: one in 50 may be given up */
    CREDIT_MAX = 16 * CREDIT_PRICE,
};

/* The middle of a body waits for the network's own repetitions, too. */
#define GAP_MIN_NS 300000000u

void tn_stall_init(struct tn_stall *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < TN_SILENCE_COUNT; i++)
        s->kinds[i].patience_ns = TN_PATIENCE_NONE;
    s->credit = CREDIT_MAX;
}

static unsigned step_of(uint64_t ns)
{
    uint64_t v = ns >> STEP_SHIFT;
    if (v == 0)
        return 0;
    unsigned octave = 63u - (unsigned)__builtin_clzll(v);
    unsigned quarter =
        octave >= 2 ? (unsigned)(v >> (octave - 2)) & 3 : (unsigned)(v << (2 - octave)) & 3;
    unsigned step = 1 + octave * 4 + quarter;
    return step < TN_SILENCE_STEPS ? step : TN_SILENCE_STEPS - 1;
}

/* Where the step ends. */
static uint64_t end_of(unsigned step)
{
    if (step == 0)
        return 1u << STEP_SHIFT;
    unsigned octave = (step - 1) / 4;
    unsigned quarter = (step - 1) % 4;
    return ((uint64_t)(5 + quarter) << (octave + STEP_SHIFT)) / 4;
}

static void halve(struct tn_stall *s, enum tn_silence kind)
{
    s->kinds[kind].total = 0;
    for (unsigned i = 0; i < TN_SILENCE_STEPS; i++)
        s->kinds[kind].total += s->kinds[kind].counts[i] /= 2;
}

static void learn(struct tn_stall *s, enum tn_silence kind)
{
    uint32_t beyond = s->kinds[kind].total * PERCENT_BEYOND / 100;
    unsigned step = TN_SILENCE_STEPS;
    uint32_t seen = 0;
    while (step > 0 && seen <= beyond)
        seen += s->kinds[kind].counts[--step];
    bool are_few = s->kinds[kind].total < WELL_KNOWN_MIN;
    s->kinds[kind].patience_ns = (are_few ? FEW_FACTOR : PATIENCE_FACTOR) * end_of(step);
}

void tn_stall_note(struct tn_stall *s, enum tn_silence kind, uint64_t ns)
{
    s->kinds[kind].counts[step_of(ns)]++;
    s->kinds[kind].total++;
    s->credit += s->credit < CREDIT_MAX;
    if (s->kinds[kind].total >= KNOWN_MIN && s->kinds[kind].total % LOOKED_AT_EACH == 0)
        learn(s, kind);
    if (s->kinds[kind].total >= TOTAL_MAX)
        halve(s, kind);
}

uint64_t tn_stall_patience_ns(const struct tn_stall *s, enum tn_silence kind, int stalls,
                              uint64_t floor_ns)
{
    bool is_gap = kind == TN_SILENCE_UP || kind == TN_SILENCE_DOWN;
    uint64_t ns = s->kinds[kind].patience_ns;
    if (ns == TN_PATIENCE_NONE)
        return ns;
    if (is_gap && floor_ns < GAP_MIN_NS)
        floor_ns = GAP_MIN_NS;
    return (ns > floor_ns ? ns : floor_ns) << (AGAIN_SHIFT * stalls);
}

bool tn_stall_may_give_up(struct tn_stall *s)
{
    if (s->credit < CREDIT_PRICE)
        return false;
    s->credit -= CREDIT_PRICE;
    return true;
}
