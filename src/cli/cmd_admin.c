/* SPDX-License-Identifier: Apache-2.0 */
/* tarn admin: users, keys, groups, policies and quotas of a server that speaks the IAM query API.
 * One table says what there is; answers are shown as they come. */

#include "base/fail.h"
#include "base/file.h"
#include "cli/app.h"
#include "proto/xml.h"

enum {
    PARAMS_MAX = 4,
    POLICY_LEN_MAX = 128 * 1024,
    ANSWER_ARENA_MAX = 32 << 20,
    PAGES_MAX = 10000,
    NAME_LEN_MAX = 64
};

/* A parameter with a '@' in front is the name of a file with its value. */
struct verb {
    const char *resource;
    const char *name;
    const char *action;
    const char *params[PARAMS_MAX + 1];
    int required;
    const char *fixed_name; /* one more parameter, the same each time */
    const char *fixed_value;
};

static const struct verb verbs[] = {
    { "user", "list", "ListUsers", { NULL }, 0, NULL, NULL },
    { "user", "create", "CreateUser", { "UserName" }, 1, NULL, NULL },
    { "user", "show", "GetUser", { "UserName" }, 1, NULL, NULL },
    { "user", "delete", "DeleteUser", { "UserName" }, 1, NULL, NULL },
    { "user", "groups", "ListGroupsForUser", { "UserName" }, 1, NULL, NULL },
    { "key", "list", "ListAccessKeys", { "UserName" }, 0, NULL, NULL },
    { "key", "create", "CreateAccessKey", { "UserName" }, 0, NULL, NULL },
    { "key", "delete", "DeleteAccessKey", { "AccessKeyId", "UserName" }, 1, NULL, NULL },
    { "key", "enable", "UpdateAccessKey", { "AccessKeyId", "UserName" }, 1, "Status", "Active" },
    { "key", "disable", "UpdateAccessKey", { "AccessKeyId", "UserName" }, 1, "Status", "Inactive" },
    { "group", "list", "ListGroups", { NULL }, 0, NULL, NULL },
    { "group", "create", "CreateGroup", { "GroupName" }, 1, NULL, NULL },
    { "group", "show", "GetGroup", { "GroupName" }, 1, NULL, NULL },
    { "group", "delete", "DeleteGroup", { "GroupName" }, 1, NULL, NULL },
    { "group", "add", "AddUserToGroup", { "GroupName", "UserName" }, 2, NULL, NULL },
    { "group", "remove", "RemoveUserFromGroup", { "GroupName", "UserName" }, 2, NULL, NULL },
    { "policy", "list", "ListPolicies", { NULL }, 0, "Scope", "Local" },
    { "policy", "create", "CreatePolicy", { "PolicyName", "@PolicyDocument" }, 2, NULL, NULL },
    { "policy", "show", "GetPolicy", { "PolicyArn" }, 1, NULL, NULL },
    { "policy", "document", "GetPolicyVersion", { "PolicyArn", "VersionId" }, 2, NULL, NULL },
    { "policy", "delete", "DeletePolicy", { "PolicyArn" }, 1, NULL, NULL },
    { "policy", "attach", "AttachUserPolicy", { "PolicyArn", "UserName" }, 2, NULL, NULL },
    { "policy", "detach", "DetachUserPolicy", { "PolicyArn", "UserName" }, 2, NULL, NULL },
    { "policy", "attached", "ListAttachedUserPolicies", { "UserName" }, 1, NULL, NULL },
    { "policy", "attach-group", "AttachGroupPolicy", { "PolicyArn", "GroupName" }, 2, NULL, NULL },
    { "policy", "detach-group", "DetachGroupPolicy", { "PolicyArn", "GroupName" }, 2, NULL, NULL },
    { "policy",
      "put",
      "PutUserPolicy",
      { "UserName", "PolicyName", "@PolicyDocument" },
      3,
      NULL,
      NULL },
    { "policy", "get", "GetUserPolicy", { "UserName", "PolicyName" }, 2, NULL, NULL },
    { "policy", "inline", "ListUserPolicies", { "UserName" }, 1, NULL, NULL },
    { "policy", "remove", "DeleteUserPolicy", { "UserName", "PolicyName" }, 2, NULL, NULL },
    { "quota", "show", "GetBucketQuota", { "BucketName" }, 1, NULL, NULL },
    { "quota", "set", "PutBucketQuota", { "BucketName", "MaxBytes", "MaxObjects" }, 2, NULL, NULL },
    { "quota", "objects", "PutBucketQuota", { "BucketName", "MaxObjects" }, 2, NULL, NULL },
    { "quota", "clear", "DeleteBucketQuota", { "BucketName" }, 1, NULL, NULL },
};

struct admin {
    struct cli_app *app;
    const struct verb *verb;
    struct tarn_header params[PARAMS_MAX + 3];
    size_t param_count;
    struct tn_buf document; /* of a file */
    struct tn_buf marker;
    uint64_t shown;
};

/* ---- the command line ---- */

static const struct verb *find_verb(const char *resource, const char *name, bool *has_resource)
{
    *has_resource = false;
    for (size_t i = 0; i < TN_COUNT(verbs); i++) {
        if (strcmp(verbs[i].resource, resource) != 0)
            continue;
        *has_resource = true;
        if (name && strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static int fail_unknown(const char *resource, bool has_resource, struct tarn_error *err)
{
    TN_AUTO_BUF names = TN_BUF_INIT(1024);
    if (!has_resource)
        return tn_fail(err, TARN_EINVAL, "\"%s\" is none of user, key, group, policy, quota",
                       resource);
    for (size_t i = 0; i < TN_COUNT(verbs); i++) {
        if (strcmp(verbs[i].resource, resource) == 0 &&
            tn_buf_appendf(&names, "%s%s", names.len ? ", " : "", verbs[i].name) < 0)
            break;
    }
    return tn_fail(err, TARN_EINVAL, "admin %s knows: %s", resource, names.data);
}

static int take_operand(struct admin *a, const char *param, const char *value,
                        struct tarn_error *err)
{
    bool is_file = param[0] == '@';
    int rc = is_file ? tn_file_read(value, &a->document, err) : TARN_OK;
    if (rc == TARN_OK)
        a->params[a->param_count++] =
            (struct tarn_header){ param + is_file, is_file ? a->document.data : value };
    return rc;
}

static int take_operands(struct admin *a, struct tarn_error *err)
{
    const struct verb *v = a->verb;
    int given = a->app->operand_count - 2;
    int known = 0;
    while (v->params[known])
        known++;
    if (given < v->required || given > known)
        return tn_fail(err, TARN_EINVAL, "admin %s %s wants %d to %d more words", v->resource,
                       v->name, v->required, known);
    for (int i = 0; i < given; i++) {
        int rc = take_operand(a, v->params[i], a->app->operands[i + 2], err);
        if (rc < 0)
            return rc;
    }
    if (v->fixed_name)
        a->params[a->param_count++] = (struct tarn_header){ v->fixed_name, v->fixed_value };
    return TARN_OK;
}

/* ---- the answer ---- */

/* "AccessKeyId" is access_key_id. */
static void json_name(struct tn_str name, char out[NAME_LEN_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len && len + 2 < NAME_LEN_MAX; i++) {
        bool is_upper = name.data[i] >= 'A' && name.data[i] <= 'Z';
        bool was_upper = i > 0 && name.data[i - 1] >= 'A' && name.data[i - 1] <= 'Z';
        if (is_upper && i > 0 && !was_upper)
            out[len++] = '_';
        out[len++] = tn_to_lower(name.data[i]);
    }
    out[len] = '\0';
}

static void show_json(struct admin *a, const struct tn_xml_node *record)
{
    CLI_AUTO_JSON json;
    char name[NAME_LEN_MAX];
    cli_report_json(a->app, &json, true);
    if (!record->children)
        cli_json_str(&json, "name", record->text);
    for (const struct tn_xml_node *n = record->children; n; n = n->next) {
        json_name(n->name, name);
        if (!n->children)
            cli_json_str(&json, name, n->text);
    }
    cli_report_json_end(a->app, &json);
}

static int append_field(struct tn_buf *line, const struct tn_xml_node *n, bool has_name)
{
    int rc = TARN_OK;
    if (has_name)
        rc = tn_buf_appendf(line, "%.*s: ", TN_STR_ARG(n->name));
    return rc == TARN_OK ? cli_text_append(line, n->text) : rc;
}

/* One of a list is a line; a single thing is a line for each of its fields. */
static void show_text(struct admin *a, const struct tn_xml_node *record, bool is_of_list)
{
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    int rc = record->children ? TARN_OK : append_field(&line, record, false);
    for (const struct tn_xml_node *n = record->children; n && rc == TARN_OK; n = n->next) {
        if (n->children)
            continue;
        if (is_of_list && line.len > 0)
            rc = tn_buf_append_char(&line, '\t');
        if (rc == TARN_OK)
            rc = append_field(&line, n, !is_of_list);
        if (rc == TARN_OK && !is_of_list) {
            cli_report_line(a->app, "%s", line.data);
            tn_buf_truncate(&line, 0);
        }
    }
    if (rc == TARN_OK && line.len > 0)
        cli_report_line(a->app, "%s", line.data);
}

static void show(struct admin *a, const struct tn_xml_node *record, bool is_of_list)
{
    if (a->app->opt.json)
        show_json(a, record);
    else
        show_text(a, record, is_of_list);
    a->shown++;
}

static void show_result(struct admin *a, const struct tn_xml_node *result)
{
    bool has_parts = false;
    for (const struct tn_xml_node *n = result->children; n; n = n->next) {
        const struct tn_xml_node *member = tn_xml_child(n, "member");
        has_parts = has_parts || n->children;
        if (!member && n->children)
            show(a, n, false);
        for (; member; member = tn_xml_next(member))
            show(a, member, true);
    }
    bool is_list = tn_xml_child(result, "IsTruncated") != NULL;
    if (!has_parts && !is_list && result->children)
        show(a, result, false);
}

static int take_answer(struct admin *a, struct tn_str text, bool *has_more, struct tarn_error *err)
{
    struct tn_arena arena;
    const struct tn_xml_node *root = NULL;
    tn_arena_init(&arena, ANSWER_ARENA_MAX);
    int rc = tn_xml_parse(&arena, text, &root, NULL);
    *has_more = false;
    if (rc < 0)
        (void)tn_fail(err, TARN_EPROTOCOL, "the answer is no document of IAM");
    for (const struct tn_xml_node *n = rc == TARN_OK ? root->children : NULL; n && rc == TARN_OK;
         n = n->next) {
        if (!tn_str_ends(n->name, TN_STR("Result")))
            continue;
        show_result(a, n);
        *has_more = tn_str_eq(tn_xml_child_text(n, "IsTruncated"), TN_STR("true"));
        tn_buf_truncate(&a->marker, 0);
        rc = tn_buf_append_str(&a->marker, tn_xml_child_text(n, "Marker"));
        if (rc < 0 || (*has_more && a->marker.len == 0))
            rc = tn_fail(err, TARN_EPROTOCOL, "the listing does not move on");
    }
    tn_arena_release(&arena);
    return rc < 0 ? TARN_EPROTOCOL : TARN_OK;
}

static int call_all(struct admin *a, struct tarn_error *err)
{
    struct tarn_request request = cli_app_request(a->app);
    bool has_more = true;
    int rc = TARN_OK;
    for (int page = 0; rc == TARN_OK && has_more && page < PAGES_MAX; page++) {
        char *answer = NULL;
        size_t len = 0;
        size_t count = a->param_count;
        if (a->marker.len > 0)
            a->params[count++] = (struct tarn_header){ "Marker", a->marker.data };
        rc = tarn_iam_call(a->app->client, a->verb->action, a->params, count, &request, &answer,
                           &len, err);
        if (rc == TARN_OK)
            rc = take_answer(a, (struct tn_str){ answer, len }, &has_more, err);
        if (answer)
            tn_wipe(answer, len); /* it may hold a secret key */
        tarn_bytes_free(answer);
    }
    return rc;
}

int cli_run_admin(struct cli_app *app)
{
    struct admin a = { .app = app,
                       .document = TN_BUF_INIT(POLICY_LEN_MAX),
                       .marker = TN_BUF_INIT(4096) };
    struct tarn_error err = { 0 };
    bool has_resource;
    int code;
    a.verb = find_verb(app->operands[0], app->operand_count > 1 ? app->operands[1] : NULL,
                       &has_resource);
    int rc = a.verb ? take_operands(&a, &err) : fail_unknown(app->operands[0], has_resource, &err);
    if (rc < 0) {
        code = cli_report_usage(app, &err);
    } else {
        rc = call_all(&a, &err);
        if (rc < 0)
            cli_report_fatal(app, (struct cli_place){ 0 }, &err);
        else if (a.shown == 0 && app->opt.json && strncmp(a.verb->action, "List", 4) != 0)
            show_json(&a, &(struct tn_xml_node){ .text = TN_STR("done") });
        code = (int)cli_app_exit(app);
    }
    tn_buf_release(&a.document);
    tn_buf_release(&a.marker);
    return code;
}
