/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's protocol (RESP 2), as far as commands with simple answers need it. Pure functions. */

#ifndef SERVER_NOTIFY_RESP_H
#define SERVER_NOTIFY_RESP_H

#include "base/buf.h"

enum {
    RESP_LINE_LEN_MAX = 512,
    RESP_BULK_LEN_MAX = 1024 * 1024,
};

/* Appends a command of `count` words. */
TN_MUST_USE int resp_command(const struct tn_str *words, size_t count, struct tn_buf *out);

/* One answer, in any split. Zero-initialise. */
struct resp_reply {
    char line[RESP_LINE_LEN_MAX]; /* without its kind; of an error, what it says */
    size_t line_len;
    char kind;     /* '+', '-', ':' or '$'; 0: not known yet */
    bool has_line; /* the line is complete */
    uint64_t left; /* bytes of a bulk string, and the line break behind it */
    bool is_complete;
};

/* Takes bytes until the answer is complete; `taken` says how many. TARN_EPROTOCOL for what is no
 * answer to such a command. */
TN_MUST_USE int resp_feed(struct resp_reply *r, const char *bytes, size_t len, size_t *taken);

/* Of a complete one: was it an error? */
bool resp_is_error(const struct resp_reply *r);

#endif
