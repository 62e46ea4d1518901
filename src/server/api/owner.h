/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns what: accounts, named by canonical ids. */

#ifndef SERVER_API_OWNER_H
#define SERVER_API_OWNER_H

#include "server/api/request.h"

/* The canonical id of who asks; empty for nobody. */
struct tn_str owner_asking(const struct api_req *r);

/* Of the bucket, and of an object in it. */
struct tn_str owner_of_bucket(const struct api_req *r, const struct bucket_config *config);
struct tn_str owner_of_object(const struct api_req *r, const struct api_meta *meta);

/* What to keep as BUCKET_OWNER for a bucket that the asking one creates: empty for the first
 * account. */
struct tn_str owner_kept(const struct api_req *r);

/* <Owner> or the like: id and display name. */
void owner_write(const struct api_req *r, struct tn_xml_writer *w, const char *name,
                 struct tn_str id);

enum owner_rule { OWNER_WRITER, OWNER_PREFERRED, OWNER_ENFORCED };

/* The bucket's ownership controls; whoever writes when there are none. */
enum owner_rule owner_rule_of(const struct bucket_config *config);

#endif
