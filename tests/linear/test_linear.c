/* SPDX-License-Identifier: Apache-2.0 */
/* The checker: histories by hand, every history against plain trying of all orders, and simulated
 * registers, right ones and ones with a flaw. */

#include "linear/checker.h"
#include "linear/window.h"
#include "unit/t.h"

#define OP(kind, result, value, expected, from, to)                                                \
    {                                                                                              \
        LINEAR_##kind, LINEAR_##result, value, expected, 0, NULL, from, to                         \
    }
#define PUT(value, from, to) OP(PUT, DONE, value, 0, from, to)
#define READ(value, from, to) OP(READ, DONE, value, 0, from, to)
#define CREATE(value, from, to) OP(CREATE, DONE, value, 0, from, to)
#define CREATE_REFUSED(value, from, to) OP(CREATE, REFUSED, value, 0, from, to)
#define SWAP(old, new, from, to) OP(SWAP, DONE, new, old, from, to)
#define SWAP_REFUSED(old, new, from, to) OP(SWAP, REFUSED, new, old, from, to)
#define SWAP_MISSING(old, new, from, to) OP(SWAP, MISSING, new, old, from, to)
#define DELETE(from, to) OP(DELETE, DONE, 0, 0, from, to)
#define REMOVE(old, from, to) OP(REMOVE, DONE, 0, old, from, to)
#define REMOVE_REFUSED(old, from, to) OP(REMOVE, REFUSED, 0, old, from, to)
#define REMOVE_MISSING(old, from, to) OP(REMOVE, MISSING, 0, old, from, to)
#define MAYBE_PUT(value, from, to) OP(PUT, MAYBE, value, 0, from, to)
#define MAYBE_CREATE(value, from, to) OP(CREATE, MAYBE, value, 0, from, to)
#define MAYBE_SWAP(old, new, from, to) OP(SWAP, MAYBE, new, old, from, to)
#define MAYBE_DELETE(from, to) OP(DELETE, MAYBE, 0, 0, from, to)
#define MAYBE_REMOVE(old, from, to) OP(REMOVE, MAYBE, 0, old, from, to)
#define MAYBE_READ(from, to) OP(READ, MAYBE, 0, 0, from, to)
#define NEVER LINEAR_NEVER

enum { HAND_OPS_MAX = 8 };

/* Times start at 1; an operation with end 0 ends the row. */
static const struct hand_case {
    const char *name;
    struct linear_op ops[HAND_OPS_MAX];
    enum linear_outcome expected;
} hand_cases[] = {
    { "nothing at all", { READ(0, 1, 2) }, LINEAR_FINE },
    { "put, read", { PUT(1, 1, 2), READ(1, 3, 4) }, LINEAR_FINE },
    { "never written", { PUT(1, 1, 2), READ(7, 3, 4) }, LINEAR_VIOLATED },
    { "never written, empty key", { READ(7, 3, 4) }, LINEAR_VIOLATED },
    { "lost put", { PUT(1, 1, 2), READ(0, 3, 4) }, LINEAR_VIOLATED },
    { "stale read", { PUT(1, 1, 2), PUT(2, 3, 4), READ(1, 5, 6) }, LINEAR_VIOLATED },
    { "old read while it changes", { PUT(1, 1, 2), PUT(2, 3, 6), READ(1, 4, 5) }, LINEAR_FINE },
    { "new read while it changes", { PUT(1, 1, 2), PUT(2, 3, 6), READ(2, 4, 5) }, LINEAR_FINE },
    { "new, then old, while it changes",
      { PUT(1, 1, 2), PUT(2, 3, 10), READ(2, 4, 5), READ(1, 6, 7) },
      LINEAR_VIOLATED },
    { "two readers overlap",
      { PUT(1, 1, 2), PUT(2, 3, 10), READ(2, 4, 7), READ(1, 5, 8) },
      LINEAR_FINE },
    { "read from the future", { READ(1, 1, 2), PUT(1, 3, 4) }, LINEAR_VIOLATED },
    { "ends and starts at once", { READ(1, 1, 3), PUT(1, 3, 4) }, LINEAR_FINE },
    { "puts in one order for all",
      { PUT(1, 1, 10), PUT(2, 1, 10), READ(1, 11, 12), READ(2, 13, 14) },
      LINEAR_VIOLATED },
    { "a read splits two puts",
      { PUT(1, 1, 10), PUT(2, 1, 10), READ(1, 2, 9), READ(2, 11, 12) },
      LINEAR_FINE },
    { "resurrection",
      { PUT(1, 1, 2), DELETE(3, 4), READ(0, 5, 6), READ(1, 7, 8) },
      LINEAR_VIOLATED },
    { "delete that did nothing", { PUT(1, 1, 2), DELETE(3, 4), READ(1, 5, 6) }, LINEAR_VIOLATED },
    { "late delete",
      { DELETE(1, 10), READ(0, 2, 3), PUT(1, 4, 5), READ(1, 6, 7), READ(0, 8, 9) },
      LINEAR_FINE },
    { "one delete, two effects",
      { PUT(1, 1, 2), DELETE(3, 20), READ(0, 4, 5), PUT(2, 6, 7), READ(0, 8, 9) },
      LINEAR_VIOLATED },
    { "two winners", { CREATE(1, 1, 5), CREATE(2, 1, 5) }, LINEAR_VIOLATED },
    { "two winners, one after the other",
      { CREATE(1, 1, 2), READ(1, 3, 4), CREATE(2, 5, 6) },
      LINEAR_VIOLATED },
    { "two winners and a delete", { CREATE(1, 1, 5), CREATE(2, 1, 5), DELETE(1, 5) }, LINEAR_FINE },
    { "one winner", { CREATE(1, 1, 5), CREATE_REFUSED(2, 1, 5), READ(1, 6, 7) }, LINEAR_FINE },
    { "no winner", { CREATE_REFUSED(1, 1, 5), CREATE_REFUSED(2, 1, 5) }, LINEAR_VIOLATED },
    { "refused, yet there",
      { PUT(3, 1, 2), CREATE_REFUSED(1, 3, 4), READ(1, 5, 6) },
      LINEAR_VIOLATED },
    { "swap", { PUT(1, 1, 2), SWAP(1, 2, 3, 4), READ(2, 5, 6) }, LINEAR_FINE },
    { "lost update", { PUT(1, 1, 2), SWAP(1, 2, 3, 9), SWAP(1, 3, 3, 9) }, LINEAR_VIOLATED },
    { "swap lost to a put",
      { PUT(1, 1, 2), PUT(2, 3, 4), SWAP(1, 3, 5, 6), READ(3, 7, 8) },
      LINEAR_VIOLATED },
    { "one swaps", { PUT(1, 1, 2), SWAP(1, 2, 3, 9), SWAP_REFUSED(1, 3, 3, 9) }, LINEAR_FINE },
    { "none swaps",
      { PUT(1, 1, 2), SWAP_REFUSED(1, 2, 3, 9), SWAP_REFUSED(1, 3, 3, 9) },
      LINEAR_VIOLATED },
    { "swap of nothing", { DELETE(1, 2), SWAP(1, 2, 3, 4) }, LINEAR_VIOLATED },
    { "swap misses", { SWAP_MISSING(1, 2, 3, 4), READ(0, 5, 6) }, LINEAR_FINE },
    { "swap misses what is there", { PUT(1, 1, 2), SWAP_MISSING(1, 2, 3, 4) }, LINEAR_VIOLATED },
    { "refused by nothing", { SWAP_REFUSED(1, 2, 3, 4) }, LINEAR_VIOLATED },
    { "remove", { PUT(1, 1, 2), REMOVE(1, 3, 4), READ(0, 5, 6) }, LINEAR_FINE },
    { "remove of another", { PUT(1, 1, 2), PUT(2, 3, 4), REMOVE(1, 5, 6) }, LINEAR_VIOLATED },
    { "remove refused wrongly", { PUT(1, 1, 2), REMOVE_REFUSED(1, 3, 4) }, LINEAR_VIOLATED },
    { "remove misses", { PUT(1, 1, 2), DELETE(1, 4), REMOVE_MISSING(1, 3, 4) }, LINEAR_FINE },
    { "two removes", { PUT(1, 1, 2), REMOVE(1, 3, 9), REMOVE(1, 3, 9) }, LINEAR_VIOLATED },
    { "maybe took effect", { MAYBE_PUT(1, 1, NEVER), READ(1, 2, 3) }, LINEAR_FINE },
    { "maybe did not", { MAYBE_PUT(1, 1, NEVER), READ(0, 2, 3) }, LINEAR_FINE },
    { "maybe, late",
      { MAYBE_PUT(1, 1, NEVER), READ(0, 2, 3), PUT(2, 4, 5), READ(2, 6, 7), READ(1, 8, 9) },
      LINEAR_FINE },
    { "maybe, twice",
      { MAYBE_PUT(1, 1, NEVER), READ(1, 2, 3), PUT(2, 4, 5), READ(1, 6, 7) },
      LINEAR_VIOLATED },
    { "maybe, before it began", { READ(1, 1, 2), MAYBE_PUT(1, 3, NEVER) }, LINEAR_VIOLATED },
    { "maybe, within its time", { MAYBE_PUT(1, 1, 5), READ(0, 2, 3), READ(1, 6, 7) }, LINEAR_FINE },
    { "maybe, after its time",
      { MAYBE_PUT(1, 1, 5), READ(0, 6, 7), READ(1, 8, 9) },
      LINEAR_VIOLATED },
    { "maybe, gone after its time",
      { MAYBE_PUT(1, 1, 5), READ(1, 6, 7), READ(0, 8, 9) },
      LINEAR_VIOLATED },
    { "maybe delete", { PUT(1, 1, 2), MAYBE_DELETE(3, NEVER), READ(0, 4, 5) }, LINEAR_FINE },
    { "maybe delete, once only",
      { PUT(1, 1, 2), MAYBE_DELETE(3, NEVER), READ(0, 4, 5), PUT(2, 6, 7), READ(0, 8, 9) },
      LINEAR_VIOLATED },
    { "two maybe deletes",
      { PUT(1, 1, 2), MAYBE_DELETE(3, NEVER), MAYBE_DELETE(3, NEVER), READ(0, 4, 5), PUT(2, 6, 7),
        READ(0, 8, 9) },
      LINEAR_FINE },
    { "the wrong one of two maybe deletes",
      { PUT(1, 1, 2), MAYBE_DELETE(3, 5), MAYBE_DELETE(3, NEVER), READ(0, 4, 5), PUT(2, 6, 7),
        READ(0, 8, 9) },
      LINEAR_FINE },
    { "maybe create won", { MAYBE_CREATE(1, 1, 4), CREATE_REFUSED(2, 5, 6) }, LINEAR_FINE },
    { "maybe create on top",
      { PUT(2, 1, 2), MAYBE_CREATE(1, 3, NEVER), READ(1, 5, 6) },
      LINEAR_VIOLATED },
    { "maybe swap", { PUT(1, 1, 2), MAYBE_SWAP(1, 2, 3, 4), READ(2, 5, 6) }, LINEAR_FINE },
    { "maybe swap of another",
      { PUT(1, 1, 2), MAYBE_SWAP(3, 2, 3, 4), READ(2, 5, 6) },
      LINEAR_VIOLATED },
    { "maybe remove", { PUT(1, 1, 2), MAYBE_REMOVE(1, 3, 4), CREATE(2, 5, 6) }, LINEAR_FINE },
    { "maybe remove of another",
      { PUT(1, 1, 2), MAYBE_REMOVE(3, 3, 4), CREATE(2, 5, 6) },
      LINEAR_VIOLATED },
    { "read without an answer", { MAYBE_READ(1, 2), PUT(1, 3, 4), READ(1, 5, 6) }, LINEAR_FINE },
};

static size_t hand_count(const struct linear_op *ops)
{
    size_t count = 0;
    while (count < HAND_OPS_MAX && ops[count].end_ns)
        count++;
    return count;
}

static struct linear_verdict check(const struct linear_op *ops, size_t count)
{
    struct linear_verdict v;
    assert_int_equal(linear_check(ops, count, LINEAR_START_ABSENT, LINEAR_STATE_MAX, &v), TARN_OK);
    return v;
}

static void test_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(hand_cases); i++) {
        const struct hand_case *h = &hand_cases[i];
        if (check(h->ops, hand_count(h->ops)).outcome != h->expected)
            fail_msg("%s", h->name);
    }
}

static void test_limits(void **state)
{
    enum { TOO_MANY = LINEAR_WINDOW_MAX + 1, MANY = 12 };
    struct linear_op ops[TOO_MANY];
    struct linear_verdict v;
    (void)state;
    for (size_t i = 0; i < TOO_MANY; i++)
        ops[i] = (struct linear_op)PUT((uint32_t)i + 1, 1, 2);
    assert_int_equal(check(ops, TOO_MANY).outcome, LINEAR_UNDECIDED);
    assert_int_equal(check(ops, LINEAR_WINDOW_MAX).outcome, LINEAR_FINE);
    for (size_t i = MANY; i < 2 * MANY; i++)
        ops[i] = (struct linear_op)READ((uint32_t)(i - MANY) + 1, 1, 2);
    assert_int_equal(check(ops, 2 * MANY).outcome, LINEAR_FINE);
    assert_int_equal(linear_check(ops, 2 * MANY, LINEAR_START_ABSENT, 16, &v), TARN_OK);
    assert_int_equal(v.outcome, LINEAR_UNDECIDED);
    assert_int_equal(check(ops, 0).outcome, LINEAR_FINE);
}

static void test_any_start(void **state)
{
    static const struct linear_op known[] = { READ(7, 1, 2), READ(7, 3, 4), DELETE(5, 6) };
    static const struct linear_op unknown[] = { CREATE_REFUSED(7, 1, 2), SWAP_REFUSED(8, 9, 1, 2) };
    static const struct linear_op never[] = { READ(7, 1, 2), READ(8, 3, 4) };
    struct linear_verdict v;
    (void)state;
    assert_int_equal(linear_check(known, 3, LINEAR_START_ANY, 100, &v), TARN_OK);
    assert_int_equal(v.outcome, LINEAR_FINE);
    assert_int_equal(linear_check(unknown, 2, LINEAR_START_ANY, 100, &v), TARN_OK);
    assert_int_equal(v.outcome, LINEAR_FINE);
    assert_int_equal(linear_check(never, 2, LINEAR_START_ANY, 100, &v), TARN_OK);
    assert_int_equal(v.outcome, LINEAR_VIOLATED);
    assert_int_equal(v.op, 1);
}

/* ---- Against trying all orders ---- */

static uint64_t sequence;

static uint32_t below(uint32_t limit)
{
    sequence = sequence * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(sequence >> 33) % limit;
}

/* The register, written once more and as plainly as can be. False: it does not answer so. */
static bool take_effect(const struct linear_op *op, uint32_t *value)
{
    bool is_hit = *value != 0 && *value == op->expected;
    switch (op->kind) {
    case LINEAR_READ:
        return op->value == *value;
    case LINEAR_PUT:
        *value = op->value;
        return true;
    case LINEAR_DELETE:
        *value = 0;
        return true;
    case LINEAR_CREATE:
        if (op->result == LINEAR_REFUSED || *value != 0)
            return op->result == LINEAR_REFUSED && *value != 0;
        *value = op->value;
        return true;
    default:
        if (op->result == LINEAR_MISSING)
            return *value == 0;
        if (op->result == LINEAR_REFUSED)
            return *value != 0 && !is_hit;
        if (is_hit)
            *value = op->kind == LINEAR_SWAP ? op->value : 0;
        return is_hit;
    }
}

/* Depth is the number of operations, at most 7. */
static bool has_order(const struct linear_op *ops, size_t count, uint32_t done, uint32_t value)
{
    if (done == (1u << count) - 1)
        return true;
    for (size_t i = 0; i < count; i++) {
        bool is_first = !(done >> i & 1);
        for (size_t j = 0; is_first && j < count; j++)
            is_first = j == i || done >> j & 1 || ops[j].end_ns >= ops[i].start_ns;
        if (!is_first)
            continue;
        uint32_t after = value;
        if (take_effect(&ops[i], &after) && has_order(ops, count, done | 1u << i, after))
            return true;
        if (ops[i].result == LINEAR_MAYBE && has_order(ops, count, done | 1u << i, value))
            return true;
    }
    return false;
}

static struct linear_op any_op(uint32_t fresh)
{
    static const enum linear_result results[] = { LINEAR_DONE, LINEAR_DONE, LINEAR_REFUSED,
                                                  LINEAR_MISSING, LINEAR_MAYBE };
    struct linear_op op = { .kind = (enum linear_kind)below(LINEAR_KIND_COUNT) };
    op.result = results[below(TN_COUNT(results))];
    bool is_conditional = op.kind == LINEAR_SWAP || op.kind == LINEAR_REMOVE;
    if (op.result == LINEAR_MISSING && !is_conditional)
        op.result = LINEAR_DONE;
    if (op.result == LINEAR_REFUSED && !is_conditional && op.kind != LINEAR_CREATE)
        op.result = LINEAR_DONE;
    if (op.kind == LINEAR_READ) {
        op.result = LINEAR_DONE;
        op.value = below(fresh + 1);
    } else if (op.kind != LINEAR_DELETE && op.kind != LINEAR_REMOVE) {
        op.value = fresh;
    }
    if (is_conditional)
        op.expected = 1 + below(fresh);
    op.start_ns = 1 + below(12);
    op.end_ns = op.start_ns + below(8);
    if (op.result == LINEAR_MAYBE && below(2))
        op.end_ns = LINEAR_NEVER;
    return op;
}

static void test_against_all_orders(void **state)
{
    enum { ROUNDS = 60000, OPS_MAX = 7 };
    size_t fine = 0;
    (void)state;
    sequence = 1;
    for (int round = 0; round < ROUNDS; round++) {
        struct linear_op ops[OPS_MAX];
        size_t count = 1 + below(OPS_MAX);
        for (size_t i = 0; i < count; i++)
            ops[i] = any_op((uint32_t)i + 1);
        bool expected = has_order(ops, count, 0, 0);
        fine += expected;
        if (check(ops, count).outcome != (expected ? LINEAR_FINE : LINEAR_VIOLATED))
            fail_msg("round %d: expected %s", round, expected ? "fine" : "violated");
    }
    assert_in_range(fine, ROUNDS / 10, ROUNDS * 9 / 10);
}

/* ---- Simulated registers ---- */

enum flaw {
    FLAW_NONE,
    FLAW_STALE_READ,     /* a read gives the value before */
    FLAW_LOST_PUT,       /* an acknowledged put has no effect */
    FLAW_TWO_CREATORS,   /* a create ignores what is there */
    FLAW_LOST_UPDATE,    /* a swap ignores what is there */
    FLAW_RESURRECTION,   /* a delete leaves what was there */
    FLAW_REFUSED_WRITES, /* a refused create writes all the same */
    FLAW_LATE_MAYBE,     /* what had no answer takes effect after its time */
    FLAW_COUNT
};

enum { SIM_CLIENTS = 6, SIM_OPS = 1500, SIM_STEP_NS = 1000 };

/* An operation and when the register gets to it. */
struct sim_op {
    struct linear_op op;
    uint64_t point_ns;
};

struct sim {
    struct sim_op ops[SIM_OPS];
    uint32_t value;
    uint32_t before; /* the value before that */
    uint32_t late;   /* LATE_MAYBE: to be put */
    uint64_t late_ns;
    enum flaw flaw;
};

static int by_point(const void *left, const void *right)
{
    const struct sim_op *a = left;
    const struct sim_op *b = right;
    return a->point_ns < b->point_ns ? -1 : a->point_ns > b->point_ns;
}

static void schedule(struct sim *s)
{
    static const enum linear_kind kinds[] = { LINEAR_READ,   LINEAR_READ,  LINEAR_READ,
                                              LINEAR_PUT,    LINEAR_PUT,   LINEAR_CREATE,
                                              LINEAR_CREATE, LINEAR_SWAP,  LINEAR_SWAP,
                                              LINEAR_DELETE, LINEAR_REMOVE };
    uint64_t free_ns[SIM_CLIENTS] = { 0 };
    for (size_t i = 0; i < SIM_OPS; i++) {
        uint32_t client = below(SIM_CLIENTS);
        uint64_t start_ns = free_ns[client] + 1 + below(SIM_STEP_NS);
        uint64_t point_ns = start_ns + below(SIM_STEP_NS);
        uint64_t end_ns = point_ns + below(SIM_STEP_NS);
        s->ops[i].op = (struct linear_op){ .kind = kinds[below(TN_COUNT(kinds))],
                                           .value = (uint32_t)i + 1,
                                           .client = client,
                                           .start_ns = start_ns,
                                           .end_ns = end_ns };
        s->ops[i].point_ns = point_ns;
        free_ns[client] = end_ns;
    }
    qsort(s->ops, SIM_OPS, sizeof s->ops[0], by_point);
}

static void set_value(struct sim *s, uint32_t value)
{
    s->before = s->value;
    s->value = value;
}

/* What a register with the flaw does; `is_flawed` for this operation. */
static void run_op(struct sim *s, struct linear_op *op, bool is_flawed)
{
    bool is_hit = s->value != 0 && s->value == op->expected;
    switch (op->kind) {
    case LINEAR_READ:
        op->value = is_flawed && s->flaw == FLAW_STALE_READ ? s->before : s->value;
        return;
    case LINEAR_PUT:
        if (!is_flawed || s->flaw != FLAW_LOST_PUT)
            set_value(s, op->value);
        return;
    case LINEAR_DELETE:
        op->value = 0;
        if (!is_flawed || s->flaw != FLAW_RESURRECTION)
            set_value(s, 0);
        return;
    case LINEAR_CREATE:
        if (s->value != 0 && !(is_flawed && s->flaw == FLAW_TWO_CREATORS))
            op->result = LINEAR_REFUSED;
        if (op->result == LINEAR_DONE || (is_flawed && s->flaw == FLAW_REFUSED_WRITES))
            set_value(s, op->value);
        return;
    default:
        if (op->kind == LINEAR_REMOVE)
            op->value = 0;
        if (is_flawed && s->flaw == FLAW_LOST_UPDATE && s->value != 0)
            is_hit = true;
        if (is_hit)
            set_value(s, op->value);
        else
            op->result = s->value ? LINEAR_REFUSED : LINEAR_MISSING;
    }
}

/* No answer: what it did counts or not, its end is the time until which it may. */
static void lose_answer(struct sim *s, struct linear_op *op)
{
    if (op->kind == LINEAR_PUT && s->flaw == FLAW_LATE_MAYBE) {
        s->late = op->value;
        s->late_ns = op->end_ns + 2 * SIM_STEP_NS;
    } else if (below(2)) {
        run_op(s, op, false);
    }
    if (op->kind == LINEAR_REMOVE)
        op->value = 0;
    op->result = LINEAR_MAYBE;
    if (below(2) && s->flaw != FLAW_LATE_MAYBE)
        op->end_ns += below(3 * SIM_STEP_NS);
}

static void put_late(struct sim *s)
{
    set_value(s, s->late);
    s->late = 0;
}

static void simulate(struct sim *s, enum flaw flaw, struct linear_op *out)
{
    *s = (struct sim){ .flaw = flaw };
    schedule(s);
    for (size_t i = 0; i < SIM_OPS; i++) {
        struct linear_op *op = &s->ops[i].op;
        if (s->late && s->late_ns < s->ops[i].point_ns)
            put_late(s);
        if (op->kind == LINEAR_SWAP || op->kind == LINEAR_REMOVE)
            op->expected = s->value && below(3) ? s->value : 1 + below(SIM_OPS);
        if (below(25) == 0)
            lose_answer(s, op);
        else
            run_op(s, op, below(4) == 0);
        out[i] = *op;
    }
}

static void test_simulated(void **state)
{
    enum { SEEDS = 12 };
    struct sim *s = tn_calloc(1, sizeof *s);
    struct linear_op *ops = tn_calloc(SIM_OPS, sizeof *ops);
    (void)state;
    assert_non_null(s);
    assert_non_null(ops);
    for (int flaw = 0; flaw < FLAW_COUNT; flaw++) {
        for (uint32_t seed = 0; seed < SEEDS; seed++) {
            sequence = seed + 1;
            simulate(s, (enum flaw)flaw, ops);
            enum linear_outcome outcome = check(ops, SIM_OPS).outcome;
            if (outcome != (flaw == FLAW_NONE ? LINEAR_FINE : LINEAR_VIOLATED))
                fail_msg("flaw %d, seed %u: outcome %d", flaw, (unsigned)seed, (int)outcome);
        }
    }
    tn_free(s);
    tn_free(ops);
}

/* ---- The window ---- */

static size_t reduce(const struct linear_op *ops, size_t count, struct linear_window *w)
{
    struct linear_verdict v = check(ops, count);
    assert_int_equal(v.outcome, LINEAR_VIOLATED);
    assert_int_equal(linear_window_reduce(ops, count, v.op, w), TARN_OK);
    struct linear_verdict again;
    assert_int_equal(linear_check(w->ops, w->count, w->start, LINEAR_STATE_MAX, &again), TARN_OK);
    assert_int_equal(again.outcome, LINEAR_VIOLATED);
    return w->count;
}

static void test_windows_by_hand(void **state)
{
    struct linear_op room[HAND_OPS_MAX];
    struct linear_window w = { .ops = room };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(hand_cases); i++) {
        const struct hand_case *h = &hand_cases[i];
        if (h->expected == LINEAR_VIOLATED)
            assert_in_range(reduce(h->ops, hand_count(h->ops), &w), 1, hand_count(h->ops));
    }
}

static void test_windows_are_small(void **state)
{
    struct sim *s = tn_calloc(1, sizeof *s);
    struct linear_op *ops = tn_calloc(SIM_OPS, sizeof *ops);
    struct linear_window w = { .ops = tn_calloc(SIM_OPS, sizeof *w.ops) };
    (void)state;
    assert_non_null(s);
    assert_non_null(ops);
    assert_non_null(w.ops);
    for (int flaw = FLAW_NONE + 1; flaw < FLAW_COUNT; flaw++) {
        sequence = 77;
        simulate(s, (enum flaw)flaw, ops);
        if (reduce(ops, SIM_OPS, &w) > 20)
            fail_msg("flaw %d: %zu operations", flaw, w.count);
    }
    FILE *out = fopen("/dev/null", "w");
    assert_non_null(out);
    linear_window_print(out, &w);
    assert_int_equal(fclose(out), 0);
    tn_free(s);
    tn_free(ops);
    tn_free(w.ops);
}

static int check_for_oom(void *arg)
{
    struct linear_verdict v = { .outcome = LINEAR_UNDECIDED };
    const struct linear_op *ops = arg;
    int rc = linear_check(ops, 8, LINEAR_START_ABSENT, LINEAR_STATE_MAX, &v);
    assert_int_equal(v.outcome, rc == TARN_OK ? LINEAR_FINE : LINEAR_UNDECIDED);
    return rc;
}

static void test_out_of_memory(void **state)
{
    struct linear_op ops[8];
    (void)state;
    for (size_t i = 0; i < TN_COUNT(ops); i++)
        ops[i] = (struct linear_op)PUT((uint32_t)i + 1, 1, 2);
    t_oom_sweep(check_for_oom, ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),           cmocka_unit_test(test_limits),
        cmocka_unit_test(test_any_start),         cmocka_unit_test(test_against_all_orders),
        cmocka_unit_test(test_simulated),         cmocka_unit_test(test_windows_by_hand),
        cmocka_unit_test(test_windows_are_small), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
