/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of tags. */

#include "server/api/tags.h"

#include <assert.h>

#include "proto/uri.h"
#include "server/api/xml_rules.h"

static enum tn_s3_code bad_tag(struct api_req *r, const char *what)
{
    return api_err(r, TN_S3_INVALID_TAG, "%s", what);
}

static size_t count_characters(struct tn_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

static bool is_tag_text(struct tn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && (unsigned char)c < 0x80 &&
            (c == '\0' || !strchr(" _.:/=+-@", c)))
            return false;
    }
    return tn_str_is_utf8(text);
}

static enum tn_s3_code check_tag(struct api_req *r, struct tn_str key, struct tn_str value)
{
    size_t key_len = count_characters(key);
    if (key_len == 0 || key_len > TAG_KEY_LEN_MAX || !is_tag_text(key))
        return bad_tag(r, "The TagKey you have provided is invalid");
    if (count_characters(value) > TAG_VALUE_LEN_MAX || !is_tag_text(value))
        return bad_tag(r, "The TagValue you have provided is invalid");
    if (tn_str_starts(key, TN_STR("aws:")))
        return bad_tag(r, "System tags cannot be added/updated by requester");
    return TN_S3_OK;
}

static enum tn_s3_code too_many(struct api_req *r, size_t count_max)
{
    return count_max == TAG_OBJECT_COUNT_MAX
               ? bad_tag(r, "Object tags cannot be greater than 10")
               : bad_tag(r, "Bucket tag count cannot be greater than 50");
}

static bool is_repeated(const struct tn_xml_node *first, const struct tn_xml_node *tag)
{
    struct tn_str key = tn_xml_child_text_raw(tag, "Key");
    for (const struct tn_xml_node *n = first; n && n != tag; n = tn_xml_next(n)) {
        if (tn_str_eq(tn_xml_child_text_raw(n, "Key"), key))
            return true;
    }
    return false;
}

enum tn_s3_code tags_check_list(struct api_req *r, const struct tn_xml_node *node, size_t count_max)
{
    const struct tn_xml_node *first = tn_xml_child(node, "Tag");
    size_t count = 0;
    for (const struct tn_xml_node *n = first; n; n = tn_xml_next(n)) {
        if (++count > count_max)
            return too_many(r, count_max);
        enum tn_s3_code code =
            check_tag(r, tn_xml_child_text_raw(n, "Key"), tn_xml_child_text_raw(n, "Value"));
        if (code)
            return code;
        if (is_repeated(first, n))
            return bad_tag(r, "Cannot provide multiple Tags with the same key");
    }
    return TN_S3_OK;
}

enum tn_s3_code tags_check_xml(struct api_req *r, const struct tn_xml_node *tagging,
                               size_t count_max)
{
    return tags_check_list(r, tn_xml_child(tagging, "TagSet"), count_max);
}

static int put_tag(struct tn_buf *out, struct tn_str key, struct tn_str value)
{
    int rc = out->len ? tn_buf_append_char(out, '&') : TARN_OK;
    if (rc == TARN_OK)
        rc = tn_uri_encode(out, key, 0);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(out, '=');
    return rc == TARN_OK ? tn_uri_encode(out, value, 0) : rc;
}

/* An object's tags on their way to the kept form, in the order of their keys. */
struct tag_set {
    struct tn_param tags[TAG_OBJECT_COUNT_MAX];
    size_t count;
};

static void set_add(struct tag_set *set, struct tn_str key, struct tn_str value)
{
    assert(set->count < TAG_OBJECT_COUNT_MAX);
    size_t at = set->count++;
    for (; at && tn_str_cmp(key, set->tags[at - 1].name) < 0; at--)
        set->tags[at] = set->tags[at - 1];
    set->tags[at] = (struct tn_param){ .name = key, .value = value };
}

static int set_keep(const struct tag_set *set, struct tn_arena *a, struct tn_str *out)
{
    TN_AUTO_BUF text = TN_BUF_INIT(TAGS_LEN_MAX);
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < set->count; i++)
        rc = put_tag(&text, set->tags[i].name, set->tags[i].value);
    return rc == TARN_OK ? tn_arena_str(a, tn_buf_str(&text), out) : rc;
}

int tags_from_xml(struct tn_arena *a, const struct tn_xml_node *tagging, struct tn_str *out)
{
    struct tag_set set = { .count = 0 };
    const struct tn_xml_node *n = tn_xml_child(tn_xml_child(tagging, "TagSet"), "Tag");
    for (; n; n = tn_xml_next(n))
        set_add(&set, tn_xml_child_text_raw(n, "Key"), tn_xml_child_text_raw(n, "Value"));
    return set_keep(&set, a, out);
}

static bool has_param(const struct tn_query *query, size_t before)
{
    for (size_t i = 0; i < before; i++) {
        if (tn_str_eq(query->params[i].name, query->params[before].name))
            return true;
    }
    return false;
}

enum tn_s3_code tags_read_header(struct api_req *r, struct tn_str *out)
{
    struct tn_query query;
    struct tag_set set = { .count = 0 };
    *out = TN_STR_EMPTY;
    int rc = tn_query_parse(&r->http->arena, api_header(r, "x-amz-tagging"), TN_URI_PLUS_IS_SPACE,
                            &query);
    if (rc == TARN_EINVAL || rc == TARN_ETOOBIG)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL "
                       "query parameters without tag name duplicates.");
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    if (query.count > TAG_OBJECT_COUNT_MAX)
        return too_many(r, TAG_OBJECT_COUNT_MAX);
    for (size_t i = 0; i < query.count; i++) {
        enum tn_s3_code code = check_tag(r, query.params[i].name, query.params[i].value);
        if (code)
            return code;
        if (has_param(&query, i))
            return bad_tag(r, "Cannot provide multiple Tags with the same key");
        set_add(&set, query.params[i].name, query.params[i].value);
    }
    return api_from_status(r, set_keep(&set, &r->http->arena, out), NULL);
}

size_t tags_count(struct tn_str kept)
{
    size_t count = kept.len ? 1 : 0;
    for (size_t i = 0; i < kept.len; i++)
        count += kept.data[i] == '&';
    return count;
}

int tags_next(struct tn_str *kept, struct tn_arena *a, struct tn_str *key, struct tn_str *value)
{
    if (kept->len == 0)
        return TARN_EEOF;
    struct tn_str rest = *kept;
    struct tn_str pair = tn_str_split(&rest, '&');
    struct tn_str name = tn_str_split(&pair, '=');
    struct tn_str decoded;
    int rc = tn_uri_decode_in(a, name, 0, &decoded);
    if (rc == TARN_OK)
        rc = tn_uri_decode_in(a, pair, 0, value);
    if (rc < 0)
        return rc;
    *key = decoded;
    *kept = rest;
    return TARN_OK;
}

int tags_find(struct tn_str kept, struct tn_arena *a, struct tn_str key, struct tn_str *value)
{
    struct tn_str name;
    struct tn_str found;
    for (;;) {
        int rc = tags_next(&kept, a, &name, &found);
        if (rc < 0)
            return rc == TARN_EEOF ? TARN_ENOTFOUND : rc;
        if (!tn_str_eq(name, key))
            continue;
        *value = found;
        return TARN_OK;
    }
}

void tags_write_xml(struct tn_str kept, struct tn_arena *a, struct tn_xml_writer *w)
{
    struct tn_str key;
    struct tn_str value;
    tn_xml_root(w, "Tagging", TN_XML_S3_NAMESPACE);
    tn_xml_open(w, "TagSet");
    int rc;
    while (w->rc == TARN_OK && (rc = tags_next(&kept, a, &key, &value)) != TARN_EEOF) {
        if (rc < 0) {
            w->rc = rc;
            break;
        }
        tn_xml_open(w, "Tag");
        tn_xml_str(w, "Key", key);
        tn_xml_str(w, "Value", value);
        tn_xml_close(w, "Tag");
    }
    tn_xml_close(w, "TagSet");
    tn_xml_close(w, "Tagging");
}
