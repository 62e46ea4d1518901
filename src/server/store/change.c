/* SPDX-License-Identifier: Apache-2.0 */
/* Making a record of a transaction: all that can be done before it is its turn, on the caller's
 * thread. */

#include <assert.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/rand.h"
#include "server/store/engine.h"

static const enum record_type types[] = {
    [STORE_PUT] = RECORD_PUT,
    [STORE_DELETE] = RECORD_DELETE,
    [STORE_BUCKET_CREATE] = RECORD_BUCKET_CREATE,
    [STORE_BUCKET_DELETE] = RECORD_BUCKET_DELETE,
    [STORE_BUCKET_CONFIG] = RECORD_BUCKET_CONFIG,
    [STORE_UPLOAD_CREATE] = RECORD_UPLOAD_CREATE,
    [STORE_PART_PUT] = RECORD_PART,
    [STORE_UPLOAD_COMPLETE] = RECORD_COMPLETE,
    [STORE_UPLOAD_ABORT] = RECORD_UPLOAD_ABORT,
    [STORE_RENAME] = RECORD_RENAME,
};

bool upload_id_decode(const char *text, unsigned char out[UPLOAD_ID_RAW_LEN])
{
    struct tn_str id = tn_str_from(text);
    return id.len == STORE_UPLOAD_ID_LEN && tn_hex_decode(id, out) == TARN_OK;
}

/* The time first, so that a key's uploads are listed in the order in which they were begun. */
static void make_upload_id(unsigned char out[UPLOAD_ID_RAW_LEN])
{
    uint64_t time = __builtin_bswap64((uint64_t)tn_wall_ms() << 16);
    tn_random_bytes(out, UPLOAD_ID_RAW_LEN);
    memcpy(out, &time, 6);
}

/* What a transaction becomes before its record is laid out. */
struct draft {
    struct record r;
    struct tn_buf own_body;
    struct tn_str body;
    struct tn_buf key;  /* a composed record key */
    struct tn_buf meta; /* composed metadata */
    unsigned char upload_id[UPLOAD_ID_RAW_LEN];
    unsigned char blob_id[8];
};

static void use_blob(struct draft *d, uint64_t id, uint64_t size)
{
    d->r.kind = PLACE_BLOB;
    d->r.blob = id;
    d->r.size = size;
    put_u64(d->blob_id, id);
    d->body = (struct tn_str){ (const char *)d->blob_id, sizeof d->blob_id };
}

static void use_bytes(struct draft *d, struct tn_str bytes)
{
    d->r.kind = PLACE_INLINE;
    d->r.size = bytes.len;
    d->body = bytes;
}

/* Small bytes are copied, large ones and manifests shared. */
static int use_source(struct log_store *s, struct draft *d, struct store_object *source)
{
    const struct store_head *head = object_head(source);
    struct place place = place_unpack(head->place);
    int rc = TARN_OK;
    if (place.kind == PLACE_BLOB) {
        use_blob(d, place.blob, head->size);
        return TARN_OK;
    }
    if (place.kind == PLACE_MANIFEST) {
        rc = object_read_manifest(s, &place, head->seq, &d->own_body, NULL);
        use_bytes(d, tn_buf_str(&d->own_body));
        d->r.kind = PLACE_MANIFEST;
        d->r.size = head->size;
        return rc;
    }
    rc = tn_buf_reserve(&d->own_body, (size_t)head->size);
    while (rc == TARN_OK && d->own_body.len < head->size) {
        ssize_t n = object_read(source, d->own_body.len, d->own_body.data + d->own_body.len,
                                (size_t)head->size - d->own_body.len, true, NULL);
        rc = n < 0 ? (int)n : n == 0 ? TARN_ECORRUPT : TARN_OK;
        d->own_body.len += n > 0 ? (size_t)n : 0;
    }
    use_bytes(d, tn_buf_str(&d->own_body));
    return rc;
}

/* --- Bytes behind others --- */

static int append_part(struct draft *d, struct tn_hash *md5, struct manifest_part *part)
{
    if (d->r.part_count == STORE_PART_NUMBER_MAX)
        return TARN_ETOOBIG;
    part->number = ++d->r.part_count;
    d->r.size += part->size;
    tn_hash_update(md5, part->md5, STORE_MD5_LEN);
    return manifest_append(&d->own_body, part);
}

static int append_source(struct log_store *s, struct draft *d, struct tn_hash *md5,
                         struct store_object *source)
{
    const struct store_head *head = object_head(source);
    struct manifest_part part = { .size = head->size, .place = place_unpack(head->place) };
    if (part.place.kind == PLACE_BLOB) {
        part.id = part.place.blob;
        memcpy(part.md5, head->md5, STORE_MD5_LEN);
        return append_part(d, md5, &part);
    }
    TN_AUTO_BUF bytes = TN_BUF_INIT(MANIFEST_LEN_MAX);
    struct manifest m;
    int rc = object_read_manifest(s, &part.place, head->seq, &bytes, NULL);
    if (rc < 0)
        return rc;
    manifest_begin(&m, tn_buf_str(&bytes));
    while ((rc = manifest_next(&m, &part)) == TARN_OK) {
        rc = append_part(d, md5, &part);
        if (rc < 0)
            return rc;
    }
    return rc == TARN_EEOF ? TARN_OK : rc;
}

/* The pieces of the source, and the body as one more: no byte of the source is read. The entity tag
 * is that of an object of so many parts. */
static int use_append(struct log_store *s, struct draft *d, const struct store_txn *txn)
{
    struct tn_hash md5;
    if (!object_is_apart(txn->source) || !body_blob(txn->body))
        return TARN_EINVAL;
    struct manifest_part part = {
        .size = body_len(txn->body),
        .id = body_blob(txn->body),
        .place = { .kind = PLACE_BLOB, .blob = body_blob(txn->body) },
    };
    memcpy(part.md5, txn->head.md5, STORE_MD5_LEN);
    int rc = tn_hash_init(&md5, TN_HASH_MD5);
    if (rc < 0)
        return rc;
    d->r.part_count = 0;
    d->r.size = 0;
    rc = append_source(s, d, &md5, txn->source);
    if (rc == TARN_OK)
        rc = append_part(d, &md5, &part);
    tn_hash_final(&md5, d->r.md5);
    tn_hash_release(&md5);
    uint64_t size = d->r.size;
    use_bytes(d, tn_buf_str(&d->own_body));
    d->r.kind = PLACE_MANIFEST;
    d->r.size = size;
    return rc;
}

static int use_parts(struct draft *d, const struct store_txn *txn)
{
    uint64_t size = 0;
    for (size_t i = 0; i < txn->part_count; i++) {
        const struct store_part *part = &txn->parts[i];
        struct manifest_part m = {
            .number = part->number,
            .size = part->head.size,
            .place = place_unpack(part->head.place),
            .meta = part->meta,
        };
        memcpy(m.md5, part->head.md5, STORE_MD5_LEN);
        m.id = m.place.kind == PLACE_BLOB ? m.place.blob : part->head.seq;
        size += part->head.size;
        int rc = manifest_append(&d->own_body, &m);
        if (rc < 0)
            return rc;
    }
    use_bytes(d, tn_buf_str(&d->own_body));
    d->r.kind = PLACE_MANIFEST;
    d->r.size = size;
    return TARN_OK;
}

static int use_body(struct log_store *s, struct draft *d, const struct store_txn *txn)
{
    if (txn->op == STORE_UPLOAD_COMPLETE)
        return use_parts(d, txn);
    if (txn->source && txn->body)
        return use_append(s, d, txn);
    if (txn->source)
        return use_source(s, d, txn->source);
    if (txn->body && body_blob(txn->body))
        use_blob(d, body_blob(txn->body), body_len(txn->body));
    else
        use_bytes(d, txn->body ? body_bytes(txn->body) : txn->bytes);
    return d->body.len > s->config.inline_max && d->r.kind == PLACE_INLINE ? TARN_ETOOBIG : TARN_OK;
}

static struct tn_str old_name(const struct store_txn *txn)
{
    const struct tn_str row = object_key(txn->source);
    return tn_str_sub(row, INDEX_KEY_MAX - RECORD_KEY_MAX, row.len); /* behind bucket and space */
}

/* Of the same bucket, and another. */
static bool is_other_name(const struct store_txn *txn, uint32_t bucket)
{
    struct index_key key;
    struct tn_str row = object_key(txn->source);
    index_key_make(&key, bucket, SPACE_OBJECT, txn->key);
    return row.len >= 4 && memcmp(row.data, key.bytes, 4) == 0 &&
           !tn_str_eq(row, index_key_str(&key));
}

/* The record's key and metadata, where they are not the transaction's as they are. */
static int use_names(struct draft *d, struct store_txn *txn)
{
    struct tn_str id = { (const char *)d->upload_id, UPLOAD_ID_RAW_LEN };
    int rc = TARN_OK;
    d->r.key = txn->key;
    d->r.meta = txn->meta;
    switch (txn->op) {
    case STORE_BUCKET_CREATE:
    case STORE_BUCKET_DELETE:
    case STORE_BUCKET_CONFIG:
        d->r.key = txn->bucket;
        break;
    case STORE_UPLOAD_CREATE:
    case STORE_UPLOAD_ABORT:
        rc = tn_buf_append_str(&d->key, txn->key);
        rc = rc < 0 ? rc : tn_buf_append_char(&d->key, '\0');
        rc = rc < 0 ? rc : tn_buf_append_str(&d->key, id);
        d->r.key = tn_buf_str(&d->key);
        break;
    case STORE_PART_PUT:
        d->r.key = id;
        break;
    case STORE_UPLOAD_COMPLETE:
        rc = tn_buf_append_str(&d->meta, id);
        rc = rc < 0 ? rc : tn_buf_append_str(&d->meta, txn->meta);
        d->r.meta = tn_buf_str(&d->meta);
        break;
    case STORE_RENAME:
        rc = record_rename_pack(old_name(txn), txn->meta, &d->meta);
        d->r.meta = tn_buf_str(&d->meta);
        break;
    default:
        break;
    }
    return rc;
}

static bool has_upload(enum store_op op)
{
    return op == STORE_PART_PUT || op == STORE_UPLOAD_COMPLETE || op == STORE_UPLOAD_ABORT;
}

static int make_draft(struct log_store *s, struct store_txn *txn, struct draft *d)
{
    if (txn->key.len > 1024 || txn->meta.len > STORE_META_LEN_MAX || txn->bucket.len == 0)
        return TARN_EINVAL;
    if (txn->op == STORE_PART_PUT &&
        (txn->part_number < 1 || txn->part_number > STORE_PART_NUMBER_MAX))
        return TARN_EINVAL;
    if (txn->op == STORE_UPLOAD_CREATE) {
        make_upload_id(d->upload_id);
        tn_hex_encode(d->upload_id, sizeof d->upload_id, txn->upload_id);
    } else if (has_upload(txn->op) && !upload_id_decode(txn->upload_id, d->upload_id)) {
        return TARN_ENOTFOUND;
    }
    bool is_bucket_op = txn->op == STORE_BUCKET_CREATE || txn->op == STORE_BUCKET_DELETE ||
                        txn->op == STORE_BUCKET_CONFIG;
    d->r.type = types[txn->op];
    d->r.bucket = buckets_number(s->buckets, txn->bucket);
    if (d->r.bucket == 0 && !is_bucket_op)
        return TARN_ENOBUCKET;
    if (txn->op == STORE_RENAME && !is_other_name(txn, d->r.bucket))
        return TARN_EINVAL;
    if (txn->head.mtime_ms == 0)
        txn->head.mtime_ms = tn_wall_ms();
    d->r.mtime_ms = txn->head.mtime_ms;
    d->r.part = txn->op == STORE_PART_PUT ? txn->part_number : 0;
    d->r.part_count = txn->head.part_count;
    d->r.attrs = is_bucket_op ? (uint32_t)txn->versioning : txn->head.attrs;
    memcpy(d->r.md5, txn->head.md5, STORE_MD5_LEN);
    int rc = use_names(d, txn);
    return rc < 0 ? rc : use_body(s, d, txn);
}

/* The second row that the change is about. */
static int make_other_key(const struct draft *d, const struct store_txn *txn, struct index_key *out)
{
    out->len = 0;
    if (txn->op == STORE_RENAME)
        index_key_make(out, d->r.bucket, SPACE_OBJECT, old_name(txn));
    if (!has_upload(txn->op))
        return TARN_OK;
    TN_AUTO_BUF text = TN_BUF_INIT(RECORD_KEY_MAX);
    if (tn_buf_append_str(&text, txn->key) < 0 || tn_buf_append_char(&text, '\0') < 0 ||
        tn_buf_append(&text, d->upload_id, UPLOAD_ID_RAW_LEN) < 0)
        return TARN_ENOMEM;
    index_key_make(out, d->r.bucket, SPACE_UPLOAD, tn_buf_str(&text));
    return TARN_OK;
}

/* Lays the change out in one piece: the struct, the index keys, the front. */
static struct change *lay_out(struct draft *d, const struct store_txn *txn)
{
    struct index_key key;
    struct index_key other;
    index_key_of_record(&key, &d->r);
    if (make_other_key(d, txn, &other) < 0)
        return NULL;
    d->r.body_len = d->body.len;
    size_t front_len = record_front_len(d->r.key.len, d->r.meta.len, d->body.len);
    struct change *c = tn_realloc(NULL, sizeof *c + key.len + other.len + front_len);
    if (!c)
        return NULL;
    *c = (struct change){ .record = d->r, .front_len = front_len, .body = d->body };
    char *at = (char *)(c + 1);
    memcpy(at, key.bytes, key.len);
    c->key = (struct tn_str){ at, key.len };
    at += key.len;
    memcpy(at, other.bytes, other.len);
    c->other_key = (struct tn_str){ at, other.len };
    c->front = (unsigned char *)at + other.len;
    record_write_front(&d->r, d->body.data, c->front);
    c->record.key.data = (const char *)c->front + RECORD_HEADER_LEN;
    c->record.meta.data = c->record.key.data + c->record.key.len;
    c->total_len = record_len(d->r.key.len, d->r.meta.len, d->body.len);
    c->own_body = d->own_body;
    d->own_body = TN_BUF_INIT(0);
    return c;
}

/* A blob's id is eight bytes: they live in own_body, as a manifest does. */
static int own_small_body(struct draft *d)
{
    if (d->r.kind != PLACE_BLOB)
        return TARN_OK;
    int rc = tn_buf_append(&d->own_body, d->blob_id, sizeof d->blob_id);
    d->body = tn_buf_str(&d->own_body);
    return rc;
}

int change_new(struct log_store *s, struct store_txn *txn, struct change **out)
{
    struct draft d = { .own_body = TN_BUF_INIT(MANIFEST_LEN_MAX),
                       .key = TN_BUF_INIT(RECORD_KEY_MAX),
                       .meta = TN_BUF_INIT(STORE_META_LEN_MAX + RECORD_KEY_MAX) };
    int rc = make_draft(s, txn, &d);
    if (rc == TARN_OK)
        rc = own_small_body(&d);
    struct change *c = rc == TARN_OK ? lay_out(&d, txn) : NULL;
    if (rc == TARN_OK && !c)
        rc = TARN_ENOMEM;
    tn_buf_release(&d.own_body);
    tn_buf_release(&d.key);
    tn_buf_release(&d.meta);
    if (rc < 0)
        return rc;
    c->txn = txn;
    *out = c;
    return TARN_OK;
}

int change_move(const struct record *r, enum record_type type, struct tn_str body,
                struct store_txn *txn, struct change **out)
{
    struct draft d = { .r = *r, .own_body = TN_BUF_INIT(UINT32_MAX) };
    if (!d.r.origin)
        d.r.origin = r->seq;
    if (type == RECORD_PUT && r->type == RECORD_COMPLETE)
        d.r.meta = tn_str_sub(r->meta, UPLOAD_ID_RAW_LEN, r->meta.len);
    struct tn_str old_key;
    if (type == RECORD_PUT && r->type == RECORD_RENAME &&
        record_rename_unpack(r->meta, &old_key, &d.r.meta) < 0)
        return TARN_ECORRUPT;
    d.r.type = type;
    if (r->kind == PLACE_BLOB && body.len == sizeof d.blob_id)
        d.r.blob = get_u64((const unsigned char *)body.data);
    int rc = tn_buf_append_str(&d.own_body, body);
    d.body = tn_buf_str(&d.own_body);
    struct change *c = rc == TARN_OK ? lay_out(&d, txn) : NULL;
    tn_buf_release(&d.own_body);
    if (!c)
        return TARN_ENOMEM;
    c->txn = txn;
    *out = c;
    return TARN_OK;
}

void change_free(struct change *c)
{
    if (!c)
        return;
    tn_buf_release(&c->own_body);
    tn_free(c->rows);
    tn_free(c);
}
