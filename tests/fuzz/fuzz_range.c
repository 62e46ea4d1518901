/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges, tags and conditions: the first two bytes make a size, the rest is the header. */

#include <assert.h>

#include "proto/precond.h"
#include "proto/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_ranges(struct tn_str text, uint64_t size)
{
    struct tn_range r = { 0 };
    enum tn_range_kind kind = tn_range_resolve(text, size, &r);
    if (kind == TN_RANGE_WHOLE)
        assert(r.first == 0 && r.len == size);
    if (kind == TN_RANGE_PART)
        assert(r.len > 0 && r.first < size && r.len <= size - r.first);

    if (tn_range_parse_copy(text, size, &r) == TARN_OK) {
        struct tn_range same;
        assert(r.len > 0 && r.first < size && r.len <= size - r.first);
        kind = tn_range_resolve(text, size, &same);
        assert(kind == TN_RANGE_PART && same.first == r.first && same.len == r.len);
    }
}

static void check_content_range(struct tn_str text)
{
    struct tn_content_range c;
    if (tn_content_range_parse(text, &c) < 0 || !c.has_range || !c.has_size)
        return;
    char again[TN_CONTENT_RANGE_LEN];
    struct tn_content_range same;
    tn_content_range_format(c.range, c.size, again);
    int rc = tn_content_range_parse(tn_str_from(again), &same);
    assert(rc == TARN_OK);
    assert(same.range.first == c.range.first && same.range.len == c.range.len);
    assert(same.size == c.size);
}

static void check_tags(struct tn_str text)
{
    struct tn_etag tag;
    struct tn_str rest = text;
    size_t before = rest.len + 1;
    while (tn_etag_next(&rest, &tag) == TARN_OK) {
        assert(rest.len < before);
        before = rest.len;
        assert(tn_str_find_char(tag.text, '"') == SIZE_MAX);
    }
    struct tn_precond c = { .if_match = text, .has_if_match = true };
    bool is_named = tn_etag_list_has(text, TN_STR("e"), false);
    assert((tn_precond_read(&c, TN_STR("e"), 0) == TN_PRECOND_PASS) == is_named);
    assert((tn_precond_write(&c, true, TN_STR("e")) == TN_PRECOND_PASS) == is_named);
    assert(tn_precond_write(&c, false, TN_STR_EMPTY) == TN_PRECOND_NO_SUCH_KEY);

    /* No text of If-None-Match lets a write replace the tag that it names. */
    struct tn_precond none = { .if_none_match = text, .has_if_none_match = true };
    if (tn_etag_list_has(text, TN_STR("e"), true))
        assert(tn_precond_write(&none, true, TN_STR("e")) != TN_PRECOND_PASS);
    if (tn_etag_list_is_fine(text))
        assert(tn_precond_write(&none, false, TN_STR_EMPTY) == TN_PRECOND_PASS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    uint64_t size = (uint64_t)data[0] << (data[1] % 57);
    struct tn_str text = { (const char *)data + 2, len - 2 };
    check_ranges(text, size);
    check_content_range(text);
    check_tags(text);
    return 0;
}
