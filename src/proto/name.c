/* SPDX-License-Identifier: Apache-2.0 */
/* Names of buckets and objects. */

#include "proto/name.h"

#include "proto/query.h"
#include "proto/uri.h"

static const struct tn_str reserved_prefixes[] = {
    { "xn--", 4 },
    { "sthree-", 7 },
    { "amzn-s3-demo-", 13 },
};

static const struct tn_str reserved_suffixes[] = {
    { "-s3alias", 8 }, { "--ol-s3", 7 }, { ".mrap", 5 }, { "--x-s3", 6 }, { "--table-s3", 10 },
};

static bool is_reserved(struct tn_str name)
{
    for (size_t i = 0; i < TN_COUNT(reserved_prefixes); i++) {
        if (tn_str_starts(name, reserved_prefixes[i]))
            return true;
    }
    for (size_t i = 0; i < TN_COUNT(reserved_suffixes); i++) {
        if (tn_str_ends(name, reserved_suffixes[i]))
            return true;
    }
    return false;
}

static bool is_label_end(char c)
{
    return (c >= 'a' && c <= 'z') || tn_is_digit(c);
}

/* S3 refuses ".." and dots at the ends, but lets "a.-b" through: labels may not be empty, that is
 * all. */
static bool has_good_characters(struct tn_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!is_label_end(c) && c != '-' && c != '.')
            return false;
        if (c == '.' && i > 0 && name.data[i - 1] == '.')
            return false;
    }
    return is_label_end(name.data[0]) && is_label_end(name.data[name.len - 1]);
}

/* Four groups of digits, whatever their values: "formatted as an IP address". */
static bool looks_like_ipv4(struct tn_str name)
{
    size_t dot_count = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.')
            dot_count++;
        else if (!tn_is_digit(name.data[i]))
            return false;
    }
    return dot_count == 3;
}

bool tn_bucket_name_is_valid(struct tn_str name)
{
    if (name.len < TN_BUCKET_LEN_MIN || name.len > TN_BUCKET_LEN_MAX)
        return false;
    return has_good_characters(name) && !looks_like_ipv4(name) && !is_reserved(name);
}

int tn_key_check(struct tn_str key)
{
    if (key.len == 0)
        return TARN_EINVAL;
    if (key.len > TN_KEY_LEN_MAX)
        return TARN_ETOOBIG;
    if (tn_str_find_char(key, '\0') != SIZE_MAX || !tn_str_is_utf8(key))
        return TARN_EINVAL;
    return TARN_OK;
}

/* "versionId=id", the only parameter that S3 takes here. */
static int parse_version(struct tn_arena *a, struct tn_str query, struct tn_str *out)
{
    struct tn_param param;
    struct tn_str version_id;
    if (!tn_query_next(&query, &param) || query.len ||
        !tn_str_eq(param.name, TN_STR("versionId")) || param.value.len == 0)
        return TARN_EINVAL;
    int rc = tn_uri_decode_in(a, param.value, 0, &version_id);
    if (rc < 0)
        return rc;
    if (tn_key_check(version_id) < 0)
        return TARN_EINVAL;
    *out = version_id;
    return TARN_OK;
}

int tn_copy_source_parse(struct tn_arena *a, struct tn_str text, struct tn_copy_source *out)
{
    struct tn_copy_source source = { .version_id = TN_STR_EMPTY };
    size_t mark = tn_str_find_char(text, '?');
    int rc = TARN_OK;
    if (mark != SIZE_MAX)
        rc = parse_version(a, tn_str_sub(text, mark + 1, text.len), &source.version_id);
    if (rc < 0)
        return rc;

    /* Some programs encode the slash behind the bucket too, so all is decoded first. */
    struct tn_str path;
    rc = tn_uri_decode_in(a, tn_str_sub(text, 0, mark), 0, &path);
    if (rc < 0)
        return rc;
    if (path.len && path.data[0] == '/')
        path = tn_str_sub(path, 1, path.len);
    source.bucket = tn_str_split(&path, '/');
    source.key = path;
    if (!tn_bucket_name_is_valid(source.bucket) || tn_key_check(source.key) < 0)
        return TARN_EINVAL;
    *out = source;
    return TARN_OK;
}
