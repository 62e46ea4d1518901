/* SPDX-License-Identifier: Apache-2.0 */
/* The system's clock, for locks. */

#include "coord/clock.h"

#include <time.h>

#include "base/clock.h"

#ifdef CLOCK_BOOTTIME
#define STEADY_CLOCK CLOCK_BOOTTIME
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

static uint64_t steady_ms(void *arg)
{
    struct timespec now;
    (void)arg;
    (void)clock_gettime(STEADY_CLOCK, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t wall_ms(void *arg)
{
    (void)arg;
    return tn_wall_ms();
}

static void sleep_ms(void *arg, uint64_t ms)
{
    struct timespec delay = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
    (void)arg;
    (void)nanosleep(&delay, NULL);
}

struct tarn_lock_clock tn_lock_clock(const struct tarn_lock_clock *given)
{
    if (given)
        return *given;
    return (struct tarn_lock_clock){ steady_ms, wall_ms, sleep_ms, NULL };
}
