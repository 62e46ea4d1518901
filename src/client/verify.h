/* SPDX-License-Identifier: Apache-2.0 */
/* Did the server store what was sent? */

#ifndef CLIENT_VERIFY_H
#define CLIENT_VERIFY_H

#include "client/op.h"

/* After a PUT or UploadPart that succeeded: compares the checksum that the server tells with ours;
 * when it tells none and the ETag is an MD5, that one, reading the local bytes again.
 * TARN_ECHECKSUM; TARN_OK with `is_verified` false when there is nothing to compare. */
TN_MUST_USE int tn_verify_upload(const struct tn_op *op, bool *is_verified, struct tarn_error *err);

#endif
