/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket's lifecycle rules say of an object, a version, an upload. */

#ifndef SERVER_API_LIFECYCLE_RULE_H
#define SERVER_API_LIFECYCLE_RULE_H

#include "proto/xml.h"
#include "server/api/bucket_config.h"
#include "server/api/meta.h"

#define LIFECYCLE_DAY_MS (86400 * INT64_C(1000))

/* What rules look at. */
struct lifecycle_object {
    struct tn_str key;
    struct tn_str tags; /* kept form, tags.h */
    uint64_t size;
    int64_t mtime_ms;
    bool is_marker;
};

struct lifecycle_due {
    int64_t at_ms; /* INT64_MAX: never */
    struct tn_str rule_id;
};

/* Does the enabled rule speak of it at all? TARN_OK, TARN_ENOTFOUND (no), TARN_ENOMEM. */
TN_MUST_USE int lifecycle_rule_fits(const struct tn_xml_node *rule, struct tn_arena *a,
                                    const struct lifecycle_object *object);
bool lifecycle_has_tags(const struct tn_xml_node *rule); /* must the tags be known? */
bool lifecycle_is_enabled(const struct tn_xml_node *rule);
struct tn_str lifecycle_prefix(const struct tn_xml_node *rule);

/* `days` after `from`, at the end of that day. */
int64_t lifecycle_after(int64_t from_ms, uint64_t days, int64_t day_ms);

/* When the current version goes by that rule's <Expiration>. */
int64_t lifecycle_expires(const struct tn_xml_node *rule, int64_t mtime_ms, int64_t day_ms);

/* A version that was replaced `since_ms`, before `newer_count` others. */
struct lifecycle_noncurrent {
    int64_t since_ms;
    uint64_t newer_count;
};

/* By now, for an action with NoncurrentDays and NewerNoncurrentVersions? */
bool lifecycle_is_due(const struct tn_xml_node *node, const struct lifecycle_noncurrent *is,
                      int64_t day_ms);

/* The storage class that the current version, or one that was replaced, is to have by now: colder
 * than the one it has, or that one. */
enum api_class lifecycle_class(const struct tn_xml_node *rule, const struct store_head *head,
                               int64_t day_ms);
enum api_class lifecycle_noncurrent_class(const struct tn_xml_node *rule,
                                          const struct store_head *head,
                                          const struct lifecycle_noncurrent *is, int64_t day_ms);

/* The earliest of all rules that fit. TARN_ENOMEM. */
TN_MUST_USE int lifecycle_find_due(const struct bucket_config *config, struct tn_arena *a,
                                   const struct lifecycle_object *object, int64_t day_ms,
                                   struct lifecycle_due *out);

#endif
