/* SPDX-License-Identifier: Apache-2.0 */
/* The one writer to standard output and standard error: whole lines, from any thread. */

#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <pthread.h>

#include "base/buf.h"

/* Any thread, but for init, release and the fields that init sets. Lines to standard output are
 * kept back for a moment unless it is a terminal. */
struct cli_out {
    struct cli_out *root; /* not NULL: this one only stands for that one */
    bool is_terminal_out;
    bool is_terminal_err;
    bool tells_progress; /* by lines, where standard error is no terminal */
    struct {
        pthread_mutex_t lock;
        struct tn_buf pending; /* for standard output */
        uint64_t flushed_ns;
        bool has_status; /* a status line stands on the terminal */
        bool is_closed;  /* the reader of standard output went away: EPIPE */
        int error;       /* errno of another failed write; 0 for none */
    } shared;
};

void cli_out_init(struct cli_out *out);

/* `out` writes what `root` writes, which outlives it. Not to be released. */
void cli_out_share(struct cli_out *out, struct cli_out *root);
void cli_out_release(struct cli_out *out); /* what was not flushed is lost */

/* Writes a line and its line break. TARN_ENETWORK when the reader went away, TARN_EIO, TARN_ENOMEM:
 * all later lines fail the same way. */
TN_MUST_USE int cli_out_line(struct cli_out *out, struct tn_str line);

/* Writes bytes as they are, at once. As above. */
TN_MUST_USE int cli_out_bytes(struct cli_out *out, const void *bytes, size_t len);

/* Writes a line to standard error; failures have nowhere to go. */
void cli_out_error(struct cli_out *out, struct tn_str line);

/* Replaces the status line of the terminal; an empty text takes it away. Nothing when standard
 * error is no terminal. */
void cli_out_status(struct cli_out *out, struct tn_str text);

/* TARN_OK also when the reader went away. Otherwise fills `err`. */
TN_MUST_USE int cli_out_flush(struct cli_out *out, struct tarn_error *err);

bool cli_out_is_closed(struct cli_out *out);

#endif
