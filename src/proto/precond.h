/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests: the conditions of a request judged against the current object. */

#ifndef PROTO_PRECOND_H
#define PROTO_PRECOND_H

#include "proto/etag.h"

/* Views into the request's header values; a condition that was not sent has its has_ flag off.
 * Dates that do not parse are left out by the caller, as RFC 9110 section 13.1 says.
 * Zero-initialised: no conditions. */
struct tn_precond {
    struct tn_str if_match;
    struct tn_str if_none_match;
    int64_t if_modified_since; /* unix seconds */
    int64_t if_unmodified_since;
    bool has_if_match;
    bool has_if_none_match;
    bool has_if_modified_since;
    bool has_if_unmodified_since;
};

enum tn_precond_result {
    TN_PRECOND_PASS,
    TN_PRECOND_NOT_MODIFIED, /* 304 */
    TN_PRECOND_FAILED,       /* 412 PreconditionFailed */
    TN_PRECOND_NO_SUCH_KEY,  /* 404: If-Match on a write to what is not there */
    TN_PRECOND_UNSUPPORTED,  /* 501 NotImplemented: If-None-Match on a write that is malformed */
};

/* True when there is nothing to judge. */
bool tn_precond_is_empty(const struct tn_precond *c);

/* GET and HEAD of an object that exists. RFC 9110 section 13.2.2 and S3: If-Match beats
 * If-Unmodified-Since, If-None-Match beats If-Modified-Since. `etag` without quotes, `mtime` in
 * unix seconds. */
enum tn_precond_result tn_precond_read(const struct tn_precond *c, struct tn_str etag,
                                       int64_t mtime);

/* The source of a copy: as for reads, but every failure is TN_PRECOND_FAILED. */
enum tn_precond_result tn_precond_copy_source(const struct tn_precond *c, struct tn_str etag,
                                              int64_t mtime);

/* PUT, CompleteMultipartUpload, the target of a copy, DELETE: only If-Match and If-None-Match are
 * judged. Without a current object `exists` is false and the other two are ignored. S3 takes "*"
 * only in If-None-Match; tags mean what RFC 9110 says. What is malformed there would name nothing,
 * and the write would go ahead: it is not judged at all. */
enum tn_precond_result tn_precond_write(const struct tn_precond *c, bool exists,
                                        struct tn_str etag);

#endif
