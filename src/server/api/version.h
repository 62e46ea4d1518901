/* SPDX-License-Identifier: Apache-2.0 */
/* Which version of an object a request means, and what its answer says of it. A version id is the
 * version's number in the store as 16 hexadecimal digits, or "null". */

#ifndef SERVER_API_VERSION_H
#define SERVER_API_VERSION_H

#include "server/api/request.h"

enum { API_VERSION_ID_LEN = 16 + 1 };

void version_id(const struct store_head *head, char out[API_VERSION_ID_LEN]);

/* InvalidArgument for what no version can have. */
TN_MUST_USE enum tn_s3_code version_parse(struct api_req *r, struct tn_str text,
                                          struct store_version *out);

/* ?versionId into r->version. */
TN_MUST_USE enum tn_s3_code version_read(struct api_req *r);

/* True when the bucket keeps versions, or did. */
bool version_is_kept(const struct bucket_config *config);

/* Opens r->object: the version of the key that is meant. A delete marker is refused as S3 refuses
 * it, with its headers. May wait. */
TN_MUST_USE enum tn_s3_code version_open(struct api_req *r, struct tn_str bucket, struct tn_str key,
                                         const struct store_version *version);

/* x-amz-version-id (or another header), for buckets that keep versions. */
void version_add_header(struct api_req *r, const char *name, const struct store_head *head);

/* The same of what was just written: a null version has nothing to tell. */
void version_add_new(struct api_req *r, const struct store_head *head);

#endif
