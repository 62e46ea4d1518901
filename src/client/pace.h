/* SPDX-License-Identifier: Apache-2.0 */
/* The rate that a server takes, found from what it refuses: none until it says "slow down", then
 * just below where it said so the last time, with careful steps beyond. */

#ifndef CLIENT_PACE_H
#define CLIENT_PACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TN_PACE_BINS = 20 };

/* Any thread. All times in nanoseconds of tn_now_ns. */
struct tn_pace {
    atomic_bool is_limited;
    struct {
        pthread_mutex_t lock;
        uint64_t last_refused; /* of the last 64 answers: a bit for each, the last one lowest */
        double rate;
        double held; /* the rate at which it was refused last */
        double tokens;
        bool is_seeking;       /* the limit is not known yet, only that there is one */
        int vain_count;        /* of refusals, one after another, for which the rate is no reason */
        uint32_t served_since; /* the last refusal */
        uint32_t served_after; /* the end of the search */
        bool has_settled;      /* by what was served then */
        bool is_closed;        /* nothing at all is taken just now */
        bool has_closed;       /* when it refused last */
        uint64_t deaf_until_ns;
        uint64_t filled_ns;
        uint64_t cut_ns; /* what was sent before is no news */
        uint64_t lowered_ns;
        uint64_t grown_ns; /* while seeking */
        uint64_t heard_ns; /* when the last of those began that were served */
        uint64_t bin;      /* the last one that was counted in */
        uint64_t first_bin;
        struct {
            uint32_t served, refused;
        } bins[TN_PACE_BINS];
    } shared;
};

void tn_pace_init(struct tn_pace *p, uint64_t now);
void tn_pace_release(struct tn_pace *p);

/* Until a request may be sent; 0: now, and it counts as sent. */
uint64_t tn_pace_take(struct tn_pace *p, uint64_t now);

/* A request that began at `started` was served, or refused for there being too many. */
void tn_pace_served(struct tn_pace *p, uint64_t started, uint64_t now);
void tn_pace_refused(struct tn_pace *p, uint64_t started, uint64_t now);

#endif
