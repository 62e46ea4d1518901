/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: given values, then the environment, then the profile, then defaults. */

#include "client/settings.h"

#include <unistd.h>

#include "base/file.h"
#include "client/cred_chain.h"
#include "client/profile.h"
#include "proto/name.h"
#include "proto/uri.h"

#define DEFAULT_REGION "us-east-1"

/* While putting together: both files stay in memory because the profile's values are views of them.
 */
struct sources {
    const struct tarn_config *config;
    tn_getenv_fn get;
    struct tn_buf credentials_text;
    struct tn_buf config_text;
    const char *profile_name;
    struct tn_profile profile;
};

void tarn_config_init(struct tarn_config *config)
{
    *config = (struct tarn_config){
        .connect_timeout_ms = 10 * 1000,
        .idle_timeout_ms = 60 * 1000,
        .retries_max = 4,
        .retry_base_ms = 100,
        .retry_cap_ms = 20 * 1000,
        .connections_max = 256,
        .memory_max = (uint64_t)256 << 20,
    };
}

void tn_settings_release(struct tn_settings *s)
{
    tn_free(s->endpoint);
    tn_free(s->host);
    tn_free(s->base_path);
    tn_free(s->region);
    tn_cred_source_free(s->credentials);
    tn_free(s->ca_bundle);
    tn_free(s->proxy);
    tn_free(s->user_agent);
    *s = (struct tn_settings){ 0 };
}

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

/* The value of the first variable that is set and not empty. */
static struct tn_str from_env(const struct sources *src, const char *first, const char *second)
{
    const char *value = src->get(first);
    if ((!value || !*value) && second)
        value = src->get(second);
    return tn_str_from(value);
}

static struct tn_str pick(struct tn_str a, struct tn_str b, struct tn_str c)
{
    if (a.len > 0)
        return a;
    return b.len > 0 ? b : c;
}

static int keep(char **slot, struct tn_str value, const char *what, struct tarn_error *err)
{
    if (value.len > TN_CONFIG_TEXT_MAX)
        return tn_fail(err, TARN_ECONFIG, "could not use the %s: more than %d bytes", what,
                       TN_CONFIG_TEXT_MAX);
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f)
            return tn_fail(err, TARN_ECONFIG, "could not use the %s: control byte in it", what);
    }
    *slot = tn_memdup(value.data, value.len);
    return *slot ? TARN_OK
                 : tn_fail(err, TARN_ENOMEM, "could not keep the %s: out of memory", what);
}

static int read_profile_file(struct sources *src, const char *given, const char *variable,
                             const char *name, struct tn_buf *text, struct tarn_error *err)
{
    char path[TN_CONFIG_TEXT_MAX];
    const char *env = src->get(variable);
    const char *home = src->get("HOME");
    if (!given && env && *env)
        given = env;
    bool must_exist = given != NULL;
    if (!given) {
        int len = snprintf(path, sizeof path, "%s/.aws/%s", home ? home : "", name);
        if (!home || !*home || len < 0 || (size_t)len >= sizeof path)
            return TARN_OK;
        given = path;
    }
    int rc = tn_file_read(given, text, err);
    return rc == TARN_ENOTFOUND && !must_exist ? TARN_OK : rc;
}

static int load_profile(struct sources *src, struct tarn_error *err)
{
    const struct tarn_config *config = src->config;
    const char *env = src->get("AWS_PROFILE");
    bool is_named = config->profile || (env && *env);
    const char *name = config->profile ? config->profile : is_named ? env : "default";
    src->profile_name = name;
    struct {
        const char *given, *variable, *file;
        struct tn_buf *text;
    } files[] = {
        { config->credentials_file, "AWS_SHARED_CREDENTIALS_FILE", "credentials",
          &src->credentials_text },
        { config->config_file, "AWS_CONFIG_FILE", "config", &src->config_text },
    };

    for (size_t i = 0; i < TN_COUNT(files); i++) {
        struct tarn_error local = { 0 };
        int rc = TARN_OK;
        if (!config->ignore_environment || files[i].given)
            rc = read_profile_file(src, files[i].given, files[i].variable, files[i].file,
                                   files[i].text, &local);
        size_t line = 0;
        if (rc < 0)
            return tn_fail(err, rc == TARN_ENOMEM ? rc : TARN_ECONFIG, "%s", local.message);
        rc = tn_profile_read(tn_buf_str(files[i].text), tn_str_from(name),
                             i == 1 ? TN_PROFILE_CONFIG : TN_PROFILE_CREDENTIALS, &src->profile,
                             &line);
        if (rc < 0)
            return tn_fail(err, TARN_ECONFIG,
                           "could not read the %s file: line %zu: expected \"key = value\"",
                           files[i].file, line);
    }
    if (is_named && !src->profile.is_found && strcmp(name, "default") != 0)
        return tn_fail(err, TARN_ECREDENTIALS, "could not find profile \"%s\"", name);
    return TARN_OK;
}

static int find_credentials(const struct sources *src, struct tn_settings *s,
                            struct tarn_error *err)
{
    const struct tn_cred_inputs in = { .config = src->config,
                                       .get = src->get,
                                       .credentials_text = tn_buf_str(&src->credentials_text),
                                       .config_text = tn_buf_str(&src->config_text),
                                       .profile_name = tn_str_from(src->profile_name),
                                       .profile = &src->profile,
                                       .region = tn_str_from(s->region) };
    return tn_cred_choose(&in, &s->credentials, err);
}

static int keep_host(struct tn_settings *s, const struct tn_url *url, struct tarn_error *err)
{
    TN_AUTO_BUF host = TN_BUF_INIT(TN_CONFIG_TEXT_MAX);
    bool is_own_port = url->port == 0 || url->port == (s->is_https ? 443 : 80);
    bool is_ipv6 = url->host_kind == TN_HOST_IPV6;
    int rc = tn_buf_appendf(&host, "%s%.*s%s", is_ipv6 ? "[" : "", TN_STR_ARG(url->host),
                            is_ipv6 ? "]" : "");
    if (rc == TARN_OK && !is_own_port)
        rc = tn_buf_appendf(&host, ":%u", (unsigned)url->port);
    if (rc < 0)
        return tn_fail(err, rc, "could not use the endpoint: %s", tarn_status_text(rc));
    return keep(&s->host, tn_buf_str(&host), "endpoint", err);
}

static int parse_endpoint(struct tn_settings *s, struct tn_str text, struct tarn_error *err)
{
    TN_AUTO_BUF full = TN_BUF_INIT(TN_CONFIG_TEXT_MAX + 16);
    struct tn_url url;
    int rc = TARN_OK;
    if (tn_str_find(text, TN_STR("://")) == SIZE_MAX)
        rc = tn_buf_append_text(&full, "https://");
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&full, text);
    if (rc == TARN_OK)
        rc = tn_url_parse(tn_buf_str(&full), &url);
    if (rc == TARN_ENOMEM)
        return tn_fail(err, rc, "could not use the endpoint: out of memory");
    bool is_http = rc == TARN_OK && tn_str_eq_nocase(url.scheme, TN_STR("http"));
    s->is_https = rc == TARN_OK && tn_str_eq_nocase(url.scheme, TN_STR("https"));
    if ((!is_http && !s->is_https) || url.has_query)
        return tn_fail(err, TARN_ECONFIG,
                       "could not use endpoint \"%.*s\": expected http[s]://host[:port][/path]",
                       TN_STR_ARG(text));
    struct tn_str path = url.path;
    while (path.len > 0 && path.data[path.len - 1] == '/')
        path.len--;
    s->is_aws = tn_str_ends(url.host, TN_STR(".amazonaws.com")) && url.port == 0 && path.len == 0 &&
                tn_str_starts(url.host, TN_STR("s3"));
    rc = keep_host(s, &url, err);
    if (rc == TARN_OK)
        rc = keep(&s->base_path, path, "endpoint", err);
    return rc;
}

static int make_endpoint(const struct sources *src, struct tn_settings *s, struct tarn_error *err)
{
    const struct tn_profile *profile = &src->profile;
    struct tn_str in_profile = pick(profile->endpoint_s3, profile->endpoint, TN_STR_EMPTY);
    struct tn_str text = pick(tn_str_from(src->config->endpoint),
                              from_env(src, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), in_profile);
    bool is_given = text.len > 0;
    char made[TN_CONFIG_TEXT_MAX + 64];
    if (!is_given) {
        bool is_china = tn_str_starts(tn_str_from(s->region), TN_STR("cn-"));
        (void)snprintf(made, sizeof made, "https://%s%s.%s.amazonaws.com%s",
                       s->use_fips ? "s3-fips" : "s3", s->use_dualstack ? ".dualstack" : "",
                       s->region, is_china ? ".cn" : "");
        text = tn_str_from(made);
    }
    int rc = parse_endpoint(s, text, err);
    if (rc < 0)
        return rc;
    if (is_given && !s->is_aws && (s->use_acceleration || s->use_dualstack || s->use_fips))
        return tn_fail(
            err, TARN_ECONFIG,
            "could not use endpoint \"%.*s\": acceleration, dualstack and FIPS are for AWS",
            TN_STR_ARG(text));
    s->is_aws = !is_given || s->is_aws;
    (void)snprintf(made, sizeof made, "%s://%s%s", s->is_https ? "https" : "http", s->host,
                   s->base_path);
    return keep(&s->endpoint, tn_str_from(made), "endpoint", err);
}

static int make_addressing(const struct sources *src, struct tn_settings *s, struct tarn_error *err)
{
    struct tn_str text = src->profile.addressing;
    s->addressing = src->config->addressing;
    if ((unsigned)s->addressing > TARN_ADDRESSING_VIRTUAL)
        return tn_fail(err, TARN_ECONFIG, "could not use addressing style %d: no such style",
                       (int)s->addressing);
    if (s->addressing == TARN_ADDRESSING_AUTO && text.len > 0) {
        if (tn_str_eq_nocase(text, TN_STR("path")))
            s->addressing = TARN_ADDRESSING_PATH;
        else if (tn_str_eq_nocase(text, TN_STR("virtual")))
            s->addressing = TARN_ADDRESSING_VIRTUAL;
        else if (!tn_str_eq_nocase(text, TN_STR("auto")))
            return tn_fail(
                err, TARN_ECONFIG,
                "could not use addressing_style \"%.*s\": expected auto, path or virtual",
                TN_STR_ARG(text));
    }
    if (s->use_acceleration && s->addressing == TARN_ADDRESSING_PATH)
        return tn_fail(err, TARN_ECONFIG, "could not use acceleration with path style addressing");
    return TARN_OK;
}

static int check_number(const char *what, int64_t value, int64_t low, int64_t high,
                        struct tarn_error *err)
{
    if (value >= low && value <= high)
        return TARN_OK;
    return tn_fail(err, TARN_ECONFIG, "could not use %s %lld: expected %lld to %lld", what,
                   (long long)value, (long long)low, (long long)high);
}

static int make_numbers(const struct tarn_config *c, struct tn_settings *s, struct tarn_error *err)
{
    enum { DAY_MS = 24 * 60 * 60 * 1000 };
    const struct {
        const char *what;
        int64_t value, low, high;
    } checks[] = {
        { "connect_timeout_ms", c->connect_timeout_ms, 1, DAY_MS },
        { "idle_timeout_ms", c->idle_timeout_ms, 1, DAY_MS },
        { "retries_max", c->retries_max, 0, TN_RETRIES_LIMIT },
        { "retry_base_ms", c->retry_base_ms, 0, DAY_MS },
        { "retry_cap_ms", c->retry_cap_ms, 0, DAY_MS },
        { "connections_max", c->connections_max, 1, TN_CONNECTIONS_LIMIT },
        { "io_threads", c->io_threads, 0, TN_IO_THREADS_LIMIT },
        { "checksum", (int64_t)c->checksum, TARN_CHECKSUM_DEFAULT, TARN_CHECKSUM_XXHASH128 },
    };
    for (size_t i = 0; i < TN_COUNT(checks); i++) {
        int rc = check_number(checks[i].what, checks[i].value, checks[i].low, checks[i].high, err);
        if (rc < 0)
            return rc;
    }
    if (c->memory_max < TN_MEMORY_MIN)
        return tn_fail(err, TARN_ECONFIG, "could not use memory_max: less than 32 MiB");

    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    s->io_threads = c->io_threads ? c->io_threads : processors >= 8 ? 4 : processors >= 4 ? 2 : 1;
    s->connect_timeout_ms = c->connect_timeout_ms;
    s->idle_timeout_ms = c->idle_timeout_ms;
    s->retries_max = c->retries_max;
    s->retry_base_ms = c->retry_base_ms;
    s->retry_cap_ms = c->retry_cap_ms;
    s->connections_max = c->connections_max;
    s->memory_max = c->memory_max;
    s->checksum = c->checksum;
    return TARN_OK;
}

/* What nobody has chosen is as the AWS tools are told to have it. */
static void choose_checksum(const struct sources *src, struct tn_settings *s)
{
    struct tn_str when = pick(from_env(src, "AWS_REQUEST_CHECKSUM_CALCULATION", NULL),
                              src->profile.checksum_calculation, TN_STR_EMPTY);
    if (s->checksum == TARN_CHECKSUM_DEFAULT)
        s->checksum = tn_str_eq_nocase(when, TN_STR("when_required")) ? TARN_CHECKSUM_NONE
                                                                      : TARN_CHECKSUM_CRC64NVME;
}

static int make_texts(const struct sources *src, struct tn_settings *s, struct tarn_error *err)
{
    const struct tarn_config *c = src->config;
    struct tn_str region =
        pick(tn_str_from(c->region), from_env(src, "AWS_REGION", "AWS_DEFAULT_REGION"),
             src->profile.region);
    struct tn_str ca = pick(tn_str_from(c->ca_bundle), from_env(src, "AWS_CA_BUNDLE", NULL),
                            src->profile.ca_bundle);
    int rc = keep(&s->region, pick(region, TN_STR(DEFAULT_REGION), TN_STR_EMPTY), "region", err);
    if (rc == TARN_OK && strlen(s->region) >= TARN_REGION_LEN_MAX)
        return tn_fail(err, TARN_ECONFIG, "could not use the region: too long");
    if (rc == TARN_OK && ca.len > 0)
        rc = keep(&s->ca_bundle, ca, "CA bundle", err);
    if (rc == TARN_OK && c->proxy)
        rc = keep(&s->proxy, tn_str_from(c->proxy), "proxy", err);
    if (rc == TARN_OK)
        rc = keep(&s->user_agent,
                  c->user_agent ? tn_str_from(c->user_agent) : TN_STR("tarn/" TARN_VERSION),
                  "user agent", err);
    return rc;
}

static int put_together(struct sources *src, struct tn_settings *s, struct tarn_error *err)
{
    const struct tarn_config *c = src->config;
    s->is_requester_pays = c->is_requester_pays;
    s->skip_tls_verify = c->skip_tls_verify;
    s->ignore_environment = c->ignore_environment;
    s->use_acceleration = c->use_acceleration;
    s->use_dualstack = c->use_dualstack;
    s->use_fips = c->use_fips;
    s->breaker = c->breaker;
    s->event_fn = c->event_fn;
    s->event_arg = c->event_arg;
    int rc = make_numbers(c, s, err);
    if (rc == TARN_OK)
        rc = load_profile(src, err);
    if (rc == TARN_OK)
        choose_checksum(src, s);
    if (rc == TARN_OK)
        rc = make_texts(src, s, err);
    if (rc == TARN_OK)
        rc = make_addressing(src, s, err);
    if (rc == TARN_OK)
        rc = make_endpoint(src, s, err);
    if (rc == TARN_OK)
        rc = find_credentials(src, s, err);
    return rc;
}

int tn_settings_make(const struct tarn_config *config, tn_getenv_fn get, struct tn_settings *out,
                     struct tarn_error *err)
{
    struct tn_settings made = { 0 };
    struct sources src = {
        .config = config,
        .get = config->ignore_environment ? no_environment : get,
        .credentials_text = TN_BUF_INIT(TN_PROFILE_FILE_MAX),
        .config_text = TN_BUF_INIT(TN_PROFILE_FILE_MAX),
    };
    int rc = put_together(&src, &made, err);
    tn_wipe(src.credentials_text.data, src.credentials_text.len);
    tn_buf_release(&src.credentials_text);
    tn_buf_release(&src.config_text);
    if (rc < 0) {
        tn_settings_release(&made);
        return rc;
    }
    *out = made;
    return TARN_OK;
}

static bool is_virtual(const struct tn_settings *s, struct tn_str bucket)
{
    if (bucket.len == 0 || s->addressing == TARN_ADDRESSING_PATH)
        return false;
    if (s->addressing == TARN_ADDRESSING_VIRTUAL)
        return true;
    /* A dot in the bucket's name breaks the wildcard of the TLS certificate. */
    bool has_dot = tn_str_find_char(bucket, '.') != SIZE_MAX;
    return s->is_aws && tn_bucket_name_is_valid(bucket) && !(has_dot && s->is_https);
}

static bool can_be_in_host(struct tn_str bucket)
{
    for (size_t i = 0; i < bucket.len; i++) {
        if (!tn_is_unreserved(bucket.data[i]))
            return false;
    }
    return true;
}

static int append_aws_host(const struct tn_settings *s, bool is_accelerated, struct tn_str region,
                           struct tn_buf *host)
{
    const char *tail = tn_str_starts(region, TN_STR("cn-")) ? ".cn" : "";
    const char *stack = s->use_dualstack ? ".dualstack" : "";
    if (is_accelerated)
        return tn_buf_appendf(host, "s3-accelerate%s.amazonaws.com", stack);
    return tn_buf_appendf(host, "%s%s.%.*s.amazonaws.com%s", s->use_fips ? "s3-fips" : "s3", stack,
                          TN_STR_ARG(region), tail);
}

int tn_settings_route(const struct tn_settings *s, struct tn_str bucket, struct tn_str region,
                      struct tn_buf *host, struct tn_buf *path)
{
    bool is_in_host = is_virtual(s, bucket);
    int rc = TARN_OK;
    if (is_in_host && !can_be_in_host(bucket))
        rc = TARN_EINVAL;
    if (rc == TARN_OK && is_in_host) {
        rc = tn_buf_append_str(host, bucket);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(host, '.');
    }
    if (rc == TARN_OK && s->is_aws)
        rc = append_aws_host(s, s->use_acceleration && is_in_host, region, host);
    else if (rc == TARN_OK)
        rc = tn_buf_append_text(host, s->host);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(path, s->base_path);
    if (rc == TARN_OK && bucket.len > 0 && !is_in_host) {
        rc = tn_buf_append_char(path, '/');
        if (rc == TARN_OK)
            rc = tn_uri_encode(path, bucket, 0);
    }
    return rc;
}
