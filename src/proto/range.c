/* SPDX-License-Identifier: Apache-2.0 */
/* Byte ranges. */

#include "proto/range.h"

#include <assert.h>
#include <inttypes.h>

/* Decimal digits of any length: a number past 64 bits is past every size, so it is cut to
 * UINT64_MAX. */
static bool parse_position(struct tn_str s, uint64_t *out)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!tn_is_digit(s.data[i]))
            return false;
    }
    if (tn_str_to_u64(s, out) < 0)
        *out = UINT64_MAX;
    return true;
}

/* Behind "bytes", an optional blank, and '='. */
static bool range_set(struct tn_str header, struct tn_str *out)
{
    struct tn_str rest = tn_str_trim(header);
    struct tn_str unit = tn_str_split(&rest, '=');
    if (!tn_str_eq_nocase(tn_str_trim(unit), TN_STR("bytes")))
        return false;
    *out = tn_str_trim(rest);
    return true;
}

/* The last `count` bytes. */
static enum tn_range_kind suffix_range(uint64_t count, uint64_t size, struct tn_range *out)
{
    if (count == 0 || size == 0)
        return TN_RANGE_UNSATISFIABLE;
    if (count > size)
        count = size;
    *out = (struct tn_range){ .first = size - count, .len = count };
    return TN_RANGE_PART;
}

static enum tn_range_kind pair_range(uint64_t first, uint64_t last, uint64_t size,
                                     struct tn_range *out)
{
    if (first >= size)
        return TN_RANGE_UNSATISFIABLE;
    if (last > size - 1)
        last = size - 1;
    *out = (struct tn_range){ .first = first, .len = last - first + 1 };
    return TN_RANGE_PART;
}

static enum tn_range_kind whole_range(uint64_t size, struct tn_range *out)
{
    *out = (struct tn_range){ .first = 0, .len = size };
    return TN_RANGE_WHOLE;
}

enum tn_range_kind tn_range_resolve(struct tn_str header, uint64_t size, struct tn_range *out)
{
    struct tn_str set;
    if (!range_set(header, &set))
        return whole_range(size, out);
    size_t dash = tn_str_find_char(set, '-');
    struct tn_str left = tn_str_sub(set, 0, dash);
    struct tn_str right = dash == SIZE_MAX ? TN_STR_EMPTY : tn_str_sub(set, dash + 1, set.len);

    uint64_t first = 0;
    uint64_t last = UINT64_MAX;
    bool has_first = parse_position(left, &first);
    bool has_last = parse_position(right, &last);
    if (dash == 0 && has_last)
        return suffix_range(last, size, out);
    bool is_pair = dash != SIZE_MAX && has_first && (has_last || right.len == 0);
    if (is_pair && first <= last)
        return pair_range(first, last, size, out);
    return whole_range(size, out);
}

/* "FIRST-LAST", both there and in order. */
static bool parse_pair(struct tn_str text, uint64_t *first, uint64_t *last)
{
    size_t dash = tn_str_find_char(text, '-');
    return dash != SIZE_MAX && tn_str_to_u64(tn_str_sub(text, 0, dash), first) == TARN_OK &&
           tn_str_to_u64(tn_str_sub(text, dash + 1, text.len), last) == TARN_OK && *first <= *last;
}

int tn_range_parse_copy(struct tn_str text, uint64_t size, struct tn_range *out)
{
    const struct tn_str unit = TN_STR("bytes=");
    uint64_t first;
    uint64_t last;
    if (!tn_str_starts(text, unit) ||
        !parse_pair(tn_str_sub(text, unit.len, text.len), &first, &last))
        return TARN_EINVAL;
    if (last >= size)
        return TARN_ERANGE;
    *out = (struct tn_range){ .first = first, .len = last - first + 1 };
    return TARN_OK;
}

int tn_content_range_parse(struct tn_str text, struct tn_content_range *out)
{
    const struct tn_str unit = TN_STR("bytes ");
    struct tn_content_range result = { 0 };
    struct tn_str rest = tn_str_trim(text);
    if (!tn_str_starts(rest, unit))
        return TARN_EINVAL;
    rest = tn_str_sub(rest, unit.len, rest.len);
    struct tn_str pair = tn_str_split(&rest, '/');

    result.has_size = !tn_str_eq(rest, TN_STR("*"));
    if (result.has_size && tn_str_to_u64(rest, &result.size) < 0)
        return TARN_EINVAL;
    result.has_range = !tn_str_eq(pair, TN_STR("*"));
    if (result.has_range) {
        uint64_t last;
        if (!parse_pair(pair, &result.range.first, &last) || last == UINT64_MAX)
            return TARN_EINVAL;
        if (result.has_size && last >= result.size)
            return TARN_EINVAL;
        result.range.len = last - result.range.first + 1;
    }
    if (!result.has_size && !result.has_range)
        return TARN_EINVAL;
    *out = result;
    return TARN_OK;
}

void tn_content_range_format(struct tn_range range, uint64_t size, char out[TN_CONTENT_RANGE_LEN])
{
    assert(range.len > 0);
    (void)snprintf(out, TN_CONTENT_RANGE_LEN, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
                   range.first + range.len - 1, size);
}

void tn_content_range_format_none(uint64_t size, char out[TN_CONTENT_RANGE_LEN])
{
    (void)snprintf(out, TN_CONTENT_RANGE_LEN, "bytes */%" PRIu64, size);
}
