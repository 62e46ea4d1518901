/* SPDX-License-Identifier: Apache-2.0 */
/* Stored forms: tags, lengths, values. */

#include "server/api/entries.h"

enum { ENTRY_HEAD_LEN = 6 };

void entries_put_le(char *out, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(number >> (8 * i));
}

uint64_t entries_get_le(const char *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return number;
}

int entries_put_parts(struct tn_buf *out, unsigned tag, const struct tn_str *parts, size_t count)
{
    char head[ENTRY_HEAD_LEN];
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    entries_put_le(head, tag, 2);
    entries_put_le(head + 2, len, 4);
    int rc = tn_buf_append(out, head, sizeof head);
    for (size_t i = 0; rc == TARN_OK && i < count; i++)
        rc = tn_buf_append_str(out, parts[i]);
    return rc;
}

int entries_put(struct tn_buf *out, unsigned tag, struct tn_str value)
{
    return entries_put_parts(out, tag, &value, 1);
}

int entries_next(struct tn_str *rest, unsigned *tag, struct tn_str *value)
{
    if (rest->len < ENTRY_HEAD_LEN)
        return TARN_ECORRUPT;
    size_t len = entries_get_le(rest->data + 2, 4);
    if (len > rest->len - ENTRY_HEAD_LEN)
        return TARN_ECORRUPT;
    *tag = (unsigned)entries_get_le(rest->data, 2);
    *value = tn_str_sub(*rest, ENTRY_HEAD_LEN, len);
    *rest = tn_str_sub(*rest, ENTRY_HEAD_LEN + len, rest->len);
    return TARN_OK;
}

int entries_open(struct tn_str bytes, struct tn_str *rest)
{
    if (bytes.len && bytes.data[0] != ENTRIES_VERSION)
        return TARN_ECORRUPT;
    *rest = tn_str_sub(bytes, 1, bytes.len);
    return TARN_OK;
}
