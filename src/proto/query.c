/* SPDX-License-Identifier: Apache-2.0 */
/* Query strings. */

#include "proto/query.h"

bool tn_query_next(struct tn_str *rest, struct tn_param *out)
{
    while (rest->len) {
        struct tn_str piece = tn_str_split(rest, '&');
        if (piece.len == 0)
            continue;
        size_t equals = tn_str_find_char(piece, '=');
        bool has_value = equals != SIZE_MAX;
        *out = (struct tn_param){
            .name = tn_str_sub(piece, 0, equals),
            .value = has_value ? tn_str_sub(piece, equals + 1, piece.len) : TN_STR_EMPTY,
            .has_value = has_value,
        };
        return true;
    }
    return false;
}

static int count_params(struct tn_str text, size_t *count)
{
    struct tn_param param;
    size_t n = 0;
    while (tn_query_next(&text, &param)) {
        if (++n > TN_QUERY_PARAM_COUNT_MAX)
            return TARN_ETOOBIG;
    }
    *count = n;
    return TARN_OK;
}

int tn_query_parse(struct tn_arena *a, struct tn_str text, unsigned flags, struct tn_query *out)
{
    struct tn_query q = { 0 };
    int rc = count_params(text, &q.count);
    if (rc < 0)
        return rc;
    q.params = tn_arena_alloc(a, q.count * sizeof *q.params);
    if (!q.params)
        return TARN_ENOMEM;
    for (size_t i = 0; i < q.count; i++) {
        struct tn_param *param = &q.params[i];
        (void)tn_query_next(&text, param);
        rc = tn_uri_decode_in(a, param->name, flags, &param->name);
        if (rc == TARN_OK)
            rc = tn_uri_decode_in(a, param->value, flags, &param->value);
        if (rc < 0)
            return rc;
    }
    *out = q;
    return TARN_OK;
}

const struct tn_param *tn_query_find(const struct tn_query *q, const char *name)
{
    if (q->count == 0)
        return NULL;
    struct tn_str wanted = tn_str_from(name);
    for (size_t i = 0; i < q->count; i++) {
        if (tn_str_eq(q->params[i].name, wanted))
            return &q->params[i];
    }
    return NULL;
}

struct tn_str tn_query_value(const struct tn_query *q, const char *name)
{
    const struct tn_param *param = tn_query_find(q, name);
    return param ? param->value : TN_STR_EMPTY;
}

bool tn_query_has(const struct tn_query *q, const char *name)
{
    return tn_query_find(q, name) != NULL;
}
