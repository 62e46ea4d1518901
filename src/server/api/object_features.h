/* SPDX-License-Identifier: Apache-2.0 */
/* What headers of a PUT, a copy or an upload say beyond the content: tags, who may, locks, where a
 * website leads; and what answers say of it. */

#ifndef SERVER_API_OBJECT_FEATURES_H
#define SERVER_API_OBJECT_FEATURES_H

#include "server/api/request.h"

/* Into the metadata of a new object; r->config must be there. */
TN_MUST_USE enum tn_s3_code features_read(struct api_req *r, struct api_meta *meta);

/* A copy takes from `source` what the directives do not replace, the rest from `sent`. */
void features_copy(const struct api_req *r, const struct api_meta *source,
                   const struct api_meta *sent, struct api_meta *out);

/* Into the answer to GetObject and HeadObject. */
void features_add_headers(struct api_req *r);

#endif
