/* SPDX-License-Identifier: Apache-2.0 */
/* Is a store that was cut off what it promised to be? */

#ifndef TESTS_CRASH_VERIFY_H
#define TESTS_CRASH_VERIFY_H

#include "crash/model.h"

/* How the store is opened. */
struct setting {
    const char *root; /* stands for the disk's root; the store is in "s" below it */
    uint64_t inline_max;
    uint64_t segment_len;
    void (*on_fatal)(void *context, const char *reason);
};

enum outcome {
    OUT_OK,
    OUT_LOST,    /* something acknowledged is not there */
    OUT_CHANGED, /* or is not what it was; or something is there that was never written */
    OUT_HALF,    /* a change is there in part */
    OUT_REFUSED, /* the store does not open */
    OUT_ERROR,   /* a call fails that should not */
    OUT_LEAKED,  /* a blob is left that nothing refers to */
    OUT_REBUILT, /* without its index the store is another */
    OUT_COUNT,
};

extern const char *const outcome_names[OUT_COUNT];

/* Opens the store on a copy of `tree`, compares it with the model, changes it, closes it, opens it
 * again; then once more without its index. `seen` is what was there. */
enum outcome verify(const struct setting *x, const struct sim_tree *tree, const struct model *m,
                    struct op_table *ops, struct model *seen, char *why, size_t cap);

/* Opens the store on the live disk. */
int setting_open(const struct setting *x, struct store **out, struct tarn_error *err);

/* Removes the index from a tree. */
void drop_index(struct sim_tree *t);

#endif
