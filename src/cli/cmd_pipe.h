/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input to one object. */

#ifndef CLI_CMD_PIPE_H
#define CLI_CMD_PIPE_H

#include "cli/app.h"

/* Uploads standard input with all upload options; reports, and returns the exit status. */
int cli_pipe_to(struct cli_app *app, const struct cli_address *address);

#endif
