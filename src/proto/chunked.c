/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 chunked transfer coding, one byte at a time outside the data, whole runs inside it. */

#include "proto/chunked.h"

#include "proto/hex.h"

enum state {
    SIZE,      /* hexadecimal digits */
    EXTENSION, /* up to CR */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_LINE, /* at the start of a trailer line or inside it */
    TRAILER_LF,
    DONE,
    BROKEN,
};

enum { SIZE_DIGIT_COUNT_MAX = 16 };

/* A body may carry a signature or so per chunk, but tiny chunks with long extensions would let a
 * peer burn time that no data pays for. Each data byte earns room for this many bytes. */
enum { OVERHEAD_PER_DATA_BYTE = 16 };

void tn_chunked_init(struct tn_chunked *c)
{
    *c = (struct tn_chunked){ .state = SIZE, .trailers = TN_BUF_INIT(TN_CHUNK_TRAILER_LEN_MAX) };
}

void tn_chunked_release(struct tn_chunked *c)
{
    tn_buf_release(&c->trailers);
    tn_chunked_init(c);
}

/* A counted byte of a size line. */
static int count_overhead(struct tn_chunked *c)
{
    c->line_len++;
    c->overhead_len++;
    if (c->line_len > TN_CHUNK_LINE_LEN_MAX)
        return TARN_ETOOBIG;
    if (c->overhead_len > TN_CHUNK_OVERHEAD_LEN_MAX + c->data_len * OVERHEAD_PER_DATA_BYTE)
        return TARN_ETOOBIG;
    return TARN_OK;
}

static int on_size(struct tn_chunked *c, char byte)
{
    int digit = tn_hex_value(byte);
    if (digit >= 0) {
        /* Leading zeros count as well: 16 digits hold every size. */
        if (c->size_digits == SIZE_DIGIT_COUNT_MAX)
            return TARN_EINVAL;
        c->left = c->left << 4 | (unsigned)digit;
        c->size_digits++;
        return TARN_OK;
    }
    if (c->size_digits == 0)
        return TARN_EINVAL;
    if (byte == '\r')
        c->state = SIZE_LF;
    else if (byte == ';' || byte == ' ' || byte == '\t')
        c->state = EXTENSION;
    else
        return TARN_EINVAL;
    return TARN_OK;
}

static int on_extension(struct tn_chunked *c, char byte)
{
    if (byte == '\r')
        c->state = SIZE_LF;
    else if (((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f)
        return TARN_EINVAL;
    return TARN_OK;
}

static int on_size_lf(struct tn_chunked *c, char byte)
{
    if (byte != '\n')
        return TARN_EINVAL;
    /* The body's length must stay countable. */
    if (c->left > UINT64_MAX - c->data_len)
        return TARN_ETOOBIG;
    c->state = c->left ? DATA : TRAILER_LINE;
    c->size_digits = 0;
    c->line_len = 0;
    return TARN_OK;
}

static int expect_byte(struct tn_chunked *c, char byte, char expected, enum state next)
{
    if (byte != expected)
        return TARN_EINVAL;
    c->state = (int)next;
    return TARN_OK;
}

/* `line_len` is where the line under way begins in `trailers`. */
static int on_trailer(struct tn_chunked *c, char byte)
{
    if (byte == '\n')
        return TARN_EINVAL;
    if (byte == '\r')
        c->state = TRAILER_LF;
    return tn_buf_append_char(&c->trailers, byte);
}

static int on_trailer_lf(struct tn_chunked *c, char byte)
{
    if (byte != '\n')
        return TARN_EINVAL;
    struct tn_str line = tn_str_sub(tn_buf_str(&c->trailers), c->line_len, c->trailers.len);
    line.len--;
    if (line.len == 0) {
        tn_buf_truncate(&c->trailers, c->line_len);
        c->state = DONE;
        return TARN_OK;
    }
    struct tn_header field;
    if (tn_http1_field_parse(line, &field) < 0)
        return TARN_EINVAL;
    int rc = tn_buf_append_char(&c->trailers, byte);
    c->line_len = c->trailers.len;
    c->state = TRAILER_LINE;
    return rc;
}

static int on_byte(struct tn_chunked *c, char byte)
{
    int rc;
    switch ((enum state)c->state) {
    case SIZE:
        rc = count_overhead(c);
        return rc < 0 ? rc : on_size(c, byte);
    case EXTENSION:
        rc = count_overhead(c);
        return rc < 0 ? rc : on_extension(c, byte);
    case SIZE_LF:
        return on_size_lf(c, byte);
    case DATA_CR:
        return expect_byte(c, byte, '\r', DATA_LF);
    case DATA_LF:
        return expect_byte(c, byte, '\n', SIZE);
    case TRAILER_LINE:
        return on_trailer(c, byte);
    case TRAILER_LF:
        return on_trailer_lf(c, byte);
    case DATA:
    case DONE:
    case BROKEN:
        break;
    }
    return TARN_EINVAL;
}

static void take_data(struct tn_chunked *c, struct tn_str *in, struct tn_str *data)
{
    size_t len = c->left < in->len ? (size_t)c->left : in->len;
    *data = tn_str_sub(*in, 0, len);
    *in = tn_str_sub(*in, len, in->len);
    c->left -= len;
    c->data_len += len;
    if (c->left == 0)
        c->state = DATA_CR;
}

int tn_chunked_next(struct tn_chunked *c, struct tn_str *in, struct tn_str *data)
{
    if (c->state == DONE)
        return TN_CHUNKED_END;
    while (in->len) {
        if (c->state == DATA) {
            take_data(c, in, data);
            return TN_CHUNKED_DATA;
        }
        int rc = on_byte(c, in->data[0]);
        if (rc < 0) {
            c->state = BROKEN;
            return rc;
        }
        *in = tn_str_sub(*in, 1, in->len);
        if (c->state == DONE)
            return TN_CHUNKED_END;
    }
    return TN_CHUNKED_MORE;
}

bool tn_chunked_trailer_next(const struct tn_chunked *c, size_t *pos, struct tn_header *out)
{
    struct tn_str rest = tn_str_sub(tn_buf_str(&c->trailers), *pos, c->trailers.len);
    size_t line_len = tn_str_find(rest, TN_STR("\r\n"));
    if (line_len == SIZE_MAX || tn_http1_field_parse(tn_str_sub(rest, 0, line_len), out) < 0)
        return false;
    *pos += line_len + 2;
    return true;
}
