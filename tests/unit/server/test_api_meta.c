/* SPDX-License-Identifier: Apache-2.0 */
/* The stored form of metadata: what goes in comes out, what is broken is told. */

#include "server/api/meta.h"

#include "unit/t.h"

enum { ARENA_MAX = 1024 * 1024 };

static const struct tn_header pairs[] = {
    { { "color", 5 }, { "blue", 4 } },
    { { "empty", 5 }, { "", 0 } },
    { { "bytes", 5 }, { "\xc3\xbc=?", 4 } },
};

static struct api_meta full_meta(void)
{
    struct api_meta meta = { .user = pairs, .user_count = TN_COUNT(pairs) };
    meta.fields[API_META_CONTENT_TYPE] = TN_STR("text/plain");
    meta.fields[API_META_EXPIRES] = TN_STR("never");
    meta.fields[API_META_LOCATION] = TN_STR("eu-west-1");
    meta.checksum = (struct tn_checksum_value){ .kind = TN_CHECKSUM_SHA256,
                                                .type = TN_CHECKSUM_COMPOSITE,
                                                .part_count = 10000,
                                                .bytes = { 1, 2, 3 } };
    return meta;
}

static int round_trip(void *arg)
{
    struct api_meta in = full_meta();
    struct api_meta out;
    struct tn_buf bytes = TN_BUF_INIT(65536);
    struct tn_arena arena;
    (void)arg;
    tn_arena_init(&arena, ARENA_MAX);
    int rc = api_meta_encode(&in, &bytes);
    if (rc < 0)
        assert_int_equal(bytes.len, 0);
    if (rc == TARN_OK)
        rc = api_meta_decode(tn_buf_str(&bytes), &arena, &out);
    if (rc == TARN_OK) {
        for (unsigned i = 0; i < API_META_FIELD_COUNT; i++)
            assert_true(tn_str_eq(in.fields[i], out.fields[i]));
        assert_int_equal(out.user_count, in.user_count);
        for (size_t i = 0; i < out.user_count; i++) {
            assert_true(tn_str_eq(out.user[i].name, pairs[i].name));
            assert_true(tn_str_eq(out.user[i].value, pairs[i].value));
        }
        assert_true(tn_checksum_eq(&in.checksum, &out.checksum));
        assert_int_equal(out.checksum.part_count, 10000);
    }
    tn_buf_release(&bytes);
    tn_arena_release(&arena);
    return rc;
}

static void test_round_trip(void **state)
{
    (void)state;
    t_oom_sweep(round_trip, NULL);
}

static const struct {
    const char *name;
    const char *bytes;
    size_t len;
    int rc;
} rows[] = {
    { "nothing", "", 0, TARN_OK },
    { "version only", "\1", 1, TARN_OK },
    { "a field", "\1\1\0\2\0\0\0ab", 9, TARN_OK },
    { "an unknown tag is skipped", "\1\x40\x1f\2\0\0\0ab", 9, TARN_OK },
    { "version of the future", "\2", 1, TARN_ECORRUPT },
    { "version 0", "\0", 1, TARN_ECORRUPT },
    { "cut in the tag", "\1\1", 2, TARN_ECORRUPT },
    { "cut in the length", "\1\1\0\2\0", 5, TARN_ECORRUPT },
    { "cut in the value", "\1\1\0\2\0\0\0a", 8, TARN_ECORRUPT },
    { "length past the end",
      "\1\1\0\xff\xff\xff\xff"
      "ab",
      9, TARN_ECORRUPT },
    { "user pair without a name length", "\1\x64\0\1\0\0\0a", 8, TARN_ECORRUPT },
    { "user name past the end", "\1\x64\0\3\0\0\0\5\0a", 10, TARN_ECORRUPT },
    { "checksum without a head", "\1\x65\0\1\0\0\0\1", 8, TARN_ECORRUPT },
    { "checksum of no kind", "\1\x65\0\6\0\0\0\0\0\0\0\0\0", 13, TARN_ECORRUPT },
    { "checksum of an unknown kind", "\1\x65\0\6\0\0\0\x63\0\0\0\0\0", 13, TARN_ECORRUPT },
    { "checksum of a wrong length", "\1\x65\0\7\0\0\0\1\0\0\0\0\0\0", 14, TARN_ECORRUPT },
};

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_arena arena;
        struct api_meta out = { .user_count = 77 };
        tn_arena_init(&arena, ARENA_MAX);
        int rc = api_meta_decode((struct tn_str){ rows[i].bytes, rows[i].len }, &arena, &out);
        if (rc != rows[i].rc)
            fail_msg("%s: %s", rows[i].name, tarn_status_name(rc));
        assert_int_equal(out.user_count, rc < 0 ? 77 : 0);
        tn_arena_release(&arena);
    }
}

static void try_decode(struct tn_str bytes)
{
    struct api_meta out;
    struct tn_arena arena;
    tn_arena_init(&arena, ARENA_MAX);
    int rc = api_meta_decode(bytes, &arena, &out);
    assert_true(rc == TARN_OK || rc == TARN_ECORRUPT);
    tn_arena_release(&arena);
}

/* No cut and no flipped byte may do more than be refused. */
static void test_damage(void **state)
{
    struct api_meta in = full_meta();
    TN_AUTO_BUF bytes = TN_BUF_INIT(65536);
    (void)state;
    assert_int_equal(api_meta_encode(&in, &bytes), TARN_OK);
    for (size_t i = 0; i < bytes.len; i++) {
        try_decode(tn_str_sub(tn_buf_str(&bytes), 0, i));
        bytes.data[i] = (char)(bytes.data[i] ^ 0x81);
        try_decode(tn_buf_str(&bytes));
        bytes.data[i] = (char)(bytes.data[i] ^ 0x81);
    }
}

static void test_attrs(void **state)
{
    (void)state;
    uint32_t attrs = api_attrs(API_CLASS_GLACIER_IR, TN_CHECKSUM_SHA256, TN_CHECKSUM_COMPOSITE);
    assert_int_equal(api_attrs_class(attrs), API_CLASS_GLACIER_IR);
    assert_int_equal(api_attrs_checksum(attrs), TN_CHECKSUM_SHA256);
    assert_int_equal(api_attrs_checksum_type(attrs), TN_CHECKSUM_COMPOSITE);
    assert_int_equal(api_attrs_class(15), API_CLASS_STANDARD);
    assert_int_equal(api_attrs_checksum(15 << 4), TN_CHECKSUM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_attrs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
