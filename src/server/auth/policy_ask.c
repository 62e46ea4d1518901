/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what they say of a request, and whether they are open to everybody. */

#include "server/auth/policy_impl.h"

/* --- Who --- */

/* How a principal names who asks: POLICY_SILENT when it does not. */
static enum policy_verdict principal_names(const struct principal *p, const struct policy_who *who)
{
    if (p->kind == PRINCIPAL_ANYONE)
        return POLICY_ALLOWS;
    if (who->is_anonymous)
        return POLICY_SILENT;
    switch (p->kind) {
    case PRINCIPAL_ACCOUNT:
        if (!tn_str_eq(p->text, who->account))
            return POLICY_SILENT;
        return who->is_account_root ? POLICY_ALLOWS : POLICY_ALLOWS_ACCOUNT;
    case PRINCIPAL_CANONICAL:
        if (!who->canonical_id.len || !tn_str_eq(p->text, who->canonical_id))
            return POLICY_SILENT;
        return who->is_account_root ? POLICY_ALLOWS : POLICY_ALLOWS_ACCOUNT;
    case PRINCIPAL_ARN:
        if (who->arn.len && tn_str_eq(p->text, who->arn))
            return who->role_arn.len ? POLICY_ALLOWS_SESSION : POLICY_ALLOWS;
        return who->role_arn.len && tn_str_eq(p->text, who->role_arn) ? POLICY_ALLOWS
                                                                      : POLICY_SILENT;
    case PRINCIPAL_FEDERATED:
        return who->federated.len && tn_str_eq(p->text, who->federated) ? POLICY_ALLOWS
                                                                        : POLICY_SILENT;
    default:
        return POLICY_SILENT;
    }
}

static enum policy_verdict statement_names(const struct statement *s, const struct policy_who *who)
{
    enum policy_verdict best = POLICY_SILENT;
    if (s->principal_count == 0)
        return POLICY_ALLOWS;
    for (size_t i = 0; i < s->principal_count; i++)
        best = policy_join(best, principal_names(&s->principals[i], who));
    if (s->is_not_principal)
        return best == POLICY_SILENT ? POLICY_ALLOWS : POLICY_SILENT;
    return best;
}

/* --- What --- */

static bool list_has(const struct pattern_list *list, struct tn_str text, bool is_nocase,
                     const struct policy_request *request)
{
    for (size_t i = 0; i < list->count; i++) {
        if (policy_pattern_match(list->items[i], text, is_nocase, request))
            return true;
    }
    return false;
}

static bool statement_fits(const struct statement *s, const struct policy_request *request)
{
    if (list_has(&s->actions, request->action, true, request) == s->is_not_action)
        return false;
    bool has_resources = s->resources.count != 0;
    if (has_resources &&
        list_has(&s->resources, request->resource, false, request) == s->is_not_resource)
        return false;
    for (size_t i = 0; i < s->condition_count; i++) {
        if (!policy_condition_holds(&s->conditions[i], request))
            return false;
    }
    return true;
}

enum policy_verdict policy_ask(const struct policy *policy, const struct policy_request *request)
{
    enum policy_verdict verdict = POLICY_SILENT;
    for (size_t i = 0; policy && i < policy->statement_count; i++) {
        const struct statement *s = &policy->statements[i];
        enum policy_verdict named = statement_names(s, request->who);
        if (named == POLICY_SILENT || !statement_fits(s, request))
            continue;
        if (!s->is_allow)
            return POLICY_DENIES;
        verdict = policy_join(verdict, named);
    }
    return verdict;
}

/* --- Public --- */

static const char *const fixing_keys[] = {
    "aws:SourceArn",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceAccount",
    "aws:SourceOwner",
    "aws:SourceIp",
    "aws:VpcSourceIp",
    "aws:userid",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:username",
    "s3:DataAccessPointArn",
    "s3:DataAccessPointAccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
};

/* Ranges wider than these are as good as everywhere. */
static bool is_narrow_range(struct tn_str text)
{
    struct address_range range;
    return policy_address_parse(text, &range) && range.bits >= (range.len == 4 ? 8u : 32u);
}

static bool is_fixed(const struct condition *c, struct tn_str value)
{
    if (c->operator->type == CONDITION_IP)
        return is_narrow_range(value);
    return value.len && !policy_pattern_has(value, PATTERN_ANY) &&
           !policy_pattern_has(value, PATTERN_ONE) && !policy_pattern_has(value, PATTERN_OPEN);
}

/* Does the condition leave only such as one can list? */
static bool condition_fixes(const struct condition *c)
{
    enum condition_type type = c->operator->type;
    bool is_fixing = false;
    for (size_t i = 0; i < TN_COUNT(fixing_keys); i++)
        is_fixing = is_fixing || tn_str_eq_nocase(c->key, tn_str_from(fixing_keys[i]));
    if (!is_fixing || c->operator->is_negated || c->is_if_exists || c->set == SET_ALL)
        return false;
    if (type != CONDITION_STRING && type != CONDITION_STRING_NOCASE &&
        type != CONDITION_STRING_LIKE && type != CONDITION_ARN && type != CONDITION_IP)
        return false;
    for (size_t i = 0; i < c->values.count; i++) {
        if (!is_fixed(c, c->values.items[i]))
            return false;
    }
    return true;
}

static bool statement_is_public(const struct statement *s)
{
    bool is_open = s->is_not_principal;
    for (size_t i = 0; i < s->principal_count; i++)
        is_open = is_open || s->principals[i].kind == PRINCIPAL_ANYONE;
    if (!s->is_allow || !is_open)
        return false;
    for (size_t i = 0; i < s->condition_count; i++) {
        if (condition_fixes(&s->conditions[i]))
            return false;
    }
    return true;
}

bool policy_is_public(const struct policy *policy)
{
    for (size_t i = 0; policy && i < policy->statement_count; i++) {
        if (statement_is_public(&policy->statements[i]))
            return true;
    }
    return false;
}
