/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that says what a failure means and whether another try may help. */

#ifndef CLIENT_CLASSIFY_H
#define CLIENT_CLASSIFY_H

#include "base/str.h"

enum tn_retry {
    TN_RETRY_NEVER,
    TN_RETRY_LATER,    /* after a delay */
    TN_RETRY_THROTTLE, /* after a delay; the server is fine but busy */
    TN_RETRY_CLOCK,    /* once, at once, with the server's clock */
    TN_RETRY_REGION,   /* once or twice, at once, signed for another region */
    TN_RETRY_KEYS,     /* once, with new keys */
};

struct tn_verdict {
    int status; /* TARN_E... */
    enum tn_retry retry;
};

/* Of an answer that is no success: its HTTP status and S3 code (empty when there is no body). A 200
 * with an error in its body comes as its code's usual failure. */
struct tn_verdict tn_classify_answer(int http_status, struct tn_str code);

/* Of an exchange that did not come to an end; `curl_code` is a CURLcode, not 0. */
struct tn_verdict tn_classify_transport(int curl_code);

/* Most that a client waits before try number `attempt` + 1 (attempt counts from 1): base *
 * 2^(attempt-1), at most `cap`. */
uint64_t tn_backoff_limit_ms(int attempt, long base_ms, long cap_ms);

/* Full jitter: evenly in 0 to that limit; at least `retry_after_ms` where the server asked for it.
 */
uint64_t tn_backoff_ms(int attempt, long base_ms, long cap_ms, long retry_after_ms);

/* Retry-After: seconds or an HTTP date (RFC 9110 section 10.2.3), in milliseconds, at most an hour;
 * 0 for anything else. `now` in Unix seconds. */
long tn_retry_after_ms(struct tn_str value, int64_t now);

#endif
