/* SPDX-License-Identifier: Apache-2.0 */
/* The applier: one thread that takes committed changes into the index, in batches sorted by key,
 * and removes blobs that nothing refers to any more. */

#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "server/store/engine.h"

enum {
    APPLY_BATCH_MAX = 4096,
    APPLY_BATCH_GOOD = 2048, /* as many are worth their pages */
    LINGER_MS = 50,
    RETRY_MS = 1000,
    GARBAGE_CHECK_MS = 1000,
};

/* --- References --- */

static int note_garbage(struct log_store *s, uint64_t blob, uint64_t seq)
{
    if (s->garbage.count == s->garbage.cap) {
        size_t cap = s->garbage.cap ? s->garbage.cap * 2 : 64;
        struct garbage *items = tn_realloc(s->garbage.items, cap * sizeof *items);
        if (!items)
            return TARN_ENOMEM;
        s->garbage.items = items;
        s->garbage.cap = cap;
    }
    s->garbage.items[s->garbage.count++] = (struct garbage){ blob, seq };
    return TARN_OK;
}

static bool is_blob_id(uint64_t id)
{
    return id >> 60 != 0; /* blobs are numbered from the time in nanoseconds, records from 1 */
}

/* Changes the count of references to `id` by one; what has none left is garbage. `place` is where a
 * part's record is. */
static int refer(struct log_store *s, uint64_t id, const struct place *place, int change,
                 uint64_t seq, struct tarn_error *err)
{
    int64_t refs;
    struct place kept;
    int rc = index_refer(s->index, id, place, change, s->is_rebuilding, &refs, &kept, err);
    if (rc < 0 || refs > 0)
        return rc;
    if (is_blob_id(id))
        rc = note_garbage(s, id, seq);
    else if (kept.kind)
        rc = index_segment_live(s->index, kept.segment, -(int64_t)kept.len, err);
    return rc;
}

static int refer_all(struct log_store *s, struct tn_str manifest, int change, uint64_t seq,
                     struct tarn_error *err)
{
    struct manifest m;
    struct manifest_part part;
    manifest_begin(&m, manifest);
    int rc;
    while ((rc = manifest_next(&m, &part)) == TARN_OK) {
        bool is_blob = part.place.kind == PLACE_BLOB;
        rc = refer(s, part.id, is_blob ? NULL : &part.place, change, seq, err);
        if (rc < 0)
            return rc;
    }
    return rc == TARN_EEOF ? TARN_OK : tn_fail(err, rc, "could not apply a record: bad manifest");
}

static bool is_part_key(struct tn_str key)
{
    return key.data[4] == SPACE_PART;
}

static int release_manifest(struct log_store *s, const struct place *p,
                            const struct store_head *old, uint64_t seq, struct tarn_error *err)
{
    TN_AUTO_BUF manifest = TN_BUF_INIT(MANIFEST_LEN_MAX);
    int rc = object_read_manifest(s, p, old->seq, &manifest, err);
    if (rc == TARN_ECORRUPT)
        return TARN_OK; /* its parts stay as unreferenced bytes rather than stop the store */
    return rc < 0 ? rc : refer_all(s, tn_buf_str(&manifest), -1, seq, err);
}

/* The bytes of a row that goes. A part in the log is counted by its references alone: its row is
 * one, each manifest another. */
static int release(struct log_store *s, struct tn_str key, const struct store_head *old,
                   uint64_t seq, struct tarn_error *err)
{
    struct place p = place_unpack(old->place);
    if (key.data[4] == SPACE_NULL)
        return TARN_OK; /* its other row has the bytes */
    if (is_part_key(key) && p.kind == PLACE_INLINE)
        return refer(s, old->seq, NULL, -1, seq, err);
    int rc = index_segment_live(s->index, p.segment, -(int64_t)p.len, err);
    if (rc == TARN_OK && p.kind == PLACE_BLOB)
        rc = refer(s, p.blob, NULL, -1, seq, err);
    if (rc == TARN_OK && p.kind == PLACE_MANIFEST)
        rc = release_manifest(s, &p, old, seq, err);
    return rc;
}

static int release_row(struct log_store *s, struct tn_str key, uint64_t seq, struct tarn_error *err)
{
    struct store_head old;
    int rc = index_get(s->index, key, &old, err);
    if (rc == TARN_ENOTFOUND)
        return TARN_OK;
    return rc < 0 ? rc : release(s, key, &old, seq, err);
}

/* --- Records --- */

struct row_release {
    struct log_store *store;
    uint64_t seq;
    struct tarn_error *err;
};

static int release_each(void *user, struct tn_str key, const struct store_head *head,
                        struct tn_str meta)
{
    struct row_release *r = user;
    (void)meta;
    return release(r->store, key, head, r->seq, r->err);
}

static int end_upload(struct log_store *s, uint32_t bucket, struct tn_str upload_key,
                      const unsigned char *upload_id, uint64_t seq, struct tarn_error *err)
{
    struct index_key parts;
    struct row_release user = { s, seq, err };
    int rc = release_row(s, upload_key, seq, err);
    if (rc == TARN_OK)
        rc = index_delete(s->index, upload_key, err);
    index_key_make(&parts, bucket, SPACE_PART,
                   (struct tn_str){ (const char *)upload_id, UPLOAD_ID_RAW_LEN });
    if (rc == TARN_OK)
        rc = index_delete_prefix(s->index, index_key_str(&parts), release_each, &user, err);
    return rc;
}

/* --- Versions --- */

static int view_get(void *user, struct tn_str row, struct store_head *out)
{
    const struct log_store *s = user;
    return index_get(s->index, row, out, NULL);
}

static int view_newest(void *user, struct tn_str object_key, uint64_t below, struct store_head *out)
{
    const struct log_store *s = user;
    struct index_key from;
    struct index_key to;
    struct index_key row;
    index_key_version(&from, object_key, below);
    index_key_version(&to, object_key, 0);
    return index_next(s->index, index_key_str(&from), index_key_str(&to), &row, out, NULL);
}

static struct version_view view_of(struct log_store *s)
{
    return (struct version_view){ view_get, view_newest, s };
}

/* Carries the plan out on the index; what it drops has its bytes released last. */
static int apply_plan(struct log_store *s, const struct version_plan *p, struct tn_str object_key,
                      const struct store_head *head, uint64_t seq, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < p->count; i++) {
        const struct version_step *step = &p->steps[i];
        struct index_key key;
        version_row_key(&step->row, object_key, &key);
        rc = step->is_delete ? index_delete(s->index, index_key_str(&key), err)
                             : index_put(s->index, index_key_str(&key),
                                         step->is_new ? head : &step->head, TN_STR_EMPTY, err);
    }
    if (rc == TARN_OK && p->has_dropped)
        rc = release(s, object_key, &p->dropped, seq, err);
    if (rc == TARN_OK && p->is_obsolete)
        rc = release(s, object_key, head, seq, err);
    return rc;
}

static int fail_plan(int rc, struct tarn_error *err)
{
    return tn_fail(err, rc, "could not apply a version: %s", tarn_status_text(rc));
}

static int insert_version(struct log_store *s, const struct record *r, struct tn_str object_key,
                          const struct store_head *head, struct tarn_error *err)
{
    struct version_view view = view_of(s);
    struct version_plan plan;
    int rc = versions_insert(&view, object_key, head, head->version == r->seq, &plan);
    return rc < 0 ? fail_plan(rc, err) : apply_plan(s, &plan, object_key, head, r->seq, err);
}

static int remove_version(struct log_store *s, const struct record *r, struct tn_str object_key,
                          struct tarn_error *err)
{
    struct version_view view = view_of(s);
    struct version_plan plan;
    struct store_version which = version_of(
        &(struct store_head){ .version = r->version, .flags = r->flags & STORE_IS_VERSIONED });
    int rc = versions_remove(&view, object_key, &which, record_origin(r), &plan);
    if (rc == TARN_ENOTFOUND)
        return TARN_OK; /* it was moved, and has been done */
    return rc < 0 ? fail_plan(rc, err) : apply_plan(s, &plan, object_key, NULL, r->seq, err);
}

/* In order, a record of a bucket that keeps no versions replaces the one row there is. */
static bool is_about_versions(const struct log_store *s, const struct record *r)
{
    return (r->type == RECORD_PUT || r->type == RECORD_COMPLETE) &&
           (r->flags & RECORD_KEEPS_VERSIONS || (r->origin && s->is_rebuilding));
}

static int put_row(struct log_store *s, const struct record *r, const struct place *place,
                   struct tn_str manifest, struct tarn_error *err)
{
    struct index_key key;
    struct store_head head = {
        .seq = r->origin ? r->origin : r->seq,
        .version = record_version(r),
        .flags = r->flags & (STORE_IS_VERSIONED | STORE_IS_MARKER),
        .size = r->size,
        .mtime_ms = r->mtime_ms,
        .part_count = r->part_count,
        .attrs = r->attrs,
    };
    memcpy(head.md5, r->md5, STORE_MD5_LEN);
    place_pack(place, head.place);
    index_key_of_record(&key, r);
    /* The new references first: bytes shared with the old row must not be dropped in between. */
    int rc = index_segment_live(s->index, place->segment, place->len, err);
    if (rc == TARN_OK && r->type == RECORD_PART && place->kind == PLACE_INLINE)
        rc = refer(s, head.seq, place, 1, r->seq, err);
    if (rc == TARN_OK && place->kind == PLACE_BLOB)
        rc = refer(s, place->blob, NULL, 1, r->seq, err);
    if (rc == TARN_OK && place->kind == PLACE_MANIFEST)
        rc = refer_all(s, manifest, 1, r->seq, err);
    if (rc == TARN_OK && is_about_versions(s, r))
        return insert_version(s, r, index_key_str(&key), &head, err);
    if (rc == TARN_OK)
        rc = release_row(s, index_key_str(&key), r->seq, err);
    struct tn_str meta = r->type == RECORD_PART ? r->meta : TN_STR_EMPTY;
    return rc < 0 ? rc : index_put(s->index, index_key_str(&key), &head, meta, err);
}

static int move_live(struct log_store *s, const struct place *from, const struct place *to,
                     struct tarn_error *err)
{
    int rc = index_segment_live(s->index, from->segment, -(int64_t)from->len, err);
    return rc < 0 ? rc : index_segment_live(s->index, to->segment, to->len, err);
}

/* A row's record has moved: nothing changes but its place. TARN_ENOTFOUND when the row is not of
 * that record; TARN_ENOTMODIFIED when it is of a newer one. */
static int move_row(struct log_store *s, const struct record *r, const struct place *place,
                    struct tn_str key, struct place *old, struct tarn_error *err)
{
    struct store_head head;
    int rc = index_get(s->index, key, &head, err);
    if (rc == TARN_OK && head.seq > r->origin)
        return TARN_ENOTMODIFIED;
    if (rc == TARN_OK && head.seq != r->origin)
        rc = TARN_ENOTFOUND;
    if (rc < 0)
        return rc;
    *old = place_unpack(head.place);
    place_pack(place, head.place);
    struct tn_str meta = r->type == RECORD_PART ? r->meta : TN_STR_EMPTY;
    return index_put(s->index, key, &head, meta, err);
}

/* As move_row(), for whichever row of the key the version has. */
static int move_version(struct log_store *s, const struct record *r, const struct place *place,
                        struct tn_str object_key, struct place *old, struct tarn_error *err)
{
    struct version_view view = view_of(s);
    struct version_plan plan;
    struct store_head head;
    struct store_version which = version_of(&(struct store_head){
        .version = record_version(r), .flags = r->flags & STORE_IS_VERSIONED });
    int rc = versions_move(&view, object_key, &which, r->origin, &plan, &head);
    if (rc == TARN_ENOTFOUND || rc == TARN_ENOTMODIFIED)
        return rc;
    if (rc < 0)
        return fail_plan(rc, err);
    *old = place_unpack(head.place);
    place_pack(place, head.place);
    return apply_plan(s, &plan, object_key, &head, r->seq, err);
}

/* A part in the log has a row while its upload is open, and the references that manifests follow.
 */
static int move_part(struct log_store *s, const struct record *r, const struct place *place,
                     struct tn_str key, struct place *old, struct tarn_error *err)
{
    int row = move_row(s, r, place, key, old, err);
    if ((row < 0 && row != TARN_ENOTFOUND && row != TARN_ENOTMODIFIED) ||
        place->kind != PLACE_INLINE)
        return row;
    int rc = index_move(s->index, r->origin, place, old, err);
    return rc == TARN_ENOTFOUND ? row : rc;
}

/* A part is judged by an index that may lag, and an upload's end changes no part's head: so the
 * record that moved may be of something that is over. While the index is rebuilt, it may also be
 * the first that is left of its state. */
static int apply_move(struct log_store *s, const struct record *r, const struct place *place,
                      struct tn_str manifest, struct tarn_error *err)
{
    struct index_key key;
    struct place old;
    index_key_of_record(&key, r);
    struct tn_str row = index_key_str(&key);
    int rc = r->type == RECORD_PART  ? move_part(s, r, place, row, &old, err)
             : r->type == RECORD_PUT ? move_version(s, r, place, row, &old, err)
                                     : move_row(s, r, place, row, &old, err);
    if (rc == TARN_ENOTFOUND && s->is_rebuilding)
        return put_row(s, r, place, manifest, err);
    if (rc == TARN_ENOTFOUND || rc == TARN_ENOTMODIFIED)
        return TARN_OK;
    return rc < 0 ? rc : move_live(s, &old, place, err);
}

static int apply_rename(struct log_store *s, const struct record *r, const struct place *place,
                        struct tn_str manifest, struct tarn_error *err)
{
    struct index_key old;
    struct tn_str old_key;
    struct tn_str meta;
    int rc = record_rename_unpack(r->meta, &old_key, &meta);
    if (rc < 0)
        return tn_fail(err, rc, "could not apply a record: no old key");
    index_key_make(&old, r->bucket, SPACE_OBJECT, old_key);
    rc = put_row(s, r, place, manifest, err);
    if (rc == TARN_OK)
        rc = release_row(s, index_key_str(&old), r->seq, err);
    return rc < 0 ? rc : index_delete(s->index, index_key_str(&old), err);
}

static int apply_complete(struct log_store *s, const struct record *r, const struct place *place,
                          struct tn_str manifest, struct tarn_error *err)
{
    struct index_key upload;
    TN_AUTO_BUF key = TN_BUF_INIT(RECORD_KEY_MAX);
    if (r->meta.len < UPLOAD_ID_RAW_LEN)
        return tn_fail(err, TARN_ECORRUPT, "could not apply a record: no upload id");
    if (tn_buf_append_str(&key, r->key) < 0 || tn_buf_append_char(&key, '\0') < 0 ||
        tn_buf_append(&key, r->meta.data, UPLOAD_ID_RAW_LEN) < 0)
        return tn_fail(err, TARN_ENOMEM, "could not apply a record: out of memory");
    index_key_make(&upload, r->bucket, SPACE_UPLOAD, tn_buf_str(&key));
    int rc = put_row(s, r, place, manifest, err);
    return rc < 0 ? rc
                  : end_upload(s, r->bucket, index_key_str(&upload),
                               (const unsigned char *)r->meta.data, r->seq, err);
}

int apply_drop_rows(struct log_store *s, uint32_t bucket, uint64_t seq, struct tarn_error *err)
{
    struct index_key all;
    struct row_release user = { s, seq, err };
    index_key_make(&all, bucket, SPACE_OBJECT, TN_STR_EMPTY);
    all.len--; /* every space of the bucket */
    return index_delete_prefix(s->index, index_key_str(&all), release_each, &user, err);
}

static int apply_bucket(struct log_store *s, const struct record *r, struct tarn_error *err)
{
    struct store_bucket b = { r->key, r->mtime_ms, r->meta, (enum store_versioning)r->attrs };
    if (r->type != RECORD_BUCKET_DELETE)
        return index_bucket_put(s->index, r->bucket, &b, err);
    int rc = apply_drop_rows(s, r->bucket, r->seq, err);
    return rc < 0 ? rc : index_bucket_delete(s->index, r->bucket, err);
}

int apply_record(struct log_store *s, const struct record *r, const struct place *place,
                 struct tn_str manifest, struct tarn_error *err)
{
    struct index_key key;
    int rc;
    index_key_of_record(&key, r);
    switch (r->type) {
    case RECORD_PUT:
    case RECORD_PART:
    case RECORD_UPLOAD_CREATE:
        return r->origin ? apply_move(s, r, place, manifest, err)
                         : put_row(s, r, place, manifest, err);
    case RECORD_COMPLETE:
        return apply_complete(s, r, place, manifest, err);
    case RECORD_RENAME:
        return apply_rename(s, r, place, manifest, err);
    case RECORD_VERSION_DELETE:
        return remove_version(s, r, index_key_str(&key), err);
    case RECORD_DELETE:
        if (r->origin)
            return remove_version(s, r, index_key_str(&key), err);
        rc = release_row(s, index_key_str(&key), r->seq, err);
        return rc < 0 ? rc : index_delete(s->index, index_key_str(&key), err);
    case RECORD_UPLOAD_ABORT:
        return end_upload(s, r->bucket, index_key_str(&key),
                          (const unsigned char *)r->key.data + r->key.len - UPLOAD_ID_RAW_LEN,
                          r->seq, err);
    case RECORD_BUCKET_CREATE:
    case RECORD_BUCKET_CONFIG:
    case RECORD_BUCKET_DELETE:
        return apply_bucket(s, r, err);
    case RECORD_RETIRE:
        return index_segment_delete(s->index, r->part, err);
    default:
        return tn_fail(err, TARN_ECORRUPT, "could not apply a record: unknown type %d",
                       (int)r->type);
    }
}

/* --- Orphans --- */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, UPLOAD_ID_RAW_LEN);
}

/* Collects the last `len` bytes of each key of a bucket's space. */
static int collect_keys(struct log_store *s, uint32_t bucket, enum index_space space, size_t len,
                        struct tn_buf *out, struct tarn_error *err)
{
    struct index_key from;
    struct index_key to;
    struct index_reader *r;
    index_key_make(&from, bucket, space, TN_STR_EMPTY);
    index_prefix_end(index_key_str(&from), &to);
    int rc = index_reader_take(s->index, &r, err);
    if (rc < 0)
        return rc;
    rc = index_scan_begin(r, err);
    if (rc == TARN_OK)
        rc = index_scan_seek(r, index_key_str(&from), false, index_key_str(&to), err);
    while (rc == TARN_OK) {
        struct tn_str key;
        struct tn_str meta;
        struct store_head head;
        rc = index_scan_next(r, &key, &head, &meta, err);
        if (rc == TARN_OK)
            rc = tn_buf_append(out, key.data + key.len - len, len);
    }
    index_scan_end(r);
    index_reader_give(s->index, r);
    return rc == TARN_EEOF ? TARN_OK : rc;
}

int apply_drop_orphans(struct log_store *s, uint32_t bucket, struct tarn_error *err)
{
    enum { PART_KEY_LEN = UPLOAD_ID_RAW_LEN + 4 };
    TN_AUTO_BUF uploads = TN_BUF_INIT(SIZE_MAX / 2);
    TN_AUTO_BUF parts = TN_BUF_INIT(SIZE_MAX / 2);
    uint64_t seq = atomic_load(&s->committed_seq);
    int rc = collect_keys(s, bucket, SPACE_UPLOAD, UPLOAD_ID_RAW_LEN, &uploads, err);
    if (rc == TARN_OK)
        rc = collect_keys(s, bucket, SPACE_PART, PART_KEY_LEN, &parts, err);
    if (rc == TARN_OK && uploads.len)
        qsort(uploads.data, uploads.len / UPLOAD_ID_RAW_LEN, UPLOAD_ID_RAW_LEN, by_bytes);
    for (size_t at = 0; rc == TARN_OK && at < parts.len; at += PART_KEY_LEN) {
        struct index_key key;
        struct tn_str part = { parts.data + at, PART_KEY_LEN };
        if (bsearch(part.data, uploads.data, uploads.len / UPLOAD_ID_RAW_LEN, UPLOAD_ID_RAW_LEN,
                    by_bytes))
            continue;
        index_key_make(&key, bucket, SPACE_PART, part);
        rc = release_row(s, index_key_str(&key), seq, err);
        if (rc == TARN_OK)
            rc = index_delete(s->index, index_key_str(&key), err);
    }
    return rc;
}

/* --- Garbage --- */

void apply_collect(struct log_store *s)
{
    uint64_t lowest = pin_lowest(s);
    size_t kept = 0;
    if (!s->garbage.count || !hold_try_alone(s->hold_fd))
        return;
    for (size_t i = 0; i < s->garbage.count; i++) {
        struct garbage g = s->garbage.items[i];
        if (g.death_seq <= lowest)
            blob_unlink(s->disk, s->blob_dir, g.blob);
        else
            s->garbage.items[kept++] = g;
    }
    s->garbage.count = kept;
    hold_drop(s->hold_fd);
}

/* --- The thread --- */

/* Only rows of their own sort among each other: what touches many rows keeps its turn. So does what
 * may share its bytes: a copy comes before the end of its source, else the bytes would be without
 * any reference in between, and be removed. */
static bool is_sortable(const struct change *c)
{
    if (c->place.kind == PLACE_BLOB || c->place.kind == PLACE_MANIFEST)
        return false;
    return c->record.type == RECORD_PUT || c->record.type == RECORD_DELETE ||
           c->record.type == RECORD_VERSION_DELETE || c->record.type == RECORD_PART ||
           c->record.type == RECORD_UPLOAD_CREATE;
}

static int by_key(const void *a, const void *b)
{
    const struct change *x = *(struct change *const *)a;
    const struct change *y = *(struct change *const *)b;
    int order = tn_str_cmp(x->key, y->key);
    return order ? order : (x->record.seq > y->record.seq) - (x->record.seq < y->record.seq);
}

static int apply_sorted(struct log_store *s, struct change **changes, size_t count,
                        struct tarn_error *err)
{
    int rc = TARN_OK;
    for (size_t from = 0; from < count && rc == TARN_OK;) {
        size_t to = from;
        while (to < count && is_sortable(changes[to]))
            to++;
        if (to == from)
            to++;
        qsort(changes + from, to - from, sizeof *changes, by_key);
        for (; from < to && rc == TARN_OK; from++)
            rc = apply_record(s, &changes[from]->record, &changes[from]->place, changes[from]->body,
                              err);
        from = to;
    }
    return rc;
}

/* All or nothing: the garbage of a batch that failed is none. */
static int apply_batch(struct log_store *s, struct change **changes, size_t count,
                       const struct index_position *position, struct tarn_error *err)
{
    size_t garbage_before = s->garbage.count;
    int rc = index_begin(s->index, err);
    if (rc == TARN_OK)
        rc = apply_sorted(s, changes, count, err);
    if (rc == TARN_OK)
        rc = index_commit(s->index, position, err);
    if (rc < 0) {
        index_rollback(s->index);
        s->garbage.count = garbage_before;
    }
    return rc;
}

/* Changes that are applied together share the pages that they touch, and a batch of a few costs as
 * many pages as one of many. So a batch waits for company as long as nobody waits for it. */
static void linger(struct log_store *s)
{
    int rc = TARN_OK;
    while (s->apply.first && s->apply.count < APPLY_BATCH_GOOD && !s->apply.waiter_count &&
           !s->apply.is_closing && rc == TARN_OK)
        rc = tn_cond_wait_ms(&s->apply.filled, &s->apply.lock, LINGER_MS);
}

/* Takes up to APPLY_BATCH_MAX changes off the queue; 0 when the store closes. */
static size_t take_changes(struct log_store *s, struct change **out)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&s->apply.lock);
    while (!s->apply.first && !s->apply.is_closing) {
        if (s->garbage.count) {
            (void)tn_cond_wait_ms(&s->apply.filled, &s->apply.lock, GARBAGE_CHECK_MS);
            (void)pthread_mutex_unlock(&s->apply.lock);
            apply_collect(s);
            (void)pthread_mutex_lock(&s->apply.lock);
        } else {
            (void)pthread_cond_wait(&s->apply.filled, &s->apply.lock);
        }
    }
    linger(s);
    while (s->apply.first && count < APPLY_BATCH_MAX) {
        out[count] = s->apply.first;
        s->apply.first = out[count++]->next;
    }
    if (!s->apply.first)
        s->apply.last = NULL;
    (void)pthread_mutex_unlock(&s->apply.lock);
    return count;
}

static void forget(struct log_store *s, struct change **changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct change *c = changes[i];
        for (size_t j = 0; j < c->row_count; j++) {
            struct index_key key;
            version_row_key(&c->rows[j], c->key, &key);
            if (c->rows[j].space == SPACE_VERSION && c->rows[j].version == ASIDE_VERSION)
                heads_drop(s->heads, index_key_str(&key), c->record.seq);
            else
                heads_clean(s->heads, index_key_str(&key), c->record.seq);
        }
        if (!c->rows && c->key.len && !c->is_quiet)
            heads_clean(s->heads, c->key, c->record.seq);
        if (c->record.type == RECORD_COMPLETE || c->record.type == RECORD_RENAME)
            heads_clean(s->heads, c->other_key, c->record.seq);
        change_free(c);
    }
}

/* Tries until it works or the store closes: the log has the changes in either case. */
static void apply_until_done(struct log_store *s, struct change **changes, size_t count)
{
    const struct change *last = changes[count - 1];
    struct index_position position = { last->record.seq, last->place.segment,
                                       last->place.offset + last->place.len, last->crc,
                                       buckets_number_max(s->buckets) };
    struct tarn_error err = { 0 };
    int rc;
    bool is_closing = false;
    while ((rc = apply_batch(s, changes, count, &position, &err)) < 0 && !is_closing) {
        tn_log(TN_LOG_ERROR, "event=index_not_written reason=\"%s\"", err.message);
        if (s->config.ends_on_damage && index_is_damaged(s->index))
            s->config.on_fatal(s->config.context,
                               "the index is damaged: the next start builds it anew from the log");
        (void)pthread_mutex_lock(&s->apply.lock);
        s->apply.failure = rc;
        (void)pthread_cond_broadcast(&s->apply.drained);
        if (!s->apply.is_closing)
            (void)tn_cond_wait_ms(&s->apply.filled, &s->apply.lock, RETRY_MS);
        is_closing = s->apply.is_closing;
        (void)pthread_mutex_unlock(&s->apply.lock);
    }
    forget(s, changes, count);
    (void)pthread_mutex_lock(&s->apply.lock);
    s->apply.failure = TARN_OK;
    s->apply.count -= count;
    s->apply.applied_seq = position.seq;
    (void)pthread_cond_broadcast(&s->apply.drained);
    (void)pthread_mutex_unlock(&s->apply.lock);
}

static void *applier(void *arg)
{
    struct log_store *s = arg;
    struct change **changes = tn_calloc(APPLY_BATCH_MAX, sizeof(struct change *));
    if (!changes) {
        s->config.on_fatal(s->config.context, "out of memory at the start");
        abort();
    }
    for (size_t count = take_changes(s, changes); count; count = take_changes(s, changes)) {
        apply_until_done(s, changes, count);
        apply_collect(s);
    }
    tn_free(changes);
    return NULL;
}

void apply_push(struct log_store *s, struct change *first, struct change *last, size_t count)
{
    (void)pthread_mutex_lock(&s->apply.lock);
    if (s->apply.last)
        s->apply.last->next = first;
    else
        s->apply.first = first;
    s->apply.last = last;
    bool was_empty = s->apply.count == 0;
    s->apply.count += count;
    if (was_empty || s->apply.count >= APPLY_BATCH_GOOD)
        (void)pthread_cond_signal(&s->apply.filled);
    (void)pthread_mutex_unlock(&s->apply.lock);
}

int apply_wait(struct log_store *s, struct tarn_error *err)
{
    uint64_t seq = atomic_load(&s->committed_seq);
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&s->apply.lock);
    s->apply.waiter_count++;
    (void)pthread_cond_signal(&s->apply.filled);
    while (s->apply.applied_seq < seq && !s->apply.is_closing && s->apply.failure == TARN_OK)
        (void)pthread_cond_wait(&s->apply.drained, &s->apply.lock);
    if (s->apply.applied_seq < seq)
        rc = s->apply.failure < 0 ? s->apply.failure : TARN_ECANCELLED;
    s->apply.waiter_count--;
    (void)pthread_mutex_unlock(&s->apply.lock);
    return rc < 0
               ? tn_fail(err, rc, "could not bring the index up to date: %s", tarn_status_text(rc))
               : TARN_OK;
}

int apply_start(struct log_store *s, struct tarn_error *err)
{
    int code = pthread_create(&s->applier, NULL, applier, s);
    if (code != 0) {
        errno = code;
        return tn_fail_errno(err, "could not start a thread");
    }
    s->has_applier = true;
    return TARN_OK;
}

void apply_stop(struct log_store *s)
{
    if (s->has_applier) {
        (void)pthread_mutex_lock(&s->apply.lock);
        s->apply.is_closing = true;
        (void)pthread_cond_broadcast(&s->apply.filled);
        (void)pthread_cond_broadcast(&s->apply.drained);
        (void)pthread_mutex_unlock(&s->apply.lock);
        (void)pthread_join(s->applier, NULL);
        s->has_applier = false;
    }
    apply_collect(s);
    tn_free(TN_TAKE(s->garbage.items));
}
