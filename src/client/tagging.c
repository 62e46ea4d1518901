/* SPDX-License-Identifier: Apache-2.0 */
/* Tags, attributes, restoring from an archive. */

#include <tarn/tagging.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/call.h"
#include "client/client_impl.h"
#include "proto/http_date.h"

enum { DOCUMENT_MAX = 256 * 1024, OWNED_ARENA_MAX = 1 << 20 };

/* ---- what is owned ---- */

static struct tn_arena *arena_new(void)
{
    struct tn_arena *arena = tn_calloc(1, sizeof *arena);
    if (arena)
        tn_arena_init(arena, OWNED_ARENA_MAX);
    return arena;
}

static void arena_free(void *owned)
{
    if (!owned)
        return;
    tn_arena_release(owned);
    tn_free(owned);
}

/* NULL for a text that is not there. */
static int keep(struct tn_arena *arena, struct tn_str text, const char **out)
{
    *out = text.len > 0 ? tn_arena_memdup(arena, text.data, text.len) : NULL;
    return text.len > 0 && !*out ? TARN_ENOMEM : TARN_OK;
}

void tarn_tags_release(struct tarn_tags *tags)
{
    if (!tags)
        return;
    arena_free(tags->owned);
    *tags = (struct tarn_tags){ 0 };
}

void tarn_object_attributes_release(struct tarn_object_attributes *attributes)
{
    if (!attributes)
        return;
    arena_free(attributes->owned);
    *attributes = (struct tarn_object_attributes){ 0 };
}

/* ---- tags ---- */

static int keep_tags(const struct tn_xml_node *set, struct tarn_tags *out)
{
    struct tarn_tags made = { .owned = arena_new() };
    size_t count = 0;
    for (const struct tn_xml_node *n = tn_xml_child(set, "Tag"); n; n = tn_xml_next(n))
        count++;
    struct tarn_header *items =
        made.owned ? tn_arena_alloc(made.owned, (count + 1) * sizeof *items) : NULL;
    int rc = items ? TARN_OK : TARN_ENOMEM;
    for (const struct tn_xml_node *n = tn_xml_child(set, "Tag"); n && rc == TARN_OK;
         n = tn_xml_next(n)) {
        struct tarn_header *item = &items[made.count++];
        struct tn_str value = tn_xml_child_text_raw(n, "Value");
        rc = keep(made.owned, tn_xml_child_text_raw(n, "Key"), &item->name);
        item->value = rc == TARN_OK ? tn_arena_memdup(made.owned, value.data, value.len) : NULL;
        if (rc == TARN_OK && !item->name)
            rc = TARN_EPROTOCOL;
        if (rc == TARN_OK && !item->value)
            rc = TARN_ENOMEM;
    }
    if (rc < 0) {
        arena_free(made.owned);
        return rc;
    }
    made.items = items;
    *out = made;
    return TARN_OK;
}

int tarn_tags_get(struct tarn_client *client, const char *bucket, const char *key,
                  const char *version_id, const struct tarn_request *request, struct tarn_tags *out,
                  struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING(out), err);
    if (given < 0)
        return given;
    struct tn_call call;
    struct tarn_error local = { 0 };
    const struct tn_xml_node *root = NULL;
    int rc =
        tn_call_begin(&call, client, "get tags of", "GET", bucket, key, "tagging", request, err);
    if (rc < 0)
        return rc;
    tn_op_query(call.op, "versionId", version_id);
    rc = tn_call_run(&call, NULL, &local);
    if (rc < 0 && !key && strcmp(local.s3_code, "NoSuchTagSet") == 0) {
        *out = (struct tarn_tags){ 0 };
        rc = TARN_OK;
    } else if (rc < 0) {
        if (err)
            *err = local;
    } else {
        rc = tn_op_parse(call.op, "Tagging", &root, err);
        const struct tn_xml_node *set = rc == TARN_OK ? tn_xml_child(root, "TagSet") : NULL;
        if (rc == TARN_OK)
            rc = set ? keep_tags(set, out) : TARN_EPROTOCOL;
        if (rc < 0 && root)
            (void)tn_op_fail(call.op, err, rc, "%s", tarn_status_text(rc));
    }
    tn_call_end(&call);
    return rc;
}

static size_t length_of(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static int check_tags(const char *key, const struct tarn_header *tags, size_t count,
                      struct tarn_error *err)
{
    size_t count_max = key ? TARN_OBJECT_TAGS_MAX : TARN_BUCKET_TAGS_MAX;
    if (count > count_max)
        return tn_fail(err, TARN_EINVAL, "could not set tags: more than %zu", count_max);
    for (size_t i = 0; i < count; i++) {
        const char *name = tags[i].name;
        const char *value = tags[i].value;
        if (!name || !value || !*name || length_of(name) > TARN_TAG_NAME_LEN_MAX ||
            length_of(value) > TARN_TAG_VALUE_LEN_MAX || !tn_str_is_utf8(tn_str_from(name)) ||
            !tn_str_is_utf8(tn_str_from(value)))
            return tn_fail(err, TARN_EINVAL,
                           "could not set tags: \"%s\" is no tag (a name of 1 to %d characters, a "
                           "value of at most %d)",
                           name ? name : "", TARN_TAG_NAME_LEN_MAX, TARN_TAG_VALUE_LEN_MAX);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, tags[j].name) == 0)
                return tn_fail(err, TARN_EINVAL, "could not set tags: \"%s\" twice", name);
        }
    }
    return TARN_OK;
}

static int write_tags(const struct tarn_header *tags, size_t count, struct tn_buf *document)
{
    struct tn_xml_writer w = TN_XML_WRITER(document);
    tn_xml_root(&w, "Tagging", TN_XML_S3_NAMESPACE);
    tn_xml_open(&w, "TagSet");
    for (size_t i = 0; i < count; i++) {
        tn_xml_open(&w, "Tag");
        tn_xml_text(&w, "Key", tags[i].name);
        tn_xml_text(&w, "Value", tags[i].value);
        tn_xml_close(&w, "Tag");
    }
    tn_xml_close(&w, "TagSet");
    tn_xml_close(&w, "Tagging");
    return w.rc;
}

int tarn_tags_put(struct tarn_client *client, const char *bucket, const char *key,
                  const char *version_id, const struct tarn_header *tags, size_t count,
                  const struct tarn_request *request, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING_ITEMS(tags, count), err);
    if (given < 0)
        return given;
    TN_AUTO_BUF document = TN_BUF_INIT(DOCUMENT_MAX);
    struct tn_call call;
    int rc = check_tags(key, tags, count, err);
    if (rc < 0)
        return rc;
    if (write_tags(tags, count, &document) < 0)
        return tn_fail_no_memory(err, "set tags");
    rc = tn_call_begin(&call, client, "set tags of", "PUT", bucket, key, "tagging", request, err);
    if (rc < 0)
        return rc;
    tn_op_query(call.op, "versionId", version_id);
    rc = tn_call_run(&call, &document, err);
    tn_call_end(&call);
    return rc;
}

int tarn_tags_delete(struct tarn_client *client, const char *bucket, const char *key,
                     const char *version_id, const struct tarn_request *request,
                     struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    struct tn_call call;
    int rc = tn_call_begin(&call, client, "delete tags of", "DELETE", bucket, key, "tagging",
                           request, err);
    if (rc < 0)
        return rc;
    tn_op_query(call.op, "versionId", version_id);
    rc = tn_call_run(&call, NULL, err);
    tn_call_end(&call);
    return rc;
}

/* Changes one tag of a list that has room for one more. */
static void change(struct tarn_header *tags, size_t *count, const struct tarn_header *with)
{
    size_t at = 0;
    while (at < *count && strcmp(tags[at].name, with->name) != 0)
        at++;
    if (with->value) {
        tags[at] = *with;
        *count += at == *count;
    } else if (at < *count) {
        tags[at] = tags[--*count];
    }
}

int tarn_tags_merge(struct tarn_client *client, const char *bucket, const char *key,
                    const char *version_id, const struct tarn_header *changes, size_t count,
                    const struct tarn_request *request, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING_ITEMS(changes, count), err);
    if (given < 0)
        return given;
    for (size_t i = 0; i < count; i++) {
        if (!changes[i].name)
            return tn_fail(err, TARN_EINVAL, "could not set tags: name %zu is missing", i);
    }
    struct tarn_tags old = { 0 };
    int rc = tarn_tags_get(client, bucket, key, version_id, request, &old, err);
    if (rc < 0)
        return rc;
    size_t total = old.count;
    TN_AUTO_FREE struct tarn_header *tags = tn_calloc(old.count + count + 1, sizeof *tags);
    if (!tags) {
        tarn_tags_release(&old);
        return tn_fail_no_memory(err, "set tags");
    }
    for (size_t i = 0; i < old.count; i++)
        tags[i] = old.items[i];
    for (size_t i = 0; i < count; i++)
        change(tags, &total, &changes[i]);
    rc = total > 0 ? tarn_tags_put(client, bucket, key, version_id, tags, total, request, err)
                   : tarn_tags_delete(client, bucket, key, version_id, request, err);
    tarn_tags_release(&old);
    return rc;
}

/* ---- attributes ---- */

static int keep_checksum(const struct tn_xml_node *node, struct tarn_object_attributes *made)
{
    struct tn_str value;
    enum tn_checksum_kind kind = node ? tn_xml_checksum(node, &value) : TN_CHECKSUM_NONE;
    made->checksum_algorithm = tn_checksum_public(kind);
    if (kind == TN_CHECKSUM_NONE)
        return TARN_OK;
    int rc = keep(made->owned, value, &made->checksum_value);
    return rc < 0
               ? rc
               : keep(made->owned, tn_xml_child_text(node, "ChecksumType"), &made->checksum_type);
}

/* Older servers call it so. */
static uint64_t part_count_of_old(const struct tn_xml_node *parts)
{
    uint64_t count;
    return tn_str_to_u64(tn_xml_child_text(parts, "TotalPartsCount"), &count) < 0 ? 0 : count;
}

static int keep_attributes(const struct tn_op *op, const struct tn_xml_node *root,
                           struct tarn_object_attributes *made)
{
    const struct tn_xml_node *parts = tn_xml_child(root, "ObjectParts");
    struct tn_str etag = tn_xml_child_text(root, "ETag");
    uint64_t count = 0;
    if (etag.len >= 2 && etag.data[0] == '"')
        etag = tn_str_sub(etag, 1, etag.len - 2);
    if (tn_str_to_u64(tn_xml_child_text(root, "ObjectSize"), &made->size) < 0)
        return TARN_EPROTOCOL;
    if (parts && tn_str_to_u64(tn_xml_child_text(parts, "PartsCount"), &count) < 0)
        count = part_count_of_old(parts);
    made->parts_count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    int64_t seconds;
    made->last_modified_ms = -1;
    if (tn_http_date_parse(tn_op_field(op, "last-modified"), tn_wall_ms() / 1000, &seconds) ==
        TARN_OK)
        made->last_modified_ms = seconds * 1000;
    int rc = keep(made->owned, etag, &made->etag);
    if (rc == TARN_OK)
        rc = keep(made->owned, tn_op_field(op, "x-amz-version-id"), &made->version_id);
    if (rc == TARN_OK)
        rc = keep(made->owned, tn_xml_child_text(root, "StorageClass"), &made->storage_class);
    return rc == TARN_OK ? keep_checksum(tn_xml_child(root, "Checksum"), made) : rc;
}

int tarn_object_get_attributes(struct tarn_client *client, const char *bucket, const char *key,
                               const char *version_id, const struct tarn_request *request,
                               struct tarn_object_attributes *out, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(out), err);
    if (given < 0)
        return given;
    struct tn_call call;
    const struct tn_xml_node *root = NULL;
    int rc = tn_call_begin(&call, client, "get attributes of", "GET", bucket, key, "attributes",
                           request, err);
    if (rc < 0)
        return rc;
    tn_op_query(call.op, "versionId", version_id);
    tn_op_header(call.op, "x-amz-object-attributes",
                 "ETag,Checksum,ObjectParts,StorageClass,ObjectSize");
    rc = tn_call_run(&call, NULL, err);
    if (rc == TARN_OK)
        rc = tn_op_parse(call.op, "GetObjectAttributesResponse", &root, err);
    if (rc == TARN_OK) {
        struct tarn_object_attributes made = { .owned = arena_new() };
        rc = made.owned ? keep_attributes(call.op, root, &made) : TARN_ENOMEM;
        if (rc == TARN_OK) {
            *out = made;
        } else {
            arena_free(made.owned);
            (void)tn_op_fail(call.op, err, rc, "%s", tarn_status_text(rc));
        }
    }
    tn_call_end(&call);
    return rc;
}

/* ---- the archive ---- */

static int write_restore(const struct tarn_restore_options *o, struct tn_buf *document)
{
    struct tn_xml_writer w = TN_XML_WRITER(document);
    tn_xml_root(&w, "RestoreRequest", TN_XML_S3_NAMESPACE);
    tn_xml_u64(&w, "Days", o->days ? o->days : 1);
    tn_xml_open(&w, "GlacierJobParameters");
    tn_xml_text(&w, "Tier", o->tier ? o->tier : "Standard");
    tn_xml_close(&w, "GlacierJobParameters");
    tn_xml_close(&w, "RestoreRequest");
    return w.rc;
}

int tarn_object_restore(struct tarn_client *client, const char *bucket, const char *key,
                        const struct tarn_restore_options *options, bool *is_there,
                        struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given < 0)
        return given;
    static const struct tarn_restore_options none;
    const struct tarn_restore_options *o = options ? options : &none;
    TN_AUTO_BUF document = TN_BUF_INIT(DOCUMENT_MAX);
    struct tn_call call;
    if (o->tier && strcmp(o->tier, "Standard") != 0 && strcmp(o->tier, "Bulk") != 0 &&
        strcmp(o->tier, "Expedited") != 0)
        return tn_fail(err, TARN_EINVAL,
                       "could not restore: tier \"%s\" is none of Standard, Bulk, Expedited",
                       o->tier);
    if (write_restore(o, &document) < 0)
        return tn_fail_no_memory(err, "restore");
    int rc =
        tn_call_begin(&call, client, "restore", "POST", bucket, key, "restore", &o->request, err);
    if (rc < 0)
        return rc;
    tn_op_query(call.op, "versionId", o->version_id);
    rc = tn_call_run(&call, &document, err);
    if (rc == TARN_OK && is_there)
        *is_there = call.op->http_status == 200;
    tn_call_end(&call);
    return rc;
}
