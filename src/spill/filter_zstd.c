/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard (RFC 8878), one frame with its checksum. */

#include <zstd.h>

#include "spill/stream.h"

enum { CHUNK_LEN = 64 << 10, LEVEL_DEFAULT = 3, WINDOW_LOG_MAX = 23 };

struct zstd_writer {
    struct spill_writer base;
    ZSTD_CCtx *z;
    char out[CHUNK_LEN];
};

static int run(struct zstd_writer *w, ZSTD_inBuffer *in, ZSTD_EndDirective end,
               struct tarn_error *err)
{
    size_t left;
    do {
        ZSTD_outBuffer out = { w->out, sizeof w->out, 0 };
        left = ZSTD_compressStream2(w->z, &out, in, end);
        if (ZSTD_isError(left))
            return tn_fail(err, TARN_EIO, "could not compress: %s", ZSTD_getErrorName(left));
        int rc = w->base.next->write(w->base.next, w->out, out.pos, err);
        if (rc < 0)
            return rc;
    } while (end == ZSTD_e_end ? left > 0 : in->pos < in->size);
    return TARN_OK;
}

static int zstd_write(struct spill_writer *base, const void *bytes, size_t len,
                      struct tarn_error *err)
{
    struct zstd_writer *w = TN_CONTAINER(base, struct zstd_writer, base);
    ZSTD_inBuffer in = { bytes, len, 0 };
    return len ? run(w, &in, ZSTD_e_continue, err) : TARN_OK;
}

static int zstd_finish(struct spill_writer *base, struct tarn_error *err)
{
    struct zstd_writer *w = TN_CONTAINER(base, struct zstd_writer, base);
    ZSTD_inBuffer in = { "", 0, 0 };
    return run(w, &in, ZSTD_e_end, err);
}

static void zstd_writer_free(struct spill_writer *base)
{
    struct zstd_writer *w = TN_CONTAINER(base, struct zstd_writer, base);
    (void)ZSTD_freeCCtx(w->z);
    tn_free(w);
}

struct spill_writer *spill_zstd_writer(int level, struct spill_writer *next, struct tarn_error *err)
{
    struct zstd_writer *w = tn_calloc(1, sizeof *w);
    if (w) {
        w->base = (struct spill_writer){ zstd_write, zstd_finish, zstd_writer_free, next };
        w->z = ZSTD_createCCtx();
    }
    if (w && w->z &&
        !ZSTD_isError(
            ZSTD_CCtx_setParameter(w->z, ZSTD_c_compressionLevel, level ? level : LEVEL_DEFAULT)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(w->z, ZSTD_c_checksumFlag, 1)))
        return &w->base;
    if (w)
        zstd_writer_free(&w->base);
    (void)tn_fail(err, TARN_ENOMEM, "could not compress: out of memory");
    return NULL;
}

struct zstd_reader {
    struct spill_reader base;
    ZSTD_DCtx *z;
    ZSTD_inBuffer in;
    bool has_magic;
    bool is_source_over;
    bool is_over;
    char bytes[CHUNK_LEN];
};

/* libzstd may also take frames of its early versions, and frames to be skipped, which are not ours.
 */
static int read_magic(struct zstd_reader *r, struct tarn_error *err)
{
    static const unsigned char magic[] = { 0x28, 0xB5, 0x2F, 0xFD };
    int64_t n = spill_read_full(r->base.source, r->bytes, sizeof magic, err);
    if (n < 0)
        return (int)n;
    if (n != sizeof magic || memcmp(r->bytes, magic, sizeof magic) != 0)
        return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: it is no zstd frame");
    r->in = (ZSTD_inBuffer){ r->bytes, sizeof magic, 0 };
    r->has_magic = true;
    return TARN_OK;
}

static int refill(struct zstd_reader *r, struct tarn_error *err)
{
    if (!r->has_magic)
        return read_magic(r, err);
    if (r->in.pos < r->in.size || r->is_source_over)
        return TARN_OK;
    int64_t n = r->base.source->read(r->base.source, r->bytes, sizeof r->bytes, err);
    if (n < 0)
        return (int)n;
    r->is_source_over = n == 0;
    r->in = (ZSTD_inBuffer){ r->bytes, (size_t)n, 0 };
    return TARN_OK;
}

static int check_end(struct zstd_reader *r, struct tarn_error *err)
{
    int rc = refill(r, err);
    if (rc == TARN_OK && r->in.pos < r->in.size)
        rc = tn_fail(err, TARN_ECORRUPT, "could not read a buffer: bytes behind the zstd frame");
    return rc;
}

static int64_t zstd_read(struct spill_reader *base, void *to, size_t cap, struct tarn_error *err)
{
    struct zstd_reader *r = TN_CONTAINER(base, struct zstd_reader, base);
    ZSTD_outBuffer out = { to, cap, 0 };
    while (!r->is_over && out.pos == 0) {
        int rc = refill(r, err);
        if (rc < 0)
            return rc;
        size_t hint = ZSTD_decompressStream(r->z, &out, &r->in);
        if (ZSTD_isError(hint))
            return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: %s",
                           ZSTD_getErrorName(hint));
        r->is_over = hint == 0;
        if (!r->is_over && out.pos == 0 && r->is_source_over)
            return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: the frame is cut short");
    }
    if (out.pos == 0) {
        int rc = check_end(r, err);
        if (rc < 0)
            return rc;
    }
    return (int64_t)out.pos;
}

static void zstd_reader_free(struct spill_reader *base)
{
    struct zstd_reader *r = TN_CONTAINER(base, struct zstd_reader, base);
    (void)ZSTD_freeDCtx(r->z);
    tn_free(r);
}

struct spill_reader *spill_zstd_reader(struct spill_reader *source, struct tarn_error *err)
{
    struct zstd_reader *r = tn_calloc(1, sizeof *r);
    if (r) {
        r->base = (struct spill_reader){ zstd_read, zstd_reader_free, source };
        r->z = ZSTD_createDCtx();
    }
    if (r && r->z &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(r->z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
        return &r->base;
    if (r)
        zstd_reader_free(&r->base);
    (void)tn_fail(err, TARN_ENOMEM, "could not read a buffer: out of memory");
    return NULL;
}
