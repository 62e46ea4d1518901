/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: published values, pieces of any size, reuse. */

#include "base/hash.h"

#include "base/codec.h"
#include "unit/t.h"

static const char abc56[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

static const struct {
    const char *name;
    enum tn_hash_kind kind;
    const char *text;
    const char *hex;
} digests[] = {
    { "md5 empty", TN_HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
    { "md5 abc", TN_HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
    { "sha1 empty", TN_HASH_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
    { "sha1 two blocks", TN_HASH_SHA1, abc56, "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
    { "sha256 empty", TN_HASH_SHA256, "",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "sha256 two blocks", TN_HASH_SHA256, abc56,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "sha512 empty", TN_HASH_SHA512, "",
      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
      "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" },
    { "sha512 one block", TN_HASH_SHA512, abc56,
      "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
      "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445" },
    { "xxh64 empty", TN_HASH_XXHASH64, "", "ef46db3751d8e999" },
    { "xxh64 two stripes", TN_HASH_XXHASH64, abc56, "f06103773e8585df" },
    { "xxh3 empty", TN_HASH_XXHASH3, "", "2d06800538d394c2" },
    { "xxh3 short", TN_HASH_XXHASH3, abc56, "5bbcbbabcdcc3d3f" },
    { "xxh128 empty", TN_HASH_XXHASH128, "", "99aa06d3014798d86001c324468d497f" },
    { "xxh128 short", TN_HASH_XXHASH128, abc56, "3d62d22a5169b016c0d894fd4828a1a7" },
};

static void test_digests(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(digests); i++) {
        size_t len = strlen(digests[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            struct tn_hash h;
            assert_int_equal(tn_hash_init(&h, digests[i].kind), TARN_OK);
            for (int again = 0; again < 2; again++) {
                unsigned char out[TN_HASH_LEN_MAX];
                char hex[2 * TN_HASH_LEN_MAX + 1];
                tn_hash_update(&h, digests[i].text, cut);
                tn_hash_update(&h, digests[i].text + cut, len - cut);
                tn_hash_final(&h, out);
                tn_hex_encode(out, tn_hash_len(digests[i].kind), hex);
                assert_string_equal(hex, digests[i].hex);
            }
            tn_hash_release(&h);
        }
    }
}

/* Of 5,000 bytes, so that all have to take several of their blocks. */
static const struct {
    enum tn_hash_kind kind;
    const char *hex;
} longs[] = {
    { TN_HASH_MD5, "fd180faa8705b5d5fa96247fa7b52568" },
    { TN_HASH_SHA1, "30d6773230faa2de7414462615cf9215e3b85bcd" },
    { TN_HASH_SHA256, "11013d0e177469e6b385980a5a34d5b464ff15299481d5b4fe88922180606221" },
    { TN_HASH_SHA512, "29ea690743e7edc19f1770428aaca2de66f390347a0e4dcb996c6203fbf13aba"
                      "bd19634c0313cf7fdf62b3e2010804acaff5e8b5cd42ebf1beb9e5b7305b2e85" },
    { TN_HASH_XXHASH64, "a11684ff2ed42a00" },
    { TN_HASH_XXHASH3, "60b1c0ae31e84fef" },
    { TN_HASH_XXHASH128, "6ea166290b8a2f1360b1c0ae31e84fef" },
};

static void test_long(void **state)
{
    (void)state;
    unsigned char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31);
    for (size_t i = 0; i < TN_COUNT(longs); i++) {
        struct tn_hash h;
        assert_int_equal(tn_hash_init(&h, longs[i].kind), TARN_OK);
        for (size_t step = 1; step <= sizeof bytes; step = step * 3 + 1) {
            unsigned char out[TN_HASH_LEN_MAX];
            char hex[2 * TN_HASH_LEN_MAX + 1];
            for (size_t at = 0; at < sizeof bytes; at += step)
                tn_hash_update(&h, bytes + at, step < sizeof bytes - at ? step : sizeof bytes - at);
            tn_hash_final(&h, out);
            tn_hex_encode(out, tn_hash_len(longs[i].kind), hex);
            assert_string_equal(hex, longs[i].hex);
        }
        tn_hash_release(&h);
    }
}

static void test_one_piece_equals_running(void **state)
{
    (void)state;
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31);
    struct tn_hash md5;
    struct tn_hash sha256;
    assert_int_equal(tn_hash_init(&md5, TN_HASH_MD5), TARN_OK);
    assert_int_equal(tn_hash_init(&sha256, TN_HASH_SHA256), TARN_OK);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        unsigned char a[TN_HASH_LEN_MAX];
        unsigned char b[TN_HASH_LEN_MAX];
        tn_hash_update(&md5, bytes, len);
        tn_hash_final(&md5, a);
        tn_md5(bytes, len, b);
        assert_memory_equal(a, b, TN_MD5_LEN);
        tn_hash_update(&sha256, bytes, len);
        tn_hash_final(&sha256, a);
        tn_sha256(bytes, len, b);
        assert_memory_equal(a, b, TN_SHA256_LEN);
    }
    tn_hash_release(&md5);
    tn_hash_release(&sha256);
}

/* RFC 4231, cases 1, 2, 6 (a key longer than a block). */
static const struct {
    const char *name;
    size_t key_len;
    char key_byte;
    const char *key;
    const char *text;
    const char *hex;
} macs[] = {
    { "case 1", 20, 0x0b, NULL, "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "case 2", 4, 0, "Jefe", "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { "case 6", 131, (char)0xaa, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { "nothing at all", 0, 0, "", "",
      "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
};

static void test_hmac(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(macs); i++) {
        char key[131];
        memset(key, macs[i].key_byte, sizeof key);
        if (macs[i].key)
            memcpy(key, macs[i].key, macs[i].key_len);
        unsigned char out[TN_SHA256_LEN];
        char hex[2 * TN_SHA256_LEN + 1];
        tn_hmac_sha256(key, macs[i].key_len, macs[i].text, strlen(macs[i].text), out);
        tn_hex_encode(out, sizeof out, hex);
        assert_string_equal(hex, macs[i].hex);
    }
}

static void test_release_of_zeroed(void **state)
{
    (void)state;
    struct tn_hash h = { 0 };
    tn_hash_release(&h);
    tn_hash_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_one_piece_equals_running),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_release_of_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
