/* SPDX-License-Identifier: Apache-2.0 */
/* One bar for a whole job: bytes, objects, rate, time left. */

#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdatomic.h>

#include "cli/out.h"

enum { CLI_PROGRESS_LEN = 256 };

/* The counters may be changed by any thread while the bar is drawn. */
struct cli_progress {
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t bytes_total;
    _Atomic uint64_t files_done; /* copied, skipped or failed */
    _Atomic uint64_t files_total;
    _Atomic bool is_total_known; /* nothing more will be found */
};

/* What one look at the counters shows, for `columns` (at least 40); `rate` is in bytes a second. */
void cli_progress_text(const struct cli_progress *progress, uint64_t rate, unsigned columns,
                       char out[CLI_PROGRESS_LEN]);

/* Draws on `out` from a thread of its own until it is stopped; without a terminal it writes lines,
 * where out->tells_progress. NULL otherwise, or with no thread to be had: a job goes on without. */
struct cli_bar;
struct cli_bar *cli_bar_start(struct cli_progress *progress, struct cli_out *out);

/* Draws the last state as a line that stays when `keep`, otherwise takes the bar away. Accepts
 * NULL. */
void cli_bar_stop(struct cli_bar *bar, bool keep);

#endif
