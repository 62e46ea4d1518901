/* SPDX-License-Identifier: Apache-2.0 */
/* The checksums that S3 knows. */

#include "proto/checksum.h"

#include <assert.h>

#include "base/codec.h"
#include "base/crc.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct {
    struct tn_str name;
    struct tn_str header;
    size_t len;
    bool is_crc;
    enum tn_hash_kind hash;
} kinds[TN_CHECKSUM_KIND_COUNT] = {
    [TN_CHECKSUM_NONE] = { TEXT(""), TEXT(""), 0, false, 0 },
    [TN_CHECKSUM_CRC32] = { TEXT("CRC32"), TEXT("x-amz-checksum-crc32"), 4, true, 0 },
    [TN_CHECKSUM_CRC32C] = { TEXT("CRC32C"), TEXT("x-amz-checksum-crc32c"), 4, true, 0 },
    [TN_CHECKSUM_CRC64NVME] = { TEXT("CRC64NVME"), TEXT("x-amz-checksum-crc64nvme"), 8, true, 0 },
    [TN_CHECKSUM_SHA1] = { TEXT("SHA1"), TEXT("x-amz-checksum-sha1"), TN_SHA1_LEN, false,
                           TN_HASH_SHA1 },
    [TN_CHECKSUM_SHA256] = { TEXT("SHA256"), TEXT("x-amz-checksum-sha256"), TN_SHA256_LEN, false,
                             TN_HASH_SHA256 },
    [TN_CHECKSUM_SHA512] = { TEXT("SHA512"), TEXT("x-amz-checksum-sha512"), TN_SHA512_LEN, false,
                             TN_HASH_SHA512 },
    [TN_CHECKSUM_MD5] = { TEXT("MD5"), TEXT("x-amz-checksum-md5"), TN_MD5_LEN, false, TN_HASH_MD5 },
    [TN_CHECKSUM_XXHASH64] = { TEXT("XXHASH64"), TEXT("x-amz-checksum-xxhash64"), TN_XXHASH64_LEN,
                               false, TN_HASH_XXHASH64 },
    [TN_CHECKSUM_XXHASH3] = { TEXT("XXHASH3"), TEXT("x-amz-checksum-xxhash3"), TN_XXHASH64_LEN,
                              false, TN_HASH_XXHASH3 },
    [TN_CHECKSUM_XXHASH128] = { TEXT("XXHASH128"), TEXT("x-amz-checksum-xxhash128"),
                                TN_XXHASH128_LEN, false, TN_HASH_XXHASH128 },
};

static const struct tn_str type_names[] = {
    [TN_CHECKSUM_FULL_OBJECT] = { "FULL_OBJECT", 11 },
    [TN_CHECKSUM_COMPOSITE] = { "COMPOSITE", 9 },
};

struct tn_str tn_checksum_name(enum tn_checksum_kind kind)
{
    return kinds[kind].name;
}

struct tn_str tn_checksum_header(enum tn_checksum_kind kind)
{
    return kinds[kind].header;
}

size_t tn_checksum_len(enum tn_checksum_kind kind)
{
    return kinds[kind].len;
}

enum tn_checksum_kind tn_checksum_from_name(struct tn_str name)
{
    for (int i = TN_CHECKSUM_NONE + 1; i < TN_CHECKSUM_KIND_COUNT; i++) {
        if (tn_str_eq_nocase(kinds[i].name, name))
            return (enum tn_checksum_kind)i;
    }
    return TN_CHECKSUM_NONE;
}

enum tn_checksum_kind tn_checksum_from_header(struct tn_str header_name)
{
    for (int i = TN_CHECKSUM_NONE + 1; i < TN_CHECKSUM_KIND_COUNT; i++) {
        if (tn_str_eq_nocase(kinds[i].header, header_name))
            return (enum tn_checksum_kind)i;
    }
    return TN_CHECKSUM_NONE;
}

struct tn_str tn_checksum_type_name(enum tn_checksum_type type)
{
    return type_names[type];
}

int tn_checksum_type_from_name(struct tn_str name, enum tn_checksum_type *out)
{
    for (size_t i = 0; i < TN_COUNT(type_names); i++) {
        if (tn_str_eq_nocase(type_names[i], name)) {
            *out = (enum tn_checksum_type)i;
            return TARN_OK;
        }
    }
    return TARN_EINVAL;
}

bool tn_checksum_type_fits(enum tn_checksum_kind kind, enum tn_checksum_type type)
{
    if (kind == TN_CHECKSUM_NONE)
        return false;
    if (type == TN_CHECKSUM_FULL_OBJECT)
        return kinds[kind].is_crc;
    return kind != TN_CHECKSUM_CRC64NVME;
}

int tn_checksum_init(struct tn_checksum *c, enum tn_checksum_kind kind)
{
    struct tn_checksum made = { .kind = kind };
    if (kind != TN_CHECKSUM_NONE && !kinds[kind].is_crc) {
        int rc = tn_hash_init(&made.hash, kinds[kind].hash);
        if (rc < 0)
            return rc;
    }
    *c = made;
    return TARN_OK;
}

void tn_checksum_release(struct tn_checksum *c)
{
    tn_hash_release(&c->hash);
}

void tn_checksum_update(struct tn_checksum *c, const void *bytes, size_t len)
{
    if (c->hash.ctx)
        tn_hash_update(&c->hash, bytes, len);
    else if (c->kind == TN_CHECKSUM_CRC32)
        c->crc = tn_crc32((uint32_t)c->crc, bytes, len);
    else if (c->kind == TN_CHECKSUM_CRC32C)
        c->crc = tn_crc32c((uint32_t)c->crc, bytes, len);
    else if (c->kind == TN_CHECKSUM_CRC64NVME)
        c->crc = tn_crc64nvme(c->crc, bytes, len);
}

static void value_from_crc(enum tn_checksum_kind kind, uint64_t crc, struct tn_checksum_value *out)
{
    *out = (struct tn_checksum_value){ .kind = kind };
    for (size_t i = kinds[kind].len; i-- > 0; crc >>= 8)
        out->bytes[i] = (unsigned char)(crc & 255);
}

static uint64_t crc_from_value(const struct tn_checksum_value *value)
{
    uint64_t crc = 0;
    for (size_t i = 0; i < kinds[value->kind].len; i++)
        crc = crc << 8 | value->bytes[i];
    return crc;
}

void tn_checksum_final(struct tn_checksum *c, struct tn_checksum_value *out)
{
    value_from_crc(c->kind, c->crc, out);
    if (c->hash.ctx)
        tn_hash_final(&c->hash, out->bytes);
    c->crc = 0;
}

size_t tn_checksum_text(const struct tn_checksum_value *value, char out[TN_CHECKSUM_TEXT_LEN])
{
    size_t len = kinds[value->kind].len;
    tn_base64_encode(value->bytes, len, out);
    len = TN_BASE64_LEN(len);
    if (value->type == TN_CHECKSUM_COMPOSITE && value->part_count)
        len += (size_t)snprintf(out + len, TN_CHECKSUM_TEXT_LEN - len, "-%u", value->part_count);
    return len;
}

/* Takes "-N" off the end of `text`. Base64 has no '-'. */
static int parse_part_count(struct tn_str *text, uint32_t *out)
{
    struct tn_str rest = *text;
    struct tn_str digest = tn_str_split(&rest, '-');
    if (digest.len == text->len)
        return TARN_OK;
    uint64_t count;
    if (tn_str_to_u64(rest, &count) < 0 || count == 0 || count > TN_CHECKSUM_PART_COUNT_MAX)
        return TARN_EINVAL;
    if (rest.data[0] == '0')
        return TARN_EINVAL;
    *text = digest;
    *out = (uint32_t)count;
    return TARN_OK;
}

int tn_checksum_parse(enum tn_checksum_kind kind, struct tn_str text, struct tn_checksum_value *out)
{
    struct tn_checksum_value value = { .kind = kind };
    if (kind == TN_CHECKSUM_NONE || parse_part_count(&text, &value.part_count) < 0)
        return TARN_EINVAL;
    if (value.part_count)
        value.type = TN_CHECKSUM_COMPOSITE;
    ssize_t len = tn_base64_decode(text, value.bytes, kinds[kind].len);
    if (len < 0 || (size_t)len != kinds[kind].len)
        return TARN_EINVAL;
    *out = value;
    return TARN_OK;
}

bool tn_checksum_eq(const struct tn_checksum_value *a, const struct tn_checksum_value *b)
{
    return a->kind == b->kind && a->type == b->type && a->part_count == b->part_count &&
           memcmp(a->bytes, b->bytes, kinds[a->kind].len) == 0;
}

int tn_checksum_parts_init(struct tn_checksum_parts *p, enum tn_checksum_kind kind,
                           enum tn_checksum_type type)
{
    if (!tn_checksum_type_fits(kind, type))
        return TARN_EINVAL;
    struct tn_checksum_parts made = { .kind = kind, .type = type };
    int rc =
        tn_checksum_init(&made.composite, type == TN_CHECKSUM_COMPOSITE ? kind : TN_CHECKSUM_NONE);
    if (rc < 0)
        return rc;
    *p = made;
    return TARN_OK;
}

void tn_checksum_parts_release(struct tn_checksum_parts *p)
{
    tn_checksum_release(&p->composite);
}

static uint64_t crc_combine(enum tn_checksum_kind kind, uint64_t a, uint64_t b, uint64_t len_b)
{
    if (kind == TN_CHECKSUM_CRC32)
        return tn_crc32_combine((uint32_t)a, (uint32_t)b, len_b);
    if (kind == TN_CHECKSUM_CRC32C)
        return tn_crc32c_combine((uint32_t)a, (uint32_t)b, len_b);
    assert(kind == TN_CHECKSUM_CRC64NVME);
    return tn_crc64nvme_combine(a, b, len_b);
}

int tn_checksum_parts_add(struct tn_checksum_parts *p, const struct tn_checksum_value *part,
                          uint64_t part_len)
{
    if (part->kind != p->kind || part->type != TN_CHECKSUM_FULL_OBJECT)
        return TARN_EINVAL;
    if (p->count == TN_CHECKSUM_PART_COUNT_MAX)
        return TARN_ETOOBIG;
    if (p->type == TN_CHECKSUM_COMPOSITE)
        tn_checksum_update(&p->composite, part->bytes, kinds[p->kind].len);
    else
        p->crc = crc_combine(p->kind, p->crc, crc_from_value(part), part_len);
    p->count++;
    return TARN_OK;
}

void tn_checksum_parts_final(struct tn_checksum_parts *p, struct tn_checksum_value *out)
{
    if (p->type == TN_CHECKSUM_COMPOSITE) {
        tn_checksum_final(&p->composite, out);
        out->type = TN_CHECKSUM_COMPOSITE;
        out->part_count = p->count;
    } else {
        value_from_crc(p->kind, p->crc, out);
    }
    p->crc = 0;
    p->count = 0;
}
