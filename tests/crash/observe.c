/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a store. */

#include "crash/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_STEP_LEN = 50000, META_CAP = 160 };

int64_t observe_mtime(uint32_t id)
{
    return 1700000000000 + (int64_t)id * 1000;
}

void observe_md5(uint32_t id, unsigned char out[STORE_MD5_LEN])
{
    piece_fill(&(struct piece){ .seed = id, .len = 0x3d5 }, 0, out, STORE_MD5_LEN);
}

#define SAY(status, ...) (snprintf(why, cap, __VA_ARGS__) < 0 ? OBSERVE_WRONG : (status))

static uint64_t total_len(const struct op *op)
{
    uint64_t len = 0;
    for (uint32_t i = 0; i < op->piece_count; i++)
        len += op->pieces[i].len;
    return len;
}

/* Bytes [offset, offset + len) of what the change stored. */
static void fill(const struct op *op, uint64_t offset, unsigned char *out, size_t len)
{
    for (uint32_t i = 0; i < op->piece_count && len; i++) {
        const struct piece *p = &op->pieces[i];
        if (offset >= p->len) {
            offset -= p->len;
            continue;
        }
        size_t step = p->len - offset < len ? (size_t)(p->len - offset) : len;
        piece_fill(p, offset, out, step);
        out += step;
        len -= step;
        offset = 0;
    }
}

static enum observed check_head(const struct op_table *ops, const struct store_head *head,
                                struct tn_str meta, char *why, size_t cap)
{
    char want_meta[META_CAP];
    unsigned char md5[STORE_MD5_LEN];
    uint32_t id = head->attrs;
    if (id == 0 || id >= OP_MAX || ops->ops[id].id != id)
        return SAY(OBSERVE_WRONG, "attributes %u are of no change", id);
    struct tn_str want = { want_meta, name_meta(want_meta, sizeof want_meta, id) };
    observe_md5(id, md5);
    bool has_md5 = ops->ops[id].kind == OP_APPEND || memcmp(md5, head->md5, sizeof md5) == 0;
    if (head->mtime_ms != observe_mtime(id) || !has_md5 || !tn_str_eq(want, meta))
        return SAY(OBSERVE_WRONG, "change %u has other metadata", id);
    return OBSERVE_OK;
}

static enum observed check_bytes(struct store *s, struct store_object *o, const struct op *op,
                                 char *why, size_t cap)
{
    static _Thread_local unsigned char got[READ_STEP_LEN];
    static _Thread_local unsigned char want[READ_STEP_LEN];
    uint64_t size = s->ops->object_head(o)->size;
    struct tarn_error err = { 0 };
    if (size != total_len(op))
        return SAY(OBSERVE_WRONG, "change %u has %llu bytes, not %llu", op->id,
                   (unsigned long long)size, (unsigned long long)total_len(op));
    for (uint64_t at = 0; at < size;) {
        ssize_t n = s->ops->object_read(o, at, got, sizeof got, true, &err);
        if (n <= 0)
            return SAY(OBSERVE_FAILED, "change %u: read at %llu: %s", op->id,
                       (unsigned long long)at, n < 0 ? err.message : "end");
        fill(op, at, want, (size_t)n);
        if (memcmp(got, want, (size_t)n) != 0)
            return SAY(OBSERVE_WRONG, "change %u has other bytes at %llu", op->id,
                       (unsigned long long)at);
        at += (uint64_t)n;
    }
    return OBSERVE_OK;
}

/* What is open is the change's, whole. */
static enum observed check_object(struct store *s, const struct op_table *ops,
                                  struct store_object *o, uint32_t producer, uint32_t slot,
                                  uint32_t *found, char *why, size_t cap)
{
    const struct store_head *head = s->ops->object_head(o);
    enum observed seen = check_head(ops, head, s->ops->object_meta(o), why, cap);
    const struct op *op = seen == OBSERVE_OK ? &ops->ops[head->attrs] : NULL;
    if (op && (op->producer != producer || op->slot != slot))
        seen = SAY(OBSERVE_WRONG, "slot %u holds change %u, which is another's", slot, op->id);
    if (seen == OBSERVE_OK)
        seen = check_bytes(s, o, op, why, cap);
    if (seen == OBSERVE_OK)
        *found = op->id;
    return seen;
}

enum observed observe_object(struct store *s, const struct op_table *ops, uint32_t producer,
                             uint32_t slot, uint32_t *found, char *why, size_t cap)
{
    char bucket[32];
    char key[32];
    struct store_object *o;
    struct tarn_error err = { 0 };
    name_bucket(bucket, sizeof bucket, producer, slot);
    name_key(key, sizeof key, producer, slot);
    int rc = s->ops->object_open(s, tn_str_from(bucket), tn_str_from(key), true, &o, &err);
    *found = 0;
    if (rc == TARN_ENOTFOUND || rc == TARN_ENOBUCKET)
        return OBSERVE_OK;
    if (rc < 0)
        return SAY(OBSERVE_FAILED, "%s/%s: open: %s", bucket, key, err.message);
    enum observed seen = check_object(s, ops, o, producer, slot, found, why, cap);
    s->ops->object_close(o);
    return seen;
}

/* --- Versions --- */

struct store_version observed_version(const struct store_head *head)
{
    if (head->flags & STORE_IS_VERSIONED)
        return (struct store_version){ STORE_VERSION_ID, head->version };
    return (struct store_version){ STORE_NULL_VERSION, 0 };
}

/* All are of one key; the first, and no other, is the latest. */
static int keep_version(void *user, struct tn_str key, const struct store_head *head,
                        bool is_latest)
{
    struct observed_versions *v = user;
    (void)key;
    if (!head || v->count == VERSION_COUNT || is_latest != (v->count == 0))
        return TARN_ECORRUPT;
    v->items[v->count++] = *head;
    return TARN_OK;
}

int observe_versions(struct store *s, const char *bucket, const char *key,
                     struct observed_versions *out, char *why, size_t cap)
{
    bool is_truncated;
    struct tarn_error err = { 0 };
    struct store_list query = { .bucket = tn_str_from(bucket),
                                .prefix = tn_str_from(key),
                                .max = 1000 };
    out->count = 0;
    int rc = s->ops->version_list(s, &query, keep_version, out, &is_truncated, &err);
    if (rc < 0)
        (void)snprintf(why, cap, "versions of %s: %s", key,
                       err.message[0] ? err.message : "too many, or none is the latest");
    return rc;
}

static enum observed observe_version(struct store *s, const struct op_table *ops, uint32_t producer,
                                     uint32_t slot, const struct store_head *head,
                                     struct version_state *out, char *why, size_t cap)
{
    char bucket[32];
    char key[32];
    struct store_object *o;
    struct tarn_error err = { 0 };
    struct store_version version = observed_version(head);
    name_bucket(bucket, sizeof bucket, producer, slot);
    name_key(key, sizeof key, producer, slot);
    if (s->ops->version_open(s, tn_str_from(bucket), tn_str_from(key), &version, &o, &err) < 0)
        return SAY(OBSERVE_FAILED, "%s/%s: a version of change %u: %s", bucket, key, head->attrs,
                   err.message);
    enum observed seen = check_object(s, ops, o, producer, slot, &out->op, why, cap);
    const struct store_head *opened = s->ops->object_head(o);
    if (seen == OBSERVE_OK && (opened->attrs != head->attrs || opened->flags != head->flags))
        seen = SAY(OBSERVE_WRONG, "change %u is listed as %u", opened->attrs, head->attrs);
    out->is_null = !(head->flags & STORE_IS_VERSIONED);
    out->is_marker = head->flags & STORE_IS_MARKER ? 1 : 0;
    s->ops->object_close(o);
    return seen;
}

/* --- Parts --- */

static int keep_part(void *user, const struct store_part *part)
{
    struct observed_parts *p = user;
    if (p->count == PART_COUNT)
        return TARN_ETOOBIG;
    struct store_part *kept = &p->items[p->count++];
    *kept = *part;
    kept->meta.data = tn_memdup(part->meta.data, part->meta.len);
    return kept->meta.data ? TARN_OK : TARN_ENOMEM;
}

int observe_parts(struct store *s, const char *key, const char *upload_id,
                  struct observed_parts *out, char *why, size_t cap)
{
    bool is_truncated;
    struct tarn_error err = { 0 };
    *out = (struct observed_parts){ .count = 0 };
    int rc = s->ops->part_list(s, TN_STR("main"), tn_str_from(key), upload_id, 0, 1000, keep_part,
                               out, &is_truncated, &err);
    if (rc < 0) {
        (void)snprintf(why, cap, "parts of %s: %s", key, err.message);
        observed_parts_release(out);
    }
    return rc;
}

void observed_parts_release(struct observed_parts *p)
{
    for (size_t i = 0; i < p->count; i++) {
        char *meta;
        memcpy(&meta, &p->items[i].meta.data, sizeof meta); /* a view of what keep_part() copied */
        tn_free(meta);
    }
    p->count = 0;
}

/* --- Everything --- */

struct tour {
    struct store *store;
    const struct op_table *ops;
    struct model *seen;
    char *why;
    size_t cap;
    enum observed result;
    char uploads[PRODUCER_MAX * UPLOAD_COUNT + 1][STORE_UPLOAD_ID_LEN + 1];
    uint32_t upload_ops[PRODUCER_MAX * UPLOAD_COUNT + 1];
    size_t upload_count;
    size_t listed;
};

static int note_bucket(void *user, const struct store_bucket *b)
{
    struct tour *t = user;
    unsigned id = 0;
    unsigned producer = 0;
    char name[32];
    (void)snprintf(name, sizeof name, "%.*s", TN_STR_ARG(b->name));
    char meta[META_CAP];
    (void)snprintf(meta, sizeof meta, "%.*s", TN_STR_ARG(b->meta));
    if (sscanf(meta, "op=%u;", &id) != 1 || id >= OP_MAX)
        return TARN_ECORRUPT;
    char want[META_CAP];
    if (name_meta(want, sizeof want, id) != b->meta.len || strcmp(want, meta) != 0)
        return TARN_ECORRUPT;
    if (strcmp(name, "main") == 0)
        t->seen->main_bucket = id;
    else if (sscanf(name, "temporary%u", &producer) != 1 || producer >= PRODUCER_MAX)
        return TARN_ECORRUPT;
    else
        t->seen->producers[producer].bucket = id;
    if (t->seen->main_bucket != id)
        t->seen->producers[producer].versioning = (uint32_t)b->versioning;
    return TARN_OK;
}

static int note_listed(void *user, struct tn_str key, const struct store_head *head)
{
    struct tour *t = user;
    unsigned producer;
    unsigned slot;
    char name[32];
    (void)snprintf(name, sizeof name, "%.*s", TN_STR_ARG(key));
    if (!head || sscanf(name, "p%u/k%u", &producer, &slot) != 2 || producer >= PRODUCER_MAX ||
        slot >= SLOT_COUNT || t->seen->producers[producer].objects[slot] != head->attrs)
        return TARN_ECORRUPT;
    t->listed++;
    return TARN_OK;
}

/* A listing holds the objects that were read, each as it was read. */
static enum observed check_list(struct tour *t, const char *bucket, size_t want)
{
    char *why = t->why;
    size_t cap = t->cap;
    bool is_truncated;
    struct tarn_error err = { 0 };
    struct store_list query = { .bucket = tn_str_from(bucket), .max = 1000 };
    t->listed = 0;
    int rc = t->store->ops->list(t->store, &query, note_listed, t, &is_truncated, &err);
    if (rc == TARN_ECORRUPT && !err.message[0])
        return SAY(OBSERVE_WRONG, "the listing of %s has what cannot be read", bucket);
    if (rc < 0)
        return SAY(OBSERVE_FAILED, "listing of %s: %s", bucket, err.message);
    if (t->listed != want)
        return SAY(OBSERVE_WRONG, "the listing of %s has %zu entries, not %zu", bucket, t->listed,
                   want);
    return OBSERVE_OK;
}

static enum observed see_versions(struct tour *t, uint32_t producer, uint32_t slot)
{
    char *why = t->why;
    size_t cap = t->cap;
    char bucket[32];
    char key[32];
    struct observed_versions all;
    struct producer_state *state = &t->seen->producers[producer];
    struct version_state *v = model_versions(state, slot);
    name_bucket(bucket, sizeof bucket, producer, slot);
    name_key(key, sizeof key, producer, slot);
    int rc = observe_versions(t->store, bucket, key, &all, why, cap);
    enum observed seen = rc == TARN_ECORRUPT ? OBSERVE_WRONG : rc < 0 ? OBSERVE_FAILED : OBSERVE_OK;
    for (size_t i = 0; i < all.count && seen == OBSERVE_OK; i++)
        seen = observe_version(t->store, t->ops, producer, slot, &all.items[i], &v[i], why, cap);
    if (seen == OBSERVE_OK && state->objects[slot] != (v[0].is_marker ? 0 : v[0].op))
        seen = SAY(OBSERVE_WRONG, "%s/%s is change %u, its latest version %u", bucket, key,
                   state->objects[slot], v[0].op);
    return seen;
}

static enum observed see_objects(struct tour *t)
{
    size_t in_main = 0;
    for (uint32_t p = 0; p < PRODUCER_MAX; p++) {
        struct producer_state *state = &t->seen->producers[p];
        size_t in_temporary = 0;
        for (uint32_t i = 0; i < SLOT_COUNT; i++) {
            enum observed seen =
                observe_object(t->store, t->ops, p, i, &state->objects[i], t->why, t->cap);
            if (seen == OBSERVE_OK && state->bucket && i >= SLOT_TEMPORARY)
                seen = see_versions(t, p, i);
            if (seen != OBSERVE_OK)
                return seen;
            if (state->objects[i] && i < SLOT_TEMPORARY)
                in_main++;
            else if (state->objects[i])
                in_temporary++;
        }
        char bucket[32];
        name_bucket(bucket, sizeof bucket, p, SLOT_TEMPORARY);
        enum observed seen = state->bucket ? check_list(t, bucket, in_temporary) : OBSERVE_OK;
        if (seen != OBSERVE_OK)
            return seen;
    }
    return t->seen->main_bucket ? check_list(t, "main", in_main) : OBSERVE_OK;
}

static int note_upload(void *user, struct tn_str key, const char *upload_id,
                       const struct store_head *head)
{
    struct tour *t = user;
    (void)key;
    if (t->upload_count == PRODUCER_MAX * UPLOAD_COUNT)
        return TARN_ETOOBIG;
    memcpy(t->uploads[t->upload_count], upload_id, STORE_UPLOAD_ID_LEN + 1);
    t->upload_ops[t->upload_count++] = head->attrs;
    return TARN_OK;
}

static enum observed see_parts(struct tour *t, const struct op *op, const char *key,
                               const char *upload_id, struct upload_state *out)
{
    struct observed_parts parts;
    if (observe_parts(t->store, key, upload_id, &parts, t->why, t->cap) < 0)
        return OBSERVE_FAILED;
    enum observed seen = OBSERVE_OK;
    char *why = t->why;
    size_t cap = t->cap;
    for (size_t i = 0; i < parts.count && seen == OBSERVE_OK; i++) {
        const struct store_part *part = &parts.items[i];
        seen = check_head(t->ops, &part->head, part->meta, t->why, t->cap);
        const struct op *made = seen == OBSERVE_OK ? &t->ops->ops[part->head.attrs] : NULL;
        if (made && (made->producer != op->producer || made->part != part->number ||
                     part->head.size != total_len(made)))
            seen = SAY(OBSERVE_WRONG, "part %u of %s is another's", part->number, key);
        else if (made)
            out->parts[part->number - 1] = made->id;
    }
    observed_parts_release(&parts);
    return seen;
}

static enum observed see_upload(struct tour *t, size_t i)
{
    char *why = t->why;
    size_t cap = t->cap;
    char key[32];
    struct store_head head;
    struct tn_arena arena;
    struct tn_str meta;
    struct tarn_error err = { 0 };
    uint32_t id = t->upload_ops[i];
    if (id == 0 || id >= OP_MAX || t->ops->ops[id].kind != OP_UPLOAD_CREATE)
        return SAY(OBSERVE_WRONG, "an upload is of change %u, which made none", id);
    const struct op *op = &t->ops->ops[id];
    struct upload_state *state = &t->seen->producers[op->producer].uploads[op->upload];
    if (state->op)
        return SAY(OBSERVE_WRONG, "uploads %u and %u are both there", state->op, id);
    name_key(key, sizeof key, op->producer, op->slot);
    tn_arena_init(&arena, 1 << 20);
    int rc = t->store->ops->upload_get(t->store, TN_STR("main"), tn_str_from(key), t->uploads[i],
                                       &head, &arena, &meta, &err);
    enum observed seen = rc < 0 ? SAY(OBSERVE_FAILED, "upload %u: %s", id, err.message)
                                : check_head(t->ops, &head, meta, why, cap);
    tn_arena_release(&arena);
    state->op = id;
    memcpy(t->seen->upload_ids[op->producer][op->upload], t->uploads[i], STORE_UPLOAD_ID_LEN + 1);
    return seen == OBSERVE_OK ? see_parts(t, op, key, t->uploads[i], state) : seen;
}

static enum observed see_uploads(struct tour *t)
{
    char *why = t->why;
    size_t cap = t->cap;
    bool is_truncated;
    struct tarn_error err = { 0 };
    struct store_list query = { .bucket = TN_STR("main"), .max = 1000 };
    if (!t->seen->main_bucket)
        return OBSERVE_OK;
    int rc =
        t->store->ops->upload_list(t->store, &query, note_upload, NULL, t, &is_truncated, &err);
    if (rc < 0)
        return SAY(rc == TARN_ETOOBIG ? OBSERVE_WRONG : OBSERVE_FAILED, "uploads: %s",
                   err.message[0] ? err.message : "too many");
    enum observed seen = OBSERVE_OK;
    for (size_t i = 0; i < t->upload_count && seen == OBSERVE_OK; i++)
        seen = see_upload(t, i);
    return seen;
}

enum observed observe_all(struct store *s, const struct op_table *ops, struct model *seen,
                          char *why, size_t cap)
{
    struct tour t = { .store = s, .ops = ops, .seen = seen, .why = why, .cap = cap };
    memset(seen, 0, sizeof *seen);
    if (s->ops->bucket_list(s, note_bucket, &t) < 0)
        return SAY(OBSERVE_WRONG, "a bucket is not what was made");
    enum observed result = see_objects(&t);
    return result == OBSERVE_OK ? see_uploads(&t) : result;
}
