/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: whatever was taken can be asked; nobody is allowed what a public one alone would give.
 */

#include <assert.h>

#include "server/auth/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t values(void *user, struct tn_str key, struct tn_str *out, size_t cap)
{
    const struct tn_str *text = user;
    for (size_t i = 0; i < cap && i < key.len % 3; i++)
        out[i] = *text;
    return key.len % 3 < cap ? key.len % 3 : cap;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    static const struct policy_who who = { .is_anonymous = true };
    for (unsigned kind = POLICY_IDENTITY; kind <= POLICY_TRUST; kind++) {
        struct tn_arena arena;
        struct tarn_error err = { 0 };
        const struct policy *policy = NULL;
        tn_arena_init(&arena, 16 << 20);
        int rc = policy_parse(&arena, text, (enum policy_kind)kind,
                              len % 2 ? TN_STR("bucket") : TN_STR_EMPTY, &policy, &err);
        assert((rc == TARN_OK) == (policy != NULL));
        assert((rc == TARN_OK) == (err.message[0] == '\0'));
        struct policy_request request = { .who = &who,
                                          .action = TN_STR("s3:GetObject"),
                                          .resource = TN_STR("arn:aws:s3:::bucket/key"),
                                          .values = values,
                                          .user = &text };
        enum policy_verdict verdict = policy_ask(policy, &request);
        assert(verdict == policy_ask(policy, &request));
        assert(verdict != POLICY_ALLOWS_ACCOUNT && verdict != POLICY_ALLOWS_SESSION);
        (void)policy_is_public(policy);
        tn_arena_release(&arena);
    }
    return 0;
}
