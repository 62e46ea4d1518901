/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets. */

#include "client/limit.h"

#include "base/clock.h"

#define NS_PER_S 1e9
#define WAIT_MAX_NS 1e18 /* thirty years, for rates next to nothing */

void tn_limit_init(struct tn_limit *l, double rate, double burst)
{
    *l = (struct tn_limit){ .rate = rate, .burst = burst };
    (void)pthread_mutex_init(&l->shared.lock, NULL);
    l->shared.tokens = burst;
    l->shared.filled_ns = tn_now_ns();
}

void tn_limit_release(struct tn_limit *l)
{
    (void)pthread_mutex_destroy(&l->shared.lock);
}

/* With the lock held. */
static void fill(struct tn_limit *l)
{
    uint64_t now = tn_now_ns();
    double tokens = l->shared.tokens + (double)(now - l->shared.filled_ns) / NS_PER_S * l->rate;
    l->shared.tokens = tokens < l->burst ? tokens : l->burst;
    l->shared.filled_ns = now;
}

/* Until `missing` tokens have come; at least 1, so that 0 stays for "now". */
static uint64_t wait_for(const struct tn_limit *l, double missing)
{
    double ns = missing / l->rate * NS_PER_S;
    return (uint64_t)(ns < WAIT_MAX_NS ? ns : WAIT_MAX_NS) + 1;
}

uint64_t tn_limit_take(struct tn_limit *l, double amount)
{
    uint64_t wait_ns = 0;
    if (l->rate <= 0)
        return 0;
    (void)pthread_mutex_lock(&l->shared.lock);
    fill(l);
    if (l->shared.tokens >= amount)
        l->shared.tokens -= amount;
    else
        wait_ns = wait_for(l, amount - l->shared.tokens);
    (void)pthread_mutex_unlock(&l->shared.lock);
    return wait_ns;
}

uint64_t tn_limit_wait_ns(struct tn_limit *l)
{
    if (l->rate <= 0)
        return 0;
    (void)pthread_mutex_lock(&l->shared.lock);
    fill(l);
    uint64_t wait_ns = l->shared.tokens > 0 ? 0 : wait_for(l, -l->shared.tokens);
    (void)pthread_mutex_unlock(&l->shared.lock);
    return wait_ns;
}

void tn_limit_spend(struct tn_limit *l, double amount)
{
    if (l->rate <= 0)
        return;
    (void)pthread_mutex_lock(&l->shared.lock);
    fill(l);
    l->shared.tokens -= amount;
    (void)pthread_mutex_unlock(&l->shared.lock);
}
