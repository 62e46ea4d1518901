/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns what. */

#include "server/api/owner.h"

#include "proto/xml.h"

static struct tn_str first_id(const struct api_req *r)
{
    return auth_account_at(r->api->auth, 0)->canonical_id;
}

struct tn_str owner_asking(const struct api_req *r)
{
    return r->who.account ? r->who.account->canonical_id : TN_STR_EMPTY;
}

struct tn_str owner_of_bucket(const struct api_req *r, const struct bucket_config *config)
{
    struct tn_str id = bucket_config_get(config, BUCKET_OWNER);
    return id.len ? id : first_id(r);
}

struct tn_str owner_of_object(const struct api_req *r, const struct api_meta *meta)
{
    struct tn_str id = meta->fields[API_META_OWNER];
    return id.len && owner_rule_of(r->config) != OWNER_ENFORCED ? id
                                                                : owner_of_bucket(r, r->config);
}

struct tn_str owner_kept(const struct api_req *r)
{
    struct tn_str id = owner_asking(r);
    return tn_str_eq(id, first_id(r)) ? TN_STR_EMPTY : id;
}

void owner_write(const struct api_req *r, struct tn_xml_writer *w, const char *name,
                 struct tn_str id)
{
    const struct auth_account *account = auth_account_of_id(r->api->auth, id);
    tn_xml_open(w, name);
    tn_xml_str(w, "ID", id);
    if (account && account->name.len)
        tn_xml_str(w, "DisplayName", account->name);
    tn_xml_close(w, name);
}

enum owner_rule owner_rule_of(const struct bucket_config *config)
{
    const struct tn_xml_node *root = bucket_config_form(config, BUCKET_OWNERSHIP);
    struct tn_str word = root ? tn_xml_child_text(root->children, "ObjectOwnership") : TN_STR_EMPTY;
    if (tn_str_eq(word, TN_STR("BucketOwnerEnforced")))
        return OWNER_ENFORCED;
    return tn_str_eq(word, TN_STR("BucketOwnerPreferred")) ? OWNER_PREFERRED : OWNER_WRITER;
}
