/* SPDX-License-Identifier: Apache-2.0 */
/* tarn head */

#include <stdlib.h>
#include <strings.h>

#include "base/fail.h"
#include "cli/app.h"

static void show(struct cli_app *app, const char *label, const char *value)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    if (value && cli_text_append(&text, tn_str_from(value)) == TARN_OK)
        cli_report_line(app, "%-20s %s", label, text.data);
}

static const char *header_of(const struct tarn_object_info *info, const char *name)
{
    for (size_t i = 0; i < info->header_count; i++) {
        if (strcasecmp(info->headers[i].name, name) == 0)
            return info->headers[i].value;
    }
    return NULL;
}

/* Headers that have no field of their own, with the label of each. */
static const char *const more_headers[][2] = {
    { "Replication:", "x-amz-replication-status" },
    { "Tag Count:", "x-amz-tagging-count" },
    { "Lock Mode:", "x-amz-object-lock-mode" },
    { "Retain Until:", "x-amz-object-lock-retain-until-date" },
    { "Legal Hold:", "x-amz-object-lock-legal-hold" },
    { "Expiration:", "x-amz-expiration" },
};

static int by_name(const void *a, const void *b)
{
    const struct tarn_header *x = a;
    const struct tarn_header *y = b;
    return strcmp(x->name, y->name);
}

/* A sorted copy of the metadata; NULL when out of memory. */
static struct tarn_header *sorted_metadata(const struct tarn_object_info *info)
{
    struct tarn_header *copy = tn_calloc(info->metadata_count, sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < info->metadata_count; i++)
        copy[i] = info->metadata[i];
    qsort(copy, info->metadata_count, sizeof *copy, by_name);
    return copy;
}

static void show_metadata(struct cli_app *app, const struct tarn_object_info *info,
                          const struct tarn_header *metadata)
{
    if (info->metadata_count == 0)
        return;
    cli_report_line(app, "User Metadata:");
    for (size_t i = 0; i < info->metadata_count; i++) {
        TN_AUTO_BUF text = TN_BUF_INIT(CLI_LINE_LEN_MAX);
        int rc = cli_text_append(&text, tn_str_from(metadata[i].name));
        if (rc == TARN_OK)
            rc = tn_buf_append_text(&text, " = ");
        if (rc == TARN_OK)
            rc = cli_text_append(&text, tn_str_from(metadata[i].value));
        if (rc == TARN_OK)
            cli_report_line(app, "    %s", text.data);
    }
}

static void show_size(struct cli_app *app, const struct tarn_object_info *info)
{
    char size[CLI_SIZE_LEN];
    cli_size_text(info->size, size);
    if (app->opt.human)
        cli_report_line(app, "%-20s %s (%llu bytes)", "Size:", size,
                        (unsigned long long)info->size);
    else
        cli_report_line(app, "%-20s %llu", "Size:", (unsigned long long)info->size);
}

static void show_object(struct cli_app *app, const struct cli_address *address,
                        const struct tarn_object_info *info, const struct tarn_header *metadata)
{
    char when[TN_TIME_LEN];
    cli_time_text(info->last_modified_ms, when);
    cli_report_line(app, app->opt.version_id ? "S3 Object Version" : "S3 Object Metadata");
    show(app, "Key:", address->name);
    show_size(app, info);
    if (info->last_modified_ms >= 0)
        show(app, "Last Modified:", when);
    show(app, "ETag:", info->etag);
    show(app, "Storage Class:", info->storage_class);
    show(app, "Content-Type:", info->content_type);
    show(app, "Content-Encoding:", info->content_encoding);
    show(app, "Content-Language:", info->content_language);
    show(app, "Cache-Control:", info->cache_control);
    show(app, "Content-Disposition:", info->content_disposition);
    show(app, "Expires:", info->expires);
    show(app, "Version ID:", info->version_id);
    show(app, "Encryption:", info->sse);
    show(app, "KMS Key:", info->sse_kms_key_id);
    show(app, "Restore:", info->restore);
    show(app, "Archive Status:", info->archive_status);
    if (info->checksum_value) {
        show(app, "Checksum:", tarn_checksum_name(info->checksum_algorithm));
        show(app, "Checksum Value:", info->checksum_value);
        show(app, "Checksum Type:", info->checksum_type);
    }
    if (info->parts_count)
        cli_report_line(app, "%-20s %u", "Parts:", info->parts_count);
    for (size_t i = 0; i < TN_COUNT(more_headers); i++)
        show(app, more_headers[i][0], header_of(info, more_headers[i][1]));
    show_metadata(app, info, metadata);
}

static void json_headers(struct cli_json *json, const struct tarn_object_info *info)
{
    cli_json_open(json, "headers");
    for (size_t i = 0; i < info->header_count; i++)
        cli_json_text(json, info->headers[i].name, info->headers[i].value);
    cli_json_close(json);
}

static void json_object(struct cli_app *app, const struct cli_address *address,
                        const struct tarn_object_info *info, const struct tarn_header *metadata)
{
    CLI_AUTO_JSON json;
    cli_report_json(app, &json, true);
    cli_json_text(&json, "bucket", address->bucket);
    cli_json_text(&json, "key", address->name);
    cli_json_u64(&json, "size", info->size);
    cli_json_time(&json, "last_modified", info->last_modified_ms);
    cli_json_text(&json, "etag", info->etag);
    cli_json_text(&json, "storage_class", info->storage_class ? info->storage_class : "STANDARD");
    cli_json_text(&json, "content_type", info->content_type);
    cli_json_text(&json, "content_encoding", info->content_encoding);
    cli_json_text(&json, "content_language", info->content_language);
    cli_json_text(&json, "cache_control", info->cache_control);
    cli_json_text(&json, "content_disposition", info->content_disposition);
    cli_json_text(&json, "expires", info->expires);
    cli_json_text(&json, "version_id", info->version_id);
    cli_json_text(&json, "encryption", info->sse);
    cli_json_text(&json, "kms_key_id", info->sse_kms_key_id);
    cli_json_text(&json, "restore", info->restore);
    cli_json_text(&json, "archive_status", info->archive_status);
    if (info->checksum_value) {
        cli_json_text(&json, "checksum_algorithm", tarn_checksum_name(info->checksum_algorithm));
        cli_json_text(&json, "checksum", info->checksum_value);
        cli_json_text(&json, "checksum_type", info->checksum_type);
    }
    if (info->parts_count)
        cli_json_u64(&json, "parts", info->parts_count);
    json_headers(&json, info);
    cli_json_open(&json, "metadata");
    for (size_t i = 0; i < info->metadata_count; i++)
        cli_json_text(&json, metadata[i].name, metadata[i].value);
    cli_json_close(&json);
    cli_report_json_end(app, &json);
}

static int head_object(struct cli_app *app, const struct cli_address *address,
                       struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = cli_app_request(app),
                                        .version_id = app->opt.version_id };
    int rc = tarn_object_head(app->client, address->bucket, address->name, &options, &info, err);
    rc = cli_app_explain_absence(app, address->bucket, rc, err);
    if (rc < 0)
        return rc;
    TN_AUTO_FREE struct tarn_header *metadata = sorted_metadata(&info);
    if (!metadata)
        rc = tn_fail(err, TARN_ENOMEM, "out of memory");
    else if (app->opt.json)
        json_object(app, address, &info, metadata);
    else
        show_object(app, address, &info, metadata);
    tarn_object_info_release(&info);
    return rc;
}

static int head_bucket(struct cli_app *app, const struct cli_address *address,
                       struct tarn_error *err)
{
    char region[TARN_REGION_LEN_MAX] = "";
    struct tarn_bucket_options options = { .request = cli_app_request(app) };
    int rc = tarn_bucket_head(app->client, address->bucket, &options, region, err);
    if (rc < 0)
        return rc;
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_json_text(&json, "bucket", address->bucket);
        cli_json_text(&json, "region", region[0] ? region : NULL);
        cli_report_json_end(app, &json);
        return TARN_OK;
    }
    cli_report_line(app, "S3 Bucket");
    show(app, "Bucket:", address->bucket);
    show(app, "Region:", region[0] ? region : NULL);
    return TARN_OK;
}

int cli_run_head(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    struct cli_address address;
    int rc = cli_address_parse_s3(app->operands[0], &address, &err);
    if (rc == TARN_OK && address.name[0] == '\0' && app->opt.version_id)
        rc = tn_fail(&err, TARN_EINVAL, "\"--version-id\" wants a key");
    if (rc < 0)
        return cli_report_usage(app, &err);
    rc = address.name[0] ? head_object(app, &address, &err) : head_bucket(app, &address, &err);
    if (rc < 0)
        cli_report_fatal(app, (struct cli_place){ address.bucket, address.name }, &err);
    return (int)cli_app_exit(app);
}
