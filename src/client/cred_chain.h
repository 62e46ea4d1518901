/* SPDX-License-Identifier: Apache-2.0 */
/* Which source of keys a configuration, an environment and the profile files come to. */

#ifndef CLIENT_CRED_CHAIN_H
#define CLIENT_CRED_CHAIN_H

#include <tarn/client.h>

#include "client/cred.h"
#include "client/profile.h"
#include "client/settings.h"

struct tn_cred_inputs {
    const struct tarn_config *config;
    tn_getenv_fn get;
    struct tn_str credentials_text; /* of the two files */
    struct tn_str config_text;
    struct tn_str profile_name;
    const struct tn_profile *profile; /* what both say of it */
    struct tn_str region;             /* of the client, for STS */
};

/* `*out` is NULL for an anonymous client. No source is asked, but SSO's cache and the files of
 * tokens may be missing still. TARN_ECREDENTIALS for what can never work, TARN_ENOMEM. */
TN_MUST_USE int tn_cred_choose(const struct tn_cred_inputs *in, struct tn_cred_source **out,
                               struct tarn_error *err);

#endif
