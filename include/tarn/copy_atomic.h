/* SPDX-License-Identifier: Apache-2.0 */
/* Copying an object to a key that must not exist: all or nothing, one winner.
 *
 * S3: "How to prevent object overwrites with conditional requests". Servers that ignore conditions
 * are found out by a probe and refused, and an answer that was lost is looked up instead of being
 * guessed. docs/design/coordination.md says how. Sizes are bytes, times milliseconds. Calls block;
 * any thread.
 *
 *     rc = tarn_copy_atomic(client, "bucket", "staged", "bucket", "published", NULL, NULL, &err);
 *     bool is_there = rc == TARN_OK || rc == TARN_EEXISTS;
 *
 * A whole program: docs/guide/atomic-copy.md. */

#ifndef TARN_COPY_ATOMIC_H
#define TARN_COPY_ATOMIC_H

#include <tarn/multipart.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tarn_copy_strategy {
    TARN_COPY_AUTO,      /* HEADER, else GET_PUT for what is small, else MULTIPART */
    TARN_COPY_HEADER,    /* CopyObject with a condition on the destination */
    TARN_COPY_MULTIPART, /* UploadPartCopy, then a Complete with If-None-Match: * */
    TARN_COPY_GET_PUT    /* through this machine: GET, then PUT with If-None-Match: * */
};

/* "header", "multipart", "get-put"; "auto". Any thread. */
TARN_API const char *tarn_copy_strategy_name(enum tarn_copy_strategy strategy);

struct tarn_copy_atomic_options {
    struct tarn_request request;
    enum tarn_copy_strategy strategy;
    const char *header_name;  /* default If-None-Match; R2: cf-copy-destination-if-none-match */
    const char *header_value; /* default * */
    int exists_http_status;   /* what the server answers when it exists; default 412 */
    const char *source_version_id;
    const char *source_etag; /* only this; default: whatever is found first, then only that */
    uint64_t part_size;      /* of MULTIPART; 0: all in one up to 5 GiB, then 512 MiB */
    int parts_in_flight;     /* of MULTIPART, 1 to 64; 0 is 4 */
    uint64_t get_put_max;    /* AUTO and GET_PUT take no more through memory; 0 is 64 MiB */
    enum tarn_directive metadata_directive;
    struct tarn_attributes attributes; /* with REPLACE */
    bool skip_marker; /* leave the metadata as they are: `is_maybe_ours` takes the marker's place */
    bool skip_probe;  /* the server is known to honour the conditions */
    int conflict_tries_max; /* of a 409; 0 is 8 */
    long deadline_ms;       /* of the whole call; 0 is none */
    void *reserved[4];
};

struct tarn_copy_atomic_result {
    enum tarn_copy_strategy strategy; /* that decided */
    uint64_t size;
    char etag[TARN_ETAG_LEN_MAX]; /* of the destination */
    char version_id[TARN_UPLOAD_ID_LEN_MAX];
    int tries;          /* of the strategy, 1 when nothing was in the way */
    bool is_recovered;  /* the answer was lost; the marker says that the copy was ours */
    bool is_maybe_ours; /* only with TARN_EEXISTS and skip_marker: a try of ours without an answer,
                           and what is there has size and ETag of the source */
};

/* Copies when `key` is absent (a delete marker is absence), otherwise touches nothing.
 *
 * TARN_EEXISTS: the destination is there. TARN_ENOTFOUND: the source is not. TARN_ENOBUCKET: the
 * bucket of one of them. TARN_ECONFLICT: other writers were in the way to the last try; nothing is
 * known about who won. TARN_EPRECOND: the source is not `source_etag`. TARN_ENOTSUPPORTED: the
 * server does not honour the condition, or not this strategy. TARN_EINVAL: source and destination
 * are the same. `result` (NULL is fine) is filled on success and, but for the ETag, with
 * TARN_EEXISTS. Uploads in parts that fail are aborted.
 *
 * Unless `skip_marker` is set, the copy gets the metadata "tarn-copy-id". */
TARN_API int tarn_copy_atomic(struct tarn_client *client, const char *source_bucket,
                              const char *source_key, const char *bucket, const char *key,
                              const struct tarn_copy_atomic_options *options,
                              struct tarn_copy_atomic_result *result, struct tarn_error *err);

/* Bits of what a server was found to honour. */
enum tarn_conditional {
    TARN_CONDITIONAL_CREATE = 1u << 0,  /* PUT If-None-Match: * */
    TARN_CONDITIONAL_MATCH = 1u << 1,   /* PUT If-Match */
    TARN_CONDITIONAL_COPY = 1u << 2,    /* CopyObject If-None-Match: * */
    TARN_CONDITIONAL_COMPLETE = 1u << 3 /* CompleteMultipartUpload If-None-Match: * */
};

/* Finds out which of `wanted` the bucket honours, by writing and deleting an object beside `key`
 * (NULL: anywhere):
 * the second of two writes must be refused. The result is kept for the process, by endpoint and
 * bucket. Only a clear answer is kept or returned. */
TARN_API int tarn_conditional_probe(struct tarn_client *client, const char *bucket, const char *key,
                                    unsigned wanted, unsigned *honoured, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
