/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept beside an object's bytes: content headers, user metadata, checksum, tags, who may
 * and how long it is locked. In the store it
 * is a version byte and entries of tag (2 bytes), length (4 bytes), value; readers skip tags that
 * they do not know, so that new ones can be added. */

#ifndef SERVER_API_META_H
#define SERVER_API_META_H

#include "base/arena.h"
#include "base/buf.h"
#include "proto/checksum.h"
#include "proto/header.h"

enum api_meta_field {
    API_META_CONTENT_TYPE,
    API_META_CACHE_CONTROL,
    API_META_CONTENT_DISPOSITION,
    API_META_CONTENT_ENCODING,
    API_META_CONTENT_LANGUAGE,
    API_META_EXPIRES,
    API_META_LOCATION,  /* of a bucket: its region */
    API_META_TAGS,      /* tags.h */
    API_META_ACL,       /* acl.h */
    API_META_OWNER,     /* canonical id; empty: the bucket's */
    API_META_RETENTION, /* object_lock.h */
    API_META_LEGAL_HOLD,
    API_META_REDIRECT,  /* x-amz-website-redirect-location */
    API_META_RESTORE,   /* what x-amz-restore says of an archived object */
    API_META_SSE,       /* sse.h */
    API_META_RENAMED,   /* what the rename that made it was: object_rename.c */
    API_META_UPLOAD,    /* id of the upload that made the object */
    API_META_INITIATOR, /* of an upload: canonical id of who began it; empty: the bucket's owner */
    API_META_FIELD_COUNT,
    API_META_HEADER_COUNT = API_META_LOCATION,
};

enum {
    API_META_USER_COUNT_MAX = 512,
    API_META_USER_LEN_MAX = 2048,       /* names and values, as S3 counts them */
    API_META_HEADER_LEN_MAX = 8 * 1024, /* one content header */
};

/* Views; empty means absent. */
struct api_meta {
    struct tn_str fields[API_META_FIELD_COUNT];
    const struct tn_header *user; /* names without x-amz-meta-, lower case */
    size_t user_count;
    struct tn_checksum_value checksum; /* kind TN_CHECKSUM_NONE: none */
};

/* Header names of the first API_META_HEADER_COUNT fields, lower case. */
extern const char *const api_meta_headers[API_META_HEADER_COUNT];

/* Appends the stored form. TARN_ENOMEM, TARN_ETOOBIG; `out` is unchanged then. */
TN_MUST_USE int api_meta_encode(const struct api_meta *meta, struct tn_buf *out);

/* Views of `bytes`, user pairs in the arena. TARN_ECORRUPT, TARN_ENOMEM; `out` is unchanged then.
 */
TN_MUST_USE int api_meta_decode(struct tn_str bytes, struct tn_arena *a, struct api_meta *out);

/* Storage classes and checksum kinds in store_head.attrs. */
enum api_class {
    API_CLASS_STANDARD,
    API_CLASS_REDUCED_REDUNDANCY,
    API_CLASS_STANDARD_IA,
    API_CLASS_ONEZONE_IA,
    API_CLASS_INTELLIGENT_TIERING,
    API_CLASS_GLACIER_IR,
    API_CLASS_GLACIER,
    API_CLASS_DEEP_ARCHIVE,
    API_CLASS_COUNT
};

extern const char *const api_class_names[API_CLASS_COUNT];

/* Further bits: what listings and deletions must know without the metadata. */
enum {
    API_ATTR_LOCK = 1u << 9,      /* has a retention or a legal hold */
    API_ATTR_SSE = 1u << 10,      /* is encrypted: kept longer than it is */
    API_ATTR_BLOCKS_SHIFT = 11,   /* blocks more than one body of that size would have (sse.h) */
    API_ATTR_BLOCKS_MAX = 0x3fff, /* at most one per part */
};

/* Its size in the clear. */
uint64_t api_plain_size(uint64_t size, uint32_t attrs);

uint32_t api_attrs(enum api_class storage_class, enum tn_checksum_kind kind,
                   enum tn_checksum_type type);
enum api_class api_attrs_class(uint32_t attrs); /* STANDARD for numbers of a later version */
uint32_t api_attrs_moved(uint32_t attrs, enum api_class storage_class); /* all else as it was */
uint32_t api_attrs_summed(uint32_t attrs, enum tn_checksum_kind kind, enum tn_checksum_type type);
enum tn_checksum_kind api_attrs_checksum(uint32_t attrs);
enum tn_checksum_type api_attrs_checksum_type(uint32_t attrs);

#endif
