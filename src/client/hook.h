/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop tells the program's circuit breaker and its event hook. */

#ifndef CLIENT_HOOK_H
#define CLIENT_HOOK_H

#include "client/op.h"

/* False: the breaker is open; rc and err of the operation say so. Each true is followed by exactly
 * one of the others. */
bool tn_hook_may_start(struct tn_op *op);

/* After tn_op_judge; `curl_code` as there. */
void tn_hook_finished(struct tn_op *op, int curl_code, bool is_retried, uint64_t delay_ms);
void tn_hook_cancelled(struct tn_op *op);
void tn_hook_given_up(struct tn_op *op); /* and it is tried again at once */

#endif
