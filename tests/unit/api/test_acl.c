/* SPDX-License-Identifier: Apache-2.0 */
/* What kept access control lists, tags and lifecycle rules mean. */

#include "server/api/acl.h"

#include "server/api/lifecycle_rule.h"
#include "server/api/tags.h"
#include "unit/t.h"

#define ALL "READ uri " ACL_ALL_USERS "\n"
#define SIGNED "READ uri " ACL_AUTHENTICATED_USERS "\n"

static void test_allows(void **state)
{
    (void)state;
    static const struct {
        const char *acl;
        const char *who;
        unsigned wanted;
        bool is_public_ignored;
        bool is_allowed;
    } cases[] = {
        { "", "me", ACL_FULL_CONTROL, false, true },
        { "", "you", ACL_READ, false, false },
        { "", "", ACL_READ, false, false },
        { "-\n", "me", ACL_READ, false, false },
        { "-\n", "me", ACL_READ_ACP | ACL_WRITE_ACP, false, true },
        { ALL, "", ACL_READ, false, true },
        { ALL, "", ACL_READ, true, false },
        { ALL, "", ACL_WRITE, false, false },
        { SIGNED, "", ACL_READ, false, false },
        { SIGNED, "you", ACL_READ, false, true },
        { "READ id you\nWRITE id you\n", "you", ACL_READ | ACL_WRITE, false, true },
        { "READ id you\n", "yo", ACL_READ, false, false },
        { "READ id you\n", "you2", ACL_READ, false, false },
        { "READ id \n", "", ACL_READ, false, false },
        { "FULL_CONTROL id you\n", "you", ACL_WRITE_ACP, false, true },
        { "EVERYTHING id you\n", "you", ACL_READ, false, false },
        { "READ group you\n", "you", ACL_READ, false, false },
        { "READ", "you", ACL_READ, false, false },
        { "\n\n\n", "you", ACL_READ, false, false },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        bool is_allowed =
            acl_allows(tn_str_from(cases[i].acl), TN_STR("me"), tn_str_from(cases[i].who),
                       cases[i].wanted, cases[i].is_public_ignored);
        if (is_allowed != cases[i].is_allowed)
            fail_msg("%zu: %s for %s", i, cases[i].acl, cases[i].who);
    }
    assert_true(acl_is_public(TN_STR(ALL)));
    assert_true(acl_is_public(TN_STR(SIGNED)));
    assert_false(acl_is_public(TN_STR("READ id you\n")));
    assert_false(acl_is_public(TN_STR_EMPTY));
}

static void test_tags(void **state)
{
    (void)state;
    struct tn_arena arena;
    struct tn_str value = TN_STR("kept");
    struct tn_str kept = TN_STR("a=1&b%20c=%C3%BC&d=");
    tn_arena_init(&arena, 1 << 16);
    assert_int_equal(tags_count(kept), 3);
    assert_int_equal(tags_count(TN_STR_EMPTY), 0);
    assert_int_equal(tags_find(kept, &arena, TN_STR("x"), &value), TARN_ENOTFOUND);
    assert_str_equal(value, "kept");
    assert_int_equal(tags_find(kept, &arena, TN_STR("b c"), &value), TARN_OK);
    assert_str_equal(value, "\xc3\xbc");
    assert_int_equal(tags_find(kept, &arena, TN_STR("d"), &value), TARN_OK);
    assert_str_equal(value, "");
    tn_arena_release(&arena);
}

static void test_lifecycle(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        const char *key;
        const char *tags;
        uint64_t size;
        bool is_marker;
        int rc;
    } cases[] = {
        { "<Prefix>a/</Prefix>", "a/b", "", 1, false, TARN_OK },
        { "<Prefix>a/</Prefix>", "b", "", 1, false, TARN_ENOTFOUND },
        { "<Filter/>", "b", "", 1, false, TARN_OK },
        { "<Filter><Prefix>a</Prefix></Filter>", "a", "", 1, false, TARN_OK },
        { "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", "a", "x=y&k=v", 1, false,
          TARN_OK },
        { "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", "a", "k=w", 1, false,
          TARN_ENOTFOUND },
        { "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", "a", "", 1, false,
          TARN_ENOTFOUND },
        { "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>", "a", "", 5, false,
          TARN_ENOTFOUND },
        { "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>", "a", "", 6, false,
          TARN_OK },
        { "<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>", "a", "", 5, false,
          TARN_ENOTFOUND },
        { "<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>", "a", "", 0, true,
          TARN_ENOTFOUND },
        { "<Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value/></Tag></And></Filter>", "ab",
          "k=", 1, false, TARN_OK },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        char text[512];
        struct tn_arena arena;
        const struct tn_xml_node *rule = NULL;
        struct lifecycle_object object = { .key = tn_str_from(cases[i].key),
                                           .tags = tn_str_from(cases[i].tags),
                                           .size = cases[i].size,
                                           .is_marker = cases[i].is_marker };
        tn_arena_init(&arena, 1 << 16);
        (void)snprintf(text, sizeof text, "<Rule><Status>Enabled</Status>%s</Rule>", cases[i].rule);
        assert_int_equal(tn_xml_parse(&arena, tn_str_from(text), &rule, NULL), TARN_OK);
        if (lifecycle_rule_fits(rule, &arena, &object) != cases[i].rc)
            fail_msg("%s", cases[i].rule);
        tn_arena_release(&arena);
    }
    assert_true(lifecycle_after(1, 1, LIFECYCLE_DAY_MS) == 2 * LIFECYCLE_DAY_MS);
    assert_true(lifecycle_after(0, 1, LIFECYCLE_DAY_MS) == LIFECYCLE_DAY_MS);
    assert_true(lifecycle_after(0, UINT64_MAX, LIFECYCLE_DAY_MS) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_allows), cmocka_unit_test(test_tags),
                                        cmocka_unit_test(test_lifecycle) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
