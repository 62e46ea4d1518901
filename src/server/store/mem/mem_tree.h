/* SPDX-License-Identifier: Apache-2.0 */
/* What the memory engine keeps: buckets of objects with their versions, parts and uploads, in
 * sorted arrays. None of it locks: the caller does. Objects and blobs are counted, so an open
 * handle outlives an overwrite. */

#ifndef SERVER_STORE_MEM_MEM_TREE_H
#define SERVER_STORE_MEM_MEM_TREE_H

#include <stdatomic.h>

#include "server/store/store.h"

/* Bytes of one stored thing, shared by copies and open handles. */
struct mem_blob {
    atomic_uint refs;
    size_t len;
    char bytes[];
};

/* A part of an upload, or of the object that it became. */
struct mem_part {
    uint32_t number;
    struct store_head head;
    struct tn_str meta; /* owned */
    struct mem_blob *blob;
};

struct mem_object {
    atomic_uint refs;
    struct tn_str key; /* owned, like meta */
    struct tn_str meta;
    struct store_head head;
    struct mem_part *parts; /* one at least */
    size_t part_count;
};

/* An upload is an object that nobody sees yet. */
struct mem_upload {
    char id[STORE_UPLOAD_ID_LEN + 1];
    struct mem_object *object;
};

struct mem_bucket {
    struct tn_str name;
    struct tn_str meta;
    int64_t created_ms;
    enum store_versioning versioning;
    /* By key, a key's versions from the newest on; delete markers, too. */
    struct mem_object **objects;
    size_t object_count;
    struct mem_upload *uploads; /* by key and id */
    size_t upload_count;
};

/* An own copy, to be given to mem_str_free; TARN_ENOMEM. */
int mem_str_copy(struct tn_str s, struct tn_str *out);
void mem_str_free(struct tn_str s);

/* One reference, the caller's; NULL when memory is out. */
struct mem_blob *mem_blob_new(const void *bytes, size_t len);
void mem_blob_unref(struct mem_blob *b);

/* With key, head and metadata of `txn` and no part yet; NULL when memory is out. */
struct mem_object *mem_object_new(const struct store_txn *txn);
void mem_object_unref(struct mem_object *o);

/* Keeps a copy of `part`, in the place of the one of that number; TARN_ENOMEM, then unchanged. */
int mem_object_add_part(struct mem_object *o, const struct mem_part *part);

/* The part of that number; else NULL, and `at` where it would stand. */
struct mem_part *mem_part_find(struct mem_object *o, uint32_t number, size_t *at);

/* Makes room for one more element of `len` bytes at `at`; TARN_ENOMEM, then unchanged. */
int mem_array_open(void **array, size_t count, size_t at, size_t len);
void mem_array_cut(void *array, size_t count, size_t at, size_t len);

/* The current version; false when there is none, or it is a delete marker. */
bool mem_current_at(const struct mem_bucket *b, struct tn_str key, size_t *at);
bool mem_version_at(const struct mem_bucket *b, struct tn_str key,
                    const struct store_version *which, size_t *at);

/* How a request names the version that `head` is of. */
struct store_version mem_version_of(const struct store_head *head);

/* Takes `o`: in the place of the same version, or before the older ones. TARN_ENOMEM leaves it
 * with the caller. */
int mem_object_place(struct mem_bucket *b, struct mem_object *o);

struct mem_upload *mem_upload_find(struct mem_bucket *b, struct tn_str key, const char *id);
void mem_upload_drop(struct mem_bucket *b, const struct mem_upload *u);
void mem_bucket_release(struct mem_bucket *b);

#endif
