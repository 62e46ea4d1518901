/* SPDX-License-Identifier: Apache-2.0 */
/* Brent's algorithm: the marker of page 1, 2, 4, 8 and so on is kept, and all that follow are
 * compared with it. */

#include "client/cycle.h"

void tn_cycle_release(struct tn_cycle *c)
{
    tn_buf_release(&c->kept);
}

static bool is_kept(const struct tn_cycle *c, struct tn_str key, struct tn_str id)
{
    struct tn_str kept = tn_buf_str(&c->kept);
    return c->pages > 0 && kept.len == key.len + 1 + id.len && tn_str_starts(kept, key) &&
           tn_str_eq(tn_str_sub(kept, key.len + 1, SIZE_MAX), id);
}

int tn_cycle_step(struct tn_cycle *c, struct tn_str key, struct tn_str id)
{
    if (is_kept(c, key, id))
        return TARN_EPROTOCOL;
    if (++c->pages < c->keep_at)
        return TARN_OK;
    c->keep_at *= 2;
    tn_buf_truncate(&c->kept, 0);
    int rc = tn_buf_append_str(&c->kept, key);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&c->kept, '\0');
    return rc == TARN_OK ? tn_buf_append_str(&c->kept, id) : rc;
}
