/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: lines of authorization, path, query, then headers "name:value". Whatever is claimed
 * is well-formed, and what can be signed verifies. */

#include <assert.h>

#include "proto/sigv4.h"

enum { HEADER_COUNT_MAX = 12, NOW = 1369353600 };

static const unsigned char key_bytes[TN_SIGV4_KEY_LEN] = { 1, 2, 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_claim(const struct tn_sigv4_request *request, struct tn_sigv4_scratch *scratch)
{
    struct tn_sigv4_claim claim;
    if (tn_sigv4_parse(request, scratch, &claim) != TN_SIGV4_FINE ||
        claim.kind == TN_SIGV4_ANONYMOUS)
        return;
    assert(claim.signature.len == TN_SIGV4_SIGNATURE_LEN);
    assert(claim.date.len == 8);
    assert(claim.access_key.len > 0 && claim.access_key.len <= TN_SIGV4_ACCESS_KEY_LEN_MAX);
    assert(claim.region.len > 0 && claim.region.len <= TN_SIGV4_REGION_LEN_MAX);
    assert(claim.scope.len == 8 + 1 + claim.region.len + 16);
    assert(claim.kind == TN_SIGV4_HEADER || claim.expires_s > 0);
    enum tn_sigv4_problem problem = tn_sigv4_check_time(&claim, NOW);
    assert(problem != TN_SIGV4_MISMATCH);
    problem = tn_sigv4_verify(request, &claim, key_bytes, scratch);
    assert(problem != TN_SIGV4_FINE);
}

static void sign_and_verify(struct tn_sigv4_request request, struct tn_sigv4_scratch *scratch)
{
    struct tn_header headers[HEADER_COUNT_MAX + 4];
    size_t count = 0;
    for (size_t i = 0; i < request.header_count; i++) {
        struct tn_str name = request.headers[i].name;
        if (!tn_str_eq_nocase(tn_str_sub(name, 0, 6), TN_STR("x-amz-")) &&
            !tn_str_eq_nocase(name, TN_STR("authorization")))
            headers[count++] = request.headers[i];
    }
    headers[count++] = (struct tn_header){ TN_STR("host"), TN_STR("h") };
    headers[count++] = (struct tn_header){ TN_STR("x-amz-date"), TN_STR("20130524T000000Z") };
    headers[count++] =
        (struct tn_header){ TN_STR("x-amz-content-sha256"), TN_STR("UNSIGNED-PAYLOAD") };
    request.headers = headers;
    request.header_count = count;

    struct tn_sigv4_key key = { 0 };
    struct tn_sigv4_signing signing = { .request = request,
                                        .access_key = TN_STR("AK"),
                                        .secret = TN_STR("secret"),
                                        .region = TN_STR("r"),
                                        .now = NOW,
                                        .key = &key };
    TN_AUTO_BUF out = TN_BUF_INIT(1 << 20);
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    if (tn_sigv4_sign(&signing, scratch, &out, signature, NULL) < 0)
        return;
    headers[count++] = (struct tn_header){ TN_STR("authorization"), tn_buf_str(&out) };
    request.header_count = count;
    struct tn_sigv4_claim claim;
    enum tn_sigv4_problem problem = tn_sigv4_parse(&request, scratch, &claim);
    if (problem == TN_SIGV4_TWO_MECHANISMS || problem == TN_SIGV4_MALFORMED_HEADER)
        return; /* the query claims too; or the list of names grew past its limit */
    assert(problem == TN_SIGV4_FINE);
    problem = tn_sigv4_verify(&request, &claim, key.bytes, scratch);
    assert(problem == TN_SIGV4_FINE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_str rest = { (const char *)data, size };
    struct tn_header headers[HEADER_COUNT_MAX];
    size_t count = 0;
    struct tn_str authorization = tn_str_split(&rest, '\n');
    struct tn_sigv4_request request = { .method = TN_STR("GET"), .headers = headers };
    request.path = tn_str_split(&rest, '\n');
    request.query = tn_str_split(&rest, '\n');
    if (authorization.len)
        headers[count++] = (struct tn_header){ TN_STR("authorization"), authorization };
    while (rest.len && count < HEADER_COUNT_MAX) {
        struct tn_str value = tn_str_split(&rest, '\n');
        struct tn_str name = tn_str_split(&value, ':');
        headers[count++] = (struct tn_header){ name, tn_str_trim(value) };
    }
    request.header_count = count;

    struct tn_sigv4_scratch scratch;
    tn_sigv4_scratch_init(&scratch);
    check_claim(&request, &scratch);
    sign_and_verify(request, &scratch);
    tn_sigv4_scratch_release(&scratch);
    return 0;
}
