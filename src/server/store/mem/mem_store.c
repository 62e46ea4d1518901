/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted arrays behind one lock, and one thread that commits. */

#include "server/store/mem/mem_store.h"

#include <assert.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "server/store/mem/mem_tree.h"

struct mem_store {
    struct store base;
    struct mem_store_config config;
    pthread_t committer;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t has_work;
        bool is_closing;
        struct store_txn *first;
        struct store_txn **last;
        struct mem_bucket *buckets; /* by name */
        size_t bucket_count;
        uint64_t seq;
        uint64_t len;
    } shared;
};

struct store_body {
    struct mem_store *store;
    struct tn_buf bytes;
    bool is_sealed;
};

struct store_object {
    struct mem_store *store;
    struct mem_object *object;
};

static struct mem_store *mem_of(struct store *s)
{
    return TN_CONTAINER(s, struct mem_store, base);
}

/* --- Finding, under the lock --- */

static size_t bucket_at(const struct mem_store *m, struct tn_str name, bool *is_there)
{
    size_t i = 0;
    while (i < m->shared.bucket_count && tn_str_cmp(m->shared.buckets[i].name, name) < 0)
        i++;
    *is_there = i < m->shared.bucket_count && tn_str_eq(m->shared.buckets[i].name, name);
    return i;
}

static struct mem_bucket *bucket_find(const struct mem_store *m, struct tn_str name)
{
    bool is_there;
    size_t i = bucket_at(m, name, &is_there);
    return is_there ? &m->shared.buckets[i] : NULL;
}

/* --- Changes, on the committing thread, under the lock --- */

static int take_bytes(struct mem_store *m, struct store_txn *txn, struct mem_part *part)
{
    struct tn_str bytes = txn->body ? tn_buf_str(&txn->body->bytes) : txn->bytes;
    assert(!txn->body || txn->body->is_sealed);
    if (m->config.len_max && bytes.len > m->config.len_max - m->shared.len)
        return TARN_ENOSPACE;
    part->blob = mem_blob_new(bytes.data, bytes.len);
    if (!part->blob)
        return TARN_ENOMEM;
    m->shared.len += bytes.len;
    txn->head.size = bytes.len;
    part->head = txn->head;
    return TARN_OK;
}

static int share_parts(struct mem_object *to, const struct mem_object *from)
{
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < from->part_count; i++)
        rc = mem_object_add_part(to, &from->parts[i]);
    return rc;
}

static int source_check(struct mem_store *m, const struct store_object *source)
{
    struct store_version which = mem_version_of(&source->object->head);
    for (size_t i = 0; i < m->shared.bucket_count; i++) {
        size_t at;
        bool is_there = mem_version_at(&m->shared.buckets[i], source->object->key, &which, &at);
        if (is_there && m->shared.buckets[i].objects[at] == source->object)
            return TARN_OK;
    }
    return TARN_EAGAIN;
}

static int apply_put(struct mem_store *m, struct mem_bucket *b, struct store_txn *txn)
{
    struct mem_part part = { .number = 1, .meta = TN_STR_EMPTY };
    int rc = txn->source ? source_check(m, txn->source) : take_bytes(m, txn, &part);
    if (rc < 0)
        return rc;
    if (txn->source)
        txn->head.size = txn->source->object->head.size;
    struct mem_object *o = mem_object_new(txn);
    rc = !o            ? TARN_ENOMEM
         : txn->source ? share_parts(o, txn->source->object)
                       : mem_object_add_part(o, &part);
    mem_blob_unref(part.blob);
    if (rc == TARN_OK)
        rc = mem_object_place(b, o);
    if (rc < 0)
        mem_object_unref(o);
    return rc;
}

static int place_marker(struct mem_bucket *b, struct store_txn *txn)
{
    txn->head.flags |= STORE_IS_MARKER;
    txn->head.size = 0;
    struct mem_object *o = mem_object_new(txn);
    int rc = o ? mem_object_place(b, o) : TARN_ENOMEM;
    if (rc < 0)
        mem_object_unref(o);
    return rc;
}

static int apply_delete(struct mem_bucket *b, struct store_txn *txn)
{
    size_t i;
    if (txn->version.kind == STORE_CURRENT && b->versioning != STORE_UNVERSIONED)
        return place_marker(b, txn);
    if (!mem_version_at(b, txn->key, &txn->version, &i))
        return TARN_OK;
    txn->head = b->objects[i]->head;
    mem_object_unref(b->objects[i]);
    mem_array_cut(b->objects, b->object_count, i, sizeof(struct mem_object *));
    b->object_count--;
    return TARN_OK;
}

static int apply_bucket_create(struct mem_store *m, const struct store_txn *txn)
{
    struct mem_bucket bucket = { .created_ms = txn->head.mtime_ms, .versioning = txn->versioning };
    bool is_there;
    size_t i = bucket_at(m, txn->bucket, &is_there);
    if (is_there)
        return TARN_EEXISTS;
    void *array = m->shared.buckets;
    int rc = mem_str_copy(txn->bucket, &bucket.name);
    if (rc == TARN_OK)
        rc = mem_str_copy(txn->meta, &bucket.meta);
    if (rc == TARN_OK)
        rc = mem_array_open(&array, m->shared.bucket_count, i, sizeof bucket);
    if (rc < 0) {
        mem_bucket_release(&bucket);
        return rc;
    }
    m->shared.buckets = array;
    m->shared.buckets[i] = bucket;
    m->shared.bucket_count++;
    return TARN_OK;
}

static int apply_bucket_delete(struct mem_store *m, struct mem_bucket *b)
{
    if (b->object_count)
        return TARN_ENOTEMPTY;
    size_t i = (size_t)(b - m->shared.buckets);
    mem_bucket_release(b);
    mem_array_cut(m->shared.buckets, m->shared.bucket_count, i, sizeof *b);
    m->shared.bucket_count--;
    return TARN_OK;
}

static int apply_bucket_config(struct mem_bucket *b, const struct store_txn *txn)
{
    struct tn_str meta;
    int rc = mem_str_copy(txn->meta, &meta);
    if (rc < 0)
        return rc;
    mem_str_free(b->meta);
    b->meta = meta;
    b->versioning = txn->versioning;
    return TARN_OK;
}

static int apply_upload_create(struct mem_bucket *b, struct store_txn *txn)
{
    unsigned char random[STORE_UPLOAD_ID_LEN / 2];
    struct mem_upload upload = { .object = NULL };
    size_t at = 0;
    tn_random_bytes(random, sizeof random);
    tn_hex_encode(random, sizeof random, upload.id);
    while (at < b->upload_count) {
        int order = tn_str_cmp(b->uploads[at].object->key, txn->key);
        if (order > 0 || (order == 0 && strcmp(b->uploads[at].id, upload.id) > 0))
            break;
        at++;
    }
    upload.object = mem_object_new(txn);
    void *array = b->uploads;
    int rc =
        upload.object ? mem_array_open(&array, b->upload_count, at, sizeof upload) : TARN_ENOMEM;
    if (rc < 0) {
        mem_object_unref(upload.object);
        return rc;
    }
    b->uploads = array;
    b->uploads[at] = upload;
    b->upload_count++;
    memcpy(txn->upload_id, upload.id, sizeof upload.id);
    return TARN_OK;
}

static int apply_part(struct mem_store *m, const struct mem_upload *u, struct store_txn *txn)
{
    struct mem_part part = { .number = txn->part_number, .meta = txn->meta };
    int rc = take_bytes(m, txn, &part);
    if (rc == TARN_OK)
        rc = mem_object_add_part(u->object, &part);
    mem_blob_unref(part.blob);
    return rc;
}

static int apply_complete(struct mem_bucket *b, const struct mem_upload *u, struct store_txn *txn)
{
    txn->head.size = 0;
    for (size_t i = 0; i < txn->part_count; i++) {
        size_t at;
        const struct mem_part *p = mem_part_find(u->object, txn->parts[i].number, &at);
        if (!p || p->head.seq != txn->parts[i].head.seq)
            return TARN_EAGAIN;
        txn->head.size += p->head.size;
    }
    struct mem_object *o = mem_object_new(txn);
    int rc = o ? TARN_OK : TARN_ENOMEM;
    for (size_t i = 0; rc == TARN_OK && i < txn->part_count; i++) {
        size_t at;
        rc = mem_object_add_part(o, mem_part_find(u->object, txn->parts[i].number, &at));
    }
    if (rc == TARN_OK)
        rc = mem_object_place(b, o);
    if (rc < 0)
        mem_object_unref(o);
    else
        mem_upload_drop(b, u);
    return rc;
}

static int apply_upload_op(struct mem_store *m, struct mem_bucket *b, struct store_txn *txn)
{
    struct mem_upload *u = mem_upload_find(b, txn->key, txn->upload_id);
    if (!u)
        return TARN_ENOTFOUND;
    if (txn->op == STORE_PART_PUT)
        return apply_part(m, u, txn);
    if (txn->op == STORE_UPLOAD_COMPLETE)
        return apply_complete(b, u, txn);
    mem_upload_drop(b, u);
    return TARN_OK;
}

static int judge(const struct mem_bucket *b, struct store_txn *txn)
{
    size_t i;
    struct store_version which = txn->version;
    if (txn->keeps_version)
        which = mem_version_of(&txn->source->object->head);
    bool is_there = which.kind == STORE_CURRENT ? mem_current_at(b, txn->key, &i)
                                                : mem_version_at(b, txn->key, &which, &i);
    txn->existed = is_there;
    return txn->judge ? txn->judge(txn, is_there ? &b->objects[i]->head : NULL) : TARN_OK;
}

static void set_version(const struct mem_bucket *b, struct store_txn *txn)
{
    txn->head.version = txn->head.seq;
    txn->head.flags = b->versioning == STORE_VERSIONS_ENABLED ? STORE_IS_VERSIONED : 0u;
    if (txn->keeps_version) {
        const struct store_head *head = &txn->source->object->head;
        txn->head.version = head->version;
        txn->head.flags = head->flags;
    }
}

static int apply(struct mem_store *m, struct store_txn *txn)
{
    txn->head.seq = ++m->shared.seq;
    if (txn->head.mtime_ms == 0)
        txn->head.mtime_ms = tn_wall_ms();
    if (txn->op == STORE_BUCKET_CREATE)
        return apply_bucket_create(m, txn);
    struct mem_bucket *b = bucket_find(m, txn->bucket);
    if (!b)
        return TARN_ENOBUCKET;
    int rc = judge(b, txn);
    if (rc < 0)
        return rc;
    set_version(b, txn);
    switch (txn->op) {
    case STORE_PUT:
        return apply_put(m, b, txn);
    case STORE_DELETE:
        return apply_delete(b, txn);
    case STORE_BUCKET_DELETE:
        return apply_bucket_delete(m, b);
    case STORE_BUCKET_CONFIG:
        return apply_bucket_config(b, txn);
    case STORE_UPLOAD_CREATE:
        return apply_upload_create(b, txn);
    case STORE_RENAME:
        return TARN_ENOTSUPPORTED;
    default:
        return apply_upload_op(m, b, txn);
    }
}

static void mem_body_free(struct store_body *b)
{
    if (!b)
        return;
    tn_buf_release(&b->bytes);
    tn_free(b);
}

static void *run_committer(void *arg)
{
    struct mem_store *m = arg;
    (void)pthread_mutex_lock(&m->shared.lock);
    for (;;) {
        struct store_txn *txn = m->shared.first;
        if (!txn && m->shared.is_closing)
            break;
        if (!txn) {
            (void)pthread_cond_wait(&m->shared.has_work, &m->shared.lock);
            continue;
        }
        m->shared.first = txn->next;
        if (!txn->next)
            m->shared.last = &m->shared.first;
        txn->status = apply(m, txn);
        (void)pthread_mutex_unlock(&m->shared.lock);
        mem_body_free(TN_TAKE(txn->body));
        txn->done(txn);
        (void)pthread_mutex_lock(&m->shared.lock);
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    return NULL;
}

static void mem_commit(struct store *s, struct store_txn *txn)
{
    struct mem_store *m = mem_of(s);
    txn->next = NULL;
    (void)pthread_mutex_lock(&m->shared.lock);
    *m->shared.last = txn;
    m->shared.last = &txn->next;
    (void)pthread_cond_signal(&m->shared.has_work);
    (void)pthread_mutex_unlock(&m->shared.lock);
}

/* --- Bodies --- */

static int mem_body_new(struct store *s, uint64_t len, struct store_body **out,
                        struct tarn_error *err)
{
    struct store_body *b = tn_calloc(1, sizeof *b);
    (void)len;
    if (!b)
        return tn_fail(err, TARN_ENOMEM, "could not keep a body");
    b->store = mem_of(s);
    b->bytes = TN_BUF_INIT(SIZE_MAX / 2);
    *out = b;
    return TARN_OK;
}

static int mem_body_append(struct store_body *b, const void *bytes, size_t len,
                           struct tarn_error *err)
{
    assert(!b->is_sealed);
    int rc = tn_buf_append(&b->bytes, bytes, len);
    return rc < 0 ? tn_fail(err, rc, "could not keep a body") : TARN_OK;
}

static int mem_body_seal(struct store_body *b, struct tarn_error *err)
{
    (void)err;
    b->is_sealed = true;
    return TARN_OK;
}

static uint64_t mem_body_len(const struct store_body *b)
{
    return b->bytes.len;
}

static struct tn_str mem_body_bytes(const struct store_body *b)
{
    return tn_buf_str(&b->bytes);
}

/* --- Reads --- */

static int open_version(struct mem_store *m, struct tn_str bucket, struct tn_str key,
                        const struct store_version *version, struct store_object **out,
                        struct tarn_error *err)
{
    struct store_object *handle = tn_calloc(1, sizeof *handle);
    if (!handle)
        return tn_fail(err, TARN_ENOMEM, "could not open an object");
    int rc = TARN_ENOBUCKET;
    (void)pthread_mutex_lock(&m->shared.lock);
    const struct mem_bucket *b = bucket_find(m, bucket);
    if (b) {
        size_t i;
        bool is_there = version ? mem_version_at(b, key, version, &i) : mem_current_at(b, key, &i);
        rc = is_there ? TARN_OK : TARN_ENOTFOUND;
        if (is_there) {
            *handle = (struct store_object){ m, b->objects[i] };
            atomic_fetch_add(&b->objects[i]->refs, 1);
        }
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    if (rc < 0) {
        tn_free(handle);
        return tn_fail(err, rc, "could not open an object");
    }
    *out = handle;
    return TARN_OK;
}

static int mem_object_open(struct store *s, struct tn_str bucket, struct tn_str key, bool may_wait,
                           struct store_object **out, struct tarn_error *err)
{
    struct mem_store *m = mem_of(s);
    if (m->config.is_cold && !may_wait)
        return TARN_EAGAIN;
    return open_version(m, bucket, key, NULL, out, err);
}

static int mem_version_open(struct store *s, struct tn_str bucket, struct tn_str key,
                            const struct store_version *version, struct store_object **out,
                            struct tarn_error *err)
{
    return open_version(mem_of(s), bucket, key, version, out, err);
}

static void mem_object_close(struct store_object *o)
{
    if (!o)
        return;
    mem_object_unref(o->object);
    tn_free(o);
}

static const struct store_head *mem_object_head(const struct store_object *o)
{
    return &o->object->head;
}

static struct tn_str mem_object_meta(const struct store_object *o)
{
    return o->object->meta;
}

static ssize_t mem_object_read(struct store_object *o, uint64_t offset, void *out, size_t cap,
                               bool may_wait, struct tarn_error *err)
{
    (void)err;
    if (o->store->config.is_cold && !may_wait)
        return TARN_EAGAIN;
    for (size_t i = 0; i < o->object->part_count; i++) {
        const struct mem_blob *b = o->object->parts[i].blob;
        if (offset >= b->len) {
            offset -= b->len;
            continue;
        }
        size_t len = b->len - (size_t)offset < cap ? b->len - (size_t)offset : cap;
        memcpy(out, b->bytes + offset, len);
        return (ssize_t)len;
    }
    return 0;
}

static int mem_object_part(struct store_object *o, uint32_t number, uint64_t *offset, uint64_t *len,
                           struct tn_str *meta, struct tarn_error *err)
{
    const struct mem_object *object = o->object;
    uint64_t at = 0;
    if (number < 1 || number > object->part_count)
        return tn_fail(err, TARN_ERANGE, "there is no part %u", number);
    for (size_t i = 0; i + 1 < number; i++)
        at += object->parts[i].blob->len;
    *offset = at;
    *len = object->parts[number - 1].blob->len;
    *meta = object->parts[number - 1].meta;
    return TARN_OK;
}

/* --- Listings --- */

/* The common prefix that `key` falls under; empty when it stands for itself. */
static struct tn_str common_prefix(const struct store_list *q, struct tn_str key)
{
    if (q->delimiter.len == 0)
        return TN_STR_EMPTY;
    size_t at = tn_str_find(tn_str_sub(key, q->prefix.len, key.len), q->delimiter);
    return at == SIZE_MAX ? TN_STR_EMPTY
                          : tn_str_sub(key, 0, q->prefix.len + at + q->delimiter.len);
}

struct walk {
    const struct store_list *query;
    struct tn_str last_prefix;
    size_t count;
    bool is_truncated;
};

/* True when the caller gives `entry`: it is the next one of the listing. */
static bool walk_takes(struct walk *w, struct tn_str key, struct tn_str *prefix, bool is_after)
{
    if (!tn_str_starts(key, w->query->prefix))
        return false;
    *prefix = common_prefix(w->query, key);
    if (prefix->len)
        is_after = tn_str_cmp(*prefix, w->query->after) > 0;
    if (!is_after || (prefix->len && tn_str_eq(*prefix, w->last_prefix)))
        return false;
    if (w->count == w->query->max) {
        w->is_truncated = true;
        return false;
    }
    w->count++;
    w->last_prefix = *prefix;
    return true;
}

static int mem_list(struct store *s, const struct store_list *query, store_list_fn each, void *user,
                    bool *is_truncated, struct tarn_error *err)
{
    struct mem_store *m = mem_of(s);
    struct walk w = { .query = query };
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&m->shared.lock);
    const struct mem_bucket *b = bucket_find(m, query->bucket);
    if (!b)
        rc = tn_fail(err, TARN_ENOBUCKET, "there is no such bucket");
    for (size_t i = 0; rc == TARN_OK && b && !w.is_truncated && i < b->object_count; i++) {
        struct mem_object *o = b->objects[i];
        struct tn_str prefix;
        size_t at;
        if (!mem_current_at(b, o->key, &at) || at != i)
            continue;
        if (!walk_takes(&w, o->key, &prefix, tn_str_cmp(o->key, query->after) > 0))
            continue;
        rc = prefix.len ? each(user, prefix, NULL) : each(user, o->key, &o->head);
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    if (rc == TARN_OK)
        *is_truncated = w.is_truncated;
    return rc;
}

static bool version_is_after(const struct mem_bucket *b, const struct store_list *q, size_t at)
{
    size_t marker;
    int order = tn_str_cmp(b->objects[at]->key, q->after);
    if (order != 0 || q->after.len == 0)
        return order >= 0;
    if (q->version_after.kind == STORE_CURRENT)
        return false;
    if (q->version_after.kind == STORE_VERSION_ID)
        return b->objects[at]->head.version < q->version_after.id;
    return mem_version_at(b, q->after, &q->version_after, &marker) && at > marker;
}

static int mem_version_list(struct store *s, const struct store_list *query, store_version_fn each,
                            void *user, bool *is_truncated, struct tarn_error *err)
{
    struct mem_store *m = mem_of(s);
    struct walk w = { .query = query };
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&m->shared.lock);
    const struct mem_bucket *b = bucket_find(m, query->bucket);
    if (!b)
        rc = tn_fail(err, TARN_ENOBUCKET, "there is no such bucket");
    for (size_t i = 0; rc == TARN_OK && b && !w.is_truncated && i < b->object_count; i++) {
        struct mem_object *o = b->objects[i];
        struct tn_str prefix;
        bool is_latest = i == 0 || !tn_str_eq(b->objects[i - 1]->key, o->key);
        if (!walk_takes(&w, o->key, &prefix, version_is_after(b, query, i)))
            continue;
        rc = prefix.len ? each(user, prefix, NULL, false) : each(user, o->key, &o->head, is_latest);
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    if (rc == TARN_OK)
        *is_truncated = w.is_truncated;
    return rc;
}

static bool upload_is_after(const struct store_list *q, const struct mem_upload *u)
{
    int order = tn_str_cmp(u->object->key, q->after);
    if (order != 0)
        return order > 0;
    return q->after.len == 0 ||
           (q->upload_after.len && tn_str_cmp(tn_str_from(u->id), q->upload_after) > 0);
}

static int mem_upload_list(struct store *s, const struct store_list *query, store_upload_fn each,
                           store_list_fn each_prefix, void *user, bool *is_truncated,
                           struct tarn_error *err)
{
    struct mem_store *m = mem_of(s);
    struct walk w = { .query = query };
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&m->shared.lock);
    const struct mem_bucket *b = bucket_find(m, query->bucket);
    if (!b)
        rc = tn_fail(err, TARN_ENOBUCKET, "there is no such bucket");
    for (size_t i = 0; rc == TARN_OK && b && !w.is_truncated && i < b->upload_count; i++) {
        const struct mem_upload *u = &b->uploads[i];
        struct tn_str prefix;
        if (!walk_takes(&w, u->object->key, &prefix, upload_is_after(query, u)))
            continue;
        rc = prefix.len ? each_prefix(user, prefix, NULL)
                        : each(user, u->object->key, u->id, &u->object->head);
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    if (rc == TARN_OK)
        *is_truncated = w.is_truncated;
    return rc;
}

static int list_parts(const struct mem_object *o, uint32_t after, size_t max, store_part_fn each,
                      void *user, bool *is_truncated)
{
    size_t count = 0;
    int rc = TARN_OK;
    *is_truncated = false;
    for (size_t i = 0; rc == TARN_OK && i < o->part_count; i++) {
        const struct mem_part *p = &o->parts[i];
        if (p->number <= after)
            continue;
        if (count++ == max) {
            *is_truncated = true;
            break;
        }
        struct store_part part = { p->number, p->head, p->meta };
        rc = each(user, &part);
    }
    return rc;
}

static int mem_part_list(struct store *s, struct tn_str bucket, struct tn_str key,
                         const char *upload_id, uint32_t after, size_t max, store_part_fn each,
                         void *user, bool *is_truncated, struct tarn_error *err)
{
    struct mem_store *m = mem_of(s);
    (void)pthread_mutex_lock(&m->shared.lock);
    struct mem_bucket *b = bucket_find(m, bucket);
    const struct mem_upload *u = b ? mem_upload_find(b, key, upload_id) : NULL;
    int rc = u    ? list_parts(u->object, after, max, each, user, is_truncated)
             : !b ? tn_fail(err, TARN_ENOBUCKET, "there is no such bucket")
                  : tn_fail(err, TARN_ENOTFOUND, "there is no such upload");
    (void)pthread_mutex_unlock(&m->shared.lock);
    return rc;
}

static int mem_upload_get(struct store *s, struct tn_str bucket, struct tn_str key,
                          const char *upload_id, struct store_head *head, struct tn_arena *arena,
                          struct tn_str *meta, struct tarn_error *err)
{
    struct mem_store *m = mem_of(s);
    (void)pthread_mutex_lock(&m->shared.lock);
    struct mem_bucket *b = bucket_find(m, bucket);
    const struct mem_upload *u = b ? mem_upload_find(b, key, upload_id) : NULL;
    int rc = u    ? tn_arena_str(arena, u->object->meta, meta)
             : !b ? tn_fail(err, TARN_ENOBUCKET, "there is no such bucket")
                  : tn_fail(err, TARN_ENOTFOUND, "there is no such upload");
    if (rc == TARN_OK)
        *head = u->object->head;
    (void)pthread_mutex_unlock(&m->shared.lock);
    return rc;
}

static int mem_bucket_get(struct store *s, struct tn_str bucket, struct tn_arena *arena,
                          struct store_bucket *out)
{
    struct mem_store *m = mem_of(s);
    struct store_bucket found = { .name = bucket };
    (void)pthread_mutex_lock(&m->shared.lock);
    const struct mem_bucket *b = bucket_find(m, bucket);
    int rc = b ? tn_arena_str(arena, b->meta, &found.meta) : TARN_ENOBUCKET;
    if (b) {
        found.created_ms = b->created_ms;
        found.versioning = b->versioning;
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    if (rc == TARN_OK)
        *out = found;
    return rc;
}

static int mem_bucket_list(struct store *s, store_bucket_fn each, void *user)
{
    struct mem_store *m = mem_of(s);
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&m->shared.lock);
    for (size_t i = 0; rc == TARN_OK && i < m->shared.bucket_count; i++) {
        const struct mem_bucket *b = &m->shared.buckets[i];
        struct store_bucket bucket = { b->name, b->created_ms, b->meta, b->versioning };
        rc = each(user, &bucket);
    }
    (void)pthread_mutex_unlock(&m->shared.lock);
    return rc;
}

static void mem_stats(struct store *s, struct store_stats *out)
{
    struct mem_store *m = mem_of(s);
    (void)pthread_mutex_lock(&m->shared.lock);
    uint64_t max = m->config.len_max ? m->config.len_max : UINT64_MAX;
    *out = (struct store_stats){ .free_bytes = max - m->shared.len,
                                 .committed_seq = m->shared.seq,
                                 .applied_seq = m->shared.seq,
                                 .is_full = m->shared.len >= max };
    (void)pthread_mutex_unlock(&m->shared.lock);
}

/* --- Opening and closing --- */

static void mem_close(struct store *s)
{
    struct mem_store *m = mem_of(s);
    (void)pthread_mutex_lock(&m->shared.lock);
    m->shared.is_closing = true;
    (void)pthread_cond_signal(&m->shared.has_work);
    (void)pthread_mutex_unlock(&m->shared.lock);
    (void)pthread_join(m->committer, NULL);
    for (size_t i = 0; i < m->shared.bucket_count; i++)
        mem_bucket_release(&m->shared.buckets[i]);
    tn_free(m->shared.buckets);
    (void)pthread_cond_destroy(&m->shared.has_work);
    (void)pthread_mutex_destroy(&m->shared.lock);
    tn_free(m);
}

static const struct store_ops mem_ops = {
    .name = "mem",
    .close = mem_close,
    .commit = mem_commit,
    .body_new = mem_body_new,
    .body_append = mem_body_append,
    .body_seal = mem_body_seal,
    .body_len = mem_body_len,
    .body_bytes = mem_body_bytes,
    .body_free = mem_body_free,
    .object_open = mem_object_open,
    .version_open = mem_version_open,
    .object_close = mem_object_close,
    .object_head = mem_object_head,
    .object_meta = mem_object_meta,
    .object_read = mem_object_read,
    .object_part = mem_object_part,
    .list = mem_list,
    .version_list = mem_version_list,
    .upload_list = mem_upload_list,
    .part_list = mem_part_list,
    .upload_get = mem_upload_get,
    .bucket_get = mem_bucket_get,
    .bucket_list = mem_bucket_list,
    .stats = mem_stats,
};

int mem_store_open(const struct mem_store_config *config, struct store **out,
                   struct tarn_error *err)
{
    struct mem_store *m = tn_calloc(1, sizeof *m);
    if (!m)
        return tn_fail(err, TARN_ENOMEM, "could not open a store");
    m->base.ops = &mem_ops;
    m->config = *config;
    m->shared.last = &m->shared.first;
    (void)pthread_mutex_init(&m->shared.lock, NULL);
    (void)pthread_cond_init(&m->shared.has_work, NULL);
    if (pthread_create(&m->committer, NULL, run_committer, m) != 0) {
        (void)pthread_cond_destroy(&m->shared.has_work);
        (void)pthread_mutex_destroy(&m->shared.lock);
        tn_free(m);
        return tn_fail(err, TARN_ENOMEM, "could not start the committing thread");
    }
    *out = &m->base;
    return TARN_OK;
}
