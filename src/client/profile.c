/* SPDX-License-Identifier: Apache-2.0 */
/* Reading AWS profile files. Indented lines are sub-keys of the key above them ("s3 ="). */

#include "client/profile.h"

struct reader {
    struct tn_str name;
    enum tn_profile_section section;
    bool is_inside;       /* the section that is asked for */
    bool has_keys;        /* from another file: keys of two do not mix */
    struct tn_str parent; /* key whose value is empty: sub-keys follow */
    struct tn_profile *out;
};

static void set(struct tn_str *slot, struct tn_str value)
{
    if (slot->len == 0)
        *slot = value;
}

static void take_sub_key(struct reader *r, struct tn_str key, struct tn_str value)
{
    if (!tn_str_eq(r->parent, TN_STR("s3")))
        return;
    if (tn_str_eq(key, TN_STR("addressing_style")))
        set(&r->out->addressing, value);
    else if (tn_str_eq(key, TN_STR("endpoint_url")))
        set(&r->out->endpoint_s3, value);
}

static void take_key(struct reader *r, struct tn_str key, struct tn_str value)
{
    enum { KEY_FIELDS = 3 };
    static const struct {
        const char *key;
        size_t offset;
    } known[] = {
        { "aws_access_key_id", offsetof(struct tn_profile, access_key) },
        { "aws_secret_access_key", offsetof(struct tn_profile, secret_key) },
        { "aws_session_token", offsetof(struct tn_profile, session_token) },
        { "region", offsetof(struct tn_profile, region) },
        { "endpoint_url", offsetof(struct tn_profile, endpoint) },
        { "request_checksum_calculation", offsetof(struct tn_profile, checksum_calculation) },
        { "ca_bundle", offsetof(struct tn_profile, ca_bundle) },
        { "role_arn", offsetof(struct tn_profile, role_arn) },
        { "source_profile", offsetof(struct tn_profile, source_profile) },
        { "credential_source", offsetof(struct tn_profile, credential_source) },
        { "external_id", offsetof(struct tn_profile, external_id) },
        { "role_session_name", offsetof(struct tn_profile, role_session_name) },
        { "duration_seconds", offsetof(struct tn_profile, duration_seconds) },
        { "mfa_serial", offsetof(struct tn_profile, mfa_serial) },
        { "web_identity_token_file", offsetof(struct tn_profile, web_identity_token_file) },
        { "credential_process", offsetof(struct tn_profile, credential_process) },
        { "sso_session", offsetof(struct tn_profile, sso_session) },
        { "sso_start_url", offsetof(struct tn_profile, sso_start_url) },
        { "sso_region", offsetof(struct tn_profile, sso_region) },
        { "sso_account_id", offsetof(struct tn_profile, sso_account_id) },
        { "sso_role_name", offsetof(struct tn_profile, sso_role_name) },
    };

    for (size_t i = r->has_keys ? KEY_FIELDS : 0; i < TN_COUNT(known); i++) {
        if (tn_str_eq(key, tn_str_from(known[i].key)))
            set((struct tn_str *)(void *)((char *)r->out + known[i].offset), value);
    }
}

/* Empty for a section of another sort, such as "services x". */
static struct tn_str section_name(enum tn_profile_section section, struct tn_str name)
{
    static const struct tn_str words[] = {
        [TN_PROFILE_CONFIG] = TN_STR("profile "), [TN_PROFILE_SSO_SESSION] = TN_STR("sso-session ")
    };
    if (section == TN_PROFILE_CREDENTIALS)
        return name;
    if (tn_str_starts(name, words[section]))
        return tn_str_trim(tn_str_sub(name, words[section].len, SIZE_MAX));
    bool is_default = section == TN_PROFILE_CONFIG && tn_str_eq(name, TN_STR("default"));
    return is_default ? name : TN_STR_EMPTY;
}

static int take_section(struct reader *r, struct tn_str line)
{
    size_t end = tn_str_find_char(line, ']');
    if (end == SIZE_MAX)
        return TARN_EINVAL;
    struct tn_str name = section_name(r->section, tn_str_trim(tn_str_sub(line, 1, end - 1)));
    r->is_inside = name.len > 0 && tn_str_eq(name, r->name);
    r->out->is_found |= r->is_inside;
    r->parent = TN_STR_EMPTY;
    return TARN_OK;
}

/* A comment behind a value begins with a blank and '#' or ';', as in the AWS tools. */
static struct tn_str without_comment(struct tn_str value)
{
    for (size_t i = 1; i < value.len; i++) {
        bool is_blank = value.data[i - 1] == ' ' || value.data[i - 1] == '\t';
        if (is_blank && (value.data[i] == '#' || value.data[i] == ';'))
            return tn_str_trim(tn_str_sub(value, 0, i));
    }
    return value;
}

static int take_line(struct reader *r, struct tn_str line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    struct tn_str text = tn_str_trim(line);
    if (text.len == 0 || text.data[0] == '#' || text.data[0] == ';')
        return TARN_OK;
    bool is_indented = line.data[0] == ' ' || line.data[0] == '\t';
    if (text.data[0] == '[' && !is_indented)
        return take_section(r, text);
    size_t equals = tn_str_find_char(text, '=');
    if (equals == SIZE_MAX || equals == 0)
        return r->is_inside && !is_indented ? TARN_EINVAL : TARN_OK;

    if (!r->is_inside)
        return TARN_OK;
    struct tn_str key = tn_str_trim(tn_str_sub(text, 0, equals));
    struct tn_str value = without_comment(tn_str_trim(tn_str_sub(text, equals + 1, SIZE_MAX)));
    if (is_indented && r->parent.len > 0) {
        take_sub_key(r, key, value);
        return TARN_OK;
    }
    r->parent = value.len == 0 ? key : TN_STR_EMPTY;
    take_key(r, key, value);
    return TARN_OK;
}

int tn_profile_read(struct tn_str text, struct tn_str name, enum tn_profile_section section,
                    struct tn_profile *out, size_t *line)
{
    struct reader r = { .name = name,
                        .section = section,
                        .has_keys = out->access_key.len > 0 || out->secret_key.len > 0,
                        .out = out };
    for (*line = 1; text.len > 0; (*line)++) {
        int rc = take_line(&r, tn_str_split(&text, '\n'));
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}
