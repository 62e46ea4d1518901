/* SPDX-License-Identifier: Apache-2.0 */
/* Digests side by side. The running state is OpenSSL's, so that partial blocks, single streams and
 * the padding stay OpenSSL's work; here whole blocks of several streams are taken through the
 * rounds of RFC 1321 and FIPS 180-4 together, one stream in each 32-bit element of a vector.
 *
 * With AVX-512 all sixteen lanes are one vector. AVX2 has half of that, and does it for MD5 only:
 * nearly every processor without AVX-512 has instructions for SHA-256, which are faster. */

/* As in hash.c: the plain contexts are marked as deprecated in OpenSSL 3. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/lanes.h"

#include <assert.h>

enum { BLOCK_LEN = 64, WORD_COUNT_MAX = 8 };

/* The words of the state come first in both contexts, in order, and Nl and Nh count bits. */
static_assert(offsetof(MD5_CTX, A) == 0 && offsetof(MD5_CTX, D) == 12, "MD5_CTX");
static_assert(offsetof(SHA256_CTX, h) == 0, "SHA256_CTX");

/* Takes `block_count` blocks at each of bytes[] into the words state[word][lane]. Lanes from
 * `lane_count` on may be left out. */
typedef void kernel_fn(uint32_t state[][TN_LANE_COUNT], const unsigned char *const *bytes,
                       size_t lane_count, size_t block_count);

struct kernel {
    kernel_fn *run;
    size_t word_count;
    size_t lane_count_min; /* with fewer, one after the other is faster: measured */
};

/* --- One by one --- */

void tn_lane_init(struct tn_lane *l, enum tn_hash_kind kind)
{
    assert(kind == TN_HASH_MD5 || kind == TN_HASH_SHA256);
    l->kind = kind;
    if (kind == TN_HASH_MD5)
        MD5_Init(&l->ctx.md5);
    else
        SHA256_Init(&l->ctx.sha256);
}

void tn_lane_update(struct tn_lane *l, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    if (l->kind == TN_HASH_MD5)
        MD5_Update(&l->ctx.md5, bytes, len);
    else
        SHA256_Update(&l->ctx.sha256, bytes, len);
}

void tn_lane_final(struct tn_lane *l, unsigned char *out)
{
    if (l->kind == TN_HASH_MD5)
        MD5_Final(out, &l->ctx.md5);
    else
        SHA256_Final(out, &l->ctx.sha256);
}

/* --- Side by side --- */

#if defined(__x86_64__)

#include <cpuid.h>

typedef uint32_t vec __attribute__((vector_size(64)));
typedef uint32_t half __attribute__((vector_size(32)));

#define WITH_AVX512 __attribute__((target("avx512f,avx512vl")))
#define WITH_AVX2 __attribute__((target("avx2")))

/* Macros, because vectors as arguments would need one calling convention for all processors. */
#define ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define LOW_32(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH_32(a, b) SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW_64(a, b) SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH_64(a, b) SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define EVEN_128(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ODD_128(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)

/* w[i] gets word i of the block at each of bytes[]: a matrix turned over its diagonal. */
WITH_AVX512 static inline void load_words(const unsigned char *const *bytes, size_t offset,
                                          vec w[16])
{
    vec quads[4][4]; /* [g][i]: words i, i + 4, i + 8, i + 12 of lanes 4g to 4g + 3 */
    for (size_t g = 0; g < 4; g++) {
        const unsigned char *const *from = bytes + 4 * g;
        vec a, b, c, d;
        memcpy(&a, from[0] + offset, sizeof a);
        memcpy(&b, from[1] + offset, sizeof b);
        memcpy(&c, from[2] + offset, sizeof c);
        memcpy(&d, from[3] + offset, sizeof d);
        vec ab = LOW_32(a, b);
        vec cd = LOW_32(c, d);
        quads[g][0] = LOW_64(ab, cd);
        quads[g][1] = HIGH_64(ab, cd);
        ab = HIGH_32(a, b);
        cd = HIGH_32(c, d);
        quads[g][2] = LOW_64(ab, cd);
        quads[g][3] = HIGH_64(ab, cd);
    }
    for (size_t i = 0; i < 4; i++) {
        vec even = EVEN_128(quads[0][i], quads[1][i]);
        vec even_rest = EVEN_128(quads[2][i], quads[3][i]);
        vec odd = ODD_128(quads[0][i], quads[1][i]);
        vec odd_rest = ODD_128(quads[2][i], quads[3][i]);
        w[i] = EVEN_128(even, even_rest);
        w[i + 4] = EVEN_128(odd, odd_rest);
        w[i + 8] = ODD_128(even, even_rest);
        w[i + 12] = ODD_128(odd, odd_rest);
    }
}

#define HALF_LOW_32(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HALF_HIGH_32(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define HALF_LOW_64(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define HALF_HIGH_64(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define HALF_LOW_128(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define HALF_HIGH_128(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

/* The same for eight words of eight lanes. */
WITH_AVX2 static inline void load_half_words(const unsigned char *const *bytes, size_t offset,
                                             half w[8])
{
    half quads[2][4]; /* [g][i]: words i, i + 4 of lanes 4g to 4g + 3 */
    for (size_t g = 0; g < 2; g++) {
        const unsigned char *const *from = bytes + 4 * g;
        half a, b, c, d;
        memcpy(&a, from[0] + offset, sizeof a);
        memcpy(&b, from[1] + offset, sizeof b);
        memcpy(&c, from[2] + offset, sizeof c);
        memcpy(&d, from[3] + offset, sizeof d);
        half ab = HALF_LOW_32(a, b);
        half cd = HALF_LOW_32(c, d);
        quads[g][0] = HALF_LOW_64(ab, cd);
        quads[g][1] = HALF_HIGH_64(ab, cd);
        ab = HALF_HIGH_32(a, b);
        cd = HALF_HIGH_32(c, d);
        quads[g][2] = HALF_LOW_64(ab, cd);
        quads[g][3] = HALF_HIGH_64(ab, cd);
    }
    for (size_t i = 0; i < 4; i++) {
        w[i] = HALF_LOW_128(quads[0][i], quads[1][i]);
        w[i + 4] = HALF_HIGH_128(quads[0][i], quads[1][i]);
    }
}

static const uint32_t md5_sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

#define MD5_F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MD5_G(x, y, z) MD5_F(z, x, y)
#define MD5_H(x, y, z) ((x) ^ (y) ^ (z))
#define MD5_I(x, y, z) ((y) ^ ((x) | ~(z)))
#define MD5_STEP(f, a, b, c, d, word, sine, n)                                                     \
    do {                                                                                           \
        (a) += (word) + (sine);                                                                    \
        (a) += f(b, c, d);                                                                         \
        (a) = ROTATE(a, n) + (b);                                                                  \
    } while (0)

/* Sixteen steps: step i of the round takes word (i * by + from) mod 16. */
#define MD5_ROUND(f, round, from, by, n0, n1, n2, n3)                                              \
    for (size_t i = 0; i < 16; i += 4) {                                                           \
        const uint32_t *k = md5_sines + 16 * (round) + i;                                          \
        size_t at = (from) + i * (by);                                                             \
        MD5_STEP(f, a, b, c, d, w[at % 16], k[0], n0);                                             \
        MD5_STEP(f, d, a, b, c, w[(at + (by)) % 16], k[1], n1);                                    \
        MD5_STEP(f, c, d, a, b, w[(at + 2 * (by)) % 16], k[2], n2);                                \
        MD5_STEP(f, b, c, d, a, w[(at + 3 * (by)) % 16], k[3], n3);                                \
    }

#define MD5_ROUNDS                                                                                 \
    MD5_ROUND(MD5_F, 0, 0, 1, 7, 12, 17, 22)                                                       \
    MD5_ROUND(MD5_G, 1, 1, 5, 5, 9, 14, 20)                                                        \
    MD5_ROUND(MD5_H, 2, 5, 3, 4, 11, 16, 23)                                                       \
    MD5_ROUND(MD5_I, 3, 0, 7, 6, 10, 15, 21)

WITH_AVX512 static void md5_avx512(uint32_t state[][TN_LANE_COUNT],
                                   const unsigned char *const *bytes, size_t lane_count,
                                   size_t block_count)
{
    (void)lane_count;
    vec sum[4];
    memcpy(sum, state, sizeof sum);
    for (size_t block = 0; block < block_count; block++) {
        vec w[16];
        vec a = sum[0], b = sum[1], c = sum[2], d = sum[3];
        load_words(bytes, block * BLOCK_LEN, w);
        MD5_ROUNDS
        sum[0] += a;
        sum[1] += b;
        sum[2] += c;
        sum[3] += d;
    }
    memcpy(state, sum, sizeof sum);
}

WITH_AVX2 static void md5_avx2(uint32_t state[][TN_LANE_COUNT], const unsigned char *const *bytes,
                               size_t lane_count, size_t block_count)
{
    enum { HALF_COUNT = TN_LANE_COUNT / 2 };
    for (size_t first = 0; first < lane_count; first += HALF_COUNT) {
        half sum[4];
        for (size_t i = 0; i < 4; i++)
            memcpy(&sum[i], &state[i][first], sizeof sum[i]);
        for (size_t block = 0; block < block_count; block++) {
            half w[16];
            half a = sum[0], b = sum[1], c = sum[2], d = sum[3];
            load_half_words(bytes + first, block * BLOCK_LEN, w);
            load_half_words(bytes + first, block * BLOCK_LEN + sizeof(half), w + 8);
            MD5_ROUNDS
            sum[0] += a;
            sum[1] += b;
            sum[2] += c;
            sum[3] += d;
        }
        for (size_t i = 0; i < 4; i++)
            memcpy(&state[i][first], &sum[i], sizeof sum[i]);
    }
}

static const uint32_t sha256_roots[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define SHA256_STEP(a, b, c, d, e, f, g, h, word, root)                                            \
    do {                                                                                           \
        __typeof__(e) sum1 = ROTATE(e, 26) ^ ROTATE(e, 21) ^ ROTATE(e, 7);                         \
        __typeof__(a) sum0 = ROTATE(a, 30) ^ ROTATE(a, 19) ^ ROTATE(a, 10);                        \
        (h) += (word) + (root) + sum1 + ((g) ^ ((e) & ((f) ^ (g))));                               \
        (d) += (h);                                                                                \
        (h) += sum0 + (((a) & (b)) | ((c) & ((a) | (b))));                                         \
    } while (0)

/* The words of the next sixteen steps, each in place of the one that it is made from. */
#define SHA256_EXTEND                                                                              \
    for (size_t at = 0; at < 16; at++) {                                                           \
        SHA256_WORD(w[at], w[(at + 1) % 16], w[(at + 9) % 16], w[(at + 14) % 16]);                 \
    }

#define SHA256_WORD(word, far, middle, near)                                                       \
    (word) += (middle) + (ROTATE(near, 15) ^ ROTATE(near, 13) ^ ((near) >> 10)) +                  \
              (ROTATE(far, 25) ^ ROTATE(far, 14) ^ ((far) >> 3))

#define SWAP_BYTES(x) ((ROTATE(x, 8) & 0x00ff00ff) | (ROTATE(x, 24) & 0xff00ff00))

#define SHA256_ROUNDS                                                                              \
    for (size_t i = 0; i < 16; i++)                                                                \
        w[i] = SWAP_BYTES(w[i]);                                                                   \
    for (size_t i = 0; i < 64; i += 8) {                                                           \
        const uint32_t *k = sha256_roots + i;                                                      \
        if (i && i % 16 == 0)                                                                      \
            SHA256_EXTEND                                                                          \
        SHA256_STEP(a, b, c, d, e, f, g, h, w[i % 16 + 0], k[0]);                                  \
        SHA256_STEP(h, a, b, c, d, e, f, g, w[i % 16 + 1], k[1]);                                  \
        SHA256_STEP(g, h, a, b, c, d, e, f, w[i % 16 + 2], k[2]);                                  \
        SHA256_STEP(f, g, h, a, b, c, d, e, w[i % 16 + 3], k[3]);                                  \
        SHA256_STEP(e, f, g, h, a, b, c, d, w[i % 16 + 4], k[4]);                                  \
        SHA256_STEP(d, e, f, g, h, a, b, c, w[i % 16 + 5], k[5]);                                  \
        SHA256_STEP(c, d, e, f, g, h, a, b, w[i % 16 + 6], k[6]);                                  \
        SHA256_STEP(b, c, d, e, f, g, h, a, w[i % 16 + 7], k[7]);                                  \
    }

#define SHA256_SUM                                                                                 \
    sum[0] += a;                                                                                   \
    sum[1] += b;                                                                                   \
    sum[2] += c;                                                                                   \
    sum[3] += d;                                                                                   \
    sum[4] += e;                                                                                   \
    sum[5] += f;                                                                                   \
    sum[6] += g;                                                                                   \
    sum[7] += h;

WITH_AVX512 static void sha256_of_16(uint32_t state[][TN_LANE_COUNT],
                                     const unsigned char *const *bytes, size_t block_count)
{
    vec sum[8];
    memcpy(sum, state, sizeof sum);
    for (size_t block = 0; block < block_count; block++) {
        vec w[16];
        vec a = sum[0], b = sum[1], c = sum[2], d = sum[3];
        vec e = sum[4], f = sum[5], g = sum[6], h = sum[7];
        load_words(bytes, block * BLOCK_LEN, w);
        SHA256_ROUNDS
        SHA256_SUM
    }
    memcpy(state, sum, sizeof sum);
}

/* Half the width goes through more of the processor's units: 1.6 times as fast for half the lanes.
 */
WITH_AVX512 static void sha256_of_8(uint32_t state[][TN_LANE_COUNT],
                                    const unsigned char *const *bytes, size_t block_count)
{
    half sum[8];
    for (size_t i = 0; i < 8; i++)
        memcpy(&sum[i], state[i], sizeof sum[i]);
    for (size_t block = 0; block < block_count; block++) {
        half w[16];
        half a = sum[0], b = sum[1], c = sum[2], d = sum[3];
        half e = sum[4], f = sum[5], g = sum[6], h = sum[7];
        load_half_words(bytes, block * BLOCK_LEN, w);
        load_half_words(bytes, block * BLOCK_LEN + sizeof(half), w + 8);
        SHA256_ROUNDS
        SHA256_SUM
    }
    for (size_t i = 0; i < 8; i++)
        memcpy(state[i], &sum[i], sizeof sum[i]);
}

static void sha256_avx512(uint32_t state[][TN_LANE_COUNT], const unsigned char *const *bytes,
                          size_t lane_count, size_t block_count)
{
    if (lane_count <= TN_LANE_COUNT / 2)
        sha256_of_8(state, bytes, block_count);
    else
        sha256_of_16(state, bytes, block_count);
}

static bool has_sha256_instructions(void)
{
    enum { FEATURE_LEAF = 7 };
    unsigned a, b, c, d;
    return __get_cpuid_count(FEATURE_LEAF, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* NULL: one by one. */
static const struct kernel *find_kernel(enum tn_hash_kind kind, enum tn_lanes_level highest)
{
    static const struct kernel md5_wide = { md5_avx512, 4, 2 };
    static const struct kernel md5_half = { md5_avx2, 4, 2 };
    static const struct kernel sha256_wide = { sha256_avx512, 8, 2 };
    bool has_avx512 = highest >= TN_LANES_AVX512 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512vl");
    if (kind == TN_HASH_SHA256)
        return has_avx512 && !has_sha256_instructions() ? &sha256_wide : NULL;
    if (has_avx512)
        return &md5_wide;
    bool has_avx2 = highest >= TN_LANES_AVX2 && __builtin_cpu_supports("avx2");
    return has_avx2 ? &md5_half : NULL;
}

#else

static const struct kernel *find_kernel(enum tn_hash_kind kind, enum tn_lanes_level highest)
{
    (void)kind;
    (void)highest;
    return NULL;
}

#endif

/* One step of all: the blocks that even the shortest of them has. */
static void run_blocks(const struct kernel *kernel, const struct tn_lane_job *jobs, size_t count,
                       size_t block_count)
{
    uint32_t state[WORD_COUNT_MAX][TN_LANE_COUNT] __attribute__((aligned(64))) = { 0 };
    const unsigned char *bytes[TN_LANE_COUNT];
    for (size_t i = 0; i < TN_LANE_COUNT; i++) /* a spare lane repeats the first, for nothing */
        bytes[i] = jobs[i < count ? i : 0].bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t words[WORD_COUNT_MAX];
        memcpy(words, &jobs[i].lane->ctx, kernel->word_count * sizeof *words);
        for (size_t word = 0; word < kernel->word_count; word++)
            state[word][i] = words[word];
    }
    kernel->run(state, bytes, count, block_count);
    for (size_t i = 0; i < count; i++) {
        uint32_t words[WORD_COUNT_MAX];
        for (size_t word = 0; word < kernel->word_count; word++)
            words[word] = state[word][i];
        memcpy(&jobs[i].lane->ctx, words, kernel->word_count * sizeof *words);
    }
}

static void add_bits(uint32_t *low, uint32_t *high, uint64_t bytes)
{
    uint64_t bits = ((uint64_t)*high << 32 | *low) + bytes * 8;
    *low = (uint32_t)bits;
    *high = (uint32_t)(bits >> 32);
}

static void advance(struct tn_lane_job *job, size_t len)
{
    struct tn_lane *l = job->lane;
    if (l->kind == TN_HASH_MD5)
        add_bits(&l->ctx.md5.Nl, &l->ctx.md5.Nh, len);
    else
        add_bits(&l->ctx.sha256.Nl, &l->ctx.sha256.Nh, len);
    job->bytes += len;
    job->len -= len;
}

/* Brings the lane to the border of a block. */
static void fill_block(struct tn_lane_job *job)
{
    const struct tn_lane *l = job->lane;
    size_t filled = l->kind == TN_HASH_MD5 ? l->ctx.md5.num : l->ctx.sha256.num;
    size_t room = filled ? BLOCK_LEN - filled : 0;
    size_t len = job->len < room ? job->len : room;
    tn_lane_update(job->lane, job->bytes, len);
    job->bytes += len;
    job->len -= len;
}

/* Moves jobs without a whole block behind the others; returns how many have one. */
static size_t sort_jobs(struct tn_lane_job *jobs, size_t count)
{
    size_t i = 0;
    while (i < count) {
        if (jobs[i].len >= BLOCK_LEN) {
            i++;
            continue;
        }
        struct tn_lane_job job = jobs[i];
        jobs[i] = jobs[--count];
        jobs[count] = job;
    }
    return count;
}

static size_t shortest_len(const struct tn_lane_job *jobs, size_t count)
{
    size_t len = jobs[0].len;
    for (size_t i = 1; i < count; i++)
        len = jobs[i].len < len ? jobs[i].len : len;
    return len;
}

void tn_lanes_update_at(enum tn_lanes_level highest, struct tn_lane_job *jobs, size_t count)
{
    assert(count <= TN_LANE_COUNT);
    const struct kernel *kernel = count ? find_kernel(jobs[0].lane->kind, highest) : NULL;
    if (kernel && count >= kernel->lane_count_min) {
        for (size_t i = 0; i < count; i++) {
            assert(jobs[i].lane->kind == jobs[0].lane->kind);
            fill_block(&jobs[i]);
        }
        size_t left;
        while ((left = sort_jobs(jobs, count)) >= kernel->lane_count_min) {
            size_t block_count = shortest_len(jobs, left) / BLOCK_LEN;
            run_blocks(kernel, jobs, left, block_count);
            for (size_t i = 0; i < left; i++)
                advance(&jobs[i], block_count * BLOCK_LEN);
        }
    }
    for (size_t i = 0; i < count; i++)
        tn_lane_update(jobs[i].lane, jobs[i].bytes, jobs[i].len);
}

void tn_lanes_update(struct tn_lane_job *jobs, size_t count)
{
    tn_lanes_update_at(TN_LANES_AVX512, jobs, count);
}
