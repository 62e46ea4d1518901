/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of multipart uploads share. */

#ifndef SERVER_API_UPLOAD_H
#define SERVER_API_UPLOAD_H

#include "proto/xml.h"
#include "server/api/request.h"

/* Moves uploadId from the query to r->txn.upload_id. NoSuchUpload when it cannot be one. */
TN_MUST_USE enum tn_s3_code upload_id_read(struct api_req *r);

/* partNumber from the query to r->txn.part_number. */
TN_MUST_USE enum tn_s3_code upload_part_number_read(struct api_req *r);

/* The upload's head and metadata; NoSuchUpload. May wait. */
TN_MUST_USE enum tn_s3_code upload_find(struct api_req *r, struct store_head *head,
                                        struct api_meta *meta);

/* <Initiator> and <Owner> of an upload with this metadata. */
void upload_write_owners(const struct api_req *r, struct tn_xml_writer *w,
                         const struct api_meta *meta);

#endif
