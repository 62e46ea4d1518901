/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and metadata from the command line. */

#include "unit/t.h"

#include "cli/attribute_options.h"

static const struct {
    const char *name;
    const char *metadata[3];
    const char *content_type;
    int rc;
} cases[] = {
    { "nothing", { NULL }, NULL, TARN_OK },
    { "one", { "a=b" }, "text/plain", TARN_OK },
    { "empty value", { "a=" }, NULL, TARN_OK },
    { "equals sign in the value", { "a=b=c" }, NULL, TARN_OK },
    { "UTF-8 in the value", { "a=\xc3\xa9" }, NULL, TARN_OK },
    { "no equals sign", { "a" }, NULL, TARN_EINVAL },
    { "empty", { "" }, NULL, TARN_EINVAL },
    { "empty name", { "=b" }, NULL, TARN_EINVAL },
    { "blank in the name", { "a b=c" }, NULL, TARN_EINVAL },
    { "colon in the name", { "a:b=c" }, NULL, TARN_EINVAL },
    { "line break in the name", { "a\nb=c" }, NULL, TARN_EINVAL },
    { "UTF-8 in the name", { "\xc3\xa9=c" }, NULL, TARN_EINVAL },
    { "line break in the value", { "a=b\r\nx-evil: 1" }, NULL, TARN_EINVAL },
    { "escape in the value", { "a=\033[2J" }, NULL, TARN_EINVAL },
    { "twice", { "a=1", "a=2" }, NULL, TARN_EINVAL },
    { "twice in other case", { "a=1", "A=2" }, NULL, TARN_EINVAL },
    { "second is bad", { "a=1", "b" }, NULL, TARN_EINVAL },
    { "line break in a header", { NULL }, "text/plain\nx: y", TARN_EINVAL },
};

static size_t count_of(const char *const *items)
{
    size_t count = 0;
    while (count < 3 && items[count])
        count++;
    return count;
}

static void test_init(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        const char *items[3] = { cases[i].metadata[0], cases[i].metadata[1], cases[i].metadata[2] };
        struct cli_options opt = { .content_type = cases[i].content_type,
                                   .metadata = { items, count_of(items) } };
        struct cli_attributes attributes = { 0 };
        struct tarn_error err = { 0 };
        print_message("%s\n", cases[i].name);
        assert_int_equal(cli_attributes_init(&attributes, &opt, &err), cases[i].rc);
        if (cases[i].rc == TARN_OK) {
            assert_int_equal(attributes.value.metadata_count, opt.metadata.count);
            assert_int_equal(cli_attributes_replace(&opt),
                             opt.metadata.count > 0 || opt.content_type != NULL);
        } else {
            assert_null(attributes.texts);
        }
        cli_attributes_release(&attributes);
    }
}

static void test_values(void **state)
{
    (void)state;
    static char huge[CLI_HEADER_VALUE_MAX + 2];
    const char *items[] = { "Name=a=b" };
    struct cli_options opt = { .metadata = { items, 1 } };
    struct cli_attributes attributes;
    assert_int_equal(cli_attributes_init(&attributes, &opt, NULL), TARN_OK);
    assert_string_equal(attributes.value.metadata[0].name, "Name");
    assert_string_equal(attributes.value.metadata[0].value, "a=b");
    cli_attributes_release(&attributes);

    memset(huge, 'x', sizeof huge - 1);
    opt.cache_control = huge;
    assert_int_equal(cli_attributes_init(&attributes, &opt, NULL), TARN_EINVAL);
}

static int init_for_sweep(void *arg)
{
    const char *items[] = { "a=1", "b=2" };
    struct cli_options opt = { .metadata = { items, 2 } };
    struct cli_attributes attributes = { 0 };
    (void)arg;
    int rc = cli_attributes_init(&attributes, &opt, NULL);
    cli_attributes_release(&attributes);
    return rc;
}

static void test_oom(void **state)
{
    (void)state;
    t_oom_sweep(init_for_sweep, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests_name("cli_attributes", tests, NULL, NULL);
}
