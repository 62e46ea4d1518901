/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers. */

#include "base/rand.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

void tn_random_bytes(void *out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = getrandom((char *)out + done, len - done, 0);
        if (n < 0 && errno != EINTR)
            abort();
        done += n > 0 ? (size_t)n : 0;
    }
}

/* splitmix64 per thread, seeded by the kernel. */
static uint64_t next_number(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        tn_random_bytes(&state, sizeof state);
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t tn_random_below(uint64_t limit)
{
    assert(limit > 0);
    return (uint64_t)(((unsigned __int128)next_number() * limit) >> 64);
}
