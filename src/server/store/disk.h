/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that the engine makes on its directory, as a table, so that a test can fail any
 * of them, tear a write or cut the power. Each behaves as the call of its name, errno included.
 */

#ifndef SERVER_STORE_DISK_H
#define SERVER_STORE_DISK_H

#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/fail.h"

/* A name in a directory, "." and ".." left out. A negative status ends the listing. */
typedef int (*disk_name_fn)(void *user, const char *name);

struct disk_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*preadv)(int fd, const struct iovec *parts, int count, off_t offset, bool may_wait);
    ssize_t (*pwritev)(int fd, const struct iovec *parts, int count, off_t offset);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*fallocate)(int fd, off_t len);
    void (*write_back)(int fd, off_t offset, off_t len); /* a hint: soon, and waits; may be NULL */
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*statvfs)(const char *path, struct statvfs *out);
    off_t (*length)(int fd);

    /* The lock of a directory: a descriptor that keeps the file `path` locked until it is closed.
     * EWOULDBLOCK when another process has it. */
    int (*lock)(const char *path);

    /* Yields every name of a directory. 0, or -1 with errno, or what `each` ended it with in
     * `status`. */
    int (*list)(const char *path, disk_name_fn each, void *user, int *status);

    const char *sqlite_vfs; /* where SQLite keeps the index's files; NULL: its own default */
};

extern const struct disk_ops disk_real;

/* Whole reads: bytes read (less than `len` only at the end of the file), TARN_EAGAIN when it may
 * not wait and would, or another negative status. */
TN_MUST_USE ssize_t disk_read(const struct disk_ops *d, int fd, void *out, size_t len,
                              uint64_t offset, bool may_wait);

/* Whole writes; `parts` is used up in the course. */
TN_MUST_USE int disk_writev(const struct disk_ops *d, int fd, struct iovec *parts, size_t count,
                            uint64_t offset);
TN_MUST_USE int disk_write(const struct disk_ops *d, int fd, const void *bytes, size_t len,
                           uint64_t offset);

/* mkdir of `path` and of the directories above it, each made durable in the one above; those that
 * are there already are fine. */
TN_MUST_USE int disk_dir_make(const struct disk_ops *d, const char *path, mode_t mode,
                              struct tarn_error *err);

/* Names of the directory `path`: TARN_OK, what `each` said, or the status of what failed. */
TN_MUST_USE int disk_list(const struct disk_ops *d, const char *path, disk_name_fn each,
                          void *user);

/* A whole small file, at most out->max bytes. `out` is unchanged on failure. */
TN_MUST_USE int disk_file_read(const struct disk_ops *d, const char *path, struct tn_buf *out,
                               struct tarn_error *err);

/* Replaces `path` so that after a crash the old or the new content is there. */
TN_MUST_USE int disk_file_replace(const struct disk_ops *d, const char *path, struct tn_str content,
                                  mode_t mode, struct tarn_error *err);

/* fsync of the directory `path`. */
TN_MUST_USE int disk_sync_dir(const struct disk_ops *d, const char *path, struct tarn_error *err);

#endif
