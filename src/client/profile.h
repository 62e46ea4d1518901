/* SPDX-License-Identifier: Apache-2.0 */
/* The profile files of the AWS tools (~/.aws/credentials, ~/.aws/config), as pure functions on
 * text. */

#ifndef CLIENT_PROFILE_H
#define CLIENT_PROFILE_H

#include "base/str.h"

/* Views into the texts that were read; empty where nothing was said. */
struct tn_profile {
    bool is_found;
    struct tn_str access_key;
    struct tn_str secret_key;
    struct tn_str session_token;
    struct tn_str region;
    struct tn_str endpoint;
    struct tn_str endpoint_s3;
    struct tn_str addressing; /* "auto", "path", "virtual" */
    struct tn_str ca_bundle;
    struct tn_str
        foreign; /* name of a credential source that is not supported, such as "sso_session" */
};

/* Adds what `text` says of the profile to `out`; values that are there already stay. In the config
 * file
 * (`is_config`) sections are called "profile NAME", but for "default". TARN_EINVAL for a line that
 * is neither section, key nor comment: `line` tells which; `out` may be partly filled then. */
TN_MUST_USE int tn_profile_read(struct tn_str text, struct tn_str name, bool is_config,
                                struct tn_profile *out, size_t *line);

#endif
