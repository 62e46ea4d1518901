/* SPDX-License-Identifier: Apache-2.0 */
/* STS: temporary credentials, and who one is. */

#include "base/clock.h"
#include "base/file.h"
#include "base/rand.h"
#include "server/api/iam_query.h"
#include "server/auth/jwt.h"

enum {
    DURATION_S_MIN = 900,
    DURATION_S_DEFAULT = 3600,
    TOKEN_S_DEFAULT = 43200,
    TOKEN_S_MAX = 129600,
    POLICY_PARAM_LEN_MAX = 2048, /* tokens travel in headers */
    SESSION_ARNS_LEN_MAX = 4096,
    SECRET_LEN = 40,
    KEY_LEN = 20,
};

/* --- Making credentials --- */

struct grant {
    char access_key[IAM_ID_LEN + 1];
    char secret[SECRET_LEN + 1];
    struct session session;
};

static int64_t read_duration(struct iam_call *c, uint64_t fallback, uint64_t max)
{
    uint64_t seconds = fallback < max ? fallback : max;
    struct tn_str text = iam_param(c, "DurationSeconds");
    if (text.len &&
        (tn_str_to_u64(text, &seconds) < 0 || seconds < DURATION_S_MIN || seconds > max))
        iam_fail(c, 400, "ValidationError",
                 "The requested DurationSeconds must be between %d and %llu.", DURATION_S_MIN,
                 (unsigned long long)max);
    return (int64_t)seconds;
}

static void make_texts(struct grant *g)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[SECRET_LEN];
    iam_id_make("ASIA", g->access_key);
    g->access_key[KEY_LEN] = '\0';
    tn_random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < SECRET_LEN; i++)
        g->secret[i] = letters[bytes[i] % 64];
    g->secret[SECRET_LEN] = '\0';
    tn_wipe(bytes, sizeof bytes);
}

/* Seals the session and writes <Credentials>. */
static void grant_write(struct iam_call *c, struct grant *g, int64_t seconds)
{
    TN_AUTO_BUF token = TN_BUF_INIT(SESSION_TOKEN_LEN_MAX);
    unsigned char key[SESSION_KEY_LEN];
    struct tarn_error err = { 0 };
    if (iam_has_failed(c))
        return;
    make_texts(g);
    g->session.access_key = tn_str_from(g->access_key);
    g->session.secret = tn_str_from(g->secret);
    g->session.expires = tn_wall_ms() / 1000 + seconds;
    int rc = iam_session_key(c->r->api->iam, key, &err);
    if (rc == TARN_OK)
        rc = session_seal(key, &g->session, &token);
    tn_wipe(key, sizeof key);
    if (rc < 0) {
        (void)api_from_status(c->r, rc, &err);
        iam_fail(c, 503, "ServiceUnavailable", "could not make credentials");
        return;
    }
    tn_xml_open(&c->w, "Credentials");
    tn_xml_str(&c->w, "AccessKeyId", g->session.access_key);
    tn_xml_str(&c->w, "SecretAccessKey", g->session.secret);
    tn_xml_str(&c->w, "SessionToken", tn_buf_str(&token));
    iam_write_time(c, "Expiration", g->session.expires * 1000);
    tn_xml_close(&c->w, "Credentials");
    tn_wipe(g->secret, sizeof g->secret);
}

/* "ARN\n" for each managed policy that narrows the session; all of the role's account. */
static void read_session_arns(struct iam_call *c, struct tn_str account, struct tn_buf *out)
{
    char name[48];
    for (unsigned i = 1;; i++) {
        (void)snprintf(name, sizeof name, "PolicyArns.member.%u.arn", i);
        struct tn_str arn = iam_param(c, name);
        if (arn.len == 0)
            return;
        const struct iam_entity *p = iam_view_of_arn(c->view, arn);
        if (i > API_SESSION_POLICY_COUNT_MAX)
            iam_fail(c, 400, "ValidationError", "At most %d policies may be named.",
                     API_SESSION_POLICY_COUNT_MAX);
        else if (!p || !iam_is_policy_for(p, account))
            iam_fail(c, 400, "MalformedPolicyDocument", "Policy %.*s does not exist.",
                     TN_STR_ARG(arn));
        if (iam_has_failed(c))
            return;
        if (tn_buf_append_str(out, arn) < 0 || tn_buf_append_char(out, '\n') < 0)
            iam_fail(c, 400, "PackedPolicyTooLarge", "The policies' names are too long.");
    }
}

static struct tn_str read_session_policy(struct iam_call *c, struct tn_str account)
{
    TN_AUTO_BUF arns = TN_BUF_INIT(SESSION_ARNS_LEN_MAX);
    struct tn_str text = iam_param(c, "Policy");
    read_session_arns(c, account, &arns);
    if (text.len > POLICY_PARAM_LEN_MAX)
        iam_fail(c, 400, "PackedPolicyTooLarge", "The policy is longer than %d characters.",
                 POLICY_PARAM_LEN_MAX);
    if (iam_has_failed(c) || (text.len && !iam_policy_is_fine(c, text, POLICY_IDENTITY)))
        return TN_STR_EMPTY;
    if (arns.len == 0)
        return text;
    char *all = tn_arena_printf(&c->r->http->arena, "%s%.*s", arns.data, TN_STR_ARG(text));
    if (!all)
        iam_fail(c, 503, "ServiceUnavailable", "out of memory");
    return all ? tn_str_from(all) : TN_STR_EMPTY;
}

/* --- Roles --- */

static const struct iam_entity *find_role(struct iam_call *c)
{
    struct tn_str arn = iam_need(c, "RoleArn");
    const struct iam_entity *e = iam_has_failed(c) ? NULL : iam_view_of_arn(c->view, arn);
    if (e && e->type == IAM_ROLE)
        return e;
    /* As for a role that one may not be: what exists is nobody else's business. */
    iam_fail(c, 403, "AccessDenied", "Not authorized to perform sts:%s on resource: %.*s",
             c->row->action, TN_STR_ARG(arn));
    return NULL;
}

static uint64_t max_duration(const struct iam_entity *role)
{
    json_int_t seconds = json_integer_value(json_object_get(role->json, "max_session"));
    return seconds > 0 ? (uint64_t)seconds : DURATION_S_DEFAULT;
}

static void write_assumed(struct iam_call *c, const struct iam_entity *role, struct tn_str name)
{
    struct tn_arena *arena = &c->r->http->arena;
    const char *id = tn_arena_printf(arena, "%.*s:%.*s", TN_STR_ARG(role->id), TN_STR_ARG(name));
    const char *arn =
        tn_arena_printf(arena, "arn:aws:sts::%.*s:assumed-role/%.*s/%.*s",
                        TN_STR_ARG(role->account), TN_STR_ARG(role->name), TN_STR_ARG(name));
    tn_xml_open(&c->w, "AssumedRoleUser");
    tn_xml_text(&c->w, "AssumedRoleId", id ? id : "");
    tn_xml_text(&c->w, "Arn", arn ? arn : "");
    tn_xml_close(&c->w, "AssumedRoleUser");
}

/* The role's trust names the caller; where it names an account only, or one of another account
 * asks, the caller's own policies must allow it as well. */
static bool may_assume(struct iam_call *c, const struct iam_entity *role)
{
    const struct api_identity *who = api_identity_get(c->r);
    struct api_question q = { .r = c->r, .identity = who, .action = "sts:AssumeRole" };
    struct policy_request request = { .action = TN_STR("sts:AssumeRole"),
                                      .resource = role->arn,
                                      .values = api_question_values,
                                      .user = &q };
    if (!who || who->who.is_anonymous)
        return false;
    request.who = &who->who;
    enum policy_verdict trust = policy_ask(role->document, &request);
    if (trust == POLICY_SILENT || trust == POLICY_DENIES)
        return false;
    bool is_own = tn_str_eq(role->account, who->who.account);
    if (trust >= POLICY_ALLOWS && is_own && !who->session) {
        enum policy_verdict own =
            who->entity ? iam_ask(who->view, who->entity->id, &request) : POLICY_SILENT;
        return own != POLICY_DENIES;
    }
    return api_may_service(c->r, "sts:AssumeRole", role->arn) == TN_S3_OK;
}

static void assume_role(struct iam_call *c)
{
    struct grant g = { 0 };
    const struct iam_entity *role = find_role(c);
    struct tn_str name = iam_need_name(c, "RoleSessionName", SESSION_NAME_LEN_MAX);
    if (!role || iam_has_failed(c))
        return;
    if (!may_assume(c, role)) {
        const struct api_identity *who = api_identity_get(c->r);
        iam_fail(c, 403, "AccessDenied",
                 "User: %.*s is not authorized to perform: sts:AssumeRole on resource: %.*s",
                 TN_STR_ARG(who ? who->who.arn : TN_STR_EMPTY), TN_STR_ARG(role->arn));
        return;
    }
    int64_t seconds = read_duration(c, DURATION_S_DEFAULT, max_duration(role));
    g.session = (struct session){ .account = role->account,
                                  .id = role->id,
                                  .name = name,
                                  .subject = TN_STR_EMPTY,
                                  .issuer = TN_STR_EMPTY,
                                  .policy = read_session_policy(c, role->account) };
    grant_write(c, &g, seconds);
    write_assumed(c, role, name);
}

/* --- Users --- */

static void get_session_token(struct iam_call *c)
{
    struct grant g = { 0 };
    if (c->r->who.session) {
        iam_fail(c, 403, "AccessDenied", "Cannot call GetSessionToken with session credentials");
        return;
    }
    if (c->r->who.user_id[0] && !iam_view_of_id(c->view, tn_str_from(c->r->who.user_id))) {
        iam_fail(c, 403, "AccessDenied", "The user is not there any more.");
        return;
    }
    int64_t seconds = read_duration(c, TOKEN_S_DEFAULT, TOKEN_S_MAX);
    g.session = (struct session){ .account = c->account,
                                  .id = tn_str_from(c->r->who.user_id),
                                  .name = TN_STR_EMPTY,
                                  .subject = TN_STR_EMPTY,
                                  .issuer = TN_STR_EMPTY,
                                  .policy = TN_STR_EMPTY };
    grant_write(c, &g, seconds);
}

static void get_caller_identity(struct iam_call *c)
{
    const struct api_identity *who = api_identity_get(c->r);
    if (!who || who->who.is_anonymous) {
        iam_fail(c, 403, "MissingAuthenticationToken", "Request is missing Authentication Token");
        return;
    }
    tn_xml_str(&c->w, "UserId", who->user_id);
    tn_xml_str(&c->w, "Account", who->who.account);
    tn_xml_str(&c->w, "Arn", who->who.arn);
}

/* --- Web identities --- */

struct web {
    const struct api_provider *provider;
    struct tn_str host; /* the issuer without its scheme: the prefix of condition keys */
    json_t *claims;
};

static struct tn_str text_of(const json_t *claims, const char *name)
{
    const json_t *value = json_object_get(claims, name);
    return json_is_string(value)
               ? (struct tn_str){ json_string_value(value), json_string_length(value) }
               : TN_STR_EMPTY;
}

/* "HOST:sub", "HOST:aud" and the other claims that are texts. */
static size_t web_values(void *user, struct tn_str key, struct tn_str *out, size_t cap)
{
    const struct web *w = user;
    char name[128];
    size_t n = 0;
    if (!tn_str_eq_nocase(tn_str_sub(key, 0, w->host.len), w->host))
        return 0;
    struct tn_str claim = tn_str_sub(key, w->host.len, SIZE_MAX);
    if (claim.len < 2 || claim.data[0] != ':' || claim.len > sizeof name)
        return 0;
    (void)snprintf(name, sizeof name, "%.*s", TN_STR_ARG(tn_str_sub(claim, 1, SIZE_MAX)));
    const json_t *value = json_object_get(w->claims, name);
    if (json_is_string(value) && n < cap)
        out[n++] = text_of(w->claims, name);
    for (size_t i = 0; i < json_array_size(value) && n < cap; i++) {
        const json_t *item = json_array_get(value, i);
        if (json_is_string(item))
            out[n++] = (struct tn_str){ json_string_value(item), json_string_length(item) };
    }
    return n;
}

/* Read each time: the keys change, and calls are few. */
static int check_token(struct iam_call *c, struct tn_str token, struct web *w,
                       struct tarn_error *err)
{
    TN_AUTO_BUF jwks = TN_BUF_INIT(JWKS_LEN_MAX);
    int rc = tn_file_read(w->provider->jwks_file, &jwks, err);
    if (rc < 0) {
        (void)api_from_status(c->r, TARN_EIO, err);
        return TARN_EINVAL;
    }
    rc = jwt_verify(tn_buf_str(&jwks), token, tn_wall_ms() / 1000, &w->claims, err);
    if (rc < 0)
        return rc;
    struct tn_str issuer = tn_str_from(w->provider->issuer);
    const char *audience = w->provider->audience;
    bool is_fine = tn_str_eq(text_of(w->claims, "iss"), issuer) && text_of(w->claims, "sub").len &&
                   (!audience || jwt_claim_has(w->claims, "aud", tn_str_from(audience)) ||
                    jwt_claim_has(w->claims, "azp", tn_str_from(audience)));
    if (is_fine)
        return TARN_OK;
    json_decref(w->claims);
    w->claims = NULL;
    return tn_fail(err, TARN_EDENIED, "the token is of another issuer or for another audience");
}

/* The issuer without its scheme. */
static struct tn_str host_of(const struct api_provider *provider)
{
    struct tn_str issuer = tn_str_from(provider->issuer);
    size_t at = tn_str_find(issuer, TN_STR("://"));
    return at == SIZE_MAX ? issuer : tn_str_sub(issuer, at + 3, SIZE_MAX);
}

/* As IAM names it. */
static const char *provider_arn(struct tn_arena *arena, struct tn_str account, struct tn_str host)
{
    return tn_arena_printf(arena, "arn:aws:iam::%.*s:oidc-provider/%.*s", TN_STR_ARG(account),
                           TN_STR_ARG(host));
}

/* Those of the configuration, which every account may trust. */
static void providers_list(struct iam_call *c)
{
    const struct api *api = c->r->api;
    tn_xml_open(&c->w, "OpenIDConnectProviderList");
    for (size_t i = 0; i < api->provider_count; i++) {
        const char *arn = provider_arn(&c->r->http->arena, c->account, host_of(&api->providers[i]));
        if (!arn)
            iam_fail(c, 503, "ServiceUnavailable", "out of memory");
        tn_xml_open(&c->w, "member");
        tn_xml_text(&c->w, "Arn", arn ? arn : "");
        tn_xml_close(&c->w, "member");
    }
    tn_xml_close(&c->w, "OpenIDConnectProviderList");
}

/* The provider whose keys signed it. */
static bool find_web(struct iam_call *c, struct tn_str token, struct web *w)
{
    const struct api *api = c->r->api;
    struct tarn_error err = { 0 };
    int rc = TARN_EDENIED;
    for (size_t i = 0; i < api->provider_count && !w->claims; i++) {
        w->provider = &api->providers[i];
        int found = check_token(c, token, w, &err);
        rc = found == TARN_ETIMEOUT || found == TARN_OK ? found : rc;
    }
    if (w->claims) {
        w->host = host_of(w->provider);
        return true;
    }
    if (rc == TARN_ETIMEOUT)
        iam_fail(c, 400, "ExpiredTokenException", "Token must be valid: it has expired.");
    else
        iam_fail(c, 400, "InvalidIdentityToken",
                 "Couldn't retrieve verification key from your identity provider, or the token "
                 "is not valid for it: %s",
                 err.message);
    return false;
}

/* Trust names the issuer, or its ARN as IAM makes it. */
static bool may_be_web(const struct iam_entity *role, struct web *w, struct tn_arena *arena)
{
    const char *arn = provider_arn(arena, role->account, w->host);
    const struct tn_str names[] = { tn_str_from(w->provider->issuer), w->host, tn_str_from(arn) };
    enum policy_verdict verdict = POLICY_SILENT;
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        struct policy_who who = { .federated = names[i] };
        struct policy_request request = { .who = &who,
                                          .action = TN_STR("sts:AssumeRoleWithWebIdentity"),
                                          .resource = role->arn,
                                          .values = web_values,
                                          .user = w };
        verdict = policy_join(verdict, policy_ask(role->document, &request));
    }
    return verdict >= POLICY_ALLOWS && verdict != POLICY_DENIES;
}

static void write_web(struct iam_call *c, const struct iam_entity *role, struct tn_str name,
                      const struct web *w)
{
    struct grant g = { 0 };
    struct tn_str subject = text_of(w->claims, "sub");
    int64_t seconds = read_duration(c, DURATION_S_DEFAULT, max_duration(role));
    g.session = (struct session){ .account = role->account,
                                  .id = role->id,
                                  .name = name,
                                  .subject = subject,
                                  .issuer = w->host,
                                  .policy = read_session_policy(c, role->account) };
    grant_write(c, &g, seconds);
    write_assumed(c, role, name);
    tn_xml_str(&c->w, "SubjectFromWebIdentityToken", subject);
    tn_xml_str(&c->w, "Provider", w->host);
    if (w->provider->audience)
        tn_xml_text(&c->w, "Audience", w->provider->audience);
}

static void assume_role_with_web_identity(struct iam_call *c)
{
    struct web w = { 0 };
    struct tn_str token = iam_need(c, "WebIdentityToken");
    struct tn_str name = iam_need_name(c, "RoleSessionName", SESSION_NAME_LEN_MAX);
    if (iam_has_failed(c) || !find_web(c, token, &w))
        return;
    const struct iam_entity *role = find_role(c);
    if (role && may_be_web(role, &w, &c->r->http->arena))
        write_web(c, role, name, &w);
    else
        iam_fail(c, 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    json_decref(w.claims);
}

const struct iam_row sts_rows[] = {
    { "AssumeRole", assume_role, IAM_TYPE_COUNT, NULL, false, true, true },
    { "AssumeRoleWithWebIdentity", assume_role_with_web_identity, IAM_TYPE_COUNT, NULL, false, true,
      true },
    { "ListOpenIDConnectProviders", providers_list, IAM_TYPE_COUNT, NULL, false, false, false },
    { "GetSessionToken", get_session_token, IAM_TYPE_COUNT, NULL, false, true, true },
    { "GetCallerIdentity", get_caller_identity, IAM_TYPE_COUNT, NULL, false, true, true },
};
const size_t sts_row_count = TN_COUNT(sts_rows);
