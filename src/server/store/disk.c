/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of the engine. */

#include "server/store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

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

static off_t real_length(int fd)
{
    struct stat info;
    return fstat(fd, &info) < 0 ? -1 : info.st_size;
}

const struct disk_ops disk_real = {
    .open = real_open,
    .close = close,
    .preadv = real_preadv,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .fallocate = real_fallocate,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
    .statvfs = statvfs,
    .length = real_length,
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
