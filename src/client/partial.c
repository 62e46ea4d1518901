/* SPDX-License-Identifier: Apache-2.0 */
/* Files on their way to their names. */

#include "client/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

enum { PATH_LEN_MAX = 4096, PREALLOCATE_MIN = 1 << 20, STAT_BLOCK_LEN = 512 };

/* It would be taken for what is left of another download, or be another one's while it lasts. */
static int check_name(const char *path, struct tarn_error *err)
{
    struct tn_str name = tn_str_from(path);
    if (!tn_str_ends(name, TN_STR(TARN_PARTIAL_SUFFIX)) &&
        !tn_str_ends(name, TN_STR(TARN_PARTIAL_RECORD_SUFFIX)))
        return TARN_OK;
    return tn_fail(err, TARN_EDENIED,
                   "refused to write file \"%s\": such names are those of unfinished downloads",
                   path);
}

int tn_partial_name(const char *path, char out[TN_PARTIAL_LEN_MAX], struct tarn_error *err)
{
    enum { NUMBER_LEN = 17 }; /* "~" and 16 digits */
    enum { RECORD_LEN = sizeof TARN_PARTIAL_RECORD_SUFFIX - 1 };
    const char *slash = strrchr(path, '/');
    size_t start = slash ? (size_t)(slash + 1 - path) : 0;
    size_t len = strlen(path + start);
    int written;
    int rc = check_name(path, err);
    if (rc < 0)
        return rc;
    if (len + RECORD_LEN <= NAME_MAX || len > NAME_MAX) {
        written = snprintf(out, TN_PARTIAL_LEN_MAX, "%s" TARN_PARTIAL_SUFFIX, path);
    } else {
        size_t kept = start + NAME_MAX - NUMBER_LEN - RECORD_LEN;
        while (kept > start && ((unsigned char)path[kept] & 0xc0) == 0x80)
            kept--; /* no half of a character: some file systems refuse it */
        written = snprintf(out, TN_PARTIAL_LEN_MAX, "%.*s~%016llx" TARN_PARTIAL_SUFFIX, (int)kept,
                           path, (unsigned long long)tn_text_hash(path + start));
    }
    return written > 0 && written < TN_PARTIAL_LEN_MAX
               ? TARN_OK
               : tn_fail(err, TARN_EINVAL, "could not write file: the path is too long");
}

/* Locked, so that two transfers never write one file; the lock is on what the name means now, not
 * before a rename. */
int tn_partial_open(const char *path, int mode, bool *was_there, struct tarn_error *err)
{
    struct stat by_fd;
    struct stat by_name;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode ? mode & 07777 : 0666);
    if (fd < 0)
        return tn_fail_errno(err, "could not create file \"%s\"", path);
    int rc = TARN_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        rc = tn_fail(err, TARN_EBUSY, "could not write file \"%s\": another transfer has it", path);
    else if (fstat(fd, &by_fd) < 0 || stat(path, &by_name) < 0 || by_fd.st_ino != by_name.st_ino)
        rc = tn_fail(err, TARN_EBUSY, "could not write file \"%s\": another transfer had it", path);
    else if (!S_ISREG(by_fd.st_mode))
        rc = tn_fail(err, TARN_EINVAL, "could not write \"%s\": not a regular file", path);
    else
        *was_there = by_fd.st_size > 0;
    if (rc < 0)
        tn_fd_close(&fd);
    return rc < 0 ? rc : fd;
}

/* The whole room at once: a full disk shows before the bytes are fetched, and the file lies in one
 * piece. */
static int allocate(int fd, uint64_t len)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        return fallocate(fd, 0, 0, (off_t)len);
    /* There it would fill every page with zeros, only for them to be overwritten. */
    struct stat st;
    uint64_t has = fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * STAT_BLOCK_LEN : 0;
    uint64_t left = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    if (fs.f_blocks == 0 || len <= has || len - has <= left)
        return 0;
    errno = ENOSPC;
    return -1;
}

int tn_partial_allocate(int fd, uint64_t len, const char *path, struct tarn_error *err)
{
    if (len < PREALLOCATE_MIN || allocate(fd, len) == 0)
        return TARN_OK;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return tn_fail_errno(err, "could not write file \"%s\"", path);
    return TARN_OK;
}

static int parent_of(const char *path, char out[PATH_LEN_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    if (len >= PATH_LEN_MAX)
        return TARN_EINVAL;
    memcpy(out, slash ? path : ".", slash ? len : 1);
    out[slash ? len : 1] = '\0';
    return TARN_OK;
}

static int sync_parent(const char *path, struct tarn_error *err)
{
    char directory[PATH_LEN_MAX];
    if (parent_of(path, directory) < 0)
        return tn_fail(err, TARN_EINVAL, "could not sync: the path is too long");
    return tn_dir_sync(directory, err);
}

static int set_mtime(int fd, int64_t ms)
{
    struct timespec times[2] = { { 0, UTIME_OMIT }, { ms / 1000, ms % 1000 * 1000000 } };
    return ms < 0 ? 0 : futimens(fd, times);
}

static struct tn_str metadata_of(const struct tarn_object_info *info, const char *name)
{
    for (size_t i = 0; i < info->metadata_count; i++) {
        if (strcmp(info->metadata[i].name, name) == 0)
            return tn_str_from(info->metadata[i].value);
    }
    return TN_STR_EMPTY;
}

/* "1700000000.123456789"; digits behind the ninth do not count. */
static bool parse_mtime(struct tn_str text, struct timespec *out)
{
    uint64_t seconds;
    uint64_t ns = 0;
    struct tn_str whole = tn_str_split(&text, '.');
    if (tn_str_to_u64(whole, &seconds) < 0 || seconds > INT64_MAX)
        return false;
    for (size_t i = 0; i < 9; i++) {
        char c = i < text.len ? text.data[i] : '0';
        if (!tn_is_digit(c))
            return false;
        ns = ns * 10 + (uint64_t)(c - '0');
    }
    *out = (struct timespec){ (time_t)seconds, (long)ns };
    return true;
}

/* Permissions alone, without set-user-id and its like: a bucket is no place to trust with these. */
static bool parse_mode(struct tn_str text, mode_t *out)
{
    mode_t mode = 0;
    if (text.len == 0 || text.len > 7)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return false;
        mode = mode * 8 + (mode_t)(text.data[i] - '0');
    }
    *out = mode & 0777;
    return true;
}

/* What the metadata says of the file that it once was. */
static int restore_stat(int fd, const struct tarn_object_info *info)
{
    struct timespec times[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
    mode_t mode;
    if (parse_mode(metadata_of(info, "mode"), &mode) && fchmod(fd, mode) < 0)
        return -1;
    return parse_mtime(metadata_of(info, "mtime"), &times[1]) ? futimens(fd, times) : 0;
}

static int set_stat(int fd, const char *name, const struct tarn_transfer_options *o,
                    const struct tarn_object_info *info, struct tarn_error *err)
{
    if (o->set_mtime && set_mtime(fd, info->last_modified_ms) < 0)
        return tn_fail_errno(err, "could not set the time of file \"%s\"", name);
    if (o->restore_stat && restore_stat(fd, info) < 0)
        return tn_fail_errno(err, "could not set mode and time of file \"%s\"", name);
    return TARN_OK;
}

int tn_partial_check_target(const char *path, struct tarn_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
        return TARN_OK; /* what else is wrong with it is told where it matters */
    if (S_ISDIR(st.st_mode))
        return tn_fail(err, TARN_EEXISTS, "could not write file \"%s\": it is a directory", path);
    return tn_fail(err, TARN_EEXISTS, "could not write file \"%s\": it is not a regular file",
                   path);
}

/* Whoever does not know of locks may have put another file there. */
static bool is_called(int fd, const char *path)
{
    struct stat by_fd;
    struct stat by_name;
    return fstat(fd, &by_fd) == 0 && lstat(path, &by_name) == 0 && by_fd.st_dev == by_name.st_dev &&
           by_fd.st_ino == by_name.st_ino;
}

int tn_partial_finish(int fd, uint64_t len, const char *partial, const char *path,
                      const struct tarn_transfer_options *o, const struct tarn_object_info *info,
                      struct tarn_error *err)
{
    struct stat st;
    bool has_size = fstat(fd, &st) == 0 && (uint64_t)st.st_size == len;
    if (!has_size && ftruncate(fd, (off_t)len) < 0)
        return tn_fail_errno(err, "could not write file \"%s\"", partial);
    int rc = set_stat(fd, partial, o, info, err);
    if (rc < 0)
        return rc;
    if (!o->skip_sync && fsync(fd) < 0)
        return tn_fail_errno(err, "could not sync file \"%s\"", partial);
    rc = tn_partial_check_target(path, err);
    if (rc < 0)
        return rc;
    if (!is_called(fd, partial))
        return tn_fail(err, TARN_EBUSY, "could not write file \"%s\": it was replaced meanwhile",
                       partial);
    unsigned flags = o->must_not_exist ? RENAME_NOREPLACE : 0;
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, path, flags) < 0)
        return tn_fail_errno(err, "could not rename \"%s\" to \"%s\"", partial, path);
    return o->skip_sync ? TARN_OK : sync_parent(path, err);
}

/* ---- what is in memory whole ---- */

static int write_partial(const struct tn_small_file *f, const char *partial, struct tarn_error *err)
{
    bool was_there = false;
    int fd = tn_partial_open(partial, f->options->file_mode, &was_there, err);
    if (fd < 0)
        return fd;
    int rc = tn_fd_pwrite(fd, f->bytes, f->len, 0);
    if (rc < 0)
        rc = tn_fail_errno(err, "could not write file \"%s\"", partial);
    else
        rc = tn_partial_finish(fd, f->len, partial, f->path, f->options, f->info, err);
    if (rc < 0 && is_called(fd, partial))
        (void)unlink(partial); /* before the lock goes */
    tn_fd_close(&fd);
    return rc;
}

static int write_by_partial(const struct tn_small_file *f, struct tarn_error *err)
{
    char partial[TN_PARTIAL_LEN_MAX];
    int rc = tn_partial_name(f->path, partial, err);
    return rc < 0 ? rc : write_partial(f, partial, err);
}

static int open_nameless(const struct tn_small_file *f)
{
    char directory[PATH_LEN_MAX];
    int mode = f->options->file_mode ? f->options->file_mode & 07777 : 0666;
    if (parent_of(f->path, directory) < 0)
        return -1;
    return open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
}

/* By way of /proc where the kernel lets only the privileged name a descriptor. */
static int give_name(int fd, const char *path)
{
    char own[32];
    if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT)
        return -1;
    (void)snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* TARN_ENOTSUPPORTED when it is to be done the other way; then nothing is there. */
static int write_nameless(const struct tn_small_file *f, struct tarn_error *err)
{
    TN_AUTO_FD fd = open_nameless(f);
    if (fd < 0)
        return TARN_ENOTSUPPORTED; /* what is wrong with the directory is told there */
    int rc = tn_fd_pwrite(fd, f->bytes, f->len, 0);
    if (rc < 0)
        return tn_fail_errno(err, "could not write file \"%s\"", f->path);
    rc = set_stat(fd, f->path, f->options, f->info, err);
    if (rc < 0)
        return rc;
    if (!f->options->skip_sync && fsync(fd) < 0)
        return tn_fail_errno(err, "could not sync file \"%s\"", f->path);
    if (give_name(fd, f->path) < 0) {
        if (errno == EEXIST && f->options->must_not_exist)
            return tn_fail(err, TARN_EEXISTS, "could not write file \"%s\": it exists already",
                           f->path);
        return TARN_ENOTSUPPORTED;
    }
    return f->options->skip_sync ? TARN_OK : sync_parent(f->path, err);
}

int tn_small_file_write(const struct tn_small_file *f, atomic_int *tries, struct tarn_error *err)
{
    int left = atomic_load_explicit(tries, memory_order_relaxed);
    int rc = TARN_ENOTSUPPORTED;
    if (left > 0 || f->options->must_not_exist)
        rc = write_nameless(f, err);
    if (rc == TARN_OK && left < TN_SMALL_FILE_TRIES)
        atomic_store_explicit(tries, TN_SMALL_FILE_TRIES, memory_order_relaxed);
    if (rc != TARN_ENOTSUPPORTED)
        return rc;
    if (left > 0)
        atomic_store_explicit(tries, left - 1, memory_order_relaxed);
    return write_by_partial(f, err);
}
