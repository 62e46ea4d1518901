/* SPDX-License-Identifier: Apache-2.0 */
/* Pacing by refusals. */

#include "client/pace.h"

#include <string.h>

enum {
    BIN_NS = 50 * 1000 * 1000,
    BINS_PER_S = 1000 * 1000 * 1000 / BIN_NS,
    SEEK_COUNT_MIN = 50,   /* so many served tell a rate; */
    SETTLE_COUNT_MIN = 20, /* at the limit, where they come evenly */
    BLIND_NS = 100 * 1000 * 1000,
    SEEK_STEP_NS = 100 * 1000 * 1000,
    CLOSED_COUNT_MIN = 50, /* served in a second: with less, none in two bins means nothing */
    ALL_OF = 4,            /* so many were refused one after another, */
    MANY = 8,              /* or of the last 64, */
    MANY_IN_S = 24,        /* or so many in a second, */
    MANY_PERCENT = 3,      /* and this part of all: then it is not by chance */
    VAIN_MAX = 5,
    VAIN_BACK = 3,
    VAIN_SERVED = 150, /* between two refusals; by the rate there would be more */
};

#define NS_PER_S 1e9
#define RATE_MIN 1.0
#define RATE_FIRST_MIN 20.0
#define RATE_MAX 200000.0 /* no limit any more */
#define SEEK_STEP 1.25
#define BACK 0.985       /* of what was served when it was refused */
#define BACK_MOST 0.5    /* of the rate, in one step */
#define CLOSED_BACK 0.96 /* all that was on its way was refused */
#define BLIND_BACK 0.7   /* where nothing could be measured */
#define STEP 0.00005     /* of the rate, for each that is served */
#define STEP_FAST 0.002
#define STEP_FAR 0.0002
#define FAR_BELOW 0.9       /* what was refused last: the guess may be too low */
#define STEP_CLOSED 0.00001 /* where one refusal is followed by others until the second is over */
#define BEYOND 1.05         /* above what was refused last the server has become faster */
#define NOISE 0.08          /* refused by chance is no more than this share */
#define BURST_S 0.005
#define AS_ASKED 0.85     /* refused, and nearly all are served: the rate is not the reason */
#define CLOSED_RATE 20.0  /* of questions whether it takes any again */
#define STEPS_PER_S 500.0 /* no faster than so many of them a second */
#define DEAF_NS 10000000000u
#define CLOSED_MAX_NS 1100000000u /* more than a second of a clock */

void tn_pace_init(struct tn_pace *p, uint64_t now)
{
    memset(p, 0, sizeof *p);
    (void)pthread_mutex_init(&p->shared.lock, NULL);
    atomic_init(&p->is_limited, false);
    p->shared.bin = p->shared.first_bin = now / BIN_NS;
}

void tn_pace_release(struct tn_pace *p)
{
    (void)pthread_mutex_destroy(&p->shared.lock);
}

/* ---- all with the lock held ---- */

struct sum {
    uint32_t served, refused;
    double rate; /* served a second */
};

/* Over the last second, or over so much of it as has `enough`, but not what was before `first`. */
static struct sum sum_up(const struct tn_pace *p, uint32_t enough, uint64_t first, uint64_t now)
{
    struct sum sum = { 0 };
    uint64_t since = p->shared.bin + 1;
    while (since > first && p->shared.bin - since + 2 < TN_PACE_BINS && sum.served < enough) {
        since--;
        sum.served += p->shared.bins[since % TN_PACE_BINS].served;
        sum.refused += p->shared.bins[since % TN_PACE_BINS].refused;
    }
    uint64_t ns = now > since * BIN_NS ? now - since * BIN_NS : 0;
    sum.rate = sum.served * NS_PER_S / (double)(ns > BIN_NS ? ns : BIN_NS);
    return sum;
}

static void enter_bin(struct tn_pace *p, uint64_t now)
{
    uint64_t bin = now / BIN_NS;
    if (bin > p->shared.bin + TN_PACE_BINS)
        p->shared.bin = bin - TN_PACE_BINS;
    while (p->shared.bin < bin) {
        p->shared.bin++;
        memset(&p->shared.bins[p->shared.bin % TN_PACE_BINS], 0, sizeof p->shared.bins[0]);
    }
}

static void set_rate(struct tn_pace *p, double rate)
{
    p->shared.rate = rate < RATE_MIN ? RATE_MIN : rate;
    atomic_store(&p->is_limited, rate < RATE_MAX);
}

static void fill(struct tn_pace *p, uint64_t now)
{
    double rate = p->shared.rate;
    double burst = 2 + rate * BURST_S; /* whoever asks each millisecond loses nothing */
    if (p->shared.is_closed)
        rate = p->shared.rate < CLOSED_RATE ? p->shared.rate : CLOSED_RATE;
    else if (p->shared.is_seeking && now - p->shared.grown_ns >= SEEK_STEP_NS &&
             p->shared.heard_ns >= p->shared.grown_ns) {
        p->shared.grown_ns = now;
        set_rate(p, p->shared.rate * SEEK_STEP);
    }
    p->shared.tokens += (double)(now - p->shared.filled_ns) / NS_PER_S * rate;
    if (p->shared.tokens > burst)
        p->shared.tokens = burst;
    p->shared.filled_ns = now;
}

static uint64_t wait_for_one(const struct tn_pace *p)
{
    double rate = p->shared.is_closed ? CLOSED_RATE : p->shared.rate;
    return (uint64_t)((1 - p->shared.tokens) / rate * NS_PER_S) + 1;
}

/* A server may refuse one now and then for reasons of its own, and will the next time, too. Above
 * its rate it refuses all that is above it. */
static bool is_by_chance(const struct tn_pace *p, uint64_t now)
{
    struct sum sum = sum_up(p, UINT32_MAX, 0, now);
    bool is_often = sum.refused >= MANY_IN_S &&
                    sum.refused * 100ull >= MANY_PERCENT * (sum.served + (uint64_t)sum.refused);
    uint64_t last = p->shared.last_refused;
    uint64_t in_a_row = (1u << ALL_OF) - 1;
    return (last & in_a_row) != in_a_row && __builtin_popcountll(last) < MANY && !is_often;
}

/* The first time: what was served in the last second is a guess, burst and all. */
static void begin(struct tn_pace *p, uint64_t now)
{
    uint32_t count = sum_up(p, UINT32_MAX, 0, now).served;
    p->shared.is_seeking = true;
    p->shared.tokens = 0;
    p->shared.filled_ns = p->shared.grown_ns = p->shared.lowered_ns = now;
    p->shared.held = 0;
    p->shared.first_bin = p->shared.bin + 1;
    p->shared.vain_count = 0;
    p->shared.is_closed = p->shared.has_closed = false;
    p->shared.has_settled = true;
    set_rate(p, count > RATE_FIRST_MIN ? count : RATE_FIRST_MIN);
}

/* Refusals by chance would bring any rate down to nothing. */
static bool is_in_vain(struct tn_pace *p, const struct sum *sum)
{
    bool is_vain = !p->shared.is_seeking && p->shared.served_since < VAIN_SERVED &&
                   sum->rate >= p->shared.rate * AS_ASKED &&
                   sum->refused <= NOISE * (sum->served + sum->refused);
    if (is_vain)
        p->shared.vain_count++;
    else
        p->shared.vain_count -= p->shared.vain_count < VAIN_BACK ? p->shared.vain_count : VAIN_BACK;
    p->shared.served_since = 0;
    return p->shared.vain_count > VAIN_MAX;
}

/* What counts by the second of a clock takes nothing until the next one begins. */
static bool is_closed(const struct tn_pace *p, uint64_t now)
{
    uint64_t before = p->shared.bin > 0 ? p->shared.bin - 1 : 0;
    struct sum last = sum_up(p, UINT32_MAX, before, now);
    struct sum all = sum_up(p, UINT32_MAX, 0, now);
    return last.served == 0 && last.refused > 0 && all.served > CLOSED_COUNT_MIN;
}

static void lower(struct tn_pace *p, double to, uint64_t now)
{
    double rate = p->shared.rate;
    double most = rate * BACK;
    double least = rate * BACK_MOST;
    p->shared.held = rate;
    p->shared.lowered_ns = now;
    set_rate(p, to > most ? most : to < least ? least : to);
}

/* What it took in a second, it takes in each. */
static void close_it(struct tn_pace *p, uint64_t now)
{
    double served = sum_up(p, UINT32_MAX, 0, now).rate * BACK;
    double most = p->shared.rate * CLOSED_BACK;
    p->shared.held = p->shared.rate;
    p->shared.lowered_ns = now;
    set_rate(p, p->shared.is_seeking || served < most ? served : most);
    p->shared.is_seeking = false;
    p->shared.has_closed = true;
}

/* The first time that it is refused again, with nothing saved up any more: better than a guess. */
static void settle(struct tn_pace *p, uint64_t now)
{
    double s = (double)(now - p->shared.lowered_ns) / NS_PER_S;
    double served = p->shared.served_after;
    p->shared.served_after = 0;
    p->shared.has_settled = true;
    lower(p, served / s * BACK, now);
}

static void cut(struct tn_pace *p, uint64_t now)
{
    double rate = p->shared.rate;
    uint32_t enough = p->shared.is_seeking ? SEEK_COUNT_MIN : UINT32_MAX;
    struct sum sum = sum_up(p, enough, p->shared.first_bin, now);
    bool is_soon = now - p->shared.lowered_ns < BLIND_NS;
    bool was_closed = p->shared.is_closed;
    bool is_still_closed = was_closed && now - p->shared.lowered_ns < CLOSED_MAX_NS;
    p->shared.is_closed = is_still_closed || is_closed(p, now);
    if (is_in_vain(p, &sum)) {
        p->shared.deaf_until_ns = now + DEAF_NS;
    } else if (is_soon && p->shared.is_seeking && !p->shared.is_closed) {
        lower(p, rate * BLIND_BACK, now);
    } else if (p->shared.is_closed) {
        if (!was_closed)
            close_it(p, now);
    } else if (is_soon && !p->shared.has_settled && p->shared.served_after >= SETTLE_COUNT_MIN) {
        settle(p, now);
    } else if (!is_soon) {
        lower(p, sum.rate * BACK, now);
        p->shared.has_closed = false;
        if (p->shared.is_seeking) { /* what was served while it rose says little of the limit */
            p->shared.first_bin = p->shared.bin + 1;
            p->shared.served_after = 0;
            p->shared.has_settled = false;
        }
        p->shared.is_seeking = false;
    }
}

static void raise(struct tn_pace *p, uint64_t now)
{
    double rate = p->shared.rate;
    bool is_fast = rate > p->shared.held * BEYOND || now < p->shared.deaf_until_ns;
    bool is_far = rate < p->shared.held * FAR_BELOW;
    double step = is_fast                ? STEP_FAST
                  : p->shared.has_closed ? STEP_CLOSED
                  : is_far               ? STEP_FAR
                                         : STEP;
    if (rate > STEPS_PER_S)
        step *= STEPS_PER_S / rate;
    set_rate(p, rate * (1 + step));
}

/* As long as it stays what chance can be, while the rate rises. */
static bool is_deaf(struct tn_pace *p, uint64_t now)
{
    if (now >= p->shared.deaf_until_ns)
        return false;
    struct sum sum = sum_up(p, UINT32_MAX, 0, now);
    bool is_chance = sum.refused <= NOISE * (sum.served + sum.refused);
    if (!is_chance)
        p->shared.deaf_until_ns = 0;
    return is_chance;
}

/* ---- for everyone ---- */

uint64_t tn_pace_take(struct tn_pace *p, uint64_t now)
{
    uint64_t wait_ns = 0;
    if (!atomic_load_explicit(&p->is_limited, memory_order_relaxed))
        return 0;
    (void)pthread_mutex_lock(&p->shared.lock);
    fill(p, now);
    if (p->shared.tokens >= 1)
        p->shared.tokens -= 1;
    else
        wait_ns = wait_for_one(p);
    (void)pthread_mutex_unlock(&p->shared.lock);
    return wait_ns;
}

void tn_pace_served(struct tn_pace *p, uint64_t started, uint64_t now)
{
    (void)pthread_mutex_lock(&p->shared.lock);
    enter_bin(p, now);
    if (started > p->shared.heard_ns)
        p->shared.heard_ns = started;
    p->shared.bins[p->shared.bin % TN_PACE_BINS].served++;
    p->shared.last_refused <<= 1;
    p->shared.served_since++;
    p->shared.served_after++;
    p->shared.is_closed = false;
    if (atomic_load(&p->is_limited) && !p->shared.is_seeking)
        raise(p, now);
    (void)pthread_mutex_unlock(&p->shared.lock);
}

void tn_pace_refused(struct tn_pace *p, uint64_t started, uint64_t now)
{
    (void)pthread_mutex_lock(&p->shared.lock);
    enter_bin(p, now);
    p->shared.bins[p->shared.bin % TN_PACE_BINS].refused++;
    p->shared.last_refused = p->shared.last_refused << 1 | 1;
    bool is_limited = atomic_load(&p->is_limited);
    bool is_news = is_limited ? !is_deaf(p, now) : !is_by_chance(p, now);
    if (started >= p->shared.cut_ns && is_news) {
        if (is_limited)
            cut(p, now);
        else
            begin(p, now);
        p->shared.cut_ns = now;
    }
    (void)pthread_mutex_unlock(&p->shared.lock);
}
