/* SPDX-License-Identifier: Apache-2.0 */
/* Stored forms: a version byte and entries of tag (2 bytes), length (4 bytes), value, numbers
 * little-endian. Readers skip tags that they do not know, so that new ones can be added. */

#ifndef SERVER_API_ENTRIES_H
#define SERVER_API_ENTRIES_H

#include "base/buf.h"

enum { ENTRIES_VERSION = 1 };

void entries_put_le(char *out, uint64_t number, size_t len);
uint64_t entries_get_le(const char *bytes, size_t len);

/* Appends one entry, its value in one piece or in several. On failure `out` may have part of it. */
TN_MUST_USE int entries_put(struct tn_buf *out, unsigned tag, struct tn_str value);
TN_MUST_USE int entries_put_parts(struct tn_buf *out, unsigned tag, const struct tn_str *parts,
                                  size_t count);

/* Takes one entry off `rest`, which is not empty. TARN_ECORRUPT leaves all alone. */
TN_MUST_USE int entries_next(struct tn_str *rest, unsigned *tag, struct tn_str *value);

/* The entries behind the version byte; none when `bytes` is empty. TARN_ECORRUPT. */
TN_MUST_USE int entries_open(struct tn_str bytes, struct tn_str *rest);

#endif
