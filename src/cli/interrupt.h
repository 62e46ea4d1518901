/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT, SIGTERM, SIGHUP: the running calls end, what they owe is cleaned up, then tarn ends. */

#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <tarn/client.h>

/* From now on a signal cancels `client` (NULL: nothing any more). The second signal kills. */
void cli_interrupt_watch(struct tarn_client *client);

/* The signal that came, or 0. */
int cli_interrupt_signal(void);

/* Ends the process by the signal that came, so that its parent sees how it ended. */
void cli_interrupt_raise(void);

#endif
