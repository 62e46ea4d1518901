/* SPDX-License-Identifier: Apache-2.0 */
/* The index in SQLite. */

#include "server/store/index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>

#include "base/crc.h"
#include "base/log.h"
#include "server/store/index_vfs.h"

enum {
    INDEX_FORMAT = 3,
    INDEX_PATH_MAX = 4096,
    WRITER_CACHE_KIB = 4096,
    READER_CACHE_KIB = 512,
    READER_POOL_MAX = 64,
    CHECKPOINT_PAGES = 2000,
};

enum statement {
    SQL_BEGIN,
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_GET,
    SQL_PUT,
    SQL_DELETE,
    SQL_SCAN,
    SQL_SCAN_AFTER,
    SQL_SIDE,
    SQL_SIDE_AFTER,
    SQL_DELETE_RANGE,
    SQL_EXTENT_GET,
    SQL_EXTENT_PUT,
    SQL_EXTENT_DELETE,
    SQL_EXTENT_DROP_EMPTY,
    SQL_SEGMENT_ADD,
    SQL_SEGMENT_GET,
    SQL_SEGMENT_DELETE,
    SQL_CHECKPOINT,
    SQL_BUCKET_PUT,
    SQL_BUCKET_DELETE,
    SQL_BUCKET_LIST,
    SQL_STATE_GET,
    SQL_STATE_PUT,
    SQL_COUNT,
};

static const char *const statements[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_BEGIN_WRITE] =
        "BEGIN IMMEDIATE", /* a read that turns into a write does not wait its turn */
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_GET] = "SELECT v FROM entries WHERE k = ?1",
    [SQL_PUT] = "INSERT INTO entries(k, v) VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = ?2",
    [SQL_DELETE] = "DELETE FROM entries WHERE k = ?1",
    [SQL_SCAN] = "SELECT k, v FROM entries WHERE k >= ?1 AND k < ?2 ORDER BY k",
    [SQL_SCAN_AFTER] = "SELECT k, v FROM entries WHERE k > ?1 AND k < ?2 ORDER BY k",
    [SQL_SIDE] = "SELECT k, v FROM entries WHERE k >= ?1 AND k < ?2 ORDER BY k",
    [SQL_SIDE_AFTER] = "SELECT k, v FROM entries WHERE k > ?1 AND k < ?2 ORDER BY k",
    [SQL_DELETE_RANGE] = "DELETE FROM entries WHERE k >= ?1 AND k < ?2",
    [SQL_EXTENT_GET] = "SELECT refs, place FROM extents WHERE id = ?1",
    [SQL_EXTENT_PUT] = "INSERT INTO extents(id, refs, place) VALUES(?1, ?2, ?3)"
                       " ON CONFLICT(id) DO UPDATE SET refs = ?2, place = ?3",
    [SQL_EXTENT_DROP_EMPTY] = "DELETE FROM extents WHERE refs <= 0",
    [SQL_EXTENT_DELETE] = "DELETE FROM extents WHERE id = ?1",
    [SQL_SEGMENT_ADD] = "INSERT INTO segments(number, live) VALUES(?1, ?2)"
                        " ON CONFLICT(number) DO UPDATE SET live = live + ?2",
    [SQL_SEGMENT_GET] = "SELECT live FROM segments WHERE number = ?1",
    [SQL_SEGMENT_DELETE] = "DELETE FROM segments WHERE number = ?1",
    [SQL_CHECKPOINT] = "PRAGMA wal_checkpoint(FULL)",
    [SQL_BUCKET_PUT] = "INSERT OR REPLACE INTO buckets"
                       "(number, name, created_ms, meta, crc, versioning)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_BUCKET_DELETE] = "DELETE FROM buckets WHERE number = ?1",
    [SQL_BUCKET_LIST] = "SELECT number, name, created_ms, meta, crc, versioning"
                        " FROM buckets ORDER BY name",
    [SQL_STATE_GET] = "SELECT value FROM state WHERE name = ?1",
    [SQL_STATE_PUT] = "INSERT OR REPLACE INTO state(name, value) VALUES(?1, ?2)",
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS entries(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS extents(id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, place BLOB);"
    "CREATE TABLE IF NOT EXISTS segments(number INTEGER PRIMARY KEY, live INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS buckets(number INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE,"
    " created_ms INTEGER NOT NULL, meta BLOB NOT NULL, crc INTEGER NOT NULL,"
    " versioning INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS state(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";

struct index_reader {
    struct index_reader *next;
    sqlite3 *db;
    sqlite3_stmt *prepared[SQL_COUNT];
    sqlite3_stmt *scan;
    sqlite3_stmt *side; /* the second scan */
};

struct index {
    struct index_reader writer; /* the same shape: a connection with its statements */
    const struct disk_ops *disk;
    struct index_vfs *vfs;
    char path[INDEX_PATH_MAX];
    pthread_mutex_t lock;
    struct index_reader *pool; /* under lock */
    unsigned pooled;           /* under lock */
};

static int fail_sql(sqlite3 *db, int code, const char *what, struct tarn_error *err)
{
    int status = TARN_EIO;
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = TARN_ECORRUPT;
        break;
    case SQLITE_FULL:
        status = TARN_ENOSPACE;
        break;
    case SQLITE_NOMEM:
        status = TARN_ENOMEM;
        break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        status = TARN_EDENIED;
        break;
    default:
        break;
    }
    return tn_fail(err, status, "could not %s: index: %s", what,
                   db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

static int prepared(struct index_reader *r, enum statement which, sqlite3_stmt **out,
                    struct tarn_error *err)
{
    if (!r->prepared[which]) {
        int code = sqlite3_prepare_v3(r->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &r->prepared[which], NULL);
        if (code != SQLITE_OK)
            return fail_sql(r->db, code, "prepare a statement", err);
    }
    *out = r->prepared[which];
    return TARN_OK;
}

/* The borrowed bytes must live until the statement has run. */
static void bind_blob(sqlite3_stmt *s, int at, struct tn_str bytes)
{
    (void)sqlite3_bind_blob(s, at, bytes.len ? bytes.data : "", (int)bytes.len, SQLITE_STATIC);
}

static struct tn_str column(sqlite3_stmt *s, int at)
{
    const char *data = sqlite3_column_blob(s, at);
    int len = sqlite3_column_bytes(s, at);
    return data ? (struct tn_str){ data, (size_t)len } : TN_STR_EMPTY;
}

/* Runs a statement that yields no rows. */
static int run(struct index_reader *r, sqlite3_stmt *s, const char *what, struct tarn_error *err)
{
    int code = sqlite3_step(s);
    int rc = code == SQLITE_DONE || code == SQLITE_ROW ? TARN_OK : fail_sql(r->db, code, what, err);
    (void)sqlite3_reset(s);
    return rc;
}

static int run_plain(struct index_reader *r, enum statement which, const char *what,
                     struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(r, which, &s, err);
    return rc < 0 ? rc : run(r, s, what, err);
}

static void close_connection(struct index_reader *r)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(r->prepared[i]);
        r->prepared[i] = NULL;
    }
    (void)sqlite3_close(r->db);
    r->db = NULL;
}

static int open_connection(const struct index *x, bool is_writer, struct index_reader *r,
                           struct tarn_error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX |
                (is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE);
    int reserved = INDEX_PAGE_RESERVED;
    int code = sqlite3_open_v2(x->path, &r->db, flags, index_vfs_name(x->vfs));
    if (code == SQLITE_OK && is_writer)
        code = sqlite3_file_control(r->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    if (code == SQLITE_OK) {
        char pragmas[256];
        (void)snprintf(pragmas, sizeof pragmas,
                       "PRAGMA busy_timeout=10000; PRAGMA page_size=%d; PRAGMA journal_mode=WAL;"
                       "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=%d;"
                       "PRAGMA cache_size=-%d; PRAGMA query_only=%d",
                       INDEX_PAGE_LEN, is_writer ? CHECKPOINT_PAGES : 0,
                       is_writer ? WRITER_CACHE_KIB : READER_CACHE_KIB, !is_writer);
        code = sqlite3_exec(r->db, pragmas, NULL, NULL, NULL);
    }
    if (code == SQLITE_OK && is_writer)
        code = sqlite3_exec(r->db, schema, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return TARN_OK;
    int rc = fail_sql(r->db, code, "open the index", err);
    close_connection(r);
    return rc;
}

/* --- Opening --- */

static int state_get(struct index *x, const char *name, void *out, size_t len,
                     struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_STATE_GET, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        struct tn_str value = column(s, 0);
        rc = value.len == len ? TARN_OK : TARN_ECORRUPT;
        if (rc == TARN_OK)
            memcpy(out, value.data, len);
        else
            (void)tn_fail(err, rc, "could not read the index: bad state \"%s\"", name);
    } else {
        rc = code == SQLITE_DONE ? TARN_ENOTFOUND
                                 : fail_sql(x->writer.db, code, "read the index", err);
    }
    (void)sqlite3_reset(s);
    return rc;
}

static int state_put(struct index *x, const char *name, const void *bytes, size_t len,
                     struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_STATE_PUT, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    bind_blob(s, 2, (struct tn_str){ bytes, len });
    return run(&x->writer, s, "write the index's state", err);
}

/* Is this file the index of this store, in this format? */
static int check_identity(struct index *x, struct tn_str identity, struct tarn_error *err)
{
    char kept[64] = { 0 };
    if (identity.len >= sizeof kept - 4)
        return tn_fail(err, TARN_EINVAL, "could not open the index: identity too long");
    char wanted[64] = { 0 };
    (void)snprintf(wanted, sizeof wanted, "%d %.*s", INDEX_FORMAT, TN_STR_ARG(identity));
    int rc = state_get(x, "identity", kept, sizeof kept, err);
    if (rc == TARN_ENOTFOUND)
        return state_put(x, "identity", wanted, sizeof wanted, err);
    if (rc < 0)
        return rc;
    if (memcmp(kept, wanted, sizeof kept) != 0)
        return tn_fail(err, TARN_ECORRUPT, "could not open the index: it is of another store");
    struct index_position position;
    return index_position(x, &position, err);
}

static bool is_there(const struct disk_ops *d, const char *path)
{
    int fd = d->open(path, O_RDONLY, 0);
    if (fd >= 0)
        (void)d->close(fd);
    return fd >= 0;
}

static void move_aside(const struct disk_ops *d, const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < TN_COUNT(suffixes); i++) {
        char from[INDEX_PATH_MAX + 8];
        char to[INDEX_PATH_MAX + 16];
        (void)snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        (void)snprintf(to, sizeof to, "%s.bad%s", path, suffixes[i]);
        if (d->rename(from, to) < 0 && errno != ENOENT)
            tn_log(TN_LOG_WARN, "event=index_not_moved path=\"%s\" errno=%d", from, errno);
    }
}

int index_open(const struct disk_ops *d, const char *path, struct tn_str identity,
               struct index **out, bool *was_rebuilt, struct tarn_error *err)
{
    struct index *x = tn_calloc(1, sizeof *x);
    if (!x)
        return tn_fail(err, TARN_ENOMEM, "could not open the index: out of memory");
    (void)pthread_mutex_init(&x->lock, NULL);
    (void)snprintf(x->path, sizeof x->path, "%s", path);
    x->disk = d;
    *was_rebuilt = !is_there(d, path);

    int rc = index_vfs_new(d, path, &x->vfs, err);
    if (rc == TARN_OK && index_vfs_is_marked(x->vfs))
        rc = tn_fail(err, TARN_ECORRUPT,
                     "could not open the index: it was damaged when it was read");
    if (rc == TARN_OK)
        rc = index_wal_check(d, path, err);
    if (rc == TARN_OK)
        rc = open_connection(x, true, &x->writer, err);
    if (rc == TARN_OK)
        rc = check_identity(x, identity, err);
    if (rc == TARN_ECORRUPT) {
        tn_log(TN_LOG_WARN, "event=index_rebuild reason=\"%s\"", err ? err->message : "damaged");
        close_connection(&x->writer);
        move_aside(d, path);
        index_vfs_unmark(x->vfs);
        *was_rebuilt = true;
        rc = open_connection(x, true, &x->writer, err);
        if (rc == TARN_OK)
            rc = check_identity(x, identity, err);
    }
    if (rc < 0) {
        index_close(x);
        return rc;
    }
    *out = x;
    return TARN_OK;
}

bool index_is_damaged(const struct index *x)
{
    return index_vfs_is_marked(x->vfs);
}

void index_close(struct index *x)
{
    if (!x)
        return;
    while (x->pool) {
        struct index_reader *r = x->pool;
        x->pool = r->next;
        close_connection(r);
        tn_free(r);
    }
    close_connection(&x->writer);
    index_vfs_free(x->vfs);
    (void)pthread_mutex_destroy(&x->lock);
    tn_free(x);
}

/* --- Writing --- */

int index_begin(struct index *x, struct tarn_error *err)
{
    return run_plain(&x->writer, SQL_BEGIN_WRITE, "begin", err);
}

enum { POSITION_LEN = 24 };

int index_commit(struct index *x, const struct index_position *applied, struct tarn_error *err)
{
    unsigned char bytes[POSITION_LEN];
    put_u64(bytes, applied->seq);
    put_u32(bytes + 8, applied->segment);
    put_u32(bytes + 12, applied->offset);
    put_u32(bytes + 16, applied->crc);
    put_u32(bytes + 20, applied->bucket_max);
    int rc = state_put(x, "applied", bytes, sizeof bytes, err);
    return rc < 0 ? rc : run_plain(&x->writer, SQL_COMMIT, "commit", err);
}

void index_rollback(struct index *x)
{
    (void)run_plain(&x->writer, SQL_ROLLBACK, "roll back", NULL);
}

int index_position(struct index *x, struct index_position *out, struct tarn_error *err)
{
    unsigned char bytes[POSITION_LEN];
    int rc = state_get(x, "applied", bytes, sizeof bytes, err);
    if (rc == TARN_ENOTFOUND) {
        *out = (struct index_position){ 0 };
        return TARN_OK;
    }
    if (rc < 0)
        return rc;
    *out = (struct index_position){
        .seq = get_u64(bytes),
        .segment = get_u32(bytes + 8),
        .offset = get_u32(bytes + 12),
        .crc = get_u32(bytes + 16),
        .bucket_max = get_u32(bytes + 20),
    };
    return TARN_OK;
}

int index_rebuild_get(struct index *x, bool *is_under_way, struct tarn_error *err)
{
    unsigned char byte = 0;
    int rc = state_get(x, "rebuild", &byte, sizeof byte, err);
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    *is_under_way = byte != 0;
    return TARN_OK;
}

int index_rebuild_set(struct index *x, bool is_under_way, struct tarn_error *err)
{
    unsigned char byte = is_under_way;
    return state_put(x, "rebuild", &byte, sizeof byte, err);
}

int index_reader_get(struct index_reader *r, struct tn_str key, struct store_head *out,
                     struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(r, SQL_GET, &s, err);
    if (rc < 0)
        return rc;
    bind_blob(s, 1, key);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        rc = head_decode(key, column(s, 0), out, NULL);
        if (rc < 0)
            (void)tn_fail(err, rc, "could not read the index: damaged row");
    } else {
        rc = code == SQLITE_DONE ? TARN_ENOTFOUND : fail_sql(r->db, code, "read the index", err);
    }
    (void)sqlite3_reset(s);
    return rc;
}

int index_reader_next(struct index_reader *r, struct tn_str from, struct tn_str to,
                      struct index_key *row, struct store_head *head, struct tarn_error *err)
{
    struct tn_str key;
    struct tn_str meta;
    int rc = index_scan_seek(r, from, true, to, err);
    if (rc == TARN_OK)
        rc = index_scan_next(r, &key, head, &meta, err);
    if (rc == TARN_OK) {
        memcpy(row->bytes, key.data, key.len);
        row->len = key.len;
    }
    (void)sqlite3_reset(r->scan);
    return rc == TARN_EEOF ? TARN_ENOTFOUND : rc;
}

int index_next(struct index *x, struct tn_str from, struct tn_str to, struct index_key *row,
               struct store_head *head, struct tarn_error *err)
{
    return index_reader_next(&x->writer, from, to, row, head, err);
}

int index_get(struct index *x, struct tn_str key, struct store_head *out, struct tarn_error *err)
{
    return index_reader_get(&x->writer, key, out, err);
}

int index_put(struct index *x, struct tn_str key, const struct store_head *head, struct tn_str meta,
              struct tarn_error *err)
{
    unsigned char small[512];
    TN_AUTO_FREE unsigned char *large = NULL;
    unsigned char *value = small;
    if (HEAD_CODE_MAX + meta.len > sizeof small) {
        value = large = tn_realloc(NULL, HEAD_CODE_MAX + meta.len);
        if (!large)
            return tn_fail(err, TARN_ENOMEM, "could not write the index: out of memory");
    }
    size_t len = head_encode(key, head, meta, value);
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_PUT, &s, err);
    if (rc < 0)
        return rc;
    bind_blob(s, 1, key);
    bind_blob(s, 2, (struct tn_str){ (const char *)value, len });
    return run(&x->writer, s, "write the index", err);
}

int index_delete(struct index *x, struct tn_str key, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_DELETE, &s, err);
    if (rc < 0)
        return rc;
    bind_blob(s, 1, key);
    return run(&x->writer, s, "delete from the index", err);
}

/* Prefixes begin with a bucket's number and never are all 0xff. */
void index_prefix_end(struct tn_str prefix, struct index_key *end)
{
    assert(prefix.len && prefix.len <= sizeof end->bytes);
    memcpy(end->bytes, prefix.data, prefix.len);
    end->len = prefix.len;
    while (end->len && end->bytes[end->len - 1] == 0xff)
        end->len--;
    assert(end->len);
    end->bytes[end->len - 1]++;
}

int index_delete_prefix(struct index *x, struct tn_str prefix, index_row_fn each, void *user,
                        struct tarn_error *err)
{
    struct index_key end;
    index_prefix_end(prefix, &end);
    int rc = index_scan_seek(&x->writer, prefix, false, index_key_str(&end), err);
    while (rc == TARN_OK) {
        struct tn_str key;
        struct store_head head;
        struct tn_str meta;
        rc = index_scan_next(&x->writer, &key, &head, &meta, err);
        if (rc == TARN_OK)
            rc = each(user, key, &head, meta);
    }
    (void)sqlite3_reset(x->writer.scan);
    if (rc != TARN_EEOF)
        return rc;

    sqlite3_stmt *s = NULL;
    rc = prepared(&x->writer, SQL_DELETE_RANGE, &s, err);
    if (rc < 0)
        return rc;
    bind_blob(s, 1, prefix);
    bind_blob(s, 2, index_key_str(&end));
    return run(&x->writer, s, "delete from the index", err);
}

static int extent_get(struct index_reader *r, uint64_t id, int64_t *refs, struct place *place,
                      struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(r, SQL_EXTENT_GET, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
    int code = sqlite3_step(s);
    *refs = 0;
    *place = (struct place){ 0 };
    if (code == SQLITE_ROW) {
        *refs = sqlite3_column_int64(s, 0);
        struct tn_str packed = column(s, 1);
        if (packed.len == 32)
            *place = place_unpack((const unsigned char *)packed.data);
    } else if (code != SQLITE_DONE) {
        rc = fail_sql(r->db, code, "read the index", err);
    }
    (void)sqlite3_reset(s);
    return rc;
}

static int extent_put(struct index *x, uint64_t id, int64_t refs, const struct place *place,
                      struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_EXTENT_PUT, &s, err);
    if (rc < 0)
        return rc;
    unsigned char packed[32];
    place_pack(place, packed);
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
    (void)sqlite3_bind_int64(s, 2, refs);
    bind_blob(s, 3, (struct tn_str){ (const char *)packed, sizeof packed });
    return run(&x->writer, s, "write the index", err);
}

int index_refer(struct index *x, uint64_t id, const struct place *place, int change,
                bool keeps_empty, int64_t *refs, struct place *kept, struct tarn_error *err)
{
    struct place before;
    int rc = extent_get(&x->writer, id, refs, &before, err);
    if (rc < 0)
        return rc;
    if (!before.kind && place)
        before = *place;
    *kept = before;
    *refs += change;
    if (*refs < 0)
        *refs = 0;
    if (*refs > 0 || keeps_empty)
        return extent_put(x, id, *refs, &before, err);

    sqlite3_stmt *s = NULL;
    rc = prepared(&x->writer, SQL_EXTENT_DELETE, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
    return run(&x->writer, s, "write the index", err);
}

int index_drop_empty(struct index *x, struct tarn_error *err)
{
    return run_plain(&x->writer, SQL_EXTENT_DROP_EMPTY, "delete from the index", err);
}

int index_move(struct index *x, uint64_t id, const struct place *place, struct place *before,
               struct tarn_error *err)
{
    int64_t refs;
    int rc = extent_get(&x->writer, id, &refs, before, err);
    if (rc < 0)
        return rc;
    if (refs <= 0 && !before->kind)
        return TARN_ENOTFOUND;
    return extent_put(x, id, refs, place, err);
}

int index_segment_get(struct index_reader *r, uint32_t segment, int64_t *live,
                      struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(r, SQL_SEGMENT_GET, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, segment);
    int code = sqlite3_step(s);
    *live = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        rc = fail_sql(r->db, code, "read the index", err);
    (void)sqlite3_reset(s);
    return rc;
}

int index_segment_delete(struct index *x, uint32_t segment, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_SEGMENT_DELETE, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, segment);
    return run(&x->writer, s, "write the index", err);
}

int index_checkpoint(struct index_reader *r, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(r, SQL_CHECKPOINT, &s, err);
    if (rc < 0)
        return rc;
    int code = sqlite3_step(s);
    bool is_busy = code == SQLITE_ROW && sqlite3_column_int(s, 0) != 0;
    if (code != SQLITE_ROW)
        rc = fail_sql(r->db, code, "sync the index", err);
    else if (is_busy)
        rc = tn_fail(err, TARN_EBUSY, "could not sync the index: it is busy");
    (void)sqlite3_reset(s);
    return rc;
}

int index_verify(struct index_reader *r, uint64_t first, size_t count, struct tarn_error *err)
{
    struct sqlite3_file *file = NULL;
    uint64_t damaged = 0;
    int code = sqlite3_file_control(r->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK || !file)
        return fail_sql(r->db, code, "verify the index", err);
    int rc = index_vfs_verify(file, first, count, &damaged);
    return rc == TARN_OK || rc == TARN_EEOF
               ? rc
               : tn_fail(err, rc, "could not read the index: page %llu: %s",
                         (unsigned long long)damaged, tarn_status_text(rc));
}

int index_segment_live(struct index *x, uint32_t segment, int64_t change, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_SEGMENT_ADD, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, segment);
    (void)sqlite3_bind_int64(s, 2, change);
    return run(&x->writer, s, "write the index", err);
}

static uint32_t bucket_crc(uint32_t number, const struct store_bucket *b)
{
    unsigned char versioning = (unsigned char)b->versioning;
    uint32_t crc = tn_crc32c(number, &b->created_ms, sizeof b->created_ms);
    crc = tn_crc32c(crc, &versioning, sizeof versioning);
    crc = tn_crc32c(crc, b->name.data, b->name.len);
    return b->meta.len ? tn_crc32c(crc, b->meta.data, b->meta.len) : crc;
}

int index_bucket_put(struct index *x, uint32_t number, const struct store_bucket *bucket,
                     struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_BUCKET_PUT, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, number);
    bind_blob(s, 2, bucket->name);
    (void)sqlite3_bind_int64(s, 3, bucket->created_ms);
    bind_blob(s, 4, bucket->meta);
    (void)sqlite3_bind_int64(s, 5, bucket_crc(number, bucket));
    (void)sqlite3_bind_int(s, 6, (int)bucket->versioning);
    return run(&x->writer, s, "write the index", err);
}

int index_bucket_delete(struct index *x, uint32_t number, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_BUCKET_DELETE, &s, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(s, 1, number);
    return run(&x->writer, s, "write the index", err);
}

int index_bucket_list(struct index *x, index_bucket_fn each, void *user, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(&x->writer, SQL_BUCKET_LIST, &s, err);
    if (rc < 0)
        return rc;
    int code = SQLITE_DONE;
    while (rc == TARN_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        uint32_t number = (uint32_t)sqlite3_column_int64(s, 0);
        struct store_bucket b = {
            .name = column(s, 1),
            .created_ms = sqlite3_column_int64(s, 2),
            .meta = column(s, 3),
            .versioning = (enum store_versioning)sqlite3_column_int(s, 5),
        };
        if (bucket_crc(number, &b) != (uint32_t)sqlite3_column_int64(s, 4))
            rc = tn_fail(err, TARN_ECORRUPT, "could not read the index: damaged bucket row");
        else
            rc = each(user, number, &b);
    }
    if (rc == TARN_OK && code != SQLITE_DONE)
        rc = fail_sql(x->writer.db, code, "read the index", err);
    (void)sqlite3_reset(s);
    return rc;
}

/* --- Reading --- */

int index_reader_take(struct index *x, struct index_reader **out, struct tarn_error *err)
{
    (void)pthread_mutex_lock(&x->lock);
    struct index_reader *r = x->pool;
    if (r) {
        x->pool = r->next;
        x->pooled--;
    }
    (void)pthread_mutex_unlock(&x->lock);
    if (r) {
        *out = r;
        return TARN_OK;
    }
    r = tn_calloc(1, sizeof *r);
    if (!r)
        return tn_fail(err, TARN_ENOMEM, "could not read the index: out of memory");
    int rc = open_connection(x, false, r, err);
    if (rc < 0) {
        tn_free(r);
        return rc;
    }
    *out = r;
    return TARN_OK;
}

void index_reader_give(struct index *x, struct index_reader *r)
{
    (void)pthread_mutex_lock(&x->lock);
    bool keep = x->pooled < READER_POOL_MAX;
    if (keep) {
        r->next = x->pool;
        x->pool = r;
        x->pooled++;
    }
    (void)pthread_mutex_unlock(&x->lock);
    if (!keep) {
        close_connection(r);
        tn_free(r);
    }
}

int index_reader_refers(struct index_reader *r, uint64_t id, bool *out, struct place *place,
                        struct tarn_error *err)
{
    int64_t refs;
    int rc = extent_get(r, id, &refs, place, err);
    if (rc == TARN_OK)
        *out = refs > 0;
    return rc;
}

int index_scan_begin(struct index_reader *r, struct tarn_error *err)
{
    return run_plain(r, SQL_BEGIN, "begin", err);
}

void index_scan_end(struct index_reader *r)
{
    if (r->scan)
        (void)sqlite3_reset(r->scan);
    if (r->side)
        (void)sqlite3_reset(r->side);
    r->scan = r->side = NULL;
    (void)run_plain(r, SQL_COMMIT, "end a scan", NULL);
}

/* The bounds are copied: they often are views of the row that the reset below gives up. */
static int seek(struct index_reader *r, enum statement which, sqlite3_stmt **scan,
                struct tn_str from, struct tn_str to, struct tarn_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = prepared(r, which, &s, err);
    if (rc < 0)
        return rc;
    struct index_key kept_from = { .len = from.len };
    struct index_key kept_to = { .len = to.len };
    assert(from.len <= INDEX_KEY_MAX && to.len <= INDEX_KEY_MAX);
    memcpy(kept_from.bytes, from.data, from.len);
    memcpy(kept_to.bytes, to.data, to.len);
    if (*scan)
        (void)sqlite3_reset(*scan);
    *scan = s;
    int code = sqlite3_bind_blob(s, 1, kept_from.bytes, (int)kept_from.len, SQLITE_TRANSIENT);
    if (code == SQLITE_OK)
        code = sqlite3_bind_blob(s, 2, kept_to.bytes, (int)kept_to.len, SQLITE_TRANSIENT);
    return code == SQLITE_OK ? TARN_OK : fail_sql(r->db, code, "scan the index", err);
}

static int next(struct index_reader *r, sqlite3_stmt *scan, struct tn_str *key,
                struct store_head *head, struct tn_str *meta, struct tarn_error *err)
{
    int code = sqlite3_step(scan);
    if (code == SQLITE_DONE)
        return TARN_EEOF;
    if (code != SQLITE_ROW)
        return fail_sql(r->db, code, "scan the index", err);
    *key = column(scan, 0);
    int rc = head_decode(*key, column(scan, 1), head, meta);
    return rc < 0 ? tn_fail(err, rc, "could not read the index: damaged row") : TARN_OK;
}

int index_scan_seek(struct index_reader *r, struct tn_str from, bool is_after, struct tn_str to,
                    struct tarn_error *err)
{
    return seek(r, is_after ? SQL_SCAN_AFTER : SQL_SCAN, &r->scan, from, to, err);
}

int index_scan_next(struct index_reader *r, struct tn_str *key, struct store_head *head,
                    struct tn_str *meta, struct tarn_error *err)
{
    return next(r, r->scan, key, head, meta, err);
}

int index_side_seek(struct index_reader *r, struct tn_str from, bool is_after, struct tn_str to,
                    struct tarn_error *err)
{
    return seek(r, is_after ? SQL_SIDE_AFTER : SQL_SIDE, &r->side, from, to, err);
}

int index_side_next(struct index_reader *r, struct tn_str *key, struct store_head *head,
                    struct tn_str *meta, struct tarn_error *err)
{
    return next(r, r->side, key, head, meta, err);
}
