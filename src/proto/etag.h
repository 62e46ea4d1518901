/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags: "abc", W/"abc", lists of them, and S3's leniency for those without quotes. */

#ifndef PROTO_ETAG_H
#define PROTO_ETAG_H

#include "base/str.h"

struct tn_etag {
    struct tn_str text; /* without quotes */
    bool is_weak;
};

/* One tag: quoted, weak, or bare (no quotes, blanks, commas or control bytes in it). TARN_EINVAL
 * leaves `out`. */
TN_MUST_USE int tn_etag_parse(struct tn_str text, struct tn_etag *out);

/* Takes the next tag off a comma-separated list. TARN_EEOF at its end, TARN_EINVAL where it is
 * malformed. */
TN_MUST_USE int tn_etag_next(struct tn_str *list, struct tn_etag *out);

bool tn_etag_is_any(struct tn_str header); /* "*" */

/* Does the header value name `etag` (without quotes)? "*" names every one. Weak tags count only
 * with `is_weak_ok` (If-None-Match compares weakly, If-Match strongly). What is malformed names
 * nothing. */
bool tn_etag_list_has(struct tn_str list, struct tn_str etag, bool is_weak_ok);

/* "*", or one tag and more, all well-formed? */
bool tn_etag_list_is_fine(struct tn_str list);

#endif
