/* SPDX-License-Identifier: Apache-2.0 */
/* Copies inside the server: one request, or parts where the object is too large for that. */

#include <tarn/tagging.h>
#include <tarn/transfer.h>

#include <limits.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/multipart_impl.h"
#include "client/plan.h"
#include "client/resume.h"
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
    char upload_id[TARN_UPLOAD_ID_LEN_MAX];
    uint64_t size;
    uint64_t part_size;
    uint32_t next_number;
    uint32_t part_count;
    struct tarn_part *parts; /* number 0: not done */
    struct tn_resume_file record;
    struct tn_buf identity;
    bool is_created;
    bool is_any_done;
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

static uint64_t part_len(const struct copy *c, uint32_t number)
{
    uint64_t first = (uint64_t)(number - 1) * c->part_size;
    return c->size - first < c->part_size ? c->size - first : c->part_size;
}

static int start_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct copy *c = arg;
    while (c->next_number <= c->part_count && c->parts[c->next_number - 1].number > 0)
        c->next_number++;
    if (c->next_number > c->part_count)
        return TN_WINDOW_END;
    uint64_t first = (uint64_t)(c->next_number - 1) * c->part_size;
    uint64_t last = first + part_len(c, c->next_number) - 1;
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
    struct tarn_part *part = &c->parts[slot->number - 1];
    int rc = tn_part_copy_take(slot->op, slot->number, slot->len, part, err);
    if (rc < 0)
        return rc;
    struct tn_resume_part record = { .number = part->number, .size = part->size };
    (void)snprintf(record.etag, sizeof record.etag, "%s", part->etag);
    tn_resume_add(&c->record, &record);
    c->is_any_done = true;
    return TARN_OK;
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

/* ---- going on with an earlier one ---- */

/* The place alone, which gives the record its name; then, in `identity`, all that must be the same.
 */
static int identify(struct copy *c, struct tn_buf *place)
{
    const struct tarn_copy_options *o = &c->options;
    struct tn_buf *id = &c->identity;
    int rc = tn_buf_append_text(place, "{\"tarn_resume\":1,\"direction\":\"copy\"");
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "endpoint", tarn_client_endpoint(c->client));
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "source_bucket", c->source_bucket);
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "source_key", c->source_key);
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "bucket", c->bucket);
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "key", c->key);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(id, tn_buf_str(place));
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "size", c->size);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "part_size", c->part_size);
    if (rc == TARN_OK)
        rc = tn_resume_text(id, "etag", o->source_conditions.if_match);
    if (rc == TARN_OK && o->source_version_id)
        rc = tn_resume_text(id, "version", o->source_version_id);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "directive", (uint64_t)o->metadata_directive);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "checksum", (uint64_t)o->checksum);
    if (rc == TARN_OK)
        rc = tn_attributes_identify(id, &o->attributes);
    return rc == TARN_OK ? tn_buf_append_char(id, '}') : rc;
}

struct reconciliation {
    struct copy *c;
    const struct tn_resume_state *state;
    uint64_t bytes;
    uint32_t count;
};

/* A part counts when the server lists the very one that was recorded. */
static int on_listed(void *arg, const struct tarn_part *part)
{
    struct reconciliation *r = arg;
    struct copy *c = r->c;
    if (part->number > c->part_count || part->size != part_len(c, part->number))
        return TARN_OK;
    for (size_t i = 0; i < r->state->count; i++) {
        const struct tn_resume_part *p = &r->state->parts[i];
        if (p->number != part->number || strcmp(p->etag, part->etag) != 0)
            continue;
        c->parts[part->number - 1] = *part;
        c->is_any_done = true;
        r->bytes += part->size;
        r->count++;
        break;
    }
    return TARN_OK;
}

static void report_resume(const struct copy *c, enum tarn_resume_outcome outcome, uint64_t bytes,
                          const char *reason)
{
    struct tarn_resume_report report = { outcome, bytes, reason };
    if (c->options.on_resume)
        c->options.on_resume(c->options.resume_arg, &report);
}

static void restart(struct copy *c, const char *reason)
{
    (void)tarn_multipart_abort(c->client, c->bucket, c->key, c->upload_id, &c->options.request,
                               NULL);
    memset(c->parts, 0, c->part_count * sizeof *c->parts); /* some may have been listed */
    c->is_any_done = false;
    report_resume(c, TARN_RESUME_RESTARTED, 0, reason);
}

static int reconcile(struct copy *c, const struct tn_resume_state *state, struct tarn_error *err)
{
    struct reconciliation r = { .c = c, .state = state };
    struct tarn_error why = { 0 };
    int rc = tarn_multipart_list_parts(c->client, c->bucket, c->key, c->upload_id,
                                       &c->options.request, on_listed, &r, &why);
    const char *why_not = tn_resume_why_not(rc);
    if (why_not) {
        restart(c, why_not);
        return TARN_OK;
    }
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    bool is_all = r.count == state->count;
    c->is_created = true;
    report_resume(c, is_all ? TARN_RESUME_CONTINUED : TARN_RESUME_REVALIDATED, r.bytes,
                  is_all ? NULL : "the server does not have all parts as they were copied");
    return TARN_OK;
}

/* Looks for the record of an earlier run. */
static int find_earlier(struct copy *c, struct tarn_error *err)
{
    TN_AUTO_BUF place = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    TN_AUTO_BUF name = TN_BUF_INIT(PATH_MAX);
    struct tn_resume_state state;
    if (!c->options.resume || identify(c, &place) < 0 ||
        tn_resume_upload_path(c->options.state_dir, tn_buf_str(&place), &name) < 0)
        return TARN_OK;
    if (tn_resume_open(&c->record, name.data, tn_buf_str(&c->identity), c->part_count, &state) <
        0) {
        tn_resume_end(&c->record, true);
        return tn_fail_no_memory(err, "copy object");
    }
    int rc = TARN_OK;
    (void)snprintf(c->upload_id, sizeof c->upload_id, "%s", state.upload_id);
    if (state.is_same && state.upload_id[0])
        rc = reconcile(c, &state, err);
    else if (state.upload_id[0])
        restart(c, "the source or the options have changed");
    else
        report_resume(c, TARN_RESUME_FRESH, 0, NULL);
    tn_resume_state_release(&state);
    if (rc < 0)
        tn_resume_end(&c->record, true);
    return rc;
}

/* ---- all parts ---- */

static int create(struct copy *c, const struct tarn_put_options *target, struct tarn_error *err)
{
    int rc = tarn_multipart_create(c->client, c->bucket, c->key, target, c->upload_id, err);
    c->is_created = rc == TARN_OK;
    if (c->is_created)
        tn_resume_begin(&c->record, tn_buf_str(&c->identity), c->upload_id);
    return rc;
}

/* Whatever goes wrong, the upload is aborted, unless there is something to go on with. */
static int run_parts(struct copy *c, const struct tarn_object_info *source,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_part, take_part };
    struct tarn_put_options target = target_options(&c->options, source);
    int rc = c->is_created ? TARN_OK : create(c, &target, err);
    if (rc == TARN_OK)
        rc = tn_window_run(&c->window, &calls, c, err);
    if (rc == TARN_OK) {
        target.checksum = TARN_CHECKSUM_NONE;
        rc = tarn_multipart_complete(c->client, c->bucket, c->key, c->upload_id, c->parts,
                                     c->part_count, &target, info, err);
    }
    bool keeps = rc < 0 && c->is_any_done && c->record.fd >= 0 && tn_resume_is_worth(rc);
    if (rc < 0 && c->is_created && !keeps)
        (void)tarn_multipart_abort(c->client, c->bucket, c->key, c->upload_id, &c->options.request,
                                   NULL);
    tn_resume_end(&c->record, keeps);
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
    if (source->etag) /* the caller's condition has been met; "*" would let parts of two meet */
        c->options.source_conditions.if_match = source->etag;
    if (!c->options.source_version_id)
        c->options.source_version_id = source->version_id;
    tn_window_init(&c->window, c->client, &c->options.request, COPY_CONCURRENCY);
    rc = find_earlier(c, err);
    if (rc == TARN_OK)
        rc = run_parts(c, source, info, err);
    tn_window_release(&c->window);
    tn_buf_release(&c->identity);
    tn_free(c->parts);
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
                      .record = { .fd = -1 },
                      .identity = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX),
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
    int given = tn_check_given(client, bucket, key, err);
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
