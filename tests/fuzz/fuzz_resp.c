/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's answers: the same in one piece and byte by byte. */

#include <assert.h>

#include "server/notify/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct resp_reply whole = { .kind = 0 };
    struct resp_reply split = { .kind = 0 };
    const char *bytes = (const char *)data;
    size_t taken = 0;
    int rc = resp_feed(&whole, bytes, len, &taken);
    assert(taken <= len);
    int again = TARN_OK;
    size_t at = 0;
    while (again == TARN_OK && at < len && !split.is_complete) {
        size_t step;
        again = resp_feed(&split, bytes + at, 1, &step);
        at += step;
    }
    assert(again == rc);
    if (rc == TARN_OK) {
        assert(at == taken);
        assert(split.is_complete == whole.is_complete);
        assert(split.kind == whole.kind && split.line_len == whole.line_len);
        assert(memcmp(split.line, whole.line, whole.line_len) == 0);
        assert(whole.is_complete || taken == len);
    }
    return 0;
}
