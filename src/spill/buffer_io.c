/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: reading, and as a stdio stream. */

#include <errno.h>
#include <stdio.h>

#include "spill/buffer_impl.h"

enum { SKIP_LEN = 16 << 10, BLOCK_LEN = 64 << 10 };

static bool is_direct(const struct tarn_buffer *b)
{
    return b->filter_count == 0;
}

/* The closed segment that holds `offset`; closes the open one when that does. */
static int find_segment(struct tarn_buffer *b, uint64_t offset, struct spill_segment **out,
                        struct tarn_error *err)
{
    if (b->open && offset >= b->open->start) {
        int rc = spill_close_open(b, err);
        if (rc < 0)
            return rc;
    }
    struct spill_segment *seg = b->first;
    while (seg && offset >= seg->start + seg->len)
        seg = seg->next;
    *out = seg;
    return seg && offset >= seg->start ? TARN_OK
                                       : tn_fail(err, TARN_ECORRUPT, "could not read a buffer");
}

/* A reader on `seg` that stands at its beginning, or with nothing to decode, at `offset`. */
static int open_reader(struct tarn_buffer *b, struct spill_segment *seg, uint64_t offset,
                       struct tarn_error *err)
{
    spill_drop_reader(b);
    uint64_t at = is_direct(b) ? offset - seg->start : 0;
    struct spill_reader *reader = spill_storage_reader(&b->storage, seg->handle, &seg->sum, at);
    if (!reader)
        return tn_fail(err, TARN_ENOMEM, "could not read a buffer: out of memory");
    for (size_t i = b->filter_count; i > 0; i--) {
        struct spill_reader *inner = spill_filter_reader(&b->filters[i - 1], reader, err);
        if (!inner) {
            spill_readers_free(reader);
            return TARN_ENOMEM;
        }
        reader = inner;
    }
    b->reader = reader;
    b->reader_segment = seg;
    b->reader_pos = seg->start + at;
    return TARN_OK;
}

static int skip_to(struct tarn_buffer *b, uint64_t offset, struct tarn_error *err)
{
    char dropped[SKIP_LEN];
    while (b->reader_pos < offset) {
        uint64_t left = offset - b->reader_pos;
        int64_t n = b->reader->read(b->reader, dropped,
                                    left < sizeof dropped ? (size_t)left : sizeof dropped, err);
        if (n <= 0)
            return n < 0 ? (int)n : tn_fail(err, TARN_ECORRUPT, "could not read a buffer: short");
        b->reader_pos += (uint64_t)n;
    }
    return TARN_OK;
}

/* Behind its last byte the segment must end, and be what was written. */
static int check_end(struct tarn_buffer *b, struct tarn_error *err)
{
    char more;
    int64_t n = b->reader->read(b->reader, &more, 1, err);
    spill_drop_reader(b);
    if (n > 0)
        return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: more than was written");
    return (int)n;
}

static int64_t read_segment(struct tarn_buffer *b, void *out, size_t cap, struct tarn_error *err)
{
    struct spill_segment *seg = NULL;
    int rc = find_segment(b, b->pos, &seg, err);
    if (rc < 0)
        return rc;
    if (b->reader_segment != seg || b->reader_pos > b->pos)
        rc = open_reader(b, seg, b->pos, err);
    if (rc == TARN_OK)
        rc = skip_to(b, b->pos, err);
    if (rc < 0)
        return rc;
    uint64_t left = seg->start + seg->len - b->pos;
    int64_t n = b->reader->read(b->reader, out, left < cap ? (size_t)left : cap, err);
    if (n <= 0)
        return n < 0 ? n : tn_fail(err, TARN_ECORRUPT, "could not read a buffer: it is cut short");
    b->reader_pos += (uint64_t)n;
    if ((uint64_t)n == left)
        rc = check_end(b, err);
    return rc < 0 ? rc : n;
}

/* In a FIFO: what was read is gone. */
static void give_up(struct tarn_buffer *b)
{
    while (b->first && b->first->start + b->first->len <= b->pos) {
        struct spill_segment *seg = b->first;
        if (b->reader_segment == seg)
            spill_drop_reader(b);
        b->first = seg->next;
        if (!b->first)
            b->last = NULL;
        b->storage.remove(b->storage.arg, seg->handle);
        tn_free(seg);
    }
    if (b->pos > b->tail_start) {
        spill_blocks_drop(&b->tail, b->pos - b->tail_start);
        b->tail_start = b->pos;
    }
    b->floor = b->pos;
}

int64_t tarn_buffer_read(struct tarn_buffer *b, void *bytes, size_t cap, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    size_t done = 0;
    int rc = spill_check(b, TN_MISSING_ITEMS(bytes, cap), err);
    if (rc < 0)
        return rc;
    while (done < cap && b->pos < b->size) {
        char *to = (char *)bytes + done;
        bool ends_writing = b->open && b->pos >= b->open->start;
        int64_t n =
            b->pos >= b->tail_start
                ? (int64_t)spill_blocks_copy(&b->tail, b->pos - b->tail_start, to, cap - done)
                : read_segment(b, to, cap - done, &why);
        if (n < 0 && n != TARN_ECORRUPT && n != TARN_EIO && !(ends_writing && b->open)) {
            /* Of the network or of memory: the next call tries again. */
            spill_drop_reader(b);
            if (done > 0)
                break;
            if (err)
                *err = why;
            return n;
        }
        if (n < 0)
            return spill_note_failure(b, (int)n, &why, err);
        b->pos += (uint64_t)n;
        done += (size_t)n;
        if (b->o.is_fifo)
            give_up(b);
    }
    return (int64_t)done;
}

int64_t tarn_buffer_pread(struct tarn_buffer *b, void *bytes, size_t cap, uint64_t offset,
                          struct tarn_error *err)
{
    size_t done = 0;
    int rc = spill_check(b, TN_MISSING_ITEMS(bytes, cap), err);
    if (rc < 0)
        return rc;
    if (offset < b->floor)
        return tn_fail(err, TARN_EINVAL, "could not read a buffer: the place was given up");
    while (done < cap && offset + done < b->size) {
        uint64_t at = offset + done;
        char *to = (char *)bytes + done;
        if (at >= b->tail_start) {
            done += spill_blocks_copy(&b->tail, at - b->tail_start, to, cap - done);
            continue;
        }
        if (!is_direct(b))
            return tn_fail(err, TARN_ENOTSUPPORTED,
                           "could not read a buffer in its middle: it has filters");
        struct spill_segment *seg = NULL;
        struct tarn_error why = { 0 };
        rc = find_segment(b, at, &seg, &why);
        if (rc < 0) /* to end the writing, which is not begun again */
            return spill_note_failure(b, rc, &why, err);
        uint64_t left = seg->start + seg->len - at;
        size_t want = left < cap - done ? (size_t)left : cap - done;
        int64_t n = b->storage.read(b->storage.arg, seg->handle, at - seg->start, to, want, err);
        if (n < 0)
            return n;
        if (n == 0 || (uint64_t)n > want)
            return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: cut short");
        done += (size_t)n;
    }
    return (int64_t)done;
}

int64_t tarn_buffer_read_until(struct tarn_buffer *b, char delimiter, void *bytes, size_t cap,
                               struct tarn_error *err)
{
    int given = spill_check(b, TN_MISSING_ITEMS(bytes, cap), err);
    if (given < 0)
        return given;
    char *out = bytes;
    uint64_t start = b->pos;
    size_t done = 0;
    if (b->o.is_fifo && b->pos < b->tail_start)
        return tn_fail(err, TARN_ENOTSUPPORTED,
                       "could not read up to a byte: a FIFO cannot go back in its storage");
    while (done < cap && b->pos < b->size) {
        size_t want = cap - done < SKIP_LEN ? cap - done : SKIP_LEN;
        bool was_fifo = b->o.is_fifo;
        b->o.is_fifo = false;
        int64_t n = tarn_buffer_read(b, out + done, want, err);
        b->o.is_fifo = was_fifo;
        if (n < 0)
            return n;
        const char *found = memchr(out + done, delimiter, (size_t)n);
        done = found ? (size_t)(found + 1 - out) : done + (size_t)n;
        if (found) {
            b->pos = start + done; /* a reader that is ahead is opened anew */
            break;
        }
    }
    bool is_whole = (done > 0 && out[done - 1] == delimiter) || b->pos == b->size;
    if (!is_whole) {
        b->pos = start;
        return tn_fail(err, TARN_ETOOBIG, "could not read up to a byte: more than %zu bytes", cap);
    }
    if (b->o.is_fifo)
        give_up(b);
    return (int64_t)done;
}

int tarn_buffer_seek(struct tarn_buffer *b, uint64_t offset, struct tarn_error *err)
{
    int rc = spill_check(b, NULL, err);
    if (rc < 0)
        return rc;
    if (offset > b->size || offset < b->floor)
        return tn_fail(err, TARN_EINVAL, "could not seek in a buffer: out of its range");
    bool is_easy = is_direct(b) || offset >= b->pos || offset >= b->tail_start || offset == 0;
    if (!is_easy)
        return tn_fail(err, TARN_ENOTSUPPORTED, "could not seek back in a buffer: it has filters");
    b->pos = offset;
    if (b->o.is_fifo)
        give_up(b);
    return TARN_OK;
}

int tarn_buffer_rewind(struct tarn_buffer *b, struct tarn_error *err)
{
    return tarn_buffer_seek(b, 0, err);
}

int tarn_buffer_copy_to(struct tarn_buffer *b, tarn_write_fn write, void *arg,
                        struct tarn_error *err)
{
    int given = spill_check(b, TN_MISSING(write), err);
    if (given < 0)
        return given;
    TN_AUTO_FREE char *block = tn_realloc(NULL, BLOCK_LEN);
    if (!block)
        return tn_fail(err, TARN_ENOMEM, "could not empty a buffer: out of memory");
    for (;;) {
        int64_t n = tarn_buffer_read(b, block, BLOCK_LEN, err);
        if (n <= 0)
            return (int)n;
        int rc = write(arg, block, (size_t)n);
        if (rc < 0)
            return tn_fail(err, rc, "could not empty a buffer: %s", tarn_status_text(rc));
    }
}

/* ---- stdio ---- */

static int errno_of(int status)
{
    switch (status) {
    case TARN_ENOMEM:
        return ENOMEM;
    case TARN_ENOTSUPPORTED:
        return ESPIPE;
    case TARN_EINVAL:
        return EINVAL;
    case TARN_ENOSPACE:
        return ENOSPC;
    case TARN_ETOOBIG:
        return EFBIG;
    default:
        return EIO;
    }
}

static ssize_t file_read(void *cookie, char *bytes, size_t len)
{
    int64_t n = tarn_buffer_read(cookie, bytes, len, NULL);
    if (n >= 0)
        return (ssize_t)n;
    errno = errno_of((int)n);
    return -1;
}

static ssize_t file_write(void *cookie, const char *bytes, size_t len)
{
    int rc = tarn_buffer_write(cookie, bytes, len, NULL);
    if (rc == TARN_OK)
        return (ssize_t)len;
    errno = errno_of(rc);
    return 0; /* as fopencookie(3) wants it */
}

static int file_seek(void *cookie, off64_t *offset, int whence)
{
    struct tarn_buffer *b = cookie;
    uint64_t base = whence == SEEK_CUR ? b->pos : whence == SEEK_END ? b->size : 0;
    int64_t to;
    bool is_far = base > INT64_MAX || __builtin_add_overflow((int64_t)base, *offset, &to);
    int rc = is_far || to < 0 ? TARN_EINVAL : tarn_buffer_seek(b, (uint64_t)to, NULL);
    if (rc == TARN_OK) {
        *offset = to;
        return 0;
    }
    errno = errno_of(rc);
    return -1;
}

FILE *tarn_buffer_file(struct tarn_buffer *b, const char *mode)
{
    cookie_io_functions_t calls = { file_read, file_write, file_seek, NULL };
    if (!b || !mode) {
        errno = EINVAL;
        return NULL;
    }
    return fopencookie(b, mode, calls);
}
