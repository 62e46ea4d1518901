/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle rules: filters and dates. */

#include "server/api/lifecycle_rule.h"

#include "base/clock.h"
#include "server/api/tags.h"
#include "server/api/xml_rule.h"

bool lifecycle_is_enabled(const struct tn_xml_node *rule)
{
    return tn_str_eq(tn_xml_child_text(rule, "Status"), TN_STR("Enabled"));
}

/* Where the conditions stand: <Filter>, its <And>, or the rule itself in the old form. */
static const struct tn_xml_node *conditions_of(const struct tn_xml_node *rule)
{
    const struct tn_xml_node *filter = tn_xml_child(rule, "Filter");
    const struct tn_xml_node *all = filter ? tn_xml_child(filter, "And") : NULL;
    return all ? all : (filter ? filter : rule);
}

struct tn_str lifecycle_prefix(const struct tn_xml_node *rule)
{
    return tn_xml_child_text_raw(conditions_of(rule), "Prefix");
}

bool lifecycle_has_tags(const struct tn_xml_node *rule)
{
    return tn_xml_child(conditions_of(rule), "Tag") != NULL;
}

int lifecycle_rule_fits(const struct tn_xml_node *rule, struct tn_arena *a,
                        const struct lifecycle_object *object)
{
    const struct tn_xml_node *node = conditions_of(rule);
    const struct tn_xml_node *low = tn_xml_child(node, "ObjectSizeGreaterThan");
    const struct tn_xml_node *high = tn_xml_child(node, "ObjectSizeLessThan");
    bool is_sized = low || high;
    if (!lifecycle_is_enabled(rule) || !tn_str_starts(object->key, lifecycle_prefix(rule)) ||
        (low && object->size <= xml_u64(node, "ObjectSizeGreaterThan", 0)) ||
        (high && object->size >= xml_u64(node, "ObjectSizeLessThan", 0)) ||
        (object->is_marker && is_sized))
        return TARN_ENOTFOUND;
    for (const struct tn_xml_node *tag = tn_xml_child(node, "Tag"); tag; tag = tn_xml_next(tag)) {
        struct tn_str value;
        int rc = tags_find(object->tags, a, tn_xml_child_text_raw(tag, "Key"), &value);
        if (rc < 0)
            return rc;
        if (!tn_str_eq(value, tn_xml_child_text_raw(tag, "Value")))
            return TARN_ENOTFOUND;
    }
    return TARN_OK;
}

int64_t lifecycle_after(int64_t from_ms, uint64_t days, int64_t day_ms)
{
    if (days > INT32_MAX)
        return INT64_MAX;
    int64_t due = from_ms + (int64_t)days * day_ms;
    return (due + day_ms - 1) / day_ms * day_ms;
}

/* By the <Days> or the <Date> of an action. */
static int64_t due_at(const struct tn_xml_node *node, int64_t mtime_ms, int64_t day_ms)
{
    int64_t date;
    if (tn_xml_child(node, "Days"))
        return lifecycle_after(mtime_ms, xml_u64(node, "Days", UINT64_MAX), day_ms);
    if (tn_time_parse_iso8601(tn_xml_child_text(node, "Date"), &date) < 0)
        return INT64_MAX;
    return date;
}

int64_t lifecycle_expires(const struct tn_xml_node *rule, int64_t mtime_ms, int64_t day_ms)
{
    const struct tn_xml_node *node = tn_xml_child(rule, "Expiration");
    return node ? due_at(node, mtime_ms, day_ms) : INT64_MAX;
}

bool lifecycle_is_due(const struct tn_xml_node *node, const struct lifecycle_noncurrent *is,
                      int64_t day_ms)
{
    uint64_t days = xml_u64(node, "NoncurrentDays", UINT64_MAX);
    return is->newer_count >= xml_u64(node, "NewerNoncurrentVersions", 0) &&
           lifecycle_after(is->since_ms, days, day_ms) <= tn_wall_ms();
}

/* --- Storage classes: rules move down this slope only --- */

static const unsigned coldness[API_CLASS_COUNT] = {
    [API_CLASS_STANDARD] = 0,    [API_CLASS_REDUCED_REDUNDANCY] = 0,
    [API_CLASS_STANDARD_IA] = 1, [API_CLASS_INTELLIGENT_TIERING] = 2,
    [API_CLASS_ONEZONE_IA] = 3,  [API_CLASS_GLACIER_IR] = 4,
    [API_CLASS_GLACIER] = 5,     [API_CLASS_DEEP_ARCHIVE] = 6,
};

static enum api_class colder(enum api_class is, const struct tn_xml_node *action)
{
    struct tn_str name = tn_xml_child_text(action, "StorageClass");
    for (unsigned i = 0; i < API_CLASS_COUNT; i++) {
        if (tn_str_eq(name, tn_str_from(api_class_names[i])) && coldness[i] > coldness[is])
            return (enum api_class)i;
    }
    return is;
}

enum api_class lifecycle_class(const struct tn_xml_node *rule, const struct store_head *head,
                               int64_t day_ms)
{
    enum api_class found = api_attrs_class(head->attrs);
    const struct tn_xml_node *node = tn_xml_child(rule, "Transition");
    for (; node; node = tn_xml_next(node)) {
        if (due_at(node, head->mtime_ms, day_ms) <= tn_wall_ms())
            found = colder(found, node);
    }
    return found;
}

enum api_class lifecycle_noncurrent_class(const struct tn_xml_node *rule,
                                          const struct store_head *head,
                                          const struct lifecycle_noncurrent *is, int64_t day_ms)
{
    enum api_class found = api_attrs_class(head->attrs);
    const struct tn_xml_node *node = tn_xml_child(rule, "NoncurrentVersionTransition");
    for (; node; node = tn_xml_next(node)) {
        if (lifecycle_is_due(node, is, day_ms))
            found = colder(found, node);
    }
    return found;
}

int lifecycle_find_due(const struct bucket_config *config, struct tn_arena *a,
                       const struct lifecycle_object *object, int64_t day_ms,
                       struct lifecycle_due *out)
{
    struct lifecycle_due due = { INT64_MAX, TN_STR_EMPTY };
    const struct tn_xml_node *root = bucket_config_form(config, BUCKET_LIFECYCLE);
    for (const struct tn_xml_node *rule = root ? root->children : NULL; rule; rule = rule->next) {
        int64_t at = lifecycle_expires(rule, object->mtime_ms, day_ms);
        if (at >= due.at_ms)
            continue;
        int rc = lifecycle_rule_fits(rule, a, object);
        if (rc == TARN_ENOMEM)
            return rc;
        if (rc == TARN_OK)
            due = (struct lifecycle_due){ at, tn_xml_child_text(rule, "ID") };
    }
    *out = due;
    return TARN_OK;
}
