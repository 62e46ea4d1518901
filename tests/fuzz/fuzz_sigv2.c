/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2: method, path, query, headers in lines; what was taken verifies the same twice. */

#include <assert.h>

#include "proto/sigv2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str rest = { (const char *)data, len };
    struct tn_header headers[8];
    size_t count = 0;
    struct tn_sigv4_request request = { .method = tn_str_split(&rest, '\n'),
                                        .path = tn_str_split(&rest, '\n'),
                                        .query = tn_str_split(&rest, '\n'),
                                        .headers = headers };
    while (rest.len && count < TN_COUNT(headers)) {
        struct tn_str value = tn_str_split(&rest, '\n');
        struct tn_str name = tn_str_split(&value, ':');
        headers[count++] = (struct tn_header){ name, value };
    }
    request.header_count = count;
    struct tn_sigv4_scratch scratch;
    struct tn_sigv2_claim claim;
    tn_sigv4_scratch_init(&scratch);
    if (tn_sigv2_is(&request) && tn_sigv2_parse(&request, &scratch, &claim) == TN_SIGV2_FINE) {
        assert(claim.signature.len == TN_SIGV2_SIGNATURE_LEN);
        enum tn_sigv2_problem problem =
            tn_sigv2_verify(&request, TN_STR("bucket"), &claim, TN_STR("secret"), &scratch);
        assert(problem == TN_SIGV2_MISMATCH || problem == TN_SIGV2_MALFORMED);
        problem = tn_sigv2_check_time(&claim, claim.time);
        assert(problem == TN_SIGV2_FINE);
    }
    tn_sigv4_scratch_release(&scratch);
    return 0;
}
