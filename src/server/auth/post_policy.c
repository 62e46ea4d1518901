/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of uploads by form. */

#include "server/auth/post_policy.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/codec.h"

enum { NAME_LEN_MAX = 256, CONDITION_COUNT_MAX = 1000 };

/* Fields that need no condition. */
static const char *const free_fields[] = {
    "AWSAccessKeyId", "x-amz-signature", "signature", "policy", "file", "submit", "bucket"
};

struct judge {
    const struct tn_header *fields;
    size_t count;
    bool *is_covered; /* per field */
    struct post_policy_result result;
    struct tarn_error *err;
};

static int malformed(struct judge *j, const char *what)
{
    return tn_fail(j->err, TARN_EINVAL, "Invalid Policy: %s", what);
}

static struct tn_str text_of(const json_t *json)
{
    return (struct tn_str){ json_string_value(json), json_string_length(json) };
}

static struct tn_str field_value(struct judge *j, struct tn_str name)
{
    struct tn_str value = TN_STR_EMPTY;
    for (size_t i = 0; i < j->count; i++) {
        if (!tn_str_eq_nocase(j->fields[i].name, name))
            continue;
        j->is_covered[i] = true;
        value = j->fields[i].value;
    }
    return value;
}

static int check_field(struct judge *j, struct tn_str name, struct tn_str wanted, bool is_prefix)
{
    struct tn_str value = field_value(j, name);
    bool is_fine = is_prefix ? tn_str_starts(value, wanted) : tn_str_eq(value, wanted);
    if (is_fine)
        return TARN_OK;
    return tn_fail(j->err, TARN_EDENIED,
                   "Invalid according to Policy: Policy Condition failed: [\"%s\", \"$%.*s\", "
                   "\"%.*s\"]",
                   is_prefix ? "starts-with" : "eq", (int)(name.len < 64 ? name.len : 64),
                   name.data, (int)(wanted.len < 64 ? wanted.len : 64), wanted.data);
}

/* A number, or a text that is one. */
static bool read_number(const json_t *json, uint64_t *out)
{
    if (json_is_string(json))
        return tn_str_to_u64(text_of(json), out) == TARN_OK;
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return false;
    *out = (uint64_t)json_integer_value(json);
    return true;
}

static int check_list(struct judge *j, const json_t *list)
{
    uint64_t low;
    uint64_t high;
    const json_t *first = json_array_get(list, 0);
    if (json_array_size(list) != 3 || !json_is_string(first))
        return malformed(j, "a condition is not a list of three.");
    struct tn_str kind = text_of(first);
    const json_t *second = json_array_get(list, 1);
    const json_t *third = json_array_get(list, 2);
    if (tn_str_eq_nocase(kind, TN_STR("content-length-range"))) {
        if (!read_number(second, &low) || !read_number(third, &high))
            return malformed(j, "content-length-range needs two numbers.");
        if (!j->result.has_range || low > j->result.len_min)
            j->result.len_min = low;
        if (!j->result.has_range || high < j->result.len_max)
            j->result.len_max = high;
        j->result.has_range = true;
        return TARN_OK;
    }
    bool is_prefix = tn_str_eq_nocase(kind, TN_STR("starts-with"));
    if ((!is_prefix && !tn_str_eq_nocase(kind, TN_STR("eq"))) || !json_is_string(second) ||
        !json_is_string(third) || json_string_length(second) < 2 ||
        json_string_value(second)[0] != '$')
        return malformed(j, "a condition is neither eq, starts-with nor content-length-range.");
    return check_field(j, tn_str_sub(text_of(second), 1, SIZE_MAX), text_of(third), is_prefix);
}

static int check_object(struct judge *j, json_t *object)
{
    const char *name;
    json_t *value;
    if (json_object_size(object) != 1)
        return malformed(j, "a condition must be one name and one value.");
    json_object_foreach(object, name, value)
    {
        if (!json_is_string(value))
            return malformed(j, "the value of a condition is not a text.");
        int rc = check_field(j, tn_str_from(name), text_of(value), false);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static bool is_free(struct tn_str name)
{
    const struct tn_str ignored = TN_STR("x-ignore-");
    const struct tn_str checksum = TN_STR("x-amz-checksum-");
    if (tn_str_eq_nocase(tn_str_sub(name, 0, ignored.len), ignored) ||
        tn_str_eq_nocase(tn_str_sub(name, 0, checksum.len), checksum))
        return true;
    for (size_t i = 0; i < TN_COUNT(free_fields); i++) {
        if (tn_str_eq_nocase(name, tn_str_from(free_fields[i])))
            return true;
    }
    return false;
}

static int check_covered(struct judge *j)
{
    for (size_t i = 0; i < j->count; i++) {
        struct tn_str name = j->fields[i].name;
        if (!j->is_covered[i] && !is_free(name))
            return tn_fail(j->err, TARN_EDENIED,
                           "Invalid according to Policy: Extra input fields: %.*s",
                           (int)(name.len < NAME_LEN_MAX ? name.len : NAME_LEN_MAX), name.data);
    }
    return TARN_OK;
}

static int check_document(struct judge *j, json_t *root, int64_t now_ms)
{
    int64_t ends;
    const json_t *expiration = json_object_get(root, "expiration");
    json_t *conditions = json_object_get(root, "conditions");
    if (!json_is_string(expiration))
        return malformed(j, "missing expiration.");
    if (tn_time_parse_iso8601(text_of(expiration), &ends) < 0)
        return malformed(j, "the expiration is not a date.");
    if (!json_is_array(conditions))
        return malformed(j, "missing conditions.");
    if (json_array_size(conditions) > CONDITION_COUNT_MAX)
        return malformed(j, "too many conditions.");
    if (ends <= now_ms)
        return tn_fail(j->err, TARN_EDENIED, "Invalid according to Policy: Policy expired.");
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        json_t *c = json_array_get(conditions, i);
        int rc = json_is_array(c)    ? check_list(j, c)
                 : json_is_object(c) ? check_object(j, c)
                                     : malformed(j, "a condition is neither list nor object.");
        if (rc < 0)
            return rc;
    }
    return check_covered(j);
}

int post_policy_check(struct tn_arena *arena, struct tn_str policy, const struct tn_header *fields,
                      size_t field_count, int64_t now_ms, struct post_policy_result *out,
                      struct tarn_error *err)
{
    struct judge j = { .fields = fields, .count = field_count, .err = err };
    if (policy.len > POST_POLICY_LEN_MAX)
        return malformed(&j, "it is too long.");
    char *text = tn_arena_alloc(arena, policy.len + 1);
    j.is_covered = tn_arena_zalloc(arena, field_count + 1);
    if (!text || !j.is_covered)
        return tn_fail(err, TARN_ENOMEM, "could not read the policy: out of memory");
    ssize_t len = tn_base64_decode(policy, text, policy.len);
    if (len < 0)
        return malformed(&j, "it is not base64.");
    json_t *root = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
    int rc =
        json_is_object(root) ? check_document(&j, root, now_ms) : malformed(&j, "it is not JSON.");
    json_decref(root);
    if (rc == TARN_OK)
        *out = j.result;
    return rc;
}
