/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite VFS over the simulated disk, so that the index forgets what it did not sync as the log
 * does. Locks and the WAL's shared memory are those of one process with several connections. What
 * SQLite's own VFS for Unix makes durable and when (a new WAL's name with its first sync) is done
 * here likewise. */

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/sim_impl.h"

enum { SHM_REGION_MAX = 64, NODE_MAX = 64, VFS_PATH_MAX = 512 };

/* What connections to one file share. */
struct node {
    uint32_t inode;
    unsigned refs;
    unsigned shared; /* holders of SHARED and above */
    bool is_reserved, is_pending, is_exclusive;
    unsigned shm_refs;
    void *regions[SHM_REGION_MAX];
    unsigned shm_shared[SQLITE_SHM_NLOCK];
    bool shm_exclusive[SQLITE_SHM_NLOCK];
};

static struct {
    pthread_mutex_t lock;
    struct node nodes[NODE_MAX];
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct vfs_file {
    sqlite3_file base;
    int fd;
    int level;
    struct node *node;
    bool has_shm;
    unsigned shm_shared_mask, shm_exclusive_mask;
    bool must_sync_dir;
    bool is_deleted_on_close;
    char path[VFS_PATH_MAX];
};

static struct vfs_file *vfs_file(sqlite3_file *f)
{
    return (struct vfs_file *)(void *)f;
}

static struct node *node_take(uint32_t inode)
{
    struct node *unused = NULL;
    (void)pthread_mutex_lock(&shared.lock);
    struct node *found = NULL;
    for (size_t i = 0; i < NODE_MAX && !found; i++) {
        if (shared.nodes[i].refs && shared.nodes[i].inode == inode)
            found = &shared.nodes[i];
        else if (!shared.nodes[i].refs && !unused)
            unused = &shared.nodes[i];
    }
    if (!found) {
        if (!unused)
            abort();
        *unused = (struct node){ .inode = inode };
        found = unused;
    }
    found->refs++;
    (void)pthread_mutex_unlock(&shared.lock);
    return found;
}

static void node_drop(struct node *n)
{
    (void)pthread_mutex_lock(&shared.lock);
    n->refs--;
    (void)pthread_mutex_unlock(&shared.lock);
}

/* --- Files --- */

static int sync_directory(const char *path)
{
    char dir[VFS_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    int fd = sim_disk.open(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return SQLITE_OK; /* as the VFS for Unix: a directory that cannot be opened is let be */
    int rc = sim_disk.fsync(fd) < 0 ? SQLITE_IOERR_DIR_FSYNC : SQLITE_OK;
    (void)sim_disk.close(fd);
    return rc;
}

static int x_unlock(sqlite3_file *file, int level);

static int x_close(sqlite3_file *file)
{
    struct vfs_file *f = vfs_file(file);
    (void)x_unlock(file, SQLITE_LOCK_NONE);
    node_drop(f->node);
    (void)sim_disk.close(f->fd);
    if (f->is_deleted_on_close && f->path[0])
        (void)sim_disk.unlink(f->path);
    return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset)
{
    ssize_t n = disk_read(&sim_disk, vfs_file(file)->fd, out, (size_t)len, (uint64_t)offset, true);
    if (n < 0)
        return SQLITE_IOERR_READ;
    if (n == len)
        return SQLITE_OK;
    memset((char *)out + n, 0, (size_t)(len - n));
    return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    int rc = disk_write(&sim_disk, vfs_file(file)->fd, bytes, (size_t)len, (uint64_t)offset);
    return rc == TARN_OK ? SQLITE_OK : rc == TARN_ENOSPACE ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    return sim_truncate(vfs_file(file)->fd, (uint64_t)len) < 0 ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int x_sync(sqlite3_file *file, int flags)
{
    struct vfs_file *f = vfs_file(file);
    (void)flags;
    if (sim_disk.fdatasync(f->fd) < 0)
        return SQLITE_IOERR_FSYNC;
    if (!f->must_sync_dir)
        return SQLITE_OK;
    f->must_sync_dir = false;
    return sync_directory(f->path);
}

static int x_file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    off_t len = sim_disk.length(vfs_file(file)->fd);
    if (len < 0)
        return SQLITE_IOERR_FSTAT;
    *out = len;
    return SQLITE_OK;
}

/* --- Locks --- */

static int x_lock(sqlite3_file *file, int level)
{
    struct vfs_file *f = vfs_file(file);
    struct node *n = f->node;
    int rc = SQLITE_OK;
    if (f->level >= level)
        return SQLITE_OK;
    (void)pthread_mutex_lock(&shared.lock);
    if (level == SQLITE_LOCK_SHARED) {
        if (n->is_pending || n->is_exclusive)
            rc = SQLITE_BUSY;
        else
            n->shared++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (n->is_reserved)
            rc = SQLITE_BUSY;
        else
            n->is_reserved = true;
    } else {
        bool is_others = (n->is_reserved && f->level < SQLITE_LOCK_RESERVED) ||
                         (n->is_pending && f->level < SQLITE_LOCK_PENDING);
        if (is_others) {
            rc = SQLITE_BUSY;
        } else {
            n->is_pending = true;
            f->level = SQLITE_LOCK_PENDING;
            if (n->shared > 1)
                rc = SQLITE_BUSY;
            else
                n->is_exclusive = true;
        }
    }
    if (rc == SQLITE_OK)
        f->level = level;
    (void)pthread_mutex_unlock(&shared.lock);
    return rc;
}

static int x_unlock(sqlite3_file *file, int level)
{
    struct vfs_file *f = vfs_file(file);
    struct node *n = f->node;
    if (f->level <= level)
        return SQLITE_OK;
    (void)pthread_mutex_lock(&shared.lock);
    if (f->level >= SQLITE_LOCK_PENDING)
        n->is_pending = n->is_exclusive = false;
    if (f->level >= SQLITE_LOCK_RESERVED)
        n->is_reserved = false;
    if (level == SQLITE_LOCK_NONE)
        n->shared--;
    f->level = level;
    (void)pthread_mutex_unlock(&shared.lock);
    return SQLITE_OK;
}

static int x_check_reserved(sqlite3_file *file, int *out)
{
    (void)pthread_mutex_lock(&shared.lock);
    *out = vfs_file(file)->node->is_reserved;
    (void)pthread_mutex_unlock(&shared.lock);
    return SQLITE_OK;
}

static int x_file_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector_size(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int x_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- Shared memory of the WAL --- */

static int x_shm_map(sqlite3_file *file, int region, int len, int extend, void volatile **out)
{
    struct vfs_file *f = vfs_file(file);
    int rc = SQLITE_OK;
    *out = NULL;
    (void)pthread_mutex_lock(&shared.lock);
    if (!f->has_shm) {
        f->has_shm = true;
        f->node->shm_refs++;
    }
    if (region >= SHM_REGION_MAX)
        abort();
    if (!f->node->regions[region] && extend) {
        f->node->regions[region] = tn_calloc(1, (size_t)len);
        if (!f->node->regions[region])
            rc = SQLITE_NOMEM;
    }
    *out = f->node->regions[region];
    (void)pthread_mutex_unlock(&shared.lock);
    return rc;
}

static int x_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct vfs_file *f = vfs_file(file);
    struct node *n = f->node;
    unsigned mask = ((1u << (first + count)) - 1) & ~((1u << first) - 1);
    int rc = SQLITE_OK;
    (void)pthread_mutex_lock(&shared.lock);
    for (int i = first; i < first + count && (flags & SQLITE_SHM_LOCK); i++) {
        unsigned others = n->shm_shared[i] - ((f->shm_shared_mask >> i) & 1);
        bool is_taken = n->shm_exclusive[i] && !((f->shm_exclusive_mask >> i) & 1);
        if (is_taken || ((flags & SQLITE_SHM_EXCLUSIVE) && others))
            rc = SQLITE_BUSY;
    }
    for (int i = first; i < first + count && rc == SQLITE_OK; i++) {
        bool is_shared = (f->shm_shared_mask >> i) & 1;
        if (flags & SQLITE_SHM_UNLOCK) {
            n->shm_shared[i] -= is_shared;
            if ((f->shm_exclusive_mask >> i) & 1)
                n->shm_exclusive[i] = false;
        } else if (flags & SQLITE_SHM_SHARED) {
            n->shm_shared[i] += !is_shared;
        } else {
            n->shm_exclusive[i] = true;
        }
    }
    if (rc == SQLITE_OK && (flags & SQLITE_SHM_UNLOCK)) {
        f->shm_shared_mask &= ~mask;
        f->shm_exclusive_mask &= ~mask;
    } else if (rc == SQLITE_OK && (flags & SQLITE_SHM_SHARED)) {
        f->shm_shared_mask |= mask;
    } else if (rc == SQLITE_OK) {
        f->shm_exclusive_mask |= mask;
    }
    (void)pthread_mutex_unlock(&shared.lock);
    return rc;
}

static void x_shm_barrier(sqlite3_file *file)
{
    (void)file;
    (void)pthread_mutex_lock(&shared.lock);
    (void)pthread_mutex_unlock(&shared.lock);
}

static int x_shm_unmap(sqlite3_file *file, int is_deleted)
{
    struct vfs_file *f = vfs_file(file);
    (void)is_deleted;
    if (!f->has_shm)
        return SQLITE_OK;
    (void)x_shm_lock(file, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
    (void)pthread_mutex_lock(&shared.lock);
    f->has_shm = false;
    if (--f->node->shm_refs == 0) {
        for (size_t i = 0; i < SHM_REGION_MAX; i++)
            tn_free(TN_TAKE(f->node->regions[i]));
    }
    (void)pthread_mutex_unlock(&shared.lock);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_file_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_characteristics,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* --- The VFS --- */

static int x_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags,
                  int *out_flags)
{
    struct vfs_file *f = vfs_file(file);
    (void)vfs;
    memset(f, 0, sizeof *f);
    if (path) {
        bool is_new = !sim_exists(path);
        int open_flags = O_RDWR | ((flags & SQLITE_OPEN_CREATE) ? O_CREAT : 0) |
                         ((flags & SQLITE_OPEN_EXCLUSIVE) ? O_EXCL : 0);
        f->fd = sim_disk.open(path, open_flags, 0600);
        if (f->fd < 0)
            return SQLITE_CANTOPEN;
        f->must_sync_dir =
            is_new &&
            (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL | SQLITE_OPEN_SUPER_JOURNAL));
        (void)snprintf(f->path, sizeof f->path, "%s", path);
    } else {
        f->fd = sim_open_unnamed();
    }
    f->is_deleted_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    f->node = node_take(sim_inode_of(f->fd));
    f->base.pMethods = &methods;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *vfs, const char *path, int must_sync)
{
    (void)vfs;
    if (sim_disk.unlink(path) < 0)
        return errno == ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
    return must_sync ? sync_directory(path) : SQLITE_OK;
}

/* An empty file is none, as for the VFS for Unix. */
static int x_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    int fd = sim_disk.open(path, O_RDONLY, 0);
    *out = fd >= 0 && (flags != SQLITE_ACCESS_EXISTS || sim_disk.length(fd) > 0);
    if (fd >= 0)
        (void)sim_disk.close(fd);
    return SQLITE_OK;
}

static int x_full_pathname(sqlite3_vfs *vfs, const char *path, int cap, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)cap, "%s", path);
    return SQLITE_OK;
}

static int x_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    (void)usleep(microseconds > 2000 ? 2000 : (useconds_t)microseconds);
    return microseconds;
}

void sim_vfs_register(void)
{
    static sqlite3_vfs vfs;
    vfs = *sqlite3_vfs_find(NULL);
    vfs.pNext = NULL;
    vfs.zName = "sim";
    vfs.szOsFile = sizeof(struct vfs_file);
    vfs.mxPathname = VFS_PATH_MAX;
    vfs.xOpen = x_open;
    vfs.xDelete = x_delete;
    vfs.xAccess = x_access;
    vfs.xFullPathname = x_full_pathname;
    vfs.xSleep = x_sleep;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        abort();
}
