/* SPDX-License-Identifier: Apache-2.0 */
/* The value of one hexadecimal digit, for parsers that go byte by byte. */

#ifndef PROTO_HEX_H
#define PROTO_HEX_H

#include "base/str.h"

/* 0 to 15 for a digit of either case, -1 for anything else. */
static inline int tn_hex_value(char c)
{
    if (tn_is_digit(c))
        return c - '0';
    c = tn_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
