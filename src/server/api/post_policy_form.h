/* SPDX-License-Identifier: Apache-2.0 */
/* PostObject: uploads by a form of a web page. The fields come first; with the file, which is the
 * last, they are judged and stand for the headers of a PUT. */

#ifndef SERVER_API_POST_POLICY_FORM_H
#define SERVER_API_POST_POLICY_FORM_H

#include "server/api/request.h"

enum {
    POST_FIELD_COUNT_MAX = 256,
    POST_FIELDS_LEN_MAX = 256 * 1024, /* all of them; S3 allows 20 KB without the policy */
};

struct post_form;

/* The steps of the operation's row. */
enum tn_s3_code post_object_check(struct api_req *r);
enum tn_s3_code post_object_run(struct api_req *r);

/* Bytes of the body of such a request: hands the file's on to api_body_take_payload(). */
TN_MUST_USE enum tn_s3_code post_form_take(struct api_req *r, const char *bytes, size_t len);

/* The answer once the object is there: 204, what success_action_status says, or a redirection. */
enum tn_s3_code post_form_reply(struct api_req *r);
void post_form_free(struct post_form *form); /* accepts NULL */

#endif
