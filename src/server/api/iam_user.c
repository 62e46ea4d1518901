/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: users, their access keys, groups and who is in them. */

#include "base/clock.h"
#include "base/rand.h"
#include "server/api/iam_query.h"

enum { SECRET_LEN = 40, KEY_ID_LEN = 20 };

/* --- Users --- */

/* UserName, or the user who asks. */
static const struct iam_entity *need_user(struct iam_call *c)
{
    const struct api_identity *who = c->r->identity;
    if (iam_param(c, "UserName").len == 0 && who && who->entity && who->entity->type == IAM_USER)
        return iam_view_of_id(c->view, who->entity->id);
    return iam_need_entity(c, IAM_USER, "UserName");
}

static void write_user(struct iam_call *c, const char *element, const struct iam_entity *e)
{
    if (!e)
        return;
    tn_xml_open(&c->w, element);
    iam_write_entity(c, e);
    iam_boundary_write(c, e);
    tn_xml_close(&c->w, element);
}

static void user_create(struct iam_call *c)
{
    struct tn_str name = iam_param(c, "UserName");
    json_t *json = iam_document_new(c, IAM_USER, "UserName", "AIDA");
    iam_boundary_set(c, json);
    iam_commit(c, json);
    if (!iam_has_failed(c))
        write_user(c, "User", iam_view_of_name(c->view, IAM_USER, c->account, name));
}

/* The account's root asking for itself has no user. */
static void user_get(struct iam_call *c)
{
    if (iam_param(c, "UserName").len == 0 && c->r->who.is_root) {
        tn_xml_open(&c->w, "User");
        tn_xml_text(&c->w, "Path", "/");
        tn_xml_str(&c->w, "UserName", c->r->who.account->name);
        tn_xml_str(&c->w, "UserId", c->account);
        const char *arn =
            tn_arena_printf(&c->r->http->arena, "arn:aws:iam::%.*s:root", TN_STR_ARG(c->account));
        tn_xml_text(&c->w, "Arn", arn ? arn : "");
        iam_write_time(c, "CreateDate", 0);
        tn_xml_close(&c->w, "User");
        return;
    }
    write_user(c, "User", need_user(c));
}

/* Members of one type, below PathPrefix. */
static void list_type(struct iam_call *c, enum iam_type type, const char *list)
{
    struct iam_page page;
    struct tn_str prefix = iam_param(c, "PathPrefix");
    iam_page_start(c, &page);
    tn_xml_open(&c->w, list);
    size_t count;
    const struct iam_entity **all = iam_entities(c, type, &count);
    for (size_t i = 0; i < count; i++) {
        if (tn_str_starts(all[i]->path, prefix) && iam_page_takes(&page))
            write_user(c, "member", all[i]);
    }
    tn_xml_close(&c->w, list);
    iam_page_end(c, &page);
}

static void user_list(struct iam_call *c)
{
    list_type(c, IAM_USER, "Users");
}

static void user_update(struct iam_call *c)
{
    iam_move(c, IAM_USER, "UserName");
}

static bool is_empty(const struct iam_entity *e, const char *name)
{
    const json_t *value = json_object_get(e->json, name);
    return json_array_size(value) == 0 && json_object_size(value) == 0;
}

static void user_delete(struct iam_call *c)
{
    static const struct {
        const char *name;
        const char *what;
    } holds[] = { { "keys", "access keys" },
                  { "policies", "policies" },
                  { "attached", "attached policies" },
                  { "groups", "groups" } };
    const struct iam_entity *e = iam_need_entity(c, IAM_USER, "UserName");
    for (size_t i = 0; e && i < TN_COUNT(holds); i++) {
        if (!is_empty(e, holds[i].name))
            iam_fail(c, 409, "DeleteConflict",
                     "Cannot delete entity, must remove %s from user first.", holds[i].what);
    }
    if (e)
        iam_drop(c, e);
}

/* --- Access keys --- */

static json_t *find_key(json_t *document, struct tn_str id, size_t *at)
{
    json_t *keys = json_object_get(document, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        json_t *key = json_array_get(keys, i);
        if (tn_str_eq(iam_text(key, "id"), id)) {
            *at = i;
            return key;
        }
    }
    return NULL;
}

static void make_secret(char out[SECRET_LEN + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[SECRET_LEN];
    tn_random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < SECRET_LEN; i++)
        out[i] = letters[bytes[i] % 64];
    out[SECRET_LEN] = '\0';
    tn_wipe(bytes, sizeof bytes);
}

static void write_key(struct iam_call *c, const struct iam_entity *e, const json_t *key)
{
    tn_xml_str(&c->w, "UserName", e->name);
    tn_xml_str(&c->w, "AccessKeyId", iam_text(key, "id"));
    tn_xml_str(&c->w, "Status", iam_text(key, "status"));
    iam_write_time(c, "CreateDate", json_integer_value(json_object_get(key, "created")));
}

static void key_create(struct iam_call *c)
{
    char id[IAM_ID_LEN + 1];
    char secret[SECRET_LEN + 1];
    const struct iam_entity *e = need_user(c);
    if (!e)
        return;
    json_t *json = json_deep_copy(e->json);
    json_t *keys = iam_array(json, "keys");
    if (json_array_size(keys) >= IAM_KEY_COUNT_MAX)
        iam_fail(c, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d",
                 IAM_KEY_COUNT_MAX);
    iam_id_make("AKIA", id);
    id[KEY_ID_LEN] = '\0';
    make_secret(secret);
    json_t *key = json_pack("{s:s, s:s, s:s, s:I}", "id", id, "secret", secret, "status", "Active",
                            "created", (json_int_t)tn_wall_ms());
    if (json_array_append(keys, key) < 0)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    char user_id[AUTH_ID_LEN_MAX + 1]; /* the entity goes with its view */
    (void)snprintf(user_id, sizeof user_id, "%.*s", TN_STR_ARG(e->id));
    iam_commit(c, json);
    e = iam_view_of_id(c->view, tn_str_from(user_id));
    if (!iam_has_failed(c) && e) {
        tn_xml_open(&c->w, "AccessKey");
        write_key(c, e, key);
        tn_xml_text(&c->w, "SecretAccessKey", secret);
        tn_xml_close(&c->w, "AccessKey");
    }
    json_decref(key);
    tn_wipe(secret, sizeof secret);
}

static void key_list(struct iam_call *c)
{
    struct iam_page page;
    const struct iam_entity *e = need_user(c);
    iam_page_start(c, &page);
    if (!e)
        return;
    const json_t *keys = json_object_get(e->json, "keys");
    tn_xml_str(&c->w, "UserName", e->name);
    tn_xml_open(&c->w, "AccessKeyMetadata");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (!iam_page_takes(&page))
            continue;
        tn_xml_open(&c->w, "member");
        write_key(c, e, json_array_get(keys, i));
        tn_xml_close(&c->w, "member");
    }
    tn_xml_close(&c->w, "AccessKeyMetadata");
    iam_page_end(c, &page);
}

static void key_change(struct iam_call *c, struct tn_str status)
{
    size_t at = 0;
    const struct iam_entity *e = need_user(c);
    struct tn_str id = iam_need(c, "AccessKeyId");
    if (iam_has_failed(c))
        return;
    json_t *json = json_deep_copy(e->json);
    json_t *key = find_key(json, id, &at);
    if (!key)
        iam_fail(c, 404, "NoSuchEntity", "The Access Key with id %.*s cannot be found.",
                 TN_STR_ARG(id));
    else if (status.len)
        (void)json_object_set_new(key, "status", iam_string(status));
    else
        (void)json_array_remove(json_object_get(json, "keys"), at);
    iam_commit(c, json);
}

static void key_update(struct iam_call *c)
{
    struct tn_str status = iam_need(c, "Status");
    if (!iam_has_failed(c) && !tn_str_eq(status, TN_STR("Active")) &&
        !tn_str_eq(status, TN_STR("Inactive")))
        iam_fail(c, 400, "ValidationError", "Status must be Active or Inactive.");
    if (!iam_has_failed(c))
        key_change(c, status);
}

static void key_delete(struct iam_call *c)
{
    key_change(c, TN_STR_EMPTY);
}

static void key_last_used(struct iam_call *c)
{
    struct auth_owner owner;
    char secret[AUTH_SECRET_LEN_MAX + 1];
    struct tn_str id = iam_need(c, "AccessKeyId");
    if (iam_has_failed(c))
        return;
    int rc = auth_key_get(c->r->api->auth, id, secret, &owner);
    tn_wipe(secret, sizeof secret);
    const struct iam_entity *e =
        rc == TARN_OK ? iam_view_of_id(c->view, tn_str_from(owner.user_id)) : NULL;
    if (!e || !tn_str_eq(e->account, c->account)) {
        iam_fail(c, 403, "AccessDenied", "The access key is not one of this account.");
        return;
    }
    tn_xml_str(&c->w, "UserName", e->name);
    tn_xml_open(&c->w, "AccessKeyLastUsed"); /* not kept: every request would be a write */
    tn_xml_text(&c->w, "ServiceName", "N/A");
    tn_xml_text(&c->w, "Region", "N/A");
    tn_xml_close(&c->w, "AccessKeyLastUsed");
}

/* --- Groups --- */

static void group_create(struct iam_call *c)
{
    struct tn_str name = iam_param(c, "GroupName");
    json_t *json = iam_document_new(c, IAM_GROUP, "GroupName", "AGPA");
    iam_commit(c, json);
    if (!iam_has_failed(c))
        write_user(c, "Group", iam_view_of_name(c->view, IAM_GROUP, c->account, name));
}

static bool is_member(const struct iam_entity *user, const struct iam_entity *group)
{
    return user->type == IAM_USER &&
           iam_array_find(json_object_get(user->json, "groups"), group->id) != SIZE_MAX;
}

static void group_get(struct iam_call *c)
{
    struct iam_page page;
    const struct iam_entity *group = iam_need_entity(c, IAM_GROUP, "GroupName");
    iam_page_start(c, &page);
    if (!group)
        return;
    write_user(c, "Group", group);
    tn_xml_open(&c->w, "Users");
    size_t count;
    const struct iam_entity **all = iam_entities(c, IAM_USER, &count);
    for (size_t i = 0; i < count; i++) {
        if (is_member(all[i], group) && iam_page_takes(&page))
            write_user(c, "member", all[i]);
    }
    tn_xml_close(&c->w, "Users");
    iam_page_end(c, &page);
}

static void group_list(struct iam_call *c)
{
    list_type(c, IAM_GROUP, "Groups");
}

static void group_list_for_user(struct iam_call *c)
{
    struct iam_page page;
    const struct iam_entity *user = need_user(c);
    iam_page_start(c, &page);
    if (!user)
        return;
    tn_xml_open(&c->w, "Groups");
    size_t count;
    const struct iam_entity **all = iam_entities(c, IAM_GROUP, &count);
    for (size_t i = 0; i < count; i++) {
        if (is_member(user, all[i]) && iam_page_takes(&page))
            write_user(c, "member", all[i]);
    }
    tn_xml_close(&c->w, "Groups");
    iam_page_end(c, &page);
}

static void group_update(struct iam_call *c)
{
    iam_move(c, IAM_GROUP, "GroupName");
}

static void group_delete(struct iam_call *c)
{
    const struct iam_entity *group = iam_need_entity(c, IAM_GROUP, "GroupName");
    if (!group)
        return;
    if (!is_empty(group, "policies") || !is_empty(group, "attached"))
        iam_fail(c, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.");
    for (size_t i = 0; i < iam_view_count(c->view); i++) {
        if (is_member(iam_view_at(c->view, i), group))
            iam_fail(c, 409, "DeleteConflict",
                     "Cannot delete entity, must remove users from group first.");
    }
    iam_drop(c, group);
}

static void group_change(struct iam_call *c, bool is_added)
{
    const struct iam_entity *group = iam_need_entity(c, IAM_GROUP, "GroupName");
    const struct iam_entity *user = iam_need_entity(c, IAM_USER, "UserName");
    if (!group || !user)
        return;
    json_t *json = json_deep_copy(user->json);
    json_t *groups = iam_array(json, "groups");
    size_t at = iam_array_find(groups, group->id);
    if (is_added && at == SIZE_MAX && json_array_size(groups) >= IAM_GROUP_COUNT_MAX)
        iam_fail(c, 409, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: %d",
                 IAM_GROUP_COUNT_MAX);
    else if (is_added && at == SIZE_MAX)
        (void)json_array_append_new(groups, iam_string(group->id));
    else if (!is_added && at == SIZE_MAX)
        iam_fail(c, 404, "NoSuchEntity", "The user with name %.*s is not in the group.",
                 TN_STR_ARG(user->name));
    else if (!is_added)
        (void)json_array_remove(groups, at);
    iam_commit(c, json);
}

static void group_add_user(struct iam_call *c)
{
    group_change(c, true);
}

static void group_remove_user(struct iam_call *c)
{
    group_change(c, false);
}

/* --- The account --- */

static void write_number(struct iam_call *c, const char *key, uint64_t value)
{
    tn_xml_open(&c->w, "entry");
    tn_xml_text(&c->w, "key", key);
    tn_xml_u64(&c->w, "value", value);
    tn_xml_close(&c->w, "entry");
}

/* How many there are, and at most; the totals share one limit. */
static void account_summary(struct iam_call *c)
{
    static const char *const words[IAM_TYPE_COUNT][2] = { { "Users", "UsersQuota" },
                                                          { "Groups", "GroupsQuota" },
                                                          { "Policies", "PoliciesQuota" },
                                                          { "Roles", "RolesQuota" } };
    static const struct {
        const char *key;
        uint64_t value;
    } limits[] = { { "AccessKeysPerUserQuota", IAM_KEY_COUNT_MAX },
                   { "GroupsPerUserQuota", IAM_GROUP_COUNT_MAX },
                   { "VersionsPerPolicyQuota", IAM_VERSION_COUNT_MAX },
                   { "AttachedPoliciesPerUserQuota", IAM_POLICY_COUNT_MAX },
                   { "AttachedPoliciesPerGroupQuota", IAM_POLICY_COUNT_MAX },
                   { "AttachedPoliciesPerRoleQuota", IAM_POLICY_COUNT_MAX },
                   { "PolicySizeQuota", IAM_POLICY_DOCUMENT_LEN_MAX },
                   { "MFADevices", 0 },
                   { "MFADevicesInUse", 0 },
                   { "AccountMFAEnabled", 0 },
                   { "AccountAccessKeysPresent", 1 } };
    uint64_t counts[IAM_TYPE_COUNT] = { 0 };
    for (size_t i = 0; i < iam_view_count(c->view); i++) {
        const struct iam_entity *e = iam_view_at(c->view, i);
        counts[e->type] += tn_str_eq(e->account, c->account);
    }
    tn_xml_open(&c->w, "SummaryMap");
    for (unsigned type = 0; type < IAM_TYPE_COUNT; type++) {
        write_number(c, words[type][0], counts[type]);
        write_number(c, words[type][1], IAM_ENTITY_COUNT_MAX);
    }
    for (size_t i = 0; i < TN_COUNT(limits); i++)
        write_number(c, limits[i].key, limits[i].value);
    tn_xml_close(&c->w, "SummaryMap");
}

const struct iam_row iam_user_rows[] = {
    { "CreateUser", user_create, IAM_USER, "UserName", true, false, false },
    { "GetUser", user_get, IAM_USER, "UserName", false, false, false },
    { "ListUsers", user_list, IAM_TYPE_COUNT, NULL, false, false, false },
    { "UpdateUser", user_update, IAM_USER, "UserName", true, false, false },
    { "DeleteUser", user_delete, IAM_USER, "UserName", true, false, false },
    { "CreateAccessKey", key_create, IAM_USER, "UserName", true, false, false },
    { "ListAccessKeys", key_list, IAM_USER, "UserName", false, false, false },
    { "UpdateAccessKey", key_update, IAM_USER, "UserName", true, false, false },
    { "DeleteAccessKey", key_delete, IAM_USER, "UserName", true, false, false },
    { "GetAccessKeyLastUsed", key_last_used, IAM_TYPE_COUNT, NULL, false, false, false },
    { "CreateGroup", group_create, IAM_GROUP, "GroupName", true, false, false },
    { "GetGroup", group_get, IAM_GROUP, "GroupName", false, false, false },
    { "ListGroups", group_list, IAM_TYPE_COUNT, NULL, false, false, false },
    { "ListGroupsForUser", group_list_for_user, IAM_USER, "UserName", false, false, false },
    { "UpdateGroup", group_update, IAM_GROUP, "GroupName", true, false, false },
    { "DeleteGroup", group_delete, IAM_GROUP, "GroupName", true, false, false },
    { "AddUserToGroup", group_add_user, IAM_GROUP, "GroupName", true, false, false },
    { "RemoveUserFromGroup", group_remove_user, IAM_GROUP, "GroupName", true, false, false },
    { "GetAccountSummary", account_summary, IAM_TYPE_COUNT, NULL, false, false, false },
};
const size_t iam_user_row_count = TN_COUNT(iam_user_rows);
