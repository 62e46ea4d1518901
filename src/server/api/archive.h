/* SPDX-License-Identifier: Apache-2.0 */
/* Archived storage classes: kept at hand like all others, but answered as S3 answers them. */

#ifndef SERVER_API_ARCHIVE_H
#define SERVER_API_ARCHIVE_H

#include "server/api/request.h"

/* InvalidObjectState for an archived object that is not restored at present. r->meta decoded. */
TN_MUST_USE enum tn_s3_code archive_check_read(struct api_req *r, const struct store_head *head);

/* x-amz-restore, when there is something to say. */
void archive_add_headers(struct api_req *r);

/* Entries of a listing about which <RestoreStatus> may have something to say. Their objects are
 * looked at once the listing is over: it holds what opening them needs, too. */
struct archive_list {
    struct archive_entry *entries; /* API_LIST_COUNT_MAX; NULL: it was not asked for */
    size_t count;
};

/* Does the request ask for it? */
TN_MUST_USE enum tn_s3_code archive_list_check(struct api_req *r, struct archive_list *l);

/* The entry that is being written into r->out; `version` is which version it is. */
TN_MUST_USE int archive_list_note(struct api_req *r, struct archive_list *l, struct tn_str key,
                                  const struct store_head *head,
                                  const struct store_version *version);

/* Puts the elements where their entries are. */
TN_MUST_USE int archive_list_write(struct api_req *r, const struct archive_list *l);

#endif
