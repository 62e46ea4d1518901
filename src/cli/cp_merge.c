/* SPDX-License-Identifier: Apache-2.0 */
/* Copies within S3: those that overwrite nothing, those that change some headers and keep the
 * others. */

#include "cli/cp_merge.h"

#include <strings.h>

#include "base/fail.h"

/* One winner, also where the server ignores conditions or an answer is lost. What took effect
 * without an answer and has the source's bytes is as good as copied. */
static int copy_atomic(struct cli_app *app, const struct cp_item *item, const char *key,
                       const struct tarn_copy_options *from, struct tarn_error *err)
{
    struct tarn_copy_atomic_result result = { 0 };
    struct tarn_copy_atomic_options options = { .request = from->request,
                                                .attributes = from->attributes,
                                                .metadata_directive = from->metadata_directive,
                                                .source_version_id = from->source_version_id,
                                                .source_etag = from->source_conditions.if_match,
                                                .part_size = from->part_size,
                                                .skip_marker = true };
    int rc = tarn_copy_atomic(app->client, item->source_bucket, item->source, item->target_bucket,
                              key, &options, &result, err);
    if (rc != TARN_EEXISTS)
        return rc;
    return result.is_maybe_ours ? TARN_OK : TARN_EPRECOND;
}

int cp_copy_object(struct cli_app *app, const struct cp_item *item, const char *key,
                   const struct tarn_copy_options *options, struct tarn_object_info *info,
                   struct tarn_error *err)
{
    if (options->conditions.if_none_match)
        return copy_atomic(app, item, key, options, err);
    return tarn_object_copy(app->client, item->source_bucket, item->source, item->target_bucket,
                            key, options, info, err);
}

static const char *either(const char *given, const char *kept)
{
    return given ? given : kept;
}

static bool is_given(const struct tarn_attributes *given, const char *name)
{
    for (size_t i = 0; i < given->metadata_count; i++) {
        if (strcasecmp(given->metadata[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The given metadata and, behind it, what the source has besides. NULL when out of memory. */
static struct tarn_header *merge_metadata(const struct tarn_attributes *given,
                                          const struct tarn_object_info *source, size_t *count)
{
    struct tarn_header *merged =
        tn_calloc(given->metadata_count + source->metadata_count, sizeof *merged);
    if (!merged)
        return NULL;
    *count = 0;
    for (size_t i = 0; i < given->metadata_count; i++)
        merged[(*count)++] = given->metadata[i];
    for (size_t i = 0; i < source->metadata_count; i++) {
        if (!is_given(given, source->metadata[i].name))
            merged[(*count)++] = source->metadata[i];
    }
    return merged;
}

static int copy_like(struct cli_app *app, const struct cp_item *item, const char *key,
                     const struct tarn_copy_options *options, const struct tarn_object_info *source,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    struct tarn_copy_options merged = *options;
    struct tarn_attributes *a = &merged.attributes;
    TN_AUTO_FREE struct tarn_header *metadata =
        merge_metadata(&options->attributes, source, &a->metadata_count);
    if (!metadata)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    a->metadata = metadata;
    a->content_type = either(a->content_type, source->content_type);
    a->content_encoding = either(a->content_encoding, source->content_encoding);
    a->content_disposition = either(a->content_disposition, source->content_disposition);
    a->content_language = either(a->content_language, source->content_language);
    a->cache_control = either(a->cache_control, source->cache_control);
    if (a->expires == 0 && !a->expires_text)
        a->expires_text = source->expires;
    merged.metadata_directive = TARN_DIRECTIVE_REPLACE;
    merged.source_conditions.if_match = source->etag;
    merged.source_size = source->size;
    return cp_copy_object(app, item, key, &merged, info, err);
}

int cp_copy_merged(struct cli_app *app, const struct cp_item *item, const char *key,
                   const struct tarn_copy_options *options, struct tarn_object_info *info,
                   struct tarn_error *err)
{
    struct tarn_object_info source = { 0 };
    struct tarn_get_options look = { .request = cli_app_request(app),
                                     .version_id = options->source_version_id };
    int rc = tarn_object_head(app->client, item->source_bucket, item->source, &look, &source, err);
    if (rc == TARN_OK)
        rc = copy_like(app, item, key, options, &source, info, err);
    tarn_object_info_release(&source);
    return rc;
}
