/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads under way. */

#include "client/parts.h"

#include <limits.h>

#include "base/codec.h"
#include "client/attributes.h"
#include "client/client_impl.h"

enum { CAP_MIN = 16 };

void tn_parts_init(struct tn_parts *p, struct tarn_client *client, const char *bucket,
                   const char *key, const struct tarn_put_options *options)
{
    *p = (struct tn_parts){ .client = client,
                            .bucket = bucket,
                            .key = key,
                            .options = *options,
                            .next = 1,
                            .record = { .fd = -1 },
                            .identity = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX) };
}

void tn_parts_release(struct tn_parts *p)
{
    tn_free(p->items);
    tn_buf_release(&p->identity);
}

static int make_room(struct tn_parts *p, size_t count)
{
    if (count <= p->cap)
        return TARN_OK;
    struct tn_done_part *grown = tn_realloc(p->items, count * sizeof *grown);
    if (!grown)
        return TARN_ENOMEM;
    memset(grown + p->cap, 0, (count - p->cap) * sizeof *grown);
    p->items = grown;
    p->cap = count;
    return TARN_OK;
}

int tn_parts_plan(struct tn_parts *p, uint64_t size, uint64_t part_size)
{
    p->size = size;
    p->part_size = part_size;
    p->count = (uint32_t)((size + part_size - 1) / part_size);
    return make_room(p, p->count);
}

int tn_parts_add(struct tn_parts *p, struct tarn_error *err)
{
    if (p->count == TARN_PART_COUNT_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not upload \"%s/%s\": more than 10,000 parts",
                       p->bucket, p->key);
    if (p->count == p->cap && make_room(p, p->cap ? p->cap * 2 : CAP_MIN) < 0)
        return tn_fail_no_memory(err, "upload part");
    return (int)++p->count;
}

uint32_t tn_parts_next(struct tn_parts *p)
{
    while (p->next <= p->count && p->items[p->next - 1].part.number > 0)
        p->next++;
    return p->next <= p->count ? p->next++ : 0;
}

uint64_t tn_parts_offset(const struct tn_parts *p, uint32_t number)
{
    return (uint64_t)(number - 1) * p->part_size;
}

uint64_t tn_parts_len(const struct tn_parts *p, uint32_t number)
{
    uint64_t left = p->size - tn_parts_offset(p, number);
    return left < p->part_size ? left : p->part_size;
}

static void keep(struct tn_parts *p, const struct tarn_part *part,
                 const struct tn_checksum_value *value)
{
    p->items[part->number - 1] = (struct tn_done_part){ *part, *value };
    p->done_count++;
    p->done_len += part->size;
}

void tn_parts_done(struct tn_parts *p, const struct tarn_part *part,
                   const struct tn_checksum_value *value)
{
    struct tn_resume_part line = { .number = part->number, .size = part->size };
    if (value)
        line.value = *value;
    (void)snprintf(line.etag, sizeof line.etag, "%s", part->etag);
    keep(p, part, &line.value);
    tn_resume_add(&p->record, &line);
}

static void forget(struct tn_parts *p)
{
    if (p->cap > 0)
        memset(p->items, 0, p->cap * sizeof *p->items);
    p->next = 1;
    p->done_count = 0;
    p->done_len = 0;
}

static void abort_upload(struct tn_parts *p)
{
    (void)tarn_multipart_abort(p->client, p->bucket, p->key, p->upload_id, &p->options.request,
                               NULL);
    p->is_created = false;
}

void tn_parts_begin_anew(struct tn_parts *p)
{
    abort_upload(p);
    forget(p);
}

/* ---- going on with an earlier run ---- */

/* What CreateMultipartUpload was told: with other headers it is another upload. */
static int append_attributes(struct tn_buf *b, const struct tarn_attributes *a)
{
    const char *const texts[] = {
        a->content_type,
        a->content_encoding,
        a->content_disposition,
        a->content_language,
        a->cache_control,
        a->expires_text,
        a->storage_class,
        a->acl,
        a->tagging,
        a->sse,
        a->sse_kms_key_id,
        a->website_redirect,
    };
    int rc = tn_buf_appendf(b, "%lld", (long long)a->expires);
    for (size_t i = 0; i < TN_COUNT(texts) && rc == TARN_OK; i++)
        rc = tn_buf_appendf(b, "|%s", texts[i] ? texts[i] : "");
    for (size_t i = 0; a->metadata && i < a->metadata_count && rc == TARN_OK; i++)
        rc = tn_buf_appendf(b, "|%s=%s", a->metadata[i].name ? a->metadata[i].name : "",
                            a->metadata[i].value ? a->metadata[i].value : "");
    return rc;
}

static int identify_attributes(struct tn_buf *b, const struct tarn_attributes *a)
{
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    TN_AUTO_BUF text = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    int rc = append_attributes(&text, a);
    if (rc < 0)
        return rc;
    tn_sha256(text.data, text.len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    return tn_resume_text(b, "attributes", hex);
}

/* What gives the record its name. */
static int make_place(const struct tn_parts *p, const struct tn_earlier *e, struct tn_buf *out)
{
    int rc =
        tn_resume_identify(out, e->direction, tarn_client_endpoint(p->client), p->bucket, p->key);
    return rc == TARN_OK ? tn_buf_appendf(out, ",%.*s", TN_STR_ARG(e->where)) : rc;
}

/* All that must be the same. */
static int make_identity(struct tn_parts *p, const struct tn_earlier *e, struct tn_str place)
{
    struct tn_buf *id = &p->identity;
    int rc = tn_buf_append_str(id, place);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "size", p->size);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "part_size", p->part_size);
    if (rc == TARN_OK)
        rc = identify_attributes(id, &p->options.attributes);
    return rc == TARN_OK ? tn_buf_appendf(id, ",%.*s}", TN_STR_ARG(e->which)) : rc;
}

static void report(const struct tn_earlier *e, enum tarn_resume_outcome outcome, uint64_t bytes,
                   const char *reason)
{
    const struct tarn_resume_report report = { outcome, bytes, reason };
    if (e->on_resume)
        e->on_resume(e->resume_arg, &report);
}

static void restart(struct tn_parts *p, const struct tn_earlier *e, const char *reason)
{
    tn_parts_begin_anew(p);
    report(e, TARN_RESUME_RESTARTED, 0, reason);
}

struct listing {
    struct tn_parts *parts;
    const struct tn_resume_state *state;
};

static bool has_other_checksum(const struct tarn_part *part, const struct tn_checksum_value *value)
{
    char text[TN_CHECKSUM_TEXT_LEN];
    if (!part->checksum_value[0] || value->kind == TN_CHECKSUM_NONE ||
        tn_checksum_public(value->kind) != part->checksum_algorithm)
        return false;
    (void)tn_checksum_text(value, text);
    return strcmp(part->checksum_value, text) != 0;
}

/* A part counts when the server lists the very one that was recorded. */
static int on_listed(void *arg, const struct tarn_part *part)
{
    struct listing *l = arg;
    struct tn_parts *p = l->parts;
    if (l->state->count == 0 || part->number > p->count ||
        part->size != tn_parts_len(p, part->number))
        return TARN_OK;
    const struct tn_resume_part *r = &l->state->parts[part->number - 1];
    if (r->number > 0 && r->size == part->size && strcmp(r->etag, part->etag) == 0 &&
        !has_other_checksum(part, &r->value))
        keep(p, part, &r->value);
    return TARN_OK;
}

static int reconcile(struct tn_parts *p, const struct tn_earlier *e,
                     const struct tn_resume_state *state, struct tarn_error *err)
{
    struct listing l = { p, state };
    struct tarn_error why = { 0 };
    int rc = tarn_multipart_list_parts(p->client, p->bucket, p->key, p->upload_id,
                                       &p->options.request, on_listed, &l, &why);
    const char *why_not = tn_resume_why_not(rc);
    if (why_not) {
        restart(p, e, why_not);
        return TARN_OK;
    }
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    p->is_created = true;
    bool is_all = p->done_count == state->count;
    report(e, is_all ? TARN_RESUME_CONTINUED : TARN_RESUME_REVALIDATED, p->done_len,
           is_all ? NULL : e->missing);
    return TARN_OK;
}

static int take_over(struct tn_parts *p, const struct tn_earlier *e,
                     const struct tn_resume_state *state, struct tarn_error *err)
{
    (void)snprintf(p->upload_id, sizeof p->upload_id, "%s", state->upload_id);
    if (state->is_same && state->upload_id[0])
        return reconcile(p, e, state, err);
    if (state->upload_id[0])
        restart(p, e, e->changed);
    else
        report(e, TARN_RESUME_FRESH, 0, NULL);
    return TARN_OK;
}

int tn_parts_go_on(struct tn_parts *p, const struct tn_earlier *e, struct tarn_error *err)
{
    TN_AUTO_BUF place = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    TN_AUTO_BUF path = TN_BUF_INIT(PATH_MAX);
    struct tn_resume_state state;
    if (make_place(p, e, &place) < 0 || make_identity(p, e, tn_buf_str(&place)) < 0 ||
        tn_resume_upload_path(e->state_dir, tn_buf_str(&place), &path) < 0)
        return TARN_OK;
    int rc = tn_resume_open(&p->record, path.data, tn_buf_str(&p->identity), p->count, &state);
    rc = rc < 0 ? tn_fail_no_memory(err, e->what) : take_over(p, e, &state, err);
    tn_resume_state_release(&state);
    if (rc < 0)
        tn_resume_end(&p->record, true);
    return rc;
}

/* ---- its beginning and its end ---- */

int tn_parts_create(struct tn_parts *p, struct tarn_error *err)
{
    if (p->is_created)
        return TARN_OK;
    int rc = tarn_multipart_create(p->client, p->bucket, p->key, &p->options, p->upload_id, err);
    if (rc < 0)
        return rc;
    p->is_created = true;
    tn_resume_begin(&p->record, tn_buf_str(&p->identity), p->upload_id);
    return TARN_OK;
}

/* The checksum of the whole, when the server showed with every part that it knows the algorithm. */
static bool whole_checksum(const struct tn_parts *p, char text[TN_CHECKSUM_TEXT_LEN])
{
    struct tn_checksum_parts sum;
    struct tn_checksum_value value;
    enum tn_checksum_kind kind = tn_client_checksum(p->client, p->options.checksum);
    if (kind == TN_CHECKSUM_NONE || tn_checksum_parts_init(&sum, kind, TN_CHECKSUM_FULL_OBJECT) < 0)
        return false;
    bool is_known = true;
    for (size_t i = 0; i < p->count && is_known; i++) {
        const struct tn_done_part *item = &p->items[i];
        is_known = item->value.kind == kind && item->part.checksum_value[0] &&
                   tn_checksum_parts_add(&sum, &item->value, item->part.size) == TARN_OK;
    }
    tn_checksum_parts_final(&sum, &value);
    tn_checksum_parts_release(&sum);
    (void)tn_checksum_text(&value, text);
    return is_known;
}

int tn_parts_complete(struct tn_parts *p, struct tarn_object_info *info, struct tarn_error *err)
{
    char text[TN_CHECKSUM_TEXT_LEN];
    struct tarn_put_options options = p->options;
    struct tarn_part *parts = tn_calloc(p->count, sizeof *parts);
    if (!parts)
        return tn_fail_no_memory(err, "complete multipart upload");
    for (size_t i = 0; i < p->count; i++)
        parts[i] = p->items[i].part;
    if (whole_checksum(p, text))
        options.checksum_value = text;
    int rc = tarn_multipart_complete(p->client, p->bucket, p->key, p->upload_id, parts, p->count,
                                     &options, info, err);
    tn_free(parts);
    return rc;
}

void tn_parts_end(struct tn_parts *p, int rc)
{
    bool is_kept =
        rc < 0 && p->is_created && p->done_count > 0 && p->record.fd >= 0 && tn_resume_is_worth(rc);
    if (rc < 0 && p->is_created && !is_kept)
        abort_upload(p);
    tn_resume_end(&p->record, is_kept);
}
