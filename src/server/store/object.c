/* SPDX-License-Identifier: Apache-2.0 */
/* Reading objects: find the head, read and verify the front, then verified blocks of the body. */

#include <assert.h>

#include "base/log.h"
#include "server/store/engine.h"

enum { FRONT_GUESS_LEN = 4096 };

/* Bytes under block CRCs, in a segment or a blob. */
struct source {
    int fd;
    bool is_own_fd;
    uint64_t data_offset;
    uint64_t len;
    const unsigned char *table; /* in memory; or NULL: */
    uint64_t table_offset;      /* in the file */
    struct tn_buf front;        /* holds `table` for a part's record */
    uint64_t first;             /* offset within the object of the first byte */
};

struct extent {
    uint64_t first; /* offset within the object */
    struct manifest_part part;
};

struct store_object {
    struct log_store *store;
    struct pin pin;
    struct index_key key;
    struct store_head head;
    struct place place;
    struct record record;
    struct tn_buf bytes; /* the front, or the whole record */
    bool is_whole;
    bool has_source;
    struct source source;
    unsigned char *block; /* one verified block, for reads that do not fall on whole ones */
    uint64_t block_at;    /* object offset of the block; UINT64_MAX when there is none */
    size_t block_len;
    struct tn_buf manifest;
    struct extent *extents;
    size_t extent_count;
};

static void report_damage(const struct log_store *s, const char *what, const struct place *p,
                          uint64_t offset)
{
    tn_log(TN_LOG_ERROR,
           "event=damage what=%s dir=\"%s\" segment=%08x offset=%u blob=%016llx at=%llu", what,
           s->dir, p->segment, p->offset, (unsigned long long)p->blob, (unsigned long long)offset);
}

/* --- Heads --- */

int object_find(struct log_store *s, struct tn_str index_key, bool may_wait, struct store_head *out,
                struct tarn_error *err)
{
    uint64_t ticket;
    switch (heads_find(s->heads, index_key, out, &ticket)) {
    case HEADS_FOUND:
        return TARN_OK;
    case HEADS_ABSENT:
        return TARN_ENOTFOUND;
    default:
        break;
    }
    if (!may_wait)
        return TARN_EAGAIN;
    struct index_reader *r;
    int rc = index_reader_take(s->index, &r, err);
    if (rc < 0)
        return rc;
    rc = index_reader_get(r, index_key, out, err);
    index_reader_give(s->index, r);
    if (rc == TARN_OK)
        heads_remember(s->heads, index_key, out, ticket);
    return rc;
}

/* --- Versions --- */

struct finder {
    struct log_store *store;
    struct tarn_error *err;
};

static int view_get(void *user, struct tn_str row, struct store_head *out)
{
    const struct finder *f = user;
    return object_find(f->store, row, true, out, f->err);
}

/* The index alone: it has been waited for. A row that is deleted since is passed over. */
static int view_newest(void *user, struct tn_str object_key, uint64_t below, struct store_head *out)
{
    const struct finder *f = user;
    struct log_store *s = f->store;
    struct index_key from;
    struct index_key to;
    struct index_key row;
    struct index_reader *r;
    int rc = apply_wait(s, f->err);
    if (rc == TARN_OK)
        rc = index_reader_take(s->index, &r, f->err);
    if (rc < 0)
        return rc;
    index_key_version(&from, object_key, below);
    index_key_version(&to, object_key, 0);
    while ((rc = index_reader_next(r, index_key_str(&from), index_key_str(&to), &row, out,
                                   f->err)) == TARN_OK) {
        if (heads_find(s->heads, index_key_str(&row), out, NULL) != HEADS_ABSENT)
            break;
        from = row;
    }
    index_reader_give(s->index, r);
    return rc;
}

/* A version that changes its row while it is looked for is in the one or in the other: it is put
 * into the new row before it leaves the old one. */
int object_find_version(struct log_store *s, struct tn_str object_key,
                        const struct store_version *which, struct store_head *out,
                        struct tarn_error *err)
{
    enum { TRIES = 3 };
    struct finder f = { s, err };
    struct version_view view = { view_get, view_newest, &f };
    struct version_row row;
    int rc = TARN_ENOTFOUND;
    for (int i = 0; i < TRIES && rc == TARN_ENOTFOUND; i++)
        rc = versions_find(&view, object_key, which, &row, out);
    return rc;
}

/* --- Fronts --- */

static int read_at_least(struct log_store *s, int fd, const struct place *p, size_t len,
                         bool may_wait, struct tn_buf *bytes)
{
    if (bytes->len >= len)
        return TARN_OK;
    size_t more = len - bytes->len;
    int rc = tn_buf_reserve(bytes, more);
    if (rc < 0)
        return rc;
    ssize_t n =
        disk_read(s->disk, fd, bytes->data + bytes->len, more, p->offset + bytes->len, may_wait);
    if (n < 0)
        return (int)n;
    bytes->len += (size_t)n;
    return (size_t)n < more ? TARN_ECORRUPT : TARN_OK;
}

/* Small inline records come whole: one read, and their bytes are there. */
static int read_front(struct log_store *s, const struct place *p, bool may_wait,
                      struct tn_buf *bytes, struct record *r)
{
    int fd;
    size_t front_len;
    uint64_t total_len;
    struct record_salt salt = log_salt(s->log, p->segment);
    int rc = log_segment_fd(s->log, p->segment, may_wait, &fd);
    if (rc < 0)
        return rc == TARN_EAGAIN ? rc : TARN_ECORRUPT;
    if (p->len < RECORD_HEADER_LEN)
        return TARN_ECORRUPT;
    bool is_small = p->kind == PLACE_INLINE && p->len <= RECORD_WHOLE_MAX;
    size_t first = is_small || p->len < FRONT_GUESS_LEN ? p->len : FRONT_GUESS_LEN;
    rc = read_at_least(s, fd, p, first, may_wait, bytes);
    if (rc < 0)
        return rc;
    const unsigned char *header = (const unsigned char *)bytes->data;
    if (record_read_header(header, salt, r, &front_len, &total_len) < 0 || total_len != p->len)
        return TARN_ECORRUPT;
    rc = read_at_least(s, fd, p, front_len, may_wait, bytes);
    return rc < 0 ? rc : record_read_front((const unsigned char *)bytes->data, bytes->len, salt, r);
}

int object_read_front(struct log_store *s, const struct place *place, uint64_t seq, bool may_wait,
                      struct tn_buf *bytes, struct record *r, struct tarn_error *err)
{
    int rc = read_front(s, place, may_wait, bytes, r);
    if (rc == TARN_OK && record_origin(r) != seq)
        rc = TARN_ECORRUPT;
    if (rc == TARN_ECORRUPT)
        report_damage(s, "record", place, 0);
    if (rc < 0)
        return tn_fail(err, rc, "could not read record %llu: %s", (unsigned long long)seq,
                       tarn_status_text(rc));
    return TARN_OK;
}

/* --- Sources --- */

static void source_close(struct store_object *o)
{
    if (!o->has_source)
        return;
    if (o->source.is_own_fd)
        (void)o->store->disk->close(o->source.fd);
    tn_buf_release(&o->source.front);
    o->has_source = false;
    o->block_at = UINT64_MAX;
}

static void source_of_record(struct source *src, int fd, const struct place *p,
                             const struct record *r)
{
    *src = (struct source){
        .fd = fd,
        .data_offset = p->offset + record_front_len(r->key.len, r->meta.len, r->body_len),
        .len = r->body_len,
        .table = r->table,
        .front = TN_BUF_INIT(UINT32_MAX),
    };
}

static int source_of_blob(struct log_store *s, struct source *src, uint64_t id, uint64_t len,
                          struct tarn_error *err)
{
    int fd;
    int rc = blob_open(s->disk, s->blob_dir, id, len, &fd, err);
    if (rc < 0)
        return rc;
    *src = (struct source){
        .fd = fd,
        .is_own_fd = true,
        .len = len,
        .table_offset = len,
        .front = TN_BUF_INIT(UINT32_MAX),
    };
    return TARN_OK;
}

/* Where a part's record is: where the manifest says, unless it has been moved since. */
static int find_part_place(struct log_store *s, const struct manifest_part *part, struct place *out,
                           struct tarn_error *err)
{
    struct index_reader *r;
    bool is_referred;
    int rc = apply_wait(s, err);
    if (rc == TARN_OK)
        rc = index_reader_take(s->index, &r, err);
    if (rc < 0)
        return rc;
    rc = index_reader_refers(r, part->id, &is_referred, out, err);
    index_reader_give(s->index, r);
    if (rc == TARN_OK && (!is_referred || !out->kind))
        rc = tn_fail(err, TARN_ECORRUPT, "could not read a part: its bytes are not known");
    return rc;
}

static int source_of_record_at(struct log_store *s, struct source *src, const struct place *place,
                               uint64_t id, struct tarn_error *err)
{
    struct record r;
    int fd;
    struct tn_buf front = TN_BUF_INIT(UINT32_MAX);
    int rc = read_front(s, place, true, &front, &r);
    if (rc == TARN_OK && record_origin(&r) != id)
        rc = TARN_ECORRUPT;
    if (rc == TARN_OK)
        rc = log_segment_fd(s->log, place->segment, true, &fd);
    if (rc == TARN_ENOTFOUND)
        rc = TARN_ECORRUPT; /* vacuum has removed it since: the part is elsewhere */
    if (rc < 0) {
        tn_buf_release(&front);
        return tn_fail(err, rc, "could not read record %llu: %s", (unsigned long long)id,
                       tarn_status_text(rc));
    }
    source_of_record(src, fd, place, &r);
    src->front = front;
    return TARN_OK;
}

static int source_of_part(struct log_store *s, struct source *src, const struct manifest_part *part,
                          struct tarn_error *err)
{
    if (part->place.kind == PLACE_BLOB)
        return source_of_blob(s, src, part->id, part->size, err);
    int rc = source_of_record_at(s, src, &part->place, part->id, err);
    if (rc != TARN_ECORRUPT)
        return rc;
    struct place place;
    rc = find_part_place(s, part, &place, err);
    if (rc == TARN_OK)
        rc = source_of_record_at(s, src, &place, part->id, err);
    if (rc == TARN_ECORRUPT)
        report_damage(s, "part", &place, 0);
    return rc;
}

static int load_extents(struct store_object *o, struct tarn_error *err)
{
    if (o->extents)
        return TARN_OK;
    struct tn_buf body = TN_BUF_INIT(MANIFEST_LEN_MAX);
    int rc = object_read_manifest(o->store, &o->place, o->head.seq, &body, err);
    size_t count = 0;
    struct manifest m;
    struct manifest_part part;
    manifest_begin(&m, tn_buf_str(&body));
    while (rc == TARN_OK && (rc = manifest_next(&m, &part)) == TARN_OK)
        count++;
    struct extent *extents = rc == TARN_EEOF ? tn_calloc(count, sizeof *extents) : NULL;
    if (!extents) {
        tn_buf_release(&body);
        return rc < 0 && rc != TARN_EEOF
                   ? rc
                   : tn_fail(err, TARN_ENOMEM, "could not read: out of memory");
    }
    uint64_t first = 0;
    manifest_begin(&m, tn_buf_str(&body));
    for (size_t i = 0; i < count && manifest_next(&m, &extents[i].part) == TARN_OK; i++) {
        extents[i].first = first;
        first += extents[i].part.size;
    }
    o->manifest = body;
    o->extents = extents;
    o->extent_count = count;
    return TARN_OK;
}

/* The last extent that begins at or before `offset`. */
static const struct extent *find_extent(const struct store_object *o, uint64_t offset)
{
    size_t low = 0;
    size_t high = o->extent_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (o->extents[middle].first <= offset)
            low = middle;
        else
            high = middle;
    }
    return &o->extents[low];
}

/* Makes the source current that holds `offset`. */
static int source_at(struct store_object *o, uint64_t offset, bool may_wait, struct tarn_error *err)
{
    if (o->has_source && offset >= o->source.first && offset - o->source.first < o->source.len)
        return TARN_OK;
    if (!may_wait && o->place.kind != PLACE_INLINE)
        return TARN_EAGAIN;
    source_close(o);
    struct source src;
    int rc = TARN_OK;
    int fd;
    if (o->place.kind == PLACE_INLINE) {
        rc = log_segment_fd(o->store->log, o->place.segment, may_wait, &fd);
        if (rc == TARN_OK)
            source_of_record(&src, fd, &o->place, &o->record);
    } else if (o->place.kind == PLACE_BLOB) {
        rc = source_of_blob(o->store, &src, o->place.blob, o->head.size, err);
    } else {
        rc = load_extents(o, err);
        const struct extent *e = rc == TARN_OK && o->extent_count ? find_extent(o, offset) : NULL;
        if (rc == TARN_OK && !e)
            rc = TARN_ECORRUPT;
        if (rc == TARN_OK)
            rc = source_of_part(o->store, &src, &e->part, err);
        if (rc == TARN_OK)
            src.first = e->first;
    }
    if (rc < 0)
        return rc;
    o->source = src;
    o->has_source = true;
    return TARN_OK;
}

/* --- Blocks --- */

/* Reads the whole blocks [first, first + count) of the current source into `out`, verified. */
static ssize_t read_blocks(struct store_object *o, uint64_t first, size_t count, void *out,
                           bool may_wait, struct tarn_error *err)
{
    const struct disk_ops *d = o->store->disk;
    const struct source *src = &o->source;
    unsigned char kept[4 * 64];
    const unsigned char *table = src->table ? src->table + 4 * first : kept;
    if (count > TN_COUNT(kept) / 4)
        count = TN_COUNT(kept) / 4;
    uint64_t at = first * RECORD_BLOCK_LEN;
    size_t len = src->len - at < count * (uint64_t)RECORD_BLOCK_LEN ? (size_t)(src->len - at)
                                                                    : count * RECORD_BLOCK_LEN;
    ssize_t n = disk_read(d, src->fd, out, len, src->data_offset + at, may_wait);
    if (n == (ssize_t)len && !src->table) {
        ssize_t got =
            disk_read(d, src->fd, kept, 4 * count, src->table_offset + 4 * first, may_wait);
        if (got < 0)
            n = got;
        else if ((size_t)got < 4 * count)
            n = TARN_ECORRUPT;
    }
    if (n < 0 && n != TARN_ECORRUPT)
        return n == TARN_EAGAIN
                   ? n
                   : tn_fail(err, (int)n, "could not read an object: %s", tarn_status_text((int)n));
    bool is_valid = n == (ssize_t)len;
    for (size_t i = 0; is_valid && i * RECORD_BLOCK_LEN < len; i++) {
        size_t rest = len - i * RECORD_BLOCK_LEN;
        is_valid = record_block_is_valid(table, i, (const char *)out + i * RECORD_BLOCK_LEN,
                                         rest < RECORD_BLOCK_LEN ? rest : RECORD_BLOCK_LEN);
    }
    if (!is_valid) {
        report_damage(o->store, "body", &o->place, at);
        return tn_fail(err, TARN_ECORRUPT, "could not read an object: its bytes are damaged");
    }
    return (ssize_t)len;
}

/* The block with `offset` of the source, in the object's own buffer. */
static int load_block(struct store_object *o, uint64_t offset, bool may_wait,
                      struct tarn_error *err)
{
    uint64_t at = offset - offset % RECORD_BLOCK_LEN;
    if (o->block_at == o->source.first + at)
        return TARN_OK;
    if (!o->block)
        o->block = tn_realloc(NULL, RECORD_BLOCK_LEN);
    if (!o->block)
        return tn_fail(err, TARN_ENOMEM, "could not read an object: out of memory");
    o->block_at = UINT64_MAX;
    ssize_t n = read_blocks(o, at / RECORD_BLOCK_LEN, 1, o->block, may_wait, err);
    if (n < 0)
        return (int)n;
    o->block_at = o->source.first + at;
    o->block_len = (size_t)n;
    return TARN_OK;
}

static ssize_t read_source(struct store_object *o, uint64_t offset, void *out, size_t cap,
                           bool may_wait, struct tarn_error *err)
{
    uint64_t at = offset - o->source.first;
    uint64_t left = o->source.len - at;
    if (at % RECORD_BLOCK_LEN == 0 && (cap >= RECORD_BLOCK_LEN || cap >= left)) {
        size_t count = cap >= left ? record_block_count(left) : cap / RECORD_BLOCK_LEN;
        return read_blocks(o, at / RECORD_BLOCK_LEN, count, out, may_wait, err);
    }
    int rc = load_block(o, at, may_wait, err);
    if (rc < 0)
        return rc;
    size_t skip = (size_t)(at % RECORD_BLOCK_LEN);
    size_t len = o->block_len - skip < cap ? o->block_len - skip : cap;
    memcpy(out, o->block + skip, len);
    return (ssize_t)len;
}

/* --- The calls --- */

static bool whole_is_valid(const struct store_object *o, const unsigned char *body)
{
    const struct record *r = &o->record;
    for (uint64_t at = 0, i = 0; at < r->body_len; at += RECORD_BLOCK_LEN, i++) {
        uint64_t step = r->body_len - at < RECORD_BLOCK_LEN ? r->body_len - at : RECORD_BLOCK_LEN;
        if (!record_block_is_valid(r->table, (size_t)i, body + at, (size_t)step))
            return false;
    }
    return true;
}

static const unsigned char *whole_body(const struct store_object *o)
{
    const struct record *r = &o->record;
    return (const unsigned char *)o->bytes.data +
           record_front_len(r->key.len, r->meta.len, r->body_len);
}

static int open_record(struct store_object *o, struct tn_str key, bool may_wait,
                       struct tarn_error *err)
{
    o->place = place_unpack(o->head.place);
    int rc =
        object_read_front(o->store, &o->place, o->head.seq, may_wait, &o->bytes, &o->record, err);
    if (rc < 0)
        return rc;
    bool is_intact = record_is_object(o->record.type) && tn_str_eq(o->record.key, key) &&
                     o->record.size == o->head.size && o->record.kind == o->place.kind;
    o->is_whole = o->place.kind == PLACE_INLINE && o->bytes.len == o->place.len;
    if (is_intact && o->is_whole)
        is_intact = whole_is_valid(o, whole_body(o));
    if (is_intact)
        return TARN_OK;
    report_damage(o->store, "record", &o->place, 0);
    return tn_fail(err, TARN_ECORRUPT, "could not read an object: its record is damaged");
}

static int open_version(struct store *base, struct tn_str bucket, struct tn_str key,
                        const struct store_version *version, bool may_wait,
                        struct store_object **out, struct tarn_error *err)
{
    struct log_store *s = engine(base);
    uint32_t number = buckets_number(s->buckets, bucket);
    if (!number)
        return tn_fail(err, TARN_ENOBUCKET, "could not open an object: no such bucket");
    if (key.len > 1024)
        return tn_fail(err, TARN_EINVAL, "could not open an object: key too long");
    struct store_object *o = tn_calloc(1, sizeof *o);
    if (!o)
        return tn_fail(err, TARN_ENOMEM, "could not open an object: out of memory");
    o->store = s;
    o->block_at = UINT64_MAX;
    tn_buf_init(&o->bytes, UINT32_MAX);
    tn_buf_init(&o->manifest, MANIFEST_LEN_MAX);
    index_key_make(&o->key, number, SPACE_OBJECT, key);
    pin_take(s, &o->pin);
    int rc = version ? object_find_version(s, index_key_str(&o->key), version, &o->head, err)
                     : object_find(s, index_key_str(&o->key), may_wait, &o->head, err);
    if (rc == TARN_OK)
        rc = open_record(o, key, may_wait, err);
    if (rc < 0) {
        object_close(o);
        return rc == TARN_ENOTFOUND ? tn_fail(err, rc, "could not open an object: no such key")
                                    : rc;
    }
    *out = o;
    return TARN_OK;
}

int object_open(struct store *base, struct tn_str bucket, struct tn_str key, bool may_wait,
                struct store_object **out, struct tarn_error *err)
{
    return open_version(base, bucket, key, NULL, may_wait, out, err);
}

int object_open_version(struct store *base, struct tn_str bucket, struct tn_str key,
                        const struct store_version *version, struct store_object **out,
                        struct tarn_error *err)
{
    return open_version(base, bucket, key, version, true, out, err);
}

void object_close(struct store_object *o)
{
    if (!o)
        return;
    source_close(o);
    pin_drop(o->store, &o->pin);
    tn_buf_release(&o->bytes);
    tn_buf_release(&o->manifest);
    tn_free(o->extents);
    tn_free(o->block);
    tn_free(o);
}

const struct store_head *object_head(const struct store_object *o)
{
    return &o->head;
}

struct tn_str object_key(const struct store_object *o)
{
    return index_key_str(&o->key);
}

struct tn_str object_meta(const struct store_object *o)
{
    struct tn_str meta = o->record.meta;
    struct tn_str old_key;
    if (o->record.type == RECORD_COMPLETE)
        return tn_str_sub(meta, UPLOAD_ID_RAW_LEN, meta.len);
    if (o->record.type == RECORD_RENAME && record_rename_unpack(meta, &old_key, &meta) < 0)
        return TN_STR_EMPTY; /* not a record that passed its checks */
    return meta;
}

bool object_is_apart(const struct store_object *o)
{
    return o->place.kind != PLACE_INLINE;
}

ssize_t object_read(struct store_object *o, uint64_t offset, void *out, size_t cap, bool may_wait,
                    struct tarn_error *err)
{
    if (offset >= o->head.size || cap == 0)
        return 0;
    if (cap > o->head.size - offset)
        cap = (size_t)(o->head.size - offset);
    if (o->is_whole) {
        memcpy(out, whole_body(o) + offset, cap);
        return (ssize_t)cap;
    }
    int rc = source_at(o, offset, may_wait, err);
    if (rc < 0)
        return rc;
    if (offset - o->source.first >= o->source.len)
        return tn_fail(err, TARN_ECORRUPT, "could not read an object: its manifest is damaged");
    return read_source(o, offset, out, cap, may_wait, err);
}

ssize_t object_file(struct store_object *o, uint64_t offset, void *scratch, size_t cap,
                    bool may_wait, int *fd, uint64_t *file_offset, struct tarn_error *err)
{
    if (o->is_whole)
        return TARN_ENOTSUPPORTED;
    ssize_t n = object_read(o, offset, scratch, cap, may_wait, err);
    /* The descriptor of a segment is the log's, which may close it when the segment goes. */
    if (n > 0 && !o->source.is_own_fd)
        return TARN_ENOTSUPPORTED;
    if (n > 0) {
        *fd = o->source.fd;
        *file_offset = o->source.data_offset + (offset - o->source.first);
    }
    return n;
}

int object_part(struct store_object *o, uint32_t number, uint64_t *offset, uint64_t *len,
                struct tn_str *meta, struct tarn_error *err)
{
    if (o->head.part_count == 0 || o->place.kind != PLACE_MANIFEST) {
        if (number != 1)
            return tn_fail(err, TARN_ERANGE, "could not read part %u: there is one", number);
        *offset = 0;
        *len = o->head.size;
        *meta = TN_STR_EMPTY;
        return TARN_OK;
    }
    int rc = load_extents(o, err);
    if (rc < 0)
        return rc;
    if (number < 1 || number > o->extent_count)
        return tn_fail(err, TARN_ERANGE, "could not read part %u: there are %zu", number,
                       o->extent_count);
    const struct extent *e = &o->extents[number - 1];
    *offset = e->first;
    *len = e->part.size;
    *meta = e->part.meta;
    return TARN_OK;
}

int object_read_manifest(struct log_store *s, const struct place *place, uint64_t seq,
                         struct tn_buf *out, struct tarn_error *err)
{
    struct record r;
    TN_AUTO_BUF bytes = TN_BUF_INIT(UINT32_MAX);
    int rc = object_read_front(s, place, seq, true, &bytes, &r, err);
    if (rc < 0)
        return rc;
    if (r.kind != PLACE_MANIFEST || r.body_len > out->max)
        return tn_fail(err, TARN_ECORRUPT, "could not read a manifest: it is none");
    int fd;
    struct store_object reader = { .store = s, .place = *place, .block_at = UINT64_MAX };
    rc = log_segment_fd(s->log, place->segment, true, &fd);
    if (rc == TARN_OK)
        rc = tn_buf_reserve(out, (size_t)r.body_len);
    if (rc < 0)
        return tn_fail(err, rc, "could not read a manifest: %s", tarn_status_text(rc));
    source_of_record(&reader.source, fd, place, &r);
    while (out->len < r.body_len) {
        ssize_t n =
            read_blocks(&reader, out->len / RECORD_BLOCK_LEN,
                        record_block_count(r.body_len - out->len), out->data + out->len, true, err);
        if (n < 0)
            return (int)n;
        out->len += (size_t)n;
    }
    out->data[out->len] = '\0';
    return TARN_OK;
}
