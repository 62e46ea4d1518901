/* SPDX-License-Identifier: Apache-2.0 */
/* Small requests. */

#include "client/call.h"

#include "base/codec.h"
#include "base/hash.h"
#include "client/attributes.h"

int tn_call_begin(struct tn_call *call, struct tarn_client *client, const char *what,
                  const char *method, const char *bucket, const char *key, const char *flag,
                  const struct tarn_request *request, struct tarn_error *err)
{
    tn_waiter_init(&call->waiter);
    call->op = tn_op_new(client, &call->waiter, what, method, bucket, key);
    if (!call->op) {
        tn_waiter_release(&call->waiter);
        return tn_fail_no_memory(err, what);
    }
    tn_op_request(call->op, request);
    if (flag)
        tn_op_query_flag(call->op, flag);
    return TARN_OK;
}

int tn_call_run(struct tn_call *call, const struct tn_buf *document, struct tarn_error *err)
{
    unsigned char digest[TN_MD5_LEN];
    char md5[TN_BASE64_LEN(TN_MD5_LEN) + 1];
    if (document) {
        tn_md5(document->data, document->len, digest);
        tn_base64_encode(digest, sizeof digest, md5);
        tn_op_header(call->op, "Content-MD5", md5);
        tn_op_document(call->op, document);
    }
    return tn_op_run(call->op, err);
}

void tn_call_end(struct tn_call *call)
{
    tn_op_free(TN_TAKE(call->op));
    tn_waiter_release(&call->waiter);
}
