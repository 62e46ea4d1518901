/* SPDX-License-Identifier: Apache-2.0 */
/* Producers. */

#include "crash/producer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/observe.h"

enum { BODY_STEP_LEN = 20000, RETRY_MAX = 3 };

struct producer {
    struct store *store;
    const struct workload *w;
    struct op_table *ops;
    _Atomic(uint32_t) *next_op;
    uint32_t number;
    struct sim_rand rand;
    struct model m; /* its own part of it is exact */
    char why[400];
    bool is_wrong;
};

/* --- A commit that waits and leaves marks --- */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    const struct op *op; /* NULL: no marks */
};

static void on_done(struct store_txn *txn)
{
    struct waiter *w = txn->user;
    if (w->op) {
        struct answer a = { .id = w->op->id, .producer = w->op->producer, .status = txn->status };
        memcpy(a.upload_id, txn->upload_id, sizeof a.upload_id);
        sim_mark(MARK_ANSWER, &a, sizeof a);
    }
    (void)pthread_mutex_lock(&w->lock);
    w->is_done = true;
    (void)pthread_cond_signal(&w->done);
    (void)pthread_mutex_unlock(&w->lock);
}

static int commit_op(struct store *s, struct store_txn *txn, const struct op *op)
{
    struct waiter w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, op };
    if (op)
        sim_mark(MARK_START, op, sizeof *op);
    txn->user = &w;
    txn->done = on_done;
    s->ops->commit(s, txn);
    (void)pthread_mutex_lock(&w.lock);
    while (!w.is_done)
        (void)pthread_cond_wait(&w.done, &w.lock);
    (void)pthread_mutex_unlock(&w.lock);
    return txn->status;
}

int commit_and_wait(struct store *s, struct store_txn *txn)
{
    return commit_op(s, txn, NULL);
}

int body_make(struct store *s, const struct piece *p, struct store_body **out)
{
    struct store_body *b;
    int rc = s->ops->body_new(s, p->is_apart ? STORE_BODY_APART : p->len, &b, NULL);
    if (rc < 0)
        return rc;
    unsigned char bytes[BODY_STEP_LEN];
    for (uint64_t at = 0; at < p->len && rc == TARN_OK; at += sizeof bytes) {
        size_t step = p->len - at < sizeof bytes ? (size_t)(p->len - at) : sizeof bytes;
        piece_fill(p, at, bytes, step);
        rc = s->ops->body_append(b, bytes, step, NULL);
    }
    if (rc == TARN_OK)
        rc = s->ops->body_seal(b, NULL);
    if (rc < 0) {
        s->ops->body_free(b);
        return rc;
    }
    *out = b;
    return TARN_OK;
}

/* --- Changes --- */

/* Lengths around the limits at which a body changes its place. */
static uint32_t some_len(struct producer *p)
{
    uint64_t inline_max = p->w->inline_max;
    switch (sim_rand_below(&p->rand, 12)) {
    case 0:
        return 0;
    case 1:
        return (uint32_t)(inline_max - 1 + sim_rand_below(&p->rand, 3));
    case 2:
    case 3:
        return (uint32_t)(inline_max + sim_rand_below(&p->rand, 3 * inline_max));
    case 4:
        return (uint32_t)(64 * 1024 - 1 + sim_rand_below(&p->rand, 3));
    case 5:
        return (uint32_t)(1 + sim_rand_below(&p->rand, 600));
    default:
        return (uint32_t)sim_rand_below(&p->rand, inline_max);
    }
}

static struct op new_op(struct producer *p, enum op_kind kind, uint32_t slot)
{
    struct op op = { .kind = kind, .producer = p->number, .slot = slot };
    op.id = atomic_fetch_add(p->next_op, 1);
    assert(op.id < OP_MAX);
    return op;
}

static struct producer_state *mine(struct producer *p)
{
    return &p->m.producers[p->number];
}

/* Begins the change and takes the answer into the producer's own model. */
static int run_op(struct producer *p, struct store_txn *txn, struct op *op)
{
    char bucket[32];
    char key[32];
    char meta[128];
    name_bucket(bucket, sizeof bucket, p->number, op->slot);
    name_key(key, sizeof key, p->number, op->slot);
    bool is_bucket = op->kind <= OP_BUCKET_DELETE;
    txn->bucket = tn_str_from(bucket);
    txn->key = is_bucket ? TN_STR_EMPTY : tn_str_from(key);
    txn->meta = (struct tn_str){ meta, name_meta(meta, sizeof meta, op->id) };
    txn->head.attrs = op->id;
    txn->head.mtime_ms = observe_mtime(op->id);
    observe_md5(op->id, txn->head.md5);
    p->ops->ops[op->id] = *op;
    int rc = commit_op(p->store, txn, op);
    if (rc == TARN_OK)
        model_apply(&p->m, op);
    if (rc == TARN_OK && op->kind == OP_UPLOAD_CREATE)
        memcpy(p->m.upload_ids[p->number][op->upload], txn->upload_id, sizeof txn->upload_id);
    return rc;
}

static void put(struct producer *p, uint32_t slot)
{
    struct op op = new_op(p, OP_PUT, slot);
    struct store_txn txn = { .op = STORE_PUT };
    op.piece_count = 1;
    op.pieces[0] = (struct piece){ op.id, some_len(p), sim_rand_below(&p->rand, 6) == 0 };
    if (body_make(p->store, &op.pieces[0], &txn.body) == TARN_OK)
        (void)run_op(p, &txn, &op);
}

/* Opens an own object as the source of a change, whose bytes are then those of the source. */
static bool use_own(struct producer *p, uint32_t slot, struct store_txn *txn, struct op *op)
{
    char bucket[32];
    char key[32];
    name_bucket(bucket, sizeof bucket, p->number, slot);
    name_key(key, sizeof key, p->number, slot);
    if (p->store->ops->object_open(p->store, tn_str_from(bucket), tn_str_from(key), true,
                                   &txn->source, NULL) < 0)
        return false;
    const struct op *source = &p->ops->ops[mine(p)->objects[slot]];
    op->piece_count = source->piece_count;
    memcpy(op->pieces, source->pieces, sizeof op->pieces);
    txn->head.part_count = p->store->ops->object_head(txn->source)->part_count;
    return true;
}

static void rename_object(struct producer *p, uint32_t slot)
{
    uint32_t from = (uint32_t)sim_rand_below(&p->rand, SLOT_TEMPORARY);
    struct store_txn txn = { .op = STORE_RENAME };
    if (from == slot || !mine(p)->objects[from])
        return;
    struct op op = new_op(p, OP_RENAME, slot);
    op.from = from;
    if (!use_own(p, from, &txn, &op))
        return;
    (void)run_op(p, &txn, &op);
    p->store->ops->object_close(txn.source);
}

static void append(struct producer *p, uint32_t slot)
{
    struct store_txn txn = { .op = STORE_PUT };
    if (!mine(p)->objects[slot])
        return;
    struct op op = new_op(p, OP_APPEND, slot);
    if (!use_own(p, slot, &txn, &op))
        return;
    if (op.piece_count < PIECE_MAX && p->store->ops->object_is_apart(txn.source)) {
        struct piece *added = &op.pieces[op.piece_count++];
        *added = (struct piece){ op.id, some_len(p), true };
        if (body_make(p->store, added, &txn.body) == TARN_OK)
            (void)run_op(p, &txn, &op);
    }
    p->store->ops->object_close(txn.source);
}

/* One version that the slot has, by the store's own list of them. */
static const struct version_state *some_version(struct producer *p, uint32_t slot,
                                                struct store_version *out)
{
    struct observed_versions all;
    const struct version_state *v = model_versions(mine(p), slot);
    char bucket[32];
    char key[32];
    name_bucket(bucket, sizeof bucket, p->number, slot);
    name_key(key, sizeof key, p->number, slot);
    if (observe_versions(p->store, bucket, key, &all, p->why, sizeof p->why) < 0 || !all.count)
        return NULL;
    size_t i = (size_t)sim_rand_below(&p->rand, all.count);
    *out = observed_version(&all.items[i]);
    return &v[i];
}

static void delete_version(struct producer *p, uint32_t slot)
{
    struct store_txn txn = { .op = STORE_DELETE };
    const struct version_state *v = some_version(p, slot, &txn.version);
    if (!v)
        return;
    struct op op = new_op(p, OP_VERSION_DELETE, slot);
    op.target = v->op;
    (void)run_op(p, &txn, &op);
}

/* Metadata of an old version, as tags and holds change it. */
static void change_version(struct producer *p, uint32_t slot)
{
    char bucket[32];
    char key[32];
    struct store_version version;
    struct store_txn txn = { .op = STORE_PUT, .keeps_version = true };
    const struct version_state *v = some_version(p, slot, &version);
    name_bucket(bucket, sizeof bucket, p->number, slot);
    name_key(key, sizeof key, p->number, slot);
    if (!v || v->is_marker ||
        p->store->ops->version_open(p->store, tn_str_from(bucket), tn_str_from(key), &version,
                                    &txn.source, NULL) < 0)
        return;
    struct op op = new_op(p, OP_VERSION_META, slot);
    const struct op *source = &p->ops->ops[v->op];
    op.target = v->op;
    op.piece_count = source->piece_count;
    memcpy(op.pieces, source->pieces, sizeof op.pieces);
    txn.head.part_count = p->store->ops->object_head(txn.source)->part_count;
    (void)run_op(p, &txn, &op);
    p->store->ops->object_close(txn.source);
}

static void delete_object(struct producer *p, uint32_t slot)
{
    struct op op = new_op(p, OP_DELETE, slot);
    struct store_txn txn = { .op = STORE_DELETE };
    (void)run_op(p, &txn, &op);
}

/* The bytes of some producer's object under another name. */
static void copy(struct producer *p, uint32_t slot)
{
    char bucket[32];
    char key[32];
    uint32_t from = (uint32_t)sim_rand_below(&p->rand, p->w->producer_count);
    uint32_t from_slot = (uint32_t)sim_rand_below(&p->rand, SLOT_COUNT);
    struct store_txn txn = { .op = STORE_PUT };
    name_bucket(bucket, sizeof bucket, from, from_slot);
    name_key(key, sizeof key, from, from_slot);
    if (p->store->ops->object_open(p->store, tn_str_from(bucket), tn_str_from(key), true,
                                   &txn.source, NULL) < 0)
        return;
    const struct store_head *head = p->store->ops->object_head(txn.source);
    struct op op = new_op(p, OP_COPY, slot);
    const struct op *source = &p->ops->ops[head->attrs % OP_MAX];
    op.piece_count = source->piece_count;
    memcpy(op.pieces, source->pieces, sizeof op.pieces);
    txn.head.part_count = head->part_count;
    (void)run_op(p, &txn, &op);
    p->store->ops->object_close(txn.source);
}

static void change_bucket(struct producer *p, enum op_kind kind, uint32_t slot)
{
    static const enum store_op ops[] = {
        [OP_MAIN_CREATE] = STORE_BUCKET_CREATE,   [OP_MAIN_CONFIG] = STORE_BUCKET_CONFIG,
        [OP_BUCKET_CREATE] = STORE_BUCKET_CREATE, [OP_BUCKET_CONFIG] = STORE_BUCKET_CONFIG,
        [OP_BUCKET_DELETE] = STORE_BUCKET_DELETE,
    };
    struct op op = new_op(p, kind, slot);
    struct store_txn txn = { .op = ops[kind] };
    bool is_first = kind == OP_BUCKET_CREATE;
    if (is_first || kind == OP_BUCKET_CONFIG)
        op.versioning = (uint32_t)sim_rand_below(&p->rand, 2) + !is_first;
    txn.versioning = (enum store_versioning)op.versioning;
    (void)run_op(p, &txn, &op);
}

static void create_upload(struct producer *p, uint32_t upload)
{
    struct op op = new_op(p, OP_UPLOAD_CREATE, upload);
    struct store_txn txn = { .op = STORE_UPLOAD_CREATE };
    op.upload = upload;
    (void)run_op(p, &txn, &op);
}

static void use_upload(struct producer *p, struct store_txn *txn, struct op *op, uint32_t upload)
{
    op->upload = upload;
    memcpy(txn->upload_id, p->m.upload_ids[p->number][upload], sizeof txn->upload_id);
    memcpy(op->upload_id, txn->upload_id, sizeof op->upload_id);
}

static void put_part(struct producer *p, uint32_t upload)
{
    struct op op = new_op(p, OP_PART, upload);
    struct store_txn txn = { .op = STORE_PART_PUT };
    use_upload(p, &txn, &op, upload);
    op.part = txn.part_number = 1 + (uint32_t)sim_rand_below(&p->rand, PART_COUNT);
    op.piece_count = 1;
    op.pieces[0] = (struct piece){ .seed = op.id, .len = some_len(p) };
    if (body_make(p->store, &op.pieces[0], &txn.body) == TARN_OK)
        (void)run_op(p, &txn, &op);
}

static void abort_upload(struct producer *p, uint32_t upload)
{
    struct op op = new_op(p, OP_ABORT, upload);
    struct store_txn txn = { .op = STORE_UPLOAD_ABORT };
    use_upload(p, &txn, &op, upload);
    (void)run_op(p, &txn, &op);
}

/* Parts as the store lists them; those that it does not know by now are an error of the store. */
static int complete(struct producer *p, uint32_t upload)
{
    struct observed_parts parts;
    char key[32];
    struct op op = new_op(p, OP_COMPLETE, upload);
    struct store_txn txn = { .op = STORE_UPLOAD_COMPLETE };
    use_upload(p, &txn, &op, upload);
    name_key(key, sizeof key, p->number, upload);
    int rc = observe_parts(p->store, key, txn.upload_id, &parts, p->why, sizeof p->why);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < parts.count; i++) {
        const struct op *part = &p->ops->ops[parts.items[i].head.attrs % OP_MAX];
        op.pieces[op.piece_count++] = part->pieces[0];
    }
    txn.parts = parts.items;
    txn.part_count = parts.count;
    txn.head.part_count = (uint32_t)parts.count;
    rc = run_op(p, &txn, &op);
    observed_parts_release(&parts);
    return rc;
}

static void change_upload(struct producer *p, uint32_t upload)
{
    const struct upload_state *u = &mine(p)->uploads[upload];
    size_t parts = 0;
    for (size_t i = 0; i < PART_COUNT; i++)
        parts += u->parts[i] != 0;
    uint64_t choice = sim_rand_below(&p->rand, 10);
    if (!u->op) {
        create_upload(p, upload);
    } else if (choice == 0) {
        abort_upload(p, upload);
    } else if (parts && choice < 1 + parts) {
        for (int i = 0; i < RETRY_MAX && complete(p, upload) == TARN_EAGAIN; i++) {
            /* vacuum has moved a part in between */
        }
    } else {
        put_part(p, upload);
    }
}

static void change_temporary(struct producer *p)
{
    uint32_t slot =
        SLOT_TEMPORARY + (uint32_t)sim_rand_below(&p->rand, SLOT_COUNT - SLOT_TEMPORARY);
    uint64_t choice = sim_rand_below(&p->rand, 10);
    if (!mine(p)->bucket)
        change_bucket(p, OP_BUCKET_CREATE, slot);
    else if (choice == 0)
        change_bucket(p, OP_BUCKET_CONFIG, slot);
    else if (choice == 1)
        change_bucket(p, OP_BUCKET_DELETE, slot); /* refused while it holds objects */
    else if (choice < 4 || model_versions(mine(p), slot)[VERSION_COUNT - 1].op)
        delete_version(p, slot);
    else if (choice < 5)
        change_version(p, slot);
    else if (choice < 7)
        delete_object(p, slot);
    else
        put(p, slot);
}

/* Reads its own: nothing of it is under way. */
static void look(struct producer *p)
{
    uint32_t slot = (uint32_t)sim_rand_below(&p->rand, SLOT_COUNT);
    uint32_t found = 0;
    enum observed seen =
        observe_object(p->store, p->ops, p->number, slot, &found, p->why, sizeof p->why);
    if (seen == OBSERVE_FAILED)
        return; /* an error is an answer, where faults are injected */
    if (seen == OBSERVE_WRONG) {
        p->is_wrong = true;
    } else if (found != mine(p)->objects[slot]) {
        (void)snprintf(p->why, sizeof p->why, "producer %u reads %u in slot %u, not %u", p->number,
                       found, slot, mine(p)->objects[slot]);
        p->is_wrong = true;
    }
    if (p->is_wrong)
        sim_mark(MARK_WRONG, p->why, sizeof p->why);
}

static void step(struct producer *p)
{
    uint32_t slot = (uint32_t)sim_rand_below(&p->rand, SLOT_TEMPORARY);
    uint64_t choice = sim_rand_below(&p->rand, 23);
    if (choice < 8)
        put(p, slot);
    else if (choice < 10)
        delete_object(p, slot);
    else if (choice < 11)
        copy(p, slot);
    else if (choice < 12)
        rename_object(p, slot);
    else if (choice < 14)
        append(p, slot);
    else if (choice < 18)
        change_upload(p, (uint32_t)sim_rand_below(&p->rand, UPLOAD_COUNT));
    else if (choice < 21)
        change_temporary(p);
    else if (choice < 22 || p->number != 0)
        look(p);
    else
        change_bucket(p, OP_MAIN_CONFIG, 0);
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (uint32_t i = 0; i < p->w->op_count && !p->is_wrong; i++) {
        step(p);
        if (p->w->has_pauses && sim_rand_below(&p->rand, 6) == 0)
            (void)usleep((useconds_t)sim_rand_below(&p->rand, 1500));
    }
    return NULL;
}

bool producers_run(struct store *s, const struct workload *w, const struct model *m,
                   struct op_table *ops, uint32_t *next_op, char *why, size_t cap)
{
    struct producer *all = tn_calloc(w->producer_count, sizeof *all);
    pthread_t threads[PRODUCER_MAX];
    _Atomic(uint32_t) next = *next_op;
    bool is_right = true;
    if (!all)
        abort();
    for (uint32_t i = 0; i < w->producer_count; i++) {
        all[i] = (struct producer){ .store = s,
                                    .w = w,
                                    .ops = ops,
                                    .next_op = &next,
                                    .number = i,
                                    .rand = { w->seed * 16 + i },
                                    .m = *m };
    }
    if (!m->main_bucket)
        change_bucket(&all[0], OP_MAIN_CREATE, 0);
    for (uint32_t i = 0; i < w->producer_count; i++) {
        if (pthread_create(&threads[i], NULL, produce, &all[i]) != 0)
            abort();
    }
    for (uint32_t i = 0; i < w->producer_count; i++) {
        (void)pthread_join(threads[i], NULL);
        if (all[i].is_wrong) {
            is_right = false;
            (void)snprintf(why, cap, "%s", all[i].why);
        }
    }
    *next_op = next;
    tn_free(all);
    return is_right;
}
