/* SPDX-License-Identifier: Apache-2.0 */
/* What transfers of one object and jobs share. */

#ifndef CLIENT_TRANSFER_IMPL_H
#define CLIENT_TRANSFER_IMPL_H

#include <sys/stat.h>

#include <tarn/transfer.h>

#include "client/op.h"

/* Can these options (NULL is fine) be followed? */
TN_MUST_USE int tn_upload_check(const struct tarn_transfer_options *options,
                                struct tarn_error *err);
TN_MUST_USE int tn_download_check(const char *path, const struct tarn_transfer_options *options,
                                  struct tarn_error *err);

/* From this size on in parts. */
uint64_t tn_transfer_threshold(const struct tarn_transfer_options *options);

/* A descriptor of a regular file to send. */
TN_MUST_USE int tn_upload_open(const char *path, struct stat *info, struct tarn_error *err);

/* TARN_ECONFLICT when it is not what it was `before`. */
TN_MUST_USE int tn_upload_check_unchanged(int fd, const struct stat *before, const char *path,
                                          struct tarn_error *err);

/* The headers of a PUT of a whole file. */
void tn_upload_request(struct tn_op *op, const struct tarn_transfer_options *options);

/* What a finished one says of the object. */
TN_MUST_USE int tn_upload_take(const struct tn_op *op, struct tarn_object_info *info,
                               struct tarn_error *err);

/* The headers of a GET of a whole object. */
void tn_download_request(struct tn_op *op, const struct tarn_transfer_options *options);

/* The same, verified. */
TN_MUST_USE int tn_download_take(struct tn_op *op, struct tarn_object_info *info,
                                 struct tarn_error *err);

/* A copy by one request. */
void tn_copy_request(struct tn_op *op, const char *source_bucket, const char *source_key,
                     const struct tarn_copy_options *options);
TN_MUST_USE int tn_copy_take(struct tn_op *op, uint64_t size, struct tarn_object_info *info,
                             struct tarn_error *err);

void tn_delete_request(struct tn_op *op, const struct tarn_delete_options *options);

/* The room of a pipe, waiting while the memory is others'; TARN_ECANCELLED. In get.c. */
TN_MUST_USE int tn_ring_take(struct tarn_client *client, const volatile int *cancel, void **ring);

#endif
