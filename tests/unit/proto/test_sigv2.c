/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2: the examples that AWS published, and what is refused; version 4A's keys. */

#include "proto/sigv2.h"

#include "proto/sigv4a.h"
#include "unit/t.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"
static const struct tn_str secret = { "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40 };

struct sent {
    const char *name;
    const char *method;
    const char *path;
    const char *query;
    const char *bucket;     /* that the host named */
    const char *headers[8]; /* name, value, ... */
    enum tn_sigv2_problem problem;
};

static const struct sent cases[] = {
    { "get",
      "GET",
      "/photos/puppy.jpg",
      "",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "Authorization",
        "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_FINE },
    { "put",
      "PUT",
      "/photos/puppy.jpg",
      "",
      "awsexamplebucket1",
      { "Content-Type", "image/jpeg", "Date", "Tue, 27 Mar 2007 21:15:45 +0000", "Authorization",
        "AWS " KEY ":iqRzw+ileNPu1fhspnRs8nOjjIA=" },
      TN_SIGV2_FINE },
    { "list",
      "GET",
      "/",
      "prefix=photos&max-keys=50&marker=puppy",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:42:41 +0000", "Authorization",
        "AWS " KEY ":m0WP8eCtspQl5Ahe6L1SozdX9YA=" },
      TN_SIGV2_FINE },
    { "sub-resource",
      "GET",
      "/",
      "acl",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:44:46 +0000", "Authorization",
        "AWS " KEY ":82ZHiFIjc+WbcwFKGUVEQspPn+0=" },
      TN_SIGV2_FINE },
    { "an equals sign that was not signed",
      "GET",
      "/",
      "acl=",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:44:46 +0000", "Authorization",
        "AWS " KEY ":82ZHiFIjc+WbcwFKGUVEQspPn+0=" },
      TN_SIGV2_FINE },
    { "a sub-resource that some clients sign",
      "GET",
      "/",
      "encryption=",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:44:46 +0000", "Authorization",
        "AWS " KEY ":Plyh5UhlaJYS1mCVAUYRAhUcomc=" },
      TN_SIGV2_FINE },
    { "a value that was not signed",
      "GET",
      "/",
      "acl=x",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:44:46 +0000", "Authorization",
        "AWS " KEY ":82ZHiFIjc+WbcwFKGUVEQspPn+0=" },
      TN_SIGV2_MISMATCH },
    { "another method",
      "PUT",
      "/photos/puppy.jpg",
      "",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "Authorization",
        "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_MISMATCH },
    { "another header",
      "GET",
      "/photos/puppy.jpg",
      "",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "x-amz-acl", "public-read", "Authorization",
        "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_MISMATCH },
    { "another bucket",
      "GET",
      "/photos/puppy.jpg",
      "",
      "other",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "Authorization",
        "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_MISMATCH },
    { "a sub-resource more",
      "GET",
      "/photos/puppy.jpg",
      "acl",
      "awsexamplebucket1",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "Authorization",
        "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_MISMATCH },
    { "a short signature",
      "GET",
      "/",
      "",
      "",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "Authorization", "AWS " KEY ":abc=" },
      TN_SIGV2_MALFORMED },
    { "no key",
      "GET",
      "/",
      "",
      "",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "Authorization",
        "AWS :qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_MALFORMED },
    { "no colon", "GET", "/", "", "", { "Authorization", "AWS HAHAHA" }, TN_SIGV2_MALFORMED },
    { "no date",
      "GET",
      "/",
      "",
      "",
      { "Authorization", "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_NO_DATE },
    { "no such date",
      "GET",
      "/",
      "",
      "",
      { "Date", "Bad Date", "Authorization", "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_NO_DATE },
    { "an empty date beside a good one",
      "GET",
      "/",
      "",
      "",
      { "Date", "Tue, 27 Mar 2007 19:36:42 +0000", "x-amz-date", "", "Authorization",
        "AWS " KEY ":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" },
      TN_SIGV2_NO_DATE },
    { "query without expiry",
      "GET",
      "/",
      "AWSAccessKeyId=a&Signature=b",
      "",
      { NULL },
      TN_SIGV2_MALFORMED },
    { "query with bad expiry",
      "GET",
      "/",
      "AWSAccessKeyId=a&Expires=-1&Signature=qgk2%2B6Sv9/oM7G3qLEjTH1a1l1g=",
      "",
      { NULL },
      TN_SIGV2_MALFORMED },
    { "query and header",
      "GET",
      "/",
      "AWSAccessKeyId=a&Expires=1&Signature=qgk2%2B6Sv9/oM7G3qLEjTH1a1l1g=",
      "",
      { "Authorization", "AWS a:b" },
      TN_SIGV2_MALFORMED },
    { "query with bad encoding",
      "GET",
      "/",
      "AWSAccessKeyId=%zz&Expires=1&Signature=x",
      "",
      { NULL },
      TN_SIGV2_MALFORMED },
};

static enum tn_sigv2_problem check(const struct sent *s, struct tn_sigv4_scratch *scratch)
{
    struct tn_header headers[4];
    size_t count = 0;
    for (size_t i = 0; i + 1 < TN_COUNT(s->headers) && s->headers[i]; i += 2)
        headers[count++] =
            (struct tn_header){ tn_str_from(s->headers[i]), tn_str_from(s->headers[i + 1]) };
    struct tn_sigv4_request request = { .method = tn_str_from(s->method),
                                        .path = tn_str_from(s->path),
                                        .query = tn_str_from(s->query),
                                        .headers = headers,
                                        .header_count = count };
    struct tn_sigv2_claim claim;
    assert_true(tn_sigv2_is(&request));
    enum tn_sigv2_problem problem = tn_sigv2_parse(&request, scratch, &claim);
    if (problem)
        return problem;
    return tn_sigv2_verify(&request, tn_str_from(s->bucket), &claim, secret, scratch);
}

static void test_cases(void **state)
{
    (void)state;
    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        enum tn_sigv2_problem problem = check(&cases[i], &scratch);
        if (problem != cases[i].problem)
            fail_msg("%s: %d\n%s", cases[i].name, (int)problem, scratch.canonical.data);
    }
    tn_sigv4_scratch_release(&scratch);
}

static void test_times(void **state)
{
    (void)state;
    struct tn_sigv2_claim claim = { .is_query = false, .time = 10000 };
    assert_int_equal(tn_sigv2_check_time(&claim, 10900), TN_SIGV2_FINE);
    assert_int_equal(tn_sigv2_check_time(&claim, 10901), TN_SIGV2_SKEWED);
    assert_int_equal(tn_sigv2_check_time(&claim, 9099), TN_SIGV2_SKEWED);
    claim.is_query = true;
    assert_int_equal(tn_sigv2_check_time(&claim, 10000), TN_SIGV2_FINE);
    assert_int_equal(tn_sigv2_check_time(&claim, 10001), TN_SIGV2_EXPIRED);
}

static void test_asymmetric(void **state)
{
    (void)state;
    unsigned char scalar[TN_SIGV4A_SCALAR_LEN];
    unsigned char other[TN_SIGV4A_SCALAR_LEN];
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    assert_int_equal(tn_sigv4a_derive(TN_STR(KEY), secret, scalar), TARN_OK);
    assert_int_equal(tn_sigv4a_derive(TN_STR("other"), secret, other), TARN_OK);
    assert_memory_not_equal(scalar, other, sizeof scalar);
    assert_int_equal(tn_sigv4a_derive((struct tn_str){ long_text, 300 }, secret, other),
                     TARN_EINVAL);
    assert_false(tn_sigv4a_verify(scalar, TN_STR("text"), TN_STR("")));
    assert_false(tn_sigv4a_verify(scalar, TN_STR("text"), TN_STR("zz")));
    assert_false(tn_sigv4a_verify(scalar, TN_STR("text"), TN_STR("3006020101020101")));
    assert_false(tn_sigv4a_verify(scalar, TN_STR("text"), (struct tn_str){ long_text, 300 }));
    assert_true(tn_sigv4a_has_region(TN_STR("us-east-1,eu-*"), TN_STR("eu-west-3")));
    assert_true(tn_sigv4a_has_region(TN_STR("*"), TN_STR("eu-west-3")));
    assert_false(tn_sigv4a_has_region(TN_STR("us-east-1,eu-*"), TN_STR("us-east-2")));
    assert_false(tn_sigv4a_has_region(TN_STR(""), TN_STR("us-east-2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_asymmetric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
