/* SPDX-License-Identifier: Apache-2.0 */
/* Query strings: what was decoded, encoded again, gives the same parameters. */

#include <assert.h>

#include "proto/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void encode_params(const struct tn_query *q, struct tn_buf *out)
{
    for (size_t i = 0; i < q->count; i++) {
        int rc = tn_uri_encode(out, q->params[i].name, 0);
        if (rc == TARN_OK && q->params[i].has_value)
            rc = tn_buf_append_char(out, '=');
        if (rc == TARN_OK)
            rc = tn_uri_encode(out, q->params[i].value, 0);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(out, '&');
        assert(rc == TARN_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    struct tn_query q;
    struct tn_query again;
    struct tn_arena a;
    TN_AUTO_BUF encoded = TN_BUF_INIT(SIZE_MAX / 2);
    tn_arena_init(&a, SIZE_MAX / 2);
    if (tn_query_parse(&a, text, len % 2 ? TN_URI_PLUS_IS_SPACE : 0, &q) == TARN_OK) {
        assert(q.count <= TN_QUERY_PARAM_COUNT_MAX);
        encode_params(&q, &encoded);
        int rc = tn_query_parse(&a, tn_buf_str(&encoded), 0, &again);
        assert(rc == TARN_OK);
        assert(again.count == q.count);
        for (size_t i = 0; i < q.count; i++) {
            assert(tn_str_eq(q.params[i].name, again.params[i].name));
            assert(tn_str_eq(q.params[i].value, again.params[i].value));
            assert(q.params[i].has_value == again.params[i].has_value);
        }
    }
    tn_arena_release(&a);
    return 0;
}
