/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of forms: the text as JSON behind base64; a verdict with words, the same twice. */

#include <assert.h>

#include "base/codec.h"
#include "server/auth/post_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct tn_header fields[] = { { { "key", 3 }, { "a/b", 3 } },
                                               { { "acl", 3 }, { "private", 7 } },
                                               { { "bucket", 6 }, { "bucket", 6 } } };
    struct tn_arena arena;
    tn_arena_init(&arena, 16 << 20);
    char *text = tn_arena_alloc(&arena, TN_BASE64_LEN(len) + 1);
    if (text) {
        tn_base64_encode(data, len, text);
        for (int i = 0; i < 2; i++) {
            struct post_policy_result result = { .len_min = 1 };
            struct tarn_error err = { 0 };
            int rc = post_policy_check(&arena, tn_str_from(text), fields, TN_COUNT(fields), 0,
                                       &result, &err);
            assert(rc == TARN_OK || rc == TARN_EINVAL || rc == TARN_EDENIED);
            assert((rc == TARN_OK) == (err.message[0] == '\0'));
        }
    }
    tn_arena_release(&arena);
    return 0;
}
