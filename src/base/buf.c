/* SPDX-License-Identifier: Apache-2.0 */
/* Growable byte buffer. */

#include "base/buf.h"

#include <assert.h>

char tn_buf_empty[1];

enum { BUF_CAP_MIN = 64 };

void tn_buf_init(struct tn_buf *b, size_t max)
{
    *b = TN_BUF_INIT(max);
}

void tn_buf_release(struct tn_buf *b)
{
    if (b->cap)
        tn_free(b->data);
    *b = TN_BUF_INIT(b->max);
}

int tn_buf_reserve(struct tn_buf *b, size_t len)
{
    if (len > b->max || b->len > b->max - len)
        return TARN_ETOOBIG;
    size_t need = b->len + len + 1;
    if (need <= b->cap)
        return TARN_OK;

    size_t cap = b->cap ? b->cap : BUF_CAP_MIN;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    char *data = tn_realloc(b->cap ? b->data : NULL, cap);
    if (!data)
        return TARN_ENOMEM;
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return TARN_OK;
}

int tn_buf_append(struct tn_buf *b, const void *bytes, size_t len)
{
    if (len == 0)
        return TARN_OK;
    int rc = tn_buf_reserve(b, len);
    if (rc < 0)
        return rc;
    memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
    return TARN_OK;
}

int tn_buf_append_str(struct tn_buf *b, struct tn_str s)
{
    return tn_buf_append(b, s.data, s.len);
}

int tn_buf_append_text(struct tn_buf *b, const char *text)
{
    return tn_buf_append(b, text, strlen(text));
}

int tn_buf_append_char(struct tn_buf *b, char c)
{
    return tn_buf_append(b, &c, 1);
}

/* Mostly there is room already, and one pass does. */
int tn_buf_vappendf(struct tn_buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->cap ? b->cap - b->len : 0;
    int len = vsnprintf(room ? b->data + b->len : NULL, room, format, args);
    int rc = len < 0 || (size_t)len > b->max - b->len ? TARN_ETOOBIG : TARN_OK;
    if (rc == TARN_OK && (size_t)len >= room) {
        if (room)
            b->data[b->len] = '\0'; /* it may be copied, or stay */
        rc = tn_buf_reserve(b, (size_t)len);
        if (rc == TARN_OK)
            (void)vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
    }
    va_end(again);
    if (rc == TARN_OK)
        b->len += (size_t)len;
    else if (b->cap)
        b->data[b->len] = '\0';
    return len < 0 ? TARN_EINVAL : rc;
}

int tn_buf_appendf(struct tn_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = tn_buf_vappendf(b, format, args);
    va_end(args);
    return rc;
}

void tn_buf_consume(struct tn_buf *b, size_t len)
{
    if (len >= b->len) {
        tn_buf_truncate(b, 0);
        return;
    }
    b->len -= len;
    memmove(b->data, b->data + len, b->len + 1);
}

void tn_buf_truncate(struct tn_buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
    if (b->cap)
        b->data[len] = '\0';
}

void tn_buf_swap(struct tn_buf *a, struct tn_buf *b)
{
    struct tn_buf kept = *a;
    *a = *b;
    *b = kept;
}

char *tn_buf_detach(struct tn_buf *b)
{
    if (!b->cap && tn_buf_reserve(b, 0) < 0)
        return NULL;
    char *data = b->data;
    *b = TN_BUF_INIT(b->max);
    return data;
}
