/* SPDX-License-Identifier: Apache-2.0 */
/* The table of parsed sections. */

#include "server/api/bucket_forms.h"

/* The text itself: what has only a few values. */
static int parse_text(struct tn_arena *arena, struct tn_str text, const void **form)
{
    struct tn_str *copy = tn_arena_alloc(arena, sizeof *copy);
    if (!copy)
        return TARN_ENOMEM;
    *copy = text;
    *form = copy;
    return TARN_OK;
}

const struct bucket_form bucket_forms[] = {
    { BUCKET_VERSIONING, parse_text },
};

const size_t bucket_form_count = TN_COUNT(bucket_forms);
