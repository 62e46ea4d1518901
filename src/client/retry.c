/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of retrying. */

#include <tarn/client.h>
#include <tarn/retry.h>

#include <time.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/rand.h"

enum { DELAY_LIMIT_MS = 24 * 60 * 60 * 1000, JITTER_STEPS = 1 << 20 };

void tarn_retry_policy_init(struct tarn_retry_policy *policy, enum tarn_retry_preset preset)
{
    static const struct {
        int tries_max;
        long base_ms, cap_ms;
    } presets[] = {
        [TARN_RETRY_DEFAULT] = { 5, 100, 30 * 1000 },
        [TARN_RETRY_FAST] = { 3, 50, 1000 },
        [TARN_RETRY_SLOW] = { 5, 200, 10 * 1000 },
        [TARN_RETRY_NETWORK] = { 5, 100, 5 * 1000 },
    };
    size_t at = (size_t)preset < TN_COUNT(presets) ? (size_t)preset : TARN_RETRY_DEFAULT;
    *policy = (struct tarn_retry_policy){ .tries_max = presets[at].tries_max,
                                          .base_ms = presets[at].base_ms,
                                          .cap_ms = presets[at].cap_ms,
                                          .multiplier = 2,
                                          .jitter = 1 };
}

void tarn_config_set_retry(struct tarn_config *config, const struct tarn_retry_policy *policy)
{
    config->retries_max = policy->tries_max > 1 ? policy->tries_max - 1 : 0;
    config->retry_base_ms = policy->base_ms;
    config->retry_cap_ms = policy->cap_ms;
}

long tarn_retry_delay_ms(const struct tarn_retry_policy *policy, int tries,
                         const struct tarn_error *err)
{
    double delay = (double)(policy->base_ms > 0 ? policy->base_ms : 0);
    double cap = (double)(policy->cap_ms > 0 ? policy->cap_ms : 0);
    double jitter = policy->jitter > 0 ? policy->jitter : 0;
    if (cap > DELAY_LIMIT_MS)
        cap = DELAY_LIMIT_MS;
    if (policy->backoff == TARN_BACKOFF_LINEAR)
        delay *= tries > 0 ? tries : 1;
    for (int i = 1; policy->backoff == TARN_BACKOFF_EXPONENTIAL && i < tries && delay < cap; i++) {
        if (!(policy->multiplier > 1)) /* nor when it is no number */
            break;
        delay *= policy->multiplier;
    }
    if (!(delay < cap))
        delay = cap;
    double share = (double)tn_random_below(JITTER_STEPS + 1) / JITTER_STEPS;
    delay -= delay * (jitter > 1 ? 1 : jitter) * share;
    long asked = err && err->retry_after_ms > 0 ? err->retry_after_ms : 0;
    return (long)delay > asked ? (long)delay : asked;
}

bool tarn_error_is_retryable(const struct tarn_error *err)
{
    switch (err->status) {
    case TARN_ENETWORK:
    case TARN_ETIMEOUT:
    case TARN_ETHROTTLED:
    case TARN_ESERVER:
    case TARN_EPROTOCOL:
        return true;
    case TARN_ECONFLICT: /* OperationAborted, ConditionalRequestConflict */
        return err->http_status == 409;
    default:
        return false;
    }
}

static void nap(long ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    while (nanosleep(&left, &left) < 0)
        ;
}

static enum tarn_outcome outcome_of(int rc, const struct tarn_error *err)
{
    if (rc == TARN_OK)
        return TARN_OUTCOME_GOOD;
    if (rc == TARN_ECANCELLED)
        return TARN_OUTCOME_NONE;
    return tarn_error_is_retryable(err) && rc != TARN_ECONFLICT ? TARN_OUTCOME_BAD
                                                                : TARN_OUTCOME_GOOD;
}

static int refuse(struct tarn_error *err)
{
    int rc = tn_fail(err, TARN_ENETWORK, "not tried: the circuit breaker is open");
    (void)snprintf(err->s3_code, sizeof err->s3_code, "CircuitBreakerOpen");
    return rc;
}

int tarn_retry_run(const struct tarn_retry_policy *policy, struct tarn_breaker *breaker,
                   tarn_retry_fn run, void *arg, struct tarn_retry_report *report,
                   struct tarn_error *err)
{
    int given = tn_check_missing(tn_missing(TN_MISSING(policy), TN_MISSING(run)), err);
    if (given < 0)
        return given;
    struct tarn_retry_report made = { 0 };
    struct tarn_error last = { 0 };
    uint64_t start_ns = tn_now_ns();
    int rc = TARN_OK;
    for (;;) {
        struct tarn_error why = { 0 };
        if (breaker && !tarn_breaker_allow(breaker)) {
            if (made.tries == 0) /* else the real error stays */
                rc = refuse(&last);
            break;
        }
        made.tries++;
        rc = run(arg, &why);
        why.status = rc;
        if (breaker)
            tarn_breaker_record(breaker, outcome_of(rc, &why));
        if (rc == TARN_OK)
            break;
        last = why;
        long delay_ms = tarn_retry_delay_ms(policy, made.tries, &why);
        int64_t elapsed_ms = (int64_t)((tn_now_ns() - start_ns) / 1000000u);
        bool is_late = policy->deadline_ms > 0 && elapsed_ms + delay_ms >= policy->deadline_ms;
        if (made.tries >= policy->tries_max || is_late || !tarn_error_is_retryable(&why))
            break;
        nap(delay_ms);
        made.delay_ms += delay_ms;
    }
    made.elapsed_ms = (int64_t)((tn_now_ns() - start_ns) / 1000000u);
    if (report)
        *report = made;
    if (rc < 0 && err)
        *err = last;
    return rc;
}
