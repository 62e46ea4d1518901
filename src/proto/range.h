/* SPDX-License-Identifier: Apache-2.0 */
/* Byte ranges: Range, Content-Range, x-amz-copy-source-range. */

#ifndef PROTO_RANGE_H
#define PROTO_RANGE_H

#include "base/str.h"

struct tn_range {
    uint64_t first;
    uint64_t len;
};

enum tn_range_kind {
    TN_RANGE_WHOLE,         /* no range, or one to ignore: 200 with everything */
    TN_RANGE_PART,          /* 206 */
    TN_RANGE_UNSATISFIABLE, /* 416 */
};

/* What a Range header asks of an object of `size` bytes. Malformed values, other units and lists of
 * ranges are ignored, as RFC 9110 allows and S3 does. `out` is set for WHOLE (0 and `size`) and
 * PART, else unchanged. */
enum tn_range_kind tn_range_resolve(struct tn_str header, uint64_t size, struct tn_range *out);

/* x-amz-copy-source-range: exactly "bytes=FIRST-LAST". TARN_EINVAL for another form, TARN_ERANGE
 * when it is not inside the `size` bytes; `out` is unchanged then. */
TN_MUST_USE int tn_range_parse_copy(struct tn_str text, uint64_t size, struct tn_range *out);

/* Content-Range of an answer. */
struct tn_content_range {
    bool has_range; /* false for "bytes * /SIZE" (without the blank), which goes with 416 */
    struct tn_range range;
    bool has_size; /* false for "bytes 0-9/" and an asterisk */
    uint64_t size;
};

TN_MUST_USE int tn_content_range_parse(struct tn_str text, struct tn_content_range *out);

enum { TN_CONTENT_RANGE_LEN = 80 }; /* room for the text, with its NUL */

/* "bytes 0-9/100"; range.len is not 0. */
void tn_content_range_format(struct tn_range range, uint64_t size, char out[TN_CONTENT_RANGE_LEN]);

/* "bytes * /100" without the blank, for 416. */
void tn_content_range_format_none(uint64_t size, char out[TN_CONTENT_RANGE_LEN]);

#endif
