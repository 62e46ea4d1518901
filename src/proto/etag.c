/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags. */

#include "proto/etag.h"

static bool is_tag_byte(char c)
{
    return (unsigned char)c > 0x20 && c != 0x7f && c != '"';
}

/* The bytes up to the closing quote, SIZE_MAX without one. RFC 9110 allows no blanks inside. */
static size_t quoted_len(struct tn_str s)
{
    size_t len = tn_str_find_char(s, '"');
    for (size_t i = 0; len != SIZE_MAX && i < len; i++) {
        if (!is_tag_byte(s.data[i]))
            return SIZE_MAX;
    }
    return len;
}

static size_t bare_len(struct tn_str s)
{
    size_t len = 0;
    while (len < s.len && is_tag_byte(s.data[len]) && s.data[len] != ',')
        len++;
    return len;
}

/* Takes one tag off the front of `s`. */
static int take_tag(struct tn_str *s, struct tn_etag *out)
{
    struct tn_str rest = *s;
    struct tn_etag tag = { .is_weak = tn_str_starts(rest, TN_STR("W/\"")) };
    if (tag.is_weak)
        rest = tn_str_sub(rest, 2, rest.len);
    bool is_quoted = rest.len && rest.data[0] == '"';
    if (is_quoted)
        rest = tn_str_sub(rest, 1, rest.len);
    size_t len = is_quoted ? quoted_len(rest) : bare_len(rest);
    if (len == SIZE_MAX || (len == 0 && !is_quoted))
        return TARN_EINVAL;
    tag.text = tn_str_sub(rest, 0, len);
    *s = tn_str_sub(rest, len + is_quoted, rest.len);
    *out = tag;
    return TARN_OK;
}

int tn_etag_parse(struct tn_str text, struct tn_etag *out)
{
    struct tn_str rest = tn_str_trim(text);
    struct tn_etag tag;
    int rc = take_tag(&rest, &tag);
    if (rc < 0)
        return rc;
    if (rest.len)
        return TARN_EINVAL;
    *out = tag;
    return TARN_OK;
}

int tn_etag_next(struct tn_str *list, struct tn_etag *out)
{
    struct tn_str rest = tn_str_trim(*list);
    while (rest.len && rest.data[0] == ',') /* empty elements: RFC 9110 section 5.6.1.2 */
        rest = tn_str_trim(tn_str_sub(rest, 1, rest.len));
    if (rest.len == 0)
        return TARN_EEOF;
    struct tn_etag tag;
    int rc = take_tag(&rest, &tag);
    if (rc < 0)
        return rc;
    rest = tn_str_trim(rest);
    if (rest.len && rest.data[0] != ',')
        return TARN_EINVAL;
    *list = rest;
    *out = tag;
    return TARN_OK;
}

bool tn_etag_is_any(struct tn_str header)
{
    return tn_str_eq(tn_str_trim(header), TN_STR("*"));
}

bool tn_etag_list_has(struct tn_str list, struct tn_str etag, bool is_weak_ok)
{
    struct tn_etag tag;
    if (tn_etag_is_any(list))
        return true;
    while (tn_etag_next(&list, &tag) == TARN_OK) {
        if ((!tag.is_weak || is_weak_ok) && tn_str_eq(tag.text, etag))
            return true;
    }
    return false;
}

bool tn_etag_list_is_fine(struct tn_str list)
{
    struct tn_etag tag;
    size_t count = 0;
    int rc;
    if (tn_etag_is_any(list))
        return true;
    while ((rc = tn_etag_next(&list, &tag)) == TARN_OK)
        count++;
    return rc == TARN_EEOF && count;
}
