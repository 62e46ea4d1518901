/* SPDX-License-Identifier: Apache-2.0 */
/* The model. */

#include "crash/model.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void name_bucket(char *out, size_t cap, uint32_t producer, uint32_t slot)
{
    if (slot < SLOT_TEMPORARY)
        (void)snprintf(out, cap, "main");
    else
        (void)snprintf(out, cap, "temporary%u", producer);
}

void name_key(char *out, size_t cap, uint32_t producer, uint32_t slot)
{
    (void)snprintf(out, cap, "p%u/k%u", producer, slot);
}

size_t name_meta(char *out, size_t cap, uint32_t op)
{
    return (size_t)snprintf(out, cap, "op=%u;%0*u", op, (int)(1 + op % 90), op);
}

void piece_fill(const struct piece *p, uint64_t offset, unsigned char *out, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint64_t at = offset + i;
        uint64_t word = ((uint64_t)p->seed << 32 | p->len) + (at / 8 + 1) * 0x9e3779b97f4a7c15u;
        word = (word ^ (word >> 29)) * 0xbf58476d1ce4e5b9u;
        word ^= word >> 32;
        for (size_t k = at % 8; k < 8 && i < len; k++)
            out[i++] = (unsigned char)(word >> (8 * k));
    }
}

struct version_state *model_versions(struct producer_state *p, uint32_t slot)
{
    return slot < SLOT_TEMPORARY ? NULL : p->versions[slot - SLOT_TEMPORARY];
}

static void drop_version(struct version_state *v, size_t at)
{
    memmove(&v[at], &v[at + 1], (VERSION_COUNT - at - 1) * sizeof *v);
    v[VERSION_COUNT - 1] = (struct version_state){ 0 };
}

/* The null version has one place in each key. */
static void add_version(struct version_state *v, struct version_state added)
{
    for (size_t i = 0; i < VERSION_COUNT && added.is_null; i++) {
        if (v[i].op && v[i].is_null)
            drop_version(v, i);
    }
    assert(!v[VERSION_COUNT - 1].op);
    memmove(&v[1], v, (VERSION_COUNT - 1) * sizeof *v);
    v[0] = added;
}

static void change_versions(struct producer_state *p, struct version_state *v, const struct op *op)
{
    size_t at = 0;
    bool is_kept = p->versioning == STORE_VERSIONS_ENABLED;
    while (op->target && at < VERSION_COUNT - 1 && v[at].op != op->target)
        at++;
    if (op->kind == OP_VERSION_DELETE)
        drop_version(v, at);
    else if (op->kind == OP_VERSION_META)
        v[at].op = op->id;
    else if (op->kind != OP_DELETE)
        add_version(v, (struct version_state){ op->id, !is_kept, false });
    else if (p->versioning != STORE_UNVERSIONED)
        add_version(v, (struct version_state){ op->id, !is_kept, true });
    else if (v[0].op)
        drop_version(v, 0);
    p->objects[op->slot] = v[0].is_marker ? 0 : v[0].op;
}

static void change_object(struct producer_state *p, const struct op *op)
{
    struct version_state *v = model_versions(p, op->slot);
    if (v)
        change_versions(p, v, op);
    else
        p->objects[op->slot] = op->kind == OP_DELETE ? 0 : op->id;
    if (op->kind == OP_RENAME)
        p->objects[op->from] = 0;
}

void model_apply(struct model *m, const struct op *op)
{
    struct producer_state *p = &m->producers[op->producer];
    struct upload_state *u = &p->uploads[op->upload];
    switch (op->kind) {
    case OP_MAIN_CREATE:
    case OP_MAIN_CONFIG:
        m->main_bucket = op->id;
        break;
    case OP_BUCKET_CREATE:
    case OP_BUCKET_CONFIG:
        p->bucket = op->id;
        p->versioning = op->versioning;
        break;
    case OP_BUCKET_DELETE:
        p->bucket = 0;
        p->versioning = STORE_UNVERSIONED;
        break;
    case OP_PUT:
    case OP_COPY:
    case OP_DELETE:
    case OP_VERSION_DELETE:
    case OP_VERSION_META:
    case OP_RENAME:
    case OP_APPEND:
        change_object(p, op);
        break;
    case OP_UPLOAD_CREATE:
        *u = (struct upload_state){ .op = op->id };
        break;
    case OP_PART:
        u->parts[op->part - 1] = op->id;
        break;
    case OP_COMPLETE:
        p->objects[op->slot] = op->id;
        *u = (struct upload_state){ 0 };
        break;
    case OP_ABORT:
        *u = (struct upload_state){ 0 };
        break;
    }
}

void model_take(struct model *m, struct op_table *ops, const struct sim_event *e)
{
    if (e->mark == MARK_START) {
        struct op op;
        memcpy(&op, e->bytes, sizeof op);
        m->under_way[op.producer] = op;
        ops->ops[op.id] = op;
    } else if (e->mark == MARK_ANSWER) {
        struct answer a;
        memcpy(&a, e->bytes, sizeof a);
        struct op *op = &m->under_way[a.producer];
        if (op->kind == OP_UPLOAD_CREATE)
            memcpy(m->upload_ids[a.producer][op->upload], a.upload_id, sizeof a.upload_id);
        if (a.status == TARN_OK)
            model_apply(m, op);
        op->id = 0;
    }
}

static bool is_same(const struct model *a, const struct model *b, uint32_t producer)
{
    return memcmp(&a->producers[producer], &b->producers[producer], sizeof a->producers[0]) == 0 &&
           (producer != 0 || a->main_bucket == b->main_bucket);
}

static bool has_versions(const struct version_state *want, const struct version_state *got)
{
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        size_t at = 0;
        while (at < VERSION_COUNT && got[at].op != want[i].op)
            at++;
        if (want[i].op && at == VERSION_COUNT)
            return false;
    }
    return true;
}

/* Half: the change under way is there in one name and not in the other. */
static enum verdict classify(const struct producer_state *want, const struct producer_state *got,
                             const struct op *op)
{
    if (op->id && op->kind == OP_COMPLETE &&
        (got->objects[op->slot] == op->id || got->uploads[op->upload].op == 0))
        return VERDICT_HALF;
    if (op->id && op->kind == OP_RENAME &&
        (got->objects[op->slot] == op->id || got->objects[op->from] == 0))
        return VERDICT_HALF;
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        if (want->objects[i] && !got->objects[i])
            return VERDICT_LOST;
    }
    for (size_t i = 0; i < UPLOAD_COUNT; i++) {
        for (size_t k = 0; k < PART_COUNT; k++) {
            if (want->uploads[i].parts[k] && !got->uploads[i].parts[k])
                return VERDICT_LOST;
        }
        if (want->uploads[i].op && !got->uploads[i].op)
            return VERDICT_LOST;
    }
    for (size_t i = 0; i < SLOT_TEMPORARY_COUNT; i++) {
        if (!has_versions(want->versions[i], got->versions[i]))
            return VERDICT_LOST;
    }
    return want->bucket && !got->bucket ? VERDICT_LOST : VERDICT_CHANGED;
}

static void print_state(char *out, size_t cap, const struct model *m, uint32_t producer)
{
    const struct producer_state *p = &m->producers[producer];
    size_t at = (size_t)snprintf(out, cap, "main %u bucket %u/%u objects", m->main_bucket,
                                 p->bucket, p->versioning);
    for (size_t i = 0; i < SLOT_COUNT && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, " %u", p->objects[i]);
    for (size_t i = 0; i < SLOT_TEMPORARY_COUNT * VERSION_COUNT && at < cap; i++) {
        const struct version_state *v = &p->versions[i / VERSION_COUNT][i % VERSION_COUNT];
        at +=
            (size_t)snprintf(out + at, cap - at, "%s%u%s%s", i % VERSION_COUNT ? "," : " versions ",
                             v->op, v->is_null ? "n" : "", v->is_marker ? "d" : "");
    }
    for (size_t i = 0; i < UPLOAD_COUNT && at < cap; i++) {
        const struct upload_state *u = &p->uploads[i];
        at += (size_t)snprintf(out + at, cap - at, " upload %u:%u,%u,%u,%u", u->op, u->parts[0],
                               u->parts[1], u->parts[2], u->parts[3]);
    }
}

enum verdict model_judge(const struct model *m, const struct op_table *ops,
                         const struct model *seen, char *why, size_t cap)
{
    (void)ops;
    for (uint32_t i = 0; i < PRODUCER_MAX; i++) {
        if (is_same(m, seen, i))
            continue;
        const struct op *op = &m->under_way[i];
        struct model with = *m;
        if (op->id)
            model_apply(&with, op);
        if (op->id && is_same(&with, seen, i))
            continue;
        char want[400];
        char got[400];
        print_state(want, sizeof want, m, i);
        print_state(got, sizeof got, seen, i);
        (void)snprintf(
            why, cap, "producer %u: acknowledged [%s], found [%s], under way %u (kind %d, slot %u)",
            i, want, got, op->id, (int)op->kind, op->slot);
        return classify(&m->producers[i], &seen->producers[i], op);
    }
    return VERDICT_OK;
}

struct blob_set {
    uint32_t seeds[PRODUCER_MAX *
                   (SLOT_COUNT + SLOT_TEMPORARY_COUNT * VERSION_COUNT + UPLOAD_COUNT) * PIECE_MAX];
    size_t count;
};

static void add_blobs(struct blob_set *set, const struct op *op, uint64_t inline_max)
{
    for (uint32_t i = 0; i < op->piece_count; i++) {
        const struct piece *piece = &op->pieces[i];
        bool is_known = piece->len == 0 || (piece->len <= inline_max && !piece->is_apart);
        for (size_t k = 0; k < set->count && !is_known; k++)
            is_known = set->seeds[k] == op->pieces[i].seed;
        if (!is_known)
            set->seeds[set->count++] = op->pieces[i].seed;
    }
}

size_t model_count_blobs(const struct model *m, const struct op_table *ops, uint64_t inline_max)
{
    struct blob_set set = { .count = 0 };
    for (size_t p = 0; p < PRODUCER_MAX; p++) {
        const struct producer_state *s = &m->producers[p];
        for (size_t i = 0; i < SLOT_COUNT; i++) {
            if (s->objects[i])
                add_blobs(&set, &ops->ops[s->objects[i]], inline_max);
        }
        for (size_t i = 0; i < SLOT_TEMPORARY_COUNT * VERSION_COUNT; i++) {
            const struct version_state *v = &s->versions[i / VERSION_COUNT][i % VERSION_COUNT];
            if (v->op && !v->is_marker)
                add_blobs(&set, &ops->ops[v->op], inline_max);
        }
        for (size_t i = 0; i < UPLOAD_COUNT; i++) {
            for (size_t k = 0; k < PART_COUNT; k++) {
                if (s->uploads[i].parts[k])
                    add_blobs(&set, &ops->ops[s->uploads[i].parts[k]], inline_max);
            }
        }
    }
    return set.count;
}
