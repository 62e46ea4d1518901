/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 2 as S3 had it before version 4: HMAC-SHA1 over a few headers and the
 * resource, in the Authorization header or in the query. For old clients; the server checks it. */

#ifndef PROTO_SIGV2_H
#define PROTO_SIGV2_H

#include "proto/sigv4.h"

enum {
    TN_SIGV2_SIGNATURE_LEN = 28, /* of base64 */
    TN_SIGV2_TEXT_LEN_MAX = 64 * 1024,
    TN_SIGV2_FIELD_COUNT_MAX = 128, /* of x-amz-* headers, of sub-resources */
};

/* Views of the request, or of the scratch's words. */
struct tn_sigv2_claim {
    bool is_query;
    struct tn_str access_key;
    struct tn_str signature;
    struct tn_str session_token; /* empty: none */
    struct tn_str expires_text;  /* in a query */
    int64_t time;                /* of the request's date; in a query: when it ends */
};

enum tn_sigv2_problem {
    TN_SIGV2_FINE,
    TN_SIGV2_NO_MEMORY,
    TN_SIGV2_MALFORMED, /* the header, or the query */
    TN_SIGV2_NO_DATE,
    TN_SIGV2_SKEWED,
    TN_SIGV2_EXPIRED,
    TN_SIGV2_MISMATCH,
};

/* Does it speak version 2: "AWS ..." or AWSAccessKeyId? */
bool tn_sigv2_is(const struct tn_sigv4_request *request);

/* Its form. `out` is unchanged unless TN_SIGV2_FINE. */
TN_MUST_USE enum tn_sigv2_problem tn_sigv2_parse(const struct tn_sigv4_request *request,
                                                 struct tn_sigv4_scratch *scratch,
                                                 struct tn_sigv2_claim *out);
TN_MUST_USE enum tn_sigv2_problem tn_sigv2_check_time(const struct tn_sigv2_claim *claim,
                                                      int64_t now);

/* In constant time. `bucket` is what the host named, empty when the path does. */
TN_MUST_USE enum tn_sigv2_problem tn_sigv2_verify(const struct tn_sigv4_request *request,
                                                  struct tn_str bucket,
                                                  const struct tn_sigv2_claim *claim,
                                                  struct tn_str secret,
                                                  struct tn_sigv4_scratch *scratch);

/* HMAC-SHA1 of any text in base64, as forms are signed. */
void tn_sigv2_sign_text(struct tn_str secret, struct tn_str text,
                        char out[TN_SIGV2_SIGNATURE_LEN + 1]);

#endif
