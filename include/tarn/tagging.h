/* SPDX-License-Identifier: Apache-2.0 */
/* What hangs on objects and buckets: tags, attributes, and restoring from an archive. All calls
 * block; any thread. */

#ifndef TARN_TAGGING_H
#define TARN_TAGGING_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_OBJECT_TAGS_MAX 10
#define TARN_BUCKET_TAGS_MAX 50
#define TARN_TAG_NAME_LEN_MAX 128  /* characters */
#define TARN_TAG_VALUE_LEN_MAX 256 /* characters */

/* Zero-initialise it; release it with tarn_tags_release. */
struct tarn_tags {
    const struct tarn_header *items;
    size_t count;
    void *owned;
};

TARN_API void tarn_tags_release(struct tarn_tags *tags);

/* `key` NULL: the tags of the bucket itself; a bucket without any gives an empty set. `version_id`
 * and `request` may be NULL. */
TARN_API int tarn_tags_get(struct tarn_client *client, const char *bucket, const char *key,
                           const char *version_id, const struct tarn_request *request,
                           struct tarn_tags *out, struct tarn_error *err);

/* Replaces all tags. TARN_EINVAL for too many, too long, or two of one name. */
TARN_API int tarn_tags_put(struct tarn_client *client, const char *bucket, const char *key,
                           const char *version_id, const struct tarn_header *tags, size_t count,
                           const struct tarn_request *request, struct tarn_error *err);

/* Removes all tags. */
TARN_API int tarn_tags_delete(struct tarn_client *client, const char *bucket, const char *key,
                              const char *version_id, const struct tarn_request *request,
                              struct tarn_error *err);

/* Reads the tags, changes those named (a NULL value removes one), writes them back. Not atomic: S3
 * has no condition for tags. */
TARN_API int tarn_tags_merge(struct tarn_client *client, const char *bucket, const char *key,
                             const char *version_id, const struct tarn_header *changes,
                             size_t count, const struct tarn_request *request,
                             struct tarn_error *err);

/* Zero-initialise it; release it with tarn_object_attributes_release. */
struct tarn_object_attributes {
    uint64_t size;
    int64_t last_modified_ms; /* Unix; -1 when unknown */
    const char *etag;         /* without quotes; NULL when not told, as all texts */
    const char *version_id;
    const char *storage_class; /* NULL is STANDARD */
    enum tarn_checksum checksum_algorithm;
    const char *checksum_value; /* base64 */
    const char *checksum_type;  /* "FULL_OBJECT" or "COMPOSITE" */
    uint32_t parts_count;       /* 0: not uploaded in parts */
    void *owned;
};

/* GetObjectAttributes. `version_id` and `request` may be NULL. */
TARN_API int tarn_object_get_attributes(struct tarn_client *client, const char *bucket,
                                        const char *key, const char *version_id,
                                        const struct tarn_request *request,
                                        struct tarn_object_attributes *out, struct tarn_error *err);
TARN_API void tarn_object_attributes_release(struct tarn_object_attributes *attributes);

struct tarn_restore_options {
    struct tarn_request request;
    const char *version_id;
    uint32_t days;    /* how long the copy stays; 0 is 1 */
    const char *tier; /* "Standard", "Bulk" or "Expedited"; NULL is Standard */
    void *reserved[4];
};

/* RestoreObject: asks for a copy out of the archive. `*is_there` (NULL is fine) tells that there is
 * one already, whose life was prolonged. TARN_ECONFLICT: it is being fetched already. TARN_EINVAL:
 * no such tier. */
TARN_API int tarn_object_restore(struct tarn_client *client, const char *bucket, const char *key,
                                 const struct tarn_restore_options *options, bool *is_there,
                                 struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
