/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed views of bytes, and the few questions one asks of them. */

#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/mem.h"

/* Valid while its owner is unchanged. `data` may be NULL only when `len` is 0. Not NUL-terminated.
 */
struct tn_str {
    const char *data;
    size_t len;
};

#define TN_STR(literal) ((struct tn_str){ "" literal, sizeof(literal) - 1 })
#define TN_STR_EMPTY ((struct tn_str){ "", 0 })

/* For printf: "%.*s", TN_STR_ARG(s). The argument is evaluated three times: nothing in it may
 * change anything. */
#define TN_STR_ARG(s) (int)((s).len > INT32_MAX ? INT32_MAX : (s).len), (s).len ? (s).data : ""

static inline struct tn_str tn_str_from(const char *text) /* NULL gives the empty view */
{
    return (struct tn_str){ text ? text : "", text ? strlen(text) : 0 };
}

static inline struct tn_str tn_str_sub(struct tn_str s, size_t from, size_t len) /* clamped */
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (struct tn_str){ s.len ? s.data + from : "", len };
}

bool tn_bytes_eq_nocase(const char *a, const char *b, size_t len); /* ASCII letters only */

/* Most differ in length already, so that much is asked in place. */
static inline bool tn_str_eq(struct tn_str a, struct tn_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool tn_str_eq_nocase(struct tn_str a, struct tn_str b)
{
    return a.len == b.len && tn_bytes_eq_nocase(a.data, b.data, a.len);
}

static inline bool tn_str_starts(struct tn_str s, struct tn_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* Unsigned bytes, shorter first: S3's key order. */
int tn_str_cmp(struct tn_str a, struct tn_str b);
bool tn_str_ends(struct tn_str s, struct tn_str suffix);

/* Time depends only on the lengths, never on where the bytes differ. For secrets. */
bool tn_str_eq_secret(struct tn_str a, struct tn_str b);

/* Position of the first `c` or of `needle`; SIZE_MAX when absent. */
size_t tn_str_find_char(struct tn_str s, char c);
size_t tn_str_find(struct tn_str s, struct tn_str needle);

/* Without spaces and tabs at both ends. */
struct tn_str tn_str_trim(struct tn_str s);

/* Cuts `s` at the first `c`: yields what is before it and moves `s` behind it. Without a `c`, all
 * of `s` is yielded and `s` becomes empty. */
struct tn_str tn_str_split(struct tn_str *s, char c);

/* Decimal digits only, no sign, no blanks, no overflow: else TARN_EINVAL and `out` unchanged. */
TN_MUST_USE int tn_str_to_u64(struct tn_str s, uint64_t *out);

/* A size with an optional suffix K M G T (powers of 1024; also KiB, MB, ...: all the same). */
TN_MUST_USE int tn_str_to_size(struct tn_str s, uint64_t *out);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool tn_str_is_utf8(struct tn_str s);

/* FNV-1a, for tables and names; whoever chooses the text can make it what he likes. */
uint64_t tn_text_hash(const char *text);

/* A name of a header field: RFC 9110, section 5.6.2. */
bool tn_str_is_token(struct tn_str s);

/* Locale-free character classes. */
enum { TN_CHAR_TOKEN = 1u << 0, TN_CHAR_UNRESERVED = 1u << 1 };
extern const unsigned char tn_char_classes[256];

static inline bool tn_is_unreserved(char c) /* RFC 3986, section 2.3 */
{
    return (tn_char_classes[(unsigned char)c] & TN_CHAR_UNRESERVED) != 0;
}

static inline bool tn_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool tn_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline char tn_to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

#endif
