/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: whatever is in it, an answer with a place, and no leak. */

#include <assert.h>

#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct config c;
    struct tarn_error err = { 0 };
    config_init(&c);
    int rc = config_parse(&c, "f", (struct tn_str){ (const char *)data, len }, &err);
    assert(rc == TARN_OK || rc == TARN_ECONFIG || rc == TARN_ENOMEM || rc == TARN_ETOOBIG);
    if (rc == TARN_ECONFIG)
        assert(strncmp(err.message, "f:", 2) == 0 && strstr(err.message, "expected"));
    assert(c.domain_count <= CONFIG_DOMAIN_COUNT_MAX);
    assert(c.key_count <= CONFIG_KEY_COUNT_MAX);
    config_release(&c);
    return 0;
}
