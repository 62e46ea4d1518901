/* SPDX-License-Identifier: Apache-2.0 */
/* A record of a transfer may say anything: what is read of it stays within the transfer. */

#include <assert.h>

#include "client/resume.h"

enum { PART_COUNT = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    struct tn_str rest = text;
    struct tn_str identity = tn_str_split(&rest, '\n');
    struct tn_resume_state s;
    int rc = tn_resume_parse(text, identity, PART_COUNT, &s);
    assert(rc == TARN_OK);
    assert(s.count <= PART_COUNT);
    assert(s.count == 0 || s.is_same);
    assert(strlen(s.upload_id) < sizeof s.upload_id);
    size_t count = 0;
    for (size_t i = 0; s.parts && i < PART_COUNT; i++) {
        assert(s.parts[i].number == 0 || s.parts[i].number == i + 1);
        count += s.parts[i].number > 0;
        assert(strlen(s.parts[i].etag) < sizeof s.parts[i].etag);
        assert(s.parts[i].value.part_count == 0 || s.parts[i].value.type == TN_CHECKSUM_COMPOSITE);
    }
    assert(count == s.count);
    tn_resume_state_release(&s);
    return 0;
}
