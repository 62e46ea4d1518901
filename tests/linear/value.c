/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers to bodies. */

#include "linear/value.h"

#include "base/codec.h"
#include "base/hash.h"

enum { IS_MULTIPART = 1u << 0, IS_BIG = 1u << 1, FLAG_BITS = 2, FILL_LEN_MAX = 1000 };

uint32_t linear_value(uint32_t number, bool is_big, bool is_multipart)
{
    return number << FLAG_BITS | (is_big ? IS_BIG : 0u) | (is_multipart ? IS_MULTIPART : 0u);
}

bool linear_value_is_multipart(uint32_t value)
{
    return value & IS_MULTIPART;
}

int linear_value_body(uint32_t key, uint32_t value, struct tn_buf *out)
{
    tn_buf_truncate(out, 0);
    int rc = tn_buf_appendf(out, "value %u of key %u\n", (unsigned)value, (unsigned)key);
    size_t fill = value % FILL_LEN_MAX + (value & IS_BIG ? LINEAR_BODY_BIG : 0);
    if (rc == TARN_OK)
        rc = tn_buf_reserve(out, fill);
    if (rc < 0)
        return rc;
    uint64_t noise = ((uint64_t)key << 32 | value) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (; fill >= sizeof noise; fill -= sizeof noise) {
        noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        rc = tn_buf_append(out, &noise, sizeof noise);
        if (rc < 0)
            return rc;
    }
    return tn_buf_append(out, &noise, fill);
}

void linear_value_etag(uint32_t value, struct tn_str body, bool is_part, char out[LINEAR_ETAG_LEN])
{
    unsigned char md5[TN_MD5_LEN];
    char hex[2 * TN_MD5_LEN + 1];
    bool is_multipart = linear_value_is_multipart(value) && !is_part;
    tn_md5(body.data, body.len, md5);
    if (is_multipart)
        tn_md5(md5, sizeof md5, md5);
    tn_hex_encode(md5, sizeof md5, hex);
    (void)snprintf(out, LINEAR_ETAG_LEN, "\"%s%s\"", hex, is_multipart ? "-1" : "");
}
