/* SPDX-License-Identifier: Apache-2.0 */
/* What judging a request needs to know of the object that it is about. */

#include "server/api/authorise.h"
#include "server/api/owner.h"
#include "server/api/version.h"

static enum tn_s3_code take(struct api_question *q, const struct store_object *object)
{
    struct tn_arena *arena = &q->r->http->arena;
    struct api_meta meta;
    struct tn_str text = q->r->api->store->ops->object_meta(object);
    /* The object is closed before the texts are used. */
    int rc = tn_arena_str(arena, text, &text);
    if (rc == TARN_OK)
        rc = api_meta_decode(text, arena, &meta);
    if (rc < 0)
        return api_from_status(q->r, rc, NULL);
    q->tags = meta.fields[API_META_TAGS];
    q->acl = meta.fields[API_META_ACL];
    q->owner = meta.fields[API_META_OWNER];
    return TN_S3_OK;
}

enum tn_s3_code api_question_look(struct api_question *q)
{
    struct store *s = q->r->api->store;
    struct store_object *object = NULL;
    struct tarn_error err = { 0 };
    q->has_object = true;
    struct store_version version = { .kind = STORE_CURRENT };
    if (q->version.len && version_parse(q->r, q->version, &version) != TN_S3_OK)
        return TN_S3_INVALID_ARGUMENT;
    struct tn_str bucket = bucket_config_name(q->config);
    int rc = version.kind == STORE_CURRENT
                 ? s->ops->object_open(s, bucket, q->key, true, &object, &err)
                 : s->ops->version_open(s, bucket, q->key, &version, &object, &err);
    q->is_missing = rc == TARN_ENOTFOUND || rc == TARN_ENOBUCKET;
    if (q->is_missing)
        return TN_S3_OK;
    if (rc < 0)
        return api_from_status(q->r, rc, &err);
    enum tn_s3_code code = take(q, object);
    s->ops->object_close(object);
    return code;
}
