/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: permissions boundaries, managed policies that bound what users and roles may. */

#include "server/api/iam_query.h"

void iam_boundary_set(struct iam_call *c, json_t *document)
{
    struct tn_str arn = iam_param(c, "PermissionsBoundary");
    if (!document || arn.len == 0)
        return;
    const struct iam_entity *policy = iam_need_entity(c, IAM_POLICY, "PermissionsBoundary");
    if (policy && json_object_set_new(document, "boundary", iam_string(policy->id)) < 0)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
}

void iam_boundary_write(struct iam_call *c, const struct iam_entity *e)
{
    struct tn_str id = iam_text(e->json, "boundary");
    const struct iam_entity *policy = id.len ? iam_view_of_id(c->view, id) : NULL;
    if (!policy)
        return;
    tn_xml_open(&c->w, "PermissionsBoundary");
    tn_xml_text(&c->w, "PermissionsBoundaryType", "PermissionsBoundaryPolicy");
    tn_xml_str(&c->w, "PermissionsBoundaryArn", policy->arn);
    tn_xml_close(&c->w, "PermissionsBoundary");
}

size_t iam_boundary_count(const struct iam_call *c, const struct iam_entity *policy)
{
    size_t count = 0;
    for (size_t i = 0; i < iam_view_count(c->view); i++) {
        const struct iam_entity *e = iam_view_at(c->view, i);
        count += tn_str_eq(e->account, c->account) &&
                 tn_str_eq(iam_text(e->json, "boundary"), policy->id);
    }
    return count;
}

static void boundary_put(struct iam_call *c)
{
    const struct iam_entity *e = iam_need_entity(c, c->row->type, c->row->name);
    (void)iam_need(c, "PermissionsBoundary");
    if (!e || iam_has_failed(c))
        return;
    json_t *json = json_deep_copy(e->json);
    iam_boundary_set(c, json);
    iam_commit(c, json);
}

static void boundary_delete(struct iam_call *c)
{
    const struct iam_entity *e = iam_need_entity(c, c->row->type, c->row->name);
    if (!e)
        return;
    json_t *json = json_deep_copy(e->json);
    if (json_object_del(json, "boundary") < 0)
        iam_fail(c, 404, "NoSuchEntity", "There is no permissions boundary.");
    iam_commit(c, json);
}

const struct iam_row iam_boundary_rows[] = {
    { "PutUserPermissionsBoundary", boundary_put, IAM_USER, "UserName", true, false, false },
    { "DeleteUserPermissionsBoundary", boundary_delete, IAM_USER, "UserName", true, false, false },
    { "PutRolePermissionsBoundary", boundary_put, IAM_ROLE, "RoleName", true, false, false },
    { "DeleteRolePermissionsBoundary", boundary_delete, IAM_ROLE, "RoleName", true, false, false },
};
const size_t iam_boundary_row_count = TN_COUNT(iam_boundary_rows);
