/* SPDX-License-Identifier: Apache-2.0 */
/* The token of an SSO session: out of the cache that `aws sso login` fills, and renewed there while
 * the session lets itself be renewed (OIDC, CreateToken with the refresh token). */

#include "client/cred_sso_token.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/file.h"

enum { RENEW_BEFORE_MS = 5 * 60 * 1000, LIFETIME_S_MAX = 365 * 86400 };

static int log_in_again(struct tarn_error *err, const char *why)
{
    return tn_fail(err, TARN_ECREDENTIALS,
                   "could not get credentials: %s; run \"aws sso login\" again", why);
}

static const char *text_of(const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));
    return text && *text ? text : NULL;
}

/* -1 when it is not told. */
static int64_t time_of(const json_t *root, const char *name)
{
    int64_t ms;
    const char *text = text_of(root, name);
    return text && tn_time_parse_iso8601(tn_str_from(text), &ms) == TARN_OK ? ms : -1;
}

static json_t *load(struct tn_str text)
{
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static int read_cache(const char *path, json_t **out, struct tarn_error *err)
{
    struct tn_buf document = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    int rc = tn_file_read(path, &document, err);
    if (rc == TARN_ENOTFOUND)
        rc = log_in_again(err, "there is no SSO token");
    if (rc == TARN_OK) {
        *out = load(tn_buf_str(&document));
        if (!*out)
            rc = log_in_again(err, "the cache holds no SSO token");
    }
    tn_wipe(document.data, document.len);
    tn_buf_release(&document);
    return rc;
}

static int append_json(struct tn_buf *out, const json_t *root, size_t flags)
{
    size_t len = json_dumpb(root, NULL, 0, flags);
    int rc = len > 0 ? tn_buf_reserve(out, len) : TARN_ENOMEM;
    if (rc < 0)
        return rc;
    if (json_dumpb(root, out->data + out->len, len, flags) != len)
        return TARN_ENOMEM;
    out->len += len;
    out->data[out->len] = '\0';
    return TARN_OK;
}

static bool can_renew(const json_t *cache)
{
    int64_t end_ms = time_of(cache, "registrationExpiresAt");
    return text_of(cache, "refreshToken") && text_of(cache, "clientId") &&
           text_of(cache, "clientSecret") && (end_ms < 0 || end_ms > tn_wall_ms());
}

static int make_request(const json_t *cache, struct tn_buf *body)
{
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:s}", "grantType", "refresh_token", "clientId",
                  text_of(cache, "clientId"), "clientSecret", text_of(cache, "clientSecret"),
                  "refreshToken", text_of(cache, "refreshToken"));
    int rc = request ? append_json(body, request, JSON_COMPACT) : TARN_ENOMEM;
    json_decref(request);
    return rc;
}

/* Takes the answer's token over into what the cache says. */
static int take_answer(json_t *cache, struct tn_str text, struct tarn_error *err)
{
    char end[TN_TIME_LEN];
    json_t *answer = load(text);
    const char *token = text_of(answer, "accessToken");
    const char *refresh = text_of(answer, "refreshToken");
    json_int_t lifetime_s = json_integer_value(json_object_get(answer, "expiresIn"));
    int rc = TARN_OK;
    if (!token || lifetime_s <= 0 || lifetime_s > LIFETIME_S_MAX) {
        rc = tn_fail(err, TARN_EPROTOCOL, "could not renew the SSO token: the answer has none");
    } else {
        tn_time_iso8601(tn_wall_ms() + lifetime_s * 1000, end);
        memcpy(end + 19, "Z", 2); /* the tools that share the cache want no fraction */
        if (json_object_set_new(cache, "accessToken", json_string(token)) < 0 ||
            json_object_set_new(cache, "expiresAt", json_string(end)) < 0 ||
            (refresh && json_object_set_new(cache, "refreshToken", json_string(refresh)) < 0))
            rc = tn_fail(err, TARN_ENOMEM, "could not renew the SSO token: out of memory");
    }
    json_decref(answer);
    return rc;
}

static int ask(json_t *cache, const char *endpoint, const struct tn_cred_context *context,
               struct tarn_error *err)
{
    TN_AUTO_BUF url = TN_BUF_INIT(TN_CRED_TEXT_MAX);
    struct tn_buf body = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    struct tn_buf answer = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    int status = 0;
    int rc = tn_buf_appendf(&url, "%s/token", endpoint);
    if (rc == TARN_OK)
        rc = make_request(cache, &body);
    if (rc < 0) {
        (void)tn_fail(err, rc, "could not renew the SSO token: %s", tarn_status_text(rc));
    } else {
        const struct tn_cred_http request = { .method = "POST",
                                              .url = url.data,
                                              .body = body.data,
                                              .lines = { "Content-Type: application/json" } };
        rc = tn_cred_http_run(&request, context, &answer, &status, err);
    }
    if (rc == TARN_OK && status != 200)
        rc = tn_fail(err, TARN_ECREDENTIALS, "could not renew the SSO token: OIDC says HTTP %d",
                     status);
    if (rc == TARN_OK)
        rc = take_answer(cache, tn_buf_str(&answer), err);
    tn_wipe(body.data, body.len);
    tn_buf_release(&body);
    tn_wipe(answer.data, answer.len);
    tn_buf_release(&answer);
    return rc;
}

/* A cache that cannot be written is no reason to fail: the token in hand is good. */
static void write_cache(const char *path, const json_t *cache)
{
    struct tn_buf document = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    struct tarn_error err;
    if (append_json(&document, cache, JSON_INDENT(2)) == TARN_OK) {
        int rc = tn_file_replace(path, tn_buf_str(&document), 0600, &err);
        (void)rc;
    }
    tn_wipe(document.data, document.len);
    tn_buf_release(&document);
}

/* Renews what ends soon. While the old token holds, a failure to do so is none; and another program
 * may have been faster. */
static int renew(const struct tn_cred_source *source, const struct tn_cred_context *context,
                 json_t **cache, struct tarn_error *err)
{
    const char *path = source->texts[TN_CRED_TOKEN_FILE];
    int64_t end_ms = time_of(*cache, "expiresAt");
    if (end_ms - RENEW_BEFORE_MS > tn_wall_ms() || !can_renew(*cache))
        return TARN_OK;
    int rc = ask(*cache, source->texts[TN_CRED_TOKEN_ENDPOINT], context, err);
    if (rc == TARN_OK) {
        write_cache(path, *cache);
        return TARN_OK;
    }
    json_t *again = NULL;
    if (rc != TARN_ECANCELLED && rc != TARN_ENOMEM && read_cache(path, &again, NULL) == TARN_OK &&
        time_of(again, "expiresAt") > tn_wall_ms()) {
        json_decref(*cache);
        *cache = again;
        return TARN_OK;
    }
    json_decref(again);
    return rc;
}

static int check(const json_t *cache, struct tarn_error *err)
{
    int64_t end_ms = time_of(cache, "expiresAt");
    if (end_ms < 0)
        return log_in_again(err, "the SSO token has no expiry");
    return end_ms > tn_wall_ms() ? TARN_OK : log_in_again(err, "the SSO token has expired");
}

static bool is_clean(const char *token)
{
    for (; *token; token++) {
        if ((unsigned char)*token <= ' ' || *token == 0x7f)
            return false;
    }
    return true;
}

int tn_cred_sso_token(const struct tn_cred_source *source, const struct tn_cred_context *context,
                      struct tn_buf *out, struct tarn_error *err)
{
    json_t *cache = NULL;
    int rc = read_cache(source->texts[TN_CRED_TOKEN_FILE], &cache, err);
    if (rc == TARN_OK)
        rc = renew(source, context, &cache, err);
    if (rc == TARN_OK)
        rc = check(cache, err);
    const char *token = rc == TARN_OK ? text_of(cache, "accessToken") : NULL;
    if (rc == TARN_OK && (!token || !is_clean(token)))
        rc = log_in_again(err, "the cache holds no SSO token");
    if (rc == TARN_OK && tn_buf_append_text(out, token) < 0)
        rc = tn_fail(err, TARN_ENOMEM, "could not get credentials: out of memory");
    json_decref(cache);
    return rc;
}
