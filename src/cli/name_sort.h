/* SPDX-License-Identifier: Apache-2.0 */
/* Names in the order of their bytes, in bounded memory: what is too much goes into an unlinked
 * temporary file, in sorted runs that are merged while they are read. */

#ifndef CLI_NAME_SORT_H
#define CLI_NAME_SORT_H

#include "base/buf.h"
#include "base/fail.h"

enum {
    CLI_NAME_SORT_MEMORY = 8 << 20, /* of names, before they are spilled */
    CLI_NAME_SORT_RUNS_MAX = 4096,
    CLI_NAME_LEN_MAX = 4096
};

struct cli_name_run;

/* One thread. Add all, finish once, then take all. */
struct cli_name_sort {
    struct tn_buf text; /* the names that are in memory, each with its NUL */
    uint32_t *offsets;
    size_t count;
    size_t cap;
    size_t next; /* to be taken */
    size_t memory_max;
    int fd; /* of the runs; -1: none */
    uint64_t file_len;
    struct cli_name_run *runs;
    size_t run_count;
    struct cli_name_run *taken; /* its front was handed out */
};

/* `memory_max` 0 is CLI_NAME_SORT_MEMORY. */
void cli_name_sort_init(struct cli_name_sort *s, size_t memory_max);
void cli_name_sort_release(struct cli_name_sort *s);

TN_MUST_USE int cli_name_sort_add(struct cli_name_sort *s, const char *name,
                                  struct tarn_error *err);
TN_MUST_USE int cli_name_sort_finish(struct cli_name_sort *s, struct tarn_error *err);

/* The next name, valid until the next call; NULL at the end. */
TN_MUST_USE int cli_name_sort_next(struct cli_name_sort *s, const char **name,
                                   struct tarn_error *err);

/* An unlinked temporary file in $TMPDIR or /tmp. A descriptor, or a negative TARN_E. */
TN_MUST_USE int cli_temporary_file(struct tarn_error *err);

#endif
