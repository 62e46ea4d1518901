/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 2. */

#include "proto/sigv2.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "proto/http_date.h"
#include "proto/query.h"
#include "proto/uri.h"

/* Parameters that are part of the resource, in order. */
static const struct signed_param {
    const char *name;
    bool is_newer; /* than version 2: most clients do not sign it */
} signed_params[] = {
    { "accelerate", false },
    { "acl", false },
    { "analytics", false },
    { "cors", false },
    { "defaultObjectAcl", false },
    { "delete", false },
    { "encryption", true },
    { "inventory", false },
    { "legal-hold", true },
    { "lifecycle", false },
    { "location", false },
    { "logging", false },
    { "metrics", false },
    { "notification", false },
    { "object-lock", false },
    { "partNumber", false },
    { "policy", false },
    { "replication", false },
    { "requestPayment", false },
    { "response-cache-control", false },
    { "response-content-disposition", false },
    { "response-content-encoding", false },
    { "response-content-language", false },
    { "response-content-type", false },
    { "response-expires", false },
    { "restore", false },
    { "retention", true },
    { "select", false },
    { "select-type", false },
    { "storageClass", false },
    { "tagging", false },
    { "torrent", false },
    { "uploadId", false },
    { "uploads", false },
    { "versionId", false },
    { "versioning", false },
    { "versions", false },
    { "website", false },
};

/* What clients make of a resource differs; each way covers the whole of the request. */
struct reading {
    bool adds_slash;   /* "/bucket" is signed as "/bucket/" */
    bool drops_equals; /* "acl=" is signed as "acl", and newer sub-resources count */
};

/* --- Reading --- */

static struct tn_str header(const struct tn_sigv4_request *request, struct tn_str name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (tn_str_eq_nocase(request->headers[i].name, name))
            return tn_str_trim(request->headers[i].value);
    }
    return TN_STR_EMPTY;
}

static bool has_header(const struct tn_sigv4_request *request, struct tn_str name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (tn_str_eq_nocase(request->headers[i].name, name))
            return true;
    }
    return false;
}

/* The first value of a parameter, still encoded; false when it is not there. */
static bool raw_param(struct tn_str query, struct tn_str name, struct tn_str *out)
{
    struct tn_param param;
    while (tn_query_next(&query, &param)) {
        if (!tn_str_eq(param.name, name))
            continue;
        *out = param.value;
        return true;
    }
    return false;
}

bool tn_sigv2_is(const struct tn_sigv4_request *request)
{
    struct tn_str unused;
    return tn_str_starts(header(request, TN_STR("authorization")), TN_STR("AWS ")) ||
           raw_param(request->query, TN_STR("AWSAccessKeyId"), &unused);
}

static bool is_text(struct tn_str s, size_t len_max)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    }
    return s.len > 0 && s.len <= len_max;
}

static bool claim_is_fine(const struct tn_sigv2_claim *claim)
{
    return is_text(claim->access_key, TN_SIGV4_ACCESS_KEY_LEN_MAX) &&
           claim->signature.len == TN_SIGV2_SIGNATURE_LEN;
}

static bool parse_date(struct tn_str text, int64_t *out)
{
    return tn_http_date_parse_mail(text, 0, out) == TARN_OK ||
           tn_time_parse_basic(text, out) == TARN_OK;
}

/* "AWS KEY:SIGNATURE" and a date. */
static enum tn_sigv2_problem parse_header(const struct tn_sigv4_request *request,
                                          struct tn_sigv2_claim *out)
{
    struct tn_sigv2_claim claim = { .is_query = false };
    struct tn_str text = header(request, TN_STR("authorization"));
    struct tn_str date = header(request, TN_STR("x-amz-date"));
    claim.signature = tn_str_trim(tn_str_sub(text, 4, SIZE_MAX));
    claim.access_key = tn_str_split(&claim.signature, ':');
    claim.session_token = header(request, TN_STR("x-amz-security-token"));
    claim.expires_text = TN_STR_EMPTY;
    if (!claim_is_fine(&claim))
        return TN_SIGV2_MALFORMED;
    if (!has_header(request, TN_STR("x-amz-date"))) /* an empty one is no date either */
        date = header(request, TN_STR("date"));
    if (!parse_date(date, &claim.time))
        return TN_SIGV2_NO_DATE;
    *out = claim;
    return TN_SIGV2_FINE;
}

/* Room for the whole query is reserved in `words`, so earlier views stay. */
static bool decode_param(struct tn_str query, struct tn_str name, struct tn_buf *words,
                         struct tn_str *out)
{
    struct tn_str raw;
    size_t start = words->len;
    if (!raw_param(query, name, &raw))
        return false;
    if (tn_uri_decode(words, raw, TN_URI_PLUS_IS_SPACE) < 0)
        return false;
    *out = (struct tn_str){ words->data + start, words->len - start };
    return true;
}

static enum tn_sigv2_problem parse_query(const struct tn_sigv4_request *request,
                                         struct tn_sigv4_scratch *scratch,
                                         struct tn_sigv2_claim *out)
{
    uint64_t expires;
    struct tn_buf *words = &scratch->words;
    struct tn_sigv2_claim claim = { .is_query = true, .session_token = TN_STR_EMPTY };
    tn_buf_truncate(words, 0);
    if (tn_buf_reserve(words, request->query.len) < 0)
        return TN_SIGV2_NO_MEMORY;
    if (header(request, TN_STR("authorization")).len)
        return TN_SIGV2_MALFORMED;
    if (!decode_param(request->query, TN_STR("AWSAccessKeyId"), words, &claim.access_key) ||
        !decode_param(request->query, TN_STR("Expires"), words, &claim.expires_text) ||
        !decode_param(request->query, TN_STR("Signature"), words, &claim.signature))
        return TN_SIGV2_MALFORMED;
    /* A plus that was not encoded became a blank; base64 has none. */
    for (size_t i = 0; i < claim.signature.len; i++) {
        char *c = words->data + (claim.signature.data - words->data) + i;
        if (*c == ' ')
            *c = '+';
    }
    (void)decode_param(request->query, TN_STR("x-amz-security-token"), words, &claim.session_token);
    if (!claim_is_fine(&claim) || tn_str_to_u64(claim.expires_text, &expires) < 0 ||
        expires > INT64_MAX)
        return TN_SIGV2_MALFORMED;
    claim.time = (int64_t)expires;
    *out = claim;
    return TN_SIGV2_FINE;
}

enum tn_sigv2_problem tn_sigv2_parse(const struct tn_sigv4_request *request,
                                     struct tn_sigv4_scratch *scratch, struct tn_sigv2_claim *out)
{
    struct tn_str unused;
    if (raw_param(request->query, TN_STR("AWSAccessKeyId"), &unused))
        return parse_query(request, scratch, out);
    return parse_header(request, out);
}

enum tn_sigv2_problem tn_sigv2_check_time(const struct tn_sigv2_claim *claim, int64_t now)
{
    if (claim->is_query)
        return claim->time < now ? TN_SIGV2_EXPIRED : TN_SIGV2_FINE;
    bool is_near =
        claim->time >= now - TN_SIGV4_SKEW_MAX_S && claim->time <= now + TN_SIGV4_SKEW_MAX_S;
    return is_near ? TN_SIGV2_FINE : TN_SIGV2_SKEWED;
}

/* --- The text that is signed --- */

struct field {
    struct tn_str name;
    struct tn_str value;
    bool is_encoded;
};

static bool is_amz(struct tn_str name)
{
    return name.len > 6 && tn_str_eq_nocase(tn_str_sub(name, 0, 6), TN_STR("x-amz-"));
}

static int compare_names(struct tn_str a, struct tn_str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int order = (unsigned char)tn_to_lower(a.data[i]) - (unsigned char)tn_to_lower(b.data[i]);
        if (order)
            return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* Sorted by name; those of one name stay in the order in which they came. */
static bool insert(struct field *fields, size_t *count, struct field made)
{
    size_t at = *count;
    if (*count == TN_SIGV2_FIELD_COUNT_MAX)
        return false;
    while (at > 0 && compare_names(fields[at - 1].name, made.name) > 0) {
        fields[at] = fields[at - 1];
        at--;
    }
    fields[at] = made;
    (*count)++;
    return true;
}

static bool collect_amz(const struct tn_sigv4_request *request, bool is_query, struct field *fields,
                        size_t *count)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct tn_header *h = &request->headers[i];
        struct field made = { h->name, tn_str_trim(h->value), false };
        if (is_amz(h->name) && !insert(fields, count, made))
            return false;
    }
    struct tn_str rest = is_query ? request->query : TN_STR_EMPTY;
    struct tn_param param;
    while (tn_query_next(&rest, &param)) {
        struct field made = { param.name, param.value, true };
        if (is_amz(param.name) && !insert(fields, count, made))
            return false;
    }
    return true;
}

static int append_value(struct tn_buf *out, const struct field *f)
{
    return f->is_encoded ? tn_uri_decode(out, f->value, TN_URI_PLUS_IS_SPACE)
                         : tn_buf_append_str(out, f->value);
}

/* "x-amz-a:1,2\n" for each name. */
static int append_amz(const struct tn_sigv4_request *request, bool is_query, struct tn_buf *out)
{
    struct field fields[TN_SIGV2_FIELD_COUNT_MAX];
    size_t count = 0;
    int rc = TARN_OK;
    if (!collect_amz(request, is_query, fields, &count))
        return TARN_ETOOBIG;
    for (size_t i = 0; rc == TARN_OK && i < count; i++) {
        bool is_more = i > 0 && compare_names(fields[i - 1].name, fields[i].name) == 0;
        if (is_more)
            rc = tn_buf_append_char(out, ',');
        for (size_t k = 0; rc == TARN_OK && !is_more && k < fields[i].name.len; k++)
            rc = tn_buf_append_char(out, tn_to_lower(fields[i].name.data[k]));
        if (rc == TARN_OK && !is_more)
            rc = tn_buf_append_char(out, ':');
        if (rc == TARN_OK)
            rc = append_value(out, &fields[i]);
        bool is_last = i + 1 == count || compare_names(fields[i].name, fields[i + 1].name) != 0;
        if (rc == TARN_OK && is_last)
            rc = tn_buf_append_char(out, '\n');
    }
    return rc;
}

/* "/bucket/key?acl&versionId=1" */
static int append_resource(const struct tn_sigv4_request *request, struct tn_str bucket,
                           const struct reading *reading, struct tn_buf *out)
{
    char separator = '?';
    int rc = TARN_OK;
    if (bucket.len) {
        rc = tn_buf_append_char(out, '/');
        if (rc == TARN_OK)
            rc = tn_buf_append_str(out, bucket);
    }
    if (rc == TARN_OK)
        rc = tn_buf_append_str(out, request->path);
    if (rc == TARN_OK && reading->adds_slash)
        rc = tn_buf_append_char(out, '/');
    for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(signed_params); i++) {
        if (signed_params[i].is_newer && !reading->drops_equals)
            continue;
        struct tn_str rest = request->query;
        struct tn_param param;
        while (rc == TARN_OK && tn_query_next(&rest, &param)) {
            if (!tn_str_eq(param.name, tn_str_from(signed_params[i].name)))
                continue;
            rc = tn_buf_append_char(out, separator);
            separator = '&';
            if (rc == TARN_OK)
                rc = tn_buf_append_str(out, param.name);
            if (rc == TARN_OK && (param.value.len || (param.has_value && !reading->drops_equals)))
                rc = tn_buf_append_char(out, '=');
            if (rc == TARN_OK)
                rc = tn_uri_decode(out, param.value, TN_URI_PLUS_IS_SPACE);
        }
    }
    return rc;
}

/* A header's value, or the parameter's of that name in a query. */
static int append_line(const struct tn_sigv4_request *request, const struct tn_sigv2_claim *claim,
                       struct tn_str name, struct tn_buf *out)
{
    struct tn_str raw;
    int rc;
    if (claim->is_query && raw_param(request->query, name, &raw))
        rc = tn_uri_decode(out, raw, TN_URI_PLUS_IS_SPACE);
    else
        rc = tn_buf_append_str(out, header(request, name));
    return rc == TARN_OK ? tn_buf_append_char(out, '\n') : rc;
}

static int build(const struct tn_sigv4_request *request, struct tn_str bucket,
                 const struct tn_sigv2_claim *claim, const struct reading *reading,
                 struct tn_buf *out)
{
    bool has_amz_date = header(request, TN_STR("x-amz-date")).len != 0;
    tn_buf_truncate(out, 0);
    int rc = tn_buf_append_str(out, request->method);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(out, '\n');
    if (rc == TARN_OK)
        rc = append_line(request, claim, TN_STR("content-md5"), out);
    if (rc == TARN_OK)
        rc = append_line(request, claim, TN_STR("content-type"), out);
    if (rc == TARN_OK && claim->is_query)
        rc = tn_buf_append_str(out, claim->expires_text);
    else if (rc == TARN_OK && !has_amz_date)
        rc = tn_buf_append_str(out, header(request, TN_STR("date")));
    if (rc == TARN_OK)
        rc = tn_buf_append_char(out, '\n');
    if (rc == TARN_OK)
        rc = append_amz(request, claim->is_query, out);
    return rc == TARN_OK ? append_resource(request, bucket, reading, out) : rc;
}

void tn_sigv2_sign_text(struct tn_str secret, struct tn_str text,
                        char out[TN_SIGV2_SIGNATURE_LEN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
    unsigned len = 0;
    (void)HMAC(EVP_sha1(), secret.data, (int)secret.len, (const unsigned char *)text.data, text.len,
               digest, &len);
    tn_base64_encode(digest, TN_SHA1_LEN, out);
}

static enum tn_sigv2_problem compare(const struct tn_sigv2_claim *claim, struct tn_str secret,
                                     const struct tn_buf *text)
{
    char signature[TN_SIGV2_SIGNATURE_LEN + 1];
    tn_sigv2_sign_text(secret, tn_buf_str(text), signature);
    bool is_same = tn_str_eq_secret(claim->signature, tn_str_from(signature));
    tn_wipe(signature, sizeof signature);
    return is_same ? TN_SIGV2_FINE : TN_SIGV2_MISMATCH;
}

enum tn_sigv2_problem tn_sigv2_verify(const struct tn_sigv4_request *request, struct tn_str bucket,
                                      const struct tn_sigv2_claim *claim, struct tn_str secret,
                                      struct tn_sigv4_scratch *scratch)
{
    static const struct reading readings[] = {
        { false, false }, { true, false }, { false, true }, { true, true }
    };
    struct tn_buf *text = &scratch->canonical;
    bool is_bare = request->path.len > 1 &&
                   tn_str_find_char(tn_str_sub(request->path, 1, SIZE_MAX), '/') == SIZE_MAX;
    enum tn_sigv2_problem problem = TN_SIGV2_MISMATCH;
    for (size_t i = 0; problem == TN_SIGV2_MISMATCH && i < TN_COUNT(readings); i++) {
        if (readings[i].adds_slash && !is_bare)
            continue;
        int rc = build(request, bucket, claim, &readings[i], text);
        if (rc == TARN_ENOMEM)
            return TN_SIGV2_NO_MEMORY;
        problem = rc < 0 ? TN_SIGV2_MALFORMED : compare(claim, secret, text);
    }
    return problem;
}
