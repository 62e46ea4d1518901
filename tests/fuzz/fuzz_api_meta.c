/* SPDX-License-Identifier: Apache-2.0 */
/* Stored metadata: what can be read and is written again reads the same. */

#include <assert.h>

#include "server/api/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { META_MAX = 64 * 1024, ARENA_MAX = 1024 * 1024 };

static void check_same(const struct api_meta *a, const struct api_meta *b)
{
    for (unsigned i = 0; i < API_META_FIELD_COUNT; i++)
        assert(tn_str_eq(a->fields[i], b->fields[i]));
    assert(a->user_count == b->user_count);
    for (size_t i = 0; i < a->user_count; i++) {
        assert(tn_str_eq(a->user[i].name, b->user[i].name));
        assert(tn_str_eq(a->user[i].value, b->user[i].value));
    }
    assert(a->checksum.kind == b->checksum.kind);
    assert(memcmp(a->checksum.bytes, b->checksum.bytes, TN_CHECKSUM_LEN_MAX) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_arena arena;
    struct api_meta meta;
    struct api_meta again;
    TN_AUTO_BUF bytes = TN_BUF_INIT(META_MAX);
    tn_arena_init(&arena, ARENA_MAX);
    if (len <= META_MAX &&
        api_meta_decode((struct tn_str){ (const char *)data, len }, &arena, &meta) == TARN_OK) {
        int rc = api_meta_encode(&meta, &bytes);
        if (rc == TARN_OK) {
            rc = api_meta_decode(tn_buf_str(&bytes), &arena, &again);
            assert(rc == TARN_OK);
            check_same(&meta, &again);
        }
    }
    tn_arena_release(&arena);
    return 0;
}
