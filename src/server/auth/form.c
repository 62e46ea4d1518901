/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks by a form: the signature over its policy, version 4 or 2. */

#include "base/codec.h"
#include "base/hash.h"
#include "proto/sigv2.h"
#include "server/auth/auth_impl.h"

static enum tn_s3_code refuse(struct auth_result *out, enum tn_s3_code code, const char *message)
{
    (void)snprintf(out->message, sizeof out->message, "%s",
                   message ? message : tn_s3_error(code)->message);
    return code;
}

/* KEY/20130524/us-east-1/s3/aws4_request, from the end. */
static bool split_credential(struct tn_str text, struct tn_str parts[5])
{
    for (size_t i = 4; i > 0; i--) {
        size_t at = text.len;
        while (at > 0 && text.data[at - 1] != '/')
            at--;
        if (at == 0)
            return false;
        parts[i] = tn_str_sub(text, at, SIZE_MAX);
        text = tn_str_sub(text, 0, at - 1);
    }
    parts[0] = text;
    return text.len > 0 && text.len <= TN_SIGV4_ACCESS_KEY_LEN_MAX && parts[1].len == 8 &&
           tn_str_eq(parts[4], TN_STR("aws4_request"));
}

static bool is_v4_fine(const struct auth_form *form, const struct tn_str parts[5],
                       struct tn_str secret)
{
    struct tn_sigv4_key key = { 0 };
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    if (tn_sigv4_key_get(&key, secret, parts[1], parts[2], parts[3]) < 0)
        return false;
    tn_hmac_sha256(key.bytes, sizeof key.bytes, form->policy.data, form->policy.len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    tn_sigv4_key_wipe(&key);
    return tn_str_eq_secret(tn_str_from(hex), form->signature);
}

static bool is_v2_fine(const struct auth_form *form, struct tn_str secret)
{
    char signature[TN_SIGV2_SIGNATURE_LEN + 1];
    tn_sigv2_sign_text(secret, form->policy, signature);
    return tn_str_eq_secret(tn_str_from(signature), form->signature_v2);
}

enum tn_s3_code auth_check_form(struct auth *auth, const struct auth_form *form, int64_t now,
                                struct auth_result *out)
{
    char secret[AUTH_SECRET_LEN_MAX + 1] = "";
    struct tn_str parts[5] = { form->access_key };
    struct auth_owner owner = { 0 };
    bool is_v4 = form->credential.len || form->algorithm.len;
    bool is_signed = is_v4 || form->access_key.len || form->signature_v2.len;
    memset(out, 0, sizeof *out);
    out->payload = TN_SIGV4_PAYLOAD_UNSIGNED;
    if (auth->is_off) {
        out->is_root = true;
        out->account = auth_account_at(auth, 0);
        return TN_S3_OK;
    }
    if (!is_signed && !form->policy.len)
        return TN_S3_OK;
    if (!form->policy.len || !(is_v4 ? form->signature.len : form->signature_v2.len))
        return refuse(out, TN_S3_INVALID_ARGUMENT,
                      "Bucket POST must contain a policy, its signature and the key's id.");
    if (is_v4 && (!tn_str_eq(form->algorithm, TN_STR("AWS4-HMAC-SHA256")) ||
                  !split_credential(form->credential, parts)))
        return refuse(out, TN_S3_INVALID_ARGUMENT, "The credential of the form is malformed.");
    if (parts[0].len == 0 || parts[0].len > TN_SIGV4_ACCESS_KEY_LEN_MAX)
        return refuse(out, TN_S3_INVALID_ARGUMENT, "The key's id of the form is malformed.");
    memcpy(out->access_key, parts[0].data, parts[0].len);

    enum tn_s3_code code = auth_session_take(auth, form->token, now, out);
    if (code == TN_S3_OK && !out->session && auth_key_get(auth, parts[0], secret, &owner) < 0)
        code = refuse(out, TN_S3_INVALID_ACCESS_KEY_ID, NULL);
    struct tn_str key = out->session ? out->session->is.secret : tn_str_from(secret);
    if (code == TN_S3_OK && !(is_v4 ? is_v4_fine(form, parts, key) : is_v2_fine(form, key)))
        code = refuse(out, TN_S3_SIGNATURE_DOES_NOT_MATCH, NULL);
    tn_wipe(secret, sizeof secret);
    if (code == TN_S3_OK) {
        out->version = is_v4 ? AUTH_V4 : AUTH_V2;
        out->kind = TN_SIGV4_HEADER;
        auth_result_own(out, auth, &owner);
    } else {
        auth_session_free(out->session);
        out->session = NULL;
    }
    return code;
}
