/* SPDX-License-Identifier: Apache-2.0 */
/* A set of names. */

#include "cli/names.h"

#include "base/str.h"

enum { CAP_FIRST = 64 };

/* Where `name` is, or where it would go. The names are the user's own objects: a slow set harms
 * nobody else. */
static size_t slot_of(char *const *slots, size_t cap, const char *name)
{
    size_t i = (size_t)tn_text_hash(name) & (cap - 1);
    while (slots[i] && strcmp(slots[i], name) != 0)
        i = (i + 1) & (cap - 1);
    return i;
}

static int grow(struct cli_names *names)
{
    size_t cap = names->cap ? names->cap * 2 : CAP_FIRST;
    char **slots = tn_calloc(cap, sizeof *slots);
    if (!slots)
        return TARN_ENOMEM;
    for (size_t i = 0; i < names->cap; i++) {
        if (names->slots[i])
            slots[slot_of(slots, cap, names->slots[i])] = names->slots[i];
    }
    tn_free(names->slots);
    names->slots = slots;
    names->cap = cap;
    return TARN_OK;
}

int cli_names_add(struct cli_names *names, const char *name)
{
    if (names->count * 2 >= names->cap) {
        int rc = grow(names);
        if (rc < 0)
            return rc;
    }
    size_t i = slot_of(names->slots, names->cap, name);
    if (names->slots[i])
        return TARN_EEXISTS;
    names->slots[i] = tn_strdup(name);
    if (!names->slots[i])
        return TARN_ENOMEM;
    names->count++;
    return TARN_OK;
}

void cli_names_release(struct cli_names *names)
{
    for (size_t i = 0; i < names->cap; i++)
        tn_free(names->slots[i]);
    tn_free(names->slots);
    *names = (struct cli_names){ 0 };
}
