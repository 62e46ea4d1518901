/* SPDX-License-Identifier: Apache-2.0 */
/* The bearer token of an SSO session. */

#ifndef CLIENT_CRED_SSO_TOKEN_H
#define CLIENT_CRED_SSO_TOKEN_H

#include "client/cred_fetch.h"

/* Appends the token that holds now; renews it, and the cache, when it ends within five minutes and
 * the session allows that. TARN_ECREDENTIALS when somebody has to log in. Blocks. */
TN_MUST_USE int tn_cred_sso_token(const struct tn_cred_source *source,
                                  const struct tn_cred_context *context, struct tn_buf *out,
                                  struct tarn_error *err);

#endif
