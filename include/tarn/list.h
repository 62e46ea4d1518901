/* SPDX-License-Identifier: Apache-2.0 */
/* Listing a bucket of any size in constant memory: an iterator that fetches the next page ahead. */

#ifndef TARN_LIST_H
#define TARN_LIST_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_list; /* one thread at a time */

struct tarn_list_options {
    struct tarn_request request;
    const char *prefix;
    const char *delimiter;   /* "/" rolls up directories */
    const char *start_after; /* only keys behind this one (bytewise) */
    uint32_t page_size;      /* 1 to 1,000; 0 is 1,000 */
    bool use_v1;             /* ListObjects with markers, for old servers */
    bool fetch_owner;
    bool is_sequential; /* one request at a time */
    void *reserved[4];
};

struct tarn_list_entry {
    const char *key; /* or the prefix, delimiter included */
    size_t key_len;
    bool is_prefix; /* a common prefix: only key is set */
    uint64_t size;
    int64_t last_modified_ms; /* Unix; -1 when unknown */
    const char *etag;         /* without quotes; NULL when not told, as all texts */
    const char *storage_class;
    const char *owner_id;
    const char *checksum_algorithm;
};

/* Asks for the first page without waiting for it. NULL on failure: TARN_EINVAL, TARN_ENOMEM; names
 * and headers that cannot be sent may be told by the first tarn_list_next only. The client must
 * outlive the list, and so must what request.cancel points to; all else in `options` is copied, and
 * counts for each page. */
TARN_API struct tarn_list *tarn_list_open(struct tarn_client *client, const char *bucket,
                                          const struct tarn_list_options *options,
                                          struct tarn_error *err);

/* The next object or common prefix, in key order. `*entry` is NULL at the end; what it points to is
 * valid until the next call. An endless listing (a page that does not move on) is TARN_EPROTOCOL. A
 * failure is told again at each call.
 * Without a delimiter, a long listing that has to wait for its pages asks for up to 8 at a time,
 * from keys that it guesses; what comes out is the same. */
TARN_API int tarn_list_next(struct tarn_list *list, const struct tarn_list_entry **entry,
                            struct tarn_error *err);

/* At any time; accepts NULL. */
TARN_API void tarn_list_free(struct tarn_list *list);

#ifdef __cplusplus
}
#endif

#endif
