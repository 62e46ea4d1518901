/* SPDX-License-Identifier: Apache-2.0 */
/* Records of locks that anybody may have written: never taken for more than they say, and what is
 * read can be written and read again. */

#include <assert.h>

#include "coord/lock_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tarn_object_info answer = { .etag = "e", .last_modified_ms = -1 };
    struct tn_lock_record record, again;
    int rc = tn_lock_record_read((const char *)data, len, &answer, &record);
    assert(rc == TARN_OK);
    assert(!record.is_uuid);
    if (record.info.state == TARN_LOCK_FOREIGN)
        return 0;
    assert(record.info.state == TARN_LOCK_HELD || record.info.state == TARN_LOCK_RELEASED);
    assert(record.info.ttl_ms >= TARN_LOCK_TTL_MIN_MS);
    assert(record.info.ttl_ms <= TARN_LOCK_TTL_MAX_MS);
    struct tn_buf body = TN_BUF_INIT(TN_LOCK_RECORD_MAX);
    if (!tn_str_is_utf8(tn_str_from(record.info.nonce))) /* cut within a character */
        return 0;
    rc = tn_lock_record_write(&record.info, record.given_back, &body);
    assert(rc == TARN_OK);
    rc = tn_lock_record_read(body.data, body.len, &answer, &again);
    assert(rc == TARN_OK);
    assert(again.info.state == record.info.state);
    assert(again.info.token == record.info.token);
    assert(again.info.seq == record.info.seq);
    assert(again.info.ttl_ms == record.info.ttl_ms);
    assert(strcmp(again.info.nonce, record.info.nonce) == 0);
    assert(strcmp(again.given_back, record.given_back) == 0);
    tn_buf_release(&body);
    return 0;
}
