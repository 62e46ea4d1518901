/* SPDX-License-Identifier: Apache-2.0 */
/* Files and descriptors. */

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_STEP_LEN = 64 * 1024, FILE_PATH_MAX = 4096 };

void tn_fd_close(int *fd)
{
    int kept = errno;
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = kept;
}

ssize_t tn_fd_pread(int fd, void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_status_from_errno(errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int tn_fd_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_status_from_errno(errno);
        done += (size_t)n;
    }
    return TARN_OK;
}

int tn_fd_write(int fd, const void *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_status_from_errno(errno);
        done += (size_t)n;
    }
    return TARN_OK;
}

static int read_all(int fd, const char *path, struct tn_buf *out, struct tarn_error *err)
{
    for (;;) {
        int rc = tn_buf_reserve(out, 1);
        if (rc < 0)
            return tn_fail(err, rc, "could not read file \"%s\": %s", path, tarn_status_text(rc));
        size_t room = out->max - out->len;
        if (room > FILE_STEP_LEN)
            room = FILE_STEP_LEN;
        rc = tn_buf_reserve(out, room);
        if (rc < 0)
            return tn_fail(err, rc, "could not read file \"%s\": %s", path, tarn_status_text(rc));
        ssize_t n = read(fd, out->data + out->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_fail_errno(err, "could not read file \"%s\"", path);
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (n == 0)
            return TARN_OK;
    }
}

int tn_file_read(const char *path, struct tn_buf *out, struct tarn_error *err)
{
    TN_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tn_fail_errno(err, "could not open file \"%s\"", path);

    /* One byte more than the limit, so that a file of exactly `max` bytes is told from a larger one. */
    TN_AUTO_BUF bytes = TN_BUF_INIT(out->max < SIZE_MAX ? out->max + 1 : out->max);
    int rc = read_all(fd, path, &bytes, err);
    if (rc == TARN_ETOOBIG || (rc == TARN_OK && bytes.len > out->max))
        return tn_fail(err, TARN_ETOOBIG, "could not read file \"%s\": more than %zu bytes", path,
                       out->max);
    if (rc < 0)
        return rc;
    bytes.max = out->max;
    tn_buf_swap(out, &bytes);
    return TARN_OK;
}

static int directory_of(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (slash == path)
        len = 1;
    if (len + 2 > cap)
        return TARN_ETOOBIG;
    if (!slash)
        path = ".", len = 1;
    memcpy(out, path, len);
    out[len] = '\0';
    return TARN_OK;
}

static int write_synced(const char *path, struct tn_str content, mode_t mode, struct tarn_error *err)
{
    TN_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return tn_fail_errno(err, "could not create file \"%s\"", path);
    if (fchmod(fd, mode) < 0 || tn_fd_write(fd, content.data, content.len) < 0 || fsync(fd) < 0)
        return tn_fail_errno(err, "could not write file \"%s\"", path);
    return TARN_OK;
}

int tn_file_replace(const char *path, struct tn_str content, mode_t mode, struct tarn_error *err)
{
    char temporary[FILE_PATH_MAX];
    char directory[FILE_PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof temporary ||
        directory_of(path, directory, sizeof directory) < 0)
        return tn_fail(err, TARN_ETOOBIG, "could not write file \"%s\": path too long", path);

    int rc = write_synced(temporary, content, mode, err);
    if (rc == TARN_OK && rename(temporary, path) < 0)
        rc = tn_fail_errno(err, "could not rename \"%s\" to \"%s\"", temporary, path);
    if (rc < 0) {
        (void)unlink(temporary);
        return rc;
    }
    return tn_dir_sync(directory, err);
}

int tn_dir_make(const char *path, mode_t mode, struct tarn_error *err)
{
    char partial[FILE_PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return tn_fail(err, TARN_EINVAL, "could not create directory \"%s\": bad path length", path);
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        char kept = partial[i];
        partial[i] = '\0';
        if (mkdir(partial, mode) < 0 && errno != EEXIST)
            return tn_fail_errno(err, "could not create directory \"%s\"", partial);
        partial[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) < 0)
        return tn_fail_errno(err, "could not look at directory \"%s\"", path);
    if (!S_ISDIR(info.st_mode))
        return tn_fail(err, TARN_EEXISTS, "could not create directory \"%s\": not a directory", path);
    return TARN_OK;
}

int tn_dir_sync(const char *path, struct tarn_error *err)
{
    TN_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tn_fail_errno(err, "could not open directory \"%s\"", path);
    if (fsync(fd) < 0)
        return tn_fail_errno(err, "could not sync directory \"%s\"", path);
    return TARN_OK;
}
