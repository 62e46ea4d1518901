/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests of browsers: what the bucket's rules let them see. */

#ifndef SERVER_API_CORS_H
#define SERVER_API_CORS_H

#include "server/api/request.h"

/* To an answer about a bucket: the headers of the rule that fits, if any does. */
void cors_add_headers(struct api_req *r);

#endif
