/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a transfer in parts that outlives the program: lines of JSON, one a finished part.
 *
 * The first line says what is transferred, and must be the same byte for byte for a record to
 * count. The second has the upload's id, empty for downloads. Lines are only added; one that was
 * cut by the end of the program ends the record. Nothing is synced: what a power cut takes is
 * moved again, because every part is compared with what is really there. */

#ifndef CLIENT_RESUME_H
#define CLIENT_RESUME_H

#include <tarn/transfer.h>

#include "base/buf.h"
#include "proto/checksum.h"

enum { TN_RESUME_FILE_MAX = 8 << 20, TN_RESUME_IDENTITY_MAX = 64 * 1024 };

struct tn_resume_part {
    uint32_t number; /* from 1 */
    uint64_t size;
    char etag[TARN_ETAG_LEN_MAX];   /* of an uploaded part; else "" */
    struct tn_checksum_value value; /* kind NONE when there is none */
};

/* What a record says. */
struct tn_resume_state {
    bool is_same; /* of this very transfer; else only upload_id counts */
    char upload_id[TARN_UPLOAD_ID_LEN_MAX];
    struct tn_resume_part *parts; /* [number - 1], as it was finished last; number 0: it was not.
                                     NULL while `count` is 0 */
    size_t count;                 /* of those that were */
};

void tn_resume_state_release(struct tn_resume_state *s); /* accepts a zeroed one */

/* Reads a record; never fails for what stands in it. There are `part_count` parts. TARN_ENOMEM.
 */
TN_MUST_USE int tn_resume_parse(struct tn_str text, struct tn_str identity, uint32_t part_count,
                                struct tn_resume_state *out);

/* A record on disk. Trouble with it is silent: then the transfer cannot be resumed, no more. */
struct tn_resume_file {
    int fd; /* -1: none */
    char *path;
};

/* Opens the record at `path`, if there is one that no other transfer has, and reads it. */
TN_MUST_USE int tn_resume_open(struct tn_resume_file *f, const char *path, struct tn_str identity,
                               uint32_t part_count, struct tn_resume_state *out);

/* Begins the record anew. Does nothing when another transfer has it. */
void tn_resume_begin(struct tn_resume_file *f, struct tn_str identity, const char *upload_id);
void tn_resume_add(struct tn_resume_file *f, const struct tn_resume_part *part);

/* Removes the record, unless it is kept. Accepts one that was zeroed but for fd -1. */
void tn_resume_end(struct tn_resume_file *f, bool is_kept);

/* Says a failure nothing about the data, so that going on later makes sense? */
bool tn_resume_is_worth(int status);

/* Why an upload whose parts could not be listed has to begin anew; NULL: that failure, or none,
 * says nothing of it. Static text. */
const char *tn_resume_why_not(int status);

/* Appends "name":"value", with a comma in front where one is due: for identities. */
TN_MUST_USE int tn_resume_text(struct tn_buf *b, const char *name, const char *value);
TN_MUST_USE int tn_resume_u64(struct tn_buf *b, const char *name, uint64_t value);

/* What each identity begins with. */
TN_MUST_USE int tn_resume_identify(struct tn_buf *b, const char *direction, const char *endpoint,
                                   const char *bucket, const char *key);

/* The path of an upload's record, the directory made. TARN_ENOTFOUND when there is no place. */
TN_MUST_USE int tn_resume_upload_path(const char *state_dir, struct tn_str what,
                                      struct tn_buf *out);

#endif
