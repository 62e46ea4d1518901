/* SPDX-License-Identifier: Apache-2.0 */
/* The table of parsed sections: documents as trees, policies as policies. */

#include "server/api/bucket_forms.h"

#include "proto/xml.h"
#include "server/auth/policy.h"

static int parse_tree(struct tn_arena *arena, struct tn_str text, const void **form)
{
    const struct tn_xml_node *root = NULL;
    int rc = tn_xml_parse(arena, text, &root, NULL);
    if (rc == TARN_OK)
        *form = root;
    return rc;
}

/* Its resources were checked against the bucket when it was put. */
static int parse_policy(struct tn_arena *arena, struct tn_str text, const void **form)
{
    const struct policy *policy = NULL;
    int rc = policy_parse(arena, text, POLICY_BUCKET, TN_STR_EMPTY, &policy, NULL);
    if (rc == TARN_OK)
        *form = policy;
    return rc;
}

const struct bucket_form bucket_forms[] = {
    { BUCKET_POLICY, parse_policy },     { BUCKET_PUBLIC_ACCESS, parse_tree },
    { BUCKET_OWNERSHIP, parse_tree },    { BUCKET_LIFECYCLE, parse_tree },
    { BUCKET_CORS, parse_tree },         { BUCKET_ENCRYPTION, parse_tree },
    { BUCKET_OBJECT_LOCK, parse_tree },  { BUCKET_LOGGING, parse_tree },
    { BUCKET_NOTIFICATION, parse_tree }, { BUCKET_WEBSITE, parse_tree },
    { BUCKET_QUOTA, parse_tree },        { BUCKET_REQUEST_PAYMENT, parse_tree },
};

const size_t bucket_form_count = TN_COUNT(bucket_forms);
