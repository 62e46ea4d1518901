/* SPDX-License-Identifier: Apache-2.0 */
/* H5 to H15: what is wrong with the reference's buffer. Each row is the same play for both. */

#include <stdlib.h>

#include "coord/cases.h"
#include "coord/flawed_buffer.h"
#include "coord/shelf.h"

enum { DATA_LEN = 600 << 10, LARGE = 512 << 10, SPILLED = 400000 /* all of it */ };

/* One of the two buffers. */
struct subject {
    struct shelf shelf;
    struct tarn_buffer *ours; /* NULL: the flawed one */
    struct flawed_buffer flawed;
    struct tarn_buffer_pool *pool;
    char *data; /* what is written */
    char *out;  /* what was read */
};

static const struct tarn_buffer_filter pair[] = { { .kind = TARN_BUFFER_GZIP },
                                                  { .kind = TARN_BUFFER_AES_256_GCM,
                                                    .key = "a key of which everybody knows..." } };

static void subject_init(struct subject *x, const struct scene *c, size_t filter_count,
                         size_t threshold)
{
    struct tarn_error err = { 0 };
    *x = (struct subject){ .ours = NULL };
    shelf_init(&x->shelf);
    x->data = tn_calloc(1, DATA_LEN);
    x->out = tn_calloc(1, DATA_LEN);
    x->pool = tarn_buffer_pool_new(DATA_LEN, &err);
    for (size_t i = 0; i < DATA_LEN; i++)
        x->data[i] = (char)(i * 2654435761u >> 13);
    flawed_buffer_init(&x->flawed, &x->shelf.storage, pair, filter_count, threshold);
    struct tarn_buffer_options o = { .threshold = threshold,
                                     .filters = pair,
                                     .filter_count = filter_count,
                                     .storage = &x->shelf.storage,
                                     .pool = x->pool };
    if (!c->s->is_flawed)
        x->ours = tarn_buffer_new(&o, &err);
}

static void subject_release(struct subject *x)
{
    tarn_buffer_free(x->ours);
    flawed_buffer_release(&x->flawed);
    shelf_release(&x->shelf);
    tarn_buffer_pool_free(x->pool);
    tn_free(x->data);
    tn_free(x->out);
}

static int put(struct subject *x, size_t from, size_t len)
{
    return x->ours ? tarn_buffer_write(x->ours, x->data + from, len, NULL)
                   : flawed_buffer_write(&x->flawed, x->data + from, len);
}

static int64_t take(struct subject *x, size_t cap)
{
    return x->ours ? tarn_buffer_read(x->ours, x->out, cap, NULL)
                   : flawed_buffer_read(&x->flawed, x->out, cap);
}

/* Whether all that is left are the bytes `from` to `to`. */
static bool gives(struct subject *x, size_t from, size_t to)
{
    for (;;) {
        int64_t n = take(x, 1000);
        if (n <= 0)
            return n == 0 && from == to;
        if ((size_t)n > to - from || memcmp(x->out, x->data + from, (size_t)n) != 0)
            return false;
        from += (size_t)n;
    }
}

static int h5_order_of_filters(struct scene *c, struct subject *x)
{
    x->flawed.closes_all = true;
    CHECK(put(x, 0, 100000) == TARN_OK);
    CHECK(gives(x, 0, 100000));
    return 0;
}

static int h6_links_not_closed(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, SPILLED) == TARN_OK);
    (void)take(x, 1000);
    CHECK(x->shelf.objects[0].is_sealed);
    return 0;
}

static int h7_consumed_bytes_again(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, 10) == TARN_OK && take(x, 5) == 5);
    CHECK(put(x, 10, 200) == TARN_OK);
    CHECK(gives(x, 5, 210));
    return 0;
}

static int h8_write_after_read(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, 200) == TARN_OK && take(x, 50) == 50);
    CHECK(put(x, 200, 100) == TARN_OK);
    CHECK(gives(x, 50, 300));
    return 0;
}

static int h9_failed_end_of_writing(struct scene *c, struct subject *x)
{
    x->shelf.seals_fail = true;
    CHECK(put(x, 0, SPILLED) == TARN_OK);
    CHECK(take(x, 200) == TARN_ENETWORK); /* and not "no such object" */
    return 0;
}

static int h10_one_read_for_all(struct scene *c, struct subject *x)
{
    x->shelf.read_max = 7;
    CHECK(put(x, 0, SPILLED) == TARN_OK);
    CHECK(take(x, 1000) == 1000);
    return 0;
}

static int h11_memory_kept(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, LARGE) == TARN_OK && x->shelf.made == 0);
    CHECK(put(x, LARGE, 1) == TARN_OK && x->shelf.made == 1);
    uint64_t kept = x->ours ? LARGE - tarn_buffer_pool_idle(x->pool) : x->flawed.memory.cap;
    CHECK(kept < LARGE / 4);
    return 0;
}

static int h12_early_end(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, SPILLED) == TARN_OK && take(x, 10) == 10);
    tn_buf_truncate(&x->shelf.objects[0].bytes, SPILLED / 2);
    int64_t n;
    do
        n = take(x, 1000);
    while (n > 0);
    CHECK(n == TARN_ECORRUPT);
    return 0;
}

static int h13_after_a_failure(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, 50) == TARN_OK);
    x->shelf.writes_left = 0; /* the first fails, later ones would not */
    CHECK(put(x, 50, 100) == TARN_EIO);
    (void)put(x, 150, 100); /* as if that had not been */
    CHECK(x->shelf.made == 1);
    if (x->ours)
        tarn_buffer_reset(x->ours);
    CHECK(shelf_count(&x->shelf) == 0);
    return 0;
}

static int h14_use_after_the_end(struct scene *c, struct subject *x)
{
    CHECK(put(x, 0, 200) == TARN_OK);
    if (x->ours)
        tarn_buffer_reset(x->ours);
    else
        (void)flawed_buffer_close(&x->flawed);
    int64_t n = take(x, 10);
    CHECK(!x->flawed.has_panicked);
    CHECK(n == 0 && put(x, 0, 200) == TARN_OK && gives(x, 0, 200));
    return 0;
}

static int h15_panics(struct scene *c, struct subject *x)
{
    static const struct tarn_buffer_filter bad = { .kind = TARN_BUFFER_GZIP, .level = 10 };
    struct tarn_buffer_options o = { .filters = &bad, .filter_count = 1 };
    struct flawed_buffer f;
    flawed_buffer_init(&f, &x->shelf.storage, &bad, 1, 10);
    CHECK(x->ours || !f.has_panicked);
    CHECK(!tarn_buffer_new(&o, &c->err) && c->err.status == TARN_EINVAL);
    return 0;
}

static int play(struct scene *c, int (*run)(struct scene *c, struct subject *x),
                size_t filter_count, size_t threshold)
{
    struct subject x;
    subject_init(&x, c, filter_count, threshold);
    int code = run(c, &x);
    subject_release(&x);
    return code;
}

#define ROW(name, run, filter_count, threshold)                                                    \
    static int name(struct scene *c)                                                               \
    {                                                                                              \
        return play(c, run, filter_count, threshold);                                              \
    }

ROW(h5, h5_order_of_filters, 2, 100)
ROW(h6, h6_links_not_closed, 2, 100)
ROW(h7, h7_consumed_bytes_again, 0, 100)
ROW(h8, h8_write_after_read, 0, 100)
ROW(h9, h9_failed_end_of_writing, 0, 100)
ROW(h10, h10_one_read_for_all, 0, 100)
ROW(h11, h11_memory_kept, 0, LARGE)
ROW(h12, h12_early_end, 0, 100)
ROW(h13, h13_after_a_failure, 0, 100)
ROW(h14, h14_use_after_the_end, 0, 100)
ROW(h15, h15_panics, 0, 100)

const struct scene_case buffer_cases[] = {
    { "H5", h5 },   { "H6", h6 },   { "H7", h7 },   { "H8", h8 },   { "H9", h9 },   { "H10", h10 },
    { "H11", h11 }, { "H12", h12 }, { "H13", h13 }, { "H14", h14 }, { "H15", h15 }, { NULL, NULL },
};
