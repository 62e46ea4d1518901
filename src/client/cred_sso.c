/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of an SSO role, for the token that `aws sso login` has left in its cache. */

#include "client/cred_fetch.h"

#include "client/cred_sso_token.h"
#include "proto/uri.h"

static const struct tn_cred_names names = { .container = "roleCredentials",
                                            .access_key = "accessKeyId",
                                            .secret_key = "secretAccessKey",
                                            .session_token = "sessionToken",
                                            .expiry = "expiration" };

static int log_in_again(struct tarn_error *err, const char *why)
{
    return tn_fail(err, TARN_ECREDENTIALS,
                   "could not get credentials: %s; run \"aws sso login\" again", why);
}

static int make_url(const struct tn_cred_source *source, struct tn_buf *url)
{
    int rc = tn_buf_appendf(
        url, "%s/federation/credentials?role_name=", source->texts[TN_CRED_ENDPOINT]);
    if (rc == TARN_OK)
        rc = tn_uri_encode(url, tn_str_from(source->texts[TN_CRED_ROLE_NAME]), 0);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(url, "&account_id=");
    return rc == TARN_OK ? tn_uri_encode(url, tn_str_from(source->texts[TN_CRED_ACCOUNT_ID]), 0)
                         : rc;
}

int tn_cred_fetch_sso(const struct tn_cred_source *source, const struct tarn_credentials *base,
                      const struct tn_cred_context *context, struct tarn_credentials *out,
                      struct tarn_error *err)
{
    TN_AUTO_BUF url = TN_BUF_INIT(TN_CRED_TEXT_MAX);
    struct tn_buf line = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    struct tn_buf answer = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    int status = 0;
    (void)base;
    int rc = make_url(source, &url);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&line, "x-amz-sso_bearer_token: ");
    if (rc < 0)
        (void)tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc));
    if (rc == TARN_OK)
        rc = tn_cred_sso_token(source, context, &line, err);
    if (rc == TARN_OK) {
        const struct tn_cred_http request = { .method = "GET",
                                              .url = url.data,
                                              .lines = { "Accept: application/json", line.data } };
        rc = tn_cred_http_run(&request, context, &answer, &status, err);
    }
    if (rc == TARN_OK && status == 401)
        rc = log_in_again(err, "the SSO token is not accepted");
    if (rc == TARN_OK && status != 200)
        rc = tn_fail(err, TARN_ECREDENTIALS, "could not get credentials: SSO says HTTP %d", status);
    if (rc == TARN_OK)
        rc = tn_cred_read_json(tn_buf_str(&answer), &names, out, err);
    tn_wipe(line.data, line.len);
    tn_buf_release(&line);
    tn_wipe(answer.data, answer.len);
    tn_buf_release(&answer);
    return rc;
}
