/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a history. Operations take effect as late as possible: only when a response
 * demands it, and then only those before it that the chosen order needs. The exception are quiet
 * ones (reads, refusals), which cannot change anything: they take effect in the first state that
 * fits them. */

#include "linear/states.h"

#include <assert.h>

/* Any value that no read gave and no condition names. */
#define LINEAR_OTHER ((uint32_t)LINEAR_VALUE_MAX + 1)

struct event {
    uint64_t time_ns;
    size_t op;
    bool is_end;
};

struct checker {
    const struct linear_op *ops;
    size_t count;
    size_t state_max;
    struct linear_mask under_way;
    struct linear_mask maybes;
    struct linear_mask quiets;
    struct linear_mask changers; /* the rest: those that may change the value */
    size_t op_of_bit[LINEAR_WINDOW_MAX];
    struct linear_states now;
    struct linear_states next;
    struct linear_states seen; /* on the way from `now` to `next` */
    struct linear_verdict verdict;
};

static bool is_conditional(const struct linear_op *op)
{
    return op->kind == LINEAR_CREATE || op->kind == LINEAR_SWAP || op->kind == LINEAR_REMOVE;
}

bool linear_op_is_quiet(const struct linear_op *op)
{
    return op->kind == LINEAR_READ || op->result == LINEAR_REFUSED || op->result == LINEAR_MISSING;
}

/* Whether the condition of `op` holds in `value`. */
static bool is_met(const struct linear_op *op, uint32_t value)
{
    if (op->kind == LINEAR_CREATE)
        return value == LINEAR_ABSENT;
    return !is_conditional(op) || (value != LINEAR_ABSENT && value == op->expected);
}

/* Whether `op` can take effect with its result in `value`; what is there then. */
static bool apply(const struct linear_op *op, uint32_t value, uint32_t *after)
{
    *after = value;
    if (op->kind == LINEAR_READ)
        return op->value == value;
    if (op->result == LINEAR_REFUSED)
        return is_conditional(op) && value != LINEAR_ABSENT && !is_met(op, value);
    if (op->result == LINEAR_MISSING)
        return value == LINEAR_ABSENT && (op->kind == LINEAR_SWAP || op->kind == LINEAR_REMOVE);
    if (!is_met(op, value))
        return false;
    *after = op->kind == LINEAR_DELETE || op->kind == LINEAR_REMOVE ? (uint32_t)LINEAR_ABSENT
                                                                    : op->value;
    return true;
}

static const struct linear_op *op_at(const struct checker *c, size_t bit)
{
    return &c->ops[c->op_of_bit[bit]];
}

/* All quiet operations that fit take effect. */
static void settle(const struct checker *c, uint32_t value, struct linear_mask *used)
{
    uint32_t after;
    size_t bit = linear_mask_next(&c->quiets, used, 0);
    for (; bit < LINEAR_WINDOW_MAX; bit = linear_mask_next(&c->quiets, used, bit + 1)) {
        if (apply(op_at(c, bit), value, &after))
            linear_mask_set(used, bit);
    }
}

static void swap_states(struct checker *c)
{
    struct linear_states now = c->now;
    c->now = c->next;
    c->next = now;
    linear_states_clear(&c->next);
    if (c->now.count > c->verdict.state_peak)
        c->verdict.state_peak = c->now.count;
}

static int settle_all(struct checker *c)
{
    for (size_t i = 0; i < c->now.count; i++) {
        struct linear_state *s = &c->now.items[i];
        if (s->is_dead)
            continue;
        struct linear_mask used = s->used;
        settle(c, s->value, &used);
        if (linear_states_add(&c->next, s->value, &used) < 0)
            return TARN_ENOMEM;
    }
    swap_states(c);
    return TARN_OK;
}

static int on_start(struct checker *c, size_t i)
{
    size_t bit = 0;
    while (bit < LINEAR_WINDOW_MAX && linear_mask_has(&c->under_way, bit))
        bit++;
    if (bit == LINEAR_WINDOW_MAX) {
        c->verdict.outcome = LINEAR_UNDECIDED;
        return TARN_OK;
    }
    c->op_of_bit[bit] = i;
    linear_mask_set(&c->under_way, bit);
    if (c->ops[i].result == LINEAR_MAYBE)
        linear_mask_set(&c->maybes, bit);
    linear_mask_set(linear_op_is_quiet(&c->ops[i]) ? &c->quiets : &c->changers, bit);
    return linear_op_is_quiet(&c->ops[i]) ? settle_all(c) : TARN_OK;
}

/* Of operations that do the same, only the one that ends first need be tried: whatever the other
 * could do later, either can. */
static bool has_better_twin(const struct checker *c, const struct linear_mask *used, size_t bit)
{
    const struct linear_op *op = op_at(c, bit);
    size_t i = linear_mask_next(&c->changers, used, 0);
    for (; i < LINEAR_WINDOW_MAX; i = linear_mask_next(&c->changers, used, i + 1)) {
        const struct linear_op *twin = op_at(c, i);
        if (twin->kind == op->kind && twin->result == op->result && twin->value == op->value &&
            twin->expected == op->expected &&
            (twin->end_ns < op->end_ns || (twin->end_ns == op->end_ns && i < bit)))
            return true;
    }
    return false;
}

/* Keeps a state in which `target` has taken effect, or remembers where to go on from. */
static int reach(struct checker *c, size_t target, uint32_t value, struct linear_mask used)
{
    if (!linear_mask_has(&used, target))
        return linear_states_add(&c->seen, value, &used);
    linear_mask_unset(&used, target);
    return linear_states_add(&c->next, value, &used);
}

static int explore(struct checker *c, size_t target, struct linear_state from)
{
    size_t bit = linear_mask_next(&c->changers, &from.used, 0);
    for (; bit < LINEAR_WINDOW_MAX; bit = linear_mask_next(&c->changers, &from.used, bit + 1)) {
        uint32_t after;
        if (!apply(op_at(c, bit), from.value, &after) || has_better_twin(c, &from.used, bit))
            continue;
        struct linear_mask used = from.used;
        linear_mask_set(&used, bit);
        settle(c, after, &used);
        int rc = reach(c, target, after, used);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

/* From `now` to `next`: all states in which `target` has taken effect, without its bit. */
static int demand(struct checker *c, size_t target)
{
    bool is_maybe = linear_mask_has(&c->maybes, target);
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < c->now.count; i++) {
        struct linear_state *s = &c->now.items[i];
        if (s->is_dead)
            continue;
        rc = reach(c, target, s->value, s->used);
        if (rc == TARN_OK && is_maybe && !linear_mask_has(&s->used, target))
            rc = linear_states_add(&c->next, s->value, &s->used);
    }
    for (size_t i = 0; rc == TARN_OK && i < c->seen.count; i++) {
        if (c->seen.count > c->state_max || c->next.count > c->state_max) {
            c->verdict.outcome = LINEAR_UNDECIDED;
            break;
        }
        if (!c->seen.items[i].is_dead)
            rc = explore(c, target, c->seen.items[i]);
    }
    linear_states_clear(&c->seen);
    return rc;
}

static int on_end(struct checker *c, size_t op)
{
    size_t bit = 0;
    while (!linear_mask_has(&c->under_way, bit) || c->op_of_bit[bit] != op)
        bit++;
    int rc = demand(c, bit);
    if (rc < 0)
        return rc;
    linear_states_clear(&c->now);
    linear_mask_unset(&c->under_way, bit);
    linear_mask_unset(&c->maybes, bit);
    linear_mask_unset(&c->quiets, bit);
    linear_mask_unset(&c->changers, bit);
    swap_states(c);
    if (c->now.count == 0 && c->verdict.outcome == LINEAR_FINE) {
        c->verdict.outcome = LINEAR_VIOLATED;
        c->verdict.op = op;
    }
    return TARN_OK;
}

/* At the same time starts come first: such operations count as concurrent. */
static int by_time(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->is_end != b->is_end)
        return a->is_end ? 1 : -1;
    return a->op < b->op ? -1 : a->op > b->op;
}

static struct event *make_events(const struct linear_op *ops, size_t count, size_t *event_count)
{
    struct event *events = tn_calloc(2 * count + 1, sizeof *events);
    *event_count = 0;
    for (size_t i = 0; events && i < count; i++) {
        /* A read without an answer says nothing. */
        if (ops[i].kind == LINEAR_READ && ops[i].result == LINEAR_MAYBE)
            continue;
        events[(*event_count)++] = (struct event){ ops[i].start_ns, i, false };
        if (ops[i].end_ns != LINEAR_NEVER)
            events[(*event_count)++] = (struct event){ ops[i].end_ns, i, true };
    }
    if (events)
        qsort(events, *event_count, sizeof *events, by_time);
    return events;
}

static int start_states(struct checker *c, enum linear_start start)
{
    const struct linear_mask none = { 0 };
    int rc = linear_states_add(&c->now, LINEAR_ABSENT, &none);
    if (start == LINEAR_START_ABSENT)
        return rc;
    if (rc == TARN_OK)
        rc = linear_states_add(&c->now, LINEAR_OTHER, &none);
    for (size_t i = 0; rc == TARN_OK && i < c->count; i++) {
        rc = linear_states_add(&c->now, c->ops[i].value, &none);
        if (rc == TARN_OK)
            rc = linear_states_add(&c->now, c->ops[i].expected, &none);
    }
    return rc;
}

static int walk(struct checker *c, enum linear_start start)
{
    size_t event_count;
    TN_AUTO_FREE struct event *events = make_events(c->ops, c->count, &event_count);
    if (!events)
        return TARN_ENOMEM;
    int rc = start_states(c, start);
    for (size_t i = 0; rc == TARN_OK && i < event_count; i++) {
        if (c->verdict.outcome != LINEAR_FINE)
            break;
        rc = events[i].is_end ? on_end(c, events[i].op) : on_start(c, events[i].op);
    }
    return rc;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* The values that a read gave or a condition named, sorted. */
static uint32_t *named_values(const struct linear_op *ops, size_t count, size_t *named_count)
{
    uint32_t *named = tn_calloc(count + 1, sizeof *named);
    *named_count = 0;
    for (size_t i = 0; named && i < count; i++) {
        if (ops[i].kind == LINEAR_READ)
            named[(*named_count)++] = ops[i].value;
        else if (ops[i].kind == LINEAR_SWAP || ops[i].kind == LINEAR_REMOVE)
            named[(*named_count)++] = ops[i].expected;
    }
    if (named)
        qsort(named, *named_count, sizeof *named, by_number);
    return named;
}

/* A copy in which all values that were only written are one, so that they make no difference. */
static struct linear_op *merge_unseen(const struct linear_op *ops, size_t count)
{
    size_t named_count;
    TN_AUTO_FREE uint32_t *named = named_values(ops, count, &named_count);
    struct linear_op *merged = named ? tn_calloc(count + 1, sizeof *merged) : NULL;
    for (size_t i = 0; merged && i < count; i++) {
        assert(ops[i].start_ns <= ops[i].end_ns);
        assert(ops[i].value <= LINEAR_VALUE_MAX);
        merged[i] = ops[i];
        if (ops[i].value != LINEAR_ABSENT &&
            !bsearch(&ops[i].value, named, named_count, sizeof *named, by_number))
            merged[i].value = LINEAR_OTHER;
    }
    return merged;
}

int linear_check(const struct linear_op *ops, size_t count, enum linear_start start,
                 size_t state_max, struct linear_verdict *out)
{
    TN_AUTO_FREE struct linear_op *merged = merge_unseen(ops, count);
    if (!merged)
        return TARN_ENOMEM;
    struct checker c = { .ops = merged, .count = count, .state_max = state_max };
    linear_states_init(&c.now, &c.maybes);
    linear_states_init(&c.next, &c.maybes);
    linear_states_init(&c.seen, &c.maybes);
    int rc = walk(&c, start);
    linear_states_release(&c.now);
    linear_states_release(&c.next);
    linear_states_release(&c.seen);
    if (rc == TARN_OK)
        *out = c.verdict;
    return rc;
}
