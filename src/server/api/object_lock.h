/* SPDX-License-Identifier: Apache-2.0 */
/* Object lock: retention and legal hold of a version, kept in its metadata: "GOVERNANCE
 * 1790000000000" (until when, unix milliseconds), "ON" or "OFF". */

#ifndef SERVER_API_OBJECT_LOCK_H
#define SERVER_API_OBJECT_LOCK_H

#include "server/api/request.h"

enum lock_mode { LOCK_NONE, LOCK_GOVERNANCE, LOCK_COMPLIANCE };

struct lock_retention {
    enum lock_mode mode;
    int64_t until_ms;
};

/* LOCK_NONE when there is none. */
struct lock_retention lock_retention_of(const struct api_meta *meta);
bool lock_is_held(const struct api_meta *meta);

/* May the version go (or be overwritten in place) at `now_ms`? AccessDenied. */
TN_MUST_USE enum tn_s3_code lock_check_delete(struct api_req *r, const struct api_meta *meta,
                                              bool may_bypass, int64_t now_ms);

/* x-amz-bypass-governance-retention: true; whether the asking one may is for the authorisation. */
bool lock_wants_bypass(const struct api_req *r);

/* Must delete and overwrite look at the metadata at all? */
bool lock_is_any(const struct api_meta *meta);

/* The headers x-amz-object-lock-*, else the bucket's default, into the metadata of a new object.
 * InvalidRequest when the bucket has no object lock, InvalidArgument. */
TN_MUST_USE enum tn_s3_code lock_read_headers(struct api_req *r, struct api_meta *meta);

/* The same three of an answer. */
void lock_add_headers(struct api_req *r, const struct api_meta *meta);

#endif
