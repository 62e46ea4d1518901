/* SPDX-License-Identifier: Apache-2.0 */
/* How the parts of a policy look in memory: shared by the policy_*.c files only.
 *
 * Patterns are texts in which bytes that UTF-8 never uses stand for what is not literal, so that
 * neither a key nor the value of a variable can be mistaken for a wildcard. */

#ifndef SERVER_AUTH_POLICY_IMPL_H
#define SERVER_AUTH_POLICY_IMPL_H

#include <jansson.h>

#include "base/buf.h"
#include "server/auth/policy.h"

enum {
    PATTERN_ANY = 0xff,     /* * */
    PATTERN_ONE = 0xfe,     /* ? */
    PATTERN_OPEN = 0xfd,    /* ${ */
    PATTERN_DEFAULT = 0xfc, /* , ' */
    PATTERN_CLOSE = 0xfb,   /* } */
    PATTERN_SPECIAL = 0xf8, /* from here on */
};

struct pattern_list {
    const struct tn_str *items;
    size_t count;
};

enum principal_kind {
    PRINCIPAL_ANYONE,
    PRINCIPAL_ACCOUNT,   /* its number, or its ":root" */
    PRINCIPAL_ARN,       /* of a user, a role or a session */
    PRINCIPAL_CANONICAL, /* canonical id */
    PRINCIPAL_FEDERATED,
    PRINCIPAL_NOBODY, /* a service: never asks here */
};

struct principal {
    enum principal_kind kind;
    struct tn_str text;
};

enum condition_type {
    CONDITION_STRING,
    CONDITION_STRING_NOCASE,
    CONDITION_STRING_LIKE,
    CONDITION_NUMBER,
    CONDITION_DATE,
    CONDITION_BOOL,
    CONDITION_BINARY,
    CONDITION_IP,
    CONDITION_ARN,
    CONDITION_NULL,
};

enum condition_order { ORDER_EQUAL, ORDER_LESS, ORDER_LESS_EQUAL, ORDER_MORE, ORDER_MORE_EQUAL };
enum condition_set { SET_NONE, SET_ANY, SET_ALL };

struct condition_operator {
    const char *name;
    enum condition_type type;
    bool is_negated;
    enum condition_order order;
};

struct address_range {
    unsigned char bytes[16];
    unsigned len; /* 4 or 16; 0: not an address */
    unsigned bits;
};

struct condition {
    const struct condition_operator *operator;
    bool is_if_exists;
    enum condition_set set;
    struct tn_str key;
    struct pattern_list values;
};

struct statement {
    bool is_allow;
    bool is_not_principal;
    bool is_not_action;
    bool is_not_resource;
    const struct principal *principals;
    size_t principal_count;
    struct pattern_list actions;
    struct pattern_list resources;
    const struct condition *conditions;
    size_t condition_count;
};

struct policy {
    bool has_variables; /* Version 2012-10-17 */
    const struct statement *statements;
    size_t statement_count;
};

/* --- policy_pattern.c --- */

/* Appends the pattern that `text` means. TARN_EINVAL for a variable that does not end. */
TN_MUST_USE int policy_pattern_compile(struct tn_str text, bool has_wildcards, bool has_variables,
                                       struct tn_buf *out);
bool policy_pattern_has(struct tn_str pattern, unsigned char special);

/* False for a text that cannot be filled in: a variable without value. */
bool policy_pattern_match(struct tn_str pattern, struct tn_str text, bool is_nocase,
                          const struct policy_request *request);

/* Six parts between colons, each for itself. */
bool policy_pattern_match_arn(struct tn_str pattern, struct tn_str text,
                              const struct policy_request *request);

/* --- policy_condition.c --- */

/* "ForAnyValue:StringLikeIfExists". NULL operator: not one. */
void policy_condition_name(struct tn_str name, struct condition *out);

/* Can a value be one of this operator's? */
bool policy_condition_value_is_fine(const struct condition *condition, struct tn_str text);
bool policy_condition_holds(const struct condition *condition,
                            const struct policy_request *request);
bool policy_address_parse(struct tn_str text, struct address_range *out);

/* --- policy_action.c --- */

enum action_level { ACTION_UNKNOWN, ACTION_SERVICE = 1, ACTION_BUCKET = 2, ACTION_OBJECT = 4 };

/* The levels of all of S3's actions that the pattern means, or'ed. */
unsigned policy_action_levels(struct tn_str pattern);

#endif
