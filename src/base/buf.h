/* SPDX-License-Identifier: Apache-2.0 */
/* Growable byte buffer: the only type in the tree that grows memory. */

#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/str.h"

/* `data` is never NULL and data[len] is '\0'; the bytes before it may be anything. */
struct tn_buf {
    char *data;
    size_t len;
    size_t cap; /* bytes owned; 0 while `data` is the shared empty string */
    size_t max; /* growth past this fails with TARN_ETOOBIG */
};

extern char tn_buf_empty[1];

/* An empty buffer that may grow to `limit` bytes. */
#define TN_BUF_INIT(limit) ((struct tn_buf){ .data = tn_buf_empty, .max = (limit) })

void tn_buf_init(struct tn_buf *b, size_t max);
void tn_buf_release(struct tn_buf *b); /* usable again afterwards, with the same limit */

/* Makes room for `len` more bytes behind data[len]. On failure `b` is unchanged. */
TN_MUST_USE int tn_buf_reserve(struct tn_buf *b, size_t len);

/* Appends `len` bytes. On failure `b` is unchanged. */
TN_MUST_USE int tn_buf_append(struct tn_buf *b, const void *bytes, size_t len);
TN_MUST_USE int tn_buf_append_str(struct tn_buf *b, struct tn_str s);
TN_MUST_USE int tn_buf_append_text(struct tn_buf *b, const char *text);
TN_MUST_USE int tn_buf_append_char(struct tn_buf *b, char c);
TN_MUST_USE int tn_buf_appendf(struct tn_buf *b, const char *format, ...) TN_PRINTF(2, 3);
TN_MUST_USE int tn_buf_vappendf(struct tn_buf *b, const char *format, va_list args)
    TN_PRINTF(2, 0);

/* Drops the first `len` bytes (all of them when fewer are there). */
void tn_buf_consume(struct tn_buf *b, size_t len);

/* Keeps the first `len` bytes; the room stays. */
void tn_buf_truncate(struct tn_buf *b, size_t len);

void tn_buf_swap(struct tn_buf *a, struct tn_buf *b);

/* Hands the bytes (NUL-terminated) to the caller, who frees them; `b` becomes empty. NULL when out of memory. */
TN_MUST_USE char *tn_buf_detach(struct tn_buf *b);

static inline struct tn_str tn_buf_str(const struct tn_buf *b)
{
    return (struct tn_str){ b->data, b->len };
}

#define TN_AUTO_BUF __attribute__((cleanup(tn_buf_release))) struct tn_buf

#endif
