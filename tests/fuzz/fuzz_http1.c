/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads: all at once and byte by byte agree, and what is accepted keeps its promises. */

#include <assert.h>

#include "proto/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FUZZ_HEAD_LEN_MAX = 4096 };

static void check_clean(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        assert(s.data[i] != '\r');
        assert(s.data[i] != '\n');
        assert(s.data[i] != '\0');
    }
}

static void check_head(const struct tn_http1_head *head)
{
    assert(head->method.len > 0);
    assert(head->target.len > 0);
    assert(tn_str_find_char(head->target, ' ') == SIZE_MAX);
    assert(!(head->is_chunked && head->has_content_length));
    assert(tn_http1_count(head, TN_STR("content-length")) == head->has_content_length);
    assert(tn_http1_count(head, TN_STR("transfer-encoding")) == head->is_chunked);
    assert(tn_http1_count(head, TN_STR("host")) <= 1);
    check_clean(head->method);
    check_clean(head->target);
    for (size_t i = 0; i < head->header_count; i++) {
        assert(head->headers[i].name.len > 0);
        check_clean(head->headers[i].name);
        check_clean(head->headers[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct tn_http1 whole;
    static struct tn_http1 steps;
    const char *bytes = (const char *)data;
    tn_http1_init(&whole, FUZZ_HEAD_LEN_MAX);
    tn_http1_init(&steps, FUZZ_HEAD_LEN_MAX);
    int rc = tn_http1_parse(&whole, bytes, len);
    int step_rc = TARN_EAGAIN;
    for (size_t have = 1; have <= len && step_rc == TARN_EAGAIN; have++)
        step_rc = tn_http1_parse(&steps, bytes, have);
    assert(rc == step_rc);
    assert(whole.refuse_status == steps.refuse_status);
    assert(whole.head_len == steps.head_len);
    if (rc == TARN_EINVAL)
        assert(whole.refuse_status >= 400 && whole.refuse_reason);
    if (rc != TARN_OK)
        return 0;

    struct tn_arena arena;
    struct tn_http1_head head;
    tn_arena_init(&arena, 1 << 20);
    assert(whole.head_len <= len);
    if (tn_http1_take(&whole, bytes, &arena, &head) == TARN_OK)
        check_head(&head);
    tn_arena_release(&arena);
    return 0;
}
