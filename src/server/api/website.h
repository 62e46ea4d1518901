/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets as websites: GET and HEAD of whoever comes, at host names of their own. What fails is
 * said in HTML. */

#ifndef SERVER_API_WEBSITE_H
#define SERVER_API_WEBSITE_H

#include "server/api/request.h"

/* Does the request's host mean a website? */
bool website_is(const struct api_req *r);

/* The whole request. On the loop. */
TN_MUST_USE enum tn_s3_code website_start(struct api_req *r);

/* The answer for what failed: as api_fail(), for a request that website_is(). */
void website_fail(struct api_req *r, enum tn_s3_code code);

#endif
