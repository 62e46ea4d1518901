/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of uploads by form: what the fields must be, until when, and how large the file. */

#ifndef SERVER_AUTH_POST_POLICY_H
#define SERVER_AUTH_POST_POLICY_H

#include "base/arena.h"
#include "base/fail.h"
#include "proto/header.h"

enum { POST_POLICY_LEN_MAX = 64 * 1024 };

struct post_policy_result {
    bool has_range;
    uint64_t len_min;
    uint64_t len_max;
};

/* Judges the fields of the form (without the file; "bucket" is added by the caller) by the policy,
 * which is in base64. TARN_EINVAL: the policy is malformed; TARN_EDENIED: a field breaks it, or it
 * has expired. `now_ms` since 1970. */
TN_MUST_USE int post_policy_check(struct tn_arena *arena, struct tn_str policy,
                                  const struct tn_header *fields, size_t field_count,
                                  int64_t now_ms, struct post_policy_result *out,
                                  struct tarn_error *err);

#endif
