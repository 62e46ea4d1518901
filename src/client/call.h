/* SPDX-License-Identifier: Apache-2.0 */
/* A small request with small documents, in three steps: begin, run, end. */

#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "client/op.h"
#include "client/waiter.h"

struct tn_call {
    struct tn_waiter waiter;
    struct tn_op *op;
};

/* The operation, ready for query and headers. `flag` ("tagging") may be NULL. On failure there is
 * nothing to end. */
TN_MUST_USE int tn_call_begin(struct tn_call *call, struct tarn_client *client, const char *what,
                              const char *method, const char *bucket, const char *key,
                              const char *flag, const struct tarn_request *request,
                              struct tarn_error *err);

/* Sends it, with the document (NULL: none) and its MD5, which older servers want. */
TN_MUST_USE int tn_call_run(struct tn_call *call, const struct tn_buf *document,
                            struct tarn_error *err);
void tn_call_end(struct tn_call *call);

#endif
