/* SPDX-License-Identifier: Apache-2.0 */
/* aws-chunked: byte 0 picks the kind, byte 1 the decoded length, byte 2 the size of pieces. Any
 * split gives the same data and the same answer, never more data than promised, and exactly that on
 * success. */

#include <assert.h>

#include "proto/aws_chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of a run through the decoder. */
struct outcome {
    struct tn_buf data;
    enum tn_aws_chunked_problem problem;
};

static void decode(const struct tn_aws_chunked_config *config, struct tn_str body, size_t step,
                   struct outcome *out)
{
    struct tn_aws_chunked d;
    tn_buf_init(&out->data, 1 << 20);
    int rc = tn_aws_chunked_init(&d, config);
    assert(rc == TARN_OK);
    for (size_t at = 0; rc == TARN_OK && at < body.len; at += step) {
        struct tn_str in = tn_str_sub(body, at, step);
        while (rc == TARN_OK && in.len) {
            struct tn_str run;
            size_t before = in.len;
            rc = tn_aws_chunked_next(&d, &in, &run, NULL);
            assert(rc < 0 || in.len < before);
            assert(rc == TARN_OK || run.len == 0);
            int appended = tn_buf_append_str(&out->data, run);
            assert(appended == TARN_OK);
        }
    }
    if (rc == TARN_OK)
        rc = tn_aws_chunked_finish(&d, NULL);
    out->problem = d.problem;
    assert((rc == TARN_OK) == (d.problem == TN_AWS_CHUNKED_FINE));
    assert(out->data.len <= config->decoded_len);
    assert(rc < 0 || out->data.len == config->decoded_len);
    tn_aws_chunked_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum tn_sigv4_payload kinds[] = { TN_SIGV4_PAYLOAD_STREAM_SIGNED,
                                                   TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,
                                                   TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER };
    if (size < 3)
        return 0;
    struct tn_sigv4_chain chain = { .time = "20130524T000000Z", .scope = "s" };
    struct tn_aws_chunked_config config = { .payload = kinds[data[0] % 3],
                                            .decoded_len = data[1],
                                            .trailer_names = TN_STR("x-amz-checksum-crc32,a"),
                                            .chain = &chain,
                                            .is_unchecked = (data[0] & 4) != 0 };
    chain.key[0] = 1; /* a private key, too */
    chain.is_asymmetric = (data[0] & 16) != 0;
    if (data[0] & 8)
        config.trailer_names = TN_STR_EMPTY;
    struct tn_str body = { (const char *)data + 3, size - 3 };
    struct outcome whole;
    struct outcome pieces;
    decode(&config, body, body.len + 1, &whole);
    decode(&config, body, data[2] % 16 + 1u, &pieces);
    assert(whole.problem == pieces.problem);
    size_t shorter = whole.data.len < pieces.data.len ? whole.data.len : pieces.data.len;
    assert(memcmp(whole.data.data, pieces.data.data, shorter) == 0);
    assert(whole.problem || whole.data.len == pieces.data.len);
    tn_buf_release(&whole.data);
    tn_buf_release(&pieces.data);
    return 0;
}
