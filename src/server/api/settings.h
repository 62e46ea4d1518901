/* SPDX-License-Identifier: Apache-2.0 */
/* The sub-resources of a bucket that are documents: read, replaced, removed by the same steps, told
 * apart by a row of a table each. */

#ifndef SERVER_API_SETTINGS_H
#define SERVER_API_SETTINGS_H

#include "server/api/request.h"
#include "server/api/xml_rule.h"

struct setting {
    const struct xml_rule *rule;
    enum tn_s3_code missing; /* the answer when it is not set; TN_S3_OK: an empty document */
    const char *fallback;    /* what that document holds, or NULL */
    bool is_empty_unset;     /* an empty document removes it */

    /* What the table of elements cannot say. On a worker. May be NULL. */
    enum tn_s3_code (*check)(struct api_req *r, const struct tn_xml_node *root);

    /* It was replaced, and the answer has not gone out. May not wait. May be NULL. */
    void (*replaced)(struct api_req *r);

    /* What depends on other settings of the bucket: `now` is as it was, `sections` as it would be.
     * May not wait, nor look at r->config. May be NULL. */
    enum tn_s3_code (*judge)(struct api_req *r, const struct bucket_config *now,
                             struct tn_str sections[BUCKET_SECTION_COUNT]);
};

/* NULL for sections that are not documents. */
const struct setting *setting_of(enum bucket_section section);

/* The document in the request's body against `rule`: MalformedXML. */
TN_MUST_USE enum tn_s3_code document_parse(struct api_req *r, const struct xml_rule *rule,
                                           const struct tn_xml_node **root);

/* The same for a setting, which may not be as long as a list of keys or parts. */
TN_MUST_USE enum tn_s3_code setting_parse(struct api_req *r, const struct xml_rule *rule,
                                          const struct tn_xml_node **root);

/* Replaces section r->op->section by `text` (empty: removes it) and answers with `status`. */
TN_MUST_USE enum tn_s3_code setting_replace(struct api_req *r, struct tn_str text, int status);

/* The sections' own checks, settings_check.c. */
enum tn_s3_code tagging_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code lifecycle_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code cors_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code ownership_judge(struct api_req *r, const struct bucket_config *now,
                                struct tn_str sections[BUCKET_SECTION_COUNT]);
enum tn_s3_code encryption_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code object_lock_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code object_lock_judge(struct api_req *r, const struct bucket_config *now,
                                  struct tn_str sections[BUCKET_SECTION_COUNT]);
enum tn_s3_code logging_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code notification_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code website_check(struct api_req *r, const struct tn_xml_node *root);
enum tn_s3_code quota_check(struct api_req *r, const struct tn_xml_node *root);

#endif
