/* SPDX-License-Identifier: Apache-2.0 */
/* Checking uploads. */

#include "client/verify.h"

int tn_verify_upload(const struct tn_op *op, bool *is_verified, struct tarn_error *err)
{
    struct tn_str text;
    struct tn_checksum_value told;
    unsigned char expected[TN_MD5_LEN];
    unsigned char got[TN_MD5_LEN];
    enum tn_checksum_kind kind = tn_op_checksum(op, &text);
    *is_verified = false;
    if (kind != TN_CHECKSUM_NONE && kind == op->body.checksum && op->body.has_value &&
        tn_checksum_parse(kind, text, &told) == TARN_OK) {
        if (!tn_checksum_eq(&told, &op->body.value))
            return tn_op_fail(op, err, TARN_ECHECKSUM,
                              "the server stored other bytes: its %.*s is %.*s",
                              TN_STR_ARG(tn_checksum_name(kind)), TN_STR_ARG(text));
        *is_verified = true;
        return TARN_OK;
    }
    if (op->body.kind == TN_BODY_PIPE || !tn_etag_is_md5(tn_op_plain_etag(op), expected))
        return TARN_OK;
    int rc = tn_body_md5(&op->body, got);
    if (rc < 0)
        return tn_op_fail(op, err, rc, "could not read the local data again");
    if (memcmp(got, expected, sizeof got) != 0)
        return tn_op_fail(op, err, TARN_ECHECKSUM,
                          "the server stored other bytes: its ETag is %.*s",
                          TN_STR_ARG(tn_op_etag(op)));
    *is_verified = true;
    return TARN_OK;
}
