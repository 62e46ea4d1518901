/* SPDX-License-Identifier: Apache-2.0 */
/* The log. */

#include "server/store/log.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"

static const char segment_magic[8] = "TARNSEG1";

enum {
    LOG_PATH_MAX = 4096,
    SEGMENT_HEADER_LEN = 64,
    ZERO_STEP_LEN = 1 << 20,
    REPLAY_WINDOW_LEN = 1 << 20,
    SEGMENT_NUMBER_MAX = 1 << 28,
    RETRY_MS = 1000,
};

struct log {
    struct log_config config;
    char dir[LOG_PATH_MAX];

    /* The committer's alone. */
    uint32_t number; /* of the active segment */
    int fd;
    uint64_t offset;   /* durable up to here */
    uint64_t reserved; /* and promised up to here */
    uint64_t len;
    bool is_fresh; /* its header is not written yet */

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
};

static int segment_path(const struct log *l, uint32_t number, char *out, size_t cap)
{
    int len = snprintf(out, cap, "%s/%08x.seg", l->dir, number);
    return len > 0 && (size_t)len < cap ? TARN_OK : TARN_ETOOBIG;
}

static uint64_t segment_len_of(const struct log *l, uint32_t number)
{
    uint64_t len = LOG_SEGMENT_LEN_FIRST;
    for (uint32_t i = 1; i < number && len < l->config.segment_len; i++)
        len *= 2;
    return len < l->config.segment_len ? len : l->config.segment_len;
}

/* --- Segment headers --- */

struct segment_header {
    uint32_t number;
    uint32_t prev;
    uint64_t first_seq;
};

static void header_write(const struct log *l, const struct segment_header *h, unsigned char *out)
{
    memset(out, 0, SEGMENT_HEADER_LEN);
    memcpy(out, segment_magic, sizeof segment_magic);
    memcpy(out + 8, l->config.identity, LOG_IDENTITY_LEN);
    put_u32(out + 24, h->number);
    put_u32(out + 28, h->prev);
    put_u64(out + 32, h->first_seq);
    put_u32(out + 40, tn_crc32c(0, out, 40));
}

/* TARN_ENOTFOUND for a segment that was made ready and never begun; TARN_ECORRUPT for one that is
 * not ours. */
static int header_read(const struct log *l, int fd, uint32_t number, struct segment_header *out)
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
                   get_u32(bytes + 24) == number && get_u32(bytes + 40) == tn_crc32c(0, bytes, 40);
    if (!is_ours)
        return TARN_ECORRUPT;
    *out = (struct segment_header){ number, get_u32(bytes + 28), get_u64(bytes + 32) };
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

static int fill_with_zeros(const struct log *l, int fd, uint64_t len)
{
    TN_AUTO_FREE char *zeros = tn_calloc(1, ZERO_STEP_LEN);
    if (!zeros)
        return TARN_ENOMEM;
    if (l->config.disk->fallocate(fd, (off_t)len) < 0 && errno != EOPNOTSUPP)
        return tn_status_from_errno(errno);
    for (uint64_t at = 0; at < len; at += ZERO_STEP_LEN) {
        size_t step = len - at < ZERO_STEP_LEN ? (size_t)(len - at) : ZERO_STEP_LEN;
        int rc = disk_write(l->config.disk, fd, zeros, step, at);
        if (rc < 0)
            return rc;
    }
    return l->config.disk->fsync(fd) < 0 ? tn_status_from_errno(errno) : TARN_OK;
}

static int make_segment(struct log *l, uint32_t number, int *fd, uint64_t *len)
{
    const struct disk_ops *d = l->config.disk;
    char temporary[LOG_PATH_MAX + 16];
    char path[LOG_PATH_MAX + 16];
    (void)snprintf(temporary, sizeof temporary, "%s/next.tmp", l->dir);
    int rc = segment_path(l, number, path, sizeof path);
    if (rc < 0)
        return rc;
    int made = d->open(temporary, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (made < 0)
        return tn_status_from_errno(errno);
    *len = segment_len_of(l, number);
    rc = fill_with_zeros(l, made, *len);
    if (rc == TARN_OK && d->rename(temporary, path) < 0)
        rc = tn_status_from_errno(errno);
    if (rc == TARN_OK)
        rc = disk_sync_dir(d, l->dir, NULL);
    if (rc < 0) {
        (void)d->unlink(temporary);
        (void)d->close(made);
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

/* The segment `number`, made, or as it was made before the last stop. */
static int ready_segment(struct log *l, uint32_t number, int *fd, uint64_t *len)
{
    struct segment_header h;
    int rc = log_segment_fd(l, number, true, fd);
    if (rc == TARN_OK) {
        *len = segment_len_of(l, number);
        if (l->config.disk->length(*fd) == (off_t)*len &&
            header_read(l, *fd, number, &h) == TARN_ENOTFOUND)
            return TARN_OK;
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

static void wait_a_while(pthread_cond_t *cond, pthread_mutex_t *lock)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RETRY_MS / 1000;
    (void)pthread_cond_timedwait(cond, lock, &until);
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
        int rc = ready_segment(l, number, &fd, &len);
        (void)pthread_mutex_lock(&l->next.lock);
        if (rc < 0 && !l->next.is_full)
            tn_log(TN_LOG_WARN, "event=segment_not_made number=%u reason=\"%s\"", number,
                   tarn_status_text(rc));
        l->next.is_full = rc < 0;
        l->next.fd = rc < 0 ? -1 : fd;
        l->next.len = len;
        (void)pthread_cond_broadcast(&l->next.changed);
        if (rc < 0)
            wait_a_while(&l->next.changed, &l->next.lock);
    }
    (void)pthread_mutex_unlock(&l->next.lock);
    return NULL;
}

/* --- Opening and closing --- */

/* Notes the segments that are there; the table's length is the highest number + 1. */
static int find_segments(struct log *l, struct tarn_error *err)
{
    DIR *dir = opendir(l->dir);
    if (!dir)
        return tn_fail_errno(err, "could not open directory \"%s\"", l->dir);
    uint32_t highest = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        unsigned number;
        char rest[8];
        if (sscanf(e->d_name, "%8x%7s", &number, rest) == 2 && strcmp(rest, ".seg") == 0 &&
            number > highest && number < SEGMENT_NUMBER_MAX)
            highest = number;
    }
    (void)closedir(dir);
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
    (void)pthread_mutex_init(&l->readers.lock, NULL);
    (void)pthread_mutex_init(&l->next.lock, NULL);
    (void)pthread_cond_init(&l->next.changed, NULL);
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
    (void)pthread_cond_destroy(&l->next.changed);
    tn_free(l);
}

/* --- Replay --- */

struct replay {
    struct log *log;
    uint32_t segment;
    int fd;
    uint64_t file_len;
    uint64_t offset; /* of the next record */
    uint64_t seq;    /* that it must have */
    uint32_t prev;   /* and its predecessor's CRC */
    struct tn_buf window;
    uint64_t window_offset;
};

/* `len` bytes at the replay's offset, or NULL when the segment is shorter. */
static const unsigned char *look(struct replay *p, uint64_t len, int *rc)
{
    uint64_t end = p->window_offset + p->window.len;
    if (p->offset >= p->window_offset && p->offset + len <= end)
        return (const unsigned char *)p->window.data + (p->offset - p->window_offset);
    tn_buf_truncate(&p->window, 0);
    p->window_offset = p->offset;
    uint64_t want = len > REPLAY_WINDOW_LEN ? len : REPLAY_WINDOW_LEN;
    if (p->offset + len > p->file_len)
        return NULL;
    *rc = tn_buf_reserve(&p->window, (size_t)want);
    if (*rc < 0)
        return NULL;
    ssize_t n =
        disk_read(p->log->config.disk, p->fd, p->window.data, (size_t)want, p->offset, true);
    if (n < 0) {
        *rc = (int)n;
        return NULL;
    }
    p->window.len = (size_t)n;
    return (uint64_t)n < len ? NULL : (const unsigned char *)p->window.data;
}

static bool body_is_valid(const struct record *r, const unsigned char *body)
{
    for (uint64_t at = 0, i = 0; at < r->body_len; at += RECORD_BLOCK_LEN, i++) {
        uint64_t step = r->body_len - at < RECORD_BLOCK_LEN ? r->body_len - at : RECORD_BLOCK_LEN;
        if (!record_block_is_valid(r->table, (size_t)i, body + at, (size_t)step))
            return false;
    }
    return true;
}

/* The record at the replay's offset: TARN_EEOF when there is no whole one. */
static int read_record(struct replay *p, struct record *r, struct tn_str *body, uint64_t *total_len)
{
    int rc = TARN_EEOF;
    size_t front_len;
    const unsigned char *bytes = look(p, RECORD_HEADER_LEN, &rc);
    if (!bytes)
        return rc;
    if (record_read_header(bytes, r, &front_len, total_len) < 0)
        return TARN_EEOF;
    if (p->offset + *total_len > p->file_len)
        return TARN_EEOF;
    bytes = look(p, *total_len, &rc);
    if (!bytes)
        return rc;
    if (record_read_front(bytes, front_len, r) < 0 || !body_is_valid(r, bytes + front_len))
        return TARN_EEOF;
    *body = (struct tn_str){ (const char *)bytes + front_len, (size_t)r->body_len };
    return TARN_OK;
}

/* A record behind the replay's offset whose commit began after the one that is missing there: proof
 * that the missing one had been acknowledged. */
static int find_later_commit(struct replay *p, bool *found)
{
    uint64_t kept = p->offset;
    int rc = TARN_OK;
    *found = false;
    for (p->offset = kept + RECORD_ALIGN; !*found; p->offset += RECORD_ALIGN) {
        struct record r;
        struct tn_str body;
        uint64_t total_len;
        int missing = TARN_OK;
        const unsigned char *bytes = look(p, RECORD_HEADER_LEN, &missing);
        if (missing < 0)
            rc = missing;
        if (!bytes)
            break;
        size_t front_len;
        if (record_read_header(bytes, &r, &front_len, &total_len) < 0)
            continue;
        if (read_record(p, &r, &body, &total_len) == TARN_OK && r.seq > p->seq &&
            r.seq - r.batch_index > p->seq)
            *found = true;
    }
    p->offset = kept;
    return rc;
}

static int open_segment(struct replay *p, uint32_t number, struct tarn_error *err)
{
    int rc = log_segment_fd(p->log, number, true, &p->fd);
    if (rc < 0)
        return tn_fail(err, rc, "could not open log segment %08x: %s", number,
                       tarn_status_text(rc));
    off_t len = p->log->config.disk->length(p->fd);
    if (len < 0)
        return tn_fail_errno(err, "could not look at log segment %08x", number);
    p->file_len = (uint64_t)len;
    p->segment = number;
    p->window.len = 0;
    p->window_offset = 0;
    return TARN_OK;
}

/* The segment behind a seal: TARN_ENOTFOUND when it was not begun. */
static int follow_seal(struct replay *p, struct tarn_error *err)
{
    struct segment_header h;
    uint32_t number = p->segment + 1;
    int fd;
    int rc = log_segment_fd(p->log, number, true, &fd);
    if (rc == TARN_OK)
        rc = header_read(p->log, fd, number, &h);
    if (rc == TARN_ECORRUPT || (rc == TARN_OK && (h.first_seq != p->seq || h.prev != p->prev)))
        rc = TARN_ENOTFOUND; /* torn before its first record was acknowledged, or stale */
    if (rc < 0)
        return rc;
    rc = open_segment(p, number, err);
    p->offset = LOG_DATA_OFFSET;
    return rc;
}

/* At the end of what is valid: is it the torn tail that a crash leaves, or damage? */
static int check_tail(struct replay *p, struct tarn_error *err)
{
    bool is_damage = false;
    int rc = find_later_commit(p, &is_damage);
    if (rc < 0)
        return tn_fail(err, rc, "could not read log segment %08x: %s", p->segment,
                       tarn_status_text(rc));
    struct segment_header h;
    int fd;
    for (size_t i = (size_t)p->segment + 1; i < p->log->readers.count && !is_damage; i++) {
        rc = log_segment_fd(p->log, (uint32_t)i, true, &fd);
        is_damage = rc == TARN_OK && header_read(p->log, fd, (uint32_t)i, &h) == TARN_OK &&
                    h.first_seq > p->seq;
    }
    if (is_damage)
        return tn_fail(err, TARN_ECORRUPT,
                       "could not replay the log: record %llu in segment %08x at offset %llu is"
                       " damaged, later ones are not; restore this file from a backup",
                       (unsigned long long)p->seq, p->segment, (unsigned long long)p->offset);
    return TARN_OK;
}

/* Clears what a torn commit left, so that the next tail can only hold what the next commits leave.
 */
static int clear_tail(struct replay *p, struct tarn_error *err)
{
    static const char zeros[4096];
    char bytes[sizeof zeros];
    bool is_dirty = false;
    for (uint64_t at = p->offset; at < p->file_len; at += sizeof bytes) {
        ssize_t n = disk_read(p->log->config.disk, p->fd, bytes, sizeof bytes, at, true);
        if (n <= 0)
            break;
        if (memcmp(bytes, zeros, (size_t)n) == 0)
            continue;
        int rc = disk_write(p->log->config.disk, p->fd, zeros, (size_t)n, at);
        if (rc < 0)
            return tn_fail(err, rc, "could not clear the log's tail: %s", tarn_status_text(rc));
        is_dirty = true;
    }
    if (is_dirty && p->log->config.disk->fdatasync(p->fd) < 0)
        return tn_fail_errno(err, "could not clear the log's tail");
    return TARN_OK;
}

static int begin_replay(struct replay *p, const struct index_position *from, struct tarn_error *err)
{
    uint32_t number = from->segment;
    struct segment_header h = { 0 };
    int fd;
    for (uint32_t i = 1; number == 0 && i < p->log->readers.count; i++) {
        if (log_segment_fd(p->log, i, true, &fd) == TARN_OK)
            number = i;
    }
    if (number == 0)
        return TARN_ENOTFOUND;
    int rc = open_segment(p, number, err);
    if (rc < 0)
        return rc;
    rc = header_read(p->log, p->fd, number, &h);
    if (rc == TARN_ENOTFOUND && from->segment == 0)
        h = (struct segment_header){ number, 0, 1 };
    else if (rc < 0)
        return tn_fail(err, TARN_ECORRUPT, "could not replay the log: bad header of segment %08x",
                       number);
    p->offset = from->segment ? from->offset : LOG_DATA_OFFSET;
    p->seq = from->segment ? from->seq + 1 : h.first_seq;
    p->prev = from->segment ? from->crc : h.prev;
    return TARN_OK;
}

static int replay_records(struct replay *p, log_record_fn each, void *user, bool *is_sealed,
                          struct tarn_error *err)
{
    *is_sealed = false;
    for (;;) {
        struct record r;
        struct tn_str body;
        uint64_t total_len;
        int rc = read_record(p, &r, &body, &total_len);
        if (rc < 0 && rc != TARN_EEOF)
            return tn_fail(err, rc, "could not read log segment %08x: %s", p->segment,
                           tarn_status_text(rc));
        if (rc == TARN_EEOF || r.seq != p->seq || r.prev != p->prev)
            return check_tail(p, err);
        struct place place = {
            .kind = r.kind,
            .segment = p->segment,
            .offset = (uint32_t)p->offset,
            .len = (uint32_t)total_len,
        };
        if (r.kind == PLACE_BLOB)
            place.blob = get_u64((const unsigned char *)body.data);
        p->offset += total_len;
        p->seq++;
        p->prev = r.crc;
        if (r.type != RECORD_SEAL) {
            rc = each(user, &r, &place, r.kind == PLACE_MANIFEST ? body : TN_STR_EMPTY, err);
            if (rc < 0)
                return rc;
            continue;
        }
        rc = follow_seal(p, err);
        *is_sealed = rc == TARN_ENOTFOUND;
        if (rc < 0)
            return *is_sealed ? check_tail(p, err) : rc;
    }
}

static int start_preparer(struct log *l, uint32_t wanted, struct tarn_error *err)
{
    l->next.wanted = wanted;
    int code = pthread_create(&l->preparer, NULL, prepare_segments, l);
    if (code != 0) {
        errno = code;
        return tn_fail_errno(err, "could not start a thread");
    }
    l->has_preparer = true;
    return TARN_OK;
}

/* The log goes on in segment `number`, of which nothing was acknowledged. */
static int begin_segment(struct log *l, uint32_t number, struct tarn_error *err)
{
    struct replay p = { .log = l };
    int rc = ready_segment(l, number, &l->fd, &l->len);
    if (rc < 0)
        return tn_fail(err, rc, "could not make log segment %08x: %s", number,
                       tarn_status_text(rc));
    p.fd = l->fd;
    p.file_len = l->len;
    l->number = number;
    l->offset = l->reserved = LOG_DATA_OFFSET;
    l->is_fresh = true;
    return clear_tail(&p, err);
}

int log_replay(struct log *l, const struct index_position *from, log_record_fn each, void *user,
               struct index_position *end, struct tarn_error *err)
{
    struct replay p = { .log = l, .fd = -1 };
    tn_buf_init(&p.window, UINT32_MAX);
    bool is_sealed = false;
    int rc = begin_replay(&p, from, err);
    bool is_new = rc == TARN_ENOTFOUND;
    if (rc == TARN_OK)
        rc = replay_records(&p, each, user, &is_sealed, err);
    if (rc == TARN_OK)
        rc = clear_tail(&p, err);
    tn_buf_release(&p.window);
    if (is_new) {
        p.seq = 1;
        rc = from->seq == 0 ? begin_segment(l, 1, err)
                            : tn_fail(err, TARN_ECORRUPT, "could not replay the log: no segments");
    } else if (rc == TARN_OK && is_sealed) {
        rc = begin_segment(l, p.segment + 1, err);
    } else if (rc == TARN_OK) {
        l->number = p.segment;
        l->fd = p.fd;
        l->len = p.file_len;
        l->offset = l->reserved = p.offset;
        l->is_fresh = p.offset == LOG_DATA_OFFSET;
    }
    if (rc < 0)
        return rc;
    *end = (struct index_position){ p.seq - 1, l->number, (uint32_t)l->offset, p.prev, 0 };
    return start_preparer(l, l->number + 1, err);
}

/* --- Appending --- */

int log_reserve(struct log *l, uint64_t len, uint32_t *segment, uint32_t *offset)
{
    if (len > l->config.segment_len - LOG_DATA_OFFSET - RECORD_HEADER_LEN)
        return TARN_ETOOBIG;
    if (l->reserved + len + RECORD_HEADER_LEN > l->len)
        return TARN_EAGAIN;
    *segment = l->number;
    *offset = (uint32_t)l->reserved;
    l->reserved += len;
    return TARN_OK;
}

void log_reserve_seal(struct log *l, uint32_t *offset)
{
    *offset = (uint32_t)l->reserved;
    l->reserved += RECORD_HEADER_LEN;
    assert(l->reserved <= l->len);
}

int log_write(struct log *l, struct iovec *parts, size_t count, uint64_t first_seq, uint32_t prev,
              struct tarn_error *err)
{
    const struct disk_ops *d = l->config.disk;
    int rc = TARN_OK;
    if (l->is_fresh) {
        unsigned char header[SEGMENT_HEADER_LEN];
        header_write(l, &(struct segment_header){ l->number, prev, first_seq }, header);
        rc = disk_write(d, l->fd, header, sizeof header, 0);
    }
    if (rc == TARN_OK)
        rc = disk_writev(d, l->fd, parts, count, l->offset);
    if (rc < 0)
        return tn_fail(err, rc, "could not write log segment %08x: %s", l->number,
                       tarn_status_text(rc));
    if (d->fdatasync(l->fd) < 0)
        return tn_fail_errno(err, "could not sync log segment %08x", l->number);
    l->is_fresh = false;
    l->offset = l->reserved;
    return TARN_OK;
}

int log_roll(struct log *l, struct tarn_error *err)
{
    (void)pthread_mutex_lock(&l->next.lock);
    while (l->next.fd < 0 && !l->next.is_full)
        (void)pthread_cond_wait(&l->next.changed, &l->next.lock);
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
    return TARN_OK;
}

uint64_t log_room(struct log *l, bool *has_next, bool *is_full)
{
    (void)pthread_mutex_lock(&l->next.lock);
    *has_next = l->next.fd >= 0;
    *is_full = l->next.is_full;
    (void)pthread_mutex_unlock(&l->next.lock);
    return l->len - l->reserved;
}
