/* SPDX-License-Identifier: Apache-2.0 */
/* GetObjectAttributes. */

#include "base/clock.h"
#include "proto/xml.h"
#include "server/api/object_change.h"
#include "server/api/ops.h"
#include "server/api/sse.h"
#include "server/api/version.h"

enum attribute {
    WANTS_ETAG = 1u << 0,
    WANTS_CHECKSUM = 1u << 1,
    WANTS_PARTS = 1u << 2,
    WANTS_CLASS = 1u << 3,
    WANTS_SIZE = 1u << 4,
};

struct attributes_state {
    unsigned wanted;
    uint64_t after;
    uint64_t max;
};

static enum tn_s3_code read_names(struct api_req *r, unsigned *wanted)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = { { "ETag", WANTS_ETAG },
                  { "Checksum", WANTS_CHECKSUM },
                  { "ObjectParts", WANTS_PARTS },
                  { "StorageClass", WANTS_CLASS },
                  { "ObjectSize", WANTS_SIZE } };
    for (size_t i = 0; i < r->header_count; i++) {
        struct tn_str rest = r->headers[i].value;
        if (!tn_str_eq_nocase(r->headers[i].name, TN_STR("x-amz-object-attributes")))
            continue;
        while (rest.len) {
            unsigned bit = 0;
            struct tn_str name = tn_str_trim(tn_str_split(&rest, ','));
            for (size_t k = 0; k < TN_COUNT(known); k++) {
                if (tn_str_eq(name, tn_str_from(known[k].name)))
                    bit = known[k].bit;
            }
            if (!bit)
                return api_err(r, TN_S3_INVALID_ARGUMENT, "Invalid attribute name specified.");
            *wanted |= bit;
        }
    }
    if (*wanted)
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST,
                   "The x-amz-object-attributes header specifying the attributes to be retrieved "
                   "is either missing or empty");
}

static enum tn_s3_code read_number(struct api_req *r, const char *header, uint64_t *out)
{
    struct tn_str text = api_header(r, header);
    if (text.len && (tn_str_to_u64(text, out) < 0 || *out > INT32_MAX))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "%s is not a number.", header);
    return TN_S3_OK;
}

enum tn_s3_code attributes_check(struct api_req *r)
{
    struct attributes_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    state->max = API_LIST_COUNT_MAX;
    enum tn_s3_code code = read_names(r, &state->wanted);
    if (code == TN_S3_OK)
        code = read_number(r, "x-amz-max-parts", &state->max);
    if (code == TN_S3_OK)
        code = read_number(r, "x-amz-part-number-marker", &state->after);
    if (state->max > API_LIST_COUNT_MAX)
        state->max = API_LIST_COUNT_MAX;
    return code ? code : api_bucket_check(r);
}

static enum tn_s3_code write_part(struct api_req *r, struct tn_xml_writer *w, uint32_t number)
{
    uint64_t offset;
    uint64_t len;
    struct tn_str text;
    struct api_meta meta;
    struct tarn_error err = { 0 };
    int rc = sse_object_part(r, number, &offset, &len, &text, &err);
    if (rc == TARN_OK)
        rc = api_meta_decode(text, &r->http->arena, &meta);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    tn_xml_open(w, "Part");
    tn_xml_u64(w, "PartNumber", number);
    tn_xml_u64(w, "Size", len);
    api_xml_checksum(w, &meta.checksum);
    tn_xml_close(w, "Part");
    return TN_S3_OK;
}

static enum tn_s3_code write_parts(struct api_req *r, struct tn_xml_writer *w, uint32_t count)
{
    const struct attributes_state *state = r->state;
    uint64_t last = state->after;
    enum tn_s3_code code = TN_S3_OK;
    tn_xml_open(w, "ObjectParts");
    tn_xml_u64(w, "PartsCount", count);
    while (code == TN_S3_OK && last < count && last - state->after < state->max)
        code = write_part(r, w, (uint32_t)++last);
    tn_xml_u64(w, "PartNumberMarker", state->after);
    tn_xml_u64(w, "NextPartNumberMarker", last);
    tn_xml_u64(w, "MaxParts", state->max);
    tn_xml_bool(w, "IsTruncated", last < count);
    tn_xml_close(w, "ObjectParts");
    return code;
}

/* Without the count of parts that others say behind a composite one, as S3 does here. */
static void write_checksum(struct tn_xml_writer *w, const struct tn_checksum_value *value)
{
    struct tn_checksum_value bare = *value;
    if (value->kind == TN_CHECKSUM_NONE)
        return;
    bare.part_count = 0;
    tn_xml_open(w, "Checksum");
    api_xml_checksum(w, &bare);
    tn_xml_str(w, "ChecksumType", tn_checksum_type_name(value->type));
    tn_xml_close(w, "Checksum");
}

enum tn_s3_code attributes_run(struct api_req *r)
{
    const struct attributes_state *state = r->state;
    char etag[API_ETAG_LEN];
    char date[TN_TIME_LEN];
    enum tn_s3_code code = object_change_open(r);
    if (code == TN_S3_OK)
        code = sse_open(r, "x-amz-");
    if (code)
        return code;
    const struct store_head *head = r->api->store->ops->object_head(r->object);
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "GetObjectAttributesResponse", TN_XML_S3_NAMESPACE);
    if (state->wanted & WANTS_ETAG) {
        size_t len = api_etag(head, etag);
        tn_xml_str(&w, "ETag", (struct tn_str){ etag, len });
    }
    if (state->wanted & WANTS_CHECKSUM)
        write_checksum(&w, &r->meta.checksum);
    if ((state->wanted & WANTS_PARTS) && head->part_count)
        code = write_parts(r, &w, head->part_count);
    if (state->wanted & WANTS_CLASS)
        tn_xml_text(&w, "StorageClass", api_class_names[api_attrs_class(head->attrs)]);
    if (state->wanted & WANTS_SIZE)
        tn_xml_u64(&w, "ObjectSize", sse_object_len(r));
    tn_xml_close(&w, "GetObjectAttributesResponse");
    tn_time_http(head->mtime_ms / 1000, date);
    api_add_text(r, "Last-Modified", date);
    version_add_header(r, "x-amz-version-id", head);
    return code ? code : api_reply_xml(r, &w);
}
