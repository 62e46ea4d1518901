/* SPDX-License-Identifier: Apache-2.0 */
/* Weaknesses of the references, each played through once: with --flawed by their own algorithm,
 * which loses, else by ours. Steps are put in order by clocks that are set, by the proxy and by
 * latches; nothing waits for time to pass where only luck would make it enough. */

#ifndef TESTS_COORD_CASES_H
#define TESTS_COORD_CASES_H

#include <stdio.h>
#include <string.h>

#include "coord/flawed.h"
#include "coord/setup.h"

/* No machine is so slow that a lease ends by itself; where one must end, a clock is set. */
enum {
    VIOLATED = 3,
    TTL_MS = 60000,
    MARGIN_MS = TTL_MS / 10,
    STALE_MS = TTL_MS + MARGIN_MS, /* for others, after its last change */
    RENEW_MS = 20,                 /* where renewals are waited for */
    AWAIT_MS = 60000,              /* for what must come; a failure when it does not */
    MIB = 1 << 20
};

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s (%s)\n", __FILE__, __LINE__, #fact,          \
                    c->err.message);                                                               \
            return VIOLATED;                                                                       \
        }                                                                                          \
    } while (0)

/* Two machines: one by way of the proxy, one straight. Their endpoints differ, so that the process
 * takes their locks for different ones. */
struct scene {
    const struct setup *s;
    struct tarn_client *a;
    struct tarn_client *b;
    struct test_clock clock_a; /* of locks that say so; stands still unless set */
    struct test_clock clock_b; /* likewise, but sleeping sets it forth */
    struct tarn_header fault;  /* asks the proxy for trouble with the next request of `a` */
    struct tarn_lock_options o;
    struct tarn_lock *la;
    struct tarn_lock *lb;
    struct tarn_lock_info info;
    struct tarn_error err;
};

/* A row: 0, or VIOLATED. */
struct scene_case {
    const char *name;
    int (*run)(struct scene *c);
};
extern const struct scene_case lock_cases[], copy_cases[], store_cases[], buffer_cases[],
    spool_cases[], review_cases[]; /* each ends with a name NULL */

struct tarn_request scene_request(struct scene *c); /* with the fault */
bool scene_has_key(struct scene *c, const char *key);

/* Whether `key` holds exactly `text`. */
bool scene_key_is(struct scene *c, const char *key, const char *text);

int scene_count_keys(struct scene *c); /* in the bucket, or a negative status */

/* Unfinished uploads in the bucket, or a negative status. */
int scene_count_uploads(struct scene *c);

#endif
