/* SPDX-License-Identifier: Apache-2.0 */
/* Copies inside the server: one request, or parts where the object is too large for that. */

#include <tarn/transfer.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/multipart_impl.h"
#include "client/plan.h"
#include "client/transfer_impl.h"
#include "client/window.h"
#include "proto/http_date.h"

enum { COPY_CONCURRENCY = 8 };
#define COPY_PART_SIZE ((uint64_t)512 << 20)

static const struct tarn_copy_options no_options;

struct copy {
    struct tn_window window;
    struct tarn_client *client;
    const char *source_bucket;
    const char *source_key;
    const char *bucket;
    const char *key;
    struct tarn_copy_options options; /* with the source pinned */
    char upload_id[TARN_UPLOAD_ID_LEN_MAX];
    uint64_t size;
    uint64_t part_size;
    uint32_t next_number;
    uint32_t part_count;
    struct tarn_part *parts;
};

static const char *directive(enum tarn_directive d)
{
    return d == TARN_DIRECTIVE_REPLACE ? "REPLACE" : "COPY";
}

int tn_copy_take(struct tn_op *op, uint64_t size, struct tarn_object_info *info,
                 struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    int rc = tn_op_parse(op, "CopyObjectResult", &root, err);
    if (rc < 0)
        return rc;
    struct tn_info_texts texts = { .etag = tn_xml_child_text(root, "ETag"),
                                   .version_id = tn_op_field(op, "x-amz-version-id"),
                                   .last_modified_ms =
                                       tn_date_ms(tn_xml_child_text(root, "LastModified")),
                                   .size = size };
    return tn_info_make(&texts, info) < 0 ? tn_op_fail(op, err, TARN_ENOMEM, "out of memory")
                                          : TARN_OK;
}

void tn_copy_request(struct tn_op *op, const char *source_bucket, const char *source_key,
                     const struct tarn_copy_options *options)
{
    op->checks_200 = true;
    tn_op_request(op, &options->request);
    tn_op_copy_source(op, source_bucket, source_key, options->source_version_id);
    tn_op_header(op, "x-amz-metadata-directive", directive(options->metadata_directive));
    if (options->tagging_directive == TARN_DIRECTIVE_REPLACE || options->attributes.tagging)
        tn_op_header(op, "x-amz-tagging-directive", "REPLACE");
    if (options->checksum != TARN_CHECKSUM_DEFAULT)
        tn_op_header_str(op, "x-amz-checksum-algorithm",
                         tn_checksum_name(tn_client_checksum(op->client, options->checksum)));
    tn_op_attributes(op, &options->attributes);
    tn_op_conditions(op, &options->source_conditions, "x-amz-copy-source-");
    tn_op_conditions(op, &options->conditions, "");
}

static int copy_once(struct tarn_client *client, const char *source_bucket, const char *source_key,
                     const char *bucket, const char *key, const struct tarn_copy_options *options,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    struct tn_waiter waiter;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "copy to", "PUT", bucket, key);
    int rc = op ? TARN_OK : tn_fail_no_memory(err, "copy object");
    if (op) {
        tn_copy_request(op, source_bucket, source_key, options);
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = tn_copy_take(op, options->source_size, info, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

/* ---- in parts ---- */

static int start_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct copy *c = arg;
    uint64_t first = (uint64_t)(c->next_number - 1) * c->part_size;
    if (first >= c->size)
        return TARN_EEOF;
    uint64_t last = c->size - first > c->part_size ? first + c->part_size - 1 : c->size - 1;
    slot->op =
        tn_part_copy_op_new(c->client, &c->window.waiter, c->source_bucket, c->source_key, first,
                            last, c->bucket, c->key, c->upload_id, c->next_number, &c->options);
    if (!slot->op)
        return tn_fail_no_memory(err, "copy object");
    slot->number = c->next_number++;
    slot->offset = first;
    slot->len = last - first + 1;
    tn_op_post(slot->op);
    return TARN_OK;
}

static int take_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct copy *c = arg;
    return tn_part_copy_take(slot->op, slot->number, slot->len, &c->parts[slot->number - 1], err);
}

/* CreateMultipartUpload copies nothing by itself: what the source has is sent again, what the
 * caller gives wins. */
static struct tarn_put_options target_options(const struct tarn_copy_options *o,
                                              const struct tarn_object_info *source)
{
    struct tarn_put_options out = { .request = o->request,
                                    .attributes = o->attributes,
                                    .conditions = o->conditions,
                                    .checksum = o->checksum ? o->checksum : TARN_CHECKSUM_NONE };
    int64_t expires;
    if (o->metadata_directive == TARN_DIRECTIVE_REPLACE)
        return out;
    out.attributes.content_type = source->content_type;
    out.attributes.content_encoding = source->content_encoding;
    out.attributes.content_disposition = source->content_disposition;
    out.attributes.content_language = source->content_language;
    out.attributes.cache_control = source->cache_control;
    out.attributes.metadata = source->metadata;
    out.attributes.metadata_count = source->metadata_count;
    if (source->expires &&
        tn_http_date_parse(tn_str_from(source->expires), tn_wall_ms() / 1000, &expires) == TARN_OK)
        out.attributes.expires = expires;
    return out;
}

static int run_parts(struct copy *c, const struct tarn_object_info *source,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_part, take_part };
    struct tarn_put_options target = target_options(&c->options, source);
    int rc = tarn_multipart_create(c->client, c->bucket, c->key, &target, c->upload_id, err);
    if (rc < 0)
        return rc;
    rc = tn_window_run(&c->window, &calls, c, err);
    if (rc == TARN_OK) {
        target.checksum = TARN_CHECKSUM_NONE;
        rc = tarn_multipart_complete(c->client, c->bucket, c->key, c->upload_id, c->parts,
                                     c->part_count, &target, info, err);
    }
    if (rc < 0)
        (void)tarn_multipart_abort(c->client, c->bucket, c->key, c->upload_id, &c->options.request,
                                   NULL);
    return rc;
}

static int copy_in_parts(struct copy *c, const struct tarn_object_info *source,
                         struct tarn_object_info *info, struct tarn_error *err)
{
    c->size = source->size;
    int rc = tarn_part_size_plan(
        c->size, c->options.part_size ? c->options.part_size : COPY_PART_SIZE, &c->part_size);
    if (rc < 0)
        return tn_fail(err, rc, "could not copy \"%s/%s\": bad part size, or too large",
                       c->source_bucket, c->source_key);
    c->part_count = (uint32_t)((c->size + c->part_size - 1) / c->part_size);
    c->parts = tn_calloc(c->part_count, sizeof *c->parts);
    if (!c->parts)
        return tn_fail_no_memory(err, "copy object");
    c->next_number = 1;
    if (!c->options.source_conditions.if_match)
        c->options.source_conditions.if_match = source->etag;
    if (!c->options.source_version_id)
        c->options.source_version_id = source->version_id;
    tn_window_init(&c->window, c->client, &c->options.request, COPY_CONCURRENCY);
    rc = run_parts(c, source, info, err);
    tn_window_release(&c->window);
    tn_free(c->parts);
    return rc;
}

static int copy_large(struct tarn_client *client, const char *source_bucket, const char *source_key,
                      const char *bucket, const char *key, const struct tarn_copy_options *options,
                      const struct tarn_error *refusal, struct tarn_object_info *info,
                      struct tarn_error *err)
{
    struct tarn_object_info source = { 0 };
    struct tarn_get_options get = { .request = options->request,
                                    .conditions = options->source_conditions,
                                    .version_id = options->source_version_id };
    int rc = tarn_object_head(client, source_bucket, source_key, &get, &source, err);
    if (rc < 0)
        return rc;
    if (refusal && source.size <= TARN_PUT_LEN_MAX) { /* refused for another reason than its size */
        tarn_object_info_release(&source);
        if (err)
            *err = *refusal;
        return refusal->status;
    }
    struct copy c = { .client = client,
                      .source_bucket = source_bucket,
                      .source_key = source_key,
                      .bucket = bucket,
                      .key = key,
                      .options = *options };
    rc = copy_in_parts(&c, &source, info, err);
    tarn_object_info_release(&source);
    return rc;
}

int tarn_object_copy(struct tarn_client *client, const char *source_bucket, const char *source_key,
                     const char *bucket, const char *key, const struct tarn_copy_options *options,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    struct tarn_error refusal = { 0 };
    options = options ? options : &no_options;
    if (options->source_size > TARN_PUT_LEN_MAX)
        return copy_large(client, source_bucket, source_key, bucket, key, options, NULL, info, err);
    int rc = copy_once(client, source_bucket, source_key, bucket, key, options, info, &refusal);
    bool may_be_size = strcmp(refusal.s3_code, "EntityTooLarge") == 0 ||
                       strcmp(refusal.s3_code, "InvalidRequest") == 0;
    if (rc < 0 && may_be_size && options->source_size == 0)
        return copy_large(client, source_bucket, source_key, bucket, key, options, &refusal, info,
                          err);
    if (rc < 0 && err)
        *err = refusal;
    return rc;
}
