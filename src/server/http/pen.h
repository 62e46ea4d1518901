/* SPDX-License-Identifier: Apache-2.0 */
/* Text put together piece by piece in room that is known to suffice: for what is written once per
 * request, where printf() would cost more than all the rest. */

#ifndef SERVER_HTTP_PEN_H
#define SERVER_HTTP_PEN_H

#include <assert.h>

#include "base/str.h"

struct pen {
    char *at;
    size_t room;
};

static inline void pen_put(struct pen *pen, const char *text, size_t len)
{
    assert(len <= pen->room);
    if (len)
        memcpy(pen->at, text, len);
    pen->at += len;
    pen->room -= len;
}

static inline void pen_str(struct pen *pen, struct tn_str text)
{
    pen_put(pen, text.data, text.len);
}

static inline void pen_text(struct pen *pen, const char *text)
{
    pen_put(pen, text, strlen(text));
}

static inline void pen_number(struct pen *pen, uint64_t number)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    pen_put(pen, digits + i, sizeof digits - i);
}

#endif
