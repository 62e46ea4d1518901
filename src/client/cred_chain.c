/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which sources of keys are looked for. */

#include "client/cred_chain.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "proto/uri.h"

#define NOT_FOUND                                                                                  \
    "could not find credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "             \
    "a profile in ~/.aws/credentials"
#define INSTANCE_ENDPOINT "http://169.254.169.254"
#define CONTAINER_HOST "http://169.254.170.2"

enum { ROLE_SECONDS_MIN = 900, ROLE_SECONDS_MAX = 43200, INSTANCE_TRIES_MAX = 100 };

/* While a source is put together: the first failure sticks. */
struct making {
    const struct tn_cred_inputs *in;
    struct tn_cred_source *source;
    int rc;
};

static const char *env(const struct tn_cred_inputs *in, const char *name)
{
    const char *value = in->get(name);
    return value && *value ? value : NULL;
}

static void begin(struct making *m, const struct tn_cred_inputs *in, enum tn_cred_kind kind,
                  const char *label)
{
    *m = (struct making){ .in = in, .source = tn_cred_source_new(kind, label) };
    m->rc = m->source ? TARN_OK : TARN_ENOMEM;
}

static void put(struct making *m, enum tn_cred_text which, struct tn_str value)
{
    if (m->rc < 0 || value.len == 0)
        return;
    if (value.len > TN_CRED_TEXT_MAX) {
        m->rc = TARN_ETOOBIG;
        return;
    }
    tn_free_secret(m->source->texts[which]);
    m->source->texts[which] = tn_memdup(value.data, value.len);
    if (!m->source->texts[which])
        m->rc = TARN_ENOMEM;
}

static void put_text(struct making *m, enum tn_cred_text which, const char *value)
{
    put(m, which, tn_str_from(value));
}

/* Takes the source over. */
static int finish(struct making *m, struct tn_cred_source **out, struct tarn_error *err)
{
    if (m->rc == TARN_OK) {
        *out = TN_TAKE(m->source);
        return TARN_OK;
    }
    tn_cred_source_free(m->source);
    return tn_fail(err, m->rc == TARN_ENOMEM ? TARN_ENOMEM : TARN_ECREDENTIALS,
                   "could not use the credentials' settings: %s", tarn_status_text(m->rc));
}

/* The service's own variable, then the one for all services, then AWS. */
static void put_endpoint(struct making *m, enum tn_cred_text which, const char *variable,
                         const char *service, struct tn_str region)
{
    char made[TARN_REGION_LEN_MAX + 64];
    const char *given = env(m->in, variable);
    if (!given)
        given = env(m->in, "AWS_ENDPOINT_URL");
    struct tn_str text = tn_str_from(given);
    if (!given) {
        bool is_china = tn_str_starts(region, TN_STR("cn-"));
        (void)snprintf(made, sizeof made, "https://%s.%.*s.amazonaws.com%s", service,
                       TN_STR_ARG(region), is_china ? ".cn" : "");
        text = tn_str_from(made);
    }
    while (text.len > 0 && text.data[text.len - 1] == '/')
        text.len--;
    put(m, which, text);
}

/* ---- keys ---- */

static int from_keys(const struct tn_cred_inputs *in, struct tn_str access, struct tn_str secret,
                     struct tn_str token, const char *label, struct tn_cred_source **out,
                     struct tarn_error *err)
{
    struct making m;
    if (access.len == 0 || secret.len == 0)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not use the credentials of the %s: %s is missing", label,
                       access.len == 0 ? "the access key" : "the secret key");
    if (access.len > TARN_ACCESS_KEY_LEN_MAX || secret.len > TARN_SECRET_KEY_LEN_MAX ||
        token.len > TARN_SESSION_TOKEN_LEN_MAX)
        return tn_fail(err, TARN_ECREDENTIALS, "could not use the credentials of the %s: too long",
                       label);
    begin(&m, in, TN_CRED_STATIC, label);
    put(&m, TN_CRED_ACCESS_KEY, access);
    put(&m, TN_CRED_SECRET_KEY, secret);
    put(&m, TN_CRED_SESSION_TOKEN, token);
    return finish(&m, out, err);
}

static bool has_keys(const struct tn_profile *p)
{
    return p->access_key.len > 0 || p->secret_key.len > 0;
}

static int from_callback(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                         struct tarn_error *err)
{
    struct making m;
    begin(&m, in, TN_CRED_CALLBACK, "program");
    if (m.rc == TARN_OK) {
        m.source->fn = in->config->credentials_fn;
        m.source->arg = in->config->credentials_arg;
    }
    return finish(&m, out, err);
}

static int from_environment(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                            struct tarn_error *err)
{
    return from_keys(in, tn_str_from(env(in, "AWS_ACCESS_KEY_ID")),
                     tn_str_from(env(in, "AWS_SECRET_ACCESS_KEY")),
                     tn_str_from(env(in, "AWS_SESSION_TOKEN")), "environment", out, err);
}

/* ---- roles ---- */

static int put_role(struct making *m, struct tn_str arn, struct tn_str session,
                    struct tn_str external_id, struct tn_str duration, struct tarn_error *err)
{
    uint64_t seconds = 0;
    if (duration.len > 0 && (tn_str_to_u64(duration, &seconds) < 0 || seconds < ROLE_SECONDS_MIN ||
                             seconds > ROLE_SECONDS_MAX)) {
        tn_cred_source_free(TN_TAKE(m->source));
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not use duration_seconds \"%.*s\": expected %d to %d",
                       TN_STR_ARG(duration), ROLE_SECONDS_MIN, ROLE_SECONDS_MAX);
    }
    put(m, TN_CRED_ROLE_ARN, arn);
    put(m, TN_CRED_SESSION_NAME, session.len > 0 ? session : TN_STR("tarn"));
    put(m, TN_CRED_EXTERNAL_ID, external_id);
    put(m, TN_CRED_REGION, m->in->region);
    put_endpoint(m, TN_CRED_ENDPOINT, "AWS_ENDPOINT_URL_STS", "sts", m->in->region);
    if (m->rc == TARN_OK)
        m->source->duration_s = (uint32_t)seconds;
    return TARN_OK;
}

static int from_web_identity(const struct tn_cred_inputs *in, struct tn_str file, struct tn_str arn,
                             struct tn_str session, struct tn_str duration,
                             struct tn_cred_source **out, struct tarn_error *err)
{
    struct making m;
    if (arn.len == 0)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not use the web identity token: no role is named for it");
    begin(&m, in, TN_CRED_WEB_IDENTITY, "web identity");
    put(&m, TN_CRED_TOKEN_FILE, file);
    int rc = put_role(&m, arn, session, TN_STR_EMPTY, duration, err);
    return rc < 0 ? rc : finish(&m, out, err);
}

enum { MFA_CODE_LEN_MAX = 64, MFA_TEXT_LEN_MAX = 1024 };

/* `out` is empty for a role that wants no code. */
static int find_mfa_code(const struct tn_cred_inputs *in, const struct tn_profile *p,
                         struct tn_buf *out, struct tarn_error *err)
{
    const struct tarn_config *config = in->config;
    char code[MFA_CODE_LEN_MAX + 1] = "";
    TN_AUTO_BUF serial = TN_BUF_INIT(MFA_TEXT_LEN_MAX);
    if (p->mfa_serial.len == 0)
        return TARN_OK;
    if (!config->mfa_code && !config->mfa_fn)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not assume role \"%.*s\": mfa_serial \"%.*s\" wants a code "
                       "(mfa_code, --mfa-code)",
                       TN_STR_ARG(p->role_arn), TN_STR_ARG(p->mfa_serial));
    int rc = tn_buf_append_str(&serial, p->mfa_serial);
    if (rc == TARN_OK && !config->mfa_code) {
        rc = config->mfa_fn(config->mfa_arg, serial.data, code, sizeof code, err);
        if (rc < 0)
            return rc;
        code[MFA_CODE_LEN_MAX] = '\0';
    }
    if (rc == TARN_OK)
        rc = tn_buf_append_text(out, config->mfa_code ? config->mfa_code : code);
    return rc < 0 ? tn_fail(err, rc, "could not assume a role: serial or code: %s",
                            tarn_status_text(rc))
                  : TARN_OK;
}

static int from_role(const struct tn_cred_inputs *in, const struct tn_profile *p,
                     struct tn_cred_source **out, struct tarn_error *err)
{
    struct making m;
    TN_AUTO_BUF code = TN_BUF_INIT(MFA_TEXT_LEN_MAX);
    int rc = find_mfa_code(in, p, &code, err);
    if (rc < 0)
        return rc;
    begin(&m, in, TN_CRED_ROLE, "assumed role");
    rc = put_role(&m, p->role_arn, p->role_session_name, p->external_id, p->duration_seconds, err);
    if (rc < 0)
        return rc;
    put(&m, TN_CRED_MFA_SERIAL, p->mfa_serial);
    if (p->mfa_serial.len > 0)
        put(&m, TN_CRED_MFA_CODE, tn_buf_str(&code));
    return finish(&m, out, err);
}

/* ---- the machine ---- */

/* The container's agent is on the machine; anything else in the clear would leak keys. */
static bool is_allowed_host(struct tn_str text)
{
    static const char *const hosts[] = { "localhost",     "127.0.0.1",      "::1",
                                         "169.254.170.2", "169.254.170.23", "fd00:ec2::23" };
    struct tn_url url;
    if (tn_url_parse(text, &url) < 0)
        return false;
    if (tn_str_eq_nocase(url.scheme, TN_STR("https")))
        return true;
    if (!tn_str_eq_nocase(url.scheme, TN_STR("http")))
        return false;
    for (size_t i = 0; i < TN_COUNT(hosts); i++) {
        if (tn_str_eq_nocase(url.host, tn_str_from(hosts[i])))
            return true;
    }
    return url.host_kind == TN_HOST_IPV4 && tn_str_starts(url.host, TN_STR("127."));
}

static int from_container(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                          struct tarn_error *err)
{
    TN_AUTO_BUF url = TN_BUF_INIT(TN_CRED_TEXT_MAX);
    const char *relative = env(in, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env(in, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    int rc = relative ? tn_buf_appendf(&url, CONTAINER_HOST "%s%s", relative[0] == '/' ? "" : "/",
                                       relative)
                      : tn_buf_append_text(&url, full ? full : "");
    if (rc < 0)
        return tn_fail(err, rc, "could not use the container's endpoint: %s", tarn_status_text(rc));
    if (url.len == 0)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not find the container's endpoint: set "
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!is_allowed_host(tn_buf_str(&url)))
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not use the container's endpoint \"%s\": neither https nor this "
                       "machine",
                       url.data);
    struct making m;
    begin(&m, in, TN_CRED_CONTAINER, "container");
    put(&m, TN_CRED_ENDPOINT, tn_buf_str(&url));
    put_text(&m, TN_CRED_TOKEN_FILE, env(in, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    put_text(&m, TN_CRED_AUTHORIZATION, env(in, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    return finish(&m, out, err);
}

static bool is_true(const char *text)
{
    return text && tn_str_eq_nocase(tn_str_from(text), TN_STR("true"));
}

static int from_instance(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                         struct tarn_error *err)
{
    struct making m;
    uint64_t number;
    if (is_true(in->get("AWS_EC2_METADATA_DISABLED")) || in->config->ignore_environment)
        return tn_fail(err, TARN_ECREDENTIALS, NOT_FOUND);
    struct tn_str endpoint = tn_str_from(env(in, "AWS_EC2_METADATA_SERVICE_ENDPOINT"));
    while (endpoint.len > 0 && endpoint.data[endpoint.len - 1] == '/')
        endpoint.len--;
    begin(&m, in, TN_CRED_INSTANCE, "instance");
    put(&m, TN_CRED_ENDPOINT, endpoint.len > 0 ? endpoint : TN_STR(INSTANCE_ENDPOINT));
    if (m.rc == TARN_OK &&
        tn_str_to_u64(tn_str_from(env(in, "AWS_METADATA_SERVICE_TIMEOUT")), &number) == TARN_OK &&
        number > 0 && number <= 60)
        m.source->timeout_ms = (long)number * 1000;
    if (m.rc == TARN_OK &&
        tn_str_to_u64(tn_str_from(env(in, "AWS_METADATA_SERVICE_NUM_ATTEMPTS")), &number) ==
            TARN_OK &&
        number > 0 && number <= INSTANCE_TRIES_MAX)
        m.source->tries_max = (int)number;
    return finish(&m, out, err);
}

/* ---- SSO ---- */

/* The cache is named by the SHA-1 of the session's name, or of the start URL. */
static int cache_path(const struct tn_cred_inputs *in, struct tn_str name, struct tn_buf *path)
{
    unsigned char digest[TN_SHA1_LEN];
    char hex[2 * TN_SHA1_LEN + 1];
    struct tn_hash sha;
    const char *home = env(in, "HOME");
    int rc = tn_hash_init(&sha, TN_HASH_SHA1);
    if (rc < 0)
        return rc;
    tn_hash_update(&sha, name.data, name.len);
    tn_hash_final(&sha, digest);
    tn_hash_release(&sha);
    tn_hex_encode(digest, sizeof digest, hex);
    return tn_buf_appendf(path, "%s/.aws/sso/cache/%s.json", home ? home : "", hex);
}

static int from_sso(const struct tn_cred_inputs *in, const struct tn_profile *p,
                    struct tn_cred_source **out, struct tarn_error *err)
{
    struct tn_profile session = { .sso_region = p->sso_region, .sso_start_url = p->sso_start_url };
    TN_AUTO_BUF path = TN_BUF_INIT(TN_CRED_TEXT_MAX);
    size_t line = 0;
    if (p->sso_session.len > 0) {
        session = (struct tn_profile){ 0 };
        int rc = tn_profile_read(in->config_text, p->sso_session, TN_PROFILE_SSO_SESSION, &session,
                                 &line);
        if (rc < 0 || !session.is_found)
            return tn_fail(err, TARN_ECREDENTIALS, "could not find sso-session \"%.*s\"",
                           TN_STR_ARG(p->sso_session));
    }
    if (session.sso_region.len == 0 || p->sso_account_id.len == 0 || p->sso_role_name.len == 0)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not use SSO: sso_region, sso_account_id or sso_role_name is missing");
    int rc = cache_path(in, p->sso_session.len > 0 ? p->sso_session : session.sso_start_url, &path);
    if (rc < 0)
        return tn_fail(err, rc, "could not use SSO: %s", tarn_status_text(rc));
    struct making m;
    begin(&m, in, TN_CRED_SSO, "sso");
    put(&m, TN_CRED_TOKEN_FILE, tn_buf_str(&path));
    put(&m, TN_CRED_ACCOUNT_ID, p->sso_account_id);
    put(&m, TN_CRED_ROLE_NAME, p->sso_role_name);
    put_endpoint(&m, TN_CRED_ENDPOINT, "AWS_ENDPOINT_URL_SSO", "portal.sso", session.sso_region);
    put_endpoint(&m, TN_CRED_TOKEN_ENDPOINT, "AWS_ENDPOINT_URL_SSO_OIDC", "oidc",
                 session.sso_region);
    return finish(&m, out, err);
}

/* ---- profiles ---- */

static int from_process(const struct tn_cred_inputs *in, struct tn_str command,
                        struct tn_cred_source **out, struct tarn_error *err)
{
    struct making m;
    begin(&m, in, TN_CRED_PROCESS, "process");
    put(&m, TN_CRED_COMMAND, command);
    return finish(&m, out, err);
}

/* Keys of the profile by itself, no role assumed. TARN_ENOTFOUND when it has none. */
static int from_own(const struct tn_cred_inputs *in, const struct tn_profile *p,
                    struct tn_cred_source **out, struct tarn_error *err)
{
    if (p->web_identity_token_file.len > 0)
        return from_web_identity(in, p->web_identity_token_file, p->role_arn, p->role_session_name,
                                 p->duration_seconds, out, err);
    if (p->sso_session.len > 0 || p->sso_start_url.len > 0)
        return from_sso(in, p, out, err);
    if (has_keys(p))
        return from_keys(in, p->access_key, p->secret_key, p->session_token, "profile", out, err);
    if (p->credential_process.len > 0)
        return from_process(in, p->credential_process, out, err);
    return TARN_ENOTFOUND;
}

static int from_named_source(const struct tn_cred_inputs *in, struct tn_str name,
                             struct tn_cred_source **out, struct tarn_error *err)
{
    if (tn_str_eq_nocase(name, TN_STR("Environment")))
        return from_environment(in, out, err);
    if (tn_str_eq_nocase(name, TN_STR("EcsContainer")))
        return from_container(in, out, err);
    if (tn_str_eq_nocase(name, TN_STR("Ec2InstanceMetadata")))
        return from_instance(in, out, err);
    return tn_fail(err, TARN_ECREDENTIALS,
                   "could not use credential_source \"%.*s\": expected Environment, EcsContainer "
                   "or Ec2InstanceMetadata",
                   TN_STR_ARG(name));
}

static int read_profile(const struct tn_cred_inputs *in, struct tn_str name, struct tn_profile *out,
                        struct tarn_error *err)
{
    size_t line = 0;
    *out = (struct tn_profile){ 0 };
    if (tn_profile_read(in->credentials_text, name, TN_PROFILE_CREDENTIALS, out, &line) < 0 ||
        tn_profile_read(in->config_text, name, TN_PROFILE_CONFIG, out, &line) < 0)
        return tn_fail(err, TARN_ECONFIG,
                       "could not read profile \"%.*s\": line %zu: expected \"key = value\"",
                       TN_STR_ARG(name), line);
    if (!out->is_found)
        return tn_fail(err, TARN_ECREDENTIALS, "could not find source_profile \"%.*s\"",
                       TN_STR_ARG(name));
    return TARN_OK;
}

/* The keys behind the last role of a chain. */
static int from_last(const struct tn_cred_inputs *in, const struct tn_profile *p,
                     struct tn_cred_source **out, struct tarn_error *err)
{
    if (p->role_arn.len > 0 && p->credential_source.len > 0)
        return from_named_source(in, p->credential_source, out, err);
    int rc = from_own(in, p, out, err);
    return rc == TARN_ENOTFOUND
               ? tn_fail(err, TARN_ECREDENTIALS, "could not assume a role: no credentials for it")
               : rc;
}

/* Follows source_profile; one that names itself means its own keys. */
static int from_profile(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                        struct tarn_error *err)
{
    struct tn_profile p = *in->profile;
    struct tn_str name = in->profile_name;
    struct tn_cred_source *first = NULL;
    struct tn_cred_source **next = &first;
    int rc = TARN_OK;
    int count = 0;
    if (p.role_arn.len == 0)
        return from_own(in, &p, out, err);
    while (rc == TARN_OK && p.role_arn.len > 0 && p.web_identity_token_file.len == 0) {
        rc = ++count < TN_CRED_CHAIN_MAX
                 ? from_role(in, &p, next, err)
                 : tn_fail(err, TARN_ECREDENTIALS,
                           "could not assume a role: profiles lead to one another without end");
        if (rc < 0)
            break;
        next = &(*next)->base;
        if (p.source_profile.len == 0 || tn_str_eq(p.source_profile, name))
            break;
        name = p.source_profile;
        rc = read_profile(in, name, &p, err);
    }
    if (rc == TARN_OK)
        rc = from_last(in, &p, next, err);
    if (rc < 0)
        tn_cred_source_free(first);
    else
        *out = first;
    return rc;
}

static bool is_profile_given(const struct tn_profile *p)
{
    return has_keys(p) || p->role_arn.len > 0 || p->sso_session.len > 0 ||
           p->sso_start_url.len > 0 || p->credential_process.len > 0 ||
           p->web_identity_token_file.len > 0;
}

int tn_cred_choose(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                   struct tarn_error *err)
{
    const struct tarn_config *config = in->config;
    const char *token_file = env(in, "AWS_WEB_IDENTITY_TOKEN_FILE");
    bool has_profile = is_profile_given(in->profile);
    if (config->is_anonymous) {
        *out = NULL;
        return TARN_OK;
    }
    if (config->access_key || config->secret_key)
        return from_keys(in, tn_str_from(config->access_key), tn_str_from(config->secret_key),
                         tn_str_from(config->session_token), "configuration", out, err);
    if (config->credentials_fn)
        return from_callback(in, out, err);
    if (config->profile && has_profile)
        return from_profile(in, out, err);
    if (env(in, "AWS_ACCESS_KEY_ID") || env(in, "AWS_SECRET_ACCESS_KEY"))
        return from_environment(in, out, err);
    if (token_file)
        return from_web_identity(in, tn_str_from(token_file), tn_str_from(env(in, "AWS_ROLE_ARN")),
                                 tn_str_from(env(in, "AWS_ROLE_SESSION_NAME")), TN_STR_EMPTY, out,
                                 err);
    if (has_profile)
        return from_profile(in, out, err);
    if (env(in, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
        env(in, "AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        return from_container(in, out, err);
    return from_instance(in, out, err);
}
