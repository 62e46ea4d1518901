/* SPDX-License-Identifier: Apache-2.0 */
/* CompleteMultipartUpload. */

#include "base/codec.h"
#include "proto/etag.h"
#include "server/api/lifecycle.h"
#include "server/api/notify.h"
#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/settings.h"
#include "server/api/sse.h"
#include "server/api/version.h"
#include "server/api/upload.h"
#include "server/api/xml_rules.h"

/* A part as the request names it. */
struct named_part {
    uint32_t number;
    struct tn_str etag;
    const struct tn_xml_node *node; /* for its checksums */
};

struct complete_state {
    struct named_part *named;
    struct store_part *found; /* of the store, in the same order */
    size_t count;
    size_t found_count;
    uint64_t block_count; /* of encrypted parts */
    uint64_t size;
    struct store_head upload;
    struct tn_checksum_parts checksum;
    struct tn_hash md5;
    struct tn_checksum_value expected; /* from the headers; kind NONE: none */
    enum tn_checksum_type type;        /* from the headers */
    bool has_type;
    bool has_size;
    bool has_checksums; /* a part has one that was asked for */
    bool is_kind_open;  /* the upload names none: one that all its parts have */
    uint64_t size_expected;
    bool is_read; /* the XML has been, on an earlier try */
    struct tarn_error err;
};

/* --- The head --- */

static enum tn_s3_code refuse_digest(struct api_req *r, enum tn_checksum_kind kind)
{
    return api_err(r, TN_S3_BAD_DIGEST,
                   "The %.*s you specified did not match the calculated checksum.",
                   TN_STR_ARG(tn_checksum_name(kind)));
}

static enum tn_s3_code read_checksum(struct api_req *r, struct complete_state *state)
{
    struct tn_str type = api_header(r, "x-amz-checksum-type");
    state->has_type = type.len != 0;
    if (type.len && tn_checksum_type_from_name(type, &state->type) < 0)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Value for x-amz-checksum-type header is invalid.");
    for (size_t i = 0; i < r->header_count; i++) {
        enum tn_checksum_kind kind = tn_checksum_from_header(r->headers[i].name);
        if (kind == TN_CHECKSUM_NONE)
            continue;
        if (state->expected.kind != TN_CHECKSUM_NONE)
            return api_err(r, TN_S3_INVALID_REQUEST, "Expecting a single x-amz-checksum- header.");
        if (tn_checksum_parse(kind, r->headers[i].value, &state->expected) < 0)
            return refuse_digest(r, kind);
    }
    return TN_S3_OK;
}

static void release_state(void *what)
{
    struct complete_state *state = what;
    tn_free(state->found);
    tn_hash_release(&state->md5);
    tn_checksum_parts_release(&state->checksum);
}

enum tn_s3_code upload_complete_check(struct api_req *r)
{
    struct complete_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state || tn_arena_defer(&r->http->arena, release_state, state) < 0)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    struct tn_str size = api_header(r, "x-amz-mp-object-size");
    state->has_size = size.len != 0;
    if (size.len && tn_str_to_u64(size, &state->size_expected) < 0)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Value for x-amz-mp-object-size header is invalid.");
    enum tn_s3_code code = api_bucket_check(r);
    if (code == TN_S3_OK)
        code = upload_id_read(r);
    if (code == TN_S3_OK)
        code = read_checksum(r, state);
    return code ? code : api_cond_write(r);
}

/* --- The XML --- */

static enum tn_s3_code read_part(struct api_req *r, const struct tn_xml_node *node,
                                 struct named_part *out)
{
    uint64_t number;
    struct tn_etag etag;
    if (tn_str_to_u64(tn_xml_child_text(node, "PartNumber"), &number) < 0 ||
        tn_etag_parse(tn_xml_child_text(node, "ETag"), &etag) < 0)
        return TN_S3_MALFORMED_XML;
    if (number < 1 || number > STORE_PART_NUMBER_MAX)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "PartNumber must be between 1 and 10000.");
    *out = (struct named_part){ (uint32_t)number, etag.text, node };
    return TN_S3_OK;
}

static enum tn_s3_code read_parts(struct api_req *r, struct complete_state *state,
                                  const struct tn_xml_node *root)
{
    size_t count = 0;
    const struct tn_xml_node *first = tn_xml_child(root, "Part");
    for (const struct tn_xml_node *n = first; n; n = tn_xml_next(n))
        count++;
    if (count == 0 || count > STORE_PART_NUMBER_MAX)
        return TN_S3_MALFORMED_XML;
    state->named = tn_arena_alloc(&r->tree, count * sizeof *state->named);
    state->found = tn_calloc(count, sizeof *state->found);
    if (!state->named || !state->found)
        return TN_S3_SERVICE_UNAVAILABLE;
    for (const struct tn_xml_node *n = first; n; n = tn_xml_next(n)) {
        enum tn_s3_code code = read_part(r, n, &state->named[state->count]);
        if (code)
            return code;
        size_t i = state->count++;
        if (i && state->named[i].number < state->named[i - 1].number)
            return TN_S3_INVALID_PART_ORDER;
        if (i && state->named[i].number == state->named[i - 1].number)
            state->named[--state->count - 1] = state->named[i]; /* who named it last knows best */
    }
    return TN_S3_OK;
}

static enum tn_s3_code read_xml(struct api_req *r, struct complete_state *state)
{
    const struct tn_xml_node *root = NULL;
    if (state->is_read)
        return TN_S3_OK;
    enum tn_s3_code code = document_parse(r, &complete_rule, &root);
    if (code == TN_S3_OK)
        code = read_parts(r, state, root);
    state->is_read = code == TN_S3_OK;
    return code;
}

/* --- The parts --- */

/* A checksum that the request names must be the part's. */
static bool checksums_fit(const struct named_part *named, const struct tn_checksum_value *found)
{
    for (int kind = TN_CHECKSUM_NONE + 1; kind < TN_CHECKSUM_KIND_COUNT; kind++) {
        struct tn_checksum_value value;
        char name[32];
        (void)snprintf(name, sizeof name, "Checksum%.*s",
                       TN_STR_ARG(tn_checksum_name((enum tn_checksum_kind)kind)));
        struct tn_str text = tn_xml_child_text(named->node, name);
        if (text.len == 0)
            continue;
        if (tn_checksum_parse((enum tn_checksum_kind)kind, text, &value) < 0)
            return false;
        if (found->kind == value.kind && !tn_checksum_eq(found, &value))
            return false;
    }
    return true;
}

static enum tn_s3_code add_digests(struct api_req *r, struct complete_state *state,
                                   const struct store_part *part,
                                   const struct tn_checksum_value *checksum)
{
    tn_hash_update(&state->md5, part->head.md5, STORE_MD5_LEN);
    int rc = TARN_OK;
    if (state->is_kind_open && state->found_count == 1 &&
        tn_checksum_type_fits(checksum->kind, TN_CHECKSUM_FULL_OBJECT))
        rc = tn_checksum_parts_init(&state->checksum, checksum->kind, TN_CHECKSUM_FULL_OBJECT);
    if (rc == TARN_OK && state->checksum.kind != TN_CHECKSUM_NONE)
        rc = tn_checksum_parts_add(&state->checksum, checksum, api_head_size(&part->head));
    if (rc == TARN_EINVAL && state->is_kind_open) {
        tn_checksum_parts_release(&state->checksum);
        state->checksum = (struct tn_checksum_parts){ .kind = TN_CHECKSUM_NONE };
        return TN_S3_OK;
    }
    if (rc == TARN_EINVAL)
        return TN_S3_INVALID_PART;
    return api_from_status(r, rc, NULL);
}

static enum tn_s3_code take_part(struct api_req *r, struct complete_state *state,
                                 const struct store_part *part)
{
    const struct named_part *named = &state->named[state->found_count];
    char etag[API_ETAG_LEN];
    struct api_meta meta;
    size_t len = api_etag(&part->head, etag);
    int rc = api_meta_decode(part->meta, &r->tree, &meta);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    if (!tn_str_eq(named->etag, (struct tn_str){ etag, len }) ||
        !checksums_fit(named, &meta.checksum))
        return TN_S3_INVALID_PART;
    uint64_t size = api_head_size(&part->head);
    if (size > API_OBJECT_LEN_MAX - state->size)
        return TN_S3_ENTITY_TOO_LARGE;
    struct store_part *kept = &state->found[state->found_count++];
    *kept = *part;
    state->size += size;
    state->block_count += sse_block_count(size);
    state->has_checksums |= meta.checksum.kind != TN_CHECKSUM_NONE;
    rc = tn_arena_str(&r->tree, part->meta, &kept->meta);
    return rc < 0 ? api_from_status(r, rc, NULL) : add_digests(r, state, part, &meta.checksum);
}

/* The walk over the upload's parts ends at the first problem; r->cond.refused tells which. */
static int on_part(void *user, const struct store_part *part)
{
    struct api_req *r = user;
    struct complete_state *state = r->state;
    if (state->found_count == state->count ||
        part->number < state->named[state->found_count].number)
        return TARN_OK;
    r->cond.refused = part->number == state->named[state->found_count].number
                          ? take_part(r, state, part)
                          : TN_S3_INVALID_PART;
    return r->cond.refused ? TARN_ECANCELLED : TARN_OK;
}

static enum tn_s3_code check_sizes(const struct complete_state *state)
{
    for (size_t i = 0; i + 1 < state->count; i++) {
        if (api_head_size(&state->found[i].head) < API_PART_LEN_MIN)
            return TN_S3_ENTITY_TOO_SMALL;
    }
    return TN_S3_OK;
}

static enum tn_s3_code start_digests(struct api_req *r, struct complete_state *state)
{
    enum tn_checksum_kind kind = api_attrs_checksum(state->upload.attrs);
    enum tn_checksum_type type = api_attrs_checksum_type(state->upload.attrs);
    tn_hash_release(&state->md5);
    tn_checksum_parts_release(&state->checksum);
    state->checksum = (struct tn_checksum_parts){ 0 };
    state->md5 = (struct tn_hash){ 0 };
    state->found_count = 0;
    state->size = 0;
    state->block_count = 0;
    state->has_checksums = false;
    state->is_kind_open = kind == TN_CHECKSUM_NONE;
    if (state->has_type && state->type != (state->is_kind_open ? TN_CHECKSUM_FULL_OBJECT : type))
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The upload was created with another checksum type.");
    int rc = tn_hash_init(&state->md5, TN_HASH_MD5);
    if (rc == TARN_OK && kind != TN_CHECKSUM_NONE)
        rc = tn_checksum_parts_init(&state->checksum, kind, type);
    return api_from_status(r, rc, NULL);
}

static enum tn_s3_code find_parts(struct api_req *r, struct complete_state *state)
{
    struct store *s = r->api->store;
    struct tarn_error err = { 0 };
    bool is_truncated;
    r->cond.refused = TN_S3_OK;
    int rc = s->ops->part_list(s, r->bucket, r->key, r->txn.upload_id, 0, STORE_PART_NUMBER_MAX,
                               on_part, r, &is_truncated, &err);
    if (r->cond.refused)
        return r->cond.refused;
    if (rc < 0)
        return rc == TARN_ENOTFOUND ? TN_S3_NO_SUCH_UPLOAD : api_from_status(r, rc, &err);
    return state->found_count == state->count ? check_sizes(state) : TN_S3_INVALID_PART;
}

/* --- The whole --- */

static bool is_expected(const struct tn_checksum_value *expected,
                        const struct tn_checksum_value *found)
{
    if (expected->kind != found->kind)
        return false;
    if (expected->part_count && expected->part_count != found->part_count)
        return false;
    return memcmp(expected->bytes, found->bytes, tn_checksum_len(found->kind)) == 0;
}

static enum tn_s3_code finish_digests(struct api_req *r, struct complete_state *state)
{
    if (state->checksum.kind != TN_CHECKSUM_NONE)
        tn_checksum_parts_final(&state->checksum, &r->meta.checksum);
    if (state->expected.kind != TN_CHECKSUM_NONE &&
        !is_expected(&state->expected, &r->meta.checksum))
        return refuse_digest(r, state->expected.kind);
    if (state->has_size && state->size != state->size_expected)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The provided 'x-amz-mp-object-size' header value %llu does not match what "
                       "was computed: %llu",
                       (unsigned long long)state->size_expected, (unsigned long long)state->size);
    return TN_S3_OK;
}

static void write_location(struct api_req *r, struct tn_xml_writer *w)
{
    char *text =
        tn_arena_printf(&r->http->arena, "%s://%.*s%.*s", r->http->is_tls ? "https" : "http",
                        TN_STR_ARG(r->host), TN_STR_ARG(r->raw_path));
    if (text && tn_str_is_utf8(tn_str_from(text)))
        tn_xml_text(w, "Location", text);
}

static enum tn_s3_code reply_completed(struct api_req *r)
{
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    sse_add_headers(r, &r->meta);
    version_add_new(r, &r->txn.head);
    lifecycle_add_headers(r, &r->txn.head);
    tn_xml_root(&w, "CompleteMultipartUploadResult", TN_XML_S3_NAMESPACE);
    write_location(r, &w);
    tn_xml_str(&w, "Bucket", r->bucket);
    tn_xml_str(&w, "Key", r->key);
    api_xml_etag(&w, &r->txn.head);
    api_xml_checksum(&w, &r->meta.checksum);
    if (r->meta.checksum.kind != TN_CHECKSUM_NONE)
        tn_xml_str(&w, "ChecksumType", tn_checksum_type_name(r->meta.checksum.type));
    tn_xml_close(&w, "CompleteMultipartUploadResult");
    return api_reply_xml(r, &w);
}

static int etags_md5(const struct complete_state *state, unsigned char out[STORE_MD5_LEN])
{
    struct tn_hash md5 = { 0 };
    int rc = tn_hash_init(&md5, TN_HASH_MD5);
    for (size_t i = 0; rc == TARN_OK && i < state->count; i++) {
        unsigned char part[STORE_MD5_LEN];
        struct tn_str etag = state->named[i].etag;
        rc = etag.len == 2 * sizeof part && tn_hex_decode(etag, part) == TARN_OK ? TARN_OK
                                                                                 : TARN_EINVAL;
        tn_hash_update(&md5, part, sizeof part);
    }
    if (rc == TARN_OK)
        tn_hash_final(&md5, out);
    tn_hash_release(&md5);
    return rc;
}

/* The upload is not there. If the object is the one that it became, out of the parts that are named
 * here, then its client has not got the answer: it gets it again. Conditions held then. */
static enum tn_s3_code answer_again(struct api_req *r)
{
    struct store *s = r->api->store;
    const struct complete_state *state = r->state;
    unsigned char md5[STORE_MD5_LEN];
    struct tarn_error err = { 0 };
    int rc = s->ops->object_open(s, r->bucket, r->key, true, &r->object, &err);
    if (rc == TARN_OK)
        rc = api_meta_decode(s->ops->object_meta(r->object), &r->http->arena, &r->meta);
    if (rc < 0)
        return rc == TARN_ENOTFOUND ? TN_S3_NO_SUCH_UPLOAD : api_from_status(r, rc, &err);
    const struct store_head *head = s->ops->object_head(r->object);
    if (!tn_str_eq(r->meta.fields[API_META_UPLOAD], tn_str_from(r->txn.upload_id)) ||
        head->part_count != state->count || etags_md5(state, md5) < 0 ||
        memcmp(md5, head->md5, sizeof md5) != 0)
        return TN_S3_NO_SUCH_UPLOAD;
    if (state->expected.kind != TN_CHECKSUM_NONE &&
        !is_expected(&state->expected, &r->meta.checksum))
        return refuse_digest(r, state->expected.kind);
    r->txn.head = *head;
    return reply_completed(r);
}

static enum tn_s3_code on_completed(struct api_req *r)
{
    if (!r->cond.refused && r->txn.status == TARN_EAGAIN &&
        ++r->retry_count < API_RETRY_COUNT_MAX) {
        api_run_on_worker(r, upload_complete_run);
        return TN_S3_OK;
    }
    if (!r->cond.refused && r->txn.status == TARN_ENOTFOUND) {
        api_run_on_worker(r, answer_again);
        return TN_S3_OK;
    }
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    notify_add(r, "ObjectCreated:CompleteMultipartUpload", r->key, &r->txn.head);
    return reply_completed(r);
}

static void fill_txn(struct api_req *r, struct complete_state *state)
{
    struct store_txn *txn = &r->txn;
    txn->op = STORE_UPLOAD_COMPLETE;
    txn->bucket = r->bucket;
    txn->key = r->key;
    uint32_t attrs = state->upload.attrs;
    if (state->is_kind_open)
        attrs = api_attrs_summed(attrs, r->meta.checksum.kind, r->meta.checksum.type);
    txn->head = (struct store_head){ .attrs = attrs, .part_count = (uint32_t)state->count };
    tn_hash_final(&state->md5, txn->head.md5);
    txn->parts = state->found;
    txn->part_count = state->count;
}

enum tn_s3_code upload_complete_run(struct api_req *r)
{
    struct complete_state *state = r->state;
    enum tn_s3_code code = read_xml(r, state);
    if (code == TN_S3_OK)
        code = upload_find(r, &state->upload, &r->meta);
    if (code == TN_S3_OK)
        code = start_digests(r, state);
    if (code == TN_S3_OK)
        code = find_parts(r, state);
    if (code == TN_S3_OK)
        code = sse_check_complete(r, &r->meta, state->has_checksums);
    if (code == TN_S3_OK)
        code = finish_digests(r, state);
    if (code)
        return code == TN_S3_NO_SUCH_UPLOAD ? answer_again(r) : code;
    fill_txn(r, state);
    r->meta.fields[API_META_INITIATOR] = TN_STR_EMPTY;
    r->meta.fields[API_META_UPLOAD] = tn_str_from(r->txn.upload_id);
    code = object_meta_store(r);
    if (r->txn.head.attrs & API_ATTR_SSE)
        r->txn.head.attrs |= (uint32_t)(state->block_count - sse_block_count(state->size))
                             << API_ATTR_BLOCKS_SHIFT;
    return code ? code : api_commit(r, on_completed);
}
