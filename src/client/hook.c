/* SPDX-License-Identifier: Apache-2.0 */
/* Circuit breaker and event hook. */

#include "client/hook.h"

#include "client/client_impl.h"

static void tell(const struct tn_op *op, enum tarn_event_kind kind, int attempt, uint64_t delay_ms)
{
    const struct tn_settings *s = &op->client->settings;
    if (!s->event_fn)
        return;
    const struct tarn_event event = { .kind = kind,
                                      .operation = op->what,
                                      .method = op->method,
                                      .bucket = op->bucket,
                                      .key = op->key,
                                      .attempt = attempt,
                                      .http_status = op->http_status,
                                      .status = kind == TARN_EVENT_DONE ? op->rc : TARN_OK,
                                      .delay_ms = delay_ms };
    s->event_fn(s->event_arg, &event);
}

bool tn_hook_may_start(struct tn_op *op)
{
    struct tarn_breaker *breaker = op->client->settings.breaker;
    if (breaker && !op->survives_cancel && !tarn_breaker_allow(breaker)) {
        op->rc = tn_op_fail(op, &op->err, TARN_ENETWORK, "not tried: the circuit breaker is open");
        op->err.attempts = op->attempts;
        (void)snprintf(op->err.s3_code, sizeof op->err.s3_code, "CircuitBreakerOpen");
        return false;
    }
    op->http_status = 0;
    tell(op, TARN_EVENT_STARTED, op->attempts + 1, 0);
    return true;
}

/* Only what says that the server is in trouble counts; a refusal shows that it is well. */
static enum tarn_outcome outcome_of(const struct tn_op *op, int curl_code)
{
    if (op->http_status >= 500 || op->http_status == 429)
        return TARN_OUTCOME_BAD;
    if (op->sink.rc < 0 || op->body.rc < 0) /* local trouble */
        return TARN_OUTCOME_NONE;
    return curl_code != CURLE_OK && op->http_status == 0 ? TARN_OUTCOME_BAD : TARN_OUTCOME_GOOD;
}

void tn_hook_finished(struct tn_op *op, int curl_code, bool is_retried, uint64_t delay_ms)
{
    struct tarn_breaker *breaker = op->client->settings.breaker;
    if (breaker && !op->survives_cancel)
        tarn_breaker_record(breaker, outcome_of(op, curl_code));
    tell(op, is_retried ? TARN_EVENT_RETRIED : TARN_EVENT_DONE, op->attempts, delay_ms);
}

void tn_hook_cancelled(struct tn_op *op)
{
    struct tarn_breaker *breaker = op->client->settings.breaker;
    if (breaker && !op->survives_cancel)
        tarn_breaker_record(breaker, TARN_OUTCOME_NONE);
    op->rc = TARN_ECANCELLED;
    tell(op, TARN_EVENT_DONE, op->attempts, 0);
}

void tn_hook_given_up(struct tn_op *op)
{
    struct tarn_breaker *breaker = op->client->settings.breaker;
    if (breaker && !op->survives_cancel)
        tarn_breaker_record(breaker, TARN_OUTCOME_NONE);
    tell(op, TARN_EVENT_RETRIED, op->attempts, 0);
}
