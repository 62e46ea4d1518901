/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an answer's head. */

#include "unit/t.h"

#include "client/head.h"

static void add(struct tn_buf *head, struct tn_str name, struct tn_str value)
{
    assert_int_equal(tn_head_add(head, name, value), TARN_OK);
}

static void test_fields_come_in_order(void **state)
{
    TN_AUTO_BUF head = TN_BUF_INIT(1024);
    struct tn_head_field field;
    size_t at = 0;
    (void)state;
    assert_false(tn_head_next(&head, &at, &field));
    add(&head, TN_STR("ETag"), TN_STR("\"abc\""));
    add(&head, TN_STR("X-Empty"), TN_STR_EMPTY);
    add(&head, TN_STR(""), TN_STR("nameless"));
    add(&head, TN_STR("etag"), TN_STR("second"));
    assert_true(tn_head_next(&head, &at, &field));
    assert_str_equal(field.name, "etag");
    assert_str_equal(field.value, "\"abc\"");
    assert_string_equal(field.value.data, "\"abc\""); /* a C string, too */
    assert_true(tn_head_next(&head, &at, &field));
    assert_str_equal(field.name, "x-empty");
    assert_string_equal(field.value.data, "");
    assert_true(tn_head_next(&head, &at, &field));
    assert_string_equal(field.name.data, "");
    assert_true(tn_head_next(&head, &at, &field));
    assert_str_equal(field.value, "second");
    assert_false(tn_head_next(&head, &at, &field));
}

static void test_find(void **state)
{
    TN_AUTO_BUF head = TN_BUF_INIT(1024);
    (void)state;
    add(&head, TN_STR("A"), TN_STR("x\0etag\0forged"));
    add(&head, TN_STR("ETag"), TN_STR("1"));
    add(&head, TN_STR("ETag"), TN_STR("2"));
    assert_str_equal(tn_head_find(&head, TN_STR("etag")), "1"); /* a NUL ends no field */
    assert_int_equal(tn_head_find(&head, TN_STR("a")).len, 13);
    assert_null(tn_head_find(&head, TN_STR("forged")).data);
    assert_null(tn_head_find(&head, TN_STR("eta")).data);
}

static void test_a_field_too_long_changes_nothing(void **state)
{
    TN_AUTO_BUF head = TN_BUF_INIT(64);
    char value[64];
    (void)state;
    memset(value, 'v', sizeof value);
    add(&head, TN_STR("a"), TN_STR("1"));
    size_t len = head.len;
    assert_int_equal(tn_head_add(&head, TN_STR("b"), (struct tn_str){ value, sizeof value }),
                     TARN_ETOOBIG);
    assert_int_equal(head.len, len);
    assert_str_equal(tn_head_find(&head, TN_STR("a")), "1");
    assert_null(tn_head_find(&head, TN_STR("b")).data);
}

static int add_some(void *arg)
{
    TN_AUTO_BUF head = TN_BUF_INIT(4096);
    int rc = TARN_OK;
    (void)arg;
    for (int i = 0; i < 32 && rc == TARN_OK; i++)
        rc = tn_head_add(&head, TN_STR("Name"), TN_STR("value"));
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(add_some, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_come_in_order),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_a_field_too_long_changes_nothing),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
