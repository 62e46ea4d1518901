/* SPDX-License-Identifier: Apache-2.0 */
/* The IAM query API: a form, and a document in return. */

#include <tarn/iam.h>

#include "client/attributes.h"
#include "client/call.h"
#include "client/client_impl.h"
#include "proto/uri.h"

enum { FORM_MAX = 1 << 20 };

static int add(struct tn_buf *form, const char *name, const char *value)
{
    int rc = form->len > 0 ? tn_buf_append_char(form, '&') : TARN_OK;
    if (rc == TARN_OK)
        rc = tn_uri_encode(form, tn_str_from(name), 0);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(form, '=');
    return rc == TARN_OK ? tn_uri_encode(form, tn_str_from(value), 0) : rc;
}

static int make_form(const char *action, const struct tarn_header *params, size_t count,
                     struct tn_buf *form)
{
    int rc = add(form, "Action", action);
    if (rc == TARN_OK)
        rc = add(form, "Version", "2010-05-08");
    for (size_t i = 0; i < count && rc == TARN_OK; i++) {
        if (params[i].value)
            rc = add(form, params[i].name, params[i].value);
    }
    return rc;
}

int tarn_iam_call(struct tarn_client *client, const char *action, const struct tarn_header *params,
                  size_t count, const struct tarn_request *request, char **answer, size_t *len,
                  struct tarn_error *err)
{
    const char *missing = tn_missing(TN_MISSING(answer), TN_MISSING(len));
    missing = tn_missing(TN_MISSING_ITEMS(params, count), missing);
    int given = tn_check_given(client, "-", "-", tn_missing(TN_MISSING_TEXT(action), missing), err);
    if (given < 0)
        return given;
    struct tn_call call;
    struct tn_buf form = TN_BUF_INIT(FORM_MAX);
    int rc = make_form(action, params, count, &form);
    if (rc < 0) {
        tn_buf_release(&form);
        return tn_fail(err, rc, "could not call %s: %s", action, tarn_status_text(rc));
    }
    rc = tn_call_begin(&call, client, "administer", "POST", NULL, NULL, NULL, request, err);
    if (rc == TARN_OK) {
        call.op->service = "iam";
        tn_op_header(call.op, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        tn_op_document(call.op, &form);
        rc = tn_op_run(call.op, err);
        if (rc == TARN_OK) {
            char *copy = tn_memdup(call.op->answer.data, call.op->answer.len);
            if (copy)
                *answer = copy, *len = call.op->answer.len;
            else
                rc = tn_fail_no_memory(err, "administer");
        }
        tn_call_end(&call);
    }
    tn_buf_release(&form);
    return rc;
}
