/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields of answers. */

#include "client/head.h"

struct lens {
    uint32_t name;
    uint32_t value;
};

int tn_head_add(struct tn_buf *head, struct tn_str name, struct tn_str value)
{
    if (name.len > UINT32_MAX || value.len > UINT32_MAX)
        return TARN_ETOOBIG;
    const struct lens lens = { (uint32_t)name.len, (uint32_t)value.len };
    size_t len = sizeof lens + name.len + value.len + 2;
    int rc = tn_buf_reserve(head, len);
    if (rc < 0)
        return rc;
    char *at = head->data + head->len;
    memcpy(at, &lens, sizeof lens);
    at += sizeof lens;
    for (size_t i = 0; i < name.len; i++)
        *at++ = tn_to_lower(name.data[i]);
    *at++ = '\0';
    if (value.len > 0)
        memcpy(at, value.data, value.len);
    at[value.len] = at[value.len + 1] = '\0';
    head->len += len;
    return TARN_OK;
}

bool tn_head_next(const struct tn_buf *head, size_t *at, struct tn_head_field *out)
{
    struct lens lens;
    if (*at >= head->len)
        return false;
    memcpy(&lens, head->data + *at, sizeof lens);
    const char *name = head->data + *at + sizeof lens;
    out->name = (struct tn_str){ name, lens.name };
    out->value = (struct tn_str){ name + lens.name + 1, lens.value };
    *at += sizeof lens + lens.name + lens.value + 2;
    return true;
}

struct tn_str tn_head_find(const struct tn_buf *head, struct tn_str name)
{
    struct tn_head_field field;
    for (size_t at = 0; tn_head_next(head, &at, &field);) {
        if (tn_str_eq(field.name, name))
            return field.value;
    }
    return (struct tn_str){ NULL, 0 };
}
