/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of the index's pages. */

#include "server/store/index_vfs.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "server/store/record.h"

enum {
    VFS_PATH_MAX = 4096,
    PAGE_LEN_MIN = 512, /* shorter reads are of the header, without a lock: SQLite reads it again */
    VERIFY_TRIES = 5,
    VERIFY_WAIT_US = 20000,
    HEADER_RESERVED_AT = 20, /* in page 1: how many bytes of each page are not SQLite's */
};

struct index_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    const struct disk_ops *disk;
    char name[48];
    char mark[VFS_PATH_MAX + 16];
    _Atomic(bool) is_marked;
};

/* The real file follows. */
struct page_file {
    sqlite3_file base;
    struct index_vfs *vfs;
};

static struct index_vfs *vfs_of(sqlite3_vfs *v)
{
    return (struct index_vfs *)(void *)v;
}

static struct page_file *page_file(sqlite3_file *f)
{
    return (struct page_file *)(void *)f;
}

static sqlite3_file *real_file(sqlite3_file *f)
{
    return (sqlite3_file *)(void *)(page_file(f) + 1);
}

uint32_t index_page_crc(const unsigned char page[INDEX_PAGE_LEN], uint64_t number)
{
    return tn_crc32c((uint32_t)number, page, INDEX_PAGE_CRC_AT);
}

/* --- Damage --- */

static void mark(struct index_vfs *v, uint64_t page)
{
    if (atomic_exchange(&v->is_marked, true))
        return;
    int fd = v->disk->open(v->mark, O_WRONLY | O_CREAT, 0600);
    if (fd >= 0)
        (void)v->disk->close(fd);
    tn_log(TN_LOG_ERROR,
           "event=index_damaged page=%llu mark=\"%s\" marked=%s hint=\"reads of what it held fail;"
           " the next start builds the index anew from the log\"",
           (unsigned long long)page, v->mark, fd >= 0 ? "yes" : "no");
}

static bool is_zero(const unsigned char *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* A page that SQLite has given up before it was ever written may be a hole in the file. */
static bool page_is_valid(const unsigned char *page, uint64_t number)
{
    return get_u32(page + INDEX_PAGE_CRC_AT) == index_page_crc(page, number) ||
           is_zero(page, INDEX_PAGE_LEN);
}

/* --- The file --- */

static int read_page(sqlite3_file *f, void *out, sqlite3_int64 offset)
{
    sqlite3_file *real = real_file(f);
    uint64_t number = (uint64_t)offset / INDEX_PAGE_LEN + 1;
    int code = real->pMethods->xRead(real, out, INDEX_PAGE_LEN, offset);
    bool is_damaged = code == SQLITE_IOERR_SHORT_READ ||
                      (code == SQLITE_OK && !page_is_valid((const unsigned char *)out, number));
    if (!is_damaged)
        return code;
    mark(page_file(f)->vfs, number);
    return SQLITE_CORRUPT;
}

/* SQLite may read a part of a page, too. */
static int x_read(sqlite3_file *f, void *out, int len, sqlite3_int64 offset)
{
    sqlite3_file *real = real_file(f);
    size_t skip = (size_t)(offset % INDEX_PAGE_LEN);
    if (len < PAGE_LEN_MIN)
        return real->pMethods->xRead(real, out, len, offset);
    if (len == INDEX_PAGE_LEN && skip == 0)
        return read_page(f, out, offset);
    if (skip + (size_t)len > INDEX_PAGE_LEN) {
        mark(page_file(f)->vfs, (uint64_t)offset / INDEX_PAGE_LEN + 1);
        return SQLITE_CORRUPT; /* another page size: the header is damaged */
    }
    unsigned char page[INDEX_PAGE_LEN];
    int code = read_page(f, page, offset - (sqlite3_int64)skip);
    if (code == SQLITE_OK)
        memcpy(out, page + skip, (size_t)len);
    return code;
}

static int x_write(sqlite3_file *f, const void *bytes, int len, sqlite3_int64 offset)
{
    sqlite3_file *real = real_file(f);
    unsigned char page[INDEX_PAGE_LEN];
    if (len != INDEX_PAGE_LEN || offset % INDEX_PAGE_LEN != 0)
        return SQLITE_IOERR_WRITE;
    memcpy(page, bytes, sizeof page);
    if (offset == 0 && page[HEADER_RESERVED_AT] != INDEX_PAGE_RESERVED)
        return SQLITE_IOERR_WRITE;
    put_u32(page + INDEX_PAGE_CRC_AT, index_page_crc(page, (uint64_t)offset / INDEX_PAGE_LEN + 1));
    return real->pMethods->xWrite(real, page, len, offset);
}

static int x_close(sqlite3_file *f)
{
    return real_file(f)->pMethods->xClose(real_file(f));
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 len)
{
    return real_file(f)->pMethods->xTruncate(real_file(f), len);
}

static int x_sync(sqlite3_file *f, int flags)
{
    return real_file(f)->pMethods->xSync(real_file(f), flags);
}

static int x_file_size(sqlite3_file *f, sqlite3_int64 *out)
{
    return real_file(f)->pMethods->xFileSize(real_file(f), out);
}

static int x_lock(sqlite3_file *f, int level)
{
    return real_file(f)->pMethods->xLock(real_file(f), level);
}

static int x_unlock(sqlite3_file *f, int level)
{
    return real_file(f)->pMethods->xUnlock(real_file(f), level);
}

static int x_check_reserved(sqlite3_file *f, int *out)
{
    return real_file(f)->pMethods->xCheckReservedLock(real_file(f), out);
}

static int x_file_control(sqlite3_file *f, int op, void *arg)
{
    return real_file(f)->pMethods->xFileControl(real_file(f), op, arg);
}

static int x_sector_size(sqlite3_file *f)
{
    return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static int x_characteristics(sqlite3_file *f)
{
    return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static int x_shm_map(sqlite3_file *f, int region, int len, int extend, void volatile **out)
{
    return real_file(f)->pMethods->xShmMap(real_file(f), region, len, extend, out);
}

static int x_shm_lock(sqlite3_file *f, int first, int count, int flags)
{
    return real_file(f)->pMethods->xShmLock(real_file(f), first, count, flags);
}

static void x_shm_barrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static int x_shm_unmap(sqlite3_file *f, int is_deleted)
{
    return real_file(f)->pMethods->xShmUnmap(real_file(f), is_deleted);
}

/* Version 2 has no xFetch: what is mapped into memory would not come by here. */
static const sqlite3_io_methods page_methods = {
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

/* A checkpoint may be writing the page just now: then it is right a moment later. */
static int verify_page(sqlite3_file *f, uint64_t number)
{
    sqlite3_file *real = real_file(f);
    unsigned char page[INDEX_PAGE_LEN];
    sqlite3_int64 offset = (sqlite3_int64)(number - 1) * INDEX_PAGE_LEN;
    for (unsigned i = 0; i < VERIFY_TRIES; i++) {
        int code = real->pMethods->xRead(real, page, sizeof page, offset);
        if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
            return TARN_EIO;
        if (code == SQLITE_OK && page_is_valid(page, number))
            return TARN_OK;
        (void)usleep(VERIFY_WAIT_US);
    }
    return TARN_ECORRUPT;
}

int index_vfs_verify(struct sqlite3_file *f, uint64_t first, size_t count, uint64_t *damaged)
{
    sqlite3_int64 len;
    assert(f->pMethods == &page_methods);
    if (x_file_size(f, &len) != SQLITE_OK)
        return TARN_EIO;
    uint64_t last = (uint64_t)len / INDEX_PAGE_LEN;
    for (uint64_t number = first; number < first + count; number++) {
        int rc = number > last ? TARN_EEOF : verify_page(f, number);
        if (rc == TARN_ECORRUPT) {
            *damaged = number;
            mark(page_file(f)->vfs, number);
        }
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

/* --- The VFS --- */

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out_flags)
{
    struct index_vfs *v = vfs_of(vfs);
    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return v->real->xOpen(v->real, path, f, flags, out_flags);
    sqlite3_file *real = real_file(f);
    f->pMethods = NULL;
    int code = v->real->xOpen(v->real, path, real, flags, out_flags);
    if (code != SQLITE_OK)
        return code;
    if (real->pMethods->iVersion < page_methods.iVersion) {
        (void)real->pMethods->xClose(real);
        return SQLITE_CANTOPEN; /* no WAL */
    }
    page_file(f)->vfs = v;
    f->pMethods = &page_methods;
    return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *v, const char *path, int must_sync)
{
    return vfs_of(v)->real->xDelete(vfs_of(v)->real, path, must_sync);
}

static int x_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
    return vfs_of(v)->real->xAccess(vfs_of(v)->real, path, flags, out);
}

static int x_full_pathname(sqlite3_vfs *v, const char *path, int cap, char *out)
{
    return vfs_of(v)->real->xFullPathname(vfs_of(v)->real, path, cap, out);
}

static int x_randomness(sqlite3_vfs *v, int len, char *out)
{
    return vfs_of(v)->real->xRandomness(vfs_of(v)->real, len, out);
}

static int x_sleep(sqlite3_vfs *v, int microseconds)
{
    return vfs_of(v)->real->xSleep(vfs_of(v)->real, microseconds);
}

static int x_current_time(sqlite3_vfs *v, double *out)
{
    return vfs_of(v)->real->xCurrentTime(vfs_of(v)->real, out);
}

static int x_last_error(sqlite3_vfs *v, int cap, char *out)
{
    return vfs_of(v)->real->xGetLastError(vfs_of(v)->real, cap, out);
}

int index_vfs_new(const struct disk_ops *d, const char *path, struct index_vfs **out,
                  struct tarn_error *err)
{
    int code = sqlite3_initialize();
    sqlite3_vfs *real = code == SQLITE_OK ? sqlite3_vfs_find(d->sqlite_vfs) : NULL;
    if (!real)
        return tn_fail(err, TARN_EIO, "could not open the index: SQLite has no file system");
    struct index_vfs *v = tn_calloc(1, sizeof *v);
    if (!v)
        return tn_fail(err, TARN_ENOMEM, "could not open the index: out of memory");
    v->real = real;
    v->disk = d;
    (void)snprintf(v->name, sizeof v->name, "tarn-index-%p", (void *)v);
    (void)snprintf(v->mark, sizeof v->mark, "%s.damaged", path);
    v->base = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct page_file) + real->szOsFile,
        .mxPathname = real->mxPathname,
        .zName = v->name,
        .xOpen = x_open,
        .xDelete = x_delete,
        .xAccess = x_access,
        .xFullPathname = x_full_pathname,
        .xRandomness = x_randomness,
        .xSleep = x_sleep,
        .xCurrentTime = x_current_time,
        .xGetLastError = x_last_error,
    };
    code = sqlite3_vfs_register(&v->base, 0);
    if (code != SQLITE_OK) {
        tn_free(v);
        return tn_fail(err, TARN_ENOMEM, "could not open the index: %s", sqlite3_errstr(code));
    }
    int fd = d->open(v->mark, O_RDONLY, 0);
    atomic_store(&v->is_marked, fd >= 0);
    if (fd >= 0)
        (void)d->close(fd);
    *out = v;
    return TARN_OK;
}

void index_vfs_free(struct index_vfs *v)
{
    if (!v)
        return;
    (void)sqlite3_vfs_unregister(&v->base);
    tn_free(v);
}

const char *index_vfs_name(const struct index_vfs *v)
{
    return v->name;
}

bool index_vfs_is_marked(const struct index_vfs *v)
{
    return atomic_load(&v->is_marked);
}

void index_vfs_unmark(struct index_vfs *v)
{
    (void)v->disk->unlink(v->mark);
    atomic_store(&v->is_marked, false);
}
