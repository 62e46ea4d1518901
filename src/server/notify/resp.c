/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's protocol. */

#include "server/notify/resp.h"

#include "base/fail.h"

int resp_command(const struct tn_str *words, size_t count, struct tn_buf *out)
{
    size_t before = out->len;
    int rc = tn_buf_appendf(out, "*%zu\r\n", count);
    for (size_t i = 0; rc == TARN_OK && i < count; i++) {
        rc = tn_buf_appendf(out, "$%zu\r\n", words[i].len);
        if (rc == TARN_OK)
            rc = tn_buf_append_str(out, words[i]);
        if (rc == TARN_OK)
            rc = tn_buf_append_text(out, "\r\n");
    }
    if (rc < 0)
        tn_buf_truncate(out, before);
    return rc;
}

/* The line is there: is that all? */
static int end_line(struct resp_reply *r)
{
    uint64_t len;
    struct tn_str line = { r->line, r->line_len };
    r->has_line = true;
    if (r->kind != '$') {
        r->is_complete = true;
        return TARN_OK;
    }
    if (tn_str_eq(line, TN_STR("-1"))) {
        r->is_complete = true;
        return TARN_OK;
    }
    if (tn_str_to_u64(line, &len) < 0 || len > RESP_BULK_LEN_MAX)
        return TARN_EPROTOCOL;
    r->left = len + 2;
    return TARN_OK;
}

static int feed_line(struct resp_reply *r, char c)
{
    if (!r->kind) {
        if (c != '+' && c != '-' && c != ':' && c != '$')
            return TARN_EPROTOCOL;
        r->kind = c;
        return TARN_OK;
    }
    if (c == '\n') {
        if (r->line_len == 0 || r->line[r->line_len - 1] != '\r')
            return TARN_EPROTOCOL;
        r->line[--r->line_len] = '\0';
        return end_line(r);
    }
    if (r->line_len + 1 == sizeof r->line)
        return TARN_EPROTOCOL;
    r->line[r->line_len++] = c;
    return TARN_OK;
}

int resp_feed(struct resp_reply *r, const char *bytes, size_t len, size_t *taken)
{
    size_t at = 0;
    int rc = TARN_OK;
    while (rc == TARN_OK && at < len && !r->is_complete) {
        if (!r->has_line) {
            rc = feed_line(r, bytes[at++]);
            continue;
        }
        uint64_t step = len - at < r->left ? len - at : r->left;
        at += (size_t)step;
        r->left -= step;
        r->is_complete = r->left == 0;
    }
    *taken = at;
    return rc;
}

bool resp_is_error(const struct resp_reply *r)
{
    return r->kind == '-';
}
