/* SPDX-License-Identifier: Apache-2.0 */
/* One thing done to many keys: delete, copy, storage class, metadata, tags. Each call blocks until
 * every key has had its turn, and tells the outcome of each. Any thread. */

#ifndef TARN_BATCH_H
#define TARN_BATCH_H

#include <tarn/object.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_BATCH_CONCURRENCY_MAX 256

/* The outcome of one key. `error` is NULL for one that went well; TARN_ECANCELLED for one that
 * fail-fast left out. */
struct tarn_batch_item {
    const char *key; /* as given: borrowed from the caller */
    const struct tarn_error *error;
};

/* Called once for each key when it is done, by one thread at a time, not always the caller's;
 * `item` lasts for the call. The other keys wait for it. */
typedef void (*tarn_batch_fn)(void *arg, size_t index, const struct tarn_batch_item *item);

struct tarn_batch_options {
    struct tarn_request request; /* of each key */
    uint32_t concurrency; /* keys at once, TARN_BATCH_CONCURRENCY_MAX at most; 0 is 10. Not for
                             delete, which sends 1,000 keys a request */
    double rate_max;      /* keys a second, all together, less than 1e9; 0 is no limit */
    bool is_fail_fast;    /* the first failure leaves out what has not begun */
    tarn_batch_fn each;
    void *arg;
    void *reserved[4];
};

/* Zero-initialise it; release it with tarn_batch_result_release, also before it is used for another
 * call. The keys that it points to are the caller's. */
struct tarn_batch_result {
    const struct tarn_batch_item *items; /* in the order of the keys */
    size_t total;
    size_t succeeded;
    size_t failed; /* without those that were left out */
    size_t cancelled;
    uint64_t bytes; /* copied inside the server, where sizes were learnt: set_class, set_metadata */
    int64_t elapsed_ms;
    void *owned;
};

/* Accepts NULL. */
TARN_API void tarn_batch_result_release(struct tarn_batch_result *result);

/* All of these: TARN_OK when every key went well (also when there is none), else the status of the
 * first failure in the order of the keys, of which TARN_ECANCELLED is one only where there is no
 * other; `result` (NULL is fine) is filled in both cases, but for TARN_ENOMEM and TARN_EINVAL at
 * the very start. A key that is given twice is done once. */

/* DeleteObjects. */
TARN_API int tarn_batch_delete(struct tarn_client *client, const char *bucket,
                               const char *const *keys, size_t count,
                               const struct tarn_batch_options *options,
                               struct tarn_batch_result *result, struct tarn_error *err);

/* Copies each key to `to_prefix` + the key without `strip_prefix` (NULL: none), inside the server.
 * `copy` (NULL is fine) as for tarn_object_copy. */
TARN_API int tarn_batch_copy(struct tarn_client *client, const char *bucket,
                             const char *const *keys, size_t count, const char *to_bucket,
                             const char *to_prefix, const char *strip_prefix,
                             const struct tarn_copy_options *copy,
                             const struct tarn_batch_options *options,
                             struct tarn_batch_result *result, struct tarn_error *err);

/* Copies each object onto itself with another storage class; headers, metadata and tags stay. An
 * object that changes meanwhile is TARN_EPRECOND. */
TARN_API int tarn_batch_set_class(struct tarn_client *client, const char *bucket,
                                  const char *const *keys, size_t count, const char *storage_class,
                                  const struct tarn_batch_options *options,
                                  struct tarn_batch_result *result, struct tarn_error *err);

/* Changes user metadata: names given get their value, or go when it is NULL; the others, the
 * content headers, the class and the tags stay. As above otherwise. */
TARN_API int tarn_batch_set_metadata(struct tarn_client *client, const char *bucket,
                                     const char *const *keys, size_t count,
                                     const struct tarn_header *metadata, size_t metadata_count,
                                     const struct tarn_batch_options *options,
                                     struct tarn_batch_result *result, struct tarn_error *err);

/* Sets tags: `is_merge` changes those named (NULL removes one), otherwise they replace all. */
TARN_API int tarn_batch_set_tags(struct tarn_client *client, const char *bucket,
                                 const char *const *keys, size_t count,
                                 const struct tarn_header *tags, size_t tag_count, bool is_merge,
                                 const struct tarn_batch_options *options,
                                 struct tarn_batch_result *result, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
