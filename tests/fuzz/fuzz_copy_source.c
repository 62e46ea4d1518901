/* SPDX-License-Identifier: Apache-2.0 */
/* Copy sources and names: what is accepted is valid by the rules for buckets and keys. */

#include <assert.h>

#include "proto/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    struct tn_copy_source s = { TN_STR_EMPTY, TN_STR_EMPTY, TN_STR_EMPTY };
    struct tn_arena a;
    tn_arena_init(&a, SIZE_MAX / 2);
    int rc = tn_copy_source_parse(&a, text, &s);
    if (rc == TARN_OK) {
        assert(tn_bucket_name_is_valid(s.bucket));
        assert(tn_key_check(s.key) == TARN_OK);
    } else {
        assert(s.bucket.len == 0 && s.key.len == 0 && s.version_id.len == 0);
    }
    tn_arena_release(&a);
    if (tn_bucket_name_is_valid(text)) {
        assert(len >= TN_BUCKET_LEN_MIN && len <= TN_BUCKET_LEN_MAX);
        assert(tn_str_find_char(text, '/') == SIZE_MAX);
    }
    if (tn_key_check(text) == TARN_OK)
        assert(len > 0 && len <= TN_KEY_LEN_MAX && tn_str_is_utf8(text));
    return 0;
}
