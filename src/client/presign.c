/* SPDX-License-Identifier: Apache-2.0 */
/* Presigned URLs. */

#include <tarn/presign.h>

#include "base/clock.h"
#include "client/client_impl.h"
#include "proto/name.h"
#include "proto/uri.h"

enum { HEADERS_MAX = 32, EXPIRES_DEFAULT_S = 3600 };

struct making {
    struct tarn_client *client;
    struct tn_buf host;
    struct tn_buf path;
    struct tn_buf query;
    struct tn_buf url;
    struct tn_header headers[HEADERS_MAX + 2];
    size_t header_count;
    char region[TARN_REGION_LEN_MAX];
};

static bool is_method(const char *method)
{
    static const char *const known[] = { "GET", "HEAD", "PUT", "DELETE" };
    for (size_t i = 0; i < TN_COUNT(known); i++) {
        if (strcmp(method, known[i]) == 0)
            return true;
    }
    return false;
}

static int add_query(struct making *m, const char *name, const char *value)
{
    int rc = m->query.len > 0 ? tn_buf_append_char(&m->query, '&') : TARN_OK;
    if (rc == TARN_OK)
        rc = tn_uri_encode(&m->query, tn_str_from(name), 0);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&m->query, '=');
    return rc == TARN_OK ? tn_uri_encode(&m->query, tn_str_from(value), 0) : rc;
}

static void add_header(struct making *m, const char *name, const char *value)
{
    m->headers[m->header_count++] =
        (struct tn_header){ tn_str_from(name), tn_str_trim(tn_str_from(value)) };
}

static int gather(struct making *m, const char *bucket, const char *key,
                  const struct tarn_presign_options *o)
{
    tn_client_region_get(m->client, bucket, m->region);
    int rc = tn_settings_route(&m->client->settings, tn_str_from(bucket), tn_str_from(m->region),
                               &m->host, &m->path);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&m->path, '/');
    if (rc == TARN_OK)
        rc = tn_uri_encode(&m->path, tn_str_from(key), TN_URI_KEEP_SLASH);
    for (size_t i = 0; rc == TARN_OK && i < o->query_count; i++)
        rc = add_query(m, o->query[i].name, o->query[i].value);
    if (rc == TARN_OK && o->version_id)
        rc = add_query(m, "versionId", o->version_id);
    if (rc < 0)
        return rc;
    add_header(m, "Host", m->host.data);
    for (size_t i = 0; i < o->header_count; i++)
        add_header(m, o->headers[i].name, o->headers[i].value);
    if (o->content_type)
        add_header(m, "Content-Type", o->content_type);
    return TARN_OK;
}

static int sign(struct making *m, const struct tarn_credentials *keys, const char *method,
                long expires_s, int64_t now, struct tarn_error *err)
{
    const struct tn_settings *s = &m->client->settings;
    struct tn_sigv4_scratch scratch;
    struct tn_buf signed_query = TN_BUF_INIT(TARN_URL_LEN_MAX);
    struct tn_sigv4_signing signing = {
        .request = { .method = tn_str_from(method),
                     .path = tn_buf_str(&m->path),
                     .query = tn_buf_str(&m->query),
                     .headers = m->headers,
                     .header_count = m->header_count },
        .access_key = tn_str_from(keys->access_key),
        .secret = tn_str_from(keys->secret_key),
        .session_token = tn_str_from(keys->session_token),
        .region = tn_str_from(m->region),
        .now = now,
    };
    tn_sigv4_scratch_init(&scratch);
    int rc = tn_sigv4_presign(&signing, (uint32_t)expires_s, &scratch, &signed_query, err);
    tn_sigv4_scratch_release(&scratch);
    if (rc == TARN_OK) {
        rc = tn_buf_appendf(&m->url, "%s://%s%s?%s", s->is_https ? "https" : "http", m->host.data,
                            m->path.data, signed_query.data);
        if (rc < 0)
            (void)tn_fail(err, rc, "could not presign: %s", tarn_status_text(rc));
    }
    tn_buf_release(&signed_query);
    return rc;
}

static int check(struct tarn_client *client, const char *bucket, const char *key,
                 const struct tarn_presign_options *o, struct tarn_error *err)
{
    if (o->method && !is_method(o->method))
        return tn_fail(err, TARN_EINVAL,
                       "could not presign: method \"%s\" is none of GET, HEAD, "
                       "PUT, DELETE",
                       o->method);
    if (o->expires_s < 0 || o->expires_s > TARN_PRESIGN_SECONDS_MAX)
        return tn_fail(err, TARN_EINVAL,
                       "could not presign: expiry of %ld s is outside 1 to 604,800 s",
                       o->expires_s);
    if (!bucket || !*bucket || strchr(bucket, '/') || tn_key_check(tn_str_from(key)) < 0)
        return tn_fail(err, TARN_EINVAL, "could not presign: bad bucket or key");
    if ((o->header_count > 0 && !o->headers) || (o->query_count > 0 && !o->query))
        return tn_fail(err, TARN_EINVAL, "could not presign: an array is missing");
    if (o->header_count > HEADERS_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not presign: more than %d headers", HEADERS_MAX);
    if (!client->settings.credentials)
        return tn_fail(err, TARN_ECREDENTIALS, "could not presign: the client is anonymous");
    return TARN_OK;
}

int tarn_presign(struct tarn_client *client, const char *bucket, const char *key,
                 const struct tarn_presign_options *options, char url[TARN_URL_LEN_MAX],
                 struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(url), err);
    if (given < 0)
        return given;
    static const struct tarn_presign_options none;
    const struct tarn_presign_options *o = options ? options : &none;
    struct tn_cred *cred = NULL;
    int rc = check(client, bucket, key, o, err);
    if (rc == TARN_OK)
        rc = tn_cred_store_get(&client->credentials, NULL, &cred, err);
    if (rc < 0)
        return rc;
    struct making m = { .client = client,
                        .host = TN_BUF_INIT(TN_HOST_LEN_MAX),
                        .path = TN_BUF_INIT(TARN_URL_LEN_MAX),
                        .query = TN_BUF_INIT(TARN_URL_LEN_MAX),
                        .url = TN_BUF_INIT(TARN_URL_LEN_MAX - 1) };
    rc = gather(&m, bucket, key, o);
    if (rc < 0)
        (void)tn_fail(err, rc, "could not presign: %s", tarn_status_text(rc));
    else
        rc = sign(&m, &cred->value, o->method ? o->method : "GET",
                  o->expires_s ? o->expires_s : EXPIRES_DEFAULT_S,
                  o->now ? o->now
                         : tn_wall_ms() / 1000 + (int64_t)atomic_load(&client->clock_offset_s),
                  err);
    if (rc == TARN_OK)
        memcpy(url, m.url.data, m.url.len + 1);
    tn_cred_unref(cred);
    tn_buf_release(&m.host);
    tn_buf_release(&m.path);
    tn_buf_release(&m.query);
    tn_buf_release(&m.url);
    return rc;
}
