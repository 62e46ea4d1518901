/* SPDX-License-Identifier: Apache-2.0 */
/* The live disk: disk_ops over a tree, each call whole under one lock, written to the journal. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/sim_impl.h"

enum {
    FD_FIRST = 1 << 20, /* no real descriptor is ever so high: a mix-up fails at once */
    FD_COUNT_MAX = 8192,
    JOURNAL_COPY_MAX = 1 << 30,
};

struct open_file {
    bool is_open;
    uint32_t inode;
    bool is_unnamed; /* SQLite's temporary files: not journaled */
};

static struct {
    pthread_mutex_t lock;
    char root[256];
    struct sim_tree tree;
    struct sim_journal *journal;
    struct sim_fault fault;
    uint64_t calls;
    struct open_file files[FD_COUNT_MAX];
} live = { .lock = PTHREAD_MUTEX_INITIALIZER };

void sim_start(const char *root, struct sim_tree *t, struct sim_journal *j,
               const struct sim_fault *fault)
{
    (void)snprintf(live.root, sizeof live.root, "%s", root);
    live.tree = *t;
    *t = (struct sim_tree){ 0 };
    live.journal = j;
    live.fault = fault ? *fault : (struct sim_fault){ 0 };
    live.calls = 0;
    memset(live.files, 0, sizeof live.files);
}

void sim_stop(struct sim_tree *t)
{
    sim_tree_release(t);
    *t = live.tree;
    live.tree = (struct sim_tree){ 0 };
    live.journal = NULL;
}

void sim_copy(struct sim_tree *out)
{
    (void)pthread_mutex_lock(&live.lock);
    sim_tree_copy(out, &live.tree);
    (void)pthread_mutex_unlock(&live.lock);
}

void sim_mark(uint32_t mark, const void *bytes, size_t len)
{
    (void)pthread_mutex_lock(&live.lock);
    if (live.journal) {
        struct sim_event *e = sim_journal_add(live.journal, SIM_MARK, len);
        e->mark = mark;
        e->len = len;
        if (len)
            memcpy(e->bytes, bytes, len);
    }
    (void)pthread_mutex_unlock(&live.lock);
}

/* --- Each call begins here, with the lock held, and ends in leave() --- */

enum call_class { CALL_READ, CALL_CHANGE, CALL_WRITE };

/* What the fault makes of this call. */
static enum sim_fault_kind enter(enum call_class class)
{
    (void)pthread_mutex_lock(&live.lock);
    uint64_t call = live.calls++;
    if (live.journal)
        live.journal->calls = live.calls;
    const struct sim_fault *f = &live.fault;
    bool is_now = f->kind && (call == f->call || (f->is_sticky && call > f->call));
    if (!is_now || (f->is_sticky && class == CALL_READ))
        return SIM_FAULT_NONE;
    if (class != CALL_WRITE && f->kind == SIM_FAULT_SHORT)
        return SIM_FAULT_NONE;
    return class == CALL_READ ? SIM_FAULT_EIO : f->kind;
}

static int leave(int result, int number)
{
    (void)pthread_mutex_unlock(&live.lock);
    if (result < 0)
        errno = number;
    return result;
}

static int refuse(enum sim_fault_kind kind)
{
    return leave(-1, kind == SIM_FAULT_ENOSPC ? ENOSPC : EIO);
}

static struct sim_event *note(enum sim_event_type type, uint32_t inode)
{
    static struct sim_event scratch;
    if (!live.journal)
        return &scratch;
    struct sim_event *e = sim_journal_add(live.journal, type, 0);
    e->inode = inode;
    return e;
}

/* The path below the root; the root and what is above it are "". */
static const char *inside(const char *path)
{
    size_t len = strlen(live.root);
    return strncmp(path, live.root, len) == 0 ? path + len : "";
}

static int fd_of(uint32_t inode, bool is_unnamed)
{
    for (int i = 0; i < FD_COUNT_MAX; i++) {
        if (!live.files[i].is_open) {
            live.files[i] = (struct open_file){ true, inode, is_unnamed };
            return FD_FIRST + i;
        }
    }
    abort();
}

static struct open_file *file_of(int fd)
{
    assert(fd >= FD_FIRST && fd < FD_FIRST + FD_COUNT_MAX);
    assert(live.files[fd - FD_FIRST].is_open);
    return &live.files[fd - FD_FIRST];
}

static struct sim_inode *data_of(int fd)
{
    return &live.tree.inodes[file_of(fd)->inode];
}

/* A new inode under a name; `*number` is errno when it fails. */
static uint32_t create(const char *path, bool is_dir, int *number)
{
    uint32_t dir;
    char name[SIM_NAME_MAX];
    *number = ENOENT;
    if (!sim_tree_walk(&live.tree, inside(path), &dir, name) || !live.tree.inodes[dir].is_dir)
        return UINT32_MAX;
    *number = EEXIST;
    if (!name[0] || sim_entry_find(&live.tree, dir, name))
        return UINT32_MAX;
    uint32_t inode = sim_inode_add(&live.tree, is_dir);
    sim_entry_set(&live.tree, dir, name, inode);
    struct sim_event *e = note(SIM_CREATE, inode);
    e->dir = dir;
    e->offset = is_dir;
    memcpy(e->name, name, sizeof e->name);
    return inode;
}

static int sim_open(const char *path, int flags, mode_t mode)
{
    (void)mode;
    bool is_change = (flags & (O_CREAT | O_TRUNC)) != 0;
    enum sim_fault_kind fault = enter(is_change ? CALL_CHANGE : CALL_READ);
    if (fault)
        return refuse(fault);
    int number = 0;
    uint32_t inode = sim_tree_find(&live.tree, inside(path));
    if (inode != UINT32_MAX && (flags & O_EXCL))
        return leave(-1, EEXIST);
    if (inode == UINT32_MAX && !(flags & O_CREAT))
        return leave(-1, ENOENT);
    if (inode == UINT32_MAX)
        inode = create(path, false, &number);
    if (inode == UINT32_MAX)
        return leave(-1, number);
    if ((flags & O_TRUNC) && live.tree.inodes[inode].len) {
        sim_inode_resize(&live.tree.inodes[inode], 0);
        note(SIM_SIZE, inode)->len = 0;
    }
    return leave(fd_of(inode, false), 0);
}

int sim_open_unnamed(void)
{
    (void)pthread_mutex_lock(&live.lock);
    uint32_t inode = sim_inode_add(&live.tree, false);
    struct sim_event *e = note(SIM_CREATE, inode); /* keeps the numbers in step */
    e->dir = inode;
    return leave(fd_of(inode, true), 0);
}

static int sim_close(int fd)
{
    (void)pthread_mutex_lock(&live.lock);
    file_of(fd)->is_open = false;
    return leave(0, 0);
}

static ssize_t sim_preadv(int fd, const struct iovec *parts, int count, off_t offset, bool may_wait)
{
    (void)may_wait;
    enum sim_fault_kind fault = enter(CALL_READ);
    if (fault)
        return refuse(fault);
    const struct sim_inode *f = data_of(fd);
    size_t at = (size_t)offset;
    size_t done = 0;
    for (int i = 0; i < count && at < f->len; i++) {
        size_t step = f->len - at < parts[i].iov_len ? f->len - at : parts[i].iov_len;
        memcpy(parts[i].iov_base, f->data + at, step);
        at += step;
        done += step;
    }
    return leave((int)done, 0);
}

static bool is_zero(const unsigned char *bytes, size_t len)
{
    return len && bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* The bytes are in the tree: into the journal too. */
static void note_write(const struct open_file *file, uint64_t offset, size_t len)
{
    if (!live.journal || file->is_unnamed || !len)
        return;
    const unsigned char *bytes = live.tree.inodes[file->inode].data + offset;
    bool zero = is_zero(bytes, len);
    assert(len < JOURNAL_COPY_MAX);
    struct sim_event *e =
        sim_journal_add(live.journal, zero ? SIM_ZERO : SIM_WRITE, zero ? 0 : len);
    e->inode = file->inode;
    e->offset = offset;
    e->len = len;
    if (!zero)
        memcpy(e->bytes, bytes, len);
}

/* A write that fails or stops short may have written its first sectors. */
static ssize_t sim_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    enum sim_fault_kind fault = enter(CALL_WRITE);
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    size_t allowed = fault ? len / 2 : len;
    struct sim_inode *f = data_of(fd);
    if ((size_t)offset + allowed > f->len && allowed)
        sim_inode_resize(f, (size_t)offset + allowed);
    size_t done = 0;
    for (int i = 0; i < count && done < allowed; i++) {
        size_t step = allowed - done < parts[i].iov_len ? allowed - done : parts[i].iov_len;
        memcpy(f->data + (size_t)offset + done, parts[i].iov_base, step);
        done += step;
    }
    note_write(file_of(fd), (uint64_t)offset, done);
    if (fault == SIM_FAULT_EIO || fault == SIM_FAULT_ENOSPC)
        return refuse(fault);
    return leave((int)done, 0);
}

static int sync_file(int fd)
{
    enum sim_fault_kind fault = enter(CALL_CHANGE);
    const struct open_file *f = file_of(fd);
    if (!f->is_unnamed)
        (void)note(fault ? SIM_SYNC_FAILED : SIM_SYNC, f->inode);
    return fault ? refuse(fault) : leave(0, 0);
}

static int sim_fallocate(int fd, off_t len)
{
    enum sim_fault_kind fault = enter(CALL_CHANGE);
    if (fault)
        return refuse(fault);
    struct sim_inode *f = data_of(fd);
    if ((size_t)len > f->len) {
        sim_inode_resize(f, (size_t)len);
        note(SIM_SIZE, file_of(fd)->inode)->len = (uint64_t)len;
    }
    return leave(0, 0);
}

int sim_truncate(int fd, uint64_t len)
{
    enum sim_fault_kind fault = enter(CALL_CHANGE);
    if (fault)
        return refuse(fault);
    sim_inode_resize(data_of(fd), len);
    if (!file_of(fd)->is_unnamed)
        note(SIM_SIZE, file_of(fd)->inode)->len = len;
    return leave(0, 0);
}

/* The engine renames within one directory only. */
static int sim_rename(const char *from, const char *to)
{
    enum sim_fault_kind fault = enter(CALL_CHANGE);
    if (fault)
        return refuse(fault);
    uint32_t dir;
    uint32_t to_dir;
    char name[SIM_NAME_MAX];
    char to_name[SIM_NAME_MAX];
    if (!sim_tree_walk(&live.tree, inside(from), &dir, name) ||
        !sim_tree_walk(&live.tree, inside(to), &to_dir, to_name))
        return leave(-1, ENOENT);
    assert(dir == to_dir);
    const struct sim_entry *e = sim_entry_find(&live.tree, dir, name);
    if (!e)
        return leave(-1, ENOENT);
    uint32_t inode = e->inode;
    sim_entry_remove(&live.tree, dir, name);
    sim_entry_set(&live.tree, dir, to_name, inode);
    struct sim_event *event = note(SIM_RENAME, inode);
    event->dir = dir;
    memcpy(event->name, name, sizeof name);
    memcpy(event->to, to_name, sizeof to_name);
    return leave(0, 0);
}

static int sim_unlink(const char *path)
{
    enum sim_fault_kind fault = enter(CALL_CHANGE);
    if (fault)
        return refuse(fault);
    uint32_t dir;
    char name[SIM_NAME_MAX];
    const struct sim_entry *found = NULL;
    if (sim_tree_walk(&live.tree, inside(path), &dir, name))
        found = sim_entry_find(&live.tree, dir, name);
    if (!found)
        return leave(-1, ENOENT);
    struct sim_event *e = note(SIM_UNLINK, found->inode);
    e->dir = dir;
    memcpy(e->name, name, sizeof name);
    sim_entry_remove(&live.tree, dir, name);
    return leave(0, 0);
}

static int sim_mkdir(const char *path, mode_t mode)
{
    (void)mode;
    enum sim_fault_kind fault = enter(CALL_CHANGE);
    if (fault)
        return refuse(fault);
    int number = 0;
    if (!*inside(path))
        return leave(-1, EEXIST);
    return create(path, true, &number) == UINT32_MAX ? leave(-1, number) : leave(0, 0);
}

static int sim_statvfs(const char *path, struct statvfs *out)
{
    (void)path;
    enum sim_fault_kind fault = enter(CALL_READ);
    if (fault)
        return refuse(fault);
    *out = (struct statvfs){ .f_frsize = 4096, .f_bsize = 4096 };
    out->f_blocks = out->f_bfree = out->f_bavail = 1 << 24;
    return leave(0, 0);
}

static off_t sim_length(int fd)
{
    enum sim_fault_kind fault = enter(CALL_READ);
    if (fault)
        return refuse(fault);
    return leave((int)data_of(fd)->len, 0);
}

static int sim_lock(const char *path)
{
    return sim_open(path, O_RDWR | O_CREAT, 0600);
}

static int sim_list(const char *path, disk_name_fn each, void *user, int *status)
{
    enum sim_fault_kind fault = enter(CALL_READ);
    if (fault)
        return refuse(fault);
    uint32_t inode = sim_tree_find(&live.tree, inside(path));
    if (inode == UINT32_MAX)
        return leave(-1, ENOENT);
    const struct sim_inode *d = &live.tree.inodes[inode];
    size_t count = d->entry_count;
    struct sim_entry *names = tn_calloc(count, sizeof *names);
    if (!names)
        abort();
    if (count)
        memcpy(names, d->entries, count * sizeof *names);
    (void)leave(0, 0);
    *status = TARN_OK;
    for (size_t i = 0; i < count && *status == TARN_OK; i++)
        *status = each(user, names[i].name);
    tn_free(names);
    return 0;
}

bool sim_exists(const char *path)
{
    (void)pthread_mutex_lock(&live.lock);
    bool found = sim_tree_find(&live.tree, inside(path)) != UINT32_MAX;
    (void)pthread_mutex_unlock(&live.lock);
    return found;
}

uint32_t sim_inode_of(int fd)
{
    (void)pthread_mutex_lock(&live.lock);
    uint32_t inode = file_of(fd)->inode;
    (void)pthread_mutex_unlock(&live.lock);
    return inode;
}

size_t sim_count_blobs(void)
{
    (void)pthread_mutex_lock(&live.lock);
    uint32_t inode = sim_tree_find(&live.tree, "s/blob");
    size_t count = 0;
    for (size_t i = 0; inode != UINT32_MAX && i < live.tree.inodes[inode].entry_count; i++)
        count += live.tree.inodes[live.tree.inodes[inode].entries[i].inode].entry_count;
    (void)pthread_mutex_unlock(&live.lock);
    return count;
}

const struct disk_ops sim_disk = {
    .open = sim_open,
    .close = sim_close,
    .preadv = sim_preadv,
    .pwritev = sim_pwritev,
    .fdatasync = sync_file,
    .fsync = sync_file,
    .fallocate = sim_fallocate,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .statvfs = sim_statvfs,
    .length = sim_length,
    .lock = sim_lock,
    .list = sim_list,
    .sqlite_vfs = "sim",
};
