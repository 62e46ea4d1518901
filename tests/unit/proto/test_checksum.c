/* SPDX-License-Identifier: Apache-2.0 */
/* S3 checksums: names, values, text forms, and those of multipart objects. */

#include "proto/checksum.h"

#include "unit/t.h"

static const struct {
    enum tn_checksum_kind kind;
    const char *name, *header;
    const char *text; /* of "123456789" */
} kinds[] = {
    { TN_CHECKSUM_CRC32, "CRC32", "x-amz-checksum-crc32", "y/Q5Jg==" },
    { TN_CHECKSUM_CRC32C, "CRC32C", "x-amz-checksum-crc32c", "4waSgw==" },
    { TN_CHECKSUM_CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", "rosUhgp5mIg=" },
    { TN_CHECKSUM_SHA1, "SHA1", "x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=" },
    { TN_CHECKSUM_SHA256, "SHA256", "x-amz-checksum-sha256",
      "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=" },
    { TN_CHECKSUM_SHA512, "SHA512", "x-amz-checksum-sha512",
      "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==" },
    { TN_CHECKSUM_MD5, "MD5", "x-amz-checksum-md5", "JfnnlDI7RTiF9RgfG2JNCw==" },
    { TN_CHECKSUM_XXHASH64, "XXHASH64", "x-amz-checksum-xxhash64", "jLhB20DmroM=" },
    { TN_CHECKSUM_XXHASH3, "XXHASH3", "x-amz-checksum-xxhash3", "ctyxi2ehff8=" },
    { TN_CHECKSUM_XXHASH128, "XXHASH128", "x-amz-checksum-xxhash128", "MxGUd+3l3NXpcWQnaB1YYA==" },
};

static void value_of(enum tn_checksum_kind kind, const char *bytes, size_t len,
                     struct tn_checksum_value *out)
{
    struct tn_checksum c;
    assert_int_equal(tn_checksum_init(&c, kind), TARN_OK);
    tn_checksum_update(&c, bytes, len);
    tn_checksum_final(&c, out);
    tn_checksum_release(&c);
}

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        struct tn_str name = tn_str_from(kinds[i].name);
        struct tn_str header = tn_str_from(kinds[i].header);
        assert_true(tn_str_eq(tn_checksum_name(kinds[i].kind), name));
        assert_true(tn_str_eq(tn_checksum_header(kinds[i].kind), header));
        assert_int_equal(tn_checksum_from_name(name), kinds[i].kind);
        assert_int_equal(tn_checksum_from_header(header), kinds[i].kind);
        assert_int_equal(tn_checksum_from_name(header), TN_CHECKSUM_NONE);

        struct tn_checksum c;
        assert_int_equal(tn_checksum_init(&c, kinds[i].kind), TARN_OK);
        for (int again = 0; again < 2; again++) {
            struct tn_checksum_value value;
            struct tn_checksum_value parsed;
            char text[TN_CHECKSUM_TEXT_LEN];
            tn_checksum_update(&c, "1234", 4);
            tn_checksum_update(&c, "56789", 5);
            tn_checksum_final(&c, &value);
            assert_int_equal(tn_checksum_text(&value, text), strlen(kinds[i].text));
            assert_string_equal(text, kinds[i].text);
            assert_int_equal(tn_checksum_parse(kinds[i].kind, tn_str_from(text), &parsed), TARN_OK);
            assert_true(tn_checksum_eq(&value, &parsed));
            parsed.bytes[tn_checksum_len(kinds[i].kind) - 1] ^= 1;
            assert_false(tn_checksum_eq(&value, &parsed));
        }
        tn_checksum_release(&c);
    }
    assert_int_equal(tn_checksum_from_name(TN_STR("crc32c")), TN_CHECKSUM_CRC32C);
    assert_int_equal(tn_checksum_from_name(TN_STR("")), TN_CHECKSUM_NONE);
    assert_int_equal(tn_checksum_from_header(TN_STR("")), TN_CHECKSUM_NONE);
    assert_int_equal(tn_checksum_from_header(TN_STR("x-amz-checksum-type")), TN_CHECKSUM_NONE);
}

static const struct {
    const char *name;
    enum tn_checksum_kind kind;
    const char *text;
    int rc;
    uint32_t part_count;
} texts[] = {
    { "plain", TN_CHECKSUM_CRC32, "y/Q5Jg==", TARN_OK, 0 },
    { "composite", TN_CHECKSUM_CRC32, "y/Q5Jg==-3", TARN_OK, 3 },
    { "most parts", TN_CHECKSUM_CRC32, "y/Q5Jg==-10000", TARN_OK, 10000 },
    { "too many parts", TN_CHECKSUM_CRC32, "y/Q5Jg==-10001", TARN_EINVAL, 0 },
    { "no parts", TN_CHECKSUM_CRC32, "y/Q5Jg==-0", TARN_EINVAL, 0 },
    { "leading zero", TN_CHECKSUM_CRC32, "y/Q5Jg==-03", TARN_EINVAL, 0 },
    { "no count", TN_CHECKSUM_CRC32, "y/Q5Jg==-", TARN_EINVAL, 0 },
    { "bad count", TN_CHECKSUM_CRC32, "y/Q5Jg==-x", TARN_EINVAL, 0 },
    { "two counts", TN_CHECKSUM_CRC32, "y/Q5Jg==-1-1", TARN_EINVAL, 0 },
    { "count alone", TN_CHECKSUM_CRC32, "-1", TARN_EINVAL, 0 },
    { "empty", TN_CHECKSUM_CRC32, "", TARN_EINVAL, 0 },
    { "no padding", TN_CHECKSUM_CRC32, "y/Q5Jg", TARN_EINVAL, 0 },
    { "three bytes", TN_CHECKSUM_CRC32, "y/Q5", TARN_EINVAL, 0 },
    { "eight bytes", TN_CHECKSUM_CRC32, "rosUhgp5mIg=", TARN_EINVAL, 0 },
    { "hexadecimal", TN_CHECKSUM_CRC32, "cbf43926", TARN_EINVAL, 0 },
    { "blank", TN_CHECKSUM_CRC32, " y/Q5Jg==", TARN_EINVAL, 0 },
    { "no kind", TN_CHECKSUM_NONE, "", TARN_EINVAL, 0 },
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(texts); i++) {
        struct tn_checksum_value value = { .part_count = 77 };
        int rc = tn_checksum_parse(texts[i].kind, tn_str_from(texts[i].text), &value);
        if (rc != texts[i].rc)
            fail_msg("%s: %d", texts[i].name, rc);
        if (rc < 0) {
            assert_int_equal(value.part_count, 77);
            continue;
        }
        char text[TN_CHECKSUM_TEXT_LEN];
        assert_int_equal(value.part_count, texts[i].part_count);
        assert_int_equal(tn_checksum_text(&value, text), strlen(texts[i].text));
        assert_string_equal(text, texts[i].text);
    }
}

static void test_parts(void **state)
{
    (void)state;
    static const char bytes[] = "123456789";
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        struct tn_checksum_value a;
        struct tn_checksum_value b;
        struct tn_checksum_value got;
        struct tn_checksum_parts p;
        value_of(kinds[i].kind, bytes, 4, &a);
        value_of(kinds[i].kind, bytes + 4, 5, &b);
        for (int t = TN_CHECKSUM_FULL_OBJECT; t <= TN_CHECKSUM_COMPOSITE; t++) {
            enum tn_checksum_type type = (enum tn_checksum_type)t;
            int rc = tn_checksum_parts_init(&p, kinds[i].kind, type);
            assert_int_equal(rc == TARN_OK, tn_checksum_type_fits(kinds[i].kind, type));
            if (rc < 0)
                continue;
            for (int again = 0; again < 2; again++) {
                char text[TN_CHECKSUM_TEXT_LEN];
                assert_int_equal(tn_checksum_parts_add(&p, &a, 4), TARN_OK);
                assert_int_equal(tn_checksum_parts_add(&p, &b, 5), TARN_OK);
                tn_checksum_parts_final(&p, &got);
                (void)tn_checksum_text(&got, text);
                if (type == TN_CHECKSUM_FULL_OBJECT) {
                    assert_string_equal(text, kinds[i].text);
                    continue;
                }
                char joined[2 * TN_CHECKSUM_LEN_MAX];
                size_t len = tn_checksum_len(kinds[i].kind);
                struct tn_checksum_value expected;
                memcpy(joined, a.bytes, len);
                memcpy(joined + len, b.bytes, len);
                value_of(kinds[i].kind, joined, 2 * len, &expected);
                assert_memory_equal(got.bytes, expected.bytes, len);
                assert_int_equal(got.part_count, 2);
                assert_string_equal(text + strlen(text) - 2, "-2");
                assert_int_equal(tn_checksum_parts_add(&p, &got, 1), TARN_EINVAL);
            }
            tn_checksum_parts_release(&p);
        }
    }
}

static void test_parts_refuse(void **state)
{
    (void)state;
    struct tn_checksum_parts p;
    struct tn_checksum_value crc32;
    struct tn_checksum_value crc32c;
    value_of(TN_CHECKSUM_CRC32, "", 0, &crc32);
    value_of(TN_CHECKSUM_CRC32C, "", 0, &crc32c);
    assert_int_equal(tn_checksum_parts_init(&p, TN_CHECKSUM_NONE, TN_CHECKSUM_COMPOSITE),
                     TARN_EINVAL);
    assert_int_equal(tn_checksum_parts_init(&p, TN_CHECKSUM_CRC32, TN_CHECKSUM_FULL_OBJECT),
                     TARN_OK);
    assert_int_equal(tn_checksum_parts_add(&p, &crc32c, 0), TARN_EINVAL);
    for (int i = 0; i < TN_CHECKSUM_PART_COUNT_MAX; i++)
        assert_int_equal(tn_checksum_parts_add(&p, &crc32, 0), TARN_OK);
    assert_int_equal(tn_checksum_parts_add(&p, &crc32, 0), TARN_ETOOBIG);
    tn_checksum_parts_release(&p);
}

static void test_types(void **state)
{
    (void)state;
    enum tn_checksum_type type = TN_CHECKSUM_COMPOSITE;
    assert_int_equal(tn_checksum_type_from_name(TN_STR("FULL_OBJECT"), &type), TARN_OK);
    assert_int_equal(type, TN_CHECKSUM_FULL_OBJECT);
    assert_int_equal(tn_checksum_type_from_name(TN_STR("COMPOSITE"), &type), TARN_OK);
    assert_int_equal(type, TN_CHECKSUM_COMPOSITE);
    assert_int_equal(tn_checksum_type_from_name(TN_STR("FULL"), &type), TARN_EINVAL);
    assert_str_equal(tn_checksum_type_name(TN_CHECKSUM_COMPOSITE), "COMPOSITE");
}

static void test_none(void **state)
{
    (void)state;
    struct tn_checksum_value value;
    char text[TN_CHECKSUM_TEXT_LEN];
    value_of(TN_CHECKSUM_NONE, "abc", 3, &value);
    assert_int_equal(tn_checksum_text(&value, text), 0);
    struct tn_checksum zeroed = { 0 };
    tn_checksum_release(&zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_parts), cmocka_unit_test(test_parts_refuse),
        cmocka_unit_test(test_types), cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
