/* SPDX-License-Identifier: Apache-2.0 */
/* The circuit breaker: closed, open, half open. */

#include <tarn/retry.h>

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"

enum { FAILURES_DEFAULT = 5, OPEN_MS_DEFAULT = 60 * 1000, SUCCESSES_DEFAULT = 2 };

struct tarn_breaker {
    struct tarn_breaker_options options; /* with the defaults filled in */
    struct {
        pthread_mutex_t lock;
        enum tarn_breaker_state state;
        uint32_t failures;  /* in a row, while closed */
        uint32_t successes; /* in a row, while half open */
        bool has_probe;     /* on its way, while half open */
        uint64_t opened_ns;
    } shared;
};

struct tarn_breaker *tarn_breaker_new(const struct tarn_breaker_options *options)
{
    struct tarn_breaker *b = tn_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    if (options)
        b->options = *options;
    if (b->options.failures_max == 0)
        b->options.failures_max = FAILURES_DEFAULT;
    if (b->options.open_ms <= 0)
        b->options.open_ms = OPEN_MS_DEFAULT;
    if (b->options.successes_min == 0)
        b->options.successes_min = SUCCESSES_DEFAULT;
    (void)pthread_mutex_init(&b->shared.lock, NULL);
    return b;
}

void tarn_breaker_free(struct tarn_breaker *breaker)
{
    if (!breaker)
        return;
    (void)pthread_mutex_destroy(&breaker->shared.lock);
    tn_free(breaker);
}

/* With the lock held. */
static void enter(struct tarn_breaker *b, enum tarn_breaker_state to)
{
    enum tarn_breaker_state from = b->shared.state;
    b->shared.state = to;
    b->shared.failures = b->shared.successes = 0;
    b->shared.has_probe = false;
    if (to == TARN_BREAKER_OPEN)
        b->shared.opened_ns = tn_now_ns();
    if (b->options.on_change && from != to)
        b->options.on_change(b->options.arg, from, to);
}

bool tarn_breaker_allow(struct tarn_breaker *breaker)
{
    bool is_allowed = true;
    (void)pthread_mutex_lock(&breaker->shared.lock);
    uint64_t passed_ms = (tn_now_ns() - breaker->shared.opened_ns) / 1000000u;
    if (breaker->shared.state == TARN_BREAKER_OPEN &&
        passed_ms >= (uint64_t)breaker->options.open_ms)
        enter(breaker, TARN_BREAKER_HALF_OPEN);
    if (breaker->shared.state == TARN_BREAKER_OPEN)
        is_allowed = false;
    if (breaker->shared.state == TARN_BREAKER_HALF_OPEN) {
        is_allowed = !breaker->shared.has_probe;
        breaker->shared.has_probe = true;
    }
    (void)pthread_mutex_unlock(&breaker->shared.lock);
    return is_allowed;
}

/* With the lock held. */
static void record_good(struct tarn_breaker *b)
{
    b->shared.failures = 0;
    if (b->shared.state == TARN_BREAKER_HALF_OPEN &&
        ++b->shared.successes >= b->options.successes_min)
        enter(b, TARN_BREAKER_CLOSED);
}

/* With the lock held. Late failures of requests from before it opened do not count. */
static void record_bad(struct tarn_breaker *b)
{
    if (b->shared.state == TARN_BREAKER_HALF_OPEN)
        enter(b, TARN_BREAKER_OPEN);
    else if (b->shared.state == TARN_BREAKER_CLOSED &&
             ++b->shared.failures >= b->options.failures_max)
        enter(b, TARN_BREAKER_OPEN);
}

void tarn_breaker_record(struct tarn_breaker *breaker, enum tarn_outcome outcome)
{
    (void)pthread_mutex_lock(&breaker->shared.lock);
    breaker->shared.has_probe = false;
    if (outcome == TARN_OUTCOME_GOOD)
        record_good(breaker);
    else if (outcome == TARN_OUTCOME_BAD)
        record_bad(breaker);
    (void)pthread_mutex_unlock(&breaker->shared.lock);
}

enum tarn_breaker_state tarn_breaker_get_state(struct tarn_breaker *breaker)
{
    (void)pthread_mutex_lock(&breaker->shared.lock);
    enum tarn_breaker_state state = breaker->shared.state;
    (void)pthread_mutex_unlock(&breaker->shared.lock);
    return state;
}
