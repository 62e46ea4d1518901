/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal and base64. */

#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <sys/types.h>

#include "base/str.h"

/* Lower case; `out` takes 2 * len characters and a NUL. */
void tn_hex_encode(const void *bytes, size_t len, char *out);

/* Either case; `out` takes text.len / 2 bytes and is unchanged on TARN_EINVAL (odd count, other characters). */
TN_MUST_USE int tn_hex_decode(struct tn_str text, void *out);

#define TN_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Standard alphabet with padding (RFC 4648 section 4); `out` takes TN_BASE64_LEN(len) characters and a NUL. */
void tn_base64_encode(const void *bytes, size_t len, char *out);

/* Strict: padding required, no blanks, no stray bits. Bytes decoded, or TARN_EINVAL, or TARN_ETOOBIG when
 * more than `cap` would be; `out` may be scribbled on then. */
TN_MUST_USE ssize_t tn_base64_decode(struct tn_str text, void *out, size_t cap);

#endif
