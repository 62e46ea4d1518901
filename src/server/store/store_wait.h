/* SPDX-License-Identifier: Apache-2.0 */
/* Changes for threads that may block: background writers and tests, never an event loop. */

#ifndef SERVER_STORE_STORE_WAIT_H
#define SERVER_STORE_STORE_WAIT_H

#include "server/store/store.h"

/* Commits `txn`, whose `done` and `user` it sets, and waits for the outcome: its status. */
int store_commit_wait(struct store *s, struct store_txn *txn);

/* A sealed body of `bytes`, the caller's; the errors of body_new, body_append and body_seal, and
 * then no body. */
TN_MUST_USE int store_body_from(struct store *s, struct tn_str bytes, struct store_body **out,
                                struct tarn_error *err);

#endif
