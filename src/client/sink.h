/* SPDX-License-Identifier: Apache-2.0 */
/* Where the body of a good answer goes, and how it is verified on the way. */

#ifndef CLIENT_SINK_H
#define CLIENT_SINK_H

#include "base/buf.h"
#include "client/pipe.h"
#include "client/waiter.h"
#include "proto/checksum.h"

enum tn_verifier_kind {
    TN_VERIFY_NOTHING,
    TN_VERIFY_SUM,
    TN_VERIFY_MD5,
    TN_VERIFY_PARTS /* a composite checksum, of parts of one size */
};

/* Compares bytes with a checksum or an MD5 that an answer promised. One thread at a time. */
struct tn_verifier {
    enum tn_verifier_kind kind;
    struct tn_checksum sum; /* of the whole, or of the part under way */
    struct tn_hash md5;
    struct tn_checksum_value expected;
    unsigned char expected_md5[TN_MD5_LEN];
    struct tn_checksum_parts parts;
    uint64_t part_size;
    uint64_t part_left;
};

void tn_verifier_release(struct tn_verifier *v); /* accepts a zeroed one */

bool tn_checksum_is_whole(const struct tn_checksum_value *value); /* and not of parts, or none */

/* What is promised of the whole body: the checksum that was told (kind NONE: none) where it is of
 * the full object or of one part, else a plain ETag that is an MD5. `v` is zeroed. */
TN_MUST_USE int tn_verifier_init(struct tn_verifier *v, const struct tn_checksum_value *told,
                                 struct tn_str plain_etag);

/* For an object of `size` bytes with a composite checksum, uploaded in parts of `part_size` (the
 * last may be smaller): TARN_ENOTFOUND when these do not fit together. `v` is zeroed. */
TN_MUST_USE int tn_verifier_init_parts(struct tn_verifier *v,
                                       const struct tn_checksum_value *expected, uint64_t size,
                                       uint64_t part_size);

/* An ETag "md5-N" is a composite checksum; false for any other, `out` is unchanged then. Not
 * "md5-1": some servers write that behind what is the checksum of nothing. */
bool tn_etag_composite(struct tn_str etag, struct tn_checksum_value *out);

void tn_verifier_update(struct tn_verifier *v, const void *bytes, size_t len);

/* TARN_OK, TARN_ECHECKSUM; TARN_ENOTFOUND when there was nothing to compare with. */
TN_MUST_USE int tn_verifier_check(struct tn_verifier *v);

struct tn_str tn_etag_bare(struct tn_str etag); /* without quotes */

/* Is this ETag the MD5 of a body? 32 hexadecimal digits, no part count. */
bool tn_etag_is_md5(struct tn_str etag, unsigned char out[TN_MD5_LEN]);

enum tn_sink_kind {
    TN_SINK_DOCUMENT, /* kept in the operation */
    TN_SINK_FILE,     /* pwrite at `offset` */
    TN_SINK_BYTES,    /* `bytes`, at most `cap` */
    TN_SINK_PIPE,     /* to the calling thread */
};

struct tn_sink {
    enum tn_sink_kind kind;
    int fd;
    uint64_t offset;
    char *bytes;
    size_t cap;
    struct tn_pipe *pipe;
    struct tn_waiter *waiter;
    uint64_t received;      /* of the whole body, over all attempts */
    uint64_t expected_len;  /* UINT64_MAX: not known */
    struct tn_checksum sum; /* of a part; kind NONE: not wanted */
    bool verifies;          /* FILE, BYTES: set `verifier` up from the answer */
    struct tn_verifier verifier;
    int rc; /* why taking bytes failed */
};

void tn_sink_init(struct tn_sink *s);
void tn_sink_release(struct tn_sink *s);

/* Takes all of it (TARN_OK), nothing (TARN_EAGAIN: the pipe is full), or fails; then rc tells, too.
 */
TN_MUST_USE int tn_sink_write(struct tn_sink *s, const char *bytes, size_t len);

#endif
