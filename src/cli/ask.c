/* SPDX-License-Identifier: Apache-2.0 */
/* One line out, one line in. */

#include "cli/ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/text.h"

/* A terminal gives a line at a time. */
static int read_line(int fd, char *line, size_t room)
{
    ssize_t n = read(fd, line, room - 1);
    if (n <= 0)
        return TARN_EEOF;
    struct tn_str rest = { line, (size_t)n };
    struct tn_str text = tn_str_trim(tn_str_split(&rest, '\n'));
    memmove(line, text.data, text.len);
    line[text.len] = '\0';
    return text.len > 0 ? TARN_OK : TARN_EEOF;
}

int cli_ask_mfa_code(void *arg, const char *serial, char *code, size_t room, struct tarn_error *err)
{
    TN_AUTO_FD fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    TN_AUTO_BUF line = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    (void)arg;
    if (fd < 0)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not ask for the code of mfa_serial \"%s\": no terminal (--mfa-code)",
                       serial);
    int rc = tn_buf_append_text(&line, "MFA code for ");
    if (rc == TARN_OK)
        rc = cli_message_append(&line, tn_str_from(serial));
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&line, ": ");
    if (rc < 0)
        return tn_fail(err, rc, "could not ask for a code: %s", tarn_status_text(rc));
    if (write(fd, line.data, line.len) < 0 || read_line(fd, code, room) < 0)
        return tn_fail(err, TARN_ECREDENTIALS, "no code was given for mfa_serial \"%s\"", serial);
    return TARN_OK;
}
