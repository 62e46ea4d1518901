/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's formats read whatever a disk may hold without stepping outside it. */

#include <assert.h>

#include "server/store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct record_salt salt = { 0x524e5254, 0 };

static void read_manifest(struct tn_str body)
{
    struct manifest m;
    struct manifest_part part;
    int rc;
    manifest_begin(&m, body);
    while ((rc = manifest_next(&m, &part)) == TARN_OK)
        assert(part.meta.len <= body.len);
    assert(rc == TARN_EEOF || rc == TARN_ECORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct record r;
    struct store_head head;
    struct tn_str meta;
    struct tn_str all = { (const char *)data, len };
    size_t front_len;
    uint64_t total_len;
    if (len >= RECORD_HEADER_LEN &&
        record_read_header(data, salt, &r, &front_len, &total_len) == TARN_OK)
        assert(front_len >= RECORD_HEADER_LEN && total_len >= front_len);
    if (record_read_front(data, len, salt, &r) == TARN_OK)
        assert(r.key.len + r.meta.len < len);
    if (head_decode(TN_STR("k"), all, &head, &meta) == TARN_OK)
        assert(meta.len < len);
    read_manifest(all);
    return 0;
}
