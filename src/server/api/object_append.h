/* SPDX-License-Identifier: Apache-2.0 */
/* PutObject with x-amz-write-offset-bytes: bytes that are put behind those of an object. */

#ifndef SERVER_API_OBJECT_APPEND_H
#define SERVER_API_OBJECT_APPEND_H

#include "server/api/request.h"

/* One window of the payload; nothing for other requests. */
void append_digest(struct api_req *r, const void *bytes, size_t len);

#endif
