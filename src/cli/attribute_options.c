/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and metadata of uploads, out of the options. */

#include "cli/attribute_options.h"

static bool is_header_value(const char *value)
{
    if (strnlen(value, CLI_HEADER_VALUE_MAX + 1) > CLI_HEADER_VALUE_MAX)
        return false;
    for (; *value; value++) {
        if ((unsigned char)*value < 0x20 || *value == 0x7f)
            return false;
    }
    return true;
}

static int check_values(const struct cli_options *opt, struct tarn_error *err)
{
    const struct {
        const char *option;
        const char *value;
    } rows[] = {
        { "content-type", opt->content_type },
        { "content-encoding", opt->content_encoding },
        { "content-disposition", opt->content_disposition },
        { "content-language", opt->content_language },
        { "cache-control", opt->cache_control },
        { "storage-class", opt->storage_class },
        { "sse-kms-key-id", opt->sse_kms_key_id },
        { "tagging", opt->tagging },
        { "website-redirect", opt->website_redirect },
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (rows[i].value && !is_header_value(rows[i].value))
            return tn_fail(err, TARN_EINVAL,
                           "the value of \"--%s\" has control characters or is too long",
                           rows[i].option);
    }
    return TARN_OK;
}

static int add_metadata(struct cli_attributes *a, const char *item, struct tarn_error *err)
{
    const char *equals = strchr(item, '=');
    struct tn_str name = { item, equals ? (size_t)(equals - item) : 0 };
    if (name.len > CLI_METADATA_NAME_MAX || !tn_str_is_token(name))
        return tn_fail(err, TARN_EINVAL, "\"--metadata %.64s\" is not NAME=VALUE", item);
    if (!is_header_value(equals + 1))
        return tn_fail(err, TARN_EINVAL,
                       "the value of metadata \"%.*s\" has control characters or is too long",
                       TN_STR_ARG(name));
    for (size_t i = 0; i < a->count; i++) {
        if (tn_str_eq_nocase(tn_str_from(a->metadata[i].name), name))
            return tn_fail(err, TARN_EINVAL, "metadata \"%.*s\" is given twice", TN_STR_ARG(name));
    }
    char *text = tn_strdup(item);
    if (!text)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    text[name.len] = '\0';
    a->texts[a->count] = text;
    a->metadata[a->count++] = (struct tarn_header){ text, text + name.len + 1 };
    return TARN_OK;
}

static void fill(struct tarn_attributes *value, const struct cli_options *opt)
{
    *value = (struct tarn_attributes){ .content_type = opt->content_type,
                                       .content_encoding = opt->content_encoding,
                                       .content_disposition = opt->content_disposition,
                                       .content_language = opt->content_language,
                                       .cache_control = opt->cache_control,
                                       .expires = opt->expires_header,
                                       .storage_class = opt->storage_class,
                                       .acl = opt->acl,
                                       .sse = opt->sse,
                                       .sse_kms_key_id = opt->sse_kms_key_id,
                                       .tagging = opt->tagging,
                                       .website_redirect = opt->website_redirect };
    if (opt->has_expires_header && opt->expires_header == 0)
        value->expires_text = "Thu, 01 Jan 1970 00:00:00 GMT"; /* 0 is none there */
}

int cli_attributes_init(struct cli_attributes *attributes, const struct cli_options *opt,
                        struct tarn_error *err)
{
    struct cli_attributes made = { 0 };
    int rc = check_values(opt, err);
    if (rc < 0)
        return rc;
    if (opt->sse_kms_key_id && (!opt->sse || !strstr(opt->sse, "kms")))
        return tn_fail(err, TARN_EINVAL, "\"--sse-kms-key-id\" goes with \"--sse aws:kms\"");
    fill(&made.value, opt);
    made.texts = tn_calloc(opt->metadata.count, sizeof *made.texts);
    made.metadata = tn_calloc(opt->metadata.count, sizeof *made.metadata);
    if (!made.texts || !made.metadata)
        rc = tn_fail(err, TARN_ENOMEM, "out of memory");
    for (size_t i = 0; rc == TARN_OK && i < opt->metadata.count; i++)
        rc = add_metadata(&made, opt->metadata.items[i], err);
    if (rc < 0) {
        cli_attributes_release(&made);
        return rc;
    }
    made.value.metadata = made.metadata;
    made.value.metadata_count = made.count;
    *attributes = made;
    return TARN_OK;
}

void cli_attributes_release(struct cli_attributes *attributes)
{
    for (size_t i = 0; i < attributes->count; i++)
        tn_free(attributes->texts[i]);
    tn_free(attributes->texts);
    tn_free(attributes->metadata);
    *attributes = (struct cli_attributes){ 0 };
}

bool cli_attributes_replace(const struct cli_options *opt)
{
    return opt->content_type || opt->content_encoding || opt->content_disposition ||
           opt->content_language || opt->cache_control || opt->has_expires_header ||
           opt->metadata.count > 0;
}
