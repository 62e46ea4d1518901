/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request goes: host and path into bucket and key. */

#include "server/api/router.h"

#include "proto/name.h"
#include "proto/uri.h"

/* The bucket before ".domain"; empty when the host is the domain itself or another. */
static struct tn_str bucket_of_host(struct tn_str host, struct tn_str domain)
{
    if (host.len < domain.len + 2)
        return TN_STR_EMPTY;
    size_t at = host.len - domain.len;
    if (host.data[at - 1] != '.' || !tn_str_eq_nocase(tn_str_sub(host, at, domain.len), domain))
        return TN_STR_EMPTY;
    return tn_str_sub(host, 0, at - 1);
}

struct tn_str api_route_virtual_bucket(const struct api *api, struct tn_str host)
{
    struct tn_url url;
    if (tn_url_parse_host(host, &url) < 0 || url.host_kind != TN_HOST_NAME)
        return TN_STR_EMPTY;
    for (size_t i = 0; i < api->domain_count; i++) {
        struct tn_str domain = tn_str_from(api->domains[i]);
        if (tn_str_eq_nocase(url.host, domain))
            return TN_STR_EMPTY;
        struct tn_str bucket = bucket_of_host(url.host, domain);
        if (bucket.len)
            return bucket;
    }
    return TN_STR_EMPTY;
}

enum tn_s3_code api_route_split(struct api_req *r)
{
    struct tn_str path = r->raw_path;
    if (path.len == 0 || path.data[0] != '/')
        return api_err(r, TN_S3_INVALID_URI, "The request target has no path.");
    path = tn_str_sub(path, 1, path.len);
    if (r->virtual_bucket.len) {
        if (tn_arena_lower(&r->http->arena, r->virtual_bucket, &r->bucket) < 0)
            return TN_S3_SERVICE_UNAVAILABLE;
    } else {
        bool is_service = path.len == 0;
        struct tn_str bucket = tn_str_split(&path, '/');
        int rc = tn_uri_decode_in(&r->http->arena, bucket, 0, &r->bucket);
        if (rc < 0)
            return api_uri_code(rc);
        if (!is_service && r->bucket.len == 0)
            return TN_S3_INVALID_BUCKET_NAME;
    }
    return api_uri_code(tn_uri_decode_in(&r->http->arena, path, 0, &r->key));
}
