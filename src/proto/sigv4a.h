/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4A: version 4 whose string to sign is signed with ECDSA on P-256, by a key
 * that both sides derive from the secret; for requests that may go to any region of a set. */

#ifndef PROTO_SIGV4A_H
#define PROTO_SIGV4A_H

#include "proto/sigv4.h"

enum { TN_SIGV4A_SCALAR_LEN = 32, TN_SIGV4A_SIGNATURE_LEN_MAX = 144 }; /* DER, in hexadecimal */

/* The private key of an access key: TARN_EINVAL for texts that are too long. */
TN_MUST_USE int tn_sigv4a_derive(struct tn_str access_key, struct tn_str secret,
                                 unsigned char scalar[TN_SIGV4A_SCALAR_LEN]);

/* Did that key sign `text`? `signature` is DER in hexadecimal. */
bool tn_sigv4a_verify(const unsigned char scalar[TN_SIGV4A_SCALAR_LEN], struct tn_str text,
                      struct tn_str signature);

/* The chain of a body whose chunks are signed so. TARN_EINVAL when something is too long. */
TN_MUST_USE int tn_sigv4a_chain_init(struct tn_sigv4_chain *chain,
                                     const unsigned char scalar[TN_SIGV4A_SCALAR_LEN], int64_t time,
                                     struct tn_str scope, struct tn_str seed);

/* Is `signature` (which may be padded with '*') that of the chunk with this SHA-256, or of the
 * trailer? Then the chain goes on from it. */
bool tn_sigv4a_chain_take(struct tn_sigv4_chain *chain, bool is_trailer,
                          const unsigned char sha256[32], struct tn_str signature);

/* Is the region one of the set "us-east-1,eu-*"? */
bool tn_sigv4a_has_region(struct tn_str set, struct tn_str region);

#endif
