/* SPDX-License-Identifier: Apache-2.0 */
/* Option structs turned into header fields, and answers into struct tarn_object_info. */

#ifndef CLIENT_ATTRIBUTES_H
#define CLIENT_ATTRIBUTES_H

#include "client/op.h"

enum {
    TN_METADATA_LEN_MAX = 64 * 1024, /* S3 allows 2 KiB; other servers more */
};

/* Content headers, metadata, class, ACL and so on. What is not valid is remembered in the
 * operation. */
void tn_op_attributes(struct tn_op *op, const struct tarn_attributes *a);

/* A copy in `arena`, for requests that are made later; only `cancel` stays the caller's. */
TN_MUST_USE int tn_request_copy(struct tn_arena *arena, const struct tarn_request *from,
                                struct tarn_request *out);

/* `prefix` is "" or "x-amz-copy-source-". */
void tn_op_conditions(struct tn_op *op, const struct tarn_conditions *c, const char *prefix);

/* The info of a finished operation. `info` NULL is fine; unchanged on failure. */
TN_MUST_USE int tn_op_info(const struct tn_op *op, struct tarn_object_info *info,
                           struct tarn_error *err);

/* An info that says only these (any may be empty): for answers that say it in a document. */
struct tn_info_texts {
    struct tn_str etag;
    struct tn_str version_id;
    struct tn_str checksum_value;
    struct tn_str checksum_type;
    enum tn_checksum_kind checksum;
    int64_t last_modified_ms;
    uint64_t size;
};
TN_MUST_USE int tn_info_make(const struct tn_info_texts *texts, struct tarn_object_info *info);

/* Moves `from` into `to` (NULL is fine: dropped). */
void tn_info_move(struct tarn_object_info *from, struct tarn_object_info *to);

enum tarn_checksum tn_checksum_public(enum tn_checksum_kind kind);
enum tn_checksum_kind tn_checksum_kind_of(enum tarn_checksum algorithm); /* DEFAULT is NONE */
bool tn_checksum_is_known(enum tarn_checksum algorithm); /* it is a member of the enumeration */

/* The algorithm of the body's sum, and the sum where it is known already. In object.c. */
void tn_op_checksum_given(struct tn_op *op, const struct tarn_put_options *options);

/* Which checksum element a node has; `text` is empty when none. */
enum tn_checksum_kind tn_xml_checksum(const struct tn_xml_node *node, struct tn_str *text);

/* Query and header fields of GetObject and HeadObject, the range included. In get.c. */
void tn_op_get_options(struct tn_op *op, const struct tarn_get_options *options);

/* An ISO 8601 date of an answer in Unix milliseconds; -1 when it is none. */
int64_t tn_date_ms(struct tn_str text);

/* "could not WHAT: out of memory". */
int tn_fail_no_memory(struct tarn_error *err, const char *what);

/* x-amz-copy-source. */
void tn_op_copy_source(struct tn_op *op, const char *bucket, const char *key,
                       const char *version_id);

#endif
