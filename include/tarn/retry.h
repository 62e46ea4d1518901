/* SPDX-License-Identifier: Apache-2.0 */
/* How patiently: policies of retrying with presets, and a circuit breaker. A client retries by
 * itself; these are for its configuration, and for programs that repeat more than one request. */

#ifndef TARN_RETRY_H
#define TARN_RETRY_H

#include <tarn/error.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_config;

/* ---- policies ---- */

enum tarn_backoff { TARN_BACKOFF_EXPONENTIAL, TARN_BACKOFF_LINEAR, TARN_BACKOFF_FIXED };

struct tarn_retry_policy {
    int tries_max; /* with the first one; at least 1 */
    long base_ms;
    long cap_ms; /* no delay is longer, but where the server asks for more */
    enum tarn_backoff backoff;
    double multiplier; /* of exponential backoff; at least 1 */
    double jitter;     /* 0 to 1: the part of each delay that is random; 1 is 0 to all of it */
    long deadline_ms;  /* all tries together; 0 is none */
};

enum tarn_retry_preset {
    TARN_RETRY_DEFAULT, /* 5 tries, 100 ms, cap 30 s */
    TARN_RETRY_FAST,    /* 3 tries, 50 ms, cap 1 s */
    TARN_RETRY_SLOW,    /* 5 tries, 200 ms, cap 10 s */
    TARN_RETRY_NETWORK  /* 5 tries, 100 ms, cap 5 s */
};

/* All presets back off exponentially, doubling, with full jitter. */
TARN_API void tarn_retry_policy_init(struct tarn_retry_policy *policy,
                                     enum tarn_retry_preset preset);

/* Sets retries_max, retry_base_ms and retry_cap_ms; a client's backoff always is exponential with
 * full jitter. */
TARN_API void tarn_config_set_retry(struct tarn_config *config,
                                    const struct tarn_retry_policy *policy);

/* The delay after try number `tries` (from 1), in ms. `err` (NULL is fine) tells what the server
 * asked for. Any thread. */
TARN_API long tarn_retry_delay_ms(const struct tarn_retry_policy *policy, int tries,
                                  const struct tarn_error *err);

/* May another try help? True for network trouble, timeouts, throttling and server errors. */
TARN_API bool tarn_error_is_retryable(const struct tarn_error *err);

/* ---- the breaker ---- */

enum tarn_breaker_state { TARN_BREAKER_CLOSED, TARN_BREAKER_OPEN, TARN_BREAKER_HALF_OPEN };

/* Called in the thread that caused the change; must not call the breaker. */
typedef void (*tarn_breaker_fn)(void *arg, enum tarn_breaker_state from,
                                enum tarn_breaker_state to);

struct tarn_breaker_options {
    uint32_t failures_max;  /* in a row, until it opens; 0 is 5 */
    long open_ms;           /* before a probe is let through; 0 is 60,000 */
    uint32_t successes_min; /* probes that must go well until it closes; 0 is 2 */
    tarn_breaker_fn on_change;
    void *arg;
    void *reserved[4];
};

struct tarn_breaker; /* any thread */

/* NULL when out of memory. `options` NULL is all defaults. Give it to the configurations of all
 * clients of one endpoint; it must outlive them. */
TARN_API struct tarn_breaker *tarn_breaker_new(const struct tarn_breaker_options *options);
TARN_API void tarn_breaker_free(struct tarn_breaker *breaker); /* accepts NULL */

/* May a request go out? Closed: yes. Open: no, until its time has passed; then it is half open and
 * lets one through at a time. Each yes is owed one tarn_breaker_record. */
TARN_API bool tarn_breaker_allow(struct tarn_breaker *breaker);

enum tarn_outcome {
    TARN_OUTCOME_GOOD, /* an answer, also a refusal such as 404 */
    TARN_OUTCOME_BAD,  /* network, timeout, throttling, server error */
    TARN_OUTCOME_NONE  /* cancelled: says nothing */
};
TARN_API void tarn_breaker_record(struct tarn_breaker *breaker, enum tarn_outcome outcome);
TARN_API enum tarn_breaker_state tarn_breaker_get_state(struct tarn_breaker *breaker);

/* ---- both ---- */

typedef int (*tarn_retry_fn)(void *arg, struct tarn_error *err);

/* What was done, for people. */
struct tarn_retry_report {
    int tries;
    long delay_ms; /* all delays together */
    int64_t elapsed_ms;
};

/* Calls `run` until it returns TARN_OK, fails for good, or the policy is used up; sleeps in
 * between. The last real error stays. `breaker` and `report` may be NULL; with the breaker open:
 * TARN_ENETWORK, s3_code "CircuitBreakerOpen". Blocks. */
TARN_API int tarn_retry_run(const struct tarn_retry_policy *policy, struct tarn_breaker *breaker,
                            tarn_retry_fn run, void *arg, struct tarn_retry_report *report,
                            struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
