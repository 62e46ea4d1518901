/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: policies, inline and managed, of users, groups and roles. */

#include <assert.h>

#include "base/clock.h"
#include "server/api/iam_query.h"

static const struct {
    const char *param;
    const char *list; /* in ListEntitiesForPolicy */
    const char *id;
} owners[IAM_TYPE_COUNT] = { [IAM_USER] = { "UserName", "PolicyUsers", "UserId" },
                             [IAM_GROUP] = { "GroupName", "PolicyGroups", "GroupId" },
                             [IAM_ROLE] = { "RoleName", "PolicyRoles", "RoleId" } };

static const struct iam_entity *need_owner(struct iam_call *c)
{
    return iam_need_entity(c, c->row->type, owners[c->row->type].param);
}

/* --- Inline --- */

static void inline_put(struct iam_call *c)
{
    const struct iam_entity *e = need_owner(c);
    struct tn_str name = iam_need_name(c, "PolicyName", IAM_NAME_LEN_MAX);
    struct tn_str text = iam_need(c, "PolicyDocument");
    if (!iam_policy_is_fine(c, text, POLICY_IDENTITY) || !e)
        return;
    json_t *json = json_deep_copy(e->json);
    json_t *all = json_object_get(json, "policies");
    if (!all && json_object_set_new(json, "policies", json_object()) == 0)
        all = json_object_get(json, "policies");
    const char *key = tn_arena_printf(&c->r->http->arena, "%.*s", TN_STR_ARG(name));
    if (!all || !key || json_object_set_new(all, key, iam_string(text)) < 0)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    if (json_object_size(all) > IAM_POLICY_COUNT_MAX)
        iam_fail(c, 409, "LimitExceeded", "Cannot exceed %d inline policies.",
                 IAM_POLICY_COUNT_MAX);
    iam_commit(c, json);
}

/* The inline policy of the parameter PolicyName. */
static const json_t *need_inline(struct iam_call *c, const struct iam_entity *e, const char **key)
{
    struct tn_str name = iam_need(c, "PolicyName");
    if (!e || iam_has_failed(c))
        return NULL;
    *key = tn_arena_printf(&c->r->http->arena, "%.*s", TN_STR_ARG(name));
    const json_t *text = *key ? json_object_get(json_object_get(e->json, "policies"), *key) : NULL;
    if (!text)
        iam_fail(c, 404, "NoSuchEntity", "The policy with name %.*s cannot be found.",
                 TN_STR_ARG(name));
    return text;
}

static void inline_get(struct iam_call *c)
{
    const char *key = NULL;
    const struct iam_entity *e = need_owner(c);
    const json_t *text = need_inline(c, e, &key);
    if (!text)
        return;
    struct tn_str value = { json_string_value(text), json_string_length(text) };
    tn_xml_str(&c->w, owners[e->type].param, e->name);
    tn_xml_text(&c->w, "PolicyName", key);
    iam_write_document(c, "PolicyDocument", value);
}

static void inline_delete(struct iam_call *c)
{
    const char *key = NULL;
    const struct iam_entity *e = need_owner(c);
    if (!need_inline(c, e, &key))
        return;
    json_t *json = json_deep_copy(e->json);
    (void)json_object_del(json_object_get(json, "policies"), key);
    iam_commit(c, json);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void inline_list(struct iam_call *c)
{
    struct iam_page page;
    const char *names[IAM_POLICY_COUNT_MAX];
    const char *name;
    json_t *text;
    size_t count = 0;
    const struct iam_entity *e = need_owner(c);
    iam_page_start(c, &page);
    if (!e)
        return;
    json_t *all = json_object_get(e->json, "policies");
    json_object_foreach(all, name, text)
    {
        assert(count < IAM_POLICY_COUNT_MAX);
        names[count++] = name;
    }
    qsort(names, count, sizeof names[0], by_text);
    tn_xml_open(&c->w, "PolicyNames");
    for (size_t i = 0; i < count; i++) {
        if (iam_page_takes(&page))
            tn_xml_text(&c->w, "member", names[i]);
    }
    tn_xml_close(&c->w, "PolicyNames");
    iam_page_end(c, &page);
}

/* --- Attachments --- */

static void attach(struct iam_call *c)
{
    const struct iam_entity *e = need_owner(c);
    const struct iam_entity *p = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    if (!e || !p)
        return;
    json_t *json = json_deep_copy(e->json);
    json_t *attached = iam_array(json, "attached");
    if (iam_array_find(attached, p->id) == SIZE_MAX)
        (void)json_array_append_new(attached, iam_string(p->id));
    if (json_array_size(attached) > IAM_POLICY_COUNT_MAX)
        iam_fail(c, 409, "LimitExceeded", "Cannot exceed %d attached policies.",
                 IAM_POLICY_COUNT_MAX);
    iam_commit(c, json);
}

static void detach(struct iam_call *c)
{
    const struct iam_entity *e = need_owner(c);
    const struct iam_entity *p = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    if (!e || !p)
        return;
    json_t *json = json_deep_copy(e->json);
    json_t *attached = iam_array(json, "attached");
    size_t at = iam_array_find(attached, p->id);
    if (at == SIZE_MAX)
        iam_fail(c, 404, "NoSuchEntity", "Policy %.*s was not found.", TN_STR_ARG(p->arn));
    else
        (void)json_array_remove(attached, at);
    iam_commit(c, json);
}

static void attached_list(struct iam_call *c)
{
    struct iam_page page;
    const struct iam_entity *e = need_owner(c);
    iam_page_start(c, &page);
    if (!e)
        return;
    const json_t *attached = json_object_get(e->json, "attached");
    tn_xml_open(&c->w, "AttachedPolicies");
    for (size_t i = 0; i < json_array_size(attached); i++) {
        const char *id = json_string_value(json_array_get(attached, i));
        const struct iam_entity *p = iam_view_of_id(c->view, tn_str_from(id));
        if (!p || !iam_page_takes(&page))
            continue;
        tn_xml_open(&c->w, "member");
        tn_xml_str(&c->w, "PolicyName", p->name);
        tn_xml_str(&c->w, "PolicyArn", p->arn);
        tn_xml_close(&c->w, "member");
    }
    tn_xml_close(&c->w, "AttachedPolicies");
    iam_page_end(c, &page);
}

static bool is_attached(const struct iam_entity *e, const struct iam_entity *policy)
{
    return iam_array_find(json_object_get(e->json, "attached"), policy->id) != SIZE_MAX;
}

static size_t count_attachments(const struct iam_call *c, const struct iam_entity *policy)
{
    size_t count = 0;
    for (size_t i = 0; i < iam_view_count(c->view); i++) {
        const struct iam_entity *e = iam_view_at(c->view, i);
        count += tn_str_eq(e->account, c->account) && is_attached(e, policy);
    }
    return count;
}

static void entities_list(struct iam_call *c)
{
    struct iam_page page;
    static const enum iam_type types[] = { IAM_GROUP, IAM_USER, IAM_ROLE };
    const struct iam_entity *policy = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    iam_page_start(c, &page);
    for (size_t t = 0; policy && t < TN_COUNT(types); t++) {
        size_t count;
        const struct iam_entity **all = iam_entities(c, types[t], &count);
        tn_xml_open(&c->w, owners[types[t]].list);
        for (size_t i = 0; i < count; i++) {
            if (!is_attached(all[i], policy) || !iam_page_takes(&page))
                continue;
            tn_xml_open(&c->w, "member");
            tn_xml_str(&c->w, owners[types[t]].param, all[i]->name);
            tn_xml_str(&c->w, owners[types[t]].id, all[i]->id);
            tn_xml_close(&c->w, "member");
        }
        tn_xml_close(&c->w, owners[types[t]].list);
    }
    iam_page_end(c, &page);
}

/* --- Managed --- */

static void write_policy(struct iam_call *c, const char *element, const struct iam_entity *p)
{
    struct tn_str description = iam_text(p->json, "description");
    tn_xml_open(&c->w, element);
    iam_write_entity(c, p);
    tn_xml_str(&c->w, "DefaultVersionId", iam_text(p->json, "default"));
    tn_xml_u64(&c->w, "AttachmentCount", count_attachments(c, p));
    tn_xml_u64(&c->w, "PermissionsBoundaryUsageCount", iam_boundary_count(c, p));
    tn_xml_bool(&c->w, "IsAttachable", true);
    if (description.len)
        tn_xml_str(&c->w, "Description", description);
    iam_write_time(c, "UpdateDate", json_integer_value(json_object_get(p->json, "updated")));
    tn_xml_close(&c->w, element);
}

static json_t *version_new(struct tn_str document, unsigned number)
{
    char id[16];
    (void)snprintf(id, sizeof id, "v%u", number);
    return json_pack("{s:s, s:o, s:I}", "id", id, "document", iam_string(document), "created",
                     (json_int_t)tn_wall_ms());
}

static void policy_create(struct iam_call *c)
{
    struct tn_str name = iam_param(c, "PolicyName");
    struct tn_str text = iam_need(c, "PolicyDocument");
    if (!iam_policy_is_fine(c, text, POLICY_IDENTITY))
        return;
    json_t *json = iam_document_new(c, IAM_POLICY, "PolicyName", "ANPA");
    if (!json)
        return;
    (void)json_array_append_new(iam_array(json, "versions"), version_new(text, 1));
    (void)json_object_set_new(json, "default", json_string("v1"));
    (void)json_object_set_new(json, "next", json_integer(2));
    (void)json_object_set_new(json, "updated", json_integer((json_int_t)tn_wall_ms()));
    if (iam_param(c, "Description").len)
        (void)json_object_set_new(json, "description", iam_string(iam_param(c, "Description")));
    iam_commit(c, json);
    const struct iam_entity *p = iam_view_of_name(c->view, IAM_POLICY, c->account, name);
    if (!iam_has_failed(c) && p)
        write_policy(c, "Policy", p);
}

static void policy_get(struct iam_call *c)
{
    const struct iam_entity *p = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    if (p)
        write_policy(c, "Policy", p);
}

/* One of the account's own, to be changed. */
static const struct iam_entity *need_own_policy(struct iam_call *c)
{
    const struct iam_entity *p = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    if (!p || tn_str_eq(p->account, c->account))
        return p;
    iam_fail(c, 403, "AccessDenied", "Policy %.*s belongs to every account and cannot be changed.",
             TN_STR_ARG(p->arn));
    return NULL;
}

static void policy_list(struct iam_call *c)
{
    struct iam_page page;
    struct tn_str prefix = iam_param(c, "PathPrefix");
    struct tn_str scope = iam_param(c, "Scope");
    bool is_attached_only = tn_str_eq(iam_param(c, "OnlyAttached"), TN_STR("true"));
    bool has_own = !tn_str_eq(scope, TN_STR("AWS"));
    bool has_others = !tn_str_eq(scope, TN_STR("Local"));
    if (has_own && has_others && scope.len && !tn_str_eq(scope, TN_STR("All")))
        iam_fail(c, 400, "ValidationError", "Scope is All, AWS or Local.");
    iam_page_start(c, &page);
    tn_xml_open(&c->w, "Policies");
    size_t count;
    const struct iam_entity **all = iam_entities(c, IAM_POLICY, &count);
    for (size_t i = 0; i < count; i++) {
        bool is_own = tn_str_eq(all[i]->account, c->account);
        if ((is_own ? has_own : has_others) && tn_str_starts(all[i]->path, prefix) &&
            (!is_attached_only || count_attachments(c, all[i])) && iam_page_takes(&page))
            write_policy(c, "member", all[i]);
    }
    tn_xml_close(&c->w, "Policies");
    iam_page_end(c, &page);
}

static void policy_delete(struct iam_call *c)
{
    const struct iam_entity *p = need_own_policy(c);
    if (!p)
        return;
    if (count_attachments(c, p) || iam_boundary_count(c, p))
        iam_fail(c, 409, "DeleteConflict", "Cannot delete a policy attached to entities.");
    if (json_array_size(json_object_get(p->json, "versions")) > 1)
        iam_fail(c, 409, "DeleteConflict",
                 "This policy has more than one version. Before you delete a policy, you must "
                 "delete the policy's versions. The default version is deleted with the policy.");
    iam_drop(c, p);
}

/* --- Versions of managed policies --- */

static void write_version(struct iam_call *c, const char *element, const struct iam_entity *p,
                          const json_t *version, bool has_document)
{
    struct tn_str id = iam_text(version, "id");
    tn_xml_open(&c->w, element);
    if (has_document)
        iam_write_document(c, "Document", iam_text(version, "document"));
    tn_xml_str(&c->w, "VersionId", id);
    tn_xml_bool(&c->w, "IsDefaultVersion", tn_str_eq(id, iam_text(p->json, "default")));
    iam_write_time(c, "CreateDate", json_integer_value(json_object_get(version, "created")));
    tn_xml_close(&c->w, element);
}

static const json_t *need_version(struct iam_call *c, const struct iam_entity *p, size_t *at)
{
    struct tn_str id = iam_need(c, "VersionId");
    const json_t *versions = p ? json_object_get(p->json, "versions") : NULL;
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        if (tn_str_eq(iam_text(version, "id"), id)) {
            *at = i;
            return version;
        }
    }
    iam_fail(c, 404, "NoSuchEntity", "Policy version %.*s does not exist.", TN_STR_ARG(id));
    return NULL;
}

static void version_create(struct iam_call *c)
{
    const struct iam_entity *p = need_own_policy(c);
    struct tn_str text = iam_need(c, "PolicyDocument");
    if (!iam_policy_is_fine(c, text, POLICY_IDENTITY) || !p)
        return;
    json_t *json = json_deep_copy(p->json);
    json_t *versions = iam_array(json, "versions");
    if (json_array_size(versions) >= IAM_VERSION_COUNT_MAX)
        iam_fail(c, 409, "LimitExceeded",
                 "A managed policy can have up to %d versions. Before you create a new version, "
                 "you must delete an existing version.",
                 IAM_VERSION_COUNT_MAX);
    json_int_t number = json_integer_value(json_object_get(json, "next"));
    json_t *version = version_new(text, (unsigned)number);
    char arn[IAM_PATH_LEN_MAX + 256];
    (void)snprintf(arn, sizeof arn, "%.*s", TN_STR_ARG(p->arn));
    (void)json_array_append(versions, version);
    (void)json_object_set_new(json, "next", json_integer(number + 1));
    (void)json_object_set_new(json, "updated", json_integer((json_int_t)tn_wall_ms()));
    if (tn_str_eq(iam_param(c, "SetAsDefault"), TN_STR("true")))
        (void)json_object_set_new(json, "default", iam_string(iam_text(version, "id")));
    iam_commit(c, json);
    p = iam_view_of_arn(c->view, tn_str_from(arn));
    if (!iam_has_failed(c) && p)
        write_version(c, "PolicyVersion", p, version, false);
    json_decref(version);
}

static void version_get(struct iam_call *c)
{
    size_t at;
    const struct iam_entity *p = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    const json_t *version = need_version(c, p, &at);
    if (version)
        write_version(c, "PolicyVersion", p, version, true);
}

static void version_list(struct iam_call *c)
{
    struct iam_page page;
    const struct iam_entity *p = iam_need_entity(c, IAM_POLICY, "PolicyArn");
    const json_t *versions = p ? json_object_get(p->json, "versions") : NULL;
    iam_page_start(c, &page);
    tn_xml_open(&c->w, "Versions");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        if (iam_page_takes(&page))
            write_version(c, "member", p, json_array_get(versions, i), false);
    }
    tn_xml_close(&c->w, "Versions");
    iam_page_end(c, &page);
}

static void version_delete(struct iam_call *c)
{
    size_t at;
    const struct iam_entity *p = need_own_policy(c);
    const json_t *version = need_version(c, p, &at);
    if (!version || !p)
        return;
    if (tn_str_eq(iam_text(version, "id"), iam_text(p->json, "default")))
        iam_fail(c, 409, "DeleteConflict", "Cannot delete the default version of a policy.");
    json_t *json = json_deep_copy(p->json);
    (void)json_array_remove(json_object_get(json, "versions"), at);
    iam_commit(c, json);
}

static void version_set_default(struct iam_call *c)
{
    size_t at;
    const struct iam_entity *p = need_own_policy(c);
    const json_t *version = need_version(c, p, &at);
    if (!version || !p)
        return;
    json_t *json = json_deep_copy(p->json);
    (void)json_object_set_new(json, "default", iam_string(iam_text(version, "id")));
    iam_commit(c, json);
}

#define OF_OWNER(what, type, param)                                                                \
    { "Put" what "Policy", inline_put, type, param, true, false, false },                          \
        { "Get" what "Policy", inline_get, type, param, false, false, false },                     \
        { "Delete" what "Policy", inline_delete, type, param, true, false, false },                \
        { "List" what "Policies", inline_list, type, param, false, false, false },                 \
        { "Attach" what "Policy", attach, type, param, true, false, false },                       \
        { "Detach" what "Policy", detach, type, param, true, false, false },                       \
    {                                                                                              \
        "ListAttached" what "Policies", attached_list, type, param, false, false, false            \
    }

const struct iam_row iam_policy_rows[] = {
    OF_OWNER("User", IAM_USER, "UserName"),
    OF_OWNER("Group", IAM_GROUP, "GroupName"),
    OF_OWNER("Role", IAM_ROLE, "RoleName"),
    { "CreatePolicy", policy_create, IAM_POLICY, "PolicyName", true, false, false },
    { "GetPolicy", policy_get, IAM_POLICY, "PolicyArn", false, false, false },
    { "ListPolicies", policy_list, IAM_TYPE_COUNT, NULL, false, false, false },
    { "DeletePolicy", policy_delete, IAM_POLICY, "PolicyArn", true, false, false },
    { "ListEntitiesForPolicy", entities_list, IAM_POLICY, "PolicyArn", false, false, false },
    { "CreatePolicyVersion", version_create, IAM_POLICY, "PolicyArn", true, false, false },
    { "GetPolicyVersion", version_get, IAM_POLICY, "PolicyArn", false, false, false },
    { "ListPolicyVersions", version_list, IAM_POLICY, "PolicyArn", false, false, false },
    { "DeletePolicyVersion", version_delete, IAM_POLICY, "PolicyArn", true, false, false },
    { "SetDefaultPolicyVersion", version_set_default, IAM_POLICY, "PolicyArn", true, false, false },
};
const size_t iam_policy_row_count = TN_COUNT(iam_policy_rows);
