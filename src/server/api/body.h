/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request body: aws-chunked decoding, digests, then the store or memory. */

#ifndef SERVER_API_BODY_H
#define SERVER_API_BODY_H

#include "base/buf.h"
#include "proto/aws_chunked.h"
#include "proto/checksum.h"
#include "proto/s3_error.h"
#include "server/api/digest.h"
#include "server/store/store.h"

struct api_req;

enum api_body_kind {
    API_BODY_NONE,   /* what comes is dropped */
    API_BODY_XML,    /* gathered in memory, at most API_XML_LEN_MAX */
    API_BODY_OBJECT, /* into a body of the store */
};

/* What is expected of the body, and what was found. */
struct api_body {
    enum api_body_kind kind;
    bool has_md5;              /* Content-MD5 was sent */
    bool has_checksum;         /* its value was sent in a header */
    bool has_trailer_checksum; /* its value comes behind the body */
    bool is_taken;             /* accepted */
    bool is_on_loop;           /* where it is taken: must not wait */
    bool is_deferred;          /* digested when it is complete, beside others */
    uint64_t declared_len;     /* of the payload; UINT64_MAX: not known */
    uint64_t len;              /* so far */
    enum tn_checksum_kind checksum_kind;
    unsigned char md5_expected[TN_MD5_LEN];
    struct tn_checksum_value checksum_expected;
    struct tn_aws_chunked *decoder; /* NULL when the body is plain */
    struct digest digest;           /* SHA-256 when the signature covers the payload's hash */
    struct digest_due due;          /* with is_deferred */
    struct tn_checksum checksum;
    struct store_body *store;
    struct tn_buf xml;

    /* When it is complete: */
    unsigned char md5_found[TN_MD5_LEN];
    struct tn_checksum_value checksum_found;
};

/* Reads and checks the headers about the body: lengths, digests, trailer. On the loop; takes no
 * memory but small pieces of the request's arena. */
TN_MUST_USE enum tn_s3_code api_body_check(struct api_req *r);

/* Makes what is needed and accepts the body. */
TN_MUST_USE enum tn_s3_code api_body_accept(struct api_req *r);

/* One window of bytes; may be changed in place. */
TN_MUST_USE enum tn_s3_code api_body_take(struct api_req *r, char *bytes, size_t len);

/* The payload itself, what forms and chunks are made of taken away. */
TN_MUST_USE enum tn_s3_code api_body_take_payload(struct api_req *r, const char *bytes, size_t len);

/* The kind that is computed when the client names none. */
void api_body_default_checksum(struct api_req *r);

/* x-amz-checksum-algorithm; TN_CHECKSUM_NONE where there is none. */
TN_MUST_USE enum tn_s3_code api_body_read_algorithm(struct api_req *r, enum tn_checksum_kind *out);

/* Once more what r->headers say of checksums, before the first byte of the payload: for forms,
 * whose fields come with the body. */
TN_MUST_USE enum tn_s3_code api_body_read_checksums(struct api_req *r);

/* Behind the last: true when its digests are to be taken at the end of this turn of the loop, so
 * that api_body_finish() must run then, not now. */
bool api_body_defer(struct api_req *r);

/* Compares all digests. */
TN_MUST_USE enum tn_s3_code api_body_finish(struct api_req *r);

void api_body_release(struct api_req *r);

#endif
