/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of a single machine: one directory, an append log with group commit, large bodies in
 * files, a SQLite index derived from both. See docs/design/store.md. */

#ifndef SERVER_STORE_LOG_STORE_H
#define SERVER_STORE_LOG_STORE_H

#include "server/store/store.h"

struct disk_ops;

struct log_store_config {
    const char *dir;      /* created when missing */
    uint64_t inline_max;  /* bodies up to this live in the log; 0: 1 MiB */
    uint64_t segment_len; /* bytes of a full-grown segment; 0: 64 MiB */
    uint64_t cache_max;   /* bytes of hot heads kept in memory; 0: 8 MiB */

    const struct disk_ops *disk; /* NULL: the real one */

    /* The store can promise nothing any more (a failed fsync): say why and end the process. On any
     * thread; nothing is acknowledged after it. Required. */
    void (*on_fatal)(void *context, const char *reason);
    void *context;
};

/* Opens or creates the store; replays what the index has not seen. TARN_EBUSY when another process
 * holds the directory; TARN_ECORRUPT when committed records are damaged; the message says which
 * file and offset. */
TN_MUST_USE int log_store_open(const struct log_store_config *config, struct store **out,
                               struct tarn_error *err);

#endif
