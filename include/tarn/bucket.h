/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: create, delete, look, list, locate. All calls block; any thread. */

#ifndef TARN_BUCKET_H
#define TARN_BUCKET_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* TARN_OK when `bucket` is a name that S3 takes today (3 to 63 of a-z 0-9 - . , ...); otherwise
 * TARN_EINVAL with the rule that is broken. Calls accept older names too, when the endpoint is not
 * AWS. */
TARN_API int tarn_bucket_name_check(const char *bucket, struct tarn_error *err);

struct tarn_bucket_options {
    struct tarn_request request;
    const char *region; /* create: where; default the client's */
    const char *acl;
    bool has_object_lock;
    void *reserved[4];
};

/* CreateBucket. TARN_EEXISTS: it is there already, yours (s3_code BucketAlreadyOwnedByYou) or
 * another's. */
TARN_API int tarn_bucket_create(struct tarn_client *client, const char *bucket,
                                const struct tarn_bucket_options *options, struct tarn_error *err);

/* DeleteBucket. TARN_ENOTEMPTY, TARN_ENOBUCKET, ... */
TARN_API int tarn_bucket_delete(struct tarn_client *client, const char *bucket,
                                const struct tarn_bucket_options *options, struct tarn_error *err);

#define TARN_REGION_LEN_MAX 64

/* HeadBucket. TARN_ENOBUCKET when there is none, TARN_EDENIED when it is not yours. `region` (NULL
 * is fine) gets the bucket's, or "" when the server does not say. */
TARN_API int tarn_bucket_head(struct tarn_client *client, const char *bucket,
                              const struct tarn_bucket_options *options,
                              char region[TARN_REGION_LEN_MAX], struct tarn_error *err);

/* GetBucketLocation, "us-east-1" for the empty answer. */
TARN_API int tarn_bucket_location(struct tarn_client *client, const char *bucket,
                                  const struct tarn_bucket_options *options,
                                  char region[TARN_REGION_LEN_MAX], struct tarn_error *err);

struct tarn_bucket_entry {
    const char *name;
    int64_t created_ms; /* Unix */
    const char *region; /* NULL when not told */
};

/* Called for each bucket in the calling thread; a negative TARN_E... ends the listing with that
 * status. */
typedef int (*tarn_bucket_fn)(void *arg, const struct tarn_bucket_entry *entry);

/* ListBuckets, all pages. TARN_EPROTOCOL for a listing that goes round in circles. */
TARN_API int tarn_bucket_list(struct tarn_client *client, const struct tarn_bucket_options *options,
                              tarn_bucket_fn each, void *arg, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
