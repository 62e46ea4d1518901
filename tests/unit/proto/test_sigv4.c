/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: the published examples signed and checked, and what must be refused. */

#include "base/codec.h"
#include "base/hash.h"
#include "unit/proto/sigv4_vector.h"

static const char *const header_examples[] = {
    "get-object",   "put-object",  "get-lifecycle",
    "list-objects", "chunked-put", "chunked-put-trailer"
};

static void assert_canonical(const struct tn_sigv4_scratch *scratch, struct tn_str expected)
{
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    tn_sha256(scratch->canonical.data, scratch->canonical.len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    if (!tn_str_eq(tn_str_from(hex), expected))
        fail_msg("canonical request differs:\n%s", scratch->canonical.data);
}

static enum tn_sigv4_problem check(const struct tn_sigv4_request *request, int64_t now,
                                   struct tn_sigv4_scratch *scratch)
{
    struct tn_sigv4_claim claim;
    enum tn_sigv4_problem problem = tn_sigv4_parse(request, scratch, &claim);
    if (problem == TN_SIGV4_FINE)
        problem = tn_sigv4_check_time(&claim, now);
    if (problem)
        return problem;
    struct tn_sigv4_key key = { 0 };
    assert_int_equal(tn_sigv4_key_get(&key, vector_secret, claim.date, claim.region, claim.service),
                     TARN_OK);
    return tn_sigv4_verify(request, &claim, key.bytes, scratch);
}

static void test_header_examples(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    for (size_t i = 0; i < TN_COUNT(header_examples); i++) {
        struct vector v;
        vector_load(&v, header_examples[i]);
        struct tn_sigv4_signing signing = vector_signing(&v);
        TN_AUTO_BUF authorization = TN_BUF_INIT(4096);
        char signature[TN_SIGV4_SIGNATURE_LEN + 1];
        assert_int_equal(tn_sigv4_sign(&signing, &scratch, &authorization, signature, NULL),
                         TARN_OK);
        assert_canonical(&scratch, v.canonical);
        assert_true(tn_str_eq(tn_str_from(signature), v.signature));
        assert_true(tn_str_eq(tn_buf_str(&scratch.words), v.signed_headers));

        v.headers[v.request.header_count++] =
            (struct tn_header){ TN_STR("authorization"), tn_buf_str(&authorization) };
        assert_int_equal(check(&v.request, VECTOR_NOW, &scratch), TN_SIGV4_FINE);
        assert_canonical(&scratch, v.canonical);
        v.request.method = TN_STR("POST");
        assert_int_equal(check(&v.request, VECTOR_NOW, &scratch), TN_SIGV4_MISMATCH);
        tn_buf_release(&v.text);
    }
    tn_sigv4_scratch_release(&scratch);
}

static void test_presigned_example(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    struct vector v;
    vector_load(&v, "presigned-get");
    struct tn_sigv4_signing signing = vector_signing(&v);
    signing.payload_hash = TN_STR_EMPTY;
    TN_AUTO_BUF query = TN_BUF_INIT(4096);
    assert_int_equal(tn_sigv4_presign(&signing, (uint32_t)v.expires, &scratch, &query, NULL),
                     TARN_OK);
    assert_str_equal(tn_buf_str(&query),
                     "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
                     "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-"
                     "Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
                     "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    assert_canonical(&scratch, v.canonical);

    v.request.query = tn_buf_str(&query);
    assert_int_equal(check(&v.request, VECTOR_NOW, &scratch), TN_SIGV4_FINE);
    assert_int_equal(check(&v.request, VECTOR_NOW + 86400, &scratch), TN_SIGV4_FINE);
    assert_int_equal(check(&v.request, VECTOR_NOW + 86401, &scratch), TN_SIGV4_EXPIRED);
    assert_int_equal(check(&v.request, VECTOR_NOW - 900, &scratch), TN_SIGV4_FINE);
    assert_int_equal(check(&v.request, VECTOR_NOW - 901, &scratch), TN_SIGV4_NOT_YET);
    v.request.path = TN_STR("/test.tx");
    assert_int_equal(check(&v.request, VECTOR_NOW, &scratch), TN_SIGV4_MISMATCH);
    tn_buf_release(&v.text);
    tn_sigv4_scratch_release(&scratch);
}

/* The client signs `signed_as`, the wire carries `sent`. */
static const struct {
    const char *name;
    const char *signed_path, *signed_query, *sent_path, *sent_query;
    enum tn_sigv4_problem problem;
} spellings[] = {
    { "the same", "/b/k%20x", "a=1", "/b/k%20x", "a=1", TN_SIGV4_FINE },
    { "lower-case digits", "/b/%C3%A4", "", "/b/%c3%a4", "", TN_SIGV4_FINE },
    { "bytes sent bare", "/b/a%21b%24%28%2A%29", "", "/b/a!b$(*)", "", TN_SIGV4_FINE },
    { "encoded for nothing", "/b/abc", "", "/b/%61b%63", "", TN_SIGV4_FINE },
    { "slash encoded", "/b/a/c", "", "/b/a%2Fc", "", TN_SIGV4_FINE },
    { "plus is itself in paths", "/b/a%2Bc", "", "/b/a+c", "", TN_SIGV4_FINE },
    { "dots stay", "/b/../a/./c", "", "/b/../a/./c", "", TN_SIGV4_FINE },
    { "empty segments stay", "/b//a//", "", "/b//a//", "", TN_SIGV4_FINE },
    { "query order", "/", "b=2&a=1&a=0", "/", "a=0&b=2&a=1", TN_SIGV4_FINE },
    { "no value", "/", "acl=", "/", "acl", TN_SIGV4_FINE },
    { "plus is a blank in queries", "/", "prefix=a%20b", "/", "prefix=a+b", TN_SIGV4_FINE },
    { "query bytes bare", "/", "prefix=a%2Fb%3A", "/", "prefix=a/b:", TN_SIGV4_FINE },
    { "equals sign in a value", "/", "t=a%3D%3D", "/", "t=a==", TN_SIGV4_FINE },
    { "no path", "/", "", "", "", TN_SIGV4_FINE },
    { "empty pieces", "/", "a=1", "/", "&&a=1&", TN_SIGV4_FINE },
    { "dots removed", "/b/../a", "", "/a", "", TN_SIGV4_MISMATCH },
    { "segments joined", "/b//a", "", "/b/a", "", TN_SIGV4_MISMATCH },
    { "encoded twice", "/b/a%20c", "", "/b/a%2520c", "", TN_SIGV4_MISMATCH },
    { "another value", "/", "a=1", "/", "a=2", TN_SIGV4_MISMATCH },
    { "one more parameter", "/", "a=1", "/", "a=1&acl", TN_SIGV4_MISMATCH },
    { "case of a name", "/", "a=1", "/", "A=1", TN_SIGV4_MISMATCH },
    { "half a digit in the path", "/", "", "/%4", "", TN_SIGV4_MALFORMED_REQUEST },
    { "no digit in the path", "/", "", "/%zz", "", TN_SIGV4_MALFORMED_REQUEST },
    { "a bare percent in the query", "/", "", "/", "a=%", TN_SIGV4_MALFORMED_REQUEST },
};

static void test_spellings(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    for (size_t i = 0; i < TN_COUNT(spellings); i++) {
        struct tn_header headers[4] = {
            { TN_STR("Host"), TN_STR("127.0.0.1:9000") },
            { TN_STR("X-Amz-Date"), TN_STR("20130524T000000Z") },
            { TN_STR("X-Amz-Content-SHA256"), TN_STR("UNSIGNED-PAYLOAD") },
        };
        struct tn_sigv4_request request = { TN_STR("GET"),
                                            tn_str_from(spellings[i].signed_path),
                                            tn_str_from(spellings[i].signed_query),
                                            headers,
                                            3,
                                            TN_STR_EMPTY };
        struct tn_sigv4_signing signing = { .request = request,
                                            .access_key = vector_access_key,
                                            .secret = vector_secret,
                                            .region = TN_STR("eu-1"),
                                            .now = VECTOR_NOW };
        TN_AUTO_BUF authorization = TN_BUF_INIT(4096);
        char signature[TN_SIGV4_SIGNATURE_LEN + 1];
        assert_int_equal(tn_sigv4_sign(&signing, &scratch, &authorization, signature, NULL),
                         TARN_OK);
        headers[3] = (struct tn_header){ TN_STR("Authorization"), tn_buf_str(&authorization) };
        request.header_count = 4;
        request.path = tn_str_from(spellings[i].sent_path);
        request.query = tn_str_from(spellings[i].sent_query);
        enum tn_sigv4_problem problem = check(&request, VECTOR_NOW, &scratch);
        if (problem != spellings[i].problem)
            fail_msg("%s: %d, not %d", spellings[i].name, problem, spellings[i].problem);
    }
    tn_sigv4_scratch_release(&scratch);
}

/* A client that signs the bytes it sends, "%2F" included. */
static void test_path_signed_as_sent(void **state)
{
    (void)state;
    static const char canonical[] =
        "GET\n/b/a%2Fb%c3\n\nhost:h\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
        "x-amz-date:20130524T000000Z\n\n"
        "host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD";
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    char text[512];
    struct tn_sigv4_key key = { 0 };
    tn_sha256(canonical, sizeof canonical - 1, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    int len = snprintf(text, sizeof text,
                       "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/r/s3/aws4_request\n%s", hex);
    assert_int_equal(
        tn_sigv4_key_get(&key, vector_secret, TN_STR("20130524"), TN_STR("r"), TN_STR("s3")),
        TARN_OK);
    tn_hmac_sha256(key.bytes, sizeof key.bytes, text, (size_t)len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    (void)snprintf(
        text, sizeof text,
        "AWS4-HMAC-SHA256 Signature=%s,SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Credential=a/key/20130524/r/s3/aws4_request",
        hex);
    const struct tn_header headers[] = {
        { TN_STR("host"), TN_STR("h") },
        { TN_STR("x-amz-date"), TN_STR("20130524T000000Z") },
        { TN_STR("x-amz-content-sha256"), TN_STR("UNSIGNED-PAYLOAD") },
        { TN_STR("authorization"), tn_str_from(text) },
    };
    struct tn_sigv4_request request = { TN_STR("GET"), TN_STR("/b/a%2Fb%c3"), TN_STR_EMPTY,
                                        headers,       TN_COUNT(headers),     TN_STR_EMPTY };
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    assert_int_equal(check(&request, VECTOR_NOW, &scratch), TN_SIGV4_FINE);
    request.path = TN_STR("/b/a/b%c3");
    assert_int_equal(check(&request, VECTOR_NOW, &scratch), TN_SIGV4_MISMATCH);
    tn_sigv4_scratch_release(&scratch);
}

#define CREDENTIAL "Credential=AK/20130524/us-east-1/s3/aws4_request"
#define HEADERS "SignedHeaders=host;x-amz-content-sha256;x-amz-date"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define SIGNATURE "Signature=" ZEROS
#define GOOD "AWS4-HMAC-SHA256 " CREDENTIAL ", " HEADERS ", " SIGNATURE
#define DATE "20130524T000000Z"
#define NONE "UNSIGNED-PAYLOAD"

/* Header forms; NULL leaves a header out. */
static const struct {
    const char *name;
    const char *authorization, *amz_date, *date, *sha256, *extra;
    enum tn_sigv4_problem problem;
} headers[] = {
    { "well-formed", GOOD, DATE, NULL, NONE, NULL, TN_SIGV4_MISMATCH },
    { "no blanks", "AWS4-HMAC-SHA256 " CREDENTIAL "," HEADERS "," SIGNATURE, DATE, NULL, NONE, NULL,
      TN_SIGV4_MISMATCH },
    { "another order", "AWS4-HMAC-SHA256 " SIGNATURE ",  " CREDENTIAL ",\t" HEADERS, DATE, NULL,
      NONE, NULL, TN_SIGV4_MISMATCH },
    { "x-amz-date counts, not Date", GOOD, DATE, "Mon, 01 Jan 2001 00:00:00 GMT", NONE, NULL,
      TN_SIGV4_MISMATCH },
    { "Date alone", GOOD, NULL, "Fri, 24 May 2013 00:00:00 GMT", NONE, NULL, TN_SIGV4_MISMATCH },
    { "no header at all", NULL, DATE, NULL, NONE, NULL, TN_SIGV4_FINE },
    { "version 2", "AWS AK:c2lnbmF0dXJl", DATE, NULL, NONE, NULL, TN_SIGV4_OTHER_MECHANISM },
    { "basic", "Basic dTpw", DATE, NULL, NONE, NULL, TN_SIGV4_OTHER_MECHANISM },
    { "a word", "x", DATE, NULL, NONE, NULL, TN_SIGV4_OTHER_MECHANISM },
    { "lower-case scheme", "aws4-hmac-sha256 " CREDENTIAL, DATE, NULL, NONE, NULL,
      TN_SIGV4_OTHER_MECHANISM },
    { "scheme alone", "AWS4-HMAC-SHA256", DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "no signature", "AWS4-HMAC-SHA256 " CREDENTIAL "," HEADERS, DATE, NULL, NONE, NULL,
      TN_SIGV4_MALFORMED_HEADER },
    { "no credential", "AWS4-HMAC-SHA256 " HEADERS "," SIGNATURE, DATE, NULL, NONE, NULL,
      TN_SIGV4_MALFORMED_HEADER },
    { "no headers", "AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNATURE, DATE, NULL, NONE, NULL,
      TN_SIGV4_MALFORMED_HEADER },
    { "twice", GOOD ", " SIGNATURE, DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "something else", GOOD ", Foo=bar", DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "comma at the end", GOOD ", ,", DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "short signature", "AWS4-HMAC-SHA256 " CREDENTIAL "," HEADERS ",Signature=00", DATE, NULL,
      NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "four parts",
      "AWS4-HMAC-SHA256 Credential=20130524/us-east-1/s3/aws4_request," HEADERS "," SIGNATURE, DATE,
      NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "empty key",
      "AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request," HEADERS "," SIGNATURE,
      DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "empty region",
      "AWS4-HMAC-SHA256 Credential=AK/20130524//s3/aws4_request," HEADERS "," SIGNATURE, DATE, NULL,
      NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "another service",
      "AWS4-HMAC-SHA256 Credential=AK/20130524/us-east-1/sqs/aws4_request," HEADERS "," SIGNATURE,
      DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "another end",
      "AWS4-HMAC-SHA256 Credential=AK/20130524/us-east-1/s3/aws5_request," HEADERS "," SIGNATURE,
      DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "another day",
      "AWS4-HMAC-SHA256 Credential=AK/20130525/us-east-1/s3/aws4_request," HEADERS "," SIGNATURE,
      DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "no such day",
      "AWS4-HMAC-SHA256 Credential=AK/2013052x/us-east-1/s3/aws4_request," HEADERS "," SIGNATURE,
      DATE, NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "headers unsorted",
      "AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=x-amz-date;host," SIGNATURE, DATE, NULL, NONE,
      NULL, TN_SIGV4_MALFORMED_HEADER },
    { "headers twice", "AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;host," SIGNATURE, DATE,
      NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "headers upper case", "AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=Host," SIGNATURE, DATE,
      NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "headers end in ;", "AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;," SIGNATURE, DATE,
      NULL, NONE, NULL, TN_SIGV4_MALFORMED_HEADER },
    { "host not signed",
      "AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=x-amz-content-sha256;x-amz-date," SIGNATURE,
      DATE, NULL, NONE, NULL, TN_SIGV4_UNSIGNED_HEADERS },
    { "x-amz-date not signed",
      "AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256," SIGNATURE, DATE,
      NULL, NONE, NULL, TN_SIGV4_UNSIGNED_HEADERS },
    { "a header added on the way", GOOD, DATE, NULL, NONE, "X-Amz-Copy-Source",
      TN_SIGV4_UNSIGNED_HEADERS },
    { "two x-amz-date", GOOD, DATE, NULL, NONE, "X-AMZ-DATE", TN_SIGV4_NO_DATE },
    { "two sha256", GOOD, DATE, NULL, NONE, "x-amz-content-sha256", TN_SIGV4_BAD_CONTENT_SHA256 },
    { "two Authorization", GOOD, DATE, NULL, NONE, "Authorization", TN_SIGV4_TWO_MECHANISMS },
    { "no date", GOOD, NULL, NULL, NONE, NULL, TN_SIGV4_NO_DATE },
    { "no such date", GOOD, "20130532T000000Z", NULL, NONE, NULL, TN_SIGV4_NO_DATE },
    { "empty date", GOOD, "", "Fri, 24 May 2013 00:00:00 GMT", NONE, NULL, TN_SIGV4_NO_DATE },
    { "date of e-mail", GOOD, "Fri, 24 May 2013 00:00:00 -0000", NULL, NONE, NULL,
      TN_SIGV4_MISMATCH },
    { "date of a zone", GOOD, "Fri, 24 May 2013 00:00:00 +0100", NULL, NONE, NULL,
      TN_SIGV4_NO_DATE },
    { "late", GOOD, "20130524T001501Z", NULL, NONE, NULL, TN_SIGV4_SKEWED },
    { "just not late", GOOD, "20130524T001500Z", NULL, NONE, NULL, TN_SIGV4_MISMATCH },
    { "empty", "", DATE, NULL, NONE, NULL, TN_SIGV4_FINE },
    { "no sha256", GOOD, DATE, NULL, NULL, NULL, TN_SIGV4_NO_CONTENT_SHA256 },
    { "sha256 empty", GOOD, DATE, NULL, "", NULL, TN_SIGV4_BAD_CONTENT_SHA256 },
    { "sha256 short", GOOD, DATE, NULL, "e3b0c442", NULL, TN_SIGV4_BAD_CONTENT_SHA256 },
    { "sha256 unknown word", GOOD, DATE, NULL, "STREAMING-PAYLOAD", NULL,
      TN_SIGV4_BAD_CONTENT_SHA256 },
};

static void add(struct tn_header *list, size_t *count, const char *name, const char *value)
{
    if (value)
        list[(*count)++] = (struct tn_header){ tn_str_from(name), tn_str_from(value) };
}

static void test_header_forms(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    for (size_t i = 0; i < TN_COUNT(headers); i++) {
        struct tn_header list[6];
        size_t count = 0;
        add(list, &count, "Host", "h");
        add(list, &count, "Authorization", headers[i].authorization);
        add(list, &count, "x-amz-date", headers[i].amz_date);
        add(list, &count, "Date", headers[i].date);
        add(list, &count, "X-Amz-Content-Sha256", headers[i].sha256);
        if (headers[i].extra)
            add(list, &count, headers[i].extra, "again");
        struct tn_sigv4_request request = { TN_STR("GET"), TN_STR("/"), TN_STR_EMPTY,
                                            list,          count,       TN_STR_EMPTY };
        enum tn_sigv4_problem problem;
        if (headers[i].authorization && headers[i].authorization[0]) {
            problem = check(&request, VECTOR_NOW, &scratch);
        } else {
            struct tn_sigv4_claim claim;
            problem = tn_sigv4_parse(&request, &scratch, &claim);
            assert_int_equal(claim.kind, TN_SIGV4_ANONYMOUS);
        }
        if (problem != headers[i].problem)
            fail_msg("%s: %s", headers[i].name, tn_sigv4_problem_text(problem));
    }
    tn_sigv4_scratch_release(&scratch);
}

#define Q_ALGORITHM "X-Amz-Algorithm=AWS4-HMAC-SHA256"
#define Q_CREDENTIAL "&X-Amz-Credential=AK%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
#define Q_DATE "&X-Amz-Date=20130524T000000Z"
#define Q_EXPIRES "&X-Amz-Expires=60"
#define Q_HEADERS "&X-Amz-SignedHeaders=host"
#define Q_SIGNATURE "&X-Amz-Signature=" ZEROS
#define Q_GOOD Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE

static const struct {
    const char *name;
    const char *query;
    const char *header, *value; /* beside Host */
    enum tn_sigv4_problem problem;
} queries[] = {
    { "well-formed", Q_GOOD, NULL, NULL, TN_SIGV4_MISMATCH },
    { "beside others", "a=b&" Q_GOOD "&c", NULL, NULL, TN_SIGV4_MISMATCH },
    { "a name encoded",
      "X%2DAmz-Algorithm=AWS4-HMAC-SHA256" Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE,
      NULL, NULL, TN_SIGV4_MISMATCH },
    { "bare slashes",
      Q_ALGORITHM "&X-Amz-Credential=AK/20130524/us-east-1/s3/aws4_request" Q_DATE Q_EXPIRES
          Q_HEADERS Q_SIGNATURE,
      NULL, NULL, TN_SIGV4_MISMATCH },
    { "a payload hash", Q_GOOD "&X-Amz-Content-Sha256=" ZEROS, NULL, NULL, TN_SIGV4_MISMATCH },
    { "an idle header", Q_GOOD, "x-amz-content-sha256", NONE, TN_SIGV4_MISMATCH },
    { "a header that counts", Q_GOOD, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      TN_SIGV4_UNSIGNED_HEADERS },
    { "an unsigned header", Q_GOOD, "x-amz-acl", "public-read", TN_SIGV4_UNSIGNED_HEADERS },
    { "header too", Q_GOOD, "authorization", GOOD, TN_SIGV4_TWO_MECHANISMS },
    { "version 2", "AWSAccessKeyId=AK&Expires=1&Signature=x", NULL, NULL,
      TN_SIGV4_OTHER_MECHANISM },
    { "algorithm alone", Q_ALGORITHM, NULL, NULL, TN_SIGV4_MALFORMED_QUERY },
    { "signature alone", "a" Q_SIGNATURE, NULL, NULL, TN_SIGV4_MALFORMED_QUERY },
    { "no expiry", Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_HEADERS Q_SIGNATURE, NULL, NULL,
      TN_SIGV4_MALFORMED_QUERY },
    { "twice", Q_GOOD Q_EXPIRES, NULL, NULL, TN_SIGV4_MALFORMED_QUERY },
    { "signature twice", Q_GOOD Q_SIGNATURE, NULL, NULL, TN_SIGV4_MALFORMED_QUERY },
    { "expiry 0", Q_ALGORITHM Q_CREDENTIAL Q_DATE "&X-Amz-Expires=0" Q_HEADERS Q_SIGNATURE, NULL,
      NULL, TN_SIGV4_EXPIRED },
    { "expiry past 7 days",
      Q_ALGORITHM Q_CREDENTIAL Q_DATE "&X-Amz-Expires=604801" Q_HEADERS Q_SIGNATURE, NULL, NULL,
      TN_SIGV4_MALFORMED_QUERY },
    { "expiry negative", Q_ALGORITHM Q_CREDENTIAL Q_DATE "&X-Amz-Expires=-1" Q_HEADERS Q_SIGNATURE,
      NULL, NULL, TN_SIGV4_MALFORMED_QUERY },
    { "another algorithm",
      "X-Amz-Algorithm=AWS4-HMAC-SHA1" Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE, NULL,
      NULL, TN_SIGV4_MALFORMED_QUERY },
    { "another date form",
      Q_ALGORITHM Q_CREDENTIAL "&X-Amz-Date=2013-05-24" Q_EXPIRES Q_HEADERS Q_SIGNATURE, NULL, NULL,
      TN_SIGV4_MALFORMED_QUERY },
    { "another day",
      Q_ALGORITHM Q_CREDENTIAL "&X-Amz-Date=20130525T000000Z" Q_EXPIRES Q_HEADERS Q_SIGNATURE, NULL,
      NULL, TN_SIGV4_MALFORMED_QUERY },
    { "host not signed",
      Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES "&X-Amz-SignedHeaders=range" Q_SIGNATURE, NULL,
      NULL, TN_SIGV4_UNSIGNED_HEADERS },
    { "no headers", Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES "&X-Amz-SignedHeaders=" Q_SIGNATURE,
      NULL, NULL, TN_SIGV4_MALFORMED_QUERY },
    { "bad percent", Q_GOOD "&X-Amz-Security-Token=%f", NULL, NULL, TN_SIGV4_MALFORMED_REQUEST },
    { "bad hash", Q_GOOD "&X-Amz-Content-Sha256=zz", NULL, NULL, TN_SIGV4_BAD_CONTENT_SHA256 },
};

static void test_query_forms(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    for (size_t i = 0; i < TN_COUNT(queries); i++) {
        struct tn_header list[2];
        size_t count = 0;
        add(list, &count, "host", "h");
        add(list, &count, queries[i].header, queries[i].header ? queries[i].value : NULL);
        struct tn_sigv4_request request = {
            TN_STR("GET"), TN_STR("/"), tn_str_from(queries[i].query), list, count, TN_STR_EMPTY
        };
        enum tn_sigv4_problem problem = check(&request, VECTOR_NOW, &scratch);
        if (problem != queries[i].problem)
            fail_msg("%s: %s", queries[i].name, tn_sigv4_problem_text(problem));
    }
    tn_sigv4_scratch_release(&scratch);
}

static void test_too_many_parameters(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    TN_AUTO_BUF query = TN_BUF_INIT(65536);
    assert_int_equal(tn_buf_append_text(&query, Q_GOOD), TARN_OK);
    for (int i = 0; i <= TN_SIGV4_QUERY_COUNT_MAX; i++)
        assert_int_equal(tn_buf_appendf(&query, "&p%d", i), TARN_OK);
    struct tn_header host = { TN_STR("host"), TN_STR("h") };
    struct tn_sigv4_request request = { TN_STR("GET"), TN_STR("/"), tn_buf_str(&query),
                                        &host,         1,           TN_STR_EMPTY };
    assert_int_equal(check(&request, VECTOR_NOW, &scratch), TN_SIGV4_MALFORMED_REQUEST);
    tn_sigv4_scratch_release(&scratch);
}

/* Header values: joined, trimmed, blanks collapsed. */
static void test_header_values(void **state)
{
    (void)state;
    const struct tn_header list[] = {
        { TN_STR("HOST"), TN_STR("h") },         { TN_STR("x-amz-meta-b"), TN_STR("  a   b\t c ") },
        { TN_STR("X-Amz-Meta-A"), TN_STR("1") }, { TN_STR("User-Agent"), TN_STR("curl") },
        { TN_STR("x-amz-meta-a"), TN_STR("2") },
    };
    struct tn_sigv4_signing signing = { .request = { .method = TN_STR("GET"),
                                                     .path = TN_STR("/"),
                                                     .headers = list,
                                                     .header_count = TN_COUNT(list) },
                                        .access_key = vector_access_key,
                                        .secret = vector_secret,
                                        .region = TN_STR("r") };
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    TN_AUTO_BUF out = TN_BUF_INIT(1024);
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    assert_int_equal(tn_sigv4_sign(&signing, &scratch, &out, signature, NULL), TARN_OK);
    assert_str_equal(tn_buf_str(&scratch.canonical),
                     "GET\n/\n\nhost:h\nx-amz-meta-a:1,2\nx-amz-meta-b:a b c\n\n"
                     "host;x-amz-meta-a;x-amz-meta-b\nUNSIGNED-PAYLOAD");
    tn_sigv4_scratch_release(&scratch);
}

static void test_signing_refuses(void **state)
{
    (void)state;
    struct tn_header host = { TN_STR("host"), TN_STR("h") };
    struct tn_sigv4_signing good = { .request = { .method = TN_STR("GET"),
                                                  .path = TN_STR("/"),
                                                  .headers = &host,
                                                  .header_count = 1 },
                                     .access_key = vector_access_key,
                                     .secret = vector_secret,
                                     .region = TN_STR("r") };
    struct tn_sigv4_signing cases[5] = { good, good, good, good, good };
    struct tn_header evil = { TN_STR("a;host"), TN_STR("h") };
    char long_region[100];
    memset(long_region, 'r', sizeof long_region);
    cases[0].request.header_count = 0;
    cases[1].request.headers = &evil;
    cases[2].secret = TN_STR_EMPTY;
    cases[3].region = (struct tn_str){ long_region, sizeof long_region };
    cases[4].request.path = TN_STR("/%");
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    TN_AUTO_BUF out = TN_BUF_INIT(1024);
    char signature[TN_SIGV4_SIGNATURE_LEN + 1] = "unchanged";
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        assert_int_equal(tn_sigv4_sign(&cases[i], &scratch, &out, signature, NULL), TARN_EINVAL);
        assert_int_equal(tn_sigv4_presign(&cases[i], 60, &scratch, &out, NULL), TARN_EINVAL);
        assert_int_equal(out.len, 0);
        assert_string_equal(signature, "unchanged");
    }
    assert_int_equal(tn_sigv4_presign(&good, 0, &scratch, &out, NULL), TARN_EINVAL);
    assert_int_equal(tn_sigv4_presign(&good, TN_SIGV4_EXPIRES_MAX_S + 1, &scratch, &out, NULL),
                     TARN_EINVAL);
    tn_sigv4_scratch_release(&scratch);
}

static int sign_and_check(void *arg)
{
    const struct vector *v = arg;
    struct tn_sigv4_signing signing = vector_signing(v);
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    TN_AUTO_BUF query = TN_BUF_INIT(4096);
    int rc = tn_sigv4_presign(&signing, 60, &scratch, &query, NULL);
    if (rc == TARN_OK) {
        struct tn_sigv4_request request = v->request;
        request.query = tn_buf_str(&query);
        enum tn_sigv4_problem problem = check(&request, VECTOR_NOW, &scratch);
        rc = problem == TN_SIGV4_NO_MEMORY ? TARN_ENOMEM : problem ? TARN_EINVAL : TARN_OK;
    } else {
        assert_int_equal(query.len, 0);
    }
    tn_sigv4_scratch_release(&scratch);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct vector v;
    vector_load(&v, "presigned-get");
    t_oom_sweep(sign_and_check, &v);
    tn_buf_release(&v.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_examples),     cmocka_unit_test(test_presigned_example),
        cmocka_unit_test(test_spellings),           cmocka_unit_test(test_path_signed_as_sent),
        cmocka_unit_test(test_header_forms),        cmocka_unit_test(test_query_forms),
        cmocka_unit_test(test_too_many_parameters), cmocka_unit_test(test_header_values),
        cmocka_unit_test(test_signing_refuses),     cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
