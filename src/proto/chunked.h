/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 chunked transfer coding (RFC 9112 section 7.1): a push decoder that copies no data. */

#ifndef PROTO_CHUNKED_H
#define PROTO_CHUNKED_H

#include "base/buf.h"
#include "proto/http1.h"

enum {
    TN_CHUNK_LINE_LEN_MAX = 1024, /* size and extensions of one chunk */
    TN_CHUNK_TRAILER_LEN_MAX = 8192,
    TN_CHUNK_OVERHEAD_LEN_MAX = 65536, /* of a body, beyond what its data earns: see chunked.c */
};

enum tn_chunked_event {
    TN_CHUNKED_MORE, /* `in` is used up; feed more */
    TN_CHUNKED_DATA, /* `data` holds body bytes, a view into `in` */
    TN_CHUNKED_END,  /* body and trailers are complete; what is left of `in` belongs to the next
                        request */
};

struct tn_chunked {
    uint64_t left;          /* of the chunk under way */
    uint64_t data_len;      /* body bytes so far */
    uint64_t overhead_len;  /* extension bytes so far */
    size_t line_len;        /* of the size line or trailer section under way */
    struct tn_buf trailers; /* complete lines "name: value\r\n" after TN_CHUNKED_END */
    int state;
    int size_digits;
};

void tn_chunked_init(struct tn_chunked *c);
void tn_chunked_release(struct tn_chunked *c); /* usable again */

/* Takes bytes off `in` up to the next event. An event, or TARN_EINVAL for broken framing,
 * TARN_ETOOBIG past a limit, TARN_ENOMEM; the stream is lost then. After END every call yields END
 * and takes nothing. */
TN_MUST_USE int tn_chunked_next(struct tn_chunked *c, struct tn_str *in, struct tn_str *data);

/* Walks the trailers after TN_CHUNKED_END; `pos` starts at 0. */
bool tn_chunked_trailer_next(const struct tn_chunked *c, size_t *pos, struct tn_header *out);

#endif
