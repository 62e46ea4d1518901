/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of the engine. */

#include "server/store/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_PATH_MAX = 4096 };

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
}

static ssize_t real_preadv(int fd, const struct iovec *parts, int count, off_t offset,
                           bool may_wait)
{
    return preadv2(fd, parts, count, offset, may_wait ? 0 : RWF_NOWAIT);
}

static int real_fallocate(int fd, off_t len)
{
    return fallocate(fd, 0, 0, len);
}

static void real_write_back(int fd, off_t offset, off_t len)
{
    (void)sync_file_range(fd, offset, len,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER);
}

static off_t real_length(int fd)
{
    struct stat info;
    return fstat(fd, &info) < 0 ? -1 : info.st_size;
}

static int real_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int kept = errno;
        (void)close(fd);
        errno = kept;
        return -1;
    }
    return fd;
}

static int real_list(const char *path, disk_name_fn each, void *user, int *status)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    *status = TARN_OK;
    errno = 0;
    for (struct dirent *e = readdir(dir); e && *status == TARN_OK; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            *status = each(user, e->d_name);
        errno = 0;
    }
    int failure = errno;
    (void)closedir(dir);
    errno = failure;
    return failure ? -1 : 0;
}

const struct disk_ops disk_real = {
    .open = real_open,
    .close = close,
    .preadv = real_preadv,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .fallocate = real_fallocate,
    .write_back = real_write_back,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
    .statvfs = statvfs,
    .length = real_length,
    .lock = real_lock,
    .list = real_list,
};

ssize_t disk_read(const struct disk_ops *d, int fd, void *out, size_t len, uint64_t offset,
                  bool may_wait)
{
    size_t done = 0;
    while (done < len) {
        struct iovec part = { (char *)out + done, len - done };
        ssize_t n = d->preadv(fd, &part, 1, (off_t)(offset + done), may_wait);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !may_wait && errno == EOPNOTSUPP)
            return TARN_EAGAIN;
        if (n < 0)
            return tn_status_from_errno(errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int disk_writev(const struct disk_ops *d, int fd, struct iovec *parts, size_t count,
                uint64_t offset)
{
    while (count) {
        int step = count > IOV_MAX ? IOV_MAX : (int)count;
        ssize_t n = d->pwritev(fd, parts, step, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_status_from_errno(errno);
        offset += (uint64_t)n;
        size_t left = (size_t)n;
        while (count && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            count--;
        }
        if (left) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return TARN_OK;
}

int disk_write(const struct disk_ops *d, int fd, const void *bytes, size_t len, uint64_t offset)
{
    struct iovec part = { .iov_len = len };
    memcpy(&part.iov_base, &bytes, sizeof bytes); /* iovec has no const form */
    return len ? disk_writev(d, fd, &part, 1, offset) : TARN_OK;
}

int disk_list(const struct disk_ops *d, const char *path, disk_name_fn each, void *user)
{
    int status = TARN_OK;
    return d->list(path, each, user, &status) < 0 ? tn_status_from_errno(errno) : status;
}

/* The directory that holds `path`. */
static int directory_of(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : slash ? (size_t)(slash - path) : 1;
    if (len >= cap)
        return TARN_ETOOBIG;
    memcpy(out, slash ? path : ".", len);
    out[len] = '\0';
    return TARN_OK;
}

int disk_dir_make(const struct disk_ops *d, const char *path, mode_t mode, struct tarn_error *err)
{
    char partial[DISK_PATH_MAX];
    char parent[DISK_PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return tn_fail(err, TARN_EINVAL, "could not create directory \"%s\": bad path length",
                       path);
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        char kept = partial[i];
        partial[i] = '\0';
        bool is_made = d->mkdir(partial, mode) == 0;
        if (!is_made && errno != EEXIST)
            return tn_fail_errno(err, "could not create directory \"%s\"", partial);
        int rc = is_made ? directory_of(partial, parent, sizeof parent) : TARN_OK;
        if (rc == TARN_OK && is_made)
            rc = disk_sync_dir(d, parent, err);
        if (rc < 0)
            return rc;
        partial[i] = kept;
    }
    return TARN_OK;
}

int disk_file_read(const struct disk_ops *d, const char *path, struct tn_buf *out,
                   struct tarn_error *err)
{
    int fd = d->open(path, O_RDONLY, 0);
    if (fd < 0)
        return tn_fail_errno(err, "could not open file \"%s\"", path);
    TN_AUTO_BUF bytes = TN_BUF_INIT(out->max);
    off_t len = d->length(fd);
    int rc = len < 0 ? tn_status_from_errno(errno) : TARN_OK;
    if (rc == TARN_OK)
        rc = tn_buf_reserve(&bytes, (size_t)len);
    ssize_t n = rc == TARN_OK ? disk_read(d, fd, bytes.data, (size_t)len, 0, true) : rc;
    (void)d->close(fd);
    if (n < 0)
        return tn_fail(err, (int)n, "could not read file \"%s\": %s", path,
                       tarn_status_text((int)n));
    bytes.len = (size_t)n;
    tn_buf_swap(out, &bytes);
    return TARN_OK;
}

static int write_synced(const struct disk_ops *d, const char *path, struct tn_str content,
                        mode_t mode)
{
    int fd = d->open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    if (fd < 0)
        return tn_status_from_errno(errno);
    int rc = disk_write(d, fd, content.data, content.len, 0);
    if (rc == TARN_OK && d->fsync(fd) < 0)
        rc = tn_status_from_errno(errno);
    (void)d->close(fd);
    return rc;
}

int disk_file_replace(const struct disk_ops *d, const char *path, struct tn_str content,
                      mode_t mode, struct tarn_error *err)
{
    char temporary[DISK_PATH_MAX];
    char directory[DISK_PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (len < 0 || (size_t)len >= sizeof temporary ||
        directory_of(path, directory, sizeof directory) < 0)
        return tn_fail(err, TARN_ETOOBIG, "could not write file \"%s\": path too long", path);
    int rc = write_synced(d, temporary, content, mode);
    if (rc == TARN_OK && d->rename(temporary, path) < 0)
        rc = tn_status_from_errno(errno);
    if (rc < 0) {
        (void)d->unlink(temporary);
        return tn_fail(err, rc, "could not write file \"%s\": %s", path, tarn_status_text(rc));
    }
    return disk_sync_dir(d, directory, err);
}

int disk_sync_dir(const struct disk_ops *d, const char *path, struct tarn_error *err)
{
    int fd = d->open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return tn_fail_errno(err, "could not open directory \"%s\"", path);
    int rc =
        d->fsync(fd) < 0 ? tn_fail_errno(err, "could not sync directory \"%s\"", path) : TARN_OK;
    (void)d->close(fd);
    return rc;
}
