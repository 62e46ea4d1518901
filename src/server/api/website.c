/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets as websites: index and error documents, redirects, routing rules. */

#include "server/api/website.h"

#include "proto/name.h"
#include "proto/uri.h"
#include "proto/xml.h"
#include "server/api/authorise.h"
#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/version.h"
#include "server/api/xml_rule.h"

enum { LOCATION_LEN_MAX = 8192, PAGE_LEN_MAX = 16384 };

struct website_state {
    const struct tn_xml_node *root;
    struct tn_str path; /* decoded, without its first slash */
};

/* --- Which bucket --- */

/* The bucket that the host means; empty: no website. */
static struct tn_str bucket_of(const struct api_req *r)
{
    struct tn_url url;
    if (!r->api->website_count || tn_url_parse_host(r->host, &url) < 0 ||
        url.host_kind != TN_HOST_NAME)
        return TN_STR_EMPTY;
    for (size_t i = 0; i < r->api->website_count; i++) {
        struct tn_str domain = tn_str_from(r->api->websites[i]);
        if (tn_str_eq_nocase(url.host, domain))
            return url.host;
        size_t at = url.host.len > domain.len ? url.host.len - domain.len : 0;
        if (at > 1 && url.host.data[at - 1] == '.' &&
            tn_str_eq_nocase(tn_str_sub(url.host, at, domain.len), domain))
            return tn_str_sub(url.host, 0, at - 1);
    }
    return TN_STR_EMPTY;
}

bool website_is(const struct api_req *r)
{
    return r->is_website || bucket_of(r).len != 0;
}

static enum tn_s3_code read_names(struct api_req *r, struct website_state *state)
{
    struct tn_str bucket = bucket_of(r);
    if (tn_arena_lower(&r->http->arena, bucket, &r->bucket) < 0)
        return TN_S3_SERVICE_UNAVAILABLE;
    struct tn_str path = tn_str_sub(r->raw_path, 1, r->raw_path.len);
    int rc = tn_uri_decode_in(&r->http->arena, path, 0, &state->path);
    if (rc == TARN_OK && state->path.len)
        rc = tn_key_check(state->path);
    if (rc < 0)
        return api_uri_code(rc);
    return tn_bucket_name_is_valid(r->bucket) ? TN_S3_OK : TN_S3_NO_SUCH_BUCKET;
}

/* --- Redirects --- */

static enum tn_s3_code redirect(struct api_req *r, int status, struct tn_str location)
{
    api_add(r, "Location", location);
    r->http->answer.has_body_len = r->is_head;
    return api_reply_empty(r, status);
}

/* PROTOCOL://HOST/KEY, of which host and protocol are the request's when nothing is said. */
static enum tn_s3_code redirect_to(struct api_req *r, const struct tn_xml_node *node, int status,
                                   struct tn_str key)
{
    TN_AUTO_BUF text = TN_BUF_INIT(LOCATION_LEN_MAX);
    struct tn_str protocol = node ? tn_xml_child_text(node, "Protocol") : TN_STR_EMPTY;
    struct tn_str host = node ? tn_xml_child_text(node, "HostName") : TN_STR_EMPTY;
    if (protocol.len == 0)
        protocol = r->http->is_tls ? TN_STR("https") : TN_STR("http");
    int rc = tn_buf_appendf(&text, "%.*s://%.*s/", TN_STR_ARG(protocol),
                            TN_STR_ARG(host.len ? host : r->host));
    if (rc == TARN_OK)
        rc = tn_uri_encode(&text, key, TN_URI_KEEP_SLASH);
    return rc < 0 ? api_from_status(r, rc, NULL) : redirect(r, status, tn_buf_str(&text));
}

/* --- Routing rules --- */

/* `error`: the status that there would be; 0 before there is any. */
static bool rule_fits(const struct tn_xml_node *rule, struct tn_str key, uint64_t error)
{
    const struct tn_xml_node *condition = tn_xml_child(rule, "Condition");
    if (!condition)
        return error == 0;
    return xml_u64(condition, "HttpErrorCodeReturnedEquals", 0) == error &&
           tn_str_starts(key, tn_xml_child_text_raw(condition, "KeyPrefixEquals"));
}

static enum tn_s3_code follow_rule(struct api_req *r, const struct tn_xml_node *rule,
                                   struct tn_str key)
{
    const struct tn_xml_node *to = tn_xml_child(rule, "Redirect");
    const struct tn_xml_node *condition = tn_xml_child(rule, "Condition");
    struct tn_str prefix =
        condition ? tn_xml_child_text_raw(condition, "KeyPrefixEquals") : TN_STR_EMPTY;
    int status = (int)xml_u64(to, "HttpRedirectCode", 301);
    TN_AUTO_BUF text = TN_BUF_INIT(LOCATION_LEN_MAX);
    int rc = TARN_OK;
    if (tn_xml_child(to, "ReplaceKeyWith")) {
        rc = tn_buf_append_str(&text, tn_xml_child_text_raw(to, "ReplaceKeyWith"));
    } else if (tn_xml_child(to, "ReplaceKeyPrefixWith")) {
        rc = tn_buf_append_str(&text, tn_xml_child_text_raw(to, "ReplaceKeyPrefixWith"));
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&text, tn_str_sub(key, prefix.len, key.len));
    } else {
        rc = tn_buf_append_str(&text, key);
    }
    return rc < 0 ? api_from_status(r, rc, NULL) : redirect_to(r, to, status, tn_buf_str(&text));
}

static const struct tn_xml_node *find_rule(const struct website_state *state, struct tn_str key,
                                           uint64_t error)
{
    const struct tn_xml_node *rules = tn_xml_child(state->root, "RoutingRules");
    const struct tn_xml_node *rule = rules ? rules->children : NULL;
    while (rule && !rule_fits(rule, key, error))
        rule = rule->next;
    return rule;
}

/* --- Documents --- */

static struct tn_str suffix_of(const struct website_state *state)
{
    const struct tn_xml_node *index = tn_xml_child(state->root, "IndexDocument");
    return index ? tn_xml_child_text(index, "Suffix") : TN_STR_EMPTY;
}

/* "a/" + "index.html". */
static enum tn_s3_code join(struct api_req *r, struct tn_str path, const char *between,
                            struct tn_str suffix, struct tn_str *out)
{
    char *text = tn_arena_printf(&r->http->arena, "%.*s%s%.*s", TN_STR_ARG(path), between,
                                 TN_STR_ARG(suffix));
    if (!text)
        return TN_S3_SERVICE_UNAVAILABLE;
    *out = tn_str_from(text);
    return tn_key_check(*out) < 0 ? TN_S3_NO_SUCH_KEY : TN_S3_OK;
}

/* Opens what whoever comes may read. */
static enum tn_s3_code open_key(struct api_req *r, struct tn_str key)
{
    r->key = key;
    enum tn_s3_code code = api_may(r, "s3:GetObject", r->bucket, key, TN_STR_EMPTY);
    return code ? code : version_open(r, r->bucket, key, &r->version);
}

static enum tn_s3_code serve_key(struct api_req *r, struct tn_str key)
{
    enum tn_s3_code code = open_key(r, key);
    if (code == TN_S3_OK)
        code = object_get_check(r);
    int rc = TARN_OK;
    if (code == TN_S3_OK)
        rc = api_meta_decode(r->api->store->ops->object_meta(r->object), &r->http->arena, &r->meta);
    if (code || rc < 0)
        return code ? code : api_from_status(r, rc, NULL);
    if (r->meta.fields[API_META_REDIRECT].len)
        return redirect(r, 301, r->meta.fields[API_META_REDIRECT]);
    return object_get_wait(r);
}

/* --- What is not there --- */

/* Whatever the request asked of the document that it wanted is not asked of this one. */
static enum tn_s3_code serve_error(struct api_req *r, const struct website_state *state, int status)
{
    const struct tn_xml_node *node = tn_xml_child(state->root, "ErrorDocument");
    if (!node)
        return TN_S3_NO_SUCH_KEY;
    r->header_count = 0;
    r->website_status = status;
    enum tn_s3_code code = open_key(r, tn_xml_child_text_raw(node, "Key"));
    if (code == TN_S3_OK)
        code = object_get_check(r);
    if (code == TN_S3_OK)
        code = object_get_wait(r);
    if (code)
        r->website_status = 0;
    return code;
}

static enum tn_s3_code serve_other(struct api_req *r, const struct website_state *state,
                                   enum tn_s3_code code)
{
    int status = tn_s3_error(code)->http_status;
    struct tn_str wanted = r->key;
    struct tn_str index;
    const struct tn_xml_node *rule = find_rule(state, state->path, (uint64_t)status);
    if (rule)
        return follow_rule(r, rule, state->path);
    bool is_folder = state->path.len == 0 || tn_str_ends(state->path, TN_STR("/"));
    if (!is_folder && (status == 404 || status == 403) &&
        join(r, state->path, "/", suffix_of(state), &index) == TN_S3_OK &&
        open_key(r, index) == TN_S3_OK) {
        struct tn_str folder;
        enum tn_s3_code failed = join(r, state->path, "/", TN_STR_EMPTY, &folder);
        return failed ? failed : redirect_to(r, NULL, 302, folder);
    }
    if (status < 500 && serve_error(r, state, status) == TN_S3_OK)
        return TN_S3_OK;
    r->key = wanted;
    r->message[0] = '\0';
    return code;
}

/* --- The request --- */

static enum tn_s3_code run(struct api_req *r)
{
    struct website_state *state = r->state;
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    state->root = bucket_config_form(r->config, BUCKET_WEBSITE);
    if (!state->root)
        return TN_S3_NO_SUCH_WEBSITE_CONFIGURATION;
    const struct tn_xml_node *all = tn_xml_child(state->root, "RedirectAllRequestsTo");
    if (all)
        return redirect_to(r, all, 301, state->path);
    const struct tn_xml_node *rule = find_rule(state, state->path, 0);
    if (rule)
        return follow_rule(r, rule, state->path);
    struct tn_str key = state->path;
    bool is_folder = key.len == 0 || tn_str_ends(key, TN_STR("/"));
    if (is_folder)
        code = join(r, state->path, "", suffix_of(state), &key);
    if (code == TN_S3_OK)
        code = serve_key(r, key);
    if (code == TN_S3_OK)
        return TN_S3_OK; /* answered: the request may be gone */
    r->state = state;    /* the read had its own */
    return serve_other(r, state, code);
}

enum tn_s3_code website_start(struct api_req *r)
{
    static const struct api_op op = { .name = "WebsiteGetObject",
                                      .method = "GET",
                                      .level = API_OBJECT };
    struct website_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    r->op = &op;
    r->http->op = op.name;
    r->is_website = true;
    r->state = state;
    r->query = (struct tn_query){ 0 }; /* means nothing here */
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    enum tn_s3_code code = read_names(r, state);
    if (code)
        return code;
    if (!r->is_head && !tn_str_eq(r->http->head.method, TN_STR("GET")))
        return TN_S3_METHOD_NOT_ALLOWED;
    api_run_on_worker(r, run);
    return TN_S3_OK;
}

/* --- Errors --- */

static int add_item(struct tn_buf *page, const char *name, struct tn_str value)
{
    if (value.len == 0 || !tn_str_is_utf8(value))
        return TARN_OK;
    int rc = tn_buf_appendf(page, "<li>%s: ", name);
    if (rc == TARN_OK)
        rc = tn_xml_escape(page, value);
    return rc == TARN_OK ? tn_buf_append_text(page, "</li>\n") : rc;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        { 400, "Bad Request" },         { 403, "Forbidden" },
        { 404, "Not Found" },           { 405, "Method Not Allowed" },
        { 412, "Precondition Failed" }, { 416, "Range Not Satisfiable" },
        { 501, "Not Implemented" },     { 503, "Service Unavailable" },
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (rows[i].status == status)
            return rows[i].text;
    }
    return status < 500 ? "Error" : "Internal Server Error";
}

static int write_page(struct api_req *r, const struct tn_s3_error *error)
{
    struct tn_str items[][2] = {
        { TN_STR("Code"), tn_str_from(error->code) },
        { TN_STR("Message"), tn_str_from(r->message[0] ? r->message : error->message) },
        { TN_STR("BucketName"), r->bucket },
        { TN_STR("Key"), r->key },
        { TN_STR("RequestId"), tn_str_from(r->http->id) },
        { TN_STR("HostId"), tn_str_from(r->http->id) },
    };
    const char *reason = reason_of(error->http_status);
    int rc = tn_buf_appendf(
        &r->out, "<html>\n<head><title>%d %s</title></head>\n<body>\n<h1>%d %s</h1>\n<ul>\n",
        error->http_status, reason, error->http_status, reason);
    for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(items); i++)
        rc = add_item(&r->out, items[i][0].data, items[i][1]);
    return rc == TARN_OK ? tn_buf_append_text(&r->out, "</ul>\n<hr/>\n</body>\n</html>\n") : rc;
}

void website_fail(struct api_req *r, enum tn_s3_code code)
{
    const struct tn_s3_error *error = tn_s3_error(code);
    (void)snprintf(r->http->error_code, sizeof r->http->error_code, "%s", error->code);
    r->website_status = 0;
    r->out.len = 0;
    api_add_text(r, "x-amz-error-code", error->code);
    api_add_text(r, "x-amz-error-message", r->message[0] ? r->message : error->message);
    if (error->http_status != 304 && write_page(r, error) == TARN_OK) {
        api_add_text(r, "Content-Type", "text/html; charset=utf-8");
        r->http->answer.body_len = r->out.len;
        r->http->answer.has_body_len = r->is_head;
        if (!r->is_head)
            r->http->answer.body = tn_buf_str(&r->out);
    }
    (void)api_reply_empty(r, error->http_status);
}
