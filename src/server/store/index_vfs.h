/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite VFS in front of another: each page of the index file has a CRC32C over its bytes and its
 * number in its last bytes, written with the page and verified whenever it is read. Without it, a
 * bit that turned over on the disk would make rows vanish and no call fail.
 *
 * Pages in the WAL have SQLite's own checksums, which a start verifies; they get theirs here when a
 * checkpoint moves them into the file. */

#ifndef SERVER_STORE_INDEX_VFS_H
#define SERVER_STORE_INDEX_VFS_H

#include "server/store/disk.h"

enum {
    INDEX_PAGE_LEN = 4096, /* of every index: another length is damage */
    INDEX_PAGE_RESERVED = 8,
    INDEX_PAGE_CRC_AT = INDEX_PAGE_LEN - 4,
};

struct index_vfs;
struct sqlite3_file;

/* For the index file `path`, on the VFS of `d`. Registered under a name of its own. */
TN_MUST_USE int index_vfs_new(const struct disk_ops *d, const char *path, struct index_vfs **out,
                              struct tarn_error *err);
void index_vfs_free(struct index_vfs *v); /* accepts NULL; no connection is open by it */

const char *index_vfs_name(const struct index_vfs *v);

/* A page was damaged, at any time since the index was made: its file is not to be trusted. The mark
 * is a file beside it, which tells the next start. */
bool index_vfs_is_marked(const struct index_vfs *v);
void index_vfs_unmark(struct index_vfs *v);

/* Reads `count` pages of the file of a connection, from page `first`, 1 the first: TARN_OK,
 * TARN_EEOF behind its end, TARN_ECORRUPT for a damaged one. The connection is the caller's. */
TN_MUST_USE int index_vfs_verify(struct sqlite3_file *file, uint64_t first, size_t count,
                                 uint64_t *damaged);

/* What the last four bytes of page `number`, from 1, must be. */
uint32_t index_page_crc(const unsigned char page[INDEX_PAGE_LEN], uint64_t number);

/* Before the index is opened: TARN_ECORRUPT when its WAL is damaged where the file already has
 * later pages. SQLite takes a damaged frame for the end of the WAL, as a power loss leaves it, and
 * would read old pages from there and new ones from the file. */
TN_MUST_USE int index_wal_check(const struct disk_ops *d, const char *path, struct tarn_error *err);

#endif
