/* SPDX-License-Identifier: Apache-2.0 */
/* One object, one request: put, get, head, delete, copy. For files and for large objects:
 * tarn/transfer.h.
 *
 * All calls block, may be used by any thread, and retry what can be sent again. */

#ifndef TARN_OBJECT_H
#define TARN_OBJECT_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_KEY_LEN_MAX 1024                /* bytes of UTF-8 */
#define TARN_PUT_LEN_MAX ((uint64_t)5 << 30) /* one PUT, one part, one copy: 5 GiB */
#define TARN_DELETE_COUNT_MAX 1000           /* keys in one DeleteObjects request */

struct tarn_put_options {
    struct tarn_request request;
    struct tarn_attributes attributes;
    struct tarn_conditions conditions; /* if_match, if_none_match ("*": only when absent) */
    enum tarn_checksum checksum;
    const char *checksum_value; /* base64 of `checksum`, when it is known already */
    void *reserved[4];
};

/* PutObject from memory. `info` (NULL is fine) gets etag, version_id and checksum.
 * TARN_EPRECOND: a condition did not hold; TARN_ECONFLICT: a racing writer; TARN_ECHECKSUM: the
 * server's sum differs. */
TARN_API int tarn_object_put(struct tarn_client *client, const char *bucket, const char *key,
                             const void *bytes, size_t len, const struct tarn_put_options *options,
                             struct tarn_object_info *info, struct tarn_error *err);

/* PutObject of exactly `len` bytes (at most 5 GiB) from `read`; fewer are TARN_EEOF. `rewind`
 * (NULL: cannot be sent again once begun) goes back to the first byte, for retries. */
TARN_API int tarn_object_put_stream(struct tarn_client *client, const char *bucket, const char *key,
                                    tarn_read_fn read, int (*rewind)(void *arg), void *arg,
                                    uint64_t len, const struct tarn_put_options *options,
                                    struct tarn_object_info *info, struct tarn_error *err);

struct tarn_get_options {
    struct tarn_request request;
    struct tarn_conditions conditions;
    const char *version_id;
    bool has_range; /* bytes first to last, both included (RFC 9110 section 14) */
    uint64_t range_first;
    uint64_t range_last;               /* UINT64_MAX: to the end */
    uint64_t range_suffix;             /* not 0 and has_range false: the last so many bytes */
    uint32_t part_number;              /* not 0: that part of a multipart object */
    bool skip_verify;                  /* do not compare the body with its checksum or MD5 ETag */
    const char *response_content_type; /* response-... overrides (GetObject only) */
    const char *response_content_encoding;
    const char *response_content_disposition;
    const char *response_content_language;
    const char *response_cache_control;
    const char *response_expires;
    void *reserved[4];
};

/* GetObject. `info` may be NULL. `write` gets the body in order, in the calling thread; a
 * connection that breaks in the middle is taken up again where it broke, pinned by If-Match.
 * TARN_ECHECKSUM after all bytes were written: throw them away. TARN_EPROTOCOL: another range than
 * the one that was asked for. TARN_ENOTFOUND, TARN_ENOBUCKET, TARN_EPRECOND, TARN_ENOTMODIFIED,
 * TARN_ERANGE, TARN_EDENIED, ... */
TARN_API int tarn_object_get(struct tarn_client *client, const char *bucket, const char *key,
                             tarn_write_fn write, void *arg, const struct tarn_get_options *options,
                             struct tarn_object_info *info, struct tarn_error *err);

/* The same into memory that the caller frees with tarn_bytes_free; `*bytes` has a NUL behind it.
 * TARN_ETOOBIG when more than `len_max` bytes come. */
TARN_API int tarn_object_get_bytes(struct tarn_client *client, const char *bucket, const char *key,
                                   size_t len_max, char **bytes, size_t *len,
                                   const struct tarn_get_options *options,
                                   struct tarn_object_info *info, struct tarn_error *err);
TARN_API void tarn_bytes_free(char *bytes); /* accepts NULL */

/* HeadObject; `info` may be NULL, overrides are not sent. The answer has no body, so that only the
 * status tells the failure. */
TARN_API int tarn_object_head(struct tarn_client *client, const char *bucket, const char *key,
                              const struct tarn_get_options *options, struct tarn_object_info *info,
                              struct tarn_error *err);

struct tarn_delete_options {
    struct tarn_request request;
    const char *version_id;
    const char *if_match;
    const char *mfa;
    bool bypass_governance;
    void *reserved[4];
};

/* DeleteObject; an absent key is TARN_OK, as in S3. `info` (NULL is fine) gets version_id and
 * is_delete_marker. */
TARN_API int tarn_object_delete(struct tarn_client *client, const char *bucket, const char *key,
                                const struct tarn_delete_options *options,
                                struct tarn_object_info *info, struct tarn_error *err);

struct tarn_delete_key {
    const char *key;
    const char *version_id; /* NULL: the current one */
};

/* The outcome of keys[index]; called once for each in the calling thread. `err` is NULL for one
 * that is gone. */
typedef void (*tarn_delete_fn)(void *arg, size_t index, const struct tarn_error *err);

/* DeleteObjects, any count, up to 1,000 a request, several requests at once. TARN_OK when all are
 * gone; otherwise the first failure, after every key had its turn. `each` may be NULL. if_match and
 * version_id of `options` are for one object: TARN_EINVAL. */
TARN_API int tarn_object_delete_many(struct tarn_client *client, const char *bucket,
                                     const struct tarn_delete_key *keys, size_t count,
                                     const struct tarn_delete_options *options, tarn_delete_fn each,
                                     void *arg, struct tarn_error *err);

enum tarn_directive { TARN_DIRECTIVE_COPY, TARN_DIRECTIVE_REPLACE };

/* What became of an earlier transfer of the same thing that did not end. */
enum tarn_resume_outcome {
    TARN_RESUME_FRESH,       /* there was none */
    TARN_RESUME_CONTINUED,   /* all that it had done counts */
    TARN_RESUME_REVALIDATED, /* some of it counts: the rest was not what the record says */
    TARN_RESUME_RESTARTED    /* nothing of it counts */
};

struct tarn_resume_report {
    enum tarn_resume_outcome outcome;
    uint64_t bytes;     /* that are not moved again */
    const char *reason; /* why not all; NULL for FRESH and CONTINUED */
};

/* Called in the calling thread, at most once a transfer, before the first part is moved. */
typedef void (*tarn_resume_fn)(void *arg, const struct tarn_resume_report *report);

struct tarn_copy_options {
    struct tarn_request request;
    struct tarn_attributes attributes; /* headers and metadata need metadata_directive REPLACE;
                                          class, acl, sse do not */
    enum tarn_directive metadata_directive;
    enum tarn_directive tagging_directive;
    struct tarn_conditions source_conditions;
    struct tarn_conditions conditions; /* of the destination */
    const char *source_version_id;
    uint64_t
        source_size; /* 0: unknown, asked for by HeadObject only when CopyObject refuses the size */
    uint64_t part_size; /* of a copy above 5 GiB; 0 is 512 MiB */
    enum tarn_checksum checksum;

    /* As tarn_transfer_options: a copy in parts that was killed goes on where it stopped. */
    bool resume;
    const char *state_dir;
    tarn_resume_fn on_resume;
    void *resume_arg;
};

/* CopyObject inside the server; above 5 GiB a multipart copy that carries headers, metadata and
 * tags over (the latter wants the right to read them) and pins the source by its ETag. A 200 answer
 * with an error in it is an error. */
TARN_API int tarn_object_copy(struct tarn_client *client, const char *source_bucket,
                              const char *source_key, const char *bucket, const char *key,
                              const struct tarn_copy_options *options,
                              struct tarn_object_info *info, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
