/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: wildcards and variables. */

#include "server/auth/policy_impl.h"

static int compile_variable(struct tn_str *rest, struct tn_buf *out)
{
    size_t end = tn_str_find_char(*rest, '}');
    if (end == SIZE_MAX || end == 0)
        return TARN_EINVAL;
    struct tn_str inner = tn_str_sub(*rest, 0, end);
    *rest = tn_str_sub(*rest, end + 1, SIZE_MAX);
    if (inner.len == 1 && strchr("*?$", inner.data[0])) /* ${*}: the character itself */
        return tn_buf_append_str(out, inner);

    struct tn_str fallback = inner;
    struct tn_str name = tn_str_trim(tn_str_split(&fallback, ','));
    fallback = tn_str_trim(fallback);
    int rc = tn_buf_append_char(out, (char)PATTERN_OPEN);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(out, name);
    if (rc == TARN_OK && fallback.len >= 2 && fallback.data[0] == '\'') {
        rc = tn_buf_append_char(out, (char)PATTERN_DEFAULT);
        if (rc == TARN_OK)
            rc = tn_buf_append_str(out, tn_str_sub(fallback, 1, fallback.len - 2));
    }
    return rc == TARN_OK ? tn_buf_append_char(out, (char)PATTERN_CLOSE) : rc;
}

int policy_pattern_compile(struct tn_str text, bool has_wildcards, bool has_variables,
                           struct tn_buf *out)
{
    int rc = TARN_OK;
    while (rc == TARN_OK && text.len) {
        char c = text.data[0];
        bool is_variable = has_variables && c == '$' && text.len > 1 && text.data[1] == '{';
        text = tn_str_sub(text, is_variable ? 2 : 1, SIZE_MAX);
        if (is_variable)
            rc = compile_variable(&text, out);
        else if (has_wildcards && c == '*')
            rc = tn_buf_append_char(out, (char)PATTERN_ANY);
        else if (has_wildcards && c == '?')
            rc = tn_buf_append_char(out, (char)PATTERN_ONE);
        else
            rc = tn_buf_append_char(out, c);
    }
    return rc;
}

bool policy_pattern_has(struct tn_str pattern, unsigned char special)
{
    return pattern.len && memchr(pattern.data, special, pattern.len) != NULL;
}

/* --- Matching --- */

/* Behind the character that begins at `i`: '?' stands for one of UTF-8, not for one byte. */
static size_t skip_character(struct tn_str text, size_t i)
{
    do
        i++;
    while (i < text.len && ((unsigned char)text.data[i] & 0xc0) == 0x80);
    return i;
}

static bool is_same(char a, char b, bool is_nocase)
{
    return a == b || (is_nocase && tn_to_lower(a) == tn_to_lower(b));
}

/* Steps back to the last '*' only: earlier ones can be left as they are. */
static bool match(struct tn_str pattern, struct tn_str text, bool is_nocase)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;
    while (t < text.len) {
        unsigned char c = p < pattern.len ? (unsigned char)pattern.data[p] : 0;
        if (p < pattern.len && c == PATTERN_ANY) {
            star = p++;
            star_text = t;
        } else if (p < pattern.len && c == PATTERN_ONE) {
            p++;
            t = skip_character(text, t);
        } else if (p < pattern.len && is_same(pattern.data[p], text.data[t], is_nocase)) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && (unsigned char)pattern.data[p] == PATTERN_ANY)
        p++;
    return p == pattern.len;
}

static bool is_literal(struct tn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] >= PATTERN_SPECIAL)
            return false;
    }
    return true;
}

/* One variable, whose text begins at `i`. A key with several values has none that could be meant.
 */
static bool fill_variable(struct tn_str pattern, size_t *i, const struct policy_request *request,
                          struct tn_buf *out)
{
    struct tn_str rest = tn_str_sub(pattern, *i, SIZE_MAX);
    struct tn_str inner = tn_str_split(&rest, (char)PATTERN_CLOSE);
    *i += inner.len + 1;
    bool has_default = policy_pattern_has(inner, PATTERN_DEFAULT);
    struct tn_str name = tn_str_split(&inner, (char)PATTERN_DEFAULT);
    struct tn_str value;
    if (request->values && request->values(request->user, name, &value, 1) == 1)
        return is_literal(value) && tn_buf_append_str(out, value) == TARN_OK;
    return has_default && tn_buf_append_str(out, inner) == TARN_OK;
}

static bool fill(struct tn_str pattern, const struct policy_request *request, struct tn_buf *out)
{
    for (size_t i = 0; i < pattern.len;) {
        if ((unsigned char)pattern.data[i] == PATTERN_OPEN) {
            i++;
            if (!fill_variable(pattern, &i, request, out))
                return false;
        } else if (tn_buf_append_char(out, pattern.data[i++]) < 0) {
            return false;
        }
    }
    return true;
}

bool policy_pattern_match(struct tn_str pattern, struct tn_str text, bool is_nocase,
                          const struct policy_request *request)
{
    if (!policy_pattern_has(pattern, PATTERN_OPEN))
        return match(pattern, text, is_nocase);
    TN_AUTO_BUF filled = TN_BUF_INIT(POLICY_TEXT_LEN_MAX);
    return fill(pattern, request, &filled) && match(tn_buf_str(&filled), text, is_nocase);
}

bool policy_pattern_match_arn(struct tn_str pattern, struct tn_str text,
                              const struct policy_request *request)
{
    TN_AUTO_BUF filled = TN_BUF_INIT(POLICY_TEXT_LEN_MAX);
    if (policy_pattern_has(pattern, PATTERN_OPEN)) {
        if (!fill(pattern, request, &filled))
            return false;
        pattern = tn_buf_str(&filled);
    }
    if (pattern.len == 1 && (unsigned char)pattern.data[0] == PATTERN_ANY)
        return true;
    for (unsigned i = 0; i < 5; i++) { /* the sixth part may hold colons itself */
        struct tn_str want = tn_str_split(&pattern, ':');
        if (!match(want, tn_str_split(&text, ':'), false))
            return false;
    }
    return match(pattern, text, false);
}
