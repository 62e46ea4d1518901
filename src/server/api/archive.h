/* SPDX-License-Identifier: Apache-2.0 */
/* Archived storage classes: kept at hand like all others, but answered as S3 answers them. */

#ifndef SERVER_API_ARCHIVE_H
#define SERVER_API_ARCHIVE_H

#include "server/api/request.h"

/* InvalidObjectState for an archived object that is not restored at present. r->meta decoded. */
TN_MUST_USE enum tn_s3_code archive_check_read(struct api_req *r, const struct store_head *head);

/* x-amz-restore, when there is something to say. */
void archive_add_headers(struct api_req *r);

#endif
