/* SPDX-License-Identifier: Apache-2.0 */
/* The stored form of an object's metadata. */

#include "server/api/meta.h"

#include <assert.h>

#include "server/api/entries.h"
#include "server/api/sse.h"

enum {
    /* Tags are part of the stored form: never change one, never use one again. */
    TAG_FIELD_FIRST = 1, /* and API_META_FIELD_COUNT of them */
    TAG_USER = 100,      /* length of the name (2 bytes), name, value */
    TAG_CHECKSUM = 101,  /* kind, type, count of parts (4 bytes), value */
    CHECKSUM_HEAD_LEN = 6,
};

const char *const api_meta_headers[API_META_HEADER_COUNT] = {
    [API_META_CONTENT_TYPE] = "content-type",
    [API_META_CACHE_CONTROL] = "cache-control",
    [API_META_CONTENT_DISPOSITION] = "content-disposition",
    [API_META_CONTENT_ENCODING] = "content-encoding",
    [API_META_CONTENT_LANGUAGE] = "content-language",
    [API_META_EXPIRES] = "expires",
};

const char *const api_class_names[API_CLASS_COUNT] = {
    [API_CLASS_STANDARD] = "STANDARD",
    [API_CLASS_REDUCED_REDUNDANCY] = "REDUCED_REDUNDANCY",
    [API_CLASS_STANDARD_IA] = "STANDARD_IA",
    [API_CLASS_ONEZONE_IA] = "ONEZONE_IA",
    [API_CLASS_INTELLIGENT_TIERING] = "INTELLIGENT_TIERING",
    [API_CLASS_GLACIER_IR] = "GLACIER_IR",
    [API_CLASS_GLACIER] = "GLACIER",
    [API_CLASS_DEEP_ARCHIVE] = "DEEP_ARCHIVE",
};

static int put_user(struct tn_buf *out, const struct tn_header *pair)
{
    char name_len[2];
    entries_put_le(name_len, pair->name.len, sizeof name_len);
    const struct tn_str parts[] = { { name_len, sizeof name_len }, pair->name, pair->value };
    return entries_put_parts(out, TAG_USER, parts, TN_COUNT(parts));
}

static int put_checksum(struct tn_buf *out, const struct tn_checksum_value *value)
{
    if (value->kind == TN_CHECKSUM_NONE)
        return TARN_OK;
    char head[CHECKSUM_HEAD_LEN];
    head[0] = (char)value->kind;
    head[1] = (char)value->type;
    entries_put_le(head + 2, value->part_count, 4);
    const struct tn_str parts[] = {
        { head, sizeof head },
        { (const char *)value->bytes, tn_checksum_len(value->kind) },
    };
    return entries_put_parts(out, TAG_CHECKSUM, parts, TN_COUNT(parts));
}

static int encode(const struct api_meta *meta, struct tn_buf *out)
{
    int rc = tn_buf_append_char(out, ENTRIES_VERSION);
    for (unsigned i = 0; rc == TARN_OK && i < API_META_FIELD_COUNT; i++) {
        if (meta->fields[i].len)
            rc = entries_put(out, TAG_FIELD_FIRST + i, meta->fields[i]);
    }
    for (size_t i = 0; rc == TARN_OK && i < meta->user_count; i++)
        rc = put_user(out, &meta->user[i]);
    if (rc == TARN_OK)
        rc = put_checksum(out, &meta->checksum);
    return rc;
}

int api_meta_encode(const struct api_meta *meta, struct tn_buf *out)
{
    size_t len = out->len;
    int rc = encode(meta, out);
    if (rc < 0)
        tn_buf_truncate(out, len);
    return rc;
}

static int get_user(struct tn_str value, struct tn_header *out)
{
    if (value.len < 2)
        return TARN_ECORRUPT;
    size_t name_len = entries_get_le(value.data, 2);
    if (name_len > value.len - 2)
        return TARN_ECORRUPT;
    out->name = tn_str_sub(value, 2, name_len);
    out->value = tn_str_sub(value, 2 + name_len, value.len);
    return TARN_OK;
}

static int get_checksum(struct tn_str value, struct tn_checksum_value *out)
{
    if (value.len < CHECKSUM_HEAD_LEN)
        return TARN_ECORRUPT;
    unsigned kind = (unsigned char)value.data[0];
    unsigned type = (unsigned char)value.data[1];
    if (kind == TN_CHECKSUM_NONE || kind >= TN_CHECKSUM_KIND_COUNT || type > TN_CHECKSUM_COMPOSITE)
        return TARN_ECORRUPT;
    struct tn_str bytes = tn_str_sub(value, CHECKSUM_HEAD_LEN, value.len);
    if (bytes.len != tn_checksum_len((enum tn_checksum_kind)kind))
        return TARN_ECORRUPT;
    *out = (struct tn_checksum_value){ .kind = (enum tn_checksum_kind)kind,
                                       .type = (enum tn_checksum_type)type,
                                       .part_count = (uint32_t)entries_get_le(value.data + 2, 4) };
    memcpy(out->bytes, bytes.data, bytes.len);
    return TARN_OK;
}

static int count_users(struct tn_str rest, size_t *count)
{
    unsigned tag;
    struct tn_str value;
    *count = 0;
    while (rest.len) {
        int rc = entries_next(&rest, &tag, &value);
        if (rc < 0)
            return rc;
        *count += tag == TAG_USER;
    }
    return TARN_OK;
}

static int decode_entries(struct tn_str rest, struct tn_header *user, struct api_meta *meta)
{
    int rc = TARN_OK;
    while (rc == TARN_OK && rest.len) {
        unsigned tag;
        struct tn_str value;
        rc = entries_next(&rest, &tag, &value);
        if (rc < 0)
            break;
        if (tag >= TAG_FIELD_FIRST && tag < TAG_FIELD_FIRST + API_META_FIELD_COUNT)
            meta->fields[tag - TAG_FIELD_FIRST] = value;
        else if (tag == TAG_USER)
            rc = get_user(value, &user[meta->user_count++]);
        else if (tag == TAG_CHECKSUM)
            rc = get_checksum(value, &meta->checksum);
    }
    return rc;
}

int api_meta_decode(struct tn_str bytes, struct tn_arena *a, struct api_meta *out)
{
    struct api_meta meta = { 0 };
    if (bytes.len == 0) {
        *out = meta;
        return TARN_OK;
    }
    size_t count = 0;
    struct tn_str entries;
    int rc = entries_open(bytes, &entries);
    if (rc == TARN_OK)
        rc = count_users(entries, &count);
    if (rc < 0)
        return rc;
    if (count > API_META_USER_COUNT_MAX)
        return TARN_ECORRUPT;
    struct tn_header *user = NULL;
    if (count) {
        user = tn_arena_alloc(a, count * sizeof *user);
        if (!user)
            return TARN_ENOMEM;
    }
    rc = decode_entries(entries, user, &meta);
    if (rc < 0)
        return rc;
    meta.user = user;
    *out = meta;
    return TARN_OK;
}

uint32_t api_attrs(enum api_class storage_class, enum tn_checksum_kind kind,
                   enum tn_checksum_type type)
{
    assert((unsigned)storage_class < 16);
    assert((unsigned)kind < 16);
    return (uint32_t)storage_class | (uint32_t)kind << 4 | (uint32_t)type << 8;
}

enum api_class api_attrs_class(uint32_t attrs)
{
    unsigned number = attrs & 15;
    return number < API_CLASS_COUNT ? (enum api_class)number : API_CLASS_STANDARD;
}

uint32_t api_attrs_moved(uint32_t attrs, enum api_class storage_class)
{
    return (attrs & ~UINT32_C(15)) | (uint32_t)storage_class;
}

uint32_t api_attrs_summed(uint32_t attrs, enum tn_checksum_kind kind, enum tn_checksum_type type)
{
    return (attrs & ~UINT32_C(0x1ff)) | api_attrs(api_attrs_class(attrs), kind, type);
}

enum tn_checksum_kind api_attrs_checksum(uint32_t attrs)
{
    unsigned number = attrs >> 4 & 15;
    return number < TN_CHECKSUM_KIND_COUNT ? (enum tn_checksum_kind)number : TN_CHECKSUM_NONE;
}

enum tn_checksum_type api_attrs_checksum_type(uint32_t attrs)
{
    return attrs >> 8 & 1 ? TN_CHECKSUM_COMPOSITE : TN_CHECKSUM_FULL_OBJECT;
}

uint64_t api_plain_size(uint64_t size, uint32_t attrs)
{
    uint64_t extra = attrs >> API_ATTR_BLOCKS_SHIFT & API_ATTR_BLOCKS_MAX;
    if (!(attrs & API_ATTR_SSE) || extra * SSE_TAG_LEN > size)
        return size;
    return sse_plain_len(size - extra * SSE_TAG_LEN);
}
