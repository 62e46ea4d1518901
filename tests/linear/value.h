/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored: each value is a number that tells its size and how it was uploaded, so that body
 * and ETag can be told from the number alone. */

#ifndef TESTS_LINEAR_VALUE_H
#define TESTS_LINEAR_VALUE_H

#include "base/buf.h"

enum {
    LINEAR_BODY_BIG = 1024 * 1024 + 1, /* more than tarnd keeps in its log */
    LINEAR_BODY_LEN_MAX = LINEAR_BODY_BIG + 4096,
    LINEAR_ETAG_LEN = 48, /* with quotes and NUL */
};

/* `number` is 1 to 2^28. */
uint32_t linear_value(uint32_t number, bool is_big, bool is_multipart);
bool linear_value_is_multipart(uint32_t value);

/* Replaces `out`, whose limit is at least LINEAR_BODY_LEN_MAX. */
TN_MUST_USE int linear_value_body(uint32_t key, uint32_t value, struct tn_buf *out);

/* The ETag of an object with this body; `is_part` asks for that of its only part. */
void linear_value_etag(uint32_t value, struct tn_str body, bool is_part, char out[LINEAR_ETAG_LEN]);

#endif
