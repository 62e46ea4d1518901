/* SPDX-License-Identifier: Apache-2.0 */
/* The one writer to standard output and standard error. */

#include "cli/out.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/text.h"

enum { PENDING_LEN = 128 * 1024, PENDING_LEN_MAX = CLI_LINE_LEN_MAX + PENDING_LEN };
static const uint64_t PENDING_NS_MAX = 250000000;
static const char CLEAR_LINE[] = "\r\033[K";

void cli_out_init(struct cli_out *out)
{
    *out = (struct cli_out){ .is_terminal_out = isatty(STDOUT_FILENO) == 1,
                             .is_terminal_err = isatty(STDERR_FILENO) == 1 };
    (void)pthread_mutex_init(&out->shared.lock, NULL);
    tn_buf_init(&out->shared.pending, PENDING_LEN_MAX);
    out->shared.flushed_ns = tn_now_rough_ns();
}

void cli_out_share(struct cli_out *out, struct cli_out *root)
{
    *out = (struct cli_out){ .root = root,
                             .is_terminal_out = root->is_terminal_out,
                             .is_terminal_err = root->is_terminal_err,
                             .tells_progress = root->tells_progress };
}

static struct cli_out *root_of(struct cli_out *out)
{
    return out->root ? out->root : out;
}

void cli_out_release(struct cli_out *out)
{
    tn_buf_release(&out->shared.pending);
    (void)pthread_mutex_destroy(&out->shared.lock);
}

static int status_locked(const struct cli_out *out)
{
    if (out->shared.is_closed)
        return TARN_ENETWORK;
    return out->shared.error ? TARN_EIO : TARN_OK;
}

static int write_locked(struct cli_out *out, const void *bytes, size_t len)
{
    if (status_locked(out) < 0)
        return status_locked(out);
    if (tn_fd_write(STDOUT_FILENO, bytes, len) == TARN_OK)
        return TARN_OK;
    if (errno == EPIPE)
        out->shared.is_closed = true;
    else
        out->shared.error = errno ? errno : EIO;
    return status_locked(out);
}

static int flush_locked(struct cli_out *out)
{
    int rc = write_locked(out, out->shared.pending.data, out->shared.pending.len);
    tn_buf_truncate(&out->shared.pending, 0);
    out->shared.flushed_ns = tn_now_rough_ns();
    return rc;
}

/* A failure to report a failure has nowhere to go. */
static void to_stderr(const char *bytes, size_t len)
{
    int rc = tn_fd_write(STDERR_FILENO, bytes, len);
    (void)rc;
}

static void clear_status_locked(struct cli_out *out)
{
    if (out->shared.has_status)
        to_stderr(CLEAR_LINE, strlen(CLEAR_LINE));
    out->shared.has_status = false;
}

static int line_locked(struct cli_out *out, struct tn_str line)
{
    struct tn_buf *pending = &out->shared.pending;
    int rc = status_locked(out);
    if (rc == TARN_OK)
        rc = tn_buf_reserve(pending, line.len + 1);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(pending, line);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(pending, '\n');
    if (rc < 0)
        return rc;
    if (out->is_terminal_out) {
        clear_status_locked(out);
        return flush_locked(out);
    }
    if (pending->len >= PENDING_LEN || tn_now_rough_ns() - out->shared.flushed_ns > PENDING_NS_MAX)
        return flush_locked(out);
    return TARN_OK;
}

int cli_out_line(struct cli_out *out, struct tn_str line)
{
    out = root_of(out);
    (void)pthread_mutex_lock(&out->shared.lock);
    int rc = line_locked(out, line);
    (void)pthread_mutex_unlock(&out->shared.lock);
    return rc;
}

int cli_out_bytes(struct cli_out *out, const void *bytes, size_t len)
{
    out = root_of(out);
    (void)pthread_mutex_lock(&out->shared.lock);
    int rc = out->shared.pending.len ? flush_locked(out) : TARN_OK;
    if (rc == TARN_OK)
        rc = write_locked(out, bytes, len);
    (void)pthread_mutex_unlock(&out->shared.lock);
    return rc;
}

void cli_out_error(struct cli_out *out, struct tn_str line)
{
    TN_AUTO_BUF whole = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (tn_buf_append_str(&whole, line) < 0 || tn_buf_append_char(&whole, '\n') < 0)
        return;
    out = root_of(out);
    (void)pthread_mutex_lock(&out->shared.lock);
    if (out->shared.pending.len) /* so that both come in order where they go to one place */
        (void)flush_locked(out);
    clear_status_locked(out);
    to_stderr(whole.data, whole.len);
    (void)pthread_mutex_unlock(&out->shared.lock);
}

void cli_out_status(struct cli_out *out, struct tn_str text)
{
    TN_AUTO_BUF whole = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (!out->is_terminal_err)
        return;
    if (tn_buf_append_text(&whole, CLEAR_LINE) < 0 || tn_buf_append_str(&whole, text) < 0)
        return;
    out = root_of(out);
    (void)pthread_mutex_lock(&out->shared.lock);
    if (text.len || out->shared.has_status)
        to_stderr(whole.data, whole.len);
    out->shared.has_status = text.len > 0;
    (void)pthread_mutex_unlock(&out->shared.lock);
}

int cli_out_flush(struct cli_out *out, struct tarn_error *err)
{
    out = root_of(out);
    (void)pthread_mutex_lock(&out->shared.lock);
    (void)flush_locked(out);
    int number = out->shared.error;
    (void)pthread_mutex_unlock(&out->shared.lock);
    if (number == 0)
        return TARN_OK;
    errno = number;
    return tn_fail_errno(err, "could not write to standard output");
}

bool cli_out_is_closed(struct cli_out *out)
{
    out = root_of(out);
    (void)pthread_mutex_lock(&out->shared.lock);
    bool is_closed = out->shared.is_closed;
    (void)pthread_mutex_unlock(&out->shared.lock);
    return is_closed;
}
