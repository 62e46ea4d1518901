/* SPDX-License-Identifier: Apache-2.0 */
/* A command that tarn runs, and the signals that are meant for it. */

#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <sys/types.h>

#include "base/fail.h"

struct cli_child {
    pid_t pid;
    int exit_code; /* of the command, or 128 and the signal, once it has ended */
};

/* From now on SIGTERM and SIGHUP are kept for cli_child_poll to pass on, SIGINT too (at a terminal
 * the command gets that by itself). Children start with the usual handling. */
void cli_child_watch_signals(void);

/* The last signal that came, or 0. */
int cli_child_signal(void);

/* Starts words[0] with all words as arguments. */
TN_MUST_USE int cli_child_start(struct cli_child *child, const char **words, int count,
                                struct tarn_error *err);

/* Waits up to `wait_ms` for the command's end, or until `fd` (-1: none) is readable, and passes
 * signals on. True once it has ended. */
bool cli_child_poll(struct cli_child *child, int fd, int wait_ms);

/* SIGTERM, then after `grace_ms` SIGKILL; waits. */
void cli_child_end(struct cli_child *child, int grace_ms);

#endif
