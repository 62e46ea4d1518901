/* SPDX-License-Identifier: Apache-2.0 */
/* Single bits turn over in the files of a store that is not running: what is read must be the bytes
 * that were written, or an error. Damage of the index is gone with the next start. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/observe.h"
#include "crash/runs.h"

enum { FLIP_OPS = 120, FLIP_PRODUCERS = 2 };

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)fprintf(stderr, "fatal: %s\n", reason);
    abort();
}

static struct setting flip_setting(const struct runner *r)
{
    return (struct setting){ r->root, 8192, 128 * 1024, on_fatal };
}

void populate(struct runner *r, uint64_t seed, bool is_killed, struct sim_tree *out,
              struct model *m)
{
    struct setting x = flip_setting(r);
    struct workload w = { .seed = seed,
                          .producer_count = FLIP_PRODUCERS,
                          .op_count = FLIP_OPS,
                          .inline_max = x.inline_max,
                          .segment_len = x.segment_len };
    struct store *s;
    struct tarn_error err = { 0 };
    struct model none = { 0 };
    char why[400] = "";
    uint32_t next_op = 1;
    sim_tree_init(out);
    sim_start(x.root, out, NULL, NULL);
    if (setting_open(&x, &s, &err) < 0 ||
        !producers_run(s, &w, &none, &r->ops, &next_op, why, sizeof why) ||
        observe_all(s, &r->ops, m, why, sizeof why) != OBSERVE_OK) {
        (void)fprintf(stderr, "tarn-crash: could not fill a store: %s %s\n", err.message, why);
        abort();
    }
    struct sim_tree killed = { 0 };
    if (is_killed)
        sim_copy(&killed);
    s->ops->close(s);
    sim_stop(out);
    if (is_killed) {
        sim_tree_release(out);
        *out = killed;
    }
}

/* --- What can be hit --- */

struct target {
    uint32_t inode;
    uint64_t len;
};

struct targets {
    struct target files[512];
    size_t count;
};

static void add_targets(const struct sim_tree *t, const char *path, const char *only,
                        struct targets *out)
{
    uint32_t dir = sim_tree_find(t, path);
    for (size_t i = 0; dir != UINT32_MAX && i < t->inodes[dir].entry_count; i++) {
        const struct sim_entry *e = &t->inodes[dir].entries[i];
        const struct sim_inode *f = &t->inodes[e->inode];
        if (!f->is_dir && f->len && strstr(e->name, only) && out->count < TN_COUNT(out->files))
            out->files[out->count++] = (struct target){ e->inode, f->len };
    }
}

static void find_targets(const struct sim_tree *t, struct targets kinds[3])
{
    char path[32];
    memset(kinds, 0, 3 * sizeof kinds[0]);
    add_targets(t, "s/log", ".seg", &kinds[0]);
    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(path, sizeof path, "s/blob/%02x", i);
        add_targets(t, path, "", &kinds[1]);
    }
    add_targets(t, "s", "index.sqlite", &kinds[2]);
}

/* A byte that is not zero, when a few tries find one: what is never written says little. */
static uint64_t pick_byte(const struct sim_inode *f, struct sim_rand *rand)
{
    uint64_t at = 0;
    for (int i = 0; i < 8; i++) {
        at = sim_rand_below(rand, f->len);
        if (f->data[at])
            break;
    }
    return at;
}

/* --- Reading all of it --- */

struct flip {
    uint32_t inode;
    uint64_t at;
    unsigned bit;
    bool is_index;
};

enum flip_result { FLIP_HARMLESS, FLIP_DETECTED, FLIP_HIDDEN, FLIP_WRONG };

static enum flip_result read_objects(struct store *s, const struct op_table *ops,
                                     const struct model *m, char *why, size_t cap)
{
    enum flip_result result = FLIP_HARMLESS;
    for (uint32_t p = 0; p < FLIP_PRODUCERS; p++) {
        for (uint32_t i = 0; i < SLOT_COUNT; i++) {
            uint32_t found;
            enum observed seen = observe_object(s, ops, p, i, &found, why, cap);
            enum flip_result one = seen == OBSERVE_WRONG                 ? FLIP_WRONG
                                   : seen == OBSERVE_FAILED              ? FLIP_DETECTED
                                   : found == m->producers[p].objects[i] ? FLIP_HARMLESS
                                   : found                               ? FLIP_WRONG
                                                                         : FLIP_HIDDEN;
            if (one == FLIP_HIDDEN || (one == FLIP_WRONG && seen != OBSERVE_WRONG))
                (void)snprintf(why, cap, "slot %u of producer %u: %u instead of %u", i, p, found,
                               m->producers[p].objects[i]);
            result = one > result ? one : result;
            if (result == FLIP_WRONG)
                return result;
        }
    }
    return result;
}

static enum flip_result read_all(struct store *s, const struct op_table *ops, const struct model *m,
                                 char *why, size_t cap)
{
    enum flip_result result = read_objects(s, ops, m, why, cap);
    struct model seen;
    char more[400] = "";
    if (result != FLIP_HARMLESS)
        return result;
    enum observed listed = observe_all(s, ops, &seen, more, sizeof more);
    if (listed == OBSERVE_FAILED)
        return FLIP_DETECTED;
    if (listed == OBSERVE_OK && model_judge(m, ops, &seen, more, sizeof more) == VERDICT_OK)
        return FLIP_HARMLESS;
    (void)snprintf(why, cap, "%s", more);
    return FLIP_HIDDEN;
}

/* The index that was found damaged is another now. */
static enum flip_result read_repaired(const struct setting *x, const struct op_table *ops,
                                      const struct model *m, char *why, size_t cap)
{
    struct store *s;
    struct tarn_error err = { 0 };
    char what[400] = "";
    if (setting_open(x, &s, &err) < 0) {
        (void)snprintf(why, cap, "it does not open again: %s", err.message);
        return FLIP_WRONG;
    }
    enum flip_result result = read_all(s, ops, m, what, sizeof what);
    s->ops->close(s);
    if (result == FLIP_HARMLESS)
        return FLIP_DETECTED;
    (void)snprintf(why, cap, "when it is opened again: %s", what);
    return FLIP_WRONG;
}

static enum flip_result flip(struct runner *r, const struct sim_tree *tree, const struct model *m,
                             const struct flip *f, char *why, size_t cap)
{
    struct setting x = flip_setting(r);
    struct sim_tree live = { 0 };
    struct store *s;
    enum flip_result result = FLIP_DETECTED;
    sim_tree_copy(&live, tree);
    live.inodes[f->inode].data[f->at] ^= (unsigned char)(1u << f->bit);
    sim_start(x.root, &live, NULL, NULL);
    if (setting_open(&x, &s, NULL) == TARN_OK) {
        result = read_all(s, &r->ops, m, why, cap);
        s->ops->close(s);
    }
    if (f->is_index && result == FLIP_DETECTED)
        result = read_repaired(&x, &r->ops, m, why, cap);
    sim_stop(&live);
    sim_tree_release(&live);
    return result;
}

/* Of a store that was killed, only the index and its WAL: damage in the last records of its log
 * cannot be told from a commit that the kill has torn. */
void flips_run(struct runner *r, uint64_t seed, uint64_t count)
{
    bool is_killed = seed % 4 == 0;
    static const char *const names[] = { "log", "blob", "index" };
    struct sim_rand rand = { seed };
    struct sim_tree tree;
    struct model m;
    struct targets kinds[3];
    struct tally *t = r->tally;
    memset(&r->ops, 0, sizeof r->ops);
    populate(r, seed, is_killed, &tree, &m);
    find_targets(&tree, kinds);
    for (uint64_t i = 0; i < count; i++) {
        size_t kind = is_killed ? 2 : (size_t)(i % 3);
        char why[700] = "";
        if (!kinds[kind].count)
            kind = 0;
        uint32_t inode = kinds[kind].files[sim_rand_below(&rand, kinds[kind].count)].inode;
        struct flip f = { .inode = inode, .is_index = kind == 2 };
        f.at = pick_byte(&tree.inodes[inode], &rand);
        f.bit = (unsigned)sim_rand_below(&rand, 8);
        enum flip_result result = flip(r, &tree, &m, &f, why, sizeof why);
        atomic_fetch_add(&t->flips, 1);
        atomic_fetch_add(result == FLIP_WRONG      ? &t->flips_wrong
                         : result == FLIP_DETECTED ? &t->flips_detected
                         : result == FLIP_HIDDEN   ? &t->flips_hidden
                                                   : &t->flips_harmless,
                         1);
        if (result == FLIP_WRONG || (result == FLIP_HIDDEN && r->is_verbose))
            tally_line(t, "%s: flip seed %llu, %s, byte %llu bit %u: %s",
                       result == FLIP_WRONG ? "wrong" : "hidden", (unsigned long long)seed,
                       names[kind], (unsigned long long)f.at, f.bit, why);
    }
    sim_tree_release(&tree);
}
