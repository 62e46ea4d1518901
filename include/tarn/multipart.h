/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads, step by step. tarn/transfer.h does all of it in one call. All calls block; any
 * thread. */

#ifndef TARN_MULTIPART_H
#define TARN_MULTIPART_H

#include <tarn/object.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_PART_COUNT_MAX 10000
#define TARN_PART_LEN_MIN ((uint64_t)5 << 20) /* but for the last part */
#define TARN_PART_LEN_MAX ((uint64_t)5 << 30)
#define TARN_ETAG_LEN_MAX 128
#define TARN_CHECKSUM_TEXT_MAX 96
#define TARN_UPLOAD_ID_LEN_MAX 1024

/* A finished part; filled by upload and listing, given to complete. */
struct tarn_part {
    uint32_t number; /* 1 to 10,000 */
    uint64_t size;
    int64_t last_modified_ms;     /* from listings; else -1 */
    char etag[TARN_ETAG_LEN_MAX]; /* without quotes */
    enum tarn_checksum checksum_algorithm;
    char checksum_value[TARN_CHECKSUM_TEXT_MAX]; /* base64; "" when there is none */
};

/* CreateMultipartUpload. `upload_id` takes the identifier. */
TARN_API int tarn_multipart_create(struct tarn_client *client, const char *bucket, const char *key,
                                   const struct tarn_put_options *options,
                                   char upload_id[TARN_UPLOAD_ID_LEN_MAX], struct tarn_error *err);

/* UploadPart from memory. Of `options` (NULL is fine) request, checksum and checksum_value count.
 * Here and below TARN_EINVAL also for an empty `upload_id`. */
TARN_API int tarn_multipart_upload_part(struct tarn_client *client, const char *bucket,
                                        const char *key, const char *upload_id, uint32_t number,
                                        const void *bytes, size_t len,
                                        const struct tarn_put_options *options,
                                        struct tarn_part *part, struct tarn_error *err);

/* UploadPartCopy of bytes first to last of the source; first 0 and last UINT64_MAX is all of it, of
 * which part->size is 0, for the answer does not tell. Of `options` request, source_conditions and
 * source_version_id count. */
TARN_API int tarn_multipart_upload_part_copy(struct tarn_client *client, const char *source_bucket,
                                             const char *source_key, uint64_t first, uint64_t last,
                                             const char *bucket, const char *key,
                                             const char *upload_id, uint32_t number,
                                             const struct tarn_copy_options *options,
                                             struct tarn_part *part, struct tarn_error *err);

/* CompleteMultipartUpload of `parts` in rising order. A 200 answer with an error in it is an error,
 * and a repeated request that finds the upload gone looks whether the object is there. Of `options`
 * request, conditions and checksum_value count (of the full object). */
TARN_API int tarn_multipart_complete(struct tarn_client *client, const char *bucket,
                                     const char *key, const char *upload_id,
                                     const struct tarn_part *parts, size_t count,
                                     const struct tarn_put_options *options,
                                     struct tarn_object_info *info, struct tarn_error *err);

/* AbortMultipartUpload; an upload that is gone already is TARN_OK. Runs even after
 * tarn_client_cancel; of `request` neither cancel nor timeout_ms count. */
TARN_API int tarn_multipart_abort(struct tarn_client *client, const char *bucket, const char *key,
                                  const char *upload_id, const struct tarn_request *request,
                                  struct tarn_error *err);

/* ListParts, all pages, rising numbers; a server that lists otherwise is TARN_EPROTOCOL. Called in
 * the calling thread; negative ends the listing with that status. */
typedef int (*tarn_part_fn)(void *arg, const struct tarn_part *part);
TARN_API int tarn_multipart_list_parts(struct tarn_client *client, const char *bucket,
                                       const char *key, const char *upload_id,
                                       const struct tarn_request *request, tarn_part_fn each,
                                       void *arg, struct tarn_error *err);

struct tarn_upload_entry {
    const char *key;
    const char *upload_id;
    int64_t initiated_ms; /* Unix; -1 when unknown */
    const char *storage_class;
};

/* ListMultipartUploads, all pages, uploads only; one that goes round in circles is TARN_EPROTOCOL.
 * As above. */
typedef int (*tarn_upload_fn)(void *arg, const struct tarn_upload_entry *entry);
TARN_API int tarn_multipart_list_uploads(struct tarn_client *client, const char *bucket,
                                         const char *prefix, const struct tarn_request *request,
                                         tarn_upload_fn each, void *arg, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
