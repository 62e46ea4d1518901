/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the log back: at the start, and segment by segment for vacuum and scrub. */

#include <errno.h>

#include "server/store/log_impl.h"

enum { REPLAY_WINDOW_LEN = 1 << 20, CLEAR_STEP_LEN = 64 * 1024 };

struct replay {
    struct log *log;
    uint32_t segment;
    struct record_salt salt; /* of that segment's records */
    int fd;
    uint64_t file_len;
    uint64_t offset; /* of the next record */
    uint64_t seq;    /* that it must have */
    uint32_t prev;   /* and its predecessor's CRC */
    struct tn_buf window;
    uint64_t window_offset;
    struct tn_buf gaps;    /* numbers of segments that are not there, as uint32_t */
    struct tn_buf retired; /* numbers that vacuum says it has removed */
    uint32_t oldest;       /* the highest that a segment's header knows: none before it is missed */
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
    if (record_read_header(bytes, p->salt, r, &front_len, total_len) < 0)
        return TARN_EEOF;
    if (p->offset + *total_len > p->file_len)
        return TARN_EEOF;
    bytes = look(p, *total_len, &rc);
    if (!bytes)
        return rc;
    if (record_read_front(bytes, front_len, p->salt, r) < 0 || !body_is_valid(r, bytes + front_len))
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
        if (record_read_header(bytes, p->salt, &r, &front_len, &total_len) < 0)
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
    p->salt = log_salt(p->log, number);
    p->window.len = 0;
    p->window_offset = 0;
    return TARN_OK;
}

static int note_number(struct tn_buf *b, uint32_t number, struct tarn_error *err)
{
    int rc = tn_buf_append(b, &number, sizeof number);
    return rc < 0 ? tn_fail(err, rc, "could not replay the log: out of memory") : TARN_OK;
}

/* The first segment behind this one that is there; those between are gaps. TARN_ENOTFOUND when none
 * is. */
static int find_next(struct replay *p, uint32_t *number, struct tarn_error *err)
{
    int fd;
    for (uint32_t i = p->segment + 1; i < p->log->readers.count; i++) {
        int rc = log_segment_fd(p->log, i, true, &fd);
        if (rc == TARN_OK) {
            *number = i;
            return rc;
        }
        rc = rc == TARN_ENOTFOUND ? note_number(&p->gaps, i, err) : rc;
        if (rc < 0)
            return rc;
    }
    return TARN_ENOTFOUND;
}

/* The segment behind a seal: TARN_ENOTFOUND when it was not begun. */
static int follow_seal(struct replay *p, struct tarn_error *err)
{
    struct segment_header h;
    uint32_t number;
    int fd;
    int rc = find_next(p, &number, err);
    if (rc == TARN_OK)
        rc = log_segment_fd(p->log, number, true, &fd);
    if (rc == TARN_OK)
        rc = log_header_read(p->log, fd, number, &h);
    bool is_next = rc == TARN_OK && number == p->segment + 1;
    if (rc == TARN_ECORRUPT || (is_next && (h.first_seq != p->seq || h.prev != p->prev)))
        rc = TARN_ENOTFOUND; /* torn before its first record was acknowledged, or stale */
    if (rc < 0)
        return rc;
    rc = open_segment(p, number, err);
    p->offset = LOG_DATA_OFFSET;
    p->seq = h.first_seq;
    p->prev = h.prev;
    p->oldest = h.oldest > p->oldest ? h.oldest : p->oldest;
    return rc;
}

static bool has_number(const struct tn_buf *b, uint32_t number)
{
    for (size_t at = 0; at < b->len; at += sizeof number) {
        if (memcmp(b->data + at, &number, sizeof number) == 0)
            return true;
    }
    return false;
}

/* What is missing must be what vacuum has removed. */
static int check_gaps(const struct replay *p, struct tarn_error *err)
{
    for (size_t at = 0; at < p->gaps.len; at += sizeof(uint32_t)) {
        uint32_t number;
        memcpy(&number, p->gaps.data + at, sizeof number);
        if (number >= p->oldest && number < p->segment && !has_number(&p->retired, number))
            return tn_fail(err, TARN_ECORRUPT,
                           "could not replay the log: segment %08x is missing; restore it from a"
                           " backup",
                           number);
    }
    return TARN_OK;
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
        is_damage = rc == TARN_OK && log_header_read(p->log, fd, (uint32_t)i, &h) == TARN_OK &&
                    h.first_seq > p->seq;
    }
    if (is_damage)
        return tn_fail(err, TARN_ECORRUPT,
                       "could not replay the log: record %llu in segment %08x at offset %llu is"
                       " damaged, later ones are not; restore this file from a backup",
                       (unsigned long long)p->seq, p->segment, (unsigned long long)p->offset);
    return TARN_OK;
}

/* True when there was a record's beginning. */
static bool wipe_records(unsigned char *bytes, size_t len, uint32_t magic)
{
    bool found = false;
    for (size_t at = 0; at + sizeof magic <= len; at += RECORD_ALIGN) {
        if (get_u32(bytes + at) == magic) {
            put_u32(bytes + at, 0);
            found = true;
        }
    }
    return found;
}

/* Clears what a torn commit left, so that the next tail can only hold what the next commits leave.
 * What the file held when it was another segment is no record of this one, and stays. */
static int clear_tail(struct replay *p, struct tarn_error *err)
{
    bool is_dirty = false;
    TN_AUTO_FREE unsigned char *bytes = tn_realloc(NULL, CLEAR_STEP_LEN);
    if (!bytes)
        return tn_fail(err, TARN_ENOMEM, "could not clear the log's tail: out of memory");
    for (uint64_t at = p->offset; at < p->file_len; at += CLEAR_STEP_LEN) {
        ssize_t n = disk_read(p->log->config.disk, p->fd, bytes, CLEAR_STEP_LEN, at, true);
        int rc = n < 0 ? (int)n : TARN_OK;
        if (n > 0 && wipe_records(bytes, (size_t)n, p->salt.magic)) {
            rc = disk_write(p->log->config.disk, p->fd, bytes, (size_t)n, at);
            is_dirty = true;
        }
        if (rc < 0)
            return tn_fail(err, rc, "could not clear the log's tail: %s", tarn_status_text(rc));
    }
    if (is_dirty && p->log->config.disk->fdatasync(p->fd) < 0)
        return tn_fail_errno(err, "could not clear the log's tail");
    return TARN_OK;
}

/* Has anything ever been committed to the open segment or behind it? The write of a store's first
 * header may have failed half-way: that is no damage. What cannot be read is taken for something.
 */
static bool has_records(struct replay *p)
{
    struct segment_header h;
    bool found = false;
    uint32_t next;
    int fd;
    p->offset = LOG_DATA_OFFSET - RECORD_ALIGN;
    p->seq = 0;
    if (find_later_commit(p, &found) < 0 || found)
        return true;
    for (next = p->segment + 1; next < p->log->readers.count; next++) {
        int rc = log_segment_fd(p->log, next, true, &fd);
        if (rc != TARN_ENOTFOUND &&
            (rc < 0 || log_header_read(p->log, fd, next, &h) != TARN_ENOTFOUND))
            return true;
    }
    return false;
}

/* The first commit may have left its record without the header before it. The record counts, so the
 * header must be there from now on. */
static int write_first_header(struct replay *p, const struct segment_header *h,
                              struct tarn_error *err)
{
    unsigned char bytes[SEGMENT_HEADER_LEN];
    log_header_write(p->log, h, bytes);
    int rc = disk_write(p->log->config.disk, p->fd, bytes, sizeof bytes, 0);
    if (rc < 0)
        return tn_fail(err, rc, "could not write log segment %08x: %s", h->number,
                       tarn_status_text(rc));
    if (p->log->config.disk->fdatasync(p->fd) < 0)
        return tn_fail_errno(err, "could not sync log segment %08x", h->number);
    return TARN_OK;
}

static int begin_replay(struct replay *p, const struct index_position *from, struct tarn_error *err)
{
    uint32_t number = from->segment;
    struct segment_header h = { 0 };
    int rc = number == 0 ? find_next(p, &number, err) : TARN_OK;
    if (rc < 0)
        return rc;
    rc = open_segment(p, number, err);
    if (rc < 0)
        return rc;
    rc = log_header_read(p->log, p->fd, number, &h);
    if (rc == TARN_ECORRUPT && from->segment == 0 && number == 1 && !has_records(p))
        rc = TARN_ENOTFOUND;
    if (rc == TARN_ENOTFOUND && from->segment == 0 && number == 1) {
        h = (struct segment_header){ number, 0, 1, 1 };
        rc = write_first_header(p, &h, err);
        if (rc < 0)
            return rc;
    } else if (rc < 0) {
        return tn_fail(err, TARN_ECORRUPT, "could not replay the log: bad header of segment %08x",
                       number);
    }
    p->offset = from->segment ? from->offset : LOG_DATA_OFFSET;
    p->seq = from->segment ? from->seq + 1 : h.first_seq;
    p->prev = from->segment ? from->crc : h.prev;
    p->oldest = h.oldest;
    return TARN_OK;
}

static struct place place_of(const struct replay *p, const struct record *r, struct tn_str body,
                             uint64_t total_len)
{
    struct place place = {
        .kind = r->kind,
        .segment = p->segment,
        .offset = (uint32_t)p->offset,
        .len = (uint32_t)total_len,
    };
    if (r->kind == PLACE_BLOB)
        place.blob = get_u64((const unsigned char *)body.data);
    return place;
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
        struct place place = place_of(p, &r, body, total_len);
        p->offset += total_len;
        p->seq++;
        p->prev = r.crc;
        if (r.type == RECORD_RETIRE)
            rc = note_number(&p->retired, r.part, err);
        if (rc == TARN_OK && r.type != RECORD_SEAL)
            rc = each(user, &r, &place, body, err);
        if (rc < 0)
            return rc;
        if (r.type != RECORD_SEAL)
            continue;
        rc = follow_seal(p, err);
        *is_sealed = rc == TARN_ENOTFOUND;
        if (rc < 0)
            return *is_sealed ? check_tail(p, err) : rc;
    }
}

/* The log goes on in segment `number`, of which nothing was acknowledged. */
static int begin_segment(struct log *l, uint32_t number, struct tarn_error *err)
{
    struct replay p = { .log = l };
    int rc = log_ready_segment(l, number, &l->fd, &l->len);
    if (rc < 0)
        return tn_fail(err, rc, "could not make log segment %08x: %s", number,
                       tarn_status_text(rc));
    p.salt = log_salt(l, number);
    p.offset = LOG_DATA_OFFSET;
    p.fd = l->fd;
    p.file_len = l->len;
    l->number = number;
    l->offset = l->reserved = LOG_DATA_OFFSET;
    l->is_fresh = true;
    return clear_tail(&p, err);
}

static void replay_init(struct replay *p)
{
    tn_buf_init(&p->window, UINT32_MAX);
    tn_buf_init(&p->gaps, UINT32_MAX);
    tn_buf_init(&p->retired, UINT32_MAX);
}

static void replay_release(struct replay *p)
{
    tn_buf_release(&p->window);
    tn_buf_release(&p->gaps);
    tn_buf_release(&p->retired);
}

int log_replay(struct log *l, const struct index_position *from, log_record_fn each, void *user,
               struct index_position *end, struct tarn_error *err)
{
    struct replay p = { .log = l, .fd = -1 };
    replay_init(&p);
    bool is_sealed = false;
    int rc = begin_replay(&p, from, err);
    bool is_new = rc == TARN_ENOTFOUND;
    if (rc == TARN_OK)
        rc = replay_records(&p, each, user, &is_sealed, err);
    if (rc == TARN_OK)
        rc = check_gaps(&p, err);
    if (rc == TARN_OK)
        rc = clear_tail(&p, err);
    replay_release(&p);
    l->missed = p.oldest;
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
    log_tell_room(l);
    *end = (struct index_position){ p.seq - 1, l->number, (uint32_t)l->offset, p.prev, 0 };
    return log_start_preparer(l, l->number + 1, err);
}

/* Reads a segment's chain from its first record: TARN_OK behind the seal, TARN_EEOF where it ends
 * before. */
static int walk_segment(struct replay *p, uint32_t number, log_record_fn each, void *user,
                        struct tarn_error *err)
{
    struct segment_header h;
    int rc = log_header_read(p->log, p->fd, number, &h);
    if (rc < 0)
        return rc;
    p->offset = LOG_DATA_OFFSET;
    p->seq = h.first_seq;
    p->prev = h.prev;
    for (;;) {
        struct record r;
        struct tn_str body;
        uint64_t total_len;
        rc = read_record(p, &r, &body, &total_len);
        if (rc == TARN_OK && (r.seq != p->seq || r.prev != p->prev))
            rc = TARN_EEOF;
        if (rc < 0)
            return rc;
        struct place place = place_of(p, &r, body, total_len);
        p->offset += total_len;
        p->seq++;
        p->prev = r.crc;
        if (r.type == RECORD_SEAL)
            return TARN_OK;
        rc = each(user, &r, &place, body, err);
        if (rc < 0)
            return rc;
    }
}

int log_scan(struct log *l, uint32_t number, log_record_fn each, void *user, struct tarn_error *err)
{
    struct replay p = { .log = l, .fd = -1 };
    replay_init(&p);
    int rc = open_segment(&p, number, err);
    if (rc == TARN_OK)
        rc = walk_segment(&p, number, each, user, err);
    if (rc == TARN_EEOF)
        rc = tn_fail(err, TARN_ECORRUPT,
                     "could not read log segment %08x: record %llu at offset %llu is damaged",
                     number, (unsigned long long)p.seq, (unsigned long long)p.offset);
    replay_release(&p);
    return rc;
}

static int skip_record(void *user, const struct record *r, const struct place *place,
                       struct tn_str body, struct tarn_error *err)
{
    uint64_t *seq = user;
    (void)place;
    (void)body;
    (void)err;
    *seq = r->seq;
    return TARN_OK;
}

int log_extent(const char *dir, uint32_t number, uint64_t *len, bool *is_sealed, uint64_t *seq,
               struct tarn_error *err)
{
    struct log *l;
    struct log_config config = { .disk = &disk_real, .dir = dir };
    int rc = log_open(&config, &l, err);
    if (rc < 0)
        return rc;
    struct replay p = { .log = l, .fd = -1 };
    replay_init(&p);
    rc = open_segment(&p, number, err);
    if (rc == TARN_OK)
        rc = log_header_adopt(l, p.fd);
    p.salt = log_salt(l, number); /* the identity is known only now */
    if (rc == TARN_OK)
        rc = walk_segment(&p, number, skip_record, seq, err);
    *is_sealed = rc == TARN_OK;
    *len = rc == TARN_ENOTFOUND ? 0 : p.offset;
    bool is_end = rc == TARN_EEOF || rc == TARN_ENOTFOUND;
    replay_release(&p);
    log_close(l);
    return rc == TARN_OK || is_end ? TARN_OK
                                   : tn_fail(err, rc, "could not read log segment %08x: %s", number,
                                             tarn_status_text(rc));
}
