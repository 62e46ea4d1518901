/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies. As aws-chunked all the data is one chunk: "LEN\r\n" data "\r\n0\r\n" trailer. */

#include "client/body.h"

#include "base/codec.h"
#include "base/file.h"
#include "proto/aws_chunked.h"

enum { READ_STEP_LEN = 256 * 1024, TAIL_MARK_LEN = 2 };

void tn_body_init(struct tn_body *b)
{
    *b = (struct tn_body){ .fd = -1, .frame = TN_BUF_INIT(TN_BODY_FRAME_MAX) };
}

void tn_body_release(struct tn_body *b)
{
    tn_checksum_release(&b->sum);
    tn_buf_release(&b->frame);
    tn_body_init(b);
}

/* Gives the data to `each`, in whatever kind but a pipe. */
static int read_over(const struct tn_body *b, void (*each)(void *to, const void *bytes, size_t len),
                     void *to)
{
    if (b->kind == TN_BODY_BYTES)
        each(to, b->bytes, (size_t)b->len);
    if (b->kind != TN_BODY_FILE)
        return b->kind == TN_BODY_PIPE ? TARN_ENOTSUPPORTED : TARN_OK;
    TN_AUTO_FREE char *step = tn_realloc(NULL, READ_STEP_LEN);
    if (!step)
        return TARN_ENOMEM;
    for (uint64_t done = 0; done < b->len;) {
        uint64_t left = b->len - done;
        size_t want = left < READ_STEP_LEN ? (size_t)left : READ_STEP_LEN;
        ssize_t n = tn_fd_pread(b->fd, step, want, b->offset + done);
        if (n < 0)
            return (int)n;
        if ((size_t)n < want)
            return TARN_ECONFLICT;
        each(to, step, want);
        done += want;
    }
    return TARN_OK;
}

static void add_to_sum(void *to, const void *bytes, size_t len)
{
    tn_checksum_update(to, bytes, len);
}

static void add_to_hash(void *to, const void *bytes, size_t len)
{
    tn_hash_update(to, bytes, len);
}

int tn_body_sum_ahead(struct tn_body *b)
{
    if (b->checksum == TN_CHECKSUM_NONE || b->has_value)
        return TARN_OK;
    struct tn_checksum sum;
    int rc = tn_checksum_init(&sum, b->checksum);
    if (rc < 0)
        return rc;
    rc = read_over(b, add_to_sum, &sum);
    if (rc == TARN_OK)
        tn_checksum_final(&sum, &b->value);
    tn_checksum_release(&sum);
    b->has_value = rc == TARN_OK;
    return rc;
}

int tn_body_md5(const struct tn_body *b, unsigned char out[TN_MD5_LEN])
{
    struct tn_hash hash;
    int rc = tn_hash_init(&hash, TN_HASH_MD5);
    if (rc < 0)
        return rc;
    rc = read_over(b, add_to_hash, &hash);
    if (rc == TARN_OK)
        tn_hash_final(&hash, out);
    tn_hash_release(&hash);
    return rc;
}

int tn_body_start(struct tn_body *b)
{
    b->sent = 0;
    b->frame_sent = 0;
    b->is_frame_tail = false;
    b->rc = TARN_OK;
    tn_buf_truncate(&b->frame, 0);
    tn_checksum_release(&b->sum);
    b->sum = (struct tn_checksum){ 0 };
    if (!b->is_chunked)
        return TARN_OK;
    int rc = tn_checksum_init(&b->sum, b->has_value ? TN_CHECKSUM_NONE : b->checksum);
    if (rc == TARN_OK && b->len > 0)
        rc = tn_buf_appendf(&b->frame, "%llx\r\n", (unsigned long long)b->len);
    return rc;
}

static size_t trailer_len(const struct tn_body *b)
{
    return tn_checksum_header(b->checksum).len + 1 + TN_BASE64_LEN(tn_checksum_len(b->checksum));
}

uint64_t tn_body_wire_len(const struct tn_body *b)
{
    if (!b->is_chunked)
        return b->len;
    uint64_t len = b->len;
    int rc = tn_aws_chunked_encoded_len(TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, b->len,
                                        b->len ? b->len : 1, trailer_len(b), &len);
    (void)rc; /* the length was checked against 5 GiB before */
    return len;
}

static int make_tail(struct tn_body *b)
{
    char text[TN_CHECKSUM_TEXT_LEN];
    if (!b->has_value) {
        tn_checksum_final(&b->sum, &b->value);
        b->has_value = true;
    }
    size_t text_len = tn_checksum_text(&b->value, text);
    tn_buf_truncate(&b->frame, 0);
    b->frame_sent = 0;
    b->is_frame_tail = true;
    int rc = b->len > 0 ? tn_buf_append(&b->frame, "\r\n", TAIL_MARK_LEN) : TARN_OK;
    if (rc == TARN_OK)
        rc = tn_aws_chunked_end(&b->frame, NULL, tn_checksum_header(b->checksum),
                                (struct tn_str){ text, text_len });
    return rc;
}

static int64_t read_frame(struct tn_body *b, char *out, size_t cap)
{
    size_t left = b->frame.len - b->frame_sent;
    size_t n = left < cap ? left : cap;
    memcpy(out, b->frame.data + b->frame_sent, n);
    b->frame_sent += n;
    return (int64_t)n;
}

static int64_t read_pipe(struct tn_body *b, char *out, size_t cap)
{
    tn_waiter_lock(b->waiter);
    struct tn_str front = tn_pipe_front(b->pipe);
    size_t n = front.len < cap ? front.len : cap;
    b->pipe->is_paused = n == 0;
    tn_waiter_unlock(b->waiter);
    if (n == 0)
        return TN_BODY_WAIT;

    memcpy(out, front.data, n);
    tn_waiter_lock(b->waiter);
    tn_pipe_drop(b->pipe, n);
    tn_waiter_wake(b->waiter);
    tn_waiter_unlock(b->waiter);
    return (int64_t)n;
}

static int64_t read_data(struct tn_body *b, char *out, size_t cap)
{
    uint64_t left = b->len - b->sent;
    size_t want = left < cap ? (size_t)left : cap;
    int64_t n = (int64_t)want;
    if (b->kind == TN_BODY_BYTES)
        memcpy(out, b->bytes + b->sent, want);
    else if (b->kind == TN_BODY_FILE)
        n = tn_fd_pread(b->fd, out, want, b->offset + b->sent);
    else
        n = read_pipe(b, out, want);
    if (b->kind == TN_BODY_FILE && n >= 0 && (size_t)n < want)
        return TARN_ECONFLICT;
    if (n > 0) {
        b->sent += (uint64_t)n;
        tn_checksum_update(&b->sum, out, (size_t)n);
    }
    return n;
}

static int64_t read_next(struct tn_body *b, char *out, size_t cap)
{
    if (b->frame_sent < b->frame.len)
        return read_frame(b, out, cap);
    if (b->sent < b->len)
        return read_data(b, out, cap);
    if (!b->is_chunked || b->is_frame_tail)
        return 0;
    int rc = make_tail(b);
    return rc < 0 ? rc : read_frame(b, out, cap);
}

int64_t tn_body_read(struct tn_body *b, char *out, size_t cap)
{
    int64_t total = 0;
    while ((size_t)total < cap) {
        int64_t n = read_next(b, out + total, cap - (size_t)total);
        if (n == TN_BODY_WAIT && total > 0)
            break;
        if (n < 0) {
            b->rc = n == TN_BODY_WAIT ? TARN_OK : (int)n;
            return n;
        }
        if (n == 0)
            break;
        total += n;
    }
    return total;
}

/* What needs no check is not even read. */
static int64_t pass_data(struct tn_body *b, char *scratch, size_t cap)
{
    uint64_t left = b->len - b->sent;
    if (b->sum.kind != TN_CHECKSUM_NONE)
        return read_data(b, scratch, cap);
    uint64_t n = left < cap ? left : cap;
    b->sent += n;
    return (int64_t)n;
}

int64_t tn_body_piece(struct tn_body *b, char *scratch, size_t cap, uint64_t *offset)
{
    bool is_data = b->frame_sent == b->frame.len && b->sent < b->len;
    *offset = UINT64_MAX;
    if (b->kind != TN_BODY_FILE)
        return tn_body_read(b, scratch, cap);
    if (!is_data) {
        int64_t n = read_next(b, scratch, cap);
        b->rc = n < 0 ? (int)n : TARN_OK;
        return n;
    }
    uint64_t at = b->offset + b->sent;
    int64_t n = pass_data(b, scratch, cap);
    if (n < 0)
        b->rc = (int)n;
    else
        *offset = at;
    return n;
}
