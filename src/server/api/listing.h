/* SPDX-License-Identifier: Apache-2.0 */
/* What the listings of objects and of uploads share. */

#ifndef SERVER_API_LISTING_H
#define SERVER_API_LISTING_H

#include "proto/xml.h"
#include "server/api/request.h"

struct listing {
    bool is_url; /* names are percent-encoded */
    size_t max;
};

/* encoding-type, prefix, delimiter and the parameter `max_name`; and that the bucket is there. */
TN_MUST_USE enum tn_s3_code listing_check(struct api_req *r, struct listing *l,
                                          struct store_list *query, const char *max_name);

/* An element with a name in the encoding asked for. */
int listing_key(const struct listing *l, struct tn_xml_writer *w, const char *name,
                struct tn_str key);

/* A common prefix, into r->side. */
TN_MUST_USE int listing_prefix(struct api_req *r, const struct listing *l, struct tn_str prefix);

/* Keeps the last entry given in r->last. */
TN_MUST_USE int listing_remember(struct api_req *r, struct tn_str key);

#endif
