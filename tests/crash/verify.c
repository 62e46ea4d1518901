/* SPDX-License-Identifier: Apache-2.0 */
/* Verification after a cut. */

#include "crash/verify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash/observe.h"
#include "crash/producer.h"
#include "server/store/log_store.h"

enum {
    SWEEP_POLLS = 4000,
    SWEEP_POLL_US = 500,
    CLOCK_STEP_US = 1100, /* blobs of one millisecond are of one process */
    OP_VERIFY_FIRST = OP_MAX - 8,
};

const char *const outcome_names[OUT_COUNT] = {
    [OUT_OK] = "right",      [OUT_LOST] = "lost",       [OUT_CHANGED] = "changed",
    [OUT_HALF] = "half",     [OUT_REFUSED] = "refused", [OUT_ERROR] = "error",
    [OUT_LEAKED] = "leaked", [OUT_REBUILT] = "rebuilt",
};

int setting_open(const struct setting *x, struct store **out, struct tarn_error *err)
{
    char dir[300];
    (void)snprintf(dir, sizeof dir, "%s/s", x->root);
    struct log_store_config config = {
        .dir = dir,
        .inline_max = x->inline_max,
        .segment_len = x->segment_len,
        .cache_max = 4096,
        .disk = &sim_disk,
        .on_fatal = x->on_fatal,
    };
    return log_store_open(&config, out, err);
}

void drop_index(struct sim_tree *t)
{
    sim_tree_remove(t, "s/index.sqlite");
    sim_tree_remove(t, "s/index.sqlite-wal");
    sim_tree_remove(t, "s/index.sqlite-shm");
    sim_tree_remove(t, "s/index.sqlite-journal");
}

struct check {
    const struct setting *setting;
    struct op_table *ops;
    struct store *store;
    char *why;
    size_t cap;
};

static enum outcome open_store(struct check *c)
{
    struct tarn_error err = { 0 };
    if (setting_open(c->setting, &c->store, &err) == TARN_OK)
        return OUT_OK;
    (void)snprintf(c->why, c->cap, "the store does not open: %s", err.message);
    return OUT_REFUSED;
}

static enum outcome look(struct check *c, struct model *seen)
{
    static const enum outcome outcomes[] = {
        [OBSERVE_OK] = OUT_OK, [OBSERVE_FAILED] = OUT_ERROR, [OBSERVE_WRONG] = OUT_CHANGED
    };
    return outcomes[observe_all(c->store, c->ops, seen, c->why, c->cap)];
}

static enum outcome compare(struct check *c, const struct model *want)
{
    static const enum outcome outcomes[] = {
        [VERDICT_OK] = OUT_OK,
        [VERDICT_LOST] = OUT_LOST,
        [VERDICT_CHANGED] = OUT_CHANGED,
        [VERDICT_HALF] = OUT_HALF,
    };
    struct model seen;
    enum outcome out = look(c, &seen);
    return out ? out : outcomes[model_judge(want, c->ops, &seen, c->why, c->cap)];
}

/* The sweeper works behind the start. */
static enum outcome check_leaks(struct check *c, const struct model *m)
{
    size_t want = model_count_blobs(m, c->ops, c->setting->inline_max);
    size_t got = sim_count_blobs();
    for (int i = 0; i < SWEEP_POLLS && got != want; i++) {
        (void)usleep(SWEEP_POLL_US);
        got = sim_count_blobs();
    }
    if (got == want)
        return OUT_OK;
    (void)snprintf(c->why, c->cap, "%zu blobs are there, %zu referred to", got, want);
    return got > want ? OUT_LEAKED : OUT_LOST;
}

/* --- The reopened store takes changes --- */

static enum outcome change(struct check *c, struct model *m, struct op op, struct store_txn *txn)
{
    char bucket[32];
    char key[32];
    char meta[128];
    name_bucket(bucket, sizeof bucket, op.producer, op.slot);
    name_key(key, sizeof key, op.producer, op.slot);
    txn->bucket = tn_str_from(bucket);
    txn->key = op.kind <= OP_BUCKET_DELETE ? TN_STR_EMPTY : tn_str_from(key);
    txn->meta = (struct tn_str){ meta, name_meta(meta, sizeof meta, op.id) };
    txn->head.attrs = op.id;
    txn->head.mtime_ms = observe_mtime(op.id);
    observe_md5(op.id, txn->head.md5);
    c->ops->ops[op.id] = op;
    if (op.kind == OP_PUT && body_make(c->store, &op.pieces[0], &txn->body) < 0)
        return snprintf(c->why, c->cap, "a body is refused after the cut") < 0 ? OUT_OK : OUT_ERROR;
    int rc = commit_and_wait(c->store, txn);
    if (rc == TARN_OK) {
        model_apply(m, &op);
        return OUT_OK;
    }
    (void)snprintf(c->why, c->cap, "change %u (kind %d) is refused after the cut: %s", op.id,
                   (int)op.kind, tarn_status_text(rc));
    return OUT_ERROR;
}

/* Completes the first open upload that has parts: their bytes can be read only so. */
static enum outcome complete_one(struct check *c, struct model *m)
{
    for (uint32_t i = 0; i < PRODUCER_MAX * UPLOAD_COUNT; i++) {
        uint32_t p = i / UPLOAD_COUNT;
        uint32_t u = i % UPLOAD_COUNT;
        char key[32];
        struct observed_parts parts;
        if (!m->producers[p].uploads[u].op)
            continue;
        name_key(key, sizeof key, p, u);
        if (observe_parts(c->store, key, m->upload_ids[p][u], &parts, c->why, c->cap) < 0)
            return OUT_ERROR;
        struct op op = {
            .id = OP_VERIFY_FIRST, .kind = OP_COMPLETE, .producer = p, .slot = u, .upload = u
        };
        struct store_txn txn = { .op = STORE_UPLOAD_COMPLETE,
                                 .parts = parts.items,
                                 .part_count = parts.count };
        txn.head.part_count = (uint32_t)parts.count;
        for (size_t k = 0; k < parts.count; k++)
            op.pieces[op.piece_count++] = c->ops->ops[parts.items[k].head.attrs].pieces[0];
        memcpy(txn.upload_id, m->upload_ids[p][u], sizeof txn.upload_id);
        size_t count = parts.count;
        enum outcome out = count ? change(c, m, op, &txn) : OUT_OK;
        bool is_moved = txn.status == TARN_EAGAIN; /* vacuum was faster */
        observed_parts_release(&parts);
        if (out && is_moved)
            return OUT_OK;
        if (count)
            return out;
    }
    return OUT_OK;
}

static enum outcome exercise(struct check *c, struct model *m)
{
    enum { SMALL = OP_VERIFY_FIRST + 1, LARGE, GONE, MAIN };
    uint32_t large_len = (uint32_t)c->setting->inline_max + 5000;
    struct op main = { .id = MAIN, .kind = OP_MAIN_CREATE };
    struct op small = { .id = SMALL,
                        .kind = OP_PUT,
                        .slot = 2,
                        .piece_count = 1,
                        .pieces = { { .seed = SMALL, .len = 700 } } };
    struct op large = { .id = LARGE,
                        .kind = OP_PUT,
                        .slot = 3,
                        .piece_count = 1,
                        .pieces = { { .seed = LARGE, .len = large_len } } };
    struct op gone = { .id = GONE, .kind = OP_DELETE, .slot = 4 };
    enum outcome out = OUT_OK;
    if (!m->main_bucket)
        out = change(c, m, main, &(struct store_txn){ .op = STORE_BUCKET_CREATE });
    if (!out)
        out = complete_one(c, m);
    if (!out)
        out = change(c, m, small, &(struct store_txn){ .op = STORE_PUT });
    if (!out)
        out = change(c, m, large, &(struct store_txn){ .op = STORE_PUT });
    if (!out)
        out = change(c, m, gone, &(struct store_txn){ .op = STORE_DELETE });
    return out;
}

/* --- The three openings --- */

static void close_store(struct check *c)
{
    if (c->store)
        c->store->ops->close(c->store);
    c->store = NULL;
    (void)usleep(CLOCK_STEP_US);
}

static void settle_model(struct model *m)
{
    memset(m->under_way, 0, sizeof m->under_way);
}

static enum outcome with_index(struct check *c, const struct model *m, struct model *seen)
{
    enum outcome out = open_store(c);
    if (!out)
        out = look(c, seen);
    if (!out) {
        static const enum outcome outcomes[] = { OUT_OK, OUT_LOST, OUT_CHANGED, OUT_HALF };
        out = outcomes[model_judge(m, c->ops, seen, c->why, c->cap)];
    }
    if (out)
        return out;
    struct model now = *seen;
    out = exercise(c, &now);
    if (!out)
        out = compare(c, &now);
    close_store(c);
    if (!out)
        out = open_store(c);
    if (!out)
        out = compare(c, &now);
    return out ? out : check_leaks(c, &now);
}

static enum outcome without_index(struct check *c, const struct model *seen)
{
    char why[400];
    enum outcome out = open_store(c);
    if (!out)
        out = compare(c, seen);
    if (!out)
        out = check_leaks(c, seen);
    if (!out)
        return OUT_OK;
    (void)snprintf(why, sizeof why, "%s", c->why);
    (void)snprintf(c->why, c->cap, "without its index: %s: %s", outcome_names[out], why);
    return OUT_REBUILT;
}

enum outcome verify(const struct setting *x, const struct sim_tree *tree, const struct model *m,
                    struct op_table *ops, struct model *seen, char *why, size_t cap)
{
    struct check c = { .setting = x, .ops = ops, .why = why, .cap = cap };
    struct sim_tree live = { 0 };
    sim_tree_copy(&live, tree);
    sim_start(x->root, &live, NULL, NULL);
    enum outcome out = with_index(&c, m, seen);
    close_store(&c);
    sim_stop(&live);
    if (!out) {
        settle_model(seen);
        sim_tree_copy(&live, tree);
        drop_index(&live);
        sim_start(x->root, &live, NULL, NULL);
        out = without_index(&c, seen);
        close_store(&c);
        sim_stop(&live);
    }
    sim_tree_release(&live);
    return out;
}
