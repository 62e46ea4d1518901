/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed views of bytes. */

#include "base/str.h"

/* clang-format off: sixteen characters a line, the upper half of them in no class */
const unsigned char tn_char_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 3, 3, 0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0,
    0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 1, 3,
    1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 1, 0, 3, 0,
};
/* clang-format on */

bool tn_bytes_eq_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i] && tn_to_lower(a[i]) != tn_to_lower(b[i]))
            return false;
    }
    return true;
}

int tn_str_cmp(struct tn_str a, struct tn_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool tn_str_ends(struct tn_str s, struct tn_str suffix)
{
    return s.len >= suffix.len && tn_str_eq(tn_str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

bool tn_str_eq_secret(struct tn_str a, struct tn_str b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (unsigned char)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

size_t tn_str_find_char(struct tn_str s, char c)
{
    const char *at = s.len ? memchr(s.data, c, s.len) : NULL;
    return at ? (size_t)(at - s.data) : SIZE_MAX;
}

size_t tn_str_find(struct tn_str s, struct tn_str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len ? memmem(s.data, s.len, needle.data, needle.len) : NULL;
    return at ? (size_t)(at - s.data) : SIZE_MAX;
}

uint64_t tn_text_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

bool tn_str_is_token(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!(tn_char_classes[(unsigned char)s.data[i]] & TN_CHAR_TOKEN))
            return false;
    }
    return s.len > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct tn_str tn_str_trim(struct tn_str s)
{
    while (s.len && is_blank(s.data[0]))
        s = tn_str_sub(s, 1, s.len);
    while (s.len && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

struct tn_str tn_str_split(struct tn_str *s, char c)
{
    size_t at = tn_str_find_char(*s, c);
    struct tn_str before = tn_str_sub(*s, 0, at);
    *s = at == SIZE_MAX ? TN_STR_EMPTY : tn_str_sub(*s, at + 1, s->len);
    return before;
}

int tn_str_to_u64(struct tn_str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return TARN_EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (!tn_is_digit(s.data[i]))
            return TARN_EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
            return TARN_EINVAL;
    }
    *out = value;
    return TARN_OK;
}

int tn_str_to_size(struct tn_str s, uint64_t *out)
{
    static const char units[] = "kmgt";
    size_t digits = 0;
    while (digits < s.len && tn_is_digit(s.data[digits]))
        digits++;
    uint64_t value;
    int rc = tn_str_to_u64(tn_str_sub(s, 0, digits), &value);
    if (rc < 0)
        return rc;

    struct tn_str suffix = tn_str_sub(s, digits, s.len);
    unsigned shift = 0;
    const char *unit = suffix.len ? memchr(units, tn_to_lower(suffix.data[0]), 4) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        suffix = tn_str_sub(suffix, 1, suffix.len);
        if (suffix.len == 2 && tn_to_lower(suffix.data[0]) == 'i')
            suffix = tn_str_sub(suffix, 1, suffix.len);
    }
    if (suffix.len > 1 || (suffix.len == 1 && tn_to_lower(suffix.data[0]) != 'b'))
        return TARN_EINVAL;
    if (shift && value > UINT64_MAX >> shift)
        return TARN_EINVAL;
    *out = value << shift;
    return TARN_OK;
}

/* Length of the UTF-8 sequence at the start of `s`, 0 when it is malformed. */
static size_t utf8_sequence(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f))
        return 0;
    if ((c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

bool tn_str_is_utf8(struct tn_str s)
{
    size_t i = 0;
    while (i < s.len) {
        size_t step = utf8_sequence((const unsigned char *)s.data + i, s.len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}
