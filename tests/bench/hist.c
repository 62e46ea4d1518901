/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear buckets: the top seven bits of a value, and how far they were shifted, name its
 * bucket. */

#include "bench/hist.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 2u << HIST_SUB_BITS)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HIST_SUB_BITS;
    return (shift << HIST_SUB_BITS) + (unsigned)(ns >> shift);
}

static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < 2u << HIST_SUB_BITS)
        return bucket;
    unsigned shift = (bucket >> HIST_SUB_BITS) - 1;
    uint64_t top = bucket - (shift << HIST_SUB_BITS);
    return ((top + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t ns)
{
    h->counts[bucket_of(ns)]++;
    h->total++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

uint64_t hist_quantile(const struct hist *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total + 0.5);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i) < h->max_ns ? bucket_end(i) : h->max_ns;
    }
    return h->max_ns;
}
