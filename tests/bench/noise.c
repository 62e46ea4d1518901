/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies are windows on one block of noise, starting at one of a few places. */

#include "bench/noise.h"

#include "base/codec.h"
#include "base/hash.h"

enum {
    NOISE_LEN = 1024 * 1024 + 7, /* odd, so that repeats never fall on block bounds */
    NOISE_STEP = 65537,
};

static char noise[NOISE_LEN];
static char digests[NOISE_KINDS][NOISE_HEX_LEN + 1];
static uint64_t digests_len;

void noise_init(void)
{
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < NOISE_LEN; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise[i] = (char)(state >> 32);
    }
}

struct tn_str noise_piece(uint64_t key, uint64_t offset, uint64_t len)
{
    size_t at = (size_t)((key % NOISE_KINDS * NOISE_STEP + offset) % NOISE_LEN);
    size_t room = NOISE_LEN - at;
    return (struct tn_str){ noise + at, len < room ? (size_t)len : room };
}

bool noise_matches(uint64_t key, uint64_t offset, struct tn_str bytes)
{
    while (bytes.len > 0) {
        struct tn_str piece = noise_piece(key, offset, bytes.len);
        if (memcmp(piece.data, bytes.data, piece.len) != 0)
            return false;
        offset += piece.len;
        bytes = tn_str_sub(bytes, piece.len, bytes.len);
    }
    return true;
}

static void digest_body(uint64_t key, uint64_t len, char out[NOISE_HEX_LEN + 1])
{
    struct tn_hash hash = { 0 };
    unsigned char sum[TN_SHA256_LEN] = { 0 };
    if (tn_hash_init(&hash, TN_HASH_SHA256) == TARN_OK) {
        for (uint64_t offset = 0; offset < len;) {
            struct tn_str piece = noise_piece(key, offset, len - offset);
            tn_hash_update(&hash, piece.data, piece.len);
            offset += piece.len;
        }
        tn_hash_final(&hash, sum);
    }
    tn_hash_release(&hash);
    tn_hex_encode(sum, sizeof sum, out);
}

const char *noise_sha256(uint64_t key, uint64_t len)
{
    char *digest = digests[key % NOISE_KINDS];
    if (len != digests_len) {
        memset(digests, 0, sizeof digests);
        digests_len = len;
    }
    if (!*digest)
        digest_body(key, len, digest);
    return digest;
}
