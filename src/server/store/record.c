/* SPDX-License-Identifier: Apache-2.0 */
/* How a record, an index row and a manifest look as bytes. */

#include "server/store/record.h"

#include <assert.h>

#include "base/crc.h"

/* Offsets of the header's fields. */
enum {
    AT_MAGIC = 0,
    AT_CRC = 4,
    AT_PREV = 8,
    AT_BATCH = 12,
    AT_SEQ = 16,
    AT_BODY_LEN = 24,
    AT_SIZE = 32,
    AT_TYPE = 40,
    AT_KIND = 41,
    AT_KEY_LEN = 42,
    AT_META_LEN = 44,
    AT_BUCKET = 48,
    AT_PART = 52,
    AT_MTIME = 56,
    AT_MD5 = 64,
    AT_ATTRS = 80,
    AT_PART_COUNT = 84,
    AT_ORIGIN = 88,
    AT_GENERATION = 96,
    AT_BALLOT = 104,
    AT_VERSION = 120,
    AT_FLAGS = 128,
};

enum { RECORD_CRC_FROM = AT_PREV, BLOB_ID_LEN = 8 };

/* Every bit of the result hangs on every bit of `x`. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
    return x ^ x >> 33;
}

struct record_salt record_salt(const unsigned char identity[RECORD_IDENTITY_LEN], uint32_t segment)
{
    uint64_t x = mix(get_u64(identity) + segment);
    x = mix(x ^ get_u64(identity + 8));
    uint32_t magic = (uint32_t)x;
    return (struct record_salt){ magic ? magic : 1, (uint32_t)(x >> 32) };
}

void put_u16(unsigned char *out, uint16_t value)
{
    out[0] = (unsigned char)value;
    out[1] = (unsigned char)(value >> 8);
}

void put_u32(unsigned char *out, uint32_t value)
{
    memcpy(out, &value, sizeof value);
}

void put_u64(unsigned char *out, uint64_t value)
{
    memcpy(out, &value, sizeof value);
}

uint16_t get_u16(const unsigned char *in)
{
    return (uint16_t)(in[0] | in[1] << 8);
}

uint32_t get_u32(const unsigned char *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

uint64_t get_u64(const unsigned char *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the formats are little-endian");

size_t record_front_len(size_t key_len, size_t meta_len, uint64_t body_len)
{
    return RECORD_HEADER_LEN + key_len + meta_len + 4 * record_block_count(body_len);
}

uint64_t record_len(size_t key_len, size_t meta_len, uint64_t body_len)
{
    uint64_t len = record_front_len(key_len, meta_len, body_len) + body_len;
    return (len + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

static void write_table(const unsigned char *body, uint64_t len, unsigned char *out)
{
    for (uint64_t at = 0; at < len; at += RECORD_BLOCK_LEN, out += 4) {
        size_t step = len - at < RECORD_BLOCK_LEN ? (size_t)(len - at) : RECORD_BLOCK_LEN;
        put_u32(out, tn_crc32c(0, body + at, step));
    }
}

void record_write_front(const struct record *r, const void *body, unsigned char *out)
{
    assert(r->key.len <= RECORD_KEY_MAX);
    memset(out, 0, RECORD_HEADER_LEN);
    put_u64(out + AT_BODY_LEN, r->body_len);
    put_u64(out + AT_SIZE, r->size);
    out[AT_TYPE] = (unsigned char)r->type;
    out[AT_KIND] = (unsigned char)r->kind;
    put_u16(out + AT_KEY_LEN, (uint16_t)r->key.len);
    put_u32(out + AT_META_LEN, (uint32_t)r->meta.len);
    put_u32(out + AT_BUCKET, r->bucket);
    put_u32(out + AT_PART, r->part);
    put_u64(out + AT_MTIME, (uint64_t)r->mtime_ms);
    memcpy(out + AT_MD5, r->md5, STORE_MD5_LEN);
    put_u32(out + AT_ATTRS, r->attrs);
    put_u32(out + AT_PART_COUNT, r->part_count);
    put_u64(out + AT_ORIGIN, r->origin);
    put_u64(out + AT_GENERATION, r->generation);
    memcpy(out + AT_BALLOT, r->ballot, RECORD_BALLOT_LEN);
    put_u64(out + AT_VERSION, r->version);
    put_u32(out + AT_FLAGS, r->flags);
    unsigned char *at = out + RECORD_HEADER_LEN;
    if (r->key.len)
        memcpy(at, r->key.data, r->key.len);
    at += r->key.len;
    if (r->meta.len)
        memcpy(at, r->meta.data, r->meta.len);
    write_table(body, r->body_len, at + r->meta.len);
}

void record_decide(const struct record *r, unsigned char *front)
{
    front[AT_TYPE] = (unsigned char)r->type;
    front[AT_KIND] = (unsigned char)r->kind;
    put_u64(front + AT_VERSION, r->version);
    put_u32(front + AT_FLAGS, r->flags);
}

uint32_t record_finish(unsigned char *front, size_t front_len, const struct record_link *link)
{
    put_u32(front + AT_MAGIC, link->salt.magic);
    put_u64(front + AT_SEQ, link->seq);
    put_u32(front + AT_PREV, link->prev);
    put_u32(front + AT_BATCH, link->batch_index);
    uint32_t crc = tn_crc32c(link->salt.crc, front + RECORD_CRC_FROM, front_len - RECORD_CRC_FROM);
    put_u32(front + AT_CRC, crc);
    return crc;
}

int record_read_header(const unsigned char bytes[RECORD_HEADER_LEN], struct record_salt salt,
                       struct record *out, size_t *front_len, uint64_t *total_len)
{
    if (get_u32(bytes + AT_MAGIC) != salt.magic)
        return TARN_EINVAL;
    struct record r = {
        .type = bytes[AT_TYPE],
        .kind = bytes[AT_KIND],
        .crc = get_u32(bytes + AT_CRC),
        .prev = get_u32(bytes + AT_PREV),
        .batch_index = get_u32(bytes + AT_BATCH),
        .seq = get_u64(bytes + AT_SEQ),
        .origin = get_u64(bytes + AT_ORIGIN),
        .generation = get_u64(bytes + AT_GENERATION),
        .version = get_u64(bytes + AT_VERSION),
        .flags = get_u32(bytes + AT_FLAGS),
        .body_len = get_u64(bytes + AT_BODY_LEN),
        .size = get_u64(bytes + AT_SIZE),
        .mtime_ms = (int64_t)get_u64(bytes + AT_MTIME),
        .bucket = get_u32(bytes + AT_BUCKET),
        .part = get_u32(bytes + AT_PART),
        .part_count = get_u32(bytes + AT_PART_COUNT),
        .attrs = get_u32(bytes + AT_ATTRS),
        .key = { NULL, get_u16(bytes + AT_KEY_LEN) },
        .meta = { NULL, get_u32(bytes + AT_META_LEN) },
    };
    memcpy(r.md5, bytes + AT_MD5, STORE_MD5_LEN);
    memcpy(r.ballot, bytes + AT_BALLOT, RECORD_BALLOT_LEN);
    if (r.type < RECORD_SEAL || r.type >= RECORD_TYPE_COUNT || r.kind > PLACE_MANIFEST)
        return TARN_EINVAL;
    if (r.key.len > RECORD_KEY_MAX || r.meta.len > STORE_META_LEN_MAX + UPLOAD_ID_RAW_LEN ||
        r.body_len > UINT32_MAX)
        return TARN_EINVAL;
    if (r.kind == PLACE_BLOB && r.body_len != BLOB_ID_LEN)
        return TARN_EINVAL;
    *front_len = record_front_len(r.key.len, r.meta.len, r.body_len);
    *total_len = record_len(r.key.len, r.meta.len, r.body_len);
    *out = r;
    return TARN_OK;
}

int record_read_front(const unsigned char *bytes, size_t len, struct record_salt salt,
                      struct record *out)
{
    size_t front_len;
    uint64_t total_len;
    struct record r;
    if (len < RECORD_HEADER_LEN)
        return TARN_ECORRUPT;
    if (record_read_header(bytes, salt, &r, &front_len, &total_len) < 0 || len < front_len)
        return TARN_ECORRUPT;
    if (tn_crc32c(salt.crc, bytes + RECORD_CRC_FROM, front_len - RECORD_CRC_FROM) != r.crc)
        return TARN_ECORRUPT;
    r.key.data = (const char *)bytes + RECORD_HEADER_LEN;
    r.meta.data = r.key.data + r.key.len;
    r.table = bytes + RECORD_HEADER_LEN + r.key.len + r.meta.len;
    *out = r;
    return TARN_OK;
}

bool record_block_is_valid(const unsigned char *table, size_t index, const void *bytes, size_t len)
{
    return tn_crc32c(0, bytes, len) == get_u32(table + 4 * index);
}

void place_pack(const struct place *p, unsigned char out[32])
{
    memset(out, 0, 32);
    out[0] = (unsigned char)p->kind;
    put_u32(out + 4, p->segment);
    put_u32(out + 8, p->offset);
    put_u32(out + 12, p->len);
    put_u64(out + 16, p->blob);
}

struct place place_unpack(const unsigned char in[32])
{
    return (struct place){
        .kind = in[0],
        .segment = get_u32(in + 4),
        .offset = get_u32(in + 8),
        .len = get_u32(in + 12),
        .blob = get_u64(in + 16),
    };
}

/* Seven bits a byte, the lowest first, the top bit set on all but the last. */
static unsigned char *put_varint(unsigned char *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *out++ = (unsigned char)value;
    return out;
}

static bool get_varint(struct tn_str *s, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && s->len; shift += 7) {
        unsigned char c = (unsigned char)s->data[0];
        *s = tn_str_sub(*s, 1, s->len);
        value |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool get_varint32(struct tn_str *s, uint32_t *out)
{
    uint64_t value;
    if (!get_varint(s, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* The first byte of a head's code: the place's kind, the flags, whether a version follows. */
enum { HEAD_KIND_MASK = 0x0f, HEAD_FLAGS_SHIFT = 4, HEAD_HAS_VERSION = 0x80 };

size_t head_encode(struct tn_str index_key, const struct store_head *head, struct tn_str meta,
                   unsigned char *out)
{
    struct place p = place_unpack(head->place);
    unsigned char *at = out + 4;
    bool is_first = head->version == head->seq;
    *at++ = (unsigned char)(p.kind | head->flags << HEAD_FLAGS_SHIFT |
                            (is_first ? 0u : HEAD_HAS_VERSION));
    memcpy(at, head->md5, STORE_MD5_LEN);
    at = put_varint(at + STORE_MD5_LEN, head->seq);
    if (!is_first)
        at = put_varint(at, head->version);
    at = put_varint(at, head->size);
    at = put_varint(at, (uint64_t)head->mtime_ms);
    at = put_varint(at, head->part_count);
    at = put_varint(at, head->attrs);
    at = put_varint(at, p.segment);
    at = put_varint(at, p.offset);
    at = put_varint(at, p.len);
    at = put_varint(at, p.blob);
    if (meta.len)
        memcpy(at, meta.data, meta.len);
    at += meta.len;
    uint32_t crc = tn_crc32c(0, index_key.data, index_key.len);
    put_u32(out, tn_crc32c(crc, out + 4, (size_t)(at - out) - 4));
    return (size_t)(at - out);
}

int head_decode(struct tn_str index_key, struct tn_str value, struct store_head *head,
                struct tn_str *meta)
{
    if (value.len < 4 + 1 + STORE_MD5_LEN)
        return TARN_ECORRUPT;
    uint32_t crc = tn_crc32c(0, index_key.data, index_key.len);
    if (tn_crc32c(crc, value.data + 4, value.len - 4) != get_u32((const unsigned char *)value.data))
        return TARN_ECORRUPT;

    struct store_head h = { 0 };
    unsigned code = (unsigned char)value.data[4];
    struct place p = { .kind = code & HEAD_KIND_MASK };
    h.flags = (code & ~(unsigned)HEAD_HAS_VERSION) >> HEAD_FLAGS_SHIFT;
    uint64_t mtime;
    memcpy(h.md5, value.data + 5, STORE_MD5_LEN);
    value = tn_str_sub(value, 5 + STORE_MD5_LEN, value.len);
    if (!get_varint(&value, &h.seq))
        return TARN_ECORRUPT;
    h.version = h.seq;
    if ((code & HEAD_HAS_VERSION && !get_varint(&value, &h.version)) ||
        !get_varint(&value, &h.size) || !get_varint(&value, &mtime) ||
        !get_varint32(&value, &h.part_count) || !get_varint32(&value, &h.attrs) ||
        !get_varint32(&value, &p.segment) || !get_varint32(&value, &p.offset) ||
        !get_varint32(&value, &p.len) || !get_varint(&value, &p.blob))
        return TARN_ECORRUPT;
    h.mtime_ms = (int64_t)mtime;
    place_pack(&p, h.place);
    *head = h;
    if (meta)
        *meta = value;
    return TARN_OK;
}

static void put_big32(unsigned char *out, uint32_t value)
{
    put_u32(out, __builtin_bswap32(value));
}

void index_key_make(struct index_key *k, uint32_t bucket, enum index_space space, struct tn_str key)
{
    assert(key.len <= RECORD_KEY_MAX);
    put_big32(k->bytes, bucket);
    k->bytes[4] = (unsigned char)space;
    if (key.len)
        memcpy(k->bytes + 5, key.data, key.len);
    k->len = 5 + key.len;
}

void index_key_in_space(struct index_key *k, struct tn_str object_key, enum index_space space)
{
    assert(object_key.len >= 5 && object_key.len <= sizeof k->bytes);
    memcpy(k->bytes, object_key.data, object_key.len);
    k->bytes[4] = (unsigned char)space;
    k->len = object_key.len;
}

void index_key_version(struct index_key *k, struct tn_str object_key, uint64_t version)
{
    uint64_t inverted = __builtin_bswap64(~version);
    index_key_in_space(k, object_key, SPACE_VERSION);
    k->bytes[k->len] = 0;
    memcpy(k->bytes + k->len + 1, &inverted, sizeof inverted);
    k->len += VERSION_SUFFIX_LEN;
}

uint64_t index_key_version_of(struct tn_str version_key)
{
    uint64_t inverted;
    assert(version_key.len >= VERSION_SUFFIX_LEN);
    memcpy(&inverted, version_key.data + version_key.len - sizeof inverted, sizeof inverted);
    return ~__builtin_bswap64(inverted);
}

void index_key_part(struct index_key *k, uint32_t bucket, const unsigned char *upload_id,
                    uint32_t number)
{
    unsigned char key[UPLOAD_ID_RAW_LEN + 4];
    memcpy(key, upload_id, UPLOAD_ID_RAW_LEN);
    put_big32(key + UPLOAD_ID_RAW_LEN, number);
    index_key_make(k, bucket, SPACE_PART, (struct tn_str){ (const char *)key, sizeof key });
}

void index_key_of_record(struct index_key *k, const struct record *r)
{
    switch (r->type) {
    case RECORD_PUT:
    case RECORD_DELETE:
    case RECORD_COMPLETE:
    case RECORD_VERSION_DELETE:
    case RECORD_RENAME:
        index_key_make(k, r->bucket, SPACE_OBJECT, r->key);
        break;
    case RECORD_UPLOAD_CREATE:
    case RECORD_UPLOAD_ABORT:
        index_key_make(k, r->bucket, SPACE_UPLOAD, r->key);
        break;
    case RECORD_PART:
        index_key_part(k, r->bucket, (const unsigned char *)r->key.data, r->part);
        break;
    default:
        k->len = 0;
    }
}

/* --- Renames --- */

int record_rename_pack(struct tn_str old_key, struct tn_str meta, struct tn_buf *out)
{
    unsigned char len[2];
    size_t before = out->len;
    put_u16(len, (uint16_t)old_key.len);
    int rc = tn_buf_append(out, len, sizeof len);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(out, old_key);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(out, meta);
    if (rc < 0)
        tn_buf_truncate(out, before);
    return rc;
}

int record_rename_unpack(struct tn_str bytes, struct tn_str *old_key, struct tn_str *meta)
{
    if (bytes.len < 2)
        return TARN_ECORRUPT;
    size_t len = get_u16((const unsigned char *)bytes.data);
    if (len == 0 || len > bytes.len - 2)
        return TARN_ECORRUPT;
    *old_key = tn_str_sub(bytes, 2, len);
    *meta = tn_str_sub(bytes, 2 + len, bytes.len);
    return TARN_OK;
}

/* --- Manifests --- */

enum { MANIFEST_PART_LEN = 4 + 8 + STORE_MD5_LEN + 8 + 32 + 2 };

int manifest_append(struct tn_buf *b, const struct manifest_part *part)
{
    unsigned char bytes[MANIFEST_PART_LEN];
    if (part->meta.len > UINT16_MAX)
        return TARN_ETOOBIG;
    put_u32(bytes, part->number);
    put_u64(bytes + 4, part->size);
    memcpy(bytes + 12, part->md5, STORE_MD5_LEN);
    put_u64(bytes + 28, part->id);
    place_pack(&part->place, bytes + 36);
    put_u16(bytes + 68, (uint16_t)part->meta.len);
    int rc = tn_buf_reserve(b, sizeof bytes + part->meta.len);
    if (rc == TARN_OK)
        rc = tn_buf_append(b, bytes, sizeof bytes);
    return rc < 0 ? rc : tn_buf_append_str(b, part->meta);
}

void manifest_begin(struct manifest *m, struct tn_str body)
{
    const unsigned char *bytes = (const unsigned char *)body.data;
    *m = (struct manifest){ .cursor = bytes, .end = bytes + body.len };
}

int manifest_next(struct manifest *m, struct manifest_part *part)
{
    size_t left = (size_t)(m->end - m->cursor);
    if (left == 0)
        return TARN_EEOF;
    if (left < MANIFEST_PART_LEN)
        return TARN_ECORRUPT;
    const unsigned char *at = m->cursor;
    size_t meta_len = get_u16(at + 68);
    if (left - MANIFEST_PART_LEN < meta_len)
        return TARN_ECORRUPT;
    *part = (struct manifest_part){
        .number = get_u32(at),
        .size = get_u64(at + 4),
        .id = get_u64(at + 28),
        .place = place_unpack(at + 36),
        .meta = { (const char *)at + MANIFEST_PART_LEN, meta_len },
    };
    memcpy(part->md5, at + 12, STORE_MD5_LEN);
    m->cursor += MANIFEST_PART_LEN + meta_len;
    m->part_count++;
    return TARN_OK;
}
