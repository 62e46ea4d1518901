/* SPDX-License-Identifier: Apache-2.0 */
/* IAM's and STS's protocol: form in, XML out, errors. */

#include "server/api/iam_query.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "proto/uri.h"
#include "server/api/iam_store.h"

#define IAM_NAMESPACE "https://iam.amazonaws.com/doc/2010-05-08/"
#define STS_NAMESPACE "https://sts.amazonaws.com/doc/2011-06-15/"

/* --- Errors --- */

void iam_fail(struct iam_call *c, int status, const char *code, const char *format, ...)
{
    va_list args;
    if (c->code)
        return;
    c->status = status;
    c->code = code;
    va_start(args, format);
    (void)vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
}

bool iam_has_failed(const struct iam_call *c)
{
    return c->code != NULL;
}

static void fail_status(struct iam_call *c, int status, const struct tarn_error *err)
{
    if (status == TARN_ETOOBIG)
        iam_fail(c, 409, "LimitExceeded", "%s", err->message);
    else if (status == TARN_EINVAL)
        iam_fail(c, 400, "ValidationError", "%s", err->message);
    else {
        (void)api_from_status(c->r, status, err);
        iam_fail(c, 503, "ServiceFailure", "The request processing has failed.");
    }
}

/* --- Parameters --- */

struct tn_str iam_param(const struct iam_call *c, const char *name)
{
    return tn_query_value(&c->params, name);
}

struct tn_str iam_need(struct iam_call *c, const char *name)
{
    struct tn_str value = iam_param(c, name);
    if (value.len == 0)
        iam_fail(c, 400, "ValidationError", "The parameter %s is missing or empty.", name);
    return value;
}

struct tn_str iam_need_name(struct iam_call *c, const char *name, size_t len_max)
{
    struct tn_str value = iam_need(c, name);
    for (size_t i = 0; i < value.len; i++) {
        char at = value.data[i];
        if (tn_is_alpha(at) || tn_is_digit(at) || (at && strchr("+=,.@-_", at)))
            continue;
        iam_fail(c, 400, "ValidationError",
                 "The specified value for %s is invalid. It must contain only alphanumeric "
                 "characters and/or the following: +=,.@_-",
                 name);
    }
    if (value.len > len_max)
        iam_fail(c, 400, "ValidationError", "The value of %s is longer than %zu characters.", name,
                 len_max);
    return value;
}

struct tn_str iam_path(struct iam_call *c, const char *name)
{
    struct tn_str path = iam_param(c, name);
    if (path.len == 0)
        return TN_STR("/");
    bool is_fine =
        path.len <= IAM_PATH_LEN_MAX && path.data[0] == '/' && path.data[path.len - 1] == '/';
    for (size_t i = 0; i < path.len; i++)
        is_fine = is_fine && path.data[i] > ' ' && path.data[i] < 0x7f;
    if (!is_fine)
        iam_fail(c, 400, "ValidationError",
                 "The specified value for path is invalid. It must begin and end with / and "
                 "contain only alphanumeric characters and/or / characters.");
    return path;
}

/* --- Entities --- */

static const char *const type_words[IAM_TYPE_COUNT] = { "user", "group", "policy", "role" };

static const char *arn_of(struct iam_call *c, enum iam_type type, struct tn_str path,
                          struct tn_str name)
{
    return tn_arena_printf(&c->r->http->arena, "arn:aws:iam::%.*s:%s%.*s%.*s",
                           TN_STR_ARG(c->account), type_words[type], TN_STR_ARG(path),
                           TN_STR_ARG(name));
}

/* May they do this action to that, NULL when there was no memory for it? */
static void check_right(struct iam_call *c, const char *resource)
{
    char action[128];
    const struct api_identity *who = api_identity_get(c->r);
    (void)snprintf(action, sizeof action, "%s:%s", c->row->is_sts ? "sts" : "iam", c->row->action);
    if (!who || !resource)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    else if (api_may_service(c->r, action, tn_str_from(resource)))
        iam_fail(c, 403, "AccessDenied",
                 "User: %.*s is not authorized to perform: %s on resource: %s",
                 TN_STR_ARG(who->who.arn), action, resource);
}

const struct iam_entity *iam_need_entity(struct iam_call *c, enum iam_type type, const char *param)
{
    struct tn_str name = iam_need(c, param);
    const struct iam_entity *e = NULL;
    if (iam_has_failed(c))
        return NULL;
    if (type == IAM_POLICY)
        e = iam_view_of_arn(c->view, name);
    else
        e = iam_view_of_name(c->view, type, c->account, name);
    if (e && (e->type != type || !tn_str_eq(e->account, c->account)) &&
        !(type == IAM_POLICY && iam_is_policy_for(e, c->account)))
        e = NULL;
    if (!e && type == IAM_POLICY)
        iam_fail(c, 404, "NoSuchEntity", "Policy %.*s does not exist or is not attachable.",
                 TN_STR_ARG(name));
    else if (!e)
        iam_fail(c, 404, "NoSuchEntity", "The %s with name %.*s cannot be found.", type_words[type],
                 TN_STR_ARG(name));
    return e;
}

json_t *iam_string(struct tn_str text)
{
    return json_stringn(text.len ? text.data : "", text.len);
}

static int by_name(const void *left, const void *right)
{
    struct tn_str a = (*(const struct iam_entity *const *)left)->name;
    struct tn_str b = (*(const struct iam_entity *const *)right)->name;
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int difference =
            (unsigned char)tn_to_lower(a.data[i]) - (unsigned char)tn_to_lower(b.data[i]);
        if (difference)
            return difference;
    }
    return (a.len > b.len) - (a.len < b.len);
}

const struct iam_entity **iam_entities(struct iam_call *c, enum iam_type type, size_t *count)
{
    size_t all = iam_view_count(c->view);
    const struct iam_entity **found =
        tn_arena_alloc(&c->r->http->arena, (all + 1) * sizeof(void *));
    *count = 0;
    if (!found)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    for (size_t i = 0; found && i < all; i++) {
        const struct iam_entity *e = iam_view_at(c->view, i);
        if ((e->type == type && tn_str_eq(e->account, c->account)) ||
            (type == IAM_POLICY && iam_is_policy_for(e, c->account)))
            found[(*count)++] = e;
    }
    if (found)
        qsort(found, *count, sizeof(void *), by_name);
    return found;
}

static size_t name_len_max(enum iam_type type)
{
    return type == IAM_USER || type == IAM_ROLE ? 64 : IAM_NAME_LEN_MAX;
}

/* EntityAlreadyExists when another than `e` has the name. */
static void check_name_free(struct iam_call *c, enum iam_type type, struct tn_str name,
                            const struct iam_entity *e)
{
    if (iam_has_failed(c))
        return;
    const struct iam_entity *other = iam_view_of_name(c->view, type, c->account, name);
    if (other && other != e)
        iam_fail(c, 409, "EntityAlreadyExists", "%c%s with name %.*s already exists.",
                 type_words[type][0] - 'a' + 'A', type_words[type] + 1, TN_STR_ARG(name));
}

json_t *iam_document_new(struct iam_call *c, enum iam_type type, const char *param,
                         const char *prefix)
{
    char id[IAM_ID_LEN + 1];
    struct tn_str name = iam_need_name(c, param, name_len_max(type));
    struct tn_str path = iam_path(c, "Path");
    check_name_free(c, type, name, NULL);
    if (iam_has_failed(c))
        return NULL;
    iam_id_make(prefix, id);
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:o, s:I}", "type", type_words[type], "id", id,
                             "account", iam_string(c->account), "name", iam_string(name), "path",
                             iam_string(path), "created", (json_int_t)tn_wall_ms());
    if (!json)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    return json;
}

/* AWS asks for the right to the old name and to the new one. */
void iam_move(struct iam_call *c, enum iam_type type, const char *param)
{
    char new_param[64];
    const struct iam_entity *e = iam_need_entity(c, type, param);
    (void)snprintf(new_param, sizeof new_param, "New%s", param);
    if (!e)
        return;
    struct tn_str name = e->name;
    struct tn_str path = e->path;
    if (iam_param(c, new_param).len)
        name = iam_need_name(c, new_param, name_len_max(type));
    if (iam_param(c, "NewPath").len)
        path = iam_path(c, "NewPath");
    check_name_free(c, type, name, e);
    check_right(c, arn_of(c, type, path, name));
    json_t *json = json_deep_copy(e->json);
    (void)json_object_set_new(json, "name", iam_string(name));
    (void)json_object_set_new(json, "path", iam_string(path));
    iam_commit(c, json);
}

static void look_again(struct iam_call *c)
{
    iam_view_put(c->view);
    c->view = iam_view_get(c->r->api->iam);
}

void iam_commit(struct iam_call *c, json_t *document)
{
    struct tarn_error err = { 0 };
    if (!iam_has_failed(c)) {
        int rc = document ? iam_put(c->r->api->iam, document, &err) : TARN_ENOMEM;
        if (rc < 0)
            fail_status(c, rc, &err);
        look_again(c);
    }
    json_decref(document);
}

void iam_drop(struct iam_call *c, const struct iam_entity *entity)
{
    struct tarn_error err = { 0 };
    if (iam_has_failed(c))
        return;
    int rc = iam_remove(c->r->api->iam, entity->id, &err);
    if (rc < 0)
        fail_status(c, rc, &err);
}

struct tn_str iam_text(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_string(value)
               ? (struct tn_str){ json_string_value(value), json_string_length(value) }
               : TN_STR_EMPTY;
}

json_t *iam_array(json_t *document, const char *name)
{
    json_t *array = json_object_get(document, name);
    if (!array && json_object_set_new(document, name, json_array()) == 0)
        array = json_object_get(document, name);
    return array;
}

size_t iam_array_find(const json_t *array, struct tn_str text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        struct tn_str found = { json_string_value(item), json_string_length(item) };
        if (tn_str_eq(found, text))
            return i;
    }
    return SIZE_MAX;
}

/* --- Writing --- */

void iam_write_time(struct iam_call *c, const char *name, int64_t unix_ms)
{
    char text[TN_TIME_LEN];
    tn_time_iso8601(unix_ms / 1000 * 1000, text);
    (void)snprintf(text + 19, sizeof text - 19, "Z"); /* no fraction */
    tn_xml_text(&c->w, name, text);
}

void iam_write_entity(struct iam_call *c, const struct iam_entity *e)
{
    static const struct {
        const char *name;
        const char *id;
    } words[IAM_TYPE_COUNT] = { { "UserName", "UserId" },
                                { "GroupName", "GroupId" },
                                { "PolicyName", "PolicyId" },
                                { "RoleName", "RoleId" } };
    tn_xml_str(&c->w, "Path", e->path);
    tn_xml_str(&c->w, words[e->type].name, e->name);
    tn_xml_str(&c->w, words[e->type].id, e->id);
    tn_xml_str(&c->w, "Arn", e->arn);
    iam_write_time(c, "CreateDate", json_integer_value(json_object_get(e->json, "created")));
}

void iam_write_document(struct iam_call *c, const char *name, struct tn_str text)
{
    TN_AUTO_BUF encoded = TN_BUF_INIT(4 * POLICY_LEN_MAX);
    if (tn_uri_encode(&encoded, text, 0) < 0)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    else
        tn_xml_str(&c->w, name, tn_buf_str(&encoded));
}

void iam_page_start(struct iam_call *c, struct iam_page *page)
{
    uint64_t first = 0;
    uint64_t count = 100;
    struct tn_str marker = iam_param(c, "Marker");
    struct tn_str max = iam_param(c, "MaxItems");
    if ((marker.len && tn_str_to_u64(marker, &first) < 0) || first > IAM_ENTITY_COUNT_MAX)
        iam_fail(c, 400, "ValidationError", "Marker is invalid.");
    if (max.len && (tn_str_to_u64(max, &count) < 0 || count < 1 || count > IAM_PAGE_COUNT_MAX))
        iam_fail(c, 400, "ValidationError", "MaxItems must be between 1 and 1000.");
    *page = (struct iam_page){ .first = (size_t)first, .count = (size_t)count };
}

bool iam_page_takes(struct iam_page *page)
{
    size_t at = page->at++;
    if (at < page->first)
        return false;
    if (page->given == page->count) {
        page->is_truncated = true;
        return false;
    }
    page->given++;
    return true;
}

void iam_page_end(struct iam_call *c, const struct iam_page *page)
{
    tn_xml_bool(&c->w, "IsTruncated", page->is_truncated);
    if (page->is_truncated)
        tn_xml_u64(&c->w, "Marker", page->first + page->given);
}

bool iam_policy_is_fine(struct iam_call *c, struct tn_str text, enum policy_kind kind)
{
    struct tarn_error err = { 0 };
    const struct policy *policy = NULL;
    if (iam_has_failed(c))
        return false;
    int rc = policy_parse(&c->r->tree, text, kind, TN_STR_EMPTY, &policy, &err);
    if (rc == TARN_ETOOBIG)
        iam_fail(c, 409, "LimitExceeded", "%s", err.message);
    else if (rc < 0)
        iam_fail(c, 400, "MalformedPolicyDocument", "%s", err.message);
    return rc == TARN_OK;
}

/* --- The call --- */

static const struct iam_row *find_row(struct tn_str action)
{
    const struct {
        const struct iam_row *rows;
        size_t count;
    } tables[] = {
        { iam_user_rows, iam_user_row_count },   { iam_policy_rows, iam_policy_row_count },
        { iam_role_rows, iam_role_row_count },   { iam_boundary_rows, iam_boundary_row_count },
        { iam_quota_rows, iam_quota_row_count }, { sts_rows, sts_row_count }
    };
    for (size_t t = 0; t < TN_COUNT(tables); t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            if (tn_str_eq(tn_str_from(tables[t].rows[i].action), action))
                return &tables[t].rows[i];
        }
    }
    return NULL;
}

/* S3's answers to a bad signature, in IAM's words. */
static void fail_auth(struct iam_call *c, enum tn_s3_code code)
{
    const struct tn_s3_error *error = tn_s3_error(code);
    const char *message = c->r->message[0] ? c->r->message : error->message;
    if (code == TN_S3_INVALID_ACCESS_KEY_ID || code == TN_S3_INVALID_TOKEN)
        iam_fail(c, 403, "InvalidClientTokenId",
                 "The security token included in the request is "
                 "invalid.");
    else if (code == TN_S3_EXPIRED_TOKEN)
        iam_fail(c, 403, "ExpiredToken", "%s", message);
    else
        iam_fail(c, error->http_status, error->code, "%s", message);
}

static void check_signature(struct iam_call *c)
{
    unsigned char digest[TN_SHA256_LEN];
    char hash[2 * TN_SHA256_LEN + 1];
    tn_sha256(c->r->body.xml.data, c->r->body.xml.len, digest);
    tn_hex_encode(digest, sizeof digest, hash);
    enum tn_s3_code code = api_check_auth(c->r, tn_str_from(hash));
    if (code)
        fail_auth(c, code);
    else if (auth_result_is_anonymous(&c->r->who) && !c->row->is_open)
        iam_fail(c, 403, "MissingAuthenticationToken", "Request is missing Authentication Token");
}

/* What policies name: what is there with its own path, else what is to be. Without a name, users
 * mean themselves. */
static const char *resource_of(struct iam_call *c, const struct api_identity *who)
{
    enum iam_type type = c->row->type;
    struct tn_str name = c->row->name ? iam_param(c, c->row->name) : TN_STR_EMPTY;
    if (name.len == 0 && type == IAM_USER && who->entity)
        name = who->entity->name;
    if (type == IAM_TYPE_COUNT || name.len == 0)
        return "*";
    if (type == IAM_POLICY && tn_str_starts(name, TN_STR("arn:")))
        return tn_arena_printf(&c->r->http->arena, "%.*s", TN_STR_ARG(name));
    struct iam_view *view = iam_view_get(c->r->api->iam);
    const struct iam_entity *e = iam_view_of_name(view, type, c->account, name);
    struct tn_str path = tn_query_has(&c->params, "Path") ? iam_param(c, "Path") : TN_STR("/");
    const char *arn = e ? arn_of(c, type, e->path, e->name) : arn_of(c, type, path, name);
    iam_view_put(view);
    return arn;
}

static void check_rights(struct iam_call *c)
{
    const struct api_identity *who = api_identity_get(c->r);
    check_right(c, who ? resource_of(c, who) : NULL);
}

static void run_row(struct iam_call *c)
{
    struct iam *iam = c->r->api->iam;
    char name[128];
    if (c->row->is_change)
        iam_lock(iam);
    c->view = iam_view_get(iam);
    (void)snprintf(name, sizeof name, "%sResponse", c->row->action);
    tn_xml_root(&c->w, name, c->row->is_sts ? STS_NAMESPACE : IAM_NAMESPACE);
    (void)snprintf(name, sizeof name, "%sResult", c->row->action);
    tn_xml_open(&c->w, name);
    c->row->run(c);
    tn_xml_close(&c->w, name);
    iam_view_put(c->view);
    c->view = NULL;
    if (c->row->is_change)
        iam_unlock(iam);
    tn_xml_open(&c->w, "ResponseMetadata");
    tn_xml_text(&c->w, "RequestId", c->r->http->id);
    tn_xml_close(&c->w, "ResponseMetadata");
    (void)snprintf(name, sizeof name, "%sResponse", c->row->action);
    tn_xml_close(&c->w, name);
}

static void call(struct iam_call *c)
{
    struct api_req *r = c->r;
    if (!r->api->iam) {
        iam_fail(c, 501, "NotImplemented", "There are no users here.");
        return;
    }
    if (tn_query_parse(&r->http->arena, tn_buf_str(&r->body.xml), TN_URI_PLUS_IS_SPACE,
                       &c->params) < 0) {
        iam_fail(c, 400, "MalformedQueryString", "The query string contains a syntax error.");
        return;
    }
    struct tn_str action = iam_param(c, "Action");
    c->row = find_row(action);
    if (!c->row) {
        iam_fail(c, 400, "InvalidAction", "Could not find operation %.*s for version %.*s",
                 (int)(action.len < 100 ? action.len : 100), action.data,
                 (int)TN_STR_ARG(tn_str_sub(iam_param(c, "Version"), 0, 20)));
        return;
    }
    r->http->op = c->row->action;
    check_signature(c);
    if (iam_has_failed(c))
        return;
    const struct auth_account *account =
        r->who.account ? r->who.account : auth_account_at(r->api->auth, 0);
    c->account = account->number;
    if (!c->row->is_open)
        check_rights(c);
    if (!iam_has_failed(c))
        run_row(c);
}

static enum tn_s3_code reply_error(struct iam_call *c)
{
    struct api_req *r = c->r;
    r->out.len = 0;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    (void)snprintf(r->http->error_code, sizeof r->http->error_code, "%s", c->code);
    tn_xml_root(&w, "ErrorResponse", c->row && c->row->is_sts ? STS_NAMESPACE : IAM_NAMESPACE);
    tn_xml_open(&w, "Error");
    tn_xml_text(&w, "Type", c->status < 500 ? "Sender" : "Receiver");
    tn_xml_text(&w, "Code", c->code);
    tn_xml_text(&w, "Message",
                tn_str_is_utf8(tn_str_from(c->message)) ? c->message : "A text is not UTF-8.");
    tn_xml_close(&w, "Error");
    tn_xml_text(&w, "RequestId", r->http->id);
    tn_xml_close(&w, "ErrorResponse");
    if (w.rc < 0)
        return api_from_status(r, w.rc, NULL);
    api_add_text(r, "Content-Type", "text/xml");
    r->http->answer.body = tn_buf_str(&r->out);
    return api_reply_empty(r, c->status);
}

bool iam_query_is(const struct api_req *r)
{
    struct tn_str type = api_header(r, "content-type");
    struct tn_str wanted = TN_STR("application/x-www-form-urlencoded");
    return tn_str_eq(r->http->head.method, TN_STR("POST")) && tn_str_eq(r->raw_path, TN_STR("/")) &&
           r->raw_query.len == 0 && tn_str_eq_nocase(tn_str_sub(type, 0, wanted.len), wanted);
}

enum tn_s3_code iam_query_check(struct api_req *r)
{
    if (!iam_query_is(r))
        return TN_S3_METHOD_NOT_ALLOWED;
    return r->body.declared_len != UINT64_MAX && r->body.declared_len > IAM_BODY_LEN_MAX
               ? TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED
               : TN_S3_OK;
}

enum tn_s3_code iam_query_run(struct api_req *r)
{
    struct iam_call c = { .r = r, .w = TN_XML_WRITER(&r->out), .account = TN_STR_EMPTY };
    if (r->body.xml.len > IAM_BODY_LEN_MAX)
        return TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED;
    call(&c);
    if (iam_has_failed(&c))
        return reply_error(&c);
    if (c.w.rc < 0)
        return api_from_status(r, c.w.rc, NULL);
    api_add_text(r, "Content-Type", "text/xml");
    r->http->answer.body = tn_buf_str(&r->out);
    return api_reply_empty(r, 200);
}
