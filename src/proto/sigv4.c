/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4: the canonical request, the keys, signing, checking, and the chain of
 * chunks.
 *
 * Room for a whole canonical request is reserved before it is written, so the writers (`put_...`)
 * check nothing and the hot path has one bounds check. Their upper bounds: three bytes for each of
 * path and query, every header once. */

#include "proto/sigv4.h"
#include "proto/sigv4a.h"

#include <assert.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/fail.h"
#include "base/hash.h"

enum {
    KEEP_SLASH = 1u << 0,
    PLUS_IS_SPACE = 1u << 1,
    TIME_LEN = 16,                                    /* 20130524T000000Z */
    SCOPE_LEN_MAX = 8 + TN_SIGV4_REGION_LEN_MAX + 48, /* date, region, service, aws4_request */
    SIGN_TEXT_LEN_MAX = 32 + TIME_LEN + SCOPE_LEN_MAX + 3 * (TN_SIGV4_SIGNATURE_LEN + 1),
};

static const char empty_sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const struct tn_str payload_texts[] = {
    [TN_SIGV4_PAYLOAD_HASH] = { "", 0 },
    [TN_SIGV4_PAYLOAD_UNSIGNED] = { "UNSIGNED-PAYLOAD", 16 },
    [TN_SIGV4_PAYLOAD_STREAM_SIGNED] = { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 34 },
    [TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER] = { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", 42 },
    [TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER] = { "STREAMING-UNSIGNED-PAYLOAD-TRAILER", 34 },
};

static const char *const problem_texts[TN_SIGV4_PROBLEM_COUNT] = {
    [TN_SIGV4_FINE] = "The signature is fine.",
    [TN_SIGV4_NO_MEMORY] = "We encountered an internal error. Please try again.",
    [TN_SIGV4_MALFORMED_HEADER] = "The authorization header is malformed.",
    [TN_SIGV4_MALFORMED_QUERY] = "The authorization query parameters are malformed.",
    [TN_SIGV4_OTHER_MECHANISM] = "The authorization mechanism you have provided is not supported. "
                                 "Please use AWS4-HMAC-SHA256.",
    [TN_SIGV4_TWO_MECHANISMS] =
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the "
        "Authorization header should be specified",
    [TN_SIGV4_NO_DATE] = "AWS authentication requires a valid Date or x-amz-date header",
    [TN_SIGV4_NO_CONTENT_SHA256] = "Missing required header for this request: x-amz-content-sha256",
    [TN_SIGV4_BAD_CONTENT_SHA256] =
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
        "sha256 value.",
    [TN_SIGV4_UNSIGNED_HEADERS] = "There were headers present in the request which were not signed",
    [TN_SIGV4_SKEWED] =
        "The difference between the request time and the current time is too large.",
    [TN_SIGV4_EXPIRED] = "Request has expired",
    [TN_SIGV4_NOT_YET] = "Request is not valid yet",
    [TN_SIGV4_MISMATCH] =
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    [TN_SIGV4_MALFORMED_REQUEST] = "Couldn't parse the specified URI.",
};

/* Never signed: proxies change or drop them, or the signature is in them. */
static const struct tn_str unsignable[] = {
    { "accept-encoding", 15 },
    { "authorization", 13 },
    { "connection", 10 },
    { "expect", 6 },
    { "keep-alive", 10 },
    { "proxy-authorization", 19 },
    { "te", 2 },
    { "trailer", 7 },
    { "transfer-encoding", 17 },
    { "upgrade", 7 },
    { "user-agent", 10 },
    { "x-amzn-trace-id", 15 },
};

const char *tn_sigv4_problem_text(enum tn_sigv4_problem problem)
{
    return problem_texts[problem];
}

struct tn_str tn_sigv4_payload_text(enum tn_sigv4_payload payload)
{
    return payload_texts[payload];
}

int tn_sigv4_payload_parse(struct tn_str text, enum tn_sigv4_payload *out)
{
    unsigned char digest[TN_SHA256_LEN];
    struct tn_str asymmetric = TN_STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
    if (tn_str_starts(text, asymmetric)) {
        struct tn_str rest = tn_str_sub(text, asymmetric.len, SIZE_MAX);
        bool has_trailer = tn_str_eq(rest, TN_STR("-TRAILER"));
        if (rest.len && !has_trailer)
            return TARN_EINVAL;
        *out =
            has_trailer ? TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER : TN_SIGV4_PAYLOAD_STREAM_SIGNED;
        return TARN_OK;
    }
    if (text.len == TN_SIGV4_SIGNATURE_LEN && tn_hex_decode(text, digest) == TARN_OK) {
        *out = TN_SIGV4_PAYLOAD_HASH;
        return TARN_OK;
    }
    for (size_t i = TN_SIGV4_PAYLOAD_UNSIGNED; i < TN_COUNT(payload_texts); i++) {
        if (tn_str_eq(payload_texts[i], text)) {
            *out = (enum tn_sigv4_payload)i;
            return TARN_OK;
        }
    }
    return TARN_EINVAL;
}

void tn_sigv4_scratch_init(struct tn_sigv4_scratch *s)
{
    tn_buf_init(&s->canonical, TN_SIGV4_CANONICAL_LEN_MAX);
    tn_buf_init(&s->query, TN_SIGV4_CANONICAL_LEN_MAX);
    tn_buf_init(&s->words, TN_SIGV4_CANONICAL_LEN_MAX);
}

void tn_sigv4_scratch_release(struct tn_sigv4_scratch *s)
{
    tn_buf_release(&s->canonical);
    tn_buf_release(&s->query);
    tn_buf_release(&s->words);
}

/* ---- Writers ---- */

static char *put_str(char *at, struct tn_str s)
{
    if (s.len)
        memcpy(at, s.data, s.len);
    return at + s.len;
}

static char *put_line(char *at, struct tn_str s)
{
    at = put_str(at, s);
    *at++ = '\n';
    return at;
}

static char *put_encoded_byte(char *at, unsigned char c, unsigned flags)
{
    static const char digits[] = "0123456789ABCDEF";
    if (tn_is_unreserved((char)c) || (c == '/' && (flags & KEEP_SLASH))) {
        *at++ = (char)c;
        return at;
    }
    *at++ = '%';
    *at++ = digits[c >> 4];
    *at++ = digits[c & 15];
    return at;
}

/* Decodes `raw` and encodes it in S3's way; NULL for bad percent-encoding. At most 3 * raw.len
 * bytes. */
static char *put_recoded(char *at, struct tn_str raw, unsigned flags)
{
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.data[i];
        if (c == '%') {
            if (raw.len - i < 3 || tn_hex_decode(tn_str_sub(raw, i + 1, 2), &c) < 0)
                return NULL;
            i += 2;
        } else if (c == '+' && (flags & PLUS_IS_SPACE)) {
            c = ' ';
        }
        at = put_encoded_byte(at, c, flags);
    }
    return at;
}

/* A header value without blanks at its ends, runs of blanks inside as one space. */
static char *put_header_value(char *at, struct tn_str value)
{
    value = tn_str_trim(value);
    if (tn_str_find_char(value, ' ') == SIZE_MAX && tn_str_find_char(value, '\t') == SIZE_MAX)
        return put_str(at, value);
    bool was_blank = false;
    for (size_t i = 0; i < value.len; i++) {
        bool is_blank = value.data[i] == ' ' || value.data[i] == '\t';
        if (!is_blank)
            *at++ = value.data[i];
        else if (!was_blank)
            *at++ = ' ';
        was_blank = is_blank;
    }
    return at;
}

static char *put_header(char *at, const struct tn_sigv4_request *request, struct tn_str name)
{
    at = put_str(at, name);
    *at++ = ':';
    bool is_first = true;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!tn_str_eq_nocase(request->headers[i].name, name))
            continue;
        if (!is_first)
            *at++ = ',';
        at = put_header_value(at, request->headers[i].value);
        is_first = false;
    }
    *at++ = '\n';
    return at;
}

static char *put_headers(char *at, const struct tn_sigv4_request *request, struct tn_str names)
{
    while (names.len)
        at = put_header(at, request, tn_str_split(&names, ';'));
    return at;
}

/* ---- The query ---- */

struct piece {
    struct tn_str name;
    struct tn_str value;
};

static int piece_cmp(const struct piece *a, const struct piece *b)
{
    int order = tn_str_cmp(a->name, b->name);
    return order ? order : tn_str_cmp(a->value, b->value);
}

static void piece_insert(struct piece *pieces, size_t count, const struct piece *added)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (piece_cmp(&pieces[middle], added) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&pieces[low + 1], &pieces[low], (count - low) * sizeof *pieces);
    pieces[low] = *added;
}

/* Encodes one "name=value" to `at`; NULL for bad percent-encoding. */
static char *piece_encode(char *at, struct tn_str raw, struct piece *out)
{
    struct tn_str name = tn_str_split(&raw, '=');
    char *value = put_recoded(at, name, PLUS_IS_SPACE);
    char *end = value ? put_recoded(value, raw, PLUS_IS_SPACE) : NULL;
    if (!end)
        return NULL;
    *out = (struct piece){ { at, (size_t)(value - at) }, { value, (size_t)(end - value) } };
    return end;
}

static enum tn_sigv4_problem problem_from(int rc)
{
    if (rc == TARN_OK)
        return TN_SIGV4_FINE;
    return rc == TARN_ENOMEM ? TN_SIGV4_NO_MEMORY : TN_SIGV4_MALFORMED_REQUEST;
}

/* The pieces in canonical order, without X-Amz-Signature; their bytes are in `encoded`. */
static enum tn_sigv4_problem query_sort(struct tn_str query, struct tn_buf *encoded,
                                        struct piece pieces[TN_SIGV4_QUERY_COUNT_MAX],
                                        size_t *count)
{
    tn_buf_truncate(encoded, 0);
    int rc = tn_buf_reserve(encoded, 3 * query.len);
    if (rc < 0)
        return problem_from(rc);

    char *at = encoded->data;
    *count = 0;
    while (query.len) {
        struct tn_str raw = tn_str_split(&query, '&');
        if (raw.len == 0)
            continue;
        struct piece piece;
        at = piece_encode(at, raw, &piece);
        if (!at)
            return TN_SIGV4_MALFORMED_REQUEST;
        if (tn_str_eq(piece.name, TN_STR("X-Amz-Signature")))
            continue;
        if (*count == TN_SIGV4_QUERY_COUNT_MAX)
            return TN_SIGV4_MALFORMED_REQUEST;
        piece_insert(pieces, (*count)++, &piece);
    }
    return TN_SIGV4_FINE;
}

static char *put_query(char *at, const struct piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            *at++ = '&';
        at = put_str(at, pieces[i].name);
        *at++ = '=';
        at = put_str(at, pieces[i].value);
    }
    *at++ = '\n';
    return at;
}

/* ---- The canonical request and what is signed ---- */

/* The parts beside the request itself. */
struct shape {
    struct tn_str signed_headers; /* "host;x-amz-date": lower case, ascending */
    struct tn_str payload_hash;
    bool is_path_raw; /* take the path as it was sent */
};

static size_t canonical_len_bound(const struct tn_sigv4_request *request, const struct shape *shape)
{
    size_t len = request->method.len + 3 * request->path.len + 4 * request->query.len +
                 3 * shape->signed_headers.len + shape->payload_hash.len + 16;
    for (size_t i = 0; i < request->header_count; i++)
        len += request->headers[i].value.len + 1;
    return len;
}

static char *put_path(char *at, struct tn_str path, bool is_raw)
{
    if (path.len == 0)
        path = TN_STR("/");
    return is_raw ? put_str(at, path) : put_recoded(at, path, KEEP_SLASH);
}

static enum tn_sigv4_problem canonicalise(const struct tn_sigv4_request *request,
                                          const struct shape *shape,
                                          struct tn_sigv4_scratch *scratch)
{
    struct piece pieces[TN_SIGV4_QUERY_COUNT_MAX];
    size_t count;
    enum tn_sigv4_problem problem = query_sort(request->query, &scratch->query, pieces, &count);
    if (problem)
        return problem;

    struct tn_buf *out = &scratch->canonical;
    size_t bound = canonical_len_bound(request, shape);
    tn_buf_truncate(out, 0);
    int rc = tn_buf_reserve(out, bound);
    if (rc < 0)
        return problem_from(rc);

    char *at = put_line(out->data, request->method);
    at = put_path(at, request->path, shape->is_path_raw);
    if (!at)
        return TN_SIGV4_MALFORMED_REQUEST;
    *at++ = '\n';
    at = put_query(at, pieces, count);
    at = put_line(put_headers(at, request, shape->signed_headers), TN_STR_EMPTY);
    at = put_str(put_line(at, shape->signed_headers), shape->payload_hash);
    out->len = (size_t)(at - out->data);
    assert(out->len <= bound);
    *at = '\0';
    return TN_SIGV4_FINE;
}

/* `what` is "AWS4-HMAC-SHA256" and so on; each further line is one of `lines`. */
static void sign_lines(const unsigned char key[TN_SIGV4_KEY_LEN], const struct tn_str *lines,
                       size_t count, char signature[TN_SIGV4_SIGNATURE_LEN + 1])
{
    char text[SIGN_TEXT_LEN_MAX];
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        assert(lines[i].len < (size_t)(text + sizeof text - at));
        at = put_line(at, lines[i]);
    }
    unsigned char mac[TN_SHA256_LEN];
    tn_hmac_sha256(key, TN_SIGV4_KEY_LEN, text, (size_t)(at - text) - 1, mac);
    tn_hex_encode(mac, sizeof mac, signature);
}

static void sign_canonical(struct tn_str canonical, struct tn_str time, struct tn_str scope,
                           const unsigned char key[TN_SIGV4_KEY_LEN],
                           char signature[TN_SIGV4_SIGNATURE_LEN + 1])
{
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    tn_sha256(canonical.data, canonical.len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    const struct tn_str lines[] = { TN_STR("AWS4-HMAC-SHA256"), time, scope, tn_str_from(hex) };
    sign_lines(key, lines, TN_COUNT(lines), signature);
}

/* ---- Keys ---- */

static void derive(struct tn_str secret, struct tn_str date, struct tn_str region,
                   struct tn_str service, unsigned char key[TN_SIGV4_KEY_LEN])
{
    char first[4 + TN_SIGV4_SECRET_LEN_MAX] = "AWS4";
    memcpy(first + 4, secret.data, secret.len);
    tn_hmac_sha256(first, 4 + secret.len, date.data, date.len, key);
    tn_hmac_sha256(key, TN_SIGV4_KEY_LEN, region.data, region.len, key);
    tn_hmac_sha256(key, TN_SIGV4_KEY_LEN, service.data, service.len, key);
    tn_hmac_sha256(key, TN_SIGV4_KEY_LEN, "aws4_request", 12, key);
    tn_wipe(first, sizeof first);
}

int tn_sigv4_key_get(struct tn_sigv4_key *key, struct tn_str secret, struct tn_str date,
                     struct tn_str region, struct tn_str service)
{
    if (date.len != 8 || region.len > TN_SIGV4_REGION_LEN_MAX || service.len > 32 ||
        secret.len > TN_SIGV4_SECRET_LEN_MAX || secret.len == 0)
        return TARN_EINVAL;
    char scope[sizeof key->scope];
    char *at = put_str(scope, date);
    *at++ = '/';
    at = put_str(at, region);
    *at++ = '/';
    *put_str(at, service) = '\0';
    if (strcmp(scope, key->scope) == 0)
        return TARN_OK;
    derive(secret, date, region, service, key->bytes);
    memcpy(key->scope, scope, sizeof scope);
    return TARN_OK;
}

void tn_sigv4_key_wipe(struct tn_sigv4_key *key)
{
    tn_wipe(key, sizeof *key);
}

/* ---- Signing ---- */

static bool is_signable(struct tn_str name)
{
    for (size_t i = 0; i < TN_COUNT(unsignable); i++) {
        if (tn_str_eq_nocase(unsignable[i], name))
            return false;
    }
    return true;
}

static int name_cmp(struct tn_str a, struct tn_str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int order = (unsigned char)tn_to_lower(a.data[i]) - (unsigned char)tn_to_lower(b.data[i]);
        if (order)
            return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Sorted names of the headers to sign, each once. */
static int names_collect(const struct tn_sigv4_request *request,
                         struct tn_str names[TN_SIGV4_HEADER_COUNT_MAX], size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct tn_str name = request->headers[i].name;
        if (!tn_str_is_token(name)) /* so never ';', which parts the list */
            return TARN_EINVAL;
        if (!is_signable(name))
            continue;
        size_t at = *count;
        while (at > 0 && name_cmp(names[at - 1], name) > 0)
            at--;
        if (at > 0 && name_cmp(names[at - 1], name) == 0)
            continue;
        if (*count == TN_SIGV4_HEADER_COUNT_MAX)
            return TARN_ETOOBIG;
        memmove(&names[at + 1], &names[at], (*count - at) * sizeof *names);
        names[at] = name;
        (*count)++;
    }
    return TARN_OK;
}

/* Writes "host;x-amz-date" to `out`. */
static int names_join(const struct tn_sigv4_request *request, struct tn_buf *out)
{
    struct tn_str names[TN_SIGV4_HEADER_COUNT_MAX];
    size_t count;
    size_t len = 0;
    int rc = names_collect(request, names, &count);
    for (size_t i = 0; rc == TARN_OK && i < count; i++)
        len += names[i].len + 1;
    tn_buf_truncate(out, 0);
    if (rc == TARN_OK)
        rc = tn_buf_reserve(out, len);
    if (rc < 0)
        return rc;
    char *at = out->data;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < names[i].len; j++)
            *at++ = tn_to_lower(names[i].data[j]);
        *at++ = ';';
    }
    out->len = len > 0 ? len - 1 : 0;
    out->data[out->len] = '\0';
    return TARN_OK;
}

static bool list_has(struct tn_str list, struct tn_str name)
{
    while (list.len) {
        if (tn_str_eq_nocase(tn_str_split(&list, ';'), name))
            return true;
    }
    return false;
}

/* What both ways of signing need. */
struct stamp {
    char time[TN_TIME_LEN];
    char scope[SCOPE_LEN_MAX];
    struct tn_sigv4_key own_key;
    struct tn_sigv4_key *key;
};

static int stamp_make(const struct tn_sigv4_signing *signing, struct stamp *stamp,
                      struct tarn_error *err)
{
    struct tn_str service = signing->service.len ? signing->service : TN_STR("s3");
    stamp->own_key.scope[0] = '\0';
    stamp->key = signing->key ? signing->key : &stamp->own_key;
    tn_time_basic(signing->now, stamp->time);
    int rc = tn_sigv4_key_get(stamp->key, signing->secret, (struct tn_str){ stamp->time, 8 },
                              signing->region, service);
    if (rc < 0)
        return tn_fail(err, rc, "could not sign: secret or region \"%.*s\" is empty or too long",
                       TN_STR_ARG(signing->region));
    char *at = put_str(stamp->scope, tn_str_from(stamp->key->scope));
    *put_str(at, TN_STR("/aws4_request")) = '\0';
    return TARN_OK;
}

static int sign_request(const struct tn_sigv4_request *request, struct tn_str payload_hash,
                        const struct stamp *stamp, struct tn_sigv4_scratch *scratch,
                        char signature[TN_SIGV4_SIGNATURE_LEN + 1], struct tarn_error *err)
{
    struct shape shape = { tn_buf_str(&scratch->words), payload_hash, false };
    enum tn_sigv4_problem problem = canonicalise(request, &shape, scratch);
    if (problem == TN_SIGV4_NO_MEMORY)
        return tn_fail(err, TARN_ENOMEM, "could not sign: out of memory");
    if (problem)
        return tn_fail(err, TARN_EINVAL, "could not sign: path or query is malformed or too long");
    sign_canonical(tn_buf_str(&scratch->canonical), tn_str_from(stamp->time),
                   tn_str_from(stamp->scope), stamp->key->bytes, signature);
    return TARN_OK;
}

static int signed_names_make(const struct tn_sigv4_request *request,
                             struct tn_sigv4_scratch *scratch, struct tarn_error *err)
{
    int rc = names_join(request, &scratch->words);
    if (rc < 0)
        return tn_fail(err, rc, "could not sign: %s", tarn_status_text(rc));
    if (!list_has(tn_buf_str(&scratch->words), TN_STR("host")))
        return tn_fail(err, TARN_EINVAL, "could not sign: the request has no Host header");
    return TARN_OK;
}

static int append_authorization(struct tn_buf *out, struct tn_str access_key, struct tn_str scope,
                                struct tn_str names, const char *signature)
{
    const struct tn_str texts[] = {
        TN_STR("AWS4-HMAC-SHA256 Credential="),
        access_key,
        TN_STR("/"),
        scope,
        TN_STR(", SignedHeaders="),
        names,
        TN_STR(", Signature="),
        tn_str_from(signature),
    };
    size_t len = 0;
    for (size_t i = 0; i < TN_COUNT(texts); i++)
        len += texts[i].len;
    int rc = tn_buf_reserve(out, len);
    if (rc < 0)
        return rc;
    char *at = out->data + out->len;
    for (size_t i = 0; i < TN_COUNT(texts); i++)
        at = put_str(at, texts[i]);
    *at = '\0';
    out->len += len;
    return TARN_OK;
}

int tn_sigv4_sign(const struct tn_sigv4_signing *signing, struct tn_sigv4_scratch *scratch,
                  struct tn_buf *authorization, char signature[TN_SIGV4_SIGNATURE_LEN + 1],
                  struct tarn_error *err)
{
    struct stamp stamp;
    char made[TN_SIGV4_SIGNATURE_LEN + 1];
    int rc = signed_names_make(&signing->request, scratch, err);
    if (rc < 0)
        return rc;
    rc = stamp_make(signing, &stamp, err);
    if (rc < 0)
        return rc;

    struct tn_str hash = signing->payload_hash.len
                             ? signing->payload_hash
                             : tn_sigv4_payload_text(TN_SIGV4_PAYLOAD_UNSIGNED);
    rc = sign_request(&signing->request, hash, &stamp, scratch, made, err);
    tn_sigv4_key_wipe(&stamp.own_key);
    if (rc < 0)
        return rc;
    rc = append_authorization(authorization, signing->access_key, tn_str_from(stamp.scope),
                              tn_buf_str(&scratch->words), made);
    if (rc < 0)
        return tn_fail(err, rc, "could not sign: %s", tarn_status_text(rc));
    memcpy(signature, made, sizeof made);
    return TARN_OK;
}

static int append_encoded(struct tn_buf *out, const char *name, struct tn_str value)
{
    int rc = tn_buf_append_text(out, name);
    if (rc == TARN_OK)
        rc = tn_buf_reserve(out, 3 * value.len);
    if (rc < 0)
        return rc;
    char *at = out->data + out->len;
    for (size_t i = 0; i < value.len; i++)
        at = put_encoded_byte(at, (unsigned char)value.data[i], 0);
    out->len = (size_t)(at - out->data);
    *at = '\0';
    return TARN_OK;
}

/* The query that gets signed, appended to `query`. */
static int presign_params(const struct tn_sigv4_signing *signing, const struct stamp *stamp,
                          uint32_t expires_s, struct tn_str signed_headers, struct tn_buf *query)
{
    TN_AUTO_BUF credential = TN_BUF_INIT(1024);
    int rc = tn_buf_appendf(&credential, "%.*s/%s", TN_STR_ARG(signing->access_key), stamp->scope);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(query, signing->request.query);
    if (rc == TARN_OK && signing->request.query.len)
        rc = tn_buf_append_char(query, '&');
    if (rc == TARN_OK)
        rc = append_encoded(
            query, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=", tn_buf_str(&credential));
    if (rc == TARN_OK)
        rc = tn_buf_appendf(query, "&X-Amz-Date=%s&X-Amz-Expires=%u", stamp->time, expires_s);
    if (rc == TARN_OK && signing->payload_hash.len)
        rc = append_encoded(query, "&X-Amz-Content-Sha256=", signing->payload_hash);
    if (rc == TARN_OK && signing->session_token.len)
        rc = append_encoded(query, "&X-Amz-Security-Token=", signing->session_token);
    if (rc == TARN_OK)
        rc = append_encoded(query, "&X-Amz-SignedHeaders=", signed_headers);
    return rc;
}

static int presign(const struct tn_sigv4_signing *signing, uint32_t expires_s,
                   const struct stamp *stamp, struct tn_sigv4_scratch *scratch,
                   struct tn_buf *query, struct tarn_error *err)
{
    size_t start = query->len;
    int rc = presign_params(signing, stamp, expires_s, tn_buf_str(&scratch->words), query);
    if (rc < 0)
        return tn_fail(err, rc, "could not presign: %s", tarn_status_text(rc));

    struct tn_sigv4_request request = signing->request;
    request.query = tn_str_sub(tn_buf_str(query), start, SIZE_MAX);
    struct tn_str hash = signing->payload_hash.len
                             ? signing->payload_hash
                             : tn_sigv4_payload_text(TN_SIGV4_PAYLOAD_UNSIGNED);
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    rc = sign_request(&request, hash, stamp, scratch, signature, err);
    if (rc < 0)
        return rc;
    rc = tn_buf_appendf(query, "&X-Amz-Signature=%s", signature);
    return rc < 0 ? tn_fail(err, rc, "could not presign: %s", tarn_status_text(rc)) : TARN_OK;
}

int tn_sigv4_presign(const struct tn_sigv4_signing *signing, uint32_t expires_s,
                     struct tn_sigv4_scratch *scratch, struct tn_buf *query, struct tarn_error *err)
{
    if (expires_s == 0 || expires_s > TN_SIGV4_EXPIRES_MAX_S)
        return tn_fail(err, TARN_EINVAL, "could not presign: expiry is not 1 to %d seconds",
                       TN_SIGV4_EXPIRES_MAX_S);
    int rc = signed_names_make(&signing->request, scratch, err);
    if (rc < 0)
        return rc;
    struct stamp stamp;
    rc = stamp_make(signing, &stamp, err);
    if (rc < 0)
        return rc;
    size_t start = query->len;
    rc = presign(signing, expires_s, &stamp, scratch, query, err);
    if (rc < 0)
        tn_buf_truncate(query, start);
    tn_sigv4_key_wipe(&stamp.own_key);
    return rc;
}

/* ---- Checking ---- */

enum tn_sigv4_problem tn_sigv4_check_time(const struct tn_sigv4_claim *claim, int64_t now)
{
    if (claim->kind == TN_SIGV4_HEADER) {
        int64_t skew = claim->time > now ? claim->time - now : now - claim->time;
        return skew > TN_SIGV4_SKEW_MAX_S ? TN_SIGV4_SKEWED : TN_SIGV4_FINE;
    }
    if (claim->time - now > TN_SIGV4_SKEW_MAX_S)
        return TN_SIGV4_NOT_YET;
    /* Dates are whole seconds, so a URL lives up to one longer than it says, but not from none. */
    bool is_over = claim->expires_s == 0 || now - claim->time > claim->expires_s;
    return is_over ? TN_SIGV4_EXPIRED : TN_SIGV4_FINE;
}

/* S3 refuses requests whose host or x-amz-* headers anyone on the way could have changed. Presigned
 * URLs are sent by programs that add an unsigned x-amz-content-sha256 of their own; it says nothing
 * then. */
static bool has_unsigned_header(const struct tn_sigv4_request *request,
                                const struct tn_sigv4_claim *claim)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct tn_str name = request->headers[i].name;
        bool is_amz = tn_str_eq_nocase(tn_str_sub(name, 0, 6), TN_STR("x-amz-"));
        if (!is_amz || list_has(claim->signed_headers, name))
            continue;
        bool is_idle =
            claim->kind == TN_SIGV4_PRESIGNED && claim->payload == TN_SIGV4_PAYLOAD_UNSIGNED &&
            tn_str_eq_nocase(name, TN_STR("x-amz-content-sha256")) &&
            tn_str_eq(request->headers[i].value, payload_texts[TN_SIGV4_PAYLOAD_UNSIGNED]);
        if (!is_idle)
            return true;
    }
    return !list_has(claim->signed_headers, TN_STR("host"));
}

static enum tn_sigv4_problem compare_asymmetric(const struct tn_sigv4_claim *claim,
                                                const unsigned char key[TN_SIGV4_KEY_LEN],
                                                const struct tn_sigv4_scratch *scratch)
{
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    char text[SCOPE_LEN_MAX + 256];
    tn_sha256(scratch->canonical.data, scratch->canonical.len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    int len = snprintf(text, sizeof text, "AWS4-ECDSA-P256-SHA256\n%s\n%.*s\n%s", claim->time_text,
                       TN_STR_ARG(claim->scope), hex);
    if (len < 0 || (size_t)len >= sizeof text)
        return TN_SIGV4_MISMATCH;
    return tn_sigv4a_verify(key, (struct tn_str){ text, (size_t)len }, claim->signature)
               ? TN_SIGV4_FINE
               : TN_SIGV4_MISMATCH;
}

static enum tn_sigv4_problem compare(const struct tn_sigv4_request *request,
                                     const struct tn_sigv4_claim *claim, const struct shape *shape,
                                     const unsigned char key[TN_SIGV4_KEY_LEN],
                                     struct tn_sigv4_scratch *scratch)
{
    enum tn_sigv4_problem problem = canonicalise(request, shape, scratch);
    if (problem)
        return problem;
    if (claim->is_asymmetric)
        return compare_asymmetric(claim, key, scratch);
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    sign_canonical(tn_buf_str(&scratch->canonical), tn_str_from(claim->time_text), claim->scope,
                   key, signature);
    return tn_str_eq_secret(tn_str_from(signature), claim->signature) ? TN_SIGV4_FINE
                                                                      : TN_SIGV4_MISMATCH;
}

enum tn_sigv4_problem tn_sigv4_verify(const struct tn_sigv4_request *request,
                                      const struct tn_sigv4_claim *claim,
                                      const unsigned char key[TN_SIGV4_KEY_LEN],
                                      struct tn_sigv4_scratch *scratch)
{
    if (has_unsigned_header(request, claim))
        return TN_SIGV4_UNSIGNED_HEADERS;
    struct shape shape = { claim->signed_headers, claim->payload_hash, false };
    enum tn_sigv4_problem problem = compare(request, claim, &shape, key, scratch);
    if (problem != TN_SIGV4_MISMATCH || tn_str_find_char(request->path, '%') == SIZE_MAX)
        return problem;

    /* Some clients sign the path as they send it, "%2F" and lower-case digits included: the very
     * bytes that arrived are as good a thing to have signed. */
    shape.is_path_raw = true;
    return compare(request, claim, &shape, key, scratch);
}

/* ---- Chunks ---- */

int tn_sigv4_chain_init(struct tn_sigv4_chain *chain, const unsigned char key[TN_SIGV4_KEY_LEN],
                        int64_t time, struct tn_str scope, struct tn_str seed)
{
    if (scope.len >= sizeof chain->scope || seed.len != TN_SIGV4_SIGNATURE_LEN)
        return TARN_EINVAL;
    char text[TN_TIME_LEN];
    tn_time_basic(time, text);
    chain->is_asymmetric = false;
    memcpy(chain->key, key, sizeof chain->key);
    memcpy(chain->time, text, TIME_LEN + 1);
    *put_str(chain->scope, scope) = '\0';
    *put_str(chain->previous, seed) = '\0';
    return TARN_OK;
}

void tn_sigv4_chain_wipe(struct tn_sigv4_chain *chain)
{
    tn_wipe(chain, sizeof *chain);
}

void tn_sigv4_chain_chunk(struct tn_sigv4_chain *chain, const unsigned char sha256[32])
{
    char hex[2 * TN_SHA256_LEN + 1];
    tn_hex_encode(sha256, TN_SHA256_LEN, hex);
    const struct tn_str lines[] = {
        TN_STR("AWS4-HMAC-SHA256-PAYLOAD"), tn_str_from(chain->time),  tn_str_from(chain->scope),
        tn_str_from(chain->previous),       tn_str_from(empty_sha256), tn_str_from(hex),
    };
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    sign_lines(chain->key, lines, TN_COUNT(lines), signature);
    memcpy(chain->previous, signature, sizeof signature);
}

void tn_sigv4_chain_trailer(struct tn_sigv4_chain *chain, const unsigned char sha256[32])
{
    char hex[2 * TN_SHA256_LEN + 1];
    tn_hex_encode(sha256, TN_SHA256_LEN, hex);
    const struct tn_str lines[] = {
        TN_STR("AWS4-HMAC-SHA256-TRAILER"), tn_str_from(chain->time), tn_str_from(chain->scope),
        tn_str_from(chain->previous),       tn_str_from(hex),
    };
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    sign_lines(chain->key, lines, TN_COUNT(lines), signature);
    memcpy(chain->previous, signature, sizeof signature);
}
