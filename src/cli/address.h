/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: s3://bucket/key, taken byte for byte, or a path of the local machine. */

#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include "base/fail.h"
#include "base/str.h"

enum { CLI_BUCKET_LEN_MAX = 255, CLI_ADDRESS_LEN_MAX = 16384 };

enum cli_address_kind {
    CLI_ADDRESS_LOCAL,
    CLI_ADDRESS_S3,
    CLI_ADDRESS_STDIO /* "-": standard input or output */
};

/* `name` borrows from the text that was parsed. */
struct cli_address {
    enum cli_address_kind kind;
    char bucket[CLI_BUCKET_LEN_MAX + 1]; /* "" for "s3://" alone, and for local paths */
    const char *name;                    /* the key, with its leading slashes, or the path */
};

/* The bucket ends at the first slash, everything behind it is the key: no query, no user, no
 * decoding. Bare texts and file://PATH are local; other schemes, control bytes in a bucket, a key
 * without a bucket and an empty text are TARN_EINVAL. */
TN_MUST_USE int cli_address_parse(const char *text, struct cli_address *out,
                                  struct tarn_error *err);

/* As above, but the address must be in S3 and name a bucket. */
TN_MUST_USE int cli_address_parse_s3(const char *text, struct cli_address *out,
                                     struct tarn_error *err);

/* For mb and rb: "s3://name", "name" or "name/"; a key is TARN_EINVAL. */
TN_MUST_USE int cli_address_parse_bucket(const char *text, struct cli_address *out,
                                         struct tarn_error *err);

/* True for an empty name and for one that ends in a slash: something to put names behind. */
bool cli_address_is_prefix(const struct cli_address *address);

/* What is behind the last slash of a name: "c" of "a/b/c", "" of "a/". */
const char *cli_name_last(const char *name);

/* Whether two keys are one where keys are paths, or where A and a are the same: some servers keep
 * objects in a file system. Of the same key in two forms ("a//b", "a/x/../b") and of itself. */
bool cli_name_is_same_path(const char *a, const char *b);

#endif
