/* SPDX-License-Identifier: Apache-2.0 */
/* What the server that does nothing says: keys that nobody stored, bodies of zeros, uploads that
 * are dropped. An upload is taken for zeros, so files of zeros get the ETags they should have. */

#ifndef TESTS_BENCH_NULL_ANSWER_H
#define TESTS_BENCH_NULL_ANSWER_H

#include <pthread.h>

#include "base/buf.h"
#include "proto/http1.h"

enum {
    NULL_UPLOADS_MAX = 64,
    NULL_PARTS_MAX = 10000,
    NULL_DIGESTS_MAX = 16,
    NULL_PAGE_KEYS_MAX = 1000,
    NULL_NAME_LEN = 24, /* "d000000/f000000" and its NUL */
};

/* Digests of so many zeros. */
struct null_digest {
    uint64_t len;
    uint64_t crc;
    unsigned char md5[16];
};

struct null_upload {
    uint64_t id;         /* 0: free */
    uint32_t part_count; /* the greatest number */
    uint64_t *parts;     /* lengths */
};

/* Of every bucket: keys d000000/f000000 and on, but of "few" (3), "small" (10,000) and "up" (none).
 * Objects called large... have `large` bytes, all others `size`. */
struct null_world {
    uint64_t keys;
    uint64_t per_directory;
    uint64_t size;
    uint64_t large;
    struct {
        pthread_mutex_t lock;
        uint64_t upload_id; /* the last one given */
        struct null_upload uploads[NULL_UPLOADS_MAX];
        struct null_digest digests[NULL_DIGESTS_MAX];
        size_t digest_count;
    } shared;
};

void null_world_init(struct null_world *w);
void null_world_release(struct null_world *w);

/* The `i`-th key. */
void null_name(const struct null_world *w, uint64_t i, char out[NULL_NAME_LEN]);

/* Appends the head of the answer to `out`, and its document; `zeros` bytes of body follow. Any
 * thread. The body of the request was dropped. */
TN_MUST_USE int null_answer(struct null_world *w, struct tn_arena *a,
                            const struct tn_http1_head *head, struct tn_buf *out, uint64_t *zeros);

#endif
