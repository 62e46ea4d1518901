/* SPDX-License-Identifier: Apache-2.0 */
/* A limit of something per second, shared by all threads of a client: a bucket of tokens that fills
 * by time. */

#ifndef CLIENT_LIMIT_H
#define CLIENT_LIMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Any thread. */
struct tn_limit {
    double rate;  /* a second; 0: no limit */
    double burst; /* the bucket holds no more */
    struct {
        pthread_mutex_t lock;
        double tokens; /* below 0 is a debt, paid by waiting */
        uint64_t filled_ns;
    } shared;
};

/* Starts full. */
void tn_limit_init(struct tn_limit *l, double rate, double burst);
void tn_limit_release(struct tn_limit *l);

/* Nanoseconds until `amount` may be had; 0 when it may be now, and then it is taken. */
uint64_t tn_limit_take(struct tn_limit *l, double amount);

/* Nanoseconds until there are tokens at all; nothing is taken. */
uint64_t tn_limit_wait_ns(struct tn_limit *l);

/* Takes what was used already; it may be more than there is. */
void tn_limit_spend(struct tn_limit *l, double amount);

#endif
