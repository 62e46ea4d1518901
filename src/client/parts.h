/* SPDX-License-Identifier: Apache-2.0 */
/* A multipart upload under way, of a file, a stream or a large copy: its parts, and its record, by
 * which a later run goes on where this one was killed. */

#ifndef CLIENT_PARTS_H
#define CLIENT_PARTS_H

#include <tarn/multipart.h>
#include <tarn/transfer.h>

#include "client/resume.h"

struct tn_done_part {
    struct tarn_part part;          /* number 0: not done */
    struct tn_checksum_value value; /* our own; kind NONE: there is none */
};

struct tn_parts {
    struct tarn_client *client;
    const char *bucket;
    const char *key;
    struct tarn_put_options options; /* of the object */
    uint64_t size;                   /* of the object; a stream's is not known */
    uint64_t part_size;
    uint32_t count;             /* of the object; of a stream: begun until now */
    uint32_t next;              /* number of the first that may not have been begun */
    struct tn_done_part *items; /* [number - 1], none beyond `count` */
    size_t cap;
    uint32_t done_count;
    uint64_t done_len;
    char upload_id[TARN_UPLOAD_ID_LEN_MAX];
    bool is_created;
    struct tn_resume_file record;
    struct tn_buf identity; /* of the record */
};

void tn_parts_init(struct tn_parts *p, struct tarn_client *client, const char *bucket,
                   const char *key, const struct tarn_put_options *options);
void tn_parts_release(struct tn_parts *p);

/* Room for all parts of an object of `size` bytes. TARN_ENOMEM. */
TN_MUST_USE int tn_parts_plan(struct tn_parts *p, uint64_t size, uint64_t part_size);

/* One more part of a stream: its number, or a failure. */
TN_MUST_USE int tn_parts_add(struct tn_parts *p, struct tarn_error *err);

/* The number of the next part to be sent, which is taken as begun; 0: there is none. */
uint32_t tn_parts_next(struct tn_parts *p);
uint64_t tn_parts_offset(const struct tn_parts *p, uint32_t number);
uint64_t tn_parts_len(const struct tn_parts *p, uint32_t number);

/* It is done; `value` is our own checksum of it, NULL when there is none. */
void tn_parts_done(struct tn_parts *p, const struct tarn_part *part,
                   const struct tn_checksum_value *value);

/* What an earlier run may have left, and how to tell of it. All texts are borrowed. */
struct tn_earlier {
    const char *what;      /* "upload file", for messages */
    const char *direction; /* "upload" */
    struct tn_str where;   /* members of JSON: besides bucket and key, what names the transfer */
    struct tn_str which;   /* and what else must be the same */
    const char *state_dir;
    const char *changed; /* the reason when it is not the same */
    const char *missing; /* and when the server does not have all of it */
    tarn_resume_fn on_resume;
    void *resume_arg;
};

/* Takes over the parts that the record and the server agree on. Without a place for records, or
 * where there is nothing to go on with, all is to be sent. */
TN_MUST_USE int tn_parts_go_on(struct tn_parts *p, const struct tn_earlier *e,
                               struct tarn_error *err);

/* CreateMultipartUpload, unless it goes on with an earlier one. */
TN_MUST_USE int tn_parts_create(struct tn_parts *p, struct tarn_error *err);
TN_MUST_USE int tn_parts_complete(struct tn_parts *p, struct tarn_object_info *info,
                                  struct tarn_error *err);

/* Aborts the upload and forgets its parts: the next one is to be created. Not for streams. */
void tn_parts_begin_anew(struct tn_parts *p);

/* After a failure the upload is aborted, unless there is something to go on with. */
void tn_parts_end(struct tn_parts *p, int rc);

#endif
