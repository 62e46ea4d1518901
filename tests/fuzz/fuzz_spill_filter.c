/* SPDX-License-Identifier: Apache-2.0 */
/* The reading halves of the filters on bytes that nobody wrote: the first byte picks filter and
 * step. They end, give nothing without a writer where they authenticate, and do not depend on the
 * steps. */

#include <assert.h>

#include "spill/stream.h"

enum { OUT_MAX = 1 << 20, KINDS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct source {
    struct spill_reader base;
    const uint8_t *data;
    size_t len;
    size_t step;
};

static int64_t source_read(struct spill_reader *base, void *out, size_t cap, struct tarn_error *err)
{
    struct source *s = TN_CONTAINER(base, struct source, base);
    size_t now = s->len < s->step ? s->len : s->step;
    (void)err;
    if (now > cap)
        now = cap;
    memcpy(out, s->data, now);
    s->data += now;
    s->len -= now;
    return (int64_t)now;
}

/* The sum of what came out, and how it ended. */
static int64_t run(enum tarn_buffer_filter_kind kind, const uint8_t *data, size_t len, size_t step,
                   uint64_t *sum)
{
    static const unsigned char key[TARN_BUFFER_KEY_LEN] = "not for the fuzzer to be known.";
    struct tarn_buffer_filter filter = { .kind = kind, .key = key };
    struct source source = { { source_read, NULL, NULL }, data, len, step };
    struct spill_reader *reader = spill_filter_reader(&filter, &source.base, NULL);
    unsigned char out[997];
    int64_t total = 0, n;
    assert(reader);
    *sum = 0;
    while ((n = reader->read(reader, out, sizeof out, NULL)) > 0 && total < OUT_MAX) {
        assert(n <= (int64_t)sizeof out);
        for (int64_t i = 0; i < n; i++)
            *sum = *sum * 31 + out[i];
        total += n;
    }
    reader->free(reader);
    assert(n >= 0 || n == TARN_ECORRUPT);
    return n < 0 ? n : total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t sum, sum_by_step;
    if (len == 0)
        return 0;
    enum tarn_buffer_filter_kind kind = (enum tarn_buffer_filter_kind)(data[0] % KINDS);
    size_t step = data[0] / KINDS + 1;
    int64_t all = run(kind, data + 1, len - 1, len, &sum);
    int64_t steps = run(kind, data + 1, len - 1, step, &sum_by_step);
    if (all >= OUT_MAX || steps >= OUT_MAX) /* not read to the end */
        return 0;
    assert(all == steps);
    assert(all < 0 || sum == sum_by_step);
    if (kind == TARN_BUFFER_AES_256_GCM || kind == TARN_BUFFER_CHACHA20_POLY1305)
        assert(all == TARN_ECORRUPT);
    return 0;
}
