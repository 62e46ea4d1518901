/* SPDX-License-Identifier: Apache-2.0 */
/* A set of names: to see that two sources would become one destination. */

#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include "base/mem.h"

/* One thread. Zero-initialised it is empty. */
struct cli_names {
    char **slots; /* open addressing; NULL is free */
    size_t cap;   /* a power of two, or 0 */
    size_t count;
};

void cli_names_release(struct cli_names *names);

/* TARN_EEXISTS when it is there already; TARN_ENOMEM. Copies `name`. */
TN_MUST_USE int cli_names_add(struct cli_names *names, const char *name);

#endif
