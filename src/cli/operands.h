/* SPDX-License-Identifier: Apache-2.0 */
/* A command's way through its addresses: all are read before the first is worked on, so that a
 * usage error changes nothing; a failure is reported and the next one goes on. */

#ifndef CLI_OPERANDS_H
#define CLI_OPERANDS_H

#include "cli/app.h"

/* Reads one; TARN_EINVAL for what is a usage error. */
typedef int (*cli_operand_fn)(struct cli_app *app, const char *text, struct cli_address *out,
                              struct tarn_error *err);

int cli_operand_s3(struct cli_app *app, const char *text, struct cli_address *out,
                   struct tarn_error *err);
int cli_operand_bucket(struct cli_app *app, const char *text, struct cli_address *out,
                       struct tarn_error *err);

struct cli_operands {
    int first; /* the first operand that is an address */
    cli_operand_fn read;
    int (*work)(void *user, const struct cli_address *address, struct tarn_error *err);
    void *user;
    bool is_counted; /* each that succeeds counts as one; else `work` counts */
};

/* CLI_EXIT_OK, or the exit status of a usage error, which is reported; failures are counted. */
TN_MUST_USE int cli_operands_run(struct cli_app *app, const struct cli_operands *o);

#endif
