/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of encrypted bodies: sizes, round trips, everything that must be noticed; files of keys.
 */

#include "server/api/sse.h"

#include <unistd.h>

#include "server/api/sse_stream.h"
#include "unit/t.h"

static const unsigned char key[SSE_KEY_LEN] = "0123456789abcdef0123456789abcde";
static const unsigned char salt[SSE_SALT_LEN] = "salt of a body.";

static void test_sizes(void **state)
{
    (void)state;
    static const uint64_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 5ull << 30 };
    for (size_t i = 0; i < TN_COUNT(sizes); i++) {
        uint64_t sealed = sse_sealed_len(sizes[i]);
        assert_true(sealed == sizes[i] + sse_block_count(sizes[i]) * SSE_TAG_LEN);
        assert_true(sse_plain_len(sealed) == sizes[i]);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t number;
        bool is_last;
        size_t flip; /* byte to damage; SIZE_MAX: none */
        size_t len;
        int rc;
    } cases[] = {
        { "as it was", 7, true, SIZE_MAX, 4 + SSE_TAG_LEN, TARN_OK },
        { "another place", 8, true, SIZE_MAX, 4 + SSE_TAG_LEN, TARN_ECORRUPT },
        { "cut off behind it", 7, false, SIZE_MAX, 4 + SSE_TAG_LEN, TARN_ECORRUPT },
        { "a byte changed", 7, true, 0, 4 + SSE_TAG_LEN, TARN_ECORRUPT },
        { "the tag changed", 7, true, 4, 4 + SSE_TAG_LEN, TARN_ECORRUPT },
        { "shorter", 7, true, SIZE_MAX, 3 + SSE_TAG_LEN, TARN_ECORRUPT },
        { "no tag", 7, true, SIZE_MAX, 4, TARN_ECORRUPT },
        { "nothing", 7, true, SIZE_MAX, 0, TARN_ECORRUPT },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        unsigned char sealed[4 + SSE_TAG_LEN];
        unsigned char opened[4 + SSE_TAG_LEN] = { 0 };
        struct sse_cipher *c = sse_cipher_new(key, salt);
        assert_non_null(c);
        assert_int_equal(sse_seal_block(c, 7, true, "text", 4, sealed), TARN_OK);
        if (cases[i].flip != SIZE_MAX)
            sealed[cases[i].flip] ^= 1;
        int rc = sse_open_block(c, cases[i].number, cases[i].is_last, sealed, cases[i].len, opened);
        if (rc != cases[i].rc)
            fail_msg("%s: %d", cases[i].name, rc);
        if (rc == TARN_OK)
            assert_memory_equal(opened, "text", 4);
        sse_cipher_free(c);
    }
}

static void test_keys_differ(void **state)
{
    (void)state;
    unsigned char other_salt[SSE_SALT_LEN] = "another body...";
    unsigned char a[SSE_CHECK_LEN];
    unsigned char b[SSE_CHECK_LEN];
    unsigned char sealed[4 + SSE_TAG_LEN];
    unsigned char opened[4];
    struct sse_cipher *one = sse_cipher_new(key, salt);
    struct sse_cipher *two = sse_cipher_new(key, other_salt);
    assert_non_null(one);
    assert_non_null(two);
    assert_int_equal(sse_seal_block(one, 0, true, "text", 4, sealed), TARN_OK);
    assert_int_equal(sse_open_block(two, 0, true, sealed, sizeof sealed, opened), TARN_ECORRUPT);
    sse_cipher_free(one);
    sse_cipher_free(two);
    sse_key_check(key, salt, a);
    sse_key_check(key, other_salt, b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sse_kind kind;
        int rc;
    } cases[] = {
        { "", SSE_NONE, TARN_OK },
        { "S 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff -- ", SSE_S3,
          TARN_OK },
        { "K 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff db id ctx", SSE_KMS,
          TARN_OK },
        { "X 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff -- ", SSE_NONE,
          TARN_ECORRUPT },
        { "S 0011 00112233445566778899aabbccddeeff --", SSE_NONE, TARN_ECORRUPT },
        { "S 0011223344556677889 9aabbccddeeff0 --", SSE_NONE, TARN_ECORRUPT },
        { "C", SSE_NONE, TARN_ECORRUPT },
        { " ", SSE_NONE, TARN_ECORRUPT },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct sse sse = { .kind = SSE_NONE };
        int rc = sse_decode(tn_str_from(cases[i].text), &sse);
        if (rc != cases[i].rc || sse.kind != cases[i].kind)
            fail_msg("%s: %d", cases[i].text, rc);
    }
}

#define KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static void test_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        int rc;
    } cases[] = {
        { "two keys", "# comment\n\ns3 " KEY "\nother  " KEY "\r\n", TARN_OK },
        { "nothing", "", TARN_OK },
        { "repeated", "s3 " KEY "\ns3 " KEY "\n", TARN_EINVAL },
        { "short", "s3 MDEyMw==\n", TARN_EINVAL },
        { "long", "s3 MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWZm\n", TARN_EINVAL },
        { "no base64", "s3 !!!\n", TARN_EINVAL },
        { "no key", "s3\n", TARN_EINVAL },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        char path[] = "/tmp/test-sse-XXXXXX";
        int fd = mkstemp(path);
        struct sse_keys *keys = NULL;
        struct tarn_error err = { 0 };
        assert_true(fd >= 0);
        assert_true(write(fd, cases[i].text, strlen(cases[i].text)) >= 0);
        (void)close(fd);
        int rc = sse_keys_load(path, &keys, &err);
        (void)unlink(path);
        if (rc == TARN_EINVAL)
            rc = cases[i].rc == TARN_EINVAL ? rc : 1;
        if (rc != cases[i].rc)
            fail_msg("%s: %d %s", cases[i].name, rc, err.message);
        if (i == 0) {
            assert_non_null(sse_keys_find(keys, TN_STR("other")));
            assert_null(sse_keys_find(keys, TN_STR("none")));
        }
        assert_null(strstr(err.message, "MDEy"));
        sse_keys_free(keys);
    }
    struct sse_keys *keys = NULL;
    assert_true(sse_keys_load("/nonexistent/keys", &keys, NULL) < 0);
    assert_null(sse_keys_find(NULL, TN_STR("s3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_keys_differ), cmocka_unit_test(test_decode),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
