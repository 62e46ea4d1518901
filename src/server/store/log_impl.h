/* SPDX-License-Identifier: Apache-2.0 */
/* The log's inside, shared by its files. */

#ifndef SERVER_STORE_LOG_IMPL_H
#define SERVER_STORE_LOG_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/store/log.h"

enum { LOG_PATH_MAX = 4096, SEGMENT_HEADER_LEN = 64, LOG_SPARE_MAX = 4 };

#define LOG_NEXT_NAME "next.tmp" /* a segment that is being made */

/* The file of a retired segment, "NUMBER.spare". */
struct log_spare {
    uint32_t number; /* that it had */
    bool is_ready;   /* nobody reads it any more */
};

struct log {
    struct log_config config;
    char dir[LOG_PATH_MAX];

    /* The committer's alone. */
    int fd;
    uint64_t offset;   /* durable up to here */
    uint64_t reserved; /* and promised up to here */
    uint64_t len;
    bool is_fresh; /* its header is not written yet */

    _Atomic(uint64_t) room; /* in the active segment; the committer changes it */

    _Atomic(uint32_t) number; /* of the active segment; the committer changes it */
    _Atomic(uint32_t) oldest; /* no segment before this one is there any more */
    _Atomic(uint32_t) missed; /* and a durable header says so up to here */

    struct {
        pthread_mutex_t lock;
        int *fds; /* by segment number; -1 is not open */
        size_t count;
    } readers;

    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint32_t wanted; /* the segment to make, 0 for none */
        int fd;          /* of the one that is ready, or -1 */
        uint64_t len;
        bool is_full;
        bool is_closing;
    } next;
    pthread_t preparer;
    bool has_preparer;

    struct {
        pthread_mutex_t lock;
        struct log_spare items[LOG_SPARE_MAX];
        size_t count;
    } spares;
};

/* To be called whenever `reserved` or `len` has changed. */
static inline void log_tell_room(struct log *l)
{
    atomic_store(&l->room, l->len - l->reserved);
}

struct segment_header {
    uint32_t number;
    uint32_t prev;
    uint64_t first_seq;
    uint32_t oldest; /* when this segment was begun */
};

void log_header_write(const struct log *l, const struct segment_header *h, unsigned char *out);

/* TARN_ENOTFOUND for a segment that was made ready and never begun; TARN_ECORRUPT for one that is
 * not ours. */
TN_MUST_USE int log_header_read(const struct log *l, int fd, uint32_t number,
                                struct segment_header *out);

/* Takes the store's identity from a segment, for those who only look. */
TN_MUST_USE int log_header_adopt(struct log *l, int fd);

/* The segment `number`, made, or as it was made before the last stop. */
TN_MUST_USE int log_ready_segment(struct log *l, uint32_t number, int *fd, uint64_t *len);

/* --- log_spare.c --- */

/* Makes the file `path` of segment `number` a spare; nothing is durable, and it is not ready. False
 * when it is not to be one, and nothing has changed. */
bool log_spare_keep(struct log *l, uint32_t number, const char *path, off_t len);
void log_spare_forget(struct log *l, uint32_t number); /* the file stays until the next start */
void log_spare_ready(struct log *l, uint32_t number);

/* A spare of `len` bytes gets the name `path`, which the caller makes durable: its header says that
 * it was not begun. TARN_ENOTFOUND when there is none. */
TN_MUST_USE int log_spare_take(struct log *l, const char *path, uint64_t len, int *fd);

/* Takes over what an earlier process left; the directory is synced. */
void log_find_spares(struct log *l);

TN_MUST_USE int log_start_preparer(struct log *l, uint32_t wanted, struct tarn_error *err);

#endif
