/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a multipart upload as the transfer engine uses them: operations that it posts itself. */

#ifndef CLIENT_MULTIPART_IMPL_H
#define CLIENT_MULTIPART_IMPL_H

#include <tarn/multipart.h>

#include "client/op.h"

/* An UploadPart without its body; NULL when out of memory. */
TN_MUST_USE struct tn_op *tn_part_op_new(struct tarn_client *client, struct tn_waiter *waiter,
                                         const char *bucket, const char *key, const char *upload_id,
                                         uint32_t number, const struct tarn_request *request);

/* An UploadPartCopy. */
TN_MUST_USE struct tn_op *tn_part_copy_op_new(struct tarn_client *client, struct tn_waiter *waiter,
                                              const char *source_bucket, const char *source_key,
                                              uint64_t first, uint64_t last, const char *bucket,
                                              const char *key, const char *upload_id,
                                              uint32_t number,
                                              const struct tarn_copy_options *options);

/* What a finished one says of its part, verified. */
TN_MUST_USE int tn_part_take(const struct tn_op *op, uint32_t number, struct tarn_part *part,
                             struct tarn_error *err);
TN_MUST_USE int tn_part_copy_take(struct tn_op *op, uint32_t number, uint64_t size,
                                  struct tarn_part *part, struct tarn_error *err);

#endif
