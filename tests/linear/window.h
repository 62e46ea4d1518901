/* SPDX-License-Identifier: Apache-2.0 */
/* What to show of a history that is not linearizable: as few operations as contradict each other.
 */

#ifndef TESTS_LINEAR_WINDOW_H
#define TESTS_LINEAR_WINDOW_H

#include <stdio.h>

#include "linear/checker.h"

/* `ops` has room for all operations of the history. Operations that were under way when the window
 * begins, or ends, are in it as LINEAR_MAYBE. */
struct linear_window {
    struct linear_op *ops;
    size_t count;
    enum linear_start start; /* LINEAR_START_ANY: whatever was before, these cannot have happened */
};

/* Fills `w` from the violation at `op`, in order of their start. Whatever is left is a violation by
 * itself. */
TN_MUST_USE int linear_window_reduce(const struct linear_op *ops, size_t count, size_t op,
                                     struct linear_window *w);

/* One line for each operation: times in ms since the window's first start, client, what, result. */
void linear_window_print(FILE *out, const struct linear_window *w);

#endif
