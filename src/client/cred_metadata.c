/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the machine: the container's endpoint (ECS, EKS) and the instance's metadata service, of
 * which only version 2 is spoken. */

#include "client/cred_fetch.h"

#include "proto/uri.h"

enum { CONTAINER_MS = 3000, INSTANCE_MS = 1000, INSTANCE_TRIES = 2 };

static const struct tn_cred_names names = { .access_key = "AccessKeyId",
                                            .secret_key = "SecretAccessKey",
                                            .session_token = "Token",
                                            .expiry = "Expiration" };

static int refuse(int status, const char *what, struct tarn_error *err)
{
    return tn_fail(err, TARN_ECREDENTIALS, "could not get credentials: %s says HTTP %d", what,
                   status);
}

static void drop(struct tn_buf *secret)
{
    tn_wipe(secret->data, secret->len);
    tn_buf_release(secret);
}

/* ---- container ---- */

/* The token may be renewed on disk at any time, so that it is read each time. */
static int authorization_line(const struct tn_cred_source *source, struct tn_buf *line,
                              struct tarn_error *err)
{
    const char *file = source->texts[TN_CRED_TOKEN_FILE];
    const char *text = source->texts[TN_CRED_AUTHORIZATION];
    if (!file && !text)
        return TARN_OK;
    int rc = tn_buf_append_text(line, "Authorization: ");
    if (rc == TARN_OK && file)
        return tn_cred_read_token(file, line, err);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(line, text);
    return rc < 0 ? tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc)) : rc;
}

int tn_cred_fetch_container(const struct tn_cred_source *source,
                            const struct tarn_credentials *base,
                            const struct tn_cred_context *context, struct tarn_credentials *out,
                            struct tarn_error *err)
{
    struct tn_buf line = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    struct tn_buf answer = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    int status = 0;
    (void)base;
    int rc = authorization_line(source, &line, err);
    if (rc == TARN_OK) {
        const struct tn_cred_http request = {
            .method = "GET",
            .url = source->texts[TN_CRED_ENDPOINT],
            .lines = { "Accept: application/json", line.len > 0 ? line.data : NULL },
            .is_local = true,
            .timeout_ms = source->timeout_ms ? source->timeout_ms : CONTAINER_MS,
            .tries_max = source->tries_max
        };
        rc = tn_cred_http_run(&request, context, &answer, &status, err);
    }
    if (rc == TARN_OK && status != 200)
        rc = refuse(status, "the container's endpoint", err);
    if (rc == TARN_OK)
        rc = tn_cred_read_json(tn_buf_str(&answer), &names, out, err);
    drop(&line);
    drop(&answer);
    return rc;
}

/* ---- instance ---- */

struct instance {
    const struct tn_cred_source *source;
    const struct tn_cred_context *context;
    struct tn_buf url;
    struct tn_buf token_line;
    struct tn_buf answer;
};

static int ask(struct instance *m, const char *method, const char *line, int *status,
               struct tarn_error *err)
{
    const struct tn_cred_source *s = m->source;
    const struct tn_cred_http request = { .method = method,
                                          .url = m->url.data,
                                          .lines = { line },
                                          .is_local = true,
                                          .timeout_ms = s->timeout_ms ? s->timeout_ms : INSTANCE_MS,
                                          .tries_max =
                                              s->tries_max ? s->tries_max : INSTANCE_TRIES };
    return tn_cred_http_run(&request, m->context, &m->answer, status, err);
}

static int set_url(struct instance *m, const char *path, struct tn_str name, struct tarn_error *err)
{
    tn_buf_truncate(&m->url, 0);
    int rc = tn_buf_appendf(&m->url, "%s%s", m->source->texts[TN_CRED_ENDPOINT], path);
    if (rc == TARN_OK)
        rc = tn_uri_encode(&m->url, name, 0);
    return rc < 0 ? tn_fail(err, rc, "could not get credentials: %s", tarn_status_text(rc)) : rc;
}

static int get_token(struct instance *m, struct tarn_error *err)
{
    int status = 0;
    int rc = set_url(m, "/latest/api/token", TN_STR_EMPTY, err);
    if (rc == TARN_OK)
        rc = ask(m, "PUT", "X-aws-ec2-metadata-token-ttl-seconds: 21600", &status, err);
    if (rc < 0)
        return rc;
    char token[1024];
    if (status != 200)
        return refuse(status, "the instance's metadata service", err);
    rc = tn_cred_copy(token, sizeof token, tn_str_trim(tn_buf_str(&m->answer)),
                      "the session of the metadata service", err);
    if (rc == TARN_OK && tn_buf_appendf(&m->token_line, "X-aws-ec2-metadata-token: %s", token) < 0)
        rc = tn_fail(err, TARN_ENOMEM, "could not get credentials: out of memory");
    tn_wipe(token, sizeof token);
    return rc;
}

static int get_role(struct instance *m, char role[256], struct tarn_error *err)
{
    int status = 0;
    int rc = set_url(m, "/latest/meta-data/iam/security-credentials/", TN_STR_EMPTY, err);
    if (rc == TARN_OK)
        rc = ask(m, "GET", m->token_line.data, &status, err);
    if (rc < 0)
        return rc;
    if (status == 404)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not get credentials: the instance has no role");
    if (status != 200)
        return refuse(status, "the instance's metadata service", err);
    struct tn_str rest = tn_buf_str(&m->answer);
    struct tn_str line = tn_str_split(&rest, '\n');
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return tn_cred_copy(role, 256, tn_str_trim(line), "the name of the role", err);
}

static int get_keys(struct instance *m, const char *role, struct tarn_credentials *out,
                    struct tarn_error *err)
{
    int status = 0;
    int rc = set_url(m, "/latest/meta-data/iam/security-credentials/", tn_str_from(role), err);
    if (rc == TARN_OK)
        rc = ask(m, "GET", m->token_line.data, &status, err);
    if (rc < 0)
        return rc;
    if (status != 200)
        return refuse(status, "the instance's metadata service", err);
    return tn_cred_read_json(tn_buf_str(&m->answer), &names, out, err);
}

int tn_cred_fetch_instance(const struct tn_cred_source *source, const struct tarn_credentials *base,
                           const struct tn_cred_context *context, struct tarn_credentials *out,
                           struct tarn_error *err)
{
    struct instance m = { .source = source,
                          .context = context,
                          .url = TN_BUF_INIT(TN_CRED_TEXT_MAX),
                          .token_line = TN_BUF_INIT(TN_CRED_TEXT_MAX),
                          .answer = TN_BUF_INIT(TN_CRED_ANSWER_MAX) };
    char role[256];
    (void)base;
    int rc = get_token(&m, err);
    if (rc == TARN_OK)
        rc = get_role(&m, role, err);
    if (rc == TARN_OK)
        rc = get_keys(&m, role, out, err);
    tn_buf_release(&m.url);
    drop(&m.token_line);
    drop(&m.answer);
    return rc;
}
