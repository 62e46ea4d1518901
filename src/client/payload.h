/* SPDX-License-Identifier: Apache-2.0 */
/* How the body of a request is covered: by its hash, by a checksum, or by neither.
 *
 * Servers that are not Amazon's may know no checksum behind a body, where they refuse it or, worse,
 * store the framing with the bytes; and some refuse a checksum before it, too. So an upload begins
 * in the best form, and goes on in the next one where an answer says that this was not understood.
 * What was learnt holds for the client. */

#ifndef CLIENT_PAYLOAD_H
#define CLIENT_PAYLOAD_H

#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"

struct tn_op;

enum tn_payload_form {
    TN_PAYLOAD_BEST,  /* the checksum goes behind what is not at hand at once */
    TN_PAYLOAD_AHEAD, /* always before it: files are read twice, streams have none */
    TN_PAYLOAD_BARE,  /* none is sent; the ETag is compared */
};

/* Hash and header fields of the body, by the best form that this server is not known to refuse. */
TN_MUST_USE int tn_payload_choose(struct tn_op *op);
TN_MUST_USE int tn_payload_choose_again(struct tn_op *op); /* once the form has changed */

/* In the I/O thread: may the answer, an error of this code, mean that the form was not understood,
 * and is there another? Then the operation is to be sent again in that form. */
bool tn_payload_is_refused(const struct tn_op *op, struct tn_str code);

/* The same of an answer that says it is well, while the ETag is that of other bytes. */
bool tn_payload_is_mangled(struct tn_op *op);

/* The next attempt goes in the next form. */
void tn_payload_change(struct tn_op *op);

/* Keeps what a good answer teaches. */
void tn_payload_learn(struct tn_op *op);

#endif
