/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of tags, of buckets and of objects. An object's are kept as "key=value&key=value",
 * percent-encoded, in the order of the keys: the form of the header x-amz-tagging. */

#ifndef SERVER_API_TAGS_H
#define SERVER_API_TAGS_H

#include "proto/xml.h"
#include "server/api/request.h"

enum { TAGS_LEN_MAX = 32 * 1024 }; /* ten of them, every byte encoded */

/* The children <Tag> of `node` as InvalidTag sees them: lengths, characters, repeated keys,
 * "aws:", too many. */
TN_MUST_USE enum tn_s3_code tags_check_list(struct api_req *r, const struct tn_xml_node *node,
                                            size_t count_max);

/* The same for a <Tagging>. */
TN_MUST_USE enum tn_s3_code tags_check_xml(struct api_req *r, const struct tn_xml_node *tagging,
                                           size_t count_max);

/* A checked <Tagging> of an object in the kept form. TARN_ENOMEM, TARN_ETOOBIG. */
TN_MUST_USE int tags_from_xml(struct tn_arena *a, const struct tn_xml_node *tagging,
                              struct tn_str *out);
void tags_write_xml(struct tn_str kept, struct tn_arena *a, struct tn_xml_writer *w);

/* What the header x-amz-tagging says, in the kept form; empty when it was not sent. InvalidArgument
 * when it is not that of a query, InvalidTag. */
TN_MUST_USE enum tn_s3_code tags_read_header(struct api_req *r, struct tn_str *out);

/* How many there are in the kept form. */
size_t tags_count(struct tn_str kept);

/* Takes the next off the kept form, decoded into the arena. TARN_EEOF at the end, TARN_ENOMEM. */
TN_MUST_USE int tags_next(struct tn_str *kept, struct tn_arena *a, struct tn_str *key,
                          struct tn_str *value);

/* Is it among them? TARN_OK or TARN_ENOTFOUND, TARN_ENOMEM. */
TN_MUST_USE int tags_find(struct tn_str kept, struct tn_arena *a, struct tn_str key,
                          struct tn_str *value);

#endif
