/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests: rules, preflights, headers of answers. */

#include "server/api/cors.h"

#include "proto/xml.h"
#include "server/api/ops.h"

enum { CORS_TEXT_LEN_MAX = 16 * 1024 };

/* At most one '*' in the pattern, which stands for anything. */
static bool fits(struct tn_str pattern, struct tn_str text, bool is_case_free)
{
    size_t star = tn_str_find_char(pattern, '*');
    if (star == SIZE_MAX)
        return is_case_free ? tn_str_eq_nocase(pattern, text) : tn_str_eq(pattern, text);
    struct tn_str head = tn_str_sub(pattern, 0, star);
    struct tn_str tail = tn_str_sub(pattern, star + 1, pattern.len);
    if (text.len < head.len + tail.len)
        return false;
    struct tn_str first = tn_str_sub(text, 0, head.len);
    struct tn_str last = tn_str_sub(text, text.len - tail.len, tail.len);
    return is_case_free ? tn_str_eq_nocase(head, first) && tn_str_eq_nocase(tail, last)
                        : tn_str_eq(head, first) && tn_str_eq(tail, last);
}

static const struct tn_xml_node *find_fit(const struct tn_xml_node *rule, const char *name,
                                          struct tn_str text, bool is_case_free)
{
    const struct tn_xml_node *n = tn_xml_child(rule, name);
    while (n && !fits(tn_str_trim(n->text), text, is_case_free))
        n = tn_xml_next(n);
    return n;
}

static bool allows_headers(const struct tn_xml_node *rule, struct tn_str list)
{
    while (list.len) {
        struct tn_str name = tn_str_trim(tn_str_split(&list, ','));
        if (name.len && !find_fit(rule, "AllowedHeader", name, true))
            return false;
    }
    return true;
}

/* The first rule that takes all three; `origin` then tells by which pattern. */
static const struct tn_xml_node *find_rule(const struct api_req *r, struct tn_str method,
                                           struct tn_str headers, struct tn_str *origin)
{
    const struct tn_xml_node *root = bucket_config_form(r->config, BUCKET_CORS);
    struct tn_str asked = api_header(r, "origin");
    for (const struct tn_xml_node *rule = root ? root->children : NULL; rule; rule = rule->next) {
        const struct tn_xml_node *found = find_fit(rule, "AllowedOrigin", asked, false);
        if (!found || !find_fit(rule, "AllowedMethod", method, false) ||
            !allows_headers(rule, headers))
            continue;
        *origin = tn_str_trim(found->text);
        return rule;
    }
    return NULL;
}

static void add_list(struct api_req *r, const char *header, const struct tn_xml_node *rule,
                     const char *name)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CORS_TEXT_LEN_MAX);
    int rc = TARN_OK;
    for (const struct tn_xml_node *n = tn_xml_child(rule, name); rc == TARN_OK && n;
         n = tn_xml_next(n)) {
        rc = text.len ? tn_buf_append_text(&text, ", ") : TARN_OK;
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&text, tn_str_trim(n->text));
    }
    if (rc == TARN_OK && text.len)
        api_add(r, header, tn_buf_str(&text));
}

static void add_rule(struct api_req *r, const struct tn_xml_node *rule, struct tn_str origin)
{
    bool is_any = tn_str_eq(origin, TN_STR("*"));
    api_add(r, "Access-Control-Allow-Origin", is_any ? origin : api_header(r, "origin"));
    if (!is_any)
        api_add_text(r, "Access-Control-Allow-Credentials", "true");
    add_list(r, "Access-Control-Allow-Methods", rule, "AllowedMethod");
    add_list(r, "Access-Control-Expose-Headers", rule, "ExposeHeader");
    if (tn_xml_child(rule, "MaxAgeSeconds"))
        api_add(r, "Access-Control-Max-Age", tn_xml_child_text(rule, "MaxAgeSeconds"));
    api_add_text(r, "Vary",
                 "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

void cors_add_headers(struct api_req *r)
{
    struct tn_str origin;
    if (!r->config || r->is_cors_answered || bucket_config_get(r->config, BUCKET_CORS).len == 0 ||
        !api_has_header(r, "origin"))
        return;
    struct tn_str method = api_header(r, "access-control-request-method");
    if (method.len == 0)
        method = r->http->head.method;
    const struct tn_xml_node *rule = find_rule(r, method, TN_STR_EMPTY, &origin);
    if (rule)
        add_rule(r, rule, origin);
}

enum tn_s3_code preflight_run(struct api_req *r)
{
    struct tn_str origin;
    struct tn_str method = api_header(r, "access-control-request-method");
    struct tn_str headers = api_header(r, "access-control-request-headers");
    r->is_cors_answered = true;
    if (!api_has_header(r, "origin"))
        return api_err(r, TN_S3_BAD_REQUEST,
                       "Insufficient information. Origin request header needed.");
    if (method.len == 0)
        return api_err(r, TN_S3_BAD_REQUEST, "Invalid Access-Control-Request-Method: null");
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    if (bucket_config_get(r->config, BUCKET_CORS).len == 0)
        return api_err(r, TN_S3_ACCESS_FORBIDDEN,
                       "CORSResponse: CORS is not enabled for this bucket.");
    const struct tn_xml_node *rule = find_rule(r, method, headers, &origin);
    if (!rule)
        return api_err(
            r, TN_S3_ACCESS_FORBIDDEN,
            "CORSResponse: This CORS request is not allowed. This is usually because "
            "the evaluation of Origin, request method / Access-Control-Request-Method or "
            "Access-Control-Request-Headers are not whitelisted by the resource's CORS "
            "spec.");
    add_rule(r, rule, origin);
    if (headers.len && tn_arena_lower(&r->http->arena, headers, &headers) < 0)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (headers.len)
        api_add(r, "Access-Control-Allow-Headers", headers);
    return api_reply_empty(r, 200);
}
