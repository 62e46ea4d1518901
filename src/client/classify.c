/* SPDX-License-Identifier: Apache-2.0 */
/* Failures, judged. */

#include "client/classify.h"


#include "base/rand.h"
#include "base/curl_door.h"
#include "proto/http_date.h"
#include "proto/s3_error.h"

enum { RETRY_AFTER_MAX_S = 3600 };

static const struct {
    const char *code;
    enum tn_retry retry;
} code_table[] = {
    { "SlowDown", TN_RETRY_THROTTLE },
    { "Throttling", TN_RETRY_THROTTLE },
    { "ThrottlingException", TN_RETRY_THROTTLE },
    { "ThrottledException", TN_RETRY_THROTTLE },
    { "RequestThrottled", TN_RETRY_THROTTLE },
    { "RequestThrottledException", TN_RETRY_THROTTLE },
    { "RequestLimitExceeded", TN_RETRY_THROTTLE },
    { "BandwidthLimitExceeded", TN_RETRY_THROTTLE },
    { "TooManyRequests", TN_RETRY_THROTTLE },
    { "ServiceUnavailable", TN_RETRY_THROTTLE },
    { "RequestTimeout", TN_RETRY_LATER },
    { "RequestTimeoutException", TN_RETRY_LATER },
    { "InternalError", TN_RETRY_LATER },
    { "OperationAborted", TN_RETRY_LATER },
    { "ConditionalRequestConflict", TN_RETRY_LATER },
    { "IncompleteBody", TN_RETRY_LATER },
    /* The server got other bytes than were sent: a damaged line, not damaged data. */
    { "BadDigest", TN_RETRY_LATER },
    { "XAmzContentSHA256Mismatch", TN_RETRY_LATER },
    { "XAmzContentChecksumMismatch", TN_RETRY_LATER },
    { "RequestTimeTooSkewed", TN_RETRY_CLOCK },
    { "AuthorizationHeaderMalformed", TN_RETRY_REGION },
    { "PermanentRedirect", TN_RETRY_REGION },
    { "TemporaryRedirect", TN_RETRY_REGION },
    { "Redirect", TN_RETRY_REGION },
    { "IllegalLocationConstraintException", TN_RETRY_REGION },
    { "ExpiredToken", TN_RETRY_KEYS },
    { "ExpiredTokenException", TN_RETRY_KEYS },
    { "TokenRefreshRequired", TN_RETRY_KEYS },
    { "NotImplemented", TN_RETRY_NEVER },
};

static enum tn_retry by_http_status(int http_status)
{
    switch (http_status) {
    case 301:
    case 307:
    case 308:
        return TN_RETRY_REGION;
    case 429:
    case 503:
        return TN_RETRY_THROTTLE;
    case 408:
    case 500:
    case 502:
    case 504:
        return TN_RETRY_LATER;
    default:
        return TN_RETRY_NEVER;
    }
}

struct tn_verdict tn_classify_answer(int http_status, struct tn_str code)
{
    struct tn_verdict v = { tn_s3_status(code, http_status), by_http_status(http_status) };
    for (size_t i = 0; i < TN_COUNT(code_table); i++) {
        if (tn_str_eq(code, tn_str_from(code_table[i].code)))
            v.retry = code_table[i].retry;
    }
    if (v.status == TARN_OK) /* an error in the body of a 200 */
        v.status = TARN_ESERVER;
    return v;
}

struct tn_verdict tn_classify_transport(int curl_code)
{
    switch (curl_code) {
    case CURLE_OUT_OF_MEMORY:
        return (struct tn_verdict){ TARN_ENOMEM, TN_RETRY_NEVER };
    case CURLE_OPERATION_TIMEDOUT:
        return (struct tn_verdict){ TARN_ETIMEOUT, TN_RETRY_LATER };
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_UPLOAD_FAILED:
        return (struct tn_verdict){ TARN_ENETWORK, TN_RETRY_LATER };
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return (struct tn_verdict){ TARN_ENETWORK, TN_RETRY_NEVER };
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
        return (struct tn_verdict){ TARN_ECONFIG, TN_RETRY_NEVER };
    default: /* also CURLE_UNSUPPORTED_PROTOCOL: the peer does not speak HTTP */
        return (struct tn_verdict){ TARN_EPROTOCOL, TN_RETRY_LATER };
    }
}

uint64_t tn_backoff_limit_ms(int attempt, long base_ms, long cap_ms)
{
    uint64_t cap = cap_ms > 0 ? (uint64_t)cap_ms : 0;
    uint64_t limit = base_ms > 0 ? (uint64_t)base_ms : 0;
    for (int i = 1; i < attempt && limit < cap; i++)
        limit *= 2;
    return limit < cap ? limit : cap;
}

uint64_t tn_backoff_ms(int attempt, long base_ms, long cap_ms, long retry_after_ms)
{
    uint64_t delay = tn_random_below(tn_backoff_limit_ms(attempt, base_ms, cap_ms) + 1);
    uint64_t asked = retry_after_ms > 0 ? (uint64_t)retry_after_ms : 0;
    return delay > asked ? delay : asked;
}

long tn_retry_after_ms(struct tn_str value, int64_t now)
{
    uint64_t seconds;
    int64_t date;
    value = tn_str_trim(value);
    if (tn_str_to_u64(value, &seconds) < 0) {
        if (tn_http_date_parse(value, now, &date) < 0 || date <= now)
            return 0;
        seconds = (uint64_t)(date - now);
    }
    if (seconds > RETRY_AFTER_MAX_S)
        seconds = RETRY_AFTER_MAX_S;
    return (long)seconds * 1000;
}
