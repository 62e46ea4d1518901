/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal and base64. */

#include "base/codec.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void tn_hex_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (tn_is_digit(c))
        return c - '0';
    c = tn_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tn_hex_decode(struct tn_str text, void *out)
{
    if (text.len % 2)
        return TARN_EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (hex_value(text.data[i]) < 0)
            return TARN_EINVAL;
    }
    unsigned char *bytes = out;
    for (size_t i = 0; i < text.len; i += 2)
        *bytes++ = (unsigned char)(hex_value(text.data[i]) << 4 | hex_value(text.data[i + 1]));
    return TARN_OK;
}

void tn_base64_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    for (; len >= 3; in += 3, len -= 3) {
        *out++ = base64_digits[in[0] >> 2];
        *out++ = base64_digits[(in[0] & 3) << 4 | in[1] >> 4];
        *out++ = base64_digits[(in[1] & 15) << 2 | in[2] >> 6];
        *out++ = base64_digits[in[2] & 63];
    }
    if (len) {
        unsigned second = len == 2 ? in[1] : 0;
        *out++ = base64_digits[in[0] >> 2];
        *out++ = base64_digits[(in[0] & 3u) << 4 | second >> 4];
        *out++ = len == 2 ? base64_digits[(second & 15) << 2] : '=';
        *out++ = '=';
    }
    *out = '\0';
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (tn_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t tn_base64_decode(struct tn_str text, void *out, size_t cap)
{
    if (text.len % 4)
        return TARN_EINVAL;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    size_t len = text.len / 4 * 3 - padding;
    if (len > cap)
        return TARN_ETOOBIG;

    unsigned char *bytes = out;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.len - padding; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0)
            return TARN_EINVAL;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *bytes++ = (unsigned char)(bits >> held);
        }
    }
    if (bits & ((1u << held) - 1))
        return TARN_EINVAL;
    return (ssize_t)len;
}
