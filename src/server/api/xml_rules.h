/* SPDX-License-Identifier: Apache-2.0 */
/* What the documents of S3's sub-resources may look like. */

#ifndef SERVER_API_XML_RULES_H
#define SERVER_API_XML_RULES_H

#include "server/api/xml_rule.h"

enum {
    TAG_KEY_LEN_MAX = 128,   /* characters */
    TAG_VALUE_LEN_MAX = 256, /* characters */
    TAG_BUCKET_COUNT_MAX = 50,
    TAG_OBJECT_COUNT_MAX = 10,
    GRANT_COUNT_MAX = 100,
};

extern const struct xml_rule tagging_rule;
extern const struct xml_rule lifecycle_rule;
extern const struct xml_rule cors_rule;
extern const struct xml_rule public_access_rule;
extern const struct xml_rule ownership_rule;
extern const struct xml_rule acl_rule;
extern const struct xml_rule encryption_rule;
extern const struct xml_rule object_lock_rule;
extern const struct xml_rule retention_rule;
extern const struct xml_rule legal_hold_rule;
extern const struct xml_rule restore_rule;
extern const struct xml_rule logging_rule;
extern const struct xml_rule notification_rule;
extern const struct xml_rule website_rule;
extern const struct xml_rule quota_rule;
extern const struct xml_rule request_payment_rule;
extern const struct xml_rule accelerate_rule;
extern const struct xml_rule versioning_rule;
extern const struct xml_rule create_rule;
extern const struct xml_rule delete_rule;
extern const struct xml_rule complete_rule;

#endif
