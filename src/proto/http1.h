/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x request (RFC 9112): a strict parser for servers, without I/O or
 * allocation.
 *
 * The caller gathers bytes in one buffer and asks after each read; lines that were parsed are not
 * looked at again. Everything that two parsers could read differently is refused: bare CR or LF,
 * blanks before a colon, folded lines, repeated or doubtful lengths. */

#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "base/str.h"

enum {
    TN_HTTP1_HEAD_LEN_MAX =
        65536, /* S3 metadata is 2 KiB, signed URLs are long: real heads stay under 16 KiB */
    TN_HTTP1_HEADER_COUNT_MAX = 160,
};

struct tn_http1_header {
    struct tn_str name;  /* as sent; compare without regard to case */
    struct tn_str value; /* trimmed; may hold bytes over 0x7f */
};

struct tn_http1_span {
    uint32_t name;
    uint32_t value;
    uint32_t value_len;
    uint32_t name_len;
};

/* One request head: parser and result. Fields below "result" count only after TARN_OK; their views
 * point into the bytes given to the call that returned it. */
struct tn_http1 {
    size_t head_len_max; /* at most TN_HTTP1_HEAD_LEN_MAX */

    /* result */
    const char *base;
    size_t head_len; /* bytes that belong to the head; what follows is body or the next request */
    struct tn_str method; /* a token, in the case sent */
    struct tn_str target; /* not empty, no blanks or control bytes; not decoded */
    struct tn_str host;   /* empty when an HTTP/1.0 request has none */
    uint64_t content_length;
    size_t header_count;
    int minor_version; /* 0 or 1 */
    bool has_content_length;
    bool is_chunked; /* never together with has_content_length */
    bool is_keep_alive;
    bool expects_continue;

    /* after TARN_EINVAL: the status to answer (400, 414, 417, 431, 501, 505) and why, static text
     */
    int refuse_status;
    const char *refuse_reason;

    /* the parser's own */
    size_t line_start;
    size_t scanned;
    struct tn_http1_span request_line; /* name: method, value: target */
    bool has_request_line;
    bool has_host;
    bool has_transfer_encoding;
    bool has_close;
    bool has_keep_alive;
    struct tn_http1_span spans[TN_HTTP1_HEADER_COUNT_MAX];
};

/* Ready for the next request. `head_len_max` is clamped to TN_HTTP1_HEAD_LEN_MAX. */
void tn_http1_init(struct tn_http1 *h, size_t head_len_max);

/* `bytes` are all bytes since the start of this request: those of the last call again (they may
 * have moved) and more behind them. TARN_OK: complete, `head_len` of them are the head.
 * TARN_EAGAIN: more is needed. TARN_EINVAL: answer refuse_status and close. After OK or EINVAL,
 * init before the next call. */
TN_MUST_USE int tn_http1_parse(struct tn_http1 *h, const char *bytes, size_t len);

/* After TARN_OK, when the caller has moved the bytes. */
void tn_http1_rebase(struct tn_http1 *h, const char *bytes);

/* `i` below header_count. */
static inline struct tn_http1_header tn_http1_header_at(const struct tn_http1 *h, size_t i)
{
    const struct tn_http1_span *s = &h->spans[i];
    return (struct tn_http1_header){ { h->base + s->name, s->name_len },
                                     { h->base + s->value, s->value_len } };
}

/* The value of the first header of that name (ASCII case ignored); false when absent, `value` then
 * unchanged. */
bool tn_http1_find(const struct tn_http1 *h, struct tn_str name, struct tn_str *value);

/* The same, with an empty view for absent. */
struct tn_str tn_http1_value(const struct tn_http1 *h, struct tn_str name);

/* One "name: value" line without its CRLF, by the same strict rules; for trailers. */
TN_MUST_USE int tn_http1_field_parse(struct tn_str line, struct tn_http1_header *out);

/* Does the comma-separated list hold `token` (ASCII case ignored)? */
bool tn_http1_list_has(struct tn_str list, struct tn_str token);

#endif
