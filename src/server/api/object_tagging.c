/* SPDX-License-Identifier: Apache-2.0 */
/* GetObjectTagging, PutObjectTagging, DeleteObjectTagging. */

#include "server/api/object_change.h"
#include "server/api/ops.h"
#include "server/api/settings.h"
#include "server/api/tags.h"
#include "server/api/xml_rules.h"

enum tn_s3_code object_tagging_get_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    if (code == TN_S3_OK)
        code = object_change_open(r);
    if (code)
        return code;
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tags_write_xml(r->meta.fields[API_META_TAGS], &r->http->arena, &w);
    return api_reply_xml(r, &w);
}

static enum tn_s3_code edit_tags(struct api_req *r, struct api_meta *meta)
{
    const struct tn_str *tags = r->state;
    meta->fields[API_META_TAGS] = *tags;
    return TN_S3_OK;
}

static enum tn_s3_code replace_tags(struct api_req *r, const struct tn_xml_node *root, int status)
{
    struct tn_str *tags = tn_arena_zalloc(&r->http->arena, sizeof *tags);
    int rc = tags ? TARN_OK : TARN_ENOMEM;
    if (rc == TARN_OK && root)
        rc = tags_from_xml(&r->http->arena, root, tags);
    r->state = tags;
    return rc < 0 ? api_from_status(r, rc, NULL) : object_change_start(r, edit_tags, status);
}

enum tn_s3_code object_tagging_put_run(struct api_req *r)
{
    const struct tn_xml_node *root = NULL;
    enum tn_s3_code code = setting_parse(r, &tagging_rule, &root);
    if (code == TN_S3_OK)
        code = tags_check_xml(r, root, TAG_OBJECT_COUNT_MAX);
    return code ? code : replace_tags(r, root, 200);
}

enum tn_s3_code object_tagging_delete_run(struct api_req *r)
{
    enum tn_s3_code code = api_bucket_check(r);
    return code ? code : replace_tags(r, NULL, 204);
}
