/* SPDX-License-Identifier: Apache-2.0 */
/* Every step only takes knowledge away, so that a history that is still a violation after it was
 * one before: leaving out what ended before the window, reads and refusals, and writes nobody saw.
 */

#include "linear/window.h"

enum { WINDOW_STATE_MAX = 1 << 15 }; /* a step that needs more is not taken */

static int is_violated(const struct linear_window *w, bool *yes)
{
    struct linear_verdict verdict;
    int rc = linear_check(w->ops, w->count, w->start, WINDOW_STATE_MAX, &verdict);
    if (rc == TARN_OK)
        *yes = verdict.outcome == LINEAR_VIOLATED;
    return rc;
}

static int by_start(const void *left, const void *right)
{
    const struct linear_op *a = left;
    const struct linear_op *b = right;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

/* What had begun when the violation showed; what had not been answered by then is open. */
static void cut_end(const struct linear_op *ops, size_t count, uint64_t end_ns,
                    struct linear_window *w)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].start_ns > end_ns)
            continue;
        struct linear_op op = ops[i];
        if (op.end_ns > end_ns) {
            if (linear_op_is_quiet(&op))
                continue;
            op.result = LINEAR_MAYBE;
            op.end_ns = LINEAR_NEVER;
        }
        w->ops[w->count++] = op;
    }
    qsort(w->ops, w->count, sizeof *w->ops, by_start);
}

/* The operations from w->ops[first] on, whatever was before. What was under way then may have taken
 * effect already. */
static void cut_start(const struct linear_window *w, size_t first, struct linear_window *out)
{
    uint64_t start_ns = w->ops[first].start_ns;
    out->start = LINEAR_START_ANY;
    out->count = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct linear_op op = w->ops[i];
        if (i < first) {
            if (op.end_ns < start_ns || linear_op_is_quiet(&op))
                continue;
            op.result = LINEAR_MAYBE;
        }
        out->ops[out->count++] = op;
    }
}

static void keep(struct linear_window *w, const struct linear_window *smaller)
{
    memcpy(w->ops, smaller->ops, smaller->count * sizeof *w->ops);
    w->count = smaller->count;
    w->start = smaller->start;
}

/* The latest start from which it is a violation still; `spare` has as much room as `w`. */
static int trim_start(struct linear_window *w, struct linear_window *spare)
{
    size_t good = SIZE_MAX;
    size_t low = 0;
    size_t high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool yes = false;
        cut_start(w, middle, spare);
        int rc = is_violated(spare, &yes);
        if (rc < 0)
            return rc;
        if (yes) {
            good = middle;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (good != SIZE_MAX) {
        cut_start(w, good, spare);
        keep(w, spare);
    }
    return TARN_OK;
}

static bool is_change_of(const struct linear_op *op, uint32_t value)
{
    return (op->kind == LINEAR_PUT || op->kind == LINEAR_CREATE || op->kind == LINEAR_SWAP) &&
           op->value == value && !linear_op_is_quiet(op);
}

/* A write may go together with the reads of its value when nothing else tells that an object was
 * there: between it and the next change the history then is as before it. */
static bool may_drop_value(const struct linear_window *w, uint32_t value)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct linear_op *op = &w->ops[i];
        if (op->result == LINEAR_REFUSED)
            return false;
        if ((op->kind == LINEAR_SWAP || op->kind == LINEAR_REMOVE) && op->expected == value)
            return false;
    }
    return true;
}

/* `spare` becomes `w` without operation `i` and what must go with it; false when nothing may. */
static bool without(const struct linear_window *w, size_t i, struct linear_window *spare)
{
    const struct linear_op *gone = &w->ops[i];
    bool is_value = !linear_op_is_quiet(gone) && gone->result == LINEAR_DONE;
    if (is_value && (gone->kind == LINEAR_DELETE || gone->kind == LINEAR_REMOVE ||
                     !may_drop_value(w, gone->value)))
        return false;
    spare->count = 0;
    spare->start = w->start;
    for (size_t j = 0; j < w->count; j++) {
        const struct linear_op *op = &w->ops[j];
        bool is_read = is_value && op->kind == LINEAR_READ && op->value == gone->value;
        if (j != i && !is_read)
            spare->ops[spare->count++] = *op;
    }
    return true;
}

static bool is_read_of(const struct linear_window *w, uint32_t value)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->ops[i].kind == LINEAR_READ && w->ops[i].value == value)
            return true;
    }
    return false;
}

/* A maybe is a way out; without it the rest could be a violation only for lack of it. It goes with
 * its value when that is known not to have been seen. */
static bool is_droppable(const struct linear_window *w, size_t i)
{
    const struct linear_op *op = &w->ops[i];
    return op->result != LINEAR_MAYBE ||
           (is_change_of(op, op->value) && may_drop_value(w, op->value) &&
            !is_read_of(w, op->value));
}

static int drop_each(struct linear_window *w, struct linear_window *spare)
{
    for (size_t i = w->count; i-- > 0;) {
        bool yes = false;
        if (i >= w->count || !is_droppable(w, i) || !without(w, i, spare))
            continue;
        int rc = is_violated(spare, &yes);
        if (rc < 0)
            return rc;
        if (yes)
            keep(w, spare);
    }
    return TARN_OK;
}

int linear_window_reduce(const struct linear_op *ops, size_t count, size_t op,
                         struct linear_window *w)
{
    w->count = 0;
    w->start = LINEAR_START_ABSENT;
    TN_AUTO_FREE struct linear_op *room = tn_calloc(count + 1, sizeof *room);
    if (!room)
        return TARN_ENOMEM;
    struct linear_window spare = { .ops = room };
    cut_end(ops, count, ops[op].end_ns, w);
    int rc = trim_start(w, &spare);
    /* Twice: with the refusals gone, more writes may go. */
    if (rc == TARN_OK)
        rc = drop_each(w, &spare);
    if (rc == TARN_OK)
        rc = drop_each(w, &spare);
    return rc;
}

/* ---- Printing ---- */

static void print_value(FILE *out, uint32_t value)
{
    if (value == LINEAR_ABSENT)
        (void)fprintf(out, "nothing");
    else
        (void)fprintf(out, "%u", (unsigned)value);
}

static void print_what(FILE *out, const struct linear_op *op)
{
    static const char *const names[LINEAR_KIND_COUNT] = {
        [LINEAR_READ] = "read",     [LINEAR_PUT] = "put",       [LINEAR_CREATE] = "create",
        [LINEAR_SWAP] = "swap for", [LINEAR_DELETE] = "delete", [LINEAR_REMOVE] = "remove",
    };
    (void)fprintf(out, "%s", names[op->kind]);
    if (op->kind != LINEAR_DELETE && op->kind != LINEAR_REMOVE && op->kind != LINEAR_READ)
        (void)fprintf(out, " %u", (unsigned)op->value);
    if (op->kind == LINEAR_SWAP || op->kind == LINEAR_REMOVE)
        (void)fprintf(out, " where %u is", (unsigned)op->expected);
    (void)fprintf(out, ": ");
    if (op->result == LINEAR_MAYBE)
        (void)fprintf(out, "no answer (or from outside the window)");
    else if (op->result == LINEAR_REFUSED)
        (void)fprintf(out, "another object is there");
    else if (op->result == LINEAR_MISSING)
        (void)fprintf(out, "no object is there");
    else if (op->kind == LINEAR_READ)
        print_value(out, op->value);
    else
        (void)fprintf(out, "done");
}

void linear_window_print(FILE *out, const struct linear_window *w)
{
    uint64_t zero_ns = w->count ? w->ops[0].start_ns : 0;
    (void)fprintf(out, "  before: %s\n",
                  w->start == LINEAR_START_ANY ? "anything" : "no object, ever");
    for (size_t i = 0; i < w->count; i++) {
        const struct linear_op *op = &w->ops[i];
        (void)fprintf(out, "  %10.3f ms to ", (double)(op->start_ns - zero_ns) / 1e6);
        if (op->end_ns == LINEAR_NEVER)
            (void)fprintf(out, "         end   ");
        else
            (void)fprintf(out, "%10.3f ms ", (double)(op->end_ns - zero_ns) / 1e6);
        (void)fprintf(out, " client %-3u ", (unsigned)op->client);
        print_what(out, op);
        (void)fprintf(out, "%s%s%s\n", op->via ? " (" : "", op->via ? op->via : "",
                      op->via ? ")" : "");
    }
}
