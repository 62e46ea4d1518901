/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies: the first byte is the step in which the rest is fed; every step gives the same
 * data and end. */

#include <assert.h>

#include "proto/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void append(struct tn_buf *out, struct tn_str run)
{
    assert(run.len > 0);
    int rc = tn_buf_append_str(out, run);
    assert(rc == TARN_OK);
}

static int decode(struct tn_str bytes, size_t step, struct tn_buf *out, size_t *taken)
{
    struct tn_chunked c;
    tn_chunked_init(&c);
    int rc = TN_CHUNKED_MORE;
    size_t at = 0;
    while (at < bytes.len && rc == TN_CHUNKED_MORE) {
        struct tn_str in = tn_str_sub(bytes, at, step);
        size_t before = in.len;
        struct tn_str run;
        while ((rc = tn_chunked_next(&c, &in, &run)) == TN_CHUNKED_DATA)
            append(out, run);
        at += before - in.len;
        assert(rc != TN_CHUNKED_MORE || in.len == 0);
    }
    assert(c.data_len == out->len);
    struct tn_header field;
    for (size_t pos = 0; rc == TN_CHUNKED_END && tn_chunked_trailer_next(&c, &pos, &field);)
        assert(field.name.len > 0 && pos <= c.trailers.len);
    tn_chunked_release(&c);
    *taken = at;
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct tn_str bytes = { (const char *)data + 1, len - 1 };
    TN_AUTO_BUF whole = TN_BUF_INIT(SIZE_MAX / 2);
    TN_AUTO_BUF pieces = TN_BUF_INIT(SIZE_MAX / 2);
    size_t whole_taken;
    size_t pieces_taken;
    int rc = decode(bytes, SIZE_MAX, &whole, &whole_taken);
    int pieces_rc = decode(bytes, data[0] % 32 + 1, &pieces, &pieces_taken);
    assert(rc == pieces_rc);
    assert(whole_taken == pieces_taken);
    assert(tn_str_eq(tn_buf_str(&whole), tn_buf_str(&pieces)));
    assert(whole.len <= bytes.len);
    return 0;
}
