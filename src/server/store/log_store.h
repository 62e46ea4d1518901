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

    uint64_t body_memory_max;    /* bytes of bodies that wait for their commit; 0: 24 MiB */
    uint64_t scrub_interval_s;   /* between two full readings; 0: a week */
    uint64_t scrub_bytes_per_s;  /* their pace; 0: 20 MB */
    const struct disk_ops *disk; /* NULL: the real one */

    /* The store can promise nothing any more (a failed fsync): say why and end the process. On any
     * thread; nothing is acknowledged after it. Required. */
    void (*on_fatal)(void *context, const char *reason);
    bool ends_on_damage; /* also when the index is damaged and changes cannot be applied to it: the
                          * next start builds it anew. Else that is tried for ever */
    void *context;
};

/* Opens or creates the store; replays what the index has not seen. TARN_EBUSY when another process
 * holds the directory; TARN_ECORRUPT when committed records are damaged; the message says which
 * file and offset. */
TN_MUST_USE int log_store_open(const struct log_store_config *config, struct store **out,
                               struct tarn_error *err);

/* --- Care of a directory: no server may run on it, but for the backup --- */

/* What a check has found. */
struct log_store_report {
    uint64_t records; /* verified, with their bytes */
    uint64_t objects;
    uint64_t blobs;
    uint64_t bytes;
    uint64_t problems; /* each told to the caller in a line of its own */
};
typedef void (*log_store_problem_fn)(void *user, const char *line);

/* Reads everything: each record, each row of the index, each byte of each object. TARN_OK also when
 * there are problems; an error when it could not look. */
TN_MUST_USE int log_store_check(const struct log_store_config *config, log_store_problem_fn each,
                                void *user, struct log_store_report *out, struct tarn_error *err);

/* Drops the index and builds it anew from the log. */
TN_MUST_USE int log_store_rebuild_index(const struct log_store_config *config,
                                        struct tarn_error *err);

struct log_store_backup {
    uint64_t segments, blobs; /* in the backup */
    uint64_t copied_bytes;    /* this time */
    uint64_t seq;             /* of the last record in it */
};

/* Copies the store in `dir`, which may be serving, to `dest`: a consistent state, only what `dest`
 * does not have yet. A backup that was cut off is known as incomplete and completed by the next. */
TN_MUST_USE int log_store_backup(const char *dir, const char *dest, struct log_store_backup *out,
                                 struct tarn_error *err);

/* Makes a store in `dir`, which must be empty or missing, from a complete backup, and verifies it.
 */
TN_MUST_USE int log_store_restore(const char *backup, const struct log_store_config *config,
                                  struct log_store_backup *out, struct tarn_error *err);

#endif
