/* SPDX-License-Identifier: Apache-2.0 */
/* Versions: the bucket's state, the listing, bringing one back, comparing. */

#include <tarn/versioning.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/call.h"
#include "client/client_impl.h"
#include "client/cycle.h"
#include "proto/uri.h"

enum { DOCUMENT_MAX = 4096, PAGE_SIZE_MAX = 1000, MARKER_MAX = 8192 };

/* ---- the bucket's state ---- */

int tarn_bucket_get_versioning(struct tarn_client *client, const char *bucket,
                               const struct tarn_request *request, enum tarn_versioning *out,
                               struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING(out), err);
    if (given < 0)
        return given;
    struct tn_call call;
    const struct tn_xml_node *root = NULL;
    int rc = tn_call_begin(&call, client, "get versioning of", "GET", bucket, NULL, "versioning",
                           request, err);
    if (rc < 0)
        return rc;
    rc = tn_call_run(&call, NULL, err);
    if (rc == TARN_OK)
        rc = tn_op_parse(call.op, "VersioningConfiguration", &root, err);
    if (rc == TARN_OK) {
        struct tn_str status = tn_xml_child_text(root, "Status");
        *out = tn_str_eq(status, TN_STR("Enabled"))     ? TARN_VERSIONING_ENABLED
               : tn_str_eq(status, TN_STR("Suspended")) ? TARN_VERSIONING_SUSPENDED
                                                        : TARN_VERSIONING_OFF;
    }
    tn_call_end(&call);
    return rc;
}

int tarn_bucket_set_versioning(struct tarn_client *client, const char *bucket,
                               enum tarn_versioning state, const char *mfa,
                               const struct tarn_request *request, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    TN_AUTO_BUF document = TN_BUF_INIT(DOCUMENT_MAX);
    struct tn_xml_writer w = TN_XML_WRITER(&document);
    struct tn_call call;
    if (state != TARN_VERSIONING_ENABLED && state != TARN_VERSIONING_SUSPENDED)
        return tn_fail(err, TARN_EINVAL,
                       "could not set versioning of \"%s\": it can be enabled or suspended only",
                       bucket);
    tn_xml_root(&w, "VersioningConfiguration", TN_XML_S3_NAMESPACE);
    tn_xml_text(&w, "Status", state == TARN_VERSIONING_ENABLED ? "Enabled" : "Suspended");
    tn_xml_close(&w, "VersioningConfiguration");
    if (w.rc < 0)
        return tn_fail_no_memory(err, "set versioning");
    int rc = tn_call_begin(&call, client, "set versioning of", "PUT", bucket, NULL, "versioning",
                           request, err);
    if (rc < 0)
        return rc;
    tn_op_header(call.op, "x-amz-mfa", mfa);
    rc = tn_call_run(&call, &document, err);
    tn_call_end(&call);
    return rc;
}

/* ---- listing ---- */

struct tarn_versions {
    struct tarn_client *client;
    char *bucket;
    char *prefix;
    bool is_exact_key;
    uint32_t page_size;
    struct tn_arena kept; /* what `request` points to */
    struct tarn_request request;
    struct tn_buf key_marker;
    struct tn_buf version_marker;
    struct tn_cycle cycle;

    struct tn_call page; /* its arena holds the tree and the texts */
    bool has_page;
    bool is_last;
    bool is_encoded;
    const struct tn_xml_node *at; /* the next child of the root */
    struct tarn_version_entry entry;
    bool is_failed;
    struct tarn_error err;
};

struct tarn_versions *tarn_versions_open(struct tarn_client *client, const char *bucket,
                                         const struct tarn_versions_options *options,
                                         struct tarn_error *err)
{
    if (tn_check_given(client, bucket, "-", NULL, err) < 0)
        return NULL;
    static const struct tarn_versions_options none;
    options = options ? options : &none;
    if (options->page_size > PAGE_SIZE_MAX) {
        (void)tn_fail(err, TARN_EINVAL, "could not list versions of \"%s\": page size above %d",
                      bucket, PAGE_SIZE_MAX);
        return NULL;
    }
    struct tarn_versions *v = tn_calloc(1, sizeof *v);
    if (!v) {
        (void)tn_fail_no_memory(err, "list versions");
        return NULL;
    }
    v->client = client;
    v->bucket = tn_strdup(bucket);
    v->prefix = tn_strdup(options->prefix ? options->prefix : "");
    v->is_exact_key = options->is_exact_key;
    v->page_size = options->page_size ? options->page_size : PAGE_SIZE_MAX;
    tn_arena_init(&v->kept, TN_OP_ARENA_MAX);
    v->key_marker = TN_BUF_INIT(MARKER_MAX);
    v->version_marker = TN_BUF_INIT(MARKER_MAX);
    v->cycle = TN_CYCLE_INIT;
    if (!v->bucket || !v->prefix || tn_request_copy(&v->kept, &options->request, &v->request) < 0) {
        (void)tn_fail_no_memory(err, "list versions");
        tarn_versions_free(v);
        return NULL;
    }
    return v;
}

static void drop_page(struct tarn_versions *v)
{
    if (v->has_page)
        tn_call_end(&v->page);
    v->has_page = false;
    v->at = NULL;
}

void tarn_versions_free(struct tarn_versions *versions)
{
    if (!versions)
        return;
    drop_page(versions);
    tn_buf_release(&versions->key_marker);
    tn_buf_release(&versions->version_marker);
    tn_cycle_release(&versions->cycle);
    tn_arena_release(&versions->kept);
    tn_free(versions->bucket);
    tn_free(versions->prefix);
    tn_free(versions);
}

/* A copy with a NUL, decoded where the page says so; `*out` NULL for a text that is not there. */
static int take_text(struct tarn_versions *v, const struct tn_xml_node *node, const char *name,
                     bool is_encoded, const char **out)
{
    struct tn_arena *arena = &v->page.op->arena;
    struct tn_str text = tn_xml_child_text_raw(node, name);
    *out = NULL;
    if (text.len == 0)
        return TARN_OK;
    if (is_encoded && tn_uri_decode_in(arena, text, TN_URI_PLUS_IS_SPACE, &text) < 0)
        return TARN_EPROTOCOL;
    *out = tn_arena_memdup(arena, text.data, text.len);
    return *out ? TARN_OK : TARN_ENOMEM;
}

static int keep_marker(struct tn_buf *marker, const char *text)
{
    tn_buf_truncate(marker, 0);
    return tn_buf_append_str(marker, tn_str_from(text));
}

static int take_markers(struct tarn_versions *v, const struct tn_xml_node *root)
{
    const char *key;
    const char *version;
    v->is_last = !tn_str_eq(tn_xml_child_text(root, "IsTruncated"), TN_STR("true"));
    v->is_encoded = tn_str_eq(tn_xml_child_text(root, "EncodingType"), TN_STR("url"));
    if (v->is_last)
        return TARN_OK;
    int rc = take_text(v, root, "NextKeyMarker", v->is_encoded, &key);
    if (rc == TARN_OK)
        rc = take_text(v, root, "NextVersionIdMarker", false, &version);
    if (rc == TARN_OK && !key)
        rc = TARN_EPROTOCOL;
    if (rc == TARN_OK)
        rc = tn_cycle_step(&v->cycle, tn_str_from(key), tn_str_from(version));
    if (rc == TARN_OK)
        rc = keep_marker(&v->key_marker, key);
    return rc == TARN_OK ? keep_marker(&v->version_marker, version) : rc;
}

static int turn_page(struct tarn_versions *v, struct tarn_error *err)
{
    const struct tn_xml_node *root = NULL;
    drop_page(v);
    int rc = tn_call_begin(&v->page, v->client, "list versions of", "GET", v->bucket, NULL,
                           "versions", &v->request, err);
    if (rc < 0)
        return rc;
    v->has_page = true;
    struct tn_op *op = v->page.op;
    tn_op_query(op, "encoding-type", "url");
    if (v->key_marker.len > 0)
        tn_op_query(op, "key-marker", v->key_marker.data);
    tn_op_query_u64(op, "max-keys", v->page_size);
    tn_op_query(op, "prefix", v->prefix);
    if (v->version_marker.len > 0)
        tn_op_query(op, "version-id-marker", v->version_marker.data);
    rc = tn_call_run(&v->page, NULL, err);
    if (rc == TARN_OK)
        rc = tn_op_parse(op, "ListVersionsResult", &root, err);
    if (rc < 0)
        return rc;
    v->at = root->children;
    rc = take_markers(v, root);
    if (rc == TARN_EPROTOCOL)
        return tn_op_fail(op, err, rc, "the listing does not move on");
    return rc < 0 ? tn_op_fail(op, err, rc, "%s", tarn_status_text(rc)) : rc;
}

static int take_owner(struct tarn_versions *v, const struct tn_xml_node *node, const char **out)
{
    const struct tn_xml_node *owner = tn_xml_child(node, "Owner");
    *out = NULL;
    return owner ? take_text(v, owner, "ID", false, out) : TARN_OK;
}

static int take_etag(struct tarn_versions *v, const struct tn_xml_node *node, const char **out)
{
    struct tn_str text = tn_xml_child_text(node, "ETag");
    *out = NULL;
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
        text = tn_str_sub(text, 1, text.len - 2);
    if (text.len > 0)
        *out = tn_arena_memdup(&v->page.op->arena, text.data, text.len);
    return text.len > 0 && !*out ? TARN_ENOMEM : TARN_OK;
}

static int take_entry(struct tarn_versions *v, const struct tn_xml_node *node, bool is_marker)
{
    struct tarn_version_entry *e = &v->entry;
    struct tn_str size = tn_xml_child_text(node, "Size");
    *e = (struct tarn_version_entry){ .is_delete_marker = is_marker };
    e->is_latest = tn_str_eq(tn_xml_child_text(node, "IsLatest"), TN_STR("true"));
    e->last_modified_ms = tn_date_ms(tn_xml_child_text(node, "LastModified"));
    int rc = take_text(v, node, "Key", v->is_encoded, &e->key);
    if (rc == TARN_OK)
        rc = take_text(v, node, "VersionId", false, &e->version_id);
    if (rc == TARN_OK)
        rc = take_owner(v, node, &e->owner_id);
    if (rc == TARN_OK && !is_marker)
        rc = take_etag(v, node, &e->etag);
    if (rc == TARN_OK && !is_marker)
        rc = take_text(v, node, "StorageClass", false, &e->storage_class);
    if (rc == TARN_OK && !is_marker && tn_str_to_u64(size, &e->size) < 0)
        rc = TARN_EPROTOCOL;
    if (rc == TARN_OK && (!e->key || !e->version_id))
        rc = TARN_EPROTOCOL;
    return rc;
}

/* TARN_EEOF behind the last one. */
static int take_next(struct tarn_versions *v, struct tarn_error *err)
{
    for (;;) {
        while (!v->at) {
            if (v->has_page && v->is_last)
                return TARN_EEOF;
            int rc = turn_page(v, err);
            if (rc < 0)
                return rc;
        }
        const struct tn_xml_node *node = v->at;
        v->at = node->next;
        bool is_marker = tn_str_eq(node->name, TN_STR("DeleteMarker"));
        if (!is_marker && !tn_str_eq(node->name, TN_STR("Version")))
            continue;
        int rc = take_entry(v, node, is_marker);
        if (rc < 0)
            return tn_op_fail(v->page.op, err, rc, "%s", tarn_status_text(rc));
        if (!v->is_exact_key || strcmp(v->entry.key, v->prefix) == 0)
            return TARN_OK;
        if (strcmp(v->entry.key, v->prefix) > 0) /* keys come in order: the exact one is first */
            return TARN_EEOF;
    }
}

int tarn_versions_next(struct tarn_versions *versions, const struct tarn_version_entry **entry,
                       struct tarn_error *err)
{
    int given = tn_check_missing(tn_missing(TN_MISSING(versions), TN_MISSING(entry)), err);
    if (given < 0)
        return given;
    if (versions->is_failed) {
        if (err)
            *err = versions->err;
        return versions->err.status;
    }
    int rc = take_next(versions, &versions->err);
    if (rc == TARN_EEOF) {
        *entry = NULL;
        return TARN_OK;
    }
    if (rc < 0) {
        versions->is_failed = true;
        versions->err.status = rc;
        if (err)
            *err = versions->err;
        return rc;
    }
    *entry = &versions->entry;
    return TARN_OK;
}

/* ---- bringing back ---- */

int tarn_version_restore(struct tarn_client *client, const char *bucket, const char *key,
                         const char *version_id, const struct tarn_copy_options *options,
                         struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING_TEXT(version_id), err);
    if (given < 0)
        return given;
    struct tarn_copy_options with = options ? *options : (struct tarn_copy_options){ 0 };
    with.source_version_id = version_id;
    return tarn_object_copy(client, bucket, key, bucket, key, &with, info, err);
}

int tarn_object_undelete(struct tarn_client *client, const char *bucket, const char *key,
                         const struct tarn_request *request, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given == TARN_OK)
        given = tn_check_object(bucket, key, err);
    if (given < 0)
        return given;
    struct tarn_versions_options list = { .prefix = key, .is_exact_key = true, .page_size = 1 };
    struct tarn_delete_options options = { 0 };
    const struct tarn_version_entry *newest = NULL;
    if (request)
        list.request = options.request = *request;
    struct tarn_versions *versions = tarn_versions_open(client, bucket, &list, err);
    if (!versions)
        return err && err->status < 0 ? err->status : TARN_ENOMEM;
    int rc = tarn_versions_next(versions, &newest, err);
    if (rc == TARN_OK && (!newest || !newest->is_delete_marker || !newest->is_latest))
        rc = tn_fail(err, TARN_ENOTFOUND,
                     "could not undelete \"%s/%s\": its newest version is no delete marker", bucket,
                     key);
    if (rc == TARN_OK) {
        options.version_id = newest->version_id;
        rc = tarn_object_delete(client, bucket, key, &options, NULL, err);
    }
    tarn_versions_free(versions);
    return rc;
}

/* ---- comparing ---- */

static bool is_digest(const struct tarn_object_info *info)
{
    bool is_kms = info->sse && strncmp(info->sse, "aws:kms", 7) == 0;
    return info->etag && strlen(info->etag) == 32 && !is_kms;
}

static enum tarn_difference compare(const struct tarn_object_info *a,
                                    const struct tarn_object_info *b)
{
    if (a->size != b->size)
        return TARN_DIFFERENCE_YES;
    bool has_sums = a->checksum_value && b->checksum_value &&
                    a->checksum_algorithm == b->checksum_algorithm && a->checksum_type &&
                    b->checksum_type && strcmp(a->checksum_type, b->checksum_type) == 0;
    bool is_full = has_sums && strcmp(a->checksum_type, "FULL_OBJECT") == 0;
    if (is_full)
        return strcmp(a->checksum_value, b->checksum_value) == 0 ? TARN_DIFFERENCE_NO
                                                                 : TARN_DIFFERENCE_YES;
    if (is_digest(a) && is_digest(b))
        return strcmp(a->etag, b->etag) == 0 ? TARN_DIFFERENCE_NO : TARN_DIFFERENCE_YES;
    return TARN_DIFFERENCE_UNKNOWN;
}

int tarn_version_compare(struct tarn_client *client, const char *bucket, const char *key,
                         const char *first_version_id, const char *second_version_id,
                         const struct tarn_request *request, struct tarn_version_comparison *out,
                         struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(out), err);
    if (given < 0)
        return given;
    struct tarn_get_options options = { .version_id = first_version_id };
    struct tarn_object_info a = { 0 };
    struct tarn_object_info b = { 0 };
    if (request)
        options.request = *request;
    int rc = tarn_object_head(client, bucket, key, &options, &a, err);
    options.version_id = second_version_id;
    if (rc == TARN_OK)
        rc = tarn_object_head(client, bucket, key, &options, &b, err);
    if (rc == TARN_OK)
        *out = (struct tarn_version_comparison){
            .size_difference = (int64_t)(b.size - a.size),
            .time_difference_ms = b.last_modified_ms - a.last_modified_ms,
            .is_etag_same = a.etag && b.etag && strcmp(a.etag, b.etag) == 0,
            .content = compare(&a, &b),
        };
    tarn_object_info_release(&a);
    tarn_object_info_release(&b);
    return rc;
}
