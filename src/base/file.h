/* SPDX-License-Identifier: Apache-2.0 */
/* Files and descriptors: whole reads and writes, replacement that survives power loss. */

#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/fail.h"

/* Closes and stores -1; accepts -1. Keeps errno. */
void tn_fd_close(int *fd);
#define TN_AUTO_FD __attribute__((cleanup(tn_fd_close))) int

/* Reads up to `len` bytes at `offset`, retrying short reads; less than `len` only at the end of the file.
 * Bytes read, or a negative TARN_E (errno tells more). */
TN_MUST_USE ssize_t tn_fd_pread(int fd, void *bytes, size_t len, uint64_t offset);

/* Writes all or fails; TARN_OK or a negative TARN_E (errno tells more). */
TN_MUST_USE int tn_fd_pwrite(int fd, const void *bytes, size_t len, uint64_t offset);
TN_MUST_USE int tn_fd_write(int fd, const void *bytes, size_t len);

/* The whole file, at most out->max bytes. `out` is unchanged on failure. */
TN_MUST_USE int tn_file_read(const char *path, struct tn_buf *out, struct tarn_error *err);

/* Replaces `path` so that after a crash either the old or the new content is there: a temporary file
 * beside it, fsync, rename, fsync of the directory. */
TN_MUST_USE int tn_file_replace(const char *path, struct tn_str content, mode_t mode,
                                struct tarn_error *err);

/* mkdir -p; existing directories are fine. */
TN_MUST_USE int tn_dir_make(const char *path, mode_t mode, struct tarn_error *err);

/* fsync of a directory by its path. */
TN_MUST_USE int tn_dir_sync(const char *path, struct tarn_error *err);

#endif
