/* SPDX-License-Identifier: Apache-2.0 */
/* How sizes, times and foreign names are shown; and lines of JSON. */

#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "base/buf.h"
#include "base/clock.h"

enum { CLI_SIZE_LEN = 32, CLI_LINE_LEN_MAX = 1 << 20 };

/* "1023 B", "1.5 KiB", "15.3 GiB": IEC units, one decimal, none below 1 KiB. */
void cli_size_text(uint64_t bytes, char out[CLI_SIZE_LEN]);

/* "250ms", "12.4s", "3m 5s", "2h 7m". */
void cli_duration_text(uint64_t ms, char out[CLI_SIZE_LEN]);

/* "2026-11-20 01:02:03" in UTC; 19 blanks for a negative time. */
void cli_time_text(int64_t unix_ms, char out[TN_TIME_LEN]);

/* Does cli_text_append show it as it is, because it is printable ASCII? */
bool cli_text_is_plain(struct tn_str text);

/* What is behind the byte order mark with which some editors begin a file. */
struct tn_str cli_text_behind_mark(struct tn_str text);

/* Appends text that may be anything so that it is harmless in one line of a terminal: control
 * characters and bytes that are no UTF-8 become \xNN. */
TN_MUST_USE int cli_text_append(struct tn_buf *b, struct tn_str text);

/* Appends the same for messages: runs of blanks, tabs and line breaks become one blank, none at the
 * ends. */
TN_MUST_USE int cli_message_append(struct tn_buf *b, struct tn_str text);

/* One JSON object. The first failure sticks in `rc`, so that only cli_json_end needs a look. Texts
 * that are NULL are left out. A byte that is no UTF-8 becomes \udcNN, as Python's surrogateescape
 * has it, so that a reader can get it back. */
struct cli_json {
    struct tn_buf b;
    int rc;
    bool has_member;
};

void cli_json_begin(struct cli_json *json);
void cli_json_release(struct cli_json *json);
void cli_json_text(struct cli_json *json, const char *name, const char *value);
void cli_json_str(struct cli_json *json, const char *name, struct tn_str value);
void cli_json_u64(struct cli_json *json, const char *name, uint64_t value);
void cli_json_decimal(struct cli_json *json, const char *name, uint64_t thousandths);
void cli_json_bool(struct cli_json *json, const char *name, bool value);
void cli_json_time(struct cli_json *json, const char *name,
                   int64_t unix_ms);                         /* not when negative */
void cli_json_open(struct cli_json *json, const char *name); /* a nested object */
void cli_json_close(struct cli_json *json);

/* Closes the object: the line is json->b, without a line break. */
TN_MUST_USE int cli_json_end(struct cli_json *json);

#define CLI_AUTO_JSON __attribute__((cleanup(cli_json_release))) struct cli_json

#endif
