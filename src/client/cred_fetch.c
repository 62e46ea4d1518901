/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a source for keys: what all kinds share, and which function is whose. */

#include "client/cred_fetch.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/file.h"

int tn_cred_copy(char *out, size_t cap, struct tn_str value, const char *what,
                 struct tarn_error *err)
{
    if (value.len == 0)
        return tn_fail(err, TARN_EPROTOCOL, "could not get credentials: %s is missing", what);
    if (value.len >= cap)
        return tn_fail(err, TARN_EPROTOCOL, "could not get credentials: %s is too long", what);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= 0x20 || c >= 0x7f)
            return tn_fail(err, TARN_EPROTOCOL, "could not get credentials: bad byte in %s", what);
    }
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return TARN_OK;
}

int tn_cred_read_token(const char *path, struct tn_buf *out, struct tarn_error *err)
{
    struct tn_buf bytes = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    int rc = tn_file_read(path, &bytes, err);
    struct tn_str token = tn_buf_str(&bytes);
    while (token.len > 0 && (unsigned char)token.data[token.len - 1] <= ' ')
        token.len--;
    while (token.len > 0 && (unsigned char)token.data[0] <= ' ')
        token = tn_str_sub(token, 1, SIZE_MAX);
    if (rc == TARN_OK && token.len == 0)
        rc = tn_fail(err, TARN_ECREDENTIALS, "could not get credentials: \"%s\" is empty", path);
    for (size_t i = 0; rc == TARN_OK && i < token.len; i++) {
        if ((unsigned char)token.data[i] <= ' ' || token.data[i] == 0x7f)
            rc = tn_fail(err, TARN_ECREDENTIALS,
                         "could not get credentials: \"%s\" holds more than one token", path);
    }
    if (rc == TARN_OK && tn_buf_append_str(out, token) < 0)
        rc = tn_fail(err, TARN_ENOMEM, "could not get credentials: out of memory");
    tn_wipe(bytes.data, bytes.len);
    tn_buf_release(&bytes);
    return rc;
}

/* ---- JSON ---- */

static struct tn_str member(const json_t *object, const char *name)
{
    const json_t *value = name ? json_object_get(object, name) : NULL;
    if (!json_is_string(value))
        return TN_STR_EMPTY;
    return (struct tn_str){ json_string_value(value), json_string_length(value) };
}

/* The parser keeps copies of the secrets: they go before it frees them. */
static void wipe_text(json_t *value)
{
    const char *text = json_string_value(value);
    char *bytes;
    if (!text)
        return;
    memcpy(&bytes, &text, sizeof bytes);
    tn_wipe(bytes, json_string_length(value));
}

static void wipe_object(json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) wipe_text(value);
}

static void json_drop(json_t *root)
{
    const char *key;
    json_t *value;
    if (!root)
        return;
    json_object_foreach(root, key, value)
    {
        if (json_is_object(value))
            wipe_object(value);
    }
    wipe_object(root);
    json_decref(root);
}

/* NULL with `err` filled, which never quotes the text. */
static json_t *load(struct tn_str text, struct tarn_error *err)
{
    json_error_t problem;
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(root)) {
        json_decref(root);
        (void)tn_fail(err, TARN_EPROTOCOL,
                      "could not get credentials: the answer is no JSON object");
        return NULL;
    }
    return root;
}

static int read_expiry(const json_t *object, const char *name, int64_t *out, struct tarn_error *err)
{
    const json_t *value = name ? json_object_get(object, name) : NULL;
    int64_t ms = 0;
    int rc = TARN_OK;
    if (json_is_integer(value))
        ms = (int64_t)json_integer_value(value);
    else if (json_is_string(value))
        rc = tn_time_parse_iso8601(member(object, name), &ms);
    else if (value && !json_is_null(value))
        rc = TARN_EINVAL;
    if (rc < 0 || ms < 0)
        return tn_fail(err, TARN_EPROTOCOL, "could not get credentials: \"%s\" is no time", name);
    *out = ms;
    return TARN_OK;
}

static int read_members(const json_t *object, const struct tn_cred_names *names,
                        struct tarn_credentials *made, struct tarn_error *err)
{
    struct tn_str token = member(object, names->session_token);
    int rc = tn_cred_copy(made->access_key, sizeof made->access_key,
                          member(object, names->access_key), "the access key", err);
    if (rc == TARN_OK)
        rc = tn_cred_copy(made->secret_key, sizeof made->secret_key,
                          member(object, names->secret_key), "the secret key", err);
    if (rc == TARN_OK && token.len > 0)
        rc = tn_cred_copy(made->session_token, sizeof made->session_token, token,
                          "the session token", err);
    return rc == TARN_OK ? read_expiry(object, names->expiry, &made->expires_ms, err) : rc;
}

int tn_cred_read_json(struct tn_str text, const struct tn_cred_names *names,
                      struct tarn_credentials *out, struct tarn_error *err)
{
    struct tarn_credentials made = { 0 };
    json_t *root = load(text, err);
    if (!root)
        return TARN_EPROTOCOL;
    const json_t *object = names->container ? json_object_get(root, names->container) : root;
    int rc = json_is_object(object)
                 ? read_members(object, names, &made, err)
                 : tn_fail(err, TARN_EPROTOCOL,
                           "could not get credentials: the answer has no \"%s\"", names->container);
    if (rc == TARN_OK)
        *out = made;
    tarn_credentials_wipe(&made);
    json_drop(root);
    return rc;
}

int tn_cred_json_text(struct tn_str text, const char *name, struct tn_buf *out,
                      struct tarn_error *err)
{
    json_t *root = load(text, err);
    if (!root)
        return TARN_EPROTOCOL;
    int rc = tn_buf_append_str(out, member(root, name));
    if (rc < 0)
        (void)tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc));
    json_drop(root);
    return rc;
}

/* ---- kinds ---- */

static int fetch_static(const struct tn_cred_source *source, const struct tarn_credentials *base,
                        const struct tn_cred_context *context, struct tarn_credentials *out,
                        struct tarn_error *err)
{
    struct tarn_credentials made = { 0 };
    const char *token = source->texts[TN_CRED_SESSION_TOKEN];
    (void)base;
    (void)context;
    int rc = tn_cred_copy(made.access_key, sizeof made.access_key,
                          tn_str_from(source->texts[TN_CRED_ACCESS_KEY]), "the access key", err);
    if (rc == TARN_OK)
        rc = tn_cred_copy(made.secret_key, sizeof made.secret_key,
                          tn_str_from(source->texts[TN_CRED_SECRET_KEY]), "the secret key", err);
    if (rc == TARN_OK && token && *token)
        rc = tn_cred_copy(made.session_token, sizeof made.session_token, tn_str_from(token),
                          "the session token", err);
    if (rc == TARN_OK)
        *out = made;
    tarn_credentials_wipe(&made);
    return rc;
}

static int fetch_callback(const struct tn_cred_source *source, const struct tarn_credentials *base,
                          const struct tn_cred_context *context, struct tarn_credentials *out,
                          struct tarn_error *err)
{
    struct tarn_credentials made = { 0 };
    struct tarn_error local = { 0 };
    (void)base;
    (void)context;
    int rc = source->fn(source->arg, &made, &local);
    made.access_key[TARN_ACCESS_KEY_LEN_MAX] = made.secret_key[TARN_SECRET_KEY_LEN_MAX] =
        made.session_token[TARN_SESSION_TOKEN_LEN_MAX] = '\0';
    if (rc < 0 && local.status < 0 && err)
        *err = local;
    else if (rc < 0)
        (void)tn_fail(err, rc, "could not get credentials: the program's source failed");
    else if (made.access_key[0] == '\0' || made.secret_key[0] == '\0')
        rc = tn_fail(err, TARN_ECREDENTIALS,
                     "could not get credentials: the program's source gave none");
    if (rc == TARN_OK)
        *out = made;
    tarn_credentials_wipe(&made);
    return rc;
}

static const tn_cred_fetch_fn kinds[TN_CRED_KIND_COUNT] = {
    [TN_CRED_STATIC] = fetch_static,
    [TN_CRED_CALLBACK] = fetch_callback,
    [TN_CRED_ROLE] = tn_cred_fetch_role,
    [TN_CRED_WEB_IDENTITY] = tn_cred_fetch_web_identity,
    [TN_CRED_SSO] = tn_cred_fetch_sso,
    [TN_CRED_PROCESS] = tn_cred_fetch_process,
    [TN_CRED_CONTAINER] = tn_cred_fetch_container,
    [TN_CRED_INSTANCE] = tn_cred_fetch_instance,
};

int tn_cred_fetch(const struct tn_cred_source *source, const struct tn_cred_context *context,
                  struct tarn_credentials *out, struct tarn_error *err)
{
    const struct tn_cred_source *chain[TN_CRED_CHAIN_MAX];
    struct tarn_credentials base = { 0 };
    struct tarn_credentials made = { 0 };
    size_t count = 0;
    for (const struct tn_cred_source *s = source; s; s = s->base) {
        if (count == TN_CRED_CHAIN_MAX)
            return tn_fail(err, TARN_ECREDENTIALS,
                           "could not get credentials: more than %d profiles lead to one another",
                           TN_CRED_CHAIN_MAX);
        chain[count++] = s;
    }
    int rc = TARN_OK;
    while (count > 0 && rc == TARN_OK) {
        count--;
        rc = kinds[chain[count]->kind](chain[count], &base, context, &made, err);
        base = made;
    }
    if (rc == TARN_OK) {
        (void)snprintf(made.source, sizeof made.source, "%s", source->texts[TN_CRED_LABEL]);
        *out = made;
    }
    tarn_credentials_wipe(&base);
    tarn_credentials_wipe(&made);
    return rc;
}
