/* SPDX-License-Identifier: Apache-2.0 */
/* The managed policies of AWS's account that mean something to an object store. */

#include "server/auth/iam_managed.h"

#include "base/mem.h"

#define ALLOW(actions)                                                                             \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[" actions        \
    "],\"Resource\":\"*\"}]}"

/* Ids that are made have letters and the digits 2 to 7 only. */
static const struct {
    const char *id;
    const char *name;
    const char *document;
} managed[] = {
    { "ANPA00000000000000001", "AdministratorAccess", ALLOW("\"*\"") },
    { "ANPA00000000000000002", "AmazonS3FullAccess", ALLOW("\"s3:*\"") },
    { "ANPA00000000000000003", "AmazonS3ReadOnlyAccess",
      ALLOW("\"s3:Get*\",\"s3:List*\",\"s3:Describe*\"") },
    { "ANPA00000000000000004", "IAMFullAccess", ALLOW("\"iam:*\"") },
    { "ANPA00000000000000005", "IAMReadOnlyAccess", ALLOW("\"iam:Get*\",\"iam:List*\"") },
};

size_t iam_managed_count(void)
{
    return TN_COUNT(managed);
}

json_t *iam_managed_document(size_t i)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:[{s:s, s:s, s:I}]}", "type",
                     "policy", "id", managed[i].id, "account", IAM_MANAGED_ACCOUNT, "name",
                     managed[i].name, "path", "/", "created", (json_int_t)0, "updated",
                     (json_int_t)0, "default", "v1", "versions", "id", "v1", "document",
                     managed[i].document, "created", (json_int_t)0);
}
