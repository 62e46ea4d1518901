/* SPDX-License-Identifier: Apache-2.0 */
/* Chains, and their ends at the storage. */

#include "spill/stream.h"

#include "base/crc.h"

int spill_chain_finish(struct spill_writer *first, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (struct spill_writer *w = first; w && rc == TARN_OK; w = w->next)
        rc = w->finish(w, err);
    return rc;
}

void spill_chain_free(struct spill_writer *first)
{
    while (first) {
        struct spill_writer *next = first->next;
        first->free(first);
        first = next;
    }
}

void spill_readers_free(struct spill_reader *last)
{
    while (last) {
        struct spill_reader *source = last->source;
        last->free(last);
        last = source;
    }
}

int64_t spill_read_full(struct spill_reader *r, void *out, size_t len, struct tarn_error *err)
{
    size_t done = 0;
    while (done < len) {
        int64_t n = r->read(r, (char *)out + done, len - done, err);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

/* ---- the ends ---- */

struct storage_writer {
    struct spill_writer base;
    const struct tarn_buffer_storage *storage;
    void *segment;
    struct spill_sum *sum;
};

static int storage_write(struct spill_writer *base, const void *bytes, size_t len,
                         struct tarn_error *err)
{
    struct storage_writer *w = TN_CONTAINER(base, struct storage_writer, base);
    if (len == 0)
        return TARN_OK;
    int rc = w->storage->write(w->storage->arg, w->segment, bytes, len, err);
    if (rc < 0)
        return rc;
    w->sum->crc = tn_crc64nvme(w->sum->crc, bytes, len);
    w->sum->len += len;
    return TARN_OK;
}

static int storage_finish(struct spill_writer *base, struct tarn_error *err)
{
    struct storage_writer *w = TN_CONTAINER(base, struct storage_writer, base);
    return w->storage->seal(w->storage->arg, w->segment, err);
}

static void storage_writer_free(struct spill_writer *base)
{
    tn_free(TN_CONTAINER(base, struct storage_writer, base));
}

struct spill_writer *spill_storage_writer(const struct tarn_buffer_storage *storage, void *segment,
                                          struct spill_sum *sum)
{
    struct storage_writer *w = tn_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct storage_writer){
        { storage_write, storage_finish, storage_writer_free, NULL }, storage, segment, sum
    };
    return &w->base;
}

struct storage_reader {
    struct spill_reader base;
    const struct tarn_buffer_storage *storage;
    void *segment;
    struct spill_sum sum;
    uint64_t offset;
    uint64_t crc;
    bool has_crc;
};

static int64_t storage_read(struct spill_reader *base, void *out, size_t cap,
                            struct tarn_error *err)
{
    struct storage_reader *r = TN_CONTAINER(base, struct storage_reader, base);
    uint64_t left = r->sum.len - r->offset;
    if (left == 0) {
        if (r->has_crc && r->crc != r->sum.crc)
            return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: its storage is damaged");
        return 0;
    }
    if (cap > left)
        cap = (size_t)left;
    int64_t n = r->storage->read(r->storage->arg, r->segment, r->offset, out, cap, err);
    if (n < 0)
        return n;
    if (n == 0 || (uint64_t)n > cap)
        return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: its storage was cut short");
    r->crc = tn_crc64nvme(r->crc, out, (size_t)n);
    r->offset += (uint64_t)n;
    return n;
}

static void storage_reader_free(struct spill_reader *base)
{
    tn_free(TN_CONTAINER(base, struct storage_reader, base));
}

struct spill_reader *spill_storage_reader(const struct tarn_buffer_storage *storage, void *segment,
                                          const struct spill_sum *sum, uint64_t offset)
{
    struct storage_reader *r = tn_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct storage_reader){ .base = { storage_read, storage_reader_free, NULL },
                                  .storage = storage,
                                  .segment = segment,
                                  .sum = *sum,
                                  .offset = offset,
                                  .has_crc = offset == 0 };
    return &r->base;
}
