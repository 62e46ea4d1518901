/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket may hold. */

#include "server/api/quota.h"

#include "server/api/xml_rule.h"

struct store_quota quota_of(const struct bucket_config *config)
{
    struct store_quota quota = { 0 };
    if (!config || bucket_config_get(config, BUCKET_QUOTA).len == 0)
        return quota;
    const struct tn_xml_node *root = bucket_config_form(config, BUCKET_QUOTA);
    /* One that is not understood lets nothing in. */
    quota.bytes_max = root ? xml_u64(root, "MaxBytes", 0) : 1;
    quota.object_max = root ? xml_u64(root, "MaxObjects", 0) : 1;
    return quota;
}
