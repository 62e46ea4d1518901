/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: from JSON, with what is wrong in S3's words. */

#include "server/auth/policy_impl.h"

enum { NAME_LEN_MAX = 128, TEXTS_COUNT_MAX = 2048 };

struct reader {
    struct tn_arena *arena;
    enum policy_kind kind;
    struct tn_str bucket;
    bool has_variables;
    struct tarn_error *err;
};

static int fail(const struct reader *y, const char *message)
{
    return tn_fail(y->err, TARN_EINVAL, "%s", message);
}

static int fail_memory(const struct reader *y)
{
    return tn_fail(y->err, TARN_ENOMEM, "could not read a policy: out of memory");
}

static struct tn_str text_of(const json_t *json)
{
    return (struct tn_str){ json_string_value(json), json_string_length(json) };
}

static bool is_text(const json_t *json)
{
    return json_is_string(json) && json_string_length(json) <= POLICY_TEXT_LEN_MAX;
}

/* One value or an array of values: how many there are, and the one at `i`. */
static size_t value_count(const json_t *json)
{
    return json_is_array(json) ? json_array_size(json) : 1;
}

static const json_t *value_at(const json_t *json, size_t i)
{
    return json_is_array(json) ? json_array_get(json, i) : json;
}

/* --- Lists of patterns --- */

static int compile(const struct reader *y, struct tn_str text, bool has_wildcards,
                   bool has_variables, struct tn_str *out)
{
    TN_AUTO_BUF pattern = TN_BUF_INIT(2 * POLICY_TEXT_LEN_MAX);
    int rc = policy_pattern_compile(text, has_wildcards, has_variables, &pattern);
    if (rc == TARN_OK)
        rc = tn_arena_str(y->arena, tn_buf_str(&pattern), out);
    return rc;
}

static int read_list(const struct reader *y, const json_t *json, bool has_variables,
                     const char *message, struct pattern_list *out)
{
    size_t count = value_count(json);
    if (count == 0 || count > TEXTS_COUNT_MAX)
        return fail(y, message);
    struct tn_str *items = tn_arena_alloc(y->arena, count * sizeof *items);
    if (!items)
        return fail_memory(y);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = value_at(json, i);
        if (!is_text(value) || json_string_length(value) == 0)
            return fail(y, message);
        int rc = compile(y, text_of(value), true, has_variables, &items[i]);
        if (rc < 0)
            return rc == TARN_ENOMEM ? fail_memory(y) : fail(y, message);
    }
    *out = (struct pattern_list){ items, count };
    return TARN_OK;
}

/* --- Principal --- */

static bool is_account(struct tn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!tn_is_digit(text.data[i]) && !tn_is_alpha(text.data[i]))
            return false;
    }
    return text.len > 0 && text.len <= 64;
}

/* arn:aws:iam::ACCOUNT:root, :user/..., :role/..., arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
 */
static bool read_arn(struct tn_str arn, struct principal *out)
{
    struct tn_str rest = arn;
    struct tn_str parts[5];
    for (size_t i = 0; i < 5; i++)
        parts[i] = tn_str_split(&rest, ':');
    bool is_iam = tn_str_eq(parts[2], TN_STR("iam"));
    bool is_sts = tn_str_eq(parts[2], TN_STR("sts"));
    if (!tn_str_eq(parts[0], TN_STR("arn")) || (!is_iam && !is_sts) || parts[3].len ||
        rest.len == 0 || tn_str_find_char(arn, '*') != SIZE_MAX)
        return false;
    if (is_iam && tn_str_eq(rest, TN_STR("root"))) {
        *out = (struct principal){ PRINCIPAL_ACCOUNT, parts[4] };
        return is_account(parts[4]);
    }
    const struct tn_str user = TN_STR("user/");
    if (is_iam && parts[4].len == 0 && tn_str_starts(rest, user)) {
        /* Without an account, a user is known by its canonical id. */
        *out = (struct principal){ PRINCIPAL_CANONICAL, tn_str_sub(rest, user.len, SIZE_MAX) };
        return rest.len > user.len;
    }
    *out = (struct principal){ PRINCIPAL_ARN, arn };
    bool is_known = is_iam ? tn_str_starts(rest, user) || tn_str_starts(rest, TN_STR("role/"))
                           : tn_str_starts(rest, TN_STR("assumed-role/")) ||
                                 tn_str_starts(rest, TN_STR("federated-user/"));
    return is_known && is_account(parts[4]);
}

static bool read_aws_principal(struct tn_str text, struct principal *out)
{
    if (tn_str_eq(text, TN_STR("*"))) {
        *out = (struct principal){ PRINCIPAL_ANYONE, TN_STR_EMPTY };
        return true;
    }
    if (is_account(text)) {
        *out = (struct principal){ PRINCIPAL_ACCOUNT, text };
        return true;
    }
    return read_arn(text, out);
}

static int add_principals(const struct reader *y, const char *type, const json_t *json,
                          struct principal *out, size_t *n)
{
    for (size_t i = 0; i < value_count(json); i++) {
        const json_t *value = value_at(json, i);
        struct principal p = { PRINCIPAL_NOBODY, TN_STR_EMPTY };
        if (!is_text(value) || json_string_length(value) == 0)
            return fail(y, "Invalid principal in policy");
        bool is_fine = true;
        p.text = text_of(value);
        if (strcmp(type, "AWS") == 0)
            is_fine = read_aws_principal(p.text, &p);
        else if (strcmp(type, "CanonicalUser") == 0)
            p.kind = PRINCIPAL_CANONICAL;
        else if (strcmp(type, "Federated") == 0)
            p.kind = PRINCIPAL_FEDERATED;
        else
            is_fine = strcmp(type, "Service") == 0;
        if (!is_fine)
            return fail(y, "Invalid principal in policy");
        if (tn_arena_str(y->arena, p.text, &p.text) < 0)
            return fail_memory(y);
        out[(*n)++] = p;
    }
    return TARN_OK;
}

static int read_principals(const struct reader *y, json_t *json, struct statement *s)
{
    size_t count = 1;
    size_t n = 0;
    const char *type;
    json_t *value;
    bool is_star = json_is_string(json) && tn_str_eq(text_of(json), TN_STR("*"));
    if (!is_star && !json_is_object(json))
        return fail(y, "Invalid principal in policy");
    if (!is_star)
        json_object_foreach(json, type, value) count += value_count(value);
    struct principal *list = tn_arena_alloc(y->arena, count * sizeof *list);
    if (!list)
        return fail_memory(y);
    if (is_star)
        list[n++] = (struct principal){ PRINCIPAL_ANYONE, TN_STR_EMPTY };
    json_object_foreach(is_star ? NULL : json, type, value)
    {
        int rc = add_principals(y, type, value, list, &n);
        if (rc < 0)
            return rc;
    }
    if (n == 0)
        return fail(y, "Invalid principal in policy");
    s->principals = list;
    s->principal_count = n;
    return TARN_OK;
}

/* --- Conditions --- */

/* Numbers and truth values may stand without quotes. */
static int value_text(const struct reader *y, const json_t *json, struct tn_str *out)
{
    char text[32];
    if (json_is_string(json)) {
        *out = text_of(json);
        return is_text(json) ? TARN_OK : TARN_EINVAL;
    }
    if (json_is_boolean(json))
        (void)snprintf(text, sizeof text, "%s", json_is_true(json) ? "true" : "false");
    else if (json_is_integer(json))
        (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(json));
    else if (json_is_real(json))
        (void)snprintf(text, sizeof text, "%.15g", json_real_value(json));
    else
        return TARN_EINVAL;
    return tn_arena_str(y->arena, tn_str_from(text), out);
}

static int read_condition_values(const struct reader *y, const json_t *json, struct condition *c)
{
    enum condition_type type = c->operator->type;
    bool has_wildcards = type == CONDITION_STRING_LIKE || type == CONDITION_ARN;
    bool is_string = has_wildcards || type == CONDITION_STRING || type == CONDITION_STRING_NOCASE;
    size_t count = value_count(json);
    if (count > TEXTS_COUNT_MAX || json_is_object(json))
        return fail(y, "Policy has invalid condition values");
    struct tn_str *items = tn_arena_alloc(y->arena, count * sizeof *items);
    if (!items)
        return fail_memory(y);
    for (size_t i = 0; i < count; i++) {
        struct tn_str text;
        int rc = value_text(y, value_at(json, i), &text);
        if (rc == TARN_OK && !policy_condition_value_is_fine(c, text))
            rc = TARN_EINVAL;
        if (rc == TARN_OK)
            rc = compile(y, text, has_wildcards, is_string && y->has_variables, &items[i]);
        if (rc < 0)
            return rc == TARN_ENOMEM
                       ? fail_memory(y)
                       : tn_fail(y->err, TARN_EINVAL, "Invalid value for condition operator %s",
                                 c->operator->name);
    }
    c->values = (struct pattern_list){ items, count };
    return TARN_OK;
}

/* "aws:SourceIp", "s3:ExistingObjectTag/key", "jwt:sub": a prefix of its own and a name. */
static bool is_condition_key(struct tn_str key)
{
    size_t at = tn_str_find_char(key, ':');
    return at != SIZE_MAX && at > 0 && at + 1 < key.len && key.len <= 512;
}

static int read_condition(const struct reader *y, const char *name, json_t *json,
                          struct condition *out, size_t *n)
{
    struct condition c;
    const char *key;
    json_t *values;
    policy_condition_name(tn_str_from(name), &c);
    if (!c.operator)
        return tn_fail(y->err, TARN_EINVAL, "Invalid Condition type : %.*s", NAME_LEN_MAX, name);
    if (!json_is_object(json))
        return fail(y, "Conditions must be an object of condition keys");
    json_object_foreach(json, key, values)
    {
        if (!is_condition_key(tn_str_from(key)))
            return fail(y, "Policy has an invalid condition key");
        if (tn_arena_str(y->arena, tn_str_from(key), &c.key) < 0)
            return fail_memory(y);
        int rc = read_condition_values(y, values, &c);
        if (rc < 0)
            return rc;
        out[(*n)++] = c;
    }
    return TARN_OK;
}

static int read_conditions(const struct reader *y, json_t *json, struct statement *s)
{
    size_t count = 0;
    size_t n = 0;
    const char *name;
    json_t *inner;
    if (!json_is_object(json))
        return fail(y, "Condition must be an object");
    json_object_foreach(json, name, inner) count += json_object_size(inner);
    struct condition *list = tn_arena_alloc(y->arena, count * sizeof *list);
    if (!list)
        return fail_memory(y);
    json_object_foreach(json, name, inner)
    {
        int rc = read_condition(y, name, inner, list, &n);
        if (rc < 0)
            return rc;
    }
    s->conditions = list;
    s->condition_count = n;
    return TARN_OK;
}

/* --- Statements --- */

enum element {
    E_SID,
    E_EFFECT,
    E_PRINCIPAL,
    E_NOT_PRINCIPAL,
    E_ACTION,
    E_NOT_ACTION,
    E_RESOURCE,
    E_NOT_RESOURCE,
    E_CONDITION,
    E_COUNT
};

static const char *const element_names[E_COUNT] = {
    "Sid",       "Effect",   "Principal",   "NotPrincipal", "Action",
    "NotAction", "Resource", "NotResource", "Condition",
};

static int find_elements(const struct reader *y, json_t *json, json_t *found[E_COUNT])
{
    const char *name;
    json_t *value;
    if (!json_is_object(json))
        return fail(y, "Statement must be an object or an array of objects");
    json_object_foreach(json, name, value)
    {
        size_t i = 0;
        while (i < E_COUNT && strcmp(name, element_names[i]) != 0)
            i++;
        if (i == E_COUNT)
            return tn_fail(y->err, TARN_EINVAL, "Unknown field %.*s", NAME_LEN_MAX, name);
        found[i] = value;
    }
    return TARN_OK;
}

/* Exactly one of an element and its Not. */
static int need_one(const struct reader *y, json_t *const found[E_COUNT], enum element yes,
                    enum element no)
{
    if (found[yes] && found[no])
        return tn_fail(y->err, TARN_EINVAL, "Statement has both %s and %s", element_names[yes],
                       element_names[no]);
    if (!found[yes] && !found[no])
        return tn_fail(y->err, TARN_EINVAL, "Missing required field %s", element_names[yes]);
    return TARN_OK;
}

static int check_shape(const struct reader *y, json_t *const found[E_COUNT])
{
    bool has_principal = found[E_PRINCIPAL] || found[E_NOT_PRINCIPAL];
    bool has_resource = found[E_RESOURCE] || found[E_NOT_RESOURCE];
    if (!found[E_EFFECT])
        return fail(y, "Missing required field Effect");
    int rc = need_one(y, found, E_ACTION, E_NOT_ACTION);
    if (rc == TARN_OK && y->kind != POLICY_IDENTITY)
        rc = need_one(y, found, E_PRINCIPAL, E_NOT_PRINCIPAL);
    if (rc == TARN_OK && y->kind != POLICY_TRUST)
        rc = need_one(y, found, E_RESOURCE, E_NOT_RESOURCE);
    if (rc < 0)
        return rc;
    if (y->kind == POLICY_BUCKET && found[E_NOT_PRINCIPAL] &&
        tn_str_eq(text_of(found[E_EFFECT]), TN_STR("Allow")))
        return fail(y, "Allow with NotPrincipal is not allowed.");
    if (y->kind == POLICY_IDENTITY && has_principal)
        return fail(y, "Policy document should not specify a principal.");
    if (y->kind == POLICY_TRUST && has_resource)
        return fail(y, "Has prohibited field Resource");
    if (found[E_SID] && !is_text(found[E_SID]))
        return fail(y, "Sid must be a string");
    return TARN_OK;
}

static int read_effect(const struct reader *y, const json_t *json, bool *is_allow)
{
    struct tn_str text = json_is_string(json) ? text_of(json) : TN_STR_EMPTY;
    *is_allow = tn_str_eq(text, TN_STR("Allow"));
    if (!*is_allow && !tn_str_eq(text, TN_STR("Deny")))
        return tn_fail(y->err, TARN_EINVAL, "Invalid effect: %.*s",
                       (int)(text.len < 64 ? text.len : 64), text.data);
    return TARN_OK;
}

static bool is_any(struct tn_str pattern)
{
    return pattern.len == 1 && (unsigned char)pattern.data[0] == PATTERN_ANY;
}

/* In buckets S3's actions only; elsewhere any service's. */
static int check_actions(const struct reader *y, const struct statement *s)
{
    const struct tn_str s3 = TN_STR("s3:");
    for (size_t i = 0; i < s->actions.count; i++) {
        struct tn_str action = s->actions.items[i];
        unsigned own = y->kind == POLICY_BUCKET ? policy_action_levels(action) : 0;
        if (!is_any(action) && tn_str_find_char(action, ':') == SIZE_MAX)
            return fail(y, "Policy has invalid action");
        bool is_s3 = is_any(action) || tn_str_eq_nocase(tn_str_sub(action, 0, 3), s3);
        if (y->kind == POLICY_BUCKET && (!is_s3 || own == ACTION_UNKNOWN))
            return fail(y, "Policy has invalid action");
    }
    return TARN_OK;
}

static int check_resources(const struct reader *y, const struct statement *s)
{
    const struct tn_str arn = TN_STR("arn:");
    const struct tn_str s3 = TN_STR("arn:aws:s3:::");
    for (size_t i = 0; i < s->resources.count; i++) {
        struct tn_str r = s->resources.items[i];
        if (y->kind != POLICY_BUCKET) {
            if (!is_any(r) && !tn_str_starts(r, arn))
                return fail(y, "Resource must be in ARN format or \"*\".");
            continue;
        }
        if (is_any(r))
            continue;
        if (!tn_str_starts(r, s3) || r.len == s3.len)
            return fail(y, "Policy has invalid resource");
        r = tn_str_sub(r, s3.len, SIZE_MAX);
        size_t slash = tn_str_find_char(r, '/');
        struct tn_str name = tn_str_sub(r, 0, slash);
        bool has_variable = policy_pattern_has(name, PATTERN_OPEN);
        if (y->bucket.len && !has_variable && !s->is_not_resource &&
            !policy_pattern_match(name, y->bucket, false, NULL))
            return fail(y, "Policy has invalid resource");
    }
    return TARN_OK;
}

static int read_actions(const struct reader *y, json_t *const found[E_COUNT], struct statement *s)
{
    s->is_not_action = found[E_NOT_ACTION] != NULL;
    s->is_not_resource = found[E_NOT_RESOURCE] != NULL;
    int rc = read_list(y, s->is_not_action ? found[E_NOT_ACTION] : found[E_ACTION], false,
                       "Policy has invalid action", &s->actions);
    if (rc == TARN_OK)
        rc = check_actions(y, s);
    if (rc < 0 || y->kind == POLICY_TRUST)
        return rc;
    rc = read_list(y, s->is_not_resource ? found[E_NOT_RESOURCE] : found[E_RESOURCE],
                   y->has_variables, "Policy has invalid resource", &s->resources);
    if (rc == TARN_OK)
        rc = check_resources(y, s);
    return rc;
}

static int read_statement(const struct reader *y, json_t *json, struct statement *out)
{
    json_t *found[E_COUNT] = { NULL };
    struct statement s = { 0 };
    int rc = find_elements(y, json, found);
    if (rc == TARN_OK)
        rc = check_shape(y, found);
    if (rc == TARN_OK)
        rc = read_effect(y, found[E_EFFECT], &s.is_allow);
    if (rc < 0)
        return rc;
    s.is_not_principal = found[E_NOT_PRINCIPAL] != NULL;
    json_t *principals = s.is_not_principal ? found[E_NOT_PRINCIPAL] : found[E_PRINCIPAL];
    if (principals)
        rc = read_principals(y, principals, &s);
    if (rc == TARN_OK)
        rc = read_actions(y, found, &s);
    if (rc == TARN_OK && found[E_CONDITION])
        rc = read_conditions(y, found[E_CONDITION], &s);
    if (rc == TARN_OK)
        *out = s;
    return rc;
}

static int check_sids(const struct reader *y, const json_t *list)
{
    for (size_t i = 0; i < value_count(list); i++) {
        const json_t *sid = json_object_get(value_at(list, i), "Sid");
        for (size_t k = 0; sid && json_string_length(sid) && k < i; k++) {
            const json_t *other = json_object_get(value_at(list, k), "Sid");
            if (other && json_equal(sid, other))
                return fail(y, "Statement IDs (SID) in a single policy must be unique.");
        }
    }
    return TARN_OK;
}

/* --- The document --- */

static int read_version(struct reader *y, json_t *root)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        if (strcmp(name, "Version") != 0 && strcmp(name, "Id") != 0 &&
            strcmp(name, "Statement") != 0)
            return tn_fail(y->err, TARN_EINVAL, "Unknown field %.*s", NAME_LEN_MAX, name);
    }
    const json_t *id = json_object_get(root, "Id");
    if (id && !is_text(id))
        return fail(y, "Id must be a string");
    const json_t *version = json_object_get(root, "Version");
    if (!version)
        return TARN_OK;
    struct tn_str text = json_is_string(version) ? text_of(version) : TN_STR_EMPTY;
    y->has_variables = tn_str_eq(text, TN_STR("2012-10-17"));
    if (!y->has_variables && !tn_str_eq(text, TN_STR("2008-10-17")))
        return fail(y, "The policy must contain a valid version string");
    return TARN_OK;
}

static int read_document(struct reader *y, json_t *root, const struct policy **out)
{
    int rc = read_version(y, root);
    if (rc < 0)
        return rc;
    json_t *list = json_object_get(root, "Statement");
    if (!list)
        return fail(y, "Missing required field Statement");
    size_t count = value_count(list);
    if (count == 0)
        return fail(y, "Could not parse the policy: Statement is empty!");
    if (count > POLICY_STATEMENT_COUNT_MAX)
        return fail(y, "The policy has too many statements");
    struct policy *p = tn_arena_zalloc(y->arena, sizeof *p);
    struct statement *statements = tn_arena_zalloc(y->arena, count * sizeof *statements);
    if (!p || !statements)
        return fail_memory(y);
    for (size_t i = 0; rc == TARN_OK && i < count; i++)
        rc =
            read_statement(y, json_is_array(list) ? json_array_get(list, i) : list, &statements[i]);
    if (rc == TARN_OK)
        rc = check_sids(y, list);
    if (rc < 0)
        return rc;
    *p = (struct policy){ y->has_variables, statements, count };
    *out = p;
    return TARN_OK;
}

int policy_parse(struct tn_arena *arena, struct tn_str text, enum policy_kind kind,
                 struct tn_str bucket, const struct policy **out, struct tarn_error *err)
{
    struct reader y = { .arena = arena, .kind = kind, .bucket = bucket, .err = err };
    json_error_t where;
    if (text.len > POLICY_LEN_MAX)
        return tn_fail(err, TARN_ETOOBIG, "Policies may not be larger than 20 KiB");
    struct tn_str start = text;
    while (start.len && strchr(" \t\r\n", start.data[0]))
        start = tn_str_sub(start, 1, SIZE_MAX);
    if (start.len == 0 || start.data[0] != '{')
        return fail(&y, "Policies must be valid JSON and the first byte must be '{'");
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &where);
    if (!root && json_error_code(&where) == json_error_out_of_memory)
        return fail_memory(&y);
    if (!root)
        return tn_fail(err, TARN_EINVAL, "This policy contains invalid Json: line %d, column %d",
                       where.line, where.column);
    int rc = read_document(&y, root, out);
    json_decref(root);
    return rc;
}
