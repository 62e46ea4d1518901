/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts that complete command lines of tarn in a shell; made from the tables of commands. */

#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "base/buf.h"

/* Appends the script for "bash", "zsh" or "fish"; TARN_EINVAL for another shell. */
TN_MUST_USE int cli_completion_append(struct tn_buf *out, const char *shell);

#endif
