/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of what is kept beside an object's bytes: the bytes, their time and their version stay.
 */

#ifndef SERVER_API_OBJECT_CHANGE_H
#define SERVER_API_OBJECT_CHANGE_H

#include "server/api/request.h"

/* Opens the object (the version) that the request names as r->object, decodes r->meta. May wait. */
TN_MUST_USE enum tn_s3_code object_change_open(struct api_req *r);

/* Changes r->meta; called again, with what is there then, when another change came between. */
typedef enum tn_s3_code (*object_edit_fn)(struct api_req *r, struct api_meta *meta);

/* Opens, edits, commits; answers with `status` and no body. On a worker. */
TN_MUST_USE enum tn_s3_code object_change_start(struct api_req *r, object_edit_fn edit, int status);

#endif
