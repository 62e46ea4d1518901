/* SPDX-License-Identifier: Apache-2.0 */
/* The values of condition keys: what a policy may ask of a request. */

#include "base/clock.h"
#include "proto/query.h"
#include "server/api/authorise.h"

typedef size_t (*values_fn)(struct api_question *q, struct tn_str rest, struct tn_str *out,
                            size_t cap);

static size_t one(struct tn_str value, struct tn_str *out)
{
    if (value.len == 0)
        return 0;
    out[0] = value;
    return 1;
}

static size_t one_text(struct api_question *q, const char *text, struct tn_str *out)
{
    const char *copy = tn_arena_printf(&q->r->http->arena, "%s", text);
    q->lacks_memory |= !copy;
    return one(tn_str_from(copy), out);
}

/* --- aws: --- */

static size_t source_ip(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    struct tn_str peer = q->r->http->peer;
    if (peer.len && peer.data[0] == '[')
        return one(tn_str_sub(peer, 1, tn_str_find_char(peer, ']') - 1), out);
    return one(tn_str_sub(peer, 0, tn_str_find_char(peer, ':')), out);
}

static size_t secure_transport(struct api_question *q, struct tn_str rest, struct tn_str *out,
                               size_t cap)
{
    (void)rest;
    (void)cap;
    return one(q->r->http->is_tls ? TN_STR("true") : TN_STR("false"), out);
}

static size_t current_time(struct api_question *q, struct tn_str rest, struct tn_str *out,
                           size_t cap)
{
    (void)rest;
    (void)cap;
    char text[TN_TIME_LEN];
    tn_time_iso8601(tn_wall_ms(), text);
    return one_text(q, text, out);
}

static size_t epoch_time(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)(tn_wall_ms() / 1000));
    return one_text(q, text, out);
}

static size_t user_name(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    return one(q->identity->user_name, out);
}

static size_t user_id(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    return one(q->identity->user_id, out);
}

static size_t principal_arn(struct api_question *q, struct tn_str rest, struct tn_str *out,
                            size_t cap)
{
    (void)rest;
    (void)cap;
    const struct policy_who *who = &q->identity->who;
    return one(who->role_arn.len ? who->role_arn : who->arn, out);
}

static size_t principal_account(struct api_question *q, struct tn_str rest, struct tn_str *out,
                                size_t cap)
{
    (void)rest;
    (void)cap;
    return one(q->identity->who.account, out);
}

static size_t principal_type(struct api_question *q, struct tn_str rest, struct tn_str *out,
                             size_t cap)
{
    (void)rest;
    (void)cap;
    const struct policy_who *who = &q->identity->who;
    if (who->is_anonymous)
        return one(TN_STR("Anonymous"), out);
    if (who->is_account_root)
        return one(TN_STR("Account"), out);
    return one(who->role_arn.len ? TN_STR("AssumedRole") : TN_STR("User"), out);
}

static size_t resource_account(struct api_question *q, struct tn_str rest, struct tn_str *out,
                               size_t cap)
{
    (void)rest;
    (void)cap;
    return q->config ? one(api_bucket_owner(q->r, q->config)->number, out) : 0;
}

static size_t requested_region(struct api_question *q, struct tn_str rest, struct tn_str *out,
                               size_t cap)
{
    (void)rest;
    (void)cap;
    return one(tn_str_from(q->r->api->region), out);
}

/* --- Headers and parameters --- */

static size_t header(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)cap;
    for (size_t i = 0; i < q->r->header_count; i++) {
        if (tn_str_eq_nocase(q->r->headers[i].name, rest))
            return one(tn_str_trim(q->r->headers[i].value), out);
    }
    return 0;
}

static size_t user_agent(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    return header(q, TN_STR("user-agent"), out, cap);
}

static size_t referer(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    return header(q, TN_STR("referer"), out, cap);
}

/* Present counts, also when it is empty: policies ask for the prefix "". */
static size_t parameter(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)cap;
    if (q->prefix.len && tn_str_eq(rest, TN_STR("prefix")))
        return one(q->prefix, out);
    for (size_t i = 0; i < q->r->query.count; i++) {
        if (!tn_str_eq_nocase(q->r->query.params[i].name, rest))
            continue;
        out[0] = q->r->query.params[i].value;
        return 1;
    }
    return 0;
}

static size_t version_id(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    return one(q->version, out);
}

static size_t location(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    return q->config ? one(bucket_config_get(q->config, BUCKET_LOCATION), out) : 0;
}

/* --- How it was signed --- */

static size_t signature_version(struct api_question *q, struct tn_str rest, struct tn_str *out,
                                size_t cap)
{
    static const char *const names[] = {
        [AUTH_V4] = "AWS4-HMAC-SHA256", [AUTH_V4A] = "AWS4-ECDSA-P256-SHA256", [AUTH_V2] = "AWS"
    };
    (void)rest;
    (void)cap;
    if (q->identity->who.is_anonymous)
        return 0;
    return one(tn_str_from(names[q->r->who.version]), out);
}

static size_t auth_type(struct api_question *q, struct tn_str rest, struct tn_str *out, size_t cap)
{
    (void)rest;
    (void)cap;
    if (q->identity->who.is_anonymous)
        return 0;
    if (strcmp(q->r->op->name, "PostObject") == 0)
        return one(TN_STR("POST"), out);
    return one(q->r->who.kind == TN_SIGV4_PRESIGNED ? TN_STR("REST-QUERY-STRING")
                                                    : TN_STR("REST-HEADER"),
               out);
}

static size_t signature_age(struct api_question *q, struct tn_str rest, struct tn_str *out,
                            size_t cap)
{
    char text[24];
    (void)rest;
    (void)cap;
    if (q->r->who.signed_at == 0)
        return 0;
    (void)snprintf(text, sizeof text, "%lld",
                   (long long)(tn_wall_ms() - q->r->who.signed_at * 1000));
    return one_text(q, text, out);
}

/* No older one is spoken here; which of the newer ones it is, is not known. */
static size_t tls_version(struct api_question *q, struct tn_str rest, struct tn_str *out,
                          size_t cap)
{
    (void)rest;
    (void)cap;
    return q->r->http->is_tls ? one(TN_STR("1.2"), out) : 0;
}

/* --- Tags: a=b&c=d, encoded --- */

/* The values of the tag `name`; of all names when it is empty, then the names. */
static size_t tags_find(struct api_question *q, struct tn_str tags, struct tn_str name,
                        struct tn_str *out, size_t cap)
{
    struct tn_query parsed;
    size_t n = 0;
    int rc = tn_query_parse(&q->r->http->arena, tags, TN_URI_PLUS_IS_SPACE, &parsed);
    q->lacks_memory |= rc == TARN_ENOMEM;
    if (rc < 0)
        return 0;
    for (size_t i = 0; i < parsed.count && n < cap; i++) {
        if (name.len == 0)
            out[n++] = parsed.params[i].name;
        else if (tn_str_eq(parsed.params[i].name, name) && n == 0)
            out[n++] = parsed.params[i].value;
    }
    return n;
}

static size_t existing_tag(struct api_question *q, struct tn_str rest, struct tn_str *out,
                           size_t cap)
{
    if (!q->has_object)
        q->asks_for_tags = true;
    return rest.len ? tags_find(q, q->tags, rest, out, cap) : 0;
}

static size_t request_tag(struct api_question *q, struct tn_str rest, struct tn_str *out,
                          size_t cap)
{
    return rest.len ? tags_find(q, api_header(q->r, "x-amz-tagging"), rest, out, cap) : 0;
}

static size_t request_tag_keys(struct api_question *q, struct tn_str rest, struct tn_str *out,
                               size_t cap)
{
    (void)rest;
    return tags_find(q, api_header(q->r, "x-amz-tagging"), TN_STR_EMPTY, out, cap);
}

static size_t web_identity(struct api_question *q, struct tn_str rest, struct tn_str *out,
                           size_t cap)
{
    (void)cap;
    const struct auth_session *s = q->r->who.session;
    if (!s || s->is.issuer.len == 0 || !tn_str_starts(rest, s->is.issuer))
        return 0;
    return tn_str_eq(tn_str_sub(rest, s->is.issuer.len, SIZE_MAX), TN_STR(":sub"))
               ? one(s->is.subject, out)
               : 0;
}

/* --- The table --- */

static const struct {
    const char *key;
    bool is_prefix;   /* the rest of the key is a name */
    const char *rest; /* what the function gets otherwise */
    values_fn values;
} keys[] = {
    { "aws:SourceIp", false, NULL, source_ip },
    { "aws:SecureTransport", false, NULL, secure_transport },
    { "aws:CurrentTime", false, NULL, current_time },
    { "aws:EpochTime", false, NULL, epoch_time },
    { "aws:username", false, NULL, user_name },
    { "aws:userid", false, NULL, user_id },
    { "aws:PrincipalArn", false, NULL, principal_arn },
    { "aws:PrincipalAccount", false, NULL, principal_account },
    { "aws:SourceAccount", false, NULL, principal_account },
    { "aws:PrincipalType", false, NULL, principal_type },
    { "aws:ResourceAccount", false, NULL, resource_account },
    { "s3:ResourceAccount", false, NULL, resource_account },
    { "aws:RequestedRegion", false, NULL, requested_region },
    { "aws:UserAgent", false, NULL, user_agent },
    { "aws:Referer", false, NULL, referer },
    { "s3:prefix", false, "prefix", parameter },
    { "s3:delimiter", false, "delimiter", parameter },
    { "s3:max-keys", false, "max-keys", parameter },
    { "s3:VersionId", false, NULL, version_id },
    { "s3:LocationConstraint", false, NULL, location },
    { "s3:signatureversion", false, NULL, signature_version },
    { "s3:authType", false, NULL, auth_type },
    { "s3:signatureAge", false, NULL, signature_age },
    { "s3:TlsVersion", false, NULL, tls_version },
    { "s3:if-none-match", false, "if-none-match", header },
    { "s3:if-match", false, "if-match", header },
    { "s3:object-lock-mode", false, "x-amz-object-lock-mode", header },
    { "s3:object-lock-retain-until-date", false, "x-amz-object-lock-retain-until-date", header },
    { "s3:object-lock-legal-hold", false, "x-amz-object-lock-legal-hold", header },
    { "s3:ExistingObjectTag/", true, NULL, existing_tag },
    { "s3:RequestObjectTagKeys", false, NULL, request_tag_keys },
    { "s3:RequestObjectTag/", true, NULL, request_tag },
};

size_t api_question_values(void *user, struct tn_str key, struct tn_str *out, size_t cap)
{
    struct api_question *q = user;
    const struct tn_str of_header = TN_STR("s3:x-amz-");
    for (size_t i = 0; i < TN_COUNT(keys); i++) {
        struct tn_str name = tn_str_from(keys[i].key);
        if (!keys[i].is_prefix && tn_str_eq_nocase(key, name))
            return keys[i].values(q, tn_str_from(keys[i].rest), out, cap);
        if (keys[i].is_prefix && tn_str_eq_nocase(tn_str_sub(key, 0, name.len), name))
            return keys[i].values(q, tn_str_sub(key, name.len, SIZE_MAX), out, cap);
    }
    if (tn_str_eq_nocase(tn_str_sub(key, 0, of_header.len), of_header))
        return header(q, tn_str_sub(key, 3, SIZE_MAX), out, cap);
    return web_identity(q, key, out, cap);
}
