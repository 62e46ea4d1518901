/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input to one object. */

#ifndef CLI_CMD_PIPE_H
#define CLI_CMD_PIPE_H

#include "cli/app.h"

/* What read(2) gives, once there is something; TARN_ECANCELLED when the job is to end. */
int64_t cli_pipe_read(struct cli_app *app, int fd, void *bytes, size_t cap);

/* Uploads standard input with all upload options; reports, and returns the exit status. */
int cli_pipe_to(struct cli_app *app, const struct cli_address *address);

#endif
