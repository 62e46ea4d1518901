/* SPDX-License-Identifier: Apache-2.0 */
/* The list of writers. */

#include "coord/store_writers.h"

#include <stdio.h>

#include "base/str.h"

/* Cuts the next entry off; false when it is none. */
static bool next_entry(struct tn_str *list, struct tn_str *id, uint64_t *seq)
{
    struct tn_str entry = tn_str_split(list, ',');
    *id = tn_str_split(&entry, '=');
    return id->len == TN_WRITER_ID_LEN && tn_str_to_u64(entry, seq) == TARN_OK && *seq > 0;
}

void tn_writers_add(const char *before, const char *id, uint64_t seq,
                    char out[TARN_STORE_WRITERS_LEN_MAX])
{
    struct tn_str list = tn_str_from(before);
    struct tn_str other;
    uint64_t number;
    int len = snprintf(out, TARN_STORE_WRITERS_LEN_MAX, "%s=%llu", id, (unsigned long long)seq);
    for (int count = 1; list.len > 0 && count < TN_WRITERS_MAX;) {
        if (!next_entry(&list, &other, &number) || tn_str_eq(other, tn_str_from(id)))
            continue;
        int room = TARN_STORE_WRITERS_LEN_MAX - len;
        int n = snprintf(out + len, (size_t)room, ",%.*s=%llu", TN_STR_ARG(other),
                         (unsigned long long)number);
        if (n >= room) {
            out[len] = '\0';
            return;
        }
        len += n;
        count++;
    }
}

uint64_t tn_writers_find(const char *text, const char *id, bool *is_latest)
{
    struct tn_str list = tn_str_from(text);
    struct tn_str other;
    uint64_t seq;
    for (bool is_first = true; list.len > 0; is_first = false) {
        if (next_entry(&list, &other, &seq) && tn_str_eq(other, tn_str_from(id))) {
            *is_latest = is_first;
            return seq;
        }
    }
    *is_latest = false;
    return 0;
}
