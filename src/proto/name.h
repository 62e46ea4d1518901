/* SPDX-License-Identifier: Apache-2.0 */
/* Names of buckets and objects: what S3 allows, and the value of x-amz-copy-source. */

#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include "base/arena.h"

enum { TN_BUCKET_LEN_MIN = 3, TN_BUCKET_LEN_MAX = 63, TN_KEY_LEN_MAX = 1024 };

/* S3's rules for new general purpose buckets: 3 to 63 of a-z 0-9 - . with a letter or digit at both
 * ends, no two dots in a row, not an IPv4 address, none of the reserved prefixes and suffixes. */
bool tn_bucket_name_is_valid(struct tn_str name);

/* TARN_OK; TARN_EINVAL when empty, not UTF-8 or with a NUL; TARN_ETOOBIG past TN_KEY_LEN_MAX bytes.
 */
TN_MUST_USE int tn_key_check(struct tn_str key);

struct tn_copy_source {
    struct tn_str bucket;
    struct tn_str key;
    struct tn_str version_id; /* empty: none given */
};

/* "[/]bucket/key[?versionId=id]", percent-encoded ('+' is a plus). Views into the arena or `text`.
 * TARN_EINVAL for another form (bucket or key missing or invalid, an ARN); `out` is unchanged then.
 */
TN_MUST_USE int tn_copy_source_parse(struct tn_arena *a, struct tn_str text,
                                     struct tn_copy_source *out);

#endif
