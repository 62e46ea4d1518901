/* SPDX-License-Identifier: Apache-2.0 */
/* aws-chunked: the published examples in every split, and bodies that must be refused. */

#include "proto/aws_chunked.h"

#include "proto/sigv4a.h"
#include "unit/proto/sigv4_vector.h"

#define SIGNED TN_SIGV4_PAYLOAD_STREAM_SIGNED
#define SIGNED_TRAILER TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER
#define UNSIGNED TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER

enum { EXAMPLE_LEN = 66560, EXAMPLE_CHUNK_LEN = 65536 };

static void chain_of(const struct vector *v, struct tn_sigv4_chain *chain)
{
    struct tn_sigv4_key key = { 0 };
    assert_int_equal(tn_sigv4_key_get(&key, vector_secret, TN_STR("20130524"), TN_STR("us-east-1"),
                                      TN_STR("s3")),
                     TARN_OK);
    assert_int_equal(tn_sigv4_chain_init(chain, key.bytes, VECTOR_NOW,
                                         TN_STR("20130524/us-east-1/s3/aws4_request"),
                                         v->signature),
                     TARN_OK);
}

/* The example's body as its client would send it; checks each signature on the way. */
static void encode_example(const struct vector *v, struct tn_buf *out)
{
    TN_AUTO_BUF data = TN_BUF_INIT(EXAMPLE_LEN);
    assert_int_equal(tn_buf_reserve(&data, EXAMPLE_LEN), TARN_OK);
    memset(data.data, 'a', EXAMPLE_LEN);
    struct tn_sigv4_chain chain;
    chain_of(v, &chain);
    for (size_t at = 0, i = 0; at < EXAMPLE_LEN; at += EXAMPLE_CHUNK_LEN, i++) {
        size_t len = EXAMPLE_LEN - at < EXAMPLE_CHUNK_LEN ? EXAMPLE_LEN - at : EXAMPLE_CHUNK_LEN;
        assert_int_equal(tn_aws_chunked_head(out, &chain, data.data + at, len), TARN_OK);
        assert_true(tn_str_eq(tn_str_from(chain.previous), v->chunks[i]));
        assert_int_equal(tn_buf_append(out, data.data + at, len), TARN_OK);
        assert_int_equal(tn_buf_append_text(out, "\r\n"), TARN_OK);
    }
    struct tn_str value = v->trailer;
    struct tn_str name = tn_str_split(&value, ':');
    assert_int_equal(tn_aws_chunked_end(out, &chain, name, value), TARN_OK);
    struct tn_str last = v->trailer.len ? v->trailer_signature : v->chunks[v->chunk_count - 1];
    assert_true(tn_str_eq(tn_str_from(chain.previous), last));
}

/* Decodes `body` in pieces of `step` bytes; the data goes to `out`. */
static int decode(const struct tn_aws_chunked_config *config, struct tn_str body, size_t step,
                  struct tn_buf *out, struct tn_aws_chunked *d)
{
    assert_int_equal(tn_aws_chunked_init(d, config), TARN_OK);
    int rc = TARN_OK;
    for (size_t at = 0; rc == TARN_OK && at < body.len; at += step) {
        struct tn_str in = tn_str_sub(body, at, step);
        while (rc == TARN_OK && in.len) {
            struct tn_str data;
            rc = tn_aws_chunked_next(d, &in, &data, NULL);
            if (rc == TARN_OK)
                assert_int_equal(tn_buf_append_str(out, data), TARN_OK);
        }
    }
    return rc < 0 ? rc : tn_aws_chunked_finish(d, NULL);
}

static void test_example(const char *name, enum tn_sigv4_payload payload)
{
    struct vector v;
    vector_load(&v, name);
    TN_AUTO_BUF body = TN_BUF_INIT(2 * EXAMPLE_LEN);
    encode_example(&v, &body);
    uint64_t len;
    assert_int_equal(
        tn_aws_chunked_encoded_len(payload, EXAMPLE_LEN, EXAMPLE_CHUNK_LEN, v.trailer.len, &len),
        TARN_OK);
    assert_int_equal(len, body.len);
    if (v.encoded_len)
        assert_int_equal(len, v.encoded_len);

    struct tn_sigv4_chain chain;
    chain_of(&v, &chain);
    struct tn_aws_chunked_config config = { .payload = payload,
                                            .decoded_len = EXAMPLE_LEN,
                                            .chain = &chain,
                                            .trailer_names = v.trailer.len
                                                                 ? TN_STR("x-amz-checksum-crc32c")
                                                                 : TN_STR_EMPTY };
    const size_t steps[] = { 1, 2, 3, 7, 85, 86, 87, 4096, 65536, 1 << 20 };
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        TN_AUTO_BUF data = TN_BUF_INIT(EXAMPLE_LEN);
        struct tn_aws_chunked d;
        assert_int_equal(decode(&config, tn_buf_str(&body), steps[i], &data, &d), TARN_OK);
        assert_int_equal(data.len, EXAMPLE_LEN);
        struct tn_str value;
        if (v.trailer.len) {
            assert_int_equal(tn_aws_chunked_trailer(&d, TN_STR("X-Amz-Checksum-Crc32c"), &value),
                             TARN_OK);
            assert_str_equal(value, "sOO8/Q==");
        }
        tn_aws_chunked_release(&d);
    }

    /* One changed bit anywhere (a stride keeps it quick) is noticed. */
    for (size_t at = 0; at < body.len; at += at % 65700 < 300 ? 1 : 997) {
        TN_AUTO_BUF data = TN_BUF_INIT(2 * EXAMPLE_LEN);
        struct tn_aws_chunked d;
        body.data[at] = (char)(body.data[at] ^ 1);
        assert_true(decode(&config, tn_buf_str(&body), body.len, &data, &d) < 0);
        body.data[at] = (char)(body.data[at] ^ 1);
        tn_aws_chunked_release(&d);
    }
    tn_buf_release(&v.text);
}

static void test_signed_example(void **state)
{
    (void)state;
    test_example("chunked-put", SIGNED);
}

static void test_signed_trailer_example(void **state)
{
    (void)state;
    test_example("chunked-put-trailer", SIGNED_TRAILER);
}

/* --- Version 4A --- */

#define SEED                                                                                       \
    "3045022100d590c31a358724d9a9ae68f9c7e1be9c9d7325c1a6c60e9d7a9d7c3d7f1eb74e02203942d42ffdec66" \
    "b1280163e85fdf405407d296bd352ba8da31a054857121b0e4"
#define FIRST                                                                                      \
    "304402205e1eaa63123cf5f7054257878af3031e1ef079d01da19bf58d1186f864a68d4402201d3809d93200e6e1" \
    "a3b18a8d83d01c446427020c009644fa0629925f4c1ef831"
#define SECOND                                                                                     \
    "304502205d3b5d334e4848843364cbeff4a6ebbd6fb48d85a39c6f236e01fb2130a2b3040221009e56ddf74fb4f7" \
    "4dd05ee3bf5f545ff76683a4546fd45125131a17c118c57a24"
#define LAST                                                                                       \
    "304502200d2bc08ceb2582d7e60f97d37f9b2d634252ffbe3abb2cd0594b99bf8b29e32a0221008c62fc8f35a156" \
    "74e3f9610980fafdeb922d73d9bbbcc2a44c1e9b9e347dcfa2"
#define TRAILER                                                                                    \
    "3045022035f7af66804ed6d324dbdf294d3c83f8d72dcd8f1594ada68beefc9950e18b4f022100cda901000221c8" \
    "330f5d74909731b69453c80d915835fdca970aed11b9918a72"
#define CRC_LINE "x-amz-checksum-crc32:DUoRhQ==\r\n"
#define ENDED "0;chunk-signature=" LAST "**\r\n"

static const char asymmetric_body[] =
    "5;chunk-signature=" FIRST "****\r\nhello\r\n6;chunk-signature=" SECOND
    "**\r\n world\r\n" ENDED CRC_LINE "x-amz-trailer-signature:" TRAILER "**\r\n\r\n";

static const struct {
    const char *name;
    const char *body;
    enum tn_aws_chunked_problem problem;
} asymmetric_bodies[] = {
    { "padded", asymmetric_body, TN_AWS_CHUNKED_FINE },
    { "not padded",
      "5;chunk-signature=" FIRST "\r\nhello\r\n6;chunk-signature=" SECOND
      "\r\n world\r\n0;chunk-signature=" LAST "\r\n" CRC_LINE "x-amz-trailer-signature:" TRAILER
      "\r\n",
      TN_AWS_CHUNKED_FINE },
    { "chunks changed places",
      "6;chunk-signature=" SECOND "\r\n world\r\n5;chunk-signature=" FIRST "\r\nhello\r\n",
      TN_AWS_CHUNKED_SIGNATURE },
    { "the same chunk twice",
      "5;chunk-signature=" FIRST "\r\nhello\r\n5;chunk-signature=" FIRST "\r\nhello\r\n",
      TN_AWS_CHUNKED_SIGNATURE },
    { "padding alone",
      "5;chunk-signature=****************************************************************\r\nhello",
      TN_AWS_CHUNKED_SIGNATURE },
    { "padding too long", "5;chunk-signature=" FIRST "*****\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "padding in front", "5;chunk-signature=****" FIRST "\r\nhello", TN_AWS_CHUNKED_SIGNATURE },
    { "of version 4",
      "5;chunk-signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\nhello",
      TN_AWS_CHUNKED_SIGNATURE },
    { "too short", "5;chunk-signature=3006020101020101\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "the trailer's signature is another's",
      "5;chunk-signature=" FIRST "\r\nhello\r\n6;chunk-signature=" SECOND
      "\r\n world\r\n" ENDED CRC_LINE "x-amz-trailer-signature:" LAST "\r\n\r\n",
      TN_AWS_CHUNKED_SIGNATURE },
    { "the trailer's signature is missing",
      "5;chunk-signature=" FIRST "\r\nhello\r\n6;chunk-signature=" SECOND
      "\r\n world\r\n" ENDED CRC_LINE "\r\n",
      TN_AWS_CHUNKED_TRAILER },
};

static int decode_asymmetric(struct tn_str body, size_t step, struct tn_aws_chunked *d)
{
    unsigned char scalar[TN_SIGV4A_SCALAR_LEN];
    struct tn_sigv4_chain chain;
    TN_AUTO_BUF data = TN_BUF_INIT(1024);
    struct tn_aws_chunked_config config = { .payload = SIGNED_TRAILER,
                                            .decoded_len = 11,
                                            .trailer_names = TN_STR("x-amz-checksum-crc32"),
                                            .chain = &chain };
    assert_int_equal(tn_sigv4a_derive(vector_access_key, vector_secret, scalar), TARN_OK);
    assert_int_equal(tn_sigv4a_chain_init(&chain, scalar, VECTOR_NOW,
                                          TN_STR("20130524/s3/aws4_request"), TN_STR(SEED)),
                     TARN_OK);
    int rc = decode(&config, body, step, &data, d);
    if (rc == TARN_OK)
        assert_str_equal(tn_buf_str(&data), "hello world");
    tn_aws_chunked_release(d);
    return rc;
}

static void test_asymmetric(void **state)
{
    (void)state;
    struct tn_aws_chunked d;
    const size_t steps[] = { 1, 7, 161, 4096 };
    for (size_t i = 0; i < TN_COUNT(asymmetric_bodies); i++) {
        struct tn_str body = tn_str_from(asymmetric_bodies[i].body);
        for (size_t s = 0; s < TN_COUNT(steps); s++) {
            int rc = decode_asymmetric(body, steps[s], &d);
            if (d.problem != asymmetric_bodies[i].problem || (rc == TARN_OK) != (d.problem == 0))
                fail_msg("%s: problem %d", asymmetric_bodies[i].name, d.problem);
        }
    }

    char changed[sizeof asymmetric_body];
    memcpy(changed, asymmetric_body, sizeof changed);
    for (size_t at = 0; at < sizeof changed - 1; at++) {
        changed[at] = (char)(changed[at] ^ 1);
        if (decode_asymmetric(tn_str_from(changed), sizeof changed, &d) == TARN_OK)
            fail_msg("byte %zu was changed", at);
        changed[at] = (char)(changed[at] ^ 1);
    }
}

/* A chain that cannot be begun is left as it was. */
static void test_asymmetric_chain(void **state)
{
    (void)state;
    static const unsigned char scalar[TN_SIGV4A_SCALAR_LEN] = { 1 };
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    struct tn_str text = { long_text, sizeof long_text };
    struct tn_sigv4_chain chain = { .time = "before" };
    assert_int_equal(tn_sigv4a_chain_init(&chain, scalar, VECTOR_NOW, text, TN_STR(SEED)),
                     TARN_EINVAL);
    assert_int_equal(tn_sigv4a_chain_init(&chain, scalar, VECTOR_NOW, TN_STR("s"), text),
                     TARN_EINVAL);
    assert_string_equal(chain.time, "before");
}

#define CRC "x-amz-checksum-crc32"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* All but the first column of problems: how S3 would answer. Signed kinds run unchecked here. */
static const struct {
    const char *name;
    enum tn_sigv4_payload payload;
    uint64_t decoded_len;
    const char *names;
    const char *body;
    enum tn_aws_chunked_problem problem;
} bodies[] = {
    { "with trailer", UNSIGNED, 5, CRC, "5\r\nhello\r\n0\r\n" CRC ":abc=\r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "two chunks", UNSIGNED, 5, CRC, "3\r\nhel\r\n2\r\nlo\r\n0\r\n" CRC ":a\r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "no trailer named", UNSIGNED, 5, "", "5\r\nhello\r\n0\r\n\r\n", TN_AWS_CHUNKED_FINE },
    { "empty", UNSIGNED, 0, "", "0\r\n\r\n", TN_AWS_CHUNKED_FINE },
    { "blanks in the trailer", UNSIGNED, 0, " " CRC " ", "0\r\n" CRC ":  a \r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "upper case", UNSIGNED, 10, "X-AMZ-CHECKSUM-CRC32",
      "A\r\n0123456789\r\n0\r\nX-Amz-Checksum-Crc32:a\r\n\r\n", TN_AWS_CHUNKED_FINE },
    { "trailer lines end in LF", UNSIGNED, 0, CRC, "0\r\n" CRC ":a\n\r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "no blank line at the end", UNSIGNED, 0, CRC, "0\r\n" CRC ":a\r\n", TN_AWS_CHUNKED_FINE },
    { "blank line before the trailer", UNSIGNED, 0, CRC, "0\r\n\r\n" CRC ":a\r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "two trailers", UNSIGNED, 0, CRC ",x-amz-b", "0\r\nx-amz-b:1\r\n" CRC ":a\r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "signed", SIGNED, 1, "",
      "1;chunk-signature=" HEX64 "\r\nx\r\n0;chunk-signature=" HEX64 "\r\n\r\n",
      TN_AWS_CHUNKED_FINE },
    { "signed trailer", SIGNED_TRAILER, 0, CRC,
      "0;chunk-signature=" HEX64 "\r\n" CRC ":a\n\r\nx-amz-trailer-signature:" HEX64 "\r\n\r\n",
      TN_AWS_CHUNKED_FINE },

    { "nothing", UNSIGNED, 0, "", "", TN_AWS_CHUNKED_INCOMPLETE },
    { "no final chunk", UNSIGNED, 5, "", "5\r\nhello\r\n", TN_AWS_CHUNKED_INCOMPLETE },
    { "cut in the data", UNSIGNED, 5, "", "5\r\nhel", TN_AWS_CHUNKED_INCOMPLETE },
    { "cut in the head", UNSIGNED, 5, "", "5", TN_AWS_CHUNKED_INCOMPLETE },
    { "cut in the trailer", UNSIGNED, 0, CRC, "0\r\n" CRC ":a", TN_AWS_CHUNKED_INCOMPLETE },
    { "cut between CR and LF", UNSIGNED, 1, "", "1\r\nx\r", TN_AWS_CHUNKED_INCOMPLETE },
    { "less than promised", UNSIGNED, 6, "", "5\r\nhello\r\n0\r\n\r\n", TN_AWS_CHUNKED_INCOMPLETE },
    { "more than promised", UNSIGNED, 4, "", "5\r\nhello\r\n0\r\n\r\n", TN_AWS_CHUNKED_INCOMPLETE },
    { "no size", UNSIGNED, 5, "", "\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "size not a number", UNSIGNED, 5, "", "5x\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "negative", UNSIGNED, 5, "", "-5\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "blank before the size", UNSIGNED, 5, "", " 5\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "prefix 0x", UNSIGNED, 5, "", "0x5\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "16 digits", UNSIGNED, UINT64_MAX, "", "ffffffffffffffff\r\nx", TN_AWS_CHUNKED_MALFORMED },
    { "17 digits", UNSIGNED, 5, "", "00000000000000005\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "past 5 GiB", UNSIGNED, UINT64_MAX, "", "140000001\r\nx", TN_AWS_CHUNKED_MALFORMED },
    { "head ends in LF", UNSIGNED, 5, "", "5\nhello\r\n0\r\n\r\n", TN_AWS_CHUNKED_MALFORMED },
    { "data too long", UNSIGNED, 5, "", "5\r\nhelloo\r\n0\r\n\r\n", TN_AWS_CHUNKED_MALFORMED },
    { "data ends in LF", UNSIGNED, 5, "", "5\r\nhello\n0\r\n\r\n", TN_AWS_CHUNKED_MALFORMED },
    { "signature where there is none", UNSIGNED, 5, "", "5;chunk-signature=" HEX64 "\r\nhello",
      TN_AWS_CHUNKED_MALFORMED },
    { "extension", UNSIGNED, 5, "", "5;a=b\r\nhello", TN_AWS_CHUNKED_MALFORMED },
    { "no signature", SIGNED, 1, "", "1\r\nx\r\n", TN_AWS_CHUNKED_MALFORMED },
    { "short signature", SIGNED, 1, "", "1;chunk-signature=00\r\nx\r\n", TN_AWS_CHUNKED_MALFORMED },
    { "many blank lines", UNSIGNED, 0, "", "0\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
      TN_AWS_CHUNKED_MALFORMED },
    { "trailer missing", UNSIGNED, 0, CRC, "0\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "another trailer", UNSIGNED, 0, CRC, "0\r\nx-amz-checksum-sha1:a\r\n\r\n",
      TN_AWS_CHUNKED_TRAILER },
    { "trailer not promised", UNSIGNED, 0, "", "0\r\n" CRC ":a\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "trailer twice", UNSIGNED, 0, CRC, "0\r\n" CRC ":a\r\n" CRC ":b\r\n\r\n",
      TN_AWS_CHUNKED_TRAILER },
    { "trailer without colon", UNSIGNED, 0, CRC, "0\r\n" CRC "\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "trailer without name", UNSIGNED, 0, CRC, "0\r\n:a\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "trailer name with a blank", UNSIGNED, 0, CRC, "0\r\n" CRC " :a\r\n\r\n",
      TN_AWS_CHUNKED_TRAILER },
    { "trailer signed, chunks not", UNSIGNED, 0, "",
      "0\r\nx-amz-trailer-signature:" HEX64 "\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "trailer of a kind without", SIGNED, 0, CRC,
      "0;chunk-signature=" HEX64 "\r\n" CRC ":a\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "trailer not signed", SIGNED_TRAILER, 0, CRC,
      "0;chunk-signature=" HEX64 "\r\n" CRC ":a\r\n\r\n", TN_AWS_CHUNKED_TRAILER },
    { "more behind the signature", SIGNED_TRAILER, 0, CRC,
      "0;chunk-signature=" HEX64 "\r\nx-amz-trailer-signature:" HEX64 "\r\n" CRC ":a\r\n\r\n",
      TN_AWS_CHUNKED_TRAILER },
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(bodies); i++) {
        struct tn_str body = tn_str_from(bodies[i].body);
        for (size_t step = 1; step <= body.len + 1; step++) {
            struct tn_aws_chunked_config config = { .payload = bodies[i].payload,
                                                    .decoded_len = bodies[i].decoded_len,
                                                    .trailer_names = tn_str_from(bodies[i].names),
                                                    .is_unchecked = true };
            TN_AUTO_BUF data = TN_BUF_INIT(1024);
            struct tn_aws_chunked d;
            int rc = decode(&config, body, step, &data, &d);
            if (d.problem != bodies[i].problem || (rc == TARN_OK) != (d.problem == 0))
                fail_msg("%s, step %zu: problem %d", bodies[i].name, step, d.problem);
            if (rc == TARN_OK)
                assert_int_equal(data.len, bodies[i].decoded_len);
            else
                assert_int_equal(tn_aws_chunked_finish(&d, NULL), rc); /* final */
            tn_aws_chunked_release(&d);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    const struct tn_aws_chunked_config config = { .payload = UNSIGNED,
                                                  .trailer_names = TN_STR("a") };
    TN_AUTO_BUF body = TN_BUF_INIT(65536);
    TN_AUTO_BUF data = TN_BUF_INIT(65536);
    struct tn_aws_chunked d;
    for (int i = 0; i < TN_AWS_CHUNK_HEAD_LEN_MAX + 1; i++)
        assert_int_equal(tn_buf_append_char(&body, '0'), TARN_OK);
    assert_int_equal(decode(&config, tn_buf_str(&body), 10, &data, &d), TARN_EINVAL);
    assert_int_equal(d.problem, TN_AWS_CHUNKED_MALFORMED);

    tn_buf_truncate(&body, 0);
    assert_int_equal(tn_buf_append_text(&body, "0\r\na:"), TARN_OK);
    for (int i = 0; i < TN_AWS_CHUNK_TRAILER_LEN_MAX; i++)
        assert_int_equal(tn_buf_append_char(&body, 'v'), TARN_OK);
    assert_int_equal(decode(&config, tn_buf_str(&body), 10, &data, &d), TARN_EINVAL);
    assert_int_equal(d.problem, TN_AWS_CHUNKED_MALFORMED);
}

static void test_compact(void **state)
{
    (void)state;
    char body[] = "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    size_t len = sizeof body - 1;
    struct tn_aws_chunked_config config = { .payload = UNSIGNED, .decoded_len = 5 };
    struct tn_aws_chunked d;
    struct tarn_error err = { 0 };
    assert_int_equal(tn_aws_chunked_init(&d, &config), TARN_OK);
    assert_int_equal(tn_aws_chunked_compact(&d, body, &len, &err), TARN_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(body, "hello", 5);
    assert_int_equal(tn_aws_chunked_finish(&d, &err), TARN_OK);

    len = 1;
    assert_int_equal(tn_aws_chunked_compact(&d, body, &len, &err),
                     TARN_OK); /* an unfinished line */
    assert_int_equal(tn_aws_chunked_finish(&d, &err), TARN_EEOF);
    assert_string_equal(err.s3_code, "IncompleteBody");
    tn_aws_chunked_release(&d);
}

static void test_config(void **state)
{
    (void)state;
    struct tn_aws_chunked d = { .seen = 42 };
    struct tn_aws_chunked_config config = { .payload = TN_SIGV4_PAYLOAD_HASH };
    assert_int_equal(tn_aws_chunked_init(&d, &config), TARN_EINVAL);
    config.payload = SIGNED;
    assert_int_equal(tn_aws_chunked_init(&d, &config), TARN_EINVAL);
    assert_int_equal(d.seen, 42);
    uint64_t len = 7;
    assert_int_equal(tn_aws_chunked_encoded_len(SIGNED, 5, 0, 0, &len), TARN_EINVAL);
    assert_int_equal(tn_aws_chunked_encoded_len(SIGNED, UINT64_MAX, 1, 0, &len), TARN_EINVAL);
    assert_int_equal(tn_aws_chunked_encoded_len(SIGNED, 5, TN_AWS_CHUNK_SIZE_MAX + 1, 0, &len),
                     TARN_EINVAL);
    assert_int_equal(len, 7);
}

/* Unsigned, as a client sends it: length and bytes agree for many sizes. */
static void test_encode_unsigned(void **state)
{
    (void)state;
    static const char data[100] = "data";
    for (size_t total = 0; total <= sizeof data; total++) {
        for (size_t chunk = 1; chunk <= 33; chunk += 4) {
            TN_AUTO_BUF body = TN_BUF_INIT(65536);
            for (size_t at = 0; at < total; at += chunk) {
                size_t len = total - at < chunk ? total - at : chunk;
                assert_int_equal(tn_aws_chunked_head(&body, NULL, data + at, len), TARN_OK);
                assert_int_equal(tn_buf_append(&body, data + at, len), TARN_OK);
                assert_int_equal(tn_buf_append_text(&body, "\r\n"), TARN_OK);
            }
            assert_int_equal(tn_aws_chunked_end(&body, NULL, TN_STR(CRC), TN_STR("AAAAAA==")),
                             TARN_OK);
            uint64_t len;
            assert_int_equal(
                tn_aws_chunked_encoded_len(UNSIGNED, total, chunk, sizeof CRC - 1 + 1 + 8, &len),
                TARN_OK);
            assert_int_equal(len, body.len);
            struct tn_aws_chunked_config config = { .payload = UNSIGNED,
                                                    .decoded_len = total,
                                                    .trailer_names = TN_STR(CRC) };
            TN_AUTO_BUF out = TN_BUF_INIT(1024);
            struct tn_aws_chunked d;
            assert_int_equal(decode(&config, tn_buf_str(&body), 13, &out, &d), TARN_OK);
            assert_int_equal(out.len, total);
            assert_memory_equal(out.data, data, total);
        }
    }
}

static int encode_end(void *arg)
{
    struct tn_sigv4_chain chain = *(const struct tn_sigv4_chain *)arg;
    TN_AUTO_BUF out = TN_BUF_INIT(4096);
    int rc = tn_aws_chunked_head(&out, &chain, "x", 1);
    size_t len = out.len;
    if (rc == TARN_OK) {
        rc = tn_aws_chunked_end(&out, &chain, TN_STR(CRC), TN_STR("AAAAAA=="));
        assert_true(rc == TARN_OK || out.len == len);
    }
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct vector v;
    vector_load(&v, "chunked-put");
    struct tn_sigv4_chain chain;
    chain_of(&v, &chain);
    t_oom_sweep(encode_end, &chain);
    tn_buf_release(&v.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed_example),  cmocka_unit_test(test_signed_trailer_example),
        cmocka_unit_test(test_bodies),          cmocka_unit_test(test_limits),
        cmocka_unit_test(test_compact),         cmocka_unit_test(test_config),
        cmocka_unit_test(test_encode_unsigned), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_asymmetric),      cmocka_unit_test(test_asymmetric_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
