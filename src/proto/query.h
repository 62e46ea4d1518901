/* SPDX-License-Identifier: Apache-2.0 */
/* Query strings: "list-type=2&prefix=a%2Fb&acl". */

#ifndef PROTO_QUERY_H
#define PROTO_QUERY_H

#include "proto/uri.h"

enum { TN_QUERY_PARAM_COUNT_MAX = 256 };

struct tn_param {
    struct tn_str name;
    struct tn_str value; /* empty without a '=' */
    bool has_value;      /* false for "acl", true for "acl=" */
};

/* In the order in which they were sent; repeated names stay. */
struct tn_query {
    struct tn_param *params;
    size_t count;
};

/* Takes the next parameter off `rest`, undecoded. Empty pieces ("a&&b") are skipped. False at the
 * end. */
bool tn_query_next(struct tn_str *rest, struct tn_param *out);

/* All parameters, decoded (flags: TN_URI_PLUS_IS_SPACE). The views point into the arena or into
 * `text`. TARN_EINVAL for bad percent-encoding, TARN_ETOOBIG for more than
 * TN_QUERY_PARAM_COUNT_MAX. On failure `out` is unchanged. */
TN_MUST_USE int tn_query_parse(struct tn_arena *a, struct tn_str text, unsigned flags,
                               struct tn_query *out);

/* The first parameter of that name (names are case-sensitive), or NULL. */
const struct tn_param *tn_query_find(const struct tn_query *q, const char *name);

/* The first value of that name; empty when absent. */
struct tn_str tn_query_value(const struct tn_query *q, const char *name);

bool tn_query_has(const struct tn_query *q, const char *name);

#endif
