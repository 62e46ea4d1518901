/* SPDX-License-Identifier: Apache-2.0 */
/* Cyclic redundancy checks: published values, every length and alignment against a bit-by-bit
 * reference. */

#include "base/crc.h"

#include "unit/t.h"

static uint64_t run(int kind, uint64_t crc, const void *p, size_t len)
{
    return kind == 0   ? tn_crc32((uint32_t)crc, p, len)
           : kind == 1 ? tn_crc32c((uint32_t)crc, p, len)
                       : tn_crc64nvme(crc, p, len);
}

static uint64_t join(int kind, uint64_t a, uint64_t b, uint64_t len_b)
{
    return kind == 0   ? tn_crc32_combine((uint32_t)a, (uint32_t)b, len_b)
           : kind == 1 ? tn_crc32c_combine((uint32_t)a, (uint32_t)b, len_b)
                       : tn_crc64nvme_combine(a, b, len_b);
}

static const struct {
    const char *name;
    uint64_t poly;
    uint64_t ones;
    uint64_t check; /* of "123456789" */
} kinds[] = {
    { "crc32", 0xedb88320, UINT32_MAX, 0xcbf43926 },
    { "crc32c", 0x82f63b78, UINT32_MAX, 0xe3069283 },
    { "crc64nvme", 0x9a6c9329ac4bc9b5, UINT64_MAX, 0xae8b14860a799888 },
};

static uint64_t slow(int kind, const unsigned char *p, size_t len)
{
    uint64_t crc = kinds[kind].ones;
    for (; len; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? kinds[kind].poly : 0);
    }
    return crc ^ kinds[kind].ones;
}

static void test_check_values(void **state)
{
    (void)state;
    for (int k = 0; k < (int)TN_COUNT(kinds); k++) {
        assert_true(run(k, 0, "123456789", 9) == kinds[k].check);
        assert_true(run(k, 0, "", 0) == 0);
        assert_true(run(k, kinds[k].check, NULL, 0) == kinds[k].check);
    }
    unsigned char zeros[32] = { 0 };
    assert_true(tn_crc32c(0, zeros, sizeof zeros) == 0x8a9136aa); /* RFC 3720, B.4 */
    assert_true(tn_crc64nvme(0, zeros, sizeof zeros) == 0xcf3473434d4ecf3b);
}

enum { BYTES_LEN = 700 };

static void fill(unsigned char bytes[BYTES_LEN])
{
    uint32_t seed = 12345;
    for (size_t i = 0; i < BYTES_LEN; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (unsigned char)(seed >> 16);
    }
}

static void test_every_length_and_alignment(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_LEN];
    fill(bytes);
    for (int k = 0; k < (int)TN_COUNT(kinds); k++) {
        for (size_t len = 0; len <= BYTES_LEN - 16; len++) {
            size_t at = len % 16;
            assert_true(run(k, 0, bytes + at, len) == slow(k, bytes + at, len));
        }
    }
}

static void test_pieces_and_combine(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_LEN];
    fill(bytes);
    for (int k = 0; k < (int)TN_COUNT(kinds); k++) {
        uint64_t whole = slow(k, bytes, BYTES_LEN);
        for (size_t cut = 0; cut <= BYTES_LEN; cut += 3) {
            uint64_t a = run(k, 0, bytes, cut);
            uint64_t b = run(k, 0, bytes + cut, BYTES_LEN - cut);
            assert_true(run(k, a, bytes + cut, BYTES_LEN - cut) == whole);
            assert_true(join(k, a, b, BYTES_LEN - cut) == whole);
        }
        assert_true(join(k, whole, 0, 0) == whole);
        assert_true(join(k, 0, whole, BYTES_LEN) == whole);
    }
}

/* Long lengths are never hashed, but joining is associative. */
static void test_combine_of_huge(void **state)
{
    (void)state;
    const uint64_t lens[] = { 1ull << 32, 5ull << 40, UINT64_MAX >> 1, 1 };
    for (int k = 0; k < (int)TN_COUNT(kinds); k++) {
        for (size_t i = 0; i < TN_COUNT(lens); i++) {
            uint64_t a = kinds[k].check;
            uint64_t b = 0x1234567;
            uint64_t c = 0x89abcd;
            uint64_t left = join(k, join(k, a, b, lens[i]), c, 77);
            uint64_t right = join(k, a, join(k, b, c, 77), lens[i] + 77);
            assert_true(left == right);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_values),
        cmocka_unit_test(test_every_length_and_alignment),
        cmocka_unit_test(test_pieces_and_combine),
        cmocka_unit_test(test_combine_of_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
