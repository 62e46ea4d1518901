/* SPDX-License-Identifier: Apache-2.0 */
/* PutObject. */

#include "server/api/lifecycle.h"
#include "server/api/notify.h"
#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/post_policy_form.h"
#include "server/api/sse.h"
#include "server/api/version.h"

struct put_state {
    enum api_class storage_class;
};

enum tn_s3_code object_put_check(struct api_req *r)
{
    struct put_state *state = tn_arena_zalloc(&r->http->arena, sizeof *state);
    if (!state)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->state = state;
    enum tn_s3_code code = api_cond_write(r);
    if (code == TN_S3_OK)
        code = object_meta_read(r, &r->meta, &state->storage_class);
    return code ? code : api_bucket_check(r);
}

static enum tn_s3_code on_put(struct api_req *r)
{
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    api_add_etag(r, &r->txn.head);
    api_add_checksum(r, &r->meta.checksum);
    sse_add_headers(r, &r->meta);
    version_add_new(r, &r->txn.head);
    lifecycle_add_headers(r, &r->txn.head);
    notify_add(r, r->form ? "ObjectCreated:Post" : "ObjectCreated:Put", r->key, &r->txn.head);
    return r->form ? post_form_reply(r) : api_reply_empty(r, 200);
}

enum tn_s3_code object_put_run(struct api_req *r)
{
    const struct put_state *state = r->state;
    const struct api_body *b = &r->body;
    r->meta.checksum = b->checksum_found;
    r->txn = (struct store_txn){ .op = STORE_PUT, .bucket = r->bucket, .key = r->key };
    r->txn.head.attrs = api_attrs(state->storage_class, b->checksum_kind, TN_CHECKSUM_FULL_OBJECT);
    memcpy(r->txn.head.md5, b->md5_found, STORE_MD5_LEN);
    enum tn_s3_code code = object_meta_store(r);
    if (code)
        return code;
    r->txn.body = TN_TAKE(r->body.store);
    return api_commit(r, on_put);
}
