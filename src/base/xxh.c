/* SPDX-License-Identifier: Apache-2.0 */
/* The xxHash family, from the header of its library: nothing is left to be loaded at the start. */

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/xxh.h"

enum { ALIGNMENT = 64 }; /* of XXH3_state_t */

union state {
    XXH64_state_t xxh64;
    XXH3_state_t xxh3;
};

/* The heap gives less alignment than the state wants. */
static union state *state_in(void *room)
{
    uintptr_t at = (uintptr_t)room;
    return (union state *)((char *)room + (-at & (ALIGNMENT - 1)));
}

static void reset(union state *s, enum tn_hash_kind kind)
{
    if (kind == TN_HASH_XXHASH64)
        (void)XXH64_reset(&s->xxh64, 0);
    else
        (void)XXH3_128bits_reset(&s->xxh3); /* is the same for 64 bits */
}

void *tn_xxh_new(enum tn_hash_kind kind)
{
    void *room = tn_calloc(1, sizeof(union state) + ALIGNMENT);
    if (room)
        reset(state_in(room), kind);
    return room;
}

void tn_xxh_update(void *state, enum tn_hash_kind kind, const void *bytes, size_t len)
{
    union state *s = state_in(state);
    if (kind == TN_HASH_XXHASH64)
        (void)XXH64_update(&s->xxh64, bytes, len);
    else if (kind == TN_HASH_XXHASH3)
        (void)XXH3_64bits_update(&s->xxh3, bytes, len);
    else
        (void)XXH3_128bits_update(&s->xxh3, bytes, len);
}

void tn_xxh_final(void *state, enum tn_hash_kind kind, unsigned char *out)
{
    union state *s = state_in(state);
    if (kind == TN_HASH_XXHASH128) {
        XXH128_canonical_t value;
        XXH128_canonicalFromHash(&value, XXH3_128bits_digest(&s->xxh3));
        memcpy(out, value.digest, sizeof value.digest);
    } else {
        XXH64_canonical_t value;
        XXH64_canonicalFromHash(&value, kind == TN_HASH_XXHASH64 ? XXH64_digest(&s->xxh64)
                                                                 : XXH3_64bits_digest(&s->xxh3));
        memcpy(out, value.digest, sizeof value.digest);
    }
    reset(s, kind);
}
