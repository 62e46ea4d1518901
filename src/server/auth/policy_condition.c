/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions: the operators, and when they hold. */

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "server/auth/policy_impl.h"

enum { NUMBER_LEN_MAX = 40 };

static const struct condition_operator operators[] = {
    { "StringEquals", CONDITION_STRING, false, ORDER_EQUAL },
    { "StringNotEquals", CONDITION_STRING, true, ORDER_EQUAL },
    { "StringEqualsIgnoreCase", CONDITION_STRING_NOCASE, false, ORDER_EQUAL },
    { "StringNotEqualsIgnoreCase", CONDITION_STRING_NOCASE, true, ORDER_EQUAL },
    { "StringLike", CONDITION_STRING_LIKE, false, ORDER_EQUAL },
    { "StringNotLike", CONDITION_STRING_LIKE, true, ORDER_EQUAL },
    { "NumericEquals", CONDITION_NUMBER, false, ORDER_EQUAL },
    { "NumericNotEquals", CONDITION_NUMBER, true, ORDER_EQUAL },
    { "NumericLessThan", CONDITION_NUMBER, false, ORDER_LESS },
    { "NumericLessThanEquals", CONDITION_NUMBER, false, ORDER_LESS_EQUAL },
    { "NumericGreaterThan", CONDITION_NUMBER, false, ORDER_MORE },
    { "NumericGreaterThanEquals", CONDITION_NUMBER, false, ORDER_MORE_EQUAL },
    { "DateEquals", CONDITION_DATE, false, ORDER_EQUAL },
    { "DateNotEquals", CONDITION_DATE, true, ORDER_EQUAL },
    { "DateLessThan", CONDITION_DATE, false, ORDER_LESS },
    { "DateLessThanEquals", CONDITION_DATE, false, ORDER_LESS_EQUAL },
    { "DateGreaterThan", CONDITION_DATE, false, ORDER_MORE },
    { "DateGreaterThanEquals", CONDITION_DATE, false, ORDER_MORE_EQUAL },
    { "Bool", CONDITION_BOOL, false, ORDER_EQUAL },
    { "BinaryEquals", CONDITION_BINARY, false, ORDER_EQUAL },
    { "IpAddress", CONDITION_IP, false, ORDER_EQUAL },
    { "NotIpAddress", CONDITION_IP, true, ORDER_EQUAL },
    { "ArnEquals", CONDITION_ARN, false, ORDER_EQUAL },
    { "ArnLike", CONDITION_ARN, false, ORDER_EQUAL },
    { "ArnNotEquals", CONDITION_ARN, true, ORDER_EQUAL },
    { "ArnNotLike", CONDITION_ARN, true, ORDER_EQUAL },
    { "Null", CONDITION_NULL, false, ORDER_EQUAL },
};

void policy_condition_name(struct tn_str name, struct condition *out)
{
    const struct tn_str any = TN_STR("ForAnyValue:");
    const struct tn_str all = TN_STR("ForAllValues:");
    const struct tn_str suffix = TN_STR("IfExists");
    *out = (struct condition){ 0 };
    if (tn_str_starts(name, any)) {
        out->set = SET_ANY;
        name = tn_str_sub(name, any.len, SIZE_MAX);
    } else if (tn_str_starts(name, all)) {
        out->set = SET_ALL;
        name = tn_str_sub(name, all.len, SIZE_MAX);
    }
    if (tn_str_ends(name, suffix)) {
        out->is_if_exists = true;
        name = tn_str_sub(name, 0, name.len - suffix.len);
    }
    for (size_t i = 0; i < TN_COUNT(operators); i++) {
        if (tn_str_eq_nocase(name, tn_str_from(operators[i].name)))
            out->operator= & operators[i];
    }
    if (out->operator&& out->operator->type == CONDITION_NULL && out->is_if_exists)
        out->operator= NULL;
}

/* --- Values --- */

static bool parse_number(struct tn_str text, double *out)
{
    char copy[NUMBER_LEN_MAX + 1];
    if (text.len == 0 || text.len > NUMBER_LEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!tn_is_digit(text.data[i]) && !strchr("+-.eE", text.data[i]))
            return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    char *end;
    *out = strtod(copy, &end);
    return end == copy + text.len && isfinite(*out);
}

/* 2026-11-20T01:02:03Z, 2026-11-20, or seconds since 1970. */
static bool parse_date(struct tn_str text, double *out)
{
    uint64_t seconds;
    int64_t ms;
    char full[32];
    if (tn_str_to_u64(text, &seconds) == TARN_OK) {
        *out = (double)seconds * 1000;
        return true;
    }
    if (text.len == 10) {
        (void)snprintf(full, sizeof full, "%.*sT00:00:00Z", TN_STR_ARG(text));
        text = tn_str_from(full);
    }
    if (tn_time_parse_iso8601(text, &ms) < 0)
        return false;
    *out = (double)ms;
    return true;
}

bool policy_address_parse(struct tn_str text, struct address_range *out)
{
    char copy[INET6_ADDRSTRLEN + 1];
    bool has_bits = tn_str_find_char(text, '/') != SIZE_MAX;
    struct tn_str bits = text;
    struct tn_str address = tn_str_split(&bits, '/');
    struct address_range range = { .len = 0 };
    uint64_t count;
    if (address.len >= sizeof copy || memchr(address.data, '\0', address.len))
        return false;
    memcpy(copy, address.data, address.len);
    copy[address.len] = '\0';
    if (inet_pton(AF_INET, copy, range.bytes) == 1)
        range.len = 4;
    else if (inet_pton(AF_INET6, copy, range.bytes) == 1)
        range.len = 16;
    else
        return false;
    count = (uint64_t)range.len * 8;
    if (has_bits && (tn_str_to_u64(bits, &count) < 0 || count > (uint64_t)range.len * 8))
        return false;
    range.bits = (unsigned)count;
    *out = range;
    return true;
}

/* An IPv4 peer of a dual-stack socket is one of IPv4. */
static void unmap(struct address_range *a)
{
    static const unsigned char prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    if (a->len != 16 || memcmp(a->bytes, prefix, sizeof prefix) != 0)
        return;
    memmove(a->bytes, a->bytes + 12, 4);
    a->len = 4;
}

static bool is_in_range(struct tn_str range_text, struct tn_str text)
{
    struct address_range range;
    struct address_range address;
    if (!policy_address_parse(range_text, &range) || !policy_address_parse(text, &address))
        return false;
    unmap(&address);
    if (range.len != address.len)
        return false;
    for (unsigned i = 0; i < range.bits; i++) {
        unsigned mask = 0x80u >> (i % 8);
        if ((range.bytes[i / 8] ^ address.bytes[i / 8]) & mask)
            return false;
    }
    return true;
}

bool policy_condition_value_is_fine(const struct condition *c, struct tn_str text)
{
    double number;
    struct address_range range;
    switch (c->operator->type) {
    case CONDITION_NUMBER:
        return parse_number(text, &number);
    case CONDITION_DATE:
        return parse_date(text, &number);
    case CONDITION_BOOL:
    case CONDITION_NULL:
        return tn_str_eq_nocase(text, TN_STR("true")) || tn_str_eq_nocase(text, TN_STR("false"));
    case CONDITION_IP:
        return policy_address_parse(text, &range);
    default:
        return true;
    }
}

/* --- Comparing --- */

static bool compare(enum condition_order order, double value, double wanted)
{
    switch (order) {
    case ORDER_LESS:
        return value < wanted;
    case ORDER_LESS_EQUAL:
        return value <= wanted;
    case ORDER_MORE:
        return value > wanted;
    case ORDER_MORE_EQUAL:
        return value >= wanted;
    default:
        return !(value < wanted) && !(value > wanted);
    }
}

/* The operator without its Not. */
static bool value_fits(const struct condition *c, struct tn_str wanted, struct tn_str value,
                       const struct policy_request *request)
{
    double a;
    double b;
    switch (c->operator->type) {
    case CONDITION_NUMBER:
        return parse_number(value, &a) && parse_number(wanted, &b) &&
               compare(c->operator->order, a, b);
    case CONDITION_DATE:
        return parse_date(value, &a) && parse_date(wanted, &b) && compare(c->operator->order, a, b);
    case CONDITION_BOOL:
        return tn_str_eq_nocase(value, wanted);
    case CONDITION_IP:
        return is_in_range(wanted, value);
    case CONDITION_ARN:
        return policy_pattern_match_arn(wanted, value, request);
    case CONDITION_STRING_NOCASE:
        return policy_pattern_match(wanted, value, true, request);
    default:
        return policy_pattern_match(wanted, value, false, request);
    }
}

/* With its Not: none of the wanted values may fit. */
static bool value_holds(const struct condition *c, struct tn_str value,
                        const struct policy_request *request)
{
    bool fits = false;
    for (size_t i = 0; i < c->values.count && !fits; i++)
        fits = value_fits(c, c->values.items[i], value, request);
    return fits != c->operator->is_negated;
}

static bool holds_without_value(const struct condition *c)
{
    if (c->is_if_exists || c->set == SET_ALL)
        return true;
    return c->set != SET_ANY && c->operator->is_negated;
}

static bool null_holds(const struct condition *c, bool is_null)
{
    for (size_t i = 0; i < c->values.count; i++) {
        if (tn_str_eq_nocase(c->values.items[i], TN_STR("true")) == is_null)
            return true;
    }
    return false;
}

bool policy_condition_holds(const struct condition *c, const struct policy_request *request)
{
    struct tn_str values[POLICY_VALUE_COUNT_MAX];
    size_t count =
        request->values ? request->values(request->user, c->key, values, TN_COUNT(values)) : 0;
    if (c->operator->type == CONDITION_NULL)
        return null_holds(c, count == 0);
    if (count == 0)
        return holds_without_value(c);

    size_t held = 0;
    for (size_t i = 0; i < count; i++)
        held += value_holds(c, values[i], request);
    /* A Not without a set means: no value is one of these. */
    bool needs_all = c->set == SET_ALL || (c->set == SET_NONE && c->operator->is_negated);
    return needs_all ? held == count : held > 0;
}
