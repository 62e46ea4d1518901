/* SPDX-License-Identifier: Apache-2.0 */
/* The value of --range. */

#include "cli/byte_range.h"

static int parse(struct tn_str text, struct cli_byte_range *out)
{
    struct cli_byte_range range = { .kind = CLI_RANGE_BOUNDS, .last = UINT64_MAX };
    if (tn_str_find_char(text, '-') == SIZE_MAX)
        return TARN_EINVAL;
    struct tn_str last = text;
    struct tn_str first = tn_str_split(&last, '-');
    if (first.len == 0) {
        range.kind = CLI_RANGE_SUFFIX;
        if (tn_str_to_u64(last, &range.suffix) < 0 || range.suffix == 0)
            return TARN_EINVAL;
        *out = range;
        return TARN_OK;
    }
    if (tn_str_to_u64(first, &range.first) < 0)
        return TARN_EINVAL;
    if (last.len && (tn_str_to_u64(last, &range.last) < 0 || range.last < range.first))
        return TARN_EINVAL;
    *out = range;
    return TARN_OK;
}

int cli_byte_range_parse(const char *text, struct cli_byte_range *out, struct tarn_error *err)
{
    struct tn_str range = tn_str_from(text);
    if (tn_str_starts(range, TN_STR("bytes=")))
        range = tn_str_sub(range, 6, range.len);
    int rc = parse(range, out);
    return rc < 0 ? tn_fail(err, rc, "bad range \"%.64s\" (0-99, 100- or -50)", text) : rc;
}
