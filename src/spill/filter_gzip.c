/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952), one member. */

#define ZLIB_CONST /* input is not written to */
#include <zlib.h>

#include "spill/stream.h"

enum { CHUNK_LEN = 64 << 10, LEVEL_DEFAULT = 6, GZIP_WINDOW = 15 + 16, MEM_LEVEL = 8 };

struct gzip_writer {
    struct spill_writer base;
    z_stream z;
    unsigned char out[CHUNK_LEN];
};

static int run_deflate(struct gzip_writer *w, int flush, struct tarn_error *err)
{
    int z;
    do {
        w->z.next_out = w->out;
        w->z.avail_out = sizeof w->out;
        z = deflate(&w->z, flush);
        if (z == Z_STREAM_ERROR)
            return tn_fail(err, TARN_EIO, "could not compress with gzip");
        int rc = w->base.next->write(w->base.next, w->out, sizeof w->out - w->z.avail_out, err);
        if (rc < 0)
            return rc;
    } while (w->z.avail_out == 0 || (flush == Z_FINISH && z != Z_STREAM_END));
    return TARN_OK;
}

static int gzip_write(struct spill_writer *base, const void *bytes, size_t len,
                      struct tarn_error *err)
{
    struct gzip_writer *w = TN_CONTAINER(base, struct gzip_writer, base);
    int rc = TARN_OK;
    for (size_t done = 0; done < len && rc == TARN_OK;) {
        size_t now = len - done < CHUNK_LEN ? len - done : CHUNK_LEN;
        w->z.next_in = (const Bytef *)bytes + done;
        w->z.avail_in = (uInt)now;
        rc = run_deflate(w, Z_NO_FLUSH, err);
        done += now;
    }
    return rc;
}

static int gzip_finish(struct spill_writer *base, struct tarn_error *err)
{
    struct gzip_writer *w = TN_CONTAINER(base, struct gzip_writer, base);
    w->z.avail_in = 0;
    return run_deflate(w, Z_FINISH, err);
}

static void gzip_writer_free(struct spill_writer *base)
{
    struct gzip_writer *w = TN_CONTAINER(base, struct gzip_writer, base);
    (void)deflateEnd(&w->z);
    tn_free(w);
}

struct spill_writer *spill_gzip_writer(int level, struct spill_writer *next, struct tarn_error *err)
{
    struct gzip_writer *w = tn_calloc(1, sizeof *w);
    if (w)
        w->base = (struct spill_writer){ gzip_write, gzip_finish, gzip_writer_free, next };
    if (w && deflateInit2(&w->z, level ? level : LEVEL_DEFAULT, Z_DEFLATED, GZIP_WINDOW, MEM_LEVEL,
                          Z_DEFAULT_STRATEGY) == Z_OK)
        return &w->base;
    tn_free(w);
    (void)tn_fail(err, TARN_ENOMEM, "could not compress with gzip: out of memory");
    return NULL;
}

struct gzip_reader {
    struct spill_reader base;
    z_stream z;
    bool is_source_over;
    bool is_over;
    unsigned char in[CHUNK_LEN];
};

static int refill(struct gzip_reader *r, struct tarn_error *err)
{
    if (r->z.avail_in > 0 || r->is_source_over)
        return TARN_OK;
    int64_t n = r->base.source->read(r->base.source, r->in, sizeof r->in, err);
    if (n < 0)
        return (int)n;
    r->is_source_over = n == 0;
    r->z.next_in = r->in;
    r->z.avail_in = (uInt)n;
    return TARN_OK;
}

/* Behind the end there is nothing, and the source agrees that it is over. */
static int check_end(struct gzip_reader *r, struct tarn_error *err)
{
    int rc = refill(r, err);
    if (rc == TARN_OK && r->z.avail_in > 0)
        rc = tn_fail(err, TARN_ECORRUPT, "could not read a buffer: bytes behind the gzip stream");
    return rc;
}

static int64_t gzip_read(struct spill_reader *base, void *out, size_t cap, struct tarn_error *err)
{
    struct gzip_reader *r = TN_CONTAINER(base, struct gzip_reader, base);
    if (cap > CHUNK_LEN)
        cap = CHUNK_LEN;
    r->z.next_out = out;
    r->z.avail_out = (uInt)cap;
    while (!r->is_over && r->z.avail_out == cap) {
        int rc = refill(r, err);
        if (rc < 0)
            return rc;
        int z = inflate(&r->z, Z_NO_FLUSH);
        r->is_over = z == Z_STREAM_END;
        bool is_stuck = z == Z_BUF_ERROR && r->is_source_over;
        if (z == Z_MEM_ERROR)
            return tn_fail(err, TARN_ENOMEM, "could not read a buffer: out of memory");
        if (is_stuck || (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR))
            return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: the gzip stream is %s",
                           is_stuck ? "cut short" : "damaged");
    }
    size_t got = cap - r->z.avail_out;
    if (got == 0) {
        int rc = check_end(r, err);
        if (rc < 0)
            return rc;
    }
    return (int64_t)got;
}

static void gzip_reader_free(struct spill_reader *base)
{
    struct gzip_reader *r = TN_CONTAINER(base, struct gzip_reader, base);
    (void)inflateEnd(&r->z);
    tn_free(r);
}

struct spill_reader *spill_gzip_reader(struct spill_reader *source, struct tarn_error *err)
{
    struct gzip_reader *r = tn_calloc(1, sizeof *r);
    if (r)
        r->base = (struct spill_reader){ gzip_read, gzip_reader_free, source };
    if (r && inflateInit2(&r->z, GZIP_WINDOW) == Z_OK)
        return &r->base;
    tn_free(r);
    (void)tn_fail(err, TARN_ENOMEM, "could not read a buffer: out of memory");
    return NULL;
}
