/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a download becomes: under another name, or none, until it is whole. */

#ifndef CLIENT_PARTIAL_H
#define CLIENT_PARTIAL_H

#include <stdatomic.h>

#include <tarn/transfer.h>

#include "base/fail.h"

enum { TN_PARTIAL_LEN_MAX = 4096 };

/* `path`.tarn.part; a shorter name with a number where that, or its record, would be too long for
 * the file system. TARN_EDENIED for what is such a name itself. */
TN_MUST_USE int tn_partial_name(const char *path, char out[TN_PARTIAL_LEN_MAX],
                                struct tarn_error *err);

/* A descriptor of the file at `path`, which is made when it is not there, locked for this transfer;
 * or TARN_EBUSY. `*was_there`: it has something in it. */
TN_MUST_USE int tn_partial_open(const char *path, int mode, bool *was_there,
                                struct tarn_error *err);

/* Room for `len` bytes. `path` is for the message. */
TN_MUST_USE int tn_partial_allocate(int fd, uint64_t len, const char *path, struct tarn_error *err);

/* A device, a pipe or a socket would be gone afterwards, /dev/null for everybody. */
TN_MUST_USE int tn_partial_check_target(const char *path, struct tarn_error *err);

/* Cuts it to `len` bytes, sets times and mode, syncs and renames it, as the options say. */
TN_MUST_USE int tn_partial_finish(int fd, uint64_t len, const char *partial, const char *path,
                                  const struct tarn_transfer_options *options,
                                  const struct tarn_object_info *info, struct tarn_error *err);

/* A whole file that is in memory. */
struct tn_small_file {
    const char *path;
    const void *bytes;
    size_t len;
    const struct tarn_transfer_options *options;
    const struct tarn_object_info *info;
};

enum { TN_SMALL_FILE_TRIES = 4 };

/* Writes it at once: without a name until it is there whole, or where that does not work by way of
 * PATH.tarn.part. `*tries` is shared by the files of a job, TN_SMALL_FILE_TRIES at first: the first
 * way is given up after so many failures in a row. */
TN_MUST_USE int tn_small_file_write(const struct tn_small_file *file, atomic_int *tries,
                                    struct tarn_error *err);

#endif
