/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted arrays of objects, their versions and parts. */

#include "server/store/mem/mem_tree.h"

int mem_str_copy(struct tn_str s, struct tn_str *out)
{
    char *copy = tn_memdup(s.len ? s.data : "", s.len);
    if (!copy)
        return TARN_ENOMEM;
    *out = (struct tn_str){ copy, s.len };
    return TARN_OK;
}

void mem_str_free(struct tn_str s)
{
    char *p;
    memcpy(&p, &s.data, sizeof p);
    tn_free(p);
}

struct mem_blob *mem_blob_new(const void *bytes, size_t len)
{
    struct mem_blob *b = tn_realloc(NULL, sizeof *b + len);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->len = len;
    if (len)
        memcpy(b->bytes, bytes, len);
    return b;
}

void mem_blob_unref(struct mem_blob *b)
{
    if (b && atomic_fetch_sub(&b->refs, 1) == 1)
        tn_free(b);
}

static void part_release(struct mem_part *p)
{
    mem_str_free(p->meta);
    mem_blob_unref(p->blob);
}

static int part_copy(const struct mem_part *from, struct mem_part *out)
{
    struct mem_part copy = *from;
    int rc = mem_str_copy(from->meta, &copy.meta);
    if (rc < 0)
        return rc;
    atomic_fetch_add(&copy.blob->refs, 1);
    *out = copy;
    return TARN_OK;
}

void mem_object_unref(struct mem_object *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) != 1)
        return;
    for (size_t i = 0; i < o->part_count; i++)
        part_release(&o->parts[i]);
    tn_free(o->parts);
    mem_str_free(o->key);
    mem_str_free(o->meta);
    tn_free(o);
}

struct mem_object *mem_object_new(const struct store_txn *txn)
{
    struct mem_object *o = tn_calloc(1, sizeof *o);
    if (!o)
        return NULL;
    atomic_init(&o->refs, 1);
    o->head = txn->head;
    if (mem_str_copy(txn->key, &o->key) < 0 || mem_str_copy(txn->meta, &o->meta) < 0) {
        mem_object_unref(o);
        return NULL;
    }
    return o;
}

int mem_array_open(void **array, size_t count, size_t at, size_t len)
{
    char *grown = tn_realloc(*array, (count + 1) * len);
    if (!grown)
        return TARN_ENOMEM;
    memmove(grown + (at + 1) * len, grown + at * len, (count - at) * len);
    *array = grown;
    return TARN_OK;
}

void mem_array_cut(void *array, size_t count, size_t at, size_t len)
{
    char *bytes = array;
    memmove(bytes + at * len, bytes + (at + 1) * len, (count - at - 1) * len);
}

/* --- Finding --- */

/* The first object that is not before `key`. */
static size_t object_at(const struct mem_bucket *b, struct tn_str key, bool *is_there)
{
    size_t low = 0;
    size_t high = b->object_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tn_str_cmp(b->objects[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = low < b->object_count && tn_str_eq(b->objects[low]->key, key);
    return low;
}

bool mem_current_at(const struct mem_bucket *b, struct tn_str key, size_t *at)
{
    bool is_there;
    *at = object_at(b, key, &is_there);
    return is_there && !(b->objects[*at]->head.flags & STORE_IS_MARKER);
}

bool mem_version_at(const struct mem_bucket *b, struct tn_str key,
                    const struct store_version *which, size_t *at)
{
    bool is_there;
    size_t i = object_at(b, key, &is_there);
    for (; i < b->object_count && tn_str_eq(b->objects[i]->key, key); i++) {
        const struct store_head *head = &b->objects[i]->head;
        bool is_versioned = head->flags & STORE_IS_VERSIONED;
        if (which->kind == STORE_CURRENT ||
            (which->kind == STORE_NULL_VERSION ? !is_versioned
                                               : is_versioned && head->version == which->id)) {
            *at = i;
            return true;
        }
    }
    return false;
}

struct store_version mem_version_of(const struct store_head *head)
{
    if (head->flags & STORE_IS_VERSIONED)
        return (struct store_version){ STORE_VERSION_ID, head->version };
    return (struct store_version){ .kind = STORE_NULL_VERSION };
}

struct mem_upload *mem_upload_find(struct mem_bucket *b, struct tn_str key, const char *id)
{
    for (size_t i = 0; i < b->upload_count; i++) {
        if (tn_str_eq(b->uploads[i].object->key, key) && strcmp(b->uploads[i].id, id) == 0)
            return &b->uploads[i];
    }
    return NULL;
}

struct mem_part *mem_part_find(struct mem_object *o, uint32_t number, size_t *at)
{
    size_t i = 0;
    while (i < o->part_count && o->parts[i].number < number)
        i++;
    *at = i;
    return i < o->part_count && o->parts[i].number == number ? &o->parts[i] : NULL;
}

/* --- Changes --- */

int mem_object_place(struct mem_bucket *b, struct mem_object *o)
{
    bool is_there;
    size_t old;
    struct store_version which = mem_version_of(&o->head);
    bool is_replaced = mem_version_at(b, o->key, &which, &old);
    if (is_replaced && b->objects[old]->head.version == o->head.version) {
        mem_object_unref(b->objects[old]);
        b->objects[old] = o;
        return TARN_OK;
    }
    size_t i = object_at(b, o->key, &is_there);
    if (is_replaced && old == i) {
        mem_object_unref(b->objects[i]);
        b->objects[i] = o;
        return TARN_OK;
    }
    void *array = b->objects;
    int rc = mem_array_open(&array, b->object_count, i, sizeof(struct mem_object *));
    if (rc < 0)
        return rc;
    b->objects = array;
    b->objects[i] = o;
    b->object_count++;
    if (is_replaced) {
        mem_object_unref(b->objects[old + 1]);
        mem_array_cut(b->objects, b->object_count, old + 1, sizeof(struct mem_object *));
        b->object_count--;
    }
    return TARN_OK;
}

int mem_object_add_part(struct mem_object *o, const struct mem_part *part)
{
    size_t at;
    struct mem_part copy;
    struct mem_part *before = mem_part_find(o, part->number, &at);
    int rc = part_copy(part, &copy);
    if (rc < 0)
        return rc;
    if (before) {
        part_release(before);
        *before = copy;
        return TARN_OK;
    }
    void *array = o->parts;
    rc = mem_array_open(&array, o->part_count, at, sizeof *o->parts);
    if (rc < 0) {
        part_release(&copy);
        return rc;
    }
    o->parts = array;
    o->parts[at] = copy;
    o->part_count++;
    return TARN_OK;
}

void mem_bucket_release(struct mem_bucket *b)
{
    for (size_t i = 0; i < b->object_count; i++)
        mem_object_unref(b->objects[i]);
    for (size_t i = 0; i < b->upload_count; i++)
        mem_object_unref(b->uploads[i].object);
    tn_free(b->objects);
    tn_free(b->uploads);
    mem_str_free(b->name);
    mem_str_free(b->meta);
}

void mem_upload_drop(struct mem_bucket *b, const struct mem_upload *u)
{
    size_t at = (size_t)(u - b->uploads);
    mem_object_unref(u->object);
    mem_array_cut(b->uploads, b->upload_count, at, sizeof *u);
    b->upload_count--;
}
