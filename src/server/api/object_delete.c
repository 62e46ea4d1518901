/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteObject and DeleteObjects. */

#include <stdatomic.h>

#include "proto/http_date.h"
#include "proto/name.h"
#include "proto/xml.h"
#include "server/api/authorise.h"
#include "server/api/notify.h"
#include "server/api/object_lock.h"
#include "server/api/ops.h"
#include "server/api/settings.h"
#include "server/api/version.h"
#include "server/api/xml_rules.h"

/* --- One --- */

static enum tn_s3_code delete_unlocked(struct api_req *r);

static enum tn_s3_code read_conditions(struct api_req *r)
{
    struct tn_str size = api_header(r, "x-amz-if-match-size");
    struct tn_str date = api_header(r, "x-amz-if-match-last-modified-time");
    enum tn_s3_code code = api_cond_write(r);
    if (code)
        return code;
    if (r->cond.http.has_if_none_match)
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "If-None-Match is not for deletes.");
    r->cond.has_size = size.len != 0;
    if (size.len && tn_str_to_u64(size, &r->cond.size) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "x-amz-if-match-size is not a size.");
    r->cond.has_mtime = date.len != 0;
    if (date.len && tn_http_date_parse(date, tn_wall_ms() / 1000, &r->cond.mtime) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "x-amz-if-match-last-modified-time is not a date.");
    return TN_S3_OK;
}

enum tn_s3_code object_delete_check(struct api_req *r)
{
    enum tn_s3_code code = read_conditions(r);
    return code ? code : api_bucket_check(r);
}

/* A marker was put, or one was removed. */
static bool is_about_marker(const struct store_txn *txn)
{
    bool is_new = txn->version.kind == STORE_CURRENT;
    return (is_new || txn->existed) && txn->head.flags & STORE_IS_MARKER;
}

static enum tn_s3_code on_deleted(struct api_req *r)
{
    if (r->cond.seq && r->cond.refused == TN_S3_OPERATION_ABORTED &&
        ++r->retry_count < API_RETRY_COUNT_MAX) {
        api_run_on_worker(r, delete_unlocked);
        return TN_S3_OK;
    }
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    if (is_about_marker(&r->txn))
        api_add_text(r, "x-amz-delete-marker", "true");
    if (r->version.kind != STORE_CURRENT)
        api_add(r, "x-amz-version-id", tn_query_value(&r->query, "versionId"));
    else if (r->txn.head.flags & STORE_IS_MARKER)
        version_add_header(r, "x-amz-version-id", &r->txn.head);
    notify_add_delete(r, &r->txn);
    return api_reply_empty(r, 204);
}

/* Does a lock keep this version? `seq` is its state that was looked at, 0 for none. May wait. */
static enum tn_s3_code check_lock(struct api_req *r, const struct store_txn *txn,
                                  struct tn_str version, uint64_t *seq)
{
    struct store *s = r->api->store;
    struct store_object *o = NULL;
    struct api_meta meta;
    struct tarn_error err = { 0 };
    *seq = 0;
    int rc = s->ops->version_open(s, txn->bucket, txn->key, &txn->version, &o, &err);
    if (rc == TARN_ENOTFOUND)
        return TN_S3_OK;
    if (rc < 0)
        return api_from_status(r, rc, &err);
    const struct store_head *head = s->ops->object_head(o);
    enum tn_s3_code code = TN_S3_OK;
    *seq = head->seq;
    if (!(head->flags & STORE_IS_MARKER) && head->attrs & API_ATTR_LOCK) {
        bool may_bypass =
            lock_wants_bypass(r) &&
            api_may(r, "s3:BypassGovernanceRetention", txn->bucket, txn->key, version) == TN_S3_OK;
        rc = api_meta_decode(s->ops->object_meta(o), &r->http->arena, &meta);
        code = rc < 0 ? api_from_status(r, rc, NULL)
                      : lock_check_delete(r, &meta, may_bypass, tn_wall_ms());
    }
    s->ops->object_close(o);
    return code;
}

/* Only what is removed for good is asked about: a marker takes nothing away. */
static bool must_check_lock(const struct api_req *r, const struct store_version *version)
{
    return version->kind != STORE_CURRENT && r->config &&
           bucket_config_get(r->config, BUCKET_OBJECT_LOCK).len;
}

static void fill_delete(struct api_req *r)
{
    r->txn = (struct store_txn){
        .op = STORE_DELETE, .bucket = r->bucket, .key = r->key, .version = r->version
    };
}

static enum tn_s3_code delete_unlocked(struct api_req *r)
{
    fill_delete(r);
    enum tn_s3_code code =
        check_lock(r, &r->txn, tn_query_value(&r->query, "versionId"), &r->cond.seq);
    return code ? code : api_commit(r, on_deleted);
}

enum tn_s3_code object_delete_run(struct api_req *r)
{
    if (must_check_lock(r, &r->version)) {
        api_run_on_worker(r, delete_unlocked);
        return TN_S3_OK;
    }
    fill_delete(r);
    return api_commit(r, on_deleted);
}

/* --- Many --- */

struct delete_entry {
    struct store_txn txn;
    struct api_cond cond;
    struct api_req *r;
    struct tn_str key;
    struct tn_str version_text; /* as sent */
    struct store_version version;
    enum tn_s3_code code; /* why it was not even tried */
};

struct delete_state {
    struct delete_entry *entries;
    size_t count;
    atomic_size_t left; /* changes under way, and one for the loop that starts them */
    bool is_quiet;
};

enum tn_s3_code objects_delete_check(struct api_req *r)
{
    if (!r->body.has_md5 && r->body.checksum_kind == TN_CHECKSUM_NONE)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "Missing required header for this request: Content-MD5 or "
                       "x-amz-checksum-*");
    return api_bucket_check(r);
}

static enum tn_s3_code read_entry_conditions(struct delete_entry *e, const struct tn_xml_node *node)
{
    struct tn_str etag = tn_xml_child_text(node, "ETag");
    struct tn_str size = tn_xml_child_text(node, "Size");
    struct tn_str date = tn_xml_child_text(node, "LastModifiedTime");
    e->cond.http.has_if_match = etag.len != 0;
    e->cond.http.if_match = etag;
    e->cond.has_size = size.len != 0;
    if (size.len && tn_str_to_u64(size, &e->cond.size) < 0)
        return TN_S3_MALFORMED_XML;
    e->cond.has_mtime = date.len != 0;
    if (date.len && tn_http_date_parse(date, tn_wall_ms() / 1000, &e->cond.mtime) < 0)
        return TN_S3_MALFORMED_XML;
    return TN_S3_OK;
}

static enum tn_s3_code read_entry(struct api_req *r, struct delete_entry *e,
                                  const struct tn_xml_node *node)
{
    e->key = tn_xml_child_text_raw(node, "Key");
    if (e->key.len == 0)
        return TN_S3_MALFORMED_XML;
    e->version_text = tn_xml_child_text(node, "VersionId");
    if (e->version_text.len && version_parse(r, e->version_text, &e->version))
        e->code = TN_S3_NO_SUCH_VERSION;
    int rc = tn_key_check(e->key);
    if (rc < 0)
        e->code = rc == TARN_ETOOBIG ? TN_S3_KEY_TOO_LONG : TN_S3_INVALID_ARGUMENT;
    return read_entry_conditions(e, node);
}

static size_t count_nodes(const struct tn_xml_node *node)
{
    size_t count = 0;
    for (; node; node = tn_xml_next(node))
        count++;
    return count;
}

static enum tn_s3_code read_entries(struct api_req *r, struct delete_state *state)
{
    const struct tn_xml_node *root = NULL;
    enum tn_s3_code code = document_parse(r, &delete_rule, &root);
    if (code)
        return code;
    const struct tn_xml_node *node = tn_xml_child(root, "Object");
    size_t count = count_nodes(node);
    if (count == 0 || count > API_DELETE_COUNT_MAX)
        return TN_S3_MALFORMED_XML;
    state->is_quiet = tn_str_eq_nocase(tn_xml_child_text(root, "Quiet"), TN_STR("true"));
    state->entries = tn_calloc(count, sizeof *state->entries);
    if (!state->entries)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (tn_arena_defer(&r->http->arena, tn_free, state->entries) < 0)
        return TN_S3_SERVICE_UNAVAILABLE;
    for (; node; node = tn_xml_next(node)) {
        code = read_entry(r, &state->entries[state->count++], node);
        if (code)
            return code;
    }
    return TN_S3_OK;
}

static void write_entry(struct tn_xml_writer *w, const struct delete_entry *e, bool is_quiet)
{
    enum tn_s3_code code = e->code;
    if (!code)
        code = e->cond.refused ? e->cond.refused : api_code_of_status(e->txn.status);
    if (!code && is_quiet)
        return;
    const char *name = code ? "Error" : "Deleted";
    tn_xml_open(w, name);
    tn_xml_str(w, "Key", e->key);
    if (e->version_text.len)
        tn_xml_str(w, "VersionId", e->version_text);
    if (!code && is_about_marker(&e->txn)) {
        char text[API_VERSION_ID_LEN];
        version_id(&e->txn.head, text);
        tn_xml_bool(w, "DeleteMarker", true);
        tn_xml_text(w, "DeleteMarkerVersionId", text);
    }
    if (code) {
        tn_xml_text(w, "Code", tn_s3_error(code)->code);
        tn_xml_text(w, "Message", tn_s3_error(code)->message);
    }
    tn_xml_close(w, name);
}

static enum tn_s3_code reply_deleted(struct api_req *r)
{
    const struct delete_state *state = r->state;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "DeleteResult", TN_XML_S3_NAMESPACE);
    for (size_t i = 0; i < state->count; i++) {
        const struct delete_entry *e = &state->entries[i];
        write_entry(&w, e, state->is_quiet);
        if (!e->code && !e->cond.refused && e->txn.status == TARN_OK)
            notify_add_delete(r, &e->txn);
    }
    tn_xml_close(&w, "DeleteResult");
    return api_reply_xml(r, &w);
}

static void entry_done(struct api_req *r)
{
    struct delete_state *state = r->state;
    if (atomic_fetch_sub(&state->left, 1) == 1)
        api_run_on_worker(r, reply_deleted);
}

static void on_entry_committed(struct store_txn *txn)
{
    const struct delete_entry *e = txn->user;
    entry_done(e->r);
}

static int on_entry_judge(struct store_txn *txn, const struct store_head *current)
{
    struct delete_entry *e = txn->user;
    e->cond.refused = api_judge(&e->cond, current);
    return e->cond.refused ? TARN_EPRECOND : TARN_OK;
}

static void fill_entry(struct api_req *r, struct delete_entry *e)
{
    e->r = r;
    e->txn = (struct store_txn){
        .op = STORE_DELETE, .bucket = r->bucket, .key = e->key, .version = e->version
    };
    if (!e->code && must_check_lock(r, &e->version))
        e->code = check_lock(r, &e->txn, e->version_text, &e->cond.seq);
}

static void start_entry(struct api_req *r, struct delete_entry *e)
{
    e->txn.user = e;
    e->txn.done = on_entry_committed;
    e->txn.judge = api_cond_is_empty(&e->cond) ? NULL : on_entry_judge;
    r->api->store->ops->commit(r->api->store, &e->txn);
}

static enum tn_s3_code delete_many(struct api_req *r)
{
    struct delete_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    enum tn_s3_code code = read_entries(r, state);
    if (code)
        return code;
    atomic_init(&state->left, state->count + 1);
    for (size_t i = 0; i < state->count; i++) {
        struct delete_entry *e = &state->entries[i];
        const char *action = e->version_text.len ? "s3:DeleteObjectVersion" : "s3:DeleteObject";
        if (!e->code)
            e->code = api_may(r, action, r->bucket, e->key, e->version_text);
        fill_entry(r, e);
        if (e->code)
            atomic_fetch_sub(&state->left, 1);
        else
            start_entry(r, e);
    }
    entry_done(r);
    return TN_S3_OK;
}

enum tn_s3_code objects_delete_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code)
        return code;
    if (bucket_config_get(r->config, BUCKET_OBJECT_LOCK).len == 0)
        return delete_many(r);
    api_run_on_worker(r, delete_many); /* each version is looked at */
    return TN_S3_OK;
}
