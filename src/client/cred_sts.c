/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a role: STS AssumeRole and AssumeRoleWithWebIdentity. */

#include "client/cred_fetch.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "proto/sigv4.h"
#include "proto/uri.h"
#include "proto/xml.h"

enum { DOCUMENT_ARENA_MAX = 1 << 20 };

struct call {
    const struct tn_cred_source *source;
    struct tn_buf form;
    struct tn_buf lines[4]; /* "Name: value" */
};

static void call_init(struct call *c, const struct tn_cred_source *source)
{
    *c = (struct call){ .source = source, .form = TN_BUF_INIT(4 * TN_CRED_ANSWER_MAX) };
    for (size_t i = 0; i < TN_COUNT(c->lines); i++)
        c->lines[i] = TN_BUF_INIT(2 * TN_CRED_TEXT_MAX);
}

static void call_release(struct call *c)
{
    tn_wipe(c->form.data, c->form.len);
    tn_buf_release(&c->form);
    for (size_t i = 0; i < TN_COUNT(c->lines); i++) {
        tn_wipe(c->lines[i].data, c->lines[i].len);
        tn_buf_release(&c->lines[i]);
    }
}

static int add(struct call *c, const char *name, const char *value)
{
    if (!value || !*value)
        return TARN_OK;
    int rc = tn_buf_appendf(&c->form, "&%s=", name);
    return rc == TARN_OK ? tn_uri_encode(&c->form, tn_str_from(value), 0) : rc;
}

static int begin_form(struct call *c, const char *action)
{
    const struct tn_cred_source *s = c->source;
    char number[24];
    (void)snprintf(number, sizeof number, "%u", (unsigned)s->duration_s);
    int rc = tn_buf_appendf(&c->form, "Action=%s&Version=2011-06-15", action);
    if (rc == TARN_OK)
        rc = add(c, "RoleArn", s->texts[TN_CRED_ROLE_ARN]);
    if (rc == TARN_OK)
        rc = add(c, "RoleSessionName", s->texts[TN_CRED_SESSION_NAME]);
    if (rc == TARN_OK)
        rc = add(c, "ExternalId", s->texts[TN_CRED_EXTERNAL_ID]);
    if (rc == TARN_OK)
        rc = add(c, "SerialNumber", s->texts[TN_CRED_MFA_SERIAL]);
    if (rc == TARN_OK)
        rc = add(c, "TokenCode", s->texts[TN_CRED_MFA_CODE]);
    return rc == TARN_OK && s->duration_s > 0 ? add(c, "DurationSeconds", number) : rc;
}

/* ---- the answer ---- */

static int read_keys(const struct tn_xml_node *keys, struct tarn_credentials *out,
                     struct tarn_error *err)
{
    struct tarn_credentials made = { 0 };
    int rc = tn_cred_copy(made.access_key, sizeof made.access_key,
                          tn_xml_child_text(keys, "AccessKeyId"), "the access key", err);
    if (rc == TARN_OK)
        rc = tn_cred_copy(made.secret_key, sizeof made.secret_key,
                          tn_xml_child_text(keys, "SecretAccessKey"), "the secret key", err);
    if (rc == TARN_OK)
        rc = tn_cred_copy(made.session_token, sizeof made.session_token,
                          tn_xml_child_text(keys, "SessionToken"), "the session token", err);
    if (rc == TARN_OK &&
        tn_time_parse_iso8601(tn_xml_child_text(keys, "Expiration"), &made.expires_ms) < 0)
        rc = tn_fail(err, TARN_EPROTOCOL, "could not get credentials: \"Expiration\" is no time");
    if (rc == TARN_OK)
        *out = made;
    tarn_credentials_wipe(&made);
    return rc;
}

static int refuse(const struct tn_xml_node *root, int status, struct tarn_error *err)
{
    const struct tn_xml_node *problem = root ? tn_xml_child(root, "Error") : NULL;
    struct tn_str code = problem ? tn_xml_child_text(problem, "Code") : TN_STR_EMPTY;
    struct tn_str message = problem ? tn_xml_child_text(problem, "Message") : TN_STR_EMPTY;
    int rc = tn_fail(err, TARN_ECREDENTIALS,
                     "could not get credentials: STS refused the role: %.*s (%.*s%sHTTP %d)",
                     TN_STR_ARG(message), TN_STR_ARG(code), code.len > 0 ? ", " : "", status);
    if (err) {
        err->http_status = status;
        (void)snprintf(err->s3_code, sizeof err->s3_code, "%.*s", TN_STR_ARG(code));
    }
    return rc;
}

static int read_answer(struct tn_str document, const char *result_name, int status,
                       struct tarn_credentials *out, struct tarn_error *err)
{
    struct tn_arena arena;
    const struct tn_xml_node *root = NULL;
    tn_arena_init(&arena, DOCUMENT_ARENA_MAX);
    int rc = tn_xml_parse(&arena, document, &root, NULL);
    const struct tn_xml_node *result = rc == TARN_OK ? tn_xml_child(root, result_name) : NULL;
    const struct tn_xml_node *keys = result ? tn_xml_child(result, "Credentials") : NULL;
    if (rc == TARN_ENOMEM)
        (void)tn_fail(err, rc, "could not get credentials: out of memory");
    else if (status != 200)
        rc = refuse(rc == TARN_OK ? root : NULL, status, err);
    else if (!keys)
        rc = tn_fail(err, TARN_EPROTOCOL, "could not get credentials: the answer of STS has no %s",
                     result_name);
    else
        rc = read_keys(keys, out, err);
    tn_arena_release(&arena);
    return rc;
}

static int exchange(struct call *c, const struct tn_cred_context *context, const char *result_name,
                    struct tarn_credentials *out, struct tarn_error *err)
{
    struct tn_buf answer = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    int status = 0;
    struct tn_cred_http request = { .method = "POST",
                                    .url = c->source->texts[TN_CRED_ENDPOINT],
                                    .body = c->form.data,
                                    .lines = {
                                        "Content-Type: application/x-www-form-urlencoded" } };
    for (size_t i = 0; i < TN_COUNT(c->lines) && c->lines[i].len > 0; i++)
        request.lines[i + 1] = c->lines[i].data;
    int rc = tn_cred_http_run(&request, context, &answer, &status, err);
    if (rc == TARN_OK)
        rc = read_answer(tn_buf_str(&answer), result_name, status, out, err);
    tn_wipe(answer.data, answer.len);
    tn_buf_release(&answer);
    return rc;
}

/* ---- AssumeRole ---- */

static int sign_with(struct call *c, struct tn_sigv4_signing *signing, struct tn_buf *authorization,
                     struct tarn_error *err)
{
    struct tn_sigv4_scratch scratch;
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    tn_sigv4_scratch_init(&scratch);
    int rc = tn_sigv4_sign(signing, &scratch, authorization, signature, err);
    tn_sigv4_scratch_release(&scratch);
    size_t line = 0;
    for (size_t i = 1; rc == TARN_OK && i < signing->request.header_count; i++) {
        const struct tn_header *h = &signing->request.headers[i];
        if (!tn_str_eq(h->name, TN_STR("Content-Type")))
            rc = tn_buf_appendf(&c->lines[line++], "%.*s: %.*s", TN_STR_ARG(h->name),
                                TN_STR_ARG(h->value));
    }
    if (rc == TARN_OK)
        rc = tn_buf_appendf(&c->lines[line], "Authorization: %s", authorization->data);
    return rc;
}

/* Fills c->lines with the signed headers. */
static int sign(struct call *c, const struct tarn_credentials *base, struct tarn_error *err)
{
    TN_AUTO_BUF host = TN_BUF_INIT(TN_CRED_TEXT_MAX);
    TN_AUTO_BUF authorization = TN_BUF_INIT(TN_SIGV4_AUTHORIZATION_LEN_MAX);
    unsigned char digest[TN_SHA256_LEN];
    char hash[2 * TN_SHA256_LEN + 1];
    char date[TN_TIME_LEN];
    struct tn_url url;
    int64_t now = tn_wall_ms() / 1000;
    if (tn_url_parse(tn_str_from(c->source->texts[TN_CRED_ENDPOINT]), &url) < 0)
        return tn_fail(err, TARN_ECONFIG, "could not use the STS endpoint \"%s\"",
                       c->source->texts[TN_CRED_ENDPOINT]);
    bool is_ipv6 = url.host_kind == TN_HOST_IPV6;
    int rc = tn_buf_appendf(&host, "%s%.*s%s", is_ipv6 ? "[" : "", TN_STR_ARG(url.host),
                            is_ipv6 ? "]" : "");
    bool is_own_port =
        url.port == 0 || url.port == (tn_str_eq_nocase(url.scheme, TN_STR("https")) ? 443 : 80);
    if (rc == TARN_OK && !is_own_port)
        rc = tn_buf_appendf(&host, ":%u", (unsigned)url.port);
    if (rc < 0)
        return tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc));
    tn_sha256(c->form.data, c->form.len, digest);
    tn_hex_encode(digest, sizeof digest, hash);
    tn_time_basic(now, date);
    const struct tn_header headers[] = {
        { TN_STR("Host"), tn_buf_str(&host) },
        { TN_STR("Content-Type"), TN_STR("application/x-www-form-urlencoded") },
        { TN_STR("X-Amz-Content-Sha256"), tn_str_from(hash) },
        { TN_STR("X-Amz-Date"), tn_str_from(date) },
        { TN_STR("X-Amz-Security-Token"), tn_str_from(base->session_token) },
    };
    struct tn_sigv4_signing signing = {
        .request = { .method = TN_STR("POST"),
                     .path = url.path.len > 0 ? url.path : TN_STR("/"),
                     .headers = headers,
                     .header_count = TN_COUNT(headers) - (base->session_token[0] ? 0 : 1) },
        .access_key = tn_str_from(base->access_key),
        .secret = tn_str_from(base->secret_key),
        .region = tn_str_from(c->source->texts[TN_CRED_REGION]),
        .service = TN_STR("sts"),
        .payload_hash = tn_str_from(hash),
        .now = now,
    };
    rc = sign_with(c, &signing, &authorization, err);
    if (rc == TARN_ENOMEM || rc == TARN_ETOOBIG)
        return tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc));
    return rc;
}

int tn_cred_fetch_role(const struct tn_cred_source *source, const struct tarn_credentials *base,
                       const struct tn_cred_context *context, struct tarn_credentials *out,
                       struct tarn_error *err)
{
    struct call c;
    call_init(&c, source);
    int rc = begin_form(&c, "AssumeRole");
    if (rc < 0)
        (void)tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc));
    if (rc == TARN_OK)
        rc = sign(&c, base, err);
    if (rc == TARN_OK)
        rc = exchange(&c, context, "AssumeRoleResult", out, err);
    call_release(&c);
    return rc;
}

/* The token is a bearer's: the request needs no signature. */
int tn_cred_fetch_web_identity(const struct tn_cred_source *source,
                               const struct tarn_credentials *base,
                               const struct tn_cred_context *context, struct tarn_credentials *out,
                               struct tarn_error *err)
{
    struct tn_buf token = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    struct call c;
    (void)base;
    call_init(&c, source);
    int rc = tn_cred_read_token(source->texts[TN_CRED_TOKEN_FILE], &token, err);
    if (rc == TARN_OK) {
        rc = begin_form(&c, "AssumeRoleWithWebIdentity");
        if (rc == TARN_OK)
            rc = add(&c, "WebIdentityToken", token.data);
        if (rc < 0)
            (void)tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc));
    }
    if (rc == TARN_OK)
        rc = exchange(&c, context, "AssumeRoleWithWebIdentityResult", out, err);
    tn_wipe(token.data, token.len);
    tn_buf_release(&token);
    call_release(&c);
    return rc;
}
