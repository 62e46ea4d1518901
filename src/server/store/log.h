/* SPDX-License-Identifier: Apache-2.0 */
/* The log: numbered segments, made ahead (of zeros, or of a retired one) by a thread of its own,
 * appended to by one committer, read by many. Every segment ends in a seal record before the next
 * begins, so that a damaged record in the middle is told from a torn tail. */

#ifndef SERVER_STORE_LOG_H
#define SERVER_STORE_LOG_H

#include "server/store/disk.h"
#include "server/store/index.h"
#include "server/store/record.h"

enum {
    LOG_IDENTITY_LEN = RECORD_IDENTITY_LEN,
    LOG_DATA_OFFSET = 4096, /* a segment's header has the first page */
    LOG_SEGMENT_LEN_FIRST =
        4 << 20, /* segments double from here, so that small stores stay small */
    LOG_SEGMENT_LEN_DEFAULT = 64 << 20,
};

struct log;

struct log_config {
    const struct disk_ops *disk;
    const char *dir; /* exists */
    unsigned char identity[LOG_IDENTITY_LEN];
    uint64_t segment_len;
};

/* A record that was read back, and where. */
typedef int (*log_record_fn)(void *user, const struct record *r, const struct place *place,
                             struct tn_str body, struct tarn_error *err);

TN_MUST_USE int log_open(const struct log_config *config, struct log **out, struct tarn_error *err);
void log_close(struct log *l); /* accepts NULL */

/* Yields every committed record behind `from`, in order; then the log is ready for appending and
 * `end` is where. TARN_ECORRUPT when a record is damaged that was acknowledged. Once, before all
 * that follows. */
TN_MUST_USE int log_replay(struct log *l, const struct index_position *from, log_record_fn each,
                           void *user, struct index_position *end, struct tarn_error *err);

/* --- Appending: the committing thread alone --- */

/* For what a record is. The last segment keeps room for deletes, and the last of that for vacuum,
 * which both make more. */
enum log_use { LOG_TAKES_ROOM, LOG_ENDS_SOMETHING, LOG_MOVES };

/* Where a record of `len` bytes goes: TARN_OK and its place; TARN_EAGAIN when the segment must be
 * rolled first; TARN_ENOSPACE when there is no room for another segment, nor in this one for that
 * use; TARN_ETOOBIG when none holds it. Reserves the room. May wait for the next segment. */
TN_MUST_USE int log_reserve(struct log *l, uint64_t len, enum log_use use, uint32_t *segment,
                            uint32_t *offset);

/* Room for a seal is always left; reserves it: the segment takes nothing more. */
void log_reserve_seal(struct log *l, uint32_t *offset);

/* Writes what was reserved since the last call, in order, and makes it durable. */
TN_MUST_USE int log_write(struct log *l, struct iovec *parts, size_t count, uint64_t first_seq,
                          uint32_t prev, struct tarn_error *err);

/* Turns to the next segment; waits for it to be ready. TARN_ENOSPACE when the disk has no room for
 * one. */
TN_MUST_USE int log_roll(struct log *l, struct tarn_error *err);

/* Any thread: what can be written yet without a segment that is not there. `is_last`: there is no
 * room for another one. */
uint64_t log_room(struct log *l, bool *is_last);

/* How much of the last segment is kept from this use. */
uint64_t log_room_kept(const struct log *l, enum log_use use);

/* --- Vacuum's: one thread --- */

/* The numbers of the segments in the directory, ascending, as uint32_t; the one being made ready
 * included. */
TN_MUST_USE int log_numbers(const struct disk_ops *d, const char *path, struct tn_buf *out,
                            struct tarn_error *err);

/* The same on the real disk. */
static inline int log_list(const char *path, struct tn_buf *out, struct tarn_error *err)
{
    return log_numbers(&disk_real, path, out, err);
}

/* Looks at a segment of a log that may be in use elsewhere: `len` bytes are header and whole,
 * chained records (0: not begun), `seq` is the last one's, unchanged when there is none.
 * TARN_ECORRUPT for damage. */
TN_MUST_USE int log_extent(const char *dir, uint32_t number, uint64_t *len, bool *is_sealed,
                           uint64_t *seq, struct tarn_error *err);

struct record_salt log_salt(const struct log *l, uint32_t segment); /* any thread */

uint32_t log_active(const struct log *l); /* any thread: segments before this one are sealed */
uint32_t log_oldest(const struct log *l);

/* The lowest number that a replay would miss: for those before it, the header of a segment says
 * that they are gone, for those from it on, only a RECORD_RETIRE can. */
uint32_t log_missed(const struct log *l);

/* Yields the records of a sealed segment, bodies included, up to its seal. TARN_ECORRUPT where the
 * chain ends before it. */
TN_MUST_USE int log_scan(struct log *l, uint32_t number, log_record_fn each, void *user,
                         struct tarn_error *err);

/* Removes a sealed segment that nobody refers to any more; a RECORD_RETIRE of it is durable. `fd`
 * is its descriptor, or -1: the caller's to give to log_close_retired(). */
TN_MUST_USE int log_retire(struct log *l, uint32_t number, int *fd, struct tarn_error *err);

/* Nobody can be reading the retired segment by its descriptor: its file may be used again. */
void log_close_retired(struct log *l, uint32_t number, int fd);

/* Gives the room of files that wait to be used again back when the disk is short of it. */
void log_trim_spares(struct log *l);

/* --- Reading: any thread --- */

/* A descriptor of the segment, open as long as the log. TARN_EAGAIN when it may not wait and would
 * have to open it. */
TN_MUST_USE int log_segment_fd(struct log *l, uint32_t number, bool may_wait, int *fd);

#endif
