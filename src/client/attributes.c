/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields out of options, infos out of header fields. */

#include "client/attributes.h"

#include "base/clock.h"
#include "client/client_impl.h"
#include "proto/http_date.h"
#include "proto/range.h"
#include "proto/uri.h"

#define METADATA_PREFIX "x-amz-meta-"

bool tarn_acl_is_known(const char *acl)
{
    static const char *const known[] = {
        "private",       "public-read",       "public-read-write",  "authenticated-read",
        "aws-exec-read", "bucket-owner-read", "log-delivery-write", "bucket-owner-full-control",
    };
    for (size_t i = 0; acl && i < TN_COUNT(known); i++) {
        if (strcmp(acl, known[i]) == 0)
            return true;
    }
    return false;
}

/* "StandardIa", "standard-ia" and "STANDARD_IA" are one. */
static bool is_same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "_-");
        b += strspn(b, "_-");
        if (tn_to_lower(*a) != tn_to_lower(*b))
            return false;
        if (!*a)
            return true;
    }
}

const char *tarn_storage_class_from_name(const char *name)
{
    static const struct {
        const char *name;
        const char *wire;
    } names[] = {
        { "STANDARD", "STANDARD" },
        { "REDUCED_REDUNDANCY", "REDUCED_REDUNDANCY" },
        { "STANDARD_IA", "STANDARD_IA" },
        { "STANDARD_INFREQUENT_ACCESS", "STANDARD_IA" },
        { "ONEZONE_IA", "ONEZONE_IA" },
        { "ONE_ZONE_IA", "ONEZONE_IA" },
        { "INTELLIGENT_TIERING", "INTELLIGENT_TIERING" },
        { "GLACIER_IR", "GLACIER_IR" },
        { "GLACIER_INSTANT_RETRIEVAL", "GLACIER_IR" },
        { "GLACIER", "GLACIER" },
        { "GLACIER_FLEXIBLE_RETRIEVAL", "GLACIER" },
        { "DEEP_ARCHIVE", "DEEP_ARCHIVE" },
        { "GLACIER_DEEP_ARCHIVE", "DEEP_ARCHIVE" },
        { "EXPRESS_ONEZONE", "EXPRESS_ONEZONE" },
        { "OUTPOSTS", "OUTPOSTS" },
    };
    for (size_t i = 0; name && i < TN_COUNT(names); i++) {
        if (is_same_name(name, names[i].name))
            return names[i].wire;
    }
    return name;
}

bool tarn_storage_class_needs_restore(const char *storage_class)
{
    const char *wire = tarn_storage_class_from_name(storage_class);
    return wire && (strcmp(wire, "GLACIER") == 0 || strcmp(wire, "DEEP_ARCHIVE") == 0);
}

/* The public numbers are those of the kinds, behind TARN_CHECKSUM_DEFAULT. */
_Static_assert(TARN_CHECKSUM_NONE == TN_CHECKSUM_NONE + 1, "");
_Static_assert(TARN_CHECKSUM_CRC32 == TN_CHECKSUM_CRC32 + 1, "");
_Static_assert(TARN_CHECKSUM_CRC32C == TN_CHECKSUM_CRC32C + 1, "");
_Static_assert(TARN_CHECKSUM_CRC64NVME == TN_CHECKSUM_CRC64NVME + 1, "");
_Static_assert(TARN_CHECKSUM_SHA1 == TN_CHECKSUM_SHA1 + 1, "");
_Static_assert(TARN_CHECKSUM_SHA256 == TN_CHECKSUM_SHA256 + 1, "");
_Static_assert(TARN_CHECKSUM_SHA512 == TN_CHECKSUM_SHA512 + 1, "");
_Static_assert(TARN_CHECKSUM_MD5 == TN_CHECKSUM_MD5 + 1, "");
_Static_assert(TARN_CHECKSUM_XXHASH64 == TN_CHECKSUM_XXHASH64 + 1, "");
_Static_assert(TARN_CHECKSUM_XXHASH3 == TN_CHECKSUM_XXHASH3 + 1, "");
_Static_assert(TARN_CHECKSUM_XXHASH128 == TN_CHECKSUM_XXHASH128 + 1, "");

enum tarn_checksum tn_checksum_public(enum tn_checksum_kind kind)
{
    return (enum tarn_checksum)(kind + 1);
}

enum tn_checksum_kind tn_checksum_kind_of(enum tarn_checksum algorithm)
{
    if (algorithm <= TARN_CHECKSUM_NONE || algorithm > TARN_CHECKSUM_XXHASH128)
        return TN_CHECKSUM_NONE;
    return (enum tn_checksum_kind)(algorithm - 1);
}

bool tn_checksum_is_known(enum tarn_checksum algorithm)
{
    return algorithm <= TARN_CHECKSUM_XXHASH128;
}

const char *tarn_checksum_name(enum tarn_checksum algorithm)
{
    return tn_checksum_name(tn_checksum_kind_of(algorithm)).data;
}

int tarn_checksum_from_name(const char *name, enum tarn_checksum *out)
{
    enum tn_checksum_kind kind = tn_checksum_from_name(tn_str_from(name));
    if (!out || (kind == TN_CHECKSUM_NONE && !tn_str_eq_nocase(tn_str_from(name), TN_STR("none"))))
        return TARN_EINVAL;
    *out = tn_checksum_public(kind);
    return TARN_OK;
}

enum tn_checksum_kind tn_xml_checksum(const struct tn_xml_node *node, struct tn_str *text)
{
    for (int i = TN_CHECKSUM_NONE + 1; i < TN_CHECKSUM_KIND_COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "Checksum%.*s",
                       TN_STR_ARG(tn_checksum_name((enum tn_checksum_kind)i)));
        *text = tn_xml_child_text(node, name);
        if (text->len > 0)
            return (enum tn_checksum_kind)i;
    }
    return TN_CHECKSUM_NONE;
}

int64_t tn_date_ms(struct tn_str text)
{
    int64_t ms;
    return tn_time_parse_iso8601(tn_str_trim(text), &ms) == TARN_OK ? ms : -1;
}

/* ---- requests ---- */

static int copy_text(struct tn_arena *arena, const char *from, const char **out)
{
    *out = from ? tn_arena_memdup(arena, from, strlen(from)) : NULL;
    return from && !*out ? TARN_ENOMEM : TARN_OK;
}

int tn_request_copy(struct tn_arena *arena, const struct tarn_request *from,
                    struct tarn_request *out)
{
    struct tarn_request made = *from;
    int rc = copy_text(arena, from->expected_owner, &made.expected_owner);
    struct tarn_header *headers = NULL;
    if (rc == TARN_OK && from->headers && from->header_count > 0) {
        headers = tn_arena_alloc(arena, from->header_count * sizeof *headers);
        rc = headers ? TARN_OK : TARN_ENOMEM;
    }
    for (size_t i = 0; headers && i < from->header_count && rc == TARN_OK; i++) {
        rc = copy_text(arena, from->headers[i].name, &headers[i].name);
        if (rc == TARN_OK)
            rc = copy_text(arena, from->headers[i].value, &headers[i].value);
    }
    made.headers = headers ? headers : from->headers;
    if (rc == TARN_OK)
        *out = made;
    return rc;
}

static void add_metadata(struct tn_op *op, const struct tarn_attributes *a)
{
    for (size_t i = 0; i < a->metadata_count; i++) {
        bool has_name = a->metadata && a->metadata[i].name && a->metadata[i].name[0];
        if (!has_name) {
            tn_op_refuse(op, TARN_EINVAL);
            return;
        }
        char *name = tn_arena_printf(&op->arena, METADATA_PREFIX "%s", a->metadata[i].name);
        if (!name)
            tn_op_refuse(op, TARN_ENOMEM);
        else
            tn_op_header(op, name, a->metadata[i].value ? a->metadata[i].value : "");
    }
}

void tn_op_attributes(struct tn_op *op, const struct tarn_attributes *a)
{
    char expires[TN_TIME_LEN];
    if (a->acl && !tarn_acl_is_known(a->acl))
        tn_op_refuse(op, TARN_EINVAL);
    tn_op_header(op, "Content-Type", a->content_type);
    tn_op_header(op, "Content-Encoding", a->content_encoding);
    tn_op_header(op, "Content-Disposition", a->content_disposition);
    tn_op_header(op, "Content-Language", a->content_language);
    tn_op_header(op, "Cache-Control", a->cache_control);
    if (a->expires_text) {
        tn_op_header(op, "Expires", a->expires_text);
    } else if (a->expires) {
        tn_time_http(a->expires, expires);
        tn_op_header(op, "Expires", expires);
    }
    tn_op_header(op, "x-amz-storage-class", tarn_storage_class_from_name(a->storage_class));
    tn_op_header(op, "x-amz-acl", a->acl);
    tn_op_header(op, "x-amz-tagging", a->tagging);
    tn_op_header(op, "x-amz-server-side-encryption", a->sse);
    tn_op_header(op, "x-amz-server-side-encryption-aws-kms-key-id", a->sse_kms_key_id);
    tn_op_header(op, "x-amz-website-redirect-location", a->website_redirect);
    add_metadata(op, a);
}

/* The name with what stands before it in the source's conditions of a copy. */
static const char *prefixed(char out[64], const char *prefix, const char *name)
{
    if (!*prefix)
        return name;
    (void)snprintf(out, 64, "%s%s", prefix, name);
    return out;
}

static void add_etag(struct tn_op *op, const char *prefix, const char *name, const char *etag)
{
    char header[64];
    if (!etag)
        return;
    size_t len = strlen(etag);
    bool is_bare = strcmp(etag, "*") != 0 && !memchr(etag, '"', len);
    char *text = is_bare ? tn_arena_alloc(&op->arena, len + 2) : NULL;
    if (is_bare && !text) {
        tn_op_refuse(op, TARN_ENOMEM);
        return;
    }
    if (is_bare) {
        text[0] = text[len + 1] = '"';
        memcpy(text + 1, etag, len);
    }
    tn_op_header_str(op, prefixed(header, prefix, name),
                     is_bare ? (struct tn_str){ text, len + 2 } : tn_str_from(etag));
}

static void add_date(struct tn_op *op, const char *prefix, const char *name, int64_t seconds)
{
    char header[64];
    char date[TN_TIME_LEN];
    if (!seconds)
        return;
    tn_time_http(seconds, date);
    tn_op_header(op, prefixed(header, prefix, name), date);
}

void tn_op_conditions(struct tn_op *op, const struct tarn_conditions *c, const char *prefix)
{
    add_etag(op, prefix, "if-match", c->if_match);
    add_etag(op, prefix, "if-none-match", c->if_none_match);
    add_date(op, prefix, "if-modified-since", c->if_modified_since);
    add_date(op, prefix, "if-unmodified-since", c->if_unmodified_since);
}

void tn_op_copy_source(struct tn_op *op, const char *bucket, const char *key,
                       const char *version_id)
{
    TN_AUTO_BUF text = TN_BUF_INIT(TN_OP_URL_MAX);
    int rc = tn_uri_encode(&text, tn_str_from(bucket), 0);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&text, '/');
    if (rc == TARN_OK)
        rc = tn_uri_encode(&text, tn_str_from(key), TN_URI_KEEP_SLASH);
    if (rc == TARN_OK && version_id) {
        rc = tn_buf_append_text(&text, "?versionId=");
        if (rc == TARN_OK)
            rc = tn_uri_encode(&text, tn_str_from(version_id), 0);
    }
    tn_op_refuse(op, rc);
    tn_op_header_str(op, "x-amz-copy-source", tn_buf_str(&text));
}

/* ---- answers ---- */

void tarn_object_info_release(struct tarn_object_info *info)
{
    if (!info)
        return;
    tn_free(info->owned);
    *info = (struct tarn_object_info){ .last_modified_ms = -1 };
}

void tn_info_move(struct tarn_object_info *from, struct tarn_object_info *to)
{
    if (to) {
        tarn_object_info_release(to);
        *to = *from;
        *from = (struct tarn_object_info){ 0 };
    } else {
        tarn_object_info_release(from);
    }
}

#define TEXT_FIELD(header, member)                                                                 \
    {                                                                                              \
        { header, sizeof header - 1 }, offsetof(struct tarn_object_info, member)                   \
    }

static const struct {
    struct tn_str header;
    size_t offset;
} text_fields[] = {
    TEXT_FIELD("etag", etag),
    TEXT_FIELD("x-amz-version-id", version_id),
    TEXT_FIELD("content-type", content_type),
    TEXT_FIELD("content-encoding", content_encoding),
    TEXT_FIELD("content-disposition", content_disposition),
    TEXT_FIELD("content-language", content_language),
    TEXT_FIELD("cache-control", cache_control),
    TEXT_FIELD("expires", expires),
    TEXT_FIELD("x-amz-storage-class", storage_class),
    TEXT_FIELD("x-amz-restore", restore),
    TEXT_FIELD("x-amz-archive-status", archive_status),
    TEXT_FIELD("x-amz-server-side-encryption", sse),
    TEXT_FIELD("x-amz-server-side-encryption-aws-kms-key-id", sse_kms_key_id),
    TEXT_FIELD("x-amz-checksum-type", checksum_type),
};

static void take_text(struct tarn_object_info *info, struct tn_str name, char *value)
{
    for (size_t i = 0; i < TN_COUNT(text_fields); i++) {
        if (name.len == text_fields[i].header.len && tn_str_eq(name, text_fields[i].header))
            memcpy((char *)info + text_fields[i].offset, &value, sizeof value);
    }
    enum tn_checksum_kind kind = tn_str_starts(name, TN_STR("x-amz-checksum-"))
                                     ? tn_checksum_from_header(name)
                                     : TN_CHECKSUM_NONE;
    if (kind != TN_CHECKSUM_NONE) {
        info->checksum_algorithm = tn_checksum_public(kind);
        info->checksum_value = value;
    }
}

static void take_number(struct tarn_object_info *info, struct tn_str name, struct tn_str value)
{
    struct tn_content_range range;
    uint64_t number;
    int64_t seconds;
    if (tn_str_eq(name, TN_STR("content-length")) && info->size == UINT64_MAX &&
        tn_str_to_u64(value, &number) == TARN_OK)
        info->size = number;
    else if (tn_str_eq(name, TN_STR("content-range")) &&
             tn_content_range_parse(value, &range) == TARN_OK && range.has_size)
        info->size = range.size;
    else if (tn_str_eq(name, TN_STR("last-modified")) &&
             tn_http_date_parse(value, tn_wall_ms() / 1000, &seconds) == TARN_OK)
        info->last_modified_ms = seconds * 1000;
    else if (tn_str_eq(name, TN_STR("x-amz-mp-parts-count")) &&
             tn_str_to_u64(value, &number) == TARN_OK && number <= UINT32_MAX)
        info->parts_count = (uint32_t)number;
    else if (tn_str_eq(name, TN_STR("x-amz-delete-marker")))
        info->is_delete_marker = tn_str_eq(value, TN_STR("true"));
}

static size_t count_fields(const struct tn_buf *head, size_t *metadata_count)
{
    size_t count = 0;
    struct tn_head_field field;
    for (size_t at = 0; tn_head_next(head, &at, &field); count++)
        *metadata_count += tn_str_starts(field.name, TN_STR(METADATA_PREFIX));
    return count;
}

static struct tn_str unquoted(struct tn_str etag)
{
    if (etag.len < 2 || etag.data[0] != '"' || etag.data[etag.len - 1] != '"')
        return etag;
    return tn_str_sub(etag, 1, etag.len - 2);
}

static char *place(char **at, struct tn_str text)
{
    if (text.len == 0)
        return NULL;
    char *out = *at;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    *at = out + text.len + 1;
    return out;
}

/* One allocation: the two tables, a copy of the head, whose texts everything points into, and room
 * for the ETag once more. */
static int fill_info(const struct tn_buf *head, struct tarn_object_info *info)
{
    size_t metadata_count = 0;
    size_t count = count_fields(head, &metadata_count);
    size_t tables_len = (count + metadata_count) * sizeof(struct tarn_header);
    char *owned = tn_realloc(NULL, tables_len + 2 * (head->len + 1));
    if (!owned)
        return TARN_ENOMEM;
    struct tarn_header *headers = (struct tarn_header *)(void *)owned;
    struct tarn_header *metadata = headers + count;
    char *copy = owned + tables_len;
    memcpy(copy, head->data, head->len + 1);
    *info = (struct tarn_object_info){ .size = UINT64_MAX,
                                       .last_modified_ms = -1,
                                       .checksum_algorithm = TARN_CHECKSUM_NONE,
                                       .headers = headers,
                                       .header_count = count,
                                       .metadata = metadata,
                                       .metadata_count = metadata_count,
                                       .owned = owned };
    struct tn_head_field field;
    for (size_t at = 0; tn_head_next(head, &at, &field);) {
        char *name = copy + (field.name.data - head->data);
        char *value = copy + (field.value.data - head->data);
        *headers++ = (struct tarn_header){ name, value };
        if (tn_str_starts(field.name, TN_STR(METADATA_PREFIX)))
            *metadata++ = (struct tarn_header){ name + sizeof METADATA_PREFIX - 1, value };
        take_text(info, field.name, value);
        take_number(info, field.name, field.value);
    }
    char *room = owned + tables_len + head->len + 1;
    info->etag = place(&room, unquoted(tn_str_from(info->etag)));
    return TARN_OK;
}

int tn_op_info(const struct tn_op *op, struct tarn_object_info *info, struct tarn_error *err)
{
    struct tarn_object_info made;
    if (!info)
        return TARN_OK;
    int rc = fill_info(tn_op_head(op), &made);
    if (rc < 0)
        return tn_op_fail(op, err, rc, "out of memory");
    if (made.size == UINT64_MAX)
        made.size = 0;
    if (strcmp(op->method, "GET") != 0 && strcmp(op->method, "HEAD") != 0)
        made.size = op->body.len;
    made.http_status = op->http_status;
    tn_info_move(&made, info);
    return TARN_OK;
}

int tn_info_make(const struct tn_info_texts *t, struct tarn_object_info *info)
{
    if (!info)
        return TARN_OK;
    char *at = tn_realloc(NULL, t->etag.len + t->version_id.len + t->checksum_value.len +
                                    t->checksum_type.len + 4);
    if (!at)
        return TARN_ENOMEM;
    struct tarn_object_info made = { .owned = at,
                                     .size = t->size,
                                     .last_modified_ms = t->last_modified_ms,
                                     .http_status = 200,
                                     .checksum_algorithm = tn_checksum_public(t->checksum) };
    made.etag = place(&at, unquoted(t->etag));
    made.version_id = place(&at, t->version_id);
    made.checksum_value = place(&at, t->checksum_value);
    made.checksum_type = place(&at, t->checksum_type);
    tn_info_move(&made, info);
    return TARN_OK;
}
