/* SPDX-License-Identifier: Apache-2.0 */
/* A disk in memory that forgets what was not synced.
 *
 * The engine runs on the live tree through `sim_disk` (and SQLite through the VFS "sim"). Every
 * call that changes something is also written to a journal, together with marks of what was begun
 * and acknowledged. A cut of the power at any call is a prefix of that journal: the track plays it
 * into a tree of what is durable and a list of what is not, and sim_survive() makes one of the
 * trees that a real disk may hold after the cut. So one run gives as many cuts as it made calls.
 *
 * One disk per process: disk_ops has no context. */

#ifndef TESTS_CRASH_SIM_H
#define TESTS_CRASH_SIM_H

#include <pthread.h>

#include "server/store/disk.h"

enum { SIM_NAME_MAX = 48, SIM_SECTOR_LEN = 512, SIM_ROOT = 0 };

/* --- Random numbers that a seed repeats --- */

struct sim_rand {
    uint64_t state;
};

uint64_t sim_rand_next(struct sim_rand *r);
uint64_t sim_rand_below(struct sim_rand *r, uint64_t limit);

/* --- Trees --- */

struct sim_entry {
    char name[SIM_NAME_MAX];
    uint32_t inode;
};

struct sim_inode {
    bool is_dir;
    unsigned char *data;
    size_t len, cap;
    struct sim_entry *entries;
    size_t entry_count, entry_cap;
};

/* Inode 0 is the directory above the store's; numbers are never used again. */
struct sim_tree {
    struct sim_inode *inodes;
    size_t count, cap;
};

void sim_tree_init(struct sim_tree *t);
void sim_tree_release(struct sim_tree *t);
void sim_tree_copy(struct sim_tree *to, const struct sim_tree *from); /* `to` is released first */

/* The inode of `path`, which is relative to the root; UINT32_MAX when there is none. */
uint32_t sim_tree_find(const struct sim_tree *t, const char *path);
void sim_tree_remove(struct sim_tree *t, const char *path); /* gone already is fine */

/* Writes every file below a real directory. */
bool sim_tree_extract(const struct sim_tree *t, const char *dir);

/* --- The journal --- */

enum sim_event_type {
    SIM_CREATE = 1, /* inode, in directory `dir` as `name` */
    SIM_WRITE,
    SIM_ZERO, /* a write of zeros */
    SIM_SIZE, /* the file has `len` bytes */
    SIM_SYNC,
    SIM_SYNC_FAILED, /* what was not synced may be lost for good */
    SIM_RENAME,      /* in `dir`, from `name` to `to` */
    SIM_UNLINK,
    SIM_MARK, /* the harness's own */
};

struct sim_event {
    enum sim_event_type type;
    uint32_t total_len; /* of the event, aligned */
    uint32_t inode;
    uint32_t dir;
    uint64_t offset;
    uint64_t len;
    uint32_t mark;
    char name[SIM_NAME_MAX];
    char to[SIM_NAME_MAX];
    unsigned char bytes[];
};

/* At the front of memory that a child shares with its parent. */
struct sim_journal {
    uint64_t cap;
    uint64_t len;
    uint64_t count; /* events */
    uint64_t calls; /* of every kind, reads too: what a fault counts by */
    unsigned char events[];
};

struct sim_journal *sim_journal_new(size_t cap);
void sim_journal_reset(struct sim_journal *j);

/* --- The live disk --- */

enum sim_fault_kind { SIM_FAULT_NONE, SIM_FAULT_EIO, SIM_FAULT_ENOSPC, SIM_FAULT_SHORT };

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t call;  /* the number of the call that fails */
    bool is_sticky; /* every change after it fails too */
};

extern const struct disk_ops sim_disk;

/* Makes `t` the live tree (it moves in); `root` is the path that stands for the root. `j` NULL: no
 * journal. No call is under way. */
void sim_start(const char *root, struct sim_tree *t, struct sim_journal *j,
               const struct sim_fault *fault);
void sim_stop(struct sim_tree *t); /* the live tree moves out */

/* The live tree as it is, while all goes on. */
void sim_copy(struct sim_tree *out);

/* Any thread. */
void sim_mark(uint32_t mark, const void *bytes, size_t len);
size_t sim_count_blobs(void);

void sim_vfs_register(void);

/* The VFS's way in: paths and descriptors are those of sim_disk. */
int sim_truncate(int fd, uint64_t len);
bool sim_exists(const char *path);
uint32_t sim_inode_of(int fd);
int sim_open_unnamed(void);

/* --- After the cut --- */

struct sim_pending {
    const struct sim_event *event;
};

struct sim_track {
    const struct sim_journal *journal;
    uint64_t at;    /* bytes of the journal that were played */
    uint64_t index; /* events that were played */
    struct sim_tree durable;
    struct sim_pending *pending;
    size_t pending_count, pending_cap;
    struct sim_rand rand; /* what a failed sync loses */
};

void sim_track_init(struct sim_track *t, const struct sim_tree *base, const struct sim_journal *j,
                    uint64_t seed);
void sim_track_release(struct sim_track *t);

/* Plays the next event; NULL at the end. */
const struct sim_event *sim_track_next(struct sim_track *t);

enum sim_survival {
    SIM_SURVIVE_SYNCED, /* nothing but what was synced */
    SIM_SURVIVE_ALL,    /* the process died, not the machine */
    SIM_SURVIVE_PREFIX, /* in order, up to a point, the last one torn */
    SIM_SURVIVE_SOME,   /* each on its own: kept, dropped or torn */
    SIM_SURVIVE_BUT_ONE,
    SIM_SURVIVE_ONE,
    SIM_SURVIVAL_COUNT,
};

/* One of the trees that the disk may hold now. */
void sim_survive(const struct sim_track *t, enum sim_survival how, struct sim_rand *r,
                 struct sim_tree *out);

#endif
