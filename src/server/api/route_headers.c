/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that would change the meaning of an operation. */

#include "server/api/router.h"

#include "proto/name.h"
#include "server/api/authorise.h"

/* Headers that ask for what is not here. `fine` lists the values that ask for nothing, "a|b". */
static const struct {
    const char *name;
    bool is_prefix;
    const char *fine;
    const char *op; /* that understands it; NULL: none does */
} foreign_headers[] = {
    { "x-amz-bucket-namespace", false, "global", NULL },
    { "x-amz-create-session-mode", false, "", NULL },
    { "x-amz-fwd-", true, "", NULL },
    { "x-amz-if-match-initiated-time", false, "", NULL },
    { "x-amz-object-lock-event-hold", true, "", NULL },
    { "x-amz-optional-object-attributes", false, "RestoreStatus", NULL },
    { "x-amz-rename-", true, "", "RenameObject" },
    { "x-amz-request-route", false, "", NULL },
    { "x-amz-transition-default-minimum-object-size", false,
      "all_storage_classes_128K|varies_by_storage_class", NULL },
    { "x-amz-write-offset-bytes", false, "", "AppendObject" },
};

static bool header_fits(struct tn_str name, struct tn_str wanted, bool is_prefix)
{
    if (is_prefix && name.len > wanted.len)
        name.len = wanted.len;
    return tn_str_eq_nocase(name, wanted);
}

static bool is_fine_value(struct tn_str value, const char *fine)
{
    struct tn_str rest = tn_str_from(fine);
    while (rest.len) {
        if (tn_str_eq(tn_str_split(&rest, '|'), value))
            return true;
    }
    return false;
}

static enum tn_s3_code check_header(struct api_req *r, const struct tn_header *h)
{
    const size_t at = sizeof "x-amz-" - 1; /* where names begin to differ */
    if (h->name.len <= at)
        return TN_S3_OK;
    for (size_t i = 0; i < TN_COUNT(foreign_headers); i++) {
        if (foreign_headers[i].name[at] != tn_to_lower(h->name.data[at]))
            continue;
        struct tn_str wanted = tn_str_from(foreign_headers[i].name);
        if (!header_fits(h->name, wanted, foreign_headers[i].is_prefix))
            continue;
        const char *op = foreign_headers[i].op;
        if (is_fine_value(h->value, foreign_headers[i].fine) ||
            (op && strcmp(op, r->op->name) == 0))
            return TN_S3_OK;
        return api_err(r, TN_S3_NOT_IMPLEMENTED,
                       "The header \"%.*s\" implies functionality that is not implemented.",
                       TN_STR_ARG(h->name));
    }
    return TN_S3_OK;
}

/* Two values of one header: which one counts would be a guess. Metadata may come twice (object.c).
 */
static enum tn_s3_code check_repeated(struct api_req *r, size_t at)
{
    const struct tn_header *h = &r->headers[at];
    struct tn_str meta = TN_STR("x-amz-meta-");
    if (tn_str_eq_nocase(tn_str_sub(h->name, 0, meta.len), meta))
        return TN_S3_OK;
    for (size_t i = 0; i < at; i++) {
        if (tn_str_eq_nocase(r->headers[i].name, h->name) &&
            !tn_str_eq(r->headers[i].value, h->value))
            return api_err(r, TN_S3_INVALID_REQUEST, "The header \"%.*s\" has two values.",
                           TN_STR_ARG(h->name));
    }
    return TN_S3_OK;
}

static bool is_owner(const struct api_req *r, struct tn_str owner,
                     const struct bucket_config *config)
{
    const struct auth_account *account =
        config ? api_bucket_owner(r, config) : auth_account_at(r->api->auth, 0);
    return tn_str_eq(owner, account->number) || tn_str_eq(owner, account->canonical_id);
}

static enum tn_s3_code check_owner(struct api_req *r)
{
    struct tn_str owner = api_header(r, "x-amz-expected-bucket-owner");
    return owner.len && !is_owner(r, owner, r->config) ? TN_S3_ACCESS_DENIED : TN_S3_OK;
}

/* A source that is malformed, or of a bucket that is not there, is the operation's to refuse. */
static enum tn_s3_code check_source_owner(struct api_req *r)
{
    struct tn_copy_source source;
    struct bucket_config *config = NULL;
    struct tn_str owner = api_header(r, "x-amz-source-expected-bucket-owner");
    if (owner.len == 0)
        return TN_S3_OK;
    int rc = tn_copy_source_parse(&r->http->arena, api_header(r, "x-amz-copy-source"), &source);
    if (rc == TARN_OK)
        rc = bucket_configs_get(r->api->configs, source.bucket, &config);
    if (rc < 0)
        return rc == TARN_ENOMEM ? TN_S3_SERVICE_UNAVAILABLE : TN_S3_OK;
    bool is_fine = is_owner(r, owner, config);
    bucket_config_unref(config);
    return is_fine ? TN_S3_OK : TN_S3_ACCESS_DENIED;
}

enum tn_s3_code api_route_headers(struct api_req *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        struct tn_str name = r->headers[i].name;
        if (name.len < 6 || !tn_str_eq_nocase(tn_str_sub(name, 0, 6), TN_STR("x-amz-")))
            continue;
        enum tn_s3_code code = check_header(r, &r->headers[i]);
        if (code == TN_S3_OK)
            code = check_repeated(r, i);
        if (code)
            return code;
    }
    if (r->op->body == API_BODY_OBJECT && api_has_header(r, "content-range"))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "Content-Range is not implemented for uploads.");
    enum tn_s3_code code = check_owner(r);
    return code ? code : check_source_owner(r);
}
