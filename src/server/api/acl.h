/* SPDX-License-Identifier: Apache-2.0 */
/* Access control lists of buckets and objects. Kept as lines "PERMISSION KIND VALUE\n", KIND being
 * "id" (canonical id) or "uri" (a group); "-\n" when nothing is granted. No text at all: the owner
 * has everything, nobody else anything. */

#ifndef SERVER_API_ACL_H
#define SERVER_API_ACL_H

#include "server/api/request.h"

enum acl_permission {
    ACL_READ = 1u << 0,
    ACL_WRITE = 1u << 1,
    ACL_READ_ACP = 1u << 2,
    ACL_WRITE_ACP = 1u << 3,
    ACL_FULL_CONTROL = ACL_READ | ACL_WRITE | ACL_READ_ACP | ACL_WRITE_ACP,
};

enum { ACL_LEN_MAX = 16 * 1024 };

#define ACL_ALL_USERS "http://acs.amazonaws.com/groups/global/AllUsers"
#define ACL_AUTHENTICATED_USERS "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
#define ACL_LOG_DELIVERY "http://acs.amazonaws.com/groups/s3/LogDelivery"

/* Does the list grant all of `permissions` to the canonical id (empty: nobody)? The owner may
 * always read and write the list itself. With `is_public_ignored` groups count for nothing. */
bool acl_allows(struct tn_str acl, struct tn_str owner, struct tn_str who, unsigned permissions,
                bool is_public_ignored);

/* Does it grant anything to a group of all the world? */
bool acl_is_public(struct tn_str acl);

/* What the headers x-amz-acl and x-amz-grant-* say, for something owned by `owner`. Without any,
 * `acl` is empty. InvalidArgument, InvalidRequest, AccessControlListNotSupported, ... */
TN_MUST_USE enum tn_s3_code acl_read_headers(struct api_req *r, bool is_bucket, struct tn_str owner,
                                             struct tn_str *acl);
bool acl_has_headers(const struct api_req *r);

/* The same from the request's body, an <AccessControlPolicy>. MalformedACLError, ... */
TN_MUST_USE enum tn_s3_code acl_read_body(struct api_req *r, struct tn_str owner,
                                          struct tn_str *acl);

/* The answer to GetBucketAcl and GetObjectAcl, in r->out. */
TN_MUST_USE enum tn_s3_code acl_reply(struct api_req *r, struct tn_str owner, struct tn_str acl);

/* AccessDenied when the list opens something and the bucket forbids that. */
TN_MUST_USE enum tn_s3_code acl_check_public(struct api_req *r, struct tn_str acl);

#endif
