/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an answer's head in one buffer: each with its lengths in front, so that who walks
 * them measures nothing, and with NUL behind name and value, for those who hand them on. */

#ifndef CLIENT_HEAD_H
#define CLIENT_HEAD_H

#include "base/buf.h"

/* One field. `name` in lower case. Both borrow from the buffer. */
struct tn_head_field {
    struct tn_str name;
    struct tn_str value;
};

/* TARN_ENOMEM, TARN_ETOOBIG; `head` is unchanged then. */
TN_MUST_USE int tn_head_add(struct tn_buf *head, struct tn_str name, struct tn_str value);

/* The field at `at`, which moves behind it; it begins as 0. False at the end. */
bool tn_head_next(const struct tn_buf *head, size_t *at, struct tn_head_field *out);

/* The value of the first field of that name, which is in lower case; without data when there is
 * none. */
struct tn_str tn_head_find(const struct tn_buf *head, struct tn_str name);

#endif
