/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to whoever sits at the terminal. */

#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <tarn/types.h>

/* A tarn_mfa_fn: asks at the terminal of the process, not at standard input, which may be data.
 * TARN_ECREDENTIALS where there is no terminal, or no answer. `arg` is not used. */
int cli_ask_mfa_code(void *arg, const char *serial, char *code, size_t room,
                     struct tarn_error *err);

#endif
