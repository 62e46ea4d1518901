/* SPDX-License-Identifier: Apache-2.0 */
/* Access control lists. */

#include "server/api/acl.h"

#include "server/api/owner.h"
#include "server/api/settings.h"
#include "server/api/xml_rules.h"

static const struct {
    const char *name;
    const char *header;
    unsigned permissions;
} permissions[] = {
    { "FULL_CONTROL", "x-amz-grant-full-control", ACL_FULL_CONTROL },
    { "READ", "x-amz-grant-read", ACL_READ },
    { "WRITE", "x-amz-grant-write", ACL_WRITE },
    { "READ_ACP", "x-amz-grant-read-acp", ACL_READ_ACP },
    { "WRITE_ACP", "x-amz-grant-write-acp", ACL_WRITE_ACP },
};

static const char *const groups[] = { ACL_ALL_USERS, ACL_AUTHENTICATED_USERS, ACL_LOG_DELIVERY };

struct grant {
    struct tn_str permission;
    struct tn_str kind;
    struct tn_str value;
};

/* Takes the next grant off the kept form. */
static bool next_grant(struct tn_str *rest, struct grant *out)
{
    while (rest->len) {
        struct tn_str line = tn_str_split(rest, '\n');
        out->permission = tn_str_split(&line, ' ');
        out->kind = tn_str_split(&line, ' ');
        out->value = line;
        if (out->value.len)
            return true;
    }
    return false;
}

static unsigned permissions_of(struct tn_str name)
{
    for (size_t i = 0; i < TN_COUNT(permissions); i++) {
        if (tn_str_eq(tn_str_from(permissions[i].name), name))
            return permissions[i].permissions;
    }
    return 0;
}

static bool names(const struct grant *g, struct tn_str who, bool is_public_ignored)
{
    if (tn_str_eq(g->kind, TN_STR("id")))
        return who.len && tn_str_eq(g->value, who);
    if (is_public_ignored)
        return false;
    return tn_str_eq(g->value, TN_STR(ACL_ALL_USERS)) ||
           (who.len && tn_str_eq(g->value, TN_STR(ACL_AUTHENTICATED_USERS)));
}

bool acl_allows(struct tn_str acl, struct tn_str owner, struct tn_str who, unsigned wanted,
                bool is_public_ignored)
{
    struct grant g;
    unsigned given = 0;
    if (who.len && tn_str_eq(who, owner))
        given = acl.len ? ACL_READ_ACP | ACL_WRITE_ACP : ACL_FULL_CONTROL;
    while (next_grant(&acl, &g)) {
        if (names(&g, who, is_public_ignored))
            given |= permissions_of(g.permission);
    }
    return (given & wanted) == wanted;
}

bool acl_is_public(struct tn_str acl)
{
    struct grant g;
    while (next_grant(&acl, &g)) {
        if (tn_str_eq(g.value, TN_STR(ACL_ALL_USERS)) ||
            tn_str_eq(g.value, TN_STR(ACL_AUTHENTICATED_USERS)))
            return true;
    }
    return false;
}

enum tn_s3_code acl_check_public(struct api_req *r, struct tn_str acl)
{
    const struct tn_xml_node *block = bucket_config_form(r->config, BUCKET_PUBLIC_ACCESS);
    if (block && xml_is_true(block, "BlockPublicAcls") && acl_is_public(acl))
        return api_err(r, TN_S3_ACCESS_DENIED,
                       "Public access control lists are blocked by the BlockPublicAcls setting.");
    return TN_S3_OK;
}

/* --- Making one --- */

static int add(struct tn_buf *acl, const char *permission, const char *kind, struct tn_str value)
{
    return tn_buf_appendf(acl, "%s %s %.*s\n", permission, kind, TN_STR_ARG(value));
}

static enum tn_s3_code add_id(struct api_req *r, struct tn_buf *acl, const char *permission,
                              struct tn_str id)
{
    if (!auth_account_of_id(r->api->auth, id))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid id");
    return api_from_status(r, add(acl, permission, "id", id), NULL);
}

static enum tn_s3_code add_email(struct api_req *r, struct tn_buf *acl, const char *permission,
                                 struct tn_str email)
{
    const struct auth_account *account = auth_account_of_email(r->api->auth, email);
    if (!account)
        return TN_S3_UNRESOLVABLE_GRANT;
    return api_from_status(r, add(acl, permission, "id", account->canonical_id), NULL);
}

static enum tn_s3_code add_group(struct api_req *r, struct tn_buf *acl, const char *permission,
                                 struct tn_str uri)
{
    for (size_t i = 0; i < TN_COUNT(groups); i++) {
        if (tn_str_eq(uri, tn_str_from(groups[i])))
            return api_from_status(r, add(acl, permission, "uri", uri), NULL);
    }
    return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid group uri");
}

/* --- Canned ones --- */

static int add_canned(struct tn_buf *acl, struct tn_str name, struct tn_str owner,
                      struct tn_str bucket_owner)
{
    int rc = add(acl, "FULL_CONTROL", "id", owner);
    bool is_other = !tn_str_eq(owner, bucket_owner);
    if (tn_str_eq(name, TN_STR("public-read")) || tn_str_eq(name, TN_STR("public-read-write")))
        rc = rc ? rc : add(acl, "READ", "uri", TN_STR(ACL_ALL_USERS));
    if (tn_str_eq(name, TN_STR("public-read-write")))
        rc = rc ? rc : add(acl, "WRITE", "uri", TN_STR(ACL_ALL_USERS));
    if (tn_str_eq(name, TN_STR("authenticated-read")))
        rc = rc ? rc : add(acl, "READ", "uri", TN_STR(ACL_AUTHENTICATED_USERS));
    if (tn_str_eq(name, TN_STR("bucket-owner-read")) && is_other)
        rc = rc ? rc : add(acl, "READ", "id", bucket_owner);
    if (tn_str_eq(name, TN_STR("bucket-owner-full-control")) && is_other)
        rc = rc ? rc : add(acl, "FULL_CONTROL", "id", bucket_owner);
    if (tn_str_eq(name, TN_STR("log-delivery-write"))) {
        rc = rc ? rc : add(acl, "WRITE", "uri", TN_STR(ACL_LOG_DELIVERY));
        rc = rc ? rc : add(acl, "READ_ACP", "uri", TN_STR(ACL_LOG_DELIVERY));
    }
    return rc;
}

static bool is_canned(struct tn_str name, bool is_bucket)
{
    static const char *const both[] = { "private", "public-read", "public-read-write",
                                        "authenticated-read" };
    static const char *const of_objects[] = { "bucket-owner-read", "bucket-owner-full-control" };
    for (size_t i = 0; i < TN_COUNT(both); i++) {
        if (tn_str_eq(name, tn_str_from(both[i])))
            return true;
    }
    for (size_t i = 0; !is_bucket && i < TN_COUNT(of_objects); i++) {
        if (tn_str_eq(name, tn_str_from(of_objects[i])))
            return true;
    }
    return is_bucket && tn_str_eq(name, TN_STR("log-delivery-write"));
}

/* --- Headers --- */

bool acl_has_headers(const struct api_req *r)
{
    bool found = api_has_header(r, "x-amz-acl");
    for (size_t i = 0; i < TN_COUNT(permissions); i++)
        found = found || api_has_header(r, permissions[i].header);
    return found;
}

static struct tn_str unquote(struct tn_str text)
{
    text = tn_str_trim(text);
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
        return tn_str_sub(text, 1, text.len - 2);
    return text;
}

/* id="...", emailAddress="...", uri="..." in any number. */
static enum tn_s3_code read_grants(struct api_req *r, struct tn_buf *acl, const char *permission,
                                   struct tn_str rest)
{
    size_t count = 0;
    while (rest.len) {
        struct tn_str value = tn_str_split(&rest, ',');
        struct tn_str kind = tn_str_trim(tn_str_split(&value, '='));
        enum tn_s3_code code = TN_S3_INVALID_ARGUMENT;
        value = unquote(value);
        if (tn_str_eq_nocase(kind, TN_STR("id")))
            code = add_id(r, acl, permission, value);
        else if (tn_str_eq_nocase(kind, TN_STR("emailAddress")))
            code = add_email(r, acl, permission, value);
        else if (tn_str_eq_nocase(kind, TN_STR("uri")))
            code = add_group(r, acl, permission, value);
        if (code)
            return code;
        if (++count > GRANT_COUNT_MAX)
            return api_err(r, TN_S3_INVALID_REQUEST, "Too many grants.");
    }
    return TN_S3_OK;
}

static enum tn_s3_code read_grant_headers(struct api_req *r, struct tn_buf *acl)
{
    for (size_t i = 0; i < TN_COUNT(permissions); i++) {
        struct tn_str value = api_header(r, permissions[i].header);
        enum tn_s3_code code = read_grants(r, acl, permissions[i].name, value);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

/* Ownership enforced: only what says that the bucket's owner has everything is taken. */
static enum tn_s3_code check_enforced(struct api_req *r, bool is_bucket, struct tn_str canned)
{
    bool is_enforced = r->config && owner_rule_of(r->config) == OWNER_ENFORCED;
    if (!is_enforced)
        return TN_S3_OK;
    if (!is_bucket && tn_str_eq(canned, TN_STR("bucket-owner-full-control")))
        return TN_S3_OK;
    return TN_S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED;
}

static enum tn_s3_code keep(struct api_req *r, const struct tn_buf *acl, struct tn_str *out)
{
    struct tn_str text = acl->len ? tn_buf_str(acl) : TN_STR("-\n");
    return api_from_status(r, tn_arena_str(&r->http->arena, text, out), NULL);
}

enum tn_s3_code acl_read_headers(struct api_req *r, bool is_bucket, struct tn_str owner,
                                 struct tn_str *out)
{
    TN_AUTO_BUF acl = TN_BUF_INIT(ACL_LEN_MAX);
    struct tn_str canned = api_header(r, "x-amz-acl");
    *out = TN_STR_EMPTY;
    if (!acl_has_headers(r))
        return TN_S3_OK;
    if (api_has_header(r, "x-amz-acl") && !is_canned(canned, is_bucket))
        return TN_S3_INVALID_ARGUMENT;
    enum tn_s3_code code = check_enforced(r, is_bucket, canned);
    if (code == TN_S3_OK)
        code = read_grant_headers(r, &acl);
    if (code)
        return code;
    if (canned.len && acl.len)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Specifying both Canned ACLs and Header Grants is not allowed");
    if (tn_str_eq(canned, TN_STR("private")))
        return TN_S3_OK;
    struct tn_str bucket_owner = r->config ? owner_of_bucket(r, r->config) : owner;
    if (canned.len)
        code = api_from_status(r, add_canned(&acl, canned, owner, bucket_owner), NULL);
    return code ? code : keep(r, &acl, out);
}

/* --- The body --- */

static enum tn_s3_code read_grantee(struct api_req *r, struct tn_buf *acl,
                                    const struct tn_xml_node *grant)
{
    const struct tn_xml_node *grantee = tn_xml_child(grant, "Grantee");
    struct tn_str permission = tn_xml_child_text(grant, "Permission");
    const char *name = "";
    for (size_t i = 0; i < TN_COUNT(permissions); i++) {
        if (tn_str_eq(permission, tn_str_from(permissions[i].name)))
            name = permissions[i].name;
    }
    if (tn_xml_child(grantee, "URI"))
        return add_group(r, acl, name, tn_xml_child_text(grantee, "URI"));
    if (tn_xml_child(grantee, "EmailAddress"))
        return add_email(r, acl, name, tn_xml_child_text(grantee, "EmailAddress"));
    if (tn_xml_child(grantee, "ID"))
        return add_id(r, acl, name, tn_xml_child_text(grantee, "ID"));
    return TN_S3_MALFORMED_ACL;
}

enum tn_s3_code acl_read_body(struct api_req *r, struct tn_str owner, struct tn_str *out)
{
    TN_AUTO_BUF acl = TN_BUF_INIT(ACL_LEN_MAX);
    const struct tn_xml_node *root = NULL;
    enum tn_s3_code code = check_enforced(r, true, TN_STR_EMPTY);
    if (code == TN_S3_OK)
        code = setting_parse(r, &acl_rule, &root);
    if (code == TN_S3_MALFORMED_XML)
        return api_err(r, TN_S3_MALFORMED_ACL, "%s", tn_s3_error(TN_S3_MALFORMED_ACL)->message);
    if (code)
        return code;
    if (!tn_str_eq(tn_xml_child_text(tn_xml_child(root, "Owner"), "ID"), owner))
        return TN_S3_ACCESS_DENIED;
    const struct tn_xml_node *grant = tn_xml_child(root, "AccessControlList")->children;
    for (; grant; grant = grant->next) {
        code = read_grantee(r, &acl, grant);
        if (code)
            return code;
    }
    return keep(r, &acl, out);
}

/* --- The answer --- */

static bool is_group(const struct grant *g)
{
    return tn_str_eq(g->kind, TN_STR("uri"));
}

static void write_grantee(const struct api_req *r, struct tn_xml_writer *w, const struct grant *g)
{
    bool is_all = is_group(g);
    const struct auth_account *account = auth_account_of_id(r->api->auth, g->value);
    if (w->rc == TARN_OK)
        w->rc = tn_buf_appendf(w->out,
                               "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                               "xsi:type=\"%s\">",
                               is_all ? "Group" : "CanonicalUser");
    tn_xml_str(w, is_all ? "URI" : "ID", g->value);
    if (account && account->name.len)
        tn_xml_str(w, "DisplayName", account->name);
    tn_xml_close(w, "Grantee");
}

static void write_grant(const struct api_req *r, struct tn_xml_writer *w, const struct grant *g)
{
    tn_xml_open(w, "Grant");
    write_grantee(r, w, g);
    tn_xml_str(w, "Permission", g->permission);
    tn_xml_close(w, "Grant");
}

/* Groups first: some clients sort by display names, and groups have none. */
static void write_grants(const struct api_req *r, struct tn_xml_writer *w, struct tn_str acl)
{
    for (int wanted = 1; wanted >= 0; wanted--) {
        struct tn_str rest = acl;
        struct grant g;
        while (next_grant(&rest, &g)) {
            if (is_group(&g) == (wanted == 1))
                write_grant(r, w, &g);
        }
    }
}

enum tn_s3_code acl_reply(struct api_req *r, struct tn_str owner, struct tn_str acl)
{
    struct grant g = { TN_STR("FULL_CONTROL"), TN_STR("id"), owner };
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "AccessControlPolicy", TN_XML_S3_NAMESPACE);
    owner_write(r, &w, "Owner", owner);
    tn_xml_open(&w, "AccessControlList");
    if (acl.len == 0 || owner_rule_of(r->config) == OWNER_ENFORCED)
        write_grant(r, &w, &g);
    else
        write_grants(r, &w, acl);
    tn_xml_close(&w, "AccessControlList");
    tn_xml_close(&w, "AccessControlPolicy");
    return api_reply_xml(r, &w);
}
