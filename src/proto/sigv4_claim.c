/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4: reading what a request claims, from its Authorization header or its
 * query. */

#include "base/clock.h"
#include "proto/http_date.h"
#include "proto/sigv4.h"
#include "proto/sigv4a.h"
#include "proto/uri.h"

static const struct tn_str algorithm = { "AWS4-HMAC-SHA256", 16 };
static const struct tn_str algorithm_4a = { "AWS4-ECDSA-P256-SHA256", 22 };

/* Decimal digits of the right count, or lower-case hexadecimal ones. */
static bool is_date(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!tn_is_digit(s.data[i]))
            return false;
    }
    return s.len == 8;
}

static bool is_signature(struct tn_str s, bool is_asymmetric)
{
    unsigned others = 0;
    if (s.len > TN_SIGV4A_SIGNATURE_LEN_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        others |=
            (unsigned)((unsigned char)(c - '0') > 9) & (unsigned)((unsigned char)(c - 'a') > 5);
    }
    return !others &&
           (is_asymmetric ? s.len > 0 && s.len % 2 == 0 : s.len == TN_SIGV4_SIGNATURE_LEN);
}

static bool is_region(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return s.len > 0 && s.len <= TN_SIGV4_REGION_LEN_MAX;
}

/* A set of them, with wildcards: "us-east-1,eu-*". */
static bool is_region_set(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && c != '-' && c != '*' && c != ',' && c != ' ')
            return false;
    }
    return s.len > 0 && s.len <= TN_SIGV4_REGION_LEN_MAX;
}

static bool is_access_key(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    }
    return s.len > 0 && s.len <= TN_SIGV4_ACCESS_KEY_LEN_MAX;
}

static bool is_header_name(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c <= ' ' || c > '~' || c == ':' || c == ',' || (c >= 'A' && c <= 'Z'))
            return false;
    }
    return s.len > 0;
}

/* Lower case, strictly ascending: so no name comes twice. */
static bool is_header_list(struct tn_str list)
{
    struct tn_str before = TN_STR_EMPTY;
    size_t count = 0;
    if (list.len == 0 || list.data[list.len - 1] == ';')
        return false;
    while (list.len) {
        struct tn_str name = tn_str_split(&list, ';');
        if (!is_header_name(name) || tn_str_cmp(before, name) >= 0)
            return false;
        if (++count > TN_SIGV4_HEADER_COUNT_MAX)
            return false;
        before = name;
    }
    return true;
}

/* Takes what is behind the last '/' off `s`. */
static struct tn_str split_last(struct tn_str *s)
{
    size_t at = s->len;
    while (at > 0 && s->data[at - 1] != '/')
        at--;
    struct tn_str last = tn_str_sub(*s, at, SIZE_MAX);
    *s = tn_str_sub(*s, 0, at ? at - 1 : 0);
    return last;
}

/* KEY/20130524/us-east-1/s3/aws4_request, from the end, since keys may hold a '/'. */
static bool credential_parse(struct tn_str text, struct tn_sigv4_claim *claim)
{
    struct tn_str rest = text;
    struct tn_str last = split_last(&rest);
    claim->service = split_last(&rest);
    if (!claim->is_asymmetric)
        claim->region = split_last(&rest);
    claim->date = split_last(&rest);
    claim->access_key = rest;
    if (!is_access_key(rest) || !is_date(claim->date) ||
        (!claim->is_asymmetric && !is_region(claim->region)))
        return false;
    claim->scope = tn_str_sub(text, rest.len + 1, SIZE_MAX);
    return tn_str_eq(last, TN_STR("aws4_request"));
}

/* A body that was hashed already is that of a query of IAM or STS. */
static bool is_service(const struct tn_sigv4_request *request, const struct tn_sigv4_claim *claim)
{
    if (request->body_hash.len == 0)
        return tn_str_eq(claim->service, TN_STR("s3"));
    return tn_str_eq(claim->service, TN_STR("iam")) || tn_str_eq(claim->service, TN_STR("sts"));
}

/* ---- The Authorization header ---- */

/* The only header of that name: false when it is there twice; `value` is empty when it is absent.
 */
static bool header_find(const struct tn_sigv4_request *request, struct tn_str name,
                        struct tn_str *value, bool *is_there)
{
    *value = TN_STR_EMPTY;
    *is_there = false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!tn_str_eq_nocase(request->headers[i].name, name))
            continue;
        if (*is_there)
            return false;
        *is_there = true;
        *value = tn_str_trim(request->headers[i].value);
    }
    return true;
}

static bool field_set(struct tn_str *field, struct tn_str value)
{
    if (field->len || value.len == 0)
        return false;
    *field = value;
    return true;
}

/* Credential=..., SignedHeaders=..., Signature=...: in any order, each once, nothing else. */
static bool authorization_parse(struct tn_str text, struct tn_sigv4_claim *claim)
{
    struct tn_str credential = TN_STR_EMPTY;
    claim->signed_headers = TN_STR_EMPTY;
    claim->signature = TN_STR_EMPTY;
    while (text.len) {
        struct tn_str value = tn_str_trim(tn_str_split(&text, ','));
        struct tn_str name = tn_str_split(&value, '=');
        bool ok = false;
        if (tn_str_eq(name, TN_STR("Credential")))
            ok = field_set(&credential, value);
        else if (tn_str_eq(name, TN_STR("SignedHeaders")))
            ok = field_set(&claim->signed_headers, value);
        else if (tn_str_eq(name, TN_STR("Signature")))
            ok = field_set(&claim->signature, value);
        if (!ok)
            return false;
    }
    return credential_parse(credential, claim) && is_header_list(claim->signed_headers) &&
           is_signature(claim->signature, claim->is_asymmetric);
}

/* The day of the scope must be the day of the request. */
static bool is_same_day(const struct tn_sigv4_claim *claim)
{
    return tn_str_eq(claim->date, (struct tn_str){ claim->time_text, 8 });
}

/* Keeps the time as text too: what was sent when that has the form to sign, which is the usual
 * case. */
static void time_text_set(struct tn_sigv4_claim *claim, struct tn_str sent, bool is_basic)
{
    char text[TN_TIME_LEN];
    if (is_basic && sent.len == sizeof claim->time_text - 1)
        memcpy(text, sent.data, sent.len);
    else
        tn_time_basic(claim->time, text);
    memcpy(claim->time_text, text, sizeof claim->time_text - 1);
}

static enum tn_sigv4_problem header_time_parse(const struct tn_sigv4_request *request,
                                               struct tn_sigv4_claim *claim)
{
    struct tn_str text;
    bool is_there;
    if (!header_find(request, TN_STR("x-amz-date"), &text, &is_there))
        return TN_SIGV4_NO_DATE;
    if (!is_there && !header_find(request, TN_STR("date"), &text, &is_there))
        return TN_SIGV4_NO_DATE;
    if (!is_there)
        return TN_SIGV4_NO_DATE;
    bool is_basic = tn_time_parse_basic(text, &claim->time) == TARN_OK;
    if (!is_basic && tn_http_date_parse_mail(text, 0, &claim->time) < 0)
        return TN_SIGV4_NO_DATE;
    if (claim->time < 0)
        return TN_SIGV4_NO_DATE;
    time_text_set(claim, text, is_basic);
    return is_same_day(claim) ? TN_SIGV4_FINE : TN_SIGV4_MALFORMED_HEADER;
}

static enum tn_sigv4_problem header_payload_parse(const struct tn_sigv4_request *request,
                                                  struct tn_sigv4_claim *claim)
{
    bool is_there;
    if (!header_find(request, TN_STR("x-amz-content-sha256"), &claim->payload_hash, &is_there))
        return TN_SIGV4_BAD_CONTENT_SHA256;
    if (request->body_hash.len) {
        if (is_there && !tn_str_eq_nocase(claim->payload_hash, request->body_hash))
            return TN_SIGV4_BAD_CONTENT_SHA256;
        claim->payload_hash = request->body_hash;
        claim->payload = TN_SIGV4_PAYLOAD_HASH;
        return TN_SIGV4_FINE;
    }
    if (!is_there)
        return TN_SIGV4_NO_CONTENT_SHA256;
    return tn_sigv4_payload_parse(claim->payload_hash, &claim->payload) < 0
               ? TN_SIGV4_BAD_CONTENT_SHA256
               : TN_SIGV4_FINE;
}

static enum tn_sigv4_problem header_claim(const struct tn_sigv4_request *request,
                                          struct tn_str authorization, struct tn_sigv4_claim *out)
{
    if (authorization.len > TN_SIGV4_AUTHORIZATION_LEN_MAX)
        return TN_SIGV4_MALFORMED_HEADER;
    struct tn_sigv4_claim claim = { .kind = TN_SIGV4_HEADER };
    struct tn_str named = tn_str_split(&authorization, ' ');
    claim.is_asymmetric = tn_str_eq(named, algorithm_4a);
    if (!claim.is_asymmetric && !tn_str_eq(named, algorithm))
        return TN_SIGV4_OTHER_MECHANISM;
    bool has_set;
    if (claim.is_asymmetric &&
        (!header_find(request, TN_STR("x-amz-region-set"), &claim.region, &has_set) ||
         !is_region_set(claim.region)))
        return TN_SIGV4_MALFORMED_HEADER;
    if (!authorization_parse(authorization, &claim) || !is_service(request, &claim))
        return TN_SIGV4_MALFORMED_HEADER;

    enum tn_sigv4_problem problem = header_time_parse(request, &claim);
    if (problem == TN_SIGV4_FINE)
        problem = header_payload_parse(request, &claim);
    bool is_there;
    if (problem == TN_SIGV4_FINE &&
        !header_find(request, TN_STR("x-amz-security-token"), &claim.session_token, &is_there))
        problem = TN_SIGV4_MALFORMED_HEADER;
    if (problem == TN_SIGV4_FINE)
        *out = claim;
    return problem;
}

/* ---- The query ---- */

enum param {
    PARAM_ALGORITHM,
    PARAM_CREDENTIAL,
    PARAM_DATE,
    PARAM_EXPIRES,
    PARAM_SIGNED_HEADERS,
    PARAM_SIGNATURE,
    PARAM_CONTENT_SHA256, /* those from here on may be absent */
    PARAM_SECURITY_TOKEN,
    PARAM_REGION_SET,
    PARAM_COUNT
};

static const struct tn_str param_names[PARAM_COUNT] = {
    [PARAM_ALGORITHM] = { "X-Amz-Algorithm", 15 },
    [PARAM_CREDENTIAL] = { "X-Amz-Credential", 16 },
    [PARAM_DATE] = { "X-Amz-Date", 10 },
    [PARAM_EXPIRES] = { "X-Amz-Expires", 13 },
    [PARAM_SIGNED_HEADERS] = { "X-Amz-SignedHeaders", 19 },
    [PARAM_SIGNATURE] = { "X-Amz-Signature", 15 },
    [PARAM_CONTENT_SHA256] = { "X-Amz-Content-Sha256", 20 },
    [PARAM_SECURITY_TOKEN] = { "X-Amz-Security-Token", 20 },
    [PARAM_REGION_SET] = { "X-Amz-Region-Set", 16 },
};

struct params {
    struct tn_str values[PARAM_COUNT];
    bool is_there[PARAM_COUNT];
    bool is_twice;
    bool has_v2; /* AWSAccessKeyId: version 2 */
};

/* Room for all of it has been reserved in `words`, so views of earlier values stay. */
static enum tn_sigv4_problem decode(struct tn_buf *words, struct tn_str raw, struct tn_str *out)
{
    size_t start = words->len;
    int rc = tn_uri_decode(words, raw, TN_URI_PLUS_IS_SPACE);
    if (rc < 0)
        return rc == TARN_ENOMEM ? TN_SIGV4_NO_MEMORY : TN_SIGV4_MALFORMED_REQUEST;
    *out = (struct tn_str){ words->data + start, words->len - start };
    return TN_SIGV4_FINE;
}

static enum tn_sigv4_problem param_take(struct params *params, struct tn_str name,
                                        struct tn_str raw_value, struct tn_buf *words)
{
    if (tn_str_eq(name, TN_STR("AWSAccessKeyId")))
        params->has_v2 = true;
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        if (!tn_str_eq(param_names[i], name))
            continue;
        params->is_twice = params->is_twice || params->is_there[i];
        params->is_there[i] = true;
        return decode(words, raw_value, &params->values[i]);
    }
    return TN_SIGV4_FINE;
}

static enum tn_sigv4_problem params_find(struct tn_str query, struct tn_buf *words,
                                         struct params *params)
{
    tn_buf_truncate(words, 0);
    int rc = tn_buf_reserve(words, query.len);
    if (rc < 0)
        return rc == TARN_ENOMEM ? TN_SIGV4_NO_MEMORY : TN_SIGV4_MALFORMED_REQUEST;
    while (query.len) {
        struct tn_str value = tn_str_split(&query, '&');
        struct tn_str name = tn_str_split(&value, '=');
        enum tn_sigv4_problem problem = TN_SIGV4_FINE;
        if (tn_str_find_char(name, '%') != SIZE_MAX)
            problem = decode(words, name, &name);
        if (problem == TN_SIGV4_FINE)
            problem = param_take(params, name, value, words);
        if (problem)
            return problem;
    }
    return TN_SIGV4_FINE;
}

static bool expires_parse(struct tn_str text, uint32_t *out)
{
    uint64_t seconds;
    if (tn_str_to_u64(text, &seconds) < 0 || seconds > TN_SIGV4_EXPIRES_MAX_S)
        return false;
    *out = (uint32_t)seconds;
    return true;
}

/* Says X-Amz-Content-Sha256, or a signed header, how the body is covered? Without either it is not.
 */
static enum tn_sigv4_problem query_payload_parse(const struct tn_sigv4_request *request,
                                                 const struct params *params,
                                                 struct tn_sigv4_claim *claim)
{
    claim->payload_hash = params->values[PARAM_CONTENT_SHA256];
    bool is_there = params->is_there[PARAM_CONTENT_SHA256];
    struct tn_str list = claim->signed_headers;
    while (!is_there && list.len) {
        if (!tn_str_eq(tn_str_split(&list, ';'), TN_STR("x-amz-content-sha256")))
            continue;
        if (!header_find(request, TN_STR("x-amz-content-sha256"), &claim->payload_hash, &is_there))
            return TN_SIGV4_BAD_CONTENT_SHA256;
        break;
    }
    if (!is_there)
        claim->payload_hash = tn_sigv4_payload_text(TN_SIGV4_PAYLOAD_UNSIGNED);
    return tn_sigv4_payload_parse(claim->payload_hash, &claim->payload) < 0
               ? TN_SIGV4_BAD_CONTENT_SHA256
               : TN_SIGV4_FINE;
}

static enum tn_sigv4_problem query_claim(const struct tn_sigv4_request *request,
                                         const struct params *params, struct tn_sigv4_claim *out)
{
    for (size_t i = 0; i <= PARAM_SIGNATURE; i++) {
        if (!params->is_there[i])
            return TN_SIGV4_MALFORMED_QUERY;
    }
    struct tn_sigv4_claim claim = { .kind = TN_SIGV4_PRESIGNED };
    claim.signed_headers = params->values[PARAM_SIGNED_HEADERS];
    claim.signature = params->values[PARAM_SIGNATURE];
    claim.session_token = params->values[PARAM_SECURITY_TOKEN];
    claim.is_asymmetric = tn_str_eq(params->values[PARAM_ALGORITHM], algorithm_4a);
    if (claim.is_asymmetric)
        claim.region = params->values[PARAM_REGION_SET];
    bool ok =
        !params->is_twice &&
        (claim.is_asymmetric ? is_region_set(claim.region)
                             : tn_str_eq(params->values[PARAM_ALGORITHM], algorithm)) &&
        credential_parse(params->values[PARAM_CREDENTIAL], &claim) && is_service(request, &claim) &&
        tn_time_parse_basic(params->values[PARAM_DATE], &claim.time) == TARN_OK &&
        expires_parse(params->values[PARAM_EXPIRES], &claim.expires_s) &&
        is_header_list(claim.signed_headers) && is_signature(claim.signature, claim.is_asymmetric);
    if (!ok)
        return TN_SIGV4_MALFORMED_QUERY;
    time_text_set(&claim, params->values[PARAM_DATE], true);
    if (!is_same_day(&claim))
        return TN_SIGV4_MALFORMED_QUERY;
    enum tn_sigv4_problem problem = query_payload_parse(request, params, &claim);
    if (problem == TN_SIGV4_FINE)
        *out = claim;
    return problem;
}

enum tn_sigv4_problem tn_sigv4_parse(const struct tn_sigv4_request *request,
                                     struct tn_sigv4_scratch *scratch, struct tn_sigv4_claim *out)
{
    struct params params = { 0 };
    enum tn_sigv4_problem problem = params_find(request->query, &scratch->words, &params);
    if (problem)
        return problem;
    bool has_query = params.is_there[PARAM_ALGORITHM] || params.is_there[PARAM_CREDENTIAL] ||
                     params.is_there[PARAM_SIGNATURE];

    struct tn_str authorization;
    bool has_header;
    if (!header_find(request, TN_STR("authorization"), &authorization, &has_header) ||
        (has_header && (has_query || params.has_v2)))
        return TN_SIGV4_TWO_MECHANISMS;
    if (has_header && authorization.len)
        return header_claim(request, authorization, out);
    if (has_query)
        return query_claim(request, &params, out);
    if (params.has_v2)
        return TN_SIGV4_OTHER_MECHANISM;
    *out =
        (struct tn_sigv4_claim){ .kind = TN_SIGV4_ANONYMOUS, .payload = TN_SIGV4_PAYLOAD_UNSIGNED };
    return TN_SIGV4_FINE;
}
