/* SPDX-License-Identifier: Apache-2.0 */
/* Is the history of one key that of a linearizable register with compare-and-swap?
 *
 * Keys are independent, so each is checked alone. The history is walked in the order of its
 * invocations and responses, with the set of all states that the register could be in: its value,
 * and which of the operations under way have taken effect already. A response keeps the states in
 * which its operation has taken effect by then. When none is left, nothing explains the history. */

#ifndef TESTS_LINEAR_CHECKER_H
#define TESTS_LINEAR_CHECKER_H

#include "base/mem.h"

enum {
    LINEAR_WINDOW_MAX = 256,          /* operations of one key under way at once */
    LINEAR_STATE_MAX = 1 << 21,       /* states at one moment; past it the checker gives up */
    LINEAR_ABSENT = 0,                /* the value of a key without an object */
    LINEAR_VALUE_MAX = INT32_MAX - 1, /* of those that operations may name */
};

#define LINEAR_NEVER UINT64_MAX

enum linear_kind {
    LINEAR_READ,   /* gave `value`, LINEAR_ABSENT for 404 */
    LINEAR_PUT,    /* sets `value` */
    LINEAR_CREATE, /* sets `value` where nothing is, else LINEAR_REFUSED */
    LINEAR_SWAP,   /* sets `value` where `expected` is, else LINEAR_REFUSED or LINEAR_MISSING */
    LINEAR_DELETE, /* leaves nothing, whatever was there */
    LINEAR_REMOVE, /* leaves nothing where `expected` is, else as LINEAR_SWAP */
    LINEAR_KIND_COUNT
};

enum linear_result {
    LINEAR_DONE,
    LINEAR_REFUSED, /* 412: another object is there */
    LINEAR_MISSING, /* 404: LINEAR_SWAP and LINEAR_REMOVE find nothing */
    LINEAR_MAYBE,   /* no answer: it may have taken effect until end_ns, or never */
};

/* Every value is written once at most. start_ns <= end_ns; end_ns is LINEAR_NEVER where a maybe has
 * no end. */
struct linear_op {
    enum linear_kind kind;
    enum linear_result result;
    uint32_t value;
    uint32_t expected;
    uint32_t client; /* for reports */
    const char *via; /* for reports: the request, or NULL */
    uint64_t start_ns;
    uint64_t end_ns;
};

enum linear_outcome {
    LINEAR_FINE,
    LINEAR_VIOLATED,
    LINEAR_UNDECIDED, /* more states or operations at once than the limits allow */
};

struct linear_verdict {
    enum linear_outcome outcome;
    size_t op;         /* LINEAR_VIOLATED: the one whose response nothing explains */
    size_t state_peak; /* states at one moment, at most */
};

/* What is known of the register before the first operation. */
enum linear_start {
    LINEAR_START_ABSENT,
    LINEAR_START_ANY, /* nothing: any value, even one that no operation names */
};

/* `state_max` is LINEAR_STATE_MAX or less. TARN_ENOMEM leaves `out` alone. */
TN_MUST_USE int linear_check(const struct linear_op *ops, size_t count, enum linear_start start,
                             size_t state_max, struct linear_verdict *out);

/* True when `op` had an answer that tells of the register and cannot have changed it. */
bool linear_op_is_quiet(const struct linear_op *op);

#endif
