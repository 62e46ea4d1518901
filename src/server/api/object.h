/* SPDX-License-Identifier: Apache-2.0 */
/* What several operations on objects share. */

#ifndef SERVER_API_OBJECT_H
#define SERVER_API_OBJECT_H

#include "server/api/request.h"

/* Metadata and storage class from the headers of a PUT, a copy or an upload. MetadataTooLarge,
 * InvalidStorageClass, ... */
TN_MUST_USE enum tn_s3_code object_meta_read(struct api_req *r, struct api_meta *meta,
                                             enum api_class *storage_class);
TN_MUST_USE enum tn_s3_code object_class_read(struct api_req *r, enum api_class *storage_class);

/* The stored form of r->meta as r->txn.meta, in the request's arena. */
TN_MUST_USE enum tn_s3_code object_meta_store(struct api_req *r);

/* Where a copy comes from, and on what conditions. */
struct object_source {
    struct store_version version;
    struct tn_str bucket;
    struct tn_str key;
    struct tn_precond cond;
};
TN_MUST_USE enum tn_s3_code object_source_read(struct api_req *r, struct object_source *out);

/* Opens the source as r->object (closing what was there), judges its conditions, decodes r->meta.
 * May wait. */
TN_MUST_USE enum tn_s3_code object_source_open(struct api_req *r,
                                               const struct object_source *source);

#endif
