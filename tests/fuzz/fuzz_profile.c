/* SPDX-License-Identifier: Apache-2.0 */
/* Profile files: whatever they hold, what is found is a view of the text, and reading twice adds
 * nothing. */

#include <assert.h>

#include "client/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_view(struct tn_str text, struct tn_str view)
{
    if (view.len == 0)
        return;
    assert(view.data >= text.data);
    assert(view.data + view.len <= text.data + text.len);
    for (size_t i = 0; i < view.len; i++)
        assert(view.data[i] != '\n');
}

static void check_file(struct tn_str text, enum tn_profile_section section)
{
    struct tn_profile once = { 0 };
    size_t line = 0;
    int rc = tn_profile_read(text, TN_STR("x"), section, &once, &line);
    assert(rc == TARN_OK || rc == TARN_EINVAL);
    assert(line >= 1);
    check_view(text, once.access_key);
    check_view(text, once.secret_key);
    check_view(text, once.session_token);
    check_view(text, once.region);
    check_view(text, once.endpoint);
    check_view(text, once.endpoint_s3);
    check_view(text, once.addressing);
    check_view(text, once.ca_bundle);
    check_view(text, once.sso_session);

    struct tn_profile twice = once;
    assert(tn_profile_read(text, TN_STR("x"), section, &twice, &line) == rc);
    assert(tn_str_eq(twice.access_key, once.access_key));
    assert(twice.is_found == once.is_found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    if (len == 0)
        text.data = "";
    check_file(text, TN_PROFILE_CREDENTIALS);
    check_file(text, TN_PROFILE_CONFIG);
    check_file(text, TN_PROFILE_SSO_SESSION);
    return 0;
}
