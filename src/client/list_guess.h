/* SPDX-License-Identifier: Apache-2.0 */
/* Guessing where in the order of keys a listing will be some keys further on: keys are read as
 * fractions, place by place in the digits that were seen there, each as wide as it was frequent. A
 * guess that is wrong costs a request. */

#ifndef CLIENT_LIST_GUESS_H
#define CLIENT_LIST_GUESS_H

#include "base/buf.h"

enum { TN_LIST_GUESS_LEN_MAX = 1024 };

/* A key of the listing, and how many came before it. */
struct tn_list_seen {
    struct tn_str key;
    uint64_t count;
};

/* Appends to `out` a key that might be so many keys behind `from`, which is the last of `seen` or a
 * guess behind it; `seen` is in the order of the listing. TARN_ENOTFOUND, `out` unchanged, where
 * nothing can be told: keys that are not in order, or differ in bytes that are not printable ASCII,
 * or where the digits known do not lead any further. TARN_ENOMEM. */
TN_MUST_USE int tn_list_guess(const struct tn_list_seen *seen, size_t count, struct tn_str from,
                              double keys, struct tn_buf *out);

#endif
