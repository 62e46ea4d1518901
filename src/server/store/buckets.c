/* SPDX-License-Identifier: Apache-2.0 */
/* The buckets. */

#include "server/store/buckets.h"

#include <pthread.h>

struct row {
    uint32_t number;
    int64_t created_ms;
    char *name;
    size_t name_len;
    char *meta;
    size_t meta_len;
    enum store_versioning versioning;
};

struct buckets {
    pthread_rwlock_t lock;
    struct row **rows; /* by name */
    size_t count;
    size_t cap;
    uint32_t number_max;
};

struct buckets *buckets_new(void)
{
    struct buckets *b = tn_calloc(1, sizeof *b);
    if (b)
        (void)pthread_rwlock_init(&b->lock, NULL);
    return b;
}

static void row_free(struct row *r)
{
    if (!r)
        return;
    tn_free(r->name);
    tn_free(r->meta);
    tn_free(r);
}

void buckets_free(struct buckets *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        row_free(b->rows[i]);
    tn_free(b->rows);
    (void)pthread_rwlock_destroy(&b->lock);
    tn_free(b);
}

static struct tn_str name_of(const struct row *r)
{
    return (struct tn_str){ r->name, r->name_len };
}

/* The place of `name`, or where it belongs. */
static size_t find(const struct buckets *b, struct tn_str name, bool *found)
{
    size_t low = 0;
    size_t high = b->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tn_str_cmp(name_of(b->rows[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < b->count && tn_str_eq(name_of(b->rows[low]), name);
    return low;
}

uint32_t buckets_find(struct buckets *b, struct tn_str name, enum store_versioning *versioning)
{
    bool found;
    (void)pthread_rwlock_rdlock(&b->lock);
    size_t at = find(b, name, &found);
    uint32_t number = found ? b->rows[at]->number : 0;
    *versioning = found ? b->rows[at]->versioning : STORE_UNVERSIONED;
    (void)pthread_rwlock_unlock(&b->lock);
    return number;
}

uint32_t buckets_number(struct buckets *b, struct tn_str name)
{
    enum store_versioning versioning;
    return buckets_find(b, name, &versioning);
}

uint32_t buckets_number_max(struct buckets *b)
{
    (void)pthread_rwlock_rdlock(&b->lock);
    uint32_t number = b->number_max;
    (void)pthread_rwlock_unlock(&b->lock);
    return number;
}

void buckets_know(struct buckets *b, uint32_t number_max)
{
    (void)pthread_rwlock_wrlock(&b->lock);
    if (number_max > b->number_max)
        b->number_max = number_max;
    (void)pthread_rwlock_unlock(&b->lock);
}

static int copy_out(const struct row *r, struct tn_arena *arena, struct store_bucket *out)
{
    struct store_bucket copy = { .created_ms = r->created_ms, .versioning = r->versioning };
    if (tn_arena_str(arena, name_of(r), &copy.name) < 0 ||
        tn_arena_str(arena, (struct tn_str){ r->meta, r->meta_len }, &copy.meta) < 0)
        return TARN_ENOMEM;
    *out = copy;
    return TARN_OK;
}

int buckets_get(struct buckets *b, struct tn_str name, struct tn_arena *arena,
                struct store_bucket *out)
{
    bool found;
    (void)pthread_rwlock_rdlock(&b->lock);
    size_t at = find(b, name, &found);
    int rc = found ? copy_out(b->rows[at], arena, out) : TARN_ENOBUCKET;
    (void)pthread_rwlock_unlock(&b->lock);
    return rc;
}

int buckets_list(struct buckets *b, store_bucket_fn each, void *user)
{
    struct tn_arena arena;
    tn_arena_init(&arena, 1 << 20);
    struct store_bucket bucket = { .name = TN_STR_EMPTY };
    int rc = TARN_OK;
    for (bool more = true; more && rc == TARN_OK;) {
        struct tn_arena next_arena;
        tn_arena_init(&next_arena, 1 << 20);
        bool found;
        (void)pthread_rwlock_rdlock(&b->lock);
        size_t at = find(b, bucket.name, &found) + (found ? 1 : 0);
        more = at < b->count;
        if (more)
            rc = copy_out(b->rows[at], &next_arena, &bucket);
        (void)pthread_rwlock_unlock(&b->lock);
        tn_arena_release(&arena);
        arena = next_arena;
        if (more && rc == TARN_OK)
            rc = each(user, &bucket);
    }
    tn_arena_release(&arena);
    return rc;
}

static struct row *row_new(uint32_t number, const struct store_bucket *bucket)
{
    struct row *r = tn_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->number = number;
    r->created_ms = bucket->created_ms;
    r->versioning = bucket->versioning;
    r->name = tn_memdup(bucket->name.data, bucket->name.len);
    r->name_len = bucket->name.len;
    r->meta = tn_memdup(bucket->meta.data, bucket->meta.len);
    r->meta_len = bucket->meta.len;
    if (!r->name || !r->meta) {
        row_free(r);
        return NULL;
    }
    return r;
}

static int make_room(struct buckets *b)
{
    if (b->count < b->cap)
        return TARN_OK;
    size_t cap = b->cap ? b->cap * 2 : 16;
    struct row **rows = tn_realloc(b->rows, cap * sizeof(struct row *));
    if (!rows)
        return TARN_ENOMEM;
    b->rows = rows;
    b->cap = cap;
    return TARN_OK;
}

int buckets_put(struct buckets *b, uint32_t number, const struct store_bucket *bucket)
{
    struct row *row = row_new(number, bucket);
    if (!row)
        return TARN_ENOMEM;
    bool found;
    (void)pthread_rwlock_wrlock(&b->lock);
    size_t at = find(b, bucket->name, &found);
    int rc = found ? TARN_OK : make_room(b);
    if (rc == TARN_OK && found) {
        struct row *old = b->rows[at];
        b->rows[at] = row;
        row = old;
    } else if (rc == TARN_OK) {
        memmove(b->rows + at + 1, b->rows + at, (b->count - at) * sizeof(struct row *));
        b->rows[at] = row;
        b->count++;
        row = NULL;
    }
    if (number > b->number_max)
        b->number_max = number;
    (void)pthread_rwlock_unlock(&b->lock);
    row_free(row);
    return rc;
}

void buckets_delete(struct buckets *b, struct tn_str name)
{
    bool found;
    (void)pthread_rwlock_wrlock(&b->lock);
    size_t at = find(b, name, &found);
    struct row *row = found ? b->rows[at] : NULL;
    if (found) {
        b->count--;
        memmove(b->rows + at, b->rows + at + 1, (b->count - at) * sizeof(struct row *));
    }
    (void)pthread_rwlock_unlock(&b->lock);
    row_free(row);
}
