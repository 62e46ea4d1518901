/* SPDX-License-Identifier: Apache-2.0 */
/* Copies inside the server: one request, or parts where the object is too large for that. */

#include <tarn/tagging.h>
#include <tarn/transfer.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/multipart_impl.h"
#include "client/parts.h"
#include "client/plan.h"
#include "client/transfer_impl.h"
#include "client/window.h"
#include "proto/http_date.h"
#include "proto/uri.h"

enum { COPY_CONCURRENCY = 8 };
#define COPY_PART_SIZE ((uint64_t)512 << 20)
#define TAGGING_LEN_MAX (64 * 1024)

static const struct tarn_copy_options no_options;

struct copy {
    struct tn_window window;
    struct tarn_client *client;
    const char *source_bucket;
    const char *source_key;
    const char *bucket;
    const char *key;
    struct tarn_copy_options options; /* with the source pinned */
    struct tn_parts parts;
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
    if (!tn_checksum_is_known(options->checksum) ||
        options->metadata_directive > TARN_DIRECTIVE_REPLACE ||
        options->tagging_directive > TARN_DIRECTIVE_REPLACE)
        tn_op_refuse(op, TARN_EINVAL);
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
    uint32_t number = tn_parts_next(&c->parts);
    if (number == 0)
        return TN_WINDOW_END;
    slot->number = number;
    slot->offset = tn_parts_offset(&c->parts, number);
    slot->len = tn_parts_len(&c->parts, number);
    slot->op = tn_part_copy_op_new(c->client, &c->window.waiter, c->source_bucket, c->source_key,
                                   slot->offset, slot->offset + slot->len - 1, c->bucket, c->key,
                                   c->parts.upload_id, number, &c->options);
    if (!slot->op)
        return tn_fail_no_memory(err, "copy object");
    tn_op_post(slot->op);
    return TARN_OK;
}

static int take_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct copy *c = arg;
    struct tarn_part part;
    int rc = tn_part_copy_take(slot->op, slot->number, slot->len, &part, err);
    if (rc == TARN_OK)
        tn_parts_done(&c->parts, &part, NULL);
    return rc;
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
    if (o->metadata_directive == TARN_DIRECTIVE_REPLACE)
        return out;
    out.attributes.content_type = source->content_type;
    out.attributes.content_encoding = source->content_encoding;
    out.attributes.content_disposition = source->content_disposition;
    out.attributes.content_language = source->content_language;
    out.attributes.cache_control = source->cache_control;
    out.attributes.metadata = source->metadata;
    out.attributes.metadata_count = source->metadata_count;
    out.attributes.expires_text = source->expires;
    return out;
}

/* Goes on with an earlier run of this very copy. */
static int find_earlier(struct copy *c, struct tarn_error *err)
{
    const struct tarn_copy_options *o = &c->options;
    TN_AUTO_BUF where = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    TN_AUTO_BUF which = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    if (!o->resume || tn_resume_text(&where, "source_bucket", c->source_bucket) < 0 ||
        tn_resume_text(&where, "source_key", c->source_key) < 0 ||
        tn_resume_text(&which, "etag", o->source_conditions.if_match) < 0 ||
        tn_resume_text(&which, "version", o->source_version_id) < 0 ||
        tn_resume_u64(&which, "directive", (uint64_t)o->metadata_directive) < 0 ||
        tn_resume_u64(&which, "checksum", (uint64_t)o->checksum) < 0)
        return TARN_OK;
    const struct tn_earlier earlier = {
        .what = "copy object",
        .direction = "copy",
        .where = tn_buf_str(&where),
        .which = tn_buf_str(&which),
        .state_dir = o->state_dir,
        .changed = "the source or the options have changed",
        .missing = "the server does not have all parts as they were copied",
        .on_resume = o->on_resume,
        .resume_arg = o->resume_arg,
    };
    return tn_parts_go_on(&c->parts, &earlier, err);
}

static int copy_parts(struct copy *c, struct tarn_object_info *info, struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_part, take_part };
    int rc = find_earlier(c, err);
    if (rc < 0)
        return rc;
    rc = tn_parts_create(&c->parts, err);
    if (rc == TARN_OK)
        rc = tn_window_run(&c->window, &calls, c, err);
    if (rc == TARN_OK)
        rc = tn_parts_complete(&c->parts, info, err);
    tn_parts_end(&c->parts, rc);
    return rc;
}

/* A copy onto itself, in parts, takes its time: what somebody has written meanwhile stays. An older
 * version is to come instead of whatever is there. */
static void guard_itself(struct copy *c, const struct tarn_object_info *source)
{
    struct tarn_copy_options *o = &c->options;
    if (strcmp(c->source_bucket, c->bucket) == 0 && strcmp(c->source_key, c->key) == 0 &&
        !o->source_version_id && !o->conditions.if_match && !o->conditions.if_none_match)
        o->conditions.if_match = source->etag;
}

static int copy_in_parts(struct copy *c, const struct tarn_object_info *source,
                         struct tarn_object_info *info, struct tarn_error *err)
{
    guard_itself(c, source);
    const struct tarn_put_options target = target_options(&c->options, source);
    uint64_t part_size;
    int rc = tarn_part_size_plan(
        source->size, c->options.part_size ? c->options.part_size : COPY_PART_SIZE, &part_size);
    if (rc < 0)
        return tn_fail(err, rc, "could not copy \"%s/%s\": bad part size, or too large",
                       c->source_bucket, c->source_key);
    if (source->etag) /* the caller's condition has been met; "*" would let parts of two meet */
        c->options.source_conditions.if_match = source->etag;
    if (!c->options.source_version_id)
        c->options.source_version_id = source->version_id;
    tn_parts_init(&c->parts, c->client, c->bucket, c->key, &target);
    tn_window_init(&c->window, c->client, &c->options.request, COPY_CONCURRENCY);
    rc = tn_parts_plan(&c->parts, source->size, part_size) < 0
             ? tn_fail_no_memory(err, "copy object")
             : copy_parts(c, info, err);
    tn_window_release(&c->window);
    tn_parts_release(&c->parts);
    return rc;
}

/* "a=1&b=2" */
static int encode_tags(const struct tarn_tags *tags, struct tn_buf *out)
{
    int rc = TARN_OK;
    for (size_t i = 0; i < tags->count && rc == TARN_OK; i++) {
        rc = tn_buf_append_text(out, i > 0 ? "&" : "");
        if (rc == TARN_OK)
            rc = tn_uri_encode(out, tn_str_from(tags->items[i].name), 0);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(out, '=');
        if (rc == TARN_OK)
            rc = tn_uri_encode(out, tn_str_from(tags->items[i].value), 0);
    }
    return rc;
}

/* CopyObject takes the tags over by itself; here they are read and given to the new upload. A
 * server that knows no tags has none to lose. */
static int carry_tags(struct copy *c, const struct tarn_object_info *source, struct tn_buf *tagging,
                      struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    struct tarn_tags tags = { 0 };
    struct tarn_copy_options *o = &c->options;
    if (o->tagging_directive == TARN_DIRECTIVE_REPLACE || o->attributes.tagging)
        return TARN_OK;
    const char *version = o->source_version_id ? o->source_version_id : source->version_id;
    int rc = tarn_tags_get(c->client, c->source_bucket, c->source_key, version, &o->request, &tags,
                           &why);
    if (rc == TARN_ENOTSUPPORTED)
        return TARN_OK;
    if (rc == TARN_OK && encode_tags(&tags, tagging) < 0)
        rc = tn_fail_no_memory(&why, "copy object");
    if (rc == TARN_OK && tags.count > 0)
        o->attributes.tagging = tagging->data;
    tarn_tags_release(&tags);
    if (rc < 0 && err)
        *err = why;
    return rc;
}

static int copy_large(struct tarn_client *client, const char *source_bucket, const char *source_key,
                      const char *bucket, const char *key, const struct tarn_copy_options *options,
                      const struct tarn_error *refusal, struct tarn_object_info *info,
                      struct tarn_error *err)
{
    TN_AUTO_BUF tagging = TN_BUF_INIT(TAGGING_LEN_MAX);
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
    rc = carry_tags(&c, &source, &tagging, err);
    if (rc == TARN_OK)
        rc = copy_in_parts(&c, &source, info, err);
    tarn_object_info_release(&source);
    return rc;
}

int tarn_object_copy(struct tarn_client *client, const char *source_bucket, const char *source_key,
                     const char *bucket, const char *key, const struct tarn_copy_options *options,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given == TARN_OK)
        given = tn_check_object(source_bucket, source_key, err);
    if (given < 0)
        return given;
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
