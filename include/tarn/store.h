/* SPDX-License-Identifier: Apache-2.0 */
/* Values in S3 objects that are changed by compare-and-swap: no lost updates, no blind overwrites.
 *
 * Each write carries the name of its writer and a number in the metadata, and those of the writers
 * before it, so that a write whose answer was lost is found again, even behind later ones. Sizes
 * are bytes, times milliseconds. Calls block; any thread.
 *
 *     struct tarn_store *store = tarn_store_new(client, NULL, &err);
 *     if (store)
 *         rc = tarn_store_update(store, "bucket", "key", change, arg, 0, NULL, &err);
 *     tarn_store_free(store);
 *
 * A whole program: docs/guide/values.md. S3: "Conditional requests", user guide. */

#ifndef TARN_STORE_H
#define TARN_STORE_H

#include <tarn/multipart.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_store; /* any thread */

/* Turns values into bytes and back. `encode` gives bytes that tarn_store frees with `free_bytes`;
 * `decode` gives a value that the caller of the store frees with `free_value`. Both return TARN_OK
 * or a negative TARN_E... and fill `err`. */
struct tarn_serializer {
    int (*encode)(void *arg, const void *value, char **bytes, size_t *len, struct tarn_error *err);
    void (*free_bytes)(void *arg, char *bytes);
    int (*decode)(void *arg, const char *bytes, size_t len, void **value, struct tarn_error *err);
    void (*free_value)(void *arg, void *value);
    const char *content_type;
    void *arg;
};

/* Values are struct tarn_bytes. */
struct tarn_bytes {
    char *data; /* with a NUL behind it when it comes from the store */
    size_t len;
};
TARN_API const struct tarn_serializer *tarn_serializer_bytes(void);

/* A copy of `len` bytes as the value of that serializer, for what the store is to free
 * (tarn_store_update_fn). NULL when memory is out. */
TARN_API struct tarn_bytes *tarn_bytes_new(const void *data, size_t len);

/* Values are json_t * of jansson (https://jansson.readthedocs.io), any JSON value; freed with
 * json_decref. */
TARN_API const struct tarn_serializer *tarn_serializer_json(void);

struct tarn_store_options {
    struct tarn_request request;
    const struct tarn_serializer *serializer; /* default: bytes; must outlive the store */
    size_t size_max;                          /* of a value as bytes; 0 is 16 MiB */
    int tries_max;                            /* of an update against others; 0 is 1,000 */
    long backoff_max_ms;                      /* between them; 0 is 500 */
    struct tarn_attributes attributes;        /* of what is written; texts are borrowed */
    bool skip_probe;                          /* the server is known to honour conditions */
    void *reserved[4];
};

/* NULL on failure: TARN_EINVAL (a serializer without one of its functions, negative options,
 * metadata that is missing or too much), TARN_ENOMEM. The client must outlive it. */
TARN_API struct tarn_store *tarn_store_new(struct tarn_client *client,
                                           const struct tarn_store_options *options,
                                           struct tarn_error *err);
TARN_API void tarn_store_free(struct tarn_store *store); /* accepts NULL */

#define TARN_STORE_WRITERS_LEN_MAX 1024

/* What is stored. Zero-initialise it; release it with tarn_store_entry_release. */
struct tarn_store_entry {
    void *value;                  /* NULL when only the rest was asked for */
    char etag[TARN_ETAG_LEN_MAX]; /* as the server sent it, quotes and all; "" when unknown */
    char version_id[TARN_UPLOAD_ID_LEN_MAX];
    uint64_t fence; /* greatest token that has written, 0 for none */
    uint64_t size;
    char writers[TARN_STORE_WRITERS_LEN_MAX]; /* the last ones; for the store itself */
};
TARN_API void tarn_store_entry_release(const struct tarn_store *store,
                                       struct tarn_store_entry *entry);

/* TARN_ENOTFOUND, TARN_ENOBUCKET, TARN_ETOOBIG, what `decode` says, ... */
TARN_API int tarn_store_get(struct tarn_store *store, const char *bucket, const char *key,
                            struct tarn_store_entry *entry, struct tarn_error *err);

/* 1 or 0, or a negative TARN_E...: a missing bucket is no missing key. */
TARN_API int tarn_store_exists(struct tarn_store *store, const char *bucket, const char *key,
                               struct tarn_error *err);

/* Writes where nothing is. TARN_EEXISTS when something is. `fence` 0 is none. `written` (NULL is
 * fine) gets all but the value. */
TARN_API int tarn_store_create(struct tarn_store *store, const char *bucket, const char *key,
                               const void *value, uint64_t fence, struct tarn_store_entry *written,
                               struct tarn_error *err);

/* Replaces exactly what `seen` (of get, or of a write) describes. TARN_ECONFLICT when it is not
 * that any more, also when it is gone. TARN_ELOST when a token above `fence` has written; a fence
 * that was there is kept when `fence` is 0. `seen->etag` must not be empty. */
TARN_API int tarn_store_put(struct tarn_store *store, const char *bucket, const char *key,
                            const struct tarn_store_entry *seen, const void *value, uint64_t fence,
                            struct tarn_store_entry *written, struct tarn_error *err);

/* Writes whatever is there, on purpose; with `fence`, still not what a greater token wrote. */
TARN_API int tarn_store_overwrite(struct tarn_store *store, const char *bucket, const char *key,
                                  const void *value, uint64_t fence,
                                  struct tarn_store_entry *written, struct tarn_error *err);

/* Deletes exactly what `seen` describes; `seen` NULL: whatever is there, and nothing is TARN_OK.
 * Deleting forgets the fence. */
TARN_API int tarn_store_delete(struct tarn_store *store, const char *bucket, const char *key,
                               const struct tarn_store_entry *seen, struct tarn_error *err);

/* Makes the next value out of the present one (NULL when there is none; the store's, as long as
 * this runs): sets `*next` and returns TARN_OK. Leaving it NULL writes nothing. A negative status
 * ends the update with it, at once. May run several times; the store frees `*next` with
 * `free_value` of its serializer. */
typedef int (*tarn_store_update_fn)(void *arg, const void *present, void **next);

/* Reads, changes, swaps, until it fits: each update that returns TARN_OK has happened exactly once.
 * TARN_ECONFLICT after tries_max. TARN_ELOST: fenced off. TARN_ENETWORK and the like, TARN_ENOMEM:
 * the outcome could not be found out either. */
TARN_API int tarn_store_update(struct tarn_store *store, const char *bucket, const char *key,
                               tarn_store_update_fn change, void *arg, uint64_t fence,
                               struct tarn_store_entry *written, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
