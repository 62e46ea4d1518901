/* SPDX-License-Identifier: Apache-2.0 */
/* Trees, the journal, and what is left of both after a cut. */

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "crash/sim_impl.h"

uint64_t sim_rand_next(struct sim_rand *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_rand_below(struct sim_rand *r, uint64_t limit)
{
    return sim_rand_next(r) % limit;
}

void *sim_grow(void *p, size_t *cap, size_t need, size_t each)
{
    if (need <= *cap)
        return p;
    size_t more = *cap ? *cap * 2 : 8;
    more = more < need ? need : more;
    p = tn_realloc(p, more * each);
    if (!p)
        abort();
    *cap = more;
    return p;
}

/* --- Trees --- */

uint32_t sim_inode_add(struct sim_tree *t, bool is_dir)
{
    t->inodes = sim_grow(t->inodes, &t->cap, t->count + 1, sizeof *t->inodes);
    t->inodes[t->count] = (struct sim_inode){ .is_dir = is_dir };
    return (uint32_t)t->count++;
}

void sim_tree_init(struct sim_tree *t)
{
    *t = (struct sim_tree){ 0 };
    (void)sim_inode_add(t, true);
}

void sim_tree_release(struct sim_tree *t)
{
    for (size_t i = 0; i < t->count; i++) {
        tn_free(t->inodes[i].data);
        tn_free(t->inodes[i].entries);
    }
    tn_free(t->inodes);
    *t = (struct sim_tree){ 0 };
}

void sim_tree_copy(struct sim_tree *to, const struct sim_tree *from)
{
    sim_tree_release(to);
    to->inodes = sim_grow(NULL, &to->cap, from->count, sizeof *to->inodes);
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        struct sim_inode copy = from->inodes[i];
        copy.data = NULL;
        copy.entries = NULL;
        copy.cap = copy.entry_cap = 0;
        copy.data = sim_grow(NULL, &copy.cap, copy.len, 1);
        copy.entries = sim_grow(NULL, &copy.entry_cap, copy.entry_count, sizeof *copy.entries);
        if (copy.len)
            memcpy(copy.data, from->inodes[i].data, copy.len);
        if (copy.entry_count)
            memcpy(copy.entries, from->inodes[i].entries, copy.entry_count * sizeof *copy.entries);
        to->inodes[i] = copy;
    }
}

struct sim_entry *sim_entry_find(const struct sim_tree *t, uint32_t dir, const char *name)
{
    const struct sim_inode *d = &t->inodes[dir];
    for (size_t i = 0; i < d->entry_count; i++) {
        struct sim_entry *e = &d->entries[i];
        if (e->name[0] == name[0] && e->name[1] == name[1] && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

void sim_entry_set(struct sim_tree *t, uint32_t dir, const char *name, uint32_t inode)
{
    struct sim_inode *d = &t->inodes[dir];
    struct sim_entry *e = sim_entry_find(t, dir, name);
    if (!e) {
        d->entries = sim_grow(d->entries, &d->entry_cap, d->entry_count + 1, sizeof *d->entries);
        e = &d->entries[d->entry_count++];
        (void)snprintf(e->name, sizeof e->name, "%s", name);
    }
    e->inode = inode;
}

void sim_entry_remove(struct sim_tree *t, uint32_t dir, const char *name)
{
    struct sim_inode *d = &t->inodes[dir];
    struct sim_entry *e = sim_entry_find(t, dir, name);
    if (e)
        *e = d->entries[--d->entry_count];
}

/* The directory of `path` and the name in it; false when that directory is not there. */
bool sim_tree_walk(const struct sim_tree *t, const char *path, uint32_t *dir, char *name)
{
    *dir = SIM_ROOT;
    name[0] = '\0';
    while (*path == '/')
        path++;
    while (*path) {
        size_t len = strcspn(path, "/");
        if (name[0]) {
            const struct sim_entry *e = sim_entry_find(t, *dir, name);
            if (!e || !t->inodes[e->inode].is_dir)
                return false;
            *dir = e->inode;
        }
        assert(len < SIM_NAME_MAX);
        memcpy(name, path, len);
        name[len] = '\0';
        path += len;
        while (*path == '/')
            path++;
    }
    return true;
}

uint32_t sim_tree_find(const struct sim_tree *t, const char *path)
{
    uint32_t dir;
    char name[SIM_NAME_MAX];
    if (!sim_tree_walk(t, path, &dir, name))
        return UINT32_MAX;
    if (!name[0])
        return dir;
    const struct sim_entry *e = sim_entry_find(t, dir, name);
    return e ? e->inode : UINT32_MAX;
}

void sim_tree_remove(struct sim_tree *t, const char *path)
{
    uint32_t dir;
    char name[SIM_NAME_MAX];
    if (sim_tree_walk(t, path, &dir, name))
        sim_entry_remove(t, dir, name);
}

void sim_inode_resize(struct sim_inode *f, uint64_t len)
{
    f->data = sim_grow(f->data, &f->cap, (size_t)len, 1);
    if (len > f->len)
        memset(f->data + f->len, 0, (size_t)len - f->len);
    f->len = (size_t)len;
}

static bool extract_dir(const struct sim_tree *t, uint32_t inode, const char *dir)
{
    struct tarn_error err = { 0 };
    if (tn_dir_make(dir, 0700, &err) < 0)
        return false;
    const struct sim_inode *d = &t->inodes[inode];
    for (size_t i = 0; i < d->entry_count; i++) {
        char path[1024];
        const struct sim_inode *f = &t->inodes[d->entries[i].inode];
        (void)snprintf(path, sizeof path, "%s/%s", dir, d->entries[i].name);
        struct tn_str bytes = { (const char *)f->data, f->len };
        if (f->is_dir ? !extract_dir(t, d->entries[i].inode, path) /* as deep as the store is */
                      : tn_file_replace(path, bytes, 0600, &err) < 0)
            return false;
    }
    return true;
}

bool sim_tree_extract(const struct sim_tree *t, const char *dir)
{
    return extract_dir(t, SIM_ROOT, dir);
}

/* --- The journal --- */

struct sim_journal *sim_journal_new(size_t cap)
{
    struct sim_journal *j =
        mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (j == MAP_FAILED)
        abort();
    j->cap = cap - sizeof *j;
    return j;
}

void sim_journal_reset(struct sim_journal *j)
{
    j->len = j->count = j->calls = 0;
}

struct sim_event *sim_journal_add(struct sim_journal *j, enum sim_event_type type, size_t len)
{
    size_t total = (sizeof(struct sim_event) + len + 7) & ~(size_t)7;
    if (j->len + total > j->cap) {
        (void)fprintf(stderr, "tarn-crash: the journal is full\n");
        abort();
    }
    struct sim_event *e = (struct sim_event *)(void *)(j->events + j->len);
    memset(e, 0, sizeof *e);
    e->type = type;
    e->total_len = (uint32_t)total;
    j->len += total;
    j->count++;
    return e;
}

/* --- The track --- */

void sim_track_init(struct sim_track *t, const struct sim_tree *base, const struct sim_journal *j,
                    uint64_t seed)
{
    *t = (struct sim_track){ .journal = j, .rand = { seed } };
    sim_tree_copy(&t->durable, base);
}

void sim_track_release(struct sim_track *t)
{
    sim_tree_release(&t->durable);
    tn_free(t->pending);
    *t = (struct sim_track){ 0 };
}

/* Applies bytes [from, to) of a write. */
static void apply_write(struct sim_tree *t, const struct sim_event *e, uint64_t from, uint64_t to)
{
    struct sim_inode *f = &t->inodes[e->inode];
    if (from >= to)
        return;
    if (e->offset + to > f->len)
        sim_inode_resize(f, e->offset + to);
    if (e->type == SIM_ZERO)
        memset(f->data + e->offset + from, 0, (size_t)(to - from));
    else
        memcpy(f->data + e->offset + from, e->bytes + from, (size_t)(to - from));
}

static void apply_rename(struct sim_tree *t, const struct sim_event *e)
{
    const struct sim_entry *from = sim_entry_find(t, e->dir, e->name);
    if (from && from->inode == e->inode)
        sim_entry_remove(t, e->dir, e->name);
    sim_entry_set(t, e->dir, e->to, e->inode);
}

static void apply_event(struct sim_tree *t, const struct sim_event *e)
{
    switch (e->type) {
    case SIM_WRITE:
    case SIM_ZERO:
        apply_write(t, e, 0, e->len);
        break;
    case SIM_SIZE:
        sim_inode_resize(&t->inodes[e->inode], e->len);
        break;
    case SIM_CREATE:
        sim_entry_set(t, e->dir, e->name, e->inode);
        break;
    case SIM_RENAME:
        apply_rename(t, e);
        break;
    case SIM_UNLINK:
        sim_entry_remove(t, e->dir, e->name);
        break;
    default:
        break;
    }
}

static bool is_of(const struct sim_event *e, uint32_t inode)
{
    bool is_data = e->type == SIM_WRITE || e->type == SIM_ZERO || e->type == SIM_SIZE;
    return (is_data ? e->inode : e->dir) == inode;
}

/* Bytes up to the end of the sector that holds byte `at` of the write. */
static uint64_t sector_end(const struct sim_event *e, uint64_t at)
{
    uint64_t end = (e->offset + at) / SIM_SECTOR_LEN * SIM_SECTOR_LEN + SIM_SECTOR_LEN - e->offset;
    return end < e->len ? end : e->len;
}

static void apply_torn(struct sim_tree *t, const struct sim_event *e, struct sim_rand *r)
{
    if (e->type != SIM_WRITE && e->type != SIM_ZERO) {
        if (sim_rand_below(r, 2))
            apply_event(t, e);
        return;
    }
    uint64_t sectors = (e->offset % SIM_SECTOR_LEN + e->len + SIM_SECTOR_LEN - 1) / SIM_SECTOR_LEN;
    bool is_prefix = sim_rand_below(r, 2);
    uint64_t keep = sim_rand_below(r, sectors + 1);
    for (uint64_t at = 0, i = 0; at < e->len; i++) {
        uint64_t end = sector_end(e, at);
        if (is_prefix ? i < keep : sim_rand_below(r, 2))
            apply_write(t, e, at, end);
        at = end;
    }
}

static void sync_inode(struct sim_track *t, uint32_t inode, bool is_failed)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->pending_count; i++) {
        const struct sim_event *e = t->pending[i].event;
        if (!is_of(e, inode))
            t->pending[kept++] = t->pending[i];
        else if (is_failed)
            apply_torn(&t->durable, e, &t->rand);
        else
            apply_event(&t->durable, e);
    }
    t->pending_count = kept;
}

const struct sim_event *sim_track_next(struct sim_track *t)
{
    if (t->at >= t->journal->len)
        return NULL;
    const struct sim_event *e =
        (const struct sim_event *)(const void *)(t->journal->events + t->at);
    t->at += e->total_len;
    t->index++;
    if (e->type == SIM_SYNC || e->type == SIM_SYNC_FAILED) {
        sync_inode(t, e->inode, e->type == SIM_SYNC_FAILED);
    } else if (e->type != SIM_MARK) {
        while (e->type == SIM_CREATE && t->durable.count <= e->inode)
            (void)sim_inode_add(&t->durable, e->offset != 0);
        t->pending =
            sim_grow(t->pending, &t->pending_cap, t->pending_count + 1, sizeof *t->pending);
        t->pending[t->pending_count++].event = e;
    }
    return e;
}

/* Bytes that no name leads to are gone. */
static void drop_nameless(struct sim_tree *t)
{
    bool *is_named = tn_calloc(t->count, sizeof *is_named);
    if (!is_named)
        abort();
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->inodes[i].entry_count; k++)
            is_named[t->inodes[i].entries[k].inode] = true;
    }
    for (size_t i = 1; i < t->count; i++) {
        if (!is_named[i]) {
            tn_free(TN_TAKE(t->inodes[i].data));
            t->inodes[i].len = t->inodes[i].cap = 0;
        }
    }
    tn_free(is_named);
}

void sim_survive(const struct sim_track *t, enum sim_survival how, struct sim_rand *r,
                 struct sim_tree *out)
{
    size_t count = t->pending_count;
    size_t point = (size_t)sim_rand_below(r, count + 1);
    uint64_t odds = 1 + sim_rand_below(r, 9);
    sim_tree_copy(out, &t->durable);
    for (size_t i = 0; i < count; i++) {
        const struct sim_event *e = t->pending[i].event;
        bool is_kept = how == SIM_SURVIVE_ALL || (how == SIM_SURVIVE_PREFIX && i < point) ||
                       (how == SIM_SURVIVE_SOME && sim_rand_below(r, 10) < odds) ||
                       (how == SIM_SURVIVE_BUT_ONE && i != point) ||
                       (how == SIM_SURVIVE_ONE && i == point);
        bool is_torn = (how == SIM_SURVIVE_PREFIX && i == point) ||
                       (how == SIM_SURVIVE_SOME && sim_rand_below(r, 4) == 0);
        if (is_torn)
            apply_torn(out, e, r);
        else if (is_kept)
            apply_event(out, e);
    }
    drop_nameless(out);
}
