/* SPDX-License-Identifier: Apache-2.0 */
/* The checksums that S3 knows: names, running computation, text form, and those of multipart
 * objects. */

#ifndef PROTO_CHECKSUM_H
#define PROTO_CHECKSUM_H

#include "base/hash.h"

/* The numbers are stored: never change one. */
enum tn_checksum_kind {
    TN_CHECKSUM_NONE,
    TN_CHECKSUM_CRC32,
    TN_CHECKSUM_CRC32C,
    TN_CHECKSUM_CRC64NVME,
    TN_CHECKSUM_SHA1,
    TN_CHECKSUM_SHA256,
    TN_CHECKSUM_SHA512,
    TN_CHECKSUM_MD5,
    TN_CHECKSUM_XXHASH64,
    TN_CHECKSUM_XXHASH3,
    TN_CHECKSUM_XXHASH128,
    TN_CHECKSUM_KIND_COUNT
};

/* Where nobody has asked for one, as in S3: it costs next to nothing. */
#define TN_CHECKSUM_DEFAULT TN_CHECKSUM_CRC64NVME

enum tn_checksum_type { TN_CHECKSUM_FULL_OBJECT, TN_CHECKSUM_COMPOSITE };

enum {
    TN_CHECKSUM_LEN_MAX = 64,
    TN_CHECKSUM_TEXT_LEN = 96, /* room for base64, "-10000" and a NUL */
    TN_CHECKSUM_PART_COUNT_MAX = 10000,
};

/* A finished checksum. Bytes past tn_checksum_len(kind) are zero. May be copied at will. */
struct tn_checksum_value {
    enum tn_checksum_kind kind;
    enum tn_checksum_type type;
    uint32_t part_count; /* of a composite one; 0 for a part's, and for one of a whole object */
    unsigned char bytes[TN_CHECKSUM_LEN_MAX]; /* most significant first */
};

/* A running checksum. One thread at a time. */
struct tn_checksum {
    enum tn_checksum_kind kind;
    uint64_t crc;
    struct tn_hash hash; /* of all but the CRCs */
};

/* "CRC32C" and "x-amz-checksum-crc32c"; the empty view for TN_CHECKSUM_NONE. */
struct tn_str tn_checksum_name(enum tn_checksum_kind kind);
struct tn_str tn_checksum_header(enum tn_checksum_kind kind);
size_t tn_checksum_len(enum tn_checksum_kind kind);

/* TN_CHECKSUM_NONE for any other text. Both ignore case. */
enum tn_checksum_kind tn_checksum_from_name(struct tn_str name);
enum tn_checksum_kind tn_checksum_from_header(struct tn_str header_name);

/* "FULL_OBJECT" and "COMPOSITE"; TARN_EINVAL for any other text. */
struct tn_str tn_checksum_type_name(enum tn_checksum_type type);
TN_MUST_USE int tn_checksum_type_from_name(struct tn_str name, enum tn_checksum_type *out);

/* What S3 lets one combine: only CRCs have a full-object form of a multipart object, CRC64NVME has
 * no composite one. */
bool tn_checksum_type_fits(enum tn_checksum_kind kind, enum tn_checksum_type type);

/* TARN_ENOMEM. With TN_CHECKSUM_NONE every call is fine and does nothing. */
TN_MUST_USE int tn_checksum_init(struct tn_checksum *c, enum tn_checksum_kind kind);
void tn_checksum_release(struct tn_checksum *c); /* accepts a zeroed one */
void tn_checksum_update(struct tn_checksum *c, const void *bytes, size_t len);

/* Yields the value so far and starts over. */
void tn_checksum_final(struct tn_checksum *c, struct tn_checksum_value *out);

/* Base64, and "-N" behind a composite one; NUL-terminated. Returns its length. */
size_t tn_checksum_text(const struct tn_checksum_value *value, char out[TN_CHECKSUM_TEXT_LEN]);

/* The inverse; strict: exact length, "-1" to "-10000" makes it composite. TARN_EINVAL leaves `out`
 * alone. */
TN_MUST_USE int tn_checksum_parse(enum tn_checksum_kind kind, struct tn_str text,
                                  struct tn_checksum_value *out);

bool tn_checksum_eq(const struct tn_checksum_value *a, const struct tn_checksum_value *b);

/* The checksum of a multipart object from those of its parts, added in order. */
struct tn_checksum_parts {
    struct tn_checksum composite;
    uint64_t crc; /* of a full-object one */
    enum tn_checksum_kind kind;
    enum tn_checksum_type type;
    uint32_t count;
};

/* TARN_EINVAL when `type` does not fit `kind`, TARN_ENOMEM. */
TN_MUST_USE int tn_checksum_parts_init(struct tn_checksum_parts *p, enum tn_checksum_kind kind,
                                       enum tn_checksum_type type);
void tn_checksum_parts_release(struct tn_checksum_parts *p); /* accepts a zeroed one */

/* TARN_EINVAL when the part is of another kind or itself composite, TARN_ETOOBIG past 10,000 parts.
 */
TN_MUST_USE int tn_checksum_parts_add(struct tn_checksum_parts *p,
                                      const struct tn_checksum_value *part, uint64_t part_len);
void tn_checksum_parts_final(struct tn_checksum_parts *p, struct tn_checksum_value *out);

#endif
