/* SPDX-License-Identifier: Apache-2.0 */
/* Documents against the tables of elements: what fits, what does not, and that what is written fits
 * again. */

#include "server/api/xml_rules.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const struct xml_rule *rule;
    const char *text;
    int rc;
} cases[] = {
    { "tags", &tagging_rule,
      "<Tagging><TagSet><Tag><Key>a</Key><Value> b </Value></Tag></TagSet></Tagging>", TARN_OK },
    { "no tags", &tagging_rule, "<Tagging><TagSet/></Tagging>", TARN_OK },
    { "other order", &tagging_rule,
      "<Tagging><TagSet><Tag><Value/><Key>a</Key></Tag></TagSet></Tagging>", TARN_OK },
    { "no set", &tagging_rule, "<Tagging/>", TARN_EINVAL },
    { "two sets", &tagging_rule, "<Tagging><TagSet/><TagSet/></Tagging>", TARN_EINVAL },
    { "two keys", &tagging_rule,
      "<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value/></Tag></TagSet></Tagging>",
      TARN_EINVAL },
    { "elements in a text", &tagging_rule,
      "<Tagging><TagSet><Tag><Key><b/></Key><Value/></Tag></TagSet></Tagging>", TARN_EINVAL },
    { "text in a set", &tagging_rule, "<Tagging><TagSet>a</TagSet></Tagging>", TARN_EINVAL },
    { "blanks in a set", &tagging_rule, "<Tagging><TagSet> \n </TagSet></Tagging>", TARN_OK },
    { "text beside a set", &tagging_rule, "<Tagging>a<TagSet/></Tagging>", TARN_EINVAL },
    { "text behind a set", &tagging_rule, "<Tagging><TagSet/>a</Tagging>", TARN_EINVAL },
    { "a comment beside a set", &tagging_rule, "<Tagging><!-- a --><TagSet/> </Tagging>", TARN_OK },
    { "another root", &tagging_rule, "<TagSet/>", TARN_EINVAL },
    { "case of names", &tagging_rule, "<tagging><TagSet/></tagging>", TARN_EINVAL },
    { "word", &versioning_rule,
      "<VersioningConfiguration><Status> Enabled </Status></VersioningConfiguration>", TARN_OK },
    { "part of a word", &versioning_rule,
      "<VersioningConfiguration><Status>Enable</Status></VersioningConfiguration>", TARN_EINVAL },
    { "two words", &versioning_rule,
      "<VersioningConfiguration><Status>Enabled|Suspended</Status></VersioningConfiguration>",
      TARN_EINVAL },
    { "no word", &versioning_rule, "<VersioningConfiguration><Status/></VersioningConfiguration>",
      TARN_EINVAL },
    { "number", &quota_rule,
      "<QuotaConfiguration><MaxBytes>9223372036854775807</MaxBytes></QuotaConfiguration>",
      TARN_OK },
    { "number too large", &quota_rule,
      "<QuotaConfiguration><MaxBytes>9223372036854775808</MaxBytes></QuotaConfiguration>",
      TARN_EINVAL },
    { "negative number", &quota_rule,
      "<QuotaConfiguration><MaxBytes>-1</MaxBytes></QuotaConfiguration>", TARN_EINVAL },
    { "bool", &public_access_rule,
      "<PublicAccessBlockConfiguration><BlockPublicAcls>TRUE</BlockPublicAcls>"
      "</PublicAccessBlockConfiguration>",
      TARN_OK },
    { "no bool", &public_access_rule,
      "<PublicAccessBlockConfiguration><BlockPublicAcls>1</BlockPublicAcls>"
      "</PublicAccessBlockConfiguration>",
      TARN_EINVAL },
    { "keys to delete", &delete_rule,
      "<Delete><Object><Key>a</Key></Object><Object><VersionId>v</VersionId><Key>b</Key>"
      "<Size>1</Size></Object><Quiet>true</Quiet></Delete>",
      TARN_OK },
    { "no keys to delete", &delete_rule, "<Delete><Quiet>true</Quiet></Delete>", TARN_EINVAL },
    { "an object without key", &delete_rule, "<Delete><Object/></Delete>", TARN_EINVAL },
    { "an object with two keys", &delete_rule,
      "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>", TARN_EINVAL },
    { "parts", &complete_rule,
      "<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>1</PartNumber><ChecksumCRC32>c"
      "</ChecksumCRC32></Part></CompleteMultipartUpload>",
      TARN_OK },
    { "a part without number", &complete_rule,
      "<CompleteMultipartUpload><Part><ETag>e</ETag></Part></CompleteMultipartUpload>",
      TARN_EINVAL },
    { "a part with a negative number", &complete_rule,
      "<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>-1</PartNumber></Part>"
      "</CompleteMultipartUpload>",
      TARN_EINVAL },
    { "a bucket's place and tags", &create_rule,
      "<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint><Tags><Tag><Key>a</"
      "Key>"
      "<Value/></Tag></Tags></CreateBucketConfiguration>",
      TARN_OK },
    { "two places", &create_rule,
      "<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint><LocationConstraint>us"
      "</LocationConstraint></CreateBucketConfiguration>",
      TARN_EINVAL },
    { "time", &retention_rule,
      "<Retention><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>", TARN_OK },
    { "no time", &retention_rule,
      "<Retention><RetainUntilDate>2030-13-01T00:00:00Z</RetainUntilDate></Retention>",
      TARN_EINVAL },
};

static int check(struct tn_arena *arena, const struct xml_rule *rule, struct tn_str text,
                 struct tn_buf *out)
{
    const struct tn_xml_node *root = NULL;
    int rc = tn_xml_parse(arena, text, &root, NULL);
    if (rc == TARN_OK)
        rc = xml_rule_check(rule, root, NULL);
    if (rc < 0)
        return rc;
    struct tn_xml_writer w = TN_XML_WRITER(out);
    xml_rule_write(rule, root, &w);
    return w.rc;
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_arena arena;
        TN_AUTO_BUF once = TN_BUF_INIT(4096);
        TN_AUTO_BUF twice = TN_BUF_INIT(4096);
        tn_arena_init(&arena, 1 << 20);
        int rc = check(&arena, cases[i].rule, tn_str_from(cases[i].text), &once);
        if (rc != cases[i].rc)
            fail_msg("%s: %d", cases[i].name, rc);
        if (rc == TARN_OK) {
            assert_int_equal(check(&arena, cases[i].rule, tn_buf_str(&once), &twice), TARN_OK);
            assert_true(tn_str_eq(tn_buf_str(&once), tn_buf_str(&twice)));
        }
        tn_arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
