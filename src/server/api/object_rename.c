/* SPDX-License-Identifier: Apache-2.0 */
/* RenameObject: another name for an object, in one step for all who look. A retry with the client's
 * token of the rename that made the object finds it done: the object remembers the token and where
 * it came from. */

#include "proto/name.h"
#include "proto/uri.h"
#include "server/api/authorise.h"
#include "server/api/notify.h"
#include "server/api/object.h"
#include "server/api/ops.h"

enum { CLIENT_TOKEN_LEN_MAX = 64 };

struct rename_state {
    struct tn_str source; /* the old key */
    struct tn_precond cond;
    struct tn_str token;
    struct tn_str mark; /* what the object keeps: token, space, old key */
};

/* "/bucket/key" or "bucket/key"; without the bucket's name in front, the key alone. */
static enum tn_s3_code read_source(struct api_req *r, struct rename_state *state)
{
    struct tn_str text = api_header(r, "x-amz-rename-source");
    if (tn_str_starts(text, TN_STR("/")))
        text = tn_str_sub(text, 1, text.len);
    struct tn_str key = text;
    struct tn_str bucket = tn_str_split(&key, '/');
    if (!tn_str_eq(bucket, r->bucket) || key.len == 0)
        key = text;
    int rc = tn_uri_decode_in(&r->http->arena, key, 0, &state->source);
    if (rc == TARN_ENOMEM)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (rc < 0 || state->source.len == 0 || tn_key_check(state->source) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "x-amz-rename-source must be the URL-encoded key of an object.");
    if (tn_str_eq(state->source, r->key))
        return api_err(r, TN_S3_INVALID_REQUEST, "The object has this name already.");
    return TN_S3_OK;
}

static enum tn_s3_code read_token(struct api_req *r, struct rename_state *state)
{
    state->token = api_header(r, "x-amz-client-token");
    bool is_fine = state->token.len <= CLIENT_TOKEN_LEN_MAX;
    for (size_t i = 0; i < state->token.len; i++)
        is_fine = is_fine && state->token.data[i] > 0x20 && state->token.data[i] < 0x7f;
    if (!is_fine)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "x-amz-client-token must be up to 64 visible ASCII characters.");
    if (state->token.len == 0)
        return TN_S3_OK;
    char *mark = tn_arena_printf(&r->http->arena, "%.*s %.*s", TN_STR_ARG(state->token),
                                 TN_STR_ARG(state->source));
    if (!mark)
        return TN_S3_SERVICE_UNAVAILABLE;
    state->mark = tn_str_from(mark);
    return TN_S3_OK;
}

static enum tn_s3_code read_conditions(struct api_req *r, struct rename_state *state)
{
    api_cond_read(r, "", &r->cond.http);
    api_cond_read(r, "x-amz-rename-source-", &state->cond);
    r->cond.has_dates = true;
    if (r->cond.http.has_if_none_match && !tn_str_eq(r->cond.http.if_none_match, TN_STR("*")))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "If-None-Match on a write takes \"*\" only.");
    if (r->cond.http.has_if_match && r->cond.http.has_if_none_match)
        return api_err(r, TN_S3_NOT_IMPLEMENTED,
                       "If-Match and If-None-Match exclude each other on a write.");
    return TN_S3_OK;
}

enum tn_s3_code rename_check(struct api_req *r)
{
    struct rename_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    enum tn_s3_code code = read_source(r, state);
    if (code == TN_S3_OK)
        code = read_token(r, state);
    if (code == TN_S3_OK)
        code = read_conditions(r, state);
    return code ? code : api_bucket_check(r);
}

/* --- Was it done before? --- */

static enum tn_s3_code judge_mark(const struct rename_state *state, struct tn_str mark,
                                  bool *is_done)
{
    struct tn_str token = tn_str_split(&mark, ' ');
    if (token.len == 0 || !tn_str_eq(token, state->token))
        return TN_S3_OK;
    *is_done = tn_str_eq(mark, state->source);
    return *is_done ? TN_S3_OK : TN_S3_IDEMPOTENCY_MISMATCH;
}

static enum tn_s3_code look_for_mark(struct api_req *r, bool *is_done)
{
    struct store *s = r->api->store;
    const struct rename_state *state = r->state;
    struct store_object *o = NULL;
    struct api_meta meta;
    struct tarn_error err = { 0 };
    *is_done = false;
    if (state->token.len == 0)
        return TN_S3_OK;
    int rc = s->ops->object_open(s, r->bucket, r->key, true, &o, &err);
    if (rc == TARN_ENOTFOUND)
        return TN_S3_OK;
    if (rc < 0)
        return api_from_status(r, rc, &err);
    rc = api_meta_decode(s->ops->object_meta(o), &r->http->arena, &meta);
    enum tn_s3_code code = rc < 0 ? api_from_status(r, rc, NULL)
                                  : judge_mark(state, meta.fields[API_META_RENAMED], is_done);
    s->ops->object_close(o);
    return code;
}

/* --- The rename --- */

static enum tn_s3_code on_renamed(struct api_req *r)
{
    if (!r->cond.refused && r->txn.status == TARN_EAGAIN &&
        ++r->retry_count < API_RETRY_COUNT_MAX) {
        api_run_on_worker(r, rename_run);
        return TN_S3_OK;
    }
    if (r->txn.status == TARN_ENOTSUPPORTED)
        return api_err(r, TN_S3_NOT_IMPLEMENTED,
                       "Objects of a bucket that keeps versions cannot be renamed.");
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    const struct rename_state *state = r->state;
    notify_add(r, "ObjectCreated:Copy", r->key, &r->txn.head);
    notify_add(r, "ObjectRemoved:Delete", state->source,
               r->api->store->ops->object_head(r->object));
    return api_reply_empty(r, 200);
}

static enum tn_s3_code authorise_source(struct api_req *r, const struct rename_state *state)
{
    enum tn_s3_code code = api_may(r, "s3:GetObject", r->bucket, state->source, TN_STR_EMPTY);
    return code ? code : api_may(r, "s3:DeleteObject", r->bucket, state->source, TN_STR_EMPTY);
}

/* Judged here: the commit is refused when the source is another by then. */
static enum tn_s3_code open_source(struct api_req *r, const struct rename_state *state)
{
    struct store *s = r->api->store;
    struct tarn_error err = { 0 };
    char etag[API_ETAG_LEN];
    if (r->object)
        s->ops->object_close(TN_TAKE(r->object));
    int rc = s->ops->object_open(s, r->bucket, state->source, true, &r->object, &err);
    if (rc < 0)
        return api_from_status(r, rc, &err);
    const struct store_head *head = s->ops->object_head(r->object);
    size_t len = api_etag(head, etag);
    if (tn_precond_copy_source(&state->cond, (struct tn_str){ etag, len }, head->mtime_ms / 1000) !=
        TN_PRECOND_PASS)
        return TN_S3_PRECONDITION_FAILED;
    rc = api_meta_decode(s->ops->object_meta(r->object), &r->http->arena, &r->meta);
    return api_from_status(r, rc, NULL);
}

enum tn_s3_code rename_run(struct api_req *r)
{
    const struct rename_state *state = r->state;
    bool is_done = false;
    enum tn_s3_code code = authorise_source(r, state);
    if (code == TN_S3_OK)
        code = look_for_mark(r, &is_done);
    if (code == TN_S3_OK && is_done)
        return api_reply_empty(r, 200);
    if (code == TN_S3_OK)
        code = open_source(r, state);
    if (code)
        return code;
    r->meta.fields[API_META_RENAMED] = state->mark;
    r->txn = (struct store_txn){ .op = STORE_RENAME, .bucket = r->bucket, .key = r->key };
    r->txn.head = *r->api->store->ops->object_head(r->object);
    r->txn.source = r->object;
    code = object_meta_store(r);
    return code ? code : api_commit(r, on_renamed);
}
