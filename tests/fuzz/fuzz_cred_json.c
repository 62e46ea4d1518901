/* SPDX-License-Identifier: Apache-2.0 */
/* Documents with keys: whatever comes, either nothing is taken or keys that can go into a header.
 */

#include <assert.h>

#include "client/cred_fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_clean(const char *text, size_t cap)
{
    assert(memchr(text, '\0', cap));
    for (; *text; text++)
        assert((unsigned char)*text > ' ' && (unsigned char)*text < 0x7f);
}

static void check(struct tn_str text, const struct tn_cred_names *names)
{
    struct tarn_credentials keys = { .expires_ms = -7 };
    struct tarn_error err = { 0 };
    int rc = tn_cred_read_json(text, names, &keys, &err);
    if (rc < 0) {
        assert(keys.expires_ms == -7 && err.status == rc);
        return;
    }
    assert(keys.access_key[0] && keys.secret_key[0] && keys.expires_ms >= 0);
    check_clean(keys.access_key, sizeof keys.access_key);
    check_clean(keys.secret_key, sizeof keys.secret_key);
    check_clean(keys.session_token, sizeof keys.session_token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct tn_cred_names flat = { .access_key = "AccessKeyId",
                                               .secret_key = "SecretAccessKey",
                                               .session_token = "Token",
                                               .expiry = "Expiration" };
    static const struct tn_cred_names nested = { .container = "roleCredentials",
                                                 .access_key = "accessKeyId",
                                                 .secret_key = "secretAccessKey",
                                                 .session_token = "sessionToken",
                                                 .expiry = "expiration" };
    struct tn_str text = { (const char *)data, len };
    if (len == 0)
        text.data = "";
    check(text, &flat);
    check(text, &nested);
    return 0;
}
