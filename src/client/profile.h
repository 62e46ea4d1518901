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
    struct tn_str checksum_calculation; /* "when_supported", "when_required" */
    struct tn_str role_arn;
    struct tn_str source_profile;
    struct tn_str credential_source;
    struct tn_str external_id;
    struct tn_str role_session_name;
    struct tn_str duration_seconds;
    struct tn_str mfa_serial;
    struct tn_str web_identity_token_file;
    struct tn_str credential_process;
    struct tn_str sso_session;
    struct tn_str sso_start_url;
    struct tn_str sso_region;
    struct tn_str sso_account_id;
    struct tn_str sso_role_name;
};

/* Sections are called "profile NAME" in the config file, but for "default"; plain "NAME" in the
 * credentials file; and sessions "sso-session NAME". */
enum tn_profile_section { TN_PROFILE_CREDENTIALS, TN_PROFILE_CONFIG, TN_PROFILE_SSO_SESSION };

/* Adds what `text` says of the section to `out`; values that are there already stay. TARN_EINVAL
 * for a line that is neither section, key nor comment: `line` tells which; `out` may be partly
 * filled then. */
TN_MUST_USE int tn_profile_read(struct tn_str text, struct tn_str name,
                                enum tn_profile_section section, struct tn_profile *out,
                                size_t *line);

#endif
