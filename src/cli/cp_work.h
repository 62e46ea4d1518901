/* SPDX-License-Identifier: Apache-2.0 */
/* An item of a copy job on its way: cp_item.c takes it through, the others do a part each. Each is
 * in one thread at a time. */

#ifndef CLI_CP_WORK_H
#define CLI_CP_WORK_H

#include "cli/cp.h"

struct cp_work {
    struct cp_job *job;
    struct cp_item *item;
    struct tn_buf target;         /* the whole key or path */
    struct tarn_header *metadata; /* of an upload that tells its file's time and mode */
    char mtime[48];
    char mode[16];
    struct tarn_object_info info;
    const char *skip_reason; /* NULL: it was not skipped */
    uint64_t shown_done;     /* what the progress counters know of this item */
    uint64_t shown_total;
    bool is_plain; /* nothing but a transfer */
};

/* --- cp_judge.c: each sets skip_reason when there is nothing to do --- */

/* Whether a condition asks what is at the destination. */
bool cp_must_look(const struct cp_work *w);

/* All conditions must hold. Times are compared in seconds: no more of a time survives the way
 * through a header to a file. */
TN_MUST_USE int cp_judge_conditions(struct cp_work *w, struct tarn_error *err);

/* There is something: a skip, but for those who want to be the one who made it. */
TN_MUST_USE int cp_note_existing(struct cp_work *w, struct tarn_error *err);

TN_MUST_USE int cp_judge_archived(struct cp_work *w, struct tarn_error *err);
bool cp_is_archive_refusal(const struct cp_work *w, const struct tarn_error *err);
void cp_skip_archived(struct cp_work *w);

/* Of sync --checksum. */
TN_MUST_USE int cp_judge_content(struct cp_work *w, struct tarn_error *err);

bool cp_is_onto_itself(const struct cp_work *w);

/* --- cp_move.c --- */

/* Does the source have to be looked at, which no listing has shown? What is copied and then deleted
 * must be one and the same, and what is told must be true. */
bool cp_wants_source(const struct cp_work *w);
TN_MUST_USE int cp_look_at_source(struct cp_work *w, struct tarn_error *err);

/* Only what was copied. */
TN_MUST_USE int cp_remove_source(struct cp_work *w, struct tarn_error *err);

/* --- cp_report.c --- */

int cp_on_progress(void *arg, const struct tarn_progress *progress); /* `arg`: the work */

/* So that the bar ends at 100 %: what succeeded counts whole, what did not counts as far as it
 * came. */
void cp_settle_progress(struct cp_work *w, bool success);

void cp_report(struct cp_work *w, int rc, const struct tarn_error *err);

#endif
