/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: roles, and who may be them. */

#include "server/api/iam_query.h"

enum { SESSION_S_MIN = 3600, SESSION_S_MAX = 43200 };

static void write_role(struct iam_call *c, const char *element, const struct iam_entity *e)
{
    struct tn_str description = iam_text(e->json, "description");
    json_int_t seconds = json_integer_value(json_object_get(e->json, "max_session"));
    tn_xml_open(&c->w, element);
    iam_write_entity(c, e);
    iam_write_document(c, "AssumeRolePolicyDocument", iam_text(e->json, "trust"));
    if (description.len)
        tn_xml_str(&c->w, "Description", description);
    tn_xml_u64(&c->w, "MaxSessionDuration", (uint64_t)seconds);
    iam_boundary_write(c, e);
    tn_xml_close(&c->w, element);
}

static uint64_t session_seconds(struct iam_call *c)
{
    uint64_t seconds = SESSION_S_MIN;
    struct tn_str text = iam_param(c, "MaxSessionDuration");
    if (text.len &&
        (tn_str_to_u64(text, &seconds) < 0 || seconds < SESSION_S_MIN || seconds > SESSION_S_MAX))
        iam_fail(c, 400, "ValidationError", "MaxSessionDuration must be between %d and %d.",
                 SESSION_S_MIN, SESSION_S_MAX);
    return seconds;
}

static void role_create(struct iam_call *c)
{
    struct tn_str name = iam_param(c, "RoleName");
    struct tn_str trust = iam_need(c, "AssumeRolePolicyDocument");
    uint64_t seconds = session_seconds(c);
    if (!iam_policy_is_fine(c, trust, POLICY_TRUST))
        return;
    json_t *json = iam_document_new(c, IAM_ROLE, "RoleName", "AROA");
    if (!json)
        return;
    (void)json_object_set_new(json, "trust", iam_string(trust));
    (void)json_object_set_new(json, "max_session", json_integer((json_int_t)seconds));
    if (iam_param(c, "Description").len)
        (void)json_object_set_new(json, "description", iam_string(iam_param(c, "Description")));
    iam_boundary_set(c, json);
    iam_commit(c, json);
    const struct iam_entity *e = iam_view_of_name(c->view, IAM_ROLE, c->account, name);
    if (!iam_has_failed(c) && e)
        write_role(c, "Role", e);
}

static void role_get(struct iam_call *c)
{
    const struct iam_entity *e = iam_need_entity(c, IAM_ROLE, "RoleName");
    if (e)
        write_role(c, "Role", e);
}

static void role_list(struct iam_call *c)
{
    struct iam_page page;
    struct tn_str prefix = iam_param(c, "PathPrefix");
    iam_page_start(c, &page);
    tn_xml_open(&c->w, "Roles");
    size_t count;
    const struct iam_entity **all = iam_entities(c, IAM_ROLE, &count);
    for (size_t i = 0; i < count; i++) {
        if (tn_str_starts(all[i]->path, prefix) && iam_page_takes(&page))
            write_role(c, "member", all[i]);
    }
    tn_xml_close(&c->w, "Roles");
    iam_page_end(c, &page);
}

static void role_update(struct iam_call *c)
{
    const struct iam_entity *e = iam_need_entity(c, IAM_ROLE, "RoleName");
    uint64_t seconds = session_seconds(c);
    if (!e || iam_has_failed(c))
        return;
    json_t *json = json_deep_copy(e->json);
    if (iam_param(c, "MaxSessionDuration").len)
        (void)json_object_set_new(json, "max_session", json_integer((json_int_t)seconds));
    if (tn_query_has(&c->params, "Description"))
        (void)json_object_set_new(json, "description", iam_string(iam_param(c, "Description")));
    iam_commit(c, json);
}

static void role_update_trust(struct iam_call *c)
{
    const struct iam_entity *e = iam_need_entity(c, IAM_ROLE, "RoleName");
    struct tn_str trust = iam_need(c, "PolicyDocument");
    if (!iam_policy_is_fine(c, trust, POLICY_TRUST) || !e)
        return;
    json_t *json = json_deep_copy(e->json);
    (void)json_object_set_new(json, "trust", iam_string(trust));
    iam_commit(c, json);
}

static void role_delete(struct iam_call *c)
{
    const struct iam_entity *e = iam_need_entity(c, IAM_ROLE, "RoleName");
    if (!e)
        return;
    if (json_object_size(json_object_get(e->json, "policies")))
        iam_fail(c, 409, "DeleteConflict", "Cannot delete entity, must delete policies first.");
    if (json_array_size(json_object_get(e->json, "attached")))
        iam_fail(c, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.");
    iam_drop(c, e);
}

const struct iam_row iam_role_rows[] = {
    { "CreateRole", role_create, IAM_ROLE, "RoleName", true, false, false },
    { "GetRole", role_get, IAM_ROLE, "RoleName", false, false, false },
    { "ListRoles", role_list, IAM_TYPE_COUNT, NULL, false, false, false },
    { "UpdateRole", role_update, IAM_ROLE, "RoleName", true, false, false },
    { "UpdateAssumeRolePolicy", role_update_trust, IAM_ROLE, "RoleName", true, false, false },
    { "DeleteRole", role_delete, IAM_ROLE, "RoleName", true, false, false },
};
const size_t iam_role_row_count = TN_COUNT(iam_role_rows);
