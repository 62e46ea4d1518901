/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way through a cipher: one that is written, one that is read. */

#ifndef SERVER_API_SSE_STREAM_H
#define SERVER_API_SSE_STREAM_H

#include "server/api/sse.h"

/* A body that is written: gathers blocks. In the request's arena; what it holds goes with it. */
struct sse_stream {
    struct sse sse;
    struct sse_cipher *cipher;
    unsigned char tag_key[SSE_KEY_LEN]; /* makes the entity tag of what must not tell its MD5 */
    uint64_t block;                     /* number of the one being gathered */
    size_t len;                         /* of it, so far */
    unsigned char *plain;               /* SSE_BLOCK_LEN bytes */
    unsigned char *sealed;
};

TN_MUST_USE int sse_stream_begin(struct tn_arena *a, struct sse_stream *s, const struct sse *sse,
                                 const unsigned char key[SSE_KEY_LEN]);

/* One encrypted body of the object: the object itself, or a part. */
struct sse_piece {
    uint64_t offset; /* in the clear */
    uint64_t len;
    uint64_t sealed_offset;
};

/* An object that is read: its pieces, and the block that was opened last. */
struct sse_reader {
    unsigned char key[SSE_KEY_LEN];
    uint64_t len; /* in the clear */
    struct sse_piece *pieces;
    size_t piece_count;
    size_t piece; /* whose cipher this is; SIZE_MAX: none yet */
    struct sse_cipher *cipher;
    unsigned char salt[SSE_SALT_LEN]; /* of an object without parts */
    uint64_t block_offset;            /* in the clear */
    size_t block_len;                 /* 0: none */
    unsigned char *block;
    unsigned char *sealed;
};

TN_MUST_USE int sse_reader_new(struct tn_arena *a, struct sse_reader **out);

/* Finds the pieces of r->object. May wait. */
TN_MUST_USE int sse_reader_open(struct api_req *r, struct sse_reader *reader, const struct sse *sse,
                                struct tarn_error *err);

TN_MUST_USE int sse_decode(struct tn_str text, struct sse *out); /* TARN_ECORRUPT */

#endif
