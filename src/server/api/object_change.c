/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of what is kept beside an object's bytes. */

#include "server/api/object_change.h"

#include "server/api/notify.h"
#include "server/api/object.h"
#include "server/api/version.h"

enum tn_s3_code object_change_open(struct api_req *r)
{
    const struct store *s = r->api->store;
    enum tn_s3_code code = version_open(r, r->bucket, r->key, &r->version);
    if (code)
        return code;
    int rc = api_meta_decode(s->ops->object_meta(r->object), &r->http->arena, &r->meta);
    return api_from_status(r, rc, NULL);
}

static enum tn_s3_code try_change(struct api_req *r);

static enum tn_s3_code on_changed(struct api_req *r)
{
    if (r->txn.status == TARN_EAGAIN && ++r->retry_count < API_RETRY_COUNT_MAX) {
        api_run_on_worker(r, try_change);
        return TN_S3_OK;
    }
    enum tn_s3_code code = api_commit_code(r);
    if (code)
        return code;
    version_add_header(r, "x-amz-version-id", &r->txn.head);
    notify_add_change(r, &r->txn.head);
    return api_reply_empty(r, r->edit_status);
}

static enum tn_s3_code try_change(struct api_req *r)
{
    enum tn_s3_code code = object_change_open(r);
    if (code == TN_S3_OK)
        code = r->edit(r, &r->meta);
    if (code)
        return code;
    r->txn = (struct store_txn){ .op = STORE_PUT, .bucket = r->bucket, .key = r->key };
    r->txn.head = *r->api->store->ops->object_head(r->object);
    r->txn.source = r->object;
    r->txn.keeps_version = true;
    code = object_meta_store(r);
    return code ? code : api_commit(r, on_changed);
}

enum tn_s3_code object_change_start(struct api_req *r, object_edit_fn edit, int status)
{
    r->edit = edit;
    r->edit_status = status;
    return try_change(r);
}
