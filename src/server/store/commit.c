/* SPDX-License-Identifier: Apache-2.0 */
/* The committer: one thread that judges what has queued, writes it with one write and one sync,
 * publishes it, and only then answers. */

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/store/engine.h"

enum { SPACE_CHECK_NS = 200000000 };

static const char padding[RECORD_ALIGN];

/* What is being put together for one sync. */
struct batch {
    struct change *first, *last; /* that have a record */
    size_t count;
    struct store_txn *answered_first, *answered_last; /* all, in order */
    struct iovec parts[3 * BATCH_COUNT_MAX + 3];
    size_t part_count;
    uint64_t len;
    uint64_t first_seq;
    uint32_t first_prev;
    unsigned char seal[RECORD_HEADER_LEN];
    bool is_sealed;
};

void commit_txn(struct store *base, struct store_txn *txn)
{
    struct log_store *s = engine(base);
    struct change *c = NULL;
    txn->existed = false;
    txn->status = change_new(s, txn, &c);
    commit_enqueue(s, txn, c);
}

void commit_enqueue(struct log_store *s, struct store_txn *txn, struct change *c)
{
    txn->next = NULL;
    txn->engine = c;
    (void)pthread_mutex_lock(&s->queue.lock);
    bool was_empty = !s->queue.first;
    if (was_empty)
        s->queue.first = txn;
    else
        s->queue.last->next = txn;
    s->queue.last = txn;
    if (was_empty)
        (void)pthread_cond_signal(&s->queue.filled);
    (void)pthread_mutex_unlock(&s->queue.lock);
}

static void fatal(struct log_store *s, const char *reason)
{
    s->config.on_fatal(s->config.context, reason);
    abort(); /* it does not return; nothing may be acknowledged after this */
}

/* --- Judging --- */

/* The committer's view: what this batch staged, what is published, what the index has. */
static int find_current(struct log_store *s, struct tn_str key, struct store_head *out)
{
    switch (heads_find_staged(s->heads, key, out)) {
    case HEADS_FOUND:
        return TARN_OK;
    case HEADS_ABSENT:
        return TARN_ENOTFOUND;
    default:
        return index_reader_get(s->commit.reader, key, out, NULL);
    }
}

/* --- Versions --- */

static const struct version_row aside_row = { SPACE_VERSION, ASIDE_VERSION };

static int view_get(void *user, struct tn_str row, struct store_head *out)
{
    return find_current(user, row, out);
}

/* What the index has, but for what is deleted in the heads; or what is in the heads only. */
static int view_newest(void *user, struct tn_str object_key, uint64_t below, struct store_head *out)
{
    struct log_store *s = user;
    struct index_key from;
    struct index_key to;
    struct index_key row;
    struct index_key aside;
    struct store_head head;
    struct store_head hint = { .version = 0 };
    version_row_key(&aside_row, object_key, &aside);
    bool has_hint = heads_find_staged(s->heads, index_key_str(&aside), &hint) == HEADS_FOUND;
    index_key_version(&from, object_key, below);
    index_key_version(&to, object_key, 0);
    int rc;
    int found = TARN_ENOTFOUND;
    while ((rc = index_reader_next(s->commit.reader, index_key_str(&from), index_key_str(&to), &row,
                                   &head, NULL)) == TARN_OK) {
        found = find_current(s, index_key_str(&row), &head);
        if (found != TARN_ENOTFOUND)
            break;
        from = row;
    }
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    if (found < 0 && found != TARN_ENOTFOUND)
        return found;
    if (has_hint && hint.version < below && (found < 0 || hint.version > head.version)) {
        index_key_version(&row, object_key, hint.version);
        rc = find_current(s, index_key_str(&row), out);
        if (rc != TARN_ENOTFOUND)
            return rc;
        s->commit.must_settle = !s->commit.is_settled;
        if (s->commit.must_settle)
            return TARN_EAGAIN; /* others between the two may be on their way to the index */
    }
    if (found == TARN_OK)
        *out = head;
    return found;
}

static struct version_view view_of(struct log_store *s)
{
    return (struct version_view){ view_get, view_newest, s };
}

static int find_version(struct log_store *s, struct tn_str object_key,
                        const struct store_version *which, struct store_head *out)
{
    struct version_view view = view_of(s);
    struct version_row row;
    return versions_find(&view, object_key, which, &row, out);
}

/* In a bucket that keeps versions: what the record is, and what it does to the key's rows. */
static int judge_version(struct log_store *s, struct change *c, enum store_versioning versioning)
{
    const struct store_txn *txn = c->txn;
    struct version_view view = view_of(s);
    struct record *r = &c->record;
    uint32_t is_versioned = versioning == STORE_VERSIONS_ENABLED ? RECORD_IS_VERSIONED : 0u;
    int rc;
    r->flags = RECORD_KEEPS_VERSIONS;
    r->version = 0;
    if (txn->op == STORE_DELETE && txn->version.kind != STORE_CURRENT) {
        r->type = RECORD_VERSION_DELETE;
        r->version = txn->version.kind == STORE_VERSION_ID ? txn->version.id : 0;
        r->flags |= r->version ? RECORD_IS_VERSIONED : 0u;
        rc = versions_remove(&view, c->key, &txn->version, s->commit.next_seq, &s->commit.plan);
    } else {
        if (txn->op == STORE_DELETE) {
            r->type = RECORD_PUT;
            r->kind = PLACE_INLINE;
            r->flags |= RECORD_IS_MARKER;
        }
        if (txn->keeps_version) {
            const struct store_head *head = object_head(txn->source);
            is_versioned = head->flags & STORE_IS_VERSIONED;
            r->version = head->version;
        }
        r->flags |= is_versioned;
        struct store_head head = {
            .seq = s->commit.next_seq,
            .version = r->version ? r->version : s->commit.next_seq,
            .flags = r->flags & (STORE_IS_VERSIONED | STORE_IS_MARKER),
        };
        rc = versions_insert(&view, c->key, &head, !r->version, &s->commit.plan);
    }
    s->commit.has_plan = rc == TARN_OK;
    record_decide(r, c->front);
    return rc;
}

static int check_source(struct log_store *s, const struct store_txn *txn)
{
    struct store_head now;
    struct store_version which = version_of(object_head(txn->source));
    int rc = find_version(s, object_key(txn->source), &which, &now);
    if (rc == TARN_ENOTFOUND || (rc == TARN_OK && now.seq != object_head(txn->source)->seq))
        return TARN_EAGAIN;
    return rc;
}

static int check_parts(struct log_store *s, const struct store_txn *txn, uint32_t bucket)
{
    unsigned char id[UPLOAD_ID_RAW_LEN];
    if (!upload_id_decode(txn->upload_id, id))
        return TARN_ENOTFOUND;
    for (size_t i = 0; i < txn->part_count; i++) {
        struct index_key key;
        struct store_head now;
        index_key_part(&key, bucket, id, txn->parts[i].number);
        int rc = find_current(s, index_key_str(&key), &now);
        bool is_same = rc == TARN_OK && now.seq == txn->parts[i].head.seq &&
                       memcmp(now.place, txn->parts[i].head.place, sizeof now.place) == 0;
        if (rc == TARN_ENOTFOUND || (rc == TARN_OK && !is_same))
            return TARN_EAGAIN; /* sent again, or moved by vacuum */
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int judge_object(struct log_store *s, struct change *c)
{
    struct store_txn *txn = c->txn;
    struct store_head now;
    if (!txn->judge && txn->op != STORE_DELETE)
        return TARN_OK;
    struct store_version which = txn->version;
    if (txn->keeps_version)
        which = version_of(object_head(txn->source));
    int rc = which.kind == STORE_CURRENT ? find_current(s, c->key, &now)
                                         : find_version(s, c->key, &which, &now);
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    txn->existed = rc == TARN_OK;
    rc = txn->judge ? txn->judge(txn, txn->existed ? &now : NULL) : TARN_OK;
    if (rc == TARN_OK && txn->op == STORE_DELETE && txn->existed)
        txn->head = now;
    return rc;
}

static bool takes_space(enum store_op op)
{
    return op != STORE_DELETE && op != STORE_BUCKET_DELETE && op != STORE_UPLOAD_ABORT;
}

static enum log_use use_of(enum store_op op)
{
    if (op == STORE_MOVE)
        return LOG_MOVES;
    return takes_space(op) ? LOG_TAKES_ROOM : LOG_ENDS_SOMETHING;
}

static bool is_full(struct log_store *s)
{
    uint64_t now = tn_now_ns();
    uint32_t segment = log_active(s->log); /* with each one, the log has taken some */
    if (now - s->commit.space_checked_ns < SPACE_CHECK_NS &&
        segment == s->commit.space_checked_segment)
        return atomic_load(&s->is_full);
    s->commit.space_checked_ns = now;
    s->commit.space_checked_segment = segment;
    struct statvfs info;
    bool is_full = false;
    if (s->disk->statvfs(s->dir, &info) == 0)
        is_full = (uint64_t)info.f_bavail * info.f_frsize < s->reserve_len;
    bool is_last;
    uint64_t room = log_room(s->log, &is_last);
    /* Without a next segment, what is left of this one is kept for deletes. */
    if (is_last && room < log_room_kept(s->log, LOG_TAKES_ROOM))
        is_full = true;
    if (is_full != atomic_load(&s->is_full))
        tn_log(TN_LOG_WARN, "event=disk_%s path=\"%s\"", is_full ? "full" : "has_room", s->dir);
    atomic_store(&s->is_full, is_full);
    return is_full;
}

static int judge_object_move(struct log_store *s, struct change *c)
{
    const struct record *r = &c->record;
    struct version_view view = view_of(s);
    struct store_head before;
    struct store_version which = version_of(&(struct store_head){
        .version = record_version(r), .flags = r->flags & STORE_IS_VERSIONED });
    int rc = versions_move(&view, c->key, &which, r->origin, &s->commit.plan, &before);
    s->commit.has_plan = rc == TARN_OK;
    return rc == TARN_ENOTFOUND ? TARN_ENOTMODIFIED : rc;
}

/* Is the record that vacuum wants to move the newest word on its key still? */
static int judge_move(struct log_store *s, struct change *c)
{
    const struct record *r = &c->record;
    struct store_head now;
    struct place place;
    bool is_referred;
    if (r->type == RECORD_PUT)
        return judge_object_move(s, c);
    int rc = c->key.len ? find_current(s, c->key, &now) : TARN_ENOTFOUND;
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    bool is_current = rc == TARN_OK && now.seq == r->origin;
    switch (r->type) {
    case RECORD_DELETE:
        c->is_quiet = true;
        rc = find_version(s, c->key, &(struct store_version){ .kind = STORE_NULL_VERSION }, &now);
        if (rc < 0)
            return rc == TARN_ENOTFOUND ? TARN_OK : rc;
        return now.version > r->origin ? TARN_ENOTMODIFIED : TARN_OK;
    case RECORD_PART:
        c->is_quiet = !is_current;
        if (is_current)
            return TARN_OK;
        rc = index_reader_refers(s->commit.reader, r->origin, &is_referred, &place, NULL);
        return rc < 0 ? rc : is_referred ? TARN_OK : TARN_ENOTMODIFIED;
    case RECORD_VERSION_DELETE:
    case RECORD_UPLOAD_ABORT:
    case RECORD_RETIRE:
        c->is_quiet = true;
        return TARN_OK;
    default:
        return is_current ? TARN_OK : TARN_ENOTMODIFIED;
    }
}

static bool is_object_op(enum store_op op)
{
    return op == STORE_PUT || op == STORE_DELETE || op == STORE_UPLOAD_COMPLETE ||
           op == STORE_RENAME;
}

/* Where the null version is all there is. */
static int judge_plain(struct change *c)
{
    if (c->txn->keeps_version) {
        c->record.version = object_head(c->txn->source)->version;
        record_decide(&c->record, c->front);
    }
    return TARN_OK;
}

/* --- Usage --- */

static void count_row(struct log_store *s, struct tn_str row, struct usage_change *change)
{
    struct store_head before;
    if (find_current(s, row, &before) == TARN_OK)
        usage_add(change, &before, -1);
}

/* What the change does to the rows that count: those of objects, current or not. */
static void measure(struct log_store *s, const struct change *c, struct usage_change *change)
{
    const struct version_plan *p = &s->commit.plan;
    struct store_head head = { .size = c->record.size, .flags = c->record.flags & STORE_IS_MARKER };
    for (size_t i = 0; s->commit.has_plan && i < p->count; i++) {
        const struct version_step *step = &p->steps[i];
        struct index_key row;
        if (step->row.space != SPACE_OBJECT && step->row.space != SPACE_VERSION)
            continue;
        version_row_key(&step->row, c->key, &row);
        count_row(s, index_key_str(&row), change);
        if (!step->is_delete)
            usage_add(change, step->is_new ? &head : &step->head, 1);
    }
    if (s->commit.has_plan)
        return;
    count_row(s, c->key, change);
    if (c->record.type == RECORD_RENAME)
        count_row(s, c->other_key, change);
    if (c->record.type != RECORD_DELETE)
        usage_add(change, &head, 1);
}

/* Buckets without a quota are not counted. The first judgement of one that has it counts what the
 * index has, once that is all there is. */
static int judge_usage(struct log_store *s, struct change *c)
{
    struct store_txn *txn = c->txn;
    bool has_quota = txn->quota.bytes_max || txn->quota.object_max;
    bool is_part = txn->op == STORE_PART_PUT;
    struct usage *usage = usage_find(&s->commit.usage, c->record.bucket);
    c->usage = (struct usage_change){ 0 };
    txn->is_over_quota = false;
    if ((!usage && !has_quota) || (!is_object_op(txn->op) && !is_part))
        return TARN_OK;
    if (!usage) {
        s->commit.must_settle = !s->commit.is_settled;
        if (s->commit.must_settle)
            return TARN_EAGAIN;
        int rc = usage_count(&s->commit.usage, s->commit.reader, c->record.bucket, &usage);
        if (rc < 0)
            return rc;
    }
    if (is_part)
        usage_add(&c->usage, &(struct store_head){ .size = c->record.size }, 1);
    else
        measure(s, c, &c->usage);
    txn->is_over_quota = !usage_fits(usage, &c->usage, &txn->quota);
    if (is_part)
        c->usage = (struct usage_change){ 0 };
    return txn->is_over_quota ? TARN_ENOSPACE : TARN_OK;
}

/* TARN_OK: the change gets a record. TARN_ENOTMODIFIED: it is done without one. */
static int judge(struct log_store *s, struct change *c)
{
    struct store_txn *txn = c->txn;
    struct store_head other;
    enum store_versioning versioning;
    int rc = TARN_OK;
    if (txn->op == STORE_MOVE)
        return judge_move(s, c);
    if (buckets_find(s->buckets, txn->bucket, &versioning) != c->record.bucket)
        return TARN_ENOBUCKET;
    if (txn->op == STORE_RENAME && versioning != STORE_UNVERSIONED)
        return TARN_ENOTSUPPORTED;
    if (c->other_key.len)
        rc = find_current(s, c->other_key, &other);
    if (rc == TARN_ENOTFOUND && txn->op == STORE_RENAME)
        rc = TARN_EAGAIN; /* the source was there when it was opened */
    if (rc == TARN_OK && is_object_op(txn->op))
        rc = judge_object(s, c);
    if (rc == TARN_OK && txn->op == STORE_UPLOAD_COMPLETE)
        rc = check_parts(s, txn, c->record.bucket);
    if (rc == TARN_OK && txn->source)
        rc = check_source(s, txn);
    bool is_marked = txn->op == STORE_DELETE && txn->version.kind == STORE_CURRENT &&
                     versioning != STORE_UNVERSIONED;
    if (rc == TARN_OK && txn->op == STORE_DELETE && !txn->existed && !is_marked)
        return TARN_ENOTMODIFIED;
    if (rc == TARN_OK && takes_space(txn->op) && is_full(s))
        rc = TARN_ENOSPACE;
    if (rc == TARN_OK && is_object_op(txn->op))
        rc = versioning != STORE_UNVERSIONED ? judge_version(s, c, versioning) : judge_plain(c);
    return rc == TARN_OK ? judge_usage(s, c) : rc;
}

/* --- Bucket changes, each a batch of its own --- */

static bool is_bucket_change(const struct store_txn *txn)
{
    const struct change *c = txn->engine;
    return c && (c->record.type == RECORD_BUCKET_CREATE || c->record.type == RECORD_BUCKET_DELETE ||
                 c->record.type == RECORD_BUCKET_CONFIG);
}

static int check_empty(struct log_store *s, uint32_t bucket)
{
    static const enum index_space spaces[] = { SPACE_OBJECT, SPACE_VERSION };
    int rc = apply_wait(s, NULL);
    for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(spaces); i++) {
        struct index_key from;
        struct index_key to;
        struct index_key row;
        struct store_head head;
        index_key_make(&from, bucket, spaces[i], TN_STR_EMPTY);
        index_prefix_end(index_key_str(&from), &to);
        rc = index_reader_next(s->commit.reader, index_key_str(&from), index_key_str(&to), &row,
                               &head, NULL);
        rc = rc == TARN_OK ? TARN_ENOTEMPTY : rc == TARN_ENOTFOUND ? TARN_OK : rc;
    }
    return rc;
}

/* A bucket's record moves while it says what the bucket is; its end, while no other has its place.
 */
static int judge_bucket_move(struct log_store *s, struct change *c)
{
    struct tn_arena arena;
    struct store_bucket now;
    bool is_there = buckets_number(s->buckets, c->record.key) == c->record.bucket;
    c->is_quiet = true; /* the name may be another bucket's by now */
    if (c->record.type == RECORD_BUCKET_DELETE)
        return is_there ? TARN_ENOTMODIFIED : TARN_OK;
    if (!is_there)
        return TARN_ENOTMODIFIED;
    tn_arena_init(&arena, 2 * STORE_META_LEN_MAX);
    int rc = buckets_get(s->buckets, c->record.key, &arena, &now);
    if (rc == TARN_OK &&
        (!tn_str_eq(now.meta, c->record.meta) || now.versioning != c->record.attrs))
        rc = TARN_ENOTMODIFIED;
    tn_arena_release(&arena);
    return rc;
}

/* A bucket keeps its time of creation when its metadata is replaced. */
static int keep_created(struct log_store *s, struct change *c)
{
    struct tn_arena arena;
    struct store_bucket now;
    tn_arena_init(&arena, 2 * STORE_META_LEN_MAX);
    int rc = buckets_get(s->buckets, c->txn->bucket, &arena, &now);
    if (rc == TARN_OK)
        c->record.mtime_ms = now.created_ms;
    tn_arena_release(&arena);
    return rc;
}

static int judge_bucket(struct log_store *s, struct change *c)
{
    struct store_txn *txn = c->txn;
    uint32_t number = buckets_number(s->buckets, txn->bucket);
    int rc = TARN_OK;
    if (txn->op == STORE_MOVE)
        return judge_bucket_move(s, c);
    if (txn->op == STORE_BUCKET_CREATE) {
        if (number)
            return TARN_EEXISTS;
        number = buckets_number_max(s->buckets) + 1;
    } else if (!number) {
        return TARN_ENOBUCKET;
    }
    if (txn->op == STORE_BUCKET_DELETE)
        rc = check_empty(s, number);
    else if (txn->op == STORE_BUCKET_CONFIG)
        rc = keep_created(s, c);
    if (rc == TARN_OK && takes_space(txn->op) && is_full(s))
        rc = TARN_ENOSPACE;
    if (rc < 0)
        return rc;
    c->record.bucket = number;
    record_write_front(&c->record, NULL, c->front); /* its number is known only now */
    return TARN_OK;
}

static int publish_bucket(struct log_store *s, const struct change *c)
{
    if (c->record.type == RECORD_BUCKET_DELETE) {
        buckets_delete(s->buckets, c->record.key);
        usage_forget(&s->commit.usage, c->record.bucket);
        return TARN_OK;
    }
    struct store_bucket b = { c->record.key, c->record.mtime_ms, c->record.meta,
                              (enum store_versioning)c->record.attrs };
    return buckets_put(s->buckets, c->record.bucket, &b);
}

/* --- Batches --- */

static void answer_later(struct batch *b, struct store_txn *txn, int status)
{
    txn->status = status;
    txn->next = NULL;
    if (b->answered_last)
        b->answered_last->next = txn;
    else
        b->answered_first = txn;
    b->answered_last = txn;
}

static void add_part(struct batch *b, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    struct iovec *part = &b->parts[b->part_count++];
    memcpy(&part->iov_base, &bytes, sizeof bytes); /* iovec has no const form */
    part->iov_len = len;
}

/* Remembers the number of a version that is put aside. */
static int stage_aside(struct log_store *s, struct change *c, uint64_t version)
{
    struct index_key aside;
    struct store_head hint = { .version = 0 };
    version_row_key(&aside_row, c->key, &aside);
    if (heads_find_staged(s->heads, index_key_str(&aside), &hint) == HEADS_FOUND &&
        hint.version > version)
        version = hint.version;
    hint = (struct store_head){ .version = version };
    c->rows[c->row_count++] = aside_row;
    return heads_stage(s->heads, index_key_str(&aside), &hint, s->commit.next_seq);
}

/* Carries the plan out on the heads, and keeps which rows it was about. */
static int stage_plan(struct log_store *s, struct change *c)
{
    const struct version_plan *p = &s->commit.plan;
    int rc = TARN_OK;
    c->rows = tn_calloc(2 * p->count + 1, sizeof *c->rows);
    if (!c->rows)
        return TARN_ENOMEM;
    for (size_t i = 0; rc == TARN_OK && i < p->count; i++) {
        const struct version_step *step = &p->steps[i];
        struct index_key key;
        version_row_key(&step->row, c->key, &key);
        const struct store_head *head = step->is_new ? &c->head : &step->head;
        rc = heads_stage(s->heads, index_key_str(&key), step->is_delete ? NULL : head,
                         s->commit.next_seq);
        if (rc == TARN_OK && step->row.space == SPACE_VERSION && !step->is_delete)
            rc = stage_aside(s, c, step->row.version);
        c->rows[c->row_count++] = step->row;
    }
    return rc;
}

static int stage(struct log_store *s, struct change *c)
{
    struct store_head *head = &c->head;
    *head = (struct store_head){
        .seq = c->record.origin ? c->record.origin : s->commit.next_seq,
        .flags = c->record.flags & (STORE_IS_VERSIONED | STORE_IS_MARKER),
        .size = c->record.size,
        .mtime_ms = c->record.mtime_ms,
        .part_count = c->record.part_count,
        .attrs = c->record.attrs,
    };
    memcpy(head->md5, c->record.md5, STORE_MD5_LEN);
    head->version = c->record.version ? c->record.version : head->seq;
    place_pack(&c->place, head->place);
    if (c->is_quiet)
        return TARN_OK;
    bool is_gone = c->record.type == RECORD_DELETE || c->record.type == RECORD_UPLOAD_ABORT;
    int rc = TARN_OK;
    usage_apply(&s->commit.usage, c->record.bucket, &c->usage);
    if (s->commit.has_plan)
        rc = stage_plan(s, c);
    else if (c->key.len)
        rc = heads_stage(s->heads, c->key, is_gone ? NULL : head, s->commit.next_seq);
    if (rc == TARN_OK && (c->record.type == RECORD_COMPLETE || c->record.type == RECORD_RENAME))
        rc = heads_stage(s->heads, c->other_key, NULL, s->commit.next_seq);
    return rc;
}

static uint32_t finish_record(struct log_store *s, const struct batch *b, unsigned char *front,
                              size_t front_len)
{
    struct record_link link = { log_salt(s->log, log_active(s->log)), s->commit.next_seq++,
                                s->commit.prev, (uint32_t)b->count };
    s->commit.prev = record_finish(front, front_len, &link);
    return s->commit.prev;
}

/* Gives the change its number and its links in the chain; its place is reserved. */
static void add_record(struct log_store *s, struct batch *b, struct change *c)
{
    c->place.kind = c->record.kind;
    c->place.len = (uint32_t)c->total_len;
    c->place.blob = c->record.blob;
    if (stage(s, c) < 0)
        fatal(s, "out of memory in the middle of a commit");
    if (b->count == 0) {
        b->first_seq = s->commit.next_seq;
        b->first_prev = s->commit.prev;
    }
    c->record.seq = s->commit.next_seq;
    c->crc = finish_record(s, b, c->front, c->front_len);
    add_part(b, c->front, c->front_len);
    add_part(b, c->body.data, c->body.len);
    add_part(b, padding, (size_t)(c->total_len - c->front_len - c->body.len));
    c->next = NULL;
    if (b->last)
        b->last->next = c;
    else
        b->first = c;
    b->last = c;
    b->count++;
    b->len += c->total_len;
}

/* Ends the segment: the seal goes out with this batch. */
static void add_seal(struct log_store *s, struct batch *b)
{
    struct record seal = { .type = RECORD_SEAL };
    uint32_t offset;
    log_reserve_seal(s->log, &offset);
    record_write_front(&seal, NULL, b->seal);
    if (b->part_count == 0) {
        b->first_seq = s->commit.next_seq;
        b->first_prev = s->commit.prev;
    }
    (void)finish_record(s, b, b->seal, sizeof b->seal);
    add_part(b, b->seal, sizeof b->seal);
    b->is_sealed = true;
}

static int judge_settled(struct log_store *s, struct change *c)
{
    int rc = apply_wait(s, NULL);
    s->commit.is_settled = true;
    return rc < 0 ? rc : judge(s, c);
}

/* Takes one transaction in. False when it has to wait for the next batch. */
static bool take_in(struct log_store *s, struct batch *b, struct store_txn *txn)
{
    struct change *c = txn->engine;
    if (!c) {
        answer_later(b, txn, txn->status);
        return true;
    }
    if (is_bucket_change(txn) && b->count)
        return false;
    s->commit.has_plan = s->commit.must_settle = s->commit.is_settled = false;
    int rc = is_bucket_change(txn) ? judge_bucket(s, c) : judge(s, c);
    if (s->commit.must_settle && b->count)
        return false;
    if (s->commit.must_settle)
        rc = judge_settled(s, c);
    int reserved = rc;
    if (rc == TARN_OK)
        reserved =
            log_reserve(s->log, c->total_len, use_of(txn->op), &c->place.segment, &c->place.offset);
    if (rc == TARN_OK && reserved == TARN_EAGAIN) {
        add_seal(s, b);
        return false;
    }
    if (reserved == TARN_OK) {
        add_record(s, b, c);
        answer_later(b, txn, TARN_OK);
        return true;
    }
    answer_later(b, txn, reserved == TARN_ENOTMODIFIED ? TARN_OK : reserved);
    change_free(c);
    txn->engine = NULL;
    return true;
}

static void publish_rows(struct log_store *s, const struct change *c)
{
    for (size_t i = 0; i < c->row_count; i++) {
        struct index_key key;
        version_row_key(&c->rows[i], c->key, &key);
        heads_publish(s->heads, index_key_str(&key), c->record.seq);
    }
}

static void publish_one(struct log_store *s, const struct change *c)
{
    if (c->is_quiet)
        return;
    if (c->record.type == RECORD_RENAME)
        heads_publish_both(s->heads, c->key, c->other_key, c->record.seq);
    else if (c->rows)
        publish_rows(s, c);
    else if (c->key.len)
        heads_publish(s->heads, c->key, c->record.seq);
    else if (publish_bucket(s, c) < 0)
        fatal(s, "out of memory in the middle of a commit");
}

static void publish(struct log_store *s, struct batch *b)
{
    for (struct change *c = b->first; c; c = c->next) {
        publish_one(s, c);
        if (c->record.type == RECORD_COMPLETE)
            heads_publish(s->heads, c->other_key, c->record.seq);
        if (c->txn->body)
            body_keep(c->txn->body);
        if (c->record.type != RECORD_DELETE && c->record.type != RECORD_VERSION_DELETE)
            c->txn->head = c->head;
        c->txn->engine = NULL;
        c->txn = NULL;
        c->body = c->own_body.len ? tn_buf_str(&c->own_body) : TN_STR_EMPTY;
    }
    if (b->first)
        atomic_store(&s->committed_seq, b->last->record.seq);
}

static void answer_all(struct batch *b)
{
    struct store_txn *txn = b->answered_first;
    while (txn) {
        struct store_txn *next = txn->next;
        body_free(TN_TAKE(txn->body));
        txn->done(txn);
        txn = next;
    }
}

static void finish(struct log_store *s, struct batch *b)
{
    struct tarn_error err = { 0 };
    if (b->part_count &&
        log_write(s->log, b->parts, b->part_count, b->first_seq, b->first_prev, &err) < 0)
        fatal(s, err.message);
    publish(s, b);
    if (b->first)
        apply_push(s, b->first, b->last, b->count);
    answer_all(b);
}

/* The log cannot go on: nothing was written of this transaction. */
static void refuse(struct store_txn *txn, int status)
{
    change_free(txn->engine);
    txn->engine = NULL;
    txn->status = status;
    body_free(TN_TAKE(txn->body));
    txn->done(txn);
}

static void batch_reset(struct batch *b)
{
    b->first = b->last = NULL;
    b->answered_first = b->answered_last = NULL;
    b->count = b->part_count = 0;
    b->len = 0;
    b->is_sealed = false;
}

/* Fills a batch from the queue; yields what is left of it. A bucket's change ends the batch. */
static struct store_txn *fill(struct log_store *s, struct batch *b, struct store_txn *txn)
{
    bool is_open = true;
    while (txn && is_open && b->count < BATCH_COUNT_MAX && b->len < BATCH_LEN_MAX) {
        struct store_txn *next = txn->next;
        is_open = !is_bucket_change(txn);
        if (!take_in(s, b, txn))
            break;
        txn = next;
    }
    return txn;
}

/* Commits the queue in one or more batches. */
static void commit_queue(struct log_store *s, struct batch *b, struct store_txn *txn)
{
    while (txn) {
        if (s->commit.must_roll && log_roll(s->log, NULL) < 0) {
            struct store_txn *next = txn->next;
            refuse(txn, TARN_ENOSPACE);
            txn = next;
            continue;
        }
        s->commit.must_roll = false;
        batch_reset(b);
        txn = fill(s, b, txn);
        finish(s, b);
        s->commit.must_roll = b->is_sealed;
    }
}

static struct store_txn *take_queue(struct log_store *s)
{
    (void)pthread_mutex_lock(&s->queue.lock);
    while (!s->queue.first && !s->queue.is_closing)
        (void)pthread_cond_wait(&s->queue.filled, &s->queue.lock);
    struct store_txn *txn = s->queue.first;
    s->queue.first = s->queue.last = NULL;
    (void)pthread_mutex_unlock(&s->queue.lock);
    return txn;
}

static void wait_for_applier(struct log_store *s)
{
    (void)pthread_mutex_lock(&s->apply.lock);
    while (s->apply.count > BACKLOG_MAX && !s->apply.is_closing)
        (void)pthread_cond_wait(&s->apply.drained, &s->apply.lock);
    (void)pthread_mutex_unlock(&s->apply.lock);
}

static void *committer(void *arg)
{
    struct log_store *s = arg;
    struct batch *b = tn_calloc(1, sizeof *b);
    if (!b)
        fatal(s, "out of memory at the start");
    for (struct store_txn *txn = take_queue(s); txn; txn = take_queue(s)) {
        wait_for_applier(s);
        commit_queue(s, b, txn);
    }
    tn_free(b);
    return NULL;
}

int commit_start(struct log_store *s, struct tarn_error *err)
{
    int rc = index_reader_take(s->index, &s->commit.reader, err);
    if (rc < 0)
        return rc;
    int code = pthread_create(&s->committer, NULL, committer, s);
    if (code != 0) {
        errno = code;
        return tn_fail_errno(err, "could not start a thread");
    }
    s->has_committer = true;
    return TARN_OK;
}

void commit_stop(struct log_store *s)
{
    if (s->has_committer) {
        (void)pthread_mutex_lock(&s->queue.lock);
        s->queue.is_closing = true;
        (void)pthread_cond_broadcast(&s->queue.filled);
        (void)pthread_mutex_unlock(&s->queue.lock);
        (void)pthread_join(s->committer, NULL);
        s->has_committer = false;
    }
    usage_table_release(&s->commit.usage);
    if (s->commit.reader)
        index_reader_give(s->index, TN_TAKE(s->commit.reader));
}
