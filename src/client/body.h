/* SPDX-License-Identifier: Apache-2.0 */
/* What a request sends: bytes, a piece of a file, or a pipe; bare, or as aws-chunked with its
 * checksum behind it. */

#ifndef CLIENT_BODY_H
#define CLIENT_BODY_H

#include "base/buf.h"
#include "client/pipe.h"
#include "client/waiter.h"
#include "proto/checksum.h"

enum tn_body_kind { TN_BODY_NONE, TN_BODY_BYTES, TN_BODY_FILE, TN_BODY_PIPE };

enum { TN_BODY_FRAME_MAX = 256 };

/* Results of tn_body_read besides a count. */
#define TN_BODY_WAIT ((int64_t)-1000) /* the pipe is empty */

struct tn_body {
    enum tn_body_kind kind;
    const char *bytes; /* borrowed */
    int fd;            /* borrowed; read with pread */
    uint64_t offset;
    uint64_t len; /* of the data */
    struct tn_pipe *pipe;
    struct tn_waiter *waiter;

    enum tn_checksum_kind checksum; /* NONE: none is sent */
    struct tn_checksum_value value; /* of all data */
    bool has_value;
    bool is_chunked; /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */

    uint64_t sent;      /* data bytes of this attempt */
    size_t frame_sent;  /* bytes of `frame` that are out */
    bool is_frame_tail; /* `frame` holds what follows the data */
    struct tn_checksum sum;
    struct tn_buf frame;
    int rc; /* why reading failed */
};

void tn_body_init(struct tn_body *b);
void tn_body_release(struct tn_body *b);

/* Computes the checksum ahead, reading files once more; TARN_ENOTSUPPORTED for a pipe. */
TN_MUST_USE int tn_body_sum_ahead(struct tn_body *b);

/* Computes the MD5 by reading the file or the bytes once more; TARN_ENOTSUPPORTED for a
 * pipe. */
TN_MUST_USE int tn_body_md5(const struct tn_body *b, unsigned char out[TN_MD5_LEN]);

/* Back to the first byte, before each attempt. A pipe must be rewound by its owner. */
TN_MUST_USE int tn_body_start(struct tn_body *b);

/* Bytes on the wire: Content-Length. */
uint64_t tn_body_wire_len(const struct tn_body *b);

/* Up to `cap` bytes: a count, 0 at the end, TN_BODY_WAIT, or a negative TARN_E (TARN_ECONFLICT: the
 * file has become shorter). */
int64_t tn_body_read(struct tn_body *b, char *out, size_t cap);

/* The same for who can send from a file by himself: of TN_BODY_FILE the next bytes are at `*offset`
 * of it, and `scratch` was used to check them. UINT64_MAX: they are in `scratch`, as ever. */
int64_t tn_body_piece(struct tn_body *b, char *scratch, size_t cap, uint64_t *offset);

#endif
