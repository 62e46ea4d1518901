/* SPDX-License-Identifier: Apache-2.0 */
/* Cyclic redundancy checks: one engine for three bit-reflected polynomials.
 *
 * Long input is folded 64 bytes at a time by carry-less multiplication (Gopal et al., "Fast CRC
 * computation for generic polynomials using PCLMULQDQ", Intel 2009) down to 16 bytes, which go
 * through the tables like the rest. Constants are computed at the first use rather than written
 * down, so that there is nothing to mistype. */

#include "base/crc.h"

#include <endian.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
    SLICE_COUNT = 8,
    FOLD_LEN = 64,    /* one round of folding: four lanes of 16 bytes */
    FOLD_MIN = 128,   /* below this the tables are as fast */
    POWER_COUNT = 67, /* x^(2^0) to x^(2^66): 2^63 bytes are fewer than 2^67 bits */
};

/* Bit 0 of a value stands for the highest power of x, bit width - 1 for x^0. Read-only after init.
 */
struct engine {
    uint64_t poly;
    unsigned width;
    uint64_t tables[SLICE_COUNT][256];
    uint64_t powers[POWER_COUNT];
    uint64_t far_keys[2];  /* move a lane on by FOLD_LEN bytes: for its first and its second half */
    uint64_t near_keys[2]; /* by 16 bytes */
    bool can_fold;
    bool has_crc32_op; /* the processor has an instruction for this very polynomial */
};

static struct engine crc32_engine = { .poly = 0xedb88320, .width = 32 };
static struct engine crc32c_engine = { .poly = 0x82f63b78, .width = 32 };
static struct engine crc64_engine = { .poly = 0x9a6c9329ac4bc9b5, .width = 64 };
static pthread_once_t engines_once = PTHREAD_ONCE_INIT;

/* a * b mod the polynomial. */
static uint64_t multiply(const struct engine *e, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    for (uint64_t bit = 1ull << (e->width - 1); bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b >> 1 ^ (b & 1 ? e->poly : 0);
    }
    return product;
}

/* x^(2^shift * n) mod the polynomial. */
static uint64_t power(const struct engine *e, uint64_t n, unsigned shift)
{
    uint64_t product = 1ull << (e->width - 1);
    for (unsigned i = shift; n; n >>= 1, i++) {
        if (n & 1)
            product = multiply(e, product, e->powers[i]);
    }
    return product;
}

static void engine_fill_tables(struct engine *e)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? e->poly : 0);
        e->tables[0][i] = crc;
    }
    for (unsigned k = 1; k < SLICE_COUNT; k++) {
        for (unsigned i = 0; i < 256; i++) {
            uint64_t before = e->tables[k - 1][i];
            e->tables[k][i] = before >> 8 ^ e->tables[0][before & 255];
        }
    }
}

/* Multiplying reflected values yields the product times x, hence the exponents one below the
 * distance. */
static void engine_fill_keys(struct engine *e)
{
    unsigned shift = 64 - e->width;
    e->far_keys[0] = power(e, FOLD_LEN * 8 + 64 - 1, 0) << shift;
    e->far_keys[1] = power(e, FOLD_LEN * 8 - 1, 0) << shift;
    e->near_keys[0] = power(e, 128 + 64 - 1, 0) << shift;
    e->near_keys[1] = power(e, 128 - 1, 0) << shift;
}

static void engine_init(struct engine *e)
{
    engine_fill_tables(e);
    e->powers[0] = 1ull << (e->width - 2);
    for (unsigned i = 1; i < POWER_COUNT; i++)
        e->powers[i] = multiply(e, e->powers[i - 1], e->powers[i - 1]);
    engine_fill_keys(e);
}

static uint64_t load64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

static uint64_t update_by_table(const struct engine *e, uint64_t crc, const unsigned char *p,
                                size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word = load64(p) ^ crc;
        crc = 0;
        for (unsigned i = 0; i < SLICE_COUNT; i++)
            crc ^= e->tables[SLICE_COUNT - 1 - i][word >> 8 * i & 255];
    }
    for (; len; p++, len--)
        crc = crc >> 8 ^ e->tables[0][(crc ^ *p) & 255];
    return crc;
}

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("pclmul"))) static inline __m128i fold(__m128i lane, __m128i keys,
                                                             __m128i next)
{
    __m128i first = _mm_clmulepi64_si128(lane, keys, 0x00);
    __m128i second = _mm_clmulepi64_si128(lane, keys, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

static inline __m128i load128(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* `len` is a multiple of FOLD_LEN and not 0; leaves 16 bytes whose CRC (from 0) is that of all
 * before. */
__attribute__((target("pclmul"))) static void fold_all(const struct engine *e, uint64_t crc,
                                                       const unsigned char *p, size_t len,
                                                       unsigned char out[16])
{
    __m128i a = _mm_xor_si128(load128(p), _mm_set_epi64x(0, (long long)crc));
    __m128i b = load128(p + 16);
    __m128i c = load128(p + 32);
    __m128i d = load128(p + 48);

    const __m128i far = _mm_set_epi64x((long long)e->far_keys[1], (long long)e->far_keys[0]);
    for (p += FOLD_LEN, len -= FOLD_LEN; len; p += FOLD_LEN, len -= FOLD_LEN) {
        a = fold(a, far, load128(p));
        b = fold(b, far, load128(p + 16));
        c = fold(c, far, load128(p + 32));
        d = fold(d, far, load128(p + 48));
    }

    const __m128i near = _mm_set_epi64x((long long)e->near_keys[1], (long long)e->near_keys[0]);
    a = fold(fold(fold(a, near, b), near, c), near, d);
    _mm_storeu_si128((__m128i *)(void *)out, a);
}

__attribute__((target("sse4.2"))) static uint64_t update_by_op(uint64_t crc, const unsigned char *p,
                                                               size_t len)
{
    for (; len >= 8; p += 8, len -= 8)
        crc = _mm_crc32_u64(crc, load64(p));
    for (; len; p++, len--)
        crc = _mm_crc32_u8((uint32_t)crc, *p);
    return crc;
}

static void engines_init(void)
{
    engine_init(&crc32_engine);
    engine_init(&crc32c_engine);
    engine_init(&crc64_engine);
    bool can_fold = __builtin_cpu_supports("pclmul");
    crc32_engine.can_fold = can_fold;
    crc32c_engine.can_fold = can_fold;
    crc64_engine.can_fold = can_fold;
    crc32c_engine.has_crc32_op = __builtin_cpu_supports("sse4.2");
}

#else

static void fold_all(const struct engine *e, uint64_t crc, const unsigned char *p, size_t len,
                     unsigned char out[16])
{
    (void)e, (void)crc, (void)p, (void)len, (void)out;
}

static uint64_t update_by_op(uint64_t crc, const unsigned char *p, size_t len)
{
    return update_by_table(&crc32c_engine, crc, p, len);
}

static void engines_init(void)
{
    engine_init(&crc32_engine);
    engine_init(&crc32c_engine);
    engine_init(&crc64_engine);
}

#endif

static uint64_t update_short(const struct engine *e, uint64_t crc, const unsigned char *p,
                             size_t len)
{
    return e->has_crc32_op ? update_by_op(crc, p, len) : update_by_table(e, crc, p, len);
}

static uint64_t update(const struct engine *e, uint64_t crc, const void *bytes, size_t len)
{
    (void)pthread_once(&engines_once, engines_init);
    const unsigned char *p = bytes;
    uint64_t ones = UINT64_MAX >> (64 - e->width);
    crc ^= ones;
    if (e->can_fold && len >= FOLD_MIN) {
        unsigned char rest[16];
        size_t folded = len / FOLD_LEN * FOLD_LEN;
        fold_all(e, crc, p, folded, rest);
        crc = update_short(e, 0, rest, sizeof rest);
        p += folded;
        len -= folded;
    }
    return update_short(e, crc, p, len) ^ ones;
}

static uint64_t combine(const struct engine *e, uint64_t a, uint64_t b, uint64_t len_b)
{
    (void)pthread_once(&engines_once, engines_init);
    return multiply(e, power(e, len_b, 3), a) ^ b;
}

uint32_t tn_crc32(uint32_t crc, const void *bytes, size_t len)
{
    return (uint32_t)update(&crc32_engine, crc, bytes, len);
}

uint32_t tn_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return (uint32_t)update(&crc32c_engine, crc, bytes, len);
}

uint64_t tn_crc64nvme(uint64_t crc, const void *bytes, size_t len)
{
    return update(&crc64_engine, crc, bytes, len);
}

uint32_t tn_crc32_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
    return (uint32_t)combine(&crc32_engine, a, b, len_b);
}

uint32_t tn_crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
    return (uint32_t)combine(&crc32c_engine, a, b, len_b);
}

uint64_t tn_crc64nvme_combine(uint64_t a, uint64_t b, uint64_t len_b)
{
    return combine(&crc64_engine, a, b, len_b);
}
