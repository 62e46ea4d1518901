/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what is taken, what they say of requests, what is open to everybody. */

#include "server/auth/policy.h"

#include "unit/t.h"

#define P_ALL "\"Principal\":\"*\","
#define STATEMENT(rest) "{\"Version\":\"2012-10-17\",\"Statement\":[{" rest "}]}"
#define ALLOW(rest) STATEMENT("\"Effect\":\"Allow\"," rest)
#define B_ALLOW(rest) ALLOW(P_ALL rest)
#define GET_ALL "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/*\""

/* --- Parsing --- */

static const struct {
    const char *name;
    enum policy_kind kind;
    const char *text;
    int status;
    const char *message;
} parses[] = {
    { "least", POLICY_BUCKET, B_ALLOW(GET_ALL), TARN_OK, "" },
    { "blanks first", POLICY_BUCKET, " \n" B_ALLOW(GET_ALL), TARN_OK, "" },
    { "one statement without an array", POLICY_BUCKET,
      "{\"Statement\":{\"Effect\":\"Allow\"," P_ALL GET_ALL "}}", TARN_OK, "" },
    { "identity", POLICY_IDENTITY, ALLOW("\"Action\":\"*\",\"Resource\":\"*\""), TARN_OK, "" },
    { "trust", POLICY_TRUST,
      ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam::000000000000:root\"},\"Action\":"
            "\"sts:AssumeRole\""),
      TARN_OK, "" },
    { "account number", POLICY_BUCKET, ALLOW("\"Principal\":{\"AWS\":[\"123456789012\"]}," GET_ALL),
      TARN_OK, "" },
    { "canonical user", POLICY_BUCKET, ALLOW("\"Principal\":{\"CanonicalUser\":\"75aa\"}," GET_ALL),
      TARN_OK, "" },
    { "every operator form", POLICY_BUCKET,
      B_ALLOW(GET_ALL ",\"Condition\":{\"ForAnyValue:StringLikeIfExists\":{\"s3:prefix\":[\"a*\"]},"
                      "\"Bool\":{\"aws:SecureTransport\":true},\"NumericLessThan\":"
                      "{\"s3:max-keys\":10},\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}"),
      TARN_OK, "" },
    { "variable in the resource", POLICY_BUCKET,
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\""), TARN_OK,
      "" },

    { "empty", POLICY_BUCKET, "", TARN_EINVAL,
      "Policies must be valid JSON and the first byte must be '{'" },
    { "array", POLICY_BUCKET, "[]", TARN_EINVAL,
      "Policies must be valid JSON and the first byte must be '{'" },
    { "cut off", POLICY_BUCKET, "{\"Version\":", TARN_EINVAL,
      "This policy contains invalid Json: line 1, column 11" },
    { "key twice", POLICY_BUCKET, "{\"Id\":\"a\",\"Id\":\"b\"}", TARN_EINVAL, NULL },
    { "no statement", POLICY_BUCKET, "{}", TARN_EINVAL, "Missing required field Statement" },
    { "empty statement list", POLICY_BUCKET, "{\"Statement\":[]}", TARN_EINVAL,
      "Could not parse the policy: Statement is empty!" },
    { "statement is a text", POLICY_BUCKET, "{\"Statement\":\"x\"}", TARN_EINVAL, NULL },
    { "statement is null", POLICY_BUCKET, "{\"Statement\":[null]}", TARN_EINVAL, NULL },
    { "version of another year", POLICY_BUCKET, "{\"Version\":\"2020-10-17\",\"Statement\":[]}",
      TARN_EINVAL, "The policy must contain a valid version string" },
    { "version is a number", POLICY_BUCKET, "{\"Version\":2012,\"Statement\":[]}", TARN_EINVAL,
      NULL },
    { "unknown top field", POLICY_BUCKET, "{\"Foo\":1}", TARN_EINVAL, "Unknown field Foo" },
    { "unknown field", POLICY_BUCKET, B_ALLOW(GET_ALL ",\"Bar\":1"), TARN_EINVAL,
      "Unknown field Bar" },
    { "no effect", POLICY_BUCKET, STATEMENT(P_ALL GET_ALL), TARN_EINVAL,
      "Missing required field Effect" },
    { "bad effect", POLICY_BUCKET, STATEMENT("\"Effect\":\"allow\"," P_ALL GET_ALL), TARN_EINVAL,
      "Invalid effect: allow" },
    { "no principal", POLICY_BUCKET, ALLOW(GET_ALL), TARN_EINVAL,
      "Missing required field Principal" },
    { "principal and not", POLICY_BUCKET, ALLOW(P_ALL "\"NotPrincipal\":\"*\"," GET_ALL),
      TARN_EINVAL, "Statement has both Principal and NotPrincipal" },
    { "principal for an identity", POLICY_IDENTITY, B_ALLOW(GET_ALL), TARN_EINVAL,
      "Policy document should not specify a principal." },
    { "principal is no ARN", POLICY_BUCKET, ALLOW("\"Principal\":{\"AWS\":\"a b\"}," GET_ALL),
      TARN_EINVAL, "Invalid principal in policy" },
    { "principal with a wildcard", POLICY_BUCKET,
      ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam::1:user/*\"}," GET_ALL), TARN_EINVAL,
      "Invalid principal in policy" },
    { "principal of no kind", POLICY_BUCKET, ALLOW("\"Principal\":{\"Foo\":\"1\"}," GET_ALL),
      TARN_EINVAL, "Invalid principal in policy" },
    { "principal is empty", POLICY_BUCKET, ALLOW("\"Principal\":{}," GET_ALL), TARN_EINVAL,
      "Invalid principal in policy" },
    { "principal is a number", POLICY_BUCKET, ALLOW("\"Principal\":{\"AWS\":5}," GET_ALL),
      TARN_EINVAL, "Invalid principal in policy" },
    { "no action", POLICY_BUCKET, B_ALLOW("\"Resource\":\"*\""), TARN_EINVAL,
      "Missing required field Action" },
    { "action of another service", POLICY_BUCKET,
      B_ALLOW("\"Action\":\"iam:GetUser\",\"Resource\":\"*\""), TARN_EINVAL,
      "Policy has invalid action" },
    { "action that is none", POLICY_BUCKET, B_ALLOW("\"Action\":\"s3:Foo\",\"Resource\":\"*\""),
      TARN_EINVAL, "Policy has invalid action" },
    { "action list is empty", POLICY_BUCKET, B_ALLOW("\"Action\":[],\"Resource\":\"*\""),
      TARN_EINVAL, "Policy has invalid action" },
    { "action is an object", POLICY_BUCKET, B_ALLOW("\"Action\":{},\"Resource\":\"*\""),
      TARN_EINVAL, "Policy has invalid action" },
    { "no resource", POLICY_BUCKET, B_ALLOW("\"Action\":\"s3:*\""), TARN_EINVAL,
      "Missing required field Resource" },
    { "another bucket", POLICY_BUCKET,
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::c/*\""), TARN_EINVAL,
      "Policy has invalid resource" },
    { "not an ARN", POLICY_BUCKET, B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"b/*\""), TARN_EINVAL,
      "Policy has invalid resource" },
    { "object action on the bucket", POLICY_BUCKET,
      B_ALLOW("\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b\""), TARN_OK, "" },
    { "allow all but some", POLICY_BUCKET, ALLOW("\"NotPrincipal\":{\"AWS\":\"111\"}," GET_ALL),
      TARN_EINVAL, "Allow with NotPrincipal is not allowed." },
    { "variable without end", POLICY_BUCKET,
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username\""), TARN_EINVAL,
      "Policy has invalid resource" },
    { "resource in trust", POLICY_TRUST, B_ALLOW(GET_ALL), TARN_EINVAL,
      "Has prohibited field Resource" },
    { "unknown operator", POLICY_BUCKET,
      B_ALLOW(GET_ALL ",\"Condition\":{\"StringIs\":{\"s3:prefix\":\"a\"}}"), TARN_EINVAL,
      "Invalid Condition type : StringIs" },
    { "NullIfExists", POLICY_BUCKET,
      B_ALLOW(GET_ALL ",\"Condition\":{\"NullIfExists\":{\"s3:prefix\":\"true\"}}"), TARN_EINVAL,
      "Invalid Condition type : NullIfExists" },
    { "condition key without prefix", POLICY_BUCKET,
      B_ALLOW(GET_ALL ",\"Condition\":{\"StringEquals\":{\"prefix\":\"a\"}}"), TARN_EINVAL,
      "Policy has an invalid condition key" },
    { "not a number", POLICY_BUCKET,
      B_ALLOW(GET_ALL ",\"Condition\":{\"NumericEquals\":{\"s3:max-keys\":\"x\"}}"), TARN_EINVAL,
      "Invalid value for condition operator NumericEquals" },
    { "not an address", POLICY_BUCKET,
      B_ALLOW(GET_ALL ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}}"),
      TARN_EINVAL, "Invalid value for condition operator IpAddress" },
    { "condition is a list", POLICY_BUCKET, B_ALLOW(GET_ALL ",\"Condition\":[]"), TARN_EINVAL,
      "Condition must be an object" },
    { "Sid twice", POLICY_BUCKET,
      "{\"Statement\":[{\"Sid\":\"a\",\"Effect\":\"Allow\"," P_ALL GET_ALL
      "},{\"Sid\":\"a\",\"Effect\":\"Deny\"," P_ALL GET_ALL "}]}",
      TARN_EINVAL, "Statement IDs (SID) in a single policy must be unique." },
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(parses); i++) {
        struct tn_arena arena;
        struct tarn_error err = { 0 };
        const struct policy *policy = NULL;
        tn_arena_init(&arena, 1 << 20);
        int rc = policy_parse(&arena, tn_str_from(parses[i].text), parses[i].kind, TN_STR("b"),
                              &policy, &err);
        if (rc != parses[i].status || (parses[i].message && strcmp(err.message, parses[i].message)))
            fail_msg("%s: %d \"%s\"", parses[i].name, rc, err.message);
        assert_true((policy != NULL) == (rc == TARN_OK));
        tn_arena_release(&arena);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    TN_AUTO_BUF text = TN_BUF_INIT(POLICY_LEN_MAX + 1);
    struct tn_arena arena;
    const struct policy *policy = NULL;
    tn_arena_init(&arena, 1 << 20);
    while (text.len <= POLICY_LEN_MAX)
        assert_int_equal(tn_buf_append_char(&text, ' '), TARN_OK);
    assert_int_equal(
        policy_parse(&arena, tn_buf_str(&text), POLICY_BUCKET, TN_STR_EMPTY, &policy, NULL),
        TARN_ETOOBIG);
    assert_null(policy);
    tn_arena_release(&arena);
}

/* --- Asking --- */

static const struct policy_who nobody = { .is_anonymous = true };
static const struct policy_who root = { .is_account_root = true,
                                        .account = { "111", 3 },
                                        .canonical_id = { "c1", 2 },
                                        .arn = { "arn:aws:iam::111:root", 21 } };
static const struct policy_who ann = { .account = { "111", 3 },
                                       .canonical_id = { "c1", 2 },
                                       .arn = { "arn:aws:iam::111:user/ann", 25 } };
static const struct policy_who session = { .account = { "111", 3 },
                                           .canonical_id = { "c1", 2 },
                                           .arn = { "arn:aws:sts::111:assumed-role/r/s", 33 },
                                           .role_arn = { "arn:aws:iam::111:role/r", 23 } };

/* Values of the conditions: "key=value;key=value". */
static size_t find_values(void *user, struct tn_str key, struct tn_str *out, size_t cap)
{
    struct tn_str rest = tn_str_from(user);
    size_t count = 0;
    while (rest.len) {
        struct tn_str value = tn_str_split(&rest, ';');
        struct tn_str name = tn_str_split(&value, '=');
        if (tn_str_eq_nocase(name, key) && count < cap)
            out[count++] = value;
    }
    return count;
}

#define CONDITION(text) B_ALLOW(GET_ALL ",\"Condition\":{" text "}")
#define DENY(rest) "{\"Effect\":\"Deny\"," rest "}"

static const struct {
    const char *name;
    const char *text;
    const struct policy_who *who;
    const char *action;
    const char *resource;
    const char *values;
    enum policy_verdict verdict;
} questions[] = {
    { "everybody", B_ALLOW(GET_ALL), &nobody, "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "action's case", B_ALLOW(GET_ALL), &nobody, "S3:getobject", "b/k", "", POLICY_ALLOWS },
    { "another action", B_ALLOW(GET_ALL), &root, "s3:PutObject", "b/k", "", POLICY_SILENT },
    { "the bucket is not in b/*", B_ALLOW(GET_ALL), &root, "s3:GetObject", "b", "", POLICY_SILENT },
    { "star spans slashes", B_ALLOW(GET_ALL), &root, "s3:GetObject", "b/x/y/z", "", POLICY_ALLOWS },
    { "a star in the key is no wildcard",
      B_ALLOW("\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/k\""), &root,
      "s3:GetObject", "b/*", "", POLICY_SILENT },
    { "question mark", B_ALLOW("\"Action\":\"s3:Get?bject\",\"Resource\":\"arn:aws:s3:::b/?\""),
      &root, "s3:GetObject", "b/\xc3\xa9", "", POLICY_ALLOWS },
    { "question mark needs one", B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/?\""),
      &root, "s3:GetObject", "b/", "", POLICY_SILENT },
    { "NotAction", B_ALLOW("\"NotAction\":\"s3:Put*\",\"Resource\":\"arn:aws:s3:::b/*\""), &nobody,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "NotAction hits", B_ALLOW("\"NotAction\":\"s3:Put*\",\"Resource\":\"arn:aws:s3:::b/*\""),
      &nobody, "s3:PutObject", "b/k", "", POLICY_SILENT },
    { "NotResource", B_ALLOW("\"Action\":\"s3:*\",\"NotResource\":\"arn:aws:s3:::b/x*\""), &nobody,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "NotResource hits", B_ALLOW("\"Action\":\"s3:*\",\"NotResource\":\"arn:aws:s3:::b/x*\""),
      &nobody, "s3:GetObject", "b/xy", "", POLICY_SILENT },
    { "deny wins over allow",
      "{\"Statement\":[{\"Effect\":\"Allow\"," P_ALL GET_ALL "}," DENY(P_ALL GET_ALL) "]}", &root,
      "s3:GetObject", "b/k", "", POLICY_DENIES },
    { "deny for others only",
      "{\"Statement\":[{\"Effect\":\"Allow\"," P_ALL GET_ALL
      "}," DENY("\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::111:user/ann\"}," GET_ALL) "]}",
      &ann, "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "the account names its user weakly", ALLOW("\"Principal\":{\"AWS\":\"111\"}," GET_ALL), &ann,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS_ACCOUNT },
    { "the account itself", ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam::111:root\"}," GET_ALL),
      &root, "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "another account", ALLOW("\"Principal\":{\"AWS\":\"222\"}," GET_ALL), &root, "s3:GetObject",
      "b/k", "", POLICY_SILENT },
    { "a user", ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam::111:user/ann\"}," GET_ALL), &ann,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "not another user", ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam::111:user/bob\"}," GET_ALL),
      &ann, "s3:GetObject", "b/k", "", POLICY_SILENT },
    { "role for its session", ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam::111:role/r\"}," GET_ALL),
      &session, "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "the session itself",
      ALLOW("\"Principal\":{\"AWS\":\"arn:aws:sts::111:assumed-role/r/s\"}," GET_ALL), &session,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS_SESSION },
    { "canonical id", ALLOW("\"Principal\":{\"CanonicalUser\":\"c1\"}," GET_ALL), &root,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "user by canonical id", ALLOW("\"Principal\":{\"AWS\":\"arn:aws:iam:::user/c1\"}," GET_ALL),
      &root, "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "nobody is no account", ALLOW("\"Principal\":{\"AWS\":\"111\"}," GET_ALL), &nobody,
      "s3:GetObject", "b/k", "", POLICY_SILENT },
    { "a service is nobody", ALLOW("\"Principal\":{\"Service\":\"s3.amazonaws.com\"}," GET_ALL),
      &root, "s3:GetObject", "b/k", "", POLICY_SILENT },

    { "variable", B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\""),
      &ann, "s3:GetObject", "b/ann/x", "aws:username=ann", POLICY_ALLOWS },
    { "variable of another",
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\""), &ann,
      "s3:GetObject", "b/bob/x", "aws:username=ann", POLICY_SILENT },
    { "wildcards in a value are literal",
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\""), &ann,
      "s3:GetObject", "b/bob/x", "aws:username=*", POLICY_SILENT },
    { "so are the bytes that stand for them",
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\""), &ann,
      "s3:GetObject", "b/bob/x", "aws:username=\xff", POLICY_SILENT },
    { "variable without value",
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\""), &ann,
      "s3:GetObject", "b//x", "", POLICY_SILENT },
    { "variable with a default",
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${aws:username, 'all'}/*\""), &ann,
      "s3:GetObject", "b/all/x", "", POLICY_ALLOWS },
    { "a quoted star", B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${*}\""), &ann,
      "s3:GetObject", "b/k", "", POLICY_SILENT },
    { "a quoted star is a star",
      B_ALLOW("\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${*}\""), &ann, "s3:GetObject",
      "b/*", "", POLICY_ALLOWS },
    { "no variables in the old version",
      "{\"Statement\":{\"Effect\":\"Allow\"," P_ALL
      "\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/${x}\"}}",
      &ann, "s3:GetObject", "b/${x}", "", POLICY_ALLOWS },

    { "equals", CONDITION("\"StringEquals\":{\"s3:prefix\":[\"a\",\"b\"]}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=b", POLICY_ALLOWS },
    { "the key's case", CONDITION("\"StringEquals\":{\"S3:Prefix\":\"b\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=b", POLICY_ALLOWS },
    { "equals another", CONDITION("\"StringEquals\":{\"s3:prefix\":\"a\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=b", POLICY_SILENT },
    { "equals, absent", CONDITION("\"StringEquals\":{\"s3:prefix\":\"a\"}"), &nobody,
      "s3:GetObject", "b/k", "", POLICY_SILENT },
    { "equals if exists, absent", CONDITION("\"StringEqualsIfExists\":{\"s3:prefix\":\"a\"}"),
      &nobody, "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "no wildcard in equals", CONDITION("\"StringEquals\":{\"s3:prefix\":\"a*\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=ab", POLICY_SILENT },
    { "like", CONDITION("\"StringLike\":{\"s3:prefix\":\"a*\"}"), &nobody, "s3:GetObject", "b/k",
      "s3:prefix=ab", POLICY_ALLOWS },
    { "not equals, absent", CONDITION("\"StringNotEquals\":{\"s3:prefix\":\"a\"}"), &nobody,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "not equals, one of them", CONDITION("\"StringNotEquals\":{\"s3:prefix\":[\"a\",\"b\"]}"),
      &nobody, "s3:GetObject", "b/k", "s3:prefix=b", POLICY_SILENT },
    { "ignoring case", CONDITION("\"StringEqualsIgnoreCase\":{\"s3:prefix\":\"AB\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=aB", POLICY_ALLOWS },
    { "two keys, one fails",
      CONDITION("\"StringEquals\":{\"s3:prefix\":\"a\",\"s3:delimiter\":\"/\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=a;s3:delimiter=-", POLICY_SILENT },
    { "less than", CONDITION("\"NumericLessThanEquals\":{\"s3:max-keys\":\"10\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:max-keys=10", POLICY_ALLOWS },
    { "not less than", CONDITION("\"NumericLessThan\":{\"s3:max-keys\":\"10\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:max-keys=10", POLICY_SILENT },
    { "number is a text", CONDITION("\"NumericLessThan\":{\"s3:max-keys\":\"10\"}"), &nobody,
      "s3:GetObject", "b/k", "s3:max-keys=x", POLICY_SILENT },
    { "date", CONDITION("\"DateGreaterThan\":{\"aws:CurrentTime\":\"2020-01-01T00:00:00Z\"}"),
      &nobody, "s3:GetObject", "b/k", "aws:CurrentTime=2026-01-01T00:00:00Z", POLICY_ALLOWS },
    { "date in seconds", CONDITION("\"DateLessThan\":{\"aws:EpochTime\":\"1000\"}"), &nobody,
      "s3:GetObject", "b/k", "aws:EpochTime=999", POLICY_ALLOWS },
    { "bool", CONDITION("\"Bool\":{\"aws:SecureTransport\":\"true\"}"), &nobody, "s3:GetObject",
      "b/k", "aws:SecureTransport=false", POLICY_SILENT },
    { "address", CONDITION("\"IpAddress\":{\"aws:SourceIp\":\"10.1.0.0/15\"}"), &nobody,
      "s3:GetObject", "b/k", "aws:SourceIp=10.1.255.3", POLICY_ALLOWS },
    { "address outside", CONDITION("\"IpAddress\":{\"aws:SourceIp\":\"10.2.0.0/16\"}"), &nobody,
      "s3:GetObject", "b/k", "aws:SourceIp=10.1.255.3", POLICY_SILENT },
    { "mapped address", CONDITION("\"IpAddress\":{\"aws:SourceIp\":\"10.2.0.0/16\"}"), &nobody,
      "s3:GetObject", "b/k", "aws:SourceIp=::ffff:10.2.0.1", POLICY_ALLOWS },
    { "address of version 6", CONDITION("\"NotIpAddress\":{\"aws:SourceIp\":\"2001:db8::/32\"}"),
      &nobody, "s3:GetObject", "b/k", "aws:SourceIp=2001:db8::1", POLICY_SILENT },
    { "arn like", CONDITION("\"ArnLike\":{\"aws:PrincipalArn\":\"arn:aws:iam::*:user/*\"}"),
      &nobody, "s3:GetObject", "b/k", "aws:PrincipalArn=arn:aws:iam::111:user/a", POLICY_ALLOWS },
    { "a star stays in its part",
      CONDITION("\"ArnLike\":{\"aws:PrincipalArn\":\"arn:aws:iam:*:user/*\"}"), &nobody,
      "s3:GetObject", "b/k", "aws:PrincipalArn=arn:aws:iam::111:user/a", POLICY_SILENT },
    { "null", CONDITION("\"Null\":{\"s3:prefix\":\"true\"}"), &nobody, "s3:GetObject", "b/k", "",
      POLICY_ALLOWS },
    { "not null", CONDITION("\"Null\":{\"s3:prefix\":\"false\"}"), &nobody, "s3:GetObject", "b/k",
      "", POLICY_SILENT },
    { "for any", CONDITION("\"ForAnyValue:StringEquals\":{\"s3:RequestObjectTagKeys\":\"a\"}"),
      &nobody, "s3:GetObject", "b/k", "s3:RequestObjectTagKeys=a;s3:RequestObjectTagKeys=b",
      POLICY_ALLOWS },
    { "for any, absent",
      CONDITION("\"ForAnyValue:StringNotEquals\":{\"s3:RequestObjectTagKeys\":\"a\"}"), &nobody,
      "s3:GetObject", "b/k", "", POLICY_SILENT },
    { "for all", CONDITION("\"ForAllValues:StringEquals\":{\"s3:RequestObjectTagKeys\":\"a\"}"),
      &nobody, "s3:GetObject", "b/k", "s3:RequestObjectTagKeys=a;s3:RequestObjectTagKeys=b",
      POLICY_SILENT },
    { "for all, absent",
      CONDITION("\"ForAllValues:StringEquals\":{\"s3:RequestObjectTagKeys\":\"a\"}"), &nobody,
      "s3:GetObject", "b/k", "", POLICY_ALLOWS },
    { "no values never hold", CONDITION("\"StringEquals\":{\"s3:prefix\":[]}"), &nobody,
      "s3:GetObject", "b/k", "s3:prefix=a", POLICY_SILENT },
};

static void test_ask(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(questions); i++) {
        struct tn_arena arena;
        struct tarn_error err = { 0 };
        const struct policy *policy = NULL;
        char resource[256];
        char values[256];
        tn_arena_init(&arena, 1 << 20);
        if (policy_parse(&arena, tn_str_from(questions[i].text), POLICY_BUCKET, TN_STR_EMPTY,
                         &policy, &err) < 0)
            fail_msg("%s: %s", questions[i].name, err.message);
        (void)snprintf(resource, sizeof resource, "arn:aws:s3:::%s", questions[i].resource);
        (void)snprintf(values, sizeof values, "%s", questions[i].values);
        struct policy_request request = { .who = questions[i].who,
                                          .action = tn_str_from(questions[i].action),
                                          .resource = tn_str_from(resource),
                                          .values = find_values,
                                          .user = values };
        enum policy_verdict verdict = policy_ask(policy, &request);
        if (verdict != questions[i].verdict)
            fail_msg("%s: %d", questions[i].name, (int)verdict);
        tn_arena_release(&arena);
    }
    assert_int_equal(policy_ask(NULL, NULL), POLICY_SILENT);
}

/* --- Public --- */

static const struct {
    const char *name;
    const char *text;
    bool is_public;
} openings[] = {
    { "everybody", B_ALLOW(GET_ALL), true },
    { "an account", ALLOW("\"Principal\":{\"AWS\":\"111\"}," GET_ALL), false },
    { "deny", STATEMENT("\"Effect\":\"Deny\"," P_ALL GET_ALL), false },
    { "from a range", CONDITION("\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/32\"}"), false },
    { "from everywhere", CONDITION("\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}"), true },
    { "not from a range", CONDITION("\"NotIpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}"), true },
    { "a fixed endpoint", CONDITION("\"StringEquals\":{\"aws:SourceVpce\":\"vpce-1\"}"), false },
    { "a wildcard", CONDITION("\"StringLike\":{\"aws:SourceVpce\":\"vpce-*\"}"), true },
    { "if exists", CONDITION("\"StringEqualsIfExists\":{\"aws:SourceVpce\":\"vpce-1\"}"), true },
    { "a key that fixes nobody", CONDITION("\"StringEquals\":{\"aws:Referer\":\"x\"}"), true },
};

static void test_public(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(openings); i++) {
        struct tn_arena arena;
        const struct policy *policy = NULL;
        tn_arena_init(&arena, 1 << 20);
        assert_int_equal(policy_parse(&arena, tn_str_from(openings[i].text), POLICY_BUCKET,
                                      TN_STR_EMPTY, &policy, NULL),
                         TARN_OK);
        if (policy_is_public(policy) != openings[i].is_public)
            fail_msg("%s", openings[i].name);
        tn_arena_release(&arena);
    }
    assert_false(policy_is_public(NULL));
}

/* --- Memory --- */

static int parse_once(void *arg)
{
    (void)arg;
    struct tn_arena arena;
    const struct policy *policy = NULL;
    tn_arena_init(&arena, 1 << 20);
    int rc = policy_parse(&arena, tn_str_from(parses[7].text), POLICY_BUCKET, TN_STR("b"), &policy,
                          NULL);
    assert_true((policy != NULL) == (rc == TARN_OK));
    tn_arena_release(&arena);
    return rc;
}

static void test_oom(void **state)
{
    (void)state;
    t_oom_sweep(parse_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),  cmocka_unit_test(test_too_long), cmocka_unit_test(test_ask),
        cmocka_unit_test(test_public), cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
