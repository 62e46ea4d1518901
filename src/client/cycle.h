/* SPDX-License-Identifier: Apache-2.0 */
/* Notices a listing that goes round in circles, however large the circle, with one marker kept. */

#ifndef CLIENT_CYCLE_H
#define CLIENT_CYCLE_H

#include "base/buf.h"

enum { TN_CYCLE_MARKER_MAX = 16 * 1024 };

struct tn_cycle {
    struct tn_buf kept;
    uint64_t pages;
    uint64_t keep_at;
};

#define TN_CYCLE_INIT                                                                              \
    (struct tn_cycle)                                                                              \
    {                                                                                              \
        .kept = TN_BUF_INIT(TN_CYCLE_MARKER_MAX), .keep_at = 1                                     \
    }

void tn_cycle_release(struct tn_cycle *c);

/* The listing goes on behind `key` and `id`. TARN_EPROTOCOL when it has been there before: at once
 * for a page that does not move on, otherwise within thrice as many pages as there are before the
 * circle closes. TARN_ENOMEM, TARN_ETOOBIG. */
TN_MUST_USE int tn_cycle_step(struct tn_cycle *c, struct tn_str key, struct tn_str id);

#endif
