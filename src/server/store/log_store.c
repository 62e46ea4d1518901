/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the engine: the directory, its identity and lock, recovery, the threads. */

#include "server/store/log_store.h"

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "server/store/engine.h"

enum {
    FORMAT_VERSION = 3,
    FORMAT_LEN_MAX = 4096,
    REPLAY_BATCH = 4096,
    RESERVE_LEN_MAX = 64 << 20,
    RESERVE_SHARE = 20,   /* one part in so many of the file system is kept free; */
    RESERVE_SEGMENTS = 4, /* at least so many small segments, in which deletes and vacuum go on, */
    RESERVE_SHARE_MAX = 4 /* but no more than one part in so many */
};

/* --- The directory --- */

static void path_of(const struct log_store *s, const char *name, char out[ENGINE_PATH_MAX + 32])
{
    (void)snprintf(out, ENGINE_PATH_MAX + 32, "%s/%s", s->dir, name);
}

static int make_dirs(struct log_store *s, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 32];
    int rc = disk_dir_make(s->disk, s->dir, 0700, err);
    path_of(s, "log", path);
    if (rc == TARN_OK)
        rc = disk_dir_make(s->disk, path, 0700, err);
    if (rc == TARN_OK)
        rc = disk_dir_make(s->disk, s->blob_dir, 0700, err);
    if (rc == TARN_OK)
        rc = blob_dirs_make(s->disk, s->blob_dir, err);
    return rc < 0 ? rc : disk_sync_dir(s->disk, s->dir, err);
}

static int take_lock(struct log_store *s, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 32];
    path_of(s, "lock", path);
    s->lock_fd = s->disk->lock(path);
    if (s->lock_fd < 0 && errno == EWOULDBLOCK)
        return tn_fail(err, TARN_EBUSY,
                       "could not lock \"%s\": another process uses this directory", s->dir);
    return s->lock_fd < 0 ? tn_fail_errno(err, "could not open lock file \"%s\"", path) : TARN_OK;
}

static int write_format(const struct disk_ops *d, const char *path,
                        unsigned char identity[LOG_IDENTITY_LEN], struct tarn_error *err)
{
    char hex[2 * LOG_IDENTITY_LEN + 1];
    char text[128];
    tn_random_bytes(identity, LOG_IDENTITY_LEN);
    tn_hex_encode(identity, LOG_IDENTITY_LEN, hex);
    (void)snprintf(text, sizeof text, "{\"format\": %d, \"identity\": \"%s\"}\n", FORMAT_VERSION,
                   hex);
    return disk_file_replace(d, path, tn_str_from(text), 0600, err);
}

static int parse_format(const char *path, struct tn_str text,
                        unsigned char identity[LOG_IDENTITY_LEN], struct tarn_error *err)
{
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    const char *hex = json_string_value(json_object_get(root, "identity"));
    json_int_t version = json_integer_value(json_object_get(root, "format"));
    int rc = TARN_OK;
    if (!hex || strlen(hex) != 2 * LOG_IDENTITY_LEN ||
        tn_hex_decode(tn_str_from(hex), identity) < 0)
        rc = tn_fail(err, TARN_ECORRUPT, "could not read \"%s\": not the format file of a store",
                     path);
    else if (version != FORMAT_VERSION)
        rc = tn_fail(err, TARN_ENOTSUPPORTED, "could not open \"%s\": format %lld, this is for %d",
                     path, (long long)version, FORMAT_VERSION);
    json_decref(root);
    return rc;
}

static int read_format(struct log_store *s, unsigned char identity[LOG_IDENTITY_LEN],
                       struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 32];
    TN_AUTO_BUF text = TN_BUF_INIT(FORMAT_LEN_MAX);
    path_of(s, "format.json", path);
    int rc = disk_file_read(s->disk, path, &text, err);
    if (rc == TARN_ENOTFOUND) {
        /* A lost format file must not turn a full store into an empty one. */
        char log[ENGINE_PATH_MAX + 32];
        TN_AUTO_BUF numbers = TN_BUF_INIT(FORMAT_LEN_MAX);
        path_of(s, "log", log);
        if (log_numbers(s->disk, log, &numbers, NULL) != TARN_OK || numbers.len)
            return tn_fail(err, TARN_ECORRUPT,
                           "could not open \"%s\": it is missing, but a log is there", path);
        return write_format(s->disk, path, identity, err);
    }
    return rc < 0 ? rc : parse_format(path, tn_buf_str(&text), identity, err);
}

/* Care of a directory must not make a store where there is none. */
int store_exists(const char *dir, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/format.json", dir);
    return access(path, R_OK) < 0 ? tn_fail_errno(err, "could not find a store in \"%s\"", dir)
                                  : TARN_OK;
}

/* --- Recovery --- */

struct recovery {
    struct log_store *store;
    struct index_position position;
    size_t in_batch;
    uint64_t total;
};

static int recovery_commit(struct recovery *r, struct tarn_error *err)
{
    int rc = index_commit(r->store->index, &r->position, err);
    if (rc < 0)
        index_rollback(r->store->index);
    r->in_batch = 0;
    return rc;
}

static int recover_record(void *user, const struct record *record, const struct place *place,
                          struct tn_str body, struct tarn_error *err)
{
    struct recovery *r = user;
    int rc = r->in_batch == 0 ? index_begin(r->store->index, err) : TARN_OK;
    if (rc < 0)
        return rc;
    rc = apply_record(r->store, record, place, body, err);
    if (rc < 0) {
        index_rollback(r->store->index);
        return rc;
    }
    uint32_t bucket_max = r->position.bucket_max;
    if (record->bucket > bucket_max)
        bucket_max = record->bucket;
    r->position = (struct index_position){ record->seq, place->segment, place->offset + place->len,
                                           record->crc, bucket_max };
    r->total++;
    r->in_batch++;
    return r->in_batch < REPLAY_BATCH ? TARN_OK : recovery_commit(r, err);
}

static int load_bucket(void *user, uint32_t number, const struct store_bucket *bucket)
{
    struct log_store *s = user;
    return buckets_put(s->buckets, number, bucket);
}

static int note_bucket(void *user, uint32_t number, const struct store_bucket *bucket)
{
    (void)bucket;
    return tn_buf_append(user, &number, sizeof number);
}

static int begin_rebuild(struct recovery *r, struct tarn_error *err)
{
    struct log_store *s = r->store;
    int rc = index_rebuild_get(s->index, &s->is_rebuilding, err);
    if (rc < 0 || s->is_rebuilding || r->position.seq)
        return rc;
    s->is_rebuilding = true;
    rc = index_begin(s->index, err);
    if (rc < 0)
        return rc;
    rc = index_rebuild_set(s->index, true, err);
    if (rc == TARN_OK)
        return recovery_commit(r, err);
    index_rollback(s->index);
    return rc;
}

static bool has_number(const struct tn_buf *numbers, uint32_t number)
{
    for (size_t at = 0; at < numbers->len; at += sizeof number) {
        if (memcmp(numbers->data + at, &number, sizeof number) == 0)
            return true;
    }
    return false;
}

/* What moved records have brought back, though it was over: rows of buckets that are no more, and
 * of parts whose upload is. */
static int drop_orphans(struct recovery *r, struct tarn_error *err)
{
    struct log_store *s = r->store;
    TN_AUTO_BUF numbers = TN_BUF_INIT(SIZE_MAX / 2);
    int rc = index_bucket_list(s->index, note_bucket, &numbers, err);
    if (rc == TARN_OK)
        rc = index_begin(s->index, err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 1; rc == TARN_OK && i <= r->position.bucket_max; i++)
        rc = has_number(&numbers, i) ? apply_drop_orphans(s, i, err)
                                     : apply_drop_rows(s, i, r->position.seq, err);
    if (rc == TARN_OK)
        rc = index_drop_empty(s->index, err);
    if (rc == TARN_OK)
        rc = index_rebuild_set(s->index, false, err);
    if (rc < 0) {
        index_rollback(s->index);
        return rc;
    }
    /* A blob may have lost its last reference and got another from a record that moved behind: the
     * sweeper asks the index that is whole now. */
    s->garbage.count = 0;
    s->is_rebuilding = false;
    return recovery_commit(r, err);
}

static int recover(struct log_store *s, struct tarn_error *err)
{
    struct recovery r = { .store = s };
    struct index_position end;
    uint64_t start = tn_now_ns();
    int rc = index_position(s->index, &r.position, err);
    if (rc == TARN_OK)
        rc = begin_rebuild(&r, err);
    if (rc == TARN_OK) {
        struct index_position from = r.position;
        rc = log_replay(s->log, &from, recover_record, &r, &end, err);
    }
    if (rc == TARN_OK && r.in_batch)
        rc = recovery_commit(&r, err);
    else if (r.in_batch)
        index_rollback(s->index);
    if (rc == TARN_OK && s->is_rebuilding)
        rc = drop_orphans(&r, err);
    if (rc == TARN_OK)
        rc = index_bucket_list(s->index, load_bucket, s, err);
    if (rc < 0)
        return rc;
    buckets_know(s->buckets, r.position.bucket_max);
    s->commit.next_seq = end.seq + 1;
    s->commit.prev = end.crc;
    atomic_store(&s->committed_seq, r.position.seq);
    s->apply.applied_seq = r.position.seq;
    apply_collect(s);
    tn_log(TN_LOG_INFO, "event=store_open dir=\"%s\" replayed=%llu seq=%llu ms=%llu", s->dir,
           (unsigned long long)r.total, (unsigned long long)end.seq,
           (unsigned long long)((tn_now_ns() - start) / 1000000));
    return TARN_OK;
}

/* --- The sweeper: removes what uploads left that a crash cut off --- */

struct sweep {
    struct log_store *store;
    struct index_reader *reader;
    uint64_t removed;
};

static int sweep_blob(void *user, uint64_t id)
{
    struct sweep *w = user;
    bool is_referred;
    struct place place;
    if (atomic_load(&w->store->is_closing))
        return TARN_ECANCELLED;
    if (id >= w->store->blob_first)
        return TARN_OK;
    int rc = index_reader_refers(w->reader, id, &is_referred, &place, NULL);
    if (rc == TARN_OK && !is_referred) {
        blob_unlink(w->store->disk, w->store->blob_dir, id);
        w->removed++;
    }
    return rc;
}

static void *sweeper(void *arg)
{
    struct sweep w = { .store = arg };
    struct tarn_error err = { 0 };
    int rc = index_reader_take(w.store->index, &w.reader, &err);
    if (rc == TARN_OK) {
        rc = blob_list(w.store->disk, w.store->blob_dir, sweep_blob, &w);
        index_reader_give(w.store->index, w.reader);
    }
    if (w.removed || (rc < 0 && rc != TARN_ECANCELLED))
        tn_log(TN_LOG_INFO, "event=sweep removed=%llu status=%s", (unsigned long long)w.removed,
               tarn_status_name(rc));
    return NULL;
}

/* --- Open and close --- */

static void log_store_close(struct store *base)
{
    struct log_store *s = engine(base);
    atomic_store(&s->is_closing, true);
    if (s->has_sweeper)
        (void)pthread_join(s->sweeper, NULL);
    vacuum_stop(s);
    scrub_stop(s);
    commit_stop(s);
    apply_stop(s);
    log_close(s->log);
    index_close(s->index);
    heads_free(s->heads);
    buckets_free(s->buckets);
    tn_fd_close(&s->hold_fd);
    tn_fd_close(&s->vacuum.hold_fd);
    if (s->lock_fd >= 0)
        (void)s->disk->close(s->lock_fd);
    (void)pthread_mutex_destroy(&s->queue.lock);
    (void)pthread_cond_destroy(&s->queue.filled);
    (void)pthread_mutex_destroy(&s->apply.lock);
    (void)pthread_cond_destroy(&s->apply.filled);
    (void)pthread_cond_destroy(&s->apply.drained);
    (void)pthread_mutex_destroy(&s->pins.lock);
    (void)pthread_mutex_destroy(&s->vacuum.lock);
    (void)pthread_cond_destroy(&s->vacuum.changed);
    tn_free(s);
}

static int bucket_get(struct store *base, struct tn_str bucket, struct tn_arena *arena,
                      struct store_bucket *out)
{
    return buckets_get(engine(base)->buckets, bucket, arena, out);
}

static int bucket_list(struct store *base, store_bucket_fn each, void *user)
{
    return buckets_list(engine(base)->buckets, each, user);
}

static void get_stats(struct store *base, struct store_stats *out)
{
    struct log_store *s = engine(base);
    struct statvfs info;
    *out = (struct store_stats){
        .committed_seq = atomic_load(&s->committed_seq),
        .is_full = atomic_load(&s->is_full),
    };
    if (s->disk->statvfs(s->dir, &info) == 0)
        out->free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    (void)pthread_mutex_lock(&s->apply.lock);
    out->applied_seq = s->apply.applied_seq;
    (void)pthread_mutex_unlock(&s->apply.lock);
}

static const struct store_ops log_store_ops = {
    .name = "log",
    .close = log_store_close,
    .commit = commit_txn,
    .body_new = body_new,
    .body_append = body_append,
    .body_seal = body_seal,
    .body_len = body_len,
    .body_bytes = body_bytes,
    .body_free = body_free,
    .object_open = object_open,
    .version_open = object_open_version,
    .object_close = object_close,
    .object_head = object_head,
    .object_meta = object_meta,
    .object_is_apart = object_is_apart,
    .object_read = object_read,
    .object_file = object_file,
    .object_part = object_part,
    .list = listing_objects,
    .version_list = listing_versions,
    .upload_list = listing_uploads,
    .part_list = listing_parts,
    .upload_get = listing_upload,
    .bucket_get = bucket_get,
    .bucket_list = bucket_list,
    .stats = get_stats,
};

static int configure(struct log_store *s, const struct log_store_config *config,
                     struct tarn_error *err)
{
    s->config = *config;
    if (!s->config.inline_max)
        s->config.inline_max = INLINE_MAX_DEFAULT;
    if (!s->config.segment_len)
        s->config.segment_len = LOG_SEGMENT_LEN_DEFAULT;
    if (!s->config.cache_max)
        s->config.cache_max = CACHE_MAX_DEFAULT;
    if (!s->config.body_memory_max)
        s->config.body_memory_max = BODY_MEMORY_MAX_DEFAULT;
    if (strlen(config->dir) >= ENGINE_PATH_MAX - 64)
        return tn_fail(err, TARN_EINVAL, "could not open the store: path too long");
    if (s->config.inline_max > s->config.segment_len / 2 ||
        s->config.segment_len > (uint64_t)1 << 31 || s->config.segment_len < 64 * 1024)
        return tn_fail(err, TARN_ECONFIG,
                       "could not open the store: segments must be 64 KiB to 2 GiB"
                       " and hold two inline bodies");
    (void)snprintf(s->dir, sizeof s->dir, "%s", config->dir);
    (void)snprintf(s->blob_dir, sizeof s->blob_dir, "%s/blob", config->dir);
    return TARN_OK;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void measure_space(struct log_store *s)
{
    struct statvfs info;
    s->reserve_len = RESERVE_LEN_MAX;
    if (s->disk->statvfs(s->dir, &info) == 0) {
        uint64_t len = (uint64_t)info.f_blocks * info.f_frsize;
        uint64_t least = RESERVE_SEGMENTS * lesser(s->config.segment_len, LOG_SEGMENT_LEN_FIRST);
        uint64_t share = len / RESERVE_SHARE;
        share = share > least ? share : lesser(least, len / RESERVE_SHARE_MAX);
        s->reserve_len = lesser(share, RESERVE_LEN_MAX);
    }
}

static int open_parts(struct log_store *s, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 32];
    char identity[2 * LOG_IDENTITY_LEN + 1];
    bool was_rebuilt;
    struct log_config log = { .disk = s->disk, .dir = path, .segment_len = s->config.segment_len };
    int rc = read_format(s, log.identity, err);
    if (rc < 0)
        return rc;
    tn_hex_encode(log.identity, LOG_IDENTITY_LEN, identity);
    s->heads = heads_new((size_t)s->config.cache_max);
    s->buckets = buckets_new();
    if (!s->heads || !s->buckets)
        return tn_fail(err, TARN_ENOMEM, "could not open the store: out of memory");
    path_of(s, "index.sqlite", path);
    rc = index_open(s->disk, path, tn_str_from(identity), &s->index, &was_rebuilt, err);
    if (rc < 0)
        return rc;
    path_of(s, "log", path);
    return log_open(&log, &s->log, err);
}

static int start_threads(struct log_store *s, struct tarn_error *err)
{
    int rc = apply_start(s, err);
    if (rc == TARN_OK)
        rc = commit_start(s, err);
    if (rc < 0)
        return rc;
    int code = pthread_create(&s->sweeper, NULL, sweeper, s);
    s->has_sweeper = code == 0;
    errno = code;
    rc = code == 0 ? vacuum_start(s, err) : tn_fail_errno(err, "could not start a thread");
    return rc < 0 ? rc : scrub_start(s, err);
}

static void init_locks(struct log_store *s)
{
    (void)pthread_mutex_init(&s->queue.lock, NULL);
    (void)pthread_cond_init(&s->queue.filled, NULL);
    (void)pthread_mutex_init(&s->apply.lock, NULL);
    tn_cond_init(&s->apply.filled);
    (void)pthread_cond_init(&s->apply.drained, NULL);
    (void)pthread_mutex_init(&s->pins.lock, NULL);
    (void)pthread_mutex_init(&s->vacuum.lock, NULL);
    tn_cond_init(&s->vacuum.changed);
}

static int open_once(const struct log_store_config *config, struct store **out,
                     bool *is_index_damaged, struct tarn_error *err)
{
    struct log_store *s = tn_calloc(1, sizeof *s);
    if (!s)
        return tn_fail(err, TARN_ENOMEM, "could not open the store: out of memory");
    s->base.ops = &log_store_ops;
    s->disk = config->disk ? config->disk : &disk_real;
    s->lock_fd = s->hold_fd = s->vacuum.hold_fd = -1;
    init_locks(s);
    int rc = configure(s, config, err);
    if (rc == TARN_OK)
        rc = make_dirs(s, err);
    if (rc == TARN_OK)
        rc = take_lock(s, err);
    if (rc == TARN_OK)
        rc = hold_open(s->dir, &s->hold_fd, err);
    if (rc == TARN_OK)
        rc = hold_open(s->dir, &s->vacuum.hold_fd, err);
    if (rc == TARN_OK)
        rc = open_parts(s, err);
    if (rc == TARN_OK) {
        s->blob_first = (uint64_t)tn_wall_ms() * 1000000;
        atomic_store(&s->blob_next, s->blob_first);
        measure_space(s);
        rc = recover(s, err);
    }
    if (rc == TARN_OK)
        rc = start_threads(s, err);
    if (rc < 0) {
        *is_index_damaged = s->index && index_is_damaged(s->index);
        log_store_close(&s->base);
        return rc;
    }
    *out = &s->base;
    return TARN_OK;
}

/* Damage of the index that its recovery meets is no reason not to start: the log has all of it. */
int log_store_open(const struct log_store_config *config, struct store **out,
                   struct tarn_error *err)
{
    bool is_index_damaged = false;
    int rc = open_once(config, out, &is_index_damaged, err);
    return rc == TARN_ECORRUPT && is_index_damaged ? open_once(config, out, &is_index_damaged, err)
                                                   : rc;
}

int log_store_rebuild_index(const struct log_store_config *config, struct tarn_error *err)
{
    static const char *const names[] = { "index.sqlite", "index.sqlite-wal", "index.sqlite-shm" };
    struct store *s;
    struct log_store probe = { .disk = config->disk ? config->disk : &disk_real, .lock_fd = -1 };
    int rc = store_exists(config->dir, err);
    (void)snprintf(probe.dir, sizeof probe.dir, "%s", config->dir);
    if (rc == TARN_OK)
        rc = take_lock(&probe, err);
    for (size_t i = 0; i < TN_COUNT(names) && rc == TARN_OK; i++) {
        char path[ENGINE_PATH_MAX + 32];
        path_of(&probe, names[i], path);
        if (probe.disk->unlink(path) < 0 && errno != ENOENT)
            rc = tn_fail_errno(err, "could not remove \"%s\"", path);
    }
    tn_fd_close(&probe.lock_fd);
    if (rc == TARN_OK)
        rc = log_store_open(config, &s, err);
    if (rc == TARN_OK)
        s->ops->close(s);
    return rc;
}
