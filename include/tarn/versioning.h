/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of objects: list them, bring one back, compare two, and a bucket's versioning state.
 * Reading and deleting one version: version_id in the options of tarn/object.h. All calls block;
 * any thread, but an open list is one thread's at a time. */

#ifndef TARN_VERSIONING_H
#define TARN_VERSIONING_H

#include <tarn/object.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tarn_versioning {
    TARN_VERSIONING_OFF, /* never switched on */
    TARN_VERSIONING_ENABLED,
    TARN_VERSIONING_SUSPENDED
};

/* GetBucketVersioning. */
TARN_API int tarn_bucket_get_versioning(struct tarn_client *client, const char *bucket,
                                        const struct tarn_request *request,
                                        enum tarn_versioning *out, struct tarn_error *err);

/* PutBucketVersioning: enabled or suspended, else TARN_EINVAL. `mfa` ("SERIAL CODE") may be NULL.
 */
TARN_API int tarn_bucket_set_versioning(struct tarn_client *client, const char *bucket,
                                        enum tarn_versioning state, const char *mfa,
                                        const struct tarn_request *request, struct tarn_error *err);

struct tarn_versions; /* an open list */

struct tarn_versions_options {
    struct tarn_request request;
    const char *prefix;
    bool is_exact_key;  /* only versions of the key that `prefix` is */
    uint32_t page_size; /* 1 to 1,000; 0 is 1,000 */
    void *reserved[4];
};

struct tarn_version_entry {
    const char *key;
    const char *version_id; /* "null" for one from before versioning */
    bool is_latest;
    bool is_delete_marker;    /* then size, etag and storage_class are not set */
    int64_t last_modified_ms; /* Unix; -1 when unknown */
    uint64_t size;
    const char *etag; /* without quotes; NULL when not told, as the next two */
    const char *storage_class;
    const char *owner_id;
};

/* ListObjectVersions, all pages, in the server's order: by key, then the newest first. NULL on
 * failure. No request is sent before the first tarn_versions_next. `options` is copied, but for
 * what request.cancel points to, which must outlive the list, as the client must. */
TARN_API struct tarn_versions *tarn_versions_open(struct tarn_client *client, const char *bucket,
                                                  const struct tarn_versions_options *options,
                                                  struct tarn_error *err);

/* The next version or delete marker; `*entry` is NULL at the end and valid until the next call. A
 * listing that does not move on is TARN_EPROTOCOL. A failure is told again at each call. */
TARN_API int tarn_versions_next(struct tarn_versions *versions,
                                const struct tarn_version_entry **entry, struct tarn_error *err);
TARN_API void tarn_versions_free(struct tarn_versions *versions); /* accepts NULL */

/* Makes a copy of that version the current one, inside the server (in parts above 5 GiB). `options`
 * as for tarn_object_copy; its source_version_id is set here. `info` (NULL is fine) gets the new
 * version_id. A delete marker cannot be restored: TARN_EINVAL. */
TARN_API int tarn_version_restore(struct tarn_client *client, const char *bucket, const char *key,
                                  const char *version_id, const struct tarn_copy_options *options,
                                  struct tarn_object_info *info, struct tarn_error *err);

/* Removes the delete marker that hides an object. TARN_ENOTFOUND when the newest version is none.
 */
TARN_API int tarn_object_undelete(struct tarn_client *client, const char *bucket, const char *key,
                                  const struct tarn_request *request, struct tarn_error *err);

enum tarn_difference { TARN_DIFFERENCE_NO, TARN_DIFFERENCE_YES, TARN_DIFFERENCE_UNKNOWN };

struct tarn_version_comparison {
    int64_t size_difference;    /* second less first */
    int64_t time_difference_ms; /* the same */
    bool is_etag_same;
    enum tarn_difference content; /* unknown where ETags are no digests and no checksum decides */
};

/* Compares by HeadObject; reads no content. A version NULL is the current one. */
TARN_API int tarn_version_compare(struct tarn_client *client, const char *bucket, const char *key,
                                  const char *first_version_id, const char *second_version_id,
                                  const struct tarn_request *request,
                                  struct tarn_version_comparison *out, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
