/* SPDX-License-Identifier: Apache-2.0 */
/* The aws-chunked body encoding: a push decoder that checks chunk signatures and trailer, and an
 * encoder.
 *
 * The decoder hands out data before the chunk's signature is known (it never buffers a chunk): the
 * caller must not commit anything before tn_aws_chunked_finish() has answered TARN_OK. */

#ifndef PROTO_AWS_CHUNKED_H
#define PROTO_AWS_CHUNKED_H

#include "base/hash.h"
#include "proto/sigv4.h"

enum {
    TN_AWS_CHUNK_HEAD_LEN_MAX = 256,         /* size, extensions, CRLF */
    TN_AWS_CHUNK_TRAILER_LEN_MAX = 4 * 1024, /* all trailer lines */
    TN_AWS_CHUNK_TRAILER_COUNT_MAX = 16,
};
#define TN_AWS_CHUNK_SIZE_MAX (5ull * 1024 * 1024 * 1024)

/* The S3 answer that fits a failure. */
enum tn_aws_chunked_problem {
    TN_AWS_CHUNKED_FINE,
    TN_AWS_CHUNKED_MALFORMED,  /* InvalidRequest: not the encoding, a limit passed */
    TN_AWS_CHUNKED_SIGNATURE,  /* SignatureDoesNotMatch */
    TN_AWS_CHUNKED_INCOMPLETE, /* IncompleteBody: ended early, or not the decoded length that was
                                  promised */
    TN_AWS_CHUNKED_TRAILER,    /* MalformedTrailerError: not the trailer that was promised */
};

struct tn_aws_chunked_config {
    enum tn_sigv4_payload payload;      /* one of the three STREAM ones */
    uint64_t decoded_len;               /* x-amz-decoded-content-length */
    struct tn_str trailer_names;        /* x-amz-trailer, "a,b"; must live as long as the decoder */
    const struct tn_sigv4_chain *chain; /* for the signed ones; copied */
    bool is_unchecked; /* signed ones: read the signatures, believe them (`auth: off`); needs no
                          chain */
};

/* One thread at a time. Owns one allocation-free state and, when signed, a digest. */
struct tn_aws_chunked {
    int state;
    enum tn_aws_chunked_problem problem; /* after a failure */
    enum tn_sigv4_payload payload;
    uint64_t decoded_len;
    uint64_t seen;      /* data bytes handed out */
    uint64_t chunk_len; /* of this chunk */
    uint64_t left;      /* of this chunk, still to come */
    uint32_t head_len;
    uint32_t trailer_len;
    uint32_t trailer_end; /* bytes of whole lines in `trailer` */
    uint32_t trailer_count;
    uint32_t blank_count;
    bool has_trailer_signature;
    bool is_checked; /* signatures are */
    char head[TN_AWS_CHUNK_HEAD_LEN_MAX];
    char trailer[TN_AWS_CHUNK_TRAILER_LEN_MAX];      /* "name:value\n" lines */
    char expected[TN_SIGV4_CHAIN_SIGNATURE_LEN_MAX]; /* what the chunk's head claims */
    uint32_t expected_len;
    struct tn_str trailer_names;
    struct tn_sigv4_chain chain;
    struct tn_hash hash;
};

/* TARN_EINVAL when the payload kind is no streaming one or lacks its chain, TARN_ENOMEM. */
TN_MUST_USE int tn_aws_chunked_init(struct tn_aws_chunked *d,
                                    const struct tn_aws_chunked_config *config);
void tn_aws_chunked_release(struct tn_aws_chunked *d); /* accepts a zeroed one; wipes the key */

/* Consumes from the front of `in` up to and including the next run of data, and points `data` to
 * that run (inside `in`). `data` is empty when `in` is used up. Call it until `in` is empty. A
 * failure is final. TARN_EINVAL, TARN_ETOOBIG, TARN_EDENIED (signature); err->s3_code tells the S3
 * error. */
TN_MUST_USE int tn_aws_chunked_next(struct tn_aws_chunked *d, struct tn_str *in,
                                    struct tn_str *data, struct tarn_error *err);

/* The same for all of `bytes`, in place: the data moves to the front and `len` becomes its length.
 */
TN_MUST_USE int tn_aws_chunked_compact(struct tn_aws_chunked *d, char *bytes, size_t *len,
                                       struct tarn_error *err);

/* After the last byte of the body: TARN_OK only when all was there, complete and signed as
 * promised. TARN_EEOF when it ended early. */
TN_MUST_USE int tn_aws_chunked_finish(struct tn_aws_chunked *d, struct tarn_error *err);

/* After finish: the value of a trailer field, TARN_ENOTFOUND when it was not sent. Views of the
 * decoder. */
TN_MUST_USE int tn_aws_chunked_trailer(const struct tn_aws_chunked *d, struct tn_str name,
                                       struct tn_str *value);

/* ---- Encoding ---- */

/* Length of the encoded body: `data_len` bytes cut into chunks of `chunk_len` (the last may be
 * shorter) and one trailer line "name:value" of `trailer_len` characters (0: no trailer; not for
 * the -TRAILER kinds). TARN_EINVAL when chunk_len is 0 or too large, or the sum overflows. */
TN_MUST_USE int tn_aws_chunked_encoded_len(enum tn_sigv4_payload payload, uint64_t data_len,
                                           uint64_t chunk_len, size_t trailer_len, uint64_t *out);

/* Each appends to `out` (unchanged on failure). One chunk on the wire: head, data, "\r\n"; the data
 * is not copied and "\r\n" is the caller's to send. `chain` is NULL for the unsigned kind, and
 * moves on otherwise (after TARN_ENOMEM it must not be used again). `data_len` is not 0: the empty
 * chunk is tn_aws_chunked_end(). */
TN_MUST_USE int tn_aws_chunked_head(struct tn_buf *out, struct tn_sigv4_chain *chain,
                                    const void *data, size_t data_len);

/* The final chunk, the trailer line (name lower case; empty: none) with its signature, and the last
 * CRLF. */
TN_MUST_USE int tn_aws_chunked_end(struct tn_buf *out, struct tn_sigv4_chain *chain,
                                   struct tn_str name, struct tn_str value);

#endif
