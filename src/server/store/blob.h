/* SPDX-License-Identifier: Apache-2.0 */
/* Large bodies, a file each: the bytes, then a CRC32C per block, then a footer. */

#ifndef SERVER_STORE_BLOB_H
#define SERVER_STORE_BLOB_H

#include "server/store/disk.h"
#include "server/store/record.h"

enum { BLOB_FOOTER_LEN = 32, BLOB_DIR_COUNT = 256 };

/* One blob being written. `table` grows by four bytes a block. */
struct blob_writer {
    const struct disk_ops *disk;
    const char *dir; /* of all blobs; borrowed */
    int fd;
    uint64_t id;
    uint64_t len;
    uint32_t block_crc;
    struct tn_buf table;
};

/* Makes the directories below `dir`. */
TN_MUST_USE int blob_dirs_make(const struct disk_ops *d, const char *dir, struct tarn_error *err);

/* Creates the file of `id`: TARN_EEXISTS when there is one. */
TN_MUST_USE int blob_begin(struct blob_writer *w, const struct disk_ops *d, const char *dir,
                           uint64_t id, struct tarn_error *err);
TN_MUST_USE int blob_append(struct blob_writer *w, const void *bytes, size_t len,
                            struct tarn_error *err);

/* Writes the table and the footer; the file and its name are durable after this. */
TN_MUST_USE int blob_finish(struct blob_writer *w, struct tarn_error *err);

/* Closes; what is not finished stays behind for blob_unlink(). Accepts one that was not begun. */
void blob_release(struct blob_writer *w);

/* Opens for reading and checks that the footer says `id` and `len`: else TARN_ECORRUPT. */
TN_MUST_USE int blob_open(const struct disk_ops *d, const char *dir, uint64_t id, uint64_t len,
                          int *fd, struct tarn_error *err);

/* Gone already is fine. */
void blob_unlink(const struct disk_ops *d, const char *dir, uint64_t id);

/* Yields the id of every file. */
typedef int (*blob_id_fn)(void *user, uint64_t id);
TN_MUST_USE int blob_list(const struct disk_ops *d, const char *dir, blob_id_fn each, void *user);

#endif
