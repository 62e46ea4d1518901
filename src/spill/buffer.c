/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: making them, writing, sealing, handing over. */

#include <stdio.h>

#include "base/rand.h"
#include "spill/buffer_impl.h"

enum { FILTERS_TEXT_MAX = 256, COPY_LEN = 64 << 10, TAIL_MAX = 256 << 10 };
static const uint64_t THRESHOLD_DEFAULT = (uint64_t)2 << 20;

/* ---- making ---- */

static int take_filters(struct tarn_buffer *b, const struct tarn_buffer_options *o,
                        struct tarn_error *err)
{
    if (o->filter_count > 0 && !o->filters)
        return tn_fail(err, TARN_EINVAL, "could not create a buffer: no filters were given");
    if (o->filter_count > TARN_BUFFER_FILTERS_MAX)
        return tn_fail(err, TARN_EINVAL, "could not create a buffer: more than %d filters",
                       TARN_BUFFER_FILTERS_MAX);
    for (size_t i = 0; i < o->filter_count; i++) {
        struct tarn_buffer_filter *f = &b->filters[i];
        *f = o->filters[i];
        int rc = spill_filter_check(f, err);
        if (rc < 0)
            return rc;
        bool encrypts =
            f->kind == TARN_BUFFER_AES_256_GCM || f->kind == TARN_BUFFER_CHACHA20_POLY1305;
        if (encrypts && f->key)
            memcpy(b->keys[i], f->key, TARN_BUFFER_KEY_LEN);
        else if (encrypts)
            tn_random_bytes(b->keys[i], TARN_BUFFER_KEY_LEN);
        b->has_secret_key |= encrypts && !f->key;
        f->key = b->keys[i];
    }
    b->filter_count = o->filter_count;
    return TARN_OK;
}

static void filters_text(const struct tarn_buffer *b, char out[FILTERS_TEXT_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < b->filter_count; i++)
        len += (size_t)snprintf(out + len, FILTERS_TEXT_MAX - len, "%s%s", i ? "," : "",
                                tarn_buffer_filter_name(b->filters[i].kind));
}

static int make_storage(struct tarn_buffer *b, const struct tarn_buffer_options *o,
                        struct tarn_error *err)
{
    char text[FILTERS_TEXT_MAX];
    const struct tarn_buffer_storage *own = o->storage;
    if (own && (!own->create || !own->write || !own->seal || !own->read || !own->remove))
        return tn_fail(err, TARN_EINVAL, "could not create a buffer: a storage has five functions");
    if (own) {
        b->kind = SPILL_CUSTOM;
        b->storage = *own;
        return TARN_OK;
    }
    b->kind = o->s3 ? SPILL_S3 : SPILL_FILE;
    filters_text(b, text);
    return o->s3 ? spill_s3_new(o->s3, text, &b->storage, err)
                 : spill_file_new(o->directory, &b->storage, err);
}

struct tarn_buffer *tarn_buffer_new(const struct tarn_buffer_options *options,
                                    struct tarn_error *err)
{
    static const struct tarn_buffer_options none;
    const struct tarn_buffer_options *o = options ? options : &none;
    if ((o->s3 && (o->storage || o->directory)) || (o->never_spills && o->spills_at_once)) {
        (void)tn_fail(err, TARN_EINVAL, "could not create a buffer: options exclude each other");
        return NULL;
    }
    struct tarn_buffer *b = tn_calloc(1, sizeof *b);
    if (!b) {
        (void)tn_fail(err, TARN_ENOMEM, "could not create a buffer: out of memory");
        return NULL;
    }
    b->o = *o;
    b->tail.pool = o->pool;
    if (!b->o.threshold)
        b->o.threshold = THRESHOLD_DEFAULT;
    int rc = take_filters(b, o, err);
    if (rc == TARN_OK)
        rc = make_storage(b, o, err);
    if (rc < 0) {
        tn_wipe(b->keys, sizeof b->keys);
        tn_free(b);
        return NULL;
    }
    if (o->prealloc && spill_blocks_reserve(&b->tail, o->prealloc) < 0) {
        (void)tn_fail(err, TARN_ENOMEM, "could not create a buffer: out of memory");
        tarn_buffer_free(b);
        return NULL;
    }
    return b;
}

void tarn_buffer_free(struct tarn_buffer *b)
{
    if (!b)
        return;
    spill_remove_segments(b);
    spill_blocks_release(&b->tail);
    if (b->kind == SPILL_FILE)
        spill_file_free(&b->storage);
    else if (b->kind == SPILL_S3)
        spill_s3_free(&b->storage);
    tn_wipe(b->keys, sizeof b->keys);
    tn_free(b);
}

static void empty(struct tarn_buffer *b, uint64_t at)
{
    spill_blocks_truncate(&b->tail, 0);
    b->tail_start = b->size = b->pos = b->floor = at;
    b->is_spilled = b->is_sealed = false;
    b->failed = TARN_OK;
}

void tarn_buffer_reset(struct tarn_buffer *b)
{
    spill_remove_segments(b);
    empty(b, 0);
}

/* ---- failures ---- */

int spill_check(const struct tarn_buffer *b, const char *missing, struct tarn_error *err)
{
    if (!b || missing)
        return tn_fail(err, TARN_EINVAL, "could not use a buffer: no %s was given",
                       b ? missing : "buffer");
    if (b->failed != TARN_OK && err)
        *err = b->why;
    return b->failed;
}

int spill_note_failure(struct tarn_buffer *b, int rc, const struct tarn_error *why,
                       struct tarn_error *err)
{
    b->failed = rc;
    b->why = *why;
    if (b->why.status == TARN_OK) /* of a program's own storage, which said nothing */
        (void)tn_fail(&b->why, rc, "could not use a buffer's storage: %s", tarn_status_text(rc));
    if (err)
        *err = b->why;
    return rc;
}

/* ---- segments ---- */

int spill_begin_open(struct tarn_buffer *b, uint64_t start, struct tarn_error *err)
{
    struct spill_segment *seg = tn_calloc(1, sizeof *seg);
    if (!seg)
        return tn_fail(err, TARN_ENOMEM, "could not spill: out of memory");
    int rc = b->storage.create(b->storage.arg, &seg->handle, err);
    if (rc < 0) {
        tn_free(seg);
        return rc;
    }
    seg->start = start;
    b->open = seg;
    b->chain = spill_storage_writer(&b->storage, seg->handle, &seg->sum);
    if (!b->chain)
        return tn_fail(err, TARN_ENOMEM, "could not spill: out of memory");
    /* The first filter sees the plain bytes: it is the outermost link. */
    for (size_t i = b->filter_count; i > 0; i--) {
        struct spill_writer *outer = spill_filter_writer(&b->filters[i - 1], b->chain, err);
        if (!outer)
            return TARN_ENOMEM;
        b->chain = outer;
    }
    return TARN_OK;
}

int spill_close_open(struct tarn_buffer *b, struct tarn_error *err)
{
    struct spill_segment *seg = b->open;
    if (!seg)
        return TARN_OK;
    int rc = spill_chain_finish(b->chain, err);
    if (rc < 0)
        return rc;
    spill_chain_free(TN_TAKE(b->chain));
    b->open = NULL;
    if (b->last)
        b->last->next = seg;
    else
        b->first = seg;
    b->last = seg;
    return TARN_OK;
}

int spill_flush_tail(struct tarn_buffer *b, struct tarn_error *err)
{
    int rc = TARN_OK;
    if (b->tail.len == 0)
        return rc;
    if (!b->open)
        rc = spill_begin_open(b, b->tail_start, err);
    while (rc == TARN_OK && b->tail.len > 0) {
        size_t len;
        const char *bytes = spill_blocks_at(&b->tail, 0, &len);
        rc = b->chain->write(b->chain, bytes, len, err);
        if (rc < 0)
            break;
        b->open->len += len;
        b->tail_start += len;
        spill_blocks_drop(&b->tail, len);
    }
    return rc;
}

void spill_drop_reader(struct tarn_buffer *b)
{
    spill_readers_free(TN_TAKE(b->reader));
    b->reader_segment = NULL;
}

void spill_remove_segments(struct tarn_buffer *b)
{
    spill_drop_reader(b);
    spill_chain_free(TN_TAKE(b->chain));
    if (b->open) {
        b->storage.remove(b->storage.arg, b->open->handle);
        tn_free(TN_TAKE(b->open));
    }
    while (b->first) {
        struct spill_segment *seg = b->first;
        b->first = seg->next;
        b->storage.remove(b->storage.arg, seg->handle);
        tn_free(seg);
    }
    b->last = NULL;
}

/* ---- writing ---- */

static int append(struct tarn_buffer *b, const char *bytes, size_t len, struct tarn_error *err)
{
    while (len > 0) {
        size_t now = b->is_spilled && len > COPY_LEN ? COPY_LEN : len;
        if (spill_blocks_append(&b->tail, bytes, now) < 0)
            return tn_fail(err, TARN_ENOMEM, "could not write to a buffer: out of memory");
        b->size += now;
        bytes += now;
        len -= now;
        if (b->is_spilled && b->tail.len >= TAIL_MAX) {
            int rc = spill_flush_tail(b, err);
            if (rc < 0)
                return rc;
        }
    }
    return TARN_OK;
}

int tarn_buffer_write(struct tarn_buffer *b, const void *bytes, size_t len, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = spill_check(b, TN_MISSING_ITEMS(bytes, len), err);
    if (rc < 0 || len == 0)
        return rc;
    if (b->is_sealed)
        return tn_fail(err, TARN_EINVAL, "could not write to a buffer: it is sealed");
    if (b->o.size_max && len > b->o.size_max - b->size)
        return tn_fail(err, TARN_ETOOBIG, "could not write to a buffer: more than its limit");
    bool is_full =
        b->o.spills_at_once || len > b->o.threshold || b->tail.len > b->o.threshold - len;
    if (!b->is_spilled && is_full) {
        if (b->o.never_spills)
            return tn_fail(err, TARN_ETOOBIG, "could not write to a buffer: it may not spill");
        rc = spill_flush_tail(b, &why);
        b->is_spilled = rc == TARN_OK;
    }
    if (rc == TARN_OK)
        rc = append(b, bytes, len, &why);
    return rc < 0 ? spill_note_failure(b, rc, &why, err) : rc;
}

int tarn_buffer_copy_from(struct tarn_buffer *b, tarn_read_fn read, void *arg,
                          struct tarn_error *err)
{
    int given = spill_check(b, TN_MISSING(read), err);
    if (given < 0)
        return given;
    TN_AUTO_FREE char *block = tn_realloc(NULL, COPY_LEN);
    if (!block)
        return tn_fail(err, TARN_ENOMEM, "could not fill a buffer: out of memory");
    for (;;) {
        int64_t n = read(arg, block, COPY_LEN);
        if (n < 0 || n > COPY_LEN)
            return tn_fail(err, n < 0 ? (int)n : TARN_EINVAL, "could not fill a buffer: %s",
                           n < 0 ? tarn_status_text((int)n) : "more was read than there is room");
        if (n == 0)
            return TARN_OK;
        int rc = tarn_buffer_write(b, block, (size_t)n, err);
        if (rc < 0)
            return rc;
    }
}

int tarn_buffer_seal(struct tarn_buffer *b, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = spill_check(b, NULL, err);
    if (rc < 0 || b->is_sealed)
        return rc;
    if (b->is_spilled) {
        rc = spill_flush_tail(b, &why);
        if (rc == TARN_OK)
            rc = spill_close_open(b, &why);
        if (rc < 0)
            return spill_note_failure(b, rc, &why, err);
    }
    b->is_sealed = true;
    return TARN_OK;
}

/* ---- truncating and handing over ---- */

/* Copies `from` .. `to` of `b` into `into`. */
static int copy_range(struct tarn_buffer *b, uint64_t to, struct tarn_buffer *into,
                      struct tarn_error *err)
{
    TN_AUTO_FREE char *block = tn_realloc(NULL, COPY_LEN);
    int rc = TARN_OK;
    if (!block)
        return tn_fail(err, TARN_ENOMEM, "could not copy a buffer: out of memory");
    while (b->pos < to && rc == TARN_OK) {
        size_t want = to - b->pos < COPY_LEN ? (size_t)(to - b->pos) : COPY_LEN;
        int64_t n = tarn_buffer_read(b, block, want, err);
        if (n <= 0)
            return n < 0 ? (int)n : tn_fail(err, TARN_ECORRUPT, "could not copy a buffer");
        rc = tarn_buffer_write(into, block, (size_t)n, err);
    }
    return rc;
}

/* The contents up to `size` in an empty state, to be swapped in. It shares the storage. */
static int rewrite(struct tarn_buffer *b, uint64_t size, bool spills_at_once,
                   struct tarn_error *err)
{
    struct tarn_buffer copy = *b;
    uint64_t pos = b->pos < size ? b->pos : size;
    bool was_fifo = b->o.is_fifo;
    copy.first = copy.last = copy.open = NULL;
    copy.chain = NULL;
    copy.reader = NULL;
    copy.reader_segment = NULL;
    copy.tail = (struct spill_blocks){ .pool = b->o.pool };
    copy.o.spills_at_once = spills_at_once;
    for (size_t i = 0; i < copy.filter_count; i++)
        copy.filters[i].key = copy.keys[i];
    empty(&copy, b->floor);
    b->o.is_fifo = false; /* all of it is still wanted until the copy is whole */
    spill_drop_reader(b);
    b->pos = b->floor;
    int rc = copy_range(b, size, &copy, err);
    b->o.is_fifo = was_fifo;
    struct tarn_buffer *loser = rc == TARN_OK ? b : &copy;
    spill_remove_segments(loser);
    spill_blocks_release(&loser->tail);
    if (rc == TARN_OK) {
        bool at_once = b->o.spills_at_once;
        *b = copy;
        b->o.is_fifo = was_fifo;
        b->o.spills_at_once = at_once;
        for (size_t i = 0; i < b->filter_count; i++)
            b->filters[i].key = b->keys[i];
    }
    tn_wipe(copy.keys, sizeof copy.keys);
    spill_drop_reader(b);
    b->pos = pos;
    return rc;
}

int tarn_buffer_truncate(struct tarn_buffer *b, uint64_t size, struct tarn_error *err)
{
    int rc = spill_check(b, NULL, err);
    if (rc < 0)
        return rc;
    if (size > b->size || size < b->floor || b->is_sealed)
        return tn_fail(err, TARN_EINVAL, "could not truncate a buffer: %s",
                       b->is_sealed ? "it is sealed" : "out of its range");
    if (size == 0) {
        tarn_buffer_reset(b);
    } else if (size >= b->tail_start) {
        spill_blocks_truncate(&b->tail, size - b->tail_start);
        b->size = size;
        if (b->pos > size)
            b->pos = size;
    } else {
        rc = rewrite(b, size, b->o.spills_at_once, err);
    }
    return rc;
}

int tarn_buffer_detach(struct tarn_buffer *b, char key[TARN_KEY_LEN_MAX + 1],
                       struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = spill_check(b, TN_MISSING(key), err);
    if (rc < 0)
        return rc;
    if (b->kind != SPILL_S3)
        return tn_fail(err, TARN_ENOTSUPPORTED, "could not hand over a buffer: it is not in S3");
    if (b->has_secret_key)
        return tn_fail(err, TARN_ENOTSUPPORTED,
                       "could not hand over a buffer: nobody else knows its key");
    if (b->is_spilled) {
        rc = spill_flush_tail(b, &why);
        if (rc == TARN_OK)
            rc = spill_close_open(b, &why);
        if (rc < 0)
            return spill_note_failure(b, rc, &why, err);
    }
    /* In one piece: what is in memory, or in several, is written again. */
    bool is_one =
        b->first && b->first == b->last && b->tail.len == 0 && b->first->start == b->floor;
    if (!is_one) {
        rc = rewrite(b, b->size, true, &why);
        if (rc == TARN_OK && b->size == b->floor) /* nothing: an empty object */
            rc = spill_begin_open(b, b->size, &why);
        if (rc == TARN_OK)
            rc = spill_flush_tail(b, &why);
        if (rc == TARN_OK)
            rc = spill_close_open(b, &why);
        if (rc < 0)
            return spill_note_failure(b, rc, &why, err);
        b->is_spilled = true;
    }
    spill_drop_reader(b);
    rc = spill_s3_keep(&b->storage, b->first->handle, key, err);
    if (rc < 0)
        return rc;
    tn_free(TN_TAKE(b->first));
    b->last = NULL;
    empty(b, 0);
    return TARN_OK;
}

/* ---- figures ---- */

uint64_t tarn_buffer_size(const struct tarn_buffer *b)
{
    return b->size;
}

uint64_t tarn_buffer_tell(const struct tarn_buffer *b)
{
    return b->pos;
}

uint64_t tarn_buffer_left(const struct tarn_buffer *b)
{
    return b->size - b->pos;
}

uint64_t tarn_buffer_available(const struct tarn_buffer *b)
{
    return b->is_spilled || b->o.spills_at_once ? 0 : b->o.threshold - b->tail.len;
}

bool tarn_buffer_is_spilled(const struct tarn_buffer *b)
{
    return b->is_spilled;
}
