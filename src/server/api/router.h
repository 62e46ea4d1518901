/* SPDX-License-Identifier: Apache-2.0 */
/* Which operation a request means. */

#ifndef SERVER_API_ROUTER_H
#define SERVER_API_ROUTER_H

#include "server/api/request.h"

/* What the choice depends on. */
struct api_route {
    struct tn_str method;
    enum api_level level;
    const struct tn_query *query;
    bool has_copy_source;
    bool has_write_offset;
};

/* TN_S3_OK and the operation; NotImplemented for what S3 defines and is not here, MethodNotAllowed.
 */
TN_MUST_USE enum tn_s3_code api_route_find(const struct api_route *route,
                                           const struct api_op **out);

/* The bucket that the host names; empty when it names none. */
struct tn_str api_route_virtual_bucket(const struct api *api, struct tn_str host);

/* Splits host and path into bucket and key (decoded, in the arena). InvalidURI. */
TN_MUST_USE enum tn_s3_code api_route_split(struct api_req *r);

/* NotImplemented for headers that would change the meaning of the operation; others for bad values.
 */
TN_MUST_USE enum tn_s3_code api_route_headers(struct api_req *r);

/* The table, for tests and documentation. */
extern const struct api_op api_ops[];
extern const size_t api_op_count;

#endif
