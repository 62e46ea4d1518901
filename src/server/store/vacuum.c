/* SPDX-License-Identifier: Apache-2.0 */
/* Vacuum: gives the room of dead records back. It takes the sealed segment with the least that
 * lives, moves what does to the log's end, and removes the segment when the index that says so is
 * durable and no reader is left. Its file may become a later segment's.
 *
 * On a disk that is full, the room in which it moves is the last there is: a segment is begun only
 * when all that lives in it will fit, and the very last (log_room_kept) is for the oldest one
 * alone, of which nothing but what lives has to be moved.
 *
 * What must stay true: the log alone rebuilds the index. So a record that ended something (a
 * delete, an abort, a bucket's end) moves too while an older segment is there that could bring it
 * back, and every removed segment is named by a RECORD_RETIRE, so that one that is lost is told
 * from one that was removed. */

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/store/engine.h"

enum {
    VACUUM_LIVE_PERCENT = 70, /* below this share of the whole log, segments are emptied */
    VACUUM_FULL_PERCENT = 90, /* of one segment, where there is no room */
    VACUUM_INTERVAL_MS = 500,
    MOVES_IN_FLIGHT_MAX = 64,
    MOVES_LEN_MAX = 4 << 20,
    MOVE_BYTES_PER_MS = 100 * 1024, /* the pace: about 100 MB a second */
    PIN_CHECK_MS = 20,
};

struct victim {
    struct log_store *store;
    struct index_reader *reader;
    uint32_t number;
    bool is_oldest;
    uint64_t started_ns;
    uint64_t moved_len;
    int failure;
};

/* A move under way; frees itself. */
struct move {
    struct store_txn txn;
    struct log_store *store;
    uint64_t len;
    int *failure; /* of the victim, under vacuum.lock */
};

static void on_moved(struct store_txn *txn)
{
    struct move *m = TN_CONTAINER(txn, struct move, txn);
    struct log_store *s = m->store;
    (void)pthread_mutex_lock(&s->vacuum.lock);
    if (txn->status < 0)
        *m->failure = txn->status;
    s->vacuum.in_flight--;
    s->vacuum.in_flight_len -= m->len;
    (void)pthread_cond_broadcast(&s->vacuum.changed);
    (void)pthread_mutex_unlock(&s->vacuum.lock);
    tn_free(m);
}

void vacuum_sleep(struct log_store *s, uint64_t ms)
{
    (void)pthread_mutex_lock(&s->vacuum.lock);
    if (!atomic_load(&s->is_closing))
        (void)tn_cond_wait_ms(&s->vacuum.changed, &s->vacuum.lock, ms);
    (void)pthread_mutex_unlock(&s->vacuum.lock);
}

/* Waits for a place among the moves in flight; with `count_max` 0, until all are answered. */
static int wait_for_moves(struct victim *v, unsigned count_max, uint64_t len_max)
{
    struct log_store *s = v->store;
    (void)pthread_mutex_lock(&s->vacuum.lock);
    while (s->vacuum.in_flight > count_max || s->vacuum.in_flight_len > len_max)
        (void)pthread_cond_wait(&s->vacuum.changed, &s->vacuum.lock);
    int rc = v->failure;
    (void)pthread_mutex_unlock(&s->vacuum.lock);
    return rc;
}

/* More came than the choice had counted: the ends of what older segments have. */
static bool must_stop(const struct victim *v)
{
    bool is_last;
    uint64_t room = log_room(v->store->log, &is_last);
    return !v->is_oldest && is_last && room < log_room_kept(v->store->log, LOG_ENDS_SOMETHING);
}

/* Queues the record again as `type`. */
static int move_as(struct victim *v, const struct record *r, enum record_type type,
                   struct tn_str body)
{
    struct log_store *s = v->store;
    struct change *c;
    if (must_stop(v))
        return TARN_ENOSPACE;
    int rc = wait_for_moves(v, MOVES_IN_FLIGHT_MAX, MOVES_LEN_MAX);
    if (rc < 0)
        return rc;
    struct move *m = tn_calloc(1, sizeof *m);
    if (!m)
        return TARN_ENOMEM;
    *m = (struct move){ .store = s, .failure = &v->failure };
    m->txn.op = STORE_MOVE;
    m->txn.done = on_moved;
    rc = change_move(r, type, body, &m->txn, &c);
    if (rc < 0) {
        tn_free(m);
        return rc;
    }
    m->len = c->total_len;
    v->moved_len += m->len;
    atomic_fetch_add(&s->vacuum.moved_len, m->len);
    (void)pthread_mutex_lock(&s->vacuum.lock);
    s->vacuum.in_flight++;
    s->vacuum.in_flight_len += m->len;
    (void)pthread_mutex_unlock(&s->vacuum.lock);
    commit_enqueue(s, &m->txn, c);
    return TARN_OK;
}

static void keep_pace(const struct victim *v)
{
    uint64_t due_ms = v->moved_len / MOVE_BYTES_PER_MS;
    uint64_t spent_ms = (tn_now_ns() - v->started_ns) / 1000000;
    if (due_ms > spent_ms)
        vacuum_sleep(v->store, due_ms - spent_ms);
}

/* A first look, so that dead records are not queued; the committer has the last word. */
static bool looks_alive(struct victim *v, const struct record *r)
{
    struct index_key key;
    struct store_head now;
    struct place place;
    bool is_referred = false;
    index_key_of_record(&key, r);
    struct store_version which = version_of(&(struct store_head){
        .version = record_version(r), .flags = r->flags & STORE_IS_VERSIONED });
    int rc = record_is_object(r->type)
                 ? object_find_version(v->store, index_key_str(&key), &which, &now, NULL)
                 : object_find(v->store, index_key_str(&key), true, &now, NULL);
    if (rc == TARN_OK && now.seq == record_origin(r))
        return true;
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return true;
    if (r->type == RECORD_PART)
        rc = index_reader_refers(v->reader, record_origin(r), &is_referred, &place, NULL);
    return is_referred || (rc < 0 && rc != TARN_ENOTFOUND);
}

/* The end of an upload, as a record of its own: the object that it became lives or dies by itself.
 */
static int move_upload_end(struct victim *v, const struct record *r)
{
    TN_AUTO_BUF key = TN_BUF_INIT(RECORD_KEY_MAX);
    struct record end = { .seq = r->seq, .origin = r->origin, .bucket = r->bucket };
    int rc = tn_buf_append_str(&key, r->key);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&key, '\0');
    if (rc == TARN_OK)
        rc = tn_buf_append(&key, r->meta.data, UPLOAD_ID_RAW_LEN);
    end.key = tn_buf_str(&key);
    return rc < 0 ? rc : move_as(v, &end, RECORD_UPLOAD_ABORT, TN_STR_EMPTY);
}

/* The end of the old name, likewise. */
static int move_name_end(struct victim *v, const struct record *r)
{
    struct record end = { .seq = r->seq, .origin = r->origin, .bucket = r->bucket };
    struct tn_str meta;
    int rc = record_rename_unpack(r->meta, &end.key, &meta);
    return rc < 0 ? rc : move_as(v, &end, RECORD_DELETE, TN_STR_EMPTY);
}

static int move_record(void *user, const struct record *r, const struct place *place,
                       struct tn_str body, struct tarn_error *err)
{
    struct victim *v = user;
    int rc = TARN_OK;
    (void)place;
    if (atomic_load(&v->store->is_closing))
        return tn_fail(err, TARN_ECANCELLED, "could not vacuum: closing");
    keep_pace(v);
    switch (r->type) {
    case RECORD_PUT:
    case RECORD_PART:
    case RECORD_UPLOAD_CREATE:
        if (looks_alive(v, r))
            rc = move_as(v, r, r->type, body);
        break;
    case RECORD_COMPLETE:
        if (looks_alive(v, r))
            rc = move_as(v, r, RECORD_PUT, body);
        if (rc == TARN_OK && !v->is_oldest)
            rc = move_upload_end(v, r);
        break;
    case RECORD_RENAME:
        if (looks_alive(v, r))
            rc = move_as(v, r, RECORD_PUT, body);
        if (rc == TARN_OK && !v->is_oldest)
            rc = move_name_end(v, r);
        break;
    case RECORD_BUCKET_CREATE:
    case RECORD_BUCKET_CONFIG:
        rc = move_as(v, r, RECORD_BUCKET_CONFIG, body);
        break;
    case RECORD_RETIRE:
        if (r->part >= log_missed(v->store->log))
            rc = move_as(v, r, RECORD_RETIRE, body);
        break;
    default: /* what ended something */
        if (!v->is_oldest)
            rc = move_as(v, r, r->type, body);
    }
    return rc < 0 ? tn_fail(err, rc, "could not vacuum: %s", tarn_status_text(rc)) : TARN_OK;
}

/* --- Choosing and retiring --- */

struct choice {
    uint32_t number;      /* 0: none */
    unsigned share;       /* percent that lives of the whole log */
    unsigned share_of_it; /* and of this segment */
    bool is_full;         /* there is no room for new data */
};

/* What the log can take, with half of what the disk has left: the rest is the index's, and each new
 * segment takes half of it at most. */
static uint64_t room_for_moves(struct log_store *s, bool *is_full)
{
    struct statvfs info;
    uint64_t room = log_room(s->log, is_full);
    if (s->disk->statvfs(s->dir, &info) < 0)
        return room;
    uint64_t free_len = (uint64_t)info.f_bavail * info.f_frsize;
    *is_full |= free_len < s->reserve_len;
    return room + free_len / 2;
}

static bool fits(struct log_store *s, uint32_t number, int64_t live, uint64_t room)
{
    uint64_t kept = log_room_kept(s->log, LOG_ENDS_SOMETHING);
    uint64_t more = number == log_oldest(s->log) ? kept / 4 : 2 * kept;
    return (live > 0 ? (uint64_t)live : 0) + more <= room;
}

/* The sealed segment with the smallest share that lives, of those whose moves will fit. */
static int choose(struct log_store *s, struct index_reader *r, struct choice *out,
                  struct tarn_error *err)
{
    uint32_t active = log_active(s->log);
    uint64_t room = room_for_moves(s, &out->is_full);
    TN_AUTO_BUF numbers = TN_BUF_INIT(64 << 20);
    uint64_t len_sum = 0;
    uint64_t live_sum = 0;
    double best = 2;
    char path[ENGINE_PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/log", s->dir);
    /* What was sealed before this is counted to its last record after it. */
    int rc = apply_wait(s, err);
    if (rc == TARN_OK)
        rc = log_numbers(s->disk, path, &numbers, err);
    for (size_t at = 0; rc == TARN_OK && at < numbers.len; at += sizeof(uint32_t)) {
        uint32_t n;
        int fd;
        int64_t live;
        memcpy(&n, numbers.data + at, sizeof n);
        if (n >= active)
            break;
        rc = log_segment_fd(s->log, n, true, &fd);
        off_t len = rc == TARN_OK ? s->disk->length(fd) : 0;
        if (rc == TARN_OK)
            rc = index_segment_get(r, n, &live, err);
        if (rc < 0 || len <= 0)
            break;
        len_sum += (uint64_t)len;
        live_sum += live > 0 ? (uint64_t)live : 0;
        if ((double)live / (double)len < best && fits(s, n, live, room)) {
            best = (double)live / (double)len;
            out->number = n;
        }
    }
    out->share = len_sum ? (unsigned)(live_sum * 100 / len_sum) : 100;
    out->share_of_it = best > 0 ? (unsigned)(best * 100) : 0;
    return rc;
}

static int commit_retire(struct victim *v)
{
    struct record r = { .part = v->number };
    int rc = move_as(v, &r, RECORD_RETIRE, TN_STR_EMPTY);
    return rc < 0 ? rc : wait_for_moves(v, 0, 0);
}

/* Readers that began before the moves were published may still look into the segment; a backup may
 * be copying it. With TARN_OK the hold is taken. */
static int wait_for_readers(struct log_store *s)
{
    uint64_t seq = atomic_load(&s->committed_seq);
    while (pin_lowest(s) < seq || !hold_try_alone(s->vacuum.hold_fd)) {
        if (atomic_load(&s->is_closing))
            return TARN_ECANCELLED;
        vacuum_sleep(s, PIN_CHECK_MS);
    }
    return TARN_OK;
}

/* A manifest goes on naming the place where a part once was: whoever looks there first, as one may
 * until the file is gone, must not find the descriptor of another file, nor what comes after in
 * this one. So it stays open, and is not used again, until all who may have it are done. */
static void close_unread(struct log_store *s)
{
    uint64_t lowest = pin_lowest(s);
    size_t kept = 0;
    for (size_t i = 0; i < s->vacuum.unread_count; i++) {
        struct unread u = s->vacuum.unread[i];
        if (u.seq < lowest)
            log_close_retired(s->log, u.segment, u.fd);
        else if (atomic_load(&s->is_closing))
            (void)s->disk->close(u.fd);
        else
            s->vacuum.unread[kept++] = u;
    }
    s->vacuum.unread_count = kept;
}

static void close_later(struct log_store *s, uint32_t segment, int fd)
{
    if (fd < 0)
        return;
    close_unread(s);
    while (s->vacuum.unread_count == UNREAD_MAX) {
        vacuum_sleep(s, PIN_CHECK_MS);
        close_unread(s);
    }
    s->vacuum.unread[s->vacuum.unread_count++] =
        (struct unread){ segment, fd, atomic_load(&s->committed_seq) };
}

static int empty(struct victim *v, struct tarn_error *err)
{
    struct log_store *s = v->store;
    v->is_oldest = v->number == log_oldest(s->log);
    int rc = log_scan(s->log, v->number, move_record, v, err);
    int moved = wait_for_moves(v, 0, 0);
    if (rc == TARN_OK && moved < 0)
        rc = tn_fail(err, moved, "could not vacuum: %s", tarn_status_text(moved));
    if (rc == TARN_OK)
        rc = commit_retire(v);
    if (rc == TARN_OK)
        rc = apply_wait(s, err);
    if (rc == TARN_OK)
        rc = index_checkpoint(v->reader, err);
    if (rc == TARN_OK)
        rc = wait_for_readers(s);
    if (rc < 0)
        return rc;
    int fd;
    rc = log_retire(s->log, v->number, &fd, err);
    hold_drop(s->vacuum.hold_fd);
    close_later(s, v->number, fd);
    return rc;
}

static bool is_worth(const struct choice *c)
{
    return c->number &&
           (c->share < VACUUM_LIVE_PERCENT || (c->is_full && c->share_of_it < VACUUM_FULL_PERCENT));
}

/* True when a segment went. */
static bool vacuum_once(struct log_store *s)
{
    struct victim v = { .store = s, .started_ns = tn_now_ns() };
    struct tarn_error err = { 0 };
    struct choice choice = { .number = 0 };
    int rc = index_reader_take(s->index, &v.reader, &err);
    if (rc < 0)
        return false;
    rc = choose(s, v.reader, &choice, &err);
    v.number = choice.number;
    bool is_begun = rc == TARN_OK && is_worth(&choice);
    if (is_begun)
        rc = empty(&v, &err);
    index_reader_give(s->index, v.reader);
    if (rc < 0 && rc != TARN_ECANCELLED)
        tn_log(TN_LOG_WARN, "event=vacuum_failed segment=%08x reason=\"%s\"", v.number,
               err.message[0] ? err.message : tarn_status_text(rc));
    if (!is_begun || rc < 0)
        return false;
    atomic_fetch_add(&s->vacuum.retired, 1);
    tn_log(TN_LOG_INFO, "event=vacuum segment=%08x moved=%llu live_percent=%u ms=%llu", v.number,
           (unsigned long long)v.moved_len, choice.share,
           (unsigned long long)((tn_now_ns() - v.started_ns) / 1000000));
    return true;
}

static void *vacuumer(void *arg)
{
    struct log_store *s = arg;
    while (!atomic_load(&s->is_closing)) {
        if (!vacuum_once(s))
            vacuum_sleep(s, VACUUM_INTERVAL_MS);
        close_unread(s);
        log_trim_spares(s->log);
    }
    return NULL;
}

int vacuum_start(struct log_store *s, struct tarn_error *err)
{
    int code = pthread_create(&s->vacuumer, NULL, vacuumer, s);
    if (code != 0) {
        errno = code;
        return tn_fail_errno(err, "could not start a thread");
    }
    s->has_vacuumer = true;
    return TARN_OK;
}

void vacuum_stop(struct log_store *s)
{
    if (!s->has_vacuumer)
        return;
    (void)pthread_mutex_lock(&s->vacuum.lock);
    (void)pthread_cond_broadcast(&s->vacuum.changed);
    (void)pthread_mutex_unlock(&s->vacuum.lock);
    (void)pthread_join(s->vacuumer, NULL);
    close_unread(s);
    s->has_vacuumer = false;
}
