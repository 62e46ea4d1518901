/* SPDX-License-Identifier: Apache-2.0 */
/* The log. */

#include "server/store/log_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/wait.h"

static const char segment_magic[8] = "TARNSEG1";

enum {
    ZERO_STEP_LEN = 256 << 10,
    SEGMENT_LEN_MIN = 64 << 10,
    SEGMENT_NUMBER_MAX = 1 << 28,
    SEGMENT_LIST_LEN_MAX = 64 << 20,
    RETRY_MS = 1000,
};

static int segment_path(const struct log *l, uint32_t number, char *out, size_t cap)
{
    int len = snprintf(out, cap, "%s/%08x.seg", l->dir, number);
    return len > 0 && (size_t)len < cap ? TARN_OK : TARN_ETOOBIG;
}

struct record_salt log_salt(const struct log *l, uint32_t segment)
{
    return record_salt(l->config.identity, segment);
}

static uint64_t segment_len_of(const struct log *l, uint32_t number)
{
    uint64_t len = LOG_SEGMENT_LEN_FIRST;
    for (uint32_t i = 1; i < number && len < l->config.segment_len; i++)
        len *= 2;
    return len < l->config.segment_len ? len : l->config.segment_len;
}

/* A disk that fills up gets shorter ones: deletes and vacuum, which make room, must go on. */
static uint64_t segment_len_now(const struct log *l, uint32_t number)
{
    struct statvfs info;
    uint64_t len = segment_len_of(l, number);
    if (l->config.disk->statvfs(l->dir, &info) < 0)
        return len;
    while (len > LOG_SEGMENT_LEN_FIRST && len > (uint64_t)info.f_bavail * info.f_frsize / 2)
        len /= 2;
    return len;
}

/* --- Segment headers --- */

void log_header_write(const struct log *l, const struct segment_header *h, unsigned char *out)
{
    memset(out, 0, SEGMENT_HEADER_LEN);
    memcpy(out, segment_magic, sizeof segment_magic);
    memcpy(out + 8, l->config.identity, LOG_IDENTITY_LEN);
    put_u32(out + 24, h->number);
    put_u32(out + 28, h->prev);
    put_u64(out + 32, h->first_seq);
    put_u32(out + 40, h->oldest);
    put_u32(out + 44, tn_crc32c(0, out, 44));
}

int log_header_adopt(struct log *l, int fd)
{
    unsigned char bytes[SEGMENT_HEADER_LEN];
    ssize_t n = disk_read(l->config.disk, fd, bytes, sizeof bytes, 0, true);
    if (n < 0)
        return (int)n;
    if ((size_t)n == sizeof bytes)
        memcpy(l->config.identity, bytes + 8, LOG_IDENTITY_LEN);
    return TARN_OK;
}

int log_header_read(const struct log *l, int fd, uint32_t number, struct segment_header *out)
{
    unsigned char bytes[SEGMENT_HEADER_LEN];
    static const unsigned char zeros[SEGMENT_HEADER_LEN];
    ssize_t n = disk_read(l->config.disk, fd, bytes, sizeof bytes, 0, true);
    if (n < 0)
        return (int)n;
    if ((size_t)n < sizeof bytes || memcmp(bytes, zeros, sizeof bytes) == 0)
        return TARN_ENOTFOUND;
    bool is_ours = memcmp(bytes, segment_magic, sizeof segment_magic) == 0 &&
                   memcmp(bytes + 8, l->config.identity, LOG_IDENTITY_LEN) == 0 &&
                   get_u32(bytes + 24) == number && get_u32(bytes + 44) == tn_crc32c(0, bytes, 44);
    if (!is_ours)
        return TARN_ECORRUPT;
    *out = (struct segment_header){ number, get_u32(bytes + 28), get_u64(bytes + 32),
                                    get_u32(bytes + 40) };
    return TARN_OK;
}

/* --- Reading --- */

/* Keeps `fd` as the one of segment `number`. */
static int keep_fd(struct log *l, uint32_t number, int fd)
{
    if (number >= l->readers.count) {
        size_t count = (size_t)number + 16;
        int *fds = tn_realloc(l->readers.fds, count * sizeof *fds);
        if (!fds)
            return TARN_ENOMEM;
        for (size_t i = l->readers.count; i < count; i++)
            fds[i] = -1;
        l->readers.fds = fds;
        l->readers.count = count;
    }
    assert(l->readers.fds[number] < 0);
    l->readers.fds[number] = fd;
    return TARN_OK;
}

int log_segment_fd(struct log *l, uint32_t number, bool may_wait, int *fd)
{
    (void)pthread_mutex_lock(&l->readers.lock);
    int rc = TARN_OK;
    int found = number < l->readers.count ? l->readers.fds[number] : -1;
    if (found < 0 && !may_wait) {
        rc = TARN_EAGAIN;
    } else if (found < 0) {
        char path[LOG_PATH_MAX + 16];
        rc = segment_path(l, number, path, sizeof path);
        if (rc == TARN_OK)
            found = l->config.disk->open(path, O_RDWR, 0);
        if (rc == TARN_OK && found < 0)
            rc = tn_status_from_errno(errno);
        else if (rc == TARN_OK)
            rc = keep_fd(l, number, found);
    }
    (void)pthread_mutex_unlock(&l->readers.lock);
    if (rc == TARN_OK)
        *fd = found;
    return rc;
}

/* --- The preparer: makes the next segment before it is needed --- */

static bool is_closing(struct log *l)
{
    (void)pthread_mutex_lock(&l->next.lock);
    bool closing = l->next.is_closing;
    (void)pthread_mutex_unlock(&l->next.lock);
    return closing;
}

/* A busy disk may take its time over a segment: the end does not wait for it. */
static int fill_with_zeros(struct log *l, int fd, uint64_t len)
{
    TN_AUTO_FREE char *zeros = tn_calloc(1, ZERO_STEP_LEN);
    if (!zeros)
        return TARN_ENOMEM;
    if (l->config.disk->fallocate(fd, (off_t)len) < 0 && errno != EOPNOTSUPP)
        return tn_status_from_errno(errno);
    for (uint64_t at = 0; at < len; at += ZERO_STEP_LEN) {
        size_t step = len - at < ZERO_STEP_LEN ? (size_t)(len - at) : ZERO_STEP_LEN;
        int rc = is_closing(l) ? TARN_ECANCELLED : disk_write(l->config.disk, fd, zeros, step, at);
        if (rc < 0)
            return rc;
        /* In small portions, so that no commit's sync waits behind a whole segment. */
        if (l->config.disk->write_back)
            l->config.disk->write_back(fd, (off_t)at, (off_t)step);
    }
    return l->config.disk->fsync(fd) < 0 ? tn_status_from_errno(errno) : TARN_OK;
}

static int make_file(struct log *l, const char *path, uint64_t len, int *fd)
{
    const struct disk_ops *d = l->config.disk;
    char temporary[LOG_PATH_MAX + 16];
    (void)snprintf(temporary, sizeof temporary, "%s/" LOG_NEXT_NAME, l->dir);
    int made = d->open(temporary, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (made < 0)
        return tn_status_from_errno(errno);
    int rc = fill_with_zeros(l, made, len);
    if (rc == TARN_OK && d->rename(temporary, path) < 0)
        rc = tn_status_from_errno(errno);
    if (rc < 0) {
        (void)d->unlink(temporary);
        (void)d->close(made);
        return rc;
    }
    *fd = made;
    return TARN_OK;
}

static int make_segment(struct log *l, uint32_t number, int *fd, uint64_t *len)
{
    char path[LOG_PATH_MAX + 16];
    int made;
    int rc = segment_path(l, number, path, sizeof path);
    if (rc < 0)
        return rc;
    *len = segment_len_of(l, number);
    if (log_spare_take(l, path, *len, &made) < 0) {
        *len = segment_len_now(l, number);
        rc = make_file(l, path, *len, &made);
    }
    if (rc < 0)
        return rc;
    rc = disk_sync_dir(l->config.disk, l->dir, NULL);
    if (rc < 0) { /* nor may it be found there by the next try, which would take it for durable */
        (void)l->config.disk->unlink(path);
        (void)l->config.disk->close(made);
        return rc;
    }
    *fd = made;
    return TARN_OK;
}

/* Forgets segment `number`, which nobody reads. */
static void drop_fd(struct log *l, uint32_t number)
{
    (void)pthread_mutex_lock(&l->readers.lock);
    (void)l->config.disk->close(l->readers.fds[number]);
    l->readers.fds[number] = -1;
    (void)pthread_mutex_unlock(&l->readers.lock);
}

int log_ready_segment(struct log *l, uint32_t number, int *fd, uint64_t *len)
{
    struct segment_header h;
    int rc = log_segment_fd(l, number, true, fd);
    if (rc == TARN_OK) {
        off_t found = l->config.disk->length(*fd);
        *len = (uint64_t)found;
        if (found >= SEGMENT_LEN_MIN && *len <= l->config.segment_len &&
            log_header_read(l, *fd, number, &h) == TARN_ENOTFOUND)
            return disk_sync_dir(l->config.disk, l->dir, NULL);
        drop_fd(l, number);
    }
    rc = make_segment(l, number, fd, len);
    if (rc < 0)
        return rc;
    (void)pthread_mutex_lock(&l->readers.lock);
    rc = keep_fd(l, number, *fd);
    (void)pthread_mutex_unlock(&l->readers.lock);
    return rc;
}

static void *prepare_segments(void *arg)
{
    struct log *l = arg;
    (void)pthread_mutex_lock(&l->next.lock);
    while (!l->next.is_closing) {
        if (l->next.wanted == 0 || l->next.fd >= 0) {
            (void)pthread_cond_wait(&l->next.changed, &l->next.lock);
            continue;
        }
        uint32_t number = l->next.wanted;
        (void)pthread_mutex_unlock(&l->next.lock);
        int fd = -1;
        uint64_t len = 0;
        int rc = log_ready_segment(l, number, &fd, &len);
        (void)pthread_mutex_lock(&l->next.lock);
        if (rc < 0 && !l->next.is_full && !l->next.is_closing)
            tn_log(TN_LOG_WARN, "event=segment_not_made number=%u reason=\"%s\"", number,
                   tarn_status_text(rc));
        l->next.is_full = rc < 0;
        l->next.fd = rc < 0 ? -1 : fd;
        l->next.len = len;
        (void)pthread_cond_broadcast(&l->next.changed);
        if (rc < 0 && !l->next.is_closing)
            (void)tn_cond_wait_ms(&l->next.changed, &l->next.lock, RETRY_MS);
    }
    (void)pthread_mutex_unlock(&l->next.lock);
    return NULL;
}

/* --- Opening and closing --- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int note_segment(void *user, const char *name)
{
    uint32_t number;
    char rest[8];
    if (sscanf(name, "%8x%7s", &number, rest) == 2 && strcmp(rest, ".seg") == 0 && number &&
        number < SEGMENT_NUMBER_MAX)
        return tn_buf_append(user, &number, sizeof number);
    return TARN_OK;
}

int log_numbers(const struct disk_ops *d, const char *path, struct tn_buf *out,
                struct tarn_error *err)
{
    int rc = disk_list(d, path, note_segment, out);
    if (rc < 0)
        return tn_fail(err, rc, "could not list directory \"%s\": %s", path, tarn_status_text(rc));
    if (out->len)
        qsort(out->data, out->len / sizeof(uint32_t), sizeof(uint32_t), by_number);
    return TARN_OK;
}

/* Room in the table of descriptors for the segments that are there. */
static int find_segments(struct log *l, struct tarn_error *err)
{
    TN_AUTO_BUF numbers = TN_BUF_INIT(SEGMENT_LIST_LEN_MAX);
    uint32_t highest = 0;
    /* What an earlier process removed and did not sync is not to come back either. */
    int rc = disk_sync_dir(l->config.disk, l->dir, err);
    if (rc == TARN_OK)
        rc = log_numbers(l->config.disk, l->dir, &numbers, err);
    if (rc < 0)
        return rc;
    if (numbers.len)
        memcpy(&highest, numbers.data + numbers.len - sizeof highest, sizeof highest);
    if (numbers.len) {
        uint32_t lowest;
        memcpy(&lowest, numbers.data, sizeof lowest);
        l->oldest = lowest;
    }
    l->readers.count = (size_t)highest + 1;
    l->readers.fds = tn_realloc(NULL, l->readers.count * sizeof *l->readers.fds);
    if (!l->readers.fds)
        return tn_fail(err, TARN_ENOMEM, "could not open the log: out of memory");
    for (size_t i = 0; i < l->readers.count; i++)
        l->readers.fds[i] = -1;
    return TARN_OK;
}

int log_open(const struct log_config *config, struct log **out, struct tarn_error *err)
{
    struct log *l = tn_calloc(1, sizeof *l);
    if (!l)
        return tn_fail(err, TARN_ENOMEM, "could not open the log: out of memory");
    l->config = *config;
    l->fd = -1;
    l->next.fd = -1;
    (void)snprintf(l->dir, sizeof l->dir, "%s", config->dir);
    l->config.dir = l->dir;
    l->oldest = 1;
    (void)pthread_mutex_init(&l->readers.lock, NULL);
    (void)pthread_mutex_init(&l->next.lock, NULL);
    (void)pthread_mutex_init(&l->spares.lock, NULL);
    tn_cond_init(&l->next.changed);
    int rc = find_segments(l, err);
    if (rc < 0) {
        log_close(l);
        return rc;
    }
    *out = l;
    return TARN_OK;
}

void log_close(struct log *l)
{
    if (!l)
        return;
    if (l->has_preparer) {
        (void)pthread_mutex_lock(&l->next.lock);
        l->next.is_closing = true;
        (void)pthread_cond_broadcast(&l->next.changed);
        (void)pthread_mutex_unlock(&l->next.lock);
        (void)pthread_join(l->preparer, NULL);
    }
    for (size_t i = 0; i < l->readers.count; i++) {
        if (l->readers.fds[i] >= 0)
            (void)l->config.disk->close(l->readers.fds[i]);
    }
    tn_free(l->readers.fds);
    (void)pthread_mutex_destroy(&l->readers.lock);
    (void)pthread_mutex_destroy(&l->next.lock);
    (void)pthread_mutex_destroy(&l->spares.lock);
    (void)pthread_cond_destroy(&l->next.changed);
    tn_free(l);
}

int log_start_preparer(struct log *l, uint32_t wanted, struct tarn_error *err)
{
    l->next.wanted = wanted;
    log_find_spares(l);
    int code = pthread_create(&l->preparer, NULL, prepare_segments, l);
    if (code != 0) {
        errno = code;
        return tn_fail_errno(err, "could not start a thread");
    }
    l->has_preparer = true;
    return TARN_OK;
}

/* --- Appending --- */

/* Waits until it is known. A segment is sealed only when there is a next: else the log would have
 * no room left, not even for what makes room. */
static bool wait_for_next(struct log *l)
{
    (void)pthread_mutex_lock(&l->next.lock);
    while (l->next.fd < 0 && !l->next.is_full)
        (void)pthread_cond_wait(&l->next.changed, &l->next.lock);
    bool found = l->next.fd >= 0;
    (void)pthread_mutex_unlock(&l->next.lock);
    return found;
}

uint64_t log_room_kept(const struct log *l, enum log_use use)
{
    static const struct {
        uint64_t max;
        unsigned share;
    } kept[] = {
        [LOG_TAKES_ROOM] = { LOG_SEGMENT_LEN_FIRST / 4, 4 },
        [LOG_ENDS_SOMETHING] = { LOG_SEGMENT_LEN_FIRST / 16, 16 },
    };
    if (use == LOG_MOVES)
        return 0;
    uint64_t share = l->config.segment_len / kept[use].share;
    return share < kept[use].max ? share : kept[use].max;
}

int log_reserve(struct log *l, uint64_t len, enum log_use use, uint32_t *segment, uint32_t *offset)
{
    uint64_t end = l->reserved + len + RECORD_HEADER_LEN;
    if (len > l->config.segment_len - LOG_DATA_OFFSET - RECORD_HEADER_LEN)
        return TARN_ETOOBIG;
    if (end > l->len)
        return wait_for_next(l) ? TARN_EAGAIN : TARN_ENOSPACE;
    if (end + log_room_kept(l, use) > l->len && !wait_for_next(l))
        return TARN_ENOSPACE;
    *segment = l->number;
    *offset = (uint32_t)l->reserved;
    l->reserved += len;
    log_tell_room(l);
    return TARN_OK;
}

void log_reserve_seal(struct log *l, uint32_t *offset)
{
    *offset = (uint32_t)l->reserved;
    l->reserved += RECORD_HEADER_LEN;
    assert(l->reserved <= l->len);
    log_tell_room(l);
}

int log_write(struct log *l, struct iovec *parts, size_t count, uint64_t first_seq, uint32_t prev,
              struct tarn_error *err)
{
    const struct disk_ops *d = l->config.disk;
    int rc = TARN_OK;
    uint32_t oldest = l->oldest;
    if (l->is_fresh) {
        unsigned char header[SEGMENT_HEADER_LEN];
        struct segment_header h = { l->number, prev, first_seq, oldest };
        log_header_write(l, &h, header);
        rc = disk_write(d, l->fd, header, sizeof header, 0);
    }
    if (rc == TARN_OK)
        rc = disk_writev(d, l->fd, parts, count, l->offset);
    if (rc < 0)
        return tn_fail(err, rc, "could not write log segment %08x: %s", l->number,
                       tarn_status_text(rc));
    if (d->fdatasync(l->fd) < 0)
        return tn_fail_errno(err, "could not sync log segment %08x", l->number);
    if (l->is_fresh)
        l->missed = oldest;
    l->is_fresh = false;
    l->offset = l->reserved;
    return TARN_OK;
}

int log_roll(struct log *l, struct tarn_error *err)
{
    (void)wait_for_next(l);
    (void)pthread_mutex_lock(&l->next.lock);
    int fd = l->next.fd;
    uint64_t len = l->next.len;
    if (fd >= 0) {
        l->next.fd = -1;
        l->next.wanted = l->number + 2;
        (void)pthread_cond_broadcast(&l->next.changed);
    }
    (void)pthread_mutex_unlock(&l->next.lock);
    if (fd < 0)
        return tn_fail(err, TARN_ENOSPACE, "could not begin a log segment: no space left");

    l->number++;
    l->fd = fd;
    l->len = len;
    l->offset = l->reserved = LOG_DATA_OFFSET;
    l->is_fresh = true;
    log_tell_room(l);
    return TARN_OK;
}

uint64_t log_room(struct log *l, bool *is_last)
{
    (void)pthread_mutex_lock(&l->next.lock);
    bool has_next = l->next.fd >= 0;
    uint64_t room = atomic_load(&l->room) + (has_next ? l->next.len - LOG_DATA_OFFSET : 0);
    *is_last = l->next.is_full && !has_next;
    (void)pthread_mutex_unlock(&l->next.lock);
    return room;
}

/* --- Retiring --- */

uint32_t log_active(const struct log *l)
{
    return l->number;
}

uint32_t log_oldest(const struct log *l)
{
    return l->oldest;
}

uint32_t log_missed(const struct log *l)
{
    return l->missed;
}

void log_close_retired(struct log *l, uint32_t number, int fd)
{
    log_spare_ready(l, number);
    (void)l->config.disk->close(fd);
}

int log_retire(struct log *l, uint32_t number, int *fd, struct tarn_error *err)
{
    char path[LOG_PATH_MAX + 16];
    assert(number < l->number);
    *fd = -1;
    int rc = segment_path(l, number, path, sizeof path);
    if (rc < 0)
        return tn_fail(err, rc, "could not remove log segment %08x: path too long", number);
    bool is_kept = log_segment_fd(l, number, true, fd) == TARN_OK &&
                   log_spare_keep(l, number, path, l->config.disk->length(*fd));
    *fd = -1;
    if (!is_kept && l->config.disk->unlink(path) < 0 && errno != ENOENT)
        return tn_fail_errno(err, "could not remove log segment %08x", number);
    (void)pthread_mutex_lock(&l->readers.lock);
    *fd = number < l->readers.count ? l->readers.fds[number] : -1;
    if (*fd >= 0)
        l->readers.fds[number] = -1;
    (void)pthread_mutex_unlock(&l->readers.lock);
    /* Ends of what an older segment holds are dropped once it is gone: it must not come back. Nor
     * may a segment that could come back lose its header. */
    rc = disk_sync_dir(l->config.disk, l->dir, err);
    if (rc < 0) {
        log_spare_forget(l, number);
        return rc;
    }
    TN_AUTO_BUF numbers = TN_BUF_INIT(SEGMENT_LIST_LEN_MAX);
    rc = log_numbers(l->config.disk, l->dir, &numbers, err);
    if (rc == TARN_OK && numbers.len) {
        uint32_t lowest;
        memcpy(&lowest, numbers.data, sizeof lowest);
        l->oldest = lowest;
    }
    return rc;
}
