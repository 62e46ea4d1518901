/* SPDX-License-Identifier: Apache-2.0 */
/* --help and the manual page, both out of the tables. */

#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "base/buf.h"
#include "cli/options.h"

/* The overview (`command` NULL) or the page of one command, as plain text of 80 columns. */
TN_MUST_USE int cli_help_append(struct tn_buf *b, const struct cli_command *command);

/* tarn(1) in the man macros. */
TN_MUST_USE int cli_manpage_append(struct tn_buf *b);

#endif
