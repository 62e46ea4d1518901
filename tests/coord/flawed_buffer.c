/* SPDX-License-Identifier: Apache-2.0 */
/* The flawed buffer: closed by its outermost link only, read from the beginning of the last object.
 */

#include "coord/flawed_buffer.h"

/* Takes every end for the end. */
struct plain_reader {
    struct spill_reader base;
    const struct flawed_buffer *f;
    uint64_t offset;
};

static int64_t plain_read(struct spill_reader *base, void *out, size_t cap, struct tarn_error *err)
{
    struct plain_reader *r = TN_CONTAINER(base, struct plain_reader, base);
    const struct tarn_buffer_storage *s = r->f->storage;
    int64_t n = s->read(s->arg, r->f->segment, r->offset, out, cap, err);
    r->offset += n > 0 ? (uint64_t)n : 0;
    return n;
}

static void plain_free(struct spill_reader *base)
{
    tn_free(TN_CONTAINER(base, struct plain_reader, base));
}

void flawed_buffer_init(struct flawed_buffer *f, const struct tarn_buffer_storage *storage,
                        const struct tarn_buffer_filter *filters, size_t filter_count,
                        size_t threshold)
{
    *f = (struct flawed_buffer){ .storage = storage,
                                 .filters = filters,
                                 .filter_count = filter_count,
                                 .threshold = threshold,
                                 .memory = TN_BUF_INIT(64 << 20) };
    for (size_t i = 0; i < filter_count; i++)
        f->has_panicked |= spill_filter_check(&filters[i], NULL) < 0;
}

static int create(struct flawed_buffer *f)
{
    struct tarn_error err = { 0 };
    int rc = f->storage->create(f->storage->arg, &f->segment, &err);
    if (rc < 0)
        return rc;
    f->sum = (struct spill_sum){ 0, 0 };
    spill_chain_free(TN_TAKE(f->chain)); /* half-open; the reference forgets it */
    f->chain = spill_storage_writer(f->storage, f->segment, &f->sum);
    for (size_t i = 0; i < f->filter_count; i++)
        f->chain = spill_filter_writer(&f->filters[i], f->chain, &err);
    return TARN_OK;
}

static int spill(struct flawed_buffer *f)
{
    int rc = create(f);
    if (rc == TARN_OK)
        rc = f->chain->write(f->chain, f->memory.data, f->memory.len, NULL);
    f->is_spilled = rc == TARN_OK;
    return rc;
}

int flawed_buffer_write(struct flawed_buffer *f, const void *bytes, size_t len)
{
    int rc = TARN_OK;
    if (f->is_closed) {
        f->has_panicked = true;
        return TARN_EINVAL;
    }
    if (!f->is_spilled && f->memory.len + len <= f->threshold) {
        rc = tn_buf_append(&f->memory, bytes, len);
        f->size += rc == TARN_OK ? len : 0;
        return rc;
    }
    if (!f->is_spilled)
        rc = spill(f);
    else if (!f->chain) /* reading has closed it */
        rc = create(f);
    if (rc == TARN_OK)
        rc = f->chain->write(f->chain, bytes, len, NULL);
    if (rc == TARN_OK)
        f->size += len;
    return rc;
}

/* Only the outermost link is told; storages are the innermost. */
static int close_writing(struct flawed_buffer *f)
{
    if (!f->chain)
        return TARN_OK;
    int rc = f->closes_all ? spill_chain_finish(f->chain, NULL) : f->chain->finish(f->chain, NULL);
    spill_chain_free(TN_TAKE(f->chain));
    return rc;
}

static void open_reading(struct flawed_buffer *f)
{
    struct plain_reader *r = tn_calloc(1, sizeof *r);
    *r = (struct plain_reader){ { plain_read, plain_free, NULL }, f, 0 };
    f->reader = &r->base;
    for (size_t i = f->filter_count; i > 0; i--)
        f->reader = spill_filter_reader(&f->filters[i - 1], f->reader, NULL);
}

int64_t flawed_buffer_read(struct flawed_buffer *f, void *out, size_t cap)
{
    if (f->is_closed) {
        f->has_panicked = true;
        return TARN_EINVAL;
    }
    if (!f->is_spilled) {
        size_t left = f->memory.len - f->offset;
        size_t now = left < cap ? left : cap;
        memcpy(out, f->memory.data + f->offset, now);
        f->offset += now;
        return (int64_t)now;
    }
    (void)close_writing(f);
    if (!f->reader)
        open_reading(f);
    return f->reader->read(f->reader, out, cap, NULL);
}

int flawed_buffer_close(struct flawed_buffer *f)
{
    int rc = close_writing(f);
    if (f->segment)
        f->storage->remove(f->storage->arg, TN_TAKE(f->segment));
    f->is_closed = f->is_spilled;
    return rc;
}

void flawed_buffer_release(struct flawed_buffer *f)
{
    spill_chain_free(TN_TAKE(f->chain));
    spill_readers_free(TN_TAKE(f->reader));
    tn_buf_release(&f->memory);
}
