/* SPDX-License-Identifier: Apache-2.0 */
/* How much buckets hold. */

#include "server/store/usage.h"

#include <assert.h>

void usage_table_release(struct usage_table *t)
{
    tn_free(t->items);
    *t = (struct usage_table){ 0 };
}

struct usage *usage_find(struct usage_table *t, uint32_t bucket)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].bucket == bucket)
            return &t->items[i];
    }
    return NULL;
}

static int add_usage(struct usage_table *t, const struct usage *usage, struct usage **out)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        struct usage *items = tn_realloc(t->items, cap * sizeof *items);
        if (!items)
            return TARN_ENOMEM;
        t->items = items;
        t->cap = cap;
    }
    *out = &t->items[t->count++];
    **out = *usage;
    return TARN_OK;
}

static int count_space(struct index_reader *r, enum index_space space, struct usage *usage)
{
    struct index_key from;
    struct index_key to;
    index_key_make(&from, usage->bucket, space, TN_STR_EMPTY);
    index_prefix_end(index_key_str(&from), &to);
    int rc = index_scan_seek(r, index_key_str(&from), false, index_key_str(&to), NULL);
    while (rc == TARN_OK) {
        struct tn_str key;
        struct tn_str meta;
        struct store_head head;
        rc = index_scan_next(r, &key, &head, &meta, NULL);
        if (rc < 0)
            break;
        usage->bytes += head.size;
        usage->objects += !(head.flags & STORE_IS_MARKER);
    }
    return rc == TARN_EEOF ? TARN_OK : rc;
}

int usage_count(struct usage_table *t, struct index_reader *r, uint32_t bucket, struct usage **out)
{
    static const enum index_space spaces[] = { SPACE_OBJECT, SPACE_VERSION };
    struct usage usage = { .bucket = bucket };
    int rc = index_scan_begin(r, NULL);
    for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(spaces); i++)
        rc = count_space(r, spaces[i], &usage);
    index_scan_end(r);
    return rc < 0 ? rc : add_usage(t, &usage, out);
}

void usage_forget(struct usage_table *t, uint32_t bucket)
{
    struct usage *usage = usage_find(t, bucket);
    if (usage)
        *usage = t->items[--t->count];
}

void usage_add(struct usage_change *change, const struct store_head *head, int sign)
{
    change->bytes += sign * (int64_t)head->size;
    change->objects += sign * !(head->flags & STORE_IS_MARKER);
}

static bool fits(uint64_t now, int64_t change, uint64_t max)
{
    return max == 0 || change <= 0 || (now <= max && (uint64_t)change <= max - now);
}

bool usage_fits(const struct usage *usage, const struct usage_change *change,
                const struct store_quota *quota)
{
    return fits(usage->bytes, change->bytes, quota->bytes_max) &&
           fits(usage->objects, change->objects, quota->object_max);
}

void usage_apply(struct usage_table *t, uint32_t bucket, const struct usage_change *change)
{
    struct usage *usage = change->bytes || change->objects ? usage_find(t, bucket) : NULL;
    if (!usage)
        return;
    usage->bytes += (uint64_t)change->bytes;
    usage->objects += (uint64_t)change->objects;
}
