/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers against a model: every chain of filters, thresholds, orders of writing and reading; what
 * was spilled damaged, cut, failing. */

#include <tarn/buffer.h>
#include <tarn/client.h>

#include <errno.h>
#include <stdlib.h>

#include "unit/t.h"

enum { SIZE_MAX_TRIED = 3 << 20, STEPS = 400 };

/* ---- a storage in memory that can be damaged ---- */

struct piece {
    struct tn_buf bytes;
    bool is_sealed;
};

struct memory {
    struct piece *last; /* made */
    int pieces;         /* that are there */
    int made;
    int creates_left; /* then failures; -1: never */
    int writes_left;
    int seals_left;
    size_t read_max; /* 0: no limit */
    int reads_fail;  /* so many of the next, with TARN_ENETWORK */
    size_t boast;    /* what it adds to the length that it tells */
};

static bool runs_out(int *left)
{
    if (*left < 0)
        return false;
    return (*left)-- == 0;
}

static int piece_create(void *arg, void **segment, struct tarn_error *err)
{
    struct memory *m = arg;
    (void)err;
    if (runs_out(&m->creates_left))
        return TARN_ENOSPACE;
    struct piece *p = tn_calloc(1, sizeof *p);
    if (!p)
        return TARN_ENOMEM;
    tn_buf_init(&p->bytes, 64 << 20);
    m->last = p;
    m->pieces++;
    m->made++;
    *segment = p;
    return TARN_OK;
}

static int piece_write(void *arg, void *segment, const void *bytes, size_t len,
                       struct tarn_error *err)
{
    struct memory *m = arg;
    struct piece *p = segment;
    (void)err;
    assert_false(p->is_sealed);
    if (runs_out(&m->writes_left))
        return TARN_EIO;
    return tn_buf_append(&p->bytes, bytes, len);
}

static int piece_seal(void *arg, void *segment, struct tarn_error *err)
{
    struct memory *m = arg;
    (void)err;
    if (runs_out(&m->seals_left))
        return TARN_ENETWORK;
    ((struct piece *)segment)->is_sealed = true;
    return TARN_OK;
}

static int64_t piece_read(void *arg, void *segment, uint64_t offset, void *bytes, size_t len,
                          struct tarn_error *err)
{
    struct memory *m = arg;
    struct piece *p = segment;
    (void)err;
    assert_true(p->is_sealed);
    if (m->reads_fail > 0) {
        m->reads_fail--;
        return TARN_ENETWORK;
    }
    if (offset >= p->bytes.len)
        return 0;
    if (len > p->bytes.len - offset)
        len = p->bytes.len - (size_t)offset;
    if (m->read_max && len > m->read_max)
        len = m->read_max;
    memcpy(bytes, p->bytes.data + offset, len);
    return (int64_t)(len + m->boast);
}

static void piece_remove(void *arg, void *segment)
{
    struct memory *m = arg;
    struct piece *p = segment;
    m->pieces--;
    if (m->last == p)
        m->last = NULL;
    tn_buf_release(&p->bytes);
    tn_free(p);
}

static struct tarn_buffer_storage storage_of(struct memory *m)
{
    m->creates_left = m->writes_left = m->seals_left = -1;
    return (struct tarn_buffer_storage){ piece_create, piece_write,  piece_seal,
                                         piece_read,   piece_remove, m };
}

/* ---- data ---- */

/* Neither all alike nor all different, the same for every run. */
static void fill(char *to, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        to[i] = (char)(seed & 0x800000 ? seed >> 24 : i);
    }
}

static char *model_bytes;

static int set_up(void **state)
{
    (void)state;
    model_bytes = tn_realloc(NULL, SIZE_MAX_TRIED);
    fill(model_bytes, SIZE_MAX_TRIED, 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_free(model_bytes);
    return 0;
}

/* All of it, in pieces of odd sizes; fails the test on any difference. */
static void expect_rest(struct tarn_buffer *b, size_t from, size_t to)
{
    char *out = tn_realloc(NULL, 70000);
    struct tarn_error err = { 0 };
    size_t step = 1;
    while (from < to) {
        int64_t n = tarn_buffer_read(b, out, step, &err);
        if (n <= 0)
            fail_msg("read: %lld %s", (long long)n, err.message);
        assert_memory_equal(out, model_bytes + from, (size_t)n);
        from += (size_t)n;
        step = step * 3 % 70000 + 1;
    }
    assert_int_equal(tarn_buffer_read(b, out, 1, &err), 0);
    tn_free(out);
}

/* ---- every chain ---- */

enum { KINDS = 4 };
static const unsigned char key[TARN_BUFFER_KEY_LEN] = "an example key of 32 bytes......";

static size_t make_chain(unsigned number, struct tarn_buffer_filter out[3])
{
    size_t count = 0;
    for (; number > 0; number /= KINDS + 1) {
        unsigned kind = number % (KINDS + 1);
        if (!kind)
            continue;
        out[count] = (struct tarn_buffer_filter){ .kind = (enum tarn_buffer_filter_kind)(kind - 1),
                                                  .key = count % 2 ? key : NULL };
        count++;
    }
    return count;
}

/* None, each, every pair and every three: sizes around what the filters cut at. */
static void test_every_chain(void **state)
{
    static const size_t sizes[] = { 1, 65535, 65536, 65537, 300000 };
    (void)state;
    for (unsigned chain = 0; chain < (KINDS + 1) * (KINDS + 1) * (KINDS + 1); chain++) {
        struct tarn_buffer_filter filters[3];
        struct tarn_buffer_options o = { .spills_at_once = true, .filters = filters };
        o.filter_count = make_chain(chain, filters);
        size_t count = o.filter_count == 3 ? 2 : TN_COUNT(sizes);
        for (size_t i = 0; i < count; i++) {
            struct tarn_error err = { 0 };
            struct tarn_buffer *b = tarn_buffer_new(&o, &err);
            assert_non_null(b);
            assert_int_equal(tarn_buffer_write(b, model_bytes, sizes[i], &err), TARN_OK);
            assert_int_equal(tarn_buffer_seal(b, &err), TARN_OK);
            expect_rest(b, 0, sizes[i]);
            assert_int_equal(tarn_buffer_rewind(b, &err), TARN_OK);
            expect_rest(b, 0, sizes[i]);
            tarn_buffer_free(b);
        }
    }
}

/* The order of the reference's two directions differed, so that pairs could not be read. Here the
 * first filter sees the plain bytes: compressed before it is encrypted. */
static void test_order(void **state)
{
    static const struct tarn_buffer_filter filters[] = { { .kind = TARN_BUFFER_ZSTD },
                                                         { .kind = TARN_BUFFER_AES_256_GCM } };
    struct memory m = { 0 };
    struct tarn_buffer_storage storage = storage_of(&m);
    struct tarn_buffer_options o = {
        .spills_at_once = true, .filters = filters, .filter_count = 2, .storage = &storage
    };
    struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
    char *zeros = tn_calloc(1, 1 << 20);
    (void)state;
    assert_int_equal(tarn_buffer_write(b, zeros, 1 << 20, NULL), TARN_OK);
    assert_int_equal(tarn_buffer_seal(b, NULL), TARN_OK);
    assert_true(m.last->bytes.len < 4096);
    assert_memory_equal(m.last->bytes.data, "TNB1\1", 5);
    tn_free(zeros);
    tarn_buffer_free(b);
    assert_int_equal(m.pieces, 0); /* every link was closed, and what was made is gone */
}

/* ---- thresholds ---- */

static void test_thresholds(void **state)
{
    static const struct {
        uint64_t threshold;
        size_t first;
        size_t second;
        bool is_spilled;
    } cases[] = {
        { 1000, 999, 0, false },    { 1000, 1000, 0, false },      { 1000, 1001, 0, true },
        { 1000, 999, 1, false },    { 1000, 1000, 1, true },       { 1000, 1, 1000, true },
        { 65536, 65536, 0, false }, { 65536, 65536, 1, true },     { 1, 1, 0, false },
        { 0, 2 << 20, 0, false },   { 0, (2 << 20) + 1, 0, true },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tarn_buffer_options o = { .threshold = cases[i].threshold };
        struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
        size_t size = cases[i].first + cases[i].second;
        assert_int_equal(tarn_buffer_write(b, "", 0, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_write(b, model_bytes, cases[i].first, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_write(b, model_bytes + cases[i].first, cases[i].second, NULL),
                         TARN_OK);
        assert_int_equal(tarn_buffer_is_spilled(b), cases[i].is_spilled);
        assert_int_equal(tarn_buffer_size(b), size);
        assert_int_equal(tarn_buffer_left(b), size);
        expect_rest(b, 0, size);
        tarn_buffer_free(b);
    }
}

/* ---- interleavings against a model ---- */

/* Writes, reads, rewinds and skips at random; the model is the bytes themselves. */
static void interleave(const struct tarn_buffer_options *o, uint32_t seed)
{
    struct tarn_error err = { 0 };
    struct tarn_buffer *b = tarn_buffer_new(o, &err);
    char *out = tn_realloc(NULL, 1 << 18);
    size_t size = 0, pos = 0;
    assert_non_null(b);
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t len = (seed >> 8) % (seed & 0x40 ? 40000 : 300);
        if (seed >> 31) {
            if (size + len > SIZE_MAX_TRIED)
                break;
            assert_int_equal(tarn_buffer_write(b, model_bytes + size, len, &err), TARN_OK);
            size += len;
        } else {
            int64_t n = tarn_buffer_read(b, out, len, &err);
            size_t want = len < size - pos ? len : size - pos;
            if (n != (int64_t)want)
                fail_msg("step %d: %lld instead of %zu: %s", i, (long long)n, want, err.message);
            assert_memory_equal(out, model_bytes + pos, want);
            pos += want;
        }
        if (!o->is_fifo && seed % 61 == 0) {
            assert_int_equal(tarn_buffer_rewind(b, &err), TARN_OK);
            pos = 0;
        }
        if (seed % 67 == 0 && pos < size) {
            pos += (size - pos) / 2;
            assert_int_equal(tarn_buffer_seek(b, pos, &err), TARN_OK);
        }
        assert_int_equal(tarn_buffer_tell(b), pos);
        assert_int_equal(tarn_buffer_left(b), size - pos);
    }
    expect_rest(b, pos, size);
    tn_free(out);
    tarn_buffer_free(b);
}

static void test_interleavings(void **state)
{
    static const unsigned chains[] = { 0, 1, 2, 3, 4, 1 + 3 * (KINDS + 1), 4 + 2 * (KINDS + 1) };
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        for (size_t i = 0; i < TN_COUNT(chains); i++) {
            struct tarn_buffer_filter filters[3];
            struct tarn_buffer_options o = { .threshold = 5000, .filters = filters };
            o.filter_count = make_chain(chains[i], filters);
            interleave(&o, seed);
            o.is_fifo = true;
            interleave(&o, seed * 100);
            o.spills_at_once = true;
            interleave(&o, seed * 1000);
        }
    }
}

/* Short reads of the storage are no ends. */
static void test_short_reads(void **state)
{
    struct memory m = { 0 };
    struct tarn_buffer_storage storage = storage_of(&m);
    struct tarn_buffer_filter filters[3];
    (void)state;
    m.read_max = 7;
    for (unsigned chain = 0; chain <= KINDS; chain++) {
        struct tarn_buffer_options o = { .threshold = 10, .filters = filters, .storage = &storage };
        o.filter_count = make_chain(chain, filters);
        struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
        assert_int_equal(tarn_buffer_write(b, model_bytes, 100000, NULL), TARN_OK);
        char *out = tn_realloc(NULL, 100000);
        assert_int_equal(tarn_buffer_read(b, out, 100000, NULL), 100000);
        assert_memory_equal(out, model_bytes, 100000);
        tn_free(out);
        tarn_buffer_free(b);
    }
}

/* What the network did not give can be read again, also while a later segment is being written. */
static void test_reads_that_fail_once(void **state)
{
    struct memory m = { 0 };
    struct tarn_buffer_storage storage = storage_of(&m);
    struct tarn_buffer_filter filters[3];
    char out[1000];
    (void)state;
    for (unsigned chain = 0; chain <= KINDS; chain++) {
        struct tarn_buffer_options o = { .threshold = 10, .filters = filters, .storage = &storage };
        o.filter_count = make_chain(chain, filters);
        struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
        assert_int_equal(tarn_buffer_write(b, model_bytes, 400000, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_read(b, out, 1000, NULL), 1000);
        assert_int_equal(tarn_buffer_write(b, model_bytes + 400000, 400000, NULL), TARN_OK);
        size_t pos = 1000;
        for (int i = 0; i < 5; i++) {
            assert_int_equal(tarn_buffer_rewind(b, NULL), TARN_OK); /* so that it asks anew */
            m.reads_fail = 1;
            assert_int_equal(tarn_buffer_read(b, out, 1000, NULL), TARN_ENETWORK);
            assert_int_equal(tarn_buffer_tell(b), 0);
            assert_int_equal(tarn_buffer_seek(b, pos, NULL), TARN_OK);
            assert_int_equal(tarn_buffer_read(b, out, 1000, NULL), 1000);
            assert_memory_equal(out, model_bytes + pos, 1000);
            pos += 50000;
        }
        assert_int_equal(tarn_buffer_write(b, model_bytes + 800000, 1000, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_rewind(b, NULL), TARN_OK);
        expect_rest(b, 0, 801000);
        tarn_buffer_free(b);
    }
}

/* ---- damage ---- */

/* Reads to the end or to the failure, which must come. */
static int read_all(struct tarn_buffer *b)
{
    char out[5000];
    for (;;) {
        int64_t n = tarn_buffer_read(b, out, sizeof out, NULL);
        if (n <= 0)
            return (int)n;
    }
}

static void damage(struct tn_buf *bytes, unsigned how, unsigned round)
{
    size_t at = (size_t)round * 7919 % bytes->len;
    switch (how) {
    case 0: /* one bit */
        bytes->data[at] ^= (char)(1 << (round % 8));
        break;
    case 1: /* cut off */
        tn_buf_truncate(bytes, at);
        break;
    default: /* a byte taken out */
        memmove(bytes->data + at, bytes->data + at + 1, bytes->len - at - 1);
        tn_buf_truncate(bytes, bytes->len - 1);
        break;
    }
}

static void test_damage(void **state)
{
    (void)state;
    for (unsigned chain = 0; chain <= KINDS; chain++) {
        for (unsigned round = 0; round < 60; round++) {
            struct memory m = { 0 };
            struct tarn_buffer_storage storage = storage_of(&m);
            struct tarn_buffer_filter filters[3];
            struct tarn_buffer_options o = { .spills_at_once = true,
                                             .filters = filters,
                                             .storage = &storage };
            o.filter_count = make_chain(chain, filters);
            struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
            assert_int_equal(tarn_buffer_write(b, model_bytes, 150000, NULL), TARN_OK);
            assert_int_equal(tarn_buffer_seal(b, NULL), TARN_OK);
            damage(&m.last->bytes, round % 3, round);
            assert_int_equal(read_all(b), TARN_ECORRUPT);
            assert_int_equal(read_all(b), TARN_ECORRUPT); /* it stays so */
            tarn_buffer_reset(b);
            assert_int_equal(tarn_buffer_write(b, model_bytes, 10, NULL), TARN_OK);
            assert_int_equal(read_all(b), 0);
            tarn_buffer_free(b);
            assert_int_equal(m.pieces, 0);
        }
    }
}

/* ---- a storage that fails ---- */

static void test_failing_storage(void **state)
{
    static const struct {
        const char *name;
        int creates;
        int writes;
        int seals;
        int status;
    } cases[] = {
        { "create", 0, -1, -1, TARN_ENOSPACE },
        { "first write", -1, 0, -1, TARN_EIO },
        { "third write", -1, 2, -1, TARN_EIO },
        { "seal", -1, -1, 0, TARN_ENETWORK },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct memory m = { 0 };
        struct tarn_buffer_storage storage = storage_of(&m);
        struct tarn_buffer_options o = { .threshold = 100, .storage = &storage };
        struct tarn_error err = { 0 };
        struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
        m.creates_left = cases[i].creates;
        m.writes_left = cases[i].writes;
        m.seals_left = cases[i].seals;
        int rc = tarn_buffer_write(b, model_bytes, 50, &err);
        for (int j = 0; j < 10 && rc == TARN_OK; j++)
            rc = tarn_buffer_write(b, model_bytes, 400000, &err);
        if (rc == TARN_OK)
            rc = tarn_buffer_seal(b, &err);
        assert_int_equal(rc, cases[i].status);
        assert_int_equal(err.status, cases[i].status);
        /* No second try in another order, no half of it: the failure stays. */
        assert_int_equal(tarn_buffer_write(b, "x", 1, &err), cases[i].status);
        assert_int_equal(tarn_buffer_seal(b, &err), cases[i].status);
        assert_true(m.made <= 1);
        tarn_buffer_reset(b);
        assert_int_equal(m.pieces, 0);
        assert_int_equal(tarn_buffer_write(b, model_bytes, 1000, &err), TARN_OK);
        expect_rest(b, 0, 1000);
        tarn_buffer_free(b);
        assert_int_equal(m.pieces, 0);
    }
}

/* Whoever ends a segment, and be it a look into its middle: the failure stays. */
static void test_failing_end_by_pread(void **state)
{
    struct memory m = { 0 };
    struct tarn_buffer_storage storage = storage_of(&m);
    struct tarn_buffer_options o = { .threshold = 10, .storage = &storage };
    struct tarn_error err = { 0 };
    char out[100];
    (void)state;
    struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
    m.seals_left = 0;
    assert_int_equal(tarn_buffer_write(b, model_bytes, 400000, NULL), TARN_OK);
    assert_int_equal(tarn_buffer_pread(b, out, 100, 5, &err), TARN_ENETWORK);
    assert_int_equal(tarn_buffer_pread(b, out, 100, 5, &err), TARN_ENETWORK);
    assert_int_equal(tarn_buffer_write(b, "x", 1, &err), TARN_ENETWORK);
    assert_int_equal(tarn_buffer_seal(b, &err), TARN_ENETWORK);
    tarn_buffer_free(b);
    assert_int_equal(m.pieces, 0);
}

/* ---- the other calls ---- */

static void test_pread_seek_truncate(void **state)
{
    char out[100];
    struct tarn_buffer_options o = { .threshold = 1000 };
    (void)state;
    for (int spills = 0; spills < 2; spills++) {
        struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
        size_t size = spills ? 400000 : 900;
        assert_int_equal(tarn_buffer_write(b, model_bytes, size, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_pread(b, out, 100, size - 50, NULL), 50);
        assert_memory_equal(out, model_bytes + size - 50, 50);
        assert_int_equal(tarn_buffer_pread(b, out, 100, size, NULL), 0);
        assert_int_equal(tarn_buffer_tell(b), 0);
        assert_int_equal(tarn_buffer_seek(b, 777, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_read(b, out, 10, NULL), 10);
        assert_memory_equal(out, model_bytes + 777, 10);
        assert_int_equal(tarn_buffer_seek(b, size + 1, NULL), TARN_EINVAL);
        assert_int_equal(tarn_buffer_truncate(b, size + 1, NULL), TARN_EINVAL);
        assert_int_equal(tarn_buffer_truncate(b, 700, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_size(b), 700);
        assert_int_equal(tarn_buffer_tell(b), 700);
        assert_int_equal(tarn_buffer_write(b, model_bytes + 700, 500, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_rewind(b, NULL), TARN_OK);
        expect_rest(b, 0, 1200);
        assert_int_equal(tarn_buffer_truncate(b, 0, NULL), TARN_OK);
        assert_int_equal(tarn_buffer_size(b), 0);
        tarn_buffer_free(b);
    }
}

/* A storage of a program's own that says that it read more than it was asked for. */
static void test_storage_that_boasts(void **state)
{
    struct memory m = { 0 };
    struct tarn_buffer_storage storage = storage_of(&m);
    struct tarn_buffer_options o = { .spills_at_once = true, .storage = &storage };
    struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
    char out[100];
    (void)state;
    assert_int_equal(tarn_buffer_write(b, model_bytes, 400000, NULL), TARN_OK);
    assert_int_equal(tarn_buffer_seal(b, NULL), TARN_OK);
    m.boast = 1;
    assert_int_equal(tarn_buffer_pread(b, out, sizeof out, 0, NULL), TARN_ECORRUPT);
    assert_int_equal(tarn_buffer_read(b, out, sizeof out, NULL), TARN_ECORRUPT);
    tarn_buffer_free(b);
}

static void test_options_of_s3(void **state)
{
    struct tarn_config config;
    tarn_config_init(&config);
    config.endpoint = "http://127.0.0.1:1";
    config.region = "us-east-1";
    config.ignore_environment = true;
    config.access_key = "access-key-0001";
    config.secret_key = "secret-key-0001";
    struct tarn_client *client = tarn_client_new(&config, NULL);
    const struct tarn_buffer_s3 bad[] = {
        { .client = client },
        { .client = client, .bucket = "" },
        { .client = client, .bucket = "b", .part_size = 5 },
        { .client = client, .bucket = "b", .parts_in_flight = 65 },
        { .client = client, .bucket = "b", .random_len = 3 },
        { .client = client, .bucket = "b", .timeout_ms = -1 },
        { .client = client, .bucket = "b", .expires_after_ms = -1 },
        { .client = client, .bucket = "b", .expires_after_ms = INT64_MAX },
        { .client = client, .bucket = "b", .read_window = UINT64_MAX },
    };
    (void)state;
    assert_non_null(client);
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        struct tarn_error err = { 0 };
        struct tarn_buffer_options o = { .s3 = &bad[i] };
        if (tarn_buffer_new(&o, &err) || err.status != TARN_EINVAL)
            fail_msg("case %zu", i);
    }
    tarn_client_free(client);
}

static void test_read_until(void **state)
{
    char out[32];
    struct tarn_buffer_options o = { .threshold = 10 };
    struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
    (void)state;
    assert_int_equal(tarn_buffer_write(b, "one\ntwo and more\n\nlast", 22, NULL), TARN_OK);
    assert_int_equal(tarn_buffer_read_until(b, '\n', out, sizeof out, NULL), 4);
    assert_int_equal(tarn_buffer_read_until(b, '\n', out, 5, NULL), TARN_ETOOBIG);
    assert_int_equal(tarn_buffer_read_until(b, '\n', out, sizeof out, NULL), 13);
    assert_memory_equal(out, "two and more\n", 13);
    assert_int_equal(tarn_buffer_read_until(b, '\n', out, sizeof out, NULL), 1);
    assert_int_equal(tarn_buffer_read_until(b, '\n', out, sizeof out, NULL), 4);
    assert_int_equal(tarn_buffer_read_until(b, '\n', out, sizeof out, NULL), 0);
    tarn_buffer_free(b);
}

static void test_stream(void **state)
{
    char line[64];
    struct tarn_buffer_options o = { .threshold = 100 };
    struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
    (void)state;
    FILE *file = tarn_buffer_file(b, "w+");
    assert_non_null(file);
    for (int i = 0; i < 2000; i++)
        assert_true(fprintf(file, "line %d\n", i) > 0);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    for (int i = 0; i < 2000; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "line %d\n", i);
        assert_non_null(fgets(line, sizeof line, file));
        assert_string_equal(line, expected);
    }
    assert_null(fgets(line, sizeof line, file));
    assert_int_equal(fseeko(file, INT64_MAX, SEEK_CUR), -1); /* no further than a number goes */
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fclose(file), 0);
    assert_true(tarn_buffer_is_spilled(b));
    tarn_buffer_free(b);
}

static void test_refused(void **state)
{
    static const struct tarn_buffer_filter bad_kind = { .kind = (enum tarn_buffer_filter_kind)9 };
    static const struct tarn_buffer_filter bad_level = { .kind = TARN_BUFFER_GZIP, .level = 10 };
    static const struct tarn_buffer_filter level_of_none = { .kind = TARN_BUFFER_AES_256_GCM,
                                                             .level = 1 };
    static const struct tarn_buffer_s3 no_client = { .bucket = "b" };
    static const struct tarn_buffer_options bad[] = {
        { .filters = &bad_kind, .filter_count = 1 },
        { .filters = &bad_level, .filter_count = 1 },
        { .filters = &level_of_none, .filter_count = 1 },
        { .filters = &bad_level, .filter_count = 9 },
        { .never_spills = true, .spills_at_once = true },
        { .s3 = &no_client },
        { .s3 = &no_client, .directory = "/tmp" },
    };
    struct tarn_error err = { 0 };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        assert_null(tarn_buffer_new(&bad[i], &err));
        assert_int_equal(err.status, TARN_EINVAL);
    }
    struct tarn_buffer_options o = { .threshold = 10, .never_spills = true };
    struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
    assert_int_equal(tarn_buffer_write(b, model_bytes, 11, &err), TARN_ETOOBIG);
    assert_int_equal(tarn_buffer_write(b, model_bytes, 10, &err), TARN_OK);
    assert_int_equal(tarn_buffer_seal(b, &err), TARN_OK);
    assert_int_equal(tarn_buffer_seal(b, &err), TARN_OK);
    assert_int_equal(tarn_buffer_write(b, model_bytes, 1, &err), TARN_EINVAL);
    expect_rest(b, 0, 10);
    tarn_buffer_free(b);

    o = (struct tarn_buffer_options){ .threshold = 10, .directory = "/nonexistent/place" };
    b = tarn_buffer_new(&o, NULL);
    assert_int_equal(tarn_buffer_write(b, model_bytes, 11, &err), TARN_OK); /* kept for company */
    assert_int_equal(tarn_buffer_seal(b, &err), TARN_ENOTFOUND);
    tarn_buffer_free(b);

    o = (struct tarn_buffer_options){ .size_max = 100 };
    b = tarn_buffer_new(&o, NULL);
    assert_int_equal(tarn_buffer_write(b, model_bytes, 101, &err), TARN_ETOOBIG);
    assert_int_equal(tarn_buffer_write(b, model_bytes, 100, &err), TARN_OK);
    tarn_buffer_free(b);
}

static void test_pool(void **state)
{
    struct tarn_buffer_pool *pool = tarn_buffer_pool_new(4 << 16, NULL);
    struct tarn_buffer_options o = { .pool = pool, .prealloc = 200000 };
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct tarn_buffer *b = tarn_buffer_new(&o, NULL);
        assert_int_equal(tarn_buffer_write(b, model_bytes, 1000000, NULL), TARN_OK);
        expect_rest(b, 0, 1000000);
        tarn_buffer_free(b);
        assert_int_equal(tarn_buffer_pool_idle(pool), 4 << 16);
    }
    tarn_buffer_pool_free(pool);
}

static int use_everything(void *arg)
{
    struct memory m = { 0 };
    struct tarn_buffer_storage storage = storage_of(&m);
    struct tarn_buffer_filter filters[3];
    struct tarn_buffer_options o = { .threshold = 1000, .filters = filters, .storage = &storage };
    char out[500];
    (void)arg;
    o.filter_count = make_chain(1 + 3 * (KINDS + 1), filters);
    struct tarn_error err = { 0 };
    struct tarn_buffer *b = tarn_buffer_new(&o, &err);
    int rc = b ? TARN_OK : err.status;
    for (int i = 0; rc == TARN_OK && i < 3; i++) {
        rc = tarn_buffer_write(b, model_bytes, 5000, NULL);
        int64_t n = rc == TARN_OK ? tarn_buffer_read(b, out, sizeof out, NULL) : 0;
        rc = n < 0 ? (int)n : rc;
    }
    if (rc == TARN_OK)
        rc = tarn_buffer_truncate(b, 3000, NULL);
    if (rc == TARN_OK)
        rc = tarn_buffer_seal(b, NULL);
    tarn_buffer_free(b);
    assert_int_equal(m.pieces, 0);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(use_everything, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_chain),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_interleavings),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_failing_storage),
        cmocka_unit_test(test_pread_seek_truncate),
        cmocka_unit_test(test_failing_end_by_pread),
        cmocka_unit_test(test_storage_that_boasts),
        cmocka_unit_test(test_reads_that_fail_once),
        cmocka_unit_test(test_options_of_s3),
        cmocka_unit_test(test_read_until),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
