/* SPDX-License-Identifier: Apache-2.0 */
/* Wildcards in keys. */

#include "cli/glob.h"

static bool is_special(char c)
{
    return c == '*' || c == '?' || c == '\\';
}

bool cli_glob_has_wildcards(const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*' || *pattern == '?')
            return true;
        if (*pattern == '\\' && is_special(pattern[1]))
            pattern++;
    }
    return false;
}

/* Bytes of the character at `at`; 1 for anything malformed. */
static size_t char_len(struct tn_str s, size_t at)
{
    unsigned char lead = (unsigned char)s.data[at];
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    struct tn_str sequence = tn_str_sub(s, at, len);
    return sequence.len == len && tn_str_is_utf8(sequence) ? len : 1;
}

/* Matches one element of the pattern other than `*`; moves both positions behind it. */
static bool match_one(struct tn_str pattern, size_t *p, struct tn_str text, size_t *t)
{
    if (*p >= pattern.len || *t >= text.len)
        return false;
    if (pattern.data[*p] == '?') {
        *p += 1;
        *t += char_len(text, *t);
        return true;
    }
    size_t literal = *p;
    if (pattern.data[literal] == '\\' && literal + 1 < pattern.len &&
        is_special(pattern.data[literal + 1]))
        literal++;
    if (pattern.data[literal] != text.data[*t])
        return false;
    *p = literal + 1;
    *t += 1;
    return true;
}

/* On a mismatch only the last `*` needs to take one more byte: an earlier one could not do better.
 */
bool cli_glob_match(struct tn_str pattern, struct tn_str text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;
    for (;;) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            star_text = t;
            continue;
        }
        if (p == pattern.len && t == text.len)
            return true;
        if (match_one(pattern, &p, text, &t))
            continue;
        if (star == SIZE_MAX || star_text == text.len)
            return false;
        star_text += char_len(text, star_text);
        p = star + 1;
        t = star_text;
    }
}

int cli_glob_literal_prefix(const char *pattern, struct tn_buf *out)
{
    size_t start = out->len;
    for (; *pattern && *pattern != '*' && *pattern != '?'; pattern++) {
        if (*pattern == '\\' && is_special(pattern[1]))
            pattern++;
        int rc = tn_buf_append_char(out, *pattern);
        if (rc < 0) {
            tn_buf_truncate(out, start);
            return rc;
        }
    }
    return TARN_OK;
}
