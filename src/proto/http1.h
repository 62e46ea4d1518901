/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x request (RFC 9112): a strict parser for servers, without I/O or
 * allocation.
 *
 * The caller gathers bytes in one buffer and asks after each read; lines that were parsed are not
 * looked at again. Everything that two parsers could read differently is refused: bare CR or LF,
 * blanks before a colon, folded lines, repeated or doubtful lengths. */

#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "base/arena.h"
#include "proto/header.h"

enum {
    TN_HTTP1_HEAD_LEN_MAX =
        65536, /* S3 metadata is 2 KiB, signed URLs are long: real heads stay under 16 KiB */
    TN_HTTP1_HEADER_COUNT_MAX = 160,
};

struct tn_http1_span {
    uint32_t name;
    uint32_t name_len;
    uint32_t value;
    uint32_t value_len;
};

/* A complete head. The views belong to the arena that it was taken into. */
struct tn_http1_head {
    struct tn_str method;            /* a token, in the case sent */
    struct tn_str target;            /* not empty, no blanks or control bytes; not decoded */
    struct tn_str host;              /* empty when an HTTP/1.0 request has none */
    const struct tn_header *headers; /* in the order sent, names as sent, values trimmed */
    size_t header_count;
    uint64_t content_length;
    int minor_version; /* 0 or 1 */
    bool has_content_length;
    bool is_chunked; /* never together with has_content_length */
    bool is_keep_alive;
    bool expects_continue;
};

/* The parser of one head. */
struct tn_http1 {
    size_t
        head_len; /* after TARN_OK: bytes of the head; what follows is body or the next request */

    /* After TARN_EINVAL: the status to answer (400, 414, 417, 431, 501, 505) and why, static text.
     */
    int refuse_status;
    const char *refuse_reason;

    /* The parser's own. */
    size_t head_len_max;
    size_t line_start;                 /* of the line that is not complete yet */
    size_t scanned;                    /* bytes without a line end */
    struct tn_http1_span request_line; /* name: method, value: target */
    struct tn_http1_span host;
    struct tn_http1_head head; /* only its numbers and flags */
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

/* After TARN_OK: copies the head's bytes into the arena and fills `out` with views of them, so that
 * `bytes` (the same as for the parse) may go. TARN_ENOMEM leaves `out` unchanged. */
TN_MUST_USE int tn_http1_take(const struct tn_http1 *h, const char *bytes, struct tn_arena *a,
                              struct tn_http1_head *out);

/* The value of the first header of that name (ASCII case ignored); false when absent, `value` then
 * unchanged. */
bool tn_http1_find(const struct tn_http1_head *head, struct tn_str name, struct tn_str *value);

/* The same, with an empty view for absent. */
struct tn_str tn_http1_value(const struct tn_http1_head *head, struct tn_str name);

/* How often that header was sent. */
size_t tn_http1_count(const struct tn_http1_head *head, struct tn_str name);

/* One "name: value" line without its CRLF, by the same strict rules; for trailers. TARN_EINVAL
 * leaves `out`. */
TN_MUST_USE int tn_http1_field_parse(struct tn_str line, struct tn_header *out);

/* Does the comma-separated list hold `token` (ASCII case ignored)? */
bool tn_http1_list_has(struct tn_str list, struct tn_str token);

#endif
