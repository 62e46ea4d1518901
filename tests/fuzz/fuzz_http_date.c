/* SPDX-License-Identifier: Apache-2.0 */
/* Dates: whatever is accepted can be written and read again. */

#include <assert.h>

#include "proto/http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW = 1763683200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    int64_t seconds = 4242;
    int rc = tn_http_date_parse(text, NOW, &seconds);
    if (rc < 0) {
        assert(rc == TARN_EINVAL);
        assert(seconds == 4242);
        return 0;
    }
    char again[TN_TIME_LEN];
    int64_t same;
    if (seconds < 0 || seconds > 253402300799) /* zones may lead out of the calendar */
        return 0;
    tn_time_http(seconds, again);
    rc = tn_http_date_parse(tn_str_from(again), NOW, &same);
    assert(rc == TARN_OK);
    assert(same == seconds);
    return 0;
}
